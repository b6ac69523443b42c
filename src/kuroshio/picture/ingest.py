"""Observations from Arrow to arrays: what cannot be used is refused with a reason, nothing raises.

What enters: tables of the OBSERVATIONS schema. What leaves: `Obs` in order of time and identity, and a reason for
each row refused. Repeats of one report (same ``obs_id``) are dropped here, within a bounded memory.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture.columns import BITS, OK, OTHER, REPEAT, SOURCE, Limits, Words, judge, raw_columns
from kuroshio.picture.compiled import bare, fetch, inner, kernel
from kuroshio.picture.identity import OBS, Obs
from kuroshio.picture.model import SENSOR_KINDS, TrackerConfig
from kuroshio.schema import OBSERVATIONS
from kuroshio.units import BoolArray, IntArray

REASONS = (
    "",
    "no_time",
    "non_finite",
    "out_of_range",
    "bad_covariance",
    "future",
    "ancient",
    "duplicate",
    "not_a_vessel",
    "partner_row",
)
_SCHEMA = OBSERVATIONS.arrow
SOURCES_MAX = 62
SEEN_FIRST = 4096
MOVED_AN_ID = 4  # two would do: a set doubles when half of it is taken, and again after as many more
MOVES_A_ROW = 16  # beyond this a general sort is faster
_NOBODY = np.zeros(1, np.int64)
AHEAD = 24  # identities whose memory is asked for before their turn


class Sources:
    """Numbers of source names; beyond 62 names they share the last number in a track's source set."""

    def __init__(self, names: list[str] | None = None) -> None:
        self.names: list[str] = list(names or [])
        self._code = {name: k for k, name in enumerate(self.names)}
        self._last: tuple[pa.Array, pa.Array, bool, Words] | None = None

    def code(self, name: str) -> int:
        """Number of a name."""
        if name not in self._code:
            if len(self.names) >= SOURCES_MAX:
                return SOURCES_MAX
            self._code[name] = len(self.names)
            self.names.append(name)
        return self._code[name]

    def words(self, sensor: pa.Array, source: pa.Array, some_null: bool) -> Words:
        """What the dictionaries of a batch's labels mean: mostly those of the batch before."""
        if (last := self._last) and some_null == last[2] and sensor.equals(last[0]) and source.equals(last[1]):
            return last[3]
        kind = [SENSOR_KINDS.index(w) if w in SENSOR_KINDS else OTHER for w in sensor.to_pylist()]
        code = [self.code(str(w)) for w in source.to_pylist()]
        unknown = self.code("unknown") if some_null else 0
        words = Words(np.array([*kind, OTHER], np.int8), np.array([*code, unknown], np.int64))
        self._last = sensor, source, some_null, words
        return words


@inner
def _slot_of(v, mask):  # type: ignore[no-untyped-def]
    return ((v ^ (v >> 29)) * 2654435761) & mask


@bare
def _move(less, new, at, upto):  # type: ignore[no-untyped-def]
    """Put what a set held in some of its places into the one that grew out of it; the place to go on from.

    A number keeps its place, or goes as far beyond it as the set was long: both are written from end to end.
    """
    mask, upto = len(new) - 1, min(upto, len(less))
    while at < upto:
        v = less[at]
        if v != 0:
            slot = _slot_of(v, mask)
            while new[slot] != 0:
                slot = (slot + 1) & mask
            new[slot] = v
        at += 1
    return at


@inner
def _find(members, v):  # type: ignore[no-untyped-def]
    """Place of an identity in a set, or the empty one where it would go."""
    mask = len(members) - 1
    slot = _slot_of(v, mask)
    while members[slot] != 0 and members[slot] != v:
        slot = (slot + 1) & mask
    return slot


@kernel
def _admit(ids, old, less, new, count, fresh):  # type: ignore[no-untyped-def]
    """Number of identities read before ``new`` was full; ``fresh`` marks those never seen."""
    count[2] = _move(less, new, count[2], count[2] + MOVED_AN_ID * len(ids))
    for k in range(len(ids)):
        if count[0] * 2 > len(new):
            return k
        if k + AHEAD < len(ids):  # the sets are larger than any cache
            fetch(old, _slot_of(ids[k + AHEAD], len(old) - 1), 1)
            fetch(new, _slot_of(ids[k + AHEAD], len(new) - 1), 1)
        v = ids[k] if ids[k] != 0 else np.int64(-1)
        known = len(old) > 1 and old[_find(old, v)] == v
        slot = _find(new, v)
        if new[slot] == 0 and (len(less) == 1 or less[_find(less, v)] == 0):
            new[slot] = v
            count[0] += 1
            fresh[k] = not known
    return len(ids)


