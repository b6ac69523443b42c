"""The estimate of one track: interacting multiple models, updated by position and velocity.

What enters: rows of the kinematic arrays (`Kin`) and one measurement. What leaves: the rows changed in place, and
the squared Mahalanobis distance. Each track has its own plane: its reference is the combined position, so geodesy
enters twice an update and the algebra is plain. Source: Blom, Bar-Shalom, IEEE T-AC 1988 (IMM); Bar-Shalom, Li,
Kirubarajan 2001, 11.6.6. The NumPy form that tests hold this equal to is `picture.reference`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kuroshio.picture.compiled import inner
from kuroshio.picture.motion import move, predict_packed, process_noise, turn_axes
from kuroshio.units import FloatArray, IntArray

LOG_2PI = math.log(2.0 * math.pi)
MU_MIN = 1e-3
MU_BIRTH = 0.1
SCRATCH = (4, 10)


class Kin(NamedTuple):
    """Kinematic columns of the track table, one entry a row.

    ``lat``/``lon`` (deg) is the combined position and the origin of the track's plane, ``ve``/``vn`` (m/s) and
    ``pc`` (packed) the combined state; ``x`` (rows, 2, 4) and ``p`` (rows, 2, 10) are the two models, ``mu`` the
    probability of the manoeuvring one, ``t_us`` the time of validity.
    """

    lat: FloatArray
    lon: FloatArray
    ve: FloatArray
    vn: FloatArray
    x: FloatArray
    p: FloatArray
    mu: FloatArray
    pc: FloatArray
    t_us: IntArray


@inner
def gauss_loglik(s0, s1, s2, de, dn):  # type: ignore[no-untyped-def]
    """(d2, log density) of a two-dimensional innovation with covariance (s0 s1; s1 s2)."""
    det = s0 * s2 - s1 * s1
    d2 = (s2 * de * de - 2.0 * s1 * de * dn + s0 * dn * dn) / det
    return d2, -0.5 * d2 - 0.5 * math.log(det) - LOG_2PI


@inner
def update_position(x, p, ze, zn, r0, r1, r2):  # type: ignore[no-untyped-def]
    """Kalman update of one model by a position."""
    s0, s1, s2 = p[0] + r0, p[1] + r1, p[4] + r2
    det = s0 * s2 - s1 * s1
    i0, i1, i2 = s2 / det, -s1 / det, s0 / det
    ye, yn = ze - x[0], zn - x[1]
    a0, a1, b1, c0, c1, d0, d1 = p[0], p[1], p[4], p[2], p[5], p[3], p[6]
    ka0, ka1 = a0 * i0 + a1 * i1, a0 * i1 + a1 * i2
    kb0, kb1 = a1 * i0 + b1 * i1, a1 * i1 + b1 * i2
    kc0, kc1 = c0 * i0 + c1 * i1, c0 * i1 + c1 * i2
    kd0, kd1 = d0 * i0 + d1 * i1, d0 * i1 + d1 * i2
    x[0] += ka0 * ye + ka1 * yn
    x[1] += kb0 * ye + kb1 * yn
    x[2] += kc0 * ye + kc1 * yn
    x[3] += kd0 * ye + kd1 * yn
    p[0] -= ka0 * a0 + ka1 * a1
    p[1] -= ka0 * a1 + ka1 * b1
    p[2] -= ka0 * c0 + ka1 * c1
    p[3] -= ka0 * d0 + ka1 * d1
    p[4] -= kb0 * a1 + kb1 * b1
    p[5] -= kb0 * c0 + kb1 * c1
    p[6] -= kb0 * d0 + kb1 * d1
    p[7] -= kc0 * c0 + kc1 * c1
    p[8] -= kc0 * d0 + kc1 * d1
    p[9] -= kd0 * d0 + kd1 * d1


@inner
def update_velocity(x, p, zve, zvn, rv):  # type: ignore[no-untyped-def]
    """Kalman update of one model by a velocity with variance ``rv`` in each component."""
    s0, s1, s2 = p[7] + rv, p[8], p[9] + rv
    det = s0 * s2 - s1 * s1
    i0, i1, i2 = s2 / det, -s1 / det, s0 / det
    ye, yn = zve - x[2], zvn - x[3]
    a0, a1, b0, b1, c0, c1, d1 = p[2], p[3], p[5], p[6], p[7], p[8], p[9]
    ka0, ka1 = a0 * i0 + a1 * i1, a0 * i1 + a1 * i2
    kb0, kb1 = b0 * i0 + b1 * i1, b0 * i1 + b1 * i2
    kc0, kc1 = c0 * i0 + c1 * i1, c0 * i1 + c1 * i2
    kd0, kd1 = c1 * i0 + d1 * i1, c1 * i1 + d1 * i2
    x[0] += ka0 * ye + ka1 * yn
    x[1] += kb0 * ye + kb1 * yn
    x[2] += kc0 * ye + kc1 * yn
    x[3] += kd0 * ye + kd1 * yn
    p[0] -= ka0 * a0 + ka1 * a1
    p[1] -= ka0 * b0 + ka1 * b1
    p[2] -= ka0 * c0 + ka1 * c1
    p[3] -= ka0 * c1 + ka1 * d1
    p[4] -= kb0 * b0 + kb1 * b1
    p[5] -= kb0 * c0 + kb1 * c1
    p[6] -= kb0 * c1 + kb1 * d1
    p[7] -= kc0 * c0 + kc1 * c1
    p[8] -= kc0 * c1 + kc1 * d1
    p[9] -= kd0 * c1 + kd1 * d1


@inner
def start_state(kin, i, t_us, lat, lon, r0, r1, r2, ve, vn, rv):  # type: ignore[no-untyped-def]
    """Begin row ``i`` at a position with velocity variance ``rv``."""
    kin.lat[i], kin.lon[i], kin.ve[i], kin.vn[i], kin.mu[i], kin.t_us[i] = lat, lon, ve, vn, MU_BIRTH, t_us
    for m in range(2):
        for k in range(10):
            kin.p[i, m, k] = 0.0
        kin.p[i, m, 0], kin.p[i, m, 1], kin.p[i, m, 4] = r0, r1, r2
        kin.p[i, m, 7] = kin.p[i, m, 9] = rv
        kin.x[i, m, 0] = kin.x[i, m, 1] = 0.0
        kin.x[i, m, 2], kin.x[i, m, 3] = ve, vn
    for k in range(10):
        kin.pc[i, k] = kin.p[i, 0, k]


@inner
def _mix(kin, i, w0, w1, out_x, out_p):  # type: ignore[no-untyped-def]
    """Moment-matched mixture of the two models of row ``i``."""
    x, p = kin.x[i], kin.p[i]
    for k in range(4):
        out_x[k] = w0 * x[0, k] + w1 * x[1, k]
    n = 0
    for r in range(4):
        e0, e1 = x[0, r] - out_x[r], x[1, r] - out_x[r]
        for s in range(r, 4):
            out_p[n] = w0 * (p[0, n] + e0 * (x[0, s] - out_x[s])) + w1 * (p[1, n] + e1 * (x[1, s] - out_x[s]))
            n += 1


@inner
def _collapse(kin, i, w):  # type: ignore[no-untyped-def]
    """Combine the models of row ``i`` and move the plane's origin to the combined position."""
    mean = w[3]
    _mix(kin, i, 1.0 - kin.mu[i], kin.mu[i], mean, kin.pc[i])
    kin.ve[i], kin.vn[i] = mean[2], mean[3]
    lat, lon, turn = move(kin.lat[i], kin.lon[i], mean[0], mean[1])
    kin.lat[i], kin.lon[i] = lat, lon
    for m in range(2):
        kin.x[i, m, 0] -= mean[0]
        kin.x[i, m, 1] -= mean[1]
    if turn != 0.0:
        mean[0] = mean[1] = 0.0
        turn_axes(mean, kin.pc[i], turn)
        kin.ve[i], kin.vn[i] = mean[2], mean[3]
        turn_axes(kin.x[i, 0], kin.p[i, 0], turn)
        turn_axes(kin.x[i, 1], kin.p[i, 1], turn)


