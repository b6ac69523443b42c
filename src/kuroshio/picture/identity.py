"""Reports that name themselves: AIS and other keyed reports go to the track of their MMSI, if it agrees.

What enters: keyed reports in order of time. What leaves: tracks updated, bound or begun, one outcome a report. An
MMSI is a claim: the track it names must lie within the gate, several tracks may claim one MMSI, and a claim that
turns up elsewhere begins a track of its own. Each report costs O(1).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from kuroshio.picture.ahead import fetch_named
from kuroshio.picture.compiled import bare, inner, kernel
from kuroshio.picture.drag import jumped
from kuroshio.picture.filter import combined, manoeuvre_distance
from kuroshio.picture.grid import SPANS_MAX, near
from kuroshio.picture.journal import (
    EV_BORN,
    EV_BOUND,
    EV_CONFIRMED,
    EV_CONFLICT,
    EV_REPLAYED,
    show,
    write_event,
)
from kuroshio.picture.late import LATE_DUPLICATE, LATE_OK, apply_report, insert_late, known
from kuroshio.picture.motion import local_offset, move
from kuroshio.picture.seen import kind_at, last_seen, note_seen
from kuroshio.picture.table import (
    CONFIRMED,
    CTL_FREE,
    CTL_KEYS,
    CTL_LOG,
    CTL_REFUSED,
    FED_MAX,
    TENTATIVE,
    bind,
    find_key,
    take_row,
)
from kuroshio.schema import FLAG_DRAG
from kuroshio.units import FloatArray, IntArray

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
MAKES_WAY_MPS = 2.0  # faster, and the bow points where the ship goes


# A clean observation. ``z``: lat, lon (deg), position covariance ee, en, nn (m2), ve, vn (m/s), velocity variance
# (0: none). Tables of them are ordered by time, then identity.
OBS = np.dtype(
    [
        ("t_us", np.int64),
        ("obs_id", np.int64),
        ("z", np.float64, (8,)),
        ("mmsi", np.int64),
        ("scan", np.int64),
        ("heading", np.float64),
        ("source", np.int32),
        ("nav", np.int16),
        ("kind", np.int8),
        ("exercise", np.int8),
    ],
    align=True,
)
Obs = np.ndarray  # of OBS
# What became of an observation: track number, d2, code
OUTCOME = np.dtype([("uid", np.int64), ("d2", np.float64), ("code", np.int8)], align=True)
Outcome = np.ndarray  # of OUTCOME


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


class Statics(NamedTuple):
    """What is known of a ship by MMSI, ascending: version of its claims, and antenna offsets with length."""

    mmsi: IntArray
    claim: Any
    fit: FloatArray


class Candidates(NamedTuple):
    """Tracks of plots that carry no MMSI, with a grid of where they are now; not ``ready`` until somebody asks."""

    rows: IntArray
    grid: Any
    radius_m: float
    forbidden: IntArray
    ready: bool


@inner
def _bow(heading, ve, vn):  # type: ignore[no-untyped-def]
    """(east, north) of where the bow points: the heading, else the course of a ship that makes way, else NaN."""
    if math.isnan(heading):
        speed = math.sqrt(ve * ve + vn * vn)
        return (ve / speed, vn / speed) if speed > MAKES_WAY_MPS else (math.nan, math.nan)
    h = math.radians(heading)
    return math.sin(h), math.cos(h)


@inner
def centre_antenna(z, fit, heading, unknown_var, out):  # type: ignore[no-untyped-def]
    """The report moved from the antenna to the ship's centre; without heading or size its variance grows instead."""
    for k in range(8):
        out[k] = z[k]
    if math.isnan(fit[2]):
        out[2] += unknown_var
        out[4] += unknown_var
        return
    said = z[7] > 0.0  # a velocity
    s, c = _bow(heading, z[5] if said else 0.0, z[6] if said else 0.0)
    if math.isnan(s + fit[0]):  # an offset nobody knows, or its direction: half of its square on each axis
        apart = fit[0] * fit[0] + fit[1] * fit[1]
        apart = apart if apart > 0.0 else fit[2] * fit[2] / 16.0  # it said a length, but not where the antenna stands
        out[2] += 0.5 * apart
        out[4] += 0.5 * apart
        return
    lat, lon, _ = move(z[0], z[1], fit[0] * s + fit[1] * c, fit[0] * c - fit[1] * s)
    out[0], out[1] = lat, lon


