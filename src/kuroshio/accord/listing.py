"""An accord as JSON for the API, the page and `--json`: nothing left out, times in RFC 3339.

What enters: an `Accord` and its `Standing`. What leaves: plain dicts.
"""

from __future__ import annotations

from typing import Any

from kuroshio.accord.model import Accord, Activity, Clause, Content, Status, When
from kuroshio.accord.status import Standing
from kuroshio.clock import rfc3339


def when_text(when: When) -> list[str]:
    """Tests as short sentences."""
    return [f"{t.field} {t.op} {rfc3339(t.value)}" if t.field == "observed_at" else str(t) for t in when]


def clause_listing(clause: Clause) -> dict[str, Any]:
    """One clause; what it does not have is left out."""
    plain: dict[str, Any] = {
        "id": clause.id,
        "effect": clause.word,
        "topic": clause.topic,
        "text": clause.text,
        "when": when_text(clause.when) or None,
        "by": clause.by,
        "do": clause.do.as_dict() if clause.do is not None else None,
        "sticky": clause.sticky or None,
        "survives": clause.survives or None,
        "absolute": clause.absolute or None,
        "on": clause.on,
        "notify": clause.notify,
        "before": clause.before,
        "within": clause.within,
        "every": clause.every,
        "answer_within": clause.answer_within,
        "waivable_by": clause.waivable_by,
    }
    return {k: v for k, v in plain.items() if v is not None}


def status_listing(status: Status) -> dict[str, Any]:
    """One entry of the history, with both times."""
    plain: dict[str, Any] = {
        "state": status.state,
        "from": rfc3339(status.from_us),
        "recorded": rfc3339(status.recorded_us),
        "confidence": status.confidence,
        "source": status.source,
        "cite": status.cite,
        "note": status.note,
        "effect_at": rfc3339(status.effect_at_us) if status.effect_at_us is not None else None,
        "views": {p: {"state": v.state, "says": v.says} for p, v in status.views} or None,
    }
    return {k: v for k, v in plain.items() if v is not None}


def accord_listing(accord: Accord, now: Standing) -> dict[str, Any]:
    """One accord with its history, present standing, conflicts, clauses, duties and coverage."""
    by, date, note = accord.interpretation
    return {
        "id": accord.id,
        "title": accord.title,
        "kinds": list(accord.kinds),
        "parties": list(accord.parties),
        "binding": accord.binding,
        "version": accord.version,
        "interpretation": {"by": by, "date": date, "note": note},
        "instruments": [
            {"name": i.name, "signed": i.signed, "digest": i.digest, "articles": list(i.articles)}
            for i in accord.instruments
        ],
        "requires": list(accord.requires),
        "renewal": {"every": accord.renewal[0], "notice": accord.renewal[1]} if accord.renewal else None,
        "state": now.state,
        "status": [status_listing(s) for s in sorted(accord.status, key=lambda s: (s.from_us, s.recorded_us))],
        "conflicts": [{"kind": c.kind, "text": c.text} for c in now.conflicts],
        "equivalence": [
            {"from": e.from_, "mark": e.mark, "level": e.level, "to": e.to, "choices": list(e.choices), "pick": e.pick}
            for e in accord.equivalence
        ],
        "clauses": [clause_listing(c) for c in accord.clauses if c.effect is not None],
        "duties": [clause_listing(c) for c in accord.clauses if c.effect is None],
        "coverage": [
            {"article": c.article, "treatment": c.treatment, "clauses": list(c.clauses), "note": c.note}
            for c in accord.coverage
        ],
    }


def activities(content: Content, *, now_us: int) -> list[dict[str, Any]]:
    """Activities by period: participants, area, scope with its clauses, and whether the scope holds now.

    Parameters
    ----------
    content
        Of a book.
    now_us
        Moment of the question, UTC microseconds: ``state`` is planned, running or over at it.
    """
    return [_activity(a, now_us) for a in sorted(content.activities.values(), key=lambda a: (a.period.from_us, a.id))]


def _activity(activity: Activity, now_us: int) -> dict[str, Any]:
    before, holds = now_us < activity.period.from_us, activity.period.holds(now_us)
    return {
        "id": activity.id,
        "kind": activity.kind,
        "title": activity.title,
        "accord": activity.accord,
        "participants": list(activity.participants),
        "area": activity.area,
        "from": rfc3339(activity.period.from_us),
        "until": rfc3339(activity.period.until_us),
        "state": "planned" if before else "running" if holds else "over",
        "exercise_data_only": activity.kind == "exercise",
        "scope": [clause_listing(c) for c in activity.scope],
    }
