"""Named areas with a kind and a validity, read from GeoJSON.

What enters: GeoJSON (RFC 7946) Polygon and MultiPolygon features, or LineString features with a ``buffer_m`` for cables
and gates. What leaves: `Zones`, which answers which points are in which zone. Positions are rounded to 1e-7 degree
first, so that the answer is the same on every machine; the boundary counts as inside.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kuroshio import clock
from kuroshio.errors import ConfigError, InputError
from kuroshio.geo.cells import build_index
from kuroshio.geo.earth import metres_per_degree
from kuroshio.geo.layers import layer_files, read_layer
from kuroshio.geo.overlay import Overlay, build_overlay, members
from kuroshio.geo.polygon import TURN, UNITS_PER_DEG, contains_many, in_zone
from kuroshio.units import BoolArray, FloatArray, IntArray

KINDS = (
    "eez",
    "territorial",
    "contiguous",
    "reserve",
    "cable",
    "pipeline",
    "port",
    "anchorage",
    "land",
    "inland",
    "fishing",
    "gate",
    "custom",
)
MAX_VERTICES = 20_000_000
MAX_ZONES = 100_000
MAX_ZONES_AT_A_POINT = 64
POINTS_A_PASS = 4_096  # what they need stays in the first cache
ALWAYS = (-(1 << 62), 1 << 62)


@dataclass(frozen=True)
class Zone:
    """One area: its reference, name, kind and the time it is valid for.

    Parameters
    ----------
    zone_id
        Stable reference: the feature's ``id`` or its name.
    kind
        One of `KINDS`.
    valid_from_us, valid_to_us
        UTC microseconds, the end exclusive.
    parts
        Polygons; each a tuple of closed rings (n, 2) of (lon, lat) degrees, longitudes unwrapped across +-180.
    properties
        What else the feature says: source, version.
    """

    zone_id: str
    name: str
    kind: str
    parts: tuple[tuple[FloatArray, ...], ...]
    valid_from_us: int = ALWAYS[0]
    valid_to_us: int = ALWAYS[1]
    properties: Mapping[str, Any] | None = None


class Zones:
    """Zones with their index; `load_zones` makes one from GeoJSON.

    Parameters
    ----------
    zones
        At most `MAX_ZONES` areas with distinct ``zone_id``.

    Raises
    ------
    ConfigError
        On a reference used twice, a ring of fewer than four points, a latitude outside [-90, 90] or a part that
        goes round a pole.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        if len(zones) > MAX_ZONES:
            raise ConfigError(f"{len(zones)} zones, limit {MAX_ZONES}", code="zones.limit")
        seen: set[str] = set()
        for zone in zones:
            if zone.zone_id in seen:
                raise ConfigError(f"zone {zone.zone_id!r} is there twice", code="zones.duplicate")
            seen.add(zone.zone_id)
        self.zones: tuple[Zone, ...] = tuple(zones)
        owner = [i for i, zone in enumerate(zones) for _ in zone.parts]
        rings = [[_units(ring) for ring in part] for zone in zones for part in zone.parts]
        if sum(len(r) for part in rings for r in part) > MAX_VERTICES:
            raise ConfigError(f"more than {MAX_VERTICES} vertices", code="zones.limit")
        self.index = build_index(owner, rings, len(zones))
        self.made: dict[str, Any] = {}  # what others have made of these zones once
        self.valid_from_us = np.asarray([z.valid_from_us for z in zones], np.int64)
        self.valid_to_us = np.asarray([z.valid_to_us for z in zones], np.int64)

    def __len__(self) -> int:
        return len(self.zones)

    @cached_property
    def accuracy_m(self) -> FloatArray:
        """What the line of each zone may be wrong by: its property ``accuracy_m``, 0 where it says nothing."""
        return np.asarray([float((z.properties or {}).get("accuracy_m", 0.0)) for z in self.zones], np.float64)

    def mask(self, kinds: Sequence[str]) -> BoolArray:
        """True for each zone of one of the kinds."""
        return np.asarray([zone.kind in kinds for zone in self.zones], np.bool_)

    def contains(self, zone: int, lat_deg: Any, lon_deg: Any) -> BoolArray:
        """Inside (or on the edge of) one zone, by its place in `zones`, for every point."""
        lat, lon = _degrees(lat_deg), _degrees(lon_deg)
        result: BoolArray = np.zeros(len(lat), np.bool_)
        eights = np.empty(POINTS_A_PASS // 8, np.uint64)
        at = np.empty(POINTS_A_PASS, np.int32)
        contains_many(self.index, zone, lat, lon, result, at, eights, eights.view(np.uint8))
        return result

    def members(self, lat_deg: Any, lon_deg: Any) -> tuple[IntArray, IntArray]:
        """(pointer, zone): zones of point i are ``zone[pointer[i]:pointer[i + 1]]``, ascending, at most 64 a point."""
        lat, lon = _degrees(lat_deg), _degrees(lon_deg)
        ptr: IntArray = np.zeros(len(lat) + 1, np.int64)
        found: Any = np.empty(len(lat) + 4 * MAX_ZONES_AT_A_POINT, np.int32)
        i = k = 0
        while True:  # one turn a doubling
            i, k = members(i, k, found, ptr, self.index, self.overlay, lat, lon, MAX_ZONES_AT_A_POINT)
            if i >= len(lat):
                return ptr, found[:k]
            found = np.concatenate([found, np.empty_like(found)])

    def members_at(self, lat_deg: Any, lon_deg: Any, at_us: IntArray) -> tuple[IntArray, IntArray]:
        """As `members`, of the zones that hold at the time of each point (UTC microseconds)."""
        ptr, zone = self.members(lat_deg, lon_deg)
        if self._always:
            return ptr, zone
        owner = np.repeat(np.arange(len(at_us)), np.diff(ptr))
        good = (self.valid_from_us[zone] <= at_us[owner]) & (at_us[owner] < self.valid_to_us[zone])
        held = np.bincount(owner[good], minlength=len(at_us))
        return np.concatenate([[0], np.cumsum(held)]).astype(np.int64), zone[good]

    @cached_property
    def _always(self) -> bool:
        return bool((self.valid_from_us <= ALWAYS[0]).all() and (self.valid_to_us >= ALWAYS[1]).all())

    @cached_property
    def overlay(self) -> Overlay:
        """One raster over all zones, made when it is first asked for."""
        return build_overlay(self.index)

    def at(self, lat_deg: float, lon_deg: float) -> list[Zone]:
        """Zones that one point is in."""
        x, y = to_units(np.asarray([lat_deg]), np.asarray([lon_deg]))
        return [z for i, z in enumerate(self.zones) if in_zone(self.index, i, x[0], y[0])]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all names, kinds, validities and vertices: the version of the layer in the evidence."""
        sha = hashlib.sha256()
        for zone in self.zones:
            head = [zone.zone_id, zone.name, zone.kind, zone.valid_from_us, zone.valid_to_us]
            sha.update(json.dumps(head).encode())
            for part in zone.parts:
                for ring in part:
                    sha.update(_units(ring).astype("<i8").tobytes())
        return sha.hexdigest()


def _degrees(values: Any) -> FloatArray:
    return np.ascontiguousarray(np.asarray(values, np.float64))


def to_units(lat_deg: Any, lon_deg: Any) -> tuple[FloatArray, FloatArray]:
    """(x, y) of positions in units of 1e-7 degree, rounded, longitude in [-180, 180]."""
    x = np.rint(np.asarray(lon_deg, np.float64) * UNITS_PER_DEG)
    y = np.rint(np.asarray(lat_deg, np.float64) * UNITS_PER_DEG)
    half = TURN / 2
    x = np.where(x > half, x - TURN, np.where(x < -half, x + TURN, x))
    return np.ascontiguousarray(x), np.ascontiguousarray(y)


def _units(ring: FloatArray) -> FloatArray:
    return np.rint(np.asarray(ring, np.float64) * UNITS_PER_DEG)


def load_zones(*sources: str | Path | Mapping[str, Any]) -> Zones:
    """Zones from files or folders of GeoJSON, GeoParquet or places (`geo.layers`), or GeoJSON already parsed.

    Raises
    ------
    ConfigError
        Naming the file, the feature and the offending value.
    """
    zones: list[Zone] = []
    for source in sources:
        if isinstance(source, Mapping):
            zones += _collection(source, "geojson")
            continue
        path = Path(source)
        for file in layer_files(path):
            zones += _collection(read_layer(file), str(file))
    return Zones(zones)


def _collection(document: Mapping[str, Any], place: str) -> list[Zone]:
    features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
    if not isinstance(features, list):
        raise ConfigError(f"{place}: features is not a list", code="zones.file")
    return [_feature(feature, f"{place}: feature {number}") for number, feature in enumerate(features)]


def _feature(feature: Any, place: str) -> Zone:
    if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
        raise ConfigError(f"{place}: not a GeoJSON Feature", code="zones.feature")
    properties, geometry = feature.get("properties") or {}, feature.get("geometry") or {}
    if not isinstance(properties, Mapping) or not isinstance(geometry, Mapping):
        raise ConfigError(f"{place}: properties and geometry must be objects", code="zones.feature")
    properties = dict(properties)
    name = properties.pop("name", None)
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place}: property name is missing", code="zones.name")
    kind = properties.pop("kind", "custom")
    if kind not in KINDS:
        raise ConfigError(f"{place} ({name}): kind {kind!r} is none of {', '.join(KINDS)}", code="zones.kind")
    valid = f"{place} ({name})"
    begin_us = _time(properties.pop("valid_from", None), ALWAYS[0], valid)
    end_us = _time(properties.pop("valid_to", None), ALWAYS[1], valid)
    if begin_us >= end_us:
        raise ConfigError(f"{valid}: valid_to is not after valid_from", code="zones.time")
    shape: Any = geometry.get("type")
    coordinates: Any = geometry.get("coordinates")
    try:
        if shape == "Polygon":
            polygons = [coordinates]
        elif shape == "MultiPolygon":
            polygons = coordinates
        elif shape in ("LineString", "MultiLineString"):
            lines = [coordinates] if shape == "LineString" else coordinates
            width = float(properties.get("buffer_m", 0.0))
            if not 1.0 <= width <= 100_000.0:
                raise ValueError(f"buffer_m {width:g} is not within 1 to 100,000")
            polygons = [box for line in lines for box in _corridor(line, width)]
        else:
            raise ValueError(f"geometry {shape!r} is not a polygon or line")
        parts = tuple(tuple(_ring(ring) for ring in polygon) for polygon in polygons)
        if not parts or any(not part for part in parts):
            raise ValueError("no ring")
        error = float(properties.get("accuracy_m", 0.0))
        if not 0.0 <= error <= 100_000.0:
            raise ValueError(f"accuracy_m {error:g} is not within 0 to 100,000")
    except (TypeError, ValueError, LookupError, OverflowError) as err:
        raise ConfigError(f"{place} ({name}): {err}", code="zones.geometry") from err
    return Zone(
        zone_id=str(feature.get("id", properties.pop("zone_id", name))),
        name=name,
        kind=kind,
        parts=parts,
        valid_from_us=begin_us,
        valid_to_us=end_us,
        properties=properties,
    )


def _time(value: Any, absent: int, place: str) -> int:
    if not value:
        return absent
    try:
        return clock.parse_rfc3339(value)
    except (InputError, TypeError) as err:
        raise ConfigError(f"{place}: validity {value!r} is not an RFC 3339 time", code="zones.time") from err


def _ring(points: Sequence[Sequence[float]]) -> FloatArray:
    ring = np.asarray([point[:2] for point in points], np.float64)
    if ring.ndim != 2 or len(ring) < 4 or not np.isfinite(ring).all():
        raise ValueError(f"a ring needs four finite positions or more, has {len(points)}")
    if np.abs(ring[:, 1]).max() > 90 or np.abs(ring[:, 0]).max() > 360:
        raise ValueError("position outside latitude 90 or longitude 360")
    if not np.array_equal(ring[0], ring[-1]):
        raise ValueError("the ring is not closed")
    step = np.diff(ring[:, 0])
    turns = np.concatenate([[0.0], np.cumsum(np.where(step > 180, -360.0, np.where(step < -180, 360.0, 0.0)))])
    ring = ring.copy()
    ring[:, 0] += turns
    if ring[0, 0] != ring[-1, 0]:
        raise ValueError("the ring goes round a pole: cut it at the antimeridian (RFC 7946, 3.1.9)")
    west = ring[:, 0].min()
    ring[:, 0] -= 360.0 * np.floor((west + 180.0) / 360.0)
    return ring


def _corridor(line: Sequence[Sequence[float]], width_m: float) -> list[list[list[list[float]]]]:
    """Box round each leg of a line, its ends squared off by the width: a corridor for a cable, pipeline or gate."""
    boxes = []
    for (lon0, lat0, *_), (lon1, lat1, *_) in itertools.pairwise(line):
        span = (lon1 - lon0 + 180.0) % 360.0 - 180.0
        east, north = metres_per_degree(0.5 * (lat0 + lat1))
        dx, dy = span * east, (lat1 - lat0) * north
        length = float(np.hypot(dx, dy))
        if length == 0.0:
            continue
        ux, uy = dx / length * width_m, dy / length * width_m
        corners = [(-ux - uy, -uy + ux), (-ux + uy, -uy - ux)]
        ends = [(ux + uy, uy - ux), (ux - uy, uy + ux)]
        ring = [[lon0 + x / east, lat0 + y / north] for x, y in corners]
        ring += [[lon0 + span + x / east, lat1 + y / north] for x, y in ends]
        boxes.append([[*ring, ring[0]]])
    return boxes
