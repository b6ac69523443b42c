"""Files handed to `kuroshio detect`: each is worked on, what is left out counted, or it is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio.behaviour import Engine, load_definitions, load_zones
from kuroshio.cli.main import app
from kuroshio.errors import ConfigError, InputError

N, T0 = 40, 1_700_000_000_000_000
US = pa.timestamp("us", tz="UTC")
TIMES = T0 + np.arange(N) * 60_000_000
PLAIN = {
    "mmsi": np.full(N, 431_000_001),
    "observed_at": pa.array(TIMES, US),
    "lat_deg": np.full(N, 20.0),
    "lon_deg": np.full(N, 121.0),
}


def run(folder: Path, *words: str, **columns):
    file = folder / "rows.parquet"
    pq.write_table(pa.table(PLAIN | columns), file)
    words = ("detect", str(file), *words, "-o", str(folder / "out"), "--json", "--only", "ais_gap")
    return CliRunner().invoke(app, words)


TRACKED = {"track_id": np.full(N, 1)}
COUNTED = [
    ({"lat_deg": np.where(np.arange(N) < 3, np.nan, 20.0)}, (), {"not_whole": 3}),
    ({"lon_deg": np.where(np.arange(N) < 3, np.inf, 121.0)}, (), {"not_whole": 3}),
    ({"observed_at": pa.array(np.where(np.arange(N) == 9, 2**63 - 1, TIMES), US)}, (), {"not_whole": 1}),
    ({"observed_at": pa.array(np.where(np.arange(N) == 9, -(2**62) + 1, TIMES), US)}, (), {"not_whole": 1}),
    ({"observed_at": pa.array(TIMES * 1000 + 1, pa.timestamp("ns", tz="UTC"))}, (), {}),
    ({"track_id": pa.array([1] * 20 + [None] * 20, pa.int64())}, (), {}),
    ({"ship_type": np.where(np.arange(N) % 2, np.nan, 70.0), "mmsi": np.full(N, 431_000_001.0)}, (), {}),
    (TRACKED | {"status": ["coasted"] * 4 + [None] * 6 + ["confirmed"] * 30}, (), {"not_measured": 4, "not_whole": 6}),
    ({"observed_at": pa.array(T0 + np.arange(N) // 2 * 60_000_000, US)}, (), {"twice": 20}),
    ({}, ("--known-at", "2023-11-14T22:20:00Z"), {"later": 33}),
]


@pytest.mark.parametrize(("columns", "words", "left_out"), COUNTED)
def test_rows_that_are_not_looked_at_are_counted(tmp_path, columns, words, left_out):
    done = run(tmp_path, *words, **columns)
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["rows_left_out"] == left_out


def test_one_row_at_the_end_of_time_makes_no_ship_silent(tmp_path):
    lone = pa.array(np.where(np.arange(N) == N - 1, 2**63 - 1, TIMES), US)
    assert json.loads(run(tmp_path, observed_at=lone).stdout)["alerts"] == 0


def test_a_live_row_without_track_status_or_time_is_counted():
    rows = pa.table(
        {
            "track_id": pa.array([1, None, 1, 1], pa.int64()),
            "status": pa.array(["confirmed", "confirmed", None, "confirmed"]),
            "observed_at": pa.array([T0, T0, T0, None], US),
            "lat_deg": np.full(4, 20.0),
            "lon_deg": np.full(4, 121.0),
        }
    )
    engine = Engine(load_definitions().only("ais_gap"))
    engine.step(rows, now_us=T0)
    assert engine.health()["rows_not_whole"] == 3


REFUSED = [
    {"observed_at": T0 / 1e6 + np.arange(N) + 0.5},
    {"observed_at": pa.array([19_000] * N, pa.date32())},
    {"observed_at": pa.array([19_000] * N, pa.time64("us"))},
    {"track_id": ["one"] * N},
    TRACKED | {"status": ["zombie"] * N},
]


@pytest.mark.parametrize("columns", REFUSED)
def test_a_column_that_cannot_be_read_is_refused(tmp_path, columns):
    done = run(tmp_path, **columns)
    assert isinstance(done.exception, InputError), done.exception


def test_files_that_do_not_go_together_are_refused(tmp_path):
    (tmp_path / "twice.csv").write_text("mmsi,mmsi,lat,lon,timestamp\n1,2,20,121,2024-02-29T00:00:00Z\n")
    assert "twice" in str(run(tmp_path, str(tmp_path / "twice.csv")).exception)
    when = "2024-02-29T00:00:00Z"
    (tmp_path / "ours.csv").write_text(f"mmsi,lat,lat_deg,lon,timestamp\n431000001,1,20,121,{when}\n")
    assert run(tmp_path, str(tmp_path / "ours.csv")).exit_code == 0
    (tmp_path / "text.csv").write_text(f"mmsi,lat,lon,timestamp\nship,20,121,{when}\n")
    assert isinstance(run(tmp_path, str(tmp_path / "text.csv")).exception, InputError)
    (tmp_path / "statics.csv").write_text(f"mmsi,timestamp,to_bow_m,to_stern_m\n431000001,{when},long,5\n")
    assert isinstance(run(tmp_path, str(tmp_path / "statics.csv")).exception, InputError)
    (tmp_path / "out" / "alerts.parquet").unlink()
    (tmp_path / "out" / "alerts.parquet").mkdir()
    assert isinstance(run(tmp_path).exception, InputError)


BOX = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}


def feature(geometry=BOX, **properties):
    return json.dumps({"type": "Feature", "properties": {"name": "a", **properties}, "geometry": geometry})


LAYERS = {
    "a.geojson": [
        feature([1]),
        '{"type": "Feature", "properties": [1], "geometry": null}',
        '{"type": "Feature", "properties": "ab", "geometry": null}',
        feature(valid_from=5),
        feature(valid_to=["soon"]),
        feature(valid_from="soon"),
        feature(valid_from="2024-03-01T00:00:00Z", valid_to="2024-02-29T00:00:00Z"),
        feature({"type": "Polygon", "coordinates": [[[10**400, 0], [1, 0], [1, 1], [10**400, 0]]]}),
        "[" * 100_000,
    ],
    "a.csv": [
        "latitude,longitude\n1," + "9" * 200_000 + "\n",
        "latitude,longitude,radius_m\n1,2,-5\n",
        "latitude,longitude,radius_m\n1,2,nan\n",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in LAYERS.items() for text in texts])
def test_a_layer_that_cannot_be_read_names_its_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        load_zones(tmp_path)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    (tmp_path / "a.geojson").write_text("\ufeff" + feature())
    (tmp_path / "b.csv").write_text("\ufefflatitude,longitude\n1,2\n")
    assert len(load_zones(tmp_path)) == 2


DEEP = b"\x01\x06\x00\x00\x00\x01\x00\x00\x00" * 5_000
WKB = [pa.array([b""]), pa.array([DEEP]), pa.nulls(1, pa.binary()), pa.array(["POLYGON"]), pa.array([5])]


@pytest.mark.parametrize("geometry", WKB)
def test_a_row_of_geoparquet_without_a_shape_is_named(tmp_path, geometry):
    pq.write_table(pa.table({"name": ["a"], "geometry": geometry}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="row 0"):
        load_zones(tmp_path)


@pytest.mark.parametrize("meta", ["[]", '{"primary_column": ["x"]}', '{"columns": []}', '{"primary_column": "shape"}'])
def test_geoparquet_with_other_metadata_is_refused(tmp_path, meta):
    table = pa.table({"name": ["a"], "geometry": [b""]}).replace_schema_metadata({"geo": meta})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"a\.parquet"):
        load_zones(tmp_path)
