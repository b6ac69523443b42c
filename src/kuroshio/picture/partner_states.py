"""States of partners' tracks as arrays: read from rows, moved in time, compared with our own, intersected with them.

What enters: TRACKS rows and (rows, 10) states: lat, lon, ve, vn, covariance ee, en, nn, vee, ven, vnn. What leaves:
states, nearest tracks, fused states. It keeps nothing. Source: Julier, Uhlmann, ACC 1997 (covariance intersection).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture.columns import CORRELATION_MAX, SIGMA_MAX_M, SPEED_MAX_MPS
from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.grid import SPANS_MAX, build, near
from kuroshio.picture.motion import local_offset, move, process_noise
from kuroshio.picture.tracklets import covariance
from kuroshio.units import FloatArray

SEARCH_M = 5000.0
UNLINK_D2 = 40.0
FINE_VAR_M2 = 1500.0**2  # a position coarser than this tells ships apart by name only
UNKNOWN_VAR_M2 = 2000.0**2
SPEED_VAR = 4.0
PLACE_M2, SPEED_M2S2 = (1e-6, SIGMA_MAX_M**2), (1e-8, SPEED_MAX_MPS**2)  # variances that somebody may have
SINGULAR = 1e-6  # least eigenvalue of the correlations of a whole covariance that is used
STATE: tuple[str, ...] = ("lat_deg", "lon_deg", "ve_mps", "vn_mps", "cov_ee_m2", "cov_en_m2", "cov_nn_m2")
STATE += ("cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2")
CROSS: tuple[str, ...] = ("cov_eve_m2s", "cov_evn_m2s", "cov_nve_m2s", "cov_nvn_m2s")


@kernel
def advance(state, t_us, at_us, q):  # type: ignore[no-untyped-def]
    """(rows, 10) states (as `predict_rows` gives) moved from their own times to ``at_us`` with noise ``q`` (m2/s3).

    What a partner tells has no covariance between place and velocity. Whatever it was, the moved place is no worse than
    (1 + a) P + (1 + 1/a) dt2 V for any a: taken is the a of least trace, so that the state never claims too much.
    """
    out = state.copy()
    for k in range(len(state)):
        dt = (at_us[k] - t_us[k]) * 1e-6
        lat, lon, _ = move(state[k, 0], state[k, 1], dt * state[k, 2], dt * state[k, 3])
        out[k, 0], out[k, 1] = lat, lon
        place, speed = state[k, 4] + state[k, 6], dt * dt * (state[k, 7] + state[k, 9])
        noise, _, faster = process_noise(abs(dt), q[k])
        if speed > 0.0 and place > 0.0:
            a = math.sqrt(speed / place)
            for c in range(3):
                out[k, 4 + c] = (1.0 + a) * state[k, 4 + c] + (1.0 + 1.0 / a) * dt * dt * state[k, 7 + c]
        out[k, 4] += noise
        out[k, 6] += noise
        out[k, 7] += faster
        out[k, 9] += faster
    return out


@inner
def _d2(a, b):  # type: ignore[no-untyped-def]
    """Distance of two states in place and velocity, errors taken as independent."""
    e, n = local_offset(a[0], a[1], b[0], b[1])
    s0, s1, s2 = a[4] + b[4], a[5] + b[5], a[6] + b[6]
    d = (s2 * e * e - 2.0 * s1 * e * n + s0 * n * n) / (s0 * s2 - s1 * s1)
    ve, vn = b[2] - a[2], b[3] - a[3]
    v0, v1, v2 = a[7] + b[7], a[8] + b[8], a[9] + b[9]
    return d + (v2 * ve * ve - 2.0 * v1 * ve * vn + v0 * vn * vn) / (v0 * v2 - v1 * v1)


@kernel
def agree(a, b):  # type: ignore[no-untyped-def]
    """True for each pair of states, at one time, that may be one ship: one that has left a link is not fused by it."""
    out = np.empty(len(a), np.bool_)
    for k in range(len(a)):
        out[k] = _d2(a[k], b[k]) <= UNLINK_D2
    return out


@kernel
def nearest(own, own_mmsi, own_ex, own_giver, theirs, mmsi, ex, giver):  # type: ignore[no-untyped-def]
    """(index of the nearest track or -1, d2, True when the MMSIs are equal) for each partner's track.

    ``giver`` numbers who gave a track, 0 ourselves: nobody gives one ship twice. A coarse track is taken by name only.
    """
    n = len(theirs)
    best = np.full(n, -1, np.int64)
    dist = np.full(n, np.inf)
    same = np.zeros(n, np.bool_)
    lat, lon = own[:, 0].copy(), own[:, 1].copy()
    grid = build(lat, lon, SEARCH_M)
    runs, box = np.empty((SPANS_MAX, 2), np.int64), np.empty(2048, np.int64)
    for k in range(n):
        for q in range(near(grid, theirs[k, 0], theirs[k, 1], SEARCH_M, runs, box)):
            i = int(grid.point[box[q]])
            if own_ex[i] != ex[k] or own_giver[i] == giver[k]:
                continue
            if own_mmsi[i] > 0 and mmsi[k] > 0 and own_mmsi[i] != mmsi[k]:
                continue
            d = _d2(own[i], theirs[k])
            named = own_mmsi[i] > 0 and own_mmsi[i] == mmsi[k]
            if not named and max(theirs[k, 4], theirs[k, 6], own[i, 4], own[i, 6]) > FINE_VAR_M2:
                continue
            if (named and not same[k] and d < UNLINK_D2) or (named == same[k] and d < dist[k]):
                best[k], dist[k], same[k] = np.int64(i), d, named
    return best, dist, same


def intersect(own: FloatArray, theirs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(fused states, weight of the own part) by covariance intersection, place and velocity each by itself.

    Parameters
    ----------
    own, theirs
        Shape (rows, 10): lat, lon, ve, vn, covariance ee, en, nn, vee, ven, vnn; at the same times.
    """
    fused = own.copy()
    e, n = np.zeros(len(own)), np.zeros(len(own))
    for k in range(len(own)):  # few rows: ships that both hold and that changed in this step
        e[k], n[k] = local_offset(own[k, 0], own[k, 1], theirs[k, 0], theirs[k, 1])
    weight, de, dn, cov = _intersect(np.zeros_like(e), np.zeros_like(n), own[:, 4:7], e, n, theirs[:, 4:7])
    fused[:, 4:7] = cov
    for k in np.flatnonzero(weight < 1.0).tolist():
        fused[k, 0], fused[k, 1], _ = move(own[k, 0], own[k, 1], de[k], dn[k])
    _, ve, vn, cov = _intersect(own[:, 2], own[:, 3], own[:, 7:10], theirs[:, 2], theirs[:, 3], theirs[:, 7:10])
    moved = weight < 1.0
    fused[moved, 2], fused[moved, 3], fused[moved, 7:10] = ve[moved], vn[moved], cov[moved]
    return fused, weight


