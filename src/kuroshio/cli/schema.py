"""`kuroshio schema`: the data dictionary, every column with its type, unit, meaning and source."""

from __future__ import annotations

from typing import Any

import typer

from kuroshio.cli import output
from kuroshio.errors import InputError
from kuroshio.schema import TABLES, Table

app = typer.Typer(add_completion=False)


def described(table: Table) -> dict[str, Any]:
    """JSON form of a table of the data dictionary."""
    return {
        "table": table.name,
        "doc": table.doc,
        "columns": [
            {
                "name": c.name, "type": str(c.type), "unit": c.unit, "required": c.required, "doc": c.doc,
                "source": c.source,
            }
            for c in table.columns
        ],
    }  # fmt: skip


@app.command()
def schema(
    table: str | None = typer.Argument(None, help="Name of a table; without it all are listed."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Print the data dictionary."""
    if table is not None and table not in TABLES:
        raise InputError(f"no table {table!r}; there are {', '.join(TABLES)}", code="schema.table")
    if as_json:
        output.emit_json(described(TABLES[table]) if table else {"tables": [described(t) for t in TABLES.values()]})
        return
    if table is None:
        output.print_table(
            "Tables", ["table", "columns", "what"], [[t.name, len(t.columns), t.doc] for t in TABLES.values()]
        )
        return
    rows = [[c.name, str(c.type), c.unit, "yes" if c.required else "", c.doc] for c in TABLES[table].columns]
    output.print_table(f"{table}: {TABLES[table].doc}", ["column", "type", "unit", "required", "meaning"], rows)
