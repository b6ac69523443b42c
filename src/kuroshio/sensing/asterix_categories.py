"""What the records of each ASTERIX category say: places, times and velocities out of item offsets.

What enters: the bytes of a block and where its items lie. What leaves: for each record whether it is placed, when in
the day, and what was measured, as arrays. It makes no rows: `asterix` does, once the day is known.
Sources: EUROCONTROL-SPEC-0149-4 (048), -7 (010), -9 (062), -12 (021); values checked against libasterix in tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kuroshio.sensing.asterix_scan import read_int, read_uint
from kuroshio.sensing.asterix_spec import Layout
from kuroshio.units import M_PER_NM, BoolArray, FloatArray, IntArray

ANGLE_LSB_DEG = 360.0 / 65536.0  # I048/040 THETA, I048/200 HDG, I010/040, I010/200, I021/160
RANGE_LSB_M = M_PER_NM / 256.0  # I048/040 RHO
CARTESIAN_LSB_M = M_PER_NM / 128.0  # I048/042 X and Y
SPEED_LSB_MPS = M_PER_NM / 16384.0  # I048/200, I010/200 and I021/160 ground speed, 2^-14 NM/s


@dataclass
class Measured:
    """Records of one block: NaN or -1 where absent.

    ``range_m`` and ``bearing_deg`` are polar and ``lat_deg``, ``lon_deg`` geographic; ``east_m``, ``north_m`` are
    offsets from the source's site. ``of_day`` is in 1/128 s. ``cov`` holds east, east-north and north variances.
    """

    of_day: IntArray
    ignored: BoolArray
    station: IntArray
    track: IntArray
    sog_mps: FloatArray
    cog_deg: FloatArray
    range_m: FloatArray
    bearing_deg: FloatArray
    lat_deg: FloatArray
    lon_deg: FloatArray
    east_m: FloatArray
    north_m: FloatArray
    cov: FloatArray
    length_m: FloatArray
    range_step_m: float = 0.0
    aircraft: bool = False

    @property
    def polar(self) -> BoolArray:
        """Records measured in range and bearing."""
        return ~np.isnan(self.range_m)

    def placed_with(self, site: bool) -> BoolArray:
        """Records with a place; metres from the site count where the source has one."""
        return self.polar | ~np.isnan(self.lat_deg + self.lon_deg) | (site & ~np.isnan(self.east_m + self.north_m))


class Items:
    """Fields of a block's records by item name and byte."""

    def __init__(self, spec: Layout, data: np.ndarray, offsets: IntArray) -> None:
        self.spec, self.data, self.offsets = spec, data, offsets

    def at(self, name: str, byte: int = 0) -> IntArray:
        """Position of a byte of an item, -1 where the item is absent."""
        found = self.offsets[:, self.spec.slots[name]]
        return np.where(found >= 0, found + byte, -1)

    def uint(self, name: str, byte: int, width: int) -> IntArray:
        """Unsigned field, -1 where absent."""
        return read_uint(self.data, self.at(name, byte), width)

    def real(self, name: str, byte: int, width: int, lsb: float, *, signed: bool = True) -> FloatArray:
        """Field times its step, NaN where absent."""
        where = self.at(name, byte)
        raw = read_int(self.data, where, width) if signed else read_uint(self.data, where, width)
        return np.where(where >= 0, raw * lsb, np.nan)

    def extended_bit(self, name: str, extent: int, mask: int) -> BoolArray:
        """True where an extended item goes as far as an extent (one byte each) and has a bit of it set."""
        reached = self.at(name) >= 0
        for byte in range(extent):
            reached &= self.uint(name, byte, 1) & 1 == 1
        return reached & (read_uint(self.data, np.where(reached, self.at(name, extent), -1), 1) & mask > 0)

    def length_m(self, name: str) -> FloatArray:
        """Target length in whole metres from a size item's first extent, NaN where absent or 0."""
        raw = self.uint(name, 0, 1) >> 1
        return np.where((self.at(name) >= 0) & (raw > 0), raw, np.nan).astype(np.float64)

    def blank(self) -> FloatArray:
        """NaN for every record."""
        return np.full(len(self.offsets), np.nan)


