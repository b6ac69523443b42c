"""The story of one track: what fed it, when it was believed, who it says it is, what people did to it.

What enters: the tables that `kuroshio track` writes, or the same from a node's archive. What leaves: lines in order
of time. It recomputes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kuroshio.errors import InputError, NotFound

FLAG_WORDS = {1: "dark", 2: "uncorroborated", 4: "conflict", 8: "drag"}


def _words(event: str, a: int, b: int) -> str:
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
        "operator": f"operator's action {a}",
    }
    return said.get(event, event)


def story_of(events: pa.Table, links: pa.Table, tracks: pa.Table, track_id: int) -> dict[str, Any]:
    """Story of a track from its tables.

    Returns
    -------
    dict
        ``events`` (time, event, text), ``observations`` by outcome with largest d2, ``first``, ``last``, ``claims``.

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
    lines = [
        {"observed_at": e["observed_at"].isoformat(), "event": e["event"], "text": _words(e["event"], e["a"], e["b"])}
        for e in mine.to_pylist()
    ]
    outcomes = {
        str(row["outcome"]): {"count": row["obs_id_count"], "largest_d2": row["d2_max"]}
        for row in fed.set_column(4, "outcome", fed["outcome"].cast(pa.string()))
        .group_by("outcome")
        .aggregate([("obs_id", "count"), ("d2", "max")])
        .to_pylist()
    }
    said = [name for name in ("mmsi", "name", "call_sign", "imo", "ship_type", "length_m") if rows.num_rows]
    claims = {name: [v for v in pc.unique(rows[name]).to_pylist() if v is not None] for name in said}
    return {
        "track_id": track_id,
        "events": lines,
        "observations": outcomes,
        "rows": rows.num_rows,
        "first": rows["observed_at"][0].as_py().isoformat() if rows.num_rows else None,
        "last": rows["observed_at"][-1].as_py().isoformat() if rows.num_rows else None,
        "claims": {name: values for name, values in claims.items() if values},
    }


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
    return story_of(tables[0], tables[1], tables[2], track_id)
