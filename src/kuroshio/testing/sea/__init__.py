"""A simulated sea: ships, radars, AIS and satellites with known truth, deterministic from one seed."""

from __future__ import annotations

from kuroshio.testing.sea.scene import CLUTTER, RadarSite, Scene, four_radars, observations

__all__ = ["CLUTTER", "RadarSite", "Scene", "four_radars", "observations"]
