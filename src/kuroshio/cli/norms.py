"""`kuroshio norms`: learn from an archive how well AIS is heard, how ships go, and how many pass each gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kuroshio.behaviour import build_norms, gate_counts, gates, load_zones
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


@app.command("gates")
def count_gates(
    paths: Annotated[list[Path], typer.Argument(help="Positions or tracks, and statics for the types of ships.")],
    zones: Annotated[list[Path], typer.Option("--zones", help="Files with the gates: zones of kind gate.")],
    learn: Annotated[Path | None, typer.Option("--learn", help="Write what is usual into this folder.")] = None,
    norms: Annotated[Path | None, typer.Option("--norms", help="Hold each day against this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Ships through each gate by day and type, learned as a norm or held against one."""
    with output.progress(quiet=as_json) as bar:
        task = bar.add_task("reading", total=len(paths) + 1)
        rows = read_files(paths, lambda: bar.advance(task))
        counts = gate_counts(rows, load_zones(*zones))
        bar.advance(task)
    usual = gates.load(norms) if norms is not None else gates.learn(counts)
    written = str(gates.save(usual, learn)) if learn is not None else None
    held = gates.compare(counts, usual)
    if as_json:
        output.emit_json({"days": gates.days_of(counts), "counts": held, "norms": usual.to_pylist(), "output": written})
        return
    cells = [
        [r["day"], r["gate"], r["kind"], r["ships"], *(_short(r[n]) for n in ("norm_ships", "change", "p"))]
        for r in gates.busiest(held)
    ]
    title = f"ships through gates, {gates.days_of(counts)} days"
    output.print_table(title, ["day", "gate", "kind", "ships", "norm", "change", "probability"], cells)
    if written is not None:
        output.say(f"norms in {written}")


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
