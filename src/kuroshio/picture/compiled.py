"""How kernels are compiled: one place, so that the cost of the first start stays in sight.

What enters: functions. What leaves: compiled functions, cached on disk, without the interpreter lock and without
fast math (results must reproduce); a division by zero is infinite, never an exception. `kernel` can be called from
Python; `inner` only from other kernels, which saves its Python wrapper. `inner` and `bare` (which Python may call too)
allocate nothing, so they count no references: an array handed to one that counts costs two locked instructions.
`within` is for small functions that take parts of records: it becomes part of its caller, which need not build them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from kuroshio.compiling import drop_stale_cache

_ROOM = Path(__file__).parent
drop_stale_cache(_ROOM, *sorted(_ROOM.glob("*.py")), _ROOM.parent / "geo" / "earth.py")

_BASE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_UNCOUNTED: dict[str, Any] = {"_nrt": False}  # no counting of references, so no allocation: a target option
_INNER: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # target options without types
kernel = njit(**_BASE)
bare = njit(**_BASE, **_UNCOUNTED)
inner = njit(**_BASE, **_UNCOUNTED, **_INNER)
within = njit(**_BASE, **_UNCOUNTED, **_INNER, forceinline=True)


_LINE = 64  # bytes of a cache line


def _address(context: Any, builder: Any, kind: Any, records: Any, row: Any) -> Any:
    """Where a record of an array begins, as a number."""
    array, word = context.make_array(kind)(context, builder, records), ir.IntType(64)
    width = ir.Constant(word, getattr(kind.dtype, "bitwidth", 0) // 8 or kind.dtype.size)
    return builder.add(builder.ptrtoint(array.data, word), builder.mul(builder.sext(row, word), width))


def _ask(builder: Any, at: Any, lines: int) -> None:
    pointer, word = ir.PointerType(), ir.IntType(32)
    call = builder.module.declare_intrinsic(
        "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
    )
    for k in range(lines):
        place = builder.inttoptr(builder.add(at, ir.Constant(ir.IntType(64), k * _LINE)), pointer)
        builder.call(call, [place, ir.Constant(word, 0), ir.Constant(word, 3), ir.Constant(word, 1)])


def _fetch(typing: Any, records: Any, row: Any, lines: Any) -> Any:
    """Ask for the first cache lines of a record before it is needed: memory answers while something else is done."""
    if not isinstance(lines, types.IntegerLiteral):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _ask(builder, _address(context, builder, signature.args[0], *arguments[:2]), lines.literal_value)
        return context.get_dummy_value()

    return types.void(records, types.int64, lines), code


def _fetch_part(typing: Any, records: Any, row: Any, begin: Any, lines: Any) -> Any:
    """Ask for cache lines of a record from a byte of it on."""
    if not isinstance(lines, types.IntegerLiteral):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _address(context, builder, signature.args[0], *arguments[:2])
        _ask(builder, builder.add(at, arguments[2]), lines.literal_value)
        return context.get_dummy_value()

    return types.void(records, types.int64, types.int64, lines), code


def _peek(typing: Any, address: Any, k: Any, kind: Any) -> Any:
    """The ``k``-th number of a type in memory that is not ours, such as a column of Arrow: it must be there."""
    if not isinstance(kind, types.NumberClass):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, form = ir.PointerType(), context.get_data_type(kind.dtype)
        base = builder.inttoptr(arguments[0], pointer)
        return builder.load(builder.gep(base, [arguments[1]], source_etype=form), typ=form)

    return kind.dtype(types.int64, types.int64, kind), code


fetch: Any = intrinsic(_fetch)
fetch_part: Any = intrinsic(_fetch_part)
peek: Any = intrinsic(_peek)
