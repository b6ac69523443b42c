"""A simulated sea: ships, radars, AIS and satellites with known truth, deterministic from one seed."""

from __future__ import annotations

from kuroshio.testing.sea.radio import Emission
from kuroshio.testing.sea.scenario import (
    HARBOUR,
    PHILIPPINE_SEA,
    PHILIPPINE_SEA_DAY,
    SCENARIOS,
    Pace,
    Radar,
    SatelliteAis,
    SatelliteRadar,
    Scenario,
    SourceSpec,
    Station,
)
from kuroshio.testing.sea.scene import CLUTTER, RadarSite, Scene, four_radars, observations
from kuroshio.testing.sea.sea import Sea
from kuroshio.testing.sea.serve import Outlet, Served, open_outlets, record, serve

__all__ = [
    "CLUTTER",
    "HARBOUR",
    "PHILIPPINE_SEA",
    "PHILIPPINE_SEA_DAY",
    "SCENARIOS",
    "Emission",
    "Outlet",
    "Pace",
    "Radar",
    "RadarSite",
    "SatelliteAis",
    "SatelliteRadar",
    "Scenario",
    "Scene",
    "Sea",
    "Served",
    "SourceSpec",
    "Station",
    "four_radars",
    "observations",
    "open_outlets",
    "record",
    "serve",
]
