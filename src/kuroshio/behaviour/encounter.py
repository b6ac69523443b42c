"""Encounter (rendezvous): two slow ships near one another for a while, away from port."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour import pairs, points
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, Surroundings, register, with_prefix
from kuroshio.behaviour.index import two_key_order
from kuroshio.behaviour.state import CLOSE, Batch, Fact, State
from kuroshio.units import FloatArray, IntArray

_CAUSES = {pairs.PARTED: "they parted", pairs.LEFT_FAST: "one left at speed", pairs.LOST: "one was no longer heard"}


@njit(cache=True, nogil=True)
def skipped(ended: Any, port: Any, ship_type: Any, types: Any, nav: Any, states: Any) -> Any:
    """Rows of ended tracks, in excluded areas, or of excluded types or states."""
    out = np.empty(ended.size, np.bool_)
    for i in range(ended.size):
        skip = ended[i] or port[i]
        for j in range(types.size):
            skip |= ship_type[i] == types[j]
        for j in range(states.size):
            skip |= nav[i] == states[j]
        out[i] = skip
    return out


@register("encounter")
class EncounterDetector(Detector):
    """See `definitions/encounter.toml` and `pairs`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((0, 0, points.NO_BIN, 0, points.NO_BIN), (0.0, 0.0, 0.0))
        self.point_i: IntArray = np.zeros((0, 3), np.int64)
        self.point_f: FloatArray = np.zeros((0, 3), np.float64)
        self.oldest = points.NO_BIN  # first step whose points are kept
        self.open_i: IntArray = np.zeros((0, 7), np.int64)
        self.open_f: FloatArray = np.zeros((0, 6), np.float64)
        self.track_of: IntArray = np.zeros(0, np.int64)
        self.exercise_of: Any = np.zeros(0, np.bool_)

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Last fixes, points of the window, open pairs."""
        return {
            "ints": self.state.ints,
            "floats": self.state.floats,
            "open_i": self.open_i,
            "open_f": self.open_f,
            "point_i": self.point_i,
            "point_f": self.point_f,
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.open_i, self.open_f = np.array(arrays["open_i"]), np.array(arrays["open_f"])
        self.point_i, self.point_f = np.array(arrays["point_i"]), np.array(arrays["point_f"])
        self.oldest = points.NO_BIN

    def _skipped(self, batch: Batch) -> Any:
        f, d = batch.fixes, self.definition
        types, states = (np.asarray(d[n], np.int64) for n in ("exclude_ship_types", "exclude_nav_status"))
        port = batch.within(self.around.zones, d["exclude_zone_kinds"]) | with_prefix(
            f.mmsi, d["exclude_mmsi_prefixes"]
        )
        return skipped(batch.ended, port, f.ship_type, types, f.nav, states)

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Read the new pieces off at the time steps and walk all pairs as far as both are known."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f, d = batch.fixes, self.definition
        new_i, new_f = points.read_off(
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            batch.prev_lat,
            batch.prev_lon,
            batch.step_m,
            f.mmsi,
            self._skipped(batch),
            self.state.ints,
            self.state.floats,
            d.us("time_step_s"),
            d.us("max_gap_s"),
            max(float(d["leave_speed_mps"]), float(d["max_speed_mps"])),
        )
        if not points.ascending(new_i):  # slots are numbered as tracks come, not as they are called
            order = two_key_order(new_i[:, points.P_SLOT], new_i[:, points.P_BIN])
            new_i, new_f = new_i[order], new_f[order]
        fresh = None
        if not len(self.point_i):
            self.point_i, self.point_f = new_i, new_f
        elif len(new_i):
            self.point_i, self.point_f, fresh = points.merged(self.point_i, self.point_f, new_i, new_f)
        if len(new_i):
            limits = float(d["distance_m"]), float(d["max_speed_mps"])
            found = points.candidates(self.point_i, self.point_f, fresh, batch.track_of, *limits)
            found = self._offshore(found)
        else:
            found = np.zeros((0, 3), np.int64)
        self._walk(found, points.NO_BIN, out)

    def _offshore(self, found: IntArray) -> IntArray:
        """Near pairs whose first ship is far enough from shore, where land is known."""
        least, shore = float(self.definition["min_shore_m"]), self.around.shore
        if shore is None or least <= 0.0 or not len(found):
            return found
        place = points.places(found, points.pointers(self.point_i, len(self.state.ints)), self.point_i)
        away = shore.distance_m(self.point_f[place, points.P_LAT], self.point_f[place, points.P_LON], least)
        return found[away >= least]

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Give up pairs one of which fell silent; forget points no piece can reach any more."""
        d = self.definition
        if len(self.open_i):
            self._walk(np.zeros((0, 3), np.int64), to_us, out)
        window = d.us("max_gap_s") // d.us("time_step_s")
        oldest = (to_us - d.us("max_gap_s")) // d.us("time_step_s") - 2
        if len(self.point_i) and oldest >= self.oldest + window // 4 + 1:  # a copy of all: not at every call
            self.point_i, self.point_f = points.newer(self.point_i, self.point_f, oldest)
            self.oldest = oldest

    def _walk(self, found: IntArray, to_us: int, out: list[tuple[int, Fact]]) -> None:
        if not len(found) and not len(self.open_i):
            return
        d = self.definition
        ev, evf, self.open_i, self.open_f = pairs.walk(
            found,
            self.open_i,
            self.open_f,
            points.pointers(self.point_i, len(self.state.ints)),
            self.point_i,
            self.point_f,
            self.state.ints,
            to_us,
            d.us("time_step_s"),
            d.us("max_gap_s"),
            float(d["distance_m"]),
            float(d["exit_distance_m"]),
            float(d["max_speed_mps"]),
            float(d["leave_speed_mps"]),
            d.us("min_duration_s"),
            d.us("extend_every_s"),
        )
        for e, v in zip(ev.tolist(), evf.tolist(), strict=True):  # one turn an event
            out.append((e[0], self._fact(e, v)))

    def _fact(self, e: list[int], v: list[float]) -> Fact:
        kind, a, b, start, met, end, steps, mmsi_a, mmsi_b, cause = e
        span_s = max(1e-6, (steps - 1) * float(self.definition["time_step_s"]))
        return Fact(
            definition=self.definition.id,
            tracks=(int(self.track_of[a]), int(self.track_of[b])),
            mmsis=tuple(m for m in (mmsi_a, mmsi_b) if m >= 0),
            start_us=start,
            met_us=met,
            end_us=end if kind == CLOSE else None,
            lat_deg=v[pairs.LAT],
            lon_deg=v[pairs.LON],
            values={
                "duration_s": (end - start) / 1e6,
                "min_distance_m": v[pairs.MIN_D],
                "mean_distance_m": v[pairs.SUM_D] / steps,
                "mean_speed_a_mps": v[pairs.PATH_A] / span_s,
                "mean_speed_b_mps": v[pairs.PATH_B] / span_s,
                "mean_speed_mps": max(v[pairs.PATH_A], v[pairs.PATH_B]) / span_s,
                "steps": steps,
                "shore_distance_m": self.around.shore_m(v[pairs.LAT], v[pairs.LON]),
            },
            points=(("nearest", start, v[pairs.LAT], v[pairs.LON]),),
            rows=steps,
            cause=_CAUSES.get(cause),
            exercise=bool(self.exercise_of[a] or self.exercise_of[b]),
        )
