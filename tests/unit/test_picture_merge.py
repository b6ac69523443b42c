"""When two tracks become one: only where nothing has lately shown two ships."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.picture import SensorModel, Tracker, merge
from kuroshio.picture.merge import APART_MOST, MergeMemory
from kuroshio.schema import OBSERVATIONS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
UID = np.array([11, 12])
TOGETHER, APART, FAR = np.array([[0, 1, 0]]), np.array([[0, 1, 1]]), np.zeros((0, 3), np.int64)


def plots(scan: int, lat_deg: np.ndarray, lon_deg: np.ndarray, ids: np.ndarray) -> pa.Table:
    """Plots of one scan."""
    n = len(ids)
    if not n:
        return OBSERVATIONS.empty()
    return OBSERVATIONS.build(
        {
            "obs_id": 10 * scan + ids,
            "observed_at": np.full(n, T0 + 10_000_000 * scan).astype("datetime64[us]"),
            "source": ["radar"] * n,
            "sensor": ["radar"] * n,
            "lat_deg": lat_deg,
            "lon_deg": lon_deg,
            "cov_ee_m2": [6400.0] * n,
            "cov_en_m2": [0.0] * n,
            "cov_nn_m2": [6400.0] * n,
            "scan": [scan] * n,
        }
    )


def passes(*found: np.ndarray) -> list[int]:
    """Numbers of the passes in which the two were due to be merged."""
    memory = MergeMemory()
    return [k for k, pairs in enumerate(found) if memory.pairs(pairs, UID, 3)]


def test_two_tracks_of_one_ship_are_merged_after_three_passes() -> None:
    assert passes(TOGETHER, TOGETHER, TOGETHER) == [2]
    assert passes(TOGETHER, TOGETHER, FAR, TOGETHER, TOGETHER, TOGETHER) == [5]


def test_a_scan_that_saw_both_is_not_forgotten_at_the_next() -> None:
    assert passes(APART, TOGETHER, TOGETHER, TOGETHER) == []
    assert passes(APART, TOGETHER, TOGETHER, TOGETHER, TOGETHER) == [4]
    assert passes(*[APART] * 2, *[TOGETHER] * 4) == []
    assert passes(*[APART] * 50, *[TOGETHER] * (APART_MOST + 3)) == [50 + APART_MOST + 2]
    assert passes(TOGETHER, TOGETHER, APART, TOGETHER, TOGETHER, TOGETHER) == []


def test_what_spoke_for_two_ships_fades_while_they_are_not_close() -> None:
    assert passes(*[APART] * 3, FAR, *[TOGETHER] * 4) == []
    assert passes(*[APART] * 3, *[FAR] * 3, *[TOGETHER] * 3) == [8]
    memory = MergeMemory()
    for found in (*[APART] * 3, *[FAR] * 3):
        memory.pairs(found, UID, 3)
    assert memory.seen == {}


def merges(seed: int) -> int:
    """Merges in 40 minutes of two ships 120 m apart, each missed in three scans of ten, with plots 80 m off."""
    rng = np.random.default_rng(seed)
    radar = SensorModel("radar", "radar", LAT0, LON0 - 0.5, 100_000.0, None, 10.0, pd=0.7)
    tracker = Tracker(sensors=[radar])
    for k in range(240):
        seen = np.flatnonzero(rng.random(2) < 0.7)
        north, east = 120.0 * seen + 80.0 * rng.standard_normal(len(seen)), 80.0 * rng.standard_normal(len(seen))
        now_us = T0 + 10_000_000 * k + 5_000_000
        tracker.step(plots(k, LAT0 + north / 110_600.0, LON0 + east / 104_600.0, seen + 1), now_us=now_us)
    return tracker.totals["merged"]


def test_two_ships_that_one_radar_cannot_part_stay_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three passes without both came every few minutes, and made them one."""
    now = sum(merges(seed) for seed in range(6))
    monkeypatch.setattr(merge, "APART_MOST", 0)
    assert 1.5 * now < sum(merges(seed) for seed in range(6))


def test_pairs_say_whether_one_scan_saw_both() -> None:
    tracker = Tracker()
    for k in range(4):
        table = plots(k, LAT0 + np.array([0.0, 0.001, 0.5]), np.full(3, LON0), np.arange(3) + 1)
        tracker.step(table, now_us=T0 + 10_000_000 * k + 2_000_000)
    tracks, rows = tracker.table.tracks, tracker.table.live
    tracker.table.life.status[rows] = 2
    found = merge.close_pairs(tracks, rows, T0 + 31_000_000, 1500.0, 13.3, tracker.motion)
    assert found[:, 2].tolist() == [1]
    tracker.table.life.last_scan[found[0, 0]] -= 1
    found = merge.close_pairs(tracks, rows, T0 + 31_000_000, 1500.0, 13.3, tracker.motion)
    assert found[:, 2].tolist() == [0]
