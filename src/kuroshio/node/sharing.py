"""From decisions to releases: what may flow goes through the one door, into the record, and only then to a partner.

What enters: rows of the picture that changed, new alerts, bundles from partners. What leaves: sealed releases with the
record's receipt, handed to ``post``; partner tracks for the picture. Used from the worker thread only.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import exchange
from kuroshio.errors import NotFound, ReleaseRefused
from kuroshio.node import cards
from kuroshio.node.deciding import Decider, Group, time_or_none, withheld_rows
from kuroshio.record import Log
from kuroshio.schema import TRACKS, Citation, Decision, Effect
from kuroshio.schema.release import Receipt, Release
from kuroshio.schema.signing import Signer
from kuroshio.units import UtcMicros

log = logging.getLogger(__name__)

Post = Callable[[str, Release, str], None]
STATE, RECORD, CONTROL = "state", "record", "control"
SHOWN_ALERTS_MAX = 200


class Sharing:
    """Releases of a node.

    Parameters
    ----------
    signer, secret
        Key of the node, and the secret bytes that references, shifts and salts come from.
    record
        Release record: a release is in it before it is posted.
    ledger
        What became of each release.
    partners
        Parties this node has a link to.
    post
        Hands a release to a partner's outbound log: (party, release, class).
    """

    def __init__(
        self,
        decider: Decider,
        *,
        signer: Signer,
        secret: bytes,
        record: Log,
        ledger: exchange.Ledger,
        partners: Sequence[str],
        post: Post,
    ) -> None:
        self.decider = decider
        self.party = decider.party
        self.record = record
        self.ledger = ledger
        self.partners = tuple(partners)
        self.refused = 0
        self._signer = signer
        self._secret = secret
        self._post = post
        self._outlets = {p: exchange.Outlet(p, secret, resume_after_us=ledger.last_release_us(p)) for p in partners}
        self._delayed: dict[tuple[str, str], Group] = {}
        self._published_us: int | None = None
        self.self_check: dict[str, Any] | None = None
        self._alerts_sent: dict[str, deque[dict[str, Any]]] = {}

    # -- out

    def share(self, changed: pa.Table, alerts: pa.Table, picture: pa.Table, *, now_us: UtcMicros) -> list[Release]:
        """Releases made of what changed, on record and posted.

        Parameters
        ----------
        changed
            TRACKS rows that changed since the last call, this node's own and fused.
        alerts
            ALERTS rows since the last call.
        picture
            TRACKS, a row a live track, for what alerts are about.
        """
        made: list[tuple[Release, str]] = []
        for group in self._track_groups(changed, now_us=now_us):
            release = self._seal_tracks(group, now_us)
            if release is not None:
                made.append((release, STATE))
        made += [(release, RECORD) for release in self._share_alerts(alerts, picture, now_us)]
        self._commit(made, now_us)
        return [release for release, _ in made]

    def _track_groups(self, changed: pa.Table, *, now_us: UtcMicros) -> list[Group]:
        groups = [g for g in self.decider.groups(changed, self.partners, now_us=now_us) if goes(g)]
        seen = set()
        for group in groups:
            if group.decision.obligations.delay_s:
                key = (group.to, group.decision.cited)
                seen.add(key)
                self._delayed[key] = group
        # states held back for a delay become due without any new row
        for key, group in self._delayed.items():
            if key not in seen:
                groups.append(Group(**{**group.__dict__, "rows": TRACKS.empty()}))
        return groups

    def _seal_tracks(self, group: Group, now_us: UtcMicros) -> Release | None:
        try:
            return exchange.seal_tracks(
                group.rows,
                group.decision,
                releaser=self.party,
                to=group.to,
                now_us=now_us,
                signer=self._signer,
                outlet=self._outlets[group.to],
                originator=group.originator,
                level=group.level,
                purpose=self.decider.holdings.purpose,
                held_under=ties_of(group),
                accord_version=group.decision.rules_digest[:16],
            )
        except ReleaseRefused as err:
            self.refused += 1
            log.warning("no release to %s: %s", group.to, err)
            return None

    def _share_alerts(self, alerts: pa.Table, picture: pa.Table, now_us: UtcMicros) -> list[Release]:
        made = []
        for group in self.decider.alert_groups(alerts, picture, self.partners, now_us=now_us):
            if not goes(group):
                continue
            try:
                release = exchange.seal_alerts(
                    group.rows,
                    group.decision,
                    outlet=self._outlets[group.to],
                    terms=self._terms(group.to, now_us, group),
                )
            except ReleaseRefused as err:
                self.refused += 1
                log.warning("no alert to %s: %s", group.to, err)
                continue
            if release is not None:
                made.append(release)
                self._remember(group.to, release)
        return made

    def _remember(self, to: str, release: Release) -> None:
        """Keep what a party was shown, for its view."""
        shown = self._alerts_sent.setdefault(to, deque(maxlen=SHOWN_ALERTS_MAX))
        for row in rows_of(release).to_pylist():
            shown.appendleft(cards.released_alert(row, self.party, release))

    def _terms(self, to: str, now_us: UtcMicros, group: Group | None = None) -> exchange.Terms:
        return exchange.Terms(
            releaser=self.party,
            to=to,
            now_us=now_us,
            signer=self._signer,
            originator=group.originator if group else None,
            level=group.level if group else "U",
            purpose=self.decider.holdings.purpose,
            held_under=ties_of(group) if group else (),
            accord_version=group.decision.rules_digest[:16] if group else "",
        )

    def _commit(self, made: Sequence[tuple[Release, str]], now_us: UtcMicros) -> list[Release]:
        """Record first, then ledger, then the outbound log."""
        if not made:
            return []
        numbers = self.record.append([release.leaf() for release, _ in made])
        self.record.publish()
        self._published_us = now_us
        proven = []
        for (release, kind), number in zip(made, numbers, strict=True):
            whole = release.with_receipt(self.record.receipt(number))
            self.ledger.sealed(whole, refs=refs_of(whole))
            self._post(whole.to, whole, kind)
            proven.append(whole)
        return proven

    def control(self, kind: str, body: dict[str, Any], to: str, *, now_us: UtcMicros) -> Release:
        """A protocol statement to a partner, on record and posted before any data."""
        release = exchange.seal_control(kind, body, outlet=self._outlets[to], terms=self._terms(to, now_us))
        return self._commit([(release, CONTROL)], now_us)[0]

    def recall(self, release_id: str, *, by: str, reason: str, now_us: UtcMicros) -> dict[str, Any]:
        """Withdraw a release and tell the partner; the receipt is awaited.

        Raises
        ------
        NotFound
            When this node made no such release.
        """
        row = self.ledger.recall(release_id, by=by, reason=reason, now_us=now_us)
        to = str(row["to_party"])
        if to not in self._outlets:
            raise NotFound(f"{to} is not a partner of this node any more", code="partner.unknown")
        word = "_".join(reason.split())[:100]
        safe = "".join(c for c in word if c.isascii() and (c.isalnum() or c in "_.:-")) or "withdrawn"
        self._outlets[to].withdraw(set(row["refs"]))
        self.control("recall", {"release_ids": [release_id], "reason": safe, "at_us": now_us}, to, now_us=now_us)
        return self.ledger.release(release_id)

    def answer(
        self, item_id: str, to: str, picture: pa.Table, *, by: str, grant: bool, note: str, now_us: UtcMicros
    ) -> dict[str, Any]:
        """A person's answer to a pending decision: recorded either way; a grant releases the item once.

        A consent is the originator's to give: for data that came from a partner the answer is refused here.

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
        cited = group.decision.cites[0]
        leaf = {
            "kind": "consent",
            "from": self.party,
            "to": to,
            "item": item_id,
            "accord": cited.accord,
            "clauses": [str(cited)],
            "granted": grant,
            "decided_by": by,
            "note": note[:1000],
            "rules_digest": group.decision.rules_digest,
            "at_us": now_us,
        }
        consent = f"consent:{self.record.append([leaf])[0]}"
        release = self._release_with(consent, group, by, now_us) if grant else None
        return {"consent": consent, "granted": grant, "release_id": release.release_id if release else None}

    def _release_with(self, consent: str, group: Group, by: str, now_us: UtcMicros) -> Release | None:
        decision = group.decision
        if decision.basis is None:
            raise ReleaseRefused("a consent lifts a clause, it is not a basis", code="consent.no_basis")
        flows = Effect.OBLIGE if decision.obligations.as_dict() else Effect.PERMIT
        outlet = self._outlets.get(group.to)
        if outlet is None:
            raise ReleaseRefused(f"no link to {group.to}", code="partner.unknown")
        release = exchange.seal_tracks(
            group.rows,
            replace(decision, effect=flows, cites=(*decision.cites, Citation(consent, "", "consent"))),
            releaser=self.party,
            to=group.to,
            now_us=now_us,
            signer=self._signer,
            outlet=outlet,
            originator=group.originator,
            level=group.level,
            purpose=self.decider.holdings.purpose,
            held_under=ties_of(group),
            accord_version=decision.rules_digest[:16],
            consents=[consent],
            decided_by=by,
        )
        return self._commit([(release, STATE)], now_us)[0] if release is not None else None

    def outlet(self, party: str) -> exchange.Outlet | None:
        """Memory of what a partner was given."""
        return self._outlets.get(party)

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
            "cosignatures": [{"party": s.name} for s in checkpoint.signatures[1:]],
            "counters": dict(self.record.counters),
            "limits": "The record cannot see use after release, nor prove a release made outside this node.",
        }

    # -- the partner view

    def view(self, party: str, picture: pa.Table, *, now_us: UtcMicros) -> exchange.View:
        """The picture as a party would be sent it, by the code that sends it."""
        groups = list(self.decider.groups(picture, [party], now_us=now_us))
        pairs = [(g.rows, g.decision) for g in groups if goes(g)]
        return exchange.view(
            pairs,
            releaser=self.party,
            to=party,
            now_us=now_us,
            outlet=self._outlets.get(party),
            secret=self._secret,
        )

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
                "text": _first_text(g.decision),
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

    def receipted(self, receipt: Receipt) -> None:
        """A verified receipt of a partner: booked, and logged back as its own leaf."""
        self.ledger.receipted(receipt)


def goes(group: Group) -> bool:
    """True when a group flows, an order covers it, and it need not pass through somebody else first."""
    return group.ordered and group.decision.obligations.via in (None, group.to)


def ties_of(group: Group) -> tuple[str, ...]:
    """Accords whose ties go with a group's rows: those they were received under and those the decision inherits."""
    return tuple(sorted({*group.held_under, *group.decision.held_under}))


def rows_of(release: Release) -> pa.Table:
    """Rows a release carries, as the receiver reads them."""
    plain = pa.decompress(release.payload, decompressed_size=release.fields["payload_bytes"], codec="zstd")
    with pa.ipc.open_stream(plain) as reader:
        return reader.read_all()


def refs_of(release: Release) -> list[str]:
    """References of the tracks a release shows."""
    return [str(ref) for ref in rows_of(release)["ref"].to_pylist()] if release.kind == "tracks" else []


def _first_text(decision: Decision) -> str:
    for reason in decision.reasons:
        if reason.effect is not None and reason.effect == decision.effect:
            return reason.text
    return decision.cited
