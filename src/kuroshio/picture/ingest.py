"""Observations from Arrow to arrays: what cannot be used is refused with a reason, nothing raises.

What enters: tables of the OBSERVATIONS schema. What leaves: `Obs` in order of time and identity, and a reason for
each row refused. Repeats of one report (same ``obs_id``) are dropped here, within a bounded memory.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture.compiled import kernel
from kuroshio.picture.identity import OBS, Obs
from kuroshio.picture.model import SENSOR_KINDS, TrackerConfig
from kuroshio.schema import OBSERVATIONS
from kuroshio.units import BoolArray, FloatArray, IntArray

REASONS = (
    "",
    "no_time",
    "non_finite",
    "out_of_range",
    "bad_covariance",
    "future",
    "ancient",
    "duplicate",
    "not_a_vessel",
    "partner_row",
)
(OK, NO_TIME, NON_FINITE, OUT_OF_RANGE, BAD_COVARIANCE, FUTURE, ANCIENT, REPEAT, NOT_A_VESSEL, PARTNER_ROW) = range(10)
SPEED_MAX_MPS = 60.0  # faster is not a ship: the velocity is ignored
STOPPED_MPS = 0.3
NOT_VESSEL_TYPES = (4, 11, 21)  # base stations and aids to navigation, M.1371-5
SIGMA_MAX_M = 200_000.0
VEL_SIGMA_DEFAULT_MPS = 0.5
SOURCES_MAX = 62


def _floats(table: pa.Table, name: str) -> FloatArray:
    column = table.column(name)
    return np.asarray(pc.fill_null(column, np.nan).to_numpy(), np.float64)


def _ints(table: pa.Table, name: str, default: int) -> IntArray:
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(pc.fill_null(column, pa.scalar(default, column.type)).to_numpy(), np.int64)


def _labels(table: pa.Table, name: str) -> tuple[Any, list[str]]:
    """(code of each row, words) of a dictionary column; null is code -1."""
    column = table.column(name).unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 0:
            return np.zeros(0, np.int64), []
        column = column.chunk(0)
    codes = np.asarray(pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False), np.int64)
    return codes, [str(w) for w in column.dictionary.to_pylist()]


class Sources:
    """Numbers of source names; beyond 62 names they share the last number in a track's source set."""

    def __init__(self, names: list[str] | None = None) -> None:
        self.names: list[str] = list(names or [])
        self._code = {name: k for k, name in enumerate(self.names)}

    def code(self, name: str) -> int:
        """Number of a name."""
        if name not in self._code:
            if len(self.names) >= SOURCES_MAX:
                return SOURCES_MAX
            self._code[name] = len(self.names)
            self.names.append(name)
        return self._code[name]


@kernel
def _admit(ids, old, new, count, fresh):  # type: ignore[no-untyped-def]
    """Number of identities read before ``new`` was full; ``fresh`` marks those never seen."""
    mask = len(new) - 1
    for k in range(len(ids)):
        if count[0] * 2 > len(new):
            return k
        v = ids[k] if ids[k] != 0 else np.int64(-1)
        start = ((v ^ (v >> 29)) * 2654435761) & mask
        slot = start
        known = False
        while old[slot] != 0 and not known:
            known = old[slot] == v
            slot = (slot + 1) & mask
        slot = start
        while new[slot] != 0 and new[slot] != v:
            slot = (slot + 1) & mask
        if new[slot] == 0:
            new[slot] = v
            count[0] += 1
            fresh[k] = not known
    return len(ids)


