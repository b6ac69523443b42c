"""ASTERIX category 048 bytes from plots: how the simulated radar speaks and how the decoder is proven.

What enters: arrays of slant range and bearing with times. What leaves: data blocks, each of at most one datagram.
Source: EUROCONTROL-SPEC-0149-4 ed. 1.31, items 010, 140, 020, 040, 161, 200.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from kuroshio.sensing.asterix import ANGLE_LSB_DEG, RANGE_LSB_M, SPEED_LSB_MPS
from kuroshio.sensing.radar_sentences import DAY_US
from kuroshio.units import US_PER_S

PSR_PLOT = 0x20  # I048/020 TYP 1: single primary detection
MAX_DATAGRAM = 1400  # bytes: below the usual Ethernet MTU with IP and UDP headers


def encode_cat048(
    *,
    sac: int,
    sic: int,
    at_us: Sequence[int] | np.ndarray,
    range_m: Sequence[float] | np.ndarray,
    bearing_deg: Sequence[float] | np.ndarray,
    track_number: Sequence[int] | np.ndarray | None = None,
    sog_mps: Sequence[float] | np.ndarray | None = None,
    cog_deg: Sequence[float] | np.ndarray | None = None,
    simulated: bool = False,
    max_bytes: int = MAX_DATAGRAM,
) -> list[bytes]:
    """Data blocks of category 048, one a datagram, from plots in the order given.

    Parameters
    ----------
    sac, sic
        System area and identification code, 0-255.
    at_us
        UTC microseconds; only the time of day is sent, in 1/128 s.
    range_m, bearing_deg
        Slant range up to 256 NM, in 1/256 NM; true bearing in 360/65536 degree.
    track_number
        0-4095 by local track, -1 for a plot; None for plots only.
    sog_mps, cog_deg
        Velocity of local tracks, NaN where absent.
    simulated
        Sets SIM in I048/020.
    """
    rows = len(at_us)
    rho = np.clip(np.rint(np.asarray(range_m) / RANGE_LSB_M), 0, 65535).astype(int)
    theta = (np.rint(np.asarray(bearing_deg) % 360.0 / ANGLE_LSB_DEG).astype(int)) & 0xFFFF
    of_day = np.rint((np.asarray(at_us, np.int64) % DAY_US) * 128 / US_PER_S).astype(int) % (86_400 * 128)
    tracks = np.full(rows, -1) if track_number is None else np.asarray(track_number, int)
    moving = np.full(rows, np.nan) if sog_mps is None else np.asarray(sog_mps, float)
    course = np.full(rows, np.nan) if cog_deg is None else np.asarray(cog_deg, float)
    descriptor = PSR_PLOT | (0x10 if simulated else 0)
    blocks, body = [], bytearray()
    # a loop over plots: a simulated radar sends tens a second
    for n in range(rows):
        record = _record(
            sac, sic, int(of_day[n]), descriptor, int(rho[n]), int(theta[n]), int(tracks[n]), moving[n], course[n]
        )
        if body and len(body) + len(record) + 3 > max_bytes:
            blocks.append(_block(body))
            body = bytearray()
        body += record
    if body:
        blocks.append(_block(body))
    return blocks


def _record(
    sac: int, sic: int, of_day: int, descriptor: int, rho: int, theta: int, track: int, speed: float, course: float
) -> bytes:
    # FSPEC, field reference numbers 1-14: 010 140 020 040 070 090 130 | 220 240 250 161 042 200 170
    head = 0b1111_0000
    tail = (0b0001_0000 if track >= 0 else 0) | (0b0000_0100 if not np.isnan(speed) else 0)
    parts = [bytes([head | (1 if tail else 0)])]
    if tail:
        parts.append(bytes([tail]))
    parts.append(struct.pack(">BB", sac, sic) + of_day.to_bytes(3, "big"))
    parts.append(struct.pack(">BHH", descriptor, rho, theta))
    if track >= 0:
        parts.append(struct.pack(">H", track & 0x0FFF))
    if not np.isnan(speed):
        gsp = min(65535, round(speed / SPEED_LSB_MPS))
        hdg = round(course % 360.0 / ANGLE_LSB_DEG) & 0xFFFF
        parts.append(struct.pack(">HH", gsp, hdg))
    return b"".join(parts)


def _block(body: bytes | bytearray) -> bytes:
    return struct.pack(">BH", 48, len(body) + 3) + bytes(body)
