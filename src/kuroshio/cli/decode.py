"""`kuroshio decode`: sensor logs to columns on disk, every line accounted for."""

from __future__ import annotations

import glob
import json
import queue
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import typer

from kuroshio.cli import output
from kuroshio.errors import InputError, StoreError
from kuroshio.schema import TABLES
from kuroshio.sensing.base import Decoded, Ledger

app = typer.Typer(add_completion=False)
BLOCK = 2 << 20
REMEMBERED = 1 << 20  # first receptions: what two logs of one hour have in common is far apart in the reading
AIVDM = "aivdm"


class Format(StrEnum):
    """Output formats."""

    parquet = "parquet"
    arrow = "arrow"
    csv = "csv"
    ndjson = "ndjson"


@dataclass
class Written:
    """One output file: its writer, rows so far."""

    path: Path
    writer: Any
    rows: int = 0


@dataclass
class Sink:
    """Writes tables by name to files of one format, opened when the first row comes."""

    folder: Path | None
    format: Format
    files: dict[str, Written] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def write(self, decoded: Decoded) -> None:
        """Append the tables."""
        for name, table in decoded.tables.items():
            self.rows[name] = self.rows.get(name, 0) + table.num_rows
            if self.folder is None or not table.num_rows:
                continue
            try:
                if name not in self.files:
                    self.files[name] = self._open(name, table)
                self._append(self.files[name], table)
            except OSError as err:
                raise StoreError(f"cannot write {name} to {self.folder}: {err.strerror or err}") from err

    def _open(self, name: str, table: pa.Table) -> Written:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.{self.format.value}"
        schema = TABLES[name].arrow if name in TABLES else table.schema
        if self.format is Format.parquet:
            return Written(path, pa.parquet.ParquetWriter(path, schema, compression="zstd"))
        plain = _plain(schema)
        if self.format is Format.arrow:
            return Written(path, pa.ipc.new_file(path, plain))
        if self.format is Format.csv:
            return Written(path, pa.csv.CSVWriter(path, _flat(plain)))
        return Written(path, path.open("w", encoding="utf-8"))

    def _append(self, file: Written, table: pa.Table) -> None:
        file.rows += table.num_rows
        if self.format is Format.parquet:
            file.writer.write_table(table)
            return
        table = table.cast(_plain(table.schema))
        if self.format is Format.arrow:
            file.writer.write_table(table)
        elif self.format is Format.csv:
            file.writer.write_table(_hexed(table))
        else:
            file.writer.writelines(_json_lines(_hexed(table)))

    def close(self) -> None:
        """Finish every file."""
        for file in self.files.values():
            file.writer.close()


def _plain(schema: pa.Schema) -> pa.Schema:
    """Schema with dictionaries as plain text: their files hold one dictionary only."""
    fields = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
    return pa.schema(fields, schema.metadata)


def _flat(schema: pa.Schema) -> pa.Schema:
    """Schema with bytes as hexadecimal text."""
    return pa.schema([f.with_type(pa.string()) if pa.types.is_binary(f.type) else f for f in schema], schema.metadata)


def _hexed(table: pa.Table) -> pa.Table:
    for at, item in enumerate(table.schema):
        if pa.types.is_binary(item.type):
            texts = [None if v is None else v.hex() for v in table.column(at).to_pylist()]  # few: rejects, payloads
            table = table.set_column(at, item.with_type(pa.string()), pa.array(texts, pa.string()))
    return table


def _json_lines(table: pa.Table) -> Iterator[str]:
    from kuroshio.clock import rfc3339

    times = [f.name for f in table.schema if pa.types.is_timestamp(f.type)]
    for name in times:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table.column(at).cast(pa.int64()))
    for row in table.to_pylist():  # a text format is written row by row
        for name in times:
            row[name] = None if row[name] is None else rfc3339(row[name])
        yield json.dumps(row, ensure_ascii=False) + "\n"


def paths_of(arguments: list[str]) -> list[str]:
    """Files named, with globs opened here where the shell did not; ``-`` is standard input.

    Raises
    ------
    InputError
        When a name matches nothing.
    """
    found: list[str] = []
    for argument in arguments:
        if argument == "-" or Path(argument).is_file():
            found.append(argument)
        elif Path(argument).is_dir():
            found += sorted(str(p) for p in Path(argument).rglob("*") if p.is_file())
        elif matches := sorted(glob.glob(argument, recursive=True)):
            found += [m for m in matches if Path(m).is_file()]
        else:
            raise InputError(f"no such file: {argument}", code="input.open")
    return found


def blocks(path: str, form: str, options: Mapping[str, Any]) -> Iterator[Decoded]:
    """Decoded blocks of one file, by its format."""
    from kuroshio.sensing import ais, formats
    from kuroshio.sensing.ais.files import open_bytes
    from kuroshio.sensing.tables_files import TableFileDecoder

    if form == AIVDM:
        formats.open_decoder(form, path, options)  # refuses an unknown option in words
        yield from ais.decode_file(path, **options)
        return
    decoder = formats.open_decoder(form, Path(path).name, options)
    if isinstance(decoder, TableFileDecoder) and path != "-":
        yield from decoder.decode_file(path)  # such a file is read from its end: not as a stream
        return
    with open_bytes(path) as stream:
        while data := stream.read(BLOCK):
            yield decoder.feed(data)
    yield decoder.flush()


