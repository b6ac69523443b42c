"""The evidence pack: one file that shows an alert, verifies by digest and gives the alert again offline.

What enters: an alert, the rows it rests on, the definitions and zones. What leaves: a ZIP file (stored, fixed times, so
that the same content gives the same bytes) with the alert and definition as JSON, the rows as Arrow IPC, the zones as
GeoJSON, the norms of its cells where it rests on them, a map as SVG, and a manifest with the SHA-256 of each.
`reproduce` runs the definition over the rows in the pack, with nothing else, and compares the alert byte for byte. For
an alert that a rule raised it holds the definitions of the alerts it was raised of, and the rule.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import clock, schema
from kuroshio.behaviour.archive import detect, with_tracks
from kuroshio.behaviour.definition import Definition, Definitions, Threshold
from kuroshio.behaviour.evidence import as_json
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.others import others_about
from kuroshio.behaviour.rule_pack import alerts_of_rule, definitions_of, is_of_rule, rule_part
from kuroshio.behaviour.sketch import draw
from kuroshio.errors import InputError, NotFound, VerificationError
from kuroshio.geo.zones import ALWAYS, Zone, Zones, load_zones
from kuroshio.units import FloatArray

FORMAT = "kuroshio.evidence/1"
MAX_PACK_BYTES = 256 << 20
MAX_PARTS = 16
_FIXED = (1980, 1, 1, 0, 0, 0)
_PARTS = (
    "alert.json",
    "definition.json",
    "definitions.json",
    "rule.json",
    "rows.arrow",
    "zones.geojson",
    "map.svg",
    "coverage.arrow",
    "traffic.arrow",
    "manifest.json",
)
LEAD_US = 24 * 3600 * 1_000_000
# what a part may end in whose digest holds and whose form is another: RuntimeError is also that of depth and of methods
_DAMAGED = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError, struct.error)
_UNFIXED = ("known_at", "change", "grade")
_NEAR_DEG = 1.0  # further than the greatest distance from shore that is told (detector.SHORE_LIMIT_M)


def _definition_plain(d: Definition) -> dict[str, Any]:
    plain = {k: getattr(d, k) for k in d.__dataclass_fields__ if k != "thresholds"}
    plain["thresholds"] = [{k: getattr(t, k) for k in t.__dataclass_fields__} for t in d.thresholds.values()]
    return plain


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _definition(plain: Mapping[str, Any]) -> Definition:
    rest: dict[str, Any] = {k: _tuples(v) for k, v in plain.items() if k != "thresholds"}
    thresholds: dict[str, Threshold] = {}
    for t in plain["thresholds"]:
        fields: dict[str, Any] = {k: _tuples(v) for k, v in t.items()}
        thresholds[t["name"]] = Threshold(**fields)
    return Definition(**rest, thresholds=thresholds)


def _geojson(zones: list[Zone]) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": zone.zone_id,
                "properties": {"name": zone.name, "kind": zone.kind, **_validity(zone), **dict(zone.properties or {})},
                "geometry": {
                    "type": "MultiPolygon",
                    "coordinates": [[r.tolist() for r in part] for part in zone.parts],
                },
            }
            for zone in zones
        ],
    }


def _validity(zone: Zone) -> dict[str, str]:
    times = {"valid_from": (zone.valid_from_us, ALWAYS[0]), "valid_to": (zone.valid_to_us, ALWAYS[1])}
    return {name: clock.rfc3339(us) for name, (us, always) in times.items() if us != always}


def _areas(zones: Zones | None, basis: list[Definition], alert: Mapping[str, Any], rows: pa.Table) -> list[Zone]:
    """Zones the alert rests on: all where it names one, else those near its rows where a definition asks for any."""
    asked = {"zone_kinds", "exclude_zone_kinds", "min_shore_m"} & {name for d in basis for name in d.thresholds}
    if zones is None or alert["zone"]:
        return list(zones.zones) if zones is not None else []
    lat, lon = (np.asarray(rows[n].drop_null()) for n in ("lat_deg", "lon_deg"))
    if not asked or not len(lat):
        return []
    low, high = lat.min() - _NEAR_DEG, lat.max() + _NEAR_DEG
    middle, wide = float(lon[0]), float(np.abs((lon - lon[0] + 180.0) % 360.0 - 180.0).max())
    wide += _NEAR_DEG / max(0.05, np.cos(np.radians(min(87.0, np.abs(lat).max()))))
    return [z for z in zones.zones if any(_near(part[0], low, high, middle, wide) for part in z.parts)]


def _near(ring: FloatArray, low: float, high: float, middle: float, wide: float) -> bool:
    if ring[:, 1].max() < low or ring[:, 1].min() > high:
        return False
    half = (ring[:, 0].max() - ring[:, 0].min()) / 2.0
    off = (ring[:, 0].min() + half - middle + 180.0) % 360.0 - 180.0
    return bool(abs(off) <= half + wide)


def _alert_plain(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: v for k, v in row.items() if k not in _UNFIXED}
    for name in ("start_at", "end_at"):
        plain[name] = None if plain[name] is None else clock.rfc3339(round(plain[name].timestamp() * 1e6))
    return plain


def _kind(rows: pa.Table) -> str:
    return "tracks" if "status" in rows.column_names and "track_id" in rows.column_names else "positions"


def select_rows(rows: pa.Table, alert: Mapping[str, Any], *, lead_us: int = LEAD_US) -> pa.Table:
    """Rows of the tracks (or MMSIs) of an alert from a lead before its first place to a lead after its end."""
    start = begin_us(alert) - lead_us
    end = round((alert["end_at"] or alert["known_at"]).timestamp() * 1e6) + lead_us
    times = rows["observed_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    keep = pc.and_(pc.greater_equal(times, start), pc.less_equal(times, end))
    if "track_id" in rows.column_names:
        mine = pc.is_in(rows["track_id"].cast(pa.int64()), pa.array(alert["track_ids"], pa.int64()))
        if alert["mmsis"]:
            mine = pc.or_(mine, pc.fill_null(pc.is_in(rows["mmsi"].cast(pa.int64()), pa.array(alert["mmsis"])), False))
    else:
        mine = pc.is_in(rows["mmsi"].cast(pa.int64()), pa.array(alert["mmsis"], pa.int64()))
    return rows.filter(pc.and_(keep, mine))


def begin_us(alert: Mapping[str, Any]) -> int:
    """Start of an alert, or the time of a place of its evidence before it: what a step was held against."""
    start = round(alert["start_at"].timestamp() * 1e6)
    places = json.loads(alert["evidence"]).get("geometry", ())
    return min([start, *(clock.parse_rfc3339(place["at"]) for place in places)])


def _once(rows: pa.Table) -> pa.Table:
    """Rows of ships, each MMSI and time once."""
    key = np.column_stack([np.asarray(rows[n].cast(pa.int64())) for n in ("mmsi", "observed_at")])
    return rows.take(pa.array(np.sort(np.unique(key, axis=0, return_index=True)[1])))


def make_pack(
    path: str | Path | BinaryIO,
    alert: Mapping[str, Any],
    rows: pa.Table,
    definitions: Definitions,
    *,
    zones: Zones | None = None,
    norms: Norms | None = None,
    bases: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the evidence pack of one alert; returns the SHA-256 of its manifest.

    Parameters
    ----------
    path
        Where it goes: a file, or something to write to.
    alert
        One ALERTS row as a dict, as `detect` or the ledger gives it.
    rows
        POSITIONS or TRACKS that hold the rows of the alert; those of other ships are left out.
    bases
        Alerts that the rule raised it of, as far as there are more than the first and they are silences.

    Raises
    ------
    NotFound
        When the definition of the alert is not among the definitions.
    VerificationError
        When the rows given do not make this alert.
    """
    wanted = definitions_of(alert)
    for name in wanted:
        if name not in definitions:
            raise NotFound(f"no definition {name!r} for alert {alert['alert_id']}", code="behaviour.unknown")
    basis = [definitions[name] for name in wanted]
    by_number = "track_id" not in rows.column_names
    rows = with_tracks(rows, alert["mmsis"]) if _kind(rows) == "positions" else rows
    own = select_rows(rows, alert)
    if {d.kernel for d in basis} == {
        "interference"
    }:  # it judges numbers: of another that a track claimed it has a part
        own = own.filter(pc.is_in(own["mmsi"].cast(pa.int64()), pa.array(alert["mmsis"], pa.int64())))
    others = [
        some
        for base in bases or [alert]
        for d in basis
        if base["definition"] in (d.id, alert["definition"]) and (some := others_about(rows, base, d)) is not None
    ]
    part = pa.concat_tables([own, *(others if len(others) < 2 else [_once(pa.concat_tables(others))])])
    now_us = round(alert["known_at"].timestamp() * 1e6)
    body = {
        "alert.json": as_json(_alert_plain(alert)).encode(),
        **_asked(alert, basis, rows=own),
        "rows.arrow": _ipc(part.combine_chunks()),
        "zones.geojson": as_json(_geojson(_areas(zones, basis, alert, part))).encode(),
        "map.svg": draw(alert, own.drop_columns("track_id") if by_number else own, zones).encode(),
    }
    if norms is not None and "norms_digest" in json.loads(alert["evidence"])["values"]:
        local = norms.part(*(np.asarray(part[n].drop_null()) for n in ("lat_deg", "lon_deg")))
        named = {"kuroshio.norms": norms.digest}
        body["coverage.arrow"] = _ipc(local.coverage.replace_schema_metadata(named))
        body["traffic.arrow"] = _ipc(local.traffic.replace_schema_metadata(named))
    _same(alert, _detect(body, now_us), "rows given")
    manifest = {
        "format": FORMAT,
        "alert_id": alert["alert_id"],
        "looked_at_us": now_us,
        "rows": part.num_rows,
        "kind": _kind(part),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in body.items()},
    }
    body["manifest.json"] = as_json(manifest).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in (n for n in _PARTS if n in body):
            archive.writestr(zipfile.ZipInfo(name, _FIXED), body[name])
    return hashlib.sha256(body["manifest.json"]).hexdigest()


