"""All tracks as records: one block of memory a track, with stable numbers, free rows and doubling capacity.

What enters: rows to begin and to free. What leaves: structured arrays that kernels take a record of (`TRACK`,
`KEY`), and the same memory seen as columns (`Kin`, `Life`) for array code. A report
touches one track: its record lies in eight cache lines, where separate columns lie in forty (docs/adr/0121). A row is
reused, its ``uid`` never is. It knows no sensor and no rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import bare, inner, kernel
from kuroshio.picture.extent import EXTENT_BORN_M2
from kuroshio.picture.filter import Kin
from kuroshio.picture.replay import BLOCK, BYTES_A_BLOCK, FORGOTTEN, give_back, new_pool
from kuroshio.picture.replay import CTL_TOP as CTL_TOP_BLOCK
from kuroshio.picture.seen import KINDS, NEVER, SEEN_MAX, clear_seen
from kuroshio.units import FloatArray, IntArray

FREE, TENTATIVE, CONFIRMED, COASTED, ENDED = 0, 1, 2, 3, 4
STATUS_WORDS = ("free", "tentative", "confirmed", "coasted", "ended")
FED_MAX = 32_000  # observations counted a kind; more change nothing
START_ROWS = 1 << 18  # reserved at the start; memory is taken as rows are used

# One track. The first cache line is what a scan over all tracks reads; models and life follow.
TRACK = np.dtype(
    [
        ("lat", np.float64),
        ("lon", np.float64),
        ("ve", np.float64),
        ("vn", np.float64),
        ("t_us", np.int64),
        ("mu", np.float64),
        ("mmsi", np.int64),
        ("next_row", np.int32),
        ("status", np.int8),
        ("shown", np.int8),
        ("exercise", np.int8),
        ("pin", np.int8),
        ("x", np.float64, (2, 4)),
        ("p", np.float64, (2, 10)),
        ("uid", np.int64),
        ("block", np.int32),
        ("block_seq", np.int32),
        ("fit", np.float32, (3,)),
        ("llr", np.float32),
        ("born_us", np.int64),
        ("sources", np.int64),
        ("seen", np.int64, (SEEN_MAX,)),
        ("ais", np.float64, (2,)),
        ("conflict_us", np.int64),
        ("ais_v", np.float32, (2,)),
        ("last_scan", np.int32),
        ("hits", np.int32),
        ("claim", np.int32),
        ("gap_s", np.float32),
        ("identity", np.float32),
        ("heading", np.float32),
        ("drag", np.float32, (7,)),
        ("scatter", np.float32),
        ("extent", np.float32),
        ("flags", np.int16),
        ("misses", np.int16),
        ("fed", np.int16, (KINDS,)),
        ("last_source", np.int8),
        ("nav", np.int8),
    ],
    align=True,
)


def byte_of(field: str) -> int:
    """Where a field of `TRACK` begins in the record."""
    return int(dict(TRACK.fields or {})[field][1])


# MMSI -> first row, open addressing; rows of one MMSI are chained by ``next_row``
KEY = np.dtype([("mmsi", np.int64), ("head", np.int32)], align=True)


class Life(NamedTuple):
    """Life and identity of all tracks as columns: views of the records, one entry a row.

    ``llr`` is the log-likelihood ratio of the plots; ``seen`` (rows, `SEEN_MAX`) says when each source last fed it, as
    `picture.seen` keeps it; ``fed`` (rows, `KINDS`; observations taken, up to `FED_MAX`) goes by kind of sensor;
    ``gap_s`` is the smoothed AIS interval; ``ais`` and ``ais_v`` (rows, 2) are the last AIS position and velocity;
    ``fit`` (rows, 3) antenna offset ahead and right, and length;
    ``conflict_us`` when its MMSI last reported from two places; ``drag`` (rows, 7) sums of the offset of plots from
    AIS, as `drag.note_offset` keeps them (information ee, en, nn, times offset e, n, weight, squared weight);
    ``extent`` (m2) is what its size adds to a plot's variance, as `extent.learn_extent` keeps it; ``pin`` bits say
    which attributes an operator fixed.
    """

    status: Any
    uid: IntArray
    mmsi: IntArray
    next_row: Any
    hits: Any
    llr: Any
    seen: IntArray
    fed: Any
    gap_s: Any
    ais: FloatArray
    ais_v: Any
    identity: Any
    sources: IntArray
    flags: Any
    misses: Any
    last_source: Any
    last_scan: Any
    claim: Any
    heading: Any
    nav: Any
    born_us: IntArray
    shown: Any
    fit: Any
    conflict_us: IntArray
    drag: Any
    extent: Any
    pin: Any
    exercise: Any


# ctl: counters that kernels change
CTL_FREE, CTL_NEXT_UID, CTL_KEYS, CTL_LOG, CTL_EVENTS, CTL_REFUSED, CTL_TOP = range(7)
CTL_SIZE = 8


@inner
def key_slot(keys, mmsi):  # type: ignore[no-untyped-def]
    """Slot where the search for an MMSI begins."""
    return (mmsi * 2654435761) & (len(keys) - 1)


@inner
def find_key(keys, mmsi):  # type: ignore[no-untyped-def]
    """Slot of an MMSI, or -slot-1 of the empty slot where it would go."""
    mask = len(keys) - 1
    slot = key_slot(keys, mmsi)
    while True:
        key = keys[slot].mmsi
        if key == mmsi:
            return slot
        if key == 0:
            return -slot - 1
        slot = (slot + 1) & mask


@bare
def bind(keys, tracks, ctl, row, mmsi):  # type: ignore[no-untyped-def]
    """Chain a row under an MMSI."""
    slot = find_key(keys, mmsi)
    if slot < 0:
        slot = -slot - 1
        keys[slot].mmsi = mmsi
        keys[slot].head = -1
        ctl[CTL_KEYS] += 1
    tracks[row].next_row = keys[slot].head
    keys[slot].head = row
    tracks[row].mmsi = mmsi


@bare
def unbind(keys, tracks, row):  # type: ignore[no-untyped-def]
    """Take a row out of its MMSI's chain."""
    mmsi = tracks[row].mmsi
    if mmsi == 0:
        return
    slot = find_key(keys, mmsi)
    if slot >= 0:
        at = keys[slot].head
        if at == row:
            keys[slot].head = tracks[row].next_row
        else:
            while at >= 0 and tracks[at].next_row != row:
                at = tracks[at].next_row
            if at >= 0:
                tracks[at].next_row = tracks[row].next_row
    tracks[row].mmsi = 0
    tracks[row].next_row = -1


