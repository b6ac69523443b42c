"""One hop at one moment: what of the agreements can speak at all between two parties, worked out once.

What enters: `Content`, the two ends, legal time and time of knowledge. What leaves: a `Hop` with the bases in force,
the clauses whose tests on the ends hold, live consents and activities. Both evaluators start from the same `Hop`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kuroshio.accord.condition import Truth, holds
from kuroshio.accord.model import (
    DOUBTFUL,
    HOP_FIELDS,
    IN_FORCE,
    OUTDATED,
    Accord,
    Caveat,
    Clause,
    Consent,
    Content,
    ReleaseOrder,
    Test,
    When,
)
from kuroshio.accord.status import boundaries_us as accord_boundaries_us
from kuroshio.accord.status import for_hop, standing
from kuroshio.schema import Effect

MAX_REQUIRES_DEPTH = 16


@dataclass(frozen=True)
class Basis:
    """An accord that covers both ends and is in force, or in doubt, with the clauses that can speak on this hop."""

    accord: Accord
    state: str
    permits: tuple[Clause, ...]
    restricts: tuple[Clause, ...]

    @property
    def doubtful(self) -> bool:
        """True when the treaty officer must say whether it holds."""
        return self.state in DOUBTFUL


@dataclass(frozen=True)
class Hop:
    """Everything an evaluation needs that does not depend on the thing itself."""

    content: Content
    from_: str
    to: str
    valid_at_us: int
    known_at_us: int
    digest: str
    bases: tuple[Basis, ...]
    not_in_force: tuple[tuple[str, str], ...]
    ties: Mapping[str, tuple[Clause, ...]]
    lapsed: frozenset[str]
    caveats: tuple[Caveat, ...]
    consents: Mapping[tuple[str, str], tuple[Consent, ...]]
    inherits: tuple[str, ...]
    enforces: frozenset[str]
    rank: Mapping[str, int] = field(repr=False)


class StatusBoard:
    """State of every accord for a pair of ends, `requires` and assumptions included."""

    def __init__(
        self,
        content: Content,
        valid_at_us: int,
        known_at_us: int,
        assumed: Mapping[str, str] | None = None,
        outdated: Collection[str] = (),
    ) -> None:
        self.content = content
        self.assumed = dict(assumed or {})
        self.outdated = frozenset(outdated)
        self.whole = {a.id: standing(a, valid_at_us, known_at_us) for a in content.accords.values()}

    def own(self, accord_id: str, *readers: str) -> str:
        """State of the accord itself, the worse of its readers' readings: the ends of a hop, or all its parties."""
        state = self.assumed.get(accord_id) or for_hop(self.whole[accord_id], *readers)
        return OUTDATED if state in IN_FORCE and accord_id in self.outdated else state

    def state(self, accord_id: str, from_: str, to: str, _depth: int = 0) -> str:
        """State on this hop, no better than that of any accord it requires, as all parties of that one read it."""
        own = self.own(accord_id, *(self.content.accords[accord_id].parties if _depth else (from_, to)))
        if own not in IN_FORCE and own not in DOUBTFUL:
            return own
        worst = own
        for other in self.content.accords[accord_id].requires:
            if other not in self.content.accords or _depth >= MAX_REQUIRES_DEPTH:
                return "requires"
            state = self.state(other, from_, to, _depth + 1)
            if state not in IN_FORCE and state not in DOUBTFUL:
                return "requires"
            if state in DOUBTFUL and worst in IN_FORCE:
                worst = state
        return worst


def speaks(when: When, from_: str, to: str) -> When | None:
    """Tests left once those on the ends are known to hold; None when one of them is false."""
    ends = {"from": from_, "to": to}
    left: list[Test] = []
    for test in when:
        if test.field not in HOP_FIELDS:
            left.append(test)
        elif holds(test, ends[test.field], {}) is not Truth.TRUE:
            return None
    return tuple(left)


