"""Where ships are at common time steps, and which of them are near one another there.

What enters: fixes, each with the piece that leads to it. Pieces no longer than ``max_gap_us`` are read off at the time
steps; slow points of a step are put into cells as wide as the limit. What leaves: points, and near pairs of them. A
ship at speed has no points but those next to a slow one: no pair needs them. Neither days nor the antimeridian matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour.buffers import copy_row, doubled
from kuroshio.geo.earth import enu_offset_m
from kuroshio.units import FloatArray, IntArray

LOW_MARGIN_M_PER_DEG = 110_000.0  # below the least metres in a degree of latitude (110,574): strips never too narrow
# points: integers P_SLOT, P_BIN, P_MMSI ; numbers P_LAT, P_LON, P_SPEED
P_SLOT, P_BIN, P_MMSI = range(3)
P_LAT, P_LON, P_SPEED = range(3)
# state a slot: time of the last fix, known, last step with a point, that point slow, last fast step and its place
T, KNOWN, PUT_BIN, PUT_SLOW, FAST_BIN = range(5)
FAST_LAT, FAST_LON, FAST_SPEED = range(3)
NO_BIN = -(1 << 60)


@njit(cache=True, nogil=True)
def _wrap(x: float) -> float:
    return x - 360.0 if x > 180.0 else (x + 360.0 if x < -180.0 else x)


@njit(cache=True, nogil=True)
def _put(pi: Any, pf: Any, k: int, s: int, b: int, mmsi: int, lat: float, lon: float, speed: float) -> None:
    pi[k, P_SLOT], pi[k, P_BIN], pi[k, P_MMSI] = s, b, mmsi
    pf[k, P_LAT], pf[k, P_LON], pf[k, P_SPEED] = lat, lon, speed


@njit(cache=True, nogil=True)
def _read_some(
    begin: int,
    k: int,
    pi: Any,
    pf: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    la0: Any,
    lo0: Any,
    step_m: Any,
    mmsi: Any,
    skip: Any,
    ints: Any,
    floats: Any,
    step_us: int,
    max_gap_us: int,
    fast: float,
) -> tuple[int, int]:
    for i in range(begin, slot.size):
        s = slot[i]
        t0, known = ints[s, T], ints[s, KNOWN] == 1
        dt = t[i] - t0
        if known and k + 3 + min(dt, max_gap_us) // step_us > pi.shape[0]:
            return i, k
        ints[s, T], ints[s, KNOWN] = t[i], 1
        if not known or dt > max_gap_us or skip[i]:
            continue
        first, last = t0 // step_us + 1, t[i] // step_us
        if last < first:
            continue
        dlon, speed = _wrap(lon[i] - lo0[i]), step_m[i] / (dt * 1e-6)
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


@njit(cache=True, nogil=True)
def read_off(
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    la0: Any,
    lo0: Any,
    step_m: Any,
    mmsi: Any,
    skip: Any,
    ints: Any,
    floats: Any,
    step_us: int,
    max_gap_us: int,
    fast: float,
) -> tuple[Any, Any]:
    """Points (integers, numbers) of the time steps on the pieces that lead to the rows, in order (slot, step).

    Of the steps a ship passes at more than ``fast`` only the first after and the last before a slow one have a point.
    """
    pi, pf = np.empty((slot.size // 4 + 64, 3), np.int64), np.empty((slot.size // 4 + 64, 3))
    i = k = 0
    while i < slot.size:
        i, k = _read_some(
            i,
            k,
            pi,
            pf,
            slot,
            t,
            lat,
            lon,
            la0,
            lo0,
            step_m,
            mmsi,
            skip,
            ints,
            floats,
            step_us,
            max_gap_us,
            fast,
        )
        if i < slot.size:
            pi, pf = doubled(pi, pf)
    return pi[:k].copy(), pf[:k].copy()


@njit(cache=True, nogil=True)
def ascending(pi: Any) -> Any:
    """True when points are in the order of their slots."""
    i = 1
    while i < pi.shape[0] and pi[i, P_SLOT] >= pi[i - 1, P_SLOT]:
        i += 1
    return i >= pi.shape[0]


@njit(cache=True, nogil=True)
def merged(pi: Any, pf: Any, ni: Any, nf: Any) -> tuple[Any, Any, Any]:
    """(integers, numbers, new or not) of points and new points, both in order (slot, step)."""
    n = pi.shape[0] + ni.shape[0]
    oi, of, fresh = np.empty((n, 3), np.int64), np.empty((n, 3)), np.zeros(n, np.bool_)
    a = b = 0
    for k in range(n):
        old = b >= ni.shape[0]
        if not old and a < pi.shape[0]:
            old = pi[a, P_SLOT] < ni[b, P_SLOT] or (pi[a, P_SLOT] == ni[b, P_SLOT] and pi[a, P_BIN] < ni[b, P_BIN])
        if old:
            copy_row(oi, k, 0, pi, a, 0, 3)
            copy_row(of, k, 0, pf, a, 0, 3)
            a += 1
        else:
            copy_row(oi, k, 0, ni, b, 0, 3)
            copy_row(of, k, 0, nf, b, 0, 3)
            fresh[k] = True
            b += 1
    return oi, of, fresh


@njit(cache=True, nogil=True)
def newer(pi: Any, pf: Any, oldest: int) -> tuple[Any, Any]:
    """Points of the steps from ``oldest`` on."""
    oi, of = np.empty_like(pi), np.empty_like(pf)
    k = 0
    for i in range(pi.shape[0]):
        if pi[i, P_BIN] >= oldest:
            copy_row(oi, k, 0, pi, i, 0, 3)
            copy_row(of, k, 0, pf, i, 0, 3)
            k += 1
    return oi[:k].copy(), of[:k].copy()


@njit(cache=True, nogil=True)
def gap_m(pf: Any, i: int, j: int) -> float:
    """Metres between two points."""
    east, north = enu_offset_m(pf[i, P_LAT], pf[i, P_LON], pf[j, P_LAT], pf[j, P_LON])
    return float(np.sqrt(east * east + north * north))


@njit(cache=True, nogil=True)
def _columns(row: Any, limit_m: float) -> Any:
    """Cells round the earth in a strip of latitude: none narrower than the limit anywhere in it."""
    high = (abs(row) + 1.0) * limit_m / LOW_MARGIN_M_PER_DEG
    return max(1, int(360.0 * LOW_MARGIN_M_PER_DEG * np.cos(np.radians(min(89.9, high))) / limit_m))


@njit(cache=True, nogil=True)
def _hash(b: Any, row: Any, col: Any, shift: Any) -> Any:
    h = np.uint64(b) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(row) * np.uint64(0xC2B2AE3D27D4EB4F)
    h = (h ^ (h >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9) + np.uint64(col) * np.uint64(0x94D049BB133111EB)
    return np.int64((h ^ (h >> np.uint64(29))) * np.uint64(0xD6E8FEB86659FD93) >> np.uint64(shift))


@njit(cache=True, nogil=True)
def _near_some(
    start: int,
    k: int,
    out: Any,
    begin: int,
    slow: Any,
    head: Any,
    after: Any,
    rows: Any,
    cols: Any,
    shift: int,
    pi: Any,
    pf: Any,
    track: Any,
    limit_m: float,
) -> tuple[int, int]:
    """Put in points from ``start`` on and note the pairs those from ``begin`` on make, as long as there is room."""
    scale = LOW_MARGIN_M_PER_DEG / limit_m
    strip, width = np.int64(NO_BIN), np.ones(3, np.int64)
    for p in range(start, slow.size):  # every pair is met once: when the later of the two is put in
        i, begun = slow[p], k
        b, row = pi[i, P_BIN], np.int64(np.floor(pf[i, P_LAT] * scale))
        if row != strip:
            strip = row
            for c in range(3):
                width[c] = _columns(row - 1 + c, limit_m)
        for r in range(row - 1, row + 2 if p >= begin else row - 1):
            n_cols = width[r - row + 1]
            own = np.int64((pf[i, P_LON] + 180.0) / 360.0 * n_cols)
            wide = 3 if n_cols >= 3 else n_cols
            for c in range(wide):
                col = own - 1 + c
                col = col + n_cols if col < 0 else (col - n_cols if col >= n_cols else col)
                q = head[_hash(b, r, col, shift)]
                while q >= 0:
                    j = slow[q]
                    if pi[j, P_BIN] == b and rows[q] == r and cols[q] == col:
                        first, second = (i, j) if track[pi[i, P_SLOT]] < track[pi[j, P_SLOT]] else (j, i)
                        if pi[i, P_SLOT] != pi[j, P_SLOT] and gap_m(pf, first, second) <= limit_m:
                            if k == out.shape[0]:
                                return p, begun
                            out[k, 0], out[k, 1], out[k, 2] = pi[first, P_SLOT], pi[second, P_SLOT], b
                            k += 1
                    q = after[q]
        rows[p], cols[p] = row, np.int64((pf[i, P_LON] + 180.0) / 360.0 * width[1]) % width[1]
        h = _hash(b, row, cols[p], shift)
        after[p], head[h] = head[h], p
    return slow.size, k


@njit(cache=True, nogil=True)
def near(pi: Any, pf: Any, fresh: Any, whole: bool, track: Any, limit_m: float, max_speed: float) -> Any:
    """(slot a, slot b, step) of slow points of one step within the limit, at least one of them new; lower track first.

    ``fresh`` is not read where ``whole`` says that all points are new.
    """
    n = pi.shape[0]
    slow, count = np.empty(n, np.int64), 0
    low: Any = np.int64(1 << 60)
    high: Any = np.int64(-(1 << 60))
    for i in range(n):
        if whole or fresh[i]:
            low, high = min(low, pi[i, P_BIN]), max(high, pi[i, P_BIN])
    touched = np.full(max(0, high - low + 1) if not whole else 0, False)
    if not whole:
        for i in range(n):
            if fresh[i]:
                touched[pi[i, P_BIN] - low] = True
    begin = 0
    for turn in range(0 if not whole else 1, 2):  # first the old ones, which are only found, then the new
        begin = count
        for i in range(n):
            b = pi[i, P_BIN]
            mine = whole or (fresh[i] == (turn == 1) and low <= b <= high and touched[b - low])
            if mine and pf[i, P_SPEED] <= max_speed:
                slow[count] = i
                count += 1
    bits = 4
    while 1 << bits < 2 * count:
        bits += 1
    head, after = np.full(1 << bits, -1, np.int32), np.empty(count, np.int32)
    rows, cols = np.empty(count, np.int64), np.empty(count, np.int64)
    out, none = np.empty((256, 3), np.int64), np.empty((256, 0))
    p = k = 0
    while p < count:
        p, k = _near_some(
            p,
            k,
            out,
            begin,
            slow[:count],
            head,
            after,
            rows,
            cols,
            64 - bits,
            pi,
            pf,
            track,
            limit_m,
        )
        if p < count:
            out, none = doubled(out, none)
    return out[:k]


def candidates(pi: IntArray, pf: FloatArray, fresh: Any, track: IntArray, limit_m: float, max_speed: float) -> IntArray:
    """(slot a, slot b, step) of all near pairs at steps that have a new point, sorted; ``fresh`` None: all are new."""
    rows: IntArray = near(pi, pf, _NONE if fresh is None else fresh, fresh is None, track, limit_m, max_speed)
    return rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))] if len(rows) else rows


_NONE = np.zeros(0, np.bool_)


@njit(cache=True, nogil=True)
def find(ptr: Any, pi: Any, s: int, b: int) -> int:
    """Row of the point of a slot at a step, -1 where there is none."""
    lo, hi = ptr[s], ptr[s + 1]
    end = hi
    while lo < hi:
        mid = (lo + hi) >> 1
        if pi[mid, P_BIN] < b:
            lo = mid + 1
        else:
            hi = mid
    return lo if lo < end and pi[lo, P_BIN] == b else -1


@njit(cache=True, nogil=True)
def places(found: Any, ptr: Any, pi: Any) -> Any:
    """Row of the first ship's point of each near pair."""
    out = np.empty(found.shape[0], np.int64)
    for i in range(found.shape[0]):
        out[i] = find(ptr, pi, found[i, 0], found[i, 2])
    return out


@njit(cache=True, nogil=True)
def pointers(pi: Any, slots: int) -> Any:
    """Where the points of each slot begin, and one more."""
    ptr = np.zeros(slots + 1, np.int64)
    for i in range(pi.shape[0]):
        ptr[pi[i, P_SLOT] + 1] += 1
    for s in range(slots):
        ptr[s + 1] += ptr[s]
    return ptr
