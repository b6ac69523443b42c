"""Level equivalence: directed, many to one, never guessed.

What enters: an accord's equivalence entries and the level of a thing. What leaves: the marking that protects it at the
receiver, or the gap and the office that must settle it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kuroshio.accord.model import Accord


@dataclass(frozen=True)
class Protection:
    """Marking at the receiver, or what stands in its way."""

    marking: str | None = None
    gap: str | None = None
    office: str = "competent_authority"


def protect(accord: Accord, level: str | None, from_: str, to: str, order: tuple[str, ...]) -> Protection:
    """Protection of a level on a hop.

    One choice is taken; of several, the one a named role picked, else that role must pick; where there is none, the
    next higher level that has one; where there is none above either, a person decides. An accord without entries says
    nothing, and the lowest level needs no protection.
    """
    if not accord.equivalence or level is None or level == order[0]:
        return Protection()
    entries = [e for e in accord.equivalence if e.from_ == from_ and e.to == to]
    for candidate in order[order.index(level) :]:
        choices: set[str] = set()
        for entry in entries:
            if entry.level == candidate:
                choices.update((entry.pick,) if entry.pick is not None else entry.choices)
        if len(choices) == 1:
            return Protection(marking=choices.pop())
        if choices:
            return Protection(gap=f"the receiver has several marks for this level: {', '.join(sorted(choices))}")
    return Protection(gap="the receiver has no mark for this level or any above it")
