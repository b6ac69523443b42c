"""Reference layers and norms: shore, places, GeoParquet, coverage learned from receptions, rare movement."""

from __future__ import annotations

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kuroshio import behaviour
from kuroshio.behaviour.archive import archive_fixes
from kuroshio.behaviour.fixes import from_positions
from kuroshio.behaviour.pack import make_pack, reproduce, verify_pack
from kuroshio.cli.main import app
from kuroshio.errors import ConfigError, InputError
from kuroshio.geo.earth import distance_m
from kuroshio.geo.shore import Shore

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
T0 = 1_700_006_400 * S
ALL = behaviour.load_definitions()


def land(ring, kind="land", name="Island"):
    return {
        "type": "Feature",
        "properties": {"name": name, "kind": kind},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }


def square(lon, lat, half):
    corners = [(-half, -half), (half, -half), (half, half), (-half, half), (-half, -half)]
    return [[lon + x, lat + y] for x, y in corners]


@pytest.mark.parametrize("centre", [(121.0, 20.0), (179.9, -10.0), (10.0, 70.0)])
def test_distance_to_shore_against_a_dense_walk_along_the_edge(rng, centre):
    lon0, lat0 = centre
    zones = behaviour.load_zones(land(square(lon0, lat0, 0.3)))
    shore = Shore.of(zones)
    assert shore is not None
    lat = lat0 + rng.uniform(-0.8, 0.8, 60)
    lon = (lon0 + rng.uniform(-0.8, 0.8, 60) + 180) % 360 - 180
    got = shore.distance_m(lat, lon, 60_000.0)
    side = np.linspace(-0.3, 0.3, 4001)
    edge = np.full(4001, 0.3)
    x, y = np.concatenate([side, side, edge, -edge]) + lon0, np.concatenate([edge, -edge, side, side]) + lat0
    for i in range(60):
        inside = max(abs((lon[i] - lon0 + 180) % 360 - 180), abs(lat[i] - lat0)) < 0.3
        truth = 0.0 if inside else min(60_000.0, float(distance_m(lat[i], lon[i], y, x).min()))
        assert got[i] == pytest.approx(truth, rel=0.01, abs=20.0)


def test_no_land_no_distance():
    assert Shore.of(None) is None
    assert Shore.of(behaviour.load_zones(land(square(1, 1, 1), "port", "P"))) is None


def places(tmp_path, text):
    path = tmp_path / "ports.csv"
    path.write_text(text, "utf-8")
    return path


def test_places_become_circles_of_three_kilometres(tmp_path):
    zones = behaviour.load_zones(places(tmp_path, "label,sublabel,latitude,longitude\nLOME,,6.1333,1.2833\n"))
    assert [(z.name, z.kind, z.zone_id) for z in zones.zones] == [("LOME", "port", "ports/0")]
    ring = zones.zones[0].parts[0][0]
    assert distance_m(6.1333, 1.2833, ring[:, 1], ring[:, 0]) == pytest.approx(3000, rel=0.002)
    with pytest.raises(ConfigError, match="place 0"):
        behaviour.load_zones(places(tmp_path, "label,latitude,longitude\nX,north,1\n"))


def test_world_port_index_as_it_is_published(shared_data):
    zones = behaviour.load_zones(shared_data / "gfw-anchorages")
    assert len(zones) > 3000
    assert any("LOME" in z.name for z in zones.at(6.1333, 1.2833))


