"""Lineage: what a released row rests on besides its releaser's own sensors, told so that only a giver knows its own.

What enters: TRACKS rows. What leaves: for each row marks of the partners' items that fed it. A mark is a one-way hash
of the opaque reference under which an item was given: the party that gave it knows the mark again, nobody else learns
a name, a number or an accord from it, and marks of one ship given to two partners differ. A coarse row carries no
marks: two recipients could join their rows by them where they cannot by place.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pyarrow as pa

from kuroshio.schema.release import LINEAGE_MAX

Gave = Callable[[str], bool]


def mark_of(ref: str) -> str:
    """Mark of the item that was given under a reference: 64 bits, 13 letters and digits."""
    tag = hashlib.blake2b(f"kuroshio/lineage/1|{ref}".encode(), digest_size=8).digest()
    return base64.b32encode(tag).decode("ascii").lower().rstrip("=")


def provenance_of(secret: bytes, track_id: int) -> str:
    """Provenance id of an own track: the same for every recipient, and known again by this node alone.

    Two recipients can join their rows by it, as they can by the place itself: it goes only where the place is exact.
    """
    name = hashlib.blake2b(f"kuroshio/provenance/1|{track_id}".encode(), key=secret[:64], digest_size=8).digest()
    return base64.b32encode(name + _seal(secret, name)).decode("ascii").lower().rstrip("=")


def is_own_provenance(secret: bytes, text: str) -> bool:
    """True for an id that this node made, whenever it did."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError:
        return False
    return len(raw) == 14 and _seal(secret, raw[:8]) == raw[8:]


def _seal(secret: bytes, name: bytes) -> bytes:
    return hashlib.blake2b(b"kuroshio/provenance/seal/1|" + name, key=secret[:64], digest_size=6).digest()


def lineage_column(tracks: pa.Table) -> list[list[str]]:
    """Marks of each row, nearest giver first and at most `LINEAGE_MAX`; none for what own sensors alone hold.

    Marks beyond the limit are left out: who does not find its own falls back to covariance intersection, which is
    safe without them.
    """
    partner = tracks.column("partner")
    if partner.null_count == tracks.num_rows:
        return [[]] * tracks.num_rows
    names = ("partner", "partner_track", "fused_with", "lineage")
    rows = zip(*(tracks.column(name).to_pylist() for name in names), strict=True)
    out = []
    for giver, ref, fused, before in rows:  # a hash a row that a partner gave
        refs = [text.partition(":")[2] for text in fused or ()] or ([ref] if giver is not None and ref else [])
        out.append([*map(mark_of, refs), *(before or ())][:LINEAGE_MAX] if refs else [])
    return out


def echoes(lineage: pa.ChunkedArray, me: str, gave: Gave) -> list[bool]:
    """One flag a row: own data is in it. A party's own code counts too, as releases before marks had it."""
    if lineage.null_count == len(lineage) or not len(lineage.combine_chunks().flatten()):
        return [False] * len(lineage)
    return [any(mark == me or gave(mark) for mark in row or ()) for row in lineage.to_pylist()]


def gave_nothing(mark: str) -> bool:
    """For a receiver that has never given anything."""
    del mark
    return False
