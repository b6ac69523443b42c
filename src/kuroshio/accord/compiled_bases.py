"""The bases of all kinds of thing on one hop, and the best of them by the declared order, column by column.

What enters: the `HopCompiler` at work. What leaves: the voices of the best basis, added to what was said. The same as
`bases.judge_bases`, held equal by property tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kuroshio.accord import obligation
from kuroshio.accord.hop import Basis
from kuroshio.accord.levels import protect
from kuroshio.accord.truth import Bools
from kuroshio.schema import Effect, Obligations

if TYPE_CHECKING:
    from kuroshio.accord.compiled import HopCompiler, Voices


@dataclass
class Judged:
    """One basis over all kinds: where it is one, effect of its voices, rank key, terms, explanation."""

    basis: Basis
    has: Bools
    considered: Bools
    voices: Voices
    rank_code: npt.NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    rank_keys: list[tuple[Any, ...]] = field(default_factory=list)


class BasisCompiler:
    """Judges each basis, then takes the best for each kind."""

    def __init__(self, compiler: HopCompiler) -> None:
        self.c = compiler
        self.t, self.hop = compiler.t, compiler.hop

    def judge(self, said: Voices) -> None:
        """Add the best basis of each kind to what was said; deny where there is none."""
        outer = said.bits.copy()
        judged = [self._judge(basis, outer) for basis in self.hop.bases]
        if not judged:
            said.raise_to(self.t.everywhere, Effect.DENY)
            return
        ordered = sorted({key for one in judged for key in one.rank_keys})
        place = {key: i for i, key in enumerate(ordered)}
        last = len(ordered)
        ranks = np.full((len(judged), self.t.size), last, np.int64)
        for b, one in enumerate(judged):
            places = np.array([place[k] for k in one.rank_keys], np.int64)
            ranks[b] = np.where(one.has, places[one.rank_code], last) if len(places) else last
        best = np.argmin(ranks, axis=0)
        none = ranks[best, np.arange(self.t.size)] == last
        said.raise_to(none, Effect.DENY)
        for b, one in enumerate(judged):
            mine = (best == b) & ~none
            said.effect = np.maximum(said.effect, np.where(mine, one.voices.effect, 0)).astype(np.uint8)
            said.bits |= np.where(mine, one.voices.bits, 0)
            codes, first = one.voices.signature.dense()
            said.signature.add(np.where(mine, codes.astype(np.int64) + 1, 0), len(first) + 1)
            said.signature.add(ranks[b], last + 1)
            said.note(one.considered)

    def _judge(self, basis: Basis, outer: npt.NDArray[np.int64]) -> Judged:
        considered = self.t.where("kind", lambda v: v is None or v in basis.accord.kinds)
        voices = self.c.voices()
        certain, maybe = self._permits(basis, voices)
        has = (certain | maybe) & considered
        voices.raise_to(maybe, Effect.DECIDE)
        if (maybe & has).any():
            self.c.any_unknown |= maybe & has
        if basis.doubtful:
            voices.raise_to(self.t.everywhere, Effect.DECIDE)
        for clause in basis.restricts:
            self._restrict(basis, clause, voices, has)
        self._protect(basis, voices)
        return self._ranked(Judged(basis, has, considered, voices), outer)

    def _permits(self, basis: Basis, voices: Voices) -> tuple[Bools, Bools]:
        """(kinds some clause permits, kinds one might if more were known); which clause goes into the signature."""
        size = self.t.size
        first_sure = np.full(size, len(basis.permits), np.int64)
        first_maybe = first_sure.copy()
        exercise = self.t.where("exercise", bool)
        for i in range(len(basis.permits) - 1, -1, -1):
            clause = basis.permits[i]
            possible, certain = self.t.when(clause.when)
            if not any(test.field == "exercise" for test in clause.when):
                possible, certain = possible & ~exercise, certain & ~exercise
            first_sure[certain] = i
            first_maybe[possible & ~certain] = i
        sure = first_sure < len(basis.permits)
        maybe = ~sure & (first_maybe < len(basis.permits))
        voices.signature.add(np.where(sure, first_sure, first_maybe), len(basis.permits) + 1)
        voices.note(sure)
        return sure, maybe

    def _restrict(self, basis: Basis, clause: Any, voices: Voices, has: Bools) -> None:
        hop = self.hop
        possible, certain = self.t.when(clause.when)
        unknown = possible & ~certain
        voices.note(possible)
        voices.note(certain)
        if (unknown & has).any():
            self.c.any_unknown |= unknown & has
        replies = self.c.replies(
            voices, (basis.accord.id, clause), possible, lambda originator: frozenset((originator or hop.from_,))
        )
        do = self.c.terms.bit(clause.do) if clause.do is not None else 0
        effect = np.where(unknown, np.uint8(Effect.DECIDE), np.uint8(clause.effect))
        if replies is None:
            np.maximum(voices.effect, np.where(possible, effect, 0), out=voices.effect, casting="unsafe")
            voices.bits |= possible * np.int64(do)
            return
        state, bits = replies
        answered = np.choose(state, (effect, np.where(bits != 0, Effect.OBLIGE, 0), np.uint8(Effect.DENY)))
        np.maximum(voices.effect, np.where(possible, answered, 0), out=voices.effect, casting="unsafe")
        voices.bits |= np.where(possible & (state == 0), do, 0) | bits

    def _protect(self, basis: Basis, voices: Voices) -> None:
        if not basis.accord.equivalence:
            return
        hop = self.hop
        levels = self.t.values("level")
        found = [protect(basis.accord, v, hop.from_, hop.to, hop.content.levels) for v in levels]
        codes = self.t.codes("level")
        voices.raise_to(np.array([p.gap is not None for p in found], np.bool_)[codes], Effect.DECIDE)
        marks = [
            self.c.terms.bit(Obligations(marking=frozenset((p.marking,)))) if p.gap is None and p.marking else 0
            for p in found
        ]
        bits = np.array(marks, np.int64)[codes]
        voices.raise_to(bits != 0, Effect.OBLIGE)
        voices.bits |= bits
        voices.signature.add(codes, len(levels))

    def _ranked(self, one: Judged, outer: npt.NDArray[np.int64]) -> Judged:
        """Rank key of each kind: the effect and terms this basis would leave with all ties and caveats joined."""
        accord = one.basis.accord
        sets, inverse = np.unique(one.voices.bits | outer, return_inverse=True)
        joined = [self.c.terms.join(int(bits)) for bits in sets.tolist()]
        pairs, one.rank_code = np.unique(inverse * len(Effect) + one.voices.effect, return_inverse=True)
        treaty = 0 if accord.binding == "treaty" else 1
        for pair in pairs.tolist():
            terms, clash, lacking = joined[pair // len(Effect)]
            effect = Effect(pair % len(Effect))
            effect = Effect.DENY if lacking else max(effect, Effect.DECIDE) if clash else effect
            if effect is Effect.PERMIT and terms != obligation.NONE:
                effect = Effect.OBLIGE
            one.rank_keys.append((effect, treaty, obligation.weight(terms), accord.id))
        return one
