"""Receptions of one transmission become one row; equal reports later stay their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.sensing import ais
from kuroshio.sensing.dedupe import deduplicate

T = 1_671_620_000


def heard(*rows: tuple[int, str, int | None], **more: Any) -> pa.Table:
    """Positions of (mmsi, station, second after T)."""
    lines = []
    for mmsi, station, at in rows:
        tag = {"s": station} | ({} if at is None else {"c": T + at})
        message = {"msg_type": 1, "mmsi": mmsi, "lat_deg": 20.0, "lon_deg": 121.0, **more}
        lines += ais.encode(message, tag_block=tag)
    return ais.decode(b"\n".join(lines)).table("positions")


def test_three_stations_one_transmission() -> None:
    told = deduplicate(heard((1, "A", 0), (2, "A", 0), (1, "B", 1), (1, "C", 3)))
    assert told.table["mmsi"].to_pylist() == [1, 2]
    assert told.removed == 2
    assert [[r["station"] for r in heard_by] for heard_by in told.receptions.to_pylist()] == [["A", "B", "C"], ["A"]]
    assert told.receptions.to_pylist()[0][2]["observed_at"].second == (T + 3) % 60


def test_an_equal_report_after_the_window_is_a_new_one() -> None:
    told = deduplicate(heard((1, "A", 0), (1, "A", 30), (1, "B", 31)), window_s=10)
    assert told.table.num_rows == 2
    assert [len(r) for r in told.receptions.to_pylist()] == [1, 2]
    assert deduplicate(heard((1, "A", 0), (1, "A", 30)), window_s=60).table.num_rows == 1


def test_a_row_without_a_time_is_never_a_repeat() -> None:
    assert deduplicate(heard((1, "A", None), (1, "B", None))).table.num_rows == 2


def test_any_other_bit_makes_another_transmission() -> None:
    both = pa.concat_tables([heard((1, "A", 0)), heard((1, "B", 0), sog_mps=1.0)])
    assert deduplicate(both).table.num_rows == 2
    assert deduplicate(both.slice(0, 0)).table.num_rows == 0


def test_statics_are_told_apart_by_their_text() -> None:
    lines = []
    for station, name in (("A", "ONE"), ("B", "ONE"), ("C", "TWO")):
        lines += ais.encode({"msg_type": 5, "mmsi": 1, "name": name}, tag_block={"s": station, "c": T}, sequence=1)
    told = deduplicate(ais.decode(b"\n".join(lines)).table("statics"))
    assert told.table["name"].to_pylist() == ["ONE", "TWO"]


@pytest.mark.parametrize("ships", [50, 3000])
def test_many_rows_agree_with_a_plain_count(ships: int, rng: np.random.Generator) -> None:
    rows = [(int(m), f"S{k % 3}", int(k // ships)) for k, m in enumerate(rng.integers(1, ships, 2 * ships))]
    told = deduplicate(heard(*rows), window_s=100)
    assert told.table.num_rows == len({m for m, _, _ in rows})
    assert sum(len(r) for r in told.receptions.to_pylist()) == len(rows)
