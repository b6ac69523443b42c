"""A scored scene for trackers: observations of many ships by radars and AIS, with the truth beside them.

What enters: a seed, sizes and conditions. What leaves: rows of the observations table in order of time (or of
arrival), the true states, and for each row the ship it came from; whole, or in chunks so that a hundred thousand
ships for an hour fit in memory. No bytes here: `kuroshio.testing.sea.Sea` speaks bytes, `trials` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import ConfigError
from kuroshio.geo import offset_position
from kuroshio.picture import SensorModel
from kuroshio.schema import OBSERVATIONS, STATICS, concat
from kuroshio.testing.sea.conditions import PLAIN, Conditions
from kuroshio.testing.sea.crowd import Crowd, make_boats, outline
from kuroshio.testing.sea.crowd_ais import CLASS_B_COMPASS_SHARE, FIRST_MMSI, CrowdAis
from kuroshio.testing.sea.crowd_radar import CLUTTER, RadarSite, Sweep
from kuroshio.units import IntArray, nm_to_m

__all__ = ["CLUTTER", "RadarSite", "Scene", "four_radars", "observations", "stream"]

STEP_S = 1.0
TRUTH_SCHEMA = pa.schema(
    [
        pa.field("ship_id", pa.int64()),
        pa.field("observed_at", pa.timestamp("us", tz="UTC")),
        pa.field("lat_deg", pa.float64()),
        pa.field("lon_deg", pa.float64()),
        pa.field("ve_mps", pa.float64()),
        pa.field("vn_mps", pa.float64()),
        pa.field("mmsi", pa.int64()),
        pa.field("motion", pa.string()),
        pa.field("held_by", pa.string()),
        pa.field("dark", pa.bool_()),
        pa.field("spoof", pa.string()),
        pa.field("spoof_m", pa.float64()),
        pa.field("length_m", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Scene:
    """Observations with the truth; unpacks as ``observations, truth``.

    ``ship_ids`` has one entry per observation: the ship it is of, -1 for clutter. ``statics`` is empty but in the
    first chunk.
    """

    observations: pa.Table
    truth: pa.Table
    ship_ids: IntArray
    radars: tuple[RadarSite, ...]
    statics: pa.Table
    ais_reach: tuple[float, float, float]  # latitude, longitude, radius in metres
    islands: tuple[tuple[float, float, float], ...] = ()  # latitude, longitude, radius in metres

    def __iter__(self) -> Iterator[pa.Table]:
        return iter((self.observations, self.truth))

    def land(self) -> dict[str, Any]:
        """Its islands as a chart has them: GeoJSON zones of kind land, as `kuroshio track --land` takes them."""
        features = [
            {
                "type": "Feature",
                "properties": {"name": f"island {n}", "kind": "land"},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[lon, lat] for lat, lon in (*outline(island), outline(island)[0])]],
                },
            }
            for n, island in enumerate(self.islands)
        ]
        return {"type": "FeatureCollection", "features": features}

    def sensors(self) -> list[SensorModel]:
        """What a tracker is told of the scene's sources; it is not told their biases."""
        lat, lon, radius = self.ais_reach
        return [SensorModel("ais", "ais", lat, lon, radius)] + [
            SensorModel(
                r.name, "radar", r.lat_deg, r.lon_deg, r.range_m, r.antenna_height_m if r.horizon else None, r.scan_s,
                r.p_detection, max(r.clutter_per_scan, 0.1), None, r.range_sigma_m, r.bearing_sigma_deg,
            )
            for r in self.radars
        ]  # fmt: skip


def four_radars(centre: tuple[float, float], half_nm: float, **settings: Any) -> tuple[RadarSite, ...]:
    """One radar at the centre of each quadrant of a box; settings as `RadarSite` has them."""
    quarter = float(nm_to_m(half_nm)) / 2.0
    sites = []
    for number, (east, north) in enumerate(((-1, -1), (1, -1), (-1, 1), (1, 1))):
        lat, lon = offset_position(centre[0], centre[1], east * quarter, north * quarter)
        sites.append(RadarSite(f"radar{number}", float(lat), float(lon), **settings))
    return tuple(sites)


def observations(seed: int, ships: int, duration_s: float, **settings: Any) -> Scene:
    """Observations and truth of ships moving in a box, seen by four radars and by AIS; settings as `stream` has them.

    Returns
    -------
    Scene
        Unpacks as ``observations, truth``; `Scene.ship_ids` is parallel to the observations.
    """
    (scene,) = stream(seed, ships, duration_s, chunk_s=float("inf"), **settings)
    return scene


def stream(
    seed: int,
    ships: int,
    duration_s: float,
    *,
    chunk_s: float = 60.0,
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
    conditions: Conditions = PLAIN,
) -> Iterator[Scene]:
    """Parts of a scene, each of ``chunk_s`` seconds; how it is cut changes no row.

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

    Raises
    ------
    ConfigError
        When a radar's scan period is not a whole number of seconds.
    """
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
    rng, extra = clock.generator(seed), clock.generator(seed * 1_000_003 + 17)
    crowd = Crowd(rng, extra, ships, centre, half_nm, conditions)
    mmsi = np.where(rng.random(ships) < dark_share, 0, FIRST_MMSI + np.arange(ships)).astype(np.int64)
    class_b = rng.random(ships) < class_b_share
    make_boats(crowd, class_b & (mmsi > 0))
    compass = ~class_b | (clock.generator(seed * 1_000_003 + 19).random(ships) < CLASS_B_COMPASS_SHARE)
    ais = CrowdAis(rng, extra, crowd, mmsi, class_b, compass, ais_loss, duration_s, conditions)
    sweeps = [Sweep(rng, extra, site, crowd, conditions) for site in sites]
    reach = (*centre, 1.6 * float(nm_to_m(half_nm)))
    play = _Play(crowd, ais, sweeps, start_us, truth_step_s, _Post(clock.generator(seed * 1_000_003 + 18), conditions))
    statics = ais.statics(start_us) if conditions.antenna_offsets else STATICS.empty()
    while play.now_s < duration_s:
        until_s = min(play.now_s + chunk_s, duration_s)
        table, owner, truth = play.until(until_s, last=until_s >= duration_s)
        yield Scene(table, truth, owner, sites, statics, reach, tuple(crowd.islands))
        statics = STATICS.empty()


