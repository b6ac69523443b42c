"""One sync for many callers: whoever comes first commits for all who wait, and hands the turn on.

What enters: tickets from any thread. What leaves: the same, done, after one call of ``commit`` for the group. Each
caller is woken by itself: waking all of them to look for their turn cost more than the disk.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kuroshio.errors import InputError, StoreError

GATHER_S = 0.0005  # a leader waits this long at most for the callers of the group before, who come back about now


class Ticket:
    """One caller's leaves on the way to the disk."""

    def __init__(self, leaves: Sequence[Mapping[str, Any]]) -> None:
        self.leaves = leaves
        self.seqs: list[int] = []
        self.error: InputError | StoreError | None = None
        self.done = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Turns:
    """Order of the callers of one log.

    Parameters
    ----------
    commit
        Writes and syncs a group, and marks each ticket done, whatever happens.
    """

    def __init__(self, commit: Callable[[Sequence[Ticket]], None]) -> None:
        self._commit = commit
        self._gate = threading.Lock()
        self._waiting: list[Ticket] = []
        self._leading = False
        self._last = 1

    def take(self, ticket: Ticket) -> None:
        """Return when the ticket is done, by this caller or by the one who led its group."""
        with self._gate:
            self._waiting.append(ticket)
            leads = not self._leading
            self._leading = True
        if not leads:
            ticket.woken.acquire()
        if ticket.done:
            return
        self._gather()
        with self._gate:
            group, self._waiting = self._waiting, []
        self._last = len(group)
        try:
            self._commit(group)
        finally:
            with self._gate:
                heir = self._waiting[0] if self._waiting else None
                self._leading = heir is not None
            for other in group:
                if other is not ticket:
                    other.woken.release()
            if heir is not None:
                heir.woken.release()

    def _gather(self) -> None:
        until = time.perf_counter() + GATHER_S
        while len(self._waiting) < self._last and time.perf_counter() < until:
            time.sleep(GATHER_S / 10)