@inner
def imm_update(kin, i, t_us, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion, w):  # type: ignore[no-untyped-def]
    """d2 of the update of row ``i`` by a position (and velocity) at ``t_us``, not before its time of validity.

    Parameters
    ----------
    e, n
        Offset of the measured position from the row's reference, metres.
    r0, r1, r2
        Its covariance ee, en, nn in m2.
    zve, zvn, rv
        Measured velocity (m/s) and the variance of each component, used where ``has_v``.
    w
        Scratch of shape `SCRATCH`.
    """
    dt = (t_us - kin.t_us[i]) * 1e-6
    stay0, stay1 = math.exp(-dt / motion.tau0_s), math.exp(-dt / motion.tau1_s)
    m1 = kin.mu[i]
    m0 = 1.0 - m1
    c0 = stay0 * m0 + (1.0 - stay1) * m1
    c1 = 1.0 - c0
    w01, w11 = (1.0 - stay1) * m1 / c0, stay1 * m1 / c1
    _mix(kin, i, 1.0 - w01, w01, w[2], w[0])
    _mix(kin, i, 1.0 - w11, w11, w[3], w[1])
    d2 = 0.0
    l0 = 0.0
    l1 = 0.0
    for m in range(2):
        x, p = kin.x[i, m], kin.p[i, m]
        src = w[2 + m]
        predict_packed(w[m], dt, motion.q0 if m == 0 else motion.q1, p)
        x[0], x[1], x[2], x[3] = src[0] + dt * src[2], src[1] + dt * src[3], src[2], src[3]
        d, ll = gauss_loglik(p[0] + r0, p[1] + r1, p[4] + r2, e - x[0], n - x[1])
        d2 += (c0 if m == 0 else c1) * d
        update_position(x, p, e, n, r0, r1, r2)
        if has_v:
            ll += gauss_loglik(p[7] + rv, p[8], p[9] + rv, zve - x[2], zvn - x[3])[1]
            update_velocity(x, p, zve, zvn, rv)
        if m == 0:
            l0 = ll
        else:
            l1 = ll
    top = max(l0, l1)
    g0, g1 = c0 * math.exp(l0 - top), c1 * math.exp(l1 - top)
    kin.mu[i] = min(max(g1 / (g0 + g1), MU_MIN), 1.0 - MU_MIN)
    kin.t_us[i] = t_us
    _collapse(kin, i, w)
    return d2


