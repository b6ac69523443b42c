"""A scene whose scans happen at one instant, so that frame-based trackers can be given exactly the same plots.

The scenario of the design's anchors: 200 x 200 nm, four radars (50 m, 0.3 degree, Pd 0.9, 20 false plots a scan,
10 s), AIS at ITU intervals with 10 m, 15 % of the ships dark. One seed, same scene.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.geo import enu_offset_m, offset_position
from kuroshio.picture import SensorModel
from kuroshio.schema import OBSERVATIONS

T0_US = 1_700_000_000_000_000
HALF_M = 185_200.0
RANGE_M, SIGMA_R, SIGMA_B = 130_000.0, 50.0, np.radians(0.3)
SCAN_S, PD, CLUTTER = 10.0, 0.9, 20
SIGMA_V = 0.3  # of each component of a velocity that AIS reports
MMSI_FIRST = 200_000_001
CENTRE = (20.0, 122.0)


@dataclass
class Frame:
    """Plots of one sensor at one instant: metres east and north of the centre, covariance ee, en, nn, identities.

    ``ship`` is whose each plot is in truth, -1 for a false one: no tracker is told.
    """

    t_s: float
    sensor: int  # -1 is AIS
    xy: np.ndarray
    cov: np.ndarray
    ship: np.ndarray
    velocity: np.ndarray | None = None
    mmsi: np.ndarray | None = None


@dataclass
class Scene:
    """Frames in order of time, the truth and the radars' places."""

    frames: list[Frame] = field(default_factory=list)
    truth: dict[float, np.ndarray] = field(default_factory=dict)
    radars: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def reports(self) -> int:
        return sum(len(f.xy) for f in self.frames)

    def until(self, t_s: float) -> Scene:
        """The part of the scene up to a time."""
        return Scene([f for f in self.frames if f.t_s <= t_s], self.truth, self.radars)

    def first(self, reports: int) -> Scene:
        """The frames that hold the first so many reports."""
        upto = np.searchsorted(np.cumsum([len(f.xy) for f in self.frames]), reports, "right")
        return Scene(self.frames[: int(upto)], self.truth, self.radars)

    def sensors(self) -> list[SensorModel]:
        lat, lon = offset_position(*CENTRE, self.radars[:, 0], self.radars[:, 1])
        return [
            SensorModel(f"radar{k}", "radar", float(lat[k]), float(lon[k]), RANGE_M, None, SCAN_S, PD, CLUTTER)
            for k in range(len(lat))
        ]

    def observations(self) -> pa.Table:
        """The same plots as rows of the observations table."""
        n = self.reports
        xy = np.concatenate([f.xy for f in self.frames])
        cov = np.concatenate([f.cov for f in self.frames])
        sensor = np.repeat([f.sensor for f in self.frames], [len(f.xy) for f in self.frames])
        t_s = np.repeat([f.t_s for f in self.frames], [len(f.xy) for f in self.frames])
        scan = np.repeat(np.arange(len(self.frames)), [len(f.xy) for f in self.frames])
        empty = np.zeros
        mmsi = np.concatenate([f.mmsi if f.mmsi is not None else empty(len(f.xy), np.int64) for f in self.frames])
        v = np.concatenate(
            [f.velocity if f.velocity is not None else np.full((len(f.xy), 2), np.nan) for f in self.frames]
        )
        lat, lon = offset_position(*CENTRE, xy[:, 0], xy[:, 1])
        ais = sensor < 0
        return OBSERVATIONS.build(
            {
                "obs_id": np.arange(n) + 1,
                "observed_at": (T0_US + (t_s * 1e6).astype(np.int64)).astype("datetime64[us]"),
                "source": np.where(ais, "ais", np.char.add("radar", np.maximum(sensor, 0).astype(str))),
                "sensor": np.where(ais, "ais", "radar"),
                "lat_deg": lat,
                "lon_deg": lon,
                "cov_ee_m2": cov[:, 0],
                "cov_en_m2": cov[:, 1],
                "cov_nn_m2": cov[:, 2],
                "sog_mps": np.hypot(v[:, 0], v[:, 1]),
                "cog_deg": np.degrees(np.arctan2(v[:, 0], v[:, 1])) % 360.0,
                "vel_sigma_mps": np.where(ais, 0.5, np.nan),
                "mmsi": pa.array(mmsi, mask=mmsi == 0),
                "scan": pa.array(scan, mask=ais),
            },
            n,
        )


