"""Equipment: a radar, boat or aircraft from the first report to its disposal, with evidence at each milestone.

What enters: events. What leaves: the inventory: what, how many, held by whom, where, for which end use, and how sure
each value is. A value may be given as {"value": x, "uncertain": true, "source": "..."}; it stays marked until a
certain one replaces it. Onward transfer and change of use need the originator's consent; weapon systems are not
equipment here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from kuroshio.accord.lifecycle import Event, Exchange, LifeCycle, Step, by_party, denied

MILESTONES = ("reported", "notes", "contract", "delivery", "training", "in_service", "monitoring", "disposal")
WEAPON_ITEMS = ("weapon_system", "ammunition")
IDENTITY = ("holder", "place", "custodian", "end_use")


def certain(value: Any) -> Any:
    """The value itself of a fact that may be marked uncertain."""
    return value.get("value") if isinstance(value, Mapping) else value


def is_uncertain(value: Any) -> bool:
    """True for a fact marked uncertain."""
    return isinstance(value, Mapping) and bool(value.get("uncertain"))


def _report(exchange: Exchange, event: Event) -> str | None:
    if certain(event.facts["item"]) in WEAPON_ITEMS:
        return f"weapon systems are outside every agreement this node handles ({event.facts.get('cited')})"
    if event.facts["from"] == event.facts["to"]:
        return "giver and receiver are one party"
    quantity = certain(event.facts["quantity"])
    whole = isinstance(quantity, int) and not isinstance(quantity, bool) and quantity > 0
    return denied(event) if whole else f"quantity {quantity!r} is not a positive whole number"


def _milestone(exchange: Exchange, event: Event) -> str | None:
    if event.step in ("delivery", "contract") and is_uncertain(event.facts.get("quantity", exchange.facts["quantity"])):
        return f"{event.step} needs a certain quantity"
    return None


def _in_service(exchange: Exchange, event: Event) -> Mapping[str, Any]:
    return {**exchange.facts, **event.facts, "in_service_us": str(event.at_us)}


def _move(exchange: Exchange, event: Event) -> str | None:
    facts = event.facts
    changed = [name for name in ("holder", "end_use") if name in facts and facts[name] != exchange.facts.get(name)]
    given = [c for c in exchange.facts.get("consents", ()) if c["consent"] == facts.get("consent")]
    if changed and not any(all(c.get(name) == facts[name] for name in changed) for c in given):
        return f"change of {' and '.join(changed)} needs the consent of {exchange.facts['from']} to it"
    return None if set(facts) & set(IDENTITY) else "nothing is moved"


def _milestone_changes(name: str) -> tuple[str, ...]:
    return IDENTITY if name == "delivery" else ()


def _steps() -> Iterable[Step]:
    yield Step("reported", (), "reported", ("accord", "from", "to", "item", "quantity", "source", "decision"), _report)
    for before, name in itertools.pairwise(MILESTONES):
        needs: tuple[str, ...] = ("evidence",)
        if name == "delivery":
            needs = ("evidence", *IDENTITY)
        after = (before, "in_service") if name == "disposal" else (before,)
        apply = _in_service if name == "in_service" else None
        yield Step(name, after, name, needs, _milestone, apply, changes=_milestone_changes(name))
    held = ("delivery", "training", "in_service", "monitoring")
    yield Step("monitoring_report", ("in_service", "monitoring"), "monitoring", ("evidence", "condition"))
    yield Step("permit_move", held, None, ("consent",), by_party("from"), collects="consents")
    yield Step("move", held, None, ("evidence",), _move, changes=IDENTITY)
    yield Step("correct", MILESTONES[:-1], None, ("evidence",))
    yield Step("withdraw", MILESTONES[:3], "withdrawn", ("reason",))


EQUIPMENT = LifeCycle(
    "equipment", "reported", {s.name: s for s in _steps()}, fixed=("accord", "from", "to", "holder", "end_use")
)


def inventory(items: Iterable[Exchange]) -> dict[tuple[str, str], int]:
    """Quantity held by (holder, item), of everything delivered and not disposed of."""
    held: dict[tuple[str, str], int] = {}
    for one in items:
        if one.state in ("delivery", "training", "in_service", "monitoring"):
            key = (str(certain(one.facts["holder"])), str(certain(one.facts["item"])))
            held[key] = held.get(key, 0) + int(certain(one.facts["quantity"]))
    return dict(sorted(held.items()))


def uncertainties(items: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Facts still marked uncertain, with their source."""
    out = []
    for one in sorted(items, key=lambda e: e.id):
        for name, value in sorted(one.facts.items()):
            if is_uncertain(value):
                out.append({"exchange": one.id, "fact": name, "value": value["value"], "source": value.get("source")})
    return out
