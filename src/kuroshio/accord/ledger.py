"""The ledger of a node: every step of every support, equipment and access exchange, and what answers a duty.

What enters: a book, entries (one step each, by a named person of a party). What leaves: the exchanges with their
states, balances, inventory, reports; and the same ledger with one more entry, judged by the agreements first. Entries
only append; one that contradicts what stands is refused with the reason. Two nodes that hold the same entries hold
the same books, whatever the order and the repeats.

An entry as JSON: ``{"kind": "support", "exchange": "o-17", "step": "order", "at": RFC 3339, "by": "PHL:a.reyes",
"facts": {...}}``. Kinds beside the three: ``duty`` (steps met, waived; the exchange is the duty), ``happening`` (the
step is the ``on`` of a duty clause) and ``commitment`` (step evidence).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kuroshio.accord.book import Book
from kuroshio.accord.durations import add
from kuroshio.accord.lifecycle import NOT_AFTER, Event, Exchange, LifeCycle, Refusal, fold
from kuroshio.accord.lifecycle_access import ACCESS
from kuroshio.accord.lifecycle_equipment import EQUIPMENT, NAMING, certain, inventory, uncertainties
from kuroshio.accord.lifecycle_support import SUPPORT, annual_report, balances, conversions
from kuroshio.accord.model import Accord
from kuroshio.accord.why import excluded_by
from kuroshio.clock import parse_rfc3339, rfc3339
from kuroshio.errors import AccordError, InputError
from kuroshio.schema import Effect

CYCLES: dict[str, LifeCycle] = {"support": SUPPORT, "equipment": EQUIPMENT, "access": ACCESS}
OTHER_STEPS: dict[str, tuple[str, ...]] = {"duty": ("met", "waived"), "happening": (), "commitment": ("evidence",)}
SUBJECT_OF = {"support": "item", "equipment": "item", "access": "subject"}
DECIDING = {("support", "accept"), ("equipment", "notes"), ("access", "consent")}
PERSONS = {"order": "orderer", "accept": "acceptor", "receipt": "receiver", "close": "closer"}
FIELDS = ("kind", "exchange", "step", "at", "by", "facts")
_PERSON = re.compile(r"^[A-Z]{3}:[^\x00-\x1f]{1,120}$")
_NAME = re.compile(r"^[^\x00-\x1f]{1,200}$")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    kind: str
    event: Event

    @property
    def id(self) -> str:
        """SHA-256 of kind and content."""
        return f"{self.kind}:{self.event.id}"

    def as_dict(self) -> dict[str, Any]:
        """JSON form, as `read_entry` takes it."""
        e = self.event
        plain = {"kind": self.kind, "exchange": e.exchange, "step": e.step, "at": rfc3339(e.at_us), "by": e.by}
        return {**plain, "facts": dict(e.facts)}


@dataclass(frozen=True)
class Books:
    """What a set of entries comes to."""

    exchanges: Mapping[tuple[str, str], Exchange]
    refused: tuple[tuple[str, Refusal], ...]
    taken: tuple[Entry, ...]

    def of(self, kind: str) -> list[Exchange]:
        """Exchanges of one kind, by id."""
        return [e for (k, _), e in sorted(self.exchanges.items()) if k == kind]


def read_entry(plain: Mapping[str, Any], *, now_us: int | None = None) -> Entry:
    """An entry from its JSON form; without ``at`` it is of now.

    Raises
    ------
    InputError
        Naming the field that is missing, unknown or of another form.
    """
    if not isinstance(plain, Mapping):  # of a partner it may be any JSON
        raise InputError(f"an entry is an object, not {type(plain).__name__}", code="ledger.entry")
    unknown = sorted(set(plain) - set(FIELDS))
    if unknown:
        raise InputError(f"unknown field {unknown[0]!r}; an entry has {', '.join(FIELDS)}", code="ledger.entry")
    kind = plain.get("kind")
    if kind not in (*CYCLES, *OTHER_STEPS):
        raise InputError(f"kind {kind!r} is not one of {', '.join((*CYCLES, *OTHER_STEPS))}", code="ledger.entry")
    for name, form in (("exchange", _NAME), ("step", _NAME), ("by", _PERSON)):
        if not isinstance(plain.get(name), str) or not form.match(plain[name]):
            told = "PARTY:person" if name == "by" else "a line of text"
            raise InputError(f"{name} {plain.get(name)!r} is not {told}", code="ledger.entry")
    facts = plain.get("facts", {})
    if not isinstance(facts, Mapping):
        raise InputError(f"facts are {type(facts).__name__}, not an object", code="ledger.entry")
    if plain.get("at") is None and now_us is None:
        raise InputError("at is missing: when was it?", code="ledger.entry")
    at_us = now_us if plain.get("at") is None else parse_rfc3339(str(plain["at"]))
    assert at_us is not None
    event = Event(str(plain["exchange"]), str(plain["step"]), at_us, str(plain["by"]), dict(facts))
    try:
        _ = event.id
    except ValueError as err:  # a number or text that canonical JSON cannot hold
        raise InputError(f"facts cannot be written down: {err}", code="ledger.entry") from err
    return Entry(str(kind), event)


def books(entries: Iterable[Entry]) -> Books:
    """The books of a set of entries, in any order, with any repeats."""
    unique = {entry.id: entry for entry in entries}
    exchanges: dict[tuple[str, str], Exchange] = {}
    refused: list[tuple[str, Refusal]] = []
    for kind, cycle in CYCLES.items():
        found, no = fold(cycle, [e.event for e in unique.values() if e.kind == kind])
        exchanges.update({(kind, name): one for name, one in found.items()})
        refused.extend((kind, one) for one in no)
    bad = {f"{kind}:{one.event.id}" for kind, one in refused}
    kept = [e for e in unique.values() if e.id not in bad]
    taken = tuple(sorted(kept, key=lambda e: (e.event.at_us, e.id)))
    return Books(exchanges, tuple(refused), taken)


def word_on(book: Book, kind: str, facts: Mapping[str, Any], *, at_us: int, known_at_us: int) -> dict[str, Any]:
    """What the agreements say of an exchange, from its first facts: decision, the clause it cites, the role asked."""
    item = {
        "kind": kind,
        "subject": str(certain(facts[SUBJECT_OF[kind]])),
        "originator": facts["from"],
        "level": facts.get("level", "U"),
        "purpose": facts.get("purpose"),
        "activity": facts.get("activity"),
        "observed_at": at_us,
    }
    plain = {k: v for k, v in item.items() if v is not None}
    ask: dict[str, Any] = {"releaser": str(facts["from"]), "to": str(facts["to"])}
    ask |= {"valid_at_us": at_us, "known_at_us": known_at_us}
    found = book.evaluate(plain, **ask)
    excluded = excluded_by(book, plain, **ask) if found.effect is Effect.DENY else []
    word = {"decision": found.effect.word, "cited": ", ".join(excluded) or found.cited}
    return {**word, "role": found.role} if found.role else word


def judged(book: Book, held: Books, entry: Entry, *, known_at_us: int) -> Entry:
    """The entry with the word of the agreements in its facts where its step asks for one.

    Whatever ``decision``, ``cited`` and ``role`` the entry claims is replaced: only the book decides.

    Raises
    ------
    AccordError
        When the accord named is not in the book, or is not one between the two parties on such things.
    """
    event, cycle = entry.event, CYCLES.get(entry.kind)
    if cycle is None:
        return entry
    person = {PERSONS[event.step]: event.by} if event.step in PERSONS else {}
    facts: dict[str, Any] = {**person, **event.facts}
    opens = event.step == cycle.opens
    known = held.exchanges.get((entry.kind, event.exchange))
    names = entry.kind == "equipment" and event.step in NAMING and "item" in facts
    if opens or names or (entry.kind, event.step) in DECIDING:
        first = facts if opens or known is None else {**known.facts, **({"item": facts["item"]} if names else {})}
        if all(first.get(name) for name in ("accord", "from", "to", SUBJECT_OF[entry.kind])):
            _check_accord(book, entry.kind, first)
            claimed = ("decision", "cited", "role")
            word = word_on(book, entry.kind, first, at_us=event.at_us, known_at_us=known_at_us)
            facts = {k: v for k, v in facts.items() if k not in claimed} | word
            facts |= _times_of(book.accord(str(first["accord"])), entry.kind)
    return replace(entry, event=replace(event, facts=facts))


def _times_of(found: Accord, kind: str) -> dict[str, str | None]:
    """Times that the accord's own clauses set for an exchange: the longest notice of entry, the shortest settlement."""
    duties = [c for c in found.clauses if c.effect is None]
    if kind == "access":
        notices = [c.before for c in duties if c.on == "entry" and c.before is not None]
        return {"notice_before": max(notices, key=lambda d: add(0, d)) if notices else None}
    if kind == "support":
        settles = [c.within for c in duties if c.on == "receipt" and c.within is not None]
        return {"settle_within": min(settles, key=lambda d: add(0, d)) if settles else None}
    return {}


