"""Who a track says it is, and through which zones it goes, against plain loops from the pages."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from plain_sea import ALL, S, limits_of, live, same, seas, standing, table, tracks, us, values

from kuroshio import behaviour, clock
from kuroshio.geo.earth import distance_m

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
CLAIMS = {
    "mmsi": [431_000_001, 431_000_001, 431_000_002],
    "name": [None, "KAIYO", "KAIYO", "MARU"],
    "imo": [None, 0, 9_074_729, 9_074_729, 9_074_728],
    "call": [None, "JABC", "JABC", "JXYZ"],
}


def claiming(seed: int) -> list[dict[str, Any]]:
    """A sea of tracks that now and then claim something else."""
    rng, rows = clock.generator(seed + 50), seas(seed, 25)
    for key, some in CLAIMS.items():
        stretches = np.repeat(rng.integers(0, len(some), len(rows) // 9 + 1), 9)
        for row, which in zip(rows, stretches.tolist(), strict=False):
            row[key] = some[which] if row["ais"] is not None else None
    return rows


def changes(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """(time, claim) of each change that is told: once in an hour, of several in one row the first of the page."""
    said: dict[str, Any] = {}
    found: list[tuple[int, str]] = []
    for row in rows:
        now = {key: row[key] for key in CLAIMS if row[key] not in (None, 0)}
        other = [key for key in CLAIMS if key in now and key in said and said[key] != now[key]]
        if other and (not found or row["t"] - found[-1][0] > 3600 * S):
            found.append((row["t"], other[0].replace("call", "call sign")))
        said |= now
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_identity_changes_are_those_of_a_plain_loop(seed: int) -> None:
    rows = claiming(seed)
    data, only = table(rows), ALL.only("identity_changed")
    found = standing(data, only)
    told = sorted((a["track_ids"][0], us(a["start_at"]), values(a)["claim"]) for a in found)
    plain = sorted((track, *change) for track, mine in tracks(rows).items() for change in changes(mine))
    assert told == plain
    assert len(told) > 10
    assert len({claim for *_, claim in told}) == 4
    same(found, live(data, only, seed))


BOXES = {"A": (179.99, 180.01, 19.99, 20.01), "B": (180.0, 180.03, 19.98, 20.005)}


def boxes() -> Any:
    features = []
    for name, (west, east, south, north) in BOXES.items():
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"name": name, "kind": "reserve"}, "geometry": shape})
    return behaviour.load_zones({"type": "FeatureCollection", "features": features})


def roaming(seed: int) -> list[dict[str, Any]]:
    """A sea whose ships go to and fro across the edges of two boxes that overlap at 180."""
    rng, rows = clock.generator(seed + 70), seas(seed, 30)
    for track in {row["track"] for row in rows}:
        mine = [row for row in rows if row["track"] == track]
        n, step = len(mine), float(rng.choice([0.0003, 0.003, 0.02]))
        east = 180.0 + rng.uniform(-0.015, 0.03) + np.cumsum(rng.normal(0, step, n))
        north = 20.0 + rng.uniform(-0.02, 0.02) + np.cumsum(rng.normal(0, step, n))
        for row, x, y in zip(mine, east, north, strict=True):
            row["lon"], row["lat"] = round((x + 180) % 360 - 180, 7), round(y, 7)
    return rows


def place(row: dict[str, Any]) -> tuple[float, float]:
    return row["lon"] % 360, row["lat"]


def inside(x: float, y: float, box: Any) -> bool:
    west, east, south, north = box
    return west <= x <= east and south <= y <= north


def outside_m(x: float, y: float, box: Any) -> float:
    west, east, south, north = box
    return float(distance_m(y, x, min(max(y, south), north), min(max(x, west), east)))


def crossing(a: dict[str, Any], b: dict[str, Any], box: Any) -> float:
    """Time at which the straight piece from one row to the next, one of which is inside, crosses the edge; halved."""
    low, high, first = 0.0, 1.0, inside(*place(a), box)
    (xa, ya), (xb, yb) = place(a), place(b)
    for _ in range(60):
        f = (low + high) / 2
        same_side = inside(xa + f * (xb - xa), ya + f * (yb - ya), box) == first
        low, high = (f, high) if same_side else (low, f)
    return a["t"] + low * (b["t"] - a["t"])


def stays(rows: list[dict[str, Any]], box: Any, d: dict[str, Any]) -> list[tuple[float, float, bool]]:
    """(entry, end, left or not) of each stay of a track in a box that is confirmed."""
    found: list[tuple[float, float, bool]] = []
    stay: dict[str, Any] | None = None
    before: dict[str, Any] | None = None

    def over() -> None:
        if stay is not None and stay["sure"]:
            left = stay["out"] is not None
            found.append((stay["start"], stay["out"] if left else stay["last"], left))

    for row in rows:
        if before is not None and row["t"] - before["t"] > d["max_gap_s"] * S:
            over()
            stay, before = None, None
        if row["status"] == "ended":
            break
        if inside(*place(row), box):
            if stay is None:
                start = row["t"] if before is None else crossing(before, row, box)
                stay = {"start": start, "fixes": 0, "sure": False}
            stay |= {"fixes": stay["fixes"] + 1, "last": row["t"], "out": None}
            stay["sure"] |= stay["fixes"] >= d["confirm_fixes"] or row["t"] - stay["start"] >= d["confirm_s"] * S
        elif stay is not None:
            if stay["out"] is None:
                stay["out"] = crossing(before, row, box)
            stay["sure"] |= stay["out"] - stay["start"] >= d["confirm_s"] * S
            if not stay["sure"] or outside_m(*place(row), box) >= d["exit_hysteresis_m"]:
                over()
                stay = None
        before = row
    over()
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_stays_in_zones_are_those_of_a_plain_loop_to_the_crossing(seed: int) -> None:
    rows, zones = roaming(seed), boxes()
    data, only = table(rows), ALL.only("zone_entry", "zone_exit")
    d = limits_of(ALL, "zone_entry")
    found = standing(data, only, zones=zones)
    plain = [
        (track, name, *stay)
        for track, mine in tracks(rows).items()
        for name, box in BOXES.items()
        for stay in stays(mine, box, d)
    ]
    entries = {(a["track_ids"][0], a["zone"], us(a["start_at"])): a for a in found if a["definition"] == "zone_entry"}
    exits = {(a["track_ids"][0], a["zone"], us(a["start_at"])) for a in found if a["definition"] == "zone_exit"}
    told = sorted((track, name, start, us(a["end_at"])) for (track, name, start), a in entries.items())
    assert [x[:2] for x in told] == [x[:2] for x in sorted(plain)]
    assert len(told) > 10
    for mine, theirs in zip(told, sorted(plain), strict=True):  # a crossing is exact to a rounded place
        assert mine[2:] == pytest.approx(theirs[2:4], abs=50_000)
    left = sorted((track, name, end) for track, name, _, end, out in plain if out)
    assert [x[:2] for x in sorted(exits)] == [x[:2] for x in left]
    assert [x[2] for x in sorted(exits)] == pytest.approx([x[2] for x in left], abs=50_000)
    same(found, live(data, only, seed, zones=zones))
