"""The estimate of one track: interacting multiple models, updated by position and velocity.

What enters: the record of a track and one measurement. What leaves: the record changed in place, and
the squared Mahalanobis distance. Each track has its own plane: its reference is the combined position, so geodesy
enters twice an update and the algebra is plain. Source: Blom, Bar-Shalom, IEEE T-AC 1988 (IMM); Bar-Shalom, Li,
Kirubarajan 2001, 11.6.6. The NumPy form that tests hold this equal to is `picture.reference`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import inner, within
from kuroshio.picture.motion import agility, move, process_noise, turn_axes
from kuroshio.picture.pair import first_of, pair, second_of
from kuroshio.picture.single import mixed, predicted, store_both, widened, with_position, with_velocity
from kuroshio.units import FloatArray, IntArray

LOG_2PI = math.log(2.0 * math.pi)
MU_MIN = 1e-3
MU_BIRTH = 0.1
# Share of the variance a ship reports with its position that does not average out: errors of a GNSS receiver wander
# over ten minutes, and an antenna stands where it stands. A report cannot make a place surer than that; radar can. What
# shows as scatter from report to report does average out: ``scatter`` is the running mean of d2/2, 1 where all does.
LASTING_SHARE = 0.1
SCATTER_REPORTS, SCATTER_MAX = 16.0, 4.0
EXPONENT_MAX = 600.0  # of a likelihood ratio: beyond it one model is certain
# Work space of one update: a combined covariance, a report and what of it is
# remembered, and two reports held in a replay
WORK = np.dtype(
    [
        ("c", np.float64, (10,)),
        ("z", np.float64, (8,)),
        ("said", np.float64, (8,)),
        ("late", np.float64, (2, 8)),
        ("late_us", np.int64, (2,)),
        ("late_id", np.int64, (2,)),
    ]
)


class Kin(NamedTuple):
    """Kinematics of all tracks as columns: views of the track records, one entry a row.

    ``lat``/``lon`` (deg) is the combined position and the origin of the track's plane, ``ve``/``vn`` (m/s) the
    combined velocity; ``x`` (rows, 2, 4) and ``p`` (rows, 2, 10) are the two models, ``mu`` the probability of the
    manoeuvring one, ``t_us`` the time of validity, ``scatter`` the running mean of d2/2 of its own reports. The
    combined covariance follows from them (`combined`).
    """

    lat: FloatArray
    lon: FloatArray
    ve: FloatArray
    vn: FloatArray
    x: FloatArray
    p: FloatArray
    mu: FloatArray
    t_us: IntArray
    scatter: Any


@within
def distance_2d(s0, s1, s2, de, dn):  # type: ignore[no-untyped-def]
    """(d2, determinant) of a two-dimensional innovation with covariance (s0 s1; s1 s2)."""
    det = s0 * s2 - s1 * s1
    return (s2 * de * de - 2.0 * s1 * de * dn + s0 * dn * dn) / det, det


@inner
def start_state(t, t_us, lat, lon, r0, r1, r2, ve, vn, rv):  # type: ignore[no-untyped-def]
    """Begin a track's estimate at a position with velocity variance ``rv``."""
    t.lat, t.lon, t.ve, t.vn, t.mu, t.t_us, t.scatter = lat, lon, ve, vn, MU_BIRTH, t_us, 0.0
    for m in range(2):
        for k in range(10):
            t.p[m, k] = 0.0
        t.p[m, 0], t.p[m, 1], t.p[m, 4] = r0, r1, r2
        t.p[m, 7] = t.p[m, 9] = rv
        t.x[m, 0] = t.x[m, 1] = 0.0
        t.x[m, 2], t.x[m, 3] = ve, vn


