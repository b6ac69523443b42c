"""Memory asked for before it is needed.

What enters: the rows of a state that a batch will come to, one after another. What leaves: nothing. The processor
begins to fetch a later row while a kernel is at work on this one: live, each row of a batch is of another ship, whose
state has been pushed out of the nearest memory since the last step, and a kernel full of branches would wait for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from kuroshio.behaviour.compiled import within

_LINE = 64  # bytes of a line of memory
AHEAD = 8  # rows: some hundreds of nanoseconds
_SAMPLES, _FEW = 16, 4_096
_BYTE = ir.IntType(8).as_pointer()
_KIND = ir.FunctionType(ir.VoidType(), [_BYTE, ir.IntType(32), ir.IntType(32), ir.IntType(32)])


def _fetching(typing_context: Any, matrix: Any, row: Any) -> Any:
    """Begins to fetch a row of a matrix whose rows are contiguous, to read and to write it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, word, flag = _BYTE, ir.IntType(64), ir.IntType(32)
        wide = builder.mul(builder.extract_value(array.shape, 1), array.itemsize)
        first = builder.gep(builder.bitcast(array.data, byte), [builder.mul(arguments[1], wide)])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], _KIND)
        with cgutils.for_range_slice(builder, word(0), wide, word(_LINE), inc=True) as (at, _):
            # to write, keep it near, data: LLVM Language Reference, "llvm.prefetch"
            builder.call(fetch, [builder.gep(first, [at]), flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    good = isinstance(matrix, types.Array) and matrix.ndim == 2 and matrix.layout == "C"
    return (types.void(matrix, types.int64), code) if good else None


_fetch_row: Any = intrinsic(_fetching)


def _fetching_one(typing_context: Any, array: Any, place: Any) -> Any:
    """Begins to fetch the ``place``-th value of a contiguous array of any shape, to read and to write it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte, flag = _BYTE, ir.IntType(32)
        where = builder.mul(arguments[1], values.itemsize)
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], _KIND)
        builder.call(fetch, [builder.gep(builder.bitcast(values.data, byte), [where]), flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    good = isinstance(array, types.Array) and array.layout == "C"
    return (types.void(array, types.int64), code) if good else None


fetch_one: Any = intrinsic(_fetching_one)


@within
def reach(rows: Any) -> Any:
    """How many of the rows are worth asking for ahead: all, or none where most are the same or the next one.

    It looks at a few of them. In a small sea most ships have a row in a step and all states are near: the asking would
    be all that comes of it. Where the rows are many, so are the states, and some that lie apart are enough.
    """
    apart, between = 0, rows.size // _SAMPLES
    for k in range(_SAMPLES if between > 1 else 0):
        step = rows[k * between + 1] - rows[k * between]
        apart += step < 0 or step > 1
    return rows.size if 2 * apart > _SAMPLES or (8 * apart > _SAMPLES and rows.size > _FEW) else 0


@within
def fetch_ahead(rows: Any, i: Any, end: Any, ints: Any, floats: Any) -> None:
    """Begin to fetch what a state holds for the row some rows after the ``i``-th.

    ``end`` is the `reach` of the rows. Where it is the same as the one before it or follows it, as in an archive, the
    processor finds out by itself.
    """
    row = ahead(rows, i, AHEAD, end)
    if row >= 0:
        _fetch_row(ints, row)
        _fetch_row(floats, row)


@within
def fetch_row_ahead(rows: Any, i: Any, end: Any, matrix: Any) -> None:
    """As `fetch_ahead`, where the state is one matrix."""
    row = ahead(rows, i, AHEAD, end)
    if row >= 0:
        _fetch_row(matrix, row)


@within
def fetch_cells(matrix: Any, row: Any, first: Any, last: Any) -> None:
    """Begin to fetch some columns of a row, no further apart than two lines of memory hold."""
    fetch_one(matrix, row * matrix.shape[1] + first)
    fetch_one(matrix, row * matrix.shape[1] + last)


@within
def ahead(rows: Any, i: Any, by: Any, end: Any) -> Any:
    """Row that comes so much after the ``i``-th; -1 where there is none, or the processor will find it by itself."""
    row: Any = np.int64(-1)
    if i + by < end:
        apart = rows[i + by] - rows[i + by - 1]
        if apart < 0 or apart > 1:
            row = rows[i + by]
    return row
