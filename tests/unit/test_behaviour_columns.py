"""Columns of a step are those of the same rows in many chunks, of other types, or with others absent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import clock, schema
from kuroshio.behaviour.fixes import Fixes, from_tracks


def tracks(seed: int, n: int) -> pa.Table:
    rng = clock.generator(seed)
    some = lambda low, high: np.where(rng.random(n) < 0.2, np.nan, rng.uniform(low, high, n))  # noqa: E731
    t = rng.integers(0, 10**9, n)
    return schema.TRACKS.build(
        {
            "track_id": rng.integers(0, 5, n),
            "observed_at": t,
            "lat_deg": rng.uniform(-80, 80, n),
            "lon_deg": rng.uniform(-180, 180, n),
            "sog_mps": some(0, 60),
            "cog_deg": some(0, 360),
            "heading_deg": some(0, 360) if seed % 2 else None,
            "status": rng.choice(["confirmed", "coasted"], n).tolist() if seed % 3 else ["confirmed"] * n,
            "mmsi": pa.array(rng.integers(1, 9, n), mask=rng.random(n) < 0.2),
            "last_ais_at": t,
        },
        n,
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_step_reads_as_the_same_rows_in_chunks_and_slices(seed: int) -> None:
    whole = tracks(seed, 50)
    parts = pa.concat_tables([whole.slice(0, 17), whole.slice(17, 1), whole.slice(18)])
    assert parts["lat_deg"].num_chunks == 3
    plain = from_tracks(whole).as_columns()
    for name, column in from_tracks(parts).as_columns().items():
        assert column.dtype == plain[name].dtype, name
        np.testing.assert_array_equal(column, plain[name], err_msg=name)
    middle = from_tracks(whole.slice(10, 20)).as_columns()
    for name, column in middle.items():
        np.testing.assert_array_equal(column, plain[name][10:30], err_msg=name)


def test_a_step_of_other_types_reads_as_one_of_the_usual() -> None:
    usual = tracks(1, 40)
    names = ["ONE", "TWO", None, "NULL SHIP"] * 10
    usual = usual.set_column(usual.schema.get_field_index("name"), "name", pa.array(names, pa.string()))
    usual = usual.set_column(usual.schema.get_field_index("length_m"), "length_m", pa.array([9.0, None] * 20))
    plain = from_tracks(usual)
    assert plain.block is not None
    kinds = {"mmsi": pa.float64(), "observed_at": pa.timestamp("ns", tz="UTC"), "name": pa.large_string()}
    kinds |= {"length_m": pa.float32(), "track_id": pa.uint16(), "name ": pa.dictionary(pa.int32(), pa.string())}
    for name, kind in kinds.items():
        place = usual.schema.get_field_index(name.strip())
        other = usual.set_column(place, name.strip(), usual.column(place).cast(kind))
        for column, values in from_tracks(other).as_columns().items():
            np.testing.assert_array_equal(values, plain.as_columns()[column], err_msg=f"{name}: {column}")
    fewer = usual.drop_columns(["hits", "name", "imo"])
    assert fewer.num_columns < usual.num_columns
    np.testing.assert_array_equal(from_tracks(fewer).length, plain.length)
    assert (from_tracks(fewer).name == -1).all()


@pytest.mark.parametrize("seed", range(8))
def test_blocks_take_join_and_order_as_columns_do(seed: int) -> None:
    rng = clock.generator(seed)
    fixes = from_tracks(tracks(seed, 60))
    assert fixes.block is not None
    plain = Fixes(**fixes.as_columns())
    assert plain.block is None
    rows = rng.permutation(len(fixes))[:31]
    parts = [(f.take(rows), f.take(f.sog > 3.0), f.take(np.arange(0))) for f in (fixes, plain)]
    for one, other in [
        *zip(*parts, strict=True),
        *((Fixes.concat(list(p)), Fixes.concat(list(q))) for p, q in [parts]),
    ]:
        for name, column in one.ordered().as_columns().items():
            expected = other.ordered().as_columns()[name]
            assert column.dtype == expected.dtype, name
            np.testing.assert_array_equal(column, expected, err_msg=name)
