"""Life and end of tracks: silence weighed by habit, and the flags.

What enters: the table at a tick of data time. What leaves: rows that ended, coasted or changed a flag. What a scan
says of those it missed is in `picture.scans`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kuroshio.picture.compiled import fetch, fetch_part, inner, kernel
from kuroshio.picture.drag import JUMP_M, WEIGHT_MIN
from kuroshio.picture.filter import combined
from kuroshio.picture.identity import Rules
from kuroshio.picture.journal import LOG_CROSS, LOG_SUCCESSOR, write_update
from kuroshio.picture.model import AIS, HUMAN, RADAR, VMS, TrackerConfig
from kuroshio.picture.motion import agility, local_offset, move, process_noise
from kuroshio.picture.seen import last_seen, seen_us
from kuroshio.picture.table import COASTED, CONFIRMED, CTL_LOG, TENTATIVE, Life, byte_of, first_row
from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK, FLAG_DRAG, FLAG_UNCORROBORATED
from kuroshio.units import BoolArray, FloatArray, IntArray

HUMAN_END_S = 1800.0  # what a person saw is looked for this long, its ellipse growing
VMS_END_S = 3 * 7200.0  # three usual intervals of a vessel monitoring system
US = 1e-6
SLOW_INTERVALS = 3.0  # of a ship at rest: six of 180 s would be 18 minutes, and three lost in a row are one in 1,000
SPEAK_INTERVALS = 2.5  # a row that has not heard its name for so many usual ones: the name may have left it
AHEAD = 6  # rows whose memory is asked for before their turn
BORN_BYTE = byte_of("born_us")  # from here on a record says what the flags follow from


def rules_of(config: TrackerConfig) -> Rules:
    """Thresholds of a configuration, as kernels take them."""
    return Rules(
        keyed_gate=float(config.keyed_gate_d2),
        bind_gate=float(config.bind_gate_d2),
        gate=float(config.gate_d2),
        birth_rv=float(config.birth_speed_sigma_mps) ** 2,
        unknown_var=(float(config.unknown_length_m) / 4.0) ** 2 / 2.0,  # along the keel, and that lies anyhow
        llr_max=float(config.llr_max),
        confirm_llr=float(config.confirm_llr),
        confirm_hits=int(config.confirm_hits),
        tentative_cost=float(config.tentative_cost),
        shift_us=int(config.out_of_sequence_s * 1e6),
    )


@inner
def predict_track(t, t_us, motion, pc, out):  # type: ignore[no-untyped-def]
    """State of a track at a time, as `predict_rows` has it; ``pc`` is work space."""
    dt = (t_us - t.t_us) * 1e-6
    combined(t, pc)
    mu = t.mu
    share = agility(t.ve, t.vn)
    low, high = process_noise(dt, motion.q0 * share), process_noise(dt, motion.q1 * share)
    q3 = (1.0 - mu) * low[0] + mu * high[0]
    q1 = (1.0 - mu) * low[2] + mu * high[2]
    lat, lon, _ = move(t.lat, t.lon, dt * t.ve, dt * t.vn)
    out[0], out[1], out[2], out[3] = lat, lon, t.ve, t.vn
    out[4] = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + q3
    out[5] = pc[1] + dt * (pc[3] + pc[5]) + dt * dt * pc[8]
    out[6] = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + q3
    out[7], out[8], out[9] = pc[7] + q1, pc[8], pc[9] + q1
    q2 = (1.0 - mu) * low[1] + mu * high[1]
    out[10], out[11] = pc[2] + dt * pc[7] + q2, pc[3] + dt * pc[8]
    out[12], out[13] = pc[5] + dt * pc[8], pc[6] + dt * pc[9] + q2


@kernel
def predict_rows(tracks, rows, t_us, motion):  # type: ignore[no-untyped-def]
    """(rows, 14) state at a time: lat, lon, ve, vn, covariance ee, en, nn, vee, ven, vnn, e-ve, e-vn, n-ve, n-vn."""
    out = np.empty((len(rows), 14))
    pc = np.empty(10)
    for k in range(len(rows)):
        predict_track(tracks[rows[k]], t_us, motion, pc, out[k])
    return out


@kernel
def write_predicted(log, ctl, tracks, rows, t_us, status, successor, motion):  # type: ignore[no-untyped-def]
    """One line a row with its state at a time; ``status`` and ``successor`` (0: none) override the row's where > 0."""
    pc, state = np.empty(10), np.empty(14)
    for k in range(len(rows)):
        line, t = log.lines[ctl[CTL_LOG]], tracks[rows[k]]
        combined(t, pc)
        write_update(line, t, pc)
        ctl[CTL_LOG] += 1
        line.ints[1] = t_us
        if status > 0:
            line.ints[2] = status
        line.ints[LOG_SUCCESSOR] = successor[k]
        predict_track(t, t_us, motion, pc, state)
        for c in range(14):
            line.floats[c if c < 10 else LOG_CROSS - 10 + c] = state[c]


