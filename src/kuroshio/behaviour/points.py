"""Where ships are at common time steps.

What enters: fixes, each with the piece that leads to it. Pieces no longer than ``max_gap_us`` are read off at the time
steps. What leaves: points, and a window of them in which one is found by ship and step. A ship at speed has no points
but those next to a slow one: no pair needs them. Neither days nor the antimeridian matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import inner, kernel, within
from kuroshio.behaviour.fetch import fetch_ahead, reach
from kuroshio.behaviour.index import two_key_order
from kuroshio.geo.earth import enu_offset_m
from kuroshio.units import BoolArray, FloatArray, IntArray

# points: integers P_SLOT, P_BIN, P_MMSI ; numbers P_LAT, P_LON, P_SPEED
P_SLOT, P_BIN, P_MMSI = range(3)
P_LAT, P_LON, P_SPEED = range(3)
# state a slot: time of the last fix, its step, last step with a point, that point slow, last fast step and its place
T, BIN, PUT_BIN, PUT_SLOW, FAST_BIN = range(5)
FAST_LAT, FAST_LON, FAST_SPEED = range(3)
NO_BIN = -(1 << 60)


@within
def _wrap(x: float) -> float:
    return x - 360.0 if x > 180.0 else (x + 360.0 if x < -180.0 else x)


@within
def _put(pi: Any, pf: Any, k: int, s: int, b: int, mmsi: int, lat: float, lon: float, speed: float) -> None:
    pi[k, P_SLOT], pi[k, P_BIN], pi[k, P_MMSI] = s, b, mmsi
    pf[k, P_LAT], pf[k, P_LON], pf[k, P_SPEED] = lat, lon, speed


@within
def _left_out(i: int, port: Any, ship_type: Any, types: Any, nav: Any, states: Any) -> bool:
    out = port.size > 0 and port[i]
    for j in range(types.size):
        out |= ship_type[i] == types[j]
    for j in range(states.size):
        out |= nav[i] == states[j]
    return bool(out)


@kernel
def read_off(
    begin: int,
    k: int,
    pi: Any,
    pf: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    dt_us: Any,
    la0: Any,
    lo0: Any,
    speed_mps: Any,
    mmsi: Any,
    ended: Any,
    port: Any,
    ship_type: Any,
    types: Any,
    nav: Any,
    states: Any,
    ints: Any,
    floats: Any,
    step_us: int,
    max_gap_us: int,
    fast: float,
) -> tuple[int, int]:
    """Points (integers, numbers) of the time steps on the pieces that lead to the rows, in order (slot, step).

    Of the steps a ship passes at more than ``fast`` only the first after and the last before a slow one have a point.
    """
    reached = reach(slot)
    for i in range(begin, slot.size):
        fetch_ahead(slot, i, reached, ints, floats)
        s, t1, dt = slot[i], t[i], dt_us[i]
        before = ints[s, BIN]
        if ended[i] and dt >= 0:
            ints[s, T], ints[s, BIN] = (t1 // step_us + 1) * step_us, t1 // step_us  # no point comes: not waited for
            continue
        if dt >= 0 and t1 < (before + 1) * step_us:
            ints[s, T] = t1
            continue
        first = before + 1
        last = first if dt >= 0 and t1 < (first + 1) * step_us else t1 // step_us
        if dt >= 0 and k + 3 + min(last - before, max_gap_us // step_us + 1) > pi.shape[0]:
            return i, k
        ints[s, T], ints[s, BIN] = t1, last
        if dt < 0 or dt > max_gap_us or _left_out(i, port, ship_type, types, nav, states):
            continue
        t0, dlon, speed = t1 - dt, _wrap(lon[i] - lo0[i]), speed_mps[i]
        if speed > fast:
            if ints[s, PUT_SLOW] == 1 and ints[s, PUT_BIN] == first - 1:
                f = (first * step_us - t0) / dt
                x = _wrap(lo0[i] + f * dlon)
                _put(pi, pf, k, s, first, mmsi[i], la0[i] + f * (lat[i] - la0[i]), x, speed)
                k += 1
                ints[s, PUT_BIN], ints[s, PUT_SLOW] = first, 0
            f = (last * step_us - t0) / dt
            ints[s, FAST_BIN], floats[s, FAST_SPEED] = last, speed
            floats[s, FAST_LAT], floats[s, FAST_LON] = la0[i] + f * (lat[i] - la0[i]), _wrap(lo0[i] + f * dlon)
            continue
        if ints[s, FAST_BIN] == first - 1 and ints[s, PUT_BIN] < first - 1:
            y, x, v = floats[s, FAST_LAT], floats[s, FAST_LON], floats[s, FAST_SPEED]
            _put(pi, pf, k, s, first - 1, mmsi[i], y, x, v)
            k += 1
        for b in range(first, last + 1):
            f = (b * step_us - t0) / dt
            x = _wrap(lo0[i] + f * dlon)
            _put(pi, pf, k, s, b, mmsi[i], la0[i] + f * (lat[i] - la0[i]), x, speed)
            k += 1
        ints[s, PUT_BIN], ints[s, PUT_SLOW] = last, 1
    return slot.size, k


@kernel
def _pack(pi: Any, keys: Any) -> int:
    """Keys that order points by slot and step, each with its row in the last bits; the number of these bits.

    0 where they are in order, -1 where a key has no room.
    """
    n = pi.shape[0]
    good = True
    low, high, slots = pi[0, P_BIN], pi[0, P_BIN], pi[0, P_SLOT]
    for i in range(1, n):
        s, b = pi[i, P_SLOT], pi[i, P_BIN]
        good &= s > pi[i - 1, P_SLOT] or (s == pi[i - 1, P_SLOT] and b >= pi[i - 1, P_BIN])
        low, high, slots = min(low, b), max(high, b), max(slots, s)
    if good:
        return 0
    bits, wide = 1, 1
    while n >> bits:
        bits += 1
    while (high - low) >> wide:
        wide += 1
    if slots >> (62 - bits - wide):
        return -1
    for i in range(n):
        keys[i] = (((pi[i, P_SLOT] << wide) | (pi[i, P_BIN] - low)) << bits) | i
    return bits


@kernel
def _gather(pi: Any, pf: Any, keys: Any, bits: int, oi: Any, of: Any) -> None:
    for k in range(keys.size):
        i = keys[k] & ((1 << bits) - 1)
        for c in range(3):
            oi[k, c], of[k, c] = pi[i, c], pf[i, c]


def in_order(ints: IntArray, floats: FloatArray) -> tuple[IntArray, FloatArray]:
    """Points in order (slot, step): slots are numbered as tracks come, not as they are called."""
    if not len(ints):
        return ints, floats
    keys = np.empty(len(ints), np.int64)
    bits = _pack(ints, keys)
    if not bits:
        return ints, floats
    if bits < 0:
        order = two_key_order(ints[:, P_SLOT], ints[:, P_BIN])
        return ints[order], floats[order]
    keys.sort()
    into = np.empty_like(ints), np.empty_like(floats)
    _gather(ints, floats, keys, bits, *into)
    return into


@within
def _before(pi: Any, i: int, s: int, b: int) -> bool:
    return bool(pi[i, P_SLOT] < s or (pi[i, P_SLOT] == s and pi[i, P_BIN] < b))


@within
def _first_from(pi: Any, lo: Any, hi: Any, s: int, b: int) -> Any:
    """First point from ``lo`` on, up to ``hi``, that is not before (slot, step)."""
    while lo < hi:
        mid = (lo + hi) >> 1
        if _before(pi, mid, s, b):
            lo = mid + 1
        else:
            hi = mid
    return lo


@within
def _move(pi: Any, pf: Any, i: int, k: int) -> None:
    for c in range(3):
        pi[k, c], pf[k, c] = pi[i, c], pf[i, c]


@kernel
def _merge(pi: Any, pf: Any, begin: int, n: int, ni: Any, nf: Any, fresh: Any) -> None:
    """Put new points among those from ``begin`` to ``n``, all in order (slot, step), from the last on, in place.

    ``fresh`` marks the new among those from ``begin`` on.
    """
    a = n
    for b in range(ni.shape[0] - 1, -1, -1):
        s, at = ni[b, P_SLOT], ni[b, P_BIN]
        hi, step = a, 1
        while hi - step >= begin and not _before(pi, hi - step, s, at):
            hi -= step  # new points are few and lie far apart: double the stride until before, then halve
            step *= 2
        lo = _first_from(pi, max(begin, hi - step), hi, s, at)
        for q in range(a - 1, lo - 1, -1):
            _move(pi, pf, q, q + b + 1)
            fresh[q + b + 1 - begin] = False
        a = lo
        for c in range(3):
            pi[a + b, c], pf[a + b, c] = ni[b, c], nf[b, c]
        fresh[a + b - begin] = True
    for q in range(begin, a):
        fresh[q - begin] = False


@kernel
def _newer(pi: Any, pf: Any, n: int, oldest: int) -> int:
    """Number of the first ``n`` points from step ``oldest`` on, moved to the front."""
    k = 0
    for i in range(n):
        if pi[i, P_BIN] >= oldest:
            _move(pi, pf, i, k)
            k += 1
    return k


@kernel
def _without(pi: Any, pf: Any, n: int, out: Any) -> int:
    """Number of the first ``n`` points whose slot is not marked in ``out``, moved to the front."""
    k = 0
    for i in range(n):
        if not out[pi[i, P_SLOT]]:
            _move(pi, pf, i, k)
            k += 1
    return k


@kernel
def _rows_of(pi: Any, n: int, mine: Any, rows: Any) -> int:
    k = 0
    for i in range(n):
        if mine[pi[i, P_SLOT]]:
            rows[k] = i
            k += 1
    return k


@inner
def gap_m(pf: Any, i: int, j: int) -> float:
    """Metres between two points."""
    east, north = enu_offset_m(pf[i, P_LAT], pf[i, P_LON], pf[j, P_LAT], pf[j, P_LON])
    return float(np.sqrt(east * east + north * north))


@inner
def find(ptr: Any, pi: Any, s: int, b: int) -> int:
    """Row of the point of a slot at a step, -1 where there is none; see `Points.pointers`."""
    lo, hi = ptr[s], ptr[s + 1]
    end = hi
    while lo < hi:
        mid = (lo + hi) >> 1
        if pi[mid, P_BIN] < b:
            lo = mid + 1
        else:
            hi = mid
    if lo < end and pi[lo, P_BIN] == b:
        return lo
    end = ptr[ptr.size - 1]
    lo = _first_from(pi, ptr[ptr.size - 2], end, s, b)
    return lo if lo < end and pi[lo, P_SLOT] == s and pi[lo, P_BIN] == b else -1


@inner
def neighbour(ptr: Any, pi: Any, i: int, by: int, s: int, b: int) -> int:
    """As `find`; most often it is the row next to the ``i``-th."""
    j = i + by
    if i >= 0 and 0 <= j < ptr[ptr.size - 1] and pi[j, P_SLOT] == s and pi[j, P_BIN] == b:
        return j
    return find(ptr, pi, s, b)


@kernel
def places(found: Any, ptr: Any, pi: Any, out: Any) -> None:
    """Row of the first ship's point of each near pair."""
    for i in range(found.shape[0]):
        out[i] = find(ptr, pi, found[i, 0], found[i, 2])