def monoradar(items: Items) -> Measured:
    """Category 048: plots and tracks of one radar."""
    east, north = items.real("042", 0, 2, CARTESIAN_LSB_M), items.real("042", 2, 2, CARTESIAN_LSB_M)
    rho, theta = (
        items.real("040", 0, 2, RANGE_LSB_M, signed=False),
        items.real("040", 2, 2, ANGLE_LSB_DEG, signed=False),
    )
    cartesian = np.isnan(rho) & ~np.isnan(east)
    rho = np.where(cartesian, np.hypot(east, north), rho)
    theta = np.where(cartesian, np.degrees(np.arctan2(east, north)) % 360.0, theta)
    track = items.uint("161", 0, 2)
    return _measured(
        items,
        of_day=items.uint("140", 0, 3),
        ignored=items.extended_bit("020", 1, 0x80),  # TST: test target
        track=np.where(track >= 0, track & 0x0FFF, -1),
        sog_mps=items.real("200", 0, 2, SPEED_LSB_MPS, signed=False),
        cog_deg=items.real("200", 2, 2, ANGLE_LSB_DEG, signed=False),
        range_m=rho,
        bearing_deg=theta,
        range_step_m=RANGE_LSB_M,
    )


def surface(items: Items) -> Measured:
    """Category 010: surface movement radars, as ports and harbours have them."""
    track = items.uint("161", 0, 2)
    ve, vn = items.real("202", 0, 2, 0.0625), items.real("202", 2, 2, 0.0625)
    speed = items.real("200", 0, 2, SPEED_LSB_MPS, signed=False)
    course = items.real("200", 2, 2, ANGLE_LSB_DEG, signed=False)
    cartesian = np.isnan(speed) & ~np.isnan(ve)
    sigma_e, sigma_n = items.real("500", 0, 1, 0.25, signed=False), items.real("500", 1, 1, 0.25, signed=False)
    across = items.real("500", 2, 2, 0.25)
    limit = 0.99 * sigma_e * sigma_n  # a covariance above it is no covariance
    with np.errstate(invalid="ignore"):
        cov = np.stack([np.square(sigma_e), np.clip(across, -limit, limit), np.square(sigma_n)])
    cov[:, ~((sigma_e > 0) & (sigma_n > 0))] = np.nan
    kind = items.uint("000", 0, 1)
    return _measured(
        items,
        of_day=items.uint("140", 0, 3),
        ignored=(kind != 1) | items.extended_bit("020", 1, 0x40),  # not a target report; TST
        track=np.where(track >= 0, track & 0x0FFF, -1),
        sog_mps=np.where(cartesian, np.hypot(ve, vn), speed),
        cog_deg=np.where(cartesian, np.degrees(np.arctan2(ve, vn)) % 360.0, course),
        range_m=items.real("040", 0, 2, 1.0, signed=False),
        bearing_deg=items.real("040", 2, 2, ANGLE_LSB_DEG, signed=False),
        lat_deg=items.real("041", 0, 4, 180.0 / 2**31),
        lon_deg=items.real("041", 4, 4, 180.0 / 2**31),
        east_m=items.real("042", 0, 2, 1.0),
        north_m=items.real("042", 2, 2, 1.0),
        cov=cov,
        length_m=items.length_m("270"),
        range_step_m=1.0,
    )


