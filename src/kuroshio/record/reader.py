"""Reading a record without its keys: leaves, proofs, what a party knew at a time.

What enters: files of a record (of a running node too: it only grows). What leaves: leaves and receipts. It verifies
the tree against the signed root as it makes a proof, and signs nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from kuroshio.errors import StoreError, VerificationError
from kuroshio.record import notes
from kuroshio.record.cose import cose_receipt
from kuroshio.record.files import Files
from kuroshio.record.journal import SALT_BYTES, SEGMENT_LEAVES, Entry, scan
from kuroshio.record.tiles import WIDTH, Tree, tile_path
from kuroshio.schema.merkle import HASH_BYTES, leaf_hash
from kuroshio.schema.signing import KeyRing, Signer, b64, parse_canonical


class Reader:
    """Tree of the last checkpoint and leaves under it.

    Parameters
    ----------
    files
        `files.Disk` of the record's folder.

    Raises
    ------
    VerificationError
        When there is no checkpoint, or tiles do not lead to the signed root.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self.checkpoint = notes.parse_checkpoint(files.read("checkpoint"))
        self.tree = Tree(lambda lv, i, w: files.read(tile_path(lv, i, w)), lambda lv, i, h: None)
        size, level = self.checkpoint.size, 0
        self.tree.size = size
        while size >> (8 * level):
            count = size >> (8 * level)
            index, width = divmod(count, WIDTH)
            if width:
                data = files.read(tile_path(level, index, width)) or files.read(tile_path(level, index))
                data = data[: width * HASH_BYTES]
                self.tree.restore(level, [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])
            level += 1
        if self.tree.root() != self.checkpoint.root:
            raise VerificationError("tiles do not lead to the signed root", code="record.checkpoint_mismatch")
        self._segment: tuple[int, bytes, list[tuple[int, int]]] = (-1, b"", [])

    def payload(self, seq: int) -> bytes:
        """Salt and canonical leaf of a number.

        Raises
        ------
        VerificationError
            When there is none under the checkpoint.
        StoreError
            When the journal is damaged.
        """
        if not 0 <= seq < self.checkpoint.size:
            raise VerificationError(
                f"leaf {seq} is not under the checkpoint of {self.checkpoint.size}", code="record.index"
            )
        number, inner = divmod(seq, SEGMENT_LEAVES)
        if self._segment[0] != number:
            data = self._files.read(f"journal/{number:08d}.log")
            self._segment = (number, data, scan(data)[0][1:])
        spans = self._segment[2]
        if inner >= len(spans):
            raise StoreError(f"leaf {seq} is not in the journal", code="record.corrupt")
        return self._segment[1][slice(*spans[inner])]

    def receipt(self, seq: int) -> dict[str, Any]:
        """Proof of one leaf."""
        payload = self.payload(seq)
        proof = self.tree.inclusion(seq)
        if self._hash(seq) != leaf_hash(hashlib.sha256(payload).digest()):
            raise VerificationError(f"leaf {seq} is not the one in the tree", code="record.inclusion")
        return Entry(seq, payload[:SALT_BYTES], payload[SALT_BYTES:]).receipt(proof, self.checkpoint.note())

    def _hash(self, seq: int) -> bytes:
        return self.tree._subtree(seq, 0)


def receipt_of(files: Files, seq: int) -> dict[str, Any]:
    """Proof of one leaf of a record."""
    return Reader(files).receipt(seq)


def read_leaves(
    files: Files, *, to: str | None = None, kind: str | None = None, until_us: int | None = None
) -> list[dict[str, Any]]:
    """Leaves under the checkpoint, in order, of a party, a kind, and up to a time of the releaser's clock."""
    reader = Reader(files)
    found = []
    for seq in range(reader.checkpoint.size):
        leaf = parse_canonical(reader.payload(seq)[SALT_BYTES:])
        if (to is None or leaf.get("to") == to) and (kind is None or leaf.get("kind") == kind):
            if until_us is not None and int(leaf.get("at_us", 0)) > until_us:
                continue
            found.append(leaf)
    return found


def export_receipts(files: Files, out: Path, *, to: str | None = None, cose_signer: Signer | None = None) -> int:
    """Number of proofs written to a file, one a line; with a signer each is a COSE receipt beside its leaf and salt."""
    reader, count = Reader(files), 0
    with out.open("w", encoding="utf-8") as file:
        for seq in range(reader.checkpoint.size):
            if to is None or parse_canonical(reader.payload(seq)[SALT_BYTES:]).get("to") == to:
                proof = reader.receipt(seq)
                if cose_signer is not None:
                    made = cose_receipt(proof, reader.checkpoint.size, reader.checkpoint.root, cose_signer)
                    proof = {"seq": seq, "salt": proof["salt"], "leaf": proof["leaf"], "receipt": b64(made)}
                file.write(json.dumps(proof, separators=(",", ":")) + "\n")
                count += 1
    return count


def cosigned(files: Files, party: str, keys: KeyRing, *, now_us: int) -> list[dict[str, Any]]:
    """Per partner of a ring: the largest size of this record it cosigned, when, and how many leaves came since.

    Raises
    ------
    VerificationError
        When a signature does not hold, or is of a state this record never had.
    """
    reader = Reader(files)
    latest = reader.checkpoint
    found = {p: {"party": p, "size": 0, "behind": latest.size, "at_us": None} for p in sorted(keys.parties - {party})}
    for name in files.names("witness"):
        size = int(name)
        if size > latest.size:
            raise VerificationError(f"{size} leaves were cosigned, {latest.size} are there", code="record.rolled_back")
        state = notes.Checkpoint(latest.origin, size, reader.tree.root(size))
        for line in files.read(f"witness/{name}").decode().splitlines():
            signature = notes.parse_signature(line)
            who = signature.name.rpartition("/")[2]
            if who in found:
                at_us = notes.verify_cosignature(state, signature, who, keys, now_us=now_us)
                found[who] = {"party": who, "size": size, "behind": latest.size - size, "at_us": at_us}
    return list(found.values())
