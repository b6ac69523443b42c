"""Observations from Arrow to arrays: what cannot be used is refused with a reason, nothing raises.

What enters: tables of the OBSERVATIONS schema. What leaves: `Obs` in order of time and identity, and a reason for
each row refused. Repeats of one report (same ``obs_id``) are dropped here, within a bounded memory.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.picture.compiled import fetch, inner, kernel
from kuroshio.picture.identity import OBS, Obs
from kuroshio.picture.model import SENSOR_KINDS, TrackerConfig
from kuroshio.picture.seen import TIME_MAX_US
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
BASE_STATION, UTC_RESPONSE, AID_TO_NAVIGATION = 4, 11, 21  # message types of M.1371-5 that are no vessel
NAV_UNKNOWN = 255
PARTNER = SENSOR_KINDS.index("partner")
SIGMA_MAX_M = 200_000.0
VAR_MIN_M2 = 1e-4  # nobody knows a ship to the centimetre
CORRELATION_MAX = 1.0 - 1e-6  # single precision must still tell the ellipse from a line
VEL_SIGMA_DEFAULT_MPS, VEL_SIGMA_MIN_MPS = 0.5, 0.01
_SCHEMA = OBSERVATIONS.arrow
_FLOATS = {
    "lat": "lat_deg",
    "lon": "lon_deg",
    "ee": "cov_ee_m2",
    "en": "cov_en_m2",
    "nn": "cov_nn_m2",
    "sog": "sog_mps",
    "cog": "cog_deg",
    "sigma": "vel_sigma_mps",
    "heading": "heading_deg",
}
SOURCES_MAX = 62
AHEAD = 12  # identities whose memory is asked for before their turn


def _fixed(values: Any, type_: Any) -> Any:
    """The values as a read-only array, as Arrow's own memory is: a kernel is compiled for one form only."""
    array = np.ascontiguousarray(values, type_).view()
    array.flags.writeable = False
    return array


def _floats(table: pa.Table, name: str) -> FloatArray:
    column = table.column(name)
    if column.null_count == len(column):
        return np.asarray(_fixed(np.full(len(column), np.nan), np.float64))
    if column.null_count:
        column = pc.fill_null(column, np.nan)
    return np.asarray(_fixed(column.to_numpy(), np.float64))


def _ints(table: pa.Table, name: str, default: int, type_: Any = np.int64) -> Any:
    column = table.column(name)
    if column.null_count == len(column):
        return _fixed(np.full(len(column), default), type_)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    if column.null_count:
        column = pc.fill_null(column, pa.scalar(default, column.type))
    return _fixed(column.to_numpy(), type_)


def _labels(table: pa.Table, name: str) -> tuple[Any, list[str]]:
    """(code of each row, words) of a dictionary column; null is code -1."""
    column = table.column(name)
    if column.num_chunks > 1:
        column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 0:
            return np.zeros(0, np.int64), []
        column = column.chunk(0)
    codes = pc.fill_null(column.indices, -1) if column.null_count else column.indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64), [str(w) for w in column.dictionary.to_pylist()]


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


@inner
def _slot_of(v, mask):  # type: ignore[no-untyped-def]
    return ((v ^ (v >> 29)) * 2654435761) & mask


@kernel
def _admit(ids, old, new, count, fresh):  # type: ignore[no-untyped-def]
    """Number of identities read before ``new`` was full; ``fresh`` marks those never seen."""
    mask = len(new) - 1
    for k in range(len(ids)):
        if count[0] * 2 > len(new):
            return k
        if k + AHEAD < len(ids):  # the sets are larger than any cache
            fetch(old, _slot_of(ids[k + AHEAD], mask), 1)
            fetch(new, _slot_of(ids[k + AHEAD], mask), 1)
        v = ids[k] if ids[k] != 0 else np.int64(-1)
        start = _slot_of(v, mask)
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


class Limits(NamedTuple):
    """Bounds of time within which a report is used, as kernels take them."""

    future_us: int
    ancient_us: int


class Raw(NamedTuple):
    """Columns of an observations table as arrays; what is null there is NaN or -1 here."""

    t_us: IntArray
    obs_id: IntArray
    lat: FloatArray
    lon: FloatArray
    ee: FloatArray
    en: FloatArray
    nn: FloatArray
    sog: FloatArray
    cog: FloatArray
    sigma: FloatArray
    heading: FloatArray
    mmsi: IntArray
    scan: IntArray
    msg_type: IntArray
    nav: IntArray
    kind: Any
    source: IntArray
    exercise: Any


@inner
def _fault(raw, k, limits):  # type: ignore[no-untyped-def]
    """Why a row cannot be used, or `OK`."""
    if raw.t_us[k] < 0 or raw.t_us[k] >= TIME_MAX_US:
        return NO_TIME
    place = math.isfinite(raw.lat[k]) and math.isfinite(raw.lon[k])
    if not (place and math.isfinite(raw.ee[k]) and math.isfinite(raw.en[k]) and math.isfinite(raw.nn[k])):
        return NON_FINITE
    if abs(raw.lat[k]) > 90.0 or abs(raw.lon[k]) > 180.0:
        return OUT_OF_RANGE
    ee, en, nn = raw.ee[k], raw.en[k], raw.nn[k]
    if not (ee > 0.0 and nn > 0.0 and ee * nn - en * en > 0.0 and max(ee, nn) < SIGMA_MAX_M * SIGMA_MAX_M):
        return BAD_COVARIANCE
    if raw.t_us[k] > limits.future_us:
        return FUTURE
    if raw.t_us[k] < limits.ancient_us:
        return ANCIENT
    if raw.msg_type[k] in (BASE_STATION, UTC_RESPONSE, AID_TO_NAVIGATION):
        return NOT_A_VESSEL
    return PARTNER_ROW if raw.kind[k] == PARTNER else OK


