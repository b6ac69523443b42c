"""Time text, unit conversion and the data dictionary's own rules."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import clock, units
from kuroshio.errors import InputError
from kuroshio.schema import OBSERVATIONS, TABLES, TRACKS, concat


@given(st.integers(min_value=-(10**15), max_value=4 * 10**15))
def test_time_text_returns(at_us):
    assert clock.parse_rfc3339(clock.rfc3339(at_us)) == at_us


@pytest.mark.parametrize("text", ["", "noon", "2026-11-22T00:00:00", "2026-13-01", "2026-11-22T25:00:00Z"])
def test_time_text_that_is_none(text):
    with pytest.raises(InputError):
        clock.parse_rfc3339(text)


def test_offsets_and_dates():
    assert clock.rfc3339(clock.parse_rfc3339("2026-11-22T08:00:00+08:00")) == "2026-11-22T00:00:00Z"
    assert clock.rfc3339(clock.parse_rfc3339("2026-11-22")) == "2026-11-22T00:00:00Z"


def test_one_seed_one_stream():
    assert clock.generator(7).integers(1 << 60) == clock.generator(7).integers(1 << 60)
    assert clock.generator(7).integers(1 << 60) != clock.generator(8).integers(1 << 60)


def test_conversions():
    assert units.kn_to_mps(1.0) == pytest.approx(0.514444, abs=1e-6)
    assert units.mps_to_kn(units.kn_to_mps(12.3)) == pytest.approx(12.3)
    assert units.m_to_nm(units.nm_to_m(2.0)) == 2.0


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_every_column_says_what_it_is(table):
    assert len(set(table.names)) == len(table.names)
    for column in table.columns:
        assert column.doc.endswith(".") or column.doc.endswith("null else."), column.name
        for ending, unit in (("_deg", "deg"), ("_m", "m"), ("_mps", "m/s"), ("_m2", "m2")):
            if column.name.endswith(ending):
                assert column.unit == unit, column.name


def test_build_makes_nan_null_and_refuses_strangers():
    arrays = {"track_id": [1], "observed_at": [0], "lat_deg": [np.nan], "lon_deg": [1.0], "status": ["confirmed"]}
    table = TRACKS.build(arrays)
    assert table["lat_deg"].null_count == 1
    assert table["mmsi"].null_count == 1
    with pytest.raises(InputError, match="colour"):
        TRACKS.build({"colour": [1]})
    with pytest.raises(InputError, match="rows"):
        TRACKS.build({"track_id": [1, 2], "lat_deg": [1.0]})


def test_conform_names_what_is_missing_and_what_cannot_be():
    with pytest.raises(InputError, match="obs_id"):
        OBSERVATIONS.conform(pa.table({"lat_deg": [1.0]}))
    rows = TRACKS.build({"track_id": [1], "status": ["x"]})
    wrong = rows.set_column(0, "track_id", pa.array(["seventeen"]))
    with pytest.raises(InputError, match="track_id"):
        TRACKS.conform(wrong)
    assert TRACKS.conform(rows.append_column("more", pa.array([1]))).schema.equals(TRACKS.arrow)


def test_concat_joins_dictionaries():
    a = TRACKS.build({"track_id": [1], "status": ["confirmed"]})
    b = TRACKS.build({"track_id": [2], "status": ["ended"]})
    assert concat(TRACKS, [a, TRACKS.empty(), b])["status"].to_pylist() == ["confirmed", "ended"]
    assert concat(TRACKS, []).num_rows == 0
