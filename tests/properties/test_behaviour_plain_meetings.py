"""Meetings of two ships at the time steps, to the crossing of the distance, against a loop written from the pages.

Every pair is walked step by step, alone. Decisions agree exactly. A crossing is solved from the same positions in
another order of operations: positions have 180 degrees times 2^-53, 2e-9 m, and what is made of them at most a few
hundred times that, so that at the time told the distance may differ by `FLOAT_M`; it is met to that and a microsecond.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from plain_sea import (
    ALL,
    END,
    T0,
    H,
    S,
    absent,
    apart_m,
    limits_of,
    live,
    plane_back,
    same,
    standing,
    table,
    tracks,
    us,
    values,
)

from kuroshio import behaviour, clock
from kuroshio.geo.earth import distance_m

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
KINDS = ("encounter", "encounter_short")
FLOAT_M = 1e-6
# where they meet: both sides of 180, off land and a port, in the north, and three kilometres from each pole
SPOTS = ((20.0, 180.0), (-60.0, -180.0), (0.0, 180.0), (74.0, 25.0), (89.97, 10.0), (-89.97, 180.0))
STEPS_S = (119, 120, 121, 599, 899, 900, 901, 3599, 3600, 3601, 9000)
LAND_EDGES = {20.0: 19.91, -60.0: -60.0095}  # ten kilometres and one south of where they meet
PORTS = {20.0: (179.9, 180.1, 20.001, 20.02), 74.0: (24.9, 25.005, 73.9, 74.001)}


def way(rng: Any, hours: float) -> tuple[list[float], list[float], list[float]]:
    """Times in seconds and places in metres about a spot between which one ship goes straight."""
    at, east, north = [0.0], [float(rng.normal(0, 400))], [float(rng.normal(0, 400))]
    while at[-1] < hours * 3600:
        far = float(rng.choice([60.0, 150.0, 270.0, 480.0, 2500.0], p=[0.3, 0.25, 0.2, 0.15, 0.1]))
        turn = float(rng.uniform(0, 2 * math.pi))
        if rng.random() < 0.6:  # it stays, and drifts a little
            at.append(at[-1] + float(rng.choice([600, 1500, 2100, 6000, 9000])))
            drift = float(rng.choice([0.0, 0.05, 1e-6])) * (at[-1] - at[-2])
            east.append(east[-1] + drift * math.cos(turn))
            north.append(north[-1] + drift * math.sin(turn))
        else:
            x, y = far * math.cos(turn), far * math.sin(turn)
            speed = float(rng.choice([0.2, 0.9, 1.02, 1.5, 2.5, 2.6, 7.0]))
            at.append(at[-1] + max(1.0, math.hypot(x - east[-1], y - north[-1]) / speed))
            east.append(x)
            north.append(y)
    return at, east, north


def reports(rng: Any, hours: float) -> Any:
    """Times in microseconds: often or seldom, some on the minute, some with silences at the limits."""
    n = int(hours * 3600 / 60)
    usual = rng.choice([(20, 60, 180), (120, 120, 60), (300, 500, 700)])
    step = np.where(rng.random(n) < float(rng.choice([0.0, 0.02, 0.1])), rng.choice(STEPS_S, n), rng.choice(usual, n))
    t = T0 + int(rng.integers(0, 7200)) * S + np.cumsum(step) * S
    mood = rng.integers(3)
    t = t if mood == 0 else t // (60 * S) * 60 * S if mood == 1 else t + rng.integers(0, S, n)
    return np.unique(t[t < T0 + int(hours * H)])


def company(seed: int, ships: int = 22, hours: float = 9.0) -> list[dict[str, Any]]:
    """Ships about spots that move; of a few the type, status or number leaves them out, or the number is another's."""
    rng, rows = clock.generator(seed + 130), []
    together = np.arange(0, hours * 3600 + 1, 1800.0)  # all of a spot sail together for a while, now and then
    paces = rng.choice([0.0, 0.3, 1.0, 1.6, 2.2], (len(SPOTS), 2, len(together)), p=[0.5, 0.2, 0.1, 0.1, 0.1])
    moved = np.cumsum(paces * rng.choice([-1, 1], paces.shape), axis=2) * 1800.0
    moved[:, :, together < 1800 * rng.integers(1, 8)] = 0.0
    for track in range(1, ships + 1):
        spot = int(rng.integers(len(SPOTS))) if track > len(SPOTS) else track - 1
        t, (at, east, north) = reports(rng, hours), way(rng, hours)
        if not len(t):
            continue
        seconds = (t - T0) / S
        x = np.interp(seconds, at, east) + np.interp(seconds, together, moved[spot][0])
        y = np.interp(seconds, at, north) + np.interp(seconds, together, moved[spot][1])
        lat, lon = plane_back(*SPOTS[spot], x, y)
        nav = np.repeat(rng.choice([None, 0, 1, 5], len(t) // 12 + 1, p=[0.4, 0.4, 0.17, 0.03]), 12)
        kinds = rng.choice([None, 30, 70, 31, 52], len(t) // 40 + 1, p=[0.3, 0.3, 0.34, 0.03, 0.03])
        kinds = np.repeat(kinds, 40) if rng.random() < 0.2 else np.repeat(kinds[:1], len(t))
        own = 431_000_000 + track
        own = int(
            rng.choice([own, 431_000_001 + spot, 111_000_000 + track, 945_000_000 + track], p=[0.8, 0.1, 0.05, 0.05])
        )
        own = absent(rng, [own], 0.1)[0]
        for k in range(len(t)):
            row = {"track": track, "t": int(t[k]), "lat": float(lat[k]), "lon": float(lon[k]), "status": "confirmed"}
            row |= {"mmsi": own, "nav": nav[k], "type": kinds[k], "ais": int(t[k]) if own else None}
            rows.append(row | {"radar": None if own else int(t[k])})
        for row in rows[-len(t) : -1]:
            if rng.random() < 0.01:
                row["status"] = str(rng.choice(["tentative", "coasted"]))
        if rng.random() < 0.4:
            rows[-1]["status"] = "ended"
    return rows


def ring(west: float, east: float, south: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def layers() -> Any:
    """Two lands with a northern edge, and two ports."""
    shapes = [("land", ring(178.0, 182.0, edge - 1, edge)) for edge in LAND_EDGES.values()]
    shapes += [("port", ring(*box)) for box in PORTS.values()]
    return behaviour.load_zones(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"name": f"{kind}{k}", "kind": kind},
                    "geometry": {"type": "Polygon", "coordinates": [shape]},
                }
                for k, (kind, shape) in enumerate(shapes)
            ],
        }
    )


