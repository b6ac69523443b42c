"""Files a node writes on request: what waits, nothing on a bad request, and copies where nothing comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.test_exchange_carried import Office

from kuroshio.errors import PeerError
from kuroshio.exchange.carry import read_bundles
from kuroshio.node.files_out import FOLDER, FilesOut, ask


class Queue:
    """What waits for JPN."""

    def __init__(self, office: Office) -> None:
        self.parcels = {p.release_id: p.data for p in (office.warn("JPN", n) for n in range(3))}

    def waiting(self, party: str) -> list[bytes]:
        if party != "JPN":
            raise PeerError(f"no link to {party} is configured", code="partner.unknown")
        return list(self.parcels.values())

    def gone(self, party: str, release_id: str) -> None:
        assert party == "JPN"
        del self.parcels[release_id]


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Office(tmp_path / "record", "PHL"))


def asked(out: FilesOut, data: Path, name: str = "one") -> tuple[dict[str, object], list[bytes]]:
    written, answer = ask(data, name, "JPN")
    out.look()
    with written.open("rb") as file:
        bundles = list(read_bundles(file))
    told = json.loads(answer.read_text())
    for path in (written, answer):
        path.unlink()
    return told, bundles


def test_what_waits_is_written_again_until_it_is_answered(tmp_path: Path, queue: Queue) -> None:
    out = FilesOut(tmp_path, waiting=queue.waiting, gone=queue.gone, copies={})
    out.look()  # nobody asked
    for _ in range(5):
        told, bundles = asked(out, tmp_path)
        assert told == {"bundles": 3, "error": None, "to": "JPN"}
        assert bundles == list(queue.parcels.values())
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_where_nothing_comes_back_a_bundle_goes_in_so_many_files(tmp_path: Path, queue: Queue) -> None:
    out = FilesOut(tmp_path, waiting=queue.waiting, gone=queue.gone, copies={"JPN": 3, "USA": 1})
    late = queue.parcels.popitem()
    counts = []
    for number in range(6):
        if number == 2:
            queue.parcels[late[0]] = late[1]
        counts.append(asked(out, tmp_path)[0]["bundles"])
    assert counts == [2, 2, 3, 1, 1, 0]
    assert queue.parcels == {}


@pytest.mark.parametrize(
    "words", [b"", b"{}", b"[1]", b'{"to": "KOR"}', b"\xff", b'{"to": ' + b" " * 5_000 + b'"JPN"}']
)
def test_a_bad_request_is_answered_and_writes_nothing(tmp_path: Path, queue: Queue, words: bytes) -> None:
    out = FilesOut(tmp_path, waiting=queue.waiting, gone=queue.gone, copies={})
    (tmp_path / FOLDER / "bad.wanted").write_bytes(words)
    out.look()
    [answer] = (tmp_path / FOLDER).iterdir()
    assert answer.name == "bad.json"
    assert json.loads(answer.read_text())["error"]
