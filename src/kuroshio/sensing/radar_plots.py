"""Polar plots to observations: slant range, true bearing and their errors become a position with a covariance.

What enters: arrays of range and bearing from one sensor, with the times and numbers it gave them. What leaves:
rows of the observations table. It parses no bytes; `radar` and `asterix` do.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.geo import destination
from kuroshio.geo.earth import EFFECTIVE_EARTH_M
from kuroshio.schema import OBSERVATIONS
from kuroshio.units import FloatArray, IntArray

_ID_MASK = np.uint64((1 << 63) - 1)


def content_ids(source: str, *columns: Any) -> IntArray:
    """63-bit identities from content: the same report of the same source twice has one identity.

    Parameters
    ----------
    source
        Name of the source; enters the hash.
    columns
        Integer arrays of one length: what identifies the report (time, raw measurement, number).

    Notes
    -----
    SplitMix64 finaliser (Steele, Lea and Flood 2014) folded over the columns, seeded by BLAKE2b of the name.
    Among 10 million reports the chance of any collision is 5e-6.
    """
    seed = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8).digest(), "little")
    state = np.full(len(columns[0]), seed, np.uint64)
    for column in columns:
        mixed = state + np.asarray(column, np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = mixed ^ (mixed >> np.uint64(31))
    return (state & _ID_MASK).view(np.int64)


def ground_range_m(slant_m: Any, antenna_height_m: float) -> Any:
    """Distance along the sea surface of a target at sea level seen at a slant range, under standard refraction.

    Parameters
    ----------
    slant_m
        Slant range in metres; below the antenna's own height it gives 0.
    antenna_height_m
        Height of the antenna above the sea.

    Notes
    -----
    Law of cosines on an earth of 4/3 radius (ITU-R P.834), where rays are straight.
    """
    square = np.maximum(np.square(slant_m) - antenna_height_m**2, 0.0)
    chord = np.sqrt(square / (4.0 * EFFECTIVE_EARTH_M * (EFFECTIVE_EARTH_M + antenna_height_m)))
    return 2.0 * EFFECTIVE_EARTH_M * np.arcsin(np.minimum(chord, 1.0))


def slant_range_m(ground_m: Any, antenna_height_m: float) -> Any:
    """Slant range at which a target at sea level is seen: the inverse of `ground_range_m`."""
    half = np.sin(np.asarray(ground_m) / (2.0 * EFFECTIVE_EARTH_M))
    return np.sqrt(antenna_height_m**2 + 4.0 * EFFECTIVE_EARTH_M * (EFFECTIVE_EARTH_M + antenna_height_m) * half**2)


def constant(value: str, rows: int) -> pa.DictionaryArray:
    """Label column with one value in every row."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))


def nullable_ints(values: Any, type_: pa.DataType, absent: int = -1) -> pa.Array:
    """Integer column in which one value means absent."""
    numbers = np.asarray(values)
    return pa.array(numbers, type_, mask=numbers == absent)


def polar_covariance(
    lat_deg: Any,
    lon_deg: Any,
    sensor_lat_deg: Any,
    sensor_lon_deg: Any,
    bearing_deg: Any,
    along_m2: Any,
    across_m2: Any,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(east, east-north, north) covariance in m2 at the target from variances along and across the line of sight.

    The line of sight is turned by the convergence of the meridians between sensor and target.
    """
    middle = np.radians(0.5 * (np.asarray(lat_deg) + sensor_lat_deg))
    turn = (np.asarray(lon_deg) - sensor_lon_deg) * np.sin(middle)
    angle = np.radians(np.asarray(bearing_deg) + turn)
    s, c = np.sin(angle), np.cos(angle)
    return (
        along_m2 * s * s + across_m2 * c * c,
        (along_m2 - across_m2) * s * c,
        along_m2 * c * c + across_m2 * s * s,
    )


def polar_observations(
    *,
    source: str,
    station: Any,
    sensor: str = "radar",
    sensor_lat_deg: Any,
    sensor_lon_deg: Any,
    antenna_height_m: float,
    observed_us: Any,
    received_us: Any | None,
    time_source: Any,
    range_m: Any,
    bearing_deg: Any,
    range_sigma_m: Any,
    bearing_sigma_deg: Any,
    local_track: Any | None = None,
    scan: Any | None = None,
    sog_mps: Any | None = None,
    cog_deg: Any | None = None,
    vel_sigma_mps: Any | None = None,
    exercise: bool | None = None,
) -> pa.Table:
    """Observations from plots of one polar sensor.

    Parameters
    ----------
    sensor_lat_deg, sensor_lon_deg
        Where the sensor stood, scalar or per row.
    observed_us, received_us
        int64 UTC microseconds; `received_us` None for archives.
    range_m, bearing_deg
        Measured slant range, and bearing from true north, after registration.
    range_sigma_m, bearing_sigma_deg
        One-sigma errors, scalar or per row.
    local_track, scan
        Numbers the sensor gave, -1 where absent.
    sog_mps, cog_deg, vel_sigma_mps
        Velocity of a local track, NaN where absent.
    """
    slant, bearing = np.asarray(range_m, np.float64), np.asarray(bearing_deg, np.float64) % 360.0
    rows = len(slant)
    times = np.asarray(observed_us, np.int64)
    ground = ground_range_m(slant, antenna_height_m)
    lat, lon = destination(sensor_lat_deg, sensor_lon_deg, bearing, ground)
    across = np.square(ground * np.radians(bearing_sigma_deg))
    cov = polar_covariance(
        lat, lon, sensor_lat_deg, sensor_lon_deg, bearing, np.square(np.broadcast_to(range_sigma_m, rows)), across
    )
    none = np.full(rows, -1, np.int64)
    tracks = none if local_track is None else np.asarray(local_track, np.int64)
    scans = none if scan is None else np.asarray(scan, np.int64)
    ids = content_ids(
        source, times, np.rint(slant * 100.0).astype(np.int64), np.rint(bearing * 1e5).astype(np.int64), tracks
    )
    arrays: dict[str, Any] = {
        "obs_id": ids,
        "observed_at": times,
        "received_at": None if received_us is None else np.broadcast_to(np.asarray(received_us, np.int64), rows),
        "time_source": constant(time_source, rows) if isinstance(time_source, str) else time_source,
        "source": constant(source, rows),
        "station": constant(station, rows) if isinstance(station, str) else station,
        "sensor": constant(sensor, rows),
        "lat_deg": lat,
        "lon_deg": lon,
        "cov_ee_m2": cov[0],
        "cov_en_m2": cov[1],
        "cov_nn_m2": cov[2],
        "sog_mps": sog_mps,
        "cog_deg": cog_deg,
        "vel_sigma_mps": vel_sigma_mps,
        "local_track": nullable_ints(tracks, pa.int64()),
        "scan": nullable_ints(scans, pa.int64()),
        "sensor_lat_deg": np.broadcast_to(np.asarray(sensor_lat_deg, np.float64), rows),
        "sensor_lon_deg": np.broadcast_to(np.asarray(sensor_lon_deg, np.float64), rows),
        "range_m": slant,
        "bearing_deg": bearing,
        "exercise": None if exercise is None else np.full(rows, exercise),
    }
    return OBSERVATIONS.build({k: v for k, v in arrays.items() if v is not None}, rows)
