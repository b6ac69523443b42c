"""What leaves a node and how its receiver proves it: released tables, releases and receipts.

`RELEASED_TRACKS` and `RELEASED_ALERTS` name every column that may ever leave; a column that is not here has no way
out. `Release` is the signed bundle; `Receipt` is the receiver's signed answer. Making a `Release` is `exchange`'s.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuroshio.errors import VerificationError
from kuroshio.schema.core import BOOL, F64, I16, I32, I64, LABEL, TEXT, TEXTS, UTC_US, Column, Table
from kuroshio.schema.signing import KeyRing, Signer, b64, canonical, digest_hex, parse_canonical, unb64

RELEASED_TRACKS_1 = Table(
    "released_tracks",
    "Tracks as a partner may see them: selected columns only, precision as decided.",
    (
        Column("ref", TEXT, "Opaque reference for this recipient; other recipients hold another.", required=True),
        Column("observed_at", UTC_US, "Time of the state, or start of its time bucket.", "us", required=True),
        Column("lat_deg", F64, "Latitude, or centre of its cell.", "deg", required=True),
        Column("lon_deg", F64, "Longitude, or centre of its cell.", "deg", required=True),
        Column("cov_ee_m2", F64, "East variance stated for the receiver, cell included.", "m2"),
        Column("cov_en_m2", F64, "East-north covariance.", "m2"),
        Column("cov_nn_m2", F64, "North variance stated for the receiver, cell included.", "m2"),
        Column("sog_mps", F64, "Speed, or its class.", "m/s"),
        Column("cog_deg", F64, "Course, or its sector.", "deg"),
        Column("vel_sigma_mps", F64, "One-sigma of each velocity component.", "m/s"),
        Column("heading_deg", F64, "Heading claimed.", "deg"),
        Column("p_exists", F64, "Probability that something is there.", ""),
        Column("status", LABEL, "confirmed, coasted, ended ...", required=True),
        Column("flags", I32, "Bits: 1 dark, 2 uncorroborated, 4 conflict, 8 drag."),
        Column("sensors", TEXTS, "Kinds of sensor that hold it."),
        Column("mmsi", I64, "Identity claimed."),
        Column("p_identity", F64, "Probability that the binding is right."),
        Column("imo", I64, "IMO number claimed."),
        Column("name", TEXT, "Name claimed."),
        Column("call_sign", TEXT, "Call sign claimed."),
        Column("ship_type", I16, "Type of ship claimed."),
        Column("length_m", F64, "Length.", "m"),
        Column("nav_status", I16, "Navigational status claimed."),
        Column("lineage", TEXTS, "Marks of partners' items it rests on: only who gave an item knows its mark."),
        Column("exercise", BOOL, "True for exercise data."),
    ),
)

# what a receiver needs to fuse an estimate by what it added since the last: they leave together, or none does
_TRACKLETS = (
    Column("cov_vee_m2s2", F64, "East variance of the velocity; with the next six and provenance, or none.", "m2/s2"),
    Column("cov_ven_m2s2", F64, "East-north covariance of the velocity.", "m2/s2"),
    Column("cov_vnn_m2s2", F64, "North variance of the velocity.", "m2/s2"),
    Column("cov_eve_m2s", F64, "Covariance of place east with velocity east.", "m2/s"),
    Column("cov_evn_m2s", F64, "Place east with velocity north.", "m2/s"),
    Column("cov_nve_m2s", F64, "Place north with velocity east.", "m2/s"),
    Column("cov_nvn_m2s", F64, "Place north with velocity north.", "m2/s"),
    Column("provenance", TEXT, "Whose filter of own sensors made it: one id a ship and party, whatever way it goes."),
)
TRACKLETS = frozenset(column.name for column in _TRACKLETS)
RELEASED_TRACKS = Table("released_tracks", RELEASED_TRACKS_1.doc, (*RELEASED_TRACKS_1.columns, *_TRACKLETS))
# the forms of a release of tracks, by the number its header has as ``wire``: the last is every column that may leave
TRACK_FORMS = {1: RELEASED_TRACKS_1, 2: RELEASED_TRACKS}

RELEASED_ALERTS = Table(
    "released_alerts",
    "Alerts as a partner may see them: references instead of numbers, evidence without inputs.",
    (
        Column("alert_ref", TEXT, "Opaque reference of the alert for this recipient.", required=True),
        Column("definition", LABEL, "Which behaviour.", required=True),
        Column("version", TEXT, "Version of the definition.", required=True),
        Column("change", LABEL, "open, extend, close, revise or void.", required=True),
        Column("grade", LABEL, "provisional, confirmed or final.", required=True),
        Column("severity", LABEL, "info, caution, warning or alarm.", required=True),
        Column("refs", TEXTS, "Opaque references of the tracks.", required=True),
        Column("mmsis", TEXTS, "Identities claimed, as text."),
        Column("start_at", UTC_US, "When the behaviour began.", "us", required=True),
        Column("end_at", UTC_US, "When it ended.", "us"),
        Column("known_at", UTC_US, "When the releaser knew.", "us", required=True),
        Column("lat_deg", F64, "Place, or centre of its cell.", "deg"),
        Column("lon_deg", F64, "Place, or centre of its cell.", "deg"),
        Column("zone", TEXT, "Zone it is about."),
        Column("summary", TEXT, "One sentence; only where nothing is coarsened or redacted."),
        Column("exercise", BOOL, "True for exercise data."),
    ),
)

LINEAGE_MAX = 8  # marks a row; nearest first
MAGIC = b"KUR1"
MAX_BUNDLE = 16 << 20
_SECTIONS = struct.Struct(">4sIIII")


@dataclass(frozen=True)
class Release:
    """A signed bundle for one recipient.

    Parameters
    ----------
    header
        Canonical JSON bytes: who, to whom, under which clause, terms, root over the rows, digest of the payload.
    signature
        Ed25519 over the header.
    payload
        Arrow IPC stream (zstd) for tables, canonical JSON for records.
    receipt
        Canonical JSON of the sender's record receipt; empty until the record has the release.
    """

    header: bytes
    signature: bytes
    payload: bytes
    receipt: bytes = b""
    _parsed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def release_id(self) -> str:
        """Content id: SHA-256 of the header, which holds the digest of the payload."""
        return digest_hex(self.header)

    @property
    def fields(self) -> dict[str, Any]:
        """Header as a mapping."""
        if not self._parsed:
            self._parsed.update(parse_canonical(self.header))
        return self._parsed

    @property
    def kind(self) -> str:
        """What it carries: tracks, alerts, safety, recall, receipt, order ..."""
        return str(self.fields["kind"])

    @property
    def to(self) -> str:
        """Recipient."""
        return str(self.fields["to"])

    @property
    def releaser(self) -> str:
        """Sender."""
        return str(self.fields["from"])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.fields["rows"])

    def leaf(self) -> dict[str, Any]:
        """What the sender's record keeps of it; the record adds seq and partner_seq."""
        header = self.fields
        names = (
            "kind from to accord accord_version clauses rules_digest engine obligations bundle_root rows purpose"
            " level held_under originator lineage"
        )
        leaf = {name: header[name] for name in names.split()}
        leaf["release_id"] = self.release_id
        leaf["at_us"] = header["released_at_us"]
        leaf["decided_by"] = header["decided_by"]
        leaf["consents"] = header["consents"]
        return leaf

    def with_receipt(self, receipt: Mapping[str, Any]) -> Release:
        """The same release with the record's receipt for it."""
        return Release(self.header, self.signature, self.payload, canonical(dict(receipt)))

    def to_bytes(self) -> bytes:
        """Bundle as it goes over a link or onto a stick."""
        parts = (self.header, self.signature, self.payload, self.receipt)
        return _SECTIONS.pack(MAGIC, *(len(p) for p in parts)) + b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Release:
        """Bundle of its bytes; sizes are checked before anything is read.

        Raises
        ------
        VerificationError
            ``exchange.malformed`` when it is not a bundle.
        """
        if len(data) < _SECTIONS.size or len(data) > MAX_BUNDLE:
            raise VerificationError(f"a bundle of {len(data)} bytes", code="exchange.malformed")
        magic, *lengths = _SECTIONS.unpack_from(data)
        if magic != MAGIC or sum(lengths) + _SECTIONS.size != len(data):
            raise VerificationError("not a bundle, or cut short", code="exchange.malformed")
        parts, at = [], _SECTIONS.size
        for length in lengths:
            parts.append(bytes(data[at : at + length]))
            at += length
        header, signature, payload, receipt = parts
        return cls(header, signature, payload, receipt)


