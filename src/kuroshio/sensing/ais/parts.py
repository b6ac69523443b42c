"""Second pass: records to messages. Parts are joined, every payload gets its layout or a reason for refusal.

What enters: records in line order. What leaves: message rows (a record, a layout), rejects, and the parts that still
wait. A message of several parts is a new record whose payload is written to the side area of the buffer.

Parts belong together when number of parts, channel, talker and sequence agree; where both name a tag block group,
it must agree too and stands in for talker and a blank sequence; two stations that differ never join. Any order; a later
first part joins an earlier second one only within `REORDER_LINES`, else a lost part would splice two messages. A part
that comes again with other content ends the older message. Waiting parts age out by stream time,
by lines, or by number.
"""

from __future__ import annotations

from kuroshio.sensing.ais.fields_static import AUXILIARY_FIRST, AUXILIARY_LAST
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel, u64
from kuroshio.sensing.ais.lanes import all_six
from kuroshio.sensing.ais.program import SIX, Choice
from kuroshio.sensing.ais.records import (
    ARMOURED,
    BAD_PAYLOAD,
    CHANNEL,
    CHARS,
    CHECKED,
    CLOCK,
    COUNTS,
    FILL,
    GROUP,
    LENGTH,
    LINE,
    ORPHAN,
    PART,
    PAYLOAD,
    R_A,
    R_B,
    R_COUNTS,
    R_EVENT,
    R_LENGTH,
    R_LINE,
    R_REASON,
    R_START,
    RECORD,
    SEQUENCE,
    SHORT,
    START,
    STATION,
    TALKER,
    TIME,
    TOTAL,
    UNKNOWN_TYPE,
    Table,
)
from kuroshio.sensing.ais.words import six_word

REORDER_LINES = 16
MAX_PARTS = 9
HEAD_BITS = 38

# columns of a slot: a message whose parts have not all come
X_TOTAL, X_CHANNEL, X_TALKER, X_SEQUENCE, X_GROUP, X_STATION, X_TIME, X_LINE, X_COUNT, X_PART = range(10)
SLOT = X_PART + MAX_PARTS

# joiner's state
J_SLOTS, J_MESSAGES, J_PARTS, J_SIDE, J_RECORDS, J_REJECTS, J_FOUND, J_EVICTED = range(8)
JOINER = 8

NO_LAYOUT = -1


@kernel
def bits_at(buf: Bytes, payload: int, chars: int, start: int, width: int) -> int:
    """Unsigned value of up to 42 bits of a payload of good characters; what is beyond its end is zero."""
    first = start // 6
    word = six_word(buf, payload + first, chars - first)
    return i64(word >> u64(48 + 6 * first - start - width)) & ((1 << width) - 1)


@kernel
def judge(buf: Bytes, payload: int, chars: int, fill: int, choice: Choice) -> tuple[int, int, int, int]:
    """Layout of a payload, or NO_LAYOUT with the reason and two numbers for its detail."""
    if not all_six(buf, payload, payload + chars):
        for k in range(payload, payload + chars):
            if SIX[buf[k]] > 63:
                return NO_LAYOUT, BAD_PAYLOAD, i64(buf[k]), k - payload
    kind, bits = i64(SIX[buf[payload]]), 6 * chars - fill
    if kind < 1 or kind > 27:
        return NO_LAYOUT, UNKNOWN_TYPE, kind, bits
    if bits < HEAD_BITS:
        return NO_LAYOUT, SHORT, kind, bits
    for c in range(choice.candidates.shape[1]):
        layout = choice.candidates[kind, c]
        if layout < 0:
            break
        fits = True
        for k in range(2):
            start, width, wanted = choice.when[layout, k, 0], choice.when[layout, k, 1], choice.when[layout, k, 2]
            if width > 0 and bits_at(buf, payload, chars, start, width) != wanted:
                fits = False
        if fits and choice.auxiliary[layout] >= 0:
            mmsi = bits_at(buf, payload, chars, 8, 30)
            fits = (AUXILIARY_FIRST <= mmsi <= AUXILIARY_LAST) == (choice.auxiliary[layout] == 1)
        if fits:
            if bits < choice.min_bits[layout]:
                return NO_LAYOUT, SHORT, kind, bits
            return layout, 0, 0, 0
    return NO_LAYOUT, UNKNOWN_TYPE, kind, bits


@inner
def _refuse(rec: Table, at: int, rej: Table, joiner: Table, event: int, reason: int, a: int, b: int) -> None:
    row = joiner[J_REJECTS]
    rej[row, R_LINE], rej[row, R_START], rej[row, R_LENGTH] = rec[at, LINE], rec[at, START], rec[at, LENGTH]
    rej[row, R_REASON], rej[row, R_A], rej[row, R_B] = reason, a, b
    rej[row, R_COUNTS], rej[row, R_EVENT] = rec[at, COUNTS], event
    joiner[J_REJECTS] += 1


