"""Type 24 in two parts: a part B row also carries the name that the same MMSI sent in part A shortly before.

What enters: statics in the order they were heard. What leaves: the same rows; where a name joined, ``name`` is part
A's and ``part`` says AB. Nothing that was sent is changed or moved: part A keeps its own row. What is remembered is
bounded and depends on the rows alone, not on how they came in batches.

Source: ITU-R M.1371-5, message 24: part B follows part A within a minute, both come every 6 minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.errors import InputError
from kuroshio.sensing.ais.kernels import Bytes, Ints, i64, kernel, u64

AGE_S = 720.0  # two reporting intervals: one lost part A leaves the name known
AGE_LINES = 5_000  # the same where no clock speaks
LIMIT = 1 << 14  # parts A remembered; a power of two
NAME = 20  # characters: message 24 part A, name
_NEITHER, _A, _B = 0, 1, 2
_MMSI, _TIME, _LINE, _BEFORE, _LENGTH = range(5)  # columns of what is remembered
NO_TIME = np.iinfo(np.int64).min


class Join24:
    """Joins part A's name to part B in a stream of statics.

    Parameters
    ----------
    age_s
        Longest time from part A to part B.
    limit
        Parts A remembered, a power of two; beyond it the oldest is forgotten.
    """

    def __init__(self, *, age_s: float = AGE_S, limit: int = LIMIT) -> None:
        if limit < 1 or limit & (limit - 1):
            raise InputError(f"limit {limit} is not a power of two", code="ais.limit")
        self._age_us, self._limit = int(age_s * 1_000_000), limit
        self._forget()

    def _forget(self) -> None:
        self._parts = np.zeros((0, 5), np.int64)  # room is taken at the first part: many sources never send one
        self._names = np.zeros((0, NAME), np.uint8)
        self._heads = np.zeros(0, np.int64)
        self._count = np.zeros(1, np.int64)

    def _take_room(self) -> None:
        self._parts, self._names = np.zeros((self._limit, 5), np.int64), np.zeros((self._limit, NAME), np.uint8)
        self._heads = np.zeros(self._limit, np.int64)

    def apply(self, statics: pa.Table) -> pa.Table:
        """The rows, part B with the name of its part A.

        Parameters
        ----------
        statics
            Rows of the table ``statics`` in the order heard; what earlier calls had counts as heard before.
        """
        rows = statics.num_rows
        part = statics["part"]
        if rows == 0 or part.null_count == rows:
            return statics
        kinds = pc.fill_null(pc.index_in(part, _PARTS), -1).to_numpy().astype(np.int64) + 1
        if not self._parts.size:
            self._take_room()
        name = statics["name"].combine_chunks()
        offsets, data = _buffers(name)
        found, lengths = np.zeros((rows, NAME), np.uint8), np.zeros(rows, np.int64)
        joined = _join(
            kinds, statics["mmsi"].to_numpy().astype(np.int64), _plain(statics["observed_at"], NO_TIME),
            _plain(statics["line"], -1), offsets, data, self._parts, self._names, self._heads, self._count,
            self._age_us, found, lengths,
        )  # fmt: skip
        if not joined:
            return statics
        taken = _strings(found, lengths)
        names = pc.if_else(pa.array(lengths > 0), taken, name)
        parts = pc.if_else(pa.array(lengths > 0), pa.scalar("AB"), part.combine_chunks())
        for column, values in (("name", names), ("part", parts)):
            at = statics.schema.get_field_index(column)
            statics = statics.set_column(at, statics.schema.field(at), values)
        return statics

    def state(self) -> dict[str, bytes]:
        """What is remembered."""
        held = min(int(self._count[0]), self._limit)
        return {
            "join24_count": self._count.tobytes(), "join24_parts": self._parts[:held].tobytes(),
            "join24_names": self._names[:held].tobytes(), "join24_heads": self._heads.tobytes() if held else b"",
        }  # fmt: skip

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Go on from a `state`; one without parts of a type 24 begins anew.

        Raises
        ------
        InputError
            When the state is of another limit.
        """
        self._forget()
        count = np.frombuffer(state.get("join24_count", b""), np.int64)
        if not count.size or not count[0]:
            return
        held = min(int(count[0]), self._limit)
        parts, names = state.get("join24_parts", b""), state.get("join24_names", b"")
        heads = state.get("join24_heads", b"")
        if (len(parts), len(names), len(heads)) != (held * 40, held * NAME, self._limit * 8):
            raise InputError("state of joined type 24 does not fit", code="ais.state")
        self._take_room()
        self._parts[:held] = np.frombuffer(parts, np.int64).reshape(held, 5)
        self._names[:held] = np.frombuffer(names, np.uint8).reshape(held, NAME)
        self._heads, self._count = np.frombuffer(heads, np.int64).copy(), count.copy()


