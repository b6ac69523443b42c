"""What of a group of rows may go now: an order covers it, nobody else must be asked first, and it is old enough."""

from __future__ import annotations

import pyarrow as pa

from kuroshio.node.deciding import Group
from kuroshio.units import US_PER_S, UtcMicros


def goes(group: Group) -> bool:
    """True when a group flows, an order covers it, and it need not pass through somebody else first."""
    return group.ordered and group.decision.obligations.via in (None, group.to)


def too_young(group: Group, now_us: UtcMicros) -> list[str]:
    """Alerts of a group that its delay holds back."""
    old_us = now_us - group.decision.obligations.delay_s * US_PER_S
    known = group.rows["known_at"].cast(pa.int64()).to_pylist()
    return [i for i, at in zip(group.rows["alert_id"].to_pylist(), known, strict=True) if at > old_us]


def ties_of(group: Group) -> tuple[str, ...]:
    """Accords whose ties go with a group's rows: those they were received under and those the decision inherits."""
    return tuple(sorted({*group.held_under, *group.decision.held_under}))
