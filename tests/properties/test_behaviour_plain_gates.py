"""Traffic through gates by day against its norm, against a loop written from the page."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import pytest
from plain_sea import H, S, changed, live, same, standing, table, us, values

from kuroshio import behaviour, clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
DAY = 86_400 * S
D0 = 19_780  # 2024-02-27: a leap day is among them
DAYS = 30
END = (D0 + DAYS + 2) * DAY
QUICK = "{id: gate_norm, thresholds: {norm_days: 5, min_days: 3, max_p: 0.01, min_change: 0.25}}"
# one over 180 degrees: it holds for some days only, from a day's middle or from its beginning
SQUARES = {"West": (20.0, 121.0), "Date": (-5.0, 179.95)}


def gate(name: str, **times: str) -> dict[str, Any]:
    lat, lon = SQUARES[name]
    ring = [[lon, lat], [lon + 0.1, lat], [lon + 0.1, lat + 0.1], [lon, lat + 0.1], [lon, lat]]
    shape: dict[str, Any] = {"type": "Polygon", "coordinates": [ring]}
    if lon + 0.1 > 180:
        west = [[180, lat], [180, lat + 0.1], [lon, lat + 0.1], [lon, lat], [180, lat]]
        east = [[-180, lat], [lon + 0.1 - 360, lat], [lon + 0.1 - 360, lat + 0.1], [-180, lat + 0.1], [-180, lat]]
        shape = {"type": "MultiPolygon", "coordinates": [[west], [east]]}
    return {"type": "Feature", "properties": {"name": name, "kind": "gate", **times}, "geometry": shape}


def heard_hours(rng: Any) -> list[int]:
    """Hours of a day in which a ship far from the gates is heard; on some days too few, by one hour or by many."""
    silent = int(rng.choice([0, 2, 3, 3, 4, 12], p=[0.2, 0.2, 0.2, 0.25, 0.1, 0.05]))
    begin = int(rng.choice([0, 24 - silent, int(rng.integers(0, 25 - silent))]))
    return [hour for hour in range(24) if not begin <= hour < begin + silent]


def beside(day: int, hour: int, rng: Any) -> dict[str, Any]:
    """A report of that ship, at times at the very beginning or end of the hour."""
    t = day * DAY + hour * H + int(rng.choice([0, H - 1, int(rng.integers(0, H))]))
    return {"track": 1, "t": t, "lat": 30.0, "lon": 150.0, "status": "confirmed", "ais": t, "mmsi": 431_000_099}


def passages(seed: int) -> list[dict[str, Any]]:
    """Ships in and beside the gates on days of which some are empty, some silent, some far from what is usual."""
    rng, rows = clock.generator(seed), []
    for day in range(D0, D0 + DAYS):
        if rng.random() < 0.15:
            continue  # nothing is heard
        rows += [beside(day, hour, rng) for hour in heard_hours(rng)]
        usual = int(rng.choice([0, 0, 3, 6, 10, 10, 10, 11, 20, 40]))
        for k in range(usual + 1):
            name = str(rng.choice(list(SQUARES)))
            lat0, lon0 = SQUARES[name]
            inside, named = k < usual, rng.random() < 0.8
            for _ in range(int(rng.integers(1, 3))):
                t = day * DAY + int(rng.choice([0, DAY - 1, int(rng.integers(0, DAY))]))
                lat = lat0 + float(rng.uniform(0.001, 0.099)) + (0.0 if inside else 0.5)
                lon = lon0 + float(rng.uniform(0.001, 0.099))
                row = {"track": day * 100 + k, "t": t, "lat": round(lat, 7), "lon": round((lon + 180) % 360 - 180, 7)}
                row |= {"status": "confirmed", "ais": t if named else None, "radar": None if named else t}
                rows.append(row | {"mmsi": 431_000_000 + k % 30 if named else None})
    return rows


def tail(n: int, rate: float) -> float:
    """Probability of n or fewer where there are fewer than usual, of n or more where there are more."""
    chance = lambda i: math.exp(i * math.log(rate) - rate - math.lgamma(i + 1))  # noqa: E731
    return sum(map(chance, range(n + 1))) if n < rate else sum(map(chance, range(n, n + 200)))


def longest_silence(hours: set[int]) -> int:
    """Most hours of a day in a row that are not among these."""
    worst = run = 0
    for hour in range(24):
        run = 0 if hour in hours else run + 1
        worst = max(worst, run)
    return worst


def stand_out(rows: list[dict[str, Any]], held: dict[str, tuple[int, int]], d: dict[str, Any]) -> list[Any]:
    """(gate, day, ships, norm) of each day that is told."""
    hours_of: dict[int, set[int]] = {}
    for r in rows:
        hours_of.setdefault(r["t"] // DAY, set()).add(r["t"] % DAY // H)
    heard = [day for day, hours in hours_of.items() if longest_silence(hours) <= d["max_silent_h"]]
    found = []
    for name, (lat0, lon0) in SQUARES.items():
        whole = [x for x in sorted(heard) if held[name][0] <= x * DAY and (x + 1) * DAY <= held[name][1]]
        ships = {}
        for day in whole:
            there = [r for r in rows if r["t"] // DAY == day and 0 < r["lat"] - lat0 < 0.1]
            there = [r for r in there if 0 < (r["lon"] - lon0) % 360 < 0.1]
            ships[day] = len({("mmsi", r["mmsi"]) if r["mmsi"] else ("track", r["track"]) for r in there})
        for day in whole:
            before = [ships[x] for x in whole if day - d["norm_days"] <= x < day]
            if len(before) < d["min_days"]:
                continue
            rate, n = sum(before) / len(before), ships[day]
            p = (0.0 if n else 1.0) if rate == 0 else tail(n, rate)
            if p < d["max_p"] and abs(n - rate) >= d["min_change"] * rate:
                found.append((name, day, n, rate))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_days_at_gates_are_those_of_a_plain_loop(seed: int, tmp_path: Any) -> None:
    only, d = changed(tmp_path, QUICK)
    rng = clock.generator(seed + 1)
    begin = (D0 + int(rng.integers(0, 6))) * DAY + int(rng.choice([0, 1, -S, DAY // 2]))
    end = (D0 + int(rng.integers(12, DAYS))) * DAY + int(rng.choice([0, -S, S, DAY // 2]))
    times = {"valid_from": clock.rfc3339(begin), "valid_to": clock.rfc3339(end)}
    held = {"West": (-(1 << 62), 1 << 62), "Date": (begin, end)}
    zones = behaviour.load_zones({"type": "FeatureCollection", "features": [gate("West"), gate("Date", **times)]})
    rows = passages(seed)
    data = table(rows)
    found = standing(data, only, end_us=END, zones=zones)
    told = [(a["zone"], us(a["start_at"]), us(a["end_at"]), values(a)["ships"], values(a)["norm_ships"]) for a in found]
    wanted = [(name, day * DAY, (day + 1) * DAY, n, rate) for name, day, n, rate in stand_out(rows, held, d)]
    assert [x[:4] for x in sorted(told)] == [x[:4] for x in sorted(wanted)]
    assert np.allclose([x[4] for x in sorted(told)], [x[4] for x in sorted(wanted)], rtol=1e-3)
    assert told
    same(found, live(data, only, seed, end_us=END, zones=zones))
