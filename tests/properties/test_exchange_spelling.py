"""The bytes that a row's commitment hashes: spelled column by column, equal to one JSON text a row."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.exchange import row_commitments, row_salt
from kuroshio.exchange.columns import STEPS, row_bytes
from kuroshio.schema import merkle
from kuroshio.schema.release import RELEASED_ALERTS, RELEASED_TRACKS
from kuroshio.schema.signing import canonical

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def _values(type_: pa.DataType, name: str) -> st.SearchStrategy[Any]:
    if name in STEPS:
        return st.one_of(st.none(), st.just(float("nan")), st.floats(-1e6, 1e6))
    if pa.types.is_timestamp(type_):
        return st.one_of(st.none(), st.integers(0, 4_000_000_000_000_000))
    if pa.types.is_boolean(type_):
        return st.one_of(st.none(), st.booleans())
    if pa.types.is_integer(type_):
        return st.one_of(st.none(), st.integers(-(2 ** (type_.bit_width - 1)), 2 ** (type_.bit_width - 1) - 1))
    if pa.types.is_list(type_):
        return st.one_of(st.none(), st.lists(TEXT, max_size=3))
    return st.one_of(st.none(), TEXT)


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, Any]:
    schema, count = draw(st.sampled_from([RELEASED_TRACKS, RELEASED_ALERTS])), draw(st.integers(0, 4))
    arrays = []
    for column in schema.columns:
        values = [draw(_values(column.type, column.name)) for _ in range(count)]
        if pa.types.is_dictionary(column.type):
            arrays.append(pa.array(values, pa.string()).dictionary_encode().cast(column.type))
        else:
            arrays.append(pa.array(values, column.type))
    return pa.table(arrays, names=schema.names), schema


@given(tables())
def test_rows_are_spelled_as_rfc_8785_spells_them(made: tuple[pa.Table, Any]) -> None:
    table, schema = made
    expected = []
    for row in table.to_pylist():
        values = []
        for column in schema.columns:
            value = row[column.name]
            if column.name in STEPS:
                whole = value is not None and np.isfinite(value)
                value = int(np.rint(value * STEPS[column.name])) if whole else None
            elif pa.types.is_timestamp(column.type) and value is not None:
                value = int(np.datetime64(value.replace(tzinfo=None), "us").astype(np.int64))
            values.append(value)
        expected.append(json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode())
    assert row_bytes(table, schema) == expected


@given(TEXT)
def test_texts_are_spelled_as_the_canonical_json_library_spells_them(text: str) -> None:
    rows = RELEASED_TRACKS.build({"ref": [text], "lineage": [[text]]}, rows=1)
    assert canonical([text])[1:-1] in row_bytes(rows, RELEASED_TRACKS)[0]


def test_a_commitment_is_the_leaf_hash_of_the_salted_row() -> None:
    rows = [b"[1]", b"[2]", b""]
    seed = bytes(range(16))
    assert row_commitments(rows, seed) == [merkle.leaf_hash(row_salt(seed, i) + row) for i, row in enumerate(rows)]


@pytest.mark.parametrize("size", [0, 1, 16, 63, 64, 65, 200])
def test_commitments_of_many_rows_are_those_of_each(size: int) -> None:
    seed, rows = bytes(range(size)), [b"", b"row", b"x" * 300]
    one_by_one = [merkle.leaf_hash(row_salt(seed, i) + row) for i, row in enumerate(rows)]
    assert row_commitments(rows, seed) == one_by_one
