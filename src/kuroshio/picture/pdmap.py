"""How well a radar sees in each direction and range: what is declared, what stands in the way, and what it showed.

What enters: scans of a placed radar in which ships that AIS vouches for were seen or missed, and zones of land. What
leaves: the probability of detection of each cell, for the misses of the lifecycle, and cells to draw: where it is
low there is no sensor, whatever the range says. Cells are sectors of a circle about the antenna, out to its reach. A
Beta prior worth `PRIOR_SCANS` holds the declared value until ships have said otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuroshio.geo import destination, wrap_lon_deg
from kuroshio.geo.coastline import Coastline
from kuroshio.geo.zones import Zones
from kuroshio.picture.compiled import bare, inner
from kuroshio.picture.model import SensorModel
from kuroshio.units import BoolArray, FloatArray

SECTORS, RINGS = 36, 16
PRIOR_SCANS = 60.0
MEMORY_SCANS = 600.0  # a cell's counts are halved beyond this: what changed is learned anew
PD_LEAST, PD_MOST = 0.01, 0.97
BLIND_PD = 0.2  # below this a cell counts as "no sensor"
ARC_POINTS = 4
SIGHT_STEPS = 256  # along a bearing: every 200 m of 50 km


@inner
def turn_of(east_m, north_m):  # type: ignore[no-untyped-def]
    """Bearing of an offset as a share of the full turn."""
    return math.atan2(east_m, north_m) / (2.0 * math.pi) % 1.0


@inner
def cell_at(turn, range_m, reach_m):  # type: ignore[no-untyped-def]
    """(sector, ring) of a bearing (`turn_of`) and a range; the outermost ring beyond the antenna's reach."""
    return min(int(turn * SECTORS), SECTORS - 1), min(int(range_m / reach_m * RINGS), RINGS - 1)


@bare
def _learned(tried, seen, land, declared, out):  # type: ignore[no-untyped-def]
    """Fill the probability of each cell; counts beyond `MEMORY_SCANS` are halved."""
    for s in range(SECTORS):
        for r in range(RINGS):
            if tried[s, r] > MEMORY_SCANS:
                seen[s, r] /= 2.0
                tried[s, r] /= 2.0
            pd = (PRIOR_SCANS * declared + seen[s, r]) / (PRIOR_SCANS + tried[s, r])
            out[s, r] = PD_LEAST if land[s, r] else min(max(pd, PD_LEAST), PD_MOST)


