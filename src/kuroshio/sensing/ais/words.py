"""Eight bytes at a time: loads, searches and payload characters as machine words.

What enters: a byte buffer and an index with at least 8 bytes after it. What leaves: 64-bit words. The byte tricks are
the usual ones (a byte is zero, below a bound, in a range); each is checked against a loop over bytes in
tests/unit/test_sensing_ais_words.py. Little-endian machines, as Numba's targets are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from kuroshio.sensing.ais.kernels import Bytes, i64, intrinsic, kernel, u64

_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)


@intrinsic
def load64(typing_context: Any, buf: Any, at: Any) -> Any:
    """Eight bytes from index ``at``, the first in the lowest bits; no alignment needed."""
    signature = types.uint64(buf, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return signature, generate


@intrinsic
def swap64(typing_context: Any, word: Any) -> Any:
    """The word with its bytes in reverse order."""
    signature = types.uint64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return signature, generate


@intrinsic
def zeros64(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one bit; 64 for zero."""
    signature = types.int64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate


@kernel
def payload_end(buf: Bytes, at: int) -> int:
    """Index of the first byte from ``at`` that is below ``0`` or a backslash (or is not ASCII)."""
    slash = u64(0x5C) * _ONES
    while True:
        word = load64(buf, at)
        other = word ^ slash
        found = (((word - u64(0x30) * _ONES) | (other - _ONES) & ~other) | word) & _HIGH
        if found != u64(0):
            return at + (zeros64(found) >> 3)
        at += 8


@kernel
def tag_end(buf: Bytes, at: int) -> int:
    """Index of the first byte from ``at`` that is a control character or a backslash (or is not ASCII)."""
    slash = u64(0x5C) * _ONES
    while True:
        word = load64(buf, at)
        other = word ^ slash
        found = (((word - u64(0x20) * _ONES) | (other - _ONES) & ~other) | word) & _HIGH
        if found != u64(0):
            return at + (zeros64(found) >> 3)
        at += 8


@kernel
def xor_bytes(buf: Bytes, start: int, stop: int) -> int:
    """Exclusive or of all bytes of a range."""
    value = u64(0)
    at = start
    while at + 8 <= stop:
        value ^= load64(buf, at)
        at += 8
    if at < stop:
        value ^= load64(buf, at) & ((u64(1) << u64(8 * (stop - at))) - u64(1))
    value ^= value >> u64(32)
    value ^= value >> u64(16)
    value ^= value >> u64(8)
    return i64(value & u64(255))


@kernel
def all_six(buf: Bytes, start: int, stop: int) -> bool:
    """Whether every byte of a range is a payload character: 0-W or `-w."""
    at = start
    while at < stop:
        word = load64(buf, at)
        if stop - at < 8:
            mask = (u64(1) << u64(8 * (stop - at))) - u64(1)
            word = (word & mask) | (u64(0x30) * _ONES & ~mask)
        if word & _HIGH:
            return False
        low = word + u64(0x80 - 0x30) * _ONES  # high bit: 0 or above
        gap = (word + u64(0x7F - 0x57) * _ONES) & ~(word + u64(0x80 - 0x60) * _ONES)  # high bit: X to _
        over = word + u64(0x7F - 0x77) * _ONES  # high bit: above w
        if (low & ~gap & ~over & _HIGH) != _HIGH:
            return False
        at += 8
    return True


@kernel
def six_word(buf: Bytes, at: int, chars: int) -> Any:
    """48 bits of up to eight payload characters, the first highest; missing characters are zero."""
    word = load64(buf, at)
    if chars < 8:
        if chars <= 0:
            return u64(0)
        mask = (u64(1) << u64(8 * chars)) - u64(1)
        word = (word & mask) | (u64(0x30) * _ONES & ~mask)
    word -= u64(0x30) * _ONES
    word -= ((word + u64(0x50) * _ONES) & _HIGH) >> u64(4)  # characters from ` on are 8 lower
    word = swap64(word)
    word = ((word >> u64(2)) & u64(0x0FC00FC00FC00FC0)) | (word & u64(0x003F003F003F003F))
    word = ((word >> u64(4)) & u64(0x00FFF00000FFF000)) | (word & u64(0x00000FFF00000FFF))
    return ((word >> u64(8)) & u64(0x0000FFFFFF000000)) | (word & u64(0x0000000000FFFFFF))


@kernel
def ten_digits(buf: Bytes, at: int) -> int:
    """Number of ten decimal digits at an index, -1 where one is not a digit."""
    word = load64(buf, at)
    high, low = i64(buf[at + 8]) - 48, i64(buf[at + 9]) - 48
    six = word + u64(0x06) * _ONES
    digits = ((word & (u64(0xF0) * _ONES)) == u64(0x30) * _ONES) and ((six & (u64(0xF0) * _ONES)) == u64(0x30) * _ONES)
    if not digits or high < 0 or high > 9 or low < 0 or low > 9:
        return -1
    word = (word & (u64(0x0F) * _ONES)) * u64(2561) >> u64(8)
    word = (word & u64(0x00FF00FF00FF00FF)) * u64(6553601) >> u64(16)
    word = (word & u64(0x0000FFFF0000FFFF)) * u64(42949672960001) >> u64(32)
    return i64(word) * 100 + high * 10 + low