@within
def combined(t, out):  # type: ignore[no-untyped-def]
    """Packed covariance of the two models of a track as one; its mean is the track's position and velocity."""
    w1 = t.mu
    w0 = 1.0 - w1
    x, p = t.x, t.p
    d0, d1, d2, d3 = x[1, 0] - x[0, 0], x[1, 1] - x[0, 1], x[1, 2] - x[0, 2], x[1, 3] - x[0, 3]
    w = w0 * w1
    for k in range(10):
        out[k] = w0 * p[0, k] + w1 * p[1, k]
    out[0] += w * d0 * d0
    out[1] += w * d0 * d1
    out[2] += w * d0 * d2
    out[3] += w * d0 * d3
    out[4] += w * d1 * d1
    out[5] += w * d1 * d2
    out[6] += w * d1 * d3
    out[7] += w * d2 * d2
    out[8] += w * d2 * d3
    out[9] += w * d3 * d3


@within
def _collapse(t):  # type: ignore[no-untyped-def]
    """Combine the models of a track and move the plane's origin to the combined position."""
    w1 = t.mu
    w0 = 1.0 - w1
    e, n = w0 * t.x[0, 0] + w1 * t.x[1, 0], w0 * t.x[0, 1] + w1 * t.x[1, 1]
    t.ve, t.vn = w0 * t.x[0, 2] + w1 * t.x[1, 2], w0 * t.x[0, 3] + w1 * t.x[1, 3]
    lat, lon, turn = move(t.lat, t.lon, e, n)
    t.lat, t.lon = lat, lon
    for m in range(2):
        t.x[m, 0] -= e
        t.x[m, 1] -= n
    if turn != 0.0:
        c, s = math.cos(turn), math.sin(turn)
        t.ve, t.vn = c * t.ve + s * t.vn, -s * t.ve + c * t.vn
        turn_axes(t.x[0], t.p[0], turn)
        turn_axes(t.x[1], t.p[1], turn)


@within
def _cycle(t, w1, dt, q, e, n, r0, r1, r2, has_v, zve, zvn, rv, lasting):  # type: ignore[no-untyped-def]
    """(both models mixed, predicted and updated; d2 of the position; that with the velocity's; determinants).

    Each is a pair of the two models; ``w1`` is the share of the second model in each, ``q`` its noise density.
    """
    s = predicted(mixed(t.x, t.p, 1.0 - w1, w1), dt, q)
    least_e, least_n = min(s[4], lasting * r0), min(s[8], lasting * r2)
    s, d, det = with_position(s, e, n, r0, r1, r2)
    both = d
    if has_v:
        s, dv, detv = with_velocity(s, zve, zvn, rv)
        both = both + dv
        det = det * detv
        s = widened(s, least_e, least_n)
    return s, d, both, det


@inner
def imm_update(t, t_us, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion):  # type: ignore[no-untyped-def]
    """d2 of the update of a track by a position (and velocity) at ``t_us``, not before its time of validity.

    Parameters
    ----------
    t
        Record of `TRACK`.
    e, n
        Offset of the measured position from the track's reference, metres.
    r0, r1, r2
        Its covariance ee, en, nn in m2.
    zve, zvn, rv
        Measured velocity (m/s) and the variance of each component, used where ``has_v``: by a ship's own reports.
    """
    dt = (t_us - t.t_us) * 1e-6
    stay0, stay1 = math.exp(-dt / motion.tau0_s), math.exp(-dt / motion.tau1_s)
    m1 = t.mu
    m0 = 1.0 - m1
    c0 = stay0 * m0 + (1.0 - stay1) * m1
    c1 = 1.0 - c0
    w01, w11 = (1.0 - stay1) * m1 / c0, stay1 * m1 / c1
    share = agility(t.ve, t.vn)
    lasting = LASTING_SHARE * max(1.0 - t.scatter, 0.0)
    q = pair(share * motion.q0, share * motion.q1)
    s, d, both, det = _cycle(t, pair(w01, w11), dt, q, e, n, r0, r1, r2, has_v, zve, zvn, rv, lasting)
    store_both(s, t.x, t.p)
    d0, d1, both0, both1 = first_of(d), second_of(d), first_of(both), second_of(both)
    det0, det1 = first_of(det), second_of(det)
    d2 = c0 * d0 + c1 * d1
    exponent = min(max(-0.5 * (both1 - both0), -EXPONENT_MAX), EXPONENT_MAX)
    g1 = c1 * math.exp(exponent) * math.sqrt(det0 / det1)
    t.mu = min(max(g1 / (c0 + g1), MU_MIN), 1.0 - MU_MIN)
    t.t_us = t_us
    if has_v:
        t.scatter += (min(0.5 * d2, SCATTER_MAX) - t.scatter) / SCATTER_REPORTS
    _collapse(t)
    return d2