@inner
def _recentre(t, fit):  # type: ignore[no-untyped-def]
    """Move the last AIS place from the antenna to the centre, now that the ship has said where its antenna stands.

    Until the next report, three minutes for a ship at rest, radar would else be held against the antenna.
    """
    for k in range(7):
        t.drag[k] = 0.0
    s, c = _bow(t.heading, t.ais_v[0], t.ais_v[1])
    if not math.isnan(s + fit[0]):
        t.ais[0], t.ais[1], _ = move(t.ais[0], t.ais[1], fit[0] * s + fit[1] * c, fit[0] * c - fit[1] * s)


@bare
def take_claim(tracks, i, mmsi, statics):  # type: ignore[no-untyped-def]
    """Give a row what is known of its MMSI."""
    k = np.searchsorted(statics.mmsi, mmsi)
    if k < len(statics.mmsi) and statics.mmsi[k] == mmsi:
        t = tracks[i]
        if not t.pin & 2:  # an operator said so
            t.claim = statics.claim[k]
        if t.fed[0] > 0 and math.isnan(t.fit[2]) and not math.isnan(statics.fit[k, 2]):
            _recentre(t, statics.fit[k])
        t.fit[0], t.fit[1], t.fit[2] = statics.fit[k, 0], statics.fit[k, 1], statics.fit[k, 2]


@inner
def note_report(t, o, z):  # type: ignore[no-untyped-def]
    """Keep what a report says beside its position."""
    kind, t_us = o.kind, o.t_us
    at = kind_at(kind)
    last = last_seen(t, at)
    if t_us > last:
        if kind == 0 and t.fed[0] > 0:
            d = (t_us - last) * 1e-6
            g = t.gap_s
            t.gap_s = d if g == 0.0 else 0.8 * g + 0.2 * min(d, 3.0 * g + 30.0)
        if kind == 0:
            t.ais[0], t.ais[1] = z[0], z[1]
            t.ais_v[0], t.ais_v[1] = (z[5], z[6]) if z[7] > 0 else (math.nan, math.nan)
        if not math.isnan(o.heading):
            t.heading = o.heading
        if o.nav >= 0:
            t.nav = o.nav
    if t.fed[at] < FED_MAX:
        t.fed[at] += 1
    t.hits += 1
    t.sources |= np.int64(1) << o.source
    note_seen(t, at, o.source, t_us)


@inner
def _choose(tracks, keys, o, z, rules, motion, centred):  # type: ignore[no-untyped-def]
    """(row of the MMSI that agrees best or -1, last row of the MMSI that does not agree or -1).

    A track stands where its reports were: at the ship's centre where its size is known, but at the antenna until the
    first report after that. So a report that does not agree as it came is also held against it as moved to the centre.
    """
    slot = find_key(keys, o.mmsi)
    best, bd, other = -1, rules.keyed_gate, -1
    if slot < 0:
        return best, other
    i = keys[slot].head
    while i >= 0:
        t = tracks[i]
        if t.flags & FLAG_DRAG and not t.pin & 1:
            other = i  # its AIS has been found false: what claims its name feeds another track
        elif t.exercise == o.exercise:
            dt = (o.t_us - t.t_us) * 1e-6
            e, n = local_offset(t.lat, t.lon, z[0], z[1])
            d2 = manoeuvre_distance(t, dt, e, n, z[2], z[3], z[4], motion)
            if d2 >= rules.keyed_gate and not math.isnan(t.fit[2]):
                centre_antenna(o.z, t.fit, o.heading, rules.unknown_var, centred)
                e, n = local_offset(t.lat, t.lon, centred[0], centred[1])
                d2 = manoeuvre_distance(t, dt, e, n, centred[2], centred[3], centred[4], motion)
            if d2 < bd:
                bd, best = d2, i
            else:
                other = i
        i = t.next_row
    return best, other


