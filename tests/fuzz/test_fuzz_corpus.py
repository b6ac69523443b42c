"""Every input that once broke a parser, and the fuzzer itself: it finds a planted fault and makes it small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kuroshio import clock
from kuroshio.testing import fuzz
from kuroshio.testing.fuzz.engine import saved_inputs

CORPUS = Path(__file__).parent / "corpus"
INPUTS = [(p.parent.name, p.name) for p in sorted(CORPUS.rglob("*")) if p.is_file()]


@pytest.mark.parametrize(("target", "name"), INPUTS)
def test_what_once_failed_holds(target: str, name: str) -> None:
    data = (CORPUS / target / name).read_bytes()
    for seed in range(5):
        fuzz.TARGETS[target].check(data, clock.generator(seed))


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_what_the_fuzzer_begins_with_holds(target: str, tmp_path: Path) -> None:
    seeds = fuzz.TARGETS[target].seeds()
    assert seeds
    tally = fuzz.run(fuzz.TARGETS[target], seconds=1.0, seed=3, out=tmp_path, corpus=CORPUS)
    assert tally.execs
    assert not tally.findings, sorted(p.read_text() for p in tmp_path.glob("*.txt"))


def test_the_corpus_is_small_and_of_targets_that_exist() -> None:
    assert {target for target, _ in INPUTS} <= set(fuzz.TARGETS)
    assert sum((CORPUS / t / n).stat().st_size for t, n in INPUTS) < 300_000


def planted(data: bytes, rng: object) -> set[object]:
    if b"7" in data and b"\\s" in data:
        raise AssertionError("planted: both words")
    return {data[:1]}


def test_a_planted_fault_is_found_made_small_and_written_down(tmp_path: Path) -> None:
    target = fuzz.Target("planted", planted, lambda: [b"!AIVDM,1,1,,A,1337,0*00\n" * 3], words=[b"\\s:a"])
    tally = fuzz.run(target, seconds=2.0, seed=1, out=tmp_path)
    assert list(tally.findings) == ["AssertionError engine.py:failure planted: both words"]
    (written,) = tmp_path.glob("*.bin")
    assert sorted(written.read_bytes()) == sorted(b"7\\s")
    assert (tmp_path / "last-planted").exists()


def test_the_same_seed_makes_the_same_inputs() -> None:
    def inputs(seed: int) -> list[bytes]:
        rng, target = clock.generator(seed), fuzz.TARGETS["aivdm"]
        assert target.make is not None
        return [target.make(rng) for _ in range(20)]

    assert inputs(5) == inputs(5) != inputs(6)


def test_the_command_runs_and_names_what_it_does_not_know(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kuroshio.testing.fuzz", "--out", str(tmp_path), "--seconds", "0.5"]
    ran = subprocess.run([*command, "node_file"], capture_output=True, text=True, check=True)
    assert '"target": "node_file"' in ran.stdout
    refused = subprocess.run([*command, "nothing"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no target 'nothing'" in refused.stderr


def test_saved_inputs_come_in_order(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("b", "a"):
        (tmp_path / "x" / name).write_bytes(name.encode())
    assert saved_inputs(tmp_path, "x") == [b"a", b"b"]
    assert saved_inputs(None, "x") == []
