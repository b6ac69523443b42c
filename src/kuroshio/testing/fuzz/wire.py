"""What comes from partners, fuzzed: files of bundles, frames, checkpoints, receipts and keys.

What enters: bytes that no key vouches for yet, or frames of a partner that may say anything. What must hold: refused
with an error of ours, nothing taken that nobody signed, and of whatever is taken each part is as it was signed.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Iterator
from functools import cache

from kuroshio import record
from kuroshio.errors import KuroshioError
from kuroshio.exchange import Accepted, Desk, Ledger
from kuroshio.exchange.carry import Carrier, Taken, write_bundles
from kuroshio.links.tls import KeyFolder, read_bundle
from kuroshio.peers import Deliver, Direction, Frame, Memory, Send, Session
from kuroshio.record import notes
from kuroshio.record.cose import cose_receipt, verify_cose
from kuroshio.record.verify import verify_receipt
from kuroshio.schema import Citation, Decision, Effect
from kuroshio.schema.release import Release
from kuroshio.schema.signing import Ed25519Signer, KeyRing, canonical, public_key, unb64
from kuroshio.testing.fuzz.mutate import Rng, below, changed
from kuroshio.testing.network.disk import MemoryFiles

T0_US = 1_790_000_000_000_000
_LENGTH = struct.Struct(">I")
_SIGNERS = {party: Ed25519Signer(party, party.encode().ljust(32, b".")) for party in ("PHL", "JPN")}
_RING = KeyRing([public_key(signer) for signer in _SIGNERS.values()])
_PERMIT = Decision(Effect.PERMIT, (Citation("SIM", "Art.4"),), basis="SIM")
_IN, _OUT = Direction.IN, Direction.OUT


@cache
def _said() -> tuple[Desk, record.Log, list[bytes]]:
    """PHL's desk, its record, and what it said to JPN."""
    log = record.Log(MemoryFiles(), _SIGNERS["PHL"], secret=bytes(32))
    desk = Desk(
        _SIGNERS["PHL"], secret=bytes(32), record=log, ledger=Ledger(), keys=lambda: _RING,
        verify_receipt=lambda release, now_us: None,
    )  # fmt: skip
    made = [
        desk.record("safety", {"text": "warning", "at_us": T0_US}, _PERMIT, to="JPN", now_us=T0_US),
        desk.control("checkpoint", {"note": log.publish().note().decode(), "old_size": 0, "proof": []}, to="JPN",
                     now_us=T0_US),
    ]  # fmt: skip
    made.append(desk.recall(made[0].release_id, by="officer", reason="error", now_us=T0_US + 1))
    return desk, log, [parcel.data for parcel in made]


def bundle_files() -> list[bytes]:
    """Files of one bundle each, and of all."""
    said = _said()[2]
    return [_file(said), *(_file([bundle]) for bundle in said)]


def _file(bundles: list[bytes]) -> bytes:
    file = io.BytesIO()
    write_bundles(file, bundles)
    return file.getvalue()


def check_bundles(data: bytes, rng: Rng) -> set[object]:
    """A file is taken bundle by bundle, and a bundle only as it was signed."""
    del rng
    signed = {Release.from_bytes(bundle).release_id for bundle in _said()[2]}
    verifier = record.ReceiptVerifier(_RING)
    verifier.now_us = T0_US + 2
    desk = Desk(
        _SIGNERS["JPN"], secret=bytes(32), record=_said()[1], ledger=Ledger(), keys=lambda: _RING,
        verify_receipt=lambda release, now_us: verifier.verify(release),
    )  # fmt: skip

    def accept(party: str, bundle: bytes, now_us: int) -> Accepted:
        taken = desk.accept(party, bundle, now_us, carried=True)
        assert Release.from_bytes(bundle).release_id in signed, "taken: what nobody signed"
        return taken

    taken = Taken()
    carrier = Carrier("JPN", keys=lambda: _RING, accept=accept, gone=lambda party, release_id: None)
    for _ in carrier.work(io.BytesIO(data), taken, lambda: T0_US + 2, arrived=False):
        pass
    codes = {("refused", str(refusal["code"])) for refusal in taken.refusals}
    return {*taken.taken, *codes, ("ends", taken.error is None), ("twice", taken.held_before > 0)}


@cache
def conversations() -> list[bytes]:
    """What goes to either side while some items are said over a link: the first byte is the direction."""
    frames: dict[Direction, list[bytes]] = {_IN: [], _OUT: []}
    phl, jpn = (_session(me, partner) for me, partner in (("PHL", "JPN"), ("JPN", "PHL")))

    def run(who: Session, steps: object) -> None:
        for step in steps:  # type: ignore[attr-defined]
            if isinstance(step, Send):
                other, side = (jpn, _IN) if who is phl else (phl, _OUT)
                frames[side].append(step.data)
                run(other, other.frame(side, step.data, T0_US))
            elif isinstance(step, Deliver):
                run(who, who.taken(step.lane, step.seq, step.item_id, T0_US))

    run(jpn, jpn.up(_IN, T0_US))
    run(phl, phl.up(_OUT, T0_US))
    for number, kind in enumerate(("alerts", "tracks", "recall", "safety")):
        run(phl, phl.offer(kind, f"r{number}", b"a bundle", T0_US))
    for seconds in (20, 40):
        run(phl, phl.tick(T0_US + seconds * 1_000_000))
        run(jpn, jpn.tick(T0_US + seconds * 1_000_000))
    return [bytes([side is _OUT]) + b"".join(map(_framed, said)) for side, said in frames.items()]


