"""Row numbers of identifiers, kept as arrays: a hash table that kernels fill, so that no batch costs a turn a name.

What enters: columns of 64-bit identifiers (tracks, MMSIs). What leaves: for each the number of its row in the state
matrices, counted from 0 in the order of first appearance. Also the order (track, time) of a batch by one integer sort.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.fetch import AHEAD, fetch_one
from kuroshio.units import BoolArray, IntArray

_EMPTY = -1
_NONE = np.zeros(0, np.bool_)


@within
def first_from(keys: Any, key: Any) -> Any:
    """Place of the first of some keys in order that is not below one."""
    lo, hi = 0, keys.size
    while lo < hi:
        mid = (lo + hi) >> 1
        if keys[mid] < key:
            lo = mid + 1
        else:
            hi = mid
    return lo


@within
def _spread(key: Any, bits: int) -> Any:
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64(h >> np.uint64(64 - bits))


@kernel
def _put(table: Any, bits: int, names: Any, count: int) -> None:
    mask = table.size - 1
    for i in range(count):
        at = _spread(names[i], bits)
        while table[at] != _EMPTY:
            at = (at + 1) & mask
        table[at] = i


@kernel
def _look(begin: int, keys: Any, table: Any, bits: int, names: Any, count: int, add: bool, out: Any) -> tuple[int, int]:
    """Rows of the keys from the ``i``-th on; new ones are added while there is room. (Next key, number of names)."""
    mask = table.size - 1
    last_key, last_row = np.int64(0), np.int64(-2)
    for i in range(begin, keys.size):
        key = keys[i]
        if last_row != -2 and key == last_key:
            out[i] = last_row
            continue
        if 0 <= last_row + 1 < count and names[last_row + 1] == key:  # steps come in the order of the first of them
            last_key, last_row = key, last_row + 1
            out[i] = last_row
            continue
        if i + 2 * AHEAD < keys.size:
            fetch_one(table, _spread(keys[i + 2 * AHEAD], bits))
            likely = table[_spread(keys[i + AHEAD], bits)]
            fetch_one(names, np.int64(max(likely, 0)))
        at = _spread(key, bits)
        row = np.int64(_EMPTY)
        while table[at] != _EMPTY:
            if names[table[at]] == key:
                row = np.int64(table[at])
                break
            at = (at + 1) & mask
        if row == _EMPTY and add:
            if count >= names.size:
                return i, count
            names[count] = key
            table[at] = count
            row = np.int64(count)
            count += 1
        out[i] = row
        last_key, last_row = key, row
    return keys.size, count


@kernel
def _once(keys: Any) -> int:
    """Number of different keys of some in order, moved to the front."""
    k = min(1, keys.size)
    for i in range(1, keys.size):
        if keys[i] != keys[k - 1]:
            keys[k] = keys[i]
            k += 1
    return k


def distinct(keys: IntArray) -> IntArray:
    """Keys in order, each once.

    A sort that finds out where keys are in order already, as parts joined are; `numpy.unique` fills a hash table
    first, which takes ten times as long, and hundreds of times where the table is larger than the nearest memory.
    """
    keys = np.sort(keys, kind="stable")
    return keys[: _once(keys)]


class IdIndex:
    """Identifier -> row; grows by doubling, never forgets."""

    def __init__(self, names: IntArray | None = None) -> None:
        self._names: IntArray = np.zeros(16, np.int64) if names is None or not len(names) else np.array(names)
        self._count = 0 if names is None else len(names)
        self._marks: dict[tuple[str, ...], tuple[BoolArray, bool]] = {}
        self._grow(max(16, len(self._names)))

    def __len__(self) -> int:
        return self._count

    @property
    def names(self) -> IntArray:
        """Identifiers in the order of their rows."""
        return self._names[: self._count]

    def _grow(self, room: int) -> None:
        more = np.zeros(room, np.int64)
        more[: self._count] = self._names[: self._count]
        self._names = more
        self._bits = max(5, int(2 * room - 1).bit_length())
        self._table = np.full(1 << self._bits, _EMPTY, np.int32)
        _put(self._table, self._bits, self._names, self._count)

    def rows(self, keys: IntArray) -> IntArray:
        """Row of each key; a key not seen before gets the next one."""
        out = np.empty(len(keys), np.int64)
        i = 0
        while i < len(keys):  # one turn a doubling
            i, self._count = _look(i, keys, self._table, self._bits, self._names, self._count, True, out)
            if i < len(keys):
                self._grow(2 * len(self._names))
        return out

    def find(self, keys: IntArray) -> IntArray:
        """Row of each key, -1 where it is not known."""
        out = np.empty(len(keys), np.int64)
        _look(0, keys, self._table, self._bits, self._names, self._count, False, out)
        return out

    def copy(self) -> IdIndex:
        """An independent copy."""
        twin = IdIndex.__new__(IdIndex)
        twin._names, twin._table = self._names.copy(), self._table.copy()
        twin._count, twin._bits, twin._marks = self._count, self._bits, {}
        return twin

    def with_prefix(self, prefixes: tuple[str, ...]) -> tuple[BoolArray, bool]:
        """True for each identifier of nine digits that begins with one of the prefixes; and whether any does."""
        known, some = self._marks.get(prefixes, (_NONE, False))
        if len(known) < self._count:
            fresh = self._names[len(known) : self._count]
            found = np.zeros(len(fresh), np.bool_)
            for prefix in prefixes:  # a few
                size = 10 ** (9 - len(prefix))
                found |= (fresh >= int(prefix) * size) & (fresh < (int(prefix) + 1) * size)
            known, some = np.concatenate([known, found]), some or bool(found.any())
            self._marks[prefixes] = known, some
        return known, some


IN_ORDER, TWICE, WIDE = 0, -1, -2


@within
def _bits(value: Any) -> Any:
    k = 0
    while value >> k:
        k += 1
    return k


@kernel
def order_keys(first: Any, second: Any, keys: Any) -> int:
    """Number of last bits that hold the row in keys that order rows by two columns, one row at least.

    `IN_ORDER` where rows are in order and no two equal, `TWICE` where some are, `WIDE` where no key has room.
    """
    n = first.size
    good, twice = True, False
    low_a, low_b, high_a, high_b = first[0], second[0], first[0], second[0]
    for i in range(1, n):
        a, b = first[i], second[i]
        good &= a > first[i - 1] or (a == first[i - 1] and b >= second[i - 1])
        twice |= a == first[i - 1] and b == second[i - 1]
        low_a, high_a, low_b, high_b = min(low_a, a), max(high_a, a), min(low_b, b), max(high_b, b)
    if good:
        return TWICE if twice else IN_ORDER
    if high_a - low_a < 0 or high_b - low_b < 0:  # beyond 64 bits
        return WIDE
    bits, bits_b = _bits(np.int64(n - 1)), _bits(high_b - low_b)
    if bits + bits_b + _bits(high_a - low_a) > 63:
        return WIDE
    for i in range(n):
        keys[i] = ((((first[i] - low_a) << bits_b) | (second[i] - low_b)) << bits) | i
    return bits


def two_key_order(first: IntArray, second: IntArray) -> IntArray:
    """Order by two integer columns, rows equal in both in any order.

    Positions are packed behind both columns where all fit into 63 bits, else behind one after the other, since one sort
    of integers is several times as fast as a stable sort of two columns.
    """
    n = len(first)
    first, second = np.ascontiguousarray(first), np.ascontiguousarray(second)
    packed = np.empty(n, np.int64)
    told = order_keys(first, second, packed) if n > 1 else IN_ORDER
    if told > 0:
        packed.sort()
        packed &= (1 << told) - 1
        return packed
    order, bits = np.arange(n), (n - 1).bit_length()
    if told != WIDE:
        return order
    for column in (second, first):
        values = column[order]
        if not (values[1:] < values[:-1]).any():
            continue
        low = int(values.min())
        if int(values.max()) - low < 1 << (63 - bits):
            packed = np.sort(((values - low) << bits) | np.arange(n))
            order = order[packed & ((1 << bits) - 1)]
        else:
            order = order[np.argsort(values, kind="stable")]
    return order
