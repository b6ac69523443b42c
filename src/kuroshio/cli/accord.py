"""`kuroshio accord`: check, print and ask agreement files.

Files come from ``--book`` (files or folders, repeated); without it the sample book is used and the command says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from kuroshio import accord, clock
from kuroshio.cli import output
from kuroshio.errors import ConfigError, InputError
from kuroshio.schema import ITEMS, TRACKS

app = typer.Typer(no_args_is_help=True, help="Check, print, ask and dry-run agreements.")

BookOption = typer.Option(None, "--book", "-b", help="Agreement file or folder; repeat. Default: the sample book.")
JsonOption = typer.Option(False, "--json", help="One JSON object on stdout.")
FromOption = typer.Option(..., "--from", help="Party that would release (ISO 3166 alpha-3).")
AtOption = typer.Option(None, "--at", help="Legal date or time (RFC 3339); default now.")
KnownOption = typer.Option(None, "--known", help="As known at this date or time; default the legal one.")


def load_book(paths: list[Path] | None) -> accord.Book:
    """Book of the paths, or the sample book."""
    if not paths:
        output.say("using the sample book: illustrative readings, not the text of any agreement")
        return accord.load(accord.sample_paths())
    return accord.load(paths)


def moment(text: str | None) -> int:
    """UTC microseconds of an option, or now."""
    return clock.now_us() if text is None else clock.parse_rfc3339(text)


@app.command()
def check(
    files: list[Path] = typer.Argument(None, help="Agreement files or folders; default the sample book."),
    as_json: bool = JsonOption,
) -> None:
    """Read files and show every fault with file, line, column and value; exit 5 when there is any."""
    paths = list(files) if files else accord.sample_paths()
    try:
        book = accord.load(paths)
    except accord.AccordFileError as err:
        if as_json:
            output.emit_json({"ok": False, "faults": [f.as_dict() for f in err.faults]})
            raise typer.Exit(err.exit_code) from err
        raise
    counts = {name: len(entries) for name, entries in book.entries.items()}
    if as_json:
        output.emit_json({"ok": True, "faults": [], "rules_digest": book.rules_digest, "counts": counts})
        return
    rows = [[a["id"], ", ".join(a["parties"]), a["binding"], a["state"], len(a["clauses"])] for a in book.accords()]
    output.print_table("accords", ["id", "parties", "binding", "state", "clauses"], rows)
    output.say(f"no faults; digest {book.rules_digest}")


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


ITEM_HELP = 'JSON attributes, or @FILE: {"kind": "information", "subject": "vessel", "originator": "PHL", "level": "R"}'


@app.command()
def why(
    item: str = typer.Option(..., "--item", "-i", help=ITEM_HELP),
    from_: str = FromOption,
    to: str = typer.Option(..., "--to", help="Party that would receive."),
    book: list[Path] = BookOption,
    at: str = AtOption,
    known: str = KnownOption,
    recipient: bool = typer.Option(False, "--recipient", help="Show what the recipient may be told instead."),
    as_json: bool = JsonOption,
) -> None:
    """Why one thing flows or not: each tie, caveat and basis with its clause, and what would change it."""
    valid_at_us = moment(at)
    found = accord.why(
        load_book(book),
        read_item(item),
        releaser=from_,
        to=to,
        valid_at_us=valid_at_us,
        known_at_us=moment(known) if known else None,
    )
    view = found["recipient" if recipient else "releaser"]
    if as_json:
        output.emit_json({"valid_at": clock.rfc3339(valid_at_us), **view})
        return
    if recipient:
        output.stdout.print(view["text"])
        output.stdout.print(f"in force: {', '.join(view['in_force']) or 'none'}")
        return
    output.stdout.print(f"{from_} -> {to}: {view['effect'].upper()}  ({view['cited']})", markup=False)
    steps = [[r["cite"], r["kind"], r["effect"], r["text"], r["role"]] for r in view["reasons"]]
    output.print_table("how it was decided", ["clause", "kind", "effect", "what it says", "role"], steps)
    for name, value in view["obligations"].items():
        output.stdout.print(f"  term: {name} = {value}", markup=False)
    for one in view["would_change"]:
        output.stdout.print(f"  would change: if {one['if']}", markup=False)


def read_items(path: Path, *, originator: str, level: str, purpose: str) -> pa.Table:
    """ITEMS of a Parquet file of items or of tracks.

    Raises
    ------
    InputError
        When the file is neither.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as err:
        raise InputError(f"{path}: not a readable Parquet file: {err}", code="accord.picture") from err
    names = set(table.column_names)
    if {c.name for c in ITEMS.columns if c.required} <= names:
        return ITEMS.conform(table)
    if {c.name for c in TRACKS.columns if c.required} <= names:
        return accord.items_of_tracks(table, originator=originator, level=level, purpose=purpose)
    raise InputError(f"{path}: columns are neither of items nor of tracks", code="accord.picture")


@app.command("dry-run")
def dry_run(
    picture: Path = typer.Argument(..., help="Stored picture: Parquet of ITEMS or TRACKS."),
    draft: Path = typer.Option(None, "--draft", "-d", help="Draft agreement file, taken as in force."),
    from_: str = FromOption,
    to: list[str] = typer.Option(None, "--to", help="Recipient; repeat. Default: all parties to an accord with it."),
    book: list[Path] = BookOption,
    at: str = AtOption,
    known: str = KnownOption,
    level: str = typer.Option("R", "--level", help="Level of tracks (ITEMS carry their own)."),
    purpose: str = typer.Option("maritime_safety", "--purpose", help="Purpose of tracks."),
    examples: int = typer.Option(3, "--examples", min=0, max=100, help="Examples of each change."),
    as_json: bool = JsonOption,
) -> None:
    """What would flow from a stored picture under a draft: counts by effect, party and clause, and the difference."""
    items = read_items(picture, originator=from_, level=level, purpose=purpose)
    if draft is not None and not draft.is_file():
        raise ConfigError(f"no such draft: {draft}", code="accord.no_file")
    found = accord.dry_run(
        load_book(book),
        draft.read_text("utf-8") if draft is not None else None,
        items,
        releaser=from_,
        to=to or None,
        valid_at_us=moment(at),
        known_at_us=moment(known) if known else None,
        examples=examples,
    )
    if as_json:
        output.emit_json(found)
        return
    _print_dry_run(found)


def _print_dry_run(found: dict[str, Any]) -> None:
    rows: list[list[Any]] = []
    for party, effects in found["today"]["party"].items():
        after = found.get("draft", {}).get("party", {}).get(party, {})
        rows.extend([party, effect, count, after.get(effect)] for effect, count in effects.items())
    output.print_table(f"{found['items']:,} items from {found['releaser']}", ["to", "effect", "today", "draft"], rows)
    side = found.get("draft", found["today"])
    clauses = [[p, clause, n] for p, named in side["clause"].items() for clause, n in named.items()]
    output.print_table("by clause", ["to", "clause", "items"], clauses)
    for party, moves in found.get("change", {}).get("effect", {}).items():
        for move, n in moves.items():
            output.stdout.print(f"{party}: {move}: {n:,}", markup=False)
