"""The legal bases of one thing on one hop, and the best of them by the declared order.

What enters: a `Hop`, normalised attributes, the tally of the interpreter. What leaves: the id of the basis and the
clause that permits. The order between bases: the lesser effect, treaty before arrangement, fewer and weaker terms,
then the id; never the order of files. Inside one basis the worst clause wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kuroshio.accord import obligation
from kuroshio.accord.condition import Truth, all_hold
from kuroshio.accord.hop import Basis, Hop
from kuroshio.accord.levels import protect
from kuroshio.accord.lifting import Owners, answer
from kuroshio.accord.model import Clause
from kuroshio.schema import Citation, Effect, Obligations, Reason

if TYPE_CHECKING:
    from kuroshio.accord.interpret import Tally

NOT_IN_FORCE = {
    "none": "not yet known to exist",
    "requires": "an agreement that it requires is not in force",
}


@dataclass
class Judged:
    """One basis as judged: its voices; effect and terms as they would be with all ties and caveats."""

    basis: Basis
    permit: Citation
    voices: list[Reason] = field(default_factory=list)
    terms: list[Obligations] = field(default_factory=list)
    joined: Obligations = obligation.NONE
    effect: Effect = Effect.PERMIT

    def say(
        self, effect: Effect, clause: str, text: str, role: str | None = None, do: Obligations | None = None
    ) -> None:
        """Add one voice."""
        self.voices.append(Reason(Citation(self.basis.accord.id, clause), effect, text, role))
        if do is not None:
            self.terms.append(do)

    def rank(self) -> tuple[Any, ...]:
        """Sort key of the declared order between bases."""
        treaty = 0 if self.basis.accord.binding == "treaty" else 1
        return (self.effect, treaty, obligation.weight(self.joined), self.basis.accord.id)


def judge_bases(hop: Hop, attributes: Mapping[str, Any], tally: Tally) -> tuple[str | None, Citation | None]:
    """(id of the best basis, clause that permits); adds its voices to the tally, and every other basis to the trace."""
    for accord_id, state in hop.not_in_force:
        text = f"is no basis: {NOT_IN_FORCE.get(state, state.replace('_', ' '))}"
        tally.note(Citation(accord_id, "", "status"), text)
    judged = []
    silent = []
    kind = attributes.get("kind")
    for basis in hop.bases:
        if kind is not None and kind not in basis.accord.kinds:
            continue
        one = _judge(hop, attributes, basis, tally)
        if one is None:
            silent.append(Citation(basis.accord.id, "no permitting clause", "status"))
            tally.note(silent[-1], "is in force, but no clause of it permits this")
        else:
            judged.append(one)
    judged.sort(key=Judged.rank)
    if not judged:
        if silent:
            for citation in silent:
                tally.parts.append((Effect.DENY, citation, None))
        else:
            tally.say(Effect.DENY, Citation("", "", "default"), f"no accord in force between {hop.from_} and {hop.to}")
        return None, None
    best = judged[0]
    tally.parts.append((Effect.PERMIT, best.permit, None))
    tally.reasons.append(Reason(best.permit, Effect.PERMIT, _permit_text(best), None))
    for voice in best.voices:
        assert voice.effect is not None
        tally.parts.append((voice.effect, voice.citation, voice.role))
        tally.reasons.append(voice)
    tally.terms.extend(best.terms)
    for other in judged[1:]:
        tally.note(
            Citation(other.basis.accord.id, "", "basis"), f"is a basis too, but not the best: {other.effect.word}"
        )
    return best.basis.accord.id, best.permit


def _permit_text(judged: Judged) -> str:
    clause = next((c for c in judged.basis.permits if c.id == judged.permit.clause), None)
    doubt = f" (status: {judged.basis.state})" if judged.basis.state != "in_force" else ""
    return (clause.text if clause is not None and clause.text else "permits") + doubt


def _judge(hop: Hop, attributes: Mapping[str, Any], basis: Basis, tally: Tally) -> Judged | None:
    permit, missing = _permit(hop, attributes, basis)
    if permit is None:
        return None
    out = Judged(basis, Citation(basis.accord.id, permit.id))
    release = f"{hop.from_}.release_authority"
    if missing:
        out.say(Effect.DECIDE, permit.id, f"cannot be judged: {', '.join(missing)} is missing", release)
    if basis.doubtful:
        officer = f"{hop.from_}.treaty_officer"
        out.say(Effect.DECIDE, "status", f"the status is {basis.state}", officer)
    owners = Owners.of_basis(hop, attributes)
    for clause in basis.restricts:
        truth, absent = all_hold(clause.when, attributes, hop.rank)
        if truth is not Truth.FALSE:
            _restrict(hop, attributes, out, owners, clause, absent)
    protection = protect(basis.accord, attributes.get("level"), hop.from_, hop.to, hop.content.levels)
    if protection.gap is not None:
        out.say(Effect.DECIDE, "equivalence", protection.gap, f"{hop.to}.{protection.office}")
    elif protection.marking:
        out.say(
            Effect.OBLIGE, "equivalence", f"to be protected as {protection.marking}", None, _mark(protection.marking)
        )
    out.joined, clash = obligation.join((*tally.terms, *out.terms), (hop.from_, hop.to))
    out.effect = max((Effect.PERMIT, *(v.effect for v in out.voices if v.effect is not None)))
    if clash:
        out.effect = max(out.effect, Effect.DECIDE)
    if obligation.unenforceable(out.joined, hop.enforces):
        out.effect = Effect.DENY
    if out.effect is Effect.PERMIT and out.joined != obligation.NONE:
        out.effect = Effect.OBLIGE
    return out


def _mark(marking: str) -> Obligations:
    return Obligations(marking=frozenset((marking,)))


def _permit(hop: Hop, attributes: Mapping[str, Any], basis: Basis) -> tuple[Clause | None, tuple[str, ...]]:
    """(first clause that permits, ()), or (first that might, what is missing to know), or (None, ())."""
    maybe: tuple[Clause | None, tuple[str, ...]] = (None, ())
    for clause in basis.permits:
        if attributes.get("exercise") and not any(t.field == "exercise" for t in clause.when):
            continue  # exercise data flows only under a clause that names it
        truth, missing = all_hold(clause.when, attributes, hop.rank)
        if truth is Truth.TRUE:
            return clause, ()
        if truth is Truth.UNKNOWN and maybe[0] is None:
            maybe = (clause, missing)
    return maybe


def _restrict(
    hop: Hop,
    attributes: Mapping[str, Any],
    out: Judged,
    owners: Owners,
    clause: Clause,
    missing: tuple[str, ...],
) -> None:
    assert clause.effect is not None
    effect, role, text = clause.effect, owners.role(clause.by), clause.text or clause.effect.word
    if missing:
        effect, text = Effect.DECIDE, f"cannot be judged: {', '.join(missing)} is missing"
        role = role or owners.offices("release_authority")
    citation = Citation(out.basis.accord.id, clause.id)
    reply = None if clause.absolute else answer(hop, attributes, citation, owners.who(clause.by))
    if reply is None:
        out.say(effect, clause.id, text, role, clause.do)
    elif not reply.grant:
        out.say(Effect.DENY, clause.id, f"refused by {reply.ids}: {text}", role)
    else:
        out.voices.append(Reason(citation, Effect.PERMIT, f"lifted by {reply.ids}: {text}", role))
        for do in reply.terms:
            out.say(Effect.OBLIGE, clause.id, f"terms of {reply.ids}", role, do)
