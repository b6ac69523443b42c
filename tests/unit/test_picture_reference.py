"""Kernels against the plain NumPy form of the same algebra."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from kuroshio.picture import Tracker, columns, identity, merge, reference, seen, warm_up
from kuroshio.picture import filter as filter_
from kuroshio.picture.filter import scratch
from kuroshio.picture.model import TrackerConfig, motion_of
from kuroshio.picture.motion import agility, local_offset
from kuroshio.picture.table import TrackTable
from kuroshio.schema import OBSERVATIONS


@njit
def start_state_of(t, t_us, lat, lon, r0, r1, r2, ve, vn, rv):  # type: ignore[no-untyped-def]
    filter_.start_state(t, t_us, lat, lon, r0, r1, r2, ve, vn, rv)


@njit
def predictive_of(t, dt, e, n, r0, r1, r2, motion, w):  # type: ignore[no-untyped-def]
    filter_.combined(t, w.c)
    spread = np.empty(6)
    filter_.spread_at(w.c, t.mu, agility(t.ve, t.vn), dt, motion, spread)
    return filter_.density(spread, e - dt * t.ve, n - dt * t.vn, r0, r1, r2, np.inf)


@njit
def manoeuvre_distance_of(t, dt, e, n, r0, r1, r2, motion):  # type: ignore[no-untyped-def]
    return filter_.manoeuvre_distance(t, dt, e, n, r0, r1, r2, motion)


@njit
def imm_update_of(t, t_us, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion):  # type: ignore[no-untyped-def]
    return filter_.imm_update(t, t_us, e, n, r0, r1, r2, has_v, zve, zvn, rv, motion)


@njit
def distance_4d_of(p, d, work):  # type: ignore[no-untyped-def]
    return merge.distance_4d(p, d, work)


MOTION = motion_of(TrackerConfig())
T0 = 1_700_000_000_000_000


def test_imm_equals_the_reference_over_a_run(rng: np.random.Generator) -> None:
    table = TrackTable(capacity=4)
    kin, track, work = table.kin, table.tracks[0], scratch()
    lat, lon = 20.0, 122.0
    start_state_of(track, T0, lat, lon, 400.0, 30.0, 500.0, 1.0, 2.0, 64.0)
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
        d2p, llp = predictive_of(track, dt, e, n, 100.0, 20.0, 150.0, MOTION, work)
        assert manoeuvre_distance_of(track, dt, e, n, 100.0, 20.0, 150.0, MOTION) == pytest.approx(d2p, rel=1e-9)
        assert (d2p, llp) == pytest.approx(reference.predictive(state, dt, np.array([e, n]), r, MOTION), rel=1e-6)
        zv = velocity if velocity is not None else np.zeros(2)
        d2 = imm_update_of(track, t, e, n, 100.0, 20.0, 150.0, velocity is not None, zv[0], zv[1], 0.25, MOTION)
        want = reference.update(state, dt, np.array([e, n]), r, velocity, 0.25, MOTION)
        assert d2 == pytest.approx(want, rel=1e-7)
        assert kin.mu[0] == pytest.approx(state.mu, rel=1e-7)
        assert np.array([kin.ve[0], kin.vn[0]]) == pytest.approx(state.mean[2:], rel=1e-7, abs=1e-9)
        predictive_of(track, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, MOTION, work)  # leaves the combined covariance in work
        assert reference.unpack(work["c"]) == pytest.approx(state.cov, rel=1e-7, abs=1e-7)
        state.recentre()


def test_distance_of_four_equals_numpy(rng: np.random.Generator) -> None:
    work = np.empty((5, 4))
    for _ in range(20):
        a = rng.normal(0, 1, (4, 4))
        p = a @ a.T + np.eye(4)
        d = rng.normal(0, 2, 4)
        packed = p[np.triu_indices(4)]
        assert distance_4d_of(packed, d, work) == pytest.approx(d @ np.linalg.solve(p, d))
    assert distance_4d_of(np.zeros(10), np.ones(4), work) == np.inf


def test_no_kernel_is_compiled_after_the_warm_up(rng: np.random.Generator) -> None:
    """A column that is null, partly null or full is the same to a kernel: no step waits for the compiler."""
    warm_up()
    kernels = {"judge": columns.judge, "keyed": identity.keyed_run, "merge": seen.take_seen}
    before = {name: len(kernel.signatures) for name, kernel in kernels.items()}
    n = 12
    base = {
        "obs_id": np.arange(n) + 1,
        "observed_at": (T0 + np.arange(n) * 1_000_000).astype("datetime64[us]"),
        "source": ["a"] * n,
        "sensor": ["ais"] * n,
        "lat_deg": np.full(n, 20.0),
        "lon_deg": np.full(n, 122.0),
        "cov_ee_m2": np.full(n, 100.0),
        "cov_en_m2": np.zeros(n),
        "cov_nn_m2": np.full(n, 100.0),
        "mmsi": np.arange(n) + 1,
    }
    half = np.where(np.arange(n) % 2 == 0, 3.0, np.nan)
    for sog in (None, half, np.full(n, 3.0)):
        for heading in (None, half):
            rows = {k: v for k, v in (("sog_mps", sog), ("cog_deg", sog), ("heading_deg", heading)) if v is not None}
            Tracker().step(OBSERVATIONS.build(base | rows), now_us=T0 + 60_000_000)
    seen.take_seen(Tracker().table.tracks, 0, 0)  # as the first merge of a process does: it took 0.1 s of a step
    assert {name: len(kernel.signatures) for name, kernel in kernels.items()} == before
