"""DECISIONS -> RELEASES: select, redact, seal, receive.

Enters: TRACKS, ALERTS or one record, with the `schema.Decision` that covers it. Leaves: a signed
`schema.release.Release` for one recipient, or `Received` on the other side. It does not decide (accord), does not
send (peers, links) and does not record (record): `node` joins them.

The door
--------
``seal_tracks(tracks, decision, *, releaser, to, now_us, signer, outlet, originator=None, level="U",
purpose="maritime_safety", held_under=(), accord_version="", consents=(), decided_by="rule")
-> Release | None``
``seal_alerts(alerts, decision, *, outlet, terms) -> Release | None``
``seal_record(kind, body, decision, *, outlet, terms) -> Release`` kinds: safety, order, equipment, access, policy
``seal_control(kind, body, *, outlet, terms) -> Release`` kinds: recall, tighten, receipt, checkpoint, cosignature
``receive(data, *, keys, me, now_us, verify_receipt) -> Received``
``Desk(signer, *, secret, record, ledger, keys, verify_receipt)`` does all of it in the safe order: ``tracks``,
``alerts``, ``record``, ``control``, ``recall``, ``receipts`` give `Parcel` values to offer to a session; ``accept``
takes a bundle.
``view(groups, *, releaser, to, now_us, outlet=None, secret=b"") -> View``
"""

from __future__ import annotations

from kuroshio.exchange.contents import refs_of, rows_of
from kuroshio.exchange.desk import Accepted, Desk, Parcel
from kuroshio.exchange.ledger import Ledger
from kuroshio.exchange.marking import LEAK_EVIDENCE
from kuroshio.exchange.outlet import Outlet
from kuroshio.exchange.receive import NOT_YET, Received, partner_track_id, receive
from kuroshio.exchange.rules import still_allowed
from kuroshio.exchange.seal import Terms, row_commitments, row_salt, seal_alerts, seal_control, seal_record, seal_tracks
from kuroshio.exchange.select import as_tracks
from kuroshio.exchange.views import View, view

__all__ = [
    "LEAK_EVIDENCE",
    "NOT_YET",
    "Accepted",
    "Desk",
    "Ledger",
    "Outlet",
    "Parcel",
    "Received",
    "Terms",
    "View",
    "as_tracks",
    "partner_track_id",
    "receive",
    "refs_of",
    "row_commitments",
    "row_salt",
    "rows_of",
    "seal_alerts",
    "seal_control",
    "seal_record",
    "seal_tracks",
    "still_allowed",
    "view",
]
