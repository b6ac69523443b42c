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
    monkeypatch.setattr(peers, "environment", lambda: (None, "not installed: no network"))
    found = peers.compare(world.items(1500))
    assert found["ratio_cedarpy"] is None
    assert "not installed" in found["cedarpy_note"]
    assert found["simple_rule_per_s"] > 0
    monkeypatch.setattr(peers, "environment", lambda: (Path(sys.executable), ""))
    found = peers.compare(world.items(200))
    for name in peers.PEERS:  # this Python may or may not have them
        assert (found[f"{name}_per_s"] is None) == ("did not run" in found.get(f"{name}_note", ""))


def test_no_attack_beats_the_promise_of_a_sample_obligation(bench):
    from benchmarks.accord import precision

    scores = precision.of_obligation(0.05, 60, ships=250, seed=3)
    # three standard errors (0.447 / sqrt(500)) of the root mean square of a uniform shift
    assert all(score >= 0.94 for score in scores.values()), scores
    plain = precision.of_obligation(0.05, 60, ships=60, seed=3, plain=True)
    assert min(plain.values()) < 0.25
