"""Fields of a payload as one JSON object, written from tables of fields without a Python object a field.

What enters: message rows and, for each layout, its fields as arrays. What leaves: Arrow string buffers of JSON text:
integers as sent, scaled values with a fixed number of decimals by exact integer arithmetic, null where not available.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kuroshio.sensing.ais.fields import TEXT_ALPHABET, Field
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel, u64
from kuroshio.sensing.ais.lanes import LANES, copy_lanes
from kuroshio.sensing.ais.parts import bits_at
from kuroshio.sensing.ais.program import NULL, Ints
from kuroshio.sensing.ais.records import CHARS, FILL, PAYLOAD, Table
from kuroshio.sensing.ais.words import eight_digits, store64

Raw = npt.NDArray[np.int32]
SLACK = 2 * LANES  # bytes beyond a text that may be written
_TENS = 10 ** np.arange(10, dtype=np.uint64)
_WORDS = np.array([int.from_bytes(word, "little") for word in (b"null", b"true", b"false")], np.uint64)
_TEXT = np.frombuffer(TEXT_ALPHABET.encode(), np.uint8)

# columns of a field row
F_START, F_WIDTH, F_KIND, F_NUM, F_DEN, F_DECIMALS, F_ABSENT, F_LOW, F_HIGH, F_NAME, F_LENGTH, F_OFFSET, F_POWER = (
    range(13)
)
FIELD = 13
POWER_BITS = 2  # IMO SN.1/Circ.289, area notice: scale factor
UNSIGNED, SIGNED, FLAG, TEXT = range(4)
_KINDS = {"u": UNSIGNED, "i": SIGNED, "b": FLAG, "t": TEXT}


class FieldTable(NamedTuple):
    """Fields of several layouts: rows ``first[layout]..last[layout]`` of ``fields``; names are ranges of ``names``."""

    first: Ints
    last: Ints
    fields: Ints
    names: Bytes


def field_table(layouts: list[tuple[Field, ...] | None], *, scaled: bool, skip: frozenset[str]) -> FieldTable:
    """Compile fields; None gives no rows. ``scaled`` writes SI values under SI names."""
    first: list[int] = []
    last: list[int] = []
    rows: list[tuple[int, ...]] = []
    names = bytearray()
    for fields in layouts:
        first.append(len(rows))
        at, starts = 0, dict[str, int]()
        for item in fields or ():
            start, at = at, at + item.bits
            starts[item.name] = start
            if item.kind not in _KINDS or item.name in skip:
                continue
            use = scaled and bool(item.si)
            name = (item.si if use else item.name).encode()
            factor = 10**item.decimals
            absent = NULL if item.absent is None or not scaled else item.absent
            rows.append(
                (start, item.bits, _KINDS[item.kind], round(item.num * factor) if use else 1,
                 round(item.den) if use else 1, item.decimals if use else 0, absent,
                 item.low if use and item.low is not None else NULL + 1,
                 item.high if use and item.high is not None else 1 << 31, len(names), len(name) + 4,
                 round(item.offset * factor) if use else 0, starts[item.power] if use and item.power else -1)
            )  # fmt: skip
            names += b',"' + name + b'":'
        last.append(len(rows))
    return FieldTable(
        np.array(first, np.int64), np.array(last, np.int64), np.array(rows, np.int64).reshape(-1, FIELD),
        np.frombuffer(bytes(names) + bytes(LANES), np.uint8),
    )  # fmt: skip


@inner
def _digits(value: Any, size: int, out: Bytes, at: int) -> int:
    """Append the last ``size`` (up to 19) decimal digits of a number."""
    if size > 8:
        at = _low_digits(value // u64(100_000_000), size - 8, out, at)
        value, size = value % u64(100_000_000), 8
    store64(out, at, eight_digits(value % u64(100_000_000)) >> u64(8 * (8 - size)))
    return at + size


@inner
def _low_digits(value: Any, size: int, out: Bytes, at: int) -> int:
    for k in range(size):
        out[at + size - 1 - k] = 48 + i64(value % u64(10))
        value //= u64(10)
    return at + size


@inner
def _number(value: int, decimals: int, out: Bytes, at: int) -> int:
    """Append a decimal number whose last ``decimals`` (up to 8) digits stand after the point."""
    if value < 0:
        out[at] = 45
        at, value = at + 1, -value
    whole, rest = u64(value), u64(0)
    if decimals > 0:
        whole, rest = u64(value) // u64(_TENS[decimals]), u64(value) % u64(_TENS[decimals])
    size = 1
    for power in range(1, 9):
        size += whole >= u64(_TENS[power])
    if size == 9:  # nine digits or more: rare
        more = whole // u64(_TENS[9])
        while more > u64(0):
            size, more = size + 1, more // u64(10)
    at = _digits(whole, size, out, at)
    if decimals > 0:
        out[at] = 46
        at = _digits(rest, decimals, out, at + 1)
    return at


@inner
def _word(out: Bytes, at: int, word: int) -> int:
    """Append null (0), true (1) or false (2)."""
    store64(out, at, _WORDS[word])
    return at + (5 if word == 2 else 4)


@inner
def _text(buf: Bytes, payload: int, chars: int, start: int, end: int, out: Bytes, at: int) -> int:
    out[at] = 34
    at += 1
    begun, bit = at, start
    while bit + 6 <= end:
        six = bits_at(buf, payload, chars, bit, 6)
        if six == 0:
            break
        char = _TEXT[six]
        if char in (34, 92):
            out[at] = 92
            at += 1
        out[at] = char
        at, bit = at + 1, bit + 6
    while at > begun and out[at - 1] == 32:
        at -= 1
    out[at] = 34
    return at + 1


@kernel
def field_value(buf: Bytes, payload: int, chars: int, length: int, base: int, field: Ints, out: Bytes, at: int) -> int:
    """Append one field's value; ``base`` is the bit its layout begins at."""
    start, width, kind = base + field[F_START], field[F_WIDTH], field[F_KIND]
    if kind == TEXT:
        return _text(buf, payload, chars, start, min(length, start + width) if width > 0 else length, out, at)
    raw = bits_at(buf, payload, chars, start, width)
    if kind == SIGNED and raw >> (width - 1):
        raw -= 1 << width
    if kind == FLAG:
        return _word(out, at, 1 if raw else 2)
    if raw == field[F_ABSENT] or raw < field[F_LOW] or raw > field[F_HIGH]:
        return _word(out, at, 0)
    if field[F_POWER] >= 0:
        for _ in range(bits_at(buf, payload, chars, base + field[F_POWER], POWER_BITS)):
            raw *= 10
    num, den = field[F_NUM], field[F_DEN]
    if num != 1 or den != 1:
        raw = raw * num
        raw = (2 * raw + den) // (2 * den) if raw >= 0 else -((-2 * raw + den) // (2 * den))
    return _number(raw + field[F_OFFSET], field[F_DECIMALS], out, at)


