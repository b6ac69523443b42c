"""UDP, unicast and multicast: datagrams of a sensor, as many as the node has room for, the rest counted."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import struct
from collections import deque
from pathlib import Path

from kuroshio.errors import LinkError
from kuroshio.links.base import Deliver, LinkState, Now

QUEUE_BYTES_MAX = 4_000_000
RECEIVE_BUFFER_BYTES = 1 << 22
ENTRY_OVERHEAD_BYTES = 512  # a datagram's own objects, so that a flood of empty ones is bounded too


class Udp:
    """Receive datagrams, unicast or from a multicast group.

    Parameters
    ----------
    host
        Address to receive on; with a group, the address of the interface to join it on (0.0.0.0 lets the system
        choose). An IPv6 group takes the interface's name after a percent sign in ``host``, such as ``::%eth0``.
    group
        Multicast group to join; None for unicast.
    lines
        End each datagram with a line feed if it has none, for line formats.
    queue_bytes_max
        Bytes held while the node is busy; more are dropped and counted as ``dropped``.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        now: Now,
        group: str | None = None,
        lines: bool = False,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
    ) -> None:
        self.state = LinkState()
        self.port = port
        self._host = host
        self._now = now
        self._group = group
        self._lines = lines
        self._queue: deque[tuple[bytes, int]] = deque()
        self._queue_bytes = 0
        self._queue_bytes_max = queue_bytes_max
        self._filled = asyncio.Event()
        self._inode = 0
        self._kernel_dropped = 0

    @property
    def held_bytes(self) -> int:
        """Bytes the queue holds, each datagram's own objects included."""
        return self._queue_bytes

    def take_in(self, data: bytes) -> None:
        """Queue a datagram, or count it as dropped where there is no room."""
        size = len(data) + ENTRY_OVERHEAD_BYTES
        if self._queue_bytes + size > self._queue_bytes_max:
            self.state.dropped += 1
            return
        self._queue.append((data, self._now()))
        self._queue_bytes += size
        self._filled.set()

    async def run(self, deliver: Deliver) -> None:
        """Receive for ever; raises LinkError when the address cannot be had."""
        link = self

        class Receiver(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                link.take_in(data)

            def error_received(self, exc: Exception) -> None:
                link.state.failed(exc)

        try:
            sock = self._open()
        except (OSError, ValueError) as err:
            raise LinkError(f"cannot receive on {self._host}:{self.port}: {err}", code="link.listen") from err
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Receiver, sock=sock)
        self.port = sock.getsockname()[1]
        self._inode = os.fstat(sock.fileno()).st_ino
        self._kernel_dropped = 0
        self.state.up()
        try:
            while True:
                await self._filled.wait()
                while self._queue:
                    data, at_us = self._queue.popleft()
                    self._queue_bytes -= len(data) + ENTRY_OVERHEAD_BYTES
                    self.state.count()
                    if self._lines and not data.endswith(b"\n"):
                        data += b"\n"
                    await deliver(data, at_us)
                self._filled.clear()
                await asyncio.sleep(0)
        finally:
            self.state.connected = False
            transport.close()

    def _open(self) -> socket.socket:
        group = ipaddress.ip_address(self._group) if self._group else None
        address, _, zone = self._host.partition("%")
        six = group.version == 6 if group else ":" in address
        sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            # bound to the group itself: bound to an interface's address Linux would pass no group datagram on, and
            # bound to every address other groups' datagrams on this port would come too
            sock.bind((str(group) if group else address, self.port))
            if group and six:
                index = socket.if_nametoindex(zone) if zone else 0
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", index))
            elif group:
                member = group.packed + socket.inet_aton(address)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def count_kernel_drops(self) -> None:
        """Add to ``dropped`` what the kernel had no room for since the last call (Linux)."""
        for table in ("/proc/net/udp", "/proc/net/udp6"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                for line in Path(table).read_text().splitlines()[1:]:
                    fields = line.split()
                    if self._inode and int(fields[9]) == self._inode:
                        dropped = int(fields[12])
                        self.state.dropped += max(0, dropped - self._kernel_dropped)
                        self._kernel_dropped = dropped
