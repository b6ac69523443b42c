"""Point in polygon, edge crossings and distance to an edge, exact on a grid of 1e-7 degree.

What enters: rings as int64 units of 1e-7 degree (11 mm at the equator), flattened into one `PolygonIndex`. What leaves:
inside or not, fractions along a segment, metres. A raster of three states (out, in, edge) answers most points; points
in edge cells are decided against the edges of that cell alone, by the sign of an orientation computed without rounding
error (filter, then two-product expansion: Dekker 1971, Shewchuk 1997). The boundary counts as inside. It knows no
names, kinds or validity: those are in `geo.zones`.

Longitudes of a polygon may run beyond 180: a part that crosses the antimeridian is unwrapped, points are tried twice.
Polygons that contain a pole are not supported (refused in `geo.zones`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from kuroshio.geo.compiled import apart, inner, kernel, within
from kuroshio.geo.earth import metres_per_degree

UNITS_PER_DEG = 10_000_000
TURN = 360.0 * UNITS_PER_DEG
OUT, IN, EDGE = 0, 1, 2  # EDGE | IN is an edge cell whose centre is in
EDGE_OF_EIGHT = np.uint64(0x0202020202020202)
MIN_CELL_UNITS = 10_000  # 0.001 degree: finer cells cost memory and gain nothing measurable
CELLS_PER_PART = 1 << 20
_SPLIT = 134_217_729.0  # 2**27 + 1, Veltkamp splitting of a double


class PolygonIndex(NamedTuple):
    """All parts of all zones as flat arrays, in the form that Numba kernels read.

    ``box`` is (parts, 4) lon0, lat0, lon1, lat1 in units; ``edge`` (edges, 4) x0, y0, x1, y1; ``cell`` is the
    raster (0 out, 1 in, 2 and 3 touched by an edge with its centre out or in); ``near`` the edges that touch each cell
    (CSR by ``near_ptr``); ``bin_ptr`` and ``bin_part`` list the parts whose box touches each one-degree square.
    """

    zone: Any
    box: Any
    edge_ptr: Any
    edge: Any
    size: Any
    shape: Any
    cell_ptr: Any
    cell: Any
    near_ptr: Any
    near: Any
    bin_ptr: Any
    bin_part: Any
    part_ptr: Any


@inner
def _product(a: float, b: float) -> tuple[float, float]:
    p = a * b
    t = _SPLIT * a
    ah = t - (t - a)
    al = a - ah
    t = _SPLIT * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@kernel
def orientation(x0: float, y0: float, x1: float, y1: float, x: float, y: float) -> int:
    """Side of the line 0-1 a point is on: 1 left, -1 right, 0 on it; exact for integers below 2**33."""
    a, b, c, d = x1 - x0, y - y0, x - x0, y1 - y0
    p, q = a * b, c * d
    det = p - q
    if abs(det) > 4.5e-16 * (abs(p) + abs(q)):
        return 1 if det > 0 else -1
    p, e = _product(a, b)
    q, f = _product(c, d)
    if p != q:
        return 1 if p > q else -1
    if e != f:
        return 1 if e > f else -1
    return 0


@kernel
def is_left(x0: float, y0: float, x1: float, y1: float, x: float, y: float) -> bool:
    """True left of the edge taken upwards; a point on it counts as right of it, on a level edge as above it.

    That is the rule of one symbolic shift of the point by (e, e*e), so that crossings along a path always add up.
    """
    if y0 == y1:
        return y < y0
    if y0 < y1:
        return orientation(x0, y0, x1, y1, x, y) > 0
    return orientation(x1, y1, x0, y0, x, y) > 0


@inner
def _in_edge_cell(edge: Any, ids: Any, lo: int, hi: int, x: float, y: float, cx: float, cy: float, odd: bool) -> bool:
    """Inside or not, from the state of the cell's centre and the edges met on the way there: along x, then along y."""
    for k in range(lo, hi):
        i = ids[k]
        x0, y0, x1, y1 = edge[i, 0], edge[i, 1], edge[i, 2], edge[i, 3]
        at_y, at_x = (y0 > y) != (y1 > y), (x0 > cx) != (x1 > cx)
        near = min(y0, y1) <= y <= max(y0, y1) and min(x0, x1) <= x <= max(x0, x1)
        if near and orientation(x0, y0, x1, y1, x, y) == 0:
            return True
        if not (at_y or at_x):
            continue
        corner = is_left(x0, y0, x1, y1, cx, y)
        if at_y and is_left(x0, y0, x1, y1, x, y) != corner:
            odd = not odd
        if at_x and is_left(x0, y0, x1, y1, cx, cy) != corner:
            odd = not odd
    return odd


