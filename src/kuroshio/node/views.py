"""What a running node shows and does for its callers: the face that the API speaks to.

`NodeView` is the whole of it, so that the API is tested against a small stand-in. Tables are Arrow in the schemas of
`kuroshio.schema`; JSON values are plain dicts with times in RFC 3339. ``viewpoint`` is None for the node's own eyes
or a party's code for the partner view, which is computed by the same code that makes the release.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from kuroshio.node.asking import AccordDesk
from kuroshio.node.books import LedgerDesk
from kuroshio.node.rules import RuleDesk


@dataclass(frozen=True)
class Change:
    """One step of the live picture: rows that changed and tracks that left, under a dense sequence number."""

    seq: int
    tracks: pa.Table
    removed: Sequence[int]
    events: Sequence[dict[str, Any]]


class NodeView(Protocol):
    """A node as its API sees it; every method raises the errors of `kuroshio.errors`."""

    def info(self) -> dict[str, Any]:
        """Party, name, mode (live, replay, simulated, exercise), version, time, counts, map centre, viewpoints."""
        ...

    def now_us(self) -> int:
        """The node's own time (wall clock, or the clock of a replay)."""
        ...

    def snapshot(self, viewpoint: str | None = None) -> tuple[int, pa.Table]:
        """(sequence, TRACKS) of all live tracks; for a viewpoint, exactly what that party would be sent."""
        ...

    def changes(self, viewpoint: str | None = None) -> AsyncIterator[Change]:
        """Changes from now on; a caller that falls behind is told by a gap in the sequence and takes a snapshot."""
        ...

    def target(self, track_id: int, viewpoint: str | None = None) -> dict[str, Any]:
        """Target card: values with source and time, sensors, identity claims, releases with clause, history."""
        ...

    def withheld(self, viewpoint: str) -> list[dict[str, Any]]:
        """For the releaser: each item missing or blurred in that party's view, with the clause and the reason."""
        ...

    def alerts(
        self,
        viewpoint: str | None = None,
        *,
        open_only: bool = False,
        known_at: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Alert queue, newest first, with evidence and verdicts, as it was known at a time; at most so many."""
        ...

    def alert(self, alert_id: str, *, known_at: str | None = None) -> dict[str, Any]:
        """One alert with every change of it and its verdicts, as known at a time."""
        ...

    def alert_pack(self, alert_id: str, *, known_at: str | None = None) -> bytes:
        """The evidence pack of one alert of this node, as known at a time."""
        ...

    def alert_rules(self, *, known_at: str | None = None) -> list[dict[str, Any]]:
        """Each definition: alerts, verdicts by word, and the share of those judged that was true."""
        ...

    def rules(self) -> RuleDesk:
        """The watch's rules: proposed, dry-run, switched, silenced, counted."""
        ...

    def judge_alert(self, alert_id: str, verdict: str, *, by: str, note: str = "", until: str | None = None) -> None:
        """Record acknowledged, true, false, duplicate or silenced by a person."""
        ...

    def feeds(self) -> list[dict[str, Any]]:
        """Health of each source: last message, rate against norm, rejects by reason, clock offset, silence."""
        ...

    def partners(self) -> list[dict[str, Any]]:
        """Health of each partner and direction: last accepted, undelivered, withdrawn but unconfirmed, rate."""
        ...

    def releases(self, *, to: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Releases newest first: to, clause, obligations, rows, state (sent, received, withdrawn, confirmed)."""
        ...

    def recall(self, release_id: str, *, by: str, reason: str) -> dict[str, Any]:
        """Withdraw a release; the partner's receipt is awaited and shown."""
        ...

    def tighten(self, release_id: str, retain_until: str, *, by: str, reason: str) -> dict[str, Any]:
        """Let a release end earlier at its partner; the receipt is awaited and shown."""
        ...

    def pending(self) -> list[dict[str, Any]]:
        """Items whose decision waits for a named role."""
        ...

    def consent(self, item_id: str, to: str, *, by: str, grant: bool, note: str = "") -> dict[str, Any]:
        """A person's answer to a pending decision; recorded either way."""
        ...

    def accords(self) -> list[dict[str, Any]]:
        """Agreements with parties, status history, conflicts and clauses."""
        ...

    def why(self, item_id: str, to: str) -> dict[str, Any]:
        """The trace of the decision on one item for one party."""
        ...

    def dry_run(self, accord_text: str, *, at: str | None = None) -> dict[str, Any]:
        """What would flow from the present picture under a draft: counts by effect, party and clause, examples."""
        ...

    def agreements(self) -> AccordDesk:
        """The agreements, asked: status, words, routes, faults, labels."""
        ...

    def ledger(self) -> LedgerDesk:
        """Support, equipment and access exchanges with duties and commitments, read."""
        ...

    def record_step(
        self, kind: str, exchange: str, step: str, facts: Mapping[str, Any], *, by: str, at: str | None = None
    ) -> dict[str, Any]:
        """Keep one step and tell the other party; the exchange (or what else it was) as it then stands."""
        ...

    def zones(self) -> dict[str, Any]:
        """Zones and sensors as GeoJSON features."""
        ...

    def record_status(self) -> dict[str, Any]:
        """Size, root, last checkpoint, cosignatures and result of the last self-check."""
        ...

    def record_knew(self, party: str, *, at: str) -> dict[str, Any]:
        """Signed report of what a party knew at a time, and why, from the record alone (`record.knew`)."""
        ...

    def push(self, source: str, data: bytes) -> dict[str, Any]:
        """Take bytes for a push source; returns only when they are durable."""
        ...

    def sight(self, fields: dict[str, Any], *, by: str) -> dict[str, Any]:
        """Take a person's sighting; the row it became (OBSERVATIONS) once it is durable and in the picture."""
        ...

    def operate(self, action: str, arguments: dict[str, Any], *, by: str) -> dict[str, Any]:
        """Operator action on tracks: merge, split, correlate, decorrelate, name, classify, drop, undo."""
        ...

    def operations(self) -> list[dict[str, Any]]:
        """What operators did to tracks, newest first: number, action, arguments, by whom, when, undone by which."""
        ...

    def story(self, track_id: int) -> dict[str, Any]:
        """A track's story: events, reports with outcome and distance, gates, identity, operators' actions."""
        ...

    def coverage(self) -> dict[str, Any]:
        """GeoJSON cells of where each sensor looks and how well it sees there."""
        ...
