"""Answers that must be exact: points in polygons against GEOS, planted meetings across midnight and at +-180 degrees.

What enters: numbers of points and rows, a seed. What leaves: counts of what differs or is lost, which must be 0.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from benchmarks.behaviour.sea import fleet, polygon
from kuroshio import behaviour, clock
from kuroshio.geo.zones import Zones, load_zones

UNITS = 10_000_000
S, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
MIDNIGHT = 1_700_006_400 * S  # 2023-11-15T00:00:00Z
_CHUNK = 500_000
FIRST = 700_000_000  # numbers and tracks of the planted, which no other ship of the sea has


def _feature(name: str, kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"name": name}, "geometry": {"type": kind, "coordinates": coordinates}}


def shapes() -> dict[str, Any]:
    """Polygons of 5,000 corners in the open, across +-180 degrees, with a hole and an island; squares; a needle."""
    square = lambda x, y, d: [[x, y], [x + d, y], [x + d, y + d], [x, y + d], [x, y]]  # noqa: E731
    features = [
        _feature("wavy", "Polygon", [polygon(5000, 120, 20, 5)]),
        _feature("across", "Polygon", [polygon(5000, 179.5, -10, 3)]),
        _feature(
            "holed",
            "MultiPolygon",
            [[polygon(3000, -150, 40, 4), polygon(900, -150, 40, 2)], [polygon(99, -150, 40, 1)]],
        ),
        _feature("square", "Polygon", [square(10.0, 50.0, 2.0)]),
        _feature("to the line", "Polygon", [square(178.0, 0.0, 2.0)]),
        _feature("thin", "Polygon", [[[0, 0], [10, 0.0000003], [10.0000001, 0.0000001], [0, 0]]]),
    ]
    return {"type": "FeatureCollection", "features": features}


def points_near(rng: np.random.Generator, rings: list[Any], count: int) -> tuple[Any, Any]:
    """(x, y) in units: half anywhere about the box, the rest on corners and edges and one unit beside them."""
    edge = np.concatenate([np.concatenate([r[:-1], r[1:]], axis=1) for r in rings])
    low, high = edge[:, :2].min(axis=0), edge[:, :2].max(axis=0)
    spread = 0.05 * (high - low) + 2
    x = np.rint(rng.uniform(low[0] - spread[0], high[0] + spread[0], count))
    y = np.rint(rng.uniform(low[1] - spread[1], high[1] + spread[1], count))
    near = np.flatnonzero(rng.random(count) < 0.5)
    of = edge[rng.integers(0, len(edge), len(near))]
    f = rng.choice([0.0, 1.0, 0.5, 0.25], len(near))
    f = np.where(rng.random(len(near)) < 0.5, f, rng.random(len(near)))
    beside = rng.integers(-1, 2, (2, len(near)))
    x[near] = np.rint(of[:, 0] + f * (of[:, 2] - of[:, 0])) + beside[0]
    y[near] = np.rint(of[:, 1] + f * (of[:, 3] - of[:, 1])) + beside[1]
    line = rng.random(count) < 0.02
    x[line] = np.where(rng.random(int(line.sum())) < 0.5, 180.0 * UNITS, -180.0 * UNITS)
    half = 180 * UNITS
    return np.where(x > half, x - 2 * half, np.where(x < -half, x + 2 * half, x)), np.clip(y, -90 * UNITS, 90 * UNITS)


def _wanted(zones: Zones, zone: int, x: Any, y: Any) -> Any:
    """What GEOS says, on the same whole units, of a place and of the same place a turn east and west."""
    parts = [[np.rint(r * UNITS) for r in part] for part in zones.zones[zone].parts]
    shape = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in parts])
    shapely.prepare(shape)
    west, _, east, _ = shape.bounds
    result = np.zeros(len(x), np.bool_)
    for turn in (-1, 0, 1):
        a = x + turn * 360.0 * UNITS
        if a.max() >= west and a.min() <= east:
            result |= shapely.intersects_xy(shape, a, y)
    return result


def against_geos(points: int, seed: int) -> dict[str, Any]:
    """Numbers of points and of those on which `contains` or `members` differs from GEOS."""
    zones, rng = load_zones(shapes()), clock.generator(seed)
    result = {"points": 0, "inside": 0, "contains_differs": 0, "members_differs": 0}
    for zone in range(len(zones)):
        rings = [np.rint(r * UNITS) for part in zones.zones[zone].parts for r in part]
        left = points // len(zones) + (zone < points % len(zones))
        while left:
            count = min(left, _CHUNK)
            left -= count
            x, y = points_near(rng, rings, count)
            wanted = _wanted(zones, zone, x, y)
            lat, lon = y / UNITS, x / UNITS
            result["points"] += count
            result["inside"] += int(wanted.sum())
            result["contains_differs"] += int((zones.contains(zone, lat, lon) != wanted).sum())
            ptr, found = zones.members(lat, lon)
            mine = np.zeros(count, np.bool_)
            mine[np.repeat(np.arange(count), np.diff(ptr))[found == zone]] = True
            result["members_differs"] += int((mine != wanted).sum())
    return result


def _meetings(
    rng: np.random.Generator, count: int, lon: Any, first: int
) -> tuple[list[pa.Table], list[tuple[int, int]]]:
    """Pairs within 400 m of one another for 122 to 180 minutes round midnight, and when each began and ended."""
    parts, truth = [], []
    for k in range(count):
        minutes = rng.uniform(122, 180)
        begin = MIDNIGHT - int(rng.uniform(20, minutes - 20) * MINUTE)
        end = begin + int(minutes * MINUTE)
        apart = rng.uniform(100, 400) / 111_000
        for side in (0, 1):
            t = np.unique(np.append(rng.integers(begin - 3 * HOUR, end + 3 * HOUR, 240), [begin, end]))
            away = np.maximum(0, np.maximum(begin - t, t - end)) / S * 0.9 / 111_000
            away = side * (away + ((t < begin) | (t > end)) * 450 / 111_000)
            number = np.full(len(t), first + 2 * k + side)
            lat, east = -40.0 + 0.05 * k + side * apart + away, np.full(len(t), (lon(k) + 180) % 360 - 180)
            at = pa.array(t).cast(pa.timestamp("us", tz="UTC"))
            columns = {"mmsi": number, "track_id": number, "observed_at": at, "lat_deg": lat, "lon_deg": east}
            parts.append(pa.table(columns))
        truth.append((begin, end))
    return parts, truth


def planted(rows: int, seed: int) -> dict[str, Any]:
    """Meetings found of those planted in a sea of that many rows: 300 across midnight, 12 about +-180 degrees."""
    rng = clock.generator(seed)
    over, truth = _meetings(rng, 300, lambda k: 60.0 + 0.05 * (k % 20), FIRST)
    line, more = _meetings(rng, 12, lambda k: 180.0 + (k - 6) * 0.0005, FIRST + 4000)
    names = ["mmsi", "track_id", "observed_at", "lat_deg", "lon_deg"]
    table = pa.concat_tables([fleet(rows, seed=seed).select(names), *over, *line])
    alerts = behaviour.detect(table, behaviour.load_definitions().only("encounter")).to_pylist()
    found = Counter(min(a["mmsis"]) for a in alerts if min(a["mmsis"]) >= FIRST)
    wrong = 0
    for alert in alerts:
        first = min(alert["mmsis"])
        if first >= FIRST:
            near = first < FIRST + 4000
            begin, end = truth[(first - FIRST) // 2] if near else more[(first - FIRST - 4000) // 2]
            off = [alert["start_at"].timestamp() * S - begin, alert["end_at"].timestamp() * S - end]
            wrong += max(map(abs, off)) > 6 * MINUTE
    return {
        "rows": table.num_rows,
        "midnight_planted": 300,
        "midnight_found": sum(1 for n in found if n < FIRST + 4000),
        "antimeridian_planted": 12,
        "antimeridian_lost": 12 - sum(1 for n in found if n >= FIRST + 4000),
        "found_twice_or_merged": sum(1 for n in found.values() if n != 1) + wrong,
    }