def changed_frame(data: bytes, rng: Rng) -> bytes:
    """One frame dropped, said again, or with another value in its header, in its one spelling."""
    frames = list(_frames(data))
    if not frames:
        return data
    at = below(rng, len(frames))
    kind, length = frames[at][:1], int.from_bytes(frames[at][1:5], "big")
    how = rng.random()
    try:
        header = changed(json.loads(frames[at][5 : 5 + length]), rng)
        head = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        how = 0.0
    if how < 0.1:
        del frames[at]
    elif how < 0.2:
        frames.insert(below(rng, len(frames) + 1), frames[at])
    else:
        frames[at] = kind + _LENGTH.pack(len(head)) + head + frames[at][5 + length :]
    return data[:1] + b"".join(map(_framed, frames))


def _frames(data: bytes) -> Iterator[bytes]:
    at = 1
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def _session(me: str, partner: str) -> Session:
    return Session(me, partner, Memory(T0_US), lambda item, now_us: True)


def _framed(frame: bytes) -> bytes:
    return _LENGTH.pack(len(frame)) + frame


def check_frames(data: bytes, rng: Rng) -> set[object]:
    """A session answers any frames with instructions, takes no number twice, and tells of errors in its own words."""
    del rng
    session, side = _session("JPN", "PHL"), _OUT if data[:1] == b"\x01" else _IN
    for number in range(3):
        session.offer("alerts", f"r{number}", b"a bundle", T0_US)
    steps = session.up(side, T0_US)
    for frame in _frames(data):
        for step in session.frame(side, frame, T0_US):
            steps.append(step)
            if isinstance(step, Deliver):
                steps += session.taken(step.lane, step.seq, step.item_id, T0_US)
    steps += session.tick(T0_US + 60_000_000)
    session.health(T0_US + 60_000_000)
    numbers = [(step.lane, step.seq) for step in steps if isinstance(step, Deliver)]
    assert len(numbers) == len(set(numbers)), "delivered twice"
    for step in steps:
        if isinstance(step, Send):
            Frame.from_bytes(step.data)  # the other end can read it
    return {(type(step).__name__, getattr(step, "what", getattr(step, "code", ""))) for step in steps}


def checkpoints() -> list[bytes]:
    """A checkpoint with one signature, and with a cosignature."""
    checkpoint = _said()[1].publish()
    cosigned = checkpoint.with_signature(notes.cosign(checkpoint, _SIGNERS["JPN"], at_us=T0_US))
    return [checkpoint.note(), cosigned.note()]


def check_checkpoint(data: bytes, rng: Rng) -> set[object]:
    """A note is read back as it is spelled, and holds only with the size and root that were signed."""
    del rng
    true = _said()[1].publish()
    try:
        read = notes.parse_checkpoint(data)
        assert read.note() == data, "a note has two spellings"
        notes.verify_checkpoint(read, "PHL", _RING, now_us=T0_US + 2)
    except KuroshioError as err:
        return {err.error_code}
    assert (read.size, read.root) == (true.size, true.root), "a checkpoint nobody signed"
    return {("holds", len(read.signatures))}


def receipts() -> list[bytes]:
    """Proofs of leaves as JSON."""
    return [canonical(_said()[1].receipt(seq)) for seq in range(_said()[1].size)]


def check_receipt(data: bytes, rng: Rng) -> set[object]:
    """A proof holds only for a leaf that is on record."""
    del rng
    leaves = [json.loads(receipt)["leaf"] for receipt in receipts()]
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {"no JSON"}
    if not isinstance(value, dict):
        return {"no object"}
    try:
        proven = verify_receipt(value, "PHL", _RING, now_us=T0_US + 2)
    except KuroshioError as err:
        return {err.error_code}
    assert canonical(proven.leaf).decode() in leaves, "a leaf that is not on record"
    return {"holds"}


def cose_receipts() -> list[bytes]:
    """COSE receipts of the same leaves."""
    log = _said()[1]
    checkpoint = log.publish()
    return [
        cose_receipt(log.receipt(seq), checkpoint.size, checkpoint.root, _SIGNERS["PHL"]) for seq in range(log.size)
    ]


def check_cose(data: bytes, rng: Rng) -> set[object]:
    """A COSE receipt holds in one spelling only."""
    del rng
    receipt = _said()[1].receipt(0)
    try:
        verify_cose(data, unb64(receipt["salt"]), receipt["leaf"].encode(), "PHL", _RING, now_us=T0_US + 2)
    except KuroshioError as err:
        return {err.error_code, str(err)[:40]}
    assert data == cose_receipts()[0], "a receipt nobody signed"
    return {"holds"}


@cache
def key_bundles() -> list[bytes]:
    """What one party gives another to be trusted, before and after its key was changed."""
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyFolder.make(folder, "PHL", now_us=T0_US)
        first = keys.export()
        keys.rotate(now_us=T0_US + 1, revoke=True)
        return [first, keys.export()]


def check_keys(data: bytes, rng: Rng) -> set[object]:
    """A bundle of keys is refused in words."""
    del rng
    try:
        return {"trusted", str(read_bundle(data)["party"])}
    except KuroshioError as err:
        return {err.error_code, str(err)[:40]}
