"""Outlines of images: where a satellite looked, so that what it did not show can count.

What enters: polygons of GeoJSON. What leaves: rows of `footprints`. Source: RFC 7946, 3.1.6 (rings are closed and have
four positions or more).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.schema import FOOTPRINTS
from kuroshio.sensing.radar_plots import constant

MAX_POSITIONS = 10_000


def outline_of(geometry: Mapping[str, Any]) -> dict[str, Any] | str:
    """Polygon or MultiPolygon of GeoJSON with nothing else, or why it is none."""
    shape = geometry.get("coordinates")
    polygons = [shape] if geometry.get("type") == "Polygon" else shape
    if not isinstance(polygons, list) or not polygons:
        return "bad_outline"
    count = 0
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            return "bad_outline"
        for ring in polygon:
            if not isinstance(ring, list) or len(ring) < 4 or ring[0] != ring[-1]:
                return "bad_outline"
            count += len(ring)
            if count > MAX_POSITIONS or not all(_on_earth(place) for place in ring):
                return "bad_outline"
    return {"type": geometry["type"], "coordinates": shape}


def _on_earth(place: Any) -> bool:
    if not isinstance(place, list) or len(place) < 2:
        return False
    lon, lat = place[:2]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in (lon, lat)):
        return False
    return -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0


def footprint_table(
    source: str, rows: list[dict[str, Any]], received_at_us: int | None, exercise: bool | None
) -> pa.Table | None:
    """Rows of `footprints`, None without any."""
    if not rows:
        return None
    count = len(rows)
    arrays: dict[str, Any] = {
        "observed_at": np.array([r["time"] for r in rows], np.int64),
        "source": constant(source, count),
        "station": [r["station"] for r in rows],
        "outline": [json.dumps(r["outline"]) for r in rows],
        "received_at": [received_at_us] * count,
        "exercise": [exercise] * count,
    }
    return FOOTPRINTS.build(arrays, count)
