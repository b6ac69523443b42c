"""What the picture keeps over a restart, what late and many sources do to it, and edges of numbers and registers."""

from __future__ import annotations

import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.node import cards
from kuroshio.node import config as node_config
from kuroshio.picture import SensorModel, Tracker, contradictions, flag_of, load_registries
from kuroshio.picture.archive import Action, track_updates
from kuroshio.picture.claims import ClaimBook
from kuroshio.picture.emit import tracks_table
from kuroshio.picture.journal import LINE, LOG_FLOATS, LOG_INTS
from kuroshio.picture.model import TrackerConfig, motion_of
from kuroshio.picture.pdmap import PdMap
from kuroshio.picture.registration import MIN_PAIRS
from kuroshio.picture.registry import imo_valid
from kuroshio.schema import FLAG_UNCORROBORATED, OBSERVATIONS, STATICS, TRACKS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
M = 1.0 / 111_000.0
RADAR = SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)


def now(seconds: float) -> int:
    return T0 + round(seconds * 1e6)


def sail(place: int, mmsi: int, begin_s: float, end_s: float, source: str = "ais", kind: str = "ais") -> pa.Table:
    """Reports every ten seconds of a ship going north at 5 m/s, ten kilometres beside its neighbour."""
    t = np.arange(begin_s, end_s, 10.0)
    n = len(t)
    return OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + zlib.crc32(f"{place} {mmsi} {begin_s} {source}".encode()) * 1000,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": [source] * n,
            "sensor": [kind] * n,
            "lat_deg": LAT0 + 5.0 * t * M,
            "lon_deg": np.full(n, LON0 + 0.1 * place),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0) if mmsi else pa.nulls(n, pa.float64()),
            "cog_deg": np.zeros(n) if mmsi else pa.nulls(n, pa.float64()),
            "mmsi": np.full(n, mmsi) if mmsi else pa.nulls(n, pa.int64()),
        }
    )


def seen(tracker: Tracker, at_s: float) -> dict[int, dict[str, Any]]:
    return {r["track_id"]: r for r in tracker.snapshot(now(at_s)).to_pylist()}


# -- late, and many


def test_a_late_report_does_not_keep_a_new_name_from_the_radar_track_it_belongs_to() -> None:
    """Candidates were looked for where they had been at the time of the first report of a step."""
    bound = []
    for late in (False, True):
        tracker = Tracker(sensors=[RADAR])
        for k in range(26):
            rows = [sail(0, 0, 60 * k, 60 * k + 60, "radar", "radar"), sail(1, 1002, 60 * k, 60 * k + 60)]
            tracker.step(pa.concat_tables(rows), now_us=now(60 * k + 60))
        rows = [sail(0, 1001, 1561, 1600)]
        if late:
            rows.insert(0, sail(4, 1009, 10, 15))
        tracker.step(pa.concat_tables(rows), now_us=now(1563))
        bound.append(tracker.totals["bound"])
    assert bound == [1, 1]


def test_plots_of_more_sources_than_have_a_number_are_used() -> None:
    tracker = Tracker()
    rows = [sail(k % 40, 0, 0, 50, f"radar{k:02d}", "radar") for k in range(70)]
    update = tracker.step(pa.concat_tables(rows), now_us=now(60))
    assert update.links.num_rows == 70 * 5
    assert set(update.links["outcome"].to_pylist()) <= {"started", "updated"}


# -- restart