@njit(inline="always")
def _cell_of(x: float, y: float, p: int, box: Any, size: Any, shape: Any, ptr: Any) -> Any:
    # arrays one by one, no call in the loop: reading them out of the named tuple a point costs ten times the lookup
    west, east = box[p, 0], box[p, 2]
    if x < west:
        x += TURN
    elif x > east:
        x -= TURN
    c = -1
    if box[p, 1] <= y <= box[p, 3] and west <= x <= east:
        col = min(np.int64((x - west) / size[p]), shape[p, 1] - 1)
        row = min(np.int64((y - box[p, 1]) / size[p]), shape[p, 0] - 1)
        c = ptr[p] + row * shape[p, 1] + col
    return c


@inner
def _decide(ix: PolygonIndex, p: int, c: int, x: float, y: float) -> bool:
    """Exact answer in an edge cell."""
    west, south, east, step = ix.box[p, 0], ix.box[p, 1], ix.box[p, 2], ix.size[p]
    if x < west:
        x += TURN
    elif x > east:
        x -= TURN
    row, col = divmod(c - ix.cell_ptr[p], ix.shape[p, 1])
    half = np.floor(0.5 * step) + 0.5
    cx, cy = west + col * step + half, south + row * step + half
    odd = ix.cell[c] == EDGE | IN
    return bool(_in_edge_cell(ix.edge, ix.near, ix.near_ptr[c], ix.near_ptr[c + 1], x, y, cx, cy, odd))


@inner
def in_part(ix: PolygonIndex, p: int, x: float, y: float) -> bool:
    """True when the point is inside or on the edge of one part."""
    c = _cell_of(x, y, p, ix.box, ix.size, ix.shape, ix.cell_ptr)
    if c < 0:
        return False
    state = ix.cell[c]
    return bool(state == IN or (state >= EDGE and _decide(ix, p, c, x, y)))


@kernel
def in_zone(ix: PolygonIndex, zone: int, x: float, y: float) -> bool:
    """True when the point (units, longitude in [-180, 180]) is inside or on the edge of any part of the zone."""
    for p in range(ix.part_ptr[zone], ix.part_ptr[zone + 1]):  # noqa: SIM110 (Numba has no generators here)
        if in_part(ix, p, x, y):
            return True
    return False


@within
def to_unit(degrees: float) -> float:
    """Degrees in whole units of 1e-7 degree."""
    return float(np.rint(degrees * UNITS_PER_DEG))


@within
def lon_unit(degrees: float) -> float:
    """Longitude in whole units, in [-180, 180] degrees."""
    x, half = np.rint(degrees * UNITS_PER_DEG), TURN / 2
    return float(x - TURN if x > half else (x + TURN if x < -half else x))


@apart
def _cells(lat: Any, lon: Any, box: Any, scale: float, rows: int, cols: int, at: Any) -> None:
    """Cell of each point in the raster of one part, -1 outside its box; one arithmetic for all, eight at a time.

    A point on the border of two cells may be taken for either, since an edge touches all cells within a unit of it.
    """
    west, south, east, north = box[0], box[1], box[2], box[3]
    last_row, last_col = rows - 1.0, cols - 1.0
    for i in range(lat.size):
        x, y = lon_unit(lon[i]), to_unit(lat[i])
        x = x + TURN if x < west else (x - TURN if x > east else x)
        inside = (y >= south) & (y <= north) & (x >= west) & (x <= east)
        u, v = (x - west) * scale, (y - south) * scale
        u, v = u if u > 0.0 else 0.0, v if v > 0.0 else 0.0  # no min and max: their rule for NaN is a branch
        u, v = u if u < last_col else last_col, v if v < last_row else last_row
        at[i] = np.int32(v) * np.int32(cols) + np.int32(u) if inside else np.int32(-1)


@apart
def _states(cell: Any, at: Any, state: Any, out: Any) -> None:
    """State of each point's cell; ``out`` is set in cells that are in. No branch: half would be guessed wrong."""
    for i in range(out.size):
        c = at[np.uint64(i)]
        s = cell[np.uint64(c if c >= 0 else 0)]
        state[np.uint64(i)] = s if c >= 0 else np.uint8(OUT)
    for i in range(out.size):
        out[i] |= state[i] == IN


