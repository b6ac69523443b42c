"""Record of what an archive let go: one line of JSON a day removed, written before the files go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kuroshio.store import disk

EXPIRED = "expired.jsonl"


def note(folder: Path, row: dict[str, Any]) -> None:
    """Append a line, durably."""
    path = folder / EXPIRED
    try:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, (json.dumps(row, sort_keys=True) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as err:
        raise disk.failed(f"{path} could not be written", err) from err


def read(folder: Path) -> list[dict[str, Any]]:
    """All lines, oldest first."""
    path = folder / EXPIRED
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
