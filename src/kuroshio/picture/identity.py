"""Reports that name themselves: AIS and other keyed reports go to the track of their MMSI, if it agrees.

What enters: keyed reports in order of time. What leaves: tracks updated, bound or begun, one outcome a report. An
MMSI is a claim: the track it names must lie within the gate, several tracks may claim one MMSI, and a claim that
turns up elsewhere begins a track of its own. Each report costs O(1).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.filter import predictive
from kuroshio.picture.grid import near
from kuroshio.picture.journal import (
    EV_BORN,
    EV_BOUND,
    EV_CONFIRMED,
    EV_CONFLICT,
    EV_REPLAYED,
    write_event,
    write_update,
)
from kuroshio.picture.late import LATE_DUPLICATE, LATE_OK, apply_report, insert_late, known
from kuroshio.picture.motion import local_offset, move
from kuroshio.picture.table import (
    CONFIRMED,
    CTL_FREE,
    CTL_KEYS,
    CTL_LOG,
    CTL_REFUSED,
    TENTATIVE,
    bind,
    find_key,
    take_row,
)
from kuroshio.units import BoolArray, FloatArray, IntArray

NONE, UPDATED, STARTED, BOUND_TO, REPLAYED, DUPLICATE, TOO_OLD, REFUSED, CONFLICTING = range(9)
OUTCOME_WORDS = (
    "none",
    "updated",
    "started",
    "bound",
    "replayed",
    "duplicate",
    "too_old",
    "refused",
    "conflict",
)
ECHO_US = 1_900_000  # two receivers of one transmission; the shortest reporting interval is 2 s (M.1371-5, table 1)
IDENTITY_BORN, IDENTITY_MAX, IDENTITY_STEP = 2.0, 7.0, 0.5  # log odds of the binding
NEAR_MAX = 256


class Obs(NamedTuple):
    """Clean observations as arrays, ordered by time.

    ``z`` (rows, 8): lat, lon (deg), position covariance ee, en, nn (m2), ve, vn (m/s), velocity variance (0: none).
    """

    t_us: IntArray
    obs_id: IntArray
    z: FloatArray
    mmsi: IntArray
    kind: Any
    source: Any
    heading: FloatArray
    nav: Any
    exercise: Any
    scan: IntArray


class Rules(NamedTuple):
    """Thresholds as kernels take them."""

    keyed_gate: float
    bind_gate: float
    gate: float
    birth_rv: float
    unknown_var: float
    llr_max: float
    confirm_llr: float
    confirm_hits: int
    tentative_cost: float
    shift_us: int


class Outcome(NamedTuple):
    """What became of each observation: code, track number, d2."""

    code: Any
    uid: IntArray
    d2: FloatArray


class Statics(NamedTuple):
    """What is known of a ship by MMSI, ascending: version of its claims, and antenna offsets with length."""

    mmsi: IntArray
    claim: Any
    fit: FloatArray


class Candidates(NamedTuple):
    """Tracks of plots that carry no MMSI, with a grid of where they are now."""

    rows: IntArray
    lat: FloatArray
    lon: FloatArray
    grid: Any
    radius_m: float
    forbidden: IntArray


@inner
def centre_antenna(z, fit, heading, unknown_var, out):  # type: ignore[no-untyped-def]
    """The report moved from the antenna to the ship's centre; without heading or size its variance grows instead."""
    for k in range(8):
        out[k] = z[k]
    if math.isnan(fit[2]):
        out[2] += unknown_var
        out[4] += unknown_var
        return
    h = heading
    if math.isnan(h) and z[7] > 0.0 and z[5] * z[5] + z[6] * z[6] > 4.0:
        h = math.degrees(math.atan2(z[5], z[6]))
    if math.isnan(h):
        out[2] += (fit[2] / 4.0) ** 2
        out[4] += (fit[2] / 4.0) ** 2
        return
    s, c = math.sin(math.radians(h)), math.cos(math.radians(h))
    lat, lon, _ = move(z[0], z[1], fit[0] * s + fit[1] * c, fit[0] * c - fit[1] * s)
    out[0], out[1] = lat, lon


@kernel
def take_claim(life, i, mmsi, statics):  # type: ignore[no-untyped-def]
    """Give a row what is known of its MMSI."""
    k = np.searchsorted(statics.mmsi, mmsi)
    if k < len(statics.mmsi) and statics.mmsi[k] == mmsi:
        life.claim[i] = statics.claim[k]
        life.fit[i, 0], life.fit[i, 1], life.fit[i, 2] = statics.fit[k, 0], statics.fit[k, 1], statics.fit[k, 2]


