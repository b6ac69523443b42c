"""The live engine: rows in any batches and any order, alerts out as changes, the same in the end as the archive.

Two cores run the same definitions. The *front* takes every row as it comes, as long as the rows of each track and of
each MMSI come in order, and is told that time has passed only up to the watermark: then nothing that comes later can
make what it says wrong, and a fact is confirmed when the watermark passes the rows it rests on. The *base* follows
behind, in large batches in canonical order, and is exact whatever the order of arrival. A row out of order, or older
than the watermark, goes to the base, which starts again from a snapshot before it when it must; the front is then made
anew from the base, and facts that do not come back are void. Facts whose end lies beyond the repair horizon are final.
Time and watermark are arguments; there is no clock and no I/O in `Engine.step`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.behaviour import checkpoint
from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import Surroundings
from kuroshio.behaviour.fixes import COASTED, TENTATIVE, Fixes, empty, from_tracks
from kuroshio.behaviour.lateness import Lateness
from kuroshio.behaviour.ledger import Ledger, table
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.state import Fact
from kuroshio.behaviour.urgent import Urgent
from kuroshio.geo.zones import Zones

MAX_LOG_ROWS = 20_000_000
FOLLOW_US = 900_000_000  # the base follows a front without disorder in batches of this length
_START = -(1 << 61)
_SNAPSHOTS = 4  # in a repair horizon


@dataclass
class Stand:
    """A core, the time up to which all rows are in it, and what it has found that is not final."""

    at_us: int
    core: Core
    facts: dict[str, Fact] = field(default_factory=dict)

    def take_from(self, other: Stand) -> None:
        """Become as another stand is; nothing is shared."""
        self.core.take_from(other.core)
        self.at_us, self.facts = other.at_us, dict(other.facts)

    def copy(self) -> Stand:
        """An independent copy."""
        return Stand(self.at_us, self.core.copy(), dict(self.facts))


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
            self.repair_us = max(self.repair_us, self.late.most_us + self.lateness_us + 3_600_000_000)
        # a row this long after the end of a fact may still go on with it
        lasting = [d.us(n) for d in definitions.enabled for n in ("max_gap_s", "forget_s") if n in d.thresholds]
        self.slack_us = max(lasting, default=0)
        self.watermark_us = self.settled_us = _START
        self.snapshots: list[Stand] = []  # older states of the base, oldest first
        self.base = Stand(_START, Core(definitions, self.around))
        self.front = Stand(_START, self.base.core.copy())
        self.urgent = Urgent(definitions, self.around, self.ledger)
        self.recent: list[Fixes] = []  # rows the base does not hold yet
        self.older: list[Fixes] = []  # rows it holds, back to the oldest snapshot
        self.ahead: Fixes = empty()  # rows later than the present
        self.newest_us = _START
        self.dirty_us: int | None = None  # time of the earliest row that the front does not hold
        self.unconfirmed: list[tuple[int, str]] = []  # heap: when the watermark is here, the fact is confirmed
        self.ending: list[tuple[int, str]] = []  # heap: ends of facts that have one
        self.counts: Counter[str] = Counter()

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
        later = rows.t > now_us
        if later.any():
            self.ahead, rows = self._limited(rows.take(later)), rows.take(~later)
        watermark_us = now_us - self.lateness_us if watermark_us is None else min(watermark_us, now_us)
        watermark_us = max(watermark_us, self.watermark_us)
        rows = self._not_too_late(rows)
        changed: dict[str, Fact] = {}
        if len(rows):
            self._to_front(rows.ordered(), changed)
        self.watermark_us = watermark_us
        self._run(self.front, empty(), watermark_us, changed)
        self.urgent.step(now_us, self.front.facts, changed)
        changes = self._told(changed, now_us)
        if self._due(now_us):
            changes += self._settle(now_us)
        gone, other = self.urgent.stale(watermark_us, self.front.facts)
        changes += self.ledger.withdraw(gone, now_us)
        changes += self.ledger.update({name: (fact, 0) for name, fact in other.items()}, now_us)
        self.counts["alert_rows"] += len(changes)
        return table(changes)

    def _take(self, tracks: pa.Table) -> Fixes:
        rows = from_tracks(tracks)
        self.counts["rows"] += tracks.num_rows
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
        if not len(rows) or int(rows.t.min()) > self.watermark_us:
            return rows
        oldest = self.watermark_us
        if self.repair_us:
            oldest = self.snapshots[0].at_us if self.snapshots else _START
        old = rows.t <= oldest
        self.counts["dropped_too_late"] += int(old.sum())
        rows = rows.take(~old) if old.any() else rows
        self.counts["late_rows"] += int((rows.t <= self.watermark_us).sum())
        return rows

    def _to_front(self, rows: Fixes, changed: dict[str, Fact]) -> None:
        self.recent.append(rows)
        self.newest_us = max(self.newest_us, int(rows.t.max()))
        good = self.front.core.in_order(rows, self.watermark_us)
        if good is not None:
            first = int(rows.t[~good].min())
            self.counts["rows_out_of_order"] += int((~good).sum())
            self.dirty_us = first if self.dirty_us is None else min(first, self.dirty_us)
            rows = rows.take(good)
        self._run(self.front, rows, None, changed)
        self.urgent.take(rows)

    def _run(self, stand: Stand, rows: Fixes, to_us: int | None, changed: dict[str, Fact]) -> None:
        out: Facts = []
        if len(rows):
            stand.core.step(rows, out)
        if to_us is not None:
            stand.core.advance(to_us, out)
            stand.at_us = to_us
        for _, fact in out:  # one turn a fact found
            name = self.ledger.id_of(fact)
            stand.facts[name] = changed[name] = fact

    def _told(self, changed: dict[str, Fact], now_us: int) -> list[dict[str, Any]]:
        """Ledger rows for the facts that changed, and for those that are now confirmed or final."""
        over = self.urgent.over(self.front.facts)
        for name, fact in changed.items():
            if name not in self.ledger.standing:
                heappush(self.unconfirmed, (self.late.sure_us(fact, self.newest_us), name))
            if fact.end_us is not None:
                heappush(self.ending, (fact.end_us, name))
        view = {name: (fact, 0) for name, fact in changed.items()}
        if self.dirty_us is None:  # a front that lacks rows confirms nothing
            while self.unconfirmed and self.unconfirmed[0][0] <= self.watermark_us:
                name = heappop(self.unconfirmed)[1]
                known = over.get(name) or self.front.facts.get(name)
                if known is not None:
                    view[name] = (known, 1)
            while self.ending and self._is_final(self.ending[0][0]):
                end_us, name = heappop(self.ending)
                known = over.get(name) or self.front.facts.get(name)
                if known is not None and known.end_us == end_us and self._grade(name, view) >= 1:
                    view[name] = (known, 2)
        changes = self.ledger.update(view, now_us)
        for name in [n for n, (_, grade) in view.items() if grade == 2]:
            self.front.facts.pop(name, None)
        return changes

    def _grade(self, name: str, view: Mapping[str, tuple[Fact, int]]) -> int:
        standing = self.ledger.standing.get(name)
        return max(view[name][1] if name in view else 0, standing.grade if standing is not None else 0)

    def _is_final(self, end_us: int) -> bool:
        return end_us + self.repair_us + self.slack_us < self.watermark_us

    def _due(self, now_us: int) -> bool:
        """The base follows at leisure; once in ``lateness`` where the front lacks rows, at once if all are settled."""
        if self.dirty_us is not None and (
            self.newest_us <= self.watermark_us or now_us - self.settled_us >= self.lateness_us
        ):
            return True
        return self.watermark_us - self.base.at_us >= max(self.lateness_us, FOLLOW_US)

    def _settle(self, now_us: int) -> list[dict[str, Any]]:
        """Bring the base up to the watermark; where rows came out of order, take the front from it."""
        self.settled_us = now_us
        first, recent = self.dirty_us, self.recent
        if first is not None and first <= self.base.at_us:
            while len(self.snapshots) > 1 and self.snapshots[-1].at_us >= first:
                self.snapshots.pop()
            self.base = self.snapshots[-1].copy()
            since = [part.t > self.base.at_us for part in self.older]
            recent = [part.take(new) for part, new in zip(self.older, since, strict=True)] + recent
            self.older = [part.take(~new) for part, new in zip(self.older, since, strict=True)]
        self._snapshot()
        rows = Fixes.concat(recent)
        settled = rows.t <= self.watermark_us
        now, later = rows.take(settled).ordered(), rows.take(~settled)
        self.older, self.recent = self._kept([*self.older, now]), [later] if len(later) else []
        self._run(self.base, now, self.watermark_us, {})
        if first is None:
            for name in [n for n in self.base.facts if n in self.ledger.finished]:
                del self.base.facts[name]
            return []
        self.front.take_from(self.base)
        self._run(self.front, later.ordered(), self.watermark_us, {})
        self.dirty_us = None
        return self._told_again(now_us)

    def _told_again(self, now_us: int) -> list[dict[str, Any]]:
        """Ledger rows that bring the ledger to what the front made anew says; what it does not say is void."""
        view: dict[str, tuple[Fact, int]] = {}
        self.unconfirmed, self.ending = [], []
        for name, fact in (self.front.facts | self.urgent.over(self.front.facts)).items():
            known = name in self.base.facts  # made of rows older than the watermark of the quickest source
            sure_us = self.late.sure_us(fact, _START if known else self.newest_us)
            grade = 1 if known and sure_us <= self.watermark_us else 0
            if grade == 0:
                heappush(self.unconfirmed, (sure_us, name))
            elif fact.end_us is not None and self._is_final(fact.end_us):
                grade = 2
            if fact.end_us is not None and grade < 2:
                heappush(self.ending, (fact.end_us, name))
            view[name] = (fact, grade)
        gone = [n for n in self.ledger.standing if n not in view and n not in self.urgent.facts]
        changes = self.ledger.update(view, now_us) + self.ledger.withdraw(gone, now_us)
        for stand in (self.front, self.base):
            stand.facts = {n: f for n, f in stand.facts.items() if n not in self.ledger.finished}
        return changes

    def _snapshot(self) -> None:
        every = max(self.repair_us // _SNAPSHOTS, self.lateness_us)
        if self.repair_us and (not self.snapshots or self.base.at_us - self.snapshots[-1].at_us >= every):
            self.snapshots.append(self.base.copy())
            while len(self.snapshots) > 1 and self.snapshots[1].at_us <= self.watermark_us - self.repair_us:
                self.snapshots.pop(0)

    def _kept(self, parts: list[Fixes]) -> list[Fixes]:
        """Rows that a snapshot may need again."""
        if not self.snapshots:
            return []
        if sum(map(len, parts)) > MAX_LOG_ROWS and len(self.snapshots) > 1:
            self.counts["repair_horizon_cut"] += 1
            self.snapshots.pop(0)
        oldest = self.snapshots[0].at_us
        return [part for part in parts if len(part) and int(part.t.max()) > oldest]

    def health(self) -> Mapping[str, int]:
        """Counts of rows taken, passed over, late, dropped and waiting, and of open alerts."""
        return {
            **self.counts,
            "rows_waiting": len(self.ahead),
            "tracks": len(self.front.core.tracks),
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
