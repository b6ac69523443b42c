"""What a person reads of one track, of the alerts and of the map: plain dicts for the API.

What enters: rows of the picture, the archive and the ledgers. What leaves: JSON-able dicts in the shapes the API
documents, times in RFC 3339, absent as null. It decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock
from kuroshio.geo import destination, radio_horizon_m, wrap_lon_deg
from kuroshio.node.config import NodeConfig, SourceSection
from kuroshio.schema.release import Release
from kuroshio.units import US_PER_S

HISTORY_POINTS = 600
SHIP_HEIGHT_M = 15.0  # mean height of a ship's upper works, for the drawn horizon
UNITS = {"sog_mps": "m/s", "cog_deg": "deg", "heading_deg": "deg", "length_m": "m", "p_exists": "", "p_identity": ""}
UNITS |= {"age_s": "s", "sigma_1min_m": "m", "sigma_5min_m": "m", "sigma_15min_m": "m"}
STATE_VALUES = (
    "sog_mps", "cog_deg", "p_exists", "p_manoeuvre", "age_s", "sigma_1min_m", "sigma_5min_m", "sigma_15min_m",
)  # fmt: skip
CLAIM_VALUES = (
    "name",
    "mmsi",
    "imo",
    "call_sign",
    "ship_type",
    "ship_class",
    "flag",
    "length_m",
    "nav_status",
    "heading_deg",
)
LAST_SEEN = (
    ("ais", "last_ais_at"),
    ("radar", "last_radar_at"),
    ("image", "last_image_at"),
    ("vms", "last_vms_at"),
    ("human", "last_human_at"),
    ("partner", "last_partner_at"),
)


def stamp(value: Any) -> str | None:
    """RFC 3339 of an Arrow timestamp as Python gives it."""
    if value is None:
        return None
    seconds = int(value.timestamp() // 1)
    return clock.rfc3339(seconds * US_PER_S + value.microsecond)


def card(row: Mapping[str, Any], history: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Target card of one TRACKS row: each value with its source and time."""
    at = stamp(row["observed_at"])
    sources = row["sources"] or []
    said = stamp(row["last_ais_at"]) or stamp(row["last_partner_at"]) or at
    speaker = row["partner"] or "AIS"
    values = [
        {"name": name, "value": row[name], "unit": UNITS.get(name, ""), "source": "track", "observed_at": at}
        for name in STATE_VALUES
        if row[name] is not None
    ]
    values += [
        {"name": name, "value": row[name], "unit": UNITS.get(name, ""), "source": speaker, "observed_at": said}
        for name in CLAIM_VALUES
        if row[name] is not None
    ]
    sensors = [
        {"sensor": kind, "source": row["partner"] if kind == "partner" else None, "last_at": stamp(row[column])}
        for kind, column in LAST_SEEN
        if row[column] is not None
    ]
    identity = [
        {
            "claim": name,
            "value": row[name],
            "source": speaker,
            "first_at": None,
            "last_at": said,
            "conflict": bool((row["flags"] or 0) & 4),
            "probability": row["p_identity"] if name == "mmsi" else None,
        }
        for name in ("mmsi", "name", "call_sign", "imo")
        if row[name] is not None
    ]
    plain = ("track_id", "status", "flags", "hits", "lat_deg", "lon_deg", "partner", "partner_track", "superseded_by")
    return {
        **{name: row[name] for name in plain},
        "item_id": f"track:{row['track_id']}",
        "observed_at": at,
        "first_at": stamp(row["first_at"]),
        "age_s": row["age_s"],
        "identity_evidence": row["identity_evidence"],
        "covariance_m2": [row["cov_ee_m2"], row["cov_en_m2"], row["cov_nn_m2"]],
        "sources": sources,
        "values": values,
        "sensors": sensors,
        "seen": last_seen(row),
        "identity": identity,
        "history": list(history),
        "exercise": bool(row["exercise"]),
    }


