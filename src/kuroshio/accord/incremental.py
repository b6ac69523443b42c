"""Decisions on batch after batch of a live picture: each kind of thing is judged once and remembered.

What enters: a book, one releaser, its recipients; then ITEMS in batches. What leaves: `Decisions` whose codes keep
their meaning from batch to batch. What is remembered is dropped when an accord, consent or activity begins or ends;
ages are measured anew each time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kuroshio.accord.book import Book
from kuroshio.accord.columns import Factored, factor
from kuroshio.accord.decisions import Decisions, gather_all
from kuroshio.accord.interpret import interpret
from kuroshio.schema import Decision, Obligations

MAX_KINDS = 200_000
Key = tuple[object, ...]


class Incremental:
    """Evaluator that remembers the kinds of thing it has judged.

    Parameters
    ----------
    book, releaser, to
        As for `Book.evaluate_table`.
    max_kinds
        Kinds remembered before all are dropped; ``dropped`` counts how often that happened.
    """

    def __init__(self, book: Book, releaser: str, to: Sequence[str], *, max_kinds: int = MAX_KINDS) -> None:
        self.book, self.releaser, self.to = book, releaser, tuple(to)
        self.max_kinds = max_kinds
        self.judged = 0
        self.dropped = 0
        self._epoch: tuple[int, int] | None = None
        self._known: dict[Key, list[int]] = {}
        self._index: dict[tuple[int, Decision], int] = {}
        self.palette: list[Decision] = []
        self._party: list[int] = []

    def evaluate(self, items: pa.Table, *, valid_at_us: int, known_at_us: int | None = None) -> Decisions:
        """Decisions on one batch; equal to `Book.evaluate_table` on it.

        Parameters
        ----------
        items
            ITEMS, n rows.
        valid_at_us, known_at_us
            As for `Book.evaluate`.
        """
        known_at = valid_at_us if known_at_us is None else known_at_us
        epoch = (self.book.floor_us(valid_at_us), self.book.floor_us(known_at))
        if epoch != self._epoch or len(self._known) > self.max_kinds:
            self.dropped += epoch == self._epoch
            self._epoch = epoch
            self._forget()
        rows = factor(items, [self.book.content], valid_at_us=valid_at_us)
        table = np.zeros((rows.size, len(self.to)), np.int32)
        for kind in range(rows.size):  # over kinds, not over rows
            table[kind] = self._codes(rows, kind, valid_at_us, known_at)
        return self._decisions(rows, table)

    def _forget(self) -> None:
        self._known.clear()
        self._index.clear()
        self.palette = []
        self._party = []

    def _codes(self, rows: Factored, kind: int, valid_at_us: int, known_at_us: int) -> list[int]:
        attributes = rows.kind(kind)
        key: Key = tuple(attributes[name] for name in sorted(attributes))
        found = self._known.get(key)
        if found is None:
            found = []
            for j, party in enumerate(self.to):
                decision = interpret(self.book.hop(self.releaser, party, valid_at_us, known_at_us), attributes)
                self.judged += 1
                code = self._index.setdefault((j, decision), len(self.palette))
                if code == len(self.palette):
                    self.palette.append(decision)
                    self._party.append(j)
                found.append(code)
            self._known[key] = found
        return found

    def _decisions(self, rows: Factored, table: np.ndarray) -> Decisions:
        effects = np.array([d.effect for d in self.palette], np.uint8)
        terms: list[Obligations] = [d.obligations for d in self.palette]
        kind_effects = effects[table] if len(effects) else np.zeros(table.shape, np.uint8)
        counts = np.zeros(len(self.palette), np.int64)
        for j in range(len(self.to)):
            np.add.at(counts, table[:, j], rows.count)
        code, effect = gather_all(rows.code, table, kind_effects)
        party = np.array(self._party, np.int32)
        return Decisions(self.to, effect, code, tuple(self.palette), effects, terms, counts, party, rows, table)
