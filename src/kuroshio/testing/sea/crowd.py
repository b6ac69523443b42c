"""Any number of ships that move: struct of arrays, straight legs, turns at a bounded rate, ships at anchor.

What enters: sizes and conditions. What leaves: position, velocity and heading of all ships at each step. It
transmits nothing; `fleet` moves a few ships by plans, this one very many without.
"""

from __future__ import annotations

import numpy as np

from kuroshio.geo import enu_offset_m, metres_per_degree, offset_position
from kuroshio.testing.sea.conditions import Conditions
from kuroshio.testing.sea.geography import Point
from kuroshio.units import BoolArray, FloatArray, nm_to_m

ISLAND_MARGIN_M = 2500.0
ISLAND_CORNERS = 24
SHIP_LENGTH_M = 14.0, 330.0  # log-uniform
BOAT_LENGTH_M = 6.0, 30.0  # craft with class B: below the 300 GT from which SOLAS V/19 asks for class A


class Crowd:
    """Ships in a box.

    Parameters
    ----------
    rng, extra
        Chance of the plain motion, and of all conditions: lies and losses do not change how ships sail.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        extra: np.random.Generator,
        ships: int,
        centre: Point,
        half_nm: float,
        conditions: Conditions,
    ) -> None:
        half_m = float(nm_to_m(half_nm))
        east, north = rng.uniform(-half_m, half_m, (2, ships))
        lat, lon = offset_position(centre[0], centre[1], east, north)
        self.rng, self.now_s = rng, 0.0
        self.lat: FloatArray = lat
        self.lon: FloatArray = lon
        self.course: FloatArray = rng.uniform(0.0, 360.0, ships)
        self.speed: FloatArray = np.where(rng.random(ships) < 0.05, 0.0, rng.uniform(2.0, 12.0, ships))
        self.turn: FloatArray = np.zeros(ships)
        self.turn_left_s: FloatArray = np.zeros(ships)
        self.home_lat, self.home_lon = np.full(ships, centre[0]), np.full(ships, centre[1])
        self.home_m = np.full(ships, half_m)
        self.turn_every_s = np.full(ships, conditions.manoeuvre_every_s)
        self.fastest_mps = np.full(ships, 13.0)
        self.length_m: FloatArray = np.exp(extra.uniform(np.log(SHIP_LENGTH_M[0]), np.log(SHIP_LENGTH_M[1]), ships))
        self.boat: BoolArray = np.zeros(ships, np.bool_)
        self.begins_s: FloatArray = extra.uniform(0.0, 1.0, ships) * conditions.ramp_s
        self._harbours(extra, centre, half_m, conditions)
        self.islands = _islands(extra, centre, half_m, conditions.islands)
        self._off_the_islands()
        self.speed[extra.random(ships) < conditions.moored_share] = 0.0
        self.moving: BoolArray = self.speed > 0.0
        self._anchor(extra, conditions.swing)

    def _harbours(self, extra: np.random.Generator, centre: Point, half_m: float, conditions: Conditions) -> None:
        count, ships = conditions.harbours, len(self.lat)
        if not count:
            return
        places = offset_position(centre[0], centre[1], *extra.uniform(-0.8 * half_m, 0.8 * half_m, (2, count)))
        inside = extra.random(ships) < conditions.harbour_share
        which = extra.integers(count, size=ships)
        radius = conditions.harbour_radius_m * np.sqrt(extra.random(ships))
        angle = extra.uniform(0.0, 2.0 * np.pi, ships)
        lat, lon = offset_position(places[0][which], places[1][which], radius * np.sin(angle), radius * np.cos(angle))
        slow = np.where(extra.random(ships) < 0.6, 0.0, extra.uniform(1.5, 5.0, ships))
        self.lat, self.lon = np.where(inside, lat, self.lat), np.where(inside, lon, self.lon)
        self.speed = np.where(inside, slow, self.speed)
        self.home_lat = np.where(inside, places[0][which], self.home_lat)
        self.home_lon = np.where(inside, places[1][which], self.home_lon)
        self.home_m[inside] = conditions.harbour_radius_m
        self.turn_every_s[inside] = 150.0
        self.fastest_mps[inside] = 5.0

    def _off_the_islands(self) -> None:
        for lat, lon, radius in self.islands:  # a few islands
            east, north = enu_offset_m(lat, lon, self.lat, self.lon)
            away = np.maximum(np.hypot(east, north), 1.0)
            out = away < radius + ISLAND_MARGIN_M
            scale = (radius + 2 * ISLAND_MARGIN_M) / away[out]
            self.lat[out], self.lon[out] = offset_position(lat, lon, east[out] * scale, north[out] * scale)

    def _anchor(self, extra: np.random.Generator, swing: bool) -> None:
        """Ships at rest: an anchor, a radius, an arc and a period."""
        self.at_rest = np.flatnonzero(~self.moving)
        count = len(self.at_rest)
        self.swing_m = extra.uniform(20.0, 120.0, count) * float(swing)
        self.mean_rad, self.arc_rad = extra.uniform(0.0, 2 * np.pi, count), extra.uniform(0.2, 1.0, count)
        self.rate, self.phase = 2 * np.pi / extra.uniform(600.0, 1800.0, count), extra.uniform(0.0, 2 * np.pi, count)
        self.anchor = self.lat[self.at_rest], self.lon[self.at_rest]
        if swing:
            self._swing()

    def _swing(self) -> None:
        rest = self.at_rest
        angle = self.mean_rad + self.arc_rad * np.sin(self.rate * self.now_s + self.phase)
        east, north = self.swing_m * np.sin(angle), self.swing_m * np.cos(angle)
        self.lat[rest], self.lon[rest] = offset_position(*self.anchor, east, north)
        self.course[rest] = (np.degrees(angle) + 180.0) % 360.0  # the bow to the anchor

    @property
    def velocity(self) -> tuple[FloatArray, FloatArray]:
        """(east, north) velocity in m/s."""
        angle = np.radians(self.course)
        east, north = self.speed * np.sin(angle), self.speed * np.cos(angle)
        if len(self.at_rest) and self.swing_m.any():
            at = self.mean_rad + self.arc_rad * np.sin(self.rate * self.now_s + self.phase)
            spin = self.arc_rad * self.rate * np.cos(self.rate * self.now_s + self.phase)
            east[self.at_rest] = self.swing_m * spin * np.cos(at)
            north[self.at_rest] = -self.swing_m * spin * np.sin(at)
        return east, north

    @property
    def begun(self) -> BoolArray:
        """Ships that are there already."""
        return self.begins_s <= self.now_s

    def step(self, dt_s: float) -> None:
        """Move all ships on; a ship that leaves its waters turns back towards their middle."""
        start = self.moving & (self.turn_left_s <= 0.0) & (self.rng.random(len(self.lat)) < dt_s / self.turn_every_s)
        count = int(start.sum())
        if count:
            self.turn[start] = self.rng.uniform(0.1, 0.6, count) * self.rng.choice([-1.0, 1.0], count)
            self.turn_left_s[start] = self.rng.uniform(20.0, 120.0, count)
            speed = self.speed[start] + self.rng.normal(0.0, 1.0, count)
            self.speed[start] = np.clip(speed, 1.5, self.fastest_mps[start])
        turning = self.turn_left_s > 0.0
        self.course = (self.course + np.where(turning, self.turn, 0.0) * dt_s) % 360.0
        self.turn_left_s -= dt_s
        ve, vn = self.velocity
        self.lat, self.lon = offset_position(self.lat, self.lon, ve * dt_s, vn * dt_s)
        self.now_s += dt_s
        if self.swing_m.any():
            self._swing()
        east_per_deg, north_per_deg = metres_per_degree(self.home_lat)
        east, north = (self.lon - self.home_lon) * east_per_deg, (self.lat - self.home_lat) * north_per_deg
        out = (np.abs(east) > self.home_m) & (ve * east > 0) | (np.abs(north) > self.home_m) & (vn * north > 0)
        for lat, lon, radius in self.islands:
            e, n = enu_offset_m(lat, lon, self.lat, self.lon)
            out |= (np.hypot(e, n) < radius + ISLAND_MARGIN_M) & (ve * e + vn * n < 0)
        out &= (self.turn_left_s <= 0.0) & self.moving
        self.turn[out], self.turn_left_s[out] = 0.6, 300.0

    def motion(self) -> list[str]:
        """moored, steady or manoeuvring, by ship."""
        words = np.array(["moored", "steady", "manoeuvring"])
        chosen: list[str] = words[np.where(self.moving, 1 + (self.turn_left_s > 0.0), 0)].tolist()
        return chosen


def make_boats(crowd: Crowd, boat: BoolArray) -> None:
    """Give these ships a boat's length: the same place in the shares of length, so that no chance is drawn anew."""
    share = np.log(crowd.length_m[boat] / SHIP_LENGTH_M[0]) / np.log(SHIP_LENGTH_M[1] / SHIP_LENGTH_M[0])
    crowd.length_m[boat] = BOAT_LENGTH_M[0] * (BOAT_LENGTH_M[1] / BOAT_LENGTH_M[0]) ** share
    crowd.boat = boat


def _islands(extra: np.random.Generator, centre: Point, half_m: float, count: int) -> list[tuple[float, float, float]]:
    """(lat, lon, radius in metres) of each island."""
    lat, lon = offset_position(*centre, *extra.uniform(-0.7 * half_m, 0.7 * half_m, (2, count)))
    return list(zip(lat.tolist(), lon.tolist(), extra.uniform(3000.0, 9000.0, count).tolist(), strict=True))


def outline(island: tuple[float, float, float]) -> tuple[Point, ...]:
    """Corners of an island."""
    angle = np.linspace(0.0, 2 * np.pi, ISLAND_CORNERS, endpoint=False)
    lat, lon = offset_position(island[0], island[1], island[2] * np.sin(angle), island[2] * np.cos(angle))
    return tuple(zip(lat.tolist(), lon.tolist(), strict=True))
