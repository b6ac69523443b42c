"""The way in: bundle bytes from a partner become rows only after every check has passed.

What enters: bytes, the keys trusted now, and the check of the sender's record receipt. What leaves: `Received` with
rows in this node's schemas, the accords it is held under and the terms that bind us; or a VerificationError and
nothing else. Checks are numbered in `receive`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import ReleaseRefused, VerificationError
from kuroshio.exchange.columns import row_bytes
from kuroshio.exchange.ends import ENDED
from kuroshio.exchange.lineage import Gave, echoes, gave_nothing
from kuroshio.exchange.records import CONTROL_KINDS, RECORD_KINDS, check_record
from kuroshio.exchange.seal import MAX_PAYLOAD, MAX_ROWS, row_commitments
from kuroshio.exchange.select import as_tracks
from kuroshio.schema import Obligations, Table
from kuroshio.schema import merkle as tree
from kuroshio.schema.release import LINEAGE_MAX, RELEASED_ALERTS, RELEASED_TRACKS, TRACK_FORMS, Release
from kuroshio.schema.signing import KeyRing, digest_hex, parse_canonical, unb64

ReceiptCheck = Callable[[Release], None]
NOT_YET = ("keys.unknown", "keys.not_yet")  # a key we were not given yet: put off, neither taken nor refused
MARK_LENGTH_MAX = 32
AFTER_ALL_US = 253_402_300_800_000_000  # the end of the year 9999: RFC 3339 has no later time
MAX_AHEAD_US = 300 * 1_000_000  # a release from further in the future than this means a wrong clock
HEADER_FORMS: dict[str, type | tuple[type, ...]] = {
    "wire": int, "kind": str, "from": str, "to": str, "originator": str, "level": str, "purpose": str, "accord": str,
    "accord_version": str, "clauses": list, "rules_digest": str, "engine": str, "obligations": dict, "consents": list,
    "decided_by": str, "held_under": list, "lineage": list, "released_at_us": int, "retain_until_us": (int, type(None)),
    "onward": bool, "marking": list, "rows": int, "bundle_root": str, "salt_seed": str, "payload_sha256": str,
    "payload_bytes": int, "key_id": str,
}  # fmt: skip


@dataclass(frozen=True)
class Received:
    """A verified release as its receiver holds it.

    Parameters
    ----------
    release
        The bundle, kept whole: it is the proof.
    released
        Rows as sent (RELEASED_TRACKS or RELEASED_ALERTS); None for records.
    tracks
        TRACKS rows with ``partner`` and ``partner_track`` set; None for other kinds.
    body
        Fields of a record; None for tables.
    held_under
        Accords whose ties go with this data for ever: the basis of the release and those it was itself held under.
    obligations
        Terms that bind us: retention, onward, purpose, marking.
    echo
        One flag a row: our own data is in its lineage, so it may never tighten an estimate of ours.
    """

    release: Release
    released: pa.Table | None
    tracks: pa.Table | None
    body: dict[str, Any] | None
    held_under: tuple[str, ...]
    obligations: Obligations
    echo: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def kind(self) -> str:
        """What it carries."""
        return self.release.kind

    @property
    def partner(self) -> str:
        """Who released it."""
        return self.release.releaser

    @property
    def retain_until_us(self) -> int | None:
        """When it must be gone."""
        value = self.release.fields["retain_until_us"]
        return None if value is None else int(value)


def receive(
    data: bytes, *, keys: KeyRing, me: str, now_us: int, verify_receipt: ReceiptCheck, gave: Gave = gave_nothing
) -> Received:
    """Verified content of a bundle.

    Parameters
    ----------
    data
        Bundle bytes as they came.
    keys
        Keys trusted now.
    me
        Own party code.
    now_us
        Time here.
    verify_receipt
        Holds that the sender's record has this release and raises otherwise, such as
        ``record.ReceiptVerifier(...).verify``; a release without a receipt is refused before it is called.
    gave
        Knows the marks of what this node has given to anyone, so that its own data is known when it comes back.

    Raises
    ------
    VerificationError
        When any check fails; the code names it.
    """
    # 1. it is a bundle, within limits
    release = Release.from_bytes(data)
    # 2. the header is canonical and complete; 3. the sender's key, trusted now, signed it
    header = signed_header(release, keys, now_us=now_us)
    # 4. it is for us
    if header["to"] != me or header["from"] == me:
        raise VerificationError(f"a release to {header['to']} came to {me}", code="exchange.not_for_us")
    # 5. the clock is believable, and it has not expired
    if header["released_at_us"] > now_us + MAX_AHEAD_US:
        raise VerificationError("released in the future: clocks differ", code="exchange.future")
    if header["retain_until_us"] is not None and header["retain_until_us"] <= now_us:
        raise VerificationError("its retention has ended", code=ENDED)
    # 6. the payload is the one signed
    plain = _payload(release, header)
    # 7. the sender's record has it
    if not release.receipt:
        raise VerificationError("no receipt from the sender's record", code="exchange.no_receipt")
    verify_receipt(release)
    # 8. a kind we know, rows in the schema, each committed to
    obligations = _obligations(header["obligations"])
    held_under = tuple(sorted({*header["held_under"], *([header["accord"]] if header["accord"] else [])}))
    kind = header["kind"]
    if kind in ("tracks", "alerts"):
        schema = TRACK_FORMS[header["wire"]] if kind == "tracks" else RELEASED_ALERTS
        rows = _rows(plain, schema, header)
        _check_commitments(row_bytes(rows, schema), header)
        rows = RELEASED_TRACKS.conform(rows) if kind == "tracks" else rows  # what its form does not have is null
        tracks, echo = _as_ours(rows, header["from"], me, gave) if kind == "tracks" else (None, _no_echo(rows.num_rows))
        return Received(release, rows, tracks, None, held_under, obligations, echo)
    if kind not in RECORD_KINDS and kind not in CONTROL_KINDS:
        raise VerificationError(f"unknown kind {kind[:40]!r}", code="exchange.kind_unknown")
    body = parse_canonical(plain, limit=MAX_PAYLOAD)
    try:
        check_record(kind, body)
    except ReleaseRefused as err:
        raise VerificationError(
            f"a {kind} that is not of its form: {err.message}", code="exchange.record_form"
        ) from err
    _check_commitments([plain], header)
    return Received(release, None, None, body, held_under, obligations, _no_echo(1))


def signed_header(release: Release, keys: KeyRing, *, now_us: int) -> dict[str, Any]:
    """Header of a bundle of which nothing is known yet: whole, and signed by a key of the party it names.

    Raises
    ------
    VerificationError
        When a field is missing or not of its form, or when that party's keys trusted now did not sign it.
    """
    header = release.fields
    check_header(header)
    keys.verify(header["from"], header["key_id"], release.header, release.signature, now_us=now_us)
    return header


def check_header(header: dict[str, Any]) -> None:
    """Hold that a header has all fields of a release, each of its form; nothing it says is verified.

    Raises
    ------
    VerificationError
        Naming the field.
    """
    wire, forms = header.get("wire"), list(TRACK_FORMS) if header.get("kind") == "tracks" else [1]
    if isinstance(wire, bool) or wire not in forms:
        raise VerificationError(f"a release of form {wire!r}, this node reads {forms}", code="exchange.version")
    for name, form in HEADER_FORMS.items():
        value = header.get(name, ...)
        if not isinstance(value, form) or (isinstance(value, bool) and form is int):
            raise VerificationError(f"header field {name} is missing or not of its form", code="exchange.header")
    if set(header) != set(HEADER_FORMS):
        raise VerificationError(f"unknown header field {sorted(set(header) - set(HEADER_FORMS))[0]!r}",
                                code="exchange.header")  # fmt: skip
    for name in ("clauses", "consents", "held_under", "lineage", "marking"):
        if len(header[name]) > 1_000 or not all(isinstance(v, str) for v in header[name]):
            raise VerificationError(f"header field {name} is not a list of words", code="exchange.header")
    if header["released_at_us"] < 0 or (header["retain_until_us"] or 0) < 0:
        raise VerificationError("header states a time before all times", code="exchange.header")
    if not 0 <= header["rows"] <= MAX_ROWS or not 0 <= header["payload_bytes"] <= MAX_PAYLOAD:
        raise VerificationError("header states sizes beyond the limits", code="exchange.limits")


def _payload(release: Release, header: dict[str, Any]) -> bytes:
    if digest_hex(release.payload) != header["payload_sha256"]:
        raise VerificationError("payload is not the one signed", code="exchange.payload_digest")
    try:  # the size is in the signed header and bounded: nothing unpacks to more than that
        plain = pa.decompress(release.payload, decompressed_size=header["payload_bytes"], codec="zstd", asbytes=True)
    except (pa.ArrowException, OSError, ValueError) as err:
        raise VerificationError(f"payload cannot be unpacked: {err}", code="exchange.payload") from err
    return bytes(plain)


def _rows(plain: bytes, schema: Table, header: dict[str, Any]) -> pa.Table:
    try:
        with pa.ipc.open_stream(plain) as reader:
            if reader.schema.remove_metadata() != _bare(schema):
                raise VerificationError("columns are not those of a release", code="exchange.columns")
            rows = reader.read_all()
        rows.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as err:
        raise VerificationError(f"payload is not a table: {err}", code="exchange.payload") from err
    if rows.num_rows != header["rows"]:
        raise VerificationError(f"{rows.num_rows} rows, header says {header['rows']}", code="exchange.rows")
    required = [c.name for c in schema.columns if c.required]
    if any(rows.column(name).null_count for name in required):
        raise VerificationError("null in a required column", code="exchange.columns")
    lat, lon = (rows.column(n).to_numpy(zero_copy_only=False).astype(np.float64) for n in ("lat_deg", "lon_deg"))
    bad = (np.abs(lat) > 90.0) | (np.abs(lon) > 180.0) | np.isinf(lat) | np.isinf(lon)
    if schema is not RELEASED_ALERTS:
        bad |= ~np.isfinite(lat) | ~np.isfinite(lon)
        marks = rows.column("lineage").combine_chunks()
        most = pc.max(pc.list_value_length(marks)).as_py() or 0
        if most > LINEAGE_MAX or (pc.max(pc.utf8_length(marks.flatten())).as_py() or 0) > MARK_LENGTH_MAX:
            raise VerificationError("a row's lineage is beyond the limits", code="exchange.limits")
    made_by = rows.column("provenance") if "provenance" in schema.names else pa.nulls(0, pa.string())
    if (pc.max(pc.utf8_length(made_by)).as_py() or 0) > MARK_LENGTH_MAX:
        raise VerificationError("a row's provenance is beyond the limits", code="exchange.limits")
    if bad.any():
        raise VerificationError(f"row {int(np.argmax(bad))} is not on the Earth", code="exchange.values")
    for column in schema.columns:
        if pa.types.is_timestamp(column.type):
            span = pc.min_max(rows.column(column.name).cast(pa.int64())).as_py()
            if span["min"] is not None and not 0 <= span["min"] <= span["max"] < AFTER_ALL_US:
                raise VerificationError(f"{column.name} is beyond all times", code="exchange.values")
    return pa.Table.from_arrays(rows.columns, schema=schema.arrow)


def _bare(schema: Table) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type, not c.required) for c in schema.columns])


def _check_commitments(rows: list[bytes], header: dict[str, Any]) -> None:
    seed = unb64(header["salt_seed"])
    if tree.root(row_commitments(rows, seed)) != unb64(header["bundle_root"]):
        raise VerificationError("rows are not those the header commits to", code="exchange.bundle_root")


OBLIGATION_FORMS: dict[str, type | tuple[type, ...]] = {
    "delay_s": int, "grid_deg": (int, float), "time_bucket_s": int, "redact": list, "retention_s": (int, type(None)),
    "onward": bool, "via": (str, type(None)), "purpose": list, "marking": list,
}  # fmt: skip


def _obligations(value: dict[str, Any]) -> Obligations:
    """Terms of a header; one this node does not know cannot be kept, so the release is not taken."""
    for name, term in value.items():
        if name not in OBLIGATION_FORMS or not isinstance(term, OBLIGATION_FORMS[name]):
            raise VerificationError(f"obligation {name[:40]!r} is not known here", code="exchange.obligations")
    sets = ("redact", "purpose", "marking")
    kept: dict[str, Any] = {k: frozenset(str(x) for x in v) if k in sets else v for k, v in value.items()}
    return Obligations(**kept)


def _as_ours(rows: pa.Table, partner: str, me: str, gave: Gave) -> tuple[pa.Table, np.ndarray[Any, np.dtype[np.bool_]]]:
    numbers = [partner_track_id(partner, ref) for ref in rows.column("ref").to_pylist()]
    ours = as_tracks(rows, track_ids=numbers, partner=partner, held_by=f"partner:{partner}")
    made = [text is not None and gave(text) for text in rows.column("provenance").to_pylist()]
    return ours, np.array(echoes(rows.column("lineage"), me, gave), np.bool_) | np.array(made, np.bool_)


def _no_echo(rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.zeros(rows, bool)


def partner_track_id(partner: str, ref: str) -> int:
    """Number at this node of a partner's track: 61 bits of a hash under bit 62, so that it meets no own number."""
    return int(digest_hex(f"{partner}|{ref}".encode())[:15], 16) | 1 << 61
