"""What every detector is: a definition with state that takes batches in time order and gives facts.

A detector knows no clock and no file. `step` takes rows, `advance` says that no row before a time will come any more.
`RunDetector` is the common form for behaviours on one track; its subclasses say only which rows raise and lower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from kuroshio.behaviour import runs
from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.norms import Norms
from kuroshio.behaviour.state import CLOSE, EXTEND, Batch, Fact, Marks, State, number
from kuroshio.geo.shore import Shore
from kuroshio.geo.zones import Zones
from kuroshio.units import FloatArray, IntArray

ALWAYS_DUE = -(1 << 62)
SHORE_LIMIT_M = 100_000.0  # further from shore than this is told as this


@dataclass(frozen=True)
class Surroundings:
    """Reference layers that detectors may ask: zones, and norms when there are any."""

    zones: Zones | None = None
    norms: Norms | None = None

    @cached_property
    def shore(self) -> Shore | None:
        """Where land ends; None where no land is among the zones."""
        return Shore.of(self.zones)

    def shore_m(self, lat_deg: float, lon_deg: float) -> float | None:
        """Metres to the nearest shore up to `SHORE_LIMIT_M`, rounded; None where no land is loaded."""
        if self.shore is None or not np.isfinite(lat_deg):
            return None
        return round(float(self.shore.distance_m(lat_deg, lon_deg, SHORE_LIMIT_M)[0]))

    def first_zone(self, lat_deg: float, lon_deg: float, at_us: int, kinds: Sequence[str]) -> str | None:
        """Name of a zone of one of the kinds at a place and time; None where there is none."""
        if self.zones is None or not np.isfinite(lat_deg):
            return None
        _, found = self.zones.members_at(np.asarray([lat_deg]), np.asarray([lon_deg]), np.asarray([at_us]))
        return next((self.zones.zones[z].name for z in found.tolist() if self.zones.zones[z].kind in kinds), None)

    def offshore(self, lat_deg: float, lon_deg: float, least_m: float) -> bool:
        """True where no land is loaded, or none is nearer."""
        if self.shore is None or least_m <= 0.0:
            return True
        return bool(self.shore.distance_m(lat_deg, lon_deg, least_m)[0] >= least_m)


class Detector:
    """Base of all detectors.

    Parameters
    ----------
    definition
        Thresholds and texts.
    around
        Reference layers.
    """

    kernel: ClassVar[str] = ""
    urgent: ClassVar[bool] = False  # judged at the present too, not only when the watermark has passed
    whole: ClassVar[bool] = False  # one ship's rows may change what is told of any other: a repair takes all rows
    area: ClassVar[bool] = False  # its facts are about places, whatever ships they name

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        self.definition = definition
        self.around = around
        self.repairs = (
            False  # true where `rewind` may be called: then what is over is kept as far back as `forget` says
        )
        self.due_us = ALWAYS_DUE  # before it no silence ends anything: `advance` need not look
        self.track_of: IntArray = np.zeros(0, np.int64)
        self.exercise_of: Any = np.zeros(0, np.bool_)

    def of_ship(self, slot: int, mmsi: int) -> dict[str, Any]:
        """What every `Fact` on one track says of whom it is about; ``mmsi`` -1 where none is claimed."""
        return {
            "definition": self.definition.id,
            "tracks": (int(self.track_of[slot]),),
            "mmsis": (mmsi,) if mmsi >= 0 else (),
            "exercise": bool(self.exercise_of[slot]),
        }

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Facts of the rows, as (kind, fact)."""
        raise NotImplementedError

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Facts that follow from silence up to a time."""

    def arrays(self) -> dict[str, Any]:
        """State by name, as arrays; `restore` takes the same and shares none of them."""
        return {}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""

    def take_from(self, other: Any) -> None:
        """Become as another detector of the same definition is."""
        self.restore(other.arrays())

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Let what is kept of the marked tracks and MMSIs be as in another, older detector of the same definition.

        True where all that has been told since the other is told again, whoever it is about.
        """
        raise NotImplementedError

    def hold(self) -> None:
        """The next that `rewind` is given will most likely be as this is now."""

    def forget(self, before_us: int) -> None:
        """No detector that `rewind` is given will be older than this."""


class SlotDetector(Detector):
    """Detector whose whole state is one `State`."""

    int_default: ClassVar[tuple[int, ...]] = ()
    float_default: ClassVar[tuple[float, ...]] = ()
    order: ClassVar[Literal["C", "F"]] = "C"  # of `State`

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State(self.int_default, self.float_default, self.order)

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """The two matrices."""
        return {"ints": self.state.ints, "floats": self.state.floats}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take the two matrices back."""
        self.state.restore(arrays["ints"], arrays["floats"])

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked tracks."""
        self.state.rewind(other.state, marks.slots)
        self.due_us = ALWAYS_DUE
        return False


class Codes(NamedTuple):
    """What the rows of a batch say of a condition."""

    code: Any
    label: IntArray | None
    value: FloatArray
    raises: bool


