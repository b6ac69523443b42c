"""Live against archive: random seas in random batches, orders of arrival and restarts must end in the same ledger.

What enters: a seed. What leaves: nothing, or the first alert that differs. `python -m benchmarks.behaviour equal` runs
many; tests/properties/test_behaviour_batches.py a few.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import behaviour, clock, schema
from kuroshio.behaviour.archive import archive_fixes

S, H = 1_000_000, 3_600_000_000
T0 = 1_700_000_000 * S // H * H

FAST = """
definitions:
  - {id: ais_gap, thresholds: {silence_s: 1800, min_reports: 3, window_s: 7200, min_others: 2, least_heard: 0.6}}
  - {id: encounter, thresholds: {min_duration_s: 1800, max_gap_s: 1200}}
  - {id: encounter_short, thresholds: {min_duration_s: 900}}
  - {id: loitering, thresholds: {window_s: 1200, min_duration_s: 2400, max_gap_s: 1200}}
  - {id: dark_vessel, thresholds: {min_duration_s: 300, raise_n: 3}}
  - {id: zone_entry, thresholds: {max_gap_s: 1500}}
  - {id: zone_exit, thresholds: {max_gap_s: 1500}}
  - {id: ais_disabling, thresholds: {silence_s: 3600, min_reports: 2, min_shore_m: 0, min_p_heard: 0}}
  - {id: drift, thresholds: {min_duration_s: 60, min_distance_m: 10, raise_n: 1, min_speed_mps: 0.1, max_gap_s: 3600}}
  - {id: sudden_stop, thresholds: {within_s: 600, min_duration_s: 10, max_gap_s: 3600}}
  - {id: fishing_movement, thresholds: {min_duration_s: 600, raise_n: 2}}
  - {id: cable_loitering, thresholds: {min_duration_s: 300, raise_n: 1}}
  - id: port_visit
    thresholds: {min_stop_s: 300, stop_speed_mps: 1.0, go_speed_mps: 2.0, max_gap_s: 3600, min_confidence: 1}
  - {id: position_on_land, thresholds: {depth_m: 5, raise_n: 1}}
  - {id: ais_radar_disagreement, thresholds: {min_duration_s: 10, raise_n: 2}}
  - {id: uncorroborated_ais, thresholds: {min_duration_s: 10, raise_n: 2}}
  - {id: distress, thresholds: {max_gap_s: 600}}
  - {id: impossible_kinematics, thresholds: {min_step_m: 200, max_speed_mps: 1, forget_s: 1200}}
  - {id: identity_duplicated, thresholds: {min_step_m: 200, max_speed_mps: 1, forget_s: 3600, min_duration_s: 600}}
  - {id: identity_changed, thresholds: {quiet_s: 60}}
  - {id: circle_spoofing, thresholds: {block_fixes: 5, max_residual: 0.9, min_turns: 0, min_radius_m: 1}}
  - {id: gnss_interference, thresholds: {min_step_m: 200, max_speed_mps: 1, min_vessels: 1}}
  - {id: gate_norm, thresholds: {norm_days: 4, min_days: 1, max_silent_h: 23, max_p: 1, min_change: 0}}
  - {id: collision_risk, enabled: true, thresholds: {time_step_s: 300, max_age_s: 3600, clear_s: 600}}
