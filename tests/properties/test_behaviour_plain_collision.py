"""Collision risk at every time step, against the motion of each pair worked out alone, from the page.

Within a thousandth of a limit either answer is right: a pair is then all that it may be, until what is told says more.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from plain_sea import ALL, T0, S, absent, limits_of, live, same, standing, table, tracks, us

from kuroshio import clock
from kuroshio.geo.earth import enu_offset_m

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "3")))
STEP_US = 60 * S


def hovering(rng: Any) -> list[dict[str, Any]]:
    """One comes to one that lies, each report with another closest approach about the limits, and goes back."""
    rows, miss_m = [], 926 * rng.choice([0.8, 1.2, 1.4, 1.6], 16, p=[0.4, 0.2, 0.2, 0.2])
    for k, away_m in enumerate(6500.0 - 300.0 * np.arange(20)):
        t, course = T0 + 60 * k * S, 90.0 + math.degrees(math.asin(miss_m[k] / away_m)) if k < 16 else 270.0
        for track, lon, sog in ((101, 179.98 - away_m / 85_390.0, 5.0), (102, 179.98, 0.0)):
            row = {"track": track, "t": t, "lat": 40.0, "lon": round(lon, 7), "sog": sog, "cog": course, "nav": None}
            rows.append(row | {"mmsi": 431_000_000 + track, "ais": t, "status": "confirmed"})
    return rows


def meeting(seed: int) -> list[dict[str, Any]]:
    """Ships that cross one another's way at +-180 and in the north, of which some do not say how they go."""
    rng = clock.generator(seed)
    rows = hovering(rng)
    for track in range(1, 41):
        n, t = int(rng.integers(2, 20)), T0 + int(rng.integers(0, 900)) * S
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
            gap = int(rng.choice([30, 60, 60, 61, 61, 120, 180, 360, 361, 700]))
            way = v * gap
            lat += way * math.cos(math.radians(course)) / 110_900
            lon += way * math.sin(math.radians(course)) / (111_320 * math.cos(math.radians(lat)))
            t += gap * S
            course += float(rng.choice([0.0, 0.0, -8.0, 8.0, 40.0]))
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
    """(row, velocity or None, age in s) of each track that is not over, moored or too old."""
    out = {}
    for track, mine in tracks(rows).items():
        seen = [k for k, row in enumerate(mine) if row["t"] <= at]
        if not seen:
            continue
        last = mine[seen[-1]]
        if last["status"] == "ended" or last["nav"] == 5 or at - last["t"] > d["max_age_s"] * S:
            continue
        out[track] = last, velocity(mine, seen[-1], d), (at - last["t"]) / S
    return out


class Motion(NamedTuple):
    """How two go: time to the closest approach, how near it is, speed of the faster; ``speed2`` of one to the other."""

    tcpa: float
    miss: float
    faster: float
    speed2: float


def motion(a: Any, b: Any) -> Motion | None:
    """Of the two; None where it is not known how one goes."""
    (p, pv, pa), (q, qv, qa) = a, b
    if pv is None or qv is None:
        return None
    east, north = enu_offset_m(p["lat"], p["lon"], q["lat"], q["lon"])
    x, y = float(east) + qv[0] * qa - pv[0] * pa, float(north) + qv[1] * qa - pv[1] * pa
    u, v = qv[0] - pv[0], qv[1] - pv[1]
    speed2 = u * u + v * v
    tcpa = -(x * u + y * v) / speed2 if speed2 else 0.0
    return Motion(tcpa, math.hypot(x + u * tcpa, y + v * tcpa), max(math.hypot(*pv), math.hypot(*qv)), speed2)


def closing(m: Motion, d: dict[str, Any]) -> bool | None:
    """True or False; None where it is a matter of the plane."""
    if m.speed2 < 1e-9:
        return False if m.speed2 == 0 else None
    return None if abs(m.tcpa) < 0.001 * d["tcpa_s"] else m.tcpa > 0


