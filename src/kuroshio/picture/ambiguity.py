"""How sure it is that a plot belongs to the track that took it, and what a doubtful plot is worth.

What enters: candidate pairs of a frame with their costs, in order of track, and the pair each plot was assigned. What
leaves: the probability of each pair, and for a track in doubt one plot that stands for all its candidates. Where no
track and no plot has more than one candidate there is no doubt to weigh, and nothing is computed. Sources: Williams,
Lau, Approximate evaluation of marginal association probabilities with belief propagation, IEEE T-AES 50(4), 2014
(arXiv:1203.2995: the messages between tracks and plots and the beliefs they end in); Bar-Shalom, Li, Kirubarajan 2001
and Bar-Shalom, Li, Multitarget-Multisensor Tracking 1995, 3.4 (the update by several plots). What it is used for, and
what it was found not to help, is in docs/adr/0129.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kuroshio.picture.compiled import bare, inner, kernel
from kuroshio.picture.extent import extent_var
from kuroshio.picture.filter import combined, spread_at
from kuroshio.picture.motion import agility, local_offset, move
from kuroshio.units import FloatArray, IntArray

DOUBTFUL = 0.95  # a pair less probable is taken for its share only
WITNESS_MIN = 0.9  # a plot that less probably is of the ship says nothing against its AIS
TURNS_MAX, SETTLED = 50, 3e-4  # a probability is off by less than 0.01 then (ADR 0129)
WORTH_MAX = 40.0  # in a natural logarithm: beyond it a pair is certain
EXACT_PLOTS, EXACT_TRACKS = 8, 16  # of a component summed exactly: propagation makes two of two far too sure
TOLD_MIN = 0.02  # of the information of a sure plot: candidates that scatter wider than the track knows tell this much


@bare
def _root(parent, j):  # type: ignore[no-untyped-def]
    while parent[j] != j:
        parent[j] = parent[parent[j]]
        j = parent[j]
    return j


@kernel
def _crowded(track, plot, n_plots):  # type: ignore[no-untyped-def]
    """(first and last pair of each track among which there is a choice, its component), in order of component."""
    claims, parent = np.zeros(n_plots, np.int64), np.arange(n_plots)
    for j in plot:
        claims[j] += 1
    spans, rows, a = np.empty((len(track), 2), np.int64), 0, 0
    while a < len(track):
        b, shared = a, False
        while b < len(track) and track[b] == track[a]:
            shared |= claims[plot[b]] > 1
            b += 1
        if shared or b - a > 1:
            spans[rows, 0], spans[rows, 1] = a, b
            rows += 1
            for e in range(a + 1, b):
                parent[_root(parent, plot[e])] = _root(parent, plot[a])
        a = b
    root, start = np.empty(rows, np.int64), np.zeros(n_plots + 1, np.int64)
    for i in range(rows):
        root[i] = _root(parent, plot[spans[i, 0]])
        start[root[i] + 1] += 1
    for j in range(n_plots):
        start[j + 1] += start[j]
    ordered, group = np.empty((rows, 2), np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        at = start[root[i]]
        start[root[i]] += 1
        ordered[at, 0], ordered[at, 1], group[at] = spans[i, 0], spans[i, 1], root[i]
    return ordered, group


class Work(NamedTuple):
    """Work space for all components of a frame: sums over sets of plots, and messages by pair and by plot.

    ``before`` and ``after`` are (`EXACT_TRACKS` + 1, 2 ** `EXACT_PLOTS`). By pair: ``psi`` what it is worth, ``nu`` and
    ``mu`` the messages of plots and of tracks, ``part`` what they are made of, ``at`` its plot. ``border`` is by track,
    ``top``, ``best`` and ``rest`` by plot.
    """

    before: FloatArray
    after: FloatArray
    psi: FloatArray
    nu: FloatArray
    mu: FloatArray
    part: FloatArray
    at: IntArray
    border: IntArray
    top: IntArray
    best: FloatArray
    rest: FloatArray


@inner
def _exact(spans, plot, cost, local, n_local, share, w):  # type: ignore[no-untyped-def]
    """Probabilities in one small component by the sum over all its assignments, track by track over sets of plots.

    ``local`` numbers the plots of the component. Worths are told against the best of each track.
    """
    rows, sets = len(spans), 1 << n_local
    before, after, alone = w.before, w.after, w.best
    for taken in range(sets):
        before[0, taken], after[rows, taken] = 0.0, 1.0
    before[0, 0] = 1.0
    for i in range(rows):
        best = 0.0
        for e in range(spans[i, 0], spans[i, 1]):
            best = max(best, min(-cost[e], WORTH_MAX))
        alone[i] = math.exp(-best)
        for taken in range(sets):
            before[i + 1, taken] = before[i, taken] * alone[i]
        for e in range(spans[i, 0], spans[i, 1]):
            bit = 1 << local[plot[e]]
            worth = math.exp(min(-cost[e], WORTH_MAX) - best)
            for high in range(0, sets, 2 * bit):
                for taken in range(high, high + bit):
                    before[i + 1, taken + bit] += before[i, taken] * worth
            share[e] = worth
    for i in range(rows - 1, -1, -1):  # what the tracks from here on can still make of the plots left
        for taken in range(sets):
            after[i, taken] = after[i + 1, taken] * alone[i]
        for e in range(spans[i, 0], spans[i, 1]):
            bit, worth = 1 << local[plot[e]], share[e]
            for high in range(0, sets, 2 * bit):
                for taken in range(high, high + bit):
                    after[i, taken] += after[i + 1, taken + bit] * worth
    for i in range(rows):
        for e in range(spans[i, 0], spans[i, 1]):
            bit, total = 1 << local[plot[e]], 0.0
            for high in range(0, sets, 2 * bit):
                for taken in range(high, high + bit):
                    total += before[i, taken] * after[i + 1, taken + bit]
            share[e] *= total / after[0, 0]


@inner
def _to_plots(rows, pairs, w):  # type: ignore[no-untyped-def]
    """Messages of tracks: what each pair is worth beside the track's other candidates and none.

    The greatest of a track is kept apart, so that nothing is lost in a difference. Loops without a choice are of their
    own: they take several pairs at a time.
    """
    psi, nu, mu, part, border = w.psi, w.nu, w.mu, w.part, w.border
    for k in range(pairs):
        part[k] = psi[k] * nu[k]
    for i in range(rows):
        a, b = border[i], border[i + 1]
        top, best, rest = a, part[a], 1.0
        for k in range(a + 1, b):
            rest += min(part[k], best)
            top, best = (k, part[k]) if part[k] > best else (top, best)
        for k in range(a, b):
            part[k] = rest + best - part[k]
        part[top] = rest
    for k in range(pairs):
        mu[k] = psi[k] / part[k]


@inner
def _to_tracks(pairs, n_local, w):  # type: ignore[no-untyped-def]
    """Messages of plots: how free each is of all other tracks; True while any changes by `SETTLED`."""
    nu, mu, part, at, top, best, rest = w.nu, w.mu, w.part, w.at, w.top, w.best, w.rest
    for j in range(n_local):
        top[j], best[j], rest[j] = -1, 0.0, 1.0
    for k in range(pairs):
        j = at[k]
        rest[j] += min(mu[k], best[j])
        top[j], best[j] = (k, mu[k]) if mu[k] > best[j] else (top[j], best[j])
    for k in range(pairs):
        j = at[k]
        part[k] = rest[j] if k == top[j] else rest[j] + best[j] - mu[k]
    moved = 0
    for k in range(pairs):
        new = 1.0 / part[k]
        moved |= 1 if abs(new - nu[k]) >= SETTLED else 0
        nu[k] = new
    return moved > 0


@inner
def _propagated(spans, plot, cost, local, n_local, share, w):  # type: ignore[no-untyped-def]
    """Probabilities in one component of any size by belief propagation; ``local`` numbers its plots."""
    rows, m = len(spans), 0
    psi, nu, border, at = w.psi, w.nu, w.border, w.at
    border[0] = 0
    for i in range(rows):
        for e in range(spans[i, 0], spans[i, 1]):
            psi[m], nu[m], at[m] = math.exp(min(-cost[e], WORTH_MAX)), 1.0, local[plot[e]]
            m += 1
        border[i + 1] = m
    for _ in range(TURNS_MAX):
        _to_plots(rows, m, w)
        if not _to_tracks(m, n_local, w):
            break
    for i in range(rows):
        total = 1.0
        for k in range(border[i], border[i + 1]):
            total += psi[k] * nu[k]
        for k in range(border[i], border[i + 1]):
            share[spans[i, 0] + k - border[i]] = psi[k] * nu[k] / total


@kernel
def marginals(track, plot, cost, n_plots, mmsi, exact_plots):  # type: ignore[no-untyped-def]
    """Probability that each candidate pair belongs together; 1 where nobody asks, or where there is no other candidate.

    Nobody asks where tracks without a name are among themselves: they take the plot assigned (docs/adr/0129).

    Parameters
    ----------
    track, plot
        Row and plot of each pair, shape (pairs,); the pairs of a track stand together.
    cost
        Negative log-likelihood ratio of belonging together against both staying alone.
    n_plots
        Upper bound of ``plot``.
    mmsi
        Name of each row of the table, 0 for none.
    exact_plots
        A component of no more plots is summed exactly, a larger one by belief propagation.
    """
    share = np.ones(len(track))
    spans, root = _crowded(track, plot, n_plots)
    if len(spans) == 0:
        return share
    local, a, m, shape = np.full(n_plots, -1, np.int64), 0, len(track), (EXACT_TRACKS + 1, 1 << EXACT_PLOTS)
    w = Work(
        np.empty(shape), np.empty(shape), np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(m, np.int64),
        np.empty(len(spans) + 1, np.int64), np.empty(n_plots, np.int64), np.empty(max(n_plots, EXACT_TRACKS)),
        np.empty(n_plots),
    )  # fmt: skip
    while a < len(spans):
        b, number, named = a, 0, False
        while b < len(spans) and root[b] == root[a]:
            named |= mmsi[track[spans[b, 0]]] > 0
            for e in range(spans[b, 0], spans[b, 1]):
                if local[plot[e]] < 0:
                    local[plot[e]] = number
                    number += 1
            b += 1
        if named and number <= min(exact_plots, EXACT_PLOTS) and b - a <= EXACT_TRACKS:
            _exact(spans[a:b], plot, cost, local, number, share, w)
        elif named:
            _propagated(spans[a:b], plot, cost, local, number, share, w)
        a = b
    return share


@bare
def one_for_all(s0, s1, s2, beta, ve, vn, m0, m1, m2):  # type: ignore[no-untyped-def]
    """(innovation east, north, its covariance ee, en, nn) of the one plot that updates a track as several would.

    The mean is that of the update by all (Bar-Shalom, Li 1995, 3.4.2): x + K v, and so is the covariance P - K M K'
    with M = beta S - (sum of beta_j v_j v_j' - v v'), where M is positive: a plot with innovation S M^-1 v and its
    covariance S M^-1 S gives both. Elsewhere the candidates tell nothing, and M is `TOLD_MIN` S. So a doubtful plot is
    kept for replay like any other.

    Parameters
    ----------
    s0, s1, s2
        Innovation covariance S of a sure plot.
    beta
        Sum of the candidates' probabilities beta_j.
    ve, vn
        Sum of beta_j v_j, the innovations weighed.
    m0, m1, m2
        Sum of beta_j v_j v_j'.
    """
    a0, a1, a2 = beta * s0 - m0 + ve * ve, beta * s1 - m1 + ve * vn, beta * s2 - m2 + vn * vn
    det = a0 * a2 - a1 * a1
    if a0 < TOLD_MIN * s0 or a2 < TOLD_MIN * s2 or det < TOLD_MIN * TOLD_MIN * (s0 * s2 - s1 * s1):
        a0, a1, a2 = TOLD_MIN * s0, TOLD_MIN * s1, TOLD_MIN * s2
        det = a0 * a2 - a1 * a1
    b0, b1 = (s0 * a2 - s1 * a1) / det, (s1 * a0 - s0 * a1) / det  # S M^-1
    c0, c1 = (s1 * a2 - s2 * a1) / det, (s2 * a0 - s1 * a1) / det
    return b0 * ve + b1 * vn, c0 * ve + c1 * vn, b0 * s0 + b1 * s1, b0 * s1 + b1 * s2, c0 * s1 + c1 * s2


@inner
def blend(t, obs, idx, track, plot, share, e, z, motion, pc, spread):  # type: ignore[no-untyped-def]
    """Put into ``z`` the place and covariance of the one plot that stands for all candidates of a track in doubt.

    ``e`` is the pair assigned to the track, whose plot ``z`` holds; ``pc`` and ``spread`` are work space.
    """
    combined(t, pc)
    chosen = obs[idx[plot[e]]]
    dt = (chosen.t_us - t.t_us) * 1e-6
    spread_at(pc, t.mu, agility(t.ve, t.vn), dt, motion, spread)
    noise = extent_var(t) + spread[5] * spread[3] + (1.0 - spread[5]) * spread[4]
    p0, p1, p2 = spread[0] + noise, spread[1], spread[2] + noise
    a = e
    while a > 0 and track[a - 1] == track[e]:
        a -= 1
    beta, ve, vn, m0, m1, m2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    own_e, own_n = 0.0, 0.0
    while a < len(track) and track[a] == track[e]:
        o = obs[idx[plot[a]]]
        dt = (o.t_us - t.t_us) * 1e-6
        de, dn = local_offset(t.lat, t.lon, o.z[0], o.z[1])
        de, dn, w = de - dt * t.ve, dn - dt * t.vn, share[a]
        if a == e:
            own_e, own_n = de, dn
        beta += w
        ve, vn = ve + w * de, vn + w * dn
        m0, m1, m2 = m0 + w * de * de, m1 + w * de * dn, m2 + w * dn * dn
        a += 1
    de, dn, q0, q1, q2 = one_for_all(p0 + z[2], p1 + z[3], p2 + z[4], beta, ve, vn, m0, m1, m2)
    z[0], z[1], _ = move(z[0], z[1], de - own_e, dn - own_n)
    z[2], z[3], z[4] = q0 - p0, q1 - p1, q2 - p2
