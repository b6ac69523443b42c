"""What every link is: something that brings bytes to one source, with its own health and limits.

A link knows nothing of what the bytes mean. It hands them to ``deliver``, which may wait: a slow node slows the
socket (TCP) or counts what the kernel could not hold (UDP); memory never grows with the sender's speed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

READ_BYTES = 65_536
LINE_LIMIT_BYTES = 65_536

Deliver = Callable[[bytes, int], Awaitable[None]]
Now = Callable[[], int]


@dataclass
class LinkState:
    """Health of one link, read by the node; every limit that is hit shows here as a count."""

    connected: bool = False
    connections: int = 0
    failures: int = 0
    received_bytes: int = 0
    received_blocks: int = 0
    refused_connections: int = 0
    cut_lines: int = 0
    last_error: str = ""
    last_byte_at_us: int | None = None

    def count(self, data: bytes, at_us: int) -> None:
        """Count one block of bytes."""
        self.received_bytes += len(data)
        self.received_blocks += 1
        self.last_byte_at_us = at_us


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
        self._rest = b""

    def push(self, data: bytes) -> bytes:
        """Bytes up to the last line feed; the rest waits."""
        held = self._rest + data
        cut = held.rfind(b"\n") + 1
        whole, self._rest = held[:cut], held[cut:]
        if len(self._rest) > self._limit:
            self._state.cut_lines += 1
            whole, self._rest = whole + self._rest + b"\n", b""
        return whole

    def end(self) -> bytes:
        """What waited when the connection ended, closed with a line feed."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""
