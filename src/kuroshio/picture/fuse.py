"""Partners' tracks beside our own: linked when they are one ship, fused without counting anything twice.

What enters: TRACKS rows from partners (``partner`` and ``partner_track`` set). What leaves: tracks of their own for
what only a partner holds, and for a ship both hold our row tightened: by tracklets (`picture.tracklets`) where the
partner says whose filter made its estimate and how sure it is of all of it, else by covariance intersection, which is
safe whatever the two have in common. Our filters never see a partner's track, so our own data coming back changes
nothing. Sources: Julier, Uhlmann, ACC 1997 (covariance intersection); the data incest it avoids is measured in
`benchmarks/picture`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture.lifecycle import predict_rows
from kuroshio.picture.partner_rows import each, fused_rows, provenances
from kuroshio.picture.partner_states import CROSS, STATE, UNLINK_D2, advance, agree, intersect, nearest, states_of
from kuroshio.picture.table import CONFIRMED
from kuroshio.picture.tracklets import LEAST_NOISE, OWN, WIDTH, Fused, densities, predict_states
from kuroshio.schema import TRACKS, concat
from kuroshio.units import US_PER_S, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker

LINK_D2 = 13.3  # chi-square, 4 degrees, 1 %
LINK_TICKS = 3
SILENT_S = 900.0
AHEAD_S = 300  # as much as a release may be ahead of the clock of who takes it
ROWS_MAX = 200_000
NUMBER_BASE, NUMBER_COUNT = 1_000_000_000, 9_000_000_000  # of partners' tracks: apart from our own
# by track: number, own track it is linked to, partner's track it is a twin of (0: none), ticks for
# which each of the two has looked otherwise, time, MMSI, exercise, who gave it, whose filter made it (0: not told)
_INTS = ("uid", "linked", "streak", "twin", "twin_streak", "t_us", "mmsi", "exercise", "giver", "provenance")


class Fusion:
    """Partners' tracks: their last rows, our numbers for them, and the tracks they are the same ship as.

    A track is *linked* to an own track, or it is the *twin* of another partner's track that came first, or it stands
    alone and is shown.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.rows = TRACKS.empty()  # last row of each, in the order of the arrays below
        self.state = np.zeros((0, WIDTH))
        self.whole = Fused()
        self.uid, self.linked, self.streak, self.twin, self.twin_streak = (np.zeros(0, np.int64) for _ in range(5))
        self.t_us, self.mmsi, self.exercise, self.giver, self.provenance = (np.zeros(0, np.int64) for _ in range(5))
        self._givers: dict[str, int] = {}
        self._index: dict[tuple[str, str], int] = {}
        self._leaving: list[pa.Table] = []

    # -- rows in

    def take(self, partners: pa.Table, now_us: int) -> dict[str, int]:
        """Take rows; counters of what became of them. A clock may be ahead of ours by `AHEAD_S`."""
        table = TRACKS.conform(partners)
        state, usable = states_of(table)
        ahead = pc.fill_null(table["observed_at"].cast(pa.int64()), 0).to_numpy() > now_us + AHEAD_S * US_PER_S
        usable &= ~ahead  # it would never fall silent
        tally = {"partner_rows": table.num_rows}
        if not usable.all():
            tally["partner_refused"] = int((~usable).sum())
            table, state = table.filter(pa.array(usable)), state[usable]
        if not table.num_rows:
            return tally
        keys = list(zip(table["partner"].to_pylist(), table["partner_track"].to_pylist(), strict=True))
        t_us = np.asarray(table["observed_at"].cast(pa.int64()))
        newest: dict[tuple[str, str], int] = {}
        for k, key in enumerate(keys):  # a dictionary look-up a row
            if key not in newest or t_us[k] >= t_us[newest[key]]:
                newest[key] = k
        over = np.array([s == "ended" for s in table["status"].to_pylist()])
        keep = {  # a recall ends a track at the time it was last seen
            key: k
            for key, k in newest.items()
            if key not in self._index or t_us[k] > self.t_us[self._index[key]] - int(over[k])
        }
        over_many = [key for key in keep if key not in self._index][max(ROWS_MAX - len(self._index), 0) :]
        if over_many:  # what is held already goes on
            tally["partner_refused"] = tally.get("partner_refused", 0) + len(over_many)
            for key in over_many:
                del keep[key]
        if not keep:
            return tally
        at = np.array(list(keep.values()), np.int64)
        ended = over[at]
        self._upsert(list(keep), table.take(pa.array(at)), state[at], t_us[at])
        self._remove([self._index[k] for k, e in zip(keep, ended, strict=True) if e])
        return tally

    def _upsert(self, keys: list[tuple[str, str]], table: pa.Table, state: FloatArray, t_us: IntArray) -> None:
        old = np.array([self._index.get(key, -1) for key in keys], np.int64)
        fresh = np.flatnonzero(old < 0)
        start = len(self.uid)
        uid = self._numbers([keys[q] for q in fresh])
        for name in _INTS:
            added = uid if name == "uid" else np.zeros(len(fresh), np.int64)
            setattr(self, name, np.concatenate([getattr(self, name), added]))
        self.state = np.concatenate([self.state, np.zeros((len(fresh), WIDTH))])
        for k, q in enumerate(fresh):
            self._index[keys[q]] = start + k
            old[q] = start + k
        self.state[old], self.t_us[old] = state, t_us
        self.giver[old] = [
            self._givers.setdefault(partner, max(self._givers.values(), default=0) + 1) for partner, _ in keys
        ]
        self.provenance[old] = provenances(table, state)
        self.mmsi[old] = np.asarray(pc.fill_null(table["mmsi"], 0))
        self.exercise[old] = np.asarray(pc.fill_null(table["exercise"], False)).astype(np.int64)
        self._recognise(old[fresh])
        table = self._dress(table, self.uid[old])
        stay = np.ones(start, np.bool_)
        stay[old[old < start]] = False
        order = np.concatenate([np.flatnonzero(stay), old])
        self.rows = concat(TRACKS, [self.rows.filter(pa.array(stay)), table]).take(pa.array(np.argsort(order)))
        self._leaving.append(table.filter(pa.array(self.shown[old])))

    def _recognise(self, index: IntArray) -> None:
        """Link new tracks that are ours at once: shown for three ticks, they would be passed on as other ships."""
        if not len(index):
            return
        at_us = int(self.t_us[index].max())
        when = np.full(len(index), at_us)
        theirs = advance(self.state[index], self.t_us[index], when, np.full(len(index), LEAST_NOISE))
        to, dist = self._one_each(*self._own(theirs, at_us, index)[:2], index)
        near = dist < LINK_D2
        self.linked[index[near]] = to[near]

    def _numbers(self, keys: list[tuple[str, str]]) -> IntArray:
        """Numbers of new tracks, from the partner and its reference: own tracks are numbered as if there were none."""
        used = set(self.uid.tolist())
        numbers: list[int] = []
        for key in keys:
            digest = hashlib.sha256("|".join(key).encode()).digest()
            number = NUMBER_BASE + int.from_bytes(digest[:8], "big") % NUMBER_COUNT
            while number in used:  # two references with one hash
                number = NUMBER_BASE + (number - NUMBER_BASE + 1) % NUMBER_COUNT
            used.add(number)
            numbers.append(number)
        return np.array(numbers, np.int64)

    @staticmethod
    def _dress(table: pa.Table, uid: IntArray) -> pa.Table:
        """The rows under our numbers, held by a partner."""
        n = table.num_rows
        put = {
            "track_id": pa.array(uid),
            "sensors": pa.array([["partner"]] * n, pa.list_(pa.string())),
            "sources": pa.array([[p] for p in table["partner"].to_pylist()], pa.list_(pa.string())),
            "sources_last_at": each(table["observed_at"]),
            "last_partner_at": table["observed_at"],
            "superseded_by": pa.nulls(n, pa.int64()),
        }
        for name, column in put.items():
            k = TRACKS.names.index(name)
            table = table.set_column(k, TRACKS.arrow.field(k), column)
        return table

    def _remove(self, index: list[int]) -> None:
        if not index:
            return
        gone = np.zeros(len(self.uid), np.bool_)
        gone[index] = True
        keep = np.flatnonzero(~gone)
        self.rows = self.rows.take(pa.array(keep))
        for name in (*_INTS, "state"):
            setattr(self, name, getattr(self, name)[keep])
        place = np.cumsum(~gone) - 1
        self._index = {key: int(place[k]) for key, k in self._index.items() if not gone[k]}
        orphans = np.flatnonzero((self.twin > 0) & ~np.isin(self.twin, self.uid))
        self.twin[orphans] = 0
        if len(orphans):
            self._leaving.append(self.rows.take(pa.array(orphans[self.linked[orphans] == 0])))

    def drop_ahead(self, now_us: int) -> int:
        """End tracks told of a time that is too far ahead of a clock set back; how many."""
        ahead = np.flatnonzero(self.t_us > now_us + AHEAD_S * US_PER_S)
        if len(ahead):
            self._leave(ahead[self.shown[ahead]], "ended", None, now_us)
            self._remove(ahead.tolist())
            self.whole = Fused()
        return len(ahead)

    # -- ticks

    @property
    def shown(self) -> BoolArray:
        """Tracks that stand alone."""
        alone: BoolArray = (self.linked == 0) & (self.twin == 0)
        return alone

    def tick(self, t_us: int) -> None:
        """Link, unlink and end."""
        if not len(self.uid):
            return
        old = np.flatnonzero(t_us - self.t_us > SILENT_S * 1e6)
        if len(old):
            self._leave(old[self.shown[old]], "ended", None, t_us)
            self._remove(old.tolist())
        theirs = advance(self.state, self.t_us, np.full(len(self.uid), t_us), np.full(len(self.uid), LEAST_NOISE))
        before = self.shown
        self._pair("linked", "streak", self._own(theirs, t_us, np.arange(len(self.uid))))
        self._pair("twin", "twin_streak", self._twins(theirs))
        gone, back = np.flatnonzero(before & ~self.shown), np.flatnonzero(~before & self.shown)
        self._leave(gone, "ended", np.where(self.linked > 0, self.linked, self.twin)[gone], t_us)
        if len(back):
            self._leaving.append(self.rows.take(pa.array(back)))
        self._fuse(t_us)

    def _fuse(self, t_us: int) -> None:
        """Take into the fused states what the partners that tell a whole estimate have added since the last tick."""
        told = np.flatnonzero((self.linked > 0) & (self.provenance != 0))
        tr = self.tracker
        rows = tr.table.live
        rows = rows[np.isin(tr.table.life.uid[rows], self.linked[told])]
        if not len(rows):
            if len(self.whole.uid):
                self.whole = Fused()
            return
        rows = rows[np.argsort(tr.table.life.uid[rows])]
        uid = tr.table.life.uid[rows]
        told = told[np.isin(self.linked[told], uid)]
        order = told[np.lexsort((-self.t_us[told], self.provenance[told], self.linked[told]))]
        again = np.zeros(len(order), np.bool_)  # one filter's estimate that came two ways: the newest
        again[1:] = (np.diff(self.linked[order]) == 0) & (np.diff(self.provenance[order]) == 0)
        order = order[~again]
        kin = tr.table.kin
        noise, least = densities(kin.ve[rows], kin.vn[rows], kin.mu[rows], tr.motion)
        ship = np.searchsorted(uid, self.linked[order])
        theirs = predict_states(self.state[order], (t_us - self.t_us[order]) * 1e-6, noise[ship])
        ours = predict_rows(tr.table.tracks, rows, t_us, tr.motion)
        one = agree(ours[ship], theirs)
        order, ship, theirs = order[one], ship[one], theirs[one]
        key = np.concatenate([np.column_stack([uid, np.full(len(uid), OWN)]),
                              np.column_stack([self.linked[order], self.provenance[order]])])  # fmt: skip
        of, at = np.concatenate([np.arange(len(uid)), ship]), np.lexsort((key[:, 1], key[:, 0]))
        states = np.concatenate([ours, theirs])
        row_us = np.concatenate([kin.t_us[rows], self.t_us[order]])
        self.whole.tick(t_us, key[at], row_us[at], states[at], noise[of][at], least[of][at])

    def _own(self, theirs: FloatArray, t_us: int, index: IntArray) -> tuple[IntArray, FloatArray, BoolArray]:
        """(own track each of some tracks is nearest to or 0, d2, True when the names are equal)."""
        tr = self.tracker
        life = tr.table.life
        rows = tr.table.live
        rows = rows[life.status[rows] >= CONFIRMED]
        own = predict_rows(tr.table.tracks, rows, t_us, tr.motion)
        ours = np.zeros(len(rows), np.int64)
        best, dist, same = nearest(
            own, life.mmsi[rows], life.exercise[rows], ours,
            theirs, self.mmsi[index], self.exercise[index], self.giver[index],
        )  # fmt: skip
        return np.where(best >= 0, life.uid[rows][np.maximum(best, 0)] if len(rows) else 0, 0), dist, same

    def _twins(self, theirs: FloatArray) -> tuple[IntArray, FloatArray, BoolArray]:
        """The same for the tracks of other partners: the one that came first is shown, whoever gave it."""
        alone = np.flatnonzero(self.linked == 0)
        found = np.zeros(len(self.uid), np.int64), np.full(len(self.uid), np.inf), np.zeros(len(self.uid), np.bool_)
        if len(np.unique(self.giver[alone])) < 2:
            return found
        lead = alone[self.twin[alone] == 0]
        best, dist, same = nearest(
            theirs[lead], self.mmsi[lead], self.exercise[lead], self.giver[lead],
            theirs[alone], self.mmsi[alone], self.exercise[alone], self.giver[alone],
        )  # fmt: skip
        good = (best >= 0) & (lead[np.maximum(best, 0)] < alone)  # of two the younger is the twin
        found[0][alone[good]] = self.uid[lead[best[good]]]
        found[1][alone], found[2][alone] = np.where(good, dist, np.inf), same & good
        return found

    def _pair(self, name: str, streak: str, found: tuple[IntArray, FloatArray, BoolArray]) -> None:
        """Join to what was found near for `LINK_TICKS`, at once where it has the same name, and part likewise."""
        to, dist, same = found
        to, dist = self._one_each(to, dist, np.arange(len(self.uid)))
        held, ticks = getattr(self, name), getattr(self, streak)
        lost = (held > 0) & ((to != held) | (dist > UNLINK_D2))
        close = (held == 0) & (dist < LINK_D2) & (to > 0)
        ticks = np.where(lost | close, ticks + 1, 0)
        join = close & ((ticks >= LINK_TICKS) | same)
        part = lost & (ticks >= LINK_TICKS)
        if name == "linked":  # the own track has ended: until it is linked anew, or shown, nobody would see the ship
            part |= (held > 0) & ~np.isin(held, self.tracker.table.life.uid[self.tracker.table.live])
        other = np.where((to > 0) & (dist < LINK_D2), to, 0)
        setattr(self, name, np.where(join, to, np.where(part, other, held)))
        setattr(self, streak, np.where(join | part, 0, ticks))

    def _one_each(self, to: IntArray, dist: FloatArray, index: IntArray) -> tuple[IntArray, FloatArray]:
        """A partner gives one ship once: of its tracks near one track, the newest, then the nearest, is that ship."""
        at = np.flatnonzero(to > 0)
        giver, minute = self.giver[index], self.t_us[index] // 60_000_000
        order = at[np.lexsort((dist[at], -minute[at], giver[at], to[at]))]
        again = np.zeros(len(to), np.bool_)
        again[order[1:]] = (to[order][1:] == to[order][:-1]) & (giver[order][1:] == giver[order][:-1])
        return np.where(again, 0, to), np.where(again, np.inf, dist)

    def _leave(self, index: IntArray, status: str, successor: IntArray | None, t_us: int) -> None:
        if not len(index):
            return
        table = self.rows.take(pa.array(index))
        put: dict[str, Any] = {"status": pa.array([status] * len(index), pa.string()).dictionary_encode()}
        if successor is not None:
            put["superseded_by"] = pa.array(successor)
        for name, column in put.items():
            k = TRACKS.names.index(name)
            table = table.set_column(k, TRACKS.arrow.field(k), column)
        self._leaving.append(table)

    # -- rows out

    @property
    def changed(self) -> bool:
        """True when rows wait for `drain`."""
        return bool(self._leaving)

    def drain(self) -> pa.Table:
        """Rows of partner-only tracks changed since the last call."""
        parts, self._leaving = self._leaving, []
        return concat(TRACKS, [p.cast(TRACKS.arrow) for p in parts])

    def alone(self) -> pa.Table:
        """Last rows of the tracks that only partners hold, a ship once."""
        return self.rows.filter(pa.array(self.shown))

    def fuse_rows(self, own: pa.Table) -> pa.Table:
        """Own TRACKS rows with what linked partners add; rows to which nothing is added are untouched."""
        if not own.num_rows or not (self.linked > 0).any():
            return own
        ids = np.asarray(own["track_id"])
        hit = np.flatnonzero(np.isin(ids, self.linked[self.linked > 0]))
        if not len(hit):
            return own
        uid, t_us = ids[hit], np.asarray(own["observed_at"].cast(pa.int64()))[hit]
        state = np.column_stack([np.asarray(pc.fill_null(own[c], np.nan))[hit] for c in (*STATE, *CROSS)])
        noise, least = densities(state[:, 2], state[:, 3], np.asarray(own["p_manoeuvre"])[hit], self.tracker.motion)
        state, whole = self.whole.at_rows(uid, t_us, state, noise, least)
        linked = np.flatnonzero(self.linked > 0)
        used: list[list[int]] = [[] for _ in hit]
        order = linked[np.lexsort((linked, self.linked[linked]))]
        first = np.searchsorted(self.linked[order], self.linked[order])
        rank = np.arange(len(order)) - first
        for r in range(int(rank.max()) + 1):  # one partner of each ship at a time
            turn = order[rank == r]
            at = np.minimum(np.searchsorted(self.linked[turn], uid), len(turn) - 1)
            mine = np.flatnonzero(self.linked[turn][at] == uid)
            part = turn[at[mine]]
            known = whole[mine] & self.whole.holds(uid[mine], self.provenance[part])
            for k in np.flatnonzero(known).tolist():
                used[mine[k]].append(int(part[k]))
            mine, part = mine[~known], part[~known]
            if not len(mine):
                continue
            moved = advance(self.state[part], self.t_us[part], t_us[mine], noise[mine])
            fused, weight = intersect(state[mine], moved)
            helped = (weight < 1.0) & agree(state[mine], moved)
            state[mine[helped]] = fused[helped]
            state[mine[helped], 10:] = np.nan  # place and velocity were fused each by itself
            for k in np.flatnonzero(helped).tolist():
                used[mine[k]].append(int(part[k]))
        fed = np.array([len(u) > 0 for u in used])
        return fused_rows(own, hit[fed], state[fed], [u for u in used if u], self.rows)

    # -- checkpoint

    def arrays(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, self.rows.schema) as writer:
            writer.write_table(self.rows)
        return {
            "fusion.rows": np.frombuffer(sink.getvalue(), np.uint8),
            **{f"fusion.{name}": getattr(self, name) for name in (*_INTS, "state")},
            **self.whole.arrays(),
        }

    def meta(self) -> list[list[Any]]:
        """Keys for a checkpoint."""
        return [[*key, k] for key, k in self._index.items()]

    def restore(self, meta: list[list[Any]], arrays: dict[str, Any]) -> None:
        """Take the state back."""
        self.rows = pa.ipc.open_file(pa.BufferReader(arrays["fusion.rows"].tobytes())).read_all()
        for name in (*_INTS, "state"):
            setattr(self, name, arrays[f"fusion.{name}"])
        self.whole.restore(arrays)
        self._index = {(partner, ref): int(k) for partner, ref, k in meta}
        self._givers = {partner: int(self.giver[k]) for (partner, _), k in self._index.items()}
