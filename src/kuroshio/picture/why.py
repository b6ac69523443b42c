"""The story of one track: what fed it, when it was believed, who it says it is, what people did to it.

What enters: the tables that `kuroshio track` writes, or the same from a node's archive. What leaves: lines in order
of time. It recomputes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio import clock
from kuroshio.errors import InputError, NotFound
from kuroshio.picture.model import TrackerConfig

FLAG_WORDS = {1: "dark", 2: "uncorroborated", 4: "conflict", 8: "drag"}
CLAIMS = ("mmsi", "name", "call_sign", "imo", "ship_type", "length_m")
REPORTS_MAX = 200  # newest reports told one by one
DEFAULTS = TrackerConfig()
GATES = {"keyed": DEFAULTS.keyed_gate_d2, "bind": DEFAULTS.bind_gate_d2, "plot": DEFAULTS.gate_d2}


def _words(event: str, a: int, b: int, operations: Mapping[int, Mapping[str, Any]]) -> str:
    flags = ", ".join(word for bit, word in FLAG_WORDS.items() if a & bit)
    said = {
        "born": f"begun by observation {a}" + (f", which claims MMSI {b}" if b else ""),
        "confirmed": f"confirmed after {a} observations",
        "bound": f"MMSI {a} bound" + (f" by observation {b}" if b else " in a merge"),
        "released": f"MMSI {a} released: it reports from elsewhere",
        "merged": f"took over track {a}",
        "ended": f"ended after {a} observations",
        "flag_set": f"flagged {flags}",
        "flag_cleared": f"no longer {flags}",
        "conflict": f"claims MMSI {b}, as track {a} does",
        "replayed": f"late observation {a} put in its place",
        "operator": _operation(a, operations.get(a)),
    }
    return said.get(event, event)


def _operation(number: int, record: Mapping[str, Any] | None) -> str:
    if record is None:
        return f"operator's action {number}"
    given = {k: v for k, v in record["arguments"].items() if k not in ("track_id", "track_ids")}
    told = ", ".join(f"{k} {v}" for k, v in given.items())
    undone = f"; undone by action {record['undone_by']}" if record["undone_by"] else ""
    return f"{record['by']}: {record['action']}{' ' + told if told else ''} (action {number}{undone})"


def story_of(
    events: pa.Table,
    links: pa.Table,
    tracks: pa.Table,
    track_id: int,
    *,
    observations: pa.Table | None = None,
    operations: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Story of a track from its tables.

    Parameters
    ----------
    observations
        OBSERVATIONS that may hold the reports, for their sources; None when they are not at hand.
    operations
        Records of the watch officers' actions, as `Desk` keeps them.

    Returns
    -------
    dict
        ``events`` (time, event, text), ``observations`` by outcome with largest d2, ``reports`` (the newest: time,
        outcome, d2, source), ``gates`` (limits of d2), ``identity`` (claims with from and to), ``seen``
        (sources with the last time each fed it, newest first), ``first``, ``last``.

    Raises
    ------
    NotFound
        When no table knows the track.
    """
    mine = events.filter(pc.equal(events["track_id"], track_id)).sort_by("observed_at")
    fed = links.filter(pc.equal(links["track_id"], track_id))
    rows = tracks.filter(pc.equal(tracks["track_id"], track_id)).sort_by("observed_at")
    if not mine.num_rows and not rows.num_rows:
        raise NotFound(f"no track {track_id} in these tables", code="picture.track")
    known = {int(record["operation"]): record for record in operations}
    lines = [
        {
            "observed_at": _stamp(e["observed_at"]),
            "event": e["event"],
            "text": _words(e["event"], e["a"], e["b"], known),
        }
        for e in mine.to_pylist()
    ]
    at = fed.schema.get_field_index("outcome")
    fed = fed.set_column(at, "outcome", fed["outcome"].cast(pa.string()))
    grouped = fed.group_by("outcome").aggregate([("obs_id", "count"), ("d2", "max")]).to_pylist()
    outcomes = {str(row["outcome"]): {"count": row["obs_id_count"], "largest_d2": row["d2_max"]} for row in grouped}
    identity = identity_history(rows)
    return {
        "track_id": track_id,
        "events": lines,
        "observations": outcomes,
        "reports": _reports(fed, observations),
        "gates": GATES,
        "rows": rows.num_rows,
        "first": _stamp(rows["observed_at"][0].as_py()) if rows.num_rows else None,
        "last": _stamp(rows["observed_at"][-1].as_py()) if rows.num_rows else None,
        "identity": identity,
        "seen": last_seen(rows),
        "claims": {name: list(dict.fromkeys(i["value"] for i in identity if i["claim"] == name)) for name in CLAIMS
                   if any(i["claim"] == name for i in identity)},
    }  # fmt: skip


