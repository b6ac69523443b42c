"""Lawful paths from one party to another, and who must sign on the way.

What enters: a book and one thing. What leaves: paths of up to a few hops, each hop with its clause, terms and roles. A
hop takes along every tie the hops before it gave; a hop that must go through another party is not a path by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kuroshio.accord import obligation
from kuroshio.accord.book import Book
from kuroshio.schema import Decision, Effect

MAX_HOPS = 4


@dataclass(frozen=True)
class Route:
    """One path: its parties in order, and the decision of each hop."""

    path: tuple[str, ...]
    decisions: tuple[Decision, ...]

    @property
    def effect(self) -> Effect:
        """Worst effect of the hops."""
        return max(d.effect for d in self.decisions)

    @property
    def signatures(self) -> tuple[str, ...]:
        """Roles that must consent, in the order of the hops."""
        return tuple(dict.fromkeys(r for d in self.decisions if d.role for r in d.role.split(", ")))

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        terms, _ = obligation.join([d.obligations for d in self.decisions])
        return {
            "path": list(self.path),
            "effect": self.effect.word,
            "signatures": list(self.signatures),
            "obligations": terms.as_dict(),
            "hops": [
                {"from": a, "to": b, "effect": d.effect.word, "cited": d.cited, "basis": d.basis, "role": d.role}
                for a, b, d in zip(self.path, self.path[1:], self.decisions, strict=False)
            ],
        }


def routes(
    book: Book,
    item: Mapping[str, Any],
    *,
    releaser: str,
    to: str,
    valid_at_us: int,
    known_at_us: int | None = None,
    max_hops: int = 2,
) -> list[Route]:
    """Lawful paths, the freest first, then the shortest, then by name.

    Parameters
    ----------
    book, item, releaser, to, valid_at_us, known_at_us
        As for `Book.evaluate`.
    max_hops
        Longest path, 1 to 4.
    """
    times = {"valid_at_us": valid_at_us, "known_at_us": known_at_us}
    limit = min(max(1, max_hops), MAX_HOPS)
    found = [Route(path, decisions) for path, decisions in _walk(book, dict(item), (releaser,), to, limit, times)]
    return sorted(found, key=lambda r: (r.effect, len(r.path), len(r.signatures), r.path))


def _walk(
    book: Book, item: dict[str, Any], path: tuple[str, ...], to: str, left: int, times: dict[str, Any]
) -> Iterator[tuple[tuple[str, ...], tuple[Decision, ...]]]:
    here = path[-1]
    near = {p for a in book.content.accords.values() if here in a.parties for p in a.parties} - set(path)
    for party in sorted(near):
        if party != to and left == 1:
            continue
        decision = book.evaluate(item, releaser=here, to=party, **times)
        if decision.effect is Effect.DENY or decision.obligations.via is not None:
            continue
        if party == to:
            yield (*path, party), (decision,)
            continue
        onward = {**item, "held_under": list(decision.held_under)}
        if not decision.obligations.onward:
            continue
        for longer, decisions in _walk(book, onward, (*path, party), to, left - 1, times):
            yield longer, (decision, *decisions)
