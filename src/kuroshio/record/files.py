"""The few file operations a record needs, so that a simulation can tear writes, fill the disk and crash.

What enters: names below one folder and bytes. What leaves: bytes. `Disk` is the real one; `kuroshio.testing.network`
has one in memory with faults.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from kuroshio.errors import StoreError


class Files(Protocol):
    """Files below one folder. What was written counts only after `sync`."""

    def append(self, name: str, data: bytes) -> None:
        """Write at the end."""
        ...

    def sync(self, name: str) -> None:
        """Make everything written to the file durable."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once and durably: either the old or the new is there after a crash."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once, without waiting for the disk: what can be made again."""
        ...

    def flush(self) -> None:
        """Make everything put so far durable."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to a size, durably."""
        ...

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; empty when it does not exist."""
        ...

    def size(self, name: str) -> int:
        """Length; -1 when it does not exist."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted."""
        ...


class Disk:
    """Files of a real folder; files are 0640 and folders 0750.

    Parameters
    ----------
    folder
        Made when it does not exist.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._open: dict[str, int] = {}
        self._made: set[Path] = set()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as err:
            raise StoreError(f"folder {self.folder}: {err.strerror}", code="record.folder") from err

    def _descriptor(self, name: str) -> int:
        known = self._open.get(name)
        if known is None:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            fresh = not path.exists()
            known = self._open[name] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            if fresh:
                _sync_folder(path.parent)
            for other in list(self._open)[:-8]:  # only the newest few files are written again
                os.close(self._open.pop(other))
        return known

    def append(self, name: str, data: bytes) -> None:
        """Write at the end.

        Raises
        ------
        StoreError
            When the disk refuses.
        """
        try:
            view, at = memoryview(data), 0
            descriptor = self._descriptor(name)
            while at < len(view):
                at += os.write(descriptor, view[at:])
        except OSError as err:
            raise StoreError(f"write {self.folder / name}: {err.strerror}", code="record.write") from err

    def sync(self, name: str) -> None:
        """Make everything written to the file durable."""
        try:
            os.fdatasync(self._descriptor(name))
        except OSError as err:
            raise StoreError(f"sync {self.folder / name}: {err.strerror}", code="record.write") from err

    def put(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once, without waiting for the disk."""
        path = self.folder / name
        draft = path.with_name(path.name + ".tmp")
        try:
            if path.parent not in self._made:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                self._made.add(path.parent)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError as err:
            raise StoreError(f"write {path}: {err.strerror}", code="record.write") from err

    def flush(self) -> None:
        """Make everything put so far durable."""
        os.sync()

    def replace(self, name: str, data: bytes) -> None:
        """Put a whole file in place at once and durably."""
        path = self.folder / name
        draft = path.with_name(path.name + ".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with open(draft, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync_folder(path.parent)
        except OSError as err:
            raise StoreError(f"write {path}: {err.strerror}", code="record.write") from err

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to a size, durably."""
        try:
            os.ftruncate(self._descriptor(name), size)
            self.sync(name)
        except OSError as err:
            raise StoreError(f"truncate {self.folder / name}: {err.strerror}", code="record.write") from err

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file; empty when it does not exist."""
        try:
            with open(self.folder / name, "rb") as file:
                file.seek(start)
                return file.read() if length is None else file.read(length)
        except FileNotFoundError:
            return b""
        except OSError as err:
            raise StoreError(f"read {self.folder / name}: {err.strerror}", code="record.read") from err

    def size(self, name: str) -> int:
        """Length; -1 when it does not exist."""
        try:
            return (self.folder / name).stat().st_size
        except FileNotFoundError:
            return -1

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted."""
        try:
            return sorted(p.name for p in (self.folder / folder).iterdir() if p.is_file() and p.suffix != ".tmp")
        except FileNotFoundError:
            return []

    def close(self) -> None:
        """Close all files."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
