"""Two tracks of one ship become one: pairs that stay together in place and velocity.

What enters: confirmed rows at a tick. What leaves: pairs to join, after several passes running. Two rows that one
scan of one radar saw separately are two ships for a while, and two live MMSIs are never joined.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kuroshio.picture.compiled import fetch, inner, kernel
from kuroshio.picture.filter import Kin, combined
from kuroshio.picture.grid import SPANS_MAX, build, near
from kuroshio.picture.model import AIS
from kuroshio.picture.motion import agility, local_offset, move, predict_packed
from kuroshio.picture.replay import FORGOTTEN
from kuroshio.picture.seen import seen_us, take_seen
from kuroshio.picture.table import CONFIRMED, FED_MAX, Life
from kuroshio.picture.undo import PIN_IDENTITY
from kuroshio.units import IntArray

NEAR_MAX = 1024
APART_MOST = 3  # passes in which both were seen apart that are remembered, each undone by one pass together
AHEAD = 6  # rows whose memory is asked for before their turn


@inner
def distance_4d(p, d, a):  # type: ignore[no-untyped-def]
    """D' P^-1 d for a packed 4 x 4 covariance, by Cholesky; inf when it is not positive definite.

    ``a`` (5, 4) is work space.
    """
    n = 0
    for r in range(4):
        for s in range(r, 4):
            a[s, r] = p[n]
            n += 1
    total = 0.0
    for r in range(4):
        for s in range(r + 1):
            v = a[r, s]
            for k in range(s):
                v -= a[r, k] * a[s, k]
            if r == s:
                if v <= 0.0:
                    return math.inf
                a[r, r] = math.sqrt(v)
            else:
                a[r, s] = v / a[s, s]
        v = d[r]
        for k in range(r):
            v -= a[r, k] * a[4, k]
        a[4, r] = v / a[r, r]
        total += a[4, r] * a[4, r]
    return total


@inner
def _predict(t, t_us, motion, pc, out):  # type: ignore[no-untyped-def]
    dt = (t_us - t.t_us) * 1e-6
    combined(t, pc)
    predict_packed(pc, dt, agility(t.ve, t.vn) * ((1.0 - t.mu) * motion.q0 + t.mu * motion.q1), out)


@inner
def _may_be_one(t, u):  # type: ignore[no-untyped-def]
    """False for tracks that cannot be one ship whatever their places."""
    return t.exercise == u.exercise and (t.mmsi == 0 or u.mmsi == 0 or t.mmsi == u.mmsi)


@inner
def _seen_apart(t, u):  # type: ignore[no-untyped-def]
    """True for tracks that each took a plot of their newest scan: one radar saw two ships."""
    return t.last_source >= 0 and t.last_source == u.last_source and t.last_scan == u.last_scan


@kernel
def _mergeable(tracks, rows):  # type: ignore[no-untyped-def]
    """(rows that are sure enough to be merged, whether any of them may have a partner)."""
    out, n, some = np.empty(len(rows), np.int64), 0, False
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 1)
        t = tracks[rows[k]]
        if t.status >= CONFIRMED or t.fed[AIS] > 0:
            out[n] = rows[k]
            n += 1
            some |= t.mmsi == 0 or t.next_row >= 0
    return out[:n], some


@kernel
def close_pairs(tracks, rows, t_us, radius_m, max_d2, motion):  # type: ignore[no-untyped-def]
    """(pairs, 3) rows that could be one ship at a time, each pair once, and 1 where one scan has just seen both.

    Only rows without an MMSI are compared with all near them, and rows of one MMSI with each other: two names are
    two ships.
    """
    rows, some = _mergeable(tracks, rows)
    n = len(rows)
    if n < 2 or not some:
        return np.empty((0, 3), np.int64)
    lat, lon = np.empty(n), np.empty(n)
    for k in range(n):
        t = tracks[rows[k]]
        dt = (t_us - t.t_us) * 1e-6
        lat[k], lon[k], _ = move(t.lat, t.lon, dt * t.ve, dt * t.vn)
    grid = build(lat, lon, radius_m)
    runs, box = np.empty((SPANS_MAX, 2), np.int64), np.empty(NEAR_MAX, np.int64)
    out = np.empty((64, 3), np.int64)
    m = 0
    d, pc, pt, pu, work = np.empty(4), np.empty(10), np.empty(10), np.empty(10), np.empty((5, 4))
    for k in range(n):
        i = rows[k]
        t = tracks[i]
        if t.mmsi == 0:
            found = near(grid, lat[k], lon[k], radius_m, runs, box)
        else:
            found = 0
            at = t.next_row
            while at >= 0 and found < NEAR_MAX:
                where = np.searchsorted(rows, at)
                if where < n and rows[where] == at:
                    box[found] = where
                    found += 1
                at = tracks[at].next_row
        done = False
        for q in range(found):
            o = grid.point[box[q]] if t.mmsi == 0 else box[q]
            u = tracks[rows[o]]
            if o == k or (t.mmsi == 0 and u.mmsi == 0 and o < k) or not _may_be_one(t, u):
                continue
            d[0], d[1] = local_offset(lat[k], lon[k], lat[o], lon[o])
            if d[0] * d[0] + d[1] * d[1] > radius_m * radius_m:
                continue
            d[2], d[3] = u.ve - t.ve, u.vn - t.vn
            if not done:
                _predict(t, t_us, motion, pc, pt)
                done = True
            _predict(u, t_us, motion, pc, pu)
            for r in range(10):
                pu[r] += pt[r]
            if distance_4d(pu, d, work) < max_d2:
                if m == len(out):
                    out = np.concatenate((out, out))
                out[m, 0], out[m, 1] = min(i, rows[o]), max(i, rows[o])
                out[m, 2] = _seen_apart(t, u)
                m += 1
    return out[:m]


class MergeMemory:
    """How often each pair of tracks stayed together in passes running.

    A pass after a scan that saw both says that they are two ships, and is not forgotten at the next: two ships that
    nothing but doubt brings together are missed by turns three passes running every few minutes.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], int] = {}
        self.apart: set[tuple[int, int]] = set()

    def pairs(self, found: IntArray, uid: IntArray, passes: int) -> list[tuple[int, int]]:
        """(older row, younger row) of pairs due for a merge; no row twice."""
        now: dict[tuple[int, int], int] = {}
        due: list[tuple[int, int]] = []
        used: set[int] = set()
        # few rows: pairs of confirmed tracks closer than their doubt
        for i, j, both in found.tolist():
            older, younger = (i, j) if uid[i] < uid[j] else (j, i)
            key = (int(uid[older]), int(uid[younger]))
            if key in self.apart:
                continue
            if both:
                now[key] = max(min(self.seen.get(key, 0), 0) - 1, -APART_MOST)
                continue
            count = self.seen.get(key, 0) + 1
            if count >= passes and older not in used and younger not in used:
                due.append((older, younger))
                used |= {older, younger}
            else:
                now[key] = count
        for key, count in self.seen.items():  # not close in this pass: what spoke for two ships fades
            if count < -1 and key not in now:
                now[key] = count + 1
        self.seen = now
        return due


