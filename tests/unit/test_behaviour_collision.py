"""Closest points of approach against every pair one by one, anywhere on the globe, and of a pair alone."""

from __future__ import annotations

import numpy as np
import pytest

from kuroshio.behaviour.collision import FASTEST_MPS, LON_M_PER_DEG, closest_approaches
from kuroshio.geo.earth import enu_offset_m

CPA_M, TCPA_S = 500.0, 900.0
SEAS = {
    "Luzon": (14.0, 18.0, 118.0, 122.0),
    "equator": (-1.5, 1.5, 3.0, 6.0),
    "south": (-47.0, -43.0, 165.0, 170.0),
    "antimeridian": (-18.0, -15.0, 178.5, 181.5),
    "antimeridian, north": (64.0, 66.0, 176.0, 184.0),
    "arctic": (77.0, 79.0, 10.0, 24.0),
}


def _fleet(seed: int, sea: str, count: int = 1_200) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    south, north, west, east = SEAS[sea]
    lat, lon = rng.uniform(south, north, count), rng.uniform(west, east, count)
    speed, course = rng.uniform(0.0, 12.0, count), rng.uniform(0.0, 2.0 * np.pi, count)
    return lat, (lon + 180.0) % 360.0 - 180.0, speed * np.sin(course), speed * np.cos(course)


def _one_by_one(lat, lon, ve, vn) -> dict[tuple[int, int], tuple[float, float, float]]:
    found = {}
    for i in range(len(lat)):
        dx, dy = enu_offset_m(lat[i], lon[i], lat[i + 1 :], lon[i + 1 :])
        u, v = ve[i + 1 :] - ve[i], vn[i + 1 :] - vn[i]
        tcpa = -(dx * u + dy * v) / (u * u + v * v)
        cpa = np.hypot(dx + u * tcpa, dy + v * tcpa)
        for k in np.flatnonzero((tcpa > 0.0) & (tcpa <= 1.001 * TCPA_S) & (cpa <= 1.001 * CPA_M)).tolist():
            found[i, i + 1 + k] = float(cpa[k]), float(tcpa[k]), float(np.hypot(dx[k], dy[k]))
    return found


def _found(fleet) -> dict[tuple[int, int], np.ndarray]:
    pairs, values = closest_approaches(*fleet, cpa_m=CPA_M, tcpa_s=TCPA_S)
    assert (pairs[:, 0] < pairs[:, 1]).all()
    found = dict(zip(map(tuple, pairs.tolist()), values, strict=True))
    assert len(found) == len(pairs)  # none twice
    return found


@pytest.mark.parametrize("sea", SEAS)
@pytest.mark.parametrize("seed", range(3))
def test_no_pair_is_missed_and_none_invented(sea: str, seed: int) -> None:
    fleet = _fleet(seed, sea)
    wanted, found = _one_by_one(*fleet), _found(fleet)
    sure = {k for k, (cpa, tcpa, _) in wanted.items() if cpa < 0.999 * CPA_M and tcpa < 0.999 * TCPA_S}
    assert len(sure) > 5
    assert sure <= found.keys()
    assert found.keys() <= wanted.keys()
    for pair in sure:
        np.testing.assert_allclose(found[pair], wanted[pair], rtol=2e-4, atol=0.5)


@pytest.mark.parametrize("sea", ["Luzon", "antimeridian"])
def test_what_is_said_of_a_pair_hangs_on_the_two_alone(sea: str) -> None:
    fleet = _fleet(7, sea)
    for (i, j), values in _found(fleet).items():
        two = tuple(column[[i, j]] for column in fleet)
        np.testing.assert_array_equal(_found(two)[0, 1], values)
    fleet[2][0], fleet[3][0] = 39.0, 0.0  # one much faster than all
    faster = _found(fleet)
    assert all((faster[k] == v).all() for k, v in _found(_fleet(7, sea)).items() if 0 not in k)


def test_a_pair_closing_faster_than_any_ship_is_found_near_by_only() -> None:
    def met(apart_m: float) -> int:
        lon = np.array([10.0, 10.0 + apart_m / LON_M_PER_DEG])
        speed = np.array([FASTEST_MPS, -FASTEST_MPS])
        return len(closest_approaches(np.zeros(2), lon, speed, np.zeros(2), cpa_m=CPA_M, tcpa_s=TCPA_S)[0])

    assert met(0.99 * FASTEST_MPS * TCPA_S) == 1
    assert met(1.10 * FASTEST_MPS * TCPA_S) == 0


def test_one_ship_or_none_meets_nobody() -> None:
    for count in (0, 1):
        pairs, values = closest_approaches(*(np.zeros(count) for _ in range(4)), cpa_m=CPA_M, tcpa_s=TCPA_S)
        assert pairs.shape == (0, 2)
        assert values.shape == (0, 3)