def _asked(alert: Mapping[str, Any], basis: list[Definition], rows: pa.Table) -> dict[str, bytes]:
    """Parts that say what was looked for."""
    if not is_of_rule(alert):
        return {"definition.json": as_json(_definition_plain(basis[0])).encode()}
    return {
        "definitions.json": as_json([_definition_plain(d) for d in basis]).encode(),
        "rule.json": as_json(rule_part(alert, rows)).encode(),
    }


def _ipc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def verify_pack(path: str | Path) -> dict[str, bytes]:
    """Parts of a pack whose digests all hold.

    Raises
    ------
    InputError
        When it is no pack, or larger than the limit.
    VerificationError
        When a part is missing, added or changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_PARTS or sum(i.file_size for i in infos) > MAX_PACK_BYTES:
                raise InputError(f"{path}: larger than {MAX_PACK_BYTES} bytes", code="behaviour.pack_limit")
            body = {i.filename: archive.read(i) for i in infos}
        manifest = json.loads(body["manifest.json"])
        digests: dict[str, str] = dict(manifest["sha256"])
    except (*_DAMAGED, OSError, zipfile.BadZipFile, zlib.error, EOFError) as err:
        raise InputError(f"{path}: not an evidence pack: {err}", code="behaviour.pack") from err
    if manifest.get("format") != FORMAT:
        raise InputError(f"{path}: format {manifest.get('format')!r}, not {FORMAT}", code="behaviour.pack")
    if len(body) != len(infos) or set(body) != {*digests, "manifest.json"}:
        raise VerificationError(f"{path}: parts are not those of the manifest", code="behaviour.pack_parts")
    for name, digest in digests.items():
        if hashlib.sha256(body[name]).hexdigest() != digest:
            raise VerificationError(f"{path}: {name} was changed", code="behaviour.pack_changed")
    return body


def _table(part: bytes) -> pa.Table:
    """Rows of a part; a pack whose digests hold may still be made by an enemy, and offsets that lie read memory."""
    rows = pa.ipc.open_file(io.BytesIO(part)).read_all()
    rows.validate(full=True)
    return rows


def _detect(body: Mapping[str, bytes], now_us: int) -> list[dict[str, Any]]:
    rows = _table(body["rows.arrow"])
    of_rule = "rule.json" in body
    plain = json.loads(body["definitions.json"]) if of_rule else [json.loads(body["definition.json"])]
    layer = json.loads(body["zones.geojson"])
    zones = load_zones(layer) if layer["features"] else None
    norms = None
    if "coverage.arrow" in body:
        coverage, traffic = _table(body["coverage.arrow"]), _table(body["traffic.arrow"])
        norms = Norms(coverage, traffic, coverage.schema.metadata[b"kuroshio.norms"].decode())
    result: list[dict[str, Any]] = detect(
        rows, Definitions([_definition(d) for d in plain]), zones=zones, norms=norms, now_us=now_us
    ).to_pylist()
    return alerts_of_rule(json.loads(body["rule.json"]), result, zones) if of_rule else result


def _same(alert: Mapping[str, Any], found: list[dict[str, Any]], what: str) -> None:
    match = next((a for a in found if a["alert_id"] == alert["alert_id"]), None)
    if match is None:
        raise VerificationError(
            f"alert {alert['alert_id']} does not come out of the {what}", code="behaviour.pack_other"
        )
    if _alert_plain(match) != _alert_plain(alert):
        raise VerificationError(
            f"alert {alert['alert_id']} comes out different of the {what}", code="behaviour.pack_other"
        )


def reproduce(path: str | Path) -> dict[str, Any]:
    """The alert made again from a pack, byte for byte the one in it.

    Raises
    ------
    InputError, VerificationError
        When the pack is damaged, or its rows make another alert.
    """
    body = verify_pack(path)
    try:
        manifest = json.loads(body["manifest.json"])
        told, wanted = body["alert.json"], manifest["alert_id"]
        found = _detect(body, int(manifest["looked_at_us"]))
    except _DAMAGED as err:
        raise InputError(f"{path}: a part cannot be read: {err!r}", code="behaviour.pack") from err
    for again in found:
        if again["alert_id"] == wanted:
            if as_json(_alert_plain(again)).encode() != told:
                raise VerificationError(f"{path}: the alert comes out different", code="behaviour.pack_other")
            return _alert_plain(again)
    raise VerificationError(f"{path}: the alert does not come out of the rows", code="behaviour.pack_other")


def alert_rows(table: pa.Table) -> list[dict[str, Any]]:
    """ALERTS rows as dicts, refused when the table is of another form."""
    alerts = schema.ALERTS.conform(table)
    for name in ("alert_id", "start_at", "known_at", "track_ids", "evidence"):
        if alerts[name].null_count:
            raise InputError(f"alerts: {alerts[name].null_count} rows without {name}", code="behaviour.alerts")
    rows: list[dict[str, Any]] = alerts.to_pylist()
    return rows


def raised_of(alert: Mapping[str, Any]) -> list[str]:
    """Ids of the alerts that a rule raised it of; none where no rule did.

    Raises
    ------
    InputError
        When its evidence is of another form.
    """
    try:
        return [str(of["alert_id"]) for of in json.loads(alert["evidence"]).get("raised_of", [])]
    except _DAMAGED as err:
        raise InputError(f"alert {alert['alert_id']}: evidence of another form", code="behaviour.alerts") from err
