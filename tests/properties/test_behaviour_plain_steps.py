"""Steps of one number over any number of tracks, and cells of interference, live and in the archive, by plain loops."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import pytest
from plain_sea import ALL, T0, H, S, absent, apart_m, limits_of, live, same, standing, table, us, values

from kuroshio import clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
STEPS_S = (0, 1, 2, 4, 5, 6, 60, 300, 3600, 3601, 21_600, 21_601)
OFTEN = (0.05, 0.08, 0.2, 0.1, 0.1, 0.1, 0.2, 0.1, 0.03, 0.02, 0.01, 0.01)
SPOTS = ((20.05, 121.1), (20.05, 180.0), (89.999, 180.0), (-60.0, -180.0))
KINDS = ("impossible_kinematics", "identity_duplicated")


def numbers(seed: int, ships: int = 24) -> list[dict[str, Any]]:
    """Reports of numbers, some by several tracks at once near one another or far, some sent again, some by radar."""
    rng, rows, track = clock.generator(seed + 170), [], 0
    for ship in range(ships):
        spot, t = SPOTS[ship % len(SPOTS)], T0
        tracks = int(rng.choice([1, 1, 2, 3]))
        homes = [float(rng.choice([0.0, 0.017, 0.019, 0.3])) for _ in range(tracks)]
        last: list[dict[str, Any] | None] = [None] * tracks
        away = 0
        for _ in range(int(rng.integers(2, 140))):
            which = int(rng.integers(tracks)) if rng.random() < 0.4 else 0
            t += int(rng.choice(STEPS_S, p=OFTEN)) * S
            before = last[which]
            t = max(t, before["t"] + S) if before is not None else t
            away = 3 if away == 0 and rng.random() < 0.03 else max(0, away - 1)
            lat = spot[0] - homes[which] - (0.3 if away else 0.0) + float(rng.normal(0, 1e-5))
            lon = spot[1] + float(rng.normal(0, 1e-5))
            if before is not None and rng.random() < 0.15:
                lat, lon = before["lat"], before["lon"]
            heading = absent(rng, [float(rng.choice([0.0, 10.0]))], 0.2)[0]
            course = (0.0 if heading is None else heading) + float(
                rng.choice([3.0, 90.0, 91.0, 269.0], p=[0.9, 0.03, 0.04, 0.03])
            )
            heard = before is None or rng.random() < 0.9
            row = {"track": track + which, "t": t, "lat": round(min(90.0, lat), 7), "status": "confirmed"}
            row |= {"lon": round((lon + 180) % 360 - 180, 7), "mmsi": 431_000_000 + ship, "cog": course % 360}
            row |= {"sog": absent(rng, [float(rng.choice([0.0, 0.5144, 5.144, 6.0]))], 0.2)[0], "heading": heading}
            row |= {"ais": t if heard else before and before["ais"], "radar": None if heard else t}
            rows.append(row)
            last[which] = row
        track += tracks
    return rows


def reports(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """What each number reported, in order of time, of one time that of the lower track first."""
    out: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: (r["t"], r["track"])):
        if row["ais"] == row["t"]:
            out.setdefault(row["mmsi"], []).append(row)
    return out


def jumps(rows: list[dict[str, Any]], d: dict[str, Any]) -> list[dict[str, Any]]:
    """Spells of impossible steps of one number that are told."""
    found: list[dict[str, Any]] = []
    spell: dict[str, Any] | None = None
    before = rows[0]
    for row in rows[1:]:
        seconds = (row["t"] - before["t"]) / S
        if spell is not None and row["t"] - spell["end"] > d["forget_s"] * S:
            spell = None
        if seconds < d["min_interval_s"]:
            continue
        if (row["lat"], row["lon"]) == (before["lat"], before["lon"]):
            before = row if row["sog"] is not None and row["sog"] <= d["still_mps"] else before
            continue
        far = apart_m(before, row)
        bad = far > d["min_step_m"] and far / seconds > d["max_speed_mps"]
        if bad and spell is None:
            spell = {"start": row["t"], "before": before, "steps": 0, "bad": 0, "told": False, "speed": 0.0}
            spell["tracks"] = sorted({before["track"], row["track"]})
            found.append(spell)
        if spell is not None:
            spell["steps"] += 1
        if bad:
            spell |= {"bad": spell["bad"] + 1, "end": row["t"], "of": spell["steps"]}
            spell["speed"] = max(spell["speed"], far / seconds)
            long = row["t"] - spell["start"] >= d["min_duration_s"] * S
            spell["told"] |= long and spell["bad"] > d["bad_share"] * spell["steps"]
        before = row
    return [s for s in found if s["told"]]


@pytest.mark.parametrize("seed", SEEDS)
def test_steps_of_a_number_on_several_tracks_are_those_of_a_plain_loop(seed: int) -> None:
    rows, only = numbers(seed), ALL.only(*KINDS)
    data = table(rows)
    found = standing(data, only)
    for kind in KINDS:
        d = limits_of(only, kind)
        told = sorted((a for a in found if a["definition"] == kind), key=lambda a: (a["mmsis"][0], a["start_at"]))
        plain = [(mmsi, s) for mmsi, mine in sorted(reports(rows).items()) for s in jumps(mine, d)]
        seen = [(a["mmsis"][0], us(a["start_at"]), us(a["end_at"]), a["track_ids"]) for a in told]
        assert seen == [(mmsi, s["start"], s["end"], s["tracks"]) for mmsi, s in plain]
        for a, (_, s) in zip(told, plain, strict=True):
            assert (values(a)["bad_steps"], values(a)["bad_share"]) == (s["bad"], s["bad"] / s["of"])
            assert values(a)["implied_speed_mps"] == pytest.approx(s["speed"], rel=1e-9)
            (point,) = json.loads(a["evidence"])["geometry"]  # the report before, at its own time
            assert (clock.parse_rfc3339(point["at"]), point["lat_deg"]) == (s["before"]["t"], s["before"]["lat"])
        assert told
    same(found, live(data, only, seed))


def cell(lat: float, lon: float) -> tuple[int, int]:
    return math.floor((min(lat, 89.9999999) + 90) / 0.25), math.floor((lon + 180) % 360 / 0.25)


def hit(rows: list[dict[str, Any]], d: dict[str, Any]) -> dict[Any, tuple[int, int]]:
    """(ships, ships hit) of each hour and cell that is told."""
    seen: dict[Any, dict[int, bool]] = {}
    for mmsi, mine in reports(rows).items():
        before: dict[str, Any] | None = None
        for row in mine:
            jumped, soon, where = False, False, cell(row["lat"], row["lon"])
            if before is not None:
                far, seconds = apart_m(before, row), (row["t"] - before["t"]) / S
                soon = seconds < d["min_interval_s"]
                if far > d["min_step_m"] and far > d["max_speed_mps"] * seconds:
                    jumped, where = not soon, cell(before["lat"], before["lon"])
            if None not in (row["sog"], row["heading"]):
                across = abs((row["cog"] - row["heading"] + 180) % 360 - 180)
                jumped |= row["sog"] > d["break_speed_mps"] and across > d["break_angle_deg"]
            ships = seen.setdefault((row["t"] // H, *where), {})
            ships[mmsi] = ships.get(mmsi, False) or jumped
            before = before if soon else row
    counts = {key: (len(v), sum(v.values())) for key, v in seen.items()}
    return {k: (n, bad) for k, (n, bad) in counts.items() if bad >= d["min_vessels"] and bad > d["bad_share"] * n}


@pytest.mark.parametrize("seed", SEEDS)
def test_interference_by_numbers_on_several_tracks_is_that_of_a_plain_loop(seed: int) -> None:
    rows, only = numbers(seed, 48), ALL.only("gnss_interference")
    d = limits_of(only, "gnss_interference")
    data = table(rows)
    found = standing(data, only)
    told = {}
    for a in found:
        key = (us(a["start_at"]) // H, *cell(a["lat_deg"], a["lon_deg"]))
        told[key] = values(a)["vessels"], values(a)["vessels_hit"]
    assert told == hit(rows, d)
    assert told
    same(found, live(data, only, seed))
