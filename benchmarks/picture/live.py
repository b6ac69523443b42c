"""A tracker run live over the chunks of a scored scene: steps of a second, a snapshot at each instant of the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.geo.zones import load_zones
from kuroshio.picture import Tracker, TrackerConfig
from kuroshio.schema import TRACKS, concat
from kuroshio.testing import metrics
from kuroshio.testing.sea.scene import Scene

US = 1_000_000


@dataclass
class Run:
    """What a run gave: snapshots and truth at the same instants, CPU seconds of each step, and the tracker."""

    tracker: Tracker
    snapshots: pa.Table
    truth: pa.Table
    steps_s: list[float] = field(default_factory=list)
    reports: int = 0
    seconds: float = 0.0

    @property
    def cpu_s(self) -> float:
        return sum(self.steps_s)

    def score(self, **settings: Any) -> metrics.Score:
        return metrics.score(self.snapshots, self.truth, **{"hold_s": 1.0, "skip_s": 120.0, **settings})


def arrival_us(table: pa.Table, *, late: bool) -> np.ndarray:
    """When each row comes in: when it was observed, or received."""
    return np.asarray(table["received_at" if late else "observed_at"].cast(pa.int64()).to_numpy())


def track(
    chunks: Iterable[Scene],
    *,
    config: TrackerConfig | None = None,
    late: bool = False,
    prepare: Callable[[Tracker], None] | None = None,
    every_s: int = 10,
    after_step: Callable[[Tracker, int], None] | None = None,
    step_s: int = 1,
) -> Run:
    """Play chunks in order through one tracker, in steps of so many seconds of data.

    Parameters
    ----------
    prepare
        Called with the new tracker.
    every_s
        Interval of snapshots; 0 takes none.
    after_step
        Called with the tracker and the second.
    """
    tracker: Tracker | None = None
    run: Run | None = None
    shots: list[pa.Table] = []
    truths: list[pa.Table] = []
    second, start_us = 0, 0
    for scene in chunks:
        if tracker is None or run is None:
            tracker = Tracker(config, sensors=scene.sensors(), land=load_zones(scene.land()) if scene.islands else None)
            if prepare:
                prepare(tracker)
            start_us = int(scene.truth["observed_at"].cast(pa.int64())[0].as_py())
            run = Run(tracker, TRACKS.empty(), scene.truth)
        truths.append(scene.truth)
        at = arrival_us(scene.observations, late=late)
        statics, a = scene.statics, 0
        end_us = int(at[-1]) if len(at) else start_us
        while start_us + second * US <= end_us:
            now_us = start_us + second * US
            b = int(np.searchsorted(at, now_us, "right"))
            part = scene.observations.slice(a, b - a)
            begun = time.process_time()
            tracker.step(part, now_us=now_us, statics=statics if statics.num_rows else None)
            run.steps_s.append(time.process_time() - begun)
            if every_s and second % every_s == 0:
                shots.append(tracker.snapshot(now_us))
            if after_step:
                after_step(tracker, second)
            statics = statics.slice(0, 0)
            run.reports += b - a
            a, second = b, second + step_s
        rest = scene.observations.slice(a)
        if rest.num_rows:  # the part of a second before the next chunk
            tracker.step(rest, now_us=end_us)
            run.reports += rest.num_rows
    assert run is not None
    run.snapshots = concat(TRACKS, shots) if shots else TRACKS.empty()
    run.truth = pa.concat_tables(truths).combine_chunks()
    run.seconds = float(second)
    return run


def resident_mb() -> float:
    """Memory of this process that is resident now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def rounded(value: Any, digits: int = 4) -> Any:
    """Figures to so many significant digits, through mappings and lists."""
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v, digits) for v in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
