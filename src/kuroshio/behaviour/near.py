"""Which points of one time step are near one another.

What enters: points and marks of the new ones. Slow points are put into cells as wide as the limit, one step after
another. What leaves: pairs within the limit, at least one of each new. Neither days nor the antimeridian matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.points import NO_BIN, P_BIN, P_LAT, P_LON, P_SLOT, P_SPEED, gap_m
from kuroshio.units import BoolArray, FloatArray, IntArray

LOW_MARGIN_M_PER_DEG = 110_000.0  # below the least metres in a degree of latitude (110,574): strips never too narrow
_STRIPS = 1024  # whose widths are remembered
_STEPS = 4096  # time steps are marked by their last bits: what that takes in too much is met by nothing new


@within
def _columns(strips: Any, row: Any, limit_m: float) -> Any:
    """Cells round the earth in a strip of latitude, none narrower than the limit anywhere in it; asked for again."""
    place = row & (_STRIPS - 1)
    if strips[place, 0] != row:
        high = (abs(row) + 2.0) * limit_m / LOW_MARGIN_M_PER_DEG
        wide = 360.0 * LOW_MARGIN_M_PER_DEG * np.cos(np.radians(min(90.0, high))) / limit_m
        strips[place, 0], strips[place, 1] = row, max(1, int(wide))
    return strips[place, 1]


@within
def _hash(b: Any, row: Any, col: Any, shift: Any) -> Any:
    h = np.uint64(b) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = (h ^ (h >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(col) * np.uint64(0x94D049BB133111EB)
    return np.int64((h ^ (h >> np.uint64(29))) * np.uint64(0xD6E8FEB86659FD93) >> np.uint64(shift))


@kernel
def _near_some(
    start: int,
    k: int,
    out: Any,
    none: Any,
    slow: Any,
    count: int,
    first: Any,
    fresh_from: Any,
    head: Any,
    after: Any,
    rows: Any,
    cols: Any,
    strips: Any,
    pi: Any,
    pf: Any,
    track: Any,
    limit_m: float,
) -> tuple[int, int]:
    """Put in points from ``start`` on, step by step, and note the pairs the new make, as long as there is room."""
    scale = LOW_MARGIN_M_PER_DEG / limit_m
    shift: Any = np.int64(0)
    begin, end, p = shift, shift, shift + start
    while p < count:  # every pair is met once: when the later of the two is put in
        i, begun = slow[p], k
        b, row = pi[i, P_BIN], np.int64(np.floor(pf[i, P_LAT] * scale))
        if p >= end:  # a table of the points of one step is small enough to be near
            place, bits = b & (_STEPS - 1), np.int64(4)
            begin, end = fresh_from[place], first[place + 1]
            if begin == end:  # none of its new points is slow
                p = end
                continue
            while (1 << bits) < 2 * (end - first[place]):
                bits += 1
            shift = 64 - bits
            if p == first[place]:
                head[: 1 << bits] = -1
        for r in range(row - 1, row + 2 if p >= begin else row - 1):
            n_cols = _columns(strips, r, limit_m)
            own = np.int64((pf[i, P_LON] + 180.0) / 360.0 * n_cols)
            wide = 3 if n_cols >= 3 else n_cols
            for c in range(wide):
                col = own - 1 + c
                col = col + n_cols if col < 0 else (col - n_cols if col >= n_cols else col)
                q = head[_hash(b, r, col, shift)]
                while q >= 0:
                    j = slow[q]
                    if pi[j, P_BIN] == b and rows[q] == r and cols[q] == col:
                        one, other = (i, j) if track[pi[i, P_SLOT]] < track[pi[j, P_SLOT]] else (j, i)
                        if pi[i, P_SLOT] != pi[j, P_SLOT] and gap_m(pf, one, other) <= limit_m:
                            if k == out.shape[0]:
                                return p, begun
                            out[k, 0], out[k, 1], out[k, 2] = pi[one, P_SLOT], pi[other, P_SLOT], b
                            k += 1
                    q = after[q]
        n_cols = _columns(strips, row, limit_m)
        rows[p], cols[p] = row, np.int64((pf[i, P_LON] + 180.0) / 360.0 * n_cols) % n_cols
        h = _hash(b, row, cols[p], shift)
        after[p], head[h] = head[h], p
        p += 1
    return count, k


@within
def _sought(pi: Any, pf: Any, i: Any, max_speed: Any, touched: Any) -> bool:
    return bool(touched[pi[i, P_BIN] & (_STEPS - 1)] and pf[i, P_SPEED] <= max_speed)


@kernel
def _select(
    pi: Any,
    pf: Any,
    begin: int,
    fresh: Any,
    max_speed: float,
    touched: Any,
    first: Any,
    fresh_from: Any,
    filled: Any,
    slow: Any,
) -> int:
    """Number of slow points of the steps that have a new one: step by step, of each the old ones, then the new.

    ``fresh`` marks the new of those from ``begin`` on. Steps are told apart by their last bits; by these ``first`` gets
    where the points begin in ``slow``, and ``fresh_from`` where the new ones do.
    """
    n = pi.shape[0]
    touched[:] = False
    for i in range(begin, n):
        if fresh[i - begin]:
            touched[pi[i, P_BIN] & (_STEPS - 1)] = True
    first[:] = 0
    for i in range(n):
        if _sought(pi, pf, i, max_speed, touched):
            first[(pi[i, P_BIN] & (_STEPS - 1)) + 1] += 1
    for place in range(_STEPS):
        first[place + 1] += first[place]
        filled[place] = first[place]
    for i in range(n):
        if not (i >= begin and fresh[i - begin]) and _sought(pi, pf, i, max_speed, touched):
            place = pi[i, P_BIN] & (_STEPS - 1)
            slow[filled[place]] = i
            filled[place] += 1
    for place in range(_STEPS):
        fresh_from[place] = filled[place]
    for i in range(begin, n):
        if fresh[i - begin] and _sought(pi, pf, i, max_speed, touched):
            place = pi[i, P_BIN] & (_STEPS - 1)
            slow[filled[place]] = i
            filled[place] += 1
    return int(first[_STEPS])


class Search:
    """Pairs of slow points of one step within a limit; it keeps room to work in.

    Parameters
    ----------
    limit_m
        Greatest distance of a pair.
    max_speed_mps
        Greatest speed of both.
    """

    def __init__(self, limit_m: float, max_speed_mps: float) -> None:
        self.limit_m, self.max_speed_mps = limit_m, max_speed_mps
        self._touched, self._first = np.empty(_STEPS, np.bool_), np.empty(_STEPS + 1, np.int64)
        self._fresh_from, self._filled = np.empty((2, _STEPS), np.int64)
        self._strips, self._found = np.full((_STRIPS, 2), NO_BIN), Events(3, 0)
        self._room(16)

    def _room(self, count: int) -> None:
        self._head, self._after = np.empty(1 << (2 * count - 1).bit_length(), np.int32), np.empty(count, np.int32)
        self._slow, self._cells = np.empty(count, np.int64), (np.empty(count, np.int64), np.empty(count, np.int64))

    def pairs(self, pi: IntArray, pf: FloatArray, begin: int, fresh: BoolArray, track: IntArray) -> IntArray:
        """(slot a, slot b, step) of pairs, at least one of them new; sorted. The lower track comes first.

        ``fresh`` marks the new of the points from ``begin`` on.
        """
        if len(pi) > len(self._slow):
            self._room(2 * len(pi))
        steps = self._first, self._fresh_from
        count = _select(pi, pf, begin, fresh, self.max_speed_mps, self._touched, *steps, self._filled, self._slow)
        room = self._slow, count, *steps, self._head, self._after, *self._cells, self._strips
        found, _ = self._found.run(_near_some, count, *room, pi, pf, track, self.limit_m)
        return found[np.lexsort((found[:, 2], found[:, 1], found[:, 0]))] if len(found) else found