def test_a_radar_taken_out_of_the_node_file_mutes_no_flags_by_what_was_doubtful_of_it(tmp_path: Path) -> None:
    """With a radar in doubt nobody is called uncorroborated, and one that is gone stayed in doubt for ever."""
    other = SensorModel("other", "radar", LAT0, LON0 + 0.3, 50_000.0, None, 10.0)
    tracker = Tracker(sensors=[RADAR, other])
    bias = tracker.house.registration.of(tracker.sources.code("other"))
    bias.count, bias.changed_us = 3, now(0)
    assert bias.count < MIN_PAIRS
    tracker.step(sail(1, 1001, 0, 30), now_us=now(30))
    tracker.save(tmp_path / "state")
    flags = []
    for sensors in ([RADAR, other], [RADAR]):
        tracker = Tracker.load(tmp_path / "state", sensors=sensors)
        for k in range(30):  # radar sees another ship in each scan, and never this one
            begin = 30 + 10 * k
            rows = [sail(1, 1001, begin, begin + 10), sail(3, 0, begin, begin + 10, "radar", "radar")]
            tracker.step(pa.concat_tables(rows), now_us=now(begin + 10))
        flags.append(seen(tracker, 330)[1]["flags"] & FLAG_UNCORROBORATED)
    assert flags == [0, FLAG_UNCORROBORATED]


def test_what_a_radar_was_seen_to_see_is_not_taken_over_to_where_it_stands_now(tmp_path: Path) -> None:
    tracker = Tracker(sensors=[RADAR])
    tracker.coverage.radars()[0].pd_map.tried[3, 4] = 200.0
    tracker.save(tmp_path / "state")
    moved = SensorModel("radar", "radar", LAT0 + 0.1, LON0, 50_000.0, None, 10.0)
    counts = [
        Tracker.load(tmp_path / "state", sensors=[s]).coverage.radars()[0].pd_map.tried.sum() for s in (RADAR, moved)
    ]
    assert counts == [200.0, 0.0]


def test_counts_told_between_a_restart_and_the_next_tick_are_those_of_before(tmp_path: Path) -> None:
    tracker = Tracker()
    tracker.step(sail(1, 1001, 0, 100), now_us=now(101))
    tracker.save(tmp_path / "state")
    again = Tracker.load(tmp_path / "state")
    told = [t.step(OBSERVATIONS.empty(), now_us=now(102)).counters for t in (tracker, again)]
    assert told[0] == told[1]
    assert told[0]["confirmed"] == 1


def _partner(partner: str, ref: str, place: float, at_s: float, **more: Any) -> dict[str, Any]:
    alone = Tracker()
    alone.step(sail(0, 77, 0, at_s), now_us=now(at_s))
    (row,) = alone.snapshot(now(at_s)).to_pylist()
    return row | {"partner": partner, "partner_track": ref, "mmsi": None, "lon_deg": LON0 + place} | more


def _give(tracker: Tracker, at_s: float, *rows: dict[str, Any]) -> Any:
    return tracker.step(OBSERVATIONS.empty(), now_us=now(at_s), partners=TRACKS.from_rows(list(rows)))


@pytest.mark.parametrize("restart", [False, True])
def test_a_partner_whose_tracks_had_ended_is_told_from_the_others_after_a_restart(
    tmp_path: Path, restart: bool
) -> None:
    """Two partners had one number then, and one ship of both was two tracks."""
    tracker = Tracker()
    _give(tracker, 100, _partner("JPN", "J1", 1.0, 100), _partner("USA", "U1", 2.0, 100))
    _give(tracker, 110, _partner("JPN", "J1", 1.0, 110, status="ended"))
    if restart:
        tracker.save(tmp_path / "state")
        tracker = Tracker.load(tmp_path / "state")
    for at in range(120, 180, 10):
        _give(tracker, at, _partner("USA", "U1", 2.0, at), _partner("JPN", "J2", 2.0, at))
    assert [r["partner"] for r in seen(tracker, 180).values()] == ["USA"]


def test_a_partners_row_of_the_future_is_refused() -> None:
    """It never fell silent."""
    tracker = Tracker()
    rows = [_partner("JPN", f"J{ahead}", 0.1 * k, 100 + ahead) for k, ahead in enumerate((0, 290, 310, 10_000))]
    update = _give(tracker, 100, *rows)
    assert update.counters["partner_refused"] == 2
    assert tracker.fusion.rows["partner_track"].to_pylist() == ["J0", "J290"]


# -- registers and numbers


