"""Checks of a record, from outside and from inside: receipts, checkpoints, a whole folder.

What enters: receipts and notes from a partner, or a log's files. What leaves: nothing, or VerificationError; for a
folder, a report of every fault found. It changes nothing.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any

from kuroshio.errors import KuroshioError, StoreError, VerificationError
from kuroshio.record import notes
from kuroshio.record.files import Files
from kuroshio.record.journal import MAX_LEAF, SALT_BYTES, SEGMENT_LEAVES, scan
from kuroshio.record.tiles import WIDTH, Tree, tile_path
from kuroshio.schema.merkle import HASH_BYTES, leaf_hash, verify_consistency, verify_inclusion
from kuroshio.schema.release import Release
from kuroshio.schema.signing import KeyRing, parse_canonical, unb64


@dataclass(frozen=True)
class Proven:
    """A receipt that holds: the leaf and the checkpoint it is under."""

    seq: int
    leaf: dict[str, Any]
    checkpoint: notes.Checkpoint


def verify_receipt(receipt: dict[str, Any], party: str, keys: KeyRing, *, now_us: int) -> Proven:
    """Leaf that a record receipt of a party proves.

    Raises
    ------
    VerificationError
        When signature, proof, salt or leaf do not hold together.
    """
    try:
        if receipt["type"] != "kuroshio/record-receipt/1":
            raise VerificationError("not a record receipt", code="record.receipt")
        seq, proof = int(receipt["seq"]), [unb64(h) for h in receipt["proof"]]
        salt, data = unb64(receipt["salt"]), str(receipt["leaf"]).encode()
        note = str(receipt["checkpoint"]).encode()
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise VerificationError(f"not a record receipt: {err}", code="record.receipt") from err
    if len(salt) != SALT_BYTES or len(data) > MAX_LEAF:
        raise VerificationError("salt or leaf is not of its form", code="record.receipt")
    checkpoint = notes.parse_checkpoint(note)
    notes.verify_checkpoint(checkpoint, party, keys, now_us=now_us)
    commitment = hashlib.sha256(salt + data).digest()
    verify_inclusion(leaf_hash(commitment), seq, checkpoint.size, proof, checkpoint.root)
    leaf = parse_canonical(data, limit=MAX_LEAF)
    if leaf.get("seq") != seq:
        raise VerificationError(f"leaf {seq} says it is {leaf.get('seq')!r}", code="record.seq")
    return Proven(seq, leaf, checkpoint)


def verify_release(release: Release, keys: KeyRing, *, now_us: int) -> Proven:
    """Leaf of the sender's record for a release: same id, root, parties, clause and rows.

    Raises
    ------
    VerificationError
        When the record says something else, or nothing.
    """
    receipt = parse_canonical(release.receipt, limit=256 << 10)
    proven = verify_receipt(receipt, release.releaser, keys, now_us=now_us)
    for name, value in release.leaf().items():
        if proven.leaf.get(name) != value:
            raise VerificationError(
                f"the record says {name} {proven.leaf.get(name)!r}, the release {value!r}", code="record.leaf_mismatch"
            )
    return proven


ANY_SEQ = -1  # the numbers of a partner's releases to us begin with the next one that comes


@dataclass
class Witness:
    """What this node has seen of a partner's record: it only grows, and partner_seq has no holes.

    Parameters
    ----------
    party
        Whose record.
    size, root
        Largest checkpoint verified so far.
    stated_us
        When the partner stated it, by its own clock.
    unproven
        Statements in a row since whose proof began before it.
    next_seq, ahead
        Number of leaves to us seen without a hole, and those beyond it.
    """

    party: str
    size: int = 0
    root: bytes = b""
    next_seq: int = 0
    ahead: set[int] = field(default_factory=set)
    stated_us: int = 0
    unproven: int = 0

    def extend(self, checkpoint: notes.Checkpoint, proof: list[bytes]) -> None:
        """Take a newer checkpoint (its signature verified by the caller) after its proof.

        Raises
        ------
        VerificationError
            ``record.consistency`` when the partner's record forgot or changed something.
        """
        if self.size:
            verify_consistency(self.size, checkpoint.size, proof, self.root, checkpoint.root)
        self.size, self.root = checkpoint.size, checkpoint.root

    def begin_again(self) -> dict[str, Any]:
        """Forget what was seen, for the next checkpoint to begin anew; returns it, to be kept as evidence.

        A person decides it, when the partner has said how its record came to be an older one.
        """
        seen = {"size": self.size, "root": self.root.hex(), "next_seq": self.next_seq}
        self.size, self.root, self.next_seq, self.ahead = 0, b"", ANY_SEQ, set()
        self.stated_us = self.unproven = 0
        return seen

    def saw(self, partner_seq: int) -> None:
        """A leaf to us was proven."""
        if self.next_seq == ANY_SEQ:
            self.next_seq = max(0, partner_seq)
        if partner_seq >= self.next_seq and len(self.ahead) < 1_000_000:
            self.ahead.add(partner_seq)
        while self.next_seq in self.ahead:
            self.ahead.remove(self.next_seq)
            self.next_seq += 1

    def gaps(self, limit: int = 100) -> list[int]:
        """Numbers of releases to us that the partner's record has and we have not."""
        if not self.ahead:
            return []
        holes = (n for n in range(self.next_seq, max(self.ahead)) if n not in self.ahead)
        return [n for _, n in zip(range(limit), holes, strict=False)]

    def as_dict(self) -> dict[str, Any]:
        """JSON form for a store."""
        return {
            "party": self.party,
            "size": self.size,
            "root": self.root.hex(),
            "next_seq": self.next_seq,
            "ahead": sorted(self.ahead),
            "stated_us": self.stated_us,
            "unproven": self.unproven,
        }

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Witness:
        """Witness of its JSON form."""
        return cls(
            value["party"],
            int(value["size"]),
            bytes.fromhex(value["root"]),
            int(value["next_seq"]),
            set(value["ahead"]),
            int(value.get("stated_us", 0)),  # a file of before has neither
            int(value.get("unproven", 0)),
        )