@inner
def _velocity(z, sog, cog, sigma):  # type: ignore[no-untyped-def]
    """Fill columns 5 to 7 of ``z`` from speed and course."""
    z[5] = z[6] = z[7] = 0.0
    steered = math.isfinite(cog) and abs(cog) <= 360.0
    if not (sog >= 0.0 and sog <= SPEED_MAX_MPS and (steered or sog < STOPPED_MPS)):
        return
    if not (sigma > VEL_SIGMA_MIN_MPS):
        sigma = VEL_SIGMA_DEFAULT_MPS
    if sigma > SPEED_MAX_MPS:
        return
    angle = math.radians(cog) if math.isfinite(cog) else 0.0
    z[5], z[6], z[7] = sog * math.sin(angle), sog * math.cos(angle), sigma * sigma


@kernel
def _judge(raw, limits, reason, obs):  # type: ignore[no-untyped-def]
    """Each row's reason, and as an observation where it can be used; True when they come in order of time."""
    ordered = True
    for k in range(len(obs)):
        reason[k] = _fault(raw, k, limits)
        o = obs[k]
        o.t_us, o.obs_id = raw.t_us[k], raw.obs_id[k]
        if k > 0:
            last = obs[k - 1]
            ordered &= last.t_us < o.t_us or (last.t_us == o.t_us and last.obs_id <= o.obs_id)
        if reason[k] != OK:
            continue
        z = o.z
        z[0] = raw.lat[k]
        z[1] = raw.lon[k] - 360.0 if raw.lon[k] >= 180.0 else raw.lon[k]
        z[2], z[4] = max(raw.ee[k], VAR_MIN_M2), max(raw.nn[k], VAR_MIN_M2)
        most = CORRELATION_MAX * math.sqrt(z[2] * z[4])
        z[3] = min(max(raw.en[k], -most), most)
        _velocity(z, raw.sog[k], raw.cog[k], raw.sigma[k])
        o.mmsi, o.scan = max(raw.mmsi[k], 0), raw.scan[k]
        o.heading = raw.heading[k] if raw.heading[k] >= 0.0 and raw.heading[k] < 360.0 else math.nan
        o.nav = raw.nav[k] if raw.nav[k] != NAV_UNKNOWN else -1
        o.kind, o.source, o.exercise = raw.kind[k], raw.source[k], raw.exercise[k]
    return ordered


def _columns(table: pa.Table, sources: Sources) -> Raw:
    n = table.num_rows
    codes, words = _labels(table, "sensor")
    kind = np.array([SENSOR_KINDS.index(w) if w in SENSOR_KINDS else 6 for w in words] + [6], np.int8)[codes]
    codes, words = _labels(table, "source")
    source = np.array(
        [sources.code(w) for w in words] + [sources.code("unknown") if (codes < 0).any() else 0], np.int64
    )
    exercise = table.column("exercise")
    drill = np.zeros(n, np.int8)
    if exercise.null_count < n:
        drill = pc.fill_null(exercise, False).to_numpy().astype(np.int8)
    return Raw(
        t_us=_ints(table, "observed_at", -(1 << 62)),
        obs_id=_ints(table, "obs_id", 0),
        **{name: _floats(table, column) for name, column in _FLOATS.items()},
        mmsi=_ints(table, "mmsi", 0),
        scan=_ints(table, "scan", -1),
        msg_type=_ints(table, "msg_type", 0),
        nav=_ints(table, "nav_status", NAV_UNKNOWN),
        kind=kind,
        source=source[codes],
        exercise=drill,
    )


def clean(
    table: pa.Table, now_us: int, clock_us: int | None, sources: Sources, seen: Seen, config: TrackerConfig
) -> tuple[Obs, pa.Table, Any, Counter[str]]:
    """(usable observations by time, the table as it came, reason of each of its rows, counters)."""
    if not table.schema.equals(_SCHEMA):
        table = OBSERVATIONS.conform(table)
    n = table.num_rows
    obs, reason = np.zeros(n, OBS), np.zeros(n, np.int8)
    tally: Counter[str] = Counter()
    if n == 0:
        return obs, table, reason, tally
    raw = _columns(table, sources)
    ancient_us = clock_us - int(config.late_s * 1e6) if clock_us is not None else -1
    ordered = _judge(raw, Limits(now_us + int(config.future_s * 1e6), ancient_us), reason, obs)
    good = np.flatnonzero(reason == OK)
    fresh = seen.admit(raw.obs_id[good])
    if not fresh.all():
        reason[good[~fresh]] = REPEAT
        good = good[fresh]
    if not ordered:
        good = good[np.lexsort((raw.obs_id[good], raw.t_us[good]))]
    if len(good) < n:
        for code, count in zip(*np.unique(reason[reason > OK], return_counts=True), strict=True):
            tally[REASONS[int(code)]] = int(count)
    elif ordered:
        return obs, table, reason, tally
    return obs[good], table, reason, tally


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
