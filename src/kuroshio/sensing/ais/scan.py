r"""First pass: lines to records, one a sentence, and rejects; nothing is decoded yet.

What enters: a buffer whose lines end with LF. What leaves: rows of integers that point into it. A line may hold
prefix text, tag blocks and several sentences: ``2024-07-19 08:45:30 \s:x*1A\!AIVDM,...*7F,r003669946,1342569600``.
It does not join parts (`parts`) and does not look into payloads.

Each line counts once: by its last good sentence, else by its first reject, else as a comment.
"""

from __future__ import annotations

import numpy as np

from kuroshio.sensing.ais.clocks import (
    ISO_PREFIX,
    PGHP,
    RECEIVER_SUFFIX,
    TAG_BLOCK,
    TAG_UNVERIFIED,
    digits,
    epoch_us,
    pghp_us,
    prefix_us,
)
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel
from kuroshio.sensing.ais.records import (
    BAD_FIELD,
    CHANNEL,
    CHARS,
    CHECKED,
    CHECKSUM,
    CHECKSUM_MISSING,
    CLOCK,
    COUNTS,
    EMPTY,
    FILL,
    GROUP,
    LENGTH,
    LINE,
    LONG_LINE,
    LONG_PAYLOAD,
    MANY,
    MAX_LINE,
    MAX_PAYLOAD,
    MAX_SENTENCES,
    NOT_AIS,
    NOT_NMEA,
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
    RANK_NONE,
    RANK_PGHP,
    RANK_SUFFIX,
    S_CLOCK,
    S_COMMENTS,
    S_JOINED,
    S_KEEP_BAD,
    S_LINE,
    S_RANK,
    S_RECORDS,
    S_REJECTS,
    S_STATION,
    S_TIME,
    SEQUENCE,
    START,
    STATION,
    T_BAD,
    T_GROUP,
    T_RANK,
    T_STATION,
    T_TIME,
    TAG_CHECKSUM,
    TALKER,
    TIME,
    TOTAL,
    Table,
)
from kuroshio.sensing.ais.tags import HEX, station_code, tag_block

# 1 ends a sentence's body: * ! \ $ LF CR;  2 is the comma
_CLASS = np.zeros(256, np.uint8)
for _c in b"*!\\$\n\r":
    _CLASS[_c] = 1
_CLASS[44] = 2


@inner
def _suffix(buf: Bytes, start: int, stop: int, row: Table, rank: int) -> None:
    """Receiver's own fields after the checksum: ``,r003669946,1342569600`` and their relatives."""
    field = start
    timed = row[CLOCK] in (TAG_BLOCK, TAG_UNVERIFIED)
    for k in range(start, stop + 1):
        if k < stop and buf[k] != 44:
            continue
        if k - field >= 9 and not timed and 48 <= buf[field] <= 57:
            value = epoch_us(buf, field, k)
            if value >= 0:
                row[TIME], row[CLOCK], timed = value, RECEIVER_SUFFIX, True
        elif k - field >= 3 and rank < RANK_SUFFIX and (buf[field] == 114 or buf[field] == 98):
            row[STATION], rank = station_code(field, k - field), RANK_SUFFIX
        field = k + 1


@inner
def _refuse(rej: Table, state: Table, start: int, stop: int, reason: int, a: int, b: int) -> None:
    row = rej[state[S_REJECTS]]
    row[R_LINE], row[R_EVENT], row[R_START], row[R_LENGTH] = state[S_LINE], state[S_LINE], start, stop - start
    row[R_REASON], row[R_A], row[R_B], row[R_COUNTS] = reason, a, b, 0
    state[S_REJECTS] += 1


