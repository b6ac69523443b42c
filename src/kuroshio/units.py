"""Physical quantities as annotated numbers, and the conversions that happen at the edge only.

Stored units are metre, second, metre per second, degree and UTC microseconds (int64). Nautical miles and knots
exist where bytes come in and where a person looks; nowhere between.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt

M_PER_NM = 1852.0  # BIPM SI brochure, non-SI units: international nautical mile
MPS_PER_KN = M_PER_NM / 3600.0
US_PER_S = 1_000_000

Metre = Annotated[float, "m"]
Second = Annotated[float, "s"]
MetrePerSecond = Annotated[float, "m/s"]
Degree = Annotated[float, "deg"]
UtcMicros = Annotated[int, "us since 1970-01-01T00:00:00Z"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Number = TypeVar("Number", float, FloatArray)


def kn_to_mps(speed_kn: Number) -> Number:
    """Speed in m/s from knots."""
    return speed_kn * MPS_PER_KN


def mps_to_kn(speed_mps: Number) -> Number:
    """Speed in knots from m/s."""
    return speed_mps / MPS_PER_KN


def nm_to_m(distance_nm: Number) -> Number:
    """Distance in metres from nautical miles."""
    return distance_nm * M_PER_NM


def m_to_nm(distance_m: Number) -> Number:
    """Distance in nautical miles from metres."""
    return distance_m / M_PER_NM
