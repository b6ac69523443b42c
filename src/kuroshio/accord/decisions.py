"""Decisions on a whole table for several recipients: effect and explanation of every row, each explained once.

What enters: a `Factored` table and one `Hop` a recipient. What leaves: `Decisions`. The meaning is the interpreter's:
it is asked once for each kind of thing, and its answer is gathered back to the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.accord.columns import Factored
from kuroshio.accord.hop import Hop
from kuroshio.accord.interpret import interpret
from kuroshio.schema import Decision, Effect


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
        Distinct decisions.
    rows_by_code
        int64[palette, m], rows of each decision for each recipient.
    """

    to: tuple[str, ...]
    effect: npt.NDArray[np.uint8]
    code: npt.NDArray[np.int32]
    palette: list[Decision]
    rows_by_code: npt.NDArray[np.int64]

    def at(self, row: int, to: str) -> Decision:
        """Decision on one row for one recipient."""
        return self.palette[int(self.code[row, self.to.index(to)])]

    def counts(self) -> dict[str, Any]:
        """Rows by party and effect, and by party and clause that decided."""
        by_party: dict[str, dict[str, int]] = {}
        by_clause: dict[str, dict[str, int]] = {}
        total: Counter[str] = Counter()
        for j, party in enumerate(self.to):
            effects: Counter[str] = Counter({e.word: 0 for e in Effect})
            clauses: Counter[str] = Counter()
            for code, rows in enumerate(self.rows_by_code[:, j].tolist()):
                if rows:
                    effects[self.palette[code].effect.word] += rows
                    clauses[self.palette[code].cited] += rows
            by_party[party] = dict(effects)
            by_clause[party] = dict(sorted(clauses.items(), key=lambda kv: (-kv[1], kv[0])))
            total.update(effects)
        return {"effect": dict(total), "party": by_party, "clause": by_clause}


def decide(factored: Factored, hops: Sequence[Hop]) -> Decisions:
    """Decisions of all rows for all hops.

    Parameters
    ----------
    factored
        n rows of K kinds.
    hops
        One a recipient, of one releaser and one moment.
    """
    index: dict[Decision, int] = {}
    palette: list[Decision] = []
    kinds = len(factored.kinds)
    table = np.zeros((kinds, len(hops)), np.int32)
    for j, hop in enumerate(hops):
        for k, attributes in enumerate(factored.kinds):  # over kinds, not over rows
            decision = interpret(hop, attributes)
            code = index.get(decision)
            if code is None:
                code = index[decision] = len(palette)
                palette.append(decision)
            table[k, j] = code
    effects = np.array([d.effect for d in palette], np.uint8)
    rows = np.zeros((len(palette), len(hops)), np.int64)
    for j in range(len(hops)):
        np.add.at(rows[:, j], table[:, j], factored.count)
    codes = table[factored.code]
    effect = effects[table][factored.code] if palette else np.zeros(codes.shape, np.uint8)
    return Decisions(tuple(h.to for h in hops), effect, codes, palette, rows)
