"""Few rows as two matrices, a column a row: they are taken and joined at once, not a column at a time.

What enters: columns of integers and of numbers, and which columns are one value alone (`columns.constant`) and so in
no matrix. What leaves: matrices of some rows, or of all rows of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kuroshio.behaviour.columns import shared_key
from kuroshio.behaviour.compiled import kernel
from kuroshio.units import FloatArray, IntArray


class Form(NamedTuple):
    """Which columns are rows of which matrix, and which are shared; equal forms are one object."""

    ints: tuple[str, ...]
    floats: tuple[str, ...]
    shared: tuple[str, ...]
    values: tuple[Any, ...]  # of the shared columns: their keys, by which they are told apart

    @staticmethod
    def of(ints: Sequence[str], floats: Sequence[str], shared: Mapping[str, Any]) -> Form:
        """Form of columns by name; ``shared`` gives the shared ones."""
        form = Form(tuple(ints), tuple(floats), tuple(shared), tuple(map(shared_key, shared.values())))
        return _FORMS.setdefault(form, form)


_FORMS: dict[Form, Form] = {}


class Block(NamedTuple):
    """The columns of a form that are not shared."""

    form: Form
    ints: IntArray
    floats: FloatArray

    def take(self, rows: IntArray) -> Block:
        """Some rows."""
        ints = np.empty((len(self.ints), len(rows)), np.int64)
        floats = np.empty((len(self.floats), len(rows)))
        _take_rows(self.ints, self.floats, rows, ints, floats)
        return Block(self.form, ints, floats)

    def in_order(self, keys: IntArray, bits: int) -> tuple[Block, bool]:
        """All rows in the order of sorted keys, whose last bits are the row; whether any two share track and time."""
        ints, floats = np.empty(self.ints.shape, np.int64), np.empty(self.floats.shape)
        track, t = self.form.ints.index("track"), self.form.ints.index("t")
        twice = _take_in_order(self.ints, self.floats, keys, bits, track, t, ints, floats)
        return Block(self.form, ints, floats), twice

    @staticmethod
    def concat(blocks: Sequence[Block]) -> Block:
        """All rows of blocks of one form."""
        ints = np.concatenate([block.ints for block in blocks], axis=1)
        return Block(blocks[0].form, ints, np.concatenate([block.floats for block in blocks], axis=1))


@kernel
def _take_in_order(
    ints: Any, floats: Any, keys: Any, bits: int, first: int, second: int, to_ints: Any, to_floats: Any
) -> bool:
    mask = (np.int64(1) << bits) - 1
    for c in range(ints.shape[0]):
        for i in range(keys.size):
            to_ints[c, i] = ints[c, keys[i] & mask]
    for c in range(floats.shape[0]):
        for i in range(keys.size):
            to_floats[c, i] = floats[c, keys[i] & mask]
    twice = False
    for i in range(1, keys.size):
        twice |= to_ints[first, i] == to_ints[first, i - 1] and to_ints[second, i] == to_ints[second, i - 1]
    return twice


@kernel
def _take_rows(ints: Any, floats: Any, rows: Any, to_ints: Any, to_floats: Any) -> None:
    for c in range(ints.shape[0]):
        for i in range(rows.size):
            to_ints[c, i] = ints[c, rows[i]]
    for c in range(floats.shape[0]):
        for i in range(rows.size):
            to_floats[c, i] = floats[c, rows[i]]
