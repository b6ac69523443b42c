"""Receipts as COSE, so that a verifier of SCITT transparency services can read our proofs.

What enters: a proof of one leaf and the log's key. What leaves: bytes of a COSE_Sign1 receipt (verifiable data
structure 1, RFC9162_SHA256), and the check of one. The leaf entry is the commitment SHA-256(salt || leaf); salt and
leaf go beside the receipt, since only the party concerned may read them. The signature is over the root, detached.

Source: RFC 9052 (COSE_Sign1), RFC 8949 (CBOR, deterministic), draft-ietf-cose-merkle-tree-proofs (labels 395, 396; -1).
"""

from __future__ import annotations

import hashlib
from typing import Any

from kuroshio.errors import VerificationError
from kuroshio.schema.merkle import leaf_hash, root_from_inclusion
from kuroshio.schema.signing import KeyRing, Signer, unb64

EDDSA, ALG, KID, VDS, VDP, RFC9162_SHA256, INCLUSION = -8, 1, 4, 395, 396, 1, -1
_TAG_SIGN1 = b"\xd2"  # CBOR tag 18


def _head(major: int, value: int) -> bytes:
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 24:
            return bytes([major << 5 | value])
        if value < 1 << (8 * size):
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise ValueError(f"{value} has no CBOR form")


def cbor(value: Any) -> bytes:
    """Deterministic CBOR of whole numbers, bytes, texts, lists, maps with whole-number keys, and None."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(cbor(v) for v in value)
    pairs = sorted((cbor(k), cbor(v)) for k, v in value.items())
    return _head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


def uncbor(data: bytes, at: int = 0) -> tuple[Any, int]:
    """(value, end) of what `cbor` writes.

    Raises
    ------
    VerificationError
        ``record.cose`` on anything else.
    """
    try:
        major, info = data[at] >> 5, data[at] & 31
        at += 1
        if (major, info) == (7, 22):
            return None, at
        if info >= 24:
            size = 1 << (info - 24)
            if info > 27 or at + size > len(data):
                raise VerificationError("not CBOR of a receipt", code="record.cose")
            info, at = int.from_bytes(data[at : at + size], "big"), at + size
        if major in (0, 1):
            return (info if major == 0 else -1 - info), at
        if major in (2, 3):
            raw = data[at : at + info]
            if len(raw) != info:
                raise VerificationError("CBOR is cut short", code="record.cose")
            return (raw if major == 2 else raw.decode()), at + info
        if major == 4 and info <= len(data):
            items = []
            for _ in range(info):
                item, at = uncbor(data, at)
                items.append(item)
            return items, at
        if major == 5 and info <= len(data):
            pairs = {}
            for _ in range(info):
                key, at = uncbor(data, at)
                pairs[key], at = uncbor(data, at)
            return pairs, at
    except (IndexError, UnicodeDecodeError, RecursionError, TypeError) as err:
        raise VerificationError(f"not CBOR of a receipt: {err}", code="record.cose") from err
    raise VerificationError("not CBOR of a receipt", code="record.cose")


def _signed(protected: bytes, root: bytes) -> bytes:
    return cbor(["Signature1", protected, b"", root])


def cose_receipt(receipt: dict[str, Any], size: int, root: bytes, signer: Signer) -> bytes:
    """COSE receipt of a proof (`Entry.receipt`) under a tree of a size, signed by the log's owner."""
    protected = cbor({ALG: EDDSA, KID: signer.key_id.encode(), VDS: RFC9162_SHA256})
    path = cbor([size, receipt["seq"], [unb64(h) for h in receipt["proof"]]])
    signature = signer.sign(_signed(protected, root))
    return _TAG_SIGN1 + cbor([protected, {VDP: {INCLUSION: [path]}}, None, signature])


def verify_cose(data: bytes, salt: bytes, leaf: bytes, party: str, keys: KeyRing, *, now_us: int) -> tuple[int, int]:
    """(number of the leaf, size of the tree) that a COSE receipt of a party proves.

    Raises
    ------
    VerificationError
        When it is not such a receipt, or does not hold.
    """
    if data[:1] != _TAG_SIGN1:
        raise VerificationError("not a tagged COSE_Sign1", code="record.cose")
    value, end = uncbor(data[1:])
    try:
        protected, unprotected, payload, signature = value
        header, whole = uncbor(protected)
        (path,) = unprotected[VDP][INCLUSION]
        size, index, proof = uncbor(path)[0]
        good = (header[ALG], header[VDS], payload, whole, end) == (
            EDDSA, RFC9162_SHA256, None, len(protected), len(data) - 1,
        )  # fmt: skip
        if not good or cbor(value) != data[1:]:
            raise VerificationError("not a receipt of this kind", code="record.cose")
        root = root_from_inclusion(leaf_hash(hashlib.sha256(salt + leaf).digest()), index, size, proof)
        keys.verify(party, header[KID].decode(), _signed(protected, root), signature, now_us=now_us)
    except (TypeError, ValueError, LookupError, AttributeError) as err:
        raise VerificationError(f"not a receipt: {err}", code="record.cose") from err
    return index, size
