"""What detectors keep between batches and what they say: matrices of numbers by track slot, and facts.

State is two matrices a kernel (integers, numbers), one row a slot, so that copying, saving and comparing it is copying,
saving and comparing arrays. A fact is one statement about a stretch of time; `ledger` turns facts into alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numba import njit

from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.index import IdIndex, two_key_order
from kuroshio.geo.zones import Zones
from kuroshio.units import BoolArray, FloatArray, IntArray

OPEN, EXTEND, CLOSE = 0, 1, 2


@dataclass(frozen=True)
class Fact:
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


@njit(cache=True, nogil=True)
def report_rows(mmsi: Any, ais_at: Any, t: Any) -> Any:
    """Rows whose AIS report is of their own time."""
    out = np.empty(t.size, np.int64)
    k = 0
    for i in range(t.size):
        if mmsi[i] >= 0 and ais_at[i] == t[i]:
            out[k] = i
            k += 1
    return out[:k]


@njit(cache=True, nogil=True)
def in_report_order(mmsi: Any, t: Any, track: Any) -> bool:
    """True when rows are in the order (mmsi, time, track)."""
    for i in range(1, mmsi.size):
        if mmsi[i] < mmsi[i - 1]:
            return False
        if mmsi[i] == mmsi[i - 1] and (t[i] < t[i - 1] or (t[i] == t[i - 1] and track[i] < track[i - 1])):
            return False
    return True


@dataclass(frozen=True)
class Reports:
    """AIS reports of a batch in the order (mmsi, time, track); ``who`` is the row of the MMSI in states by MMSI.

    ``rows`` are their rows in the batch, ``whole`` says that they are all rows in the same order, ``head`` marks the
    first of each MMSI.
    """

    rows: IntArray
    whole: bool
    head: BoolArray
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

    ``dt_us`` is -1 on the first fix of a track; ``step_m`` its length; ``speed_mps`` the speed it implies (NaN first).
    """

    fixes: Fixes
    slot: IntArray
    dt_us: IntArray
    step_m: FloatArray
    speed_mps: FloatArray
    prev_lat: FloatArray
    prev_lon: FloatArray
    ended: BoolArray
    track_of: IntArray
    exercise_of: BoolArray
    numbers: IdIndex
    _reports: Reports | None = None
    _zones: dict[int, tuple[IntArray, IntArray]] = field(default_factory=dict)
    _within: dict[tuple[str, ...], BoolArray] = field(default_factory=dict)

    def reports(self) -> Reports:
        """Rows that are AIS reports, in the order (mmsi, time, track); found once a batch."""
        if self._reports is None:
            f = self.fixes
            rows = report_rows(f.mmsi, f.ais_at, f.t)
            whole = len(rows) == len(f)
            m, t, k = (c if whole else c[rows] for c in (f.mmsi, f.t, f.track))
            if not in_report_order(m, t, k):
                order = two_key_order(m, t)
                m, t, k = m[order], t[order], k[order]
                tie = (m[1:] == m[:-1]) & (t[1:] == t[:-1])
                if tie.any():
                    again = np.lexsort((k, t, m))
                    m, t, k, order = m[again], t[again], k[again], order[again]
                rows, whole = rows[order], False
            head = np.append(True, m[1:] != m[:-1]) if len(m) else np.zeros(0, np.bool_)
            lat, lon = (f.lat, f.lon) if whole else (f.lat[rows], f.lon[rows])
            self._reports = Reports(rows, whole, head, self.numbers.rows(m), m, t, k, lat, lon)
        return self._reports

    def zones(self, zones: Zones) -> tuple[IntArray, IntArray]:
        """(pointer, zone) of every row, found once a batch."""
        if id(zones) not in self._zones:
            self._zones[id(zones)] = zones.members(self.fixes.lat, self.fixes.lon)
        return self._zones[id(zones)]

    def within(self, zones: Zones | None, kinds: Sequence[str]) -> BoolArray:
        """True for rows inside a zone of one of the kinds."""
        key = tuple(kinds)
        if key not in self._within:
            inside = np.zeros(len(self.fixes), np.bool_)
            mask = zones.mask(kinds) if zones is not None and key else np.zeros(0, np.bool_)
            if zones is not None and mask.any():
                ptr, zone = self.zones(zones)
                inside[np.repeat(np.arange(len(self.fixes)), np.diff(ptr))[mask[zone]]] = True
            self._within[key] = inside
        return self._within[key]


@dataclass
class State:
    """Two matrices, a row a slot; grows by doubling with the defaults given.

    Columns are contiguous: a live batch reads one column of many slots, most detectors the phase alone. Where a kernel
    reads much of one row, ``order`` is C.
    """

    int_default: tuple[int, ...]
    float_default: tuple[float, ...]
    order: Literal["C", "F"] = "F"
    ints: IntArray = field(init=False)
    floats: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.ints = np.zeros((0, len(self.int_default)), np.int64, order=self.order)
        self.floats = np.zeros((0, len(self.float_default)), np.float64, order=self.order)

    def ensure(self, slots: int) -> None:
        """Rows for that many slots."""
        have = len(self.ints)
        if slots <= have:
            return
        more = max(slots, 2 * have, 16)
        self.ints = _longer(self.ints, more, self.int_default, self.order)
        self.floats = _longer(self.floats, more, self.float_default, self.order)

    def restore(self, ints: IntArray, floats: FloatArray) -> None:
        """Take matrices back; they are not shared."""
        self.ints, self.floats = np.array(ints, order=self.order), np.array(floats, order=self.order)


def _longer(matrix: Any, rows: int, default: tuple[float, ...], order: Literal["C", "F"]) -> Any:
    result = np.empty((rows, len(default)), matrix.dtype, order=order)
    result[: len(matrix)] = matrix
    result[len(matrix) :] = np.asarray(default, matrix.dtype)
    return result


def number(value: Any) -> float | None:
    """Plain float, or None where it is not a number."""
    value = float(value)
    return value if np.isfinite(value) else None
