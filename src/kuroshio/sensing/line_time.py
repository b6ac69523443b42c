"""The time a recorded line states, read at a glance: for replaying a recording with its own timing.

What enters: one line of bytes. What leaves: UTC microseconds, or None. It pays for speed with certainty (no checksum is
looked at): decoding finds the observed time again by itself.
"""

from __future__ import annotations

import re

from kuroshio import clock
from kuroshio.errors import InputError
from kuroshio.units import US_PER_S

# NMEA 4.10 tag block c: seconds or milliseconds; receivers write microseconds too
_TAG = re.compile(rb"\\[^\\]*?\bc:(\d{9,17})")
_PGHP = re.compile(rb"\$PGHP,1,(\d{4}),(\d{1,2}),(\d{1,2}),(\d{1,2}),(\d{1,2}),(\d{1,2}),(\d{1,3})")
_SUFFIX = re.compile(rb"\*[0-9A-Fa-f]{2}(?:,[^,\r\n]*)*?,(\d{10})(?:\.\d+)?\s*$")
_ISO = re.compile(rb"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?")
_EPOCH_FIRST = re.compile(rb"^(\d{10})(?:\.\d+)?[\s,;]")


def time_of_line(line: bytes) -> int | None:
    r"""UTC microseconds that a line states: tag block, $PGHP, receiver suffix, ISO text, or a leading epoch.

    >>> time_of_line(rb"\c:1565218798*53\!BSVDM,1,1,,A,13mb9U0P00PRk8fT5nw>4?wj2006,0*5D")
    1565218798000000
    """
    if found := _TAG.search(line):
        return _epoch_us(found.group(1))
    if found := _PGHP.search(line):
        year, month, day, hour, minute, second, milli = (int(g) for g in found.groups())
        return _parsed(f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{milli:03d}Z")
    if found := _SUFFIX.search(line):
        return int(found.group(1)) * US_PER_S
    if found := _ISO.search(line):  # before a leading number, which in a table may be a ship's
        day_text, time_text, zone = (g.decode() if g else "Z" for g in found.groups())
        return _parsed(f"{day_text}T{time_text}{zone}")
    found = _EPOCH_FIRST.search(line)
    return int(found.group(1)) * US_PER_S if found else None


def _epoch_us(digits: bytes) -> int:
    value = int(digits)
    if len(digits) <= 11:
        return value * US_PER_S
    return value * 1000 if len(digits) <= 14 else value


def _parsed(text: str) -> int | None:
    try:
        return clock.parse_rfc3339(text)
    except InputError:
        return None