@bare
def first_row(keys, mmsi):  # type: ignore[no-untyped-def]
    """First row bound to an MMSI, or -1."""
    slot = find_key(keys, mmsi)
    return keys[slot].head if slot >= 0 else -1


@bare
def take_row(tracks, ctl, free, t_us):  # type: ignore[no-untyped-def]
    """A free row, cleared and numbered, or -1 when none is left."""
    if ctl[CTL_FREE] == 0:
        ctl[CTL_REFUSED] += 1
        return -1
    ctl[CTL_FREE] -= 1
    row = free[ctl[CTL_FREE]]
    ctl[CTL_TOP] = max(ctl[CTL_TOP], row + 1)
    t = tracks[row]
    t.status = TENTATIVE
    t.uid = ctl[CTL_NEXT_UID]
    ctl[CTL_NEXT_UID] += 1
    t.mmsi, t.next_row = 0, -1
    t.hits = t.flags = t.misses = t.claim = 0
    t.llr = 0.0
    clear_seen(t)
    for k in range(KINDS):
        t.fed[k] = 0
    for k in range(7):
        t.drag[k] = 0.0
    for k in range(2):
        t.ais[k] = t.ais_v[k] = np.nan  # of the track that had the row before
    t.gap_s = t.identity = t.scatter = 0.0
    t.extent = EXTENT_BORN_M2
    t.sources = 0
    t.last_source, t.last_scan = -1, 0
    t.heading = np.nan
    t.nav = -1
    t.born_us = t_us
    t.conflict_us = NEVER
    for k in range(3):
        t.fit[k] = np.nan
    t.shown = t.pin = t.exercise = 0
    t.block = t.block_seq = 0
    return row


@kernel
def free_rows(rows, keys, tracks, pool, ctl, free):  # type: ignore[no-untyped-def]
    """Give rows and their reports back; their MMSI chains are mended."""
    for row in rows:
        unbind(keys, tracks, row)
        give_back(tracks[row], pool)
        tracks[row].status = FREE
        free[ctl[CTL_FREE]] = row
        ctl[CTL_FREE] += 1


@kernel
def _refill(keys, old):  # type: ignore[no-untyped-def]
    for k in range(len(old)):
        if old[k].mmsi != 0 and old[k].head >= 0:
            slot = -find_key(keys, old[k].mmsi) - 1
            keys[slot].mmsi = old[k].mmsi
            keys[slot].head = old[k].head


@kernel
def live_rows(tracks, ctl):  # type: ignore[no-untyped-def]
    """Rows in use, ascending."""
    rows = np.empty(ctl[CTL_TOP], np.int64)
    n = 0
    for i in range(ctl[CTL_TOP]):
        if tracks[i].status > FREE:
            rows[n] = i
            n += 1
    return rows[:n]


def _new_keys(size: int) -> Any:
    keys = np.zeros(size, KEY)
    keys["head"] = -1
    return keys


