"""Asking an archive of columns: the rows of a time, a box, a vessel, flushed or still in memory, and what it holds.

Readers never see half a flush or half a merge: what a commit does not name yet is not there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio.errors import InputError, StoreError
from kuroshio.schema import Table
from kuroshio.store import disk, erasing
from kuroshio.store.layout import (
    DAY_US,
    PART_ROWS_BITS,
    SEQ,
    day_number,
    days_between,
    files_of_day,
    stored_schema,
)
from kuroshio.store.query import UNIQUE, Box, also, between, distinct, named, numbers, time_column, within
from kuroshio.store.scan import READ_ATTEMPTS, read_days
from kuroshio.units import UtcMicros

COMMIT = "commit.json"


class Questions:
    """What can be asked of an archive; part of `Archive`."""

    folder: Path
    tables: Mapping[str, Table]
    _lock: threading.RLock
    _compacting: threading.Lock
    _buffers: dict[str, list[pa.Table]]
    _last_part: int
    _position: int | None
    _read_only: bool

    def _load_commit(self) -> tuple[int, int | None]:
        path = self.folder / COMMIT
        try:
            found = json.loads(path.read_text())
            return int(found["last_part"]), found["position"]
        except FileNotFoundError:
            return -1, None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StoreError(f"{path} cannot be read: {err}", code="store.corrupt", advice="Restore the file.") from err

    @property
    def position(self) -> int | None:
        """Journal position that the flushed rows cover; None before the first flush that named one."""
        return self._load_commit()[1] if self._read_only else self._position

    def table(self, name: str) -> Table:
        """Definition of a table kept here; InputError for an unknown name."""
        if name not in self.tables:
            raise InputError(f"no table {name!r}", code="store.table", advice=f"Tables are {', '.join(self.tables)}.")
        return self.tables[name]

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.is_dir() and path.name in self.tables)

    def days(self, name: str) -> list[str]:
        """Days that have files, oldest first; rows without a time are under ``undated``."""
        folder = self.folder / self.table(name).name
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def read(
        self,
        name: str,
        *,
        start_us: UtcMicros | None = None,
        end_us: UtcMicros | None = None,
        box: Box | None = None,
        mmsi: int | Sequence[int] | None = None,
        track_id: int | Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        undated: bool = False,
    ) -> pa.Table:
        """Rows in the order of time and arrival, flushed ones and those still in memory.

        Parameters
        ----------
        start_us, end_us
            Half-open interval of the table's time, UTC microseconds; None is open.
        box
            (west, south, east, north) degrees, edges within; west greater than east crosses the antimeridian.
        mmsi, track_id
            One identity or track, or several.
        columns
            Columns wanted; None is all.
        undated
            True for the rows that have no time, and only them.
        """
        table = self.table(name)
        wanted = list(columns) if columns is not None else list(table.names)
        unknown = [column for column in wanted if column not in table.names]
        if unknown:
            raise InputError(f"table {name} has no column {unknown[0]!r}", code="store.column")
        at = time_column(table)
        interval = None if undated else between(table, start_us, end_us)
        chosen = also(interval, within(table, box), named(table, "mmsi", mmsi), named(table, "track_id", track_id))
        unique = UNIQUE.get(name)
        needed = list(dict.fromkeys([*wanted, at, SEQ, *([unique] if unique else [])]))
        with self._lock:
            waiting = list(self._buffers.get(name, ()))
            last_part = self._load_commit()[0] if self._read_only else self._last_part
        # rows flushed from now on are among those waiting: a compaction must not show them twice
        known = also(chosen, pc.field(SEQ) < (last_part + 1) << PART_ROWS_BITS)
        folders = [self.folder / name / day for day in days_between(self.days(name), start_us, end_us, undated=undated)]
        values = {"mmsi": mmsi, "track_id": track_id}
        wanted_values = {key: numbers(value) for key, value in values.items() if value is not None}
        found = [read_days(folders, table, needed, known, wanted_values, last_part)]
        if waiting:
            whole = pa.concat_tables(waiting).unify_dictionaries()
            times = whole.column(at)
            whole = whole.filter(pc.is_null(times) if undated else pc.is_valid(times))
            seq = ((last_part + 1) << PART_ROWS_BITS) + np.arange(whole.num_rows, dtype=np.int64)
            memory = whole.append_column(SEQ, pa.array(seq)).cast(stored_schema(table))
            found.append((memory.filter(chosen) if chosen is not None else memory).select(needed))
        rows = distinct(pa.concat_tables(found).unify_dictionaries(), unique)
        order = pc.sort_indices(rows, sort_keys=[(at, "ascending"), (SEQ, "ascending")])
        schema = pa.schema([table.arrow.field(column) for column in wanted], table.arrow.metadata)
        return rows.take(order).select(wanted).combine_chunks().cast(schema)

    def words(self, name: str, column: str) -> set[str]:
        """Different words of a column of lists, in all rows flushed."""
        table, found = self.table(name), set[str]()
        with self._compacting:
            for day in self.days(name):
                found.update(erasing.words_of_day(self.folder / name / day, table, self._last_part, column))
        return found

    def days_of(
        self, name: str, start_us: UtcMicros | None = None, end_us: UtcMicros | None = None
    ) -> list[tuple[UtcMicros, UtcMicros]]:
        """Half-open intervals, a UTC day each and cut to the one asked, in which there may be rows flushed."""
        firsts = [day_number(d) * DAY_US for d in days_between(self.days(name), start_us, end_us, undated=False)]
        return [
            (
                first if start_us is None else max(first, start_us),
                first + DAY_US if end_us is None else min(first + DAY_US, end_us),
            )
            for first in firsts
        ]

    def holdings(self) -> list[dict[str, Any]]:
        """Of each table with rows flushed: ``rows``, ``days``, ``first_day``, ``last_day``, ``files`` and ``bytes``."""
        for attempt in range(READ_ATTEMPTS):
            try:
                return [row for name in self._names() if (row := self._holding(name))]
            except FileNotFoundError as err:
                if attempt == READ_ATTEMPTS - 1:  # merges beside it remove files
                    raise disk.failed("archive changed under a reader", err) from err
        raise AssertionError

    def _holding(self, name: str) -> dict[str, Any] | None:
        days, last_part = self.days(name), self._load_commit()[0] if self._read_only else self._last_part
        files = [path for day in days for path in files_of_day(self.folder / name / day, last_part).live]
        if not files:
            return None
        rows, size = sum(pq.read_metadata(p).num_rows for p in files), sum(p.stat().st_size for p in files)
        span = {"days": len(days), "first_day": days[0], "last_day": days[-1]}
        return {"table": name, "rows": rows, **span, "files": len(files), "bytes": size}
