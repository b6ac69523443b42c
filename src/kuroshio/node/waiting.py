"""Tracks whose newest state a partner has not been sent: numbers only, so that a partner long away costs no memory.

What enters: rows that changed. What leaves: the newest row of each track that waits, taken from the picture when the
link has room. A state that a newer one replaces meanwhile is thinned: counted here, told to the partner by the session.
Tracks that ended leave the picture, so their last rows are kept, for tracks the partner was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import TRACKS, concat

Ids = np.ndarray[Any, np.dtype[np.int64]]
ENDED_MAX = 100_000
NOTHING: Ids = np.empty(0, np.int64)
CARRIED_BYTES = 64 << 20  # of one bundle for a file


class Carried:
    """When the states that wait for a partner without a link are queued, for a file that somebody carries.

    Parameters
    ----------
    every_s
        Shortest time between two bundles.
    """

    def __init__(self, every_s: float) -> None:
        self._every_us = int(every_s * 1_000_000)
        self._last_us: int | None = None

    def room(self, now_us: int) -> int:
        """Bytes that may be queued now."""
        due = self._last_us is None or now_us - self._last_us >= self._every_us
        return CARRIED_BYTES if due else 0

    def queued(self, now_us: int) -> None:
        """Note that a bundle of tracks was queued."""
        self._last_us = now_us


class Waiting:
    """What waits for one partner.

    Attributes
    ----------
    thinned
        States replaced by newer ones before they could go.
    forgotten
        Ends of tracks dropped because `ENDED_MAX` was reached; the partner's picture lets them go by their age.
    """

    def __init__(self) -> None:
        self._ids: Ids = NOTHING  # in the order they began to wait
        self._ended = TRACKS.empty()
        self.thinned = 0
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, changed: pa.Table, was_given: Callable[[Ids], np.ndarray[Any, np.dtype[np.bool_]]]) -> int:
        """Note rows that changed; how many states they replaced that had not gone."""
        if not changed.num_rows:
            return 0
        ids = changed["track_id"].to_numpy().astype(np.int64)
        _, first = np.unique(ids, return_index=True)
        unique = ids[np.sort(first)]
        known = np.isin(unique, self._ids)
        replaced = int(known.sum()) + len(ids) - len(unique)
        self.thinned += replaced
        self._ids = np.concatenate([self._ids, unique[~known]])
        ended = np.asarray(pc.equal(changed["status"].cast(pa.string()), "ended"))
        if ended.any():
            self._end(changed.filter(pa.array(ended)), ids[ended], was_given)
        return replaced

    def _end(self, rows: pa.Table, ids: Ids, was_given: Callable[[Ids], np.ndarray[Any, np.dtype[np.bool_]]]) -> None:
        given = was_given(ids)
        unknown = ids[~given]  # never shown to the partner: nothing to end there
        self._ids = self._ids[~np.isin(self._ids, unknown)]
        kept = concat(TRACKS, [self._ended, rows.filter(pa.array(given))])
        over = kept.num_rows - ENDED_MAX
        if over > 0:
            self.forgotten += over
            kept = kept.slice(over)
        self._ended = kept

    def drop(self, track_ids: Ids) -> None:
        """These wait elsewhere now."""
        self._ids = self._ids[~np.isin(self._ids, track_ids)]
        if self._ended.num_rows:
            self._ended = self._ended.filter(pa.array(~np.isin(self._ended["track_id"].to_numpy(), track_ids)))

    def rows(self, picture: pa.Table, most: int) -> pa.Table:
        """Newest rows of the tracks that have waited longest, at most so many; they wait no more."""
        pick, self._ids = self._ids[:most], self._ids[most:]
        ended = self._ended["track_id"].to_numpy()
        of_picture = np.isin(picture["track_id"].to_numpy(), pick)
        of_ended = np.isin(ended, pick)
        found = [picture.filter(pa.array(of_picture)), self._ended.filter(pa.array(of_ended))]
        if len(ended):
            self._ended = self._ended.filter(pa.array(np.isin(ended, self._ids)))
        return concat(TRACKS, found)
