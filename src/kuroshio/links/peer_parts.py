"""Frames cut into parts, so that an urgent one need not wait behind a long one: shared by all peer transports.

What enters: whole frames of two classes. What leaves: messages of at most `PART_BYTES`, urgent ones first, and whole
frames again at the other end. A frame of 1 MB takes 160 s on a link of 50 kbit/s; a recall goes between its parts. A
message begins with one byte: bit 0 says that it ends its frame, bit 1 that the frame is urgent. Within a class order is
kept.
"""

from __future__ import annotations

import asyncio
from collections import deque

from kuroshio.errors import PeerError

PART_BYTES = 16 << 10
THIN_PART_S = 0.5  # a part of a thin link takes at most about this long
PART_BYTES_MIN = 512
MAX_FRAME = (16 << 20) + (128 << 10)
MAX_QUEUED = 64 << 20
LAST, URGENT = 1, 2


class Outgoing:
    """Queue of frames of one stream.

    Parameters
    ----------
    rate_bytes_per_s
        What the link carries; parts are as small, and as far apart, as it needs. None sends as fast as the link takes.
    whole
        True sends each frame as one message without the first byte: a partner that knows no parts.
    """

    def __init__(self, rate_bytes_per_s: float | None = None, *, whole: bool = False) -> None:
        self.rate, self.whole = rate_bytes_per_s, whole
        self.size = PART_BYTES if rate_bytes_per_s is None else max(
            PART_BYTES_MIN, min(PART_BYTES, int(rate_bytes_per_s * THIN_PART_S))
        )  # fmt: skip
        self.queued_bytes = 0
        self.sent_bytes = 0
        self._queues: tuple[deque[memoryview], deque[memoryview]] = (deque(), deque())  # data, urgent
        self._at: list[int] = [0, 0]
        self._some = asyncio.Event()
        self._free_s = 0.0

    def put(self, data: bytes, *, urgent: bool) -> bool:
        """Queue a frame; False when too much waits already: the stream cannot keep up and must end."""
        self.queued_bytes += len(data)
        if self.queued_bytes > MAX_QUEUED:
            return False
        self._queues[urgent].append(memoryview(data))
        self._some.set()
        return True

    @property
    def empty(self) -> bool:
        """True when nothing waits."""
        return not any(self._queues)

    def take(self) -> bytes | None:
        """Next message; None when nothing waits."""
        for urgent in (1, 0):
            if self._queues[urgent]:
                return self._cut(urgent)
        self._some.clear()
        return None

    def _cut(self, urgent: int) -> bytes:
        queue = self._queues[urgent]
        frame, at = queue[0], self._at[urgent]
        end = len(frame) if self.whole else min(len(frame), at + self.size)
        part = frame[at:end]
        self._at[urgent] = end
        if end == len(frame):
            queue.popleft()
            self._at[urgent] = 0
        self.queued_bytes -= len(part)
        self.sent_bytes += len(part)
        if self.whole:
            return bytes(part)
        return bytes([(URGENT if urgent else 0) | (LAST if end == len(frame) else 0)]) + part

    async def next(self) -> bytes:
        """Next message, when there is one and the rate lets it go; an urgent one waits for no rate."""
        loop = asyncio.get_running_loop()
        while True:
            await self._some.wait()
            pause_s = 0.0 if self._queues[1] else self._free_s - loop.time()
            if pause_s > 0:
                await asyncio.sleep(min(pause_s, 0.05))
                continue
            message = self.take()
            if message is not None:
                if self.rate is not None:
                    self._free_s = max(self._free_s, loop.time()) + len(message) / self.rate
                return message


class Incoming:
    """Frames of the messages of one stream."""

    def __init__(self, *, whole: bool = False) -> None:
        self._whole = whole
        self._parts: tuple[list[bytes], list[bytes]] = ([], [])
        self._sizes = [0, 0]

    def add(self, message: bytes) -> bytes | None:
        """Frame that the message ends; None when more of it must come.

        Raises
        ------
        PeerError
            ``peer.frame`` when it is empty or the frame is beyond the limit.
        """
        if self._whole:
            return message
        if not message or message[0] > (URGENT | LAST):
            raise PeerError("a message that is no part of a frame", code="peer.frame")
        urgent, last = message[0] >> 1, message[0] & LAST
        parts = self._parts[urgent]
        self._sizes[urgent] += len(message) - 1
        if self._sizes[urgent] > MAX_FRAME:
            raise PeerError(f"a frame of more than {MAX_FRAME} bytes", code="peer.frame")
        parts.append(message[1:])
        if not last:
            return None
        frame = b"".join(parts)
        parts.clear()
        self._sizes[urgent] = 0
        return frame
