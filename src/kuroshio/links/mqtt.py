"""MQTT as a way in: subscribes to topics of a broker, over TCP, TLS or WebSocket.

What enters: a broker's URL and topics. What leaves: a line a message (or more, where a payload has several). A
message is acknowledged (QoS 1) once the source has taken it; while the source has no room the broker is not read, so
that its own limits hold back the sender. `links.mqtt_packets` has the bytes; docs/adr says why they are our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from kuroshio.errors import LinkError
from kuroshio.links import mqtt_packets as packets
from kuroshio.links.base import Backoff, Chance, Deliver, LinkState, Now
from kuroshio.links.framing import Framing, frame, one_line, pieces
from kuroshio.links.secret import Secret
from kuroshio.links.sockets import CONNECT_TIMEOUT_S

KEEP_ALIVE_S = 30
PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}  # IANA; MQTT 3.1.1 clause 4.2 and 6
SKIP_BYTES = 65_536


class Wire(Protocol):
    """Bytes to and from a broker."""

    async def read(self, size: int) -> bytes:
        """Exactly that many bytes; EOFError when the broker has gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send."""
        ...

    async def close(self) -> None:
        """End it."""
        ...


class _Stream:
    """Broker over TCP or TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class _Frames:
    """Broker over WebSocket (clause 6: packets are a stream across binary frames)."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._session, self._socket = session, socket
        self._held = bytearray()

    async def read(self, size: int) -> bytes:
        while len(self._held) < size:
            message = await self._socket.receive()
            if message.type != aiohttp.WSMsgType.BINARY:
                raise EOFError("the broker closed the connection")
            self._held += message.data
        data = bytes(self._held[:size])
        del self._held[:size]
        return data

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()
        await self._session.close()


class Mqtt:
    """Subscribe to topics of a broker.

    Parameters
    ----------
    url
        ``mqtt://``, ``mqtts://``, ``ws://`` or ``wss://``; certificates are verified.
    topics
        Filters such as ``vessels-v2/#``.
    client_id
        Name under which the broker keeps the subscription while this node is away (with ``qos`` 1 nothing is missed);
        None is a new session each time.
    envelope
        Each line is ``{"topic": ..., "payload": ...}``, for formats whose topic says what the payload is.
    framing
        How a payload becomes lines, without an envelope.
    message_bytes_max
        Longer messages are read past, and counted.
    """

    def __init__(
        self,
        url: str,
        topics: Sequence[str],
        *,
        now: Now,
        chance: Chance,
        qos: int = 0,
        client_id: str | None = None,
        user: str | None = None,
        secret: Secret | None = None,
        tls: ssl.SSLContext | None = None,
        envelope: bool = False,
        framing: Framing = "lines",
        message_bytes_max: int = 1_000_000,
        retry_s_min: float = 0.5,
        retry_s_max: float = 60.0,
        keep_alive_s: int = KEEP_ALIVE_S,
    ) -> None:
        self.state = LinkState()
        self._url = url
        self._topics = list(topics)
        self._now = now
        self._qos = qos
        self._client_id = client_id
        self._user = user
        self._secret = secret or Secret()
        self._tls = tls
        self._envelope = envelope
        self._framing: Framing = framing
        self._limit = message_bytes_max
        self._backoff = Backoff(retry_s_min, retry_s_max, chance)
        self._keep_alive_s = keep_alive_s

    async def run(self, deliver: Deliver) -> None:
        """Subscribe for ever; a broker that goes away is found again."""
        while True:
            before = self.state.received_blocks
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    wire = await self._open()
                try:
                    await self._converse(wire, deliver)
                finally:
                    self.state.connected = False
                    await wire.close()
            except TimeoutError:
                self.state.failed("no answer from the broker in time")
            except LinkError as err:
                self.state.failed(self._secret.hide(err.message))
            except (OSError, EOFError, UnicodeError, ValueError, aiohttp.ClientError) as err:
                self.state.failed(self._secret.hide(err))
            if self.state.received_blocks > before:
                self._backoff.reset()
            await self._backoff.pause()

    async def _open(self) -> Wire:
        parts = urlsplit(self._url)
        if parts.scheme in ("ws", "wss"):
            session = aiohttp.ClientSession()
            try:
                socket = await session.ws_connect(
                    self._url, protocols=("mqtt",), ssl=self._tls or True, max_msg_size=self._limit + SKIP_BYTES
                )
            except BaseException:
                await session.close()
                raise
            return _Frames(session, socket)
        tls = (self._tls or ssl.create_default_context()) if parts.scheme == "mqtts" else None
        return _Stream(*await asyncio.open_connection(parts.hostname or "", parts.port or PORTS[parts.scheme], ssl=tls))

    async def _converse(self, wire: Wire, deliver: Deliver) -> None:
        clean = self._client_id is None
        await wire.write(
            packets.connect(
                self._client_id or "", keep_alive_s=self._keep_alive_s, clean=clean, user=self._user,
                key=self._secret.reveal() or None,
            )
        )  # fmt: skip
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            kind, _, body = await self._packet(wire)
            if kind != packets.CONNACK:
                raise LinkError("not a broker: no CONNACK", code="link.mqtt")
            packets.check_connack(body)
        await wire.write(packets.subscribe(1, self._topics, self._qos))
        pings = asyncio.create_task(self._ping(wire))
        try:
            while True:
                async with asyncio.timeout(1.5 * self._keep_alive_s):  # a ping's answer comes at least that often
                    kind, flags, body = await self._packet(wire)
                if kind == packets.SUBACK:
                    packets.check_suback(body, self._topics)
                    self.state.up()
                elif kind == packets.PUBLISH and body:
                    await self._message(wire, packets.read_publish(flags, body), deliver)
        finally:
            pings.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pings

    async def _ping(self, wire: Wire) -> None:
        while True:
            await asyncio.sleep(0.5 * self._keep_alive_s)
            with contextlib.suppress(OSError, aiohttp.ClientError):  # the reader sees the loss, and says it
                await wire.write(packets.packet(packets.PINGREQ, b""))

    async def _packet(self, wire: Wire) -> tuple[int, int, bytes]:
        """Next packet: type, flags and body; the body of a message that is too long is read past and left empty."""
        first = (await wire.read(1))[0]
        size, shift = 0, 0
        while True:
            digit = (await wire.read(1))[0]
            size |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
            if shift >= 7 * packets.LENGTH_BYTES_MAX:
                raise LinkError("malformed packet length from the broker", code="link.mqtt")
        if size <= self._limit:
            return first >> 4, first & 15, await wire.read(size)
        self.state.oversize_messages += 1
        if first >> 4 != packets.PUBLISH or first >> 1 & 3:
            # its number stands behind the topic: without an answer the broker would send it for ever
            raise LinkError(f"a message of {size} bytes; the limit is {self._limit}", code="link.oversize")
        while size:
            size -= len(await wire.read(min(size, SKIP_BYTES)))
        return packets.PUBLISH, 0, b""

    async def _message(self, wire: Wire, message: packets.Publish, deliver: Deliver) -> None:
        at_us = self._now()
        self.state.count()
        if self._envelope:
            line = b'{"topic":%s,"payload":%s}' % (
                json.dumps(message.topic).encode(),
                one_line(message.payload).strip(),
            )
            data = line + b"\n"
        else:
            data = frame(message.payload, self._framing)
        for piece in pieces(data):
            await deliver(piece, at_us)
        if message.packet_id:
            await wire.write(packets.puback(message.packet_id))