class ReceiptVerifier:
    """Check that `exchange.receive` asks for: record receipts of all partners, with the memory of a witness.

    Parameters
    ----------
    keys
        Keys trusted now.
    witnesses
        What was seen before, by party.
    """

    def __init__(self, keys: KeyRing, witnesses: dict[str, Witness] | None = None) -> None:
        self.keys = keys
        self.witnesses = witnesses if witnesses is not None else {}
        self.now_us = 0

    def verify(self, release: Release) -> None:
        """Hold that the sender's record has the release.

        Raises
        ------
        VerificationError
            When it has not, or contradicts what was seen of that record before.
        """
        proven = verify_release(release, self.keys, now_us=self.now_us)
        witness = self.witnesses.setdefault(release.releaser, Witness(release.releaser))
        same_size = witness.size and proven.checkpoint.size == witness.size
        if same_size and proven.checkpoint.root != witness.root:
            raise VerificationError("two roots for one size: the record forks", code="record.fork")
        witness.saw(int(proven.leaf.get("partner_seq", -1)))


@dataclass
class Report:
    """Result of checking a folder."""

    size: int = 0
    root: str = ""
    checkpoint_size: int = 0
    cosignatures: list[str] = field(default_factory=list)
    torn_bytes: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True when no fault was found."""
        return not self.faults

    def fault(self, code: str, text: str, **where: Any) -> None:
        """Note a fault, up to a thousand."""
        if len(self.faults) < 1000:
            self.faults.append({"code": code, "text": text, **where})


def fsck(files: Files, party: str, keys: KeyRing, *, now_us: int, witnesses: tuple[str, ...] = ()) -> Report:
    """Every fault of a record's folder: journal, dense numbers, tiles, entries, checkpoint, cosignatures."""
    report = Report()
    tree = Tree(lambda lv, i, w: files.read(tile_path(lv, i, w)), lambda lv, i, h: _check_tile(report, files, lv, i, h))
    try:
        checkpoint = notes.parse_checkpoint(files.read("checkpoint"))
        notes.verify_checkpoint(checkpoint, party, keys, now_us=now_us)
        report.checkpoint_size = checkpoint.size
    except KuroshioError as err:
        report.fault(err.error_code, err.message, file="checkpoint")
        checkpoint = None
    counts: dict[str, int] = {}
    at_checkpoint: bytes | None = None
    for number, name in enumerate(n for n in files.names("journal") if n.endswith(".log")):
        if name != f"{number:08d}.log":
            report.fault("record.corrupt", f"journal segment {number} is missing", file=name)
            break
        data = files.read(f"journal/{name}")
        spans, end = scan(data)
        if end != len(data):
            report.torn_bytes = len(data) - end
            last = not files.names("journal")[number + 1 :]
            if not last or (checkpoint is not None and number * SEGMENT_LEAVES + len(spans) - 1 < checkpoint.size):
                report.fault("record.corrupt", f"journal damaged at byte {end}", file=name)
        for start, stop in spans[1:]:
            payload = data[start:stop]
            _check_leaf(report, payload, tree.size, counts)
            commitment = hashlib.sha256(payload).digest()
            tree.append([leaf_hash(commitment)])
            if checkpoint is not None and tree.size == checkpoint.size:
                at_checkpoint = tree.root()
    report.size, report.root = tree.size, tree.root().hex()
    if checkpoint is not None:
        if checkpoint.size == 0:
            at_checkpoint = tree.root(0)
        if at_checkpoint is None:
            report.fault("record.rolled_back", f"{tree.size} leaves, {checkpoint.size} were signed")
        elif at_checkpoint != checkpoint.root:
            report.fault("record.checkpoint_mismatch", "the journal is not what was signed")
        for witness in witnesses:
            _check_witness(report, checkpoint, witness, keys, now_us)
    _check_edge(report, files, tree, checkpoint)
    return report


