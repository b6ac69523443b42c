"""Radars over a crowd as rows: sweeps with noise, bias, misses, clutter, horizon, land shadow and a ship's extent.

What enters: a crowd at a step. What leaves: observations with the ships they are of, -1 for clutter. `radars` says
the same as bytes, for a few ships.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kuroshio.geo import bearing_deg, distance_m, offset_position, radio_horizon_m
from kuroshio.sensing.radar_plots import polar_observations, slant_range_m
from kuroshio.testing.sea.conditions import Conditions
from kuroshio.testing.sea.crowd import Crowd, outline
from kuroshio.testing.sea.land import shadow_ranges_m
from kuroshio.units import BoolArray, FloatArray, IntArray

CLUTTER = -1
NEAR = 0.25  # sea clutter lies within this share of the range


@dataclass(frozen=True)
class RadarSite:
    """One radar of a scene: where it stands, what it covers and how well it sees.

    ``horizon`` limits it by the height of its antenna and of each ship; ``near_clutter_share`` of the false plots lie
    within a quarter of the range, as sea clutter does.
    """

    name: str
    lat_deg: float
    lon_deg: float
    range_m: float
    scan_s: float
    range_sigma_m: float
    bearing_sigma_deg: float
    p_detection: float
    clutter_per_scan: float
    antenna_height_m: float = 0.0
    range_bias_m: float = 0.0
    bearing_bias_deg: float = 0.0
    horizon: bool = False
    near_clutter_share: float = 0.0


class Sweep:
    """One radar turning: in each step the plots of the sector it swept, and its share of clutter."""

    def __init__(
        self,
        rng: np.random.Generator,
        extra: np.random.Generator,
        site: RadarSite,
        crowd: Crowd,
        conditions: Conditions,
    ) -> None:
        self.rng, self.extra, self.site, self.scan, self.extent = rng, extra, site, -1, conditions.radar_extent
        self.due_s: FloatArray = np.empty(0)
        self.clutter: FloatArray = np.empty((3, 0))
        self.reach_m = np.full(len(crowd.lat), site.range_m)
        if site.horizon:
            height = 3.0 + 0.1 * crowd.length_m
            self.reach_m = np.minimum(site.range_m, radio_horizon_m(site.antenna_height_m, height))
        land = {str(n): outline(island) for n, island in enumerate(crowd.islands)}
        self.shadow_m = shadow_ranges_m((site.lat_deg, site.lon_deg), land) if land else None

    def covers(self, crowd: Crowd) -> BoolArray:
        """Ships this radar could see now."""
        site = self.site
        ground = distance_m(site.lat_deg, site.lon_deg, crowd.lat, crowd.lon)
        bearing = bearing_deg(site.lat_deg, site.lon_deg, crowd.lat, crowd.lon) if self.shadow_m is not None else ground
        return self._within(np.arange(len(ground)), ground, bearing)

    def _within(self, ship: IntArray, ground: FloatArray, bearing: FloatArray) -> BoolArray:
        seen = ground <= self.reach_m[ship]
        if self.shadow_m is not None:
            seen &= ground < self.shadow_m[np.minimum(bearing.astype(int), 359)]
        return np.asarray(seen)

    def _begin(self, crowd: Crowd, scan: int) -> None:
        site, rng = self.site, self.rng
        self.scan = scan
        bearing = bearing_deg(site.lat_deg, site.lon_deg, crowd.lat, crowd.lon)
        self.due_s = (scan + bearing / 360.0) * site.scan_s
        self.due_s[rng.random(len(bearing)) >= site.p_detection] = np.inf
        self.due_s[~crowd.begun] = np.inf
        count = rng.poisson(site.clutter_per_scan)
        angle = rng.uniform(0.0, 360.0, count)
        span = site.range_m * np.sqrt(rng.random(count))
        if site.near_clutter_share > 0.0:
            span *= np.where(self.extra.random(count) < site.near_clutter_share, NEAR, 1.0)
        self.clutter = np.stack([(scan + angle / 360.0) * site.scan_s, span, angle])

    def between(self, crowd: Crowd, from_s: float, to_s: float, start_us: int) -> tuple[pa.Table, IntArray]:
        """Plots of the sector swept in [from_s, to_s), with the ships they are of and -1 for clutter."""
        site, rng = self.site, self.rng
        if int(from_s // site.scan_s) != self.scan:
            self._begin(crowd, int(from_s // site.scan_s))
        seen = np.flatnonzero((self.due_s >= from_s) & (self.due_s < to_s))
        dt = self.due_s[seen] - from_s
        east, north = (v[seen] * dt for v in crowd.velocity)
        if self.extent:
            glint = self.extra.normal(size=(2, len(seen))) * crowd.length_m[seen] / 6.0
            east, north = east + glint[0], north + glint[1]
        lat, lon = offset_position(crowd.lat[seen], crowd.lon[seen], east, north)
        ground = distance_m(site.lat_deg, site.lon_deg, lat, lon)
        bearing = bearing_deg(site.lat_deg, site.lon_deg, lat, lon)
        near = self._within(seen, ground, bearing)
        seen, ground, bearing = seen[near], ground[near], bearing[near]
        false = self.clutter[:, (self.clutter[0] >= from_s) & (self.clutter[0] < to_s)]
        plots = len(seen)
        slant = slant_range_m(ground, site.antenna_height_m) + rng.normal(site.range_bias_m, site.range_sigma_m, plots)
        angle = bearing + rng.normal(site.bearing_bias_deg, site.bearing_sigma_deg, plots)
        owner = np.concatenate([seen, np.full(false.shape[1], CLUTTER)]).astype(np.int64)
        table = polar_observations(
            source=site.name,
            station=site.name,
            sensor_lat_deg=site.lat_deg,
            sensor_lon_deg=site.lon_deg,
            antenna_height_m=site.antenna_height_m,
            observed_us=start_us + np.rint(np.concatenate([self.due_s[seen], false[0]]) * 1e6).astype(np.int64),
            received_us=None,
            time_source="tag_block",
            range_m=np.maximum(np.concatenate([slant, false[1]]), 1.0),
            bearing_deg=np.concatenate([angle, false[2]]),
            range_sigma_m=site.range_sigma_m,
            bearing_sigma_deg=site.bearing_sigma_deg,
            scan=np.full(len(owner), self.scan),
        )
        return table, owner