def test_geoparquet_polygon_and_line(tmp_path):
    ring = np.asarray(square(121.0, 20.0, 0.1))
    polygon = struct.pack("<BIII", 1, 3, 1, len(ring)) + ring.astype("<f8").tobytes()
    line = struct.pack(">BII", 0, 2, 2) + np.asarray([[121.0, 20.0], [121.5, 20.0]], ">f8").tobytes()
    many = struct.pack("<BII", 1, 6, 1) + polygon
    table = pa.table(
        {
            "geometry": [polygon, line, many],
            "name": ["A", "C", "M"],
            "kind": ["reserve", "cable", "land"],
            "buffer_m": [None, 1852.0, None],
        }
    )
    meta = {b"geo": json.dumps({"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}).encode()}
    pq.write_table(table.replace_schema_metadata(meta), tmp_path / "layer.parquet")
    zones = behaviour.load_zones(tmp_path)
    assert {z.name for z in zones.at(20.05, 121.05)} == {"A", "M"}
    assert {z.name for z in zones.at(20.001, 121.4)} == {"C"}
    pq.write_table(table.set_column(0, "geometry", pa.array([b"\x01\x01\x00\x00\x00"] * 3)), tmp_path / "layer.parquet")
    with pytest.raises(ConfigError, match=r"layer\.parquet"):
        behaviour.load_zones(tmp_path)


def positions(mmsi, t, lat, lon, **more):
    n = len(t)
    return pa.table(
        {
            "mmsi": np.full(n, mmsi),
            "observed_at": pa.array(np.asarray(t, np.int64)).cast(pa.timestamp("us", tz="UTC")),
            "lat_deg": np.broadcast_to(np.asarray(lat, float), n),
            "lon_deg": np.broadcast_to(np.asarray(lon, float), n),
            "nav_status": np.zeros(n, np.int8),
            **more,
        }
    )


@pytest.mark.parametrize(("offshore_deg", "expected"), [(0.05, 0), (0.4, 1)])
def test_encounter_and_loitering_are_not_told_near_the_shore(offshore_deg, expected):
    zones = behaviour.load_zones(land(square(120.0, 20.0, 0.5)))
    t = T0 + np.arange(0, 8 * H, 2 * MIN)
    both = [positions(1, t, 20.0, 120.5 + offshore_deg), positions(2, t, 20.001, 120.5 + offshore_deg)]
    found = behaviour.detect(pa.concat_tables(both), ALL.only("encounter", "loitering"), zones=zones).to_pylist()
    kinds = [a["definition"] for a in found]
    assert kinds.count("encounter") == expected
    assert kinds.count("loitering") == 2 * expected
    for alert in found:
        values = json.loads(alert["evidence"])["values"]
        assert values["shore_distance_m"] == pytest.approx(offshore_deg * 104_600, rel=0.01)


def sea(hours, heard_every_h):
    """Ten ships in one cell, heard once in so many hours."""
    t = T0 + np.arange(0, hours, heard_every_h) * H
    return [positions(100 + k, t + k * MIN, 20.05, 121.05 + k * 0.01) for k in range(10)]


def test_coverage_tells_no_report_from_no_receiver():
    well, badly = (
        behaviour.build_norms(pa.concat_tables(sea(200, 1))),
        behaviour.build_norms(pa.concat_tables(sea(200, 5))),
    )
    place = [(20.05, 121.05)]
    assert well.p_heard(place, T0, 6 * 3600, False) > 0.999
    assert badly.p_heard(place, T0, 6 * 3600, False) == pytest.approx(1 - 0.8**5, abs=0.12)
    assert well.p_heard([(50.0, 0.0)], T0, 6 * 3600, False) is None
    assert well.p_heard(place, T0, 6 * 3600, True) is None
    t = T0 + np.arange(0, 12 * H, 30 * MIN)
    silent = pa.concat_tables([positions(7, np.append(t, t[-1] + 30 * H), 20.05, 121.05)])
    for norms, severity in ((well, "caution"), (badly, "caution"), (behaviour.build_norms(silent), "info")):
        (gap,) = behaviour.detect(silent, ALL.only("ais_gap"), norms=norms).to_pylist()
        assert gap["severity"] == severity
        assert json.loads(gap["evidence"])["values"]["norms_digest"] == norms.digest
    disabling = ALL.only("ais_disabling")
    assert behaviour.detect(silent, disabling, norms=well).num_rows == 1
    assert behaviour.detect(silent, disabling, norms=behaviour.build_norms(silent)).num_rows == 0


def test_rare_speed_is_told_where_enough_is_known(rng, tmp_path):
    n = 6000
    t = T0 + np.arange(n) * MIN
    lane = positions(1, t, 20.05, 121.05, sog_mps=rng.uniform(5, 7, n), cog_deg=rng.uniform(85, 95, n))
    norms = behaviour.build_norms(lane)
    only = ALL.only("speed_course_anomaly")
    t2 = T0 + np.arange(30) * MIN
    fast = positions(2, t2, 20.05, 121.05, sog_mps=np.full(30, 15.0), cog_deg=np.full(30, 90.0))
    usual = positions(3, t2, 20.05, 121.05, sog_mps=np.full(30, 6.0), cog_deg=np.full(30, 90.0))
    north = positions(4, t2, 20.05, 121.05, sog_mps=np.full(30, 6.0), cog_deg=np.full(30, 0.0))
    rows = pa.concat_tables([fast, usual, north])
    assert sorted(a["mmsis"][0] for a in behaviour.detect(rows, only, norms=norms).to_pylist()) == [2, 4]
    assert behaviour.detect(rows, only).num_rows == 0
    few = behaviour.build_norms(lane.slice(0, 4000))
    assert behaviour.detect(rows, only, norms=few).num_rows == 0
    norms.save(tmp_path / "n")
    again = behaviour.load_norms(tmp_path / "n")
    assert again.digest == norms.digest
    fixes = archive_fixes(rows)
    assert np.array_equal(again.rarity(fixes, 5000), norms.rarity(fixes, 5000), equal_nan=True)
    part = norms.part(np.asarray([20.05]), np.asarray([121.05]))
    assert np.array_equal(part.rarity(fixes, 5000), norms.rarity(fixes, 5000), equal_nan=True)
    (tmp_path / "n" / "norms.json").write_text("{}")
    with pytest.raises(InputError, match="not norms"):
        behaviour.load_norms(tmp_path / "n")


def test_norms_do_not_depend_on_the_order_of_rows(rng):
    rows = pa.concat_tables(sea(50, 2))
    assert behaviour.build_norms(rows).digest == behaviour.build_norms(rows.take(rng.permutation(rows.num_rows))).digest


def test_build_and_use_norms_by_command(tmp_path):
    pq.write_table(pa.concat_tables(sea(100, 1)), tmp_path / "p.parquet")
    run = CliRunner().invoke(app, ["norms", "build", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "n"), "--json"])
    told = json.loads(run.stdout)
    assert told["coverage_rows"] == 24
    arguments = [
        "detect",
        str(tmp_path / "p.parquet"),
        "-o",
        str(tmp_path / "a"),
        "--norms",
        str(tmp_path / "n"),
        "--json",
    ]
    assert json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)["rows"] == 1000


def test_size_and_type_part_the_histograms():
    fixes = from_positions(
        positions(1, T0 + np.arange(2) * MIN, 20.0, 121.0, ship_type=[30, 80]), np.zeros(2, np.int64)
    )
    from kuroshio.behaviour.norms import traffic_keys

    keys = traffic_keys(fixes.lat, fixes.lon, fixes.ship_type, np.asarray([np.nan, 120.0]))
    assert keys[1] - keys[0] == (8 - 3) * 5 + 3


def test_packs_hold_the_land_and_the_norms_an_alert_rests_on(tmp_path):
    far = land(square(-40.0, 20.0, 0.5), name="Elsewhere")
    zones = behaviour.load_zones({"type": "FeatureCollection", "features": [land(square(120.0, 20.0, 0.5)), far]})
    norms = behaviour.build_norms(pa.concat_tables(sea(200, 1)))
    t = T0 + np.arange(0, 14 * H, 10 * MIN)
    rows = positions(7, np.append(t, t[-1] + 20 * H), 20.05, 121.05)
    for name in ("ais_gap", "loitering"):
        (alert,) = behaviour.detect(rows, ALL.only(name), zones=zones, norms=norms).to_pylist()
        make_pack(tmp_path / "a.pack", alert, rows, ALL, zones=zones, norms=norms)
        body = verify_pack(tmp_path / "a.pack")
        assert [f["properties"]["name"] for f in json.loads(body["zones.geojson"])["features"]] == ["Island"]
        assert ("coverage.arrow" in body) == (name == "ais_gap")
        assert reproduce(tmp_path / "a.pack")["alert_id"] == alert["alert_id"]


def test_statics_are_put_beside_positions_and_a_tug_is_left_out_of_encounters(tmp_path):
    t = T0 + MIN * np.arange(180)
    both = {"mmsi": np.repeat([412000001, 412000002], 180), "observed_at": np.tile(t, 2)}
    positions = pa.table({**both, "lat_deg": np.repeat([20.0, 20.0005], 180), "lon_deg": np.full(360, 121.0)})
    tug = {"mmsi": [412000002] * 2, "observed_at": [T0 + 10 * MIN, T0 + 90 * MIN], "ship_type": [52, 70]}
    statics = pa.table({**tug, "name": ["A", None], "to_bow_m": [20, 20], "to_stern_m": [10, 15]})
    joined = behaviour.with_statics(positions, statics)
    mine = joined.filter(pa.compute.equal(joined["mmsi"], 412000002))
    assert mine["ship_type"].to_pylist() == [52] * 90 + [70] * 90  # before the first, the first
    assert set(mine["name"].to_pylist()) == {"A"}
    assert mine["length_m"].to_pylist() == [30.0] * 90 + [35.0] * 90
    assert joined.filter(pa.compute.equal(joined["mmsi"], 412000001))["ship_type"].null_count == 180
    assert behaviour.with_statics(joined, statics).column_names == joined.column_names
    for name, table in (("p", positions), ("s", statics.slice(0, 1))):
        at = table.column_names.index("observed_at")
        pq.write_table(
            table.set_column(at, "observed_at", table["observed_at"].cast(pa.timestamp("us", tz="UTC"))),
            tmp_path / f"{name}.parquet",
        )
    for files, expected in ((["p"], 1), (["p", "s"], 0)):
        paths = [str(tmp_path / f"{n}.parquet") for n in files]
        run = CliRunner().invoke(
            app, ["detect", *paths, "--only", "encounter_short", "-o", str(tmp_path / "out"), "--json"]
        )
        assert run.exit_code == 0, run.output
        assert json.loads(run.stdout)["alerts"] == expected
    run = CliRunner().invoke(app, ["detect", str(tmp_path / "s.parquet"), "-o", str(tmp_path / "out")])
    assert run.exit_code != 0
    assert "lat_deg" in str(run.exception)


def test_a_coarse_shore_line_says_so_and_is_believed(rng):
    t = T0 + MIN * np.arange(20)
    spot = {"mmsi": np.full(20, 412000001), "observed_at": t, "lat_deg": np.full(20, 20.0)}
    inland = pa.table({**spot, "lon_deg": np.full(20, 121.0 - 0.01)})  # some 1,050 m inside
    for error, expected in ((0.0, 1), (500.0, 1), (2_000.0, 0)):
        shape = land(square(120.9, 20.0, 0.1))
        shape["properties"]["accuracy_m"] = error
        found = behaviour.detect(inland, ALL.only("position_on_land"), zones=behaviour.load_zones(shape)).to_pylist()
        assert len(found) == expected
        for alert in found:
            values = json.loads(alert["evidence"])["values"]
            assert values["shore_accuracy_m"] == error
            assert values["depth_m"] == pytest.approx(1046.0 - error, abs=15)
    shape["properties"]["accuracy_m"] = -1
    with pytest.raises(ConfigError, match="accuracy_m"):
        behaviour.load_zones(shape)


@pytest.mark.parametrize("error", [0.0, 300.0])
@pytest.mark.parametrize("inland_m", [600.0, 5_000.0, 9_900.0, 40_000.0])
def test_what_is_said_of_a_depth_is_never_more_than_it_is(inland_m, error):
    t = T0 + MIN * np.arange(20)
    east = 122.0 - inland_m / (111_320.0 * np.cos(np.radians(20.5)))
    spot = {"mmsi": np.full(20, 412000001), "observed_at": t, "lat_deg": np.full(20, 20.5)}
    shape = land(square(121.0, 20.0, 1.0))
    shape["properties"]["accuracy_m"] = error
    zones = behaviour.load_zones(shape)
    rows = pa.table({**spot, "lon_deg": np.full(20, east)})
    (alert,) = behaviour.detect(rows, ALL.only("position_on_land"), zones=zones).to_pylist()
    told = json.loads(alert["evidence"])["values"]["depth_m"]
    assert told == pytest.approx(min(inland_m - error, 50 * 200.0), rel=0.01)
    assert alert["summary"].startswith(f"Claims a position at least {told / 1852.0:.1f} nm inland")


def test_buoys_of_fishing_gear_meet_nobody_and_do_not_loiter():
    t = T0 + 5 * MIN * np.arange(72)
    for other, expected in ((412000002, {"encounter", "loitering"}), (941203527, {"loitering"})):
        both = {"mmsi": np.repeat([412000001, other], 72), "observed_at": np.tile(t, 2)}
        rows = pa.table({**both, "lat_deg": np.repeat([20.0, 20.0005], 72), "lon_deg": np.full(144, 121.0)})
        found = behaviour.detect(rows, ALL.only("encounter", "loitering")).to_pylist()
        assert {a["definition"] for a in found} == expected
        assert other == 412000002 or not any(other in a["mmsis"] for a in found)


def test_a_beginning_of_numbers_may_be_given_as_a_number(tmp_path):
    (tmp_path / "u.yaml").write_text("id: loitering\nthresholds: {exclude_mmsi_prefixes: [412]}")
    only = behaviour.load_definitions(tmp_path / "u.yaml").only("loitering")
    columns = {"mmsi": np.repeat([412000001, 431000001], 72), "observed_at": np.tile(T0 + 5 * MIN * np.arange(72), 2)}
    rows = pa.table({**columns, "lat_deg": np.repeat([20.0, 21.0], 72), "lon_deg": np.full(144, 121.0)})
    assert [a["mmsis"] for a in behaviour.detect(rows, only).to_pylist()] == [[431000001]]


def test_many_that_fall_silent_in_one_hour_point_at_the_receivers(tmp_path):
    t = T0 + 5 * MIN * np.arange(24)

    def sea_of(silent, heard):
        ships = [positions(1 + k, t[t < T0 + H], 20.0, 121.0 + 0.1 * k) for k in range(silent)]
        ships += [positions(500 + k, T0 + 30 * MIN * np.arange(19), 21.0, 121.0 + 0.1 * k) for k in range(heard)]
        return pa.concat_tables(ships)

    for silent, heard, expected in ((30, 10, [(30, 40)]), (30, 200, []), (10, 5, [])):
        table = sea_of(silent, heard)
        at = table.column_names.index("observed_at")
        times = table["observed_at"].cast(pa.int64()).cast(pa.timestamp("us", tz="UTC"))
        pq.write_table(table.set_column(at, "observed_at", times), tmp_path / "p.parquet")
        words = ["detect", str(tmp_path / "p.parquet"), "-o", str(tmp_path / "out")]
        own = tmp_path / "own.yaml"
        own.write_text("id: ais_gap\nthresholds: {min_reports: 10}\n")
        words += ["--definitions", str(own), "--only", "ais_gap"]
        told = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
        assert [(m["silent"], m["heard"]) for m in told["mass_silences"]] == expected
        plain = CliRunner().invoke(app, words, catch_exceptions=False).output
        assert ("rather the receivers" in " ".join(plain.split())) == bool(expected)


def test_a_silence_in_port_is_of_information_only_and_its_pack_comes_out_the_same(tmp_path):
    t = T0 + 5 * MIN * np.arange(30)
    zones = behaviour.load_zones(land(square(121.0, 20.0, 0.05), kind="port", name="Basco"))
    for lon, severity in ((121.0, "info"), (121.2, "caution")):
        rows = positions(1, np.append(t, t[-1] + 9 * H), 20.0, lon)
        (gap,) = behaviour.detect(rows, ALL.only("ais_gap"), zones=zones).to_pylist()
        assert gap["severity"] == severity
        assert json.loads(gap["evidence"])["values"].get("in_port") == ("Basco" if severity == "info" else None)
        make_pack(tmp_path / "gap", gap, rows, ALL, zones=zones)
        assert reproduce(tmp_path / "gap")["severity"] == severity


def test_what_no_longer_holds_excludes_and_excuses_nothing():
    """A port that was closed before the silence does not excuse it, and left-out zones leave out while they hold."""
    t = T0 + 5 * MIN * np.arange(30)
    rows = positions(1, np.append(t, t[-1] + 9 * H), 20.0, 121.0)
    port = land(square(121.0, 20.0, 0.05), kind="port", name="Basco")
    for until, severity in (("2020-01-01T00:00:00Z", "caution"), ("2040-01-01T00:00:00Z", "info")):
        port["properties"]["valid_to"] = until
        (gap,) = behaviour.detect(rows, ALL.only("ais_gap"), zones=behaviour.load_zones(port)).to_pylist()
        assert gap["severity"] == severity