def _speaking(clauses: tuple[Clause, ...], from_: str, to: str) -> Iterator[Clause]:
    for clause in sorted(clauses, key=lambda c: natural(c.id)):
        left = speaks(clause.when, from_, to)
        if left is not None:
            yield replace(clause, when=left)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts Art.4 before Art.10."""
    out: list[tuple[int, int, str]] = []
    word = ""
    for char in text:
        if char.isdigit() == (word[-1:].isdigit()) and word:
            word += char
        else:
            if word:
                out.append((1, int(word), "") if word.isdecimal() else (0, 0, word))
            word = char
    if word:
        out.append((1, int(word), "") if word.isdecimal() else (0, 0, word))
    return tuple(out)


def _activity_clauses(content: Content, accord: Accord, hop: tuple[str, str, int, int]) -> Iterator[Clause]:
    from_, to, valid_at_us, known_at_us = hop
    for activity in content.activities.values():
        if activity.accord != accord.id or not activity.period.holds(valid_at_us):
            continue
        if activity.recorded_us is not None and activity.recorded_us > known_at_us:
            continue
        if from_ not in activity.participants or to not in activity.participants:
            continue
        bounds = [
            Test("observed_at", "gte", activity.period.from_us),
            Test("observed_at", "lt", activity.period.until_us),
        ]
        if activity.area is not None:
            bounds.append(Test("area", "in", (activity.area,)))
        if activity.kind == "exercise":
            bounds.append(Test("exercise", "eq", True))
        for clause in activity.scope:
            yield replace(clause, id=f"{activity.id}/{clause.id}", when=(*bounds, *clause.when))


def _bilaterals(content: Content, board: StatusBoard, from_: str, to: str) -> Iterator[str]:
    """Accords of exactly these two parties that are in force or in doubt: a hop always inherits their ties."""
    for accord in content.accords.values():
        state = board.state(accord.id, from_, to)
        if set(accord.parties) == {from_, to} and state in (*IN_FORCE, *DOUBTFUL):
            yield accord.id


def required_for(content: Content, accord_id: str, from_: str, to: str) -> frozenset[str]:
    """The accord and all it requires, directly or not, that cover both ends."""
    found: set[str] = set()
    waiting = [accord_id]
    while waiting:
        one = waiting.pop()
        accord = content.accords.get(one)
        if accord is None or one in found or not {from_, to} <= set(accord.parties):
            continue
        found.add(one)
        waiting.extend(accord.requires)
    return frozenset(found)


def make_hop(
    content: Content,
    *,
    from_: str,
    to: str,
    valid_at_us: int,
    known_at_us: int,
    digest: str,
    assumed: Mapping[str, str] | None = None,
    board: StatusBoard | None = None,
) -> Hop:
    """Hop between two parties at a legal time, as known at another.

    Parameters
    ----------
    content
        All agreements.
    from_, to
        Party that releases and party that would receive.
    valid_at_us, known_at_us
        Legal time and time of knowledge, UTC microseconds.
    digest
        Digest of the content, cited by every decision.
    assumed
        Accord id to the state to be assumed for it (drafts, what-if).
    board
        States already worked out for the same times.
    """
    board = board or StatusBoard(content, valid_at_us, known_at_us, assumed)
    bases, idle = [], []
    for accord in content.accords.values():
        if from_ not in accord.parties or to not in accord.parties:
            continue
        state = board.state(accord.id, from_, to)
        if state not in IN_FORCE and state not in DOUBTFUL:
            idle.append((accord.id, state))
            continue
        extra = tuple(_activity_clauses(content, accord, (from_, to, valid_at_us, known_at_us)))
        spoken = [c for c in _speaking((*accord.clauses, *extra), from_, to) if not c.sticky and c.effect is not None]
        permits = tuple(c for c in spoken if c.effect is Effect.PERMIT)
        bases.append(Basis(accord, state, permits, tuple(c for c in spoken if c.effect is not Effect.PERMIT)))
    ties = {}
    for accord in content.accords.values():
        sticky = tuple(c for c in accord.clauses if c.sticky and c.effect is not None)
        ties[accord.id] = tuple(_speaking(sticky, from_, to))
    lapsed = frozenset(a for a in content.accords if not _alive(board, a))
    caveats = []
    for caveat in content.caveats.values():
        left = speaks(caveat.when, from_, to)
        if left is not None:
            caveats.append(replace(caveat, when=left))
    consents: dict[tuple[str, str], tuple[Consent, ...]] = {}
    for consent in content.consents.values():
        left = speaks(consent.when, from_, to)
        known = consent.recorded_us is None or consent.recorded_us <= known_at_us
        if to in consent.to and known and consent.valid.holds(valid_at_us) and left is not None:
            key = (consent.accord, consent.clause)
            consents[key] = (*consents.get(key, ()), replace(consent, when=left))
    party = content.parties.get(to)
    return Hop(
        content=content,
        from_=from_,
        to=to,
        valid_at_us=valid_at_us,
        known_at_us=known_at_us,
        digest=digest,
        bases=tuple(bases),
        not_in_force=tuple(idle),
        ties=ties,
        lapsed=lapsed,
        caveats=tuple(caveats),
        consents=consents,
        inherits=tuple(sorted(_bilaterals(content, board, from_, to))),
        enforces=party.enforces if party else frozenset(),
        rank={level: i for i, level in enumerate(content.levels)},
    )


def _alive(board: StatusBoard, accord_id: str) -> bool:
    state = board.assumed.get(accord_id) or board.whole[accord_id].state
    return state in IN_FORCE


def live_orders(content: Content, releaser: str, to: str, valid_at_us: int, known_at_us: int) -> Iterator[ReleaseOrder]:
    """Standing orders of a releaser for a recipient, in force and known."""
    for order in content.orders.values():
        known = order.recorded_us is None or order.recorded_us <= known_at_us
        if order.party == releaser and to in order.to and known and order.valid.holds(valid_at_us):
            yield order


def boundaries_us(content: Content) -> list[int]:
    """Instants at which anything begins, ends or becomes known, sorted."""
    times: set[int] = set()
    for accord in content.accords.values():
        times.update(accord_boundaries_us(accord))
    for consent in content.consents.values():
        times.update((consent.valid.from_us, consent.valid.until_us, consent.recorded_us or consent.valid.from_us))
    for activity in content.activities.values():
        times.update((activity.period.from_us, activity.period.until_us))
        times.update(() if activity.recorded_us is None else (activity.recorded_us,))
    return sorted(times)
