"""Signed notes and checkpoints: the few lines of text that pin a whole log.

What enters: origin, size and root. What leaves: a checkpoint signed by its log and cosigned by partners as witnesses,
or VerificationError. Formats: C2SP signed-note, tlog-checkpoint and tlog-cosignature (cosignature/v1); Ed25519.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from kuroshio.errors import VerificationError
from kuroshio.schema.merkle import HASH_BYTES
from kuroshio.schema.signing import SIGNATURE_BYTES, KeyRing, Signer, b64, unb64

MAX_NOTE = 64 << 10
MAX_SIGNATURES = 64
ED25519, COSIGNATURE_V1 = 0x01, 0x04  # C2SP signed-note, signature types
_DASH = "\u2014"


@dataclass(frozen=True)
class Signature:
    """One signature line: who, the key hash and the bytes."""

    name: str
    key_hash: bytes
    blob: bytes

    def line(self) -> str:
        """The line as written."""
        return f"{_DASH} {self.name} {b64(self.key_hash + self.blob)}\n"


@dataclass(frozen=True)
class Checkpoint:
    """State of a log: origin, number of leaves, root, and the signatures under it."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[Signature, ...] = ()

    @property
    def text(self) -> bytes:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n".encode()

    def note(self) -> bytes:
        """The whole note."""
        return self.text + b"\n" + "".join(s.line() for s in self.signatures).encode()

    def with_signature(self, signature: Signature) -> Checkpoint:
        """The checkpoint with one more signature; one by the same key replaces the older."""
        kept = tuple(s for s in self.signatures if (s.name, s.key_hash) != (signature.name, signature.key_hash))
        return Checkpoint(self.origin, self.size, self.root, (*kept, signature))


def key_hash(name: str, public: bytes, kind: int) -> bytes:
    """First four bytes of SHA-256(name, newline, type, key) (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def origin_of(party: str) -> str:
    """Origin line of a party's record."""
    return f"kuroshio.record/{party}"


def sign_checkpoint(origin: str, size: int, root: bytes, signer: Signer) -> Checkpoint:
    """Checkpoint signed by its log; the signature's name is the origin."""
    plain = Checkpoint(origin, size, root)
    signature = Signature(origin, key_hash(origin, signer.public, ED25519), signer.sign(plain.text))
    return plain.with_signature(signature)


def _cosigned_text(checkpoint: Checkpoint, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n".encode() + checkpoint.text


def cosign(checkpoint: Checkpoint, signer: Signer, *, at_us: int) -> Signature:
    """A witness's signature: it has seen this state, and it extends every state it saw before."""
    at_s = at_us // 1_000_000
    name = f"kuroshio.witness/{signer.party}"
    blob = struct.pack(">Q", at_s) + signer.sign(_cosigned_text(checkpoint, at_s))
    return Signature(name, key_hash(name, signer.public, COSIGNATURE_V1), blob)


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Checkpoint of a note; no signature is checked.

    Raises
    ------
    VerificationError
        ``record.note`` when it is not a checkpoint in its one spelling.
    """
    if len(note) > MAX_NOTE:
        raise VerificationError(f"a note of {len(note)} bytes", code="record.note")
    try:
        text, _, signed = note.decode("utf-8").partition("\n\n")
        origin, size_text, root_text = text.split("\n")
        size = int(size_text)
        root = unb64(root_text)
    except (UnicodeDecodeError, ValueError) as err:
        raise VerificationError(f"not a checkpoint: {err}", code="record.note") from err
    if str(size) != size_text or size < 0 or len(root) != HASH_BYTES or not origin:
        raise VerificationError("not a checkpoint", code="record.note")
    if not signed.endswith("\n"):
        raise VerificationError("a checkpoint without signature", code="record.note")
    signatures = [parse_signature(line) for line in signed[:-1].split("\n")[: MAX_SIGNATURES + 1]]
    if len(signatures) > MAX_SIGNATURES:
        raise VerificationError("too many signatures", code="record.note")
    checkpoint = Checkpoint(origin, size, root, tuple(signatures))
    if checkpoint.note() != note:
        raise VerificationError("not the one spelling of a checkpoint", code="record.note")
    return checkpoint


def parse_signature(line: str) -> Signature:
    """Signature of its line.

    Raises
    ------
    VerificationError
        ``record.note`` when it is not one.
    """
    dash, _, rest = line.partition(" ")
    name, _, blob_text = rest.partition(" ")
    blob = unb64(blob_text)
    if dash != _DASH or not name or len(blob) < 5:
        raise VerificationError(f"not a signature line: {line[:60]!r}", code="record.note")
    return Signature(name, blob[:4], blob[4:])


def verify_checkpoint(checkpoint: Checkpoint, party: str, keys: KeyRing, *, now_us: int) -> None:
    """Hold that a key of the party, trusted now, signed the checkpoint of its own log.

    Raises
    ------
    VerificationError
        When none did.
    """
    origin = origin_of(party)
    if checkpoint.origin != origin:
        raise VerificationError(f"checkpoint of {checkpoint.origin[:60]}, not {origin}", code="record.origin")
    for signature in checkpoint.signatures:
        for key in keys.of(party):
            if signature.name == origin and signature.key_hash == key_hash(origin, key.public, ED25519):
                keys.verify(party, key.key_id, checkpoint.text, signature.blob, now_us=now_us)
                return
    raise VerificationError(f"no trusted key of {party} signed the checkpoint", code="record.checkpoint_unsigned")


def verify_cosignature(
    checkpoint: Checkpoint, signature: Signature, witness: str, keys: KeyRing, *, now_us: int
) -> int:
    """Time in UTC microseconds at which a witness signed the checkpoint.

    Raises
    ------
    VerificationError
        When no key of the witness, trusted now, did.
    """
    name = f"kuroshio.witness/{witness}"
    if signature.name != name or len(signature.blob) != 8 + SIGNATURE_BYTES:
        raise VerificationError(f"not a cosignature of {witness}", code="record.cosignature")
    at_s = int(struct.unpack(">Q", signature.blob[:8])[0])
    for key in keys.of(witness):
        if signature.key_hash == key_hash(name, key.public, COSIGNATURE_V1):
            keys.verify(witness, key.key_id, _cosigned_text(checkpoint, at_s), signature.blob[8:], now_us=now_us)
            return at_s * 1_000_000
    raise VerificationError(f"no trusted key of {witness} cosigned", code="record.cosignature")
