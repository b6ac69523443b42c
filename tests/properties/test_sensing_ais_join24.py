"""Part B of a type 24 carries the name of part A: as a plain loop says, for any batches and over a restart."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.errors import InputError
from kuroshio.schema import STATICS
from kuroshio.sensing import ais
from kuroshio.sensing.ais.join24 import AGE_LINES, AGE_S, Join24

LIMIT = 4
rows = st.lists(
    st.fixed_dictionaries(
        {
            "mmsi": st.integers(0, 3),
            "part": st.sampled_from(["A", "A", "B", "B", None]),
            "name": st.sampled_from([None, "ONE", "TWO", "A NAME OF TWENTY CHR"]),
            "second": st.none() | st.integers(0, 1500),
            "line": st.none() | st.integers(1, 12_000),
        }
    ),
    max_size=30,
)


def table(told: list[dict[str, Any]]) -> pa.Table:
    columns = {name: [row[name] for row in told] for name in ("mmsi", "part", "name", "line")}
    times = pa.array([None if r["second"] is None else r["second"] * 1_000_000 for r in told], pa.int64())
    return STATICS.build(columns | {"observed_at": times.cast(pa.timestamp("us", "UTC"))}, len(told))


def plain(told: list[dict[str, Any]], limit: int) -> list[tuple[str | None, str | None]]:
    """(part, name) of each row, by a loop over everything heard before."""
    heard: list[dict[str, Any]] = []
    out = []
    for row in told:
        part, name = row["part"], row["name"]
        if part == "A":
            heard = [*heard, row][-limit:]
        elif part == "B":
            last = next((a for a in reversed(heard) if a["mmsi"] == row["mmsi"]), None)
            if last is not None and last["name"] is not None and near(last, row):
                part, name = "AB", last["name"]
        out.append((part, name))
    return out


def near(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one["second"] is not None and other["second"] is not None:
        return abs(one["second"] - other["second"]) <= AGE_S
    lines = (one["line"], other["line"])
    return None not in lines and abs(lines[0] - lines[1]) <= AGE_LINES


@given(rows, st.lists(st.integers(0, 30), max_size=4), st.integers(0, 30))
def test_names_join_as_a_plain_loop_says(told: list[dict[str, Any]], cuts: list[int], restart: int) -> None:
    joiner, out = Join24(limit=LIMIT), []
    borders = [0, *sorted(min(c, len(told)) for c in (*cuts, restart)), len(told)]
    for a, b in itertools.pairwise(borders):
        done = joiner.apply(table(told[a:b]))
        assert done.schema.equals(STATICS.arrow, check_metadata=True)
        done.validate(full=True)
        out += list(zip(done["part"].to_pylist(), done["name"].to_pylist(), strict=True))
        if b == min(restart, len(told)):
            held, joiner = joiner.state(), Join24(limit=LIMIT)
            joiner.restore(held)
    assert out == plain(told, LIMIT)


def lines(*messages: dict[str, Any]) -> bytes:
    told = b""
    for message in messages:
        fields = {name: value for name, value in message.items() if name != "tag"}
        told += b"".join(s + b"\n" for s in ais.encode({"msg_type": 24, **fields}, tag_block=message["tag"]))
    return told


def log(gap_s: int, mmsi: int = 431000001) -> bytes:
    a = {"mmsi": 431000001, "part": 0, "name": "SHIRASE", "tag": {"c": 1_700_000_000}}
    b = {"mmsi": mmsi, "part": 1, "call_sign": "JA1", "to_bow": 5, "to_stern": 5, "tag": {"c": 1_700_000_000 + gap_s}}
    return lines(a, b)


@pytest.mark.parametrize(
    ("gap_s", "mmsi", "part"), [(5, 431000001, "AB"), (721, 431000001, "B"), (5, 431000002, "B"), (-5, 431000001, "AB")]
)
def test_a_stream_joins_parts_and_keeps_each_rows_own(gap_s: int, mmsi: int, part: str) -> None:
    first, second = ais.decode(log(gap_s, mmsi)).table("statics").to_pylist()
    assert (first["part"], first["name"], first["call_sign"], first["line"]) == ("A", "SHIRASE", None, 1)
    assert (second["part"], second["call_sign"], second["to_bow_m"], second["line"]) == (part, "JA1", 5, 2)
    assert second["name"] == ("SHIRASE" if part == "AB" else None)


def test_the_name_is_known_over_reads_and_a_restart() -> None:
    whole = log(60)
    at = whole.index(b"\n") + 1
    first, second = ais.Decoder("s"), ais.Decoder("s")
    first.feed(whole[:at])
    second.restore(first.state())
    assert second.feed(whole[at:]).table("statics")["part"].to_pylist() == ["AB"]


def test_an_auxiliary_craft_joins_too_and_an_empty_name_hides_an_older_one() -> None:
    told = [
        {"mmsi": 982470001, "part": 0, "name": "TENDER", "tag": {"c": 1_700_000_000}},
        {"mmsi": 982470001, "part": 1, "mothership_mmsi": 247000001, "tag": {"c": 1_700_000_001}},
        {"mmsi": 982470001, "part": 0, "name": "", "tag": {"c": 1_700_000_002}},
        {"mmsi": 982470001, "part": 1, "mothership_mmsi": 247000001, "tag": {"c": 1_700_000_003}},
    ]
    table = ais.decode(lines(*told)).table("statics")
    assert table["part"].to_pylist() == ["A", "AB", "A", "B"]
    assert table["name"].to_pylist() == ["TENDER", "TENDER", None, None]
    assert table["mothership_mmsi"].to_pylist() == [None, 247000001, None, 247000001]


def test_a_limit_that_is_no_power_of_two_and_a_foreign_state_are_refused() -> None:
    with pytest.raises(InputError):
        Join24(limit=100)
    joiner = Join24(limit=4)
    joiner.apply(table([{"mmsi": 1, "part": "A", "name": "X", "second": 1, "line": 1}]))
    with pytest.raises(InputError):
        Join24(limit=8).restore(joiner.state())
