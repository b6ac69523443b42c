"""The columns of one step, read in one pass over Arrow's memory.

What enters: a record batch, and which columns are wanted as integers, times, numbers, hashes of texts, codes of a few
known words, or as nothing as long as no value is true. What leaves:
two matrices, integers and numbers, a column a row, with a number of the caller's for what is absent. To ask Arrow for a
column, its type, its absent values and its memory costs several microseconds, as much as all rows of a step in it; so
the whole batch is handed over once, through the Arrow C data interface (`__arrow_c_array__`), and its structures are
read by a kernel. A column of a type that is not read here is left to the caller (`columns`), which takes any.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numba import types
from numba.extending import intrinsic

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.units import FloatArray, IntArray

INTEGER, TIME, NUMBER, TEXT, WORD, FALSE = range(6)
# instead of a row: no value is there at all; the type or a value is none of those read here; less - n: all are word n
ABSENT, OTHER, ONE_WORD = -1, -2, -3

# words of the structures ArrowArray and ArrowSchema (Arrow C data interface, "Structure definitions")
_NULLS, _OFFSET, _BUFFER_COUNT, _BUFFERS, _CHILDREN, _DICTIONARY = 1, 2, 3, 5, 6, 7
_FORMAT, _SCHEMA_CHILDREN, _SCHEMA_DICTIONARY = 0, 5, 6


def _loader(kind: Any) -> Any:
    """Gives the ``place``-th value of a kind behind an address."""

    @intrinsic
    def load(typing_context: Any, address: Any, place: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            values = builder.inttoptr(arguments[0], context.get_data_type(kind).as_pointer())
            return builder.load(builder.gep(values, [arguments[1]]))

        return kind(types.int64, types.int64), code

    return load


_word, _number, _byte = _loader(types.int64), _loader(types.float64), _loader(types.uint8)
_int32, _int16, _int8, _uint16 = map(_loader, (types.int32, types.int16, types.int8, types.uint16))


@within
def _is_there(bits: Any, i: Any) -> Any:
    return (_byte(bits, i >> 3) >> np.uint8(i & 7)) & np.uint8(1) != 0


_SEED, _PRIME = 14695981039346656037, 1099511628211


@within
def _mix(h: Any, byte: Any) -> Any:
    return (h ^ np.uint64(byte)) * np.uint64(_PRIME)


@within
def text_hash(data: Any, begin: Any, end: Any) -> Any:
    """62-bit hash of a text. Source: Fowler, Noll, Vo, FNV-1a with 64 bits; a tie of two names needs 2^31 of them."""
    h = np.uint64(_SEED)
    for j in range(begin, end):
        h = _mix(h, data[j])
    return np.int64(h >> np.uint64(2))


@within
def _hash_behind(address: Any, begin: Any, end: Any) -> Any:
    h = np.uint64(_SEED)
    for j in range(begin, end):
        h = _mix(h, _byte(address, j))
    return np.int64(h >> np.uint64(2))


@within
def _whole_numbers(letter: Any, values: Any, begin: Any, out: Any) -> bool:
    """Values of an integer column of any width in use here, by the letter of its format; false for other letters."""
    for i in range(out.size):
        if letter == 108:  # l
            out[i] = _word(values, begin + i)
        elif letter == 105:  # i
            out[i] = _int32(values, begin + i)
        elif letter == 115:  # s
            out[i] = _int16(values, begin + i)
        elif letter == 99:  # c
            out[i] = _int8(values, begin + i)
        elif letter == 67:  # C
            out[i] = _byte(values, begin + i)
        elif letter == 83:  # S
            out[i] = _uint16(values, begin + i)
        else:
            return False
    return True


@within
def _is_time(text: Any) -> bool:
    """True for the format of a timestamp in microseconds, ``tsu:`` and a time zone."""
    return bool(_byte(text, 0) == 116 and _byte(text, 1) == 115 and _byte(text, 2) == 117)


@within
def _nulls(bits: Any, begin: Any, n: Any) -> Any:
    count, i, end = 0, begin, begin + n
    while i < end:
        if i & 7 == 0 and i + 8 <= end and (_byte(bits, i >> 3) == 0 or _byte(bits, i >> 3) == 255):
            count += 0 if _byte(bits, i >> 3) else 8  # all absent, or all there: as most bytes are
            i += 8
            continue
        count += not _is_there(bits, i)
        i += 1
    return count


@within
def _any_true(validity: Any, values: Any, begin: Any, n: Any) -> bool:
    found = False
    for i in range(begin, begin + n):
        found |= _is_there(values, i) and (validity == 0 or _is_there(validity, i))
    return found


@within
def _is_text(schema: Any, array: Any) -> bool:
    """True for a dictionary of texts none of which is absent."""
    return bool(_byte(_word(schema, _FORMAT), 0) == 117 and _word(array, _NULLS) == 0)


@within
def _put_words(child: Any, values: Any, begin: Any, words: Any, out: Any, absent: Any) -> Any:
    """Place among the known words of each value of a dictionary of texts; `OTHER` where one is none of them."""
    dictionary = _word(child, _DICTIONARY)
    texts = _word(dictionary, _BUFFERS)
    first = _word(dictionary, _OFFSET)
    last: Any = np.int64(-1)
    code: Any = np.int64(-1)
    one = True
    for i in range(out.size):
        index = np.int64(_int32(values, begin + i))
        if index != last:
            a = np.int64(_int32(_word(texts, 1), first + index))
            b = np.int64(_int32(_word(texts, 1), first + index + 1))
            last, code = index, np.int64(-1)
            text = _hash_behind(_word(texts, 2), a, b)
            for k in range(words.size):
                if words[k] == text:
                    code = k
            if code < 0:
                return np.int64(OTHER)
        out[i] = code
        one &= code == out[0]
    return ONE_WORD - out[0] if one else absent


@kernel
def _read(
    array: int, schema: int, n: int, kinds: Any, absent: Any, words: Any, ints: Any, floats: Any, row: Any
) -> None:
    """Fill rows of the matrices; ``row`` gets of each column its row, or what stands for none."""
    children, fields = _word(array, _CHILDREN), _word(schema, _SCHEMA_CHILDREN)
    n_ints = n_floats = 0
    for c in range(kinds.size):
        child, kind = _word(children, c), kinds[c]
        text = _word(_word(fields, c), _FORMAT)
        letter = np.int64(_byte(text, 0))
        begin = _word(child, _OFFSET) + _word(array, _OFFSET)
        row[c] = ABSENT if letter == 110 else OTHER  # n: a column of the type null
        if _word(child, _BUFFER_COUNT) < 2:
            continue
        buffers = _word(child, _BUFFERS)
        validity, values = _word(buffers, 0), _word(buffers, 1)
        nulls = _nulls(validity, begin, n) if validity != 0 and _word(child, _NULLS) != 0 else 0
        if nulls == n:
            row[c] = ABSENT
            continue
        if kind == WORD:
            plain = _word(child, _DICTIONARY) != 0 and letter == 105 and nulls == 0
            whole = plain and _is_text(_word(_word(fields, c), _SCHEMA_DICTIONARY), _word(child, _DICTIONARY))
            if whole:
                row[c] = _put_words(child, values, begin, words, ints[n_ints], n_ints)
                n_ints += row[c] >= 0
            continue
        if _word(child, _DICTIONARY) != 0:
            continue
        if kind == FALSE:
            if letter == 98 and not _any_true(validity if nulls else 0, values, begin, n):  # b
                row[c] = ABSENT
            continue
        if kind == NUMBER:
            if letter != 103:  # g
                continue
            numbers = floats[n_floats]
            for i in range(n):
                numbers[i] = np.nan if nulls and not _is_there(validity, begin + i) else _number(values, begin + i)
            row[c] = n_floats
            n_floats += 1
            continue
        out = ints[n_ints]
        if kind == TEXT:
            if letter != 117:  # u
                continue
            for i in range(n):
                a, b = np.int64(_int32(values, begin + i)), np.int64(_int32(values, begin + i + 1))
                out[i] = _hash_behind(_word(buffers, 2), a, b)
        elif kind == TIME and _is_time(text):
            _whole_numbers(108, values, begin, out)
        elif not _whole_numbers(letter, values, begin, out):
            continue
        if nulls:
            for i in range(n):
                if not _is_there(validity, begin + i):
                    out[i] = absent[c]
        row[c] = n_ints
        n_ints += 1


_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def word_hashes(words: Sequence[str]) -> IntArray:
    """Hashes of the words that a column of `WORD` may hold: a value's code is the place of its word among them."""
    hashes: IntArray = np.empty(len(words), np.int64)
    for k, word in enumerate(words):  # a few
        h = _SEED
        for byte in word.encode():
            h = ((h ^ byte) * _PRIME) & 0xFFFF_FFFF_FFFF_FFFF
        hashes[k] = h >> 2
    return hashes


def read(
    batch: pa.RecordBatch, places: Sequence[int], kinds: IntArray, absent: IntArray, words: IntArray
) -> tuple[IntArray, FloatArray, list[int]]:
    """(integers, numbers, row of each column in its matrix) of some columns of a batch.

    Instead of a row there is `ABSENT`, `OTHER`, or `ONE_WORD` less the code that all rows have. ``kinds`` says what a
    column is wanted as, ``absent`` what stands for an absent integer, ``words`` are the `word_hashes` of codes. The
    matrices have room for all columns; those read come first, in the order given.
    """
    n = batch.num_rows
    ints, floats = np.empty((len(kinds), n), np.int64), np.empty((len(kinds), n))  # what is not written costs nothing
    row = np.empty(len(kinds), np.int64)
    schema, array = batch.select(places).__arrow_c_array__()  # both are given back to Arrow when they go
    addresses = _pointer(array, b"arrow_array"), _pointer(schema, b"arrow_schema")
    _read(*addresses, n, kinds, absent, words, ints, floats, row)
    return ints, floats, row.tolist()
