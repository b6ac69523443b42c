"""Refusals that need a whole accord in view: rules whose breach would make a decision wrong, not merely odd.

What enters: an `Accord` as built, or a consent's plain data. What leaves: (path below the entry, code, message).
Advice that does not stop a load is `lint`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kuroshio.accord.model import Accord, Clause
from kuroshio.accord.source import Path
from kuroshio.schema import Effect

Finding = tuple[Path, str, str]


def accord_faults(accord: Accord, levels: tuple[str, ...]) -> Iterator[Finding]:
    """Faults of meaning inside one accord."""
    for i, clause in enumerate(accord.clauses):
        yield from _clause_faults(accord, clause, ("clauses", i))
    for i, entry in enumerate(accord.equivalence):
        path: Path = ("equivalence", i)
        if entry.level not in levels:
            yield (*path, "level"), "accord.level", f"level {entry.level!r} is not declared"
        for end, code in (("from", entry.from_), ("to", entry.to)):
            if code not in accord.parties:
                yield (*path, end), "accord.reference", f"{code} is not a party of {accord.id}"
        if entry.pick is not None and entry.pick not in entry.choices:
            yield (*path, "pick"), "accord.equivalence", f"{entry.pick!r} is not among the choices"
        if entry.pick is not None and entry.by is None:
            yield path, "accord.equivalence", "a pick needs the role that made it: by"
    for i, entry_c in enumerate(accord.coverage):
        for clause_id in entry_c.clauses:
            if accord.clause(clause_id) is None:
                yield ("coverage", i, "clauses"), "accord.reference", f"no clause {clause_id!r} in {accord.id}"
    for i, status in enumerate(accord.status):
        if status.effect_at_us is not None and status.effect_at_us < status.from_us:
            yield ("status", i, "effect_at"), "accord.status", "takes effect before the notice was given"


def _allowed(clause: Clause, field: str, parties: tuple[str, ...]) -> set[str]:
    """Parties that pass every test of one field."""
    left = set(parties)
    for test in clause.when:
        if test.field != field:
            continue
        named = set(test.value) if isinstance(test.value, tuple) else {test.value}
        left = left - named if test.op == "not_in" else left & named
    return left


def _clause_faults(accord: Accord, clause: Clause, path: Path) -> Iterator[Finding]:
    if clause.effect is None or clause.sticky:
        return
    senders = _allowed(clause, "from", accord.parties)
    if not senders or not _allowed(clause, "to", accord.parties):
        yield (
            (*path, "when"),
            "accord.unreachable",
            f"clause can never speak: no two parties of {accord.id} pass its tests",
        )
        return
    if clause.effect is Effect.PERMIT:
        return
    one_sided = len(senders) == 1 or len(_allowed(clause, "originator", accord.parties)) == 1
    if one_sided or any(t.field == "caveats" for t in clause.when):
        message = (
            f"{clause.id} restricts one party only or tests its national markings: inside an accord it can be evaded "
            "through another basis; make it a caveat of that party"
        )
        yield (*path, "when"), "accord.national_rule", message


def consent_faults(
    consent: Mapping[str, Any], entries: Mapping[str, Mapping[str, tuple[Mapping[str, Any], Any, Any]]]
) -> Iterator[Finding]:
    """Faults of a consent against the accords and caveats it names."""
    accord_id, clause_id = consent["lifts"]
    caveat = entries["caveats"].get(clause_id)
    if accord_id in entries["parties"] and caveat is not None:
        if caveat[0]["party"] != accord_id:
            yield ("lifts", 0), "accord.reference", f"caveat {clause_id!r} is of {caveat[0]['party']}, not {accord_id}"
        target: Mapping[str, Any] = caveat[0]
    else:
        found = entries["accords"].get(accord_id)
        if found is None:
            yield ("lifts", 0), "accord.reference", f"consent lifts a clause of {accord_id!r}, which is not declared"
            return
        clause = next((c for c in found[0]["clauses"] if c["id"] == clause_id), None)
        if clause is None:
            yield ("lifts", 1), "accord.reference", f"consent lifts {clause_id!r}, which {accord_id} does not have"
            return
        target = clause
    if target.get("absolute"):
        yield ("lifts",), "accord.absolute", f"{accord_id} {clause_id} is absolute: no consent can lift it"
    if target["effect"] in ("permit", "duty"):
        yield ("lifts", 1), "accord.consent", f"{clause_id} is a {target['effect']}: there is nothing to lift"


def activity_faults(activity: Mapping[str, Any]) -> Iterator[Finding]:
    """Faults of an activity: what its end would strip."""
    for i, clause in enumerate(activity.get("scope", ())):
        if clause.get("sticky") or clause["effect"] == "duty":
            what = "a tie" if clause.get("sticky") else "a duty"
            told = f"{what} in the scope of an activity would end with it: write it as a clause of {activity['accord']}"
            yield ("scope", i, "sticky" if clause.get("sticky") else "effect"), "accord.tie", told
