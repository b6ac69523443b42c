"""Growth: rate, worst step and memory with the number of ships, and a long run whose memory must stay flat.

The long run plays the data's hour as fast as it can be worked off, in steps of one second of data; how many times
faster than real time that is, it says itself. Ships begin all at once.
"""

from __future__ import annotations

import gc
import time

import numpy as np
import pyarrow as pa

from benchmarks.picture import live, run, scene
from kuroshio.picture import warm_up
from kuroshio.testing.sea.scene import Scene
from kuroshio.testing.sea.trials import trial

LONG_CHUNK_S = 20.0


def at_size(ships: int, duration_s: float, seed: int = 12) -> dict:
    """Rate and worst step of full mode at a size, cold start included."""
    warm_up()
    whole = scene.make(seed, ships, duration_s)
    _freeze()
    before = live.resident_mb()
    full = run.run_full(whole, [])
    tracker, steps = full["tracker"], sorted(full["steps"])
    return {
        "ships": ships,
        "duration_s": duration_s,
        "reports": full["reports"],
        "reports_per_s": full["reports"] / full["cpu_s"],
        "real_time_factor": duration_s / full["cpu_s"],
        "step_ms_max": 1e3 * steps[-1],
        "step_ms_p99": 1e3 * steps[int(0.99 * (len(steps) - 1))],
        "step_ms_median": 1e3 * steps[len(steps) // 2],
        "tracks": len(tracker.table.live),
        "bytes_per_track": tracker.table.bytes_per_row,
        "bytes_of_replay_per_track": tracker.table.replay_bytes / max(len(tracker.table.live), 1),
        "memory_mb": live.resident_mb() - before,
    }


def _freeze() -> None:
    """As a node does once it has started: what is there by then is not looked through again."""
    gc.collect()
    gc.freeze()


def table() -> dict:
    """The table of the documentation."""
    return {"rows": [at_size(n, d) for n, d in ((1000, 120.0), (10_000, 120.0), (30_000, 60.0), (100_000, 60.0))]}


def keyed(ships: int = 20_000, duration_s: float = 120.0) -> dict:
    """AIS alone: reports a second of CPU in steps of a second, after the tracks have begun."""
    warm_up()
    chunks = trial("open-sea").play(4, ships=ships, duration_s=duration_s, chunk_s=20.0)
    only = (_ais_only(c) for c in chunks)
    _freeze()
    result = live.track(only, every_s=0)
    half = len(result.steps_s) // 2
    return {
        "ships": ships,
        "reports": result.reports,
        "reports_per_s": result.reports / result.cpu_s,
        "reports_per_s_settled": result.reports / 2 / sum(result.steps_s[half:]),
        "step_ms_max": 1e3 * max(result.steps_s),
    }


def _ais_only(chunk: Scene) -> Scene:
    keep = np.asarray(chunk.observations["mmsi"].is_valid())
    return Scene(
        chunk.observations.filter(pa.array(keep)), chunk.truth, chunk.ship_ids[keep], (), chunk.statics, chunk.ais_reach
    )


def long(ships: int, minutes: float, budget_s: float) -> dict:
    """An hour of traffic as fast as it goes: worst step and memory, minute by minute of data.

    Parameters
    ----------
    budget_s
        Wall seconds after which it stops and says how far it came.
    """
    warm_up()
    _freeze()
    begun, used = time.monotonic(), time.process_time()
    rows: list[dict] = []

    def after(tracker, second: int) -> None:
        if second % 60 == 0:
            rows.append({"minute": second // 60, "resident_mb": live.resident_mb(), "tracks": len(tracker.table.live)})

    def chunks():
        for chunk in trial("open-sea").play(
            21, ships=ships, duration_s=60.0 * minutes, chunk_s=LONG_CHUNK_S, truth_step_s=1e9
        ):
            if time.monotonic() - begun > budget_s:
                return
            yield chunk

    result = live.track(chunks(), every_s=0, after_step=after)
    steps = result.steps_s
    for row in rows:
        part = steps[60 * row["minute"] : 60 * row["minute"] + 60]
        row["step_ms_max"] = 1e3 * max(part)
        row["step_ms_median"] = 1e3 * sorted(part)[len(part) // 2]
    tail = steps[120:] or steps
    late = [r["resident_mb"] for r in rows[len(rows) // 3 :]]
    return {
        "ships": ships,
        "minutes_asked": minutes,
        "minutes_done": result.seconds / 60.0,
        "reports": result.reports,
        "reports_per_s": result.reports / result.cpu_s,
        "acceleration": result.seconds / result.cpu_s,
        "wall_acceleration": result.seconds / (time.monotonic() - begun),
        "cpu_s_with_generation": time.process_time() - used,
        "step_ms_max": 1e3 * max(steps),
        "step_ms_max_after_2_min": 1e3 * max(tail),
        "steps_over_250_ms": sum(s > 0.25 for s in steps),
        "resident_growth_last_two_thirds_mb": late[-1] - late[0],
        "minutes": rows,
    }


def sea(ships: int = 100_000, seconds: float = 20.0) -> dict:
    """How fast the scored sea itself is made."""
    used, rows = time.process_time(), 0
    for chunk in trial("open-sea").play(3, ships=ships, duration_s=seconds, chunk_s=10.0):
        rows += chunk.observations.num_rows
    spent = time.process_time() - used
    return {"ships": ships, "rows": rows, "rows_per_s": rows / spent, "cpu_s_per_s_of_sea": spent / seconds}
