"""TCP client and server, for sensors that speak over the network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Backoff, Chance, Deliver, LineJoiner, LinkState, Now

CONNECT_TIMEOUT_S = 15.0
EVICT_QUIET_S = 30.0


class TcpClient:
    """Connect to a sensor's server and read; after a loss, try again with growing pauses.

    Parameters
    ----------
    host, port
        Where the sensor listens.
    now
        Clock for the arrival time of each block.
    chance
        Numbers in [0, 1) that shorten the pauses.
    retry_s_min, retry_s_max
        First and longest pause between attempts; it doubles in between.
    lines
        Deliver whole lines only; False for binary formats.
    idle_s_max
        A connection without a byte for this long is taken as dead and opened anew; 0 never.
    greeting
        Bytes sent first on every connection, such as gpsd's request to watch.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        now: Now,
        chance: Chance,
        retry_s_min: float = 0.25,
        retry_s_max: float = 30.0,
        lines: bool = True,
        idle_s_max: float = 600.0,
        greeting: bytes = b"",
    ) -> None:
        self.state = LinkState()
        self._address = (host, port)
        self._now = now
        self._backoff = Backoff(retry_s_min, retry_s_max, chance)
        self._lines = lines
        self._idle_s_max = idle_s_max
        self._greeting = greeting

    async def run(self, deliver: Deliver) -> None:
        """Read for ever; returns only when cancelled."""
        while True:
            before = self.state.received_blocks
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    reader, writer = await asyncio.open_connection(*self._address)
            except (OSError, UnicodeError) as err:  # TimeoutError is an OSError; UnicodeError: not a host name
                self.state.failed(err if str(err) else f"no answer within {CONNECT_TIMEOUT_S:g} s")
            else:
                await self._converse(reader, writer, deliver)
            if self.state.received_blocks > before:
                self._backoff.reset()
            await self._backoff.pause()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deliver: Deliver) -> None:
        self.state.up()
        try:
            if self._greeting:
                writer.write(self._greeting)
                await writer.drain()
            await read_all(reader, self.state, self._now, deliver, lines=self._lines, idle_s_max=self._idle_s_max)
        except OSError as err:
            self.state.failed(err)
        finally:
            self.state.connected = False
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class TcpServer:
    """Listen for sensors that connect and send.

    Parameters
    ----------
    clients_max
        Connections held at once. When all are taken, a new one takes the place of the one that has been without a whole
        line for longest, if that is over half a minute; else it is refused. Both are counted: connections that say
        nothing cannot lock out one that has something to say.
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
        self._heard_s: dict[asyncio.Task[None], float] = {}

    async def run(self, deliver: Deliver) -> None:
        """Serve for ever; raises LinkError when the address cannot be had."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            try:
                if self._admit(task):
                    await self._converse(task, reader, deliver)
            finally:
                self._heard_s.pop(task, None)
                self.state.connected = bool(self._heard_s)
                writer.close()

        try:
            server = await asyncio.start_server(serve, self._host, self.port)
        except OSError as err:
            raise LinkError(f"cannot listen on {self._host}:{self.port}: {err}", code="link.listen") from err
        self.port = server.sockets[0].getsockname()[1]
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            tasks = list(self._heard_s)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _admit(self, task: asyncio.Task[None]) -> bool:
        now_s = asyncio.get_running_loop().time()
        if len(self._heard_s) >= self._clients_max:
            quietest = min(self._heard_s, key=self._heard_s.__getitem__)
            if now_s - self._heard_s[quietest] < EVICT_QUIET_S:
                self.state.refused_connections += 1
                return False
            self.state.evicted_connections += 1
            del self._heard_s[quietest]
            quietest.cancel()
        self._heard_s[task] = now_s
        self.state.up()
        return True

    async def _converse(self, task: asyncio.Task[None], reader: asyncio.StreamReader, deliver: Deliver) -> None:
        loop = asyncio.get_running_loop()

        def heard() -> None:
            if task in self._heard_s:
                self._heard_s[task] = loop.time()

        with contextlib.suppress(asyncio.CancelledError):  # evicted, or the link ends: the connection ends with it
            await read_all(
                reader, self.state, self._now, deliver, lines=self._lines, idle_s_max=self._idle_s_max, heard=heard
            )


def _nothing() -> None:
    return


async def read_all(
    reader: asyncio.StreamReader,
    state: LinkState,
    now: Now,
    deliver: Deliver,
    *,
    lines: bool,
    idle_s_max: float,
    heard: Callable[[], None] = _nothing,
) -> None:
    """Deliver what a stream brings until it ends, is idle too long, or the task is cancelled.

    Parameters
    ----------
    heard
        Called when a whole line (or, without ``lines``, any byte) has come.
    """
    joiner = LineJoiner(state) if lines else None
    try:
        while True:
            data = await asyncio.wait_for(reader.read(READ_BYTES), idle_s_max or None)
            if not data:
                break
            at_us = now()
            state.count()
            whole = joiner.push(data) if joiner else data
            if whole:
                heard()
                await deliver(whole, at_us)
    except TimeoutError:
        state.failed(f"no byte for {idle_s_max:g} s")
    except OSError as err:
        state.failed(err)
    except asyncio.CancelledError:
        state.unfinished_bytes += joiner.held_bytes if joiner else 0
        raise
    rest = joiner.end() if joiner else b""
    if rest:
        await deliver(rest, now())
