"""One raster over all zones: which parts a place is in for certain, and which have an edge near it.

What enters: a `PolygonIndex`. What leaves: an `Overlay`, which `members` reads. Squares of a degree that no edge
touches have one list of parts; the others are divided into cells, each with a list. So a point costs two look-ups and
as many tests as there are edges near it, however many zones there are. Equal lists are kept once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuroshio.geo.compiled import inner, kernel, within
from kuroshio.geo.polygon import TURN, UNITS_PER_DEG, PolygonIndex, in_part, lon_unit, to_unit
from kuroshio.units import IntArray

MAX_CELLS = 1 << 24  # 64 MB
CELLS_PER_DEG = 100
_SQUARES = 360 * 180


class Overlay(NamedTuple):
    """Raster of lists.

    ``square`` is for each square of a degree where its cells begin, or ``-1 - list``; ``cell`` the list of each cell,
    ``side`` cells to a degree; ``ptr`` and ``code`` the lists: twice the part, one more where an edge is near.
    """

    side: int
    square: Any
    cell: Any
    ptr: Any
    code: Any


@within
def _clamped(value: float, most: Any) -> Any:
    return min(most, max(np.int64(0), np.int64(np.floor(value))))


@kernel
def touched_squares(ix: PolygonIndex, part: int, near: Any) -> None:
    """Mark the squares of a degree that an edge of a part touches, with two units to spare."""
    for i in range(ix.edge_ptr[part], ix.edge_ptr[part + 1]):
        x0, y0, x1, y1 = ix.edge[i, 0], ix.edge[i, 1], ix.edge[i, 2], ix.edge[i, 3]
        low, high = _row_span(y0, y1, 1.0, 180)
        for row in range(low, high + 1):
            first, last = _col_span(x0, y0, x1, y1, row, 1.0)
            for col in range(first, last + 1):
                near[row * 360 + col % 360] = True


@inner
def _row_span(y0: float, y1: float, side: float, rows: int) -> tuple[int, int]:
    base, scale = -TURN / 4, side / UNITS_PER_DEG
    return _clamped((min(y0, y1) - 2.0 - base) * scale, rows - 1), _clamped(
        (max(y0, y1) + 2.0 - base) * scale, rows - 1
    )


@inner
def _col_span(x0: float, y0: float, x1: float, y1: float, row: int, side: float) -> tuple[Any, Any]:
    """First and last column (counted on beyond the world) that an edge can touch in a row, two units to spare."""
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    size = UNITS_PER_DEG / side
    low, high = -TURN / 4 + row * size - 2.0, -TURN / 4 + (row + 1) * size + 2.0
    f0 = 0.0 if y1 == y0 else min(1.0, max(0.0, (low - y0) / (y1 - y0)))
    f1 = 1.0 if y1 == y0 else max(0.0, min(1.0, (high - y0) / (y1 - y0)))
    a, b = x0 + f0 * (x1 - x0), x0 + f1 * (x1 - x0)
    first = np.int64(np.floor((min(a, b) - 3.0 + TURN / 2) / size))
    return first, np.int64(np.floor((max(a, b) + 3.0 + TURN / 2) / size))


@kernel
def touched_cells(ix: PolygonIndex, part: int, side: int, square: Any, mark: Any) -> None:
    """Mark in ``mark`` the cells that an edge of a part touches."""
    rows = 180 * side
    for i in range(ix.edge_ptr[part], ix.edge_ptr[part + 1]):
        x0, y0, x1, y1 = ix.edge[i, 0], ix.edge[i, 1], ix.edge[i, 2], ix.edge[i, 3]
        low, high = _row_span(y0, y1, float(side), rows)
        for row in range(low, high + 1):
            first, last = _col_span(x0, y0, x1, y1, row, float(side))
            for whole in range(first, last + 1):
                col = whole % (360 * side)
                at = square[(row // side) * 360 + col // side]
                mark[at + (row % side) * side + col % side] = part


@within
def _child(parent: int, code: int, table: Any, nodes: Any) -> int:
    """List that is another with a code put at its end; -1 where the table is full. ``nodes[0, 0]`` counts them."""
    mask = table.size - 1
    at = ((parent * 0x9E3779B1 + code) * 0x85EBCA6B >> 7) & mask
    while table[at] >= 0:
        if nodes[table[at], 0] == parent and nodes[table[at], 1] == code:
            return int(table[at])
        at = (at + 1) & mask
    made = nodes[0, 1] + 1
    if made >= nodes.shape[0]:
        return -1
    nodes[0, 1] = made
    nodes[made, 0], nodes[made, 1] = parent, code
    table[at] = made
    return int(made)


@kernel
def _fill(
    ix: PolygonIndex, part: int, squares: Any, side: int, square: Any, mark: Any, cell: Any, table: Any, nodes: Any
) -> bool:
    """Put a part into the lists of its squares; False where there is no room for the lists."""
    size = UNITS_PER_DEG / side
    for q in squares:
        west, south = (q % 360) * UNITS_PER_DEG - TURN / 2, (q // 360) * UNITS_PER_DEG - TURN / 4
        if square[q] < 0:
            if in_part(ix, part, west + UNITS_PER_DEG // 2, south + UNITS_PER_DEG // 2):
                made = _child(-1 - square[q], 2 * part, table, nodes)
                if made < 0:
                    return False
                square[q] = -1 - made
            continue
        for row in range(side):
            state, known = False, False
            parent, code, last = np.int64(-1), np.int64(-1), np.int64(0)
            for col in range(side):
                at = square[q] + row * side + col
                if mark[at] == part:
                    known, now = False, np.int64(2 * part + 1)
                else:
                    if not known:
                        x, y = np.floor(west + (col + 0.5) * size), np.floor(south + (row + 0.5) * size)
                        state, known = in_part(ix, part, x, y), True
                    if not state:
                        continue
                    now = np.int64(2 * part)
                if cell[at] != parent or now != code:
                    parent, code = np.int64(cell[at]), now
                    last = _child(parent, code, table, nodes)
                    if last < 0:
                        return False
                cell[at] = last
    return True


def _squares_of(ix: PolygonIndex) -> list[IntArray]:
    """Squares that the box of each part touches, both sides of +-180 degrees where it reaches it."""
    squares: list[list[int]] = [[] for _ in range(len(ix.box))]
    for q in np.flatnonzero(np.diff(ix.bin_ptr)).tolist():  # one turn a square with a zone
        for p in ix.bin_part[ix.bin_ptr[q] : ix.bin_ptr[q + 1]].tolist():
            squares[p].append(q)
    return [np.asarray(s, np.int64) for s in squares]


def build_overlay(ix: PolygonIndex) -> Overlay:
    """Overlay of all parts; cells are wider where many squares have edges."""
    near = np.zeros(_SQUARES, np.bool_)
    for p in range(len(ix.box)):  # one turn a part, here and below
        touched_squares(ix, p, near)
    count = int(near.sum())
    side = int(min(CELLS_PER_DEG, max(4.0, np.sqrt(MAX_CELLS / max(1, count)))))
    square = np.where(near, (np.cumsum(near) - 1) * side * side, -1).astype(np.int64)
    mark = np.full(count * side * side, -1, np.int32)
    squares, room = _squares_of(ix), 1 << 16
    while True:  # one turn a doubling of the room for lists
        cell, lists = np.zeros(len(mark), np.int32), square.copy()
        nodes, table = np.zeros((room, 2), np.int64), np.full(4 * room, -1, np.int32)
        mark[:] = -1
        for p in range(len(ix.box)):
            touched_cells(ix, p, side, square, mark)
            if not _fill(ix, p, squares[p], side, lists, mark, cell, table, nodes):
                break
        else:
            break
        room *= 4
    ptr, code = _lists(nodes, int(nodes[0, 1]))
    return Overlay(side, lists, cell, ptr, code)


def _lists(nodes: IntArray, last: int) -> tuple[IntArray, IntArray]:
    """Lists written out, each its parent's and one code more."""
    size = np.zeros(last + 1, np.int64)
    for n in range(1, last + 1):  # one turn a list
        size[n] = size[nodes[n, 0]] + 1
    ptr = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    code = np.empty(int(ptr[-1]), np.int64)
    for n in range(1, last + 1):
        parent = int(nodes[n, 0])
        code[ptr[n] : ptr[n + 1] - 1] = code[ptr[parent] : ptr[parent + 1]]
        code[ptr[n + 1] - 1] = nodes[n, 1]
    return ptr, code


