"""Files and serial lines as links: read to the end, follow as it grows, replay with its own timing."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Deliver, LineJoiner, LinkState, Now
from kuroshio.units import US_PER_S

SORT_BYTES_MAX = 1 << 30


def open_bytes(path: Path) -> IO[bytes]:
    """Readable bytes of a file; .gz, .bz2 and .zst are opened, ``-`` is standard input.

    Raises
    ------
    LinkError
        When it cannot be opened.
    """
    try:
        if str(path) == "-":
            return sys.stdin.buffer
        if path.suffix == ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        if path.suffix == ".bz2":
            return bz2.open(path, "rb")
        if path.suffix == ".zst":
            return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
        return path.open("rb")
    except OSError as err:
        raise LinkError(f"cannot read {path}: {err.strerror or err}", code="link.file") from err


class FileReader:
    """Read a file to its end as fast as the node takes it; `run` then returns."""

    def __init__(self, path: Path, *, now: Now) -> None:
        self.state = LinkState()
        self._path = path
        self._now = now

    async def run(self, deliver: Deliver) -> None:
        """Deliver all bytes in order."""
        with open_bytes(self._path) as file:
            self.state.connected = True
            self.state.connections += 1
            while data := await asyncio.to_thread(file.read, READ_BYTES):
                at_us = self._now()
                self.state.count(data, at_us)
                await deliver(data, at_us)
        self.state.connected = False


class Tail:
    """Follow a growing file from its end (or its start), also across rotation and truncation.

    Parameters
    ----------
    poll_s
        Pause between looks at the file.
    from_start
        Read what is there already.
    """

    def __init__(self, path: Path, *, now: Now, poll_s: float = 0.25, from_start: bool = False) -> None:
        self.state = LinkState()
        self._path = path
        self._now = now
        self._poll_s = poll_s
        self._from_start = from_start

    async def run(self, deliver: Deliver) -> None:
        """Follow for ever; a file that is not there yet is waited for."""
        skip = not self._from_start
        while True:
            try:
                file = self._path.open("rb")
            except OSError as err:
                self.state.last_error = str(err)
                skip = False  # it appears later: then all of it is new
                await asyncio.sleep(self._poll_s)
                continue
            with file:
                if skip:
                    file.seek(0, 2)
                skip = False
                self.state.connected = True
                self.state.connections += 1
                await self._follow(file, deliver)
                self.state.connected = False

    async def _follow(self, file: IO[bytes], deliver: Deliver) -> None:
        joiner = LineJoiner(self.state)
        inode = _inode(self._path)
        while True:
            data = file.read(READ_BYTES)
            if data:
                at_us = self._now()
                self.state.count(data, at_us)
                if whole := joiner.push(data):
                    await deliver(whole, at_us)
                continue
            if _inode(self._path) != inode or _size(self._path) < file.tell():
                if rest := joiner.end():
                    await deliver(rest, self._now())
                return
            await asyncio.sleep(self._poll_s)


class Replay:
    """Play a recorded line file with its own timing, faster or slower; `run` returns at its end.

    Parameters
    ----------
    time_of_line
        UTC microseconds a line states, or None; lines without a time go with the one before.
    speed
        1 is original timing, 60 an hour a minute; 0 is as fast as the node takes it.
    began
        Called once with the first time found: the start of the node's replay clock.
    ordered
        False for a recording that is not in order of time, such as a table sorted by ship: its lines are put in order
        first, in memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Now,
        time_of_line: Callable[[bytes], int | None],
        speed: float = 1.0,
        began: Callable[[int], None] | None = None,
        ordered: bool = True,
    ) -> None:
        self.state = LinkState()
        self._path = path
        self._now = now
        self._time_of_line = time_of_line
        self._speed = speed
        self._began = began
        self._ordered = ordered

    async def run(self, deliver: Deliver) -> None:
        """Deliver the lines at their times."""
        loop = asyncio.get_running_loop()
        zero_s, first_us = loop.time(), None
        self.state.connected = True
        self.state.connections += 1
        for block, at_us in self._blocks():
            if at_us is not None and first_us is None:
                zero_s, first_us = loop.time(), at_us
                if self._began:
                    self._began(at_us)
            if self._speed > 0 and at_us is not None and first_us is not None:
                due_s = zero_s + (at_us - first_us) / US_PER_S / self._speed
                if due_s > loop.time():
                    await asyncio.sleep(due_s - loop.time())
            stamp_us = self._now()
            self.state.count(block, stamp_us)
            await deliver(block, stamp_us)
        self.state.connected = False

    def _blocks(self) -> Iterator[tuple[bytes, int | None]]:
        """Runs of lines that share a second, or READ_BYTES where nothing states a time."""
        held: list[bytes] = []
        size, at_us = 0, None
        with open_bytes(self._path) as file:
            lines = iter(lambda: file.readline(READ_BYTES), b"")
            for line in lines if self._ordered else self._in_order(lines):
                stated_us = self._time_of_line(line)
                new_second = stated_us is not None and (at_us is None or stated_us // US_PER_S != at_us // US_PER_S)
                if held and (new_second or size > READ_BYTES):
                    yield b"".join(held), at_us
                    held, size = [], 0
                if stated_us is not None:
                    at_us = stated_us if at_us is None else max(at_us, stated_us)
                held.append(line)
                size += len(line)
        if held:
            yield b"".join(held), at_us

    def _in_order(self, lines: Iterator[bytes]) -> list[bytes]:
        """Lines by the time they state; lines before the first time, such as a header, stay first."""
        kept: list[tuple[int, bytes]] = []
        size, at_us = 0, -(1 << 62)
        for line in lines:
            size += len(line)
            if size > SORT_BYTES_MAX:
                raise LinkError(
                    f"{self._path} is over {SORT_BYTES_MAX >> 20} MiB and not in order of time",
                    code="link.unordered",
                    advice="Sort it by time first, or decode and track it as files.",
                )
            stated_us = self._time_of_line(line)
            at_us = at_us if stated_us is None else stated_us
            kept.append((at_us, line))
        kept.sort(key=lambda pair: pair[0])
        return [line for _, line in kept]


class Serial:
    """A serial line, such as a receiver's RS-422 port; needs the `serial` extra.

    Parameters
    ----------
    device
        Such as /dev/ttyUSB0.
    baud
        38400 is the AIS high-speed port (IEC 61162-2), 4800 plain NMEA 0183.
    """

    def __init__(self, device: str, *, now: Now, baud: int = 38_400, retry_s: float = 2.0) -> None:
        self.state = LinkState()
        self._device = device
        self._now = now
        self._baud = baud
        self._retry_s = retry_s

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
                port = await asyncio.to_thread(serial.Serial, self._device, self._baud, timeout=0.2)
            except (serial.SerialException, OSError) as err:
                self.state.failures += 1
                self.state.last_error = str(err)
            else:
                self.state.connected = True
                self.state.connections += 1
                joiner = LineJoiner(self.state)
                try:
                    while True:
                        data = await asyncio.to_thread(port.read, 4096)
                        if data:
                            self.state.count(data, self._now())
                            if whole := joiner.push(data):
                                await deliver(whole, self._now())
                except (serial.SerialException, OSError) as err:
                    self.state.failures += 1
                    self.state.last_error = str(err)
                finally:
                    self.state.connected = False
                    port.close()
            await asyncio.sleep(self._retry_s)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
