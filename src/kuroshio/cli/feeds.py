"""`kuroshio feeds`: the health of a running node's sources, for a person or a monitoring program."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, token_of
from kuroshio.errors import LinkError

app = typer.Typer(add_completion=False)


@app.command()
def feeds(
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each source of a running node: state, rate and norm, rejects, clock. Exit code 1 when one is in alarm."""
    rows = read_feeds(url, token_of(token_file))
    alarms = [row["name"] for row in rows if row.get("alarm")]
    if as_json:
        output.emit_json({"feeds": rows, "alarms": alarms})
    else:
        header = ["source", "state", "last s", "/min", "norm", "rejects", "clock s", "what"]
        output.print_table("feeds", header, [cells(row) for row in rows])
    if alarms:
        output.say(f"in alarm: {', '.join(alarms)}")
        raise typer.Exit(1)


def read_feeds(url: str, token: str) -> list[dict[str, Any]]:
    """Rows of `GET /api/v1/feeds`.

    Raises
    ------
    KuroshioError
        As `asking.ask`; LinkError too when the answer is no list.
    """
    rows = ask(url, "feeds", token)
    if not isinstance(rows, list):
        raise LinkError(f"{url} is not a node", code="feeds.answer")
    return rows


def cells(row: dict[str, Any]) -> list[Any]:
    """One line of the table for a person."""
    figures = (row.get("age_s"), row.get("rate_per_min"), row.get("norm_per_min"))
    share, offset = row.get("reject_share"), row.get("clock_offset_s")
    limits = ", ".join(f"{name} {count}" for name, count in (row.get("limits") or {}).items())
    told = "; ".join(text for text in (row.get("detail"), limits) if text)
    return [
        escape(row["name"]),
        f"[bold]{row['state'].upper()}[/]" if row.get("alarm") else row["state"],
        *(None if figure is None else f"{figure:.0f}" for figure in figures),
        None if share is None else f"{100 * share:.1f} %",
        None if offset is None else f"{offset:+.1f}",
        escape(told),
    ]
