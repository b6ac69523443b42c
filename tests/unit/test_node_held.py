"""Rows held of partners' tracks: what a recall takes away, against a plain model; and memory bounded by what lives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.node import held
from kuroshio.node.held import Held
from kuroshio.schema import TRACKS

T0 = 1_790_000_000_000_000
REFS = st.sets(st.sampled_from("abcdef"), min_size=1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(["PHL", "JPN"]), REFS),
        st.tuples(st.just("withdraw"), st.integers(0, 12), st.none()),
        st.tuples(st.just("forget"), st.integers(0, 12), REFS),
    ),
    max_size=30,
)


def rows(party: str, refs: list[str], lat_deg: float = 1.0) -> pa.Table:
    count = len(refs)
    return TRACKS.build(
        {
            "track_id": np.arange(count),
            "observed_at": np.full(count, T0).astype("datetime64[us]"),
            "lat_deg": np.full(count, lat_deg),
            "lon_deg": np.full(count, 120.0),
            "status": ["confirmed"] * count,
            "partner": [party] * count,
            "partner_track": refs,
        },
        rows=count,
    )


@given(STEPS)
def test_a_release_takes_away_what_it_still_shows(steps: list[tuple[str, object, object]]) -> None:
    mine, model, placed = Held(), {}, []  # model: track -> number of the release that shows it
    for kind, what, refs in steps:
        if kind == "place":
            party, number = str(what), len(placed)
            placed.append(party)
            mine.place(party, f"r{number}", rows(party, sorted(refs), float(number)), now_us=T0 + number)
            model.update({(party, ref): number for ref in refs})
        elif kind == "withdraw":
            gone = mine.withdraw([f"r{what}", "never seen"])
            found = {(r["partner"], r["partner_track"]): r["lat_deg"] for t in gone for r in t.to_pylist()}
            assert found == {key: float(number) for key, number in model.items() if number == what}
            model = {key: number for key, number in model.items() if number != what}
        else:
            live = {("PHL", ref) for ref in refs}
            forgotten = mine.forget(live, before_us=T0 + what)
            assert set(forgotten) == {k for k, number in model.items() if number < what and k not in live}
            model = {key: number for key, number in model.items() if key not in set(forgotten)}
        assert len(mine) == len(model)


def test_memory_is_bounded_by_the_tracks_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "SLACK_ROWS", 100)
    mine = Held()
    names = [f"t{i}" for i in range(50)]
    for number in range(300):  # one old track in every release keeps its rows alive, were nothing cleared away
        mine.place("PHL", f"r{number}", rows("PHL", [*names, f"once{number}"]), now_us=T0 + number)
        assert mine.rows <= 2 * len(mine) + 100 + 51
    assert len(mine) == 350
    mine.forget({("PHL", n) for n in names}, before_us=T0 + 400)
    assert len(mine) == 50


def test_a_partner_with_too_many_tracks_adds_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "TRACKS_MAX", 3)
    mine = Held()
    mine.place("PHL", "r0", mine.room("PHL", rows("PHL", ["a", "b"])), now_us=T0)
    kept = mine.room("PHL", rows("PHL", ["c", "d", "a"]))
    assert kept["partner_track"].to_pylist() == ["c", "a"]
    mine.place("PHL", "r1", kept, now_us=T0)
    assert mine.room("JPN", rows("JPN", ["d"])).num_rows == 1
    mine.withdraw(["r0"])
    assert mine.room("PHL", rows("PHL", ["d"])).num_rows == 1


def at(refs: str, seen_s: int, status: str = "confirmed") -> pa.Table:
    table = rows("PHL", list(refs), float(seen_s))
    k, field = table.schema.get_field_index("status"), TRACKS.arrow.field("status")
    table = table.set_column(k, field, pa.array([status] * len(refs)).dictionary_encode().cast(field.type))
    k, field = table.schema.get_field_index("observed_at"), TRACKS.arrow.field("observed_at")
    return table.set_column(k, field, pa.array([T0 + seen_s * 1_000_000] * len(refs), pa.int64()).cast(field.type))


def test_what_was_seen_later_is_kept_in_whatever_order_it_comes() -> None:
    mine = Held()

    def comes(name: str, table: pa.Table) -> str:
        fresh = mine.newer("PHL", table)
        mine.place("PHL", name, fresh, now_us=T0)
        return "".join(fresh["partner_track"].to_pylist())

    assert comes("second", at("ab", 20)) == "ab"
    assert comes("first", at("abc", 10)) == "c"
    assert comes("again", at("ab", 20)) == ""  # the same state under other terms: what is shown stays who brought it
    assert comes("end", at("a", 20, "ended")) == "a"
    assert comes("late", at("a", 19, "ended")) == ""
    assert comes("ghost", at("a", 20)) == ""
    assert [t["partner_track"].to_pylist() for t in mine.withdraw(["first", "second", "again"])] == [["c"], ["b"]]
    assert comes("anew", at("b", 15)) == "b"  # nothing is held of it any more