def degree_m(lat: float) -> tuple[float, float]:
    """Metres in a degree of longitude and of latitude, by the radii of curvature of WGS 84."""
    a, e2 = 6_378_137.0, 0.0066943799901413165
    w = math.sqrt(1 - e2 * math.sin(math.radians(lat)) ** 2)
    return math.radians(a / w) * math.cos(math.radians(lat)), math.radians(a * (1 - e2) / w**3)


def offset(p: Any, q: Any) -> tuple[float, float]:
    """Metres east and north from one place to another, in the plane of their mean latitude."""
    east, north = degree_m((p[0] + q[0]) / 2)
    return ((q[1] - p[1] + 180) % 360 - 180) * east, (q[0] - p[0]) * north


def left_out(row: dict[str, Any], d: dict[str, Any], zones: bool) -> bool:
    """What the later fix of a piece says of it."""
    number = "" if row["mmsi"] is None else f"{row['mmsi']:09d}"
    box = next((b for lat, b in PORTS.items() if zones and abs(row["lat"] - lat) < 1), None)
    in_port = box is not None and box[0] <= row["lon"] % 360 <= box[1] and box[2] <= row["lat"] <= box[3]
    no_ship = number.startswith(tuple(map(str, d["exclude_mmsi_prefixes"])))
    return in_port or no_ship or row["nav"] in d["exclude_nav_status"] or row["type"] in d["exclude_ship_types"]


