"""Third pass: payload bits to raw integers, and raw integers to the values of columns.

What enters: message rows of one family and its program. What leaves: one array a slot or column, with validity as
Arrow bitmaps. A text ends at its first ``@``; trailing spaces go.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from kuroshio.sensing.ais.clocks import ARRIVAL, FILE, Bytes, civil_us, i64
from kuroshio.sensing.ais.fields import ROT_FACTOR, TEXT_ALPHABET
from kuroshio.sensing.ais.program import NULL, SIX, WORD, Bits, Ints, Plan
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
from kuroshio.sensing.ais.words import six_word

Raw = npt.NDArray[np.int32]
Shorts = npt.NDArray[np.uint16]
Reals = npt.NDArray[np.float64]
_TEXT = np.frombuffer(TEXT_ALPHABET.encode(), np.uint8)
MAX_WORDS = 20


@njit(cache=True, nogil=True, error_model="numpy")
def members(messages: Table, found: int, member: Bytes, family: int, rows: Ints) -> int:
    """Messages that give a row to a family, in order; their number."""
    count = 0
    for m in range(found):
        rows[count] = m
        count += member[messages[m, 1], family]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def extract(buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, bits: Bits, out: Raw) -> None:
    """Raw value of every slot of every row: ``out[slot, row]``, NULL where the payload does not have it."""
    words = np.zeros(MAX_WORDS, np.uint64)
    slots = bits.start.shape[1]
    for row in range(count):
        m = rows[row]
        at, layout = messages[m, 0], messages[m, 1]
        payload, chars = rec[at, PAYLOAD], rec[at, CHARS]
        length = chars * 6 - rec[at, FILL]
        needed = bits.words[layout]
        for w in range(needed):
            words[w] = six_word(buf, payload + 8 * w, chars - 8 * w)
        for slot in range(slots):
            start, width = bits.start[layout, slot], bits.width[layout, slot]
            if start < 0 or start + width > length:
                out[slot, row] = NULL
                continue
            w = start // WORD
            over = start - w * WORD + width - WORD
            if over <= 0:
                value = words[w] >> np.uint64(-over)
            else:
                value = (words[w] << np.uint64(over)) | (words[w + 1] >> np.uint64(WORD - over))
            number = i64(value & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)))
            if bits.signed[layout, slot] != 0 and number >> (width - 1):
                number -= 1 << width
            out[slot, row] = number


@njit(cache=True, nogil=True, error_model="numpy")
def values(
    raw: Raw, layouts: Ints, count: int, plan: Plan, reals: Reals, bytes1: Bytes, bytes2: Shorts, bytes4: Raw,
    flags: Bytes, valid: Bytes, nulls: Ints,
) -> None:  # fmt: skip
    """Columns of a family from its slots: values, validity bitmaps and numbers of nulls, one row a column."""
    for c in range(plan.how.size):
        how, slot, dest, missing, held, told = plan.how[c], plan.slot[c], plan.dest[c], 0, 0, 0
        for row in range(count):
            layout, value = layouts[row], i64(raw[slot, row])
            good = value != NULL and value != plan.absent[c, layout]
            if how == 0:
                good = good and plan.low[c, layout] <= value <= plan.high[c, layout]
                reals[dest, row] = value * plan.num[c, layout] / plan.den[c, layout] if good else 0.0
            elif how == 2:
                bytes1[dest, row] = value & 255
            elif how == 3:
                bytes2[dest, row] = value & 65535
            elif how == 4:
                bytes4[dest, row] = value
            elif how == 5:
                told |= (value & 1) << (row & 7)
            else:
                good = good and -127 < value < 127
                turn = value / ROT_FACTOR
                reals[dest, row] = (turn * turn if value >= 0 else -turn * turn) if good else 0.0
            if good:
                held |= 1 << (row & 7)
            else:
                missing += 1
            if row & 7 == 7 or row == count - 1:
                valid[c, row >> 3] = held
                if how == 5:
                    flags[dest, row >> 3] = told
                held, told = 0, 0
        nulls[c] = missing


@njit(cache=True, nogil=True, error_model="numpy")
def no_dimensions(raw: Raw, first: int, count: int) -> None:
    """Four dimensions that are all zero say nothing: NULL (slots first..first+3)."""
    for row in range(count):
        if raw[first, row] == 0 and raw[first + 1, row] == 0 and raw[first + 2, row] == 0 and raw[first + 3, row] == 0:
            for k in range(4):
                raw[first + k, row] = NULL


@njit(cache=True, nogil=True, error_model="numpy", no_cpython_wrapper=True)
def _text_run(buf: Bytes, payload: int, length: int, start: int, width: int, out: Bytes, at: int) -> tuple[int, bool]:
    """Append text until its first @; index after it and whether it filled its field."""
    end = start + width if width > 0 else length
    bit = start
    while bit + 6 <= end and bit + 6 <= length:
        k, shift = bit // 6, bit % 6
        six = i64(SIX[buf[payload + k]])
        if shift > 0:
            six = ((six << 6 | i64(SIX[buf[payload + k + 1]])) >> (6 - shift)) & 63
        if six == 0:
            return at, False
        out[at] = _TEXT[six]
        at += 1
        bit += 6
    return at, True


@njit(cache=True, nogil=True, error_model="numpy")
def text_room(rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints) -> int:
    """Greatest number of bytes the texts of the rows can take."""
    room = 0
    for row in range(count):
        at, layout = messages[rows[row], 0], messages[rows[row], 1]
        if ranges[layout, 0] >= 0:
            whole = ranges[layout, 1] <= 0 or ranges[layout, 2] >= 0
            room += rec[at, CHARS] if whole else ranges[layout, 1] // 6
    return room


@njit(cache=True, nogil=True, error_model="numpy")
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
    """Texts of one column as Arrow string buffers; number of nulls (no such field, or empty)."""
    at, nulls = 0, 0
    for row in range(count):
        offsets[row] = at
        m = rows[row]
        one, layout = messages[m, 0], messages[m, 1]
        begun = at
        if ranges[layout, 0] >= 0:
            payload, length = rec[one, PAYLOAD], rec[one, CHARS] * 6 - rec[one, FILL]
            at, filled = _text_run(buf, payload, length, ranges[layout, 0], ranges[layout, 1], out, at)
            if filled and ranges[layout, 2] >= 0:
                at, filled = _text_run(buf, payload, length, ranges[layout, 2], 0, out, at)
            while at > begun and out[at - 1] == 32:
                at -= 1
        if at > begun:
            valid[row >> 3] |= np.uint8(1 << (row & 7))
        else:
            nulls += 1
    offsets[count] = at
    return nulls


@njit(cache=True, nogil=True, error_model="numpy")
def payload_room(rec: Table, messages: Table, rows: Ints, count: int) -> int:
    """Greatest number of bytes the application data of the rows can take."""
    room = 0
    for row in range(count):
        room += rec[messages[rows[row], 0], CHARS]
    return room


@njit(cache=True, nogil=True, error_model="numpy")
def payloads(
    buf: Bytes, rec: Table, messages: Table, rows: Ints, count: int, ranges: Ints, offsets: Raw, out: Bytes, sizes: Ints
) -> None:
    """Application data left aligned in bytes, and its length in bits; ``ranges`` is first bit and tail by layout."""
    at = 0
    for row in range(count):
        offsets[row] = at
        one, layout = messages[rows[row], 0], messages[rows[row], 1]
        length = rec[one, CHARS] * 6 - rec[one, FILL] - ranges[layout, 1]
        held, count_bits = 0, 0
        start = ranges[layout, 0]
        sizes[row] = max(0, length - start)
        bit = start
        while bit < length:
            k, shift = bit // 6, bit % 6
            width = min(6 - shift, length - bit)
            six = (i64(SIX[buf[rec[one, PAYLOAD] + k]]) >> (6 - shift - width)) & ((1 << width) - 1)
            held, count_bits = (held << width) | six, count_bits + width
            if count_bits >= 8:
                count_bits -= 8
                out[at] = (held >> count_bits) & 255
                held &= (1 << count_bits) - 1
                at += 1
            bit += width
        if count_bits > 0:
            out[at] = (held << (8 - count_bits)) & 255
            at += 1
    offsets[count] = at


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def envelope(
    rec: Table, messages: Table, rows: Ints, count: int, received_us: int, hint_us: int, layouts: Ints, times: Ints,
    clocks: Raw, lines: Ints, channels: Raw, stations: Ints, bits: Raw, checked: Bytes, timed: Bytes,
) -> tuple[int, int]:  # fmt: skip
    """What every row has; number of rows without a time and of rows with a station."""
    untimed, named = 0, 0
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
        if time < 0:
            untimed += 1
        else:
            timed[row >> 3] |= np.uint8(1 << (row & 7))
        lines[row], channels[row] = rec[at, LINE], rec[at, CHANNEL]
        stations[row] = rec[at, STATION]
        named += (rec[at, STATION] & 255) > 0
        bits[row] = rec[at, CHARS] * 6 - rec[at, FILL]
        checked[row >> 3] |= np.uint8((rec[at, CHECKED] & 1) << (row & 7))
    return untimed, named


@njit(cache=True, nogil=True, error_model="numpy")
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


@njit(cache=True, nogil=True, error_model="numpy")
def intern_names(buf: Bytes, names: Ints, count: int, table: Ints, unique: Ints, out: Raw, valid: Bytes) -> int:
    """Ids of byte ranges (start << 8 | length) in order of appearance, by content; number of ids."""
    ids, mask = 0, table.size - 1
    for row in range(count):
        start, length = names[row] >> 8, names[row] & 255
        if length == 0:
            continue
        hashed = np.uint64(1469598103934665603)
        for k in range(start, start + length):
            hashed = (hashed ^ np.uint64(buf[k])) * np.uint64(1099511628211)
        at = i64(hashed >> np.uint64(20)) & mask
        while True:
            held = table[at]
            if held < 0:
                table[at], unique[ids], held = ids, names[row], ids
                ids += 1
            other = unique[held]
            same = (other & 255) == length
            k = 0
            while same and k < length:
                same = buf[(other >> 8) + k] == buf[start + k]
                k += 1
            if same:
                out[row] = held
                valid[row >> 3] |= np.uint8(1 << (row & 7))
                break
            at = (at + 1) & mask
    return ids
