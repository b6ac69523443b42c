r"""First pass, common shapes: a lone sentence, bare or behind one plain tag block, read eight bytes at a time.

What enters: a buffer whose lines end with LF. What leaves: records, as `scan.read_line` gives them; every line that is
not exactly of a common shape goes there. Both readers agree on every line
(tests/properties/test_sensing_ais_streams.py).
"""

from __future__ import annotations

import numpy as np

from kuroshio.sensing.ais.clocks import TAG_BLOCK, TAG_UNVERIFIED, epoch_us
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel
from kuroshio.sensing.ais.lanes import payload_end, tag_end, xor_bytes
from kuroshio.sensing.ais.records import (
    ARMOURED,
    CHANNEL,
    CHARS,
    CHECKED,
    CLOCK,
    COUNTS,
    FILL,
    GROUP,
    LENGTH,
    LINE,
    MAX_PAYLOAD,
    MAX_SENTENCES,
    PART,
    PAYLOAD,
    S_LINE,
    S_RANK,
    S_RECORDS,
    S_REJECTS,
    S_TAG_BAD,
    S_TIME,
    SEQUENCE,
    START,
    STATION,
    TALKER,
    TIME,
    TOTAL,
    Table,
)
from kuroshio.sensing.ais.scan import read_line
from kuroshio.sensing.ais.tags import station_code, tag_group
from kuroshio.sensing.ais.words import load64, ten_digits

_HEX = np.full(256, 64, np.uint8)
for _k, _c in enumerate(b"0123456789ABCDEF"):
    _HEX[_c] = _k
for _k, _c in enumerate(b"abcdef"):
    _HEX[_c] = 10 + _k

# "VDM," then digit comma digit comma; the digits and M/O are free
_SHAPE = np.uint64(int.from_bytes(b"VD\0,\0,\0,", "little"))
_SHAPE_MASK = np.uint64(int.from_bytes(b"\xff\xff\0\xff\0\xff\0\xff", "little"))
_MAX_TAG = 256


@inner
def _tag(buf: Bytes, p: int, rec: Table, row: int) -> int:
    """Read one plain tag block at ``p`` into a record; index after it, negative where its sum is wrong.

    -1 where it is not of the common shape.
    """
    end = tag_end(buf, p + 1)
    if buf[end] != 92 or end - p < 6 or end - p > _MAX_TAG or buf[end - 3] != 42:
        return -1
    high, low = i64(_HEX[buf[end - 2]]), i64(_HEX[buf[end - 1]])
    good = high < 16 and low < 16 and high * 16 + low == xor_bytes(buf, p + 1, end - 3)
    clock = TAG_BLOCK if good else TAG_UNVERIFIED
    at, stop = p + 1, end - 3
    while at < stop:
        if buf[at + 1] != 58:
            return -1
        key = buf[at]
        q = at + 2
        if key == 99 and at + 12 <= stop and (buf[at + 12] == 44 or buf[at + 12] == 42):
            value = ten_digits(buf, q)
            if value >= 100_000_000:
                rec[row, TIME], rec[row, CLOCK] = value * 1_000_000, clock
                at += 13
                continue
        while q < stop and buf[q] != 44:
            if buf[q] == 42 or buf[q] == 33:
                return -1
            q += 1
        if key == 99:  # c
            value = epoch_us(buf, at + 2, q)
            if value >= 0:
                rec[row, TIME], rec[row, CLOCK] = value, clock
        elif key == 115:  # s
            if q > at + 2:
                rec[row, STATION] = station_code(at + 2, q - at - 2)
        elif key == 103:  # g
            rec[row, GROUP] = tag_group(buf, at + 2, q)
        at = q + 1
    return end + 1 if good else -end - 1


@inner
def _common(buf: Bytes, start: int, rec: Table, row: int, line: int, state: Table) -> int:
    """Read a line of a common shape into a record; index of the next line, or -1."""
    p, bad = start, False
    rec[row, TIME], rec[row, CLOCK], rec[row, STATION], rec[row, GROUP] = -1, -1, 0, -1
    if buf[p] == 92:
        p = _tag(buf, p, rec, row)
        bad = p < -1
        p = abs(p)
        if p == 1:
            return -1
    if buf[p] != 33 or (load64(buf, p + 3) & _SHAPE_MASK) != _SHAPE:
        return -1
    total, part = i64(buf[p + 7]) - 48, i64(buf[p + 9]) - 48
    kind = buf[p + 5]
    if total < 1 or total > 9 or part < 1 or part > total or (kind != 77 and kind != 79):
        return -1
    at, sequence = p + 11, -1
    if buf[at] != 44:
        sequence = i64(buf[at]) - 48
        at += 1
        if sequence < 0 or sequence > 9 or buf[at] != 44:
            return -1
    at += 1
    channel = 0
    if buf[at] != 44:
        channel = i64(buf[at])
        at += 1
        if buf[at] != 44 or channel < 48 or channel > 90:
            return -1
    payload = at + 1
    end = payload_end(buf, payload)
    fill = i64(buf[end + 1]) - 48
    if buf[end] != 44 or buf[end + 2] != 42 or fill < 0 or fill > 6 or end == payload or end - payload > MAX_PAYLOAD:
        return -1
    high, low = i64(_HEX[buf[end + 3]]), i64(_HEX[buf[end + 4]])
    if high > 15 or low > 15 or high * 16 + low != xor_bytes(buf, p + 1, end + 2):
        return -1
    after = end + 5
    if buf[after] == 13:
        after += 1
    if buf[after] != 10:
        return -1
    a, b = i64(buf[p + 1]), i64(buf[p + 2])
    if a < 48 or b < 48 or a > 90 or b > 90:
        return -1
    rec[row, LINE], rec[row, START], rec[row, LENGTH] = line, start, end + 5 - start
    rec[row, PAYLOAD], rec[row, CHARS], rec[row, FILL] = payload, end - payload, fill
    rec[row, TOTAL], rec[row, PART], rec[row, SEQUENCE], rec[row, CHANNEL] = total, part, sequence, channel
    rec[row, TALKER], rec[row, COUNTS], rec[row, CHECKED] = (a << 8) | b, 1, 1 | ARMOURED
    if bad:
        state[S_TAG_BAD] += 1
    return after + 1


@kernel
def scan(buf: Bytes, pos: int, stop: int, rec: Table, rej: Table, state: Table, comma: Table) -> int:
    """Read lines from ``pos`` while there is room for their rows; index of the first line not read.

    ``buf[stop - 1]`` is LF and at least 64 bytes follow it. Rows are counted in ``state``; ``comma`` is room for 8
    places.
    """
    records, rejects = rec.shape[0] - MAX_SENTENCES - 2, rej.shape[0] - MAX_SENTENCES - 2
    line, row = state[S_LINE], state[S_RECORDS]
    quiet = state[S_TIME] < 0 and state[S_RANK] == 0
    while pos < stop and row < records and state[S_REJECTS] < rejects:
        line += 1
        if quiet:
            after = _common(buf, pos, rec, row, line, state)
            if after >= 0:
                pos = after
                row += 1
                continue
        state[S_LINE], state[S_RECORDS] = line, row
        pos = read_line(buf, pos, rec, rej, state, comma) + 1
        row = state[S_RECORDS]
        quiet = state[S_TIME] < 0 and state[S_RANK] == 0
    state[S_LINE], state[S_RECORDS] = line, row
    return pos
