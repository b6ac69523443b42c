"""Runs: stretches of time over which a condition holds on a track, with hysteresis, least duration and distance.

What enters: for every row a code (1 raise, -1 lower, 0 neutral, 2 the track ends, 3 a row of another sensor, which
breaks no silence) and a label (such as a zone). What leaves: events open, extend and close, under the label of the row
that began. One kernel serves every behaviour of the kind "this, on one track, for a while"; what the condition is
stands in the detector. A silence longer than ``max_gap_us`` ends a run at its last row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN

# state columns: integers, then numbers
PHASE, START, MET, LAST, UPS, DOWNS, LAST_UP, ROWS, LABEL, MMSI, NEXT = range(11)
# metres of PATH are to the last row that raised, those of WAY to the last of all
LAT0, LON0, LAT, LON, PATH, SUM, LOW, HIGH, WAY = range(9)
INT_DEFAULT = (0,) * 8 + (-1, -1, 0)
FLOAT_DEFAULT = (0.0,) * 9
IDLE, RAISING, RAISED, REPORTED = 0, 1, 2, 3
# event columns
E_KIND, E_SLOT, E_START, E_MET, E_END, E_ROWS, E_LABEL, E_MMSI, E_CAUSE = range(9)
LOWERED, SILENT, ENDED = 1, 2, 3
CAUSES = {LOWERED: "the condition ended", SILENT: "the track fell silent", ENDED: "the track ended"}


@within
def _emit(out: Any, num: Any, k: int, kind: int, s: int, ints: Any, floats: Any, end: int, cause: int) -> None:
    out[k, E_KIND], out[k, E_SLOT], out[k, E_START], out[k, E_MET] = kind, s, ints[s, START], ints[s, MET]
    out[k, E_END], out[k, E_ROWS], out[k, E_LABEL], out[k, E_MMSI] = end, ints[s, ROWS], ints[s, LABEL], ints[s, MMSI]
    out[k, E_CAUSE] = cause
    for c in range(8):
        num[k, c] = floats[s, c]


@kernel
def run_rows(
    begin: int,
    k: int,
    out: Any,
    num: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    step_m: Any,
    codes: Any,
    labels: Any,
    value: Any,
    mmsi: Any,
    ended: Any,
    ints: Any,
    floats: Any,
    raise_n: int,
    lower_n: int,
    min_us: int,
    min_m: float,
    max_gap_us: int,
    extend_us: int,
    under_way: Any,
) -> tuple[int, int]:
    """Events of the rows in order (slot, time); the state matrices are changed in place.

    ``labels`` is empty where the condition has none; ``value`` is read where a row raises. ``under_way`` counts runs.
    """
    count = under_way[0]
    for i in range(begin, slot.size):
        if k + 2 > out.shape[0]:
            under_way[0] = count
            return i, k
        s = slot[i]
        code = np.int64(2) if ended[i] else np.int64(codes[i])
        if code != 1 and ints[s, PHASE] == IDLE:
            continue
        if code == 3:
            floats[s, WAY] += step_m[i]
            continue
        if ints[s, PHASE] != IDLE:
            cause = np.int64(0)
            if t[i] - ints[s, LAST] > max_gap_us:
                cause = np.int64(SILENT)
            elif code == 2:
                cause = np.int64(ENDED)
            elif code == -1:
                ints[s, DOWNS] += 1
                if ints[s, PHASE] == RAISING or ints[s, DOWNS] >= lower_n:
                    cause = np.int64(LOWERED)
            if cause:
                if ints[s, PHASE] == REPORTED:
                    _emit(out, num, k, np.int64(CLOSE), s, ints, floats, ints[s, LAST_UP], cause)
                    k += 1
                ints[s, PHASE] = IDLE
                count -= 1
        if mmsi[i] >= 0 and ints[s, PHASE] != IDLE:  # only now: what a silence ended was said under the name before it
            ints[s, MMSI] = mmsi[i]
        if code == 2:
            continue
        if ints[s, PHASE] == IDLE:
            if code != 1:
                continue
            ints[s, PHASE], ints[s, START], ints[s, UPS], ints[s, DOWNS], ints[s, ROWS] = RAISING, t[i], 0, 0, 0
            ints[s, LABEL], ints[s, MMSI] = np.int64(labels[i]) if labels.size else np.int64(-1), mmsi[i]
            floats[s, LAT0], floats[s, LON0], floats[s, WAY], floats[s, SUM] = lat[i], lon[i], 0.0, 0.0
            floats[s, LOW], floats[s, HIGH] = np.inf, -np.inf
            count += 1
        else:
            floats[s, WAY] += step_m[i]
        ints[s, LAST] = t[i]
        if code == 1:
            ints[s, ROWS] += 1
            floats[s, SUM] += value[i]
            floats[s, LOW], floats[s, HIGH] = min(floats[s, LOW], value[i]), max(floats[s, HIGH], value[i])
            ints[s, UPS] += 1
            ints[s, DOWNS] = 0
            ints[s, LAST_UP] = t[i]
            floats[s, LAT], floats[s, LON], floats[s, PATH] = lat[i], lon[i], floats[s, WAY]
            if ints[s, PHASE] == RAISING and ints[s, UPS] >= raise_n:
                ints[s, PHASE] = RAISED
        kind = np.int64(-1)
        if ints[s, PHASE] == RAISED and t[i] - ints[s, START] >= min_us and floats[s, PATH] >= min_m and code == 1:
            ints[s, PHASE], ints[s, MET], kind = REPORTED, t[i], np.int64(OPEN)
        elif ints[s, PHASE] == REPORTED and code == 1 and t[i] >= ints[s, NEXT]:
            kind = np.int64(EXTEND)
        if kind >= 0:
            ints[s, NEXT] = t[i] + extend_us
            _emit(out, num, k, kind, s, ints, floats, t[i], np.int64(0))
            k += 1
    under_way[0] = count
    return slot.size, k


@kernel
def run_silence(
    begin: int, k: int, out: Any, num: Any, ints: Any, floats: Any, to_us: int, max_gap_us: int, under_way: Any
) -> tuple[int, int]:
    """Events of the runs that a silence up to ``to_us`` has ended.

    ``under_way`` is the number of runs, and the time of the last row of the one silent longest, at most ``to_us``.
    """
    for s in range(begin, ints.shape[0]):
        if k + 1 > out.shape[0]:
            return s, k
        if ints[s, PHASE] == IDLE:
            continue
        if to_us - ints[s, LAST] <= max_gap_us:
            under_way[1] = min(under_way[1], ints[s, LAST])
            continue
        if ints[s, PHASE] == REPORTED:
            _emit(out, num, k, np.int64(CLOSE), s, ints, floats, ints[s, LAST_UP], np.int64(SILENT))
            k += 1
        ints[s, PHASE] = IDLE
        under_way[0] -= 1
    return ints.shape[0], k
