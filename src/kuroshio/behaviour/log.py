"""Rows in the order they came, as far back as repairs go.

What enters: the rows of each step, with the rows of their tracks in the states. What leaves: rows of some tracks that
came since a time. The steps are written one after another into the same memory (`narrow`), so that a
repair costs no turn a step. Rows in no such form are kept as they are.
"""

from __future__ import annotations

from bisect import bisect_left
from types import SimpleNamespace
from typing import Any

import numpy as np

from kuroshio.behaviour.blocks import Block, Form
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.fixes import Fixes, of_block
from kuroshio.behaviour.narrow import Layout, Memory, put_rows, taken
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


class _Part:
    """Rows as they are, and when each came; those before ``begin`` are forgotten."""

    def __init__(self, came: IntArray, slot: IntArray, fixes: Fixes) -> None:
        self._came, self.slot, self.t, self.fixes = came, slot.astype(np.int32), fixes.t, fixes
        self.begin, self.count, self.newest_us = 0, len(slot), int(came[-1])

    def first_since(self, came_us: int) -> int:
        """First row that came at a time or later."""
        return int(np.searchsorted(self._came, came_us))

    def came(self) -> IntArray:
        """When each row that is not forgotten came."""
        return self._came[self.begin :]

    def take(self, rows: IntArray, tracks: IntArray) -> Fixes:
        """Some rows."""
        return self.fixes.take(rows)


class _Chunk:
    """As `_Part`, with room for more rows of one form; what is shared is as in ``like``."""

    def __init__(self, form: Form, like: Fixes, room: int, wide: frozenset[str], spare: _Chunk | None = None) -> None:
        self.form, self.begin, self.count, self.room, self.wide = form, 0, 0, room, wide
        self.shared = SimpleNamespace(**{name: getattr(like, name) for name in form.shared})
        self.layout = Layout.of(form, wide)
        fits = spare is not None and (spare.layout.widths, spare.room) == (self.layout.widths, room)
        self.memory: Memory = spare.memory if spare is not None and fits else self.layout.memory(room)
        self.slot, self.t = self.memory.slot, self.memory.wide[self.layout.ints[1, form.ints.index("t")]]
        self._firsts: list[int] = []  # of the steps: first row
        self._times: list[int] = []  # and when it came
        self._plans: dict[Form, Any] = {}

    @property
    def newest_us(self) -> int:
        """When the last row came."""
        return self._times[-1]

    def first_since(self, came_us: int) -> int:
        """First row that came at a time or later."""
        k = bisect_left(self._times, came_us)
        return self._firsts[k] if k < len(self._firsts) else self.count

    def came(self) -> IntArray:
        """When each row that is not forgotten came."""
        return np.repeat(self._times, np.diff([*self._firsts, self.count]))[self.begin :]

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
            found = (np.asarray(x, np.int64) for x in (places, values))
            plan = (*found, self.layout.ints, np.asarray(numbers, np.int64), self.layout.floats)
            self._plans[form] = plan if good else None
        return self._plans[form]

    def add(self, rows: Fixes, slot: IntArray, came_us: int, plan: Any) -> frozenset[str]:
        """Write rows behind the others, where there is room for them; the columns that do not fit, or none."""
        assert rows.block is not None
        ints, floats = rows.block.ints, rows.block.floats
        misfit = np.empty(len(self.form.ints) + len(self.form.floats), np.bool_)
        if put_rows(ints, floats, slot, rows.t, plan, self.count, self.memory, misfit):
            names = (*self.form.ints, *self.form.floats)
            return frozenset(names[k] for k in np.flatnonzero(misfit).tolist())
        self._firsts.append(self.count)
        self._times.append(came_us)
        self.count += len(slot)
        return frozenset()

    def take(self, rows: IntArray, tracks: IntArray) -> Fixes:
        """Some rows."""
        matrices = taken(self.memory, self.layout, self.form, tracks, rows)
        return of_block(Block(self.form, *matrices), self.shared)


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
        self._spare: _Chunk | None = None  # forgotten: the next takes its memory

    def add(self, fixes: Fixes, slot: IntArray, now_us: int) -> None:
        """Take rows in, none of them later than ``now_us``."""
        if not len(slot):
            return
        last = self.parts[-1] if self.parts else None
        came_us = now_us if last is None else max(now_us, last.newest_us)
        self.rows += len(slot)
        if fixes.block is None:
            self.parts.append(_Part(np.full(len(slot), came_us), slot, fixes))
            return
        chunk = last if isinstance(last, _Chunk) else None
        misfit: frozenset[str] = frozenset()
        while True:  # once more where a column does not fit, in a chunk where it does
            plan = chunk.plan(fixes) if chunk is not None else None
            if chunk is None or plan is None or misfit or chunk.count + len(slot) > chunk.room:
                chunk = self._new(fixes, chunk, misfit)
                plan = chunk.plan(fixes)
            misfit = chunk.add(fixes, slot, came_us, plan)
            if not misfit:
                return

    def _new(self, fixes: Fixes, before: _Chunk | None, misfit: frozenset[str]) -> _Chunk:
        """A chunk that rows fit into, in place of the one before where that has none."""
        assert fixes.block is not None
        form = fixes.block.form if before is None else _both(fixes, before.form)
        room = max(len(fixes), min(_MOST_ROOM, max(_LEAST_ROOM, _STEPS * len(fixes))))
        if before is not None and not before.count:
            self.parts.remove(before)
        chunk = _Chunk(form, fixes, room, misfit | (before.wide if before is not None else misfit), self._spare)
        self._spare = None
        self.parts.append(chunk)
        return chunk

    def between(self, since_us: int, after_us: IntArray, until_us: IntArray, tracks: IntArray) -> Fixes:
        """Rows that came at ``since_us`` or later, and lie between two times of their track, in canonical order.

        ``tracks`` gives the track of each row of the states.
        """
        found = []
        for part in reversed(self.parts):  # one turn a chunk
            if part.newest_us < since_us:
                break
            first = part.first_since(since_us)
            rows = np.empty(part.count - first, np.int64)
            k = _select(part.slot, part.t, first, part.count, after_us, until_us, rows)
            if k:
                found.append(part.take(rows[:k], tracks))
        return Fixes.concat(found).ordered()

    def forget(self, before_us: int) -> None:
        """Drop rows that came before a time; their memory goes when all of their chunk did."""
        while self.parts and self.parts[0].newest_us < before_us:  # one turn a chunk
            gone = self.parts.pop(0)
            self.rows -= gone.count - gone.begin
            self._spare = gone if isinstance(gone, _Chunk) else self._spare
        if self.parts:
            part = self.parts[0]
            begin = part.first_since(before_us)
            self.rows, part.begin = self.rows - (begin - part.begin), begin

    def arrays(self, tracks: IntArray) -> dict[str, Any]:
        """State for a checkpoint; ``tracks`` gives the track of each row of the states."""
        parts, none = self.parts, [np.zeros(0, np.int64)]
        came = none + [p.came() for p in parts]
        slots = none + [p.slot[p.begin : p.count].astype(np.int64) for p in parts]
        columns = Fixes.concat([p.take(np.arange(p.begin, p.count), tracks) for p in parts]).as_columns()
        return {**columns, "log_arrived": np.concatenate(came), "log_slot": np.concatenate(slots)}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a checkpoint up."""
        came, slot = arrays.pop("log_arrived"), arrays.pop("log_slot")
        self.parts, self.rows = [_Part(came, slot, Fixes(**arrays))] if len(came) else [], len(came)
