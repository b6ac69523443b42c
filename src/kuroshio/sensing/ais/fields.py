"""What a field and a layout of a message are: the words the AIS tables are written in.

What enters: declarations in `fields_position`, `fields_static`, `fields_binary`, `fields_management` and the
application tables. What leaves: bit offsets, ranges and conversions that the byte engine, the encoder and the
documentation are all made from. Nothing here touches bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from kuroshio.errors import InputError
from kuroshio.units import MPS_PER_KN

Kind = Literal["u", "i", "b", "t", "d", "x"]
"""u unsigned, i signed two's complement, b flag, t six-bit text, d data bits to the end, x spare."""

STANDARD = "ITU-R M.1371-5"
TEXT_ALPHABET = "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_ !\"#$%&'()*+,-./0123456789:;<=>?"  # M.1371-5 annex 8, 6-bit ASCII


@dataclass(frozen=True)
class Field:
    """One field of a message, most significant bit first.

    Parameters
    ----------
    name
        Name of the raw integer (or text) in mappings.
    bits
        Width; 0 for text or data that fills the rest of the message.
    kind
        See `Kind`.
    si
        Name of the value in SI units, empty where the raw value is already the meaning.
    num, den, offset
        SI value is ``raw * num / den + offset``.
    absent
        Raw value that says "not available" and is null in columns, or None.
    initial
        Raw value an encoder sends when the field is not given and ``absent`` is None.
    low, high
        Raw values outside are not a measurement: null in SI columns.
    clause
        The field's name in the standard.
    doc
        What reserved and special values mean.
    decimals
        Digits after the point where the SI value is written as text.
    power
        Name of the field of the same layout whose value is a power of ten that this one is multiplied by.
    """

    name: str
    bits: int
    kind: Kind = "u"
    si: str = ""
    num: float = 1.0
    den: float = 1.0
    absent: int | None = None
    low: int | None = None
    high: int | None = None
    clause: str = ""
    doc: str = ""
    decimals: int = 0
    initial: int = 0
    offset: float = 0.0
    power: str = ""

    @property
    def raw_min(self) -> int:
        """Least raw value the width holds."""
        return -(1 << (self.bits - 1)) if self.kind == "i" else 0

    @property
    def raw_max(self) -> int:
        """Greatest raw value the width holds."""
        return (1 << (self.bits - 1)) - 1 if self.kind == "i" else (1 << self.bits) - 1

    @property
    def default(self) -> int:
        """Raw value an encoder sends when the field is not given."""
        return self.initial if self.absent is None else self.absent

    def to_si(self, raw: int) -> float | None:
        """Value in SI units, None where the raw value is no measurement."""
        if (
            raw == self.absent
            or (self.low is not None and raw < self.low)
            or (self.high is not None and raw > self.high)
        ):
            return None
        if self.si == "rot_degpmin":
            return rot_to_degpmin(raw)
        return raw * self.num / self.den + self.offset

    def from_si(self, value: float | None) -> int:
        """Raw value nearest to the SI value; the field's "not available" for None and NaN.

        Raises
        ------
        InputError
            When the value does not fit the field's range.
        """
        if value is None or math.isnan(value):
            return self.default
        raw = (
            rot_from_degpmin(value)
            if self.si == "rot_degpmin"
            else math.floor((value - self.offset) * self.den / self.num + 0.5)
        )
        low = self.raw_min if self.low is None else self.low
        high = self.raw_max if self.high is None else self.high
        if not low <= raw <= high:
            raise InputError(f"field {self.si}: {value!r} is outside {low}..{high} raw", code="ais.range")
        return raw


def rot_to_degpmin(raw: int) -> float | None:
    """Rate of turn in deg/min; None at -128 (not available) and +-127 (only a direction).

    Source: ITU-R M.1371-5, message 1, rate of turn: ROT_AIS = 4.733 sqrt(ROT_sensor).
    """
    if abs(raw) >= 127:
        return None
    return math.copysign((raw / ROT_FACTOR) ** 2, raw)


def rot_from_degpmin(value: float) -> int:
    """Raw rate of turn of a turn rate in deg/min; 708 deg/min and more is 126."""
    return int(math.copysign(min(126, math.floor(ROT_FACTOR * math.sqrt(abs(value)) + 0.5)), value))


ROT_FACTOR = 4.733  # ITU-R M.1371-5, message 1, rate of turn


@dataclass(frozen=True)
class Layout:
    """One message layout: a type, or a variant of it that selector bits choose.

    Parameters
    ----------
    types
        Message types that use it.
    variant
        Name of the variant, empty where the type has one layout.
    family
        Table of the schema its rows go to.
    fields
        In order, from bit 0.
    min_bits
        Shorter payloads are rejected: too_short.
    when
        Selectors ``(start, bits, value)`` that must all hold.
    cuts
        Lengths at which a sender may end, where the tail is optional.
    tail
        Fields that sit at the end of the payload, after data (type 26's communication state).
    title
        Name of the message in the standard.
    """

    types: tuple[int, ...]
    variant: str
    family: str
    fields: tuple[Field, ...]
    min_bits: int
    title: str
    when: tuple[tuple[int, int, int], ...] = ()
    cuts: tuple[int, ...] = ()
    tail: tuple[Field, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict, compare=False)

    @cached_property
    def starts(self) -> dict[str, int]:
        """First bit of each field by name."""
        starts, at = {}, 0
        for item in self.fields:
            starts[item.name] = at
            at += item.bits
        return starts

    @cached_property
    def bits(self) -> int:
        """Length of the fixed part in bits."""
        return sum(item.bits for item in self.fields)

    def find(self, name: str) -> Field:
        """Field of that raw name."""
        return next(item for item in (*self.fields, *self.tail) if item.name == name)

    def has(self, name: str) -> bool:
        """Whether the layout has a field of that raw name."""
        return any(item.name == name for item in (*self.fields, *self.tail))


