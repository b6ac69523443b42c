"""What ships, receivers and hulls do to the errors: a ship at rest, wandering GNSS, a large hull without AIS."""

from __future__ import annotations

import numpy as np
import pytest

from kuroshio.picture import SensorModel, Tracker
from kuroshio.schema import OBSERVATIONS

T0 = 1_700_000_000_000_000
M = 1.0 / 111_000.0


def seen(t_s: np.ndarray, east_m: np.ndarray, north_m: np.ndarray, sigma_m: float, **columns: object) -> object:
    n = len(t_s)
    return OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + 1,
            "observed_at": T0 + (t_s * 1e6).astype(np.int64),
            "lat_deg": 20.0 + north_m * M,
            "lon_deg": 122.0 + east_m * M / np.cos(np.radians(20.0)),
            "cov_ee_m2": np.full(n, sigma_m**2),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, sigma_m**2),
            **columns,
        },
        n,
    )


def reports(t_s: np.ndarray, speed_mps: float, sigma_m: float, error: np.ndarray) -> object:
    n = len(t_s)
    return seen(
        t_s, error[:, 0], speed_mps * t_s + error[:, 1], sigma_m,
        source=["ais"] * n, sensor=["ais"] * n, mmsi=np.full(n, 1234), sog_mps=np.full(n, speed_mps),
        cog_deg=np.zeros(n), vel_sigma_mps=np.full(n, 0.15), heading_deg=np.zeros(n),
    )  # fmt: skip


def sigma_of(tracker: Tracker, at_s: float) -> float:
    (row,) = tracker.snapshot(T0 + int(at_s * 1e6)).to_pylist()
    return float(np.sqrt((row["cov_ee_m2"] + row["cov_nn_m2"]) / 2.0))


@pytest.mark.parametrize(("speed_mps", "least_m", "most_m"), [(0.05, 5.0, 30.0), (7.0, 40.0, 400.0)])
def test_a_ship_at_rest_stays_where_it_is_between_reports(speed_mps: float, least_m: float, most_m: float) -> None:
    t = np.arange(0.0, 200.0, 10.0)
    tracker = Tracker()
    tracker.step(reports(t, speed_mps, 10.0, np.zeros((20, 2))), now_us=T0 + 190_000_000)
    assert least_m < sigma_of(tracker, 370.0) < most_m  # three minutes later


@pytest.mark.parametrize("wanders", [True, False])
def test_what_does_not_scatter_does_not_average_out(wanders: bool) -> None:
    rng = np.random.default_rng(3)
    t = np.arange(0.0, 1200.0, 6.0)
    error = np.tile(rng.normal(0.0, 10.0, (1, 2)), (200, 1)) if wanders else rng.normal(0.0, 30.0, (200, 2))
    tracker = Tracker()
    tracker.step(reports(t, 7.0, 30.0, error), now_us=T0 + int(t[-1] * 1e6))
    sigma = sigma_of(tracker, t[-1])
    assert (sigma > 9.0) if wanders else (sigma < 8.0)


@pytest.mark.parametrize("length_m", [12.0, 300.0])
def test_a_large_hull_without_ais_keeps_its_track_and_lies_still(length_m: float) -> None:
    rng = np.random.default_rng(5)
    t = np.arange(0.0, 900.0, 3.0)
    n = len(t)
    error = rng.normal(0.0, 15.0, (n, 2)) + rng.normal(0.0, length_m / 6.0, (n, 2))
    rows = seen(t, error[:, 0], error[:, 1], 15.0, source=["r"] * n, sensor=["radar"] * n, scan=np.arange(n))
    tracker = Tracker(sensors=[SensorModel("r", "radar", 20.1, 122.0, 40_000.0, None, 3.0)])
    tracks = tracker.step(rows, now_us=T0 + 900_000_000).tracks
    assert len(set(tracks["track_id"].to_pylist())) == 1
    late = np.asarray(tracks["sog_mps"])[len(tracks) // 2 :]
    assert np.sqrt(np.mean(late**2)) < 1.0
    assert tracker.table.life.extent[tracker.table.live[0]] < (400.0 if length_m < 100.0 else 4500.0)
