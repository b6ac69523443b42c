"""Canonical bytes, signatures and trusted keys: what every proof in the node rests on.

What enters: values and private keys held by the caller. What leaves: canonical JSON (RFC 8785), Ed25519 signatures
(RFC 8032) and a `KeyRing` that says which key speaks for which party now. It reads no files; `links.tls.KeyFolder`
does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kuroshio.errors import InputError, VerificationError

KEY_BYTES = 32
SIGNATURE_BYTES = 64


def canonical(value: Any) -> bytes:
    """Canonical JSON of a value (RFC 8785): the same value gives the same bytes everywhere.

    Raises
    ------
    InputError
        When the value has no canonical form: not-a-number, integers beyond 2^53, keys that are not text.
    """
    try:
        if _simple(value):  # the standard library spells these values as RFC 8785 does, ten times faster
            return _ENCODER.encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as err:
        raise InputError(f"no canonical form: {err}", code="input.canonical") from err


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_EXACT = 2**53
# what may be a number that only the slow way spells: a fraction, an exponent, or one that may be beyond 2^53
_ODD_NUMBER = re.compile(rb"[:,\[]-?(?:\d+[.eE]|9\d{15}|\d{17})")


def _simple(value: Any) -> bool:
    """True for values of texts, whole numbers, booleans and nulls under ASCII names: no number needs ES6 spelling."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -_EXACT < value < _EXACT
    if kind is dict:
        return all(type(k) is str and k.isascii() and _simple(v) for k, v in value.items())
    if kind is list:
        return all(_simple(v) for v in value)
    return False


def parse_canonical(data: bytes, *, limit: int = 1 << 20) -> dict[str, Any]:
    """JSON object of canonical bytes; any other spelling of it is refused, so that one value has one digest.

    Raises
    ------
    VerificationError
        When the bytes are too long, not JSON, not an object, or not the canonical spelling.
    """
    if len(data) > limit:
        raise VerificationError(f"{len(data)} bytes of JSON, limit {limit}", code="record.too_long")
    try:
        value = json.loads(data)
        odd = not data.isascii() or _ODD_NUMBER.search(data) is not None
        again = canonical(value) if odd else _ENCODER.encode(value).encode()
    except (ValueError, InputError, RecursionError) as err:
        raise VerificationError(f"not JSON: {err}", code="record.not_json") from err
    if not isinstance(value, dict) or again != data:
        raise VerificationError("JSON is not an object in canonical form", code="record.not_canonical")
    return value


def digest_hex(data: bytes) -> str:
    """SHA-256 as lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def b64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: Any) -> bytes:
    """Bytes of standard base64.

    Raises
    ------
    VerificationError
        When it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as err:
        raise VerificationError(f"not base64: {str(text)[:40]!r}", code="record.base64") from err


class Signer(Protocol):
    """A private key that speaks for a party."""

    @property
    def party(self) -> str:
        """Party code, such as PHL."""
        ...

    @property
    def key_id(self) -> str:
        """Public name of the key."""
        ...

    @property
    def public(self) -> bytes:
        """Raw public key, 32 bytes."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes."""
        ...


def key_id_of(party: str, public: bytes) -> str:
    """Name of a key: party and the first 8 hex digits of the key's SHA-256."""
    return f"{party}-{hashlib.sha256(public).hexdigest()[:8]}"


class Ed25519Signer:
    """Ed25519 private key of a party (RFC 8032).

    Parameters
    ----------
    party
        Party code.
    private
        Raw seed of 32 bytes.
    """

    def __init__(self, party: str, private: bytes) -> None:
        if len(private) != KEY_BYTES:
            raise InputError(f"a signing key has {KEY_BYTES} bytes, not {len(private)}", code="keys.length")
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.public: bytes = self._key.public_key().public_bytes_raw()
        self.party = party
        self.key_id = key_id_of(party, self.public)

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key_id})"


@dataclass(frozen=True)
class PublicKey:
    """A trusted public key: whose it is, and since and until when it may speak."""

    key_id: str
    party: str
    public: bytes
    from_us: int = 0
    revoked_us: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "key_id": self.key_id,
            "party": self.party,
            "public": b64(self.public),
            "from_us": self.from_us,
            "revoked_us": self.revoked_us,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PublicKey:
        """Key of its JSON form.

        Raises
        ------
        VerificationError
            When the name does not belong to the key, or a time is none.
        """
        public = unb64(value.get("public"))
        party, key_id = str(value.get("party")), str(value.get("key_id"))
        if len(public) != KEY_BYTES or key_id != key_id_of(party, public):
            raise VerificationError(f"key {key_id!r} is not the key it names", code="keys.id_mismatch")
        begins, revoked = value.get("from_us", 0), value.get("revoked_us")
        if type(begins) is not int or type(revoked) not in (int, type(None)):
            raise VerificationError(f"key {key_id!r} has a time that is none", code="keys.time")
        return cls(key_id, party, public, begins, revoked)


class KeyRing:
    """Keys trusted now. Revocation is effective at once, whatever time a signature claims.

    Parameters
    ----------
    keys
        Keys to trust from the start.
    """

    def __init__(self, keys: Iterable[PublicKey] = ()) -> None:
        self._keys: dict[str, PublicKey] = {}
        self._loaded: dict[str, Ed25519PublicKey] = {}
        for key in keys:
            self.add(key)

    def add(self, key: PublicKey) -> None:
        """Trust a key, or learn that it is revoked; a revocation is never taken back."""
        known = self._keys.get(key.key_id)
        if known is not None and known.revoked_us is not None:
            return
        self._keys[key.key_id] = key
        self._loaded[key.key_id] = Ed25519PublicKey.from_public_bytes(key.public)

    def revoke(self, key_id: str, at_us: int) -> None:
        """Trust a key no more."""
        key = self._keys.get(key_id)
        if key is not None and key.revoked_us is None:
            self._keys[key_id] = PublicKey(key.key_id, key.party, key.public, key.from_us, at_us)

    def of(self, party: str) -> list[PublicKey]:
        """All keys of a party, revoked ones included."""
        return [key for key in self._keys.values() if key.party == party]

    @property
    def parties(self) -> set[str]:
        """Parties with at least one key that is not revoked."""
        return {key.party for key in self._keys.values() if key.revoked_us is None}

    def get(self, key_id: str) -> PublicKey | None:
        """Key of that name."""
        return self._keys.get(key_id)

    def verify(self, party: str, key_id: str, message: bytes, signature: bytes, *, now_us: int) -> None:
        """Hold that a party's key, trusted now, signed the message.

        Raises
        ------
        VerificationError
            ``keys.unknown``, ``keys.wrong_party``, ``keys.revoked``, ``keys.not_yet`` or ``keys.signature``.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise VerificationError(f"key {key_id[:80]!r} is not trusted", code="keys.unknown")
        if key.party != party:
            raise VerificationError(f"key {key_id} speaks for {key.party}, not {party[:40]}", code="keys.wrong_party")
        if key.revoked_us is not None:
            raise VerificationError(f"key {key_id} is revoked", code="keys.revoked")
        if now_us < key.from_us:
            raise VerificationError(f"key {key_id} is not valid yet", code="keys.not_yet")
        try:
            self._loaded[key_id].verify(signature, message)
        except InvalidSignature as err:
            raise VerificationError(f"signature by {key_id} does not hold", code="keys.signature") from err


def public_key(signer: Signer, *, from_us: int = 0) -> PublicKey:
    """Public half of a signer, as a partner trusts it."""
    return PublicKey(signer.key_id, signer.party, signer.public, from_us)
