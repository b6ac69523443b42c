"""The one who performs a session's instructions: asyncio around the sans-IO session of one partner.

What enters: links that came up, frames, releases of the node. What leaves: frames, items handed to the node's
``accept``, and notices. It holds the one order that matters: change the session, commit the outbox, then perform.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from kuroshio.errors import KuroshioError, StoreError
from kuroshio.peers.instructions import Close, Deliver, Direction, Instruction, Send, Told
from kuroshio.peers.session import Session

log = logging.getLogger(__name__)

Accept = Callable[[Deliver], Awaitable[None]]
Notice = Callable[[str, dict[str, Any]], None]
Now = Callable[[], int]


class Stream(Protocol):
    """One direction's stream as a link offers it."""

    @property
    def sent_bytes(self) -> int:
        """Bytes given to the network so far."""
        ...

    async def send(self, data: bytes, *, urgent: bool = False) -> None:
        """Send one frame without waiting for the network; a stream that cannot keep up ends itself."""
        ...

    async def close(self, code: str) -> None:
        """End the stream."""
        ...


class PeerDriver:
    """Session of one partner, driven.

    Parameters
    ----------
    session
        The session; its outbox is committed here.
    accept
        The node's way to take an item: verify and make it durable, or raise. A StoreError means later; any other
        KuroshioError means never, and the partner is told its code.
    now
        The node's clock.
    notice
        Called with (what, detail) for acknowledged, refused, withheld, skipped, epochs, protocol errors.
    """

    def __init__(self, session: Session, accept: Accept, *, now: Now, notice: Notice | None = None) -> None:
        self.session = session
        self._accept, self._now, self._notice = accept, now, notice
        self._streams: dict[Direction, Stream] = {}
        self._lock = asyncio.Lock()
        self._deliveries: asyncio.Queue[Deliver] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def partner(self) -> str:
        """Party code of the partner."""
        return self.session.partner

    def start(self) -> None:
        """Begin ticking and delivering; needs a running loop."""
        self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self._deliver())]

    async def stop(self) -> None:
        """End tasks and streams."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for stream in list(self._streams.values()):
            await stream.close("peer.stopped")
        self._streams.clear()

    # -- from the node

    async def offer(self, kind: str, release_id: str, body: bytes) -> None:
        """Queue a sealed bundle; durable when this returns.

        Raises
        ------
        PeerError
            ``peer.queue_full``.
        """
        async with self._lock:
            await self._do(self.session.offer(kind, release_id, body, self._now()))

    async def withdraw(self, release_id: str) -> bool:
        """Take a release off the queue when it is still there."""
        async with self._lock:
            found = self.session.withdraw(release_id)
            await self._do([])
            return found

    async def to_carry(self) -> list[bytes]:
        """Bundles that wait and may go now, for a file."""
        async with self._lock:
            bundles, told = self.session.to_carry(self._now())
            await self._do(told)
            return bundles

    def state_room(self) -> int:
        """Bytes that a state release sealed now may have, to go now; 0 says wait."""
        return self.session.out.state_room(self._now())

    def thinned(self, total: int) -> None:
        """States that newer ones replaced before they could go, since the start: the partner is told how many."""
        self.session.out.counters["thinned"] = total

    async def hang_up(self, code: str) -> None:
        """End both streams: the partner's certificate or a key counts no more."""
        async with self._lock:
            for direction in list(self._streams):
                stream = self._streams.pop(direction)
                self.session.down(direction)
                await stream.close(code)

    def health(self) -> dict[str, Any]:
        """Health of both directions."""
        return self.session.health(self._now())

    # -- from the link

    async def opened(self, direction: Direction, stream: Stream) -> None:
        """A stream is up; an older one of the same direction ends."""
        async with self._lock:
            old = self._streams.pop(direction, None)
            if old is not None:
                self.session.down(direction)
                await old.close("peer.replaced")
            self._streams[direction] = stream
            await self._do(self.session.up(direction, self._now()))

    async def received(self, direction: Direction, stream: Stream, data: bytes) -> None:
        """One frame came."""
        async with self._lock:
            if self._streams.get(direction) is stream:
                await self._do(self.session.frame(direction, data, self._now()))

    async def closed(self, direction: Direction, stream: Stream) -> None:
        """A stream is gone."""
        async with self._lock:
            if self._streams.get(direction) is stream:
                del self._streams[direction]
                await self._do(self.session.down(direction))

    def handler(self, direction: Direction) -> BoundHandler:
        """What a link of that direction is given."""
        return BoundHandler(self, direction)

    # -- performing

    async def _do(self, instructions: list[Instruction]) -> None:
        """Commit, then perform: nothing is sent that a crash could take back."""
        await asyncio.to_thread(self.session.outbox.commit)
        for instruction in instructions:
            if isinstance(instruction, Send):
                stream = self._streams.get(instruction.direction)
                if stream is not None:
                    await stream.send(instruction.data, urgent=instruction.urgent)
            elif isinstance(instruction, Deliver):
                self._deliveries.put_nowait(instruction)
            elif isinstance(instruction, Close):
                stream = self._streams.pop(instruction.direction, None)
                if stream is not None:
                    await stream.close(instruction.code)
            elif isinstance(instruction, Told) and self._notice is not None:
                self._notice(instruction.what, instruction.detail)

    async def _tick(self) -> None:
        moved = 0
        while True:
            await asyncio.sleep(0.5)
            async with self._lock:
                stream = self._streams.get(Direction.OUT)
                if stream is not None and stream.sent_bytes != moved:  # a long item on a thin link is no standstill
                    moved = stream.sent_bytes
                    self.session.out.moving(self._now())
                try:
                    await self._do(self.session.tick(self._now()))
                except StoreError as err:  # a full disk must not end the heartbeat for ever
                    log.error("%s: %s", self.partner, err)

    async def _deliver(self) -> None:
        """Hand items to the node one after another: their order is the partner's."""
        while True:
            item = await self._deliveries.get()
            refused: str | None = None
            if item.kind != "skip" or item.body:
                try:
                    await self._accept(item)
                except StoreError as err:
                    await self._put_off(err.error_code)
                    continue
                except KuroshioError as err:
                    refused = err.error_code
                except Exception:  # a fault of our own must not be told to the partner as its fault, nor lose the item
                    log.exception("an item of %s could not be taken", self.partner)
                    await self._put_off("peer.internal")
                    continue
            try:
                async with self._lock:
                    await self._do(self.session.taken(item.lane, item.seq, item.item_id, self._now(), refused=refused))
            except StoreError as err:
                await self._put_off(err.error_code)

    async def _put_off(self, code: str) -> None:
        """Take nothing more on this stream; what was not acknowledged comes again on the next."""
        while not self._deliveries.empty():
            self._deliveries.get_nowait()
        async with self._lock:
            with contextlib.suppress(StoreError):
                await self._do(self.session.failed(code))


class BoundHandler:
    """One direction of a driver, as a link sees it."""

    def __init__(self, driver: PeerDriver, direction: Direction) -> None:
        self._driver, self._direction = driver, direction

    async def opened(self, stream: Stream) -> None:
        """The stream is up."""
        await self._driver.opened(self._direction, stream)

    async def received(self, stream: Stream, data: bytes) -> None:
        """One frame came."""
        await self._driver.received(self._direction, stream, data)

    async def closed(self, stream: Stream) -> None:
        """The stream is gone."""
        await self._driver.closed(self._direction, stream)
