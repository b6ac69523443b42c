"""What a watch officer does to tracks: attributed, sticky, undoable.

What enters: an action by name with its arguments, who did it and when. What leaves: the tracks changed, and a record
of the action. Automation never undoes one: names and identities given by a person stay, tracks told apart are never
merged again, and an MMSI taken from a track is not given back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.errors import InputError, NotFound
from kuroshio.picture import journal, late
from kuroshio.picture.table import bind, take_row, unbind

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

ACTIONS = ("merge", "split", "correlate", "decorrelate", "name", "classify", "drop", "undo")
PIN_IDENTITY, PIN_CLAIM = 1, 2
RECORDS_MAX = 10_000


class Desk:
    """The watch officer's desk: actions on a tracker, and their records."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.records: list[dict[str, Any]] = []
        self._ways: dict[int, Any] = {}

    def act(self, action: str, arguments: dict[str, Any], by: str, now_us: int) -> dict[str, Any]:
        """Record of an action done.

        Raises
        ------
        InputError
            On an unknown action or arguments that do not fit it.
        NotFound
            When a track does not exist.
        """
        if action not in ACTIONS:
            raise InputError(f"no action {action!r}; there are {', '.join(ACTIONS)}", code="operate.action")
        record: dict[str, Any] = {
            "operation": self.records[-1]["operation"] + 1 if self.records else 1,
            "action": action,
            "arguments": arguments,
            "by": by,
            "at_us": int(now_us),
            "undone_by": None,
        }
        self.tracker.room(4)
        ids, undo = getattr(self, "_reverse" if action == "undo" else f"_{action}")(arguments, int(now_us))
        self.records.append(record)
        del self.records[:-RECORDS_MAX]
        record["track_ids"] = ids
        if action == "undo":
            self._find(int(arguments["operation"]))["undone_by"] = record["operation"]
        elif undo is not None:
            self._ways[record["operation"]] = undo
            while len(self._ways) > RECORDS_MAX:
                self._ways.pop(next(iter(self._ways)))
        for uid in ids:
            self._event(now_us, uid, record["operation"])
        rows = [r for r in (self.tracker.table.row_of(u) for u in ids) if r >= 0]
        self._show(rows, now_us)
        return record

    # -- actions: each gives (track numbers touched, how to undo it)

    def _merge(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        a, b = self._rows(arguments, 2)
        life = self.tracker.table.life
        older, younger = (a, b) if life.uid[a] < life.uid[b] else (b, a)
        ids = [int(life.uid[older]), int(life.uid[younger])]
        self.tracker.house.merging.apart.discard((ids[0], ids[1]))
        saved = [self._copy(older), self._copy(younger)]
        self.tracker.house.join(older, younger, now_us)
        return ids, lambda: self._put_back(saved, apart=True)

    def _split(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        """Give the AIS identity of a track a track of its own; the old one keeps what radar holds."""
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life, kin = tr.table.life, tr.table.kin
        mmsi = int(life.mmsi[row])
        if not mmsi:
            raise InputError("split: the track carries no MMSI to split off", code="operate.split")
        saved = [self._copy(row)]
        new = int(take_row(tr.table.tracks, tr.table.ring, tr.table.ctl, tr.table.free, now_us))
        if new < 0:
            raise InputError("split: no room for another track", code="operate.full")
        uid, fresh = int(life.uid[row]), int(life.uid[new])
        for column in kin:
            column[new] = column[row]
        for name in ("ais", "claim", "fit", "heading", "nav", "gap_s", "exercise", "identity"):
            getattr(life, name)[new] = getattr(life, name)[row]
        life.last_seen_us[new, 0], life.fed[new, 0] = life.last_seen_us[row, 0], life.fed[row, 0]
        life.hits[new], life.status[new], life.shown[new] = life.fed[row, 0], 2, 1
        late.seed(tr.table.tracks, tr.table.ring, new, tr.scratch[0])
        self._take_identity(row, uid, mmsi)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, new, mmsi)
        tr.house.merging.apart.add((uid, fresh))
        return [uid, fresh], lambda: self._put_back(saved, remove=[fresh])

    def _correlate(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        """Two tracks are one ship; or an MMSI belongs to a track."""
        if len(arguments.get("track_ids", ())) == 2:
            return self._merge(arguments, now_us)
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life = tr.table.life
        mmsi, uid = _integer(arguments, "mmsi"), int(life.uid[row])
        saved = [self._copy(row)]
        keep = (tr.forbidden[:, 0] != uid) | (tr.forbidden[:, 1] != mmsi)
        tr.forbidden = np.ascontiguousarray(tr.forbidden[keep])
        unbind(tr.table.keys, tr.table.tracks, row)
        tr.table.reserve(1)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, row, mmsi)
        life.identity[row] = 7.0
        life.pin[row] |= PIN_IDENTITY
        tr.house.claims_changed = True
        return [uid], lambda: self._put_back(saved)

    def _decorrelate(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        """Two tracks are not one ship; or a track is not of its MMSI."""
        if len(arguments.get("track_ids", ())) == 2:
            a, b = sorted(int(i) for i in arguments["track_ids"])
            if self.tracker.table.row_of(a) < 0:
                raise NotFound(f"no live track {a}", code="operate.track")
            self.tracker.house.merging.apart.add((a, b))
            return [a, b], lambda: self.tracker.house.merging.apart.discard((a, b))
        (row,) = self._rows(arguments, 1)
        life = self.tracker.table.life
        mmsi, uid = int(life.mmsi[row]), int(life.uid[row])
        if not mmsi:
            raise InputError(f"decorrelate: track {uid} carries no MMSI", code="operate.decorrelate")
        saved = [self._copy(row)]
        self._take_identity(row, uid, mmsi)
        return [uid], lambda: self._put_back(saved)

    def _name(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        name = arguments.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > 80:
            raise InputError(f"name: {name!r} is not a name of 1 to 80 characters", code="operate.name")
        return self._claim(arguments, name=name.strip())

    def _classify(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        kind = _integer(arguments, "ship_type")
        if not 0 <= kind <= 255:
            raise InputError(f"ship_type {kind} is not 0 to 255", code="operate.classify")
        return self._claim(arguments, ship_type=kind)

    def _drop(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        (row,) = self._rows(arguments, 1)
        saved, uid = [self._copy(row)], int(self.tracker.table.life.uid[row])
        self.tracker.house.end(np.array([row]), now_us, "dropped")
        return [uid], lambda: self._put_back(saved)

    def _reverse(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Any]:
        """Undo an operation."""
        record = self._find(_integer(arguments, "operation"))
        if record["undone_by"] is not None:
            raise InputError(f"operation {record['operation']} is undone already", code="operate.undone")
        if record["operation"] not in self._ways:
            raise InputError(
                f"operation {record['operation']} cannot be undone: done before the last start, or an undo itself",
                code="operate.undo_lost",
            )
        self._ways.pop(record["operation"])()
        return list(record["track_ids"]), None

    # -- parts

    def _claim(self, arguments: dict[str, Any], **values: Any) -> tuple[list[int], Any]:
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life = tr.table.life
        old, pin = int(life.claim[row]), int(life.pin[row])
        life.claim[row] = tr.book.override(old, **values)
        life.pin[row] |= PIN_CLAIM
        uid = int(life.uid[row])

        def undo() -> None:
            at = tr.table.row_of(uid)
            if at >= 0:
                life = tr.table.life
                life.claim[at], life.pin[at] = old, pin
                tr.house.claims_changed = True

        return [uid], undo

    def _take_identity(self, row: int, uid: int, mmsi: int) -> None:
        tr = self.tracker
        life = tr.table.life
        unbind(tr.table.keys, tr.table.tracks, row)
        life.claim[row], life.identity[row], life.gap_s[row] = 0, 0.0, 0.0
        life.fit[row] = np.nan
        life.pin[row] &= ~PIN_IDENTITY
        tr.forbidden = np.vstack([tr.forbidden, [[uid, mmsi]]]).astype(np.int64)
        tr.forget_candidates()

    def _rows(self, arguments: dict[str, Any], count: int) -> list[int]:
        ids = arguments.get("track_ids", [arguments["track_id"]] if "track_id" in arguments else [])
        if not isinstance(ids, list | tuple) or len(ids) != count or len({int(i) for i in ids}) != count:
            raise InputError(f"track_ids {ids!r}: this action takes {count}", code="operate.track_ids")
        rows = [self.tracker.table.row_of(int(i)) for i in ids]
        for i, row in zip(ids, rows, strict=True):
            if row < 0:
                raise NotFound(f"no live track {i}", code="operate.track")
        return rows

    def _find(self, operation: int) -> dict[str, Any]:
        for record in self.records:
            if record["operation"] == operation:
                return record
        raise NotFound(f"no operation {operation}", code="operate.operation")

    def _copy(self, row: int) -> dict[str, Any]:
        table = self.tracker.table
        return {"track": table.tracks[row].copy(), "ring": table.ring[row].copy()}

    def _put_back(self, saved: list[dict[str, Any]], *, apart: bool = False, remove: list[int] | None = None) -> None:
        """Rows as they were, under their own numbers; later reports come to them again."""
        tr = self.tracker
        for uid in remove or []:
            row = tr.table.row_of(uid)
            if row >= 0:
                tr.house.end(np.array([row]), tr.clock_us or 0, "undone")
        ids = []
        for copy in saved:
            uid = int(copy["track"]["uid"])
            ids.append(uid)
            row = tr.table.row_of(uid)
            if row < 0:
                tr.room(1)
                row = int(take_row(tr.table.tracks, tr.table.ring, tr.table.ctl, tr.table.free, 0))
            else:
                unbind(tr.table.keys, tr.table.tracks, row)
            table = tr.table
            table.tracks[row], table.ring[row] = copy["track"], copy["ring"]
            mmsi = int(table.life.mmsi[row])
            table.life.mmsi[row], table.life.next_row[row] = 0, -1
            if mmsi:
                tr.forbidden = np.ascontiguousarray(tr.forbidden[tr.forbidden[:, 0] != uid])
                bind(table.keys, table.tracks, table.ctl, row, mmsi)
        if apart and len(ids) == 2:
            tr.house.merging.apart.add((min(ids), max(ids)))
        tr.forget_candidates()

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


def _integer(arguments: dict[str, Any], name: str) -> int:
    try:
        return int(arguments[name])
    except (KeyError, TypeError, ValueError) as err:
        raise InputError(f"{name}: an integer is needed, not {arguments.get(name)!r}", code="operate.argument") from err
