"""Life-cycles of exchanges as pure functions: events in, states and refusals out.

What enters: events, each a step of one exchange with its facts, named person and evidence. What leaves: exchanges with
state and facts, and every event that was refused with the reason. The order in which events arrive, and how often,
changes nothing: they are sorted by time and content first. So two nodes that hold the same events hold the same books.

    proposed -> decided -> executed -> receipted -> settled -> closed        (support; other kinds name their own)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import rfc8785

MAX_FACT_BYTES = 65_536


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
    last_us: int = 0


@dataclass(frozen=True)
class Refusal:
    """An event that was not taken, and why."""

    event: Event
    reason: str


@dataclass(frozen=True)
class Step:
    """One step: the states it may follow, the state it leads to, the facts it must bring, and its own checks."""

    name: str
    after: tuple[str, ...]
    to: str | None
    needs: tuple[str, ...] = ()
    check: Callable[[Exchange, Event], str | None] | None = None
    apply: Callable[[Exchange, Event], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class LifeCycle:
    """Steps of one kind of exchange; the first step named in ``opens`` makes the exchange."""

    kind: str
    opens: str
    steps: Mapping[str, Step]


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
        return Refusal(event, f"{event.step} cannot follow {exchange.state}")
    missing = [name for name in step.needs if event.facts.get(name) in (None, "", [])]
    if missing:
        return Refusal(event, f"{event.step} lacks {', '.join(missing)}")
    reason = step.check(exchange, event) if step.check is not None else None
    if reason is not None:
        return Refusal(event, reason)
    facts = step.apply(exchange, event) if step.apply is not None else {**exchange.facts, **event.facts}
    return replace(
        exchange,
        state=step.to if step.to is not None else exchange.state,
        facts=facts,
        events=(*exchange.events, event.id),
        last_us=event.at_us,
    )


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
