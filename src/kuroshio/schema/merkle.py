"""Merkle tree hashing: roots, inclusion and consistency proofs over SHA-256.

What enters: leaf data or leaf hashes. What leaves: 32-byte roots, proofs, and a VerificationError where a proof does
not hold. It stores nothing; `record` keeps trees on disk, `exchange` roots the rows of a release.

Source: RFC 6962 section 2.1 and RFC 9162 section 2.1 (hashing, inclusion 2.1.3, consistency 2.1.4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from kuroshio.errors import VerificationError

HASH_BYTES = 32
MAX_PROOF = 64  # a tree of 2^64 leaves


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00 || data) (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def empty_root() -> bytes:
    """Root of the tree with no leaves: SHA-256 of nothing."""
    return hashlib.sha256(b"").digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes in order."""
    if not leaf_hashes:
        return empty_root()
    level, sha = list(leaf_hashes), hashlib.sha256
    while len(level) > 1:
        odd = level.pop() if len(level) % 2 else None
        level = [sha(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
        if odd is not None:
            level.append(odd)
    return level[0]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Sibling hashes from a leaf to the root of the tree over all hashes given."""
    if not 0 <= index < len(leaf_hashes):
        raise VerificationError(f"leaf {index} is not in a tree of {len(leaf_hashes)}", code="record.index")
    proof: list[bytes] = []
    level, at = list(leaf_hashes), index
    while len(level) > 1:
        sibling = at ^ 1
        if sibling < len(level):
            proof.append(level[sibling])
        odd = level[-1] if len(level) % 2 else None
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if odd is not None:
            level.append(odd)
        at //= 2
    return proof


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Root that an inclusion proof leads to (RFC 9162, 2.1.3.2).

    Raises
    ------
    VerificationError
        When index, size and length of the proof do not fit one another.
    """
    if not 0 <= index < size or len(proof) > MAX_PROOF or any(len(p) != HASH_BYTES for p in proof):
        raise VerificationError(f"proof for leaf {index} of {size} is malformed", code="record.proof_malformed")
    fn, sn, node = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise VerificationError("inclusion proof is too long", code="record.proof_malformed")
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise VerificationError("inclusion proof is too short", code="record.proof_malformed")
    return node


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Hold that a leaf hash is at an index of the tree with that size and root.

    Raises
    ------
    VerificationError
        ``record.inclusion`` when the proof leads to another root.
    """
    if root_from_inclusion(leaf, index, size, proof) != expected_root:
        raise VerificationError(f"leaf {index} is not in the tree of {size}", code="record.inclusion")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Hold that the tree of the new size only added to the tree of the old size (RFC 9162, 2.1.4.2).

    Raises
    ------
    VerificationError
        ``record.consistency`` when history was changed, ``record.proof_malformed`` when the proof cannot be read.
    """
    if not 0 <= old_size <= new_size or len(proof) > 2 * MAX_PROOF:
        raise VerificationError(f"a log cannot go from {old_size} to {new_size}", code="record.consistency")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise VerificationError(f"two roots for one size {old_size}", code="record.consistency")
        return
    if old_size == 0:
        if proof or old_root != empty_root():
            raise VerificationError("wrong root for the empty log", code="record.consistency")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise VerificationError("consistency proof is empty", code="record.proof_malformed")
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for node in path[1:]:
        if sn == 0:
            raise VerificationError("consistency proof is too long", code="record.proof_malformed")
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    if sn or old != old_root or new != new_root:
        raise VerificationError(f"log of {new_size} does not extend the log of {old_size}", code="record.consistency")


def leaf_hashes(data: Sequence[bytes]) -> list[bytes]:
    """Hashes of many leaves."""
    sha = hashlib.sha256
    return [sha(b"\x00" + d).digest() for d in data]
