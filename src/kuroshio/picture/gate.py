"""Plots of one frame against all tracks: which pairs are possible, and what each is worth.

What enters: plots of one source within one slot, and the rows of live tracks. What leaves: candidate pairs with the
cost of belonging together, and which tracks the sensor should have seen. The cost is the negative log-likelihood
ratio of hit against false plot and miss. Source: Blackman, Popoli, Design and Analysis of Modern Tracking Systems
1999, 6.2.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.picture.ahead import fetch_plots
from kuroshio.picture.ambiguity import DOUBTFUL, WITNESS_MIN, blend
from kuroshio.picture.compiled import fetch, fetch_part, inner, kernel
from kuroshio.picture.drag import note_offset
from kuroshio.picture.extent import HULL_UNKNOWN, extent_var, hull_of
from kuroshio.picture.filter import combined, density, spread_at
from kuroshio.picture.grid import SPANS_MAX, build, coarse_map, reach_deg, rows_near, spans
from kuroshio.picture.identity import REFUSED, REPLAYED, STARTED, TOO_OLD, UPDATED, note_report
from kuroshio.picture.journal import EV_CONFIRMED, show, write_event
from kuroshio.picture.late import LATE_DUPLICATE, LATE_OK, apply_report, insert_late
from kuroshio.picture.model import RADAR
from kuroshio.picture.motion import agility, local_offset, move, plane_scale, process_noise
from kuroshio.picture.table import CONFIRMED, CTL_FREE, TENTATIVE, byte_of, take_row

CELL_M = 2000.0
RADIUS_MAX_M = 6 * CELL_M
SLACK_M = 50.0  # plots of a frame differ in time, and the map is not flat
FLAT_LAT_MAX = 80.0  # where a plane of metres a degree is good to the slack
FLAT_MARGIN = 1.1
HALF_ROUND_M = 2_000_000.0  # further apart in longitude is across the antimeridian
AHEAD = 6  # rows whose memory is asked for before their turn
EXTENT_BYTE = byte_of("extent")


@inner
def _pack(obs, idx, grid, packed, when, drill):  # type: ignore[no-untyped-def]
    """Plots in the grid's order: lat, lon, ee, en, nn; time; exercise."""
    for at in range(len(idx)):
        o = obs[idx[grid.point[at]]]
        z = o.z
        packed[at, 0], packed[at, 1] = z[0], z[1]
        packed[at, 2], packed[at, 3], packed[at, 4] = z[2], z[3], z[4]
        when[at], drill[at] = o.t_us, o.exercise


@inner
def _frame_middle(obs, idx):  # type: ignore[no-untyped-def]
    """Mean time of a frame's plots."""
    mid, first_us = np.int64(0), obs[idx[0]].t_us
    for j in idx:
        mid += (obs[j].t_us - first_us) // len(idx)
    return mid + first_us


