"""Kernels that no other test meets alone: grids, the gate, comparing radars with AIS."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from kuroshio.geo import distance_m, offset_position
from kuroshio.picture import filter as filter_
from kuroshio.picture.gate import gate_frame
from kuroshio.picture.grid import SPANS_MAX, build, near
from kuroshio.picture.identity import OBS
from kuroshio.picture.lifecycle import rules_of
from kuroshio.picture.model import TrackerConfig, motion_of
from kuroshio.picture.motion import local_offset
from kuroshio.picture.registration import pair_residuals
from kuroshio.picture.table import TRACK, TrackTable

T0 = 1_700_000_000_000_000
RADAR = (20.0, 122.0)


def _ships(east_m: np.ndarray, north_m: np.ndarray) -> TrackTable:
    """Ships at rest that have just reported by AIS."""
    table = TrackTable(capacity=len(east_m))
    ships = np.zeros(len(east_m), TRACK)
    ships["lat"], ships["lon"] = offset_position(*RADAR, east_m, north_m)
    ships["ais"][:, 0], ships["ais"][:, 1] = ships["lat"], ships["lon"]
    ships["mmsi"], ships["status"] = 200_000_001 + np.arange(len(ships)), 2
    ships["fed"][:, 0], ships["last_seen_us"][:, 0], ships["t_us"] = 5, T0, T0
    table.tracks[: len(ships)] = ships
    return table


def _plots(east_m: np.ndarray, north_m: np.ndarray) -> np.ndarray:
    plots = np.zeros(len(east_m), OBS)
    plots["t_us"] = T0
    plots["z"][:, 0], plots["z"][:, 1] = offset_position(*RADAR, east_m, north_m)
    plots["z"][:, 2] = plots["z"][:, 4] = 400.0
    return plots


@pytest.mark.parametrize("poison", [0.0, 3.0, np.nan])
def test_a_plot_that_one_of_two_ships_may_own_tells_a_radar_nothing(poison: float) -> None:
    """The difference of such a plot was read from memory nobody had written: a run did not repeat itself."""
    table = _ships(np.array([20_000.0]), np.array([0.0]))
    plots = _plots(np.array([19_700.0, 20_400.0]), np.array([100.0, -100.0]))
    keep = [np.full((2, 2), poison) for _ in range(64)]  # what lies in memory of that size when it is given back
    del keep
    sensor = np.array([*RADAR, 100_000.0, -20.0, 0.9])
    found = pair_residuals(table.tracks, np.zeros(1, np.int64), plots, np.arange(2), sensor)
    assert found.shape == (0, 2)
    alone = pair_residuals(table.tracks, np.zeros(1, np.int64), plots[:1].copy(), np.arange(1), sensor)
    assert alone[0, 0] == pytest.approx(-300.0, abs=3.0)


@njit
def near_of(grid, lat, lon, radius_m, runs, box):  # type: ignore[no-untyped-def]
    return near(grid, lat, lon, radius_m, runs, box)


@pytest.mark.parametrize(
    ("lat0", "lon0", "spread_deg"),
    [(20.0, 122.0, 0.5), (60.0, 179.95, 0.2), (-89.7, 10.0, 0.3), (0.0, 0.0, 80.0)],
)
def test_a_grid_gives_every_point_within_the_radius(
    rng: np.random.Generator, lat0: float, lon0: float, spread_deg: float
) -> None:
    lat = np.clip(lat0 + rng.normal(0, spread_deg, 400), -90.0, 90.0)
    lon = (lon0 + rng.normal(0, spread_deg, 400) / max(np.cos(np.radians(lat0)), 0.01) + 180.0) % 360.0 - 180.0
    grid = build(lat, lon, 2000.0)
    assert sorted(grid.point.tolist()) == list(range(400))
    runs, box = np.empty((SPANS_MAX, 2), np.int64), np.empty(400, np.int64)
    for k in range(0, 400, 7):
        found = set(grid.point[box[: near_of(grid, lat[k], lon[k], 5000.0, runs, box)]].tolist())
        within = np.flatnonzero(distance_m(lat[k], lon[k], lat, lon) < 5000.0)
        assert set(within.tolist()) <= found


def test_the_gate_gives_every_pair_the_density_admits(rng: np.random.Generator) -> None:
    """The flat ellipse that turns plots down first loses none: against all pairs, one by one."""
    rules, motion, work = rules_of(TrackerConfig()), motion_of(TrackerConfig()), filter_.scratch()
    n = 150
    e, m = rng.uniform(-9e3, 9e3, (2, n))
    tracks = TrackTable(capacity=n).tracks
    tracks["lat"], tracks["lon"] = offset_position(69.0, 20.0, e, m)
    tracks["t_us"], tracks["status"], tracks["mu"] = T0 - rng.integers(0, 40_000_000, n), 2, 0.2
    tracks["ve"], tracks["vn"] = rng.normal(0, 12, (2, n))
    tracks["x"][:, :, 2:] = np.stack([tracks["ve"], tracks["vn"]], axis=1)[:, None]
    tracks["fit"][:, 2] = np.where(np.arange(n) % 3 == 0, 120.0, np.nan)
    tracks["p"][:, :, [0, 4]], tracks["p"][:, :, [7, 9]] = 900.0, 2.0
    plots = np.zeros(n, OBS)
    plots["t_us"] = T0 + rng.integers(0, 1_000_000, n)
    plots["z"][:, 0], plots["z"][:, 1] = offset_position(69.0, 20.0, *rng.uniform(-9e3, 9e3, (2, n)))
    angle, across = rng.uniform(0, np.pi, n), rng.uniform(50, 600, n) ** 2
    s, c = np.sin(angle), np.cos(angle)
    plots["z"][:, 2], plots["z"][:, 4] = c * c * across + s * s * 2500.0, s * s * across + c * c * 2500.0
    plots["z"][:, 3] = s * c * (across - 2500.0)
    sensor = np.array([69.0, 20.0, 50_000.0, np.log(1e-10), 0.9])
    rows = np.arange(n)
    track, plot, cost, dist = gate_frame(tracks, rows, plots, rows, sensor, rules, motion)
    base = np.log(0.9) + 23.02585092994046 - np.log(0.1)
    wanted = {}
    for i in range(n):
        for q in range(n):
            d2, ll = pair_of(tracks[i], plots[q], motion, work)
            if d2 < rules.gate and ll + base > 0.0:
                wanted[i, q] = (d2, -(ll + base))
    assert len(wanted) > 100
    assert set(zip(track.tolist(), plot.tolist(), strict=True)) == set(wanted)
    for pair, d2, worth in zip(zip(track.tolist(), plot.tolist(), strict=True), dist, cost, strict=True):
        assert wanted[pair] == pytest.approx((d2, worth), rel=1e-9)


@njit
def pair_of(t, o, motion, w):  # type: ignore[no-untyped-def]
    filter_.combined(t, w.c)
    spread, dt = np.empty(6), (o.t_us - t.t_us) * 1e-6
    filter_.spread_at(w.c, t.mu, dt, motion, spread)
    extent = 0.0 if np.isnan(t.fit[2]) else (t.fit[2] / 6.0) ** 2
    e, n = local_offset(t.lat, t.lon, o.z[0], o.z[1])
    return filter_.density(spread, e - dt * t.ve, n - dt * t.vn, o.z[2] + extent, o.z[3], o.z[4] + extent, np.inf)
