"""Streams between two nodes: WebSocket over HTTPS with mutual TLS 1.3, one dialled by each sender.

What enters: a TLS context, the party behind a certificate, a place to hand streams to. What leaves: frames in order.
It knows nothing of sessions: whoever is handed a stream (``peers.PeerDriver``) speaks the protocol. Frames go as parts
(`links.peer_parts`), urgent ones first, where both ends know the subprotocol ``kuroshio.parts.1``; else whole. Sizes
are bounded. Path ``/peer/v1/stream``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
import ssl
from collections.abc import Callable
from typing import Protocol

import aiohttp
from aiohttp import web

from kuroshio.errors import KuroshioError, LinkError, PeerError
from kuroshio.links.peer_parts import MAX_FRAME, Incoming, Outgoing

PATH = "/peer/v1/stream"
PARTS = "kuroshio.parts.1"
MAX_MESSAGE = MAX_FRAME
WINDOW_BITS = 15  # permessage-deflate (RFC 7692): headers and proofs of releases repeat one another; 15 is 32 KiB
MAX_STREAMS = 64
NOT_SENT_BYTES = 32 << 10  # what the system may hold unsent: more would stand before every recall
SHORT_S = 10.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SEND_TIMEOUT_S = 60.0

PartyOf = Callable[[bytes | None], str]


class Handler(Protocol):
    """Whoever speaks on a stream; the direction is bound by whoever made the handler."""

    async def opened(self, stream: WebStream) -> None:
        """The stream is up."""
        ...

    async def received(self, stream: WebStream, data: bytes) -> None:
        """One frame came."""
        ...

    async def closed(self, stream: WebStream) -> None:
        """The stream is gone."""
        ...


class WebStream:
    """One stream. `send` never waits: two nodes that both waited for the other to read would stand still.

    What is in flight is bounded by the session's windows; should more than `MAX_QUEUED` bytes wait all the same, or one
    part take longer than a minute, the stream ends and what was not acknowledged goes again later.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
        *,
        rate_bytes_per_s: float | None = None,
        whole: bool = False,
    ) -> None:
        self._socket = socket
        self._outgoing = Outgoing(rate_bytes_per_s, whole=whole)
        self.incoming = Incoming(whole=whole)

    @property
    def sent_bytes(self) -> int:
        """Bytes given to the network so far: a stream whose figure grows is alive."""
        return self._outgoing.sent_bytes

    async def send(self, data: bytes, *, urgent: bool = False) -> None:
        """Queue one frame; an urgent one goes before all that are not."""
        if not self._outgoing.put(data, urgent=urgent):
            await self.close("peer.slow")

    async def write(self) -> None:
        """Send what is queued until cancelled or the stream is gone."""
        while True:
            message = await self._outgoing.next()
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send_bytes(message)
            except (ConnectionError, TimeoutError, RuntimeError, aiohttp.ClientError):
                await self.close("peer.send")
                return

    async def close(self, code: str) -> None:
        """Send what is queued for a moment longer, then end the stream."""
        with contextlib.suppress(ConnectionError, RuntimeError, aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(2.0):
                while not self._socket.closed and (message := self._outgoing.take()) is not None:
                    await self._socket.send_bytes(message)
                await self._socket.close(message=code.encode()[:100])


def thin_buffers(socket: object) -> None:
    """Keep the system from holding more unsent bytes than a moment's worth, where it can be told to."""
    option = getattr(sockets, "TCP_NOTSENT_LOWAT", 25)  # Linux, tcp(7)
    with contextlib.suppress(OSError, AttributeError):
        socket.setsockopt(sockets.IPPROTO_TCP, option, NOT_SENT_BYTES)  # type: ignore[attr-defined]


async def _pump(
    socket: web.WebSocketResponse | aiohttp.ClientWebSocketResponse, stream: WebStream, handler: Handler
) -> None:
    thin_buffers(socket.get_extra_info("socket"))
    writer = asyncio.create_task(stream.write())
    await handler.opened(stream)
    try:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                await stream.close("peer.frame")
                continue
            try:
                frame = stream.incoming.add(message.data)
            except PeerError as err:
                await stream.close(err.error_code)
                continue
            if frame is not None:
                await handler.received(stream, frame)
    finally:
        writer.cancel()
        await handler.closed(stream)


class PeerServer:
    """Listener for partners' streams.

    Parameters
    ----------
    host, port
        Address; port 0 takes a free one, see ``port`` after `start`.
    context
        Server context that demands a partner's certificate (``KeyFolder.context(server=True)``).
    party_of
        Party behind a certificate in DER, or PeerError (``KeyFolder.party_of``).
    on_connect
        Handler for a party's incoming stream, or None to turn it away.
    """

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        *,
        party_of: PartyOf,
        on_connect: Callable[[str], Handler | None],
    ) -> None:
        self.host, self.port, self._context = host, port, context
        self._party_of, self._on_connect = party_of, on_connect
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self.counters = {"accepted": 0, "turned_away": 0, "full": 0}

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        LinkError
            When the address cannot be had.
        """
        app = web.Application(client_max_size=1 << 16)
        app.router.add_get(PATH, self._stream)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._context)
        try:
            await site.start()
        except OSError as err:
            raise LinkError(f"peers on {self.host}:{self.port}: {err.strerror}", code="link.listen") from err
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End all streams and stop listening."""
        for socket in list(self._sockets):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(), 1.0)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        tls = request.get_extra_info("ssl_object")
        try:
            party = self._party_of(tls.getpeercert(binary_form=True) if tls is not None else None)
        except PeerError as err:
            self.counters["turned_away"] += 1
            return web.Response(status=403, text=err.error_code)
        handler = self._on_connect(party)
        if handler is None:
            self.counters["turned_away"] += 1
            return web.Response(status=403, text="peer.not_configured")
        if len(self._sockets) >= MAX_STREAMS:
            self.counters["full"] += 1
            return web.Response(status=503, text="peer.full")
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE, compress=True, heartbeat=None, timeout=2.0, protocols=(PARTS,)
        )
        await socket.prepare(request)
        self._sockets.add(socket)
        self.counters["accepted"] += 1
        try:
            await _pump(socket, WebStream(socket, whole=socket.ws_protocol != PARTS), handler)
        finally:
            self._sockets.discard(socket)
        return socket


