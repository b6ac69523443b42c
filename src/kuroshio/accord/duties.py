"""Duties with their clocks, and commitments with their evidence.

What enters: duty clauses, what happened, the present moment. What leaves: for each duty its due date and whether it is
open, met, late or waived, citing its clause; for each commitment what it still lacks. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuroshio.accord.book import Book
from kuroshio.accord.durations import add
from kuroshio.accord.model import Clause
from kuroshio.clock import parse_rfc3339, rfc3339

OPEN, MET, LATE, WAIVED = "open", "met", "late", "waived"
MAX_REPEATS = 1200


@dataclass(frozen=True)
class Happening:
    """Something that starts or meets a duty: its kind is the ``on`` of clauses, ``about`` the exchange or thing.

    ``originator``, ``releaser`` and ``receiver`` resolve the roles of clauses. ``planned`` marks what is announced for
    ``at_us`` and starts only clauses with ``before``; what has happened starts the others. At ``until_us`` what comes
    due again and again ends: the thing is disposed of.
    """

    id: str
    kind: str
    at_us: int
    accord: str
    about: str = ""
    originator: str = ""
    releaser: str = ""
    receiver: str = ""
    planned: bool = False
    until_us: int | None = None


@dataclass(frozen=True)
class Answer:
    """What meets or waives a duty: its id, when, by whom, with which evidence."""

    duty: str
    at_us: int
    by: str
    evidence: str
    waived: bool = False


@dataclass(frozen=True)
class Duty:
    """One duty with its clock; the clause is cited."""

    id: str
    accord: str
    clause: str
    on: str
    about: str
    notify: str
    due_us: int
    state: str
    met_us: int | None = None
    evidence: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.id,
            "cite": f"{self.accord} {self.clause}",
            "on": self.on,
            "about": self.about,
            "notify": self.notify,
            "due": rfc3339(self.due_us),
            "state": self.state,
            "met": rfc3339(self.met_us) if self.met_us is not None else None,
            "evidence": self.evidence,
        }


def duties(book: Book, happened: Iterable[Happening], answers: Sequence[Answer], *, now_us: int) -> list[Duty]:
    """Duties that follow from what happened, by due date.

    Parameters
    ----------
    book
        Agreements; a clause of effect ``duty`` starts where its ``on`` is the kind of a happening under its accord.
    happened, answers
        Facts so far. An answer after the due date leaves the duty late, and says when it was met.
    now_us
        Present moment, UTC microseconds.
    """
    by_duty: dict[str, Answer] = {}
    for answer in sorted(answers, key=lambda a: (a.at_us, a.by, a.evidence)):
        by_duty.setdefault(answer.duty, answer)
    out: dict[str, Duty] = {}
    for one in happened:
        accord = book.content.accords.get(one.accord)
        for clause in accord.clauses if accord is not None else ():
            if starts(clause, one):
                for duty in _of(clause, one, by_duty, now_us):
                    out[duty.id] = duty
    return sorted(out.values(), key=lambda d: (d.due_us, d.id))


def starts(clause: Clause, one: Happening) -> bool:
    """Whether a happening under the clause's accord starts its clock."""
    return clause.effect is None and clause.on == one.kind and (clause.before is not None) == one.planned


def _of(clause: Clause, one: Happening, answers: Mapping[str, Answer], now_us: int) -> Iterable[Duty]:
    end, _, office = (clause.notify or "originator").partition(".")
    party = {"originator": one.originator, "releaser": one.releaser, "receiver": one.receiver}.get(end, end)
    notify = f"{party}.{office}" if office else party
    grace = clause.within or "PT0S"
    starts = [one.at_us]
    if clause.every is not None:
        starts = []
        for n in range(1, MAX_REPEATS):
            start = add(one.at_us, clause.every, n)
            if one.until_us is not None and start > one.until_us:
                break
            starts.append(start)
            if start > now_us:
                break
    for n, start in enumerate(starts):
        name = f"{one.accord}:{clause.id}:{one.id}" + (f":{n + 1}" if clause.every is not None else "")
        due = add(start, clause.before, -1) if clause.before is not None else add(start, grace)
        answer = answers.get(name)
        state = OPEN if due >= now_us else LATE
        if answer is not None and answer.at_us <= now_us:
            state = WAIVED if answer.waived else MET if answer.at_us <= due else LATE
        yield Duty(
            name,
            one.accord,
            clause.id,
            one.kind,
            one.about,
            notify,
            due,
            state,
            answer.at_us if answer is not None else None,
            answer.evidence if answer is not None else None,
        )


def commitments(
    book: Book, *, now_us: int, evidence: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, Any]]:
    """Promises of meetings with owner, due date, evidence, and what they lack.

    Parameters
    ----------
    book
        Agreements with ``commitments``.
    now_us
        Present moment, UTC microseconds.
    evidence
        Further evidence by commitment id, such as exchange ids.
    """
    out = []
    for one in book.content.commitments.values():
        proofs = [*one.evidence, *(evidence or {}).get(one.id, ())]
        due_us = parse_rfc3339(one.due) if one.due is not None else None
        overdue = due_us is not None and due_us < now_us and not proofs
        state = "evidenced" if proofs else "overdue" if overdue else "open"
        out.append(
            {
                "id": one.id,
                "text": one.text,
                "source": one.source,
                "made": one.made,
                "owners": dict(one.owners),
                "due": one.due,
                "evidence": proofs,
                "state": state,
            }
        )
    return out
