"""Rows in the order they came, as far back as repairs go.

What enters: the rows of each step, with the rows of their tracks in the states. What leaves: rows of some tracks that
came since a time. The steps are written one after another into the same matrices (`fixes.Block`), so that neither a
step nor a repair costs a turn a column, and a repair no turn a step. Rows in no such form are kept as they are.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from kuroshio.behaviour.blocks import Block, Form
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.fixes import Fixes, of_block
from kuroshio.units import IntArray

START = -(1 << 61)
_LEAST_ROOM, _MOST_ROOM, _STEPS = 4_096, 262_144, 128  # rows of a chunk: as many as some steps have


@kernel
def _select(slot: Any, t: Any, first: int, last: int, after: Any, until: Any, out: Any) -> int:
    """Number of rows put into ``out``: those later than ``after`` and no later than ``until`` of their track."""
    k = 0
    for i in range(first, last):
        s = slot[i]
        if after[s] < t[i] <= until[s]:
            out[k] = i
            k += 1
    return k


@kernel
def _append(ints: Any, floats: Any, slot: Any, came_us: int, plan: Any, at: int, to: Any) -> None:
    """Write rows behind those of a chunk; columns that they share are written out where the chunk does not."""
    (int_row, int_value, float_row), (to_ints, to_floats, to_slot, to_came) = plan, to
    n = slot.size
    for c in range(int_row.size):
        for i in range(n):
            to_ints[c, at + i] = ints[int_row[c], i] if int_row[c] >= 0 else int_value[c]
    for c in range(float_row.size):
        for i in range(n):
            to_floats[c, at + i] = floats[float_row[c], i] if float_row[c] >= 0 else np.nan
    for i in range(n):
        to_slot[at + i], to_came[at + i] = slot[i], came_us


class _Part:
    """Rows as they are, and when each came; those before ``begin`` are forgotten."""

    def __init__(self, came: IntArray, slot: IntArray, fixes: Fixes) -> None:
        self.came, self.slot, self.t, self.fixes = came, slot, fixes.t, fixes
        self.begin, self.count = 0, len(slot)

    def take(self, rows: IntArray) -> Fixes:
        return self.fixes.take(rows)


class _Chunk:
    """As `_Part`, with room for more rows of one form; what is shared is as in ``like``."""

    def __init__(self, form: Form, like: Fixes, room: int) -> None:
        self.form, self.begin, self.count, self.room = form, 0, 0, room
        self.shared = SimpleNamespace(**{name: getattr(like, name) for name in form.shared})
        self.ints, self.floats = np.empty((len(form.ints), room), np.int64), np.empty((len(form.floats), room))
        self.slot, self.came = np.empty(room, np.int64), np.empty(room, np.int64)
        self.t: IntArray = self.ints[form.ints.index("t")]
        self._plans: dict[Form, Any] = {}

    def plan(self, rows: Fixes) -> Any:
        """Where each column is in the matrices of rows, and its value where they share it; None where they do not fit.

        They fit where they share all that the chunk does, with the same values.
        """
        assert rows.block is not None
        form = rows.block.form
        if form not in self._plans:
            theirs = dict(zip(form.shared, form.values, strict=True))
            good = all(theirs.get(n) == v for n, v in zip(self.form.shared, self.form.values, strict=True))
            places = [form.ints.index(n) if n in form.ints else -1 for n in self.form.ints]
            values = [int(getattr(rows, n)[0]) for n in self.form.ints]
            numbers = [form.floats.index(n) if n in form.floats else -1 for n in self.form.floats]
            self._plans[form] = tuple(np.asarray(x, np.int64) for x in (places, values, numbers)) if good else None
        return self._plans[form]

    def add(self, block: Block, slot: IntArray, came_us: int, plan: Any) -> None:
        """Write rows behind the others, where there is room for them."""
        to = (self.ints, self.floats, self.slot, self.came)
        _append(block.ints, block.floats, slot, came_us, plan, self.count, to)
        self.count += len(slot)

    def take(self, rows: IntArray) -> Fixes:
        return of_block(Block(self.form, self.ints, self.floats).take(rows), self.shared)


def _both(rows: Fixes, before: Form) -> Form:
    """Form that rows fit into, and rows of another form too: steps that differ in what is absent are kept together."""
    assert rows.block is not None
    form = rows.block.form
    values = dict(zip(before.shared, before.values, strict=True))
    same = [n for n, value in zip(form.shared, form.values, strict=True) if values.get(n) == value]
    ints, floats = list(form.ints), list(form.floats)
    for name in form.shared:
        if name not in same:
            (floats if getattr(rows, name).dtype == np.float64 else ints).append(name)
    return Form.of(ints, floats, {name: getattr(rows, name) for name in same})


class Log:
    """Rows in the order they came, with the rows of their tracks in the states."""

    def __init__(self) -> None:
        self.parts: list[_Part | _Chunk] = []
        self.rows = 0

    def add(self, fixes: Fixes, slot: IntArray, now_us: int) -> None:
        """Take rows in, none of them later than ``now_us``."""
        if not len(slot):
            return
        last = self.parts[-1] if self.parts else None
        came_us = now_us if last is None else max(now_us, int(last.came[last.count - 1]))
        self.rows += len(slot)
        if fixes.block is None:
            self.parts.append(_Part(np.full(len(slot), came_us), slot, fixes))
            return
        chunk = last if isinstance(last, _Chunk) else None
        plan = chunk.plan(fixes) if chunk is not None else None
        if chunk is None or plan is None or chunk.count + len(slot) > chunk.room:
            form = fixes.block.form if chunk is None else _both(fixes, chunk.form)
            chunk = _Chunk(form, fixes, max(len(slot), min(_MOST_ROOM, max(_LEAST_ROOM, _STEPS * len(slot)))))
            plan = chunk.plan(fixes)
            self.parts.append(chunk)
        chunk.add(fixes.block, slot, came_us, plan)

    def between(self, since_us: int, after_us: IntArray, until_us: IntArray) -> Fixes:
        """Rows that came at ``since_us`` or later, and lie between two times of their track, in canonical order."""
        found = []
        for part in reversed(self.parts):  # one turn a chunk
            if part.came[part.count - 1] < since_us:
                break
            first = int(np.searchsorted(part.came[: part.count], since_us))
            rows = np.empty(part.count - first, np.int64)
            k = _select(part.slot, part.t, first, part.count, after_us, until_us, rows)
            if k:
                found.append(part.take(rows[:k]))
        return Fixes.concat(found).ordered()

    def forget(self, before_us: int) -> None:
        """Drop rows that came before a time; their memory goes when all of their chunk did."""
        while self.parts and self.parts[0].came[self.parts[0].count - 1] < before_us:  # one turn a chunk
            gone = self.parts.pop(0)
            self.rows -= gone.count - gone.begin
        if self.parts:
            part = self.parts[0]
            begin = int(np.searchsorted(part.came[: part.count], before_us))
            self.rows, part.begin = self.rows - (begin - part.begin), begin

    def arrays(self) -> dict[str, Any]:
        """State for a checkpoint."""
        parts, none = self.parts, [np.zeros(0, np.int64)]
        came = none + [p.came[p.begin : p.count] for p in parts]
        slots = none + [p.slot[p.begin : p.count] for p in parts]
        columns = Fixes.concat([p.take(np.arange(p.begin, p.count)) for p in parts]).as_columns()
        return {**columns, "log_arrived": np.concatenate(came), "log_slot": np.concatenate(slots)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a checkpoint up."""
        came, slot = arrays.pop("log_arrived"), arrays.pop("log_slot")
        self.parts, self.rows = [_Part(came, slot, Fixes(**arrays))] if len(came) else [], len(came)
