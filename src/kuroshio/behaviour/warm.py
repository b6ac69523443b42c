"""A tiny sea on which every kernel runs once."""

from __future__ import annotations

import numpy as np

from kuroshio import schema
from kuroshio.behaviour.definition import load_definitions
from kuroshio.behaviour.engine import Engine
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.segment import split_identities
from kuroshio.geo.zones import load_zones


def run_once() -> None:
    """Two ships side by side for a few hours, then silence, and a row that comes late."""
    square = [[119.9, 14.9], [120.1, 14.9], [120.1, 15.1], [119.9, 15.1], [119.9, 14.9]]
    feature = {
        "type": "Feature",
        "properties": {"name": "warm"},
        "geometry": {"type": "Polygon", "coordinates": [square]},
    }
    t = np.repeat(np.arange(0, 6 * HOUR_US, HOUR_US // 12), 2)
    track = np.tile(np.asarray([1, 2]), len(t) // 2)
    lat, lon = np.full(len(t), 15.0), 120.0 + track * 1e-4
    rows = schema.TRACKS.build(
        {
            "track_id": track,
            "observed_at": t,
            "lat_deg": lat,
            "lon_deg": lon,
            "status": ["confirmed"] * len(t),
            "mmsi": track,
            "last_ais_at": t,
        }
    )
    engine = Engine(load_definitions(), zones=load_zones(feature))
    engine.step(rows, now_us=24 * HOUR_US)
    late = rows.slice(len(t) // 2, 1)  # received twice: a repair
    engine.step(late, now_us=24 * HOUR_US)
    nothing = np.full(len(t), np.nan)
    split_identities(track, t, lat, lon, nothing, nothing)
