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
from kuroshio.picture.compiled import fetch, inner, kernel
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
MOVES_A_ROW = 16  # beyond this a general sort is faster
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


@kernel
def _admit(ids, old, new, count, fresh):  # type: ignore[no-untyped-def]
    """Number of identities read before ``new`` was full; ``fresh`` marks those never seen."""
    mask, before = len(new) - 1, len(old) - 1
    for k in range(len(ids)):
        if count[0] * 2 > len(new):
            return k
        if k + AHEAD < len(ids):  # the sets are larger than any cache
            fetch(old, _slot_of(ids[k + AHEAD], before), 1)
            fetch(new, _slot_of(ids[k + AHEAD], mask), 1)
        v = ids[k] if ids[k] != 0 else np.int64(-1)
        slot = _slot_of(v, before)
        known = False
        while old[slot] != 0 and not known:
            known = old[slot] == v
            slot = (slot + 1) & before
        slot = _slot_of(v, mask)
        while new[slot] != 0 and new[slot] != v:
            slot = (slot + 1) & mask
        if new[slot] == 0:
            new[slot] = v
            count[0] += 1
            fresh[k] = not known
    return len(ids)


@kernel
def _refill(members, into):  # type: ignore[no-untyped-def]
    """Put the members of one set into an empty one."""
    mask = len(into) - 1
    for k in range(len(members)):
        if k + AHEAD < len(members):
            fetch(into, _slot_of(members[k + AHEAD], mask), 1)
        v = members[k]
        if v != 0:
            slot = _slot_of(v, mask)
            while into[slot] != 0:
                slot = (slot + 1) & mask
            into[slot] = v


class Seen:
    """Bounded memory of report identities: two generations of open-addressing sets, the older one forgotten whole.

    The newer set begins small and doubles, up to what ``capacity`` asks: touching a large empty one costs a small node
    more than its reports do. The older one has no place until there is an older generation.
    """

    def __init__(self, capacity: int) -> None:
        self.size = 1024
        while self.size < capacity:
            self.size *= 2
        first = min(self.size, SEEN_FIRST)
        self.old = np.zeros(1, np.int64)
        self.new = np.zeros(first, np.int64)
        self.count = np.zeros(2, np.int64)  # in new, forgotten

    def _widen(self, size: int) -> None:
        new, self.new = self.new, np.zeros(size, np.int64)
        _refill(new, self.new)

    def _places(self, members: int) -> int:
        """Places that a set of so many has grown to."""
        size = min(self.size, SEEN_FIRST)
        while size <= members or (size < self.size and size < 2 * members):
            size *= 2
        return size

    def restore(self, old: IntArray, new: IntArray, count: IntArray) -> None:
        """Take both generations back from their members."""
        self.old = np.zeros(self._places(len(old)) if len(old) else 1, np.int64)
        self.new = np.zeros(self._places(len(new)), np.int64)
        _refill(np.ascontiguousarray(old), self.old)
        _refill(np.ascontiguousarray(new), self.new)
        self.count[:] = count

    def admit(self, ids: IntArray) -> BoolArray:
        """True where an identity is new; of repeats inside the batch the first is kept."""
        fresh = np.zeros(len(ids), np.bool_)
        at = int(_admit(ids, self.old, self.new, self.count, fresh))
        while at < len(ids):
            if len(self.new) < self.size:
                self._widen(2 * len(self.new))
            else:
                self.count[1] += int(self.count[0])
                again = len(self.old) == len(self.new)
                self.old, self.new = self.new, self.old if again else np.zeros(self.size, np.int64)
                self.new[:] = 0
                self.count[0] = 0
            at += int(_admit(ids[at:], self.old, self.new, self.count, fresh[at:]))
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
