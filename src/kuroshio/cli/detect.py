"""`kuroshio detect`: find behaviour in files of positions or tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import typer

from kuroshio import clock, schema
from kuroshio.behaviour import detect as detect_alerts
from kuroshio.behaviour import load_definitions, load_norms, load_zones, with_statics
from kuroshio.behaviour.rehearsal import Rules
from kuroshio.behaviour.rule_pack import types_of
from kuroshio.behaviour.rules import load_rules
from kuroshio.cli import output
from kuroshio.cli.parquet import read_parquet
from kuroshio.errors import InputError

app = typer.Typer(add_completion=False)

_ALIASES = {"lat": "lat_deg", "lon": "lon_deg", "sog": "sog_mps", "cog": "cog_deg", "timestamp": "observed_at"}
# fewer ships, or a smaller share of those heard, fall silent each on its own
MASS_SHIPS, MASS_SHARE, MASS_HOURS = 20, 0.25, 6
_KEEP = {
    *("mmsi", "observed_at", "lat_deg", "lon_deg", "sog_mps", "cog_deg", "heading_deg", "nav_status", "ship_type"),
    *("track_id", "status", "flags", "hits", "last_ais_at", "last_radar_at", "last_image_at", "exercise"),
    *("imo", "name", "call_sign", "sensors", "length_m", "to_bow_m", "to_stern_m"),
}


def read_rows(path: Path) -> pa.Table:
    """Positions or tracks of one Parquet, Arrow or CSV file, only the columns that behaviour reads.

    Raises
    ------
    InputError
        When the file is not there or is of another form.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}", code="input.missing")
    try:
        if path.suffix in (".parquet", ".pq"):
            table = read_parquet(path, {*_KEEP, *_ALIASES})
        elif path.suffix in (".arrow", ".ipc", ".feather"):
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
                table.validate(full=True)  # offsets that lie would be read as they stand, outside the file
        elif path.name.endswith((".csv", ".csv.gz")):
            table = pc_csv.read_csv(path)
        else:
            raise InputError(f"{path}: not .parquet, .arrow or .csv", code="input.format")
    except (pa.ArrowInvalid, OSError) as err:
        raise InputError(f"{path}: cannot be read: {err}", code="input.format") from err
    names = table.column_names  # a name of ours goes before one that is taken for it
    wanted = [i for i, n in enumerate(names) if n in _KEEP or _ALIASES.get(n, n) not in {*names} & _KEEP]
    table = table.select(wanted).rename_columns([_ALIASES.get(names[i], names[i]) for i in wanted])
    table = table.select([i for i, n in enumerate(table.column_names) if n in _KEEP])
    twice = [n for n, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: column {', '.join(twice)} is there twice", code="behaviour.columns")
    if "observed_at" in table.column_names:
        table = _utc(table, path)
    return table


def read_files(paths: Sequence[Path], done: Callable[[], None] = lambda: None) -> pa.Table:
    """Rows of all files as one table; what ships tell of themselves (STATICS) is put beside their positions.

    Raises
    ------
    InputError
        When a file is not there or of another form, or when none holds positions.
    """
    tables = []
    for path in paths:
        tables.append(read_rows(path))
        done()
    statics = [t for t in tables if "lat_deg" not in t.column_names and {"mmsi", "observed_at"} <= set(t.column_names)]
    rows = [t for t in tables if not any(t is other for other in statics)]
    if not rows:
        raise InputError("no file holds positions or tracks: column lat_deg is missing", code="behaviour.columns")
    try:
        whole = pa.concat_tables(rows, promote_options="permissive")
        if statics and {"mmsi", "observed_at"} <= set(whole.column_names):
            whole = with_statics(whole, pa.concat_tables(statics, promote_options="permissive"))
    except pa.ArrowException as err:
        raise InputError(f"the files do not go together: {err}", code="behaviour.columns") from err
    return whole


def _utc(table: pa.Table, path: Path) -> pa.Table:
    times = table["observed_at"]
    try:
        if pa.types.is_dictionary(times.type):
            times = times.cast(times.type.value_type)
        if pa.types.is_string(times.type) or pa.types.is_large_string(times.type):
            times = times.cast(pa.timestamp("us", tz="UTC"))
        elif pa.types.is_timestamp(times.type):
            zoned = times.type.tz is not None
            times = pc.floor_temporal(times, unit="microsecond") if times.type.unit == "ns" else times
            times = (
                times.cast(pa.timestamp("us", tz="UTC"))
                if zoned
                else times.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
            )
        elif pa.types.is_integer(times.type) or pa.types.is_floating(times.type):
            times = schema.as_type(times, pa.int64(), f"observed_at of {path}").cast(pa.timestamp("us", tz="UTC"))
        else:
            raise InputError(f"{path}: observed_at is {times.type}, not a time", code="input.time")
    except pa.ArrowException as err:
        raise InputError(f"{path}: observed_at is not a time: {err}", code="input.time") from err
    return table.set_column(table.column_names.index("observed_at"), "observed_at", times)


@app.command()
def detect(
    paths: Annotated[
        list[Path], typer.Argument(help="Positions or tracks, and statics beside them: Parquet, Arrow or CSV.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for alerts.parquet.")] = Path("alerts"),
    definitions: Annotated[
        list[Path] | None, typer.Option("--definitions", help="Your definition files or folders (TOML or YAML).")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only these definitions.")] = None,
    zones: Annotated[
        list[Path] | None, typer.Option("--zones", help="GeoJSON, GeoParquet or place (CSV) files or folders.")
    ] = None,
    norms: Annotated[Path | None, typer.Option("--norms", help="Folder that `kuroshio norms build` wrote.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="Rules (YAML), whose alerts are added.")] = None,
    known_at: Annotated[str | None, typer.Option("--known-at", help="Look from this time (RFC 3339).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON summary on stdout.")] = False,
) -> None:
    """Find behaviour in positions or tracks; writes alerts.parquet with the evidence of each alert."""
    wanted = load_definitions([*definitions] if definitions else None)
    if only:
        wanted = wanted.only(*only)
    areas = load_zones(*zones) if zones else None
    usual = load_norms(norms) if norms is not None else None
    now_us = clock.parse_rfc3339(known_at) if known_at else None
    with output.progress(quiet=as_json) as bar:
        task = bar.add_task("reading", total=len(paths) + 2)
        rows = read_files(paths, lambda: bar.advance(task))
        bar.update(task, description=f"detecting in {rows.num_rows:,} rows")
        left_out: Counter[str] = Counter()
        alerts = detect_alerts(rows, wanted, zones=areas, norms=usual, now_us=now_us, counts=left_out)
        if rules is not None:
            raised = Rules(load_rules(rules), wanted, areas).apply(alerts, types_of(rows))
            alerts = schema.concat(schema.ALERTS, [alerts, raised])
        bar.advance(task)
        target = out / "alerts.parquet"
        try:
            out.mkdir(parents=True, exist_ok=True)
            pq.write_table(alerts, target, compression="zstd")
        except OSError as err:
            raise InputError(f"{target}: cannot be written: {err}", code="input.write") from err
        bar.advance(task)
    summary = _summary(rows, alerts, target, wanted.digest, len(wanted.enabled))
    summary["rows_left_out"] = {why: n for why, n in sorted(left_out.items()) if n}
    if as_json:
        output.emit_json(summary)
        return
    counts: dict[str, int] = summary["alerts_by_definition"]
    output.print_table(
        f"{alerts.num_rows} alerts in {target}", ["definition", "alerts"], [[k, v] for k, v in counts.items()]
    )
    if summary["rows_left_out"]:
        why = ", ".join(f"{n:,} {word.replace('_', ' ')}" for word, n in summary["rows_left_out"].items())
        output.say(f"of {rows.num_rows:,} rows left out: {why}")
    for told in summary["mass_silences"]:
        output.say(
            f"{told['silent']} of {told['heard']} ships heard in the hour from {told['hour']} were not heard in the six"
            " after it: rather the receivers, or the end of the file, than the ships"
        )


def _summary(rows: pa.Table, alerts: pa.Table, target: Path, digest: str, definitions: int) -> dict[str, Any]:
    counts = Counter(alerts["definition"].to_pylist())
    return {
        "rows": rows.num_rows,
        "alerts": alerts.num_rows,
        "alerts_by_definition": dict(sorted(counts.items())),
        "alerts_open": alerts["end_at"].null_count,
        "mass_silences": mass_silences(rows),
        "definitions": definitions,
        "definitions_digest": digest,
        "output": str(target),
    }


def mass_silences(rows: pa.Table) -> list[dict[str, Any]]:
    """Hours of which so many ships are not heard again for six that the receivers are the likelier cause.

    Parameters
    ----------
    rows
        What was searched: ``mmsi`` and ``observed_at``. Hours with less than six after them are not judged.
    """
    if not {"mmsi", "observed_at"} <= set(rows.column_names):
        return []
    told = rows.select(["mmsi", "observed_at"]).drop_null()
    at = pc.divide(told["observed_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()), 3_600_000_000)
    heard = pa.table({"mmsi": told["mmsi"], "hour": at}).group_by(["mmsi", "hour"]).aggregate([])
    heard = heard.sort_by([("mmsi", "ascending"), ("hour", "ascending")])
    mmsi, hour = (heard[name].to_numpy() for name in ("mmsi", "hour"))
    if not len(hour):
        return []
    again = np.zeros(len(hour), np.bool_)
    again[:-1] = (mmsi[1:] == mmsi[:-1]) & (hour[1:] - hour[:-1] <= MASS_HOURS)
    found = []
    for one in np.unique(hour[~again & (hour + MASS_HOURS < hour.max())]).tolist():
        ships, silent = int((hour == one).sum()), int((~again & (hour == one)).sum())
        if silent >= max(MASS_SHIPS, MASS_SHARE * ships):
            found.append({"hour": clock.rfc3339(one * 3_600_000_000), "heard": ships, "silent": silent})
    return found
