"""The columns that kernels read, taken from TRACKS or POSITIONS, in canonical order.

What enters: an Arrow table. What leaves: `Fixes`, one NumPy array a column, positions rounded to 1e-7 degree, times in
integer microseconds, absent numbers NaN, absent integers -1, absent times `NEVER`. Canonical order is (track, time,
content); of rows with the same track and time the greatest content stays, whatever order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio import schema
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.index import two_key_order
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
    length: FloatArray

    def __len__(self) -> int:
        return len(self.t)

    def take(self, rows: Any) -> Fixes:
        """Rows by index or mask; a column of one value stays shared."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        n, columns = len(rows), [getattr(self, name) for name in _NAMES]
        return Fixes(*(_shared_like(c, n) if _is_shared(c) else c.take(rows) for c in columns))

    @staticmethod
    def concat(parts: list[Fixes]) -> Fixes:
        """All rows of the parts."""
        if len(parts) < 2:
            return parts[0] if parts else empty()
        return Fixes(*(_joined([getattr(p, name) for p in parts]) for name in _NAMES))

    def ordered(self) -> Fixes:
        """Canonical order, one row a (track, time)."""
        if len(self) < 2:
            return self
        fixes = self
        if not _in_order(self.track, self.t):
            fixes = self.take(two_key_order(self.track, self.t))
        tie = (fixes.track[1:] == fixes.track[:-1]) & (fixes.t[1:] == fixes.t[:-1])
        return fixes.take(fixes._greatest(tie)) if tie.any() else fixes

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
    """Columns of a TRACKS table; rows without a position are left out.

    Raises
    ------
    InputError
        When track_id, observed_at, lat_deg, lon_deg or status is missing.
    """
    names = table.schema.get_field_index
    missing = [name for name in _REQUIRED if names(name) < 0]
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
            flags=_ints(table, "flags", n, NO_FLAGS),
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
            length=_floats(table, "length_m", n),
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
            length=_floats(table, "length_m", n),
        )
    )


def _finish(fixes: Fixes) -> Fixes:
    n, report = len(fixes), np.zeros(2, np.int64)
    lat, lon, good = np.empty(n), np.empty(n), np.empty(n, np.bool_)
    _tidy(fixes.t, fixes.lat, fixes.lon, fixes.sog, lat, lon, good, report)
    fixes.lat, fixes.lon = lat, lon
    if report[1]:
        fixes.sog = np.where(fixes.sog >= SOG_SATURATED_MPS, np.nan, fixes.sog)
    return fixes.take(good) if report[0] else fixes


@kernel
def _tidy(t: Any, lat: Any, lon: Any, sog: Any, to_lat: Any, to_lon: Any, good: Any, report: Any) -> None:
    """Round positions to 1e-7 degree and mark rows with a place and a time; ``report``: bad rows, saturated speeds."""
    bad, fast = 0, 0
    for i in range(t.size):
        fine = abs(lat[i]) <= 90.0 and abs(lon[i]) <= 180.0 and t[i] != NEVER  # false where it is not a number
        good[i] = fine
        bad += not fine
        fast += sog[i] >= SOG_SATURATED_MPS
        to_lat[i], to_lon[i] = np.rint(lat[i] * 1e7) / 1e7, np.rint(lon[i] * 1e7) / 1e7
    report[0], report[1] = bad, fast


def _column(table: pa.Table, name: str) -> pa.Array | None:
    place = table.schema.get_field_index(name)
    if place < 0:
        return None
    column = table.column(place)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.unify_dictionaries().chunks) if column.num_chunks else pa.array([], column.type)


_SHARED_ROWS = 1_000_000
_SHARED: dict[tuple[Any, Any], Any] = {}  # (value, dtype) -> the longest column of it
_OWNERS: dict[int, tuple[tuple[Any, Any], Any]] = {}  # id of every such column ever made, which keeps it alive
_LONG: WeakValueDictionary[tuple[int, Any, Any], Any] = WeakValueDictionary()


def _constant(n: int, value: Any, dtype: Any = np.int64) -> Any:
    """Column of one value, shared among all absent columns: nobody writes to it."""
    key = (repr(value), dtype)
    if n > _SHARED_ROWS:
        column = _LONG.get((n, *key))
        if column is None:
            column = _LONG[(n, *key)] = np.full(n, value, dtype)
        return column
    column = _SHARED.get(key)
    if column is None or len(column) < n:
        column = _SHARED[key] = np.full(max(1024, min(_SHARED_ROWS, 2 * n)), value, dtype)
        _OWNERS[id(column)] = (key, column)
    return column[:n]


def _is_shared(column: Any) -> bool:
    return id(column.base) in _OWNERS


def _shared_like(column: Any, n: int) -> Any:
    """As many rows of a shared column, which may be longer than it."""
    if n <= len(column.base):
        return column.base[:n]
    return _constant(n, column.base[0].item(), column.dtype.type)


