"""`kuroshio partners`: what each partner took from a running node and gave to it, for people and monitoring."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, token_of
from kuroshio.errors import LinkError

app = typer.Typer(add_completion=False)


@app.command()
def partners(
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each partner and direction of a running node. Exit code 1 when one is silent."""
    rows = ask(url, "partners", token_of(token_file))
    if not isinstance(rows, list):
        raise LinkError(f"{url} is not a node", code="partners.answer")
    alarms = [f"{row['party']} {row['direction']}" for row in rows if row.get("alarm")]
    if as_json:
        output.emit_json({"partners": rows, "alarms": alarms})
    else:
        figures = ["last accepted", "undelivered", "unconfirmed", "kB/s", "thinned", "clock s"]
        header = ["partner", "way", "state", *figures, "what"]
        output.print_table("partners", header, [cells(row) for row in rows])
    if alarms:
        output.say(f"in alarm: {', '.join(alarms)}")
        raise typer.Exit(1)


def cells(row: dict[str, Any]) -> list[Any]:
    """One line of the table for a person."""
    rate, offset = row.get("link_bytes_per_s"), row.get("clock_offset_s")
    return [
        escape(row["party"]),
        row["direction"],
        f"[bold]{row['state'].upper()}[/]" if row.get("alarm") else row["state"],
        row.get("last_at"),
        row.get("undelivered"),
        row.get("unconfirmed"),
        None if rate is None else f"{rate / 1000:.1f}",
        row.get("thinned"),
        None if offset is None else f"{offset:+.1f}",
        escape(row.get("detail") or ""),
    ]