def test_a_register_counts_for_the_time_it_is_valid(tmp_path: Path) -> None:
    """The first row of a file was taken whatever its time, and then held against the valid one as a contradiction."""
    (tmp_path / "ships.csv").write_text(
        "mmsi,imo,name,source,valid_from,valid_to\n"
        "1001,,OLD NAME,reg,,2020-01-01T00:00:00Z\n"
        "1001,,MIDDLE,reg,2020-01-01T00:00:00Z,2023-11-14T22:15:00Z\n"  # T0 + 100 s
        "1001,,NEW NAME,reg,2023-11-14T22:15:00Z,\n"
    )
    registry = load_registries([tmp_path / "ships.csv"])
    tracker = Tracker(registry=registry)
    tracker.step(sail(0, 1001, 0, 60), now_us=now(60))
    row = seen(tracker, 60)[1]
    assert row["name"] == "MIDDLE"
    assert not contradictions({**row, "mmsi": None}, registry.entries(1001, None, now(60)))
    tracker.save(tmp_path / "state")
    tracker = Tracker.load(tmp_path / "state", registry=registry)
    assert seen(tracker, 60)[1]["name"] == "MIDDLE"
    tracker.step(sail(0, 1001, 60, 160), now_us=now(160))
    assert seen(tracker, 160)[1]["name"] == "NEW NAME"


def test_tracks_of_now_take_what_a_register_given_at_a_restart_says(tmp_path: Path) -> None:
    rows = {"one": "mmsi,imo,name,source\n1001,,ONE,reg\n", "two": "mmsi,imo,name,source\n,9074729,TWO,reg\n"}
    for name, text in rows.items():
        (tmp_path / f"{name}.csv").write_text(text)
    tracker = Tracker(registry=load_registries([tmp_path / "one.csv"]))
    says = {"mmsi": [1002], "imo": [9074729], "observed_at": np.array([now(1)], "datetime64[us]")}
    both = pa.concat_tables([sail(0, 1001, 0, 60), sail(1, 1002, 0, 60)])
    tracker.step(both, now_us=now(60), statics=STATICS.build(says))
    assert {r["mmsi"]: r["name"] for r in seen(tracker, 60).values()} == {1001: "ONE", 1002: None}
    tracker.save(tmp_path / "state")
    tracker = Tracker.load(tmp_path / "state", registry=load_registries([tmp_path / "two.csv"]))
    tracker.step(OBSERVATIONS.empty(), now_us=now(70))
    assert {r["mmsi"]: r["name"] for r in seen(tracker, 70).values()} == {1001: None, 1002: "TWO"}


@pytest.mark.parametrize(
    ("imo", "odd"),
    [(9074729, False), (9074728, True), (12, True), (-12_345, True), (0, True), (12_345_678, False), (None, False)],
)
def test_a_check_digit_is_asked_of_imo_numbers_only(imo: int | None, odd: bool) -> None:
    """Above ten million a number is a flag state's own (M.1371-5, message 5)."""
    assert bool(contradictions({"mmsi": None, "imo": imo}, [])) == odd


def test_check_digits_are_right_for_one_last_digit_of_ten() -> None:
    for stem in range(100_000, 1_000_000, 7919):
        assert sum(imo_valid(10 * stem + d) for d in range(10)) == 1


def test_saint_helena_has_its_digits() -> None:
    assert flag_of(665_000_001) == "SHN"


def test_a_course_is_never_360_degrees() -> None:
    lines = np.zeros(3, LINE)
    lines["ints"][:, LOG_INTS.index("status")] = 2
    lines["floats"][:, LOG_FLOATS.index("vn")] = 5.0
    lines["floats"][:, LOG_FLOATS.index("ve")] = [-1e-15, 0.0, -0.1]
    rows = tracks_table(lines["ints"], lines["floats"], ClaimBook(), [], motion_of(TrackerConfig()))
    assert [round(c, 2) for c in rows["cog_deg"].to_pylist()] == [0.0, 0.0, 358.85]


# -- actions in archives


