"""Tracklets of partners: what each learnt is fused once, as one filter of all reports would have used it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.picture import Tracker
from kuroshio.picture.partner_states import CROSS, STATE
from kuroshio.picture.tracklets import (
    OWN,
    WIDTH,
    Fused,
    add_tracklet,
    bounded,
    covariance,
    intersect_whole,
    number_of,
    predict_states,
    with_covariance,
)
from kuroshio.schema import OBSERVATIONS, TRACKS

T0 = 1_700_000_000_000_000
LAT0, LON0 = 20.0, 122.0
US = 1_000_000


def _state(rng: np.random.Generator, place_m: float = 100.0, speed_mps: float = 2.0) -> np.ndarray:
    root = rng.normal(0.0, 1.0, (4, 4)) * np.array([place_m, place_m, speed_mps, speed_mps])[:, None]
    state = np.zeros((1, WIDTH))
    state[0, :4] = LAT0, LON0, *rng.normal(0.0, 3.0, 2)
    cov = root @ root.T + np.diag([place_m**2, place_m**2, speed_mps**2, speed_mps**2])
    return with_covariance(state, cov[None])


def _measured(state: np.ndarray, z: np.ndarray, sigma_m: float) -> np.ndarray:
    """Kalman update by a place (metres from the reference), in NumPy as the textbook has it: the reference."""
    x, p = _vector(state), covariance(state)[0]
    gain = p[:, :2] @ np.linalg.inv(p[:2, :2] + sigma_m**2 * np.eye(2))
    x, p = x + gain @ (z - x[:2]), p - gain @ p[:2]
    out = with_covariance(state.copy(), p[None])
    out[0, 0], out[0, 1] = LAT0 + x[1] / NORTH, LON0 + x[0] / EAST
    out[0, 2:4] = x[2:]
    return out


EAST, NORTH = 104_647.0, 110_704.0


def _vector(state: np.ndarray) -> np.ndarray:
    return np.array([(state[0, 1] - LON0) * EAST, (state[0, 0] - LAT0) * NORTH, state[0, 2], state[0, 3]])


def test_tracklets_of_three_filters_are_one_filter_of_all_reports(rng: np.random.Generator) -> None:
    """Without noise of the motion nothing is lost: fused by differences equals every report in one filter."""
    none = np.zeros(1)
    filters = {k: _state(rng) for k in (OWN, 11, 12)}
    whole, t_us = Fused(), T0
    keys = np.array([[1, k] for k in filters])

    def tick() -> None:
        states = np.concatenate(list(filters.values()))
        whole.tick(t_us, keys, np.full(3, t_us), states, np.zeros(3), np.zeros(3))

    tick()
    one = whole.state.copy()
    truth = np.array([0.0, 0.0, 4.0, -2.0])
    for _ in range(12):
        t_us += 5 * US
        dt = np.full(1, 5.0)
        truth[:2] += 5.0 * truth[2:]
        one = predict_states(one, dt, none)
        for k in filters:
            z = truth[:2] + rng.normal(0.0, 30.0, 2)
            filters[k] = _measured(predict_states(filters[k], dt, none), z, 30.0)
            one = _measured(one, z, 30.0)
        tick()
    assert _vector(whole.state) == pytest.approx(_vector(one), abs=0.02)
    assert covariance(whole.state)[0] == pytest.approx(covariance(one)[0], rel=1e-6)


def test_what_comes_twice_or_by_another_way_adds_nothing(rng: np.random.Generator) -> None:
    own, theirs = _state(rng), _state(rng)
    key, t = np.array([[1, OWN], [1, 11]]), np.array([T0, T0])
    whole, zero = Fused(), np.zeros(2)
    whole.tick(T0, key, t, np.concatenate([own, theirs]), zero, zero)
    first = whole.state.copy()
    for k in range(1, 4):  # the same rows again at later ticks, as when nothing new was told
        moved = predict_states(np.concatenate([own, theirs]), np.full(2, 5.0 * k), zero)
        whole.tick(T0 + 5 * k * US, key, t, moved, zero, zero)
    assert whole.state == pytest.approx(predict_states(first, np.full(1, 15.0), zero[:1]), rel=1e-9)


def test_nothing_is_surer_than_independent_errors_allow_and_doubt_takes_nothing_back(rng: np.random.Generator) -> None:
    for _ in range(50):
        fused, before, now = _state(rng), _state(rng), _state(rng)
        after = add_tracklet(fused, before, now)
        gained = np.linalg.inv(covariance(after)[0]) - np.linalg.inv(covariance(fused)[0])
        assert np.linalg.eigvalsh(gained).min() > -1e-9 * np.abs(gained).max()
        assert np.linalg.eigvalsh(np.linalg.inv(covariance(now)[0]) - gained).min() > -1e-6
        wide = with_covariance(now, covariance(now) * 2.0)
        assert add_tracklet(fused, now, wide) == pytest.approx(fused, rel=1e-9)
        kept = bounded(after, np.concatenate([fused, now]), np.zeros(2, np.int64))
        least = np.linalg.inv(sum(np.linalg.inv(covariance(s)[0]) for s in (fused, now)))
        assert kept[0, 4] + kept[0, 6] >= (least[0, 0] + least[1, 1]) * (1 - 1e-9)
        both = intersect_whole(fused, now)
        assert both[0, 4] + both[0, 6] <= min(s[0, 4] + s[0, 6] for s in (fused, now)) * (1 + 1e-9)


# -- in the picture


def _plots(t_s: np.ndarray, seed: int, sigma_m: float = 20.0) -> pa.Table:
    n, rng = len(t_s), np.random.default_rng(seed)
    return OBSERVATIONS.build(
        {
            "obs_id": seed * 10_000 + np.arange(1, n + 1),
            "observed_at": (T0 + (t_s * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": ["ais"] * n,
            "sensor": ["ais"] * n,
            "lat_deg": LAT0 + (5.0 * t_s + rng.normal(0, sigma_m, n)) / NORTH,
            "lon_deg": LON0 + rng.normal(0, sigma_m, n) / EAST,
            "cov_ee_m2": np.full(n, sigma_m**2),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, sigma_m**2),
            "mmsi": np.full(n, 273_000_001),
        }
    )


def _told(tracker: Tracker, at_us: int, partner: str, ref: str, provenance: str | None) -> pa.Table:
    rows = tracker.snapshot(at_us).to_pylist()
    for row in rows:
        row |= {"partner": partner, "partner_track": ref, "provenance": provenance}
    return TRACKS.from_rows(rows)


def _play(told: list[tuple[str, str, str | None]], folder: Path | None = None) -> tuple[Tracker, dict, dict]:  # type: ignore[type-arg]
    """Our tracker beside one of another node, whose estimate comes in the ways told; (ours, our row, row alone)."""
    ours, alone, other = Tracker(), Tracker(), Tracker()
    for k in range(30):
        now_us = T0 + (k + 1) * 5 * US
        t_s = np.array([5.0 * k])
        other.step(_plots(t_s, 1000 + k), now_us=now_us)
        mine = _plots(t_s + 1.0, 1 + k)
        rows = [_told(other, now_us, *way) for way in told]
        ours.step(mine, now_us=now_us, partners=pa.concat_tables(rows) if rows else None)
        alone.step(mine, now_us=now_us)
        if folder is not None and k % 7 == 0:
            ours.save(folder / "state")
            ours = Tracker.load(folder / "state")
    at_us = T0 + 151 * US
    return ours, *(next(r for r in t.snapshot(at_us).to_pylist() if r["first_at"]) for t in (ours, alone))


def test_a_tracklet_tightens_more_than_an_intersection_and_is_the_same_by_two_ways(tmp_path: Path) -> None:
    _, crossed, alone = _play([("JPN", "a", None)])
    ours, once, _ = _play([("JPN", "a", "x")])
    _, twice, _ = _play([("JPN", "a", "x"), ("USA", "b", "x")])
    _, again, _ = _play([("JPN", "a", "x")], tmp_path)
    spread = [r["cov_ee_m2"] + r["cov_nn_m2"] for r in (once, crossed, alone)]
    assert spread[0] < 0.8 * spread[1]
    assert spread[1] <= spread[2] * (1 + 1e-9)
    for name in (*STATE, *CROSS):
        assert twice[name] == once[name] == again[name], name
    assert once["fused_with"] == ["JPN:a"]
    assert twice["fused_with"] == ["JPN:a", "USA:b"]  # whichever way it came: the ties of both hold
    assert once["provenance"] is None  # what is fused is nobody's own estimate
    assert ours.table.row_of(int(once["track_id"])) >= 0
    assert _play([])[1]["cov_ee_m2"] == alone["cov_ee_m2"]


def test_own_filters_and_what_is_told_never_see_a_tracklet() -> None:
    ours, _, alone = _play([("JPN", "a", "x")])
    row = ours.table.row_of(int(alone["track_id"]))
    alone_again, _, _ = _play([])
    same = alone_again.table.row_of(int(alone["track_id"]))
    assert ours.table.tracks[row].tobytes() == alone_again.table.tracks[same].tobytes()


def test_bare_estimates_of_several_partners_all_tighten_a_row() -> None:
    ours = Tracker()
    ours.step(_plots(np.arange(0.0, 100.0, 10.0), 1), now_us=T0 + 100 * US)
    shot = ours.snapshot(T0 + 100 * US).to_pylist()[0]
    rows = []
    for partner, ee, nn in (("JPN", 4.0, 4e4), ("USA", 4e4, 4.0)):  # each sure of one axis
        rows.append(
            {**shot, "partner": partner, "partner_track": "r", "cov_ee_m2": ee, "cov_en_m2": 0.0, "cov_nn_m2": nn}
        )
        rows[-1] |= dict.fromkeys(CROSS)
    ours.step(OBSERVATIONS.empty(), now_us=T0 + 101 * US, partners=TRACKS.from_rows(rows[:1]))
    one = ours.snapshot(T0 + 101 * US).to_pylist()[0]
    ours.step(OBSERVATIONS.empty(), now_us=T0 + 101 * US, partners=TRACKS.from_rows(rows[1:]))
    both = next(r for r in ours.snapshot(T0 + 101 * US).to_pylist() if r["first_at"])
    assert both["cov_ee_m2"] + both["cov_nn_m2"] < one["cov_ee_m2"] + one["cov_nn_m2"]
    assert both["fused_with"] == ["JPN:r", "USA:r"]
    assert one["fused_with"] == ["JPN:r"]


def test_a_provenance_is_never_taken_for_our_own() -> None:
    assert all(number_of(str(k)) != OWN for k in range(1000))
