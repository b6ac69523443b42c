"""Rasters over polygons: which cells are out, in or touched by an edge, and which edges touch each row.

What enters: the rings of every part in units of 1e-7 degree. What leaves: the `PolygonIndex` that `geo.polygon` reads.
Built once when zones are loaded; memory is bounded by `CELLS_PER_PART` cells a part, of five bytes
each and ten while it is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from kuroshio.geo.polygon import CELLS_PER_PART, EDGE, IN, MIN_CELL_UNITS, UNITS_PER_DEG, PolygonIndex, is_left
from kuroshio.units import FloatArray, IntArray


@njit(cache=True, nogil=True)
def _touched(edge: Any, i: int, x_base: float, y_base: float, size: float, row: int, cols: int) -> tuple[int, int]:
    """First and last column of a row that an edge can touch, one unit of 1e-7 degree to spare on each side."""
    x0, y0, x1, y1 = edge[i, 0], edge[i, 1], edge[i, 2], edge[i, 3]
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    low, high = y_base + row * size - 1.0, y_base + (row + 1) * size + 1.0
    f0 = 0.0 if y1 == y0 else max(0.0, (low - y0) / (y1 - y0))
    f1 = 1.0 if y1 == y0 else min(1.0, (high - y0) / (y1 - y0))
    a, b = x0 + f0 * (x1 - x0), x0 + f1 * (x1 - x0)
    first, last = int((min(a, b) - 2.0 - x_base) / size), int((max(a, b) + 2.0 - x_base) / size)
    return min(cols - 1, max(0, first)), min(cols - 1, max(0, last))


@njit(cache=True, nogil=True)
def _rows(edge: Any, i: int, y_base: float, size: float, rows: int) -> tuple[int, int]:
    low, high = min(edge[i, 1], edge[i, 3]) - 1.0 - y_base, max(edge[i, 1], edge[i, 3]) + 1.0 - y_base
    return min(rows - 1, max(0, int(low / size))), min(rows - 1, max(0, int(high / size)))


@njit(cache=True, nogil=True)
def _raster(edge: Any, x_base: float, y_base: float, size: float, rows: int, cols: int) -> tuple[Any, Any, Any]:
    """(cell, near_ptr, near) of one part: states of all cells and the edges that touch each."""
    ptr = np.zeros(rows * cols + 1, np.int64)
    for i in range(edge.shape[0]):
        first, last = _rows(edge, i, y_base, size, rows)
        for r in range(first, last + 1):
            a, b = _touched(edge, i, x_base, y_base, size, r, cols)
            for c in range(a, b + 1):
                ptr[r * cols + c + 1] += 1
    for c in range(rows * cols):
        ptr[c + 1] += ptr[c]
    near = np.empty(ptr[rows * cols], np.int64)
    fill = ptr[:-1].copy()
    flip = np.zeros((rows, cols + 1), np.uint8)
    for i in range(edge.shape[0]):
        x0, y0, x1, y1 = edge[i, 0], edge[i, 1], edge[i, 2], edge[i, 3]
        first, last = _rows(edge, i, y_base, size, rows)
        for r in range(first, last + 1):
            a, b = _touched(edge, i, x_base, y_base, size, r, cols)
            for c in range(a, b + 1):
                near[fill[r * cols + c]] = i
                fill[r * cols + c] += 1
            cy = y_base + r * size + np.floor(0.5 * size) + 0.5
            if (y0 > cy) != (y1 > cy):  # centres right of the edge change sides
                c = a
                while c <= b and is_left(x0, y0, x1, y1, x_base + c * size + np.floor(0.5 * size) + 0.5, cy):
                    c += 1
                flip[r, c] ^= 1
    cell = np.zeros(rows * cols, np.uint8)
    for r in range(rows):
        state = 0
        for c in range(cols):
            state ^= flip[r, c]
            touched = ptr[r * cols + c + 1] > ptr[r * cols + c]
            cell[r * cols + c] = (EDGE if touched else 0) | (IN if state else 0)
    return cell, ptr, near


def build_index(zone_of_part: Sequence[int], rings: Sequence[Sequence[FloatArray]], zones: int) -> PolygonIndex:
    """Index of all parts; ``rings[p]`` holds the closed rings (n, 2) of part p in units, exterior and holes alike."""
    box = np.zeros((len(rings), 4))
    edges, sizes, shapes, cells, near_ptrs, near = [], [], [], [], [], []
    edges_before, near_before = 0, 0
    for p, part in enumerate(rings):  # one turn a polygon, not a point
        edge = np.concatenate([np.concatenate([ring[:-1], ring[1:]], axis=1) for ring in part])
        xs, ys = edge[:, [0, 2]], edge[:, [1, 3]]
        box[p] = xs.min(), ys.min(), xs.max(), ys.max()
        width, height = box[p, 2] - box[p, 0], box[p, 3] - box[p, 1]
        cell_units = float(np.ceil(max(np.sqrt(width * height / CELLS_PER_PART), width / 65_536, height / 65_536)))
        size = max(float(MIN_CELL_UNITS), cell_units)
        rows, cols = int(height / size) + 1, int(width / size) + 1
        cell, ptr, ids = _raster(edge, box[p, 0], box[p, 1], size, rows, cols)
        cells.append(cell)
        near_ptrs.append((ptr[:-1] + near_before).astype(np.int32))  # of a coast of the world there are 350 million
        near.append((ids + edges_before).astype(np.int32))
        edges.append(edge)
        sizes.append(size)
        shapes.append((rows, cols))
        edges_before += len(edge)
        near_before += len(ids)
    bin_ptr, bin_part = _bins(box)
    zone = np.asarray(zone_of_part, np.int64)
    return PolygonIndex(
        zone=zone,
        box=box,
        edge_ptr=_pointers(edges),
        edge=np.concatenate([np.zeros((0, 4)), *edges]),
        size=np.asarray(sizes, np.float64),
        shape=np.asarray(shapes, np.int64).reshape(-1, 2),
        cell_ptr=_pointers(cells),
        cell=np.concatenate([np.zeros(0, np.uint8), *cells]),
        near_ptr=np.concatenate([*near_ptrs, np.asarray([near_before], np.int32)]),
        near=np.concatenate([np.zeros(0, np.int32), *near]),
        bin_ptr=bin_ptr,
        bin_part=bin_part,
        part_ptr=np.searchsorted(zone, np.arange(zones + 1)).astype(np.int64),
    )


def _pointers(arrays: Sequence[Any]) -> IntArray:
    return np.concatenate([[0], np.cumsum([len(a) for a in arrays])]).astype(np.int64)


def _bins(box: FloatArray) -> tuple[IntArray, IntArray]:
    cells: list[list[int]] = [[] for _ in range(360 * 180)]
    for p in range(len(box)):
        west, south, east, north = np.floor(box[p] / UNITS_PER_DEG).astype(int)
        for row in range(max(0, south + 90), min(179, north + 90) + 1):
            for col in range(west, min(east, west + 359) + 1):
                cells[row * 360 + (col + 180) % 360].append(p)
    # a longitude of exactly 180 falls in the last square: it must know the parts that begin at -180 too
    for row in range(180):
        last, first = cells[row * 360 + 359], cells[row * 360]
        last.extend(p for p in first if p not in last)
        first.extend(p for p in last if p not in first)
        last.sort()
        first.sort()
    ptr = np.concatenate([[0], np.cumsum([len(c) for c in cells])]).astype(np.int64)
    return ptr, np.asarray([p for c in cells for p in c], np.int64)
