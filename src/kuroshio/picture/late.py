"""Reports out of order: the last ones of each track are kept, and a late one is put in its place.

What enters: a row and a report older than its state. What leaves: the row as if all its reports had come in order.
A ring of reports in two halves, with the state before the first of each half; replay begins at the newest half that
is older than the report. It never creates a track. Measured against treating a late report as current (ANEES 83 to
6,400) and dropping it in `benchmarks/picture`.
"""

from __future__ import annotations

import numpy as np

from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.filter import imm_update, start_state
from kuroshio.picture.motion import POLAR_LAT_DEG, into_axes, local_offset

LATE_OK, LATE_DUPLICATE, LATE_TOO_OLD = 1, 2, 3


@inner
def _save_state(kin, i, out):  # type: ignore[no-untyped-def]
    out[0], out[1], out[2], out[3], out[4] = kin.lat[i], kin.lon[i], kin.mu[i], kin.ve[i], kin.vn[i]
    for m in range(2):
        for k in range(4):
            out[5 + 4 * m + k] = kin.x[i, m, k]
        for k in range(10):
            out[13 + 10 * m + k] = kin.p[i, m, k]


@inner
def _load_state(kin, i, state, t_us):  # type: ignore[no-untyped-def]
    kin.lat[i], kin.lon[i], kin.mu[i], kin.ve[i], kin.vn[i] = state[0], state[1], state[2], state[3], state[4]
    kin.t_us[i] = t_us
    for m in range(2):
        for k in range(4):
            kin.x[i, m, k] = state[5 + 4 * m + k]
        for k in range(10):
            kin.p[i, m, k] = state[13 + 10 * m + k]


@inner
def remember(kin, ring, i, t_us, obs_id, z):  # type: ignore[no-untyped-def]
    """Keep a report before it is applied; at the start of a half the state before it is kept too."""
    size = ring.t_us.shape[1]
    half = size // 2
    n = ring.pushed[i]
    at = n & (size - 1)
    if at % half == 0:
        h = at // half
        if n > 0:
            _save_state(kin, i, ring.ck[i, h])
        ring.ck_t[i, h] = kin.t_us[i] if n > 0 else t_us
    ring.t_us[i, at] = t_us
    ring.obs_id[i, at] = obs_id
    for k in range(8):
        ring.z[i, at, k] = z[k]
    ring.pushed[i] = n + 1


@inner
def apply_report(kin, ring, i, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """d2 of a report applied in order: remembered, then filtered; the first one of a row begins it.

    ``z`` is lat, lon, r0, r1, r2, ve, vn, rv with rv 0 where no velocity was measured.
    """
    first = ring.pushed[i] == 0
    remember(kin, ring, i, t_us, obs_id, z)
    has_v = z[7] > 0.0
    if first:
        start_state(kin, i, t_us, z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7] if has_v else birth_rv)
        return 0.0
    e, n = local_offset(kin.lat[i], kin.lon[i], z[0], z[1])
    ve, vn, r0, r1, r2 = z[5], z[6], z[2], z[3], z[4]
    if abs(kin.lat[i]) > POLAR_LAT_DEG:
        ve, vn = into_axes(kin.lat[i], kin.lon[i], z[1], ve, vn)
        r0 = r2 = max(r0, r2)  # a circle about the ellipse: near the pole its axes are not ours
        r1 = 0.0
    return imm_update(kin, i, t_us, e, n, r0, r1, r2, has_v, ve, vn, z[7], motion, w)


@kernel
def seed(kin, ring, i):  # type: ignore[no-untyped-def]
    """Begin a row's memory with its present state, as if one report had said it."""
    pc = kin.pc[i]
    z = np.array([kin.lat[i], kin.lon[i], pc[0], pc[1], pc[4], kin.ve[i], kin.vn[i], max(pc[7], pc[9])])
    ring.pushed[i] = 0
    remember(kin, ring, i, kin.t_us[i], -np.int64(1), z)


@inner
def known(ring, i, obs_id):  # type: ignore[no-untyped-def]
    """True when the row's ring holds the report."""
    for k in range(min(ring.pushed[i], ring.t_us.shape[1])):  # noqa: SIM110 - numba has no generators
        if ring.obs_id[i, k] == obs_id:
            return True
    return False


@inner
def insert_late(kin, ring, i, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """Outcome code of a report put before the row's newest ones, by replay from the right checkpoint."""
    if known(ring, i, obs_id):
        return LATE_DUPLICATE
    size = ring.t_us.shape[1]
    half = size // 2
    n = ring.pushed[i]
    start = (n - 1) // half * half
    while start > 0 and ring.ck_t[i, (start & (size - 1)) // half] > t_us:
        start -= half
        if start < n - size or start < 0:
            return LATE_TOO_OLD
    if start < 0 or n - start > size:
        return LATE_TOO_OLD
    m = n - start
    ts = np.empty(m + 1, np.int64)
    ids = np.empty(m + 1, np.int64)
    zs = np.empty((m + 1, 8))
    k = 0
    placed = False
    for q in range(start, n):
        at = q & (size - 1)
        if not placed and (ring.t_us[i, at] > t_us or (ring.t_us[i, at] == t_us and ring.obs_id[i, at] > obs_id)):
            ts[k], ids[k] = t_us, obs_id
            zs[k] = z
            placed = True
            k += 1
        ts[k], ids[k] = ring.t_us[i, at], ring.obs_id[i, at]
        zs[k] = ring.z[i, at]
        k += 1
    if not placed:
        ts[k], ids[k] = t_us, obs_id
        zs[k] = z
    h = (start & (size - 1)) // half
    ring.pushed[i] = start
    if start > 0:
        _load_state(kin, i, ring.ck[i, h], ring.ck_t[i, h])
    for k in range(m + 1):
        apply_report(kin, ring, i, ts[k], ids[k], zs[k], birth_rv, motion, w)
    return LATE_OK
