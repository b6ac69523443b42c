"""Random seas at the edges, and the plain loop over the rows of one track that docs/reference/alerts describes.

What is here was written from the pages, not from the engine: a row is a dict, a track a list of them, and each question
is asked of one row after another. `seas` puts ships at +-180, near a pole and over midnight, with speeds and silences
at the thresholds, absent values, rows sent twice, and tracks that end.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import behaviour, clock, schema
from kuroshio.geo.earth import distance_m

S, H = 1_000_000, 3_600_000_000
T0 = 1_709_164_740 * S  # 2024-02-28T23:59:00Z: a leap day begins within the minute
END = T0 + 120 * H
ALL = behaviour.load_definitions()
STEPS_S = (1, 2, 5, 10, 30, 60, 119, 120, 121, 299, 300, 600, 601, 900, 901, 1800, 1801, 3600, 3601, 20_000)
_OFTEN = (1, 2, 5, 10, 30, 60)
PLACES = ((0.0, 180.0), (20.0, 180.0), (-60.0, -180.0), (89.9, 10.0), (-89.995, 180.0))
TIMES = ("ais", "radar", "image")


def limits_of(definitions: Any, kind: str) -> dict[str, Any]:
    """Thresholds of one definition by name."""
    return {t.name: t.value for t in definitions[kind].thresholds.values()}


def changed(folder: Any, definition: str) -> tuple[Any, dict[str, Any]]:
    """The shipped definition with other thresholds, ``{id: ..., thresholds: {...}}`` in YAML, alone; and its limits."""
    (folder / "d.yaml").write_text(f"definitions: [{definition}]")
    kind = definition.partition("id: ")[2].partition(",")[0]
    only = behaviour.load_definitions(folder / "d.yaml").only(kind)
    return only, limits_of(only, kind)


def absent(rng: Any, values: Any, share: float) -> list[Any]:
    """Values as a list with some of them absent."""
    return [
        None if gone else v
        for v, gone in zip(np.asarray(values).tolist(), rng.random(len(values)) < share, strict=True)
    ]


def places(rng: Any, n: int, circles: bool) -> tuple[Any, Any]:
    """A way about one of the places: a walk, a circle, a line, or a circle that a silence or a line breaks off."""
    lat0, lon0 = PLACES[rng.integers(len(PLACES))]
    kind, radius_m = (
        rng.choice([2, 3]) if circles else rng.integers(4),
        float(rng.choice([30.0, 60.0, 1000.0, 15_000.0, 25_000.0])),
    )
    turn = np.arange(n) * 2 * np.pi / float(rng.choice([9.0, 15.0, 18.9, 19.1, 30.0]))
    east, north = radius_m * np.cos(turn), radius_m * np.sin(turn) * float(rng.choice([1.0, 1.0, 0.7]))
    if kind == 0:
        east, north = np.cumsum(rng.normal(0, 1, (2, n)), axis=1) * float(rng.choice([0.0, 3.0, 300.0]))
    if kind == 1:
        east, north = np.arange(n) * 40.0, np.zeros(n)
    if kind == 3:
        straight = np.repeat(rng.random(n // 20 + 1) < 0.4, 20)[:n]
        north = np.where(straight, 0.0, north)
    noise = rng.normal(0, 1, (2, n)) * radius_m * float(rng.choice([0.0, 0.01, 0.03, 0.2]))
    return plane_back(lat0, lon0, east + noise[0], north + noise[1])


def plane_back(lat0: float, lon0: float, east_m: Any, north_m: Any) -> tuple[Any, Any]:
    """Positions of a small plane laid on a ball about a place, also where that is near a pole."""
    la, lo = np.radians(lat0), np.radians(lon0)
    up = np.array([np.cos(la) * np.cos(lo), np.cos(la) * np.sin(lo), np.sin(la)])
    e = np.array([-np.sin(lo), np.cos(lo), 0.0])
    n = np.array([-np.sin(la) * np.cos(lo), -np.sin(la) * np.sin(lo), np.cos(la)])
    x = up[:, None] + e[:, None] * np.asarray(east_m) / 6.371e6 + n[:, None] * np.asarray(north_m) / 6.371e6
    lat, lon = np.degrees(np.arctan2(x[2], np.hypot(x[0], x[1]))), np.degrees(np.arctan2(x[1], x[0]))
    return np.clip(np.round(lat, 7), -90, 90), np.round(lon, 7)


def ship(rng: Any, track: int, circles: bool = False) -> list[dict[str, Any]]:
    """Rows of one track in order of time."""
    n = int(rng.integers(1, 160))
    rare = rng.choice(STEPS_S, n)
    step = np.where(rng.random(n) < float(rng.choice([0.0, 0.05, 0.3])), rare, rng.choice(_OFTEN[rng.integers(3) :], n))
    t = T0 + np.cumsum(step) * S
    lat, lon = places(rng, n, circles)
    by = np.repeat(rng.choice(3, n // 5 + 1, p=rng.dirichlet([1, 1, 0.3])), 5)[:n]  # the sensor a row is of
    if rng.random() < 0.3:
        by[:] = 0
    mood = np.repeat(rng.integers(0, 3, n // 8 + 1), 8)[:n]
    cog = np.where(
        mood == 0, 90.0, np.where(mood == 1, rng.choice([0.0, 14.9, 15.0, 359.0], n), rng.uniform(0, 360, n))
    )
    sog = np.where(mood == 2, rng.choice([0.5143, 0.5144, 2.0, 4.63, 4.64], n), rng.choice([0.1, 2.0, 3.0, 9.0], n))
    beacon, kind = rng.random() < 0.3, int(rng.integers(4))
    own = int(rng.choice([970_000_001, 972_999_999, 974_123_456])) if beacon else 431_000_000 + track
    flags = np.repeat(rng.choice([0, 1, 2, 3, 4, 7, 8], n // 6 + 1), 6)[:n]
    nav = np.repeat(rng.choice([0, 5, 14, 15], n // 4 + 1), 4)[:n]
    few = [absent(rng, c, float(rng.choice([0.0, 0.1, 1.0]))) for c in (flags, nav, sog, cog)]
    rows, last = [], dict.fromkeys(TIMES)
    for k in range(n):
        last = last | {TIMES[by[k]]: int(t[k])}
        row = {"track": track, "t": int(t[k]), "lat": float(lat[k]), "lon": float(lon[k]), "status": "confirmed"}
        row |= dict(zip(("flags", "nav", "sog", "cog"), (c[k] for c in few), strict=True)) | last
        row["mmsi"] = own if last["ais"] is not None and kind else None
        row["type"], row["length"] = (70, 120.0) if track % 2 else (None, None)
        rows.append(row)
    for row in rows[:-1]:
        if rng.random() < 0.03:
            row["status"] = str(rng.choice(["tentative", "coasted"]))
    if rng.random() < 0.3:
        rows[-1]["status"] = "ended"
    return rows


def seas(seed: int, ships: int = 40, *, circles: bool = False) -> list[dict[str, Any]]:
    """Rows of all ships; of ``circles`` alone where that is asked for."""
    rng = clock.generator(seed)
    return [row for track in range(1, ships + 1) for row in ship(rng, track, circles)]


NAMES = {
    "track": "track_id",
    "t": "observed_at",
    "lat": "lat_deg",
    "lon": "lon_deg",
    "sog": "sog_mps",
    "cog": "cog_deg",
}
NAMES |= {"nav": "nav_status", "type": "ship_type", "length": "length_m", "heading": "heading_deg", "call": "call_sign"}
NAMES |= {"ais": "last_ais_at", "radar": "last_radar_at", "image": "last_image_at"}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """TRACKS of the rows, in the order given; keys that no row has are absent columns."""
    columns = {}
    for key in dict.fromkeys(k for row in rows for k in row):
        values: Any = [row.get(key) for row in rows]
        if key in TIMES:
            values = pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        columns[NAMES.get(key, key)] = values
    return schema.TRACKS.build(columns)


def tracks(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """Rows by track in order of time, without those that measure nothing."""
    out: dict[int, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda r: r["t"]):
        if row["status"] in ("confirmed", "ended"):
            out.setdefault(row["track"], []).append(row)
    return out


def apart_m(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Metres between two rows."""
    return float(distance_m(a["lat"], a["lon"], b["lat"], b["lon"]))


