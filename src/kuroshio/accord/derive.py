"""What a derived product carries of its inputs: every tie, the highest level, the narrowest releasability.

What enters: attributes of the inputs. What leaves: attributes of the product. Fusion included: a track that a partner's
plot helped to hold is held under that partner's accord.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kuroshio.accord.model import LEVEL_ORDER
from kuroshio.errors import AccordError

UNKNOWN_ACCORD = "UNKNOWN"  # no file has it: a foreign input of unknown ties leaves the product to a person


def derive(
    inputs: Sequence[Mapping[str, Any]], *, by: str, levels: Sequence[str] = LEVEL_ORDER, **own: Any
) -> dict[str, Any]:
    """Attributes of a product made of inputs.

    Parameters
    ----------
    inputs
        Attributes by column of ITEMS, at least one.
    by
        Party that made it.
    levels
        Declared order of levels.
    **own
        Attributes of the product itself (item_id, subject, observed_at, place, purpose ...); restrictions are not
        taken.

    Raises
    ------
    AccordError
        When there is no input, when exercise and real data would mix, or when ``own`` tries to set a restriction.
    """
    if not inputs:
        raise AccordError("a derived product needs at least one input", code="accord.derive")
    inherited = ("originator", "level", "held_under", "releasable_to", "caveats", "exercise")
    forbidden = sorted(set(own) & set(inherited))
    if forbidden:
        raise AccordError(f"a product inherits {forbidden[0]}; it cannot be set", code="accord.derive")
    if len({bool(i.get("exercise")) for i in inputs}) > 1:
        raise AccordError("exercise data cannot enter a real picture, nor the reverse", code="accord.exercise_mix")
    originators = {i.get("originator") for i in inputs}
    foreign = any(i.get("originator") != by and i.get("held_under") is None for i in inputs)
    held = {a for i in inputs for a in i.get("held_under") or ()} | ({UNKNOWN_ACCORD} if foreign else set())
    limits = [set(i["releasable_to"]) for i in inputs if i.get("releasable_to") is not None]
    return {
        "kind": "information",
        **own,
        "originator": originators.pop() if len(originators) == 1 else by,
        "level": highest((i.get("level") for i in inputs), levels),
        "held_under": sorted(held),
        "releasable_to": sorted(set.intersection(*limits)) if limits else None,
        "caveats": sorted({c for i in inputs for c in i.get("caveats") or ()}),
        "exercise": bool(inputs[0].get("exercise")),
    }


def highest(given: Iterable[str | None], levels: Sequence[str]) -> str | None:
    """Highest of the levels in the declared order; None when any is unknown."""
    rank = {level: i for i, level in enumerate(levels)}
    listed = list(given)
    if not listed or any(level not in rank for level in listed):
        return None
    return max((level for level in listed if level is not None), key=lambda level: rank[level])
