"""Record of what an archive let go: one line of JSON a day removed, written before the files go."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kuroshio.clock import rfc3339
from kuroshio.store import disk
from kuroshio.store.layout import files_of_day
from kuroshio.units import UtcMicros

EXPIRED = "expired.jsonl"


def remove_day(archive: Path, table: str, day: str, last_part: int, *, rule: str, now_us: UtcMicros) -> dict[str, Any]:
    """Remove a day of a table; the line of the record."""
    folder = archive / table / day
    count = sum(pq.read_metadata(path).num_rows for path in files_of_day(folder, last_part).live)
    row = {"table": table, "day": day, "rows": count, "rule": rule, "at": rfc3339(now_us)}
    note(archive, row)
    disk.remove(list(folder.iterdir()))
    disk.remove_folder(folder)
    return row


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
