"""What a row says as one number: equal rows give equal numbers whatever batch they come in.

What enters: report tables. What leaves: a 63-bit key a row over everything that was sent, leaving out who heard it,
when, and on which channel. Two different rows share a key once in 2^63 by chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.sensing.ais.kernels import Bytes, Ints, kernel, u64

IGNORED = frozenset({"source", "station", "channel", "line", "observed_at", "received_at", "time_source", "checksum_ok",
                     "repeat"})  # fmt: skip
_SEED = 0x6B75726F
Words = npt.NDArray[np.uint64]


def keys_of(table: pa.Table, family: str) -> Ints:
    """Key of each row of a family's table."""
    seed = text_hashes(pa.array([family]))[0] ^ np.uint64(_SEED)
    keys = np.full(table.num_rows, seed, np.uint64)
    joined = pc.fill_null(pc.equal(table["part"], "AB"), False) if "part" in table.schema.names else None
    for item in table.schema:
        if item.name in IGNORED:
            continue
        column = table.column(item.name)
        if joined is not None and item.name == "name":  # part A's: part B did not send it
            column = pc.if_else(joined, pa.scalar(None, pa.string()), column)
        elif joined is not None and item.name == "part":
            column = pc.if_else(joined, pa.scalar("B"), column)
        _mix(keys, _words(column.combine_chunks()))
    return (keys >> np.uint64(1)).astype(np.int64)


def _words(column: Any) -> Words:
    """One 64-bit word a row of a column: equal values give equal words."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_dictionary(kind):
        return text_hashes(column)
    if pa.types.is_floating(kind):
        filled = pc.fill_null(column, float("inf")).to_numpy(zero_copy_only=False)
        return np.ascontiguousarray(filled, np.float64).view(np.uint64)
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.int64())
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    words: Words = pc.fill_null(column.cast(pa.int64()), -(1 << 62)).to_numpy().astype(np.int64).view(np.uint64)
    return words


def text_hashes(column: Any) -> Words:
    """Hash of each text or byte string, 1 for null; a dictionary's words are hashed once."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        of_words = np.append(text_hashes(column.dictionary), np.uint64(1))
        return of_words[pc.fill_null(column.indices, len(column.dictionary)).to_numpy()]
    hashes = np.ones(len(column), np.uint64)
    if not len(column):
        return hashes
    _, offsets, data = column.buffers()
    begin = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    valid = pc.is_valid(column).to_numpy(zero_copy_only=False)
    _hash(begin, np.frombuffer(data, np.uint8) if data is not None else np.zeros(1, np.uint8), valid, hashes)
    return hashes


@kernel
def _hash(offsets: npt.NDArray[np.int32], data: Bytes, valid: npt.NDArray[np.bool_], hashes: Words) -> None:
    for row in range(hashes.size):
        if not valid[row]:
            continue
        held = u64(14695981039346656037)  # FNV-1a
        for k in range(offsets[row], offsets[row + 1]):
            held = (held ^ u64(data[k])) * u64(1099511628211)
        hashes[row] = held


@kernel
def _mix(keys: Words, words: Words) -> None:
    for row in range(keys.size):
        word = (keys[row] ^ words[row]) * u64(0x9E3779B97F4A7C15)
        keys[row] = word ^ (word >> u64(31))
