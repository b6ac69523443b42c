"""`kuroshio norms build`: learn from an archive how well AIS is heard and how ships go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuroshio.behaviour import build_norms
from kuroshio.cli import output
from kuroshio.cli.detect import read_files

app = typer.Typer(add_completion=False, help="What is usual: coverage and traffic learned from an archive.")


@app.callback()
def _group() -> None:
    """What is usual: coverage and traffic learned from an archive."""


@app.command()
def build(
    paths: Annotated[list[Path], typer.Argument(help="Positions or tracks: Parquet, Arrow or CSV; days or weeks.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the norms.")] = Path("norms"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON summary on stdout.")] = False,
) -> None:
    """Learn P(heard) by cell, class and hour, and histograms of speed and course; for `detect --norms` and the node."""
    with output.progress(quiet=as_json) as bar:
        task = bar.add_task("reading", total=len(paths) + 1)
        rows = read_files(paths, lambda: bar.advance(task))
        norms = build_norms(rows)
        norms.save(out)
        bar.advance(task)
    cells = {"coverage_rows": norms.coverage.num_rows, "traffic_rows": norms.traffic.num_rows}
    summary = {"rows": rows.num_rows, **cells, "digest": norms.digest, "output": str(out)}
    if as_json:
        output.emit_json(summary)
    else:
        output.print_table(f"norms in {out}", ["what", "value"], [[k, str(v)] for k, v in summary.items()])
