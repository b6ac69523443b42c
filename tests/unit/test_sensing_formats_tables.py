"""Position tables and detections: every line one fate, sentinels null, bad cells never bad rows, cuts anywhere."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import ConfigError
from kuroshio.schema import OBSERVATIONS, POSITIONS, STATICS
from kuroshio.sensing import observe
from kuroshio.sensing.detections import DetectionGeoJsonDecoder, DetectionTableDecoder
from kuroshio.sensing.tables import PositionTableDecoder
from kuroshio.sensing.tables_columns import numbers
from kuroshio.testing.decoding import in_steps
from kuroshio.units import MPS_PER_KN

MC = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,Cargo,TransceiverClass"  # noqa: E501
DMA = "# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,ROT,SOG,COG,Heading,IMO,Callsign,Name,Ship type,Cargo type,Width,Length,Type of position fixing device,Draught,Destination,ETA,Data source type,A,B,C,D"  # noqa: E501
MAP = {"time": "t", "mmsi": "id", "lat_deg": "y", "lon_deg": "x"}


def us(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def times(table: pa.Table) -> list[int]:
    return table["observed_at"].cast(pa.int64()).to_pylist()


def test_marinecadastre_rows_are_positions_and_each_ships_statics_once() -> None:
    rows = [
        "338148873,2022-01-03T00:00:00,33.60716,-117.91483,12.5,280.0,511,CAZADOR,,,37,,14,,,,B",
        "338148873,2022-01-03T00:00:30,33.60816,-117.91483,102.3,360.0,90.0,CAZADOR,,,37,,14,,,,B",
        "367379190,2022-01-03T00:00:01,30.3706,-88.56408,0.0,-60.6,511,EAGLE,IMO8207721,WTD4583,31,0,28,11,3.3,52,A",
    ]
    out = in_steps(PositionTableDecoder("mc", layout="marinecadastre"), "\n".join([MC, *rows]).encode())
    got = out.table("positions").to_pylist()
    assert out.table("positions").schema.equals(POSITIONS.arrow)
    assert [r["msg_type"] for r in got] == [18, 18, 1]
    assert got[0]["sog_mps"] == pytest.approx(12.5 * MPS_PER_KN)
    assert (got[0]["heading_deg"], got[1]["sog_mps"], got[1]["cog_deg"]) == (None, None, None)
    assert got[2]["cog_deg"] == pytest.approx(349.0)
    assert (got[2]["lat_raw"], got[2]["nav_status"], got[2]["line"]) == (18_222_360, 0, 4)
    statics = out.table("statics")
    assert statics.schema.equals(STATICS.arrow)
    assert [(s["mmsi"], s["name"], s["imo"], s["ship_type"]) for s in statics.to_pylist()] == [
        (338148873, "CAZADOR", None, 37),
        (367379190, "EAGLE", 8207721, 31),
    ]
    assert (statics["to_stern_m"].to_pylist(), statics["to_starboard_m"].to_pylist()) == ([14, 28], [0, 11])
    assert observe(out).num_rows == 3


def test_the_names_of_2024_are_read_too() -> None:
    head = "mmsi,base_date_time,longitude,latitude,sog,cog,heading,vessel_name,imo,call_sign,vessel_type,status,length,width,draft,cargo,transceiver"  # noqa: E501
    row = "338148873,2024-01-03 00:00:00,-117.9,33.6,1,2,3,A,,,37,,14,,,,A"
    out = in_steps(PositionTableDecoder("mc", layout="marinecadastre"), f"{head}\n{row}\n".encode())
    assert out.table("positions")["lat_deg"].to_pylist() == [33.6]


def test_danish_rows_carry_their_words_as_codes() -> None:
    rows = [
        "31/12/2015 23:59:59,Class A,219000001,55.5,11.25,Engaged in fishing,-3.5,9.9,123.4,120,9000001,OXAB,SKIB,Fishing,,6,24,GPS,3.1,SKAGEN,,AIS,10,14,3,3",  # noqa: E501
        "01/01/2016 00:00:00,Base Station,2190047,91.0,181.0,,,,,,,,,,,,,,,,,AIS,,,,",
        "31/02/2016 00:00:00,Class B,219000002,55.5,11.25,,,,,,,,,,,,,,,,,AIS,,,,",
    ]
    out = in_steps(PositionTableDecoder("dma", layout="dma_csv"), "\n".join([DMA, *rows]).encode())
    one, base = out.table("positions").to_pylist()
    assert times(out.table("positions")) == [us("2015-12-31T23:59:59"), us("2016-01-01")]
    assert (one["msg_type"], one["nav_status"], one["rot_degpmin"]) == (1, 7, -3.5)
    assert (base["msg_type"], base["lat_deg"], base["lon_deg"], base["lat_raw"]) == (4, None, None, 54_600_000)
    assert out.ledger.rejected == {"bad_time": 1}
    static = out.table("statics").to_pylist()[0]
    assert (static["ship_type"], static["to_bow_m"], static["to_stern_m"], static["draught_m"]) == (30, 10, 14, 3.1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("bad", "columns"),
        ("2020-13-01T00:00:00,1,2,3", "bad_time"),
        ("2020-02-30T00:00:00,1,2,3", "bad_time"),
        (",1,2,3", "bad_time"),
        ("2020-01-01T00:00:00,x,2,3", "bad_mmsi"),
        ("2020-01-01T00:00:00,-1,2,3", "bad_mmsi"),
        ("2020-01-01T00:00:00,1.5,2,3", "bad_mmsi"),
        ("2020-01-01T00:00:00,1,99,3", "out_of_range"),
        ("2020-01-01T00:00:00,1,2,-180.5", "out_of_range"),
        ("2020-01-01T00:00:00,1,nan,3", "bad_position"),
        ("2020-01-01T00:00:00,1,1e,3", "bad_position"),
        ('"2020-01-01T00:00:00,1,2', "columns"),
    ],
)
def test_a_bad_row_is_one_reject_with_its_line_and_the_next_is_kept(row: str, reason: str) -> None:
    data = f"t,id,y,x\n\n{row}\n2020-01-01T00:00:00.25Z,7,2.5,3.5\n".encode()
    out = in_steps(PositionTableDecoder("s", columns=MAP), data)
    assert out.ledger.rejected == {reason: 1}
    assert out.ledger.comments == 2
    reject = out.table("rejects").to_pylist()[0]
    assert (reject["line"], reject["source"]) == (3, "s")
    kept = out.table("positions").to_pylist()
    assert [(r["mmsi"], r["line"]) for r in kept] == [(7, 4)]
    assert times(out.table("positions")) == [us("2020-01-01T00:00:00.250000")]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("epoch_s", "1577836800.5", "2020-01-01T00:00:00.500000"),
        ("epoch_ms", "1577836800500", "2020-01-01T00:00:00.500000"),
        ("iso", "2020-01-01 00:00:00.123456789", "2020-01-01T00:00:00.123456"),
        ("iso", "2020-01-01T00:00:00+00:00", "2020-01-01T00:00:00"),
        ("iso", "2020-01-01T07:05", "2020-01-01T07:05:00"),
        ("%d.%m.%Y %H:%M", "1.3.2020 07:05", "2020-03-01T07:05:00"),
    ],
)
def test_times_are_read_in_their_format(form: str, text: str, expected: str) -> None:
    out = in_steps(PositionTableDecoder("s", columns=MAP, time_format=form), f"t,id,y,x\n{text},1,2,3\n".encode())
    assert times(out.table("positions")) == [us(expected)]


def test_a_bad_cell_that_may_be_absent_is_null_and_counted() -> None:
    decoder = PositionTableDecoder("s", columns=MAP | {"sog": "v", "cog_deg": "c"}, speed_unit="mps")
    out = in_steps(decoder, b"t,id,y,x,v,c\n2020-01-01T00:00:00,1,2,3,fast,10\n2020-01-01T00:00:00,1,2,3,5,10\n")
    assert out.table("positions")["sog_mps"].to_pylist() == [None, 5.0]
    assert decoder.counters["bad_cell:sog"] == 1


def test_a_table_of_another_sensor_makes_observations_with_its_error() -> None:
    columns = {"time": "t", "lat_deg": "y", "lon_deg": "x", "sigma_m": "e", "mmsi": "id"}
    decoder = PositionTableDecoder("v", columns=columns, sensor="vms", sigma_m=250.0)
    out = in_steps(
        decoder, b"t,y,x,e,id\n2020-01-01T00:00:00,1,2,,\n2020-01-01T00:00:00,1,2,40,7\n2020-01-01T00:00:00,,2,,\n"
    )
    rows = out.table("observations")
    assert rows.schema.equals(OBSERVATIONS.arrow)
    assert rows["cov_ee_m2"].to_pylist() == [62_500.0, 1_600.0]
    assert rows["mmsi"].to_pylist() == [None, 7]
    assert set(rows["sensor"].to_pylist()) == {"vms"}
    assert out.ledger.rejected == {"no_position": 1}
    assert len(set(rows["obs_id"].to_pylist())) == 2


def test_no_header_is_declared_and_a_repeated_one_is_a_comment() -> None:
    names = ["t", "id", "y", "x"]
    row = b"2020-01-01T00:00:00,1,2,3\n"
    bare = in_steps(PositionTableDecoder("s", columns=MAP, header=names), row)
    headed = in_steps(PositionTableDecoder("s", columns=MAP, header=names), b"t,id,y,x\n" + row)
    assert bare.ledger.messages == headed.ledger.messages == 1
    assert headed.ledger.comments == 1


@pytest.mark.parametrize("step", [None, 1, 30])
def test_a_header_that_comes_again_with_a_new_connection_is_a_comment(step: int | None) -> None:
    data = b"t,id,y,x\n2020-01-01T00:00:00,1,2,3\nt,id,y,x\nt,id,y,9\n2020-01-01T00:00:00,2,2,3\nt,id,y,x\n"
    out = in_steps(PositionTableDecoder("s", columns=MAP), data, step)
    assert (out.ledger.messages, out.ledger.comments, out.ledger.rejected) == (2, 3, {"bad_mmsi": 1})
    assert out.table("positions")["line"].to_pylist() == [2, 5]
    assert out.table("rejects")["line"].to_pylist() == [4]


def test_a_header_without_the_columns_is_a_reject_that_names_them() -> None:
    out = in_steps(PositionTableDecoder("s", columns=MAP), b"a,b,c\n1,2,3\n")
    assert set(out.ledger.rejected) == {"bad_header"}
    assert "time" in out.table("rejects")["detail"][0].as_py()


def test_a_quote_never_closed_costs_its_own_line_only_wherever_a_read_ends() -> None:
    # found by fuzzing: an open quote swallowed the lines after it, but only when they came in the same read
    data = b'time,mmsi,lat,lon\n"a,mqtime,mmsi,lat\xcdl\xb8n\n2020-01-01T00:00:00,5,"1",2\n' + b'a","b,c,d\n'
    columns = {"time": "time", "mmsi": "mmsi", "lat_deg": "lat", "lon_deg": "lon"}
    whole = in_steps(PositionTableDecoder("s", columns=columns), data)
    assert whole.table("positions")["lat_deg"].to_pylist() == [1.0]
    assert whole.ledger.rejected == {"columns": 2}
    for step in (1, 23, 56):
        assert in_steps(PositionTableDecoder("s", columns=columns), data, step).ledger == whole.ledger


@pytest.mark.parametrize("cell", ["1e308", "1e999", "+1", "-0", "1.e2", "nan", "inf", "0x10", "1_0", "", " 7 "])
def test_a_number_is_read_alike_whatever_stands_beside_it(cell: str) -> None:
    alone, beside = numbers(pa.array([cell])), numbers(pa.array([cell, "word"]))
    assert np.array_equal(alone[0], beside[0][:1], equal_nan=True)
    assert (alone[1][0], True) == tuple(beside[1])


@pytest.mark.parametrize("step", [1_000, 70_000, 10_000_000])
def test_a_line_above_the_limit_is_one_reject_wherever_a_read_ends(step: int) -> None:
    decoder = PositionTableDecoder("t", layout=None, columns=MAP)
    row = b"2020-01-01T00:00:00,5,1,2\n"
    out = in_steps(decoder, b"t,id,y,x\n" + row + row[:-1] + b"2" * 200_000 + b"\n" + row, step)
    assert out.ledger.rejected == {"columns": 1}
    assert [r["line"] for r in out.table("positions").to_pylist()] == [2, 4]


def test_a_lone_carriage_return_ends_no_line() -> None:
    decoder = PositionTableDecoder("t", layout=None, columns=MAP)
    out = in_steps(decoder, b"t,id,y,x\n2020-01-01T00:00:00,1\r5,1,2\n2020-01-01T00:00:00,2,3,4\n")
    assert [(r["mmsi"], r["line"]) for r in out.table("positions").to_pylist()][-1] == (2, 3)
    assert out.ledger.lines == 3


def test_tables_may_be_cut_anywhere() -> None:
    lines = [f"2020-01-01T00:00:{n:02d},{n},{n / 10},3,SHIP {n % 5}" for n in range(40)]
    lines[7], lines[20] = "bad", ""
    data = ("t,id,y,x,n\r\n" + "\r\n".join(lines)).encode()
    columns = MAP | {"name": "n"}
    one = in_steps(PositionTableDecoder("s", columns=columns), data)
    for step in (1, 13, 64):
        cut = in_steps(PositionTableDecoder("s", columns=columns), data, step)
        assert one.ledger == cut.ledger
        for name in one.tables:
            assert one.table(name).to_pylist() == cut.table(name).to_pylist()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"layout": "atlantis"},
        {"columns": {"time": "t"}},
        {"columns": MAP | {"colour": "c"}},
        {"columns": MAP, "time_format": "sundial"},
        {"columns": MAP, "speed_unit": "furlongs"},
        {"columns": MAP, "delimiter": "||"},
        {"columns": MAP, "sensor": "oracle"},
        {"columns": MAP, "sigma_m": 0.0},
    ],
)
def test_a_map_that_cannot_be_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PositionTableDecoder("s", **settings)  # type: ignore[arg-type]


def test_real_tables_are_read_to_the_last_row(shared_data: Path) -> None:
    mc = gzip.decompress((shared_data / "marinecadastre" / "AIS_2022_01_03_first99999.csv.gz").read_bytes())
    out = in_steps(PositionTableDecoder("mc", layout="marinecadastre"), mc, 1_000_000)
    assert out.table("positions").num_rows == 99_999
    assert len(set(out.table("positions")["mmsi"].to_pylist())) == 10_631
    assert not out.ledger.rejected
    solent = gzip.decompress((shared_data / "stonesoup" / "SolentAIS_20160112_130211.csv.gz").read_bytes())
    columns = {"time": "Time", "mmsi": "MMSI", "lat_deg": "Latitude_degrees", "lon_deg": "Longitude_degrees",
               "cog_deg": "COG_degrees", "sog": "SOG_knots"}  # fmt: skip
    out = in_steps(PositionTableDecoder("solent", columns=columns), solent)
    assert out.table("positions").num_rows == 18_623


CSV = b"""detection_id,time,lat_deg,lon_deg,sigma_m,length_m,image_id
d1,2026-05-28T20:00:00Z,20.5,121.5,80,120,img1
d2,2026-05-28T20:00:00Z,20.6,121.6,,,img1
d3,never,20.6,121.6,,,img1
"""
FEATURE = (
    '{"type":"Feature","geometry":{"type":"Point","coordinates":[121.5,20.5]},'
    '"properties":{"time":"2026-05-28T20:00:00Z","length_m":120,"sigma_m":80,"image_id":"a}b"}}'
)


def test_detections_in_csv_are_observations_of_an_image() -> None:
    out = in_steps(DetectionTableDecoder("sar", sigma_m=200.0), CSV)
    rows = out.table("observations")
    assert rows["sensor"].to_pylist() == ["image", "image"]
    assert rows["cov_nn_m2"].to_pylist() == [6_400.0, 40_000.0]
    assert rows["length_m"].to_pylist() == [120.0, None]
    assert rows["mmsi"].null_count == 2
    assert out.ledger.rejected == {"bad_time": 1}


def test_detection_columns_may_have_other_names() -> None:
    data = b"when;phi;lambda\n2026-05-28T20:00:00Z;1;2\n"
    decoder = DetectionTableDecoder(
        "x", columns={"time": "when", "lat_deg": "phi", "lon_deg": "lambda"}, delimiter=";", sigma_m=50.0
    )
    assert in_steps(decoder, data).table("observations")["lat_deg"].to_pylist() == [1.0]
    with pytest.raises(ConfigError, match="no target"):
        DetectionTableDecoder("x", columns={"colour": "c"})


@pytest.mark.parametrize("shape", ["pretty", "compact", "lines"])
@pytest.mark.parametrize("step", [1, 17, 100_000])
def test_geojson_in_any_shape_and_cut_gives_the_same_rows(shape: str, step: int) -> None:
    collection = {"type": "FeatureCollection", "features": [json.loads(FEATURE)] * 3}
    text = {
        "pretty": json.dumps(collection, indent=2),
        "compact": json.dumps(collection),
        "lines": "\n".join([FEATURE] * 3),
    }[shape]
    out = in_steps(DetectionGeoJsonDecoder("sar"), text.encode(), step)
    rows = out.table("observations").to_pylist()
    assert out.ledger.messages == 3
    assert rows[0]["station"] == "a}b"
    assert rows[0]["cov_ee_m2"] == 6_400.0
    assert (rows[0]["lat_deg"], rows[0]["lon_deg"]) == (20.5, 121.5)


def test_csv_and_geojson_of_one_detection_are_one_observation() -> None:
    one = in_steps(DetectionTableDecoder("sar"), CSV).table("observations")["obs_id"][0]
    two = in_steps(DetectionGeoJsonDecoder("sar"), FEATURE.encode()).table("observations")["obs_id"][0]
    assert one.as_py() is not None
    assert two.as_py() is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{]", "not_json"),
        ('{"type":"Feature"', "not_json"),
        ('"hello"', "not_a_feature"),
        ('{"type":"Feature","geometry":null}', "no_position"),
        ('{"type":"Feature","geometry":{"type":"Point","coordinates":["a",1]},"properties":{}}', "no_position"),
        ('{"type":"Feature","geometry":{"type":"Point","coordinates":[0,95]},"properties":{}}', "out_of_range"),
        ('{"type":"Feature","geometry":{"type":"Point","coordinates":[0,5]},"properties":{"time":7}}', "bad_time"),
        ("[" * 100_000, "not_json"),
    ],
)
def test_a_bad_document_is_a_reject_and_a_good_line_after_it_is_kept(text: str, reason: str) -> None:
    out = in_steps(DetectionGeoJsonDecoder("sar"), text.encode())
    assert out.ledger.rejected == {reason: 1}
    if reason not in ("not_json",):
        more = in_steps(DetectionGeoJsonDecoder("sar"), f"{text}\n{FEATURE}\n".encode())
        assert more.ledger.messages == 1


def test_every_danish_column_with_a_meaning_is_kept() -> None:
    rows = [
        "31/12/2015 23:59:59,Class A,219000001,55.5,11.25,At anchor,,0,0,,9000001,OXAB,SKIB,Cargo,Category X,6,24,GPS,3.1,SKAGEN,02/01/2016 06:30:00,AIS,10,14,3,3",  # noqa: E501
        "31/12/2015 23:59:59,Class A,219000002,55.5,11.25,,,0,0,,Unknown,Unknown,,Tanker,No additional information,,,Undefined,,,32/01/2016 06:30:00,AIS,,,,",  # noqa: E501
        "31/12/2015 23:59:59,Class A,219000003,55.5,11.25,,,0,0,,,,X,Pilot,Category Y,,,Galileo,,,,AIS,,,,",
    ]
    out = in_steps(PositionTableDecoder("dma", layout="dma_csv"), "\n".join([DMA, *rows]).encode())
    one, two, three = out.table("statics").to_pylist()
    assert (one["ship_type"], one["fix_type"]) == (71, 1)
    assert [one[f"eta_{n}"] for n in ("month", "day", "hour", "minute")] == [1, 2, 6, 30]
    assert (two["ship_type"], two["fix_type"], two["eta_month"], two["imo"]) == (89, 0, None, None)
    assert (three["ship_type"], three["fix_type"]) == (50, 8)  # a pilot vessel carries no category of goods


def test_a_named_column_that_is_not_there_is_said() -> None:
    out = in_steps(PositionTableDecoder("s", columns=MAP | {"sog": "Spd"}), b"t,id,y,x\n2020-01-01T00:00:00,1,2,3\n")
    assert set(out.ledger.rejected) == {"bad_header"}
    assert "sog ('Spd')" in out.table("rejects")["detail"][0].as_py()


@pytest.mark.parametrize(("stated", "confidence", "sigma"), [(244.77, 0.95, 100.0), (117.74, 0.5, 100.0)])
def test_a_stated_confidence_becomes_one_sigma(stated: float, confidence: float, sigma: float) -> None:
    data = f"time,lat,lon,position_error_m\n2026-05-28T20:00:00Z,1,2,{stated}\n".encode()
    rows = in_steps(DetectionTableDecoder("x", confidence=confidence), data).table("observations")
    assert rows["cov_nn_m2"][0].as_py() ** 0.5 == pytest.approx(sigma, rel=1e-4)
    with pytest.raises(ConfigError):
        DetectionTableDecoder("x", confidence=95.0)


def test_a_stated_ellipse_is_turned_into_east_and_north() -> None:
    header = b"time,lat,lon,semi_major_m,semi_minor_m,orientation_deg,sigma_m\n"
    data = header + b"2026-05-28T20:00:00Z,1,2,3000,500,90,\n2026-05-28T20:00:00Z,1,2,3000,500,45,\n"
    data += b"2026-05-28T20:00:00Z,1,2,3000,,45,80\n"
    east, turned, circle = in_steps(DetectionTableDecoder("rf"), data).table("observations").to_pylist()
    assert (east["cov_ee_m2"], east["cov_nn_m2"]) == (pytest.approx(9e6), pytest.approx(25e4))
    assert turned["cov_en_m2"] == pytest.approx((9e6 - 25e4) / 2)
    assert (circle["cov_ee_m2"], circle["cov_nn_m2"]) == (pytest.approx(6400.0), pytest.approx(6400.0))
    properties = {"time": "2026-05-28T20:00:00Z", "semi_major_m": 3000, "semi_minor_m": 500, "orientation_deg": 45}
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [2, 1]}, "properties": properties}
    same = in_steps(DetectionGeoJsonDecoder("rf"), json.dumps(feature).encode()).table("observations").to_pylist()[0]
    assert same["cov_en_m2"] == pytest.approx(turned["cov_en_m2"])


def outline(coordinates: object, kind: str = "Polygon") -> bytes:
    properties = {"time": "2026-05-28T20:00:00Z", "image_id": "S1A"}
    geometry = {"type": kind, "coordinates": coordinates}
    return json.dumps({"type": "Feature", "geometry": geometry, "properties": properties}).encode()


RING = [[120, 20], [123, 20], [123, 22], [120, 22], [120, 20]]


def test_the_outline_of_an_image_is_a_footprint() -> None:
    out = in_steps(DetectionGeoJsonDecoder("sar"), outline([RING]) + b"\n" + FEATURE.encode())
    assert out.table("observations").num_rows == 1
    row = out.table("footprints").to_pylist()[0]
    assert (row["station"], json.loads(row["outline"])["coordinates"]) == ("S1A", [RING])
    assert out.ledger.messages == 2


@pytest.mark.parametrize("coordinates", [[], [RING[:-1]], [RING[:2]], [[["a", 1]] * 4], [[[0, 95]] * 4], "no", [None]])
def test_a_bad_outline_is_a_reject(coordinates: object) -> None:
    assert in_steps(DetectionGeoJsonDecoder("sar"), outline(coordinates)).ledger.rejected == {"bad_outline": 1}
    assert in_steps(DetectionGeoJsonDecoder("sar"), outline(coordinates, "MultiPolygon")).ledger.rejected == {
        "bad_outline": 1
    }