class PeerClient:
    """Dialler of one partner: keeps our stream to it up, with back-off.

    Parameters
    ----------
    url
        ``https://host:port`` of the partner's node.
    party
        Who must answer: any other party's certificate ends the attempt.
    context
        Gives the client context with our certificate and the authorities trusted now, asked at each attempt.
    party_of
        Party behind a certificate.
    handler
        Who speaks on the stream.
    rate_bytes_per_s
        What the link carries, or None; urgent frames go at once all the same.
    parts
        False speaks as a node that knows no parts.
    """

    def __init__(
        self,
        url: str,
        party: str,
        context: Callable[[], ssl.SSLContext],
        *,
        party_of: PartyOf,
        handler: Handler,
        rate_bytes_per_s: float | None = None,
        parts: bool = True,
    ) -> None:
        self.url, self.party, self._context = url.rstrip("/"), party, context
        self._party_of, self._handler = party_of, handler
        self._rate, self._protocols = rate_bytes_per_s, (PARTS,) if parts else ()
        self.counters = {"dialled": 0, "failures": 0}
        self.last_error = ""
        self.connected = False

    async def run(self) -> None:
        """Dial until cancelled; a failure is counted, shown in ``last_error`` and tried again later."""
        failures, loop = 0, asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                self.counters["dialled"] += 1
                await self._once()
                failures = failures + 1 if loop.time() - began_s < SHORT_S else 0  # a partner that hangs up at once
            except (KuroshioError, aiohttp.ClientError, OSError, TimeoutError) as err:
                self.counters["failures"] += 1
                self.last_error = str(err)[:300]
                failures += 1
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])

    async def _once(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.ws_connect(
                self.url + PATH,
                ssl=self._context(),
                protocols=self._protocols,
                max_msg_size=MAX_MESSAGE,
                compress=WINDOW_BITS,
                autoping=True,
                timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            ) as socket,
        ):
            tls = socket.get_extra_info("ssl_object")
            party = self._party_of(tls.getpeercert(binary_form=True) if tls is not None else None)
            if party != self.party:
                raise PeerError(f"{self.url} is {party}, not {self.party}", code="peer.wrong_party")
            self.connected, self.last_error = True, ""
            try:
                stream = WebStream(socket, rate_bytes_per_s=self._rate, whole=socket.protocol != PARTS)
                await _pump(socket, stream, self._handler)
            finally:
                self.connected = False
