"""`kuroshio alert`: the queue of a running node, asked and judged; evidence packs made, verified and reproduced."""

from __future__ import annotations

import re
import urllib.parse
import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kuroshio.behaviour import load_definitions, load_norms, load_zones
from kuroshio.behaviour.pack import alert_rows, make_pack, raised_of, verify_pack
from kuroshio.behaviour.pack import reproduce as reproduce_pack
from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, fetch, token_of
from kuroshio.cli.detect import read_files
from kuroshio.cli.parquet import read_parquet
from kuroshio.errors import InputError, NotFound

PACK_TIMEOUT_S = 120.0  # a pack is made of the archive, and the alert again of it
app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def pack(
    alerts: Annotated[Path, typer.Argument(help="alerts.parquet of `kuroshio detect`.")],
    alert_id: Annotated[str, typer.Argument(help="Which alert.")],
    rows: Annotated[list[Path], typer.Option("--rows", help="Files it was detected in.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")] = Path("alert.evidence"),
    definitions: Annotated[list[Path] | None, typer.Option("--definitions", help="Your definition files.")] = None,
    zones: Annotated[list[Path] | None, typer.Option("--zones", help="Layer files or folders.")] = None,
    norms: Annotated[Path | None, typer.Option("--norms", help="Folder that `kuroshio norms build` wrote.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Write the evidence pack of one alert."""
    every = {a["alert_id"]: a for a in alert_rows(read_parquet(alerts))}
    if alert_id not in every:
        raise NotFound(f"{alerts}: no alert {alert_id!r}", code="behaviour.no_alert")
    chosen = every[alert_id]
    bases = [every[name] for name in raised_of(chosen) if name in every]
    data = read_files(rows)
    areas = load_zones(*zones) if zones else None
    usual = load_norms(norms) if norms is not None else None
    known = load_definitions([*definitions] if definitions else None)
    try:
        digest = make_pack(out, chosen, data, known, zones=areas, norms=usual, bases=bases)
    except OSError as err:
        raise InputError(f"{out}: cannot be written: {err}", code="input.write") from err
    if as_json:
        output.emit_json({"alert_id": alert_id, "pack": str(out), "sha256": digest})
    else:
        output.say(f"{out}: alert {alert_id}, manifest {digest}")


@app.command()
def reproduce(
    path: Annotated[Path, typer.Argument(help="Evidence pack.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the alert as one JSON object on stdout.")] = False,
) -> None:
    """Make the alert again from its pack, byte for byte, or say why it does not come out."""
    alert = reproduce_pack(path)
    if as_json:
        output.emit_json({"reproduced": True, "alert": alert})
    else:
        output.say(f"{path}: alert {alert['alert_id']} comes out the same: {alert['summary']}")


@app.command()
def verify(path: Annotated[Path, typer.Argument(help="Evidence pack.")]) -> None:
    """Check the digests of a pack."""
    parts = verify_pack(path)
    output.say(f"{path}: {len(parts)} parts, all digests hold")


KnownAt = Annotated[str | None, typer.Option("--known-at", help="As the node knew it at this time (RFC 3339).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Verdict = Literal["true", "false", "duplicate", "silenced", "acknowledged", "assigned"]


def _query(path: str, **given: str | None) -> str:
    said = {k: v for k, v in given.items() if v is not None}
    return f"{path}?{urllib.parse.urlencode(said)}" if said else path


def _alert_path(alert_id: str) -> str:
    return f"alerts/{urllib.parse.quote(alert_id, safe='')}"


@app.command("list")
def list_alerts(
    known_at: KnownAt = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only alerts that go on.")] = False,
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """The alert queue of a running node, newest first, as it stands or as it stood."""
    path = _query("alerts", known_at=known_at, open="true" if open_only else None)
    rows = ask(url, path, token_of(token_file))
    if as_json:
        output.emit_json({"alerts": rows})
        return
    last = [(r["verdicts"][-1]["verdict"] if r["verdicts"] else "") for r in rows]
    cells = [
        [r["alert_id"], r["severity"], r.get("grade", ""), r["start_at"], r["end_at"] or "", word, r["summary"]]
        for r, word in zip(rows, last, strict=True)
    ]
    title = f"{len(rows)} alerts" + (f" as known at {known_at}" if known_at else "")
    output.print_table(title, ["alert", "severity", "grade", "began", "ended", "verdict", "summary"], cells)


@app.command()
def show(
    target: Annotated[str, typer.Argument(help="Alert of a running node, or an evidence pack.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the map of a pack.")] = Path("alert.svg"),
    known_at: KnownAt = None,
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one alert of a running node with its changes and verdicts; of a pack, write the map as SVG."""
    if Path(target).is_file():
        _write_map(Path(target), out)
        return
    row = ask(url, _query(_alert_path(target), known_at=known_at), token_of(token_file))
    if as_json:
        output.emit_json(row)
        return
    output.say(f"{row['alert_id']} {row['severity']} {row['definition']} {row['version']}: {row['summary']}")
    cells = [[c["known_at"], c["change"], c["grade"] or "", c["end_at"] or "", c["summary"]] for c in row["changes"]]
    output.print_table("what the node knew", ["known", "change", "grade", "ended", "summary"], cells)
    said = [[v["at"], v["verdict"], v["by"], v["until"] or "", v["note"]] for v in row["verdicts"]]
    output.print_table("verdicts", ["at", "verdict", "by", "until", "note"], said)


@app.command()
def evidence(
    alert_id: Annotated[str, typer.Argument(help="Alert of a running node.")],
    known_at: KnownAt = None,
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """What an alert of a running node rests on: each threshold, what was measured against it, and by how much."""
    row = ask(url, _query(_alert_path(alert_id), known_at=known_at), token_of(token_file))
    rests: dict[str, Any] = row["evidence"]
    if as_json:
        output.emit_json({"alert_id": row["alert_id"], "known_at": row["known_at"], "evidence": rests})
        return
    output.say(f"{row['summary']}\n{rests.get('definition', {}).get('sentence', '')}")
    cells = [
        [t["name"], t["value"], t.get("unit", ""), t.get("measured", ""), t.get("margin", ""), t.get("source", "")]
        for t in rests.get("thresholds", [])
    ]
    output.print_table("thresholds", ["name", "value", "unit", "measured", "margin", "source"], cells)
    places = [[p["label"], p["at"], p["lat_deg"], p["lon_deg"]] for p in rests.get("geometry", [])]
    output.print_table("places", ["what", "when", "lat", "lon"], places)
    for text in rests.get("alternatives", []):
        output.say(f"it may also be: {text}")


@app.command()
def export(
    alert_id: Annotated[str, typer.Argument(help="Alert of a running node.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; by default ID.evidence.")] = None,
    known_at: KnownAt = None,
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the evidence pack of an alert of a running node, made of its stored rows, for `reproduce` offline."""
    path = _query(f"{_alert_path(alert_id)}/pack", known_at=known_at)
    data = fetch(url, path, token_of(token_file), timeout_s=PACK_TIMEOUT_S)
    file = out if out is not None else Path(re.sub(r"[^A-Za-z0-9_-]", "_", alert_id) + ".evidence")
    try:
        file.write_bytes(data)
    except OSError as err:
        raise InputError(f"{file}: cannot be written: {err}", code="input.write") from err
    parts = verify_pack(file)
    if as_json:
        output.emit_json({"alert_id": alert_id, "pack": str(file), "parts": sorted(parts), "bytes": len(data)})
    else:
        output.say(f"{file}: alert {alert_id}, {len(parts)} parts, all digests hold")


@app.command()
def judge(
    alert_id: Annotated[str, typer.Argument(help="Alert of a running node.")],
    verdict: Annotated[Verdict, typer.Argument(help="What the watch says of it.")],
    until: Annotated[str | None, typer.Option("--until", help="For silenced: RFC 3339.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    url: Url = HERE,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say of an alert of a running node that it is true, false, a duplicate, or silenced until a time."""
    body = {"verdict": verdict, "note": note, "until": until}
    done = ask(url, f"{_alert_path(alert_id)}/verdict", token_of(token_file), body)
    if as_json:
        output.emit_json(done)
    else:
        output.say(f"{done['alert_id']}: {done['verdict']} by {done['by']}")


@app.command()
def rules(known_at: KnownAt = None, url: Url = HERE, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """How often the alerts of each definition and each rule were judged true, false or duplicate on a running node."""
    rows = ask(url, _query("alerts/rules", known_at=known_at), token_of(token_file))
    if as_json:
        output.emit_json({"rules": rows})
        return
    shown = [["" if r["precision"] is None else f"{r['precision']:.0%}"] for r in rows]
    names = ("definition", "alerts", "void", "true", "false", "duplicate")
    cells = [[r[n] for n in names] + p for r, p in zip(rows, shown, strict=True)]
    output.print_table("verdicts by definition and rule", [*names, "precision"], cells)


def _write_map(path: Path, out: Path) -> None:
    try:
        out.write_bytes(verify_pack(path)["map.svg"])
    except KeyError as err:
        raise InputError(f"{path}: has no map", code="behaviour.pack") from err
    except (OSError, zipfile.BadZipFile) as err:
        raise InputError(f"{out}: cannot be written: {err}", code="input.write") from err
    output.say(f"{out} written")
