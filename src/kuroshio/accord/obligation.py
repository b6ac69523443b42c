"""Terms of release: read from a file, joined, compared, and set against what a receiver can enforce.

What enters: the ``do`` of clauses. What leaves: `Obligations`. Coarsening itself is `exchange`'s; only values are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from kuroshio.schema import ALERTS, ITEMS, OBSERVATIONS, TRACKS, Obligations

NONE = Obligations()
NO_PURPOSE = "none"  # what is left of purposes that exclude one another: nothing may be done with it

# Groups of columns that a file may name beside the columns themselves.
REDACT_GROUPS = ("sensor", "sensors", "identity", "kinematics", "name", "sources", "history", "evidence")
REDACTABLE = frozenset((*REDACT_GROUPS, *TRACKS.names, *ALERTS.names, *OBSERVATIONS.names, *ITEMS.names))

ENFORCED_BY_RECEIVER = ("retention", "onward", "purpose", "marking")


def from_mapping(plain: Mapping[str, Any]) -> Obligations:
    """Obligations of a ``do`` mapping that passed the schema."""
    return Obligations(
        delay_s=int(plain.get("delay_s", 0)),
        grid_deg=float(plain.get("grid_deg", 0.0)),
        time_bucket_s=int(plain.get("time_bucket_s", 0)),
        redact=frozenset(plain.get("redact", ())),
        retention_s=plain.get("retention_s"),
        onward=bool(plain.get("onward", True)),
        via=plain.get("via"),
        purpose=frozenset(plain.get("purpose", ())),
        marking=frozenset(plain.get("marking", ())),
    )


def join(terms: Iterable[Obligations], ends: tuple[str, ...] = ()) -> tuple[Obligations, tuple[str, ...]]:
    """(strictest of all terms between two ends, fields that cannot be met together).

    Delay, grid and time bucket are the greatest; redactions and markings the union; retention the shortest; onward
    only if all allow it; purposes what all allow, ``none`` where they have nothing in common. Two different ``via``
    clash.
    """
    listed = [replace(t, via=None) if t.via in ends else t for t in terms]  # it passes through its own ends
    if len(listed) == 1:
        return listed[0], ()
    if not listed:
        return NONE, ()
    clash = []
    vias = sorted({t.via for t in listed if t.via is not None})
    if len(vias) > 1:
        clash.append("via")
    limited = [t.purpose for t in listed if t.purpose]
    purpose = frozenset.intersection(*limited) if limited else frozenset()
    if limited and not purpose:
        purpose = frozenset((NO_PURPOSE,))
    kept = [t.retention_s for t in listed if t.retention_s is not None]
    joined = Obligations(
        delay_s=max(t.delay_s for t in listed),
        grid_deg=max(t.grid_deg for t in listed),
        time_bucket_s=max(t.time_bucket_s for t in listed),
        redact=frozenset().union(*(t.redact for t in listed)),
        retention_s=min(kept) if kept else None,
        onward=all(t.onward for t in listed),
        via=vias[0] if vias else None,
        purpose=purpose,
        marking=frozenset().union(*(t.marking for t in listed)),
    )
    return joined, tuple(clash)


def weight(terms: Obligations) -> tuple[Any, ...]:
    """Sort key, lighter first: the declared order between bases of one effect and one binding."""
    return (
        terms.delay_s,
        terms.grid_deg,
        terms.time_bucket_s,
        len(terms.redact),
        0 if terms.onward else 1,
        0 if terms.retention_s is None else 1 / terms.retention_s,
        0 if terms.via is None else 1,
        0 if not terms.purpose else 1 / len(terms.purpose),
        len(terms.marking),
        terms.via or "",
        tuple(sorted(terms.redact)),
        tuple(sorted(terms.purpose)),
        tuple(sorted(terms.marking)),
    )


def is_at_least(strict: Obligations, loose: Obligations) -> bool:
    """True when the first asks, term by term, no less than the second; used by the laws."""
    retention = loose.retention_s is None or (
        strict.retention_s is not None and strict.retention_s <= loose.retention_s
    )
    return (
        strict.delay_s >= loose.delay_s
        and strict.grid_deg >= loose.grid_deg
        and strict.time_bucket_s >= loose.time_bucket_s
        and strict.redact >= loose.redact
        and retention
        and strict.onward <= loose.onward
        and (loose.via is None or strict.via is not None)
        and (not loose.purpose or (bool(strict.purpose) and strict.purpose <= loose.purpose))
        and strict.marking >= loose.marking
    )


def unenforceable(terms: Obligations, enforces: frozenset[str]) -> tuple[str, ...]:
    """Terms that bind the receiver and that it has not declared it can enforce."""
    asked = {
        "retention": terms.retention_s is not None,
        "onward": not terms.onward,
        "purpose": bool(terms.purpose),
        "marking": bool(terms.marking),
    }
    never = {"purpose"} if NO_PURPOSE in terms.purpose else set()
    return tuple(n for n in ENFORCED_BY_RECEIVER if asked[n] and (n not in enforces or n in never))
