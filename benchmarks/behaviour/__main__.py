"""`python -m benchmarks.behaviour [--quick] [--json]`: rates in CPU seconds of the whole process.

MovingPandas is not among our packages: its peer here is the same work done the way it does it, a Python object and a
pandas-like pass a trajectory (`per_point`), and the straightforward forms in Polars and DuckDB beside it. What is
measured is said in the names; the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl

from benchmarks.behaviour.sea import as_tracks, fleet, polygon
from kuroshio import behaviour, clock
from kuroshio.behaviour.archive import archive_fixes, run
from kuroshio.behaviour.collision import closest_approaches
from kuroshio.geo.zones import load_zones


def cpu(work: Callable[[], Any], rounds: int) -> float:
    """Least CPU seconds of a few rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def archive_rates(rows: int, rounds: int) -> dict[str, Any]:
    """Rows a CPU second from the Arrow table to the facts, and growth for a tenth of the rows."""
    every = behaviour.load_definitions()
    core3 = every.only("ais_gap", "encounter", "loitering")
    table, small = fleet(rows), fleet(rows // 10)
    end = int(np.max(table["observed_at"].cast("int64").to_numpy()))
    result: dict[str, Any] = {"rows": table.num_rows}
    for name, definitions in (("full_set", every), ("core3", core3)):
        run(archive_fixes(small), definitions, end)
        spent = cpu(lambda d=definitions: run(archive_fixes(table), d, end), rounds)
        tenth = cpu(lambda d=definitions: run(archive_fixes(small), d, end), rounds)
        result[f"rows_per_cpu_s_{name}"] = round(table.num_rows / spent)
        result[f"growth_x10_{name}"] = round(spent / tenth, 2)
    result["facts"] = len(run(archive_fixes(table), every, end))
    return result


def live_rate(rows: int) -> dict[str, Any]:
    """TRACKS rows a CPU second through the engine in steps of a minute, with reordering and provisional alerts."""
    tracks = as_tracks(fleet(rows, seed=3, ships=rows // 60)).sort_by("observed_at")  # an hour of that many ships
    times = tracks["observed_at"].cast("int64").to_numpy()
    engine = behaviour.Engine(behaviour.load_definitions())
    edges = np.arange(times[0], times[-1] + 60_000_000, 60_000_000)[: 24 * 60]
    cuts = np.searchsorted(times, edges)
    begin = time.process_time()
    for a, b, now in zip(cuts[:-1], cuts[1:], edges[1:], strict=True):
        engine.step(tracks.slice(a, b - a), now_us=int(now))
    spent = time.process_time() - begin
    return {"live_rows_per_cpu_s": round(int(cuts[-1]) / spent), "live_steps": len(edges) - 1}


def zone_rates(points: int, rounds: int) -> dict[str, Any]:
    """Points a CPU second located in one polygon of 5,000 corners and among 50."""
    rng = clock.generator(2)
    lon, lat = rng.uniform(113, 127, points), rng.uniform(13, 27, points)
    ring = [polygon(5000, 120, 20, 5)]
    feature = {"type": "Feature", "properties": {"name": "one"}, "geometry": {"type": "Polygon", "coordinates": ring}}
    one = load_zones(feature)
    many = load_zones(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"name": f"z{k}"},
                    "geometry": {
                        "type": "Polygon",
                        "coordinates": [polygon(5000, 113 + k % 10 * 1.5, 14 + k // 10 * 3, 1)],
                    },
                }
                for k in range(50)
            ],
        }
    )
    one.contains(0, lat[:10], lon[:10])
    many.members(lat[:10], lon[:10])
    return {
        "zone_points_per_s": round(points / cpu(lambda: one.contains(0, lat, lon), rounds)),
        "zone_points_per_s_50": round(points / cpu(lambda: many.members(lat, lon), rounds)),
    }


def cpa_ms(rounds: int) -> float:
    """CPU milliseconds for the CPA of all pairs of 100,000 vessels on a world of lanes."""
    rng = clock.generator(4)
    n = 100_000
    lat, lon = rng.uniform(-60, 60, n), rng.uniform(-180, 180, n)
    ve, vn = rng.normal(0, 5, n), rng.normal(0, 5, n)
    closest_approaches(lat[:10], lon[:10], ve[:10], vn[:10], cpa_m=926, tcpa_s=1200)
    return cpu(lambda: closest_approaches(lat, lon, ve, vn, cpa_m=926, tcpa_s=1200), rounds) * 1e3


def peers(rows: int) -> dict[str, Any]:
    """The speed of every fix, as the peers would: an object a point, Polars, DuckDB; and gaps in the last two."""
    table = fleet(rows, seed=5)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)

    def per_point() -> None:
        from math import asin, cos, radians, sin, sqrt

        for _, part in frame.group_by("track_id"):
            before = None
            for row in part.iter_rows(named=True):
                if before is not None:
                    a = sin(radians(row["lat_deg"] - before["lat_deg"]) / 2) ** 2
                    a += (
                        cos(radians(row["lat_deg"]))
                        * cos(radians(before["lat_deg"]))
                        * sin(radians(row["lon_deg"] - before["lon_deg"]) / 2) ** 2
                    )
                    _ = 12_742_017.6 * asin(sqrt(a)) / (row["observed_at"] - before["observed_at"]).total_seconds()
                before = row

    def with_polars() -> None:
        gap = pl.col("observed_at").diff().over("track_id")
        frame.filter(gap > pl.duration(hours=6)).height  # noqa: B018

    database = duckdb.connect()
    database.register("positions", table)

    def with_duckdb() -> None:
        database.sql(
            "select count(*) from (select observed_at - lag(observed_at) over (partition by track_id order by "
            "observed_at) as g from positions) where g > interval 6 hour"
        ).fetchall()

    gap = behaviour.load_definitions().only("ais_gap")
    end = int(np.max(table["observed_at"].cast("int64").to_numpy()))
    run(archive_fixes(table), gap, end)
    ours = table.num_rows / cpu(lambda: run(archive_fixes(table), gap, end), 3)
    slow = table.slice(0, min(table.num_rows, 100_000))
    frame_all, frame = frame, pl.from_arrow(slow)
    objects = slow.num_rows / cpu(per_point, 1)
    frame = frame_all
    return {
        "gap_rows_per_cpu_s": round(ours),
        "gap_rows_per_cpu_s_polars": round(table.num_rows / cpu(with_polars, 3)),
        "gap_rows_per_cpu_s_duckdb": round(table.num_rows / cpu(with_duckdb, 3)),
        "object_per_point_rows_per_cpu_s": round(objects),
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.behaviour")
    parser.add_argument("--quick", action="store_true", help="within 50 s on 2 cores")
    parser.add_argument("--json", action="store_true", help="one JSON object last on stdout")
    options = parser.parse_args()
    rows, rounds = (600_000, 2) if options.quick else (4_000_000, 5)
    behaviour.warm_up()
    result: dict[str, Any] = archive_rates(rows, rounds)
    result |= zone_rates(2_000_000 if options.quick else 10_000_000, rounds)
    result["cpa_100k_ms"] = round(cpa_ms(3), 1)
    result |= live_rate(100_000 if options.quick else 1_000_000)
    result |= peers(rows)
    result["ratio_movingpandas"] = round(
        result["rows_per_cpu_s_full_set"] / result["object_per_point_rows_per_cpu_s"], 1
    )
    result["ratio_movingpandas_is"] = "full set against one Python object a point, MovingPandas itself not installed"
    if options.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        for name, value in result.items():
            sys.stdout.write(f"{name:36} {value}\n")


if __name__ == "__main__":
    main()