class Seen:
    """Bounded memory of report identities: two generations of open-addressing sets, the older one forgotten whole."""

    def __init__(self, capacity: int) -> None:
        size = 1024
        while size < capacity:
            size *= 2
        self.old = np.zeros(size, np.int64)
        self.new = np.zeros(size, np.int64)
        self.count = np.zeros(2, np.int64)  # in new, forgotten

    def restore(self, old: IntArray, new: IntArray, count: IntArray) -> None:
        """Take both generations back from their members."""
        scratch, one = np.zeros(1, np.int64), np.zeros(len(self.new) // 2 + 1, np.bool_)
        _admit(old, np.zeros_like(self.old), self.old, scratch, one)
        scratch[0] = 0
        _admit(new, np.zeros_like(self.old), self.new, scratch, one)
        self.count[:] = count

    def admit(self, ids: IntArray) -> BoolArray:
        """True where an identity is new; of repeats inside the batch the first is kept."""
        fresh = np.zeros(len(ids), np.bool_)
        at = 0
        while at < len(ids):
            at += int(_admit(ids[at:], self.old, self.new, self.count, fresh[at:]))
            if at < len(ids):
                self.count[1] += int(self.count[0])
                self.old, self.new = self.new, self.old
                self.new[:] = 0
                self.count[0] = 0
        return fresh


def clean(
    table: pa.Table, now_us: int, clock_us: int | None, sources: Sources, seen: Seen, config: TrackerConfig
) -> tuple[Obs, pa.Table, Any, Counter[str]]:
    """(usable observations by time, the table as it came, reason of each of its rows, counters)."""
    table = OBSERVATIONS.conform(table)
    n = table.num_rows
    codes, words = _labels(table, "sensor")
    kind_of = np.array([SENSOR_KINDS.index(w) if w in SENSOR_KINDS else 6 for w in words] + [6], np.int8)
    kind = kind_of[codes]
    codes, words = _labels(table, "source")
    source = np.array([sources.code(w) for w in words] + [sources.code("unknown") if n else 0], np.int64)[codes]
    t_us = _ints(table, "observed_at", -(1 << 62))
    obs_id = _ints(table, "obs_id", 0)
    z = np.empty((n, 8))
    for k, name in enumerate(("lat_deg", "lon_deg", "cov_ee_m2", "cov_en_m2", "cov_nn_m2")):
        z[:, k] = _floats(table, name)
    _velocity(table, z)
    msg = _ints(table, "msg_type", 0)
    reason = np.zeros(n, np.int8)
    with np.errstate(invalid="ignore", over="ignore"):
        det = z[:, 2] * z[:, 4] - z[:, 3] ** 2
        cov_ok = (z[:, 2] > 0) & (z[:, 4] > 0) & (det > 0) & (np.maximum(z[:, 2], z[:, 4]) < SIGMA_MAX_M**2)
        checks = (
            (NO_TIME, t_us < 0),
            (NON_FINITE, ~np.isfinite(z[:, :5]).all(axis=1)),
            (OUT_OF_RANGE, (np.abs(z[:, 0]) > 90.0) | (np.abs(z[:, 1]) > 180.0)),
            (BAD_COVARIANCE, ~cov_ok),
            (FUTURE, t_us > now_us + int(config.future_s * 1e6)),
            (ANCIENT, t_us < (clock_us - int(config.late_s * 1e6) if clock_us is not None else -1)),
            (NOT_A_VESSEL, np.isin(msg, NOT_VESSEL_TYPES)),
            (PARTNER_ROW, kind == SENSOR_KINDS.index("partner")),
        )
    for code, bad in checks:
        reason[(reason == OK) & bad] = code
    good = np.flatnonzero(reason == OK)
    fresh = seen.admit(obs_id[good])
    reason[good[~fresh]] = REPEAT
    good = good[fresh]
    good = good[np.lexsort((obs_id[good], t_us[good]))]
    z[:, 1] = np.where(z[:, 1] >= 180.0, z[:, 1] - 360.0, z[:, 1])
    mmsi = _ints(table, "mmsi", 0)
    heading = _floats(table, "heading_deg")
    with np.errstate(invalid="ignore"):
        heading = np.where((heading >= 0) & (heading < 360.0), heading, np.nan)
    nav = _ints(table, "nav_status", -1 & 0xFF).astype(np.int16)
    nav = np.where(nav == 255, np.int16(-1), nav)
    exercise = np.asarray(pc.fill_null(table.column("exercise"), False).to_numpy()).astype(np.int8)
    obs = np.empty(len(good), OBS)
    columns = {"t_us": t_us, "obs_id": obs_id, "z": z, "mmsi": np.maximum(mmsi, 0), "kind": kind, "source": source}
    columns |= {"heading": heading, "nav": nav, "exercise": exercise, "scan": _ints(table, "scan", -1)}
    for name, column in columns.items():
        obs[name] = column[good]
    tally: Counter[str] = Counter()
    for code, count in zip(*np.unique(reason[reason > OK], return_counts=True), strict=True):
        tally[REASONS[int(code)]] = int(count)
    return obs, table, reason, tally


def _velocity(table: pa.Table, z: FloatArray) -> None:
    """Fill columns 5-7 of ``z`` from speed and course."""
    sog, cog, sigma = (_floats(table, name) for name in ("sog_mps", "cog_deg", "vel_sigma_mps"))
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(sog) & (sog >= 0) & (sog <= SPEED_MAX_MPS)
        usable &= (np.isfinite(cog) & (np.abs(cog) <= 360.0)) | (sog < STOPPED_MPS)
        angle = np.radians(np.where(np.isfinite(cog), cog, 0.0))
        speed = np.where(usable, sog, 0.0)
        sigma = np.where(np.isfinite(sigma) & (sigma > 0.01), sigma, VEL_SIGMA_DEFAULT_MPS)
    z[:, 5] = speed * np.sin(angle)
    z[:, 6] = speed * np.cos(angle)
    z[:, 7] = np.where(usable, sigma**2, 0.0)


def join_obs(first: Obs, second: Obs) -> Obs:
    """Both in order of time and identity."""
    if not len(first):
        return second
    if not len(second):
        return first
    both = np.concatenate([first, second])
    return both[np.lexsort((both["obs_id"], both["t_us"]))]


def no_obs() -> Obs:
    """No observations."""
    return np.zeros(0, OBS)
