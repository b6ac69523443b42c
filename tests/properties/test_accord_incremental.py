"""What is remembered between batches, or between moments, changes no decision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio import accord, clock
from kuroshio.accord.attributes import normalise
from kuroshio.accord.hop import make_hop
from kuroshio.accord.interpret import interpret
from kuroshio.testing.accord_laws import make_case, world

SEEDS = st.integers(0, 2**32 - 1)
START, END = clock.parse_rfc3339("2019-06-01"), clock.parse_rfc3339("2027-06-01")


@settings(max_examples=10)
@given(SEEDS)
def test_batches_one_after_another_equal_each_alone(seed):
    case = make_case(clock.generator(seed), 60)
    live = accord.Incremental(case.book, case.releaser, case.to)
    moment = world.NOW_US
    for start in range(0, 60, 20):
        batch = case.table.slice(start, 20)
        found = live.evaluate(batch, valid_at_us=moment)
        alone = case.book.evaluate_table(batch, releaser=case.releaser, to=case.to, valid_at_us=moment)
        assert np.array_equal(found.effect, alone.effect)
        for row in range(batch.num_rows):
            for to in case.to:
                assert found.at(row, to) == alone.at(row, to)
        assert found.counts()["effect"] == alone.counts()["effect"]
        moment += 3_600_000_000
    before = live.judged
    live.evaluate(case.table.slice(40, 20), valid_at_us=moment - 3_600_000_000)
    assert live.judged == before, "the same kinds again are not judged again"


@settings(max_examples=15)
@given(SEEDS, st.lists(st.integers(START, END), min_size=4, max_size=4), st.integers(START, END))
def test_moments_between_two_changes_are_alike(seed, moments, known):
    case = make_case(clock.generator(seed), 3)
    for at in moments:
        for item in case.items:
            to = case.to[0]
            kept = case.book.evaluate(item, releaser=case.releaser, to=to, valid_at_us=at, known_at_us=known)
            fresh = make_hop(
                case.book.content,
                from_=case.releaser,
                to=to,
                valid_at_us=at,
                known_at_us=known,
                digest=case.book.rules_digest,
            )
            assert kept == interpret(fresh, normalise(case.book.content, item, valid_at_us=at))
        after = case.book.next_change_us(at)
        assert after is None or after > at


def test_a_change_of_status_is_noticed_at_once():
    status = [
        {"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01"},
        {"state": "suspended", "from": "2026-06-15", "recorded": "2026-06-15"},
    ]
    plain = world.random_plain(clock.generator(1))
    accord_plain = {**plain["accords"][0], "id": "X", "parties": ["AAA", "BBB"], "status": status}
    accord_plain["clauses"] = [{"id": "p", "effect": "permit"}]
    accord_plain.pop("requires", None)
    accord_plain.pop("equivalence", None)
    book = world.book_of({"accords": [accord_plain]})
    item = {"kind": "information", "subject": "vessel", "originator": "AAA", "level": "U"}
    live = accord.Incremental(book, "AAA", ["BBB"])
    change = clock.parse_rfc3339("2026-06-15")
    before = live.evaluate(world.table_of([{**item, "item_id": "1"}]), valid_at_us=change - 1)
    after = live.evaluate(world.table_of([{**item, "item_id": "1"}]), valid_at_us=change)
    assert (before.effect[0, 0], after.effect[0, 0]) == (0, 2)


def test_orders_on_a_table_equal_those_on_each_thing():
    book = accord.load(accord.sample_paths())
    rng = clock.generator(3)
    now = clock.parse_rfc3339("2026-11-22")
    items = [
        {
            "item_id": str(i),
            "kind": "information",
            "subject": str(rng.choice(["vessel", "alert", "pattern", "nonsense"])),
            "originator": "PHL",
            "level": str(rng.choice(["U", "R", "C"])),
            "purpose": "maritime_safety",
        }
        for i in range(80)
    ]
    to = ["JPN", "USA", "KOR"]
    found = book.ordered_table(world.table_of(items), releaser="PHL", to=to, valid_at_us=now)
    for row, item in enumerate(items):
        for j, party in enumerate(to):
            single = book.ordered(item, releaser="PHL", to=party, valid_at_us=now)
            assert found[row, j] == (single is not None)
    assert found.any()
    assert not found.all()


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_rows_and_one_row(rows):
    case = make_case(clock.generator(9), 1)
    found = case.ask(table=case.table.slice(0, rows))
    assert found.effect.shape == (rows, len(case.to))
    assert sum(found.counts()["effect"].values()) == rows * len(case.to)
