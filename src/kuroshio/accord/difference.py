"""What differs between two sets of agreement files: clauses in words, and the effect on a picture.

What enters: two books, and an ITEMS table when the effect is wanted. What leaves: one JSON-able dict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from kuroshio.accord.book import Book
from kuroshio.accord.canonical import canonical
from kuroshio.accord.columns import factor
from kuroshio.accord.dryrun import change, neighbours
from kuroshio.accord.gather import SECTIONS
from kuroshio.accord.listing import clause_listing
from kuroshio.accord.model import Accord
from kuroshio.accord.printed import print_clause


def text_difference(old: Book, new: Book) -> dict[str, Any]:
    """Entries added, removed and changed by section; for changed accords clause by clause."""
    out: dict[str, Any] = {"rules_digest": [old.rules_digest, new.rules_digest]}
    for section in SECTIONS:
        before, after = old.entries[section], new.entries[section]
        changed = [k for k in before if k in after and canonical(before[k]) != canonical(after[k])]
        found: dict[str, Any] = {
            "added": sorted(set(after) - set(before)),
            "removed": sorted(set(before) - set(after)),
            "changed": {k: _entry(section, k, old, new) for k in sorted(changed)},
        }
        if any(found.values()):
            out[section] = found
    return out


def _entry(section: str, key: str, old: Book, new: Book) -> dict[str, Any]:
    before, after = old.entries[section][key], new.entries[section][key]
    names = sorted(set(before) | set(after))
    fields = {
        n: [before.get(n), after.get(n)]
        for n in names
        if n != "clauses" and canonical(before.get(n)) != canonical(after.get(n))
    }
    if section != "accords":
        return {"fields": fields}
    one = {c.id: clause_listing(c) for c in old.content.accords[key].clauses}
    two = {c.id: clause_listing(c) for c in new.content.accords[key].clauses}
    return {
        "fields": fields,
        "clauses": {
            "added": [two[c] for c in two if c not in one],
            "removed": [one[c] for c in one if c not in two],
            "changed": [_clause(one[c], two[c]) for c in one if c in two and one[c] != two[c]],
        },
    }


def _clause(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return {"id": before["id"], "fields": {n: [before.get(n), after.get(n)] for n in names}}


def in_words(old: Book, new: Book) -> Iterator[str]:
    """The difference as sentences: clause by clause for accords, by id for the rest."""
    found = text_difference(old, new)
    for section in SECTIONS:
        for key in found.get(section, {}).get("added", ()):
            yield f"{section}: {key} is new"
        for key in found.get(section, {}).get("removed", ()):
            yield f"{section}: {key} is gone"
        for key, entry in found.get(section, {}).get("changed", {}).items():
            for name, (before, after) in entry["fields"].items():
                yield f"{key}: {name} was {_short(before)}, is {_short(after)}"
            if section == "accords":
                yield from _clause_words(old.accord(key), new.accord(key), entry["clauses"])


def _clause_words(before: Accord, after: Accord, clauses: Mapping[str, Any]) -> Iterator[str]:
    ids = [c["id"] for part in ("added", "removed", "changed") for c in clauses[part]]
    for clause_id in ids:
        one, two = before.clause(clause_id), after.clause(clause_id)
        said = [print_clause(c) if c is not None else "(nothing)" for c in (one, two)]
        yield f"{after.id} {clause_id}: was: {said[0]}"
        yield f"{after.id} {clause_id}: is:  {said[1]}"


def _short(value: Any) -> str:
    text = json.dumps(canonical(value), ensure_ascii=False) if value is not None else "nothing"
    return text if len(text) <= 120 else text[:117] + "..."


def effect_difference(
    old: Book,
    new: Book,
    items: pa.Table,
    *,
    releaser: str,
    valid_at_us: int,
    known_at_us: int | None = None,
    to: Sequence[str] | None = None,
    examples: int = 3,
) -> dict[str, Any]:
    """What the difference does to a picture: counts before and after, changes with examples and a map.

    Parameters
    ----------
    old, new
        Two sets of files; vocabulary and parties are read from each.
    items
        ITEMS.
    releaser, valid_at_us, known_at_us, to, examples
        As for `dry_run`.
    """
    recipients = list(to) if to is not None else sorted({*neighbours(old, releaser), *neighbours(new, releaser)})
    kwargs: dict[str, Any] = {"releaser": releaser, "to": recipients, "valid_at_us": valid_at_us}
    rows = factor(items, [new.content, old.content], valid_at_us=valid_at_us)
    before = old.evaluate_table(items, known_at_us=known_at_us, factored=rows, **kwargs)
    after = new.evaluate_table(items, known_at_us=known_at_us, factored=rows, **kwargs)
    return {
        "releaser": releaser,
        "to": recipients,
        "items": items.num_rows,
        "before": before.counts(),
        "after": after.counts(),
        "change": change(before, after, items, examples=examples),
    }


def coverage(book: Book) -> list[dict[str, Any]]:
    """Each article of each instrument: coded, a human's, a duty, not coded, or never mentioned. Shown, not hidden."""
    out = []
    for accord in book.content.accords.values():
        lines = {c.article: c for c in accord.coverage}
        articles = [a for i in accord.instruments for a in i.articles]
        listed = [*articles, *(a for a in lines if a not in articles)]
        rows = [
            {
                "article": article,
                "treatment": lines[article].treatment if article in lines else "not mentioned",
                "clauses": list(lines[article].clauses) if article in lines else [],
                "tests": list(lines[article].tests) if article in lines else [],
                "note": lines[article].note if article in lines else None,
            }
            for article in listed
        ]
        cited = {c for line in accord.coverage for c in line.clauses}
        out.append(
            {
                "accord": accord.id,
                "articles": rows,
                "clauses_without_article": [c.id for c in accord.clauses if c.id not in cited],
                "declared": bool(rows),
            }
        )
    return out
