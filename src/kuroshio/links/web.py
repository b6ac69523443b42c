"""Services on the web as ways in: a URL asked at an interval, and a WebSocket subscribed to.

What enters: URLs. What leaves: whole lines. Certificates are verified; a body or frame longer than the limit is given
up and counted; keys are filled in where they are sent and hidden where something is told.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping, Sequence

import aiohttp

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Backoff, Chance, Deliver, LinkState, Now
from kuroshio.links.framing import Framing, frame, pieces
from kuroshio.links.secret import Secret

REQUEST_TIMEOUT_S = 60.0
HEARTBEAT_S = 20.0
REDIRECTS_MAX = 3


class HttpPoll:
    """GET a URL at an interval.

    Parameters
    ----------
    url
        What to ask for; the answer is a document of items or lines.
    headers
        Sent with each request; ``{key}`` stands for the secret.
    interval_s
        Seconds between requests. After a failure it doubles, up to ``retry_s_max``; a server's Retry-After holds.
    items, inherit
        As of `framing.json_lines`.
    message_bytes_max
        Longest body after decompression.

    Notes
    -----
    A server that gives an ETag or Last-Modified is asked only for what is new; ``unchanged`` counts its short answers.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Now,
        chance: Chance,
        headers: Mapping[str, str] | None = None,
        secret: Secret | None = None,
        tls: ssl.SSLContext | None = None,
        interval_s: float = 60.0,
        retry_s_max: float = 600.0,
        framing: Framing = "lines",
        items: str | None = None,
        inherit: Mapping[str, str] | None = None,
        message_bytes_max: int = 16_000_000,
    ) -> None:
        self.state = LinkState()
        self.unchanged = 0
        self._url = url
        self._now = now
        self._headers = dict(headers or {})
        self._secret = secret or Secret()
        self._tls = tls
        self._interval_s = interval_s
        self._retry_s_max = max(retry_s_max, interval_s)
        self._backoff = Backoff(interval_s, self._retry_s_max, chance)
        self._framing: Framing = framing
        self._items = items
        self._inherit = inherit
        self._limit = message_bytes_max
        self._known: dict[str, str] = {}
        self._asked_to_wait_s = 0.0

    async def run(self, deliver: Deliver) -> None:
        """Ask for ever."""
        loop = asyncio.get_running_loop()
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                due_s = loop.time() + self._interval_s
                try:
                    body = await self._ask(session)
                except (aiohttp.ClientError, OSError, ValueError) as err:
                    self._failed(self._secret.hide(err))
                except LinkError as err:
                    self._failed(self._secret.hide(err.message))
                else:
                    if not self.state.connected:
                        self.state.up()
                    self._backoff.reset()
                    if body is not None:
                        await self._deliver(body, deliver)
                    await asyncio.sleep(max(0.0, due_s - loop.time()))
                    continue
                await asyncio.sleep(max(self._backoff.next_s(), self._asked_to_wait_s))

    def _failed(self, reason: str) -> None:
        self.state.connected = False
        self.state.failed(reason)

    async def _deliver(self, body: bytes, deliver: Deliver) -> None:
        at_us = self._now()
        self.state.count()
        data = await asyncio.to_thread(frame, body, self._framing, items=self._items, inherit=self._inherit)
        for piece in pieces(data):
            await deliver(piece, at_us)

    async def _ask(self, session: aiohttp.ClientSession) -> bytes | None:
        """Body of the answer, None where nothing is new; LinkError on any answer but those."""
        self._asked_to_wait_s = 0.0
        headers = {name: self._secret.fill(value) for name, value in self._headers.items()}
        follow = not self._secret  # a key goes to the server it is for and nowhere else
        async with session.get(
            self._secret.fill(self._url), headers=headers | self._known, ssl=self._tls or True,
            allow_redirects=follow, max_redirects=REDIRECTS_MAX,
        ) as answer:  # fmt: skip
            if answer.status == 304:
                self.unchanged += 1
                return None
            if answer.status != 200:
                wait = answer.headers.get("Retry-After", "")
                self._asked_to_wait_s = min(float(wait), self._retry_s_max) if wait.isdigit() else 0.0
                raise LinkError(f"the server answers {answer.status} {answer.reason or ''}".strip(), code="link.http")
            body = bytearray()
            async for chunk in answer.content.iter_chunked(READ_BYTES):
                body += chunk
                if len(body) > self._limit:
                    self.state.oversize_messages += 1
                    raise LinkError(f"the answer is over {self._limit} bytes", code="link.oversize")
            names = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
            self._known = {ask: answer.headers[name] for name, ask in names.items() if name in answer.headers}
            return bytes(body)


