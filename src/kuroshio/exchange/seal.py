"""The one door: the only code that makes a release, and it makes one only of what a decision lets flow.

What enters: rows or a record, a Decision, and who speaks to whom. What leaves: a signed `Release`, or None where
nothing is due, or ReleaseRefused. Order of the checks is fixed and numbered in `_admit`.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from kuroshio import __version__
from kuroshio.errors import ReleaseRefused
from kuroshio.exchange import coarsen
from kuroshio.exchange.columns import row_bytes
from kuroshio.exchange.outlet import Outlet, bucket_s_of
from kuroshio.exchange.records import CONTROL_KINDS, RECORD_KINDS, select_record
from kuroshio.exchange.select import form_of, select_alerts, select_tracks
from kuroshio.schema import ALERTS, TRACKS, Decision, Obligations, Table
from kuroshio.schema import merkle as tree
from kuroshio.schema.release import RELEASED_ALERTS, TRACK_FORMS, Release
from kuroshio.schema.signing import Signer, b64, canonical, digest_hex

MAX_ROWS = 200_000
MAX_PAYLOAD = 64 << 20
NO_OBLIGATIONS = Obligations()
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))  # RFC 2104


@dataclass(frozen=True)
class Terms:
    """Who releases what to whom, beyond the rows themselves.

    Parameters
    ----------
    releaser, to
        Party codes.
    now_us
        Time of the release.
    signer
        Key of the releaser.
    originator
        Party the data comes from; the releaser where None.
    level
        Protection level of the originator.
    purpose
        Purpose it is released for.
    held_under
        Accords the data was itself received under: their ties go with it for ever.
    accord_version
        Version or digest of the accord that is the basis.
    consents
        References of consents the decision rests on.
    decided_by
        ``rule`` or the person who decided.
    """

    releaser: str
    to: str
    now_us: int
    signer: Signer
    originator: str | None = None
    level: str = "U"
    purpose: str = "maritime_safety"
    held_under: tuple[str, ...] = ()
    accord_version: str = ""
    consents: tuple[str, ...] = ()
    decided_by: str = "rule"


def _admit(decision: Decision, terms: Terms, outlet: Outlet) -> Obligations:
    """Obligations to carry out, or a refusal: closed unless every check passes."""
    # 1. the decision lets it flow
    if not decision.flows:
        raise ReleaseRefused(f"{decision.effect.word} for {terms.to}: {decision.cited}", code="exchange.not_permitted")
    # 2. a clause says so
    if not decision.cites or not decision.basis:
        raise ReleaseRefused("a decision without a basis and a clause permits nothing", code="exchange.no_basis")
    # 3. the parties are who they must be
    if terms.to == terms.releaser or not terms.to or not terms.releaser:
        raise ReleaseRefused(f"no release from {terms.releaser} to {terms.to}", code="exchange.parties")
    if terms.signer.party != terms.releaser:
        raise ReleaseRefused(f"{terms.signer.key_id} cannot sign for {terms.releaser}", code="exchange.signer")
    if outlet.recipient != terms.to:
        raise ReleaseRefused(f"the outlet is of {outlet.recipient}, not {terms.to}", code="exchange.outlet")
    # 4. every obligation is one this node can carry out
    asked = decision.obligations
    if asked.via is not None and asked.via != terms.to:
        raise ReleaseRefused(f"must pass through {asked.via}", code="exchange.via")
    numbers = (asked.delay_s, asked.grid_deg, asked.time_bucket_s, asked.retention_s or 0)
    if any(not math.isfinite(n) or n < 0 for n in numbers) or asked.grid_deg > coarsen.MAX_GRID_DEG:
        raise ReleaseRefused(f"obligations out of range: {asked.as_dict()}", code="exchange.obligations")
    if asked.purpose and terms.purpose not in asked.purpose:
        raise ReleaseRefused(f"purpose {terms.purpose} is not among {sorted(asked.purpose)}", code="exchange.purpose")
    # 5. grid and time bucket are one unit
    return replace(asked, time_bucket_s=bucket_s_of(asked))


def seal_tracks(
    tracks: pa.Table,
    decision: Decision,
    *,
    releaser: str,
    to: str,
    now_us: int,
    signer: Signer,
    outlet: Outlet,
    originator: str | None = None,
    level: str = "U",
    purpose: str = "maritime_safety",
    held_under: Sequence[str] = (),
    accord_version: str = "",
    consents: Sequence[str] = (),
    decided_by: str = "rule",
    rows_max: int | None = None,
) -> Release | None:
    """A signed release of the track rows that are due, or None when none is.

    All rows given share the one decision; the caller groups rows by decision. Rows not yet old enough are kept in
    the outlet and go with a later call (which may have no new rows at all).

    Parameters
    ----------
    tracks
        TRACKS rows that changed since the last call, in any order.
    decision
        What the agreements say of these rows for this recipient now.
    outlet
        Memory of this recipient.
    rows_max
        Rows the link takes now of those a delay held back; the others stay due.

    Raises
    ------
    ReleaseRefused
        When the decision does not flow, or asks something this node cannot carry out.
    InputError
        When the table is not of the TRACKS schema.
    """
    terms = Terms(
        releaser, to, now_us, signer, originator, level, purpose, tuple(held_under), accord_version,
        tuple(consents), decided_by,
    )  # fmt: skip
    obligations = _admit(decision, terms, outlet)
    due = outlet.due(as_table(tracks, TRACKS), obligations, now_us, most=rows_max)
    if not due.num_rows:
        return None
    if due.num_rows > MAX_ROWS:
        raise ReleaseRefused(f"{due.num_rows} rows in one release, limit {MAX_ROWS}", code="exchange.rows")
    released = select_tracks(due, obligations, outlet)
    form = form_of(obligations, outlet)
    release = _bundle("tracks", released, TRACK_FORMS[form], decision, obligations, terms, outlet, form=form)
    outlet.mark(due, released)
    return release


def seal_alerts(alerts: pa.Table, decision: Decision, *, outlet: Outlet, terms: Terms) -> Release | None:
    """A signed release of ALERTS rows; those younger than the delay are not due, and the caller offers them again.

    Raises
    ------
    ReleaseRefused
        When the decision does not flow, or asks something this node cannot carry out.
    """
    obligations = _admit(decision, terms, outlet)
    alerts = due_alerts(as_table(alerts, ALERTS), obligations, terms.now_us)
    if not alerts.num_rows:
        return None
    if alerts.num_rows > MAX_ROWS:
        raise ReleaseRefused(f"{alerts.num_rows} rows in one release, limit {MAX_ROWS}", code="exchange.rows")
    released = select_alerts(alerts, obligations, outlet)
    return _bundle("alerts", released, RELEASED_ALERTS, decision, obligations, terms, outlet)


def due_alerts(alerts: pa.Table, obligations: Obligations, now_us: int) -> pa.Table:
    """ALERTS rows that are old enough to go."""
    if not obligations.delay_s:
        return alerts
    known = alerts.column("known_at").cast(pa.int64()).to_numpy(zero_copy_only=False)
    return alerts.filter(pa.array(known <= now_us - obligations.delay_s * 1_000_000))


def seal_record(kind: str, body: Mapping[str, Any], decision: Decision, *, outlet: Outlet, terms: Terms) -> Release:
    """A signed release of one record that is not a table: safety text, order, access request, equipment event ...

    Only the fields that `records.RECORD_KINDS` names for the kind are selected; a field it does not name is refused.

    Raises
    ------
    ReleaseRefused
        When the decision does not flow, the kind or a field is unknown.
    """
    obligations = _admit(decision, terms, outlet)
    if kind not in RECORD_KINDS:
        raise ReleaseRefused(f"no record of kind {kind!r} may leave", code="exchange.kind")
    payload = select_record(kind, body, obligations)
    return _finish(kind, canonical(payload), [canonical(payload)], decision, obligations, terms, outlet)


def seal_control(kind: str, body: Mapping[str, Any], *, outlet: Outlet, terms: Terms) -> Release:
    """A signed protocol statement: recall, receipt, checkpoint or cosignature.

    These must work when an accord has ended, so they need no decision; their fields are identifiers, hashes and
    times only, each checked, so that no data can leave this way.

    Raises
    ------
    ReleaseRefused
        When the kind is not one of these, or a field is not of its form.
    """
    if kind not in CONTROL_KINDS:
        raise ReleaseRefused(f"{kind!r} is not a control statement", code="exchange.kind")
    if terms.signer.party != terms.releaser or outlet.recipient != terms.to or terms.to == terms.releaser:
        raise ReleaseRefused(f"no release from {terms.releaser} to {terms.to}", code="exchange.parties")
    payload = canonical(select_record(kind, body, NO_OBLIGATIONS))
    return _finish(kind, payload, [payload], None, NO_OBLIGATIONS, terms, outlet)


def _bundle(
    kind: str,
    rows: pa.Table,
    schema: Table,
    decision: Decision,
    obligations: Obligations,
    terms: Terms,
    outlet: Outlet,
    *,
    form: int = 1,
) -> Release:
    sink = pa.BufferOutputStream()
    rows = rows.unify_dictionaries().combine_chunks()
    with pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as writer:
        writer.write_table(rows)
    plain, leaves = sink.getvalue().to_pybytes(), row_bytes(rows, schema)
    return _finish(kind, plain, leaves, decision, obligations, terms, outlet, form=form)


def _finish(
    kind: str,
    plain: bytes,
    rows: Sequence[bytes],
    decision: Decision | None,
    obligations: Obligations,
    terms: Terms,
    outlet: Outlet,
    *,
    form: int = 1,
) -> Release:
    """Header, commitment to each salted row, signature."""
    if len(plain) > MAX_PAYLOAD:
        raise ReleaseRefused(f"payload of {len(plain)} bytes, limit {MAX_PAYLOAD}", code="exchange.payload")
    payload = pa.compress(plain, codec="zstd", asbytes=True)
    seed = outlet.salt_seed(digest_hex(payload), terms.now_us)
    cites = decision.cites if decision is not None else ()
    header = {
        "wire": form,
        "kind": kind,
        "from": terms.releaser,
        "to": terms.to,
        "originator": terms.originator or terms.releaser,
        "level": terms.level,
        "purpose": terms.purpose,
        "accord": (decision.basis or "") if decision is not None else "",
        "accord_version": terms.accord_version,
        "clauses": [str(c) for c in cites],
        "rules_digest": decision.rules_digest if decision is not None else "",
        "engine": (decision.engine if decision is not None else "") or f"kuroshio {__version__}",
        "obligations": obligations.as_dict(),
        "consents": list(terms.consents),
        "decided_by": terms.decided_by,
        "held_under": sorted(set(terms.held_under)),
        "lineage": sorted({terms.releaser, terms.originator or terms.releaser}),
        "released_at_us": terms.now_us,
        "retain_until_us": None
        if obligations.retention_s is None
        else terms.now_us + int(obligations.retention_s) * 1_000_000,
        "onward": obligations.onward,
        "marking": sorted(obligations.marking),
        "rows": len(rows),
        "bundle_root": b64(tree.root(row_commitments(rows, seed))),
        "salt_seed": b64(seed),
        "payload_sha256": digest_hex(payload),
        "payload_bytes": len(plain),
        "key_id": terms.signer.key_id,
    }
    encoded = canonical(header)
    return Release(encoded, terms.signer.sign(encoded), payload)


_SCHEMAS = {table.name: table.arrow for table in (TRACKS, ALERTS)}


def as_table(rows: pa.Table, table: Table) -> pa.Table:
    """Rows in the schema of a table; checked column by column only where they are not in it already."""
    return rows if rows.schema.equals(_SCHEMAS[table.name]) else table.conform(rows)


def row_salt(seed: bytes, index: int) -> bytes:
    """Salt of one row: shown with the row, it proves that row alone and says nothing of its neighbours."""
    return hmac.digest(seed, index.to_bytes(8, "big"), hashlib.sha256)[:16]


def row_commitments(rows: Sequence[bytes], seed: bytes) -> list[bytes]:
    """Leaf hashes of the salted rows (`row_salt` and `merkle.leaf_hash`), both halves of the HMAC keyed once."""
    key = (seed if len(seed) <= 64 else hashlib.sha256(seed).digest()).ljust(64, b"\x00")  # RFC 2104
    inner = hashlib.sha256(key.translate(_INNER)).copy
    outer = hashlib.sha256(key.translate(_OUTER)).copy
    leaves = []
    for number, row in enumerate(rows):  # a Python loop over rows: three hashes each are all that is left of it
        first, second = inner(), outer()
        first.update(number.to_bytes(8, "big"))
        second.update(first.digest())
        leaves.append(hashlib.sha256(b"\x00" + second.digest()[:16] + row).digest())
    return leaves