@inner
def note_report(life, i, j, obs, z):  # type: ignore[no-untyped-def]
    """Keep what a keyed report says beside its position."""
    kind, t_us = obs.kind[j], obs.t_us[j]
    last = life.last_seen_us[i, kind]
    if t_us > last:
        if kind == 0 and life.fed[i, 0] > 0:
            d = (t_us - last) * 1e-6
            g = life.gap_s[i]
            life.gap_s[i] = d if g == 0.0 else 0.8 * g + 0.2 * min(d, 3.0 * g + 30.0)
        life.last_seen_us[i, kind] = t_us
        if kind == 0:
            life.ais[i, 0], life.ais[i, 1] = z[0], z[1]
            life.ais[i, 2], life.ais[i, 3] = (z[5], z[6]) if z[7] > 0 else (math.nan, math.nan)
        if not math.isnan(obs.heading[j]):
            life.heading[i] = obs.heading[j]
        if obs.nav[j] >= 0:
            life.nav[i] = obs.nav[j]
    life.fed[i, kind] += 1
    life.hits[i] += 1
    life.sources[i] |= np.int64(1) << obs.source[j]


@inner
def _choose(kin, life, keys, obs, j, zz, rules, motion):  # type: ignore[no-untyped-def]
    """(row of the MMSI that agrees best or -1, its d2, last row of the MMSI that does not agree or -1)."""
    slot = find_key(keys, obs.mmsi[j])
    best, bd, other = -1, rules.keyed_gate, -1
    if slot < 0:
        return best, bd, other
    i = keys.head[slot]
    while i >= 0:
        if life.exercise[i] == obs.exercise[j]:
            dt = (obs.t_us[j] - kin.t_us[i]) * 1e-6
            e, n = local_offset(kin.lat[i], kin.lon[i], zz[0], zz[1])
            d2, _ = predictive(kin, i, dt, e, n, zz[2], zz[3], zz[4], motion)
            if d2 < bd:
                bd, best = d2, i
            else:
                other = i
        i = life.next_row[i]
    return best, bd, other


@inner
def _forbidden(pairs, uid, mmsi):  # type: ignore[no-untyped-def]
    for k in range(len(pairs)):  # noqa: SIM110 - numba has no generators
        if pairs[k, 0] == uid and pairs[k, 1] == mmsi:
            return True
    return False


@inner
def _find_unbound(kin, life, cand, obs, j, zz, rules, motion, box):  # type: ignore[no-untyped-def]
    """Row of the only track of plots that fits an unknown report in place and velocity, or -1."""
    if len(cand.rows) == 0:
        return -1
    found, n_fit, sure = -1, 0, False
    for q in range(near(cand.grid, zz[0], zz[1], cand.radius_m, cand.lat, cand.lon, box)):
        i = cand.rows[box[q]]
        if life.mmsi[i] != 0 or life.status[i] == 0 or life.exercise[i] != obs.exercise[j]:
            continue
        dt = (obs.t_us[j] - kin.t_us[i]) * 1e-6
        if dt < -5.0:
            continue
        e, n = local_offset(kin.lat[i], kin.lon[i], zz[0], zz[1])
        d2, _ = predictive(kin, i, dt, e, n, zz[2], zz[3], zz[4], motion)
        if d2 >= rules.bind_gate:
            continue
        confirmed = life.status[i] >= CONFIRMED
        if confirmed and not sure:
            found, n_fit, sure = -1, 0, True  # tentative ones do not rival a confirmed one
        elif sure and not confirmed:
            continue
        n_fit += 1
        if zz[7] > 0.0:
            dve, dvn = zz[5] - kin.ve[i], zz[6] - kin.vn[i]
            pc = kin.pc[i]
            if dve * dve / (pc[7] + zz[7]) + dvn * dvn / (pc[9] + zz[7]) > rules.bind_gate:
                continue
        if not _forbidden(cand.forbidden, life.uid[i], obs.mmsi[j]):
            found = i
    return found if n_fit == 1 else -1


@inner
def _feed(kin, life, ring, log, ctl, obs, j, i, zz, rules, motion, w):  # type: ignore[no-untyped-def]
    """(outcome code, d2) of a report given to a row."""
    t_us = obs.t_us[j]
    if t_us <= kin.t_us[i] and ring.pushed[i] > 0:
        if known(ring, i, obs.obs_id[j]):
            return DUPLICATE, 0.0
        if t_us < kin.t_us[i]:
            code = insert_late(kin, ring, i, t_us, obs.obs_id[j], zz, rules.birth_rv, motion, w)
            if code == LATE_DUPLICATE:
                return DUPLICATE, 0.0
            if code != LATE_OK:
                return TOO_OLD, 0.0
            note_report(life, i, j, obs, zz)
            life.born_us[i] = min(life.born_us[i], t_us)
            write_event(log, ctl, t_us, life.uid[i], EV_REPLAYED, obs.obs_id[j], 0)
            return REPLAYED, 0.0
    same = zz[0] == life.ais[i, 0] and zz[1] == life.ais[i, 1]
    if same and life.fed[i, 0] > 0 and t_us - life.last_seen_us[i, 0] < ECHO_US:
        life.sources[i] |= np.int64(1) << obs.source[j]
        return DUPLICATE, 0.0
    d2 = apply_report(kin, ring, i, t_us, obs.obs_id[j], zz, rules.birth_rv, motion, w)
    note_report(life, i, j, obs, zz)
    return UPDATED, d2


