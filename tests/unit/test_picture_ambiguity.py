"""Probabilities of association: against all assignments, against plain matrices, and what they are used for."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.picture import SensorModel, Tracker, frames, reference
from kuroshio.picture.ambiguity import TOLD_MIN, marginals, one_for_all
from kuroshio.schema import OBSERVATIONS

T0_US = 1_700_000_000_000_000
NAMED = np.full(16, 235_000_001)


def _pairs(worth: np.ndarray) -> tuple[np.ndarray, ...]:
    track, plot = np.nonzero(np.isfinite(worth))
    return track, plot, -worth[track, plot]


def _kernel(worth: np.ndarray, exact_plots: int) -> np.ndarray:
    track, plot, cost = _pairs(worth)
    out = np.zeros(worth.shape)
    out[track, plot] = marginals(track, plot, cost, worth.shape[1], NAMED, exact_plots)
    return out


def _every_assignment(worth: np.ndarray) -> np.ndarray:
    """Probability of each pair, by the sum over all assignments."""
    tracks, plots = worth.shape
    total, out = 0.0, np.zeros(worth.shape)
    for chosen in itertools.product(range(-1, plots), repeat=tracks):
        taken = [j for j in chosen if j >= 0]
        if len(taken) == len(set(taken)):
            at = [(i, j) for i, j in enumerate(chosen) if j >= 0]
            weight = np.exp(sum(worth[i, j] for i, j in at))
            total += weight
            for i, j in at:
                out[i, j] += weight
    return out / total


def _random(rng: np.random.Generator, tracks: int, plots: int, density: float = 0.6) -> np.ndarray:
    return np.where(rng.random((tracks, plots)) < density, rng.uniform(0.1, 12.0, (tracks, plots)), -np.inf)


@pytest.mark.parametrize("seed", range(20))
def test_kernel_equals_plain_matrices_where_there_is_a_choice(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = _random(rng, *rng.integers(2, 14, 2), density=rng.uniform(0.1, 0.9))
    worth[:, 0] = rng.uniform(0.1, 5.0, len(worth))  # one component: every track wants the first plot
    got, expected = _kernel(worth, 0), reference.marginals(worth)
    np.testing.assert_allclose(got, expected, atol=1e-7)
    assert (got.sum(axis=1) <= 1.0 + 1e-6).all()
    settled = reference.marginals(worth, turns=10_000, settled=1e-12)
    assert (settled.sum(axis=0) <= 1.0 + 1e-6).all()
    assert np.abs(got - settled).max() < 0.01  # what stopping early costs


def test_a_pair_that_nobody_contests_is_sure_and_worths_of_any_size_keep_their_digits() -> None:
    alone = np.full((3, 3), -np.inf)
    np.fill_diagonal(alone, [0.2, 5.0, 200.0])
    assert (_kernel(alone, 8)[np.isfinite(alone)] == 1.0).all()
    for exact_plots in (0, 8):
        got = _kernel(np.array([[700.0, 690.0], [690.0, 700.0]]), exact_plots)
        assert got.sum() == pytest.approx(2.0, abs=1e-3)
    assert marginals(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), 3, NAMED, 8).shape == (0,)


@pytest.mark.parametrize("exact_plots", [0, 8])
def test_doubt_is_weighed_where_a_track_has_a_name_and_alone_there(exact_plots: int) -> None:
    worth = np.full((5, 5), -np.inf)
    worth[:2, :2], worth[2:4, 2:4], worth[4, 4] = 3.0, 4.0, 5.0
    track, plot, cost = _pairs(worth)
    mmsi = np.zeros(5, np.int64)
    mmsi[3] = 235_000_001
    got = marginals(track, plot, cost, 5, mmsi, exact_plots)
    assert (got[track < 2] == 1.0).all()
    assert (got[track == 4] == 1.0).all()
    both = _kernel(worth, exact_plots)[track, plot]
    np.testing.assert_array_equal(got[(track == 2) | (track == 3)], both[(track == 2) | (track == 3)])
    assert (both[track < 4] < 0.95).all()


@pytest.mark.parametrize("seed", range(10))
def test_small_components_are_summed_over_all_assignments(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = _random(rng, 5, 4, 0.7)
    worth[:, 0] = rng.uniform(-2.0, 25.0, 5)
    apart = np.full((9, 8), -np.inf)  # two components in one frame, with their numbers shuffled
    apart[:5, :4], apart[5:, 4:] = worth, _random(rng, 4, 4, 0.9)
    apart = apart[rng.permutation(9)][:, rng.permutation(8)]
    expected = np.zeros(apart.shape)
    one = np.isfinite(apart[:, 0])
    for _ in range(8):
        one = np.isfinite(apart)[:, np.isfinite(apart)[one].any(axis=0)].any(axis=1) | one
    for rows in (one, ~one):
        if rows.any():
            expected[rows] = _every_assignment(apart[rows])
    got = _kernel(apart, 8)
    contested = (np.isfinite(apart).sum(axis=1, keepdims=True) > 1) | (np.isfinite(apart).sum(axis=0) > 1)
    np.testing.assert_allclose(got[contested], expected[contested], atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_without_a_circle_of_pairs_propagation_is_exact(seed: int) -> None:
    worth = np.full((4, 4), -np.inf)  # a chain: track 0 - plot 0 - track 1 - plot 1 ...
    rng = np.random.default_rng(seed)
    for i in range(4):
        worth[i, i] = rng.uniform(0.1, 8.0)
        if i:
            worth[i, i - 1] = rng.uniform(0.1, 8.0)
    np.testing.assert_allclose(_kernel(worth, 0), _every_assignment(worth), atol=1e-7)


def test_two_tracks_beside_two_plots_are_why_small_components_are_summed() -> None:
    worth = np.array([[14.0, 12.6], [12.6, 14.0]])
    exact, propagated = _kernel(worth, 8), _kernel(worth, 0)
    np.testing.assert_allclose(exact, _every_assignment(worth), atol=1e-12)
    assert exact[0, 0] == pytest.approx(1.0 / (1.0 + np.exp(-2.8)), abs=1e-3)
    assert propagated[0, 0] > 0.999


def _by_all(p: np.ndarray, s: np.ndarray, beta: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance after the update by all candidates (Bar-Shalom, Li 1995, 3.4.2)."""
    gain = p @ np.linalg.inv(s)
    mean = beta @ v
    spread = np.einsum("j,ja,jb->ab", beta, v, v) - np.outer(mean, mean)
    return gain @ mean, p - gain @ (beta.sum() * s - spread) @ gain.T