def to_plane(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Metres east and north of the centre, as the scene's plane has them."""
    return np.column_stack(enu_offset_m(*CENTRE, lat, lon))


def make(seed: int, ships: int, duration_s: float) -> Scene:
    """Scene of so many ships."""
    rng = clock.generator(seed)
    pos = rng.uniform(-HALF_M, HALF_M, (ships, 2))
    speed, course = rng.uniform(2.0, 12.0, ships), rng.uniform(0, 2 * np.pi, ships)
    turn, turning_s = np.zeros(ships), np.zeros(ships)
    dark = rng.random(ships) < 0.15
    quarter = HALF_M / 2
    scene = Scene(radars=np.array([(x, y) for x in (-quarter, quarter) for y in (-quarter, quarter)]))
    interval = np.where(speed > 7.2, 6.0, 10.0)
    due = rng.uniform(0, interval)
    for step in range(int(duration_s * 2) + 1):
        t = step * 0.5
        v = speed[:, None] * np.column_stack([np.sin(course), np.cos(course)])
        if step:
            begin = (turning_s <= 0) & (rng.random(ships) < 0.5 / 900)
            turn[begin] = rng.uniform(0.1, 0.6, begin.sum()) * rng.choice([-1, 1], begin.sum())
            turning_s[begin] = rng.uniform(20, 120, begin.sum())
            course = course + np.radians(np.where(turning_s > 0, turn, 0.0)) * 0.5
            turning_s -= 0.5
            v = speed[:, None] * np.column_stack([np.sin(course), np.cos(course)])
            pos = pos + 0.5 * v
        if step % 2 == 0:
            said = np.flatnonzero((due <= t) & ~dark)
            due[due <= t] += interval[due <= t]
            if len(said):
                z = pos[said] + rng.normal(0, 10, (len(said), 2))
                cov = np.tile([100.0, 0.0, 100.0], (len(said), 1))
                vz = v[said] + rng.normal(0, SIGMA_V, (len(said), 2))
                scene.frames.append(Frame(t, -1, z, cov, said, vz, MMSI_FIRST + said))
        radar, rest = divmod(step - 1, 5)
        if rest == 0 and step > 0:
            scene.frames.append(_scan(rng, scene.radars[radar % 4], radar % 4, pos, t))
        if step % 20 == 0:
            scene.truth[t] = pos.copy()
    return scene


def _scan(rng: np.random.Generator, site: np.ndarray, number: int, pos: np.ndarray, t: float) -> Frame:
    d = pos - site
    r, b = np.hypot(d[:, 0], d[:, 1]), np.arctan2(d[:, 0], d[:, 1])
    seen = (r < RANGE_M) & (rng.random(len(r)) < PD)
    r = r[seen] + rng.normal(0, SIGMA_R, seen.sum())
    b = b[seen] + rng.normal(0, SIGMA_B, seen.sum())
    false = rng.poisson(CLUTTER)
    r = np.concatenate([r, RANGE_M * np.sqrt(rng.random(false))])
    b = np.concatenate([b, rng.uniform(0, 2 * np.pi, false)])
    s, c = np.sin(b), np.cos(b)
    rr, bb = SIGMA_R**2, (r * SIGMA_B) ** 2
    cov = np.column_stack([s * s * rr + c * c * bb, s * c * (rr - bb), c * c * rr + s * s * bb])
    ship = np.concatenate([np.flatnonzero(seen), np.full(false, -1)])
    return Frame(t, number, site + np.column_stack([r * s, r * c]), cov, ship)


def save(scene: Scene, path: str) -> None:
    """Frames as arrays, for a peer in another process."""
    np.savez(
        path,
        t=[f.t_s for f in scene.frames],
        sensor=[f.sensor for f in scene.frames],
        size=[len(f.xy) for f in scene.frames],
        xy=np.concatenate([f.xy for f in scene.frames]),
        cov=np.concatenate([f.cov for f in scene.frames]),
    )
