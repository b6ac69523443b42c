"""TRACKS to the columns that cross the wire to the page, and their bytes.

Enters: a TRACKS table, with an optional ``grid_m`` column where a partner view is blurred. Leaves: the wire table
(float32 but for positions, status and sensors as bytes) as an Arrow IPC stream, JSON or GeoJSON. It decides nothing
about what may be seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from kuroshio.clock import rfc3339
from kuroshio.errors import InputError
from kuroshio.units import FloatArray, UtcMicros

# Half axes of the 95 % ellipse in one-sigma units: chi-squared with 2 degrees of freedom has the closed quantile
# -2 ln(1 - p) (Abramowitz & Stegun 26.4.21 with nu = 2); p = 0.95
ELLIPSE_SCALE = float(np.sqrt(-2.0 * np.log(0.05)))

STATUS_CODES = {"tentative": 0, "confirmed": 1, "coasted": 2, "ended": 3}
SENSOR_BITS = {"ais": 1, "radar": 2, "image": 4, "vms": 8, "human": 16, "partner": 32}
STATUS_WORDS = tuple(STATUS_CODES)

F32 = pa.float32()
SCHEMA = pa.schema(
    [
        pa.field("track_id", pa.int64(), False),
        pa.field("lat_deg", pa.float64(), False),
        pa.field("lon_deg", pa.float64(), False),
        pa.field("sog_mps", F32),
        pa.field("cog_deg", F32),
        pa.field("heading_deg", F32),
        pa.field("length_m", F32),
        pa.field("ellipse_major_m", F32),
        pa.field("ellipse_minor_m", F32),
        pa.field("ellipse_angle_deg", F32),
        pa.field("observed_at", pa.int64(), False),
        pa.field("status", pa.uint8(), False),
        pa.field("sensors", pa.uint8(), False),
        pa.field("flags", pa.int32(), False),
        pa.field("mmsi", pa.int64(), False),
        pa.field("ship_type", pa.uint8(), False),
        pa.field("name", pa.string()),
        pa.field("partner", pa.string()),
        pa.field("grid_m", F32, False),
        pa.field("p_exists", F32),
        pa.field("exercise", pa.bool_(), False),
    ]
)


def ellipse_95(
    cov_ee_m2: FloatArray, cov_en_m2: FloatArray, cov_nn_m2: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """95 % error ellipses: (half major axis m, half minor axis m, degrees from north clockwise in [0, 180)).

    Closed eigenvalues of the symmetric 2 x 2 matrix; NaN where any variance is NaN or the matrix is not one of a
    covariance (a negative eigenvalue beyond rounding).
    """
    mean = 0.5 * (cov_ee_m2 + cov_nn_m2)
    half = 0.5 * (cov_nn_m2 - cov_ee_m2)
    radius = np.hypot(half, cov_en_m2)
    small = mean - radius
    bad = small < -1e-9 * np.maximum(mean, 1.0)
    major = ELLIPSE_SCALE * np.sqrt(np.where(bad, np.nan, np.maximum(mean + radius, 0.0)))
    minor = ELLIPSE_SCALE * np.sqrt(np.where(bad, np.nan, np.maximum(small, 0.0)))
    # direction of the major axis: tan 2a = 2 cov_en / (cov_nn - cov_ee), a from north towards east
    angle = np.degrees(0.5 * np.arctan2(cov_en_m2, half)) % 180.0
    return major, minor, np.where(np.isnan(major), np.nan, np.where(angle >= 180.0, 0.0, angle))


def wire_table(tracks: pa.Table) -> pa.Table:
    """Wire columns of a TRACKS table, rows in the same order.

    Raises
    ------
    InputError
        When a column that the wire needs is missing.
    """
    rows = tracks.num_rows
    missing = [
        name for name in ("track_id", "lat_deg", "lon_deg", "observed_at", "status") if name not in _names(tracks)
    ]
    if missing:
        raise InputError(f"tracks without column {', '.join(missing)}", code="wire.column")
    major, minor, angle = ellipse_95(
        _floats(tracks, "cov_ee_m2"), _floats(tracks, "cov_en_m2"), _floats(tracks, "cov_nn_m2")
    )
    columns: dict[str, Any] = {
        "track_id": _column(tracks, "track_id", pa.int64()),
        "lat_deg": _column(tracks, "lat_deg", pa.float64()),
        "lon_deg": _column(tracks, "lon_deg", pa.float64()),
        "ellipse_major_m": _nan_null(major),
        "ellipse_minor_m": _nan_null(minor),
        "ellipse_angle_deg": _nan_null(angle),
        "observed_at": _column(tracks, "observed_at", pa.timestamp("us", tz="UTC")).cast(pa.int64()),
        "status": _codes(tracks.column("status"), STATUS_CODES),
        "sensors": _sensor_bits(tracks),
        "flags": _filled(tracks, "flags", pa.int32(), 0),
        "mmsi": _filled(tracks, "mmsi", pa.int64(), 0),
        "ship_type": _ship_type(tracks),
        "name": _column(tracks, "name", pa.string()),
        "partner": _column(tracks, "partner", pa.string()),
        "grid_m": _filled(tracks, "grid_m", F32, 0.0),
        "exercise": _filled(tracks, "exercise", pa.bool_(), False),
    }
    for name in ("sog_mps", "cog_deg", "heading_deg", "length_m", "p_exists"):
        columns[name] = _nan_null(_floats(tracks, name))
    return pa.Table.from_arrays([_whole(columns[field.name], field.type, rows) for field in SCHEMA], schema=SCHEMA)


def ipc_bytes(table: pa.Table, metadata: dict[str, str] | None = None) -> bytes:
    """Arrow IPC stream of a wire table, one batch, with schema metadata."""
    schema = table.schema.with_metadata(metadata) if metadata else table.schema
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    return sink.getvalue().to_pybytes()


def frame(kind: str, seq: int, tracks: pa.Table, removed: Iterable[int], now_us: UtcMicros) -> bytes:
    """One binary frame of the live stream: rows with ``seq``, ``kind``, ``removed`` and ``now_us`` as metadata."""
    meta = {"seq": str(seq), "kind": kind, "removed": ",".join(str(i) for i in removed), "now_us": str(now_us)}
    return ipc_bytes(wire_table(tracks), meta)


def json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of a wire table as plain values: time in RFC 3339, status and sensors as words, unknown as null."""
    rows = []
    for row in table.to_pylist():
        bits = row["sensors"]
        rows.append(
            {
                **{key: _rounded(value) for key, value in row.items()},
                "observed_at": rfc3339(row["observed_at"]),
                "status": STATUS_WORDS[row["status"]],
                "sensors": [word for word, bit in SENSOR_BITS.items() if bits & bit],
                "mmsi": row["mmsi"] or None,
                "ship_type": row["ship_type"] or None,
            }
        )
    return rows


