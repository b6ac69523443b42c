"""The worker of a node: everything that changes its state, one cycle after another, in one thread.

What enters: entries from the sources and tracks from partners. What leaves: durable journal and archive, the alert
ledger, the published picture. The journal has the bytes before anything is made of them; the archive and the
checkpoint say up to where. After a crash the journal is read again from the checkpoint, and what was already archived
is not archived twice.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.errors import InputError, StoreError
from kuroshio.node.intake import Sources
from kuroshio.node.items import Holdings
from kuroshio.node.live import Channel, current
from kuroshio.node.orders import WATCH, Orders
from kuroshio.node.past import Past, Told
from kuroshio.node.pipeline import Entry, Pipeline, Step
from kuroshio.node.retold import untold
from kuroshio.node.rules import RuleDesk
from kuroshio.node.time import not_beyond
from kuroshio.node.unfused import Unfused
from kuroshio.picture import BLIND_PD
from kuroshio.schema import ALERTS, EVENTS, LINKS, OBSERVATIONS, POSITIONS, STATICS, TRACKS, concat
from kuroshio.store import Archive, Journal, Operations, disk
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

ARCHIVE_EVERY_S = 30.0
CHECKPOINT_EVERY_S = 300.0
ARCHIVED_REPORTS = (
    POSITIONS.name,
    STATICS.name,
    *("aids", "base_stations", "safety", "binary", "rejects", "receptions", "radar_status", "footprints"),
)
ENTRY_BYTES_MAX = 4_000_000
JOIN_US_MAX = 250_000  # arrivals further apart keep their own times
JOURNAL_SHARE_MAX = 0.25  # of its limit: above, a checkpoint does not wait for its time
FEEDS = "feeds.json"
FEEDS_EVERY_S = 60.0


@dataclass
class Outcome:
    """What a cycle leaves for sharing: rows that changed, the same as own sensors have them, new alerts."""

    tracks: pa.Table
    own: pa.Table
    alerts: pa.Table


@dataclass
class Counters:
    """Counts of the worker, shown in the node's info."""

    cycles: int = 0
    entries: int = 0
    replayed_entries: int = 0
    observations: int = 0
    track_updates: int = 0
    alert_changes: int = 0
    longest_cycle_ms: float = 0.0
    forced_decisions: int = 0
    tracker: dict[str, int] = field(default_factory=dict)