"""


KEYS = ("track", "t", "lat", "lon", "mmsi", "ais", "radar", "st", "sog", "cog", "heading", "flags", "name")


def sea(rng: np.random.Generator, ships: int = 24, hours: float = 8, *, apart: bool = False) -> pa.Table:
    """Ships that wander, meet, fall silent, and some that only radar holds; irregular times, a few equal times.

    Some numbers are shared by ships and change; where ships are ``apart``, each keeps its own.
    """
    columns: dict[str, list[np.ndarray]] = {k: [] for k in KEYS}
    for track in range(1, ships + 1):
        n = int(rng.integers(30, 160))
        t = np.sort(rng.integers(0, int(hours * H), n))
        t[rng.random(n) < 0.1] = t[0] + 600 * S
        t = T0 + np.sort(t)
        step = rng.choice([0.0, 2e-5, 2e-4, 3e-3])
        lat = 20.0 + np.cumsum(rng.normal(0, 1, n)) * step + rng.choice([0.0, 0.001, 0.5])
        lon = 179.999 + np.cumsum(rng.normal(0.2, 1, n)) * step
        radar = rng.random(n) < rng.choice([0.0, 0.5, 1.0])
        mmsi = np.full(n, 400_000_000 + track // 2)
        mmsi[rng.random(n) < 0.1] += 1000
        mmsi[rng.random(n) < 0.03] = 970_000_001
        if apart:
            mmsi[:] = 400_000_000 + track
        for key, value in (
            ("track", np.full(n, track)),
            ("t", t),
            ("lat", lat),
            ("lon", (lon + 180) % 360 - 180),
            ("mmsi", mmsi),
            ("sog", rng.choice([np.nan, 0.1, 1.0, 3.0, 8.0], n)),
            ("cog", np.where(rng.random(n) < 0.9, rng.uniform(0, 360, n), np.nan)),
            ("heading", np.where(rng.random(n) < 0.9, rng.uniform(0, 360, n), np.nan)),
            ("flags", rng.choice([0, 0, 2, 4], n) | radar),  # held by radar alone: dark, says the picture
            ("name", rng.choice(["KAIYO", "MARU"], n)),
            ("ais", np.maximum.accumulate(np.where(radar, 0, t))),
            ("radar", np.maximum.accumulate(np.where(radar, t, 0))),
        ):
            columns[key].append(value)
        status = ["confirmed"] * n
        if rng.random() < 0.3:
            status[-1] = "ended"
        columns["st"].append(np.asarray(status))
    c = {k: np.concatenate(v) for k, v in columns.items()}
    time = lambda x: pa.array(x, mask=x == 0).cast(pa.timestamp("us", tz="UTC"))  # noqa: E731
    return schema.TRACKS.build(
        {
            "track_id": c["track"],
            "observed_at": c["t"],
            "lat_deg": c["lat"],
            "lon_deg": c["lon"],
            "mmsi": pa.array(c["mmsi"], mask=c["ais"] == 0),
            "last_ais_at": time(c["ais"]),
            "last_radar_at": time(c["radar"]),
            "status": list(c["st"]),
            "sog_mps": c["sog"],
            "cog_deg": c["cog"],
            "heading_deg": c["heading"],
            "flags": c["flags"],
            "name": list(c["name"]),
        }
    )


def surroundings(folder: Path) -> tuple[behaviour.Definitions, Any]:
    """Definitions quick enough for a sea of hours, written to a folder, and zones of every kind they ask for."""
    path = folder / "fast.yaml"
    path.write_text(FAST)
    box = [[179.99, 19.99], [180.02, 19.99], [180.02, 20.02], [179.99, 20.02], [179.99, 19.99]]
    features = [
        {
            "type": "Feature",
            "properties": {"name": kind, "kind": kind},
            "geometry": {"type": "Polygon", "coordinates": [[[x + shift, y] for x, y in box]]},
        }
        for kind, shift in (("custom", 0), ("land", 0.004), ("gate", 0), ("cable", 0), ("port", 0.02))
    ]
    return behaviour.load_definitions(path), behaviour.load_zones({"type": "FeatureCollection", "features": features})


def content(alerts: pa.Table) -> list[dict[str, Any]]:
    """Standing alerts without what depends on when they were known."""
    return alerts.drop_columns(["known_at", "change"]).to_pylist()


def whole(rows: pa.Table, setting: tuple[behaviour.Definitions, Any], end: int) -> list[dict[str, Any]]:
    """Alerts of one live engine that is given all rows at once."""
    definitions, zones = setting
    engine = behaviour.Engine(definitions, zones=zones, lateness_s=0, repair_s=12 * 3600)
    return content(behaviour.fold(engine.step(rows, now_us=end)))


def arrivals(rng: np.random.Generator, times: Any, prompt: float = 0.85) -> Any:
    """When each row arrives: most at once, some hours late, at times in no order at all; now and then some twice."""
    n = len(times)
    if rng.random() < 0.2:
        return times + (rng.uniform(0, 4 * 3600, n) * S).astype(np.int64)
    delay = np.where(rng.random(n) < prompt, rng.exponential(20, n), rng.uniform(0, 2 * 3600, n))
    return times + (delay * S).astype(np.int64)


def _engine(seed: int, setting: tuple[behaviour.Definitions, Any], lateness_s: float) -> behaviour.Engine:
    """A live engine; of half the seeds one that keeps many states of the past, as hours of a real sea would."""
    engine = behaviour.Engine(setting[0], zones=setting[1], lateness_s=lateness_s, repair_s=12 * 3600)
    if seed % 4 < 2:
        engine.past.rows_a_track, engine.past.apart_us = 5, 60 * S
    return engine


def one_run(seed: int, setting: tuple[behaviour.Definitions, Any], folder: Path) -> dict[str, Any]:
    """Counts of one sea; ``differs`` is the first alert that is not the same live, None where all are."""
    rng = clock.generator(seed)
    apart = seed % 2 == 1  # late rows of ships that share no number touch a part of the sea
    rows = sea(rng, ships=int(rng.integers(3, 9)) * (2 if apart else 1), hours=float(rng.uniform(1.5, 4)), apart=apart)
    end = T0 + 40 * H
    reference = whole(rows, setting, end)
    arrival = arrivals(rng, rows["observed_at"].cast("int64").to_numpy(), 0.97 if apart else 0.85)
    order = np.argsort(arrival, kind="stable")
    if rng.random() < 0.3:  # a part is received twice
        again = rng.choice(order, len(order) // 10)
        order = np.sort(np.concatenate([np.arange(len(order)), np.searchsorted(arrival[order], arrival[again])]))
        order = np.argsort(arrival, kind="stable")[order]
    cuts = np.sort(rng.integers(0, len(order), int(rng.integers(2, 20))))
    lateness_s = float(rng.choice([0, 300, 3600]))
    engine = _engine(seed, setting, lateness_s)
    said, restarts = [], 0
    for part in np.split(order, cuts):
        now = int(arrival[part].max()) + 1 if len(part) else engine.watermark_us
        said.append(engine.step(rows.take(pa.array(part)), now_us=max(now, T0)))
        if rng.random() < 0.2:
            engine.save(folder / "state")
            engine = _engine(seed, setting, 300)
            engine.load(folder / "state")
            restarts += 1
    said.append(engine.step(schema.TRACKS.empty(), now_us=end, watermark_us=end))
    last = content(behaviour.fold(pa.concat_tables(said).unify_dictionaries()))
    assert engine.health().get("dropped_too_late", 0) == 0
    pairs = zip_longest(last, reference)
    differs = next(((mine, theirs) for mine, theirs in pairs if mine != theirs), None)
    counts = {"batches": len(cuts) + 1, "restarts": restarts, "rows": rows.num_rows, "alerts": len(reference)}
    late = engine.health().get("rows_out_of_order", 0)
    return {"seed": seed, **counts, "out_of_order": late, "differs": differs}


def many_runs(runs: int, seed: int, folder: Path) -> dict[str, Any]:
    """Sums over runs with seeds from ``seed`` on, and the seeds that failed."""
    setting = surroundings(folder)
    total: dict[str, Any] = {"runs": 0, "differences": 0, "first_seed": seed, "failed_seeds": []}
    for number in range(seed, seed + runs):
        found = one_run(number, setting, folder)
        total["runs"] += 1
        for name in ("batches", "restarts", "rows", "alerts", "out_of_order"):
            total[name] = total.get(name, 0) + found[name]
        if found["differs"] is not None:
            total["differences"] += 1
            total["failed_seeds"].append(number)
    return total


def tracks_of(rows: pa.Table) -> pa.Table:
    """Positions of a recording as TRACKS, split per identity."""
    fixes = archive_fixes(rows)
    number = lambda values: pa.array(values, pa.float64(), from_pandas=True)  # noqa: E731
    return schema.TRACKS.build(
        {
            "track_id": fixes.track,
            "observed_at": fixes.t,
            "lat_deg": fixes.lat,
            "lon_deg": fixes.lon,
            "mmsi": pa.array(fixes.mmsi, mask=fixes.mmsi < 0),
            "sog_mps": number(fixes.sog),
            "cog_deg": number(fixes.cog),
            "heading_deg": number(fixes.heading),
            "status": ["confirmed"] * len(fixes),
            "last_ais_at": fixes.t,
        },
        len(fixes),
    )


def recorded(positions: pa.Table, zones: Any, seed: int, step_rows: int = 1000) -> dict[str, Any]:
    """Alerts of a recording that are not the same live as in the archive, with the definitions as shipped.

    A fiftieth of the rows is up to 280 s late, a two-hundredth up to 20 hours.
    """
    rng, rows, known = clock.generator(seed), tracks_of(positions), behaviour.load_definitions()
    at = rows["observed_at"].cast("int64").to_numpy()
    chance = rng.random(len(at))
    late = np.where(chance < 0.02, rng.integers(0, 280 * S, len(at)), 0)
    arrival = at + np.where(chance > 0.995, rng.integers(0, 20 * H, len(at)), late)
    order, end = np.argsort(arrival, kind="stable"), int(at.max()) + 60 * H
    engine, said = behaviour.Engine(known, zones=zones), []
    for a in range(0, len(order), step_rows):  # one turn a step
        part = order[a : a + step_rows]
        said.append(engine.step(rows.take(pa.array(part)), now_us=int(arrival[part].max()) + 1))
    said.append(engine.step(schema.TRACKS.empty(), now_us=end, watermark_us=end))
    live, archive = (
        {a["alert_id"]: {k: v for k, v in a.items() if k != "grade"} for a in content(table)}
        for table in (
            behaviour.fold(pa.concat_tables(said).unify_dictionaries()),
            behaviour.detect(rows, known, zones=zones, now_us=end),
        )
    )
    differ = sorted(name for name in live.keys() | archive.keys() if live.get(name) != archive.get(name))
    health = {name: engine.health().get(name, 0) for name in ("rows", "rows_out_of_order", "repairs")}
    return {**health, "alerts": len(archive), "differences": len(differ), "first": differ[:5]}