@kernel
def field_name(table: FieldTable, row: int, out: Bytes, at: int) -> int:
    """Append ``,"name":``; the caller puts the brace of its object over the first comma."""
    start, length = table.fields[row, F_NAME], table.fields[row, F_LENGTH]
    for k in range(0, length, LANES):
        copy_lanes(table.names, start + k, out, at + k)
    return at + length


@kernel
def objects_room(rec: Table, messages: Table, rows: Ints, count: int, table: FieldTable) -> int:
    """Greatest number of bytes the objects of the rows can take."""
    room = 0
    for row in range(count):
        at, layout = messages[rows[row], 0], messages[rows[row], 1]
        for f in range(table.first[layout], table.last[layout]):
            room += table.fields[f, F_LENGTH] + 22
        room += rec[at, CHARS] * 2 + 4
    return room + SLACK


@kernel
def objects(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, table: FieldTable, offsets: Raw, out: Bytes
) -> None:
    """One JSON object a row of the fields that its payload holds whole."""
    at = 0
    for row in range(count):
        offsets[row] = at
        one, layout = messages[rows[row], 0], messages[rows[row], 1]
        payload, chars = rec[one, PAYLOAD], rec[one, CHARS]
        length = chars * 6 - rec[one, FILL]
        begun = at
        for f in range(table.first[layout], table.last[layout]):
            field = table.fields[f]
            if field[F_START] + max(1, field[F_WIDTH]) > length:
                continue
            at = field_name(table, f, out, at)
            at = field_value(buf, payload, chars, length, 0, field, out, at)
        at = max(at, begun + 1)
        out[begun], out[at] = 123, 125
        at += 1
    offsets[count] = at
