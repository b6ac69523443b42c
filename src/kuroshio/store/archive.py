"""Archive of columns: observations, tracks and whatever else has rows in time, in Parquet files a day.

Enters: Arrow tables of the data dictionary. Leaves: the rows of a time, a box, a vessel. Rows wait in memory until
`flush`, which makes all of them durable at once or not at all and notes the journal position that they cover;
`compact` puts a day into its final order. Readers never see half a flush or half a compaction. It does not decide
what is kept for how long: `expire` is told.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio.clock import rfc3339
from kuroshio.errors import InputError, StoreError
from kuroshio.schema import TABLES, Table
from kuroshio.store import disk, expiry
from kuroshio.store.layout import (
    DAY_US,
    PART_ROWS_BITS,
    SEQ,
    UNDATED,
    by_day,
    day_number,
    files_of_day,
    part_name,
    part_number,
    stored_schema,
    write_parquet,
)
from kuroshio.store.query import UNIQUE, Box, also, between, distinct, named, numbers, time_column, within
from kuroshio.store.scan import merge_day, read_days
from kuroshio.units import UtcMicros

COMMIT = "commit.json"
TIDY_PARTS = 16

LOG = logging.getLogger("kuroshio.store")


class Archive:
    """Parquet day files under a folder.

    Parameters
    ----------
    folder
        Folder of the archive; locked for this process unless read only.
    tables
        Tables that may be kept, by name.
    buffer_rows
        Rows that may wait in memory; one more batch is flushed at once, without a new journal position.
    read_only
        Open beside a running node: only `read`, `days` and `position`.

    Raises
    ------
    StoreError
        ``store.locked`` when another process writes it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tables: Mapping[str, Table] = TABLES,
        buffer_rows: int = 2_000_000,
        read_only: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.tables = tables
        self.buffer_rows = buffer_rows
        self._lock = threading.RLock()  # buffers and commits
        self._compacting = threading.Lock()  # files of committed parts
        self._buffers: dict[str, list[pa.Table]] = {}
        self.buffered = 0
        self.appended = 0
        self.flushes = 0
        self.forced_flushes = 0
        self.compactions = 0
        self.duplicates = 0
        self.failed_merges = 0
        self._tidying: threading.Thread | None = None
        self._lock_handle = -1 if read_only else disk.lock_folder(self.folder, "archive")
        self._read_only = read_only
        self._broken = False
        try:
            self._last_part, self._position = self._load_commit()
            if not read_only:
                self._remove_uncommitted()
        except BaseException:
            self.close()
            raise

    def _load_commit(self) -> tuple[int, int | None]:
        path = self.folder / COMMIT
        try:
            found = json.loads(path.read_text())
            return int(found["last_part"]), found["position"]
        except FileNotFoundError:
            return -1, None
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StoreError(f"{path} cannot be read: {err}", code="store.corrupt", advice="Restore the file.") from err

    def _remove_uncommitted(self) -> None:
        parts = [(part_number(path), path) for path in self.folder.glob("*/*/p-*.parquet")]
        disk.remove([path for number, path in parts if number is not None and number > self._last_part])
        disk.remove(list(self.folder.glob("*/*/.*.tmp")))

    @property
    def position(self) -> int | None:
        """Journal position that the flushed rows cover; None before the first flush that named one."""
        return self._load_commit()[1] if self._read_only else self._position

    def table(self, name: str) -> Table:
        """Definition of a table kept here; InputError for an unknown name."""
        if name not in self.tables:
            known = ", ".join(self.tables)
            raise InputError(f"no table {name!r}", code="store.table", advice=f"Tables are {known}.")
        return self.tables[name]

    # -- writing

    def append(self, name: str, rows: pa.Table) -> None:
        """Take rows of a table; they are durable after the next `flush`.

        Raises
        ------
        InputError
            When the table has no time to keep its rows by.
        """
        self._check_writable()
        time_column(self.table(name))
        table = self.table(name).conform(rows)
        if table.num_rows == 0:
            return
        with self._lock:
            if self.buffered and self.buffered + table.num_rows > self.buffer_rows:
                self.forced_flushes += 1
                self.flush()
            self._buffers.setdefault(name, []).append(table)
            self.buffered += table.num_rows
            self.appended += table.num_rows

    def flush(self, position: int | None = None) -> int:
        """Make all rows taken so far durable, in one commit; how many rows.

        Parameters
        ----------
        position
            Journal position up to which these rows cover everything received; kept with the commit.
        """
        self._check_writable()
        with self._lock:
            if not self._buffers and position in (None, self._position):
                return 0
            rows = self.buffered
            written: list[Path] = []
            try:
                self._write_parts(written)
            except BaseException:
                # a part left behind would be taken for a later one
                self._remove(written)
                raise
            self._commit(self._last_part + len(written), self._position if position is None else position)
            self._buffers.clear()
            self.buffered = 0
            self.flushes += 1
            if self.flushes % TIDY_PARTS == 0:
                self._tidy_behind()
            return rows

    def _remove(self, written: list[Path]) -> None:
        try:
            for path in written:
                path.unlink(missing_ok=True)
        except OSError:
            self._broken = True  # opening anew removes what was not committed

    def _write_parts(self, written: list[Path]) -> None:
        for name, tables in sorted(self._buffers.items()):
            whole = pa.concat_tables(tables).unify_dictionaries()
            for day, chunk in by_day(whole, time_column(self.tables[name])):
                for at in range(0, chunk.num_rows, 1 << PART_ROWS_BITS):
                    number = self._last_part + len(written) + 1
                    written.append(self.folder / name / day / part_name(number))
                    self._write_part(name, written[-1], number, chunk.slice(at, 1 << PART_ROWS_BITS))

    def _write_part(self, name: str, path: Path, number: int, rows: pa.Table) -> None:
        if not path.parent.is_dir():
            disk.make_folder(path.parent)
        seq = (number << PART_ROWS_BITS) + np.arange(rows.num_rows, dtype=np.int64)
        stored = rows.append_column(SEQ, pa.array(seq)).cast(stored_schema(self.tables[name]))
        disk.write_durably(path, lambda beside: write_parquet(stored, beside))

    def _commit(self, last_part: int, position: int | None) -> None:
        text = json.dumps({"last_part": last_part, "position": position})
        try:
            disk.write_durably(self.folder / COMMIT, lambda path: disk.write_text(path, text))
        except StoreError:
            self._broken = True  # whether the commit stands is known after opening anew
            raise
        self._last_part, self._position = last_part, position

    def compact(self, name: str, day: str) -> int:
        """Put a day's parts into its one ordered file; how many rows it has now (0: nothing to do).

        Rows that are the same by the table's identity become one, the first to arrive. The whole day is in memory
        for a while; appends, flushes and reads go on meanwhile.
        """
        return self._merge(name, day, whole=True)

    def _merge(self, name: str, day: str, *, whole: bool) -> int:
        self._check_writable()
        table = self.table(name)
        with self._compacting:
            rows, duplicates = merge_day(self.folder / name / day, table, self._last_part, whole=whole)
            self.duplicates += duplicates
            self.compactions += rows > 0
            return rows

    def tidy(self, *, fan: int = TIDY_PARTS) -> int:
        """Merge the parts of every day that has at least so many; how many days. Runs by itself after flushes.

        Parts are merged with one another first, and with the ordered file only when they are a quarter of it, so
        that a day costs a few times its size to write and not its square.
        """
        return sum(1 for name, day in self._days_with(fan) if self._merge(name, day, whole=False))

    def _days_with(self, parts: int) -> list[tuple[str, str]]:
        days = [(name, day) for name in self._names() for day in self.days(name)]
        return [
            (name, day)
            for name, day in days
            if len(files_of_day(self.folder / name / day, self._last_part).parts) >= parts
        ]

    def _tidy_behind(self) -> None:
        """Start a merge in a thread of its own when a folder has grown too many parts."""
        if self._tidying is None or not self._tidying.is_alive():
            self._tidying = threading.Thread(target=self._tidy_once, name="kuroshio-archive", daemon=True)
            self._tidying.start()

    def _tidy_once(self) -> None:
        try:
            self.tidy()
        except (StoreError, OSError, pa.ArrowException) as err:
            # the parts are still there and still read; the next flush tries again
            self.failed_merges += 1
            LOG.warning("archive %s: a merge failed: %s", self.folder, err)

    def compact_all(self, *, min_parts: int = 2) -> int:
        """Compact every day that has at least so many parts; how many days."""
        return sum(1 for name, day in self._days_with(min_parts) if self.compact(name, day))

    def expire(self, name: str, *, before_us: UtcMicros, rule: str, now_us: UtcMicros) -> list[dict[str, Any]]:
        """Remove whole days that ended before a time, and keep a record of what went by which rule."""
        self._check_writable()
        gone = []
        with self._compacting, self._lock:
            for day in self.days(name):
                if day == UNDATED or (day_number(day) + 1) * DAY_US > before_us:
                    continue
                folder = self.folder / name / day
                files = files_of_day(folder, self._last_part)
                count = sum(pq.read_metadata(path).num_rows for path in files.live)
                row = {"table": name, "day": day, "rows": count, "rule": rule, "at": rfc3339(now_us)}
                expiry.note(self.folder, row)
                disk.remove(list(folder.iterdir()))
                disk.remove_folder(folder)
                gone.append(row)
        return gone

    def expired(self) -> list[dict[str, Any]]:
        """What was removed, by which rule and when, oldest first."""
        return expiry.read(self.folder)

    # -- reading

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
        folders = [self.folder / name / day for day in self._days_between(name, start_us, end_us, undated)]
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

    def _days_between(
        self, name: str, start_us: UtcMicros | None, end_us: UtcMicros | None, undated: bool
    ) -> list[str]:
        days = self.days(name)
        if undated:
            return [day for day in days if day == UNDATED]
        first = -(10**9) if start_us is None else start_us // DAY_US
        last = 10**9 if end_us is None else (end_us - 1) // DAY_US
        return [day for day in days if day != UNDATED and first <= day_number(day) <= last]

    def counts(self) -> dict[str, int]:
        """Rows taken, rows waiting, flushes, flushes forced by a full buffer, compactions, duplicates removed."""
        return {
            "appended": self.appended,
            "buffered": self.buffered,
            "flushes": self.flushes,
            "forced_flushes": self.forced_flushes,
            "compactions": self.compactions,
            "duplicates": self.duplicates,
            "failed_merges": self.failed_merges,
        }

    def _check_writable(self) -> None:
        if self._lock_handle < 0:
            raise StoreError(f"archive {self.folder} is closed or read only", code="store.closed")
        if self._broken:
            raise StoreError(
                f"archive {self.folder} failed half way through a commit",
                code="store.archive_broken",
                advice="Restart.",
            )

    def close(self) -> None:
        """Let go of the folder; rows not flushed are lost, as after a crash. A merge under way is waited for."""
        tidying = self._tidying
        if tidying is not None and tidying is not threading.current_thread():
            tidying.join()
        if self._lock_handle >= 0:
            os.close(self._lock_handle)
            self._lock_handle = -1

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
