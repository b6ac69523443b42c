"""What must survive a crash of one node: its outbound logs, its positions, and what it has already taken.

What enters: calls of a `Session`. What leaves: the same after kill -9. Nothing counts before `commit`, and the driver
commits before it performs what a session instructed. `Sqlite` is the real one; `Memory` serves tests and simulations
and can forget what was not committed.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from kuroshio.errors import StoreError
from kuroshio.peers.frames import Lane


@dataclass(frozen=True)
class Item:
    """One sealed thing on its way to a partner.

    Parameters
    ----------
    lane, seq
        Its place; dense within (epoch, lane).
    kind
        What it carries, as its header says.
    release_id
        Id of the release, for the ledger.
    item_id
        SHA-256 of the body.
    queued_us
        When it was offered.
    body
        Bundle bytes.
    """

    lane: Lane
    seq: int
    kind: str
    release_id: str
    item_id: str
    queued_us: int
    body: bytes


@dataclass
class Positions:
    """Where the two directions of one partner stand."""

    epoch: int
    next_seq: dict[Lane, int]
    acked: dict[Lane, int]  # numbers below are durable at the partner
    their_epoch: int
    taken: dict[Lane, int]  # numbers below are durable here
    last: dict[Lane, tuple[int, str]]  # number and content id of the last item taken

    def copy(self) -> Positions:
        """The same positions, apart."""
        return Positions(
            self.epoch, dict(self.next_seq), dict(self.acked), self.their_epoch, dict(self.taken), dict(self.last)
        )


class Outbox(Protocol):
    """Durable state of the session with one partner."""

    def positions(self) -> Positions:
        """Positions as committed or about to be."""
        ...

    def put(self, item: Item) -> None:
        """Queue an item at the end of its lane."""
        ...

    def get(self, lane: Lane, seq: int) -> Item | None:
        """Item of a number; None when it was dropped."""
        ...

    def drop(self, lane: Lane, seq: int) -> None:
        """Take a queued item away: it was withdrawn or is not allowed any more."""
        ...

    def acked(self, lane: Lane, below: int) -> None:
        """Everything below the number is durable at the partner; bodies may go."""
        ...

    def taken(self, lane: Lane, below: int, item_id: str | None = None) -> None:
        """Everything below the number is durable here; the item is remembered for ever."""
        ...

    def has(self, item_id: str) -> bool:
        """True when that content was taken before."""
        ...

    def new_epoch(self, epoch: int) -> None:
        """Begin again: queued items not acknowledged are numbered from 0 in the same order."""
        ...

    def their_epoch(self, epoch: int) -> None:
        """The partner began again: positions of its direction go to 0."""
        ...

    def waiting(self) -> tuple[int, int]:
        """(items, bytes) queued and not acknowledged."""
        ...

    def queued(self) -> list[tuple[Lane, int, str]]:
        """(lane, seq, release_id) of all items queued and not acknowledged, in order."""
        ...

    def commit(self) -> None:
        """Make everything so far durable."""
        ...


def fresh(epoch: int) -> Positions:
    """Positions of a partner never met."""
    return Positions(epoch, dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0), 0, dict.fromkeys(Lane, 0), {})


class Memory:
    """Outbox in memory, beginning with an epoch."""

    def __init__(self, epoch: int) -> None:
        self._positions = fresh(epoch)
        self._items: dict[tuple[Lane, int], Item] = {}
        self._seen: set[str] = set()
        self._safe: tuple[Positions, dict[tuple[Lane, int], Item], set[str]] | None = None
        self.commits = 0
        self.commit()

    def positions(self) -> Positions:
        """Positions now."""
        return self._positions

    def put(self, item: Item) -> None:
        """Queue an item."""
        self._items[item.lane, item.seq] = item
        self._positions.next_seq[item.lane] = item.seq + 1

    def get(self, lane: Lane, seq: int) -> Item | None:
        """Item of a number."""
        return self._items.get((lane, seq))

    def drop(self, lane: Lane, seq: int) -> None:
        """Take an item away."""
        self._items.pop((lane, seq), None)

    def acked(self, lane: Lane, below: int) -> None:
        """Forget bodies below the number."""
        for seq in range(self._positions.acked[lane], below):
            self._items.pop((lane, seq), None)
        self._positions.acked[lane] = max(below, self._positions.acked[lane])

    def taken(self, lane: Lane, below: int, item_id: str | None = None) -> None:
        """Remember a position and an item."""
        self._positions.taken[lane] = below
        if item_id is not None:
            self._seen.add(item_id)
            self._positions.last[lane] = (below - 1, item_id)

    def has(self, item_id: str) -> bool:
        """True when that content was taken."""
        return item_id in self._seen

    def new_epoch(self, epoch: int) -> None:
        """Begin again."""
        left = [self._items[key] for key in sorted(self._items)]
        self._items.clear()
        kept = self._positions
        self._positions = Positions(
            epoch, dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0), kept.their_epoch, kept.taken, kept.last
        )
        for item in left:
            seq = self._positions.next_seq[item.lane]
            self.put(Item(item.lane, seq, item.kind, item.release_id, item.item_id, item.queued_us, item.body))

    def their_epoch(self, epoch: int) -> None:
        """The partner began again."""
        self._positions.their_epoch = epoch
        self._positions.taken = dict.fromkeys(Lane, 0)
        self._positions.last = {}

    def waiting(self) -> tuple[int, int]:
        """(items, bytes) waiting."""
        return len(self._items), sum(len(i.body) for i in self._items.values())

    def queued(self) -> list[tuple[Lane, int, str]]:
        """Items waiting."""
        return [(lane, seq, self._items[lane, seq].release_id) for lane, seq in sorted(self._items)]

    def commit(self) -> None:
        """Everything so far survives `crash`."""
        self.commits += 1
        self._safe = (self._positions.copy(), dict(self._items), set(self._seen))

    @property
    def clean(self) -> bool:
        """True when everything so far is committed."""
        return (
            self._safe is not None and self._safe[0] == self._positions and self._safe[1].keys() == self._items.keys()
        )

    def copy(self) -> Memory:
        """A backup: the state committed now."""
        return self.crash()

    def crash(self) -> Memory:
        """The outbox as a process finds it after a crash: only what was committed."""
        assert self._safe is not None
        again = Memory(0)
        again._positions, again._items, again._seen = (
            self._safe[0].copy(),
            dict(self._safe[1]),
            set(self._safe[2]),
        )
        again.commit()
        return again


_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS item (
  partner TEXT NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, release_id TEXT NOT NULL,
  item_id TEXT NOT NULL, queued_us INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (partner, lane, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
  partner TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (partner, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last (
  partner TEXT NOT NULL, lane INTEGER NOT NULL, seq INTEGER NOT NULL, item_id TEXT NOT NULL,
  PRIMARY KEY (partner, lane)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (partner TEXT NOT NULL, item_id BLOB NOT NULL, PRIMARY KEY (partner, item_id))
  WITHOUT ROWID;
"""