class RunDetector(SlotDetector):
    """A condition on one track that holds for a while; subclasses give `codes` and `values`."""

    int_default = runs.INT_DEFAULT
    float_default = runs.FLOAT_DEFAULT
    order = "F"  # of idle runs, which most are, the phase alone is read

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.events = Events(9, 8)
        self.under_way: IntArray = np.zeros(2, np.int64)  # number of runs; last row of the one silent longest
        self.gap_us = round(self.threshold("max_gap_s", 3600) * 1e6)
        self.rule = (
            int(self.threshold("raise_n", 1)),
            int(self.threshold("lower_n", 1)),
            round(self.threshold("min_duration_s", 0) * 1e6),
            float(self.threshold("min_distance_m", 0)),
            self.gap_us,
            round(self.threshold("extend_every_s", 3600) * 1e6),
        )

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take the two matrices back, and count the runs."""
        super().restore(arrays)
        self.under_way[0] = np.count_nonzero(self.state.ints[:, runs.PHASE])

    def take_from(self, other: Any) -> None:
        """Become as another is: of idle runs nothing but that they are idle is ever read."""
        mine, theirs = self.state, other.state
        if mine.ints.shape != theirs.ints.shape:  # pages that are not written cost nothing
            mine.ints = np.zeros(theirs.ints.shape, np.int64, order="F")
            mine.floats = np.zeros(theirs.floats.shape, order="F")
        elif self.under_way[0]:
            mine.ints[:, runs.PHASE] = runs.IDLE
        if other.under_way[0]:
            rows = np.flatnonzero(theirs.ints[:, runs.PHASE])
            mine.ints[rows], mine.floats[rows] = theirs.ints[rows], theirs.floats[rows]
        self.under_way[0] = other.under_way[0]

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked tracks, and count the runs."""
        if self.under_way[0] or other.under_way[0]:
            super().rewind(other, marks)
            self.under_way[0] = np.count_nonzero(self.state.ints[:, runs.PHASE])
        return False

    def codes(self, batch: Batch) -> Codes | None:
        """Code (int8), label or None, and value of every row; code 1 raises, -1 lowers, 0 is neutral.

        None where no row ever raises; the value is read where a row raises.
        """
        raise NotImplementedError

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Values of a fact by the names the definition uses."""
        raise NotImplementedError

    def zone_name(self, label: int) -> str | None:
        """Zone of a label, where labels are zones."""
        return None

    def threshold(self, name: str, default: float) -> float:
        """Threshold by name, or the default where the definition has none."""
        t = self.definition.thresholds.get(name)
        return float(t.value) if t is not None else default  # type: ignore[arg-type]

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Run kernel over the rows."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        found = self.codes(batch)
        if found is None or not (found.raises or self.under_way[0]):
            return  # nothing begins and nothing is under way: idle runs keep no state
        f = batch.fixes
        events = self.events.run(
            runs.run_rows,
            len(f),
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            batch.step_m,
            found.code,
            NO_LABEL if found.label is None else found.label,
            found.value,
            f.mmsi,
            batch.ended,
            self.state.ints,
            self.state.floats,
            *self.rule,
            self.under_way,
        )
        if len(events[0]):
            self._facts(*events, out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """End the runs of silent tracks."""
        if to_us < self.due_us or not self.under_way[0]:
            return
        self.under_way[1] = to_us
        ints, floats = self.state.ints, self.state.floats
        events = self.events.run(runs.run_silence, len(ints), ints, floats, to_us, self.gap_us, self.under_way)
        self.due_us = int(self.under_way[1]) + self.gap_us
        if len(events[0]):
            self._facts(*events, out)

    def _facts(self, ints: IntArray, num: FloatArray, out: list[tuple[int, Fact]]) -> None:
        for e, v in zip(ints.tolist(), num, strict=True):  # one turn an event, and events are few
            kind, slot, start, met, end, rows, label, mmsi, cause = e
            points = (("start", start, float(v[0]), float(v[1])), ("last", end, float(v[2]), float(v[3])))
            fact = Fact(
                **self.of_ship(slot, mmsi),
                start_us=start,
                met_us=met,
                end_us=end if kind == CLOSE else None,
                lat_deg=float(v[2]),
                lon_deg=float(v[3]),
                values={
                    "duration_s": (end - start) / 1e6,
                    "path_m": number(v[4]),
                    "updates": rows,
                    **self.values(start, end, rows, v, label),
                },
                points=points,
                rows=rows,
                zone=self.zone_name(label),
                cause=runs.CAUSES.get(cause),
            )
            out.append((EXTEND if kind == EXTEND else kind, fact))


NO_LABEL = np.zeros(0, np.int64)
REGISTRY: dict[str, type[Detector]] = {}


def register(kind: str) -> Callable[[type[Detector]], type[Detector]]:
    """Put a detector class under the name that definitions call ``kernel``."""

    def put(cls: type[Detector]) -> type[Detector]:
        cls.kernel = kind
        REGISTRY[kind] = cls
        return cls

    return put
