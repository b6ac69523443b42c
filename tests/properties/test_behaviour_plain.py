"""What the picture flags, distress, dark ships, fishing, circles and norms, against plain loops from the pages."""

from __future__ import annotations

import math
import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
from plain_sea import ALL, S, absent, apart_m, limits_of, live, same, seas, spells, standing, table, tracks, us, values

from kuroshio import behaviour, clock
from kuroshio.behaviour import norms as norms_of
from kuroshio.behaviour.archive import archive_fixes

SEEDS = range(int(os.environ.get("KUROSHIO_SEEDS", "4")))


def check(kind: str, seed: int, verdict: Any, *, rows: Any = None, changed: Any = None, **around: Any) -> int:
    """Hold the alerts of one definition against the loop, in the archive and live; the number of them."""
    rows = seas(seed) if rows is None else rows
    definitions = (changed or ALL).only(kind)
    d = limits_of(definitions, kind)
    data = table(rows)
    found = standing(data, definitions, **around)
    told = sorted((a["track_ids"][0], us(a["start_at"]), us(a["end_at"]), values(a)["updates"]) for a in found)
    plain = [
        (track, *spell)
        for track, mine in tracks(rows).items()
        for spell in spells(mine, [verdict(mine, k, d) for k in range(len(mine))], d)
    ]
    assert told == sorted(plain)
    if seed % 2 == 0:
        same(found, live(data, definitions, seed, **around))
    return len(plain)


def bit(rows: Any, k: int, d: Any) -> Any:
    """The picture says of each update whether it marks it; where it says nothing, nothing is known."""
    return None if rows[k]["flags"] is None else bool(rows[k]["flags"] & d["flag_bit"])


@pytest.mark.parametrize("kind", ["uncorroborated_ais", "ais_radar_disagreement"])
def test_marks_of_the_picture_are_those_of_a_plain_loop(kind: str) -> None:
    assert sum(check(kind, seed, bit) for seed in SEEDS) > 10


def in_distress(rows: Any, k: int, d: Any) -> Any:
    """AIS alone says so; a beacon unless it says that it tests, a ship by its status, unknown where it gives none."""
    row = rows[k]
    if row["ais"] != row["t"]:
        return "away"
    if row["mmsi"] is not None and row["mmsi"] // 1_000_000 in d["mmsi_prefixes"]:
        return row["nav"] != 15
    return None if row["nav"] is None else row["nav"] == 14


def test_distress_is_that_of_a_plain_loop() -> None:
    assert sum(check("distress", seed, in_distress) for seed in SEEDS) > 10


LAND = {
    "type": "Feature",
    "properties": {"name": "Batan", "kind": "land"},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[179.0, 19.0], [181.0, 19.0], [181.0, 21.0], [179.0, 21.0], [179.0, 19.0]]],
    },
}


def on_land(rows: Any, k: int, d: Any) -> Any:
    """Only where AIS claims to be counts; this land is so wide that whoever is on it is deep inside."""
    row = rows[k]
    return "away" if row["ais"] != row["t"] else 19 <= row["lat"] <= 21 and abs(row["lon"]) >= 179


def test_positions_on_land_are_those_of_a_plain_loop_whatever_radar_sees() -> None:
    zones = behaviour.load_zones(LAND)
    assert sum(check("position_on_land", seed, on_land, zones=zones) for seed in SEEDS) > 10


def dark(rows: Any, k: int, d: Any) -> Any:
    """Held now, not heard for long, and flagged unless the picture flags nothing; only an AIS report speaks against."""
    row = rows[k]
    seen = max((row[s] for s in ("radar", "image") if row[s] is not None), default=None)
    flagged = None if row["flags"] is None else bool(row["flags"] & 1)
    held = bool(flagged) if seen is None else row["t"] - seen <= d["held_s"] * S
    least_s = d["untold_silence_s" if flagged is None else "ais_silence_s"]
    silent = row["ais"] is None or row["t"] - row["ais"] >= least_s * S
    if held and silent and flagged is not False:
        return True
    return False if row["ais"] == row["t"] else None


