"""Parquet files named on a command line."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.errors import InputError


def read_parquet(path: Path, keep: Container[str] | None = None) -> pa.Table:
    """All rows of one file; of its columns those that ``keep`` holds, or all.

    Raises
    ------
    InputError
        When the file is not there or is no Parquet file.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", code="input.missing")
    try:
        names = None if keep is None else [name for name in pq.read_schema(path).names if name in keep]
        return pq.read_table(path, columns=names)
    except (pa.ArrowException, OSError) as err:
        raise InputError(f"not a Parquet file: {path}: {err}", code="input.parquet") from err
