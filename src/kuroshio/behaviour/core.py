"""All detectors over one stream of rows in time order: the pure step that live and archive share.

What enters: `Fixes` no older than what came before, then a time before which nothing more will come. What leaves:
facts. The result depends on the rows alone, not on where batches end (tests/properties/test_behaviour_batches.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kuroshio.behaviour import (  # noqa: F401  (they register themselves)
    area,
    circle,
    collision,
    dark,
    encounter,
    gap,
    identity,
    inside,
    loiter,
    motion,
    port,
    unusual,
    zone,
)
from kuroshio.behaviour.columns import is_shared
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import ALWAYS_DUE, REGISTRY, Detector, Surroundings
from kuroshio.behaviour.fetch import fetch_row_ahead, reach
from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.names import Names
from kuroshio.behaviour.pieces import pieces
from kuroshio.behaviour.state import Batch, Fact, Marks, State
from kuroshio.errors import ConfigError
from kuroshio.units import BoolArray, FloatArray, IntArray

Facts = list[tuple[int, Fact]]
Located = tuple[IntArray, IntArray]  # rows of the tracks and of the MMSIs of fixes
TICK_US = 10_000_000  # timers go off on full ten seconds, live and in the archive
_LONG_AGO = -(1 << 61)


@kernel
def in_order(slot: Any, t: Any, mmsi: Any, who: Any, last: Any, heard: Any, after_us: int, out: Any) -> int:
    """Rows later than ``after_us`` and the last of their track and MMSI are marked in ``out``; the number of others.

    ``last`` and ``heard`` may have no row for a track or an MMSI.
    """
    others, end = 0, reach(slot)
    for i in range(slot.size):
        fetch_row_ahead(slot, i, end, last)
        fetch_row_ahead(who, i, end, heard)
        s = slot[i]
        known = s < last.shape[0] and last[s, 1] != 0
        w = who[i] if mmsi[i] >= 0 else (last[s, 2] if known else -1)
        named = 0 <= w < heard.shape[0]
        out[i] = t[i] > after_us and not ((known and t[i] <= last[s, 0]) or (named and t[i] <= heard[w, 0]))
        others += not out[i]
    return others


class Core:
    """Detectors of all enabled definitions with their state.

    Raises
    ------
    ConfigError
        When a definition names a kernel that does not exist.
    """

    def __init__(self, definitions: Definitions, around: Surroundings, *, names: Names | None = None) -> None:
        self.definitions, self.around = definitions, around
        self.detectors: dict[str, Detector] = {}
        for d in definitions.enabled:
            if d.kernel not in REGISTRY:
                raise ConfigError(
                    f"definition {d.id}: no kernel {d.kernel!r}; there are {', '.join(sorted(REGISTRY))}",
                    code="behaviour.kernel",
                )
            self.detectors[d.id] = REGISTRY[d.kernel](d, around)
            self.detectors[d.id].repairs = names is not None
        self.whole = frozenset(name for name, detector in self.detectors.items() if detector.whole)
        self.areas = self.whole | {name for name, detector in self.detectors.items() if detector.area}
        self.names = names if names is not None else Names()
        self.room = 0  # tracks there is room for
        self.last = State((0, 0, -1), (0.0, 0.0))
        self.heard = State((_LONG_AGO,), ())  # last time of every MMSI
        self.advanced_us = _LONG_AGO

    def locate(self, fixes: Fixes) -> Located:
        """Rows of the tracks and MMSIs of fixes; new ones get the next."""
        return self.names.locate(fixes.track, fixes.mmsi, fixes.exercise)

    def in_order(self, located: Located, t: IntArray, mmsi: IntArray, after_us: int) -> BoolArray | None:
        """True for rows later than all before of their track and of the MMSI it claims or claimed last; None: all."""
        good = np.empty(len(t), np.bool_)
        ints, heard = self.last.ints, self.heard.ints
        return good if in_order(located[0], t, mmsi, located[1], ints, heard, after_us, good) else None

    def _ensure(self) -> None:
        count = len(self.names.tracks)
        if count > self.room:
            self.room = count
            self.last.ensure(count)
            for detector in self.detectors.values():
                detector.ensure(count)
        self.heard.ensure(len(self.names.numbers))

    def _batch(self, fixes: Fixes, located: Located, last: State, heard: State) -> Batch:
        """Rows with the pieces that lead to them; ``last`` and ``heard`` take them in."""
        n, (slot, who) = len(fixes), located
        (dt, linked), (step, speed, la0, lo0) = np.empty((2, n), np.int64), np.empty((4, n))
        k = pieces(
            slot,
            fixes.t,
            fixes.lat,
            fixes.lon,
            fixes.mmsi,
            who,
            last.ints,
            last.floats,
            heard.ints,
            dt,
            step,
            speed,
            la0,
            lo0,
            linked,
        )
        if k:
            self.names.link(slot[linked[:k]], who[linked[:k]])
        ended = fixes.ended()
        around = (self.names.tracks.names, self.names.exercise, self.names.numbers)
        return Batch(
            fixes, slot, who, dt, step, speed, la0, lo0, ended, *around, not is_shared(ended) and bool(ended.any())
        )

    def step(self, fixes: Fixes, out: Facts, located: Located | None = None) -> None:
        """Facts of rows in canonical order (track, time)."""
        if not len(fixes):
            return
        located = self.locate(fixes) if located is None else located
        self._ensure()
        batch = self._batch(fixes, located, self.last, self.heard)
        for detector in self.detectors.values():
            detector.step(batch, out)

    def advance(self, to_us: int, out: Facts) -> None:
        """Facts that follow because nothing before ``to_us`` will come any more; timers go off on full `TICK_US`."""
        to_us = to_us // TICK_US * TICK_US
        if to_us <= self.advanced_us:
            return
        self.advanced_us = to_us
        for detector in self.detectors.values():
            detector.advance(to_us, out)

    def rework(self, other: Core, marks: Marks, rows: Fixes, every: Callable[[], Fixes], out: Facts) -> set[str]:
        """Facts of the marked tracks and MMSIs since another, older core: of its state for them and rows later than it.

        What is kept of all others stays. ``every`` gives rows of all tracks since the other, for detectors that need
        them. The ids of definitions are returned whose facts since the other are all in ``out``.
        """
        self._ensure()
        if self.whole:
            last, heard = (State(s.int_default, s.float_default) for s in (other.last, other.heard))
            last.restore(other.last.ints, other.last.floats)
            heard.restore(other.heard.ints, other.heard.floats)
            last.ensure(len(self.names.tracks))
            heard.ensure(len(self.names.numbers))
            fixes = every()
            batch_of_all = self._batch(fixes, self.locate(fixes), last, heard)
        self.last.rewind(other.last, marks.slots)
        self.heard.rewind(other.heard, marks.numbers)
        again = {name for name, detector in self.detectors.items() if detector.rewind(other.detectors[name], marks)}
        batch = self._batch(rows, self.locate(rows), self.last, self.heard)
        for name, detector in self.detectors.items():
            if name in self.whole:
                detector.ensure(self.room)
                detector.step(batch_of_all, out)
            elif len(rows):
                detector.step(batch, out)
            detector.advance(self.advanced_us, out)
        return again

    def arrays(self) -> dict[str, Any]:
        """Whole state by name, but for the names."""
        own = {"core.ints": self.last.ints, "core.floats": self.last.floats, "core.heard": self.heard.ints}
        own["core.advanced"] = np.asarray([self.advanced_us], np.int64)
        for name, detector in self.detectors.items():
            own |= {f"{name}.{key}": value for key, value in detector.arrays().items()}
        return own

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a whole state back; the arrays are not shared."""
        parts: dict[str, dict[str, Any]] = {}
        for key, value in arrays.items():
            owner, name = key.split(".", 1)
            parts.setdefault(owner, {})[name] = value
        own = parts["core"]
        self._own(own["ints"], own["floats"], own["heard"], int(own["advanced"][0]))
        for name, detector in self.detectors.items():
            detector.restore(parts.get(name, {}))
            self._know(detector)
        self.room = 0  # whatever was saved, there is room for all names

    def _own(self, ints: IntArray, floats: FloatArray, heard: IntArray, advanced_us: int) -> None:
        self.last.restore(ints, floats)
        self.heard.restore(heard, np.zeros((len(heard), 0)))
        self.advanced_us = advanced_us

    def _know(self, detector: Detector) -> None:
        detector.due_us = ALWAYS_DUE
        detector.track_of, detector.exercise_of = self.names.tracks.names, self.names.exercise
        if hasattr(detector, "numbers"):
            detector.numbers = self.names.numbers

    def take_from(self, other: Core) -> None:
        """Become as another core of the same definitions and names is; only the names are shared."""
        self._own(other.last.ints, other.last.floats, other.heard.ints, other.advanced_us)
        for name, detector in self.detectors.items():
            detector.take_from(other.detectors[name])
            self._know(detector)
            detector.due_us = other.detectors[name].due_us
        self.room = other.room

    def copy(self) -> Core:
        """An independent copy of state over the same definitions and names."""
        twin = Core(self.definitions, self.around, names=self.names)
        twin.take_from(self)
        return twin

    def hold(self) -> None:
        """The next core that `rework` is given will most likely be as this is now."""
        for detector in self.detectors.values():
            detector.hold()

    def forget(self, before_us: int) -> None:
        """No core that `rework` is given will be older than this."""
        for detector in self.detectors.values():
            detector.forget(before_us)
