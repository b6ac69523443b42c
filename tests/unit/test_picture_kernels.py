"""Kernels that no other test meets alone: comparing radars with AIS."""

from __future__ import annotations

import numpy as np
import pytest

from kuroshio.geo import offset_position
from kuroshio.picture.identity import OBS
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
