"""Repeats in a stream: as a plain search says, for any batches, several sources, offset clocks and a restart."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.errors import InputError
from kuroshio.schema import POSITIONS, RECEPTIONS, STATICS
from kuroshio.sensing import Deduplicator, ais
from kuroshio.sensing.base import Decoded, Ledger
from kuroshio.sensing.dedupe import deduplicate

WINDOW, OFFSET = 10, 60
rows = st.lists(
    st.fixed_dictionaries(
        {
            "mmsi": st.integers(1, 3),
            "lon_deg": st.sampled_from([None, 1.0, -0.0, 0.0]),
            "source": st.sampled_from(["north", "south"]),
            "station": st.sampled_from([None, "a", "b"]),
            "observed": st.none() | st.integers(0, 100),
            "received": st.none() | st.integers(0, 100),
        }
    ),
    max_size=25,
)


def stamps(values: list[int | None]) -> pa.Array:
    micros = pa.array([None if v is None else v * 1_000_000 for v in values], pa.int64())
    return micros.cast(pa.timestamp("us", "UTC"))


def table(told: list[dict[str, Any]], first_line: int) -> pa.Table:
    columns: dict[str, Any] = {name: [r[name] for r in told] for name in ("mmsi", "lon_deg", "source", "station")}
    columns["lon_deg"] = pa.array(columns["lon_deg"], pa.float64())
    columns |= {"observed_at": stamps([r["observed"] for r in told]), "msg_type": [1] * len(told)}
    columns |= {
        "received_at": stamps([r["received"] for r in told]),
        "line": list(range(first_line, first_line + len(told))),
    }
    return POSITIONS.build(columns, len(told))


def same(first: dict[str, Any], row: dict[str, Any]) -> bool:
    """The rule, in words of its own."""
    said = ("mmsi", "lon_deg")
    if any(repr(first[n]) != repr(row[n]) for n in said) or first["observed"] is None or row["observed"] is None:
        return False
    apart = abs(first["observed"] - row["observed"])
    if apart <= WINDOW:
        return True
    other = (first["source"], first["station"]) != (row["source"], row["station"])
    both = first["received"] is not None and row["received"] is not None
    return other and both and abs(first["received"] - row["received"]) <= WINDOW and apart <= WINDOW + OFFSET


def plain(told: list[dict[str, Any]], limit: int) -> list[int]:
    """Index of the first reception of each row, by looking at the newest ``limit`` first ones."""
    firsts: list[int] = []
    out = []
    for at, row in enumerate(told):
        found = next((f for f in reversed(firsts[-limit:]) if same(told[f], row)), at)
        if found == at and row["observed"] is not None:
            firsts.append(at)
        out.append(found)
    return out


@pytest.mark.parametrize("limit", [4, 64])
@given(told=rows, cuts=st.lists(st.integers(0, 25), max_size=4), restart=st.integers(0, 25))
def test_repeats_are_those_of_a_plain_search(
    limit: int, told: list[dict[str, Any]], cuts: list[int], restart: int
) -> None:
    once, kept, repeats = Deduplicator(window_s=WINDOW, clock_offset_s=OFFSET, limit=limit), [], []
    borders = [0, *sorted(min(c, len(told)) for c in (*cuts, restart)), len(told)]
    for a, b in itertools.pairwise(borders):
        ledger = Ledger(lines=b - a, messages=b - a)
        done = once.apply(Decoded({"positions": table(told[a:b], a + 1)}, ledger))
        assert done.ledger == ledger
        for made in done.tables.values():
            made.validate(full=True)
        kept += done.table("positions")["line"].to_pylist()
        repeats += done.table("receptions").to_pylist()
        held, once = once.state(), Deduplicator(window_s=WINDOW, clock_offset_s=OFFSET, limit=limit)
        once.restore(held)
    wanted = plain(told, limit)
    assert kept == [at + 1 for at, first in enumerate(wanted) if first == at]
    assert [(r["line"], r["first_line"]) for r in repeats] == [
        (at + 1, first + 1) for at, first in enumerate(wanted) if first != at
    ]
    for row in repeats:
        sent, first = told[row["line"] - 1], told[row["first_line"] - 1]
        assert (row["source"], row["station"], row["first_source"]) == (
            sent["source"],
            sent["station"],
            first["source"],
        )
        assert (row["table"], row["mmsi"]) == ("positions", sent["mmsi"])


@given(rows)
def test_one_table_in_memory_says_the_same(told: list[dict[str, Any]]) -> None:
    told = [row | {"received": None} for row in told]
    done = deduplicate(table(told, 1), window_s=WINDOW)
    wanted = plain(told, len(told))
    assert done.table["line"].to_pylist() == [at + 1 for at, first in enumerate(wanted) if first == at]
    assert done.removed == sum(first != at for at, first in enumerate(wanted))
    heard = [[(r["station"], r["source"]) for r in group] for group in done.receptions.to_pylist()]
    groups = [[at for at, f in enumerate(wanted) if f == first] for first in sorted(set(wanted))]
    assert heard == [[(told[at]["station"], told[at]["source"]) for at in group] for group in groups]


def statics(station: str, at: int, *parts: int) -> Decoded:
    lines: list[bytes] = []
    for part in parts:
        told = {"msg_type": 24, "mmsi": 5, "part": part} | ({"name": "A"} if part == 0 else {"call_sign": "B"})
        lines += ais.encode(told, tag_block={"s": station, "c": 1_700_000_000 + at})
    return ais.decode(b"\n".join(lines), source=station)


def test_a_joined_part_b_is_the_same_transmission_as_one_heard_alone() -> None:
    once = Deduplicator()
    both, alone = once.apply(statics("x", 0, 0, 1)), once.apply(statics("y", 1, 1))
    assert both.table("statics")["part"].to_pylist() == ["A", "AB"]
    assert alone.table("statics").num_rows == 0
    (again,) = alone.table("receptions").to_pylist()
    assert (again["table"], again["station"], again["first_source"], again["first_line"]) == ("statics", "y", "x", 2)


def test_a_message_that_gives_rows_to_two_tables_is_taken_out_of_both() -> None:
    once = Deduplicator()
    aid = ais.encode({"msg_type": 21, "mmsi": 5, "name": "BUOY", "lat": 1, "lon": 2}, tag_block={"c": 1_700_000_000})
    for _ in range(2):
        last = once.apply(ais.decode(b"\n".join(aid)))
    assert (last.table("aids").num_rows, last.table("positions").num_rows) == (0, 0)
    assert sorted(last.table("receptions")["table"].to_pylist()) == ["aids", "positions"]
    assert last.ledger.messages == 1


@pytest.mark.parametrize(
    "wrong", [{"limit": 100}, {"window_s": -1.0}, {"clock_offset_s": 1e9}, {"window_s": float("nan")}]
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Deduplicator(**wrong)


def test_a_state_of_another_limit_is_refused() -> None:
    once = Deduplicator(limit=4)
    once.apply(statics("x", 0, 0))
    with pytest.raises(InputError):
        Deduplicator(limit=8).restore(once.state())
    with pytest.raises(InputError):
        Deduplicator(limit=8).restore({})


def test_the_tables_are_of_the_schema() -> None:
    once = Deduplicator()
    once.apply(statics("x", 0, 0))
    done = once.apply(statics("y", 1, 0))
    assert done.table("receptions").schema.equals(RECEPTIONS.arrow, check_metadata=True)
    assert done.table("statics").schema.equals(STATICS.arrow, check_metadata=True)
