"""The log: dense, durable, provable, and honest about damage."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from kuroshio import record
from kuroshio.errors import InputError, StoreError, VerificationError
from kuroshio.record import Disk, Witness, fsck, notes
from kuroshio.record.log import Log
from kuroshio.record.reader import Reader, read_leaves
from kuroshio.record.tiles import Tree
from kuroshio.schema import merkle
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key

T0 = 1_790_000_000_000_000
SECRET = bytes(range(32))
PHL = Ed25519Signer("PHL", b"p" * 32)
JPN = Ed25519Signer("JPN", b"j" * 32)
KEYS = KeyRing([public_key(PHL), public_key(JPN)])


def log_in(folder: Path) -> Log:
    return record.open_log(folder, PHL, secret=SECRET)


def leaves(n: int, to: str = "JPN") -> list[dict[str, object]]:
    return [{"kind": "tracks", "from": "PHL", "to": to, "rows": i, "at_us": T0 + i} for i in range(n)]


def test_rfc6962_known_roots() -> None:
    # CT reference inputs: the roots follow from RFC 6962 section 2.1 by hand for sizes 0 and 1
    assert merkle.empty_root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def plain_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 by its recursive definition, as a check on the two fast forms."""
    if len(hashes) < 2:
        return hashes[0] if hashes else merkle.empty_root()
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return merkle.node_hash(plain_root(hashes[:k]), plain_root(hashes[k:]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 255, 256, 257, 511, 513, 1000, 70_000])
def test_tiles_agree_with_the_definition(size: int) -> None:
    hashes = [merkle.leaf_hash(i.to_bytes(4, "big")) for i in range(size)]
    tiles: dict[tuple[int, int], bytes] = {}
    tree = Tree(lambda lv, i, w: tiles[lv, i], lambda lv, i, h: tiles.__setitem__((lv, i), h))
    for start in range(0, size, 97):
        tree.append(hashes[start : start + 97])
    top = plain_root(hashes)
    assert tree.root() == merkle.root(hashes) == top
    rng = np.random.default_rng(size)
    for index in {0, size - 1, *rng.integers(0, size, 5).tolist()}:
        proof = tree.inclusion(index)
        merkle.verify_inclusion(hashes[index], index, size, proof, top)
        if size < 2000:
            assert proof == merkle.inclusion_proof(hashes, index)
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(hashes[index], index, size, [*proof, top], top)
        if size > 1:
            with pytest.raises(VerificationError):
                merkle.verify_inclusion(hashes[index], (index + 1) % size, size, proof, top)
    for old in {1, size // 2 or 1, size, *rng.integers(1, size + 1, 5).tolist()}:
        before = tree.root(old)
        assert before == plain_root(hashes[:old])
        proof = tree.consistency(old)
        merkle.verify_consistency(old, size, proof, before, top)
        if old < size:
            with pytest.raises(VerificationError):
                merkle.verify_consistency(old, size, proof, top, top)


def test_numbers_are_dense_over_the_log_and_per_partner(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    assert log.append(leaves(3)) == [0, 1, 2]
    assert log.append([*leaves(2, "USA"), {"kind": "consent"}, *leaves(1)]) == [3, 4, 5, 6]
    found = [(e.leaf.get("to"), e.leaf.get("partner_seq")) for e in log.entries()]
    assert found == [("JPN", 0), ("JPN", 1), ("JPN", 2), ("USA", 0), ("USA", 1), (None, None), ("JPN", 3)]
    assert log.partner_count("JPN") == 4


def test_receipts_prove_and_a_changed_one_does_not(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(600))
    with pytest.raises(VerificationError, match="checkpoint"):
        log.receipt(5)
    log.publish()
    receipt = log.receipt(300)
    proven = record.verify_receipt(receipt, "PHL", KEYS, now_us=T0)
    assert proven.leaf["rows"] == 300
    assert proven.checkpoint.size == 600
    changes = {
        "leaf": receipt["leaf"].replace('"rows":300', '"rows":301'),
        "seq": 301,
        "salt": receipt["salt"][::-1],
        "proof": receipt["proof"][:-1],
        "checkpoint": receipt["checkpoint"].replace("600", "601", 1),
    }
    for name, value in changes.items():
        with pytest.raises(VerificationError):
            record.verify_receipt({**receipt, name: value}, "PHL", KEYS, now_us=T0)
    with pytest.raises(VerificationError):
        record.verify_receipt(receipt, "JPN", KEYS, now_us=T0)


def test_opened_again_it_goes_on(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(300))
    first = log.publish()
    again = log_in(tmp_path)
    assert again.size == 300
    assert again.root() == first.root
    assert again.append(leaves(1)) == [300]
    assert again.entry(300).leaf["partner_seq"] == 300
    merkle.verify_consistency(300, 301, again.consistency(300), first.root, again.root())


def test_a_torn_tail_is_cut_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(10))
    path = tmp_path / "journal" / "00000000.log"
    whole = path.read_bytes()
    log.append(leaves(1))
    more = path.read_bytes()
    for cut in range(len(whole) + 1, len(more)):
        path.write_bytes(more[:cut])
        again = log_in(tmp_path)
        assert again.size == 10
        assert again.counters["torn_bytes"] == cut - len(whole)
        assert path.read_bytes() == whole


def test_damage_before_the_end_and_a_rolled_back_journal_stop_it(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(10))
    log.publish()
    path = tmp_path / "journal" / "00000000.log"
    good = path.read_bytes()
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    path.write_bytes(bytes(bad))
    with pytest.raises(StoreError) as caught:
        log_in(tmp_path)
    assert caught.value.error_code == "record.corrupt"
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(StoreError) as caught:
        log_in(tmp_path)
    assert caught.value.error_code == "record.rolled_back"


def test_a_rewritten_journal_does_not_match_its_checkpoint(tmp_path: Path) -> None:
    log_in(tmp_path / "a").append(leaves(10))
    log_in(tmp_path / "a").publish()
    other = leaves(10)
    other[4]["rows"] = 99
    log_in(tmp_path / "b").append(other)
    (tmp_path / "b" / "checkpoint").write_bytes((tmp_path / "a" / "checkpoint").read_bytes())
    with pytest.raises(VerificationError) as caught:
        log_in(tmp_path / "b")
    assert caught.value.error_code == "record.checkpoint_mismatch"
    codes = {f["code"] for f in fsck(Disk(tmp_path / "b"), "PHL", KEYS, now_us=T0).faults}
    assert "record.checkpoint_mismatch" in codes


def test_fsck_finds_each_kind_of_damage(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(700))
    log.publish()
    assert fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0).ok
    expected = {
        "tile/0/000": "record.tile",
        "tile/0/002.p/188": "record.tile",
        "tile/1/000.p/2": "record.tile",
        "tile/entries/001": "record.entries",
        "journal/00000000.log": "record.corrupt",
        "checkpoint": "keys.signature",
    }
    for name, code in expected.items():
        path = tmp_path / name
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2 if name != "checkpoint" else good.rindex(b"\n", 0, -1) + 40] ^= 2
        path.write_bytes(bytes(bad))
        codes = {f["code"] for f in fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0).faults}
        assert codes & {code, "record.note", "record.base64", "record.checkpoint_unsigned"}, (name, codes)
        path.write_bytes(good)
    assert fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0).ok


