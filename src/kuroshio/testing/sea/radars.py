"""Coastal radars: an antenna that turns, plots with noise, clutter, horizon and land shadow, as ASTERIX or TTM.

What enters: the fleet at a step. What leaves: emissions, one a swept sector with something in it. TTM radars send
local tracks, as ARPA does: a number a ship while it is seen, a lost one after missed scans.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kuroshio.geo import bearing_deg, distance_m, offset_position, radio_horizon_m
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.sensing.radar import encode_ttm
from kuroshio.sensing.radar_plots import slant_range_m
from kuroshio.testing.sea.fleet import KINDS, Fleet
from kuroshio.testing.sea.geography import LAND
from kuroshio.testing.sea.land import shadow_ranges_m
from kuroshio.testing.sea.radio import Emission
from kuroshio.testing.sea.scenario import Radar
from kuroshio.testing.sea.ships import Ship
from kuroshio.units import US_PER_S, FloatArray, IntArray

SECTORS = 8
LOST_SCANS = 5
MAX_LOCAL_TRACKS = 999


class CoastalRadar:
    """One radar of the sea; `sweep` gives the emissions of a step."""

    def __init__(
        self, rng: np.random.Generator, site: Radar, ships: Sequence[Ship], start_us: int, *, land_shadow: bool
    ) -> None:
        self.rng, self.site, self.start_us = rng, site, start_us
        height = np.array([KINDS[s.kind].height_m for s in ships])
        self.reach_m = np.minimum(site.range_m, radio_horizon_m(site.height_m, height))
        length = np.array([s.length_m for s in ships], float)
        self.size_p = np.clip(0.75 + 0.25 * (length - 10.0) / 40.0, 0.6, 1.0)  # small boats are seen less often
        self.extent_m = length / 6.0
        self.last_us = np.full(len(ships), np.iinfo(np.int64).min // 2)
        self.seen_us = self.last_us.copy()
        self.number = np.full(len(ships), -1, np.int64)
        self.next_number = 1
        self.filtered_v: FloatArray = np.full((2, len(ships)), np.nan)
        self.shadow_m = shadow_ranges_m(site.at, LAND) if land_shadow else np.full(360, np.inf)

    def visible(self, fleet: Fleet) -> tuple[FloatArray, FloatArray, np.ndarray]:
        """(ground range, bearing, seen or not) of all ships from the radar."""
        ground = distance_m(*self.site.at, fleet.lat, fleet.lon)
        bearing = bearing_deg(*self.site.at, fleet.lat, fleet.lon)
        shade = self.shadow_m[np.minimum(bearing.astype(int), 359)]
        return ground, bearing, (ground < self.reach_m) & (ground < shade)

    def sweep(self, fleet: Fleet, dt_s: float) -> list[Emission]:
        """Emissions of the sector swept from the fleet's time on, for dt."""
        site, rng = self.site, self.rng
        _, bearing, visible = self.visible(fleet)
        into_s = (fleet.at_us - self.start_us) / 1e6
        antenna = into_s / site.scan_s * 360.0
        wait_s = ((bearing - antenna) % 360.0) / 360.0 * site.scan_s
        at = fleet.at_us + (wait_s * US_PER_S).astype(np.int64)
        swept = visible & (wait_s < dt_s) & (at - self.last_us > 0.5 * site.scan_s * US_PER_S)
        self.last_us[swept] = at[swept]
        hits = np.flatnonzero(swept & (rng.random(len(at)) < site.p_detection * self.size_p))
        dt = wait_s[hits]
        ve, vn = (v[hits] for v in fleet.velocity)
        glint = rng.normal(0.0, self.extent_m[hits], (2, len(hits)))
        lat, lon = offset_position(fleet.lat[hits], fleet.lon[hits], ve * dt + glint[0], vn * dt + glint[1])
        ground = distance_m(*site.at, lat, lon)
        slant = slant_range_m(ground, site.height_m) + rng.normal(site.range_bias_m, site.range_sigma_m, len(hits))
        angle = bearing_deg(*site.at, lat, lon) + rng.normal(site.bearing_bias_deg, site.bearing_sigma_deg, len(hits))
        self.seen_us[hits] = at[hits]
        apart = self._resolved(slant, angle)
        hits, slant, angle, ve, vn = hits[apart], slant[apart], angle[apart], ve[apart], vn[apart]
        if site.format == "ttm":
            return self._ttm(hits, at[hits], slant, angle, np.stack([ve, vn])) + self._lost(fleet.at_us)
        false_at, false_range, false_angle = self._clutter(antenna, fleet.at_us, dt_s)
        return self._asterix(
            np.concatenate([at[hits], false_at]),
            np.concatenate([slant, false_range]),
            np.concatenate([angle, false_angle]),
        )

    def _resolved(self, slant: FloatArray, angle: FloatArray) -> IntArray:
        """Plots that the radar can tell apart: of those in one cell of its resolution, the nearest."""
        site = self.site
        if not (site.resolution_m and site.resolution_deg):
            return np.arange(len(slant))
        order = np.argsort(slant, kind="stable")
        cell = np.stack([np.rint(slant / site.resolution_m), np.rint(angle / site.resolution_deg)])[:, order]
        _, first = np.unique(cell, axis=1, return_index=True)
        apart: IntArray = np.sort(order[first])
        return apart

    def _clutter(self, antenna: float, at_us: int, dt_s: float) -> tuple[IntArray, FloatArray, FloatArray]:
        """False plots of the swept sector: sea clutter near the radar, and false alarms over the whole area."""
        site, rng = self.site, self.rng
        count = int(rng.poisson(site.clutter_per_scan * dt_s / site.scan_s))
        wait_s = np.sort(rng.random(count)) * dt_s
        near = rng.random(count) < 0.4
        span = np.where(near, 0.25, 1.0) * site.range_m
        return (
            at_us + (wait_s * US_PER_S).astype(np.int64),
            np.maximum(span * np.sqrt(rng.random(count)), 500.0),
            antenna + wait_s / site.scan_s * 360.0,
        )

    def _asterix(self, at: IntArray, slant: FloatArray, angle: FloatArray) -> list[Emission]:
        site = self.site
        order = np.argsort(at, kind="stable")
        at, slant, angle = at[order], np.maximum(slant[order], 10.0), angle[order] % 360.0
        sector = ((at - self.start_us) * SECTORS // round(site.scan_s * US_PER_S)).astype(np.int64)
        emissions = []
        for number in np.unique(sector):  # a radar sends what a sector held when the antenna leaves it
            rows = sector == number
            blocks = encode_cat048(
                sac=site.sac, sic=site.sic, at_us=at[rows], range_m=slant[rows], bearing_deg=angle[rows]
            )
            emissions += [Emission(int(at[rows][-1]), site.name, block) for block in blocks]
        return emissions

    def _ttm(
        self, hits: IntArray, at: IntArray, slant: FloatArray, angle: FloatArray, velocity: FloatArray
    ) -> list[Emission]:
        emissions = []
        for n, ship in enumerate(hits.tolist()):  # a loop over tracked targets: an ARPA holds tens
            if self.number[ship] < 0:
                self.number[ship] = self.next_number
                self.next_number = self.next_number % MAX_LOCAL_TRACKS + 1
                self.filtered_v[:, ship] = velocity[:, n] + self.rng.normal(0.0, 1.0, 2)
            self.filtered_v[:, ship] += 0.2 * (velocity[:, n] + self.rng.normal(0.0, 0.8, 2) - self.filtered_v[:, ship])
            ve, vn = self.filtered_v[:, ship]
            data = encode_ttm(
                number=int(self.number[ship]),
                range_m=float(max(slant[n], 10.0)),
                bearing_deg=float(angle[n]),
                sog_mps=float(np.hypot(ve, vn)),
                cog_deg=float(np.degrees(np.arctan2(ve, vn)) % 360.0),
                at_us=int(at[n]),
                station=self.site.name,
            )
            emissions.append(Emission(int(at[n]), self.site.name, data))
        return emissions

    def _lost(self, at_us: int) -> list[Emission]:
        """Lost-target sentences for tracks not seen for some scans."""
        limit = round(LOST_SCANS * self.site.scan_s * US_PER_S)
        lost = np.flatnonzero((self.number >= 0) & (at_us - self.seen_us > limit))
        emissions = []
        for ship in lost.tolist():
            data = encode_ttm(
                number=int(self.number[ship]),
                range_m=0.0,
                bearing_deg=0.0,
                at_us=at_us,
                station=self.site.name,
                status="L",
            )
            emissions.append(Emission(at_us, self.site.name, data))
        self.number[lost] = -1
        return emissions
