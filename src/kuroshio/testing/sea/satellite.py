"""Radar images from orbit: at each pass, the ships and the mistakes in it, as lines of CSV.

What enters: the fleet at the moment of a pass. What leaves: an emission with the detections, some minutes late.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kuroshio import clock
from kuroshio.geo import offset_position
from kuroshio.testing.sea.fleet import Fleet
from kuroshio.testing.sea.radio import Emission
from kuroshio.testing.sea.scenario import SatelliteRadar
from kuroshio.testing.sea.ships import Ship
from kuroshio.units import US_PER_S


class Imager:
    """One satellite radar; `between` gives the emission of a pass that falls into a step."""

    def __init__(
        self, rng: np.random.Generator, satellite: SatelliteRadar, ships: Sequence[Ship], start_us: int
    ) -> None:
        self.rng, self.satellite = rng, satellite
        self.length = np.array([s.length_m for s in ships], float)
        self.next_us = start_us + round(satellite.first_s * US_PER_S)
        self.image = 0

    def between(self, fleet: Fleet, to_us: int) -> list[Emission]:
        """The detections of a pass before `to_us`, or nothing."""
        if self.next_us >= to_us:
            return []
        at, satellite, rng = self.next_us, self.satellite, self.rng
        self.next_us += round(satellite.every_s * US_PER_S)
        self.image += 1
        south, west, north, east = satellite.box
        dt = (at - fleet.at_us) / 1e6
        ve, vn = fleet.velocity
        lat, lon = offset_position(fleet.lat, fleet.lon, ve * dt, vn * dt)
        inside = (lat > south) & (lat < north) & (lon > west) & (lon < east)
        p_seen = np.clip((self.length - 8.0) / 30.0, 0.05, 0.97)
        rows = np.flatnonzero(inside & (rng.random(len(lat)) < p_seen))
        noise = rng.normal(0.0, satellite.sigma_m, (2, len(rows)))
        lat, lon = offset_position(lat[rows], lon[rows], noise[0], noise[1])
        length = np.maximum(self.length[rows] * rng.normal(1.0, 0.12, len(rows)), 6.0)
        false = int(rng.poisson(satellite.false_per_image))
        lat = np.concatenate([lat, rng.uniform(south, north, false)])
        lon = np.concatenate([lon, rng.uniform(west, east, false)])
        length = np.concatenate([length, rng.uniform(8.0, 40.0, false)])
        confidence = np.concatenate([rng.uniform(0.7, 1.0, len(rows)), rng.uniform(0.4, 0.8, false)])
        order = rng.permutation(len(lat))
        name, when = f"{satellite.name}-{self.image:04d}", clock.rfc3339(at)
        lines = [
            f"{name}-{n:03d},{when},{lat[i]:.5f},{lon[i]:.5f},{satellite.sigma_m:.0f},{length[i]:.0f},"
            f"{0.15 * length[i]:.0f},{confidence[i]:.2f},{name}\r\n"
            for n, i in enumerate(order.tolist())
        ]
        return [Emission(at + round(satellite.delay_s * US_PER_S), satellite.name, "".join(lines).encode())]