@inner
def _confirm_named(life, log, ctl, i, t_us):  # type: ignore[no-untyped-def]
    if life.status[i] == TENTATIVE and life.fed[i, 0] + life.fed[i, 3] + life.fed[i, 4] >= 2:
        life.status[i] = CONFIRMED
        write_event(log, ctl, t_us, life.uid[i], EV_CONFIRMED, life.hits[i], 0)
    elif life.status[i] > CONFIRMED:
        life.status[i] = CONFIRMED


@kernel
def keyed_run(kin, life, keys, ring, log, ctl, free, obs, a, b, out, cand, statics, rules, motion, w, full):  # type: ignore[no-untyped-def]
    """Index of the first report not processed: all of ``[a, b)`` unless rows, keys or log run out.

    Every report is judged on its own, in order, so the result does not depend on where runs begin and end.
    """
    box = np.empty(NEAR_MAX, np.int64)
    zz = np.empty(8)
    for j in range(a, b):
        mmsi = obs.mmsi[j]
        if mmsi <= 0:
            continue
        if ctl[CTL_LOG] + 2 > len(log.ints):
            return j
        t_us = obs.t_us[j]
        for k in range(8):
            zz[k] = obs.z[j, k]
        zz[2] += rules.unknown_var
        zz[4] += rules.unknown_var
        best, _, other = _choose(kin, life, keys, obs, j, zz, rules, motion)
        if best >= 0:
            centre_antenna(obs.z[j], life.fit[best], obs.heading[j], rules.unknown_var, zz)
            code, d2 = _feed(kin, life, ring, log, ctl, obs, j, best, zz, rules, motion, w)
            out.code[j], out.uid[j], out.d2[j] = code, life.uid[best], d2
            if code in (UPDATED, REPLAYED):
                life.identity[best] = min(life.identity[best] + IDENTITY_STEP, IDENTITY_MAX)
                _confirm_named(life, log, ctl, best, t_us)
                write_update(log, ctl, kin, life, best)
                life.shown[best] = 1
            continue
        if ctl[CTL_FREE] == 0 and full:
            out.code[j] = REFUSED
            ctl[CTL_REFUSED] += 1
            continue
        if ctl[CTL_FREE] == 0 or 2 * (ctl[CTL_KEYS] + 1) > len(keys.key):
            return j
        i = -1
        if other < 0:
            i = _find_unbound(kin, life, cand, obs, j, zz, rules, motion, box)
        if i >= 0:
            code, d2 = _feed(kin, life, ring, log, ctl, obs, j, i, zz, rules, motion, w)
            out.code[j], out.uid[j], out.d2[j] = BOUND_TO if code != DUPLICATE else code, life.uid[i], d2
            bind(keys, life, ctl, i, mmsi)
            take_claim(life, i, mmsi, statics)
            life.identity[i] = IDENTITY_BORN
            write_event(log, ctl, t_us, life.uid[i], EV_BOUND, mmsi, obs.obs_id[j])
            if life.status[i] != CONFIRMED:
                life.status[i] = CONFIRMED
                write_event(log, ctl, t_us, life.uid[i], EV_CONFIRMED, life.hits[i], 0)
        else:
            i = take_row(life, ring, ctl, free, t_us)
            apply_report(kin, ring, i, t_us, obs.obs_id[j], zz, rules.birth_rv, motion, w)
            life.exercise[i] = obs.exercise[j]
            note_report(life, i, j, obs, zz)
            bind(keys, life, ctl, i, mmsi)
            take_claim(life, i, mmsi, statics)
            life.identity[i] = IDENTITY_BORN
            out.code[j], out.uid[j], out.d2[j] = STARTED, life.uid[i], 0.0
            write_event(log, ctl, t_us, life.uid[i], EV_BORN, obs.obs_id[j], mmsi)
            if other >= 0:
                out.code[j] = CONFLICTING
                write_event(log, ctl, t_us, life.uid[i], EV_CONFLICT, life.uid[other], mmsi)
        write_update(log, ctl, kin, life, i)
        life.shown[i] = 1
    return b


def empty_outcome(rows: int) -> Outcome:
    """Outcomes before anything is decided."""
    return Outcome(np.zeros(rows, np.int8), np.zeros(rows, np.int64), np.zeros(rows, np.float64))


def keyed_mask(obs: Obs) -> BoolArray:
    """Observations that name themselves."""
    return np.asarray(obs.mmsi > 0)
