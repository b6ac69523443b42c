"""The explaining interpreter: one thing, one hop, one decision with every step of its reason.

    decision = worst( every inherited tie, every national caveat, best( legal bases in force from -> to ) )

What enters: a `Hop` and normalised attributes. What leaves: a `Decision`. No text in it depends on a value beyond the
labels the tests use, so that things of one kind share one explanation; the column evaluator in `columns` rests on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kuroshio.accord import obligation
from kuroshio.accord.attributes import REQUIRED
from kuroshio.accord.bases import judge_bases
from kuroshio.accord.condition import Truth, all_hold
from kuroshio.accord.hop import Hop, required_for
from kuroshio.accord.lifting import Owners, answer
from kuroshio.schema import Citation, Decision, Effect, Obligations, Reason

ENGINE = "kuroshio.accord/1"
RELEASE_ROLE = "release_authority"
OFFICER_ROLE = "treaty_officer"
WEAPON_SUBJECT = "weapon_system"


@dataclass
class Tally:
    """What has been said so far: the parts that join into the decision, and the trace."""

    parts: list[tuple[Effect, Citation, str | None]] = field(default_factory=list)
    terms: list[Obligations] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    def say(
        self, effect: Effect, citation: Citation, text: str, role: str | None = None, do: Obligations | None = None
    ) -> None:
        """Add one voice to the decision and to the trace."""
        self.parts.append((effect, citation, role))
        self.reasons.append(Reason(citation, effect, text, role))
        if do is not None:
            self.terms.append(do)

    def note(self, citation: Citation, text: str, role: str | None = None) -> None:
        """Add a step to the trace that decides nothing."""
        self.reasons.append(Reason(citation, None, text, role))


def interpret(hop: Hop, attributes: Mapping[str, Any]) -> Decision:
    """Decision on one thing for one hop.

    Parameters
    ----------
    hop
        Ends, times and the agreements that can speak.
    attributes
        Of `attributes.normalise`; None is unknown.
    """
    tally = Tally()
    if hop.from_ == hop.to:
        return Decision(Effect.PERMIT, (), rules_digest=hop.digest, engine=ENGINE)
    _of_the_thing(hop, attributes, tally)
    _ties(hop, attributes, tally)
    _caveats(hop, attributes, tally)
    basis, permit = judge_bases(hop, attributes, tally)
    return _combined(hop, attributes, tally, basis, permit)


def _default(clause: str) -> Citation:
    return Citation("item", clause, "default")


def _of_the_thing(hop: Hop, attributes: Mapping[str, Any], tally: Tally) -> None:
    role = f"{hop.from_}.{RELEASE_ROLE}"
    for name in REQUIRED:
        if attributes.get(name) is None:
            tally.say(Effect.DECIDE, _default(name), f"{name} is missing or not a declared word", role)
    if attributes.get("subject") == WEAPON_SUBJECT:
        tally.say(Effect.DENY, _default("subject"), "weapon systems are outside every agreement this node handles")
    held = attributes.get("held_under")
    if held is None and attributes.get("originator") not in (None, hop.from_):
        text = "held_under is missing: under which accord it was received is not known"
        tally.say(Effect.DECIDE, _default("held_under"), text, role)
    limit = attributes.get("releasable_to")
    if limit is not None and hop.to not in limit:
        tally.say(Effect.DENY, _default("releasable_to"), "the originator limits it to other parties")
    known = frozenset(m for p in hop.content.parties.values() for m in p.markings)
    markings = attributes.get("caveats")
    if markings is None or (hop.content.parties and not markings <= known):
        tally.say(Effect.DECIDE, _default("caveats"), "it carries a national marking that no party declares", role)


def _ties(hop: Hop, attributes: Mapping[str, Any], tally: Tally) -> None:
    for accord_id in sorted(attributes.get("held_under") or ()):
        accord = hop.content.accords.get(accord_id)
        if accord is None:
            text = f"held under {accord_id}, which this node has no file of: its ties are not known"
            tally.say(Effect.DECIDE, Citation(accord_id, "", "tie"), text, f"{hop.from_}.{OFFICER_ROLE}")
            continue
        owners = Owners.of_tie(hop, attributes, accord)
        for clause in hop.ties[accord_id]:
            truth, missing = all_hold(clause.when, attributes, hop.rank)
            if truth is Truth.FALSE:
                continue
            citation = Citation(accord_id, clause.id, "tie")
            assert clause.effect is not None  # a sticky duty is kept out by the build
            effect, role, text = clause.effect, owners.role(clause.by), clause.text or "tie of the accord it came under"
            if truth is Truth.UNKNOWN:
                effect, text = Effect.DECIDE, f"cannot be judged: {', '.join(missing)} is missing"
                role = role or owners.offices(RELEASE_ROLE)
            elif accord_id in hop.lapsed and not clause.survives and effect < Effect.DENY:
                effect, role = Effect.DECIDE, role or owners.offices(OFFICER_ROLE)
                text = "the accord is no longer in force and the clause does not say that it survives"
            _said(
                hop,
                attributes,
                tally,
                (effect, citation, text, role, clause.do),
                owners.who(clause.by),
                absolute=clause.absolute,
            )


def _caveats(hop: Hop, attributes: Mapping[str, Any], tally: Tally) -> None:
    concerned = {hop.from_, attributes.get("originator")}
    for accord_id in attributes.get("held_under") or ():
        accord = hop.content.accords.get(accord_id)
        concerned.update(accord.parties if accord else ())
    for caveat in hop.caveats:
        if caveat.party not in concerned and attributes.get("originator") is not None:
            continue
        truth, missing = all_hold(caveat.when, attributes, hop.rank)
        if truth is Truth.FALSE:
            continue
        owners = Owners(hop, attributes, frozenset((caveat.party,)))
        effect, role, text = caveat.effect, owners.role(caveat.by), caveat.text or f"national rule of {caveat.party}"
        if truth is Truth.UNKNOWN:
            effect, text = Effect.DECIDE, f"cannot be judged: {', '.join(missing)} is missing"
            role = role or owners.offices(RELEASE_ROLE)
        citation = Citation(caveat.party, caveat.id, "caveat")
        _said(
            hop,
            attributes,
            tally,
            (effect, citation, text, role, caveat.do),
            owners.who(caveat.by),
            absolute=caveat.absolute,
        )


Voice = tuple[Effect, Citation, str, str | None, Obligations | None]


def _said(
    hop: Hop, attributes: Mapping[str, Any], tally: Tally, voice: Voice, who: frozenset[str], *, absolute: bool
) -> None:
    """One tie or caveat, after the consents that may answer it."""
    effect, citation, text, role, do = voice
    reply = None if absolute else answer(hop, attributes, citation, who)
    if reply is None:
        tally.say(effect, citation, text, role, do)
        return
    cited = Citation(reply.ids, f"answers {citation}", "consent")
    if not reply.grant:
        tally.say(Effect.DENY, cited, f"refused: {text}", role)
        return
    tally.note(cited, f"lifted: {text}", role)
    tally.terms.extend(reply.terms)
    if reply.terms:
        tally.say(Effect.OBLIGE, cited, "the consent has terms", role)


def _combined(
    hop: Hop, attributes: Mapping[str, Any], tally: Tally, basis: str | None, permit: Citation | None
) -> Decision:
    terms, clash = obligation.join(tally.terms, (hop.from_, hop.to))
    if clash:
        text = f"terms that cannot be met together: {', '.join(clash)}"
        tally.say(Effect.DECIDE, Citation("terms", "", "default"), text, f"{hop.from_}.{RELEASE_ROLE}")
    lacking = obligation.unenforceable(terms, hop.enforces)
    if lacking:
        text = f"the receiver has not declared that it can enforce {', '.join(lacking)}"
        tally.say(Effect.DENY, Citation("terms", "", "default"), text)
    effect = max((e for e, _, _ in tally.parts), default=Effect.PERMIT)
    if effect is Effect.PERMIT and terms != obligation.NONE:
        effect = Effect.OBLIGE
    deciding = [c for e, c, _ in tally.parts if e is effect and c.accord]
    cites = list(dict.fromkeys(deciding))
    if effect <= Effect.OBLIGE and permit is not None:
        cites = [permit, *(c for c in cites if c != permit)]
    roles = sorted({r for e, _, r in tally.parts if e is Effect.DECIDE and r}) if effect is Effect.DECIDE else []
    held = set(attributes.get("held_under") or ())
    if basis is not None:
        kind = attributes.get("kind")
        bilaterals = (a for a in hop.inherits if kind is None or kind in hop.content.accords[a].kinds)
        held |= {*bilaterals, *required_for(hop.content, basis, hop.from_, hop.to)}
    return Decision(
        effect=effect,
        cites=tuple(cites),
        obligations=terms if effect < Effect.DENY else obligation.NONE,
        role=", ".join(roles) or None,
        basis=basis if effect < Effect.DENY else None,
        reasons=tuple(tally.reasons),
        rules_digest=hop.digest,
        engine=ENGINE,
        held_under=tuple(sorted(held)) if effect < Effect.DENY else (),
    )
