"""Encounter (rendezvous): two slow ships near one another for a while, away from port."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour import pairs
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, Surroundings, register
from kuroshio.behaviour.state import CLOSE, Batch, Fact, State
from kuroshio.units import FloatArray, IntArray

_POINT_FIELDS = ("slot", "bin", "lat", "lon", "speed", "mmsi")
_CAUSES = {pairs.PARTED: "they parted", pairs.LEFT_FAST: "one left at speed", pairs.LOST: "one was no longer heard"}


@register("encounter")
class EncounterDetector(Detector):
    """See `definitions/encounter.toml` and `pairs`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((0, 0), (0.0, 0.0))
        self.points: dict[str, Any] = {
            n: np.zeros(0, np.float64 if n in ("lat", "lon", "speed") else np.int64) for n in _POINT_FIELDS
        }
        self.open_i: IntArray = np.zeros((0, 7), np.int64)
        self.open_f: FloatArray = np.zeros((0, 6), np.float64)
        self.track_of: IntArray = np.zeros(0, np.int64)
        self.exercise_of: Any = np.zeros(0, np.bool_)

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Last fixes, points of the window, open pairs."""
        plain = {"ints": self.state.ints, "floats": self.state.floats, "open_i": self.open_i, "open_f": self.open_f}
        return plain | {f"point_{n}": v for n, v in self.points.items()}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.ints, self.state.floats = arrays["ints"], arrays["floats"]
        self.open_i, self.open_f = arrays["open_i"], arrays["open_f"]
        self.points = {n: arrays[f"point_{n}"] for n in _POINT_FIELDS}

    def _skipped(self, batch: Batch) -> Any:
        f, d = batch.fixes, self.definition
        skip = batch.ended.copy()
        types = np.asarray(d["exclude_ship_types"], np.int64)
        if len(types):
            skip |= np.isin(f.ship_type, types)
        states = np.asarray(d["exclude_nav_status"], np.int64)
        if len(states):
            skip |= np.isin(f.nav, states)
        skip |= batch.within(self.around.zones, d["exclude_zone_kinds"])
        return skip

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Read the new pieces off at the time steps and walk all pairs as far as both are known."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f, d = batch.fixes, self.definition
        new = dict(
            zip(
                _POINT_FIELDS,
                pairs.read_off(
                    batch.slot,
                    f.t,
                    f.lat,
                    f.lon,
                    f.mmsi,
                    self._skipped(batch),
                    self.state.ints,
                    self.state.floats,
                    d.us("time_step_s"),
                    d.us("max_gap_s"),
                ),
                strict=True,
            )
        )
        fresh = np.ones(len(new["slot"]), np.bool_)
        if len(self.points["slot"]):
            fresh = np.concatenate([np.zeros(len(self.points["slot"]), np.bool_), fresh])
            new = {n: np.concatenate([self.points[n], new[n]]) for n in _POINT_FIELDS}
        if (np.diff(new["slot"]) < 0).any() or not fresh.all():
            order = np.lexsort((new["bin"], new["slot"]))
            new, fresh = {n: v[order] for n, v in new.items()}, fresh[order]
        self.points = new
        found = pairs.candidates(
            new["slot"],
            new["bin"],
            new["lat"],
            new["lon"],
            new["speed"],
            batch.track_of[new["slot"]],
            fresh,
            float(d["distance_m"]),
            float(d["max_speed_mps"]),
        )
        self._walk(found, -(1 << 62), out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Give up pairs one of which fell silent; forget points no piece can reach any more."""
        d = self.definition
        if len(self.open_i):
            self._walk(np.zeros((0, 3), np.int64), to_us, out)
        if len(self.points["bin"]):
            oldest = (to_us - d.us("max_gap_s")) // d.us("time_step_s") - 2
            keep = self.points["bin"] >= oldest
            if not keep.all():
                self.points = {n: v[keep] for n, v in self.points.items()}

    def _walk(self, found: IntArray, to_us: int, out: list[tuple[int, Fact]]) -> None:
        if not len(found) and not len(self.open_i):
            return
        d, p = self.definition, self.points
        ptr = np.concatenate([[0], np.cumsum(np.bincount(p["slot"], minlength=len(self.state.ints)))]).astype(np.int64)
        ev, evf, self.open_i, self.open_f = pairs.walk(
            found,
            self.open_i,
            self.open_f,
            ptr,
            p["bin"],
            p["lat"],
            p["lon"],
            p["speed"],
            p["mmsi"],
            np.ascontiguousarray(self.state.ints[:, 0]),
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
            },
            points=(("nearest", start, v[pairs.LAT], v[pairs.LON]),),
            rows=steps,
            cause=_CAUSES.get(cause),
            exercise=bool(self.exercise_of[a] or self.exercise_of[b]),
        )
