"""Compile every kernel before the first real report.

What enters: nothing. What leaves: compiled (and cached) kernels. It runs a tiny scene through a tracker.
"""

from __future__ import annotations

import numpy as np

from kuroshio.picture.identity import OBS
from kuroshio.picture.model import SensorModel
from kuroshio.picture.registration import correct_plots
from kuroshio.picture.tracker import Tracker
from kuroshio.schema import OBSERVATIONS


def warm_up() -> None:
    """Compile all kernels of the room on two ships, one radar and one AIS source."""
    n = 24
    k = np.arange(n)
    t_us = 1_700_000_000_000_000 + k * 1_000_000
    ais = k % 2 == 0
    lat = 20.0 + 1e-4 * k + 0.01 * (k % 3 == 0)
    rows = OBSERVATIONS.build(
        {
            "obs_id": k + 1,
            "observed_at": t_us.astype("datetime64[us]"),
            "source": np.where(ais, "a", "r"),
            "sensor": np.where(ais, "ais", "radar"),
            "lat_deg": lat,
            "lon_deg": np.full(n, 122.0),
            "cov_ee_m2": np.full(n, 100.0),
            "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.full(n, 100.0),
            "sog_mps": np.where(ais, 5.0, np.nan),
            "cog_deg": np.where(ais, 10.0, np.nan),
            "mmsi": np.where(ais, 200_000_000 + k % 4, 0),
            "scan": k,
        }
    )
    tracker = Tracker(sensors=[SensorModel("r", "radar", 20.0, 122.0, 30_000.0, None, 2.0)])
    tracker.step(rows.slice(0, 20), now_us=int(t_us[19]) + 10_000_000)
    tracker.step(rows.slice(18), now_us=int(t_us[-1]) + 30_000_000)
    tracker.snapshot(int(t_us[-1]) + 30_000_000)
    tracker.table.reserve(10_000)  # as many names as make the key table grow
    correct_plots(np.zeros(1, OBS), np.zeros(1, np.int64), np.array([20.0, 122.0]), 0.0, 0.0)
