"""Zones against GEOS: random points, points on edges and corners, holes, the antimeridian; crossings and distances."""

from __future__ import annotations

import json
import os
from itertools import pairwise

import numpy as np
import pytest
import shapely

from kuroshio.errors import ConfigError
from kuroshio.geo.polygon import UNITS_PER_DEG, crossings, edge_distance_m, edge_fraction, in_zone
from kuroshio.geo.zones import Zone, Zones, load_zones, to_units

POINTS = int(os.environ.get("KUROSHIO_POINTS", "300000"))


def feature(coordinates, name="a", kind="custom", shape="Polygon", **properties):
    return {
        "type": "Feature",
        "properties": {"name": name, "kind": kind, **properties},
        "geometry": {"type": shape, "coordinates": coordinates},
    }


def star(rng, corners, lon, lat, radius):
    angle = (np.arange(corners) + rng.uniform(0, 0.9, corners)) * 2 * np.pi / corners
    r = radius * rng.uniform(0.5, 1, corners)
    ring = np.stack([lon + r * np.cos(angle), lat + r * np.sin(angle)], axis=1)
    return np.round(np.vstack([ring, ring[:1]]), 7)


def geos(parts):
    shape = shapely.union_all([shapely.Polygon(np.rint(p[0] * 1e7), [np.rint(h * 1e7) for h in p[1:]]) for p in parts])
    shapely.prepare(shape)
    return shape


@pytest.mark.parametrize("corners", [4, 40, 2000])
def test_random_points_agree_with_geos(rng, corners):
    outer = star(rng, corners, 121, 18, 5)
    hole = np.stack([121 + 0.4 * np.cos(np.linspace(0, 6.28, 30)), 18 + 0.4 * np.sin(np.linspace(0, 6.28, 30))], axis=1)
    hole = np.round(np.vstack([hole[:-1], hole[:1]]), 7)
    zones = Zones([Zone("a", "a", "custom", ((outer, hole),))])
    lon, lat = np.round(rng.uniform(115, 127, POINTS), 7), np.round(rng.uniform(12, 24, POINTS), 7)
    x, y = to_units(lat, lon)
    expected = shapely.intersects_xy(geos([(outer, hole)]), x, y)
    assert 0.05 < expected.mean() < 0.95
    assert int((zones.contains(0, lat, lon) != expected).sum()) == 0


@pytest.mark.parametrize("count", [0, 1, 7, 4_095, 4_096, 4_097, 8_201])
def test_any_number_of_points_and_points_nowhere_get_the_answer_of_one_alone(rng, count):
    ring = star(rng, 200, 121, 18, 2)
    zones = Zones([Zone("a", "a", "custom", ((ring,), (ring + np.array([5.0, 0.0]),)))])
    corner = ring[rng.integers(0, len(ring), count)] + rng.choice([0.0, 5.0], (count, 1)) * [1.0, 0.0]
    lon, lat = np.where(rng.random((count, 1)) < 0.5, corner, rng.uniform([118, 15], [128, 21], (count, 2))).T
    lat[rng.random(count) < 0.02] = np.nan
    lon[rng.random(count) < 0.02] = np.inf
    got = zones.contains(0, lat, lon)
    known = np.isfinite(lat) & np.isfinite(lon)
    x, y = to_units(lat[known], lon[known])
    assert got[known].tolist() == [bool(in_zone(zones.index, 0, a, b)) for a, b in zip(x, y, strict=True)]
    assert not got[~known].any()


