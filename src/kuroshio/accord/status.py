"""Status of an accord in two times and per party: what held in law at a moment, as known at another.

What enters: the status history of an accord. What leaves: a `Standing` for the whole accord or for one hop, and the
reports that conflict. Rules, in order:

1. Only entries recorded by the known time and in effect by the legal time count.
2. A later entry takes over from an earlier one, unless its evidence is weaker and it goes backward (an announcement
   that speaks of negotiating what is in force), or it is a mere report against more than a report: then both are kept
   and shown as a conflict and the stronger stands. But a report that it was suspended, contested or ended leaves it
   contested, and so does entry into force known by a report alone.
3. Two entries of equal evidence for one day that say different things leave the accord contested.
4. A notice of termination leaves the accord in force until its date of effect, then ends it.
5. Where parties read the status differently, a hop takes the worse of its ends' readings, and is at least contested.
"""

from __future__ import annotations

from dataclasses import dataclass

from kuroshio.accord.model import DOUBTFUL, IN_FORCE, Accord, Status
from kuroshio.clock import rfc3339

_EVIDENCE = {"reported": 0, "announced": 1}  # every act counts 2
_PROGRESS = {
    state: i for i, state in enumerate(("under_discussion", "negotiating", "agreed", "signed", "approved", "in_force"))
}
_BADNESS = {"in_force": 0, "notice": 0, "contested": 1, "suspended": 2}


@dataclass(frozen=True)
class Conflict:
    """Two entries, or two parties' readings, that cannot both be right; both are kept."""

    kind: str
    text: str


@dataclass(frozen=True)
class Standing:
    """State that stands, the entry it rests on, and what disagrees with it."""

    state: str
    entry: Status | None
    conflicts: tuple[Conflict, ...] = ()

    @property
    def in_force(self) -> bool:
        """True when it can be a basis without a person."""
        return self.state in IN_FORCE

    @property
    def doubtful(self) -> bool:
        """True when the treaty officer must say."""
        return self.state in DOUBTFUL


def evidence(entry: Status) -> int:
    """Strength of the evidence: 0 a report, 1 an announcement, 2 the act itself."""
    return _EVIDENCE.get(entry.confidence, 2)


def _differs(state_a: str, state_b: str) -> bool:
    return state_a != state_b and not (state_a in IN_FORCE and state_b in IN_FORCE)


def standing(accord: Accord, valid_at_us: int, known_at_us: int) -> Standing:
    """Standing of the accord as a whole; ``none`` before its first entry.

    Parameters
    ----------
    accord
        The accord with its history.
    valid_at_us, known_at_us
        Legal time and time of knowledge, UTC microseconds.
    """
    entries = [s for s in accord.status if s.from_us <= valid_at_us and s.recorded_us <= known_at_us]
    entries.sort(key=lambda s: (s.from_us, s.recorded_us, s.state))
    top: Status | None = None
    state = "none"
    conflicts: list[Conflict] = []
    for entry in entries:
        if top is None:
            top, state = entry, entry.state
            continue
        if _too_weak(entry, top):
            if _differs(entry.state, top.state):
                conflicts.append(Conflict("report", f"{_told(entry)} against {_told(top)}"))
            if state in IN_FORCE and entry.state in (*DOUBTFUL, "terminated"):
                state = "contested"
            continue
        if entry.from_us == top.from_us and evidence(entry) == evidence(top) and _differs(entry.state, state):
            conflicts.append(Conflict("report", f"{_told(entry)} against {_told(top)}"))
            top, state = entry, "contested"
            continue
        top, state = entry, entry.state
    if top is not None and state in IN_FORCE and evidence(top) == 0:
        state = "contested"
    if top is not None and state == "notice" and top.effect_at_us is not None and valid_at_us >= top.effect_at_us:
        state = "terminated"
    if top is not None:
        conflicts.extend(_view_conflicts(top))
    return Standing(state, top, tuple(conflicts))


def _too_weak(entry: Status, top: Status) -> bool:
    if evidence(entry) >= evidence(top):
        return False
    backward = _PROGRESS.get(entry.state, 9) < _PROGRESS.get(top.state, 9)
    return backward or evidence(entry) == 0


def _told(entry: Status) -> str:
    source = f", {entry.source}" if entry.source else ""
    return f"{entry.state} from {rfc3339(entry.from_us)[:10]} ({entry.confidence}{source})"


def _view_conflicts(entry: Status) -> list[Conflict]:
    states = {view.state for _, view in entry.views}
    if len(states) < 2 and all(not _differs(view.state, entry.state) for _, view in entry.views):
        return []
    told = "; ".join(f"{party}: {view.says or view.state}" for party, view in entry.views)
    return [Conflict("views", told)]


def for_hop(whole: Standing, *readers: str) -> str:
    """State for one hop: the worst of its readers (mostly its two ends); at least contested where they differ."""
    entry = whole.entry
    if entry is None or not entry.views or whole.state == "terminated":
        return whole.state
    views = dict(entry.views)
    readings = [views[end].state if end in views else whole.state for end in readers]
    worst = max((whole.state, *readings), key=lambda s: _BADNESS.get(s, 3))
    if _BADNESS.get(worst, 3) == 0 and any(_differs(readings[0], r) for r in readings):
        return "contested"
    return worst


def boundaries_us(accord: Accord) -> tuple[int, ...]:
    """Instants at which the standing may change, legal or by knowledge, sorted."""
    times = {t for s in accord.status for t in (s.from_us, s.recorded_us, s.effect_at_us) if t is not None}
    return tuple(sorted(times))
