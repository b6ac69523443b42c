"""Models of the interacting multiple models, number by number: mix, predict, update by a position and by a velocity.

What enters and leaves: a state as a tuple of fourteen numbers: e, n, ve, vn and the packed upper triangle of its
covariance. The functions become part of their caller, so that a state stays in registers from the mixing to the last
update; through memory each of the four would wait for what the one before it wrote. One division an update. A number
is a float, or a `picture.pair` of the two models, which then cost little more than one. They keep nothing.
`picture.reference` is the plain form that tests hold them equal to.
"""

from __future__ import annotations

from kuroshio.picture.compiled import within
from kuroshio.picture.motion import process_noise
from kuroshio.picture.pair import first_of, second_of


@within
def mixed(x, p, w0, w1):  # type: ignore[no-untyped-def]
    """Moment-matched mixture of the two models of a track: mean, and covariance with the spread of the means."""
    d0, d1, d2, d3 = x[1, 0] - x[0, 0], x[1, 1] - x[0, 1], x[1, 2] - x[0, 2], x[1, 3] - x[0, 3]
    w = w0 * w1
    g0, g1, g2, g3 = w * d0, w * d1, w * d2, w * d3
    return (
        x[0, 0] + w1 * d0,
        x[0, 1] + w1 * d1,
        x[0, 2] + w1 * d2,
        x[0, 3] + w1 * d3,
        w0 * p[0, 0] + w1 * p[1, 0] + g0 * d0,
        w0 * p[0, 1] + w1 * p[1, 1] + g0 * d1,
        w0 * p[0, 2] + w1 * p[1, 2] + g0 * d2,
        w0 * p[0, 3] + w1 * p[1, 3] + g0 * d3,
        w0 * p[0, 4] + w1 * p[1, 4] + g1 * d1,
        w0 * p[0, 5] + w1 * p[1, 5] + g1 * d2,
        w0 * p[0, 6] + w1 * p[1, 6] + g1 * d3,
        w0 * p[0, 7] + w1 * p[1, 7] + g2 * d2,
        w0 * p[0, 8] + w1 * p[1, 8] + g2 * d3,
        w0 * p[0, 9] + w1 * p[1, 9] + g3 * d3,
    )


@within
def predicted(s, dt, q):  # type: ignore[no-untyped-def]
    """State after ``dt`` seconds of constant velocity with noise density ``q``."""
    e, n, ve, vn, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = s
    q3, q2, q1 = process_noise(dt, q)
    m02, m03, m12, m13 = dt * p22, dt * p23, dt * p23, dt * p33  # what velocity adds to the cross terms
    return (
        e + dt * ve,
        n + dt * vn,
        ve,
        vn,
        p00 + dt * (2.0 * p02 + m02) + q3,
        p01 + dt * (p03 + p12 + m03),
        p02 + m02 + q2,
        p03 + m03,
        p11 + dt * (2.0 * p13 + m13) + q3,
        p12 + m12,
        p13 + m13 + q2,
        p22 + q1,
        p23,
        p33 + q1,
    )


@within
def with_position(s, ze, zn, r0, r1, r2):  # type: ignore[no-untyped-def]
    """(state updated by a position, d2 of its innovation, determinant of the innovation's covariance)."""
    e, n, ve, vn, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = s
    s0, s1, s2 = p00 + r0, p01 + r1, p11 + r2
    det = s0 * s2 - s1 * s1
    one = 1.0 / det
    i0, i1, i2 = s2 * one, -s1 * one, s0 * one
    ye, yn = ze - e, zn - n
    ge, gn = i0 * ye + i1 * yn, i1 * ye + i2 * yn
    ka0, ka1 = p00 * i0 + p01 * i1, p00 * i1 + p01 * i2
    kb0, kb1 = p01 * i0 + p11 * i1, p01 * i1 + p11 * i2
    kc0, kc1 = p02 * i0 + p12 * i1, p02 * i1 + p12 * i2
    kd0, kd1 = p03 * i0 + p13 * i1, p03 * i1 + p13 * i2
    new = (
        e + p00 * ge + p01 * gn,
        n + p01 * ge + p11 * gn,
        ve + p02 * ge + p12 * gn,
        vn + p03 * ge + p13 * gn,
        p00 - (ka0 * p00 + ka1 * p01),
        p01 - (ka0 * p01 + ka1 * p11),
        p02 - (ka0 * p02 + ka1 * p12),
        p03 - (ka0 * p03 + ka1 * p13),
        p11 - (kb0 * p01 + kb1 * p11),
        p12 - (kb0 * p02 + kb1 * p12),
        p13 - (kb0 * p03 + kb1 * p13),
        p22 - (kc0 * p02 + kc1 * p12),
        p23 - (kc0 * p03 + kc1 * p13),
        p33 - (kd0 * p03 + kd1 * p13),
    )
    return new, ye * ge + yn * gn, det


