"""Growing event buffers and row copies for kernels, as plain loops: slices cost seconds of compilation each.

A loop over rows must not bind a buffer anew: counting the references costs more than the work. Such a loop stops when
its buffer could not hold the events of one more row, and its caller goes on with one twice as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def room(ints: Any, floats: Any, k: int) -> tuple[Any, Any]:
    """The two event buffers, at least one row longer than ``k``."""
    if k < ints.shape[0]:
        return ints, floats
    more_i = np.empty((2 * k + 16, ints.shape[1]), np.int64)
    more_f = np.empty((2 * k + 16, floats.shape[1]), np.float64)
    for i in range(k):
        for j in range(ints.shape[1]):
            more_i[i, j] = ints[i, j]
        for j in range(floats.shape[1]):
            more_f[i, j] = floats[i, j]
    return more_i, more_f


@njit(cache=True, nogil=True)
def doubled(ints: Any, floats: Any) -> tuple[Any, Any]:
    """The two event buffers with room for more than twice as many rows."""
    return room(ints, floats, ints.shape[0])


@njit(cache=True, nogil=True)
def copy_row(into: Any, i: int, a: int, source: Any, j: int, b: int, n: int) -> None:
    """Copy ``n`` cells of a row of one matrix from column ``b`` to column ``a`` of a row of another."""
    for c in range(n):
        into[i, a + c] = source[j, b + c]


@njit(cache=True, nogil=True)
def clear_row(into: Any, i: int, a: int) -> None:
    """Set a row of numbers to zero from a column on."""
    for c in range(a, into.shape[1]):
        into[i, c] = 0.0
