"""Whether a release made earlier may still go: what was promised then against what is decided now.

What enters: the header a release was sealed with, and the decision in force. What leaves: yes or no. Asked at
each sending, so that what was queued under an old agreement does not go after it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kuroshio.exchange.columns import withheld_columns
from kuroshio.exchange.outlet import bucket_s_of
from kuroshio.schema import Decision


def still_allowed(header: Mapping[str, Any], decision: Decision) -> bool:
    """True when the decision flows on the same grounds, and asks nothing that the release does not already fulfil.

    The grounds are the agreement and every consent that the header cites: a release that says it goes by a consent does
    not go once the consent is taken back, even where another clause would let its content go by now.

    Parameters
    ----------
    header
        Header of the release.
    decision
        Decision in force now for the same things and recipient.
    """
    if not decision.flows or not decision.basis or decision.basis != header["accord"]:
        return False
    if not {str(c) for c in header["consents"]} <= {str(c) for c in decision.cites if c.kind == "consent"}:
        return False
    now, sealed = decision.obligations, header["obligations"]
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
