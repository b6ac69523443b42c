"""Arrow columns as the NumPy arrays that kernels read: without a copy where the type is right, absent ones shared.

What enters: a table, or one batch of it, and the name of a column. What leaves: its values as 64-bit integers or
numbers, texts as hashes, with a number of the caller's for what is absent. Nobody writes to any of them. Columns that
hold one value alone are views of one array of it, however many there are.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import schema
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.intake import text_hash
from kuroshio.errors import InputError
from kuroshio.units import BoolArray, FloatArray, IntArray


def whole(table: pa.Table) -> Any:
    """The only batch of a table, whose columns are got at once; else the table."""
    parts = table.to_batches() if table.num_rows else []
    return parts[0] if len(parts) == 1 else table


def _column(table: Any, name: str) -> pa.Array | None:
    place = table.schema.get_field_index(name)
    if place < 0:
        return None
    column = table.column(place)
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


_SHARED_ROWS = 1_000_000
_SHARED: dict[tuple[Any, Any], Any] = {}  # (value, dtype) -> the longest column of it
_OWNERS: dict[int, tuple[tuple[Any, Any], Any]] = {}  # id of every such column ever made, which keeps it alive
_LONG: WeakValueDictionary[tuple[int, Any, Any], Any] = WeakValueDictionary()


def constant(n: int, value: Any, dtype: Any = np.int64) -> Any:
    """Column of one value, shared among all absent columns: nobody writes to it."""
    key = (repr(value), dtype)
    if n > _SHARED_ROWS:
        column = _LONG.get((n, *key))
        if column is None:
            column = _LONG[(n, *key)] = np.full(n, value, dtype)
        return column
    column = _SHARED.get(key)
    if column is None or len(column) < n:
        column = _SHARED[key] = np.full(max(1024, min(_SHARED_ROWS, 2 * n)), value, dtype)
        _OWNERS[id(column)] = (key, column)
    return column[:n]


def is_shared(column: Any) -> bool:
    """True for a column of `constant`."""
    return id(column.base) in _OWNERS


def shared_key(column: Any) -> Any:
    """What is the same of two shared columns where their value and type are."""
    return _OWNERS[id(column.base)][0]


def shared_like(column: Any, n: int) -> Any:
    """As many rows of a shared column, which may be longer than it."""
    if n <= len(column.base):
        return column.base[:n]
    return constant(n, column.base[0].item(), column.dtype.type)


def same(one: Any, other: Any) -> bool:
    """True for columns of one and the same value, the first of which is shared."""
    if one.base is other.base:
        return True
    return is_shared(other) and bool(shared_key(one) == shared_key(other))


def joined(columns: list[Any]) -> Any:
    """All rows of some columns; still shared where all are."""
    first = columns[0]
    if is_shared(first) and all(same(first, c) for c in columns):
        return shared_like(first, sum(map(len, columns)))
    return np.concatenate(columns)


class _View:
    """Memory of an Arrow buffer as an array that numba takes for any other: one form of each kernel is compiled."""

    def __init__(self, buffer: pa.Buffer, kind: Any, offset: int, count: int) -> None:
        self.buffer = buffer
        self.__array_interface__ = {
            "shape": (count,),
            "typestr": kind.str,
            "data": (buffer.address + offset * kind.itemsize, False),  # said to be writable; nothing here writes to it
            "version": 3,
        }


_KINDS: dict[Any, Any] = {c: np.dtype(c) for c in (np.int64, np.float64, np.int32, np.int16, np.int8)}
_KINDS |= {c: np.dtype(c) for c in (np.uint8, np.uint16)}


def _view(buffer: pa.Buffer | None, dtype: Any, offset: int = 0, count: int | None = None) -> Any:
    kind = _KINDS[dtype]
    count = count if count is not None else (buffer.size // kind.itemsize if buffer is not None else 0)
    return np.asarray(_View(buffer, kind, offset, count)) if buffer is not None and count else np.zeros(0, dtype)


_INT64, _FLOAT64, _TIME = pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
_NARROW: dict[str, Any] = {
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "uint8": np.uint8,
    "uint16": np.uint16,
}


def _numbers(column: pa.Array, kind: pa.DataType, dtype: Any, absent: Any, name: str) -> Any:
    """Values of a primitive column, without a copy where the type is right and none is absent."""
    if column.type != kind:
        narrow = _NARROW.get(str(column.type)) if kind is _INT64 else None
        if narrow is not None and not column.null_count:  # a cast of Arrow costs several times as much
            return _view(column.buffers()[1], narrow, column.offset, len(column)).astype(dtype)
        column = whole_numbers(column) if kind is _INT64 else column
        column = schema.as_type(column, kind, name)
    values = _view(column.buffers()[1], dtype, column.offset, len(column))
    if column.null_count:
        values = np.where(np.asarray(column.is_valid()), values, absent)
    return values


def whole_numbers(column: Any) -> Any:
    """A column with what is not a number as absent: so pandas writes integers of which some are not there."""
    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column


def ints(table: Any, name: str, n: int, absent: int = -1) -> IntArray:
    """Integers."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return constant(n, absent)
    result: IntArray = _numbers(column, _INT64, np.int64, absent, name)
    return result


