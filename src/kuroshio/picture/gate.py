"""Plots of one frame against all tracks: which pairs are possible, and what each is worth.

What enters: plots of one source within one slot, and the rows of live tracks. What leaves: candidate pairs with the
cost of belonging together, and which tracks the sensor should have seen. The cost is the negative log-likelihood
ratio of hit against false plot and miss. Source: Blackman, Popoli, Design and Analysis of Modern Tracking Systems
1999, 6.2.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.picture.compiled import kernel
from kuroshio.picture.filter import predictive
from kuroshio.picture.grid import build, coarse_map, maybe_near, near
from kuroshio.picture.identity import REFUSED, REPLAYED, STARTED, TOO_OLD, UPDATED, note_report
from kuroshio.picture.journal import EV_CONFIRMED, write_event, write_update
from kuroshio.picture.late import LATE_OK, apply_report, insert_late
from kuroshio.picture.model import RADAR
from kuroshio.picture.motion import local_offset, move, process_noise
from kuroshio.picture.table import CONFIRMED, CTL_FREE, TENTATIVE, take_row

CELL_M = 2000.0
RADIUS_MAX_M = 6 * CELL_M
EDGE_IN_M = 2000.0  # misses are not counted this near the edge of the coverage
NEAR_MAX = 4096


@kernel
def gate_frame(kin, life, rows, obs, idx, sensor, rules, motion):  # type: ignore[no-untyped-def]
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
    plat, plon = np.empty(n_plots), np.empty(n_plots)
    widest, mid = 0.0, np.int64(0)
    for q in range(n_plots):
        z = obs.z[idx[q]]
        plat[q], plon[q] = z[0], z[1]
        widest = max(widest, z[2], z[4])
        mid += (obs.t_us[idx[q]] - obs.t_us[idx[0]]) // n_plots
    mid += obs.t_us[idx[0]]
    grid = build(plat, plon, np.ones(n_plots, np.bool_), CELL_M)
    cap = max(64, 4 * n_plots)
    track, plot = np.empty(cap, np.int64), np.empty(cap, np.int64)
    cost, dist = np.empty(cap), np.empty(cap)
    box = np.empty(min(NEAR_MAX, n_plots), np.int64)
    n = 0
    base = math.log(sensor[4]) - sensor[3] - math.log(1.0 - sensor[4])
    g = math.sqrt(rules.gate)
    coarse = coarse_map(plat, plon)
    for i in rows:
        dt = (mid - kin.t_us[i]) * 1e-6
        if not maybe_near(coarse, kin.lat[i], kin.lon[i]):
            continue
        pc = kin.pc[i]
        high = process_noise(dt, motion.q1)[0]
        pee = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + high
        pnn = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + high
        radius = min(g * math.sqrt(max(pee, pnn) + widest) + 50.0, RADIUS_MAX_M)
        lat, lon, _ = move(kin.lat[i], kin.lon[i], kin.ve[i] * dt, kin.vn[i] * dt)
        for k in range(near(grid, lat, lon, radius, plat, plon, box)):
            j = idx[box[k]]
            z = obs.z[j]
            if life.exercise[i] != obs.exercise[j]:
                continue
            dtj = (obs.t_us[j] - kin.t_us[i]) * 1e-6
            e, no = local_offset(kin.lat[i], kin.lon[i], z[0], z[1])
            d2, ll = predictive(kin, i, dtj, e, no, z[2], z[3], z[4], motion)
            if d2 < rules.gate:
                if n == cap:
                    cap *= 2
                    track, plot = np.append(track, track), np.append(plot, plot)
                    cost, dist = np.append(cost, cost), np.append(dist, dist)
                track[n], plot[n], dist[n] = i, box[k], d2
                cost[n] = -(ll + base) + (rules.tentative_cost if life.status[i] == TENTATIVE else 0.0)
                n += 1
    return track[:n], plot[:n], cost[:n], dist[:n]


@kernel
def in_coverage(kin, rows, t_us, sensor):  # type: ignore[no-untyped-def]
    """True for rows that at ``t_us`` are well inside the sensor's coverage."""
    out = np.zeros(len(rows), np.bool_)
    if sensor[2] <= 0:
        return out
    reach = sensor[2] - min(EDGE_IN_M, 0.1 * sensor[2])
    for k in range(len(rows)):
        i = rows[k]
        dt = (t_us - kin.t_us[i]) * 1e-6
        e, n = local_offset(sensor[0], sensor[1], kin.lat[i], kin.lon[i])
        e += kin.ve[i] * dt
        n += kin.vn[i] * dt
        out[k] = e * e + n * n < reach * reach
    return out


