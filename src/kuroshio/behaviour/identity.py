"""Identity as a claim: one number at two places, a step no ship can make, a ship that changes its name.

State by MMSI where the question is about a number, by track where it is about a ship. Two tracks on one MMSI are two
ships or one that lies; neither is taken for the other here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, SlotDetector, Surroundings, register
from kuroshio.behaviour.fetch import AHEAD, ahead, fetch_cells, fetch_row_ahead, reach
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.index import IdIndex
from kuroshio.behaviour.state import CLOSE, OPEN, Batch, Fact, Marks, State
from kuroshio.geo.earth import distance_m
from kuroshio.units import IntArray

# by MMSI: last report, its track, first and last impossible step, steps and impossible steps since the first, open or
# not, the two tracks, the last time it was told, steps up to the last impossible one, time of the report before the
# first; numbers: last place, place before the step, greatest speed, length
T, TRACK, FIRST, LATEST, STEPS, BAD, OPENED, TRACK_A, TRACK_B, MET, OF, BEFORE = range(12)


@within
def _say_steps(ev: Any, num: Any, k: int, kind: int, w: int, ints: Any, floats: Any) -> None:
    ev[k, 0], ev[k, 1], ev[k, 2], ev[k, 3], ev[k, 4] = kind, w, ints[w, FIRST], ints[w, MET], ints[w, LATEST]
    ev[k, 5], ev[k, 6], ev[k, 7], ev[k, 8] = ints[w, TRACK_A], ints[w, TRACK_B], ints[w, OF], ints[w, BAD]
    ev[k, 9] = ints[w, BEFORE]
    for c in range(6):
        num[k, c] = floats[w, c]


@kernel
def steps(
    begin: int,
    k: int,
    ev: Any,
    num: Any,
    who: Any,
    t: Any,
    lat: Any,
    lon: Any,
    sog: Any,
    track: Any,
    ints: Any,
    floats: Any,
    still: float,
    max_speed: float,
    min_m: float,
    min_dt_us: int,
    forget_us: int,
    min_us: int,
    share: float,
    under_way: Any,
) -> tuple[int, int]:
    """Events (kind, who, start, met, end, track a, track b, steps, bad, before) of rows in order (who, time).

    A step is impossible when it is longer than ``min_m`` and faster than ``max_speed``, and longer ago than
    ``min_dt_us``: two receivers' clocks a second apart make no such step. A position that is sent again unchanged is
    no step; what comes after is held against it where it says ``still`` or less: there the ship lies. From a ship under
    way it is an old one, and the time is counted from when it was new. ``under_way`` counts the numbers whose steps
    have been told and have not stopped.
    """
    end = reach(who)
    for i in range(begin, who.size):
        if k + 2 > ev.shape[0]:
            return i, k
        later = ahead(who, i, AHEAD, end)
        if later >= 0:  # of what is seldom read nothing
            fetch_cells(ints, later, T, STEPS)
            fetch_cells(floats, later, 0, 1)
        w, t1 = who[i], t[i]
        dt = t1 - ints[w, T]
        if ints[w, T] == NEVER or dt < 0:
            ints[w, T], ints[w, TRACK], floats[w, 0], floats[w, 1] = t1, track[i], lat[i], lon[i]
            continue
        if ints[w, FIRST] != NEVER and t1 - ints[w, LATEST] > forget_us:
            if ints[w, OPENED]:
                _say_steps(ev, num, k, np.int64(CLOSE), w, ints, floats)
                k += 1
                under_way[0] -= 1
            ints[w, FIRST], ints[w, OPENED] = NEVER, 0
        la0, lo0 = floats[w, 0], floats[w, 1]
        if dt < min_dt_us:
            continue
        if lat[i] == la0 and lon[i] == lo0:
            if sog[i] <= still:  # false where it is not told
                ints[w, T], ints[w, TRACK] = t1, track[i]
            continue
        ints[w, STEPS] += 1
        dlon = abs(lon[i] - lo0)
        if abs(lat[i] - la0) * 111_700.0 + min(dlon, 360.0 - dlon) * 111_400.0 > min_m:  # never less than the distance
            far = distance_m(la0, lo0, lat[i], lon[i])
            speed = far / (dt * 1e-6)
            if far > min_m and speed > max_speed:
                if ints[w, FIRST] == NEVER:
                    ints[w, FIRST], ints[w, BEFORE], ints[w, STEPS], ints[w, BAD] = t1, ints[w, T], 1, 0
                    ints[w, TRACK_A], ints[w, TRACK_B] = min(ints[w, TRACK], track[i]), max(ints[w, TRACK], track[i])
                    floats[w, 2], floats[w, 3], floats[w, 4], floats[w, 5] = la0, lo0, 0.0, 0.0
                ints[w, BAD] += 1
                ints[w, LATEST], ints[w, OF] = t1, ints[w, STEPS]
                if speed > floats[w, 4]:
                    floats[w, 4], floats[w, 5] = speed, far
                if not ints[w, OPENED] and t1 - ints[w, FIRST] >= min_us and ints[w, BAD] > share * ints[w, STEPS]:
                    ints[w, OPENED], ints[w, MET] = 1, t1
                    _say_steps(ev, num, k, np.int64(OPEN), w, ints, floats)
                    num[k, 0], num[k, 1] = lat[i], lon[i]
                    k += 1
                    under_way[0] += 1
        ints[w, T], ints[w, TRACK], floats[w, 0], floats[w, 1] = t1, track[i], lat[i], lon[i]
    return who.size, k


@kernel
def steps_silence(
    begin: int, k: int, ev: Any, num: Any, ints: Any, floats: Any, to_us: int, forget_us: int, under_way: Any
) -> tuple[int, int]:
    """Events of the numbers whose impossible steps have stopped by ``to_us``."""
    for w in range(begin, ints.shape[0]):
        if k + 1 > ev.shape[0]:
            return w, k
        if ints[w, OPENED] != 1 or ints[w, FIRST] == NEVER:
            continue
        if to_us - ints[w, LATEST] > forget_us:
            _say_steps(ev, num, k, np.int64(CLOSE), w, ints, floats)
            k += 1
            ints[w, FIRST], ints[w, OPENED] = NEVER, 0
            under_way[0] -= 1
    return ints.shape[0], k


@register("identity_steps")
class StepsDetector(Detector):
    """One MMSI in two places: impossible steps once, or for a time and a share (`min_duration_s`, `bad_share`)."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((NEVER, -1, NEVER, NEVER, 0, 0, 0, -1, -1, 0, 0, NEVER), (0.0,) * 6)
        self.numbers = IdIndex()
        self.events = Events(10, 6)
        self.under_way: IntArray = np.zeros(1, np.int64)
        d, self.forget_us = definition, definition.us("forget_s")
        still, fast = float(d["still_mps"]), float(d["max_speed_mps"])
        limits = still, fast, float(d["min_step_m"]), d.us("min_interval_s")
        self.rule = *limits, self.forget_us, d.us("min_duration_s"), float(d["bad_share"])

    def arrays(self) -> dict[str, Any]:
        """Matrices by MMSI; the core keeps the numbers."""
        return {"ints": self.state.ints, "floats": self.state.floats}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.under_way[0] = np.count_nonzero(self.state.ints[:, OPENED])

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked MMSIs."""
        self.numbers = marks.names.numbers
        rows = marks.numbers[marks.numbers < len(self.state.ints)]
        self.under_way[0] -= np.count_nonzero(self.state.ints[rows, OPENED])
        self.state.rewind(other.state, marks.numbers)
        self.under_way[0] += np.count_nonzero(self.state.ints[rows, OPENED])
        return False

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """AIS reports of every number in the order of time, whatever track they went to."""
        r = batch.reports()
        self.numbers = batch.numbers
        self.state.ensure(len(self.numbers))
        ints, floats, sog = self.state.ints, self.state.floats, r.of(batch.fixes.sog)
        rows = r.who, r.t, r.lat, r.lon, sog, r.track
        self._say(steps, len(r.t), *rows, ints, floats, *self.rule, self.under_way, out=out)

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """End what has stopped."""
        if self.under_way[0]:
            ints, floats = self.state.ints, self.state.floats
            self._say(steps_silence, len(ints), ints, floats, to_us, self.forget_us, self.under_way, out=out)

    def _say(self, kernel: Any, count: int, *arguments: Any, out: list[tuple[int, Fact]]) -> None:
        ev, num = self.events.run(kernel, count, *arguments)
        if len(ev):
            for e, v in zip(ev.tolist(), num.tolist(), strict=True):  # one turn an event
                out.append((e[0], self._fact(e, v)))

    def _fact(self, e: list[int], v: list[float]) -> Fact:
        kind, w, start, met, end, a, b, n, bad, before = e
        mmsi = int(self.numbers.names[w])
        return Fact(
            definition=self.definition.id,
            tracks=(a, b) if a != b else (a,),
            mmsis=(mmsi, mmsi) if a != b else (mmsi,),
            start_us=start,
            met_us=met,
            end_us=end if kind == CLOSE else None,
            lat_deg=v[2],
            lon_deg=v[3],
            values={
                "implied_speed_mps": v[4],
                "step_m": v[5],
                "duration_s": (end - start) / 1e6,
                "bad_share": bad / max(1, n),
                "bad_steps": bad,
            },
            points=(("before the first step", before, v[2], v[3]),),
            rows=n,
            cause="no more such steps" if kind == CLOSE else None,
        )


MMSI, NAME, IMO, CALL, TOLD = range(5)
_CLAIMS = ("mmsi", "name", "imo", "call_sign")


@kernel
def changes(
    begin: int,
    k: int,
    out: Any,
    none: Any,
    slot: Any,
    t: Any,
    mmsi: Any,
    name: Any,
    imo: Any,
    call: Any,
    ints: Any,
    quiet_us: int,
) -> tuple[int, int]:
    """Events (row, which claim, before, after) where a track claims something else than before."""
    end = reach(slot)
    for i in range(begin, slot.size):
        if k + 4 > out.shape[0]:
            return i, k
        fetch_row_ahead(slot, i, end, ints)
        s = slot[i]
        for c in range(4):
            now = mmsi[i] if c == 0 else (name[i] if c == 1 else (imo[i] if c == 2 else call[i]))
            if now < 0 or (c == 2 and now == 0) or now == ints[s, c]:
                continue
            if ints[s, c] >= 0 and (ints[s, TOLD] == NEVER or t[i] - ints[s, TOLD] > quiet_us):
                out[k, 0], out[k, 1], out[k, 2], out[k, 3] = i, c, ints[s, c], now
                k += 1
                ints[s, TOLD] = t[i]
            ints[s, c] = now
    return slot.size, k


def imo_valid(imo: int) -> bool:
    """True for seven digits whose check digit is right (IMO A.1117(30): weights 7 to 2)."""
    digits = [int(c) for c in str(imo)] if imo > 0 else []  # below a million none is used (M.1371-5, message 5)
    return len(digits) == 7 and sum(d * w for d, w in zip(digits[:6], range(7, 1, -1), strict=True)) % 10 == digits[6]


@register("identity_changed")
class IdentityChangedDetector(SlotDetector):
    """The same track goes on under another number, name or call sign."""

    int_default = (-1, -1, -1, -1, NEVER)
    float_default = ()

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.events, self.quiet_us = Events(4, 0), definition.us("quiet_s")

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Compare each claim with the one before on the same track."""
        f = batch.fixes
        events, _ = self.events.run(
            changes, len(f), batch.slot, f.t, f.mmsi, f.name, f.imo, f.call_sign, self.state.ints, self.quiet_us
        )
        for i, c, old, new in events.tolist():  # one turn an event
            at = int(f.t[i])
            values: dict[str, Any] = {"claim": _CLAIMS[c].replace("_", " ")}
            if _CLAIMS[c] in ("mmsi", "imo"):
                values |= {"before": old, "after": new}
            if _CLAIMS[c] == "imo":
                values["imo_check_digit"] = "right" if imo_valid(new) else "wrong"
            fact = Fact(
                definition=self.definition.id,
                tracks=(int(f.track[i]),),
                mmsis=(int(f.mmsi[i]),) if f.mmsi[i] >= 0 else (),
                start_us=at,
                met_us=at,
                end_us=at,
                lat_deg=float(f.lat[i]),
                lon_deg=float(f.lon[i]),
                values=values,
                points=(("change", at, float(f.lat[i]), float(f.lon[i])),),
                rows=2,
                exercise=bool(f.exercise[i]),
            )
            out.append((CLOSE, fact))
