"""The picture: observations in, tracks out, on one clock of data time.

What enters: OBSERVATIONS (and STATICS) in any batches. What leaves: `Update` with TRACKS rows, links and events, and
snapshots. Events happen in an order that data times alone decide: keyed reports one by one; plots of a source by
slots of ``slot_s``, each at its slot's end; housekeeping at multiples of ``tick_s``. So the same reports in order
give the same tracks however they are cut into steps. It opens no file but checkpoints, and reads no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.picture import gate, journal
from kuroshio.picture.associate import assign
from kuroshio.picture.claims import ClaimBook
from kuroshio.picture.coverage import Coverage
from kuroshio.picture.emit import tracks_table
from kuroshio.picture.filter import scratch
from kuroshio.picture.grid import build
from kuroshio.picture.identity import OUTCOME_WORDS, Candidates, Obs, Outcome, empty_outcome, keyed_run
from kuroshio.picture.ingest import REASONS, Seen, Sources, clean, join_obs, no_obs, take_obs
from kuroshio.picture.lifecycle import after_scan, live_rows, predict_rows, rules_of
from kuroshio.picture.model import RADAR, SensorModel, TrackerConfig, motion_of
from kuroshio.picture.table import CONFIRMED, CTL_EVENTS, CTL_LOG, ENDED, TrackTable
from kuroshio.picture.tick import Housekeeping
from kuroshio.picture.update import Update
from kuroshio.units import US_PER_S, IntArray

FAR_FUTURE = 1 << 62
BIND_RADIUS_M = 2500.0
BIND_MIN_PLOTS = 2


class Tracker:
    """Multi-sensor tracker of ships.

    Parameters
    ----------
    config
        Thresholds; the defaults are the measured ones.
    sensors
        What is known of the sources. A source not named here is used too, but has no coverage: nobody is missed by it.

    Examples
    --------
    >>> tracker = Tracker()
    >>> update = tracker.step(observations, now_us=now_us)  # doctest: +SKIP
    >>> update.tracks  # doctest: +SKIP
    """

    def __init__(self, config: TrackerConfig | None = None, *, sensors: Sequence[SensorModel] = ()) -> None:
        self.config = config or TrackerConfig()
        self.sensors = tuple(sensors)
        self.sources = Sources()
        self.coverage = Coverage(self.sensors, self.sources)
        self.table = TrackTable(ring=2 * self.config.ring_half, max_rows=self.config.max_tracks)
        self.log = journal.new_log()
        self.book = ClaimBook()
        self.seen = Seen(self.config.dedupe_capacity)
        self.totals: Counter[str] = Counter()
        self.clock_us: int | None = None
        self.next_tick_us: int | None = None
        self.pending: Obs = no_obs()
        self.house = Housekeeping(self)
        self.rules = rules_of(self.config)
        self.motion = motion_of(self.config)
        self._tick_us = round(self.config.tick_s * US_PER_S)
        self._slot_us = round(self.config.slot_s * US_PER_S)
        self._scratch = scratch()
        self._candidates: Candidates | None = None
        self._forbidden = np.zeros((0, 2), np.int64)

    # ------------------------------------------------------------------ steps
    def step(
        self,
        observations: pa.Table,
        *,
        now_us: int,
        statics: pa.Table | None = None,
    ) -> Update:
        """Tracks changed by these observations, and by the time that passed.

        Parameters
        ----------
        observations
            Table of the OBSERVATIONS schema, in any order; rows that cannot be used are refused and counted.
        now_us
            Time up to which events happen, UTC microseconds; what is observed later waits for the next step.
        statics
            Table of the STATICS schema, applied at the next tick.

        Raises
        ------
        InputError
            When a table lacks a required column.
        """
        if self.clock_us is not None:
            now_us = max(now_us, self.clock_us)
        new, table, reason, tally = clean(observations, now_us, self.clock_us, self.sources, self.seen, self.config)
        if statics is not None and statics.num_rows:
            self.book.hear(statics)
            self.house.claims_changed = True
        obs = join_obs(self.pending, new)
        out = empty_outcome(len(obs.t_us))
        self.table.ctl[CTL_LOG] = self.table.ctl[CTL_EVENTS] = 0
        done = self._run(obs, out, now_us)
        self.pending = take_obs(obs, np.flatnonzero(~done))
        self.clock_us = now_us
        return self._update(obs, out, done, table, reason, tally)

    def _run(self, obs: Obs, out: Outcome, now_us: int) -> Any:
        """Mask of the observations decided: all events up to ``now_us`` in order of data time."""
        done = np.zeros(len(obs.t_us), np.bool_)
        frames = self._frames(obs, now_us)
        f, k = 0, 0
        if self.next_tick_us is None and len(obs.t_us):
            self.next_tick_us = (int(obs.t_us[0]) // self._tick_us + 1) * self._tick_us
        while True:
            frame_us = frames[f][0] if f < len(frames) else FAR_FUTURE
            tick_us = self.next_tick_us if self.next_tick_us is not None else FAR_FUTURE
            end_us = min(frame_us, tick_us, now_us + 1)
            upto = int(np.searchsorted(obs.t_us, end_us, "left"))
            if upto > k:
                self._keyed(obs, k, upto, out)
                done[k:upto] |= obs.mmsi[k:upto] > 0
                k = upto
            if end_us > now_us:
                return done
            if frame_us <= tick_us:
                self._frame(obs, frames[f], out)
                done[frames[f][2]] = True
                f += 1
            else:
                self._tick(tick_us, min(frame_us, int(obs.t_us[k]) if k < len(obs.t_us) else now_us))

    def _tick(self, tick_us: int, next_event_us: int) -> None:
        self._room(0)
        self.house.tick(tick_us)
        self._candidates = None
        self.next_tick_us = tick_us + self._tick_us
        if not len(self.table.live) and next_event_us > self.next_tick_us:
            self.next_tick_us = (next_event_us // self._tick_us + 1) * self._tick_us  # nobody to keep house for

    def _room(self, births: int) -> None:
        """Space for a pass over all rows: journal lines and table rows."""
        self.table.reserve(births)
        lines = 2 * len(self.table.live) + 2 * births + 64
        self.log = journal.ensure(self.log, self.table.ctl, lines, 2 * lines)

    # ------------------------------------------------------------------ keyed reports
    def _keyed(self, obs: Obs, a: int, b: int, out: Outcome) -> None:
        if not (obs.mmsi[a:b] > 0).any():
            return
        table = self.table
        is_ais = (obs.mmsi[a:b] > 0) & (obs.kind[a:b] == 0)
        at = np.flatnonzero(is_ais) + a
        self.coverage.hear_ais(obs.z[at, 0], obs.z[at, 1], obs.source[at], obs.t_us[at])
        cand = self._candidate_rows(int(obs.t_us[a]))
        table.reserve(min(b - a, 4096))
        while a < b:
            self.log = journal.ensure(self.log, table.ctl, b - a + 8, 3 * (b - a) + 8)
            full = table.capacity >= table.max_rows
            a = int(
                keyed_run(
                    table.kin, table.life, table.keys, table.ring, self.log, table.ctl, table.free, obs, a, b, out,
                    cand, self.book.statics, self.rules, self.motion, self._scratch, full,
                )
            )  # fmt: skip
            if a < b:
                table.reserve(min(b - a, 65_536))

    def _candidate_rows(self, t_us: int) -> Candidates:
        """Tracks of plots without an MMSI, which an unknown report may name."""
        if self._candidates is None:
            life = self.table.life
            rows = live_rows(life)
            rows = rows[(life.mmsi[rows] == 0) & (life.fed[rows, RADAR] >= BIND_MIN_PLOTS)]
            state = predict_rows(self.table.kin, rows, t_us, self.motion)
            lat, lon = np.ascontiguousarray(state[:, 0]), np.ascontiguousarray(state[:, 1])
            grid = build(lat, lon, np.ones(len(rows), np.bool_), BIND_RADIUS_M)
            self._candidates = Candidates(rows, lat, lon, grid, BIND_RADIUS_M, self._forbidden)
        return self._candidates

    # ------------------------------------------------------------------ frames of plots
    def _frames(self, obs: Obs, now_us: int) -> list[tuple[int, int, IntArray]]:
        """(slot end, source, indices) of each complete frame, in the order they happen."""
        plots = np.flatnonzero(obs.mmsi <= 0)
        if not len(plots):
            return []
        end = (obs.t_us[plots] // self._slot_us + 1) * self._slot_us
        plots, end = plots[end <= now_us], end[end <= now_us]
        order = np.lexsort((plots, obs.source[plots], end))
        plots, end = plots[order], end[order]
        if not len(plots):
            return []
        source = obs.source[plots]
        cut = np.flatnonzero((np.diff(end) != 0) | (np.diff(source) != 0)) + 1
        return [(int(end[p[0]]), int(source[p[0]]), plots[p]) for p in np.split(np.arange(len(plots)), cut)]

    def _frame(self, obs: Obs, frame: tuple[int, int, IntArray], out: Outcome) -> None:
        """Plots of one source in one slot, by scan."""
        _, source, idx = frame
        state = self.coverage.of(source, int(obs.kind[idx[0]]))
        scan = obs.scan[idx]
        if (scan < 0).any() and state.model.scan_s:
            scan = np.where(scan < 0, obs.t_us[idx] // round(state.model.scan_s * US_PER_S), scan)
        elif (scan < 0).any():
            scan = np.where(scan < 0, obs.t_us[idx] // self._slot_us, scan)
        for number in np.unique(scan):
            self._scan_part(obs, idx[scan == number], source, int(number), out)
        self._candidates = None

    def _scan_part(self, obs: Obs, idx: IntArray, source: int, scan: int, out: Outcome) -> None:
        table, rules, motion = self.table, self.rules, self.motion
        life = table.life
        state = self.coverage.of(source, int(obs.kind[idx[0]]))
        t_us = int(obs.t_us[idx[-1]])
        late = self.clock_us is not None and t_us < self.clock_us - 2 * self._slot_us
        if state.scan is not None and scan != state.scan and not late:
            self.finish_scan(source)
        self._room(len(idx))
        life = table.life
        rows = live_rows(life)
        if state.scan == scan and state.hit:
            rows = rows[~np.isin(life.uid[rows], np.concatenate(state.hit))]
        obs = self.house.register(obs, idx, source, state)
        track, plot, cost, dist = gate.gate_frame(table.kin, life, rows, obs, idx, state.kernel, rules, motion)
        pair = assign(track, plot, cost, table.capacity, len(idx))
        hit = gate.apply_frame(
            table.kin, life, table.ring, self.log, table.ctl, obs, idx, pair, track, cost, dist, source, scan,
            state.miss_llr, rules, motion, self._scratch, out,
        )  # fmt: skip
        born = gate.begin_tracks(
            table.kin, life, table.ring, table.ctl, table.free, obs, idx, pair, source, scan, rules, motion,
            self._scratch, out,
        )  # fmt: skip
        if not late:
            if state.scan != scan:
                state.scan, state.scan_us = scan, int(obs.t_us[idx[0]])
            state.last_us = max(state.last_us, t_us)
            state.hit.append(np.concatenate([life.uid[hit], life.uid[born]]))

    def finish_scan(self, source: int) -> None:
        """Count the misses of a source's scan under way, and end the tracks whose evidence is spent."""
        state = self.coverage.state[source]
        hit_uids = np.concatenate(state.hit) if state.hit else np.zeros(0, np.int64)
        began, last = state.scan_us, state.last_us
        state.scan, state.hit = None, []
        if state.model.coverage_m <= 0 or state.model.kind_code != RADAR:
            return
        life = self.table.life
        rows = live_rows(life)
        rows = rows[life.born_us[rows] < began]
        covered = gate.in_coverage(self.table.kin, rows, last, state.kernel)
        hit = rows[np.isin(life.uid[rows], hit_uids)]
        dead = after_scan(life, rows, covered, hit, state.model.pd, self.config)
        self._room(0)
        self.house.end(dead, last, "no_plots")

    # ------------------------------------------------------------------ what leaves
    def _update(self, obs: Obs, out: Outcome, done: Any, table: pa.Table, reason: Any, tally: Counter[str]) -> Update:
        ctl = self.table.ctl
        bad = np.flatnonzero(reason)
        said = np.concatenate([out.code[done].astype(np.int64), reason[bad].astype(np.int64) + len(OUTCOME_WORDS)])
        words = np.array(OUTCOME_WORDS + REASONS)[said] if len(said) else np.zeros(0, str)
        if len(bad):
            ids = np.asarray(table.column("obs_id").fill_null(0).take(pa.array(bad)).to_numpy(), np.int64)
            times = table.column("observed_at").cast(pa.int64()).fill_null(-FAR_FUTURE).take(pa.array(bad)).to_numpy()
        else:
            ids = times = np.zeros(0, np.int64)
        nothing = np.zeros(len(bad))
        links = (
            np.concatenate([obs.obs_id[done], ids]),
            np.concatenate([obs.t_us[done], times]),
            np.concatenate([out.uid[done], nothing.astype(np.int64)]),
            np.concatenate([out.d2[done], nothing]),
            list(words),
        )
        for code, count in zip(*np.unique(out.code[done], return_counts=True), strict=True):
            tally[OUTCOME_WORDS[int(code)]] += int(count)
        counters = {name: tally[name] for name in sorted(tally)}
        self.totals.update(counters)
        counters["observations"] = table.num_rows
        self.totals["observations"] += table.num_rows
        counters["pending"] = len(self.pending.t_us)
        counters["live"] = len(self.table.live)
        counters["confirmed"] = int(np.count_nonzero(self.table.life.status >= CONFIRMED))
        n, told = int(ctl[CTL_LOG]), int(ctl[CTL_EVENTS])
        return Update(
            self.log.ints[:n].copy(),
            self.log.floats[:n].copy(),
            self.log.events[:told].copy(),
            links,
            self.book,
            list(self.sources.names),
            counters,
        )

    def snapshot(self, now_us: int) -> pa.Table:
        """TRACKS, one row a live track, state and covariance predicted to ``now_us`` (never back in time).

        Tracks of plots appear once confirmed; a track that named itself appears from its first report.
        """
        life, ctl = self.table.life, self.table.ctl.copy()
        rows = live_rows(life)
        rows = rows[(life.status[rows] >= CONFIRMED) | (life.shown[rows] > 0)]
        from kuroshio.picture.lifecycle import write_predicted

        log = journal.new_log(len(rows) + 1, 1)
        ctl[CTL_LOG] = ctl[CTL_EVENTS] = 0
        at_us = max(now_us, int(self.table.kin.t_us[rows].max()) if len(rows) else now_us)
        write_predicted(log, ctl, self.table.kin, life, rows, at_us, 0, np.zeros(len(rows), np.int64), self.motion)
        return tracks_table(log.ints[: len(rows)], log.floats[: len(rows)], self.book, list(self.sources.names))

    def flush(self) -> Update:
        """Decide everything that waits: the end of an archive."""
        last = int(self.pending.t_us[-1]) if len(self.pending.t_us) else (self.clock_us or 0)
        from kuroshio.schema import OBSERVATIONS

        return self.step(OBSERVATIONS.empty(), now_us=(last // self._slot_us + 1) * self._slot_us)

    @property
    def ended_status(self) -> int:
        """Code of the ended status, for readers of raw lines."""
        return ENDED
