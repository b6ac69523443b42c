"""Who sails: identities and sizes of all ships, what they transmit and when, and the planted cast.

What enters: a scenario, a seed. What leaves: a register of ships with their plans, and the story the cast will play.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from kuroshio.geo import bearing_deg, distance_m, offset_position
from kuroshio.testing.sea.fleet import END_REVERSE, END_STAY, END_WANDER, KINDS, Plan, Waypoint
from kuroshio.testing.sea.geography import GROUNDS, HARBOUR_ROADS, LANES, PORTS, Ground, Lane, Point

MIDS = (  # ITU, table of maritime identification digits: flags common in these waters
    548, 431, 432, 416, 440, 352, 354, 371, 373, 636, 477, 563, 565, 538, 574, 413, 366, 533,
)  # fmt: skip
_LOCAL_MIDS = (548, 548, 548, 431, 416)
_FIRST = ("PACIFIC", "OCEAN", "NORTH", "BLUE", "GOLDEN", "CORAL", "SILVER", "EASTERN", "GRAND", "STAR", "SEA", "LUCKY")
_SECOND = (
    "HARMONY",
    "PIONEER",
    "TRADER",
    "DAWN",
    "HORIZON",
    "PEARL",
    "BREEZE",
    "SPIRIT",
    "WAVE",
    "ROSE",
    "HERON",
    "GLORY",
)
SPOOF_NONE, SPOOF_JUMP, SPOOF_DRAG = 0, 1, 2
FOREVER = np.iinfo(np.int64).max


@dataclass
class Ship:
    """One ship: who it says it is, what it is, and what it does."""

    role: str
    kind: str
    plan: Plan
    mmsi: int
    name: str
    call_sign: str
    imo: int
    length_m: int
    beam_m: int
    class_b: bool
    has_ais: bool = True
    off_us: tuple[int, int] = (FOREVER, FOREVER)
    spoof: int = SPOOF_NONE
    spoof_from_us: int = FOREVER
    spoof_east: float = 0.0  # metres of a jump, metres a second of a drag
    spoof_north: float = 0.0
    destination: str = ""


@dataclass
class Register:
    """All ships of a sea, drawn from one stream of chance."""

    rng: np.random.Generator
    ships: list[Ship] = field(default_factory=list)
    _used: set[int] = field(default_factory=set)

    def add(self, role: str, kind: str, plan: Plan, *, mmsi: int | None = None, **changes: object) -> int:
        """Number of a new ship with identity and size drawn for its kind."""
        rng, spec = self.rng, KINDS[kind]
        local = kind in ("fishing", "ferry", "coaster", "patrol", "tug")
        while mmsi is None or (mmsi in self._used and role != "duplicate"):
            mid = int(rng.choice(_LOCAL_MIDS if local else MIDS))
            mmsi = mid * 1_000_000 + int(rng.integers(1_000, 999_999))
        self._used.add(mmsi)
        length = round(float(rng.uniform(*spec.length_m)))
        if kind == "fishing":
            name = f"FB {_SECOND[int(rng.integers(len(_SECOND)))]} {int(rng.integers(1, 99))}"
        else:
            name = f"{_FIRST[int(rng.integers(len(_FIRST)))]} {_SECOND[int(rng.integers(len(_SECOND)))]}"
        ship = Ship(
            role,
            kind,
            plan,
            mmsi,
            name,
            f"D{chr(65 + int(rng.integers(26)))}{chr(65 + int(rng.integers(26)))}{int(rng.integers(1000, 9999))}",
            imo_number(int(rng.integers(900_000, 999_999))) if length >= 90 else 0,
            length,
            max(4, round(length / 6.5)),
            bool(rng.random() < spec.class_b),
            destination=str(rng.choice(["MANILA", "TOKYO", "BUSAN", "KAOHSIUNG", "SINGAPORE", "NAHA"])),
        )
        for name_, value in changes.items():
            setattr(ship, name_, value)
        self.ships.append(ship)
        return len(self.ships) - 1


def imo_number(first_six: int) -> int:
    """IMO number with its check digit from six digits (IMO A.1117(30))."""
    digits = [int(d) for d in f"{first_six:06d}"]
    return first_six * 10 + sum(d * w for d, w in zip(digits, range(7, 1, -1), strict=True)) % 10


def add_traffic(register: Register, lane_ships: int, fishing_boats: int, moored: int, harbour: int = 0) -> None:
    """Ordinary ships: along the lanes both ways, at work on the grounds, in port, and crowded in the roads."""
    rng = register.rng
    weights = np.array([lane.weight for lane in LANES])
    for lane_index in rng.choice(len(LANES), lane_ships, p=weights / weights.sum()):
        lane = LANES[int(lane_index)]
        kind = str(rng.choice(lane.kinds))
        register.add("lane", kind, lane_plan(rng, lane, kind))
    for _ in range(fishing_boats):
        ground = GROUNDS[int(rng.integers(len(GROUNDS)))]
        register.add("fishing", "fishing", _at_work(rng, ground))
    names = list(PORTS)
    for n in range(moored):
        at = PORTS[names[n % len(names)]]
        lat, lon = offset_position(*at, *rng.normal(0.0, 150.0, 2))
        start = (float(lat), float(lon))
        kind = str(rng.choice(["fishing", "coaster", "tug", "ferry"]))
        register.add("moored", kind, Plan(start, [Waypoint(start, hold_s=1e9)], END_STAY))
    for _ in range(harbour):
        kind = str(rng.choice(["fishing", "tug", "coaster", "ferry"], p=[0.5, 0.25, 0.15, 0.1]))
        register.add("harbour", kind, _at_work(rng, HARBOUR_ROADS))


def _at_work(rng: np.random.Generator, ground: Ground) -> Plan:
    """A plan without an end: here and there on a ground."""
    radius, angle = ground.radius_m * np.sqrt(rng.random()), rng.uniform(0.0, 2.0 * np.pi)
    lat, lon = offset_position(*ground.centre, radius * np.sin(angle), radius * np.cos(angle))
    start = (float(lat), float(lon))
    return Plan(start, [Waypoint(ground.centre, 3.0)], END_WANDER, ground.radius_m, (0.15, 0.2), 3.0)


def lane_plan(rng: np.random.Generator, lane: Lane, kind: str) -> Plan:
    """A passage along a lane, begun somewhere on it, to one side of its axis, in one direction or the other."""
    points = list(lane.points) if rng.random() < 0.5 else list(lane.points)[::-1]
    side_m = float(rng.uniform(300.0, 2500.0)) if kind != "ferry" else float(rng.uniform(100.0, 600.0))
    shifted = [points[0]]
    for before, at in itertools.pairwise(points):  # keep to starboard of the axis
        heading = np.radians(bearing_deg(*before, *at))
        lat, lon = offset_position(*at, side_m * np.cos(heading), -side_m * np.sin(heading))
        shifted.append((float(lat), float(lon)))
    legs = [float(distance_m(*a, *b)) for a, b in itertools.pairwise(shifted)]
    along = float(rng.random()) * sum(legs)
    leg = 0
    while leg < len(legs) - 1 and along > legs[leg]:
        along -= legs[leg]
        leg += 1
    share = min(along / legs[leg], 1.0)
    (lat0, lon0), (lat1, lon1) = shifted[leg], shifted[leg + 1]
    start = (lat0 + share * (lat1 - lat0), lon0 + share * (lon1 - lon0))
    speed = float(rng.uniform(*KINDS[kind].speed_kn))
    waypoints = [Waypoint(p, speed) for p in shifted]
    in_port = kind in ("ferry", "coaster")
    if in_port:
        waypoints[0] = Waypoint(shifted[0], speed, hold_s=3600.0)
        waypoints[-1] = Waypoint(shifted[-1], speed, hold_s=3600.0)
    return Plan(start, waypoints, END_REVERSE, first=leg + 1)


def straight(start: Point, end: Point, speed_kn: float) -> Plan:
    """A straight passage from one place to another, and on to stay there."""
    return Plan(start, [Waypoint(end, speed_kn)], END_STAY)
