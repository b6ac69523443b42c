"""Rates of the live engine: TRACKS rows a CPU second, by rows a step and ships in the sea.

What enters: a seeded fleet whose ships report about once a minute and fall silent about twice a day. What leaves: the
median of several passes, each over a new engine, with a hundredth of the rows a minute late and in order. A first pass
loads compiled kernels and takes memory from the machine, and is not counted; nor is the first quarter of the steps of
each pass, in which tables grow.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.behaviour.sea import as_tracks, fleet
from kuroshio import behaviour, clock

# ships, rows a step, minutes, passes counted; the others stay as they are whatever is added here
QUICK = ((1_000, 1_000, 36, 5), (10_000, 10_000, 36, 3))
FULL = ((1_000, 1_000, 72, 15), (10_000, 10_000, 72, 7), (100_000, 10_000, 20, 5))


def sea(ships: int, minutes: int) -> tuple[pa.Table, pa.Table]:
    """Rows of some ships over some minutes, a hundredth of them a minute late; and the same rows in order."""
    # more reports than minutes: no ship's rows may be at an end before the others'
    tracks = as_tracks(fleet(ships * (minutes * 5 // 3), seed=3, ships=ships, silence_every=700))
    times = tracks["observed_at"].cast("int64").to_numpy()
    whole = times < times.min() + minutes * 60_000_000
    late = clock.generator(6).random(len(times)) < 0.01
    order = np.argsort(np.where(late, times + 60_000_000, times), kind="stable")
    tracks, times = tracks.take(order[whole[order]]), times[order[whole[order]]]
    return tracks, tracks.take(np.argsort(times, kind="stable"))


def one_pass(table: pa.Table, rows: int) -> float:
    """Rows a CPU second through a new engine, in steps of so many rows."""
    engine, spent = behaviour.Engine(behaviour.load_definitions()), []
    for a in range(0, table.num_rows - rows, rows):
        step = table.slice(a, rows)
        now = int(np.max(step["observed_at"].cast("int64").to_numpy()))
        begin = time.process_time()
        engine.step(step, now_us=now)
        spent.append(time.process_time() - begin)
    counted = spent[len(spent) // 4 :]
    return rows * len(counted) / sum(counted)


def live_rates(quick: bool) -> dict[str, Any]:
    """Median of the passes by rows a step, late and in order; passes of both take turns."""
    result: dict[str, Any] = {}
    for ships, rows, minutes, passes in QUICK if quick else FULL:
        tables = dict(zip(("", "_in_order"), sea(ships, minutes), strict=True))
        rates: dict[str, list[float]] = {name: [] for name in tables}
        for _ in range(passes + 1):
            for name, table in tables.items():
                rates[name].append(one_pass(table, rows))
        of = "" if ships == rows else f"_of_{ships}_ships"
        result |= {f"live_rows_per_cpu_s_{rows}{of}{n}": round(statistics.median(r[1:])) for n, r in rates.items()}
    return result