@inner
def manoeuvre_distance(t, dt, e, n, r0, r1, r2, motion):  # type: ignore[no-untyped-def]
    """d2 under the manoeuvring model of a position ``dt`` seconds away: the first value that `density` gives."""
    w1 = t.mu
    w0 = 1.0 - w1
    w = w0 * w1
    x, p = t.x, t.p
    de, dn = (x[1, 0] - x[0, 0]) + dt * (x[1, 2] - x[0, 2]), (x[1, 1] - x[0, 1]) + dt * (x[1, 3] - x[0, 3])
    high = process_noise(dt, motion.q1 * agility(t.ve, t.vn))[0]
    tt = dt * dt
    s0 = w0 * (p[0, 0] + 2.0 * dt * p[0, 2] + tt * p[0, 7]) + w1 * (p[1, 0] + 2.0 * dt * p[1, 2] + tt * p[1, 7])
    s1 = w0 * (p[0, 1] + dt * (p[0, 3] + p[0, 5]) + tt * p[0, 8])
    s1 += w1 * (p[1, 1] + dt * (p[1, 3] + p[1, 5]) + tt * p[1, 8])
    s2 = w0 * (p[0, 4] + 2.0 * dt * p[0, 6] + tt * p[0, 9]) + w1 * (p[1, 4] + 2.0 * dt * p[1, 6] + tt * p[1, 9])
    s0 += w * de * de + high + r0
    s1 += w * de * dn + r1
    s2 += w * dn * dn + high + r2
    return distance_2d(s0, s1, s2, e - dt * t.ve, n - dt * t.vn)[0]


@inner
def spread_at(pc, mu, share, dt, motion, out):  # type: ignore[no-untyped-def]
    """What `density` needs of a track ``dt`` seconds away, from its `combined` covariance.

    ``share`` is its `agility`. ``out``: covariance ee, en, nn before process noise, noise of the two models,
    probability of the first.
    """
    out[0] = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7]
    out[1] = pc[1] + dt * (pc[3] + pc[5]) + dt * dt * pc[8]
    out[2] = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9]
    out[3], out[4] = process_noise(dt, motion.q0 * share)[0], process_noise(dt, motion.q1 * share)[0]
    adt = abs(dt)
    stay0, stay1 = math.exp(-adt / motion.tau0_s), math.exp(-adt / motion.tau1_s)
    out[5] = stay0 * (1.0 - mu) + (1.0 - stay1) * mu


@inner
def density(spread, de, dn, r0, r1, r2, gate_d2):  # type: ignore[no-untyped-def]
    """(d2 under the manoeuvring model, log density of the mixture) of an innovation.

    ``spread`` is that of `spread_at`. The density is not worked out (0) where d2 reaches ``gate_d2``.
    """
    b0, b1, b2 = spread[0] + r0, spread[1] + r1, spread[2] + r2
    low, high, c0 = spread[3], spread[4], spread[5]
    d1, det1 = distance_2d(b0 + high, b1, b2 + high, de, dn)
    if d1 >= gate_d2:
        return d1, 0.0
    d0, det0 = distance_2d(b0 + low, b1, b2 + low, de, dn)
    top, less = min(d0, d1), math.exp(-0.5 * abs(d0 - d1))  # the likelier model has an exponent of 0
    f0, f1 = (1.0 if d0 <= d1 else less) / math.sqrt(det0), (less if d0 <= d1 else 1.0) / math.sqrt(det1)
    return d1, math.log(c0 * f0 + (1.0 - c0) * f1) - 0.5 * top - LOG_2PI


def scratch() -> Any:
    """Work space for `imm_update`: a record of `WORK`."""
    return np.zeros(1, WORK)[0]