def last_seen(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """When each source last fed the track, newest first; a source whose time is not kept any more comes last."""
    sources, times = row["sources"] or [], row["sources_last_at"] or []
    told = list(zip_longest(sources, times[: len(sources)]))
    told.sort(key=lambda s: -s[1].timestamp() if s[1] else 0.0)
    return [{"source": source, "last_at": stamp(at)} for source, at in told]


def history(rows: pa.Table, track_id: int) -> list[list[Any]]:
    """[lon, lat, time] of a track from archive rows, oldest first, thinned to at most `HISTORY_POINTS`."""
    own = rows.filter(pc.equal(rows["track_id"], track_id)).sort_by("observed_at")
    if own.num_rows > HISTORY_POINTS:
        pick = np.linspace(0, own.num_rows - 1, HISTORY_POINTS).astype(np.int64)
        own = own.take(pa.array(np.unique(pick)))
    return [
        [row["lon_deg"], row["lat_deg"], stamp(row["observed_at"])]
        for row in own.select(["lon_deg", "lat_deg", "observed_at"]).to_pylist()
    ]


def alert(row: Mapping[str, Any], verdicts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Alert of one ALERTS row with its evidence parsed and the verdicts on it."""
    times = {name: stamp(row[name]) for name in ("start_at", "end_at", "known_at")}
    closed = row["change"] in ("close", "void") or row["end_at"] is not None
    given = [
        {
            "verdict": v["verdict"],
            "by": v["by"],
            "note": v.get("note", ""),
            "at": clock.rfc3339(v["at_us"]),
            "until": None if v.get("until_us") is None else clock.rfc3339(v["until_us"]),
        }
        for v in verdicts
    ]
    return {
        **{k: v for k, v in row.items() if k not in times and k != "evidence"},
        **times,
        "state": "void" if row["change"] == "void" else "closed" if closed else "open",
        "mmsis": row["mmsis"] or [],
        "evidence": json.loads(row["evidence"]),
        "verdicts": given,
        "exercise": bool(row["exercise"]),
    }


def released_alert(row: Mapping[str, Any], releaser: str, release: Release) -> dict[str, Any]:
    """A RELEASED_ALERTS row as the receiver's queue shows it."""
    header = release.fields
    text = row["summary"] or f"{str(row['definition']).replace('_', ' ')} (told by {releaser})"
    return {
        **{name: row[name] for name in ("definition", "version", "change", "grade", "severity", "zone")},
        **{name: stamp(row[name]) for name in ("start_at", "end_at", "known_at")},
        "alert_id": f"{releaser}:{row['alert_ref']}",
        "release_id": release.release_id,
        "partner": releaser,
        "state": "closed" if row["change"] in ("close", "void") else "open",
        "track_ids": [],
        "mmsis": [int(m) for m in row["mmsis"] or () if str(m).isdigit()],
        "lat_deg": row["lat_deg"],
        "lon_deg": row["lon_deg"],
        "summary": text,
        "evidence": {"released_by": releaser, "clauses": header["clauses"], "terms": header["obligations"]},
        "verdicts": [],
        "exercise": bool(row["exercise"]),
    }


def features(config: NodeConfig, zones: Mapping[str, Any] | None) -> dict[str, Any]:
    """GeoJSON of zones, sensors and where each sensor can see: "no ship" is not "no sensor"."""
    drawn: list[dict[str, Any]] = []
    for feature in (zones or {}).get("features", []):
        properties = dict(feature.get("properties") or {})
        drawn.append(
            {
                "type": "Feature",
                "geometry": feature["geometry"],
                "properties": {**properties, "kind": "zone", "zone_kind": properties.get("kind", "custom")},
            }
        )
    for source in config.sources:
        drawn.extend(_sensor_features(source))
    return {"type": "FeatureCollection", "features": drawn}


def _sensor_features(source: SourceSection) -> Iterable[dict[str, Any]]:
    sensor = source.sensor
    if sensor is None or sensor.lat_deg is None or sensor.lon_deg is None:
        return
    range_m = sensor.max_range_m
    if sensor.antenna_height_m is not None:
        horizon = float(radio_horizon_m(sensor.antenna_height_m, SHIP_HEIGHT_M))
        range_m = horizon if range_m is None else min(range_m, horizon)
    properties = {"name": source.name, "sensor": sensor.kind, "range_m": range_m}
    yield {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [sensor.lon_deg, sensor.lat_deg]},
        "properties": {**properties, "kind": "sensor"},
    }
    if range_m is not None:
        lat, lon = destination(sensor.lat_deg, sensor.lon_deg, np.linspace(0.0, 360.0, 73), range_m)
        lon = sensor.lon_deg + wrap_lon_deg(lon - sensor.lon_deg)  # one circle, also across the antimeridian
        ring = [[round(float(x), 5), round(float(y), 5)] for x, y in zip(lon, lat, strict=True)]
        ring[-1] = ring[0]
        yield {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {**properties, "kind": "coverage"},
        }
