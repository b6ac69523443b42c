"""A tiny sea on which every kernel runs once, in the forms a node and an archive give it.

What enters: nothing. What leaves: kernels in memory and in the cache beside the code. A kernel is compiled anew for
arrays of another order, so that the sea is fed to an engine in steps, to one that was saved and read again, to one of
one ship, and to the archive.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import schema
from kuroshio.behaviour import norms
from kuroshio.behaviour.archive import archive_fixes, detect
from kuroshio.behaviour.definition import load_definitions
from kuroshio.behaviour.engine import Engine
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.segment import split_identities
from kuroshio.geo.zones import Zones, load_zones

STEP_US = HOUR_US // 12
ROWS = 72
LATE = 24  # hours
ZONES = {"port": 14.9, "land": 14.8, "cable": 14.7, "eez": 14.6, "fishing": 14.5, "reserve": 14.4, "gate": 14.95}


def run_once() -> None:
    """Ships that meet, lie still, jump, go dark, circle and send distress for six hours; then silence; one row late."""
    zones, definitions, rows = _zones(), load_definitions(), _sea()
    engine = Engine(definitions, zones=zones)
    steps = [0, 1, 2, 50, rows.num_rows // 2, rows.num_rows]
    for begin, end in itertools.pairwise(steps):
        engine.step(rows.slice(begin, end - begin), now_us=_time(rows, end - 1))
    engine.step(rows.slice(rows.num_rows // 3, 2), now_us=_time(rows, rows.num_rows - 1))  # late: a repair
    again = Engine(definitions, zones=zones)
    with tempfile.TemporaryDirectory(prefix="kuroshio-warm-") as folder:
        engine.save(Path(folder) / "behaviour")
        again.load(Path(folder) / "behaviour")
    again.step(rows.slice(0, 0), now_us=LATE * HOUR_US, watermark_us=LATE * HOUR_US)
    alone = Engine(definitions, zones=zones)
    one = rows.filter(pa.array(rows["track_id"].to_numpy() == 1))
    alone.step(one, now_us=_time(one, one.num_rows - 1))
    alone.step(one.slice(0, 0), now_us=LATE * HOUR_US, watermark_us=LATE * HOUR_US)
    learned = norms.build(archive_fixes(rows))
    detect(rows, definitions, zones=zones, norms=learned, now_us=LATE * HOUR_US)
    t, lat, lon = (rows[name].to_numpy() for name in ("observed_at", "lat_deg", "lon_deg"))
    nothing = np.full(len(lat), np.nan)
    split_identities(rows["track_id"].to_numpy(), t.astype(np.int64), lat, lon, nothing, nothing)


def _time(rows: pa.Table, row: int) -> int:
    return int(rows["observed_at"][row].cast(pa.int64()).as_py())


def _square(lat_deg: float) -> list[list[float]]:
    south, north, west, east = lat_deg, lat_deg + 0.1, 119.9, 120.1
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _zones() -> Zones:
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "properties": {"name": kind, "kind": kind},
            "geometry": {"type": "Polygon", "coordinates": [_square(lat_deg)]},
        }
        for kind, lat_deg in ZONES.items()
    ]
    return load_zones({"type": "FeatureCollection", "features": features})


def _way(k: np.ndarray, ship: int) -> Sequence[np.ndarray]:
    """Latitudes and longitudes of a ship: beside another, through the zones, on a circle, or away and back."""
    lat = np.full(len(k), 15.2 if ship <= 2 else 14.95)  # encounters in a port are none
    lon = 120.0 + ship * 1e-4 + np.zeros(len(k))
    if ship == 3:
        lat = 15.02 - 0.01 * k
    if ship == 4:
        lat, lon = 15.3 + 0.02 * np.cos(k), 120.5 + 0.02 * np.sin(k)
    if ship == 5:
        lon = np.where(k % 9 == 8, 122.0, lon + 0.01 * k)
    return lat, lon


def _sea() -> pa.Table:
    k = np.arange(ROWS)
    parts = []
    for ship in range(1, 8):
        lat, lon = _way(k, ship)
        t = k * STEP_US + ship * 1_000_000
        radar = np.full(ROWS, ship == 6)
        own = 970_000_001 if ship == 7 else 431_000_000 + ship % 5
        at = pa.array(t, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        parts.append(
            schema.TRACKS.build(
                {
                    "track_id": np.full(ROWS, ship),
                    "observed_at": at,
                    "lat_deg": lat,
                    "lon_deg": lon,
                    "sog_mps": np.where(k % 20 < 10, 9.0, 0.2),
                    "cog_deg": 10.0 * k % 360,
                    "heading_deg": (10.0 * k + 60) % 360,
                    "status": ["confirmed"] * (ROWS - 1) + ["ended" if ship == 2 else "confirmed"],
                    "nav_status": np.where(k % 7 == 6, 14, 0),
                    "flags": np.where(radar, 1, np.where(k % 30 > 20, 6, 0)),
                    "mmsi": pa.array([own] * ROWS, mask=radar),
                    "name": [f"SHIP {ship} {row // 40}" for row in k],
                    "ship_type": np.full(ROWS, 30 if ship == 4 else 70),
                    "length_m": np.full(ROWS, 60.0),
                    "last_ais_at": pa.array(t, pa.int64(), mask=radar).cast(pa.timestamp("us", tz="UTC")),
                    "last_radar_at": at if ship > 4 else pa.nulls(ROWS, pa.timestamp("us", tz="UTC")),
                }
            )
        )
    rows = pa.concat_tables(parts)
    return rows.take(pa.array(np.argsort(rows["observed_at"].cast(pa.int64()).to_numpy(), kind="stable")))
