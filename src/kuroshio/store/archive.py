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

from kuroshio.errors import StoreError
from kuroshio.schema import TABLES, Table
from kuroshio.store import disk, erasing, expiry
from kuroshio.store.erasing import Gone
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
from kuroshio.store.query import time_column
from kuroshio.store.questions import COMMIT, Questions
from kuroshio.store.scan import merge_day
from kuroshio.units import UtcMicros

TIDY_PARTS = 16

LOG = logging.getLogger("kuroshio.store")


class Archive(Questions):
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
        self.buffered = self.appended = self.flushes = self.forced_flushes = 0
        self.compactions = self.duplicates = self.failed_merges = 0
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

    def _remove_uncommitted(self) -> None:
        parts = [(part_number(path), path) for path in self.folder.glob("*/*/p-*.parquet")]
        disk.remove([path for number, path in parts if number is not None and number > self._last_part])
        disk.remove(list(self.folder.glob("*/*/.*.tmp")))

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
        with self._compacting, self._lock:
            over = [d for d in self.days(name) if d != UNDATED and (day_number(d) + 1) * DAY_US <= before_us]
            return [expiry.remove_day(self.folder, name, d, self._last_part, rule=rule, now_us=now_us) for d in over]

    def erase(self, name: str, columns: Sequence[str], gone: Gone) -> int:
        """Remove the rows of which ``gone``, given these columns, says so, in memory and on disk; how many.

        Files that hold such rows are written anew meanwhile; appends, flushes and reads go on.
        """
        self._check_writable()
        table = self.table(name)
        with self._lock:
            waiting = self._buffers.pop(name, [])
            kept = [rows.filter(pa.array(~gone(rows.select(columns)))) for rows in waiting]
            erased = sum(rows.num_rows for rows in waiting) - sum(rows.num_rows for rows in kept)
            self.buffered -= erased
            if kept:
                self._buffers[name] = kept
        with self._compacting:
            for day in self.days(name):
                erased += erasing.erase_from_day(self.folder / name / day, table, self._last_part, columns, gone)
        return erased

    def expired(self) -> list[dict[str, Any]]:
        """What was removed, by which rule and when, oldest first."""
        return expiry.read(self.folder)

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
            text = f"archive {self.folder} failed half way through a commit"
            raise StoreError(text, code="store.archive_broken", advice="Restart.")

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