def _check_leaf(report: Report, payload: bytes, seq: int, counts: dict[str, int]) -> None:
    try:
        leaf = parse_canonical(payload[SALT_BYTES:], limit=MAX_LEAF)
    except VerificationError as err:
        report.fault(err.error_code, err.message, seq=seq)
        return
    if leaf.get("seq") != seq:
        report.fault("record.seq", f"leaf {seq} says it is {leaf.get('seq')!r}", seq=seq)
    to = leaf.get("to")
    if isinstance(to, str):
        if leaf.get("partner_seq") != counts.get(to, 0):
            report.fault(
                "record.partner_seq", f"to {to}: {leaf.get('partner_seq')!r} after {counts.get(to, 0)}", seq=seq
            )
        counts[to] = counts.get(to, 0) + 1


def _check_tile(report: Report, files: Files, level: int, index: int, hashes: bytes) -> None:
    found = files.read(tile_path(level, index))
    if found != hashes:
        report.fault("record.tile", "tile is not that of the journal", file=tile_path(level, index))


def _check_edge(report: Report, files: Files, tree: Tree, checkpoint: notes.Checkpoint | None) -> None:
    """Partial tiles of the checkpoint, and all entry tiles, against the journal's hashes."""
    if checkpoint is None or checkpoint.size != tree.size:
        return
    for level in range(tree.levels()):
        edge = tree.partial(level)
        path = tile_path(level, (tree.size >> (8 * level)) // WIDTH, len(edge))
        if edge and files.read(path) != b"".join(edge):
            report.fault("record.tile", "tile is not that of the journal", file=path)
    for index in range((tree.size + WIDTH - 1) // WIDTH):
        width = min(WIDTH, tree.size - index * WIDTH)
        path = tile_path("entries", index, width)
        data = files.read(path)
        step = 2 + HASH_BYTES
        parts = [data[i : i + step] for i in range(0, len(data), step)]
        good = len(parts) == width and all(p[:2] == struct.pack(">H", HASH_BYTES) for p in parts)
        hashes = files.read(tile_path(0, index, width))
        if not good or b"".join(leaf_hash(p[2:]) for p in parts) != hashes:
            report.fault("record.entries", "entries are not those of the tree", file=path)


def _check_witness(report: Report, checkpoint: notes.Checkpoint, witness: str, keys: KeyRing, now_us: int) -> None:
    for signature in checkpoint.signatures:
        if signature.name != f"kuroshio.witness/{witness}":
            continue
        try:
            notes.verify_cosignature(checkpoint, signature, witness, keys, now_us=now_us)
            report.cosignatures.append(witness)
        except VerificationError as err:
            report.fault(err.error_code, err.message, witness=witness)


def raise_faults(report: Report) -> None:
    """Hold that a report has no fault.

    Raises
    ------
    VerificationError
        With the first fault found.
    StoreError
        When the folder holds no record at all.
    """
    if report.faults:
        first = report.faults[0]
        if first["code"] == "record.note" and not report.size:
            raise StoreError("no record here", code="record.none", advice="Name the folder that holds `checkpoint`.")
        raise VerificationError(f"{first['text']} ({len(report.faults)} faults)", code=first["code"])
