"""What detectors keep between batches and what they say: matrices of numbers by track slot, and facts.

State is two matrices a kernel (integers, numbers), one row a slot, so that copying, saving and comparing it is copying,
saving and comparing arrays. A fact is one statement about a stretch of time; `ledger` turns facts into alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kuroshio.behaviour.fixes import Fixes
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
    _by_mmsi: IntArray | None = None
    _zones: dict[int, tuple[IntArray, IntArray]] = field(default_factory=dict)

    def by_mmsi(self) -> IntArray:
        """Rows that are AIS reports, in the order (mmsi, time, track); found once a batch."""
        if self._by_mmsi is None:
            f = self.fixes
            rows = np.flatnonzero((f.mmsi >= 0) & (f.ais_at == f.t))
            m, t, k = f.mmsi[rows], f.t[rows], f.track[rows]
            same = m[1:] == m[:-1]
            if not ((m[1:] > m[:-1]) | (same & ((t[1:] > t[:-1]) | ((t[1:] == t[:-1]) & (k[1:] >= k[:-1]))))).all():
                rows = rows[np.lexsort((k, t, m))]
            self._by_mmsi = rows
        return self._by_mmsi

    def zones(self, zones: Zones) -> tuple[IntArray, IntArray]:
        """(pointer, zone) of every row, found once a batch."""
        if id(zones) not in self._zones:
            self._zones[id(zones)] = zones.members(self.fixes.lat, self.fixes.lon)
        return self._zones[id(zones)]

    def within(self, zones: Zones | None, kinds: Sequence[str]) -> BoolArray:
        """True for rows inside a zone of one of the kinds."""
        if zones is None or not kinds:
            return np.zeros(len(self.fixes), np.bool_)
        mask = zones.mask(kinds)
        if not mask.any():
            return np.zeros(len(self.fixes), np.bool_)
        ptr, zone = self.zones(zones)
        owner = np.repeat(np.arange(len(self.fixes)), np.diff(ptr))
        return np.bincount(owner[mask[zone]], minlength=len(self.fixes)) > 0


@dataclass
class State:
    """Two matrices, a row a slot; grows by doubling with the defaults given."""

    int_default: tuple[int, ...]
    float_default: tuple[float, ...]
    ints: IntArray = field(init=False)
    floats: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.ints = np.zeros((0, len(self.int_default)), np.int64)
        self.floats = np.zeros((0, len(self.float_default)), np.float64)

    def ensure(self, slots: int) -> None:
        """Rows for that many slots."""
        have = len(self.ints)
        if slots <= have:
            return
        more = max(slots, 2 * have, 16) - have
        self.ints = np.concatenate([self.ints, np.tile(np.asarray(self.int_default, np.int64), (more, 1))])
        self.floats = np.concatenate([self.floats, np.tile(np.asarray(self.float_default, np.float64), (more, 1))])

    def copy(self) -> State:
        """An independent copy."""
        twin = State(self.int_default, self.float_default)
        twin.ints, twin.floats = self.ints.copy(), self.floats.copy()
        return twin


def number(value: Any) -> float | None:
    """Plain float, or None where it is not a number."""
    value = float(value)
    return value if np.isfinite(value) else None
