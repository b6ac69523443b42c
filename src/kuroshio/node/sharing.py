"""From decisions to releases: what may flow goes through the one door, into the record, and only then to a partner.

What enters: rows of the picture that changed, new alerts, bundles from partners. What leaves: sealed releases with the
record's receipt, handed to ``post``; partner tracks for the picture. Used from the worker thread only.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import exchange
from kuroshio.accord.ledger import Entry
from kuroshio.errors import NotFound, ReleaseRefused
from kuroshio.node import cards
from kuroshio.node.alerts_out import AlertsOut
from kuroshio.node.books import LedgerDesk
from kuroshio.node.deciding import Decider, Group, asked_elsewhere, reason_text, time_or_none, withheld_rows
from kuroshio.node.due import goes, ties_of, too_young
from kuroshio.node.waiting import Waiting
from kuroshio.record import Log, knew
from kuroshio.schema import TRACKS, Citation, Effect
from kuroshio.schema.release import Release
from kuroshio.units import UtcMicros

log = logging.getLogger(__name__)

Durable = Callable[[], None]
Post = Callable[[exchange.Parcel], Durable]
T = TypeVar("T")
Room = Callable[[str], int]
Changed = tuple[pa.Table, pa.Table]
SHOWN_ALERTS_MAX = 200
ROW_BYTES = 150.0  # of a released row before a release has been measured
HEAD_BYTES = 4_000.0  # header, proof and Arrow schema of a release


class Sharing:
    """Releases of a node, made at its exchange desk.

    Parameters
    ----------
    desk
        Seals, records and books in the order that survives a crash.
    secret
        Secret bytes for the view of a party this node has no link to.
    partners
        Parties this node has a link to.
    post
        Begins to queue a parcel in a partner's outbound log; it is durable when the call given back returns.
    room
        Bytes of state that a partner's link takes now; 0 says that the newest states wait.
    """

    def __init__(
        self,
        decider: Decider,
        *,
        desk: exchange.Desk,
        secret: bytes,
        record: Log,
        partners: Sequence[str],
        post: Post,
        room: Room,
    ) -> None:
        self.decider = decider
        self.party = decider.party
        self.desk = desk
        self.record = record
        self.ledger = desk.ledger
        self.partners = tuple(partners)
        self.refused = 0
        self._secret = secret
        self._post, self._room = post, room
        self.waiting = {party: Waiting() for party in partners}
        self.alerts_out = AlertsOut(partners)
        self._row_bytes = dict.fromkeys(partners, ROW_BYTES)
        self._delayed: dict[tuple[str, str], Group] = {}
        self._published_us: int | None = None
        self.self_check: dict[str, Any] | None = None
        self._alerts_sent: dict[str, deque[dict[str, Any]]] = {}

    # -- out

    def resume(self, picture: pa.Table, *, now_us: UtcMicros) -> int:
        """Post what a crash kept from the outbound logs, and let the whole picture wait; how many parcels."""
        self.reconsider(picture)
        for party in self.partners:
            for track_id in picture["track_id"].to_pylist():  # once a start: its data may come back before it goes anew
                self.desk.outlet(party).ref(track_id)
        parcels = self.desk.unoffered(self.record.numbers())
        for parcel in parcels:
            self.post(parcel, now_us=now_us)
        return len(parcels)

    def reconsider(self, picture: pa.Table) -> None:
        """Let the whole picture wait for every partner, as after a change of what decides."""
        for party, waiting in self.waiting.items():
            waiting.add(picture, self.desk.outlet(party).was_given)

    def post(self, parcel: exchange.Parcel, *, now_us: UtcMicros) -> None:
        """Hand a parcel to the partner's outbound log; only then is it booked as offered."""
        self._post(parcel)()
        self._offered([parcel], now_us)

    def _offered(self, parcels: Sequence[exchange.Parcel], now_us: UtcMicros) -> None:
        self.desk.offered(*parcels)
        self._published_us = now_us if parcels else self._published_us

    def share(self, changed: Changed, picture: pa.Table, *, own: pa.Table, now_us: UtcMicros) -> int:
        """Releases made of what changed, on record and posted; how many.

        Parameters
        ----------
        changed
            TRACKS rows that changed since the last call: as the picture has them, and without what partners add.
        picture, own
            TRACKS, a row a live track: as alerts rest on it, and without what partners add, which is what goes.
        """
        self.decider.holdings.remember(changed[0])
        return self._share_state(changed[1], own, now_us=now_us) + self._share_alerts(picture, now_us=now_us)

    def _share_alerts(self, picture: pa.Table, *, now_us: UtcMicros) -> int:
        made, young = 0, dict[str, set[str]]()
        for alerts, parties in self.alerts_out.due():
            for group in self.decider.alert_groups(alerts, picture, parties, now_us=now_us):
                if not goes(group):
                    continue
                parcel = self._release(self.desk.alerts, group, now_us)
                if parcel is not None:
                    self._remember(parcel)
                    made += 1
                if group.decision.obligations.delay_s:
                    young.setdefault(group.to, set()).update(too_young(group, now_us))
        self.alerts_out.keep_young(young)
        self.ledger.keep_told(self.alerts_out.to_keep())
        return made

    def _share_state(self, changed: pa.Table, picture: pa.Table, *, now_us: UtcMicros) -> int:
        """Newest states to those whose link takes them now; for the others they wait, and are never queued."""
        for party, waiting in self.waiting.items():
            waiting.add(changed, self.desk.outlet(party).was_given)
        rooms = {party: self._room(party) for party in self.partners}
        # states under a delay grow old at the outlet at once: the room of a link bounds what goes, not what may age
        ageing = [p for p, room in rooms.items() if not room or any(to == p for to, _ in self._delayed)]
        for group in self.decider.groups(changed, ageing, now_us=now_us):
            if goes(group) and group.decision.obligations.delay_s:
                self.desk.outlet(group.to).hold(group.rows, group.decision.obligations, now_us)
                self.waiting[group.to].drop(group.rows["track_id"].to_numpy())
                self._delayed[group.to, group.decision.cited] = group
        made = []
        for group in self._track_groups(rooms, picture, now_us=now_us):
            most = self._rows_in(group.to, rooms[group.to])
            if release := self._sealed(self.desk.seal, group, now_us, rows_max=most):
                made.append(release)
        parcels = self.desk.enter(made)  # all at once: to make a write durable costs more than to seal a small release
        for release, parcel in zip(made, parcels, strict=True):
            measured = max(20.0, (len(parcel.data) - HEAD_BYTES) / max(1, release.rows))
            self._row_bytes[parcel.to] += 0.2 * (measured - self._row_bytes[parcel.to])
        for durable in [self._post(parcel) for parcel in parcels]:  # the partners' logs are written beside one another
            durable()
        self._offered(parcels, now_us)
        return len(parcels)

    def _track_groups(self, rooms: Mapping[str, int], picture: pa.Table, *, now_us: UtcMicros) -> list[Group]:
        ready: dict[tuple[int, ...], tuple[pa.Table, list[str]]] = {}
        for party, room in rooms.items():
            rows = self.waiting[party].rows(picture, self._rows_in(party, room)) if room else TRACKS.empty()
            if rows.num_rows:  # partners that wait for the same rows are decided on together
                same = (rows.num_rows, hash(rows["track_id"].to_numpy().tobytes()))
                ready.setdefault(same, (rows, []))[1].append(party)
        groups = [g for rows, to in ready.values() for g in self.decider.groups(rows, to, now_us=now_us) if goes(g)]
        seen = set()
        for group in groups:
            if group.decision.obligations.delay_s:
                key = (group.to, group.decision.cited)
                seen.add(key)
                self._delayed[key] = group
        # states held back for a delay become due without any new row
        waiting = [
            replace(g, rows=TRACKS.empty()) for key, g in self._delayed.items() if key not in seen and rooms[key[0]]
        ]
        return groups + waiting

    def _rows_in(self, party: str, room: int) -> int:
        """Rows of a release that fit into so many bytes, by what rows to that party took before."""
        return max(1, int((room - HEAD_BYTES) / self._row_bytes[party]))

    def _release(
        self, seal: Callable[..., exchange.Parcel | None], group: Group, now_us: UtcMicros, **more: Any
    ) -> exchange.Parcel | None:
        """Parcel of a group, posted; None when nothing is due or the door refuses (counted)."""
        parcel = self._sealed(seal, group, now_us, **more)
        if parcel is not None:
            self.post(parcel, now_us=now_us)
        return parcel

    def _sealed(self, seal: Callable[..., T | None], group: Group, now_us: UtcMicros, **more: Any) -> T | None:
        try:
            return seal(
                group.rows, group.decision, to=group.to, now_us=now_us, originator=group.originator, level=group.level,
                purpose=self.decider.holdings.purpose, held_under=ties_of(group),
                accord_version=group.decision.rules_digest[:16], **more,
            )  # fmt: skip
        except ReleaseRefused as err:
            self.refused += 1
            log.warning("no release to %s: %s", group.to, err)
            return None

    def _remember(self, parcel: exchange.Parcel) -> None:
        """Keep what a party was shown, for its view."""
        release = Release.from_bytes(parcel.data)
        shown = self._alerts_sent.setdefault(parcel.to, deque(maxlen=SHOWN_ALERTS_MAX))
        for row in exchange.rows_of(release).to_pylist():
            shown.appendleft(cards.released_alert(row, self.party, release))

    def control(self, kind: str, body: dict[str, Any], to: str, *, now_us: UtcMicros) -> None:
        """A protocol statement to a partner, on record and posted before any data."""
        self.post(self.desk.control(kind, body, to=to, now_us=now_us), now_us=now_us)

    def tell_step(self, ledger: LedgerDesk, entry: Entry, *, now_us: UtcMicros) -> bool:
        """Tell the other party of an exchange of a step that was recorded here; False when it has no link here."""
        statement = ledger.statement(entry, self.partners)
        if statement is None:
            return False
        to, kind, body, decision = statement
        terms = {"purpose": self.decider.holdings.purpose, "held_under": decision.held_under, "level": "U"}
        version = decision.rules_digest[:16]
        self.post(
            self.desk.record(
                kind, body, decision, to=to, now_us=now_us, originator=self.party, accord_version=version, **terms
            ),
            now_us=now_us,
        )
        return True

    def settle(self, ready: Sequence[str], *, now_us: UtcMicros, carried: Collection[str] = ()) -> None:
        """Receipts that are owed, and each recall that a partner has not confirmed in time, said again, where they go.

        ``ready`` are partners whose link has room, ``carried`` those of them whom only files reach.
        """
        reminders = self.desk.remind(now_us, to=ready, carried=carried)
        for parcel in [*reminders, *self.desk.receipts(now_us, to=ready)]:
            self.post(parcel, now_us=now_us)

    def recall(self, release_id: str, *, by: str, reason: str, now_us: UtcMicros) -> dict[str, Any]:
        """Withdraw a release and tell the partner; the receipt is awaited.

        Raises
        ------
        NotFound
            When this node made no such release, or has no link to its recipient any more.
        """
        self._hold_linked(release_id)
        self.post(self.desk.recall(release_id, by=by, reason=reason, now_us=now_us), now_us=now_us)
        return self.ledger.release(release_id)

    def tighten(
        self, release_id: str, retain_until_us: UtcMicros, *, by: str, reason: str, now_us: UtcMicros
    ) -> dict[str, Any]:
        """Let a release end earlier at its partner, which must confirm it.

        Raises
        ------
        NotFound
            When this node made no such release, or has no link to its recipient any more.
        InputError
            When it was withdrawn, or must be gone by then already.
        """
        self._hold_linked(release_id)
        self.post(self.desk.tighten(release_id, retain_until_us, by=by, reason=reason, now_us=now_us), now_us=now_us)
        return self.ledger.release(release_id)

    def _hold_linked(self, release_id: str) -> None:
        to = str(self.ledger.release(release_id)["to_party"])
        if to not in self.partners:
            raise NotFound(f"{to} is not a partner of this node any more", code="partner.unknown")

    def answer(
        self, item_id: str, to: str, picture: pa.Table, *, by: str, grant: bool, note: str, now_us: UtcMicros
    ) -> dict[str, Any]:
        """A person's answer to a pending decision: recorded either way; a grant releases the item once.

        A consent is the originator's to give: for data that came from a partner, and for what was made of it here, the
        answer is refused.

        Raises
        ------
        ReleaseRefused
            When nothing waits for an answer, another party must give it, or no accord is a basis.
        """
        number = self.decider.track_number(item_id, picture)
        rows = picture.filter(pc.equal(picture["track_id"], number))
        group = next(iter(self.decider.groups(rows, [to], now_us=now_us)))
        if group.decision.effect is not Effect.DECIDE:
            raise ReleaseRefused(f"{item_id} for {to} waits for nobody: {group.decision.cited}", code="consent.none")
        if group.originator != self.party:
            raise ReleaseRefused(f"the consent is {group.originator}'s to give", code="consent.originator")
        if others := asked_elsewhere(group.decision, self.party):
            raise ReleaseRefused(f"the consent of {', '.join(others)} is not ours to give", code="consent.originator")
        cited = group.decision.cites[0]
        leaf = {
            "kind": "consent",
            "from": self.party,
            "for": to,  # no "to": it is no release, and must leave no hole in the partner's numbers
            "item": item_id,
            "accord": cited.accord,
            "clauses": [str(c) for c in group.decision.cites],
            "granted": grant,
            "decided_by": by,
            "note": note[:1000],
            "rules_digest": group.decision.rules_digest,
            "at_us": now_us,
        }
        consent = f"consent:{self.record.append([leaf])[0]}"
        release = self._release_with(consent, group, by, now_us) if grant else None
        return {"consent": consent, "granted": grant, "release_id": release.release_id if release else None}

    def _release_with(self, consent: str, group: Group, by: str, now_us: UtcMicros) -> exchange.Parcel | None:
        decision = group.decision
        if decision.basis is None:
            raise ReleaseRefused("a consent lifts a clause, it is not a basis", code="consent.no_basis")
        if group.to not in self.partners:
            raise ReleaseRefused(f"no link to {group.to}", code="partner.unknown")
        flows = Effect.OBLIGE if decision.obligations.as_dict() else Effect.PERMIT
        cites = (*decision.cites, Citation(consent, "", "consent"))
        lifted = replace(group, decision=replace(decision, effect=flows, cites=cites))
        return self._release(self.desk.tracks, lifted, now_us, consents=[consent], decided_by=by)

    def outlet(self, party: str) -> exchange.Outlet | None:
        """Memory of what a partner was given."""
        return self.desk.outlet(party) if party in self.partners else None

    def record_status(self) -> dict[str, Any]:
        """Size, root and last signed checkpoint of the record, with the partners who cosigned it."""
        checkpoint = self.record.checkpoint
        return {
            "size": self.record.size,
            "root": self.record.root().hex(),
            "checkpoint_size": checkpoint.size,
            "checkpoint_at": time_or_none(self._published_us),
            "self_check": self.self_check,
            "checkpoint": checkpoint.note().decode() if checkpoint.signatures else "",
            "cosignatures": [
                {"party": c["party"], "size": c["size"], "at": time_or_none(c["at_us"])}
                for c in self.record.cosigners()
            ],
            "counters": dict(self.record.counters),
            "limits": "The record cannot see use after release, nor prove a release made outside this node.",
        }

    def record_knew(self, party: str, *, at_us: UtcMicros, now_us: UtcMicros) -> dict[str, Any]:
        """Signed report of what a party knew at a time, from the record alone."""
        return knew(self.record.files, party, at_us=at_us, made_at_us=now_us, signer=self.desk.signer)

    # -- the partner view

    def view(self, party: str, picture: pa.Table, *, now_us: UtcMicros) -> exchange.View:
        """The picture as a party would be sent it, by the code that sends it."""
        groups = list(self.decider.groups(picture, [party], now_us=now_us))
        pairs = [(g.rows, g.decision) for g in groups if goes(g)]
        outlet = self.outlet(party)
        return exchange.view(pairs, releaser=self.party, to=party, now_us=now_us, outlet=outlet, secret=self._secret)

    def withheld(self, party: str, picture: pa.Table, *, now_us: UtcMicros) -> list[dict[str, Any]]:
        """What that party's view lacks or blurs, with the clause and the reason."""
        groups = list(self.decider.groups(picture, [party], now_us=now_us))
        view = self.view(party, picture, now_us=now_us)
        shown = {number: terms for number, _, terms in view.shown}
        return withheld_rows(groups, shown)

    def decisions(self, track_id: int, picture: pa.Table, parties: Sequence[str], *, now_us: UtcMicros) -> list[Any]:
        """Decision on one track for each party, for its card."""
        rows = picture.filter(pc.equal(picture["track_id"], track_id))
        return [
            {
                "to": g.to,
                "effect": g.decision.effect.word,
                "clause": g.decision.cited,
                "text": reason_text(g),
                "ordered": g.ordered,
                "obligations": g.decision.obligations.as_dict(),
            }
            for g in self.decider.groups(rows, parties, now_us=now_us)
        ]

    def alerts_shown_to(self, party: str) -> list[dict[str, Any]]:
        """Alerts a party was sent, as it sees them: from the releases made, not from this node's queue."""
        newest: dict[str, dict[str, Any]] = {}
        for alert in self._alerts_sent.get(party, ()):
            newest.setdefault(alert["alert_id"], alert)
        return list(newest.values())