class _Play:
    """A crowd with its sensors, played step by step."""

    def __init__(
        self, crowd: Crowd, ais: CrowdAis, sweeps: list[Sweep], start_us: int, truth_step_s: float, post: _Post
    ) -> None:
        self.crowd, self.ais, self.sweeps, self.start_us, self.post = crowd, ais, sweeps, start_us, post
        self.truth_step_s = truth_step_s
        self.now_s = self.next_truth_s = 0.0

    def until(self, until_s: float, *, last: bool) -> tuple[pa.Table, IntArray, pa.Table]:
        """(observations, ship of each, truth) up to a time."""
        rows: list[pa.Table] = []
        owners: list[IntArray] = []
        truth: list[pa.Table] = []
        while self.now_s < until_s:
            if self.now_s >= self.next_truth_s:
                truth.append(self._truth())
                self.next_truth_s += self.truth_step_s
            sensors: tuple[Sweep | CrowdAis, ...] = (*self.sweeps, self.ais)
            for sensor in sensors:
                table, owner = sensor.between(self.crowd, self.now_s, self.now_s + STEP_S, self.start_us)
                if len(owner):
                    rows.append(table)
                    owners.append(owner)
            self.crowd.step(STEP_S)
            self.now_s += STEP_S
        table = concat(OBSERVATIONS, rows)
        owner = np.concatenate(owners) if owners else np.empty(0, np.int64)
        table, owner = self.post.deliver(table, owner, None if last else self.start_us + round(self.now_s * 1e6))
        return table, owner, pa.concat_tables(truth).combine_chunks() if truth else TRUTH_SCHEMA.empty_table()

    def _truth(self) -> pa.Table:
        crowd, ais = self.crowd, self.ais
        here = np.flatnonzero(crowd.begun)
        ve, vn = (v[here] for v in crowd.velocity)
        covered = np.zeros(len(crowd.lat), np.bool_)
        for sweep in self.sweeps:
            covered |= sweep.covers(crowd)
        hidden = ais.hidden(self.now_s)
        held = np.array(["none", "ais", "radar", "both"])[2 * covered + ~hidden]
        spoof, spoof_m = ais.spoofing(self.now_s)
        mmsi = ais.mmsi[here]
        columns = [
            pa.array(here.astype(np.int64)),
            pa.array(np.full(len(here), self.start_us + round(self.now_s * 1e6)), pa.timestamp("us", tz="UTC")),
            pa.array(crowd.lat[here]),
            pa.array(crowd.lon[here]),
            pa.array(ve),
            pa.array(vn),
            pa.array(mmsi, mask=mmsi == 0),
            pa.array(np.array(crowd.motion())[here]),
            pa.array(held[here]),
            pa.array(hidden[here]),
            pa.array(np.array(spoof)[here]),
            pa.array(spoof_m[here]),
            pa.array(crowd.length_m[here]),
        ]
        return pa.Table.from_arrays(columns, schema=TRUTH_SCHEMA)


class _Post:
    """Delivery of reports: in order of time, or some of them late and all in order of arrival."""

    def __init__(self, rng: np.random.Generator, conditions: Conditions) -> None:
        self.rng, self.conditions = rng, conditions
        self.held, self.owner, self.arrival = OBSERVATIONS.empty(), np.empty(0, np.int64), np.empty(0, np.int64)

    def deliver(self, table: pa.Table, owner: IntArray, before_us: int | None) -> tuple[pa.Table, IntArray]:
        """(rows, ships) that have arrived before a time; all of them where it is None."""
        observed = table.column("observed_at").cast(pa.int64()).to_numpy()
        if self.conditions.late_share == 0.0:
            order = np.argsort(observed, kind="stable")
            return table.take(pa.array(order)), owner[order]
        chance = self.rng.random(len(owner)) / self.conditions.late_share  # one draw a row, however it is cut
        wait = np.where(chance < 1.0, chance * self.conditions.late_max_s, 0.0)
        arrival = np.concatenate([self.arrival, observed + (wait * 1e6).astype(np.int64)])
        owner = np.concatenate([self.owner, owner])
        table = concat(OBSERVATIONS, [self.held, table])
        order = np.argsort(arrival, kind="stable")
        here = order if before_us is None else order[arrival[order] < before_us]
        stay = np.setdiff1d(np.arange(len(arrival)), here)
        self.held, self.owner, self.arrival = table.take(pa.array(stay)), owner[stay], arrival[stay]
        at = table.schema.get_field_index("received_at")
        out = table.take(pa.array(here))
        return out.set_column(at, table.schema.field(at), pa.array(arrival[here], table.schema.field(at).type)), owner[
            here
        ]
