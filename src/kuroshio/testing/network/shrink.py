"""A failing world told as short as it can be: only the faults it needs, and only the lines that lead to the violation.

What enters: a seed that ends in a violation. What leaves: the faults without which it does not fail, the violation, and
the last lines of the parties concerned before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kuroshio.testing.network.node import SimNode
from kuroshio.testing.network.world import World

STORY_LINES = 40
Hook = Callable[[SimNode], None]


def shrink(seed: int, *, mutate: Hook | None = None) -> dict[str, Any]:
    """Minimal story of a seed; without a violation, an empty one.

    Faults are left out one after another; each that the violation does not need stays out.
    """
    world, violation = _run(seed, None, mutate)
    if violation is None:
        return {"seed": seed, "faults": [], "violation": None, "lines": []}
    kept = frozenset(number for number, _, _ in world.plan)
    for number in sorted(kept, reverse=True):
        tried, found = _run(seed, kept - {number}, mutate)
        if found is not None and found["what"] == violation["what"]:
            kept, world, violation = kept - {number}, tried, found
    faults = [f"{at_s:.1f} s {kind}" for number, at_s, kind in sorted(world.plan, key=lambda p: p[1]) if number in kept]
    return {"seed": seed, "faults": faults, "violation": violation, "lines": _lines(world, violation)}


def _run(seed: int, keep: frozenset[int] | None, mutate: Hook | None) -> tuple[World, dict[str, Any] | None]:
    world = World(seed, keep=keep, mutate=mutate)
    found = world.run()["violations"]
    return world, found[0] if found else None


def _lines(world: World, violation: dict[str, Any]) -> list[str]:
    """Lines up to the violation that name a party of it, or a fault."""
    parties = [str(violation[name]) for name in ("party", "partner", "sender", "to") if name in violation]
    told = []
    for line in world.story:
        at_s, _, text = line.partition(" ")
        if float(at_s) > violation["at_s"]:
            break
        if text.startswith("fault ") or not parties or any(party in text for party in parties):
            told.append(line)
    return told[-STORY_LINES:]
