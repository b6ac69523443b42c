"""The way back from a watch officer's action: what it changed, and how that stood before.

What enters: an action's changes as they are made, and later the wish to undo it. What leaves: the state as if it had
never been done. Actions are undone in any order, so each change is undone by itself: where a later action, not undone,
has said the same thing otherwise, its word stays, and what that action would go back to is corrected instead. All of
it is data, so that it can be undone after a restart too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.errors import InputError
from kuroshio.picture.table import CTL_FREE, CTL_NEXT_UID, bind, take_row, unbind

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

PIN_IDENTITY, PIN_CLAIM = 1, 2
# What an action makes of a track that goes on being fed: undone by itself, the estimate of now stays
IDENTITY = ("mmsi", "claim", "fit", "identity", "pin", "gap_s", "born_us")
SAID = ("name", "ship_type")
Key = tuple[Any, ...]  # ("name" or "ship_type", "mmsi" or "uid", number), ("alias", mmsi), ("dropped", mmsi),
# ("apart", uid, uid) or ("forbidden", uid, mmsi)


@dataclass
class Undo:
    """What brings back the state before an operation.

    Parameters
    ----------
    rows
        Track records as they were.
    remove
        Tracks the operation made.
    before
        What had been said before, by `Key`; None for nothing.
    after_us
        Time of validity of those tracks once it was done, by track: a later one has been fed since.
    """

    rows: list[Any] = field(default_factory=list)
    remove: list[int] = field(default_factory=list)
    before: dict[Key, Any] = field(default_factory=dict)
    after_us: dict[int, int] = field(default_factory=dict)


class Words:
    """What watch officers have said, by `Key`, and the changes that can be undone."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.ways: dict[int, Undo] = {}
        self.said: dict[int, dict[str, Any]] = {}  # by track, for tracks without an MMSI
        self.aliases: dict[int, int] = {}  # MMSI -> the MMSI of the ship that an operator merged it into
        self.dropped: set[int] = set()

    # -- what is said now

    def ship_of(self, mmsi: int) -> int:
        """MMSI of the ship that an MMSI was merged into, over as many merges as there were."""
        for _ in range(len(self.aliases)):  # no longer, should two have been merged into each other
            if mmsi not in self.aliases:
                break
            mmsi = self.aliases[mmsi]
        return mmsi

    def get(self, key: Key) -> Any:
        """What is said of something, None for nothing."""
        kind, *of = key
        if kind in SAID:
            said = self.tracker.book.fixed if of[0] == "mmsi" else self.said
            return said.get(of[1], {}).get(kind)
        if kind == "alias":
            return self.aliases.get(of[0])
        if kind == "dropped":
            return of[0] in self.dropped or None
        if kind == "apart":
            return tuple(of) in self.tracker.house.merging.apart or None
        return bool((self.tracker.forbidden == of).all(axis=1).any()) or None

    def put(self, key: Key, value: Any) -> None:
        """Say something, None for nothing any more."""
        kind, *of = key
        tr = self.tracker
        if kind in SAID:
            self._say(kind, of[0], of[1], value)
        elif kind == "alias":
            self.aliases.pop(of[0], None)
            if value is not None:
                self.aliases[of[0]] = value
        elif kind == "dropped":
            (self.dropped.discard if value is None else self.dropped.add)(of[0])
        elif kind == "apart":
            apart = tr.house.merging.apart
            (apart.discard if value is None else apart.add)((of[0], of[1]))
        else:
            others = tr.forbidden[(tr.forbidden != of).any(axis=1)]
            pairs = others if value is None else np.vstack([others, [of]])
            tr.forbidden = np.ascontiguousarray(pairs, np.int64)

    def _say(self, name: str, whose: str, number: int, value: Any) -> None:
        tr = self.tracker
        said = tr.book.fixed if whose == "mmsi" else self.said
        values = {k: v for k, v in said.get(number, {}).items() if k != name}
        if value is not None:
            values[name] = value
        tr.house.claims_changed = True
        if whose == "mmsi":
            tr.book.fix(number, values)
            return
        self.said[number] = values
        if not values:
            del self.said[number]
        row = tr.table.row_of(number)
        if row >= 0 and values:
            tr.table.life.pin[row] |= PIN_CLAIM
        elif row >= 0:
            tr.table.life.pin[row] &= ~PIN_CLAIM
            tr.table.life.claim[row] = tr.book.newest.get(int(tr.table.life.mmsi[row]), 0)

    def change(self, undo: Undo, key: Key, value: Any) -> None:
        """Say something, and note what had been said."""
        undo.before.setdefault(key, self.get(key))
        self.put(key, value)

    # -- back

    def check_back(self, operation: int) -> None:
        """Nothing where an operation can be undone.

        Raises
        ------
        InputError
            When a track cannot come back because the table is full.
        """
        undo, tr = self.ways[operation], self.tracker
        later = {int(track["uid"]) for way in self._later(operation) for track in way.rows}
        back = [uid for track in undo.rows if (uid := int(track["uid"])) not in later]
        gone = sum(tr.table.row_of(uid) < 0 for uid in back)
        tr.room(gone)
        if int(tr.table.ctl[CTL_FREE]) + sum(tr.table.row_of(uid) >= 0 for uid in undo.remove) < gone:
            raise InputError("undo: no room for another track", code="operate.full")

    def _later(self, operation: int) -> list[Undo]:
        return [way for number, way in self.ways.items() if number > operation]

    def go_back(self, operation: int) -> None:
        """Make an operation undone that `check_back` has passed."""
        undo, tr = self.ways[operation], self.tracker
        later = self._later(operation)
        rows = [track for track in undo.rows if not _handed_on(track, later)]
        made = [row for row in map(tr.table.row_of, undo.remove) if row >= 0]
        del self.ways[operation]
        tr.house.end(np.array(made, np.int64), tr.clock_us or 0, "undone")
        for track in rows:
            self._put_back(track, undo.after_us.get(int(track["uid"])))
        for key, before in undo.before.items():
            over = next((way for way in later if key in way.before), None)
            if over is None:
                self.put(key, before)
            else:
                over.before[key] = before
        for track in rows:
            row, uid = tr.table.row_of(int(track["uid"])), int(track["uid"])
            if row >= 0:  # the record's own word of what was said may be older than what is said now
                tr.table.life.pin[row] &= ~PIN_CLAIM
                tr.table.life.pin[row] |= PIN_CLAIM if uid in self.said else 0
                tr.table.life.claim[row] = tr.book.newest.get(int(tr.table.life.mmsi[row]), 0)
        tr.house.give_claims()
        tr.forget_candidates()

    def _put_back(self, track: Any, after_us: int | None) -> None:
        """A row as it was; one that has been fed since keeps its estimate and goes back in who it is."""
        tr = self.tracker
        table, row = tr.table, tr.table.row_of(int(track["uid"]))
        fed = row >= 0 and after_us is not None and int(table.kin.t_us[row]) > after_us
        back = table.tracks[row].copy() if fed else track
        if fed:
            take_identity(back, track)
        if row >= 0:
            unbind(table.keys, table.tracks, row)
        else:
            numbers = int(table.ctl[CTL_NEXT_UID])
            row = int(take_row(table.tracks, table.ctl, table.free, 0))
            table.ctl[CTL_NEXT_UID] = numbers  # it brings its own
        table.tracks[row] = back
        if not fed:
            table.forget(row)
        mmsi = int(track["mmsi"])
        table.life.mmsi[row], table.life.next_row[row] = 0, -1
        if mmsi:
            bind(table.keys, table.tracks, table.ctl, row, mmsi)

    # -- checkpoint

    def arrays(self) -> dict[str, Any]:
        """Rows kept for undoing, for a checkpoint."""
        kept = [track for undo in self.ways.values() for track in undo.rows]
        tracks = np.zeros(len(kept), self.tracker.table.tracks.dtype)
        for k, track in enumerate(kept):
            tracks[k] = track
        return {"undo.tracks": tracks}

    def meta(self) -> dict[str, Any]:
        """Everything else, for a checkpoint."""
        return {
            "said": list(self.said.items()),
            "aliases": list(self.aliases.items()),
            "dropped": sorted(self.dropped),
            "ways": [
                [
                    k,
                    len(u.rows),
                    {
                        "remove": u.remove,
                        "before": [[*key, was] for key, was in u.before.items()],
                        "after_us": list(u.after_us.items()),
                    },
                ]
                for k, u in self.ways.items()
            ],
        }

    def restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Take the state back; a way back as an older version wrote it is lost."""
        self.said = {int(k): v for k, v in meta["said"]}
        self.aliases = {int(k): int(v) for k, v in meta["aliases"]}
        self.dropped = set(meta["dropped"])
        at = 0
        for operation, count, plain in meta["ways"]:
            rows = [arrays["undo.tracks"][k].copy() for k in range(at, at + count)]
            at += count
            if "before" in plain:
                before = {tuple(key): was for *key, was in plain["before"]}
                self.ways[int(operation)] = Undo(rows, plain["remove"], before, dict(plain["after_us"]))


def take_identity(into: Any, track: Any) -> None:
    """Give a track record who another one is; of the same MMSI more may be known by now."""
    for name in IDENTITY if into["mmsi"] != track["mmsi"] else ("pin",):
        into[name] = track[name]


def _handed_on(track: Any, later: Iterable[Undo]) -> bool:
    """True when a later action changed the row too: that one goes back to who it was before both."""
    for way in later:
        for other in way.rows:
            if other["uid"] == track["uid"]:
                take_identity(other, track)
                return True
    return False