_PARTS = pa.array(["A", "B"])


def _plain(column: Any, absent: int) -> Ints:
    values: Ints = pc.fill_null(column.cast(pa.int64()), absent).to_numpy().astype(np.int64)
    return values


def _buffers(text: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Offsets and bytes of a string array."""
    _, offsets, data = text.buffers()
    begin = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return begin, np.frombuffer(data, np.uint8) if data is not None else np.zeros(1, np.uint8)


def _strings(found: Bytes, lengths: Ints) -> pa.Array:
    """String array of the first characters of each row."""
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    data = found[np.arange(NAME) < lengths[:, None]]
    return pa.Array.from_buffers(pa.string(), len(lengths), [None, pa.py_buffer(offsets), pa.py_buffer(data)], 0)


@kernel
def _join(
    kinds: Ints, mmsis: Ints, times: Ints, lines: Ints, offsets: npt.NDArray[np.int32], data: Bytes, parts: Ints,
    names: Bytes, heads: Ints, count: Ints, age_us: int, found: Bytes, lengths: Ints,
) -> int:  # fmt: skip
    """Remember each part A and give each part B the name of the newest one; number of rows that got a name.

    ``heads`` holds, by hash of the MMSI, the number (from 1) of the newest part A; each names the one before it.
    A number at or below ``count - limit`` has been overwritten and ends the search.
    """
    limit = parts.shape[0]
    joined = 0
    for row in range(kinds.size):
        if kinds[row] == 0:
            continue
        bucket = i64((u64(mmsis[row]) * u64(0x9E3779B97F4A7C15)) >> u64(40)) & (limit - 1)
        if kinds[row] == 1:
            at = count[0] & (limit - 1)
            size = min(offsets[row + 1] - offsets[row], NAME)
            parts[at, _MMSI], parts[at, _TIME], parts[at, _LINE] = mmsis[row], times[row], lines[row]
            parts[at, _BEFORE], parts[at, _LENGTH] = heads[bucket], size
            for k in range(size):
                names[at, k] = data[offsets[row] + k]
            count[0] += 1
            heads[bucket] = count[0]
            continue
        number, steps = heads[bucket], 0
        while number > 0 and number > count[0] - limit and steps < 64:
            at = (number - 1) & (limit - 1)
            if parts[at, _MMSI] == mmsis[row]:
                timed = times[row] != NO_TIME and parts[at, _TIME] != NO_TIME
                if timed:
                    near = abs(times[row] - parts[at, _TIME]) <= age_us
                else:
                    near = min(lines[row], parts[at, _LINE]) >= 0 and abs(lines[row] - parts[at, _LINE]) <= AGE_LINES
                if near and parts[at, _LENGTH] > 0:
                    lengths[row] = parts[at, _LENGTH]
                    for k in range(parts[at, _LENGTH]):
                        found[row, k] = names[at, k]
                    joined += 1
                break
            number, steps = parts[at, _BEFORE], steps + 1
    return joined
