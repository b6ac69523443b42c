"""Kernels against the plain NumPy form of the same algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from kuroshio.picture import filter as filter_
from kuroshio.picture import merge, reference
from kuroshio.picture.filter import scratch
from kuroshio.picture.model import TrackerConfig, motion_of
from kuroshio.picture.motion import local_offset
from kuroshio.picture.table import TrackTable


@njit
def start_state_of(kin, i, t, lat, lon, r0, r1, r2, ve, vn, rv):  # type: ignore[no-untyped-def]
    filter_.start_state(kin, i, t, lat, lon, r0, r1, r2, ve, vn, rv)


@njit
def predictive_of(kin, i, dt, e, n, r0, r1, r2, motion):  # type: ignore[no-untyped-def]
    return filter_.predictive(kin, i, dt, e, n, r0, r1, r2, motion)


@njit
def imm_update_of(kin, i, t, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion, w):  # type: ignore[no-untyped-def]
    return filter_.imm_update(kin, i, t, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion, w)


@njit
def distance_4d_of(p, d):  # type: ignore[no-untyped-def]
    return merge.distance_4d(p, d)


MOTION = motion_of(TrackerConfig())
T0 = 1_700_000_000_000_000


def test_imm_equals_the_reference_over_a_run(rng: np.random.Generator) -> None:
    table = TrackTable(capacity=4)
    kin = table.kin
    lat, lon = 20.0, 122.0
    start_state_of(kin, 0, T0, lat, lon, 400.0, 30.0, 500.0, 1.0, 2.0, 64.0)
    state = reference.begin(np.array([[400.0, 30.0], [30.0, 500.0]]), np.array([1.0, 2.0]), 64.0)
    t = T0
    for k in range(60):
        step_us = int(rng.uniform(0, 200 if k % 9 == 0 else 20) * 1e6)
        dt = step_us * 1e-6
        t += step_us
        lat += rng.normal(0, 1e-4) + 2e-5 * dt
        lon += rng.normal(0, 1e-4)
        e, n = local_offset(kin.lat[0], kin.lon[0], lat, lon)
        r = np.array([[100.0, 20.0], [20.0, 150.0]])
        velocity = rng.normal(0, 3, 2) if k % 2 else None
        d2p, llp = predictive_of(kin, 0, dt, e, n, 100.0, 20.0, 150.0, MOTION)
        assert (d2p, llp) == pytest.approx(reference.predictive(state, dt, np.array([e, n]), r, MOTION), rel=1e-6)
        zv = velocity if velocity is not None else np.zeros(2)
        d2 = imm_update_of(
            kin, 0, t, e, n, 100.0, 20.0, 150.0, velocity is not None, zv[0], zv[1], 0.25, MOTION, scratch()
        )
        want = reference.update(state, dt, np.array([e, n]), r, velocity, 0.25, MOTION)
        assert d2 == pytest.approx(want, rel=1e-7)
        assert kin.mu[0] == pytest.approx(state.mu, rel=1e-7)
        assert np.array([kin.ve[0], kin.vn[0]]) == pytest.approx(state.mean[2:], rel=1e-7, abs=1e-9)
        assert reference.unpack(kin.pc[0]) == pytest.approx(state.cov, rel=1e-7, abs=1e-7)
        state.recentre()


def test_distance_of_four_equals_numpy(rng: np.random.Generator) -> None:
    for _ in range(20):
        a = rng.normal(0, 1, (4, 4))
        p = a @ a.T + np.eye(4)
        d = rng.normal(0, 2, 4)
        packed = p[np.triu_indices(4)]
        assert distance_4d_of(packed, d) == pytest.approx(d @ np.linalg.solve(p, d))
    assert distance_4d_of(np.zeros(10), np.ones(4)) == np.inf