def geojson(table: pa.Table, *, now_us: UtcMicros, seq: int) -> dict[str, Any]:
    """GeoJSON FeatureCollection (RFC 7946) of a wire table, a Point a track."""
    features = [
        {
            "type": "Feature",
            "id": row["track_id"],
            "geometry": {"type": "Point", "coordinates": [row["lon_deg"], row["lat_deg"]]},
            "properties": {key: value for key, value in row.items() if key not in ("lat_deg", "lon_deg")},
        }
        for row in json_rows(table)
    ]
    return {"type": "FeatureCollection", "now": rfc3339(now_us), "seq": seq, "features": features}


def _names(tracks: pa.Table) -> list[str]:
    return list(tracks.column_names)


def _column(tracks: pa.Table, name: str, type_: pa.DataType) -> pa.ChunkedArray:
    if name not in tracks.column_names:
        return pa.chunked_array([pa.nulls(tracks.num_rows, type_)])
    column = tracks.column(name)
    return column if column.type == type_ else column.cast(type_)


def _floats(tracks: pa.Table, name: str) -> FloatArray:
    return np.asarray(_column(tracks, name, pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _filled(tracks: pa.Table, name: str, type_: pa.DataType, value: Any) -> pa.ChunkedArray:
    return _column(tracks, name, type_).fill_null(pa.scalar(value, type_))


def _nan_null(values: FloatArray) -> pa.Array:
    return pa.array(values.astype(np.float32), F32, from_pandas=True)


def _ship_type(tracks: pa.Table) -> pa.Array:
    values = _filled(tracks, "ship_type", pa.int32(), 0).to_numpy()
    return pa.array(np.where((values < 0) | (values > 255), 0, values).astype(np.uint8))


def _codes(column: pa.ChunkedArray, codes: dict[str, int]) -> pa.Array:
    words = column.combine_chunks()
    if not pa.types.is_dictionary(words.type):
        words = words.dictionary_encode()
    if isinstance(words, pa.ChunkedArray):
        words = words.unify_dictionaries().combine_chunks()
    table = [codes.get(word) for word in words.dictionary.to_pylist()]
    if None in table:
        word = words.dictionary.to_pylist()[table.index(None)]
        raise InputError(f"status {word!r} is none of {', '.join(codes)}", code="wire.status")
    return pa.array(np.asarray([*table, 0], dtype=np.uint8)[words.indices.to_numpy(zero_copy_only=False)])


def _sensor_bits(tracks: pa.Table) -> pa.Array:
    bits = np.zeros(tracks.num_rows, dtype=np.uint8)
    if "sensors" not in tracks.column_names:
        return pa.array(bits)
    lists = tracks.column("sensors").combine_chunks()
    for chunk in lists.chunks if isinstance(lists, pa.ChunkedArray) else [lists]:
        words = pc.list_flatten(chunk)
        owner = pc.list_parent_indices(chunk).to_numpy()
        for word, bit in SENSOR_BITS.items():
            held = pc.equal(words, word).fill_null(False).to_numpy(zero_copy_only=False)
            bits[owner[held]] |= bit
    return pa.array(bits)


def _whole(values: Any, type_: pa.DataType, rows: int) -> pa.Array:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, type_)
    assert len(array) == rows
    return array if array.type == type_ else array.cast(type_)


def _rounded(value: Any) -> Any:
    return round(value, 7) if isinstance(value, float) else value
