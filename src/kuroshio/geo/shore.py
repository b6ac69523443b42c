"""Distance to the nearest shore: edges of land in bins, searched outward from a point.

What enters: the zones of kind ``land``. What leaves: metres to the nearest edge, up to a limit, and 0 inside. An edge
stands in every bin its box touches, so a search that has gone ``limit`` bins out has met every edge within the limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.geo.earth import metres_per_degree
from kuroshio.geo.polygon import UNITS_PER_DEG
from kuroshio.geo.zones import Zones, to_units
from kuroshio.units import BoolArray, FloatArray, IntArray

BIN_DEG = 0.1
_COLS, _ROWS = round(360 / BIN_DEG), round(180 / BIN_DEG)


@njit(cache=True, nogil=True)
def _bins(edge: Any, fill: bool, start: Any, out: Any) -> None:
    """Count (or fill) the edges of every bin; ``start`` holds the counts, or where each bin's next edge goes."""
    for i in range(edge.shape[0]):
        west, east = min(edge[i, 0], edge[i, 2]) / UNITS_PER_DEG, max(edge[i, 0], edge[i, 2]) / UNITS_PER_DEG
        south, north = min(edge[i, 1], edge[i, 3]) / UNITS_PER_DEG, max(edge[i, 1], edge[i, 3]) / UNITS_PER_DEG
        c0, c1 = int(np.floor((west + 180.0) / BIN_DEG)), int(np.floor((east + 180.0) / BIN_DEG))
        r0, r1 = int((south + 90.0) / BIN_DEG), int((north + 90.0) / BIN_DEG)
        for r in range(r0, min(r1, _ROWS - 1) + 1):
            for c in range(c0, c1 + 1):
                b = r * _COLS + c % _COLS
                if fill:
                    out[start[b]] = i
                start[b] += 1


@njit(cache=True, nogil=True)
def _distances(edge: Any, ptr: Any, items: Any, x: Any, y: Any, inside: Any, limit_m: float) -> Any:
    out = np.empty(x.size)
    for i in range(x.size):
        if inside[i]:
            out[i] = 0.0
            continue
        lon, lat = x[i] / UNITS_PER_DEG, y[i] / UNITS_PER_DEG
        east, north = metres_per_degree(lat)
        kx, ky = max(east, 1.0) / UNITS_PER_DEG, north / UNITS_PER_DEG
        best = limit_m * limit_m
        down = int(limit_m / (north * BIN_DEG)) + 1
        # a bin's width shrinks toward the pole: take it at the far edge of the search
        far = min(89.9, abs(lat) + down * BIN_DEG)
        side = min(_COLS // 2, int(limit_m / (max(1.0, metres_per_degree(far)[0]) * BIN_DEG)) + 1)
        row, col = int((lat + 90.0) / BIN_DEG), int((lon + 180.0) / BIN_DEG)
        for r in range(max(0, row - down), min(_ROWS - 1, row + down) + 1):
            for c in range(col - side, col + side + 1):
                b = r * _COLS + c % _COLS
                for j in range(ptr[b], ptr[b + 1]):
                    e = items[j]
                    dx = edge[e, 0] - x[i]
                    turn = 3.6e9 * np.rint(dx / 3.6e9)
                    ux, uy = (dx - turn) * kx, (edge[e, 1] - y[i]) * ky
                    vx, vy = (edge[e, 2] - x[i] - turn) * kx - ux, (edge[e, 3] - y[i]) * ky - uy
                    length2 = vx * vx + vy * vy
                    f = 0.0 if length2 == 0.0 else min(1.0, max(0.0, -(ux * vx + uy * vy) / length2))
                    best = min(best, (ux + f * vx) ** 2 + (uy + f * vy) ** 2)
        out[i] = np.sqrt(best)
    return out


class Shore:
    """Edges of land in bins of `BIN_DEG`; `Shore.of` makes one from zones, None where none of them is land."""

    def __init__(self, zones: Zones) -> None:
        self.zones = zones
        self.land: IntArray = np.flatnonzero(zones.mask(["land"]))
        ix = zones.index
        parts = [p for z in self.land for p in range(ix.part_ptr[z], ix.part_ptr[z + 1])]
        edges = [ix.edge[ix.edge_ptr[p] : ix.edge_ptr[p + 1]] for p in parts]
        self.edge: FloatArray = np.ascontiguousarray(np.concatenate(edges)).astype(np.float64)
        count = np.zeros(_ROWS * _COLS, np.int64)
        _bins(self.edge, False, count, np.zeros(0, np.int64))
        self.ptr: IntArray = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        self.items: IntArray = np.empty(int(self.ptr[-1]), np.int64)
        _bins(self.edge, True, self.ptr[:-1].copy(), self.items)

    @staticmethod
    def of(zones: Zones | None) -> Shore | None:
        """Shore of the land among the zones, made once for each."""
        if zones is None or not zones.mask(["land"]).any():
            return None
        if "shore" not in zones.made:
            zones.made["shore"] = Shore(zones)
        made: Shore = zones.made["shore"]
        return made

    def inside(self, lat_deg: Any, lon_deg: Any) -> BoolArray:
        """True on land."""
        result = np.zeros(len(lat_deg), np.bool_)
        for zone in self.land.tolist():  # land masses of a layer are few
            result |= self.zones.contains(zone, lat_deg, lon_deg)
        return result

    def distance_m(self, lat_deg: Any, lon_deg: Any, limit_m: float) -> FloatArray:
        """Metres to the nearest shore in the local plane of each point, ``limit_m`` where none is nearer, 0 on land."""
        lat, lon = np.atleast_1d(np.asarray(lat_deg, float)), np.atleast_1d(np.asarray(lon_deg, float))
        x, y = to_units(lat, lon)
        result: FloatArray = _distances(self.edge, self.ptr, self.items, x, y, self.inside(lat, lon), limit_m)
        return result
