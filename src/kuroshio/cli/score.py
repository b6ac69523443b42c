"""`kuroshio score`: how good tracks are against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from kuroshio.cli import output
from kuroshio.cli.parquet import read_parquet
from kuroshio.errors import InputError, StoreError

app = typer.Typer(add_completion=False)


@app.command()
def score(
    tracks: Path = typer.Argument(help="TRACKS Parquet, as `kuroshio track` writes it."),
    truth: Path = typer.Argument(help="Truth Parquet, as `kuroshio sea` writes it: ship_id, observed_at, lat_deg ..."),
    cutoff_m: float = typer.Option(1000.0, min=1.0, max=1e6, help="GOSPA and OSPA cutoff in metres."),
    skip_s: float = typer.Option(60.0, min=0.0, help="Seconds at the start that are not scored."),
    every_s: float = typer.Option(10.0, min=0.0, help="Least time between scored instants."),
    out: Path | None = typer.Option(None, "-o", "--out", help="SVG map of truth, tracks, missed and false."),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Score tracks against the truth: GOSPA, OSPA, SIAP, ANEES, ellipse coverage, flags, and all by class of ship."""
    from kuroshio.testing import metrics, scoremap

    if out is not None and out.suffix != ".svg":
        raise InputError(f"the map is an SVG file, not {out.suffix or out.name!r}", advice="Name it FILE.svg.")
    shown, true = read_parquet(tracks), read_parquet(truth)
    pairs = metrics.match(shown, true, cutoff_m=cutoff_m, skip_s=skip_s, every_s=every_s)
    result = metrics.figures(pairs)
    if not result.as_dict()["times"]:
        said = "no instant of the truth can be scored: it is empty, or --skip-s leaves none of it"
        raise InputError(said, code="score.empty")
    if out is not None:
        try:
            out.write_text(scoremap.draw(pairs, result, tracks.stem), encoding="utf-8")
        except OSError as err:
            raise StoreError(f"cannot write {out}: {err.strerror or err}") from err
    linked = {} if out is None else {"map": out.resolve().as_uri()}
    if json:
        output.emit_json({**result.as_dict(), **linked})
    else:
        _print(result.as_dict())
        said = f"Map: {linked['map']}" if linked else "Map: none; -o FILE.svg draws truth, tracks, missed and false."
        output.stdout.print(said, markup=False, soft_wrap=True)


def _print(figures: dict[str, Any]) -> None:
    classes = figures.pop("classes")
    flat = [[k, _number(v)] for k, v in _flat(figures)]
    output.print_table("Score", ["figure", "value"], flat)
    if classes:
        names = ("states", "completeness", "position_error_m", "anees")
        rows = [
            [word, *(_number(v[n]) for n in names), *(_number(x) for x in v["ellipse"].values())]
            for word, v in classes.items()
        ]
        widest = max(classes.values(), key=lambda v: len(v["ellipse"]))["ellipse"]
        output.print_table("By class", ["class", *names, *(f"in {float(k):.0%}" for k in widest)], rows)


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for key, value in figures.items():
        rows += _flat(value, f"{prefix}{key} ") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value
