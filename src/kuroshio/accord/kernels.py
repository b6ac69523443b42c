"""Compiled loops over rows: label sets to bits, keys, dense codes, and the gather of decisions.

What enters and leaves: NumPy arrays only. They hold no rule of any agreement.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import boolean, float64, int32, int64, njit, types, uint8, void

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: Knuth, The Art of Computer Programming 3, 6.4


def _read(dtype: Any, ndim: int = 1) -> Any:
    """Type of an array that is only read: Arrow hands out such."""
    return types.Array(dtype, ndim, "C", readonly=True)


@njit(int64[::1](_read(int32), _read(int64), int64, int64), cache=True, nogil=True)
def label_bits(codes: Int32s, offsets: Int64s, first: int, width: int) -> Int64s:
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


@njit(void(int64[::1], _read(int32), int64), cache=True, nogil=True)
def mixed_key(key: Int64s, codes: Int32s, radix: int) -> None:
    """``key = key * radix + codes`` in place."""
    for row in range(len(key)):
        key[row] = key[row] * radix + codes[row]


@njit("Tuple((int32[::1], int64[::1]))(Array(int64, 2, 'C', True, aligned=True))", cache=True, nogil=True)
def dense_codes(words: npt.NDArray[np.int64]) -> tuple[Int32s, Int64s]:
    """(dense code of each row of words, first row of each code), codes in order of first appearance.

    Exact: rows that hash alike are compared word by word.
    """
    rows, width = words.shape
    size = 1024
    table = np.full(size, -1, np.int32)
    code = np.empty(rows, np.int32)
    first = np.empty(1024, np.int64)
    found = 0
    for row in range(rows):
        mixed = np.uint64(0)
        for w in range(width):
            mixed = (mixed ^ np.uint64(words[row, w])) * _MIX
            mixed ^= mixed >> np.uint64(29)
        slot = np.int64(mixed & np.uint64(size - 1))
        while True:
            held = table[slot]
            if held < 0:
                if found == len(first):
                    grown = np.empty(2 * len(first), np.int64)
                    grown[:found] = first
                    first = grown
                first[found] = row
                table[slot] = found
                code[row] = found
                found += 1
                break
            same = True
            for w in range(width):
                if words[first[held], w] != words[row, w]:
                    same = False
                    break
            if same:
                code[row] = held
                break
            slot = (slot + 1) & (size - 1)
        if 2 * found > size:
            size *= 4
            table = np.full(size, -1, np.int32)
            for c in range(found):
                mixed = np.uint64(0)
                for w in range(width):
                    mixed = (mixed ^ np.uint64(words[first[c], w])) * _MIX
                    mixed ^= mixed >> np.uint64(29)
                slot = np.int64(mixed & np.uint64(size - 1))
                while table[slot] >= 0:
                    slot = (slot + 1) & (size - 1)
                table[slot] = c
    return code, first[:found].copy()


@njit(
    void(_read(int32), _read(int32, 2), _read(uint8, 2), int32[:, ::1], uint8[:, ::1], int64, int64),
    cache=True,
    nogil=True,
)
def gather(
    code: Int32s,
    table: npt.NDArray[np.int32],
    effects: npt.NDArray[np.uint8],
    out_code: npt.NDArray[np.int32],
    out_effect: npt.NDArray[np.uint8],
    start: int,
    stop: int,
) -> None:
    """Rows start .. stop of both outputs from the tables of their kinds."""
    width = table.shape[1]
    for row in range(start, stop):
        kind = code[row]
        for j in range(width):
            out_code[row, j] = table[kind, j]
            out_effect[row, j] = effects[kind, j]


@njit(boolean[::1](_read(float64), _read(float64), float64, _read(float64), _read(float64)), cache=True, nogil=True)
def even_odd(
    xs: npt.NDArray[np.float64],
    ys: npt.NDArray[np.float64],
    origin_deg: float,
    lat_deg: npt.NDArray[np.float64],
    lon_deg: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Points inside a ring whose corners are degrees east of an origin, and latitudes; NaN is outside."""
    out = np.zeros(len(lat_deg), np.bool_)
    west, east, south, north = xs.min(), xs.max(), ys.min(), ys.max()
    for row in range(len(lat_deg)):
        y = lat_deg[row]
        if not south <= y <= north:
            continue
        x = lon_deg[row] - origin_deg
        x -= 360.0 * np.floor((x - west) / 360.0)  # the first turn at or east of the western edge
        if not west <= x <= east:
            continue
        odd = False
        before = len(xs) - 1
        for i in range(len(xs)):
            if (ys[before] > y) != (ys[i] > y) and x < xs[before] + (xs[i] - xs[before]) * (y - ys[before]) / (
                ys[i] - ys[before]
            ):
                odd = not odd
            before = i
        out[row] = odd
    return out
