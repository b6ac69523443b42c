"""`kuroshio score`: how good tracks are against the truth."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import typer

from kuroshio.cli import output
from kuroshio.errors import InputError

app = typer.Typer(add_completion=False)


@app.command()
def score(
    tracks: Path = typer.Argument(help="TRACKS Parquet, as `kuroshio track` writes it."),
    truth: Path = typer.Argument(help="Truth Parquet: ship_id, observed_at, lat_deg, lon_deg, mmsi."),
    cutoff_m: float = typer.Option(1000.0, help="GOSPA and OSPA cutoff in metres."),
    skip_s: float = typer.Option(60.0, help="Seconds at the start that are not scored."),
    every_s: float = typer.Option(10.0, help="Least time between scored instants."),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Score tracks against the truth: GOSPA, OSPA, SIAP, ANEES, ellipse coverage."""
    from kuroshio.testing import metrics

    for path in (tracks, truth):
        if not path.is_file():
            raise InputError(f"no such file: {path}", code="input.missing")
    result = metrics.score(
        pq.read_table(tracks), pq.read_table(truth), cutoff_m=cutoff_m, skip_s=skip_s, every_s=every_s
    ).as_dict()
    if json:
        output.emit_json(result)
        return
    output.print_table("Score", ["figure", "value"], [[k, v] for k, v in result.items()])
