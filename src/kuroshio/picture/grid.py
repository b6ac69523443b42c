"""Cells on the sphere: which points are near a position, across the antimeridian and at the poles.

What enters: latitudes and longitudes. What leaves: linked lists of points by hashed cell. Rows of cells have equal
height; a row nearer the pole has fewer columns, so that a cell is never narrower than its height.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

M_PER_DEG = 111_319.49  # equatorial degree on WGS 84: cells err to the larger side


class Grid(NamedTuple):
    """Hashed cells: ``head`` by hash, ``next`` by point, cell size in degrees of latitude."""

    head: Any
    next: Any
    mask: int
    cell_deg: float


@njit(cache=True, nogil=True, inline="always")
def columns(row, cell_deg):  # type: ignore[no-untyped-def]
    """Number of cells in a row."""
    lat = min(abs(row * cell_deg - 90.0), abs((row + 1) * cell_deg - 90.0))
    return max(1, int(360.0 * math.cos(math.radians(min(lat, 90.0))) / cell_deg))


@njit(cache=True, nogil=True, inline="always")
def hash_cell(row, col, mask):  # type: ignore[no-untyped-def]
    """Slot of a cell."""
    return ((row * 73856093) ^ (col * 19349663)) & mask


@njit(cache=True, nogil=True, inline="always")
def cell_of(lat, lon, cell_deg):  # type: ignore[no-untyped-def]
    """(row, column) of a position."""
    row = int((lat + 90.0) / cell_deg)
    n = columns(row, cell_deg)
    return row, int((lon + 180.0) / 360.0 * n) % n


@njit(cache=True, nogil=True)
def build(lat, lon, use, cell_m):  # type: ignore[no-untyped-def]
    """Grid over the points where ``use``."""
    bits = 4
    while (1 << bits) < 2 * len(lat):
        bits += 1
    mask = (1 << bits) - 1
    head = np.full(1 << bits, -1, np.int32)
    link = np.full(len(lat), -1, np.int32)
    cell_deg = cell_m / M_PER_DEG
    for j in range(len(lat)):
        if use[j]:
            row, col = cell_of(lat[j], lon[j], cell_deg)
            h = hash_cell(row, col, mask)
            link[j] = head[h]
            head[h] = j
    return Grid(head, link, mask, cell_deg)


@njit(cache=True, nogil=True)
def near(grid, lat, lon, radius_m, plat, plon, out):  # type: ignore[no-untyped-def]
    """Number of points written to ``out`` whose cells touch the box of ``radius_m`` around a position.

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
            j = grid.head[hash_cell(row, col, grid.mask)]
            while j >= 0:
                pr, pcol = cell_of(plat[j], plon[j], grid.cell_deg)
                if pr == row and pcol == col:
                    if n == len(out):
                        return n
                    out[n] = j
                    n += 1
                j = grid.next[j]
    return n
