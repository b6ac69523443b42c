"""The columns that kernels read, taken from TRACKS or POSITIONS, in canonical order.

What enters: an Arrow table. What leaves: `Fixes`, one NumPy array a column, positions rounded to 1e-7 degree, times in
integer microseconds, absent numbers NaN, absent integers -1, absent times `NEVER`. Canonical order is (track, time,
content); of rows with the same track and time the greatest content stays, whatever order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import schema
from kuroshio.errors import InputError
from kuroshio.units import BoolArray, FloatArray, IntArray

NEVER = -(1 << 62)
SOG_SATURATED_MPS = 52.57  # 1022 = 102.2 kn or more (ITU-R M.1371-5, message 1): says no speed, seen from bad sensors
LIVE, TENTATIVE, COASTED, ENDED = 0, 1, 2, 3
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

    def __len__(self) -> int:
        return len(self.t)

    def take(self, rows: Any) -> Fixes:
        """Rows by index or mask."""
        return Fixes(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def concat(parts: list[Fixes]) -> Fixes:
        """All rows of the parts."""
        if not parts:
            return empty()
        return Fixes(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Fixes)))

    def ordered(self) -> Fixes:
        """Canonical order, one row a (track, time)."""
        if len(self) < 2:
            return self
        same = self.track[1:] == self.track[:-1]
        if not np.all((self.track[1:] > self.track[:-1]) | (same & (self.t[1:] > self.t[:-1]))):
            tie = same & (self.t[1:] == self.t[:-1])
            sorted_already = np.all((self.track[1:] > self.track[:-1]) | (same & (self.t[1:] >= self.t[:-1])))
            if sorted_already and not tie.any():
                return self
            content = [np.nan_to_num(getattr(self, name), nan=-1e9) for name in _CONTENT]
            order = np.lexsort((*content, self.t, self.track))
            track, t = self.track[order], self.t[order]
            last = np.append((track[1:] != track[:-1]) | (t[1:] != t[:-1]), True)
            return self.take(order[last])
        return self

    def as_columns(self) -> dict[str, Any]:
        """Columns by name, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


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
    "exercise": np.bool_,
}


def from_tracks(table: pa.Table) -> Fixes:
    """Columns of a TRACKS table; rows without a position are left out.

    Raises
    ------
    InputError
        When track_id, observed_at, lat_deg, lon_deg or status is missing.
    """
    missing = [c.name for c in schema.TRACKS.columns if c.required and c.name not in table.column_names]
    if missing:
        raise InputError(f"tracks: missing column {', '.join(missing)}", code="behaviour.columns")
    n = table.num_rows
    status = _labels(table, "status", _STATUS)
    return _finish(
        Fixes(
            track=_ints(table, "track_id", n),
            t=_times(table, "observed_at", n),
            lat=_floats(table, "lat_deg", n),
            lon=_floats(table, "lon_deg", n),
            sog=_floats(table, "sog_mps", n),
            cog=_floats(table, "cog_deg", n),
            heading=_floats(table, "heading_deg", n),
            mmsi=_ints(table, "mmsi", n),
            flags=np.where(_ints(table, "flags", n) < 0, NO_FLAGS, _ints(table, "flags", n)),
            ais_at=_times(table, "last_ais_at", n),
            radar_at=_times(table, "last_radar_at", n),
            image_at=_times(table, "last_image_at", n),
            nav=_ints(table, "nav_status", n),
            ship_type=_ints(table, "ship_type", n),
            status=status,
            hits=_ints(table, "hits", n),
            exercise=_bools(table, "exercise", n),
            imo=_ints(table, "imo", n),
            name=_codes(table, "name", n),
            call_sign=_codes(table, "call_sign", n),
        )
    )


