"""Observations out of Arrow's own memory: each row judged, and as a record where it can be used.

What enters: tables of the OBSERVATIONS schema. What leaves: records in the table's order, and a reason for each row
refused. Kernels read the columns' buffers and their bits of validity, so that a step of ten rows does not pay for
nineteen columns made into arrays. It knows nothing of repeats, and sorts nothing.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kuroshio.picture.compiled import bare, within
from kuroshio.picture.model import SENSOR_KINDS
from kuroshio.picture.seen import TIME_MAX_US
from kuroshio.schema import OBSERVATIONS
from kuroshio.units import FloatArray, IntArray

(OK, NO_TIME, NON_FINITE, OUT_OF_RANGE, BAD_COVARIANCE, FUTURE, ANCIENT, REPEAT, NOT_A_VESSEL, PARTNER_ROW) = range(10)
SPEED_MAX_MPS = 60.0  # faster is not a ship: the velocity is ignored
STOPPED_MPS = 0.3
BASE_STATION, UTC_RESPONSE, AID_TO_NAVIGATION = 4, 11, 21  # message types of M.1371-5 that are no vessel
NAV_UNKNOWN = 255
PARTNER, OTHER = SENSOR_KINDS.index("partner"), SENSOR_KINDS.index("other")
SIGMA_MAX_M = 200_000.0
VAR_MIN_M2 = 1e-4  # nobody knows a ship to the centimetre
CORRELATION_MAX = 1.0 - 1e-6  # single precision must still tell the ellipse from a line
VEL_SIGMA_DEFAULT_MPS, VEL_SIGMA_MIN_MPS = 0.5, 0.01

_REALS = (
    "lat_deg",
    "lon_deg",
    "cov_ee_m2",
    "cov_en_m2",
    "cov_nn_m2",
    "sog_mps",
    "cog_deg",
    "vel_sigma_mps",
    "heading_deg",
)
_WHOLES = ("observed_at", "obs_id", "mmsi", "scan")
_SMALL = ("msg_type", "nav_status")
_LABELS = ("sensor", "source")
_ORDER = [OBSERVATIONS.arrow.get_field_index(name) for name in (*_REALS, *_WHOLES, *_SMALL, *_LABELS, "exercise")]
LAT, LON, EE, EN, NN, SOG, COG, SIGMA, HEADING = range(9)
TIME, ID, MMSI, SCAN = range(4)
SOURCE, DRILL = len(_ORDER) - 2, len(_ORDER) - 1


class Raw(NamedTuple):
    """Columns of an observations table as Arrow holds them.

    Parameters
    ----------
    reals, wholes, small, codes
        Values of the columns `_REALS`, `_WHOLES`, `_SMALL` and the places in the dictionaries of `_LABELS`.
    drill
        Bits of ``exercise``.
    valid
        Bits of validity of all columns in that order; empty where nothing is null.
    offset
        By column, the bit its first row has; the last is that of ``drill``.
    """

    reals: tuple[FloatArray, ...]
    wholes: tuple[IntArray, ...]
    small: tuple[Any, ...]
    codes: tuple[Any, ...]
    drill: Any
    valid: tuple[Any, ...]
    offset: IntArray


class Words(NamedTuple):
    """What the words of the label columns mean here: kinds of sensor and numbers of sources; the last one for null."""

    kind: Any
    source: IntArray


class Limits(NamedTuple):
    """Bounds of time within which a report is used, as kernels take them."""

    future_us: int
    ancient_us: int


_ALL_VALID = np.frombuffer(b"", np.uint8)
_TYPES = (*(np.float64,) * len(_REALS), *(np.int64,) * len(_WHOLES), *(np.uint8,) * len(_SMALL), *(np.int32,) * 2)

_SIZES = [np.dtype(t).itemsize for t in _TYPES]


def _seen(data: Any, type_: Any, count: int = -1, offset: int = 0) -> Any:
    """Arrow's memory as an array that nobody writes to: a kernel is compiled for one form only."""
    array = np.frombuffer(data, type_, count, offset)
    array.flags.writeable = False
    return array


def raw_columns(table: pa.Table) -> tuple[Raw, pa.Array, pa.Array]:
    """(columns, words of ``sensor``, words of ``source``) of a table that has rows."""
    batches = table.to_batches()
    if len(batches) != 1:
        batches = table.unify_dictionaries().combine_chunks().to_batches()
    batch, n = batches[0], table.num_rows
    values, valid, offset, words = [], [], np.empty(len(_ORDER), np.int64), []
    for k, at in enumerate(_ORDER):
        column = batch.column(at)
        if isinstance(column, pa.DictionaryArray):
            words.append(column.dictionary)
            column = column.indices
        bits, data = column.buffers()
        first = column.offset
        offset[k] = first
        valid.append(_seen(bits, np.uint8) if bits is not None and column.null_count else _ALL_VALID)
        if data is None:  # all null
            data = bytes(8 * (n + first))
        if k < len(_TYPES):
            values.append(_seen(data, _TYPES[k], n, first * _SIZES[k]))
        else:
            values.append(_seen(data, np.uint8))
    a, b, c = len(_REALS), len(_REALS) + len(_WHOLES), len(_REALS) + len(_WHOLES) + len(_SMALL)
    columns = tuple(values[:a]), tuple(values[a:b]), tuple(values[b:c]), tuple(values[c:-1]), values[-1]
    return Raw(*columns, tuple(valid), offset), words[0], words[1]


