"""Conditions on how one ship moves or what it says of itself: each a row code for the run kernel.

Speed and course are those reported where they are, else those of the piece that leads to the fix. Absent values neither
raise nor lower a condition.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numba import njit

from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import RunDetector, Surroundings, register
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.state import Batch, State
from kuroshio.geo.polygon import edge_distance_m
from kuroshio.geo.zones import Zones, to_units
from kuroshio.units import BoolArray, FloatArray, IntArray

Codes = tuple[IntArray, IntArray | None, FloatArray]


def speed_of(batch: Batch) -> FloatArray:
    """Reported speed over ground, else that of the piece, m/s; NaN where neither is known."""
    return np.where(np.isfinite(batch.fixes.sog), batch.fixes.sog, batch.speed_mps)


def three_way(raising: BoolArray, known: BoolArray) -> IntArray:
    """1 where it holds, -1 where it is known not to, 0 where it is unknown."""
    return np.where(known, np.where(raising, 1, -1), 0).astype(np.int64)


def mean(num: FloatArray, rows: int) -> float:
    """Mean value of a run from its sums."""
    return float(num[5]) / max(1, rows)


@register("drift")
class DriftDetector(RunDetector):
    """Under way slowly with the bow across the course."""

    def codes(self, batch: Batch) -> Codes:
        """Speed in the band and course against heading beyond the angle."""
        f, d = batch.fixes, self.definition
        known = np.isfinite(f.sog) & np.isfinite(f.cog) & np.isfinite(f.heading)
        across = np.abs((f.cog - f.heading + 180.0) % 360.0 - 180.0)
        slow = (f.sog >= float(d["min_speed_mps"])) & (f.sog <= float(d["max_speed_mps"]))
        return three_way(slow & (across > float(d["angle_deg"])), known), None, np.nan_to_num(across)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean and greatest angle."""
        return {"angle_deg": mean(num, rows), "max_angle_deg": float(num[7])}


@njit(cache=True, nogil=True)
def _stop_codes(slot: Any, t: Any, sog: Any, state: Any, fast: float, slow: float, within_us: int) -> Any:
    """State a slot: time of the last fast report, armed or not."""
    code = np.zeros(slot.size, np.int64)
    for i in range(slot.size):
        s = slot[i]
        if sog[i] != sog[i]:
            continue
        if sog[i] < slow:
            if state[s, 1] == 0 and state[s, 0] != NEVER and t[i] - state[s, 0] <= within_us:
                state[s, 1] = 1
            code[i] = 1 if state[s, 1] == 1 else -1
        else:
            state[s, 1] = 0
            code[i] = -1
            if sog[i] > fast:
                state[s, 0] = t[i]
    return code


@register("sudden_stop")
class SuddenStopDetector(RunDetector):
    """From speed to none within seconds, and it stays."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.before = State((NEVER, 0), ())

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        super().ensure(slots)
        self.before.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Runs, and the last fast report of every track."""
        return super().arrays() | {"before": self.before.ints}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.before.ints = arrays["before"]
        self.before.floats = np.zeros((len(arrays["before"]), 0))

    def codes(self, batch: Batch) -> Codes:
        """Slow now, fast a moment ago."""
        f, d = batch.fixes, self.definition
        fast, slow = float(d["from_speed_mps"]), float(d["to_speed_mps"])
        code = _stop_codes(batch.slot, f.t, f.sog, self.before.ints, fast, slow, d.us("within_s"))
        return code, None, np.nan_to_num(f.sog)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest speed since."""
        return {"speed_after_mps": float(num[7])}


@njit(cache=True, nogil=True)
def _turning(slot: Any, cog: Any, state: Any, weight: float) -> Any:
    """Exponential mean of the absolute change of course from row to row; state a slot: last course, mean."""
    out = np.empty(slot.size)
    for i in range(slot.size):
        s = slot[i]
        if cog[i] == cog[i]:
            if state[s, 0] == state[s, 0]:
                turn = abs((cog[i] - state[s, 0] + 180.0) % 360.0 - 180.0)
                state[s, 1] += weight * (turn - state[s, 1])
            state[s, 0] = cog[i]
        out[i] = state[s, 1]
    return out


@register("fishing")
class FishingDetector(RunDetector):
    """Speed of fishing gear and much turning: apparent fishing, from movement alone."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.course = State((), (np.nan, 0.0))

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
        self.course.floats = arrays["course"]
        self.course.ints = np.zeros((len(arrays["course"]), 0), np.int64)

    def codes(self, batch: Batch) -> Codes:
        """Speed in the band and turning above the limit."""
        d, v = self.definition, speed_of(batch)
        turn = _turning(batch.slot, batch.fixes.cog, self.course.floats, 0.2)
        band = (v >= float(d["min_speed_mps"])) & (v <= float(d["max_speed_mps"]))
        port = batch.within(self.around.zones, d["exclude_zone_kinds"])
        return three_way(band & (turn >= float(d["turn_deg"])) & ~port, np.isfinite(v)), None, turn

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean turning."""
        return {"turn_deg": mean(num, rows), "mean_speed_mps": float(num[4]) / max(1e-6, (end - start) / 1e6)}


class ZoneRunDetector(RunDetector):
    """A condition inside a zone of the definition's ``zone_kinds``; the label is the zone."""

    invert: ClassVar[bool] = False

    def located(self, batch: Batch) -> tuple[Zones | None, IntArray]:
        """(zones, first zone of the kinds that each row is in, -1 none)."""
        zones = self.around.zones
        label = np.full(len(batch.fixes), -1, np.int64)
        if zones is None or not zones.mask(self.definition["zone_kinds"]).any():
            return None, label
        ptr, zone = batch.zones(zones)
        owner = np.repeat(np.arange(len(label)), np.diff(ptr))
        wanted = zones.mask(self.definition["zone_kinds"])[zone]
        label[owner[wanted][::-1]] = zone[wanted][::-1]
        return zones, label

    def zone_name(self, label: int) -> str | None:
        """Name of the zone."""
        zones = self.around.zones
        return zones.zones[label].name if zones is not None and label >= 0 else None


