"""The live engine: rows in any batches and any order, alerts out as changes, the same in the end as the archive.

One core takes every row as it comes, as long as the rows of each track and of each MMSI come in order, and is told that
time has passed only up to the watermark: then nothing that comes later can make what it says wrong, and a fact is
confirmed when the watermark passes the rows it rests on. A row out of order, or older than the watermark, waits for a
repair (`repair.Past`), at most as long as rows may be late: its track and what claims link to it go back to a state of
the past and on from there, all others stay. Facts that do not come back are void. Facts whose end lies beyond the
repair horizon are final. Time and watermark are arguments; there is no clock and no I/O in `Engine.step`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.behaviour import checkpoint
from kuroshio.behaviour.columns import is_shared
from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import Surroundings
from kuroshio.behaviour.fixes import COASTED, HOUR_US, LIVE, TENTATIVE, Fixes, empty, from_tracks, span
from kuroshio.behaviour.lateness import Lateness
from kuroshio.behaviour.ledger import Ledger, table
from kuroshio.behaviour.log import START
from kuroshio.behaviour.names import Names
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.repair import Late, Past, Snapshot
from kuroshio.behaviour.state import Fact
from kuroshio.behaviour.urgent import Urgent
from kuroshio.geo.zones import Zones

MAX_LOG_ROWS = 20_000_000
KEEP_US = 900_000_000  # the least time between two states that are kept, where lateness is less


class Engine:
    """Behaviour over a stream of track updates.

    Parameters
    ----------
    definitions
        What to look for.
    zones
        Reference areas; without them no zone is entered and no port is known.
    norms
        What is usual here (`norms.load`): for gaps, dark vessels and unusual movement.
    lateness_s
        Watermark behind ``now_us`` where none is given; also how long rows out of order wait for their repair.
    repair_s
        How far back a late row is still repaired, at least as far as the slowest source; 0 drops and counts late rows.
    sources_s
        Lateness of each source; what a slower one than ``lateness_s`` feeds is confirmed when its own watermark passes.
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        zones: Zones | None = None,
        norms: Norms | None = None,
        lateness_s: float = 300.0,
        repair_s: float = 86_400.0,
        sources_s: Mapping[str, float] | None = None,
    ) -> None:
        self.definitions, self.zones, self.norms = definitions, zones, norms
        self.around = Surroundings(zones, norms)
        self.ledger = Ledger(definitions, zones)
        self.lateness_us, self.repair_us = round(lateness_s * 1e6), round(repair_s * 1e6)
        self.late = Lateness(definitions, self.lateness_us, sources_s or {})
        if self.repair_us and self.late.most_us:  # an hour more: a snapshot before it must still be there
            self.repair_us = max(self.repair_us, self.late.most_us + self.lateness_us + HOUR_US)
        # a row this long after the end of a fact may still go on with it
        lasting = [d.us(n) for d in definitions.enabled for n in ("max_gap_s", "forget_s") if n in d.thresholds]
        self.slack_us = max(lasting, default=0)
        self.counts: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        """Know of no row."""
        self.watermark_us = self.settled_us = START
        self.present = Snapshot(Core(self.definitions, self.around, names=Names()))
        self.past = Past(self.repair_us, max(self.lateness_us, KEEP_US))
        self.past.keep(self.present, START, MAX_LOG_ROWS)
        self.urgent = Urgent(self.definitions, self.around, self.ledger)
        self.dirty: list[Late] = []  # rows that the present does not hold yet
        self.ahead: Fixes = empty()  # rows later than the present
        self.unconfirmed: list[tuple[int, str]] = []  # heap: when the watermark is here, the fact is confirmed
        self.ending: list[tuple[int, str]] = []  # heap: ends of facts that have one

    def set_back(self, now_us: int) -> pa.Table:
        """ALERTS rows that follow when the clock was ahead and is right again; all rows from now on are new ones.

        Rows of the future would make the present late for as long as the clock was ahead. What was found at a time that
        has not come yet is void; what still goes on closes now, since nobody knows which of its rows were of the
        wrong clock. What goes on in truth is found again.
        """
        self.counts["clock_set_back"] += 1
        standing = self.ledger.standing
        future = [n for n, s in standing.items() if max(s.fact.start_us, s.fact.met_us) > now_us]
        changes = self.ledger.withdraw(future, now_us)
        closed = {
            name: s.fact._replace(end_us=now_us) if s.fact.end_us is None or s.fact.end_us > now_us else s.fact
            for name, s in standing.items()
        }
        self._begin()
        self.watermark_us = self.settled_us = now_us - self.lateness_us
        for snapshot in (self.present, *self.past.snapshots):  # a repair finds them as they are
            snapshot.facts = dict(closed)
        changes += self._told(closed, now_us)
        self.counts["alert_rows"] += len(changes)
        return table(changes)

    def step(self, tracks: pa.Table, *, now_us: int, watermark_us: int | None = None) -> pa.Table:
        """ALERTS rows: what changed by these updates and by the passing of time.

        Parameters
        ----------
        tracks
            TRACKS rows, in any order; tentative and coasted states are passed over and counted.
        now_us
            Present time of the node; rows later than it wait.
        watermark_us
            Nothing older is expected any more; by default ``now_us`` less ``lateness_s``. It never goes back.

        Raises
        ------
        InputError
            When a required column is missing.
        """
        self.late.hear(tracks)
        rows = self._take(tracks)
        if len(self.ahead):
            rows, self.ahead = Fixes.concat([self.ahead, rows]), empty()
        oldest_us, newest_us = span(rows.t) if len(rows) else (now_us, now_us)
        if newest_us > now_us:
            later = rows.t > now_us
            self.ahead, rows = self._limited(rows.take(later)), rows.take(~later)
        watermark_us = now_us - self.lateness_us if watermark_us is None else min(watermark_us, now_us)
        watermark_us = max(watermark_us, self.watermark_us)
        if oldest_us <= self.watermark_us:
            rows = self._not_too_late(rows)
        changed: dict[str, Fact] = {}
        if len(rows):
            self._step(rows.ordered(), now_us, changed)
        self.watermark_us = watermark_us
        out: Facts = []
        self.present.core.advance(watermark_us, out)
        self._found(out, changed)
        self.urgent.step(now_us, self.present.facts, changed)
        changes = self._told(changed, now_us)
        if self.dirty and self._due(now_us):
            changes += self._repair(now_us)
        if not self.dirty:
            self.counts["repair_horizon_cut"] += self.past.keep(self.present, watermark_us, MAX_LOG_ROWS)
        gone, other = self.urgent.stale(watermark_us, self.present.facts)
        changes += self.ledger.withdraw(gone, now_us)
        changes += self.ledger.update({name: (fact, 0) for name, fact in other.items()}, now_us)
        self.counts["alert_rows"] += len(changes)
        return table(changes)

    def _take(self, tracks: pa.Table) -> Fixes:
        rows = from_tracks(tracks)
        self.counts["rows"] += tracks.num_rows
        self.counts["rows_not_whole"] += tracks.num_rows - len(rows)
        if is_shared(rows.status) and len(rows) and rows.status[0] == LIVE:
            return rows
        passed = (rows.status == COASTED) | (rows.status == TENTATIVE)
        self.counts["rows_not_measured"] += int(passed.sum())
        return rows.take(~passed) if passed.any() else rows

    def _limited(self, rows: Fixes) -> Fixes:
        if len(rows) > MAX_LOG_ROWS:
            self.counts["dropped_buffer_full"] += len(rows) - MAX_LOG_ROWS
            rows = rows.take(np.sort(np.argsort(rows.t, kind="stable")[:MAX_LOG_ROWS]))
        return rows

    def _not_too_late(self, rows: Fixes) -> Fixes:
        """Rows that a repair can still take in; the late among them are counted."""
        oldest = self.watermark_us
        if self.repair_us:
            oldest = self.past.snapshots[0].newest_us
        old = rows.t <= oldest
        self.counts["dropped_too_late"] += int(old.sum())
        rows = rows.take(~old) if old.any() else rows
        self.counts["late_rows"] += int((rows.t <= self.watermark_us).sum())
        return rows

    def _step(self, rows: Fixes, now_us: int, changed: dict[str, Fact]) -> None:
        """Step the rows that come in order, put the others by."""
        core, located = self.present.core, self.present.core.locate(rows)
        self.past.log.add(rows, located[0], now_us)
        self.present.rows += len(rows)
        self.present.newest_us = max(self.present.newest_us, span(rows.t)[1])
        good = core.in_order(located, rows.t, rows.mmsi, self.watermark_us)
        if good is not None:
            late = np.flatnonzero(~good)
            self.counts["rows_out_of_order"] += len(late)
            self.dirty.append(Late(located[0][late], located[1][late], rows.t[late], rows.mmsi[late]))
            rows, located = rows.take(good), (located[0][good], located[1][good])
        out: Facts = []
        core.step(rows, out, located)
        self._found(out, changed)
        self.urgent.take(rows)

    def _found(self, out: Facts, changed: dict[str, Fact]) -> None:
        for _, fact in out:  # one turn a fact found
            name = self.ledger.id_of(fact)
            self.present.facts[name] = changed[name] = fact

    def _told(self, changed: dict[str, Fact], now_us: int) -> list[dict[str, Any]]:
        """Ledger rows for the facts that changed, and for those that are now confirmed or final."""
        facts = self.present.facts
        over = self.urgent.over(facts)
        for name, fact in changed.items():
            if self._grade(name, {}) == 0:
                heappush(self.unconfirmed, (self.late.sure_us(fact, self.present.newest_us), name))
            if fact.end_us is not None:
                heappush(self.ending, (fact.end_us, name))
        view = {name: (fact, 0) for name, fact in changed.items()}
        if not self.dirty:  # where rows are put by, nothing is confirmed
            while self.unconfirmed and self.unconfirmed[0][0] <= self.watermark_us:
                name = heappop(self.unconfirmed)[1]
                if name in facts:  # what was judged at the present alone is void, or comes with a repair
                    view[name] = (over.get(name) or facts[name], 1)
            waiting = []
            while self.ending and self._is_final(self.ending[0][0]):
                end_us, name = heappop(self.ending)
                known = facts.get(name)
                if known is None or known.end_us != end_us:
                    continue
                if self._grade(name, view) >= 1:
                    view[name] = (known, 2)
                else:
                    waiting.append((end_us, name))
            for item in waiting:
                heappush(self.ending, item)
        changes = self.ledger.update(view, now_us)
        for name in [n for n, (_, grade) in view.items() if grade == 2]:
            facts.pop(name, None)
        return changes

    def _grade(self, name: str, view: Mapping[str, tuple[Fact, int]]) -> int:
        standing = self.ledger.standing.get(name)
        return max(view[name][1] if name in view else 0, standing.grade if standing is not None else 0)

    def _is_final(self, end_us: int) -> bool:
        return end_us + self.repair_us + self.slack_us < self.watermark_us

    def _due(self, now_us: int) -> bool:
        """Once in ``lateness``; at once where no other row can come that the same repair would take in."""
        return self.present.newest_us <= self.watermark_us or now_us - self.settled_us >= self.lateness_us

    def _repair(self, now_us: int) -> list[dict[str, Any]]:
        """Take in the rows that were put by; what does not come back is void."""
        late, self.dirty, self.settled_us = Late.concat(self.dirty), [], now_us
        changed, gone = self.past.rework(self.present, late, self.ledger.id_of, self.ledger.finished)
        self.counts["repairs"] += 1
        changes = self._told(changed | {n: f for n, f in self.urgent.over(changed).items() if n in changed}, now_us)
        return changes + self.ledger.withdraw([n for n in gone if n not in self.urgent.facts], now_us)

    def health(self) -> Mapping[str, int]:
        """Counts of rows taken, passed over, late, dropped and waiting, and of open alerts."""
        return {
            **self.counts,
            "rows_waiting": len(self.ahead),
            "tracks": len(self.present.core.names.tracks),
            "alerts_standing": len(self.ledger.standing),
            "tracks_of_slow_sources": len(self.late.waits),
        }

    def save(self, path: str | Path) -> None:
        """Write a checkpoint (Arrow IPC); nothing but `load` need read it."""
        checkpoint.save(self, Path(path))

    def load(self, path: str | Path) -> None:
        """Take up a checkpoint in this engine, which must have the same definitions and zones.

        Raises
        ------
        StoreError
            When the file is damaged or was made with other definitions or zones.
        """
        checkpoint.load(self, Path(path))