@inner
def _forbidden(pairs, uid, mmsi):  # type: ignore[no-untyped-def]
    for k in range(len(pairs)):  # noqa: SIM110 - numba has no generators
        if pairs[k, 0] == uid and pairs[k, 1] == mmsi:
            return True
    return False


@inner
def _find_unbound(tracks, cand, o, z, rules, motion, runs, box, w):  # type: ignore[no-untyped-def]
    """Row of the only track of plots that fits an unknown report in place and velocity, or -1."""
    if len(cand.rows) == 0:
        return -1
    found, n_fit, sure = -1, 0, False
    for q in range(near(cand.grid, z[0], z[1], cand.radius_m, runs, box)):
        t = tracks[cand.rows[cand.grid.point[box[q]]]]
        if t.mmsi != 0 or t.status == 0 or t.exercise != o.exercise:
            continue
        dt = (o.t_us - t.t_us) * 1e-6
        if dt < -5.0:
            continue
        e, n = local_offset(t.lat, t.lon, z[0], z[1])
        if manoeuvre_distance(t, dt, e, n, z[2], z[3], z[4], motion) >= rules.bind_gate:
            continue
        confirmed = t.status >= CONFIRMED
        if confirmed and not sure:
            found, n_fit, sure = -1, 0, True  # tentative ones do not rival a confirmed one
        elif sure and not confirmed:
            continue
        n_fit += 1
        if z[7] > 0.0:
            dve, dvn = z[5] - t.ve, z[6] - t.vn
            combined(t, w.c)
            if dve * dve / (w.c[7] + z[7]) + dvn * dvn / (w.c[9] + z[7]) > rules.bind_gate:
                continue
        if not _forbidden(cand.forbidden, t.uid, o.mmsi):
            found = cand.rows[cand.grid.point[box[q]]]
    return found if n_fit == 1 else -1


@inner
def _feed(t, pool, log, ctl, o, z, rules, motion, w):  # type: ignore[no-untyped-def]
    """(outcome code, d2) of a report given to a track."""
    t_us = o.t_us
    if t_us <= t.t_us and t.block_seq != 0:
        if known(t, pool, t_us, o.obs_id):
            return DUPLICATE, 0.0
        if t_us < t.t_us:
            code = insert_late(t, pool, t_us, o.obs_id, z, rules.birth_rv, motion, w)
            if code == LATE_DUPLICATE:
                return DUPLICATE, 0.0
            if code != LATE_OK:
                return TOO_OLD, 0.0
            note_report(t, o, z)
            t.born_us = min(t.born_us, t_us)
            write_event(log, ctl, t_us, t.uid, EV_REPLAYED, o.obs_id, 0)
            return REPLAYED, 0.0
    if t.fed[0] > 0 and z[0] == t.ais[0] and z[1] == t.ais[1]:
        heard_us = last_seen(t, 0)
        if t_us - heard_us < ECHO_US:
            t.sources |= np.int64(1) << o.source
            note_seen(t, 0, o.source, heard_us)
            return DUPLICATE, 0.0
    d2 = apply_report(t, pool, t_us, o.obs_id, z, rules.birth_rv, motion, w)
    note_report(t, o, z)
    return UPDATED, d2


@inner
def _confirm_named(log, ctl, t, t_us):  # type: ignore[no-untyped-def]
    if t.status == TENTATIVE and t.fed[0] + t.fed[3] + t.fed[4] >= 2:
        t.status = CONFIRMED
        write_event(log, ctl, t_us, t.uid, EV_CONFIRMED, t.hits, 0)
    elif t.status > CONFIRMED:
        t.status = CONFIRMED


