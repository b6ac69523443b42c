"""Life-cycles of exchanges as pure functions: events in, states and refusals out.

What enters: events, each a step of one exchange with its facts, named person and evidence. What leaves: exchanges with
state and facts, and every event that was refused with the reason. The order in which events arrive, and how often,
changes nothing: they are sorted by time and content first. So two nodes that hold the same events hold the same books.
A partner's event may say anything: only the two parties are heard, and a fact that another step, another party or the
life-cycle itself must write (a consent, a clearance, what is owed) cannot be slipped in beside others.

    proposed -> decided -> executed -> receipted -> settled -> closed        (support; other kinds name their own)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import rfc8785

from kuroshio.errors import InputError

MAX_FACT_BYTES = 65_536
NOT_AFTER = "cannot follow"


@dataclass(frozen=True)
class Event:
    """One step of one exchange.

    Parameters
    ----------
    exchange
        Id of the exchange.
    step
        Name of the step, such as order, accept, deliver.
    at_us
        When, UTC microseconds.
    by
        Person and party that acted: ``PHL:name``.
    facts
        JSON values of the step.
    """

    exchange: str
    step: str
    at_us: int
    by: str
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        """SHA-256 of the content, hexadecimal: the same event twice is one event."""
        plain = {"exchange": self.exchange, "step": self.step, "at": str(self.at_us), "by": self.by}
        return hashlib.sha256(rfc8785.dumps({**plain, "facts": dict(self.facts)})).hexdigest()

    @property
    def party(self) -> str:
        """Party of the person."""
        return self.by.partition(":")[0]


@dataclass(frozen=True)
class Exchange:
    """State of one exchange after its events: facts by name, and the ids of the events taken, in order."""

    id: str
    kind: str
    state: str
    facts: Mapping[str, Any]
    events: tuple[str, ...] = ()
    first_us: int = 0
    last_us: int = 0


@dataclass(frozen=True)
class Refusal:
    """An event that was not taken, and why."""

    event: Event
    reason: str


@dataclass(frozen=True)
class Step:
    """One step: the states it may follow, the state it leads to, the facts it must bring, and its own checks.

    Its facts are merged into those of the exchange, but for what is ``fixed`` there and not in ``changes``; a step
    with ``collects`` appends them as one entry to the list of that name instead.
    """

    name: str
    after: tuple[str, ...]
    to: str | None
    needs: tuple[str, ...] = ()
    check: Callable[[Exchange, Event], str | None] | None = None
    apply: Callable[[Exchange, Event], Mapping[str, Any]] | None = None
    changes: tuple[str, ...] = ()
    collects: str | None = None


@dataclass(frozen=True)
class LifeCycle:
    """Steps of one kind of exchange.

    Parameters
    ----------
    kind, opens, steps
        Name, the step that makes the exchange, all steps by name.
    fixed
        Facts that stay as they were first said.
    words
        Facts of the opening step that must be text.
    said_by
        Fact -> the steps that alone may say it; with none, the life-cycle alone writes it.
    """

    kind: str
    opens: str
    steps: Mapping[str, Step]
    fixed: tuple[str, ...] = ()
    words: tuple[str, ...] = ("accord", "from", "to")
    said_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def take(cycle: LifeCycle, exchange: Exchange | None, event: Event) -> Exchange | Refusal:
    """The exchange after one event, or why the event is refused."""
    step = cycle.steps.get(event.step)
    if step is None:
        return Refusal(event, f"{cycle.kind} has no step {event.step!r}")
    if exchange is None:
        if event.step != cycle.opens:
            return Refusal(event, f"{event.step} before {cycle.opens}")
        exchange = Exchange(event.exchange, cycle.kind, "", {})
    elif exchange.state not in step.after:
        return Refusal(event, f"{event.step} {NOT_AFTER} {exchange.state}")
    missing = [name for name in step.needs if event.facts.get(name) in (None, "", [])]
    if missing:
        told = [name for name in missing if name != "decision"] or missing  # the ledger makes the decision
        return Refusal(event, f"{event.step} lacks {', '.join(told)}")
    opens = event.step == cycle.opens
    ill = [name for name in cycle.words if not isinstance(event.facts[name], str)] if opens else []
    if ill:
        return Refusal(event, f"{', '.join(ill)} must be text")
    ends = [str((event.facts if opens else exchange.facts)[side]) for side in ("from", "to")]
    if event.party not in ends:
        return Refusal(event, f"{event.step} is the word of {' or '.join(ends)}, not of {event.party}")
    try:
        reason = _slipped(cycle, step, event) or _rewritten(cycle, step, exchange, event)
        reason = reason or (step.check(exchange, event) if step.check else None)
        if reason is not None:
            return Refusal(event, reason)
        facts = _applied(step, exchange, event)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, InputError) as err:
        return Refusal(event, f"{event.step} has a fact of another form: {err}")  # a partner's event may hold anything
    return replace(
        exchange,
        state=step.to if step.to is not None else exchange.state,
        facts=facts,
        events=(*exchange.events, event.id),
        first_us=event.at_us if opens else exchange.first_us,
        last_us=event.at_us,
    )


def _slipped(cycle: LifeCycle, step: Step, event: Event) -> str | None:
    """Why a step may not say a fact that is another's to write; None when it says none."""
    if step.collects is not None:
        return None  # its facts are kept apart, under its own name
    for name, steps in cycle.said_by.items():
        if name in event.facts and event.step not in steps:
            told = f"{' or '.join(steps)} says it" if steps else "the ledger writes it"
            return f"{event.step} may not say {name}: {told}"
    return None


