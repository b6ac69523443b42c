"""Metrics against values worked out by hand, and against the plain definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.testing import metrics

M = 1.0 / 110_574.0  # one metre of latitude at the equator


def test_gospa_of_a_perfect_picture_is_zero() -> None:
    g = metrics.gospa([0.0, 0.1], [0.0, 0.1], [0.1, 0.0], [0.1, 0.0])
    assert g.distance == 0.0
    assert len(g.pairs) == 2


def test_gospa_decomposes_into_error_missed_and_false() -> None:
    g = metrics.gospa([0.0, 1.0], [0.0, 0.0], [30 * M, 2.0, 3.0], [0.0, 0.0, 0.0], cutoff_m=100.0)
    assert g.localisation == pytest.approx(900.0, rel=1e-3)
    assert g.missed == pytest.approx(5000.0)
    assert g.false == pytest.approx(10000.0)
    assert g.distance == pytest.approx(np.sqrt(15900.0), rel=1e-3)


def test_gospa_and_ospa_equal_the_definition_over_all_assignments(rng: np.random.Generator) -> None:
    for _ in range(20):
        n, m = (int(k) for k in rng.integers(1, 5, 2))
        a, b = rng.uniform(0, 400, (n, 2)) * M, rng.uniform(0, 400, (m, 2)) * M
        d = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1]) / M
        cut = np.minimum(d, 150.0) ** 2
        small = cut if n <= m else cut.T
        best = min(sum(small[i, j] for i, j in enumerate(p)) for p in permutations(range(max(n, m)), min(n, m)))
        ospa = np.sqrt((best + 150.0**2 * abs(n - m)) / max(n, m))
        got = metrics.ospa(a[:, 0], a[:, 1], b[:, 0], b[:, 1], cutoff_m=150.0)
        assert got == pytest.approx(ospa, rel=1e-2)
        gospa = np.sqrt(best + 150.0**2 / 2 * abs(n - m))
        assert metrics.gospa(a[:, 0], a[:, 1], b[:, 0], b[:, 1], cutoff_m=150.0).distance == pytest.approx(
            gospa, rel=1e-2
        )


def test_anees_of_an_honest_filter_is_one_and_of_a_vain_one_is_not(rng: np.random.Generator) -> None:
    error = rng.normal(0.0, 10.0, (20_000, 2))
    cov = np.tile(np.eye(2) * 100.0, (20_000, 1, 1))
    assert metrics.anees(error, cov) == pytest.approx(1.0, abs=0.03)
    assert metrics.anees(error, cov / 4.0) == pytest.approx(4.0, abs=0.12)
    inside = metrics.ellipse_coverage(metrics.nees(error, cov))
    for level, share in inside.items():
        assert share == pytest.approx(level, abs=0.01)


def _tracks(ids: list[int], times_s: list[int], lat: list[float], mmsi: list[int]) -> pa.Table:
    n = len(ids)
    zero = pa.array(np.zeros(n))
    return pa.table(
        {
            "track_id": ids,
            "observed_at": pa.array([t * 1_000_000 for t in times_s], pa.timestamp("us", tz="UTC")),
            "lat_deg": lat,
            "lon_deg": zero,
            "ve_mps": zero,
            "vn_mps": zero,
            **{k: pa.array(np.full(n, 100.0)) for k in ("cov_ee_m2", "cov_nn_m2", "cov_vee_m2s2", "cov_vnn_m2s2")},
            "cov_en_m2": zero,
            "cov_ven_m2s2": zero,
            "status": pa.array(["confirmed"] * n),
            "mmsi": mmsi,
        }
    )


def test_score_counts_changes_of_number_and_wrong_names() -> None:
    times = list(range(0, 100, 10))
    truth = pa.table(
        {
            "ship_id": pa.array([5] * 10),
            "observed_at": pa.array([t * 1_000_000 for t in times], pa.timestamp("us", tz="UTC")),
            "lat_deg": pa.array(np.zeros(10)),
            "lon_deg": pa.array(np.zeros(10)),
            "mmsi": pa.array([1] * 10),
        }
    )
    tracks = _tracks([1] * 5 + [2] * 5, times, [0.0] * 10, [1] * 5 + [9] * 5)
    got = metrics.score(tracks, truth, hold_s=5.0)
    assert got.completeness == 1.0
    # SIAP: 80 of the 90 s are inside a segment, and the longest segment is 40 of 90 s
    assert got.track_changes_per_h == pytest.approx(1 / (80 / 3600))
    assert got.longest_segment == pytest.approx(40 / 90)
    assert got.identity_correct == 0.5
    assert got.gospa_mean_m == 0.0
    far = _tracks([1] * 10, times, [1.0] * 10, [1] * 10)
    worse = metrics.score(far, truth, hold_s=5.0)
    assert worse.completeness == 0.0
    assert worse.spuriousness == 1.0
    assert worse.gospa_mean_m == pytest.approx(1000.0)