@inner
def predictive(kin, i, dt, e, n, r0, r1, r2, motion):  # type: ignore[no-untyped-def]
    """(d2 under the manoeuvring model, log density of the mixture) of a position ``dt`` seconds away."""
    pc = kin.pc[i]
    adt = abs(dt)
    stay0, stay1 = math.exp(-adt / motion.tau0_s), math.exp(-adt / motion.tau1_s)
    c0 = stay0 * (1.0 - kin.mu[i]) + (1.0 - stay1) * kin.mu[i]
    b0 = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + r0
    b1 = pc[1] + dt * (pc[3] + pc[5]) + dt * dt * pc[8] + r1
    b2 = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + r2
    low = process_noise(dt, motion.q0)[0]
    high = process_noise(dt, motion.q1)[0]
    de, dn = e - dt * kin.ve[i], n - dt * kin.vn[i]
    _, l0 = gauss_loglik(b0 + low, b1, b2 + low, de, dn)
    d1, l1 = gauss_loglik(b0 + high, b1, b2 + high, de, dn)
    top = max(l0, l1)
    return d1, top + math.log(c0 * math.exp(l0 - top) + (1.0 - c0) * math.exp(l1 - top))


def scratch() -> FloatArray:
    """Work space for `imm_update`."""
    return np.empty(SCRATCH)
