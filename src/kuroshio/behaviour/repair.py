"""What a live engine keeps to take in rows that come late: the rows of the past, and its own state at some times in it.

A late row changes what is known of its track, of the MMSI it claims, and of all tracks and MMSIs that claims link to
these (`names.Names.linked`); nothing else. So only their part of an older state is taken up, and only their rows are
stepped again: through every later state that is kept, so that these hold them too, and then through the present one.
What two ships did together is walked over again from that state, against the points that the other has by now.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kuroshio.behaviour.columns import is_shared
from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.index import distinct
from kuroshio.behaviour.log import START, Log
from kuroshio.behaviour.state import VOID, Fact, Marks
from kuroshio.units import BoolArray, IntArray

_NEVER_AGAIN = 1 << 62
_ROWS_A_TRACK = 32  # rows between two states that are kept, as many as make a copy cheap beside them
_THIN = 4  # of states so much older than the next one only one is kept


class Late(NamedTuple):
    """Rows that came out of order: what tells where they belong. The rows themselves are in the log."""

    slot: IntArray
    who: IntArray
    t: IntArray
    mmsi: IntArray

    @staticmethod
    def concat(parts: list[Late]) -> Late:
        """All rows of the parts."""
        return Late(*(np.concatenate([np.zeros(0, np.int64), *columns]) for columns in zip(*parts, strict=True)))


@dataclass
class Snapshot:
    """A core, and the facts found by it that are not final.

    Of every track it holds all rows up to the last it holds. All rows later than ``cut_us`` came at that time or later.
    ``newest_us`` is the last time of all, ``rows`` how many it was given.
    """

    core: Core
    facts: dict[str, Fact] = field(default_factory=dict)
    cut_us: int = START
    newest_us: int = START
    rows: int = 0

    def copy(self, into: Snapshot | None = None) -> Snapshot:
        """An independent copy, in the memory of one that is not needed any more where there is one."""
        if into is None:
            return Snapshot(self.core.copy(), dict(self.facts), self.cut_us, self.newest_us, self.rows)
        into.core.take_from(self.core)
        into.facts, into.cut_us, into.newest_us, into.rows = dict(self.facts), self.cut_us, self.newest_us, self.rows
        return into

    def takes(self, rows: Late) -> BoolArray:
        """True for rows later than all that it holds of their track and MMSI."""
        after_us = max(self.cut_us, self.core.advanced_us)
        good = self.core.in_order((rows.slot, rows.who), rows.t, rows.mmsi, after_us)
        return np.ones(len(rows.t), np.bool_) if good is None else good

    def last_us(self, slots: int) -> IntArray:
        """Last time of every track, `START` where there is none."""
        last: IntArray = np.full(slots, START, np.int64)
        ints = self.core.last.ints[:slots]
        last[: len(ints)] = np.where(ints[:, 1] != 0, ints[:, 0], START)
        return last

    def rework(
        self,
        since: Snapshot,
        marks: Marks,
        log: Log,
        until_us: int,
        name_of: Callable[[Fact], str],
        over: Container[str],
    ) -> tuple[dict[str, Fact], list[str]]:
        """Make anew what the marked tracks and MMSIs did since an older snapshot, up to ``until_us``.

        Returns the facts that are others than before and the names of those that are no more.
        """
        count = len(marks.slot_marks)
        last = since.last_us(count)
        after = np.where(marks.slot_marks, last, _NEVER_AGAIN)
        tracks = marks.names.tracks.names
        rows = log.between(since.cut_us, after, np.full(count, until_us), tracks)
        self._exercise(rows, last)

        def every() -> Fixes:
            return log.between(since.cut_us, last, mine, tracks)

        # before it goes back
        mine = np.where(marks.slot_marks, until_us, self.last_us(count)) if self.core.whole else last
        out: Facts = []
        again = self.core.rework(since.core, marks, rows, every, out)
        areas = self.core.areas
        ships = set(tracks[marks.slots].tolist())

        def touched(fact: Fact) -> bool:
            if fact.definition in areas:
                return fact.definition in again
            return not ships.isdisjoint(fact.tracks)

        old = {name: fact for name, fact in self.facts.items() if touched(fact)}
        new = {name: fact for name, fact in since.facts.items() if touched(fact) and name not in over}
        for kind, fact in out:  # one turn a fact found
            name = name_of(fact)
            if name in over:
                continue
            if name in self.facts:
                old[name] = self.facts[name]
            if kind == VOID:
                new.pop(name, None)
            else:
                new[name] = fact
        for name in old:
            del self.facts[name]
        self.facts |= new
        changed = {name: fact for name, fact in new.items() if name not in old or old[name] != fact}
        return changed, [name for name in old if name not in new]

    def _exercise(self, rows: Fixes, last: IntArray) -> None:
        """A new track is exercise where its first row is."""
        names = self.core.names
        if is_shared(rows.exercise) and len(rows) and not rows.exercise[0] and not names.exercise.any():
            return
        slot = names.tracks.find(rows.track)
        first = np.flatnonzero(np.append(True, slot[1:] != slot[:-1])) if len(slot) else slot
        first = first[last[slot[first]] == START]
        names.exercise[slot[first]] = rows.exercise[first]


class Past:
    """Snapshots of the past, oldest first, and the rows since the oldest of them."""

    def __init__(self, horizon_us: int, apart_us: int) -> None:
        self.horizon_us, self.apart_us, self.rows_a_track = horizon_us, apart_us, _ROWS_A_TRACK
        self.snapshots: list[Snapshot] = []
        self.log = Log()
        self.spare: Snapshot | None = None

    def keep(self, present: Snapshot, watermark_us: int, most_rows: int) -> int:
        """Keep the present snapshot when it is time to; the number of snapshots that had to go for want of room."""
        cut = 0
        while self.log.rows > most_rows and len(self.snapshots) > 1:
            self._drop(0)
            self._forget(present)
            cut += 1
        newest = self.snapshots[-1] if self.snapshots else None
        if newest is not None and (
            present.rows - newest.rows < max(1, self.rows_a_track * len(present.core.names.tracks))
            or watermark_us - newest.cut_us < self.apart_us
        ):
            return cut
        present.core.hold()
        snapshot = present.copy(self.spare)
        self.spare, snapshot.cut_us, snapshot.newest_us = None, watermark_us, max(present.newest_us, watermark_us)
        self.snapshots.append(snapshot)
        self._thin(watermark_us)
        while len(self.snapshots) > 1 and self.snapshots[1].newest_us <= watermark_us - self.horizon_us:
            self._drop(0)
        self._forget(present)
        return cut

    def _thin(self, now_us: int) -> None:
        k = len(self.snapshots) - 2
        while k >= 1:
            newer, older = now_us - self.snapshots[k + 1].cut_us, now_us - self.snapshots[k - 1].cut_us
            if older <= _THIN * max(newer, self.apart_us):
                self._drop(k)
            k -= 1

    def _drop(self, k: int) -> None:
        self.spare = self.snapshots.pop(k)

    def _forget(self, present: Snapshot) -> None:
        oldest = self.snapshots[0]
        self.log.forget(oldest.cut_us)
        for snapshot in (*self.snapshots, present):
            snapshot.core.forget(oldest.core.advanced_us)

    def rework(
        self, present: Snapshot, late: Late, name_of: Callable[[Fact], str], over: Container[str]
    ) -> tuple[dict[str, Fact], list[str]]:
        """Take rows of the log in that came out of order: facts that changed, and names of those that are no more."""
        names = present.core.names
        named = late.mmsi >= 0
        names.link(late.slot[named], late.who[named])  # of all: a track goes back with all that its rows claim
        level = np.zeros(len(late.t), np.int64)  # the newest snapshot that can take each row in
        for k in range(1, len(self.snapshots)):  # one turn a snapshot
            level[self.snapshots[k].takes(late)] = k
        done = np.zeros(len(names.tracks), np.bool_)
        changed: dict[str, None] = {}  # in the order found: that of a set is another in each process
        gone: dict[str, None] = {}
        for k in distinct(level).tolist():
            slots, numbers = names.linked(late.slot[(level == k) & ~done[late.slot]])
            done |= slots
            since_us = self.snapshots[k].core.advanced_us
            marks = Marks(np.flatnonzero(slots), np.flatnonzero(numbers), slots, numbers, names, since_us)
            new: dict[str, Fact] = {}
            old: list[str] = []
            for since, snapshot in pairwise([*self.snapshots[k:], present]):
                until_us = snapshot.cut_us if snapshot is not present else _NEVER_AGAIN
                new, old = snapshot.rework(since, marks, self.log, until_us, name_of, over)
            changed |= dict.fromkeys(new)
            gone |= dict.fromkeys(old)
        facts = present.facts
        return {name: facts[name] for name in changed if name in facts}, [name for name in gone if name not in facts]