def within(m: Motion | None, d: dict[str, Any], ratio: float) -> bool | None:
    """Whether it is within so many times the limits.

    None within a thousandth of a limit, where planes differ: of mean latitude or mean scale.
    """
    if m is None or m.faster < d["min_speed_mps"] / ratio:
        return False
    cpa, tcpa, close = d["cpa_m"] * ratio, d["tcpa_s"] * ratio, closing(m, d)
    if close is not True:
        return close
    if abs(m.miss - cpa) < 0.001 * cpa or abs(m.tcpa - tcpa) < 0.001 * tcpa:
        return None
    return m.miss < cpa and m.tcpa < tcpa


def causes(m: Motion | None, d: dict[str, Any]) -> set[str]:
    """What may be told of the end of a risk that has been over for long enough."""
    if m is None:
        return {"it is not known how one goes"}
    close = closing(m, d)
    words = {False: "passed: they close no more", True: "cleared: further apart, later or slower than the exit limits"}
    return {words[k] for k in ((True, False) if close is None else (close,))}


SHUT = -2  # no risk stands
SURE = -1  # one stands; any other number: it has been over since


def after(was: int, at: int, raised: bool, stands: bool, d: dict[str, Any]) -> int:
    """What comes of a pair at a look at which both are there."""
    if raised:
        return SURE
    if was == SHUT or stands:
        return was if was == SHUT else SURE
    since = at if was == SURE else was
    return SHUT if at - since >= d["clear_s"] * S else since


def either(known: bool | None) -> tuple[bool, ...]:
    """What a thing may be."""
    return (True, False) if known is None else (known,)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_risk_begins_stands_and_ends_at_the_looks_of_the_page_and_no_other(seed: int) -> None:
    rows, only = meeting(seed), ALL.only("collision_risk")
    d = limits_of(only, "collision_risk")
    data = table(rows)
    found = standing(data, only)
    spans = [(tuple(sorted(a["track_ids"])), us(a["start_at"]), us(a["end_at"]), a["evidence"]) for a in found]
    pairs: dict[tuple[int, int], set[int]] = {}  # what each may be; those not here are shut
    seen: Counter[str] = Counter()
    for at in range(T0 // STEP_US * STEP_US, T0 + 6000 * S, STEP_US):
        now = states(rows, at, d)
        told = {pair: start for pair, start, end, _ in spans if start <= at < end}
        ends = {pair: json.loads(why)["ended_because"] for pair, _, end, why in spans if end == at}
        assert not told.keys() & ends.keys()
        gone = [pair for pair in pairs if not (pair[0] in now and pair[1] in now)]
        for pair in gone:
            lost = "one was no longer heard, is moored, or its track has ended"
            assert pair not in told
            assert ends[pair] == lost
            del pairs[pair]
            seen["lost"] += 1
        for pair in [(i, j) for i in now for j in now if i < j]:
            was, m = pairs.get(pair, {SHUT}), motion(now[pair[0]], now[pair[1]])
            raised, stands = within(m, d, 1.0), within(m, d, d["exit_ratio"])
            may = {(w, after(w, at, r, s, d)) for w in was for r in either(raised) for s in either(stands)}
            if len({is_ == SHUT for _, is_ in may}) == 1:
                seen["judged"] += 1
                seen["raised"] += raised is True
                seen["over"] += pair in told and stands is False
                seen["between"] += pair in told and raised is False and stands is True
            begun, ended = told.get(pair) == at, pair in ends
            may = {
                (w, is_)
                for w, is_ in may
                if (is_ != SHUT) == (pair in told)
                and (w == SHUT and is_ != SHUT) == begun
                and (w != SHUT and is_ == SHUT) == ended
            }
            assert may, (pair, at, was, raised, stands, begun, ended)
            if ended:
                assert ends[pair] in causes(m, d)
                seen[ends[pair].split(":")[0]] += 1
            pairs[pair] = {is_ for _, is_ in may}
            if pairs[pair] == {SHUT}:
                del pairs[pair]
        assert told.keys() <= pairs.keys()
    assert seen["judged"] > 1000
    assert all(seen[name] > 0 for name in ("lost", "over", "between", "passed")), seen
    assert seen["raised"] > 5
    assert all(-180 <= a["lon_deg"] <= 180 for a in found)
    if seed % 2 == 0:
        same(found, live(data, only, seed))
