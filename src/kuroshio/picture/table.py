"""All tracks as columns: a struct of arrays with stable numbers, free slots and doubling capacity.

What enters: rows to begin and to free. What leaves: named tuples of NumPy arrays that kernels take (`Kin`, `Life`,
`Keys`, `Ring`). A row is reused, its ``uid`` never is. It knows no sensor and no rule.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import kernel
from kuroshio.picture.filter import Kin
from kuroshio.units import FloatArray, IntArray

FREE, TENTATIVE, CONFIRMED, COASTED, ENDED = 0, 1, 2, 3, 4
STATUS_WORDS = ("free", "tentative", "confirmed", "coasted", "ended")
NEVER = np.int64(-(1 << 62))


class Life(NamedTuple):
    """Life and identity columns of the track table, one entry a row.

    ``llr`` is the log-likelihood ratio of the plots; ``last_seen_us`` and ``fed`` (rows, 7; observations taken) go
    by kind of sensor; ``gap_s`` is the smoothed AIS interval; ``ais`` (rows, 4) is the last AIS position and velocity;
    ``bias`` (rows, 3) the smoothed offset of radar plots from the track (east, north, weight); ``fit`` (rows, 3)
    antenna offset ahead and right, and length; ``pin`` bits say which attributes an operator fixed.
    """

    status: Any
    uid: IntArray
    mmsi: IntArray
    next_row: Any
    hits: Any
    llr: FloatArray
    last_seen_us: IntArray
    fed: Any
    gap_s: FloatArray
    ais: FloatArray
    identity: FloatArray
    sources: IntArray
    flags: Any
    misses: Any
    last_source: Any
    last_scan: IntArray
    claim: Any
    heading: FloatArray
    nav: Any
    born_us: IntArray
    shown: Any
    bias: FloatArray
    fit: FloatArray
    pin: Any
    exercise: Any


class Keys(NamedTuple):
    """Open-addressing table of MMSI -> first row; rows of one MMSI are chained by ``Life.next_row``."""

    key: IntArray
    head: Any


class Ring(NamedTuple):
    """Last reports of each row and two checkpoints, for replay of late ones.

    ``z`` is (rows, ring, 8): lat, lon, r0, r1, r2, ve, vn, rv (0 where no velocity); ``pushed`` the
    reports pushed so far; ``ck`` (rows, 2, 33) the state before the first report of each half, ``ck_t`` its time.
    """

    t_us: IntArray
    obs_id: IntArray
    z: FloatArray
    pushed: IntArray
    ck: FloatArray
    ck_t: IntArray


# ctl: counters that kernels change
CTL_FREE, CTL_NEXT_UID, CTL_KEYS, CTL_LOG, CTL_EVENTS, CTL_REFUSED = range(6)
CTL_SIZE = 8
CHECKPOINT = 33  # lat lon mu, x (8), p (20), ve vn

_KIN = {
    "lat": (np.float64, ()),
    "lon": (np.float64, ()),
    "ve": (np.float64, ()),
    "vn": (np.float64, ()),
    "x": (np.float64, (2, 4)),
    "p": (np.float64, (2, 10)),
    "mu": (np.float64, ()),
    "pc": (np.float64, (10,)),
    "t_us": (np.int64, ()),
}
_LIFE = {
    "status": (np.int8, ()),
    "uid": (np.int64, ()),
    "mmsi": (np.int64, ()),
    "next_row": (np.int32, ()),
    "hits": (np.int32, ()),
    "llr": (np.float64, ()),
    "last_seen_us": (np.int64, (7,)),
    "fed": (np.int32, (7,)),
    "gap_s": (np.float64, ()),
    "ais": (np.float64, (4,)),
    "identity": (np.float64, ()),
    "sources": (np.int64, ()),
    "flags": (np.int32, ()),
    "misses": (np.int32, ()),
    "last_source": (np.int32, ()),
    "last_scan": (np.int64, ()),
    "claim": (np.int32, ()),
    "heading": (np.float64, ()),
    "nav": (np.int16, ()),
    "born_us": (np.int64, ()),
    "shown": (np.int8, ()),
    "bias": (np.float64, (3,)),
    "fit": (np.float64, (3,)),
    "pin": (np.int8, ()),
    "exercise": (np.int8, ()),
}


@kernel
def find_key(keys, mmsi):  # type: ignore[no-untyped-def]
    """Slot of an MMSI, or -slot-1 of the empty slot where it would go."""
    mask = len(keys.key) - 1
    slot = (mmsi * 2654435761) & mask
    while keys.key[slot] != mmsi:
        if keys.key[slot] == 0:
            return -slot - 1
        slot = (slot + 1) & mask
    return slot


@kernel
def bind(keys, life, ctl, row, mmsi):  # type: ignore[no-untyped-def]
    """Chain a row under an MMSI."""
    slot = find_key(keys, mmsi)
    if slot < 0:
        slot = -slot - 1
        keys.key[slot] = mmsi
        keys.head[slot] = -1
        ctl[CTL_KEYS] += 1
    life.next_row[row] = keys.head[slot]
    keys.head[slot] = row
    life.mmsi[row] = mmsi


@kernel
def unbind(keys, life, row):  # type: ignore[no-untyped-def]
    """Take a row out of its MMSI's chain."""
    mmsi = life.mmsi[row]
    if mmsi == 0:
        return
    slot = find_key(keys, mmsi)
    if slot >= 0:
        at = keys.head[slot]
        if at == row:
            keys.head[slot] = life.next_row[row]
        else:
            while at >= 0 and life.next_row[at] != row:
                at = life.next_row[at]
            if at >= 0:
                life.next_row[at] = life.next_row[row]
    life.mmsi[row] = 0
    life.next_row[row] = -1


