"""The live picture as the page reads it: an immutable table and a dense sequence of changes for each viewpoint.

What enters: the rows a step changed and the tracks that ended. What leaves: snapshots and changes. The worker thread
writes; API callers only read tables that are never altered. A caller that falls behind loses changes, sees it by the
gap in the sequence, and takes a snapshot.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.node.views import Change
from kuroshio.schema import TRACKS, concat

QUEUE_MAX = 64


class Channel:
    """One viewpoint's picture."""

    def __init__(self, empty: pa.Table | None = None) -> None:
        self._lock = threading.Lock()
        self._seq = 0
        self._table = empty if empty is not None else TRACKS.empty()
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Change]]] = set()
        self.dropped = 0

    @property
    def heard(self) -> bool:
        """True when somebody listens."""
        return bool(self._listeners)

    def snapshot(self) -> tuple[int, pa.Table]:
        """(sequence, table) as last published."""
        with self._lock:
            return self._seq, self._table

    def publish(self, table: pa.Table, *, events: Sequence[dict[str, Any]] = ()) -> Change:
        """Replace the picture by ``table``; the change holds the rows that differ and the tracks that left."""
        with self._lock:
            before = self._table
            rows, removed = difference(before, table)
            self._table = table
            if rows.num_rows or removed or events:
                self._seq += 1
            change = Change(self._seq, rows, removed, tuple(events))
            listeners = list(self._listeners) if rows.num_rows or removed or events else []
        for loop, queue in listeners:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._offer, queue, change)
        return change

    def announce(self, *kinds: str) -> None:
        """Tell listeners that lists of these kinds changed (alerts, feeds, partners, releases, info)."""
        self.publish(self.snapshot()[1], events=[{"type": kind} for kind in kinds])

    def _offer(self, queue: asyncio.Queue[Change], change: Change) -> None:
        try:
            queue.put_nowait(change)
        except asyncio.QueueFull:
            self.dropped += 1

    async def changes(self) -> AsyncIterator[Change]:
        """Changes from now on; bounded, the oldest stay and new ones are dropped and counted."""
        queue: asyncio.Queue[Change] = asyncio.Queue(QUEUE_MAX)
        listener = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._listeners.add(listener)
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                self._listeners.discard(listener)


def current(before: pa.Table, updates: pa.Table) -> pa.Table:
    """The picture after updates: the last row of each track, ended ones gone, unconfirmed nameless ones not shown.

    Parameters
    ----------
    before
        TRACKS, a row a track.
    updates
        TRACKS rows in order of the updates, any number a track.
    """
    if not updates.num_rows:
        return before
    ids = _ids(updates)
    _, from_end = np.unique(ids[::-1], return_index=True)
    last = updates.take(pa.array(np.sort(len(ids) - 1 - from_end)))
    kept = before.filter(pc.invert(pc.is_in(before["track_id"], value_set=pa.array(np.unique(ids)))))
    status = last["status"].cast(pa.string())
    shown = pc.or_(
        pc.is_in(status, value_set=pa.array(["confirmed", "coasted"])),
        pc.and_(pc.equal(status, "tentative"), pc.is_valid(last["mmsi"])),
    )
    return concat(TRACKS, [kept, last.filter(shown)])


def difference(before: pa.Table, after: pa.Table) -> tuple[pa.Table, list[int]]:
    """(rows of ``after`` that are new or whose time, status or flags changed, track ids that left).

    Both tables hold a track once.
    """
    old_ids, new_ids = _ids(before), _ids(after)
    removed = np.setdiff1d(old_ids, new_ids)
    if not len(new_ids):
        return after, [int(i) for i in removed]
    if not len(old_ids):
        return after, []
    order = np.argsort(old_ids)
    place = np.minimum(np.searchsorted(old_ids[order], new_ids), len(old_ids) - 1)
    match = order[place]
    known = old_ids[match] == new_ids
    same = known & (_stamp(before)[match] == _stamp(after))
    return after.filter(pa.array(~same)), [int(i) for i in removed]


def _ids(table: pa.Table) -> np.ndarray:
    return np.asarray(table["track_id"].combine_chunks(), dtype=np.int64)


def _stamp(table: pa.Table) -> np.ndarray:
    """One number a row that changes when the row does: its time, mixed with its status and flags."""
    at = np.asarray(pc.fill_null(table["observed_at"].cast(pa.int64()), 0)).astype(np.uint64)
    flags = np.asarray(pc.fill_null(table["flags"], 0)).astype(np.uint64)
    codes = {"tentative": 1, "confirmed": 2, "coasted": 3, "ended": 4}
    column = table["status"].combine_chunks()
    if pa.types.is_dictionary(column.type):
        names = np.array([codes.get(v, 0) for v in column.dictionary.to_pylist()] or [0], dtype=np.uint64)
        status = names[np.asarray(pc.fill_null(column.indices, 0))] if len(column) else np.zeros(0, np.uint64)
    else:
        status = np.array([codes.get(v, 0) for v in column.to_pylist()], dtype=np.uint64)
    mmsi = np.asarray(pc.fill_null(table["mmsi"], 0)).astype(np.uint64)
    hits = np.asarray(pc.fill_null(table["hits"], 0)).astype(np.uint64) if "hits" in table.column_names else 0
    stamp: np.ndarray = at * np.uint64(1_000_003) + flags * np.uint64(31) + status * np.uint64(7) + mmsi + hits
    return stamp
