"""Two ships near one another: candidates by a sweep over each time step, then runs with exact crossing times.

What enters: fixes. They are read off at common time steps on the straight pieces between fixes (pieces longer than
``max_gap_us`` are no pieces), slow points of a step are swept in strips of latitude, and a pair that is near is walked
step by step until it parts. Start and end are where the distance, linear motion taken between steps, crosses the limit.
There is no midnight, no day, no antimeridian here. State: the points of the last ``max_gap_us`` and the open pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour.buffers import copy_row, room
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN
from kuroshio.geo.earth import distance_m, enu_offset_m
from kuroshio.units import FloatArray, IntArray

LOW_MARGIN_M_PER_DEG = 110_000.0  # below the least metres in a degree of latitude (110,574): strips never too narrow
# open pairs: integers A, B, BIN, START, MET, NEXT, STEPS ; numbers of PAIR_FLOATS
A, B, BIN, START, MET, NEXT, STEPS = range(7)
MIN_D, SUM_D, PATH_A, PATH_B, LAT, LON = range(6)
EV_KIND, EV_A, EV_B, EV_START, EV_MET, EV_END, EV_STEPS, EV_MA, EV_MB, EV_CAUSE = range(10)
PARTED, LEFT_FAST, LOST = 1, 2, 3


@njit(cache=True, nogil=True)
def read_off(
    slot: Any, t: Any, lat: Any, lon: Any, mmsi: Any, skip: Any, ints: Any, floats: Any, step_us: int, max_gap_us: int
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """(slot, bin, lat, lon, speed, mmsi) of every time step on the pieces; state is the last fix of every slot."""
    count = 0
    for turn in range(2):
        if turn == 1:
            o_slot, o_bin, o_mmsi = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
            o_lat, o_lon, o_speed = np.empty(count), np.empty(count), np.empty(count)
        k = 0
        before, t0, la0, lo0 = -1, np.int64(0), 0.0, 0.0
        known = False
        for i in range(slot.size):
            s = slot[i]
            if s != before:
                before = s
                known = ints[s, 1] == 1
                t0, la0, lo0 = ints[s, 0], floats[s, 0], floats[s, 1]
            if known and t[i] - t0 <= max_gap_us and not skip[i]:
                dt = t[i] - t0
                first, last = t0 // step_us + 1, t[i] // step_us
                if turn == 0:
                    count += max(0, last - first + 1)
                elif last >= first:
                    dlon = lon[i] - lo0
                    dlon = dlon - 360.0 if dlon > 180.0 else (dlon + 360.0 if dlon < -180.0 else dlon)
                    if abs(dlon) < 0.2 and abs(lat[i] - la0) < 0.2 and abs(la0) < 70.0:
                        east, north = enu_offset_m(la0, lo0, lat[i], lon[i])
                        speed = np.sqrt(east * east + north * north) / (dt * 1e-6)
                    else:
                        speed = distance_m(la0, lo0, lat[i], lon[i]) / (dt * 1e-6)
                    for b in range(first, last + 1):
                        f = (b * step_us - t0) / dt
                        x = lo0 + f * dlon
                        o_slot[k], o_bin[k], o_mmsi[k], o_speed[k] = s, b, mmsi[i], speed
                        o_lat[k] = la0 + f * (lat[i] - la0)
                        o_lon[k] = x - 360.0 if x > 180.0 else (x + 360.0 if x < -180.0 else x)
                        k += 1
            t0, la0, lo0, known = t[i], lat[i], lon[i], True
            if turn == 1:
                ints[s, 0], ints[s, 1], floats[s, 0], floats[s, 1] = t0, 1, la0, lo0
    return o_slot, o_bin, o_lat, o_lon, o_speed, o_mmsi


@njit(cache=True, nogil=True)
def _gap_m(lat: Any, lon: Any, i: int, j: int) -> float:
    east, north = enu_offset_m(lat[i], lon[i], lat[j], lon[j])
    return float(np.sqrt(east * east + north * north))


@njit(cache=True, nogil=True)
def sweep(
    order: Any, strip: Any, bins: Any, lat: Any, lon: Any, shift: Any, track: Any, fresh: Any, limit_m: float
) -> Any:
    """Pairs (i, j) of points of one step within the limit, at least one of them new; lower track first."""
    out, none = np.empty((1024, 2), np.int64), np.empty((1024, 0))
    k = 0
    n = order.size
    ahead = 0
    for p in range(n):
        i = order[p]
        reach = limit_m / (LOW_MARGIN_M_PER_DEG * max(0.01, np.cos(np.radians(min(89.4, abs(lat[i]) + 0.2)))))
        for turn in range(2):
            if turn == 0:
                q = p + 1
            else:
                while ahead < n and (
                    bins[order[ahead]] < bins[i]
                    or (bins[order[ahead]] == bins[i] and strip[order[ahead]] <= strip[i])
                    or (
                        bins[order[ahead]] == bins[i]
                        and strip[order[ahead]] == strip[i] + 1
                        and lon[order[ahead]] + shift[order[ahead]] < lon[i] + shift[i] - reach * 1.2
                    )
                ):
                    ahead += 1
                q = ahead
            while q < n:
                j = order[q]
                if bins[j] != bins[i] or strip[j] != strip[i] + turn or lon[j] + shift[j] - lon[i] - shift[i] > reach:
                    break
                q += 1
                if not (fresh[i] or fresh[j]) or track[i] == track[j]:
                    continue
                a, b = (i, j) if track[i] < track[j] else (j, i)
                if _gap_m(lat, lon, a, b) <= limit_m:
                    out, none = room(out, none, k)
                    out[k, 0], out[k, 1] = a, b
                    k += 1
    return out[:k]


def candidates(
    slot: IntArray,
    bins: IntArray,
    lat: FloatArray,
    lon: FloatArray,
    speed: FloatArray,
    track: IntArray,
    fresh: Any,
    limit_m: float,
    max_speed: float,
) -> IntArray:
    """(slot a, slot b, bin) of all pairs of slow points within the limit at steps that have a new point, sorted."""
    if not fresh.any():
        return np.zeros((0, 3), np.int64)
    first = int(bins[fresh].min())
    touched = np.zeros(int(bins[fresh].max()) - first + 1, np.bool_)
    touched[bins[fresh] - first] = True
    use = (speed <= max_speed) & (bins >= first) & (bins < first + len(touched))
    index = np.flatnonzero(use)
    index = index[touched[bins[index] - first]]
    reach = limit_m / (LOW_MARGIN_M_PER_DEG * np.cos(np.radians(np.minimum(89.4, np.abs(lat[index]) + 0.2))))
    ghost = index[lon[index] > 180.0 - reach]
    shift = np.concatenate([np.zeros(len(index)), np.full(len(ghost), -360.0)])
    index = np.concatenate([index, ghost])
    la, lo, b = lat[index], lon[index], bins[index]
    strip = np.floor(la * (LOW_MARGIN_M_PER_DEG / limit_m)).astype(np.int64)
    order = np.lexsort((lo + shift, strip, b))
    found = sweep(order, strip, b, la, lo, shift, track[index], fresh[index], limit_m)
    if not len(found):
        return np.zeros((0, 3), np.int64)
    a, c = index[found[:, 0]], index[found[:, 1]]
    rows = np.stack([slot[a], slot[c], bins[a]], axis=1)
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
    if len(ghost):
        rows = rows[np.append(True, (np.diff(rows, axis=0) != 0).any(axis=1))]
    return rows


@njit(cache=True, nogil=True)
def _cross(ex0: float, ny0: float, ex1: float, ny1: float, limit: float, outward: bool) -> float:
    """Fraction at which a linear relative motion meets the limit: coming in (first root) or going out (second)."""
    dx, dy = ex1 - ex0, ny1 - ny0
    a = dx * dx + dy * dy
    if a == 0.0:
        return 0.0
    b, c = ex0 * dx + ny0 * dy, ex0 * ex0 + ny0 * ny0 - limit * limit
    root = np.sqrt(max(0.0, b * b - a * c))
    f = (-b + root) / a if outward else (-b - root) / a
    return float(min(1.0, max(0.0, f)))


@njit(cache=True, nogil=True)
def _find(ptr: Any, bins: Any, s: int, b: int) -> int:
    lo, hi = ptr[s], ptr[s + 1]
    end = hi
    while lo < hi:
        mid = (lo + hi) >> 1
        if bins[mid] < b:
            lo = mid + 1
        else:
            hi = mid
    return lo if lo < end and bins[lo] == b else -1


@njit(cache=True, nogil=True)
def walk(
    cand: Any,
    open_i: Any,
    open_f: Any,
    ptr: Any,
    bins: Any,
    lat: Any,
    lon: Any,
    speed: Any,
    mmsi: Any,
    last_t: Any,
    to_us: int,
    step_us: int,
    max_gap_us: int,
    enter_m: float,
    exit_m: float,
    slow: float,
    fast: float,
    min_us: int,
    extend_us: int,
) -> tuple[Any, Any, Any, Any]:
    """Events and the pairs still open, from candidates and open pairs, both sorted by (a, b)."""
    ev, evf = np.empty((64, 10), np.int64), np.empty((64, 6))
    keep, keepf = np.empty((open_i.shape[0] + 16, 7), np.int64), np.empty((open_i.shape[0] + 16, 6))
    k = n_keep = p = o = 0
    work, workf = np.zeros((1, 7), np.int64), np.zeros((1, 6))
    one, onef = work[0], workf[0]
    while p < cand.shape[0] or o < open_i.shape[0]:
        take_open = o < open_i.shape[0] and (
            p >= cand.shape[0]
            or open_i[o, A] < cand[p, 0]
            or (open_i[o, A] == cand[p, 0] and open_i[o, B] <= cand[p, 1])
        )
        running = take_open
        if take_open:
            copy_row(work, 0, 0, open_i, o, 0, 7)
            copy_row(workf, 0, 0, open_f, o, 0, 6)
            o += 1
        else:
            one[A], one[B], one[BIN] = cand[p, 0], cand[p, 1], np.int64(-(1 << 60))
        a, b = one[A], one[B]
        while True:
            if not running:
                while p < cand.shape[0] and cand[p, 0] == a and cand[p, 1] == b and cand[p, 2] <= one[BIN]:
                    p += 1
                if p >= cand.shape[0] or cand[p, 0] != a or cand[p, 1] != b:
                    break
                now = cand[p, 2]
                i, j = _find(ptr, bins, a, now), _find(ptr, bins, b, now)
                ex, ny = enu_offset_m(lat[i], lon[i], lat[j], lon[j])
                d = np.sqrt(ex * ex + ny * ny)
                one[BIN], one[START], one[MET], one[NEXT], one[STEPS] = now, now * step_us, -1, 0, 1
                if i > ptr[a] and j > ptr[b] and bins[i - 1] == now - 1 and bins[j - 1] == now - 1:
                    ex0, ny0 = enu_offset_m(lat[i - 1], lon[i - 1], lat[j - 1], lon[j - 1])
                    if ex0 * ex0 + ny0 * ny0 > enter_m * enter_m:
                        f = _cross(ex0, ny0, ex, ny, enter_m, False)
                        one[START] = (now - 1) * step_us + np.int64(np.rint(f * step_us))
                onef[MIN_D], onef[SUM_D], onef[PATH_A], onef[PATH_B], onef[LAT], onef[LON] = (
                    d,
                    d,
                    0.0,
                    0.0,
                    lat[i],
                    lon[i],
                )
                running = True
            i, j = _find(ptr, bins, a, one[BIN]), _find(ptr, bins, b, one[BIN])
            cause, end = 0, one[BIN] * step_us
            while True:
                now = one[BIN] + 1
                i2 = i + 1 if i >= 0 and i + 1 < ptr[a + 1] and bins[i + 1] == now else _find(ptr, bins, a, now)
                j2 = j + 1 if j >= 0 and j + 1 < ptr[b + 1] and bins[j + 1] == now else _find(ptr, bins, b, now)
                if i2 < 0 or j2 < 0:
                    gone_a = i2 < 0 and (last_t[a] >= now * step_us or last_t[a] + max_gap_us < to_us)
                    gone_b = j2 < 0 and (last_t[b] >= now * step_us or last_t[b] + max_gap_us < to_us)
                    cause = LOST if gone_a or gone_b else 0
                    break
                ex, ny = enu_offset_m(lat[i2], lon[i2], lat[j2], lon[j2])
                d = np.sqrt(ex * ex + ny * ny)
                if d > exit_m:
                    ex0, ny0 = enu_offset_m(lat[i], lon[i], lat[j], lon[j])
                    end = one[BIN] * step_us + np.int64(np.rint(_cross(ex0, ny0, ex, ny, exit_m, True) * step_us))
                    cause = PARTED
                    break
                if speed[i2] > fast or speed[j2] > fast:
                    cause = LEFT_FAST
                    break
                onef[PATH_A] += _gap_m(lat, lon, i, i2)
                onef[PATH_B] += _gap_m(lat, lon, j, j2)
                onef[SUM_D] += d
                one[STEPS] += 1
                one[BIN] = now
                end = now * step_us
                i, j = i2, j2
                if d < onef[MIN_D]:
                    onef[MIN_D], onef[LAT], onef[LON] = d, lat[i], lon[i]
                kind = -1
                run_s = max(1e-6, (one[STEPS] - 1) * step_us * 1e-6)
                calm = onef[PATH_A] <= slow * run_s and onef[PATH_B] <= slow * run_s
                if one[MET] < 0 and end - one[START] >= min_us and calm:
                    one[MET], one[NEXT] = end, end + extend_us
                    kind = OPEN
                elif one[MET] >= 0 and end >= one[NEXT]:
                    one[NEXT] = end + extend_us
                    kind = EXTEND
                if kind >= 0:
                    ev, evf = room(ev, evf, k)
                    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4], ev[k, 5] = kind, a, b, one[START], one[MET], end
                    ev[k, 6], ev[k, 7], ev[k, 8], ev[k, 9] = one[STEPS], mmsi[i], mmsi[j], 0
                    copy_row(evf, k, 0, workf, 0, 0, 6)
                    k += 1
            if cause == 0:
                keep, keepf = room(keep, keepf, n_keep)
                copy_row(keep, n_keep, 0, work, 0, 0, 7)
                copy_row(keepf, n_keep, 0, workf, 0, 0, 6)
                n_keep += 1
                break
            run_s = max(1e-6, (one[STEPS] - 1) * step_us * 1e-6)
            calm = onef[PATH_A] <= slow * run_s and onef[PATH_B] <= slow * run_s
            late = one[MET] < 0 and end - one[START] >= min_us and calm
            if late:
                one[MET] = end
            if one[MET] >= 0:
                for kind in (OPEN, CLOSE):
                    if kind == CLOSE or late:
                        ev, evf = room(ev, evf, k)
                        ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4], ev[k, 5] = (
                            kind,
                            a,
                            b,
                            one[START],
                            one[MET],
                            end,
                        )
                        ev[k, 6], ev[k, 7], ev[k, 8], ev[k, 9] = one[STEPS], mmsi[i], mmsi[j], cause
                        copy_row(evf, k, 0, workf, 0, 0, 6)
                        k += 1
            running = False
        # the rest of this pair's candidates were already walked over
        while p < cand.shape[0] and cand[p, 0] == a and cand[p, 1] == b:
            p += 1
    return ev[:k], evf[:k], keep[:n_keep], keepf[:n_keep]
