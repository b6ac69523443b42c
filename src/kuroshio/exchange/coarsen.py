"""Coarse positions that stay coarse: one cell, one time bucket, one hidden shift a track.

What enters: exact positions, speeds and courses. What leaves: cell centres, classes and sectors. Rounding alone gives
the truth away: a ship on a straight course through many cells can be fitted to a small part of a cell, and the
instant it crosses a border is exact. So the position is shifted before it is rounded, by a secret offset that is the
same for a track for as long as it lives and for every recipient: fitting or averaging finds the shifted track, never
the ship. Offsets of different grids are nested (a coarser grid is a finer one plus more), so that two partners, or one
partner over two agreements, learn together no more than the finer of them alone.

The promise for a grid ``g`` is g / sqrt(12) an axis. The shift alone has standard deviation at least g / sqrt(6): the
mean of two ships known to be at one place halves the variance, and must still keep the promise. The cell adds
g / sqrt(12), so g / 2 is stated to the receiver. ``tests/properties/test_exchange_precision.py`` attacks it.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from kuroshio import geo

Floats = np.ndarray[Any, np.dtype[np.float64]]

# half-degree ladder in 1-2-5 steps from 0.001 to 10 degrees; a grid uses the first step that is not finer than it
LADDER_DEG: tuple[float, ...] = tuple(m * 10.0**e for e in range(-3, 2) for m in (1.0, 2.0, 5.0))[:13]
SPEED_CLASS_MPS = 2.5  # about 5 kn
COURSE_SECTOR_DEG = 45.0
LENGTH_CLASS_M = 50.0
MIN_BUCKET_S = 60  # a grid without a time bucket would show the instant of each crossing
MAX_GRID_DEG = LADDER_DEG[-1]
SHIPS_AT_ONE_PLACE = 2  # so many shifts may be averaged without beating the promise


def _uniform_pair(secret: bytes, track_id: int, rung: int) -> tuple[float, float]:
    tag = hashlib.blake2b(f"kuroshio/offset/1|{track_id}|{rung}".encode(), key=secret[:64], digest_size=16).digest()
    east, north = (int.from_bytes(tag[i : i + 8], "big") / 2.0**64 - 0.5 for i in (0, 8))
    return east, north


def offset_deg(secret: bytes, track_id: int, grid_deg: float) -> tuple[float, float]:
    """(lat, lon) shift in degrees of one track for one grid, independent increments up the ladder.

    The variance of each axis is L^2 / 6, where L is the first step of the ladder not finer than the grid.
    """
    lat = lon = 0.0
    below = 0.0
    for rung, step in enumerate(LADDER_DEG):
        width = math.sqrt(SHIPS_AT_ONE_PLACE * (step * step - below * below))
        u, v = _uniform_pair(secret, track_id, rung)
        lat, lon = lat + u * width, lon + v * width
        below = step
        if step >= grid_deg * (1.0 - 1e-9):
            break
    return lat, lon


def cell_centre(lat_deg: Floats, lon_deg: Floats, grid_deg: float) -> tuple[Floats, Floats]:
    """Centre of the cell that holds each (shifted) position; latitude stays within the poles."""
    lat = (np.floor(lat_deg / grid_deg) + 0.5) * grid_deg
    lon = (np.floor(lon_deg / grid_deg) + 0.5) * grid_deg
    return np.clip(lat, -90.0, 90.0), np.asarray(geo.wrap_lon_deg(lon))


def stated_variance_m2(lat_deg: Floats, grid_deg: float, bucket_s: float, speed_mps: Floats) -> tuple[Floats, Floats]:
    """(east, north) variances the receiver is told: shift, cell, and the way a ship makes within the bucket."""
    east_m, north_m = geo.metres_per_degree(np.clip(lat_deg, -89.0, 89.0))
    rung = next((s for s in LADDER_DEG if s >= grid_deg * (1.0 - 1e-9)), grid_deg)
    cell = (grid_deg * grid_deg + SHIPS_AT_ONE_PLACE * rung * rung) / 12.0
    moved = (np.nan_to_num(speed_mps, nan=10.0) * bucket_s) ** 2 / 3.0
    return cell * east_m * east_m + moved, cell * north_m * north_m + moved


def speed_class(sog_mps: Floats) -> Floats:
    """Middle of the speed class; 0 for the lowest, which holds ships at rest."""
    whole = np.floor(sog_mps / SPEED_CLASS_MPS)
    return np.where(whole < 1, 0.0, (whole + 0.5) * SPEED_CLASS_MPS)


def course_sector(cog_deg: Floats) -> Floats:
    """Middle of the course sector, in [0, 360)."""
    return (np.rint(cog_deg / COURSE_SECTOR_DEG) * COURSE_SECTOR_DEG) % 360.0


def length_class(length_m: Floats) -> Floats:
    """Middle of the length class."""
    return (np.floor(length_m / LENGTH_CLASS_M) + 0.5) * LENGTH_CLASS_M
