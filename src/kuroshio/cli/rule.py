"""`kuroshio rule`: check a watch's rules, see what they would have raised, and work with those of a running node."""

from __future__ import annotations

import urllib.parse
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from kuroshio.behaviour import detect, load_definitions, load_zones
from kuroshio.behaviour.rehearsal import Rules
from kuroshio.behaviour.rule_pack import types_of
from kuroshio.behaviour.rules import load_rules
from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, token_of
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
    runs = rules.dry_run(alerts, types_of(rows))
    if as_json:
        output.emit_json({"alerts": alerts.num_rows, "rules": [asdict(run) for run in runs]})
        return
    header = ["rule", "would raise", "over budget", "days", "busiest day"]
    body = [[r.rule, r.raised, r.over_budget, len(r.by_day), max(r.by_day.values(), default=0)] for r in runs]
    output.print_table(f"Dry run over {rows.num_rows:,} rows, {alerts.num_rows} alerts", header, body)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Id = Annotated[str, typer.Argument(help="Rule of a running node.")]


def _of(rule_id: str, rest: str = "") -> str:
    return f"rules/{urllib.parse.quote(rule_id, safe='')}{rest}"


def _show(done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.emit_json(done)
    else:
        output.say(f"{done['id']} {done['version']}: {done['state']}. {done['sentence']}")


@app.command("list")
def list_rules(url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Rules of a running node: how each stands, and what it raised, kept back and would have raised in shadow."""
    rows = ask(url, "rules", token_of(token_file))
    if as_json:
        output.emit_json({"rules": rows})
        return
    names = ("id", "version", "state", "raised", "joined", "over_budget", "silenced", "shadow")
    cells = [[*(row[n] for n in names), row["silent_until"] or "", row["sentence"]] for row in rows]
    output.print_table("rules of the watch", [*names, "silent until", "asks"], cells)


@app.command()
def propose(
    path: Annotated[Path, typer.Argument(help="Rules (YAML).")],
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Hand rules of a file to a running node; they raise nothing before their dry run and activation."""
    load_rules(path)
    raw: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    done = [ask(url, "rules", token_of(token_file), {"rule": _plain(rule)}) for rule in raw["rules"]]
    if as_json:
        output.emit_json({"rules": done})
        return
    for one in done:
        _show(one, False)


def _plain(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of YAML as JSON: a time there may be a time."""
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in rule.items()}


@app.command()
def rehearse(
    rule_id: Id,
    days: Annotated[int, typer.Option("--days", help="How far back.")] = 30,
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Dry-run a rule on what a running node knew in the last days; it must be, before it is switched on."""
    done = ask(url, _of(rule_id, "/dry-run"), token_of(token_file), {"days": days})
    if as_json:
        output.emit_json(done)
        return
    output.say(
        f"{rule_id}: of {done['looked_at']} alerts it would have raised {done['raised']}, on its busiest day"
        f" {max(done['by_day'].values(), default=0)}; {done['over_budget']} over budget, {done['silenced']} silenced"
    )
    for text in done["examples"]:
        output.say(f"  {text}")


def _switch(rule_id: str, state: str, url: str, token_file: Path | None, as_json: bool) -> None:
    _show(ask(url, _of(rule_id, "/state"), token_of(token_file), {"state": state}), as_json)


@app.command()
def activate(rule_id: Id, url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Let a rule of a running node raise alerts from now on."""
    _switch(rule_id, "active", url, token_file, as_json)


@app.command()
def shadow(rule_id: Id, url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Let a rule of a running node count only."""
    _switch(rule_id, "shadow", url, token_file, as_json)


@app.command()
def withdraw(rule_id: Id, url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Switch a rule of a running node off; alerts it raised are followed to their end."""
    _switch(rule_id, "withdrawn", url, token_file, as_json)


@app.command()
def silence(
    rule_id: Id,
    until: Annotated[str, typer.Option("--until", help="RFC 3339; a past time lifts the silence.")],
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a rule of a running node raise nothing of behaviour that begins before a time."""
    _show(ask(url, _of(rule_id, "/silence"), token_of(token_file), {"until": until}), as_json)


@app.command()
def hits(rule_id: Id, url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Alerts that a rule of a running node met, the newest first, and what became of each."""
    rows = ask(url, _of(rule_id, "/hits"), token_of(token_file))
    if as_json:
        output.emit_json({"hits": rows})
        return
    cells = [[r["known_at"], r["start_at"], r["outcome"], "shadow" if r["shadow"] else "", r["summary"]] for r in rows]
    output.print_table(f"alerts that {rule_id} met", ["known", "began", "outcome", "", "summary"], cells)
