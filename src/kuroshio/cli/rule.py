"""`kuroshio rule`: check a watch's rules, and see what they would have raised before they are switched on."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from kuroshio.behaviour import detect, load_definitions, load_zones
from kuroshio.behaviour.rules import Rules, load_rules
from kuroshio.cli import output
from kuroshio.cli.detect import read_files

app = typer.Typer(add_completion=False, no_args_is_help=True)
_Definitions = Annotated[list[Path] | None, typer.Option("--definitions", help="Your definition files or folders.")]
_Zones = Annotated[list[Path] | None, typer.Option("--zones", help="GeoJSON files or folders.")]


def _rules(path: Path, definitions: list[Path] | None, zones: list[Path] | None) -> Rules:
    known = load_definitions([*definitions] if definitions else None)
    return Rules(load_rules(path), known, load_zones(*zones) if zones else None)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(help="Rules (YAML).")], definitions: _Definitions = None, zones: _Zones = None
) -> None:
    """Check that rules are well formed, bounded and name what is there."""
    rules = _rules(path, definitions, zones)
    output.say(f"{path}: {len(rules.rules)} rules, all bounded")


@app.command("dry-run")
def dry_run(
    path: Annotated[Path, typer.Argument(help="Rules (YAML).")],
    paths: Annotated[list[Path], typer.Argument(help="Positions or tracks: Parquet, Arrow or CSV.")],
    definitions: _Definitions = None,
    zones: _Zones = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Count what each rule would have raised over an archive, by day and behaviour."""
    rules = _rules(path, definitions, zones)
    rows = read_files(paths)
    known = load_definitions([*definitions] if definitions else None)
    alerts = detect(rows, known, zones=rules.zones)
    runs = rules.dry_run(alerts)
    if as_json:
        output.emit_json({"alerts": alerts.num_rows, "rules": [asdict(run) for run in runs]})
        return
    header = ["rule", "would raise", "over budget", "days", "busiest day"]
    body = [[r.rule, r.raised, r.over_budget, len(r.by_day), max(r.by_day.values(), default=0)] for r in runs]
    output.print_table(f"Dry run over {rows.num_rows:,} rows, {alerts.num_rows} alerts", header, body)
