"""Keys of simulated parties: the shipped Ed25519, or a keyed hash of the same shape that costs a tenth.

What enters: a party's name. What leaves: signers and rings. Nobody in the simulation forges what only the private key
could sign, so the keyed hash keeps every refusal; one world in `SHIPPED_EVERY` signs with the shipped code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature

from kuroshio.schema.signing import Ed25519Signer, KeyRing, PublicKey, Signer, key_id_of

SHIPPED_EVERY = 4


def _tag(public: bytes, message: bytes) -> bytes:
    return hashlib.blake2b(message, key=public).digest()


class QuickSigner:
    """Signs with a hash keyed by its own public key: for simulations only."""

    def __init__(self, party: str, seed: bytes) -> None:
        self.party, self.public = party, hashlib.sha256(b"quick" + seed).digest()
        self.key_id = key_id_of(party, self.public)

    def sign(self, message: bytes) -> bytes:
        """Signature of 64 bytes."""
        return _tag(self.public, message)


class _QuickKey:
    def __init__(self, public: bytes) -> None:
        self._public = public

    def verify(self, signature: bytes, message: bytes) -> None:
        if signature != _tag(self._public, message):
            raise InvalidSignature


class QuickRing(KeyRing):
    """The shipped ring and its rules, over keys of `QuickSigner`."""

    _loaded: dict[str, Any]

    def add(self, key: PublicKey) -> None:
        """Trust a key, or learn that it is revoked."""
        super().add(key)
        self._loaded[key.key_id] = _QuickKey(key.public)


def key_of(party: str, generation: int = 0, *, shipped: bool = True) -> Signer:
    """Signing key of a party, from its name alone."""
    seed = hashlib.sha256(f"sim|{party}|{generation}".encode()).digest()
    return Ed25519Signer(party, seed) if shipped else QuickSigner(party, seed)


def ring_of(keys: Iterable[PublicKey], *, shipped: bool = True) -> KeyRing:
    """Keys trusted from the start."""
    return KeyRing(keys) if shipped else QuickRing(keys)
