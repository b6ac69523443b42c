"""What people and registers say of tracks, over a restart; where radars are blind; and the story of a track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import ConfigError
from kuroshio.geo.zones import load_zones
from kuroshio.node import assemble
from kuroshio.node import config as node_config
from kuroshio.picture import SensorModel, Tracker, contradictions, flag_of, load_registries
from kuroshio.picture.pdmap import PdMap, sight_ranges_m
from kuroshio.picture.why import story_of
from kuroshio.schema import FLAG_UNCORROBORATED, OBSERVATIONS, STATICS
from kuroshio.sensing.ais import encode, unarmour, unpack

T0 = 1_700_000_000_000_000
M = 1.0 / 111_000.0
TYPE_1 = b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*7F"


def payload_of(sentence: bytes) -> tuple[int, int]:
    fields = sentence.split(b",")
    return unarmour(fields[5], int(fields[6][:1]))


def now(seconds: float) -> int:
    return T0 + int(seconds * 1e6)


def ship(mmsi: int, t_s: np.ndarray, lon: float = 122.0) -> pa.Table:
    n = len(t_s)
    return OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + mmsi * 100_000 + (t_s * 10).astype(np.int64),
            "observed_at": (T0 + (t_s * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": ["ais"] * n,
            "sensor": ["ais"] * n,
            "lat_deg": 20.0 + 5.0 * t_s * M,
            "lon_deg": np.full(n, lon),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0),
            "cog_deg": np.zeros(n),
            "mmsi": np.full(n, mmsi),
        }
    )


def both(a: float, b: float) -> pa.Table:
    t = np.arange(a, b, 10.0)
    return pa.concat_tables([ship(1001, t), ship(1002, t, 122.1)])


def statics(mmsi: int, name: str) -> pa.Table:
    return STATICS.from_rows(
        [{"observed_at": None, "source": "ais", "msg_type": 5, "mmsi": mmsi, "name": name, "imo": 9074728}]
    )


def rows_of(tracker: Tracker, at_s: float) -> dict[int, dict[str, Any]]:
    return {row["track_id"]: row for row in tracker.snapshot(now(at_s)).to_pylist()}


def two() -> Tracker:
    tracker = Tracker()
    tracker.step(both(0, 100), now_us=now(100))
    return tracker


def restarted(tracker: Tracker, folder: Path) -> Tracker:
    tracker.save(folder / "state")
    return Tracker.load(folder / "state")


ACTS: list[tuple[str, dict[str, Any]]] = [
    ("merge", {"track_ids": [1, 2]}),
    ("split", {"track_id": 1}),
    ("correlate", {"track_id": 1, "mmsi": 1009}),
    ("decorrelate", {"track_id": 1}),
    ("name", {"track_id": 1, "name": "BLUE HULL"}),
    ("classify", {"track_id": 1, "ship_type": 30}),
    ("drop", {"track_id": 1}),
]


@pytest.mark.parametrize(("action", "arguments"), ACTS)
def test_every_action_can_be_undone_after_a_restart(tmp_path: Path, action: str, arguments: dict[str, Any]) -> None:
    tracker = two()
    before = rows_of(tracker, 100)
    tracker.operate(action, arguments, "lt.reyes", now(100))
    tracker = restarted(tracker, tmp_path)
    done = rows_of(tracker, 100)
    assert done != before
    tracker.operate("undo", {"operation": 1}, "lt.cruz", now(100))
    assert tracker.desk.records[0]["undone_by"] == 2
    after = rows_of(restarted(tracker, tmp_path), 100)
    keep = ("track_id", "lat_deg", "cov_ee_m2", "mmsi", "name", "ship_type", "p_identity", "hits")
    assert {k: [r[c] for c in keep] for k, r in after.items()} == {k: [r[c] for c in keep] for k, r in before.items()}


@pytest.mark.parametrize("restart", [False, True])
def test_automation_does_not_undo_a_person(tmp_path: Path, restart: bool) -> None:
    tracker = two()
    tracker.operate("name", {"track_id": 1, "name": "BLUE HULL"}, "lt.reyes", now(100))
    tracker.operate("drop", {"track_id": 2}, "lt.reyes", now(100))
    if restart:
        tracker = restarted(tracker, tmp_path)
    tracker.step(both(100, 200), now_us=now(200), statics=statics(1001, "OTHER"))
    tracker.step(both(200, 210), now_us=now(220))
    rows = rows_of(tracker, 220)
    assert {r["mmsi"]: r["name"] for r in rows.values()} == {1001: "BLUE HULL"}
    assert rows[1]["imo"] == 9074728  # what the ship says beside its name is still heard
    assert tracker.totals["of_dropped_ships"] > 0
    tracker.operate("undo", {"operation": 2}, "lt.reyes", now(220))
    tracker.step(both(230, 240), now_us=now(250))
    assert {r["mmsi"] for r in rows_of(tracker, 250).values()} == {1001, 1002}


def test_two_merged_names_stay_one_ship(tmp_path: Path) -> None:
    tracker = Tracker()
    t = np.arange(0, 100, 10.0)
    tracker.step(pa.concat_tables([ship(1001, t), ship(1002, t + 3, 122.0005)]), now_us=now(100))
    tracker.operate("merge", {"track_ids": [1, 2]}, "lt.reyes", now(100))
    tracker = restarted(tracker, tmp_path)
    t = np.arange(105, 300, 10.0)
    tracker.step(pa.concat_tables([ship(1001, t), ship(1002, t + 3, 122.0005)]), now_us=now(303))
    assert set(rows_of(tracker, 303)) == {1}


def test_registers_fill_in_and_contradict(tmp_path: Path) -> None:
    (tmp_path / "ships.csv").write_text(
        "mmsi,imo,name,call_sign,flag,length_m,ship_type,source,valid_from,valid_to\n"
        "1001,,SEA STAR,DUXX,PHL,120,70,coast guard register,2020-01-01T00:00:00Z,\n"
    )
    registry = load_registries([tmp_path / "ships.csv"])
    tracker = Tracker(registry=registry)
    row = tracker.step(ship(1001, np.arange(0, 30, 10.0)), now_us=now(30)).tracks.to_pylist()[-1]
    assert (row["name"], row["ship_class"], row["length_m"]) == ("SEA STAR", "cargo", 120.0)
    tracker.step(OBSERVATIONS.empty(), now_us=now(40), statics=statics(1001, "OTHER"))
    row = rows_of(tracker, 40)[1]
    odd = {o["claim"]: o["text"] for o in contradictions(row, registry.entries(1001, None, now(40)))}
    assert "claims name OTHER, coast guard register has SEA STAR" in odd["name"]
    assert "check digit" in odd["imo"]
    told = {(c["claim"], c["source"]): c["value"] for c in tracker.book.sources(1001, now(40))}
    assert told["name", "ais"] == "OTHER"
    assert told["name", "coast guard register"] == "SEA STAR"
    (tmp_path / "bad.csv").write_text("name,source\nX,Y\n")
    with pytest.raises(ConfigError):
        load_registries([tmp_path / "bad.csv"])


@pytest.mark.parametrize(
    ("mmsi", "flag"),
    [(548123456, "PHL"), (431000001, "JPN"), (303000001, "USA"), (982110001, "DEU"), (111503001, "AUS"),
     (200000001, None), (2_000_000_000, None), (None, None)],
)  # fmt: skip
def test_flag_of_an_mmsi(mmsi: int | None, flag: str | None) -> None:
    assert flag_of(mmsi) == flag


def test_a_radar_is_blind_where_it_never_sees_and_over_land() -> None:
    model = SensorModel("r", "radar", 20.0, 122.0, 32_000.0)
    chart = PdMap()
    assert np.allclose(chart.pd(0.9), 0.9)
    chart.tried[9] = 600.0  # the sector to the east: nothing seen
    pd = chart.pd(0.9)
    assert (pd[9] < 0.1).all()
    assert np.allclose(np.delete(pd, 9, axis=0), 0.9)
    assert len(chart.outline(model)) == 35
    box = [[121.0, 20.0], [123.0, 20.0], [123.0, 21.0], [121.0, 21.0], [121.0, 20.0]]
    feature = {"type": "Feature", "properties": {"name": "isle", "kind": "land"},
               "geometry": {"type": "Polygon", "coordinates": [box]}}  # fmt: skip
    chart.mask(model, load_zones({"type": "FeatureCollection", "features": [feature]}))
    assert chart.land.mean() == pytest.approx(0.5, abs=0.05)
    assert (chart.pd(0.9)[chart.land] < 0.02).all()


def test_what_lies_behind_land_or_below_the_horizon_is_not_missed() -> None:
    model = SensorModel("r", "radar", 20.0, 122.0, 60_000.0, antenna_height_m=150.0, scan_s=10.0)
    assert model.sure_m < model.coverage_m < 60_000.1
    island = [[122.20, 19.95], [122.25, 19.95], [122.25, 20.05], [122.20, 20.05], [122.20, 19.95]]
    feature = {"type": "Feature", "properties": {"name": "isle", "kind": "land"},
               "geometry": {"type": "Polygon", "coordinates": [island]}}  # fmt: skip
    land = load_zones({"type": "FeatureCollection", "features": [feature]})
    sight = sight_ranges_m(model, land)
    assert 20_600 < sight[90] < 21_400
    assert np.isinf(sight[[0, 180, 270]]).all()
    t = np.arange(0, 300, 10.0)
    ships = {1001: 122.35, 1002: 121.65, 1003: 121.4474}  # behind the island; in the open; near the horizon
    plots = ship(7, t, 122.1).to_pydict() | {"source": ["r"] * 30, "sensor": ["radar"] * 30, "scan": range(30)}
    plots |= {name: [None] * 30 for name in ("mmsi", "sog_mps", "cog_deg")}  # the radar is at work
    seen = pa.concat_tables([*(ship(m, t, lon) for m, lon in ships.items()), OBSERVATIONS.build(plots)])
    flags = {}
    for chart in (None, land):
        tracker = Tracker(sensors=[model], land=chart)
        tracker.step(seen, now_us=now(300))
        snap = tracker.snapshot(now(300))
        flags[chart is None] = dict(zip(snap["mmsi"].to_pylist(), snap["flags"].to_pylist(), strict=True))
    assert {m for m in ships if flags[True][m] & FLAG_UNCORROBORATED} == {1001, 1002}
    assert {m for m in ships if flags[False][m] & FLAG_UNCORROBORATED} == {1002}


def test_output_says_how_sure_it_will_be() -> None:
    tracker = two()
    row = rows_of(tracker, 130)[1]
    assert 0 < row["sigma_1min_m"] < row["sigma_5min_m"] < row["sigma_15min_m"]
    assert row["age_s"] == pytest.approx(40.0)
    assert row["identity_evidence"] == "reports"


def test_a_story_names_who_did_what() -> None:
    tracker = Tracker()
    update = tracker.step(both(0, 100), now_us=now(100))
    tracker.operate("name", {"track_id": 1, "name": "BLUE HULL"}, "lt.reyes", now(100))
    later = tracker.step(both(100, 120), now_us=now(120))
    tables = [pa.concat_tables([getattr(update, n), getattr(later, n)]) for n in ("events", "links", "tracks")]
    told = story_of(
        *tables, 1, observations=pa.concat_tables([both(0, 100), both(100, 120)]), operations=tracker.desk.records
    )
    assert "lt.reyes: name name BLUE HULL (action 1)" in [e["text"] for e in told["events"]]
    assert told["observations"]["updated"]["count"] == 11
    assert told["reports"][0]["source"] == "ais"
    assert told["seen"] == [{"source": "ais", "last_at": told["reports"][0]["observed_at"]}]
    assert story_of(*tables, 1)["seen"] == told["seen"]  # the rows say it, without the observations
    assert [i["value"] for i in told["identity"] if i["claim"] == "name"] == ["BLUE HULL"]


def test_a_node_that_crashed_does_the_actions_of_its_journal_again(tmp_path: Path) -> None:
    document = {
        "node": {"party": "PHL", "name": "n", "data": "data"},
        "sources": [{"name": "ais", "format": "aivdm", "link": "push", "sensor": {"kind": "ais"}}],
    }
    config = node_config.from_dict(document, base=tmp_path)

    def line(k: int) -> bytes:
        base = unpack(*payload_of(TYPE_1))
        assert base is not None
        return b"\r\n".join(encode({**base, "mmsi": 548000001, "utc_second": 20 * k % 60})) + b"\r\n"

    parts = assemble.build(config)
    parts.core.recover()
    for k in range(4):
        parts.core.cycle([("ais", now(20 * k), line(k))], now_us=now(20 * k) + 1_000_000)
    parts.core.operate("name", {"track_id": 1, "name": "BLUE HULL"}, by="lt.reyes", now_us=now(70))
    for book in (parts.journal, parts.archive, parts.operations):
        book.close()  # no checkpoint: as after a crash
    parts = assemble.build(config)
    parts.core.recover()
    parts.core.cycle([("ais", now(80), line(4))], now_us=now(82))
    assert parts.core.picture["name"].to_pylist() == ["BLUE HULL"]
    parts.core.operate("undo", {"operation": 1}, by="lt.reyes", now_us=now(83))
    parts.core.cycle([], now_us=now(90))
    assert parts.core.picture["name"].to_pylist() == [None]
    parts.core.close()
