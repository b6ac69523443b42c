"""Coarse land of a file of tiles: the right points are on land, the shipped file reads, a damaged one is refused."""

from __future__ import annotations

import gzip
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest

from kuroshio import api
from kuroshio.errors import ConfigError
from kuroshio.geo.coastline import Coastline, tile_number
from kuroshio.picture import SensorModel
from kuroshio.picture.pdmap import PdMap

SHIPPED = Path(api.__file__).parent / "page" / "basemap" / "land.pmtiles"
MAX_ZOOM = 1


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def square(x0: int, y0: int, x1: int, y1: int, layer: bytes = b"land") -> bytes:
    """A tile with one square of land, in steps of 4096 to a side."""
    zigzag = [v << 1 if v >= 0 else (-v << 1) - 1 for v in (x0, y0, x1 - x0, 0, 0, y1 - y0, x0 - x1, 0)]
    drawn = [9, *zigzag[:2], 3 << 3 | 2, *zigzag[2:], 15]
    feature = field(3, 3) + field(4, b"".join(varint(v) for v in drawn))
    return field(3, field(15, 2) + field(1, layer) + field(2, feature) + field(5, 4096))


def archive(path: Path, tiles: dict[tuple[int, int], bytes]) -> Path:
    """A PMTiles file of one directory with tiles of zoom 1."""
    packed = {tile_number(MAX_ZOOM, x, y): gzip.compress(data) for (x, y), data in tiles.items()}
    ids = sorted(packed)
    columns = [[b - a for a, b in zip([0, *ids], ids, strict=False)], [1] * len(ids), [len(packed[i]) for i in ids]]
    offsets, at = [], 0
    for i in ids:
        offsets.append(at + 1)
        at += len(packed[i])
    entries = b"".join(varint(v) for v in [len(ids), *columns[0], *columns[1], *columns[2], *offsets])
    root = gzip.compress(entries)
    body = b"".join(packed[i] for i in ids)
    begin = 127 + len(root)
    head = struct.pack("<7sB11Q4BBB", b"PMTiles", 3, 127, len(root), begin, 0, begin, 0, begin, len(body), len(ids),
                       len(ids), len(ids), 1, 2, 2, 1, 0, MAX_ZOOM)  # fmt: skip
    path.write_bytes(head.ljust(127, b"\0") + root + body)
    return path


def test_points_inside_a_ring_are_on_land_and_no_tile_is_sea(tmp_path: Path) -> None:
    # the north-eastern quarter of the world, land in the middle of it; other quarters have no tile
    coast = Coastline(archive(tmp_path / "land.pmtiles", {(1, 0): square(1024, 1024, 3072, 3072)}))
    lat, lon = np.array([60.0, 60.0, 1.0, -60.0, 60.0]), np.array([90.0, 10.0, 90.0, 90.0, -90.0])
    assert coast.contains(lat, lon).tolist() == [True, False, False, False, False]
    assert coast.contains(np.array([60.0]), np.array([90.0 + 360.0])).tolist() == [True]


def test_another_layer_is_no_land(tmp_path: Path) -> None:
    coast = Coastline(archive(tmp_path / "x.pmtiles", {(1, 0): square(0, 0, 4096, 4096, layer=b"lakes")}))
    assert not coast.contains(np.array([60.0]), np.array([90.0])).any()


def test_numbers_of_tiles_follow_the_curve() -> None:
    assert [tile_number(0, 0, 0)] == [0]
    assert [tile_number(1, x, y) for x, y in ((0, 0), (0, 1), (1, 1), (1, 0))] == [1, 2, 3, 4]
    numbers = {tile_number(4, x, y) for x in range(16) for y in range(16)}
    assert numbers == set(range(85, 85 + 256))
    place = {tile_number(4, x, y): (x, y) for x in range(16) for y in range(16)}
    walk = [place[n] for n in sorted(place)]
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in itertools.pairwise(walk))


@pytest.mark.parametrize("data", [b"", b"PMTiles", b"x" * 200, b"PMTiles\x02" + b"\0" * 200])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "land.pmtiles").write_bytes(data)
    with pytest.raises(ConfigError):
        Coastline(tmp_path / "land.pmtiles")


def test_a_damaged_tile_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "land.pmtiles", {(1, 0): square(0, 0, 4096, 4096)})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ConfigError, match="damaged"):
        Coastline(path).contains(np.array([60.0]), np.array([90.0]))


def test_a_radar_cell_is_land_only_where_all_of_it_is(tmp_path: Path) -> None:
    coast = Coastline(archive(tmp_path / "land.pmtiles", {(1, 0): square(1024, 0, 3072, 4096)}))
    model = SensorModel("r", "radar", 20.0, 45.0, 32_000.0)  # on the meridian where the land begins, to the east
    chart = PdMap()
    chart.mask_coarse(model, coast)
    east, west = chart.land[1:17], chart.land[19:35]
    assert east[:, 1:].all()
    assert not west.any()
    assert not chart.land[35].any()  # the sector that the shore runs through
    assert all(row["coarse_land"] for row in chart.rows(model))


@pytest.mark.skipif(not SHIPPED.is_file(), reason="the page is not built here")
def test_the_shipped_land_is_where_land_is() -> None:
    places = {
        "Manila": (14.6, 121.1, True), "west of Luzon": (15.0, 119.0, False), "Taiwan": (23.8, 121.0, True),
        "Taiwan Strait": (24.5, 119.5, False), "Fuji": (35.36, 138.73, True), "Tokyo Bay": (35.4, 139.8, False),
        "Chukotka, west": (67.0, 179.0, True), "Chukotka, east": (66.5, -179.0, True), "the pole": (89.0, 0.0, False),
    }  # fmt: skip
    lat, lon, land = (np.array(v) for v in zip(*places.values(), strict=True))
    assert Coastline(SHIPPED).contains(lat, lon).tolist() == land.tolist()
