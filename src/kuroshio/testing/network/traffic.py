"""What the nodes of a simulated network see: two ships each, sailing north."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kuroshio.schema import TRACKS


def two_ships(number: int, *, at_us: int, age_s: float) -> pa.Table:
    """TRACKS of the two ships of the node of a number, after an age of the world."""
    lat = np.array([14.0 + number, 14.5 + number]) + 8.0 * age_s / 111_000.0
    return TRACKS.build(
        {
            "track_id": [number * 10 + 1, number * 10 + 2],
            "observed_at": np.full(2, at_us).astype("datetime64[us]"),
            "lat_deg": lat,
            "lon_deg": [120.0, 121.0],
            "sog_mps": [8.0, 8.0],
            "cog_deg": [0.0, 0.0],
            "heading_deg": [1.0, 1.0],
            "status": ["confirmed", "confirmed"],
            "mmsi": [548_000_001 + number, 548_000_002 + number],
            "name": ["EXAMPLE ONE", "EXAMPLE TWO"],
            "p_exists": [0.9, 0.9],
        },
        rows=2,
    )
