"""Runs of one scene through each tracker, and their scores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.picture import scene as scenes
from benchmarks.picture.parity import Parity
from kuroshio.geo import offset_position
from kuroshio.picture import Tracker, TrackerConfig
from kuroshio.testing.metrics import gospa, nees

CUTOFF_M = 2000.0
PACKAGES = ("stonesoup==1.9.1", "ruamel.yaml", "pymap3d", "ordered-set", "utm")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kuroshio" / "stonesoup-1.9.1"


def stonesoup_path(timeout_s: float) -> Path | None:
    """Folder with Stone Soup, installed there on first use; None when that is not possible."""
    if (CACHE / "stonesoup").is_dir():
        return CACHE
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(CACHE), *PACKAGES]
    try:
        subprocess.run(command, check=True, timeout=timeout_s, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        return None
    return CACHE


class StoneSoup:
    """Stone Soup at work on a scene in a process of its own, on another core."""

    def __init__(self, scene: scenes.Scene, budget_s: float, folder: Path, wall_s: float) -> None:
        self._tmp = tempfile.TemporaryDirectory()
        path = str(Path(self._tmp.name) / "frames.npz")
        scenes.save(scene, path)
        peer = Path(__file__).with_name("peer_stonesoup.py")
        self._limit_s = 1.5 * wall_s + 20.0  # a busy machine may have stopped it
        self._process = subprocess.Popen(
            [sys.executable, str(peer), path, str(budget_s), str(wall_s)],
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def result(self) -> dict | None:
        """What it reports; None when it failed."""
        try:
            out, _ = self._process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return None
        finally:
            self._tmp.cleanup()
        return json.loads(out) if self._process.returncode == 0 else None


def run_parity(scene: scenes.Scene, at: list[float]) -> dict:
    """Parity mode: CPU seconds and positions at the times asked."""
    tracker, snapshots, used = Parity(), {}, 0.0
    waiting = sorted(at)
    for frame in scene.frames:
        while waiting and frame.t_s >= waiting[0]:
            moment = waiting.pop(0)
            snapshots[moment] = tracker.positions(moment)
        begun = time.process_time()
        tracker.frame(frame.t_s, frame.xy, frame.cov)
        used += time.process_time() - begun
    for t in waiting:
        snapshots[t] = tracker.positions(t)
    return {"cpu_s": used, "reports": scene.reports, "snapshots": snapshots}


def run_full(scene: scenes.Scene, at: list[float], config: TrackerConfig | None = None) -> dict:
    """Full mode in live steps of a second: CPU seconds, worst step, positions and covariances at the times asked."""
    table = scene.observations()
    t_us = np.asarray(table["observed_at"].cast(pa.int64()))
    tracker = Tracker(config or TrackerConfig(unknown_length_m=0.0), sensors=scene.sensors())
    snapshots, steps = {}, []
    end_s = max(scene.frames[-1].t_s, max(at, default=0.0))
    a = 0
    for second in range(1, int(np.ceil(end_s)) + 2):
        now_us = scenes.T0_US + second * 1_000_000
        b = int(np.searchsorted(t_us, now_us, "left"))  # at an instant asked for, what lies before it, as the others
        part = table.slice(a, b - a)
        begun = time.process_time()
        tracker.step(part, now_us=now_us)
        steps.append(time.process_time() - begun)
        a = b
        if float(second) in at:
            snap = tracker.snapshot(now_us)
            status = np.asarray(snap["status"].cast(pa.string()).to_numpy(zero_copy_only=False))
            snap = snap.filter(pa.array(status != "tentative"))
            cov = [np.asarray(snap[c]) for c in ("cov_ee_m2", "cov_en_m2", "cov_nn_m2")]
            # the snapshot is valid at its own time, which a report just after the second may have moved
            shown_s = (np.asarray(snap["observed_at"].cast(pa.int64())) - scenes.T0_US) * 1e-6
            back = float(second) - shown_s
            lat, lon = offset_position(
                np.asarray(snap["lat_deg"]), np.asarray(snap["lon_deg"]),
                back * np.asarray(snap["ve_mps"]), back * np.asarray(snap["vn_mps"]),
            )  # fmt: skip
            snapshots[float(second)] = (scenes.to_plane(lat, lon), np.column_stack(cov))
    return {"cpu_s": sum(steps), "reports": scene.reports, "snapshots": snapshots, "steps": steps, "tracker": tracker}


def _gospa_at(scene: scenes.Scene, snapshots: dict, t: float) -> tuple[Any, np.ndarray]:
    """GOSPA at a time, and the places compared with the truth."""
    got = snapshots[t][0] if isinstance(snapshots[t], tuple) else np.asarray(snapshots[t]).reshape(-1, 2)
    truth = scene.truth[t]
    a, b = offset_position(*scenes.CENTRE, truth[:, 0], truth[:, 1])
    c, d = offset_position(*scenes.CENTRE, got[:, 0], got[:, 1])
    return gospa(a, b, c, d, cutoff_m=CUTOFF_M), got


def mean_gospa(scene: scenes.Scene, snapshots: dict, at: list[float]) -> float | None:
    """Mean GOSPA over the times, metres."""
    values = [_gospa_at(scene, snapshots, t)[0].distance for t in at]
    return float(np.mean(values)) if values else None


def shares(scene: scenes.Scene, snapshots: dict, at: list[float]) -> dict:
    """Means over the times: false tracks, missed ships, and rms errors of ships with AIS and without, metres."""
    named = np.unique(np.concatenate([f.ship for f in scene.frames if f.sensor < 0]))
    found = []
    for t in at:
        value, got = _gospa_at(scene, snapshots, t)
        truth, pairs = scene.truth[t], value.pairs
        square = ((truth[pairs[:, 0]] - got[pairs[:, 1]]) ** 2).sum(axis=1)
        heard = np.isin(pairs[:, 0], named)
        left = len(got) - len(pairs), len(truth) - len(pairs)
        found.append((*left, square[heard].sum(), heard.sum(), square[~heard].sum(), (~heard).sum()))
    false, missed, ais, n_ais, dark, n_dark = np.mean(found, axis=0).tolist()
    return {
        "false": false,
        "missed": missed,
        "rms_ais_m": (ais / max(n_ais, 1.0)) ** 0.5,
        "rms_dark_m": (dark / max(n_dark, 1.0)) ** 0.5,
    }


def mean_anees(scene: scenes.Scene, snapshots: dict, at: list[float]) -> float | None:
    """ANEES of the matched tracks over the times."""
    values = []
    for t in at:
        xy, cov = snapshots[t]
        truth = scene.truth[t]
        a, b = offset_position(*scenes.CENTRE, truth[:, 0], truth[:, 1])
        c, d = offset_position(*scenes.CENTRE, xy[:, 0], xy[:, 1])
        pairs = gospa(a, b, c, d, cutoff_m=CUTOFF_M).pairs
        error = truth[pairs[:, 0]] - xy[pairs[:, 1]]
        p = cov[pairs[:, 1]]
        matrix = np.stack([p[:, [0, 1]], p[:, [1, 2]]], axis=1)
        values.append(nees(error, matrix))
    return float(np.mean(np.concatenate(values)) / 2.0) if values else None
