"""Heads of radar video messages (ASTERIX 240): where each sector lies and how fine it is, without its video.

What enters: items of a block's records. What leaves: rows of `radar_video`. The octets of the video are stepped over.
Source: EUROCONTROL-SPEC-0149-240 ed. 1.3, items 000, 020, 030, 040, 041, 048, 049, 140. Tests compare
values with libasterix.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.schema import RADAR_VIDEO
from kuroshio.sensing.asterix_categories import ANGLE_LSB_DEG, Items
from kuroshio.sensing.radar_plots import constant, nullable_ints
from kuroshio.units import IntArray

VIDEO = 240
LIGHT_MPS = 299_792_458.0
SECONDS = {"040": 1e-9, "041": 1e-15}  # unit of the cell duration: nano and femto header
CELL_BITS = np.array([0, 1, 2, 4, 8, 16, 32])  # I240/048 RES 1-6


def video_heads(
    items: Items, times: IntArray, stations: pa.Array, *, source: str, first: int, received_us: int | None
) -> pa.Table:
    """Rows of `radar_video`, one a record.

    Parameters
    ----------
    times
        UTC microseconds by record, -1 where not known.
    stations
        Label by record.
    first
        Number of records before these in the source.
    """
    rows = len(times)
    start, end, cell, begin = (np.full(rows, np.nan) for _ in range(4))
    for name, unit in SECONDS.items():
        here = items.at(name) >= 0
        length = items.real(name, 8, 4, unit * LIGHT_MPS / 2.0, signed=False)
        start = np.where(here, items.real(name, 0, 2, ANGLE_LSB_DEG, signed=False), start)
        end = np.where(here, items.real(name, 2, 2, ANGLE_LSB_DEG, signed=False), end)
        cell = np.where(here, length, cell)
        begin = np.where(here, items.real(name, 4, 4, 1.0, signed=False) * length, begin)
    code = items.uint("048", 1, 1)
    bits = CELL_BITS[np.where((code >= 0) & (code < len(CELL_BITS)), code, 0)]
    packed = items.uint("048", 0, 1)
    arrays: dict[str, Any] = {
        "observed_at": pa.array(times, pa.int64(), mask=times < 0).cast(pa.timestamp("us", "UTC")),
        "time_source": pa.array(["asterix" if at >= 0 else None for at in times.tolist()], pa.string()),
        "source": constant(source, rows),
        "station": stations,
        "line": first + 1 + np.arange(rows),
        "message_type": np.maximum(items.uint("000", 0, 1), 0).astype(np.uint8),
        "sequence": nullable_ints(items.uint("020", 0, 4), pa.int64()),
        "summary": [_text(items, row) for row in range(rows)],  # a summary comes once a scan
        "start_azimuth_deg": start,
        "end_azimuth_deg": end,
        "start_range_m": begin,
        "cell_m": cell,
        "cells": nullable_ints(items.uint("049", 2, 3), pa.int64()),
        "cell_bits": nullable_ints(bits, pa.uint8(), absent=0),
        "compressed": nullable_ints(np.where(packed >= 0, packed >> 7, -1), pa.uint8()),
        "octets": nullable_ints(items.uint("049", 0, 2), pa.int64()),
    }
    if received_us is not None:
        arrays["received_at"] = np.full(rows, received_us)
    return RADAR_VIDEO.build(arrays, rows)


def _text(items: Items, row: int) -> str | None:
    at = int(items.at("030")[row])
    if at < 0:
        return None
    size = int(items.data[at])
    return bytes(items.data[at + 1 : at + 1 + size]).decode("latin-1").strip() or None
