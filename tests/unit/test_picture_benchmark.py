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

from benchmarks.picture import charts, goals, live, page, scene  # noqa: E402

from kuroshio.testing.sea.trials import trial  # noqa: E402


def test_a_goal_is_met_short_or_not_measured_by_its_figure() -> None:
    rows = {"rows": [{"ships": 300, "ratio_stonesoup": 1500.0, "gospa_ratio_parity": 1.02, "gospa_ratio_full": None}]}
    said = {(goal, on): (figure, verdict) for goal, on, figure, verdict in goals.table({"peer": rows})}
    assert said["parity >= 1,000 x Stone Soup", "300 ships, mass start"] == ("1,500", "met")
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


def test_a_live_run_takes_every_report_and_a_snapshot_each_ten_seconds() -> None:
    chunks = list(trial("open-sea").play(5, ships=20, duration_s=121.0, chunk_s=40.0))
    run = live.track(iter(chunks))
    assert run.reports == sum(c.observations.num_rows for c in chunks)
    assert len(run.steps_s) == 121
    shown = np.unique(run.snapshots["observed_at"].cast(pa.int64()).to_numpy())
    true = np.unique(run.truth["observed_at"].cast(pa.int64()).to_numpy())
    assert len(true) == 13
    assert set(shown) <= set(true)
    score = run.score(skip_s=60.0)
    assert score.completeness > 0.95
    assert score.anees is not None
    assert 0.3 < score.anees < 2.0