def times(table: Any, name: str, n: int, absent: int) -> IntArray:
    """Times in microseconds, from any unit or RFC 3339 texts."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return constant(n, absent)
    if column.type != _TIME:
        text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)  # of RFC 3339
        if text or (pa.types.is_timestamp(column.type) and column.type.unit != "us"):
            column = schema.as_type(column, _TIME, name)
        elif not pa.types.is_timestamp(column.type):
            column = schema.as_type(column, _INT64, name)
    result: IntArray = _numbers(column, column.type, np.int64, absent, name)
    return result


def floats(table: Any, name: str, n: int) -> FloatArray:
    """Numbers, NaN where absent."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return constant(n, np.nan, np.float64)
    result: FloatArray = _numbers(column, _FLOAT64, np.float64, np.nan, name)
    return result


def bools(table: Any, name: str, n: int) -> BoolArray:
    """True where it is said."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return constant(n, False, np.bool_)
    column = pc.fill_null(schema.as_type(column, pa.bool_(), name), False)
    if column.true_count == 0:
        return constant(n, False, np.bool_)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def labels(table: Any, name: str, codes: dict[str, int], absent: int) -> IntArray:
    """Code of each word; ``absent``, which is not -1, where there is none."""
    column = _column(table, name)
    assert column is not None
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = column.dictionary.to_pylist()
    if len(words) == 1 and not column.null_count and words[0] in codes:
        return constant(len(column), codes[words[0]])
    known = np.asarray([*(codes.get(w, -1) for w in words), absent], np.int64)
    result: IntArray = known[_numbers(column.indices, pa.int32(), np.int32, len(words), name)]
    if (result == -1).any():  # a dictionary may hold words that no row uses
        used = [w for w in pc.unique(column.cast(pa.string())).to_pylist() if w is not None and w not in codes]
        raise InputError(f"tracks: {name} {used[0]!r} is none of {', '.join(codes)}", code="behaviour.value")
    return result


def codes(table: Any, name: str, n: int) -> IntArray:
    """62-bit hash of each text, -1 where it is absent: kernels compare names, they do not read them."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return constant(n, -1)
    if pa.types.is_dictionary(column.type):
        words = column.dictionary.cast(pa.large_string())
        index = _numbers(column.indices.cast(pa.int64()), pa.int64(), np.int64, -1, name)
        return np.append(_hashes(words), -1)[index]
    return np.where(np.asarray(column.is_valid()), _hashes(column.cast(pa.large_string())), -1)


def _hashes(words: pa.Array) -> IntArray:
    _, offsets, data = words.buffers()
    hashes: IntArray = np.empty(len(words), np.int64)
    _fnv(_view(offsets, np.int64, words.offset, len(words) + 1), _view(data, np.uint8), hashes)
    return hashes


@kernel
def _fnv(ends: Any, data: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = text_hash(data, ends[i], ends[i + 1])
