"""Frames of the journal: length, CRC-32 and payload (salt and canonical leaf).

What enters: bytes of a journal segment. What leaves: whole frames, where they end, and whether what follows is a write
cut short or damage to something that was durable.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kuroshio.record.tiles import WIDTH
from kuroshio.schema.signing import b64, parse_canonical

SEGMENT_LEAVES = WIDTH * WIDTH
SALT_BYTES = 16
MAX_LEAF = 64 << 10
FRAME = struct.Struct(">II")


def frame(payload: bytes) -> bytes:
    """One frame."""
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


@dataclass(frozen=True)
class Entry:
    """A leaf as kept: its number, salt and canonical bytes."""

    seq: int
    salt: bytes
    data: bytes

    @property
    def commitment(self) -> bytes:
        """What the tree and the entry tiles hold."""
        return hashlib.sha256(self.salt + self.data).digest()

    @property
    def leaf(self) -> dict[str, Any]:
        """Leaf as a mapping."""
        return parse_canonical(self.data)

    def receipt(self, proof: Sequence[bytes], note: bytes) -> dict[str, Any]:
        """Proof of this leaf under a checkpoint's note, for the party it concerns."""
        return {
            "type": "kuroshio/record-receipt/1",
            "seq": self.seq,
            "salt": b64(self.salt),
            "leaf": self.data.decode(),
            "proof": [b64(h) for h in proof],
            "checkpoint": note.decode(),
        }


def scan(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """(start, stop) of each whole frame's payload, and the end of the last whole frame."""
    spans: list[tuple[int, int]] = []
    at, size = 0, len(data)
    view = memoryview(data)
    while at + FRAME.size <= size:
        length, check = FRAME.unpack_from(data, at)
        start, stop = at + FRAME.size, at + FRAME.size + length
        if length > MAX_LEAF + SALT_BYTES or stop > size or zlib.crc32(view[start:stop]) != check:
            break
        spans.append((start, stop))
        at = stop
    return spans, at


def torn(data: bytes, end: int) -> bool:
    """True when what follows the last whole frame can be one write cut short: no whole frame comes after it.

    A damaged frame with whole frames behind it is corruption of something that was durable, never a torn write.
    """
    if end + FRAME.size > len(data):
        return True
    length, _ = FRAME.unpack_from(data, end)
    stop = end + FRAME.size + length
    if length <= MAX_LEAF + SALT_BYTES and stop < len(data):
        return not scan(data[stop : stop + 4 * (MAX_LEAF + SALT_BYTES)])[0]
    return True


def counts_after(data: bytes, spans: Sequence[tuple[int, int]]) -> dict[str, int]:
    """Next partner sequence of each party after a segment: its head's counts, moved on by its leaves."""
    head = parse_canonical(data[slice(*spans[0])])
    counts = {str(party): int(count) for party, count in head["counts"].items()}
    for start, stop in spans[1:]:
        leaf = parse_canonical(data[start + SALT_BYTES : stop])
        if "partner_seq" in leaf:
            counts[leaf["to"]] = int(leaf["partner_seq"]) + 1
    return counts
