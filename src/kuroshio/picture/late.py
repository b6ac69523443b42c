"""Reports out of order: a late one is put in its place among those its track is made of.

What enters: a row and a report older than its state. What leaves: the row as if all its reports had come in order.
A replay begins at the newest block of its reports (`picture.replay`) whose state is older than the late one. It never
creates a track. Measured against treating a late report as current (ANEES 83 to 6,400) and dropping it in
`benchmarks/picture`.
"""

from __future__ import annotations

from kuroshio.picture.compiled import inner
from kuroshio.picture.extent import EXTENT_BORN_M2, learn_extent
from kuroshio.picture.filter import imm_update, start_state
from kuroshio.picture.model import RADAR
from kuroshio.picture.motion import POLAR_LAT_DEG, into_axes, local_offset
from kuroshio.picture.replay import BLOCK, find_start, load_state, remember, said
from kuroshio.picture.table import FED_MAX

LATE_OK, LATE_DUPLICATE, LATE_TOO_OLD = 1, 2, 3


@inner
def apply_report(t, pool, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """d2 of a report applied in order: remembered, then filtered; the first one of a track begins it.

    ``z`` is lat, lon, r0, r1, r2, ve, vn, rv as `replay.said` has it: where rv is 0, ve is the hull that widens a radar
    plot. It is used as it is remembered, so that a replay repeats it exactly.
    """
    at, first = remember(t, pool, t_us, obs_id, z)
    y = w.said
    said(pool.reports[at], y)
    r0, r1, r2, ve, vn, rv = y[2], y[3], y[4], y[5], y[6], y[7]
    has_v = rv > 0.0
    if not has_v and ve != 0.0:
        if ve < 0.0:
            if not first:
                learn_extent(t, t_us, y, motion, w.c)
            wide = t.extent
        else:
            wide = ve * ve / 36.0
        r0 += wide
        r2 += wide
        ve = 0.0
    if first:
        start_state(t, t_us, y[0], y[1], r0, r1, r2, ve, vn, rv if has_v else birth_rv)
        return 0.0
    e, n = local_offset(t.lat, t.lon, y[0], y[1])
    if abs(t.lat) > POLAR_LAT_DEG:
        ve, vn = into_axes(t.lat, t.lon, y[1], ve, vn)
        r0 = r2 = max(r0, r2)  # a circle about the ellipse: near the pole its axes are not ours
        r1 = 0.0
    return imm_update(t, t_us, e, n, r0, r1, r2, has_v, ve, vn, rv, motion)


@inner
def known(t, pool, t_us, obs_id):  # type: ignore[no-untyped-def]
    """True when the track is made of the report already, as far as it remembers."""
    return find_start(t, pool, t_us, obs_id)[0] == -2


@inner
def _take_out(pool, at, z, times, ids, side):  # type: ignore[no-untyped-def]
    r = pool.reports[at]
    times[side], ids[side] = r.t_us, r.obs_id
    said(r, z)


@inner
def _again(t, pool, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """Apply a report in a replay, and count it where it is a radar's: what is learned of the hull goes by that."""
    apply_report(t, pool, t_us, obs_id, z, birth_rv, motion, w)
    if z[7] == 0.0 and z[5] != 0.0:
        t.fed[RADAR] = min(t.fed[RADAR] + 1, FED_MAX)


@inner
def insert_late(t, pool, t_us, obs_id, z, birth_rv, motion, w):  # type: ignore[no-untyped-def]
    """Outcome code of a report put before the track's newest ones, by replay from the right checkpoint."""
    slot, n = find_start(t, pool, t_us, obs_id)
    if slot < 0:
        return LATE_DUPLICATE if slot == -2 else LATE_TOO_OLD
    h = pool.heads[slot]
    t.block, t.block_seq = slot, h.seq
    h.count = 0
    fed = t.fed[RADAR]
    if h.begins == 0:
        load_state(t, h.ck, h.ck_t)
    else:
        t.extent, t.fed[RADAR] = EXTENT_BORN_M2, 0
    # each report is taken out of its block before the one put in takes its place: two are held at a time. All blocks
    # of a chain but the last are full.
    held, at = w.late, 0
    times, ids = w.late_us, w.late_id
    _take_out(pool, slot * BLOCK, held[0], times, ids, 0)
    placed, side = False, 0
    for q in range(n):
        if q + 1 < n:
            at += 1
            if at == BLOCK:
                slot, at = pool.heads[slot].after, 0
            _take_out(pool, slot * BLOCK + at, held[1 - side], times, ids, 1 - side)
        if not placed and (times[side] > t_us or (times[side] == t_us and ids[side] > obs_id)):
            _again(t, pool, t_us, obs_id, z, birth_rv, motion, w)
            placed = True
        _again(t, pool, times[side], ids[side], held[side], birth_rv, motion, w)
        side = 1 - side
    if not placed:
        _again(t, pool, t_us, obs_id, z, birth_rv, motion, w)
    pool.heads[t.block].after_seq = 0
    t.fed[RADAR] = fed
    return LATE_OK