def exists_probability(logodds: FloatArray) -> FloatArray:
    """Probability of log odds, without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logodds, -40.0, 40.0))))


class Limits(NamedTuple):
    """Limits of silence and of the flags, as kernels take them; times in seconds."""

    ais_end_intervals: float
    ais_end_min_s: float
    ais_end_max_s: float
    tentative_ais_end_s: float
    plot_end_s: float
    coast_s: float
    tentative_end_llr: float
    confirmed_end_llr: float
    llr_max: float
    dark_min_s: float
    dark_intervals: float
    dark_slow_mps: float
    dark_slow_s: float
    radar_held_s: float
    uncorroborated_misses: float
    uncorroborated_s: float


def limits_of(config: TrackerConfig) -> Limits:
    """Limits of a configuration."""
    return Limits(**{name: float(getattr(config, name)) for name in Limits._fields})


@kernel
def silent(tracks, rows, t_us, limits):  # type: ignore[no-untyped-def]
    """Rows that have not been fed for longer than their habit allows."""
    out = np.empty(len(rows), np.int64)
    n = 0
    shortest = min(limits.plot_end_s, limits.tentative_ais_end_s, limits.ais_end_min_s)
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 1)
        i = rows[k]
        t = tracks[i]
        age = (t_us - t.t_us) * US
        if age <= shortest:
            continue
        limit = limits.plot_end_s
        if t.fed[VMS] > 0:
            limit = VMS_END_S
        elif t.fed[AIS] > 0 and t.status == TENTATIVE:
            limit = limits.tentative_ais_end_s
        elif t.fed[AIS] > 0:
            usual = limits.ais_end_intervals * t.gap_s + 60.0
            limit = min(max(usual, limits.ais_end_min_s), limits.ais_end_max_s)
        if t.fed[HUMAN] > 0:
            limit = max(limit, HUMAN_END_S)
        if age > limit:
            out[n] = i
            n += 1
    return out[:n]


@inner
def _surely_slow(t, t_us, slow_mps, motion, pc):  # type: ignore[no-untyped-def]
    """True when a ship may be slower than a limit: a ship at rest reports every three minutes (M.1371-5, table 1)."""
    dt = (t_us - t.t_us) * US
    combined(t, pc)
    share = agility(t.ve, t.vn)
    low, high = process_noise(dt, motion.q0 * share), process_noise(dt, motion.q1 * share)
    noise = (1.0 - t.mu) * low[2] + t.mu * high[2]
    doubt = math.sqrt((pc[7] + pc[9]) / 2.0 + noise)
    return math.hypot(t.ve, t.vn) - 2.5 * doubt < slow_mps


@inner
def _silent_s(since_us, t_us, pauses):  # type: ignore[no-untyped-def]
    """Seconds for which a ship has said nothing while AIS was heard."""
    quiet = t_us - since_us
    for k in range(len(pauses)):
        quiet -= max(min(t_us, pauses[k, 1]) - max(since_us, pauses[k, 0]), 0)
    return quiet * US


@inner
def _flag_now(t, t_us, doubtful, all_healthy, pauses, limits, motion, pc):  # type: ignore[no-untyped-def]
    """(flags, whether dark) a track should have: uncorroborated set or not, dark where an AIS source would hear it."""
    had_ais = t.fed[AIS] > 0
    held = t.fed[RADAR] > 0 and (t_us - last_seen(t, RADAR)) * US <= limits.radar_held_s
    flag = t.flags & ~(FLAG_DARK | FLAG_UNCORROBORATED | FLAG_CONFLICT)
    dark, silence = False, 0.0
    if held:
        since_us = last_seen(t, AIS) if had_ais else t.born_us
        silence = (t_us - since_us) * US
        if silence >= limits.dark_min_s:
            silence = _silent_s(since_us, t_us, pauses)
    if held and silence >= limits.dark_min_s and (t.last_source < 0 or not doubtful[t.last_source]):
        slow = _surely_slow(t, t_us, limits.dark_slow_mps, motion, pc)
        least = limits.dark_slow_s if slow else limits.dark_min_s
        was = t.flags & FLAG_DARK > 0
        if had_ais:
            habit = min(limits.dark_intervals * t.gap_s, max(limits.dark_slow_s, SLOW_INTERVALS * t.gap_s))
            dark = silence > max(least, habit) or (was and silence > limits.dark_min_s)
        else:
            dark = silence >= least or was
    elif had_ais and not held and all_healthy and t.misses >= limits.uncorroborated_misses:
        slow = _surely_slow(t, t_us, limits.dark_slow_mps, motion, pc)
        least = limits.dark_slow_s if slow else limits.dark_min_s
        quiet = max(least, limits.dark_intervals * t.gap_s)
        ais_age, unseen_us = (t_us - last_seen(t, AIS)) * US, t_us - max(last_seen(t, RADAR), t.born_us)
        if ais_age <= quiet and unseen_us * US > limits.uncorroborated_s:
            flag |= FLAG_UNCORROBORATED
    return flag, dark


class Survey(NamedTuple):
    """What a pass over all tracks found: confirmed rows, the flags they have and should have, who needs a closer look.

    ``dark``, ``full`` (plots enough to compare with AIS) are indices of ``sure``; ``coasted`` are rows, whose status
    has been changed; ``chained`` counts rows that share a name with another.
    """

    sure: IntArray
    was: IntArray
    flags: IntArray
    dark: IntArray
    full: IntArray
    coasted: IntArray
    chained: int


@kernel
def survey(tracks, rows, t_us, since_us, doubtful, pauses, limits, motion):  # type: ignore[no-untyped-def]
    """`Survey` of all tracks at a tick.

    Parameters
    ----------
    since_us
        A row whose MMSI reported from two places since then is in conflict.
    doubtful
        By number of source, True where a radar's registration is in doubt: a row whose last plot is of such a radar
        is not called dark, and while there is one nobody is called uncorroborated.
    pauses
        Times in which no AIS was heard from anybody: no ship's silence counts in them.
    """
    n, d, f, c, chained = 0, 0, 0, 0, 0
    sure, pc = np.empty(len(rows), np.int64), np.empty(10)
    was, flags = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    dark, full, coasted = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    all_healthy = not doubtful.any()
    for k in range(len(rows)):
        fetch(tracks, rows[min(k + AHEAD, len(rows) - 1)], 1)
        fetch_part(tracks, rows[min(k + AHEAD, len(rows) - 1)], BORN_BYTE, 3)
        t = tracks[rows[k]]
        if t.status < CONFIRMED:
            continue
        age = (t_us - t.t_us) * US
        if t.status == CONFIRMED and age > limits.coast_s and age > 3.0 * t.gap_s:
            t.status = COASTED
            coasted[c] = rows[k]
            c += 1
        sure[n], was[n] = rows[k], t.flags
        flags[n], is_dark = _flag_now(t, t_us, doubtful, all_healthy, pauses, limits, motion, pc)
        if t.conflict_us >= since_us:
            flags[n] |= FLAG_CONFLICT
        if is_dark:
            dark[d] = n
            d += 1
        if t.drag[5] >= WEIGHT_MIN:
            full[f] = n
            f += 1
        chained += 1 if t.next_row >= 0 else 0
        n += 1
    return Survey(sure[:n], was[:n], flags[:n], dark[:d], full[:f], coasted[:c], chained)


@kernel
def set_flags(tracks, rows, was, flags):  # type: ignore[no-untyped-def]
    """(rows, flags before, flags after) of those that change; ``was`` are the flags they have."""
    out = np.empty((3, len(rows)), np.int64)
    n = 0
    for k in range(len(rows)):
        if was[k] != flags[k]:
            out[0, n], out[1, n], out[2, n] = rows[k], was[k], flags[k]
            tracks[rows[k]].flags = flags[k]
            n += 1
    return out[0, :n], out[1, :n], out[2, :n]


@inner
def _two_places(t, u, t_us, limits):  # type: ignore[no-untyped-def]
    """True where two rows of one MMSI are two places it reports from; ``u`` is the row it reports from now.

    Where the other has not heard it for long, and it comes from where its own last word puts it by now, the name is in
    one place, and it is radar that had taken the other row elsewhere.
    """
    if (t_us - last_seen(t, AIS)) * US <= max(limits.dark_min_s, SPEAK_INTERVALS * t.gap_s):
        return True
    dt = (last_seen(u, AIS) - last_seen(t, AIS)) * US
    e, n = local_offset(t.ais[0], t.ais[1], u.ais[0], u.ais[1])
    ve, vn = 0.5 * dt * (t.ais_v[0] + u.ais_v[0]), 0.5 * dt * (t.ais_v[1] + u.ais_v[1])
    return not (math.hypot(e, n) <= JUMP_M or math.hypot(e - ve, n - vn) <= JUMP_M)


@inner
def _mark(rows, row, marks):  # type: ignore[no-untyped-def]
    where = np.searchsorted(rows, row)
    if where < len(rows) and rows[where] == row:
        marks[where] = True


@kernel
def claimed_twice(tracks, rows, keys, t_us, limits):  # type: ignore[no-untyped-def]
    """(rows whose MMSI another confirmed row claims too, both recently; those of them where it is in two places)."""
    twice, both = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    for k in range(len(rows)):
        if tracks[rows[k]].next_row < 0:
            continue  # alone under its MMSI, or the last of a chain that begins with another row
        head, count, newest = first_row(keys, tracks[rows[k]].mmsi), 0, -1
        at = head
        while at >= 0:
            t = tracks[at]
            if t.status >= CONFIRMED and (t_us - last_seen(t, AIS)) * US <= limits.ais_end_max_s:
                count += 1
                if newest < 0 or last_seen(t, AIS) > last_seen(tracks[newest], AIS):
                    newest = at
            at = t.next_row
        at = head if count > 1 else -1
        while at >= 0:
            t = tracks[at]
            if t.status >= CONFIRMED and (t_us - last_seen(t, AIS)) * US <= limits.ais_end_max_s:
                apart = at != newest and _two_places(t, tracks[newest], t_us, limits)
                _mark(rows, at, twice)
                if apart:
                    _mark(rows, at, both)
                    _mark(rows, newest, both)
            at = t.next_row
    return twice, both


def stale_bindings(life: Life, rows: IntArray, twice: BoolArray) -> IntArray:
    """Rows held by radar whose MMSI now reports steadily from another track."""
    out: list[int] = []
    suspects = rows[twice]
    # few rows: only tracks whose MMSI is claimed twice
    for i in suspects:
        if life.pin[i] & 1 or life.flags[i] & FLAG_DRAG:
            continue  # an operator said so, or its AIS is known to be elsewhere
        last = seen_us(life.seen[i], AIS)
        newer = (life.mmsi[suspects] == life.mmsi[i]) & (suspects != i) & (life.exercise[suspects] == life.exercise[i])
        ahead = seen_us(life.seen[suspects[newer]], AIS) > last + int(2e6 * max(float(life.gap_s[i]), 5.0))
        if ahead.any() and seen_us(life.seen[i], RADAR) > last:
            out.append(int(i))
    return np.asarray(out, np.int64)


__all__ = [
    "claimed_twice",
    "exists_probability",
    "limits_of",
    "predict_rows",
    "rules_of",
    "set_flags",
    "silent",
    "stale_bindings",
    "survey",
    "write_predicted",
]