def read_off(rows: list[dict[str, Any]], d: dict[str, Any], zones: bool) -> dict[int, Any]:
    """(lat, lon, speed of the piece, MMSI) of one track by time step."""
    step, out = d["time_step_s"] * S, {}
    for a, b in itertools.pairwise(rows):
        if b["status"] == "ended" or b["t"] - a["t"] > d["max_gap_s"] * S or left_out(b, d, zones):
            continue
        dt, turn = b["t"] - a["t"], (b["lon"] - a["lon"] + 180) % 360 - 180
        far = math.hypot(*offset((a["lat"], a["lon"]), (b["lat"], b["lon"]))) if abs(b["lat"]) < 70 else apart_m(a, b)
        speed = far / (dt / S)  # near a pole a plane is not good enough for a long piece
        for n in range(a["t"] // step + 1, b["t"] // step + 1):
            f = (n * step - a["t"]) / dt
            lon = (a["lon"] + f * turn + 180) % 360 - 180
            out[n] = (a["lat"] + f * (b["lat"] - a["lat"]), lon, speed, b["mmsi"])
    return out


def crossing(p: Any, q: Any, limit: float) -> tuple[float, float]:
    """(share of the step, metres per step) where the straight way from one offset to the next crosses the limit."""
    ux, uy = q[0] - p[0], q[1] - p[1]
    inward, low, high = math.hypot(*q) < math.hypot(*p), 0.0, 1.0  # one end is beyond it, so it is crossed once
    for _ in range(70):
        f = (low + high) / 2
        beyond = math.hypot(p[0] + f * ux, p[1] + f * uy) > limit
        low, high = (f, high) if beyond == inward else (low, f)
    rate = ((p[0] + low * ux) * ux + (p[1] + low * uy) * uy) / limit
    return low, abs(rate)


def offshore(p: Any, d: dict[str, Any], zones: bool) -> bool:
    edge = next((e for lat, e in LAND_EDGES.items() if zones and abs(p[0] - lat) < 1), None)
    return edge is None or (p[0] - edge) * degree_m(p[0])[1] >= d["min_shore_m"]


def calm(run: dict[str, Any], d: dict[str, Any]) -> bool:
    """Neither has gone further from step to step than at the mean speed."""
    return max(run["ways"]) <= d["max_speed_mps"] * (run["steps"] - 1) * d["time_step_s"]


def over(run: dict[str, Any], at: float, rate: float, d: dict[str, Any], *, still: bool = False) -> list[Any]:
    """The run where it is told: as at a step, or at the time of its end."""
    long = at - run["start"] >= d["min_duration_s"] * S
    if not run["told"] and not (long and run["steps"] > 1 and calm(run, d) and not still):
        return []
    return (
        [run["said"] | {"end": None, "end_rate": 0.0}] if still else [run | {"end": at, "last": at, "end_rate": rate}]
    )


def renewed(run: dict[str, Any], at: int, d: dict[str, Any]) -> dict[str, Any]:
    """The run with what is said of it while it lasts: when the rule is met, and every so often after that."""
    if at < run.get("next", at):
        return run
    return run | {"told": True, "next": at + d["extend_every_s"] * S, "said": run | {"last": at}}


def meetings(a: dict[int, Any], b: dict[int, Any], d: dict[str, Any], zones: bool, until: Any) -> list[Any]:
    """Every meeting of one pair; ``until`` is the first step that each may yet reach, infinity where it is over."""
    step, found, run = d["time_step_s"] * S, [], None
    for n in sorted({m for k in a for m in (k, k + 1)}):
        both = n in a and n in b
        far = offset(a[n], b[n]) if both else (math.inf, math.inf)
        if run is not None:
            before = offset(a[n - 1], b[n - 1])
            ways = (
                [w + math.hypot(*offset(x[n - 1], x[n])) for w, x in zip(run["ways"], (a, b), strict=True)]
                if both
                else []
            )
            after = run | {"ways": ways, "steps": run["steps"] + 1}
            if not both:
                found += over(
                    run, (n - 1) * step, 0.0, d, still=all(n in x or n >= u for x, u in zip((a, b), until, strict=True))
                )
                run = None
            elif math.hypot(*far) > d["exit_distance_m"]:
                f, rate = crossing(before, far, d["exit_distance_m"])
                found += over(run, (n - 1 + f) * step, rate, d)
                run = None
            elif max(a[n][2], b[n][2]) > d["leave_speed_mps"] or (run["told"] and not calm(after, d)):
                found += over(run, (n - 1) * step, 0.0, d)
                run = None
            else:
                run = after | {"far": run["far"] | {n * step: math.hypot(*far)}, "mmsis": (a[n][3], b[n][3])}
                if run["told"] or (n * step - run["start"] >= d["min_duration_s"] * S and calm(run, d)):
                    run = renewed(run, n * step, d)
        if run is None and both and math.hypot(*far) <= d["distance_m"] and max(a[n][2], b[n][2]) <= d["max_speed_mps"]:
            if not offshore(a[n], d, zones):
                continue
            start, rate = n * step, 0.0
            if n - 1 in a and n - 1 in b and math.hypot(*offset(a[n - 1], b[n - 1])) > d["distance_m"]:
                f, rate = crossing(offset(a[n - 1], b[n - 1]), far, d["distance_m"])
                start = (n - 1 + f) * step
            run = {"start": start, "rate": rate, "steps": 1, "ways": [0.0, 0.0], "told": False}
            run |= {"far": {n * step: math.hypot(*far)}, "mmsis": (a[n][3], b[n][3])}
    return found


def open_from(mine: list[dict[str, Any]], d: dict[str, Any], end_us: int) -> float:
    """First step that a piece of a track may yet reach; infinity where it ended or has been silent for too long.

    Silences are looked at on full ten seconds.
    """
    last = mine[-1]
    gone = last["status"] == "ended" or end_us // (10 * S) * 10 * S - last["t"] > d["max_gap_s"] * S
    return math.inf if gone else last["t"] // (d["time_step_s"] * S) + 1


def about(found: dict[str, Any], m: dict[str, Any], places: dict[int, Any], d: dict[str, Any]) -> None:
    """What an alert says of a meeting is what the loop says of it."""
    seen, span, step = values(found), max(1e-6, (m["steps"] - 1) * d["time_step_s"]), d["time_step_s"] * S
    for key, rate in (("start", m["rate"]), ("end", m["end_rate"])):
        at = us(found[f"{key}_at"])
        assert (at is None) == (m[key] is None)
        if at is not None:  # half a microsecond is rounded; what the distance may differ by is crossed in so much
            assert at == pytest.approx(m[key], abs=1 + (FLOAT_M * step / rate if rate else 0))
    last = us(found["end_at"]) or m["last"]
    assert seen["duration_s"] == pytest.approx((last - us(found["start_at"])) / S, abs=1e-9)
    least, mean = min(m["far"].values()), sum(m["far"].values()) / m["steps"]
    assert (seen["min_distance_m"], seen["mean_distance_m"]) == pytest.approx((least, mean), abs=FLOAT_M)
    speeds = (seen["mean_speed_a_mps"], seen["mean_speed_b_mps"])
    assert speeds == pytest.approx([w / span for w in m["ways"]], abs=FLOAT_M)
    assert found["end_at"] is None or max(speeds) <= d["max_speed_mps"] + 1e-9
    assert (seen["steps"], found["mmsis"]) == (m["steps"], [n for n in m["mmsis"] if n is not None])
    nearest = json.loads(found["evidence"])["geometry"][0]
    at = clock.parse_rfc3339(nearest["at"])
    assert m["far"][at] == pytest.approx(least, abs=FLOAT_M)
    assert (found["lat_deg"], found["lon_deg"]) == (nearest["lat_deg"], nearest["lon_deg"])
    assert offset((found["lat_deg"], found["lon_deg"]), places[at // step]) == pytest.approx((0, 0), abs=FLOAT_M)


def hold(alerts: list[dict[str, Any]], rows: list[dict[str, Any]], definitions: Any, zones: bool, end_us: int) -> None:
    """Alerts of both definitions are the meetings of the loop over every pair, and no others."""
    mine = tracks([r for r in rows if r["t"] <= end_us])
    for kind in KINDS:
        d = limits_of(definitions, kind)
        at = {n: read_off(some, d, zones) for n, some in mine.items()}
        until = {n: open_from(some, d, end_us) for n, some in mine.items()}
        told = sorted((a for a in alerts if a["definition"] == kind), key=lambda a: (a["track_ids"], a["start_at"]))
        wanted = [
            (pair, m)
            for pair in itertools.combinations(sorted(at), 2)
            for m in meetings(*(at[n] for n in pair), d, zones, [until[n] for n in pair])
        ]
        assert [tuple(a["track_ids"]) for a in told] == [pair for pair, _ in wanted]
        for a, (pair, m) in zip(told, wanted, strict=True):
            about(a, m, at[pair[0]], d)


@pytest.mark.parametrize("seed", SEEDS)
def test_meetings_are_those_of_a_plain_loop_to_the_crossing(seed: int) -> None:
    rows, only, zones = company(seed), ALL.only(*KINDS), layers() if seed % 2 else None
    data = table(rows)
    found = standing(data, only, zones=zones)
    hold(found, rows, only, zones is not None, END)
    assert found or seed == 10  # nobody stays long enough there
    same(found, live(data, only, seed, zones=zones))


@pytest.mark.parametrize("seed", SEEDS)
def test_meetings_are_open_where_both_may_yet_be_heard(seed: int) -> None:
    rows, only, rng = company(seed), ALL.only(*KINDS), clock.generator(seed)
    end_us = T0 + int(rng.integers(3 * H, 11 * H))
    rows = [r for r in rows if r["t"] <= end_us]
    found = standing(table(rows), only, end_us=end_us)
    hold(found, rows, only, False, end_us)
    engine, said = behaviour.Engine(only, lateness_s=0.0), []
    for begin in range(T0, end_us, H):
        now_us = min(begin + H, end_us)
        said.append(engine.step(table([r for r in rows if begin < r["t"] <= now_us]), now_us=now_us))
    said.append(engine.step(table(rows[:1]).slice(0, 0), now_us=end_us, watermark_us=end_us))
    same(found, behaviour.fold(pa.concat_tables(said).unify_dictionaries()).to_pylist())


def test_what_the_page_says_of_the_poles() -> None:
    """Degrees from the pole are taken on a ball of a radius that fits there: 111.69 km each."""
    near = 90 - 1 / 111.69
    turn = math.degrees(0.5)  # half a radian at a kilometre is 500 m along the parallel
    assert 1.01 < math.hypot(*offset((near, 0.0), (near, turn))) / distance_m(near, 0.0, near, turn) < 1.011
    far = 90 - 100 / 111.69
    turn = math.degrees(0.036)  # the middle of the straight line over the ice lies nearer to the pole
    assert 15 < 100_000 * (1 - math.cos(math.radians(turn / 2))) < 17
    assert 3590 < distance_m(far, 0.0, far, turn) < 3610
