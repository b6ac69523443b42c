"""Reports to observations: every position with its error modelled here, where it is known.

What enters: `Decoded` tables. What leaves: OBSERVATIONS, one row a measurement. Rows without a position or a time
cannot be placed and are dropped; how many is written in the table's metadata. Base stations and aids to navigation
are not vessels and are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.schema import OBSERVATIONS, POSITIONS, concat
from kuroshio.sensing.ais.kernels import inner, kernel, u64
from kuroshio.sensing.base import Decoded
from kuroshio.units import M_PER_NM

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# One-sigma of each axis in metres
SIGMA_ACCURATE_M = 7.5  # ITU-R M.1371-5, message 1, position accuracy 1: better than 10 m
SIGMA_PLAIN_M = 30.0  # position accuracy 0 or unknown: GNSS without correction, and set-up errors
SIGMA_LONG_RANGE_M = 0.1 * M_PER_NM / 12**0.5  # type 27: 1/10 minute, uniform within its step
SIGMA_QUANTUM_M = 0.1e-3 * M_PER_NM / 12**0.5  # 1/10000 minute
LATENCY_S = 1.0  # a report's position is of its second; the slot may be a second later
LATENCY_LONG_RANGE_S = 5.0  # ITU-R M.1371-5, message 27, position latency
VEL_SIGMA_MPS = 0.3  # 1/10 knot step and the receiver's filter
VEL_SIGMA_LONG_RANGE_MPS = 0.6  # whole knots and degrees
NOT_VESSELS = (4, 11, 21)
DROPPED = b"kuroshio.dropped"


def observe(decoded: Decoded, *, exercise: bool = False) -> pa.Table:
    """Observations of decoded reports.

    Parameters
    ----------
    decoded
        Tables of a decoder. ``positions`` become rows; a table ``observations`` is passed on.
    exercise
        Marks every row made here as of an exercise.

    Returns
    -------
    pyarrow.Table
        OBSERVATIONS; schema metadata ``kuroshio.dropped`` counts positions without place or time.

    Notes
    -----
    Position error: 7.5 m where the accuracy flag is set, else 30 m, plus speed times 1 s of latency; type 27 its
    own step of 1/10 minute and 5 s (tests/unit/test_sensing_observe_errors.py). Source: ITU-R M.1371-5.
    """
    parts, dropped = [], 0
    positions = decoded.tables.get(POSITIONS.name)
    if positions is not None and positions.num_rows:
        made, dropped = _from_positions(positions, exercise)
        parts.append(made)
    given = decoded.tables.get(OBSERVATIONS.name)
    if given is not None:
        parts.append(OBSERVATIONS.conform(given))
    table = concat(OBSERVATIONS, parts)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), DROPPED: str(dropped).encode()})


def _from_positions(table: pa.Table, exercise: bool) -> tuple[pa.Table, int]:
    table = table.filter(pc.invert(pc.is_in(table["msg_type"], pa.array(NOT_VESSELS, pa.uint8()))))
    whole = pc.and_(
        pc.and_(pc.is_valid(table["lat_deg"]), pc.is_valid(table["lon_deg"])), pc.is_valid(table["observed_at"])
    )
    dropped = table.num_rows - int(pc.sum(pc.cast(whole, pa.int64())).as_py() or 0)
    if dropped:
        table = table.filter(whole)
    table = table.combine_chunks()
    rows = table.num_rows
    msg_type = _numpy(table, "msg_type", 0).astype(np.int64)
    speed = _numpy(table, "sog_mps", 0.0)
    sigma_m = _sigma(msg_type, _numpy(table, "position_accurate", False), speed)
    moving = pc.and_(pc.is_valid(table["sog_mps"]), pc.is_valid(table["cog_deg"]))
    vel_sigma = np.where(msg_type == 27, VEL_SIGMA_LONG_RANGE_MPS, VEL_SIGMA_MPS)
    ids = np.empty(rows, np.int64)
    _identify(
        _numpy(table, "mmsi", 0).astype(np.int64), _times(table), msg_type,
        _numpy(table, "lat_raw", 0).astype(np.int64), _numpy(table, "lon_raw", 0).astype(np.int64),
        _numpy(table, "sog_raw", 1023).astype(np.int64), _numpy(table, "cog_raw", 3600).astype(np.int64), ids,
    )  # fmt: skip
    kept = (
        "observed_at", "received_at", "time_source", "source", "station", "lat_deg", "lon_deg", "sog_mps", "cog_deg",
        "heading_deg", "msg_type", "nav_status",
    )  # fmt: skip
    arrays: dict[str, object] = {name: table[name] for name in kept}
    arrays |= {
        "obs_id": ids,
        "sensor": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["ais"])),
        "cov_ee_m2": sigma_m**2,
        "cov_en_m2": np.zeros(rows),
        "cov_nn_m2": sigma_m**2,
        "vel_sigma_mps": pc.if_else(moving, pa.array(vel_sigma), pa.scalar(None, pa.float64())),
        "mmsi": table["mmsi"].cast(pa.int64()),
        "exercise": pa.array(np.full(rows, exercise)),
    }
    return OBSERVATIONS.build(arrays, rows), dropped


def _numpy(table: pa.Table, name: str, absent: float | bool) -> npt.NDArray[np.generic]:
    return pc.fill_null(table[name], absent).to_numpy()


def _times(table: pa.Table) -> Ints:
    return table["observed_at"].cast(pa.int64()).to_numpy()


def _sigma(
    msg_type: npt.NDArray[np.generic], accurate: npt.NDArray[np.generic], speed: npt.NDArray[np.generic]
) -> Floats:
    coarse = msg_type == 27
    fix = np.where(accurate, SIGMA_ACCURATE_M, SIGMA_PLAIN_M)
    step = np.where(coarse, SIGMA_LONG_RANGE_M, SIGMA_QUANTUM_M)
    drift = speed * np.where(coarse, LATENCY_LONG_RANGE_S, LATENCY_S)
    return np.sqrt(fix**2 + step**2 + drift**2)


@inner
def _mix(held: Any, value: Any) -> Any:
    """One round of a 64-bit mixer (constants of MurmurHash3's finaliser)."""
    word = u64(held) ^ u64(value)
    word = (word ^ (word >> u64(33))) * u64(0xFF51AFD7ED558CCD)
    word = (word ^ (word >> u64(33))) * u64(0xC4CEB9FE1A85EC53)
    return word ^ (word >> u64(33))


@kernel
def _identify(mmsi: Ints, time: Ints, kind: Ints, lat: Ints, lon: Ints, sog: Ints, cog: Ints, out: Ints) -> None:
    """63-bit identity of each report from what it says, not from who heard it."""
    for k in range(out.size):
        word = _mix(u64(0x6B75726F7368696F), u64(mmsi[k]))
        word = _mix(word, u64(time[k]))
        word = _mix(word, u64(kind[k]))
        word = _mix(word, u64(lat[k]))
        word = _mix(word, u64(lon[k]))
        word = _mix(word, u64(sog[k]))
        word = _mix(word, u64(cog[k]))
        out[k] = np.int64(word >> u64(1))
