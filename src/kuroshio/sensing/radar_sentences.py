"""NMEA 0183 sentences of radars: tag block, checksum and fields out of one line.

What enters: one line. What leaves: a `Sentence`, or the reason why it is none. It knows no sentence's meaning.
Source: IEC 61162-1 (sentence, checksum) and IEC 61162-450 / NMEA 0183 4.x (tag block).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from kuroshio.units import M_PER_NM, US_PER_S

UNIT_M = {b"N": M_PER_NM, b"K": 1000.0, b"S": 1609.344}  # IEC 61162-1, TTM field 8; statute mile (NIST SP 811)
_NUMBER = re.compile(rb"^-?\d{1,7}(\.\d{1,9})?$")
DAY_US = 86_400 * US_PER_S
_TIME = re.compile(rb"^([01]\d|2[0-3])([0-5]\d)([0-5]\d|60)(\.\d{1,6})?$")


@dataclass(frozen=True)
class Sentence:
    """Talker, formatter and fields of one sentence, with what its tag block said."""

    talker: str
    formatter: str
    fields: tuple[bytes, ...]
    station: str | None = None
    tag_time_us: int | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a line is no sentence: a stable reason and what was found."""

    reason: str
    detail: str


@dataclass
class TimeOfDay:
    """Turns a time of day into UTC by the day nearest to a reference; keeps the last one as the next reference.

    Parameters
    ----------
    reference_us
        A moment of the day the data begins, for archives; live data brings its time of arrival.
    """

    reference_us: int | None = None
    last_us: int | None = field(default=None, init=False)

    def resolve(self, of_day_us: int, received_at_us: int | None) -> int | None:
        """UTC microseconds nearest to the arrival, else to the last time, else to the reference; None without any."""
        anchor = received_at_us if received_at_us is not None else self.last_us
        if anchor is None:
            anchor = self.reference_us
        if anchor is None:
            return None
        midnight = anchor - anchor % DAY_US
        at = min((midnight + shift * DAY_US + of_day_us for shift in (-1, 0, 1)), key=lambda us: abs(us - anchor))
        if received_at_us is None and self.last_us is None:
            at = midnight + of_day_us  # the first of an archive: the reference names its day, not its hour
        self.last_us = at
        return at


def number(text: bytes) -> float | None:
    """The number of a field, None for an empty or malformed one."""
    return float(text) if _NUMBER.match(text) else None


def resolution(text: bytes) -> float:
    """Step of the last digit of a field: 0.01 for ``12.34``."""
    return 10.0 ** -len(text.partition(b".")[2])


def angle(text: bytes, hemisphere: bytes) -> float | None:
    """Degrees of an NMEA latitude or longitude (ddmm.mm with its hemisphere), None when it is not one."""
    value = number(text)
    if value is None or value < 0.0 or hemisphere not in (b"N", b"S", b"E", b"W"):
        return None
    degrees, minutes = divmod(value, 100.0)
    result = degrees + minutes / 60.0
    limit = 90.0 if hemisphere in (b"N", b"S") else 180.0
    if minutes >= 60.0 or result > limit:
        return None
    return -result if hemisphere in (b"S", b"W") else result


def checksum(body: bytes) -> int:
    """XOR of all bytes between the delimiters (IEC 61162-1, 7.2.5)."""
    value = 0
    for byte in body:
        value ^= byte
    return value


def parse_time(text: bytes) -> int | None:
    """Microseconds of the day of hhmmss.ss, None when it is not one."""
    match = _TIME.match(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(match.group(i)) for i in (1, 2, 3))
    micros = int((match.group(4) or b".0")[1:].ljust(6, b"0"))
    return (hours * 3600 + minutes * 60 + seconds) * US_PER_S + micros


def parse_sentence(line: bytes, *, keep_bad_checksum: bool = False) -> Sentence | Refusal | None:
    """The sentence of a line; None for a blank line or a comment; a `Refusal` where it is malformed.

    Parameters
    ----------
    line
        Bytes without the line end; a tag block may precede the sentence.
    keep_bad_checksum
        Take sentences whose checksum is absent or wrong.
    """
    text = line.strip(b" \t\x00")
    if not text or text.startswith(b"#"):
        return None
    station, tag_time = None, None
    while text.startswith(b"\\"):
        end = text.find(b"\\", 1)
        if end < 0:
            return Refusal("tag_block", "no closing backslash")
        block, text = text[1:end], text[end + 1 :]
        body, star, given = block.partition(b"*")
        if star and not _checksum_holds(body, given):
            return Refusal("tag_checksum", f"expected {checksum(body):02X}, found {given[:4]!r}")
        for item in body.split(b","):
            key, _, value = item.partition(b":")
            if key == b"s":
                station = value.decode("ascii", "replace")[:64]
            elif key == b"c":
                tag_time = tag_epoch_us(value)
    if not text:
        return None
    if text[:1] not in (b"$", b"!"):
        return Refusal("not_nmea", f"begins with {text[:8]!r}")
    body, star, given = text[1:].partition(b"*")
    if not keep_bad_checksum:
        if not star:
            return Refusal("no_checksum", "no * before the end")
        if not _checksum_holds(body, given):
            return Refusal("checksum", f"expected {checksum(body):02X}, found {given[:4]!r}")
    head, *fields = body.split(b",")
    if not re.fullmatch(rb"[A-Z0-9]{5}", head) and not head.startswith(b"P"):
        return Refusal("not_nmea", f"address field {head[:12]!r}")
    address = head.decode("ascii", "replace")
    return Sentence(address[:2], address[2:], tuple(fields), station, tag_time)


def tag_epoch_us(value: bytes) -> int | None:
    """UTC microseconds of a tag block's c: seconds, milliseconds or microseconds by its number of digits."""
    whole, _, fraction = value.partition(b".")
    if not whole.isdigit() or len(whole) > 16 or (fraction and not fraction.isdigit()):
        return None
    number = int(whole)
    if len(whole) <= 10:
        return number * US_PER_S + int(fraction[:6].ljust(6, b"0") or b"0")
    return number * 1000 if len(whole) <= 13 else number


def _checksum_holds(body: bytes, given: bytes) -> bool:
    try:
        return int(given[:2], 16) == checksum(body) and len(given[:2]) == 2
    except ValueError:
        return False