@inner
def _sentence(buf: Bytes, p: int, row: Table, keep_bad: bool, comma: Table) -> tuple[int, int, int, int]:
    """Read the sentence whose ``!`` is at ``p`` into a record.

    Returns index after it, reject reason or -1, and two numbers for the reason's detail.
    """
    count, value = 0, 0
    q = p + 1
    while True:
        byte = buf[q]
        kind = _CLASS[byte]
        if kind == 1:
            break
        value ^= i64(byte)
        if kind == 2:
            if count < 8:
                comma[count] = q
            count += 1
        q += 1
    checked, given, after = False, -1, q
    if buf[q] == 42:
        high, low = i64(HEX[buf[q + 1]]), i64(HEX[buf[q + 2]])
        after = q + 1
        if high < 16 and low < 16:
            given, after = high * 16 + low, q + 3
            checked = given == value
    vdm = q > p + 6 and buf[p + 3] == 86 and buf[p + 4] == 68 and (buf[p + 5] == 77 or buf[p + 5] == 79)
    if not vdm or count == 0 or comma[0] != p + 6:
        return after, (NOT_AIS if checked else NOT_NMEA), 0, 0
    if not checked and not keep_bad:
        return after, (CHECKSUM if given >= 0 else CHECKSUM_MISSING), value, given
    if count < 5:
        return after, BAD_FIELD, 0, count
    total, end = digits(buf, comma[0] + 1, comma[1], 2)
    part, end2 = digits(buf, comma[1] + 1, comma[2], 2)
    if total < 1 or total > 9 or part < 1 or part > total or end != comma[1] or end2 != comma[2]:
        return after, BAD_FIELD, 1, 0
    sequence, end = digits(buf, comma[2] + 1, comma[3], 9)
    first = comma[4] + 1
    stop = comma[5] if count > 5 else q
    fill = 0
    if count > 5:
        last = comma[6] if count > 6 else q
        fill, end = digits(buf, stop + 1, last, 2)
        fill = 0 if last == stop + 1 else fill
        if fill < 0 or fill > 6 or (end != last and last != stop + 1):
            return after, BAD_FIELD, 2, 0
    chars = stop - first
    if chars == 0:
        return after, EMPTY, 0, 0
    if chars > MAX_PAYLOAD:
        return after, LONG_PAYLOAD, chars, 0
    channel = 0
    for k in range(comma[3] + 1, min(comma[4], comma[3] + 3)):
        channel = (channel << 8) | i64(buf[k])
    row[PAYLOAD], row[CHARS], row[FILL], row[TOTAL], row[PART] = first, chars, fill, total, part
    row[SEQUENCE], row[CHANNEL], row[CHECKED] = sequence, channel, checked
    row[TALKER] = (i64(buf[p + 1]) << 8) | i64(buf[p + 2])
    return after, -1, 0, 0


@inner
def _pend(state: Table, time: int, clock: int, station: int, rank: int) -> None:
    if time >= 0:
        state[S_TIME], state[S_CLOCK] = time, clock
    if rank > state[S_RANK]:
        state[S_STATION], state[S_RANK] = station, rank


@inner
def _accept(buf: Bytes, after: int, stop: int, prefix: int, clock: int, row: Table, state: Table) -> None:
    """Complete a record with the clocks and the station that go with it, best first."""
    rank = state[T_RANK]
    row[TIME], row[CLOCK], row[STATION], row[GROUP] = -1, -1, state[T_STATION], state[T_GROUP]
    if state[T_TIME] >= 0:
        row[TIME], row[CLOCK] = state[T_TIME], (TAG_BLOCK if state[T_BAD] == 0 else TAG_UNVERIFIED)
    if rank < state[S_RANK]:
        row[STATION], rank = state[S_STATION], state[S_RANK]
    if stop > after and buf[after] == 44:
        _suffix(buf, after + 1, stop, row, rank)
    if row[TIME] < 0 and state[S_TIME] >= 0:
        row[TIME], row[CLOCK] = state[S_TIME], state[S_CLOCK]
    if row[TIME] < 0 and prefix >= 0:
        row[TIME], row[CLOCK] = prefix, clock


@inner
def _forget(state: Table) -> None:
    state[S_TIME], state[S_CLOCK], state[S_STATION], state[S_RANK] = -1, -1, 0, RANK_NONE


@inner
def _fresh_tag(state: Table) -> None:
    state[T_TIME], state[T_STATION], state[T_GROUP], state[T_BAD], state[T_RANK] = -1, 0, -1, 0, RANK_NONE


@inner
def _finish(
    buf: Bytes, ls: int, p: int, piece: int, rej: Table, rec: Table, state: Table, first_record: int, first_reject: int,
    carried: bool, tagged: bool, sentences: int,
) -> None:  # fmt: skip
    """End a line: a tag block without a sentence waits for the next, an overlong line is one reject, and it counts."""
    if p - ls > MAX_LINE:
        state[S_RECORDS], state[S_REJECTS] = first_record, first_reject
        _refuse(rej, state, ls, p, LONG_LINE, p - ls, MAX_LINE)
    elif tagged:
        if state[T_BAD] > 0 and state[T_TIME] < 0 and state[T_RANK] == RANK_NONE:
            if sentences == 0:
                _refuse(rej, state, piece, p, TAG_CHECKSUM, 0, 0)
        else:
            _pend(
                state,
                state[T_TIME],
                TAG_BLOCK if state[T_BAD] == 0 else TAG_UNVERIFIED,
                state[T_STATION],
                state[T_RANK],
            )
            carried = True
    _count_line(buf, ls, p, rej, rec, state, first_record, first_reject, carried)