def ahead(items: Iterator[Decoded], depth: int = 4) -> Iterator[Decoded]:
    """The same items, made by a thread that runs a few ahead: decoding and writing share the cores."""
    ready: queue.Queue[Decoded | BaseException | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Decoded | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as err:
            put(err)

    thread = threading.Thread(target=run, name="decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def sniffed(path: str) -> str:
    """Format of a file by its first bytes; AIVDM where nothing else is recognised (its rejects then say why)."""
    if path == "-":
        return AIVDM
    from kuroshio.sensing import formats
    from kuroshio.sensing.ais.files import open_bytes

    try:
        if not path.endswith(".zst"):
            return str(formats.sniff(Path(path)))
        with open_bytes(path) as stream, tempfile.TemporaryDirectory() as folder:
            head = Path(folder) / Path(path).stem
            head.write_bytes(stream.read(1 << 16))
            return str(formats.sniff(head))
    except InputError:
        return AIVDM


def options_of(file: Path | None, given: list[str]) -> dict[str, Any]:
    """Options of a format as a node file has them under ``[sources.options]``: of a file, then one by one.

    Parameters
    ----------
    file
        TOML, or JSON by its name.
    given
        ``name=value`` or ``name.inner=value``; the value in TOML, or text.

    Raises
    ------
    InputError
        When the file cannot be read, or an option has no value.
    """
    found: dict[str, Any] = {}
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
            found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as err:
            raise InputError(f"cannot read options from {file}: {err}", code="decode.options") from err
        if not isinstance(found, dict):
            raise InputError(f"options in {file} are no table of names", code="decode.options")
    for item in given:
        name, equals, text = item.partition("=")
        *outer, last = name.strip().split(".")
        if not equals or not last:
            raise InputError(f"--option {item!r} is not name=value", code="decode.options")
        try:
            value = tomllib.loads(f"v = {text}")["v"]
        except tomllib.TOMLDecodeError:
            value = text
        place = found
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise InputError(f"--option {item!r}: {key} is no table", code="decode.options")
        place[last] = value
    return found


@app.command()
def decode(
    paths: list[str] = typer.Argument(..., help="Logs: files, folders, globs, .gz, .zst, or - for standard input."),
    out: Path | None = typer.Option(None, "-o", "--out", help="Folder for the tables; without it only the summary."),
    form: Format = typer.Option(Format.parquet, "--format", help="Of the tables."),
    input_format: str | None = typer.Option(None, "--input-format", help="Of the logs; found out by default."),
    options: Path | None = typer.Option(None, "--options", help="Options of the input format, TOML or JSON."),
    option: list[str] = typer.Option([], "--option", help="One option of the input format: name=value."),
    keep_bad_checksum: bool = typer.Option(False, "--keep-bad-checksum", help="Keep them, marked; else rejects."),
    deduplicate_s: float | None = typer.Option(
        None,
        "--deduplicate",
        metavar="SECONDS",
        min=0.0,
        help="Keep a transmission heard again so soon once; 10 is usual.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Summary as one JSON object on stdout."),
) -> None:
    """Decode sensor logs to columns, every line accounted for."""
    files = paths_of(paths)
    sink, total, rows = Sink(out, form), Ledger(), []
    settings = options_of(options, option)
    once = _once(deduplicate_s)
    begun = time.perf_counter()
    with output.progress(quiet=as_json) as bar:
        task = bar.add_task("decode", total=len(files))
        for path in files:
            bar.update(task, description=path if len(path) < 40 else "..." + path[-37:])
            chosen = input_format or sniffed(path)
            ledger, more = Ledger(), dict[str, Any]()
            if keep_bad_checksum and chosen in (AIVDM, "ttm"):
                more["keep_bad_checksum"] = True
            for decoded in ahead(blocks(path, chosen, settings | more)):
                ledger.add(decoded.ledger)
                sink.write(once(decoded))
            total.add(ledger)
            rows.append({"path": path, "format": chosen, "ledger": ledger.as_dict()})
            bar.advance(task)
    sink.close()
    seconds = time.perf_counter() - begun
    summary = {
        "files": rows,
        "ledger": total.as_dict(),
        "rows": dict(sorted(sink.rows.items())),
        "seconds": round(seconds, 3),
        "sentences_per_s": round((total.messages + total.parts) / seconds) if seconds else None,
        "written": {
            name: {"path": str(file.path), "rows": file.rows, "bytes": file.path.stat().st_size}
            for name, file in sorted(sink.files.items())
        },
    }
    if as_json:
        output.emit_json(summary)
        return
    _print(summary, rows, total)


def _once(window_s: float | None) -> Callable[[Decoded], Decoded]:
    """Takes repeats out of what all files gave, or leaves everything."""
    if window_s is None:
        return lambda decoded: decoded
    from kuroshio.sensing import Deduplicator

    return Deduplicator(window_s=window_s, limit=REMEMBERED).apply


def _print(summary: Mapping[str, Any], rows: list[dict[str, Any]], total: Ledger) -> None:
    header = ["file", "format", "lines", "messages", "parts", "comments", "rejects"]
    table = []
    for row in [*rows, {"path": "total", "format": "", "ledger": total.as_dict()}]:
        ledger = row["ledger"]
        rejects = ", ".join(f"{n} {reason}" for reason, n in ledger["rejects"].items()) or "0"
        counts = [ledger[name] for name in ("lines", "messages", "parts", "comments")]
        table.append([row["path"], row["format"], *counts, rejects])
    output.print_table("Lines", header, table if len(table) > 2 else table[:1])
    written = summary["written"]
    output.print_table(
        f"Rows, {summary['seconds']} s, {summary['sentences_per_s']} sentences/s",
        ["table", "rows", "file", "bytes"],
        [
            [name, count, written.get(name, {}).get("path"), written.get(name, {}).get("bytes")]
            for name, count in summary["rows"].items()
        ],
    )
