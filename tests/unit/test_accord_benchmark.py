"""The benchmark's own parts, small: its figures mean what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.accord import __main__ as module
        from benchmarks.accord import world
    finally:
        sys.path.remove(str(ROOT))
    return module, world


def test_small_run(bench):
    module, world = bench
    items, book = world.items(3000), world.book()
    found = module.rates(items, book)
    assert found["rows"] == 3000
    assert found["audiences"] == 10
    assert found["accords"] == 10
    assert found["decisions_per_s"] > 0
    compared = module.mismatches(items, book, 0.5)
    assert compared["mismatches"] == 0
    assert compared["tuples_compared"] > 0
    dry = module.dry_run_s(items, book)
    assert dry["dry_run_changed_rows"] > 0


def test_laws_and_histories_count_their_cases(bench):
    module, _ = bench
    assert module.laws(seconds=60.0, cases=5000)["law_violations"] == 0
    found = module.histories(hops=50)
    assert found["history_hops"] >= 50
    assert found["ties_stripped"] == 0


def test_peers_that_are_absent_are_said_so(bench, monkeypatch):
    from benchmarks.accord import peers

    _, world = bench
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    monkeypatch.setitem(sys.modules, "casbin", None)
    found = peers.compare(world.items(1500))
    assert found["ratio_cedarpy"] is None
    assert "not installed" in found["cedarpy_note"]
    assert found["simple_rule_per_s"] > 0
