"""What happens in an area in a stretch of time: GNSS interference in a cell, traffic through a gate.

Rows are brought down to one a (cell or gate, hour or day, ship); a stretch is judged when nothing more can come for it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, lgamma, log
from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel, within
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Surroundings, register
from kuroshio.behaviour.fetch import fetch_ahead, reach
from kuroshio.behaviour.fixes import DAY_US, HOUR_US
from kuroshio.behaviour.index import distinct
from kuroshio.behaviour.state import CLOSE, Batch, Fact, Marks, State
from kuroshio.behaviour.tally import PERIOD, PLACE, SHIP, TallyDetector
from kuroshio.geo.earth import distance_m
from kuroshio.geo.zones import Zones
from kuroshio.units import BoolArray, FloatArray, IntArray

_BELOW_POLE_DEG = 90.0 - 1e-7


@within
def cell_at(lat_deg: float, lon_deg: float, size: float) -> Any:
    """Number of a cell of ``size`` degree; the pole is in the last row, and 180 east is 180 west."""
    east = lon_deg - 360.0 if lon_deg >= 180.0 else lon_deg
    return np.int64((min(lat_deg, _BELOW_POLE_DEG) + 90.0) / size) * 100_000 + np.int64((east + 180.0) / size)


@kernel
def _cells(lat_deg: Any, lon_deg: Any, size: float, out: Any) -> None:
    for i in range(lat_deg.size):
        out[i] = cell_at(lat_deg[i], lon_deg[i], size)


def cells_at(lat_deg: FloatArray, lon_deg: FloatArray, size: float) -> IntArray:
    """Cell of every position."""
    out = np.empty(len(lat_deg), np.int64)
    _cells(lat_deg, lon_deg, size, out)
    return out


# state by MMSI: its last report, and the last row told of it
J_T, J_HOUR, J_CELL, J_TRACK, J_BAD = range(5)


@kernel
def jumps(
    who: Any,
    mmsi: Any,
    track: Any,
    t: Any,
    lat: Any,
    lon: Any,
    sog: Any,
    cog: Any,
    heading: Any,
    ints: Any,
    floats: Any,
    min_m: float,
    max_speed: float,
    min_us: int,
    break_speed: float,
    break_deg: float,
    size: float,
    out: Any,
) -> int:
    """Number of rows (hour, cell, mmsi, track, jumped or across) put into ``out``, from reports by (mmsi, time).

    Those that say nothing new are left out. The cell of a jump is the one the ship came from: where it lands says
    nothing. A report sooner than ``min_us`` after the one that is held against is not held against it, nor the next
    against this: ships that report every two seconds jump too.
    """
    k, end = 0, reach(who)
    for i in range(t.size):
        fetch_ahead(who, i, end, ints, floats)
        w = who[i]
        la0, lo0 = floats[w, 0], floats[w, 1]
        la, lo, bad, soon = lat[i], lon[i], np.int64(0), False
        if la0 == la0:
            soon, dlon = t[i] - ints[w, J_T] < min_us, abs(lo - lo0)
            if abs(la - la0) * 111_700.0 + min(dlon, 360.0 - dlon) * 111_400.0 > min_m:  # never less than the distance
                far = distance_m(la0, lo0, la, lo)
                if far > min_m and far > max_speed * (t[i] - ints[w, J_T]) * 1e-6:
                    bad = np.int64(0 if soon else 1)
                    la, lo = la0, lo0
        if sog[i] > break_speed:
            turn = abs(cog[i] - heading[i])
            if (360.0 - turn if turn > 180.0 else turn) > break_deg:
                bad = np.int64(1)
        if not soon:
            ints[w, J_T], floats[w, 0], floats[w, 1] = t[i], lat[i], lon[i]
        told = ints[w, J_HOUR]
        hour = told if told * HOUR_US <= t[i] < (told + 1) * HOUR_US else t[i] // HOUR_US
        cell = cell_at(la, lo, size)
        if hour == told and cell == ints[w, J_CELL] and track[i] == ints[w, J_TRACK] and ints[w, J_BAD] >= bad:
            continue
        ints[w, J_HOUR], ints[w, J_CELL], ints[w, J_TRACK], ints[w, J_BAD] = hour, cell, track[i], bad
        out[k, 0], out[k, 1], out[k, 2], out[k, 3], out[k, 4] = hour, cell, mmsi[i], track[i], bad
        k += 1
    return k


@register("interference")
class InterferenceDetector(TallyDetector):
    """Cell-hours in which several ships jump or point across their course: the receiver, not the ship."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.last = State((0, -1, -1, -1, -1), (np.nan, 0.0))
        d = definition
        jump = float(d["min_step_m"]), float(d["max_speed_mps"]), d.us("min_interval_s")
        self.rule = *jump, float(d["break_speed_mps"]), float(d["break_angle_deg"]), float(d["cell_deg"])

    def arrays(self) -> dict[str, Any]:
        """Rows and the last report of every number."""
        return super().arrays() | {"last_i": self.last.ints, "last_f": self.last.floats}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.last.restore(arrays["last_i"], arrays["last_f"])

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows and last reports of the marked numbers."""
        self.last.rewind(other.last, marks.numbers)
        return super().rewind(other, marks)

    def tally(self, batch: Batch) -> IntArray:
        """A row a report: its cell, and whether it jumped there."""
        f, r = batch.fixes, batch.reports()
        self.last.ensure(len(batch.numbers))
        rows: IntArray = np.empty((len(r.t), 5), np.int64)  # pages that are not written cost nothing
        told = jumps(
            r.who,
            r.mmsi,
            r.track,
            r.t,
            r.lat,
            r.lon,
            r.of(f.sog),
            r.of(f.cog),
            r.of(f.heading),
            self.last.ints,
            self.last.floats,
            *self.rule,
            rows,
        )
        return rows[:told].copy()

    def judge(self, period: int, rows: IntArray, out: list[tuple[int, Fact]]) -> None:
        """Cells with enough ships and enough of them jumping."""
        d = self.definition
        heads = np.flatnonzero(np.append(True, np.diff(rows[:, 1]) != 0))
        ships = np.diff(np.append(heads, len(rows)))
        bad = np.add.reduceat(rows[:, 4], heads)
        need = int(d["min_vessels"])
        for k in np.flatnonzero((bad >= need) & (bad > float(d["bad_share"]) * ships)).tolist():
            part = rows[heads[k] : heads[k] + ships[k]]
            hit = part[part[:, 4] == 1]
            size = float(d["cell_deg"])
            cell = int(rows[heads[k], 1])
            lat, lon = (cell // 100_000 + 0.5) * size - 90, (cell % 100_000 + 0.5) * size - 180
            fact = Fact(
                definition=d.id,
                tracks=tuple(hit[:, 3].tolist()[:50]),
                mmsis=tuple(hit[:, 2].tolist()[:50]),
                start_us=period * HOUR_US,
                met_us=(period + 1) * HOUR_US,
                end_us=(period + 1) * HOUR_US,
                lat_deg=lat,
                lon_deg=lon,
                values={"vessels": int(ships[k]), "vessels_hit": int(bad[k]), "bad_share": float(bad[k] / ships[k])},
                points=(("cell", period * HOUR_US, lat, lon),),
                rows=int(ships[k]),
                zone=f"cell {lat:+.2f} {lon:+.2f}",
            )
            out.append((CLOSE, fact))


def poisson_tail(count: int, rate: float) -> float:
    """Probability of a count at least as far from its mean on its side, under a Poisson law."""
    if rate <= 0.0:
        return 1.0 if count == 0 else 0.0
    below = sum(exp(i * log(rate) - rate - lgamma(i + 1)) for i in range(count + 1))
    above = 1.0 - below + exp(count * log(rate) - rate - lgamma(count + 1))
    return min(1.0, max(0.0, below if count < rate else above))


def holding(zones: Zones, day: int) -> BoolArray:
    """True for each zone that holds from the beginning of a day, counted from 1970, to its end."""
    return (zones.valid_from_us <= day * DAY_US) & (zones.valid_to_us >= (day + 1) * DAY_US)


def whole_days(hours: IntArray, max_silent_h: int) -> IntArray:
    """Days, counted from 1970, in which there are no more hours in a row than that in which nothing is heard.

    Parameters
    ----------
    hours
        Hours, counted from 1970, in which anything was heard, in any order.
    """
    day, hour = np.divmod(np.unique(hours), 24)
    days, first = np.unique(day, return_index=True)
    heard = np.split(hour, first[1:])
    silent = [int(np.diff(h, prepend=-1, append=24).max()) - 1 for h in heard] if len(days) else []
    result: IntArray = days[np.asarray(silent, np.int64) <= max_silent_h]
    return result


@register("gate")
class GateDetector(TallyDetector):
    """Ships through a strait in a day against the days before it: a closure or a diversion."""

    period_us = DAY_US

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.days: IntArray = np.zeros((0, 3), np.int64)  # day, zone, ships

    def arrays(self) -> dict[str, Any]:
        """Rows and the counts of past days."""
        return super().arrays() | {"days": self.days}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.days = arrays["days"]

    def marker(self, marks: Marks) -> Callable[[IntArray], BoolArray]:
        """Gives of rows those of the ships that are marked, by number or by track."""
        by_number, by_track = super().marker(marks), np.append(marks.slot_marks, False)

        def marked(rows: IntArray) -> BoolArray:
            slot = marks.names.tracks.find(-2 - rows[:, SHIP])
            return by_number(rows) | ((rows[:, SHIP] < 0) & by_track[slot])

        return marked

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Rows of the marked ships, and the counts of the days before."""
        self.days = other.days  # a new array at each change
        if not (len(self.rows) or self.fresh or len(self.judged)):  # and so in the other: it is older
            self.over = other.over
            return True
        return super().rewind(other, marks)

    def tally(self, batch: Batch) -> IntArray:
        """A row a fix inside a gate, and one an hour in which anything was heard: only then are no ships none."""
        zones = self.around.zones
        if zones is None or not zones.mask(["gate"]).any():
            return np.zeros((0, 5), np.int64)
        f = batch.fixes
        ptr, zone = batch.zones(zones)
        owner = np.repeat(np.arange(len(f)), np.diff(ptr))
        gate = zones.mask(["gate"])[zone]
        owner, zone = owner[gate], zone[gate].astype(np.int64)
        ship = np.where(f.mmsi[owner] >= 0, f.mmsi[owner], -f.track[owner] - 2)
        inside = np.stack([f.t[owner] // DAY_US, zone, ship, f.track[owner], np.zeros(len(owner), np.int64)], axis=1)
        hours = distinct(f.t // HOUR_US)
        heard = np.zeros((len(hours), 5), np.int64)
        heard[:, PERIOD], heard[:, PLACE], heard[:, SHIP] = hours // 24, -1, hours
        return np.concatenate([inside, heard])

    def judge(self, period: int, rows: IntArray, out: list[tuple[int, Fact]]) -> None:
        """Each gate's count of the day against its mean of the days before."""
        zones, d = self.around.zones, self.definition
        assert zones is not None
        if not len(whole_days(rows[rows[:, PLACE] < 0, SHIP], int(d["max_silent_h"]))):
            return  # a part of a day
        today = np.bincount(rows[rows[:, 1] >= 0, 1], minlength=len(zones))
        window = int(d["norm_days"])
        for z in np.flatnonzero(zones.mask(["gate"]) & holding(zones, period)).tolist():
            past = self.days[(self.days[:, 1] == z) & (self.days[:, 0] >= period - window)]
            count = int(today[z])
            if len(past) >= int(d["min_days"]):
                rate = float(past[:, 2].mean())
                p = poisson_tail(count, rate)
                if p < float(d["max_p"]) and abs(count - rate) >= float(d["min_change"]) * rate:
                    out.append((CLOSE, self._fact(period, z, count, rate, p)))
            self.days = np.concatenate([self.days, np.asarray([[period, z, count]], np.int64)])
        self.days = self.days[self.days[:, 0] > period - window]

    def _fact(self, period: int, z: int, count: int, rate: float, p: float) -> Fact:
        zones = self.around.zones
        assert zones is not None
        ring = zones.zones[z].parts[0][0]
        return Fact(
            definition=self.definition.id,
            tracks=(),
            mmsis=(),
            start_us=period * DAY_US,
            met_us=(period + 1) * DAY_US,
            end_us=(period + 1) * DAY_US,
            lat_deg=float(ring[:, 1].mean()),
            lon_deg=float((ring[:, 0].mean() + 180.0) % 360.0 - 180.0),
            values={"ships": count, "norm_ships": rate, "p": p, "change_share": abs(count - rate) / max(rate, 1e-9)},
            zone=zones.zones[z].name,
        )
