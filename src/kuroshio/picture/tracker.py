"""The picture: observations in, tracks out, on one clock of data time.

What enters: OBSERVATIONS (and STATICS) in any batches. What leaves: `Update` with TRACKS rows, links and events, and
snapshots. Events happen in an order that data times alone decide: keyed reports one by one; plots of a source by
slots of ``slot_s``, each at its slot's end; housekeeping at multiples of ``tick_s``. So the same reports in order
give the same tracks however they are cut into steps. It opens no file but checkpoints, and reads no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.geo.coastline import Coastline
from kuroshio.geo.zones import Zones
from kuroshio.picture import checkpoint, journal
from kuroshio.picture.claims import ClaimBook
from kuroshio.picture.coverage import Coverage
from kuroshio.picture.emit import tracks_table
from kuroshio.picture.filter import WORK
from kuroshio.picture.frames import Frames
from kuroshio.picture.fuse import Fusion
from kuroshio.picture.grid import Grid, build
from kuroshio.picture.identity import OUTCOME_WORDS, Candidates, Obs, Outcome, empty_outcome, keyed_run
from kuroshio.picture.ingest import Seen, Sources, clean, join_obs, no_obs
from kuroshio.picture.lifecycle import limits_of, predict_rows, rules_of, write_predicted
from kuroshio.picture.model import RADAR, SensorModel, TrackerConfig, motion_of
from kuroshio.picture.operate import Desk
from kuroshio.picture.registry import Registry
from kuroshio.picture.seen import TIME_MAX_US
from kuroshio.picture.set_back import set_back
from kuroshio.picture.table import CONFIRMED, CTL_EVENTS, CTL_LOG, TrackTable
from kuroshio.picture.tick import Housekeeping
from kuroshio.picture.update import Update, outcome_counts
from kuroshio.schema import OBSERVATIONS, TRACKS, concat
from kuroshio.units import US_PER_S

FAR_FUTURE = 1 << 62
BIND_RADIUS_M = 2500.0
BIND_MIN_PLOTS = 2
REPLAY_SLACK_S = 60.0  # reports may run ahead of the clock by the length of a step


_NOTHING = np.zeros(0, np.int32)
_EMPTY_GRID = Grid(
    _NOTHING, np.zeros(2, np.int32), np.zeros(1, np.int32), _NOTHING, np.zeros(0, np.int8), _NOTHING, 0, 1.0
)
NO_CANDIDATES = Candidates(np.zeros(0, np.int64), _EMPTY_GRID, BIND_RADIUS_M, np.zeros((0, 2), np.int64), False)


class Tracker:
    """Multi-sensor tracker of ships.

    Parameters
    ----------
    config
        Thresholds; the defaults are the measured ones.
    sensors
        What is known of the sources. A source not named here is used too, but has no coverage: nobody is missed by it.
    registry
        What registers say of ships, as `registry.load_registries` reads it.
    land
        Zones of kind ``land``, or a coarse coastline: no radar sees a ship there.

    Examples
    --------
    >>> tracker = Tracker()
    >>> update = tracker.step(observations, now_us=now_us)  # doctest: +SKIP
    >>> update.tracks  # doctest: +SKIP
    """

    def __init__(
        self,
        config: TrackerConfig | None = None,
        *,
        sensors: Sequence[SensorModel] = (),
        registry: Registry | None = None,
        land: Zones | Coastline | None = None,
    ) -> None:
        self.config = config or TrackerConfig()
        self.sensors = tuple(sensors)
        self.sources = Sources()
        self.coverage = Coverage(self.sensors, self.sources, land)
        self.coverage.mask_land()
        self.table = TrackTable(
            max_rows=self.config.max_tracks,
            replay_mb=self.config.replay_mb,
            keep_s=self.config.late_s + REPLAY_SLACK_S,
        )
        self.log, self.pages = journal.new_log(journal.LINES_FIRST), journal.Pages()
        self.book = ClaimBook(registry)
        self.seen = Seen(self.config.dedupe_capacity)
        self.totals: Counter[str] = Counter()
        self._told: Counter[str] = Counter()  # of what happened between two steps
        self.clock_us: int | None = None
        self.next_tick_us: int | None = None
        self.pending: Obs = no_obs()
        self.house = Housekeeping(self)
        self.frames = Frames(self)
        self.fusion = Fusion(self)
        self.desk = Desk(self)
        self.rules = rules_of(self.config)
        self.limits = limits_of(self.config)
        self.motion = motion_of(self.config)
        self.tick_us = round(self.config.tick_s * US_PER_S)
        self.slot_us = round(self.config.slot_s * US_PER_S)
        self.scratch = np.zeros(1, WORK)
        self._candidates: Candidates | None = None
        self.forbidden = np.zeros((0, 2), np.int64)

    # ------------------------------------------------------------------ steps
    def step(
        self,
        observations: pa.Table,
        *,
        now_us: int,
        statics: pa.Table | None = None,
        partners: pa.Table | None = None,
    ) -> Update:
        """Tracks changed by these observations, and by the time that passed.

        Parameters
        ----------
        observations
            Table of the OBSERVATIONS schema, in any order; rows that cannot be used are refused and counted.
        now_us
            Time up to which events happen, UTC microseconds; what is observed later waits for the next step. It does
            not go back: an earlier one than before is taken as that. For a clock that was wrong there is `set_back`.
        statics
            Table of the STATICS schema, applied at the next tick.
        partners
            TRACKS rows from partners, with ``partner`` and ``partner_track`` set and covariances as they were released.

        Raises
        ------
        InputError
            When a table lacks a required column.
        """
        now_us = min(now_us, TIME_MAX_US)
        if self.clock_us is not None:
            now_us = max(now_us, self.clock_us)
        new, table, reason, tally = clean(observations, now_us, self.clock_us, self.sources, self.seen, self.config)
        tally += self._told
        self._told.clear()
        if statics is not None and statics.num_rows:
            self.book.hear(statics)
            self.house.claims_changed = True
        obs, dropped = self.desk.admit(join_obs(self.pending, new))
        if dropped:
            tally["of_dropped_ships"] = dropped
        out = empty_outcome(len(obs))
        if partners is not None and partners.num_rows:
            tally.update(self.fusion.take(partners, now_us))
        done = self._run(obs, out, now_us)
        self.pending = obs[~done]
        self.clock_us = now_us
        return self._update(obs, out, done, table, reason, tally)

    def _run(self, obs: Obs, out: Outcome, now_us: int) -> Any:
        """Mask of the observations decided: all events up to ``now_us`` in order of data time."""
        done = np.zeros(len(obs), np.bool_)
        frames = self.frames.split(obs, now_us)
        times, named = obs["t_us"].copy(), obs["mmsi"] > 0  # one beside the other: they are searched at each event
        f, k = 0, 0
        if self.next_tick_us is None and (len(obs) or len(self.fusion.uid)):
            begin_us = int(obs["t_us"][0]) if len(obs) else now_us
            self.next_tick_us = (begin_us // self.tick_us + 1) * self.tick_us
            self.book.date(begin_us)
        while True:
            frame_us = frames[f][0] if f < len(frames) else FAR_FUTURE
            tick_us = self.next_tick_us if self.next_tick_us is not None else FAR_FUTURE
            end_us = min(frame_us, tick_us, now_us + 1)
            upto = int(np.searchsorted(times, end_us, "left"))
            if upto > k:
                if named[k:upto].any():
                    self._keyed(obs, k, upto, out)
                    done[k:upto] |= named[k:upto]
                k = upto
            if end_us > now_us:
                return done
            if frame_us <= tick_us:
                self.frames.apply(obs, frames[f], out)
                self._candidates = None
                done[frames[f][2]] = True
                f += 1
            else:
                self._tick(tick_us, min(frame_us, int(times[k]) if k < len(obs) else now_us))

    def _tick(self, tick_us: int, next_event_us: int) -> None:
        self.room(0)
        self.house.tick(tick_us)
        self._candidates = None
        self.next_tick_us = tick_us + self.tick_us
        if not len(self.table.live) and not len(self.fusion.uid) and next_event_us > self.next_tick_us:
            self.next_tick_us = (next_event_us // self.tick_us + 1) * self.tick_us  # nobody to keep house for

    def room(self, births: int) -> None:
        """Space for a pass over all rows: journal lines and table rows."""
        self.table.reserve(births)
        lines = 2 * len(self.table.live) + 2 * births + 64
        self.log = journal.ensure(self.log, self.table.ctl, lines, 2 * lines)

    # ------------------------------------------------------------------ keyed reports
    def _keyed(self, obs: Obs, a: int, b: int, out: Outcome) -> None:
        table = self.table
        self.coverage.hear_ais(obs[a:b])
        cand = self._candidates or NO_CANDIDATES
        at_us = (self.next_tick_us or int(obs["t_us"][a])) - self.tick_us  # of now: the first report may be late
        table.reserve(min(b - a, 4096))
        while a < b:
            self.log = journal.ensure(self.log, table.ctl, b - a + 8, 3 * (b - a) + 8)
            full = table.capacity >= table.max_rows
            a = int(
                keyed_run(
                    table.tracks, table.keys, table.pool, self.log, table.ctl, table.free, obs, a, b, out,
                    cand, self.book.statics, self.rules, self.motion, self.scratch, full,
                )
            )  # fmt: skip
            if a < b:  # it wants room, or for the first unknown name since the last frame, the tracks without one
                table.reserve(min(b - a, 65_536))
                cand = self._candidate_rows(at_us)

    def _candidate_rows(self, t_us: int) -> Candidates:
        """Tracks of plots without an MMSI, which an unknown report may name."""
        if self._candidates is None:
            life = self.table.life
            rows = self.table.live
            rows = rows[(life.mmsi[rows] == 0) & (life.fed[rows, RADAR] >= BIND_MIN_PLOTS)]
            state = predict_rows(self.table.tracks, rows, t_us, self.motion)
            lat, lon = np.ascontiguousarray(state[:, 0]), np.ascontiguousarray(state[:, 1])
            grid = build(lat, lon, BIND_RADIUS_M)
            self._candidates = Candidates(rows, grid, BIND_RADIUS_M, self.forbidden, True)
        return self._candidates

    # ------------------------------------------------------------------ what leaves
    def _update(self, obs: Obs, out: Outcome, done: Any, table: pa.Table, reason: Any, tally: Counter[str]) -> Update:
        if not done.all():
            obs, out = obs[done], out[done]
        links: tuple[Any, ...] = (obs["obs_id"], obs["t_us"], out["uid"], out["d2"], out["code"])
        bad = np.flatnonzero(reason)
        if len(bad):
            ids = np.asarray(table.column("obs_id").fill_null(0).take(pa.array(bad)).to_numpy(), np.int64)
            times = table.column("observed_at").cast(pa.int64()).fill_null(-FAR_FUTURE).take(pa.array(bad)).to_numpy()
            nothing = np.zeros(len(bad))
            refused = (ids, times, nothing.astype(np.int64), nothing, reason[bad] + len(OUTCOME_WORDS))
            links = tuple(np.concatenate(pair) for pair in zip(links, refused, strict=True))
        for code in np.flatnonzero(counts := outcome_counts(out)).tolist():
            tally[OUTCOME_WORDS[code]] += int(counts[code])
        counters = {name: tally[name] for name in sorted(tally)}
        self.totals.update(counters)
        counters["observations"] = table.num_rows
        self.totals["observations"] += table.num_rows
        counters["pending"] = len(self.pending)
        counters["live"] = len(self.table.live)
        counters["confirmed"] = self.house.confirmed
        lines, events, self.log = self.pages.hand_over(self.log, self.table.ctl)
        update = Update(
            lines["ints"],
            lines["floats"],
            events,
            links,
            self.book,
            list(self.sources.names),
            counters,
            self.motion,
        )
        if len(self.fusion.uid) or self.fusion.changed:
            own, alone = update.tracks, self.fusion.drain()
            update.unfused = concat(TRACKS, [own, alone])
            update.tracks = concat(TRACKS, [self.fusion.fuse_rows(own), alone])
        return update

    def snapshot(self, now_us: int) -> pa.Table:
        """TRACKS, one row a live track, state and covariance predicted to ``now_us`` (never back in time).

        Tracks of plots appear once confirmed; a track that named itself appears from its first report.
        """
        life, ctl = self.table.life, self.table.ctl.copy()
        rows = self.table.live
        rows = rows[(life.status[rows] >= CONFIRMED) | (life.shown[rows] > 0)]
        log = journal.new_log(len(rows) + 1, 1)
        ctl[CTL_LOG] = ctl[CTL_EVENTS] = 0
        at_us = max(now_us, int(self.table.kin.t_us[rows].max()) if len(rows) else now_us)
        write_predicted(log, ctl, self.table.tracks, rows, at_us, 0, np.zeros(len(rows), np.int64), self.motion)
        own = tracks_table(
            log.ints[: len(rows)], log.floats[: len(rows)], self.book, list(self.sources.names), self.motion
        )
        if not len(self.fusion.uid):
            return own
        return concat(TRACKS, [self.fusion.fuse_rows(own), self.fusion.alone()])

    def set_back(self, now_us: int) -> None:
        """Take it that the clock was ahead and is right again: nothing after ``now_us`` has happened.

        Tracks fed by later reports end, with the next step, and begin anew. Without this call reports of the present
        are late, or ancient, until the time is reached again. Counted in the next step: ``clock_set_back``,
        ``clock_tracks``, ``clock_waiting`` and ``clock_partner_tracks``. Does nothing where the clock was not ahead.
        """
        if self.clock_us is not None and now_us < self.clock_us:
            self._told += set_back(self, now_us)

    def operate(
        self,
        action: str,
        arguments: dict[str, Any],
        by: str,
        now_us: int,
        keep: Callable[[], None] | None = None,
    ) -> dict[str, Any]:
        """Record of a watch officer's action; the tracks it changed come with the next step.

        Parameters
        ----------
        action
            merge, split, correlate, decorrelate, name, classify, drop or undo.
        arguments
            ``track_ids`` (or ``track_id``), and by action ``mmsi``, ``name``, ``ship_type`` or ``operation``.
        by
            Who does it.
        keep
            Writes the action down: called once it is known to fit, before a track is changed. What it raises is raised.

        Raises
        ------
        InputError, NotFound
            On an unknown action, arguments that do not fit, or a track that is not live.
        """
        return self.desk.act(action, arguments, by, now_us, keep)

    def save(self, path: str | Path) -> None:
        """Write a checkpoint: the whole state, so that `load` goes on with the same rows.

        Raises
        ------
        StoreError
            When the file cannot be written.
        """
        checkpoint.write(self, Path(path))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        sensors: Sequence[SensorModel] | None = None,
        registry: Registry | None = None,
        land: Zones | Coastline | None = None,
    ) -> Tracker:
        """Tracker from a checkpoint; ``sensors`` replaces the models it was saved with, registers are given anew.

        Raises
        ------
        StoreError
            When the file is missing, damaged or of another version.
        """
        return checkpoint.read(cls, Path(path), sensors, registry, land)

    def forget_candidates(self) -> None:
        """Drop what was computed about unnamed tracks, after a change from outside."""
        self._candidates = None

    def flush(self) -> Update:
        """Decide everything that waits: the end of an archive."""
        last = int(self.pending["t_us"][-1]) if len(self.pending) else (self.clock_us or 0)
        return self.step(OBSERVATIONS.empty(), now_us=(last // self.slot_us + 1) * self.slot_us)
