"""Silence of AIS on a track: from its last report to the next, known as soon as it is too long.

The silence is of the track, not of the MMSI: the last report of one ship and the first of another that claims the same
number make no gap. A track that the picture ended and a later one that claims the same MMSI are one ship again when the
way between them could be sailed. Where the ships about fell silent with it, it is not told: the receivers failed, or
the file ends.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, Surroundings, register
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.index import IdIndex
from kuroshio.behaviour.reception import Reception
from kuroshio.behaviour.silences import (
    AFTER,
    BEFORE,
    END,
    KIND,
    LAST,
    MMSI,
    OTHERS,
    PHASE,
    SLOT,
    START,
    STILL,
    WHOSE,
    Silences,
    gap_rows,
    gap_silence,
    new_state,
    qualifies,
)
from kuroshio.behaviour.state import CLOSE, OPEN, VOID, Batch, Fact, Marks
from kuroshio.geo.earth import distance_m
from kuroshio.units import BoolArray, FloatArray, IntArray

_DOUBTFUL = 0.5
_MAX_MEMORY = 200_000  # identities whose ended tracks are remembered for a hand-over


@kernel
def _far_m(lat0: float, lon0: float, lat1: float, lon1: float) -> float:
    return float(distance_m(lat0, lon0, lat1, lon1))  # uncompiled it costs more than all the rest of a fact


@register("gap")
class GapDetector(Detector):
    """AIS gap: see `definitions/ais_gap.toml`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.need = int(definition["min_reports"])
        self.silence_us = definition.us("silence_s")
        self.window_us = definition.us("window_s")
        self.rule = self.silence_us, self.need, self.window_us
        self.min_shore_m, self.min_p_heard = float(definition["min_shore_m"]), float(definition["min_p_heard"])
        self.port_kinds = definition["port_zone_kinds"]
        self.alone = int(definition["min_others"]), float(definition["least_heard"])
        self.events = Events(6, 7)
        self.state = new_state(self.need)
        self.reception = Reception(self.silence_us)
        self.never_told = self.min_p_heard > 0.0 and around.norms is None
        # silences before the time that tells who else was heard, and those judged, as far back as repairs go
        self.found, self.judged = Silences(6), Silences(8)
        self.to_us = NEVER
        self.numbers = IdIndex()
        self.by_mmsi: dict[int, int] = {}  # identity -> slot of its ended track

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks, where anything is ever told."""
        if not self.never_told:
            self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Matrices, silences, who was heard, and the memory of ended tracks."""
        pairs = np.asarray(list(self.by_mmsi.items()), np.int64).reshape(-1, 2)
        own = {"ints": self.state.ints, "floats": self.state.floats, "ended": pairs, "heard": self.reception.array()}
        (own["found_i"], own["found_f"]), (own["judged_i"], own["judged_f"]) = self.found.all(), self.judged.all()
        return own | {"to": np.asarray([self.to_us], np.int64)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.by_mmsi = dict(arrays["ended"].tolist())
        self.reception.restore(arrays["heard"])
        self.found.set(arrays["found_i"], arrays["found_f"])
        self.judged.set(arrays["judged_i"], arrays["judged_f"])
        self.to_us = int(arrays["to"][0])

    def take_from(self, other: Any) -> None:
        """Become as another is; what nobody writes to is shared."""
        self.state.restore(other.state.ints, other.state.floats)
        self.by_mmsi = dict(other.by_mmsi)
        self.reception.take_from(other.reception)
        self.found.take_from(other.found)
        self.judged.take_from(other.judged)
        self.to_us = other.to_us

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked tracks, what they were heard in, and who of the marked MMSIs had ended."""
        self.track_of, self.exercise_of = marks.names.tracks.names, marks.names.exercise
        self.numbers = marks.names.numbers
        self.state.rewind(other.state, marks.slots)
        last = self.state.ints[marks.slots[marks.slots < len(self.state.ints)], LAST]
        self.due_us = min(self.due_us, int(last[last != NEVER].min(initial=-NEVER)) + self.silence_us)
        ended = self.by_mmsi or other.by_mmsi
        for mmsi in marks.names.numbers.names[marks.numbers].tolist() if ended else ():
            self.by_mmsi.pop(mmsi, None)
            if mmsi in other.by_mmsi:
                self.by_mmsi[mmsi] = other.by_mmsi[mmsi]
        if not self.never_told:
            self.reception.rewind(other.reception, marks)
            self.found.rewind(other.found, marks.slot_marks)
            self.judged.rewind(other.judged, marks.slot_marks)
        return False

    def forget(self, before_us: int) -> None:
        """Silences judged before then are not judged again."""
        self.reception.forget(before_us)
        self.judged.forget(before_us - self.silence_us)

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Reports end a silence, other rows tell nothing new."""
        self.track_of, self.exercise_of, self.numbers = batch.track_of, batch.exercise_of, batch.numbers
        if self.never_told:
            return
        f, ints = batch.fixes, self.state.ints
        born, heard = np.empty(len(f) + 3, np.int64), np.empty((len(f), 2), np.int64)  # most of both is never written
        born[0], born[1], born[2] = -NEVER, 0, 0
        events, num = self.events.run(
            gap_rows,
            len(f),
            batch.slot,
            batch.who,
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
            self.reception.period_us,
            born,
            heard,
        )
        if len(events):
            self.found.add(events.copy(), num.copy())
        self.reception.take(heard[: born[2]])
        self.due_us = min(self.due_us, int(born[0]) + self.silence_us)
        if batch.any_ended or (born[1] and self.by_mmsi):
            self._hand_over(batch, born[3 : born[1] + 3])
        self._tell(out)

    def _hand_over(self, batch: Batch, born: IntArray) -> None:
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
            if t - last > self.silence_us and qualifies.py_func(ints, old, self.need, self.window_us):
                v = np.asarray([*floats[old, :4], f.lat[i], f.lon[i], floats[old, 4]])
                for change in (OPEN, CLOSE) if ints[old, PHASE] == 0 else (CLOSE,):
                    event = (change, old, last, t, int(ints[old, MMSI]), int(f.track[i]))
                    self.found.add(np.asarray([event]), v[None])
            ints[old, PHASE] = 2

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """A silence that has become too long is a fact though no row says so."""
        self.to_us = to_us
        if self.never_told:
            return
        if self.reception.again is not None:
            self._judge_again(out)
        if to_us >= self.due_us:
            ints, floats = self.state.ints, self.state.floats
            found = np.empty(len(ints) + 1, np.int64)
            k = gap_silence(ints, to_us, *self.rule, found)
            self.due_us = int(found[-1]) + self.silence_us
            if k:
                s, event = found[:k], np.full((k, 6), -1, np.int64)
                event[:, KIND], event[:, SLOT], event[:, START] = OPEN, s, ints[s, LAST]
                event[:, END], event[:, WHOSE] = NEVER, ints[s, MMSI]
                nowhere = np.full((k, 2), np.nan)
                self.found.add(event, np.column_stack([floats[s, :4], nowhere, floats[s, 4]]))
        self._tell(out)
        if not self.repairs:
            self.forget(to_us)

    def _tell(self, out: list[tuple[int, Fact]]) -> None:
        """Silences that were too long at the last `advance`: who else was heard till then is known."""
        if not self.found:
            return
        events, numbers = self.found.before(self.to_us - self.silence_us)
        if not len(events):
            return
        begins, ends = (np.flatnonzero(events[:, KIND] == kind) for kind in (OPEN, CLOSE))
        judged = np.empty((len(events), AFTER + 1), np.int64)
        judged[:, :BEFORE] = events
        judged[begins, BEFORE:] = self._others(events[begins], numbers[begins])
        judged[ends, BEFORE:] = self.state.ints[events[ends, SLOT], OTHERS : STILL + 1]  # of those that began before
        self.state.ints[events[begins, SLOT], OTHERS : STILL + 1] = judged[begins, BEFORE:]
        both = begins[:-1] if len(begins) and begins[-1] + 1 == len(events) else begins
        both = both[
            (events[both + 1, KIND] == CLOSE)
            & (events[both + 1, SLOT : START + 1] == events[both, SLOT : START + 1]).all(axis=1)
        ]
        judged[both + 1, BEFORE:] = judged[both, BEFORE:]
        tell = ~self._area_silent(judged)
        tell[both] = False  # the end follows at once, and tells it
        use = np.flatnonzero(tell)
        for event, about in zip(judged[use].tolist(), numbers[use].tolist(), strict=True):  # one turn an event
            self._say(event, about, out)
        if self.repairs:
            self.judged.add(judged, numbers)

    def _others(self, events: IntArray, numbers: FloatArray) -> IntArray:
        who = self.numbers.find(np.ascontiguousarray(events[:, WHOSE]))
        return np.column_stack(self.reception.others(numbers[:, 0], numbers[:, 1], who, events[:, START]))

    def _judge_again(self, out: list[tuple[int, Fact]]) -> None:
        """Silences of other ships than the late rows are about, where these change who else was heard."""
        if not self.judged:
            self.reception.again = None
            return
        changes = self.reception.changes()
        if not len(changes):
            return
        events, numbers = self.judged.all()
        touched = np.flatnonzero(self.reception.touched(numbers[:, 0], numbers[:, 1], events[:, START], changes))
        if not len(touched):
            return
        was, ints = events[touched], self.state.ints
        heard, events = self._others(was, numbers[touched]), events.copy()
        events[touched, BEFORE:] = heard
        self.judged.set(events, numbers)
        silent, was_silent = self._area_silent(events[touched]), self._area_silent(was)
        for k in np.flatnonzero((was[:, BEFORE:] != heard).any(axis=1)).tolist():  # one turn an event
            e, v = events[touched[k]].tolist(), numbers[touched[k]].tolist()
            if ints[e[SLOT], LAST] == e[START]:
                ints[e[SLOT], OTHERS : STILL + 1] = e[BEFORE:]
            if not silent[k]:
                self._say(e, v, out)
            elif not was_silent[k]:
                out.append((VOID, self._fact(e, v)))

    def _area_silent(self, judged: IntArray) -> BoolArray:
        """True where the area fell silent, not the ship."""
        before, after = judged[:, BEFORE], judged[:, AFTER]
        silent: BoolArray = (before >= self.alone[0]) & (after < before * self.alone[1])
        return silent

    def _say(self, event: list[int], numbers: list[float], out: list[tuple[int, Fact]]) -> None:
        """Told when the last report lies far enough from shore and the next would have been heard, as far as known.

        What is known when it has become too long decides: what was told then is told to its end.
        """
        lat, lon, nav = numbers[0], numbers[1], numbers[-1]
        if self.min_shore_m > 0.0 and not self.around.offshore(lat, lon, self.min_shore_m):
            return
        if self.min_p_heard > 0.0 and self.around.norms is not None:
            p = self.around.norms.p_heard([(lat, lon)], event[START], self.silence_us / 1e6, nav < 0.0)
            if p is None or p < self.min_p_heard:
                return
        out.append((event[KIND], self._fact(event, numbers)))

    def _fact(self, event: list[int], numbers: list[float]) -> Fact:
        kind, slot, start, ended, mmsi, back, before, after = event
        lat, lon, sog, cog, next_lat, next_lon, nav = numbers
        end, met = ended if kind == CLOSE else None, start + self.silence_us
        silence_s = ((end if end is not None else met) - start) / 1e6
        points: tuple[tuple[str, int, float, float], ...] = (("last report", start, lat, lon),)
        values: dict[str, Any] = {
            "silence_s": silence_s,
            "min_reports": self.need,
            "last_sog_mps": sog if isfinite(sog) else None,
            "last_cog_deg": cog if isfinite(cog) else None,
            "others_before": before,
            "others_after": after,
            "heard_share": after / before if before else None,
        }
        if before and not after:
            values["severity"] = "info"  # nobody is heard there: no sensor is as likely as no report
        cause: str | None = None
        notes: tuple[str, ...] = ()
        if end is not None:
            far = float(_far_m(lat, lon, next_lat, next_lon))
            points = (*points, ("next report", end, next_lat, next_lon))
            values["distance_m"], values["implied_speed_mps"] = far, far / silence_s
            cause = "it reported again"
            notes = (f"came back as track {back}",) if back >= 0 else ()
        around = self.around
        values["shore_distance_m"] = around.shore_m(lat, lon) if around.zones is not None else None
        berth = around.first_zone(lat, lon, start, self.port_kinds) if around.zones is not None else None
        if berth is not None:
            values |= {"in_port": berth, "severity": "info"}  # transponders are switched off at the berth
        if around.norms is not None:
            values["p_heard"] = around.norms.p_heard([(y, x) for _, _, y, x in points], start, silence_s, nav < 0.0)
            values["norms_digest"] = around.norms.digest
            if values["p_heard"] is None or values["p_heard"] < _DOUBTFUL:
                values["severity"] = "info"  # no sensor is as likely as no report
        track, exercise = int(self.track_of[slot]), bool(self.exercise_of[slot])
        whose, rows = (mmsi,) if mmsi >= 0 else (), self.need + (end is not None)
        told = (lat, lon, values, points, rows, None, cause, exercise, notes)
        return Fact(self.definition.id, (track,), whose, start, met, end, *told)  # by place: an archive tells thousands
