"""Port visits against a plain loop from the page."""

from __future__ import annotations

import os
from typing import Any

import pytest
from plain_sea import S, absent, apart_m, changed, live, same, seas, standing, table, tracks, us, values
from test_behaviour_plain_ways import crossing, inside, outside_m, place

from kuroshio import behaviour, clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
QUICK = "{id: port_visit, thresholds: {min_stop_s: 300, max_gap_s: 1800, min_confidence: 1}}"
BOXES = {"Basco": (179.99, 180.01, 19.99, 20.01), "Mahatao": (180.1, 180.13, 19.98, 20.005)}


def calling(seed: int) -> list[dict[str, Any]]:
    """A sea whose ships go to and fro between the edges of two ports, fast and slow, and lie in them and off them."""
    rng, rows = clock.generator(seed + 110), seas(seed, 40)
    for track in {row["track"] for row in rows}:
        mine = [row for row in rows if row["track"] == track]
        west, east, south, north = BOXES[str(rng.choice(list(BOXES)))]
        lon, lat, way = rng.uniform(west - 0.03, east), rng.uniform(south - 0.003, north), float(rng.choice([1, -1]))
        for row in mine:
            mood = int(rng.integers(0, 40))
            moving = mood > 30 if row is not mine[0] else True
            way = -way if mood == 40 else way
            if moving:
                lon += way * float(rng.choice([0.001, 0.004, 0.012]))
                way = way if west - 0.03 < lon < east + 0.03 else -way
            row["lon"], row["lat"] = round((lon + 180) % 360 - 180, 7), round(lat, 7)
            row["sog"] = absent(
                rng, [float(rng.choice([0.0, 0.1029, 0.2, 0.2572, 0.3] if not moving else [3.0]))], 0.1
            )[0]
    return rows


def visits(rows: list[dict[str, Any]], d: dict[str, Any]) -> list[tuple[str, float, float, int, str]]:
    """(port, entry, last fix in port, confidence, what was seen) of each visit of a track."""
    found: list[tuple[str, float, float, int, str]] = []
    visit: dict[str, Any] | None = None
    before: dict[str, Any] | None = None

    def over(*seen: str) -> None:
        what = visit["seen"] | set(seen)
        ways, stayed = len(what & {"entry", "exit"}), what & {"stop", "gap"}
        order = ", ".join(x for x in ("entry", "stop", "gap", "exit") if x in what)
        if (sure := 2 + ways if stayed else 1) >= d["min_confidence"]:
            found.append((visit["port"], visit["start"], visit["last"]["t"], sure, order))

    for k, row in enumerate(rows):
        if before is not None and row["t"] - before["t"] > d["max_gap_s"] * S:
            if visit is not None:
                over(*(["gap"] if visit["last"] is before else []))
            visit, before = None, None
        port = next((name for name, box in BOXES.items() if inside(*place(row), box)), None)
        if visit is not None and port is not None:
            visit["last"] = row
            if visit["stop"] is not None and row["t"] - visit["stop"] >= d["min_stop_s"] * S:
                visit["seen"].add("stop")
        if row["status"] == "ended":
            if visit is not None:
                over()
            visit = None
            break
        if port is not None:
            if visit is None:
                start = row["t"] if before is None else crossing(before, row, BOXES[port])
                visit = {"port": port, "start": start, "seen": set() if before is None else {"entry"}, "stop": None}
                visit["last"] = row
            speed = row["sog"]
            if speed is None and k:
                speed = apart_m(rows[k - 1], row) / ((row["t"] - rows[k - 1]["t"]) / S)
            if speed is not None and visit["stop"] is None and speed <= d["stop_speed_mps"]:
                visit["stop"] = row["t"]
            elif speed is not None and speed > d["go_speed_mps"]:
                visit["stop"] = None
        elif visit is not None:
            visit["stop"] = None
            if outside_m(*place(row), BOXES[visit["port"]]) >= d["exit_distance_m"]:
                over("exit")
                visit = None
        before = row
    if visit is not None:
        over(*(["gap"] if visit["last"] is before else []))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_port_visits_are_those_of_a_plain_loop(seed: int, tmp_path: Any) -> None:
    only, d = changed(tmp_path, QUICK)
    features = []
    for name, (west, east, south, north) in BOXES.items():
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"name": name, "kind": "port"}, "geometry": shape})
    zones, rows = behaviour.load_zones({"type": "FeatureCollection", "features": features}), calling(seed)
    data = table(rows)
    found = standing(data, only, zones=zones)
    told = sorted(
        (a["track_ids"][0], us(a["start_at"]), a["zone"], us(a["end_at"]), values(a)["confidence"], values(a)["seen"])
        for a in found
    )
    plain = sorted(
        (n, start, port, *rest) for n, mine in tracks(rows).items() for port, start, *rest in visits(mine, d)
    )
    assert [(n, *rest) for n, _, *rest in told] == [(n, *rest) for n, _, *rest in plain]
    assert [x[1] for x in told] == pytest.approx([x[1] for x in plain], abs=50_000)
    assert len(told) > 20
    assert len({x[5] for x in told}) > 5
    same(found, live(data, only, seed, zones=zones))