def _joined(columns: list[Any]) -> Any:
    first = columns[0]
    if _is_shared(first):
        key = _OWNERS[id(first.base)][0]
        if all(_is_shared(c) and _OWNERS[id(c.base)][0] == key for c in columns):
            return _shared_like(first, sum(map(len, columns)))
    return np.concatenate(columns)


class _View:
    """Memory of an Arrow buffer as an array that numba takes for any other: one form of each kernel is compiled."""

    def __init__(self, buffer: pa.Buffer, dtype: Any) -> None:
        self.buffer = buffer
        kind = np.dtype(dtype)
        self.__array_interface__ = {
            "shape": (buffer.size // kind.itemsize,),
            "typestr": kind.str,
            "data": (buffer.address, False),  # said to be writable; nothing here writes to it
            "version": 3,
        }


def _view(buffer: pa.Buffer | None, dtype: Any) -> Any:
    return np.asarray(_View(buffer, dtype)) if buffer is not None and buffer.size else np.zeros(0, dtype)


_NARROW: dict[str, Any] = {
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "uint8": np.uint8,
    "uint16": np.uint16,
}


def _numbers(column: pa.Array, kind: pa.DataType, dtype: Any, absent: Any, name: str) -> Any:
    """Values of a primitive column, without a copy where the type is right and none is absent."""
    if column.type != kind:
        narrow = _NARROW.get(str(column.type)) if dtype is np.int64 and kind == pa.int64() else None
        if narrow is not None and not column.null_count:  # a cast of Arrow costs several times as much
            return _view(column.buffers()[1], narrow)[column.offset : column.offset + len(column)].astype(dtype)
        column = schema.as_type(column, kind, name)
    values = _view(column.buffers()[1], dtype)[column.offset : column.offset + len(column)]
    if column.null_count:
        values = np.where(np.asarray(column.is_valid()), values, absent)
    return values


def _ints(table: pa.Table, name: str, n: int, absent: int = -1) -> IntArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, absent)
    result: IntArray = _numbers(column, pa.int64(), np.int64, absent, name)
    return result


def _times(table: pa.Table, name: str, n: int) -> IntArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, NEVER)
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)  # of RFC 3339
    if text or (pa.types.is_timestamp(column.type) and column.type.unit != "us"):
        column = schema.as_type(column, pa.timestamp("us", tz="UTC"), name)
    elif not pa.types.is_timestamp(column.type):
        column = schema.as_type(column, pa.int64(), name)
    result: IntArray = _numbers(column, column.type, np.int64, NEVER, name)
    return result


def _floats(table: pa.Table, name: str, n: int) -> FloatArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, np.nan, np.float64)
    result: FloatArray = _numbers(column, pa.float64(), np.float64, np.nan, name)
    return result


def _bools(table: pa.Table, name: str, n: int) -> BoolArray:
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, False, np.bool_)
    column = pc.fill_null(schema.as_type(column, pa.bool_(), name), False)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def _labels(table: pa.Table, name: str, codes: dict[str, int]) -> IntArray:
    column = _column(table, name)
    assert column is not None
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    words = column.dictionary.to_pylist()
    result: IntArray = np.asarray([codes.get(w, -1) for w in words] or [0], np.int64)[
        _numbers(column.indices, pa.int32(), np.int32, 0, name)
    ]
    if (result < 0).any():  # a dictionary may hold words that no row uses
        used = [w for w in pc.unique(column.cast(pa.string())).to_pylist() if w not in codes]
        raise InputError(f"tracks: {name} {used[0]!r} is none of {', '.join(codes)}", code="behaviour.value")
    return result


def _codes(table: pa.Table, name: str, n: int) -> IntArray:
    """62-bit hash of each text, -1 where it is absent: kernels compare names, they do not read them."""
    column = _column(table, name)
    if column is None or column.null_count == n:
        return _constant(n, -1)
    if pa.types.is_dictionary(column.type):
        words = column.dictionary.cast(pa.large_string())
        index = _numbers(column.indices.cast(pa.int64()), pa.int64(), np.int64, -1, name)
        return np.append(_hashes(words), -1)[index]
    return np.where(np.asarray(column.is_valid()), _hashes(column.cast(pa.large_string())), -1)


def _hashes(words: pa.Array) -> IntArray:
    _, offsets, data = words.buffers()
    hashes: IntArray = np.empty(len(words), np.int64)
    _fnv(_view(offsets, np.int64)[words.offset : words.offset + len(words) + 1], _view(data, np.uint8), hashes)
    return hashes


@kernel
def _fnv(ends: Any, data: Any, out: Any) -> None:
    """Source: Fowler, Noll, Vo, FNV-1a with 64 bits; a tie of two names needs 2^31 of them."""
    for i in range(out.size):
        h = np.uint64(14695981039346656037)
        for j in range(ends[i], ends[i + 1]):
            h = (h ^ np.uint64(data[j])) * np.uint64(1099511628211)
        out[i] = np.int64(h >> np.uint64(2))
