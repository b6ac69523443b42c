"""The folder for files that somebody carries: a file that the node stops at is not met again at each start."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from kuroshio.exchange import Accepted
from kuroshio.exchange.carry import write_bundles
from kuroshio.node import inbox
from kuroshio.schema.release import Release
from kuroshio.schema.signing import KeyRing


def no_keys() -> KeyRing:
    raise KeyError("a fault of the program")


def test_a_file_that_stops_the_node_is_set_aside_whole_and_the_next_is_taken(tmp_path: Path) -> None:
    def accept(party: str, bundle: bytes, now_us: int) -> Accepted:
        raise AssertionError("nothing here is signed")

    def file_of(*bundles: bytes) -> bytes:
        file = io.BytesIO()
        write_bundles(file, bundles)
        return file.getvalue()

    content = file_of(Release(b"{}", b"s", b"p").to_bytes())
    folder = inbox.Inbox(tmp_path, "JPN", keys=no_keys, accept=accept, gone=lambda party, release_id: None)
    answer = inbox.put(tmp_path, "first", content)
    second = inbox.put(tmp_path, "second", file_of())
    with pytest.raises(KeyError):
        folder.look(1)
    assert "first.broken" in json.loads(answer.read_text())["error"]
    assert (tmp_path / "inbox" / "first.broken").read_bytes() == content
    again = inbox.Inbox(tmp_path, "JPN", keys=no_keys, accept=accept, gone=lambda party, release_id: None)
    again.look(2)  # the node starts again
    assert json.loads(second.read_text())["error"] is None
    assert sorted(p.name for p in (tmp_path / "inbox").iterdir()) == ["first.broken", "first.json", "second.json"]