def test_points_on_and_beside_edges_and_corners_agree_with_geos(rng):
    outer = star(rng, 60, 121, 18, 0.01)
    zones = Zones([Zone("a", "a", "custom", ((outer,),))])
    ring = np.rint(outer * UNITS_PER_DEG).astype(np.int64)
    near = np.concatenate([ring[:, None, :] + np.asarray([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]])]).reshape(-1, 2)
    on_edges = [(a * (8 - k) + b * k) // 8 for a, b in pairwise(ring) for k in range(9)]
    box = np.stack(
        np.meshgrid(
            np.arange(ring[:, 0].min(), ring[:, 0].max(), 997), np.arange(ring[:, 1].min(), ring[:, 1].max(), 991)
        ),
        -1,
    )
    points = np.concatenate([near, np.asarray(on_edges), box.reshape(-1, 2)])
    expected = shapely.intersects_xy(geos([(outer,)]), points[:, 0].astype(float), points[:, 1].astype(float))
    got = zones.contains(0, points[:, 1] / 1e7, points[:, 0] / 1e7)
    assert int((got != expected).sum()) == 0


def test_steep_and_level_edges_agree_with_geos():
    ring = np.asarray([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [3, 2], [3, 3], [0, 3], [0, 0]], float) * 0.01
    zones = Zones([Zone("a", "a", "custom", ((ring,),))])
    grid = np.stack(np.meshgrid(np.arange(-5, 36), np.arange(-5, 36)), -1).reshape(-1, 2) * 1e-3
    expected = shapely.intersects_xy(geos([(ring,)]), *np.rint(grid * 1e7).T)
    assert np.array_equal(zones.contains(0, grid[:, 1], grid[:, 0]), expected)


def test_across_the_antimeridian_in_every_form(rng):
    forms = [
        feature([[[178, 10], [-178, 10], [-178, 14], [178, 14], [178, 10]]], "jumps"),
        feature([[[178, 10], [182, 10], [182, 14], [178, 14], [178, 10]]], "runs on"),
        feature([[[-182, 10], [-178, 10], [-178, 14], [-182, 14], [-182, 10]]], "begins before"),
        feature(
            [
                [[[178, 10], [180, 10], [180, 14], [178, 14], [178, 10]]],
                [[[-180, 10], [-178, 10], [-178, 14], [-180, 14], [-180, 10]]],
            ],
            "cut",
            shape="MultiPolygon",
        ),
    ]
    zones = load_zones({"type": "FeatureCollection", "features": forms})
    lon = np.concatenate([rng.uniform(176, 184, 5000), [180, -180, 178, -178, 177.9999999, -177.9999999]])
    lat = np.concatenate([rng.uniform(9, 15, 5000), [12] * 6])
    wrapped = np.round((lon + 180) % 360 - 180, 7)
    wrapped[-6:] = lon[-6:]
    expected = (np.abs(((np.round(wrapped, 7) - 180 + 180) % 360) - 180) <= 2) & (lat >= 10) & (lat <= 14)
    for k in range(4):
        assert np.array_equal(zones.contains(k, lat, wrapped), expected), forms[k]["properties"]["name"]
    ptr, zone = zones.members(lat, wrapped)
    assert np.array_equal(np.diff(ptr), np.where(expected, 4, 0))
    assert (
        [z.name for z in zones.at(12.0, 180.0)]
        == [z.name for z in zones.at(12.0, -180.0)]
        == ["jumps", "runs on", "begins before", "cut"]
    )
    assert list(zone[:4]) == [0, 1, 2, 3]


def test_many_zones_agree_with_geos(rng):
    stars = [star(rng, 25, lon, lat, 1.5) for lon, lat in rng.uniform([112, 12], [128, 24], (40, 2))]
    zones = Zones([Zone(str(k), str(k), "custom", ((s,),)) for k, s in enumerate(stars)])
    lon, lat = np.round(rng.uniform(110, 130, 20000), 7), np.round(rng.uniform(10, 26, 20000), 7)
    x, y = to_units(lat, lon)
    ptr, zone = zones.members(lat, lon)
    got = np.zeros((len(lat), 40), bool)
    got[np.repeat(np.arange(len(lat)), np.diff(ptr)), zone] = True
    for k, s in enumerate(stars):
        assert np.array_equal(got[:, k], shapely.intersects_xy(geos([(s,)]), x, y))


def test_crossings_and_first_exit_and_last_entry():
    zones = load_zones(feature([[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]))
    u = UNITS_PER_DEG
    out = np.empty(16)
    assert crossings(zones.index, 0, -1.0 * u, 0.5 * u, 2.0 * u, 0.5 * u, out) == 2
    assert out[:2] == pytest.approx([1 / 3, 2 / 3])
    assert edge_fraction(zones.index, 0, -1.0 * u, 0.5 * u, 0.5 * u, 0.5 * u, True, out) == pytest.approx(2 / 3)
    assert edge_fraction(zones.index, 0, 0.5 * u, 0.5 * u, 2.5 * u, 0.5 * u, False, out) == pytest.approx(0.25)
    assert edge_fraction(zones.index, 0, 5.0 * u, 5.0 * u, 6.0 * u, 5.0 * u, True, out) == -1
    assert in_zone(zones.index, 0, 0.5 * u, 0.5 * u)
    assert edge_distance_m(zones.index, 0, 0.5 * u, 1.001 * u, 1e6) == pytest.approx(110.6, abs=0.1)
    assert edge_distance_m(zones.index, 0, 0.5 * u, 40.0 * u, 500.0) == 500.0


def test_line_with_buffer_is_a_corridor():
    zones = load_zones(feature([[120, 20], [120.1, 20]], "cable", "cable", "LineString", buffer_m=1852.0))
    assert zones.contains(0, [20.016, 20.017, 19.984], [120.05, 120.05, 120.05]).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "Point"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}, "not closed"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 95], [1, 1], [0, 0]]]}}, "latitude"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[-100, 80], [20, 80], [140, 80], [-100, 80]]]}}, "pole"),
        ({"properties": {"name": "x", "kind": "swimming"}}, "swimming"),
        ({"properties": {}}, "name"),
        ({"type": "Thing"}, "Feature"),
    ],
)
def test_bad_zones_are_refused_with_the_place(tmp_path, change, message):
    path = tmp_path / "z.geojson"
    good = feature([[[0, 0], [1, 0], [1, 1], [0, 0]]])
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [good | change]}))
    with pytest.raises(ConfigError, match=message) as caught:
        load_zones(path)
    assert "feature 0" in str(caught.value)


def test_same_reference_twice_and_unreadable_files_are_refused(tmp_path):
    good = feature([[[0, 0], [1, 0], [1, 1], [0, 0]]])
    with pytest.raises(ConfigError, match="twice"):
        load_zones(good, good)
    (tmp_path / "a.geojson").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_zones(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"no file of .* in this folder"):
        load_zones(tmp_path / "empty")


def test_a_zone_holds_within_its_time_only():
    ring = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    always, once = Zone("a", "a", "custom", ((ring,),)), Zone("o", "o", "custom", ((ring,),), 100, 200)
    lat, lon = np.full(5, 0.5), np.array([0.5, 0.5, 0.5, 0.5, 3.0])
    at_us = np.array([99, 100, 199, 200, 150])
    ptr, zone = Zones([always, once]).members_at(lat, lon, at_us)
    assert [zone[a:b].tolist() for a, b in pairwise(ptr.tolist())] == [[0], [0, 1], [0, 1], [0], []]
    every = Zones([always]).members_at(lat, lon, at_us)
    for got, wanted in zip(every, Zones([always]).members(lat, lon), strict=True):
        np.testing.assert_array_equal(got, wanted)
