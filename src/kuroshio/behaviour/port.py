"""Port visits: a ship comes into a port, stops or falls silent there, and leaves; with how much of it was seen.

Confidence is that of Global Fishing Watch: 1 an entry or exit alone, 2 a stop or a silence in port alone, 3 one of
entry and exit with a stop or silence, 4 both with a stop or silence. A ship is out of port when it is further from it
than the exit distance; ports that overlap are one visit, named after the one in which it stopped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import inner, kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import SlotDetector, Surroundings, register
from kuroshio.behaviour.state import CLOSE, EXTEND, OPEN, Batch, Fact
from kuroshio.geo.polygon import UNITS_PER_DEG, edge_distance_m, edge_fraction
from kuroshio.units import FloatArray, IntArray

# state: last fix; 0 no visit, 1 not told, 2 told; what was seen; the zone that names it, the zone it is in
LAST, KNOWN, MMSI, PHASE, START, MET, INSIDE, ROWS, SEEN, NAME, ZONE, STOP, STOPPED, NEXT = range(14)
LAT, LON, LAT0, LON0, LAT1, LON1 = range(6)  # last fix, place of entry, last place in port
ENTRY, STOPPING, GAP, EXIT = 1, 2, 4, 8  # bits of SEEN
LEFT, SILENT, ENDED, LOST = 1, 2, 3, 4
_CAUSES = {LEFT: "it left", SILENT: "it fell silent in port", ENDED: "the track ended in port"}
_CAUSES[LOST] = "it fell silent outside"


def confidence(seen: int) -> int:
    """1 to 4 by which of entry, stop, gap and exit were seen (Global Fishing Watch, port visits)."""
    ways = bool(seen & ENTRY) + bool(seen & EXIT)
    return 2 + ways if seen & (STOPPING | GAP) else 1


@inner
def _say(ev: Any, num: Any, k: int, kind: int, s: int, ints: Any, floats: Any, end: int, why: int) -> None:
    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4] = kind, s, ints[s, START], ints[s, MET], end
    ev[k, 5], ev[k, 6], ev[k, 7], ev[k, 8] = ints[s, ROWS], ints[s, NAME], ints[s, MMSI], why
    ev[k, 9], ev[k, 10] = ints[s, SEEN], ints[s, STOPPED]
    for q in range(4):
        num[k, q] = floats[s, LAT0 + q]


@inner
def _end(ev: Any, num: Any, k: int, s: int, ints: Any, floats: Any, end: int, met: int, why: int, least: int) -> int:
    """Close a visit, told now if it was not; the number of events."""
    if ints[s, STOP] != 0:
        ints[s, STOPPED] += ints[s, INSIDE] - ints[s, STOP]
        ints[s, STOP] = 0
    seen = ints[s, SEEN]
    ways = (1 if seen & ENTRY else 0) + (1 if seen & EXIT else 0)
    if ints[s, PHASE] == 1 and (2 + ways if seen & (STOPPING | GAP) else 1) >= least:
        ints[s, PHASE], ints[s, MET] = 2, met
        _say(ev, num, k, OPEN, s, ints, floats, met, 0)
        k += 1
    if ints[s, PHASE] == 2:
        _say(ev, num, k, CLOSE, s, ints, floats, end, why)
        k += 1
    ints[s, PHASE] = 0
    return k


@inner
def _fall_silent(ev: Any, num: Any, k: int, s: int, ints: Any, floats: Any, gap_us: int, least: int) -> int:
    """Close a visit in a silence, which tells of the port only where the last fix was in it; the number of events."""
    there = ints[s, INSIDE] == ints[s, LAST]
    if there:
        ints[s, SEEN] |= GAP
    why = np.int64(SILENT) if there else np.int64(LOST)
    return _end(ev, num, k, s, ints, floats, ints[s, INSIDE], ints[s, LAST] + gap_us, why, least)


@kernel
def port_rows(
    begin: int,
    k: int,
    ev: Any,
    num: Any,
    ix: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    speed: Any,
    mmsi: Any,
    ended: Any,
    label: Any,
    ints: Any,
    floats: Any,
    stop_us: int,
    gap_us: int,
    out_m: float,
    slow: float,
    fast: float,
    extend_us: int,
    least: int,
    room: Any,
) -> tuple[int, int]:
    """Events of rows in order (slot, time); ``label`` is the port each row is in, -1 none."""
    for i in range(begin, slot.size):
        if k + 6 > ev.shape[0]:
            return i, k
        s, z = slot[i], label[i]
        known = ints[s, KNOWN] == 1 and t[i] - ints[s, LAST] <= gap_us
        if ints[s, PHASE] > 0 and not known:
            k = _fall_silent(ev, num, k, s, ints, floats, gap_us, least)
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        x1, y1 = np.rint(lon[i] * UNITS_PER_DEG), np.rint(lat[i] * UNITS_PER_DEG)
        x0, y0 = np.rint(floats[s, LON] * UNITS_PER_DEG), np.rint(floats[s, LAT] * UNITS_PER_DEG)
        xs = x1 - 3.6e9 if x1 - x0 > 1.8e9 else (x1 + 3.6e9 if x1 - x0 < -1.8e9 else x1)
        if ended[i]:
            if ints[s, PHASE] > 0:
                if z >= 0:
                    ints[s, INSIDE], floats[s, LAT1], floats[s, LON1] = t[i], lat[i], lon[i]
                    if ints[s, STOP] != 0 and t[i] - ints[s, STOP] >= stop_us:
                        ints[s, SEEN] |= STOPPING
                k = _end(ev, num, k, s, ints, floats, ints[s, INSIDE], t[i], ENDED, least)
            ints[s, KNOWN] = 0
            continue
        if z >= 0 and ints[s, PHASE] == 0:
            f = edge_fraction(ix, z, x0, y0, xs, y1, True, room) if known else -1.0
            ints[s, PHASE], ints[s, SEEN], ints[s, ROWS] = 1, ENTRY if f >= 0.0 else 0, 0
            f = f if f >= 0.0 else 1.0
            ints[s, NAME], ints[s, STOP], ints[s, STOPPED], ints[s, START] = z, 0, 0, t[i]
            floats[s, LAT0], floats[s, LON0] = lat[i], lon[i]
            if ints[s, SEEN] & ENTRY:
                ints[s, START] = ints[s, LAST] + np.int64(np.rint(f * (t[i] - ints[s, LAST])))
                floats[s, LAT0] = floats[s, LAT] + f * (lat[i] - floats[s, LAT])
                floats[s, LON0] = floats[s, LON] + f * (xs - x0) / UNITS_PER_DEG
        if ints[s, PHASE] > 0:
            if z >= 0:
                ints[s, ZONE], ints[s, INSIDE] = z, t[i]
                ints[s, ROWS] += 1
                floats[s, LAT1], floats[s, LON1] = lat[i], lon[i]
                if ints[s, STOP] == 0 and speed[i] <= slow:
                    ints[s, STOP] = t[i]
                    if ints[s, PHASE] == 1 and not (ints[s, SEEN] & STOPPING):
                        ints[s, NAME] = z
                if ints[s, STOP] != 0 and t[i] - ints[s, STOP] >= stop_us:
                    ints[s, SEEN] |= STOPPING
                if ints[s, STOP] != 0 and speed[i] > fast:
                    ints[s, STOPPED] += t[i] - ints[s, STOP]
                    ints[s, STOP] = 0
                so_far = 3 if ints[s, SEEN] & ENTRY else 2
                if ints[s, PHASE] == 1 and ints[s, SEEN] & STOPPING and so_far >= least:
                    ints[s, PHASE], ints[s, MET], ints[s, NEXT] = 2, t[i], t[i] + extend_us
                    _say(ev, num, k, OPEN, s, ints, floats, t[i], 0)
                    k += 1
                elif ints[s, PHASE] == 2 and t[i] >= ints[s, NEXT]:
                    ints[s, NEXT] = t[i] + extend_us
                    _say(ev, num, k, EXTEND, s, ints, floats, t[i], 0)
                    k += 1
            else:
                if ints[s, STOP] != 0:  # whoever is out goes
                    ints[s, STOPPED] += ints[s, INSIDE] - ints[s, STOP]
                    ints[s, STOP] = 0
                if edge_distance_m(ix, ints[s, ZONE], x1, y1, out_m) >= out_m:
                    ints[s, SEEN] |= EXIT
                    k = _end(ev, num, k, s, ints, floats, ints[s, INSIDE], t[i], LEFT, least)
        ints[s, LAST], ints[s, KNOWN], floats[s, LAT], floats[s, LON] = t[i], 1, lat[i], lon[i]
    return slot.size, k


@kernel
def port_silence(
    begin: int, k: int, ev: Any, num: Any, ints: Any, floats: Any, to_us: int, gap_us: int, least: int
) -> tuple[int, int]:
    """Events of visits that a silence ended."""
    for s in range(begin, ints.shape[0]):
        if k + 2 > ev.shape[0]:
            return s, k
        if ints[s, PHASE] > 0 and to_us - ints[s, LAST] > gap_us:
            k = _fall_silent(ev, num, k, s, ints, floats, gap_us, least)
            ints[s, KNOWN] = 0
    return ints.shape[0], k


@register("port_visit")
class PortVisitDetector(SlotDetector):
    """See `definitions/port_visit.toml`."""

    int_default = (0, 0, -1) + (0,) * 11
    float_default = (np.nan,) * 6

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        zones, d = around.zones, definition
        self.wanted = zones.mask(d["zone_kinds"]) if zones is not None else np.zeros(0, np.bool_)
        self.any_wanted = bool(self.wanted.any())
        self.gap_us, self.least = d.us("max_gap_s"), int(d["min_confidence"])
        speeds = float(d["stop_speed_mps"]), float(d["go_speed_mps"])
        self.rule = d.us("min_stop_s"), self.gap_us, float(d["exit_distance_m"]), *speeds, d.us("extend_every_s")
        self.events = Events(11, 4)
        self.crossings = np.empty(256)

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks, where there is a port to visit."""
        if self.any_wanted:
            super().ensure(slots)

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Follow each ship into port and out."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        zones = self.around.zones
        if zones is None or not self.any_wanted:
            return
        f = batch.fixes
        label = np.full(len(f), -1, np.int64)
        ptr, zone = batch.zones(zones)
        owner = np.repeat(np.arange(len(label)), np.diff(ptr))
        good = self.wanted[zone]
        label[owner[good][::-1]] = zone[good][::-1]
        speed = np.where(np.isfinite(f.sog), f.sog, batch.speed_mps)
        columns = (batch.slot, f.t, f.lat, f.lon, speed, f.mmsi, batch.ended, label, self.state.ints, self.state.floats)
        events = self.events.run(port_rows, len(f), zones.index, *columns, *self.rule, self.least, self.crossings)
        self._facts(*events, out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """A silence in port ends what is known of the visit."""
        if self.any_wanted:
            state = self.state
            rest = (state.ints, state.floats, to_us, self.gap_us, self.least)
            self._facts(*self.events.run(port_silence, len(state.ints), *rest), out)

    def _facts(self, ev: IntArray, num: FloatArray, out: list[tuple[int, Fact]]) -> None:
        zones = self.around.zones
        assert zones is not None
        for e, v in zip(ev.tolist(), num.tolist(), strict=True):  # one turn an event
            kind, slot, start, met, end, rows, z, mmsi, why, seen, stopped = e
            first = "entry" if seen & ENTRY else "first seen in port"
            points = [(first, start, v[0], v[1]), ("last in port", end if kind == CLOSE else met, v[2], v[3])]
            words = [n for n, bit in (("entry", ENTRY), ("stop", STOPPING), ("gap", GAP), ("exit", EXIT)) if seen & bit]
            fact = Fact(
                **self.of_ship(slot, mmsi),
                start_us=start,
                met_us=met,
                end_us=end if kind == CLOSE else None,
                lat_deg=v[2],
                lon_deg=v[3],
                values={
                    "duration_s": (end - start) / 1e6,
                    "stopped_s": stopped / 1e6,
                    "confidence": confidence(seen),
                    "seen": ", ".join(words),
                    "updates": rows,
                },
                points=tuple(points),
                rows=rows,
                zone=zones.zones[z].name,
                cause=_CAUSES.get(why),
            )
            out.append((kind, fact))
