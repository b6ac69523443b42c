"""Encounter (rendezvous): two slow ships near one another for a while, away from port."""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour import pairs, points
from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import ALWAYS_DUE, Detector, Surroundings, register
from kuroshio.behaviour.near import Search
from kuroshio.behaviour.state import CLOSE, Batch, Fact, Marks, State
from kuroshio.units import BoolArray, FloatArray, IntArray

_LOST = "one was no longer heard, or is left out from there on (moored, in port)"
_CAUSES = {pairs.PARTED: "they parted", pairs.LEFT_FAST: "one left at speed", pairs.LOST: _LOST}

_MOST_WAITING = 20_000
_WAIT_US = 150_000_000  # half of what may pass from the rule's being met to the alert, and meetings take half an hour
_NEVER = 1 << 62
_NO_PAIRS = np.zeros((0, 3), np.int64)
_NO_ROWS = np.zeros(0, np.bool_)
_NO_POINTS = np.zeros((0, 3), np.int64), np.zeros((0, 3))


@kernel
def _newest(pi: Any, n: int) -> int:
    """Last step of the first ``n`` points, one at least."""
    last = pi[0, points.P_BIN]
    for i in range(1, n):
        last = max(last, pi[i, points.P_BIN])
    return int(last)


@register("encounter")
class EncounterDetector(Detector):
    """See `definitions/encounter.toml` and `pairs`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((0, points.NO_BIN, points.NO_BIN, 0, points.NO_BIN), (0.0, 0.0, 0.0))
        self.points = points.Points()
        # first step whose points are kept, that may not be put away, and that a new piece can reach
        self.oldest = self.held = self.reach = points.NO_BIN
        self.open_i: IntArray = np.zeros((0, 8), np.int64)
        self.open_f: FloatArray = np.zeros((0, 6), np.float64)
        d = definition
        self.types, self.states = (np.asarray(d[n], np.int64) for n in ("exclude_ship_types", "exclude_nav_status"))
        self.left_out = tuple(d["exclude_zone_kinds"]), tuple(map(str, d["exclude_mmsi_prefixes"]))
        self.step_us, self.gap_us = d.us("time_step_s"), d.us("max_gap_s")
        self.search = Search(float(d["distance_m"]), float(d["max_speed_mps"]))
        self.fast = max(float(d["leave_speed_mps"]), float(d["max_speed_mps"]))
        self.walking = (
            self.step_us,
            self.gap_us,
            float(d["distance_m"]),
            float(d["exit_distance_m"]),
            float(d["max_speed_mps"]),
            float(d["leave_speed_mps"]),
            d.us("min_duration_s"),
            d.us("extend_every_s"),
        )
        self.new, self.events = Events(3, 3), Events(11, 6)
        self.work = np.zeros((1, 8), np.int64), np.zeros((1, 6))
        self.past: list[tuple[IntArray, FloatArray]] = []  # points before the window, as far back as repairs go
        self.again: tuple[BoolArray, IntArray] | None = None  # tracks gone back to, and how far each was known then
        # number of points in `new` that are not put in yet, as the search costs as much for few; and since when
        self.waits, self.waiting_us = 0, _NEVER

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Last fixes, points of the window, open pairs."""
        self.points.join()
        return {
            "ints": self.state.ints,
            "floats": self.state.floats,
            "open_i": self.open_i,
            "open_f": self.open_f,
            "point_i": self.points.ints,
            "point_f": self.points.floats,
            "past_i": np.concatenate([_NO_POINTS[0], *(i for i, _ in self.past)]),
            "past_f": np.concatenate([_NO_POINTS[1], *(f for _, f in self.past)]),
            "oldest": np.asarray([self.oldest], np.int64),
            "waiting_i": self.new.ints[: self.waits],
            "waiting_f": self.new.floats[: self.waits],
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.open_i, self.open_f = np.array(arrays["open_i"]), np.array(arrays["open_f"])
        self.points.set(arrays["point_i"], arrays["point_f"])
        self.past = [(arrays["past_i"], arrays["past_f"])] if len(arrays["past_i"]) else []
        self.oldest, self.again = int(arrays["oldest"][0]), None
        self.held = self.reach = self.oldest
        self._wait_for(arrays["waiting_i"], arrays["waiting_f"])
        self.waiting_us = _NEVER

    def _wait_for(self, ints: IntArray, floats: FloatArray) -> None:
        """Let these points wait and no others; they are not shared."""
        self.waits = len(ints)
        self.new.make_room(self.waits)
        self.new.ints[: self.waits], self.new.floats[: self.waits] = ints, floats

    def take_from(self, other: Any) -> None:
        """Become as another is; what is past is shared, as nobody writes to it."""
        past, other.past = other.past, []
        self.restore(other.arrays())
        self.past, other.past = list(past), past

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Last fixes, points and pairs of the marked tracks; the points of all others as far back as the other's."""
        self.state.rewind(other.state, marks.slots)
        self.track_of, self.exercise_of, mine = marks.names.tracks.names, marks.names.exercise, marks.slot_marks
        self.points.drop(mine)
        parts = [other.points.of(mine)]
        for i, f in self.past if self.oldest > other.oldest else ():  # one turn a time the window went on
            back = i[:, points.P_BIN] >= other.oldest
            if back.any():
                back &= ~mine[i[:, points.P_SLOT]]
                parts.append((i[back], f[back]))
        point_i, point_f = (np.concatenate(part) for part in zip(*parts, strict=True)) if len(parts) > 1 else parts[0]
        self.points.put(*points.in_order(point_i, point_f))
        self.past, self.oldest = list(other.past), other.oldest  # the other may have gone back itself
        if len(self.open_i) or len(other.open_i):
            most = len(self.open_i) + len(other.open_i)
            open_i, open_f = np.empty((most, 8), np.int64), np.empty((most, 6))
            n = pairs.gone_back(mine, self.open_i, self.open_f, other.open_i, other.open_f, open_i, open_f)
            self.open_i, self.open_f = open_i[:n], open_f[:n]
        known = np.full(len(mine), points.NO_BIN, np.int64)
        known[: len(other.state.ints)] = other.state.ints[: len(mine), points.BIN]
        if self.waits or other.waits:
            waiting = np.empty((self.waits + other.waits, 3), np.int64), np.empty((self.waits + other.waits, 3))
            own, old = ((d.new.ints[: d.waits], d.new.floats[: d.waits]) for d in (self, other))
            n = pairs.points_gone_back(mine, known, *own, *old, *waiting)
            self._wait_for(waiting[0][:n], waiting[1][:n])
        self.again, self.due_us = (mine, known), ALWAYS_DUE
        return False

    def hold(self) -> None:
        """From now on no point is put away: it would be put in again."""
        self._put_away(self.reach)
        self.held = self.oldest

    def forget(self, before_us: int) -> None:
        """Points that no piece could reach then are not walked over again."""
        oldest = self._oldest(before_us) - self.gap_us // self.step_us // 4 - 1
        self.past = [part for part in self.past if int(part[0][:, points.P_BIN].max()) >= oldest]

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Read the new pieces off at the time steps and walk all pairs as far as both are known."""
        self.track_of, self.exercise_of = batch.track_of, batch.exercise_of
        f = batch.fixes
        self.waits = self.new.go_on(
            points.read_off,
            len(f),
            self.waits,
            batch.slot,
            f.t,
            f.lat,
            f.lon,
            batch.dt_us,
            batch.prev_lat,
            batch.prev_lon,
            batch.speed_mps,
            f.mmsi,
            batch.ended,
            batch.left_out(self.around.zones, *self.left_out),
            f.ship_type,
            self.types,
            f.nav,
            self.states,
            self.state.ints,
            self.state.floats,
            self.step_us,
            self.gap_us,
            self.fast,
        )
        if self.waits and (not self.repairs or self.waits > _MOST_WAITING):
            self._settle(points.NO_BIN, out)  # what was gone back to waits for `advance`, which follows

    def _settle(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Put in the points that wait, find the near pairs that they make, and walk all pairs."""
        found, begin, fresh = _NO_PAIRS, 0, _NO_ROWS
        waits, self.waits, self.waiting_us = self.waits, 0, _NEVER
        if waits:
            begin, fresh = self.points.put(*points.in_order(self.new.ints[:waits], self.new.floats[:waits]))
        if self.again is not None:
            found = self._near_again(begin, fresh)
        elif waits:
            found = self._offshore(self.search.pairs(self.points.ints, self.points.floats, begin, fresh, self.track_of))
        oldest_us = self._walk(found, to_us, out)
        if to_us != points.NO_BIN:
            self.due_us = min(to_us, oldest_us) + self.gap_us
        elif len(found) and self.due_us != ALWAYS_DUE:
            self.due_us = min(self.due_us, oldest_us + self.gap_us)

    def _near_again(self, begin: int, fresh: BoolArray) -> IntArray:
        """Near pairs of new points and of the tracks gone back to; what was met before they went back is left out."""
        assert self.again is not None
        (mine, known), self.again = self.again, None
        every = mine[self.points.ints[:, points.P_SLOT]]
        every[begin : begin + len(fresh)] |= fresh
        if not every.any():
            return _NO_PAIRS
        found = self.search.pairs(self.points.ints, self.points.floats, 0, every, self.track_of)
        a, b = found[:, 0], found[:, 1]
        return self._offshore(found[~(mine[a] | mine[b]) | (found[:, 2] > np.minimum(known[a], known[b]))])

    def _offshore(self, found: IntArray) -> IntArray:
        """Near pairs whose first ship is far enough from shore, where land is known."""
        least, shore = float(self.definition["min_shore_m"]), self.around.shore
        if shore is None or least <= 0.0 or not len(found):
            return found
        place = np.empty(len(found), np.int64)
        points.places(found, self.points.pointers(len(self.state.ints)), self.points.ints, place)
        floats = self.points.floats
        away = shore.distance_m(floats[place, points.P_LAT], floats[place, points.P_LON], least)
        return found[away >= least]

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Give up pairs one of which fell silent; put away points no piece can reach any more."""
        window = self.gap_us // self.step_us
        self.reach = max(self.reach, self._oldest(to_us))
        oldest = min(self.reach, self.held) if self.repairs else self.reach
        put_away = (
            self.points.count and oldest >= self.oldest + window // 4 + 1
        )  # it reads all of them: not at every call
        if self.waits:
            self.waiting_us = min(self.waiting_us, to_us)
        put_in = self.waits and (put_away or to_us >= self.waiting_us + _WAIT_US or to_us >= self._newest_us())
        if self.again is not None or put_in or (len(self.open_i) and to_us > self.due_us):
            self._settle(to_us, out)
        if put_away:
            self._put_away(oldest)

    def _newest_us(self) -> int:
        """Time of the newest point that waits: once it has passed, there is nothing more to wait for."""
        return int(_newest(self.new.ints, self.waits)) * self.step_us

    def _put_away(self, oldest: int) -> None:
        self.points.join()
        if self.repairs and self.points.count:
            old = self.points.ints[:, points.P_BIN] < oldest
            if old.any():
                self.past.append((self.points.ints[old], self.points.floats[old]))
        self.points.forget(oldest)
        self.oldest = oldest

    def _oldest(self, to_us: int) -> int:
        """First step that a piece to a row later than a time can reach."""
        return (to_us - self.gap_us) // self.step_us - 2

    def _walk(self, found: IntArray, to_us: int, out: list[tuple[int, Fact]]) -> int:
        """Walk all pairs; the last fix of the ship of an open pair that is silent longest: until then none is lost."""
        if not len(found) and not len(self.open_i):
            return _NEVER
        ptr = self.points.pointers(len(self.state.ints))
        most = len(self.open_i) + len(found)
        keep, keep_f = np.empty((most, 8), np.int64), np.empty((most, 6))
        know = found, self.open_i, self.open_f, ptr, self.points.ints, self.points.floats, self.state.ints, to_us
        ev, evf = self.events.run(pairs.walk, 1, *know, *self.walking, keep, keep_f, *self.work)
        n = int(self.work[0][0, 0])
        self.open_i, self.open_f = keep[:n], keep_f[:n]
        if len(ev):
            for e, v in zip(ev.tolist(), evf.tolist(), strict=True):  # one turn an event
                out.append((e[0], self._fact(e, v)))
        return int(self.work[0][0, 1])

    def _fact(self, e: list[int], v: list[float]) -> Fact:
        kind, a, b, start, met, end, steps, mmsi_a, mmsi_b, cause, nearest = e
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
            points=(("nearest", nearest * self.step_us, v[pairs.LAT], v[pairs.LON]),),
            rows=steps,
            cause=_CAUSES.get(cause),
            exercise=bool(self.exercise_of[a] or self.exercise_of[b]),
        )
