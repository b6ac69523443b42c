"""The log: append-only, provable, durable before it says so.

What enters: leaves (mappings) that the node wants on record. What leaves: dense numbers, receipts that prove a leaf to
the one partner it concerns, checkpoints, proofs. A leaf is written to a journal with its salt and hashed into the tree
as a commitment SHA-256(salt || canonical leaf): other partners, who cosign the tree, learn nothing from it.

Files: ``journal/NNNNNNNN.log`` (frames of length, CRC-32 and payload; the truth), ``tile/...`` (C2SP tlog-tiles, made
from the journal), ``checkpoint`` (signed note). `append` returns after fdatasync; concurrent callers share one
(group commit). A torn last frame is cut on opening; a journal that ends before the checkpoint is a stop, not a repair.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kuroshio.errors import InputError, StoreError, VerificationError
from kuroshio.record import notes
from kuroshio.record.files import Files
from kuroshio.record.group import Ticket, Turns
from kuroshio.record.journal import (
    FRAME,
    MAX_LEAF,
    SALT_BYTES,
    SEGMENT_LEAVES,
    Entry,
    counts_after,
    frame,
    scan,
    torn,
)
from kuroshio.record.tiles import WIDTH, Tree, entry_tile, tile_path
from kuroshio.schema.merkle import leaf_hash
from kuroshio.schema.signing import Signer, canonical

_HEAD = "journal/"


class Log:
    """Record of one party.

    Parameters
    ----------
    files
        `files.Disk` of the record's folder.
    signer
        Key of the party; signs checkpoints.
    secret
        Secret bytes that salts are made from.

    Raises
    ------
    StoreError
        ``record.rolled_back`` when the journal holds less than the checkpoint signed, ``record.corrupt`` when a frame
        before the last is damaged.
    VerificationError
        ``record.checkpoint_mismatch`` when the journal's root is not the one signed.
    """

    def __init__(self, files: Files, signer: Signer, *, secret: bytes) -> None:
        self.party, self._signer, self._files, self._secret = signer.party, signer, files, secret
        self.origin = notes.origin_of(signer.party)
        self._tree = Tree(lambda level, index, width: files.read(tile_path(level, index, width)), self._write_tile)
        self._counts: dict[str, int] = {}
        self._cosigners: dict[str, dict[str, Any]] = {}
        self._unsynced: list[bytes] = []
        self._recent: list[bytes] = []
        self._segment = 0
        self._offsets = array("Q")
        self._end = 0
        self._lock = threading.Lock()
        self._turns = Turns(self._commit)
        self._failed: StoreError | None = None
        self.counters = {"appended": 0, "syncs": 0, "torn_bytes": 0}
        self._checkpoint = self._open()

    # -- writing

    @property
    def size(self) -> int:
        """Number of durable leaves."""
        return self._tree.size

    @property
    def files(self) -> Files:
        """Where it lies, for readers."""
        return self._files

    @property
    def checkpoint(self) -> notes.Checkpoint:
        """Last checkpoint published."""
        return self._checkpoint

    def append(self, leaves: Sequence[Mapping[str, Any]]) -> list[int]:
        """Numbers of the leaves, durable when they are returned.

        Each leaf gains ``seq`` (dense over the log), and where it has ``to``, ``partner_seq`` (dense over all leaves
        to that party: a gap is a missing release).

        Raises
        ------
        InputError
            When a leaf has no canonical form or is too long; nothing of the call is written.
        StoreError
            When the disk refuses; the log takes nothing more until it is opened again.
        """
        ticket = Ticket(leaves)
        self._turns.take(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.seqs

    def _commit(self, group: Sequence[Ticket]) -> None:
        """Write and sync the leaves of several callers at once."""
        try:
            with self._lock:
                if self._failed is not None:
                    raise self._failed
                for ticket in group:
                    self._write(ticket)
                self._settle()
        except StoreError as err:
            self._failed = err  # what is on disk is not known any more: open again
            for ticket in group:
                ticket.error = ticket.error or err
        finally:
            for ticket in group:
                ticket.done = True

    def _settle(self) -> None:
        """Sync what was written; only then it enters the tree."""
        self._files.sync(self._journal())
        self.counters["syncs"] += 1
        commitments, self._unsynced = self._unsynced, []
        self._recent += commitments
        self._tree.append([leaf_hash(c) for c in commitments])
        self.counters["appended"] += len(commitments)
        if self._tree.size - self._segment * SEGMENT_LEAVES == SEGMENT_LEAVES:
            self._roll()

    def _write(self, ticket: Ticket) -> None:
        """Frames of one caller, written segment by segment; all of its leaves are checked before any is written."""
        base = self._tree.size + len(self._unsynced)
        payloads, counts = [], dict(self._counts)
        try:
            for number, leaf in enumerate(ticket.leaves):
                full = {**leaf, "seq": base + number}
                to = full.get("to")
                if isinstance(to, str):
                    full["partner_seq"] = counts.get(to, 0)
                    counts[to] = full["partner_seq"] + 1
                data = canonical(full)
                if len(data) > MAX_LEAF:
                    raise InputError(f"a leaf of {len(data)} bytes, limit {MAX_LEAF}", code="record.leaf")
                salt = hmac.digest(self._secret, struct.pack(">Q", base + number) + data, "sha256")[:SALT_BYTES]
                payloads.append((salt + data, to))
        except InputError as err:
            ticket.error = err
            return
        at = 0
        while at < len(payloads):
            part = payloads[at : at + SEGMENT_LEAVES - len(self._offsets)]
            frames = bytearray()
            for payload, to in part:
                self._offsets.append(self._end + len(frames))
                frames += frame(payload)
                self._unsynced.append(hashlib.sha256(payload).digest())
                if isinstance(to, str):
                    self._counts[to] = self._counts.get(to, 0) + 1
            self._files.append(self._journal(), bytes(frames))
            self._end += len(frames)
            at += len(part)
            if len(self._offsets) == SEGMENT_LEAVES:
                self._settle()
        ticket.seqs = list(range(base, base + len(payloads)))

    def cosigners(self) -> list[dict[str, Any]]:
        """Per partner the newest state it cosigned since the log was opened: party, size, time in microseconds."""
        return sorted(self._cosigners.values(), key=lambda row: str(row["party"]))

    def publish(self, *, now_us: int = 0) -> notes.Checkpoint:
        """Sign a checkpoint over all durable leaves and put tiles and checkpoint in place (``now_us`` is not used)."""
        del now_us
        with self._lock:
            if self._checkpoint.size == self._tree.size and self._checkpoint.signatures:
                return self._checkpoint
            for level in range(self._tree.levels()):
                edge = self._tree.partial(level)
                if edge:
                    index = (self._tree.size >> (8 * level)) // WIDTH
                    self._files.put(tile_path(level, index, len(edge)), b"".join(edge))
            self._write_entries(self._tree.size // WIDTH)
            signed = notes.sign_checkpoint(self.origin, self._tree.size, self._tree.root(), self._signer)
            self._files.replace("checkpoint", signed.note())
            self._checkpoint = signed
            return signed

    def add_cosignature(self, signature: notes.Signature, *, size: int) -> bool:
        """Keep a witness's signature (verified by the caller) under its checkpoint; False when that has moved on.

        Cosignatures of older checkpoints are kept in ``witness/<size>``, so that they prove the past too.
        """
        with self._lock:
            name = f"witness/{size:012d}"
            data = self._files.read(name)
            line = signature.line().encode()
            who, at_us = signature.name.rpartition("/")[2], int.from_bytes(signature.blob[:8], "big") * 1_000_000
            if size >= self._cosigners.get(who, {"size": 0})["size"]:
                self._cosigners[who] = {"party": who, "size": size, "at_us": at_us}
            if line not in data:
                self._files.replace(name, data + line)
            if size != self._checkpoint.size:
                return False
            self._checkpoint = self._checkpoint.with_signature(signature)
            self._files.replace("checkpoint", self._checkpoint.note())
            return True

    def _roll(self) -> None:
        """Begin a new journal segment; it starts with the counts so far. Tiles behind it are made durable first."""
        self._files.flush()
        self._segment += 1
        head = canonical({"first_seq": self._segment * SEGMENT_LEAVES, "counts": self._counts})
        self._begin(head)
        self._offsets = array("Q")

    def _begin(self, head: bytes) -> None:
        data = frame(head)
        self._files.append(self._journal(), data)
        self._files.sync(self._journal())
        self._end = len(data)

    def _journal(self) -> str:
        return f"{_HEAD}{self._segment:08d}.log"

    def _write_tile(self, level: int, index: int, hashes: bytes) -> None:
        self._files.put(tile_path(level, index), hashes)
        if level == 0:
            self._write_entries(index)

    def _write_entries(self, index: int) -> None:
        """Entry tile: the commitments, each under a 16-bit length (C2SP tlog-tiles)."""
        part, count = self._recent[:WIDTH], min(WIDTH, len(self._recent))
        if count:
            self._files.put(tile_path("entries", index, count), entry_tile(part))
        if count == WIDTH:
            del self._recent[:WIDTH]

    # -- opening

    def _open(self) -> notes.Checkpoint:
        segments = [n for n in self._files.names("journal") if n.endswith(".log")]
        if segments:
            self._segment = int(segments[-1].split(".")[0])
            if len(segments) != self._segment + 1:
                raise StoreError("a segment of the journal is missing", code="record.corrupt")
            self._recover()
        else:
            head = canonical({"first_seq": 0, "counts": {}})
            self._begin(head)
        note = self._files.read("checkpoint")
        if not note:
            return notes.Checkpoint(self.origin, 0, self._tree.root(0))
        checkpoint = notes.parse_checkpoint(note)
        if checkpoint.size > self._tree.size:
            raise StoreError(
                f"the journal holds {self._tree.size} leaves, the checkpoint signed {checkpoint.size}",
                code="record.rolled_back",
                advice="Leaves that were signed are lost: restore the newest copy, and tell the partners.",
            )
        if self._tree.root(checkpoint.size) != checkpoint.root:
            raise VerificationError("the journal is not what was signed", code="record.checkpoint_mismatch")
        return checkpoint

    def _recover(self) -> None:
        """Read the last segment, cut a torn tail, and put the tree's edge back."""
        name = self._journal()
        data = self._files.read(name)
        frames, end = scan(data)
        if not frames and self._segment == 0 and not data:
            raise StoreError("the journal is empty", code="record.corrupt")
        if end < len(data):
            if not torn(data, end):
                raise StoreError(f"{name} is damaged at byte {end}", code="record.corrupt")
            self.counters["torn_bytes"] = len(data) - end
            self._files.truncate(name, end)
        if not frames:  # the segment's own head was torn: it had no leaf yet
            self._restart_segment()
            return
        self._counts = counts_after(data, frames)
        hashes = []
        for start, stop in frames[1:]:
            commitment = hashlib.sha256(data[start:stop]).digest()
            self._recent.append(commitment)
            hashes.append(leaf_hash(commitment))
            self._offsets.append(start - FRAME.size)
        self._end = end
        self._tree.restore_above(self._segment, level=2)
        self._tree.append(hashes)
        if len(hashes) == SEGMENT_LEAVES:
            self._roll()

    def _restart_segment(self) -> None:
        """Write the head of the last segment again, from the segment before it."""
        if self._segment:
            old = self._files.read(f"{_HEAD}{self._segment - 1:08d}.log")
            self._counts = counts_after(old, scan(old)[0])
        self._begin(canonical({"first_seq": self._segment * SEGMENT_LEAVES, "counts": self._counts}))
        self._tree.restore_above(self._segment, level=2)

    # -- reading

    def entry(self, seq: int) -> Entry:
        """One leaf with its salt.

        Raises
        ------
        VerificationError
            When there is none of that number.
        """
        with self._lock:
            return next(self._entries(seq, 1))

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Leaves in order."""
        stop = self.size if stop is None else min(stop, self.size)
        while start < stop:
            count = min(4096, stop - start)
            with self._lock:
                part = list(self._entries(start, count))
            yield from part
            start += count

    def _entries(self, start: int, count: int) -> Iterator[Entry]:
        if start < 0 or start + count > self._segment * SEGMENT_LEAVES + len(self._offsets):
            raise VerificationError(f"no leaf {start}", code="record.index")
        seq = start
        while seq < start + count:
            segment, inner = divmod(seq, SEGMENT_LEAVES)
            stop = min(start + count, (segment + 1) * SEGMENT_LEAVES)
            name = f"{_HEAD}{segment:08d}.log"
            if segment == self._segment:
                low = self._offsets[inner]
                high_index = stop - segment * SEGMENT_LEAVES
                high = self._offsets[high_index] if high_index < len(self._offsets) else self._end
                data = self._files.read(name, low, high - low)
                spans, _ = scan(data)
            else:
                data = self._files.read(name)
                spans = scan(data)[0][1 + inner : 1 + inner + stop - seq]
            if len(spans) != stop - seq:
                raise StoreError(f"{name} is damaged", code="record.corrupt")
            for first, last in spans:
                yield Entry(seq, data[first : first + SALT_BYTES], data[first + SALT_BYTES : last])
                seq += 1

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves."""
        with self._lock:
            return self._tree.root(size)

    def inclusion(self, seq: int, size: int | None = None) -> list[bytes]:
        """Proof that a leaf is in the tree of a size."""
        with self._lock:
            return self._tree.inclusion(seq, size)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of the new size extends that of the old."""
        with self._lock:
            return self._tree.consistency(old, new)

    def receipt(self, seq: int) -> dict[str, Any]:
        """Proof of one leaf for the party it concerns: leaf, salt, inclusion proof, signed checkpoint.

        The checkpoint is the last published one; publish first when the leaf is younger.

        Raises
        ------
        VerificationError
            When the leaf is not yet under a checkpoint.
        """
        checkpoint = self._checkpoint
        if seq >= checkpoint.size:
            raise VerificationError(f"leaf {seq} is not under a checkpoint yet", code="record.unpublished")
        return self.entry(seq).receipt(self.inclusion(seq, checkpoint.size), checkpoint.note())

    def numbers(self, last: int = 100_000) -> dict[str, int]:
        """Number of the leaf of each release among the last leaves, by release id."""
        leaves = (entry.leaf for entry in self.entries(max(0, self.size - last)))
        return {str(v["release_id"]): int(v["seq"]) for v in leaves if "to" in v and "release_id" in v}

    def partner_count(self, party: str) -> int:
        """Number of leaves that concern a party: its next ``partner_seq``."""
        return self._counts.get(party, 0)