@kernel
def take_row(life, ring, ctl, free, t_us):  # type: ignore[no-untyped-def]
    """A free row, cleared and numbered, or -1 when none is left."""
    if ctl[CTL_FREE] == 0:
        ctl[CTL_REFUSED] += 1
        return -1
    ctl[CTL_FREE] -= 1
    row = free[ctl[CTL_FREE]]
    life.status[row] = TENTATIVE
    life.uid[row] = ctl[CTL_NEXT_UID]
    ctl[CTL_NEXT_UID] += 1
    life.mmsi[row] = 0
    life.next_row[row] = -1
    life.hits[row] = 0
    life.llr[row] = 0.0
    for k in range(7):
        life.last_seen_us[row, k] = NEVER
        life.fed[row, k] = 0
    life.gap_s[row] = 0.0
    life.identity[row] = 0.0
    life.sources[row] = 0
    life.flags[row] = 0
    life.misses[row] = 0
    life.last_source[row] = -1
    life.last_scan[row] = 0
    life.claim[row] = 0
    life.heading[row] = np.nan
    life.nav[row] = -1
    life.born_us[row] = t_us
    life.shown[row] = 0
    for k in range(3):
        life.bias[row, k] = 0.0
        life.fit[row, k] = np.nan
    life.pin[row] = 0
    life.exercise[row] = 0
    ring.pushed[row] = 0
    return row


@kernel
def free_rows(rows, keys, life, ctl, free):  # type: ignore[no-untyped-def]
    """Give rows back; their MMSI chains are mended."""
    for row in rows:
        unbind(keys, life, row)
        life.status[row] = FREE
        free[ctl[CTL_FREE]] = row
        ctl[CTL_FREE] += 1


@kernel
def _refill(keys, old_key, old_head):  # type: ignore[no-untyped-def]
    for k in range(len(old_key)):
        if old_key[k] != 0 and old_head[k] >= 0:
            slot = -find_key(keys, old_key[k]) - 1
            keys.key[slot] = old_key[k]
            keys.head[slot] = old_head[k]


