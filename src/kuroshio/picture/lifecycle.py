"""Birth, life and end of tracks: misses weighed by coverage, silence weighed by habit, and the flags.

What enters: the table at a tick of data time, or at the end of a sensor's scan. What leaves: rows that ended,
coasted or changed a flag. A scan a ship could not be seen in is not evidence: only rows inside the coverage of a
sensor that scanned count a miss.
"""

from __future__ import annotations

import math

import numpy as np

from kuroshio.picture.compiled import inner, kernel
from kuroshio.picture.filter import combined
from kuroshio.picture.identity import Rules
from kuroshio.picture.journal import write_update
from kuroshio.picture.model import AIS, RADAR, VMS, TrackerConfig
from kuroshio.picture.motion import move, process_noise
from kuroshio.picture.table import COASTED, CONFIRMED, CTL_LOG, TENTATIVE, Life
from kuroshio.schema import FLAG_CONFLICT, FLAG_DARK, FLAG_UNCORROBORATED
from kuroshio.units import BoolArray, FloatArray, IntArray

VMS_END_S = 3 * 7200.0  # three usual intervals of a vessel monitoring system
US = 1e-6


def rules_of(config: TrackerConfig) -> Rules:
    """Thresholds of a configuration, as kernels take them."""
    return Rules(
        keyed_gate=float(config.keyed_gate_d2),
        bind_gate=float(config.bind_gate_d2),
        gate=float(config.gate_d2),
        birth_rv=float(config.birth_speed_sigma_mps) ** 2,
        unknown_var=(float(config.unknown_length_m) / 4.0) ** 2,
        llr_max=float(config.llr_max),
        confirm_llr=float(config.confirm_llr),
        confirm_hits=int(config.confirm_hits),
        tentative_cost=float(config.tentative_cost),
        shift_us=int(config.out_of_sequence_s * 1e6),
    )


@inner
def predict_track(t, t_us, motion, pc, out):  # type: ignore[no-untyped-def]
    """State of a track at a time: lat, lon, ve, vn and covariance ee, en, nn, vee, ven, vnn; ``pc`` is work space."""
    dt = (t_us - t.t_us) * 1e-6
    combined(t, pc)
    mu = t.mu
    low, high = process_noise(dt, motion.q0), process_noise(dt, motion.q1)
    q3 = (1.0 - mu) * low[0] + mu * high[0]
    q1 = (1.0 - mu) * low[2] + mu * high[2]
    lat, lon, _ = move(t.lat, t.lon, dt * t.ve, dt * t.vn)
    out[0], out[1], out[2], out[3] = lat, lon, t.ve, t.vn
    out[4] = pc[0] + 2.0 * dt * pc[2] + dt * dt * pc[7] + q3
    out[5] = pc[1] + dt * (pc[3] + pc[5]) + dt * dt * pc[8]
    out[6] = pc[4] + 2.0 * dt * pc[6] + dt * dt * pc[9] + q3
    out[7], out[8], out[9] = pc[7] + q1, pc[8], pc[9] + q1


@kernel
def predict_rows(tracks, rows, t_us, motion):  # type: ignore[no-untyped-def]
    """(rows, 10) state at a time: lat, lon, ve, vn and covariance ee, en, nn, vee, ven, vnn."""
    out = np.empty((len(rows), 10))
    pc = np.empty(10)
    for k in range(len(rows)):
        predict_track(tracks[rows[k]], t_us, motion, pc, out[k])
    return out


@kernel
def write_predicted(log, ctl, tracks, rows, t_us, status, successor, motion):  # type: ignore[no-untyped-def]
    """One line a row with its state at a time; ``status`` and ``successor`` (0: none) override the row's where > 0."""
    pc = np.empty(10)
    for k in range(len(rows)):
        line, t = log.lines[ctl[CTL_LOG]], tracks[rows[k]]
        combined(t, pc)
        write_update(line, t, pc)
        ctl[CTL_LOG] += 1
        line.ints[1] = t_us
        if status > 0:
            line.ints[2] = status
        line.ints[15] = successor[k]
        predict_track(t, t_us, motion, pc, line.floats)


