"""What detectors keep between batches and what they say: matrices of numbers by track slot, and facts.

State is two matrices a kernel (integers, numbers), one row a slot, so that copying, saving and comparing it is copying,
saving and comparing arrays. A fact is one statement about a stretch of time; `ledger` turns facts into alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal, NamedTuple

import numpy as np

from kuroshio.behaviour.columns import is_shared
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.index import IdIndex, two_key_order
from kuroshio.behaviour.names import Names
from kuroshio.geo.zones import Zones
from kuroshio.units import BoolArray, FloatArray, IntArray

OPEN, EXTEND, CLOSE = 0, 1, 2
VOID = 3  # a fact told before that is none any more; said in repairs alone, of ships that no late row is about
NO_ROWS = np.zeros(0, np.bool_)


class Marks(NamedTuple):
    """Tracks and MMSIs that late rows may touch, as rows in the states by track and by MMSI, and marked among all.

    No row of theirs before ``since_us`` is another than it was.
    """

    slots: IntArray
    numbers: IntArray
    slot_marks: BoolArray
    number_marks: BoolArray
    names: Names
    since_us: int


class Fact(NamedTuple):  # a frozen dataclass takes twice as long to make, and an archive tells thousands
    """A behaviour found: about whom, from when to when, where, with the values its thresholds are held against.

    ``met_us`` is when the rule was met; ``end_us`` None while it goes on. ``points`` are (label, time, lat, lon).
    Everything in it follows from the rows, never from the batch they came in or the time they were processed.
    """

    definition: str
    tracks: tuple[int, ...]
    mmsis: tuple[int, ...]
    start_us: int
    met_us: int
    end_us: int | None
    lat_deg: float
    lon_deg: float
    values: Mapping[str, float | int | str | None]
    points: tuple[tuple[str, int, float, float], ...] = ()
    rows: int = 0
    zone: str | None = None
    cause: str | None = None
    exercise: bool = False
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, tuple[int, ...], str | None, int]:
        """What makes it this fact and no other."""
        return self.definition, self.tracks, self.zone, self.start_us


@kernel
def report_rows(mmsi: Any, ais_at: Any, t: Any, out: Any) -> int:
    """Number of rows whose AIS report is of their own time, put into ``out``; in order as they are: -1 - number."""
    k = 0
    good = True
    track_mmsi, last = np.int64(-1), np.int64(0)
    for i in range(t.size):
        if mmsi[i] >= 0 and ais_at[i] == t[i]:
            good &= mmsi[i] > track_mmsi or (mmsi[i] == track_mmsi and t[i] > last)
            track_mmsi, last = mmsi[i], t[i]
            out[k] = i
            k += 1
    return -1 - k if good else k


@dataclass(frozen=True)
class Reports:
    """AIS reports of a batch in the order (mmsi, time, track); ``who`` is the row of the MMSI in states by MMSI.

    ``rows`` are their rows in the batch, ``whole`` says that they are all rows in the same order.
    """

    rows: IntArray
    whole: bool
    who: IntArray
    mmsi: IntArray
    t: IntArray
    track: IntArray
    lat: FloatArray
    lon: FloatArray

    def of(self, column: Any) -> Any:
        """A column of the batch in the order of the reports."""
        return column if self.whole else column[self.rows]


@dataclass
class Batch:
    """Rows in canonical order with the piece that leads to each: from the fix before it on the same track.

    ``slot`` is the row of the track in states by track, ``who`` that of the MMSI in states by MMSI. ``dt_us`` is -1 on
    the first fix of a track; ``step_m`` its length; ``speed_mps`` the speed it implies (NaN first).
    """

    fixes: Fixes
    slot: IntArray
    who: IntArray
    dt_us: IntArray
    step_m: FloatArray
    speed_mps: FloatArray
    prev_lat: FloatArray
    prev_lon: FloatArray
    ended: BoolArray
    track_of: IntArray
    exercise_of: BoolArray
    numbers: IdIndex
    any_ended: bool  # true when a row ends its track
    _flags: int | None = None
    _reports: Reports | None = None
    _room: tuple[Any, FloatArray] | None = None
    _zones: dict[int, tuple[IntArray, IntArray]] = field(default_factory=dict)
    _within: dict[tuple[str, ...], BoolArray] = field(default_factory=dict)
    _left_out: dict[tuple[tuple[str, ...], tuple[str, ...]], BoolArray] = field(default_factory=dict)

    def flags(self) -> int:
        """Bits that any row has set."""
        if self._flags is None:
            flags = self.fixes.flags
            self._flags = int(flags[0] if is_shared(flags) else np.bitwise_or.reduce(flags)) if len(flags) else 0
        return self._flags

    def room(self) -> tuple[Any, FloatArray]:
        """Arrays for a code (int8) and a value of every row, not filled; the next detector writes over them."""
        if self._room is None:
            self._room = np.empty(len(self.fixes), np.int8), np.empty(len(self.fixes))
        return self._room

    def reports(self) -> Reports:
        """Rows that are AIS reports, in the order (mmsi, time, track); found once a batch."""
        if self._reports is None:
            f = self.fixes
            rows = np.empty(len(f), np.int64)
            count = report_rows(f.mmsi, f.ais_at, f.t, rows)
            in_order, count = count < 0, -1 - count if count < 0 else count
            rows, whole = rows[:count], count == len(f)
            m, t, k = (c if whole else c[rows] for c in (f.mmsi, f.t, f.track))
            if not in_order:
                order = two_key_order(m, t)
                m, t, k = m[order], t[order], k[order]
                tie = (m[1:] == m[:-1]) & (t[1:] == t[:-1])
                if tie.any():
                    again = np.lexsort((k, t, m))
                    m, t, k, order = m[again], t[again], k[again], order[again]
                rows, whole = rows[order], False
            lat, lon = (f.lat, f.lon) if whole else (f.lat[rows], f.lon[rows])
            who = self.who if whole else self.who[rows]
            self._reports = Reports(rows, whole, who, m, t, k, lat, lon)
        return self._reports

    def zones(self, zones: Zones) -> tuple[IntArray, IntArray]:
        """(pointer, zone) of every row, of the zones that hold at its time; found once a batch."""
        if id(zones) not in self._zones:
            self._zones[id(zones)] = zones.members_at(self.fixes.lat, self.fixes.lon, self.fixes.t)
        return self._zones[id(zones)]

    def within(self, zones: Zones | None, kinds: Sequence[str]) -> BoolArray:
        """True for rows inside a zone of one of the kinds; empty where no such zone is loaded."""
        key = tuple(kinds)
        if key not in self._within:
            inside = NO_ROWS
            mask = zones.mask(kinds) if zones is not None and key else NO_ROWS
            if zones is not None and mask.any():
                ptr, zone = self.zones(zones)
                inside = np.zeros(len(self.fixes), np.bool_)
                inside[np.repeat(np.arange(len(self.fixes)), np.diff(ptr))[mask[zone]]] = True
            self._within[key] = inside
        return self._within[key]

    def left_out(self, zones: Zones | None, kinds: tuple[str, ...], prefixes: tuple[str, ...]) -> BoolArray:
        """True for rows in a zone of the kinds or of an MMSI with one of the prefixes; empty where there is none."""
        if (kinds, prefixes) not in self._left_out:
            inside, (marked, some) = self.within(zones, kinds), self.numbers.with_prefix(prefixes)
            if some:
                inside = inside | marked[self.who] if len(inside) else marked[self.who]
            self._left_out[kinds, prefixes] = inside
        return self._left_out[kinds, prefixes]


@dataclass
class State:
    """Two matrices, a row a slot; grows by a quarter with the defaults given.

    Rows are contiguous: a row of a live batch reads much of the state of its slot, and a line of memory holds several
    columns of it. Where a kernel reads one column of many slots, as the phase of runs, ``order`` is F.
    """

    int_default: tuple[int, ...]
    float_default: tuple[float, ...]
    order: Literal["C", "F"] = "C"
    ints: IntArray = field(init=False)
    floats: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.ints = np.zeros((0, len(self.int_default)), np.int64, order=self.order)
        self.floats = np.zeros((0, len(self.float_default)), np.float64, order=self.order)
        self._defaults = np.asarray(self.int_default, np.int64), np.asarray(self.float_default, np.float64)

    def ensure(self, slots: int) -> None:
        """Rows for that many slots."""
        have = len(self.ints)
        if slots <= have:
            return
        more = max(slots, have + have // 4, 16)
        self.ints = _longer(self.ints, more, self.int_default, self.order)
        self.floats = _longer(self.floats, more, self.float_default, self.order)

    def restore(self, ints: IntArray, floats: FloatArray) -> None:
        """Take matrices back; they are not shared. Memory that fits is used again: new pages cost as much as a copy."""
        self.ints, self.floats = _copied(ints, self.ints, self.order), _copied(floats, self.floats, self.order)

    def rewind(self, other: State, rows: IntArray) -> None:
        """Let rows be as in another state of the same form, which may have fewer: of what it lacks it has defaults."""
        _rewind(self.ints, self.floats, other.ints, other.floats, *self._defaults, rows)


@kernel
def _rewind(ints: Any, floats: Any, from_ints: Any, from_floats: Any, default: Any, number: Any, rows: Any) -> None:
    for i in range(rows.size):
        r = rows[i]
        if r >= ints.shape[0]:
            continue
        known = r < from_ints.shape[0]
        for c in range(ints.shape[1]):
            ints[r, c] = from_ints[r, c] if known else default[c]
        for c in range(floats.shape[1]):
            floats[r, c] = from_floats[r, c] if known else number[c]


_LINE, _MANY = 8, 100_000  # numbers in a line of memory; as many do not stay in the nearest


def _empty(rows: int, columns: int, dtype: Any, order: Literal["C", "F"]) -> Any:
    """Matrix that begins with a line of memory, so that rows of whole lines lie in no line more than they fill."""
    if rows * columns < _MANY:
        return np.empty((rows, columns), dtype, order=order)
    whole = np.empty(rows * columns + _LINE, dtype)
    begin = -(whole.ctypes.data // whole.itemsize) % _LINE
    return whole[begin : begin + rows * columns].reshape((rows, columns), order=order)


def _copied(matrix: Any, into: Any, order: Literal["C", "F"]) -> Any:
    if into.shape != matrix.shape:
        rows, columns = matrix.shape
        into = _empty(rows, columns, matrix.dtype, order)
    into[...] = matrix
    return into


def _longer(matrix: Any, rows: int, default: tuple[float, ...], order: Literal["C", "F"]) -> Any:
    result = _empty(rows, len(default), matrix.dtype, order)
    result[: len(matrix)] = matrix
    result[len(matrix) :] = np.asarray(default, matrix.dtype)
    return result


def number(value: Any) -> float | None:
    """Plain float, or None where it is not a number."""
    value = float(value)
    return value if isfinite(value) else None
