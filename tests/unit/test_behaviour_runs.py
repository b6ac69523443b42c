"""What one track does for a while, against plain loops written from the pages of docs/reference/alerts."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, clock
from kuroshio.geo.earth import distance_m

S = 1_000_000
T0 = 1_709_164_740 * S  # 2024-02-28T23:59:00Z: a leap day begins within the minute
ALL = behaviour.load_definitions()
KINDS = ("drift", "sudden_stop", "cable_loitering", "position_on_land")


def box(name, kind, west, east, south=19.9, north=20.1):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"name": name, "kind": kind}, "geometry": shape}


BOXES = [
    ("cable", 179.99, 179.998),
    ("cable", 179.996, 180.004),
    ("pipeline", 180.004, 180.01),
    ("port", 180.012, 180.016),
    ("land", 179.98, 180.0),
    ("land", 179.985, 180.006),
    ("inland", 179.993, 179.995),
]
ZONES = behaviour.load_zones(
    {"type": "FeatureCollection", "features": [box(f"{k} {n}", k, w, e) for n, (k, w, e) in enumerate(BOXES)]}
)


def sea(rng, ships=60):
    """Ships about +-180 with speeds at the thresholds, silences of just the longest, absent values, equal courses."""
    parts = []
    for ship in range(ships):
        n = int(rng.integers(1, 150))
        step = rng.choice(
            [5, 10, 30, 60, 300, 600, 601, 900, 901, 3600, 3601], n, p=[0.2, 0.3, 0.2, 0.22, *[0.08 / 7] * 7]
        )
        mood = np.repeat(rng.integers(0, 4, n // 6 + 1), 6)[:n]
        sog = np.where(mood == 0, rng.choice([3.6011, 5.0, 8.0], n), rng.choice([0.0, 0.3, 0.5144, 2.0578, 2.5722], n))
        heading = np.where(rng.random(n) < 0.9, rng.choice([0.0, 45.0, 180.0, 359.0]), np.nan)
        cog = (
            np.nan_to_num(heading) + np.where(mood == 2, rng.choice([0, 45.0], n), rng.choice([46.0, 90, 300]))
        ) % 360
        lon = 180.0 + rng.choice([-0.02, 0.0, 0.003]) + np.cumsum(rng.normal(0, 1, n)) * rng.choice([1e-5, 5e-4])
        parts.append(
            {
                "track_id": np.full(n, ship),
                "t": T0 + np.cumsum(step) * S,
                "lat": 20.0 + np.cumsum(rng.normal(0, 1, n)) * rng.choice([0, 1e-4]),
                "lon": np.round((lon + 180) % 360 - 180, 7),
                "sog": np.where(rng.random(n) < 0.9, sog, np.nan),
                "cog": np.where(rng.random(n) < 0.95, cog, np.nan),
                "heading": heading,
            }
        )
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def table(c):
    return pa.table(
        {
            "track_id": c["track_id"],
            "mmsi": pa.nulls(len(c["t"]), pa.int64()),
            "observed_at": pa.array(c["t"]).cast(pa.timestamp("us", tz="UTC")),
            "lat_deg": np.round(c["lat"], 7),
            "lon_deg": c["lon"],
            "sog_mps": pa.array(c["sog"], from_pandas=True),
            "cog_deg": pa.array(c["cog"], from_pandas=True),
            "heading_deg": pa.array(c["heading"], from_pandas=True),
        }
    )


def inside(kinds, lon, lat):
    east = lon % 360.0
    return [n for n, (k, w, e) in enumerate(BOXES) if k in kinds and w <= east <= e and 19.9 <= lat <= 20.1]


def depth_m(lon, lat):
    """Deepest way to an edge of the pieces of land it lies in; 0 in inland water."""
    if inside(("inland", "port"), lon, lat):
        return 0.0
    east, deepest = lon % 360.0, 0.0
    for n in inside(("land",), lon, lat):
        _, w, e = BOXES[n]
        edges = [(lat, w), (lat, e), (19.9, east), (20.1, east)]
        deepest = max(deepest, min(float(distance_m(lat, east, la, lo)) for la, lo in edges))
    return deepest


def conditions(kind, rows, k, last_fast, going):
    """True, False or None where it is not known; of a stop, whether it could begin or go on here."""
    t, lat, lon, sog, cog, heading = rows[k]
    if kind == "drift":
        if math.isnan(sog) or math.isnan(cog) or math.isnan(heading):
            return None
        across = abs((cog - heading + 180.0) % 360.0 - 180.0)
        return 0.5144 <= sog <= 2.5722 and across > 45.0
    if kind == "position_on_land":
        return depth_m(lon, lat) >= 200.0
    if kind == "sudden_stop":
        if math.isnan(sog):
            return None
        if inside(("port", "anchorage", "inland"), lon, lat) or sog >= 0.5144:
            return False
        return going or (last_fast is not None and t - last_fast <= 30 * S)
    if math.isnan(sog):
        before = rows[k - 1] if k else None
        sog = float(distance_m(before[1], before[2], lat, lon)) / ((t - before[0]) / S) if before else math.nan
    if not inside(("cable", "pipeline"), lon, lat):
        return False
    return None if math.isnan(sog) else sog <= 2.0578


def spells(kind, rows):
    """(start, end, metres) of every spell of one track that is told."""
    limits = {t.name: t.value for t in ALL[kind].thresholds.values()}
    need, few = limits["raise_n"], limits["lower_n"]
    shortest, least = limits.get("min_duration_s", 0) * S, limits.get("min_distance_m", 0)
    found, last_fast, spell = [], None, None
    for k, row in enumerate(rows):
        t = row[0]
        if k and t - rows[k - 1][0] > limits["max_gap_s"] * S:
            found, spell = ([*found, spell] if spell else found), None
        holds = conditions(kind, rows, k, last_fast, spell is not None)
        if not math.isnan(row[3]) and row[3] > 3.6011:
            last_fast = t
        if spell:
            spell["way"] += float(distance_m(*rows[k - 1][1:3], *row[1:3]))
        if holds:
            spell = spell or {"start": t, "n": 0, "way": 0.0, "told": False}
            spell |= {"n": spell["n"] + 1, "end": t, "path": spell["way"], "downs": 0}
            enough = spell["n"] >= need and t - spell["start"] >= shortest and spell["path"] >= least
            spell["told"] = spell["told"] or enough
        elif holds is False and spell:
            spell["downs"] += 1
            if spell["n"] < need or spell["downs"] >= few:
                found, spell = [*found, spell], None
    return [(s["start"], s["end"], s["path"]) for s in (*found, spell) if s and s["told"]]


@pytest.mark.parametrize("seed", range(4))
def test_every_spell_is_that_of_a_plain_loop(seed: int) -> None:
    c = sea(clock.generator(seed))
    definitions = behaviour.load_definitions().only(*KINDS)
    alerts = behaviour.detect(table(c), definitions, zones=ZONES, now_us=int(c["t"].max()) + 86_400 * S).to_pylist()
    expected = 0
    for kind in KINDS:
        mine = [a for a in alerts if a["definition"] == kind]
        for ship in np.unique(c["track_id"]).tolist():
            at = c["track_id"] == ship
            names = ("t", "lat", "lon", "sog", "cog", "heading")
            rows = list(
                zip(*(np.round(c[n][at], 7).tolist() if n == "lat" else c[n][at].tolist() for n in names), strict=True)
            )
            told = [
                (
                    round(a["start_at"].timestamp() * S),
                    round(a["end_at"].timestamp() * S),
                    json.loads(a["evidence"])["values"]["path_m"],
                )
                for a in mine
                if a["track_ids"] == [ship]
            ]
            plain = spells(kind, rows)
            assert [x[:2] for x in sorted(told)] == [x[:2] for x in plain], (kind, ship)
            assert [x[2] for x in sorted(told)] == pytest.approx([x[2] for x in plain], rel=1e-4, abs=0.01), (
                kind,
                ship,
            )
            expected += len(plain)
        assert mine, kind
    assert expected > 20
