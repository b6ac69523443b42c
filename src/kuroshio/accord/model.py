"""What an agreement file says, as immutable values.

What enters: plain data that passed the schema (`build` makes these values). What leaves: parties, accords, clauses,
caveats, consents, activities, release orders, commitments. Nothing here decides; nothing knows a country.
Times are UTC microseconds, durations seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kuroshio.schema import Effect, Obligations

LEVEL_ORDER = ("U", "R", "C", "S", "TS")  # kuroshio.schema.picture ITEMS.level
KINDS = ("information", "support", "equipment", "access")

# States in the order of how much they allow: the worse of two views wins.
IN_FORCE = ("in_force", "notice")
OUTDATED = "outdated"  # in force, and a party works by a later version than the one here
DOUBTFUL = ("contested", "suspended", OUTDATED)

LABEL_FIELDS = frozenset({"from", "to", "originator", "kind", "subject", "purpose", "activity", "item_id"})
NUMBER_FIELDS = frozenset({"age_s", "lat_deg", "lon_deg", "observed_at"})
SET_FIELDS = frozenset({"sensors", "caveats", "held_under", "releasable_to"})
HOP_FIELDS = frozenset({"from", "to"})


@dataclass(frozen=True)
class Test:
    """One test of one attribute: ``field op value``; values of ``in`` and ``not_in`` are sorted tuples."""

    field: str
    op: str
    value: Any

    def __str__(self) -> str:
        shown = "[" + ", ".join(map(str, self.value)) + "]" if isinstance(self.value, tuple) else str(self.value)
        return f"{self.field} {_SIGNS.get(self.op, self.op)} {shown}"


_SIGNS = {"eq": "=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "not_in": "not in"}

When = tuple[Test, ...]


@dataclass(frozen=True)
class Span:
    """Half-open period of UTC microseconds."""

    from_us: int
    until_us: int

    def holds(self, at_us: int) -> bool:
        """True when the instant lies in it."""
        return self.from_us <= at_us < self.until_us


@dataclass(frozen=True)
class Clause:
    """One article as coded: effect, conditions, role, terms; ``effect`` is None for a duty."""

    id: str
    effect: Effect | None
    when: When = ()
    by: str | None = None
    do: Obligations | None = None
    sticky: bool = False
    survives: bool = False
    absolute: bool = False
    topic: str | None = None
    text: str | None = None
    on: str | None = None
    notify: str | None = None
    before: str | None = None
    within: str | None = None
    every: str | None = None
    answer_within: str | None = None
    waivable_by: str | None = None

    @property
    def word(self) -> str:
        """Effect as files write it."""
        return "duty" if self.effect is None else self.effect.word


@dataclass(frozen=True)
class View:
    """How one party reads the status."""

    state: str
    says: str | None = None


@dataclass(frozen=True)
class Status:
    """One entry of the status history: from when in law, and since when known here."""

    state: str
    from_us: int
    recorded_us: int
    source: str | None = None
    confidence: str = "announced"
    effect_at_us: int | None = None
    cite: str | None = None
    note: str | None = None
    views: tuple[tuple[str, View], ...] = ()


@dataclass(frozen=True)
class Equivalence:
    """One mark of one party and the marks of another that protect it alike; directed, many to one."""

    from_: str
    mark: str
    level: str
    to: str
    choices: tuple[str, ...]
    pick: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class Instrument:
    """The text itself: its name, date of signature, digest and articles."""

    name: str
    signed: str | None = None
    digest: str | None = None
    articles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Coverage:
    """How one article of the instrument is treated: coded, a human's, a duty, or not coded."""

    article: str
    treatment: str
    clauses: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Accord:
    """One agreement or arrangement, as read by the named interpreter."""

    id: str
    kinds: tuple[str, ...]
    parties: tuple[str, ...]
    binding: str
    status: tuple[Status, ...]
    clauses: tuple[Clause, ...]
    title: str | None = None
    version: int = 1
    interpretation: tuple[str, str, str] = ("", "", "")
    instruments: tuple[Instrument, ...] = ()
    requires: tuple[str, ...] = ()
    renewal: tuple[str, str] | None = None
    equivalence: tuple[Equivalence, ...] = ()
    coverage: tuple[Coverage, ...] = ()

    def clause(self, clause_id: str) -> Clause | None:
        """Clause of that id, or None."""
        return next((c for c in self.clauses if c.id == clause_id), None)


@dataclass(frozen=True)
class Party:
    """A party: offices, keys, level names, markings it uses and obligations it can enforce."""

    code: str
    name: str | None = None
    offices: tuple[tuple[str, str], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    levels: tuple[tuple[str, str], ...] = ()
    markings: tuple[str, ...] = ()
    enforces: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Caveat:
    """A party's own national rule: always applied, never inside an accord."""

    id: str
    party: str
    effect: Effect
    when: When = ()
    by: str | None = None
    do: Obligations | None = None
    absolute: bool = False
    text: str | None = None


@dataclass(frozen=True)
class Consent:
    """Answer to one named clause: a grant lifts it within its scope, a refusal denies within its scope."""

    id: str
    accord: str
    clause: str
    from_: str
    to: tuple[str, ...]
    valid: Span
    when: When = ()
    do: Obligations | None = None
    grant: bool = True
    recorded_us: int | None = None
    by: str | None = None
    note: str | None = None
    signature: str | None = None


@dataclass(frozen=True)
class Activity:
    """An exercise, patrol, relief operation or meeting, and the clauses that hold within it only."""

    id: str
    kind: str
    accord: str
    participants: tuple[str, ...]
    period: Span
    area: str | None = None
    title: str | None = None
    recorded_us: int | None = None
    scope: tuple[Clause, ...] = ()


@dataclass(frozen=True)
class ReleaseOrder:
    """Standing order of a named role to send what the accords permit; without one nothing goes by itself."""

    id: str
    by: str
    party: str
    to: tuple[str, ...]
    valid: Span
    when: When = ()
    recorded_us: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class Commitment:
    """A promise of a meeting: text, source, owner per party, due date and evidence or none."""

    id: str
    text: str
    source: str
    made: str
    owners: tuple[tuple[str, str], ...]
    due: str | None = None
    evidence: tuple[str, ...] = ()
    recorded: str | None = None


@dataclass(frozen=True)
class Content:
    """Everything a set of files says, sorted by id: the order of files is already forgotten."""

    levels: tuple[str, ...] = LEVEL_ORDER
    parties: dict[str, Party] = field(default_factory=dict)
    accords: dict[str, Accord] = field(default_factory=dict)
    caveats: dict[str, Caveat] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    orders: dict[str, ReleaseOrder] = field(default_factory=dict)
    commitments: dict[str, Commitment] = field(default_factory=dict)
    areas: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    vocabulary: dict[str, frozenset[str]] = field(default_factory=dict)
