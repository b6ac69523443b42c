"""How a day of rows lies in a Parquet file: total order, encodings, names of files.

Order inside a day: (coarse Hilbert cell, mmsi or track, time, source, archive_seq). ``archive_seq`` is the order of
arrival, so the order is total and two engines agree on it. Layout decides the cost of a question far more than the
engine: rows of one place and one vessel lie together, and row groups are skipped by their statistics.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio.schema import Table
from kuroshio.units import US_PER_S, FloatArray, IntArray

SEQ = "archive_seq"
UNDATED = "undated"
DAY_US = 86_400 * US_PER_S
HILBERT_ORDER = 10  # cells of 0.35 x 0.18 degrees
ROW_GROUP = 65_536
ZSTD_LEVEL = 3
BLOOM_VESSELS = 4096  # vessels expected in one row group
PART_ROWS_BITS = 24  # rows of one part; archive_seq is part number and row

INDEX = b"kuroshio.index"
INDEXED = ("mmsi", "track_id")
INDEX_VALUES = 4096  # different values of one row group beyond which it is not listed

_DAY_FILE = re.compile(r"d-(\d{8})-(\d{12})\.parquet")
_RUN_FILE = re.compile(r"m-(\d{12})-(\d{12})\.parquet")
_PART_FILE = re.compile(r"p-(\d{12})\.parquet")


@dataclass(frozen=True)
class DayFiles:
    """Files of one day: the newest ordered file, and after it parts and runs of merged parts in their order."""

    ordered: Path | None
    generation: int
    parts: tuple[Path, ...]
    first: int
    last: int
    stale: tuple[Path, ...]

    @property
    def live(self) -> list[Path]:
        """Paths a reader takes."""
        return ([self.ordered] if self.ordered else []) + list(self.parts)


def files_of_day(folder: Path, last_part: int) -> DayFiles:
    """Files of a day's folder; parts beyond ``last_part`` were never committed and are not seen.

    A file covers an interval of part numbers. One whose interval lies within another's was merged into it, and is
    only still there because a merge was interrupted, or is not done removing.
    """
    ordered: list[tuple[int, int, Path]] = []
    spans: list[tuple[int, int, Path]] = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if match := _DAY_FILE.fullmatch(path.name):
            ordered.append((int(match[1]), int(match[2]), path))
        elif match := _RUN_FILE.fullmatch(path.name):
            spans.append((int(match[1]), int(match[2]), path))
        elif (number := part_number(path)) is not None and number <= last_part:
            spans.append((number, number, path))
    generation, through, newest = max(ordered, default=(0, -1, None))
    stale = [path for _, _, path in ordered if path != newest]
    live: list[tuple[int, int, Path]] = []
    for first, last, path in sorted(spans, key=lambda span: (span[0], -span[1])):
        if last <= max(through, live[-1][1] if live else -1):
            stale.append(path)
        else:
            live.append((first, last, path))
    first, last = (live[0][0], live[-1][1]) if live else (0, through)
    return DayFiles(newest, generation, tuple(path for _, _, path in live), first, last, tuple(stale))


def day_name(generation: int, through: int) -> str:
    """Name of an ordered file that covers all parts up to a number."""
    return f"d-{generation:08d}-{through:012d}.parquet"


def run_name(first: int, last: int) -> str:
    """Name of a run of parts merged into one file."""
    return f"m-{first:012d}-{last:012d}.parquet"


def part_name(number: int) -> str:
    """Name of a part."""
    return f"p-{number:012d}.parquet"


def part_number(path: Path) -> int | None:
    """Number of a part file, None for any other file."""
    match = _PART_FILE.fullmatch(path.name)
    return int(match[1]) if match else None


def stored_schema(table: Table) -> pa.Schema:
    """Schema on disk: the table's columns, all nullable, and ``archive_seq``."""
    fields = [field.with_nullable(True) for field in table.arrow]
    return pa.schema([*fields, pa.field(SEQ, pa.int64())], {"kuroshio.table": table.name})


def hilbert_cell(lon_deg: FloatArray, lat_deg: FloatArray, order: int = HILBERT_ORDER) -> IntArray:
    """Index of each position's cell along a Hilbert curve over the world; -1 where there is no position.

    Source: Hilbert curve by rotation of quadrants (Warren, Hacker's Delight, 2nd ed., section 16-2).
    """
    side = 1 << order
    gone = ~(np.isfinite(lon_deg) & np.isfinite(lat_deg))
    lon, lat = np.where(gone, 0.0, lon_deg), np.where(gone, 0.0, lat_deg)
    x = np.clip(np.floor((lon + 180.0) / 360.0 * side), 0, side - 1).astype(np.int64)
    y = np.clip(np.floor((lat + 90.0) / 180.0 * side), 0, side - 1).astype(np.int64)
    index = np.zeros(len(x), dtype=np.int64)
    bit = side >> 1
    while bit:
        rx, ry = ((x & bit) > 0).astype(np.int64), ((y & bit) > 0).astype(np.int64)
        index += bit * bit * ((3 * rx) ^ ry)
        flip = (ry == 0) & (rx == 1)
        x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
        swap = ry == 0
        x, y = np.where(swap, y, x), np.where(swap, x, y)
        bit >>= 1
    return np.where(gone, -1, index)


