"""The columns that kernels read, taken from TRACKS or POSITIONS, in canonical order.

What enters: an Arrow table. What leaves: `Fixes`, one NumPy array a column, positions rounded to 1e-7 degree, times in
integer microseconds, absent numbers NaN, absent integers -1, absent times `NEVER`. Canonical order is (track, time,
content); of rows with the same track and time the greatest content stays, whatever order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import schema
from kuroshio.behaviour.columns import (
    bools,
    codes,
    constant,
    floats,
    ints,
    is_shared,
    joined,
    labels,
    matrix,
    shared_like,
    times,
    whole,
)
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.index import two_key_order
from kuroshio.errors import InputError
from kuroshio.units import BoolArray, FloatArray, IntArray

NEVER = -(1 << 62)
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SOG_SATURATED_MPS = 52.57  # 1022 = 102.2 kn or more (ITU-R M.1371-5, message 1): says no speed, seen from bad sensors
LATEST_US = 253_402_300_800_000_000  # the year 10000, which no calendar here tells
LIVE, TENTATIVE, COASTED, ENDED = 0, 1, 2, 3
NO_STATUS = -2
_STATUS = {"confirmed": LIVE, "tentative": TENTATIVE, "coasted": COASTED, "ended": ENDED}


@dataclass
class Fixes:
    """Columns of equal length; see the module."""

    track: IntArray
    t: IntArray
    lat: FloatArray
    lon: FloatArray
    sog: FloatArray
    cog: FloatArray
    heading: FloatArray
    mmsi: IntArray
    flags: IntArray
    ais_at: IntArray
    radar_at: IntArray
    image_at: IntArray
    nav: IntArray
    ship_type: IntArray
    status: IntArray
    hits: IntArray
    exercise: BoolArray
    imo: IntArray
    name: IntArray
    call_sign: IntArray
    length: FloatArray

    def __len__(self) -> int:
        return len(self.t)

    def take(self, rows: Any) -> Fixes:
        """Rows by index or mask; a column of one value stays shared."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        n, columns = len(rows), [getattr(self, name) for name in _NAMES]
        return Fixes(*(shared_like(c, n) if is_shared(c) else c.take(rows) for c in columns))

    @staticmethod
    def concat(parts: list[Fixes]) -> Fixes:
        """All rows of the parts."""
        if len(parts) < 2:
            return parts[0] if parts else empty()
        return Fixes(*(joined([getattr(p, name) for p in parts]) for name in _NAMES))

    def ordered(self) -> Fixes:
        """Canonical order, one row a (track, time)."""
        if len(self) < 2:
            return self
        fixes = self
        if not _in_order(self.track, self.t):
            fixes = self.take(two_key_order(self.track, self.t))
        if not _any_twice(fixes.track, fixes.t):
            return fixes
        return fixes.take(fixes._greatest((fixes.track[1:] == fixes.track[:-1]) & (fixes.t[1:] == fixes.t[:-1])))

    def _greatest(self, tie: BoolArray) -> IntArray:
        """Rows that stay where ``tie`` says that a row has the track and time of the one before it."""
        keep = np.ones(len(self), np.bool_)
        member = np.append(tie, False) | np.append(False, tie)
        rows = np.flatnonzero(member)
        group = np.cumsum(~np.append(False, tie))[rows]
        content = [np.nan_to_num(getattr(self, name)[rows].astype(np.float64), nan=-1e9) for name in _CONTENT]
        order = np.lexsort((*content, group))
        last = np.append(group[order][1:] != group[order][:-1], True)
        keep[rows] = False
        keep[rows[order[last]]] = True
        return np.flatnonzero(keep)

    def as_columns(self) -> dict[str, Any]:
        """Columns by name, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


_NAMES = tuple(f.name for f in fields(Fixes))


@kernel
def _in_order(track: Any, t: Any) -> bool:
    i = 1
    while i < t.size and (track[i] > track[i - 1] or (track[i] == track[i - 1] and t[i] >= t[i - 1])):
        i += 1
    return bool(i >= t.size)


@kernel
def _any_twice(track: Any, t: Any) -> bool:
    i = 1
    while i < t.size and (t[i] != t[i - 1] or track[i] != track[i - 1]):
        i += 1
    return bool(i < t.size)


NO_FLAGS = 1 << 30  # the row says nothing of its flags: none of their bits is set, and that none is known is not zero
_CONTENT = ("exercise", "nav", "heading", "cog", "sog", "lon", "lat", "mmsi", "flags", "ais_at", "hits", "status")


def empty() -> Fixes:
    """No rows."""
    return Fixes(*(np.zeros(0, _DTYPE.get(f.name, np.int64)) for f in fields(Fixes)))


_DTYPE: dict[str, Any] = {
    "lat": np.float64,
    "lon": np.float64,
    "sog": np.float64,
    "cog": np.float64,
    "heading": np.float64,
    "length": np.float64,
    "exercise": np.bool_,
}


_REQUIRED = sorted(c.name for c in schema.TRACKS.columns if c.required)


def from_tracks(table: pa.Table) -> Fixes:
    """Columns of a TRACKS table; rows without a track, status, place or time between 1970 and 10000 are left out.

    Raises
    ------
    InputError
        When track_id, observed_at, lat_deg, lon_deg or status is missing.
    """
    names = table.schema.get_field_index
    missing = [name for name in _REQUIRED if names(name) < 0]
    if missing:
        raise InputError(f"tracks: missing column {', '.join(missing)}", code="behaviour.columns")
    n, table = table.num_rows, whole(table)
    status = labels(table, "status", _STATUS, NO_STATUS)
    lat, lon, sog, cog, heading = matrix(table, ("lat_deg", "lon_deg", "sog_mps", "cog_deg", "heading_deg"), n)
    return _finish(
        Fixes(
            track=ints(table, "track_id", n, NEVER),
            t=times(table, "observed_at", n, NEVER),
            lat=lat,
            lon=lon,
            sog=sog,
            cog=cog,
            heading=heading,
            mmsi=ints(table, "mmsi", n),
            flags=ints(table, "flags", n, NO_FLAGS),
            ais_at=times(table, "last_ais_at", n, NEVER),
            radar_at=times(table, "last_radar_at", n, NEVER),
            image_at=times(table, "last_image_at", n, NEVER),
            nav=ints(table, "nav_status", n),
            ship_type=ints(table, "ship_type", n),
            status=status,
            hits=ints(table, "hits", n),
            exercise=bools(table, "exercise", n),
            imo=ints(table, "imo", n),
            name=codes(table, "name", n),
            call_sign=codes(table, "call_sign", n),
            length=floats(table, "length_m", n),
        )
    )


def from_positions(table: pa.Table, track: IntArray) -> Fixes:
    """Columns of a POSITIONS table with the track each row belongs to; every row is an AIS report."""
    n, table = table.num_rows, whole(table)
    t = times(table, "observed_at", n, NEVER)
    none, never, zero = constant(n, -1), constant(n, NEVER), constant(n, 0)
    return _finish(
        Fixes(
            track=track,
            t=t,
            lat=floats(table, "lat_deg", n),
            lon=floats(table, "lon_deg", n),
            sog=floats(table, "sog_mps", n),
            cog=floats(table, "cog_deg", n),
            heading=floats(table, "heading_deg", n),
            mmsi=ints(table, "mmsi", n),
            flags=zero,
            ais_at=t,
            radar_at=never,
            image_at=never,
            nav=ints(table, "nav_status", n),
            ship_type=ints(table, "ship_type", n),
            status=zero,
            hits=none,
            exercise=constant(n, False, np.bool_),
            imo=ints(table, "imo", n),
            name=codes(table, "name", n),
            call_sign=codes(table, "call_sign", n),
            length=floats(table, "length_m", n),
        )
    )


def _finish(fixes: Fixes) -> Fixes:
    n, report = len(fixes), np.zeros(2, np.int64)
    lat, lon, good = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    _tidy(fixes.track, fixes.status, fixes.t, fixes.lat, fixes.lon, fixes.sog, lat, lon, good, report)
    fixes.lat, fixes.lon = lat, lon
    if report[1]:
        fixes.sog = np.where(fixes.sog >= SOG_SATURATED_MPS, np.nan, fixes.sog)
    return fixes.take(good) if report[0] else fixes


@kernel
def _tidy(
    track: Any, status: Any, t: Any, lat: Any, lon: Any, sog: Any, to_lat: Any, to_lon: Any, good: Any, report: Any
) -> None:
    """Round positions to 1e-7 degree and mark the rows that are whole; ``report``: the others, saturated speeds."""
    bad, fast = 0, 0
    for i in range(t.size):
        fine = abs(lat[i]) <= 90.0 and abs(lon[i]) <= 180.0 and 0 <= t[i] < LATEST_US  # false where it is no number
        fine = fine and track[i] != NEVER and status[i] != NO_STATUS
        good[i] = fine
        bad += not fine
        fast += sog[i] >= SOG_SATURATED_MPS
        to_lat[i], to_lon[i] = np.rint(lat[i] * 1e7) / 1e7, np.rint(lon[i] * 1e7) / 1e7
    report[0], report[1] = bad, fast
