"""Near pairs of one time step, held against every pair one by one; what stands in evidence, against an encoder."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kuroshio.behaviour.evidence import as_json
from kuroshio.behaviour.index import two_key_order
from kuroshio.behaviour.near import Search
from kuroshio.geo.earth import enu_offset_m

LIMIT_M, SLOW_MPS = 500.0, 1.0


def _points(seed: int, steps: list[int], lon_deg: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ships in order of slot and step, a third of them at speed, on a few kilometres about a meridian; marks of new."""
    rng = np.random.default_rng(seed)
    ships = 60
    ints = np.asarray([(s, b, 200_000_000 + s) for s in range(ships) for b in steps], np.int64)
    n = len(ints)
    lon = (lon_deg + rng.uniform(-0.02, 0.02, n) + 180.0) % 360.0 - 180.0
    floats = np.column_stack([rng.uniform(59.99, 60.01, n), lon, np.where(rng.random(n) < 0.3, 5.0, 0.3)])
    return ints, floats, rng.random(n) < 0.3


def _one_by_one(ints: np.ndarray, floats: np.ndarray, new: np.ndarray, track: np.ndarray) -> list[list[int]]:
    found = []
    for i in range(len(ints)):
        for j in range(i):
            if ints[i, 1] != ints[j, 1] or not (new[i] or new[j]) or max(floats[i, 2], floats[j, 2]) > SLOW_MPS:
                continue
            a, b = (i, j) if track[ints[i, 0]] < track[ints[j, 0]] else (j, i)
            if np.hypot(*enu_offset_m(floats[a, 0], floats[a, 1], floats[b, 0], floats[b, 1])) <= LIMIT_M:
                found.append([int(ints[a, 0]), int(ints[b, 0]), int(ints[a, 1])])
    return sorted(found)


@pytest.mark.parametrize("lon_deg", [10.0, 180.0])
@pytest.mark.parametrize("steps", [[7], [7, 8, 9, 31], [5, 5 + 4096, 6 + 2 * 4096]])
def test_every_near_pair_with_a_new_point_is_found_once(steps: list[int], lon_deg: float) -> None:
    """Steps whose last bits are the same share a table, and are not taken for one another."""
    search, track = Search(LIMIT_M, SLOW_MPS), np.random.default_rng(1).permutation(60).astype(np.int64)
    some = 0
    for seed in range(6):
        ints, floats, new = _points(seed, steps, lon_deg)
        wanted = _one_by_one(ints, floats, new, track)
        assert search.pairs(ints, floats, 0, new, track).tolist() == wanted
        some += len(wanted)
    assert some > 64  # more than there is room for at first: the search goes on in the middle of a step


def test_old_points_before_a_row_are_met_by_new_ones_after_it() -> None:
    ints, floats, _ = _points(3, [4], 10.0)
    begin = len(ints) // 2
    new = np.arange(len(ints)) >= begin
    track = np.arange(60)
    found = Search(LIMIT_M, SLOW_MPS).pairs(ints, floats, begin, new[begin:], track)
    assert found.tolist() == _one_by_one(ints, floats, new, track)


def test_no_new_point_is_slow() -> None:
    ints, floats, new = _points(2, [4, 5], 10.0)
    floats[new, 2] = 5.0
    assert not len(Search(LIMIT_M, SLOW_MPS).pairs(ints, floats, 0, new, np.arange(60)))


@pytest.mark.parametrize("width", [3, 1 << 20, 1 << 61])
def test_order_by_two_columns_whatever_room_they_need(width: int) -> None:
    rng = np.random.default_rng(width % 97)
    for n in (1, 2, 3, 200):
        first, second = rng.integers(-width, width, (2, n))
        order = two_key_order(first, second)
        assert sorted(order.tolist()) == list(range(n))
        expected = np.lexsort((second, first))
        assert (first[order] == first[expected]).all()
        assert (second[order] == second[expected]).all()


@pytest.mark.parametrize(
    "value", ["plain", 'a "quoted"\\ \n\t\x01 \x7f é 海', "", None, True, 3, -0.1, 1e300, [1, None], {"b": 1, "a": "x"}]
)
def test_evidence_is_written_as_an_encoder_writes_it(value: object) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert as_json(value) == expected