@kernel
def gate_frame(tracks, rows, obs, idx, sensor, rules, motion):  # type: ignore[no-untyped-def]
    """(track row, plot, cost, d2) of each candidate pair.

    A plot is turned down by its distance on a flat map first: an ellipse of the track at the frame's middle and of the
    plot, widened by `FLAT_MARGIN`, that with `SLACK_M` around it holds every plot within the gate at its own time (for
    ellipses P and a circle of radius s: (1 + a) P + (1 + 1/a) s^2 holds their sum).

    Parameters
    ----------
    rows
        Rows that may take a plot of this frame.
    idx
        Indices of the frame's plots in ``obs``.
    sensor
        lat, lon, coverage radius (m, -1 unknown), log clutter density (1/m2), pd.
    """
    n_plots = len(idx)
    plat, plon, wide = np.empty(n_plots), np.empty(n_plots), np.empty((2, n_plots))
    for q in range(n_plots):
        z = obs[idx[q]].z
        plat[q], plon[q], wide[0, q], wide[1, q] = z[0], z[1], z[2], z[4]
    mid = _frame_middle(obs, idx)
    grid = build(plat, plon, CELL_M)
    packed, when, drill = np.empty((n_plots, 5)), np.empty(n_plots, np.int64), np.empty(n_plots, np.int8)
    _pack(obs, idx, grid, packed, when, drill)
    cap = max(64, 4 * n_plots)
    track, plot = np.empty(cap, np.int64), np.empty(cap, np.int64)
    cost, dist = np.empty(cap), np.empty(cap)
    runs = np.empty((SPANS_MAX, 2), np.int64)
    pc, spread = np.empty(10), np.empty(6)
    n = 0
    base = math.log(sensor[4]) - sensor[3] - math.log(1.0 - sensor[4])
    g = math.sqrt(rules.gate)
    slack = (1.0 + 1.0 / (FLAT_MARGIN - 1.0)) * SLACK_M * SLACK_M / rules.gate
    rows, widest = rows_near(tracks, rows, coarse_map(plat, plon, wide[0], wide[1]))
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 5)
        fetch_part(tracks, rows[min(k + AHEAD, len(rows) - 1)], EXTENT_BYTE, 1)
        i, wide_e, wide_n = rows[k], widest[k, 0], widest[k, 1]
        t = tracks[i]
        dt = (mid - t.t_us) * 1e-6
        combined(t, pc)
        extent = extent_var(t)
        share = agility(t.ve, t.vn)
        high = process_noise(dt, motion.q1 * share)[0] + extent
        pee = FLAT_MARGIN * (pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + high) + slack
        pen = FLAT_MARGIN * (pc[1] + dt * (pc[3] + pc[5]) + dt * dt * pc[8])
        pnn = FLAT_MARGIN * (pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + high) + slack
        lat, lon, _ = move(t.lat, t.lon, t.ve * dt, t.vn * dt)
        flat = abs(lat) < FLAT_LAT_MAX
        east, north = plane_scale(lat)
        reach_e = min(g * math.sqrt(pee + FLAT_MARGIN * wide_e), RADIUS_MAX_M)
        reach_n = min(g * math.sqrt(pnn + FLAT_MARGIN * wide_n), RADIUS_MAX_M)
        if flat:
            dlat, dlon = reach_n / north, 1.02 * reach_e / east
        else:
            dlat, dlon = reach_deg(lat, max(reach_e, reach_n))
        handicap = rules.tentative_cost if t.status == TENTATIVE else 0.0
        spread_us = np.int64(-1 << 62)
        for s in range(spans(grid, lat, lon, dlat, dlon, runs)):
            for at in range(runs[s, 0], runs[s, 1]):
                if flat:
                    dn, de = (packed[at, 0] - lat) * north, (packed[at, 1] - lon) * east
                    s0, s1 = pee + FLAT_MARGIN * packed[at, 2], pen + FLAT_MARGIN * packed[at, 3]
                    s2 = pnn + FLAT_MARGIN * packed[at, 4]
                    far = s2 * de * de - 2.0 * s1 * de * dn + s0 * dn * dn > rules.gate * (s0 * s2 - s1 * s1)
                    if far and abs(de) < HALF_ROUND_M:
                        continue
                if t.exercise != drill[at]:
                    continue
                if when[at] != spread_us:  # most plots of a frame have few times
                    spread_us = when[at]
                    dtj = (spread_us - t.t_us) * 1e-6
                    spread_at(pc, t.mu, share, dtj, motion, spread)
                    spread[0] += extent
                    spread[2] += extent
                e, no = local_offset(t.lat, t.lon, packed[at, 0], packed[at, 1])
                d2, ll = density(
                    spread, e - dtj * t.ve, no - dtj * t.vn, packed[at, 2], packed[at, 3], packed[at, 4], rules.gate
                )
                worth = ll + base - handicap
                if d2 < rules.gate and worth > 0.0:  # else it is better to leave both alone
                    if n == cap:
                        cap *= 2
                        track, plot = np.append(track, track), np.append(plot, plot)
                        cost, dist = np.append(cost, cost), np.append(dist, dist)
                    track[n], plot[n], dist[n], cost[n] = i, grid.point[at], d2, -worth
                    n += 1
    return track[:n], plot[:n], cost[:n], dist[:n]