RECEIVED, WITHDRAWN, REFUSED = "received", "withdrawn", "refused"


@dataclass(frozen=True)
class Receipt:
    """A receiver's signed statement on a release: received, withdrawn (deleted after recall) or refused.

    Parameters
    ----------
    release_id
        The release it answers.
    by
        Party that signs.
    to
        Party that released.
    status
        received, withdrawn or refused.
    at_us
        When, by the receiver's clock.
    detail
        Reason of a refusal, or number of rows deleted.
    """

    release_id: str
    by: str
    to: str
    status: str
    at_us: int
    detail: str = ""
    key_id: str = ""
    signature: bytes = b""

    def _body(self) -> dict[str, Any]:
        return {
            "type": "kuroshio/receipt/1",
            "release_id": self.release_id,
            "by": self.by,
            "to": self.to,
            "status": self.status,
            "at_us": self.at_us,
            "detail": self.detail,
            "key_id": self.key_id,
        }

    def signed(self, signer: Signer) -> Receipt:
        """The receipt with this party's signature."""
        if signer.party != self.by:
            raise VerificationError(f"{signer.key_id} cannot sign for {self.by}", code="keys.wrong_party")
        named = Receipt(self.release_id, self.by, self.to, self.status, self.at_us, self.detail, signer.key_id)
        signature = signer.sign(canonical(named._body()))
        return Receipt(
            self.release_id, self.by, self.to, self.status, self.at_us, self.detail, signer.key_id, signature
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**self._body(), "signature": b64(self.signature)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Receipt:
        """Receipt of its JSON form.

        Raises
        ------
        VerificationError
            When a field is missing or of another type.
        """
        try:
            if value["type"] != "kuroshio/receipt/1" or value["status"] not in (RECEIVED, WITHDRAWN, REFUSED):
                raise VerificationError("not a receipt", code="exchange.receipt")
            texts = {k: str(value[k]) for k in ("release_id", "by", "to", "status", "detail", "key_id")}
            return cls(**texts, at_us=int(value["at_us"]), signature=unb64(value["signature"]))
        except (KeyError, TypeError, ValueError) as err:
            raise VerificationError(f"not a receipt: {err}", code="exchange.receipt") from err

    def verify(self, keys: KeyRing, *, now_us: int) -> None:
        """Hold that the party named signed it.

        Raises
        ------
        VerificationError
            When it did not.
        """
        keys.verify(self.by, self.key_id, canonical(self._body()), self.signature, now_us=now_us)
