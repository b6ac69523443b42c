"""Silences of AIS, who else was heard, and tracks that end the silence of another, against a loop from the page."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest
from plain_sea import T0, S, apart_m, changed, live, same, standing, table, tracks, us, values

from kuroshio import clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
QUICK = "{id: ais_gap, thresholds: {silence_s: 1800, min_reports: 4, window_s: 900, min_others: 2, least_heard: 0.6}}"
SILENCES_S = (1799, 1800, 1801, 2400, 5000, 12_000)


def falling_silent(seed: int, silences_s: Any = SILENCES_S) -> list[dict[str, Any]]:
    """Ships on both sides of 180 and far from anybody, some of two tracks one after another, some seen by radar too."""
    rng, rows, track = clock.generator(seed), [], 0
    for ship in range(30):
        nav = (0, None, 5)[ship % 3]  # class B says no status
        t = T0 + int(rng.integers(0, 3600)) * S
        lat = float(rng.choice([20.0, 20.4, 21.2, -40.0]))
        lon = float(rng.choice([179.9, -179.9, 179.3, 170.0]))
        last: int | None = None
        for _ in range(int(rng.integers(1, 4))):
            track += 1
            n = int(rng.integers(1, 60))
            for k in range(n):
                t += int(rng.choice(silences_s) if rng.random() < 0.06 else rng.choice([60, 225, 300, 301])) * S
                lat += float(rng.normal(0, 1e-4))
                ais = k == 0 or rng.random() < 0.8
                last = t if ais else last
                row = {"track": track, "t": t, "lat": round(lat, 7), "lon": lon, "status": "confirmed", "ais": last}
                rows.append(row | {"radar": None if ais else t, "mmsi": 431_000_000 + ship, "nav": nav})
            if rng.random() < 0.8:
                rows[-1]["status"] = "ended"
            t += int(rng.choice([*silences_s, 30])) * S
            lat += float(rng.choice([0.0, 0.0, 0.3, 2.0]))
            last = None
    return rows


def cell(row: dict[str, Any]) -> tuple[int, int]:
    return math.floor((row["lat"] + 90) * 2), math.floor((row["lon"] + 180) * 2) % 720


def about(a: tuple[int, int], b: tuple[int, int]) -> bool:
    east = abs(a[1] - b[1])
    return abs(a[0] - b[0]) <= 1 and min(east, 720 - east) <= 1


def silences(rows: list[dict[str, Any]], d: dict[str, Any]) -> list[dict[str, Any]]:
    """Last report, next report, and other ships heard before and in it, of every silence that is told."""
    by_track = tracks(rows)
    reports = {n: [r for r in mine if r["ais"] == r["t"]] for n, mine in by_track.items()}
    ends = sorted((mine[-1]["t"], n) for n, mine in by_track.items() if mine[-1]["status"] == "ended")
    births = sorted((mine[0]["t"], n) for n, mine in reports.items() if mine)
    taken: dict[int, dict[str, Any]] = {}  # the report of another track that ended a silence
    ended: dict[int, int] = {}
    for t, born, n in sorted([(t, 0, n) for t, n in ends] + [(t, 1, n) for t, n in births]):
        mmsi = by_track[n][0]["mmsi"]
        if not born:
            ended[mmsi] = n
        elif mmsi in ended and ended[mmsi] != n:
            last, first = reports[ended[mmsi]][-1], reports[n][0]
            if t > last["t"] and apart_m(last, first) <= d["max_speed_mps"] * (t - last["t"]) / S:
                taken[ended.pop(mmsi)] = first
    period = max(1, min(3600 * S, int(d["silence_s"]) * S // 6))
    every = [(r["t"] // period, cell(r), r["mmsi"]) for mine in reports.values() for r in mine]
    found = []
    for n, mine in reports.items():
        for k, last in enumerate(mine):
            follows = mine[k + 1] if k + 1 < len(mine) else taken.get(n)
            if follows is not None and follows["t"] - last["t"] <= d["silence_s"] * S:
                continue
            if sum(last["t"] - r["t"] <= d["window_s"] * S for r in mine[: k + 1]) < d["min_reports"]:
                continue
            first, over = last["t"] // period, (last["t"] + int(d["silence_s"]) * S) // period
            near = [(p, who) for p, where, who in every if about(where, cell(last)) and who != last["mmsi"]]
            before = len({who for p, who in near if first - 1 <= p <= first})
            after = len({who for p, who in near if first < p < over})
            if before < d["min_others"] or after >= d["least_heard"] * before:
                found.append({"last": last, "next": follows, "before": before, "after": after})
    return found


def when(silence: dict[str, Any]) -> tuple[int, int, int]:
    """Track, last report, next report or 0."""
    return silence["last"]["track"], silence["last"]["t"], silence["next"]["t"] if silence["next"] else 0


def told(alert: dict[str, Any]) -> tuple[int, int, int]:
    """The same of an alert."""
    return alert["track_ids"][0], us(alert["start_at"]), us(alert["end_at"]) or 0


@pytest.mark.parametrize("seed", SEEDS)
def test_silences_are_those_of_a_plain_loop(seed: int, tmp_path: Any) -> None:
    only, d = changed(tmp_path, QUICK)
    rows = falling_silent(seed)
    data = table(rows)
    found = standing(data, only)
    wanted = sorted(silences(rows, d), key=when)
    assert sorted(map(told, found)) == [when(w) for w in wanted]
    for a, w in zip(sorted(found, key=told), wanted, strict=True):
        assert (values(a)["others_before"], values(a)["others_after"]) == (w["before"], w["after"])
        assert a["severity"] == ("info" if w["before"] and not w["after"] else "caution")
    assert len(found) > 10
    assert any(a["end_at"] is None for a in found)
    assert any(values(a)["others_before"] for a in found)
    same(found, live(data, only, seed))
