"""The proofs of the behaviour benchmark, on a size for every run; it is the same code that counts in the large."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.behaviour import equality, exact  # noqa: E402
from benchmarks.behaviour.sea import fleet  # noqa: E402

from kuroshio import clock  # noqa: E402
from kuroshio.geo import overlay, zones  # noqa: E402


def test_no_point_differs_from_geos_on_edges_corners_and_at_the_antimeridian():
    found = exact.against_geos(60_000, seed=4)
    assert found["points"] == 60_000
    assert 20_000 < found["inside"] < 40_000
    assert (found["contains_differs"], found["members_differs"]) == (0, 0)


def test_a_coarser_overlay_with_little_room_for_lists_says_the_same(monkeypatch):
    layer = zones.load_zones(exact.shapes())
    rng = clock.generator(9)
    rings = [np.rint(r * exact.UNITS) for zone in layer.zones for part in zone.parts for r in part]
    x, y = exact.points_near(rng, rings, 20_000)
    fine = layer.members(y / exact.UNITS, x / exact.UNITS)
    monkeypatch.setattr(overlay, "MAX_CELLS", 20_000)
    coarse = zones.load_zones(exact.shapes())
    assert coarse.overlay.side < layer.overlay.side
    for one, other in zip(fine, coarse.members(y / exact.UNITS, x / exact.UNITS), strict=True):
        assert np.array_equal(one, other)


def test_every_planted_meeting_is_found_once_in_a_sea_of_others():
    found = exact.planted(30_000, seed=2)
    assert found["midnight_found"] == 300
    assert (found["antimeridian_lost"], found["found_twice_or_merged"]) == (0, 0)


def test_a_difference_would_be_seen(tmp_path, monkeypatch):
    whole = equality.whole
    monkeypatch.setattr(equality, "whole", lambda *given: whole(*given)[1:])
    told = equality.many_runs(1, 3, tmp_path)
    assert (told["differences"], told["failed_seeds"]) == (1, [3])


def test_a_recording_ends_live_as_in_the_archive_and_a_difference_would_be_seen(monkeypatch):
    rows = fleet(30_000, seed=8, ships=60, silence_every=100)
    found = equality.recorded(rows, None, 1)
    assert found["alerts"] > 20
    assert found["repairs"] > 2
    assert (found["differences"], found["first"]) == (0, [])
    detect = equality.behaviour.detect
    monkeypatch.setattr(equality.behaviour, "detect", lambda *given, **named: detect(*given, **named)[1:])
    assert equality.recorded(rows, None, 1)["differences"] == 1


TOLD = """
import hashlib
import numpy as np
import pyarrow as pa
from benchmarks.behaviour import equality
from kuroshio import behaviour, clock
rng = clock.generator(6)
rows = equality.sea(rng, ships=5, hours=3.0)
arrival = equality.arrivals(rng, rows["observed_at"].cast("int64").to_numpy())
parts = np.array_split(np.argsort(arrival, kind="stable"), 9)
engine = behaviour.Engine(behaviour.load_definitions(), repair_s=12 * 3600)
told = pa.concat_tables(engine.step(rows.take(pa.array(p)), now_us=int(arrival[p].max()) + 1) for p in parts)
assert engine.counts["repairs"] > 4
print(told.num_rows, hashlib.sha256(repr(told.to_pylist()).encode()).hexdigest())
"""


def test_each_process_tells_the_same_rows_in_the_same_order():
    said = set()
    for seed in ("1", "2"):
        place = {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        made = subprocess.run([sys.executable, "-c", TOLD], env=os.environ | place, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        said.add(made.stdout)
    assert len(said) == 1
