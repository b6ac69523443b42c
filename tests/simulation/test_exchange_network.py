"""Simulated worlds end without a violation, the same seed gives the same digest, and planted bugs are found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kuroshio.testing.network.faults import FAULTS
from kuroshio.testing.network.mutants import MUTANTS, hunt
from kuroshio.testing.network.world import World

SEEDS = int(os.environ.get("KUROSHIO_SEEDS", "6"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_world_holds(seed: int) -> None:
    world = World(seed)
    result = world.run()
    assert result["violations"] == [], "\n".join(world.story[-60:])
    assert result["releases"] > 0


def test_the_same_seed_gives_the_same_world_under_any_hash_seed() -> None:
    program = "from kuroshio.testing.network.world import World; print(World(3, chaos_s=25, calm_s=35).run()['digest'])"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(digests) == 1


def test_there_are_twenty_kinds_of_fault_and_planted_bug() -> None:
    assert len(FAULTS) >= 20
    assert len(MUTANTS) >= 20


@pytest.mark.parametrize(
    "name",
    [
        "delay forgotten",
        "partner numbers with holes",
        "recall ignored",
        "release without a leaf",
        "taken twice",
        "tie forgotten",
    ],
)
def test_planted_bugs_are_found(name: str) -> None:
    assert hunt(name, range(3)) is not None
