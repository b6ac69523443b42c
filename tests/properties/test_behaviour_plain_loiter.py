"""Loitering against a plain loop over its windows, written from the page."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest
from plain_sea import S, apart_m, changed, live, same, seas, standing, table, tracks, us, values

from kuroshio import behaviour, clock

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))
QUICK = "{id: loitering, thresholds: {window_s: 300, min_duration_s: 600, max_gap_s: 900}}"
PORT = {
    "type": "Feature",
    "properties": {"name": "Basco", "kind": "port"},
    "geometry": {"type": "Polygon", "coordinates": [[[179.0, 19.0], [180.0, 19.0], [180.0, 20.5], [179.0, 20.5]]]},
}
PORT["geometry"]["coordinates"][0].append([179.0, 19.0])


def drifting(seed: int) -> list[dict[str, Any]]:
    """A sea whose ships go slowly or fast by stretches, some beside a port, some saying that they lie at anchor."""
    rng, rows = clock.generator(seed + 90), seas(seed, 60)
    for track in {row["track"] for row in rows}:
        mine = [row for row in rows if row["track"] == track]
        n, lat, lon = (
            len(mine),
            float(rng.choice([20.0, 20.5, -60.0, 89.9])),
            180.0 + float(rng.choice([-0.01, 0.0, 0.02])),
        )
        fast = np.repeat(rng.random(n // 15 + 1) < 0.1, 15)[:n]
        at_anchor = np.repeat(rng.choice([0, 1, 5], n // 20 + 1, p=[0.6, 0.2, 0.2]), 20)[:n]
        last = mine[0]["t"]
        for row, far, nav in zip(mine, fast.tolist(), at_anchor.tolist(), strict=True):
            metres = (row["t"] - last) / S * (4.0 if far else float(rng.choice([0.3, 0.9, 1.0])))
            lat, lon, last = lat + metres * float(rng.choice([-1, 1])) / 111_700, lon, row["t"]
            row["lat"], row["lon"] = round(min(90.0, lat), 7), round((lon + 180) % 360 - 180, 7)
            row["nav"] = nav
    return rows


def stretches(rows: list[dict[str, Any]], d: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Rows between silences, ends of tracks, ports and numbers that are no ship's."""
    out: list[list[dict[str, Any]]] = [[]]
    for row in rows:
        if out[-1] and row["t"] - out[-1][-1]["t"] > d["max_gap_s"] * S:
            out.append([])
        in_port = 19.0 <= row["lat"] <= 20.5 and 179.0 <= row["lon"] % 360 <= 180.0
        other = row["mmsi"] is not None and str(row["mmsi"]).startswith(tuple(map(str, d["exclude_mmsi_prefixes"])))
        if row["status"] == "ended" or in_port or other:
            out.append([])
        else:
            out[-1].append(row)
    return [some for some in out if some]


def window(rows: list[dict[str, Any]], begin: int, end: int) -> tuple[float, float]:
    """(metres, seconds) of the straight pieces between fixes that lie in a stretch of time."""
    way = time = 0.0
    for a, b in itertools.pairwise(rows):
        part = max(0, min(end, b["t"]) - max(begin, a["t"]))
        way += apart_m(a, b) * part / (b["t"] - a["t"])
        time += part / S
    return way, time


def loiterings(rows: list[dict[str, Any]], d: dict[str, Any]) -> list[tuple[int, int]]:
    """(start, end) of each union of slow windows that lasts, in which not too many fixes claim to lie still."""
    sixth, found = d["window_s"] * S // 6, []
    for some in stretches(rows, d):
        spell: dict[str, Any] | None = None
        for end in range((some[0]["t"] // sixth + 1) * sixth, some[-1]["t"] + 1, sixth):
            way, time = window(some, end - 6 * sixth, end)
            if time < d["min_cover"] * d["window_s"] or way > d["max_speed_mps"] * time:
                spell = None
                continue
            if spell is None:
                spell = {"start": max(some[0]["t"], end - 6 * sixth), "told": False}
            # the fix that goes beyond the end of a window has not come when that is judged
            fixes = [r["nav"] in (1, 5) for r in some if spell["start"] <= r["t"] < end]
            enough = end - spell["start"] >= d["min_duration_s"] * S
            if enough and sum(fixes) <= d["max_still_share"] * len(fixes) and not spell["told"]:
                spell["told"] = True
                found.append(spell)
            spell["end"] = end
    return [(s["start"], s["end"]) for s in found]


@pytest.mark.parametrize("seed", SEEDS)
def test_loiterings_are_those_of_a_plain_loop_over_windows(seed: int, tmp_path: Any) -> None:
    only, d = changed(tmp_path, QUICK)
    zones, rows = behaviour.load_zones(PORT), drifting(seed)
    data = table(rows)
    found = standing(data, only, zones=zones)
    told = sorted((a["track_ids"][0], us(a["start_at"]), us(a["end_at"])) for a in found)
    assert told == sorted((track, *one) for track, mine in tracks(rows).items() for one in loiterings(mine, d))
    assert len(told) > 5
    for a in found:
        assert values(a)["still_share"] <= 1.0
    same(found, live(data, only, seed, zones=zones))
