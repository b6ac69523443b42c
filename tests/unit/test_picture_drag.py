"""Spoofed AIS: positions dragged away slowly, and positions that jump, against a simulated sea with its truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.picture import SensorModel, Tracker
from kuroshio.picture.drag import offsets
from kuroshio.picture.model import AIS
from kuroshio.picture.seen import seen_us
from kuroshio.schema import FLAG_CONFLICT, FLAG_DRAG
from kuroshio.testing.sea import observations as make_sea
from kuroshio.testing.sea.scene import Scene, four_radars
from kuroshio.testing.sea.trials import trial

M = 1.0 / 111_000.0
START_S = 420.0


def scene_of(seed: int, duration_s: float, **radar: float) -> Scene:
    settings = {"range_m": 45_000.0, "scan_s": 3.0, "range_sigma_m": 50.0, "bearing_sigma_deg": 0.3} | radar
    radars = four_radars((20.0, 122.0), 25.0, p_detection=0.9, clutter_per_scan=20.0, **settings)
    return make_sea(seed, 40, duration_s, half_nm=25.0, radars=radars, dark_share=0.0)


def false_places(scene: Scene, share: float, east_m: object) -> tuple[pa.Table, set[int]]:
    """Observations where a share of the ships report ``east_m`` (of seconds since the start) off their place."""
    table = scene.observations
    t_s = np.asarray(table["observed_at"].cast(pa.int64())) / 1e6
    t_s = t_s - t_s.min() - START_S
    mmsi = np.asarray(table["mmsi"].fill_null(0))
    liars = np.unique(mmsi[mmsi > 0])[:: round(1 / share)]
    at = np.isin(mmsi, liars) & (t_s > 0)
    lon = np.asarray(table["lon_deg"]) + np.where(at, east_m(t_s) * M / 0.94, 0.0)  # type: ignore[operator]
    k = table.schema.get_field_index("lon_deg")
    return table.set_column(k, table.schema.field(k), pa.array(lon)), {int(m) for m in liars}


def track(scene: Scene, observations: pa.Table) -> tuple[Tracker, pa.Table]:
    tracker = Tracker(
        sensors=[SensorModel(r.name, "radar", r.lat_deg, r.lon_deg, r.range_m, None, r.scan_s) for r in scene.radars]
    )
    times = np.asarray(observations["observed_at"].cast(pa.int64()))
    return tracker, tracker.step(observations, now_us=int(times.max())).tracks


def first_flag_s(tracks: pa.Table, flag: int) -> dict[int, float]:
    """Seconds after the start at which each MMSI was first flagged."""
    t_s = np.asarray(tracks["observed_at"].cast(pa.int64())) / 1e6
    t_s = t_s - t_s.min() - START_S
    mmsi = np.asarray(tracks["mmsi"].fill_null(0))
    at = np.flatnonzero((np.asarray(tracks["flags"]) & flag > 0) & (mmsi > 0))
    return {int(mmsi[k]): float(t_s[k]) for k in at[::-1]}


def test_a_metre_a_second_is_found_within_five_minutes_and_ais_lets_go() -> None:
    scene = scene_of(11, START_S + 320.0)
    observations, liars = false_places(scene, 0.25, lambda t: 1.0 * t)
    tracker, tracks = track(scene, observations)
    found = first_flag_s(tracks, FLAG_DRAG)
    assert set(found) <= liars
    assert np.mean([found.get(m, np.inf) <= 300.0 for m in liars]) >= 0.9
    life, kin = tracker.table.life, tracker.table.kin
    row = next(i for m in liars for i in tracker.table.rows_of(m) if life.flags[i] & FLAG_DRAG)
    ghosts = [i for i in tracker.table.rows_of(int(life.mmsi[row])) if i != row]
    assert ghosts  # the false report has a track of its own
    assert abs(kin.lon[ghosts[0]] - kin.lon[row]) / M > 100.0
    assert seen_us(life.seen[row], AIS) < seen_us(life.seen[ghosts[0]], AIS)


@pytest.mark.parametrize(("jump_m", "least"), [(300.0, 0.95), (2000.0, 1.0)])
def test_jumps_are_conflicts_at_once_and_stay_flagged(jump_m: float, least: float) -> None:
    scene = scene_of(12, START_S + 240.0)
    observations, liars = false_places(scene, 0.5, lambda t: np.full(len(t), jump_m))
    _, tracks = track(scene, observations)
    found = first_flag_s(tracks, FLAG_CONFLICT)
    assert set(found) <= liars
    assert np.mean([m in found for m in liars]) >= least


@pytest.mark.parametrize("bias", [{}, {"range_bias_m": 80.0, "bearing_bias_deg": 0.5}])
def test_honest_ships_are_not_flagged_not_even_by_a_biased_radar(bias: dict[str, float]) -> None:
    scene = scene_of(13, 900.0, **bias)
    _, tracks = track(scene, scene.observations)
    assert not first_flag_s(tracks, FLAG_DRAG | FLAG_CONFLICT)


def test_offsets_are_the_weighted_mean() -> None:
    drag = np.zeros((1, 7), np.float32)
    drag[0] = (4 / 100.0, 0.0, 4 / 400.0, 4 * 30.0 / 100.0, 4 * -10.0 / 400.0, 4.0, 4.0)
    mean, cov = offsets(drag)
    assert mean[0] == pytest.approx([30.0, -10.0])
    assert cov[0] == pytest.approx([25.0, 0.0, 100.0])


@pytest.mark.parametrize("told_after_s", [0, 60])
def test_large_ships_at_anchor_are_not_dragged_by_their_antenna(told_after_s: int) -> None:
    """The antenna is up to half a ship off its centre, and the next report of a ship at rest is three minutes away."""
    (scene,) = trial("harbours").play(31, ships=60, duration_s=300.0, chunk_s=300.0)
    tracker = Tracker(sensors=scene.sensors())
    times = np.asarray(scene.observations["observed_at"].cast(pa.int64()))
    begun = int(times.min())
    at = int(np.searchsorted(times, begun + told_after_s * 1_000_000))
    rows = [tracker.step(scene.observations.slice(0, at), now_us=begun + told_after_s * 1_000_000).tracks]
    rest = tracker.step(scene.observations.slice(at), now_us=int(times.max()), statics=scene.statics)
    flags = np.concatenate([np.asarray(t["flags"]) for t in (*rows, rest.tracks)])
    assert not (flags & (FLAG_DRAG | FLAG_CONFLICT)).any()
    live = [m for m in tracker.snapshot(int(times.max()))["mmsi"].to_pylist() if m]
    assert len(live) == len(set(live)) > 40


@pytest.mark.parametrize("seed", [13, 14])
def test_ships_that_turn_while_no_ais_is_heard_are_not_dragged(seed: int) -> None:
    scene = scene_of(seed, 620.0)
    t_s = np.asarray(scene.observations["observed_at"].cast(pa.int64())) / 1e6
    lost = (t_s - t_s.min() > 250.0) & (t_s - t_s.min() < 560.0) & np.asarray(scene.observations["mmsi"].is_valid())
    _, tracks = track(scene, scene.observations.filter(pa.array(~lost)))
    assert first_flag_s(tracks, FLAG_DRAG | FLAG_CONFLICT) == {}
