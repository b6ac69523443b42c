"""Decisions on a whole table for several recipients: effect and explanation of every row, each explained once.

What enters: a `Factored` table and one `Hop` a recipient. What leaves: `Decisions`. Verdict and terms come from the
compiled evaluator; the words of an explanation from the interpreter, asked for one thing of its kind when it is read.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from kuroshio.accord.columns import PARALLEL_FROM_ROWS, THREADS, Factored
from kuroshio.accord.compiled import HopVerdicts, TooManyTerms, compile_hop
from kuroshio.accord.hop import Hop
from kuroshio.accord.interpret import interpret
from kuroshio.accord.kernels import gather
from kuroshio.accord.truth import TruthTable
from kuroshio.schema import Decision, Effect, Obligations


class Palette(Sequence[Decision]):
    """Distinct explanations; each is written by the interpreter when first read, then kept.

    Parameters
    ----------
    factored, hops
        What the decisions are about.
    places
        (hop, kind) of one thing of each code.
    """

    def __init__(self, factored: Factored, hops: Sequence[Hop], places: Sequence[tuple[int, int]]) -> None:
        self._factored, self._hops, self._places = factored, hops, places
        self._read: dict[int, Decision] = {}

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, code: int) -> Decision: ...
    @overload
    def __getitem__(self, code: slice) -> list[Decision]: ...

    def __getitem__(self, code: int | slice) -> Decision | list[Decision]:
        if isinstance(code, slice):
            return [self[i] for i in range(*code.indices(len(self)))]
        at = range(len(self))[code]
        found = self._read.get(at)
        if found is None:
            hop, kind = self._places[at]
            found = self._read[at] = interpret(self._hops[hop], self._factored.kind(kind))
        return found


@dataclass(frozen=True)
class Decisions:
    """Decision of each row for each recipient.

    Parameters
    ----------
    to
        Recipients, m of them.
    effect
        uint8[n, m], values of `Effect`.
    code
        int32[n, m], index into ``palette``: verdict, terms and explanation in one.
    palette
        Decision of each code; those of different recipients have different codes.
    effects, terms
        Effect and terms of each code, known without reading the palette.
    rows_by_code
        int64[palette], rows of each code.
    of_party
        Index of the recipient each code belongs to.
    factored, table
        The kinds of the rows, and int32[K, m], the code of each kind for each recipient.
    """

    to: tuple[str, ...]
    effect: npt.NDArray[np.uint8]
    code: npt.NDArray[np.int32]
    palette: Sequence[Decision]
    effects: npt.NDArray[np.uint8]
    terms: list[Obligations]
    rows_by_code: npt.NDArray[np.int64]
    of_party: npt.NDArray[np.int32]
    factored: Factored
    table: npt.NDArray[np.int32]

    def at(self, row: int, to: str) -> Decision:
        """Decision on one row for one recipient."""
        return self.palette[int(self.code[row, self.to.index(to)])]

    def counts(self) -> dict[str, Any]:
        """Rows by effect, by party and effect, and by party and clause that decided."""
        by_party: dict[str, dict[str, int]] = {p: {e.word: 0 for e in Effect} for p in self.to}
        by_clause: dict[str, Counter[str]] = {p: Counter() for p in self.to}
        total: Counter[str] = Counter({e.word: 0 for e in Effect})
        for code, (rows, j) in enumerate(zip(self.rows_by_code.tolist(), self.of_party.tolist(), strict=True)):
            if not rows:
                continue
            word = Effect(int(self.effects[code])).word
            by_party[self.to[j]][word] += rows
            total[word] += rows
            by_clause[self.to[j]][self.palette[code].cited] += rows
        sorted_clauses = {
            party: dict(sorted(named.items(), key=lambda kv: (-kv[1], kv[0]))) for party, named in by_clause.items()
        }
        return {"effect": dict(total), "party": by_party, "clause": sorted_clauses}


def decide(factored: Factored, hops: Sequence[Hop]) -> Decisions:
    """Decisions of all rows for all hops.

    Parameters
    ----------
    factored
        n rows of K kinds.
    hops
        One a recipient, of one releaser and one moment.
    """
    kinds, parties = factored.size, len(hops)
    table = np.zeros((kinds, parties), np.int32)
    effects = np.zeros((kinds, parties), np.uint8)
    places: list[tuple[int, int]] = []
    terms: list[Obligations] = []
    truth = TruthTable(factored, hops[0].rank) if hops else None
    for j, hop in enumerate(hops):
        assert truth is not None
        verdicts = _verdicts(truth, hop)
        table[:, j] = verdicts.code + len(places)
        effects[:, j] = verdicts.effect
        places.extend((j, kind) for kind in verdicts.first.tolist())
        terms.extend(verdicts.terms[i] for i in verdicts.terms_code[verdicts.first].tolist())
    rows_by_code = np.zeros(len(places), np.int64)
    for j in range(parties):
        rows_by_code += np.bincount(table[:, j], factored.count, len(places)).astype(np.int64)
    first_hop = np.array([hop for hop, _ in places], np.int32)
    effect_by_code = np.array([effects[kind, hop] for hop, kind in places], np.uint8)
    out_code, out_effect = gather_all(factored.code, table, effects)
    palette = Palette(factored, hops, places)
    names = tuple(h.to for h in hops)
    return Decisions(
        names, out_effect, out_code, palette, effect_by_code, terms, rows_by_code, first_hop, factored, table
    )


def gather_all(
    code: npt.NDArray[np.int32], table: npt.NDArray[np.int32], effects: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    """(code, effect) of every row for every recipient, from those of the kinds."""
    rows, parties = len(code), table.shape[1]
    out_code, out_effect = np.empty((rows, parties), np.int32), np.empty((rows, parties), np.uint8)
    if rows < PARALLEL_FROM_ROWS:
        gather(code, table, effects, out_code, out_effect, 0, rows)
        return out_code, out_effect
    bounds = np.linspace(0, rows, THREADS + 1).astype(np.int64).tolist()
    with ThreadPoolExecutor(THREADS) as pool:
        done = [
            pool.submit(gather, code, table, effects, out_code, out_effect, start, stop)
            for start, stop in itertools.pairwise(bounds)
        ]
        for one in done:
            one.result()
    return out_code, out_effect


def _verdicts(truth: TruthTable, hop: Hop) -> HopVerdicts:
    try:
        return compile_hop(truth, hop)
    except TooManyTerms:
        return _interpreted(truth.factored, hop)


def _interpreted(factored: Factored, hop: Hop) -> HopVerdicts:
    """The interpreter asked for every kind: slow, for a hop with more terms than the compiled form can hold."""
    index: dict[Decision, int] = {}
    code = np.zeros(factored.size, np.int32)
    first: list[int] = []
    for k in range(factored.size):  # over kinds, not over rows
        decision = interpret(hop, factored.kind(k))
        if decision not in index:
            index[decision] = len(first)
            first.append(k)
        code[k] = index[decision]
    decisions = list(index)
    effect = np.array([d.effect for d in decisions], np.uint8)[code] if decisions else np.zeros(0, np.uint8)
    listed = [d.obligations for d in decisions]
    return HopVerdicts(effect, code, listed, code, np.array(first, np.int64))