def spells(rows: list[dict[str, Any]], holds: list[Any], limits: dict[str, Any]) -> list[tuple[int, int, int]]:
    """(start, end, rows that hold) of every spell of one track that is told.

    A spell begins with a row on which it holds and is told when ``raise_n`` of them have come, ``min_duration_s`` have
    passed. What does not hold ends one that has not come so far at once, and ``lower_n`` of them any; ``None`` is not
    known; "away" is a row that is not looked at. A silence longer than ``max_gap_s`` ends it, and the end of the track.
    """
    need, few = int(limits.get("raise_n", 1)), int(limits.get("lower_n", 1))
    least, longest = limits.get("min_duration_s", 0) * S, limits["max_gap_s"] * S
    found: list[dict[str, Any]] = []
    spell: dict[str, Any] | None = None
    heard = 0
    for row, held in zip(rows, holds, strict=True):
        if held == "away" and row["status"] != "ended":
            continue
        t = row["t"]
        if spell is not None and (t - heard > longest or row["status"] == "ended"):
            spell = None
        heard = t
        if row["status"] == "ended":
            continue
        if held:
            if spell is None:
                spell = {"start": t, "n": 0, "told": False}
                found.append(spell)
            spell |= {"n": spell["n"] + 1, "end": t, "downs": 0}
            spell["told"] |= spell["n"] >= need and t - spell["start"] >= least
        elif held is False and spell is not None:
            spell["downs"] += 1
            if spell["n"] < need or spell["downs"] >= few:
                spell = None
    return [(s["start"], s["end"], s["n"]) for s in found if s["told"]]


