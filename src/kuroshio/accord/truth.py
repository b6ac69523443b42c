"""Truth of tests over all kinds of thing at once, and the bits that tell decisions apart.

What enters: a `Factored` table. What leaves: boolean columns over kinds (possible: not false; certain: true; the
difference is unknown), each test worked out once and kept; and dense codes of signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.accord.columns import Factored
from kuroshio.accord.condition import Truth, holds
from kuroshio.accord.kernels import dense_codes
from kuroshio.accord.model import Test, When

Bools = npt.NDArray[np.bool_]
BITS_A_WORD = 62


class TruthTable:
    """Truth of tests for K kinds; a test is worked out once for each value of its field.

    Parameters
    ----------
    factored
        The kinds.
    rank
        Place of each level in the declared order.
    """

    def __init__(self, factored: Factored, rank: Mapping[str, int]) -> None:
        self.factored = factored
        self.rank = rank
        self.size = factored.size
        self.everywhere = np.ones(self.size, np.bool_)
        self.nowhere = np.zeros(self.size, np.bool_)
        self._tests: dict[Test, tuple[Bools, Bools]] = {}
        self._whens: dict[When, tuple[Bools, Bools]] = {}

    def codes(self, name: str) -> npt.NDArray[np.int32]:
        """Value code of each kind for one field."""
        return self.factored.fields[name].codes

    def values(self, name: str) -> list[Any]:
        """Values of one field by code."""
        return self.factored.fields[name].values

    def where(self, name: str, passes: Callable[[Any], bool]) -> Bools:
        """Kinds whose value of a field passes."""
        field = self.factored.fields.get(name)
        if field is None:
            return self.everywhere if passes(None) else self.nowhere
        return np.array([passes(v) for v in field.values], np.bool_)[field.codes]

    def test(self, test: Test) -> tuple[Bools, Bools]:
        """(possible, certain) of one test."""
        found = self._tests.get(test)
        if found is None:
            field = self.factored.fields.get(test.field)
            values = field.values if field is not None else [None]
            truth = np.array([holds(test, v, self.rank) for v in values], np.uint8)
            column = truth[field.codes] if field is not None else np.full(self.size, truth[0])
            found = self._tests[test] = (column != Truth.FALSE, column == Truth.TRUE)
        return found

    def when(self, when: When) -> tuple[Bools, Bools]:
        """(possible, certain) of a conjunction."""
        found = self._whens.get(when)
        if found is None:
            if len(when) == 0:
                found = (self.everywhere, self.everywhere)
            elif len(when) == 1:
                found = self.test(when[0])
            else:
                parts = [self.test(t) for t in when]
                found = (
                    np.logical_and.reduce([p for p, _ in parts]),
                    np.logical_and.reduce([c for _, c in parts]),
                )
            self._whens[when] = found
        return found

    def unknown_mask(self) -> npt.NDArray[np.int64]:
        """Bits of the fields that are unknown, for each kind."""
        mask = np.zeros(self.size, np.int64)
        for bit, name in enumerate(sorted(self.factored.fields)):
            mask |= self.where(name, lambda v: v is None).astype(np.int64) << bit
        return mask


class Signature:
    """Bits and codes of each kind, packed into words, that settle which explanation it has."""

    def __init__(self, size: int) -> None:
        self.words: list[npt.NDArray[np.int64]] = [np.zeros(size, np.int64)]
        self.size = size
        self.free = BITS_A_WORD

    def add(self, codes: npt.NDArray[Any], values: int) -> None:
        """Add a column of codes below ``values``."""
        width = max(1, int(values - 1).bit_length())
        if width > self.free:
            self.words.append(np.zeros(self.size, np.int64))
            self.free = BITS_A_WORD
        word = self.words[-1]
        np.left_shift(word, width, out=word)
        np.bitwise_or(word, codes, out=word, casting="unsafe")
        self.free -= width

    def dense(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """(dense code a kind, first kind of each code)."""
        return dense_codes(np.ascontiguousarray(np.stack(self.words, axis=1)))
