"""Who may answer a clause, and what they answered.

What enters: the hop, the thing, the clause cited. What leaves: the parties whose word counts, the role as a named
office, and the live answer: granted by all of them, refused by one, or silence. Silence is not consent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kuroshio.accord.condition import Truth, all_hold
from kuroshio.accord.hop import Hop
from kuroshio.accord.model import Accord, Consent
from kuroshio.clock import rfc3339
from kuroshio.schema import Citation, Decision, Effect, Obligations, Reason


@dataclass(frozen=True)
class Owners:
    """The parties that ``originator`` stands for in a clause.

    The originator of the thing where it is not the releaser itself. For what the releaser made of things received
    under an accord, every other party of that accord: a derived product strips no tie.
    """

    hop: Hop
    attributes: Mapping[str, Any]
    parties: frozenset[str]

    @classmethod
    def of_tie(cls, hop: Hop, attributes: Mapping[str, Any], accord: Accord) -> Owners:
        """Owners of what is held under an accord."""
        originator = attributes.get("originator")
        if originator is not None and originator != hop.from_:
            return cls(hop, attributes, frozenset((originator,)))
        return cls(hop, attributes, frozenset(accord.parties) - {hop.from_} or frozenset(accord.parties))

    @classmethod
    def of_basis(cls, hop: Hop, attributes: Mapping[str, Any]) -> Owners:
        """Owners of a thing judged under a basis: its originator, or the releaser when that is not known."""
        return cls(hop, attributes, frozenset((attributes.get("originator") or hop.from_,)))

    def role(self, by: str | None) -> str | None:
        """Office named, ``originator.release_authority`` with the party put in; several are joined by a comma."""
        if by is None:
            return None
        end, office = by.split(".", 1)
        return ", ".join(f"{party}.{office}" for party in sorted(self._named(end)))

    def offices(self, office: str) -> str:
        """That office of every owner: who is asked where the clause names no role."""
        return ", ".join(f"{party}.{office}" for party in sorted(self.parties))

    def who(self, by: str | None) -> frozenset[str]:
        """Parties that must all consent: those of the clause's role, or the owners where it names none."""
        return self._named(by.split(".", 1)[0]) if by else self.parties

    def _named(self, end: str) -> frozenset[str]:
        if end == "originator":
            return self.parties
        return frozenset(({"releaser": self.hop.from_, "receiver": self.hop.to}.get(end, end),))


@dataclass(frozen=True)
class Reply:
    """A live answer: granted by all who must, or refused by one; with the terms of the consents."""

    grant: bool
    ids: str
    terms: tuple[Obligations, ...]


def answer(hop: Hop, attributes: Mapping[str, Any], citation: Citation, owners: frozenset[str]) -> Reply | None:
    """Answer to the clause cited for this thing, or None where someone has not spoken."""
    live = hop.consents.get((citation.accord, citation.clause), ())
    return settle([c for c in live if all_hold(c.when, attributes, hop.rank)[0] is Truth.TRUE], owners)


def settle(consents: Sequence[Consent], owners: frozenset[str]) -> Reply | None:
    """What the consents whose scope holds amount to, or None where someone has not spoken.

    The latest recorded word of each party counts; of two recorded together a refusal counts.
    """
    spoken: dict[str, Consent] = {}
    for consent in consents:
        if consent.from_ not in owners:
            continue
        known = spoken.get(consent.from_)
        if known is None or _later(consent) > _later(known):
            spoken[consent.from_] = consent
    refused = sorted(c.id for c in spoken.values() if not c.grant)
    if refused:
        return Reply(False, refused[0], ())
    if not owners or set(spoken) != set(owners):
        return None
    given = sorted(spoken.values(), key=lambda c: c.id)
    return Reply(True, ", ".join(c.id for c in given), tuple(c.do for c in given if c.do is not None))


def _later(consent: Consent) -> tuple[int, bool, str]:
    return (consent.recorded_us if consent.recorded_us is not None else -(2**62), not consent.grant, consent.id)


def answers(
    decision: Decision,
    *,
    party: str,
    item_id: str,
    to: str,
    from_us: int,
    until_us: int,
    by: str,
    grant: bool = True,
    note: str | None = None,
) -> list[dict[str, Any]]:
    """Consents, in the form of a file's ``consents``, by which one party answers a decision on one thing.

    Parameters
    ----------
    decision
        A decision of effect ``decide``.
    party, by
        Party that answers, and the person who does.
    item_id, to
        The thing and the recipient the answer is for; nothing wider.
    from_us, until_us
        Period it holds, UTC microseconds; it is recorded at its start.
    grant
        False refuses.
    note
        Reason given.

    Returns
    -------
    list
        One a clause that asks this party. Empty where it is not asked, or where only facts are missing (an attribute, a
        status, a level mark): those are supplied or settled, not consented to.
    """
    out: list[dict[str, Any]] = []
    for reason in decision.reasons:
        asked = {r.split(".", 1)[0] for r in (reason.role or "").split(", ")}
        cited = reason.citation
        if reason.effect is not Effect.DECIDE or party not in asked or cited.kind not in ("tie", "caveat", "basis"):
            continue
        if not cited.clause or cited.clause in ("status", "equivalence", "terms") or _is_permit(decision, reason):
            continue
        plain: dict[str, Any] = {
            "id": f"{'C' if grant else 'R'}-{party}-{from_us}-{len(out) + 1}-{_short(item_id, to, str(cited))}",
            "lifts": [cited.accord, cited.clause],
            "from": party,
            "to": [to],
            "by": by,
            "answer": "grant" if grant else "refuse",
            "when": {"item_id": {"eq": item_id}},
            "valid": {"from": rfc3339(from_us), "until": rfc3339(until_us)},
            "recorded": rfc3339(from_us),
        }
        out.append({**plain, "note": note} if note else plain)
    return out


def _is_permit(decision: Decision, reason: Reason) -> bool:
    """True for the voice of a permit that could not be judged: the attribute is wanted, not a consent."""
    return any(r.effect is Effect.PERMIT and r.citation == reason.citation for r in decision.reasons)


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
