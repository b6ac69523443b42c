"""A decision as JSON, for the API, the page and `--json`.

What enters: `Decision`. What leaves: plain dicts; nothing is left out of the trace.
"""

from __future__ import annotations

from typing import Any

from kuroshio.schema import Citation, Decision, Reason


def citation_dict(citation: Citation) -> dict[str, str]:
    """A citation by its parts."""
    return {"accord": citation.accord, "clause": citation.clause, "kind": citation.kind}


def reason_dict(reason: Reason) -> dict[str, Any]:
    """One step of a trace."""
    return {
        "cite": str(reason.citation),
        "kind": reason.citation.kind,
        "effect": reason.effect.word if reason.effect is not None else None,
        "text": reason.text,
        "role": reason.role,
    }


def decision_dict(decision: Decision, *, trace: bool = True) -> dict[str, Any]:
    """A decision; with ``trace`` every step of its reason."""
    plain: dict[str, Any] = {
        "effect": decision.effect.word,
        "flows": decision.flows,
        "cited": decision.cited,
        "cites": [citation_dict(c) for c in decision.cites],
        "basis": decision.basis,
        "obligations": decision.obligations.as_dict(),
        "role": decision.role,
        "held_under": list(decision.held_under),
        "rules_digest": decision.rules_digest,
    }
    if trace:
        plain["reasons"] = [reason_dict(r) for r in decision.reasons]
    return plain