def _reports(fed: pa.Table, observations: pa.Table | None) -> list[dict[str, Any]]:
    newest = fed.sort_by([("observed_at", "descending")]).slice(0, REPORTS_MAX)
    source: dict[int, tuple[Any, Any]] = {}
    if observations is not None and newest.num_rows:
        seen = observations.filter(pc.is_in(observations["obs_id"], value_set=newest["obs_id"].combine_chunks()))
        columns = (seen[name].to_pylist() for name in ("obs_id", "source", "sensor"))
        source = {obs_id: (name, kind) for obs_id, name, kind in zip(*columns, strict=True)}
    return [
        {
            "observed_at": _stamp(row["observed_at"]),
            "obs_id": str(row["obs_id"]),  # 63 bits: more than a number of JavaScript holds
            "outcome": row["outcome"],
            "d2": row["d2"],
            "source": source.get(row["obs_id"], (None, None))[0],
            "sensor": source.get(row["obs_id"], (None, None))[1],
        }
        for row in newest.to_pylist()
    ]


def last_seen(rows: pa.Table) -> list[dict[str, Any]]:
    """When each source last fed a track, as its newest row says it: newest first."""
    if not rows.num_rows:
        return []
    row = rows.select(["sources", "sources_last_at"]).slice(rows.num_rows - 1).to_pylist()[0]
    told = zip(row["sources"] or (), row["sources_last_at"] or (), strict=False)
    newest = sorted(((at, source) for source, at in told if at is not None), reverse=True)
    return [{"source": source, "last_at": _stamp(at)} for at, source in newest]


def identity_history(rows: pa.Table) -> list[dict[str, Any]]:
    """What a track claimed from when to when: ``claim``, ``value``, ``first_at``, ``last_at``, in order of time."""
    told = []
    for name in CLAIMS:
        said = rows.select([name, "observed_at"]).filter(pc.is_valid(rows[name]))
        if not said.num_rows:
            continue
        spans = said.group_by(name).aggregate([("observed_at", "min"), ("observed_at", "max")]).to_pylist()
        told += [
            {"claim": name, "value": s[name], "first_at": s["observed_at_min"], "last_at": s["observed_at_max"]}
            for s in spans
        ]
    told.sort(key=lambda s: (s["first_at"], s["claim"]))
    return [{**s, "first_at": _stamp(s["first_at"]), "last_at": _stamp(s["last_at"])} for s in told]


def _stamp(value: Any) -> str | None:
    return None if value is None else clock.rfc3339(round(value.timestamp() * 1e6))


def story(folder: Path, track_id: int) -> dict[str, Any]:
    """Story of a track from the folder that `kuroshio track` wrote.

    Raises
    ------
    InputError
        When a file is missing.
    NotFound
        When the track is in none of them.
    """
    tables = []
    for name in ("events", "links", "tracks"):
        path = Path(folder) / f"{name}.parquet"
        if not path.is_file():
            raise InputError(f"no such file: {path}", code="input.missing", advice="Run `kuroshio track` first.")
        tables.append(pq.read_table(path))
    told = Path(folder) / "operations.json"
    operations = json.loads(told.read_text()) if told.is_file() else []
    return story_of(tables[0], tables[1], tables[2], track_id, operations=operations)
