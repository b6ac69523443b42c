"""What an accord says of a thing, as values that accord makes and exchange, record and the page read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any


class Effect(IntEnum):
    """Effects of a decision, ordered: the worse wins within a basis."""

    PERMIT = 0
    OBLIGE = 1
    DECIDE = 2
    DENY = 3

    @property
    def word(self) -> str:
        """Lower-case name as files and pages write it."""
        return self.name.lower()


@dataclass(frozen=True, order=True)
class Citation:
    """A clause of an accord, a caveat or a consent that spoke.

    ``kind`` is one of basis, tie, caveat, consent, status, default.
    """

    accord: str
    clause: str
    kind: str = "basis"

    def __str__(self) -> str:
        return f"{self.accord} {self.clause}" if self.clause else self.accord


@dataclass(frozen=True)
class Obligations:
    """Terms of a release, joined over all clauses that oblige: each is the strictest that any of them asks.

    Parameters
    ----------
    delay_s
        Age the data must have before it goes.
    grid_deg
        Cell size positions are coarsened to; 0 is exact. Goes with ``time_bucket_s``: one row a bucket.
    time_bucket_s
        Length of the time bucket; 0 is exact times.
    redact
        Columns withheld, or groups of them: sensor, identity, kinematics, name, sources.
    retention_s
        How long the receiver may keep it; None is no limit.
    onward
        False when the receiver may not pass it on at all.
    via
        Party it must pass through; None for direct.
    purpose
        Purposes it may be used for; empty is as the accord says.
    marking
        Text that goes with it.
    """

    delay_s: int = 0
    grid_deg: float = 0.0
    time_bucket_s: int = 0
    redact: frozenset[str] = frozenset()
    retention_s: int | None = None
    onward: bool = True
    via: str | None = None
    purpose: frozenset[str] = frozenset()
    marking: frozenset[str] = frozenset()

    def as_dict(self) -> dict[str, Any]:
        """JSON form: sets as sorted lists, defaults left out."""
        asked = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {k: sorted(v) if isinstance(v, frozenset) else v for k, (v, default) in asked.items() if v != default}


@dataclass(frozen=True)
class Reason:
    """One step of the trace: what was tried, what it said and what would change it."""

    citation: Citation
    effect: Effect | None
    text: str
    role: str | None = None


@dataclass(frozen=True)
class Decision:
    """What the agreements in force say of one kind of thing for one recipient.

    Refusing to share is a Decision, not an error. ``rules_digest`` is the SHA-256 of all files it rests on.
    ``held_under`` names every accord whose ties the receiver holds it under: what it was held under before, the
    basis, and the bilateral that covers the pair; a release carries it, so that no hop strips a tie.
    """

    effect: Effect
    cites: tuple[Citation, ...]
    obligations: Obligations = field(default_factory=Obligations)
    role: str | None = None
    basis: str | None = None
    reasons: tuple[Reason, ...] = ()
    rules_digest: str = ""
    engine: str = ""
    held_under: tuple[str, ...] = ()

    @property
    def flows(self) -> bool:
        """True when the thing may go now, with its obligations."""
        return self.effect in (Effect.PERMIT, Effect.OBLIGE)

    @property
    def cited(self) -> str:
        """The clause that decided, as one line."""
        return str(self.cites[0]) if self.cites else "no accord in force"
