"""A record that came back from an old copy: refused, until a person lets it begin again, and that is on record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kuroshio import clock, record
from kuroshio.cli.record import app
from kuroshio.errors import VerificationError
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.node.rewitness import Requests
from kuroshio.record import Witness, WitnessDesk
from kuroshio.schema.signing import Ed25519Signer, KeyRing, public_key
from kuroshio.testing.demo import free_port
from kuroshio.testing.network.disk import MemoryFiles

T0 = 1_790_000_000_000_000
SIGNERS = {party: Ed25519Signer(party, party.encode().ljust(32, b".")) for party in ("PHL", "JPN")}
KEYS = KeyRing([public_key(s) for s in SIGNERS.values()])


class Office:
    """A record, and the memory of a witness."""

    def __init__(self, party: str) -> None:
        self.party, self.files = party, MemoryFiles()
        self.witnesses: dict[str, Witness] = {}
        self.shown: dict[str, int] = {}
        self.open()

    def open(self) -> None:
        signer = SIGNERS[self.party]
        self.log = record.Log(self.files, signer, secret=bytes(32))
        self.desk = WitnessDesk(self.log, signer, lambda: KEYS, witnesses=self.witnesses, shown=self.shown)

    def grow(self, count: int, word: str) -> None:
        self.log.append([{"kind": word, "to": "JPN", "number": n} for n in range(count)])

    def back_to(self, files: MemoryFiles) -> None:
        """An old copy of the record comes back; what the partners saw of it stays where it was."""
        self.files = files
        self.open()


def copy_of(files: MemoryFiles) -> MemoryFiles:
    other = MemoryFiles()
    other._written = {name: bytearray(data) for name, data in files._written.items()}
    other._safe = dict(files._safe)
    return other


def stated(phl: Office) -> dict[str, Any]:
    """PHL's newest checkpoint for JPN."""
    body = phl.desk.statement("JPN")
    assert body is not None
    return body


def show(phl: Office, jpn: Office, *, stated_us: int = T0) -> None:
    """PHL's newest checkpoint goes to JPN, and the cosignature comes back."""
    reply = jpn.desk.on_checkpoint("PHL", stated(phl), T0, stated_us=stated_us)
    assert reply is not None
    phl.desk.on_cosignature("JPN", reply, T0)


def test_a_checkpoint_that_a_newer_one_overtook_accuses_nobody_and_a_later_one_that_shrank_does() -> None:
    phl, jpn = Office("PHL"), Office("JPN")
    phl.grow(5, "a")
    first = stated(phl)
    phl.grow(3, "b")
    second = stated(phl)  # by a file, and there before the first, whose link was down
    assert jpn.desk.on_checkpoint("PHL", second, T0, stated_us=T0 + 2) is not None
    assert jpn.desk.on_checkpoint("PHL", first, T0, stated_us=T0 + 1) is None
    assert jpn.witnesses["PHL"].size == 8
    jpn.witnesses["PHL"] = Witness.from_dict(jpn.witnesses["PHL"].as_dict())  # and so after a restart
    assert jpn.desk.on_checkpoint("PHL", first, T0, stated_us=T0 + 2) is None
    with pytest.raises(VerificationError) as caught:
        jpn.desk.on_checkpoint("PHL", first, T0, stated_us=T0 + 3)
    assert caught.value.error_code == "record.consistency"


def test_a_checkpoint_made_before_our_cosignature_came_gets_it_again_a_few_times() -> None:
    """The way back was cut after the first: PHL proves the next from the beginning, as it must."""
    phl, jpn = Office("PHL"), Office("JPN")
    phl.grow(5, "a")
    assert jpn.desk.on_checkpoint("PHL", stated(phl), T0, stated_us=T0) is not None  # and does not arrive
    for number in range(3):
        phl.grow(2, "b")
        again = jpn.desk.on_checkpoint("PHL", stated(phl), T0, stated_us=T0 + 1 + number)
        assert again is not None
        assert again["size"] == 5
        assert jpn.witnesses["PHL"].size == 5  # nothing was proven
    phl.desk.on_cosignature("JPN", again, T0)
    show(phl, jpn, stated_us=T0 + 9)
    assert jpn.witnesses["PHL"].size == 11
    for number in range(5):  # from here it could know better
        phl.shown.clear()
        phl.grow(1, "c")
        if number < 3:
            assert jpn.desk.on_checkpoint("PHL", stated(phl), T0, stated_us=T0 + 10 + number) is not None
        else:
            with pytest.raises(VerificationError) as caught:
                jpn.desk.on_checkpoint("PHL", stated(phl), T0, stated_us=T0 + 10 + number)
            assert caught.value.error_code == "record.consistency_start"