def _inverse(p: FloatArray) -> FloatArray:
    det = p[:, 0] * p[:, 2] - p[:, 1] ** 2
    return np.column_stack([p[:, 2], -p[:, 1], p[:, 0]]) / det[:, None]


def _intersect(ax: Any, ay: Any, ap: FloatArray, bx: Any, by: Any, bp: FloatArray) -> tuple[Any, Any, Any, FloatArray]:
    """(weight, x, y, covariance) of two two-dimensional estimates; the weight of least trace on a grid of 1/32."""
    ai, bi = _inverse(ap), _inverse(bp)
    w = np.linspace(0.0, 1.0, 33)
    mix = w[None, :, None] * ai[:, None, :] + (1.0 - w)[None, :, None] * bi[:, None, :]
    trace = (mix[..., 0] + mix[..., 2]) / (mix[..., 0] * mix[..., 2] - mix[..., 1] ** 2)
    trace[:, -1] *= 1.0 - 1e-9  # a tie is ours
    at = np.argmin(trace, axis=1)
    k = np.arange(len(at))
    weight, cov = w[at], _inverse(mix[k, at])
    u = weight[:, None] * np.column_stack([ai[:, 0] * ax + ai[:, 1] * ay, ai[:, 1] * ax + ai[:, 2] * ay])
    u += (1.0 - weight)[:, None] * np.column_stack([bi[:, 0] * bx + bi[:, 1] * by, bi[:, 1] * bx + bi[:, 2] * by])
    x, y = cov[:, 0] * u[:, 0] + cov[:, 1] * u[:, 1], cov[:, 1] * u[:, 0] + cov[:, 2] * u[:, 1]
    ours = weight == 1.0
    return weight, np.where(ours, ax, x), np.where(ours, ay, y), np.where(ours[:, None], ap, cov)


