"""The alert queue as it stands, or as it stood at a time: changes, verdicts, and how often rules were right.

What enters: the ledger of alerts and the book of verdicts. What leaves: dicts for the API. A time ``known_at`` hides
every row and every verdict that came after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kuroshio import clock
from kuroshio.behaviour.rules import PREFIX, precision
from kuroshio.errors import NotFound
from kuroshio.node import cards
from kuroshio.store import Operations

CHANGES_MAX = 500


def queue(
    operations: Operations,
    received: Sequence[dict[str, Any]] = (),
    *,
    open_only: bool = False,
    known_at_us: int | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Own alerts and those ``received`` of partners, newest first, as known at a time (None: now)."""
    given: dict[str, list[dict[str, Any]]] = {}
    for verdict in operations.verdicts(by_us=known_at_us):
        given.setdefault(verdict["alert_id"], []).append(verdict)
    bound = {} if limit is None else {"limit": limit}
    rows = operations.alerts(open_only=open_only, known_by_us=known_at_us, **bound).to_pylist()
    own = [cards.alert(row, given.get(row["alert_id"], ())) for row in rows]
    theirs = [(_known_us(row), row) for row in received if not open_only or row["state"] == "open"]
    theirs = [(at_us, row) for at_us, row in theirs if known_at_us is None or at_us <= known_at_us]
    if not theirs:
        return own
    both = [(_known_us(row), row) for row in own] + theirs
    return [row for _, row in sorted(both, key=lambda of: -of[0])[:limit]]


def about(operations: Operations, track_id: int) -> list[str]:
    """Own alerts about a track, newest first."""
    rows = operations.alerts().select(["alert_id", "track_ids"]).to_pylist()
    return [row["alert_id"] for row in rows if track_id in (row["track_ids"] or ())]


def _known_us(row: Mapping[str, Any]) -> int:
    return clock.parse_rfc3339(row["known_at"])


def story(operations: Operations, alert_id: str, *, known_at_us: int | None = None) -> dict[str, Any]:
    """One alert with every change of it, oldest first, as known at a time.

    Raises
    ------
    NotFound
        When there is no such alert, or nobody knew of it then.
    """
    rows = operations.alert_history(alert_id).to_pylist()
    if known_at_us is not None:
        rows = [row for row in rows if round(row["known_at"].timestamp() * 1e6) <= known_at_us]
    if not rows:
        when = "" if known_at_us is None else f" known at {clock.rfc3339(known_at_us)}"
        raise NotFound(f"no alert {alert_id[:80]!r}{when}", code="alert.unknown")
    changes = [
        {
            **{name: row[name] for name in ("change", "grade", "severity", "summary")},
            **{name: cards.stamp(row[name]) for name in ("known_at", "start_at", "end_at")},
        }
        for row in rows[-CHANGES_MAX:]
    ]
    return {**cards.alert(rows[-1], operations.verdicts(alert_id, by_us=known_at_us)), "changes": changes}


def rules(
    operations: Operations, of_watch: Sequence[Mapping[str, Any]] = (), *, known_at_us: int | None = None
) -> list[dict[str, Any]]:
    """Each definition and each rule: alerts, verdicts, and the share of those judged true or false that was true.

    Parameters
    ----------
    of_watch
        The rules of the watch as they stand (`RuleDesk.all`); their alerts name ``rule.`` and the id as definition.
    """
    rows = operations.alerts(known_by_us=known_at_us).select(["alert_id", "definition", "change"]).to_pylist()
    rule_of = {row["alert_id"]: str(row["definition"]) for row in rows}
    said = [(v["alert_id"], v["verdict"]) for v in operations.verdicts(by_us=known_at_us)]
    right = precision(rule_of, said)
    raised = Counter(rule_of.values())
    void = Counter(str(row["definition"]) for row in rows if row["change"] == "void")
    none: dict[str, Any] = {"true": 0, "false": 0, "duplicate": 0, "precision": None}
    stands = {PREFIX + rule["id"]: rule for rule in of_watch}
    names = set(raised) | (set(stands) if known_at_us is None else set())
    return [
        {
            "definition": name,
            "title": stands[name]["title"] if name in stands else None,
            "state": stands[name]["state"] if name in stands else None,
            "alerts": raised[name],
            "void": void[name],
            **(right.get(name) or none),
        }
        for name in sorted(names)
    ]