def _one(s: np.ndarray, beta: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    second = np.einsum("j,ja,jb->ab", beta, v, v)
    mean = beta @ v
    e, n, q0, q1, q2 = one_for_all(
        s[0, 0], s[0, 1], s[1, 1], beta.sum(), mean[0], mean[1], second[0, 0], second[0, 1], second[1, 1]
    )
    return np.array([e, n]), np.array([[q0, q1], [q1, q2]])


def test_one_plot_updates_as_all_candidates_would() -> None:
    p, r = np.array([[400.0, 90.0], [90.0, 300.0]]), np.array([[9000.0, -2000.0], [-2000.0, 4000.0]])
    beta, v = np.array([0.6, 0.3]), np.array([[40.0, -25.0], [-30.0, 35.0]])
    innovation, q = _one(p + r, beta, v)
    gain = p @ np.linalg.inv(q)
    mean, cov = _by_all(p, p + r, beta, v)
    np.testing.assert_allclose(gain @ innovation, mean, rtol=1e-9)
    np.testing.assert_allclose(p - gain @ q @ gain.T, cov, rtol=1e-9)


def test_candidates_that_scatter_wider_than_the_track_knows_tell_next_to_nothing() -> None:
    p, r = np.diag([400.0, 400.0]), np.diag([900.0, 900.0])
    beta, v = np.array([0.5, 0.5]), np.array([[120.0, 0.0], [-120.0, 0.0]])
    innovation, q = _one(p + r, beta, v)
    np.testing.assert_allclose(q, (p + r) / TOLD_MIN)
    np.testing.assert_allclose(innovation, [0.0, 0.0], atol=1e-9)


def _rows(t_s: np.ndarray, east_m: np.ndarray, mmsi: np.ndarray, first_id: int) -> pa.Table:
    n, ais = len(t_s), mmsi > 0
    return OBSERVATIONS.build(
        {
            "obs_id": first_id + np.arange(n),
            "observed_at": (T0_US + (t_s * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": np.where(ais, "a", "r"),
            "sensor": np.where(ais, "ais", "radar"),
            "lat_deg": np.full(n, 20.05),
            "lon_deg": 122.0 + east_m / 104_600.0,
            "cov_ee_m2": np.where(ais, 100.0, 3600.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.where(ais, 100.0, 3600.0),
            "sog_mps": np.where(ais, 0.0, np.nan),
            "cog_deg": np.where(ais, 0.0, np.nan),
            "mmsi": mmsi,
        }
    )


def _two_at_rest(monkeypatch: pytest.MonkeyPatch, *, weighed: bool, seed: int = 3) -> tuple[Tracker, float]:
    """A tracker of two named ships 40 m apart, of which radar sees both, and the first one's drag evidence."""
    if not weighed:
        monkeypatch.setattr(frames, "marginals", lambda track, *_: np.ones(len(track)))
    rng = np.random.default_rng(seed)
    t_s = np.repeat(np.arange(0.0, 600.0, 10.0), 2)
    both = np.tile([0.0, 40.0], len(t_s) // 2)
    plots = _rows(t_s + 0.5, both + rng.normal(0.0, 60.0, len(t_s)), np.zeros(len(t_s), np.int64), 1)
    said = _rows(t_s, both, np.tile([200_000_001, 200_000_002], len(t_s) // 2), 10_000)
    tracker = Tracker(sensors=[replace(SensorModel("r", "radar", 20.0, 122.0, 30_000.0), scan_s=10.0)])
    table = pa.concat_tables([plots, said])
    order = np.argsort(np.asarray(table["observed_at"].cast(pa.int64())), kind="stable")
    tracker.step(table.take(pa.array(order)), now_us=T0_US + 601_000_000)
    life = tracker.table.life
    named = tracker.table.live[life.mmsi[tracker.table.live] == 200_000_001]
    assert len(named) == 1
    return tracker, float(life.drag[named[0], 5])


def test_plots_that_may_be_the_neighbours_are_no_witness_against_a_ships_ais(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuroshio.picture.tick.Housekeeping.compares", lambda *arguments: True)
    _, weighed = _two_at_rest(monkeypatch, weighed=True)
    _, taken_for_sure = _two_at_rest(monkeypatch, weighed=False)
    assert taken_for_sure > 2.0
    assert weighed < 0.5 * taken_for_sure
