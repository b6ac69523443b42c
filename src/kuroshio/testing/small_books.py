"""Small books of agreements, each written for one test, and what they say of one thing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from kuroshio import accord, clock
from kuroshio.accord import Book
from kuroshio.schema import Decision

NOW = clock.parse_rfc3339("2026-06-15")
BY = {"by": "test", "date": "2026-01-01", "note": "illustrative"}
OWNER = "originator.release_authority"
IN_FORCE = [{"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01", "confidence": "in_force"}]
PERMIT = {"id": "p", "effect": "permit"}


def make(
    name: str,
    parties: Iterable[str],
    *clauses: Mapping[str, Any],
    binding: str = "treaty",
    status: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An agreement in its file form, in force since 2020 unless ``status`` says otherwise."""
    base = {"id": name, "kinds": ["information"], "parties": list(parties), "binding": binding}
    return {**base, "interpretation": BY, "status": status or IN_FORCE, "clauses": list(clauses), **more}


def book(*accords: Mapping[str, Any], **sections: Any) -> Book:
    """The book of agreements, with other sections of a file by name."""
    return accord.parse({"t.yaml": json.dumps({"accords": list(accords), **sections})})


def third_party(*inside: str, **more: Any) -> dict[str, Any]:
    """A sticky clause: to any but these parties the originator decides."""
    clause = {"id": "third", "effect": "decide", "by": OWNER, "sticky": True, "survives": True}
    return {**clause, "when": {"to": {"not_in": list(inside)}}, **more}


def ask(held: Book, from_: str, to: str, **item: Any) -> Decision:
    """Decision of a book on one vessel report."""
    base = {"kind": "information", "subject": "vessel", "originator": from_, "level": "U", "purpose": "safety"}
    return held.evaluate({**base, "held_under": [], **item}, releaser=from_, to=to, valid_at_us=NOW)