@inner
def _name_or_begin(tracks, keys, pool, log, ctl, free, o, r, other, cand, statics, rules, motion, runs, box, w):  # type: ignore[no-untyped-def]
    """Give an MMSI nobody agrees with to a track of plots, or begin a track; ``r`` takes the outcome."""
    i = -1
    if other < 0:
        i = _find_unbound(tracks, cand, o, w.z, rules, motion, runs, box, w)
    if i >= 0:
        t = tracks[i]
        bind(keys, tracks, ctl, i, o.mmsi)
        take_claim(tracks, i, o.mmsi, statics)
        centre_antenna(o.z, t.fit, o.heading, rules.unknown_var, w.z)
        code, r.d2 = _feed(t, pool, log, ctl, o, w.z, rules, motion, w)
        r.code, r.uid = BOUND_TO if code != DUPLICATE else code, t.uid
        t.identity = IDENTITY_BORN
        write_event(log, ctl, o.t_us, t.uid, EV_BOUND, o.mmsi, o.obs_id)
        if t.status != CONFIRMED:
            t.status = CONFIRMED
            write_event(log, ctl, o.t_us, t.uid, EV_CONFIRMED, t.hits, 0)
    else:
        i = take_row(tracks, ctl, free, o.t_us)
        t = tracks[i]
        bind(keys, tracks, ctl, i, o.mmsi)
        take_claim(tracks, i, o.mmsi, statics)
        centre_antenna(o.z, t.fit, o.heading, rules.unknown_var, w.z)
        apply_report(t, pool, o.t_us, o.obs_id, w.z, rules.birth_rv, motion, w)
        t.exercise = o.exercise
        note_report(t, o, w.z)
        t.identity = IDENTITY_BORN
        r.code, r.uid, r.d2 = STARTED, t.uid, 0.0
        write_event(log, ctl, o.t_us, t.uid, EV_BORN, o.obs_id, o.mmsi)
        if other >= 0:
            r.code = CONFLICTING
            write_event(log, ctl, o.t_us, t.uid, EV_CONFLICT, tracks[other].uid, o.mmsi)
            if jumped(tracks[other], o.t_us, w.z):
                t.conflict_us = tracks[other].conflict_us = o.t_us
    show(log, ctl, t, w)


@kernel
def keyed_run(tracks, keys, pool, log, ctl, free, obs, a, b, out, cand, statics, rules, motion, work, full):  # type: ignore[no-untyped-def]
    """Index of the first report not processed: all of ``[a, b)`` unless something it needs runs out.

    Every report is judged on its own, in order, so the result does not depend on where runs begin and end.
    """
    runs, box = np.empty((SPANS_MAX, 2), np.int64), np.empty(NEAR_MAX, np.int64)
    centred = np.empty(8, np.float64)
    soon = np.full(16, -1, np.int64)
    w = work[0]
    z = w.z
    for j in range(a, b):
        fetch_named(j, b, tracks, keys, pool, obs, soon)
        o = obs[j]
        if o.mmsi <= 0:
            continue
        if ctl[CTL_LOG] + 2 > len(log.lines):
            return j
        r = out[j]
        for k in range(8):
            z[k] = o.z[k]
        z[2] += rules.unknown_var
        z[4] += rules.unknown_var
        best, other = _choose(tracks, keys, o, z, rules, motion, centred)
        if best >= 0:
            t = tracks[best]
            centre_antenna(o.z, t.fit, o.heading, rules.unknown_var, z)
            r.code, r.d2 = _feed(t, pool, log, ctl, o, z, rules, motion, w)
            r.uid = t.uid
            if r.code == UPDATED or r.code == REPLAYED:
                t.identity = min(t.identity + IDENTITY_STEP, IDENTITY_MAX)
                _confirm_named(log, ctl, t, o.t_us)
                show(log, ctl, t, w)
        elif ctl[CTL_FREE] == 0 and full:
            r.code = REFUSED
            ctl[CTL_REFUSED] += 1
        elif ctl[CTL_FREE] == 0 or 2 * (ctl[CTL_KEYS] + 1) > len(keys) or (other < 0 and not cand.ready):
            return j
        else:
            _name_or_begin(
                tracks, keys, pool, log, ctl, free, o, r, other, cand, statics, rules, motion, runs, box, w
            )  # fmt: skip
    return b


def empty_outcome(rows: int) -> Outcome:
    """Outcomes before anything is decided."""
    return np.zeros(rows, OUTCOME)
