"""The wire: ellipses that hold 95 %, codes and bits that mean what they say, bytes that read back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import schema
from kuroshio.api import wire
from kuroshio.errors import InputError
from kuroshio.testing.standin import StandIn


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.floats(0.0, 180.0, exclude_max=True))
def test_an_ellipse_comes_back_from_its_covariance(a: float, b: float, angle_deg: float) -> None:
    big, small = max(a, b), min(a, b)
    turn = np.radians(angle_deg)
    along = np.array([np.sin(turn), np.cos(turn)])  # east, north of a direction clockwise from north
    across = np.array([np.cos(turn), -np.sin(turn)])
    cov = big**2 * np.outer(along, along) + small**2 * np.outer(across, across)
    major, minor, angle = wire.ellipse_95(*(np.array([v]) for v in (cov[0, 0], cov[0, 1], cov[1, 1])))
    assert major[0] == pytest.approx(big * wire.ELLIPSE_SCALE, rel=1e-6)
    assert minor[0] == pytest.approx(small * wire.ELLIPSE_SCALE, rel=1e-3, abs=1e-4 * big)
    assert 0.0 <= angle[0] < 180.0
    if big > 1.01 * small:
        off = (angle[0] - angle_deg + 90.0) % 180.0 - 90.0
        assert abs(off) < 1e-3


def test_the_ellipse_holds_95_per_cent(rng: np.random.Generator) -> None:
    cov = np.array([[900.0, 500.0], [500.0, 400.0]])
    major, minor, angle = (v[0] for v in wire.ellipse_95(*(np.array([v]) for v in (900.0, 500.0, 400.0))))
    points = rng.multivariate_normal([0, 0], cov, 100_000)
    turn = np.radians(angle)
    along = points @ [np.sin(turn), np.cos(turn)]
    across = points @ [np.cos(turn), -np.sin(turn)]
    inside = (along / major) ** 2 + (across / minor) ** 2 <= 1.0
    assert abs(inside.mean() - 0.95) < 0.003


def test_a_matrix_that_is_no_covariance_has_no_ellipse() -> None:
    major, minor, angle = wire.ellipse_95(np.array([1.0, np.nan]), np.array([5.0, 0.0]), np.array([1.0, 1.0]))
    assert np.isnan([major, minor, angle]).all()


def _row(**values: object) -> dict[str, object]:
    base = {"track_id": 1, "observed_at": 5, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed"}
    return {**base, **values}


def test_a_bare_track_crosses_with_its_unknowns_as_null() -> None:
    row = wire.wire_table(schema.TRACKS.from_rows([_row()])).to_pylist()[0]
    unknown = {key for key, value in row.items() if value is None}
    assert unknown == {
        "sog_mps", "cog_deg", "heading_deg", "length_m", "ellipse_major_m", "ellipse_minor_m", "ellipse_angle_deg",
        "name", "partner", "p_exists",
    }  # fmt: skip
    assert (row["observed_at"], row["status"], row["sensors"], row["mmsi"], row["grid_m"]) == (5, 1, 0, 0, 0.0)


def test_every_status_and_sensor_has_its_code() -> None:
    rows = [_row(track_id=n, status=word) for n, word in enumerate(wire.STATUS_CODES)]
    sets = [[], None, ["ais"], ["radar", "image"], ["vms", "human", "partner"], ["sonar", None, "ais"]]
    rows += [_row(track_id=10 + n, sensors=words) for n, words in enumerate(sets)]
    tracks = pa.concat_tables([schema.TRACKS.from_rows(rows[:5]), schema.TRACKS.from_rows(rows[5:])])
    table = wire.wire_table(tracks)
    assert table.column("status").to_pylist()[:4] == [0, 1, 2, 3]
    assert table.column("sensors").to_pylist()[4:] == [0, 0, 1, 6, 56, 1]
    with pytest.raises(InputError, match="sunk"):
        wire.wire_table(schema.TRACKS.from_rows([_row(status="sunk")]))


def test_a_table_without_a_needed_column_is_refused() -> None:
    with pytest.raises(InputError, match="lat_deg"):
        wire.wire_table(schema.TRACKS.from_rows([_row()]).drop_columns("lat_deg"))


def test_frames_read_back_with_their_metadata() -> None:
    seq, tracks = StandIn(ships=40).snapshot("JPN")
    reader = pa.ipc.open_stream(wire.frame("delta", seq, tracks, [3, -4], 77))
    assert reader.schema.metadata == {b"seq": b"0", b"kind": b"delta", b"removed": b"3,-4", b"now_us": b"77"}
    table = reader.read_all()
    assert table.schema.remove_metadata().equals(wire.SCHEMA)
    assert table.column("track_id").to_pylist() == tracks.column("track_id").to_pylist()
    dark = (table.column("flags").to_numpy() & schema.FLAG_DARK) != 0
    assert dark.any()
    assert ((table.column("grid_m").to_numpy() > 0) == dark).all()
    empty = pa.ipc.open_stream(wire.frame("snapshot", 1, tracks.slice(0, 0), [], 0)).read_all()
    assert (empty.num_rows, empty.schema.names) == (0, wire.SCHEMA.names)


def test_json_rows_say_words_and_times() -> None:
    row = wire.json_rows(wire.wire_table(schema.TRACKS.from_rows([_row(sensors=["ais"], mmsi=5)])))[0]
    assert (row["status"], row["sensors"], row["mmsi"]) == ("confirmed", ["ais"], 5)
    assert row["observed_at"] == "1970-01-01T00:00:00.000005Z"
    features = wire.geojson(wire.wire_table(schema.TRACKS.from_rows([_row()])), now_us=0, seq=3)
    assert features["features"][0]["geometry"] == {"type": "Point", "coordinates": [2.0, 1.0]}
