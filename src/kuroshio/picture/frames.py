"""Frames of plots: the plots of one source in one slot, gated, assigned and applied; misses counted by scan.

What enters: observations without a name, in slots of data time. What leaves: tracks updated, begun and ended. A
rotating sensor's scan may come in several slots: a track takes one plot a scan, and a miss is counted when the scan
is over.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kuroshio.picture import gate
from kuroshio.picture.ambiguity import EXACT_PLOTS, marginals
from kuroshio.picture.associate import assign
from kuroshio.picture.compiled import kernel
from kuroshio.picture.identity import Obs, Outcome
from kuroshio.picture.ingest import SOURCES_MAX
from kuroshio.picture.model import HUMAN, RADAR
from kuroshio.picture.scans import after_scan
from kuroshio.picture.table import CONFIRMED
from kuroshio.units import US_PER_S, IntArray

if TYPE_CHECKING:
    from kuroshio.picture.tracker import Tracker


@kernel
def plots_until(obs, now_us, slot_us):  # type: ignore[no-untyped-def]
    """(indices of plots, end of each one's slot up to a time, whether no slot holds plots of two sources)."""
    plots, end = np.empty(len(obs), np.int64), np.empty(len(obs), np.int64)
    n, straight = 0, True
    for k in range(len(obs)):
        if obs[k].mmsi > 0:
            continue
        end[n] = (obs[k].t_us // slot_us + 1) * slot_us
        if end[n] > now_us:
            break  # they are in order of time
        plots[n] = k
        straight &= n == 0 or end[n] != end[n - 1] or obs[k].source == obs[plots[n - 1]].source
        n += 1
    return plots[:n], end[:n], straight


@kernel
def scan_numbers(obs, idx, period_us):  # type: ignore[no-untyped-def]
    """(scan of each plot, by its time where the source gave none; whether all are of one)."""
    scan, one = np.empty(len(idx), np.int64), True
    for q in range(len(idx)):
        o = obs[idx[q]]
        scan[q] = o.scan if o.scan >= 0 else o.t_us // period_us
        one &= scan[q] == scan[0]
    return scan, one


class Frames:
    """What the tracker does with plots."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    def split(self, obs: Obs, now_us: int) -> list[tuple[int, int, IntArray]]:
        """(slot end, source, indices) of each complete frame, in the order they happen."""
        tr = self.tracker
        plots, end, straight = plots_until(obs, now_us, tr.slot_us)
        if not len(plots):
            return []
        source = obs["source"][plots]
        if not straight:
            rank = np.argsort(np.argsort(tr.sources.names))  # by name: numbers depend on who was heard first
            rank = np.append(rank, np.full(SOURCES_MAX + 1 - len(rank), SOURCES_MAX))  # the nameless rest last
            order = np.lexsort((plots, rank[source], end))
            plots, end, source = plots[order], end[order], source[order]
        cut = [0, *(np.flatnonzero((end[1:] != end[:-1]) | (source[1:] != source[:-1])) + 1).tolist(), len(plots)]
        return [(int(end[a]), int(source[a]), plots[a:b]) for a, b in pairwise(cut)]

    def apply(self, obs: Obs, frame: tuple[int, int, IntArray], out: Outcome) -> None:
        """Plots of one source in one slot, by scan."""
        tr = self.tracker
        _, source, idx = frame
        state = tr.coverage.of(source, int(obs["kind"][idx[0]]))
        period_us = round(state.model.scan_s * US_PER_S) if state.model.scan_s else tr.slot_us
        scan, one = scan_numbers(obs, idx, period_us)
        if one:
            self._scan_part(obs, idx, source, int(scan[0]), out)
            return
        for number in np.unique(scan):
            self._scan_part(obs, idx[scan == number], source, int(number), out)

    def _scan_part(self, obs: Obs, idx: IntArray, source: int, scan: int, out: Outcome) -> None:
        tr = self.tracker
        table, rules, motion = tr.table, tr.rules, tr.motion
        life = table.life
        state = tr.coverage.of(source, int(obs["kind"][idx[0]]))
        t_us = int(obs["t_us"][idx[-1]])
        late = t_us < state.last_us - tr.slot_us
        if state.scan is not None and scan != state.scan and not late:
            self.finish_scan(source)
        tr.room(len(idx))
        life = table.life
        rows = table.live
        if state.scan == scan and state.hit:
            rows = rows[~np.isin(life.uid[rows], np.concatenate(state.hit))]
        tr.house.register(obs, idx, source, state)
        track, plot, cost, dist = gate.gate_frame(table.tracks, rows, obs, idx, state.kernel, rules, motion)
        pair = assign(track, plot, cost, len(idx))
        share = marginals(track, plot, cost, len(idx), table.tracks["mmsi"], EXACT_PLOTS)
        hit = gate.apply_frame(
            table.tracks, table.pool, tr.log, table.ctl, obs, idx, pair, (track, plot, cost, dist, share), source, scan,
            state.miss_llr, tr.house.compares(source, state, t_us), rules, motion, tr.scratch, out,
        )  # fmt: skip
        born = gate.begin_tracks(
            table.tracks, table.pool, table.ctl, table.free, obs, idx, pair, source, scan, rules, motion,
            tr.scratch, out,
        )  # fmt: skip
        if state.model.kind_code == HUMAN:  # a person looked at it: one report is enough
            table.tracks["status"][born], table.tracks["shown"][born] = CONFIRMED, 1
            tr.house.lines(born, t_us, 0, np.zeros(len(born), np.int64))
        if not late:
            if state.scan != scan:
                state.scan, state.scan_us = scan, int(obs["t_us"][idx[0]])
            state.last_us = max(state.last_us, t_us)
            state.hit.append(np.concatenate([life.uid[hit], life.uid[born]]))

    def finish_scan(self, source: int) -> None:
        """Count the misses of a source's scan under way, and end the tracks whose evidence is spent."""
        tr = self.tracker
        state = tr.coverage.state[source]
        hit_uids = np.concatenate(state.hit) if state.hit else np.zeros(0, np.int64)
        began, last = state.scan_us, state.last_us
        state.scan, state.hit = None, []
        if state.model.coverage_m <= 0 or state.model.kind_code != RADAR:
            return
        chart = state.pd_map if tr.house.compares(source, state, last) else state.pd_map.aside()
        dead = after_scan(
            tr.table.tracks, tr.table.live, began, last, state.kernel, hit_uids, chart.pd(state.model.pd),
            chart.sight_m, chart.tried, chart.seen, tr.limits,
        )  # fmt: skip
        tr.room(0)
        tr.house.end(dead, last, "no_plots")
