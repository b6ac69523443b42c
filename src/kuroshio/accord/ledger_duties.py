"""Duties and commitments that follow from a ledger: what is due, to whom, by when, under which clause.

What enters: a book and the entries that were taken. What leaves: duties with their clocks, those the ledger itself
shows to be met (a settlement, a monitoring report, an answer given) and those a person answered; commitments with
their evidence, which may be exchanges. A waiver counts only where the clause says who may waive, and that party did.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kuroshio.accord.book import Book
from kuroshio.accord.durations import add
from kuroshio.accord.duties import Answer, Duty, Happening, commitments, duties, starts
from kuroshio.accord.ledger import CYCLES, DECIDING, Books, Entry
from kuroshio.accord.model import Clause
from kuroshio.clock import parse_rfc3339, rfc3339

# step of an exchange -> the word that duty clauses write in ``on``
HAPPENS = {
    "receipt": ("receipt",),
    "in_service": ("in_service",),
    "delivery": ("delivery",),
    "deliver": ("delivery",),
    "enter": ("entry",),
    "depart": ("departure",),
    "incident": ("incident",),
    "claim": ("claim",),
    "order": ("order",),
}
# notices: step -> the word of duty clauses with ``before``, the fact that holds the time announced
NOTICES = {"notify_entry": ("entry", "entry_at"), "notify_departure": ("departure", "departure_at")}
MANY = ("incident", "claim")  # steps an exchange may take more than once, each with its own clock
ANSWERING = frozenset(
    {*DECIDING, ("support", "refuse"), ("access", "refuse"), ("support", "cancel"), ("access", "cancel")}
    | {("equipment", "withdraw")}
)


def happenings(held: Books) -> Iterator[Happening]:
    """What the entries taken start by way of duties."""
    for entry in held.taken:
        event = entry.event
        if entry.kind == "happening":
            originator, releaser, receiver = (
                str(event.facts.get(n) or event.party) for n in ("originator", "releaser", "receiver")
            )
            yield Happening(
                event.id[:16], event.step, event.at_us, str(event.facts["accord"]), event.exchange,
                originator=originator, releaser=releaser, receiver=receiver,
            )  # fmt: skip
            continue
        one = held.exchanges.get((entry.kind, event.exchange))
        if one is None:
            continue
        giver, taker = str(one.facts["from"]), str(one.facts["to"])
        if event.step in NOTICES or (event.step == "depart" and "departure_at" not in one.facts):
            word, fact = NOTICES.get(event.step, ("departure", ""))
            at_us = parse_rfc3339(event.facts[fact]) if fact else event.at_us  # it left, and no notice was given
            yield Happening(
                event.exchange, word, at_us, str(one.facts["accord"]),
                event.exchange, originator=giver, releaser=giver, receiver=taker, planned=True,
            )  # fmt: skip
        for word in HAPPENS.get(event.step, ()):
            name = f"{event.exchange}.{event.id[:8]}" if event.step in MANY else event.exchange
            yield Happening(
                name, word, event.at_us, str(one.facts["accord"]), event.exchange,
                originator=giver, releaser=giver, receiver=taker,
                until_us=one.last_us if one.state == "disposal" else None,
            )  # fmt: skip


def due(book: Book, held: Books, *, now_us: int) -> list[dict[str, Any]]:
    """Every duty, by due date, as JSON with the clause's own words.

    Parameters
    ----------
    now_us
        Present moment, UTC microseconds.
    """
    happened = list(happenings(held))
    given = [*_answers(book, held, happened), *_shown(book, held, happened, now_us)]
    found = [*duties(book, happened, given, now_us=now_us), *_to_answer(book, held, now_us)]
    rows = []
    for one in sorted(found, key=lambda d: (d.due_us, d.id)):
        clause = book.accord(one.accord).clause(one.clause)
        told = {"text": clause.text, "waivable_by": clause.waivable_by} if clause is not None else {}
        rows.append({**one.as_dict(), "accord": one.accord, "clause": one.clause, **told})
    return rows


def promised(book: Book, held: Books, *, now_us: int) -> list[dict[str, Any]]:
    """Commitments with the evidence of book and ledger; an exchange named as evidence is shown with its state."""
    proofs: dict[str, list[str]] = {}
    for entry in held.taken:
        if entry.kind == "commitment":
            proofs.setdefault(entry.event.exchange, []).append(str(entry.event.facts["evidence"]))
    rows = commitments(book, now_us=now_us, evidence=proofs)
    states = {name: one.state for (_, name), one in held.exchanges.items()}
    return [{**row, "exchanges": {p: states[p] for p in row["evidence"] if p in states}} for row in rows]


def _answers(book: Book, held: Books, happened: Iterable[Happening]) -> Iterator[Answer]:
    """What persons said of duties; a waiver by another than the clause names is no answer."""
    may_waive = dict(_waivers(book, happened))
    for entry in held.taken:
        event = entry.event
        if entry.kind != "duty":
            continue
        waived = event.step == "waived"
        if waived and may_waive.get(event.exchange, may_waive.get(event.exchange.rpartition(":")[0])) != event.party:
            continue
        yield Answer(event.exchange, event.at_us, event.by, str(event.facts["evidence"]), waived=waived)


def _waivers(book: Book, happened: Iterable[Happening]) -> Iterator[tuple[str, str]]:
    """(id of a duty, without the number of a repeated one, the party that may waive it), where the clause names one.

    ``receiver`` of a clause is the receiver of this exchange, not any party of the accord: who owes a duty to another
    does not waive it.
    """
    for one in happened:
        accord = book.content.accords.get(one.accord)
        for clause in accord.clauses if accord is not None else ():
            if starts(clause, one) and clause.waivable_by is not None:
                end = clause.waivable_by.partition(".")[0]
                ends = {"originator": one.originator, "releaser": one.releaser, "receiver": one.receiver}
                yield f"{one.accord}:{clause.id}:{one.id}", ends.get(end, end)


def _shown(book: Book, held: Books, happened: Iterable[Happening], now_us: int) -> Iterator[Answer]:
    """Duties that the ledger itself shows to be met: settled in full, the report of each year."""
    steps: dict[tuple[str, str], list[Entry]] = {}
    for entry in held.taken:
        steps.setdefault((entry.event.exchange, entry.event.step), []).append(entry)
    for one in happened:
        accord = book.content.accords.get(one.accord)
        for clause in accord.clauses if accord is not None else ():
            if starts(clause, one):
                yield from _met_by_ledger(clause, one, held, steps, now_us)


def _met_by_ledger(
    clause: Clause, one: Happening, held: Books, steps: Mapping[tuple[str, str], list[Entry]], now_us: int
) -> Iterator[Answer]:
    name = f"{one.accord}:{clause.id}:{one.id}"
    if one.kind == "receipt":
        order = held.exchanges.get(("support", one.about))
        settled = steps.get((one.about, "settle"), [])
        if order is not None and settled and order.facts["value"] == order.facts["settled"]:
            last = settled[-1].event
            yield Answer(name, last.at_us, last.by, str(last.facts["evidence"]))
    elif one.kind == "in_service" and clause.every is not None:
        for n, report in enumerate(steps.get((one.about, "monitoring_report"), []), start=1):
            yield Answer(f"{name}:{n}", report.event.at_us, report.event.by, str(report.event.facts["evidence"]))
    elif one.planned:
        for notice in steps.get((one.about, f"notify_{one.kind}"), [])[:1]:
            said = f"notice for {notice.event.facts[NOTICES[notice.event.step][1]]}"
            yield Answer(name, notice.event.at_us, notice.event.by, said)


def _to_answer(book: Book, held: Books, now_us: int) -> Iterator[Duty]:
    """The time a named role has to answer what was proposed: silence is not consent, it is late."""
    for entry in held.taken:
        event, cycle = entry.event, CYCLES.get(entry.kind)
        if cycle is None or event.step != cycle.opens or event.facts.get("decision") != "decide":
            continue
        accord_id, _, clause_id = str(event.facts.get("cited", "")).partition(" ")
        accord = book.content.accords.get(accord_id)
        clause = accord.clause(clause_id) if accord is not None else None
        if clause is None or clause.answer_within is None:
            continue
        until = add(event.at_us, clause.answer_within)
        answer = next(
            (e.event for e in held.taken if e.event.exchange == event.exchange and (e.kind, e.event.step) in ANSWERING),
            None,
        )
        state = "late" if (answer.at_us if answer is not None else now_us) > until else "met" if answer else "open"
        yield Duty(
            f"{accord_id}:{clause_id}:{event.exchange}:answer", accord_id, clause_id, "asked", event.exchange,
            str(event.facts.get("role") or clause.by), until, state,
            answer.at_us if answer is not None else None,
            f"{answer.step} by {answer.by} at {rfc3339(answer.at_us)}" if answer is not None else None,
        )  # fmt: skip
