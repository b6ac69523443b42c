"""Distinct ships by period and place, for behaviours of an area: rows brought down to one a (period, place, ship).

What enters: rows (period, place, ship, track, mark), in any order. What leaves: all rows of a period, when nothing more
can come for it. Of a ship's rows in one place and period the greatest track and the greatest mark stay. Rows that have
been brought down are in order, so that new ones are sorted alone and merged in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, Surroundings
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.index import first_from, two_key_order
from kuroshio.behaviour.state import Batch, Fact, Marks
from kuroshio.units import BoolArray, IntArray

MAX_ROWS = 5_000_000
PERIOD, PLACE, SHIP, TRACK, MARK = range(5)
_PLACE_BITS = 32
_NO_PERIOD = 1 << 60
_NONE = np.zeros((0, 5), np.int64)


@kernel
def _keys(rows: Any, first: Any, second: Any) -> bool:
    """Columns to sort by; true where rows are in order already."""
    good = True
    for i in range(rows.shape[0]):
        first[i], second[i] = (rows[i, PERIOD] << _PLACE_BITS) + rows[i, PLACE], rows[i, SHIP]
        good &= i == 0 or first[i] > first[i - 1] or (first[i] == first[i - 1] and second[i] >= second[i - 1])
    return good


@within
def _order(one: Any, i: int, other: Any, j: int) -> Any:
    for c in range(3):
        if one[i, c] != other[j, c]:
            return -1 if one[i, c] < other[j, c] else 1
    return 0


@kernel
def _merge(rows: Any, fresh: Any, order: Any, out: Any) -> Any:
    """Number of rows put into ``out`` from those that are in order and new ones in the order given."""
    k = np.int64(-1)
    i = j = 0
    while i < rows.shape[0] or j < order.size:
        take_row = j >= order.size or (i < rows.shape[0] and _order(rows, i, fresh, order[j]) <= 0)
        source, at = (rows, i) if take_row else (fresh, order[j])
        if k < 0 or _order(source, at, out, k) != 0:
            k += 1
            for c in range(5):
                out[k, c] = source[at, c]
        else:
            out[k, TRACK], out[k, MARK] = max(out[k, TRACK], source[at, TRACK]), max(out[k, MARK], source[at, MARK])
        if take_row:
            i += 1
        else:
            j += 1
    return k + 1


@kernel
def _mark(rows: Any, names: Any, some: Any, out: Any) -> None:
    """Mark rows of a place whose ship is among the names, which are in order; ``some`` marks their last bits."""
    for i in range(rows.shape[0]):
        ship = rows[i, SHIP]
        out[i] = False
        if rows[i, PLACE] < 0 or not some[ship & (some.size - 1)]:
            continue
        at = first_from(names, ship)
        out[i] = at < names.size and names[at] == ship


@kernel
def _first_period(rows: Any) -> int:
    """Least period of rows; NumPy takes ten times as long for a few."""
    first = rows[0, PERIOD]
    for i in range(1, rows.shape[0]):
        first = min(first, rows[i, PERIOD])
    return int(first)


@kernel
def _first_of(rows: Any, period: int) -> int:
    """First of rows in order of their periods that is of a period or a later one."""
    lo, hi = 0, rows.shape[0]
    while lo < hi:
        mid = (lo + hi) >> 1
        if rows[mid, PERIOD] < period:
            lo = mid + 1
        else:
            hi = mid
    return lo


@kernel
def _of_ships(rows: Any, mine: Any, wanted: bool, period: int, out: Any, begin: int) -> int:
    """Put the rows from a period on, that are marked or not, into ``out`` from ``begin`` on; where they end."""
    k = begin
    for i in range(rows.shape[0]):
        if mine[i] == wanted and rows[i, PERIOD] >= period:
            for c in range(5):
                out[k, c] = rows[i, c]
            k += 1
    return k


class TallyDetector(Detector):
    """Distinct ships by (period, place), each with the worst mark any of its rows gave it."""

    period_us = HOUR_US
    area = True

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.rows: IntArray = _NONE
        self.fresh: list[IntArray] = []  # rows since, not brought down to one a (period, place, ship) yet
        self.waiting, self.first = 0, _NO_PERIOD  # their number, and the first period of all rows
        self.judged: IntArray = _NONE  # rows of periods judged, as far back as repairs go
        self.over = -_NO_PERIOD  # periods before it are judged

    def arrays(self) -> dict[str, Any]:
        """The rows of the periods not judged yet, and of those that a repair may judge again."""
        self._settle()
        return {"rows": self.rows, "judged": self.judged, "over": np.asarray([self.over], np.int64)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        # none of them is written to
        self.rows, self.judged, self.over = arrays["rows"], arrays["judged"], int(arrays["over"][0])
        self.fresh, self.waiting, self.first = [], 0, int(self.rows[:, PERIOD].min(initial=_NO_PERIOD))

    def marker(self, marks: Marks) -> Callable[[IntArray], BoolArray]:
        """Gives of rows those of the ships that are marked."""
        names = np.sort(marks.names.numbers.names[marks.numbers])
        some = np.zeros(1 << min(17, max(10, (32 * len(names)).bit_length())), np.bool_)  # few others share a mark
        some[names & (len(some) - 1)] = True

        def marked(rows: IntArray) -> BoolArray:
            out = np.empty(len(rows), np.bool_)
            _mark(rows, names, some, out)
            return out

        return marked

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked ships; the periods that are over since are judged again."""
        marked = self.marker(marks)
        again, new = (np.concatenate(d.fresh) if d.fresh else _NONE for d in (self, other))
        judged = self.judged[_first_of(self.judged, other.over) :]  # in order: periods are judged one after another
        kept = np.empty((len(judged) + len(self.rows), 5), np.int64)
        k = _of_ships(judged, marked(judged), False, other.over, kept, 0) if len(judged) else 0
        k = _of_ships(self.rows, marked(self.rows), False, -_NO_PERIOD, kept, k)
        fresh = np.empty((len(again) + len(other.rows) + len(new), 5), np.int64)
        n = _of_ships(again, marked(again), False, -_NO_PERIOD, fresh, 0)
        for rows in (other.rows, new):
            n = _of_ships(rows, marked(rows), True, -_NO_PERIOD, fresh, n)
        self.rows, self.fresh, self.waiting = kept[:k], [fresh[:n]] if n else [], n
        self.first = min(int(part[:, PERIOD].min(initial=_NO_PERIOD)) for part in (self.rows, fresh[:n]))
        self.judged, self.over = other.judged, other.over  # the other may have gone back itself
        return True

    def forget(self, before_us: int) -> None:
        """Rows of periods that were over by then are not judged again."""
        over = before_us // self.period_us
        if len(self.judged) and int(self.judged[:, PERIOD].min()) < over:
            self.judged = self.judged[self.judged[:, PERIOD] >= over]

    def tally(self, batch: Batch) -> IntArray:
        """(period, place, ship, track, mark) of the rows that count; nobody may write to them any more."""
        raise NotImplementedError

    def judge(self, period: int, rows: IntArray, out: list[tuple[int, Fact]]) -> None:
        """Facts of one period whose rows are all here."""
        raise NotImplementedError

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Keep one row a ship, place and period."""
        rows = self.tally(batch)
        if not len(rows):
            return
        self.fresh.append(rows)
        self.waiting += len(rows)
        self.first = min(self.first, int(_first_period(rows)))
        if self.waiting > max(100_000, len(self.rows)):
            self._settle()

    def _settle(self) -> None:
        if not self.fresh:
            return
        fresh = np.concatenate(self.fresh) if len(self.fresh) > 1 else self.fresh[0]
        self.fresh, self.waiting = [], 0
        keys = np.empty((2, len(fresh)), np.int64)
        order = np.arange(len(fresh)) if _keys(fresh, *keys) else two_key_order(*keys)
        rows = np.empty((len(self.rows) + len(fresh), 5), np.int64)
        self.rows = rows[: min(_merge(self.rows, fresh, order, rows), MAX_ROWS)]

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Judge the periods that are over."""
        self.over = max(self.over, to_us // self.period_us)
        if (self.first + 1) * self.period_us > to_us:
            return
        self._settle()
        end = int(np.searchsorted(self.rows[:, PERIOD], to_us // self.period_us))
        ready, self.rows = self.rows[:end], self.rows[end:]
        if self.repairs:
            self.judged = np.concatenate([self.judged, ready])[-MAX_ROWS:]
        self.first = int(self.rows[0, PERIOD]) if len(self.rows) else _NO_PERIOD
        heads = np.flatnonzero(np.append(True, np.diff(ready[:, PERIOD]) != 0))
        for a, b in zip(heads.tolist(), np.append(heads[1:], len(ready)).tolist(), strict=True):  # one turn a period
            self.judge(int(ready[a, PERIOD]), ready[a:b], out)
