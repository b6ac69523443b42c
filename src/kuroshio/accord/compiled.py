"""The compiled evaluator: verdict, terms and explanation id of all kinds of thing on one hop, column by column.

What enters: a `TruthTable` and a `Hop`. What leaves: `HopVerdicts`. It says the same as `interpret`, step for step and
in the same order; property tests hold the two equal on every kind. It writes no text: the interpreter is asked for the
words of an explanation when someone reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.accord import obligation
from kuroshio.accord.attributes import REQUIRED
from kuroshio.accord.hop import Hop
from kuroshio.accord.interpret import WEAPON_SUBJECT
from kuroshio.accord.lifting import settle
from kuroshio.accord.model import Accord, Caveat, Clause
from kuroshio.accord.truth import Bools, Signature, TruthTable
from kuroshio.schema import Effect, Obligations

Effects = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.int64]
MAX_TERMS = 62
SILENT, GRANTED, REFUSED = 0, 1, 2


def _holds_any(accords: frozenset[str]) -> Callable[[Any], bool]:
    return lambda held: bool(held) and not accords.isdisjoint(held)


def _is_or_unknown(party: str) -> Callable[[Any], bool]:
    return lambda originator: originator is None or originator == party


def _always(party: str) -> Callable[[str | None], frozenset[str]]:
    return lambda originator: frozenset((party,))


class TooManyTerms(Exception):
    """More distinct terms on one hop than bits in a word: the interpreter takes the hop instead."""


@dataclass
class Terms:
    """Distinct terms met on one hop, a bit each, and what sets of them join to."""

    hop: Hop
    listed: list[Obligations] = field(default_factory=list)
    index: dict[Obligations, int] = field(default_factory=dict)
    joined: dict[int, tuple[Obligations, bool, bool]] = field(default_factory=dict)

    def bit(self, terms: Obligations) -> int:
        """The bit of these terms."""
        at = self.index.setdefault(terms, len(self.listed))
        if at == len(self.listed):
            if at == MAX_TERMS:
                raise TooManyTerms
            self.listed.append(terms)
        return 1 << at

    def join(self, bits: int) -> tuple[Obligations, bool, bool]:
        """(joined terms, whether they clash, whether the receiver cannot enforce them) of a set of bits."""
        found = self.joined.get(bits)
        if found is None:
            named = [t for i, t in enumerate(self.listed) if bits >> i & 1]
            terms, clash = obligation.join(named, (self.hop.from_, self.hop.to))
            found = (terms, bool(clash), bool(obligation.unenforceable(terms, self.hop.enforces)))
            self.joined[bits] = found
        return found


@dataclass(frozen=True)
class HopVerdicts:
    """For each kind: effect, terms and the code of its explanation; ``first`` is a kind of each code."""

    effect: Effects
    terms_code: npt.NDArray[np.int32]
    terms: list[Obligations]
    code: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]


@dataclass
class Voices:
    """Effect so far, terms so far and signature of all kinds."""

    effect: Effects
    bits: Bits
    signature: Signature

    def raise_to(self, where: Bools, effect: Effect) -> None:
        """Effect at least this one, where so marked."""
        np.maximum(self.effect, where.view(np.uint8) * np.uint8(effect), out=self.effect)

    def note(self, where: Bools) -> None:
        """One bit of signature."""
        self.signature.add(where, 2)


class HopCompiler:
    """Works through one hop in the order of the interpreter."""

    def __init__(self, table: TruthTable, hop: Hop) -> None:
        self.t, self.hop = table, hop
        self.terms = Terms(hop)
        self.any_unknown = table.nowhere.copy()

    def voices(self) -> Voices:
        """Nothing said yet."""
        size = self.t.size
        return Voices(np.zeros(size, np.uint8), np.zeros(size, np.int64), Signature(size))

    def run(self) -> HopVerdicts:
        """Verdicts of all kinds."""
        from kuroshio.accord.compiled_bases import BasisCompiler

        t, hop = self.t, self.hop
        if hop.from_ == hop.to:
            zero = np.zeros(t.size, np.int32)
            return HopVerdicts(zero.astype(np.uint8), zero, [obligation.NONE], zero, np.zeros(min(t.size, 1), np.int64))
        said = self.voices()
        for name in ("kind", "originator", "held_under"):
            said.signature.add(t.codes(name), len(t.values(name)))
        self._of_the_thing(said)
        self._ties(said)
        self._caveats(said)
        BasisCompiler(self).judge(said)
        return self._combined(said)

    def _of_the_thing(self, said: Voices) -> None:
        t, hop = self.t, self.hop
        for name in REQUIRED:
            missing = t.where(name, lambda v: v is None)
            said.raise_to(missing, Effect.DECIDE)
            said.note(missing)
        weapon = t.where("subject", lambda v: v == WEAPON_SUBJECT)
        limited = t.where("releasable_to", lambda v: v is not None and hop.to not in v)
        foreign = t.where("originator", lambda v: v not in (None, hop.from_))
        orphan = t.where("held_under", lambda v: v is None) & foreign
        known = frozenset(m for p in hop.content.parties.values() for m in p.markings)
        checked = bool(hop.content.parties)
        marked = t.where("caveats", lambda v: v is None or (checked and not v <= known))
        for where, effect in (
            (weapon, Effect.DENY),
            (limited, Effect.DENY),
            (orphan, Effect.DECIDE),
            (marked, Effect.DECIDE),
        ):
            said.raise_to(where, effect)
            said.note(where)

    def _ties(self, said: Voices) -> None:
        held = sorted({a for v in self.t.values("held_under") if v for a in v})
        for accord_id in held:
            member = self.t.where("held_under", _holds_any(frozenset((accord_id,))))
            accord = self.hop.content.accords.get(accord_id)
            if accord is None:
                said.raise_to(member, Effect.DECIDE)
                continue
            for clause in self.hop.ties[accord_id]:
                self._tie(said, accord, clause, member)

    def _tie(self, said: Voices, accord: Accord, clause: Clause, member: Bools) -> None:
        hop = self.hop
        assert clause.effect is not None
        effect = clause.effect
        if accord.id in hop.lapsed and not clause.survives and effect < Effect.DENY:
            effect = Effect.DECIDE

        def owners(originator: str | None) -> frozenset[str]:
            if originator is not None and originator != hop.from_:
                return frozenset((originator,))
            return frozenset(accord.parties) - {hop.from_} or frozenset(accord.parties)

        self._restriction(said, (accord.id, clause, effect), member, owners)

    def _caveats(self, said: Voices) -> None:
        t, hop = self.t, self.hop
        for caveat in hop.caveats:
            if caveat.party == hop.from_:
                concerned = t.everywhere
            else:
                of_it = frozenset(a.id for a in hop.content.accords.values() if caveat.party in a.parties)
                concerned = t.where("originator", _is_or_unknown(caveat.party)) | t.where(
                    "held_under", _holds_any(of_it)
                )
            self._restriction(said, (caveat.party, caveat, caveat.effect), concerned, _always(caveat.party))

    def _restriction(
        self,
        said: Voices,
        voice: tuple[str, Clause | Caveat, Effect],
        among: Bools,
        owners: Callable[[str | None], frozenset[str]],
    ) -> None:
        """One tie or caveat: its truth, the answers given to it, its effect and terms."""
        accord_id, clause, effect = voice
        possible, certain = self.t.when(clause.when)
        possible, certain = possible & among, certain & among
        unknown = possible & ~certain
        said.note(possible)
        said.note(certain)
        if unknown.any():
            self.any_unknown |= unknown
        replies = self.replies(said, (accord_id, clause), possible, owners)
        do = self.terms.bit(clause.do) if clause.do is not None else 0
        if replies is None:
            said.raise_to(certain, effect)
            said.raise_to(unknown, Effect.DECIDE)
            said.bits |= possible * np.int64(do)
            return
        state, bits = replies
        silent = state == SILENT
        said.raise_to(certain & silent, effect)
        said.raise_to(unknown & silent, Effect.DECIDE)
        said.raise_to(possible & (state == REFUSED), Effect.DENY)
        said.raise_to(possible & (bits != 0), Effect.OBLIGE)
        said.bits |= np.where(possible & silent, do, 0) | np.where(possible, bits, 0)

    def replies(
        self,
        said: Voices,
        voice: tuple[str, Clause | Caveat],
        possible: Bools,
        owners: Callable[[str | None], frozenset[str]],
    ) -> tuple[npt.NDArray[np.uint8], Bits] | None:
        """(state of the answer, bits of its terms) of each kind; None where no consent could answer."""
        accord_id, clause = voice
        live = self.hop.consents.get((accord_id, clause.id), ())
        if not live or clause.absolute or not possible.any():
            return None
        scope = Signature(self.t.size)
        scope.add(self.t.codes("originator"), len(self.t.values("originator")))
        certain = [self.t.when(c.when)[1] for c in live]
        for one in certain:
            scope.add(one, 2)
        code, first = scope.dense()
        states = np.zeros(len(first), np.uint8)
        bits = np.zeros(len(first), np.int64)
        for i, kind in enumerate(first.tolist()):  # over originators and scopes, not over kinds
            originator = self.t.values("originator")[self.t.codes("originator")[kind]]
            who = self._who(clause.by, owners(originator))
            reply = settle([c for c, scoped in zip(live, certain, strict=True) if scoped[kind]], who)
            if reply is None:
                continue
            states[i] = GRANTED if reply.grant else REFUSED
            for terms in reply.terms:
                bits[i] |= self.terms.bit(terms)
        state = np.where(possible, states[code], SILENT).astype(np.uint8)
        said.signature.add(np.where(possible, code, len(first)), len(first) + 1)
        return state, np.where(possible, bits[code], 0)

    def _who(self, by: str | None, owners: frozenset[str]) -> frozenset[str]:
        if by is None:
            return owners
        end = by.split(".", 1)[0]
        if end == "originator":
            return owners
        return frozenset(({"releaser": self.hop.from_, "receiver": self.hop.to}.get(end, end),))

    def _combined(self, said: Voices) -> HopVerdicts:
        sets, inverse = np.unique(said.bits, return_inverse=True)
        joined = [self.terms.join(int(bits)) for bits in sets.tolist()]
        clash = np.array([c for _, c, _ in joined], np.bool_)[inverse]
        lacking = np.array([u for _, _, u in joined], np.bool_)[inverse]
        said.raise_to(clash, Effect.DECIDE)
        said.raise_to(lacking, Effect.DENY)
        some = np.array([t != obligation.NONE for t, _, _ in joined], np.bool_)[inverse]
        said.raise_to(some, Effect.OBLIGE)
        said.signature.add(inverse, max(len(sets), 1))
        if self.any_unknown.any():
            mask, codes = np.unique(np.where(self.any_unknown, self.t.unknown_mask(), 0), return_inverse=True)
            said.signature.add(codes, len(mask))
        code, first = said.signature.dense()
        listed: list[Obligations] = [obligation.NONE]
        places = [0] * len(joined)
        for i, (terms, _, _) in enumerate(joined):
            if terms not in listed:
                listed.append(terms)
            places[i] = listed.index(terms)
        terms_code = np.where(said.effect < Effect.DENY, np.array(places, np.int32)[inverse], 0)
        return HopVerdicts(said.effect, terms_code.astype(np.int32), listed, code, first)


def compile_hop(table: TruthTable, hop: Hop) -> HopVerdicts:
    """Verdicts of all kinds on one hop.

    Raises
    ------
    TooManyTerms
        When the hop has more than 62 distinct terms; `decisions.decide` then asks the interpreter.
    """
    return HopCompiler(table, hop).run()
