"""Equipment: a radar, boat or aircraft from the first report to its disposal, with evidence at each milestone.

What enters: events. What leaves: the inventory: what, how many, held by whom, where, for which end use, and how sure
each value is. A value may be given as {"value": x, "uncertain": true, "source": "..."}; it stays marked until a
certain one replaces it. Onward transfer and change of use need the originator's consent, given in an entry of its own;
what is certain about kind and number is not said again otherwise, but for a count by the giver; weapon systems are not
equipment here, neither when reported nor later.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from kuroshio.accord.lifecycle import Event, Exchange, LifeCycle, Step, by_party, denied

MILESTONES = ("reported", "notes", "contract", "delivery", "training", "in_service", "monitoring", "disposal")
WEAPON_ITEMS = ("weapon_system", "ammunition")
NAMING = ("notes", "correct")  # steps that may say what an uncertain item is; the agreements judge it anew
OPEN_COUNT = ("reported", "notes")  # states in which the number is still negotiated
IDENTITY = ("holder", "place", "custodian", "end_use")


def certain(value: Any) -> Any:
    """The value itself of a fact that may be marked uncertain."""
    return value.get("value") if isinstance(value, Mapping) else value


def is_uncertain(value: Any) -> bool:
    """True for a fact marked uncertain."""
    return isinstance(value, Mapping) and bool(value.get("uncertain"))


def _what(exchange: Exchange, event: Event) -> str | None:
    """Why an event may not say what it says of kind and number; None when it may."""
    facts, stands = event.facts, exchange.facts
    if "item" in facts:
        item = certain(facts["item"])
        if not isinstance(item, str):
            return f"item {item!r} is not a word"
        if item in WEAPON_ITEMS:
            cited = f" ({facts['cited']})" if facts.get("cited") else ""
            return f"weapon systems are outside every agreement this node handles{cited}"
        changed = item != certain(stands.get("item", item))
        if changed and not (is_uncertain(stands["item"]) and event.step in NAMING):
            return f"{event.step} may not change item"
    if "quantity" in facts:
        quantity = certain(facts["quantity"])
        if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity <= 0:
            return f"quantity {quantity!r} is not a positive whole number"
        settled = "quantity" in stands and not is_uncertain(stands["quantity"]) and exchange.state not in OPEN_COUNT
        if settled and quantity != stands["quantity"] and event.party != stands["from"]:
            return f"the quantity {stands['quantity']} is corrected by {stands['from']}, not by {event.party}"
        if settled and is_uncertain(facts["quantity"]):
            return "the quantity is certain, and does not become uncertain again"
    return denied(event)


def _report(exchange: Exchange, event: Event) -> str | None:
    if event.facts["from"] == event.facts["to"]:
        return "giver and receiver are one party"
    return _what(exchange, event)


def _milestone(exchange: Exchange, event: Event) -> str | None:
    if event.step in ("delivery", "contract") and is_uncertain(event.facts.get("quantity", exchange.facts["quantity"])):
        return f"{event.step} needs a certain quantity"
    return _what(exchange, event)


def _in_service(exchange: Exchange, event: Event) -> Mapping[str, Any]:
    return {**exchange.facts, **event.facts, "in_service_us": str(event.at_us)}


def _move(exchange: Exchange, event: Event) -> str | None:
    facts = event.facts
    changed = [name for name in ("holder", "end_use") if name in facts and facts[name] != exchange.facts.get(name)]
    given = [c for c in exchange.facts.get("consents", ()) if c["consent"] == facts.get("consent")]
    if changed and not any(all(c.get(name) == facts[name] for name in changed) for c in given):
        return f"change of {' and '.join(changed)} needs the consent of {exchange.facts['from']} to it"
    return _what(exchange, event) if set(facts) & set(IDENTITY) else "nothing is moved"


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
    yield Step("monitoring_report", ("in_service", "monitoring"), "monitoring", ("evidence", "condition"), _what)
    yield Step("permit_move", held, None, ("consent",), by_party("from"), collects="consents")
    yield Step("move", held, None, ("evidence",), _move, changes=IDENTITY)
    yield Step("correct", MILESTONES[:-1], None, ("evidence",), _what)
    yield Step("withdraw", MILESTONES[:3], "withdrawn", ("reason",), _what)


EQUIPMENT = LifeCycle(
    "equipment",
    "reported",
    {s.name: s for s in _steps()},
    fixed=("accord", "from", "to", "holder", "end_use"),
    said_by={
        **dict.fromkeys(("consents", "in_service_us"), ()),
        **dict.fromkeys(("decision", "cited", "role"), ("reported", "notes", "correct")),
    },
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