class Core:
    """State of a node and the cycle that changes it; used from one thread.

    Parameters
    ----------
    folder
        Data folder: ``state.json`` and the checkpoint of tracker and alerts are kept in it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pipeline: Pipeline,
        sources: Sources,
        journal: Journal,
        archive: Archive,
        past: Past,
        holdings: Holdings,
        operations: Operations,
        own: Channel,
        rules: RuleDesk,
    ) -> None:
        self._folder, self._rules = folder, rules
        self._pipeline = pipeline
        self._sources = sources
        self._journal = journal
        self._archive = archive
        self.past, self._holdings = past, holdings
        self._operations = operations
        self.orders = Orders(pipeline, journal, operations)
        self._own = own
        self.picture = TRACKS.empty()
        self._unfused = Unfused()
        self.partner_rows: list[Told] = []
        self.counters = Counters()
        self._archived_to = archive.position or 0
        self._archive_due_us = 0
        self._checkpoint_due_us = 0
        self._again: list[pa.Table] | None = None  # changes of alerts since the start, until the first cycle is over
        self._left: list[Outcome] = []
        self._feeds_due_us = 0
        self._forced: list[str] = []
        self.outlines: dict[
            str, Any
        ] = {}  # by source, polygons of where a radar sees, where that is less than a circle

    # -- start

    def recover(self) -> None:
        """Bring the state back from the checkpoint and the journal after it."""
        self._load_feeds()
        start = self._load_checkpoint()
        self._rules.recover()
        self._again = []
        batch: list[Entry] = []
        position = start
        for entry in self._journal.read(max(start, self._journal.first_position)):
            if batch and batch[-1][1] // US_PER_S != entry.received_at_us // US_PER_S:
                self._replay(batch, position)
                batch = []
            if entry.source == WATCH:
                if batch:
                    self._replay(batch, position)
                    batch = []
                self._repeat(entry.data, position)
            if entry.source in self._sources.by_name:
                batch.append((entry.source, entry.received_at_us, entry.data))
            position = entry.position
        if batch:
            self._replay(batch, position)
        if self.counters.replayed_entries:
            log.info("read %d journal entries again", self.counters.replayed_entries)

    def _replay(self, batch: list[Entry], position: int, now_us: int | None = None) -> None:
        step = self._pipeline.step(batch, now_us=batch[-1][1] if now_us is None else now_us)
        self.counters.replayed_entries += len(batch)
        self._take(step, position if position > self._archived_to else None, replayed=True)

    # -- one cycle

    def cycle(self, entries: Sequence[Entry], *, now_us: int) -> Outcome:
        """Make entries durable, then make what follows from them, and publish it."""
        if self.orders.set_back(now_us):
            self._sources.set_back(now_us)
        joined = join(entries)
        position = self._journal.append(joined) if joined else self._journal.end_position
        told, self.partner_rows = self.partner_rows, []
        for release_id, rows in told:
            self.past.heard(release_id, rows)
        partners = concat(TRACKS, [rows for _, rows in told]) if told else None
        ended, self._forced = [*self._sources.newly_ended(), *self._forced], []
        step = self._pipeline.step(joined, now_us=now_us, partners=partners, ended=ended)
        self.counters.cycles += 1
        self.counters.entries += len(joined)
        for name, result in step.sources.items():
            self._sources.by_name[name].count(
                result.ledger, now_us, observations=result.observations, size_bytes=result.size_bytes,
                repeats=result.repeats, rejects_unkept=result.rejects_unkept,
                offsets_s=np.concatenate(result.offsets_s) if result.offsets_s else None,
            )  # fmt: skip
        outcome = self._take(step, position)
        self._keep(position, now_us)
        return outcome

    def ingest(self, entries: Sequence[Entry], *, now_us: int) -> None:
        """Make pushed bytes durable and use them; what follows is shared with the next cycle."""
        self._left.append(self.cycle(entries, now_us=now_us))

    def left_over(self) -> list[Outcome]:
        """Outcomes of pushes since the last call."""
        left, self._left = self._left, []
        return left

    def operate(self, action: str, arguments: dict[str, Any], *, by: str, now_us: int) -> dict[str, Any]:
        """A watch officer's action: in the journal, on the tracks, and in the book of actions; or not at all."""
        return self.orders.operate(action, arguments, by=by, now_us=now_us)

    def _repeat(self, data: bytes, position: int) -> None:
        """Do again what the journal says was done besides, in its place among the reports."""
        said = self.orders.read(data)
        if said.get("clock_us") is not None:
            self._replay([], position, now_us=said["clock_us"])
        self.orders.repeat(said)

    def operated(self) -> list[dict[str, Any]]:
        """Records of what watch officers did, oldest first."""
        return [dict(record) for record in self._pipeline.tracker.desk.records]

    def book(self, mmsi: int | None, claim: dict[str, Any], now_us: int) -> tuple[list[dict[str, Any]], list[Any]]:
        """(what each source says of a track and its MMSI, register entries of the ship)."""
        tracker = self._pipeline.tracker
        book, of_track = tracker.book, tracker.desk.words.said.get(claim.get("track_id", 0), {})
        told = {"source": "operator", "first_us": None, "last_us": None}
        said = [{"claim": name, "value": value, **told} for name, value in of_track.items()]
        return [*said, *book.sources(mmsi, now_us)], book.registry.entries(mmsi, claim.get("imo"), now_us)

    def shared(self, picture: pa.Table) -> pa.Table:
        """The picture as it may be told to partners: without what they added themselves."""
        return self._unfused.of(picture)

    def coverage(self, now_us: int) -> list[dict[str, Any]]:
        """Cells of where sensors look."""
        tracker = self._pipeline.tracker
        return tracker.coverage.cells(now_us, tracker.config.ais_alive_s)

    def _take(self, step: Step, archive_at: int | None, *, replayed: bool = False) -> Outcome:
        fresh = step.alerts
        if self._again is not None:
            self._again.append(fresh)
            fresh = ALERTS.empty() if replayed else self._untold()
        changes = self._rules.step(fresh, step.tracks, self.picture)
        if archive_at is not None:
            self._archive.append(OBSERVATIONS.name, step.observations)
            self.past.keep(step.tracks, step.unfused)
            self._archive.append(LINKS.name, step.links)
            self._archive.append(EVENTS.name, step.events)
            for name in ARCHIVED_REPORTS:
                if name in step.reports:
                    self._archive.append(name, step.reports[name])
        self.picture = current(self.picture, step.tracks)
        self._unfused.take(step.tracks, step.unfused)
        self.counters.observations += step.observations.num_rows
        self.counters.track_updates += step.tracks.num_rows
        self.counters.alert_changes += changes
        self.counters.tracker = step.counters
        events = [{"type": "alerts"}] if fresh.num_rows else []
        self._own.publish(self.picture, events=events)
        return Outcome(step.tracks, step.unfused, fresh)

    def _untold(self) -> pa.Table:
        """Changes of alerts kept back since the start, as far as the book does not say the same."""
        again, self._again = self._again or [], None
        rows = concat(ALERTS, again).to_pylist()
        last = self._operations.last_alerts(sorted({row["alert_id"] for row in rows})).to_pylist()
        return ALERTS.from_rows(untold(rows, {row["alert_id"]: row for row in last}))

    # -- durability

    def _keep(self, position: int, now_us: int) -> None:
        wall_us = clock.now_us()
        self._archive_due_us = not_beyond(self._archive_due_us, wall_us, ARCHIVE_EVERY_S)
        self._checkpoint_due_us = not_beyond(self._checkpoint_due_us, wall_us, CHECKPOINT_EVERY_S)
        self.orders.book()
        if wall_us >= self._archive_due_us:
            if self._archive_due_us:
                self._archive.flush(position)
                self._archived_to = position
            self._archive_due_us = wall_us + int(ARCHIVE_EVERY_S * US_PER_S)
            self.past.sweep(now_us)
            radars = self._pipeline.tracker.coverage.radars()
            cut = [s for s in radars if (s.pd_map.pd(s.model.pd) < BLIND_PD).any()]
            self.outlines = {s.model.source: s.pd_map.outline(s.model) for s in cut}
        full = position - self._journal.first_position > JOURNAL_SHARE_MAX * self._journal.limit_bytes
        if wall_us >= self._checkpoint_due_us or full:
            if self._pipeline.settled:
                if self._checkpoint_due_us or full:
                    self.checkpoint(position)
                self._checkpoint_due_us = wall_us + int(CHECKPOINT_EVERY_S * US_PER_S)
            elif full or wall_us >= self._checkpoint_due_us + int(CHECKPOINT_EVERY_S * US_PER_S):
                # a source that never ends its line must not keep the journal from ever being cleared: what its decoder
                # holds is decided with the next cycle, as at its end
                self._forced = self._pipeline.unsettled()
                self.counters.forced_decisions += len(self._forced)

    def look(self, now_us: int) -> None:
        """Let time pass for the sources, and keep what was learned of them now and then."""
        self._sources.look(now_us)
        wall_us = clock.now_us()
        self._feeds_due_us = not_beyond(self._feeds_due_us, wall_us, FEEDS_EVERY_S)
        if wall_us >= self._feeds_due_us:
            if self._feeds_due_us:
                self.save_feeds()
            self._feeds_due_us = wall_us + int(FEEDS_EVERY_S * US_PER_S)

    def save_feeds(self) -> None:
        """Write what was learned of the sources; a disk that refuses costs only that."""
        text = json.dumps(self._sources.as_dict())
        try:
            disk.write_durably(self._folder / FEEDS, lambda path: disk.write_text(path, text))
        except StoreError as err:
            log.error("what was learned of the sources cannot be kept: %s", err)

    def _load_feeds(self) -> None:
        try:
            self._sources.load(json.loads((self._folder / FEEDS).read_text()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, AttributeError, TypeError) as err:
            log.error("what was learned of the sources cannot be read, learning anew: %s", err)

    def checkpoint(self, position: int | None = None) -> None:
        """Write the state of tracker and alerts, then let go of the journal before it."""
        at = self._journal.end_position if position is None else position
        self.orders.book(must=True)
        self._rules.step(self._untold(), self.picture)
        self._archive.flush(at)
        self._archived_to = at
        folder = self._folder / f"checkpoint-{at:016x}-{clock.now_us():x}"  # never over one that may be in use
        folder.mkdir(parents=True)
        self._pipeline.save(folder)
        write_table(folder / "picture.arrow", self.picture)
        write_table(folder / "unfused.arrow", self._unfused.rows)
        write_table(folder / "past.arrow", self.past.state())
        write_table(folder / "ties.arrow", self._holdings.state())
        for path in folder.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        disk.sync_folder(folder)
        text = json.dumps({"position": at, "folder": folder.name})
        disk.write_durably(self._folder / "state.json", lambda path: disk.write_text(path, text))
        self._journal.remove_before(at)
        for old in self._folder.glob("checkpoint-*"):
            if old != folder:
                for path in old.iterdir():
                    path.unlink()
                old.rmdir()

    def _load_checkpoint(self) -> int:
        """Position of the checkpoint, its state loaded; the start of the journal where there is none."""
        try:
            state = json.loads((self._folder / "state.json").read_text())
            folder = self._folder / str(state["folder"])
            self._pipeline.restore(folder)
            self.picture = TRACKS.conform(read_table(folder / "picture.arrow"))
            if (folder / "unfused.arrow").is_file():
                self._unfused = Unfused(TRACKS.conform(read_table(folder / "unfused.arrow")))
            for name, part in (("past", self.past), ("ties", self._holdings)):
                if (folder / f"{name}.arrow").is_file():
                    part.restore(read_table(folder / f"{name}.arrow"))
            self._own.publish(self.picture)
            return int(state["position"])
        except FileNotFoundError:
            return self._journal.first_position
        except (OSError, ValueError, KeyError, pa.ArrowException, StoreError, InputError) as err:
            log.error("the checkpoint cannot be read, starting from the journal: %s", err)
            return self._journal.first_position

    def close(self) -> None:
        """Checkpoint where that loses nothing (else the journal is read again), and close the stores."""
        try:
            self.save_feeds()
            if self._pipeline.settled:
                self.checkpoint()
        finally:
            self.past.close()
            self._archive.close()
            self._journal.close()
            self._operations.close()


def join(entries: Sequence[Entry]) -> list[Entry]:
    """Entries with neighbouring blocks of one source joined: one decoder call, and one journal entry, for each."""
    joined: list[tuple[str, list[int], list[bytes]]] = []
    open_at: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for name, at_us, data in entries:
        if name in open_at:
            _, times, blocks = joined[open_at[name]]
            near = at_us - times[0] <= JOIN_US_MAX
            if near and sizes[name] + len(data) <= ENTRY_BYTES_MAX:
                blocks.append(data)
                times.append(at_us)
                sizes[name] += len(data)
                continue
        open_at[name], sizes[name] = len(joined), len(data)
        joined.append((name, [at_us], [data]))
    return [(name, times[-1], b"".join(blocks)) for name, times, blocks in joined]


def write_table(path: Path, table: pa.Table) -> None:
    """Arrow file of a table, for the next start."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read_table(path: Path) -> pa.Table:
    """Table of an Arrow file."""
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()
