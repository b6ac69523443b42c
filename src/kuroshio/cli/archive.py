"""`kuroshio archive`: what a node's archive holds, rows out of it, and days ordered or let go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.errors import InputError
from kuroshio.schema import TIED_TRACKS
from kuroshio.store import Archive

app = typer.Typer(add_completion=False, help="Show, export, order and let go of what a node's archive holds.")

Folder = Annotated[Path, typer.Argument(help="Data folder of a node, or the archive in it.")]
TableName = Annotated[str, typer.Option("--table", help="Table, such as observations, positions or tracks.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.callback()
def _group() -> None:
    """Show, export, order and let go of what a node's archive holds."""


@app.command()
def show(folder: Folder, as_json: Json = False) -> None:
    """Rows, days and bytes of each table, and what was let go by which rule; also beside a running node."""
    with _opened(folder, read_only=True) as archive:
        tables, gone = archive.holdings(), archive.expired()
    if as_json:
        output.emit_json({"folder": str(archive.folder), "tables": tables, "expired": gone})
        return
    cells = [[t["table"], t["rows"], t["days"], t["first_day"], t["last_day"], t["files"], t["bytes"]] for t in tables]
    output.print_table(f"archive {archive.folder}", ["table", "rows", "days", "first", "last", "files", "bytes"], cells)
    if gone:
        past = [[r["at"], r["table"], r["day"], r["rows"], r["rule"]] for r in gone[-20:]]
        output.print_table("let go, newest last", ["at", "table", "day", "rows", "rule"], past)


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="Parquet file to write.")],
    table: TableName = "positions",
    since: Annotated[str | None, typer.Option("--since", help="From this time on (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Before this time (RFC 3339).")] = None,
    box: Annotated[str | None, typer.Option("--box", help="west,south,east,north in degrees.")] = None,
    mmsi: Annotated[list[int] | None, typer.Option("--mmsi", help="Of this ship; may be given again.")] = None,
    as_json: Json = False,
) -> None:
    """Write rows of a table to one Parquet file, a day after another; also beside a running node.

    What partners told is not in `tracks`: it stays in the node, under the terms it came with.
    """
    first_us, over_us = (None if at is None else clock.parse_rfc3339(at) for at in (since, until))
    area = _box(box) if box is not None else None
    written = 0
    beside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    with _opened(folder, read_only=True) as archive, output.progress(quiet=as_json) as bar:
        if table == TIED_TRACKS.name:
            raise InputError("what partners told does not leave the node this way", code="store.tied")
        schema = archive.table(table).arrow
        days = archive.days_of(table, first_us, over_us)
        task = bar.add_task("exporting", total=len(days))
        try:
            with pq.ParquetWriter(beside, schema, compression="zstd") as writer:
                for day_first_us, day_over_us in days:
                    rows = archive.read(table, start_us=day_first_us, end_us=day_over_us, box=area, mmsi=mmsi)
                    written += _write(writer, rows)
                    bar.advance(task)
            beside.replace(out)
        except OSError as err:
            raise InputError(f"cannot write {out}: {err.strerror or err}", code="output.unwritable") from err
        finally:
            beside.unlink(missing_ok=True)
    summary = {"table": table, "rows": written, "days": len(days), "output": str(out)}
    if as_json:
        output.emit_json(summary)
    else:
        output.say(f"{written} rows of {len(days)} days in {out}")


@app.command()
def compact(folder: Folder, as_json: Json = False) -> None:
    """Put every day that is in parts into one ordered file; the node must be stopped."""
    with _opened(folder) as archive, output.progress(quiet=as_json) as bar:
        before = sum(t["bytes"] for t in archive.holdings())
        days = [(name, day) for name in archive.tables for day in archive.days(name)]
        task = bar.add_task("ordering", total=len(days))
        done = 0
        for name, day in days:
            done += archive.compact(name, day) > 0
            bar.advance(task)
        after = sum(t["bytes"] for t in archive.holdings())
    if as_json:
        output.emit_json({"days": done, "bytes_before": before, "bytes_after": after})
    else:
        output.say(f"{done} days ordered, {before} -> {after} bytes")


@app.command()
def expire(
    folder: Folder,
    before: Annotated[str, typer.Option("--before", help="Whole days that ended before this time (RFC 3339) go.")],
    rule: Annotated[str, typer.Option("--rule", help="By which rule; it is kept with the record.")],
    table: TableName = "observations",
    as_json: Json = False,
) -> None:
    """Let go of whole days of a table, with a record; the node must be stopped. A running node has `[archive]`."""
    before_us = clock.parse_rfc3339(before)
    with _opened(folder) as archive:
        gone = archive.expire(table, before_us=before_us, rule=rule, now_us=clock.now_us())
    if as_json:
        output.emit_json({"expired": gone})
    else:
        output.print_table(f"let go of {table}", ["day", "rows"], [[r["day"], r["rows"]] for r in gone])


@contextmanager
def _opened(folder: Path, *, read_only: bool = False) -> Iterator[Archive]:
    """The archive of a node's data folder, or the folder itself."""
    at = folder / "archive" if (folder / "archive").is_dir() else folder
    if not (at / "commit.json").is_file():
        raise InputError(f"{folder} holds no archive", code="store.no_archive", advice="Name a node's data folder.")
    with Archive(at, read_only=read_only) as archive:
        yield archive


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"box {text!r} is not west,south,east,north in degrees", code="store.box") from None
    return west, south, east, north


def _write(writer: pq.ParquetWriter, rows: pa.Table) -> int:
    if rows.num_rows:
        writer.write_table(rows.cast(writer.schema))
    return int(rows.num_rows)
