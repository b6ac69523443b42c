"""What an application message is: the words the tables of binary contents are written in, and their lookup.

What enters: declarations in `asm_imo`, `asm_regional`. What leaves: fields by DAC, FI and length, as arrays for the
kernels. An identifier without a published layout keeps its payload and has no content.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from kuroshio.sensing.ais.fields import Field, Kind

ADDRESSED, BROADCAST = (6,), (8,)
BOTH = (6, 8)
NM, KN = 1852.0, 3600.0  # metres in a nautical mile; with it, metres per second in a knot are NM / KN
NONE: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Application:
    """Layout of the data of one application identifier.

    Parameters
    ----------
    types
        6 for addressed, 8 for broadcast; types 25 and 26 follow their destination flag.
    dac, fi
        Identifier.
    title, source
        Name, and where it is published.
    fields
        Fixed fields from the first bit of the data.
    least, most
        Length of the data in bits for this layout.
    group
        Name of a list of elements that follow, empty for none.
    element_bits
        Length of an element.
    element
        Fields every element begins with.
    select
        Width of the selector at an element's first bit that picks one of ``variants``, 0 for none.
    variants
        Further fields by selector value.
    exact_elements
        True when the data must end with a whole element.
    first_bit
        Value of the first bit of the data that picks this layout; -1 where there is one only.
    """

    types: tuple[int, ...]
    dac: int
    fi: int
    title: str
    source: str
    fields: tuple[Field, ...]
    least: int
    most: int = 1200
    group: str = ""
    element_bits: int = 0
    element: tuple[Field, ...] = NONE
    select: int = 0
    variants: dict[int, tuple[Field, ...]] = field(default_factory=dict, compare=False)
    exact_elements: bool = False
    first_bit: int = -1

    @property
    def fixed_bits(self) -> int:
        """Length of the fixed fields."""
        return sum(item.bits for item in self.fields)


def value(
    name: str,
    bits: int,
    kind: Kind = "u",
    *,
    num: float = 1.0,
    den: float = 1.0,
    offset: float = 0.0,
    decimals: int = 0,
    absent: int | None = None,
    high: int | None = None,
    low: int | None = None,
    doc: str = "",
    power: str = "",
) -> Field:
    """Field of an application: ``name`` carries the unit of ``raw * num / den + offset``."""
    return Field(
        name, bits, kind, si=name, num=num, den=den, offset=offset, decimals=decimals, absent=absent, high=high,
        low=low, doc=doc, power=power,
    )  # fmt: skip


def scale() -> Field:
    """Power of ten that the lengths of the same shape are multiplied by; they are told in metres."""
    return Field("scale_power", 2, "x")


def length(name: str, bits: int) -> Field:
    """Length in metres of a shape with a `scale`."""
    return value(name, bits, power="scale_power")


def skip(bits: int) -> Field:
    """Spare bits."""
    return Field("spare", bits, "x")


def text(name: str, chars: int) -> Field:
    """Six-bit text; 0 characters is the rest of the data."""
    return Field(name, 6 * chars, "t")


def tenths(name: str, bits: int, *, absent: int | None = None, kind: Kind = "u", offset: float = 0.0,
           high: int | None = None, low: int | None = None) -> Field:  # fmt: skip
    """Value in tenths of its unit."""
    return value(name, bits, kind, den=10, decimals=1, absent=absent, offset=offset, high=high, low=low)


def air_temperature() -> Field:
    """Temperature of -60 to 60 C; what is outside is reserved or not available (IMO SN.1/Circ.289)."""
    return tenths("air_temperature_c", 11, kind="i", low=-600, high=600)


def dew_point() -> Field:
    """Dew point of -20 to 50 C; what is outside is reserved or not available (IMO SN.1/Circ.289)."""
    return tenths("dew_point_c", 10, kind="i", low=-200, high=500)


def water_temperature() -> Field:
    """Temperature of -10 to 50 C; what is outside is reserved or not available (IMO SN.1/Circ.289)."""
    return tenths("water_temperature_c", 10, kind="i", low=-100, high=500)


def speed_kn(name: str, bits: int, *, den: float = 1.0, absent: int | None = None, high: int | None = None) -> Field:
    """Speed sent in knots (or a fraction), told in m/s."""
    return value(name, bits, num=NM, den=KN * den, decimals=2, absent=absent, high=high)


def degrees(name: str, bits: int = 9, *, high: int = 359) -> Field:
    """Direction in whole degrees; above ``high`` it is not available."""
    return value(name, bits, high=high)


def coordinate(name: str, bits: int, per_minute: Literal[1000, 10000], suffix: str = "") -> Field:
    """Latitude or longitude in fractions of a minute; 181 or 91 degrees and beyond are not available."""
    limit = (180 if name == "lon" else 90) * 60 * per_minute
    return value(
        f"{name}{suffix}_deg", bits, "i", den=60 * per_minute, decimals=6 if per_minute == 1000 else 7, low=-limit,
        high=limit,
    )  # fmt: skip


def place(suffix: str = "") -> tuple[Field, Field]:
    """Longitude of 25 and latitude of 24 bits, 1/1000 minute (IMO SN.1/Circ.289)."""
    return coordinate("lon", 25, 1000, suffix), coordinate("lat", 24, 1000, suffix)


def fine_place(suffix: str = "") -> tuple[Field, Field]:
    """Longitude of 28 and latitude of 27 bits, 1/10000 minute."""
    return coordinate("lon", 28, 10000, suffix), coordinate("lat", 27, 10000, suffix)


def day_time(prefix: str = "") -> tuple[Field, ...]:
    """UTC day, hour and minute."""
    return (
        value(f"{prefix}day", 5, absent=0),
        value(f"{prefix}hour", 5, high=23),
        value(f"{prefix}minute", 6, high=59),
    )


def date_time(prefix: str = "") -> tuple[Field, ...]:
    """UTC month, day, hour and minute."""
    return (value(f"{prefix}month", 4, absent=0), *day_time(prefix))


LINKAGE = value("linkage", 10, absent=0)
DURATION = value("duration_min", 18, absent=262143)
