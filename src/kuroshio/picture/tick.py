"""Housekeeping at ticks of data time: ends, coasting, merges, bindings, flags.

What enters: the tracker at a tick. What leaves: rows ended, merged and flagged, each with its line and event. It
decides nothing about single reports.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.picture import drag, journal, merge
from kuroshio.picture.coverage import SourceState
from kuroshio.picture.identity import Obs, take_claim
from kuroshio.picture.ingest import SOURCES_MAX
from kuroshio.picture.lifecycle import (
    claimed_twice,
    predict_rows,
    set_flags,
    silent,
    stale_bindings,
    survey,
    write_predicted,
)
from kuroshio.picture.model import RADAR
from kuroshio.picture.motion import local_offset
from kuroshio.picture.registration import MIN_PAIRS, Registration, correct_plots, pair_residuals
from kuroshio.picture.table import ENDED, bind, unbind
from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK, FLAG_DRAG
from kuroshio.units import US_PER_S, IntArray

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker
    from kuroshio.picture.undo import Undo

SCAN_OVERDUE = 1.5
SCAN_OVERDUE_S = 15.0  # where the period is not known


class Housekeeping:
    """What the tracker does at ticks, and the memory it needs for it."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.merging = merge.MergeMemory()
        self.claims_changed = False
        self.confirmed = 0  # tracks, at the last tick
        self.registration = Registration()

    def tick(self, t_us: int) -> None:
        """All housekeeping of one tick."""
        tr = self.tracker
        self.registration.estimate(t_us)
        for source in sorted(tr.coverage.state):
            state = tr.coverage.state[source]
            period = state.model.scan_s * SCAN_OVERDUE if state.model.scan_s else SCAN_OVERDUE_S
            if state.scan is not None and t_us - state.last_us > period * 1e6:
                tr.frames.finish_scan(source)
        self.claims_changed |= tr.book.date(t_us)
        if self.claims_changed:
            self.give_claims()
        tr.fusion.tick(t_us)
        rows = tr.table.live
        if not len(rows):
            return
        self.end(silent(tr.table.tracks, rows, t_us, tr.limits), t_us, "silent")
        rows = tr.table.live
        if (t_us // tr.tick_us) % tr.config.merge_every_ticks == 0:
            self._merge(rows, t_us)
            rows = tr.table.live
        self._flag(rows, t_us)

    def lines(self, rows: IntArray, t_us: int, status: int, successor: IntArray) -> None:
        """Journal lines of rows predicted to a time."""
        tr = self.tracker
        tr.log = journal.ensure(tr.log, tr.table.ctl, len(rows) + 8, 2 * len(rows) + 8)
        write_predicted(tr.log, tr.table.ctl, tr.table.tracks, rows, t_us, status, successor, tr.motion)

    def _event(self, t_us: int, uid: int, kind: int, a: int = 0, b: int = 0) -> None:
        tr = self.tracker
        tr.log = journal.ensure(tr.log, tr.table.ctl, 8, 8)
        journal.write_event(tr.log, tr.table.ctl, t_us, uid, kind, a, b)

    def end(self, rows: IntArray, t_us: int, why: str, successor: IntArray | None = None) -> None:
        """End rows: a last line for those ever shown, an event, and the rows go back."""
        if not len(rows):
            return
        tr = self.tracker
        life = tr.table.life
        shown = life.shown[rows] > 0
        after = np.zeros(len(rows), np.int64) if successor is None else successor
        at_us = np.maximum(t_us, tr.table.kin.t_us[rows]).max()
        if shown.any():
            self.lines(rows[shown], int(at_us), ENDED, after[shown])
            for i in rows[shown].tolist():
                self._event(t_us, int(life.uid[i]), journal.EV_ENDED, int(life.hits[i]))
        tr.totals[f"ended_{why}"] += len(rows)
        tr.table.release(rows)

    def give_claims(self) -> None:
        """New claims to the rows that carry the MMSI, unless an operator fixed them."""
        tr = self.tracker
        life = tr.table.life
        rows = tr.table.live
        for i in rows[life.mmsi[rows] > 0]:
            take_claim(tr.table.tracks, i, life.mmsi[i], tr.book.statics)
        tr.desk.refresh()
        self.claims_changed = False

    def _merge(self, rows: IntArray, t_us: int) -> None:
        tr = self.tracker
        life = tr.table.life
        found = merge.close_pairs(
            tr.table.tracks, rows, t_us, float(tr.config.merge_radius_m), float(tr.config.merge_d2), tr.motion
        )
        barred = {(int(u), int(m)) for u, m in tr.forbidden}
        for older, younger in self.merging.pairs(found, life.uid, tr.config.merge_passes):
            names = (int(life.uid[older]), int(life.mmsi[younger])), (int(life.uid[younger]), int(life.mmsi[older]))
            if barred.isdisjoint(names) and self._agree_again(older, younger):
                self.join(older, younger, t_us)

    def _agree_again(self, a: int, b: int) -> bool:
        """False while one row's AIS is known to be false and the two, which claim one name, are apart."""
        life, kin = self.tracker.table.life, self.tracker.table.kin
        if not (life.flags[a] | life.flags[b]) & FLAG_DRAG or life.mmsi[a] != life.mmsi[b]:
            return True
        if math.hypot(*local_offset(kin.lat[a], kin.lon[a], kin.lat[b], kin.lon[b])) > drag.OFFSET_END_M:
            return False
        life.flags[[a, b]] &= ~FLAG_DRAG
        return True

    def join(self, older: int, younger: int, t_us: int, undo: Undo | None = None) -> None:
        """Make the older row hold both tracks, and what was said of them; the younger ends, superseded."""
        tr = self.tracker
        life, kin = tr.table.life, tr.table.kin
        state = predict_rows(tr.table.tracks, np.array([older, younger]), t_us, tr.motion)
        doubt = state[:, 4] + state[:, 6]
        mmsi = merge.absorb(kin, life, tr.table.tracks, older, younger, bool(doubt[1] < doubt[0]))
        uid, other = int(life.uid[older]), int(life.uid[younger])
        self._event(t_us, uid, journal.EV_MERGED, other)
        self.end(np.array([younger]), t_us, "merged", np.array([uid]))
        if mmsi:
            tr.table.reserve(1)
            bind(tr.table.keys, tr.table.tracks, tr.table.ctl, older, mmsi)
            self._event(t_us, uid, journal.EV_BOUND, mmsi)
        tr.desk.joined(uid, other, undo)
        if self.claims_changed:
            self.give_claims()
        tr.table.life.shown[older] = 1
        self.lines(np.array([older]), t_us, 0, np.zeros(1, np.int64))
        tr.totals["merged"] += 1

    def _release(self, rows: IntArray, twice: Any, t_us: int) -> None:
        """Take the MMSI from radar-held rows whose AIS reports from elsewhere now."""
        tr = self.tracker
        life = tr.table.life
        for i in stale_bindings(life, rows, twice).tolist():
            self._event(t_us, int(life.uid[i]), journal.EV_RELEASED, int(life.mmsi[i]))
            unbind(tr.table.keys, tr.table.tracks, i)
            life.claim[i] = 0
            life.identity[i] = 0.0
            tr.totals["released"] += 1
            tr.desk.refresh()  # a name that a person gave the track was with the claim

    def _flag(self, rows: IntArray, t_us: int) -> None:
        """Status and flags that follow from the time, and names taken back; a line for each row shown that changed."""
        tr = self.tracker
        life, kin = tr.table.life, tr.table.kin
        doubtful = np.zeros(SOURCES_MAX + 1, np.bool_)
        radars = [code for code, state in tr.coverage.state.items() if state.places_plots]
        doubtful[[code for code in self.registration.doubtful(t_us) if code in radars]] = True
        since_us = t_us - round(tr.config.conflict_s * US_PER_S)
        pauses = tr.coverage.pauses_until(t_us)
        found = survey(tr.table.tracks, rows, t_us, since_us, doubtful, pauses, tr.limits, tr.motion)
        sure, flags, at = found.sure, found.flags, found.dark
        self.confirmed = len(sure)
        if len(at):
            listened_us = tr.coverage.listened_us(t_us)
            heard = tr.coverage.inside_ais(kin.lat[sure[at]], kin.lon[sure[at]], listened_us, tr.config.ais_alive_s)
            flags[at[heard]] |= FLAG_DARK
        twice = None
        if found.chained:
            twice, doubly = claimed_twice(tr.table.tracks, sure, tr.table.keys, t_us, tr.limits)
            if doubtful.any():  # beside another track because of a radar that is wrong: no conflict
                doubly &= life.fed[sure, RADAR] == 0
            life.conflict_us[sure[doubly]] = t_us
            flags[doubly] |= FLAG_CONFLICT
        if len(found.full):
            flags[found.full[drag.dragged(life, sure[found.full], t_us)]] |= FLAG_DRAG
        changed, before, after = set_flags(tr.table.tracks, sure, found.was, flags)
        # few rows: only those whose flags changed
        for i, was, now in zip(changed.tolist(), before.tolist(), after.tolist(), strict=True):
            if now & ~was:
                self._event(t_us, int(life.uid[i]), journal.EV_SET, now & ~was)
            if now & ~was & FLAG_DRAG and not life.pin[i] & 1 and drag.free_of_ais(kin, life, i):
                tr.table.forget(i)
            if was & ~now:
                self._event(t_us, int(life.uid[i]), journal.EV_CLEARED, was & ~now)
        if twice is not None and twice.any():
            self._release(sure, twice, t_us)
        if len(found.coasted) or len(changed):
            lines = np.union1d(found.coasted, changed)
            lines = lines[life.shown[lines] > 0]
            if len(lines):
                self.lines(lines, t_us, 0, np.zeros(len(lines), np.int64))

    def compares(self, source: int, state: SourceState, t_us: int) -> bool:
        """True when plots of a source may be held against AIS: a radar that is placed and known to be registered."""
        if not state.places_plots:
            return False
        bias = self.registration.of(source)
        return bias.count >= MIN_PAIRS and bias.healthy(t_us)

    def register(self, obs: Obs, idx: IntArray, source: int, state: SourceState) -> None:
        """Compare a radar's plots with AIS, and correct them in place by what is known of its error."""
        if not state.places_plots:
            return
        tr = self.tracker
        bias = self.registration.of(source)
        found = pair_residuals(tr.table.tracks, tr.table.live, obs, idx, state.kernel)
        self.registration.add(source, found)
        if bias.range_m or bias.bearing_rad:
            correct_plots(obs, idx, state.kernel, bias.range_m, bias.bearing_rad)
