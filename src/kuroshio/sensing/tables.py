"""Position tables to rows: MarineCadastre, the Danish Maritime Authority, and any table with a declared column map.

What enters: CSV bytes cut anywhere. What leaves: positions and statics where the table is of AIS, else observations
with a declared error; rows that cannot be read are rejects with their line. Cells that cannot be read in columns that
may be absent become null and are counted. Quoted line breaks are not supported: such rows are rejects.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from kuroshio.errors import ConfigError
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import RAW_LIMIT, Outcome
from kuroshio.sensing.tables_layouts import LAYOUTS, Layout, declared, missing_columns
from kuroshio.sensing.tables_rows import Rows, build
from kuroshio.units import IntArray

MAX_LINE_BYTES = 65_536
BLOCK_BYTES = 4_000_000
MAX_SEEN_STATICS = 200_000


def chosen_layout(
    source: str, layout: str | Layout | None, columns: Mapping[str, Any] | None, **declaration: Any
) -> Layout:
    """The layout of that name, or the one that a column map and its declaration make.

    Raises
    ------
    ConfigError
        On an unknown name, a map that cannot be, or neither of both.
    """
    if isinstance(layout, str):
        if layout not in LAYOUTS:
            raise ConfigError(f"source {source}: layout {layout!r} is not one of {', '.join(LAYOUTS)}")
        return LAYOUTS[layout]
    if layout is not None:
        return layout
    if not columns:
        raise ConfigError(f"source {source}: a table needs a layout or a column map", code="tables.column")
    return declared(columns, **declaration)


class PositionTableDecoder:
    """Decoder of one table (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    layout
        A name of `LAYOUTS`, a `Layout`, or None with `columns`.
    columns
        Column map of a declared table: target (``time``, ``mmsi``, ``lat_deg``, ...) to the header's name.
    header
        Names of the columns where the table has no header line.
    delimiter
        One character.
    time_format, speed_unit, sensor, sigma_m, confidence
        As `tables_layouts.declared` has them.

    Raises
    ------
    ConfigError
        On a layout or map that cannot be.
    """

    def __init__(
        self,
        source: str,
        *,
        layout: str | Layout | None = None,
        columns: Mapping[str, Any] | None = None,
        header: list[str] | None = None,
        delimiter: str = ",",
        time_format: str = "iso",
        speed_unit: str = "kn",
        sensor: str = "ais",
        sigma_m: float = 100.0,
        confidence: float | None = None,
        exercise: bool | None = None,
    ) -> None:
        layout = chosen_layout(
            source, layout, columns, time_format=time_format, speed_unit=speed_unit, sensor=sensor, sigma_m=sigma_m,
            confidence=confidence,
        )  # fmt: skip
        if len(delimiter) != 1:
            raise ConfigError(f"source {source}: delimiter {delimiter!r} is not one character")
        self.source, self.layout, self.delimiter, self.exercise = source, layout, delimiter, exercise
        self.counters: Counter[str] = Counter()
        self._header = list(header) if header else None
        self._declared_header = bool(header)
        self._rest = b""
        self._cut = False  # the rest of the line held is to be dropped
        self._line = 0
        self._seen: dict[int, None] = {}

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Rows of the lines that end within these bytes."""
        whole, newline, self._rest = self._bounded(data).rpartition(b"\n")
        rest = self._rest
        outcome = Outcome(self.source, received_at_us)
        if not whole and not newline:
            return outcome.finish(int(bool(rest)))
        return self._decode(whole + newline, outcome)

    def _bounded(self, data: bytes) -> bytes:
        """What is held and the data, a line above the limit cut to one cell, which no table has: it is a reject."""
        if self._cut:
            _, newline, rest = data.partition(b"\n")
            data, self._cut = newline + rest, not newline
        data = self._rest + data
        if len(data) <= MAX_LINE_BYTES:
            return data
        lines = data.split(b"\n")
        for k, line in enumerate(lines):
            if len(line) > MAX_LINE_BYTES:
                lines[k] = line[:RAW_LIMIT].replace(self.delimiter.encode(), b" ").replace(b'"', b" ")
                self._cut = self._cut or k == len(lines) - 1
        return b"\n".join(lines)

    def flush(self) -> Decoded:
        """Rows of a last line without an end."""
        rest, self._rest = self._rest, b""
        outcome = Outcome(self.source)
        return self._decode(rest + b"\n", outcome) if rest else outcome.finish(0)

    def _decode(self, data: bytes, outcome: Outcome) -> Decoded:
        tables: dict[str, list[pa.Table]] = {}
        at = 0
        while at < len(data):
            end = len(data) if len(data) - at <= BLOCK_BYTES else data.index(b"\n", at + BLOCK_BYTES) + 1
            block, at = data[at:end], end
            if self._header is None or self._declared_header:
                block = self._take_header(block, outcome)
            for name, table in self._block(block, outcome).items():
                tables.setdefault(name, []).append(table)
        joined = {name: pa.concat_tables(parts).unify_dictionaries().combine_chunks() for name, parts in tables.items()}
        return outcome.finish(int(bool(self._rest)), **joined)

    def _take_header(self, block: bytes, outcome: Outcome) -> bytes:
        """The block without its header; a declared header repeated in the data is a comment."""
        while block:
            line, _, rest = block.partition(b"\n")
            text = line.strip(b"\xef\xbb\xbf\r ").decode("utf-8", "replace")
            names = [n.strip().strip('"') for n in text.split(self.delimiter)]
            if self._declared_header:
                self._declared_header = False
                if names != self._header:
                    return block
            elif text:
                self._header = names
            self._line += 1
            outcome.decoded.ledger.lines += 1
            missing = missing_columns(self.layout, names) if text else []
            if missing:
                self._header = None
                outcome.reject(self._line, "bad_header", f"no column for {', '.join(missing)}"[:500], line)
            else:
                outcome.decoded.ledger.comments += 1
            block = rest
            if text and not missing:
                break
        return block

    def _block(self, block: bytes, outcome: Outcome) -> dict[str, pa.Table]:
        if not block or self._header is None:
            return {}
        skipped: list[tuple[int, str]] = []
        text, lines = self._parse(block, skipped)
        first, self._line = self._line, self._line + lines
        ledger = outcome.decoded.ledger
        ledger.lines += lines
        for number, line in skipped:
            if line.strip():
                outcome.reject(first + number, "columns", f"not {len(self._header)} columns", line.encode())
            else:
                ledger.comments += 1
        if text is None or not text.num_rows:
            return {}
        kept = np.ones(lines, bool)
        kept[[number - 1 for number, _ in skipped]] = False
        numbers = first + 1 + np.flatnonzero(kept)
        repeated = self._repeated(text)
        if repeated.any():  # a server that greets each connection with the header
            ledger.comments += int(repeated.sum())
            text, numbers = text.filter(pa.array(~repeated)), numbers[~repeated]
            if not text.num_rows:
                return {}
        return self._rows(text, numbers, outcome)

    def _repeated(self, text: pa.Table) -> np.ndarray:
        """Rows that are the header again."""
        assert self._header is not None
        same = pc.equal(text.column(0), self._header[0])
        if pc.any(same).as_py():
            for column, name in zip(text.columns[1:], self._header[1:], strict=True):
                same = pc.and_(same, pc.equal(column, name))
        return np.asarray(same.to_numpy(), bool)

    def _rows(self, table: pa.Table, numbers: IntArray, outcome: Outcome) -> dict[str, pa.Table]:
        """Tables of rows with their line numbers; the rows that cannot be read are rejects."""
        rows = Rows(self.source, self.layout, table, numbers, outcome.received_at_us, self.exercise)
        tables, faults = build(rows, self.counters, self._new_statics)
        for row, reason, detail in faults:
            raw = self.delimiter.join(str(c[row]) for c in table.columns).encode()
            outcome.reject(int(numbers[row]), reason, detail, raw)
        outcome.decoded.ledger.messages += len(numbers) - len(faults)
        return tables

    def take(self, table: pa.Table, outcome: Outcome) -> dict[str, pa.Table]:
        """Tables of a table's rows, which count on from the rows before them."""
        first, self._line = self._line, self._line + table.num_rows
        outcome.decoded.ledger.lines += table.num_rows
        return self._rows(table, first + 1 + np.arange(table.num_rows), outcome) if table.num_rows else {}

    def _parse(self, block: bytes, skipped: list[tuple[int, str]]) -> tuple[pa.Table | None, int]:
        """(text table, lines) of a block; lines with another number of columns go to `skipped`, numbered from 1."""
        assert self._header is not None
        names = [f"{n}#{i}" if n in self._header[:i] else n for i, n in enumerate(self._header)]

        originals: dict[int, str] = {}

        def handle(row: Any) -> str:
            skipped.append((row.number, originals.get(row.number, row.text)))
            return "skip"

        lines = block.count(b"\n")
        block = block.replace(b"\x00", b"")
        if block.count(b"\r") != block.count(b"\r\n"):  # Arrow ends a row at a lone CR; a line ends with LF only
            block = re.sub(rb"\r(?!\n)", b" ", block)
        if b"\n\n" in block or block.startswith(b"\n"):  # Arrow drops blank lines without a word; ours are counted
            block = b"\n".join(line or b" " for line in block.split(b"\n")[:-1]) + b"\n"
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            block = block.decode("utf-8", "replace").encode()
        if b'"' in block:
            block = self._quoted(block, originals)
        try:
            table = pacsv.read_csv(
                pa.BufferReader(block),
                read_options=pacsv.ReadOptions(column_names=names, use_threads=False, block_size=len(block) + 1),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter, invalid_row_handler=handle, ignore_empty_lines=False
                ),
                convert_options=pacsv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:  # an unbalanced quote can swallow lines: take this block line by line
            return self._line_by_line(block, names, skipped), lines
        if table.num_rows + len(skipped) != lines:
            skipped.clear()
            return self._line_by_line(block, names, skipped), lines
        return table, lines

    def _quoted(self, block: bytes, originals: dict[int, str]) -> bytes:
        """The block with each line that has quotes checked by itself: written anew, or marked where they are damaged.

        Arrow lets a quote that is never closed swallow the lines after it, which would make a row's fate depend on
        where a read ended.
        """
        lines = block.split(b"\n")[:-1]
        for number, line in enumerate(lines, 1):
            if b'"' not in line:
                continue
            text = line.rstrip(b"\r").decode()
            try:
                (cells,) = csv.reader([text], delimiter=self.delimiter, strict=True)
            except (csv.Error, ValueError):
                originals[number] = text
                lines[number - 1] = b"\x01"  # one cell: no table has one column
                continue
            written = ['"' + cell.replace('"', '""') + '"' for cell in cells]
            lines[number - 1] = self.delimiter.join(written).encode()
        return b"\n".join(lines) + b"\n"

    def _line_by_line(self, block: bytes, names: list[str], skipped: list[tuple[int, str]]) -> pa.Table:
        """The slow way for a damaged block: quotes stand for themselves, every line for one row."""
        rows: list[list[str]] = []
        for number, line in enumerate(block.split(b"\n")[:-1], 1):
            text = line.rstrip(b"\r").decode("utf-8", "replace")
            cells = [cell.strip('"') for cell in text.split(self.delimiter)]
            if len(cells) == len(names):
                rows.append(cells)
            else:
                skipped.append((number, text))
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return pa.table({n: pa.array(list(c), pa.string()) for n, c in zip(names, columns, strict=True)})

    def _new_statics(self, digests: IntArray) -> np.ndarray:
        """Which static rows say something not said lately; the memory is bounded."""
        fresh = np.zeros(len(digests), bool)
        for row, digest in enumerate(digests.tolist()):  # distinct static rows of a block only
            if digest not in self._seen:
                self._seen[digest] = None
                fresh[row] = True
        while len(self._seen) > MAX_SEEN_STATICS:
            self._seen.pop(next(iter(self._seen)))
        return fresh
