"""Event buffers that grow outside the kernels, and row copies for kernels as plain loops.

A kernel stops when its buffers could not hold the events of one more row, and is called again with longer ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import inner


class Events:
    """Two buffers, integers and numbers, that one kernel fills; what it returns is valid until it runs again."""

    def __init__(self, ints: int, floats: int, room: int = 64) -> None:
        self.ints, self.floats = np.empty((room, ints), np.int64), np.empty((room, floats))

    def run(self, some_rows: Callable[..., tuple[int, int]], count: int, *arguments: Any) -> tuple[Any, Any]:
        """Events (integers, numbers) of ``some_rows(i, k, ints, floats, *arguments)`` over ``count`` rows."""
        k = self.go_on(some_rows, count, 0, *arguments)
        return self.ints[:k], self.floats[:k]

    def go_on(self, some_rows: Callable[..., tuple[int, int]], count: int, k: int, *arguments: Any) -> int:
        """As `run`, behind the first ``k`` events; the number of all."""
        i = 0
        while True:  # one turn a doubling
            i, k = some_rows(i, k, self.ints, self.floats, *arguments)
            if i >= count:
                return k
            self.ints, self.floats = _doubled(self.ints), _doubled(self.floats)

    def make_room(self, count: int) -> None:
        """Room for that many events; those there are stay."""
        while len(self.ints) < count:  # one turn a doubling
            self.ints, self.floats = _doubled(self.ints), _doubled(self.floats)


def _doubled(matrix: Any) -> Any:
    longer = np.empty((2 * len(matrix) + 16, matrix.shape[1]), matrix.dtype)
    longer[: len(matrix)] = matrix
    return longer


@inner
def clear_row(into: Any, i: int, a: int) -> None:
    """Set a row of numbers to zero from a column on."""
    for c in range(a, into.shape[1]):
        into[i, c] = 0.0
