"""Land between a radar and the sea: how far it sees by bearing, and whether a place is on land.

What enters: outlines. What leaves: arrays. The radar's own island does not shade it: it stands on its hill.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kuroshio.geo import enu_offset_m
from kuroshio.testing.sea.geography import Point
from kuroshio.units import BoolArray, FloatArray

OWN_ISLAND_M = 12_000.0


def shadow_ranges_m(site: Point, land: Mapping[str, tuple[Point, ...]]) -> FloatArray:
    """Range at which land begins, by whole degree of bearing from a site; infinity where the sea is open."""
    angle = np.radians(np.arange(360) + 0.5)
    direction = np.stack([np.sin(angle), np.cos(angle)])
    nearest = np.full(360, np.inf)
    for outline in land.values():
        lat, lon = np.array(outline).T
        east, north = enu_offset_m(site[0], site[1], lat, lon)
        if np.hypot(east, north).min() < OWN_ISLAND_M or inside(np.array([site[0]]), np.array([site[1]]), outline)[0]:
            continue
        start = np.stack([east, north])
        edge = np.roll(start, -1, axis=1) - start
        for n in range(start.shape[1]):  # few edges, all bearings at once
            cross = direction[0] * edge[1, n] - direction[1] * edge[0, n]
            with np.errstate(divide="ignore", invalid="ignore"):
                along = (start[0, n] * edge[1, n] - start[1, n] * edge[0, n]) / cross
                part = (start[0, n] * direction[1] - start[1, n] * direction[0]) / cross
            hit = (along > 0.0) & (part >= 0.0) & (part <= 1.0)
            nearest = np.where(hit & (along < nearest), along, nearest)
    return nearest


def inside(lat_deg: FloatArray, lon_deg: FloatArray, outline: tuple[Point, ...]) -> BoolArray:
    """Which places lie inside an outline (crossing number)."""
    result = np.zeros(len(lat_deg), bool)
    for (lat0, lon0), (lat1, lon1) in zip(outline, (*outline[1:], outline[0]), strict=True):
        crosses = (lat0 > lat_deg) != (lat1 > lat_deg)
        if lat0 != lat1:
            result ^= crosses & (lon_deg < lon0 + (lat_deg - lat0) * (lon1 - lon0) / (lat1 - lat0))
    return result


def on_land(lat_deg: FloatArray, lon_deg: FloatArray, land: Mapping[str, tuple[Point, ...]]) -> BoolArray:
    """Which places lie inside any outline."""
    result = np.zeros(len(lat_deg), bool)
    for outline in land.values():
        result |= inside(lat_deg, lon_deg, outline)
    return result
