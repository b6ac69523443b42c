"""Third pass, second half: raw integers and payload texts to the values of columns.

What enters: message rows of one family, its program, raw values from `cut`. What leaves: one array a column, with
validity as Arrow bitmaps. A text ends at its first ``@``; trailing spaces go.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.sensing.ais.clocks import ARRIVAL, FILE, civil_us
from kuroshio.sensing.ais.cut import Raw, Scratch
from kuroshio.sensing.ais.fields import ROT_FACTOR
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel, u64
from kuroshio.sensing.ais.parts import bits_at
from kuroshio.sensing.ais.program import NULL, Ints, Plan
from kuroshio.sensing.ais.records import (
    CHANNEL,
    CHARS,
    CHECKED,
    CLOCK,
    FILL,
    LINE,
    PAYLOAD,
    STATION,
    TIME,
    Table,
)
from kuroshio.sensing.ais.words import load64, store64, swap64, text_word

Shorts = npt.NDArray[np.uint16]
Reals = npt.NDArray[np.float64]


@inner
def _shared(plan: Plan, c: int, present: Ints, raw_has: Ints) -> int:
    """A layout whose scale all present layouts that have the column share, -1 where they differ."""
    chosen = -1
    for layout in range(present.size):
        if present[layout] == 0 or raw_has[layout, plan.slot[c]] < 0:
            continue
        if chosen < 0:
            chosen = layout
        elif (
            plan.num[c, layout] != plan.num[c, chosen] or plan.den[c, layout] != plan.den[c, chosen]
            or plan.low[c, layout] != plan.low[c, chosen] or plan.high[c, layout] != plan.high[c, chosen]
            or plan.absent[c, layout] != plan.absent[c, chosen]
        ):  # fmt: skip
            return -1
    return max(chosen, 0)


@inner
def _judge_rows(raw: Raw, count: int, layouts: Ints, plan: Plan, c: int, shared: int, good: Bytes) -> None:
    """Mark rows whose raw value is a value of the column."""
    if shared >= 0:
        low, high, absent = plan.low[c, shared], plan.high[c, shared], plan.absent[c, shared]
        for row in range(count):
            value = i64(raw[row])
            good[row] = (value != NULL) & (value != absent) & (value >= low) & (value <= high)
        return
    for row in range(count):
        value, layout = i64(raw[row]), layouts[row]
        good[row] = (
            (value != NULL) & (value != plan.absent[c, layout]) & (value >= plan.low[c, layout])
            & (value <= plan.high[c, layout])
        )  # fmt: skip


@inner
def _pack_bits(good: Bytes, count: int, out: Bytes) -> int:
    """Bytes of 0 and 1 to a bitmap; their number. ``good`` has 8 bytes beyond count, which are zero."""
    ones = 0
    for k in range((count + 7) // 8):
        word = load64(good, k * 8)
        packed = (word * u64(0x0102040810204080)) >> u64(56)
        ones += i64((word * u64(0x0101010101010101)) >> u64(56))
        out[k] = packed
    return ones


@kernel
def values(
    raw: Raw, layouts: Ints, count: int, plan: Plan, raw_has: Ints, room: Scratch, reals: Reals, bytes1: Bytes,
    bytes2: Shorts, bytes4: Raw, flags: Bytes, valid: Bytes, nulls: Ints,
) -> None:  # fmt: skip
    """Columns of a family from its slots: values, validity bitmaps and numbers of nulls, one row a column.

    ``room.tally`` holds the rows of each layout, as `extract` left it.
    """
    good, flag = room.good, room.flag
    for k in range(8):
        good[count + k], flag[count + k] = 0, 0
    for c in range(plan.how.size):
        how, dest, slot = plan.how[c], plan.dest[c], raw[plan.slot[c]]
        shared = _shared(plan, c, room.tally, raw_has)
        _judge_rows(slot, count, layouts, plan, c, shared, good)
        if how == 0 and shared >= 0:
            num, den = plan.num[c, shared], plan.den[c, shared]
            for row in range(count):
                reals[dest, row] = slot[row] * num / den if good[row] else 0.0
        elif how == 0:
            for row in range(count):
                scaled = slot[row] * plan.num[c, layouts[row]] / plan.den[c, layouts[row]]
                reals[dest, row] = scaled if good[row] else 0.0
        elif how == 1:
            for row in range(count):
                turn = slot[row] / ROT_FACTOR
                reals[dest, row] = (turn * turn if turn >= 0 else -turn * turn) if good[row] else 0.0
        elif how == 2:
            for row in range(count):
                bytes1[dest, row] = slot[row]
        elif how == 3:
            for row in range(count):
                bytes2[dest, row] = slot[row]
        elif how == 4:
            for row in range(count):
                bytes4[dest, row] = slot[row]
        else:
            for row in range(count):
                flag[row] = slot[row] & 1
            _pack_bits(flag, count, flags[dest])
        nulls[c] = count - _pack_bits(good, count, valid[c])


@kernel
def no_dimensions(raw: Raw, first: int, count: int) -> None:
    """Four dimensions that are all zero say nothing: NULL (slots first..first+3)."""
    for row in range(count):
        if raw[first, row] == 0 and raw[first + 1, row] == 0 and raw[first + 2, row] == 0 and raw[first + 3, row] == 0:
            for k in range(4):
                raw[first + k, row] = NULL


@inner
def _text_run(
    buf: Bytes, payload: int, chars: int, length: int, start: int, width: int, out: Bytes, at: int
) -> tuple[int, bool]:  # fmt: skip
    """Append text until its first @; index after it and whether it filled its field."""
    left = ((min(start + width, length) if width > 0 else length) - start) // 6
    bit = start
    while left > 0:
        text, size = text_word(bits_at(buf, payload, chars, bit, 42))
        store64(out, at, text)
        if size < min(left, 7):
            return at + size, False
        at, bit, left = at + min(left, 7), bit + 42, left - 7
    return at, True


@kernel
def text_room(rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints) -> int:
    """Greatest number of bytes the texts of the rows can take."""
    room = 0
    for row in range(count):
        at, layout = messages[rows[row], 0], messages[rows[row], 1]
        if ranges[layout, 0] >= 0:
            whole = ranges[layout, 1] <= 0 or ranges[layout, 2] >= 0
            room += rec[at, CHARS] if whole else ranges[layout, 1] // 6
    return room


@kernel
def texts(
    buf: Bytes,
    rec: Table,
    messages: Table,
    rows: Ints,
    count: int,
    ranges: Ints,
    offsets: Raw,
    out: Bytes,
    valid: Bytes,
) -> int:
    """Texts of one column as Arrow string buffers; number of nulls (no such field, or empty).

    Eight bytes beyond the texts may be written.
    """
    at, nulls = 0, 0
    for row in range(count):
        offsets[row] = at
        m = rows[row]
        one, layout = messages[m, 0], messages[m, 1]
        begun = at
        if ranges[layout, 0] >= 0:
            payload, chars = rec[one, PAYLOAD], rec[one, CHARS]
            length = chars * 6 - rec[one, FILL]
            at, filled = _text_run(buf, payload, chars, length, ranges[layout, 0], ranges[layout, 1], out, at)
            if filled and ranges[layout, 2] >= 0:
                at, filled = _text_run(buf, payload, chars, length, ranges[layout, 2], 0, out, at)
            while at > begun and out[at - 1] == 32:
                at -= 1
        if at > begun:
            valid[row >> 3] |= np.uint8(1 << (row & 7))
        else:
            nulls += 1
    offsets[count] = at
    return nulls


@kernel
def payload_room(rec: Table, messages: Table, rows: Ints, count: int) -> int:
    """Greatest number of bytes the application data of the rows can take."""
    room = 0
    for row in range(count):
        room += rec[messages[rows[row], 0], CHARS]
    return room


@kernel
def payloads(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints, offsets: Raw, out: Bytes, sizes: Ints
) -> None:
    """Application data left aligned in bytes, and its length in bits; ``ranges`` is first bit and tail by layout."""
    at = 0
    for row in range(count):
        offsets[row] = at
        one, layout = messages[rows[row], 0], messages[rows[row], 1]
        length = rec[one, CHARS] * 6 - rec[one, FILL] - ranges[layout, 1]
        start = ranges[layout, 0]
        sizes[row] = max(0, length - start)
        for bit in range(start, length, 40):  # five bytes
            width = min(40, length - bit)
            five = u64(bits_at(buf, rec[one, PAYLOAD], rec[one, CHARS], bit, width) << (40 - width))
            store64(out, at, swap64(five << u64(24)))
            at += (width + 7) >> 3
    offsets[count] = at


@kernel
def utc_times(raw: Raw, first: int, count: int, out: Ints, valid: Bytes) -> int:
    """UTC of slots year, month, day, hour, minute, second; number of nulls."""
    nulls = 0
    for row in range(count):
        value = civil_us(
            raw[first, row], raw[first + 1, row], raw[first + 2, row], raw[first + 3, row], raw[first + 4, row],
            raw[first + 5, row] if raw[first + 5, row] < 60 else -1, 0,
        )  # fmt: skip
        out[row] = value if value >= 0 else 0
        if value >= 0:
            valid[row >> 3] |= np.uint8(1 << (row & 7))
        else:
            nulls += 1
    return nulls


@kernel
def envelope(
    rec: Table, messages: Table, rows: Ints, count: int, received_us: int, hint_us: int, layouts: Ints, times: Ints,
    clocks: Raw, lines: Ints, channels: Raw, stations: Ints, bits: Shorts, checked: Bytes, timed: Bytes, room: Scratch,
) -> tuple[int, int]:  # fmt: skip
    """What every row has; number of rows without a time and of rows with a station."""
    named = 0
    right, told = room.flag, room.good
    for row in range(count):
        m = rows[row]
        at = messages[m, 0]
        layouts[row] = messages[m, 1]
        time, clock = rec[at, TIME], rec[at, CLOCK]
        if time < 0 and received_us >= 0:
            time, clock = received_us, ARRIVAL
        elif time < 0 and hint_us >= 0:
            time, clock = hint_us, FILE
        times[row], clocks[row] = max(time, 0), max(clock, 0)
        told[row], right[row] = time >= 0, rec[at, CHECKED] & 1
        lines[row], channels[row] = rec[at, LINE], rec[at, CHANNEL]
        stations[row] = rec[at, STATION]
        named += (rec[at, STATION] & 255) > 0
        bits[row] = rec[at, CHARS] * 6 - rec[at, FILL]
    for k in range(8):
        right[count + k], told[count + k] = 0, 0
    _pack_bits(right, count, checked)
    return count - _pack_bits(told, count, timed), named


@kernel
def intern_codes(codes: Raw, count: int, lookup: Raw, seen: Ints, valid: Bytes) -> tuple[int, int]:
    """Replace 16-bit codes by ids in order of appearance; number of ids and of nulls (code 0).

    Codes beyond the first ``seen.size`` share the last id.
    """
    ids, nulls = 0, 0
    for row in range(count):
        code = codes[row]
        if code == 0:
            nulls += 1
            continue
        if lookup[code] < 0:
            if ids == seen.size:
                codes[row] = ids - 1
                valid[row >> 3] |= np.uint8(1 << (row & 7))
                continue
            lookup[code] = ids
            seen[ids] = code
            ids += 1
        codes[row] = lookup[code]
        valid[row >> 3] |= np.uint8(1 << (row & 7))
    for k in range(ids):
        lookup[seen[k]] = -1
    return ids, nulls


@inner
def _name_word(buf: Bytes, start: int, length: int, part: int) -> Any:
    """Eight bytes of a name from byte 8 * part, zero beyond its end."""
    left = length - 8 * part
    if left <= 0:
        return u64(0)
    word = load64(buf, start + 8 * part)
    return word if left >= 8 else word & ((u64(1) << u64(8 * left)) - u64(1))


@kernel
def intern_names(buf: Bytes, names: Ints, count: int, table: Ints, unique: Ints, out: Raw, valid: Bytes) -> int:
    """Ids of byte ranges (start << 8 | length) in order of appearance, by content; number of ids.

    -1 where there are more than ``unique.size`` (at most half of ``table.size``).
    """
    ids, mask = 0, table.size - 1
    for row in range(count):
        start, length = names[row] >> 8, names[row] & 255
        if length == 0:
            continue
        words = (length + 7) >> 3
        hashed = u64(length)
        for part in range(words):
            hashed = (hashed ^ _name_word(buf, start, length, part)) * u64(0x9E3779B97F4A7C15)
            hashed ^= hashed >> u64(29)
        at = i64(hashed >> u64(7)) & mask
        while True:
            held = table[at]
            if held < 0:
                if ids == unique.size:
                    return -1
                table[at], unique[ids], held = ids, names[row], ids
                ids += 1
            other = unique[held]
            same = (other & 255) == length
            part = 0
            while same and part < words:
                same = _name_word(buf, other >> 8, length, part) == _name_word(buf, start, length, part)
                part += 1
            if same:
                out[row] = held
                valid[row >> 3] |= np.uint8(1 << (row & 7))
                break
            at = (at + 1) & mask
    return ids
