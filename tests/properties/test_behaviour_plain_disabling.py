"""AIS switched off where it would have been heard: what was learned, shore and ports, against a loop from the pages."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import Any

import pytest
from plain_sea import T0, H, S, apart_m, changed, live, same, standing, table, tracks, values
from test_behaviour_plain_gaps import falling_silent, silences, told, when

from kuroshio import behaviour, clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
QUICK = "{id: ais_disabling, thresholds: {silence_s: 14400, min_reports: 4, window_s: 900, min_others: 2, %s}}"
SHARES = "least_heard: 0.4, min_p_heard: 0.97"
SILENCES_S = (14_399, 14_400, 14_401, 15_000, 20_000, 40_000)
LAND_EDGE = 19.16354  # of the ships at 20.0 degrees north some are within 50 nm, those further north are not
PORT = (179.0, 180.0, 20.3, 20.6)
Hours = dict[Any, tuple[int, int]]  # (cell, class B or not, hour of the day): ship-hours known, and heard


def learned(seed: int) -> list[dict[str, Any]]:
    """Ships that lie where the others fall silent, heard often there or seldom, for three days: of some places none."""
    rng, rows, track = clock.generator(seed + 500), [], 0
    for lat in (20.0, 20.4, 21.2, -40.0):
        for lon in (179.9, -179.9, 179.3, 170.0):
            for nav in (0, None):
                share = float(rng.choice([0.4, 0.6, 0.8, 0.95]))
                for _ in range(int(rng.choice([0, 2, 8, 8, 9]))):
                    track += 1
                    at = lat + float(rng.choice([-0.002, 0.002, 0.1]))
                    for hour in range(72):
                        if rng.random() < (share if hour % 24 != 7 else 0.1):  # of one hour of the day little is known
                            for minute in rng.integers(0, 60, int(rng.integers(1, 3))).tolist():
                                t = T0 - 200 * H + hour * H + minute * 60 * S
                                row = {"track": track, "t": t, "lat": round(at, 7), "lon": lon, "status": "confirmed"}
                                heard = rng.random() < 0.95
                                row |= {"ais": t if heard else t - S, "radar": None if heard else t, "nav": nav}
                                rows.append(row | {"mmsi": 431_500_000 + track})
    return list({(r["track"], r["t"]): r for r in rows}.values())


def cell(row: dict[str, Any]) -> tuple[int, int]:
    return min(719, math.floor((row["lat"] + 90) / 0.25)), math.floor((row["lon"] + 180) / 0.25) % 1440


def ship_hours(rows: list[dict[str, Any]]) -> Hours:
    """Hours in which a ship was known to be there, and those of them in which it was heard."""
    known: Counter[Any] = Counter()
    heard: Counter[Any] = Counter()
    for mine in tracks(rows).values():
        last: dict[str, Any] | None = None
        for row in (r for r in mine if r["ais"] == r["t"]):
            hour, before = row["t"] // H, None if last is None else last["t"] // H
            if hour != before:
                if last is not None and row["t"] - last["t"] <= 6 * H:
                    for missed in range(before + 1, hour):
                        early = (missed * H + H // 2 - last["t"]) * 2 < row["t"] - last["t"]
                        known[cell(last if early else row), row["nav"] is None, missed % 24] += 1
                key = cell(row), row["nav"] is None, hour % 24
                known[key] += 1
                heard[key] += 1
            last = row
    return {key: (n, heard[key]) for key, n in known.items()}


def p_heard(places: list[dict[str, Any]], class_b: bool, start: int, silence_us: int, hours: Hours) -> float | None:
    """Probability that it is heard in any whole hour of a silence, the mean over where it may lie; None: unknown."""
    missed = []
    for place in places:
        missed.append(1.0)
        for hour in range(start // H + 1, (start + silence_us) // H):
            known, heard = hours.get((cell(place), class_b, hour % 24), (0, 0))
            if known < 20:
                day = [hours.get((cell(place), class_b, h), (0, 0)) for h in range(24)]
                known, heard = (sum(x) for x in zip(*day, strict=True))
            if known < 20:
                return None
            missed[-1] *= 1 - (heard + 0.5) / (known + 1)
    return 1 - sum(missed) / len(missed)


def layers() -> Any:
    west, east, south, north = PORT
    rings = {
        "land": [[175, 15], [185, 15], [185, LAND_EDGE], [175, LAND_EDGE], [175, 15]],
        "port": [[west, south], [east, south], [east, north], [west, north], [west, south]],
    }
    features = [
        {"type": "Feature", "properties": {"name": k, "kind": k}, "geometry": {"type": "Polygon", "coordinates": [r]}}
        for k, r in rings.items()
    ]
    return behaviour.load_zones({"type": "FeatureCollection", "features": features})


def shore_m(row: dict[str, Any]) -> float:
    """Metres to the edge that runs along a parallel from 175 to -175, in the plane of the ship; all others are far."""
    if not (15 < row["lat"] < 21 and row["lon"] % 360 > 175):
        return math.inf
    w = 1 - 0.0066943799901413165 * math.sin(math.radians(row["lat"])) ** 2
    return (row["lat"] - LAND_EDGE) * math.radians(6_378_137.0 * (1 - 0.0066943799901413165) / w**1.5)


def wanted(rows: list[dict[str, Any]], d: dict[str, Any], hours: Hours, zones: bool) -> list[dict[str, Any]]:
    """Silences of which it is told, with how sure it is, in order."""
    out = []
    for s in silences(rows, d):
        last, after = s["last"], s["next"]
        p = p_heard([last], last["nav"] is None, last["t"], int(d["silence_s"] * S), hours)
        if p is None or p < d["min_p_heard"] or (zones and shore_m(last) < d["min_shore_m"]):
            continue
        if after is not None:
            p = p_heard([last, after], last["nav"] is None, last["t"], after["t"] - last["t"], hours)
        west, east, south, north = PORT
        port = zones and west <= last["lon"] <= east and south <= last["lat"] <= north
        info = port or p is None or p < 0.5 or (s["before"] and not s["after"])
        out.append(s | {"p": p, "port": "port" if port else None, "severity": "info" if info else "warning"})
    return sorted(out, key=when)


@pytest.mark.parametrize("seed", SEEDS)
def test_disablings_are_those_of_a_plain_loop(seed: int, tmp_path: Any) -> None:
    only, d = changed(tmp_path, QUICK % SHARES)
    zones, known = layers() if seed % 2 else None, learned(seed)
    norms, hours = behaviour.build_norms(table(known)), ship_hours(known)
    rows = falling_silent(seed, SILENCES_S)
    data = table(rows)
    found = standing(data, only, zones=zones, norms=norms)
    plain = wanted(rows, d, hours, zones is not None)
    assert sorted(map(told, found)) == [when(w) for w in plain]
    for a, w in zip(sorted(found, key=told), plain, strict=True):
        seen = values(a)
        assert seen["p_heard"] == (None if w["p"] is None else pytest.approx(w["p"], abs=1e-12))
        assert (seen["others_before"], seen["others_after"]) == (w["before"], w["after"])
        assert (a["severity"], seen.get("in_port")) == (w["severity"], w["port"])
        if w["next"] is not None:
            assert seen["distance_m"] == pytest.approx(apart_m(w["last"], w["next"]), abs=1e-6)
    assert found
    assert len(found) < len(silences(rows, d))
    assert not standing(data, only, zones=zones)  # nothing is told where nothing was learned
    same(found, live(data, only, seed, zones=zones, norms=norms))
