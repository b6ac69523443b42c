"""What every link is: something that brings bytes to one source, with its own health and limits.

A link knows nothing of what the bytes mean. It hands them to ``deliver``, which may wait: a slow node slows the
socket (TCP) or counts what the kernel could not hold (UDP); memory never grows with the sender's speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

READ_BYTES = 65_536
LINE_LIMIT_BYTES = 65_536

Deliver = Callable[[bytes, int], Awaitable[None]]
Now = Callable[[], int]
Chance = Callable[[], float]


@dataclass
class LinkState:
    """Health of one link, read by the node; every limit that is hit shows here as a count.

    ``refused_connections`` came above the limit, ``evicted_connections`` made room for them, ``cut_lines`` were longer
    than a line may be, ``dropped`` are datagrams no room was left for, ``oversize_messages`` were longer than a message
    may be, ``unfinished_bytes`` belong to lines that had no end when the node stopped.
    """

    connected: bool = False
    connections: int = 0
    failures: int = 0
    received_blocks: int = 0
    refused_connections: int = 0
    evicted_connections: int = 0
    cut_lines: int = 0
    dropped: int = 0
    oversize_messages: int = 0
    unfinished_bytes: int = 0
    last_error: str = ""

    def count(self) -> None:
        """Count one block of bytes."""
        self.received_blocks += 1

    def up(self) -> None:
        """A connection stands: what went wrong before is history, and stays in the counts."""
        self.connected = True
        self.connections += 1
        self.last_error = ""

    def failed(self, reason: object) -> None:
        """One attempt or connection failed."""
        self.failures += 1
        self.last_error = str(reason) or type(reason).__name__


class Link(Protocol):
    """One way in for bytes."""

    state: LinkState

    async def run(self, deliver: Deliver) -> None:
        """Bring bytes until cancelled or, for a file, until its end.

        Raises
        ------
        LinkError
            When the link cannot work at all (a port in use, a file that is not there); losses in between are
            retried with back-off and counted.
        """
        ...


class Backoff:
    """Pauses between attempts: each twice the one before, up to a longest, less up to half of it by chance.

    Chance keeps the nodes of a coast from all knocking again in the same instant when a shared sender comes back.

    Parameters
    ----------
    first_s, longest_s
        First and longest pause, before chance shortens it.
    chance
        Numbers in [0, 1).
    """

    def __init__(self, first_s: float, longest_s: float, chance: Chance) -> None:
        self._first_s = min(first_s, longest_s)
        self._longest_s = longest_s
        self._chance = chance
        self._next_s = self._first_s

    def reset(self) -> None:
        """Start again from the first pause: the connection brought something."""
        self._next_s = self._first_s

    def next_s(self) -> float:
        """Length of the next pause in seconds."""
        pause_s = self._next_s
        self._next_s = min(2.0 * pause_s, self._longest_s)
        return pause_s * (1.0 - 0.5 * self._chance())

    async def pause(self) -> None:
        """Wait one pause."""
        await asyncio.sleep(self.next_s())


class LineJoiner:
    """Whole lines of one connection, so that several senders on one source never mix inside a line.

    Parameters
    ----------
    limit_bytes
        Longest line held; a longer one is passed on in pieces, each ended by a line feed, and counted.
    """

    def __init__(self, state: LinkState, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._state = state
        self._limit = limit_bytes
        self._parts: list[bytes] = []
        self.held_bytes = 0

    def push(self, data: bytes) -> bytes:
        """Bytes up to the last line feed; the rest waits."""
        cut = data.rfind(b"\n") + 1
        whole = b""
        if cut:
            whole = b"".join([*self._parts, data[:cut]])
            self._parts, self.held_bytes = [], 0
        if cut < len(data):
            self._parts.append(data[cut:])
            self.held_bytes += len(data) - cut
        if self.held_bytes > self._limit:
            self._state.cut_lines += 1
            whole += self.end()
        return whole

    def end(self) -> bytes:
        """What waited when the connection ended, closed with a line feed."""
        rest = b"".join(self._parts)
        self._parts, self.held_bytes = [], 0
        return rest + b"\n" if rest else b""