@kernel
def read_line(buf: Bytes, ls: int, rec: Table, rej: Table, state: Table, comma: Table) -> int:
    """Read one line from its first byte; index of its LF."""
    keep_bad = state[S_KEEP_BAD] != 0
    first_reject = state[S_REJECTS]
    first_record = state[S_RECORDS]
    prefix, clock = -1, -1
    p, piece, sentences, carried = ls, ls, 0, False
    _fresh_tag(state)
    tagged = False
    if buf[p] == 35:  # '#'
        while buf[p] != 10:
            p += 1
        state[S_COMMENTS] += 1
        return p
    while True:
        while _CLASS[buf[p]] != 1 or buf[p] == 42 or buf[p] == 13:
            p += 1
        byte = buf[p]
        if byte == 10:
            break
        if p > ls and sentences == 0 and prefix < 0 and not tagged:
            prefix, clock = prefix_us(buf, ls, p)
        if byte == 92:
            p = tag_block(buf, p, state)
            tagged = True
            continue
        if byte == 36 and buf[p + 1] == 80 and buf[p + 2] == 71 and buf[p + 3] == 72 and buf[p + 4] == 80:
            stop = p
            while buf[stop] != 10 and buf[stop] != 42:
                stop += 1
            time, at, length = pghp_us(buf, p, stop)
            if time >= 0:
                _pend(state, time, PGHP, station_code(at, length), RANK_PGHP if length > 0 else RANK_NONE)
                carried = True
                p = stop
                while _CLASS[buf[p]] != 1 or buf[p] == 42 or buf[p] == 13:
                    p += 1
                piece = p
                continue
        sentences += 1
        if sentences > MAX_SENTENCES:
            while buf[p] != 10:
                p += 1
            _refuse(rej, state, piece, p, MANY, sentences, MAX_SENTENCES)
            break
        row = rec[state[S_RECORDS]]
        after, reason, a, b = _sentence(buf, p, row, keep_bad, comma)
        p = after
        while (_CLASS[buf[p]] != 1 or buf[p] == 42) and buf[p] != 13:
            p += 1
        if reason >= 0:
            last = state[S_REJECTS] - 1
            if reason == NOT_NMEA and last >= first_reject and rej[last, R_REASON] == NOT_NMEA:
                rej[last, R_LENGTH] = p - rej[last, R_START]  # one row for a run of fragments
            else:
                _refuse(rej, state, piece, p, reason, a, b)
        else:
            _accept(buf, after, p, prefix, clock, row, state)
            row[LINE], row[START], row[LENGTH], row[COUNTS] = state[S_LINE], piece, p - piece, 0
            state[S_RECORDS] += 1
        _forget(state)
        _fresh_tag(state)
        tagged = False
        piece = p
    _finish(buf, ls, p, piece, rej, rec, state, first_record, first_reject, carried, tagged, sentences)
    return p


@inner
def _count_line(
    buf: Bytes,
    ls: int,
    p: int,
    rej: Table,
    rec: Table,
    state: Table,
    first_record: int,
    first_reject: int,
    carried: bool,
) -> None:
    """Decide which row the line is counted by."""
    records = state[S_RECORDS] - first_record
    state[S_JOINED] += max(0, records + state[S_REJECTS] - first_reject - 1)
    if records > 0:
        rec[state[S_RECORDS] - 1, COUNTS] = 1
        return
    if state[S_REJECTS] > first_reject:
        rej[first_reject, R_COUNTS] = 1
        return
    blank = True
    for k in range(ls, p):
        if buf[k] != 32 and buf[k] != 13 and buf[k] != 9:
            blank = False
            break
    if not blank and not carried:
        time, clock = prefix_us(buf, ls, p) if p - ls <= 40 else (-1, -1)
        if time >= 0 and (clock == ISO_PREFIX or p - ls <= 24):
            _pend(state, time, clock, 0, RANK_NONE)
        else:
            _refuse(rej, state, ls, p, NOT_NMEA, 0, 0)
            rej[first_reject, R_COUNTS] = 1
            return
    state[S_COMMENTS] += 1