@dataclass
class PdMap:
    """Counts of one radar by cell, shape (`SECTORS`, `RINGS`)."""

    tried: FloatArray = field(default_factory=lambda: np.zeros((SECTORS, RINGS)))
    seen: FloatArray = field(default_factory=lambda: np.zeros((SECTORS, RINGS)))
    land: BoolArray = field(default_factory=lambda: np.zeros((SECTORS, RINGS), np.bool_))
    coarse: bool = False  # the land is of a coarse coastline
    sight_m: FloatArray = field(default_factory=lambda: np.full(360, np.inf))  # by degree: where land ends the view

    def pd(self, declared: float) -> FloatArray:
        """Probability of detection of each cell; the least there is where the cell is land."""
        out = np.empty((SECTORS, RINGS))
        _learned(self.tried, self.seen, self.land, declared, out)
        return out

    def aside(self) -> PdMap:
        """Copy that learns nothing: for a radar whose registration is in doubt, which misses what it should see."""
        return PdMap(self.tried.copy(), self.seen.copy(), self.land, self.coarse, self.sight_m)

    def mask(self, model: SensorModel, zones: Zones) -> None:
        """Take cells whose middles lie on land, or behind it, out of the map."""
        sector, ring = np.meshgrid(np.arange(SECTORS), np.arange(RINGS), indexing="ij")
        bearing = (sector.ravel() + 0.5) * 360.0 / SECTORS
        range_m = (ring.ravel() + 0.5) * model.coverage_m / RINGS
        lat, lon = destination(model.lat_deg, model.lon_deg, bearing, range_m)
        self.sight_m = sight_ranges_m(model, zones)
        behind = range_m > self.sight_m[bearing.astype(np.int64)]
        self.land = (_on_land(zones, lat, lon) | behind).reshape(SECTORS, RINGS)

    def mask_coarse(self, model: SensorModel, coast: Coastline) -> None:
        """Take out the cells that a coarse coastline has wholly on land: nine points of each, edges among them.

        A cell that is partly sea stays, for the coast is known to a kilometre or two only.
        """
        steps = np.array([0.0, 0.5, 1.0])
        sector, ring = (steps[None, :] + np.arange(n)[:, None] for n in (SECTORS, RINGS))
        bearing = np.broadcast_to(sector[:, None, :, None] * 360.0 / SECTORS, (SECTORS, RINGS, 3, 3)).ravel()
        range_m = np.broadcast_to(ring[None, :, None, :] * model.coverage_m / RINGS, (SECTORS, RINGS, 3, 3)).ravel()
        lat, lon = destination(model.lat_deg, model.lon_deg, bearing, range_m)
        self.land = np.asarray(coast.contains(lat, lon).reshape(SECTORS, RINGS, 9).all(axis=2))
        self.coarse = True

    def rows(self, model: SensorModel) -> list[dict[str, Any]]:
        """One dict a cell: where it is, what was counted, and how well the radar sees there."""
        pd = self.pd(model.pd)
        step_deg, step_m = 360.0 / SECTORS, model.coverage_m / RINGS
        return [
            {
                "source": model.source,
                "sensor": model.kind,
                "bearing_from_deg": s * step_deg,
                "bearing_to_deg": (s + 1) * step_deg,
                "range_from_m": r * step_m,
                "range_to_m": (r + 1) * step_m,
                "pd": float(pd[s, r]),
                "tried": float(self.tried[s, r]),
                "seen": float(self.seen[s, r]),
                "land": bool(self.land[s, r]),
                "coarse_land": self.coarse,
                "blind": bool(pd[s, r] < BLIND_PD),
                "ring": ring_of(model, s * step_deg, (s + 1) * step_deg, r * step_m, (r + 1) * step_m),
            }
            for s in range(SECTORS)
            for r in range(RINGS)
        ]

    def outline(self, model: SensorModel) -> list[list[list[list[float]]]]:
        """Polygons of where the radar sees, as GeoJSON takes them: runs of rings of each sector that are not blind."""
        step_deg, step_m = 360.0 / SECTORS, model.coverage_m / RINGS
        polygons = []
        for s, blind in enumerate(self.pd(model.pd) < BLIND_PD):
            edges = np.flatnonzero(np.diff(np.concatenate([[True], blind, [True]]).astype(np.int8)))
            for begin, end in edges.reshape(-1, 2).tolist():
                ring = ring_of(model, s * step_deg, (s + 1) * step_deg, begin * step_m, end * step_m)
                polygons.append([ring])
        return polygons


def _on_land(zones: Zones, lat_deg: FloatArray, lon_deg: FloatArray) -> BoolArray:
    inside = np.zeros(len(lat_deg), np.bool_)
    for zone in np.flatnonzero(zones.mask(["land"])).tolist():
        inside |= zones.contains(zone, lat_deg, lon_deg)
    return inside


def sight_ranges_m(model: SensorModel, zones: Zones) -> FloatArray:
    """Range at which land ends a radar's view, by whole degree of bearing; infinity where the sea is open.

    The land the antenna stands on does not: it looks out from a hill. A degree has the least of its neighbours', as
    the edge of a shadow is no place to miss a ship.
    """
    steps = np.arange(1, SIGHT_STEPS + 1) * model.coverage_m / SIGHT_STEPS
    bearing, range_m = (a.ravel() for a in np.meshgrid(np.arange(360) + 0.5, steps, indexing="ij"))
    lat, lon = destination(model.lat_deg, model.lon_deg, bearing, range_m)
    land = _on_land(zones, lat, lon).reshape(360, SIGHT_STEPS)
    land &= ~np.logical_and.accumulate(land, axis=1)
    first = np.where(land.any(axis=1), steps[np.argmax(land, axis=1)], np.inf)
    return np.asarray(np.minimum(first, np.minimum(np.roll(first, 1), np.roll(first, -1))))


def ring_of(model: SensorModel, from_deg: float, to_deg: float, from_m: float, to_m: float) -> list[list[float]]:
    """Closed ring [lon, lat] of a cell; it goes on beyond +-180 where it crosses the antimeridian."""
    out = np.linspace(from_deg, to_deg, ARC_POINTS)
    bearing = np.concatenate([out, out[::-1]])
    range_m = np.repeat([to_m, max(from_m, 1.0)], ARC_POINTS)
    lat, lon = destination(model.lat_deg, model.lon_deg, bearing, range_m)
    lon = model.lon_deg + wrap_lon_deg(lon - model.lon_deg)
    ring = [[round(float(x), 5), round(float(y), 5)] for x, y in zip(lon, lat, strict=True)]
    return [*ring, ring[0]]