def states_of(table: pa.Table) -> tuple[FloatArray, Any]:
    """((rows, 14) states, which rows can be used); unknown covariances become large ones, incredible ones bounded.

    The last four columns, the covariance of place with velocity, are NaN where a row does not tell a whole covariance,
    or one that nobody can have: no number that a partner tells may end in a matrix without an inverse.
    """
    columns = [np.asarray(pc.fill_null(table[c], np.nan)) for c in (*STATE, *CROSS)]
    state = np.column_stack(columns) if table.num_rows else np.zeros((0, 14))
    usable = np.isfinite(state[:, :2]).all(axis=1) & (np.abs(state[:, 0]) <= 90) & (np.abs(state[:, 1]) <= 180)
    usable &= np.asarray(table["partner"].is_valid()) & np.asarray(table["partner_track"].is_valid())
    usable &= np.asarray(table["observed_at"].is_valid())
    with np.errstate(invalid="ignore"):
        speed_known = np.hypot(state[:, 2], state[:, 3]) <= SPEED_MAX_MPS
    state[:, 2:4] = np.where(speed_known[:, None], state[:, 2:4], 0.0)
    whole = np.asarray(np.isfinite(state).all(axis=1)) & speed_known
    for cols, default, bounds in (((4, 5, 6), UNKNOWN_VAR_M2, PLACE_M2), ((7, 8, 9), SPEED_VAR, SPEED_M2S2)):
        p = state[:, cols]
        with np.errstate(invalid="ignore"):
            good = np.isfinite(p).all(axis=1) & (p[:, 0] > 0) & (p[:, 2] > 0)
            credible = good & (p[:, [0, 2]] >= bounds[0]).all(axis=1) & (p[:, [0, 2]] <= bounds[1]).all(axis=1)
            p[:, 0], p[:, 2] = np.clip(p[:, 0], *bounds), np.clip(p[:, 2], *bounds)
            good &= np.abs(p[:, 1]) < np.sqrt(p[:, 0]) * np.sqrt(p[:, 2])
        if cols[0] == 7:
            good &= speed_known
            default_rows = np.where(speed_known, default, 64.0)
        else:
            default_rows = np.full(len(p), default)
        most = CORRELATION_MAX * np.sqrt(np.where(good, p[:, 0] * p[:, 2], 0.0))
        p[:, 1] = np.clip(p[:, 1], -most, most)
        fill = np.column_stack([default_rows, np.zeros(len(p)), default_rows])
        state[:, cols] = np.where(good[:, None], p, fill)
        whole &= credible & good
    cov = covariance(state[whole])
    scale = np.sqrt(np.einsum("kii->ki", cov))
    whole[whole] = np.linalg.eigvalsh(cov / (scale[:, :, None] * scale[:, None, :])).min(axis=1) > SINGULAR
    state[~whole, 10:] = np.nan
    return state, usable