def _rewritten(cycle: LifeCycle, step: Step, exchange: Exchange, event: Event) -> str | None:
    """Why a step may not say again, in other words, what stands; None when it does not."""
    if step.collects is not None:
        return None
    facts = exchange.facts
    kept = [n for n in cycle.fixed if n in facts and n not in step.changes]
    changed = [n for n in kept if event.facts.get(n, facts[n]) != facts[n]]
    return f"{event.step} may not change {', '.join(changed)}" if changed else None


def _applied(step: Step, exchange: Exchange, event: Event) -> Mapping[str, Any]:
    if step.collects is not None:
        entry = {**event.facts, "at_us": str(event.at_us), "by": event.by}
        return {**exchange.facts, step.collects: [*exchange.facts.get(step.collects, ()), entry]}
    return step.apply(exchange, event) if step.apply is not None else {**exchange.facts, **event.facts}


def by_party(side: str) -> Callable[[Exchange, Event], str | None]:
    """Check that a step is the word of the party at one end, ``from`` or ``to``."""

    def check(exchange: Exchange, event: Event) -> str | None:
        party = exchange.facts[side]
        return None if event.party == party else f"{event.step} is the word of {party}, not of {event.party}"

    return check


def denied(event: Event) -> str | None:
    """Why the agreements deny the exchange that an event opens or decides, with the clause; None when they do not."""
    if event.facts.get("decision") != "deny":
        return None
    return f"denied by {event.facts.get('cited') or 'no accord in force'}: nobody here can override it"


def fold(cycle: LifeCycle, events: Iterable[Event]) -> tuple[dict[str, Exchange], list[Refusal]]:
    """(exchanges by id, events refused) of a set of events in any order, with any repeats."""
    unique = {event.id: event for event in events}
    exchanges: dict[str, Exchange] = {}
    refused: list[Refusal] = []
    for _, event in sorted(unique.items(), key=lambda kv: (kv[1].at_us, kv[0])):
        if len(rfc8785.dumps(dict(event.facts))) > MAX_FACT_BYTES:
            refused.append(Refusal(event, f"facts of more than {MAX_FACT_BYTES} bytes"))
            continue
        after = take(cycle, exchanges.get(event.exchange), event)
        if isinstance(after, Refusal):
            refused.append(after)
        else:
            exchanges[event.exchange] = after
    return exchanges, refused


def missing(ours: Iterable[Event], theirs: Iterable[str]) -> list[Event]:
    """Events the other side does not have, for a catch-up."""
    have = set(theirs)
    return sorted((e for e in ours if e.id not in have), key=lambda e: (e.at_us, e.id))
