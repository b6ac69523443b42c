"""Durable journal of bytes as they were received, written before they are acknowledged.

Enters: (source, time of arrival, bytes). Leaves: the same, in order, from any position, after a crash too. A
position is a byte offset that only grows; a segment file is named by the position of its first byte. Callers that
append at once share one fsync. It knows nothing of what the bytes mean.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from kuroshio.errors import StoreError
from kuroshio.store import disk
from kuroshio.store.frames import ENTRY_LIMIT, Entry, frame_end, framed, read_frames
from kuroshio.units import UtcMicros

SUFFIX = ".journal"
SOURCE_LIMIT = 1024


class Journal:
    """Append-only log in segment files.

    Parameters
    ----------
    folder
        Folder of the segments; locked for this process.
    limit_bytes
        Bytes of all segments together; an append beyond is refused until `remove_before` makes room.
    segment_bytes
        Size after which a new segment begins.

    Raises
    ------
    StoreError
        ``store.locked`` when another process has it; ``store.corrupt`` when a segment before the last is damaged
        or missing.
    """

    def __init__(self, folder: Path, *, limit_bytes: int = 8 * 1024**3, segment_bytes: int = 64 * 1024**2) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes
        self.segment_bytes = segment_bytes
        self._lock_handle = disk.lock_folder(self.folder, "journal")
        self._lock = threading.Lock()
        self._synced = threading.Condition(self._lock)
        self._syncing = False
        self._broken: StoreError | None = None
        self.appended = 0
        self.syncs = 0
        self.refused = 0
        self.torn_bytes = 0
        try:
            self._starts = self._segments()
            self._open_last()
        except BaseException:
            os.close(self._lock_handle)
            raise
        self._durable = self._end

    def _segments(self) -> list[int]:
        starts = sorted(int(path.stem, 16) for path in self.folder.glob(f"*{SUFFIX}"))
        for here, after in itertools.pairwise(starts):
            size = self._path(here).stat().st_size
            if here + size != after:
                raise StoreError(
                    f"journal segment {self._path(here)} ends at {here + size}, the next begins at {after}",
                    code="store.corrupt",
                    advice="A segment is missing or cut; restore it, or move the folder away to start anew.",
                )
        return starts or [0]

    def _open_last(self) -> None:
        start = self._starts[-1]
        path = self._path(start)
        try:
            new = not path.exists()
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            if new:
                disk.sync_folder(self.folder)
            buffer = memoryview(path.read_bytes())
            end = 0
            while (after := frame_end(buffer, end)) is not None:
                end = after
            if end < len(buffer):
                self._set_aside(start + end, bytes(buffer[end:]))
                os.ftruncate(self._handle, end)
                os.fsync(self._handle)
        except OSError as err:
            raise disk.failed(f"journal {path} could not be opened", err) from err
        self._start, self._end = start, start + end

    def _set_aside(self, position: int, tail: bytes) -> None:
        """A torn tail was never acknowledged; it is kept beside for a person, and counted."""
        self.torn_bytes += len(tail)
        disk.write_durably(self.folder / f"{position:016x}.torn", lambda path: _write_all(path, tail))

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:016x}{SUFFIX}"

    # -- writing

    def append(self, entries: Sequence[tuple[str, UtcMicros, bytes]]) -> int:
        """Position after the entries, once they are on disk.

        Raises
        ------
        StoreError
            ``store.journal_full`` at the limit, ``store.entry_size`` for an entry or source name too long,
            ``store.disk_full``, or ``store.journal_broken`` after a sync that failed: what the disk then holds is
            unknown, and the journal must be opened again.
        """
        frames = []
        for source, received_at_us, data in entries:
            if len(data) > ENTRY_LIMIT - 2 * SOURCE_LIMIT or len(source.encode()) > SOURCE_LIMIT:
                raise StoreError(
                    f"entry of {len(data)} bytes from {source[:80]!r} is too large",
                    code="store.entry_size",
                    advice="Append in smaller pieces.",
                )
            frames.append(framed(source, received_at_us, data))
        block = b"".join(frames)
        with self._lock:
            self._check_usable()
            if not block:
                return self._end
            if self._end - self._starts[0] + len(block) > self.limit_bytes:
                self.refused += 1
                raise StoreError(
                    f"journal {self.folder} holds its {self.limit_bytes} bytes",
                    code="store.journal_full",
                    advice="The node is behind; raise the limit or find what keeps it from its checkpoint.",
                )
            while self._end - self._start >= self.segment_bytes:
                if self._syncing:
                    self._synced.wait()
                    self._check_usable()
                    continue
                self._next_segment()
            self._write(block)
            self.appended += len(entries)
            mine = self._end
            self._wait_durable(mine)
            return mine

    def _check_usable(self) -> None:
        if self._broken is not None:
            raise StoreError(str(self._broken.message), code="store.journal_broken", advice=self._broken.error_advice)

    def _write(self, block: bytes) -> None:
        view = memoryview(block)
        written = 0
        try:
            while written < len(block):
                written += os.write(self._handle, view[written:])
        except OSError as err:
            try:
                os.ftruncate(self._handle, self._end - self._start)
            except OSError:
                self._broken = disk.failed(f"journal {self.folder} could not be cut back", err)
            raise disk.failed(f"journal {self.folder} could not be written", err) from err
        self._end += len(block)

    def _wait_durable(self, position: int) -> None:
        while self._durable < position:
            self._check_usable()
            if self._syncing:
                self._synced.wait()
                continue
            self._syncing = True
            target, handle = self._end, self._handle
            self._lock.release()
            error: OSError | None = None
            try:
                os.fdatasync(handle)
            except OSError as err:
                error = err
            finally:
                self._lock.acquire()
                self._syncing = False
                self.syncs += 1
                if error is None:
                    self._durable = max(self._durable, target)
                else:
                    self._broken = disk.failed(f"journal {self.folder} could not be synced", error)
                self._synced.notify_all()

    def _next_segment(self) -> None:
        try:
            os.fdatasync(self._handle)
            self._durable = self._end
            handle = os.open(self._path(self._end), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            disk.sync_folder(self.folder)
        except OSError as err:
            raise disk.failed(f"journal {self.folder} could not begin a segment", err) from err
        os.close(self._handle)
        self._handle, self._start = handle, self._end
        self._starts.append(self._end)

    # -- reading

    @property
    def first_position(self) -> int:
        """Position of the oldest entry kept."""
        return self._starts[0]

    @property
    def end_position(self) -> int:
        """Position after the last durable entry."""
        return self._durable

    def read(self, from_position: int = 0) -> Iterator[Entry]:
        """Entries from a position on, until the end as it was when reading began.

        Raises
        ------
        StoreError
            ``store.position`` when the position was removed or is beyond the end; ``store.corrupt`` when a frame
            is damaged.
        """
        with self._lock:
            end, starts = self._durable, list(self._starts)
        if not starts[0] <= from_position <= end:
            raise StoreError(
                f"position {from_position} is not within {starts[0]} to {end}",
                code="store.position",
                advice="Read from first_position.",
            )
        position = from_position
        for start, after in zip(starts, [*starts[1:], end], strict=True):
            if after <= position:
                continue
            try:
                buffer = memoryview(self._path(start).read_bytes())[: after - start]
            except OSError as err:
                raise disk.failed(f"journal segment {self._path(start)} could not be read", err) from err
            for entry in read_frames(buffer, position - start, start):
                position = entry.position
                yield entry
            if position < after:
                raise StoreError(
                    f"journal segment {self._path(start)} is damaged at position {position}",
                    code="store.corrupt",
                    advice="Restore the segment, or read on from the next one and accept the loss.",
                )

    def remove_before(self, position: int) -> int:
        """Remove segments that lie wholly before a position (a checkpoint that holds them); how many."""
        removed = 0
        with self._lock:
            while len(self._starts) > 1 and self._starts[1] <= position:
                try:
                    self._path(self._starts[0]).unlink()
                except OSError as err:
                    raise disk.failed(f"journal {self.folder} could not be cleared", err) from err
                self._starts.pop(0)
                removed += 1
            if removed:
                disk.sync_folder(self.folder)
        return removed

    def counts(self) -> dict[str, int]:
        """Entries appended, syncs, refusals, torn bytes cut at start, bytes held, segments."""
        return {
            "appended": self.appended,
            "syncs": self.syncs,
            "refused": self.refused,
            "torn_bytes": self.torn_bytes,
            "held_bytes": self._end - self._starts[0],
            "segments": len(self._starts),
        }

    def close(self) -> None:
        """Sync and let go of the folder; a second call does nothing."""
        with self._lock:
            if self._lock_handle < 0:
                return
            while self._syncing:
                self._synced.wait()
            if self._broken is None:
                os.fdatasync(self._handle)
            self._broken = StoreError(f"journal {self.folder} is closed", code="store.closed")
            os.close(self._handle)
            os.close(self._lock_handle)
            self._lock_handle = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write_all(path: Path, data: bytes) -> None:
    path.write_bytes(data)