def _check_accord(book: Book, kind: str, facts: Mapping[str, Any]) -> None:
    name = str(facts["accord"])
    found = book.content.accords.get(name)
    of_kind = [a.id for a in book.content.accords.values() if kind in a.kinds and facts["from"] in a.parties]
    if found is None:
        raise AccordError(
            f"no accord {name!r}; on {kind} there are {', '.join(of_kind) or 'none'}", code="ledger.accord"
        )
    if kind not in found.kinds or not {facts["from"], facts["to"]} <= set(found.parties):
        raise AccordError(
            f"{name} is on {', '.join(found.kinds)} between {', '.join(found.parties)}, "
            f"not on {kind} between {facts['from']} and {facts['to']}",
            code="ledger.accord",
        )


def append(book: Book, held: Iterable[Entry], entry: Entry, *, known_at_us: int) -> Entry:
    """The entry as it is to be kept, judged, once it is known that the ledger can take it.

    Raises
    ------
    AccordError
        ``ledger.refused`` with the reason, when it cannot be or would undo what stands.
    """
    entries = list(held)
    before = books(entries)
    new = judged(book, before, entry, known_at_us=known_at_us)
    _check_other(book, new)
    after = books([*entries, new])
    reason = next((one.reason for kind, one in after.refused if f"{kind}:{one.event.id}" == new.id), None)
    if reason is not None:
        raise AccordError(f"{new.event.exchange}: {reason}", code="ledger.refused", advice=_advice(new, before))
    undone = {e.id for e in before.taken} - {e.id for e in after.taken}
    if undone:
        raise AccordError(
            f"{new.event.exchange}: {new.event.step} at {rfc3339(new.event.at_us)} would undo what was recorded since",
            code="ledger.refused",
            advice="Record it at the time it is recorded, and say in its facts when it was.",
        )
    return new


