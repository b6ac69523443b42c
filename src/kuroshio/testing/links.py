"""Tools to test a link with: a sink that keeps what it brings, the link running, and a wait for a condition.

What enters: a link. What leaves: its bytes. Nothing here waits longer than it must; a condition that never holds fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from kuroshio.links import Link

STEP_S = 0.01


class Sink:
    """Keeps every block with its arrival; ``gate`` cleared makes it a node that is busy."""

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.arrivals_us: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, data: bytes, at_us: int) -> None:
        """Take a block, once the gate is open."""
        await self.gate.wait()
        self.blocks.append(data)
        self.arrivals_us.append(at_us)

    @property
    def data(self) -> bytes:
        """All bytes in order."""
        return b"".join(self.blocks)

    @property
    def lines(self) -> list[bytes]:
        """Whole lines in order."""
        return self.data.splitlines()


@contextlib.asynccontextmanager
async def running(link: Link, sink: Sink) -> AsyncIterator[asyncio.Task[None]]:
    """The link runs while the context is open, and is cancelled at its end."""
    task = asyncio.create_task(link.run(sink))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Wait until a condition holds; AssertionError when it does not."""
    for _ in range(int(seconds / STEP_S)):
        if condition():
            return
        await asyncio.sleep(STEP_S)
    raise AssertionError("the condition never held")
