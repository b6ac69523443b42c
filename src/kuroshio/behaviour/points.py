"""Where ships are at common time steps, and which of them are near one another there.

What enters: fixes, each with the piece that leads to it. Pieces no longer than ``max_gap_us`` are read off at the time
steps; slow points of a step are put into cells as wide as the limit. What leaves: points, and near pairs of them. A
ship at speed has no points but those next to a slow one: no pair needs them. Neither days nor the antimeridian matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import inner, kernel, within
from kuroshio.geo.earth import enu_offset_m
from kuroshio.units import FloatArray, IntArray

LOW_MARGIN_M_PER_DEG = 110_000.0  # below the least metres in a degree of latitude (110,574): strips never too narrow
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
def _left_out(i: int, ended: Any, port: Any, ship_type: Any, types: Any, nav: Any, states: Any) -> bool:
    out = ended[i] or (port.size > 0 and port[i])
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
    for i in range(begin, slot.size):
        s, t1, dt = slot[i], t[i], dt_us[i]
        before = ints[s, BIN]
        if dt >= 0 and t1 < (before + 1) * step_us:
            ints[s, T] = t1
            continue
        first = before + 1
        last = first if dt >= 0 and t1 < (first + 1) * step_us else t1 // step_us
        if dt >= 0 and k + 3 + min(last - before, max_gap_us // step_us + 1) > pi.shape[0]:
            return i, k
        ints[s, T], ints[s, BIN] = t1, last
        if dt < 0 or dt > max_gap_us or _left_out(i, ended, port, ship_type, types, nav, states):
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
def ascending(pi: Any) -> Any:
    """True when points are in the order of their slots."""
    i = 1
    while i < pi.shape[0] and pi[i, P_SLOT] >= pi[i - 1, P_SLOT]:
        i += 1
    return i >= pi.shape[0]


@within
def _before(pi: Any, i: int, s: int, b: int) -> bool:
    return bool(pi[i, P_SLOT] < s or (pi[i, P_SLOT] == s and pi[i, P_BIN] < b))


@kernel
def merge(pi: Any, pf: Any, n: int, ni: Any, nf: Any, oi: Any, of: Any, fresh: Any) -> None:
    """Put the first ``n`` points and new points, both in order (slot, step), into ``oi`` and ``of``; mark the new."""
    a = k = 0
    for b in range(ni.shape[0]):
        s, at = ni[b, P_SLOT], ni[b, P_BIN]
        lo, step = a, 1
        while lo + step < n and _before(pi, lo + step, s, at):
            lo += step  # new points are few and lie far apart: double the stride until beyond, then halve
            step *= 2
        hi = min(n, lo + step)
        while lo < hi:
            mid = (lo + hi) >> 1
            if _before(pi, mid, s, at):
                lo = mid + 1
            else:
                hi = mid
        for q in range(a, lo):
            for c in range(3):
                oi[k + q - a, c], of[k + q - a, c] = pi[q, c], pf[q, c]
            fresh[k + q - a] = False
        k += lo - a
        a = lo
        for c in range(3):
            oi[k, c], of[k, c] = ni[b, c], nf[b, c]
        fresh[k] = True
        k += 1
    for q in range(a, n):
        for c in range(3):
            oi[k + q - a, c], of[k + q - a, c] = pi[q, c], pf[q, c]
        fresh[k + q - a] = False


@within
def _move(pi: Any, pf: Any, i: int, k: int) -> None:
    for c in range(3):
        pi[k, c], pf[k, c] = pi[i, c], pf[i, c]


@kernel
def newer(pi: Any, pf: Any, n: int, oldest: int) -> int:
    """Number of the first ``n`` points from step ``oldest`` on, moved to the front."""
    k = 0
    for i in range(n):
        if pi[i, P_BIN] >= oldest:
            _move(pi, pf, i, k)
            k += 1
    return k


@kernel
def without(pi: Any, pf: Any, n: int, out: Any) -> int:
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


def those(pi: IntArray, pf: FloatArray, n: int, mine: Any) -> tuple[IntArray, FloatArray]:
    """Those of the first ``n`` points whose slot is marked."""
    rows = np.empty(n, np.int64)
    rows = rows[: _rows_of(pi, n, mine, rows)]
    return pi[rows], pf[rows]


@inner
def gap_m(pf: Any, i: int, j: int) -> float:
    """Metres between two points."""
    east, north = enu_offset_m(pf[i, P_LAT], pf[i, P_LON], pf[j, P_LAT], pf[j, P_LON])
    return float(np.sqrt(east * east + north * north))


@inner
def _columns(row: Any, limit_m: float) -> Any:
    """Cells round the earth in a strip of latitude: none narrower than the limit anywhere in it."""
    high = (abs(row) + 1.0) * limit_m / LOW_MARGIN_M_PER_DEG
    return max(1, int(360.0 * LOW_MARGIN_M_PER_DEG * np.cos(np.radians(min(89.9, high))) / limit_m))


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
    begin: int,
    head: Any,
    after: Any,
    rows: Any,
    cols: Any,
    shift: int,
    width: Any,
    pi: Any,
    pf: Any,
    track: Any,
    limit_m: float,
) -> tuple[int, int]:
    """Put in points from ``start`` on and note the pairs those from ``begin`` on make, as long as there is room."""
    scale = LOW_MARGIN_M_PER_DEG / limit_m
    strip = np.int64(NO_BIN)
    for p in range(start, count):  # every pair is met once: when the later of the two is put in
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
    return count, k


@kernel
def _select(pi: Any, pf: Any, fresh: Any, max_speed: float, ends: Any, touched: Any, slow: Any) -> int:
    """Slow points of the steps that have a new one: the old ones, then the new from the number returned on.

    ``ends`` is the first and the last step with a new point; then it gets the number of points. ``fresh`` is empty
    where all are new.
    """
    n, count, begin = pi.shape[0], 0, 0
    if fresh.size:
        for i in range(n):
            if fresh[i]:
                touched[pi[i, P_BIN] - ends[0]] = True
        for i in range(n):
            b = pi[i, P_BIN]
            if not fresh[i] and ends[0] <= b <= ends[1] and touched[b - ends[0]] and pf[i, P_SPEED] <= max_speed:
                slow[count] = i
                count += 1
        begin = count
    for i in range(n):
        if (fresh.size == 0 or fresh[i]) and pf[i, P_SPEED] <= max_speed:
            slow[count] = i
            count += 1
    ends[0] = count
    return begin


def candidates(
    pi: IntArray, pf: FloatArray, fresh: Any, new_i: IntArray, track: IntArray, limit_m: float, max_speed: float
) -> IntArray:
    """(slot a, slot b, step) of slow points of one step within the limit, at least one of them new; sorted.

    The lower track comes first. ``new_i`` are the new points, ``fresh`` marks them; it is empty where all are new.
    """
    ends = np.asarray([new_i[:, P_BIN].min(), new_i[:, P_BIN].max()])
    touched = np.zeros(int(ends[1] - ends[0]) + 1 if len(fresh) else 0, np.bool_)
    slow = np.empty(len(pi), np.int64)
    begin = _select(pi, pf, fresh, max_speed, ends, touched, slow)
    count = int(ends[0])
    bits = max(4, (2 * count - 1).bit_length())
    head, after = np.full(1 << bits, -1, np.int32), np.empty(count, np.int32)
    cells = np.empty(count, np.int64), np.empty(count, np.int64)
    width = np.ones(3, np.int64)
    found, _ = Events(3, 0).run(
        _near_some, count, slow, count, begin, head, after, *cells, 64 - bits, width, pi, pf, track, limit_m
    )
    return found[np.lexsort((found[:, 2], found[:, 1], found[:, 0]))] if len(found) else found


@inner
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


@kernel
def places(found: Any, ptr: Any, pi: Any, out: Any) -> None:
    """Row of the first ship's point of each near pair."""
    for i in range(found.shape[0]):
        out[i] = find(ptr, pi, found[i, 0], found[i, 2])


@kernel
def _pointers(pi: Any, ptr: Any) -> None:
    following = 0
    for i in range(pi.shape[0]):
        while following <= pi[i, P_SLOT]:
            ptr[following] = i
            following += 1
    for s in range(following, ptr.size):
        ptr[s] = pi.shape[0]


def pointers(pi: IntArray, slots: int) -> IntArray:
    """Where the points of each slot begin, and one more."""
    ptr = np.empty(slots + 1, np.int64)
    _pointers(pi, ptr)
    return ptr
