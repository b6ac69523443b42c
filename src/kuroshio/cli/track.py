"""`kuroshio track`: observations or decoded positions in, tracks out."""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from kuroshio.cli import output
from kuroshio.cli.parquet import read_parquet
from kuroshio.errors import ConfigError, InputError, StoreError
from kuroshio.schema import COVERAGE_CELLS

if TYPE_CHECKING:
    from kuroshio.picture import SensorModel, Tracker
    from kuroshio.picture.archive import Action

app = typer.Typer(add_completion=False)
BATCH_ROWS = 50_000


def _load_sensors(path: Path | None) -> list[SensorModel]:
    """Sensor models from a JSON list of objects with the fields of `SensorModel`."""
    from kuroshio.picture import SensorModel

    if path is None:
        return []
    try:
        models = [SensorModel(**row) for row in _json_list(path)]
    except (OSError, ValueError, TypeError) as err:
        raise ConfigError(f"sensors file {path}: {err}", advice="Give a JSON list of sensor objects.") from err
    twice = [name for name, count in Counter(m.source for m in models).items() if count > 1]
    if twice:
        raise ConfigError(f"sensors file {path}: {', '.join(twice)} is there twice")
    return models


def _json_list(path: Path) -> list[Any]:
    rows = jsonlib.loads(path.read_text())
    if not isinstance(rows, list):
        raise TypeError(f"{type(rows).__name__} is no list")
    return rows


def _read(path: Path) -> tuple[pa.Table | None, pa.Table | None, int]:
    """(observations, statics) of a Parquet file, whichever it holds, and the positions that are no observation."""
    table = read_parquet(path)
    names = set(table.column_names)
    if "cov_ee_m2" in names:  # places as they were decoded do not say how wrong they are
        if "obs_id" not in names or table["obs_id"].null_count:
            raise InputError(f"{path}: obs_id tells observations apart, and is missing", code="input.obs_id")
        return table, None, 0
    if {"mmsi", "observed_at", "lat_deg", "lon_deg"} <= names:
        from kuroshio.schema import POSITIONS
        from kuroshio.sensing import Decoded, observe

        if "msg_type" not in names:  # a table of places that was no AIS message as it came
            table = table.append_column("msg_type", pa.nulls(table.num_rows, pa.uint8()))
        seen = observe(Decoded({POSITIONS.name: POSITIONS.conform(table)}))
        return seen, None, table.num_rows - seen.num_rows
    if "call_sign" in names and "msg_type" in names:
        return None, table, 0
    raise InputError(f"{path} holds neither observations, positions nor statics: {', '.join(sorted(names))}")


def _sorted_batches(tables: list[pa.Table]) -> Iterator[pa.Table]:
    from kuroshio.picture.archive import in_chunks
    from kuroshio.schema import OBSERVATIONS, concat

    yield from in_chunks(concat(OBSERVATIONS, [OBSERVATIONS.conform(t) for t in tables]), BATCH_ROWS)


@app.command()
def track(
    observations: list[Path] = typer.Argument(help="Parquet of observations, decoded positions or statics."),
    out: Path = typer.Option(..., "-o", "--out", help="Folder for tracks.parquet, links.parquet, events.parquet."),
    sensors: Path | None = typer.Option(None, help="JSON list of sensors: source, kind, lat_deg, lon_deg ..."),
    registry: list[Path] = typer.Option([], help="Register of ships (CSV or Parquet); may be given again."),
    land: Path | None = typer.Option(None, help="GeoJSON with zones of kind land: no radar sees a ship there."),
    coarse_land: bool = typer.Option(True, help="Without land of your own, use the coarse coastline of the page."),
    operations: Path | None = typer.Option(None, help="JSON list of actions: see `kuroshio operate --archive`."),
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Fuse observations into tracks: one row an update in tracks.parquet."""
    from kuroshio.geo.zones import load_zones
    from kuroshio.node.assemble import land_of
    from kuroshio.picture import Tracker, load_registries
    from kuroshio.picture.archive import track_updates
    from kuroshio.schema import STATICS, concat

    tables, statics, unused = [], [], 0
    for path in observations:
        seen, static, lost = _read(path)
        unused += lost
        if seen is not None:
            tables.append(seen)
        if static is not None:
            statics.append(STATICS.conform(static))
    total = sum(t.num_rows for t in tables)
    tracker = Tracker(
        sensors=_load_sensors(sensors),
        registry=load_registries(registry),
        land=land_of(None if land is None else load_zones(land), coarse=coarse_land),
    )
    actions = _load_actions(operations)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise StoreError(f"cannot write {out}: {err.strerror or err}") from err
    files = _Files(out)
    try:
        with output.progress(quiet=json) as bar:
            task = bar.add_task("track", total=total)
            known = concat(STATICS, statics) if statics else None
            for update, read in track_updates(_sorted_batches(tables), tracker, known, actions):
                files.write("tracks", update.tracks)
                files.write("links", update.links)
                files.write("events", update.events)
                bar.update(task, completed=read)
    finally:
        files.close()
    (out / "operations.json").write_text(jsonlib.dumps(tracker.desk.records, indent=1) + "\n")
    _write_coverage(out, tracker)
    summary: dict[str, Any] = {
        "observations": total,
        "rows": files.rows,
        "tracks": int(tracker.table.ctl[1]) - 1,
        "counters": dict(sorted({**tracker.totals, **({"positions_unused": unused} if unused else {})}.items())),
        "files": {name: str(out / f"{name}.parquet") for name in files.rows},
    }
    if json:
        output.emit_json(summary)
    else:
        output.print_table("Tracks", ["what", "count"], [[k, v] for k, v in summary["counters"].items()])


def _load_actions(path: Path | None) -> list[Action]:
    from kuroshio import clock
    from kuroshio.picture.archive import Action

    if path is None:
        return []
    try:
        rows = _json_list(path)
        return [Action(clock.parse_rfc3339(r["at"]), r["action"], r["arguments"], r["by"]) for r in rows]
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise ConfigError(f"operations file {path}: {err!r}", code="operate.archive") from err


def _write_coverage(out: Path, tracker: Tracker) -> None:
    """Cells of where sensors look, as Parquet (for sums) and GeoJSON (for a map)."""
    cells = tracker.coverage.cells(tracker.clock_us or 0, tracker.config.ais_alive_s)
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [cell["ring"]]},
         "properties": {k: v for k, v in cell.items() if k != "ring"}}
        for cell in cells
    ]  # fmt: skip
    (out / "coverage.geojson").write_text(jsonlib.dumps({"type": "FeatureCollection", "features": features}))
    rows = [{k: v for k, v in cell.items() if k != "ring"} for cell in cells]
    pq.write_table(pa.Table.from_pylist(rows, schema=COVERAGE_CELLS.arrow), out / "coverage.parquet")


class _Files:
    """Parquet files written batch by batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def write(self, name: str, table: pa.Table) -> None:
        """Append rows."""
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self.folder / f"{name}.parquet", table.schema, compression="zstd")
            self.rows[name] = 0
        self._writers[name].write_table(table)
        self.rows[name] += table.num_rows

    def close(self) -> None:
        """End all files."""
        for writer in self._writers.values():
            writer.close()
