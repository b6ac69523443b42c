"""Compile or load every kernel before the first real report: on first use half of them in a process beside this one.

What enters: nothing. What leaves: kernels in memory and in the cache beside the code. It runs tiny scenes through
trackers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.compiling import other_half
from kuroshio.picture.identity import OBS
from kuroshio.picture.model import SensorModel
from kuroshio.picture.registration import correct_plots
from kuroshio.picture.seen import take_seen
from kuroshio.picture.tracker import Tracker
from kuroshio.schema import OBSERVATIONS, TRACKS

ROWS = 24
TOLD: tuple[str, ...] = (
    "track_id",
    "observed_at",
    "status",
    "lat_deg",
    "lon_deg",
    "ve_mps",
    "vn_mps",
    "cov_ee_m2",
    "cov_en_m2",
    "cov_nn_m2",
)
TOLD += ("cov_vee_m2s2", "cov_ven_m2s2", "cov_vnn_m2s2", "exercise")


def warm_up() -> None:
    """Compile all kernels of the room on two ships, one radar and one AIS source."""
    with other_half("from kuroshio.picture import warm; warm.warm_plots()") as wait:
        _play(_scene(lambda k: np.ones(len(k), np.bool_)))  # reports that name themselves
        wait()
        tracker = _play(_scene(lambda k: k % 2 == 0))
    _share(tracker)
    tracker.table.reserve(10_000)  # as many names as make the key table grow, and identities
    take_seen(tracker.table.tracks, 0, 0)  # only a merge calls it
    tracker.seen.admit(np.arange(1, 10_000))
    correct_plots(np.zeros(1, OBS), np.zeros(1, np.int64), np.array([20.0, 122.0]), 0.0, 0.0)


def _share(tracker: Tracker) -> None:
    """What two partners told of the same ships."""
    now_us = tracker.clock_us or 0
    shown = tracker.snapshot(now_us).select(TOLD)
    for step, partner in enumerate(("w", "v")):
        theirs = {name: shown[name] for name in TOLD} | {"partner": [partner] * shown.num_rows}
        rows = TRACKS.build(theirs | {"partner_track": [str(k) for k in range(shown.num_rows)]})
        tracker.step(OBSERVATIONS.empty(), now_us=now_us + (step + 1) * 1_000_000, partners=rows)


def warm_plots() -> None:
    """Compile what only plots need."""
    _play(_scene(lambda k: np.zeros(len(k), np.bool_)))


def _play(rows: pa.Table) -> Tracker:
    tracker = Tracker(sensors=[SensorModel("r", "radar", 20.0, 122.0, 30_000.0, None, 2.0)])
    t_us = rows["observed_at"].cast(pa.int64()).to_numpy()
    tracker.step(rows.slice(0, 20), now_us=int(t_us[19]) + 10_000_000)
    tracker.step(rows.slice(18), now_us=int(t_us[-1]) + 30_000_000)
    return tracker


def _scene(named: Any) -> pa.Table:
    k = np.arange(ROWS)
    ais = named(k)
    t_us = 1_700_000_000_000_000 + k * 1_000_000
    return OBSERVATIONS.build(
        {
            "obs_id": k + 1,
            "observed_at": t_us.astype("datetime64[us]"),
            "source": np.where(ais, "a", "r"),
            "sensor": np.where(ais, "ais", "radar"),
            "lat_deg": 20.0 + 1e-4 * k + 0.01 * (k % 3 == 0),
            "lon_deg": np.full(ROWS, 122.0),
            "cov_ee_m2": np.full(ROWS, 100.0),
            "cov_en_m2": np.zeros(ROWS),
            "cov_nn_m2": np.full(ROWS, 100.0),
            "sog_mps": np.where(ais, 5.0, np.nan),
            "cog_deg": np.where(ais, 10.0, np.nan),
            "mmsi": np.where(ais, 200_000_000 + k % 4, 0),
            "scan": k,
        }
    )
