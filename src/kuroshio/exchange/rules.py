"""Whether a release made earlier may still go: what was promised then against what is decided now.

What enters: the obligations a release was sealed under, and the decision in force. What leaves: yes or no. Asked at
each sending, so that what was queued under an old agreement does not go after it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.exchange.columns import withheld_columns
from kuroshio.exchange.outlet import bucket_s_of
from kuroshio.schema import Decision


def still_allowed(sealed: Mapping[str, Any], decision: Decision) -> bool:
    """True when the decision flows and asks nothing that the sealed obligations do not already fulfil.

    Parameters
    ----------
    sealed
        Obligations in their JSON form, as in a release's header.
    decision
        Decision in force now for the same things and recipient.
    """
    if not decision.flows or not decision.basis:
        return False
    now = decision.obligations
    redacted = withheld_columns(frozenset(str(r) for r in sealed.get("redact", ())))
    retention = sealed.get("retention_s")
    return (
        float(sealed.get("grid_deg", 0.0)) >= now.grid_deg
        and int(sealed.get("time_bucket_s", 0)) >= bucket_s_of(now)
        and int(sealed.get("delay_s", 0)) >= now.delay_s
        and redacted >= withheld_columns(now.redact)
        and (now.retention_s is None or (retention is not None and int(retention) <= now.retention_s))
        and (now.onward or not sealed.get("onward", True))
        and now.marking <= frozenset(str(m) for m in sealed.get("marking", ()))
        and (now.via is None or now.via == sealed.get("via"))
    )
