"""Rows of ships by period and place: brought down to one each in any portions, and taken back for some ships alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kuroshio import behaviour, clock
from kuroshio.behaviour.detector import Surroundings
from kuroshio.behaviour.names import Names
from kuroshio.behaviour.state import Batch, Fact, Marks
from kuroshio.behaviour.tally import TallyDetector


class Kept(TallyDetector):
    """Says nothing; what was judged is looked at."""

    def judge(self, period: int, rows: Any, out: list[tuple[int, Fact]]) -> None:
        """Nothing."""

    def tally(self, batch: Batch) -> Any:
        """The rows of the test stand for the batch."""
        return batch


def detector() -> Kept:
    one = Kept(behaviour.load_definitions()["gnss_interference"], Surroundings())
    one.repairs = True
    return one


def some(seed: int, n: int) -> Any:
    rng = clock.generator(seed)
    columns = [(0, 4), (-1, 3), (100, 110), (0, 5), (0, 2)]
    return np.stack([rng.integers(low, high, n) for low, high in columns], axis=1)


def one_each(rows: Any) -> dict[tuple[int, ...], tuple[int, int]]:
    """The greatest track and mark of each (period, place, ship), as one would write it."""
    worst: dict[tuple[int, ...], tuple[int, int]] = {}
    for *key, track, mark in rows.tolist():
        old = worst.get(tuple(key), (-1, -1))
        worst[tuple(key)] = max(old[0], track), max(old[1], mark)
    return dict(sorted(worst.items()))


def told(rows: Any) -> dict[tuple[int, ...], tuple[int, int]]:
    result = {tuple(key): (track, mark) for *key, track, mark in rows.tolist()}
    assert len(result) == len(rows), "a key twice"
    assert list(result) == sorted(result), "not in order"
    return result


@pytest.mark.parametrize("seed", range(30))
def test_rows_in_any_portions_come_down_to_one_a_ship_place_and_period(seed: int) -> None:
    rng, mine = clock.generator(seed), detector()
    parts = [some(1000 * seed + k, int(rng.integers(0, 60))) for k in range(6)]
    for rows in parts:
        mine.step(rows, [])
        if rng.random() < 0.5:
            mine.arrays()
    assert told(mine.arrays()["rows"]) == one_each(np.concatenate(parts))


@pytest.mark.parametrize("seed", range(30))
def test_going_back_for_some_ships_keeps_the_rows_of_all_others(seed: int) -> None:
    """Rows of marked ships since an older state are dropped, those of others stay, judged or not."""
    names, mine = Names(), detector()
    names.locate(np.arange(10), np.arange(100, 110), np.zeros(10, np.bool_))
    numbers = clock.generator(seed).random(10) < 0.3
    first, second = some(seed, 40), some(seed + 500, 40)
    mine.step(first[first[:, 0] >= 1], [])
    mine.advance(1 * mine.period_us, [])
    older = detector()
    older.take_from(mine)
    mine.step(second[second[:, 0] >= 1], [])
    mine.advance(3 * mine.period_us, [])
    assert len(mine.judged)
    none = np.zeros(0, np.int64)
    marks = Marks(none, np.flatnonzero(numbers), np.zeros(10, np.bool_), numbers, names, 0)
    assert mine.rewind(older, marks)
    ships = (second[:, 1] >= 0) & np.isin(second[:, 2], 100 + np.flatnonzero(numbers))
    both = np.concatenate([first, second[~ships]])
    assert told(mine.arrays()["rows"]) == one_each(both[both[:, 0] >= 1])
    assert mine.over == 1
    again: list[tuple[int, Fact]] = []
    mine.advance(3 * mine.period_us, again)
    assert set(mine.judged[:, 0].tolist()) <= {1, 2}
    assert set(mine.rows[:, 0].tolist()) <= {3}
