"""Whole archives of observations to tracks: the same tracker, driven by data time.

What enters: observations as one table or batches in rough order of time. What leaves: one TRACKS row an update,
links and events. The same rows as a live node gives for the same reports in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.model import SensorModel, TrackerConfig
from kuroshio.picture.tracker import Tracker
from kuroshio.picture.update import Update
from kuroshio.schema import OBSERVATIONS, TRACKS, concat

CHUNK_ROWS = 50_000


@dataclass
class ArchiveResult:
    """What `track_archive` yields: all lines, and the totals."""

    tracks: pa.Table
    links: pa.Table
    events: pa.Table
    counters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """A watch officer's action in an archive: what `Tracker.operate` takes."""

    at_us: int
    action: str
    arguments: dict[str, Any]
    by: str


def _cut(batches: Iterable[pa.Table], actions: list[Action]) -> Iterator[pa.Table | Action]:
    """Batches cut at the times of actions, each action in its place, those after the end last."""
    for batch in batches:
        while actions and batch.num_rows:
            times = batch.column("observed_at").cast(pa.int64()).fill_null((1 << 63) - 1).to_numpy()
            at = int(np.searchsorted(times, actions[0].at_us, "right"))
            if at == batch.num_rows:
                break
            yield batch.slice(0, at)
            yield actions.pop(0)
            batch = batch.slice(at)
        yield batch
    yield from actions


def track_updates(
    batches: Iterable[pa.Table], tracker: Tracker, statics: pa.Table | None = None, actions: Sequence[Action] = ()
) -> Iterator[tuple[Update, int]]:
    """(update, observations read so far) of each batch, and of the flush at the end.

    Parameters
    ----------
    batches
        Each in order of time; they may overlap in time by up to ``late_s`` of the tracker's configuration.
    actions
        What watch officers did, done at their times.

    Raises
    ------
    InputError, NotFound
        When an action does not fit the tracks of its time.
    """
    read = 0
    for batch in _cut(batches, sorted(actions, key=lambda a: a.at_us)):
        if isinstance(batch, Action):
            yield tracker.step(OBSERVATIONS.empty(), now_us=batch.at_us), read
            tracker.operate(batch.action, batch.arguments, batch.by, batch.at_us)
            continue
        if not batch.num_rows:
            continue
        last = batch.column("observed_at").cast(pa.int64()).drop_null()
        if not len(last):
            now_us = tracker.clock_us or 0
        else:
            now_us = int(np.max(last.to_numpy()))
        read += batch.num_rows
        yield tracker.step(batch, now_us=now_us, statics=statics), read
        statics = None
    yield tracker.flush(), read


def in_chunks(table: pa.Table, rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """The table's rows in order of time, in parts of ``rows``."""
    table = OBSERVATIONS.conform(table).sort_by([("observed_at", "ascending"), ("obs_id", "ascending")])
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)


def track_archive(
    observations: pa.Table | Iterable[pa.Table],
    *,
    config: TrackerConfig | None = None,
    sensors: Sequence[SensorModel] = (),
    statics: pa.Table | None = None,
    progress: Callable[[int], None] | None = None,
) -> ArchiveResult:
    """Tracks of an archive.

    Parameters
    ----------
    observations
        One table in any order, or tables each later than the one before.
    statics
        Static reports; all are taken to be known from the start.
    progress
        Called with the number of observations read.

    Raises
    ------
    InputError
        When a table lacks a required column.
    """
    tracker = Tracker(config, sensors=sensors)
    batches = in_chunks(observations) if isinstance(observations, pa.Table) else observations
    tracks, links, events = [], [], []
    for update, read in track_updates(batches, tracker, statics):
        tracks.append(update.tracks)
        links.append(update.links)
        events.append(update.events)
        if progress:
            progress(read)
    return ArchiveResult(
        concat(TRACKS, tracks),
        pa.concat_tables(links).unify_dictionaries().combine_chunks(),
        pa.concat_tables(events).unify_dictionaries().combine_chunks(),
        dict(sorted(tracker.totals.items())),
    )
