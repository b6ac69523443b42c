"""The reports tracks were made of, for as long as a late one may have to be put before them.

What enters: each report a track takes. What leaves: the same reports again, and the state before the first of each
block. Reports lie in blocks out of one pool; a track's blocks are chained. A block is used again once its last report
is older than any late report may be, so the pool holds what the traffic of that time needs; where it may not grow
further the oldest block is given up, and counted. A place is kept to 1e-7 degree (1 cm), a velocity to 2 mm/s, and
the filter uses them as kept: a replay repeats the first pass to the bit (docs/adr/0124).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import fetch, fetch_part, inner
from kuroshio.picture.model import RADAR
from kuroshio.units import IntArray

BLOCK = 16
CHECKPOINT = 34  # lat lon mu, x (8), p (20), scatter, extent and plots it was learned from
PROBES = 4  # blocks looked at for one to use again before the pool grows
PLACE_DEG = 1e-7
SPEED_MPS = 1.0 / 500.0
SPEED_MAX_MPS = 65.0  # more than any velocity that is used
HULL_M, HULL_MAX_M = 0.1, 3000.0
FORGOTTEN = -1  # a track whose earlier reports are not kept

REPORT = np.dtype(
    [
        ("t_us", np.int64),
        ("obs_id", np.int64),
        ("place", np.int32, (2,)),  # lat, lon in units of `PLACE_DEG`
        ("r", np.float32, (3,)),  # ee, en, nn in m2
        ("v", np.int16, (3,)),  # ve, vn and one sigma in units of `SPEED_MPS`; sigma 0: the hull in units of `HULL_M`
        ("spare", np.int16),
    ]
)
# ``seq``: number of the block, 0 where free; ``before``/``after`` and their numbers: the track's blocks beside it;
# ``ck``, ``ck_t``: the track's state before the block's first report, and its time; ``begins``: there was none
HEAD = np.dtype(
    [
        ("ck_t", np.int64),
        ("last_us", np.int64),
        ("seq", np.int32),
        ("before", np.int32),
        ("before_seq", np.int32),
        ("after", np.int32),
        ("after_seq", np.int32),
        ("count", np.int16),
        ("begins", np.int16),
        ("ck", np.float64, (CHECKPOINT,)),
    ],
    align=True,
)
LAST_BYTE = REPORT.itemsize - 1
BYTES_A_BLOCK = HEAD.itemsize + BLOCK * REPORT.itemsize
CTL_SEQ, CTL_HAND, CTL_TOP, CTL_KEEP_US, CTL_LOST = range(5)
SEQ_MAX = (1 << 31) - 1


class Pool(NamedTuple):
    """Blocks of reports: ``heads`` (blocks), ``reports`` (blocks x `BLOCK`), and counters."""

    heads: Any
    reports: Any
    ctl: IntArray


def new_pool(megabytes: float, keep_s: float) -> Pool:
    """Empty pool that may grow to so many megabytes (taken as used) and keeps reports for so long."""
    blocks = max(int(megabytes * 1e6) // BYTES_A_BLOCK, 1)
    ctl = np.zeros(5, np.int64)
    ctl[CTL_KEEP_US] = round(keep_s * 1e6)
    return Pool(np.zeros(blocks, HEAD), np.zeros(blocks * BLOCK, REPORT), ctl)


@inner
def save_state(t, out):  # type: ignore[no-untyped-def]
    """Write a track's estimate as a checkpoint."""
    out[0], out[1], out[2], out[31] = t.lat, t.lon, t.mu, t.scatter
    out[32], out[33] = t.extent, t.fed[RADAR]
    for m in range(2):
        for k in range(4):
            out[3 + 4 * m + k] = t.x[m, k]
        for k in range(10):
            out[11 + 10 * m + k] = t.p[m, k]


@inner
def load_state(t, state, t_us):  # type: ignore[no-untyped-def]
    """Take a track's estimate from a checkpoint."""
    t.lat, t.lon, t.mu, t.t_us, t.scatter = state[0], state[1], state[2], t_us, state[31]
    t.extent, t.fed[RADAR] = state[32], int(state[33])
    for m in range(2):
        for k in range(4):
            t.x[m, k] = state[3 + 4 * m + k]
        for k in range(10):
            t.p[m, k] = state[11 + 10 * m + k]
    t.ve = (1.0 - t.mu) * t.x[0, 2] + t.mu * t.x[1, 2]
    t.vn = (1.0 - t.mu) * t.x[0, 3] + t.mu * t.x[1, 3]


