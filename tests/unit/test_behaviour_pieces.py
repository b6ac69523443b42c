"""The piece of way to each row against the same told one row at a time, and wherever a batch ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from kuroshio.behaviour.pieces import pieces
from kuroshio.geo.earth import distance_m, enu_offset_m

SHIPS = 7


def _rows(seed: int, count: int) -> tuple[np.ndarray, ...]:
    """Rows in order (track, time): most steps short, some across +-180, near a pole, of many degrees, of no time."""
    rng = np.random.default_rng(seed)
    slot = np.sort(rng.integers(0, SHIPS, count))
    t = np.cumsum(rng.choice([0, 1, 30_000_000], count))
    lat = np.array([0.0, 35.0, -60.0, 69.99, 70.01, 89.9, -33.0])[slot] + rng.normal(0.0, 0.01, count)
    lon = np.array([0.0, 139.0, 180.0, -180.0, 10.0, 20.0, 151.0])[slot] + rng.normal(0.0, 0.01, count)
    far = rng.random(count) < 0.02
    lat[far] = rng.uniform(-89.0, 89.0, far.sum())
    lon = (lon + far * rng.uniform(-180.0, 180.0, count) + 180.0) % 360.0 - 180.0
    who = np.where(rng.random(count) < 0.1, slot + SHIPS, slot)
    mmsi = np.where(rng.random(count) < 0.2, -1, 200_000_000 + who)
    return slot, t, np.clip(lat, -89.99, 89.99), lon, mmsi, who


def _fresh() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ints = np.zeros((SHIPS, 3), np.int64)
    ints[:, 2] = -1
    return ints, np.zeros((SHIPS, 2)), np.full((2 * SHIPS, 1), -(1 << 61))


def _told(rows: tuple[np.ndarray, ...], state: tuple[np.ndarray, ...], cuts: list[int]) -> list[np.ndarray]:
    parts = []
    for a, b in pairwise(cuts):
        n = b - a
        out = [np.empty(n, np.int64), *(np.empty(n) for _ in range(4)), np.empty(n, np.int64)]
        k = pieces(*(c[a:b] for c in rows), *state, *out)
        parts.append([*out[:5], out[5][:k] + a])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_pieces_equal_the_way_from_row_to_row(seed: int) -> None:
    rows = slot, t, lat, lon, mmsi, who = _rows(seed, 5_000)
    dt, step, speed, la0, lo0, linked = _told(rows, _fresh(), [0, 5_000])
    last: dict[int, int] = {}
    claim: dict[int, int] = {}
    changed = []
    for i in range(len(slot)):
        before = last.get(slot[i])
        if before is None:
            assert (dt[i], step[i]) == (-1, 0.0)
            assert np.isnan(speed[i])
        else:
            assert dt[i] == t[i] - t[before]
            assert (la0[i], lo0[i]) == (lat[before], lon[before])
            near = max(abs(lat[i] - la0[i]), abs(lon[i] - lo0[i])) < 0.2 and abs(lat[i]) < 70.0
            ends = la0[i], lo0[i], lat[i], lon[i]
            wanted = np.hypot(*enu_offset_m(*ends)) if near else distance_m(*ends)
            assert step[i] == pytest.approx(wanted, rel=1e-12 if near else 1e-9, abs=1e-9)  # tangents near a pole
            assert speed[i] == pytest.approx(step[i] / (dt[i] * 1e-6), rel=1e-12) if dt[i] else np.isnan(speed[i])
        if mmsi[i] >= 0:
            if claim.get(slot[i], -1) != who[i]:
                changed.append(i)
            claim[slot[i]] = who[i]
        last[slot[i]] = i
    assert linked.tolist() == changed


@pytest.mark.parametrize("seed", range(4))
def test_pieces_do_not_depend_on_where_a_batch_ends(seed: int) -> None:
    rows = _rows(seed, 5_000)
    states = _fresh(), _fresh()
    cuts = [0, *np.sort(np.random.default_rng(seed + 100).integers(0, 5_000, 9)).tolist(), 5_000]
    for one, two in zip(_told(rows, states[0], [0, 5_000]), _told(rows, states[1], cuts), strict=True):
        np.testing.assert_array_equal(one, two)
    for one, two in zip(*states, strict=True):
        np.testing.assert_array_equal(one, two)