class TrackTable:
    """The records of all tracks, and their growth.

    Parameters
    ----------
    capacity
        Rows at the start (memory is taken as rows are used); doubles when they run out, up to ``max_rows``.
    replay_mb, keep_s
        Limit of the memory for reports that may have to be replayed, and how long each is kept.
    max_rows
        Limit; births beyond it are refused and counted in ``ctl[CTL_REFUSED]``.
    """

    def __init__(
        self, capacity: int = START_ROWS, max_rows: int = 1_000_000, replay_mb: float = 8.0, keep_s: float = 1800.0
    ) -> None:
        capacity = min(capacity, max_rows)
        self.max_rows = max_rows
        self.pool = new_pool(replay_mb, keep_s)
        self._see(np.zeros(capacity, TRACK))
        self.keys = _new_keys(2048)
        self.free = np.arange(capacity - 1, -1, -1, dtype=np.int32)
        self.ctl = np.zeros(CTL_SIZE, np.int64)
        self.ctl[CTL_FREE] = capacity
        self.ctl[CTL_NEXT_UID] = 1

    def _see(self, tracks: Any) -> None:
        self.tracks = tracks
        self._live, self._live_at = np.zeros(0, np.int64), (-1, -1)
        self.kin = Kin(**{k: tracks[k] for k in Kin._fields})
        self.life = Life(**{k: tracks[k] for k in Life._fields})

    @property
    def capacity(self) -> int:
        """Rows allocated."""
        return len(self.tracks)

    @property
    def live(self) -> IntArray:
        """Rows in use, ascending."""
        state = int(self.ctl[CTL_FREE]), int(self.ctl[CTL_NEXT_UID])  # every birth and every end changes one of them
        if state != self._live_at:
            self._live, self._live_at = live_rows(self.tracks, self.ctl), state
        return self._live

    @property
    def bytes_per_row(self) -> int:
        """Memory of one track, without the reports kept for replay."""
        return int(self.tracks.itemsize)

    @property
    def replay_bytes(self) -> int:
        """Memory taken by reports kept for replay, of all tracks."""
        return int(self.pool.ctl[CTL_TOP_BLOCK]) * BYTES_A_BLOCK

    def reserve(self, births: int) -> None:
        """Grow so that ``births`` more tracks and keys fit, as far as the limit allows."""
        if self.ctl[CTL_FREE] < births:
            old = self.capacity
            new = min(max(2 * old, old + births), self.max_rows)
            if new > old:
                self._grow(old, new)
        need = 2 * (int(self.ctl[CTL_KEYS]) + births + 1)
        if need > len(self.keys):
            self._rehash(need)

    def _grow(self, old: int, new: int) -> None:
        def wider(a: Any) -> Any:
            b = np.zeros(new, a.dtype)
            b[:old] = a
            return b

        self._see(wider(self.tracks))
        n_free = int(self.ctl[CTL_FREE])
        free = np.empty(new, np.int32)
        free[: new - old] = np.arange(new - 1, old - 1, -1, dtype=np.int32)
        free[new - old : new - old + n_free] = self.free[:n_free]
        self.free = free
        self.ctl[CTL_FREE] = n_free + new - old

    def _rehash(self, need: int) -> None:
        alive = int(np.count_nonzero((self.keys["mmsi"] != 0) & (self.keys["head"] >= 0)))
        size = len(self.keys)
        while size < max(need - 2 * (int(self.ctl[CTL_KEYS]) - alive), 2048):
            size *= 2
        keys = _new_keys(size)
        _refill(keys, self.keys)
        self.keys = keys
        self.ctl[CTL_KEYS] = alive

    def forget(self, row: int) -> None:
        """Let a row's memory begin with its present state: reports from before it are refused as too old."""
        self.tracks["block"][row], self.tracks["block_seq"][row] = 0, FORGOTTEN

    def release(self, rows: IntArray) -> None:
        """Give rows back to the free list."""
        if len(rows):
            free_rows(np.ascontiguousarray(rows), self.keys, self.tracks, self.pool, self.ctl, self.free)

    def rows_of(self, mmsi: int) -> list[int]:
        """Live rows bound to an MMSI, newest binding first."""
        rows: list[int] = []
        at = int(first_row(self.keys, mmsi))
        while at >= 0:
            rows.append(at)
            at = int(self.life.next_row[at])
        return rows

    def row_of(self, uid: int) -> int:
        """Row of a live track number, or -1."""
        rows = self.live
        rows = rows[self.life.uid[rows] == uid]
        return int(rows[0]) if len(rows) else -1

    def arrays(self) -> dict[str, Any]:
        """Every array by name, for a checkpoint; those in ``BY_ROW`` have a record a row."""
        top = int(self.pool.ctl[CTL_TOP_BLOCK])
        kept = {"pool.heads": self.pool.heads[:top], "pool.reports": self.pool.reports[: top * BLOCK]}
        kept["pool.ctl"] = self.pool.ctl
        return {"free": self.free, "ctl": self.ctl, "keys": self.keys, "tracks": self.tracks, **kept}

    def restore(self, named: dict[str, Any]) -> None:
        """Take the arrays of a checkpoint."""
        self._see(named["tracks"])
        self.keys, self.free, self.ctl = named["keys"], named["free"], named["ctl"]
        self.pool.ctl[:] = named["pool.ctl"]
        self.pool.heads[: len(named["pool.heads"])] = named["pool.heads"]
        self.pool.reports[: len(named["pool.reports"])] = named["pool.reports"]


BY_ROW = ("tracks",)