@inner
def _new_block(pool, t_us):  # type: ignore[no-untyped-def]
    """A block to fill: one that is too old to be needed, else a new one, else the oldest."""
    c, slot = pool.ctl, -1
    for _ in range(min(PROBES, c[CTL_TOP])):
        at = c[CTL_HAND]
        c[CTL_HAND] = at + 1 if at + 1 < c[CTL_TOP] else 0
        h = pool.heads[at]
        if h.seq == 0 or h.last_us < t_us - c[CTL_KEEP_US]:
            slot = at
            break
    if slot < 0 and c[CTL_TOP] < len(pool.heads):
        slot = c[CTL_TOP]
        c[CTL_TOP] += 1
    elif slot < 0:
        slot = c[CTL_HAND]
        c[CTL_HAND] = slot + 1 if slot + 1 < c[CTL_TOP] else 0
        c[CTL_LOST] += 1
    c[CTL_SEQ] = c[CTL_SEQ] + 1 if c[CTL_SEQ] < SEQ_MAX else 1
    h = pool.heads[slot]
    h.seq, h.last_us = c[CTL_SEQ], t_us
    h.count = h.before_seq = h.after_seq = 0
    return slot


@inner
def _next_block(t, pool, t_us):  # type: ignore[no-untyped-def]
    """Go on in the block after the track's present one: that of a replay under way, else a new one."""
    old, seq = t.block, t.block_seq
    h = pool.heads[old]
    if seq > 0 and h.seq == seq and h.after_seq > 0:
        slot = h.after
        pool.heads[slot].count = 0
    else:
        slot = _new_block(pool, t_us)
        g = pool.heads[slot]
        g.begins = 1 if seq == 0 else 0
        if seq > 0 and h.seq == seq:  # it is still ours: making the new one has not taken it away
            g.before, g.before_seq = old, seq
            h.after, h.after_seq = slot, g.seq
    t.block, t.block_seq = slot, pool.heads[slot].seq


@inner
def remember(t, pool, t_us, obs_id, z):  # type: ignore[no-untyped-def]
    """(place in ``pool.reports``, whether the track begins with it) of a report kept before it is applied."""
    h = pool.heads[t.block]
    if t.block_seq <= 0 or h.seq != t.block_seq or h.count == BLOCK:
        _next_block(t, pool, t_us)
        h = pool.heads[t.block]
    at = t.block * BLOCK + h.count
    begins = h.begins > 0 and h.count == 0
    if h.count == 0:
        h.ck_t = t_us if begins else t.t_us
        if not begins:
            save_state(t, h.ck)
    h.count += 1
    h.last_us = t_us
    r = pool.reports[at]
    r.t_us, r.obs_id = t_us, obs_id
    r.place[0], r.place[1] = round(z[0] / PLACE_DEG), round(z[1] / PLACE_DEG)
    r.r[0], r.r[1], r.r[2] = z[2], z[3], z[4]
    if z[7] > 0.0:
        for k in range(2):
            r.v[k] = round(min(max(z[5 + k], -SPEED_MAX_MPS), SPEED_MAX_MPS) / SPEED_MPS)
        r.v[2] = max(round(min(math.sqrt(z[7]), SPEED_MAX_MPS) / SPEED_MPS), 1)
    else:
        r.v[0] = round(min(z[5], HULL_MAX_M) / HULL_M)
        r.v[1] = r.v[2] = 0
    return at, begins


@inner
def said(r, z):  # type: ignore[no-untyped-def]
    """Fill ``z`` (lat, lon, r0, r1, r2, ve, vn, rv) with a report as it is kept.

    Where rv is 0 no velocity was measured, and ve is the hull whose size widens a radar plot, as `extent.hull_of` says.
    """
    z[0], z[1] = r.place[0] * PLACE_DEG, r.place[1] * PLACE_DEG
    z[2], z[3], z[4] = r.r[0], r.r[1], r.r[2]
    unit = SPEED_MPS if r.v[2] > 0 else HULL_M
    z[5], z[6] = r.v[0] * unit, r.v[1] * unit
    sigma = r.v[2] * SPEED_MPS
    z[7] = sigma * sigma


@inner
def find_start(t, pool, t_us, obs_id):  # type: ignore[no-untyped-def]
    """(block, reports from it on) where a replay for a late report begins; block -1: too old, -2: it is known."""
    slot, seq, n = t.block, t.block_seq, 0
    while seq > 0 and pool.heads[slot].seq == seq:
        h = pool.heads[slot]
        for k in range(h.count - 1, -1, -1):
            r = pool.reports[slot * BLOCK + k]
            if r.t_us < t_us:
                break
            if r.t_us == t_us and r.obs_id == obs_id:
                return -2, 0
        n += h.count
        if h.begins > 0 or h.ck_t < t_us:
            return slot, n
        slot, seq = h.before, h.before_seq
    return -1, 0


@inner
def fetch_report(t, pool):  # type: ignore[no-untyped-def]
    """Ask for the memory of a track's next report."""
    at = t.block * BLOCK + pool.heads[t.block].count
    fetch(pool.reports, at, 1)
    fetch_part(pool.reports, at, LAST_BYTE, 1)


@inner
def give_back(t, pool):  # type: ignore[no-untyped-def]
    """Free the blocks of a track that ends."""
    slot, seq = t.block, t.block_seq
    while seq > 0 and pool.heads[slot].seq == seq:
        h = pool.heads[slot]
        h.seq = 0
        slot, seq = h.before, h.before_seq
    t.block, t.block_seq = 0, FORGOTTEN
