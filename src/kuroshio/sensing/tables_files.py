"""Position tables in Parquet and Arrow files: batch by batch, in constant memory where the file can be opened.

What enters: the path of a file, or its bytes. What leaves: what `tables` makes of its rows. Row numbers stand for
lines. A file that comes as bytes (a node's source) is kept in a temporary file until it is whole: such a file may have
256 MB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from kuroshio.errors import InputError
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats_lines import Outcome
from kuroshio.sensing.tables import PositionTableDecoder, chosen_layout
from kuroshio.sensing.tables_layouts import Layout, fitting_layout, missing_columns

BATCH_ROWS = 262_144
MAX_HELD_BYTES = 256 << 20
ARROW_FILE = b"ARROW1"


class TableFileDecoder:
    """Decoder of a Parquet or Arrow file (implements `sensing.base.SourceDecoder`).

    Parameters
    ----------
    source
        Name of the source.
    layout
        A name of `tables_layouts.LAYOUTS`; without it and without `columns` the layout that fits is taken.
    columns, time_format, speed_unit, sensor, sigma_m, confidence
        As `tables.PositionTableDecoder` has them. A column that holds times or numbers is taken as it is.
    exercise
        Marks every observation as exercise data.

    Raises
    ------
    ConfigError
        On a layout or map that cannot be.
    """

    def __init__(
        self,
        source: str,
        *,
        layout: str | None = None,
        columns: Mapping[str, Any] | None = None,
        time_format: str = "iso",
        speed_unit: str = "kn",
        sensor: str = "ais",
        sigma_m: float = 100.0,
        confidence: float | None = None,
        exercise: bool | None = None,
    ) -> None:
        self.source, self._exercise = source, exercise
        self._layout: Layout | None = None
        if layout is not None or columns:
            self._layout = chosen_layout(
                source, layout, columns, time_format=time_format, speed_unit=speed_unit, sensor=sensor,
                sigma_m=sigma_m, confidence=confidence,
            )  # fmt: skip
        self._held: IO[bytes] | None = None
        self._held_bytes = 0
        self._received_us: int | None = None

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Keep the bytes until the file is whole."""
        if self._held is None:
            self._held = tempfile.TemporaryFile()  # noqa: SIM115 - lives until flush
        if self._held_bytes <= MAX_HELD_BYTES:
            self._held.write(data)
        self._held_bytes += len(data)
        self._received_us = received_at_us
        return Outcome(self.source).finish(int(self._held_bytes > 0))

    def flush(self) -> Decoded:
        """Tables of the whole file; one that cannot be read is one reject."""
        held, size, self._held, self._held_bytes = self._held, self._held_bytes, None, 0
        outcome = Outcome(self.source, self._received_us)
        if held is None or not size:
            return outcome.finish(0)
        with held:
            try:
                if size > MAX_HELD_BYTES:
                    raise InputError(f"a file of {size} bytes, at most {MAX_HELD_BYTES}", code="tables.oversize")
                held.seek(0)
                return Decoded.join(self._decode(held, self.source, self._received_us))
            except InputError as err:
                reason = {"tables.column": "bad_header", "tables.oversize": "oversize"}.get(err.error_code, "bad_file")
                held.seek(0)
                outcome.decoded.ledger.lines += 1
                outcome.reject(1, reason, err.message[:500], held.read(64))
                return outcome.finish(0)

    def decode_file(self, path: str | Path) -> Iterator[Decoded]:
        """Tables of a file, batch by batch; memory does not grow with the file.

        Raises
        ------
        InputError
            When the file cannot be read, or lacks a column that is needed or named: says which, and what it has.
        """
        try:
            with open(path, "rb") as file:
                yield from self._decode(file, str(path), None)
        except OSError as err:
            raise InputError(f"cannot open {path}: {err.strerror or err}", code="input.open") from err

    def _decode(self, file: IO[bytes], name: str, received_at_us: int | None) -> Iterator[Decoded]:
        try:
            names, batches = _open(file)
            rows = self._decoder(names, name)
            wanted = [n for n in names if n.lower() in {x.lower() for c in rows.layout.columns.values() for x in c}]
            for batch in batches(wanted):
                outcome = Outcome(self.source, received_at_us)
                yield outcome.finish(0, **rows.take(pa.Table.from_batches([batch]), outcome))
        except (pa.ArrowException, OSError, ValueError, KeyError) as err:
            raise InputError(f"{name}: {str(err)[:300]}", code="tables.file") from err

    def _decoder(self, names: list[str], name: str) -> PositionTableDecoder:
        layout = self._layout or fitting_layout(names)
        has = ", ".join(names)[:1000]
        if layout is None:
            raise InputError(
                f"{name}: no known layout fits; it has {has}", code="tables.column", advice="Give a column map."
            )
        missing = missing_columns(layout, names)
        if missing:
            raise InputError(f"{name}: no column for {', '.join(missing)}; it has {has}", code="tables.column")
        return PositionTableDecoder(self.source, layout=layout, exercise=self._exercise)


def _open(file: IO[bytes]) -> tuple[list[str], Any]:
    """(names of the columns, function from wanted names to batches) of an open Parquet or Arrow file."""
    magic = file.read(len(ARROW_FILE))
    file.seek(0)
    if magic[:4] == b"PAR1":
        parquet = pq.ParquetFile(file)
        return parquet.schema_arrow.names, lambda wanted: parquet.iter_batches(BATCH_ROWS, columns=wanted)
    if magic == ARROW_FILE:
        reader = pyarrow.ipc.open_file(file)
        return reader.schema.names, lambda wanted: (
            _sound(reader.get_batch(n).select(wanted)) for n in range(reader.num_record_batches)
        )
    stream = pyarrow.ipc.open_stream(file)
    return stream.schema.names, lambda wanted: (_sound(batch.select(wanted)) for batch in stream)


def _sound(batch: Any) -> Any:
    """The batch, or an error: offsets that lie would be read as they stand, outside the file's bytes."""
    batch.validate(full=True)
    return batch