class TrackTable:
    """The arrays of all tracks, and their growth.

    Parameters
    ----------
    capacity
        Rows at the start (memory is taken as rows are used); doubles when they run out, up to ``max_rows``.
    ring
        Reports kept a row for replay (two halves).
    max_rows
        Limit; births beyond it are refused and counted in ``ctl[CTL_REFUSED]``.
    """

    def __init__(self, capacity: int = 65_536, ring: int = 32, max_rows: int = 1_000_000) -> None:
        self.max_rows = max_rows
        self.ring_size = ring
        self.kin = Kin(**{k: np.zeros((capacity, *s), d) for k, (d, s) in _KIN.items()})
        self.life = Life(**{k: np.zeros((capacity, *s), d) for k, (d, s) in _LIFE.items()})
        self.ring = self._new_ring(capacity)
        self.keys = Keys(np.zeros(2048, np.int64), np.full(2048, -1, np.int32))
        self.free = np.arange(capacity - 1, -1, -1, dtype=np.int32)
        self.ctl = np.zeros(CTL_SIZE, np.int64)
        self.ctl[CTL_FREE] = capacity
        self.ctl[CTL_NEXT_UID] = 1

    def _new_ring(self, rows: int) -> Ring:
        n = self.ring_size
        return Ring(
            np.zeros((rows, n), np.int64),
            np.zeros((rows, n), np.int64),
            np.zeros((rows, n, 8), np.float64),
            np.zeros(rows, np.int64),
            np.zeros((rows, 2, CHECKPOINT), np.float64),
            np.zeros((rows, 2), np.int64),
        )

    @property
    def capacity(self) -> int:
        """Rows allocated."""
        return len(self.life.status)

    @property
    def live(self) -> IntArray:
        """Rows in use, ascending."""
        return np.flatnonzero(self.life.status > FREE)

    @property
    def bytes_per_row(self) -> dict[str, int]:
        """Memory of one row: state (always touched) and replay ring."""
        state = sum(a[:1].nbytes for a in (*self.kin, *self.life))
        return {"state": state, "replay": sum(a[:1].nbytes for a in self.ring)}

    def reserve(self, births: int) -> None:
        """Grow so that ``births`` more tracks and keys fit, as far as the limit allows."""
        if self.ctl[CTL_FREE] < births:
            old = self.capacity
            new = min(max(2 * old, old + births), self.max_rows)
            if new > old:
                self._grow(old, new)
        need = 2 * (int(self.ctl[CTL_KEYS]) + births + 1)
        if need > len(self.keys.key):
            self._rehash(need)

    def _grow(self, old: int, new: int) -> None:
        def wider(a: Any) -> Any:
            b = np.zeros((new, *a.shape[1:]), a.dtype)
            b[:old] = a
            return b

        self.kin = Kin(*(wider(a) for a in self.kin))
        self.life = Life(*(wider(a) for a in self.life))
        self.ring = Ring(*(wider(a) for a in self.ring))
        n_free = int(self.ctl[CTL_FREE])
        free = np.empty(new, np.int32)
        free[: new - old] = np.arange(new - 1, old - 1, -1, dtype=np.int32)
        free[new - old : new - old + n_free] = self.free[:n_free]
        self.free = free
        self.ctl[CTL_FREE] = n_free + new - old

    def _rehash(self, need: int) -> None:
        alive = int(np.count_nonzero((self.keys.key != 0) & (self.keys.head >= 0)))
        size = len(self.keys.key)
        while size < max(need - 2 * (int(self.ctl[CTL_KEYS]) - alive), 2048):
            size *= 2
        keys = Keys(np.zeros(size, np.int64), np.full(size, -1, np.int32))
        _refill(keys, self.keys.key, self.keys.head)
        self.keys = keys
        self.ctl[CTL_KEYS] = alive

    def release(self, rows: IntArray) -> None:
        """Give rows back to the free list."""
        if len(rows):
            free_rows(np.ascontiguousarray(rows), self.keys, self.life, self.ctl, self.free)

    def rows_of(self, mmsi: int) -> list[int]:
        """Live rows bound to an MMSI, newest binding first."""
        slot = int(find_key(self.keys, mmsi))
        rows: list[int] = []
        at = int(self.keys.head[slot]) if slot >= 0 else -1
        while at >= 0:
            rows.append(at)
            at = int(self.life.next_row[at])
        return rows

    def row_of(self, uid: int) -> int:
        """Row of a live track number, or -1."""
        rows = np.flatnonzero((self.life.uid == uid) & (self.life.status > FREE))
        return int(rows[0]) if len(rows) else -1

    def arrays(self) -> dict[str, Any]:
        """Every array by name, for a checkpoint."""
        named: dict[str, Any] = {"free": self.free, "ctl": self.ctl}
        for prefix, group in (("kin", self.kin), ("life", self.life), ("ring", self.ring), ("keys", self.keys)):
            named.update({f"{prefix}.{name}": value for name, value in group._asdict().items()})
        return named

    @classmethod
    def restore(cls, named: dict[str, Any], max_rows: int) -> TrackTable:
        """Table from the arrays of a checkpoint."""
        table = cls.__new__(cls)
        table.max_rows = max_rows
        table.kin = Kin(**{k: named[f"kin.{k}"] for k in Kin._fields})
        table.life = Life(**{k: named[f"life.{k}"] for k in Life._fields})
        table.ring = Ring(**{k: named[f"ring.{k}"] for k in Ring._fields})
        table.keys = Keys(**{k: named[f"keys.{k}"] for k in Keys._fields})
        table.free, table.ctl = named["free"], named["ctl"]
        table.ring_size = int(table.ring.t_us.shape[1])
        return table
