"""Tests of attributes in three values: false, true, unknown.

What enters: the `When` of a clause and the attributes of one thing. What leaves: a `Truth`, and the names of attributes
whose absence left it open. Absent, or outside the declared vocabulary, is unknown; false wins over unknown, because one
false test settles a conjunction whatever the rest may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from kuroshio.accord.model import SET_FIELDS, Test, When


class Truth(IntEnum):
    """Kleene's three values."""

    FALSE = 0
    TRUE = 1
    UNKNOWN = 2


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "in": lambda a, b: a in b,
    "not_in": lambda a, b: a not in b,
}


def holds(test: Test, value: Any, rank: Mapping[str, int]) -> Truth:
    """Truth of one test of one normalised value.

    Parameters
    ----------
    test
        Field, operator, value.
    value
        Normalised attribute (`attributes.normalise`): None is unknown; list attributes and areas are frozensets.
    rank
        Place of each level in the declared order.
    """
    if value is None:
        return Truth.UNKNOWN
    op, wanted = test.op, test.value
    if test.field in SET_FIELDS or test.field == "area":
        named = frozenset(wanted) if isinstance(wanted, tuple) else frozenset((wanted,))
        if op == "eq" and test.field != "area":
            return Truth(value == named)
        return Truth(bool(value & named) != (op == "not_in"))
    if test.field == "level" and op in ("lt", "lte", "gt", "gte"):
        return Truth(COMPARE[op](rank[value], rank[wanted]))
    return Truth(bool(COMPARE[op](value, wanted)))


def all_hold(when: When, value_of: Mapping[str, Any], rank: Mapping[str, int]) -> tuple[Truth, tuple[str, ...]]:
    """(truth of the conjunction, attributes left unknown, sorted) for the normalised attributes of one thing."""
    missing: list[str] = []
    for test in when:
        truth = holds(test, value_of.get(test.field), rank)
        if truth is Truth.FALSE:
            return Truth.FALSE, ()
        if truth is Truth.UNKNOWN:
            missing.append(test.field)
    return (Truth.UNKNOWN, tuple(sorted(set(missing)))) if missing else (Truth.TRUE, ())
