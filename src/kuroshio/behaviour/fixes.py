"""The columns that kernels read, taken from TRACKS or POSITIONS, in canonical order.

What enters: an Arrow table. What leaves: `Fixes`, one NumPy array a column, positions rounded to 1e-7 degree, times in
integer microseconds, absent numbers NaN, absent integers -1, absent times `NEVER`. Canonical order is (track, time,
content); of rows with the same track and time the greatest content stays, whatever order they came in.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from kuroshio import schema
from kuroshio.behaviour.blocks import Block, Form
from kuroshio.behaviour.columns import (
    bools,
    codes,
    constant,
    floats,
    ints,
    is_shared,
    joined,
    labels,
    shared_like,
    times,
    whole,
)
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.index import IN_ORDER, TWICE, order_keys, two_key_order
from kuroshio.behaviour.intake import (
    ABSENT,
    FALSE,
    INTEGER,
    NUMBER,
    ONE_WORD,
    OTHER,
    TEXT,
    TIME,
    WORD,
    read,
    word_hashes,
)
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
    """Columns of equal length; see the module.

    Where there is a ``block``, its rows are the columns that are not shared; nobody puts another column in their place.
    """

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
    block: ClassVar[Block | None] = None
    shared: ClassVar[Any] = None

    def __getattr__(self, name: str) -> Any:
        """A shared column, where it is asked for: most are not."""
        block = self.__dict__.get("block")
        if block is None or name not in block.form.shared:
            raise AttributeError(f"fixes have no {name}")
        column = self.__dict__[name] = shared_like(getattr(self.shared, name), len(self))
        return column

    def __len__(self) -> int:
        return len(self.t)

    def ended(self) -> BoolArray:
        """True for rows that end their track."""
        if is_shared(self.status) and len(self) and self.status[0] != ENDED:
            none: BoolArray = constant(len(self), False, np.bool_)
            return none
        return np.asarray(self.status == ENDED)

    def take(self, rows: Any) -> Fixes:
        """Rows by index or mask; a column of one value stays shared."""
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        n, block = len(rows), self.block
        if block is not None:
            return of_block(block.take(rows), self)
        columns = [getattr(self, name) for name in _NAMES]
        return Fixes(*(shared_like(c, n) if is_shared(c) else c.take(rows) for c in columns))

    @staticmethod
    def concat(parts: list[Fixes]) -> Fixes:
        """All rows of the parts."""
        if len(parts) < 2:
            return parts[0] if parts else empty()
        blocks = [p.block for p in parts if p.block is not None]
        if len(blocks) == len(parts) and all(b.form is blocks[0].form for b in blocks):
            return of_block(Block.concat(blocks), parts[0])
        return Fixes(*(joined([getattr(p, name) for p in parts]) for name in _NAMES))

    def ordered(self) -> Fixes:
        """Canonical order, one row a (track, time)."""
        if len(self) < 2:
            return self
        fixes, keys, block = self, np.empty(len(self), np.int64), self.block
        told = order_keys(self.track, self.t, keys)
        if told == IN_ORDER:
            return self
        if told > 0 and block is not None and "track" in block.form.ints and "t" in block.form.ints:
            keys.sort()
            made, twice = block.in_order(keys, told)
            fixes = of_block(made, self)
        else:
            if told != TWICE:
                fixes = self.take(two_key_order(self.track, self.t))
            twice = _any_twice(fixes.track, fixes.t)
        if not twice:
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


def of_block(block: Block, like: Any) -> Fixes:
    """Fixes of a block; the shared columns are as those of ``like``, which may have another number of rows."""
    made = Fixes.__new__(Fixes)
    columns = made.__dict__
    columns["shared"] = like.__dict__.get("shared", like)
    for k, name in enumerate(block.form.ints):
        columns[name] = block.ints[k]
    for k, name in enumerate(block.form.floats):
        columns[name] = block.floats[k]
    columns["block"] = block
    return made


@kernel
def span(t: Any) -> tuple[int, int]:
    """First and last of some times."""
    first = last = t[0]
    for i in range(1, t.size):
        first, last = min(first, t[i]), max(last, t[i])
    return first, last


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
    n, batch = table.num_rows, whole(table)
    made = _step_of(batch, n) if isinstance(batch, pa.RecordBatch) and n <= _STEP_ROWS else None
    if made is None:
        missing = [name for name in _REQUIRED if table.schema.get_field_index(name) < 0]
        if missing:
            raise InputError(f"tracks: missing column {', '.join(missing)}", code="behaviour.columns")
        made = Fixes(**{name: _read_one(batch, name, n) for name in _NAMES})
    return _finish(made)


# by column of `Fixes`: that of TRACKS, how it is read, and what stands where it is absent
_STEP_ROWS = 100_000
_TRACKS: dict[str, tuple[str, int, int]] = {
    "track": ("track_id", INTEGER, NEVER),
    "t": ("observed_at", TIME, NEVER),
    "lat": ("lat_deg", NUMBER, 0),
    "lon": ("lon_deg", NUMBER, 0),
    "sog": ("sog_mps", NUMBER, 0),
    "cog": ("cog_deg", NUMBER, 0),
    "heading": ("heading_deg", NUMBER, 0),
    "mmsi": ("mmsi", INTEGER, -1),
    "flags": ("flags", INTEGER, NO_FLAGS),
    "ais_at": ("last_ais_at", TIME, NEVER),
    "radar_at": ("last_radar_at", TIME, NEVER),
    "image_at": ("last_image_at", TIME, NEVER),
    "nav": ("nav_status", INTEGER, -1),
    "ship_type": ("ship_type", INTEGER, -1),
    "hits": ("hits", INTEGER, -1),
    "imo": ("imo", INTEGER, -1),
    "name": ("name", TEXT, -1),
    "call_sign": ("call_sign", TEXT, -1),
    "length": ("length_m", NUMBER, 0),
    "status": ("status", WORD, NO_STATUS),
    "exercise": ("exercise", FALSE, 0),
}
_COLUMNS = [column for column, _, _ in _TRACKS.values()]
_KINDS = np.asarray([kind for _, kind, _ in _TRACKS.values()])
_STANDS = np.asarray([absent for *_, absent in _TRACKS.values()])
_WORDS = word_hashes(list(_STATUS))  # in the order of their codes
_SHARED: dict[Any, tuple[Form, SimpleNamespace]] = {}  # by what of a step is absent: its form, and what it shares


def _read_one(table: Any, name: str, n: int) -> Any:
    """One column of a TRACKS table, of whatever type."""
    if name == "status":
        return labels(table, "status", _STATUS, NO_STATUS)
    if name == "exercise":
        return bools(table, "exercise", n)
    column, kind, absent = _TRACKS[name]
    if kind == NUMBER:
        return floats(table, column, n)
    if kind == TEXT:
        return codes(table, column, n)
    return ints(table, column, n, absent) if kind == INTEGER else times(table, column, n, absent)


def _step_of(batch: pa.RecordBatch, n: int) -> Fixes | None:
    """Columns of a step as a block; None where one of them is missing, exercise or of another type than is usual."""
    index = batch.schema.get_field_index
    places = [index(column) for column in _COLUMNS]
    if min(places) < 0:
        return None
    int_rows, float_rows, row = read(batch, places, _KINDS, _STANDS, _WORDS)
    key = tuple(row)
    if key not in _SHARED:
        made = _form_of(row)
        if made is None:
            return None
        _SHARED[key] = made
    form, shared = _SHARED[key]
    return of_block(Block(form, int_rows[: len(form.ints)], float_rows[: len(form.floats)]), shared)


def _form_of(row: list[int]) -> tuple[Form, SimpleNamespace] | None:
    """Form of a step and the columns it shares; None where it can have none."""
    names: tuple[list[str], list[str]] = ([], [])
    shared: dict[str, Any] = {}
    for (name, (_, kind, absent)), k in zip(_TRACKS.items(), row, strict=True):
        if k == OTHER or (k == ABSENT and name in ("lat", "lon")):
            return None
        if k >= 0:
            names[kind == NUMBER].append(name)
        elif kind == NUMBER:
            shared[name] = constant(1, np.nan, np.float64)
        elif kind == FALSE:
            shared[name] = constant(1, False, np.bool_)
        else:
            shared[name] = constant(1, absent if k == ABSENT else ONE_WORD - k)
    return Form.of(*names, shared), SimpleNamespace(**shared)


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
    n, report, own = len(fixes), np.zeros(2, np.int64), fixes.block is not None
    lat, lon = (fixes.lat, fixes.lon) if own else (np.empty(n), np.empty(n))
    good = np.empty(n, np.bool_)
    _tidy(fixes.track, fixes.status, fixes.t, fixes.lat, fixes.lon, fixes.sog, lat, lon, good, report)
    if not own:
        fixes.lat, fixes.lon = lat, lon
    if report[1] and own:
        fixes.sog[fixes.sog >= SOG_SATURATED_MPS] = np.nan
    elif report[1]:
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
