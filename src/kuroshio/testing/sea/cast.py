"""The planted story: ships that do what a node is expected to find, and the facts about them.

What enters: a register of ships and the pace. What leaves: the cast added to the register, and the story as plain
values. The story's windows in coverage are computed from the same plans and horizons that the sea plays.
"""

from __future__ import annotations

from typing import Any

from kuroshio import clock
from kuroshio.geo import distance_m, radio_horizon_m
from kuroshio.testing.sea.fleet import END_REVERSE, END_STAY, KINDS, Plan, Waypoint
from kuroshio.testing.sea.geography import ZONE, ZONE_NAME, Point
from kuroshio.testing.sea.scenario import Scenario
from kuroshio.testing.sea.ships import SPOOF_DRAG, SPOOF_JUMP, Register, straight
from kuroshio.units import MPS_PER_KN, US_PER_S

DARK_START, DARK_END, DARK_KN = (21.02, 121.52), (19.70, 121.72), 9.0
MEETING: Point = (20.22, 122.62)
LOITER: Point = (20.86, 122.55)
DUPLICATE_MMSI = 412_345_678


def add_cast(register: Register, scenario: Scenario, start_us: int) -> dict[str, Any]:
    """Add the cast and return the story: ids, times (RFC 3339) and places of all that is planted."""

    def at(seconds: float) -> int:
        return start_us + round(seconds * US_PER_S)

    pace = scenario.pace
    story: dict[str, Any] = {"scenario": scenario.name, "start": clock.rfc3339(start_us)}
    dark = register.add("dark", "coaster", straight(DARK_START, DARK_END, DARK_KN), has_ais=False, length_m=72)
    story["dark"] = {
        "ship_id": dark,
        "from": list(DARK_START),
        "to": list(DARK_END),
        "speed_mps": DARK_KN * MPS_PER_KN,
        "radar_windows": _windows(scenario, register.ships[dark].plan, start_us),
    }
    meet, part = at(pace.meet_s), at(pace.meet_s + pace.meet_for_s)
    pair = [_meeting(register, scenario, side, meet, part) for side in (-1.0, 1.0)]
    story["rendezvous"] = {
        "ship_ids": pair,
        "mmsis": [register.ships[i].mmsi for i in pair],
        "from": clock.rfc3339(meet),
        "to": clock.rfc3339(part),
        "at": list(MEETING),
        "distance_m": 160.0,
    }
    loiter = register.add(
        "loiterer",
        "bulk",
        Plan(LOITER, [Waypoint(LOITER, 1.0, leave_us=at(pace.loiter_for_s)), Waypoint((21.9, 124.4), 11.0)], END_STAY,
             drift_mps=(0.25, 0.35)),
        length_m=138,
    )  # fmt: skip
    story["loiterer"] = _fact(register, loiter, start_us, at(pace.loiter_for_s)) | {"at": list(LOITER)}
    off, on = at(pace.gap_from_s), at(pace.gap_from_s + pace.gap_for_s)
    gap = register.add(
        "gap", "fishing", straight((20.02, 121.60), (21.05, 122.75), 7.5), off_us=(off, on), length_m=38, class_b=False
    )
    story["gap"] = _fact(register, gap, off, on) | {
        "radar_windows": _windows(scenario, register.ships[gap].plan, start_us)
    }
    story["spoofed"] = _spoofers(register, at(pace.spoof_from_s))
    story["duplicate"] = _duplicates(register, start_us)
    intruder, enters = _intruder(register, at(pace.intrusion_s), start_us)
    ring = [[lon, lat] for lat, lon in (*ZONE, ZONE[0])]
    story["intruder"] = {
        "ship_id": intruder,
        "mmsi": register.ships[intruder].mmsi,
        "enters_at": clock.rfc3339(enters),
    }
    story["zone"] = {
        "type": "Feature",
        "properties": {"name": ZONE_NAME},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    return story


def _fact(register: Register, ship: int, from_us: int, to_us: int | None) -> dict[str, Any]:
    return {
        "ship_id": ship,
        "mmsi": register.ships[ship].mmsi,
        "from": clock.rfc3339(from_us),
        "to": None if to_us is None else clock.rfc3339(to_us),
    }


def _meeting(register: Register, scenario: Scenario, side: float, meet_us: int, part_us: int) -> int:
    """One of two ships that meet: it comes up in time, lies alongside drifting with the other, and leaves."""
    offset = side * 80.0 / 111_000.0  # half of 160 m, in degrees of latitude
    place = (MEETING[0] + offset, MEETING[1])
    far = min(scenario.pace.meet_s, 1800.0) * 5.0 * MPS_PER_KN / 111_000.0
    start = (MEETING[0] + side * (far + 0.002), MEETING[1] + side * 0.004)
    plan = Plan(
        start,
        [
            Waypoint(place, 8.0, arrive_us=meet_us, hold_s=1.0, leave_us=part_us),
            Waypoint((MEETING[0] + side * 1.5, MEETING[1] + 1.0), 9.0),
        ],
        END_STAY,
        drift_mps=(0.3, 0.2),
    )
    kind = "coaster" if side < 0 else "fishing"
    return register.add("rendezvous", kind, plan, length_m=92 if side < 0 else 44, class_b=False)


def _spoofers(register: Register, from_us: int) -> list[dict[str, Any]]:
    jump = register.add(
        "spoof_jump", "bulk", straight((20.75, 121.30), (19.60, 121.15), 9.5),
        spoof=SPOOF_JUMP, spoof_from_us=from_us, spoof_east=-9_000.0, spoof_north=18_000.0, length_m=165,
    )  # fmt: skip
    drag = register.add(
        "spoof_drag", "bulk", straight((20.05, 122.28), (21.30, 122.85), 10.0),
        spoof=SPOOF_DRAG, spoof_from_us=from_us, spoof_east=2.0, spoof_north=-0.5, length_m=171,
    )  # fmt: skip
    return [
        _fact(register, jump, from_us, None) | {"how": "jump", "offset_m": [-9_000.0, 18_000.0]},
        _fact(register, drag, from_us, None) | {"how": "drag", "offset_mps": [2.0, -0.5]},
    ]


def _duplicates(register: Register, start_us: int) -> dict[str, Any]:
    one = register.add(
        "duplicate", "fishing", straight((20.90, 122.10), (20.00, 122.40), 5.0), mmsi=DUPLICATE_MMSI, class_b=False
    )
    two = register.add(
        "duplicate", "fishing", straight((24.20, 122.70), (24.65, 123.45), 5.0), mmsi=DUPLICATE_MMSI, class_b=False
    )
    return {"ship_ids": [one, two], "mmsi": DUPLICATE_MMSI, "from": clock.rfc3339(start_us)}


def _intruder(register: Register, enters_us: int, start_us: int) -> tuple[int, int]:
    """A boat from the east that crosses the zone's edge at the time asked, works inside and leaves."""
    edge_lon = max(lon for _, lon in ZONE)
    speed_kn = 9.0
    seconds = (enters_us - start_us) / 1e6
    east = seconds * speed_kn * MPS_PER_KN / 104_200.0  # metres in a degree of longitude at 20.66 N
    start = (20.66, edge_lon + east)
    plan = Plan(
        start,
        [
            Waypoint((20.66, 122.27), speed_kn, hold_s=900.0),
            Waypoint((20.62, 122.20), 3.5),
            Waypoint((20.66, 123.4), 9.0),
        ],
        END_REVERSE,
        drift_mps=(0.1, 0.1),
    )
    return register.add("intruder", "fishing", plan, length_m=36, class_b=False), enters_us


def _windows(scenario: Scenario, plan: Plan, start_us: int) -> dict[str, list[str]]:
    """By radar, first and last time within 6 hours at which a straight plan is within its horizon and range."""
    (end,) = (plan.waypoints[0].at,)
    total = float(distance_m(*plan.start, *end))
    speed = plan.waypoints[0].speed_kn * MPS_PER_KN
    height = KINDS["coaster"].height_m
    windows: dict[str, list[str]] = {}
    for radar in scenario.radars:
        reach = min(radar.range_m, float(radio_horizon_m(radar.height_m, height)))
        seen = []
        for second in range(0, 21_600, 30):
            share = min(speed * second / total, 1.0)
            here = tuple(a + share * (b - a) for a, b in zip(plan.start, end, strict=True))
            if float(distance_m(*radar.at, *here)) < reach:
                seen.append(start_us + second * US_PER_S)
        if seen:
            windows[radar.name] = [clock.rfc3339(seen[0]), clock.rfc3339(seen[-1])]
    return windows
