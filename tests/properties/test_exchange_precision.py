"""Coarse positions stay coarse: no attack of the suite beats the promised error, and the attacks do bite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.exchange import Outlet, coarsen
from kuroshio.exchange.select import select_alerts, select_tracks
from kuroshio.schema import ALERTS, TRACKS, Obligations
from kuroshio.testing.network import attacks

SECRET = bytes(range(32))


def test_no_attack_beats_the_promised_error() -> None:
    scores = attacks.suite(ships=150)
    # 300 samples an attack, 40 of the polytope: three standard errors of a root mean square are below 0.1
    assert all(score >= 0.93 for score in scores.values()), scores
    assert scores["single"] > 1.5


def test_the_same_attacks_take_plain_rounding_apart() -> None:
    scores = attacks.suite(plain=True, ships=60)
    for name in ("cell_crossing", "track_fit", "polytope", "several_grids", "two_partners"):
        assert scores[name] < 0.25, (name, scores)


def test_two_partners_with_one_grid_learn_nothing_from_each_other() -> None:
    ids = np.arange(1, 500)
    one, two = Outlet("JPN", SECRET), Outlet("USA", SECRET)
    for a, b in zip(one.offsets_deg(ids, 0.1), two.offsets_deg(ids, 0.1), strict=True):
        np.testing.assert_array_equal(a, b)


def test_coarser_shifts_contain_the_finer() -> None:
    """The coarse shift is the fine one plus independent noise: their difference tells nothing of the fine one."""
    ids = np.arange(1, 4000)
    outlet = Outlet("JPN", SECRET)
    fine, coarse = outlet.offsets_deg(ids, 0.1)[0], outlet.offsets_deg(ids, 0.5)[0]
    assert np.std(fine) == pytest.approx(0.1 / np.sqrt(6), rel=0.05)
    assert np.std(coarse) == pytest.approx(0.5 / np.sqrt(6), rel=0.05)
    assert abs(np.corrcoef(fine, coarse - fine)[0, 1]) < 0.06


def test_a_coarse_alert_names_one_ship_at_most_and_none_at_a_place_on_the_map() -> None:
    """Refs of ships that met, or a ref at a zone's border, would give the shifts of their tracks away."""
    at = np.full(4, 1_790_000_000_000_000).astype("datetime64[us]")
    rows = ALERTS.build(
        {
            "alert_id": ["met", "again", "border", "alone"], "definition": ["encounter", "encounter", "zone", "gap"],
            "version": ["1"] * 4, "change": ["open"] * 4, "severity": ["caution"] * 4, "summary": ["x"] * 4,
            "track_ids": [[7, 3], [3, 7], [7], [7]], "mmsis": [[430, 440], [440, 430], [430], [430]],
            "zone": [None, None, "EEZ", None], "start_at": at, "known_at": at,
            "lat_deg": [14.0, 14.0, 15.0, 16.0], "lon_deg": [124.0, 124.0, 125.0, 126.0],
        },
        rows=4,
    )  # fmt: skip
    outlet = Outlet("JPN", SECRET)
    told = select_alerts(rows, Obligations(grid_deg=0.1), outlet).to_pylist()
    assert [row["refs"] for row in told] == [[outlet.ref(3)], [outlet.ref(3)], [], [outlet.ref(7)]]
    assert [row["mmsis"] for row in told] == [None, None, None, ["430"]]
    assert [row["lat_deg"] is None for row in told] == [False, False, True, False]
    assert [row["lon_deg"] is None for row in told] == [False, False, True, False]
    assert all(row["zone"] is None for row in told)
    exact = select_alerts(rows, Obligations(), outlet).to_pylist()
    assert [len(row["refs"]) for row in exact] == [2, 2, 1, 1]
    assert exact[2]["zone"] == "EEZ"


@given(
    lat=st.floats(-80, 80), lon=st.floats(-180, 179.9), grid=st.sampled_from([0.01, 0.05, 0.1, 0.25, 1.0]),
    bucket=st.integers(0, 3600), track=st.integers(1, 10**9),
)  # fmt: skip
def test_released_place_is_a_cell_near_the_truth_and_says_how_near(
    lat: float, lon: float, grid: float, bucket: int, track: int
) -> None:
    at = np.array([1_790_000_000_123_456], "datetime64[us]")
    rows = TRACKS.build(
        {"track_id": [track], "observed_at": at, "lat_deg": [lat], "lon_deg": [lon], "status": ["confirmed"],
         "sog_mps": [0.0], "cov_ee_m2": [1.0], "cov_en_m2": [0.0], "cov_nn_m2": [1.0]}
    )  # fmt: skip
    outlet = Outlet("JPN", SECRET)
    row = select_tracks(rows, Obligations(grid_deg=grid, time_bucket_s=bucket), outlet).to_pylist()[0]
    cell = row["lat_deg"] / grid - 0.5
    assert abs(cell - round(cell)) < 1e-4
    rung = next(s for s in coarsen.LADDER_DEG if s >= grid * (1 - 1e-9))
    most = grid / 2 + 1.25 * np.sqrt(2) * rung
    assert abs(row["lat_deg"] - lat) <= most
    assert abs((row["lon_deg"] - lon + 180) % 360 - 180) <= most
    assert row["cov_nn_m2"] >= (grid * 110_000) ** 2 / 4
    assert row["observed_at"].timestamp() % max(bucket, 60) == 0


def test_the_stated_variance_holds_the_truth() -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    count = 3000
    lat, lon = rng.uniform(10, 20, count), rng.uniform(115, 125, count)
    rows = TRACKS.build(
        {"track_id": np.arange(count), "observed_at": np.full(count, 1_790_000_000_000_000).astype("datetime64[us]"),
         "lat_deg": lat, "lon_deg": lon, "status": ["confirmed"] * count, "sog_mps": np.zeros(count),
         "cov_ee_m2": np.ones(count), "cov_en_m2": np.zeros(count), "cov_nn_m2": np.ones(count)}
    )  # fmt: skip
    given_ = select_tracks(rows, Obligations(grid_deg=0.1), Outlet("JPN", SECRET))
    north = (given_.column("lat_deg").to_numpy() - lat) * 110_600
    ratio = np.mean(north**2 / given_.column("cov_nn_m2").to_numpy())
    assert ratio == pytest.approx(1.0, abs=0.08)
