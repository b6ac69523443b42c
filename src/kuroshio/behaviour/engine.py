"""The live engine: rows in any batches and any order, alerts out as changes, the same in the end as the archive.

Rows no later than the watermark are settled: they go through the confirmed core in canonical order. Rows beyond it go
through a copy, whose facts are provisional. A row older than the watermark is late: the engine goes back to the last
snapshot before it and runs the rows since again; facts that do not come back are void. Facts whose end lies beyond the
repair horizon are final. Time and watermark are arguments; there is no clock and no I/O in `Engine.step`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.behaviour import checkpoint
from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import Surroundings
from kuroshio.behaviour.fixes import COASTED, TENTATIVE, Fixes, empty, from_tracks
from kuroshio.behaviour.ledger import Ledger, table
from kuroshio.behaviour.state import Fact
from kuroshio.geo.zones import Zones

MAX_BUFFER_ROWS = 5_000_000
_START = -(1 << 61)


@dataclass
class _Snapshot:
    at_us: int
    core: Core
    facts: dict[str, Fact]


class Engine:
    """Behaviour over a stream of track updates.

    Parameters
    ----------
    definitions
        What to look for.
    zones
        Reference areas; without them no zone is entered and no port is known.
    coverage
        Model of what our receivers hear (`coverage.Coverage`), for the evidence of gaps.
    lateness_s
        Watermark behind ``now_us`` where none is given.
    repair_s
        How far back a late row is still repaired; 0 drops and counts late rows.
    """

    def __init__(
        self,
        definitions: Definitions,
        *,
        zones: Zones | None = None,
        coverage: Any = None,
        lateness_s: float = 300.0,
        repair_s: float = 86_400.0,
    ) -> None:
        self.definitions, self.zones = definitions, zones
        self.core = Core(definitions, Surroundings(zones, coverage))
        self.ledger = Ledger(definitions, zones)
        self.lateness_us, self.repair_us = round(lateness_s * 1e6), round(repair_s * 1e6)
        # a row this long after the end of a fact may still go on with it
        lasting = [d.us(n) for d in definitions.enabled for n in ("max_gap_s", "forget_s") if n in d.thresholds]
        self.slack_us = max(lasting, default=0)
        self.watermark_us = _START
        self.facts: dict[str, Fact] = {}
        self.buffer: Fixes = empty()
        self.history: list[Fixes] = []
        self.snapshots: list[_Snapshot] = []
        self.counts: Counter[str] = Counter()
        self.ahead: Core | None = None  # the provisional core, what it found, and when it was made
        self.ahead_facts: dict[str, Fact] = {}
        self.ahead_since_us = _START

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
        rows = self._take(tracks)
        watermark_us = now_us - self.lateness_us if watermark_us is None else min(watermark_us, now_us)
        late = rows.t <= self.watermark_us
        if late.any():
            self._repair(rows.take(late))
            rows = rows.take(~late)
        self.buffer = Fixes.concat([self.buffer, rows]) if len(rows) else self.buffer
        if len(self.buffer) > MAX_BUFFER_ROWS:
            keep = np.argsort(self.buffer.t, kind="stable")[:MAX_BUFFER_ROWS]
            self.counts["dropped_buffer_full"] += len(self.buffer) - MAX_BUFFER_ROWS
            self.buffer = self.buffer.take(np.sort(keep))
        if watermark_us > self.watermark_us:
            self._settle(watermark_us)
        view: dict[str, tuple[Fact, int]] = {
            name: (fact, 2 if self._is_final(fact) else 1) for name, fact in self.facts.items()
        }
        for name, fact in self._provisional(now_us, rows).items():
            view[name] = (fact, 1 if name in view else 0)
        changes = self.ledger.update(view, now_us)
        self.facts = {n: f for n, f in self.facts.items() if n not in self.ledger.finished}
        self.counts["alert_rows"] += len(changes)
        return table(changes)

    def _take(self, tracks: pa.Table) -> Fixes:
        rows = from_tracks(tracks)
        self.counts["rows"] += tracks.num_rows
        passed = (rows.status == COASTED) | (rows.status == TENTATIVE)
        self.counts["rows_not_measured"] += int(passed.sum())
        return rows.take(~passed) if passed.any() else rows

    def _is_final(self, fact: Fact) -> bool:
        return fact.end_us is not None and fact.end_us + self.repair_us + self.slack_us < self.watermark_us

    def _settle(self, watermark_us: int) -> None:
        ready = self.buffer.t <= watermark_us
        settled = self.buffer.take(ready).ordered()
        self.buffer = self.buffer.take(~ready)
        if self.repair_us and (not self.snapshots or watermark_us - self.snapshots[-1].at_us > self.repair_us // 4):
            self.snapshots.append(_Snapshot(self.watermark_us, self.core.copy(), dict(self.facts)))
            while len(self.snapshots) > 1 and self.snapshots[1].at_us <= watermark_us - self.repair_us:
                self.snapshots.pop(0)
            oldest = self.snapshots[0].at_us
            self.history = [h for h in (part.take(part.t > oldest) for part in self.history) if len(h)]
        if self.repair_us and len(settled):
            self.history.append(settled)
        self._run(self.core, settled, watermark_us, self.facts)
        self.watermark_us = watermark_us

    def _run(self, core: Core, rows: Fixes, to_us: int, into: dict[str, Fact]) -> None:
        out: Facts = []
        core.step(rows, out)
        core.advance(to_us, out)
        for _, fact in out:
            into[self.ledger.id_of(fact)] = fact

    def _repair(self, late: Fixes) -> None:
        """Run again from the last snapshot before the late rows."""
        first = int(late.t.min())
        base = next((s for s in reversed(self.snapshots) if s.at_us < first), None)
        if base is None:
            old = late.t <= (self.snapshots[0].at_us if self.snapshots else self.watermark_us)
            self.counts["dropped_too_late"] += int(old.sum())
            late = late.take(~old)
            if not len(late):
                return
            base = self.snapshots[0]
        self.counts["late_rows"] += len(late)
        self.history.append(late)
        self.snapshots = [s for s in self.snapshots if s.at_us <= base.at_us]
        rows = Fixes.concat([part.take(part.t > base.at_us) for part in self.history]).ordered()
        self.history = [*(part.take(part.t <= base.at_us) for part in self.history), rows]
        self.core, self.facts, self.ahead = base.core.copy(), dict(base.facts), None
        self._run(self.core, rows, self.watermark_us, self.facts)

    def _provisional(self, now_us: int, fresh: Fixes) -> dict[str, Fact]:
        """Facts that rows beyond the watermark and the time since would make.

        The copy of the core goes on from step to step while rows come in order on every track; it is made anew from the
        confirmed core after rows that did not, and at least once in ``lateness_s``, so that each row is run three times
        at most.
        """
        if now_us <= self.watermark_us:
            self.ahead = None
            return {}
        stale = self.ahead is None or now_us - self.ahead_since_us >= self.lateness_us
        stale = stale or bool((fresh.t > now_us).any())
        if not stale and len(fresh) and self.ahead is not None:
            fresh = fresh.ordered()
            heads = np.append(True, fresh.track[1:] != fresh.track[:-1])
            last = self.ahead.last_times(fresh.track[heads])
            stale = bool((fresh.t[heads] <= last).any())
        if stale or self.ahead is None:
            self.ahead, self.ahead_since_us, self.ahead_facts = self.core.copy(), now_us, {}
            fresh = self.buffer.take(self.buffer.t <= now_us).ordered()
            if (self.buffer.t > now_us).any():
                self.ahead_since_us = now_us - self.lateness_us
        self._run(self.ahead, fresh, now_us, self.ahead_facts)
        return self.ahead_facts

    def health(self) -> Mapping[str, int]:
        """Counts of rows taken, passed over, late, dropped and waiting, and of open alerts."""
        return {
            **self.counts,
            "rows_waiting": len(self.buffer),
            "tracks": len(self.core.slot_of),
            "alerts_standing": len(self.ledger.standing),
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
