"""A ship is not silent while nobody listens: darkness across times in which no AIS at all was heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.geo import offset_position
from kuroshio.picture import SensorModel, Tracker
from kuroshio.picture.coverage import Coverage
from kuroshio.picture.identity import OBS
from kuroshio.picture.ingest import Sources
from kuroshio.schema import FLAG_DARK, OBSERVATIONS

T0 = 1_750_000_000_000_000
LAT, LON = 20.0, 122.0
SHIPS, SCAN_S, AIS_S = 12, 5.0, 6.0
RADAR = SensorModel("radar", "radar", LAT, LON, max_range_m=60_000.0, scan_s=SCAN_S, pd=0.9, false_plots_per_scan=1.0)
PAUSE = (300.0, 450.0)
GONE_S = 200.0  # ship 0 switches its AIS off, for good


def _sea(rng: np.random.Generator, end_s: float) -> pa.Table:
    scans, reports = np.arange(0.0, end_s, SCAN_S), np.arange(0.0, end_s, AIS_S)
    who = np.concatenate([np.repeat(np.arange(SHIPS), len(reports)), np.repeat(np.arange(SHIPS), len(scans))])
    t = np.concatenate([np.tile(reports, SHIPS) + 0.3 * who[: SHIPS * len(reports)], np.tile(scans, SHIPS) + 0.7])
    named = np.arange(len(t)) < SHIPS * len(reports)
    heard = ~named | (((t < PAUSE[0]) | (t >= PAUSE[1])) & ((who > 0) | (t < GONE_S)))
    lat, lon = offset_position(
        LAT, LON, 4000.0 * (who - 6.0) + rng.normal(0, 5, len(t)), 9000.0 + 6.0 * t + rng.normal(0, 5, len(t))
    )
    table = OBSERVATIONS.build(
        {
            "obs_id": np.arange(len(t)) + 1,
            "observed_at": (T0 + (t * 1e6).astype(np.int64)).astype("datetime64[us]"),
            "source": np.where(named, "ais", "radar"), "sensor": np.where(named, "ais", "radar"),
            "lat_deg": lat, "lon_deg": lon,
            "cov_ee_m2": np.full(len(t), 100.0), "cov_en_m2": np.zeros(len(t)), "cov_nn_m2": np.full(len(t), 100.0),
            "sog_mps": np.where(named, 6.0, np.nan), "cog_deg": np.where(named, 0.0, np.nan),
            "mmsi": pa.array(1000 + who, mask=~named),
            "scan": pa.array((t // SCAN_S).astype(np.int64), mask=named),
        },
        len(t),
    )  # fmt: skip
    return table.filter(pa.array(heard)).sort_by("observed_at")


def _dark(tracker: Tracker, at_s: float) -> set[int]:
    rows = tracker.snapshot(T0 + round(at_s * 1e6)).to_pylist()
    return {row["mmsi"] for row in rows if row["flags"] & FLAG_DARK}


def _until(tracker: Tracker, table: pa.Table, from_s: int, to_s: int) -> None:
    at = np.asarray(table["observed_at"].cast(pa.int64()))
    for second in range(from_s, to_s, 10):
        a, b = np.searchsorted(at, [T0 + second * 10**6, T0 + (second + 10) * 10**6])
        tracker.step(table.slice(a, b - a), now_us=T0 + (second + 10) * 10**6)


def test_nobody_goes_dark_while_no_ais_is_heard_and_who_was_dark_stays_so(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    table, tracker = _sea(rng, 700.0), Tracker(sensors=[RADAR])
    _until(tracker, table, 0, 300)
    assert _dark(tracker, 300.0) == {1000}
    _until(tracker, table, 300, 440)
    assert _dark(tracker, 440.0) == {1000}  # 140 s without AIS from anybody
    tracker.save(tmp_path / "state")
    tracker = Tracker.load(tmp_path / "state")
    _until(tracker, table, 440, 520)
    assert _dark(tracker, 520.0) == {1000}
    one_less = table.filter(pa.array(np.asarray(table["mmsi"].fill_null(0)) != 1003))
    _until(tracker, one_less, 520, 640)
    assert _dark(tracker, 640.0) == {1000, 1003}  # who falls silent while others are heard is dark as ever


def test_a_receiver_that_stays_deaf_says_nothing_of_ships_any_more(rng: np.random.Generator) -> None:
    table, tracker = _sea(rng, 1200.0), Tracker(sensors=[RADAR])
    deaf = table.filter(pa.array(~np.asarray(table["mmsi"].is_valid()) | (np.asarray(
        table["observed_at"].cast(pa.int64())) < T0 + 300 * 10**6)))  # fmt: skip
    _until(tracker, deaf, 0, 860)
    assert _dark(tracker, 860.0) == {1000}
    _until(tracker, deaf, 860, 1000)
    assert _dark(tracker, 1000.0) == set()


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_pauses_do_not_depend_on_how_reports_are_cut(rng: np.random.Generator, cut: int) -> None:
    wait = np.where(rng.random(400) < 0.01, 60.0, rng.exponential(0.5, 400))
    obs = np.zeros(400, OBS)
    obs["t_us"], obs["mmsi"] = T0 + (np.cumsum(wait) * 1e6).astype(np.int64), 1
    one, other = Coverage((), Sources(["ais"])), Coverage((), Sources(["ais"]))
    one.hear_ais(obs)
    for a in range(0, 400, cut):
        other.hear_ais(obs[a : a + cut])
    now_us = int(obs["t_us"][-1]) + 5_000_000
    assert len(one.pauses_until(now_us)) == np.sum(wait[64:] > 10.0) > 0
    assert one.pauses_until(now_us).tolist() == other.pauses_until(now_us).tolist()
    assert one.pulse.tolist() == other.pulse.tolist()
