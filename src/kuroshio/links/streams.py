"""Byte streams of this machine as links: a serial line and the standard input."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import Any

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Backoff, Chance, Deliver, LineJoiner, LinkState, Now


class Serial:
    """A serial line, such as a receiver's RS-422 port; needs the `serial` extra.

    Parameters
    ----------
    device
        Such as /dev/ttyUSB0.
    baud
        38400 is the AIS high-speed port (IEC 61162-2), 4800 plain NMEA 0183.

    Notes
    -----
    The event loop watches the device: a line costs no thread, so that many of them starve nobody of one.
    """

    def __init__(
        self, device: str, *, now: Now, chance: Chance, baud: int = 38_400, retry_s_min: float = 0.5,
        retry_s_max: float = 30.0,
    ) -> None:  # fmt: skip
        self.state = LinkState()
        self._device = device
        self._now = now
        self._baud = baud
        self._backoff = Backoff(retry_s_min, retry_s_max, chance)

    async def run(self, deliver: Deliver) -> None:
        """Read for ever; a line that is unplugged is opened anew."""
        try:
            import serial
        except ImportError as err:
            raise LinkError(
                "serial lines need the package pyserial", code="link.serial", advice="pip install kuroshio[serial]"
            ) from err
        while True:
            try:
                port = await asyncio.to_thread(serial.Serial, self._device, self._baud, timeout=0)
            except (serial.SerialException, OSError, ValueError) as err:
                self.state.failed(err)
            else:
                self.state.up()
                self._backoff.reset()
                try:
                    await self._read(port, deliver)
                finally:
                    self.state.connected = False
                    port.close()
            await self._backoff.pause()

    async def _read(self, port: Any, deliver: Deliver) -> None:
        joiner = LineJoiner(self.state)
        descriptor: int = port.fileno()
        try:
            while await readable(descriptor):
                data = os.read(descriptor, 4096)
                if not data:
                    self.state.failed("the line was unplugged")
                    break
                at_us = self._now()
                self.state.count()
                if whole := joiner.push(data):
                    await deliver(whole, at_us)
        except OSError as err:
            self.state.failed(err)
        except asyncio.CancelledError:
            self.state.unfinished_bytes += joiner.held_bytes
            raise
        if rest := joiner.end():
            await deliver(rest, self._now())


async def readable(descriptor: int) -> bool:
    """True once a descriptor has something to read, or its end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[bool] = loop.create_future()

    def settle() -> None:
        if not ready.done():
            ready.set_result(True)

    loop.add_reader(descriptor, settle)
    try:
        return await ready
    finally:
        loop.remove_reader(descriptor)


class Stdin:
    """Standard input, a pipe or a redirected file; `run` returns at its end.

    Parameters
    ----------
    descriptor
        0, or another one in tests.
    lines
        Deliver whole lines only; False for binary formats.

    Notes
    -----
    A thread of its own reads, since a redirected file cannot be watched and a read of a pipe may wait for ever; it is
    a daemon, so that the node can stop while it waits, and reads on only when the node has taken the last block.
    """

    def __init__(self, *, now: Now, descriptor: int = 0, lines: bool = True) -> None:
        self.state = LinkState()
        self._now = now
        self._descriptor = descriptor
        self._lines = lines

    async def run(self, deliver: Deliver) -> None:
        """Deliver all bytes in order."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes] = asyncio.Queue(1)

        def read() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: so is the node
                while True:
                    try:
                        data = os.read(self._descriptor, READ_BYTES)
                    except OSError as err:
                        self.state.failed(err)
                        data = b""
                    asyncio.run_coroutine_threadsafe(queue.put(data), loop).result()
                    if not data:
                        return

        self.state.up()
        threading.Thread(target=read, name="stdin", daemon=True).start()
        joiner = LineJoiner(self.state)
        try:
            while data := await queue.get():
                at_us = self._now()
                self.state.count()
                whole = joiner.push(data) if self._lines else data
                if whole:
                    await deliver(whole, at_us)
            if rest := joiner.end():
                await deliver(rest, self._now())
        finally:
            self.state.connected = False
