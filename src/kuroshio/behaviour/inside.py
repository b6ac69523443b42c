"""Conditions inside an area: slow over a cable or pipeline, a position well inside land.

A run goes on from area to area of its kinds where they overlap or adjoin, under the name of the first: cables lie side
by side, and land is drawn in pieces.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.detector import Codes, RunDetector, register
from kuroshio.behaviour.motion import mean, speed_of, three_way
from kuroshio.behaviour.state import Batch
from kuroshio.geo.polygon import edge_distance_m
from kuroshio.geo.zones import Zones, to_units
from kuroshio.units import FloatArray, IntArray


class ZoneRunDetector(RunDetector):
    """A condition inside a zone of the definition's ``zone_kinds``; the label is the zone."""

    def stays(self, batch: Batch) -> tuple[Zones | None, IntArray, IntArray]:
        """(zones, rows inside a zone of the kinds, that zone), by row and zone; no zones where none is of the kinds."""
        zones = self.around.zones
        if zones is None or not zones.mask(self.definition["zone_kinds"]).any():
            return None, np.zeros(0, np.int64), np.zeros(0, np.int64)
        ptr, zone = batch.zones(zones)
        owner = np.repeat(np.arange(len(batch.fixes)), np.diff(ptr))
        wanted = zones.mask(self.definition["zone_kinds"])[zone]
        return zones, owner[wanted], zone[wanted].astype(np.int64)

    def zone_name(self, label: int) -> str | None:
        """Name of the zone."""
        zones = self.around.zones
        return zones.zones[label].name if zones is not None and label >= 0 else None


@register("slow_in_zone")
class SlowInZoneDetector(ZoneRunDetector):
    """Slow over a cable or pipeline, or stopped in a port."""

    def codes(self, batch: Batch) -> Codes | None:
        """Inside and below the speed; a faster fix inside lowers, a fix outside too."""
        zones, owner, zone = self.stays(batch)
        if zones is None:
            return None
        label = np.full(len(batch.fixes), -1, np.int64)
        label[owner[::-1]] = zone[::-1]
        v = speed_of(batch.fixes.sog, batch.speed_mps)
        inside = label >= 0
        holds = inside & (v <= float(self.definition["max_speed_mps"]))
        return Codes(three_way(holds, np.isfinite(v) | ~inside), label, v, bool(holds.any()))

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Mean and greatest speed."""
        return {"mean_speed_mps": mean(num, rows), "max_speed_mps": float(num[7])}


@kernel
def _deepest(ix: Any, owner: Any, zone: Any, x: Any, y: Any, error: Any, limit: float, label: Any, depth: Any) -> None:
    """Of each row the zone it is deepest in, beyond what the zone's line may be wrong by; -1 and 0 m where in none."""
    label[:] = -1
    depth[:] = 0.0
    for k in range(owner.size):
        i, z = owner[k], zone[k]
        d = max(0.0, edge_distance_m(ix, z, x[i], y[i], limit) - error[z])
        if label[i] < 0 or d > depth[i]:
            label[i], depth[i] = z, d


@register("on_land")
class OnLandDetector(ZoneRunDetector):
    """An AIS position well inside land, rivers and locks masked."""

    def codes(self, batch: Batch) -> Codes | None:
        """Deeper in land than the limit, and in no inland water."""
        zones, owner, zone = self.stays(batch)
        if zones is None:
            return None
        limit = float(self.definition["depth_m"])
        water = batch.within(zones, ["inland", "port"])
        if len(water):
            dry = ~water[owner]
            owner, zone = owner[dry], zone[dry]
        x, y = to_units(batch.fixes.lat, batch.fixes.lon)
        label, depth = np.empty(len(x), np.int64), np.empty(len(x))
        far = 50.0 * limit + float(zones.accuracy_m.max())
        _deepest(zones.index, owner, zone, x, y, zones.accuracy_m, far, label, depth)
        claimed = batch.fixes.ais_at == batch.fixes.t
        deep = depth >= limit
        code = np.where(claimed, np.where(deep, np.int8(1), np.int8(-1)), np.int8(3))
        return Codes(code, label, depth, bool((deep & claimed).any()))

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest distance from the shore, beyond what its line may be wrong by."""
        zones = self.around.zones
        return {"depth_m": float(num[7]), "shore_accuracy_m": float(zones.accuracy_m[label]) if zones else 0.0}
