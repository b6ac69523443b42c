"""Times as logs write them, read from bytes: epochs of any unit, ISO text, and calendar fields.

What enters: a range of a byte buffer. What leaves: UTC microseconds, or -1 where there is no plausible time. A text
without an offset is taken as UTC.
"""

from __future__ import annotations

import numpy as np

from kuroshio.sensing.ais.kernels import Bytes, i64, inner, kernel

NO_TIME = -1
# which clock gave a time; names of schema column time_source
CLOCKS = (
    "tag_block", "receiver_suffix", "pghp", "iso_prefix", "line_epoch", "file", "arrival", "tag_block_unverified",
)  # fmt: skip
TAG_BLOCK, RECEIVER_SUFFIX, PGHP, ISO_PREFIX, LINE_EPOCH, FILE, ARRIVAL, TAG_UNVERIFIED = range(8)

_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334])
_DAYS_IN = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@kernel
def civil_us(year: int, month: int, day: int, hour: int, minute: int, second: int, micros: int) -> int:
    """UTC microseconds of calendar fields, -1 where a field is out of range (a leap second is the next minute)."""
    if year < 1970 or year > 9999 or month < 1 or month > 12 or day < 1 or day > _DAYS_IN[month - 1]:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if month == 2 and day == 29 and not leap:
        return -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 60:
        return -1
    past = year - 1970
    days = past * 365 + (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
    days += _DAYS_BEFORE[month - 1] + day - 1
    if leap and month > 2:
        days += 1
    return ((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + micros


@kernel
def digits(buf: Bytes, start: int, stop: int, most: int) -> tuple[int, int]:
    """Number of up to so many decimal digits at start, and the index after it; -1 where there is none."""
    at, value = start, 0
    while at < stop and at < start + most and 48 <= buf[at] <= 57:
        value = value * 10 + (i64(buf[at]) - 48)
        at += 1
    return (value if at > start else -1), at


@inner
def _fraction_us(buf: Bytes, start: int, stop: int) -> tuple[int, int]:
    value, scale, at = 0, 100_000, start
    while at < stop and 48 <= buf[at] <= 57:
        value += (i64(buf[at]) - 48) * scale
        scale //= 10
        at += 1
    return value, at


@kernel
def epoch_us(buf: Bytes, start: int, stop: int) -> int:
    """UTC microseconds of an epoch in s, ms, us or ns, told apart by its size; all of the range must be it."""
    value, at = digits(buf, start, stop, 19)
    if value < 100_000_000:  # before 1973 in seconds: a counter, not a time
        return -1
    fraction = 0
    if at < stop and buf[at] == 46:
        fraction, at = _fraction_us(buf, at + 1, stop)
    if at != stop:
        return -1
    if value < 100_000_000_000:
        return value * 1_000_000 + fraction
    if value < 100_000_000_000_000:
        return value * 1000 + fraction // 1000
    if value < 100_000_000_000_000_000:
        return value
    return value // 1000


@kernel
def iso_us(buf: Bytes, start: int, stop: int) -> int:
    """UTC microseconds of ``YYYY-MM-DD hh:mm:ss[.f][Z|+hh:mm]`` at start; ``/`` and ``T`` are taken too."""
    if stop - start < 19:
        return -1
    year, at = digits(buf, start, stop, 4)
    if at != start + 4 or (buf[at] != 45 and buf[at] != 47):
        return -1
    month, at = digits(buf, at + 1, stop, 2)
    if at != start + 7 or (buf[at] != 45 and buf[at] != 47):
        return -1
    day, at = digits(buf, at + 1, stop, 2)
    if at != start + 10 or (buf[at] != 32 and buf[at] != 84 and buf[at] != 116):
        return -1
    hour, at = digits(buf, at + 1, stop, 2)
    if at != start + 13 or buf[at] != 58:
        return -1
    minute, at = digits(buf, at + 1, stop, 2)
    if at != start + 16 or buf[at] != 58:
        return -1
    second, at = digits(buf, at + 1, stop, 2)
    if at != start + 19:
        return -1
    micros = 0
    if at < stop and (buf[at] == 46 or buf[at] == 44) and at + 1 < stop and 48 <= buf[at + 1] <= 57:
        micros, at = _fraction_us(buf, at + 1, stop)
    result = civil_us(year, month, day, hour, minute, second, micros)
    if result >= 0 and at + 5 < stop and (buf[at] == 43 or buf[at] == 45) and buf[at + 3] == 58:
        hours, _ = digits(buf, at + 1, stop, 2)
        minutes, _ = digits(buf, at + 4, stop, 2)
        if 0 <= hours <= 14 and 0 <= minutes < 60:
            offset = (hours * 60 + minutes) * 60_000_000
            result += -offset if buf[at] == 43 else offset
    return result


@kernel
def prefix_us(buf: Bytes, start: int, stop: int) -> tuple[int, int]:
    """Time that stands before a sentence on its line, and which clock it is; -1 where there is none."""
    at = start
    while at < stop and not 48 <= buf[at] <= 57:
        at += 1
    if at == stop:
        return -1, -1
    value = iso_us(buf, at, stop)
    if value >= 0:
        return value, ISO_PREFIX
    end = at
    while end < stop and (48 <= buf[end] <= 57 or buf[end] == 46):
        end += 1
    value = epoch_us(buf, at, end)
    return (value, LINE_EPOCH) if value >= 0 else (-1, -1)


@kernel
def pghp_us(buf: Bytes, start: int, stop: int) -> tuple[int, int, int]:
    """Time of a ``$PGHP,1,`` wrapper, and start and length of the base station it names.

    Source: Gatehouse wrapper: 1, year, month, day, hour, minute, second, millisecond, country, region, base station.
    """
    at = start + 6
    kind = year = month = day = hour = minute = second = milli = i64(0)  # of one type, or each mix compiles anew
    for _ in range(8):  # each field moves the ones before it up
        number, end = digits(buf, at, stop, 4)
        if number < 0 or end >= stop or buf[end] != 44:
            return -1, 0, 0
        kind, year, month, day, hour, minute, second, milli = year, month, day, hour, minute, second, milli, number
        at = end + 1
    if kind != 1:
        return -1, 0, 0
    time = civil_us(year, month, day, hour, minute, second, milli * 1000)
    for _ in range(2):  # country and region
        while at < stop and buf[at] != 44 and buf[at] != 42:
            at += 1
        if at < stop and buf[at] == 44:
            at += 1
    end = at
    while end < stop and 48 <= buf[end] <= 57:
        end += 1
    return time, at, end - at
