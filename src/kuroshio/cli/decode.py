"""`kuroshio decode`: sensor logs to columns on disk, every line accounted for."""

from __future__ import annotations

import glob
import json
import os
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from kuroshio.cli import output
from kuroshio.cli.ahead import in_order
from kuroshio.cli.table_files import Format, Sink
from kuroshio.errors import InputError
from kuroshio.sensing.base import Decoded, Ledger

app = typer.Typer(add_completion=False)
BLOCK = 2 << 20
REMEMBERED = 1 << 20  # first receptions: what two logs of one hour have in common is far apart in the reading
AIVDM = "aivdm"


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


def blocks(path: str, form: str, options: Mapping[str, Any], told: Callable[[int], None]) -> Iterator[Decoded]:
    """Decoded blocks of one file, by its format; ``told`` hears the bytes read of it."""
    from kuroshio.sensing import ais, formats
    from kuroshio.sensing.ais.files import open_bytes
    from kuroshio.sensing.tables_files import TableFileDecoder

    if form == AIVDM:
        formats.open_decoder(form, path, options)  # refuses an unknown option in words
        yield from ais.decode_file(path, told=told, **options)
        return
    decoder = formats.open_decoder(form, Path(path).name, options)
    if isinstance(decoder, TableFileDecoder) and path != "-":
        yield from decoder.decode_file(path)  # such a file is read from its end: not as a stream
        return
    with open_bytes(path, told) as stream:
        while data := stream.read(BLOCK):
            yield decoder.feed(data)
    yield decoder.flush()


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
    jobs: int = typer.Option(0, "--jobs", "-j", min=0, help="Files decoded at once; as many as cores by default."),
    as_json: bool = typer.Option(False, "--json", help="Summary as one JSON object on stdout."),
) -> None:
    """Decode sensor logs to columns, every line accounted for."""
    files = paths_of(paths)
    sink, total, rows = Sink(out, form), Ledger(), []
    settings = options_of(options, option)
    once = _once(deduplicate_s)
    kinds = [input_format or sniffed(path) for path in files]
    if AIVDM in kinds:
        _warm_up()
    begun = time.perf_counter()
    kept = {"keep_bad_checksum": True} if keep_bad_checksum else {}
    with output.byte_progress(quiet=as_json) as bar:
        sizes = [0 if path == "-" else Path(path).stat().st_size for path in files]
        task = bar.add_task("decode", total=sum(sizes) or None)

        def told(size: int) -> None:
            bar.advance(task, size)

        sources = (
            blocks(path, kind, settings | (kept if kind in (AIVDM, "ttm") else {}), told)
            for path, kind in zip(files, kinds, strict=True)
        )
        try:
            for path, kind, source in zip(files, kinds, in_order(sources, jobs or os.cpu_count() or 1), strict=True):
                bar.update(task, description=path if len(path) < 40 else "..." + path[-37:])
                ledger = Ledger()
                for decoded in source:
                    ledger.add(decoded.ledger)
                    sink.write(once(decoded))
                total.add(ledger)
                rows.append({"path": path, "format": kind, "ledger": ledger.as_dict()})
        finally:
            sink.close()  # what came before an error is kept
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


def _warm_up() -> None:
    """Load the decoder's kernels; the first time after an installation they are compiled."""
    from kuroshio.sensing import ais

    begun = time.perf_counter()
    compiled: list[bool] = []

    def told() -> None:
        compiled.append(True)
        output.say("compiling the decoder, once after an installation ...")

    ais.warm_up(told)
    if compiled:
        output.say(f"compiled in {time.perf_counter() - begun:.1f} s")


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
