"""States under a delay: each goes when it is old enough, of each track the first of each sixtieth of the delay."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.exchange.ageing import HELD_STEPS, Ageing
from kuroshio.exchange.columns import int64_of
from kuroshio.exchange.outlet import Outlet
from kuroshio.schema import TRACKS, Obligations

S = 1_000_000
DELAY = 60 * S
STEP = DELAY // HELD_STEPS
T0 = 1_790_000_000 * S // STEP * STEP


def rows(ids: list[int], at_us: list[int]) -> pa.Table:
    count = len(ids)
    return TRACKS.build(
        {
            "track_id": ids, "observed_at": np.array(at_us, "datetime64[us]"), "lat_deg": [14.0] * count,
            "lon_deg": [120.0] * count, "status": ["confirmed"] * count,
        },
        rows=count,
    )  # fmt: skip


def pairs(table: pa.Table) -> set[tuple[int, int]]:
    return set(zip(table["track_id"].to_pylist(), int64_of(table, "observed_at").tolist(), strict=True))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4 * STEP), st.booleans()), max_size=40))
def test_what_goes_is_what_is_old_enough(moves: list[tuple[int, int, bool]]) -> None:
    """Against a plain list; a look changes nothing, and nothing goes twice."""
    ageing, now_us = Ageing(DELAY, 1_000), T0
    waiting: list[tuple[int, int]] = []
    gone: set[tuple[int, int]] = set()
    for track, wait_us, one in moves:
        now_us += wait_us
        new = [(track, now_us), (track + 10, now_us - DELAY - 1)] if one else []
        table = rows([i for i, _ in new], [at for _, at in new])
        look = pairs(ageing.copy().age(table, now_us))
        found = pairs(ageing.age(table, now_us))
        assert look == found
        for i, at in new[:1]:  # the other is old enough already: it goes as it comes
            if not any(i == j and at // STEP == other // STEP for j, other in waiting):
                waiting.append((i, at))
        expected = {(i, at) for i, at in waiting if at <= now_us - DELAY} - gone | set(new[1:])
        assert found == expected
        gone |= found
    assert len(ageing) == len([1 for i, at in waiting if (i, at) not in gone])


def test_what_could_not_go_is_kept_as_the_newest_of_each_track() -> None:
    ageing = Ageing(DELAY, 1_000)
    ageing.age(rows([1, 2], [T0, T0]), T0)
    ageing.age(rows([1], [T0 + 5 * S]), T0 + 5 * S)
    ageing.put_back(ageing.age(rows([], []), T0 + 62 * S))
    ageing.put_back(ageing.age(rows([], []), T0 + 70 * S))
    assert pairs(ageing.age(rows([], []), T0 + 71 * S)) == {(1, T0 + 5 * S), (2, T0)}
    assert len(ageing) == 0


def test_rows_kept_have_a_limit_and_are_counted() -> None:
    ageing = Ageing(DELAY, 10)
    for step in range(4):
        ageing.age(rows([1, 2, 3, 4], [T0 + step * STEP] * 4), T0 + step * STEP)
    assert (len(ageing), ageing.dropped) == (8, 8)


def test_what_grew_old_goes_in_parts_a_link_takes_oldest_first() -> None:
    """After a pause all that is due was one release, however thin the link."""
    outlet, terms = Outlet("JPN", bytes(32)), Obligations(delay_s=60)
    assert outlet.due(rows(list(range(10)), [T0 + i * S for i in range(10)]), terms, T0 + 10 * S).num_rows == 0
    later, gone = T0 + 200 * S, list[int]()
    for part in (4, 4, 2, 0):
        due = outlet.due(rows([], []), terms, later, most=4)
        assert due.num_rows == part
        assert outlet.counters["held"] == 10 - len(gone) - part
        gone += sorted(due["track_id"].to_pylist())
    assert gone == list(range(10))
    newer = outlet.due(rows([3], [T0 + 100 * S]), terms, later, most=4)  # and what comes anew goes as before
    assert pairs(newer) == {(3, T0 + 100 * S)}
