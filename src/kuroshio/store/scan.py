"""Reading and merging the files of archive days."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from kuroshio.schema import Table
from kuroshio.store import disk
from kuroshio.store.layout import (
    DayFiles,
    day_name,
    files_of_day,
    ordered,
    part_number,
    row_groups_with,
    run_name,
    stored_schema,
    write_parquet,
)
from kuroshio.store.query import UNIQUE, distinct, time_column

READ_ATTEMPTS = 5
MAJOR_SHARE = 4  # parts are merged into the ordered file once they hold a quarter of its rows


def read_days(
    folders: Sequence[Path],
    table: Table,
    columns: Sequence[str],
    chosen: pc.Expression | None,
    wanted: dict[str, set[int]],
    last_part: int,
) -> pa.Table:
    """Rows of some days of a table, in no order; row groups without the vessels wanted are not read."""
    schema = stored_schema(table)
    for attempt in range(READ_ATTEMPTS):
        try:
            files = [path for folder in folders for path in files_of_day(folder, last_part).live]
            return _scan(files, schema, columns, chosen, wanted)
        except FileNotFoundError as err:
            # a merge removed a file between the listing and the reading
            if attempt == READ_ATTEMPTS - 1:
                raise disk.failed("archive changed under a reader", err) from err
    raise AssertionError


def _scan(
    files: Sequence[Path],
    schema: pa.Schema,
    columns: Sequence[str],
    chosen: pc.Expression | None,
    wanted: dict[str, set[int]],
) -> pa.Table:
    form = ds.ParquetFileFormat()
    fragments = []
    for path in files:
        groups = row_groups_with(path, wanted) if wanted and part_number(path) is None else None
        if groups != []:
            fragments.append(form.make_fragment(str(path), LocalFileSystem(), row_groups=groups))
    if not fragments:
        return pa.schema([schema.field(column) for column in columns]).empty_table()
    dataset = ds.FileSystemDataset(fragments, schema, form, LocalFileSystem())
    return dataset.to_table(columns=list(columns), filter=chosen)


def merge_day(folder: Path, table: Table, last_part: int, *, whole: bool) -> tuple[int, int]:
    """Merge a day's parts; (rows of the file made, duplicates removed), (0, 0) when there was nothing to do.

    Parameters
    ----------
    whole
        True merges parts and ordered file into a new ordered file; False merges the parts alone, unless they have
        grown to a good share of the ordered file.
    """
    files = files_of_day(folder, last_part)
    disk.remove(files.stale)
    if not files.parts or (len(files.parts) == 1 and not whole):
        return 0, 0
    whole = whole or _rows(files.parts) * MAJOR_SHARE >= _rows([files.ordered] if files.ordered else [])
    sources = files.live if whole else list(files.parts)
    rows = ds.dataset([str(path) for path in sources], schema=stored_schema(table), format="parquet").to_table()
    kept = distinct(rows, UNIQUE.get(table.name))
    made = ordered(kept, time_column(table))
    disk.write_durably(folder / _target(files, whole), lambda path: write_parquet(made, path, index=True))
    disk.remove(sources)
    return made.num_rows, rows.num_rows - kept.num_rows


def _target(files: DayFiles, whole: bool) -> str:
    return day_name(files.generation + 1, files.last) if whole else run_name(files.first, files.last)


def _rows(paths: Sequence[Path]) -> int:
    return sum(int(pq.read_metadata(path).num_rows) for path in paths)
