"""`python -m benchmarks.behaviour [WHAT] [--quick] [--json]`: rates in CPU seconds of the whole process, and proofs.

WHAT is `rates` (the default), `equal` (live against archive over random seas, batches, orders and restarts), `geos`
(points in polygons against GEOS), `planted` (meetings across midnight and at +-180 degrees) or `growth` (time by rows).
MovingPandas runs in its own environment, made on first use (`peer`): `add_speed` alone, against our full set. Beside
it stand straightforward forms of the gap and of the encounter in Polars and DuckDB. What is measured is said in the
names; the best of the rounds counts, of a live engine the median (`live`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks import peer_packages
from benchmarks.behaviour import equality, exact
from benchmarks.behaviour.live import live_rates
from benchmarks.behaviour.sea import fleet, polygon
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


def movingpandas_rate(patience_s: float) -> float | None:
    """Rows a CPU second of MovingPandas' `add_speed`; None where its environment cannot be made in time."""
    python, why = peer_packages.environment("venv-behaviour", ("movingpandas", "pyarrow"), patience_s)
    if python is None:
        sys.stderr.write(f"MovingPandas {why}\n")
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "positions.parquet"
            pq.write_table(fleet(30_000, seed=5), path)
            command = [str(python), str(Path(__file__).with_name("peer.py")), str(path)]
            told = json.loads(subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as err:
        sys.stderr.write(f"MovingPandas not measured: {err}\n")
        return None
    return float(told["rows"] / told["seconds"])


def peers(rows: int) -> dict[str, Any]:
    """Gaps and near pairs as one would write them in Polars and DuckDB, and our gap."""
    table = fleet(rows, seed=5)
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)

    def gap_polars() -> None:
        gap = pl.col("observed_at").diff().over("track_id")
        frame.filter(gap > pl.duration(hours=6)).height  # noqa: B018

    database = duckdb.connect()
    database.sql("set threads to 1")
    database.register("positions", table)
    near = table.slice(0, min(table.num_rows, 200_000))
    database.register("near", near)

    def gap_duckdb() -> None:
        database.sql(
            "select count(*) from (select observed_at - lag(observed_at) over (partition by track_id order by "
            "observed_at) as g from positions) where g > interval 6 hour"
        ).fetchall()

    def encounter_duckdb() -> None:
        database.sql(
            "with p as (select distinct on (track_id, b) track_id, lat_deg, lon_deg, epoch_us(observed_at) // 600000000"
            " as b, floor(lat_deg * 200) as r from near) select count(*) from (select x.track_id, y.track_id, count(*)"
            " from p x join p y on x.b = y.b and abs(x.r - y.r) <= 1 and x.track_id < y.track_id and"
            " abs(x.lon_deg - y.lon_deg) < 0.005 group by 1, 2 having count(*) >= 12)"
        ).fetchall()

    result: dict[str, Any] = {}
    end = int(np.max(table["observed_at"].cast("int64").to_numpy()))
    for name, part, ids in (("gap", table, "ais_gap"), ("encounter", near, "encounter")):
        only = behaviour.load_definitions().only(ids)
        run(archive_fixes(part), only, end)
        spent = cpu(lambda p=part, o=only: run(archive_fixes(p), o, end), 3)
        result[f"{name}_rows_per_cpu_s"] = round(part.num_rows / spent)
    result["gap_rows_per_cpu_s_polars"] = round(table.num_rows / cpu(gap_polars, 2))
    result["gap_rows_per_cpu_s_duckdb"] = round(table.num_rows / cpu(gap_duckdb, 2))
    result["encounter_rows_per_cpu_s_duckdb"] = round(near.num_rows / cpu(encounter_duckdb, 1))
    return result


def growth(quick: bool) -> dict[str, Any]:
    """CPU seconds of the full set and of the pairs alone by rows; the sea grows in ships, its density stays."""
    every = behaviour.load_definitions()
    sets = {"full_set": every, "core3": every.only("ais_gap", "encounter", "loitering")}
    sets |= {"encounter": every.only("encounter")}
    result: dict[str, Any] = {}
    for rows in (40_000, 400_000) if quick else (40_000, 400_000, 4_000_000):
        fixes = archive_fixes(fleet(rows, spread=rows / 400_000))
        end = int(fixes.t.max())
        for name, definitions in sets.items():
            spent = cpu(lambda d=definitions, f=fixes, e=end: run(f, d, e), 3)
            result[f"{name}_ns_per_row_{rows}"] = round(spent / len(fixes) * 1e9, 1)
    return result


def rates(quick: bool) -> dict[str, Any]:
    """Everything that is measured in rows, points or milliseconds."""
    rows, rounds = (600_000, 2) if quick else (4_000_000, 5)
    result: dict[str, Any] = archive_rates(rows, rounds)
    result |= zone_rates(2_000_000 if quick else 10_000_000, rounds)
    result["cpa_100k_ms"] = round(cpa_ms(3), 1)
    result |= live_rates(quick)
    result |= peers(rows)
    slow = movingpandas_rate(25.0 if quick else 300.0)
    result["movingpandas_add_speed_rows_per_cpu_s"] = None if slow is None else round(slow)
    result["ratio_movingpandas"] = None if slow is None else round(result["rows_per_cpu_s_full_set"] / slow, 1)
    return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.behaviour")
    parser.add_argument("what", nargs="?", default="rates", choices=["rates", "equal", "geos", "planted", "growth"])
    parser.add_argument("--quick", action="store_true", help="within 40 s on 2 cores; for proofs a tenth of the size")
    parser.add_argument("--runs", type=int, default=1000, help="of `equal`")
    parser.add_argument(
        "--recorded", type=Path, help="`equal` on positions of a recording (Parquet), not on random seas"
    )
    parser.add_argument("--zones", type=Path, action="append", help="zones of the recording")
    parser.add_argument("--points", type=int, default=10_000_000, help="of `geos`")
    parser.add_argument("--rows", type=int, default=4_000_000, help="of the sea of `planted`")
    parser.add_argument("--seed", type=int, default=0, help="first seed of `equal`, seed of `geos` and `planted`")
    parser.add_argument("--json", action="store_true", help="one JSON object last on stdout")
    o = parser.parse_args()
    size = 10 if o.quick else 1
    behaviour.warm_up()
    if o.what == "equal" and o.recorded is not None:
        zones = load_zones(*o.zones) if o.zones else None
        result = equality.recorded(pq.read_table(o.recorded), zones, o.seed)
    elif o.what == "equal":
        with tempfile.TemporaryDirectory() as folder:
            result = equality.many_runs(o.runs // size, o.seed, Path(folder))
    elif o.what == "geos":
        result = exact.against_geos(o.points // size, o.seed)
    elif o.what == "planted":
        result = exact.planted(o.rows // size, o.seed)
    else:
        result = growth(o.quick) if o.what == "growth" else rates(o.quick)
    if o.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        for name, value in result.items():
            sys.stdout.write(f"{name:36} {value}\n")


if __name__ == "__main__":
    main()
