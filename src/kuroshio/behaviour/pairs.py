"""Two ships near one another: runs of time steps with exact crossing times.

What enters: points and near pairs (`points`). A pair that is near is walked step by step until it parts. Start and end
are where the distance, linear motion taken between steps, crosses the limit. What leaves: events, and the open pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.points import P_BIN, P_LAT, P_LON, P_MMSI, P_SLOT, P_SPEED, T, find, gap_m, neighbour
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN
from kuroshio.geo.earth import enu_offset_m

# open pairs: integers A, B, BIN, START, MET, NEXT, STEPS, step at which they were NEAREST ; numbers of PAIR_FLOATS
A, B, BIN, START, MET, NEXT, STEPS, NEAREST = range(8)
MIN_D, SUM_D, PATH_A, PATH_B, LAT, LON = range(6)
EV_KIND, EV_A, EV_B, EV_START, EV_MET, EV_END, EV_STEPS, EV_MA, EV_MB, EV_CAUSE, EV_NEAREST = range(11)
PARTED, LEFT_FAST, LOST = 1, 2, 3


@within
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


@within
def _say(
    ev: Any, evf: Any, k: int, kind: int, one: Any, onef: Any, end: int, mmsi_a: int, mmsi_b: int, cause: int
) -> None:
    ev[k, EV_KIND], ev[k, EV_A], ev[k, EV_B], ev[k, EV_START], ev[k, EV_MET] = (
        kind,
        one[A],
        one[B],
        one[START],
        one[MET],
    )
    ev[k, EV_END], ev[k, EV_STEPS], ev[k, EV_MA], ev[k, EV_MB] = end, one[STEPS], mmsi_a, mmsi_b
    ev[k, EV_CAUSE], ev[k, EV_NEAREST] = cause, one[NEAREST]
    for c in range(6):
        evf[k, c] = onef[c]


@within
def _copy(ints: Any, floats: Any, i: int, to_ints: Any, to_floats: Any, k: int) -> None:
    for c in range(8):
        to_ints[k, c] = ints[i, c]
    for c in range(6):
        to_floats[k, c] = floats[i, c]


@kernel
def gone_back(mine: Any, ints: Any, floats: Any, old_ints: Any, old_floats: Any, to_ints: Any, to_floats: Any) -> int:
    """Number of pairs, in order, put into ``to``: those without a marked ship, and of older ones those with one."""
    k = i = j = 0
    while True:
        while i < ints.shape[0] and (mine[ints[i, A]] or mine[ints[i, B]]):
            i += 1
        while j < old_ints.shape[0] and not (mine[old_ints[j, A]] or mine[old_ints[j, B]]):
            j += 1
        if i >= ints.shape[0] and j >= old_ints.shape[0]:
            return k
        own = j >= old_ints.shape[0] or (
            i < ints.shape[0]
            and (ints[i, A] < old_ints[j, A] or (ints[i, A] == old_ints[j, A] and ints[i, B] <= old_ints[j, B]))
        )
        if own:
            _copy(ints, floats, i, to_ints, to_floats, k)
            i += 1
        else:
            _copy(old_ints, old_floats, j, to_ints, to_floats, k)
            j += 1
        k += 1


@kernel
def points_gone_back(
    mine: Any, known: Any, ints: Any, floats: Any, old_ints: Any, old_floats: Any, to_ints: Any, to_floats: Any
) -> int:
    """Number of points put into ``to``: those of no marked ship, and of older ones those of one.

    ``known`` gets the step before the first of the older ones of each ship, where it is later.
    """
    k = 0
    for i in range(ints.shape[0]):
        if not mine[ints[i, P_SLOT]]:
            for c in range(3):
                to_ints[k, c], to_floats[k, c] = ints[i, c], floats[i, c]
            k += 1
    for i in range(old_ints.shape[0]):
        s = old_ints[i, P_SLOT]
        known[s] = min(known[s], old_ints[i, P_BIN] - 1)
        if mine[s]:
            for c in range(3):
                to_ints[k, c], to_floats[k, c] = old_ints[i, c], old_floats[i, c]
            k += 1
    return k


@kernel
def walk(
    begin: int,
    events: int,
    ev: Any,
    evf: Any,
    cand: Any,
    open_i: Any,
    open_f: Any,
    ptr: Any,
    pi: Any,
    pf: Any,
    state: Any,
    to_us: int,
    step_us: int,
    max_gap_us: int,
    enter_m: float,
    exit_m: float,
    slow: float,
    fast: float,
    min_us: int,
    extend_us: int,
    keep: Any,
    keepf: Any,
    work: Any,
    workf: Any,
) -> tuple[int, int]:
    """Events and the pairs still open, from candidates and open pairs, both sorted by (a, b).

    The open pairs go to ``keep``, their number to ``work``, and after it the last fix of the ship among them that is
    silent longest. It changes nothing else: where the events have no room, it begins anew with more, and says that it
    did 0 of 1.
    """
    k = n_keep = p = o = 0
    one, onef = work[0], workf[0]
    while p < cand.shape[0] or o < open_i.shape[0]:
        take_open = o < open_i.shape[0] and (
            p >= cand.shape[0]
            or open_i[o, A] < cand[p, 0]
            or (open_i[o, A] == cand[p, 0] and open_i[o, B] <= cand[p, 1])
        )
        running = take_open
        if take_open:
            for c in range(8):
                one[c] = open_i[o, c]
            for c in range(6):
                onef[c] = open_f[o, c]
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
                i, j = find(ptr, pi, a, now), find(ptr, pi, b, now)
                ex, ny = enu_offset_m(pf[i, P_LAT], pf[i, P_LON], pf[j, P_LAT], pf[j, P_LON])
                d = np.sqrt(ex * ex + ny * ny)
                one[BIN], one[START], one[MET], one[NEXT], one[STEPS] = now, now * step_us, -1, 0, 1
                one[NEAREST] = now
                i0, j0 = neighbour(ptr, pi, i, -1, a, now - 1), neighbour(ptr, pi, j, -1, b, now - 1)
                if i0 >= 0 and j0 >= 0:
                    ex0, ny0 = enu_offset_m(pf[i0, P_LAT], pf[i0, P_LON], pf[j0, P_LAT], pf[j0, P_LON])
                    if ex0 * ex0 + ny0 * ny0 > enter_m * enter_m:
                        f = _cross(ex0, ny0, ex, ny, enter_m, False)
                        one[START] = (now - 1) * step_us + np.int64(np.rint(f * step_us))
                onef[MIN_D], onef[SUM_D], onef[PATH_A], onef[PATH_B], onef[LAT], onef[LON] = (
                    d,
                    d,
                    0.0,
                    0.0,
                    pf[i, P_LAT],
                    pf[i, P_LON],
                )
                running = True
            i, j = find(ptr, pi, a, one[BIN]), find(ptr, pi, b, one[BIN])
            cause, end = 0, one[BIN] * step_us
            while True:
                now = one[BIN] + 1
                i2, j2 = neighbour(ptr, pi, i, 1, a, now), neighbour(ptr, pi, j, 1, b, now)
                if i2 < 0 or j2 < 0:
                    gone_a = i2 < 0 and (state[a, T] >= now * step_us or state[a, T] + max_gap_us < to_us)
                    gone_b = j2 < 0 and (state[b, T] >= now * step_us or state[b, T] + max_gap_us < to_us)
                    cause = LOST if gone_a or gone_b else 0
                    break
                ex, ny = enu_offset_m(pf[i2, P_LAT], pf[i2, P_LON], pf[j2, P_LAT], pf[j2, P_LON])
                d = np.sqrt(ex * ex + ny * ny)
                if d > exit_m:
                    ex0, ny0 = enu_offset_m(pf[i, P_LAT], pf[i, P_LON], pf[j, P_LAT], pf[j, P_LON])
                    end = one[BIN] * step_us + np.int64(np.rint(_cross(ex0, ny0, ex, ny, exit_m, True) * step_us))
                    cause = PARTED
                    break
                way_a, way_b = onef[PATH_A] + gap_m(pf, i, i2), onef[PATH_B] + gap_m(pf, j, j2)
                far_m = slow * (one[STEPS] * step_us * 1e-6)
                calm = way_a <= far_m and way_b <= far_m
                if pf[i2, P_SPEED] > fast or pf[j2, P_SPEED] > fast or (one[MET] >= 0 and not calm):
                    cause = LEFT_FAST
                    break
                onef[PATH_A], onef[PATH_B] = way_a, way_b
                onef[SUM_D] += d
                one[STEPS] += 1
                one[BIN] = now
                end = now * step_us
                i, j = i2, j2
                if d < onef[MIN_D]:
                    onef[MIN_D], onef[LAT], onef[LON], one[NEAREST] = d, pf[i, P_LAT], pf[i, P_LON], now
                kind = np.int64(-1)
                if one[MET] < 0 and end - one[START] >= min_us and calm:
                    one[MET], one[NEXT] = end, end + extend_us
                    kind = np.int64(OPEN)
                elif one[MET] >= 0 and end >= one[NEXT]:
                    one[NEXT] = end + extend_us
                    kind = np.int64(EXTEND)
                if kind >= 0:
                    if k == ev.shape[0]:
                        return 0, 0
                    _say(ev, evf, k, kind, one, onef, end, pi[i, P_MMSI], pi[j, P_MMSI], np.int64(0))
                    k += 1
            if cause == 0:
                for c in range(8):
                    keep[n_keep, c] = one[c]
                for c in range(6):
                    keepf[n_keep, c] = onef[c]
                n_keep += 1
                break
            run_s = max(1e-6, (one[STEPS] - 1) * step_us * 1e-6)
            calm = onef[PATH_A] <= slow * run_s and onef[PATH_B] <= slow * run_s
            late = one[MET] < 0 and end - one[START] >= min_us and calm
            if late:
                one[MET] = end
            if one[MET] >= 0:
                for change in range(OPEN if late else CLOSE, CLOSE + 1, CLOSE - OPEN):
                    if k == ev.shape[0]:
                        return 0, 0
                    _say(ev, evf, k, change, one, onef, end, pi[i, P_MMSI], pi[j, P_MMSI], np.int64(cause))
                    k += 1
            running = False
        # the rest of this pair's candidates were already walked over
        while p < cand.shape[0] and cand[p, 0] == a and cand[p, 1] == b:
            p += 1
    oldest = np.int64(1) << 62
    for c in range(n_keep):
        oldest = min(oldest, state[keep[c, A], T], state[keep[c, B], T])
    work[0, 0], work[0, 1] = n_keep, oldest
    return 1, k