class WebSocketClient:
    """Connect to a WebSocket, say what is wanted, and read.

    Parameters
    ----------
    url
        ``ws://`` or ``wss://``.
    send
        Texts sent after connecting, such as a subscription; ``{key}`` in them stands for the secret.
    message_bytes_max
        A longer frame ends the connection and is counted.
    idle_s_max
        A connection without a frame for this long is opened anew; 0 never.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Now,
        chance: Chance,
        send: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        secret: Secret | None = None,
        tls: ssl.SSLContext | None = None,
        framing: Framing = "lines",
        message_bytes_max: int = 1_000_000,
        retry_s_min: float = 0.5,
        retry_s_max: float = 60.0,
        idle_s_max: float = 600.0,
    ) -> None:
        self.state = LinkState()
        self._url = url
        self._now = now
        self._send = list(send)
        self._headers = dict(headers or {})
        self._secret = secret or Secret()
        self._tls = tls
        self._framing: Framing = framing
        self._limit = message_bytes_max
        self._backoff = Backoff(retry_s_min, retry_s_max, chance)
        self._idle_s_max = idle_s_max

    async def run(self, deliver: Deliver) -> None:
        """Read for ever; a connection that ends is opened anew."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_TIMEOUT_S, sock_read=REQUEST_TIMEOUT_S)
        while True:
            before = self.state.received_blocks
            try:
                async with aiohttp.ClientSession(timeout=timeout) as session:
                    await self._converse(session, deliver)
            except TimeoutError:
                self.state.failed(f"nothing came for {self._idle_s_max:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as err:
                self.state.failed(self._secret.hide(err))
            finally:
                self.state.connected = False
            if self.state.received_blocks > before:
                self._backoff.reset()
            await self._backoff.pause()

    async def _converse(self, session: aiohttp.ClientSession, deliver: Deliver) -> None:
        headers = {name: self._secret.fill(value) for name, value in self._headers.items()}
        async with session.ws_connect(
            self._secret.fill(self._url), headers=headers, ssl=self._tls or True, max_msg_size=self._limit,
            heartbeat=HEARTBEAT_S,
        ) as socket:  # fmt: skip
            self.state.up()
            for text in self._send:
                await socket.send_str(fill_json(text, self._secret))
            while True:
                message = await socket.receive(timeout=self._idle_s_max or None)
                if message.type == aiohttp.WSMsgType.TEXT:
                    data = message.data.encode(errors="replace")
                elif message.type == aiohttp.WSMsgType.BINARY:
                    data = message.data
                else:
                    break
                at_us = self._now()
                self.state.count()
                for piece in pieces(frame(data, self._framing)):
                    await deliver(piece, at_us)
            if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
                self.state.oversize_messages += 1
                self.state.failed(f"a frame is over {self._limit} bytes")
            else:
                self.state.failed(f"the server closed the connection (code {socket.close_code})")


def fill_json(text: str, secret: Secret) -> str:
    """Text with the key in it; in a JSON text the key is escaped as JSON wants it."""
    if not secret or "{key}" not in text:
        return text
    if text.lstrip().startswith(("{", "[")):
        return text.replace("{key}", json.dumps(secret.reveal())[1:-1])
    return secret.fill(text)
