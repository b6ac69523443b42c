"""Columns of a step are those of the same rows in many chunks, of other types, or with others absent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import clock, schema
from kuroshio.behaviour.columns import matrix
from kuroshio.behaviour.fixes import from_tracks


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


def test_numbers_of_other_types_are_read_one_by_one() -> None:
    batch = pa.table({"a": pa.array([1.5, None]), "b": pa.array([2, 3], pa.int32())}).to_batches()[0]
    a, b = matrix(batch, ("a", "b"), 2)
    np.testing.assert_array_equal(a, [1.5, np.nan])
    np.testing.assert_array_equal(b, [2.0, 3.0])
    assert b.dtype == np.float64
    absent = matrix(batch, ("a", "nothing"), 2)[1]
    assert np.isnan(absent).all()
