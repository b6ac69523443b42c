"""Checkpoints, the watch officer's actions, partners' tracks and registration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import InputError, NotFound, StoreError
from kuroshio.picture import SensorModel, Tracker
from kuroshio.picture.partner_states import advance, intersect
from kuroshio.picture.registration import Registration
from kuroshio.schema import FLAG_DARK, FLAG_UNCORROBORATED, OBSERVATIONS, TRACKS
from kuroshio.testing.sea import observations as make_sea
from kuroshio.testing.sea.scene import four_radars

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
M = 1.0 / 111_000.0


def now(seconds: float) -> int:
    return T0 + int(seconds * 1e6)


def ship(mmsi: int, t_s: np.ndarray, lat: float = LAT0, lon: float = LON0, sensor: str = "ais") -> pa.Table:
    n = len(t_s)
    key = np.arange(n) + int((lat * 1e4) + lon * 1e7 + mmsi) * 1000
    return OBSERVATIONS.build(
        {
            "obs_id": key,
            "observed_at": (T0 + (t_s * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": [sensor] * n,
            "sensor": [sensor] * n,
            "lat_deg": lat + 5.0 * t_s * M,
            "lon_deg": np.full(n, lon),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0),
            "cog_deg": np.zeros(n),
            "mmsi": np.full(n, mmsi) if mmsi else pa.nulls(n, pa.int64()),
        }
    )


def by_id(table: pa.Table) -> dict[int, dict]:  # type: ignore[type-arg]
    return {row["track_id"]: row for row in table.to_pylist()}


@pytest.fixture
def two() -> Tracker:
    tracker = Tracker()
    t = np.arange(0, 100, 10.0)
    tracker.step(pa.concat_tables([ship(1001, t), ship(1002, t, lon=LON0 + 0.1)]), now_us=now(100))
    return tracker


# -- checkpoint


@pytest.mark.parametrize("cut", [3, 777, 2500, 4001])
def test_restart_at_any_instant_gives_the_same_rows(tmp_path: Path, cut: int) -> None:
    scene = make_sea(3, 25, 300.0)
    seen = scene.observations.sort_by([("observed_at", "ascending"), ("obs_id", "ascending")])
    t = np.asarray(seen["observed_at"].cast(pa.int64()))
    cut = min(cut, len(t) - 2)
    sensors = [SensorModel(r.name, "radar", r.lat_deg, r.lon_deg, r.range_m, None, r.scan_s) for r in scene.radars]
    straight = Tracker(sensors=sensors)
    straight.step(seen.slice(0, cut), now_us=int(t[cut - 1]))
    straight.save(tmp_path / "state")
    resumed = Tracker.load(tmp_path / "state")
    rest = seen.slice(cut)
    a, b = straight.step(rest, now_us=int(t[-1])), resumed.step(rest, now_us=int(t[-1]))
    assert a.tracks.equals(b.tracks)
    assert a.links.equals(b.links)
    assert a.events.equals(b.events)
    assert straight.snapshot(int(t[-1])).equals(resumed.snapshot(int(t[-1])))
    assert straight.totals == resumed.totals


def test_damaged_checkpoint_is_refused(tmp_path: Path, two: Tracker) -> None:
    two.save(tmp_path / "state")
    data = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError):
        Tracker.load(tmp_path / "state")
    with pytest.raises(StoreError):
        Tracker.load(tmp_path / "nothing")


# -- operator


def test_name_stays_against_what_the_ship_says(two: Tracker) -> None:
    two.operate("name", {"track_id": 1, "name": "BLUE HULL"}, "lt.reyes", now(100))
    tracks = two.step(OBSERVATIONS.empty(), now_us=now(105)).tracks
    assert by_id(tracks)[1]["name"] == "BLUE HULL"
    two.operate("classify", {"track_ids": [1], "ship_type": 30}, "lt.reyes", now(106))
    row = by_id(two.snapshot(now(106)))[1]
    assert (row["name"], row["ship_type"]) == ("BLUE HULL", 30)
    two.operate("undo", {"operation": 2}, "lt.reyes", now(107))
    assert by_id(two.snapshot(now(107)))[1]["ship_type"] is None


def test_merge_and_its_undo(two: Tracker) -> None:
    record = two.operate("merge", {"track_ids": [1, 2]}, "lt.reyes", now(100))
    assert (record["by"], record["operation"]) == ("lt.reyes", 1)
    rows = by_id(two.step(OBSERVATIONS.empty(), now_us=now(105)).tracks)
    assert rows[2]["status"] == "ended"
    assert rows[2]["superseded_by"] == 1
    two.operate("undo", {"operation": 1}, "lt.reyes", now(106))
    assert set(by_id(two.snapshot(now(106)))) == {1, 2}
    two.step(ship(1002, np.arange(110, 130, 10.0), lon=LON0 + 0.1), now_us=now(130))
    assert by_id(two.snapshot(now(130)))[2]["mmsi"] == 1002
    with pytest.raises(InputError):
        two.operate("undo", {"operation": 1}, "lt.reyes", now(131))


def test_decorrelated_mmsi_never_comes_back_to_the_track(two: Tracker) -> None:
    two.operate("decorrelate", {"track_id": 1}, "lt.reyes", now(100))
    two.step(ship(1001, np.arange(100, 400, 10.0)), now_us=now(400))
    rows = by_id(two.snapshot(now(400)))
    assert 1 not in rows or rows[1]["mmsi"] is None
    assert any(r["mmsi"] == 1001 for k, r in rows.items() if k > 2)
    assert two.totals["merged"] == 0


def test_tracks_told_apart_are_never_merged() -> None:
    t = np.arange(0, 300, 10.0)
    for apart in (False, True):
        tracker = Tracker()
        near = pa.concat_tables([ship(1001, t), ship(1001, t + 3.0, lon=LON0 + 0.3)])
        tracker.step(near, now_us=now(50))
        if apart:
            tracker.operate("decorrelate", {"track_ids": [1, 2]}, "lt.reyes", now(50))
            assert (1, 2) in tracker.house.merging.apart
        rows = live = np.array([tracker.table.row_of(1), tracker.table.row_of(2)])
        for k in range(5):
            due = tracker.house.merging.pairs(np.array([[*rows, 0]]), tracker.table.life.uid, 3)
            assert bool(due) == (not apart and k in (2,))
        del live


def test_drop_ends_and_undo_brings_back(two: Tracker) -> None:
    two.operate("drop", {"track_id": 2}, "lt.reyes", now(100))
    assert set(by_id(two.snapshot(now(101)))) == {1}
    two.operate("undo", {"operation": 1}, "lt.reyes", now(102))
    assert set(by_id(two.snapshot(now(103)))) == {1, 2}


def test_split_gives_the_identity_its_own_track(two: Tracker) -> None:
    record = two.operate("split", {"track_id": 1}, "lt.reyes", now(100))
    new = record["track_ids"][1]
    two.step(ship(1001, np.arange(100, 200, 10.0)), now_us=now(200))
    rows = by_id(two.snapshot(now(200)))
    assert rows[new]["mmsi"] == 1001
    assert 1 not in rows or rows[1]["mmsi"] is None


@pytest.mark.parametrize(
    ("action", "arguments", "error"),
    [
        ("sink", {}, InputError),
        ("merge", {"track_ids": [1]}, InputError),
        ("merge", {"track_ids": [1, 99]}, NotFound),
        ("name", {"track_id": 1, "name": ""}, InputError),
        ("classify", {"track_id": 1, "ship_type": "tug"}, InputError),
        ("correlate", {"track_id": 1}, InputError),
        ("undo", {"operation": 5}, NotFound),
    ],
)
def test_wrong_actions_are_refused_and_change_nothing(two, action, arguments, error) -> None:  # type: ignore[no-untyped-def]
    before = two.snapshot(now(100))
    with pytest.raises(error):
        two.operate(action, arguments, "lt.reyes", now(100))
    assert two.snapshot(now(100)).equals(before)
    assert not two.desk.records


# -- partners


def partner_rows(tracks: pa.Table, grow: float = 1.0, partner: str = "JPN") -> pa.Table:
    rows = tracks.to_pylist()
    for row in rows:
        row["partner"], row["partner_track"] = partner, f"J{row['track_id']}"
        for name in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2", "cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2"):
            row[name] *= grow
    return TRACKS.from_rows(rows)


def test_own_data_coming_back_changes_nothing(two: Tracker) -> None:
    back = partner_rows(two.snapshot(now(100)))
    alone = Tracker()
    t = np.arange(0, 100, 10.0)
    alone.step(pa.concat_tables([ship(1001, t), ship(1002, t, lon=LON0 + 0.1)]), now_us=now(100))
    more = pa.concat_tables(
        [ship(1001, np.arange(100, 200, 10.0)), ship(1002, np.arange(100, 200, 10.0), lon=LON0 + 0.1)]
    )
    two.step(more, now_us=now(200), partners=back)
    alone.step(more, now_us=now(200))
    a, b = two.snapshot(now(200)), alone.snapshot(now(200))
    assert a.num_rows == b.num_rows == 2
    for name in ("track_id", "lat_deg", "cov_ee_m2", "cov_vee_m2s2", "partner"):
        assert a[name].to_pylist() == b[name].to_pylist()


def test_partner_only_ship_becomes_a_track_and_ends_with_it(two: Tracker) -> None:
    other = Tracker()
    other.step(ship(2001, np.arange(0, 100, 10.0), lon=LON0 + 1.0), now_us=now(100))
    theirs = partner_rows(other.snapshot(now(100)))
    tracks = two.step(OBSERVATIONS.empty(), now_us=now(105), partners=theirs).tracks.to_pylist()
    mine = [r for r in tracks if r["partner"]]
    assert [(r["partner"], r["partner_track"], r["sensors"]) for r in mine] == [("JPN", "J1", ["partner"])]
    number = mine[0]["track_id"]
    assert number in by_id(two.snapshot(now(110)))
    ended = two.step(OBSERVATIONS.empty(), now_us=now(1200)).tracks.to_pylist()
    assert any(r["track_id"] == number and r["status"] == "ended" for r in ended)
    assert number not in by_id(two.snapshot(now(1200)))


def test_better_partner_tightens_our_row_and_is_named(two: Tracker) -> None:
    snap = two.snapshot(now(100)).slice(0, 1)
    sharp = partner_rows(snap, grow=0.1)
    before = by_id(two.snapshot(now(110)))[1]
    two.step(OBSERVATIONS.empty(), now_us=now(110), partners=sharp)
    after = by_id(two.snapshot(now(110)))[1]
    assert after["cov_ee_m2"] < before["cov_ee_m2"]
    assert after["partner"] == "JPN"
    assert "partner" in after["sensors"]
    uid = int(two.table.kin.p.shape[2])
    assert uid == 10  # the filter itself is untouched: its arrays have no place for a partner


def test_covariance_intersection_is_honest_where_naive_fusion_is_not(rng: np.random.Generator) -> None:
    """Two estimates that share an error: the naive product claims too much, the intersection does not."""
    n = 4000
    shared = rng.normal(0, 50, (n, 2))
    a, b = shared + rng.normal(0, 10, (n, 2)), shared + rng.normal(0, 10, (n, 2))
    var = 50.0**2 + 100.0
    own, theirs = np.zeros((n, 10)), np.zeros((n, 10))
    for state, z in ((own, a), (theirs, b)):
        state[:, 0], state[:, 1] = z[:, 1] * M, z[:, 0] * M
        state[:, 4] = state[:, 6] = var
        state[:, 7] = state[:, 9] = 1.0
    fused, _ = intersect(own, theirs)
    error = np.column_stack([fused[:, 1], fused[:, 0]]) / M
    ci = np.mean(np.sum(error**2, axis=1) / fused[:, 4]) / 2
    naive = np.mean(np.sum(((a + b) / 2) ** 2, axis=1) / (var / 2)) / 2
    assert ci <= 1.05
    assert naive > 1.8


def _alone(tracker: Tracker, at_s: float) -> list[dict]:
    return [r for r in tracker.snapshot(now(at_s)).to_pylist() if r["sensors"] == ["partner"]]


def test_a_ship_that_two_partners_tell_of_is_one_track_until_the_first_falls_silent() -> None:
    tracker, other = Tracker(), Tracker()
    other.step(ship(2001, np.arange(0, 100, 10.0), lon=LON0 + 1.0), now_us=now(100))
    theirs = other.snapshot(now(100))
    nameless = theirs.set_column(theirs.schema.get_field_index("mmsi"), "mmsi", pa.nulls(theirs.num_rows, pa.int64()))
    tracker.step(OBSERVATIONS.empty(), now_us=now(100), partners=partner_rows(nameless, partner="JPN"))
    tracker.step(OBSERVATIONS.empty(), now_us=now(101), partners=partner_rows(nameless, partner="USA", grow=2.0))
    assert len(_alone(tracker, 101)) == 2
    told = tracker.step(OBSERVATIONS.empty(), now_us=now(140)).tracks.to_pylist()
    (shown,) = _alone(tracker, 140)
    assert shown["partner"] == "JPN"  # who told of it first
    (ended,) = [r for r in told if r["status"] == "ended"]
    assert (ended["partner"], ended["superseded_by"]) == ("USA", shown["track_id"])
    end = shown | {"status": "ended", "partner_track": "J1", "observed_at": shown["observed_at"]}
    back = tracker.step(OBSERVATIONS.empty(), now_us=now(150), partners=TRACKS.from_rows([end])).tracks.to_pylist()
    assert [r["partner"] for r in _alone(tracker, 150)] == ["USA"]
    assert ("USA", "confirmed") in {(r["partner"], r["status"]) for r in back}


def test_two_ships_of_one_partner_stay_two_however_near(two: Tracker) -> None:
    other = Tracker()
    other.step(ship(2001, np.arange(0, 100, 10.0), lon=LON0 + 1.0), now_us=now(100))
    near = partner_rows(other.snapshot(now(100))).to_pylist()
    rows = [near[0] | {"mmsi": None}, near[0] | {"mmsi": None, "partner_track": "J2"}]
    two.step(OBSERVATIONS.empty(), now_us=now(100), partners=TRACKS.from_rows(rows))
    two.step(OBSERVATIONS.empty(), now_us=now(160))
    assert len(_alone(two, 160)) == 2


def test_a_coarse_track_is_ours_by_name_only(two: Tracker) -> None:
    own = two.snapshot(now(100)).slice(0, 1)
    (row,) = partner_rows(own).to_pylist()
    coarse = row | {"cov_ee_m2": 4000.0**2, "cov_nn_m2": 4000.0**2, "cov_en_m2": 0.0}
    nameless = coarse | {"mmsi": None, "partner_track": "J2"}
    two.step(OBSERVATIONS.empty(), now_us=now(100), partners=TRACKS.from_rows([coarse, nameless]))
    two.step(OBSERVATIONS.empty(), now_us=now(160))
    assert [r["partner_track"] for r in _alone(two, 160)] == ["J2"]  # it may be a ship that nobody here sees


def test_a_partners_state_moved_on_never_claims_more_than_any_correlation_allows(rng: np.random.Generator) -> None:
    """What is told has no covariance of place and velocity: the moved state must hold for whatever it was."""
    n, dt = 200, 30.0
    root = rng.normal(size=(n, 4, 4))
    full = root @ root.transpose(0, 2, 1) * 100.0
    state = np.zeros((n, 10))
    state[:, 4], state[:, 5], state[:, 6] = full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]
    state[:, 7], state[:, 8], state[:, 9] = full[:, 2, 2], full[:, 2, 3], full[:, 3, 3]
    move = np.block([[np.eye(2), dt * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    really = (move @ full @ move.T)[:, :2, :2]
    zero = np.zeros(n, np.int64)
    told = advance(state, zero, zero + int(dt * 1e6), np.zeros(n))
    claimed = np.stack([told[:, [4, 5]], told[:, [5, 6]]], axis=1)
    assert (np.linalg.eigvalsh(claimed - really)[:, 0] >= -1e-6 * np.trace(really, axis1=1, axis2=2)).all()


def test_bad_partner_rows_are_counted(two: Tracker) -> None:
    rows = partner_rows(two.snapshot(now(100))).to_pylist()
    rows[0]["lat_deg"], rows[1]["partner_track"] = float("nan"), None
    update = two.step(OBSERVATIONS.empty(), now_us=now(110), partners=TRACKS.from_rows(rows))
    assert update.counters["partner_refused"] == 2


# -- registration


def test_biased_radar_is_found_and_flags_nobody() -> None:
    radars = four_radars(
        (20.0, 122.0), 40.0, range_m=70_000.0, scan_s=5.0, range_sigma_m=30.0, bearing_sigma_deg=0.2,
        p_detection=0.95, clutter_per_scan=5.0, range_bias_m=80.0, bearing_bias_deg=0.5,
    )  # fmt: skip
    scene = make_sea(5, 40, 400.0, half_nm=40.0, radars=radars, dark_share=0.0)
    sensors = [SensorModel(r.name, "radar", r.lat_deg, r.lon_deg, r.range_m, None, r.scan_s, 0.95, 5.0) for r in radars]
    tracker = Tracker(sensors=sensors)
    t = np.asarray(scene.observations["observed_at"].cast(pa.int64()))
    tracks = tracker.step(scene.observations, now_us=int(t.max())).tracks
    for source in tracker.coverage.state:
        bias = tracker.house.registration.bias.get(source)
        if bias is not None and tracker.coverage.state[source].model.kind == "radar":
            assert np.degrees(bias.bearing_rad) == pytest.approx(0.5, abs=0.1)
            assert bias.range_m == pytest.approx(80.0, abs=20.0)
    final = tracker.snapshot(int(t.max()))
    assert final.num_rows <= 44  # 40 ships; without correction each AIS ship has a radar ghost beside it
    flagged = np.asarray(tracks["flags"]) & (FLAG_DARK | FLAG_UNCORROBORATED)
    assert len(np.unique(np.asarray(tracks["track_id"])[flagged > 0])) == 0


def test_registration_ignores_what_is_not_significant(rng: np.random.Generator) -> None:
    registration = Registration()
    registration.add(3, np.column_stack([rng.normal(0, 50, 200), rng.normal(0, 0.005, 200)]))
    registration.estimate(0)
    assert registration.of(3).range_m == 0.0
    assert registration.of(3).bearing_rad == 0.0
    assert registration.doubtful(10) == []
