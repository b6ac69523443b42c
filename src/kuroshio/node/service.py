"""A running node as its callers see it: implements `node.views.NodeView`.

What enters: questions and actions of people and programs. What leaves: tables and dicts. Reading uses what the worker
published; what changes something is handed to the worker thread and waited for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import __version__, clock
from kuroshio.errors import AuthError, InputError, KuroshioError, NotFound
from kuroshio.geo import metres_per_degree
from kuroshio.links.framing import pieces
from kuroshio.node import cards, items, judged, told
from kuroshio.node.asking import AccordDesk
from kuroshio.node.assemble import Parts
from kuroshio.node.books import LedgerDesk
from kuroshio.node.deciding import time_or_none
from kuroshio.node.linking import pushed
from kuroshio.node.live import Channel
from kuroshio.node.partners import Partners
from kuroshio.node.rules import RuleDesk
from kuroshio.node.sharing import Sharing
from kuroshio.node.views import Change
from kuroshio.picture import TrackerConfig
from kuroshio.schema import TRACKS
from kuroshio.sensing.sighting import sighting, sighting_line
from kuroshio.units import US_PER_S

T = TypeVar("T")
LATE_S, FUTURE_S = TrackerConfig().late_s, TrackerConfig().future_s
HISTORY_S = 12 * 3600
ANSWERED_S = 3600
CLAIMED = ("mmsi", "name", "call_sign", "imo", "ship_type", "length_m")
PUSH_PIECE_BYTES = 256_000
VIEW_MAX_AGE_US = 2 * US_PER_S
EMPTY_VIEW = TRACKS.empty().append_column("grid_m", pa.array([], pa.float64()))


class Service:
    """Node as `NodeView`.

    Parameters
    ----------
    worker
        The one thread that owns picture, alerts and sharing.
    """

    def __init__(self, parts: Parts, sharing: Sharing, partners: Partners, worker: ThreadPoolExecutor) -> None:
        self.parts = parts
        self.sharing = sharing
        self._partners = partners
        self._worker = worker
        self._views: dict[str, Channel] = {}
        self._view_made_us: dict[str, int] = {}

    def call(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Result of work done in the worker thread."""
        return self._worker.submit(lambda: work(*arguments, **named)).result()

    # -- what is

    def info(self) -> dict[str, Any]:
        config, counters = self.parts.config, self.parts.core.counters
        return {
            "party": config.node.party,
            "name": config.node.name,
            "mode": config.node.mode,
            "version": __version__,
            "now": clock.rfc3339(self.now_us()),
            "center": list(config.map.center),
            "zoom": config.map.zoom,
            "viewpoints": self.parts.decider.parties(),
            "partners": list(self.sharing.partners),
            "notice": config.node.notice or None,
            "speed": self.parts.time.speed,
            "sightings": self._sightings() is not None,
            "rules_digest": self.parts.decider.book.rules_digest,
            "agreements_fault": self.parts.decider.agreements.fault or None,
            "later_versions": self.parts.decider.agreements.later(),
            "counts": {
                "tracks": self.parts.own.snapshot()[1].num_rows,
                "cycles": counters.cycles,
                "entries": counters.entries,
                "replayed_entries": counters.replayed_entries,
                "observations": counters.observations,
                "track_updates": counters.track_updates,
                "alert_changes": counters.alert_changes,
                "longest_cycle_ms": round(counters.longest_cycle_ms),
                "refused_releases": self.sharing.refused,
                "forced_decisions": counters.forced_decisions,
                **self.parts.core.orders.clocks(),
                **{f"archive_{name}": count for name, count in self.parts.core.past.counters.items()},
                **{f"mail_{name}": count for name, count in self._partners.room.counters.copy().items()},
                **{f"agreements_{name}": count for name, count in self.parts.decider.agreements.counters.items()},
                **self.parts.sources.counts(),
            },
        }

    def now_us(self) -> int:
        return self.parts.time.now_us()

    def _shared(self) -> pa.Table:
        """The picture as partners may be told of it: every decision is asked of these rows."""
        return self.parts.core.shared(self.parts.own.snapshot()[1])

    def snapshot(self, viewpoint: str | None = None) -> tuple[int, pa.Table]:
        if viewpoint is None:
            seq, table = self.parts.own.snapshot()
            return seq, self._partners.with_grid(table)
        channel = self._view_channel(viewpoint)
        self.refresh_view(viewpoint)
        return channel.snapshot()

    async def changes(self, viewpoint: str | None = None) -> AsyncIterator[Change]:
        channel = self.parts.own if viewpoint is None else self._view_channel(viewpoint)
        async for change in channel.changes():
            yield replace(change, tracks=self._partners.with_grid(change.tracks)) if viewpoint is None else change

    def heard_viewpoints(self) -> list[str]:
        """Viewpoints somebody watches now."""
        return [party for party, channel in self._views.items() if channel.heard]

    def _view_channel(self, party: str) -> Channel:
        if party not in self.parts.decider.parties():
            raise NotFound(f"no party {party!r} in the agreements of this node", code="viewpoint.unknown")
        return self._views.setdefault(party, Channel(EMPTY_VIEW))

    def refresh_view(self, party: str) -> None:
        """Publish a party's view anew, at most every two seconds."""
        now_us = clock.now_us()
        if now_us - self._view_made_us.get(party, 0) < VIEW_MAX_AGE_US:
            return
        self._view_made_us[party] = now_us
        view = self.sharing.view(party, self._shared(), now_us=self.now_us())
        lat = view.tracks["lat_deg"].to_numpy() if view.tracks.num_rows else np.zeros(0)
        cell_deg = np.array([terms.get("grid_deg", 0.0) for _, _, terms in view.shown])
        grid_m = cell_deg * metres_per_degree(lat)[1]
        self._view_channel(party).publish(view.tracks.append_column("grid_m", pa.array(grid_m)))

    def target(self, track_id: int, viewpoint: str | None = None) -> dict[str, Any]:
        _, table = self.snapshot(viewpoint)
        rows = table.filter(pc.equal(table["track_id"], track_id))
        if not rows.num_rows:
            raise NotFound(f"no live track {track_id}", code="track.unknown")
        row = TRACKS.conform(rows).to_pylist()[0]
        if viewpoint is not None:  # a partner sees the released row and nothing else
            return {**cards.card(row, []), "releases": [], "decisions": [], "alerts": []}
        now_us = self.now_us()
        past = self.parts.core.past.read(
            start_us=now_us - HISTORY_S * US_PER_S,
            end_us=now_us + US_PER_S,
            track_id=track_id,
            columns=["track_id", "observed_at", "lat_deg", "lon_deg", *CLAIMED],
        )
        parties = self.parts.decider.parties()
        item = f"track:{track_id}"
        said, entries = self.call(self.parts.core.book, row["mmsi"], row, now_us)
        card = cards.card(row, cards.history(past, track_id))
        return {
            **card,
            "values": card["values"] if row["partner"] else told.attributed(card["values"], said),
            **told.identity(row, past, said, entries),
            "releases": [r for r in self.releases() if item in r["items"]],
            "decisions": self.sharing.decisions(track_id, self._shared(), parties, now_us=now_us),
            "alerts": judged.about(self.parts.operations, track_id),
        }

    def withheld(self, viewpoint: str) -> list[dict[str, Any]]:
        self._view_channel(viewpoint)
        return self.sharing.withheld(viewpoint, self._shared(), now_us=self.now_us())

    # -- alerts

    def alerts(
        self,
        viewpoint: str | None = None,
        *,
        open_only: bool = False,
        known_at: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        known_us = None if known_at is None else clock.parse_rfc3339(known_at)
        if viewpoint is not None:
            if known_us is not None:
                raise InputError("a partner's view is shown as it is now, not as it was known", code="alert.known_at")
            self._view_channel(viewpoint)
            return self.sharing.alerts_shown_to(viewpoint)[:limit]
        received = self._partners.alerts_received()
        return judged.queue(self.parts.operations, received, open_only=open_only, known_at_us=known_us, limit=limit)

    def alert(self, alert_id: str, *, known_at: str | None = None) -> dict[str, Any]:
        known_us = None if known_at is None else clock.parse_rfc3339(known_at)
        return judged.story(self.parts.operations, alert_id, known_at_us=known_us)

    def alert_pack(self, alert_id: str, *, known_at: str | None = None) -> bytes:
        known_us = None if known_at is None else clock.parse_rfc3339(known_at)
        return self.parts.packs.pack(alert_id, known_at_us=known_us)

    def alert_rules(self, *, known_at: str | None = None) -> list[dict[str, Any]]:
        known_us = None if known_at is None else clock.parse_rfc3339(known_at)
        return judged.rules(self.parts.operations, self.parts.rules.all(), known_at_us=known_us)

    def rules(self) -> RuleDesk:
        return self.parts.rules

    def judge_alert(self, alert_id: str, verdict: str, *, by: str, note: str = "", until: str | None = None) -> None:
        rows = self.parts.operations.last_alerts([alert_id]).to_pylist()
        if not rows:
            raise NotFound(f"no alert {alert_id[:80]!r}", code="alert.unknown")
        until_us = None if until is None else clock.parse_rfc3339(until)
        if verdict == "silenced" and until_us is None:
            raise InputError("silenced needs a time until when", code="alert.until")
        at_us = self.now_us()  # the node's time, as that of the alerts: it may be a replay's
        self.parts.operations.add_verdict(alert_id, verdict, by=by, at_us=at_us, note=note, until_us=until_us)
        if verdict == "silenced" and until_us is not None:
            self.parts.rules.silence_alert(rows[0], until_us, by=by)
        self.parts.own.announce("alerts")

    # -- health

    def feeds(self) -> list[dict[str, Any]]:
        now_us = self.now_us()
        return [source.health(now_us) for source in self.parts.sources.by_name.values()]

    def partners(self) -> list[dict[str, Any]]:
        return self._partners.health()

    # -- releases

    def releases(self, *, to: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        rows = self.sharing.ledger.releases(to=to, limit=limit)
        return [self._release_row(row) for row in rows if row["kind"] in ("tracks", "alerts", "safety")]

    def _release_row(self, row: dict[str, Any]) -> dict[str, Any]:
        accord, _, clause = str(row["cited"]).partition(" ")
        outlet = self.sharing.outlet(row["to_party"])
        numbers = [outlet.track_of(ref) for ref in row["refs"]] if outlet is not None else []
        items = [f"track:{n}" for n in numbers if n is not None]
        end = self.sharing.ledger.end(row["release_id"]) or {"at_us": None, "confirmed_us": None}
        times = {
            "received_at": row["received_us"], "withdrawn_at": row["withdrawn_us"],
            "retain_until": self.sharing.ledger.must_be_gone(row), "tightened_at": end["at_us"],
            "tightening_confirmed_at": end["confirmed_us"],
        }  # fmt: skip
        return {
            "release_id": row["release_id"],
            "to": row["to_party"],
            "at": clock.rfc3339(row["at_us"]),
            "kind": row["kind"],
            "accord": accord,
            "clause": clause,
            "obligations": row["obligations"],
            "rows": row["rows"],
            "items": items,
            "item_id": items[0] if items else None,
            "state": row["state"],
            **{name: time_or_none(value) for name, value in times.items()},
            "confirmed_at": time_or_none(row["confirmed_us"]),
            "reason": row["reason"],
        }

    def recall(self, release_id: str, *, by: str, reason: str) -> dict[str, Any]:
        row = self.call(self.sharing.recall, release_id, by=by, reason=reason, now_us=self.now_us())
        self.parts.own.announce("releases", "partners")
        return self._release_row(row)

    def tighten(self, release_id: str, retain_until: str, *, by: str, reason: str) -> dict[str, Any]:
        until_us, now_us = clock.parse_rfc3339(retain_until), self.now_us()
        row = self.call(self.sharing.tighten, release_id, until_us, by=by, reason=reason, now_us=now_us)
        self.parts.own.announce("releases", "partners")
        return self._release_row(row)

    def pending(self) -> list[dict[str, Any]]:
        """What waits for a person here, without what was answered in the last `ANSWERED_S`: it is asked again then."""
        rows = self.parts.decider.pending(self._shared(), self.sharing.partners, now_us=self.now_us())
        given = self.parts.operations.consents(since_us=clock.now_us() - ANSWERED_S * US_PER_S)
        answered = {(row["item_id"], row["to"]) for row in given}
        return [row for row in rows if (row["item_id"], row["to"]) not in answered]

    def consent(self, item_id: str, to: str, *, by: str, grant: bool, note: str = "") -> dict[str, Any]:
        picture, now_us = self._shared(), self.now_us()
        answer = self.call(self.sharing.answer, item_id, to, picture, by=by, grant=grant, note=note, now_us=now_us)
        self.parts.operations.add_consent(item_id, to, granted=grant, by=by, at_us=clock.now_us(), note=note)
        self.parts.own.announce("pending", "releases")
        return answer

    # -- agreements

    def accords(self) -> list[dict[str, Any]]:
        return self.parts.decider.accords(now_us=self.now_us())

    def why(self, item_id: str, to: str) -> dict[str, Any]:
        return self.parts.decider.why(item_id, to, self._shared(), now_us=self.now_us())

    def dry_run(self, accord_text: str, *, at: str | None = None) -> dict[str, Any]:
        at_us = self.now_us() if at is None else clock.parse_rfc3339(at)
        return self.parts.decider.dry_run(accord_text, self._shared(), now_us=at_us)

    def agreements(self) -> AccordDesk:
        holdings = self.parts.decider.holdings
        return AccordDesk(
            self.parts.config.node.party,
            lambda: self.parts.decider.book,
            item=lambda reference: self.parts.decider.item(reference, self._shared()),
            items=lambda: items.of_tracks(self._shared(), holdings),
            now_us=self.now_us,
        )

    def ledger(self) -> LedgerDesk:
        return self.parts.ledger

    def record_step(
        self, kind: str, exchange: str, step: str, facts: Mapping[str, Any], *, by: str, at: str | None = None
    ) -> dict[str, Any]:
        entry = self.parts.ledger.record(kind, exchange, step, facts, by=by, at=at)
        self.call(self.sharing.tell_step, self.parts.ledger, entry, now_us=self.now_us())
        self.parts.own.announce("releases")
        return self.parts.ledger.told(entry)

    def zones(self) -> dict[str, Any]:
        return told.cut_coverage(cards.features(self.parts.config, self.parts.zones), self.parts.core.outlines)

    def coverage(self) -> dict[str, Any]:
        return told.coverage(self.call(self.parts.core.coverage, self.now_us()))

    def story(self, track_id: int) -> dict[str, Any]:
        return told.story(self.parts, self.call(self.parts.core.operated), track_id, self.now_us())

    def operations(self) -> list[dict[str, Any]]:
        return [told.operation(record) for record in reversed(self.call(self.parts.core.operated))]

    def record_status(self) -> dict[str, Any]:
        return self.sharing.record_status()

    def record_knew(self, party: str, *, at: str) -> dict[str, Any]:
        return self.sharing.record_knew(party, at_us=clock.parse_rfc3339(at), now_us=self.now_us())

    # -- what comes in

    def push(self, source: str, data: bytes) -> dict[str, Any]:
        fed = self.parts.sources.get(source)
        if fed.section.link != "push":
            raise AuthError(f"source {source!r} is fed by {fed.section.link}, not by push", code="source.not_push")
        fed.admit_push(len(data), clock.now_us())
        at_us = self.now_us()
        for piece in pieces(pushed(fed.section, data), size=PUSH_PIECE_BYTES):  # other sources take their turn between
            self.call(self.parts.core.ingest, [(source, at_us, piece)], now_us=self.now_us())
        return {"source": source, "bytes": len(data)}

    def _sightings(self) -> str | None:
        """The push source that takes what people saw, None where the node has none."""
        sections = (source.section for source in self.parts.sources.by_name.values())
        return next((s.name for s in sections if (s.format, s.link) == ("sighting", "push")), None)

    def sight(self, fields: dict[str, Any], *, by: str) -> dict[str, Any]:
        source = self._sightings()
        if source is None:
            raise NotFound(
                "this node has no source for sightings",
                code="sighting.source",
                advice='Declare one in the node file: format = "sighting", link = "push".',
            )
        now_us = self.now_us()
        said = {"observer": by, "time": clock.rfc3339(now_us)} | {k: v for k, v in fields.items() if v is not None}
        row: dict[str, Any] = sighting(said, source=source, received_at_us=now_us).to_pylist()[0]
        age_s = now_us / US_PER_S - row["observed_at"].timestamp()
        if not -FUTURE_S <= age_s <= LATE_S:
            raise InputError(
                f"time: {said['time']} is {age_s:.0f} s before now; the picture takes up to {LATE_S:.0f} s",
                code="sighting.time",
            )
        self.push(source, sighting_line(said))
        return row

    def operate(self, action: str, arguments: dict[str, Any], *, by: str) -> dict[str, Any]:
        try:
            done = self.call(self.parts.core.operate, action, arguments, by=by, now_us=self.now_us())
        except KuroshioError:
            raise
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(f"{action}: {err}", code="operate.arguments") from err
        return told.operation(done)
