"""`kuroshio alert`: evidence packs made, verified and reproduced offline."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from kuroshio.behaviour import load_definitions, load_norms, load_zones
from kuroshio.behaviour.pack import alert_rows, make_pack, verify_pack
from kuroshio.behaviour.pack import reproduce as reproduce_pack
from kuroshio.cli import output
from kuroshio.cli.detect import read_files
from kuroshio.errors import InputError, NotFound

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
    try:
        table = pq.read_table(alerts)
    except (OSError, pa.ArrowInvalid) as err:
        raise InputError(f"{alerts}: cannot be read: {err}", code="input.format") from err
    chosen = next((a for a in alert_rows(table) if a["alert_id"] == alert_id), None)
    if chosen is None:
        raise NotFound(f"{alerts}: no alert {alert_id!r}", code="behaviour.no_alert")
    data = read_files(rows)
    areas = load_zones(*zones) if zones else None
    usual = load_norms(norms) if norms is not None else None
    known = load_definitions([*definitions] if definitions else None)
    digest = make_pack(out, chosen, data, known, zones=areas, norms=usual)
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


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="Evidence pack.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the map.")] = Path("alert.svg"),
) -> None:
    """Write the map of a pack as SVG."""
    try:
        out.write_bytes(verify_pack(path)["map.svg"])
    except (OSError, zipfile.BadZipFile) as err:
        raise InputError(f"{out}: cannot be written: {err}", code="input.write") from err
    output.say(f"{out} written")
