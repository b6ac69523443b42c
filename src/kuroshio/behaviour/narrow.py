"""Columns kept in half the memory wherever nothing is lost by it: the first touch of new memory costs more than a copy.

What enters: rows of a `blocks.Block`, the row of each one's track in the states. What leaves: memory of four widths
that holds them, and the rows taken from it again, bit by bit as they were. A column is narrow as long as all its values
fit: a whole number in 32 bits, a time within half an hour of that of its row, a place in units of 1e-7 degree, a number
in single precision. The track is not kept: the row of the track tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kuroshio.behaviour.blocks import Form
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.fixes import NEVER
from kuroshio.geo.polygon import UNITS_PER_DEG
from kuroshio.units import FloatArray, IntArray

# how a column of integers is kept, and one of numbers
WIDE, NARROW, SINCE, TRACK = range(4)
DOUBLE, SINGLE, PLACE = range(3)
_TIMES, _PLACES = ("ais_at", "radar_at", "image_at"), ("lat", "lon")
_ABSENT = -(1 << 31)  # instead of `NEVER`


class Memory(NamedTuple):
    """Room for rows: 64-bit integers, 32-bit integers, numbers of both precisions, the row of the track in states."""

    wide: Any
    narrow: Any
    double: Any
    single: Any
    slot: Any


class Layout(NamedTuple):
    """How each column of a form is kept, and in which row of the memory of its width."""

    ints: IntArray  # (2, columns): how, where
    floats: IntArray
    widths: tuple[int, int, int, int]  # columns in each part of the memory but the last

    @staticmethod
    def of(form: Form, wide: frozenset[str]) -> Layout:
        """Layout in which all columns are narrow but the times of rows and those named."""
        counts = [0, 0, 0, 0]

        def put(how: int, part: int) -> tuple[int, int]:
            counts[part] += 1
            return how, counts[part] - 1

        ints, floats = [], []
        for name in form.ints:
            if name == "track":
                ints.append((TRACK, 0))
            elif name == "t" or name in wide:
                ints.append(put(WIDE, 0))
            else:
                ints.append(put(SINCE if name in _TIMES else NARROW, 1))
        for name in form.floats:
            if name in wide:
                floats.append(put(DOUBLE, 2))
            else:
                floats.append(put(PLACE, 1) if name in _PLACES else put(SINGLE, 3))
        columns = [np.asarray(rows, np.int64).reshape(-1, 2).T.copy() for rows in (ints, floats)]
        return Layout(columns[0], columns[1], (counts[0], counts[1], counts[2], counts[3]))

    def memory(self, room: int) -> Memory:
        """Memory for so many rows, all of one piece, so that large pages are asked for."""
        types: Sequence[Any] = (np.int64, np.int32, np.float64, np.float32, np.int32)
        room += room & 1
        sizes = [np.dtype(t).itemsize * n * room for t, n in zip(types, (*self.widths, 1), strict=True)]
        whole, parts, begin = np.empty(sum(sizes), np.uint8), [], 0
        for kind, size in zip(types, sizes, strict=True):
            part = whole[begin : begin + size].view(kind)
            parts.append(part.reshape(-1, room))
            begin += size
        return Memory(parts[0], parts[1], parts[2], parts[3], parts[4][0])


@kernel
def put_rows(ints: Any, floats: Any, slot: Any, t: Any, plan: Any, at: int, to: Any, misfit: Any) -> int:
    """Write rows from ``at`` on; the number of columns that do not fit, which are marked in ``misfit``.

    ``plan``: of each column its row in the matrices, or -1 and the value that all its rows have; how and where it is
    kept. Numbers that all rows share are NaN.
    """
    (from_int, value, how_int, from_float, how_float), (wide, narrow, double, single, slots) = plan, to
    n, bad = slot.size, 0
    for c in range(from_int.size):
        r, how, k, wrong = from_int[c], how_int[0, c], how_int[1, c], 0
        v: Any = value[c]
        if how == WIDE:
            for i in range(n):
                wide[k, at + i] = ints[r, i] if r >= 0 else v
        elif how == NARROW:
            for i in range(n):
                v = ints[r, i] if r >= 0 else v
                narrow[k, at + i] = v
                wrong |= v != np.int64(narrow[k, at + i])
        elif how == SINCE:
            for i in range(n):
                v = ints[r, i] if r >= 0 else v
                apart = v - t[i]
                wrong |= v != NEVER and not -(1 << 31) < apart < (1 << 31)
                narrow[k, at + i] = _ABSENT if v == NEVER else apart
        misfit[c] = wrong
        bad += wrong != 0
    for c in range(from_float.size):
        r, how, k, wrong = from_float[c], how_float[0, c], how_float[1, c], 0
        if how == DOUBLE:
            for i in range(n):
                double[k, at + i] = floats[r, i] if r >= 0 else np.nan
        elif how == SINGLE:
            for i in range(n):
                x = floats[r, i] if r >= 0 else np.nan
                single[k, at + i] = x
                wrong |= x == x and np.float64(single[k, at + i]) != x
        else:
            for i in range(n):
                x = floats[r, i] if r >= 0 else np.nan
                unit = np.rint(x * UNITS_PER_DEG)
                good = abs(unit) < 2.0**31 and unit / UNITS_PER_DEG == x and (unit != 0.0 or np.copysign(1.0, x) > 0.0)
                narrow[k, at + i] = np.int64(unit) if good else 0
                wrong |= not good
        misfit[from_int.size + c] = wrong
        bad += wrong != 0
    for i in range(n):
        slots[at + i] = slot[i]
    return bad


@kernel
def take_rows(memory: Any, t_at: int, plan: Any, tracks: Any, rows: Any, ints: Any, floats: Any) -> None:
    """Rows as they were put; ``tracks`` gives the track of each row of the states."""
    (how_int, how_float), (wide, narrow, double, single, slots) = plan, memory
    n = rows.size
    for c in range(ints.shape[0]):
        how, k = how_int[0, c], how_int[1, c]
        for i in range(n):
            row = rows[i]
            if how == WIDE:
                ints[c, i] = wide[k, row]
            elif how == TRACK:
                ints[c, i] = tracks[slots[row]]
            elif how == NARROW:
                ints[c, i] = narrow[k, row]
            else:
                apart = np.int64(narrow[k, row])
                ints[c, i] = NEVER if apart == _ABSENT else wide[t_at, row] + apart
    for c in range(floats.shape[0]):
        how, k = how_float[0, c], how_float[1, c]
        for i in range(n):
            row = rows[i]
            if how == DOUBLE:
                floats[c, i] = double[k, row]
            elif how == SINGLE:
                floats[c, i] = single[k, row]
            else:
                floats[c, i] = narrow[k, row] / UNITS_PER_DEG


def taken(memory: Memory, layout: Layout, form: Form, tracks: IntArray, rows: IntArray) -> tuple[IntArray, FloatArray]:
    """Matrices of some rows, of the columns of the form."""
    ints, floats = np.empty((len(form.ints), len(rows)), np.int64), np.empty((len(form.floats), len(rows)))
    t_at = int(layout.ints[1, form.ints.index("t")])
    take_rows(memory, t_at, (layout.ints, layout.floats), tracks, rows, ints, floats)
    return ints, floats
