"""Rows of the picture as items: lists told apart, and terms grouped, as a plain loop over the rows does it."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.node import items
from kuroshio.schema import ITEMS, TRACKS

NAMES = st.sampled_from(["", "a", "b", "ab", "\x1f", "\x1f1", "\x1f0a", "a\x1f1b"])
LISTS = st.lists(st.none() | st.lists(NAMES, max_size=3), max_size=12)


@given(LISTS, st.integers(0, 3))
def test_lists_are_numbered_in_the_order_they_are_met(lists: list[list[str] | None], begin: int) -> None:
    column = pa.chunked_array([pa.array(lists, pa.list_(pa.string()))]).slice(begin)
    plain = [tuple(row or ()) for row in lists[begin:]]
    met = list(dict.fromkeys(plain))
    codes, kinds = items.numbered(column)
    assert kinds == met
    assert codes.tolist() == [met.index(row) for row in plain]


def test_rows_in_no_chunk_or_in_several_are_items_as_any() -> None:
    """An alert whose tracks are all gone asks for the terms of no row, which Arrow may keep in no chunk at all."""
    none = TRACKS.arrow.empty_table()
    none = pa.Table.from_arrays([pa.chunked_array([], field.type) for field in none.schema], schema=none.schema)
    held = items.Holdings("PHL", {"coast": "C"}, {}, "maritime_safety")
    made = items.of_tracks(none, held)
    assert made.num_rows == 0
    assert items.terms_of(made)[1] == []
    row = TRACKS.build({"track_id": [1], "sources": [["coast"]], "sensors": [["ais"]]}, rows=1)
    two = items.of_tracks(pa.concat_tables([row, row]), held)
    assert two["level"].to_pylist() == ["C", "C"]
    codes, terms = items.terms_of(pa.concat_tables([two, two.slice(1)]))
    assert (codes.tolist(), terms) == ([0, 0, 0], [("PHL", "C", ())])


@given(st.lists(st.tuples(st.sampled_from("PQ"), st.sampled_from("UR"), st.lists(NAMES, max_size=2)), max_size=12))
def test_terms_are_those_of_the_rows_in_the_order_they_are_met(rows: list[tuple[str, str, list[str]]]) -> None:
    table = ITEMS.build(
        {
            "item_id": [f"track:{at}" for at in range(len(rows))],
            "originator": [who for who, _, _ in rows],
            "level": [level for _, level, _ in rows],
            "held_under": [held for _, _, held in rows],
        },
        rows=len(rows),
    )
    plain = [(who, level, tuple(held)) for who, level, held in rows]
    met = list(dict.fromkeys(plain))
    codes, terms = items.terms_of(table)
    assert terms == met
    assert codes.tolist() == [met.index(row) for row in plain]


def test_a_partners_row_among_own_ones_has_its_terms_and_no_other_row_has() -> None:
    held = items.Holdings("PHL", {"coast": "C", "open": "U"}, {"open": "IMO"}, "maritime_safety")
    held.take("JPN", "j1", items.Given(frozenset({"PHL-JPN"}), "S", "JPN", frozenset({"PHL", "USA"})))
    rows = TRACKS.build(
        {
            "track_id": [1, 2, 3, 4],
            "sources": [["coast"], ["open"], ["coast"], None],
            "sensors": [["ais"], ["ais"], ["radar", "partner"], ["partner"]],
            "partner": [None, None, "JPN", "JPN"],
            "partner_track": [None, None, "j1", "unheard of"],
        },
        rows=4,
    )
    made = (
        items.of_tracks(rows, held)
        .select(["item_id", "originator", "level", "held_under", "releasable_to"])
        .to_pylist()
    )
    assert [tuple(row.values()) for row in made] == [
        ("track:1", "PHL", "C", [], None),
        ("track:2", "IMO", "U", [], None),
        ("track:3", "PHL", "S", ["PHL-JPN"], ["PHL", "USA"]),
        ("track:4", "JPN", "R", [items.UNKNOWN_ACCORD], None),
    ]
