r"""Tag blocks: the parameters a receiver or a relay puts before a sentence, ``\s:x,c:1671620143*5B\``.

What enters: the place of a backslash. What leaves: time, station and group in the line's state; a block whose sum is
wrong is read too, and counted. Source: IEC 61162-450 / NMEA 0183 v4; ``si`` as the Danish Maritime Authority writes it.
"""

from __future__ import annotations

import numpy as np

from kuroshio.sensing.ais.clocks import epoch_us
from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel
from kuroshio.sensing.ais.records import (
    RANK_S,
    RANK_SI,
    S_TAG_BAD,
    STATION_ROOM,
    T_BAD,
    T_GROUP,
    T_RANK,
    T_STATION,
    T_TIME,
    Table,
)

HEX = np.full(256, 255, np.uint8)
for _k, _c in enumerate(b"0123456789ABCDEF"):
    HEX[_c] = _k
for _k, _c in enumerate(b"abcdef"):
    HEX[_c] = 10 + _k


@kernel
def station_code(start: int, length: int) -> int:
    """Range of a station's name as one integer, start << 8 | length."""
    return (start << 8) | min(length, STATION_ROOM - 1)


@kernel
def tag_group(buf: Bytes, start: int, stop: int) -> int:
    """Group number of ``part-parts-number``; a number that is not decimal is hashed."""
    at, dashes = start, 0
    while at < stop and dashes < 2:
        if buf[at] == 45:
            dashes += 1
        at += 1
    if dashes < 2 or at == stop:
        return -1
    value = 0
    for k in range(at, stop):
        value = (value * 131 + i64(buf[k])) & 0x3FFFFFFFFFFFFFF
    return value


@inner
def _tag_field(buf: Bytes, start: int, stop: int, state: Table) -> None:
    colon = start
    while colon < stop and buf[colon] != 58:
        colon += 1
    if colon in (stop, start):
        return
    key = buf[start]
    if colon == start + 1:
        if key == 99:  # c
            value = epoch_us(buf, colon + 1, stop)
            if value >= 0:
                state[T_TIME] = value
        elif key == 115 and stop > colon + 1:  # s
            state[T_STATION], state[T_RANK] = station_code(colon + 1, stop - colon - 1), RANK_S
        elif key == 103:  # g
            state[T_GROUP] = tag_group(buf, colon + 1, stop)
    elif colon == start + 2 and key == 115 and buf[start + 1] == 105 and state[T_RANK] < RANK_SI:  # si
        state[T_STATION], state[T_RANK] = station_code(colon + 1, stop - colon - 1), RANK_SI


@inner
def tag_block(buf: Bytes, at: int, state: Table) -> int:
    """Read the tag block whose backslash is at ``at``; index after it, and whether its sum holds is counted."""
    start, value = at + 1, 0
    q = start
    while buf[q] != 42 and buf[q] != 92 and buf[q] != 10 and buf[q] != 33:
        value ^= i64(buf[q])
        q += 1
    good = False
    stop = q
    if buf[q] == 42:
        high, low = HEX[buf[q + 1]], HEX[buf[q + 2]]
        good = high < 16 and low < 16 and high * 16 + low == value
        while buf[q] != 92 and buf[q] != 10 and buf[q] != 33:
            q += 1
    field = start
    for k in range(start, stop + 1):
        if k == stop or buf[k] == 44:
            _tag_field(buf, field, k, state)
            field = k + 1
    if not good:
        state[T_BAD] += 1
        state[S_TAG_BAD] += 1
    return q + 1 if buf[q] == 92 else q