def test_dark_vessels_are_those_of_a_plain_loop() -> None:
    assert sum(check("dark_vessel", seed, dark) for seed in SEEDS) > 10


def turning(rows: Any, k: int, d: Any) -> Any:
    """At a speed of gear, the mean of the changes of course since the last silence; ports are left out."""
    row, mean, last = rows[k], 0.0, None
    for j in range(k + 1):  # from the beginning each time: slow, and plain
        if j and rows[j]["t"] - rows[j - 1]["t"] > d["max_gap_s"] * S:
            mean, last = 0.0, None
        course = rows[j]["cog"]
        if course is not None and last is not None:
            change = abs(course - last) % 360
            mean += d["turn_weight"] * (min(change, 360 - change) - mean)
        last = last if course is None else course
    speed = row["sog"]
    if speed is None and k:
        speed = apart_m(rows[k - 1], row) / ((row["t"] - rows[k - 1]["t"]) / S)
    if speed is None:
        return None
    if not d["min_speed_mps"] <= speed <= d["max_speed_mps"] or (19 <= row["lat"] <= 21 and row["lon"] >= 179):
        return False
    return None if row["cog"] is None else mean >= d["turn_deg"]


def test_fishing_is_that_of_a_plain_loop(tmp_path: Any) -> None:
    (tmp_path / "d.yaml").write_text("definitions: [{id: fishing_movement, thresholds: {min_duration_s: 600}}]")
    port = {"name": "Basco", "kind": "port"}
    ring = [[179.0, 19.0], [180.0, 19.0], [180.0, 21.0], [179.0, 21.0], [179.0, 19.0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    zones = behaviour.load_zones({"type": "Feature", "properties": port, "geometry": shape})
    around = {"zones": zones, "changed": behaviour.load_definitions(tmp_path / "d.yaml")}
    assert sum(check("fishing_movement", seed, turning, **around) for seed in SEEDS) > 10


def on_plane(block: Any) -> Any:
    """East and north of the first, by the tangent plane of the ellipsoid."""
    lat, lon = (np.radians([row[n] for row in block]) for n in ("lat", "lon"))
    a, b = 6_378_137.0, 6_356_752.314245
    n = a * a / np.hypot(a * np.cos(lat), b * np.sin(lat))
    xyz = np.array([n * np.cos(lat) * np.cos(lon), n * np.cos(lat) * np.sin(lon), b * b / a / a * n * np.sin(lat)])
    east = np.array([-np.sin(lon[0]), np.cos(lon[0]), 0])
    north = np.array([-np.sin(lat[0]) * np.cos(lon[0]), -np.sin(lat[0]) * np.sin(lon[0]), np.cos(lat[0])])
    return east @ (xyz - xyz[:, :1]), north @ (xyz - xyz[:, :1])


def round_and_round(block: Any, d: Any) -> bool:
    """Least squares of x2 + y2 = 2 a x + 2 b y + c: the circle; then how far off, how far round, how far sailed."""
    x, y = on_plane(block)
    design = np.stack([x, y, np.ones(len(x))], axis=1) / 1000
    (p, q, c), _, rank, _ = np.linalg.lstsq(design, (x * x + y * y) / 1e6, rcond=None)
    if rank < 3:
        return False
    a, b = p * 500, q * 500
    radius = math.sqrt(max(0.0, c * 1000 + a * a + b * b))
    off = math.sqrt(np.mean((np.hypot(x - a, y - b) - radius) ** 2))
    turn = np.diff(np.unwrap(np.arctan2(y - b, x - a))).sum() / (2 * math.pi)
    known = [k for k in range(1, len(block)) if block[k]["sog"] is not None]
    way = sum(apart_m(block[k - 1], block[k]) for k in known)
    claimed = sum(block[k]["sog"] * (block[k]["t"] - block[k - 1]["t"]) / S for k in known)
    fits = d["min_radius_m"] <= radius <= d["max_radius_m"] and off <= d["max_residual"] * radius
    return bool(fits and abs(turn) >= d["min_turns"] and way > d["speed_ratio"] * claimed)


def circling(rows: Any, d: Any) -> list[Any]:
    """A verdict on the last fix of each block."""
    out, block = [], []
    for k, row in enumerate(rows):
        if k and row["t"] - rows[k - 1]["t"] > d["max_gap_s"] * S:
            block = []
        block = [*block, row]
        whole = len(block) == d["block_fixes"] and row["status"] != "ended"
        out.append(round_and_round(block, d) if whole else None)
        block = [] if whole else block
    return out


def test_circles_are_those_of_a_plain_loop() -> None:
    told = 0
    for seed in SEEDS:
        rows = seas(seed, 100, circles=True)
        verdicts = {t: circling(mine, limits_of(ALL, "circle_spoofing")) for t, mine in tracks(rows).items()}
        told += check("circle_spoofing", seed, lambda mine, k, d, v=verdicts: v[mine[0]["track"]][k], rows=rows)
    assert told > 2


KNOT = 1852 / 3600


def cell(row: Any) -> Any:
    """Which cell, kind and size of ship."""
    east = (row["lon"] + 180) % 360
    kind = row["type"] // 10 if row["type"] is not None and 0 <= row["type"] < 100 else 0
    size = None if row["length"] is None else sum(row["length"] >= limit for limit in (50, 100, 200))
    return min(719, math.floor((row["lat"] + 90) / 0.25)), math.floor(east / 0.25), kind, size


def marks(row: Any) -> Any:
    """(knot, sixteenth of the compass) of a row; None where it says none or lies still."""
    if row["sog"] is None:
        return None, None
    course = None if row["cog"] is None or row["sog"] < KNOT else math.floor(row["cog"] / 22.5) % 16
    return min(40, math.floor(row["sog"] / KNOT)), course


def going(seed: int, ships: int, share: float) -> Any:
    """A sea whose ships go alike, but for a share of stretches in which they go fast or the other way."""
    rng, rows = clock.generator(seed), seas(seed, ships)
    odd = np.repeat(rng.random(len(rows) // 5 + 1) < share, 5)
    for row, other in zip(rows, odd.tolist(), strict=False):
        row["sog"] = float(rng.choice([0.1, 0.5, KNOT, 2.0] if not other else [1.0, 9.0, 30.0]))
        row["cog"] = float(rng.choice([0.0, 22.5, 90.0, 359.9] if not other else [90.0, 180.0, 200.0]))
        row["sog"], row["cog"] = absent(rng, [row["sog"], row["cog"]], 0.05)
        if row["track"] % 5 == 0 and not other:  # a ship that lies still: its course is nobody's
            row["sog"] = 0.1
    return [row for row in rows if row["status"] in ("confirmed", "ended")]


def test_what_is_usual_nowhere_is_that_of_a_plain_count(tmp_path: Any) -> None:
    text = "{id: speed_course_anomaly, thresholds: {max_p: 0.02, min_observations: 60, min_duration_s: 30, lower_n: 2}}"
    (tmp_path / "d.yaml").write_text(f"definitions: [{text}]")
    changed, told = behaviour.load_definitions(tmp_path / "d.yaml"), 0
    learned = going(1000, 100, 0.002)
    usual: dict[Any, Counter[int]] = {}
    for row in learned:
        for what, mark in enumerate(marks(row)):
            if mark is not None:
                usual.setdefault((cell(row), what), Counter())[mark] += 1

    def rare(rows: Any, k: int, d: Any) -> Any:
        """Rarer than the limit among enough; not known where there are not enough."""
        shares = []
        for what, mark in enumerate(marks(rows[k])):
            seen = usual.get((cell(rows[k]), what), Counter())
            if mark is not None and seen.total() >= d["min_observations"]:
                shares.append(sum(n for n in seen.values() if n <= seen[mark]) / seen.total())
        return None if not shares else min(shares) < d["max_p"]

    norms = norms_of.build(archive_fixes(table(learned)))
    for seed in SEEDS:
        told += check("speed_course_anomaly", seed, rare, rows=going(seed, 40, 0.2), changed=changed, norms=norms)
    assert told > 10
