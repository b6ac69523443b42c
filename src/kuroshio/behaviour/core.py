"""All detectors over one stream of rows in time order: the pure step that live and archive share.

What enters: `Fixes` no older than what came before, then a time before which nothing more will come. What leaves:
facts. The result depends on the rows alone, not on where batches end (tests/properties/test_behaviour_batches.py).
"""

from __future__ import annotations

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
    loiter,
    motion,
    port,
    unusual,
    zone,
)
from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import ALWAYS_DUE, REGISTRY, Detector, Surroundings
from kuroshio.behaviour.fixes import ENDED, Fixes
from kuroshio.behaviour.index import IdIndex
from kuroshio.behaviour.state import Batch, Fact, State
from kuroshio.errors import ConfigError
from kuroshio.geo.earth import WGS84_A_M, WGS84_E2, distance_m
from kuroshio.units import BoolArray, IntArray

Facts = list[tuple[int, Fact]]
TICK_US = 10_000_000  # timers go off on full ten seconds, live and in the archive
_LONG_AGO = -(1 << 61)


@within
def _near_offset_m(lat0: float, lon0: float, lat: float, lon: float) -> tuple[float, float]:
    """`geo.earth.enu_offset_m` of places next to one another, by one cosine."""
    c = np.cos(np.radians(0.5 * (lat0 + lat)))
    w2 = 1.0 - WGS84_E2 + WGS84_E2 * c * c
    east = np.radians(1.0) * WGS84_A_M * c / np.sqrt(w2)
    north = np.radians(1.0) * WGS84_A_M * (1.0 - WGS84_E2) / (w2 * np.sqrt(w2))
    return (lon - lon0) * east, (lat - lat0) * north


@kernel
def pieces(
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    mmsi: Any,
    who: Any,
    ints: Any,
    floats: Any,
    heard: Any,
    dt: Any,
    step: Any,
    speed: Any,
    la0: Any,
    lo0: Any,
) -> None:
    """dt_us, step_m, speed_mps, prev_lat, prev_lon of every row; state is the last fix of every slot.

    ``heard`` is the last time of every MMSI.
    """
    for i in range(slot.size):
        s = slot[i]
        if ints[s, 1] == 0:
            dt[i], step[i], speed[i], la0[i], lo0[i] = -1, 0.0, np.nan, lat[i], lon[i]
        else:
            dt[i], la0[i], lo0[i] = t[i] - ints[s, 0], floats[s, 0], floats[s, 1]
            if abs(lat[i] - la0[i]) < 0.2 and abs(lon[i] - lo0[i]) < 0.2 and abs(lat[i]) < 70.0:
                east, north = _near_offset_m(la0[i], lo0[i], lat[i], lon[i])
                step[i] = np.sqrt(east * east + north * north)
            else:
                step[i] = distance_m(la0[i], lo0[i], lat[i], lon[i])
            speed[i] = step[i] / (dt[i] * 1e-6) if dt[i] > 0 else np.nan
        if mmsi[i] >= 0:
            ints[s, 2] = who[i]
            heard[who[i], 0] = max(heard[who[i], 0], t[i])
        elif ints[s, 2] >= 0:
            heard[ints[s, 2], 0] = max(heard[ints[s, 2], 0], t[i])
        ints[s, 0], ints[s, 1], floats[s, 0], floats[s, 1] = t[i], 1, lat[i], lon[i]


@kernel
def first_rows(slot: Any, known: int, out: Any) -> None:
    """First row of each slot from ``known`` on; new slots come in the order of their numbers."""
    following = known
    for i in range(slot.size):
        if slot[i] == following:
            out[following - known] = i
            following += 1


