"""The picture's benchmark: its page judges by figures alone, its charts are SVG, and a live run is what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.picture import bound, charts, drag_bound, goals, live, page, run, scene, told  # noqa: E402

from kuroshio.picture import SensorModel  # noqa: E402
from kuroshio.testing.sea.trials import trial  # noqa: E402


def test_a_goal_is_met_short_or_not_measured_by_its_figure() -> None:
    rows = {"rows": [{"ships": 300, "ratio_stonesoup": 1500.0, "gospa_ratio_parity": 1.02, "gospa_ratio_full": None}]}
    said = {(goal, on): (figure, verdict) for goal, on, figure, verdict in goals.table({"peer": rows})}
    assert said["parity >= 1,000 x Stone Soup", "300 ships"] == ("1,500", "met")
    assert said["parity GOSPA within 1 % of Stone Soup", "300 ships"] == ("1.02", "**short**")
    assert said["full mode GOSPA <= 0.35 of parity", "300 ships"] == ("-", goals.MISSING)
    assert said["Autoferry <= 13 breaks/h", "cross-validated"] == ("-", goals.MISSING)


def test_the_page_is_made_from_kept_results(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    row = {"ships": 1000, "reports": 9, "reports_per_s": 5e5, "step_ms_max": 3.0, "step_ms_median": 1.0}
    kept = {"command": "c", "revision": "r", "machine": "m", "elapsed_s": 1.0}
    (folder / "growth.json").write_text(json.dumps({**kept, "rows": [row, {**row, "ships": 100_000}]}))
    page.write(folder)
    text = (tmp_path / "results.md").read_text()
    assert "| >= 300 k reports/s | 100,000 ships | 5e+05 | met |" in text
    assert "## Growth" in text
    assert "## Late reports" not in text
    assert (folder / "growth.svg").is_file()


@pytest.mark.parametrize("log", [False, True])
def test_charts_are_svg_within_their_frame(log: bool) -> None:
    lines = charts.lines("t", "x", "y", {"a": [(1.0, 2.0), (10.0, 50.0)], "b": [(2.0, 5.0)]}, log=log)
    bars = charts.bars("t", "y", {"g": {"a": 1.0, "b": 2.0}, "h": {"a": 0.5}}, line=1.0)
    for text in (lines, bars):
        ElementTree.fromstring(text)
    numbers = [float(n) for p in ElementTree.fromstring(lines).iter() for n in (p.get("d") or "").replace("M", " ")
               .replace("L", " ").replace("H", " ").split()]  # fmt: skip
    assert numbers
    assert 0.0 <= min(numbers) <= max(numbers) <= charts.WIDTH


def test_the_first_frames_hold_no_more_reports_than_asked() -> None:
    whole = scene.make(3, 30, 40.0)
    part = whole.first(100)
    assert 60 < part.reports <= 100
    assert part.frames == whole.frames[: len(part.frames)]


def test_what_is_left_to_no_tracker_is_below_what_full_mode_reaches_and_not_far() -> None:
    whole = scene.make(3, 120, 160.0)
    at = [t for t in sorted(whole.truth) if t >= 100.0]
    least, told = bound.clairvoyant_m(whole, at), bound.told(whole, at)
    full = run.run_full(whole, at)["snapshots"]
    assert 0.7 < least / told < 1.15  # the bound is a mean, and this one draw of it
    assert told < 1.1 * (run.mean_gospa(whole, full, at) or 0.0)
    parts = run.shares(whole, full, at)
    assert parts["rms_ais_m"] < 15.0 < parts["rms_dark_m"]


def test_the_bound_of_a_ship_seen_once_is_what_its_plot_says() -> None:
    rows = {"xy": np.zeros((1, 2)), "cov": np.array([[400.0, 0.0, 900.0]]), "ship": np.array([0])}
    seen = scene.Scene([scene.Frame(1.0, 0, **rows)], {1.0: np.zeros((1, 2)), 2.0: np.zeros((1, 2))}, np.zeros((1, 2)))
    expected = (1300.0 + 2.0 * bound.VELOCITY_VAR) ** 0.5  # a second later its velocity is still unknown
    assert bound.clairvoyant_m(seen, [2.0]) == pytest.approx(expected, rel=1e-6)


def test_a_live_run_takes_every_report_and_a_snapshot_each_ten_seconds() -> None:
    chunks = list(trial("open-sea").play(5, ships=20, duration_s=121.0, chunk_s=40.0))
    played = live.track(iter(chunks))
    assert played.reports == sum(c.observations.num_rows for c in chunks)
    assert len(played.steps_s) == 121
    shown = np.unique(played.snapshots["observed_at"].cast(pa.int64()).to_numpy())
    true = np.unique(played.truth["observed_at"].cast(pa.int64()).to_numpy())
    assert len(true) == 13
    assert set(shown) <= set(true)
    score = played.score(skip_s=60.0)
    assert score.completeness > 0.95
    assert score.anees is not None
    assert 0.3 < score.anees < 2.0


def test_a_drag_far_from_a_radar_cannot_be_known_in_five_minutes() -> None:
    radar = SensorModel("r", "radar", 20.0, 122.0, scan_s=10.0)
    assert drag_bound.least_s(30_000.0, radar) == pytest.approx(299.0, abs=4.0)
    assert drag_bound.least_s(50_000.0, radar) == pytest.approx(420.0, abs=4.0)
    assert drag_bound.least_s(30_000.0, radar, drag_mps=8.0) == pytest.approx(299.0 / 4.0, abs=1.0)


def test_a_tracker_that_is_told_gives_each_track_reports_of_one_ship() -> None:
    truth, fed = told.Truth(), []

    def prepare(tracker) -> None:  # type: ignore[no-untyped-def]
        told.prepare(tracker, truth)
        step = tracker.step
        tracker.step = lambda *a, **k: fed.append(step(*a, **k)) or fed[-1]

    chunks = list(trial("harbours").play(5, ships=60, duration_s=150.0))
    ran = live.track(truth.hear(chunks), prepare=prepare)
    links = pa.concat_tables([u.links for u in fed])
    taken = [(o, t) for o, t in zip(links["obs_id"].to_pylist(), links["track_id"].to_pylist(), strict=True) if t]
    assert len(taken) > 1000
    assert all(truth.of_obs[o] == truth.of_track[t] for o, t in taken)
    plain = live.track(chunks)
    assert ran.score(cutoff_m=500.0).spuriousness <= plain.score(cutoff_m=500.0).spuriousness
