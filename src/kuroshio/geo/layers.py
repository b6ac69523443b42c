"""Files of reference layers: GeoJSON, GeoParquet and tables of places, all given as GeoJSON documents.

What enters: a file, or a folder of them. What leaves: GeoJSON (RFC 7946) that `geo.zones` checks. A table of places
(CSV with ``latitude`` and ``longitude``, as the World Port Index and the anchorages of Global Fishing Watch come) gives
a circle of kind ``port`` round each; ``kind`` and ``radius_m`` may be columns of it. Places that are not on the globe
are passed over and counted.
"""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.errors import ConfigError
from kuroshio.geo.earth import offset_position

SUFFIXES = (".geojson", ".json", ".parquet", ".csv")
MAX_RADIUS_M = 1_000_000.0
PORT_RADIUS_M = 3_000.0  # Global Fishing Watch, port visits: entry within 3 km of an anchorage
MAX_FILE_BYTES = 2 << 30
_CORNERS = 32


def layer_files(path: Path) -> list[Path]:
    """The file itself, or the layer files of a folder in the order of their names.

    Raises
    ------
    ConfigError
        When a folder holds none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
    if not files:
        raise ConfigError(f"{path}: no file of {', '.join(SUFFIXES)} in this folder", code="zones.empty")
    return files


def read_layer(file: Path) -> Mapping[str, Any]:
    """GeoJSON document of one file.

    Raises
    ------
    ConfigError
        Naming the file and what is wrong with it.
    """
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file}: larger than {MAX_FILE_BYTES} bytes", code="zones.limit")
        if file.suffix == ".parquet":
            return _collection(_parquet(pq.read_table(file), file))
        if file.suffix == ".csv":
            with file.open(encoding="utf-8-sig", newline="") as lines:
                rows = list(csv.DictReader(lines))
            features = list(_places(iter(rows), file))
            return {"type": "FeatureCollection", "features": features, "passed_over": len(rows) - len(features)}
        document = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError, csv.Error, pa.ArrowException) as err:
        raise ConfigError(f"{file}: cannot be read as a layer: {err}", code="zones.file") from err
    if not isinstance(document, Mapping):
        raise ConfigError(f"{file}: not a GeoJSON object", code="zones.file")
    return document


def _collection(features: Iterator[dict[str, Any]]) -> Mapping[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def _places(rows: Iterator[dict[str, Any]], file: Path) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows):
        try:
            lat, lon = float(row["latitude"]), float(row["longitude"])
            radius = float(row.get("radius_m") or PORT_RADIUS_M)
            if not 0.0 < radius <= MAX_RADIUS_M:
                raise ValueError(f"radius_m of {radius:g} m")
        except (KeyError, TypeError, ValueError) as err:
            raise ConfigError(f"{file}: place {number}: no {err} that can be read", code="zones.place") from err
        if not (abs(lat) <= 89.0 and abs(lon) <= 180.0):  # both published tables of anchorages have such a row
            continue
        angle = np.linspace(0.0, 2.0 * np.pi, _CORNERS, endpoint=False)
        la, lo = offset_position(lat, lon, radius * np.cos(angle), radius * np.sin(angle))
        ring = np.stack([lo, la], axis=1).tolist()
        name = " ".join(x for x in (row.get("label"), row.get("sublabel")) if x) or row.get("s2id") or f"place {number}"
        yield {
            "type": "Feature",
            "id": f"{file.stem}/{number}",
            "properties": {"name": name, "kind": row.get("kind") or "port", "source": file.name},
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        }


def _parquet(table: pa.Table, file: Path) -> Iterator[dict[str, Any]]:
    """Features of GeoParquet 1.1: the primary geometry as WKB, longitude and latitude; other columns as properties."""
    meta = json.loads((table.schema.metadata or {}).get(b"geo", b"{}"))
    try:
        primary = meta.get("primary_column", "geometry")
        encoding = meta.get("columns", {}).get(primary, {}).get("encoding", "WKB")
    except (AttributeError, TypeError) as err:
        raise ConfigError(f"{file}: its metadata are not those of GeoParquet", code="zones.file") from err
    if encoding != "WKB" or primary not in table.column_names:
        raise ConfigError(f"{file}: column {primary} is missing or not WKB", code="zones.file")
    for number, row in enumerate(table.to_pylist()):  # one turn an area
        geometry = row.pop(primary)
        plain = {k: v for k, v in row.items() if isinstance(v, str | int | float) and k != "bbox"}
        feature: dict[str, Any] = {
            "type": "Feature",
            "properties": plain,
            "geometry": _shape(geometry, f"{file}: row {number}"),
        }
        if "id" in plain:
            feature["id"] = plain.pop("id")
        yield feature


def _shape(data: Any, place: str) -> dict[str, Any]:
    if not isinstance(data, bytes):
        raise ConfigError(f"{place}: no geometry", code="zones.geometry")
    try:
        return _wkb(data, 0)[0]
    except (ValueError, LookupError, RecursionError, struct.error) as err:
        raise ConfigError(f"{place}: geometry cannot be read: {err}", code="zones.geometry") from err


_WKB = {1: "Point", 2: "LineString", 3: "Polygon", 5: "MultiLineString", 6: "MultiPolygon"}


def _wkb(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """(GeoJSON geometry, where it ends). Source: OGC 06-103r4, 8.2.3; with z in ISO or EWKB form, which is dropped."""
    order = "<" if data[at] == 1 else ">"
    (code,) = struct.unpack_from(order + "I", data, at + 1)
    at += 5
    if code & 0x20000000:  # EWKB with a reference system
        at += 4
    width = 2 + bool(code & 0x80000000) + bool(code & 0x40000000) + (0, 1, 1, 2)[(code & 0xFFFF) // 1000 % 4]
    kind = (code & 0xFFFF) % 1000
    if kind not in _WKB or kind == 1:
        raise ValueError(f"geometry of WKB type {code} is not a polygon or line")

    def number(at: int) -> tuple[int, int]:
        return struct.unpack_from(order + "I", data, at)[0], at + 4

    def points(at: int) -> tuple[list[Any], int]:
        n, at = number(at)
        values = np.frombuffer(data, order + "f8", n * width, at).reshape(n, width)
        return values[:, :2].tolist(), at + 8 * n * width

    if kind == 2:
        line, at = points(at)
        return {"type": "LineString", "coordinates": line}, at
    n, at = number(at)
    parts = []
    for _ in range(n):
        if kind == 3:
            part, at = points(at)
        else:
            inner, at = _wkb(data, at)
            part = inner["coordinates"]
        parts.append(part)
    return {"type": _WKB[kind], "coordinates": parts}, at
