"""Zone entry and exit: which ship is in which area, from the exact crossing of its edge to the exact crossing out.

Entry counts when it is confirmed by fixes or time inside, exit when the ship is further out than the hysteresis. A fix
after a long silence tells that it is in, not when it came in: such an entry says so.
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

ROOM = 8  # zones a ship can be in at once; more are counted in OVER and passed over
LAST, KNOWN, MMSI, OVER, FIRST_RECORD = range(5)
R_ZONE, R_PHASE, R_START, R_MET, R_LAST, R_ROWS, R_OUT, R_UNSEEN, R_NEXT = range(9)
R_INTS, R_FLOATS = 9, 4  # numbers of a record: place of entry, place of exit; a slot's own: last fix
LEFT, SILENT, ENDED = 1, 2, 3
_CAUSES = {LEFT: "it left", SILENT: "it fell silent inside", ENDED: "the track ended inside"}


@inner
def _say(ev: Any, num: Any, k: int, kind: int, s: int, r: int, ints: Any, floats: Any, end: int, why: int) -> None:
    c, g = FIRST_RECORD + r * R_INTS, 2 + r * R_FLOATS
    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4] = kind, s, ints[s, c + R_START], ints[s, c + R_MET], end
    ev[k, 5], ev[k, 6], ev[k, 7] = ints[s, c + R_ROWS], ints[s, c + R_ZONE], ints[s, MMSI]
    ev[k, 8], ev[k, 9] = why, ints[s, c + R_UNSEEN]
    for q in range(4):
        num[k, q] = floats[s, g + q]
    num[k, 4], num[k, 5] = floats[s, 0], floats[s, 1]


@kernel
def zone_rows(
    begin: int,
    k: int,
    ev: Any,
    num: Any,
    ix: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    mmsi: Any,
    ended: Any,
    ptr: Any,
    zone: Any,
    wanted: Any,
    ints: Any,
    floats: Any,
    need: int,
    min_us: int,
    max_gap_us: int,
    out_m: float,
    extend_us: int,
    room: Any,
) -> tuple[int, int]:
    """Events of rows in order (slot, time); ``ptr`` and ``zone`` are the zones each row is in."""
    for i in range(begin, slot.size):
        if k + 3 * ROOM > ev.shape[0]:
            return i, k
        s = slot[i]
        known = ints[s, KNOWN] == 1 and t[i] - ints[s, LAST] <= max_gap_us
        x1, y1 = np.rint(lon[i] * UNITS_PER_DEG), np.rint(lat[i] * UNITS_PER_DEG)
        x0, y0 = np.rint(floats[s, 1] * UNITS_PER_DEG), np.rint(floats[s, 0] * UNITS_PER_DEG)
        xs = x1 - 3.6e9 if x1 - x0 > 1.8e9 else (x1 + 3.6e9 if x1 - x0 < -1.8e9 else x1)
        if known and mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        for r in range(ROOM):
            c, g = FIRST_RECORD + r * R_INTS, 2 + r * R_FLOATS
            if ints[s, c + R_PHASE] == 0:
                continue
            if ended[i] or not known:
                if ints[s, c + R_PHASE] == 2:
                    end = ints[s, c + R_OUT] if ints[s, c + R_OUT] else ints[s, c + R_LAST]
                    why = np.int64(LEFT if ints[s, c + R_OUT] else (ENDED if ended[i] and known else SILENT))
                    _say(ev, num, k, np.int64(CLOSE), s, r, ints, floats, end, why)
                    k += 1
                ints[s, c + R_PHASE] = 0
                continue
            inside = False
            for j in range(ptr[i], ptr[i + 1]):
                inside |= zone[j] == ints[s, c + R_ZONE]
            if inside:
                ints[s, c + R_LAST], ints[s, c + R_OUT] = t[i], 0
                ints[s, c + R_ROWS] += 1
                if ints[s, c + R_PHASE] == 1 and (ints[s, c + R_ROWS] >= need or t[i] - ints[s, c + R_START] >= min_us):
                    ints[s, c + R_PHASE], ints[s, c + R_MET], ints[s, c + R_NEXT] = 2, t[i], t[i] + extend_us
                    _say(ev, num, k, np.int64(OPEN), s, r, ints, floats, t[i], np.int64(0))
                    k += 1
                elif ints[s, c + R_PHASE] == 2 and t[i] >= ints[s, c + R_NEXT]:
                    ints[s, c + R_NEXT] = t[i] + extend_us
                    _say(ev, num, k, np.int64(EXTEND), s, r, ints, floats, t[i], np.int64(0))
                    k += 1
                continue
            if ints[s, c + R_OUT] == 0:
                f = edge_fraction(ix, ints[s, c + R_ZONE], x0, y0, xs, y1, False, room)
                f = max(0.0, f)
                ints[s, c + R_OUT] = ints[s, LAST] + np.int64(np.rint(f * (t[i] - ints[s, LAST])))
                floats[s, g + 2] = floats[s, 0] + f * (lat[i] - floats[s, 0])
                floats[s, g + 3] = floats[s, 1] + f * (xs - x0) / UNITS_PER_DEG
            if ints[s, c + R_PHASE] == 1:
                if ints[s, c + R_OUT] - ints[s, c + R_START] < min_us:
                    ints[s, c + R_PHASE] = 0
                    continue
                ints[s, c + R_PHASE], ints[s, c + R_MET], ints[s, c + R_NEXT] = 2, ints[s, c + R_OUT], t[i] + extend_us
                _say(ev, num, k, np.int64(OPEN), s, r, ints, floats, ints[s, c + R_OUT], np.int64(0))
                k += 1
            if edge_distance_m(ix, ints[s, c + R_ZONE], x1, y1, out_m) >= out_m:
                _say(ev, num, k, np.int64(CLOSE), s, r, ints, floats, ints[s, c + R_OUT], np.int64(LEFT))
                k += 1
                ints[s, c + R_PHASE] = 0
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        if not ended[i]:
            for j in range(ptr[i], ptr[i + 1]):
                z: Any = np.int64(zone[j])
                if not wanted[z]:
                    continue
                free = -1
                held = False
                for r in range(ROOM):
                    c = FIRST_RECORD + r * R_INTS
                    if ints[s, c + R_PHASE] == 0:
                        free = r if free < 0 else free
                    elif ints[s, c + R_ZONE] == z:
                        held = True
                if held:
                    continue
                if free < 0:
                    ints[s, OVER] += 1
                    continue
                c, g = FIRST_RECORD + free * R_INTS, 2 + free * R_FLOATS
                f = edge_fraction(ix, z, x0, y0, xs, y1, True, room) if known else -1.0
                seen = f >= 0.0
                f = f if seen else 1.0
                ints[s, c + R_ZONE], ints[s, c + R_PHASE], ints[s, c + R_OUT] = z, 1, 0
                ints[s, c + R_UNSEEN] = 0 if seen else 1
                ints[s, c + R_START], ints[s, c + R_LAST], ints[s, c + R_ROWS] = t[i], t[i], 1
                floats[s, g], floats[s, g + 1] = lat[i], lon[i]
                floats[s, g + 2], floats[s, g + 3] = np.nan, np.nan
                if seen:
                    ints[s, c + R_START] = ints[s, LAST] + np.int64(np.rint(f * (t[i] - ints[s, LAST])))
                    floats[s, g] = floats[s, 0] + f * (lat[i] - floats[s, 0])
                    floats[s, g + 1] = floats[s, 1] + f * (xs - x0) / UNITS_PER_DEG
                if need <= 1 or t[i] - ints[s, c + R_START] >= min_us:
                    ints[s, c + R_PHASE], ints[s, c + R_MET], ints[s, c + R_NEXT] = 2, t[i], t[i] + extend_us
                    _say(ev, num, k, np.int64(OPEN), s, free, ints, floats, t[i], np.int64(0))
                    k += 1
        ints[s, LAST], ints[s, KNOWN], floats[s, 0], floats[s, 1] = t[i], 0 if ended[i] else 1, lat[i], lon[i]
    return slot.size, k


@kernel
def zone_silence(
    begin: int, k: int, ev: Any, num: Any, ints: Any, floats: Any, to_us: int, max_gap_us: int, oldest: Any
) -> tuple[int, int]:
    """Events of stays that a silence ended; ``oldest`` gets the last fix of the ship silent longest of the rest."""
    for s in range(begin, ints.shape[0]):
        if k + ROOM > ev.shape[0]:
            return s, k
        if ints[s, KNOWN] != 1:
            continue
        if to_us - ints[s, LAST] <= max_gap_us:
            oldest[0] = min(oldest[0], ints[s, LAST])
            continue
        ints[s, KNOWN] = 0
        for r in range(ROOM):
            c = FIRST_RECORD + r * R_INTS
            if ints[s, c + R_PHASE] == 2:
                end = ints[s, c + R_OUT] if ints[s, c + R_OUT] else ints[s, c + R_LAST]
                why = np.int64(LEFT) if ints[s, c + R_OUT] else np.int64(SILENT)
                _say(ev, num, k, np.int64(CLOSE), s, r, ints, floats, end, why)
                k += 1
            ints[s, c + R_PHASE] = 0
    return ints.shape[0], k


@register("zone")
class ZoneDetector(SlotDetector):
    """Entry (a stay, open until it leaves) or exit (a moment), by the definition's ``event``."""

    int_default = (0, 0, -1, 0) + (0,) * (ROOM * R_INTS)
    float_default = (np.nan,) * (2 + ROOM * R_FLOATS)

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        zones = around.zones
        self.wanted = zones.mask(definition["zone_kinds"]) if zones is not None else np.zeros(0, np.bool_)
        names = definition["zone_names"]
        if zones is not None and names:
            self.wanted &= np.asarray([z.name in names or z.zone_id in names for z in zones.zones], np.bool_)
        self.any_wanted = bool(self.wanted.any())
        d, self.gap_us = definition, definition.us("max_gap_s")
        hysteresis = float(d["exit_hysteresis_m"])
        self.rule = int(d["confirm_fixes"]), d.us("confirm_s"), self.gap_us, hysteresis, d.us("extend_every_s")
        self.events = Events(10, 6)
        self.crossings = np.empty(256)  # room for those of one piece with one zone

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks, where there is a zone to be in."""
        if self.any_wanted:
            super().ensure(slots)

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Locate every row and follow each ship through its zones."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        zones = self.around.zones
        if zones is None or not self.any_wanted:
            return
        f = batch.fixes
        ptr, zone = batch.zones(zones)
        ev, num = self.events.run(
            zone_rows,
            len(f),
            zones.index,
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            f.mmsi,
            batch.ended,
            ptr,
            zone,
            self.wanted,
            self.state.ints,
            self.state.floats,
            *self.rule,
            self.crossings,
        )
        if len(ev):
            self._facts(ev, num, out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """A silence makes it unknown whether it is still inside."""
        if to_us < self.due_us or not self.any_wanted:
            return
        oldest, (ints, floats) = np.asarray([to_us]), (self.state.ints, self.state.floats)
        ev, num = self.events.run(zone_silence, len(ints), ints, floats, to_us, self.gap_us, oldest)
        self.due_us = int(oldest[0]) + self.gap_us
        if len(ev):
            self._facts(ev, num, out)

    def _facts(self, ev: IntArray, num: FloatArray, out: list[tuple[int, Fact]]) -> None:
        exits = self.definition["event"] == "exit"
        zones = self.around.zones
        assert zones is not None
        for e, v in zip(ev.tolist(), num.tolist(), strict=True):  # one turn an event
            kind, slot, start, met, end, rows, z, mmsi, why, unseen = e
            if exits and (kind != CLOSE or why != LEFT):
                continue
            zone = zones.zones[z]
            points = [("entry" if not unseen else "first seen inside", start, v[0], v[1])]
            if kind == CLOSE and why == LEFT:
                points.append(("exit", end, v[2], v[3]))
            fact = Fact(
                **self.of_ship(slot, mmsi),
                start_us=end if exits else start,
                met_us=end if exits else met,
                end_us=end if kind == CLOSE else None,
                lat_deg=v[2] if exits else v[0],
                lon_deg=v[3] if exits else v[1],
                values={
                    "duration_s": (end - start) / 1e6,
                    "fixes_inside": rows,
                    "entry_seen": "no" if unseen else "yes",
                    "zone_kind": zone.kind,
                },
                points=tuple(points),
                rows=rows,
                zone=zone.name,
                cause=_CAUSES.get(why),
            )
            if exits:
                out.append((OPEN, fact))
            out.append((kind, fact))
