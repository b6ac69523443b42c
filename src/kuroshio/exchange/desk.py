"""The exchange desk of one node: every step from a decision to a parcel for a partner, and from a parcel to rows.

What enters: rows with decisions, bundles from partners. What leaves: `Parcel` values to offer to a session, and
`Accepted` values to apply to the picture. The order within is what makes it safe: sealed, on record and durable,
in the ledger, and only then a parcel; verified, held and durable, and only then rows. The record is handed in, so
that this room imports none of its siblings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from kuroshio.errors import VerificationError
from kuroshio.exchange.aftercare import Aftercare
from kuroshio.exchange.contents import content_ids, refs_of
from kuroshio.exchange.ends import ENDED, retained
from kuroshio.exchange.ledger import Ledger
from kuroshio.exchange.ledger_file import Sealed
from kuroshio.exchange.lineage import is_own_provenance
from kuroshio.exchange.outlet import Outlet
from kuroshio.exchange.receive import NOT_YET, Received, receive
from kuroshio.exchange.records import CONTROL_KINDS
from kuroshio.exchange.seal import Terms, as_table, due_alerts, seal_alerts, seal_control, seal_record, seal_tracks
from kuroshio.exchange.select import select_alerts
from kuroshio.schema import ALERTS, Decision, Obligations
from kuroshio.schema.release import REFUSED, Receipt, Release
from kuroshio.schema.signing import KeyRing, Signer

MAX_RECEIPTS = 500


class RecordLog(Protocol):
    """What the desk needs of a record; `record.Log` is one."""

    def append(self, leaves: Sequence[Mapping[str, Any]]) -> list[int]:
        """Durable numbers of leaves."""
        ...

    def publish(self) -> object:
        """Sign a checkpoint over all leaves."""
        ...

    def receipt(self, seq: int) -> dict[str, Any]:
        """Proof of one leaf."""
        ...


@dataclass(frozen=True)
class Parcel:
    """A bundle ready to be offered to the session with a partner: ``session.offer(kind, release_id, data, now_us)``."""

    to: str
    kind: str
    release_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Accepted:
    """What a bundle changes here.

    Parameters
    ----------
    received
        The verified release; None when it was held already or recalled before it came.
    gone
        Releases of the partner that were held until now: what they show must leave the picture.
    body
        Fields of a control statement or record; None for tables.
    """

    kind: str
    received: Received | None
    gone: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None

    @property
    def stated_us(self) -> int:
        """When its releaser made it, by its signed header; 0 where it was held already."""
        return int(self.received.release.fields["released_at_us"]) if self.received is not None else 0


class Desk(Aftercare):
    """Releases out and in for one party.

    Parameters
    ----------
    signer
        Key of the party.
    secret
        Secret of references, shifts and salts (``KeyFolder.secret``).
    record
        The node's record.
    ledger
        What became of each release.
    keys
        Gives the keys trusted now.
    verify_receipt
        Holds that the sender's record has a release: (release, now_us); ``record.ReceiptVerifier`` is one.
    form
        Newest form of a release of tracks that a partner reads and is told.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        secret: bytes,
        record: RecordLog,
        ledger: Ledger,
        keys: Callable[[], KeyRing],
        verify_receipt: Callable[[Release, int], None],
        form: Callable[[str], int] = lambda party: 1,
    ) -> None:
        self.me, self._signer, self._secret = signer.party, signer, secret
        self._record, self.ledger, self._keys, self._verify = record, ledger, keys, verify_receipt
        self._form = form
        self._outlets: dict[str, Outlet] = {}
        self._reminded: dict[str, int] = {}

    @property
    def signer(self) -> Signer:
        """Key the node signs with now."""
        return self._signer

    def outlet(self, partner: str) -> Outlet:
        """Memory of what a partner has been given; after a restart no time bucket is used twice."""
        known = self._outlets.get(partner)
        if known is None:
            resume = self.ledger.last_release_us(partner)
            known = self._outlets[partner] = Outlet(partner, self._secret, resume_after_us=resume)
        known.form = max(1, self._form(partner))  # another one from one stream to the next
        return known

    def gave(self, mark: str) -> bool:
        """True for the mark of an item that this node has given to any partner, or the provenance of its own."""
        return any(outlet.gave(mark) for outlet in self._outlets.values()) or is_own_provenance(self._secret, mark)

    # -- out

    def tracks(self, tracks: pa.Table, decision: Decision, *, to: str, now_us: int, **terms: Any) -> Parcel | None:
        """`seal` and `enter` of one release; None when no row is due."""
        release = self.seal(tracks, decision, to=to, now_us=now_us, **terms)
        return self.enter([release])[0] if release else None

    def seal(self, tracks: pa.Table, decision: Decision, *, to: str, now_us: int, **terms: Any) -> Release | None:
        """Release of the TRACKS rows that are due under one decision, for `enter`; None when none is due.

        Terms as in `seal_tracks`. Without its receipt, which `enter` adds, a partner refuses it.

        Raises
        ------
        ReleaseRefused
            When the decision does not flow.
        """
        who: dict[str, Any] = {"releaser": self.me, "to": to, "signer": self._signer, "outlet": self.outlet(to)}
        return seal_tracks(tracks, decision, now_us=now_us, **who, **terms)

    def enter(self, releases: Sequence[Release]) -> list[Parcel]:
        """Parcels of sealed releases, to whomever: one write of the ledger and one of the record for all of them.

        Raises
        ------
        StoreError
            When the record cannot take the leaves: then nothing leaves.
        """
        return self._enter(releases) if releases else []

    def alerts(self, alerts: pa.Table, decision: Decision, *, to: str, now_us: int, **terms: Any) -> Parcel | None:
        """Parcel of ALERTS rows under one decision; None when none is due, or the partner was told all of them.

        What was told once is told never again, however often it is asked for: a crash between the release and the
        note that the rows are done asks for them a second time.
        """
        outlet = self.outlet(to)
        due = due_alerts(as_table(alerts, ALERTS), decision.obligations, now_us)
        contents = content_ids(select_alerts(due, Obligations(), outlet))  # the same under whatever terms it goes
        again = self.ledger.told_before(to, contents)
        first = [not a and contents.index(c) == n for n, (a, c) in enumerate(zip(again, contents, strict=True))]
        outlet.counters["repeated"] += first.count(False)
        fresh = due.filter(pa.array(first, pa.bool_()))
        release = seal_alerts(fresh, decision, outlet=outlet, terms=self._terms(to, now_us, terms))
        told = [c for c, f in zip(contents, first, strict=True) if f]
        return self._enter([release], contents=told)[0] if release is not None else None

    def record(
        self, kind: str, body: Mapping[str, Any], decision: Decision, *, to: str, now_us: int, **terms: Any
    ) -> Parcel:
        """Parcel of one record: safety, order, equipment, access."""
        release = seal_record(kind, body, decision, outlet=self.outlet(to), terms=self._terms(to, now_us, terms))
        return self._enter([release])[0]

    def control(
        self, kind: str, body: Mapping[str, Any], *, to: str, now_us: int, also: Sequence[Mapping[str, Any]] = ()
    ) -> Parcel:
        """Parcel of a protocol statement: recall, tighten, receipt, checkpoint, cosignature, policy (versions).

        With ``also`` those leaves are on record right after its own.
        """
        release = seal_control(kind, body, outlet=self.outlet(to), terms=self._terms(to, now_us, {}))
        return self._enter([release], also=also)[0]

    def _terms(self, to: str, now_us: int, more: Mapping[str, Any]) -> Terms:
        return Terms(self.me, to, now_us, self._signer, **more)

    def _enter(
        self, releases: Sequence[Release], *, also: Sequence[Mapping[str, Any]] = (), contents: Sequence[bytes] = ()
    ) -> list[Parcel]:
        """On record and in the ledger first; what a crash keeps from the session comes again from `unoffered`."""
        # before the leaves: a leaf without a bundle would be a gap for ever
        self.ledger.sealed(*(Sealed(r, refs_of(r), r.to_bytes(), contents) for r in releases))
        seqs = self._record.append([*(release.leaf() for release in releases), *also])
        self._record.publish()
        return [self._parcel(release, seq) for release, seq in zip(releases, seqs, strict=False)]

    def _parcel(self, release: Release, seq: int) -> Parcel:
        data = release.with_receipt(self._record.receipt(seq)).to_bytes()
        return Parcel(release.to, release.kind, release.release_id, data)

    def offered(self, *parcels: Parcel) -> None:
        """The sessions have these parcels durably."""
        self.ledger.offered(*(parcel.release_id for parcel in parcels))
        for release in (Release.from_bytes(p.data) for p in parcels if p.kind == "receipt"):
            if release.fields["key_id"] == self._signer.key_id:  # one of a key before, left by a crash, is said again
                self.ledger.mark_answered(_receipt_ids(release))

    def unoffered(self, leaves: Mapping[str, int]) -> list[Parcel]:
        """Parcels that a crash kept from their session, oldest first; call it once after a start.

        Parameters
        ----------
        leaves
            Number of the leaf of each release on record, by release id (``record.numbers``).
        """
        parcels = []
        for bundle in self.ledger.unoffered():
            release = Release.from_bytes(bundle)
            seq = leaves.get(release.release_id)
            if seq is None:
                [seq] = self._record.append([release.leaf()])
            self._record.publish()
            parcels.append(self._parcel(release, seq))
        return parcels

    def rekeyed(self, signer: Signer, *, since_us: int) -> None:
        """Sign with a new key from now on, and owe again the receipts that the old key signed since a time."""
        self._signer = signer
        self._reminded.clear()
        self.ledger.answer_again(since_us)

    def receipts(self, now_us: int, *, to: Collection[str] | None = None) -> list[Parcel]:
        """Parcels with signed receipts for everything taken, withdrawn or refused and not yet answered."""
        owed: dict[str, list[tuple[str, str, str]]] = {}
        for partner, answers in self.ledger.unanswered(MAX_RECEIPTS).items():
            until = self.ledger.shortened_here(i for i, _ in answers)
            owed.setdefault(partner, []).extend((i, status, retained(until.get(i))) for i, status in answers)
        for partner, refusals in self.ledger.refusals(MAX_RECEIPTS).items():
            owed.setdefault(partner, []).extend((release_id, REFUSED, code) for release_id, code in refusals)
        parcels = []
        for partner, statements in owed.items():
            if to is not None and partner not in to:
                continue
            signed = [
                Receipt(release_id, self.me, partner, status, now_us, detail).signed(self._signer).as_dict()
                for release_id, status, detail in statements
            ]
            parcels.append(self.control("receipt", {"receipts": signed}, to=partner, now_us=now_us))
        return parcels

    # -- in

    def accept(self, partner: str, data: bytes, now_us: int, *, carried: bool = False) -> Accepted:
        """Take a bundle that came from a partner's stream; durable when it returns. Taking it twice changes nothing.

        A release refused for good is kept in mind until a signed receipt has said so: the wire's own word of it may be
        lost. One that was carried as a file is refused for good only once its sender's record has vouched for it:
        before that the fault may be the carrier's, and a whole copy still waits at the sender.

        Raises
        ------
        VerificationError
            When any check fails, or the bundle is another party's.
        StoreError
            When it cannot be kept now.
        """
        keys, proven = self._keys(), not carried

        def verify(release: Release) -> None:
            nonlocal proven
            self._verify(release, now_us)
            proven = True

        try:
            got = receive(data, keys=keys, me=self.me, now_us=now_us, gave=self.gave, verify_receipt=verify)
            self._hold_due(got, now_us)
        except VerificationError as err:
            if err.error_code not in NOT_YET and proven:
                self._refuse(partner, data, err.error_code, now_us)
            raise
        if got.partner != partner:
            raise VerificationError(f"{partner} brought a release of {got.partner}", code="exchange.stranger")
        if got.kind == "recall":
            return self._recalled(got, now_us)
        if got.kind == "tighten":
            body = got.body or {}
            self.ledger.shorten_here(body["release_ids"], partner, int(body["retain_until_us"]), now_us=now_us)
            return Accepted(got.kind, got, body=body)
        if got.kind == "receipt":
            return self._receipted(got, keys, now_us)
        if got.kind in ("checkpoint", "cosignature", "policy"):
            return Accepted(got.kind, got, body=got.body)
        new = self.ledger.hold(got)
        return Accepted(got.kind, got if new else None, body=got.body)

    def _hold_due(self, got: Received, now_us: int) -> None:
        """Raise where a release comes after the earlier end that its releaser asked for; one that is here stays so."""
        until_us = self.ledger.kept_until(got.release.release_id, got.partner, None)
        if until_us is not None and until_us <= now_us and self.ledger.holding(got.release.release_id) is None:
            raise VerificationError("its releaser ended its retention earlier", code=ENDED)

    def _refuse(self, partner: str, data: bytes, code: str, now_us: int) -> None:
        """Owe a receipt of the refusal where the bundle claims to be a release of the partner to us.

        Protocol statements are not answered so: a receipt of a refused receipt would have no end.
        """
        try:
            release = Release.from_bytes(data)
            header = release.fields
        except VerificationError:
            return  # nothing that has a number to name
        if header.get("from") == partner and header.get("to") == self.me and header.get("kind") not in CONTROL_KINDS:
            self.ledger.refuse(release.release_id, partner, code=code, now_us=now_us)

    def _recalled(self, got: Received, now_us: int) -> Accepted:
        body = got.body or {}
        gone = self.ledger.withdraw(body["release_ids"], got.partner, now_us=now_us)
        return Accepted(got.kind, got, tuple(gone), body)

    def _receipted(self, got: Received, keys: KeyRing, now_us: int) -> Accepted:
        body = got.body or {}
        receipts = [Receipt.from_dict(value) for value in body["receipts"]]
        for receipt in receipts:
            if receipt.by != got.partner or receipt.to != self.me:
                raise VerificationError(
                    f"a receipt by {receipt.by} from {got.partner}", code="exchange.receipt_stranger"
                )
            receipt.verify(keys, now_us=now_us)
        self._record.append(
            [
                {"kind": "receipt_of", "release_id": r.release_id, "by": r.by, "status": r.status, "at_us": r.at_us,
                 "key_id": r.key_id, "signature": r.signature.hex()}
                for r in receipts
            ]
        )  # fmt: skip
        for receipt in receipts:  # of a release unknown here, as after an old copy, only the record keeps it
            if self.ledger.made(receipt.release_id):
                self.ledger.receipted(receipt)
        return Accepted(got.kind, got, body=body)

    def first_told(self, received: Received) -> pa.Table:
        """Rows of a release of alerts that no other release held of its sender told before."""
        assert received.released is not None
        return received.released.filter(pa.array(self.ledger.first_told(received), pa.bool_()))

    def expire(self, now_us: int) -> dict[str, list[str]]:
        """Carry out retention: per partner, releases whose tracks must leave the picture."""
        return self.ledger.expire(now_us)


def _receipt_ids(release: Release) -> list[tuple[str, str]]:
    plain = pa.decompress(
        release.payload, decompressed_size=int(release.fields["payload_bytes"]), codec="zstd", asbytes=True
    )
    return [(r["release_id"], r["status"]) for r in json.loads(plain)["receipts"]]
