"""Kernels that no other test meets alone: grids, the gate, comparing radars with AIS, replay."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from kuroshio.geo import distance_m, offset_position
from kuroshio.picture import filter as filter_
from kuroshio.picture.gate import gate_frame
from kuroshio.picture.grid import SPANS_MAX, build, near
from kuroshio.picture.identity import OBS
from kuroshio.picture.late import LATE_DUPLICATE, LATE_OK, LATE_TOO_OLD, apply_report, insert_late
from kuroshio.picture.lifecycle import rules_of
from kuroshio.picture.model import TrackerConfig, motion_of
from kuroshio.picture.motion import agility, local_offset
from kuroshio.picture.registration import pair_residuals
from kuroshio.picture.replay import BYTES_A_BLOCK, CTL_LOST, CTL_TOP, Pool, new_pool
from kuroshio.picture.seen import TIME_BITS
from kuroshio.picture.table import CTL_FREE, TRACK, TrackTable

T0 = 1_700_000_000_000_000
RADAR = (20.0, 122.0)


def _ships(east_m: np.ndarray, north_m: np.ndarray) -> TrackTable:
    """Ships at rest that have just reported by AIS."""
    table = TrackTable(capacity=len(east_m))
    ships = np.zeros(len(east_m), TRACK)
    ships["lat"], ships["lon"] = offset_position(*RADAR, east_m, north_m)
    ships["ais"][:, 0], ships["ais"][:, 1] = ships["lat"], ships["lon"]
    ships["mmsi"], ships["status"] = 200_000_001 + np.arange(len(ships)), 2
    ships["fed"][:, 0], ships["t_us"], ships["seen"] = 5, T0, -1
    ships["seen"][:, 0] = T0 << TIME_BITS
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
    filter_.spread_at(w.c, t.mu, agility(t.ve, t.vn), dt, motion, spread)
    extent = t.extent if np.isnan(t.fit[2]) else (t.fit[2] / 6.0) ** 2
    e, n = local_offset(t.lat, t.lon, o.z[0], o.z[1])
    return filter_.density(spread, e - dt * t.ve, n - dt * t.vn, o.z[2] + extent, o.z[3], o.z[4] + extent, np.inf)


# -- reports kept for replay


@njit
def feed(t, pool, t_us, obs_id, z, motion, w):  # type: ignore[no-untyped-def]
    if t.block_seq != 0 and t_us <= t.t_us:
        return insert_late(t, pool, t_us, obs_id, z, 64.0, motion, w)
    apply_report(t, pool, t_us, obs_id, z, 64.0, motion, w)
    return LATE_OK


def _reports(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    t = T0 + np.sort(rng.choice(1_700_000, n, replace=False)) * 1000
    z = np.zeros((n, 8))
    z[:, 0], z[:, 1] = 20.0 + rng.normal(0, 1e-4, n), 122.0 + rng.normal(0, 1e-4, n)
    z[:, 2], z[:, 3], z[:, 4] = 100.0, 20.0, 150.0
    z[::3, 5:7], z[::3, 7] = rng.normal(0, 3, (len(z[::3]), 2)), 0.25
    return t, z


def _play(order: np.ndarray, t: np.ndarray, z: np.ndarray, blocks: int) -> tuple[np.ndarray, list[int], Pool]:
    tracks, work, motion = np.zeros(1, TRACK), filter_.scratch(), motion_of(TrackerConfig())
    pool = new_pool(blocks * BYTES_A_BLOCK * 1e-6 + 1e-9, 1800.0)
    codes = [feed(tracks[0], pool, t[k], k + 1, z[k], motion, work) for k in order.tolist()]
    return tracks[0], codes, pool


def test_any_order_of_reports_gives_the_bits_of_the_right_one(rng: np.random.Generator) -> None:
    t, z = _reports(rng, 150)
    want, _, _ = _play(np.arange(150), t, z, 40)
    for _ in range(6):
        got, codes, pool = _play(rng.permutation(150), t, z, 40)
        assert set(codes) == {LATE_OK}
        for name in ("lat", "lon", "mu", "t_us", "x", "p"):
            assert np.array_equal(got[name], want[name])
        assert pool.ctl[CTL_TOP] == 10  # 150 reports are ten blocks, in whatever order they came
    again = feed(got, pool, t[70], 71, z[70], motion_of(TrackerConfig()), filter_.scratch())
    assert again == LATE_DUPLICATE


def test_a_full_pool_refuses_what_it_cannot_place_and_says_so(rng: np.random.Generator) -> None:
    t, z = _reports(rng, 150)
    late = np.concatenate([np.delete(np.arange(150), [3, 120]), [3, 120]])
    got, codes, pool = _play(late, t, z, 4)
    assert codes[-2:] == [LATE_TOO_OLD, LATE_OK]
    assert pool.ctl[CTL_LOST] > 0
    assert pool.ctl[CTL_TOP] == 4
    want, _, _ = _play(np.delete(np.arange(150), 3), t, z, 40)
    assert np.array_equal(got["p"], want["p"])


def test_blocks_of_ended_and_of_old_tracks_are_used_again(rng: np.random.Generator) -> None:
    table = TrackTable(capacity=4, replay_mb=1.0, keep_s=100.0)
    t, z = _reports(rng, 150)
    work, motion = filter_.scratch(), motion_of(TrackerConfig())
    for k in range(150):
        feed(table.tracks[0], table.pool, t[k], k + 1, z[k], motion, work)
    assert table.pool.ctl[CTL_TOP] < 10  # of half an hour a hundred seconds are kept
    top = int(table.pool.ctl[CTL_TOP])
    table.ctl[CTL_FREE] -= 1
    table.release(np.zeros(1, np.int64))
    assert np.count_nonzero(table.pool.heads["seq"]) < top
    for k in range(30):
        feed(table.tracks[1], table.pool, t[-1], 1000 + k, z[k], motion, work)
    assert table.pool.ctl[CTL_TOP] == top


def test_a_report_is_used_as_it_is_kept(rng: np.random.Generator) -> None:
    """Place to 1 cm, velocity to 2 mm/s; a report too fast for two bytes is cut, not wrapped."""
    z = np.array([-89.99999994, 179.99999996, 100.0, 20.0, 150.0, 60.0, -60.0, 0.01**2])
    tracks, pool = np.zeros(1, TRACK), new_pool(1.0, 10.0)
    feed(tracks[0], pool, T0, 1, z, motion_of(TrackerConfig()), filter_.scratch())
    assert tracks[0]["lat"] == pytest.approx(z[0], abs=0.51e-7)
    assert tracks[0]["lon"] == pytest.approx(z[1], abs=0.51e-7)
    assert (tracks[0]["ve"], tracks[0]["vn"]) == pytest.approx((60.0, -60.0), abs=1e-3)
    assert tracks[0]["p"][0, 7] == pytest.approx(1e-4, rel=1e-6)
