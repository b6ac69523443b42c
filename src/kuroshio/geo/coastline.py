"""Coarse land of a file of vector tiles: the one the page draws, read where an operator gives no land of his own.

What enters: a PMTiles archive (version 3) of Mapbox vector tiles with a layer ``land``, and points. What leaves: which
points are on land, as well as the tiles of the greatest zoom know it. The shipped file is Natural Earth 1:10M (public
domain), which is off by a kilometre or two: good for where a radar is shadowed, never for a distance to shore.
Sources: PMTiles specification 3; Mapbox vector tile specification 2.1.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from kuroshio.errors import ConfigError
from kuroshio.units import BoolArray, FloatArray

_HEADER = struct.Struct("<7sB11Q4BBB")
GZIP = 2
MAX_BYTES = 64 << 20
TILES_KEPT = 512
LAT_MOST_DEG = 85.0511
LAYER = b"land"
_TILE_LAYERS, _NAME, _FEATURE, _EXTENT, _TYPE, _GEOMETRY = 3, 1, 2, 5, 3, 4
_POLYGON, _MOVE, _CLOSE = 3, 1, 7


class Coastline:
    """Land of one file.

    Raises
    ------
    ConfigError
        When the file cannot be read or is no such archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ConfigError(f"{path}: larger than {MAX_BYTES} bytes", code="land.limit")
            self._data = path.read_bytes()
            fields = _HEADER.unpack_from(self._data)
        except (OSError, struct.error) as err:
            raise ConfigError(f"{path}: cannot be read as land: {err}", code="land.file") from err
        if fields[0] != b"PMTiles" or fields[1] != 3 or fields[14:16] != (GZIP, GZIP):
            raise ConfigError(f"{path}: not a PMTiles archive of version 3 with gzip", code="land.file")
        self._root, self._leaves, self._tiles = (fields[2], fields[3]), fields[6], fields[8]
        self._zoom = int(fields[18])
        self._entries = lru_cache(64)(self._read_entries)
        self._edges = lru_cache(TILES_KEPT)(self._read_edges)

    def contains(self, lat_deg: FloatArray, lon_deg: FloatArray) -> BoolArray:
        """True for each point on land; what lies poleward of the tiles is taken as none."""
        lat, lon = np.atleast_1d(lat_deg).astype(float), np.atleast_1d(lon_deg).astype(float)
        count = 1 << self._zoom
        x = ((lon + 180.0) / 360.0 % 1.0) * count
        turned = np.radians(np.clip(lat, -LAT_MOST_DEG, LAT_MOST_DEG))
        y = (0.5 - np.arcsinh(np.tan(turned)) / (2.0 * np.pi)) * count
        column, row = np.floor(x).astype(np.int64), np.clip(np.floor(y).astype(np.int64), 0, count - 1)
        inside = np.zeros(len(lat), np.bool_)
        tiles, which = np.unique(column * count + row, return_inverse=True)
        for k, tile in enumerate(tiles.tolist()):  # a radar's reach is a handful of tiles
            here = np.flatnonzero(which.ravel() == k)
            edges = self._edges(tile // count, tile % count)
            inside[here] = _odd(edges, x[here] - tile // count, y[here] - tile % count)
        return inside & (np.abs(lat) <= LAT_MOST_DEG)

    def _read_entries(self, at: int, size: int) -> tuple[np.ndarray, ...]:
        """(first ids, run lengths, sizes, offsets) of a directory."""
        values = _varints(gzip.decompress(self._data[at : at + size]))
        count = next(values)
        ids = np.cumsum([next(values) for _ in range(count)])
        runs, sizes = (np.array([next(values) for _ in range(count)], np.int64) for _ in range(2))
        offsets = np.zeros(count, np.int64)
        for k in range(count):  # an offset of 0 says: right after the one before
            value = next(values)
            offsets[k] = value - 1 if value else offsets[k - 1] + sizes[k - 1]
        return ids, runs, sizes, offsets

    def _bytes(self, tile: int) -> bytes:
        """Bytes of a tile, none where the archive has no such tile: sea."""
        at, size = self._root
        for _ in range(4):  # depth of directories is limited by the specification
            ids, runs, sizes, offsets = self._entries(at, size)
            k = int(np.searchsorted(ids, tile, "right")) - 1
            if k < 0:
                return b""
            if runs[k] == 0:
                at, size = self._leaves + int(offsets[k]), int(sizes[k])
                continue
            if tile >= ids[k] + runs[k]:
                return b""
            begin = self._tiles + int(offsets[k])
            return gzip.decompress(self._data[begin : begin + int(sizes[k])])
        return b""

    def _read_edges(self, column: int, row: int) -> FloatArray:
        """(edges, 4) x0, y0, x1, y1 of all rings of a tile, as shares of its side."""
        try:
            rings = list(_rings(self._bytes(tile_number(self._zoom, column, row))))
        except (StopIteration, RuntimeError, IndexError, OSError, EOFError) as err:
            raise ConfigError(f"{self.path}: tile {column}, {row} is damaged", code="land.file") from err
        edges = [np.column_stack([ring, np.roll(ring, -1, axis=0)]) for ring in rings if len(ring) > 2]
        return np.concatenate(edges) if edges else np.zeros((0, 4))


def tile_number(zoom: int, x: int, y: int) -> int:
    """Number of a tile: all of the zooms before it, then its place on the Hilbert curve of its zoom."""
    number = ((1 << 2 * zoom) - 1) // 3
    for level in range(zoom - 1, -1, -1):
        side = 1 << level
        right, down = bool(x & side), bool(y & side)
        number += side * side * ((3 * right) ^ down)
        if not down:
            if right:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x & (side - 1), y & (side - 1)
    return number


def _odd(edges: FloatArray, x: FloatArray, y: FloatArray) -> BoolArray:
    """True where a ray to the right crosses an odd number of edges."""
    if not len(edges):
        return np.zeros(len(x), np.bool_)
    x0, y0, x1, y1 = edges.T
    spans = (y0[None, :] > y[:, None]) != (y1[None, :] > y[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x0 + (y[:, None] - y0) * (x1 - x0) / (y1 - y0)
    odd: BoolArray = (np.count_nonzero(spans & (crossing > x[:, None]), axis=1) % 2).astype(np.bool_)
    return odd


def _varints(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of the fields of a protocol buffer: whole numbers and byte strings, others passed over."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 2:
            size, at = _varint(data, at)
            yield number, data[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _rings(tile: bytes) -> Iterator[FloatArray]:
    """Rings of the polygons of the land layer of a tile."""
    for number, layer in _fields(tile):
        if number != _TILE_LAYERS or not isinstance(layer, bytes):
            continue
        told = list(_fields(layer))
        if (_NAME, LAYER) not in told:
            continue
        extent = next((v for n, v in told if n == _EXTENT), 4096)
        for n, feature in told:
            if n == _FEATURE and isinstance(feature, bytes):
                parts = dict(_fields(feature))
                geometry = parts.get(_GEOMETRY)
                if parts.get(_TYPE) == _POLYGON and isinstance(geometry, bytes) and isinstance(extent, int):
                    yield from _walk(geometry, extent)


def _walk(geometry: bytes, extent: int) -> Iterator[FloatArray]:
    values = _varints(geometry)
    x = y = 0
    ring: list[tuple[float, float]] = []
    for command in values:
        what, count = command & 7, command >> 3
        if what == _CLOSE:
            yield np.array(ring)
            continue
        if what == _MOVE:
            ring = []
        for _ in range(count):
            dx, dy = next(values), next(values)
            x, y = x + ((dx >> 1) ^ -(dx & 1)), y + ((dy >> 1) ^ -(dy & 1))
            ring.append((x / extent, y / extent))