@inner
def _take_plot(t, pool, o, z, rules, motion, w):  # type: ignore[no-untyped-def]
    """Outcome code of a plot given to a track; ``z`` is its place and errors, changed where the plot is moved.

    A plot older than the track's state is put in its place by replay. Where the track's memory does not reach back so
    far, one that is a moment late is moved along the track instead.
    """
    t_us = o.t_us
    back = t.t_us - t_us
    if back > 0:
        done = insert_late(t, pool, t_us, o.obs_id, z, rules.birth_rv, motion, w)
        if done == LATE_OK:
            return REPLAYED if back > rules.shift_us else UPDATED
        if done == LATE_DUPLICATE or back > rules.shift_us:
            return TOO_OLD
        dt = back * 1e-6
        combined(t, w.c)
        z[0], z[1], _ = move(z[0], z[1], t.ve * dt, t.vn * dt)
        z[2] += dt * dt * w.c[7]
        z[4] += dt * dt * w.c[9]
        t_us = t.t_us
    apply_report(t, pool, t_us, o.obs_id, z, rules.birth_rv, motion, w)
    return UPDATED


@kernel
def apply_frame(  # type: ignore[no-untyped-def]
    tracks, pool, log, ctl, obs, idx, pair, pairs, src, scan, miss_llr, trusted, rules, motion, work, out
):
    """Rows that took a plot, in the order of plots; each is updated, and confirmed when its evidence suffices.

    A row with a name takes a doubtful plot for its ``share`` only: its own reports hold it in place meanwhile. One
    without would be drawn together with its neighbour. ``pairs`` are the frame's candidates: track, plot, cost, d2 and
    share.
    """
    track, plot, cost, dist, share = pairs
    pc, spread = np.empty(10), np.empty(6)
    hit = np.empty(len(idx), np.int64)
    n = 0
    w = work[0]
    z = w.z
    for q in range(len(idx)):
        fetch_plots(q, pair, track, tracks, pool)
        e = pair[q]
        if e < 0:
            continue
        o, r, i = obs[idx[q]], out[idx[q]], track[e]
        t = tracks[i]
        for k in range(8):
            z[k] = o.z[k]
        if share[e] < DOUBTFUL and t.mmsi > 0 and o.t_us >= t.t_us:
            blend(t, obs, idx, track, plot, share, e, z, motion, pc, spread)
        if o.kind == RADAR:
            z[5], z[6], z[7] = hull_of(t), 0.0, 0.0
        else:
            extent = extent_var(t)
            z[2] += extent
            z[4] += extent
        code = _take_plot(t, pool, o, z, rules, motion, w)
        r.code, r.uid, r.d2 = code, t.uid, dist[e]
        if code == TOO_OLD:
            continue
        gain = -cost[e] + (rules.tentative_cost if t.status == TENTATIVE else 0.0) + miss_llr
        t.llr = min(t.llr + gain, rules.llr_max)
        if trusted and share[e] >= WITNESS_MIN:
            note_offset(t, o.t_us, o.z)
        note_report(t, o, z)
        t.misses = 0
        t.last_source, t.last_scan = src, scan
        if t.status == TENTATIVE:
            if t.llr > rules.confirm_llr and t.hits >= rules.confirm_hits:
                t.status = CONFIRMED
                write_event(log, ctl, o.t_us, t.uid, EV_CONFIRMED, t.hits, o.obs_id)
        else:
            t.status = CONFIRMED
        if t.status == CONFIRMED or t.shown:
            show(log, ctl, t, w)
        hit[n] = i
        n += 1
    return hit[:n]


@kernel
def begin_tracks(tracks, pool, ctl, free, obs, idx, pair, src, scan, rules, motion, work, out):  # type: ignore[no-untyped-def]
    """Rows begun from the frame's plots that no track took."""
    born = np.empty(len(idx), np.int64)
    n = 0
    w = work[0]
    for q in range(len(idx)):
        if pair[q] >= 0:
            continue
        o, r = obs[idx[q]], out[idx[q]]
        if ctl[CTL_FREE] == 0:
            r.code = REFUSED
            continue
        i = take_row(tracks, ctl, free, o.t_us)
        t, z = tracks[i], w.z
        for k in range(8):
            z[k] = o.z[k]
        if o.kind == RADAR:
            z[5], z[6], z[7] = HULL_UNKNOWN, 0.0, 0.0
        apply_report(t, pool, o.t_us, o.obs_id, z, rules.birth_rv, motion, w)
        t.exercise = o.exercise
        note_report(t, o, z)
        t.last_source, t.last_scan = src, scan
        r.code, r.uid = STARTED, t.uid
        born[n] = i
        n += 1
    return born[:n]
