"""Links bring every byte once, in order, within their limits, and say what went wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import pty
import socket

import pytest

from kuroshio.errors import LinkError
from kuroshio.links import FileReader, LineJoiner, LinkState, Replay, Serial, Tail, TcpClient, TcpServer, Udp


def now() -> int:
    return 1_000_000


class Sink:
    def __init__(self) -> None:
        self.blocks: list[bytes] = []

    async def __call__(self, data: bytes, at_us: int) -> None:
        assert at_us == now()
        self.blocks.append(data)

    @property
    def data(self) -> bytes:
        return b"".join(self.blocks)


@contextlib.asynccontextmanager
async def running(link, sink):
    task = asyncio.create_task(link.run(sink))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition, limit=400):
    for _ in range(limit):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("condition never held")


async def test_tcp_client_reconnects_and_keeps_whole_lines():
    served = []

    async def serve(reader, writer):
        writer.write(b"one\ntw" if not served else b"three\n")
        served.append(1)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink = Sink()
    link = TcpClient("127.0.0.1", port, now=now, retry_s_min=0.01)
    async with server, running(link, sink):
        await until(lambda: b"three" in sink.data)
    assert sink.data.startswith(b"one\ntw\nthree\n")
    assert link.state.connections >= 2


async def test_tcp_client_counts_a_port_where_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        link = TcpClient("127.0.0.1", free.getsockname()[1], now=now, retry_s_min=0.01)
        async with running(link, Sink()):
            await until(lambda: link.state.failures >= 2)
    assert link.state.last_error


async def test_tcp_server_never_mixes_two_senders_inside_a_line_and_refuses_too_many():
    sink = Sink()
    link = TcpServer("127.0.0.1", 0, now=now, clients_max=2)
    async with running(link, sink):
        await until(lambda: link.port)
        a = await asyncio.open_connection("127.0.0.1", link.port)
        b = await asyncio.open_connection("127.0.0.1", link.port)
        await until(lambda: link.state.connections == 2)
        c = await asyncio.open_connection("127.0.0.1", link.port)
        await until(lambda: link.state.refused_connections == 1)
        a[1].write(b"aaa")
        b[1].write(b"bbb")
        await asyncio.sleep(0.05)
        a[1].write(b"AAA\n")
        b[1].write(b"BBB\n")
        await until(lambda: sink.data.count(b"\n") == 2)
        for _, writer in (a, b, c):
            writer.close()
    assert sorted(sink.data.split()) == [b"aaaAAA", b"bbbBBB"]


async def test_tcp_server_says_a_taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LinkError, match=str(port)):
            await TcpServer("127.0.0.1", port, now=now).run(Sink())


async def test_udp_keeps_datagram_borders():
    sink = Sink()
    link = Udp("127.0.0.1", 0, now=now, lines=True)
    async with running(link, sink):
        await until(lambda: link.state.connected)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"one", ("127.0.0.1", link.port))
            sender.sendto(b"two\n", ("127.0.0.1", link.port))
            await until(lambda: len(sink.blocks) == 2)
    assert sink.blocks == [b"one\n", b"two\n"]


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
    async with running(Serial(os.ttyname(follower), now=now), sink):
        for _ in range(200):
            os.write(leader, b"$X\r\n")
            if sink.data:
                break
            await asyncio.sleep(0.02)
    assert b"$X" in sink.data
    os.close(leader)
    os.close(follower)


def test_a_line_without_end_is_cut_and_counted():
    state = LinkState()
    joiner = LineJoiner(state, limit_bytes=10)
    assert joiner.push(b"12345") == b""
    assert joiner.push(b"6789012") == b"123456789012\n"
    assert state.cut_lines == 1
    assert joiner.push(b"ok\nrest") == b"ok\n"
    assert joiner.end() == b"rest\n"