@kernel
def in_order(slot: Any, t: Any, mmsi: Any, who: Any, last: Any, heard: Any, after_us: int, out: Any) -> int:
    """Rows later than ``after_us`` and the last of their track and MMSI are marked in ``out``; the number of others.

    ``slot`` and ``who`` are -1 where not known yet.
    """
    others = 0
    for i in range(slot.size):
        s = slot[i]
        w = who[i] if mmsi[i] >= 0 else (last[s, 2] if s >= 0 else -1)
        out[i] = t[i] > after_us and not ((s >= 0 and t[i] <= last[s, 0]) or (w >= 0 and t[i] <= heard[w, 0]))
        others += not out[i]
    return others


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
        self.tracks, self.numbers = IdIndex(), IdIndex()
        self.exercise_of: Any = np.zeros(0, np.bool_)
        self.last = State((0, 0, -1), (0.0, 0.0))
        self.heard = State((_LONG_AGO,), ())  # last time of every MMSI
        self.advanced_us = _LONG_AGO
        self._known: tuple[Fixes, IntArray, IntArray] | None = None

    def _slots(self, fixes: Fixes) -> tuple[IntArray, IntArray]:
        known = len(self.tracks)
        found, self._known = self._known, None
        if found is not None and found[0] is fixes and not (found[1] < 0).any() and not (found[2] < 0).any():
            return found[1], found[2]
        slot = self.tracks.rows(fixes.track)
        count = len(self.tracks)
        if count > known:
            first = np.empty(count - known, np.int64)
            first_rows(slot, known, first)
            self.exercise_of = np.concatenate([self.exercise_of, fixes.exercise[first]])
            self.last.ensure(count)
            for detector in self.detectors.values():
                detector.ensure(count)
        who = self.numbers.rows(fixes.mmsi)
        self.heard.ensure(len(self.numbers))
        return slot, who

    def in_order(self, fixes: Fixes, after_us: int) -> BoolArray | None:
        """True for rows later than all before of their track and of the MMSI it claims or claimed last; None: all."""
        slot, who = self.tracks.find(fixes.track), self.numbers.find(fixes.mmsi)
        self._known = (fixes, slot, who)  # most likely these rows are stepped next
        good = np.empty(len(fixes), np.bool_)
        others = in_order(slot, fixes.t, fixes.mmsi, who, self.last.ints, self.heard.ints, after_us, good)
        return good if others else None

    def step(self, fixes: Fixes, out: Facts) -> None:
        """Facts of rows in canonical order (track, time)."""
        if not len(fixes):
            return
        slot, who = self._slots(fixes)
        n, (ints, floats) = len(fixes), (self.last.ints, self.last.floats)
        dt, step, speed, la0, lo0 = np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
        pieces(
            slot,
            fixes.t,
            fixes.lat,
            fixes.lon,
            fixes.mmsi,
            who,
            ints,
            floats,
            self.heard.ints,
            dt,
            step,
            speed,
            la0,
            lo0,
        )
        ended = fixes.status == ENDED
        around = (self.tracks.names, self.exercise_of, self.numbers)
        batch = Batch(fixes, slot, who, dt, step, speed, la0, lo0, ended, *around)
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

    def arrays(self) -> dict[str, Any]:
        """Whole state by name."""
        own = {f"core.{key}": value for key, value in self._own_arrays().items()}
        for name, detector in self.detectors.items():
            own |= {f"{name}.{key}": value for key, value in detector.arrays().items()}
        return own

    def _own_arrays(self) -> dict[str, Any]:
        return {
            "track": self.tracks.names,
            "number": self.numbers.names,
            "exercise": self.exercise_of,
            "ints": self.last.ints,
            "floats": self.last.floats,
            "heard": self.heard.ints,
            "advanced": np.asarray([self.advanced_us], np.int64),
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a whole state back; the arrays are not shared."""
        parts: dict[str, dict[str, Any]] = {}
        for key, value in arrays.items():
            owner, name = key.split(".", 1)
            parts.setdefault(owner, {})[name] = value
        self._restore(parts, IdIndex(arrays["core.track"]), IdIndex(arrays["core.number"]))

    def _restore(self, parts: dict[str, dict[str, Any]], tracks: IdIndex, numbers: IdIndex) -> None:
        own = parts["core"]
        self.tracks, self.numbers, self._known = tracks, numbers, None
        self.exercise_of = np.array(own["exercise"])
        self.last.restore(own["ints"], own["floats"])
        self.heard.restore(own["heard"], np.zeros((len(own["heard"]), 0)))
        self.advanced_us = int(own["advanced"][0])
        for name, detector in self.detectors.items():
            detector.restore(parts.get(name, {}))
            detector.due_us = ALWAYS_DUE
            for known, value in (
                ("track_of", tracks.names),
                ("exercise_of", self.exercise_of),
                ("numbers", numbers),
            ):
                if hasattr(detector, known):
                    setattr(detector, known, value)

    def take_from(self, other: Core) -> None:
        """Become as another core of the same definitions is; nothing is shared."""
        parts = {name: detector.arrays() for name, detector in other.detectors.items()}
        parts["core"] = other._own_arrays()
        self._restore(parts, other.tracks.copy(), other.numbers.copy())
        for name, detector in self.detectors.items():
            detector.due_us = other.detectors[name].due_us

    def copy(self) -> Core:
        """An independent copy of state over the same definitions."""
        twin = Core(self.definitions, self.around)
        twin.take_from(self)
        return twin
