"""Compiled loops over rows: label sets to bits, keys, and the gather of decisions.

What enters and leaves: NumPy arrays only. They hold no rule of any agreement.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int64s = npt.NDArray[np.int64]


@njit("int64[:](int64[:], int64[:], int64, int64)", cache=True, nogil=True)
def label_bits(codes: Int64s, offsets: Int64s, first: int, width: int) -> Int64s:
    """Bits of the labels of each row, for label codes first .. first + width - 1; -1 (null) has none."""
    rows = len(offsets) - 1
    out = np.zeros(rows, np.int64)
    for row in range(rows):
        bits = 0
        for at in range(offsets[row], offsets[row + 1]):
            bit = codes[at] - first
            if 0 <= bit < width:
                bits |= 1 << bit
        out[row] = bits
    return out


@njit("void(int64[:], int64[:], int64)", cache=True, nogil=True)
def mixed_key(key: Int64s, codes: Int64s, radix: int) -> None:
    """``key = key * radix + codes`` in place."""
    for row in range(len(key)):
        key[row] = key[row] * radix + codes[row]
