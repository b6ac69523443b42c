"""A window of points: whatever is put in, forgotten and dropped, every point is found by ship and step; near pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kuroshio import clock
from kuroshio.behaviour.near import Search
from kuroshio.behaviour.points import Points, places
from kuroshio.geo.earth import enu_offset_m

_SHIPS = 40


def _found(window: Points, slot: int, step: int) -> int:
    out = np.empty(1, np.int64)
    places(np.asarray([[slot, 0, step]]), window.pointers(_SHIPS), window.ints, out)
    return int(out[0])


def _check(window: Points, expected: dict[tuple[int, int], float]) -> None:
    assert window.count == len(expected)
    for (slot, step), lat in expected.items():
        row = _found(window, slot, step)
        assert row >= 0
        assert window.ints[row].tolist()[:2] == [slot, step]
        assert window.floats[row, 0] == lat
    assert _found(window, 3, 10_000) == -1
    assert _found(window, 3, -1) == -1


@pytest.mark.parametrize("seed", range(20))
def test_points_are_found_whatever_is_put_in_and_let_go_of(seed: int) -> None:
    rng, window = clock.generator(seed), Points()
    expected: dict[tuple[int, int], float] = {}
    for turn in range(40):
        count = int(rng.choice([0, 1, 5, 30, 400]))
        new = {(int(s), int(rng.integers(turn * 5, turn * 5 + 30))) for s in rng.integers(0, _SHIPS, count)}
        keys = sorted(new - set(expected))
        if keys:
            ints = np.asarray([(s, b, 7) for s, b in keys], np.int64)
            floats = rng.random((len(keys), 3))
            begin, fresh = window.put(ints, floats)
            expected |= {key: float(f[0]) for key, f in zip(keys, floats, strict=True)}
            marked = window.ints[begin:][fresh]
            assert [(s, b) for s, b, _ in marked.tolist()] == keys
        change = rng.random()
        if change < 0.1:
            window.forget(turn * 5)
            expected = {key: v for key, v in expected.items() if key[1] >= turn * 5}
        elif change < 0.2:
            mine = rng.random(_SHIPS) < 0.2
            ints, floats = window.of(mine)
            assert {(s, b): v for (s, b, _), v in zip(ints.tolist(), floats[:, 0], strict=True)} == {
                key: v for key, v in expected.items() if mine[key[0]]
            }
            window.drop(mine)
            expected = {key: v for key, v in expected.items() if not mine[key[0]]}
        elif change < 0.3:
            window.join()
            assert window.ints[:, :2].tolist() == [list(key) for key in sorted(expected)]
        _check(window, expected)


def _brute(ints: Any, floats: Any, fresh: Any, limit_m: float, fastest: float) -> set[tuple[int, int, int]]:
    pairs = set()
    for i in range(len(ints)):
        for j in range(len(ints)):
            a, b = ints[i, 0], ints[j, 0]
            if a >= b or ints[i, 1] != ints[j, 1] or not (fresh[i] or fresh[j]) or max(floats[[i, j], 2]) > fastest:
                continue
            east, north = enu_offset_m(floats[i, 0], floats[i, 1], floats[j, 0], floats[j, 1])
            if np.hypot(east, north) <= limit_m:
                pairs.add((int(a), int(b), int(ints[i, 1])))
    return pairs


@pytest.mark.parametrize("seed", range(12))
def test_near_pairs_of_new_points_are_those_that_every_pair_looked_at_gives(seed: int) -> None:
    rng = clock.generator(seed)
    search, window = Search(500.0, 1.0), Points()
    lat0, lon0 = (10.0, 180.0) if seed % 2 else (-60.0, 30.0)
    track = np.arange(_SHIPS)
    for turn in range(4):
        keys = [(s, turn * 4100 + b) for s in range(_SHIPS) for b in range(2) if rng.random() < 0.6]
        ints = np.asarray([(s, b, 1) for s, b in keys], np.int64)
        lon = lon0 + rng.uniform(-0.02, 0.02, len(keys))
        floats = np.column_stack([lat0 + rng.uniform(-0.01, 0.01, len(keys)), lon, rng.uniform(0, 1.3, len(keys))])
        floats[:, 1] = (floats[:, 1] + 180.0) % 360.0 - 180.0
        begin, fresh = window.put(ints, floats)
        every = np.zeros(window.count, np.bool_)
        every[begin:] = fresh
        found = search.pairs(window.ints, window.floats, begin, fresh, track)
        told = {tuple(row) for row in found.tolist()}
        assert len(told) == len(found)
        assert told == _brute(window.ints, window.floats, every, 500.0, 1.0)
        assert told, "nothing to find"
