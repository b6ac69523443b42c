"""One topic: bounded queues, one a subscriber, that never make the publisher wait."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from kuroshio.errors import StoreError

T = TypeVar("T")


@dataclass(frozen=True)
class Lapse:
    """Handed to a subscriber in place of ``dropped`` messages that it was too slow to take."""

    dropped: int


class Subscription(Generic[T]):
    """One subscriber's queue. When it is full all of it is dropped, and a `Lapse` takes its place.

    Half a stream of differences is of no use; after a lapse the subscriber starts from a fresh state.
    """

    def __init__(self, topic: Topic[T], limit: int) -> None:
        self._topic = topic
        self._limit = limit
        self._queue: deque[T] = deque()
        self._ready = asyncio.Event()
        self._lapsed = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._queue)

    def _offer(self, message: T) -> int:
        lost = 0
        if len(self._queue) >= self._limit:
            lost = len(self._queue) + 1
            self._queue.clear()
            self._lapsed += lost
            self.dropped += lost
        elif self._lapsed:
            lost = 1  # until the subscriber has seen its lapse nothing more is kept for it
            self._lapsed += 1
            self.dropped += 1
        else:
            self._queue.append(message)
        self._ready.set()
        return lost

    async def get(self) -> T | Lapse:
        """Next message, or the lapse in place of those that were lost."""
        while True:
            if self._lapsed:
                lapse, self._lapsed = Lapse(self._lapsed), 0
                return lapse
            if self._queue:
                return self._queue.popleft()
            self._ready.clear()
            await self._ready.wait()

    def close(self) -> None:
        """Leave the topic."""
        self._topic._leave(self)

    def __enter__(self) -> Subscription[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Topic(Generic[T]):
    """Fan-out of messages to subscribers in one event loop.

    Parameters
    ----------
    name
        For counters and errors.
    queue_limit
        Messages that may wait for one subscriber.
    subscriber_limit
        Subscribers at once; one more is refused.
    """

    def __init__(self, name: str, *, queue_limit: int = 64, subscriber_limit: int = 1024) -> None:
        self.name = name
        self.queue_limit = queue_limit
        self.subscriber_limit = subscriber_limit
        self._subscribers: dict[int, Subscription[T]] = {}
        self.published = 0
        self.dropped = 0
        self.lapses = 0
        self.refused = 0

    def subscribe(self, queue_limit: int | None = None) -> Subscription[T]:
        """New subscription that sees messages from now on.

        Raises
        ------
        StoreError
            ``bus.full`` when there are too many subscribers.
        """
        if len(self._subscribers) >= self.subscriber_limit:
            self.refused += 1
            raise StoreError(
                f"topic {self.name} has its {self.subscriber_limit} subscribers",
                code="bus.full",
                advice="Close other clients, or ask the administrator to raise the limit.",
            )
        subscription: Subscription[T] = Subscription(self, queue_limit or self.queue_limit)
        self._subscribers[id(subscription)] = subscription
        return subscription

    def publish(self, message: T) -> None:
        """Hand a message to every subscriber; never waits. Call it in the event loop."""
        self.published += 1
        for subscription in self._subscribers.values():
            before = subscription._lapsed
            lost = subscription._offer(message)
            self.dropped += lost
            self.lapses += 1 if lost and not before else 0

    def _leave(self, subscription: Subscription[T]) -> None:
        self._subscribers.pop(id(subscription), None)

    def counts(self) -> dict[str, int]:
        """Subscribers now, messages published, dropped for slow subscribers, lapses, refused subscribers."""
        return {
            "subscribers": len(self._subscribers),
            "published": self.published,
            "dropped": self.dropped,
            "lapses": self.lapses,
            "refused": self.refused,
        }
