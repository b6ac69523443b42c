"""The first behaviours end to end: planted ships, alerts expected, thresholds on both sides."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from kuroshio import behaviour, schema
from kuroshio.errors import ConfigError, InputError, StoreError

S, MIN, H = 1_000_000, 60_000_000, 3_600_000_000
T0 = 1_700_000_000 * S // (600 * S) * 600 * S


def ship(track, times, lat, lon, *, mmsi=None, ais=True, radar=False, status="confirmed", flags=None):
    t = np.asarray(times, np.int64)
    n = len(t)
    return schema.TRACKS.build(
        {
            "track_id": np.full(n, track),
            "observed_at": t,
            "lat_deg": np.broadcast_to(np.asarray(lat, float), n).copy(),
            "lon_deg": np.broadcast_to(np.asarray(lon, float), n).copy(),
            "status": [status] * n,
            "mmsi": pa.nulls(n, pa.int64()) if mmsi is None else np.full(n, mmsi),
            "flags": [flags] * n,
            "last_ais_at": t if ais else pa.nulls(n, pa.int64()),
            "last_radar_at": t if radar else pa.nulls(n, pa.int64()),
        }
    )


def every(step, start, end):
    return np.arange(T0 + start, T0 + end + 1, step, dtype=np.int64)


def found(tables, definitions, *, now=None, zones=None):
    engine = behaviour.Engine(definitions, zones=zones, lateness_s=0)
    rows = schema.concat(schema.TRACKS, tables)
    end = int(np.max(rows["observed_at"].cast("int64").to_numpy()))
    out = engine.step(rows, now_us=end + 1 if now is None else now)
    return behaviour.fold(out).to_pylist()


ALL = behaviour.load_definitions()


def test_gap_opens_when_the_silence_is_long_enough_and_closes_on_the_next_report():
    only = ALL.only("ais_gap")
    heard = ship(1, every(10 * MIN, 0, 4 * H), 20.0, 121.0, mmsi=412000001)
    assert found([heard], only, now=T0 + 10 * H - MIN) == []
    (alert,) = found([heard], only, now=T0 + 10 * H + MIN)
    assert alert["end_at"] is None
    assert alert["mmsis"] == [412000001]
    back = ship(1, [T0 + 12 * H], 20.5, 121.0, mmsi=412000001)
    (alert,) = found([heard, back], only)
    evidence = json.loads(alert["evidence"])
    assert alert["definition"] == "ais_gap"
    assert evidence["values"]["silence_s"] == 8 * 3600
    silence = next(t for t in evidence["thresholds"] if t["name"] == "silence_s")
    assert silence["margin"] == 2 * 3600
    assert alert["summary"].startswith("AIS silent for 8.0 h")


def test_no_gap_for_a_ship_that_was_hardly_heard():
    rare = ship(1, every(2 * H, 0, 8 * H), 20.0, 121.0, mmsi=1)
    assert found([rare, ship(1, [T0 + 20 * H], 20.0, 121.0, mmsi=1)], ALL.only("ais_gap")) == []


def test_a_new_track_of_the_same_mmsi_ends_the_silence_of_an_ended_one_if_it_could_sail_there():
    only = ALL.only("ais_gap")
    first = ship(1, every(10 * MIN, 0, 4 * H), 20.0, 121.0, mmsi=7)
    end = ship(1, [T0 + 4 * H + 10 * MIN], 20.0, 121.0, mmsi=7, ais=False, status="ended")
    (alert,) = found([first, end, ship(2, [T0 + 12 * H], 20.5, 121.0, mmsi=7)], only)
    assert alert["end_at"] is not None
    assert "track 2" in json.loads(alert["evidence"])["notes"][0]
    (alert,) = found([first, end, ship(2, [T0 + 12 * H], 50.5, -121.0, mmsi=7)], only)
    assert alert["end_at"] is None


def test_dark_vessel_is_raised_by_radar_without_ais_and_ended_by_ais():
    only = ALL.only("dark_vessel")
    lat = 20.0 + np.arange(61) * 1e-3
    radar = ship(5, every(10 * S, 0, 600 * S), lat, 121.0, ais=False, radar=True)
    (alert,) = found([radar], only)
    assert alert["severity"] == "warning"
    assert alert["end_at"] is None
    assert alert["track_ids"] == [5]
    claims = ship(5, every(10 * S, 610 * S, 640 * S), 20.061, 121.0, mmsi=9, radar=True)
    (alert,) = found([radar, claims], only)
    assert alert["end_at"] is not None
    both = ship(6, every(10 * S, 0, 600 * S), lat, 121.0, mmsi=3, radar=True)
    assert found([both], only) == []


@pytest.mark.parametrize(("flags", "expected"), [(None, 1), (0, 0), (1, 1)])
def test_dark_vessel_needs_the_flag_where_the_picture_gives_flags(flags, expected):
    """Radar beyond the reach of our AIS receivers sees many silent ships: no sensor is not no AIS."""
    radar = ship(5, every(10 * S, 0, 600 * S), 20.0, 121.0, ais=False, radar=True, flags=flags)
    assert len(found([radar], ALL.only("dark_vessel"))) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(119, 0), (125, 1)])
def test_encounter_takes_two_hours(minutes, expected):
    t = every(2 * MIN, 0, 6 * H)
    near = (t >= T0 + H) & (t <= T0 + H + minutes * MIN)
    a = ship(1, t, 20.0, 121.0, mmsi=11)
    b = ship(2, t, 20.0, np.where(near, 121.002, 121.2), mmsi=12)
    alerts = found([a, b], ALL.only("encounter"))
    assert len(alerts) == expected
    if alerts:
        evidence = json.loads(alerts[0]["evidence"])
        assert evidence["values"]["min_distance_m"] == pytest.approx(209, abs=3)
        assert alerts[0]["track_ids"] == [1, 2]


def test_encounter_not_with_a_passer_by_nor_for_fast_ships():
    t = every(MIN, 0, 4 * H)
    fast = 121.0 + np.arange(len(t)) * 0.003
    assert found([ship(1, t, 20.0, fast), ship(2, t, 20.002, fast)], ALL.only("encounter")) == []


def test_loitering_four_hours_but_not_at_anchor():
    t = every(5 * MIN, 0, 8 * H)
    angle = np.arange(len(t)) * 0.2
    lat, lon = 20 + 0.002 * np.sin(angle), 121 + 0.002 * np.cos(angle)
    rows = ship(1, t, lat, lon, mmsi=1)
    (alert,) = found([rows], ALL.only("loitering"))
    values = json.loads(alert["evidence"])["values"]
    assert values["mean_speed_mps"] < 1.03
    i = rows.schema.get_field_index("nav_status")
    anchored = rows.set_column(i, rows.schema.field(i), pa.array([1] * len(t), pa.int16()))
    assert found([anchored], ALL.only("loitering")) == []
    moving = ship(1, t, 20 + np.arange(len(t)) * 0.01, 121.0)
    assert found([moving], ALL.only("loitering")) == []


SQUARE = {
    "type": "Feature",
    "properties": {"name": "Reserve", "kind": "reserve"},
    "geometry": {"type": "Polygon", "coordinates": [[[121, 20], [122, 20], [122, 21], [121, 21], [121, 20]]]},
}


def test_zone_entry_and_exit_at_the_exact_crossing():
    zones = behaviour.load_zones(SQUARE)
    t = every(2 * MIN, 0, 4 * H)
    lon = 120.5 + (t - T0) / H * 0.6  # crosses 121 after 50 min, 122 after 150 min
    entry, leave = found([ship(1, t, 20.5, lon, mmsi=1)], ALL.only("zone_entry", "zone_exit"), zones=zones)
    assert entry["definition"] == "zone_entry"
    assert abs(entry["start_at"].timestamp() * S - (T0 + 50 * MIN)) < S
    assert abs(entry["end_at"].timestamp() * S - (T0 + 150 * MIN)) < S
    assert leave["start_at"] == leave["end_at"] == entry["end_at"]
    assert entry["zone"] == "Reserve"


def test_zone_first_seen_inside_says_so_and_a_short_touch_is_none():
    zones = behaviour.load_zones(SQUARE)
    only = ALL.only("zone_entry")
    (alert,) = found([ship(1, every(2 * MIN, 0, H), 20.5, 121.5)], only, zones=zones)
    assert json.loads(alert["evidence"])["values"]["entry_seen"] == "no"
    t = every(MIN, 0, 10 * MIN)
    lon = np.where((t - T0) == 5 * MIN, 121.0005, 120.999)
    assert found([ship(1, t, 20.5, lon)], only, zones=zones) == []


def test_provisional_then_confirmed_then_final_and_void_by_late_data():
    engine = behaviour.Engine(ALL.only("dark_vessel"), lateness_s=300, repair_s=3600)
    radar = ship(5, every(10 * S, 0, 200 * S), 20.0, 121.0, ais=False, radar=True)
    rows = engine.step(radar, now_us=T0 + 201 * S).to_pylist()
    assert [(r["change"], r["grade"]) for r in rows] == [("open", "provisional")]
    rows = engine.step(schema.TRACKS.empty(), now_us=T0 + 600 * S).to_pylist()
    assert [(r["change"], r["grade"]) for r in rows] == [("revise", "confirmed")]
    late = ship(5, every(10 * S, 1, 200 * S), 20.0, 121.0, mmsi=4, radar=True)
    rows = engine.step(late, now_us=T0 + 610 * S).to_pylist()
    assert [r["change"] for r in rows] == ["void"]
    assert "later" in json.loads(rows[0]["evidence"])["void_because"]
    assert engine.health()["late_rows"] == late.num_rows


def test_alert_becomes_final_beyond_the_repair_horizon():
    engine = behaviour.Engine(ALL.only("dark_vessel"), lateness_s=0, repair_s=3600)
    engine.step(ship(5, every(10 * S, 0, 600 * S), 20.0, 121.0, ais=False, radar=True), now_us=T0 + 601 * S)
    seen = [engine.step(schema.TRACKS.empty(), now_us=T0 + k * 10 * MIN).to_pylist() for k in range(2, 20)]
    rows = [(r["change"], r["grade"]) for rows in seen for r in rows]
    assert rows == [("close", "confirmed"), ("revise", "final")]


def test_checkpoint_goes_on_where_it_stopped_and_refuses_other_definitions(tmp_path):
    tables = [
        ship(5, every(10 * S, k * 300 * S, k * 300 * S + 290 * S), 20.0, 121.0, ais=False, radar=True) for k in range(6)
    ]
    whole, parts = behaviour.Engine(ALL), behaviour.Engine(ALL)
    expected, got = [], []
    for k, rows in enumerate(tables):
        now = T0 + (k + 1) * 300 * S
        expected += whole.step(rows, now_us=now).to_pylist()
        got += parts.step(rows, now_us=now).to_pylist()
        parts.save(tmp_path / "state.arrow")
        parts = behaviour.Engine(ALL)
        parts.load(tmp_path / "state.arrow")
    assert expected
    assert got == expected
    with pytest.raises(StoreError, match="other definitions"):
        behaviour.Engine(ALL.only("ais_gap")).load(tmp_path / "state.arrow")
    (tmp_path / "bad").write_bytes(b"nothing")
    with pytest.raises(StoreError, match="not a checkpoint"):
        parts.load(tmp_path / "bad")


def test_columns_missing_are_named():
    with pytest.raises(InputError, match="lat_deg"):
        behaviour.Engine(ALL).step(pa.table({"track_id": [1]}), now_us=0)
    with pytest.raises(InputError, match="mmsi"):
        behaviour.detect(pa.table({"x": [1]}), ALL)


def test_unknown_definition_is_named():
    with pytest.raises(ConfigError, match="nonsense"):
        ALL.only("nonsense")


def moving(track, times, sog, **more):
    rows = ship(track, times, 20.0 + np.arange(len(times)) * 1e-4, 121.0, mmsi=track)
    for name, values in ({"sog_mps": sog} | more).items():
        i = rows.schema.get_field_index(name)
        rows = rows.set_column(i, rows.schema.field(i), pa.array(values, rows.schema.field(i).type))
    return rows


def test_sudden_stop_and_not_a_slow_one():
    t = every(10 * S, 0, 20 * MIN)
    fast = np.where(t < T0 + 10 * MIN, 6.0, 0.1)
    (alert,) = found([moving(1, t, fast)], ALL.only("sudden_stop"))
    assert json.loads(alert["evidence"])["values"]["speed_after_mps"] == pytest.approx(0.1)
    slowly = np.clip(6.0 - np.maximum(0, t - T0 - 5 * MIN) / S * 0.02, 0.1, None)
    assert found([moving(1, t, slowly)], ALL.only("sudden_stop")) == []


def test_distress_beacon_is_an_alarm_and_its_test_is_not():
    t = every(30 * S, 0, 5 * MIN)
    beacon = ship(4, t, 20.0, 121.0, mmsi=970_123_456)
    (alert,) = found([beacon], ALL.only("distress"))
    assert alert["severity"] == "alarm"
    i = beacon.schema.get_field_index("nav_status")
    testing = beacon.set_column(i, beacon.schema.field(i), pa.array([15] * len(t), pa.int16()))
    assert found([testing], ALL.only("distress")) == []


def test_one_mmsi_at_two_places_and_one_bad_step():
    t = every(MIN, 0, 3 * H)
    here, there = ship(1, t, 20.0, 121.0, mmsi=7), ship(2, t + 30 * S, 25.0, 130.0, mmsi=7)
    only = ALL.only("identity_duplicated", "impossible_kinematics")
    kinds = sorted(a["definition"] for a in found([here, there], only))
    assert kinds == ["identity_duplicated", "impossible_kinematics"]
    once = ship(2, [T0 + 90 * MIN + 30 * S], 25.0, 130.0, mmsi=7)
    assert [a["definition"] for a in found([here, once], only)] == ["impossible_kinematics"]


def test_identity_changed_on_one_track():
    t = every(MIN, 0, H)
    rows = ship(1, t, 20.0, 121.0, mmsi=7)
    i = rows.schema.get_field_index("name")
    names = ["KAIYO" if k < 30 else "MARU" for k in range(len(t))]
    renamed = rows.set_column(i, rows.schema.field(i), pa.array(names))
    (alert,) = found([renamed], ALL.only("identity_changed"))
    assert alert["start_at"].timestamp() * S == t[30]
    assert "name" in alert["summary"]


def test_circle_of_positions_is_spoofing_and_a_swinging_anchor_is_not():
    t = every(30 * S, 0, 60 * MIN)
    angle = np.arange(len(t)) * 2 * np.pi / 15
    circle = ship(1, t, 20 + 0.009 * np.sin(angle), 121 + 0.0096 * np.cos(angle), mmsi=1)
    i = circle.schema.get_field_index("sog_mps")
    slow = circle.set_column(i, circle.schema.field(i), pa.array(np.full(len(t), 0.2)))
    true = circle.set_column(i, circle.schema.field(i), pa.array(np.full(len(t), 14.0)))
    (alert,) = found([slow], ALL.only("circle_spoofing"))
    assert json.loads(alert["evidence"])["values"]["radius_m"] == pytest.approx(1000, rel=0.05)
    assert found([true], ALL.only("circle_spoofing")) == []


def test_collision_risk_is_off_until_set_on_and_told_once():
    t = every(MIN, 0, 30 * MIN)
    east = moving(
        1,
        t,
        np.full(len(t), 5.0),
        cog_deg=np.full(len(t), 90.0),
        lat_deg=np.full(len(t), 20.0),
        lon_deg=121 + (t - T0) / S * 5 / 104_600,
    )
    west = moving(
        2,
        t,
        np.full(len(t), 5.0),
        cog_deg=np.full(len(t), 270.0),
        lat_deg=np.full(len(t), 20.001),
        lon_deg=121.1 - (t - T0) / S * 5 / 104_600,
    )
    assert not ALL["collision_risk"].enabled
    (alert,) = found([east, west], ALL.only("collision_risk"))
    values = json.loads(alert["evidence"])["values"]
    assert values["cpa_m"] == pytest.approx(110.6, rel=0.02)
    assert values["tcpa_s"] <= 1200
    assert alert["end_at"] is not None


@pytest.mark.parametrize(("sog_mps", "told"), [(0.05, 0), (0.2057, 0), (0.2572, 1)])
def test_two_ships_that_lie_still_are_no_collision_risk_and_one_that_drags_to_the_other_is(sog_mps, told):
    t = every(MIN, 0, 10 * MIN)
    n, way = len(t), sog_mps * (t - T0) / S / 104_600
    where = {"cog_deg": np.full(n, 90.0), "lat_deg": np.full(n, 20.0)}
    drags = moving(1, t, np.full(n, sog_mps), lon_deg=121 + way, **where)
    lies = moving(2, t, np.full(n, 0.0), lon_deg=np.full(n, 121.002), **where)
    assert len(found([drags, lies], ALL.only("collision_risk"))) == told
