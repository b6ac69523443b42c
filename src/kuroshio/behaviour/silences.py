"""Silences of tracks: the kernels that find them, and the columns that keep what was found.

What enters: reports in order, and a time up to which all have come. What leaves: events of silences, that one became
too long or that it ended; and in which cells each MMSI was heard, for `reception`. Events are kept as columns in parts
that are never written to, so that the states of a live engine share them. Those not judged yet have six integers, those
judged also how many other ships were heard before and in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.fetch import AHEAD, ahead, fetch_cells, fetch_one, reach
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.reception import WHO_BITS, cell_of
from kuroshio.behaviour.state import CLOSE, OPEN, State
from kuroshio.units import BoolArray, FloatArray, IntArray

# state: integers LAST to PLACE, other ships heard OTHERS before the last silence and STILL in it, the KEY last told of
# whom it is heard as and in which cell, UNTIL when, then a ring of the last report times; numbers of the last report
LAST, PHASE, MMSI, COUNT, ENDED, PLACE, OTHERS, STILL, KEY, UNTIL, RING = range(11)


def new_state(reports: int) -> State:
    """State of silences that hang on a number of reports."""
    return State((NEVER, 0, -1, 0, NEVER, 0, 0, 0, -1, NEVER, *(NEVER,) * reports), (np.nan,) * 5)


@within
def qualifies(ints: Any, s: int, need: int, window_us: int) -> bool:
    """True when a slot gave enough reports up to its last."""
    if ints[s, COUNT] < need:
        return False
    oldest = ints[s, RING + ints[s, PLACE]]
    return bool(ints[s, LAST] - oldest <= window_us)


@within
def _write(floats: Any, s: int, i: int, lat: Any, lon: Any, sog: Any, cog: Any, nav: Any) -> None:
    if i >= 0:
        floats[s, 0], floats[s, 1], floats[s, 2], floats[s, 3] = lat[i], lon[i], sog[i], cog[i]
        floats[s, 4] = nav[i]


@kernel
def gap_rows(
    begin: int,
    k: int,
    out: Any,
    num: Any,
    slot: Any,
    who: Any,
    t: Any,
    lat: Any,
    lon: Any,
    sog: Any,
    cog: Any,
    ais: Any,
    mmsi: Any,
    nav: Any,
    ended: Any,
    ints: Any,
    floats: Any,
    silence_us: int,
    need: int,
    window_us: int,
    period_us: int,
    born: Any,
    heard: Any,
) -> tuple[int, int]:
    """Events (kind, slot, start, end, MMSI, -1) with the place of the last report; rows in order (slot, time).

    ``born`` gets the oldest report taken, the number of rows with which a slot claims an MMSI for the first time, the
    number of rows in ``heard``, and these rows. ``heard`` gets (period, cell and row of the MMSI) where they change.
    """
    oldest, n_born, n_heard = born[0], born[1], born[2]
    held: Any = np.int64(-1)  # a report not written to the state yet: most are followed by another
    holder: Any = np.int64(-1)
    end = reach(slot)
    for i in range(begin, slot.size):
        if k + 2 > out.shape[0]:
            born[0], born[1], born[2] = oldest, n_born, n_heard
            _write(floats, holder, held, lat, lon, sog, cog, nav)
            return i, k
        later = ahead(slot, i, AHEAD, end)
        if later >= 0:
            fetch_cells(ints, later, LAST, UNTIL)
            fetch_cells(floats, later, 0, 4)
        closer = ahead(slot, i, AHEAD // 2, end)
        if closer >= 0:  # where its last report belongs is here by now
            fetch_one(ints, closer * ints.shape[1] + RING + ints[closer, PLACE])
        s, a = slot[i], ais[i]
        if s != holder:
            _write(floats, holder, held, lat, lon, sog, cog, nav)
            holder, held = s, np.int64(-1)
        if ended[i]:
            ints[s, ENDED] = t[i]
        last = ints[s, LAST]
        if a == NEVER or (a <= last and last != NEVER):
            continue
        if last == NEVER and mmsi[i] >= 0:
            born[3 + n_born] = i
            n_born += 1
        if last != NEVER and a - last > silence_us and qualifies(ints, s, need, window_us):
            _write(floats, s, held, lat, lon, sog, cog, nav)
            for kind in range(OPEN if ints[s, PHASE] == 0 else CLOSE, CLOSE + 1, CLOSE - OPEN):
                out[k, 0], out[k, 1], out[k, 2], out[k, 3] = kind, s, last, a
                out[k, 4], out[k, 5] = ints[s, MMSI], -1
                for c in range(4):
                    num[k, c] = floats[s, c]
                num[k, 4], num[k, 5], num[k, 6] = lat[i], lon[i], floats[s, 4]
                k += 1
        ints[s, PHASE] = 0
        if mmsi[i] >= 0:
            ints[s, MMSI] = mmsi[i]
            if a == t[i]:
                key = (cell_of(lat[i], lon[i]) << WHO_BITS) | who[i]
                until = ints[s, UNTIL]
                if key != ints[s, KEY] or not until - period_us <= a < until:
                    period = a // period_us
                    heard[n_heard, 0], heard[n_heard, 1] = period, key
                    n_heard += 1
                    ints[s, KEY], ints[s, UNTIL] = key, (period + 1) * period_us
        place = ints[s, PLACE]
        ints[s, RING + place] = a
        ints[s, PLACE] = place + 1 if place + 1 < need else 0
        ints[s, COUNT] += 1
        ints[s, LAST] = a
        oldest = min(oldest, a)
        held = i
    born[0], born[1], born[2] = oldest, n_born, n_heard
    _write(floats, holder, held, lat, lon, sog, cog, nav)
    return slot.size, k


@kernel
def gap_silence(ints: Any, to_us: int, silence_us: int, need: int, window_us: int, out: Any) -> int:
    """Number of slots, put into ``out``, whose silence has become too long by ``to_us``; they are marked open.

    The last cell of ``out`` is the last report of the slot that is silent longest of the others, at most ``to_us``.
    """
    k = 0
    oldest = np.int64(to_us)
    for s in range(ints.shape[0]):
        last = ints[s, LAST]
        if ints[s, PHASE] != 0 or last == NEVER:
            continue
        if to_us - last <= silence_us:
            oldest = min(oldest, last)
        elif qualifies(ints, s, need, window_us):
            ints[s, PHASE] = 1
            out[k] = s
            k += 1
        else:
            ints[s, PHASE] = 2
    out[out.size - 1] = oldest
    return k


# END is `NEVER` while it goes on; WHOSE is the MMSI claimed, -1 where none is; BACK the track it came back as, or -1
KIND, SLOT, START, END, WHOSE, BACK, BEFORE, AFTER = range(8)
_NUMBERS = 7  # last report: latitude, longitude, speed, course; next report: latitude, longitude; status of the last
Rows = tuple[IntArray, FloatArray]


class Silences:
    """Events in the order they were found."""

    def __init__(self, integers: int) -> None:
        self._none: Rows = (np.zeros((0, integers), np.int64), np.zeros((0, _NUMBERS)))
        self._parts: list[Rows] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(self, events: IntArray, numbers: FloatArray) -> None:
        """Take events in; nobody may write to them any more."""
        if len(events):
            self._parts.append((events, numbers))

    def all(self) -> Rows:
        """All of them."""
        if len(self._parts) > 1:
            events, numbers = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(events), np.concatenate(numbers))]
        return self._parts[0] if self._parts else self._none

    def set(self, events: IntArray, numbers: FloatArray) -> None:
        """Have these and no others."""
        self._parts = [(events, numbers)] if len(events) else []

    def take_from(self, other: Silences) -> None:
        """Become as another is."""
        self._parts = list(other._parts)

    def before(self, start_us: int) -> Rows:
        """Those that began before a time; they are let go of."""
        events, numbers = self.all()
        mine = events[:, START] < start_us
        if mine.any():
            self.set(events[~mine], numbers[~mine])
        return events[mine], numbers[mine]

    def forget(self, start_us: int) -> None:
        """Let go of those that began before a time, once they are many."""
        events, numbers = self.all()
        old = events[:, START] < start_us
        if 2 * int(old.sum()) > len(old):
            self.set(events[~old], numbers[~old])

    def rewind(self, other: Silences, mine: BoolArray) -> None:
        """Let those of the marked tracks be as in another."""
        if not (self._parts or other._parts):
            return
        rows = []
        for one, wanted in ((self, False), (other, True)):
            events, numbers = one.all()
            use = mine[events[:, SLOT]] == wanted
            rows.append((events[use], numbers[use]))
        (a, b), (c, d) = rows
        self.set(np.concatenate([a, c]), np.concatenate([b, d]))
