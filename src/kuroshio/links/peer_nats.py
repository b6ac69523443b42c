"""Streams between two nodes through a NATS server with JetStream, for partners that cannot reach one another directly.

What enters: a server's address, TLS contexts, a place to hand streams to. What leaves: frames in order. The server is
trusted with nothing: within the messages runs the same mutual TLS 1.3 as on a direct link, so it sees only ciphertext
and cannot speak for a partner. JetStream carries bytes over short breaks and is no outbound log: it acknowledges before
its disk has them, and what lies there could not be judged again when an agreement changes. So the session's own log
stays the only one, items are on the way only while the partner answers, and what the server keeps is gone after
`KEPT_S`. Subjects: ``kuroshio.FROM.TO.data`` and ``.back``; stream ``KUROSHIO-FROM-TO``. Needs the extra ``nats``.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import secrets
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

from kuroshio.errors import ConfigError, KuroshioError, PeerError
from kuroshio.links.peer_tunnel import END_HEADER, NUMBER_HEADER, PUBLISH_S, STREAM_HEADER, Tunnel

log = logging.getLogger(__name__)

KEPT_S = 60.0
KEPT_BYTES = 32 << 20
OPENING_MAX = 4  # tunnels of one partner that have not shown who they are
JOIN_S = 20.0
STOP_S = 5.0
CLOSE_S = 2.0
HERE = (
    "peer.here"  # said by a listener that begins: what was dialled before reached nobody, or its end before a restart
)
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SHORT_S = 10.0

PartyOf = Callable[[bytes | None], str]


def subject(sender: str, receiver: str, way: str) -> str:
    """Subject of one way of the stream that ``sender`` dials."""
    return f"kuroshio.{sender}.{receiver}.{way}"


class NatsPeers:
    """Streams of a node to and from the partners behind one NATS server.

    Parameters
    ----------
    url
        ``nats://host:4222`` or ``tls://host:4222``.
    me
        Own party code.
    server, client
        TLS contexts within the messages; the client's is asked for at each attempt.
    party_of
        Party behind a certificate, or PeerError.
    credentials
        File with NATS credentials, where the server wants them.
    """

    def __init__(
        self,
        url: str,
        me: str,
        *,
        server: ssl.SSLContext,
        client: Callable[[], ssl.SSLContext],
        party_of: PartyOf,
        credentials: str | None = None,
    ) -> None:
        self.url, self.me, self._server, self._client, self._party_of = url, me, server, client, party_of
        self._credentials = credentials
        self._nats: Any = None
        self._broker: Any = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: dict[str, dict[str, Tunnel]] = {}
        self._partners: dict[str, Callable[[], Any]] = {}
        self._heard: dict[str, Any] = {}
        self._stopping = False
        self.ready = asyncio.Event()
        self.last_error = ""
        self.counters = {"accepted": 0, "turned_away": 0, "full": 0}

    def start(self) -> None:
        """Begin to join the server; a server that is away is tried again for ever, and ``last_error`` says so.

        Raises
        ------
        ConfigError
            Without the extra ``nats``.
        """
        if importlib.util.find_spec("nats") is None:
            raise ConfigError(
                "this node has no NATS client", code="peer.nats_missing", advice="Install kuroshio[nats]."
            )
        self._spawn(self._join())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self) -> None:
        from nats.errors import Error as NatsError

        failures = 0
        while not self.ready.is_set() and not self._stopping:
            try:
                async with asyncio.timeout(JOIN_S):
                    await self._connect()
                    for partner, handler in self._partners.items():
                        await self._listen(partner, handler)
                self.last_error = ""
                self.ready.set()
            except Exception as err:  # whatever the client raises: without another try the node would never join
                if not isinstance(err, NatsError | OSError | TimeoutError):
                    log.exception("joining %s", self.url)
                self.last_error = f"{self.url}: {str(err) or 'no NATS server with JetStream answers'}"[:300]
                await self._leave()
                await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1

    async def _connect(self) -> None:
        """Connection, and a stream of the server for each direction."""
        import nats
        from nats.js.api import StorageType, StreamConfig

        self._nats = await nats.connect(
            self.url, name=f"kuroshio {self.me}", user_credentials=self._credentials, max_reconnect_attempts=-1,
            connect_timeout=10, reconnect_time_wait=1, error_cb=_note, reconnected_cb=self._renew,
        )  # fmt: skip
        self._broker = self._nats.jetstream(timeout=PUBLISH_S)
        ways = [(self.me, p) for p in self._partners] + [(p, self.me) for p in self._partners]
        for sender, receiver in ways:
            kept = StreamConfig(
                name=f"KUROSHIO-{sender}-{receiver}", subjects=[subject(sender, receiver, "*")], max_age=KEPT_S,
                max_bytes=KEPT_BYTES, storage=StorageType.FILE, duplicate_window=KEPT_S,
            )  # fmt: skip
            await self._broker.add_stream(kept)

    async def _renew(self) -> None:
        """After the server was away: what it knew of our listening may be gone, so listen anew."""
        from nats.errors import Error as NatsError

        if not self.ready.is_set():
            return
        for partner, handler in self._partners.items():
            for tunnel in list(self._opening.get(partner, {}).values()):
                tunnel.end()
            old = self._heard.pop(partner, None)
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                if old is not None:
                    await old.unsubscribe()
            while not self._nats.is_closed and not self._stopping:
                try:
                    await self._listen(partner, handler)
                    break
                except (NatsError, OSError, TimeoutError) as err:
                    self.last_error = f"{self.url}: {err}"[:300]
                    await asyncio.sleep(1.0)

    async def _leave(self) -> None:
        if self._nats is not None:
            closing = asyncio.ensure_future(self._nats.close())
            done, _ = await asyncio.wait(
                {closing}, timeout=CLOSE_S
            )  # `wait_for` would wait for a swallowed cancellation
            if not done:
                closing.cancel()
                closing.add_done_callback(lambda t: t.cancelled() or t.exception())
            elif not closing.cancelled() and closing.exception() is not None:
                log.info("leaving %s: %s", self.url, closing.exception())

    async def stop(self) -> None:
        """End all streams and the connection."""
        self._stopping = True
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)  # the client library may swallow a cancellation
        await self._leave()

    async def _subscribe(self, what: str, stream: str, take: Callable[[str, int, bytes, str | None], None]) -> Any:
        from nats.js.api import DeliverPolicy

        async def came(message: Any) -> None:
            headers = message.headers or {}
            number = headers.get(NUMBER_HEADER, "")
            if number.isdigit() and len(number) < 16:
                take(str(headers.get(STREAM_HEADER, ""))[:64], int(number), message.data, headers.get(END_HEADER))

        return await self._broker.subscribe(
            what, stream=stream, ordered_consumer=True, deliver_policy=DeliverPolicy.NEW, cb=came
        )

    # -- in

    def expect(self, partner: str, handler: Callable[[], Any]) -> None:
        """Take streams that a partner dials, once the server is joined; call it before `start`."""
        self._partners[partner] = handler

    async def _listen(self, partner: str, handler: Callable[[], Any]) -> None:
        tunnels: dict[str, Tunnel] = {}
        self._opening[partner] = tunnels

        def take(name: str, number: int, data: bytes, end: str | None) -> None:
            tunnel = tunnels.get(name)
            if tunnel is None:
                if number or not name:
                    return  # of a stream that ended, or began before this node did
                if len(tunnels) >= OPENING_MAX:
                    self.counters["full"] += 1
                    return
                back = subject(partner, self.me, "back")
                tunnel = tunnels[name] = Tunnel(self._broker, back, name, self._server, server_side=True)
                self._spawn(self._serve(partner, tunnel, handler))
            tunnel.take(number, data, end)

        self._heard[partner] = await self._subscribe(
            subject(partner, self.me, "data"), f"KUROSHIO-{partner}-{self.me}", take
        )
        here = {STREAM_HEADER: HERE, NUMBER_HEADER: "0"}
        await self._broker.publish(subject(partner, self.me, "back"), b"", headers=here)

    async def _serve(self, partner: str, tunnel: Tunnel, handler: Callable[[], Any]) -> None:
        try:
            found = self._party_of(await tunnel.handshake())
            if found != partner:
                raise PeerError(f"{found} on the subject of {partner}", code="peer.wrong_party")
            self.counters["accepted"] += 1
            await tunnel.pump(handler())
        except (KuroshioError, ssl.SSLError, OSError, TimeoutError) as err:
            self.counters["turned_away"] += 1
            log.warning("a stream of %s over NATS: %s", partner, err)
        finally:
            await tunnel.close("peer.ended")
            self._opening[partner].pop(tunnel.name, None)

    # -- out

    def dial(self, partner: str, handler: Any, *, rate_bytes_per_s: float | None = None) -> NatsClient:
        """Dialler of one partner; run its `run`."""
        return NatsClient(self, partner, handler, rate_bytes_per_s)

    async def once(self, partner: str, handler: Any, rate_bytes_per_s: float | None, up: Callable[[], None]) -> None:
        """One stream to a partner, until it ends."""
        name = secrets.token_hex(12)
        tunnel = Tunnel(
            self._broker, subject(self.me, partner, "data"), name, self._client(), server_side=False,
            rate_bytes_per_s=rate_bytes_per_s,
        )  # fmt: skip

        def take(stream: str, number: int, data: bytes, end: str | None) -> None:
            if stream == name:
                tunnel.take(number, data, end)
            elif stream == HERE:
                tunnel.end()

        back = subject(self.me, partner, "back")
        subscription = await self._subscribe(back, f"KUROSHIO-{self.me}-{partner}", take)
        try:
            found = self._party_of(await tunnel.handshake())
            if found != partner:
                raise PeerError(f"{found} answers for {partner}", code="peer.wrong_party")
            up()
            await tunnel.pump(handler)
        finally:
            await tunnel.close("peer.ended")
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()


class NatsClient:
    """Keeps our stream to one partner up, with back-off; as `peer_http.PeerClient`."""

    def __init__(self, peers: NatsPeers, party: str, handler: Any, rate_bytes_per_s: float | None) -> None:
        self._peers, self.party, self._handler, self._rate = peers, party, handler, rate_bytes_per_s
        self.counters = {"dialled": 0, "failures": 0}
        self.last_error = ""
        self.connected = False

    def _up(self) -> None:
        self.connected, self.last_error = True, ""

    async def run(self) -> None:
        """Dial until cancelled; a failure is counted, shown in ``last_error`` and tried again later."""
        from nats.errors import Error as NatsError

        failures, loop = 0, asyncio.get_running_loop()
        while not self._peers.ready.is_set():
            self.last_error = self._peers.last_error
            await asyncio.sleep(0.2)
        while True:
            began_s = loop.time()
            try:
                self.counters["dialled"] += 1
                await self._peers.once(self.party, self._handler, self._rate, self._up)
                failures = failures + 1 if loop.time() - began_s < SHORT_S else 0
            except (KuroshioError, ssl.SSLError, OSError, TimeoutError, NatsError) as err:
                self.counters["failures"] += 1
                self.last_error = (str(err) or type(err).__name__)[:300]
                failures += 1
            self.connected = False
            me = asyncio.current_task()
            if me is not None and me.cancelling():  # the client library may swallow a cancellation
                raise asyncio.CancelledError
            await asyncio.sleep(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])


async def _note(err: Exception) -> None:
    log.info("NATS: %s", err)
