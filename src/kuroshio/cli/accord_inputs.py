"""What the accord commands read: books, items, pictures, dates; and the options they share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer

from kuroshio import accord, clock
from kuroshio.cli import output
from kuroshio.cli.parquet import read_parquet
from kuroshio.errors import ConfigError, InputError
from kuroshio.schema import ITEMS, TRACKS

BookOption = typer.Option(None, "--book", "-b", help="Agreement file or folder; repeat. Default: the sample book.")
JsonOption = typer.Option(False, "--json", help="One JSON object on stdout.")
FromOption = typer.Option(..., "--from", help="Party that would release (ISO 3166 alpha-3).")
AtOption = typer.Option(None, "--at", help="Legal date or time (RFC 3339); default now.")
KnownOption = typer.Option(None, "--known", help="As known at this date or time; default the legal one.")


ITEM_HELP = 'JSON attributes, or @FILE: {"kind": "information", "subject": "vessel", "originator": "PHL", "level": "R"}'


def load_book(paths: list[Path] | None) -> accord.Book:
    """Book of the paths, or the sample book."""
    if not paths:
        output.say("using the sample book: illustrative readings, not the text of any agreement")
        return accord.load(accord.sample_paths())
    return accord.load(paths)


def moment(text: str | None) -> int:
    """UTC microseconds of an option, or now."""
    return clock.now_us() if text is None else clock.parse_rfc3339(text)


def read_item(text: str) -> dict[str, Any]:
    """Attributes of one item from JSON text, or from a file named with @.

    Raises
    ------
    InputError
        When it is not a JSON object.
    """
    try:
        raw = Path(text[1:]).read_text("utf-8") if text.startswith("@") else text
        value = json.loads(raw)
    except (OSError, ValueError) as err:
        raise InputError(f"item is not readable as JSON: {err}", code="accord.item") from err
    if not isinstance(value, dict):
        raise InputError(f"item is {type(value).__name__}, not a JSON object", code="accord.item")
    return value


def read_items(path: Path, *, originator: str, level: str, purpose: str) -> pa.Table:
    """ITEMS of a Parquet file of items or of tracks.

    Raises
    ------
    InputError
        When the file is neither.
    """
    table = read_parquet(path)
    names = set(table.column_names)
    if {c.name for c in ITEMS.columns if c.required} <= names:
        return ITEMS.conform(table)
    if {c.name for c in TRACKS.columns if c.required} <= names:
        return accord.items_of_tracks(table, originator=originator, level=level, purpose=purpose)
    raise InputError(f"{path}: columns are neither of items nor of tracks", code="accord.picture")


def read_text(path: Path) -> str:
    """Text of a file named on the command line; raises `ConfigError` when it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read: {err}", code="accord.unreadable") from err