@inner
def _orphan(rec: Table, slots: Table, slot: int, rej: Table, joiner: Table, event: int) -> None:
    """End a slot: its parts are rejects; the last slot takes its place."""
    for k in range(MAX_PARTS):
        at = slots[slot, X_PART + k]
        if at >= 0:
            _refuse(rec, at, rej, joiner, event, ORPHAN, rec[at, PART], rec[at, TOTAL])
    _remove(slots, slot, joiner)


@inner
def _remove(slots: Table, slot: int, joiner: Table) -> None:
    last = joiner[J_SLOTS] - 1
    for other in range(slot, last):  # keeps age order
        for k in range(SLOT):
            slots[other, k] = slots[other + 1, k]
    joiner[J_SLOTS] = last


@kernel
def expire(
    rec: Table, slots: Table, rej: Table, joiner: Table, line: int, time: int, age_us: int, age_lines: int
) -> None:
    """End every slot that is too old at a line and its time (-1 for no clock)."""
    slot = 0
    while slot < joiner[J_SLOTS]:
        began = slots[slot, X_TIME]
        if (time >= 0 and began >= 0 and time - began > age_us) or line - slots[slot, X_LINE] > age_lines:
            _orphan(rec, slots, slot, rej, joiner, line)
        else:
            slot += 1


@inner
def _name_hash(buf: Bytes, station: int) -> int:
    value = 0
    for k in range(station >> 8, (station >> 8) + (station & 255)):
        value = ((value * 131) ^ i64(buf[k])) & 0x3FFFFFFFFFFFFF
    return value


@inner
def _belongs(rec: Table, at: int, station: int, slots: Table, slot: int) -> bool:
    if slots[slot, X_TOTAL] != rec[at, TOTAL] or slots[slot, X_CHANNEL] != rec[at, CHANNEL]:
        return False
    both_known = station != 0 and slots[slot, X_STATION] != 0
    if both_known and station != slots[slot, X_STATION]:
        return False
    grouped = rec[at, GROUP] >= 0 and slots[slot, X_GROUP] >= 0
    if grouped and rec[at, GROUP] != slots[slot, X_GROUP]:
        return False
    talker = slots[slot, X_TALKER] == rec[at, TALKER] or both_known or grouped
    either_blank = grouped and (slots[slot, X_SEQUENCE] < 0 or rec[at, SEQUENCE] < 0)
    return talker and (slots[slot, X_SEQUENCE] == rec[at, SEQUENCE] or either_blank)


@inner
def _same_payload(buf: Bytes, rec: Table, a: int, b: int) -> bool:
    if rec[a, CHARS] != rec[b, CHARS]:
        return False
    for k in range(rec[a, CHARS]):  # noqa: SIM110 - Numba has no generator expressions
        if buf[rec[a, PAYLOAD] + k] != buf[rec[b, PAYLOAD] + k]:
            return False
    return True


@inner
def _place(buf: Bytes, rec: Table, at: int, slots: Table, rej: Table, joiner: Table, time: int) -> int:
    """Slot that now holds the part: one that lacked it, or a new one."""
    part = rec[at, PART] - 1
    station = _name_hash(buf, rec[at, STATION])
    slot = joiner[J_SLOTS] - 1
    while slot >= 0:  # newest first
        if _belongs(rec, at, station, slots, slot):
            held = slots[slot, X_PART + part]
            if held >= 0:
                if not _same_payload(buf, rec, at, held):
                    _orphan(rec, slots, slot, rej, joiner, rec[at, LINE])
            else:
                later = False
                for k in range(part + 1, MAX_PARTS):
                    later = later or slots[slot, X_PART + k] >= 0
                grouped = rec[at, GROUP] >= 0 and rec[at, GROUP] == slots[slot, X_GROUP]
                if not later or grouped or rec[at, LINE] - slots[slot, X_LINE] <= REORDER_LINES:
                    slots[slot, X_PART + part] = at
                    slots[slot, X_COUNT] += 1
                    if slots[slot, X_STATION] == 0:
                        slots[slot, X_STATION] = station
                    if slots[slot, X_TIME] < 0:
                        slots[slot, X_TIME] = time
                    return slot
        slot -= 1
    if joiner[J_SLOTS] == slots.shape[0]:
        joiner[J_EVICTED] += 1
        _orphan(rec, slots, 0, rej, joiner, rec[at, LINE])
    slot = joiner[J_SLOTS]
    joiner[J_SLOTS] += 1
    for k in range(MAX_PARTS):
        slots[slot, X_PART + k] = -1
    slots[slot, X_TOTAL], slots[slot, X_CHANNEL], slots[slot, X_TALKER] = (
        rec[at, TOTAL],
        rec[at, CHANNEL],
        rec[at, TALKER],
    )
    slots[slot, X_SEQUENCE], slots[slot, X_GROUP], slots[slot, X_STATION] = rec[at, SEQUENCE], rec[at, GROUP], station
    slots[slot, X_TIME], slots[slot, X_LINE], slots[slot, X_COUNT] = time, rec[at, LINE], 1
    slots[slot, X_PART + part] = at
    return slot


