"""Plots of one frame against all tracks: which pairs are possible, and what each is worth.

What enters: plots of one source within one slot, and the rows of live tracks. What leaves: candidate pairs with the
cost of belonging together, and which tracks the sensor should have seen. The cost is the negative log-likelihood
ratio of hit against false plot and miss. Source: Blackman, Popoli, Design and Analysis of Modern Tracking Systems
1999, 6.2.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.geo import metres_per_degree
from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.drag import extent_var, note_offset
from kuroshio.picture.filter import combined, predictive
from kuroshio.picture.grid import build, coarse_map, near, widest_near
from kuroshio.picture.identity import REFUSED, REPLAYED, STARTED, TOO_OLD, UPDATED, note_report
from kuroshio.picture.journal import EV_CONFIRMED, show, write_event
from kuroshio.picture.late import LATE_OK, apply_report, insert_late
from kuroshio.picture.model import RADAR
from kuroshio.picture.motion import local_offset, move, process_noise
from kuroshio.picture.table import CONFIRMED, CTL_FREE, TENTATIVE, take_row

CELL_M = 2000.0
RADIUS_MAX_M = 6 * CELL_M
NEAR_MAX = 4096
SLACK_M = 50.0  # plots of a frame differ in time
FLAT_LAT_MAX = 80.0  # where a plane of metres a degree is good to the margin below
FLAT_MARGIN = 1.1
HALF_ROUND_M = 2_000_000.0  # further apart in longitude is across the antimeridian


@inner
def _far(packed, at, lat, lon, east, north, pee, pnn, gate_d2):  # type: ignore[no-untyped-def]
    """True when one axis alone puts a plot outside the gate, with allowance for its time and the flat map."""
    dn = abs(packed[at, 0] - lat) * north - SLACK_M
    if dn > 0.0 and dn * dn > FLAT_MARGIN * gate_d2 * (pnn + packed[at, 3]):
        return True
    de = abs(packed[at, 1] - lon) * east - SLACK_M
    return de > 0.0 and de * de > FLAT_MARGIN * gate_d2 * (pee + packed[at, 2]) and de < HALF_ROUND_M


@kernel
def gate_frame(tracks, rows, obs, idx, sensor, rules, motion):  # type: ignore[no-untyped-def]
    """(track row, plot, cost, d2) of each candidate pair.

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
    plat, plon, width = np.empty(n_plots), np.empty(n_plots), np.empty(n_plots)
    mid = np.int64(0)
    first_us = obs[idx[0]].t_us
    for q in range(n_plots):
        o = obs[idx[q]]
        plat[q], plon[q] = o.z[0], o.z[1]
        width[q] = max(o.z[2], o.z[4])
        mid += (o.t_us - first_us) // n_plots
    mid += first_us
    grid = build(plat, plon, CELL_M)
    packed = np.empty((n_plots, 4))  # in the grid's order: what most candidates are turned down by
    for at in range(n_plots):
        z = obs[idx[grid.point[at]]].z
        packed[at, 0], packed[at, 1], packed[at, 2], packed[at, 3] = z[0], z[1], z[2], z[4]
    cap = max(64, 4 * n_plots)
    track, plot = np.empty(cap, np.int64), np.empty(cap, np.int64)
    cost, dist = np.empty(cap), np.empty(cap)
    box = np.empty(min(NEAR_MAX, n_plots), np.int64)
    pc = np.empty(10)
    n = 0
    base = math.log(sensor[4]) - sensor[3] - math.log(1.0 - sensor[4])
    g = math.sqrt(rules.gate)
    coarse = coarse_map(plat, plon, width)
    for i in rows:
        t = tracks[i]
        widest = widest_near(coarse, t.lat, t.lon)
        if widest <= 0.0:
            continue
        dt = (mid - t.t_us) * 1e-6
        combined(t, pc)
        extent = extent_var(t.fit)
        high = process_noise(dt, motion.q1)[0] + extent
        pee = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + high
        pnn = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + high
        radius = min(g * math.sqrt(max(pee, pnn) + widest) + SLACK_M, RADIUS_MAX_M)
        lat, lon, _ = move(t.lat, t.lon, t.ve * dt, t.vn * dt)
        east, north = metres_per_degree(lat)
        flat = abs(lat) < FLAT_LAT_MAX
        handicap = rules.tentative_cost if t.status == TENTATIVE else 0.0
        for k in range(near(grid, lat, lon, radius, box)):
            if flat and _far(packed, box[k], lat, lon, east, north, pee, pnn, rules.gate):
                continue
            q = grid.point[box[k]]
            o = obs[idx[q]]
            if t.exercise != o.exercise:
                continue
            dtj = (o.t_us - t.t_us) * 1e-6
            e, no = local_offset(t.lat, t.lon, o.z[0], o.z[1])
            d2, ll = predictive(t, pc, dtj, e, no, o.z[2] + extent, o.z[3], o.z[4] + extent, rules.gate, motion)
            worth = ll + base - handicap
            if d2 < rules.gate and worth > 0.0:  # else it is better to leave both alone
                if n == cap:
                    cap *= 2
                    track, plot = np.append(track, track), np.append(plot, plot)
                    cost, dist = np.append(cost, cost), np.append(dist, dist)
                track[n], plot[n], dist[n], cost[n] = i, q, d2, -worth
                n += 1
    return track[:n], plot[:n], cost[:n], dist[:n]


