"""Newest rows held of partners' tracks, each under the release that brought it: what a recall or an end takes away.

What enters: TRACKS rows of releases, in whatever order they came. What leaves: the rows that a release still shows when
it is withdrawn or has expired, and references nobody shows any more. Memory is bounded by the tracks alive, not by
the releases taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Key = tuple[str, str]  # partner, its reference of a track
TRACKS_MAX = 200_000  # of one partner; the picture takes no more either
NEVER = -(1 << 62)
SLACK_ROWS = 20_000  # rows that newer ones replaced and that may lie about before they are cleared away


@dataclass
class _Part:
    """Rows of one release; ``alive`` of them are the newest of their track."""

    party: str
    release_id: str
    placed_us: int
    rows: pa.Table
    alive: int


class Held:
    """Rows of all partners."""

    def __init__(self) -> None:
        self._parts: dict[int, _Part] = {}
        self._number_of: dict[str, int] = {}
        self._owner: dict[Key, int] = {}
        self._at_us: dict[Key, int] = {}
        self._tracks: dict[str, int] = {}
        self._next = self._rows = 0

    def __len__(self) -> int:
        return len(self._owner)

    def __contains__(self, key: Key) -> bool:
        return key in self._owner

    @property
    def rows(self) -> int:
        """Rows in memory, those that newer ones replaced among them."""
        return self._rows

    def room(self, party: str, rows: pa.Table) -> pa.Table:
        """The rows that may be placed: of a partner with too many tracks only those of tracks held already."""
        free = TRACKS_MAX - self._tracks.get(party, 0)
        if rows.num_rows <= free:
            return rows
        kept = []
        for ref in rows["partner_track"].to_pylist():
            known = (party, ref) in self._owner
            kept.append(known or free > 0)
            free -= not known
        return rows.filter(pa.array(kept, pa.bool_()))

    def newer(self, party: str, rows: pa.Table) -> pa.Table:
        """The rows that say more than what is held of their track: seen later, or its end.

        By a file a release may come long after newer ones, and after a change of terms the same state comes under an
        earlier time. The picture keeps to what was seen last: who owned a row that is not shown could not take it away.
        """
        ends = pc.equal(rows["status"].cast(pa.string()), "ended").to_numpy(zero_copy_only=False).astype(np.int64)
        at_us = rows["observed_at"].cast(pa.int64()).to_numpy()
        last_us = [self._at_us.get((party, ref), NEVER) for ref in rows["partner_track"].to_pylist()]
        return rows.filter(pa.array(at_us + ends > np.array(last_us, np.int64)))

    def place(self, party: str, release_id: str, rows: pa.Table, *, now_us: int) -> None:
        """Take the rows of a release, each `newer` than all before it of its track."""
        number, self._next = self._next, self._next + 1
        refs = set(rows["partner_track"].to_pylist())
        for ref in refs:
            before = self._owner.get((party, ref))
            if before is None:
                self._tracks[party] = self._tracks.get(party, 0) + 1
            else:
                self._lose(before)
            self._owner[party, ref] = number
        times = zip(rows["partner_track"].to_pylist(), rows["observed_at"].cast(pa.int64()).to_pylist(), strict=True)
        for ref, at_us in times:
            self._at_us[party, ref] = max(at_us, self._at_us.get((party, ref), NEVER))
        if refs:
            self._parts[number] = _Part(party, release_id, now_us, rows, len(refs))
            self._number_of[release_id] = number
            self._rows += rows.num_rows
        if self._rows > 2 * len(self._owner) + SLACK_ROWS:
            self._clear_away()

    def _lose(self, number: int) -> None:
        part = self._parts[number]
        part.alive -= 1
        if not part.alive:
            self._drop(number)

    def _drop(self, number: int) -> None:
        part = self._parts.pop(number)
        self._number_of.pop(part.release_id, None)
        self._rows -= part.rows.num_rows

    def _mine(self, number: int) -> list[bool]:
        part = self._parts[number]
        return [self._owner.get((part.party, ref)) == number for ref in part.rows["partner_track"].to_pylist()]

    def _clear_away(self) -> None:
        """Let go of rows that newer ones replaced."""
        for number, part in self._parts.items():
            if part.alive < part.rows.num_rows:
                kept = part.rows.filter(pa.array(self._mine(number), pa.bool_())).combine_chunks()
                self._rows += kept.num_rows - part.rows.num_rows
                part.rows = kept

    def withdraw(self, release_ids: Iterable[str]) -> list[pa.Table]:
        """Rows that these releases still show; they are held no more."""
        gone = []
        for release_id in release_ids:
            number = self._number_of.get(release_id)
            if number is None:
                continue
            part = self._parts[number]
            rows = part.rows.filter(pa.array(self._mine(number), pa.bool_()))
            self._forget((part.party, ref) for ref in rows["partner_track"].to_pylist())
            gone.append(rows)
        return gone

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            number = self._owner.pop(key, None)
            self._at_us.pop(key, None)
            if number is not None:
                self._tracks[key[0]] -= 1
                self._lose(number)

    def forget(self, live: Collection[Key], *, before_us: int) -> list[Key]:
        """Let go of tracks that came before a time and that nobody shows any more; which."""
        old = {number for number, part in self._parts.items() if part.placed_us < before_us}
        gone = [key for key, number in self._owner.items() if number in old and key not in live]
        self._forget(gone)
        return gone
