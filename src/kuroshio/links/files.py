"""Files as links: read to the end, follow as it grows, replay with its own timing."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from kuroshio.errors import LinkError
from kuroshio.links.base import READ_BYTES, Deliver, LineJoiner, LinkState, Now
from kuroshio.units import US_PER_S

SORT_BYTES_MAX = 1 << 30
HEAD_BYTES = 64  # by which a file that was cut and written anew is known


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
        """Deliver all bytes in order; LinkError where the file ends within its compression."""
        with open_bytes(self._path) as file:
            self.state.up()
            try:
                while data := await asyncio.to_thread(_read, file, self._path):
                    at_us = self._now()
                    self.state.count()
                    await deliver(data, at_us)
            finally:
                self.state.connected = False


class Tail:
    """Follow a growing file from its end (or its start), also across rotation and truncation.

    Parameters
    ----------
    poll_s
        Pause between looks at the file.
    from_start
        Read what is there already.

    Notes
    -----
    A file cut short and written anew (copytruncate) is known by its size, or by its first bytes where it has already
    grown past the old size; what was written and cut between two looks is lost to every reader of the file.
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
                file = self._path.open("rb", buffering=0)
            except OSError as err:
                self.state.last_error = str(err)
                skip = False  # it appears later: then all of it is new
                await asyncio.sleep(self._poll_s)
                continue
            with file:
                if skip:
                    file.seek(0, 2)
                skip = False
                self.state.up()
                try:
                    await self._follow(file, deliver)
                except OSError as err:
                    self.state.failed(err)
                    await asyncio.sleep(self._poll_s)
                finally:
                    self.state.connected = False

    async def _follow(self, file: IO[bytes], deliver: Deliver) -> None:
        joiner = LineJoiner(self.state)
        inode, head = os.fstat(file.fileno()).st_ino, b""
        last = False
        while True:
            seen = os.pread(file.fileno(), HEAD_BYTES, 0)
            rewritten = not seen.startswith(head) or os.fstat(file.fileno()).st_size < file.tell()
            head = seen
            data = b"" if rewritten else file.read(READ_BYTES)
            if data:
                at_us = self._now()
                self.state.count()
                if whole := joiner.push(data):
                    await deliver(whole, at_us)
                await asyncio.sleep(0)
            elif rewritten or last:
                if rest := joiner.end():
                    await deliver(rest, self._now())
                return
            elif _inode(self._path) != inode:
                last = True  # one more read: its writer may have added lines before it turned to the new file
            else:
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
        self.state.up()
        with open_bytes(self._path) as file:
            lines = iter(lambda: _readline(file, self._path), b"")
            blocks = self._blocks(lines if self._ordered else await asyncio.to_thread(self._in_order, lines))
            await self._play(blocks, deliver)
        self.state.connected = False

    async def _play(self, blocks: Iterator[tuple[bytes, int | None]], deliver: Deliver) -> None:
        loop = asyncio.get_running_loop()
        zero_s, first_us = loop.time(), None
        for block, at_us in blocks:
            if at_us is not None and first_us is None:
                zero_s, first_us = loop.time(), at_us
                if self._began:
                    self._began(at_us)
            if self._speed > 0 and at_us is not None and first_us is not None:
                due_s = zero_s + (at_us - first_us) / US_PER_S / self._speed
                if due_s > loop.time():
                    await asyncio.sleep(due_s - loop.time())
            stamp_us = self._now()
            self.state.count()
            await deliver(block, stamp_us)
            await asyncio.sleep(0)

    def _blocks(self, lines: Iterable[bytes]) -> Iterator[tuple[bytes, int | None]]:
        """Runs of lines that share a second, or READ_BYTES where nothing states a time."""
        held: list[bytes] = []
        size, at_us = 0, None
        for line in lines:
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


def _read(file: IO[bytes], path: Path) -> bytes:
    """Next bytes; a damaged compressed file is a LinkError, not a broken link."""
    try:
        return file.read(READ_BYTES)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as err:
        raise LinkError(f"{path} is damaged: {err}", code="link.file") from err


def _readline(file: IO[bytes], path: Path) -> bytes:
    try:
        return file.readline(READ_BYTES)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as err:
        raise LinkError(f"{path} is damaged: {err}", code="link.file") from err


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1
