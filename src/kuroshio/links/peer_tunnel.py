"""TLS over numbered messages: a stream between two nodes that a message broker carries and cannot read.

What enters: a way to publish, messages that came. What leaves: whole frames, and the other end's certificate. It knows
no broker; `links.peer_nats` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from typing import Any

from kuroshio.errors import LinkError, PeerError
from kuroshio.links.peer_parts import MAX_FRAME, Incoming, Outgoing

MESSAGE_BYTES = 64 << 10
INBOX_MESSAGES = 4096
HANDSHAKE_S = 20.0
PUBLISH_S = 10.0
STREAM_HEADER, NUMBER_HEADER, END_HEADER = "Kuroshio-Stream", "Kuroshio-Number", "Kuroshio-End"
_LENGTH = struct.Struct(">I")


class Tunnel:
    """TLS over numbered messages: one end of one stream.

    Parameters
    ----------
    broker
        Publishes.
    to
        Subject this end writes to.
    name
        Name of the stream, the same at both ends.
    context, server_side
        TLS, as on a socket.
    rate_bytes_per_s
        What the link carries, or None.
    """

    def __init__(
        self,
        broker: Any,
        to: str,
        name: str,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        rate_bytes_per_s: float | None = None,
    ) -> None:
        self._broker, self._to, self.name = broker, to, name
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=server_side)
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._next_in = self._next_out = 0
        self._outgoing, self._incoming = Outgoing(rate_bytes_per_s), Incoming()
        self._plain = bytearray()
        self.closed = False

    # -- from the broker

    def take(self, number: int, data: bytes, end: str | None) -> None:
        """A message of this stream came."""
        if number < self._next_in:
            return  # delivered twice
        if number > self._next_in or self._inbox.qsize() > INBOX_MESSAGES:
            self.end()  # something is missing for ever: the stream is begun again
            return
        self._next_in = number + 1
        if data:
            self._inbox.put_nowait(data)
        if end is not None:
            self.end()

    def end(self) -> None:
        """Nothing more comes: whoever reads is told once it has read what came."""
        self._inbox.put_nowait(None)

    async def _flush(self) -> None:
        async with self._lock:
            while data := self._out.read(MESSAGE_BYTES):
                await self._publish(data)

    async def _publish(self, data: bytes, **headers: str) -> None:
        named = {STREAM_HEADER: self.name, NUMBER_HEADER: str(self._next_out), **headers}
        self._next_out += 1
        await self._broker.publish(self._to, data, timeout=PUBLISH_S, headers=named)

    # -- plain bytes

    async def handshake(self) -> bytes | None:
        """Certificate of the other end, in DER."""
        async with asyncio.timeout(HANDSHAKE_S):
            while True:
                try:
                    self._tls.do_handshake()
                except ssl.SSLWantReadError:
                    await self._flush()
                    await self._more()
                else:
                    await self._flush()
                    return self._tls.getpeercert(binary_form=True)

    async def _more(self) -> None:
        data = await self._inbox.get()
        if data is None:
            raise LinkError("the stream ended", code="link.ended")
        self._in.write(data)

    async def _exactly(self, count: int) -> bytes:
        while len(self._plain) < count:
            try:
                self._plain += self._tls.read(MESSAGE_BYTES)
            except ssl.SSLWantReadError:
                await self._flush()  # a key update of the other end may want an answer
                await self._more()
        data = bytes(self._plain[:count])
        del self._plain[:count]
        return data

    # -- a stream, as a session's driver sees it

    async def frame(self) -> bytes:
        """Next whole frame of the other end."""
        while True:
            (size,) = _LENGTH.unpack(await self._exactly(_LENGTH.size))
            if size > MAX_FRAME:
                raise PeerError(f"a message of {size} bytes", code="peer.frame")
            frame = self._incoming.add(await self._exactly(size))
            if frame is not None:
                return frame

    @property
    def sent_bytes(self) -> int:
        """Bytes given to the server so far."""
        return self._outgoing.sent_bytes

    async def send(self, data: bytes, *, urgent: bool = False) -> None:
        """Queue one frame; an urgent one goes before all that are not."""
        if not self._outgoing.put(data, urgent=urgent):
            await self.close("peer.slow")

    async def write(self) -> None:
        """Send what is queued until cancelled or the server refuses."""
        while True:
            await self._write(await self._outgoing.next())

    async def _write(self, message: bytes) -> None:
        self._tls.write(_LENGTH.pack(len(message)) + message)
        await self._flush()

    async def close(self, code: str) -> None:
        """Send what is queued for a moment longer, then end the stream at both ends."""
        if self.closed:
            return
        self.closed = True
        with contextlib.suppress(Exception):  # the way may be broken: the other end then notices the silence
            async with asyncio.timeout(2.0):
                while (message := self._outgoing.take()) is not None:
                    await self._write(message)
                await self._publish(b"", **{END_HEADER: code[:80]})
        self.end()

    async def pump(self, handler: Any) -> None:
        """Speak with the handler until the stream ends."""
        writer = asyncio.create_task(self.write())
        writer.add_done_callback(lambda task: self.end())
        await handler.opened(self)
        try:
            with contextlib.suppress(LinkError):
                while True:
                    await handler.received(self, await self.frame())
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await handler.closed(self)