def test_rows_without_a_time_do_not_move_an_action_in_an_archive() -> None:
    table = pa.concat_tables([sail(0, 1001, 0, 200), sail(1, 1002, 0, 200)]).sort_by("observed_at")
    timeless = table.set_column(
        table.schema.get_field_index("observed_at"),
        table.schema.field("observed_at"),
        pa.nulls(table.num_rows, table.schema.field("observed_at").type),
    )
    done = Action(now(100), "name", {"track_id": 1, "name": "BLUE HULL"}, "lt.reyes")
    tracker = Tracker()
    (*_,) = track_updates([pa.concat_tables([table, *[timeless] * 3])], tracker, actions=[done])
    assert tracker.totals["no_time"] == 3 * table.num_rows
    assert tracker.totals["ancient"] == 0
    assert seen(tracker, 200)[1]["name"] == "BLUE HULL"


# -- partners: whatever they say, and ours that end

COVARIANCE = ("cov_ee_m2", "cov_en_m2", "cov_nn_m2", "cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2")
COVARIANCE += ("cov_eve_m2s", "cov_evn_m2s", "cov_nve_m2s", "cov_nvn_m2s")
NUMBERS = (0.0, 1e-300, 1e-30, 1e-12, 1.0, 1e8, 1e30, 1e300, float("inf"), float("nan"), -1.0, None)


def _wild(rng: np.random.Generator, row: dict[str, Any], party: str, at_s: float) -> dict[str, Any]:
    """A row about a ship of ours, scaled, and with some numbers that cannot be."""
    told = {"partner": party, "partner_track": "x", "provenance": f"{party}x" if rng.random() < 0.8 else None}
    scale = 10 ** rng.uniform(-14, 10) if rng.random() < 0.5 else 1.0
    row = row | told | {name: row[name] * scale for name in COVARIANCE}
    row["observed_at"] += timedelta(seconds=float(rng.choice([-3600, -5, 0, at_s - 100, 200])))
    for _ in range(rng.integers(0, 3)):
        name = str(rng.choice((*COVARIANCE, "lat_deg", "lon_deg", "ve_mps", "vn_mps", "p_manoeuvre")))
        row[name] = NUMBERS[rng.integers(len(NUMBERS))]
    return row


def test_no_covariance_that_a_partner_tells_stops_the_picture() -> None:
    """Some had no inverse, and ended the step of whoever took them."""
    rng = np.random.default_rng(4)
    alone = Tracker()
    alone.step(sail(0, 1001, 0, 100), now_us=now(100))
    (row,) = alone.snapshot(now(100)).to_pylist()
    for _ in range(60):
        tracker = Tracker()
        tracker.step(sail(0, 1001, 0, 100), now_us=now(100))
        for at in range(110, 150, 10):
            rows = [_wild(rng, row, party, at) for party in ("JPN", "USA", "KOR")]
            with np.errstate(all="raise", under="ignore"):
                step = tracker.step(sail(0, 1001, at - 10, at), now_us=now(at), partners=TRACKS.from_rows(rows))
            for table in (step.tracks, tracker.snapshot(now(at))):
                mine = [r for r in table.to_pylist() if r["track_id"] == 1]
                assert all(0 < r["cov_ee_m2"] < 1e6 and 0 < r["cov_nn_m2"] < 1e6 for r in mine)
                assert all(abs(r["lat_deg"] - LAT0) < 1.0 for r in mine)


def test_a_partners_track_of_a_ship_whose_own_track_ended_is_shown_with_the_next_tick() -> None:
    tracker = Tracker()
    tracker.step(sail(0, 1001, 0, 100), now_us=now(100))
    _give(tracker, 101, _partner("JPN", "J1", 0.0, 100) | {"mmsi": 1001})
    assert set(seen(tracker, 106)) == {1}
    tracker.operate("drop", {"track_id": 1}, "lt.reyes", now(106))
    tracker.step(OBSERVATIONS.empty(), now_us=now(111))
    assert [r["partner"] for r in seen(tracker, 111).values()] == ["JPN"]


# -- actions and a checkpoint


