"""Thirty-two bytes at a time: searches and sums of byte ranges as vector instructions.

What enters: a byte buffer and an index with at least `LANES` bytes after it. What leaves: indices and sums. The
operations are written for the compiler's own vectors, which it lowers to what the machine has (AVX2, SSE2, NEON). Each
is checked against a loop over bytes in tests/unit/test_sensing_ais_words.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from kuroshio.sensing.ais.kernels import Bytes, i64, intrinsic, kernel, u64

LANES = 32
_BYTE, _LONG = ir.IntType(8), ir.IntType(64)
_VECTOR = ir.VectorType(_BYTE, LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)
# six bits in each byte to 12 in 16, 24 in 32, 48 in 64: shift of the upper halves, masks of upper and lower halves
_JOINS = (
    (2, 0x0FC00FC00FC00FC0, 0x003F003F003F003F),
    (4, 0x00FFF00000FFF000, 0x00000FFF00000FFF),
    (8, 0x0000FFFFFF000000, 0x0000000000FFFFFF),
)


def _all(value: int) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_BYTE, value)] * LANES)


def _longs(value: int) -> Any:
    return ir.Constant(ir.VectorType(_LONG, LANES // 8), [ir.Constant(_LONG, value)] * (LANES // 8))


def _places(order: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), [ir.Constant(ir.IntType(32), k) for k in order])


def _first_lanes(builder: Any, count: Any) -> Any:
    """Mask of the first ``count`` (0 to `LANES`) lanes."""
    number = ir.Constant(_VECTOR, [ir.Constant(_BYTE, k) for k in range(LANES)])
    one = builder.insert_element(_UNDEFINED, builder.trunc(count, _BYTE), ir.Constant(ir.IntType(32), 0))
    return builder.icmp_unsigned("<", number, builder.shuffle_vector(one, _UNDEFINED, _places([0] * LANES)))


def _load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    pointer = builder.bitcast(builder.gep(array.data, [arguments[1]]), _VECTOR.as_pointer())
    return builder.load(pointer, align=1)


def _run(inside: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Signature and code of an intrinsic: how many of the next `LANES` bytes, from the first, are of a kind."""

    def run(typing_context: Any, buf: Any, at: Any) -> Any:
        signature = types.int64(buf, types.int64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = inside(builder, _load(context, builder, signature, arguments))
            other = builder.zext(builder.bitcast(builder.not_(kind), ir.IntType(LANES)), _LONG)
            marked = builder.or_(other, ir.Constant(_LONG, 1 << LANES))
            return builder.cttz(marked, ir.Constant(ir.IntType(1), 1))

        return signature, generate

    return run


def _payload(builder: Any, lanes: Any) -> Any:
    digits = builder.icmp_unsigned("<=", builder.sub(lanes, _all(0x30)), _all(0x57 - 0x30))
    letters = builder.icmp_unsigned("<=", builder.sub(lanes, _all(0x60)), _all(0x77 - 0x60))
    return builder.or_(digits, letters)


def _printable(builder: Any, lanes: Any) -> Any:
    shown = builder.icmp_unsigned("<=", builder.sub(lanes, _all(0x20)), _all(0x7F - 0x20))
    return builder.and_(shown, builder.icmp_unsigned("!=", lanes, _all(0x5C)))


@intrinsic
def copy_lanes(typing_context: Any, source: Any, start: Any, out: Any, at: Any) -> Any:
    """Copy `LANES` bytes from ``source[start]`` on to ``out[at]`` on."""
    signature = types.void(source, types.int64, out, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(context, builder, signature, arguments)
        array = context.make_array(signature.args[2])(context, builder, arguments[2])
        pointer = builder.bitcast(builder.gep(array.data, [arguments[3]]), _VECTOR.as_pointer())
        builder.store(lanes, pointer, align=1)
        return context.get_dummy_value()

    return signature, generate


payload_run = intrinsic(_run(_payload))
printable_run = intrinsic(_run(_printable))


@intrinsic
def xor_run(typing_context: Any, buf: Any, at: Any, count: Any) -> Any:
    """Exclusive or of the first ``count`` (0 to `LANES`) bytes from an index, spread over the bytes of a word."""
    signature = types.uint64(buf, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _load(context, builder, signature, arguments)
        wanted = _first_lanes(builder, arguments[2])
        words = builder.bitcast(builder.select(wanted, lanes, _all(0)), ir.VectorType(_LONG, LANES // 8))
        value = builder.extract_element(words, ir.Constant(ir.IntType(32), 0))
        for k in range(1, LANES // 8):
            value = builder.xor(value, builder.extract_element(words, ir.Constant(ir.IntType(32), k)))
        return value

    return signature, generate


@intrinsic
def six_words(typing_context: Any, buf: Any, at: Any, chars: Any) -> Any:
    """Four words of 48 bits from up to `LANES` payload characters, each as `words.six_word` gives it."""
    four: Any = types.UniTuple
    signature = four(types.uint64, 4)(buf, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = builder.sub(_load(context, builder, signature, arguments), _all(0x30))
        letters = builder.icmp_unsigned(">", lanes, _all(0x57 - 0x30))  # from ` on they are 8 lower
        sixes = builder.sub(lanes, builder.select(letters, _all(8), _all(0)))
        least, most = ir.Constant(_LONG, 0), ir.Constant(_LONG, LANES)
        held = builder.select(builder.icmp_signed("<", arguments[2], least), least, arguments[2])
        held = builder.select(builder.icmp_signed(">", held, most), most, held)
        sixes = builder.select(_first_lanes(builder, held), sixes, _all(0))
        order = [8 * (k // 8) + 7 - k % 8 for k in range(LANES)]
        turned = builder.shuffle_vector(sixes, _UNDEFINED, _places(order))
        words = builder.bitcast(turned, ir.VectorType(_LONG, LANES // 8))
        for shift, high, low in _JOINS:
            upper = builder.and_(builder.lshr(words, _longs(shift)), _longs(high))
            words = builder.or_(upper, builder.and_(words, _longs(low)))
        parts = [builder.extract_element(words, ir.Constant(ir.IntType(32), k)) for k in range(LANES // 8)]
        return context.make_tuple(builder, signature.return_type, parts)

    return signature, generate


@kernel
def payload_end(buf: Bytes, at: int) -> int:
    """Index of the first byte from ``at`` that is no payload character (0-W, `-w)."""
    while True:
        run = payload_run(buf, at)
        at += run
        if run < LANES:
            return at


@kernel
def tag_end(buf: Bytes, at: int) -> int:
    """Index of the first byte from ``at`` that is a control character or a backslash, or is not ASCII."""
    while True:
        run = printable_run(buf, at)
        at += run
        if run < LANES:
            return at


@kernel
def all_six(buf: Bytes, start: int, stop: int) -> bool:
    """Whether every byte of a range is a payload character."""
    at = start
    while at < stop:
        run = payload_run(buf, at)
        at += run
        if run < LANES:
            return at >= stop
    return True


@kernel
def xor_bytes(buf: Bytes, start: int, stop: int) -> int:
    """Exclusive or of all bytes of a range."""
    value, at = u64(0), start
    while at < stop:
        value ^= xor_run(buf, at, min(LANES, stop - at))
        at += LANES
    value ^= value >> u64(32)
    value ^= value >> u64(16)
    value ^= value >> u64(8)
    return i64(value & u64(255))
