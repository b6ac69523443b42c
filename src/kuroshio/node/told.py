"""What the node can tell of its picture beside the rows: who a track is said to be, its story, where sensors look.

What enters: a node's parts. What leaves: JSON-able dicts for the API. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock, picture
from kuroshio.errors import NotFound
from kuroshio.node.assemble import Parts
from kuroshio.node.deciding import time_or_none
from kuroshio.schema import EVENTS, FLAG_CONFLICT, FLAG_DRAG, LINKS, OBSERVATIONS
from kuroshio.units import US_PER_S

STORY_S = 7 * 86_400
SHOWN_REPORTS_US = 3_600 * US_PER_S  # the newest reports are looked up in the archive for this long back


def identity(row: Mapping[str, Any], past: pa.Table, said: list[dict[str, Any]], entries: list[Any]) -> dict[str, Any]:
    """``identity``, ``identity_history`` and ``contradictions`` of a target card.

    Parameters
    ----------
    row
        TRACKS row of now.
    past
        TRACKS rows of the track, for what it claimed before.
    said
        What each source says of its MMSI, as `ClaimBook.sources` gives it.
    entries
        Register entries of the ship.
    """
    odd = picture.contradictions(row, entries)
    flags = int(row["flags"] or 0)
    if flags & FLAG_CONFLICT:
        odd.append(_odd(row, "its MMSI reports from two places"))
    if flags & FLAG_DRAG:
        odd.append(_odd(row, "its AIS drifts away from where radar sees it"))
    history = picture.identity_history(past)
    spans = {(h["claim"], h["value"]): (h["first_at"], h["last_at"]) for h in history}
    said = [{"claim": "mmsi", "value": row["mmsi"], "source": row["partner"] or "AIS", "first_us": None,
             "last_us": None}, *said] if row["mmsi"] is not None else said  # fmt: skip
    if row["mmsi"] is not None:
        flag = {"claim": "flag", "value": picture.flag_of(row["mmsi"]), "source": "MMSI"}
        said.append({**flag, "first_us": None, "last_us": None})
    rows = []
    for claim in said:
        first, last = spans.get((claim["claim"], claim["value"]), (None, None))
        against = [
            o["text"] for o in odd if o["claim"] == claim["claim"] and claim["value"] in (o["value"], o["other"])
        ]
        rows.append(
            {
                "claim": claim["claim"],
                "value": claim["value"],
                "source": claim["source"],
                "first_at": time_or_none(claim["first_us"]) or first,
                "last_at": time_or_none(claim["last_us"]) or last,
                "conflict": "; ".join(against) or False,
                "probability": row["p_identity"] if claim["claim"] == "mmsi" else None,
                "evidence": row["identity_evidence"] if claim["claim"] == "mmsi" else None,
            }
        )
    return {"identity": rows, "identity_history": history, "contradictions": odd}


def attributed(values: list[dict[str, Any]], said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Values of a target card with the first source that says each of them, where one is known to."""
    source = {(claim["claim"], claim["value"]): claim["source"] for claim in reversed(said)}
    return [{**v, "source": source.get((v["name"], v["value"]), v["source"])} for v in values]


def _odd(row: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"claim": "mmsi", "value": row["mmsi"], "other": None, "source": "picture", "text": text}


def story(parts: Parts, operations: list[dict[str, Any]], track_id: int, now_us: int) -> dict[str, Any]:
    """Story of a track from the node's archive of the last week.

    Raises
    ------
    NotFound
        When the archive does not know it.
    """
    archive, begin_us, end_us = parts.archive, now_us - STORY_S * US_PER_S, now_us + US_PER_S
    events, links = (
        archive.read(table.name, track_id=track_id, start_us=begin_us, end_us=end_us) for table in (EVENTS, LINKS)
    )
    tracks = parts.core.past.read(track_id=track_id, start_us=begin_us, end_us=end_us)
    if not events.num_rows and not tracks.num_rows:
        raise NotFound(f"no track {track_id} in the last {STORY_S // 86_400} days", code="track.unknown")
    seen = None
    if links.num_rows:
        last_us = int(pc.max(links["observed_at"]).cast(pa.int64()).as_py() or now_us)
        columns = ["obs_id", "source", "sensor", "observed_at"]
        seen = archive.read(
            OBSERVATIONS.name, start_us=last_us - SHOWN_REPORTS_US, end_us=last_us + US_PER_S, columns=columns
        )
    return picture.story_of(events, links, tracks, track_id, observations=seen, operations=operations)


def coverage(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """GeoJSON of where sensors look: a Polygon a cell; where none is, there is no sensor."""
    features = []
    for cell in cells:
        told = {name: value for name, value in cell.items() if name not in ("ring", "last_us")}
        if "last_us" in cell:
            told["last_at"] = clock.rfc3339(cell["last_us"])
        features.append(
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [cell["ring"]]}, "properties": told}
        )
    return {"type": "FeatureCollection", "features": features}


def cut_coverage(features: dict[str, Any], outlines: Mapping[str, Any]) -> dict[str, Any]:
    """Zones and sensors with the circles of radars replaced by what they see: blind sectors are no coverage."""
    drawn = []
    for feature in features["features"]:
        told = feature["properties"]
        if told.get("kind") == "coverage" and told.get("name") in outlines:
            shape = {"type": "MultiPolygon", "coordinates": outlines[told["name"]]}
            feature = {**feature, "geometry": shape, "properties": {**told, "learned": True}}
        drawn.append(feature)
    return {**features, "features": drawn}


def operation(record: Mapping[str, Any]) -> dict[str, Any]:
    """A watch officer's action as the API tells it."""
    plain = {name: value for name, value in record.items() if name != "at_us"}
    return {**plain, "at": clock.rfc3339(int(record["at_us"]))}