def system_tracks(items: Items) -> Measured:
    """Category 062: tracks of another system, with its own estimate of their error."""
    ve, vn = items.real("185", 0, 2, 0.25), items.real("185", 2, 2, 0.25)
    lsb = 180.0 / 2**25
    lat = items.real("105", 0, 4, lsb)
    sigma_e, sigma_n = items.real("500/APC", 0, 2, 0.5, signed=False), items.real("500/APC", 2, 2, 0.5, signed=False)
    wgs_n = items.real("500/APW", 0, 2, lsb, signed=False) * 111_200.0  # metres in a degree, near enough for an error
    wgs_e = items.real("500/APW", 2, 2, lsb, signed=False) * 111_200.0 * np.cos(np.radians(np.nan_to_num(lat)))
    sigma_e, sigma_n = np.where(wgs_e > 0, wgs_e, sigma_e), np.where(wgs_n > 0, wgs_n, sigma_n)
    cov = np.stack([np.square(sigma_e), np.zeros(len(lat)), np.square(sigma_n)])
    cov[:, ~((sigma_e > 0) & (sigma_n > 0))] = np.nan
    return _measured(
        items,
        of_day=items.uint("070", 0, 3),
        ignored=items.extended_bit("080", 1, 0x80) | items.extended_bit("080", 1, 0x40),  # SIM; TSE: track ended
        track=items.uint("040", 0, 2),
        sog_mps=np.hypot(ve, vn),
        cog_deg=np.degrees(np.arctan2(ve, vn)) % 360.0,
        lat_deg=lat,
        lon_deg=items.real("105", 4, 4, lsb),
        east_m=items.real("100", 0, 3, 0.5),
        north_m=items.real("100", 3, 3, 0.5),
        cov=cov,
        length_m=items.length_m("270"),
    )


def aircraft(items: Items) -> Measured:
    """Category 021: aircraft by ADS-B; their 24-bit address stands as local track."""
    fine_lat, fine_lon = items.real("131", 0, 4, 180.0 / 2**30), items.real("131", 4, 4, 180.0 / 2**30)
    lat, lon = items.real("130", 0, 3, 180.0 / 2**23), items.real("130", 3, 3, 180.0 / 2**23)
    of_day = items.uint("073", 0, 3)
    for other in ("071", "077"):
        of_day = np.where(of_day >= 0, of_day, items.uint(other, 0, 3))
    speed = items.uint("160", 0, 2)
    return _measured(
        items,
        of_day=of_day,
        ignored=np.zeros(len(lat), bool),
        track=items.uint("080", 0, 3),
        sog_mps=np.where(speed >= 0, (speed & 0x7FFF) * SPEED_LSB_MPS, np.nan),
        cog_deg=items.real("160", 2, 2, ANGLE_LSB_DEG, signed=False),
        lat_deg=np.where(np.isnan(fine_lat), lat, fine_lat),
        lon_deg=np.where(np.isnan(fine_lon), lon, fine_lon),
        aircraft=True,
    )


CATEGORIES: dict[int, Callable[[Items], Measured]] = {10: surface, 21: aircraft, 48: monoradar, 62: system_tracks}
NEEDS_SITE = frozenset({10, 48})


def _measured(
    items: Items,
    *,
    of_day: IntArray,
    ignored: BoolArray,
    track: IntArray,
    sog_mps: FloatArray,
    cog_deg: FloatArray,
    range_m: FloatArray | None = None,
    bearing_deg: FloatArray | None = None,
    lat_deg: FloatArray | None = None,
    lon_deg: FloatArray | None = None,
    east_m: FloatArray | None = None,
    north_m: FloatArray | None = None,
    cov: FloatArray | None = None,
    length_m: FloatArray | None = None,
    range_step_m: float = 0.0,
    aircraft: bool = False,
) -> Measured:
    def given(values: FloatArray | None) -> FloatArray:
        return items.blank() if values is None else values

    lat, lon = given(lat_deg), given(lon_deg)
    wrong = (np.abs(lat) > 90.0) | (np.abs(lon) > 180.0)
    return Measured(
        of_day,
        ignored,
        items.uint("010", 0, 2),
        track,
        sog_mps,
        cog_deg,
        given(range_m),
        given(bearing_deg),
        np.where(wrong, np.nan, lat),
        np.where(wrong, np.nan, lon),
        given(east_m),
        given(north_m),
        np.full((3, len(of_day)), np.nan) if cov is None else cov,
        given(length_m),
        range_step_m,
        aircraft,
    )
