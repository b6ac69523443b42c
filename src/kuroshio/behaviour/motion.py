"""Conditions on how one ship moves or what it says of itself: each a row code for the run kernel.

Speed and course are those reported where they are, else those of the piece that leads to the fix. Absent values neither
raise nor lower a condition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Codes, RunDetector, Surroundings, register
from kuroshio.behaviour.fetch import fetch_row_ahead, reach
from kuroshio.behaviour.fixes import NEVER, NO_FLAGS
from kuroshio.behaviour.state import Batch, Marks, State
from kuroshio.units import BoolArray, FloatArray


def speed_of(sog: FloatArray, piece: FloatArray) -> FloatArray:
    """Reported speed over ground, else that of the piece, m/s; NaN where neither is known."""
    return np.where(np.isfinite(sog), sog, piece)


def three_way(raising: BoolArray, known: BoolArray) -> Any:
    """1 where it holds, -1 where it is known not to, 0 where it is unknown (int8)."""
    return np.where(known, np.where(raising, np.int8(1), np.int8(-1)), np.int8(0))


def mean(num: FloatArray, rows: int) -> float:
    """Mean value of a run from its sums."""
    return float(num[5]) / max(1, rows)


@kernel
def _drift_codes(
    sog: Any, cog: Any, heading: Any, low: float, high: float, angle: float, code: Any, value: Any
) -> bool:
    raises = False
    for i in range(sog.size):
        across = abs(cog[i] - heading[i])
        if not np.isfinite(across) or not np.isfinite(sog[i]):
            code[i] = 0
            continue
        across = 360.0 - across if across > 180.0 else across
        holds = low <= sog[i] <= high and across > angle
        code[i] = 1 if holds else -1
        if holds:
            value[i] = across
            raises = True
    return raises


@register("drift")
class DriftDetector(RunDetector):
    """Under way slowly with the bow across the course."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        d = definition
        self.limits = float(d["min_speed_mps"]), float(d["max_speed_mps"]), float(d["angle_deg"])

    def codes(self, batch: Batch) -> Codes:
        """Speed in the band and course against heading beyond the angle."""
        f, (code, across) = batch.fixes, batch.room()
        raises = _drift_codes(f.sog, f.cog, f.heading, *self.limits, code, across)
        return Codes(code, None, across, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean and greatest angle."""
        return {"angle_deg": mean(num, rows), "max_angle_deg": float(num[7])}


# state a slot: last fast report, whether it has stopped since, reports below and, in a row, above; last row
FAST, STOPPED, BELOW, ABOVE, SEEN = range(5)


@kernel
def _stop_codes(
    slot: Any,
    t: Any,
    sog: Any,
    ended: Any,
    port: Any,
    state: Any,
    fast: float,
    slow: float,
    within_us: int,
    raise_n: int,
    lower_n: int,
    gap_us: int,
    code: Any,
    value: Any,
) -> bool:
    """A stop lasts as long as its run: what ends that, the next slow report does not begin again."""
    raises, end = False, reach(slot)
    for i in range(slot.size):
        fetch_row_ahead(slot, i, end, state)
        s, v = slot[i], sog[i]
        code[i] = 0
        if ended[i] or (state[s, SEEN] != NEVER and t[i] - state[s, SEEN] > gap_us):
            state[s, STOPPED] = 0
        state[s, SEEN] = t[i]
        if v != v:
            continue
        code[i] = -1
        if v < slow and not (port.size and port[i]):
            if state[s, STOPPED] == 0 and state[s, FAST] != NEVER and t[i] - state[s, FAST] <= within_us:
                state[s, STOPPED], state[s, BELOW] = 1, 0
            if state[s, STOPPED] == 1:
                state[s, BELOW] += 1
                state[s, ABOVE] = 0
                code[i], value[i] = 1, v
                raises = True
            continue
        if v > fast:
            state[s, FAST] = t[i]
        state[s, ABOVE] += 1
        if state[s, BELOW] < raise_n or state[s, ABOVE] >= lower_n:
            state[s, STOPPED] = 0
    return raises


@register("sudden_stop")
class SuddenStopDetector(RunDetector):
    """From speed to none within seconds, and it stays."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.before = State((NEVER, 0, 0, 0, NEVER), ())
        d = definition
        limits = float(d["from_speed_mps"]), float(d["to_speed_mps"]), d.us("within_s")
        self.limits = *limits, self.rule[0], self.rule[1], self.gap_us

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        super().ensure(slots)
        self.before.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Runs, and what every track did before."""
        return super().arrays() | {"before": self.before.ints}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.before.restore(arrays["before"], np.zeros((len(arrays["before"]), 0)))

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Runs of the marked tracks, and what they did before."""
        self.before.rewind(other.before, marks.slots)
        return super().rewind(other, marks)

    def take_from(self, other: Any) -> None:
        """Become as another is."""
        super().take_from(other)
        self.before.restore(other.before.ints, other.before.floats)

    def codes(self, batch: Batch) -> Codes:
        """Slow now, fast a moment ago."""
        f, (code, speed) = batch.fixes, batch.room()
        port = batch.within(self.around.zones, self.definition["exclude_zone_kinds"])
        before = self.before.ints
        raises = _stop_codes(batch.slot, f.t, f.sog, batch.ended, port, before, *self.limits, code, speed)
        return Codes(code, None, speed, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest speed since."""
        return {"speed_after_mps": float(num[7])}


@kernel
def _turning(
    slot: Any,
    dt_us: Any,
    cog: Any,
    sog: Any,
    piece: Any,
    port: Any,
    state: Any,
    weight: float,
    low: float,
    high: float,
    most: float,
    gap_us: int,
    code: Any,
    value: Any,
) -> bool:
    """Exponential mean of the absolute change of course from row to row; state a slot: last course, mean.

    A silence begins it anew: what the course was hours ago is no turn, and what a ship did then no turning.
    """
    raises, end = False, reach(slot)
    for i in range(slot.size):
        fetch_row_ahead(slot, i, end, state)
        s = slot[i]
        if dt_us[i] > gap_us:
            state[s, 0], state[s, 1] = np.nan, 0.0
        if cog[i] == cog[i]:
            if state[s, 0] == state[s, 0]:
                turn = abs(cog[i] - state[s, 0])
                turn = 360.0 - turn if turn > 180.0 else turn
                state[s, 1] += weight * (turn - state[s, 1])
            state[s, 0] = cog[i]
        v = sog[i] if np.isfinite(sog[i]) else piece[i]
        can = low <= v <= high and not (port.size and port[i])
        holds = can and state[s, 1] >= most and cog[i] == cog[i]
        code[i] = 1 if holds else (0 if v != v or (can and cog[i] != cog[i]) else -1)
        if holds:
            value[i] = state[s, 1]
            raises = True
    return raises


@register("fishing")
class FishingDetector(RunDetector):
    """Speed of fishing gear and much turning: apparent fishing, from movement alone."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.course = State((), (np.nan, 0.0))
        d = definition
        speeds = float(d["min_speed_mps"]), float(d["max_speed_mps"])
        self.limits = float(d["turn_weight"]), *speeds, float(d["turn_deg"]), self.gap_us

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        super().ensure(slots)
        self.course.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Runs, and the turning of every track."""
        return super().arrays() | {"course": self.course.floats}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.course.restore(np.zeros((len(arrays["course"]), 0), np.int64), arrays["course"])

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Runs and turning of the marked tracks."""
        self.course.rewind(other.course, marks.slots)
        return super().rewind(other, marks)

    def take_from(self, other: Any) -> None:
        """Become as another is."""
        super().take_from(other)
        self.course.restore(other.course.ints, other.course.floats)

    def codes(self, batch: Batch) -> Codes:
        """Speed in the band and turning above the limit."""
        f, (code, turn) = batch.fixes, batch.room()
        port = batch.within(self.around.zones, self.definition["exclude_zone_kinds"])
        course = self.course.floats
        raises = _turning(
            batch.slot, batch.dt_us, f.cog, f.sog, batch.speed_mps, port, course, *self.limits, code, turn
        )
        return Codes(code, None, turn, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean turning."""
        return {"turn_deg": mean(num, rows), "mean_speed_mps": float(num[4]) / max(1e-6, (end - start) / 1e6)}


@kernel
def _bit_codes(flags: Any, bit: int, code: Any, value: Any) -> bool:
    raises = False
    for i in range(flags.size):
        on = (flags[i] & bit) != 0
        code[i] = 1 if on else (0 if (flags[i] & NO_FLAGS) != 0 else -1)
        value[i] = 1.0
        raises |= on
    return raises


@register("flag")
class FlagDetector(RunDetector):
    """A judgement of the picture that lasts: AIS against radar, or a claim that no sensor bears out."""

    def codes(self, batch: Batch) -> Codes | None:
        """The bit of the flags that the definition names; a row that says nothing of its flags is neutral."""
        if not (self.under_way[0] or batch.flags() & int(self.definition["flag_bit"])):
            return None
        code, value = batch.room()
        raises = _bit_codes(batch.fixes.flags, int(self.definition["flag_bit"]), code, value)
        return Codes(code, None, value, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Share of the updates that bear the flag."""
        return {"flagged_share": mean(num, rows)}


@kernel
def _distress_codes(mmsi: Any, nav: Any, ais_at: Any, t: Any, prefixes: Any, code: Any, value: Any) -> bool:
    raises, last, beacon = False, np.int64(-1), False
    for i in range(t.size):
        code[i] = 3
        if ais_at[i] != t[i]:
            continue
        if mmsi[i] != last:
            last, beacon = mmsi[i], False
            for p in prefixes:
                beacon |= p * 1_000_000 <= last < (p + 1) * 1_000_000
        holds = (beacon and nav[i] != 15) or nav[i] == 14
        code[i] = 1 if holds else (-1 if beacon or nav[i] >= 0 else 0)
        if holds:
            value[i] = 1.0 if beacon else 0.0
            raises = True
    return raises


@register("distress")
class DistressDetector(RunDetector):
    """AIS-SART, MOB or EPIRB by its number, or navigational status 14."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.prefixes = np.asarray(definition["mmsi_prefixes"], np.int64)

    def codes(self, batch: Batch) -> Codes:
        """A beacon's MMSI or status 14 raises, another status lowers; what radar sees says nothing."""
        f, (code, beacon) = batch.fixes, batch.room()
        raises = _distress_codes(f.mmsi, f.nav, f.ais_at, f.t, self.prefixes, code, beacon)
        return Codes(code, None, beacon, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """What said so."""
        return {"said_by": "number of a beacon" if num[7] > 0 else "navigational status 14"}
