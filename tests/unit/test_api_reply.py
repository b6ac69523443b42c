"""What a node answers becomes JSON that any parser reads, whatever numbers and times are in it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.api.reply import check_time, reply
from kuroshio.errors import InputError


def strict(text: bytes) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_times_sets_and_arrays_are_plain() -> None:
    at = dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC)
    value = {"at": at, "set": {"b", "a"}, "array": np.array([1.5, 2.0]), "one": np.int64(7), "other": Exception("x")}
    assert strict(reply(value).body) == {
        "at": "2026-11-22T06:00:00Z",
        "set": ["a", "b"],
        "array": [1.5, 2.0],
        "one": 7,
        "other": "x",
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=12,
    )
)
def test_any_value_is_strict_json_and_what_is_not_finite_is_null(value: Any) -> None:
    def finite(part: Any) -> Any:
        if isinstance(part, float) and not np.isfinite(part):
            return None
        if isinstance(part, dict):
            return {key: finite(item) for key, item in part.items()}
        return [finite(item) for item in part] if isinstance(part, list) else part

    assert strict(reply(value).body) == finite(value)


def test_a_time_is_kept_as_given_or_its_place_is_named() -> None:
    assert check_time("2026-11-22T06:00:00+08:00", "until") == "2026-11-22T06:00:00+08:00"
    assert check_time("", "until") is None
    with pytest.raises(InputError, match="until: not an RFC 3339 time: 'noon'"):
        check_time("noon", "until")