@within
def with_velocity(s, zve, zvn, rv):  # type: ignore[no-untyped-def]
    """(state updated by a velocity with variance ``rv`` each way, d2, determinant) as `with_position` gives them."""
    e, n, ve, vn, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = s
    s0, s1, s2 = p22 + rv, p23, p33 + rv
    det = s0 * s2 - s1 * s1
    one = 1.0 / det
    i0, i1, i2 = s2 * one, -s1 * one, s0 * one
    ye, yn = zve - ve, zvn - vn
    ge, gn = i0 * ye + i1 * yn, i1 * ye + i2 * yn
    ka0, ka1 = p02 * i0 + p03 * i1, p02 * i1 + p03 * i2
    kb0, kb1 = p12 * i0 + p13 * i1, p12 * i1 + p13 * i2
    kc0, kc1 = p22 * i0 + p23 * i1, p22 * i1 + p23 * i2
    kd0, kd1 = p23 * i0 + p33 * i1, p23 * i1 + p33 * i2
    new = (
        e + p02 * ge + p03 * gn,
        n + p12 * ge + p13 * gn,
        ve + p22 * ge + p23 * gn,
        vn + p23 * ge + p33 * gn,
        p00 - (ka0 * p02 + ka1 * p03),
        p01 - (ka0 * p12 + ka1 * p13),
        p02 - (ka0 * p22 + ka1 * p23),
        p03 - (ka0 * p23 + ka1 * p33),
        p11 - (kb0 * p12 + kb1 * p13),
        p12 - (kb0 * p22 + kb1 * p23),
        p13 - (kb0 * p23 + kb1 * p33),
        p22 - (kc0 * p22 + kc1 * p23),
        p23 - (kc0 * p23 + kc1 * p33),
        p33 - (kd0 * p23 + kd1 * p33),
    )
    return new, ye * ge + yn * gn, det


@within
def widened(s, least_e, least_n):  # type: ignore[no-untyped-def]
    """State whose place is no surer than two variances, east and north."""
    e, n, ve, vn, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = s
    return e, n, ve, vn, max(p00, least_e), p01, p02, p03, max(p11, least_n), p12, p13, p22, p23, p33


@within
def store(s, x, p):  # type: ignore[no-untyped-def]
    """Write a state to a model of a track."""
    x[0], x[1], x[2], x[3] = s[0], s[1], s[2], s[3]
    p[0], p[1], p[2], p[3], p[4] = s[4], s[5], s[6], s[7], s[8]
    p[5], p[6], p[7], p[8], p[9] = s[9], s[10], s[11], s[12], s[13]


@within
def store_both(s, x, p):  # type: ignore[no-untyped-def]
    """Write a state of pairs to both models of a track."""
    x[0, 0], x[0, 1], x[0, 2], x[0, 3] = first_of(s[0]), first_of(s[1]), first_of(s[2]), first_of(s[3])
    p[0, 0], p[0, 1], p[0, 2], p[0, 3] = first_of(s[4]), first_of(s[5]), first_of(s[6]), first_of(s[7])
    p[0, 4], p[0, 5], p[0, 6] = first_of(s[8]), first_of(s[9]), first_of(s[10])
    p[0, 7], p[0, 8], p[0, 9] = first_of(s[11]), first_of(s[12]), first_of(s[13])
    x[1, 0], x[1, 1], x[1, 2], x[1, 3] = second_of(s[0]), second_of(s[1]), second_of(s[2]), second_of(s[3])
    p[1, 0], p[1, 1], p[1, 2], p[1, 3] = second_of(s[4]), second_of(s[5]), second_of(s[6]), second_of(s[7])
    p[1, 4], p[1, 5], p[1, 6] = second_of(s[8]), second_of(s[9]), second_of(s[10])
    p[1, 7], p[1, 8], p[1, 9] = second_of(s[11]), second_of(s[12]), second_of(s[13])