@within
def _has(raw, column, k):  # type: ignore[no-untyped-def]
    bits, at = raw.valid[column], k + raw.offset[column]
    return len(bits) == 0 or (bits[at >> 3] >> (at & 7)) & 1 > 0


@within
def _real(raw, column, k):  # type: ignore[no-untyped-def]
    return raw.reals[column][k] if _has(raw, column, k) else math.nan


@within
def _whole(raw, column, k, absent):  # type: ignore[no-untyped-def]
    return raw.wholes[column][k] if _has(raw, len(_REALS) + column, k) else absent


@within
def _small(raw, column, k, absent):  # type: ignore[no-untyped-def]
    there = _has(raw, len(_REALS) + len(_WHOLES) + column, k)
    return np.int64(raw.small[column][k]) if there else np.int64(absent)


@within
def _code(raw, column, k):  # type: ignore[no-untyped-def]
    """Place of a label in its dictionary, -1 for null: that is the last of what the words mean."""
    there = _has(raw, len(_REALS) + len(_WHOLES) + len(_SMALL) + column, k)
    return np.int64(raw.codes[column][k]) if there else np.int64(-1)


@within
def _drill(raw, k):  # type: ignore[no-untyped-def]
    at = k + raw.offset[-1]
    return 1 if _has(raw, DRILL, k) and (raw.drill[at >> 3] >> (at & 7)) & 1 > 0 else 0


@within
def _fault(raw, k, o, lon, limits):  # type: ignore[no-untyped-def]
    """Why a row cannot be used, or `OK`; its time, place and covariance are in the record."""
    z = o.z
    if o.t_us < 0 or o.t_us >= TIME_MAX_US:
        return NO_TIME
    place = math.isfinite(z[0]) and math.isfinite(lon)
    if not (place and math.isfinite(z[2]) and math.isfinite(z[3]) and math.isfinite(z[4])):
        return NON_FINITE
    if abs(z[0]) > 90.0 or abs(lon) > 180.0:
        return OUT_OF_RANGE
    ee, en, nn = z[2], z[3], z[4]
    if not (ee > 0.0 and nn > 0.0 and ee * nn - en * en > 0.0 and max(ee, nn) < SIGMA_MAX_M * SIGMA_MAX_M):
        return BAD_COVARIANCE
    if o.t_us > limits.future_us:
        return FUTURE
    if o.t_us < limits.ancient_us:
        return ANCIENT
    if _small(raw, 0, k, 0) in (BASE_STATION, UTC_RESPONSE, AID_TO_NAVIGATION):
        return NOT_A_VESSEL
    return PARTNER_ROW if o.kind == PARTNER else OK


@within
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


@within
def _record(raw, words, k, limits, o):  # type: ignore[no-untyped-def]
    """Reason of a row; it is written as an observation, of use where the reason is `OK`."""
    z = o.z
    o.t_us, o.obs_id = _whole(raw, TIME, k, np.int64(-(1 << 62))), _whole(raw, ID, k, np.int64(0))
    lon = _real(raw, LON, k)
    z[0], z[1] = _real(raw, LAT, k), lon - 360.0 if lon >= 180.0 else lon
    z[2], z[3], z[4] = _real(raw, EE, k), _real(raw, EN, k), _real(raw, NN, k)
    o.kind = words.kind[_code(raw, 0, k)]
    reason = _fault(raw, k, o, lon, limits)
    if reason != OK:
        return reason
    z[2], z[4] = max(z[2], VAR_MIN_M2), max(z[4], VAR_MIN_M2)
    most = CORRELATION_MAX * math.sqrt(z[2] * z[4])
    z[3] = min(max(z[3], -most), most)
    _velocity(z, _real(raw, SOG, k), _real(raw, COG, k), _real(raw, SIGMA, k))
    o.mmsi, o.scan = max(_whole(raw, MMSI, k, np.int64(0)), 0), _whole(raw, SCAN, k, np.int64(-1))
    heading = _real(raw, HEADING, k)
    o.heading = heading if heading >= 0.0 and heading < 360.0 else math.nan
    nav = _small(raw, 1, k, NAV_UNKNOWN)
    o.nav = nav if nav != NAV_UNKNOWN else -1
    o.source, o.exercise = words.source[_code(raw, 1, k)], _drill(raw, k)
    return OK


@bare
def judge(raw, words, limits, reason, obs, ids, place):  # type: ignore[no-untyped-def]
    """Number of rows that can be used: they lead ``obs``, with identity and row; ``reason`` is filled for each row."""
    n = 0
    for k in range(len(reason)):
        reason[k] = _record(raw, words, k, limits, obs[n])
        if reason[k] == OK:
            ids[n], place[n] = obs[n].obs_id, k
            n += 1
    return n
