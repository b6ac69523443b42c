"""Tables as they come: slices, chunks, nulls, many labels, many terms; each row as the interpreter sees it."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import accord, clock
from kuroshio.accord.areas import inside
from kuroshio.errors import InputError
from kuroshio.schema import ITEMS

NOW = clock.parse_rfc3339("2026-06-15")
BY = {"by": "t", "date": "2026-01-01", "note": "illustrative"}
IN_FORCE = [{"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01"}]


def book(*clauses, **sections):
    one = {"id": "AB", "kinds": ["information"], "parties": ["AAA", "BBB"], "binding": "treaty", "interpretation": BY}
    permit = {"id": "p", "effect": "permit"}
    return accord.parse(
        {"t.yaml": json.dumps({"accords": [{**one, "status": IN_FORCE, "clauses": [permit, *clauses]}], **sections})}
    )


def same(held, items, table=None):
    """Every row of the table decided as its plain form."""
    table = ITEMS.from_rows(items) if table is None else table
    found = held.evaluate_table(table, releaser="AAA", to=["BBB"], valid_at_us=NOW)
    for row, plain in enumerate(table.to_pylist()):
        single = held.evaluate(plain, releaser="AAA", to="BBB", valid_at_us=NOW)
        assert found.at(row, "BBB") == single, plain
        assert found.effect[row, 0] == single.effect
    return found


def thing(i, **more):
    base = {"item_id": str(i), "kind": "information", "subject": "vessel", "originator": "AAA", "level": "U"}
    return {**base, "held_under": [], **more}


def test_more_labels_than_bits_in_a_word():
    deny = {"id": "d", "effect": "deny", "when": {"sensors": {"in": ["s7", "s99"]}}}
    items = [thing(i, sensors=[f"s{i}", f"s{(i * 7) % 130}"]) for i in range(130)]
    found = same(book(deny), items)
    expected = [bool({"s7", "s99"} & set(i["sensors"])) for i in items]
    assert (found.effect[:, 0] == 3).tolist() == expected


def test_more_terms_than_bits_take_the_interpreter():
    clauses = [
        {"id": f"o{i}", "effect": "oblige", "when": {"age_s": {"gte": i}}, "do": {"delay_s": i + 1}} for i in range(70)
    ]
    items = [thing(i, observed_at=NOW - i * 1_000_000) for i in range(75)]
    found = same(book(*clauses), items)
    assert found.terms[found.code[69, 0]].delay_s == 70
    assert sum(found.counts()["effect"].values()) == 75


def test_slices_chunks_and_nulls():
    deny = {"id": "d", "effect": "deny", "when": {"sensors": {"not_in": ["radar"]}, "lat_deg": {"gte": 10}}}
    items = [
        thing(
            i,
            sensors=[None, [], ["radar"], ["ais", "radar"], ["ais"]][i % 5],
            held_under=[None, [], ["AB"], ["GONE"]][i % 4],
            releasable_to=[None, ["BBB"], ["CCC"], []][i % 4],
            caveats=None if i % 3 else [],
            lat_deg=[None, 9.0, 10.0, 11.0, float("nan")][i % 5],
            level=["U", None, "S", "nonsense"][i % 4],
            originator=["AAA", "CCC", None][i % 3],
            exercise=[None, True, False][i % 3],
        )
        for i in range(120)
    ]
    held = book(deny)
    whole = ITEMS.from_rows(items)
    full = same(held, items)
    assert len(np.unique(full.effect)) == 3
    same(held, items, whole.slice(7, 50))
    chunked = pa.concat_tables([whole.slice(0, 13), whole.slice(13, 60), whole.slice(73)])
    same(held, items, chunked)
    decoded = whole.set_column(whole.column_names.index("level"), "level", whole.column("level").cast(pa.string()))
    same(held, items, decoded)


def test_thresholds_are_exact():
    clauses = [
        {"id": op, "effect": "oblige", "when": {"age_s": {op: 600}}, "do": {"redact": [name]}}
        for op, name in (("lt", "name"), ("lte", "mmsi"), ("gt", "imo"), ("gte", "call_sign"))
    ]
    ages = (599_999_999, 600_000_000, 600_000_001)
    found = same(book(*clauses), [thing(i, observed_at=NOW - age) for i, age in enumerate(ages)])
    redacted = [found.terms[code].redact for code in found.code[:, 0].tolist()]
    assert redacted == [{"name", "mmsi"}, {"mmsi", "call_sign"}, {"imo", "call_sign"}]


def test_named_items_only():
    deny = {"id": "d", "effect": "deny", "when": {"item_id": {"eq": "3"}}}
    found = same(book(deny), [thing(i) for i in range(6)])
    assert (found.effect[:, 0] == 3).tolist() == [False, False, False, True, False, False]


def test_activity_column():
    deny = {"id": "d", "effect": "deny", "when": {"activity": {"eq": "DRILL"}}}
    table = ITEMS.from_rows([thing(0), thing(1), thing(2)]).append_column(
        "activity", pa.array(["DRILL", "OTHER", None])
    )
    assert same(book(deny), [], table).effect[:, 0].tolist() == [3, 0, 2]


def test_unknown_column_is_refused():
    table = ITEMS.from_rows([thing(0)]).append_column("caveat", pa.array(["NOFORN"]))
    with pytest.raises(InputError, match="caveat"):
        book().evaluate_table(table, releaser="AAA", to=["BBB"], valid_at_us=NOW)


def test_to_itself_and_to_nobody():
    held = book()
    table = ITEMS.from_rows([thing(0)])
    assert held.evaluate_table(table, releaser="AAA", to=["AAA"], valid_at_us=NOW).effect.tolist() == [[0]]
    assert held.evaluate_table(table, releaser="AAA", to=[], valid_at_us=NOW).effect.shape == (1, 0)


def test_areas_over_the_date_line_and_shared_edges():
    across = [(170.0, -10.0), (-170.0, -10.0), (-170.0, 10.0), (170.0, 10.0)]
    lon = np.array([175.0, -175.0, 180.0, -180.0, 169.0, -169.0, 0.0, np.nan])
    assert inside(across, np.zeros(8), lon).tolist() == [True, True, True, True, False, False, False, False]
    left = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    right = [(1.0, 0.0), (2.0, 0.0), (2.0, 1.0), (1.0, 1.0)]
    edge_lat, edge_lon = np.array([0.5, 0.0, 0.3]), np.array([1.0, 1.0, 1.0])
    assert (inside(left, edge_lat, edge_lon) ^ inside(right, edge_lat, edge_lon)).all()
    wide = accord.parse({"w.yaml": "areas: {w: {box: {south: -60, north: 60, west: -170, east: 170}}}"})
    ring = wide.content.areas["w"]
    assert inside(ring, np.zeros(4), np.array([0.0, 169.0, -169.0, 180.0])).tolist() == [True, True, True, False]
