"""What one step gives back: tables built when they are read, and counters.

What enters: journal lines and outcomes of a step. What leaves: Arrow tables. It keeps no link to the live table, so
an update may be read later or elsewhere.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.claims import ClaimBook
from kuroshio.picture.compiled import bare
from kuroshio.picture.emit import events_table, links_table, tracks_table
from kuroshio.picture.identity import OUTCOME_WORDS, Outcome
from kuroshio.picture.model import Motion
from kuroshio.units import FloatArray, IntArray


@bare
def _count(out, counts):  # type: ignore[no-untyped-def]
    for k in range(len(out)):
        counts[out[k].code] += 1


def outcome_counts(out: Outcome) -> IntArray:
    """How many there are of each of `OUTCOME_WORDS`."""
    counts = np.zeros(len(OUTCOME_WORDS), np.int64)
    _count(out, counts)
    return counts


class Update:
    """Result of one `Tracker.step`.

    Attributes
    ----------
    counters
        Count of each outcome and reason in this step.
    """

    def __init__(
        self,
        ints: IntArray,
        floats: FloatArray,
        events: IntArray,
        links: tuple[Any, ...],
        book: ClaimBook,
        sources: list[str],
        counters: dict[str, int],
        motion: Motion,
    ) -> None:
        self._ints, self._floats, self._events, self._links = ints, floats, events, links
        self._book, self._sources = book, sources
        self.counters = counters
        self._motion = motion

    @cached_property
    def tracks(self) -> pa.Table:
        """TRACKS rows, one a change in order; the last row of a ``track_id`` is its present state."""
        return tracks_table(self._ints, self._floats, self._book, self._sources, self._motion)

    @cached_property
    def unfused(self) -> pa.Table:
        """The same rows without what partners add: what own sensors say, and so what may be told to partners."""
        return self.tracks

    @cached_property
    def links(self) -> pa.Table:
        """What became of each observation decided in this step: obs_id, track_id, d2, outcome."""
        return links_table(*self._links)

    @cached_property
    def events(self) -> pa.Table:
        """Story of the tracks: born, confirmed, bound, released, merged, ended, flags, conflicts, replays, operator."""
        return events_table(self._events)
