"""One pass over ASTERIX bytes: where each record and each of its items begins.

What enters: bytes of one data block and a `Layout`. What leaves: an array of offsets, one row a record, -1 where an
item is absent, and where the walk stopped. It reads no values.
Source: EUROCONTROL-SPEC-0149 part 1, 4.2 (data blocks, FSPEC) and 4.3 (item formats).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

from kuroshio.units import IntArray


@register_jitable
def _simple_end(data: Any, pos: int, end: int, row: Any, extents: Any) -> int:
    """Position after a non-compound item that begins at pos; -1 where it does not fit or breaks the rules."""
    kind, a, b, c = row
    if kind == 1:
        pos += a
    elif kind == 2:
        for n in range(b):
            pos += extents[a + n]
            if pos > end:
                return -1
            if n == b - 1:
                if c == 1 and data[pos - 1] & 1:
                    return -1  # extension asked beyond the last extent
                break
            if not data[pos - 1] & 1:
                break
    elif kind == 3:
        if a > 0:
            if pos + a > end:
                return -1
            count = 0
            for n in range(a):
                count = count * 256 + data[pos + n]
            pos += a + count * b
        else:
            while True:
                pos += b
                if pos > end:
                    return -1
                if not data[pos - 1] & 1:
                    break
    elif kind == 4:
        if pos >= end or data[pos] == 0:
            return -1
        pos += data[pos]
    else:
        return -1
    return pos if pos <= end else -1


@register_jitable
def _presence_end(data: Any, pos: int, end: int, limit: int) -> int:
    """Position after presence bits (FSPEC) of at most `limit` bytes; -1 when they do not end."""
    for n in range(limit):
        if pos + n >= end:
            return -1
        if not data[pos + n] & 1:
            return pos + n + 1
    return -1


@njit(cache=True, nogil=True)
def scan_block(
    data: Any, start: int, end: int, frns: int, fspec_bytes: int, items: Any, extents: Any, offsets: Any
) -> tuple[int, int]:
    """(records found, position where the walk stopped) over the records of a block; a stop before `end` is a fault.

    Parameters
    ----------
    data
        uint8 array.
    start, end
        First byte after the block header and first byte after the block.
    offsets
        int64 array (records, slots) to fill; it bounds the number of records.
    """
    pos, count = start, 0
    while pos < end and count < offsets.shape[0]:
        begin = pos
        row = offsets[count]
        row[:] = -1
        fspec = pos
        pos = _presence_end(data, pos, end, fspec_bytes)
        if pos < 0:
            return count, begin
        width = pos - fspec
        for bit in range(width * 7):
            if not data[fspec + bit // 7] & (128 >> (bit % 7)):
                continue
            if bit >= frns or items[bit, 0] == 0:
                return count, begin
            row[bit] = pos
            if items[bit, 0] != 5:
                pos = _simple_end(data, pos, end, items[bit], extents)
            else:
                inner = pos
                pos = _presence_end(data, pos, end, items[bit, 3])
                if pos < 0:
                    return count, begin
                for sub in range((pos - inner) * 7):
                    if not data[inner + sub // 7] & (128 >> (sub % 7)):
                        continue
                    slot = items[bit, 1] + sub
                    if sub >= items[bit, 2] or items[slot, 0] == 0:
                        return count, begin
                    row[slot] = pos
                    pos = _simple_end(data, pos, end, items[slot], extents)
                    if pos < 0:
                        return count, begin
            if pos < 0:
                return count, begin
        count += 1
    return count, pos


def read_uint(data: np.ndarray, at: IntArray, width: int) -> IntArray:
    """Big-endian unsigned integers of `width` bytes at offsets; -1 where the offset is -1."""
    safe = np.maximum(at, 0)
    value = np.zeros(len(at), np.int64)
    for n in range(width):
        value = value * 256 + data[np.minimum(safe + n, len(data) - 1)]
    return np.where(at >= 0, value, -1)


def read_int(data: np.ndarray, at: IntArray, width: int) -> IntArray:
    """Two's complement integers of `width` bytes at offsets; 0 where the offset is -1 (mask by the offset)."""
    value = read_uint(data, at, width)
    half = 1 << (8 * width - 1)
    return np.where(at >= 0, np.where(value >= half, value - 2 * half, value), 0)


def warm_up() -> None:
    """Compile the scan on a tiny block."""
    items, extents = np.array([[1, 2, 0, 0]], np.int32), np.zeros(1, np.int32)
    data = np.array([0x80, 1, 2], np.uint8)
    scan_block(data, 0, 3, 1, 1, items, extents, np.full((1, 1), -1, np.int64))