def ordered(rows: pa.Table, time_column: str) -> pa.Table:
    """Rows in the total order of an archive day."""
    keys: list[tuple[str, str]] = []
    sorting = pa.table({SEQ: rows.column(SEQ)})
    names = rows.column_names
    if "lat_deg" in names and "lon_deg" in names:
        cell = hilbert_cell(_numbers(rows, "lon_deg"), _numbers(rows, "lat_deg"))
        sorting = sorting.append_column("cell", pa.array(cell))
        keys.append(("cell", "ascending"))
    for name in ("mmsi", "track_id", time_column, "source"):
        if name in names and name not in sorting.column_names:
            column = rows.column(name)
            if pa.types.is_dictionary(column.type):
                column = column.cast(pa.string())
            sorting = sorting.append_column(name, column)
            keys.append((name, "ascending"))
    keys.append((SEQ, "ascending"))
    return rows.take(pc.sort_indices(sorting, sort_keys=keys))


def write_parquet(rows: pa.Table, path: Path, *, index: bool = False) -> None:
    """Write a file with the encodings of the archive; ``index`` lists the vessels and tracks of each row group."""
    words: list[str] = []
    encoding: dict[str, str] = {}
    for field in rows.schema:
        if pa.types.is_floating(field.type):
            encoding[field.name] = "BYTE_STREAM_SPLIT"
        elif pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
            if pa.types.is_integer(field.type) and field.type.bit_width < 32:
                words.append(field.name)
            else:
                encoding[field.name] = "DELTA_BINARY_PACKED"
        elif pa.types.is_list(field.type):
            element = f"{field.name}.list.element"
            if pa.types.is_timestamp(field.type.value_type):
                encoding[element] = "DELTA_BINARY_PACKED"
            else:
                words.append(element)
        elif not pa.types.is_boolean(field.type):
            words.append(field.name)
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": ZSTD_LEVEL,
        "use_dictionary": words,
        "column_encoding": encoding,
        "write_statistics": True,
    }
    if "mmsi" in rows.column_names and rows.num_rows >= ROW_GROUP:
        options["bloom_filter_options"] = {"mmsi": {"ndv": BLOOM_VESSELS, "fpp": 0.05}}
    with pq.ParquetWriter(path, rows.schema, **options) as writer:
        writer.write_table(rows, row_group_size=ROW_GROUP)
        if index:
            writer.add_key_value_metadata({INDEX: json.dumps(_index_of(rows)).encode()})


def _index_of(rows: pa.Table) -> dict[str, list[list[int] | None]]:
    index: dict[str, list[list[int] | None]] = {}
    for name in INDEXED:
        if name in rows.column_names:
            chunks = (rows.column(name).slice(at, ROW_GROUP) for at in range(0, rows.num_rows, ROW_GROUP))
            values = (pc.unique(chunk).drop_null() for chunk in chunks)
            index[name] = [found.to_pylist() if len(found) <= INDEX_VALUES else None for found in values]
    return index


def row_groups_with(path: Path, wanted: dict[str, set[int]]) -> list[int] | None:
    """Row groups of a file that may hold any of the values wanted in each column; None when that is not known.

    The statistics of a row group say only least and greatest, which a vessel's number is nearly always between.
    """
    metadata = pq.read_metadata(path)
    index = json.loads((metadata.metadata or {}).get(INDEX, b"{}"))
    groups: set[int] | None = None
    for name, values in wanted.items():
        if name not in index:
            continue
        held = {n for n, found in enumerate(index[name]) if found is None or not values.isdisjoint(found)}
        groups = held if groups is None else groups & held
    return None if groups is None else sorted(groups)


def _numbers(rows: pa.Table, name: str) -> FloatArray:
    return np.asarray(rows.column(name).cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)


def day_number(day: str) -> int:
    """Days since 1970-01-01 of a day's folder name."""
    return int(np.datetime64(day, "D").astype(np.int64))


def days_between(days: Sequence[str], start_us: int | None, end_us: int | None, *, undated: bool) -> list[str]:
    """Days, by folder name, that the half-open interval of UTC microseconds meets; None is open."""
    if undated:
        return [day for day in days if day == UNDATED]
    first = -(10**9) if start_us is None else start_us // DAY_US
    last = 10**9 if end_us is None else (end_us - 1) // DAY_US
    return [day for day in days if day != UNDATED and first <= day_number(day) <= last]


def by_day(rows: pa.Table, at: str) -> list[tuple[str, pa.Table]]:
    """Rows of each UTC day by folder name, in order; rows without a time last, as ``undated``."""
    times = rows.column(at).cast(pa.int64())
    missing = times.null_count
    numbers = np.asarray(times.fill_null(0).to_numpy(), dtype=np.int64) // DAY_US
    valid = (
        np.asarray(times.is_valid().to_numpy(), dtype=np.bool_) if missing else np.ones(len(numbers), dtype=np.bool_)
    )
    parts = []
    for number in np.unique(numbers[valid]):
        day = str(np.datetime64(int(number), "D"))
        parts.append((day, rows.filter(pa.array(valid & (numbers == number)))))
    if missing:
        parts.append((UNDATED, rows.filter(pa.array(~valid))))
    return parts