# Fields that many messages share -----------------------------------------------------------------------------

LON_MAX, LAT_MAX = 180 * 600_000, 90 * 600_000  # 1/10000 minute; 181 and 91 degrees say "not available"


def head() -> tuple[Field, ...]:
    """Message ID, repeat indicator and user ID: the first 38 bits of every message."""
    return (
        Field("type", 6, clause="message ID"),
        Field("repeat", 2, clause="repeat indicator", doc="0 as sent first; 3 do not repeat any more."),
        Field("mmsi", 30, clause="user ID (source ID)", doc="0 is data, not absence."),
    )


def spare(number: int, bits: int) -> Field:
    """Bits not used; sent as zero, kept by the decoder."""
    return Field(f"spare{number or ''}", bits, "x", clause="spare")


def speed() -> Field:
    """Speed over ground in 1/10 knot."""
    return Field(
        "sog", 10, si="sog_mps", num=MPS_PER_KN, den=10, absent=1023, high=1022, clause="SOG",
        doc="1022 is 102.2 kn or more; 1023 not available.",
    )  # fmt: skip


def accuracy() -> Field:
    """Position accuracy flag."""
    return Field(
        "position_accurate", 1, "b", clause="position accuracy", doc="1 better than 10 m; 0 worse, or unknown."
    )


def position() -> tuple[Field, Field]:
    """Longitude and latitude in 1/10000 minute."""
    return (
        Field(
            "lon", 28, "i", si="lon_deg", den=600_000, absent=181 * 600_000, low=-LON_MAX, high=LON_MAX,
            clause="longitude", doc="East positive; 181 degrees not available.", decimals=7,
        ),
        Field(
            "lat", 27, "i", si="lat_deg", den=600_000, absent=91 * 600_000, low=-LAT_MAX, high=LAT_MAX,
            clause="latitude", doc="North positive; 91 degrees not available.", decimals=7,
        ),
    )  # fmt: skip


def coarse_position(suffix: str = "") -> tuple[Field, Field]:
    """Longitude and latitude in 1/10 minute, as types 17, 22, 23 and 27 carry them."""
    return (
        Field(
            f"lon{suffix}", 18, "i", si=f"lon{suffix}_deg", den=600, absent=181 * 600, low=-180 * 600,
            high=180 * 600, clause="longitude", doc="1/10 minute; 181 degrees not available.", decimals=5,
        ),
        Field(
            f"lat{suffix}", 17, "i", si=f"lat{suffix}_deg", den=600, absent=91 * 600, low=-90 * 600,
            high=90 * 600, clause="latitude", doc="1/10 minute; 91 degrees not available.", decimals=5,
        ),
    )  # fmt: skip


def course() -> Field:
    """Course over ground in 1/10 degree."""
    return Field(
        "cog", 12, si="cog_deg", den=10, absent=3600, high=3599, clause="COG",
        doc="True; 3600 not available, 3601-4095 not to be used.",
    )  # fmt: skip


def heading() -> Field:
    """True heading in degrees."""
    return Field(
        "heading", 9, si="heading_deg", absent=511, high=359, clause="true heading",
        doc="511 not available; 360-510 have no meaning.",
    )  # fmt: skip


def second() -> Field:
    """UTC second of the fix."""
    return Field(
        "utc_second", 6, initial=60, clause="time stamp",
        doc="60 not available, 61 manual input, 62 dead reckoning, 63 inoperative.",
    )  # fmt: skip


def fix_type() -> Field:
    """Type of electronic position fixing device."""
    return Field(
        "fix_type", 4, clause="type of electronic position fixing device",
        doc="0 undefined, 1 GPS, 2 GLONASS, 3 both, 4 Loran-C, 5 Chayka, 6 integrated, 7 surveyed, 8 Galileo, 15 own.",
    )  # fmt: skip


def raim() -> Field:
    """Receiver autonomous integrity monitoring in use."""
    return Field("raim", 1, "b", clause="RAIM-flag")


def dimensions() -> tuple[Field, ...]:
    """Reference point for the reported position and overall dimensions."""
    clause = "overall dimension/reference for position"
    return (
        Field("to_bow", 9, si="to_bow_m", clause=clause + " A", doc="511 is 511 m or more."),
        Field("to_stern", 9, si="to_stern_m", clause=clause + " B"),
        Field("to_port", 6, si="to_port_m", clause=clause + " C", doc="63 is 63 m or more."),
        Field("to_starboard", 6, si="to_starboard_m", clause=clause + " D"),
    )


def radio() -> Field:
    """Communication state: SOTDMA or ITDMA, kept as sent."""
    return Field("radio", 19, clause="communication state")


def radio_selector() -> Field:
    """Which communication state follows."""
    return Field("radio_itdma", 1, "b", clause="communication state selector flag", doc="0 SOTDMA, 1 ITDMA.")
