"""Collision risk at every time step, against the motion of each pair worked out alone, from the page."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from plain_sea import ALL, T0, S, absent, limits_of, live, same, standing, table, tracks, us

from kuroshio import clock
from kuroshio.geo.earth import enu_offset_m

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "3")))
STEP_US = 60 * S


def meeting(seed: int) -> list[dict[str, Any]]:
    """Ships that cross one another's way at +-180 and in the north, of which some do not say how they go."""
    rng, rows = clock.generator(seed), []
    for track in range(1, 41):
        n, t = int(rng.integers(2, 12)), T0 + int(rng.integers(0, 900)) * S
        lat0 = float(rng.choice([20.0, -60.0]))
        lat, lon = lat0 + float(rng.normal(0, 0.03)), 180.0 + float(rng.normal(0, 0.03)) / math.cos(math.radians(lat0))
        v, course = (
            float(rng.choice([0.0, 0.1, 0.25, 0.26, 3.0, 8.0], p=[0.15, 0.1, 0.1, 0.1, 0.25, 0.3])),
            float(rng.uniform(0, 360)),
        )
        silent, moored = rng.random() < 0.3, rng.random() < 0.1
        for k in range(n):
            row = {"track": track, "t": t, "lat": round(lat, 7), "lon": round((lon + 180) % 360 - 180, 7)}
            told = [None, None] if silent else [absent(rng, [x], 0.1)[0] for x in (v, course)]
            row |= {"sog": told[0], "cog": told[1], "nav": 5 if moored else None, "mmsi": 431_000_000 + track, "ais": t}
            rows.append(row | {"status": "ended" if k == n - 1 and track % 3 == 0 else "confirmed"})
            gap = int(rng.choice([30, 60, 61, 180, 360, 361, 700]))
            way = v * gap
            lat += way * math.cos(math.radians(course)) / 110_900
            lon += way * math.sin(math.radians(course)) / (111_320 * math.cos(math.radians(lat)))
            t += gap * S
            course += float(rng.choice([0.0, 0.0, 40.0]))
    return rows


def velocity(rows: list[dict[str, Any]], k: int, d: dict[str, Any]) -> tuple[float, float] | None:
    """As it says; else as it came from its last fix, unless that is too old; one that says it lies still does."""
    row = rows[k]
    if row["sog"] is not None and row["cog"] is not None:
        return row["sog"] * math.sin(math.radians(row["cog"])), row["sog"] * math.cos(math.radians(row["cog"]))
    if row["sog"] is not None and row["sog"] < 0.25:
        return 0.0, 0.0
    if k == 0 or row["t"] - rows[k - 1]["t"] > d["max_age_s"] * S:
        return None
    seconds = (row["t"] - rows[k - 1]["t"]) / S
    east, north = enu_offset_m(rows[k - 1]["lat"], rows[k - 1]["lon"], row["lat"], row["lon"])
    return float(east) / seconds, float(north) / seconds


def states(rows: list[dict[str, Any]], at: int, d: dict[str, Any]) -> dict[int, Any]:
    """(row, velocity, age in s) of each track that is not over, moored, too old or of unknown motion."""
    out = {}
    for track, mine in tracks(rows).items():
        seen = [k for k, row in enumerate(mine) if row["t"] <= at]
        if not seen:
            continue
        last = mine[seen[-1]]
        if last["status"] == "ended" or last["nav"] == 5 or at - last["t"] > d["max_age_s"] * S:
            continue
        v = velocity(mine, seen[-1], d)
        if v is not None:
            out[track] = last, v, (at - last["t"]) / S
    return out


def risk(a: Any, b: Any, d: dict[str, Any]) -> bool | None:
    """True or False; None within a thousandth of a limit, where planes differ: of mean latitude or mean scale."""
    (p, (pu, pv), pa), (q, (qu, qv), qa) = a, b
    east, north = enu_offset_m(p["lat"], p["lon"], q["lat"], q["lon"])
    x, y, u, v = float(east) + qu * qa - pu * pa, float(north) + qv * qa - pv * pa, qu - pu, qv - pv
    if max(math.hypot(pu, pv), math.hypot(qu, qv)) < d["min_speed_mps"]:
        return False
    speed2 = u * u + v * v
    if speed2 < 1e-9:
        return False if speed2 == 0 else None
    tcpa = -(x * u + y * v) / speed2
    miss = math.hypot(x + u * tcpa, y + v * tcpa)
    close = abs(miss - d["cpa_m"]) < 0.001 * d["cpa_m"]
    if close or abs(tcpa) < 0.001 * d["tcpa_s"] or abs(tcpa - d["tcpa_s"]) < 0.001 * d["tcpa_s"]:
        return None
    return miss < d["cpa_m"] and 0 < tcpa < d["tcpa_s"]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pair_at_risk_is_told_at_every_step_and_no_other(seed: int) -> None:
    rows, only = meeting(seed), ALL.only("collision_risk")
    d = limits_of(only, "collision_risk")
    data = table(rows)
    found = standing(data, only)
    spans = [(tuple(sorted(a["track_ids"])), us(a["start_at"]), us(a["end_at"])) for a in found]
    judged = risky = 0
    for at in range(T0 // STEP_US * STEP_US, T0 + 6000 * S, STEP_US):
        now, told = states(rows, at, d), {pair for pair, start, end in spans if start <= at < end}
        for i, a in now.items():
            for j in [j for j in now if j > i]:
                holds = risk(a, now[j], d)
                if holds is not None:
                    judged, risky = judged + 1, risky + holds
                    assert ((i, j) in told) == holds, (i, j, at)
        assert all(i in now and j in now for i, j in told)
    assert judged > 1000
    assert risky > 5
    assert all(-180 <= a["lon_deg"] <= 180 for a in found)
    if seed % 2 == 0:
        same(found, live(data, only, seed))
