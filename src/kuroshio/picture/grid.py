"""Cells on the sphere: which points are near a position, across the antimeridian and at the poles.

What enters: latitudes and longitudes. What leaves: points sorted by row of cells, and by column within a row, so that
those near a place are a few runs of neighbours in memory. Rows of cells have equal height; a row nearer the pole has
fewer columns, so that a cell is never narrower than its height.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.geo import metres_per_degree
from kuroshio.picture.compiled import fetch, inner, kernel
from kuroshio.units import FloatArray

M_PER_DEG = 111_319.49  # equatorial degree on WGS 84: cells err to the larger side


COARSE_M = 16_000.0
COARSE_MAX = 128  # cells a side
COARSE_LAT_MAX = 80.0
SPANS_MAX = 64  # runs of neighbours a search gives at most: rows touched, twice where they cross the antimeridian
AHEAD = 8  # rows whose memory is asked for before their turn
SPARE_RUNS = 4  # runs of columns a row may have for each of its points


class Coarse(NamedTuple):
    """A flat map of large cells around a frame: the widest of the points in a cell and beside it.

    ``widest`` is (side, side, 2), east and north, 0 where there is no point; ``lat``/``lon`` its centre,
    ``east``/``north`` metres per degree there. A map of side 0 says nothing: every place may be near, and
    ``most_e``/``most_n`` is the widest of all.
    """

    widest: FloatArray
    most_e: float
    most_n: float
    lat: float
    lon: float
    east: float
    north: float


class Grid(NamedTuple):
    """Points by rows of cells from ``row0`` on, and in each row by runs of ``2 ** shift`` columns from ``low`` on.

    Row ``r`` has the runs ``first[r]:first[r + 1]``; those of run ``b`` are ``point[start[b]:start[b + 1]]``.
    ``cols`` is the number of columns round the globe, ``cell_deg`` the height of a row in degrees of latitude.
    """

    point: Any
    start: Any
    first: Any
    low: Any
    shift: Any
    cols: Any
    row0: int
    cell_deg: float


@inner
def columns(row, cell_deg):  # type: ignore[no-untyped-def]
    """Number of cells in a row."""
    lat = min(abs(row * cell_deg - 90.0), abs((row + 1) * cell_deg - 90.0))
    return max(1, int(360.0 * math.cos(math.radians(min(lat, 90.0))) / cell_deg))


@kernel
def build(lat, lon, cell_m):  # type: ignore[no-untyped-def]
    """Grid over points."""
    n = len(lat)
    cell_deg = cell_m / M_PER_DEG
    row, run = np.empty(n, np.int32), np.empty(n, np.int32)
    for j in range(n):
        row[j] = int((lat[j] + 90.0) / cell_deg)
    row0 = int(row.min()) if n > 0 else 0
    rows = int(row.max()) - row0 + 1 if n > 0 else 0
    cols, count = np.empty(rows, np.int32), np.zeros(rows, np.int32)
    low, high = np.full(rows, np.int32(2_000_000_000)), np.full(rows, np.int32(-1))
    for r in range(rows):
        cols[r] = columns(row0 + r, cell_deg)
    for j in range(n):
        r = row[j] - row0
        run[j] = int((lon[j] + 180.0) / 360.0 * cols[r]) % cols[r]
        count[r] += 1
        low[r], high[r] = min(low[r], run[j]), max(high[r], run[j])
    shift, first = np.zeros(rows, np.int8), np.zeros(rows + 1, np.int32)
    for r in range(rows):
        if count[r] > 0:
            while ((high[r] - low[r]) >> shift[r]) + 1 > SPARE_RUNS * count[r] + 64:
                shift[r] += 1
            first[r + 1] = ((high[r] - low[r]) >> shift[r]) + 1
        first[r + 1] += first[r]
    start = np.zeros(first[rows] + 2, np.int32)
    for j in range(n):
        r = row[j] - row0
        run[j] = first[r] + ((run[j] - low[r]) >> shift[r])
        start[run[j] + 2] += 1
    for b in range(2, len(start)):
        start[b] += start[b - 1]
    point = np.empty(n, np.int32)
    for j in range(n):
        b = run[j] + 1
        point[start[b]] = j
        start[b] += 1
    return Grid(point, start, first, low, shift, cols, row0, cell_deg)


@inner
def reach_deg(lat, radius_m):  # type: ignore[no-untyped-def]
    """(latitude, longitude) half sides in degrees of a box that holds a circle."""
    dlat = radius_m / M_PER_DEG * 1.01
    cos = math.cos(math.radians(min(abs(lat) + dlat, 90.0)))
    return dlat, dlat / cos if cos > 1e-6 else 360.0


@inner
def _span(grid, r, c0, c1, out, n):  # type: ignore[no-untyped-def]
    """Append the run of points of row ``r`` in columns ``c0`` to ``c1``, if there are any; the new number of runs."""
    runs = grid.first[r + 1] - grid.first[r]
    b0 = max((c0 - grid.low[r]) >> grid.shift[r], 0)
    b1 = min((c1 - grid.low[r]) >> grid.shift[r], runs - 1)
    if b0 > b1 or n == len(out):
        return n
    a, b = grid.start[grid.first[r] + b0], grid.start[grid.first[r] + b1 + 1]
    if a == b:
        return n
    out[n, 0], out[n, 1] = a, b
    return n + 1


@inner
def spans(grid, lat, lon, dlat, dlon, out):  # type: ignore[no-untyped-def]
    """Number of runs of ``grid.point`` whose cells touch a box around a position; ``out`` takes their bounds.

    Points outside the box but in a touched cell may be included; the length of ``out`` bounds how many runs are given.
    """
    n = 0
    r0 = max(0, int((lat - dlat + 90.0) / grid.cell_deg) - grid.row0)
    r1 = min(int((min(lat + dlat, 90.0) + 90.0) / grid.cell_deg) - grid.row0, len(grid.cols) - 1)
    for r in range(r0, r1 + 1):
        cols = grid.cols[r]
        c0 = math.floor((lon - dlon + 180.0) / 360.0 * cols)
        c1 = math.floor((lon + dlon + 180.0) / 360.0 * cols)
        if c1 - c0 + 1 >= cols:
            c0, c1 = 0, cols - 1
        if c0 < 0:
            n = _span(grid, r, c0 + cols, cols - 1, out, n)
            c0 = 0
        elif c1 >= cols:
            n = _span(grid, r, 0, c1 - cols, out, n)
            c1 = cols - 1
        n = _span(grid, r, c0, c1, out, n)
    return n


@inner
def near(grid, lat, lon, radius_m, runs, out):  # type: ignore[no-untyped-def]
    """Number of places in ``grid.point`` whose cells touch the box around a circle; ``out`` takes and bounds them.

    ``runs`` is work space for `spans`.
    """
    dlat, dlon = reach_deg(lat, radius_m)
    n = 0
    for s in range(spans(grid, lat, lon, dlat, dlon, runs)):
        for at in range(runs[s, 0], min(runs[s, 1], runs[s, 0] + len(out) - n)):
            out[n] = at
            n += 1
    return n


@kernel
def coarse_map(plat, plon, wide_e, wide_n):  # type: ignore[no-untyped-def]
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
        return Coarse(np.zeros((0, 0, 2)), wide_e.max(), wide_n.max(), lat, lon, east, north)
    widest = np.zeros((side, side, 2))
    for q in range(len(plat)):
        x = math.floor(((plon[q] - lon + 180.0) % 360.0 - 180.0) * east / COARSE_M) + half
        y = math.floor((plat[q] - lat) * north / COARSE_M) + half
        for a in range(max(x - 1, 0), min(x + 2, side)):
            for b in range(max(y - 1, 0), min(y + 2, side)):
                widest[a, b, 0] = max(widest[a, b, 0], wide_e[q])
                widest[a, b, 1] = max(widest[a, b, 1], wide_n[q])
    return Coarse(widest, wide_e.max(), wide_n.max(), lat, lon, east, north)


@inner
def widest_near(coarse, lat, lon):  # type: ignore[no-untyped-def]
    """(east, north) of the widest points within `COARSE_M` (less the map's distortion) of a place; 0 for none."""
    side = coarse.widest.shape[0]
    if side == 0:
        return coarse.most_e, coarse.most_n
    dlon = lon - coarse.lon
    if dlon > 180.0:
        dlon -= 360.0
    elif dlon < -180.0:
        dlon += 360.0
    x = math.floor(dlon * coarse.east / COARSE_M) + side // 2
    y = math.floor((lat - coarse.lat) * coarse.north / COARSE_M) + side // 2
    if 0 <= x < side and 0 <= y < side:
        return coarse.widest[x, y, 0], coarse.widest[x, y, 1]
    return 0.0, 0.0


@kernel
def rows_near(tracks, rows, coarse):  # type: ignore[no-untyped-def]
    """(rows with a point of a coarse map near them, (rows, 2) what `widest_near` says of them).

    Of a record only the first line is read: most tracks are nowhere near the points of one radar.
    """
    near, wide, n = np.empty(len(rows), np.int64), np.empty((len(rows), 2)), 0
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 1)
        t = tracks[rows[k]]
        wide_e, wide_n = widest_near(coarse, t.lat, t.lon)
        if wide_e > 0.0:
            near[n], wide[n, 0], wide[n, 1] = rows[k], wide_e, wide_n
            n += 1
    return near[:n], wide[:n]
