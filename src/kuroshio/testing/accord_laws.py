"""The laws of accord.md over random books: each returns (cases tried, cases that break it, one of them).

What enters: a generator. What leaves: counts. Every law compares whole tables, so that a million cases take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.accord import Book, Decisions, derive
from kuroshio.accord.obligation import is_at_least, weight
from kuroshio.schema import Decision, Effect
from kuroshio.testing import accords as world


@dataclass(frozen=True)
class Outcome:
    """Cases tried, cases that break the law, and one that does."""

    cases: int = 0
    broken: int = 0
    example: str = ""

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.cases + other.cases, self.broken + other.broken, self.example or other.example)


@dataclass(frozen=True)
class Case:
    """One random book and a table of things."""

    rng: np.random.Generator
    plain: Mapping[str, Any]
    book: Book
    items: list[dict[str, Any]]
    table: pa.Table
    releaser: str

    @property
    def to(self) -> list[str]:
        """Every other party."""
        return [p for p in world.PARTIES if p != self.releaser]

    def ask(self, book: Book | None = None, table: pa.Table | None = None) -> Decisions:
        """Decisions of a book on a table, by default those of the case."""
        return (book or self.book).evaluate_table(
            self.table if table is None else table, releaser=self.releaser, to=self.to, valid_at_us=world.NOW_US
        )


def make_case(rng: np.random.Generator, rows: int) -> Case:
    """One random book and ``rows`` random things."""
    plain = world.random_plain(rng)
    book = world.book_of(plain)
    items = [world.random_item(rng, list(book.content.accords)) for _ in range(rows)]
    releaser = world.PARTIES[int(rng.integers(len(world.PARTIES)))]
    return Case(rng, plain, book, items, world.table_of(items), releaser)


def _compare(case: Case, before: Decisions, after: Decisions, breaks: Callable[..., bool], what: str) -> Outcome:
    """Pairs of codes met, each judged once and weighed with its rows."""
    pairs = np.stack((before.code.ravel(), after.code.ravel())).astype(np.int64)
    found, first, count = np.unique(pairs, axis=1, return_index=True, return_counts=True)
    broken, example = 0, ""
    for (a, b), at, n in zip(found.T.tolist(), first.tolist(), count.tolist(), strict=True):
        if breaks(case, before, a, after, b):
            broken += n
            row, party = divmod(at, len(case.to))
            example = example or f"{what}: {case.releaser}->{case.to[party]} {case.items[row]}"
    return Outcome(pairs.shape[1], broken, example)


def looser(case: Case, before: Decisions, a: int, after: Decisions, b: int) -> bool:
    """True when the later effect is lesser, or the terms of a thing that may flow are weaker.

    On one basis each term is compared with itself. Where a tie makes another basis the better one, the terms of the two
    bases need not be comparable one by one: then the weight of the declared order must not fall.
    """
    if after.effects[b] != before.effects[a]:
        return bool(after.effects[b] < before.effects[a])
    if before.effects[a] == Effect.DENY or is_at_least(after.terms[b], before.terms[a]):
        return False
    one, two = before.palette[a], after.palette[b]
    return one.basis == two.basis or _rank(case, two) < _rank(case, one)


def _rank(case: Case, decision: Decision) -> tuple[Any, ...]:
    accord = case.book.content.accords.get(decision.basis or "")
    return (accord is not None and accord.binding != "treaty", weight(decision.obligations))


def lesser(case: Case, before: Decisions, a: int, after: Decisions, b: int) -> bool:
    """True when the later effect is lesser."""
    return bool(after.effects[b] < before.effects[a])


def greater(case: Case, before: Decisions, a: int, after: Decisions, b: int) -> bool:
    """True when the later effect is greater."""
    return bool(after.effects[b] > before.effects[a])


def different(case: Case, before: Decisions, a: int, after: Decisions, b: int) -> bool:
    """True when anything but the digest differs."""
    return replace(before.palette[a], rules_digest="") != replace(after.palette[b], rules_digest="")


def tie(case: Case) -> Outcome:
    """Adding a tie never loosens."""
    name = list(case.book.content.accords)[int(case.rng.integers(len(case.book.content.accords)))]
    tied = [i if i["held_under"] is None else {**i, "held_under": sorted({*i["held_under"], name})} for i in case.items]
    return _compare(case, case.ask(), case.ask(table=world.table_of(tied)), looser, f"tie {name}")


def caveat(case: Case) -> Outcome:
    """Adding a national rule never loosens."""
    more = case.book.with_entries("caveats", [world.random_caveat(case.rng, "CAV-NEW")])
    return _compare(case, case.ask(), case.ask(more), looser, "caveat")


def terminate(case: Case) -> Outcome:
    """Ending an accord never loosens."""
    out = Outcome()
    for accord_id in case.book.content.accords:
        ended = case.book.assuming({accord_id: "terminated"})
        out += _compare(case, case.ask(), case.ask(ended), lesser, f"terminate {accord_id}")
    return out


def enter(case: Case) -> Outcome:
    """Entry into force never tightens."""
    out = Outcome()
    for accord_id in case.book.content.accords:
        then = case.book.assuming({accord_id: "in_force"})
        out += _compare(case, case.ask(), case.ask(then), greater, f"enter {accord_id}")
    return out


def lift(case: Case) -> Outcome:
    """A consent changes nothing outside what it names: other recipients, things out of scope, other clauses."""
    consents = world.random_consents(case.rng, case.plain, "CON-NEW")
    if not consents:
        return Outcome()
    consent = consents[0]
    with_it = case.book.with_consent(consent)
    before, after = case.ask(), case.ask(with_it)
    owner, clause = consent["lifts"]
    cases = broken = 0
    example = ""
    for row, item in enumerate(case.items):  # over rows, because the scope is a matter of each thing
        for j, to in enumerate(case.to):
            one, two = before.palette[int(before.code[row, j])], after.palette[int(after.code[row, j])]
            named = to in consent["to"] and any(
                (r.citation.accord, r.citation.clause) == (owner, clause)
                or f"answers {owner} {clause}" in str(r.citation)
                for r in (*one.reasons, *two.reasons)
            )
            basis = owner in case.book.content.accords and to in consent["to"]
            cases += 1
            if not named and not basis and replace(one, rules_digest="") != replace(two, rules_digest=""):
                broken += 1
                example = example or f"lift {consent}: {case.releaser}->{to} {item}"
    return Outcome(cases, broken, example)


def order(case: Case) -> Outcome:
    """The order of files changes nothing, not even the digest."""
    sections = [k for k, v in case.plain.items() if v]
    shuffled = world.book_of(case.plain, order=case.rng.permutation(len(sections)).tolist())
    mixed = dict(case.plain)
    mixed["accords"] = [mixed["accords"][i] for i in case.rng.permutation(len(mixed["accords"])).tolist()]
    found = Outcome()
    for other in (shuffled, world.book_of(mixed)):
        same = Outcome(1, int(other.rules_digest != case.book.rules_digest), "digest")
        found += _compare(case, case.ask(), case.ask(other), different, "order") + same
    return found


def compiled(case: Case) -> Outcome:
    """The compiled evaluator says of every row what the interpreter says."""
    fast = case.ask()
    broken, example = 0, ""
    for row, item in enumerate(case.items):
        for j, to in enumerate(case.to):
            slow = case.book.evaluate(item, releaser=case.releaser, to=to, valid_at_us=world.NOW_US)
            code = int(fast.code[row, j])
            same = (
                fast.palette[code] == slow
                and fast.effect[row, j] == slow.effect
                and fast.terms[code] == slow.obligations
            )
            if not same:
                broken += 1
                example = example or f"compiled: {case.releaser}->{to} {item}"
    return Outcome(len(case.items) * len(case.to), broken, example)


def history(case: Case, steps: int = 8) -> Outcome:
    """No relay, second basis, fusion or re-import strips a tie.

    Things move over random hops as the engine allows (a person is taken to say yes to every `decide`), and are fused.
    A ledger apart from the engine keeps which accords each thing ever came under; what the engine carries must hold it.
    """
    content = case.book.content
    held: dict[str, list[tuple[dict[str, Any], frozenset[str]]]] = {p: [] for p in world.PARTIES}
    for party in world.PARTIES:
        for _ in range(2):
            item = {**world.random_item(case.rng, list(content.accords)), "originator": party, "held_under": []}
            free: dict[str, Any] = {"exercise": False, "releasable_to": None, "caveats": []}
            held[party].append(({**item, **free}, frozenset()))
    cases = broken = 0
    example = ""
    for _ in range(steps):
        from_, to = (str(p) for p in case.rng.choice(world.PARTIES, 2, replace=False))
        if case.rng.random() < 0.3 and len(held[from_]) > 1:
            picked = [held[from_][int(i)] for i in case.rng.choice(len(held[from_]), 2, replace=False)]
            own = {k: picked[0][0][k] for k in ("subject", "purpose", "observed_at", "lat_deg", "lon_deg", "sensors")}
            product = derive([i for i, _ in picked], by=from_, levels=world.LEVELS, **own)
            held[from_].append((product, picked[0][1] | picked[1][1]))
            continue
        item, truth = held[from_][int(case.rng.integers(len(held[from_])))]
        decision = case.book.evaluate(item, releaser=from_, to=to, valid_at_us=world.NOW_US)
        if decision.effect is Effect.DENY or decision.basis is None:
            continue
        accord = content.accords[decision.basis]
        came_under = (
            truth | {accord.id} | {r for r in accord.requires if {from_, to} <= set(content.accords[r].parties)}
        )
        cases += 1
        if not came_under <= set(decision.held_under):
            broken += 1
            example = example or f"history: {from_}->{to} {item} lost {sorted(came_under - set(decision.held_under))}"
        held[to].append(({**item, "held_under": list(decision.held_under)}, came_under))
        if len(held[to]) > 64:
            held[to].pop(int(case.rng.integers(len(held[to]))))
    return Outcome(cases, broken, example)


def lively_case(rng: np.random.Generator) -> Case:
    """A book in which much flows: every accord in force with one wide permit, its ties kept, no caveats.

    For histories: in a random book most hops are denied, and what does not move loses no tie.
    """
    plain = world.random_plain(rng)
    for one in plain["accords"]:
        ties = [{**c, "survives": True} for c in one["clauses"] if c.get("sticky") and c["effect"] != "deny"]
        one["clauses"] = [{"id": "p", "effect": "permit"}, *ties]
        one["status"] = [{"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01"}]
        one.pop("equivalence", None)
    book = world.book_of({**plain, "caveats": [], "consents": [], "activities": []})
    return Case(rng, plain, book, [], world.table_of([]), world.PARTIES[0])


LAWS: dict[str, Callable[[Case], Outcome]] = {
    "tie": tie,
    "caveat": caveat,
    "terminate": terminate,
    "enter": enter,
    "lift": lift,
    "order": order,
    "compiled": compiled,
    "history": history,
}
