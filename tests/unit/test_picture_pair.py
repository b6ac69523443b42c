"""Two floats in one register give, each, what a float alone gives: to the last bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from kuroshio.picture.pair import first_of, pair, second_of

numbers = st.floats(width=64)


@njit(error_model="numpy")
def _formula(a, b, c):  # type: ignore[no-untyped-def]
    return -max((a + 2.0 * b) / c - min(b, a * c), (1.0 - c) / (b + 3.0))


@njit(error_model="numpy")
def _together(a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    both = _formula(pair(a, b), pair(c, d), pair(e, f))
    return first_of(both), second_of(both)


@njit(error_model="numpy")
def _beside_a_float(a, b, c, d):  # type: ignore[no-untyped-def]
    both = _formula(pair(a, b), c, d)
    return first_of(both), second_of(both)


@given(st.lists(numbers, min_size=6, max_size=6))
def test_each_half_is_what_it_would_be_alone(n: list[float]) -> None:
    a, b, c, d, e, f = n
    np.testing.assert_array_equal(_together(a, b, c, d, e, f), (_formula(a, c, e), _formula(b, d, f)))
    np.testing.assert_array_equal(_beside_a_float(a, b, c, d), (_formula(a, c, d), _formula(b, c, d)))
