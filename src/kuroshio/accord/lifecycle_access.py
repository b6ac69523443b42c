"""Access: a visit of ships, aircraft or people, from the consent to the activity to the last claim.

What enters: events. What leaves: visits with their clearances, manifest, incidents and claims. Nobody enters without
consent of the receiving party to the activity, clearance of every craft, notice in time and a manifest; hazardous
goods and a notice at short term need consents of their own. Each of these is an entry of the receiving party, never a
claim of the visitor; a claim is settled by the word of the party that made it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.accord.durations import add
from kuroshio.accord.lifecycle import Event, Exchange, LifeCycle, Step, by_party, denied
from kuroshio.clock import parse_rfc3339

CRAFT = ("vessel", "aircraft", "vehicle")
NOTICE_BEFORE = "PT72H"  # where the agreement names no time
INSIDE = ("entered",)
PROPOSAL = ("accord", "from", "to", "subject", "activity", "purpose", "craft", "period", "decision")


def _propose(exchange: Exchange, event: Event) -> str | None:
    facts = event.facts
    if facts["from"] == facts["to"]:
        return "visitor and host are one party"
    if event.party != facts["from"]:
        return f"the visit is proposed by {event.party}, not by the visiting party {facts['from']}"
    for craft in facts["craft"]:
        if not isinstance(craft, Mapping) or craft.get("type") not in CRAFT or not craft.get("id"):
            return f"craft {craft!r} needs an id and a type of {', '.join(CRAFT)}"
    return denied(event)


_by_host = by_party("to")
_by_visitor = by_party("from")


def _consent(exchange: Exchange, event: Event) -> str | None:
    return denied(event) or _by_host(exchange, event)


def _clear(exchange: Exchange, event: Event) -> str | None:
    known = {c["id"] for c in exchange.facts["craft"]}
    if event.facts["craft_id"] not in known:
        return f"craft {event.facts['craft_id']!r} is not in the proposal"
    return _by_host(exchange, event)


def _cleared(exchange: Exchange, event: Event) -> Mapping[str, Any]:
    cleared = sorted({*exchange.facts.get("cleared", ()), event.facts["craft_id"]})
    return {**exchange.facts, "cleared": cleared}


def _notice(exchange: Exchange, event: Event) -> str | None:
    entry_us = parse_rfc3339(event.facts["entry_at"])
    before = str(exchange.facts.get("notice_before") or NOTICE_BEFORE)
    if event.at_us > add(entry_us, before, -1) and not exchange.facts.get("short_notice_consent"):
        host = exchange.facts["to"]
        return f"notice is later than {before} before entry, and {host} gave no consent to short notice"
    uncleared = sorted({c["id"] for c in exchange.facts["craft"]} - set(exchange.facts.get("cleared", ())))
    return f"not cleared: {', '.join(uncleared)}" if uncleared else _by_visitor(exchange, event)


def _enter(exchange: Exchange, event: Event) -> str | None:
    if event.at_us < parse_rfc3339(exchange.facts["entry_at"]):
        return "entry before the time notified"
    hazardous = [g for g in event.facts["manifest"] if isinstance(g, Mapping) and g.get("hazardous")]
    if hazardous and not exchange.facts.get("hazardous_consent"):
        return f"hazardous goods without consent: {', '.join(str(g.get('name')) for g in hazardous)}"
    return _by_visitor(exchange, event)


def _departure(exchange: Exchange, event: Event) -> str | None:
    parse_rfc3339(event.facts["departure_at"])  # when the notice comes is the duty's matter: nobody is kept in for it
    return _by_visitor(exchange, event)


def _claim(exchange: Exchange, event: Event) -> str | None:
    known = {c["claim"] for c in exchange.facts.get("claims", ())}
    return f"claim {event.facts['claim']!r} was made already" if event.facts["claim"] in known else None


def _settle_claim(exchange: Exchange, event: Event) -> str | None:
    made = {c["claim"]: c["by"].partition(":")[0] for c in exchange.facts.get("claims", ())}
    claimant = made.get(event.facts["claim"])
    if claimant is None:
        return f"no claim {event.facts['claim']!r} was made"
    return None if event.party == claimant else f"the claim is settled by the word of {claimant}, not of {event.party}"


def _close(exchange: Exchange, event: Event) -> str | None:
    settled = {c["claim"] for c in exchange.facts.get("settled_claims", ())}
    open_claims = sorted({c["claim"] for c in exchange.facts.get("claims", ())} - settled)
    return f"claims are open: {', '.join(open_claims)}" if open_claims else None


ACCESS = LifeCycle(
    "access",
    "propose",
    {
        s.name: s
        for s in (
            Step("propose", (), "proposed", PROPOSAL, _propose),
            Step("consent", ("proposed",), "decided", ("consent",), _consent, changes=("notice_before",)),
            Step("refuse", ("proposed",), "refused", ("reason",), _by_host),
            Step("clear", ("decided",), None, ("craft_id", "clearance"), _clear, _cleared),
            Step("hazardous", ("decided", "notified"), None, ("hazardous_consent",), _by_host),
            Step("short_notice", ("decided",), None, ("short_notice_consent",), _by_host),
            Step("notify_entry", ("decided",), "notified", ("entry_at", "place"), _notice),
            Step("enter", ("notified",), "entered", ("manifest", "place"), _enter),
            Step("incident", INSIDE, None, ("incident", "what"), collects="incidents"),
            Step("claim", (*INSIDE, "departed"), None, ("claim", "amount"), _claim, collects="claims"),
            Step(
                "settle_claim",
                (*INSIDE, "departed"),
                None,
                ("claim", "evidence"),
                _settle_claim,
                collects="settled_claims",
            ),
            Step("notify_departure", INSIDE, None, ("departure_at",), _departure),
            Step("depart", INSIDE, "departed", ("departed_at",), _by_visitor),
            Step("close", ("departed",), "closed", ("closer",), _close),
            Step("cancel", ("proposed", "decided", "notified"), "cancelled", ("reason",)),
        )
    },
    fixed=("accord", "from", "to", "subject", "activity", "purpose", "craft", "notice_before"),
    words=("accord", "from", "to", "subject", "activity", "purpose"),
    said_by={
        **dict.fromkeys(("cleared", "incidents", "claims", "settled_claims"), ()),
        **dict.fromkeys(("decision", "cited", "role", "notice_before"), ("propose", "consent")),
        "consent": ("consent",),
        "hazardous_consent": ("hazardous",),
        "short_notice_consent": ("short_notice",),
        "entry_at": ("notify_entry",),
        "departure_at": ("notify_departure",),
    },
)