def test_a_partner_with_an_older_record_is_refused_until_a_person_lets_it_begin_again() -> None:
    phl, jpn = Office("PHL"), Office("JPN")
    phl.grow(5, "a")
    phl.log.publish()
    old = copy_of(phl.files)
    phl.grow(3, "b")
    show(phl, jpn)
    for number in range(8):
        jpn.witnesses["PHL"].saw(number)
    phl.back_to(old)
    for size in (1, 5, 9):  # smaller, and then larger than what was seen: another past either way
        phl.grow(size, "c")
        phl.shown.clear()
        with pytest.raises(VerificationError):  # the larger one at its maker, by the cosignature it gets
            show(phl, jpn, stated_us=T0 + size)
    seen = jpn.witnesses["PHL"].begin_again()
    assert (seen["size"], seen["next_seq"]) == (8, 8)
    show(phl, jpn)
    assert jpn.witnesses["PHL"].size == phl.log.size
    jpn.witnesses["PHL"].saw(20)  # the partner's numbers to us begin where they are now
    jpn.witnesses["PHL"].saw(22)
    assert jpn.witnesses["PHL"].gaps() == [21]
    phl.grow(1, "d")
    show(phl, jpn)  # and from here on every step is proven again
    with pytest.raises(VerificationError):
        forged = Office("PHL")
        forged.grow(40, "x")
        show(forged, jpn)


def test_a_witness_with_an_older_memory_is_let_out_the_same_way() -> None:
    """The partner proves from where we stood before our old copy came back: without a way out, for ever."""
    phl, jpn = Office("PHL"), Office("JPN")
    phl.grow(5, "a")
    show(phl, jpn)
    memory = jpn.witnesses["PHL"].as_dict()
    phl.grow(5, "b")
    show(phl, jpn)
    jpn.witnesses["PHL"] = Witness.from_dict(memory)
    for _ in range(3):
        phl.grow(1, "c")
        with pytest.raises(VerificationError) as caught:
            show(phl, jpn)
        assert caught.value.error_code == "record.consistency_start"
    jpn.witnesses["PHL"].begin_again()
    show(phl, jpn)
    assert jpn.witnesses["PHL"].size == 13


def ask(folder: Path, *more: str) -> int:
    return CliRunner().invoke(app, ["rewitness", str(folder), *more]).exit_code


async def test_a_running_node_does_what_was_asked_and_puts_it_on_record(tmp_path: Path) -> None:
    document = {
        "node": {"party": "PHL", "name": "test"}, "peer": {"port": free_port()},
        "partners": [{"party": "JPN", "url": f"https://127.0.0.1:{free_port()}"}],
    }  # fmt: skip
    node = Node(config.from_dict(document, base=tmp_path))
    await node.start()
    try:
        folder = node.config.node.data / "record"
        book = node.partners.room._book
        book.witnesses["JPN"] = Witness("JPN", 70, b"r" * 32, 12, {15})
        why = ("--by", "officer of the watch", "--reason", "their disk failed; told by telephone")
        assert await asyncio.to_thread(ask, folder, "jpn", *why) != 0
        assert await asyncio.to_thread(ask, folder, "JPN", "--by", " ", "--reason", "x") != 0
        assert await asyncio.to_thread(ask, folder.parent / "none", "JPN", *why) != 0
        assert book.witnesses["JPN"].size == 70
        assert await asyncio.to_thread(ask, folder, "JPN", *why) == 0
        (node.config.node.data / "rewitness" / "USA.json").write_text("{")
        async with asyncio.timeout(30):
            while Requests(node.config.node.data).take():
                await asyncio.sleep(0.1)
        assert book.witnesses["JPN"].size == 0
        kept = type(book)(node.config.node.data / "witness.json")
        assert kept.witnesses["JPN"].next_seq == -1  # and after a restart
        assert node._ledger.numbers() == {"JPN": (-1, set())}
        [leaf] = [e.leaf for e in node._record.entries() if e.leaf["kind"] == "rewitness"]
        assert leaf["of"] == "JPN"
        assert leaf["decided_by"] == "officer of the watch"
        assert leaf["seen"] == {"size": 70, "root": (b"r" * 32).hex(), "next_seq": 12}
        assert leaf["at_us"] <= clock.now_us()
    finally:
        await node.stop()
