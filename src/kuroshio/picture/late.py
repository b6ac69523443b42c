"""Reports out of order: the last ones of each track are kept, and a late one is put in its place.

What enters: a row and a report older than its state. What leaves: the row as if all its reports had come in order.
A ring of reports in two halves, with the state before the first of each half; replay begins at the newest half that
is older than the report. It never creates a track. Measured against treating a late report as current (ANEES 83 to
6,400) and dropping it in `benchmarks/picture`.
"""

from __future__ import annotations

import numpy as np

from kuroshio.picture.compiled import bare, inner
from kuroshio.picture.filter import combined, imm_update, start_state
from kuroshio.picture.motion import POLAR_LAT_DEG, into_axes, local_offset

LATE_OK, LATE_DUPLICATE, LATE_TOO_OLD = 1, 2, 3


@inner
def _save_state(t, out):  # type: ignore[no-untyped-def]
    out[0], out[1], out[2] = t.lat, t.lon, t.mu
    for m in range(2):
        for k in range(4):
            out[3 + 4 * m + k] = t.x[m, k]
        for k in range(10):
            out[11 + 10 * m + k] = t.p[m, k]


@inner
def _load_state(t, state, t_us):  # type: ignore[no-untyped-def]
    t.lat, t.lon, t.mu, t.t_us = state[0], state[1], state[2], t_us
    for m in range(2):
        for k in range(4):
            t.x[m, k] = state[3 + 4 * m + k]
        for k in range(10):
            t.p[m, k] = state[11 + 10 * m + k]
    t.ve = (1.0 - t.mu) * t.x[0, 2] + t.mu * t.x[1, 2]
    t.vn = (1.0 - t.mu) * t.x[0, 3] + t.mu * t.x[1, 3]


@inner
def remember(t, ring, t_us, obs_id, z):  # type: ignore[no-untyped-def]
    """Keep a report before it is applied; at the start of a half the state before it is kept too."""
    size = len(ring.t_us)
    half = size // 2
    n = ring.pushed
    at = n & (size - 1)
    if at % half == 0:
        h = at // half
        if n > 0:
            _save_state(t, ring.ck[h])
        ring.ck_t[h] = t.t_us if n > 0 else t_us
    ring.t_us[at] = t_us
    ring.obs_id[at] = obs_id
    ring.place[at, 0], ring.place[at, 1] = z[0], z[1]
    for k in range(6):
        ring.said[at, k] = z[2 + k]
    ring.pushed = n + 1
    return at


@inner
def apply_report(t, ring, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """d2 of a report applied in order: remembered, then filtered; the first one of a track begins it.

    ``z`` is lat, lon, r0, r1, r2, ve, vn, rv with rv 0 where no velocity was measured. All but the place are used in
    single precision, as they are remembered, so that a replay repeats them exactly.
    """
    first = ring.pushed == 0
    at = remember(t, ring, t_us, obs_id, z)
    said = ring.said[at]
    r0, r1, r2, ve, vn, rv = (
        float(said[0]),
        float(said[1]),
        float(said[2]),
        float(said[3]),
        float(said[4]),
        float(said[5]),
    )
    has_v = rv > 0.0
    if first:
        start_state(t, t_us, z[0], z[1], r0, r1, r2, ve, vn, rv if has_v else birth_rv)
        return 0.0
    e, n = local_offset(t.lat, t.lon, z[0], z[1])
    if abs(t.lat) > POLAR_LAT_DEG:
        ve, vn = into_axes(t.lat, t.lon, z[1], ve, vn)
        r0 = r2 = max(r0, r2)  # a circle about the ellipse: near the pole its axes are not ours
        r1 = 0.0
    return imm_update(t, t_us, e, n, r0, r1, r2, has_v, ve, vn, rv, motion, w)


@bare
def seed(tracks, rings, i, w):  # type: ignore[no-untyped-def]
    """Begin a row's memory with its present state, as if one report had said it."""
    t, ring = tracks[i], rings[i]
    combined(t, w.c)
    z = w.z
    z[0], z[1], z[2], z[3], z[4] = t.lat, t.lon, w.c[0], w.c[1], w.c[4]
    z[5], z[6], z[7] = t.ve, t.vn, max(w.c[7], w.c[9])
    ring.pushed = 0
    remember(t, ring, t.t_us, -np.int64(1), z)


@inner
def known(ring, obs_id):  # type: ignore[no-untyped-def]
    """True when the track's ring holds the report."""
    for k in range(min(ring.pushed, len(ring.t_us))):  # noqa: SIM110 - numba has no generators
        if ring.obs_id[k] == obs_id:
            return True
    return False


@inner
def _take_out(ring, at, z, times, ids, side):  # type: ignore[no-untyped-def]
    times[side], ids[side] = ring.t_us[at], ring.obs_id[at]
    z[0], z[1] = ring.place[at, 0], ring.place[at, 1]
    for k in range(6):
        z[2 + k] = ring.said[at, k]


@inner
def insert_late(t, ring, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """Outcome code of a report put before the track's newest ones, by replay from the right checkpoint."""
    if known(ring, obs_id):
        return LATE_DUPLICATE
    size = len(ring.t_us)
    half = size // 2
    n = ring.pushed
    start = (n - 1) // half * half
    while start > 0 and ring.ck_t[(start & (size - 1)) // half] > t_us:
        start -= half
        if start < n - size or start < 0:
            return LATE_TOO_OLD
    if start < 0 or n - start > size:
        return LATE_TOO_OLD
    ring.pushed = start
    if start > 0:
        h = (start & (size - 1)) // half
        _load_state(t, ring.ck[h], ring.ck_t[h])
    # each report is taken out of the ring before the one put in takes its place: two are held at a time
    held = w.late
    times, ids = w.late_us, w.late_id
    _take_out(ring, start & (size - 1), held[0], times, ids, 0)
    placed, side = False, 0
    for q in range(start, n):
        if q + 1 < n:
            _take_out(ring, (q + 1) & (size - 1), held[1 - side], times, ids, 1 - side)
        if not placed and (times[side] > t_us or (times[side] == t_us and ids[side] > obs_id)):
            apply_report(t, ring, t_us, obs_id, z, birth_rv, motion, w)
            placed = True
        apply_report(t, ring, times[side], ids[side], held[side], birth_rv, motion, w)
        side = 1 - side
    if not placed:
        apply_report(t, ring, t_us, obs_id, z, birth_rv, motion, w)
    return LATE_OK
