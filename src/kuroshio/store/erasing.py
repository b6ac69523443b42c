"""Taking single rows out of archive files: what somebody else lent and asked back, or whose time is over.

A file is written anew without the rows and put in its place under the same name, so that what a day's files cover
stays as it was, and a reader sees the file before or after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from kuroshio.schema import Table
from kuroshio.store import disk
from kuroshio.store.layout import files_of_day, part_number, stored_schema, write_parquet

Gone = Callable[[pa.Table], npt.NDArray[np.bool_]]  # one flag a row: it must be gone


def names_any(column: pa.ChunkedArray, values: Collection[str]) -> npt.NDArray[np.bool_]:
    """One flag a row: its list of words names any of the values."""
    found = np.zeros(len(column), np.bool_)
    wanted, at = pa.array(sorted(values), pa.string()), 0
    for chunk in column.chunks:
        words = pc.list_flatten(chunk)
        if len(words):
            met = pc.is_in(words.cast(pa.string()), value_set=wanted).to_numpy(zero_copy_only=False)
            found[at + np.unique(pc.list_parent_indices(chunk).to_numpy(zero_copy_only=False)[met])] = True
        at += len(chunk)
    return found


def words_of_day(folder: Path, table: Table, last_part: int, column: str) -> Iterator[str]:
    """Different words of a column of lists in a day's files; one may come again with the next file."""
    for path in files_of_day(folder, last_part).live:
        yield from pc.unique(pc.list_flatten(_rows(path, table, [column])[column]).cast(pa.string())).to_pylist()


def erase_from_day(folder: Path, table: Table, last_part: int, columns: Sequence[str], gone: Gone) -> int:
    """Remove the rows of a day of which ``gone`` says so by some columns; how many."""
    erased = 0
    for path in files_of_day(folder, last_part).live:
        over = gone(_rows(path, table, columns))
        if over.any():
            kept = _rows(path, table, None).filter(pa.array(~over))
            disk.write_durably(path, partial(write_parquet, kept, index=part_number(path) is None))
            erased += int(over.sum())
    return erased


def _rows(path: Path, table: Table, columns: Sequence[str] | None) -> pa.Table:
    wanted = None if columns is None else list(columns)
    return ds.dataset([str(path)], schema=stored_schema(table), format="parquet").to_table(columns=wanted)
