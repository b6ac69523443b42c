"""A small closed-form sea for the stand-in node: where each ship is at any tick, as TRACKS.

What enters: number of ships, a seed, a tick. What leaves: TRACKS rows and what one partner would see of them. Every
ship goes round a wide circle, so that its state at a tick needs no history and two calls agree to the bit. It is
not the simulated sea of the demo: no sensors, no errors of measurement, no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kuroshio import clock, geo, schema
from kuroshio.units import US_PER_S, BoolArray, FloatArray, IntArray, UtcMicros

STATUSES = ("tentative", "confirmed", "coasted")
NAMES = ("ARAW", "BATIS", "DALOY", "HANGIN", "ISLA", "KIDLAT", "LUNTIAN", "MAYA", "PEARL", "SALAKNIB", "TALA", "UMAGA")
SHIP_TYPES = (30, 36, 52, 60, 70, 70, 71, 80, 89, 90)  # M.1371-5 table 53: fishing, sail, tug, passenger, cargo, tanker
KIND_AIS, KIND_BOTH, KIND_DARK, KIND_IMAGE, KIND_PARTNER = range(5)
SENSORS = (["ais"], ["ais", "radar"], ["radar"], ["image"], ["partner"])
SOURCES = (["basco-ais"], ["basco-ais", "basco-radar"], ["basco-radar"], ["sat-pass"], ["JPN"])


@dataclass(frozen=True)
class View:
    """What a party is shown in the stand-in: a southern limit, a cell for dark ships, fields held back."""

    south_deg: float
    dark_grid_deg: float
    names: bool
    accord: str
    clause: str


VIEWS: dict[str, View | None] = {
    "JPN": View(18.5, 0.05, True, "JPN-PHL-INFO-SAMPLE", "4.2"),
    "USA": View(-90.0, 0.1, False, "PHL-USA-INFO-SAMPLE", "3.1"),
    "KOR": None,  # no agreement: nothing flows
}


class ClosedSea:
    """Ships on circles between Luzon and Yonaguni.

    Parameters
    ----------
    ships
        Number of ships, 1 or more.
    seed
        Same seed, same sea.
    start_us
        Time of tick 0.
    tick_s
        Seconds a tick.
    """

    def __init__(self, ships: int, seed: int, start_us: UtcMicros, tick_s: float = 1.0) -> None:
        rng = clock.generator(seed)
        self.ships, self.start_us, self.tick_us = ships, start_us, int(tick_s * US_PER_S)
        self.lat0_deg = rng.uniform(16.5, 22.5, ships)
        self.lon0_deg = rng.uniform(119.0, 124.0, ships)
        self.radius_m = rng.uniform(4_000.0, 60_000.0, ships)
        self.sog_mps = rng.uniform(1.5, 11.0, ships)
        self.phase_rad = rng.uniform(0.0, 2.0 * np.pi, ships)
        self.turn = np.where(rng.random(ships) < 0.5, 1.0, -1.0)
        self.sigma_m = rng.uniform(8.0, 60.0, ships)
        self.every = rng.integers(2, 7, ships)
        i = np.arange(ships)
        self.kind = np.select(
            [i % 9 == 4, i % 13 == 7, i % 17 == 11, i % 2 == 0],
            [KIND_DARK, KIND_PARTNER, KIND_IMAGE, KIND_BOTH],
            KIND_AIS,
        )
        self.track_id = 1_000 + i
        known = (self.kind == KIND_AIS) | (self.kind == KIND_BOTH)
        self.mmsi = np.where(known, 548_000_000 + 37 * i, 0)
        self.ship_type = np.asarray(SHIP_TYPES)[rng.integers(0, len(SHIP_TYPES), ships)]
        self.length_m = np.round(rng.uniform(18.0, 300.0, ships))

    def last_update(self, tick: int) -> IntArray:
        """Tick of the last update of each ship; negative before the first."""
        i = np.arange(self.ships)
        return tick - (tick + i) % self.every

    def alive(self, tick: int) -> BoolArray:
        """Ships that exist at a tick: each tenth is away for ten ticks of every sixty."""
        i = np.arange(self.ships)
        away = (i % 10 == 9) & ((tick + i) % 60 >= 50)
        return ~away

    def position(self, tick: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(lat_deg, lon_deg, cog_deg) of all ships at their last update."""
        t_s = self.last_update(tick) * (self.tick_us / US_PER_S)
        angle = self.phase_rad + self.turn * self.sog_mps / self.radius_m * t_s
        lat, lon = geo.offset_position(
            self.lat0_deg, self.lon0_deg, self.radius_m * np.sin(angle), self.radius_m * np.cos(angle)
        )
        return lat, lon, (np.degrees(angle) + 90.0 * self.turn) % 360.0

    def tracks(self, tick: int, *, chosen: BoolArray | None = None) -> pa.Table:
        """TRACKS of the ships alive (and chosen) at a tick, in the order of their numbers."""
        keep = np.flatnonzero(self.alive(tick) if chosen is None else self.alive(tick) & chosen)
        lat, lon, cog = (column[keep] for column in self.position(tick))
        kind, sog = self.kind[keep], self.sog_mps[keep]
        at = self.start_us + self.last_update(tick)[keep] * self.tick_us
        variance = self.sigma_m[keep] ** 2
        claimed = self.mmsi[keep] > 0
        status = np.where(kind == KIND_IMAGE, 2, np.where(keep % 19 == 3, 0, 1))
        named = [f"{NAMES[i % len(NAMES)]} {i}" if c else None for i, c in zip(keep, claimed, strict=True)]
        return schema.TRACKS.build(
            {
                "track_id": self.track_id[keep],
                "observed_at": pa.array(at, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
                "lat_deg": lat,
                "lon_deg": lon,
                "ve_mps": sog * np.sin(np.radians(cog)),
                "vn_mps": sog * np.cos(np.radians(cog)),
                "cov_ee_m2": variance * 2.0,
                "cov_en_m2": variance * 0.6,
                "cov_nn_m2": variance,
                "sog_mps": sog,
                "cog_deg": cog,
                "heading_deg": np.where(claimed, (cog + 2.0) % 360.0, np.nan),
                "p_exists": np.where(status == 0, 0.6, 0.99),
                "status": [STATUSES[s] for s in status],
                "mmsi": pa.array(self.mmsi[keep], pa.int64(), mask=~claimed),
                "flags": np.where(kind == KIND_DARK, schema.FLAG_DARK, 0),
                "hits": np.full(len(keep), 20),
                "sensors": [SENSORS[k] for k in kind],
                "sources": [SOURCES[k] for k in kind],
                "name": pa.array(named, pa.string()),
                "ship_type": pa.array(self.ship_type[keep], pa.int16(), mask=~claimed),
                "length_m": np.where(claimed | (kind == KIND_IMAGE), self.length_m[keep], np.nan),
                "partner": pa.array(["JPN" if k == KIND_PARTNER else None for k in kind], pa.string()),
                "exercise": keep % 41 == 40,
            },
            rows=len(keep),
        )


def seen_by(tracks: pa.Table, party: str) -> pa.Table:
    """What a party is shown of own tracks, with a grid_m column; dark ships sit in the middle of their cell."""
    view = VIEWS.get(party)
    rows = tracks.num_rows
    if view is None:
        return tracks.slice(0, 0).append_column("grid_m", pa.array(np.zeros(0)))
    lat = tracks.column("lat_deg").to_numpy()
    lon = tracks.column("lon_deg").to_numpy()
    dark = (tracks.column("flags").to_numpy() & schema.FLAG_DARK) != 0
    cell = view.dark_grid_deg
    lat = np.where(dark, (np.floor(lat / cell) + 0.5) * cell, lat)
    lon = np.where(dark, (np.floor(lon / cell) + 0.5) * cell, lon)
    east_m, north_m = (scale * cell for scale in geo.metres_per_degree(lat))
    shown = tracks
    for name, values in {
        "lat_deg": lat,
        "lon_deg": lon,
        "cov_ee_m2": np.where(dark, east_m**2 / 12.0, tracks.column("cov_ee_m2").to_numpy()),
        "cov_en_m2": np.where(dark, 0.0, tracks.column("cov_en_m2").to_numpy()),
        "cov_nn_m2": np.where(dark, north_m**2 / 12.0, tracks.column("cov_nn_m2").to_numpy()),
    }.items():
        shown = shown.set_column(shown.schema.get_field_index(name), schema.TRACKS.arrow.field(name), pa.array(values))
    blank = pa.nulls(rows, pa.list_(pa.string()))
    shown = shown.set_column(shown.schema.get_field_index("sources"), schema.TRACKS.arrow.field("sources"), blank)
    if not view.names:
        none = pa.nulls(rows, pa.string())
        shown = shown.set_column(shown.schema.get_field_index("name"), schema.TRACKS.arrow.field("name"), none)
    shown = shown.append_column("grid_m", pa.array(np.where(dark, north_m, 0.0)))
    from_party = [value == party for value in tracks.column("partner").to_pylist()]
    return shown.filter(pa.array((lat >= view.south_deg) & ~np.asarray(from_party, dtype=np.bool_)))
