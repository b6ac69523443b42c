"""How every command speaks: results to stdout, all else to stderr, one JSON object under ``--json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table as RichTable

from kuroshio.errors import KuroshioError

stderr = Console(stderr=True)
stdout = Console()


def emit_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print one JSON value on stdout: times are RFC 3339, absent is null."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Tell the person something on stderr."""
    stderr.print(text)


def fail(error: KuroshioError) -> NoReturn:
    """Print the error with its advice and end with its exit code."""
    stderr.print(f"[bold red]error[/] {error.message}", highlight=False)
    stderr.print(f"      {error.error_advice} [dim]({error.error_code})[/]", highlight=False)
    raise SystemExit(error.exit_code)


def progress(*, quiet: bool = False) -> Progress:
    """Progress bar on stderr; silent when not a terminal or when asked."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=quiet or not stderr.is_terminal,
    )


def byte_progress(*, quiet: bool = False) -> Progress:
    """Progress bar of bytes read, with their rate; silent as `progress` is."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        disable=quiet or not stderr.is_terminal,
    )


def print_table(title: str, header: list[str], rows: list[list[Any]]) -> None:
    """Print a table for a person on stdout; null shows as a dash."""
    table = RichTable(title=title, title_justify="left")
    for name in header:
        table.add_column(name)
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    stdout.print(table)
