"""The scored scene: the same seed gives the same rows, and every row's error is what its covariance says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kuroshio.errors import ConfigError
from kuroshio.geo import distance_m, enu_offset_m
from kuroshio.schema import OBSERVATIONS
from kuroshio.testing.sea import CLUTTER, Scene, observations


@pytest.fixture(scope="module")
def scene() -> Scene:
    return observations(11, 60, 300.0, truth_step_s=1.0)


def _normalised_errors(scene: Scene, sensor: str) -> np.ndarray:
    rows = (scene.ship_ids != CLUTTER) & np.array([s == sensor for s in scene.observations["sensor"].to_pylist()])
    obs = scene.observations.filter(pa.array(rows))
    ships = 60
    at = obs["observed_at"].cast(pa.int64()).to_numpy()
    start = scene.truth["observed_at"].cast(pa.int64()).to_numpy()[0]
    step = (at - start) // 1_000_000
    index = step * ships + scene.ship_ids[rows]
    dt = (at - start) / 1e6 - step
    truth = {n: scene.truth[n].to_numpy()[index] for n in ("lat_deg", "lon_deg", "ve_mps", "vn_mps")}
    east, north = enu_offset_m(truth["lat_deg"], truth["lon_deg"], obs["lat_deg"].to_numpy(), obs["lon_deg"].to_numpy())
    e, n = east - truth["ve_mps"] * dt, north - truth["vn_mps"] * dt
    a, b, c = (obs[k].to_numpy() for k in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2"))
    return (c * e * e - 2 * b * e * n + a * n * n) / (a * c - b * b)


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    one, two, other = (observations(seed, 10, 30.0) for seed in (3, 3, 4))
    assert one.observations.equals(two.observations)
    assert one.truth.equals(two.truth)
    assert not one.observations.equals(other.observations)


@pytest.mark.parametrize("sensor", ["radar", "ais"])
def test_errors_are_as_large_as_the_covariance_says(scene: Scene, sensor: str) -> None:
    d2 = _normalised_errors(scene, sensor)
    assert len(d2) > 500
    # mean of chi-square with two degrees of freedom is 2, its standard error 2/sqrt(n)
    assert abs(d2.mean() - 2.0) < 6.0 * 2.0 / np.sqrt(len(d2))


def test_rows_are_in_time_order_with_one_owner_each(scene: Scene) -> None:
    observed, truth = scene
    assert observed.schema.equals(OBSERVATIONS.arrow)
    assert observed.num_rows == len(scene.ship_ids)
    times = observed["observed_at"].cast(pa.int64()).to_numpy()
    assert (np.diff(times) >= 0).all()
    assert pc.count_distinct(observed["obs_id"]).as_py() == observed.num_rows
    assert truth.num_rows == 60 * 300


def test_dark_ships_have_no_mmsi_and_are_seen_by_radar_only(scene: Scene) -> None:
    dark = scene.truth.filter(pc.is_null(scene.truth["mmsi"]))["ship_id"].unique().to_pylist()
    assert 1 <= len(dark) <= 25
    of_dark = scene.observations.filter(pa.array(np.isin(scene.ship_ids, dark)))
    assert of_dark.num_rows > 0
    assert set(of_dark["sensor"].to_pylist()) == {"radar"}


def test_detection_and_clutter_rates_are_as_asked() -> None:
    scene = observations(5, 40, 400.0, clutter_per_scan=20.0, p_detection=0.9)
    scans = 4 * 40
    false = int((scene.ship_ids == CLUTTER).sum())
    assert abs(false - 20 * scans) < 5 * np.sqrt(20 * scans)
    site = scene.radars[0]
    plots = scene.observations.filter(
        pc.and_(pc.equal(scene.observations["source"], site.name), pa.array(scene.ship_ids != CLUTTER))
    )
    truth = scene.truth.filter(pc.equal(scene.truth["observed_at"], scene.truth["observed_at"][0]))
    inside = distance_m(site.lat_deg, site.lon_deg, truth["lat_deg"].to_numpy(), truth["lon_deg"].to_numpy())
    expected = 0.9 * 40 * (inside < site.range_m - 5000).sum()
    assert plots.num_rows >= 0.9 * expected


def test_a_scan_period_that_does_not_fit_the_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="whole seconds"):
        observations(1, 5, 10.0, scan_s=2.5)