@kernel
def apply_frame(  # type: ignore[no-untyped-def]
    kin, life, ring, log, ctl, obs, idx, pair, track, cost, dist, src, scan, miss_llr, rules, motion, w, out
):
    """Rows that took a plot, in the order of plots; each is updated, and confirmed when its evidence suffices."""
    hit = np.empty(len(idx), np.int64)
    n = 0
    zz = np.empty(8)
    for q in range(len(idx)):
        e = pair[q]
        if e < 0:
            continue
        j, i = idx[q], track[e]
        zz[:] = obs.z[j]
        zz[7] = 0.0 if obs.kind[j] == RADAR else zz[7]
        if not math.isnan(life.fit[i, 2]):
            extent = (life.fit[i, 2] / 6.0) ** 2
            zz[2] += extent
            zz[4] += extent
        t_us = obs.t_us[j]
        back = kin.t_us[i] - t_us
        code = UPDATED
        if back > rules.shift_us:
            done = insert_late(kin, ring, i, t_us, obs.obs_id[j], zz, rules.birth_rv, motion, w)
            code = REPLAYED if done == LATE_OK else TOO_OLD
        else:
            if back > 0:
                dt = back * 1e-6
                zz[0], zz[1], _ = move(zz[0], zz[1], kin.ve[i] * dt, kin.vn[i] * dt)
                zz[2] += dt * dt * kin.pc[i, 7]
                zz[4] += dt * dt * kin.pc[i, 9]
                t_us = kin.t_us[i]
            apply_report(kin, ring, i, t_us, obs.obs_id[j], zz, rules.birth_rv, motion, w)
        out.code[j], out.uid[j], out.d2[j] = code, life.uid[i], dist[e]
        if code == TOO_OLD:
            continue
        gain = -cost[e] + (rules.tentative_cost if life.status[i] == TENTATIVE else 0.0) + miss_llr
        life.llr[i] = min(life.llr[i] + gain, rules.llr_max)
        note_report(life, i, j, obs, zz)
        life.misses[i] = 0
        life.last_source[i], life.last_scan[i] = src, scan
        if life.status[i] == TENTATIVE:
            if life.llr[i] > rules.confirm_llr and life.hits[i] >= rules.confirm_hits:
                life.status[i] = CONFIRMED
                write_event(log, ctl, obs.t_us[j], life.uid[i], EV_CONFIRMED, life.hits[i], obs.obs_id[j])
        else:
            life.status[i] = CONFIRMED
        if life.status[i] == CONFIRMED or life.shown[i]:
            write_update(log, ctl, kin, life, i)
            life.shown[i] = 1
        hit[n] = i
        n += 1
    return hit[:n]


@kernel
def begin_tracks(kin, life, ring, ctl, free, obs, idx, pair, src, scan, rules, motion, w, out):  # type: ignore[no-untyped-def]
    """Rows begun from the frame's plots that no track took."""
    born = np.empty(len(idx), np.int64)
    n = 0
    for q in range(len(idx)):
        if pair[q] >= 0:
            continue
        j = idx[q]
        if ctl[CTL_FREE] == 0:
            out.code[j] = REFUSED
            continue
        i = take_row(life, ring, ctl, free, obs.t_us[j])
        z = obs.z[j].copy()
        if obs.kind[j] == RADAR:
            z[7] = 0.0
            z[5] = z[6] = 0.0
        apply_report(kin, ring, i, obs.t_us[j], obs.obs_id[j], z, rules.birth_rv, motion, w)
        life.exercise[i] = obs.exercise[j]
        note_report(life, i, j, obs, z)
        life.last_source[i], life.last_scan[i] = src, scan
        out.code[j], out.uid[j] = STARTED, life.uid[i]
        born[n] = i
        n += 1
    return born[:n]
