"""Advice on the clauses of one accord: what never speaks, what nobody can answer, what has no clock.

What enters: an `Accord` and the content it stands in. What leaves: (path, code, severity, message).
"""

from __future__ import annotations

from collections.abc import Iterator

from kuroshio.accord.model import LABEL_FIELDS, Accord, Clause, Content, Test, When
from kuroshio.accord.source import Path

Found = tuple[Path, str, str, str]
GOODS = ("support", "equipment")


def clause_findings(accord: Accord, content: Content) -> Iterator[Found]:
    """Findings on the clauses, the coverage and the interpretation of one accord."""
    permits = [c for c in accord.clauses if c.word == "permit"]
    if not permits:
        yield ("clauses",), "no_permit", "warning", f"no clause of {accord.id} permits anything: it is never a basis"
    for i, clause in enumerate(accord.clauses):
        path: Path = ("clauses", i)
        why = contradiction(clause.when, content.levels)
        if why is not None:
            yield (*path, "when"), "unreachable", "warning", f"{clause.id} can never speak: {why}"
        yield from _one(accord, clause, path)
    yield from _shadowed(accord)
    if set(accord.kinds) & set(GOODS) and not any(c.absolute for c in accord.clauses):
        message = "no absolute clause excludes weapon systems"
        yield ("clauses",), "weapons", "warning", message
    yield from _coverage(accord)
    if "illustrative" not in accord.interpretation[2] and not any(i.digest for i in accord.instruments):
        message = "no instrument carries the digest of the text that was read"
        yield ("interpretation",), "no_text", "info", message


def _one(accord: Accord, clause: Clause, path: Path) -> Iterator[Found]:
    if clause.word == "duty":
        if clause.before is None and clause.within is None and clause.every is None:
            yield path, "duty_clock", "warning", f"duty {clause.id} has no clock: no before, within or every"
        if clause.notify is None:
            yield path, "duty_notify", "info", f"duty {clause.id} names nobody to tell"
        return
    if clause.sticky and clause.by is None:
        message = f"tie {clause.id} names no role: nobody can be asked to lift it"
        yield path, "tie_role", "warning", message
    if clause.sticky and not clause.survives:
        message = f"tie {clause.id} does not say that it survives: after termination a treaty officer must decide"
        yield path, "tie_survival", "warning", message
    if clause.word == "decide" and clause.answer_within is None:
        yield path, "no_clock", "info", f"{clause.id} asks a role, with no time to answer"
    if clause.by is not None and clause.word in ("permit", "oblige") and not clause.sticky:
        yield (*path, "by"), "idle_role", "info", f"{clause.id} names a role that is never asked"
    if clause.do is not None and clause.do.redact and not clause.do.grid_deg and "sensor" in clause.do.redact:
        message = f"{clause.id} hides the sensor and leaves exact positions and times, which may tell it"
        yield (*path, "do"), "precision", "info", message


def _shadowed(accord: Accord) -> Iterator[Found]:
    """Permits that another, wider permit makes idle; restrictions said twice."""
    for i, clause in enumerate(accord.clauses):
        for k, other in enumerate(accord.clauses):
            if i == k or clause.effect is None or clause.effect != other.effect or clause.sticky != other.sticky:
                continue
            wider = set(other.when) < set(clause.when) or (set(other.when) == set(clause.when) and k < i)
            same = (clause.do, clause.by) == (other.do, other.by)
            if wider and same:
                message = f"{clause.id} adds nothing to {other.id}"
                yield ("clauses", i), "idle_clause", "warning", message


def contradiction(when: When, levels: tuple[str, ...]) -> str | None:
    """Why a conjunction can never hold, or None where it may."""
    by_field: dict[str, list[Test]] = {}
    for test in when:
        by_field.setdefault(test.field, []).append(test)
    for name, tests in by_field.items():
        if name == "level":
            left = [v for v in levels if all(_passes(t, v, levels) for t in tests)]
            if not left:
                return " and ".join(map(str, tests))
        elif name in LABEL_FIELDS:
            named = [set(t.value if isinstance(t.value, tuple) else (t.value,)) for t in tests if t.op != "not_in"]
            barred = {v for t in tests if t.op == "not_in" for v in t.value}
            if named and not set.intersection(*named) - barred:
                return " and ".join(map(str, tests))
        elif name in ("age_s", "lat_deg", "lon_deg", "observed_at") and not _some_number(tests):
            return " and ".join(map(str, tests))
    return None


def _passes(test: Test, level: str, levels: tuple[str, ...]) -> bool:
    if test.op in ("eq", "in"):
        return level in (test.value if isinstance(test.value, tuple) else (test.value,))
    if test.op == "not_in":
        return level not in test.value
    a, b = levels.index(level), levels.index(test.value)
    return {"lt": a < b, "lte": a <= b, "gt": a > b, "gte": a >= b}[test.op]


def _some_number(tests: list[Test]) -> bool:
    low = max((t.value for t in tests if t.op in ("gt", "gte")), default=None)
    high = min((t.value for t in tests if t.op in ("lt", "lte")), default=None)
    if low is None or high is None:
        return True
    closed = all(t.op in ("gte", "lte") for t in tests if t.value in (low, high))
    return bool(low < high or (low == high and closed))


def _coverage(accord: Accord) -> Iterator[Found]:
    covered = {c.article for c in accord.coverage}
    for instrument in accord.instruments:
        for article in instrument.articles:
            if article not in covered:
                message = f"{article} of {instrument.name} is in no line of the coverage"
                yield ("coverage",), "coverage", "warning", message
    for i, entry in enumerate(accord.coverage):
        if entry.treatment == "coded" and not entry.clauses:
            yield ("coverage", i), "coverage", "warning", f"{entry.article} is said to be coded by no clause"
    if not accord.coverage:
        yield (), "coverage", "info", "no coverage: it is not said which articles are coded and which are not"
