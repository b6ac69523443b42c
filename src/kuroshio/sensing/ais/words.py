"""Eight bytes at a time: loads, payload characters and digits as machine words.

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
def store64(typing_context: Any, buf: Any, at: Any, word: Any) -> Any:
    """Write a word's eight bytes from index ``at`` on, the lowest first; no alignment needed."""
    signature = types.void(buf, types.int64, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.IntType(64).as_pointer())
        builder.store(arguments[2], pointer, align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def zeros64(typing_context: Any, word: Any) -> Any:
    """Number of zero bits below the lowest one bit; 64 for zero."""
    signature = types.int64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate


@intrinsic
def swap64(typing_context: Any, word: Any) -> Any:
    """The word with its bytes in reverse order."""
    signature = types.uint64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return signature, generate


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
def text_word(bits: int) -> tuple[Any, int]:
    """Seven six-bit characters, the first highest, as text, the first in the lowest byte; characters before an @.

    Source: ITU-R M.1371-5, table 47 (six-bit ASCII): below 32 it is ASCII less 64, else ASCII.
    """
    word = u64(bits) << u64(6)
    word = ((word & u64(0x0000FFFFFF000000)) << u64(8)) | (word & u64(0x0000000000FFFFFF))
    word = ((word & u64(0x00FFF00000FFF000)) << u64(4)) | (word & u64(0x00000FFF00000FFF))
    word = ((word & u64(0x0FC00FC00FC00FC0)) << u64(2)) | (word & u64(0x003F003F003F003F))
    word = swap64(word)
    ends = (word - _ONES) & ~word & _HIGH  # the eighth character is always an end
    text = word + ((~word & (u64(0x20) * _ONES)) << u64(1))
    return text, zeros64(ends) >> 3


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


@kernel
def eight_digits(value: Any) -> Any:
    """Text of a number below 10**8 as eight decimal digits, the first in the lowest byte."""
    word = (value // u64(10_000)) | ((value % u64(10_000)) << u64(32))
    high = ((word * u64(10_486)) >> u64(20)) & u64(0x0000007F0000007F)  # hundreds of each half
    word = high | ((word - u64(100) * high) << u64(16))
    high = ((word * u64(103)) >> u64(10)) & u64(0x000F000F000F000F)  # tens of each pair
    word = high | ((word - u64(10) * high) << u64(8))
    return word | u64(0x30) * _ONES
