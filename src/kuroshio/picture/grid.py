"""Cells on the sphere: which points are near a position, across the antimeridian and at the poles.

What enters: latitudes and longitudes. What leaves: points sorted by hashed cell. Rows of cells have equal
height; a row nearer the pole has fewer columns, so that a cell is never narrower than its height.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.geo import metres_per_degree
from kuroshio.picture.compiled import inner, kernel
from kuroshio.units import FloatArray

M_PER_DEG = 111_319.49  # equatorial degree on WGS 84: cells err to the larger side


COARSE_M = 16_000.0
COARSE_MAX = 128  # cells a side
COARSE_LAT_MAX = 80.0


class Coarse(NamedTuple):
    """A flat map of large cells around a frame: the widest of the points in a cell and beside it.

    ``widest`` is (side, side), 0 where there is no point; ``lat``/``lon`` its centre, ``east``/``north`` metres per
    degree there. A map of side 0 says nothing: every place may be near, and ``most`` is the widest of all.
    """

    widest: FloatArray
    most: float
    lat: float
    lon: float
    east: float
    north: float


class Grid(NamedTuple):
    """Points by hashed cell: those of slot ``h`` are ``point[start[h]:start[h + 1]]``, with their ``row`` and ``col``.

    ``cell_deg`` is the height of a cell in degrees of latitude.
    """

    start: Any
    point: Any
    row: Any
    col: Any
    mask: int
    cell_deg: float


@inner
def columns(row, cell_deg):  # type: ignore[no-untyped-def]
    """Number of cells in a row."""
    lat = min(abs(row * cell_deg - 90.0), abs((row + 1) * cell_deg - 90.0))
    return max(1, int(360.0 * math.cos(math.radians(min(lat, 90.0))) / cell_deg))


@inner
def hash_cell(row, col, mask):  # type: ignore[no-untyped-def]
    """Slot of a cell."""
    return ((row * 73856093) ^ (col * 19349663)) & mask


@inner
def cell_of(lat, lon, cell_deg):  # type: ignore[no-untyped-def]
    """(row, column) of a position."""
    row = int((lat + 90.0) / cell_deg)
    n = columns(row, cell_deg)
    return row, int((lon + 180.0) / 360.0 * n) % n


@kernel
def build(lat, lon, cell_m):  # type: ignore[no-untyped-def]
    """Grid over points."""
    n = len(lat)
    bits = 4
    while (1 << bits) < 2 * n:
        bits += 1
    mask = (1 << bits) - 1
    cell_deg = cell_m / M_PER_DEG
    start = np.zeros((1 << bits) + 2, np.int32)
    rows, cols, slot = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    for j in range(n):
        rows[j], cols[j] = cell_of(lat[j], lon[j], cell_deg)
        slot[j] = hash_cell(rows[j], cols[j], mask)
        start[slot[j] + 2] += 1
    for h in range(2, len(start)):
        start[h] += start[h - 1]
    point, row, col = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    for j in range(n):
        at = start[slot[j] + 1]
        point[at], row[at], col[at] = j, rows[j], cols[j]
        start[slot[j] + 1] = at + 1
    return Grid(start, point, row, col, mask, cell_deg)


@inner
def near(grid, lat, lon, radius_m, out):  # type: ignore[no-untyped-def]
    """Number of points whose cells touch the box of ``radius_m`` around a position; ``out`` takes their grid places.

    Points outside the circle but in a touched cell may be included; ``out`` bounds how many are returned.
    """
    n = 0
    dlat = radius_m / M_PER_DEG * 1.01
    r0 = max(0, int((lat - dlat + 90.0) / grid.cell_deg))
    r1 = int((min(lat + dlat, 90.0) + 90.0) / grid.cell_deg)
    cos = math.cos(math.radians(min(abs(lat) + dlat, 90.0)))
    dlon = dlat / cos if cos > 1e-6 else 360.0
    for row in range(r0, r1 + 1):
        cols = columns(row, grid.cell_deg)
        c0 = math.floor((lon - dlon + 180.0) / 360.0 * cols)
        c1 = math.floor((lon + dlon + 180.0) / 360.0 * cols)
        if c1 - c0 + 1 >= cols:
            c0, c1 = 0, cols - 1
        for c in range(c0, c1 + 1):
            col = c % cols
            h = hash_cell(row, col, grid.mask)
            for at in range(grid.start[h], grid.start[h + 1]):
                if grid.row[at] == row and grid.col[at] == col:
                    if n == len(out):
                        return n
                    out[n] = at
                    n += 1
    return n


@kernel
def coarse_map(plat, plon, width):  # type: ignore[no-untyped-def]
    """Coarse map of points with a width each (above 0); empty near the poles and where they spread too far."""
    lat, lon = plat[0], plon[0]
    east, north = metres_per_degree(lat)
    most = 0.0
    for q in range(len(plat)):
        de = abs((plon[q] - lon + 180.0) % 360.0 - 180.0) * east
        most = max(most, de, abs(plat[q] - lat) * north)
    half = int(most / COARSE_M) + 2
    side = 2 * half + 1
    if side > COARSE_MAX or abs(lat) > COARSE_LAT_MAX:
        return Coarse(np.zeros((0, 0)), width.max(), lat, lon, east, north)
    widest = np.zeros((side, side))
    for q in range(len(plat)):
        x = math.floor(((plon[q] - lon + 180.0) % 360.0 - 180.0) * east / COARSE_M) + half
        y = math.floor((plat[q] - lat) * north / COARSE_M) + half
        for a in range(max(x - 1, 0), min(x + 2, side)):
            for b in range(max(y - 1, 0), min(y + 2, side)):
                widest[a, b] = max(widest[a, b], width[q])
    return Coarse(widest, width.max(), lat, lon, east, north)


@inner
def widest_near(coarse, lat, lon):  # type: ignore[no-untyped-def]
    """Widest point within `COARSE_M` (less the map's distortion) of a place; 0 when there is none."""
    side = coarse.widest.shape[0]
    if side == 0:
        return coarse.most
    dlon = lon - coarse.lon
    if dlon > 180.0:
        dlon -= 360.0
    elif dlon < -180.0:
        dlon += 360.0
    x = math.floor(dlon * coarse.east / COARSE_M) + side // 2
    y = math.floor((lat - coarse.lat) * coarse.north / COARSE_M) + side // 2
    if 0 <= x < side and 0 <= y < side:
        return coarse.widest[x, y]
    return 0.0