@inner
def _take_plot(t, ring, o, z, rules, motion, w):  # type: ignore[no-untyped-def]
    """Outcome code of a plot given to a track; ``z`` is its place and errors, changed where the plot comes late."""
    t_us = o.t_us
    back = t.t_us - t_us
    if back > rules.shift_us:
        done = insert_late(t, ring, t_us, o.obs_id, z, rules.birth_rv, motion, w)
        return REPLAYED if done == LATE_OK else TOO_OLD
    if back > 0:
        dt = back * 1e-6
        combined(t, w.c)
        z[0], z[1], _ = move(z[0], z[1], t.ve * dt, t.vn * dt)
        z[2] += dt * dt * w.c[7]
        z[4] += dt * dt * w.c[9]
        t_us = t.t_us
    apply_report(t, ring, t_us, o.obs_id, z, rules.birth_rv, motion, w)
    return UPDATED


@kernel
def apply_frame(  # type: ignore[no-untyped-def]
    tracks, rings, log, ctl, obs, idx, pair, track, cost, dist, src, scan, miss_llr, trusted, rules, motion, work, out
):
    """Rows that took a plot, in the order of plots; each is updated, and confirmed when its evidence suffices."""
    hit = np.empty(len(idx), np.int64)
    n = 0
    w = work[0]
    z = w.z
    for q in range(len(idx)):
        e = pair[q]
        if e < 0:
            continue
        o, r, i = obs[idx[q]], out[idx[q]], track[e]
        t = tracks[i]
        for k in range(8):
            z[k] = o.z[k]
        if o.kind == RADAR:
            z[7] = 0.0
        extent = extent_var(t.fit)
        z[2] += extent
        z[4] += extent
        code = _take_plot(t, rings[i], o, z, rules, motion, w)
        r.code, r.uid, r.d2 = code, t.uid, dist[e]
        if code == TOO_OLD:
            continue
        gain = -cost[e] + (rules.tentative_cost if t.status == TENTATIVE else 0.0) + miss_llr
        t.llr = min(t.llr + gain, rules.llr_max)
        if trusted:
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
def begin_tracks(tracks, rings, ctl, free, obs, idx, pair, src, scan, rules, motion, work, out):  # type: ignore[no-untyped-def]
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
        i = take_row(tracks, rings, ctl, free, o.t_us)
        t, z = tracks[i], w.z
        for k in range(8):
            z[k] = o.z[k]
        if o.kind == RADAR:
            z[5] = z[6] = z[7] = 0.0
        apply_report(t, rings[i], o.t_us, o.obs_id, z, rules.birth_rv, motion, w)
        t.exercise = o.exercise
        note_report(t, o, z)
        t.last_source, t.last_scan = src, scan
        r.code, r.uid = STARTED, t.uid
        born[n] = i
        n += 1
    return born[:n]
