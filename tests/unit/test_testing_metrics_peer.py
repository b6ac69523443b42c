"""Our measures equal Stone Soup's on runs where ships are lost, renumbered, held twice and named wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kuroshio.geo import metres_per_degree
from kuroshio.testing.measures import Places, distances, siap

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests" / "golden" / "metrics_stonesoup.json").read_text())
RUNS = GOLDEN["runs"]
STONESOUP = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kuroshio" / "stonesoup-1.9.1"


def _rows(run: dict, key: str) -> np.ndarray:
    """(instant, values ...) of every row of a run."""
    return np.array([(n, *row) for n, rows in enumerate(run[key]) for row in rows], float)


def _places(rows: np.ndarray) -> Places:
    east, north = metres_per_degree(0.0)
    return Places.of(rows[:, 3] / north, rows[:, 2] / east, rows[:, 0])


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_gospa_and_ospa_are_the_peers(number: int) -> None:
    run, expected = RUNS[number]["run"], RUNS[number]["expected"]
    d = distances(
        _places(_rows(run, "truth")), _places(_rows(run, "tracks")), len(run["truth"]), cutoff_m=GOLDEN["cutoff_m"]
    )
    for ours, theirs in (
        (d.gospa_m, "gospa"), (d.ospa_m, "ospa"), (d.localisation, "localisation"), (d.missed, "missed"),
        (d.false, "false"),
    ):  # fmt: skip
        assert ours == pytest.approx(np.abs(expected[theirs]), rel=1e-5, abs=1e-6), theirs


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_siap_is_the_peers(number: int) -> None:
    run, expected = RUNS[number]["run"], RUNS[number]["expected"]["siap"]
    truth, tracks, held = (_rows(run, key).astype(np.int64) for key in ("truth", "tracks", "held"))
    said = {(n, track): name for n, track, _, _, name in _rows(run, "tracks").astype(np.int64)}
    names = np.array([said[n, track] for n, _, track in held])
    figures = siap(
        (np.arange(len(run["truth"])) * GOLDEN["step_s"] * 1e6).astype(np.int64),
        (truth[:, 0], truth[:, 1]),
        len(tracks),
        (held[:, 0], held[:, 1], held[:, 2]),
        (names, held[:, 1] + 1),
    )
    for name in expected.keys() - {"track_changes_per_s"}:
        assert getattr(figures, name) == pytest.approx(expected[name], rel=1e-9), name
    assert figures.track_changes_per_h == pytest.approx(3600.0 * expected["track_changes_per_s"], rel=1e-9)


def test_the_runs_hold_what_a_measure_can_get_wrong() -> None:
    figures = [r["expected"]["siap"] for r in RUNS]
    assert any(f["track_changes_per_s"] > 0 for f in figures)
    assert any(f["ambiguity"] > 1 for f in figures)
    assert all(f["spuriousness"] > 0 and f["id_correctness"] < 1 and f["completeness"] < 1 for f in figures)


@pytest.mark.skipif(not (STONESOUP / "stonesoup").is_dir(), reason="Stone Soup is not in the benchmark's folder")
def test_the_recorded_values_are_what_stonesoup_says_now() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.picture.peer_measures"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT), str(STONESOUP)])},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout) == GOLDEN