@inner
def _complete(
    buf: Bytes,
    rec: Table,
    slots: Table,
    slot: int,
    joiner: Table,
    rej: Table,
    messages: Table,
    event: int,
    choice: Choice,
) -> None:
    """Write the payload of a complete slot to the side area, and judge it."""
    total, side = slots[slot, X_TOTAL], joiner[J_SIDE]
    whole, first = joiner[J_RECORDS], slots[slot, X_PART]
    for k in range(RECORD):
        rec[whole, k] = rec[first, k]
    checked, at = 1, side
    for k in range(total):
        one = slots[slot, X_PART + k]
        for c in range(rec[one, CHARS]):
            buf[at] = buf[rec[one, PAYLOAD] + c]
            at += 1
        checked &= rec[one, CHECKED]  # its lowest bit
        rec[whole, FILL] = rec[one, FILL]
        if rec[whole, TIME] < 0:
            rec[whole, TIME], rec[whole, CLOCK] = rec[one, TIME], rec[one, CLOCK]
        if (rec[whole, STATION] & 255) == 0:
            rec[whole, STATION] = rec[one, STATION]
    rec[whole, PAYLOAD], rec[whole, CHARS], rec[whole, CHECKED] = side, at - side, checked
    layout, reason, a, b = judge(buf, side, at - side, rec[whole, FILL], choice)
    for k in range(total):
        one = slots[slot, X_PART + k]
        if layout < 0:
            _refuse(rec, one, rej, joiner, event, reason, a, b)
        elif rec[one, COUNTS] != 0:
            joiner[J_MESSAGES if rec[one, LINE] == event else J_PARTS] += 1
    if layout >= 0:
        found = joiner[J_FOUND]
        messages[found, 0], messages[found, 1] = whole, layout
        joiner[J_FOUND] = found + 1
        joiner[J_RECORDS], joiner[J_SIDE] = whole + 1, at
    _remove(slots, slot, joiner)


@inner
def _armoured(buf: Bytes, rec: Table, at: int) -> bool:
    """Whether the payload holds payload characters only; the reader of common shapes has already seen to it."""
    return (rec[at, CHECKED] & ARMOURED) != 0 or all_six(buf, rec[at, PAYLOAD], rec[at, PAYLOAD] + rec[at, CHARS])


@kernel
def resolve(
    buf: Bytes, rec: Table, first: int, last: int, slots: Table, rej: Table, joiner: Table, messages: Table,
    choice: Choice, received_us: int, age_us: int, age_lines: int,
) -> None:  # fmt: skip
    """Judge records first..last; joined messages take records from ``joiner[J_RECORDS]`` on."""
    for at in range(first, last):
        if rec[at, TOTAL] > 1:
            time = received_us if received_us >= 0 else rec[at, TIME]
            expire(rec, slots, rej, joiner, rec[at, LINE], time, age_us, age_lines)
            slot = _place(buf, rec, at, slots, rej, joiner, time)
            if slots[slot, X_COUNT] == slots[slot, X_TOTAL]:
                _complete(buf, rec, slots, slot, joiner, rej, messages, rec[at, LINE], choice)
            continue
        payload, chars, fill = rec[at, PAYLOAD], rec[at, CHARS], rec[at, FILL]
        layout = choice.only[buf[payload]]
        if layout < 0 or chars * 6 - fill < choice.min_bits[layout] or not _armoured(buf, rec, at):
            layout, reason, a, b = judge(buf, payload, chars, fill, choice)
            if layout < 0:
                _refuse(rec, at, rej, joiner, rec[at, LINE], reason, a, b)
                continue
        found = joiner[J_FOUND]
        messages[found, 0], messages[found, 1] = at, layout
        joiner[J_FOUND] = found + 1
        joiner[J_MESSAGES] += rec[at, COUNTS]


@kernel
def keep_waiting(rec: Table, slots: Table, joiner: Table, kept: Table) -> int:
    """Copy the records of waiting parts to ``kept`` and point the slots at them; their number."""
    count = 0
    for slot in range(joiner[J_SLOTS]):
        for k in range(MAX_PARTS):
            at = slots[slot, X_PART + k]
            if at >= 0:
                for c in range(RECORD):
                    kept[count, c] = rec[at, c]
                slots[slot, X_PART + k] = count
                count += 1
    return count


@kernel
def orphan_all(rec: Table, slots: Table, rej: Table, joiner: Table, line: int) -> None:
    """End every slot: the end of the source."""
    while joiner[J_SLOTS] > 0:
        _orphan(rec, slots, 0, rej, joiner, line)
