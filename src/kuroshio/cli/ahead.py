"""Work a few steps ahead in threads: what makes items and what uses them share the cores.

What enters: iterators. What leaves: their items, in the iterators' order; each runs at most a few items ahead, and
only so many at a time.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
DEPTH = 4  # items that wait


class Ahead(Generic[T]):
    """Items of an iterator, made by a thread that runs a few ahead."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._ready: queue.Queue[T | BaseException | None] = queue.Queue(DEPTH)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def _put(self, item: T | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as err:
            self._put(err)

    def __iter__(self) -> Iterator[T]:
        """The items, or what the iterator raised."""
        while (item := self._ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


def in_order(sources: Iterable[Iterator[T]], at_once: int) -> Iterator[Iterator[T]]:
    """The sources one after another, while up to ``at_once`` of them already run."""
    running: deque[Ahead[T]] = deque()
    rest = iter(sources)
    try:
        while True:
            while len(running) < max(1, at_once) and (source := next(rest, None)) is not None:
                running.append(Ahead(source))
            if not running:
                return
            yield iter(running[0])
            running.popleft().stop()
    finally:
        for one in running:
            one.stop()
