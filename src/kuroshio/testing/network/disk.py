"""Files in memory that behave like a disk on a bad day: torn writes, a full disk, power that goes in the middle.

What enters: the calls of `record.files.Files`. What leaves: bytes, StoreError when full, PowerCut when the world
decided so. `crash` keeps what was synced and a random part of what was not.
"""

from __future__ import annotations

import numpy as np

from kuroshio.errors import StoreError


class PowerCut(BaseException):
    """Power went in the middle of an operation; the world takes the node down."""


class MemoryFiles:
    """Files of one node."""

    def __init__(self) -> None:
        self._written: dict[str, bytearray] = {}
        self._safe: dict[str, int] = {}
        self.full = False
        self.cut_after: int | None = None
        self.honest_sync = True

    def _room(self) -> None:
        if self.full:
            raise StoreError("no space left on device", code="record.write")

    def _step(self) -> None:
        """Each append and sync is a place where power can go."""
        self._room()
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after <= 0:
                self.cut_after = None
                raise PowerCut

    def append(self, name: str, data: bytes) -> None:
        """Write at the end; power may go when part of it is written."""
        file = self._written.setdefault(name, bytearray())
        self._safe.setdefault(name, 0)
        try:
            self._step()
        except PowerCut:
            file += data
            raise
        file += data

    def sync(self, name: str) -> None:
        """What was written survives."""
        self._step()
        if self.honest_sync:
            self._safe[name] = len(self._written[name])

    def put(self, name: str, data: bytes) -> None:
        """Whole file, at once."""
        self._room()
        self._written[name] = bytearray(data)
        self._safe[name] = len(data)

    replace = put

    def flush(self) -> None:
        """Nothing waits here."""

    def truncate(self, name: str, size: int) -> None:
        """Cut a file."""
        del self._written[name][size:]
        self._safe[name] = min(size, self._safe[name])

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes of a file."""
        data = self._written.get(name, b"")
        return bytes(data[start:] if length is None else data[start : start + length])

    def size(self, name: str) -> int:
        """Length, or -1."""
        return len(self._written[name]) if name in self._written else -1

    def names(self, folder: str) -> list[str]:
        """Files directly in a folder."""
        inside = (n[len(folder) + 1 :] for n in self._written if n.startswith(f"{folder}/"))
        return sorted(n for n in inside if "/" not in n)

    def crash(self, rng: np.random.Generator) -> int:
        """Lose a random part of what was not synced; returns the number of bytes lost."""
        lost = 0
        for name in sorted(self._written):
            file, safe = self._written[name], self._safe.get(name, 0)
            keep = safe + int(rng.integers(0, len(file) - safe + 1))
            lost += len(file) - keep
            del file[keep:]
            self._safe[name] = len(file)
        for name in [n for n, f in self._written.items() if not f and n.startswith("journal/")]:
            del self._written[name]
        self.full, self.cut_after = False, None
        return lost
