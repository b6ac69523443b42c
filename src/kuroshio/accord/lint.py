"""Advice on agreement files that load: what is odd, open or will surprise, each with its place.

What enters: a `Book`. What leaves: `Fault` rows of severity ``warning`` or ``info``. Nothing here stops a load; what
would make a decision wrong is refused by `build` and `checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kuroshio.accord.book import Book
from kuroshio.accord.faults import Fault
from kuroshio.accord.levels import protect
from kuroshio.accord.lint_clauses import clause_findings
from kuroshio.accord.model import Accord, Consent
from kuroshio.accord.source import Path
from kuroshio.accord.status import standing

Finding = tuple[str, str, Path, str, str, str]  # section, id, path, code, severity, message


def lint(book: Book, *, now_us: int) -> list[Fault]:
    """Findings in order of place.

    Parameters
    ----------
    book
        Agreements.
    now_us
        Moment that expiry and status are judged at, UTC microseconds.
    """
    found: set[Fault] = set()
    for rule in RULES:
        for section, key, path, code, severity, message in rule(book, now_us):
            document, base = book.places[section][key]
            place = document.place((*base, *path))
            found.add(Fault(document.file, place.line, place.column, f"lint.{code}", message, severity))
    return sorted(found)


def _clauses(book: Book, now_us: int) -> Iterator[Finding]:
    for accord in book.content.accords.values():
        for path, code, severity, message in clause_findings(accord, book.content):
            yield "accords", accord.id, path, code, severity, message


def _cycles(book: Book, now_us: int) -> Iterator[Finding]:
    for accord in book.content.accords.values():
        seen: set[str] = set()
        waiting = list(accord.requires)
        while waiting:
            one = waiting.pop()
            if one == accord.id:
                message = (
                    f"{accord.id} requires itself through {', '.join(sorted(seen)) or one}: it can never be in force"
                )
                yield "accords", accord.id, ("requires",), "cycle", "warning", message
                break
            if one not in seen and one in book.content.accords:
                seen.add(one)
                waiting.extend(book.content.accords[one].requires)


def _requires_cover(book: Book, now_us: int) -> Iterator[Finding]:
    for accord in book.content.accords.values():
        for i, other in enumerate(book.entries["accords"][accord.id].get("requires", ())):
            if len(set(book.content.accords[other].parties) & set(accord.parties)) < 2:
                message = f"{other} covers no two parties of {accord.id}"
                yield "accords", accord.id, ("requires", i), "requires", "warning", message


def _status(book: Book, now_us: int) -> Iterator[Finding]:
    for accord in book.content.accords.values():
        history = list(accord.status)
        states = [s.state for s in sorted(history, key=lambda s: s.from_us)]
        if (
            "in_force" in states
            and not {"signed", "approved"} & set(states)
            and not any(i.signed for i in accord.instruments)
        ):
            message = "in force, but no entry and no instrument says when it was signed"
            yield "accords", accord.id, ("status",), "status_gap", "warning", message
        if states != [s.state for s in history]:
            message = "entries are not in order of their legal date"
            yield "accords", accord.id, ("status",), "status_order", "warning", message
        for i, entry in enumerate(history):
            if entry.state == "notice" and entry.effect_at_us is None:
                message = "a notice without the date it takes effect never ends the accord"
                yield "accords", accord.id, ("status", i), "status_gap", "warning", message
            if entry.source is None:
                yield "accords", accord.id, ("status", i), "no_source", "warning", f"{entry.state}: no source is named"
            if entry.recorded_us > now_us:
                message = "was recorded after the present moment"
                yield "accords", accord.id, ("status", i, "recorded"), "future", "warning", message
        for conflict in standing(accord, now_us, now_us).conflicts:
            yield "accords", accord.id, ("status",), "conflict", "info", f"sources disagree: {conflict.text}"


def _equivalence(book: Book, now_us: int) -> Iterator[Finding]:
    order = book.content.levels
    for accord in book.content.accords.values():
        if "information" not in accord.kinds:
            continue
        top = _ceiling(accord, order)
        if not accord.equivalence:
            if top > 1:
                message = f"levels up to {order[top]} may flow, and no equivalence says how the receiver protects them"
                yield "accords", accord.id, ("clauses",), "equivalence_gap", "info", message
            continue
        for from_ in accord.parties:
            for to in accord.parties:
                for level in order[1 : top + 1]:
                    gap = protect(accord, level, from_, to, order).gap if from_ != to else None
                    if gap is not None:
                        message = f"{from_} -> {to} at {level}: {gap}"
                        yield "accords", accord.id, ("equivalence",), "equivalence_gap", "warning", message


def _ceiling(accord: Accord, order: tuple[str, ...]) -> int:
    """Index of the highest level any clause permits."""
    top = 0
    for clause in accord.clauses:
        if clause.word != "permit":
            continue
        bounds = [
            order.index(t.value) - (t.op == "lt") for t in clause.when if t.field == "level" and t.op in ("lt", "lte")
        ]
        bounds += [order.index(t.value) for t in clause.when if t.field == "level" and t.op == "eq"]
        top = max(top, min(bounds, default=len(order) - 1))
    return top


def _consents(book: Book, now_us: int) -> Iterator[Finding]:
    listed = list(book.content.consents.values())
    for i, consent in enumerate(listed):
        if consent.valid.until_us <= now_us:
            yield "consents", consent.id, ("valid",), "expired", "info", "has expired"
        if consent.recorded_us is None:
            yield (
                "consents",
                consent.id,
                (),
                "no_record",
                "info",
                "does not say when it was recorded: as-of cannot place it",
            )
        for other in listed[:i]:
            if _overlap(consent, other):
                message = f"overlaps {other.id}: same clause, giver, recipient and time"
                yield "consents", consent.id, (), "overlap", "warning", message


def _overlap(one: Consent, two: Consent) -> bool:
    same = (one.accord, one.clause, one.from_) == (two.accord, two.clause, two.from_)
    time = one.valid.from_us < two.valid.until_us and two.valid.from_us < one.valid.until_us
    return same and time and bool(set(one.to) & set(two.to))


def _caveats(book: Book, now_us: int) -> Iterator[Finding]:
    declared = {m for p in book.content.parties.values() for m in p.markings}
    for caveat in book.content.caveats.values():
        for test in caveat.when:
            if (
                test.field == "caveats"
                and declared
                and not set(test.value if isinstance(test.value, tuple) else (test.value,)) <= declared
            ):
                message = f"{test}: no party declares the marking"
                yield "caveats", caveat.id, ("when", "caveats"), "marking", "warning", message
    used = {
        v
        for c in book.content.caveats.values()
        for t in c.when
        if t.field == "caveats"
        for v in (t.value if isinstance(t.value, tuple) else (t.value,))
    }
    for party in book.content.parties.values():
        for marking in sorted(set(party.markings) - used):
            message = f"marking {marking} has no caveat: it would restrict nothing"
            yield "parties", party.code, ("markings",), "marking", "warning", message


def _activities(book: Book, now_us: int) -> Iterator[Finding]:
    for activity in book.content.activities.values():
        parties = book.content.accords[activity.accord].parties
        for i, code in enumerate(activity.participants):
            if code not in parties:
                message = f"{code} is not a party of {activity.accord}: the scope never reaches it"
                yield "activities", activity.id, ("participants", i), "activity", "warning", message
        if activity.kind == "exercise" and not activity.scope:
            message = "an exercise without a scope: exercise data cannot flow in it"
            yield "activities", activity.id, (), "activity", "info", message


def _orders(book: Book, now_us: int) -> Iterator[Finding]:
    for order in book.content.orders.values():
        for to in order.to:
            if not any({order.party, to} <= set(a.parties) for a in book.content.accords.values()):
                message = f"orders release to {to}, with which {order.party} has no accord"
                yield "release_orders", order.id, ("to",), "order", "warning", message
        if order.valid.until_us <= now_us:
            yield "release_orders", order.id, ("valid",), "expired", "warning", "has expired: nothing is sent by itself"


def _parties(book: Book, now_us: int) -> Iterator[Finding]:
    offices = {p.code: {name for name, _ in p.offices} for p in book.content.parties.values()}
    if not offices:
        return
    for accord in book.content.accords.values():
        for i, clause in enumerate(accord.clauses):
            if clause.by is None:
                continue
            end, office = clause.by.split(".", 1)
            ends = accord.parties if end in ("originator", "releaser", "receiver") else (end,)
            without = sorted(e for e in ends if office not in offices.get(e, set()))
            if without:
                message = f"{clause.by}: {', '.join(without)} declares no office {office!r}"
                yield "accords", accord.id, ("clauses", i, "by"), "office", "warning", message


def _commitments(book: Book, now_us: int) -> Iterator[Finding]:
    for commitment in book.content.commitments.values():
        if commitment.due is None:
            yield "commitments", commitment.id, (), "no_due", "info", "has no due date"


RULES: tuple[Callable[[Book, int], Iterator[Finding]], ...] = (
    _clauses,
    _cycles,
    _requires_cover,
    _status,
    _equivalence,
    _consents,
    _caveats,
    _activities,
    _orders,
    _parties,
    _commitments,
)