def own_word_undone(held: Iterable[Entry], entry: Entry) -> list[Entry]:
    """Steps a party took later that could no longer follow an earlier-dated entry of that party; of one exchange.

    A node that keeps to `append` never sends such an entry: it is history rewritten. Amounts that no longer fit are
    another matter: two settlements may cross on the line.
    """
    listed = list(held)
    stood = {e.id for e in books(listed).taken if e.event.party == entry.event.party}
    after = books([*listed, entry])
    fallen = {f"{kind}:{one.event.id}" for kind, one in after.refused if NOT_AFTER in one.reason}
    return [e for e in listed if e.id in stood & fallen]


def _advice(entry: Entry, before: Books) -> str:
    cycle = CYCLES.get(entry.kind)
    if cycle is None:
        return ""
    found = before.exchanges.get((entry.kind, entry.event.exchange))
    state = found.state if found is not None else None
    can = [cycle.opens] if state is None else [s.name for s in cycle.steps.values() if state in s.after]
    return f"It is {state or 'not opened yet'}; what may follow: {', '.join(can) or 'nothing'}."


def _check_other(book: Book, entry: Entry) -> None:
    event = entry.event
    steps = OTHER_STEPS.get(entry.kind)
    if steps and event.step not in steps:
        raise AccordError(f"a {entry.kind} has no step {event.step!r}", code="ledger.refused")
    if entry.kind in ("duty", "commitment") and not event.facts.get("evidence"):
        raise AccordError(f"{event.step} lacks evidence", code="ledger.refused")
    if entry.kind == "commitment" and event.exchange not in book.content.commitments:
        raise AccordError(f"no commitment {event.exchange!r}", code="ledger.refused")
    if entry.kind == "happening":
        accord_id = str(event.facts.get("accord"))
        known = sorted({str(c.on) for c in book.accord(accord_id).clauses if c.effect is None})
        if event.step not in known:
            told = f"{accord_id} has no duty on {event.step!r}; it has {', '.join(known) or 'none'}"
            raise AccordError(told, code="ledger.refused")


