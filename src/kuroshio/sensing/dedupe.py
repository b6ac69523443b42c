"""One transmission heard by several stations: first reception kept, the others named beside it.

What enters: report tables in the order they were received. What leaves: a table without the repeats, and for each row
who heard it and when. A repeat says exactly the same bits within the window; a later equal report is a new one, since
a moored ship sends the same bits for hours. It does not merge different reports of one ship: the picture does that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.sensing.ais.kernels import Ints, inner, kernel, u64

WINDOW_S = 10.0  # stations' clocks and networks; class A repeats at least 2 s apart, its bits then differ in the second
IGNORED = frozenset({"source", "station", "channel", "line", "observed_at", "received_at", "time_source", "checksum_ok",
                     "repeat"})  # fmt: skip
RECEPTIONS = pa.list_(
    pa.struct([("station", pa.string()), ("source", pa.string()), ("observed_at", pa.timestamp("us", tz="UTC"))])
)


@dataclass(frozen=True)
class Deduplicated:
    """Rows kept, and how many receptions each had; ``removed`` counts the rows that went."""

    table: pa.Table
    receptions: pa.Array
    removed: int


def deduplicate(table: pa.Table, *, window_s: float = WINDOW_S) -> Deduplicated:
    """First reception of each transmission, with all its receptions.

    Parameters
    ----------
    table
        Reports of one family in the order received: positions, statics ... A row without a time is never a repeat.
    window_s
        Longest time between the first reception and a repeat.

    Returns
    -------
    Deduplicated
        ``receptions`` has, for each kept row, a list of {station, source, observed_at}, the kept row's own first.
    """
    rows = table.num_rows
    keys = _keys(table)
    times = pc.fill_null(table["observed_at"].cast(pa.int64()), -1).to_numpy().astype(np.int64)
    first = np.empty(rows, np.int64)
    size = 1 << max(4, (2 * rows).bit_length())
    _link(keys, times, int(window_s * 1_000_000), np.full(size, -1, np.int64), first)
    kept = np.flatnonzero(first == np.arange(rows))
    order = np.lexsort((np.arange(rows), first))
    counts = np.bincount(np.searchsorted(kept, first), minlength=len(kept))
    offsets = pa.array(np.concatenate(([0], np.cumsum(counts))).astype(np.int32))
    taken = table.select(["station", "source", "observed_at"]).take(pa.array(order))
    columns = [taken[n].cast(pa.string()).combine_chunks() for n in ("station", "source")]
    columns.append(taken["observed_at"].combine_chunks())
    struct = pa.StructArray.from_arrays(columns, fields=list(RECEPTIONS.value_type))
    return Deduplicated(table.take(pa.array(kept)), pa.ListArray.from_arrays(offsets, struct), rows - len(kept))


def _keys(table: pa.Table) -> Ints:
    """63-bit hash of what each row says, leaving out who heard it."""
    keys = np.full(table.num_rows, 0x6B75726F, np.uint64)
    for item in table.schema:
        if item.name in IGNORED:
            continue
        column = table.column(item.name).combine_chunks()
        _mix_column(keys, _words(column))
    return (keys >> np.uint64(1)).astype(np.int64)


def _words(column: Any) -> npt.NDArray[np.uint64]:
    """One 64-bit word a row of a column: equal values give equal words."""
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_dictionary(column.type):
        plain = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        hashed = np.array([_text_hash(v) for v in plain.dictionary.to_pylist()] + [1], np.uint64)  # one a distinct text
        return hashed[pc.fill_null(plain.indices, len(plain.dictionary)).to_numpy()]
    if pa.types.is_floating(column.type):
        filled = pc.fill_null(column, float("inf")).to_numpy(zero_copy_only=False)
        return np.ascontiguousarray(filled, np.float64).view(np.uint64)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return pc.fill_null(column.cast(pa.int64()), -(1 << 62)).to_numpy().astype(np.int64).view(np.uint64)


def _text_hash(value: str | bytes | None) -> int:
    held = 14695981039346656037  # FNV-1a
    for byte in value.encode() if isinstance(value, str) else value or b"":
        held = ((held ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return held


@kernel
def _mix_column(keys: npt.NDArray[np.uint64], words: npt.NDArray[np.uint64]) -> None:
    for row in range(keys.size):
        word = (keys[row] ^ words[row]) * u64(0x9E3779B97F4A7C15)
        keys[row] = word ^ (word >> u64(31))


@inner
def _slot(key: int, mask: int) -> int:
    return (key ^ (key >> 23)) & mask


@kernel
def _link(keys: Ints, times: Ints, window_us: int, table: Ints, first: Ints) -> None:
    """For each row, the row that is its transmission's first reception."""
    mask = table.size - 1
    for row in range(keys.size):
        first[row] = row
        if times[row] < 0:
            continue
        at = _slot(keys[row], mask)
        while table[at] >= 0 and keys[table[at]] != keys[row]:
            at = (at + 1) & mask
        held = table[at]
        if held >= 0 and abs(times[row] - times[held]) <= window_us:
            first[row] = held
        else:
            table[at] = row
