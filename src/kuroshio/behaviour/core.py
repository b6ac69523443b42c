"""All detectors over one stream of rows in time order: the pure step that live and archive share.

What enters: `Fixes` no older than what came before, then a time before which nothing more will come. What leaves:
facts. The result depends on the rows alone, not on where batches end (tests/properties/test_behaviour_batches.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour import (  # noqa: F401  (they register themselves)
    area,
    circle,
    collision,
    dark,
    encounter,
    gap,
    identity,
    loiter,
    motion,
    zone,
)
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import REGISTRY, Detector, Surroundings
from kuroshio.behaviour.fixes import ENDED, Fixes
from kuroshio.behaviour.state import Batch, Fact, State
from kuroshio.errors import ConfigError
from kuroshio.geo.earth import distance_m, enu_offset_m
from kuroshio.units import IntArray

Facts = list[tuple[int, Fact]]


@njit(cache=True, nogil=True)
def pieces(slot: Any, t: Any, lat: Any, lon: Any, ints: Any, floats: Any) -> tuple[Any, Any, Any, Any, Any]:
    """(dt_us, step_m, speed_mps, prev_lat, prev_lon) of every row; state is the last fix of every slot."""
    n = slot.size
    dt, step, speed = np.empty(n, np.int64), np.zeros(n), np.empty(n)
    la0, lo0 = np.empty(n), np.empty(n)
    for i in range(n):
        s = slot[i]
        if ints[s, 1] == 0:
            dt[i], speed[i], la0[i], lo0[i] = -1, np.nan, lat[i], lon[i]
        else:
            dt[i], la0[i], lo0[i] = t[i] - ints[s, 0], floats[s, 0], floats[s, 1]
            if abs(lat[i] - la0[i]) < 0.2 and abs(lon[i] - lo0[i]) < 0.2 and abs(lat[i]) < 70.0:
                east, north = enu_offset_m(la0[i], lo0[i], lat[i], lon[i])
                step[i] = np.sqrt(east * east + north * north)
            else:
                step[i] = distance_m(la0[i], lo0[i], lat[i], lon[i])
            speed[i] = step[i] / (dt[i] * 1e-6) if dt[i] > 0 else np.nan
        ints[s, 0], ints[s, 1], floats[s, 0], floats[s, 1] = t[i], 1, lat[i], lon[i]
    return dt, step, speed, la0, lo0


class Core:
    """Detectors of all enabled definitions with their state.

    Raises
    ------
    ConfigError
        When a definition names a kernel that does not exist.
    """

    def __init__(self, definitions: Definitions, around: Surroundings) -> None:
        self.definitions, self.around = definitions, around
        self.detectors: dict[str, Detector] = {}
        for d in definitions.enabled:
            if d.kernel not in REGISTRY:
                raise ConfigError(
                    f"definition {d.id}: no kernel {d.kernel!r}; there are {', '.join(sorted(REGISTRY))}",
                    code="behaviour.kernel",
                )
            self.detectors[d.id] = REGISTRY[d.kernel](d, around)
        self.slot_of: dict[int, int] = {}
        self.track_of: IntArray = np.zeros(0, np.int64)
        self.exercise_of: Any = np.zeros(0, np.bool_)
        self.last = State((0, 0), (0.0, 0.0))

    def _slots(self, fixes: Fixes) -> IntArray:
        heads = np.append(True, fixes.track[1:] != fixes.track[:-1])
        first = np.flatnonzero(heads)
        names = fixes.track[first].tolist()
        slot_of = self.slot_of
        fresh = [i for i, name in enumerate(names) if name not in slot_of]  # one turn a track of the batch
        if fresh:
            for i in fresh:
                slot_of[names[i]] = len(slot_of)
            rows = first[fresh]
            self.track_of = np.concatenate([self.track_of, fixes.track[rows]])
            self.exercise_of = np.concatenate([self.exercise_of, fixes.exercise[rows]])
            self.last.ensure(len(slot_of))
            for detector in self.detectors.values():
                detector.ensure(len(slot_of))
        slots = np.asarray([slot_of[name] for name in names], np.int64)
        return slots[np.cumsum(heads) - 1]

    def last_times(self, tracks: IntArray) -> IntArray:
        """Time of the last row of each track; long ago for a track that is new."""
        slots = [self.slot_of.get(t, -1) for t in tracks.tolist()]  # one turn a track of the batch
        index = np.asarray(slots, np.int64)
        if not len(self.last.ints):
            return np.full(len(index), -(1 << 61), np.int64)
        last: IntArray = np.where(index >= 0, self.last.ints[np.maximum(index, 0), 0], -(1 << 61))
        return last

    def step(self, fixes: Fixes, out: Facts) -> None:
        """Facts of rows in canonical order (track, time)."""
        if not len(fixes):
            return
        slot = self._slots(fixes)
        dt, step, speed, la0, lo0 = pieces(slot, fixes.t, fixes.lat, fixes.lon, self.last.ints, self.last.floats)
        ended = fixes.status == ENDED
        batch = Batch(fixes, slot, dt, step, speed, la0, lo0, ended, self.track_of, self.exercise_of)
        for detector in self.detectors.values():
            detector.step(batch, out)

    def advance(self, to_us: int, out: Facts) -> None:
        """Facts that follow because nothing before ``to_us`` will come any more."""
        for detector in self.detectors.values():
            detector.advance(to_us, out)

    def arrays(self) -> dict[str, Any]:
        """Whole state by name."""
        own = {
            "core.track": self.track_of,
            "core.exercise": self.exercise_of,
            "core.ints": self.last.ints,
            "core.floats": self.last.floats,
        }
        for name, detector in self.detectors.items():
            own |= {f"{name}.{key}": value for key, value in detector.arrays().items()}
        return own

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a whole state back; the arrays are not shared."""
        arrays = {k: np.array(v) for k, v in arrays.items()}
        self.track_of, self.exercise_of = arrays["core.track"], arrays["core.exercise"]
        self.last.ints, self.last.floats = arrays["core.ints"], arrays["core.floats"]
        self.slot_of = {int(t): i for i, t in enumerate(self.track_of)}
        for name, detector in self.detectors.items():
            detector.restore({k[len(name) + 1 :]: v for k, v in arrays.items() if k.startswith(name + ".")})
            for known in ("track_of", "exercise_of"):
                if hasattr(detector, known):
                    setattr(detector, known, getattr(self, known))

    def copy(self) -> Core:
        """An independent copy of state over the same definitions."""
        twin = Core.__new__(Core)
        twin.definitions, twin.around = self.definitions, self.around
        twin.detectors = {n: type(d)(d.definition, d.around) for n, d in self.detectors.items()}
        twin.slot_of, twin.track_of, twin.exercise_of = {}, self.track_of, self.exercise_of
        twin.last = self.last.copy()
        twin.restore(self.arrays())
        return twin
