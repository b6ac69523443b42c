"""Geodesy against published geodesics and against itself."""

import numpy as np
import pytest

from kuroshio import geo
from kuroshio.geo import earth

# Vincenty 1975 / Geoscience Australia's example: Flinders Peak to Buninyong on an ellipsoid close to WGS 84.
FLINDERS = (-37.95103341666667, 144.42486788888888)
BUNINYONG = (-37.65282113888889, 143.92649552777777)


def test_published_line():
    assert geo.distance_m(*FLINDERS, *BUNINYONG) == pytest.approx(54972.271, abs=2.0)
    lat, lon = geo.destination(*FLINDERS, 306.86815920333333, 54972.271)
    assert geo.distance_m(lat, lon, *BUNINYONG) < 0.05


def test_quarter_meridian():
    assert geo.distance_m(0.0, 0.0, 90.0, 0.0) == pytest.approx(10_001_965.7, rel=1e-5)


def test_offsets_return_and_cross_the_antimeridian():
    lat, lon = geo.offset_position(20.0, 179.99, 5000.0, -3000.0)
    assert -180 <= lon < -179.9
    assert np.allclose(geo.enu_offset_m(20.0, 179.99, lat, lon), (5000.0, -3000.0), atol=0.5)


def test_arrays_broadcast():
    lat, lon = geo.destination(np.full(3, 18.0), np.full(3, 121.0), np.array([0.0, 90.0, 200.0]), 40_000.0)
    assert np.allclose(geo.distance_m(18.0, 121.0, lat, lon), 40_000.0, rtol=1e-5)
    assert np.allclose(geo.bearing_deg(18.0, 121.0, lat, lon), [0.0, 90.0, 200.0], atol=0.01)


def test_horizon_of_a_hill_and_a_mast():
    assert geo.radio_horizon_m(200.0, 15.0) == pytest.approx(74_200.0, rel=0.01)


def test_the_meridian_is_the_sum_of_its_degrees() -> None:
    for lat in (-90.0, -33.3, 0.0, 12.5, 60.0, 89.9, 90.0):
        at = np.linspace(0.0, lat, 200_001)
        middle = 0.5 * (at[1:] + at[:-1])
        assert earth.meridian_m(lat) == pytest.approx(
            (earth.metres_per_degree(middle)[1] * np.diff(at)).sum(), abs=1e-4
        )
