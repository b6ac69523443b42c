"""A scored scene for trackers: observations of many ships by radars and AIS, with the truth beside them.

What enters: a seed and sizes. What leaves: rows of the observations table in time order, the true states, and for
each row the ship it came from. No bytes here: `kuroshio.testing.sea.Sea` speaks bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import ConfigError
from kuroshio.geo import bearing_deg, distance_m, metres_per_degree, offset_position
from kuroshio.schema import OBSERVATIONS, concat
from kuroshio.sensing.radar_plots import (
    constant,
    content_ids,
    polar_observations,
    slant_range_m,
)
from kuroshio.units import MPS_PER_KN, BoolArray, FloatArray, IntArray, nm_to_m

CLUTTER = -1
TRUTH_SCHEMA = pa.schema(
    [
        pa.field("ship_id", pa.int64()),
        pa.field("observed_at", pa.timestamp("us", tz="UTC")),
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("ve_mps", pa.float64()),
        pa.field("vn_mps", pa.float64()),
        pa.field("mmsi", pa.int64()),
    ]
)


@dataclass(frozen=True)
class RadarSite:
    """One radar of a scene: where it stands, what it covers and how well it sees."""

    name: str
    lat_deg: float
    lon_deg: float
    range_m: float
    scan_s: float
    range_sigma_m: float
    bearing_sigma_deg: float
    p_detection: float
    clutter_per_scan: float
    antenna_height_m: float = 0.0
    range_bias_m: float = 0.0
    bearing_bias_deg: float = 0.0


@dataclass(frozen=True)
class Scene:
    """Observations with the truth; unpacks as ``observations, truth``.

    ``ship_ids`` has one entry per observation: the ship it is of, -1 for clutter.
    """

    observations: pa.Table
    truth: pa.Table
    ship_ids: IntArray
    radars: tuple[RadarSite, ...]

    def __iter__(self) -> Iterator[pa.Table]:
        return iter((self.observations, self.truth))


class _Fleet:
    """Ships in a box, struct of arrays: straight legs, turns at a bounded rate, changes of speed, and some at rest."""

    def __init__(self, rng: np.random.Generator, ships: int, centre: tuple[float, float], half_nm: float) -> None:
        half_m = float(nm_to_m(half_nm))
        east, north = rng.uniform(-half_m, half_m, (2, ships))
        lat, lon = offset_position(centre[0], centre[1], east, north)
        self.rng, self.centre, self.half_m = rng, centre, half_m
        self.lat: FloatArray = lat
        self.lon: FloatArray = lon
        self.course: FloatArray = rng.uniform(0.0, 360.0, ships)
        self.speed: FloatArray = np.where(rng.random(ships) < 0.05, 0.0, rng.uniform(2.0, 12.0, ships))
        self.moving: BoolArray = self.speed > 0.0
        self.turn: FloatArray = np.zeros(ships)
        self.turn_left_s: FloatArray = np.zeros(ships)

    @property
    def velocity(self) -> tuple[FloatArray, FloatArray]:
        """(east, north) velocity in m/s."""
        angle = np.radians(self.course)
        return self.speed * np.sin(angle), self.speed * np.cos(angle)

    def step(self, dt_s: float) -> None:
        """Move all ships on; a ship that leaves the box turns back towards its centre."""
        start = self.moving & (self.turn_left_s <= 0.0) & (self.rng.random(len(self.lat)) < dt_s / 900.0)
        count = int(start.sum())
        if count:
            self.turn[start] = self.rng.uniform(0.1, 0.6, count) * self.rng.choice([-1.0, 1.0], count)
            self.turn_left_s[start] = self.rng.uniform(20.0, 120.0, count)
            self.speed[start] = np.clip(self.speed[start] + self.rng.normal(0.0, 1.0, count), 1.5, 13.0)
        turning = self.turn_left_s > 0.0
        self.course = (self.course + np.where(turning, self.turn, 0.0) * dt_s) % 360.0
        self.turn_left_s -= dt_s
        ve, vn = self.velocity
        self.lat, self.lon = offset_position(self.lat, self.lon, ve * dt_s, vn * dt_s)
        east_per_deg, north_per_deg = metres_per_degree(self.centre[0])
        east, north = (self.lon - self.centre[1]) * east_per_deg, (self.lat - self.centre[0]) * north_per_deg
        out = (np.abs(east) > self.half_m) & (ve * east > 0) | (np.abs(north) > self.half_m) & (vn * north > 0)
        out &= self.turn_left_s <= 0.0
        self.turn[out], self.turn_left_s[out] = 0.6, 300.0


def _ais_interval_s(speed_mps: FloatArray, turning: BoolArray, class_b: BoolArray) -> FloatArray:
    # ITU-R M.1371-5, annex 1, table 1 (class A by speed and turn) and table 2 (class B "CS")
    knots = speed_mps / MPS_PER_KN
    interval = np.where(knots > 23.0, 2.0, np.where(knots > 14.0, np.where(turning, 2.0, 6.0), 10.0))
    interval = np.where((knots <= 14.0) & turning, 10.0 / 3.0, interval)
    return np.where(class_b, np.where(knots > 2.0, 30.0, 180.0), np.where(knots < 0.2, 180.0, interval))


def four_radars(centre: tuple[float, float], half_nm: float, **settings: Any) -> tuple[RadarSite, ...]:
    """One radar at the centre of each quadrant of a box; settings as `RadarSite` has them."""
    quarter = float(nm_to_m(half_nm)) / 2.0
    sites = []
    for number, (east, north) in enumerate(((-1, -1), (1, -1), (-1, 1), (1, 1))):
        lat, lon = offset_position(centre[0], centre[1], east * quarter, north * quarter)
        sites.append(RadarSite(f"radar{number}", float(lat), float(lon), **settings))
    return tuple(sites)


def observations(
    seed: int,
    ships: int,
    duration_s: float,
    *,
    start_us: int = 1_700_000_000_000_000,
    centre: tuple[float, float] = (20.0, 122.0),
    half_nm: float = 100.0,
    radars: tuple[RadarSite, ...] | None = None,
    radar_range_m: float = 130_000.0,
    scan_s: float = 10.0,
    range_sigma_m: float = 50.0,
    bearing_sigma_deg: float = 0.3,
    p_detection: float = 0.9,
    clutter_per_scan: float = 20.0,
    dark_share: float = 0.15,
    class_b_share: float = 0.1,
    ais_loss: float = 0.02,
    truth_step_s: float = 10.0,
) -> Scene:
    """Observations and truth of ships moving in a box, seen by four radars and by AIS.

    Parameters
    ----------
    seed
        One seed, the same rows.
    ships, duration_s
        How many, and for how long.
    centre, half_nm
        Box: its centre (lat, lon) and half its side in nautical miles.
    radars
        Sites, for biases or other places; None puts one in each quadrant with the settings below.
    dark_share
        Share of ships without AIS.
    truth_step_s
        Interval of the true states.

    Returns
    -------
    Scene
        Unpacks as ``observations, truth``; `Scene.ship_ids` is parallel to the observations.

    Raises
    ------
    ConfigError
        When a radar's scan period is not a whole number of seconds.
    """
    rng = clock.generator(seed)
    fleet = _Fleet(rng, ships, centre, half_nm)
    sites = radars or four_radars(
        centre,
        half_nm,
        range_m=radar_range_m,
        scan_s=scan_s,
        range_sigma_m=range_sigma_m,
        bearing_sigma_deg=bearing_sigma_deg,
        p_detection=p_detection,
        clutter_per_scan=clutter_per_scan,
    )
    if any(site.scan_s < 1.0 or site.scan_s % 1.0 for site in sites):
        raise ConfigError(f"scan periods must be whole seconds: {[s.scan_s for s in sites]}", code="sea.scan_period")
    mmsi = np.where(rng.random(ships) < dark_share, 0, 400_000_001 + np.arange(ships)).astype(np.int64)
    ais = _AisReports(rng, mmsi, rng.random(ships) < class_b_share, ais_loss)
    sweeps = [_Sweep(rng, site) for site in sites]
    sensors: tuple[_Sweep | _AisReports, ...] = (*sweeps, ais)
    rows: list[pa.Table] = []
    owners: list[IntArray] = []
    truth: list[pa.Table] = []
    step_s, now_s, next_truth = 1.0, 0.0, 0.0
    while now_s < duration_s:
        if now_s >= next_truth:
            truth.append(_truth(fleet, mmsi, start_us + round(now_s * 1e6)))
            next_truth += truth_step_s
        for sensor in sensors:
            table, owner = sensor.between(fleet, now_s, now_s + step_s, start_us)
            if len(owner):
                rows.append(table)
                owners.append(owner)
        fleet.step(step_s)
        now_s += step_s
    table = concat(OBSERVATIONS, rows)
    owner = np.concatenate(owners) if owners else np.empty(0, np.int64)
    order = np.argsort(table.column("observed_at").cast(pa.int64()).to_numpy(), kind="stable")
    return Scene(table.take(pa.array(order)), pa.concat_tables(truth).combine_chunks(), owner[order], sites)


def _truth(fleet: _Fleet, mmsi: IntArray, at_us: int) -> pa.Table:
    ve, vn = fleet.velocity
    ships = len(mmsi)
    columns = [
        pa.array(np.arange(ships, dtype=np.int64)),
        pa.array(np.full(ships, at_us), pa.timestamp("us", tz="UTC")),
        pa.array(fleet.lat.copy()),
        pa.array(fleet.lon.copy()),
        pa.array(ve),
        pa.array(vn),
        pa.array(mmsi, mask=mmsi == 0),
    ]
    return pa.Table.from_arrays(columns, schema=TRUTH_SCHEMA)


class _AisReports:
    """AIS of all ships that have it, at the ITU intervals, each with its own phase and accuracy."""

    def __init__(self, rng: np.random.Generator, mmsi: IntArray, class_b: BoolArray, loss: float) -> None:
        self.rng, self.mmsi, self.class_b, self.loss = rng, mmsi, class_b, loss
        self.next_s = np.where(mmsi > 0, rng.uniform(0.0, 10.0, len(mmsi)), np.inf)
        self.sigma_m = np.where(rng.random(len(mmsi)) < 0.7, 10.0, 30.0)  # M.1371-5: accuracy flag, 10 m

    def between(self, fleet: _Fleet, from_s: float, to_s: float, start_us: int) -> tuple[pa.Table, IntArray]:
        """Reports sent in [from_s, to_s) and the ships they are of."""
        due = np.flatnonzero(self.next_s < to_s)
        at_s = np.maximum(self.next_s[due], from_s)
        interval = _ais_interval_s(fleet.speed[due], fleet.turn_left_s[due] > 0.0, self.class_b[due])
        self.next_s[due] = at_s + interval
        heard = self.rng.random(len(due)) >= self.loss
        due, at_s = due[heard], at_s[heard]
        rows = len(due)
        ve, vn = (v[due] for v in fleet.velocity)
        sigma = self.sigma_m[due]
        noise = self.rng.normal(size=(4, rows))
        dt = at_s - from_s
        lat, lon = offset_position(
            fleet.lat[due], fleet.lon[due], ve * dt + noise[0] * sigma, vn * dt + noise[1] * sigma
        )
        se, sn = ve + noise[2] * 0.15, vn + noise[3] * 0.15
        times = start_us + np.rint(at_s * 1e6).astype(np.int64)
        var = sigma * sigma
        table = OBSERVATIONS.build(
            {
                "obs_id": content_ids("ais", times, self.mmsi[due], np.rint(lat * 1e7).astype(np.int64)),
                "observed_at": times,
                "time_source": constant("tag_block", rows),
                "source": constant("ais", rows),
                "station": constant("ais0", rows),
                "sensor": constant("ais", rows),
                "lat_deg": lat,
                "lon_deg": lon,
                "cov_ee_m2": var,
                "cov_en_m2": np.zeros(rows),
                "cov_nn_m2": var,
                "sog_mps": np.hypot(se, sn),
                "cog_deg": np.degrees(np.arctan2(se, sn)) % 360.0,
                "vel_sigma_mps": np.full(rows, 0.15),
                "mmsi": self.mmsi[due],
                "msg_type": np.where(self.class_b[due], 18, 1).astype(np.uint8),
            },
            rows,
        )
        return table, due.astype(np.int64)


class _Sweep:
    """One radar turning: in each step the plots of the sector it swept, and its share of clutter."""

    def __init__(self, rng: np.random.Generator, site: RadarSite) -> None:
        self.rng, self.site, self.scan = rng, site, -1
        self.due_s: FloatArray = np.empty(0)
        self.clutter: FloatArray = np.empty((3, 0))

    def _begin(self, fleet: _Fleet, scan: int) -> None:
        site, rng = self.site, self.rng
        self.scan = scan
        bearing = bearing_deg(site.lat_deg, site.lon_deg, fleet.lat, fleet.lon)
        self.due_s = (scan + bearing / 360.0) * site.scan_s
        self.due_s[rng.random(len(bearing)) >= site.p_detection] = np.inf
        count = rng.poisson(site.clutter_per_scan)
        angle = rng.uniform(0.0, 360.0, count)
        self.clutter = np.stack(
            [(scan + angle / 360.0) * site.scan_s, site.range_m * np.sqrt(rng.random(count)), angle]
        )

    def between(self, fleet: _Fleet, from_s: float, to_s: float, start_us: int) -> tuple[pa.Table, IntArray]:
        """Plots of the sector swept in [from_s, to_s), with the ships they are of and -1 for clutter."""
        site, rng = self.site, self.rng
        if int(from_s // site.scan_s) != self.scan:
            self._begin(fleet, int(from_s // site.scan_s))
        seen = np.flatnonzero((self.due_s >= from_s) & (self.due_s < to_s))
        dt = self.due_s[seen] - from_s
        ve, vn = (v[seen] * dt for v in fleet.velocity)
        lat, lon = offset_position(fleet.lat[seen], fleet.lon[seen], ve, vn)
        ground = distance_m(site.lat_deg, site.lon_deg, lat, lon)
        near = ground <= site.range_m
        seen, ground = seen[near], ground[near]
        bearing = bearing_deg(site.lat_deg, site.lon_deg, lat[near], lon[near])
        false = self.clutter[:, (self.clutter[0] >= from_s) & (self.clutter[0] < to_s)]
        plots = len(seen)
        slant = slant_range_m(ground, site.antenna_height_m) + rng.normal(site.range_bias_m, site.range_sigma_m, plots)
        angle = bearing + rng.normal(site.bearing_bias_deg, site.bearing_sigma_deg, plots)
        owner = np.concatenate([seen, np.full(false.shape[1], CLUTTER)]).astype(np.int64)
        table = polar_observations(
            source=site.name,
            station=site.name,
            sensor_lat_deg=site.lat_deg,
            sensor_lon_deg=site.lon_deg,
            antenna_height_m=site.antenna_height_m,
            observed_us=start_us + np.rint(np.concatenate([self.due_s[seen], false[0]]) * 1e6).astype(np.int64),
            received_us=None,
            time_source="tag_block",
            range_m=np.maximum(np.concatenate([slant, false[1]]), 1.0),
            bearing_deg=np.concatenate([angle, false[2]]),
            range_sigma_m=site.range_sigma_m,
            bearing_sigma_deg=site.bearing_sigma_deg,
            scan=np.full(len(owner), self.scan),
        )
        return table, owner
