"""Pushed bodies: how many, how large together, and how long they may take to come.

What enters: requests of a push route, and connections before they are requests. What leaves: whole bodies, inflated
within the limit; or a refusal that is counted. A sender that is slow on purpose, or many at once, holds nothing that
others need.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import h11
from fastapi import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from kuroshio.api.settings import ApiSettings
from kuroshio.errors import BusyError, InputError
from kuroshio.links.framing import inflate

WORKING_MAX = 2  # the worker is one: more at a time would only hold threads that answers to people need
RETRY_AFTER_S = 5
REQUEST_HEAD_S = 20.0
REQUEST_BODY_S = 120.0


class Intake:
    """What pushes hold now, one an application.

    Parameters
    ----------
    settings
        Limits.
    counts
        Where refusals are counted: ``pushes_refused``, ``pushes_late``.
    """

    def __init__(self, settings: ApiSettings, counts: dict[str, int]) -> None:
        self.settings = settings
        self.counts = counts
        self.pushes = 0
        self.held_bytes = 0
        self._working = asyncio.Semaphore(WORKING_MAX)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Body of a push, whole and inflated, while there is room for it.

        Raises
        ------
        BusyError
            When as many pushes or bytes are under way as may be.
        InputError
            ``api.body_late`` when it does not come in time.
        LinkError
            When it does not inflate, or to more than the limit.
        """
        held = 0
        if self.pushes >= self.settings.pushes_max:
            self._refuse("pushes_refused")
            raise BusyError(f"{self.pushes} pushes are under way", code="push.busy", retry_after_s=RETRY_AFTER_S)
        self.pushes += 1
        try:
            chunks: list[bytes] = []
            try:
                async with asyncio.timeout(self.settings.push_body_s):
                    async for chunk in request.stream():
                        chunks.append(chunk)
                        held += len(chunk)
                        self.held_bytes += len(chunk)
                        if self.held_bytes > self.settings.pushes_bytes_max:
                            self._refuse("pushes_refused")
                            text = f"pushes under way hold {self.held_bytes} bytes"
                            raise BusyError(text, code="push.busy", retry_after_s=RETRY_AFTER_S)
            except TimeoutError:
                self._refuse("pushes_late")
                raise InputError(
                    f"the body did not come within {self.settings.push_body_s:g} s",
                    code="api.body_late",
                    advice="Send less at once.",
                ) from None
            data = b"".join(chunks)
            async with self._working:
                encoding = request.headers.get("content-encoding", "")
                yield await asyncio.to_thread(inflate, data, encoding, limit_bytes=self.settings.push_limit)
        finally:
            self.pushes -= 1
            self.held_bytes -= held

    def _refuse(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1


def intake_of(request: Request) -> Intake:
    """The application's intake."""
    intake: Intake = request.app.state.intake
    return intake


class DeadlineProtocol(H11Protocol):
    """HTTP connection whose request must have its head within twenty seconds and its body within two minutes.

    The server limits how long a connection may idle between requests; one that never sends its first, or sends a head
    a byte a minute, would hold its place for ever.
    """

    _deadline: asyncio.TimerHandle | None = None
    _upgraded = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(REQUEST_HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Wait on for what is missing of a request, and for nothing while it is answered."""
        before = self.cycle
        super().data_received(data)
        if self._upgraded:
            return
        body_missing = self.cycle is not None and self.conn.their_state is h11.SEND_BODY
        if self.cycle is not before:
            self._stop()
            if body_missing:
                self._wait(REQUEST_BODY_S)
        elif not body_missing and self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None:
            self._wait(REQUEST_HEAD_S)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Wait no more: a stream has its own pings."""
        self._upgraded = True
        self._stop()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._late)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.close()
