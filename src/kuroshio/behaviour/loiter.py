"""Loitering: the mean speed over a sliding window stays low for a long time, not at anchor, not in port.

The way sailed is shared out over bins of a sixth of the window; at the end of each bin the mean of the last six is
taken. A loitering is the union of slow windows. The window moves in bins fixed to the epoch, not to the first row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events, clear_row
from kuroshio.behaviour.compiled import inner, kernel, within
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import SlotDetector, Surroundings, register
from kuroshio.behaviour.fetch import AHEAD, ahead, fetch_cells, fetch_one, reach
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN, Batch, Fact
from kuroshio.units import FloatArray, IntArray

BINS = 6
# integers; BIN is the bin that the last fix lies in; then BINS numbers of fixes, and of those that claim to lie still
LAST, KNOWN, PHASE, START, MET, END, NEXT, ROWS, STILL, MMSI, FIRST, BIN = range(12)
FIXES = 12
STILLS = FIXES + BINS
# numbers: LAT, LON of the last fix; place of the start; way in the run; then BINS ways, BINS times (s), BINS lats, lons
LAT, LON, LAT0, LON0, WAY, TIME = range(6)
WAYS = 6
TIMES, LATS, LONS = WAYS + BINS, WAYS + 2 * BINS, WAYS + 3 * BINS
MOVED, SILENT, PORT = 1, 2, 3
_CAUSES = {MOVED: "it moved on", SILENT: "the track fell silent", PORT: "it ended or came into port"}


@within
def _say(ev: Any, num: Any, k: int, kind: int, s: int, ints: Any, floats: Any, cause: int) -> None:
    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4] = kind, s, ints[s, START], ints[s, MET], ints[s, END]
    ev[k, 5], ev[k, 6], ev[k, 7] = ints[s, ROWS], ints[s, MMSI], cause
    num[k, 0], num[k, 1], num[k, 2], num[k, 3] = floats[s, LAT0], floats[s, LON0], floats[s, LAT], floats[s, LON]
    num[k, 4] = floats[s, WAY] / max(1e-6, floats[s, TIME])
    num[k, 5] = ints[s, STILL] / max(1, ints[s, ROWS])


@inner
def _end_of_bin(
    ev: Any,
    num: Any,
    k: int,
    s: int,
    b: int,
    la0: float,
    lo0: float,
    ints: Any,
    floats: Any,
    bin_us: int,
    slow: float,
    min_us: int,
    max_still: float,
    cover: float,
    extend_us: int,
) -> int:
    """Judge the window that ends with bin ``b``; the number of events."""
    way, time = 0.0, 0.0
    for q in range(BINS):
        way += floats[s, WAYS + q]
        time += floats[s, TIMES + q]
    c, until, kind, cause = b % BINS, (b + 1) * bin_us, np.int64(-1), np.int64(0)
    if time * 1e6 >= cover * BINS * bin_us and way <= slow * time:
        if ints[s, PHASE] == 0:
            ints[s, PHASE], ints[s, ROWS], ints[s, STILL] = 1, 0, 0
            for q in range(BINS):
                ints[s, ROWS] += ints[s, FIXES + q]
                ints[s, STILL] += ints[s, STILLS + q]
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
            ints[s, PHASE], ints[s, MET], kind = 2, until, np.int64(OPEN)
        elif ints[s, PHASE] == 2 and until >= ints[s, NEXT]:
            kind = np.int64(EXTEND)
        if kind >= 0:
            ints[s, NEXT] = until + extend_us
    elif ints[s, PHASE] > 0:
        if ints[s, PHASE] == 2:
            kind, cause = np.int64(CLOSE), np.int64(MOVED)
        ints[s, PHASE] = 0
    if kind >= 0:
        _say(ev, num, k, kind, s, ints, floats, cause)
        k += 1
    following = (b + 1) % BINS
    ints[s, FIXES + following], ints[s, STILLS + following] = 0, 0
    floats[s, WAYS + following] = 0.0
    floats[s, TIMES + following] = 0.0
    return k


@kernel
def loiter_rows(
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
    ended: Any,
    port: Any,
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
    """Events of rows in order (slot, time); state changed in place; ``port`` is empty where no area is left out.

    Rows of one ship that lie in one bin one after another are summed up before they are written to the state.
    """
    end = reach(slot)
    i, now = begin, np.int64(0)  # most ships are in the same bin
    while i < slot.size:
        s, t1 = slot[i], t[i]
        later = ahead(slot, i, AHEAD, end)
        if later >= 0:  # not the places of the bins, nor of the start
            fetch_cells(ints, later, LAST, BIN)
            fetch_one(ints, later * ints.shape[1] + STILLS + BINS - 1)
            fetch_cells(floats, later, LAT, WAYS + now)
            fetch_one(floats, later * floats.shape[1] + TIMES + now)
        t0 = ints[s, LAST]
        skip = ended[i] or (port.size > 0 and port[i])
        fresh = ints[s, KNOWN] == 0 or skip or t1 - t0 > max_gap_us
        b = ints[s, BIN]
        now = b % BINS
        until_bin = (b + 1) * bin_us
        within_bin = t1 < until_bin
        if k + 2 + (0 if fresh or within_bin else (t1 - t0) // bin_us + 1) > ev.shape[0]:
            return i, k
        if fresh:
            if ints[s, PHASE] == 2:
                why = np.int64(SILENT) if t1 - t0 > max_gap_us else np.int64(PORT)
                _say(ev, num, k, np.int64(CLOSE), s, ints, floats, why)
                k += 1
            ints[s, PHASE] = 0
            ints[s, MMSI] = mmsi[i] if mmsi[i] >= 0 else ints[s, MMSI]
            clear_row(floats, s, WAYS)
            clear_row(ints, s, FIXES)
            ints[s, KNOWN], ints[s, FIRST], ints[s, BIN] = 0 if skip else 1, t1, t1 // bin_us
            c = ints[s, BIN] % BINS
            ints[s, FIXES + c], ints[s, STILLS + c] = 1, nav[i] == 1 or nav[i] == 5
            ints[s, LAST], floats[s, LAT], floats[s, LON] = t1, lat[i], lon[i]
            i += 1
            continue
        if within_bin:
            c = now
            way, time, number, rows, still = floats[s, WAYS + c], floats[s, TIMES + c], ints[s, MMSI], 0, 0
            while True:
                number = mmsi[i] if mmsi[i] >= 0 else number
                if t1 > t0:
                    way += step_m[i]
                    time += (t1 - t0) * 1e-6
                rows += 1
                still += nav[i] == 1 or nav[i] == 5
                t0 = t1
                i += 1
                if i == slot.size or slot[i] != s:
                    break
                t1 = t[i]
                if t1 >= until_bin or t1 - t0 > max_gap_us or ended[i] or (port.size > 0 and port[i]):
                    break
            floats[s, WAYS + c], floats[s, TIMES + c], ints[s, MMSI] = way, time, number
            ints[s, LAST], floats[s, LAT], floats[s, LON] = t0, lat[i - 1], lon[i - 1]
            ints[s, ROWS] += rows
            ints[s, STILL] += still
            ints[s, FIXES + c] += rows
            ints[s, STILLS + c] += still
            continue
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        if t1 > t0:
            la0, lo0, length = floats[s, LAT], floats[s, LON], t1 - t0
            dlon = lon[i] - lo0
            dlon = dlon - 360.0 if dlon > 180.0 else (dlon + 360.0 if dlon < -180.0 else dlon)
            at = t0
            while at < t1:
                until = min((b + 1) * bin_us, t1)
                c = b % BINS
                floats[s, WAYS + c] += (until - at) / length * step_m[i]
                floats[s, TIMES + c] += (until - at) * 1e-6
                at = until
                if until != (b + 1) * bin_us:
                    break
                f = (until - t0) / length
                floats[s, LATS + c], floats[s, LONS + c] = la0 + f * (lat[i] - la0), lo0 + f * dlon
                k = _end_of_bin(
                    ev, num, k, s, b, la0, lo0, ints, floats, bin_us, slow, min_us, max_still, cover, extend_us
                )
                b += 1
            ints[s, BIN] = b
        ints[s, LAST], floats[s, LAT], floats[s, LON] = t1, lat[i], lon[i]
        c, still = ints[s, BIN] % BINS, nav[i] == 1 or nav[i] == 5
        ints[s, ROWS] += 1
        ints[s, STILL] += still
        ints[s, FIXES + c] += 1
        ints[s, STILLS + c] += still
        i += 1
    return slot.size, k


@kernel
def loiter_silence(
    begin: int, k: int, ev: Any, num: Any, ints: Any, floats: Any, to_us: int, max_gap_us: int, oldest: Any
) -> tuple[int, int]:
    """Events of loiterings that a silence ended; ``oldest`` gets the last fix of the one silent longest of the rest."""
    for s in range(begin, ints.shape[0]):
        if k + 1 > ev.shape[0]:
            return s, k
        if ints[s, PHASE] != 2:
            continue
        if to_us - ints[s, LAST] <= max_gap_us:
            oldest[0] = min(oldest[0], ints[s, LAST])
            continue
        _say(ev, num, k, np.int64(CLOSE), s, ints, floats, np.int64(SILENT))
        k += 1
        ints[s, PHASE] = 0
        ints[s, KNOWN] = 0
        clear_row(floats, s, WAYS)
    return ints.shape[0], k


@register("loiter")
class LoiterDetector(SlotDetector):
    """See `definitions/loitering.toml`."""

    int_default = (0,) * 9 + (-1, 0, 0) + (0,) * (2 * BINS)
    float_default = (0.0,) * (WAYS + 4 * BINS)

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        d, bin_us = definition, definition.us("window_s") // BINS
        self.gap_us = d.us("max_gap_s")
        self.rule = (
            bin_us,
            self.gap_us,
            float(d["max_speed_mps"]),
            d.us("min_duration_s"),
            float(d["max_still_share"]),
            float(d["min_cover"]),
            d.us("extend_every_s"),
        )
        self.left_out = tuple(d["exclude_zone_kinds"]), tuple(map(str, d["exclude_mmsi_prefixes"]))
        self.events = Events(8, 6)

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Share the new pieces out over the bins."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f = batch.fixes
        events = self.events.run(
            loiter_rows,
            len(f),
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            batch.step_m,
            f.nav,
            f.mmsi,
            batch.ended,
            batch.left_out(self.around.zones, *self.left_out),
            self.state.ints,
            self.state.floats,
            *self.rule,
        )
        if len(events[0]):
            self._facts(*events, out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """End what a silence ended."""
        if to_us < self.due_us:
            return
        oldest, (ints, floats) = np.asarray([to_us]), (self.state.ints, self.state.floats)
        events = self.events.run(loiter_silence, len(ints), ints, floats, to_us, self.gap_us, oldest)
        self.due_us = int(oldest[0]) + self.gap_us
        if len(events[0]):
            self._facts(*events, out)

    def _facts(self, ev: IntArray, num: FloatArray, out: list[tuple[int, Fact]]) -> None:
        for e, v in zip(ev.tolist(), num.tolist(), strict=True):  # one turn an event
            kind, slot, start, met, end, rows, mmsi, cause = e
            if not self.around.offshore(v[0], v[1], float(self.definition["min_shore_m"])):
                continue
            out.append(
                (
                    kind,
                    Fact(
                        **self.of_ship(slot, mmsi),
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
                        cause=_CAUSES.get(cause),
                    ),
                )
            )
