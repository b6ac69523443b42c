"""Links bring every byte once, in order, within their limits, and say what went wrong."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from kuroshio.errors import LinkError
from kuroshio.links import (
    Backoff,
    LineJoiner,
    LinkState,
    TcpClient,
    TcpServer,
    Udp,
    sockets,
)
from kuroshio.testing.links import Sink, running, until


def now() -> int:
    return 1_000_000


def no_chance() -> float:
    return 0.0


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
    link = TcpClient("127.0.0.1", port, now=now, chance=no_chance, retry_s_min=0.01)
    async with server, running(link, sink):
        await until(lambda: b"three" in sink.data)
    assert sink.data.startswith(b"one\ntw\nthree\n")
    assert link.state.connections >= 2


async def test_tcp_client_counts_a_port_where_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        link = TcpClient("127.0.0.1", free.getsockname()[1], now=now, chance=no_chance, retry_s_min=0.01)
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


def test_a_line_without_end_is_cut_and_counted():
    state = LinkState()
    joiner = LineJoiner(state, limit_bytes=10)
    assert joiner.push(b"12345") == b""
    assert joiner.push(b"6789012") == b"123456789012\n"
    assert state.cut_lines == 1
    assert joiner.push(b"ok\nrest") == b"ok\n"
    assert joiner.end() == b"rest\n"
    assert joiner.held_bytes == 0


def test_pauses_double_to_a_longest_and_chance_shortens_them_by_half_at_most():
    drawn = iter([0.0, 0.0, 0.0, 0.0, 0.5, 0.999999])
    backoff = Backoff(1.0, 4.0, lambda: next(drawn))
    assert [backoff.next_s() for _ in range(4)] == [1.0, 2.0, 4.0, 4.0]
    assert backoff.next_s() == 3.0
    assert 2.0 <= backoff.next_s() < 2.01
    backoff.reset()
    drawn = iter([0.0])
    assert backoff.next_s() == 1.0


async def test_a_new_connection_clears_the_error_of_the_old_one_and_resets_the_pauses():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pauses = []

    def chance() -> float:
        pauses.append(1)
        return 0.0

    link = TcpClient("127.0.0.1", port, now=now, chance=chance, retry_s_min=0.01, retry_s_max=0.05)
    sink = Sink()

    async def serve(reader, writer):
        writer.write(b"hello\n")
        await writer.drain()
        await reader.read()

    async with running(link, sink):
        await until(lambda: link.state.failures >= 3)
        assert link.state.last_error
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        await until(lambda: sink.data == b"hello\n")
        assert (link.state.last_error, link.state.connected) == ("", True)
        server.close()
    assert link.state.failures >= 3


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70 + ".example", ""])
async def test_a_host_that_is_none_is_a_failure_that_is_counted_not_a_crash(host):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    link = TcpClient(host, port, now=now, chance=no_chance, retry_s_min=0.01)
    async with running(link, Sink()) as task:
        await until(lambda: link.state.failures >= 1)
        assert not task.done()
    assert link.state.last_error


async def test_a_stopped_server_ends_its_connections_and_counts_the_line_they_had_begun():
    link = TcpServer("127.0.0.1", 0, now=now)
    sink = Sink()
    async with running(link, sink):
        await until(lambda: link.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
        writer.write(b"whole\nhalf")
        await until(lambda: sink.data == b"whole\n")
    assert await reader.read() == b""
    assert link.state.unfinished_bytes == 4
    assert not link.state.connected
    writer.close()


async def test_connections_that_say_nothing_make_room_for_one_that_speaks(monkeypatch):
    monkeypatch.setattr(sockets, "EVICT_QUIET_S", 0.05)
    link = TcpServer("127.0.0.1", 0, now=now, clients_max=3)
    sink = Sink()
    async with running(link, sink):
        await until(lambda: link.port)
        quiet = [await asyncio.open_connection("127.0.0.1", link.port) for _ in range(3)]
        for _, writer in quiet:
            writer.write(b"never a whole line")  # bytes alone do not keep a place
        await until(lambda: link.state.received_blocks == 3)
        await asyncio.sleep(0.1)
        _, speaker = await asyncio.open_connection("127.0.0.1", link.port)
        speaker.write(b"!AIVDM\n")
        await until(lambda: b"!AIVDM" in sink.data)
        assert link.state.evicted_connections == 1
        for _, writer in [*quiet, (None, speaker)]:
            writer.close()


async def test_thousands_of_connections_hold_no_more_places_than_there_are():
    link = TcpServer("127.0.0.1", 0, now=now, clients_max=8)
    sink = Sink()
    async with running(link, sink):
        await until(lambda: link.port)
        _, good = await asyncio.open_connection("127.0.0.1", link.port)
        good.write(b"before\n")
        await until(lambda: sink.data == b"before\n")
        for _ in range(20):
            many = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", link.port) for _ in range(100)))
            assert len(link._heard_s) <= 8
            for _, writer in many:
                writer.close()
        good.write(b"after\n")
        await until(lambda: b"after\n" in sink.data)
        await until(lambda: link.state.refused_connections + link.state.connections == 2001)
        assert link.state.refused_connections > 0
        good.close()
        await until(lambda: not link._heard_s)


async def test_a_line_that_never_ends_is_cut_and_the_next_ones_come():
    link = TcpServer("127.0.0.1", 0, now=now)
    sink = Sink()
    async with running(link, sink):
        await until(lambda: link.port)
        _, writer = await asyncio.open_connection("127.0.0.1", link.port)
        for _ in range(100):
            writer.write(b"x" * 100_000)
            await writer.drain()
        writer.write(b"\ngood\n")
        await writer.drain()
        await until(lambda: sink.data.endswith(b"good\n"))
        writer.close()
    assert link.state.cut_lines >= 70
    assert max(len(line) for line in sink.lines) <= 3 * 65_536
    assert sum(len(line) for line in sink.lines[:-1]) == 10_000_000  # nothing of it is lost either


async def test_a_flood_of_datagrams_is_bounded_and_counted_while_the_node_is_busy():
    sink = Sink()
    sink.gate.clear()
    link = Udp("127.0.0.1", 0, now=now, lines=True, queue_bytes_max=100_000)
    sent = 2000
    async with running(link, sink):
        await until(lambda: link.state.connected)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(sent):
                sender.sendto(b"%06d" % number + b"x" * 994, ("127.0.0.1", link.port))
                if number % 50 == 0:
                    await asyncio.sleep(0)
            held = 0
            while True:
                await asyncio.sleep(0.05)
                link.count_kernel_drops()
                held = link.held_bytes
                seen = link.state.dropped + link.state.received_blocks + held // 1512
                if seen >= sent:
                    break
            assert held <= 100_000
            sink.gate.set()
            await until(lambda: link.held_bytes == 0)
            sender.sendto(b"last", ("127.0.0.1", link.port))
            await until(lambda: sink.data.endswith(b"last\n"))
    assert link.state.dropped > 0
    assert link.state.dropped + link.state.received_blocks == sent + 1


async def test_multicast_comes_from_the_group_joined_and_from_no_other():
    sink = Sink()
    link = Udp("127.0.0.1", 0, now=now, group="239.77.12.5", lines=True)
    async with running(link, sink):
        await until(lambda: link.state.connected)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            sender.sendto(b"other group", ("239.77.12.6", link.port))
            sender.sendto(b"unicast", ("127.0.0.1", link.port))
            sender.sendto(b"radar", ("239.77.12.5", link.port))
            await until(lambda: sink.blocks)
    assert sink.blocks == [b"radar\n"]


async def test_a_group_that_cannot_be_joined_is_a_fault_and_leaks_no_socket():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(LinkError, match="cannot receive"):
            await Udp("192.0.2.77", 0, now=now, group="239.1.2.3").run(Sink())
    assert len(os.listdir("/proc/self/fd")) <= before + 1