def from_positions(table: pa.Table, track: IntArray) -> Fixes:
    """Columns of a POSITIONS table with the track each row belongs to; every row is an AIS report."""
    n = table.num_rows
    t = _times(table, "observed_at", n)
    none, never, zero = _constant(n, -1), _constant(n, NEVER), _constant(n, 0)
    return _finish(
        Fixes(
            track=track,
            t=t,
            lat=_floats(table, "lat_deg", n),
            lon=_floats(table, "lon_deg", n),
            sog=_floats(table, "sog_mps", n),
            cog=_floats(table, "cog_deg", n),
            heading=_floats(table, "heading_deg", n),
            mmsi=_ints(table, "mmsi", n),
            flags=zero,
            ais_at=t,
            radar_at=never,
            image_at=never,
            nav=_ints(table, "nav_status", n),
            ship_type=_ints(table, "ship_type", n) if "ship_type" in table.column_names else none,
            status=zero,
            hits=none,
            exercise=_constant(n, False, np.bool_),
            imo=_ints(table, "imo", n),
            name=_codes(table, "name", n),
            call_sign=_codes(table, "call_sign", n),
        )
    )


def _finish(fixes: Fixes) -> Fixes:
    good = np.isfinite(fixes.lat) & np.isfinite(fixes.lon) & (fixes.t != NEVER)
    good &= (np.abs(fixes.lat) <= 90) & (np.abs(fixes.lon) <= 180)
    if not good.all():
        fixes = fixes.take(good)
    if (fixes.sog >= SOG_SATURATED_MPS).any():
        fixes.sog = np.where(fixes.sog >= SOG_SATURATED_MPS, np.nan, fixes.sog)
    fixes.lat = np.rint(fixes.lat * 1e7) / 1e7
    fixes.lon = np.rint(fixes.lon * 1e7) / 1e7
    return fixes


def _column(table: pa.Table, name: str) -> pa.Array | None:
    if name not in table.column_names:
        return None
    column = table.column(name)
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


@lru_cache(maxsize=6)
def _shared(n: int, value: Any, dtype: Any) -> Any:
    return np.full(n, value, dtype)


def _constant(n: int, value: Any, dtype: Any = np.int64) -> Any:
    """Column of one value, shared among the absent columns of a table: nobody writes to it."""
    return _shared(n, value, dtype) if n <= 1_000_000 else np.full(n, value, dtype)


def _ints(table: pa.Table, name: str, n: int) -> IntArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, -1)
    return np.asarray(pc.fill_null(column.cast(pa.int64()), -1))


def _times(table: pa.Table, name: str, n: int) -> IntArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, NEVER)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC"))
    return np.asarray(pc.fill_null(column.cast(pa.int64()), NEVER))


def _floats(table: pa.Table, name: str, n: int) -> FloatArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, np.nan, np.float64)
    return np.array(pc.fill_null(column.cast(pa.float64()), np.nan))


def _bools(table: pa.Table, name: str, n: int) -> BoolArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, False, np.bool_)
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), np.bool_)


def _labels(table: pa.Table, name: str, codes: dict[str, int]) -> IntArray:
    column = _column(table, name)
    assert column is not None
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = column.dictionary.to_pylist()
    index = np.asarray(pc.fill_null(column.indices, 0))
    unknown = [words[i] for i in np.unique(index).tolist() if words and words[i] not in codes]
    if unknown:  # a dictionary may hold words that no row uses
        raise InputError(f"tracks: {name} {unknown[0]!r} is none of {', '.join(codes)}", code="behaviour.value")
    return np.asarray([codes.get(w, 0) for w in words] or [0], np.int64)[index]


def _codes(table: pa.Table, name: str, n: int) -> IntArray:
    """63-bit hash of each text, -1 where it is absent: kernels compare names, they do not read them."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, -1)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    from hashlib import blake2b

    codes = [int.from_bytes(blake2b(str(w).encode(), digest_size=8).digest(), "big") >> 1 for w in words]
    index = np.asarray(pc.fill_null(encoded.indices, -1))
    return np.append(np.asarray(codes, np.int64), -1)[index]
