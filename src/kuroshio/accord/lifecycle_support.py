"""Support: an order of fuel, food or repair from request to settlement, and the balance it leaves.

What enters: events. What leaves: orders, balances by creditor and debtor, what fell due. An order without its minimum
data, two different persons, a source document and a receipt cannot be made, delivered or settled: those three are
impossible to omit. Settlement is in cash, in kind or in equal value; what is not settled in the time the agreement
names, a year where it names none, converts to cash.

Onward transfer to a third party needs the provider's own consent, for that party and that quantity, also after the
order is closed.

Amounts are integers of the smallest unit of the currency (or of the item for in kind): no rounding, no float.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from kuroshio.accord.durations import add
from kuroshio.accord.lifecycle import Event, Exchange, LifeCycle, Step, by_party, denied

MINIMUM = (
    "accord",
    "from",
    "to",
    "item",
    "quantity",
    "unit",
    "price_basis",
    "unit_price",
    "currency",
    "payment_mode",
    "place",
    "date",
    "orderer",
    "decision",
)
MODES = ("cash", "in_kind", "equal_value")
SETTLE_WITHIN = "P1Y"  # where the agreement names no time
WEAPON_ITEMS = ("weapon_system", "ammunition")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


def _order(exchange: Exchange, event: Event) -> str | None:
    facts = event.facts
    if facts["payment_mode"] not in MODES:
        return f"payment mode {facts['payment_mode']!r} is not one of {', '.join(MODES)}"
    for name in ("quantity", "unit_price"):
        if not isinstance(facts[name], int) or isinstance(facts[name], bool) or facts[name] <= 0:
            return f"{name} {facts[name]!r} is not a positive whole number"
    if facts["from"] == facts["to"]:
        return "provider and receiver are one party"
    if event.party != facts["to"]:
        return f"the order is placed by {event.party}, not by the receiving party {facts['to']}"
    if facts["item"] in WEAPON_ITEMS:
        return f"weapon systems and ammunition are outside every agreement this node handles ({facts.get('cited')})"
    return denied(event)


def _accept(exchange: Exchange, event: Event) -> str | None:
    if exchange.facts["orderer"] in (event.facts["acceptor"], event.by):
        return "orderer and acceptor are one person"
    if event.party != exchange.facts["from"]:
        return f"accepted by {event.party}, not by the providing party {exchange.facts['from']}"
    effects = {event.facts["decision"], exchange.facts["decision"]}
    if "deny" in effects:
        return f"the accord denies it: {event.facts.get('cited', 'no clause')}"
    if not effects <= {"permit", "oblige", "decide"}:
        return f"decision {event.facts['decision']!r} is none"
    if "decide" in effects and not event.facts.get("consent"):
        role = event.facts.get("role") or exchange.facts.get("role") or "a role"
        return f"the accord asks {role}, and no consent is named"
    return None


def _deliver(exchange: Exchange, event: Event) -> str | None:
    if not _DIGEST.match(str(event.facts["source_document"])):
        return "source_document is not sha256: and 64 hexadecimal digits"
    return None if event.party == exchange.facts["from"] else "delivered by another than the provider"


def _receipt(exchange: Exchange, event: Event) -> str | None:
    received = event.facts["received"]
    if not isinstance(received, int) or isinstance(received, bool) or not 0 <= received <= exchange.facts["quantity"]:
        return f"received {received!r} is not between 0 and the quantity {exchange.facts['quantity']}"
    return None if event.party == exchange.facts["to"] else "receipted by another than the receiver"


def _receipted(exchange: Exchange, event: Event) -> Mapping[str, Any]:
    value = event.facts["received"] * exchange.facts["unit_price"]
    due_us = add(event.at_us, str(exchange.facts.get("settle_within") or SETTLE_WITHIN))
    return {
        **exchange.facts,
        **event.facts,
        "value": value,
        "received_us": str(event.at_us),
        "settled": 0,
        "settlements": [],
        "due_us": str(due_us),
        "mode": exchange.facts["payment_mode"],
    }


def _settle(exchange: Exchange, event: Event) -> str | None:
    amount, mode = event.facts["amount"], event.facts["mode"]
    if mode not in MODES:
        return f"mode {mode!r} is not one of {', '.join(MODES)}"
    if not isinstance(amount, int) or isinstance(amount, bool) or amount <= 0:
        return f"amount {amount!r} is not a positive whole number"
    if event.party not in (exchange.facts["from"], exchange.facts["to"]):
        return f"settled by {event.party}, which is no party of the order"
    if amount > exchange.facts["value"] - exchange.facts["settled"]:
        return f"amount {amount} is more than is owed"
    if mode != "cash" and event.at_us > int(exchange.facts["due_us"]):
        return "past the due date only cash settles"
    return None


def _settled(exchange: Exchange, event: Event) -> Mapping[str, Any]:
    paid = {"amount": event.facts["amount"], "mode": event.facts["mode"], "at_us": str(event.at_us)}
    settlements = [*exchange.facts["settlements"], paid]
    return {**exchange.facts, "settled": exchange.facts["settled"] + paid["amount"], "settlements": settlements}


def _close(exchange: Exchange, event: Event) -> str | None:
    owed = exchange.facts["value"] - exchange.facts["settled"]
    return f"{owed} is still owed" if owed else None


def _onward(exchange: Exchange, event: Event) -> str | None:
    facts = event.facts
    given = [c for c in exchange.facts.get("onward_consents", ()) if c["consent"] == facts["consent"]]
    if not given or given[0]["to"] != facts["to"]:
        return f"no consent {facts['consent']!r} of {exchange.facts['from']} to a transfer to {facts['to']}"
    passed = sum(t["quantity"] for t in exchange.facts.get("onward", ()) if t["consent"] == facts["consent"])
    if not isinstance(facts["quantity"], int) or not 0 < facts["quantity"] <= given[0]["quantity"] - passed:
        return f"the consent covers {given[0]['quantity']}, of which {passed} went"
    return by_party("to")(exchange, event)


def _onward_consent(exchange: Exchange, event: Event) -> str | None:
    quantity = event.facts["quantity"]
    if not isinstance(quantity, int) or isinstance(quantity, bool) or quantity <= 0:
        return f"quantity {quantity!r} is not a positive whole number"
    return by_party("from")(exchange, event)


def _by_either(exchange: Exchange, event: Event) -> str | None:
    ends = (exchange.facts["from"], exchange.facts["to"])
    return None if event.party in ends else f"{event.step} is the word of {' or '.join(ends)}, not of {event.party}"


SUPPORT = LifeCycle(
    "support",
    "order",
    {
        s.name: s
        for s in (
            Step("order", (), "proposed", MINIMUM, _order),
            Step("accept", ("proposed",), "decided", ("acceptor", "decision"), _accept),
            Step("refuse", ("proposed",), "refused", ("reason",), by_party("from")),
            Step("cancel", ("proposed", "decided"), "cancelled", ("reason",), _by_either),
            Step("deliver", ("decided",), "executed", ("source_document", "delivered_at"), _deliver),
            Step("receipt", ("executed",), "receipted", ("received", "receiver"), _receipt, _receipted),
            Step("settle", ("receipted",), None, ("amount", "mode", "evidence"), _settle, _settled),
            Step("close", ("receipted",), "closed", ("closer",), _close),
            Step(
                "permit_onward",
                ("receipted", "closed"),
                None,
                ("consent", "to", "quantity"),
                _onward_consent,
                collects="onward_consents",
            ),
            Step(
                "onward",
                ("receipted", "closed"),
                None,
                ("consent", "to", "quantity", "evidence"),
                _onward,
                collects="onward",
            ),
        )
    },
    fixed=tuple(name for name in MINIMUM if name != "decision"),
    words=tuple(name for name in MINIMUM if name not in ("quantity", "unit_price")),
    said_by={
        **dict.fromkeys(("value", "settled", "settlements", "received_us", "due_us"), ()),
        **dict.fromkeys(("onward", "onward_consents"), ()),
        **dict.fromkeys(("decision", "cited", "role", "settle_within"), ("order", "accept")),
        "received": ("receipt",),
    },
)


def balances(orders: Iterable[Exchange]) -> dict[tuple[str, str, str], int]:
    """What each debtor owes each creditor by currency: (creditor, debtor, currency) -> smallest units; none at zero."""
    owed: dict[tuple[str, str, str], int] = {}
    for order in orders:
        left = order.facts.get("value", 0) - order.facts.get("settled", 0)
        if left:
            key = (order.facts["from"], order.facts["to"], order.facts["currency"])
            owed[key] = owed.get(key, 0) + left
    return dict(sorted(owed.items()))


def conversions(orders: Iterable[Exchange], *, now_us: int) -> list[dict[str, Any]]:
    """Orders past their due date and not settled: what was in kind or equal value is now due in cash."""
    out = []
    for order in sorted(orders, key=lambda o: o.id):
        facts = order.facts
        left = facts.get("value", 0) - facts.get("settled", 0)
        if left and int(facts["due_us"]) < now_us:
            out.append(
                {
                    "exchange": order.id,
                    "creditor": facts["from"],
                    "debtor": facts["to"],
                    "amount": left,
                    "currency": facts["currency"],
                    "was": facts["mode"],
                    "now": "cash",
                    "due_us": int(facts["due_us"]),
                }
            )
    return out


def annual_report(orders: Iterable[Exchange], *, from_us: int, until_us: int) -> dict[str, Any]:
    """What was provided and what was settled within a period, whenever the rest of each order fell.

    Counts of the orders alive in the period by the state they have now; by pair and currency the value received and
    the amounts settled in it, by mode, and what of all received until its end was owed then.
    """
    states: dict[str, int] = {}
    pairs: dict[str, dict[str, Any]] = {}
    for order in orders:
        facts = order.facts
        if order.first_us >= until_us:
            continue
        if order.last_us >= from_us:
            states[order.state] = states.get(order.state, 0) + 1
        if "value" not in facts:
            continue
        received_us = int(facts["received_us"])
        settled = [s for s in facts["settlements"] if int(s["at_us"]) < until_us]
        within = [s for s in settled if int(s["at_us"]) >= from_us]
        value = facts["value"] if from_us <= received_us < until_us else 0
        owed = facts["value"] - sum(s["amount"] for s in settled) if received_us < until_us else 0
        if not (value or within or owed):
            continue
        name = f"{facts['from']}->{facts['to']} {facts['currency']}"
        line = pairs.setdefault(name, {"value": 0, "settled": 0, "by_mode": dict.fromkeys(MODES, 0), "owed_at_end": 0})
        line["value"] += value
        line["owed_at_end"] += owed
        for one in within:
            line["settled"] += one["amount"]
            line["by_mode"][one["mode"]] += one["amount"]
    return {"states": dict(sorted(states.items())), "pairs": dict(sorted(pairs.items()))}
