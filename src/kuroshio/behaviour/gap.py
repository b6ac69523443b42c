"""Silence of AIS on a track: from its last report to the next, known as soon as it is too long.

The silence is of the track, not of the MMSI: the last report of one ship and the first of another that claims the same
number make no gap. A track that the picture ended and a later one that claims the same MMSI are one ship again when the
way between them could be sailed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import ALWAYS_DUE, Detector, Surroundings, register
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.state import CLOSE, OPEN, Batch, Fact, Marks, State, number
from kuroshio.geo.earth import distance_m
from kuroshio.units import FloatArray, IntArray

_DOUBTFUL = 0.5
_MAX_MEMORY = 200_000  # identities whose ended tracks are remembered for a hand-over
# state: integers LAST to PLACE, then a ring of the last report times; numbers of the last report
LAST, PHASE, MMSI, COUNT, ENDED, PLACE, RING = range(7)


@within
def _qualifies(ints: Any, s: int, need: int, window_us: int) -> bool:
    if ints[s, COUNT] < need:
        return False
    oldest = ints[s, RING + ints[s, PLACE]]
    return bool(ints[s, LAST] - oldest <= window_us)


@kernel
def _far_m(lat0: float, lon0: float, lat1: float, lon1: float) -> float:
    return float(distance_m(lat0, lon0, lat1, lon1))  # uncompiled it costs more than all the rest of a fact


@within
def _write(floats: Any, s: int, i: int, lat: Any, lon: Any, sog: Any, cog: Any, nav: Any) -> None:
    if i >= 0:
        floats[s, 0], floats[s, 1], floats[s, 2], floats[s, 3] = lat[i], lon[i], sog[i], cog[i]
        floats[s, 4] = nav[i]


@kernel
def gap_rows(
    begin: int,
    k: int,
    out: Any,
    num: Any,
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    sog: Any,
    cog: Any,
    ais: Any,
    mmsi: Any,
    nav: Any,
    ended: Any,
    ints: Any,
    floats: Any,
    silence_us: int,
    need: int,
    window_us: int,
    born: Any,
) -> tuple[int, int]:
    """Events (kind, slot, start, end, MMSI, reports) with the place of the last report; rows in order (slot, time).

    ``born`` gets the oldest report taken, the number of rows with which a slot claims an MMSI for the first time, and
    these rows.
    """
    n_born, oldest = born[1], born[0]
    held: Any = np.int64(-1)  # a report not written to the state yet: most are followed by another
    holder: Any = np.int64(-1)
    for i in range(begin, slot.size):
        if k + 2 > out.shape[0]:
            born[0], born[1] = oldest, n_born
            _write(floats, holder, held, lat, lon, sog, cog, nav)
            return i, k
        s, a = slot[i], ais[i]
        if s != holder:
            _write(floats, holder, held, lat, lon, sog, cog, nav)
            holder, held = s, np.int64(-1)
        if ended[i]:
            ints[s, ENDED] = t[i]
        last = ints[s, LAST]
        if a == NEVER or (a <= last and last != NEVER):
            continue
        if last == NEVER and mmsi[i] >= 0:
            born[2 + n_born] = i
            n_born += 1
        if last != NEVER and a - last > silence_us and _qualifies(ints, s, need, window_us):
            _write(floats, s, held, lat, lon, sog, cog, nav)
            for kind in range(OPEN if ints[s, PHASE] == 0 else CLOSE, CLOSE + 1, CLOSE - OPEN):
                out[k, 0], out[k, 1], out[k, 2], out[k, 3] = kind, s, last, a
                out[k, 4], out[k, 5] = ints[s, MMSI], min(ints[s, COUNT], need)
                for c in range(4):
                    num[k, c] = floats[s, c]
                num[k, 4], num[k, 5], num[k, 6] = lat[i], lon[i], floats[s, 4]
                k += 1
        ints[s, PHASE] = 0
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
        place = ints[s, PLACE]
        ints[s, RING + place] = a
        ints[s, PLACE] = place + 1 if place + 1 < need else 0
        ints[s, COUNT] += 1
        ints[s, LAST] = a
        oldest = min(oldest, a)
        held = i
    born[0], born[1] = oldest, n_born
    _write(floats, holder, held, lat, lon, sog, cog, nav)
    return slot.size, k


@kernel
def gap_silence(ints: Any, to_us: int, silence_us: int, need: int, window_us: int, out: Any) -> int:
    """Number of slots, put into ``out``, whose silence has become too long by ``to_us``; they are marked open.

    The last cell of ``out`` is the last report of the slot that is silent longest of the others, at most ``to_us``.
    """
    k = 0
    oldest = np.int64(to_us)
    for s in range(ints.shape[0]):
        last = ints[s, LAST]
        if ints[s, PHASE] != 0 or last == NEVER:
            continue
        if to_us - last <= silence_us:
            oldest = min(oldest, last)
        elif _qualifies(ints, s, need, window_us):
            ints[s, PHASE] = 1
            out[k] = s
            k += 1
        else:
            ints[s, PHASE] = 2
    out[out.size - 1] = oldest
    return k


@register("gap")
class GapDetector(Detector):
    """AIS gap: see `definitions/ais_gap.toml`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.need = int(definition["min_reports"])
        self.silence_us = definition.us("silence_s")
        self.window_us = definition.us("window_s")
        self.rule = self.silence_us, self.need, self.window_us
        self.events = Events(6, 7)
        self.state = State((NEVER, 0, -1, 0, NEVER, 0, *(NEVER,) * self.need), (np.nan,) * 5)
        self.by_mmsi: dict[int, int] = {}  # identity -> slot of its ended track

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Matrices and the memory of ended tracks."""
        pairs = np.asarray(list(self.by_mmsi.items()), np.int64).reshape(-1, 2)
        return {"ints": self.state.ints, "floats": self.state.floats, "ended": pairs}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.by_mmsi = dict(arrays["ended"].tolist())

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked tracks, and who of the marked MMSIs had ended."""
        self.state.rewind(other.state, marks.slots)
        for mmsi in marks.names.numbers.names[marks.numbers].tolist():
            self.by_mmsi.pop(mmsi, None)
            if mmsi in other.by_mmsi:
                self.by_mmsi[mmsi] = other.by_mmsi[mmsi]
        self.due_us = ALWAYS_DUE
        return False

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Reports end a silence, other rows tell nothing new."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f, ints = batch.fixes, self.state.ints
        born = np.empty(len(f) + 2, np.int64)
        born[0], born[1] = -NEVER, 0
        events, num = self.events.run(
            gap_rows,
            len(f),
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            f.sog,
            f.cog,
            f.ais_at,
            f.mmsi,
            f.nav,
            batch.ended,
            ints,
            self.state.floats,
            *self.rule,
            born,
        )
        if len(events):
            for e, v in zip(events.tolist(), num, strict=True):  # one turn an event
                kind, slot, start, end, mmsi, _ = e
                self._say(kind, self._fact(slot, start, end if kind == CLOSE else None, mmsi, v), out)
        self.due_us = min(self.due_us, int(born[0]) + self.silence_us)
        if batch.any_ended or (born[1] and self.by_mmsi):
            self._hand_over(batch, born[2 : born[1] + 2], out)

    def _hand_over(self, batch: Batch, born: IntArray, out: list[tuple[int, Fact]]) -> None:
        """A new track that claims the MMSI of an ended one ends its silence, when it could have sailed there."""
        f, ints, floats = batch.fixes, self.state.ints, self.state.floats
        happenings = [(int(f.t[i]), 1, int(i)) for i in born]
        happenings += [(int(f.t[i]), 0, int(i)) for i in np.flatnonzero(batch.ended)]
        for t, kind, i in sorted(happenings):  # births and ends of tracks only
            slot = int(batch.slot[i])
            if kind == 0:
                if ints[slot, MMSI] >= 0 and ints[slot, LAST] != NEVER and len(self.by_mmsi) < _MAX_MEMORY:
                    self.by_mmsi[int(ints[slot, MMSI])] = slot
                continue
            old = self.by_mmsi.get(int(f.mmsi[i]))
            if old is None or old == slot or t <= ints[old, LAST]:
                continue
            last = int(ints[old, LAST])
            far = float(_far_m(floats[old, 0], floats[old, 1], f.lat[i], f.lon[i]))
            if far / ((t - last) / 1e6) > float(self.definition["max_speed_mps"]):
                continue
            del self.by_mmsi[int(f.mmsi[i])]
            if t - last > self.silence_us and _qualifies.py_func(ints, old, self.need, self.window_us):
                v = np.asarray([*floats[old, :4], f.lat[i], f.lon[i], floats[old, 4]])
                note = f"came back as track {int(f.track[i])}"
                for change in (OPEN, CLOSE) if ints[old, PHASE] == 0 else (CLOSE,):
                    end = t if change == CLOSE else None
                    notes = (note,) if change == CLOSE else ()
                    self._say(change, self._fact(old, last, end, int(ints[old, MMSI]), v, notes), out)
            ints[old, PHASE] = 2

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """A silence that has become too long is a fact though no row says so."""
        if to_us < self.due_us:
            return
        ints, floats = self.state.ints, self.state.floats
        found = np.empty(len(ints) + 1, np.int64)
        k = gap_silence(ints, to_us, *self.rule, found)
        self.due_us = int(found[-1]) + self.silence_us
        for s in found[:k].tolist():
            v = np.asarray([*floats[s, :4], np.nan, np.nan, floats[s, 4]])
            self._say(OPEN, self._fact(s, int(ints[s, LAST]), None, int(ints[s, MMSI]), v), out)

    def _say(self, kind: int, fact: Fact, out: list[tuple[int, Fact]]) -> None:
        """Told when it lies far enough from shore and would have been heard, as far as either is known."""
        d = self.definition
        if not self.around.offshore(fact.lat_deg, fact.lon_deg, float(d["min_shore_m"])):
            return
        if float(d["min_p_heard"]) > 0.0:
            p = fact.values.get("p_heard")
            if not isinstance(p, float) or p < float(d["min_p_heard"]):
                return
        out.append((kind, fact))

    def _fact(
        self, slot: int, start: int, end: int | None, mmsi: int, v: FloatArray, notes: tuple[str, ...] = ()
    ) -> Fact:
        met = start + self.silence_us
        silence_s = ((end if end is not None else met) - start) / 1e6
        points = [("last report", start, float(v[0]), float(v[1]))]
        values: dict[str, Any] = {"silence_s": silence_s, "min_reports": self.need}
        values |= {"last_sog_mps": number(v[2]), "last_cog_deg": number(v[3])}
        if end is not None:
            far = float(_far_m(v[0], v[1], v[4], v[5]))
            points.append(("next report", end, float(v[4]), float(v[5])))
            values |= {"distance_m": far, "implied_speed_mps": far / silence_s}
        values["shore_distance_m"] = self.around.shore_m(float(v[0]), float(v[1]))
        berth = self.around.first_zone(float(v[0]), float(v[1]), start, self.definition["port_zone_kinds"])
        if berth is not None:
            values |= {"in_port": berth, "severity": "info"}  # transponders are switched off at the berth
        if self.around.norms is not None:
            places = [(lat, lon) for _, _, lat, lon in points]
            values["p_heard"] = self.around.norms.p_heard(places, start, silence_s, bool(v[6] < 0.0))
            values["norms_digest"] = self.around.norms.digest
            if values["p_heard"] is None or values["p_heard"] < _DOUBTFUL:
                values["severity"] = "info"  # no sensor is as likely as no report
        return Fact(
            **self.of_ship(slot, mmsi),
            start_us=start,
            met_us=met,
            end_us=end,
            lat_deg=float(v[0]),
            lon_deg=float(v[1]),
            values=values,
            points=tuple(points),
            rows=self.need + (end is not None),
            cause="it reported again" if end is not None else None,
            notes=notes,
        )
