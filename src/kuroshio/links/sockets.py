"""TCP client, TCP server and UDP, for sensors that speak over the network."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Deliver, LineJoiner, LinkState, Now


class TcpClient:
    """Connect to a sensor's server and read; after a loss, try again with growing pauses.

    Parameters
    ----------
    host, port
        Where the sensor listens.
    now
        Clock for the arrival time of each block.
    retry_s_min, retry_s_max
        First and longest pause between attempts; it doubles in between.
    lines
        Deliver whole lines only; False for binary formats.
    idle_s_max
        A connection without a byte for this long is taken as dead and opened anew; 0 never.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        now: Now,
        retry_s_min: float = 0.25,
        retry_s_max: float = 30.0,
        lines: bool = True,
        idle_s_max: float = 600.0,
    ) -> None:
        self.state = LinkState()
        self._address = (host, port)
        self._now = now
        self._retry = (retry_s_min, retry_s_max)
        self._lines = lines
        self._idle_s_max = idle_s_max

    async def run(self, deliver: Deliver) -> None:
        """Read for ever; returns only when cancelled."""
        pause_s = self._retry[0]
        while True:
            try:
                reader, writer = await asyncio.open_connection(*self._address)
            except OSError as err:
                self.state.failures += 1
                self.state.last_error = str(err)
            else:
                self.state.connected = True
                self.state.connections += 1
                before = self.state.received_blocks
                try:
                    await _read_all(reader, self.state, self._now, deliver, self._lines, self._idle_s_max)
                finally:
                    self.state.connected = False
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
                if self.state.received_blocks > before:
                    pause_s = self._retry[0]
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2.0, self._retry[1])


class TcpServer:
    """Listen for sensors that connect and send.

    Parameters
    ----------
    clients_max
        Connections held at once; more are refused and counted.
    """

    def __init__(
        self, host: str, port: int, *, now: Now, lines: bool = True, clients_max: int = 32, idle_s_max: float = 600.0
    ) -> None:
        self.state = LinkState()
        self.port = port
        self._host = host
        self._now = now
        self._lines = lines
        self._clients_max = clients_max
        self._idle_s_max = idle_s_max
        self._clients = 0

    async def run(self, deliver: Deliver) -> None:
        """Serve for ever; raises LinkError when the address cannot be had."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if self._clients >= self._clients_max:
                self.state.refused_connections += 1
                writer.close()
                return
            self._clients += 1
            self.state.connections += 1
            self.state.connected = True
            try:
                await _read_all(reader, self.state, self._now, deliver, self._lines, self._idle_s_max)
            finally:
                self._clients -= 1
                self.state.connected = self._clients > 0
                writer.close()

        try:
            server = await asyncio.start_server(serve, self._host, self.port)
        except OSError as err:
            raise LinkError(f"cannot listen on {self._host}:{self.port}: {err}", code="link.listen") from err
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            await server.serve_forever()


class Udp:
    """Receive datagrams, unicast or from a multicast group.

    Parameters
    ----------
    group
        Multicast group to join; None for unicast.
    lines
        End each datagram with a line feed if it has none, for line formats.
    queue_max
        Datagrams held while the node is busy; more are dropped and counted as ``overrun``.
    """

    def __init__(
        self, host: str, port: int, *, now: Now, group: str | None = None, lines: bool = False, queue_max: int = 4096
    ) -> None:
        self.state = LinkState()
        self.port = port
        self.overrun = 0
        self._host = host
        self._now = now
        self._group = group
        self._lines = lines
        self._queue: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue(queue_max)

    async def run(self, deliver: Deliver) -> None:
        """Receive for ever; raises LinkError when the address cannot be had."""
        link = self

        class Receiver(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                try:
                    link._queue.put_nowait((data, link._now()))
                except asyncio.QueueFull:
                    link.overrun += 1

            def error_received(self, exc: Exception) -> None:
                link.state.failures += 1
                link.state.last_error = str(exc)

        loop = asyncio.get_running_loop()
        try:
            sock = self._open()
        except OSError as err:
            raise LinkError(f"cannot receive on {self._host}:{self.port}: {err}", code="link.listen") from err
        transport, _ = await loop.create_datagram_endpoint(Receiver, sock=sock)
        self.port = sock.getsockname()[1]
        self.state.connected = True
        try:
            while True:
                data, at_us = await self._queue.get()
                self.state.count(data, at_us)
                if self._lines and not data.endswith(b"\n"):
                    data += b"\n"
                await deliver(data, at_us)
        finally:
            self.state.connected = False
            transport.close()

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind((self._host, self.port))
        if self._group:
            member = struct.pack("4s4s", socket.inet_aton(self._group), socket.inet_aton(self._host))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        sock.setblocking(False)
        return sock


async def _read_all(
    reader: asyncio.StreamReader, state: LinkState, now: Now, deliver: Deliver, lines: bool, idle_s_max: float
) -> None:
    joiner = LineJoiner(state) if lines else None
    try:
        while True:
            data = await asyncio.wait_for(reader.read(READ_BYTES), idle_s_max or None)
            if not data:
                break
            at_us = now()
            state.count(data, at_us)
            whole = joiner.push(data) if joiner else data
            if whole:
                await deliver(whole, at_us)
    except TimeoutError:
        state.last_error = f"no byte for {idle_s_max:g} s"
        state.failures += 1
    except OSError as err:
        state.last_error = str(err)
        state.failures += 1
    rest = joiner.end() if joiner else b""
    if rest:
        await deliver(rest, now())
