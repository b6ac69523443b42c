"""Why a thing flows or not, for two readers, and what would change it.

What enters: a book and one thing. What leaves: the releaser's view with the whole trace, and the recipient's view,
which for anything not already sent is the same whatever the thing is and whether it exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kuroshio.accord.attributes import REQUIRED, normalise
from kuroshio.accord.book import Book
from kuroshio.accord.condition import Truth, all_hold
from kuroshio.accord.model import DOUBTFUL, IN_FORCE
from kuroshio.accord.traces import decision_dict
from kuroshio.clock import rfc3339
from kuroshio.schema import Decision, Effect


def why(
    book: Book,
    item: Mapping[str, Any],
    *,
    releaser: str,
    to: str,
    valid_at_us: int,
    known_at_us: int | None = None,
) -> dict[str, Any]:
    """Trace of one decision in two views.

    Parameters
    ----------
    book
        Agreements.
    item, releaser, to, valid_at_us, known_at_us
        As for `Book.evaluate`.

    Returns
    -------
    dict
        ``releaser``: decision, every step, ``would_change``. ``recipient``: what that party may be told.
    """
    times: dict[str, Any] = {"valid_at_us": valid_at_us, "known_at_us": known_at_us}
    decision = book.evaluate(item, releaser=releaser, to=to, valid_at_us=valid_at_us, known_at_us=known_at_us)
    order = book.ordered(item, releaser=releaser, to=to, valid_at_us=valid_at_us, known_at_us=known_at_us)
    changes = list(would_change(book, item, decision, releaser=releaser, to=to, **times))
    return {
        "releaser": {
            **decision_dict(decision),
            "from": releaser,
            "to": to,
            "release_order": order.id if order is not None else None,
            "would_change": changes,
            "excluded_by": excluded_by(book, item, releaser=releaser, to=to, **times),
        },
        "recipient": recipient_view(book, item, decision, releaser=releaser, to=to, **times),
    }


def excluded_by(
    book: Book,
    item: Mapping[str, Any],
    *,
    releaser: str,
    to: str,
    valid_at_us: int,
    known_at_us: int | None = None,
) -> list[str]:
    """Clauses between the two parties that exclude the thing by name, also where no clause would permit it anyway."""
    hop = book.hop(releaser, to, valid_at_us, known_at_us)
    attributes = {**normalise(book.content, item, valid_at_us=valid_at_us), "from": releaser, "to": to}
    return [
        f"{accord.id} {clause.id}"
        for accord in book.content.accords.values()
        if {releaser, to} <= set(accord.parties) and attributes.get("kind") in (None, *accord.kinds)
        for clause in accord.clauses
        if clause.effect is Effect.DENY and all_hold(clause.when, attributes, hop.rank)[0] is Truth.TRUE
    ]


def recipient_view(
    book: Book,
    item: Mapping[str, Any],
    decision: Decision,
    *,
    releaser: str,
    to: str,
    valid_at_us: int,
    known_at_us: int | None = None,
) -> dict[str, Any]:
    """What the recipient may be told: of a thing that was sent its basis and terms, of all else only the accords.

    The answer about a thing withheld is a function of the two parties and the date alone.
    """
    hop = book.hop(releaser, to, valid_at_us, known_at_us)
    general = {
        "from": releaser,
        "to": to,
        "in_force": [b.accord.id for b in hop.bases if not b.doubtful],
        "released": False,
        "text": "Nothing is said of what was not sent. These are the agreements in force between the two parties.",
    }
    observed = normalise(book.content, item, valid_at_us=valid_at_us)
    old_enough = decision.obligations.delay_s == 0 or (observed["age_s"] or 0.0) >= decision.obligations.delay_s
    order = book.ordered(item, releaser=releaser, to=to, valid_at_us=valid_at_us, known_at_us=known_at_us)
    if not decision.flows or not old_enough or order is None or decision.obligations.via is not None:
        return general
    return {
        **general,
        "released": True,
        "basis": decision.basis,
        "cites": [str(c) for c in decision.cites if c.kind == "basis"],
        "obligations": decision.obligations.as_dict(),
        "text": "Released under the clause cited, with these terms.",
    }


def would_change(
    book: Book,
    item: Mapping[str, Any],
    decision: Decision,
    *,
    releaser: str,
    to: str,
    valid_at_us: int,
    known_at_us: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Single changes that would loosen the decision: an accord in force, an answer of a role, a missing attribute."""
    if decision.effect is Effect.PERMIT or releaser == to:
        return
    times: dict[str, Any] = {"valid_at_us": valid_at_us, "known_at_us": known_at_us}
    hop = book.hop(releaser, to, valid_at_us, known_at_us)
    idle = [a for a, _ in hop.not_in_force] + [b.accord.id for b in hop.bases if b.state in DOUBTFUL]
    for accord_id in idle:
        needed = _with_required(book, accord_id)
        other = book.assuming(dict.fromkeys(needed, IN_FORCE[0]))
        then = other.evaluate(item, releaser=releaser, to=to, **times)
        if then.effect < decision.effect:
            yield {"if": f"{' and '.join(sorted(needed))} in force", **decision_dict(then, trace=False)}
    for reason in decision.reasons:
        if reason.effect is Effect.DECIDE and reason.role and reason.citation.kind in ("tie", "caveat", "basis"):
            yield {"if": f"{reason.role} consents to {reason.citation}", "role": reason.role}
    for name in REQUIRED:
        if item.get(name) is None:
            yield {"if": f"{name} were known"}
    limit = item.get("releasable_to")
    if limit is not None and to not in limit:
        yield {"if": f"the originator added {to} to releasable_to"}


def _with_required(book: Book, accord_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [accord_id]
    while waiting:
        one = waiting.pop()
        if one not in found and one in book.content.accords:
            found.add(one)
            waiting.extend(book.content.accords[one].requires)
    return found


def as_of(book: Book, *, valid_at_us: int, known_at_us: int | None = None) -> dict[str, Any]:
    """Status of every agreement at a legal time as known at another, with what disagrees.

    Parameters
    ----------
    valid_at_us, known_at_us
        UTC microseconds; the known time is by default the legal one.
    """
    rows = []
    for accord_id, accord in book.content.accords.items():
        found = book.status(accord_id, valid_at_us, known_at_us)
        rows.append(
            {
                "accord": accord_id,
                "title": accord.title,
                "parties": list(accord.parties),
                "state": found.state,
                "since": rfc3339(found.entry.from_us) if found.entry else None,
                "source": found.entry.source if found.entry else None,
                "note": found.entry.note if found.entry else None,
                "conflicts": [c.text for c in found.conflicts],
            }
        )
    known = valid_at_us if known_at_us is None else known_at_us
    return {"valid_at": rfc3339(valid_at_us), "known_at": rfc3339(known), "accords": rows}
