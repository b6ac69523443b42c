"""The journal: in order, whole, bounded, and honest about damage."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kuroshio.errors import StoreError
from kuroshio.store import Journal, disk


def _entries(journal: Journal, start: int | None = None) -> list[tuple[str, int, bytes]]:
    at = journal.first_position if start is None else start
    return [(entry.source, entry.received_at_us, entry.data) for entry in journal.read(at)]


def test_what_goes_in_comes_out_after_reopening(tmp_path: Path) -> None:
    sent = [("basco", -5, b""), ("radar \u65e5", 2**62, bytes(range(256))), ("basco", 7, b"!AIVDM\r\n" * 999)]
    with Journal(tmp_path) as journal:
        first = journal.append(sent[:1])
        assert journal.append(sent[1:]) == journal.end_position
        assert journal.append([]) == journal.end_position
        assert _entries(journal) == sent
        assert _entries(journal, first) == sent[1:]
    with Journal(tmp_path) as journal:
        assert _entries(journal) == sent
        assert journal.torn_bytes == 0


def test_every_cut_of_the_last_entry_gives_the_entries_before_it(tmp_path: Path) -> None:
    with Journal(tmp_path / "whole") as journal:
        keep = journal.append([("a", 1, b"kept")])
        journal.append([("b", 2, b"torn")])
        end = journal.end_position
    data = next((tmp_path / "whole").glob("*.journal")).read_bytes()
    for cut in range(keep, end):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / f"{0:016x}.journal").write_bytes(data[:cut])
        with Journal(folder) as journal:
            assert _entries(journal) == [("a", 1, b"kept")]
            assert journal.torn_bytes == cut - keep
            assert [p.stat().st_size for p in folder.glob("*.torn")] == ([cut - keep] if cut > keep else [])
            journal.append([("c", 3, b"after")])
            assert _entries(journal)[1:] == [("c", 3, b"after")]


def test_every_flipped_bit_of_an_older_segment_is_found(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=1) as journal:
        journal.append([("a", 1, b"one")])
        journal.append([("b", 2, b"two")])
    path = min(tmp_path.glob("*.journal"))
    data = path.read_bytes()
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with Journal(tmp_path, segment_bytes=1) as journal, pytest.raises(StoreError) as caught:
            list(journal.read(0))
        assert caught.value.error_code == "store.corrupt"


def test_a_missing_segment_is_found_when_it_opens(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=1) as journal:
        for number in range(3):
            journal.append([("a", number, b"x")])
    sorted(tmp_path.glob("*.journal"))[1].unlink()
    with pytest.raises(StoreError, match="the next begins at"):
        Journal(tmp_path)


def test_segments_go_once_a_checkpoint_has_passed_them(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=100) as journal:
        ends = [journal.append([("a", number, b"x" * 60)]) for number in range(10)]
        assert journal.counts()["segments"] == 5
        assert journal.remove_before(ends[4]) == 2
        assert journal.first_position == ends[3]
        assert [at for _, at, _ in _entries(journal)] == [4, 5, 6, 7, 8, 9]
        with pytest.raises(StoreError) as caught:
            list(journal.read(0))
        assert caught.value.error_code == "store.position"
        assert journal.remove_before(journal.end_position) == 2  # the one in use stays
        with pytest.raises(StoreError):
            list(journal.read(journal.end_position + 1))
    with Journal(tmp_path, segment_bytes=100) as journal:
        assert [at for _, at, _ in _entries(journal)] == [8, 9]


def test_a_full_journal_refuses_and_counts(tmp_path: Path) -> None:
    with Journal(tmp_path, segment_bytes=100, limit_bytes=300) as journal:
        journal.append([("a", 1, b"x" * 100)])
        journal.append([("a", 2, b"x" * 100)])
        with pytest.raises(StoreError) as caught:
            journal.append([("a", 3, b"x" * 100)])
        assert caught.value.error_code == "store.journal_full"
        assert journal.refused == 1
        journal.remove_before(journal.end_position)
        journal.append([("a", 4, b"x" * 100)])
        with pytest.raises(StoreError) as caught:
            journal.append([("a" * 2000, 4, b"x")])
        assert caught.value.error_code == "store.entry_size"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(StoreError) as caught:
        Journal(tmp_path)
    assert caught.value.error_code == "store.locked"
    Journal(tmp_path).close()


def test_callers_at_once_share_their_syncs_and_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fdatasync
    slow = threading.Event()

    def wait(handle: int) -> None:
        slow.wait(0.01)  # a disk that takes its time, so that callers pile up
        real(handle)

    monkeypatch.setattr(os, "fdatasync", wait)
    with Journal(tmp_path, segment_bytes=2000) as journal:

        def work(name: str) -> None:
            for number in range(20):
                journal.append([(name, number, b"x" * 40)])

        threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = _entries(journal)
        for n in range(8):
            assert [at for source, at, _ in found if source == f"s{n}"] == list(range(20))
        assert journal.syncs < 160


def test_after_a_failed_sync_nothing_more_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append([("a", 1, b"kept")])

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            journal.append([("a", 2, b"lost")])
        assert caught.value.error_code == "store.journal_broken"
    monkeypatch.undo()
    with pytest.raises(StoreError):
        journal.append([("a", 3, b"never")])
    journal.close()
    with Journal(tmp_path) as again:
        assert _entries(again)[0] == ("a", 1, b"kept")


def test_a_full_disk_is_named_and_the_journal_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with Journal(tmp_path) as journal:
        journal.append([("a", 1, b"kept")])

        def half(handle: int, data: bytes) -> int:
            if len(data) <= 8:
                raise OSError(28, "No space left on device")
            return real(handle, data[:8])

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(StoreError) as caught:
            journal.append([("a", 2, b"")])
        assert caught.value.error_code == "store.disk_full"
        monkeypatch.undo()
        journal.append([("a", 3, b"later")])
        assert [at for _, at, _ in _entries(journal)] == [1, 3]


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")

    def fail(path: Path) -> None:
        path.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(StoreError):
        disk.write_durably(target, fail)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_nothing_is_acknowledged_before_its_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kill -9 cannot show this (the page cache survives it): the sync itself must have covered the bytes."""
    real, covered, let_go = os.fdatasync, [0], threading.Event()

    def slow(handle: int) -> None:
        size = os.fstat(handle).st_size
        let_go.wait(5)
        real(handle)
        covered.append(size)

    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "fdatasync", slow)
        done: list[tuple[int, int]] = []

        def work(number: int) -> None:
            position = journal.append([("a", number, b"x" * 50)])
            done.append((position, max(covered)))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.02)
        assert done == []
        let_go.set()
        for thread in threads:
            thread.join(5)
        assert len(done) == 6
        assert all(synced >= position for position, synced in done)
        monkeypatch.undo()