def test_an_action_before_a_checkpoint_is_told_after_it(tmp_path: Path) -> None:
    """Its lines were counted but not kept: the first step after the start told rows of nothing, and ended."""
    tracker = Tracker()
    tracker.step(sail(0, 1001, 0, 100), now_us=now(100))
    tracker.operate("name", {"track_id": 1, "name": "BLUE HULL"}, "lt.reyes", now(100))
    tracker.save(tmp_path / "state")
    again = Tracker.load(tmp_path / "state")
    told = [t.step(OBSERVATIONS.empty(), now_us=now(101)) for t in (tracker, again)]
    assert told[0].tracks.equals(told[1].tracks)
    assert told[0].events.equals(told[1].events)
    assert told[1].tracks["name"].to_pylist() == ["BLUE HULL"]


# -- where the antenna stands


@pytest.mark.parametrize(("bow", "port"), [(100.0, 15.0), (0.0, 0.0)])
def test_a_place_whose_antenna_stands_nobody_knows_where_is_as_doubtful_as_the_ship_is_long(
    bow: float, port: float
) -> None:
    """With a heading it was taken for the ship's centre (M.1371-5, message 5: A = C = 0, no reference point)."""
    tracker = Tracker()
    says = {
        "mmsi": [1001],
        "to_bow_m": [bow],
        "to_stern_m": [200.0 - bow],
        "to_port_m": [port],
        "to_starboard_m": [30.0 - port],
    }
    at = {"observed_at": np.array([now(0)], "datetime64[us]")}
    rows = sail(0, 1001, 10, 15)
    k = rows.schema.get_field_index("heading_deg")
    rows = rows.set_column(k, rows.schema.field(k), pa.array([0.0]))
    tracker.step(OBSERVATIONS.empty(), now_us=now(5), statics=STATICS.build(says | at))
    tracker.house.give_claims()
    tracker.step(rows, now_us=now(10))
    (row,) = seen(tracker, 10).values()
    grown = 0.0 if bow else (200.0 / 4.0) ** 2 / 2.0  # half of it on each axis
    assert row["cov_ee_m2"] == pytest.approx(100.0 + grown, rel=1e-6)
    assert row["cov_nn_m2"] == pytest.approx(100.0 + grown, rel=1e-6)
    assert row["length_m"] == 200.0


@pytest.mark.parametrize("lon", [0.0, 179.9, -179.9])
def test_where_a_sensor_looks_is_one_area_also_across_the_antimeridian(lon: float) -> None:
    """Drawn from 179 to -179 it was a band round the globe."""
    radar = SensorModel("radar", "radar", LAT0, lon, 50_000.0, None, 10.0)
    tracker = Tracker(sensors=[radar])
    rings = [cell["ring"] for cell in tracker.coverage.cells(now(0), 60.0)]
    rings += [ring for shape in PdMap().outline(radar) for ring in shape]
    source = {"name": "radar", "format": "asterix", "link": "push"}
    sensor = {"kind": "radar", "lat_deg": LAT0, "lon_deg": lon, "max_range_m": 50_000.0}
    document = {"node": {"party": "PHL", "name": "n", "data": "data"}, "sources": [source | {"sensor": sensor}]}
    drawn = cards.features(node_config.from_dict(document, base=Path(".")), None)["features"]
    rings += [f["geometry"]["coordinates"][0] for f in drawn if f["geometry"]["type"] == "Polygon"]
    assert len(rings) > 500
    assert all(abs(x - lon) < 1.0 for ring in rings for x, _ in ring)
    assert all(ring[0] == ring[-1] for ring in rings)


def test_the_limit_of_partners_tracks_refuses_new_ones_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Near it the updates of all that was held were refused too."""
    monkeypatch.setattr("kuroshio.picture.fuse.ROWS_MAX", 3)
    tracker = Tracker()
    _give(tracker, 100, *(_partner("JPN", f"J{k}", 0.1 * k, 100) for k in range(2)))
    update = _give(tracker, 110, *(_partner("JPN", f"J{k}", 0.1 * k, 110) for k in range(5)))
    assert update.counters["partner_refused"] == 2
    assert tracker.fusion.rows["partner_track"].to_pylist() == ["J0", "J1", "J2"]
    assert set(tracker.fusion.t_us.tolist()) == {now(110)}
