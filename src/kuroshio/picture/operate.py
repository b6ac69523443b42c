"""What a watch officer does to tracks: attributed, sticky, undoable.

What enters: an action by name with its arguments, who did it and when. What leaves: the tracks changed, and a record
of the action. Automation never undoes one: names and classes given by a person stay with the track, and with its
MMSI; tracks told apart are never merged again; an MMSI taken from a track is not given back to it; two MMSIs that
were merged are one ship; and a ship that was dropped begins no track. What an undo needs is kept as data, so that it
can be undone after a restart too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.errors import InputError, NotFound
from kuroshio.picture import journal
from kuroshio.picture.identity import Obs
from kuroshio.picture.model import AIS
from kuroshio.picture.seen import only_kind
from kuroshio.picture.table import CTL_NEXT_UID, bind, take_row, unbind

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

ACTIONS = ("merge", "split", "correlate", "decorrelate", "name", "classify", "drop", "undo")
PIN_IDENTITY, PIN_CLAIM = 1, 2
RECORDS_MAX = 10_000
UNDO_MAX = 500  # newest operations that can be undone: each keeps the rows it changed, 3 kB a row
SAID_MAX = 80


@dataclass
class Undo:
    """What brings back the state before an operation: rows as they were, and what the desk had said.

    Parameters
    ----------
    rows
        Track records of rows to put back.
    remove
        Tracks the operation made.
    apart, together
        Pair to keep apart from now on, or no longer.
    said
        Whose words ("uid" or "mmsi"), the number, and what had been said before.
    alias, dropped
        MMSI that is a ship of its own again, or tracked again.
    """

    rows: list[tuple[Any, Any]] = field(default_factory=list)
    remove: list[int] = field(default_factory=list)
    apart: tuple[int, int] | None = None
    together: tuple[int, int] | None = None
    said: list[Any] | None = None
    alias: int | None = None
    dropped: int | None = None


class Desk:
    """The watch officer's desk: actions on a tracker, and their records."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.records: list[dict[str, Any]] = []
        self.ways: dict[int, Undo] = {}
        self.said: dict[int, dict[str, Any]] = {}  # by track, for tracks without an MMSI
        self.aliases: dict[int, int] = {}  # MMSI -> the MMSI of the ship that an operator merged it into
        self.dropped: set[int] = set()

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
            self.ways[record["operation"]] = undo
            while len(self.ways) > UNDO_MAX:
                self.ways.pop(next(iter(self.ways)))
        for uid in ids:
            self._event(now_us, uid, record["operation"])
        rows = [r for r in (self.tracker.table.row_of(u) for u in ids) if r >= 0]
        self._show(rows, now_us)
        return record

    def admit(self, obs: Obs) -> tuple[Obs, int]:
        """(observations under the names an operator gave them, number of those of ships that were dropped)."""
        if self.aliases:
            at = np.flatnonzero(np.isin(obs["mmsi"], list(self.aliases)))
            obs["mmsi"][at] = [self.aliases[int(m)] for m in obs["mmsi"][at]]
        if not self.dropped:
            return obs, 0
        keep = ~np.isin(obs["mmsi"], list(self.dropped))
        return obs[keep], int(np.count_nonzero(~keep))

    def refresh(self) -> None:
        """Give what was said of tracks to their claims again, over what their ships say now."""
        tr = self.tracker
        for uid, values in list(self.said.items()):
            row = tr.table.row_of(uid)
            if row < 0:
                continue
            mmsi = int(tr.table.life.mmsi[row])
            base = tr.book.newest.get(mmsi, 0)
            tr.table.life.claim[row] = tr.book.override(base, int(tr.table.life.claim[row]), **values)

    # -- actions: each gives (track numbers touched, how to undo it)

    def _merge(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        a, b = self._rows(arguments, 2)
        tr = self.tracker
        life = tr.table.life
        older, younger = (a, b) if life.uid[a] < life.uid[b] else (b, a)
        pair = int(life.uid[older]), int(life.uid[younger])
        tr.house.merging.apart.discard(pair)
        undo = Undo([self._copy(older), self._copy(younger)], apart=pair)
        first, second = int(life.mmsi[older]), int(life.mmsi[younger])
        if pair[1] in self.said and pair[0] not in self.said:
            self.said[pair[0]] = self.said[pair[1]]
        tr.house.join(older, younger, now_us)
        life = tr.table.life
        life.pin[older] |= PIN_IDENTITY
        if first and second and first != second:
            self.aliases[second], undo.alias = first, second
        return list(pair), undo

    def _split(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        """Give the AIS identity of a track a track of its own; the old one keeps what radar holds."""
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life, kin = tr.table.life, tr.table.kin
        mmsi = int(life.mmsi[row])
        if not mmsi:
            raise InputError("split: the track carries no MMSI to split off", code="operate.split")
        undo = Undo([self._copy(row)])
        new = int(take_row(tr.table.tracks, tr.table.ctl, tr.table.free, now_us))
        if new < 0:
            raise InputError("split: no room for another track", code="operate.full")
        uid, fresh = int(life.uid[row]), int(life.uid[new])
        for column in kin:
            column[new] = column[row]
        for name in ("ais", "ais_v", "claim", "fit", "heading", "nav", "gap_s", "exercise", "identity"):
            getattr(life, name)[new] = getattr(life, name)[row]
        life.seen[new], life.sources[new] = only_kind(life.seen[row], AIS)
        life.fed[new, AIS] = life.fed[row, AIS]
        life.hits[new], life.status[new], life.shown[new] = life.fed[row, 0], 2, 1
        tr.table.forget(new)
        self._take_identity(row, uid, mmsi)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, new, mmsi)
        tr.house.merging.apart.add((uid, fresh))
        undo.remove, undo.together = [fresh], (uid, fresh)
        return [uid, fresh], undo

    def _correlate(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        """Two tracks are one ship; or an MMSI belongs to a track."""
        if len(arguments.get("track_ids", ())) == 2:
            return self._merge(arguments, now_us)
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        life = tr.table.life
        mmsi, uid = _integer(arguments, "mmsi"), int(life.uid[row])
        if not 0 < mmsi < 1_000_000_000:
            raise InputError(f"mmsi {mmsi} is not an MMSI", code="operate.argument")
        undo = Undo([self._copy(row)])
        keep = (tr.forbidden[:, 0] != uid) | (tr.forbidden[:, 1] != mmsi)
        tr.forbidden = np.ascontiguousarray(tr.forbidden[keep])
        unbind(tr.table.keys, tr.table.tracks, row)
        tr.table.reserve(1)
        bind(tr.table.keys, tr.table.tracks, tr.table.ctl, row, mmsi)
        life.identity[row] = 7.0
        life.pin[row] |= PIN_IDENTITY
        tr.house.claims_changed = True
        return [uid], undo

    def _decorrelate(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        """Two tracks are not one ship; or a track is not of its MMSI."""
        if len(arguments.get("track_ids", ())) == 2:
            a, b = sorted(int(self.tracker.table.life.uid[r]) for r in self._rows(arguments, 2))
            self.tracker.house.merging.apart.add((a, b))
            return [a, b], Undo(together=(a, b))
        (row,) = self._rows(arguments, 1)
        life = self.tracker.table.life
        mmsi, uid = int(life.mmsi[row]), int(life.uid[row])
        if not mmsi:
            raise InputError(f"decorrelate: track {uid} carries no MMSI", code="operate.decorrelate")
        undo = Undo([self._copy(row)])
        self._take_identity(row, uid, mmsi)
        return [uid], undo

    def _name(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        name = arguments.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > SAID_MAX:
            raise InputError(f"name: {name!r} is not a name of 1 to {SAID_MAX} characters", code="operate.name")
        return self._say(arguments, name=name.strip())

    def _classify(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        kind = _integer(arguments, "ship_type")
        if not 0 <= kind <= 255:
            raise InputError(f"ship_type {kind} is not 0 to 255", code="operate.classify")
        return self._say(arguments, ship_type=kind)

    def _drop(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], Undo]:
        (row,) = self._rows(arguments, 1)
        life = self.tracker.table.life
        uid, mmsi = int(life.uid[row]), int(life.mmsi[row])
        undo = Undo([self._copy(row)], dropped=mmsi or None)
        self.tracker.house.end(np.array([row]), now_us, "dropped")
        if mmsi:
            self.dropped.add(mmsi)
        return [uid], undo

    def _reverse(self, arguments: dict[str, Any], now_us: int) -> tuple[list[int], None]:
        """Undo an operation."""
        record = self._find(_integer(arguments, "operation"))
        if record["undone_by"] is not None:
            raise InputError(f"operation {record['operation']} is undone already", code="operate.undone")
        if record["operation"] not in self.ways:
            raise InputError(
                f"operation {record['operation']} cannot be undone: it is an undo, or older than the last {UNDO_MAX}",
                code="operate.undo_lost",
            )
        self._go_back(self.ways.pop(record["operation"]))
        return list(record["track_ids"]), None

    # -- parts

    def _say(self, arguments: dict[str, Any], **values: Any) -> tuple[list[int], Undo]:
        (row,) = self._rows(arguments, 1)
        tr = self.tracker
        uid, mmsi = int(tr.table.life.uid[row]), int(tr.table.life.mmsi[row])
        undo = Undo(said=["mmsi", mmsi, tr.book.fixed.get(mmsi)] if mmsi else ["uid", uid, self.said.get(uid)])
        if mmsi:
            tr.book.fix(mmsi, {**tr.book.fixed.get(mmsi, {}), **values})
        else:
            self.said[uid] = {**self.said.get(uid, {}), **values}
            tr.table.life.pin[row] |= PIN_CLAIM
        tr.house.give_claims()
        return [uid], undo

    def _take_identity(self, row: int, uid: int, mmsi: int) -> None:
        tr = self.tracker
        life = tr.table.life
        unbind(tr.table.keys, tr.table.tracks, row)
        life.claim[row] = 0 if uid not in self.said else life.claim[row]
        life.identity[row], life.gap_s[row] = 0.0, 0.0
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

    def _copy(self, row: int) -> Any:
        return self.tracker.table.tracks[row].copy()

    def _go_back(self, undo: Undo) -> None:
        """Rows as they were, under their own numbers, and what had been said before; later reports come to them."""
        tr = self.tracker
        for uid in undo.remove:
            row = tr.table.row_of(uid)
            if row >= 0:
                tr.house.end(np.array([row]), tr.clock_us or 0, "undone")
        for track in undo.rows:
            self._put_back(track)
        if undo.apart:
            tr.house.merging.apart.add(undo.apart)
        if undo.together:
            tr.house.merging.apart.discard(undo.together)
        if undo.alias:
            self.aliases.pop(undo.alias, None)
        if undo.dropped:
            self.dropped.discard(undo.dropped)
        if undo.said:
            self._unsay(*undo.said)
        tr.forget_candidates()

    def _put_back(self, track: Any) -> None:
        tr = self.tracker
        uid = int(track["uid"])
        row = tr.table.row_of(uid)
        if row < 0:
            tr.room(1)
            numbers = int(tr.table.ctl[CTL_NEXT_UID])
            row = int(take_row(tr.table.tracks, tr.table.ctl, tr.table.free, 0))
            tr.table.ctl[CTL_NEXT_UID] = numbers  # it brings its own
        else:
            unbind(tr.table.keys, tr.table.tracks, row)
        table = tr.table
        table.tracks[row] = track
        table.forget(row)
        mmsi = int(table.life.mmsi[row])
        table.life.mmsi[row], table.life.next_row[row] = 0, -1
        if mmsi:
            tr.forbidden = np.ascontiguousarray(tr.forbidden[tr.forbidden[:, 0] != uid])
            bind(table.keys, table.tracks, table.ctl, row, mmsi)

    def _unsay(self, kind: str, number: int, before: dict[str, Any] | None) -> None:
        tr = self.tracker
        if kind == "mmsi":
            tr.book.fix(number, before or {})
        elif before:
            self.said[number] = before
        else:
            self.said.pop(number, None)
            row = tr.table.row_of(number)
            if row >= 0:
                tr.table.life.pin[row] &= ~PIN_CLAIM
                tr.table.life.claim[row] = tr.book.newest.get(int(tr.table.life.mmsi[row]), 0)
        tr.house.give_claims()

    # -- checkpoint

    def arrays(self) -> dict[str, Any]:
        """Rows kept for undoing, for a checkpoint."""
        table, kept = self.tracker.table, [track for undo in self.ways.values() for track in undo.rows]
        tracks = np.zeros(len(kept), table.tracks.dtype)
        for k, track in enumerate(kept):
            tracks[k] = track
        return {"undo.tracks": tracks}

    def meta(self) -> dict[str, Any]:
        """Everything else, for a checkpoint."""
        plain = ("remove", "apart", "together", "said", "alias", "dropped")
        return {
            "records": self.records,
            "said": list(self.said.items()),
            "aliases": list(self.aliases.items()),
            "dropped": sorted(self.dropped),
            "ways": [[k, len(u.rows), {name: getattr(u, name) for name in plain}] for k, u in self.ways.items()],
        }

    def restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Take the state back."""
        self.records = meta["records"]
        self.said = {int(k): v for k, v in meta["said"]}
        self.aliases = {int(k): int(v) for k, v in meta["aliases"]}
        self.dropped = set(meta["dropped"])
        at = 0
        for operation, count, plain in meta["ways"]:
            rows = [arrays["undo.tracks"][k].copy() for k in range(at, at + count)]
            pairs = {name: tuple(plain[name]) if plain[name] else None for name in ("apart", "together")}
            self.ways[int(operation)] = Undo(rows, **{**plain, **pairs})
            at += count

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