# -- what is read from it


def exchange_listing(kind: str, one: Exchange) -> dict[str, Any]:
    """One exchange as JSON: state, facts, what may follow."""
    cycle = CYCLES[kind]
    return {
        "exchange": one.id,
        "kind": kind,
        "state": one.state,
        "accord": one.facts.get("accord"),
        "from": one.facts.get("from"),
        "to": one.facts.get("to"),
        "what": certain(one.facts.get(SUBJECT_OF[kind])),
        "decision": one.facts.get("decision"),
        "cited": one.facts.get("cited"),
        "last_at": rfc3339(one.last_us),
        "next": sorted(s.name for s in cycle.steps.values() if one.state in s.after),
        "facts": dict(one.facts),
        "events": len(one.events),
    }


def summary(held: Books, *, now_us: int, year: tuple[int, int] | None = None) -> dict[str, Any]:
    """Balances, what converted to cash, inventory, uncertain facts, annual report, and what was refused.

    Parameters
    ----------
    year
        Period of the annual report, UTC microseconds; by default everything.
    """
    orders, items = held.of("support"), held.of("equipment")
    from_us, until_us = year or (-(2**62), 2**62)
    owed = [
        {"creditor": creditor, "debtor": debtor, "currency": currency, "amount": amount}
        for (creditor, debtor, currency), amount in balances(orders).items()
    ]
    return {
        "balances": owed,
        "converted_to_cash": [{**c, "due": rfc3339(c.pop("due_us"))} for c in conversions(orders, now_us=now_us)],
        "inventory": [{"holder": h, "item": i, "quantity": n} for (h, i), n in inventory(items).items()],
        "uncertain": uncertainties(items),
        "report": annual_report(orders, from_us=from_us, until_us=until_us),
        "refused": [{"kind": k, "exchange": r.event.exchange, "step": r.event.step, "by": r.event.by,
                     "reason": r.reason} for k, r in held.refused],
    }  # fmt: skip


def reconcile(ours: Iterable[Entry], theirs: Iterable[Entry]) -> dict[str, Any]:
    """Two ledgers side by side: entries one side lacks, differences of balances and inventories; all empty is well."""
    one, two = list(ours), list(theirs)
    left, right = books(one), books(two)
    gaps = [
        [f"{e.kind} {e.event.exchange} {e.event.step}" for e in _lacking(a, b)] for a, b in ((one, two), (two, one))
    ]
    owed = [balances(b.of("support")) for b in (left, right)]
    held = [inventory(b.of("equipment")) for b in (left, right)]
    return {
        "only_ours": gaps[0],
        "only_theirs": gaps[1],
        "balance_differences": _differences(*owed),
        "inventory_differences": _differences(*held),
    }


def _lacking(have: Iterable[Entry], other: Iterable[Entry]) -> list[Entry]:
    known = {e.id for e in other}
    return sorted((e for e in have if e.id not in known), key=lambda e: (e.event.at_us, e.id))


def _differences(one: Mapping[Any, int], two: Mapping[Any, int]) -> list[dict[str, Any]]:
    keys = sorted(set(one) | set(two))
    return [
        {"of": list(key), "ours": one.get(key, 0), "theirs": two.get(key, 0)}
        for key in keys
        if one.get(key, 0) != two.get(key, 0)
    ]


@functools.cache
def steps_of(kind: str) -> list[dict[str, Any]]:
    """Steps of one kind with the facts each must bring; the judged ones are left out."""
    own = {"decision", *PERSONS.values()}
    return [
        {"step": s.name, "after": list(s.after), "needs": [n for n in s.needs if n not in own]}
        for s in CYCLES[kind].steps.values()
    ]