@kernel
def members(
    begin: int, k: int, out: Any, ptr: Any, ix: PolygonIndex, over: Overlay, lat: Any, lon: Any, limit: int
) -> tuple[int, int]:
    """Zones of every point from ``begin`` on, ascending, at most ``limit`` a point, as long as ``out`` has room."""
    side, square, cell, lists, codes = over.side, over.square, over.cell, over.ptr, over.code
    owner = ix.zone
    for i in range(begin, lat.size):
        if k + limit > out.size:
            return i, k
        x, y = lon_unit(lon[i]), to_unit(lat[i])
        a, b = (x + TURN / 2) * (1.0 / UNITS_PER_DEG), (y + TURN / 4) * (1.0 / UNITS_PER_DEG)
        col: Any = min(np.int64(a), 359)
        row: Any = min(np.int64(b), 179)
        at = square[row * 360 + col]
        if at >= 0:
            in_col: Any = min(np.int64((a - col) * side), side - 1)
            in_row: Any = min(np.int64((b - row) * side), side - 1)
            at = np.int64(cell[at + in_row * side + in_col])
        else:
            at = -1 - at
        last, here = np.int64(-1), 0
        for j in range(lists[at], lists[at + 1]):
            p = codes[j] >> 1
            if owner[p] != last and here < limit and (codes[j] & 1 == 0 or in_part(ix, p, x, y)):
                last = owner[p]
                out[k] = last
                k += 1
                here += 1
        ptr[i + 1] = k
    return lat.size, k
