"""Files, serial lines and pipes bring every byte once, in order, and say what went wrong."""

from __future__ import annotations

import asyncio
import gzip
import os
import pty

import pytest

from kuroshio.errors import LinkError
from kuroshio.links import (
    FileReader,
    Replay,
    Serial,
    Stdin,
    Tail,
)
from kuroshio.testing.links import Sink, running, until


def now() -> int:
    return 1_000_000


def no_chance() -> float:
    return 0.0


async def test_file_reader_opens_gzip_and_ends(tmp_path):
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"x" * 200_000))
    sink = Sink()
    await FileReader(path, now=now).run(sink)
    assert sink.data == b"x" * 200_000
    with pytest.raises(LinkError, match="absent"):
        await FileReader(tmp_path / "absent", now=now).run(sink)


async def test_tail_follows_rotation(tmp_path):
    path = tmp_path / "grow.log"
    path.write_bytes(b"old\n")
    sink = Sink()
    async with running(Tail(path, now=now, poll_s=0.01), sink):
        await asyncio.sleep(0.05)
        with path.open("ab") as file:
            file.write(b"new\nhal")
        await until(lambda: sink.data == b"new\n")
        path.rename(tmp_path / "grow.log.1")
        path.write_bytes(b"fresh\n")
        await until(lambda: b"fresh" in sink.data)
    assert sink.data == b"new\nhal\nfresh\n"


async def test_replay_keeps_order_and_the_relative_timing(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"0 a\n0 b\nno time\n1 c\n2 d\n")

    def time_of_line(line: bytes) -> int | None:
        head = line.split()[0]
        return int(head) * 1_000_000 if head.isdigit() else None

    began = []
    sink = Sink()
    await Replay(path, now=now, time_of_line=time_of_line, speed=50.0, began=began.append).run(sink)
    assert began == [0]
    assert sink.blocks == [b"0 a\n0 b\nno time\n", b"1 c\n", b"2 d\n"]


async def test_replay_puts_a_table_in_order_of_time_and_keeps_its_header(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"time,ship\n5,a\n9,a\n1,b\n7,b\n")

    def time_of_line(line: bytes) -> int | None:
        head = line.split(b",")[0]
        return int(head) * 1_000_000 if head.isdigit() else None

    sink = Sink()
    await Replay(path, now=now, time_of_line=time_of_line, speed=0.0, ordered=False).run(sink)
    assert sink.data.split() == [b"time,ship", b"1,b", b"5,a", b"7,b", b"9,a"]


async def test_serial_reads_a_pseudo_terminal():
    pytest.importorskip("serial")
    leader, follower = pty.openpty()
    sink = Sink()
    async with running(Serial(os.ttyname(follower), now=now, chance=no_chance), sink):
        for _ in range(200):
            os.write(leader, b"$X\r\n")
            if sink.data:
                break
            await asyncio.sleep(0.02)
    assert b"$X" in sink.data
    os.close(leader)
    os.close(follower)


async def test_tail_survives_truncation_recreation_and_a_last_line_before_rotation(tmp_path):
    path = tmp_path / "grow.log"
    path.write_bytes(b"first log line\n")
    sink = Sink()
    async with running(Tail(path, now=now, poll_s=0.02, from_start=True), sink):
        await until(lambda: b"first" in sink.data)
        path.write_bytes(b"cut\n")  # truncated and shorter
        await until(lambda: b"cut\n" in sink.data)
        path.write_bytes(b"rewritten, and longer than what was there before\n")  # truncated, already longer
        await until(lambda: b"longer than" in sink.data)
        with path.open("ab") as old:
            path.rename(tmp_path / "grow.log.1")
            path.write_bytes(b"new file\n")
            old.write(b"last of the old\n")
        await until(lambda: b"new file" in sink.data)
        path.unlink()
        await asyncio.sleep(0.1)
        path.write_bytes(b"again\n")
        await until(lambda: b"again" in sink.data)
    assert sink.lines == [
        b"first log line", b"cut", b"rewritten, and longer than what was there before", b"last of the old",
        b"new file", b"again",
    ]  # fmt: skip


async def test_a_compressed_file_that_is_cut_is_a_fault_with_its_name(tmp_path):
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(os.urandom(300_000))[:200_000])
    with pytest.raises(LinkError, match=r"cut\.gz is damaged"):
        await FileReader(path, now=now).run(Sink())
    with pytest.raises(LinkError, match=r"cut\.gz is damaged"):
        await Replay(path, now=now, time_of_line=lambda line: None, speed=0.0).run(Sink())


async def test_stdin_ends_with_its_pipe_and_holds_one_block_while_the_node_is_busy():
    reading, writing = os.pipe()
    sink = Sink()
    sink.gate.clear()
    link = Stdin(now=now, descriptor=reading)
    async with running(link, sink) as task:
        os.write(writing, b"one\ntw")
        await until(lambda: link.state.received_blocks == 1)
        os.write(writing, b"o\nlast without an end")
        os.close(writing)
        await asyncio.sleep(0.05)
        assert link.state.received_blocks == 1
        sink.gate.set()
        await task
    assert sink.lines == [b"one", b"two", b"last without an end"]
    os.close(reading)


async def test_a_serial_line_that_is_unplugged_is_opened_again(tmp_path):
    pytest.importorskip("serial")
    device = tmp_path / "tty"
    sink = Sink()
    leader, follower = pty.openpty()
    device.symlink_to(os.ttyname(follower))
    link = Serial(str(device), now=now, chance=no_chance, retry_s_min=0.02, retry_s_max=0.1)
    async with running(link, sink):
        await until(lambda: link.state.connected)
        os.write(leader, b"$A\r\n$half")
        await until(lambda: b"$A" in sink.data)
        os.close(follower)
        os.close(leader)
        await until(lambda: link.state.failures >= 1)
        device.unlink()
        leader, follower = pty.openpty()
        device.symlink_to(os.ttyname(follower))
        await until(lambda: link.state.connected)
        os.write(leader, b"$B\r\n")
        await until(lambda: b"$B" in sink.data)
    assert [line.strip() for line in sink.lines] == [b"$A", b"$half", b"$B"]
    os.close(leader)
    os.close(follower)