def standing(rows: pa.Table, definitions: Any, *, end_us: int = END, **around: Any) -> list[dict[str, Any]]:
    """Alerts of the archive as they stand long after."""
    return behaviour.detect(rows, definitions, now_us=end_us, **around).to_pylist()


def live(rows: pa.Table, definitions: Any, seed: int, *, end_us: int = END, **around: Any) -> list[dict[str, Any]]:
    """Alerts as they stand in the end of rows that came in random batches, some late, some twice."""
    rng = clock.generator(seed)
    at = rows["observed_at"].cast("int64").to_numpy()
    arrival = at + np.where(rng.random(len(at)) < 0.8, 0, rng.integers(0, 2 * H, len(at)))
    order = np.argsort(arrival, kind="stable")
    order = np.sort(np.append(np.arange(len(order)), rng.integers(0, len(order), len(order) // 20)))[: len(order) * 2]
    order = np.argsort(arrival, kind="stable")[order]
    engine = behaviour.Engine(definitions, lateness_s=float(rng.choice([0, 300])), repair_s=24 * 3600, **around)
    said = []
    for part in np.split(order, np.sort(rng.integers(0, len(order), 8))):
        now = int(arrival[part].max()) + 1 if len(part) else engine.watermark_us
        said.append(engine.step(rows.take(pa.array(part)), now_us=max(now, T0)))
    said.append(engine.step(rows.slice(0, 0), now_us=end_us, watermark_us=end_us))
    return behaviour.fold(pa.concat_tables(said).unify_dictionaries()).to_pylist()


def same(archive: list[dict[str, Any]], now: list[dict[str, Any]]) -> None:
    """Archive and live agree in all but when it was known and how sure it is."""
    drop = ("known_at", "change", "grade")
    assert [{k: v for k, v in a.items() if k not in drop} for a in now] == [
        {k: v for k, v in a.items() if k not in drop} for a in archive
    ]


def us(at: Any) -> int | None:
    """Microseconds of a time."""
    return None if at is None else round(at.timestamp() * S)


def values(alert: dict[str, Any]) -> dict[str, Any]:
    """What was measured."""
    return json.loads(alert["evidence"])["values"]