def absorb(kin: Kin, life: Life, tracks: Any, older: int, younger: int, take_state: bool) -> int:
    """Give the older row what the younger knew; the MMSI it should take over, or 0."""
    if take_state:
        for column in (*kin, tracks["block"], tracks["block_seq"]):
            column[older] = column[younger]
        tracks["block_seq"][younger] = FORGOTTEN
    newer_ais = bool(seen_us(life.seen[younger], AIS) > seen_us(life.seen[older], AIS))
    if newer_ais:
        life.gap_s[older] = life.gap_s[younger]
        life.ais[older], life.ais_v[older] = life.ais[younger], life.ais_v[younger]
        life.nav[older] = life.nav[younger]
        life.identity[older] = max(life.identity[older], life.identity[younger])
    if np.isnan(life.heading[older]) or newer_ais:
        life.heading[older] = life.heading[younger]
    take_seen(tracks, older, younger)
    life.fed[older] = np.minimum(life.fed[older].astype(np.int64) + life.fed[younger], FED_MAX)
    life.hits[older] += life.hits[younger]
    life.llr[older] = max(life.llr[older], life.llr[younger])
    life.sources[older] |= life.sources[younger]
    life.status[older] = max(min(life.status[older], life.status[younger]), 2)
    life.misses[older] = min(life.misses[older], life.misses[younger])
    life.born_us[older] = min(life.born_us[older], life.born_us[younger])
    if life.last_source[older] < 0:
        life.last_source[older], life.last_scan[older] = life.last_source[younger], life.last_scan[younger]
    life.extent[older] = max(life.extent[older], life.extent[younger])
    if life.claim[older] == 0:
        life.claim[older] = life.claim[younger]
    if np.isnan(life.fit[older, 2]):
        life.fit[older] = life.fit[younger]
    if life.mmsi[older] in (0, life.mmsi[younger]):
        life.pin[older] |= life.pin[younger] & PIN_IDENTITY  # an operator said so of the name both have now
    return int(life.mmsi[younger]) if life.mmsi[older] == 0 else 0
