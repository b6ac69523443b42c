"""Loitering: the mean speed over a sliding window stays low for a long time, not at anchor, not in port.

The way sailed is shared out over bins of a sixth of the window; at the end of each bin the mean of the last six is
taken. A loitering is the union of slow windows. The window moves in bins fixed to the epoch, not to the first row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour.buffers import clear_row, doubled
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import SlotDetector, Surroundings, register, with_prefix
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN, Batch, Fact
from kuroshio.units import FloatArray, IntArray

BINS = 6
# integers
LAST, KNOWN, PHASE, START, MET, END, NEXT, ROWS, STILL, MMSI, FIRST = range(11)
# numbers: LAT, LON of the last fix; place of the start; way in the run; then BINS ways, BINS times (s), BINS lats, lons
LAT, LON, LAT0, LON0, WAY, TIME = range(6)
WAYS = 6
TIMES, LATS, LONS = WAYS + BINS, WAYS + 2 * BINS, WAYS + 3 * BINS


@njit(cache=True, nogil=True)
def _say(ev: Any, num: Any, k: int, kind: int, s: int, ints: Any, floats: Any, cause: int) -> None:
    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4] = kind, s, ints[s, START], ints[s, MET], ints[s, END]
    ev[k, 5], ev[k, 6], ev[k, 7] = ints[s, ROWS], ints[s, MMSI], cause
    num[k, 0], num[k, 1], num[k, 2], num[k, 3] = floats[s, LAT0], floats[s, LON0], floats[s, LAT], floats[s, LON]
    num[k, 4] = floats[s, WAY] / max(1e-6, floats[s, TIME])
    num[k, 5] = ints[s, STILL] / max(1, ints[s, ROWS])


@njit(cache=True, nogil=True)
def _some_rows(
    begin: int,
    k: int,
    ev: Any,
    num: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    step_m: Any,
    nav: Any,
    mmsi: Any,
    skip: Any,
    ints: Any,
    floats: Any,
    bin_us: int,
    max_gap_us: int,
    slow: float,
    min_us: int,
    max_still: float,
    cover: float,
    extend_us: int,
) -> tuple[int, int]:
    for i in range(begin, slot.size):
        s = slot[i]
        fresh = ints[s, KNOWN] == 0 or skip[i] or t[i] - ints[s, LAST] > max_gap_us
        if k + 2 + (0 if fresh else (t[i] - ints[s, LAST]) // bin_us + 1) > ev.shape[0]:
            return i, k
        if fresh:
            if ints[s, PHASE] == 2:
                why = 2 if t[i] - ints[s, LAST] > max_gap_us else 3
                _say(ev, num, k, CLOSE, s, ints, floats, why)
                k += 1
            ints[s, PHASE] = 0
            ints[s, MMSI] = mmsi[i] if mmsi[i] >= 0 else ints[s, MMSI]
            clear_row(floats, s, WAYS)
            ints[s, KNOWN], ints[s, FIRST] = 0 if skip[i] else 1, t[i]
            ints[s, LAST], floats[s, LAT], floats[s, LON] = t[i], lat[i], lon[i]
            continue
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        t0, length = ints[s, LAST], t[i] - ints[s, LAST]
        la0, lo0 = floats[s, LAT], floats[s, LON]
        dlon = lon[i] - lo0
        dlon = dlon - 360.0 if dlon > 180.0 else (dlon + 360.0 if dlon < -180.0 else dlon)
        at = t0
        while at < t[i]:
            b = at // bin_us
            until = min((b + 1) * bin_us, t[i])
            c = b % BINS
            share = (until - at) / length
            floats[s, WAYS + c] += share * step_m[i]
            floats[s, TIMES + c] += (until - at) * 1e-6
            at = until
            if until != (b + 1) * bin_us:
                break
            f = (until - t0) / length
            floats[s, LATS + c], floats[s, LONS + c] = la0 + f * (lat[i] - la0), lo0 + f * dlon
            way, time = 0.0, 0.0
            for q in range(BINS):
                way += floats[s, WAYS + q]
                time += floats[s, TIMES + q]
            enough = time * 1e6 >= cover * BINS * bin_us
            if enough and way <= slow * time:
                if ints[s, PHASE] == 0:
                    ints[s, PHASE], ints[s, ROWS], ints[s, STILL] = 1, 0, 0
                    ints[s, START] = max(ints[s, FIRST], (b + 1 - BINS) * bin_us)
                    floats[s, WAY], floats[s, TIME] = way, time
                    first = (b + 1) % BINS
                    empty = floats[s, TIMES + first] == 0.0
                    floats[s, LAT0] = la0 if empty else floats[s, LATS + first]
                    floats[s, LON0] = lo0 if empty else floats[s, LONS + first]
                else:
                    floats[s, WAY] += floats[s, WAYS + c]
                    floats[s, TIME] += floats[s, TIMES + c]
                ints[s, END] = until
                still = ints[s, STILL] > max_still * ints[s, ROWS]
                if ints[s, PHASE] == 1 and until - ints[s, START] >= min_us and not still:
                    ints[s, PHASE], ints[s, MET], ints[s, NEXT] = 2, until, until + extend_us
                    _say(ev, num, k, OPEN, s, ints, floats, 0)
                    k += 1
                elif ints[s, PHASE] == 2 and until >= ints[s, NEXT]:
                    ints[s, NEXT] = until + extend_us
                    _say(ev, num, k, EXTEND, s, ints, floats, 0)
                    k += 1
            elif ints[s, PHASE] > 0:
                if ints[s, PHASE] == 2:
                    _say(ev, num, k, CLOSE, s, ints, floats, 1)
                    k += 1
                ints[s, PHASE] = 0
            following = (b + 1) % BINS
            floats[s, WAYS + following] = 0.0
            floats[s, TIMES + following] = 0.0
        ints[s, LAST], floats[s, LAT], floats[s, LON] = t[i], lat[i], lon[i]
        ints[s, ROWS] += 1
        ints[s, STILL] += nav[i] == 1 or nav[i] == 5
    return slot.size, k


@njit(cache=True, nogil=True)
def loiter_rows(
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    step_m: Any,
    nav: Any,
    mmsi: Any,
    skip: Any,
    ints: Any,
    floats: Any,
    bin_us: int,
    max_gap_us: int,
    slow: float,
    min_us: int,
    max_still: float,
    cover: float,
    extend_us: int,
) -> tuple[Any, Any]:
    """Events of rows in order (slot, time); state changed in place."""
    ev, num = np.empty((64, 8), np.int64), np.empty((64, 6), np.float64)
    i = k = 0
    while i < slot.size:
        i, k = _some_rows(
            i,
            k,
            ev,
            num,
            slot,
            t,
            lat,
            lon,
            step_m,
            nav,
            mmsi,
            skip,
            ints,
            floats,
            bin_us,
            max_gap_us,
            slow,
            min_us,
            max_still,
            cover,
            extend_us,
        )
        if i < slot.size:
            ev, num = doubled(ev, num)
    return ev[:k], num[:k]


@njit(cache=True, nogil=True)
def _silent(ints: Any, to_us: int, max_gap_us: int) -> Any:
    out, k = np.empty(ints.shape[0], np.int64), 0
    for s in range(ints.shape[0]):
        if ints[s, PHASE] == 2 and to_us - ints[s, LAST] > max_gap_us:
            out[k] = s
            k += 1
    return out[:k]


@njit(cache=True, nogil=True)
def loiter_silence(ints: Any, floats: Any, to_us: int, max_gap_us: int) -> tuple[Any, Any]:
    """Events of loiterings that a silence ended."""
    silent = _silent(ints, to_us, max_gap_us)
    ev, num = np.empty((silent.size, 8), np.int64), np.empty((silent.size, 6), np.float64)
    for k in range(silent.size):
        s = silent[k]
        _say(ev, num, k, CLOSE, s, ints, floats, 2)
        ints[s, PHASE] = 0
        ints[s, KNOWN] = 0
        clear_row(floats, s, WAYS)
    return ev, num


@register("loiter")
class LoiterDetector(SlotDetector):
    """See `definitions/loitering.toml`."""

    int_default = (0,) * 9 + (-1, 0)
    float_default = (0.0,) * (WAYS + 4 * BINS)

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.bin_us = definition.us("window_s") // BINS

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Share the new pieces out over the bins."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f, d = batch.fixes, self.definition
        skip = batch.ended | batch.within(self.around.zones, d["exclude_zone_kinds"])
        skip |= with_prefix(f.mmsi, d["exclude_mmsi_prefixes"])
        events = loiter_rows(
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            batch.step_m,
            f.nav,
            f.mmsi,
            skip,
            self.state.ints,
            self.state.floats,
            self.bin_us,
            d.us("max_gap_s"),
            float(d["max_speed_mps"]),
            d.us("min_duration_s"),
            float(d["max_still_share"]),
            float(d["min_cover"]),
            d.us("extend_every_s"),
        )
        self._facts(*events, out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """End what a silence ended."""
        self._facts(*loiter_silence(self.state.ints, self.state.floats, to_us, self.definition.us("max_gap_s")), out)

    def _facts(self, ev: IntArray, num: FloatArray, out: list[tuple[int, Fact]]) -> None:
        for e, v in zip(ev.tolist(), num.tolist(), strict=True):  # one turn an event
            kind, slot, start, met, end, rows, mmsi, cause = e
            if not self.around.offshore(v[0], v[1], float(self.definition["min_shore_m"])):
                continue
            out.append(
                (
                    kind,
                    Fact(
                        definition=self.definition.id,
                        tracks=(int(self.track_of[slot]),),
                        mmsis=(mmsi,) if mmsi >= 0 else (),
                        start_us=start,
                        met_us=met,
                        end_us=end if kind == CLOSE else None,
                        lat_deg=v[2],
                        lon_deg=v[3],
                        values={
                            "duration_s": (end - start) / 1e6,
                            "mean_speed_mps": v[4],
                            "still_share": v[5],
                            "updates": rows,
                            "shore_distance_m": self.around.shore_m(v[0], v[1]),
                        },
                        points=(("start", start, v[0], v[1]), ("last", end, v[2], v[3])),
                        rows=rows,
                        cause={1: "it moved on", 2: "the track fell silent", 3: "it ended or came into port"}.get(
                            cause
                        ),
                        exercise=bool(self.exercise_of[slot]),
                    ),
                )
            )
