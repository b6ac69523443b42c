"""A clock that was ahead and is right again: the picture goes on from the present, and says what it cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.picture import SensorModel, Tracker
from kuroshio.schema import OBSERVATIONS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
RADAR = SensorModel("radar", "radar", LAT0, LON0, 50_000.0, None, 10.0)


def heard(begin_s: float, count: int, *, ahead_s: float = 0.0, radar: bool = True) -> pa.Table:
    """Reports of one ship and plots of another, every ten seconds, as a clock that is ahead dates them."""
    t = np.repeat(begin_s + 10.0 * np.arange(count), 1 + radar)
    plot = np.arange(len(t)) % 2 == 1 if radar else np.zeros(len(t), np.bool_)
    return OBSERVATIONS.build(
        {
            "obs_id": (t * 1000).astype(np.int64) * 4 + 2 * (ahead_s > 0.0) + plot,
            "observed_at": (T0 + ((t + ahead_s + 0.5 * plot) * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": np.where(plot, "radar", "ais").tolist(),
            "sensor": np.where(plot, "radar", "ais").tolist(),
            "lat_deg": LAT0 + np.where(plot, 0.2, 0.1) + 5.0 * t / 111_000.0,
            "lon_deg": np.full(len(t), LON0),
            "cov_ee_m2": [100.0] * len(t),
            "cov_en_m2": [0.0] * len(t),
            "cov_nn_m2": [100.0] * len(t),
            "mmsi": [None if p else 244_000_001 for p in plot],
        }
    )


def stepped(tracker: Tracker, begin_s: int, count: int, *, ahead_s: float = 0.0) -> None:
    for k in range(count):
        t = begin_s + 10 * k
        tracker.step(heard(t, 1, ahead_s=ahead_s), now_us=T0 + int((t + ahead_s + 1) * 1e6))


def shown(tracker: Tracker) -> list[tuple[str, int]]:
    rows = tracker.snapshot(tracker.clock_us or 0).to_pylist()
    return sorted((r["status"], r["mmsi"] or 0) for r in rows)


@pytest.mark.parametrize("ahead_s", [60.0, 1200.0, 5 * 3600.0, 20 * 365 * 86_400.0])
@pytest.mark.parametrize("restart", [False, True])
def test_after_a_clock_is_set_back_new_reports_count(ahead_s: float, restart: bool, tmp_path: Path) -> None:
    tracker = Tracker(sensors=[RADAR])
    stepped(tracker, 0, 12)
    assert shown(tracker) == [("confirmed", 0), ("confirmed", 244_000_001)]
    stepped(tracker, 120, 12, ahead_s=ahead_s)
    assert shown(tracker) == [("confirmed", 0), ("confirmed", 244_000_001)]
    if restart:
        tracker.save(tmp_path / "state")
        tracker = Tracker.load(tmp_path / "state")
    tracker.set_back(T0 + 241_000_000)
    update = tracker.step(heard(250, 1), now_us=T0 + 251_000_000)
    assert update.counters["clock_set_back"] == 1
    assert update.counters["clock_tracks"] == 2
    assert {r["status"] for r in update.tracks.to_pylist()} == {"ended", "tentative"}
    stepped(tracker, 260, 12)
    assert shown(tracker) == [("confirmed", 0), ("confirmed", 244_000_001)]
    for word in ("ancient", "late", "late_too_old", "future"):
        assert not tracker.totals[word], tracker.totals
    assert max(r["observed_at"].timestamp() for r in tracker.snapshot(0).to_pylist()) * 1e6 < T0 + 400_000_000


def test_without_it_the_present_is_counted_as_ancient() -> None:
    tracker = Tracker(sensors=[RADAR])
    stepped(tracker, 0, 3, ahead_s=5 * 3600.0)
    update = tracker.step(heard(30, 1), now_us=T0 + 31_000_000)
    assert update.counters["ancient"] == 2


def test_a_clock_that_was_not_ahead_changes_nothing() -> None:
    tracker, other = Tracker(sensors=[RADAR]), Tracker(sensors=[RADAR])
    for each in (tracker, other):
        stepped(each, 0, 12)
    tracker.set_back(tracker.clock_us or 0)
    assert tracker.snapshot(0).equals(other.snapshot(0))
    assert not tracker.totals["clock_set_back"]


def test_what_waits_for_its_time_waits_no_longer_than_it_may() -> None:
    """Reports up to 30 s ahead of the clock wait; ahead of the clock that was set back they would for hours."""
    tracker = Tracker(sensors=[RADAR])
    tracker.step(heard(3600.0, 2), now_us=T0 + 3_595_000_000)
    tracker.set_back(T0)
    update = tracker.step(heard(1.0, 1), now_us=T0 + 5_000_000)
    assert (update.counters["clock_waiting"], update.counters["pending"]) == (4, 0)


def test_a_source_ahead_is_refused_and_counts_once_it_is_right() -> None:
    tracker = Tracker(sensors=[RADAR])
    for k in range(12):
        t = 10 * k
        update = tracker.step(heard(t, 1, ahead_s=7200.0), now_us=T0 + int((t + 1) * 1e6))
        assert update.counters["future"] == 2
    stepped(tracker, 120, 12)
    assert shown(tracker) == [("confirmed", 0), ("confirmed", 244_000_001)]


def test_a_row_of_the_future_is_not_brought_back_by_an_undo() -> None:
    tracker = Tracker(sensors=[RADAR])
    stepped(tracker, 0, 12, ahead_s=3600.0)
    (uid,) = [r["track_id"] for r in tracker.snapshot(0).to_pylist() if r["mmsi"]]
    done = tracker.operate("drop", {"track_id": uid}, "lt.reyes", tracker.clock_us or 0)
    tracker.set_back(T0 + 121_000_000)
    with pytest.raises(Exception, match="cannot be undone"):
        tracker.operate("undo", {"operation": done["operation"]}, "lt.reyes", T0 + 121_000_000)
