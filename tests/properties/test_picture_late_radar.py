"""Named reports late beside prompt radar: once all have come, the tracks are those of reports in order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.geo import offset_position
from kuroshio.picture import SensorModel, Tracker
from kuroshio.schema import OBSERVATIONS

T0 = 1_750_000_000_000_000
LAT, LON = 20.0, 122.0
SHIPS, SCAN_S, END_S, STEP_S = 6, 5.0, 2400, 10
RADAR = SensorModel("radar", "radar", LAT, LON, max_range_m=60_000.0, scan_s=SCAN_S, pd=0.9, false_plots_per_scan=1.0)


def _sea(rng: np.random.Generator, lag_s: float) -> pa.Table:
    """Six ships 8 km apart: AIS each 6 s, radar plots that lie anywhere on ships of 150 m, no ship says its length."""
    ais_s = np.concatenate([rng.uniform(0, 6) + np.arange(0, END_S - 6, 6.0) for _ in range(SHIPS)])
    scans = np.arange(0.0, END_S - SCAN_S, SCAN_S)
    plot_s = np.concatenate([scans + 0.5 + 0.7 * k for k in range(SHIPS)])
    who = np.concatenate([np.repeat(np.arange(SHIPS), len(ais_s) // SHIPS), np.repeat(np.arange(SHIPS), len(scans))])
    t = np.concatenate([ais_s, plot_s])
    named = np.arange(len(t)) < len(ais_s)
    seen = named | (rng.random(len(t)) < 0.9)
    sigma = np.where(named, 10.0, np.hypot(20.0, 25.0))
    angle, speed = 1.0 + who, 6.0
    east = 8000.0 * (who - 2.5) + speed * t * np.sin(angle) + rng.normal(0, sigma)
    north = 10_000.0 + speed * t * np.cos(angle) + rng.normal(0, sigma)
    lat, lon = offset_position(LAT, LON, east, north)
    late = np.where(named & (rng.random(len(t)) < 0.33), rng.uniform(0, lag_s, len(t)), 0.0)
    late[t + late > END_S - STEP_S] = 0.0
    n = len(t)
    table = OBSERVATIONS.build(
        {
            "obs_id": np.arange(n) + 1,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "received_at": (T0 + ((t + late) * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": np.where(named, "ais", "radar"), "sensor": np.where(named, "ais", "radar"),
            "lat_deg": lat, "lon_deg": lon,
            "cov_ee_m2": np.where(named, 100.0, 400.0), "cov_en_m2": np.zeros(n),
            "cov_nn_m2": np.where(named, 100.0, 400.0),
            "sog_mps": np.where(named, speed, np.nan), "cog_deg": np.where(named, np.degrees(angle) % 360.0, np.nan),
            "mmsi": pa.array(1000 + who, mask=~named),
            "scan": pa.array((t // SCAN_S).astype(np.int64), mask=named),
        },
        n,
    )  # fmt: skip
    return table.filter(pa.array(seen))


def _tracked(table: pa.Table, come_us: np.ndarray) -> Tracker:
    tracker = Tracker(sensors=[RADAR])
    for second in range(0, END_S + STEP_S, STEP_S):
        now_us = T0 + (second + STEP_S) * 10**6
        tracker.step(table.filter(pa.array((come_us >= T0 + second * 10**6) & (come_us < now_us))), now_us=now_us)
    return tracker


@pytest.mark.parametrize("lag_s", [120.0, 1800.0])
def test_late_reports_beside_prompt_radar_leave_the_tracks_of_ordered_ones(
    rng: np.random.Generator, lag_s: float
) -> None:
    table = _sea(rng, lag_s)
    observed, received = (np.asarray(table[c].cast(pa.int64())) for c in ("observed_at", "received_at"))
    ordered, late = _tracked(table, observed), _tracked(table, received)
    assert late.totals["replayed"] > 300
    assert late.totals["too_old"] == 0
    kin, other = ordered.table.kin, late.table.kin
    apart, learned = [], []
    for mmsi in range(1000, 1000 + SHIPS):
        (mine,), (its,) = ordered.table.rows_of(mmsi), late.table.rows_of(mmsi)
        assert kin.t_us[mine] == other.t_us[its]
        apart.append(np.hypot(kin.lat[mine] - other.lat[its], kin.lon[mine] - other.lon[its]) * 111e3)
        learned.append((float(ordered.table.life.extent[mine]), float(late.table.life.extent[its])))
        assert other.p[its] == pytest.approx(kin.p[mine], abs=1e-4)
    assert max(apart) < 1e-6
    assert max(one for one, _ in learned) > 100.0  # a hull was learned, and counts in what is compared
    assert learned == [(pytest.approx(one, abs=1e-2), pytest.approx(two, abs=1e-2)) for two, one in learned]
