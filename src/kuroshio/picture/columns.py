"""Observations out of Arrow's own memory: each row judged, and as a record where it can be used.

What enters: tables of the OBSERVATIONS schema. What leaves: records in the table's order, and a reason for each row
refused. Kernels read the columns where Arrow's C data interface says they are, so that a step of ten rows does not pay
for nineteen columns made into arrays. It knows nothing of repeats, and sorts nothing.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kuroshio.errors import InputError
from kuroshio.picture.compiled import bare, peek, within
from kuroshio.picture.model import SENSOR_KINDS
from kuroshio.picture.seen import TIME_MAX_US
from kuroshio.schema import OBSERVATIONS
from kuroshio.units import IntArray

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
SENSOR, SOURCE, DRILL = range(len(_ORDER) - 3, len(_ORDER))
_COLUMNS = np.array(_ORDER, np.int64)


class Words(NamedTuple):
    """What the words of the label columns mean here: kinds of sensor and numbers of sources; the last one for null."""

    kind: Any
    source: IntArray


class Limits(NamedTuple):
    """Bounds of time within which a report is used, as kernels take them."""

    future_us: int
    ancient_us: int


# What a column of the C data interface (arrow.apache.org/docs/format/CDataInterface.html, ArrowArray) says, by word
_LENGTH, _NULLS, _OFFSET, _BUFFERS, _CHILDREN = 0, 1, 2, 5, 6
VALUES, BITS, FIRST = range(3)  # of a column: where values are, where bits of validity (0: all valid), first row
_GET = ctypes.pythonapi.PyCapsule_GetPointer
_GET.restype, _GET.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


@bare
def _some_null(bits, first, rows):  # type: ignore[no-untyped-def]
    k = first
    while k < first + rows:
        if k & 7 == 0 and k + 8 <= first + rows and peek(bits, k >> 3, np.uint8) == 255:
            k += 8
        elif (peek(bits, k >> 3, np.uint8) >> (k & 7)) & 1:
            k += 1
        else:
            return True
    return False


@bare
def _locate(batch, order, places):  # type: ignore[no-untyped-def]
    """Fill the places of columns from where Arrow says they are."""
    children, offset = peek(batch, _CHILDREN, np.int64), peek(batch, _OFFSET, np.int64)
    rows = peek(batch, _LENGTH, np.int64)
    for k in range(len(order)):
        column = peek(children, order[k], np.int64)
        buffers = peek(column, _BUFFERS, np.int64)
        bits, first = peek(buffers, 0, np.int64), peek(column, _OFFSET, np.int64) + offset
        if bits != 0 and (peek(column, _NULLS, np.int64) == 0 or not _some_null(bits, first, rows)):
            bits = 0
        places[k, VALUES], places[k, BITS], places[k, FIRST] = peek(buffers, 1, np.int64), bits, first


def raw_columns(table: pa.Table) -> tuple[IntArray, pa.RecordBatch, pa.Array, pa.Array]:
    """(where Arrow holds the columns, what keeps them there, words of ``sensor``, words of ``source``).

    Of a table that has rows. The places, one row a column of `_ORDER`, hold as long as the batch does.

    Raises
    ------
    InputError
        When the table has more rows than memory for them: kernels follow what it says of itself.
    """
    batches = table.to_batches()
    if len(batches) != 1:
        batches = table.unify_dictionaries().combine_chunks().to_batches()
    batch = batches[0]
    try:
        batch.validate()
    except pa.ArrowInvalid as error:
        raise InputError(f"an observations table is damaged: {error}", code="picture.damaged_table") from error
    schema, array = batch.__arrow_c_array__()
    places = np.empty((len(_ORDER), 3), np.int64)
    _locate(_GET(array, b"arrow_array"), _COLUMNS, places)
    del schema, array  # the batch keeps what they showed
    return places, batch, *(batch.column(_ORDER[SENSOR + k]).dictionary for k in range(len(_LABELS)))


@within
def _has(places, column, k):  # type: ignore[no-untyped-def]
    bits, at = places[column, BITS], k + places[column, FIRST]
    return bits == 0 or (peek(bits, at >> 3, np.uint8) >> (at & 7)) & 1 > 0


@within
def _real(places, column, k):  # type: ignore[no-untyped-def]
    if not _has(places, column, k):
        return math.nan
    return peek(places[column, VALUES], k + places[column, FIRST], np.float64)


@within
def _whole(places, column, k, absent):  # type: ignore[no-untyped-def]
    at = len(_REALS) + column
    return peek(places[at, VALUES], k + places[at, FIRST], np.int64) if _has(places, at, k) else absent


@within
def _small(places, column, k, absent):  # type: ignore[no-untyped-def]
    at = len(_REALS) + len(_WHOLES) + column
    there = _has(places, at, k)
    return np.int64(peek(places[at, VALUES], k + places[at, FIRST], np.uint8)) if there else np.int64(absent)


@within
def _code(places, column, k, words):  # type: ignore[no-untyped-def]
    """Place of a label in its dictionary; that of null, the last of what the ``words`` mean, where it has none."""
    if not _has(places, column, k):
        return len(words) - 1
    code = np.int64(peek(places[column, VALUES], k + places[column, FIRST], np.int32))
    return code if 0 <= code < len(words) else len(words) - 1


@within
def _drill(places, k):  # type: ignore[no-untyped-def]
    at = k + places[DRILL, FIRST]
    return 1 if _has(places, DRILL, k) and (peek(places[DRILL, VALUES], at >> 3, np.uint8) >> (at & 7)) & 1 > 0 else 0


@within
def _fault(places, k, o, lon, limits):  # type: ignore[no-untyped-def]
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
    if _small(places, 0, k, 0) in (BASE_STATION, UTC_RESPONSE, AID_TO_NAVIGATION):
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
def _record(places, words, k, limits, o):  # type: ignore[no-untyped-def]
    """Reason of a row; it is written as an observation, of use where the reason is `OK`."""
    z = o.z
    o.t_us, o.obs_id = _whole(places, TIME, k, np.int64(-(1 << 62))), _whole(places, ID, k, np.int64(0))
    lon = _real(places, LON, k)
    z[0], z[1] = _real(places, LAT, k), lon - 360.0 if lon >= 180.0 else lon
    z[2], z[3], z[4] = _real(places, EE, k), _real(places, EN, k), _real(places, NN, k)
    o.kind = words.kind[_code(places, SENSOR, k, words.kind)]
    reason = _fault(places, k, o, lon, limits)
    if reason != OK:
        return reason
    z[2], z[4] = max(z[2], VAR_MIN_M2), max(z[4], VAR_MIN_M2)
    most = CORRELATION_MAX * math.sqrt(z[2] * z[4])
    z[3] = min(max(z[3], -most), most)
    _velocity(z, _real(places, SOG, k), _real(places, COG, k), _real(places, SIGMA, k))
    o.mmsi, o.scan = max(_whole(places, MMSI, k, np.int64(0)), 0), _whole(places, SCAN, k, np.int64(-1))
    heading = _real(places, HEADING, k)
    o.heading = heading if heading >= 0.0 and heading < 360.0 else math.nan
    nav = _small(places, 1, k, NAV_UNKNOWN)
    o.nav = nav if nav != NAV_UNKNOWN else -1
    o.source, o.exercise = words.source[_code(places, SOURCE, k, words.source)], _drill(places, k)
    return OK


@bare
def judge(places, words, limits, reason, obs, ids, place):  # type: ignore[no-untyped-def]
    """Number of rows that can be used: they lead ``obs``, with identity and row; ``reason`` is filled for each row."""
    n = 0
    for k in range(len(reason)):
        reason[k] = _record(places, words, k, limits, obs[n])
        if reason[k] == OK:
            ids[n], place[n] = obs[n].obs_id, k
            n += 1
    return n
