"""Who else was heard about a place before and after a ship fell silent: "no ship" apart from "no sensor".

What enters: AIS reports. What is kept: for each period the cells that each MMSI was heard in, of the time a silence may
still be judged by, or judged again after a repair. What leaves: how many other ships were heard in the cells about a
place in the period of a last report and the one before it, and how many in the whole periods of the silence after it.
It follows from reports up to the moment the silence became too long, and from nothing later; so a late report may
change what is told of other ships, but only of those whose silence had it about them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.index import distinct, first_from
from kuroshio.behaviour.state import Marks
from kuroshio.units import BoolArray, FloatArray, IntArray

PERIODS = 6  # in a silence, where an hour is longer than that
CELLS_A_DEG = 2
LONS = 360 * CELLS_A_DEG
WHO_BITS = 32  # of a key: the cell, then the row of the MMSI
_WHO = (1 << WHO_BITS) - 1
_MOST_WAITING = 100_000
_AT_ONCE = 1024  # silences counted in one pass
_NO_KEYS = np.zeros(0, np.int64)


@within
def cell_of(lat_deg: float, lon_deg: float) -> Any:
    """Number of the cell of half a degree of a place."""
    col = np.int64((lon_deg + 180.0) * CELLS_A_DEG)
    return np.int64((lat_deg + 90.0) * CELLS_A_DEG) * LONS + (col - LONS if col >= LONS else col)


def cells_of(lat_deg: Any, lon_deg: Any) -> Any:
    """Number of the cell of half a degree of each place."""
    i = np.floor((lat_deg + 90.0) * CELLS_A_DEG).astype(np.int64)
    return i * LONS + np.floor((lon_deg + 180.0) * CELLS_A_DEG).astype(np.int64) % LONS


def cells_about(lat_deg: float, lon_deg: float) -> list[int]:
    """The cell of a place and the eight about it."""
    cell = int(cells_of(np.asarray([lat_deg]), np.asarray([lon_deg]))[0])
    i, j = divmod(cell, LONS)
    return sorted({(i + a) * LONS + (j + b) % LONS for a in (-1, 0, 1) for b in (-1, 0, 1)})


def period_of(silence_us: int) -> int:
    """Length of the periods that a silence is judged by: an hour, or a sixth of it where that is less."""
    return max(1, min(HOUR_US, silence_us // PERIODS))


@kernel
def _heard_about(
    begin: int,
    k: int,
    out: Any,
    none: Any,
    least: int,
    keys: Any,
    lat: Any,
    lon: Any,
    who: Any,
    first: Any,
    period: int,
    count: int,
) -> tuple[int, int]:
    """(silence, whether the period is in it, row of the MMSI) in one number, of ships heard about it in a period."""
    for e in range(max(begin, least), count):
        cell, after, begun = cell_of(lat[e], lon[e]), np.int64(period > first[e]), k
        col = cell % LONS
        for r in range(-1, 2):
            row = cell - col + r * LONS
            at_edge = col == 0 or col == LONS - 1  # else the three cells of a row follow one another in the keys
            for c in range(-1, 2) if at_edge else range(1):
                at = row + (col + c + LONS) % LONS if at_edge else row + col - 1
                last = at if at_edge else at + 2
                i = first_from(keys, at << WHO_BITS)
                while i < keys.size and keys[i] >> WHO_BITS <= last:
                    if k == out.shape[0]:
                        return e, begun
                    if keys[i] & _WHO != who[e]:
                        out[k, 0] = ((2 * e + after) << WHO_BITS) | (keys[i] & _WHO)
                        k += 1
                    i += 1
    return count, k


@kernel
def _part(keys: Any, mine: Any, kept: Any, taken: Any) -> int:
    """Number of keys whose MMSI is marked, put into ``taken``; the others are put into ``kept``."""
    k = 0
    for i in range(keys.size):
        if mine[keys[i] & _WHO]:
            taken[k] = keys[i]
            k += 1
        else:
            kept[i - k] = keys[i]
    return k


@kernel
def _touched(lat: Any, lon: Any, start: Any, period: Any, cell: Any, period_us: int, silence_us: int, out: Any) -> None:
    """Mark silences (place and last report) that count a ship in one of some cells and periods."""
    for e in range(start.size):
        here = cell_of(lat[e], lon[e])
        first, over = start[e] // period_us - 1, (start[e] + silence_us) // period_us
        for c in range(cell.size):
            east = abs(cell[c] % LONS - here % LONS)
            near = abs(cell[c] // LONS - here // LONS) <= 1 and min(east, LONS - east) <= 1
            if near and first <= period[c] < over:
                out[e] = True
                break


class Reception:
    """Ships heard by period and cell, for silences of one length.

    The arrays are never written to, so that copies share them.
    """

    def __init__(self, silence_us: int) -> None:
        self.silence_us, self.period_us = silence_us, period_of(silence_us)
        self._about = Events(1, 0)
        self.parts: dict[int, tuple[IntArray, ...]] = {}  # by period: keys, in order in each part
        self.fresh: list[IntArray] = []  # rows (period, key) not sorted into the parts yet
        self.waiting = 0  # their number
        self.again: dict[int, tuple[list[IntArray], list[IntArray]]] | None = None  # in a repair: what was, and what is

    def take(self, heard: IntArray) -> None:
        """Take in rows (period, key); they are sorted when somebody asks, many steps at once."""
        if not len(heard):
            return
        self.fresh.append(heard.copy())
        self.waiting += len(heard)
        if self.waiting > _MOST_WAITING:
            self._settle()

    def _settle(self) -> None:
        if not self.fresh:
            return
        heard = np.concatenate(self.fresh)
        self.fresh, self.waiting = [], 0
        period, key = heard[:, 0], heard[:, 1]
        if int(period.min()) == int(period.max()):
            self._add(int(period[0]), np.sort(key))
            return
        for p in distinct(period).tolist():  # one turn a period
            self._add(p, np.sort(key[period == p]))

    def _add(self, period: int, *keys: IntArray) -> None:
        parts = (*self.parts.get(period, ()), *keys)
        while len(parts) > 1 and len(parts[-2]) <= 2 * len(
            parts[-1]
        ):  # so there are few, each twice as long as the next
            parts = (*parts[:-2], distinct(np.concatenate(parts[-2:])))
        self.parts[period] = parts
        if self.again is not None:
            self.again.setdefault(period, ([], []))[1].extend(keys)

    def _keys(self, period: int) -> IntArray:
        parts = self.parts.get(period)
        if parts is None:
            return _NO_KEYS
        if len(parts) > 1:
            self.parts[period] = parts = (distinct(np.concatenate(parts)),)
        return parts[0]

    def others(
        self, lat_deg: FloatArray, lon_deg: FloatArray, who: IntArray, start_us: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Other ships heard about each place up to a last report, and other ships heard there in the silence after it.

        ``who`` is the row of the MMSI that fell silent, -1 where it claimed none.
        """
        self._settle()
        before, after = np.zeros((2, len(start_us)), np.int64)
        order = np.argsort(start_us, kind="stable")
        for a in range(0, len(order), _AT_ONCE):
            part = order[a : a + _AT_ONCE]
            before[part], after[part] = self._others(lat_deg[part], lon_deg[part], who[part], start_us[part])
        return before, after

    def _others(self, lat: FloatArray, lon: FloatArray, who: IntArray, start: IntArray) -> tuple[IntArray, IntArray]:
        """Of silences in order of their start."""
        first, over = start // self.period_us, (start + self.silence_us) // self.period_us
        found, periods = [_NO_KEYS], [p for p in self.parts if first[0] - 1 <= p < over[-1]]
        begin = np.searchsorted(over, periods, side="right").tolist()
        end = np.searchsorted(first - 1, periods, side="right").tolist()
        for period, a, b in zip(periods, begin, end, strict=True):  # one turn a period
            ships, _ = self._about.run(_heard_about, b, a, self._keys(period), lat, lon, who, first, period, b)
            found.append(ships[:, 0].copy())
        ships = distinct(np.concatenate(found))
        counts = np.bincount(ships >> WHO_BITS, minlength=2 * len(start))
        return counts[0::2], counts[1::2]

    def rewind(self, other: Reception, marks: Marks) -> None:
        """Let what the marked MMSIs were heard in be as in another; `changes` then tells what came of it."""
        self._settle()
        other._settle()
        first, mine, self.again = marks.since_us // self.period_us, marks.number_marks, {}
        for period in [p for p in {**self.parts, **other.parts} if p >= first]:
            kept, was = _divided(self.parts.get(period, ()), mine)
            self.again[period] = (was, [])
            self.parts[period] = tuple(kept)
            self._add(period, *_divided(other.parts.get(period, ()), mine)[1])
            if not self.parts[period]:
                del self.parts[period]

    def changes(self) -> IntArray:
        """(period, cell) of what the marked MMSIs are heard in since `rewind` and were not before, or the reverse."""
        self._settle()
        found, self.again = self.again or {}, None
        rows = []
        for period, (was, now) in found.items():  # one turn a period
            if not (was or now):
                continue
            old, new = (distinct(np.concatenate([_NO_KEYS, *keys])) for keys in (was, now))
            keys = np.setxor1d(old, new, assume_unique=True)
            cells = distinct(keys >> WHO_BITS)
            rows.append(np.column_stack([np.full(len(cells), period), cells]))
        return np.concatenate([np.zeros((0, 2), np.int64), *rows])

    def touched(self, lat_deg: FloatArray, lon_deg: FloatArray, start_us: IntArray, changes: IntArray) -> BoolArray:
        """True for silences whose count of others may hang on a change."""
        out = np.zeros(len(start_us), np.bool_)
        if len(changes) and len(out):
            period, cell = np.ascontiguousarray(changes[:, 0]), np.ascontiguousarray(changes[:, 1])
            _touched(lat_deg, lon_deg, start_us, period, cell, self.period_us, self.silence_us, out)
        return out

    def forget(self, before_us: int) -> None:
        """Let go of what no silence that is judged at a time or later needs."""
        least = (before_us - self.silence_us) // self.period_us - 2
        for period in [p for p in self.parts if p < least]:
            del self.parts[period]

    def take_from(self, other: Reception) -> None:
        """Become as another is."""
        other._settle()
        self.parts, self.fresh, self.waiting, self.again = dict(other.parts), [], 0, None

    def array(self) -> IntArray:
        """Its state: rows (period, key)."""
        self._settle()
        rows = [np.column_stack([np.full(len(k), p), k]) for p, keys in self.parts.items() for k in keys]
        return np.concatenate([np.zeros((0, 2), np.int64), *rows])

    def restore(self, rows: IntArray) -> None:
        """Take state back."""
        self.parts, self.fresh, self.waiting, self.again = {}, [], 0, None
        self.take(rows)


def _divided(parts: tuple[IntArray, ...], mine: BoolArray) -> tuple[list[IntArray], list[IntArray]]:
    """Parts without the marked MMSIs, and those with nothing else."""
    kept, taken = [], []
    for keys in parts:  # a few
        others, own = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
        k = _part(keys, mine, others, own)
        if k < len(keys):
            kept.append(others[: len(keys) - k] if k else keys)
        if k:
            taken.append(own[:k])
    return kept, taken