class Seen:
    """Bounded memory of report identities: two generations of open-addressing sets, the older one forgotten whole.

    The newer set begins small and doubles, up to what ``capacity`` asks: touching a large empty one costs a small node
    more than its reports do. What it held goes over bit by bit, with the identities that come: all at once would be the
    longest step of a busy node. The older one has no place until there is an older generation.
    """

    def __init__(self, capacity: int) -> None:
        self.size = 1024
        while self.size < capacity:
            self.size *= 2
        first = min(self.size, SEEN_FIRST)
        self._old = _NOBODY
        self._less = _NOBODY  # the newer set before it grew, until all of it has gone over
        self._new = np.zeros(first, np.int64)
        self.count = np.zeros(3, np.int64)  # in new, forgotten, places of less that have gone over

    @property
    def places(self) -> int:
        """Places of the newer set."""
        return len(self._new)

    def members(self) -> tuple[IntArray, IntArray]:
        """Identities of the older generation, and of the newer."""
        self._finish()
        return self._old[self._old != 0], self._new[self._new != 0]

    def _finish(self) -> None:
        """Let all go over that has not."""
        self.count[2] = _move(self._less, self._new, int(self.count[2]), len(self._less))
        self._less, self.count[2] = _NOBODY, 0

    def _widen(self) -> None:
        self._finish()
        self._less, self._new = self._new, np.zeros(2 * len(self._new), np.int64)

    def _set_of(self, members: IntArray) -> IntArray:
        """Set of so many, as large as it has grown with them."""
        size = min(self.size, SEEN_FIRST)
        while size <= len(members) or (size < self.size and size < 2 * len(members)):
            size *= 2
        places = np.zeros(size, np.int64)
        _move(np.ascontiguousarray(members), places, 0, len(members))
        return places

    def restore(self, old: IntArray, new: IntArray, count: IntArray) -> None:
        """Take both generations back from their members."""
        self._old = self._set_of(old) if len(old) else _NOBODY
        self._less, self._new = _NOBODY, self._set_of(new)
        self.count[:2] = count[:2]
        self.count[2] = 0

    def admit(self, ids: IntArray) -> BoolArray:
        """True where an identity is new; of repeats inside the batch the first is kept."""
        fresh = np.zeros(len(ids), np.bool_)
        if len(self._less) > 1 and self.count[2] == len(self._less):
            self._finish()
        at = int(_admit(ids, self._old, self._less, self._new, self.count, fresh))
        while at < len(ids):
            if len(self._new) < self.size:
                self._widen()
            else:
                self._finish()
                self.count[1] += int(self.count[0])
                again = len(self._old) == len(self._new)
                self._old, self._new = self._new, self._old if again else np.zeros(self.size, np.int64)
                self._new[:] = 0
                self.count[0] = 0
            at += int(_admit(ids[at:], self._old, self._less, self._new, self.count, fresh[at:]))
        return fresh


@inner
def _before(o, last):  # type: ignore[no-untyped-def]
    return o.t_us < last.t_us or (o.t_us == last.t_us and o.obs_id < last.obs_id)


@kernel
def _settle(obs, n, place, fresh, reason):  # type: ignore[no-untyped-def]
    """(rows that are left, whether they stand in order); repeats are taken out, and lead to a reason.

    A source tells its rows nearly in order: each is put in its place among those before it, unless that is too much
    work. The last record of ``obs`` is work space.
    """
    m = 0
    for k in range(n):
        if fresh[k]:
            if m < k:
                obs[m] = obs[k]
            m += 1
        else:
            reason[place[k]] = REPEAT
    held, moves = len(obs) - 1, 0
    for k in range(1, m):
        if not _before(obs[k], obs[k - 1]):
            continue
        obs[held] = obs[k]
        at = k
        while at > 0 and _before(obs[held], obs[at - 1]) and moves <= MOVES_A_ROW * m:
            obs[at] = obs[at - 1]
            at -= 1
            moves += 1
        obs[at] = obs[held]
        if moves > MOVES_A_ROW * m:
            return m, False
    return m, True


def clean(
    table: pa.Table, now_us: int, clock_us: int | None, sources: Sources, seen: Seen, config: TrackerConfig
) -> tuple[Obs, pa.Table, Any, Counter[str]]:
    """(usable observations by time, the table as it came, reason of each of its rows, counters)."""
    if not table.schema.equals(_SCHEMA):
        table = OBSERVATIONS.conform(table)
    n = table.num_rows
    reason, tally = np.zeros(n, np.int8), Counter[str]()
    if n == 0:
        return no_obs(), table, reason, tally
    places, batch, sensor, source = raw_columns(table)
    words = sources.words(sensor, source, bool(places[SOURCE, BITS]))
    ancient_us = clock_us - int(config.late_s * 1e6) if clock_us is not None else -1
    obs, ids, place = np.empty(n + 1, OBS), np.empty(n, np.int64), np.empty(n, np.int64)
    good = judge(places, words, Limits(now_us + int(config.future_s * 1e6), ancient_us), reason, obs, ids, place)
    del batch  # the columns had to stay where they are
    left, ordered = _settle(obs, good, place, seen.admit(ids[:good]), reason)
    obs = obs[:left]
    if not ordered:
        obs = obs[np.lexsort((obs["obs_id"], obs["t_us"]))]
    if left < n:
        for code, count in zip(*np.unique(reason[reason > OK], return_counts=True), strict=True):
            tally[REASONS[int(code)]] = int(count)
    return obs, table, reason, tally


@kernel
def _merge(first, second, both):  # type: ignore[no-untyped-def]
    a, b = 0, 0
    for k in range(len(both)):
        if b == len(second) or (a < len(first) and not _before(second[b], first[a])):
            both[k] = first[a]
            a += 1
        else:
            both[k] = second[b]
            b += 1


def join_obs(first: Obs, second: Obs) -> Obs:
    """Both in order of time and identity."""
    if not len(first):
        return second
    if not len(second):
        return first
    both = np.empty(len(first) + len(second), OBS)
    _merge(first, second, both)
    return both


def no_obs() -> Obs:
    """No observations."""
    return np.zeros(0, OBS)