@kernel
def _pointers(pi: Any, n: int, ptr: Any) -> None:
    following = 0
    for i in range(n):
        while following <= pi[i, P_SLOT]:
            ptr[following] = i
            following += 1
    for s in range(following, ptr.size - 2):
        ptr[s] = n


_FEW = 256  # points that are put among the others at once


class Points:
    """Points of a window of time: most of them in order (slot, step), then the newest, which are in order of their own.

    So a point put in moves few others. The newest become part of the others before they are a quarter as many.
    """

    def __init__(self) -> None:
        self._ints: IntArray = np.empty((0, 3), np.int64)
        self._floats: FloatArray = np.empty((0, 3))
        self._fresh: BoolArray = np.empty(0, np.bool_)
        self._ptr: IntArray = np.empty(0, np.int64)
        self._main = self.count = 0

    @property
    def ints(self) -> IntArray:
        """Integers of the points."""
        return self._ints[: self.count]

    @property
    def floats(self) -> FloatArray:
        """Numbers of the points."""
        return self._floats[: self.count]

    def set(self, ints: IntArray, floats: FloatArray) -> None:
        """Have these in order (slot, step) and no others; they are not shared."""
        self.count = self._main = len(ints)
        self._ptr = self._ptr[:0]
        if len(self._ints) < len(ints):
            self._room(len(ints))
        self._ints[: len(ints)], self._floats[: len(ints)] = ints, floats

    def _room(self, count: int) -> None:
        ints, floats = self.ints, self.floats
        self._ints, self._floats = np.empty((count, 3), np.int64), np.empty((count, 3))
        self._fresh = np.empty(count, np.bool_)
        if len(ints) <= count:
            self._ints[: len(ints)], self._floats[: len(ints)] = ints, floats

    def put(self, ints: IntArray, floats: FloatArray) -> tuple[int, BoolArray]:
        """Put new points in order (slot, step) in: marks of the new among those from a row on, and that row."""
        n = self.count + len(ints)
        if len(self._ints) < n:
            self._room(2 * n if self.count else n)
        begin = self._main
        if n - begin > max(_FEW, begin // 4):
            self.join()
            begin = 0
        _merge(self._ints, self._floats, begin, self.count, ints, floats, self._fresh)
        self.count = n
        if not begin:
            self._main, self._ptr = n, self._ptr[:0]
        elif len(self._ptr):
            self._ptr[-1] = n
        return begin, self._fresh[: n - begin]

    def join(self) -> None:
        """Have all points in order (slot, step)."""
        if self._main < self.count:
            newest = self._ints[self._main : self.count].copy(), self._floats[self._main : self.count].copy()
            _merge(self._ints, self._floats, 0, self._main, *newest, self._fresh)
            self._main, self._ptr = self.count, self._ptr[:0]

    def forget(self, oldest: int) -> None:
        """Keep points from step ``oldest`` on."""
        self.join()
        self.count = self._main = _newer(self._ints, self._floats, self.count, oldest)
        self._ptr = self._ptr[:0]

    def drop(self, mine: BoolArray) -> None:
        """Keep points whose slot is not marked."""
        self.join()
        self.count = self._main = _without(self._ints, self._floats, self.count, mine)
        self._ptr = self._ptr[:0]

    def of(self, mine: BoolArray) -> tuple[IntArray, FloatArray]:
        """Points whose slot is marked, in order (slot, step)."""
        self.join()
        rows = np.empty(self.count, np.int64)
        rows = rows[: _rows_of(self._ints, self.count, mine, rows)]
        return self._ints[rows], self._floats[rows]

    def pointers(self, slots: int) -> IntArray:
        """Where the points of each slot begin in those that are in order, and where the newest begin and end."""
        if len(self._ptr) < slots + 3:
            self._ptr = np.empty(slots + slots // 4 + 3, np.int64)
            _pointers(self._ints, self._main, self._ptr)
            self._ptr[-2:] = self._main, self.count
        return self._ptr
