"""What a watch officer does to tracks: attributed, sticky, undoable.

What enters: an action by name with its arguments, who did it and when. What leaves: the tracks changed, and a record
of the action. Automation never undoes one: names and classes given by a person stay with the track, and with its
MMSI; tracks told apart are never merged again; an MMSI taken from a track is not given back to it; two MMSIs that
were merged are one ship; and a ship that was dropped begins no track. What an undo needs is kept as data, so that it
can be undone after a restart too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.errors import InputError, NotFound
from kuroshio.picture import journal
from kuroshio.picture.identity import Obs
from kuroshio.picture.model import AIS
from kuroshio.picture.seen import only_kind
from kuroshio.picture.table import CTL_FREE, bind, take_row, unbind
from kuroshio.picture.undo import PIN_CLAIM, PIN_IDENTITY, Undo, Words

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

ACTIONS = ("merge", "split", "correlate", "decorrelate", "name", "classify", "drop", "undo")
RECORDS_MAX = 10_000
UNDO_MAX = 500  # newest operations that can be undone: each keeps the rows it changed, 3 kB a row
SAID_MAX = 80
# An action: it checks its arguments, yields once, then changes tracks and gives (track numbers touched, how to undo it)
Steps = Generator[None, None, tuple[list[int], Undo | None]]


class Desk:
    """The watch officer's desk: actions on a tracker, and their records."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.records: list[dict[str, Any]] = []
        self.words = Words(tracker)

    def act(
        self,
        action: str,
        arguments: dict[str, Any],
        by: str,
        now_us: int,
        keep: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Record of an action done; ``keep`` is called once it is known to fit, before anything is changed.

        Raises
        ------
        InputError
            On an unknown action or arguments that do not fit it.
        NotFound
            When a track does not exist.
        """
        if action not in ACTIONS:
            raise InputError(f"no action {action!r}; there are {', '.join(ACTIONS)}", code="operate.action")
        if not isinstance(arguments, dict):
            raise InputError(f"arguments of {action}: {arguments!r} is no object", code="operate.argument")
        record: dict[str, Any] = {
            "operation": self.records[-1]["operation"] + 1 if self.records else 1,
            "action": action,
            "arguments": arguments,
            "by": by,
            "at_us": int(now_us),
            "undone_by": None,
        }
        table = self.tracker.table
        self.tracker.room(4)
        steps: Steps = getattr(self, "_reverse" if action == "undo" else f"_{action}")(arguments, int(now_us))
        next(steps)
        if keep is not None:
            keep()
        ids, undo = _rest(steps)
        self.records.append(record)
        del self.records[:-RECORDS_MAX]
        record["track_ids"] = ids
        if action == "undo":
            self._find(int(arguments["operation"]))["undone_by"] = record["operation"]
        elif undo is not None:
            changed = [int(track["uid"]) for track in undo.rows]
            undo.after_us = {u: int(table.kin.t_us[r]) for u in changed if (r := table.row_of(u)) >= 0}
            self.words.ways[record["operation"]] = undo
            while len(self.words.ways) > UNDO_MAX:
                self.words.ways.pop(next(iter(self.words.ways)))
        if self.tracker.house.claims_changed:
            self.tracker.house.give_claims()
        for uid in ids:
            self._event(now_us, uid, record["operation"])
        rows = [r for r in (table.row_of(u) for u in ids) if r >= 0]
        self._show(rows, now_us)
        return record

    def admit(self, obs: Obs) -> tuple[Obs, int]:
        """(observations under the names an operator gave them, number of those of ships that were dropped)."""
        words = self.words
        if words.aliases:
            at = np.flatnonzero(np.isin(obs["mmsi"], list(words.aliases)))
            obs["mmsi"][at] = [words.ship_of(int(m)) for m in obs["mmsi"][at]]
        if not words.dropped:
            return obs, 0
        keep = ~np.isin(obs["mmsi"], list(words.dropped))
        return obs[keep], int(np.count_nonzero(~keep))

    def refresh(self) -> None:
        """Give what was said of tracks to their claims again, over what their ships say now."""
        if not self.words.said:
            return
        tr = self.tracker
        life, rows = tr.table.life, tr.table.live
        for row in rows[np.isin(life.uid[rows], list(self.words.said))].tolist():
            base = tr.book.newest.get(int(life.mmsi[row]), 0)
            values = self.words.said[int(life.uid[row])]
            life.claim[row] = tr.book.override(base, int(life.claim[row]), **values)
            life.pin[row] |= PIN_CLAIM

    def joined(self, older: int, younger: int, undo: Undo | None = None) -> None:
        """Let what was said of a track hold for the one (numbers of both) that takes it over; that one's own first."""
        words, tr = self.words, self.tracker
        if not (words.said or len(tr.forbidden) or tr.house.merging.apart):
            return
        undo = undo or Undo()
        for name, value in words.said.get(younger, {}).items():
            if words.get((name, "uid", older)) is None:
                words.change(undo, (name, "uid", older), value)
        row = tr.table.row_of(older)
        mmsi = int(tr.table.life.mmsi[row])
        for barred in tr.forbidden[tr.forbidden[:, 0] == younger, 1].tolist():
            if barred != mmsi:
                words.change(undo, ("forbidden", older, barred), True)
        for pair in [p for p in tr.house.merging.apart if younger in p and older not in p]:
            (other,) = set(pair) - {younger}
            words.change(undo, ("apart", *sorted((older, other))), True)

    # -- actions, each a generator as `Steps` says

    def _merge(self, arguments: dict[str, Any], now_us: int) -> Steps:
        a, b = self._rows(arguments, 2)
        tr, words = self.tracker, self.words
        life = tr.table.life
        if life.exercise[a] != life.exercise[b]:
            raise InputError("merge: one of the tracks is of an exercise, the other is real", code="operate.exercise")
        yield
        older, younger = (a, b) if life.uid[a] < life.uid[b] else (b, a)
        pair = int(life.uid[older]), int(life.uid[younger])
        undo = Undo([self._copy(older), self._copy(younger)])
        words.change(undo, ("apart", *pair), None)
        undo.before["apart", *pair] = True  # undone, they are known to be two
        first, second = int(life.mmsi[older]), int(life.mmsi[younger])
        for mmsi in {first, second} - {0}:
            for uid in pair:
                self._allow(undo, uid, mmsi)
        tr.house.join(older, younger, now_us, undo)
        tr.table.life.pin[older] |= PIN_IDENTITY
        if first and second and first != second:
            if words.ship_of(first) == second:
                words.change(undo, ("alias", first), None)
            words.change(undo, ("alias", second), first)
            for name, value in tr.book.fixed.get(second, {}).items():
                if words.get((name, "mmsi", first)) is None:
                    words.change(undo, (name, "mmsi", first), value)
        return list(pair), undo

    def _split(self, arguments: dict[str, Any], now_us: int) -> Steps:
        """Give the AIS identity of a track a track of its own; the old one keeps what radar holds."""
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life, kin = tr.table.life, tr.table.kin
        mmsi = int(life.mmsi[row])
        if not mmsi:
            raise InputError("split: the track carries no MMSI to split off", code="operate.split")
        if int(tr.table.ctl[CTL_FREE]) == 0:
            raise InputError("split: no room for another track", code="operate.full")
        yield
        undo = Undo([self._copy(row)])
        new = int(take_row(tr.table.tracks, tr.table.ctl, tr.table.free, now_us))
        uid, fresh = int(life.uid[row]), int(life.uid[new])
        for column in kin:
            column[new] = column[row]
        for name in ("ais", "ais_v", "claim", "fit", "heading", "nav", "gap_s", "exercise", "identity"):
            getattr(life, name)[new] = getattr(life, name)[row]
        life.seen[new], life.sources[new] = only_kind(life.seen[row], AIS)
        life.fed[new, AIS] = life.fed[row, AIS]
        life.hits[new], life.status[new], life.shown[new] = life.fed[row, 0], 2, 1
        tr.table.forget(new)
        self._take_identity(row, uid, mmsi, undo)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, new, mmsi)
        undo.remove = [fresh]
        self.words.change(undo, ("apart", uid, fresh), True)
        tr.house.claims_changed = True
        return [uid, fresh], undo

    def _correlate(self, arguments: dict[str, Any], now_us: int) -> Steps:
        """Two tracks are one ship; or an MMSI belongs to a track, whatever was said of that MMSI before."""
        if len(_track_ids(arguments)) == 2:
            return (yield from self._merge(arguments, now_us))
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life = tr.table.life
        mmsi, uid = _integer(arguments, "mmsi"), int(life.uid[row])
        if not 0 < mmsi < 1_000_000_000:
            raise InputError(f"mmsi {mmsi} is not an MMSI", code="operate.argument")
        yield
        undo = Undo([self._copy(row)])
        self._allow(undo, uid, mmsi)
        self.words.change(undo, ("alias", mmsi), None)
        self.words.change(undo, ("dropped", mmsi), None)
        unbind(tr.table.keys, tr.table.tracks, row)
        tr.table.reserve(1)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, row, mmsi)
        life = tr.table.life
        life.identity[row] = 7.0
        life.pin[row] |= PIN_IDENTITY
        tr.house.claims_changed = True
        return [uid], undo

    def _decorrelate(self, arguments: dict[str, Any], now_us: int) -> Steps:
        """Two tracks are not one ship; or a track is not of its MMSI."""
        undo = Undo()
        if len(_track_ids(arguments)) == 2:
            a, b = sorted(int(self.tracker.table.life.uid[r]) for r in self._rows(arguments, 2))
            yield
            self.words.change(undo, ("apart", a, b), True)
            return [a, b], undo
        (row,) = self._rows(arguments, 1)
        life = self.tracker.table.life
        mmsi, uid = int(life.mmsi[row]), int(life.uid[row])
        if not mmsi:
            raise InputError(f"decorrelate: track {uid} carries no MMSI", code="operate.decorrelate")
        yield
        undo.rows.append(self._copy(row))
        self._take_identity(row, uid, mmsi, undo)
        return [uid], undo

    def _name(self, arguments: dict[str, Any], now_us: int) -> Steps:
        name = arguments.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > SAID_MAX:
            raise InputError(f"name: {name!r} is not a name of 1 to {SAID_MAX} characters", code="operate.name")
        return (yield from self._say(arguments, "name", name.strip()))

    def _classify(self, arguments: dict[str, Any], now_us: int) -> Steps:
        kind = _integer(arguments, "ship_type")
        if not 0 <= kind <= 255:
            raise InputError(f"ship_type {kind} is not 0 to 255", code="operate.classify")
        return (yield from self._say(arguments, "ship_type", kind))

    def _drop(self, arguments: dict[str, Any], now_us: int) -> Steps:
        (row,) = self._rows(arguments, 1)
        life = self.tracker.table.life
        yield
        uid, mmsi = int(life.uid[row]), int(life.mmsi[row])
        undo = Undo([self._copy(row)])
        self.tracker.house.end(np.array([row]), now_us, "dropped")
        if mmsi:
            self.words.change(undo, ("dropped", mmsi), True)
        return [uid], undo

    def _reverse(self, arguments: dict[str, Any], now_us: int) -> Steps:
        """Undo an operation."""
        record = self._find(_integer(arguments, "operation"))
        if record["undone_by"] is not None:
            raise InputError(f"operation {record['operation']} is undone already", code="operate.undone")
        if record["operation"] not in self.words.ways:
            raise InputError(
                f"operation {record['operation']} cannot be undone: it is an undo, or older than the last {UNDO_MAX}",
                code="operate.undo_lost",
            )
        self.words.check_back(record["operation"])
        yield
        self.words.go_back(record["operation"])
        return list(record["track_ids"]), None

    # -- parts

    def _say(self, arguments: dict[str, Any], what: str, value: Any) -> Steps:
        (row,) = self._rows(arguments, 1)
        yield
        life, undo = self.tracker.table.life, Undo()
        uid, mmsi = int(life.uid[row]), int(life.mmsi[row])
        self.words.change(undo, (what, "mmsi", mmsi) if mmsi else (what, "uid", uid), value)
        return [uid], undo

    def _allow(self, undo: Undo, uid: int, mmsi: int) -> None:
        """An MMSI may belong to a track again."""
        if self.words.get(("forbidden", uid, mmsi)):
            self.words.change(undo, ("forbidden", uid, mmsi), None)

    def _take_identity(self, row: int, uid: int, mmsi: int, undo: Undo) -> None:
        tr = self.tracker
        life = tr.table.life
        unbind(tr.table.keys, tr.table.tracks, row)
        life.claim[row] = 0 if uid not in self.words.said else life.claim[row]
        life.identity[row], life.gap_s[row] = 0.0, 0.0
        life.fit[row] = np.nan
        life.pin[row] &= ~PIN_IDENTITY
        self.words.change(undo, ("forbidden", uid, mmsi), True)
        tr.forget_candidates()

    def _rows(self, arguments: dict[str, Any], count: int) -> list[int]:
        ids = _track_ids(arguments)
        if len(set(ids)) != count or len(ids) != count:
            raise InputError(f"track_ids {ids!r}: this action takes {count}", code="operate.track_ids")
        rows = [self.tracker.table.row_of(i) for i in ids]
        for i, row in zip(ids, rows, strict=True):
            if row < 0:
                raise NotFound(f"no live track {i}", code="operate.track")
        return rows

    def _find(self, operation: int) -> dict[str, Any]:
        for record in self.records:
            if record["operation"] == operation:
                return record
        raise NotFound(f"no operation {operation}", code="operate.operation")

    def _copy(self, row: int) -> Any:
        return self.tracker.table.tracks[row].copy()

    # -- checkpoint

    def arrays(self) -> dict[str, Any]:
        """Rows kept for undoing, for a checkpoint."""
        return self.words.arrays()

    def meta(self) -> dict[str, Any]:
        """Everything else, for a checkpoint."""
        return {"records": self.records, **self.words.meta()}

    def restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Take the state back."""
        self.records = meta["records"]
        self.words.restore(meta, arrays)

    def _event(self, now_us: int, uid: int, operation: int) -> None:
        tr = self.tracker
        tr.log = journal.ensure(tr.log, tr.table.ctl, 8, 8)
        journal.write_event(tr.log, tr.table.ctl, now_us, uid, journal.EV_OPERATOR, operation, 0)

    def _show(self, rows: list[int], now_us: int) -> None:
        tr = self.tracker
        tr.forget_candidates()
        if rows:
            at = np.array(rows)
            tr.table.life.shown[at] = 1
            tr.house.lines(at, max(now_us, int(tr.table.kin.t_us[at].max())), 0, np.zeros(len(at), np.int64))


def _rest(steps: Steps) -> tuple[list[int], Undo | None]:
    """What an action gives that has been checked, once it is done."""
    try:
        next(steps)
    except StopIteration as done:
        ids, undo = done.value
        return ids, undo
    raise AssertionError("an action yields once")


def _integer(arguments: dict[str, Any], name: str) -> int:
    try:
        return int(arguments[name])
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise InputError(f"{name}: an integer is needed, not {arguments.get(name)!r}", code="operate.argument") from err


def _track_ids(arguments: dict[str, Any]) -> list[int]:
    """Track numbers of an action's arguments."""
    ids = arguments.get("track_ids", [arguments["track_id"]] if "track_id" in arguments else [])
    if not isinstance(ids, list | tuple) or any(isinstance(i, bool | float) for i in ids):
        raise InputError(f"track_ids {ids!r}: a list of track numbers is needed", code="operate.track_ids")
    try:
        return [int(i) for i in ids]
    except (TypeError, ValueError) as err:
        raise InputError(f"track_ids {ids!r}: a list of track numbers is needed", code="operate.track_ids") from err
