"""`kuroshio track`: observations or decoded positions in, tracks out."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from kuroshio.cli import output
from kuroshio.errors import ConfigError, InputError

if TYPE_CHECKING:
    from kuroshio.picture import SensorModel

app = typer.Typer(add_completion=False)
BATCH_ROWS = 50_000


def _load_sensors(path: Path | None) -> list[SensorModel]:
    """Sensor models from a JSON list of objects with the fields of `SensorModel`."""
    from kuroshio.picture import SensorModel

    if path is None:
        return []
    try:
        rows = jsonlib.loads(path.read_text())
        return [SensorModel(**row) for row in rows]
    except (OSError, ValueError, TypeError) as err:
        raise ConfigError(f"sensors file {path}: {err}", advice="Give a JSON list of sensor objects.") from err


def _read(path: Path) -> tuple[pa.Table | None, pa.Table | None]:
    """(observations, statics) of a Parquet file, whichever it holds."""
    if not path.is_file():
        raise InputError(f"no such file: {path}", code="input.missing")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as err:
        raise InputError(f"not a Parquet file: {path}: {err}", code="input.parquet") from err
    names = set(table.column_names)
    if "cov_ee_m2" in names and "obs_id" in names:
        return table, None
    if "lat_raw" in names or {"msg_type", "lat_deg"} <= names:
        from kuroshio.schema import POSITIONS
        from kuroshio.sensing import Decoded, observe

        return observe(Decoded({POSITIONS.name: POSITIONS.conform(table)})), None
    if "call_sign" in names and "msg_type" in names:
        return None, table
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
    json: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Fuse observations into tracks: one row an update in tracks.parquet."""
    from kuroshio.picture import Tracker
    from kuroshio.picture.archive import track_updates
    from kuroshio.schema import STATICS, concat

    tables, statics = [], []
    for path in observations:
        seen, static = _read(path)
        if seen is not None:
            tables.append(seen)
        if static is not None:
            statics.append(STATICS.conform(static))
    total = sum(t.num_rows for t in tables)
    tracker = Tracker(sensors=_load_sensors(sensors))
    out.mkdir(parents=True, exist_ok=True)
    files = _Files(out)
    try:
        with output.progress(quiet=json) as bar:
            task = bar.add_task("track", total=total)
            known = concat(STATICS, statics) if statics else None
            for update, read in track_updates(_sorted_batches(tables), tracker, known):
                files.write("tracks", update.tracks)
                files.write("links", update.links)
                files.write("events", update.events)
                bar.update(task, completed=read)
    finally:
        files.close()
    summary: dict[str, Any] = {
        "observations": total,
        "rows": files.rows,
        "tracks": int(tracker.table.ctl[1]) - 1,
        "counters": dict(sorted(tracker.totals.items())),
        "files": {name: str(out / f"{name}.parquet") for name in files.rows},
    }
    if json:
        output.emit_json(summary)
    else:
        output.print_table("Tracks", ["what", "count"], [[k, v] for k, v in summary["counters"].items()])


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