def exists_probability(logodds: FloatArray) -> FloatArray:
    """Probability of log odds, without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logodds, -40.0, 40.0))))


def after_scan(
    life: Life, rows: IntArray, covered: BoolArray, hit: IntArray, pd: float, config: TrackerConfig
) -> IntArray:
    """Rows that end after a scan in which ``rows[covered]`` could be seen and ``hit`` were.

    Changes ``llr`` and ``misses`` of the rows missed.
    """
    missed = rows[covered & ~np.isin(rows, hit)]
    life.llr[missed] = np.maximum(life.llr[missed] + math.log(1.0 - pd), -config.llr_max)
    life.misses[missed] += 1
    unnamed = life.mmsi[missed] == 0
    floor = np.where(life.status[missed] == TENTATIVE, config.tentative_end_llr, config.confirmed_end_llr)
    return np.asarray(missed[unnamed & (life.llr[missed] < floor)])


def silent(life: Life, last_us: IntArray, rows: IntArray, t_us: int, config: TrackerConfig) -> IntArray:
    """Rows that have not been fed for longer than their habit allows."""
    age_s = (t_us - last_us[rows]) * US
    named = life.fed[rows, AIS] > 0
    tentative = life.status[rows] == TENTATIVE
    usual = np.clip(config.ais_end_intervals * life.gap_s[rows] + 60.0, config.ais_end_min_s, config.ais_end_max_s)
    limit = np.where(named, np.where(tentative, config.tentative_ais_end_s, usual), config.plot_end_s)
    limit = np.where(life.fed[rows, VMS] > 0, VMS_END_S, limit)
    return np.asarray(rows[age_s > limit])


def coasting(life: Life, last_us: IntArray, rows: IntArray, t_us: int, config: TrackerConfig) -> IntArray:
    """Confirmed rows that have become coasted."""
    age_s = (t_us - last_us[rows]) * US
    limit = np.maximum(config.coast_s, 3.0 * life.gap_s[rows])
    return np.asarray(rows[(life.status[rows] == CONFIRMED) & (age_s > limit)])


def flags_now(
    life: Life,
    rows: IntArray,
    t_us: int,
    speed_mps: FloatArray,
    in_ais: BoolArray,
    trusted: BoolArray,
    all_healthy: bool,
    config: TrackerConfig,
) -> IntArray:
    """Flags each row should have: dark, uncorroborated, conflict; other bits are kept.

    Parameters
    ----------
    speed_mps
        Speed of each row, surely: a ship at rest reports every three minutes (M.1371-5, annex 1, table 1).
    in_ais
        True for rows inside the coverage of a live AIS source.
    trusted
        False for rows whose last plot is of a radar with a registration in doubt: they are not called dark.
    all_healthy
        False while any radar's registration is in doubt: then nobody is called uncorroborated.
    """
    radar_age_s = (t_us - life.last_seen_us[rows, RADAR]) * US
    ais_age_s = (t_us - life.last_seen_us[rows, AIS]) * US
    confirmed = life.status[rows] >= CONFIRMED
    held = (life.fed[rows, RADAR] > 0) & (radar_age_s <= config.radar_held_s)
    had_ais = life.fed[rows, AIS] > 0
    least_s = np.where(speed_mps < config.dark_slow_mps, config.dark_slow_s, config.dark_min_s)
    quiet_s = np.maximum(least_s, config.dark_intervals * life.gap_s[rows])
    never_s = (t_us - life.born_us[rows]) * US
    quiet = np.where(had_ais, ais_age_s > quiet_s, never_s >= least_s)
    was = (life.flags[rows] & FLAG_DARK > 0) & np.where(had_ais, ais_age_s > config.dark_min_s, True)
    dark = confirmed & held & (quiet | was) & in_ais & trusted
    lone = had_ais & confirmed & ~held & (ais_age_s <= quiet_s) & (life.misses[rows] >= config.uncorroborated_misses)
    lone &= all_healthy & (np.minimum(radar_age_s, never_s) > config.uncorroborated_s)
    flags = life.flags[rows].astype(np.int64) & ~np.int64(FLAG_DARK | FLAG_UNCORROBORATED | FLAG_CONFLICT)
    flags |= np.where(dark, FLAG_DARK, 0) | np.where(lone, FLAG_UNCORROBORATED, 0)
    return flags | np.where(claimed_twice(life, rows, t_us, config), FLAG_CONFLICT, 0)


def claimed_twice(life: Life, rows: IntArray, t_us: int, config: TrackerConfig) -> BoolArray:
    """True for rows whose MMSI another confirmed row claims too, both recently."""
    mmsi = life.mmsi[rows]
    recent = (t_us - life.last_seen_us[rows, AIS]) * US <= config.ais_end_max_s
    counted = (mmsi > 0) & (life.status[rows] >= CONFIRMED) & recent
    values, index, count = np.unique(np.where(counted, mmsi, 0), return_inverse=True, return_counts=True)
    return np.asarray(counted & (count[index] > 1) & (values[index] > 0))


def stale_bindings(life: Life, rows: IntArray, twice: BoolArray, config: TrackerConfig) -> IntArray:
    """Rows held by radar whose MMSI now reports steadily from another track."""
    out: list[int] = []
    suspects = rows[twice]
    # few rows: only tracks whose MMSI is claimed twice
    for i in suspects:
        if life.pin[i] & 1:
            continue  # an operator said so
        last = life.last_seen_us[i, AIS]
        newer = (life.mmsi[suspects] == life.mmsi[i]) & (suspects != i) & (life.exercise[suspects] == life.exercise[i])
        ahead = life.last_seen_us[suspects[newer], AIS] > last + int(2e6 * max(float(life.gap_s[i]), 5.0))
        if ahead.any() and life.last_seen_us[i, RADAR] > last:
            out.append(int(i))
    return np.asarray(out, np.int64)


__all__ = [
    "COASTED",
    "after_scan",
    "claimed_twice",
    "coasting",
    "exists_probability",
    "flags_now",
    "predict_rows",
    "rules_of",
    "silent",
    "stale_bindings",
    "write_predicted",
]