@register("slow_in_zone")
class SlowInZoneDetector(ZoneRunDetector):
    """Slow over a cable or pipeline, or stopped in a port."""

    def codes(self, batch: Batch) -> Codes:
        """Inside and below the speed; a faster fix inside lowers, a fix outside too."""
        zones, label = self.located(batch)
        v = speed_of(batch)
        if zones is None:
            return np.zeros(len(v), np.int64), None, np.nan_to_num(v)
        inside = label >= 0
        holds = inside & (v <= float(self.definition["max_speed_mps"]))
        return three_way(holds, np.isfinite(v) | ~inside), label, np.nan_to_num(v)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean and greatest speed."""
        return {"mean_speed_mps": mean(num, rows), "max_speed_mps": float(num[7])}


@njit(cache=True, nogil=True)
def _depths(ix: Any, zone: Any, x: Any, y: Any, limit: float) -> Any:
    out = np.zeros(zone.size)
    for i in range(zone.size):
        if zone[i] >= 0:
            out[i] = edge_distance_m(ix, zone[i], x[i], y[i], limit)
    return out


@register("on_land")
class OnLandDetector(ZoneRunDetector):
    """An AIS position well inside land, rivers and locks masked."""

    def codes(self, batch: Batch) -> Codes:
        """Deeper in land than the limit, and in no inland water."""
        zones, label = self.located(batch)
        if zones is None:
            return np.zeros(len(label), np.int64), None, np.zeros(len(label))
        limit = float(self.definition["depth_m"])
        water = batch.within(zones, ["inland", "port"])
        x, y = to_units(batch.fixes.lat, batch.fixes.lon)
        depth = _depths(zones.index, np.where(water, -1, label), x, y, 50.0 * limit)
        claimed = batch.fixes.ais_at == batch.fixes.t
        return three_way(depth >= limit, claimed), label, depth

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest distance from the shore."""
        return {"depth_m": float(num[7])}


@register("flag")
class FlagDetector(RunDetector):
    """A judgement of the picture that lasts: AIS against radar, or a claim that no sensor bears out."""

    def codes(self, batch: Batch) -> Codes:
        """The bit of the flags that the definition names."""
        flagged = (batch.fixes.flags & int(self.definition["flag_bit"])) != 0
        if not flagged.any():
            return np.full(len(flagged), -1, np.int64), None, np.zeros(len(flagged))
        return three_way(flagged, np.ones(len(flagged), np.bool_)), None, flagged.astype(np.float64)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Share of the updates that bear the flag."""
        return {"flagged_share": mean(num, rows)}


@register("distress")
class DistressDetector(RunDetector):
    """AIS-SART, MOB or EPIRB by its number, or navigational status 14."""

    def codes(self, batch: Batch) -> Codes:
        """A beacon's MMSI or status 14 raises, another AIS report lowers."""
        f = batch.fixes
        beacon = np.isin(f.mmsi // 1_000_000, np.asarray(self.definition["mmsi_prefixes"], np.int64))
        active = (beacon & (f.nav != 15)) | (f.nav == 14)
        return three_way(active, f.ais_at == f.t), None, beacon.astype(np.float64)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """What said so."""
        return {"said_by": "number of a beacon" if num[7] > 0 else "navigational status 14"}
