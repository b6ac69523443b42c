"""Ships that move: plans of waypoints followed by a helmsman with a rudder and an engine, for all ships at once.

What enters: plans. What leaves: position, velocity, heading and rate of turn at each step, as arrays. It transmits
nothing and knows no sensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kuroshio.geo import enu_offset_m, offset_position
from kuroshio.testing.sea.geography import Point
from kuroshio.units import MPS_PER_KN, FloatArray, IntArray

ARRIVAL_M = 400.0
END_REVERSE, END_STAY, END_WANDER = 0, 1, 2


@dataclass(frozen=True)
class Kind:
    """What ships of a kind have in common; ranges are uniform."""

    ais_type: int  # ITU-R M.1371-5, table 53
    length_m: tuple[float, float]
    speed_kn: tuple[float, float]
    turn_degps: float
    accel_mps2: float
    height_m: float
    class_b: float


KINDS: dict[str, Kind] = {
    "container": Kind(71, (150.0, 366.0), (13.0, 20.0), 0.4, 0.02, 40.0, 0.0),
    "bulk": Kind(70, (120.0, 290.0), (9.5, 14.0), 0.35, 0.015, 30.0, 0.0),
    "tanker": Kind(80, (140.0, 333.0), (9.0, 14.5), 0.3, 0.012, 32.0, 0.0),
    "coaster": Kind(79, (60.0, 110.0), (8.0, 12.0), 0.8, 0.03, 18.0, 0.0),
    "ferry": Kind(60, (45.0, 160.0), (12.0, 21.0), 1.2, 0.05, 22.0, 0.0),
    "fishing": Kind(30, (12.0, 45.0), (7.0, 10.0), 3.0, 0.1, 7.0, 0.7),
    "tug": Kind(52, (22.0, 45.0), (6.0, 11.0), 3.0, 0.1, 10.0, 0.0),
    "patrol": Kind(55, (40.0, 97.0), (12.0, 22.0), 2.0, 0.15, 16.0, 0.0),
}


@dataclass(frozen=True)
class Waypoint:
    """A place to go to: at a speed or by a time, then perhaps to stay there, drifting."""

    at: Point
    speed_kn: float = 10.0
    arrive_us: int | None = None
    hold_s: float = 0.0
    leave_us: int | None = None


@dataclass
class Plan:
    """What one ship does: its start, its waypoints, and what it does after the last."""

    start: Point
    waypoints: list[Waypoint]
    end: int = END_REVERSE
    wander_m: float = 0.0
    drift_mps: tuple[float, float] = (0.0, 0.0)  # east, north, while it holds
    speed_kn: float | None = None  # at the start; None is the first waypoint's
    first: int = 0  # waypoint it makes for at the start


@dataclass
class Fleet:
    """State of all ships; `step` moves them on."""

    rng: np.random.Generator
    plans: Sequence[Plan]
    kinds: Sequence[str]
    start_us: int
    lat: FloatArray = field(init=False)
    lon: FloatArray = field(init=False)
    course: FloatArray = field(init=False)
    speed: FloatArray = field(init=False)
    turn: FloatArray = field(init=False)
    drift_e: FloatArray = field(init=False)
    drift_n: FloatArray = field(init=False)
    at_us: int = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.plans)
        self.at_us = self.start_us
        self.lat = np.array([p.start[0] for p in self.plans])
        self.lon = np.array([p.start[1] for p in self.plans])
        self.turn_max = np.array([KINDS[k].turn_degps for k in self.kinds])
        self.accel = np.array([KINDS[k].accel_mps2 for k in self.kinds])
        self.target_lat, self.target_lon = self.lat.copy(), self.lon.copy()
        self.target_speed, self.hold_s = np.zeros(count), np.zeros(count)
        self.arrive_us, self.leave_us = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        self.holding = np.zeros(count, bool)
        self.index = np.array([p.first - 1 for p in self.plans], np.int64)
        self.sense = np.ones(count, np.int64)
        self.turn, self.course, self.speed = np.zeros(count), np.zeros(count), np.zeros(count)
        self.drift_e, self.drift_n = np.zeros(count), np.zeros(count)
        for ship in range(count):
            self._next(ship)
        east, north = enu_offset_m(self.lat, self.lon, self.target_lat, self.target_lon)
        self.course = np.degrees(np.arctan2(east, north)) % 360.0
        starts = [p.speed_kn if p.speed_kn is not None else -1.0 for p in self.plans]
        given = np.array(starts) * MPS_PER_KN
        self.speed = np.where(given >= 0.0, given, np.where(self.holding, 0.0, self.target_speed))

    @property
    def velocity(self) -> tuple[FloatArray, FloatArray]:
        """(east, north) over ground in m/s."""
        angle = np.radians(self.course)
        return self.speed * np.sin(angle) + self.drift_e, self.speed * np.cos(angle) + self.drift_n

    def _next(self, ship: int) -> None:
        """Give a ship its next waypoint; one ship at a time, for it happens some times an hour."""
        plan = self.plans[ship]
        self.holding[ship] = False
        self.drift_e[ship] = self.drift_n[ship] = 0.0
        index = int(self.index[ship] + self.sense[ship])
        if plan.end == END_WANDER and index >= len(plan.waypoints):
            self._wander(ship)
            return
        if not 0 <= index < len(plan.waypoints):
            if plan.end == END_STAY or len(plan.waypoints) < 2:
                self._hold(ship, np.inf)
                return
            self.sense[ship] = -self.sense[ship]
            index = int(self.index[ship] + self.sense[ship])
        self.index[ship] = index
        waypoint = plan.waypoints[index]
        self.target_lat[ship], self.target_lon[ship] = waypoint.at
        self.target_speed[ship] = waypoint.speed_kn * MPS_PER_KN
        self.hold_s[ship] = waypoint.hold_s
        self.arrive_us[ship] = -1 if waypoint.arrive_us is None else waypoint.arrive_us
        self.leave_us[ship] = -1 if waypoint.leave_us is None else waypoint.leave_us
        if (self.lat[ship], self.lon[ship]) == waypoint.at:
            self._arrive(ship)

    def _wander(self, ship: int) -> None:
        """A leg of a boat at work: a new place in its ground, slow with gear out, now and then faster."""
        plan = self.plans[ship]
        centre = plan.waypoints[-1].at if plan.waypoints else plan.start
        radius, angle = plan.wander_m * np.sqrt(self.rng.random()), self.rng.uniform(0.0, 2.0 * np.pi)
        lat, lon = offset_position(*centre, radius * np.sin(angle), radius * np.cos(angle))
        self.target_lat[ship], self.target_lon[ship] = lat, lon
        slow = self.rng.random() < 0.75
        self.target_speed[ship] = self.rng.uniform(2.0, 4.5) * MPS_PER_KN if slow else 8.0 * MPS_PER_KN
        self.hold_s[ship] = self.rng.uniform(300.0, 1200.0) if self.rng.random() < 0.2 else 0.0
        self.arrive_us[ship] = self.leave_us[ship] = -1

    def _arrive(self, ship: int) -> None:
        left = self.hold_s[ship]
        if self.leave_us[ship] >= 0:
            left = (self.leave_us[ship] - self.at_us) / 1e6
        if left > 0.0:
            self._hold(ship, left)
        else:
            self._next(ship)

    def _hold(self, ship: int, seconds: float) -> None:
        self.holding[ship] = True
        self.hold_s[ship] = seconds
        self.target_speed[ship] = 0.0
        self.drift_e[ship], self.drift_n[ship] = self.plans[ship].drift_mps

    def step(self, dt_s: float) -> None:
        """Move all ships on by dt."""
        east, north = enu_offset_m(self.lat, self.lon, self.target_lat, self.target_lon)
        distance = np.hypot(east, north)
        wanted = np.degrees(np.arctan2(east, north))
        error = (wanted - self.course + 180.0) % 360.0 - 180.0
        turn = np.clip(error / max(dt_s, 1.0), -self.turn_max, self.turn_max)
        self.turn = np.where(self.holding | (distance < 1.0), 0.0, turn)
        self.course = (self.course + self.turn * dt_s) % 360.0
        speed = self.target_speed
        stopping = (self.hold_s > 0.0) | (self.leave_us >= 0)
        timed = (self.arrive_us >= 0) & ~self.holding
        left_s = np.maximum((self.arrive_us - self.at_us) / 1e6, 1.0)
        # distance = v t - v^2 / 2a: the speed that stops there in time, braking at the end
        slack = np.sqrt(np.maximum(left_s**2 - 2.0 * distance / self.accel, 0.0))
        in_time = np.where(stopping, self.accel * (left_s - slack), distance / left_s)
        speed = np.where(timed, np.minimum(in_time, 30.0 * MPS_PER_KN), speed)
        brake = np.sqrt(2.0 * self.accel * np.maximum(distance - 20.0, 0.0)) + 0.2
        speed = np.where(stopping & ~self.holding, np.minimum(speed, brake), speed)
        speed = np.where(self.holding, 0.0, speed)
        self.speed += np.clip(speed - self.speed, -self.accel * dt_s, self.accel * dt_s)
        ve, vn = self.velocity
        self.lat, self.lon = offset_position(self.lat, self.lon, ve * dt_s, vn * dt_s)
        self.at_us += round(dt_s * 1e6)
        self.hold_s = np.where(self.holding, self.hold_s - dt_s, self.hold_s)
        near = np.where(stopping, 30.0, ARRIVAL_M)
        passed = (distance < 3.0 * near) & (np.abs(error) > 90.0)
        arrived: IntArray = np.flatnonzero(~self.holding & ((distance < near) | passed))
        for ship in arrived:
            self._arrive(int(ship))
        for ship in np.flatnonzero(self.holding & (self.hold_s <= 0.0)):
            self._next(int(ship))