def test_a_leaf_that_cannot_be_written_takes_no_number(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    with pytest.raises(InputError):
        log.append([{"kind": "x", "value": float("nan")}])
    with pytest.raises(InputError):
        log.append([{"kind": "x", "text": "y" * 70_000}])
    assert log.append(leaves(1)) == [0]


def test_many_callers_share_a_sync(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    seqs: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        for _ in range(20):
            mine = log.append(leaves(1, f"P{number}"))
            with lock:
                seqs.extend(mine)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seqs) == list(range(160))
    assert log.counters["syncs"] <= 160
    log.publish()
    assert fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0).ok


def test_segments_roll_and_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = log_in(tmp_path)
    log.append([{"kind": "n", "to": "JPN"} for _ in range(65_536 + 300)])
    checkpoint = log.publish()
    assert sorted(p.name for p in (tmp_path / "journal").iterdir()) == ["00000000.log", "00000001.log"]
    again = log_in(tmp_path)
    assert again.size == 65_836
    assert again.root() == checkpoint.root
    assert again.partner_count("JPN") == 65_836
    for seq in (0, 65_535, 65_536, 65_835):
        record.verify_receipt(again.receipt(seq), "PHL", KEYS, now_us=T0)
    assert Reader(Disk(tmp_path)).receipt(70 * 900)["seq"] == 63_000
    assert fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0).ok


def test_cosignatures_and_witness(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append(leaves(10))
    first = log.publish()
    signature = record.cosign(first, JPN, at_us=T0)
    assert log.add_cosignature(signature, size=10)
    record.verify_cosignature(log.checkpoint, signature, "JPN", KEYS, now_us=T0)
    assert notes.parse_checkpoint((tmp_path / "checkpoint").read_bytes()) == log.checkpoint
    assert fsck(Disk(tmp_path), "PHL", KEYS, now_us=T0, witnesses=("JPN",)).cosignatures == ["JPN"]
    assert [(c["party"], c["size"]) for c in log.cosigners()] == [("JPN", log.checkpoint.size)]
    log.append(leaves(5))
    second = log.publish()
    assert not log.add_cosignature(signature, size=10)
    with pytest.raises(VerificationError):
        record.verify_cosignature(second, signature, "JPN", KEYS, now_us=T0)
    witness = Witness("PHL")
    witness.extend(first, [])
    with pytest.raises(VerificationError):
        Witness("PHL", 10, b"x" * 32).extend(second, log.consistency(10))
    witness.extend(second, log.consistency(10))
    for seq in (0, 1, 4):
        witness.saw(seq)
    assert witness.gaps() == [2, 3]
    assert Witness.from_dict(witness.as_dict()) == witness


def test_what_was_known_when(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.append([*leaves(10), *leaves(3, "USA")])
    log.publish()
    assert len(read_leaves(Disk(tmp_path), to="JPN", until_us=T0 + 4)) == 5
    assert len(read_leaves(Disk(tmp_path), to="USA")) == 3