@inner
def _settle(ix: PolygonIndex, p: int, lat: Any, lon: Any, eights: Any, state: Any, out: Any) -> None:
    """Decide the points in edge cells; eight are passed over at once where none is."""
    for w in range((out.size + 7) // 8):
        if eights[w] & EDGE_OF_EIGHT:
            for i in range(8 * w, min(out.size, 8 * w + 8)):
                if state[i] >= EDGE and not out[i]:
                    out[i] = in_part(ix, p, lon_unit(lon[i]), to_unit(lat[i]))


@apart
def contains_many(ix: PolygonIndex, zone: int, lat: Any, lon: Any, out: Any, at: Any, eights: Any, state: Any) -> None:
    """Set ``out``, false before, for every point of one zone: passes over the raster, then the points in edge cells.

    Parameters
    ----------
    at, eights, state
        Room for the points of one pass: int32, and eight bytes an integer as uint64 and the same memory as uint8.
    """
    for p in range(ix.part_ptr[zone], ix.part_ptr[zone + 1]):
        scale, rows, cols, first = 1.0 / ix.size[p], ix.shape[p, 0], ix.shape[p, 1], ix.cell_ptr[p]
        cell = ix.cell[first : first + rows * cols]
        for a in range(0, lat.size, at.size):
            b = min(lat.size, a + at.size)
            _cells(lat[a:b], lon[a:b], ix.box[p], scale, rows, cols, at)
            _states(cell, at, state, out[a:b])
            _settle(ix, p, lat[a:b], lon[a:b], eights, state, out[a:b])


@kernel
def crossings(ix: PolygonIndex, zone: int, x0: float, y0: float, x1: float, y1: float, out: Any) -> int:
    """Fractions in [0, 1], ascending, at which a straight segment (in units) meets edges of the zone.

    ``x1`` may lie beyond the antimeridian: the segment is the straight one given. Edges parallel to it are passed over.
    """
    k = 0
    for p in range(ix.part_ptr[zone], ix.part_ptr[zone + 1]):
        for turn in range(-1, 2):
            a0, a1 = x0 + turn * TURN, x1 + turn * TURN
            if max(a0, a1) < ix.box[p, 0] or min(a0, a1) > ix.box[p, 2]:
                continue
            if max(y0, y1) < ix.box[p, 1] or min(y0, y1) > ix.box[p, 3]:
                continue
            for i in range(ix.edge_ptr[p], ix.edge_ptr[p + 1]):
                ex, ey = ix.edge[i, 0], ix.edge[i, 1]
                sx, sy = ix.edge[i, 2] - ex, ix.edge[i, 3] - ey
                rx, ry = a1 - a0, y1 - y0
                det = rx * sy - ry * sx
                if det == 0.0:
                    continue
                f = ((ex - a0) * sy - (ey - y0) * sx) / det
                g = ((ex - a0) * ry - (ey - y0) * rx) / det
                if 0.0 <= f <= 1.0 and 0.0 <= g <= 1.0 and k < out.size:
                    out[k] = f
                    k += 1
    for i in range(1, k):  # insertion sort: a segment meets few edges, and a call of sort costs a second to compile
        value, j = out[i], i - 1
        while j >= 0 and out[j] > value:
            out[j + 1] = out[j]
            j -= 1
        out[j + 1] = value
    return k


@inner
def _wrap_units(x: float) -> float:
    half = TURN / 2.0
    return x - TURN if x > half else (x + TURN if x < -half else x)


@kernel
def edge_fraction(
    ix: PolygonIndex, zone: int, x0: float, y0: float, x1: float, y1: float, entering: bool, room: Any
) -> float:
    """Fraction of the segment at which it comes in for the last time, or first goes out; -1 where it does not.

    Source: both are on the straight piece between two fixes in longitude and latitude. ``room`` holds the crossings.
    """
    buf = room
    n = crossings(ix, zone, x0, y0, x1, y1, buf)
    if n == 0:
        return -1.0
    found = -1.0
    previous = in_zone(ix, zone, _wrap_units(x0), y0)
    for i in range(n):
        after = buf[i + 1] if i + 1 < n else 1.0
        mid = 0.5 * (buf[i] + after)
        if i + 1 < n and after - buf[i] < 1e-12:
            continue
        inside = in_zone(ix, zone, _wrap_units(np.rint(x0 + mid * (x1 - x0))), np.rint(y0 + mid * (y1 - y0)))
        if i + 1 == n:
            inside = in_zone(ix, zone, _wrap_units(x1), y1)
        if inside and not previous and entering:
            found = buf[i]
        if previous and not inside and not entering:
            return float(buf[i])
        previous = inside
    return found


@kernel
def edge_distance_m(ix: PolygonIndex, zone: int, x: float, y: float, limit_m: float) -> float:
    """Metres to the nearest edge of the zone, or ``limit_m`` when none is nearer (local plane at the point)."""
    east, north = metres_per_degree(y / UNITS_PER_DEG)
    kx, ky = east / UNITS_PER_DEG, north / UNITS_PER_DEG
    best = limit_m * limit_m
    for p in range(ix.part_ptr[zone], ix.part_ptr[zone + 1]):
        for turn in range(-1, 2):
            a = x + turn * TURN
            dx = max(0.0, ix.box[p, 0] - a, a - ix.box[p, 2]) * kx
            dy = max(0.0, ix.box[p, 1] - y, y - ix.box[p, 3]) * ky
            if dx * dx + dy * dy >= best:
                continue
            for i in range(ix.edge_ptr[p], ix.edge_ptr[p + 1]):
                ux, uy = (ix.edge[i, 0] - a) * kx, (ix.edge[i, 1] - y) * ky
                vx, vy = (ix.edge[i, 2] - a) * kx - ux, (ix.edge[i, 3] - y) * ky - uy
                length2 = vx * vx + vy * vy
                f = 0.0 if length2 == 0.0 else min(1.0, max(0.0, -(ux * vx + uy * vy) / length2))
                d2 = (ux + f * vx) ** 2 + (uy + f * vy) ** 2
                best = min(best, d2)
    return float(np.sqrt(best))
