"""What came from partners and what is owed to them: bundles taken, tracks held, receipts signed, recalls carried out.

What enters: bundle bytes of a partner. What leaves: TRACKS rows for the picture, signed receipts and cosignatures as
control releases. Every bundle is verified by `exchange.receive` first; what a partner recalls is gone from the picture
before the receipt says so. Used from the worker thread only.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock, exchange, record
from kuroshio.errors import KuroshioError, VerificationError
from kuroshio.geo import metres_per_degree
from kuroshio.links.tls import KeyFolder
from kuroshio.node import cards
from kuroshio.node.config import PartnerSection
from kuroshio.node.deciding import still_allowed
from kuroshio.peers.outbox import Item
from kuroshio.schema import TRACKS, concat
from kuroshio.schema.release import RECEIVED, WITHDRAWN, Receipt, Release
from kuroshio.units import US_PER_S

if TYPE_CHECKING:
    from kuroshio.node.assemble import Parts
    from kuroshio.node.sharing import Sharing

log = logging.getLogger(__name__)

ALERTS_MAX = 500
RECEIPTS_A_RELEASE = 500
CHECKPOINT_EVERY_US = 20 * US_PER_S
CONTROL_KINDS = ("recall", "tighten", "receipt", "checkpoint", "cosignature", "policy")


class Mailroom:
    """Dealings with all partners of a node."""

    def __init__(self, party: str, *, keys: KeyFolder, ledger: exchange.Ledger, sharing: Sharing, parts: Parts) -> None:
        self.party = party
        self._keys = keys
        self._ring = keys.ring()
        self._ledger = ledger
        self._sharing = sharing
        self._parts = parts
        self._verifier = record.ReceiptVerifier(self._ring)
        self._held: dict[str, pa.Table] = {}
        self._grid_m: dict[tuple[str, str], float] = {}
        self._arrived: list[pa.Table] = []
        self._owed: dict[str, list[Receipt]] = {}
        self._replies: list[tuple[str, str, dict[str, Any]]] = []
        self._alerts: deque[dict[str, Any]] = deque(maxlen=ALERTS_MAX)
        self._checkpoint_due_us = 0
        self._checkpoint_sent: dict[str, int] = {}
        self.counters: dict[str, int] = {}
        self._handlers: Mapping[str, Callable[[exchange.Received, int], None]] = {
            "tracks": self._tracks,
            "alerts": self._alert_rows,
            "recall": self._recall,
            "tighten": self._tighten,
            "receipt": self._receipts,
            "checkpoint": self._checkpoint,
            "cosignature": self._cosignature,
        }

    # -- in

    def reload(self, *, now_us: int) -> None:
        """Take up again what is held: partner tracks and alerts of releases that were durable before the restart."""
        for row in self._ledger.holdings():
            bundle = self._ledger.bundle(row["release_id"])
            if bundle is None:
                continue
            try:
                received = self._open(bundle, now_us)
            except KuroshioError as err:
                log.warning("a held release is not taken up: %s", err)
                continue
            if received.kind == "tracks":
                self._place(received)
            elif received.kind == "alerts":
                self._keep_alerts(received)

    def _open(self, body: bytes, now_us: int) -> exchange.Received:
        self._verifier.now_us = now_us
        return exchange.receive(
            body, keys=self._ring, me=self.party, now_us=now_us, verify_receipt=self._verifier.verify
        )

    def take(self, party: str, body: bytes, *, now_us: int) -> None:
        """Verify a partner's bundle and make it durable.

        Raises
        ------
        KuroshioError
            When it is not taken; the partner is told the code.
        """
        received = self._open(body, now_us)
        if received.partner != party:
            raise VerificationError(f"{received.partner}'s release came from {party}", code="exchange.other_sender")
        self._count(f"taken_{received.kind}")
        handler = self._handlers.get(received.kind)
        if handler is not None:
            handler(received, now_us)
        else:  # safety text, orders and the like: held, receipted, shown with the releases
            self._ledger.hold(received)
        if received.kind not in CONTROL_KINDS:
            self._owe(party, received.release.release_id, RECEIVED, now_us)

    def _count(self, name: str) -> None:
        self.counters[name] = self.counters.get(name, 0) + 1

    def _owe(self, party: str, release_id: str, status: str, now_us: int, detail: str = "") -> None:
        receipt = Receipt(release_id, self.party, party, status, now_us, detail)
        self._owed.setdefault(party, []).append(receipt.signed(self._keys.signer))

    def _tracks(self, received: exchange.Received, now_us: int) -> None:
        del now_us
        if self._ledger.hold(received):
            self._place(received)

    def _place(self, received: exchange.Received) -> None:
        """Give the rows to the picture, with their ties and their precision on the side."""
        rows = received.tracks
        assert rows is not None
        echo = pa.array(~received.echo)
        rows = rows.filter(echo)  # our own data coming back changes nothing
        if not rows.num_rows:
            return
        party = received.partner
        ties = frozenset(received.held_under)
        holdings = self._parts.decider.holdings
        grid_deg = received.obligations.grid_deg
        for ref, lat in zip(rows["partner_track"].to_pylist(), rows["lat_deg"].to_pylist(), strict=True):
            holdings.ties[party, ref] = ties | holdings.ties.get((party, ref), frozenset())
            self._grid_m[party, ref] = grid_deg * float(metres_per_degree(lat)[1])
        holdings.partner_levels[party] = str(received.release.fields["level"])
        before = self._held.get(party, TRACKS.empty())
        stale = pc.is_in(before["partner_track"], value_set=rows["partner_track"].combine_chunks())
        self._held[party] = concat(TRACKS, [before.filter(pc.invert(stale)), rows])
        self._arrived.append(rows)

    def _alert_rows(self, received: exchange.Received, now_us: int) -> None:
        del now_us
        if self._ledger.hold(received):
            self._keep_alerts(received)

    def _keep_alerts(self, received: exchange.Received) -> None:
        assert received.released is not None
        for row in received.released.to_pylist():
            shown = cards.released_alert(row, received.partner, received.release)
            for old in [a for a in self._alerts if a["alert_id"] == shown["alert_id"]]:
                self._alerts.remove(old)
            self._alerts.appendleft(shown)

    def _recall(self, received: exchange.Received, now_us: int) -> None:
        assert received.body is not None
        party = received.partner
        gone = self._ledger.withdraw(received.body["release_ids"], party, now_us=now_us)
        self._drop(party, {ref for refs in gone.values() for ref in refs}, now_us)
        kept = [a for a in self._alerts if a["release_id"] not in gone]
        self._alerts = deque(kept, maxlen=ALERTS_MAX)
        for release_id, refs in gone.items():
            self._owe(party, release_id, WITHDRAWN, now_us, f"{len(refs)} tracks")

    def _drop(self, party: str, refs: set[str], now_us: int) -> None:
        """End partner tracks in the picture."""
        before = self._held.get(party)
        if before is None or not refs:
            return
        mask = pc.is_in(before["partner_track"], value_set=pa.array(sorted(refs), pa.string()))
        gone = before.filter(mask)
        self._held[party] = before.filter(pc.invert(mask))
        if gone.num_rows:
            at = gone.schema.get_field_index("status")
            ended = pa.array(["ended"] * gone.num_rows).dictionary_encode().cast(TRACKS.arrow.field(at).type)
            self._arrived.append(gone.set_column(at, TRACKS.arrow.field(at), ended))
        del now_us

    def _tighten(self, received: exchange.Received, now_us: int) -> None:
        del now_us
        body = received.body or {}
        self._ledger.tighten(body["release_ids"], received.partner, int(body["retain_until_us"]))

    def _receipts(self, received: exchange.Received, now_us: int) -> None:
        for value in (received.body or {})["receipts"]:
            receipt = Receipt.from_dict(value)
            receipt.verify(self._ring, now_us=now_us)
            if receipt.by != received.partner or receipt.to != self.party:
                raise VerificationError("a receipt of another party", code="exchange.receipt_stranger")
            self._sharing.receipted(receipt)

    def _checkpoint(self, received: exchange.Received, now_us: int) -> None:
        """Witness a partner's record: it only grows; sign what was seen."""
        body, party = received.body or {}, received.partner
        checkpoint = record.parse_checkpoint(str(body["note"]).encode())
        record.verify_checkpoint(checkpoint, party, self._ring, now_us=now_us)
        witness = self._verifier.witnesses.setdefault(party, record.Witness(party))
        proof = [_unhex(h) for h in body["proof"]]
        if witness.size and int(body["old_size"]) != witness.size:
            self._count("checkpoint_other_base")
            return
        witness.extend(checkpoint, proof)
        signature = record.cosign(checkpoint, self._keys.signer, at_us=now_us)
        line = {"origin": checkpoint.origin, "size": checkpoint.size, "line": signature.line()}
        self._replies.append((party, "cosignature", line))

    def _cosignature(self, received: exchange.Received, now_us: int) -> None:
        body = received.body or {}
        log_, size = self._sharing.record, int(body["size"])
        at = record.Checkpoint(log_.origin, size, log_.root(size))
        signature = record.parse_checkpoint(at.text + b"\n" + str(body["line"]).encode()).signatures[0]
        record.verify_cosignature(at, signature, received.partner, self._ring, now_us=now_us)
        log_.add_cosignature(signature, size=size)

    # -- out

    def settle(self, partners: Iterable[PartnerSection], *, now_us: int) -> None:
        """Send receipts and replies that wait, a checkpoint now and then, and drop what retention has ended."""
        owed, self._owed = self._owed, {}
        for party, receipts in owed.items():
            for at in range(0, len(receipts), RECEIPTS_A_RELEASE):
                batch = [r.as_dict() for r in receipts[at : at + RECEIPTS_A_RELEASE]]
                self._sharing.control("receipt", {"receipts": batch}, party, now_us=now_us)
        replies, self._replies = self._replies, []
        for party, kind, body in replies:
            self._sharing.control(kind, body, party, now_us=now_us)
        wall_us = clock.now_us()
        if wall_us >= self._checkpoint_due_us:
            self._checkpoint_due_us = wall_us + CHECKPOINT_EVERY_US
            for partner in partners:
                self._send_checkpoint(partner.party, now_us)
        for party, refs in self._ledger.expire(now_us).items():
            self._drop(party, refs, now_us)

    def _send_checkpoint(self, party: str, now_us: int) -> None:
        log_ = self._sharing.record
        checkpoint = log_.publish()
        old = self._checkpoint_sent.get(party, 0)
        if checkpoint.size == old or not checkpoint.size:
            return
        proof = [h.hex() for h in log_.consistency(old, checkpoint.size)] if old else []
        body = {"note": checkpoint.note().decode(), "old_size": old, "proof": proof}
        self._checkpoint_sent[party] = checkpoint.size
        self._sharing.control("checkpoint", body, party, now_us=now_us)

    def may_still_go(self, item: Item, *, now_us: int) -> bool:
        """True when a queued item is still allowed by what is in force now, and was not withdrawn."""
        if item.kind in CONTROL_KINDS:
            return True
        if self._ledger.release(item.release_id)["state"] not in ("sent", "received"):
            return False
        header = Release.from_bytes(item.body).fields
        return still_allowed(self._parts.decider, header, now_us=now_us)

    # -- for the picture and the page

    def take_tracks(self) -> list[pa.Table]:
        """TRACKS rows that arrived since the last call."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def alerts_received(self) -> list[dict[str, Any]]:
        """Alerts of partners, newest first."""
        return list(self._alerts)

    def with_grid(self, table: pa.Table) -> pa.Table:
        """The table with ``grid_m``, 0 where the position is exact."""
        grid = np.zeros(table.num_rows)
        partner = table["partner"]
        if partner.null_count < table.num_rows:
            for row in np.flatnonzero(np.asarray(partner.is_valid())).tolist():
                sensors = table["sensors"][row].as_py() or []
                if sensors == ["partner"]:
                    key = (partner[row].as_py(), table["partner_track"][row].as_py())
                    grid[row] = self._grid_m.get(key, 0.0)
        return table.append_column("grid_m", pa.array(grid))


def _unhex(text: Any) -> bytes:
    try:
        return bytes.fromhex(str(text))
    except ValueError as err:
        raise VerificationError("a proof that is not hex", code="record.proof") from err
