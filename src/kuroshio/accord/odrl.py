"""An accord as an ODRL 2.2 Agreement in JSON-LD, for tools that read policies of the W3C.

What enters: an `Accord`. What leaves: a dict. Only out, never in: ODRL has no two-time status, no ties and no order
between bases, so a reader of the export must not decide by it; the profile URI says so. Source: W3C Recommendation
ODRL Information Model 2.2, sections 2.1 to 2.6.
"""

from __future__ import annotations

from typing import Any

from kuroshio.accord.model import Accord, Clause, Test
from kuroshio.clock import rfc3339
from kuroshio.schema import Effect

CONTEXT = "http://www.w3.org/ns/odrl.jsonld"
PROFILE = "urn:kuroshio:odrl-profile:1"
_OPERATORS = {
    "eq": "eq",
    "in": "isAnyOf",
    "not_in": "isNoneOf",
    "lt": "lt",
    "lte": "lteq",
    "gt": "gt",
    "gte": "gteq",
}


def to_odrl(accord: Accord) -> dict[str, Any]:
    """ODRL Agreement: permits are permissions with the terms as duties, denials prohibitions, duties obligations."""
    by, date, note = accord.interpretation
    parties = [f"urn:iso:std:iso:3166:{p}" for p in accord.parties]
    permits = [c for c in accord.clauses if c.effect is Effect.PERMIT]
    terms = [c for c in accord.clauses if c.effect in (Effect.OBLIGE, Effect.DECIDE)]
    denials = [c for c in accord.clauses if c.effect is Effect.DENY]
    duties = [c for c in accord.clauses if c.effect is None]
    common = {"target": f"urn:kuroshio:thing:{'+'.join(accord.kinds)}", "action": "distribute"}
    return {
        "@context": CONTEXT,
        "@type": "Agreement",
        "uid": f"urn:kuroshio:accord:{accord.id}:{accord.version}",
        "profile": PROFILE,
        "dc:title": accord.title or accord.id,
        "dc:description": f"A reading by {by}, {date}: {note}",
        "assigner": parties,
        "assignee": parties,
        "permission": [{"uid": c.id, **common, **_constraints(c), "duty": [_duty(t) for t in terms]} for c in permits],
        "prohibition": [{"uid": c.id, **common, **_constraints(c)} for c in denials],
        "obligation": [
            {
                "uid": c.id,
                "action": "inform",
                "informedParty": c.notify,
                "kuroshio:on": c.on,
                "kuroshio:before": c.before,
                "kuroshio:within": c.within,
            }
            for c in duties
        ],
    }


def _constraints(clause: Clause) -> dict[str, Any]:
    return {"constraint": [_constraint(t) for t in clause.when]} if clause.when else {}


def _constraint(test: Test) -> dict[str, Any]:
    value = rfc3339(test.value) if test.field == "observed_at" else test.value
    return {
        "leftOperand": f"kuroshio:{test.field}",
        "operator": _OPERATORS[test.op],
        "rightOperand": list(value) if isinstance(value, tuple) else value,
    }


def _duty(clause: Clause) -> dict[str, Any]:
    plain: dict[str, Any] = {"uid": clause.id, **_constraints(clause)}
    if clause.effect is Effect.DECIDE:
        return {**plain, "action": "obtainConsent", "consentingParty": clause.by}
    return {**plain, "action": "kuroshio:coarsen", "kuroshio:terms": clause.do.as_dict() if clause.do else {}}