class Sqlite:
    """Outbox in a SQLite file of its own for each partner (WAL, synchronous FULL: a commit is on the disk).

    Parameters
    ----------
    path
        The file.
    partner
        Whose session.
    epoch
        Epoch to begin with when there is none: any number larger than all before, such as the time in microseconds.
    """

    def __init__(self, path: str, partner: str, *, epoch: int) -> None:
        self._partner = partner
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level="DEFERRED", timeout=10.0)
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as err:
            raise StoreError(f"outbox {path}: {err}", code="peers.outbox") from err
        rows = self._run("SELECT name, value FROM position WHERE partner=?", partner)
        values = {str(name): int(value) for name, value in rows}
        if not values:
            self._set("epoch", epoch)
            self.commit()
            values = {"epoch": epoch}
        self._positions = Positions(
            values["epoch"],
            {lane: values.get(f"next{lane:d}", 0) for lane in Lane},
            {lane: values.get(f"acked{lane:d}", 0) for lane in Lane},
            values.get("their_epoch", 0),
            {lane: values.get(f"taken{lane:d}", 0) for lane in Lane},
            {
                Lane(n): (seq, i)
                for n, seq, i in self._run("SELECT lane,seq,item_id FROM last WHERE partner=?", partner)
            },
        )
        counted = self._run("SELECT count(*), coalesce(sum(size),0) FROM item WHERE partner=?", partner)[0]
        self._items, self._bytes = int(counted[0]), int(counted[1])

    def _run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as err:
                raise StoreError(f"outbox of {self._partner}: {err}", code="peers.outbox") from err

    def _set(self, name: str, value: int) -> None:
        self._run("INSERT OR REPLACE INTO position VALUES (?,?,?)", self._partner, name, value)

    def positions(self) -> Positions:
        """Positions now."""
        return self._positions

    def put(self, item: Item) -> None:
        """Queue an item."""
        self._run(
            "INSERT INTO item VALUES (?,?,?,?,?,?,?,?,?)",
            self._partner, int(item.lane), item.seq, item.kind, item.release_id, item.item_id, item.queued_us,
            len(item.body), item.body,
        )  # fmt: skip
        self._positions.next_seq[item.lane] = item.seq + 1
        self._set(f"next{item.lane:d}", item.seq + 1)
        self._items, self._bytes = self._items + 1, self._bytes + len(item.body)

    def get(self, lane: Lane, seq: int) -> Item | None:
        """Item of a number."""
        rows = self._run(
            "SELECT kind, release_id, item_id, queued_us, body FROM item WHERE partner=? AND lane=? AND seq=?",
            self._partner, int(lane), seq,
        )  # fmt: skip
        if not rows:
            return None
        kind, release_id, item_id, queued_us, body = rows[0]
        return Item(lane, seq, str(kind), str(release_id), str(item_id), int(queued_us), bytes(body))

    def drop(self, lane: Lane, seq: int) -> None:
        """Take an item away."""
        self._remove("seq=?", lane, seq)

    def _remove(self, which: str, lane: Lane, seq: int) -> None:
        where = f"FROM item WHERE partner=? AND lane=? AND {which}"
        count, size = self._run(f"SELECT count(*), coalesce(sum(size),0) {where}", self._partner, int(lane), seq)[0]
        if count:
            self._run(f"DELETE {where}", self._partner, int(lane), seq)
            self._items, self._bytes = self._items - int(count), self._bytes - int(size)

    def acked(self, lane: Lane, below: int) -> None:
        """Forget bodies below the number."""
        self._remove("seq<?", lane, below)
        self._positions.acked[lane] = max(below, self._positions.acked[lane])
        self._set(f"acked{lane:d}", self._positions.acked[lane])

    def taken(self, lane: Lane, below: int, item_id: str | None = None) -> None:
        """Remember a position and an item."""
        self._positions.taken[lane] = below
        self._set(f"taken{lane:d}", below)
        if item_id is not None:
            self._run("INSERT OR IGNORE INTO seen VALUES (?,?)", self._partner, bytes.fromhex(item_id))
            self._positions.last[lane] = (below - 1, item_id)
            self._run("INSERT OR REPLACE INTO last VALUES (?,?,?,?)", self._partner, int(lane), below - 1, item_id)

    def has(self, item_id: str) -> bool:
        """True when that content was taken."""
        return bool(
            self._run("SELECT 1 FROM seen WHERE partner=? AND item_id=?", self._partner, bytes.fromhex(item_id))
        )

    def new_epoch(self, epoch: int) -> None:
        """Begin again."""
        left = [self.get(lane, seq) for lane, seq, _ in self.queued()]
        self._run("DELETE FROM item WHERE partner=?", self._partner)
        self._items = self._bytes = 0
        self._positions.epoch = epoch
        self._set("epoch", epoch)
        for lane in Lane:
            self._positions.next_seq[lane] = self._positions.acked[lane] = 0
            self._set(f"next{lane:d}", 0)
            self._set(f"acked{lane:d}", 0)
        for item in left:
            if item is not None:
                seq = self._positions.next_seq[item.lane]
                self.put(Item(item.lane, seq, item.kind, item.release_id, item.item_id, item.queued_us, item.body))

    def their_epoch(self, epoch: int) -> None:
        """The partner began again."""
        self._positions.their_epoch = epoch
        self._set("their_epoch", epoch)
        self._positions.last = {}
        self._run("DELETE FROM last WHERE partner=?", self._partner)
        for lane in Lane:
            self._positions.taken[lane] = 0
            self._set(f"taken{lane:d}", 0)

    def waiting(self) -> tuple[int, int]:
        """(items, bytes) waiting."""
        return self._items, self._bytes

    def queued(self) -> list[tuple[Lane, int, str]]:
        """Items waiting."""
        rows = self._run("SELECT lane, seq, release_id FROM item WHERE partner=? ORDER BY lane, seq", self._partner)
        return [(Lane(int(lane)), int(seq), str(release_id)) for lane, seq, release_id in rows]

    def commit(self) -> None:
        """Make everything so far durable."""
        with self._lock:
            try:
                self._db.commit()
            except sqlite3.Error as err:
                raise StoreError(f"outbox of {self._partner}: {err}", code="peers.outbox") from err

    def close(self) -> None:
        """Close the file; what was not committed is lost."""
        with self._lock:
            self._db.close()
