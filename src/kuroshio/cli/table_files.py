"""Tables by name to files of one format, each file written by a thread of its own.

What enters: decoded tables in order. What leaves: one file a table, opened when its first row comes. A file's rows
stand in the order they came; a bounded number of tables waits for each writer, so that a slow disk slows the decoder.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from kuroshio.errors import StoreError
from kuroshio.schema import TABLES
from kuroshio.sensing.base import Decoded

GROUP_ROWS = 131_072  # rows of a Parquet row group
TEXT_ROWS = 16_384  # rows made text at a time
WAITING = 8  # tables that wait for one writer
# few values, so that a dictionary is smaller and quicker than the values themselves
_REPEATED = frozenset(
    {"msg_type", "repeat", "bits", "sog_mps", "sog_raw", "cog_deg", "cog_raw", "heading_deg", "rot_raw", "rot_degpmin",
     "nav_status", "manoeuvre", "utc_second", "part", "name", "call_sign", "destination", "received_at"}
)  # fmt: skip
_RISING = frozenset({"line", "observed_at", "received_at"})  # near to the value before: differences are short


class Format(StrEnum):
    """Output formats."""

    parquet = "parquet"
    arrow = "arrow"
    csv = "csv"
    ndjson = "ndjson"


@dataclass
class Written:
    """One output file: where, how a table is appended, how it is finished, rows so far."""

    path: Path
    append: Callable[[pa.Table], Any]
    finish: Callable[[], Any]
    group_rows: int = TEXT_ROWS
    rows: int = 0
    waiting: queue.Queue[pa.Table | None] = field(default_factory=lambda: queue.Queue(WAITING))
    failed: Exception | None = None
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write what comes."""
        self.thread = threading.Thread(target=self._run, name=f"write {self.path.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        held: list[pa.Table] = []
        while (table := self.waiting.get()) is not None:
            if self.failed is None:
                held = self._take(held, table)
        self._guarded(lambda: self._flush(held))
        self._guarded(self.finish)

    def _take(self, held: list[pa.Table], table: pa.Table) -> list[pa.Table]:
        """Hold tables until they are enough to write."""
        held = [*held, table]
        if sum(one.num_rows for one in held) < self.group_rows:
            return held
        self._guarded(lambda: self._flush(held))
        return []

    def _flush(self, held: list[pa.Table]) -> None:
        if held:
            self.append(pa.concat_tables(held).unify_dictionaries())

    def _guarded(self, act: Callable[[], Any]) -> None:
        if self.failed is None:
            try:
                act()
            except (OSError, pa.ArrowException) as err:
                self.failed = err


@dataclass
class Sink:
    """Writes tables by name to files of one format, opened when the first row comes."""

    folder: Path | None
    format: Format
    files: dict[str, Written] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def write(self, decoded: Decoded) -> None:
        """Hand the tables to their writers.

        Raises
        ------
        StoreError
            When a file cannot be written.
        """
        for name, table in decoded.tables.items():
            self.rows[name] = self.rows.get(name, 0) + table.num_rows
            if self.folder is None or not table.num_rows:
                continue
            if name not in self.files:
                self.files[name] = self._open(name, table)
                self.files[name].start()
            file = self.files[name]
            self._check(file)
            file.rows += table.num_rows
            file.waiting.put(table)

    def close(self) -> None:
        """Finish every file.

        Raises
        ------
        StoreError
            When a file could not be written.
        """
        for file in self.files.values():
            file.waiting.put(None)
        for file in self.files.values():
            if file.thread is not None:
                file.thread.join()
        for file in self.files.values():
            self._check(file)

    def _check(self, file: Written) -> None:
        if file.failed is not None:
            told = getattr(file.failed, "strerror", None) or file.failed
            raise StoreError(f"cannot write {file.path}: {told}") from file.failed

    def _open(self, name: str, table: pa.Table) -> Written:
        assert self.folder is not None
        path = self.folder / f"{name}.{self.format.value}"
        schema = TABLES[name].arrow if name in TABLES else table.schema
        plain = _plain(schema)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.format is Format.parquet:
                writer = pa.parquet.ParquetWriter(path, schema, compression="zstd", **_encodings(schema))
                return Written(path, writer.write_table, writer.close, GROUP_ROWS)
            if self.format is Format.arrow:
                stream = pa.ipc.new_file(path, plain)
                return Written(path, lambda t: stream.write_table(t.cast(plain)), stream.close)
            if self.format is Format.csv:
                text = pa.csv.CSVWriter(path, _flat(plain))
                return Written(path, lambda t: text.write_table(hexed(t.cast(plain))), text.close)
            lines = path.open("wb")
            return Written(path, lambda t: lines.write(json_lines(hexed(t.cast(plain)))), lines.close)
        except OSError as err:
            raise StoreError(f"cannot write {path}: {err.strerror or err}") from err


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """Parquet encodings by what the columns hold: dictionaries only where values repeat."""
    repeated = [f.name for f in schema if f.name in _REPEATED or pa.types.is_dictionary(f.type)]
    rising = {f.name: "DELTA_BINARY_PACKED" for f in schema if f.name in _RISING and f.name not in repeated}
    return {"use_dictionary": repeated, "column_encoding": rising or None}


def _plain(schema: pa.Schema) -> pa.Schema:
    """Schema with dictionaries as plain text: their files hold one dictionary only."""
    fields = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    return pa.schema(fields, schema.metadata)


def _flat(schema: pa.Schema) -> pa.Schema:
    """Schema with bytes as hexadecimal text."""
    return pa.schema([f.with_type(pa.string()) if pa.types.is_binary(f.type) else f for f in schema], schema.metadata)


def hexed(table: pa.Table) -> pa.Table:
    """The table with bytes as hexadecimal text."""
    for at, item in enumerate(table.schema):
        if pa.types.is_binary(item.type):
            texts = [None if v is None else v.hex() for v in table.column(at).to_pylist()]  # few: rejects, payloads
            table = table.set_column(at, item.with_type(pa.string()), pa.array(texts, pa.string()))
    return table


def json_lines(table: pa.Table) -> bytes:
    """Rows as lines of JSON; times are RFC 3339 in UTC."""
    if not table.num_rows:
        return b""
    cells = [_cells(item, table.column(at).combine_chunks()) for at, item in enumerate(table.schema)]
    joined = pc.binary_join_element_wise(*cells, ",")
    return ("{" + "}\n{".join(joined.to_pylist()) + "}\n").encode()


def _cells(item: pa.Field, values: pa.Array) -> pa.Array:
    """``"name":value`` of each row."""
    name = json.dumps(item.name, ensure_ascii=False) + ":"
    if pa.types.is_string(item.type):
        texts = _quoted(values)
    elif pa.types.is_timestamp(item.type):
        texts = pc.binary_join_element_wise('"', pc.strftime(values, format="%Y-%m-%dT%H:%M:%S"), 'Z"', "")
        texts = pc.replace_substring(texts, '.000000Z"', 'Z"')
    elif pa.types.is_nested(item.type):
        texts = pa.array([None if v is None else json.dumps(v, default=str) for v in values.to_pylist()], pa.string())
    else:
        texts = values.cast(pa.string())
    return pc.binary_join_element_wise(name, pc.fill_null(texts, "null"), "")


def _quoted(values: pa.Array) -> pa.Array:
    """Texts as JSON strings; those with control characters one by one, which is rare."""
    plain = pc.replace_substring(pc.replace_substring(values, "\\", "\\\\"), '"', '\\"')
    quoted = pc.binary_join_element_wise('"', plain, '"', "")
    odd = pc.fill_null(pc.match_substring_regex(values, r"[\x00-\x1f]"), False)
    if pc.any(odd).as_py():
        kept = [json.dumps(text, ensure_ascii=False) for text in values.filter(odd).to_pylist()]
        quoted = pc.replace_with_mask(quoted, odd, pa.array(kept, pa.string()))
    return quoted
