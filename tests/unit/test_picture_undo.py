"""What watch officers said, said otherwise, took back in any order, and what automation makes of it meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import InputError
from kuroshio.picture import SensorModel, Tracker, TrackerConfig
from kuroshio.schema import OBSERVATIONS, STATICS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
M = 1.0 / 111_000.0
BY = "lt.reyes"


def now(seconds: float) -> int:
    return T0 + int(seconds * 1e6)


def sail(place: int, mmsi: int, begin_s: float, end_s: float, **more: Any) -> pa.Table:
    """Reports every ten seconds of a ship going north at 5 m/s, ten kilometres beside its neighbour."""
    t = np.arange(begin_s, end_s, 10.0)
    n = len(t)
    kind = more.get("sensor", "ais")
    return OBSERVATIONS.build(
        {
            "obs_id": (t * 1000).astype(np.int64) * 1000 + place * 10 + (kind == "radar") + 5 * more.get("again", 0),
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": [kind] * n,
            "sensor": [kind] * n,
            "lat_deg": LAT0 + 5.0 * t * M,
            "lon_deg": np.full(n, LON0 + 0.1 * place),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.full(n, 5.0) if mmsi else pa.nulls(n, pa.float64()),
            "cog_deg": np.zeros(n) if mmsi else pa.nulls(n, pa.float64()),
            "mmsi": np.full(n, mmsi) if mmsi else pa.nulls(n, pa.int64()),
            "exercise": np.full(n, more.get("exercise", False)),
        }
    )


def fleet(ships: int = 3, end_s: float = 100.0, **config: Any) -> Tracker:
    tracker = Tracker(TrackerConfig(**config))
    feed(tracker, ships, 0.0, end_s)
    return tracker


def feed(tracker: Tracker, ships: int, begin_s: float, end_s: float) -> None:
    tracker.step(pa.concat_tables([sail(k, 1001 + k, begin_s, end_s) for k in range(ships)]), now_us=now(end_s))


def seen(tracker: Tracker, at_s: float) -> dict[int, dict[str, Any]]:
    return {r["track_id"]: r for r in tracker.snapshot(now(at_s)).to_pylist()}


def test_undoing_a_name_leaves_the_class_given_after_it_and_the_other_way_round() -> None:
    for first in (1, 2):
        tracker = fleet()
        tracker.operate("name", {"track_id": 1, "name": "BLUE HULL"}, BY, now(100))
        tracker.operate("classify", {"track_id": 1, "ship_type": 70}, BY, now(101))
        tracker.operate("undo", {"operation": first}, BY, now(102))
        row = seen(tracker, 102)[1]
        assert (row["name"], row["ship_type"]) == ((None, 70), ("BLUE HULL", None))[first - 1]
        tracker.operate("undo", {"operation": 3 - first}, BY, now(103))
        assert tracker.book.fixed == {}


def test_undoing_an_older_name_keeps_the_newer_one_and_never_brings_the_older_back() -> None:
    tracker = fleet()
    for name in ("ONE", "TWO"):
        tracker.operate("name", {"track_id": 1, "name": name}, BY, now(100))
    tracker.operate("undo", {"operation": 1}, BY, now(101))
    assert seen(tracker, 101)[1]["name"] == "TWO"
    tracker.operate("undo", {"operation": 2}, BY, now(102))
    assert seen(tracker, 102)[1]["name"] is None


def test_a_ship_merged_into_one_that_is_merged_again_reports_under_the_last_name() -> None:
    tracker = fleet()
    tracker.operate("merge", {"track_ids": [2, 3]}, BY, now(100))
    tracker.operate("merge", {"track_ids": [1, 2]}, BY, now(101))
    feed(tracker, 3, 110, 300)
    assert {r["mmsi"] for r in seen(tracker, 300).values()} == {1001}
    tracker.operate("undo", {"operation": 1}, BY, now(300))
    feed(tracker, 3, 310, 400)
    assert {r["mmsi"] for r in seen(tracker, 400).values()} == {1001, 1003}


def test_two_mmsis_merged_into_each_other_are_one_ship() -> None:
    tracker = fleet()
    tracker.operate("merge", {"track_ids": [1, 2]}, BY, now(100))
    tracker.operate("correlate", {"track_id": 1, "mmsi": 1002}, BY, now(101))
    feed(tracker, 1, 110, 200)  # 1001 begins anew
    (fresh,) = (k for k, r in seen(tracker, 200).items() if r["mmsi"] == 1001)
    tracker.operate("merge", {"track_ids": [1, fresh]}, BY, now(200))
    assert {tracker.desk.words.ship_of(m) for m in (1001, 1002)} == {1002}


def test_an_mmsi_given_to_a_track_is_no_longer_another_ships_nor_dropped() -> None:
    tracker = fleet()
    tracker.operate("merge", {"track_ids": [1, 2]}, BY, now(100))
    tracker.operate("correlate", {"track_id": 3, "mmsi": 1002}, BY, now(101))
    tracker.step(sail(2, 1002, 110, 200), now_us=now(200))
    assert seen(tracker, 200)[3]["mmsi"] == 1002
    assert seen(tracker, 200)[3]["hits"] > 15
    tracker = fleet()
    tracker.operate("drop", {"track_id": 2}, BY, now(100))
    tracker.operate("correlate", {"track_id": 3, "mmsi": 1002}, BY, now(101))
    tracker.step(sail(2, 1002, 110, 200), now_us=now(200))
    assert tracker.totals["of_dropped_ships"] == 0
    tracker.operate("undo", {"operation": 2}, BY, now(201))
    assert tracker.desk.words.dropped == {1002}


def test_undo_of_one_decorrelation_leaves_the_others() -> None:
    tracker = fleet()
    tracker.operate("decorrelate", {"track_id": 1}, BY, now(100))
    tracker.operate("correlate", {"track_id": 1, "mmsi": 55}, BY, now(101))
    tracker.operate("decorrelate", {"track_id": 1}, BY, now(102))
    tracker.operate("undo", {"operation": 3}, BY, now(103))
    assert tracker.forbidden.tolist() == [[1, 1001]]
    tracker.operate("correlate", {"track_id": 1, "mmsi": 1001}, BY, now(104))
    assert tracker.forbidden.tolist() == []
    tracker.operate("undo", {"operation": 5}, BY, now(105))
    assert tracker.forbidden.tolist() == [[1, 1001]]


def test_undo_an_hour_later_leaves_the_track_where_it_is_now() -> None:
    tracker = fleet()
    tracker.operate("decorrelate", {"track_id": 2}, BY, now(100))
    tracker.operate("correlate", {"track_id": 1, "mmsi": 1001}, BY, now(100))
    tracker.operate("correlate", {"track_id": 2, "mmsi": 1002}, BY, now(100))
    for k in range(20):
        feed(tracker, 2, 110 + 180 * k, 290 + 180 * k)
    before = seen(tracker, 3710)[1]
    assert before["hits"] > 300
    for operation in (2, 3):
        tracker.operate("undo", {"operation": operation}, BY, now(3710))
    after = seen(tracker, 3710)
    assert {k: after[1][k] for k in after[1] if k != "identity_evidence"} == {
        k: before[k] for k in before if k != "identity_evidence"
    }
    assert after[2]["mmsi"] is None
    feed(tracker, 1, 3710, 3760)
    assert seen(tracker, 3760)[1]["hits"] == before["hits"] + 5


def test_a_full_table_refuses_an_undo_and_loses_no_track() -> None:
    tracker = fleet(2, max_tracks=2)
    tracker.operate("drop", {"track_id": 1}, BY, now(100))
    tracker.step(sail(5, 1009, 100, 150), now_us=now(150))
    before = seen(tracker, 150)
    assert {r["mmsi"] for r in before.values()} == {1002, 1009}
    with pytest.raises(InputError, match="room"):
        tracker.operate("undo", {"operation": 1}, BY, now(151))
    assert seen(tracker, 150) == before
    tracker.operate("drop", {"track_id": 2}, BY, now(152))
    tracker.operate("undo", {"operation": 1}, BY, now(153))  # it was not used up
    assert {r["mmsi"] for r in seen(tracker, 153).values()} == {1001, 1009}


def test_a_dropped_ship_begins_no_track_with_a_report_that_waits() -> None:
    tracker = fleet(2)
    tracker.step(sail(1, 1002, 110, 115), now_us=now(101))  # its clock is ahead
    assert len(tracker.pending) == 1
    tracker.operate("drop", {"track_id": 2}, BY, now(102))
    tracker.step(OBSERVATIONS.empty(), now_us=now(130))
    assert set(seen(tracker, 130)) == {1}
    assert tracker.totals["of_dropped_ships"] == 1


@pytest.mark.parametrize(
    "arguments",
    [{"track_ids": ["x", "y"]}, {"track_ids": None}, {"track_ids": 3}, {"track_id": None}, {"track_ids": [1.5, 2.0]}],
)
@pytest.mark.parametrize("action", ["merge", "split", "correlate", "decorrelate", "drop", "name", "classify"])
def test_arguments_that_are_no_track_numbers_are_refused(action: str, arguments: dict[str, Any]) -> None:
    tracker = fleet(2)
    with pytest.raises(InputError):
        tracker.operate(action, {"name": "X", "ship_type": 3, "mmsi": 5, **arguments}, BY, now(100))
    with pytest.raises(InputError):
        tracker.operate("classify", {"track_id": 1, "ship_type": float("inf")}, BY, now(100))
    assert not tracker.desk.records


def test_a_track_of_an_exercise_is_never_merged_with_a_real_one() -> None:
    tracker = Tracker()
    tracker.step(pa.concat_tables([sail(0, 1001, 0, 50), sail(1, 1002, 0, 50, exercise=True)]), now_us=now(50))
    for action in ("merge", "correlate"):
        with pytest.raises(InputError, match="exercise"):
            tracker.operate(action, {"track_ids": [1, 2]}, BY, now(50))
    assert len(seen(tracker, 50)) == 2


# -- automation meanwhile


def _held_twice() -> tuple[Tracker, int, int]:
    """A ship that AIS tells of, and the track of its radar plots beside it, which a merge is due to join."""
    tracker = Tracker(sensors=[SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)])
    tracker.step(sail(0, 1001, 0, 60), now_us=now(60))
    tracker.step(sail(3, 0, 60, 130, sensor="radar"), now_us=now(131))
    rows = seen(tracker, 131)
    (radar,) = (k for k, r in rows.items() if r["mmsi"] is None)
    (named,) = (k for k, r in rows.items() if r["mmsi"] == 1001)
    assert named < radar
    return tracker, named, radar


def test_a_name_given_to_a_track_of_plots_goes_on_when_automation_joins_it_to_another() -> None:
    tracker, named, radar = _held_twice()
    tracker.operate("name", {"track_id": radar, "name": "BLUE HULL"}, BY, now(131))
    tracker.house.join(tracker.table.row_of(named), tracker.table.row_of(radar), now(132))
    says = {"mmsi": [1001], "name": ["SOMETHING ELSE"], "observed_at": np.array([now(133)], "datetime64[us]")}
    tracker.step(OBSERVATIONS.empty(), now_us=now(140), statics=STATICS.build(says))
    assert seen(tracker, 140)[named]["name"] == "BLUE HULL"


def test_what_a_track_was_told_apart_from_holds_for_the_track_that_takes_it_over() -> None:
    tracker, named, radar = _held_twice()
    tracker.step(sail(6, 1007, 131, 150), now_us=now(150))
    (other,) = (k for k, r in seen(tracker, 150).items() if r["mmsi"] == 1007)
    tracker.operate("decorrelate", {"track_ids": [radar, other]}, BY, now(150))
    tracker.operate("correlate", {"track_id": radar, "mmsi": 77}, BY, now(150))
    tracker.operate("decorrelate", {"track_id": radar}, BY, now(150))
    tracker.house.join(tracker.table.row_of(named), tracker.table.row_of(radar), now(151))
    assert (named, other) in tracker.house.merging.apart
    assert [named, 77] in tracker.forbidden.tolist()


def test_an_mmsi_an_operator_gave_stays_his_word_when_automation_joins_the_track() -> None:
    tracker = Tracker(sensors=[SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)])
    tracker.step(sail(0, 0, 0, 60, sensor="radar"), now_us=now(61))
    tracker.step(sail(2, 1001, 61, 100), now_us=now(100))
    tracker.operate("correlate", {"track_id": 2, "mmsi": 1005}, BY, now(100))
    tracker.house.join(tracker.table.row_of(1), tracker.table.row_of(2), now(101))
    row = seen(tracker, 101)[1]
    assert (row["mmsi"], row["identity_evidence"]) == (1005, "operator")


def test_undo_of_a_merge_takes_back_the_name_it_brought() -> None:
    tracker, _, radar = _held_twice()
    tracker.step(sail(5, 0, 131, 200, sensor="radar"), now_us=now(201))
    (other,) = (k for k, r in seen(tracker, 201).items() if r["mmsi"] is None and k > radar)
    tracker.operate("name", {"track_id": other, "name": "BLUE HULL"}, BY, now(201))
    tracker.operate("merge", {"track_ids": [other, radar]}, BY, now(201))
    assert seen(tracker, 201)[radar]["name"] == "BLUE HULL"
    tracker.operate("undo", {"operation": 2}, BY, now(202))
    rows = seen(tracker, 202)
    assert (rows[radar]["name"], rows[other]["name"]) == (None, "BLUE HULL")


# -- any order


def _random_action(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """One on a track: a name goes to the MMSI of its time, so tracks 1 and 2 get MMSIs, 3 and 4 what is said."""
    kind = rng.integers(4)
    if kind == 0:
        return "name", {"track_id": int(rng.integers(3, 5)), "name": f"N{rng.integers(5)}"}
    if kind == 1:
        return "classify", {"track_id": int(rng.integers(3, 5)), "ship_type": int(rng.integers(5))}
    if kind == 2:
        return "correlate", {"track_id": int(rng.integers(1, 3)), "mmsi": int(rng.integers(1000, 1005))}
    pair = rng.permutation(4)[:2] + 1
    return "decorrelate", {"track_ids": pair.tolist()}


def _with_plots() -> Tracker:
    """Three ships that AIS tells of, and a track of plots without a name."""
    tracker = Tracker(sensors=[SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)])
    feed(tracker, 3, 0, 40)
    tracker.step(sail(3, 0, 40, 100, sensor="radar"), now_us=now(101))
    assert set(seen(tracker, 101)) == {1, 2, 3, 4}
    return tracker


def _state(tracker: Tracker, at_s: float) -> Any:
    words = tracker.desk.words
    told = ("mmsi", "hits", "lat_deg", "identity_evidence", "name", "ship_type")
    rows = {k: [r[name] for name in told] for k, r in seen(tracker, at_s).items()}
    return (
        rows,
        words.said,
        tracker.book.fixed,
        words.aliases,
        words.dropped,
        tracker.house.merging.apart,
        sorted(tracker.forbidden.tolist()),
    )


@pytest.mark.parametrize("seed", range(12))
def test_undone_in_any_order_what_is_left_is_what_was_not_undone(seed: int, tmp_path: Path) -> None:
    """Nothing but the actions not undone shows, also where a restart lies between."""
    rng = np.random.default_rng(seed)
    actions = [_random_action(rng) for _ in range(8)]
    undone = rng.permutation(8)[: rng.integers(1, 9)] + 1
    tracker = _with_plots()
    for action, arguments in actions:
        tracker.operate(action, arguments, BY, now(100))
    if seed % 2:
        tracker.save(tmp_path / "state")
        tracker = Tracker.load(tmp_path / "state")
    for operation in undone.tolist():
        tracker.operate("undo", {"operation": operation}, BY, now(101))
    plain = _with_plots()
    for number, (action, arguments) in enumerate(actions, 1):
        if number not in undone:
            plain.operate(action, arguments, BY, now(100))
    assert _state(tracker, 105) == _state(plain, 105)


def test_a_name_given_to_a_ship_goes_on_when_it_is_merged_into_another() -> None:
    tracker = fleet()
    tracker.operate("name", {"track_id": 2, "name": "BLUE HULL"}, BY, now(100))
    tracker.operate("merge", {"track_ids": [1, 2]}, BY, now(101))
    row = seen(tracker, 102)[1]
    assert (row["mmsi"], row["name"]) == (1001, "BLUE HULL")
    tracker.operate("undo", {"operation": 2}, BY, now(103))
    assert [seen(tracker, 103)[k]["name"] for k in (1, 2)] == [None, "BLUE HULL"]
