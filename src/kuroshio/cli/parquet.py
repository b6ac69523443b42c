"""Parquet files named on a command line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.errors import InputError


def read_parquet(path: Path) -> pa.Table:
    """All rows of one file.

    Raises
    ------
    InputError
        When the file is not there or is no Parquet file.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", code="input.missing")
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as err:
        raise InputError(f"not a Parquet file: {path}: {err}", code="input.parquet") from err
