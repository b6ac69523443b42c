"""Collision risk: closest point of approach of all pairs of live tracks, from radar and AIS alike.

Every ``time_step_s`` the last states, carried forward, are swept for pairs that could come near, and CPA and TCPA are
taken in the local plane of each pair. The limits are the user's (IMO MSC.192(79), 5.27). A risk that stands is held
against wider ones, and ends when it has been beyond them for a while.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.buffers import Events
from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Detector, Surroundings, register
from kuroshio.behaviour.fixes import NEVER
from kuroshio.behaviour.state import CLOSE, OPEN, Batch, Fact, Marks, State
from kuroshio.geo.earth import enu_offset_m, meridian_m, metres_per_degree, wrap_lon_deg
from kuroshio.units import BoolArray, FloatArray, IntArray

M_PER_DEG, LON_M_PER_DEG = 110_574.0, 111_319.0  # no less in a degree of latitude, of longitude at the equator
FASTEST_MPS = 2.0 * 40.0


@kernel
def cpa_sweep(
    begin: int,
    k: int,
    out: Any,
    val: Any,
    ship: Any,
    head: Any,
    row: Any,
    lon: Any,
    y: Any,
    scale: Any,
    ve: Any,
    vn: Any,
    near_deg: Any,
    far_m: float,
    limit_m: float,
    horizon_s: float,
) -> tuple[int, int]:
    """(i, j), i < j, and (CPA m, TCPA s, distance m) of pairs no further apart than ``far_m`` and within the limits.

    Ships in order (row, lon): ``row`` is the strip of latitude, ``head`` where each begins, ``near_deg`` how far in
    longitude a pair of it or of it and the next may be apart. ``y`` is metres north, ``scale`` metres a degree of
    longitude. What is said of a pair hangs on the two alone: its plane has the mean of their scales. A ship near +-180
    degrees is there twice, ``ship`` being -1 - i for the second.
    """
    limit2, far2 = limit_m * limit_m, far_m * far_m
    strip, start = np.int64(-1), np.int64(0)
    for p in range(begin, ship.size):
        begun, r = k, row[p]
        if r != strip:
            strip, start = r, head[r + 1]
        near = near_deg[r]
        while start < head[r + 2] and lon[start] < lon[p] - near:
            start += 1
        for turn in range(2):
            q, end = (p + 1, head[r + 1]) if turn == 0 else (start, head[r + 2])
            while q < end:
                east = lon[q] - lon[p]
                if east > near:
                    break
                dx, dy = east * 0.5 * (scale[p] + scale[q]), y[q] - y[p]
                u, v = ve[q] - ve[p], vn[q] - vn[p]
                d2, closing, s2 = dx * dx + dy * dy, -(dx * u + dy * v), u * u + v * v
                q += 1
                if d2 > far2 or closing <= 0.0 or closing > horizon_s * s2:
                    continue
                miss2 = d2 - closing * closing / s2
                i, j = ship[p], ship[q - 1]
                if miss2 > limit2 or (i < 0 and j < 0):
                    continue
                if k == out.shape[0]:
                    return p, begun
                i, j = max(i, -1 - i), max(j, -1 - j)
                out[k, 0], out[k, 1] = min(i, j), max(i, j)
                val[k, 0], val[k, 1], val[k, 2] = np.sqrt(max(0.0, miss2)), closing / s2, np.sqrt(d2)
                k += 1
    return ship.size, k


def closest_approaches(
    lat_deg: FloatArray, lon_deg: FloatArray, ve_mps: FloatArray, vn_mps: FloatArray, *, cpa_m: float, tcpa_s: float
) -> tuple[IntArray, FloatArray]:
    """Pairs (i, j), i < j, that will pass within ``cpa_m`` in less than ``tcpa_s``: (CPA m, TCPA s, distance m).

    Linear motion in the local plane of each pair. Nothing said of a pair hangs on the other ships. Pairs that close at
    more than `FASTEST_MPS` from so far away are not looked for.
    """
    speed = np.hypot(ve_mps, vn_mps)
    if len(speed) < 2:
        return np.zeros((0, 2), np.int64), np.zeros((0, 3))
    far_m = cpa_m + FASTEST_MPS * tcpa_s
    reach_m = min(far_m, cpa_m + 1.001 * float(np.partition(speed, -2)[-2:].sum()) * tcpa_s) + 1.0  # of these ships
    place = (lat_deg + 90.0) * (M_PER_DEG / reach_m)
    row = np.floor(place).astype(np.int64)
    first = int(row.min())
    strips = np.arange(int(row.max()) - first + 1)
    edges = ((strips + first)[:, None] + np.array([0.0, 2.0])) * (reach_m / M_PER_DEG) - 90.0  # of it and the next
    near_deg = reach_m / (LON_M_PER_DEG * np.cos(np.radians(np.minimum(np.abs(edges).max(axis=1), 89.5))))
    near_deg = np.minimum(near_deg, 180.0)
    widest = np.maximum(near_deg, np.concatenate([near_deg[:1], near_deg[:-1]]))  # a pair may be of the strip before
    lon = (lon_deg + 180.0) % 360.0 - 180.0
    row -= first
    again = np.flatnonzero(lon < widest[row] - 180.0)  # seen from the east of +-180 degrees
    ship = np.concatenate([np.arange(len(lon)), -1 - again])
    lon, row = np.concatenate([lon, lon[again] + 360.0]), np.concatenate([row, row[again]])
    order = np.lexsort((ship, lon, row))
    ship, row = ship[order], row[order]
    of = np.where(ship < 0, -1 - ship, ship)
    head = np.searchsorted(row, np.arange(len(strips) + 3))
    scale = metres_per_degree(np.clip(lat_deg, -89.5, 89.5))[0]
    pairs, val = Events(2, 3, 1024).run(
        cpa_sweep, len(ship), ship, head, row, lon[order], meridian_m(lat_deg)[of], scale[of], ve_mps[of], vn_mps[of],
        near_deg, far_m, cpa_m, tcpa_s,
    )  # fmt: skip
    by = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[by], val[by]


STANDS, PASSED, CLEARED, UNKNOWN, LOST = range(5)
CAUSES = {
    PASSED: "passed: they close no more",
    CLEARED: "cleared: further apart, later or slower than the exit limits",
    UNKNOWN: "it is not known how one goes",
    LOST: "one was no longer heard, is moored, or its track has ended",
}


def how_they_go(
    pairs: IntArray,
    lat_deg: FloatArray,
    lon_deg: FloatArray,
    ve_mps: FloatArray,
    vn_mps: FloatArray,
    *,
    cpa_m: float,
    tcpa_s: float,
    min_speed_mps: float,
) -> IntArray:
    """Of each pair of ships whose motion is known `STANDS`, `PASSED` or `CLEARED`, in the plane of `cpa_sweep`."""
    lat, lon, ve, vn = lat_deg[pairs], lon_deg[pairs], ve_mps[pairs], vn_mps[pairs]
    scale, y = metres_per_degree(np.clip(lat, -89.5, 89.5))[0], meridian_m(lat)
    dx, dy = wrap_lon_deg(lon[:, 1] - lon[:, 0]) * 0.5 * (scale[:, 0] + scale[:, 1]), y[:, 1] - y[:, 0]
    u, v = ve[:, 1] - ve[:, 0], vn[:, 1] - vn[:, 0]
    closing, s2 = -(dx * u + dy * v), u * u + v * v
    miss2 = dx * dx + dy * dy - closing * closing / np.where(s2 > 0.0, s2, 1.0)
    stands = (miss2 <= cpa_m * cpa_m) & (closing <= tcpa_s * s2)
    stands &= np.hypot(ve, vn).max(axis=1) >= min_speed_mps
    return np.where(closing <= 0.0, PASSED, np.where(stands, STANDS, CLEARED))


T, NAV, MMSI = range(3)
STILL_MPS = 0.25  # below it a state has no course (schema: tracks.cog_deg)


def _velocity(batch: Batch, longest_us: int) -> tuple[FloatArray, FloatArray]:
    """East and north m/s as reported, else those of the piece that leads to the fix, else 0 or NaN: unknown."""
    f, course = batch.fixes, np.radians(batch.fixes.cog)
    ve, vn = f.sog * np.sin(course), f.sog * np.cos(course)
    absent = np.flatnonzero(~np.isfinite(ve))
    if len(absent):
        dt_us, lat, lon, sog = (c[absent] for c in (batch.dt_us, f.lat, f.lon, f.sog))
        still = sog < STILL_MPS  # false where it is not told
        east, north = enu_offset_m(batch.prev_lat[absent], batch.prev_lon[absent], lat, lon)
        known, s = (dt_us > 0) & (dt_us <= longest_us), np.maximum(dt_us, 1) * 1e-6
        ve[absent] = np.where(still, 0.0, np.where(known, east / s, np.nan))
        vn[absent] = np.where(still, 0.0, np.where(known, north / s, np.nan))
    return ve, vn


def _step_of(at_us: int, every_us: int) -> int:
    """First time step that sees a row."""
    return -(-at_us // every_us)


@register("collision")
class CollisionDetector(Detector):
    """Off unless the user sets it on; see `definitions/collision_risk.toml`."""

    urgent = True
    whole = True  # a ship's rows may change what is told of it with any other

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((NEVER, -1, -1), (0.0, 0.0, 0.0, 0.0))
        self.pending: list[tuple[IntArray, FloatArray]] = []
        self.open: dict[tuple[int, int], Fact] = {}
        self.over_since: dict[tuple[int, int], int] = {}  # open pairs that are over at each look since
        self.next_step = -1

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Last states, and the open pairs."""
        pairs = [(*k, f.start_us, *f.tracks, self.over_since.get(k, NEVER)) for k, f in self.open.items()]
        values = [
            (f.lat_deg, f.lon_deg, *(float(f.values[n] or 0.0) for n in ("cpa_m", "tcpa_s", "distance_m")))
            for f in self.open.values()
        ]
        names = [m for f in self.open.values() for m in (*f.mmsis, -1, -1)[:2]]
        return {
            "ints": self.state.ints,
            "floats": self.state.floats,
            "pending_i": np.concatenate([np.zeros((0, 4), np.int64), *(p[0] for p in self.pending)]),
            "pending_f": np.concatenate([np.zeros((0, 4)), *(p[1] for p in self.pending)]),
            "pairs": np.asarray(pairs, np.int64).reshape(-1, 6),
            "values": np.asarray(values, np.float64).reshape(-1, 5),
            "names": np.asarray(names, np.int64).reshape(-1, 2),
            "next": np.asarray([self.next_step], np.int64),
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.next_step = int(arrays["next"][0])
        self.pending = [(arrays["pending_i"], arrays["pending_f"])] if len(arrays["pending_i"]) else []
        self.open, self.over_since = {}, {}
        for pair, v, names in zip(
            arrays["pairs"].tolist(), arrays["values"].tolist(), arrays["names"].tolist(), strict=True
        ):
            mmsis = tuple(m for m in names if m >= 0)
            self.open[pair[0], pair[1]] = self._fact((pair[3], pair[4]), mmsis, pair[2], v)
            if pair[5] != NEVER:
                self.over_since[pair[0], pair[1]] = pair[5]

    def rewind(self, other: Any, marks: Marks) -> bool:
        """All of it."""
        self.restore(other.arrays())
        return True

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Keep the rows until their time step is over."""
        self.track_of = batch.track_of
        f = batch.fixes
        ve, vn = _velocity(batch, self.definition.us("max_age_s"))
        nav = np.where(batch.ended, -9, f.nav)
        self.pending.append(
            (
                np.stack([f.t, batch.slot, nav, f.mmsi], axis=1),
                np.stack([f.lat, f.lon, ve, vn], axis=1),
            )
        )

    def advance(self, to_us: int, out: list[tuple[int, Fact]]) -> None:
        """Judge every time step that is over."""
        if not self.pending and not self.open and self.next_step < 0:
            return
        ints = np.concatenate([np.zeros((0, 4), np.int64), *(p[0] for p in self.pending)])
        floats = np.concatenate([np.zeros((0, 4)), *(p[1] for p in self.pending)])
        order = np.lexsort((ints[:, 1], ints[:, 0]))
        ints, floats = ints[order], floats[order]
        every, age_us = self.definition.us("time_step_s"), self.definition.us("max_age_s")
        if self.next_step < 0 and len(ints):
            self.next_step = min(_step_of(int(ints[0, 0]), every), to_us // every + 1)  # an older row may yet come
        done, newest = 0, int(self.state.ints[:, T].max(initial=NEVER))
        while 0 <= self.next_step <= to_us // every:  # one turn a time step
            at_us = self.next_step * every
            end = int(np.searchsorted(ints[:, 0], at_us, side="right"))
            if end == done and at_us - newest > age_us and not self.open:
                # nobody is live until the next row: go to its step
                over = to_us // every + 1
                self.next_step = min(_step_of(int(ints[done, 0]), every), over) if done < len(ints) else over
                continue
            part, slots = ints[done:end], ints[done:end, 1]
            self.state.ints[slots, T], self.state.ints[slots, NAV] = part[:, 0], part[:, 2]
            self.state.ints[slots, MMSI] = part[:, 3]
            self.state.floats[slots] = floats[done:end]
            newest = int(part[-1, 0]) if len(part) else newest
            done = end
            self.next_step += 1
            self._judge(at_us, out)
        self.pending = [(ints[done:], floats[done:])] if done < len(ints) else []

    def _judge(self, at_us: int, out: list[tuple[int, Fact]]) -> None:
        d, ints, floats = self.definition, self.state.ints, self.state.floats
        there = (ints[:, T] != NEVER) & (at_us - ints[:, T] <= d.us("max_age_s")) & (ints[:, NAV] != -9)
        there &= ints[:, NAV] != 5
        use = np.flatnonzero(there & (np.hypot(floats[:, 2], floats[:, 3]) >= 0.0))
        use = use[np.argsort(self.track_of[use], kind="stable")]  # slots are numbered as tracks come
        age = (at_us - ints[use, T]) / 1e6
        ve, vn = np.ascontiguousarray(floats[use, 2]), np.ascontiguousarray(floats[use, 3])
        east, north = metres_per_degree(np.clip(floats[use, 0], -89.0, 89.0))
        lat = np.clip(floats[use, 0] + vn * age / north, -90.0, 90.0)
        lon = wrap_lon_deg(floats[use, 1] + ve * age / east)
        pairs, val = closest_approaches(lat, lon, ve, vn, cpa_m=float(d["cpa_m"]), tcpa_s=float(d["tcpa_s"]))
        goes = np.hypot(ve, vn) >= float(d["min_speed_mps"])  # what noise brings together was together before
        going = goes[pairs].any(axis=1)
        pairs, val = pairs[going], val[going]
        now: set[tuple[int, int]] = set()
        for (i, j), v in zip(pairs.tolist(), val.tolist(), strict=True):  # one turn a pair at risk
            a, b = int(use[i]), int(use[j])  # in order of their tracks
            now.add((a, b))
            if (a, b) not in self.open:
                mmsis = tuple(int(ints[s, MMSI]) for s in (a, b) if ints[s, MMSI] >= 0)
                where = [float(lat[i]), float(lon[i]), *v]
                self.open[a, b] = self._fact((int(self.track_of[a]), int(self.track_of[b])), mmsis, at_us, where)
                out.append((OPEN, self.open[a, b]))
        if self.open:
            self._end(at_us, now, self._standing(there, use, lat, lon, ve, vn), out)

    def _standing(
        self, there: BoolArray, use: IntArray, lat: FloatArray, lon: FloatArray, ve: FloatArray, vn: FloatArray
    ) -> list[int]:
        """What has become of each open pair, in their order; ``use`` are the slots of the states."""
        d, open_pairs = self.definition, np.asarray(list(self.open), np.int64).reshape(-1, 2)
        ratio = float(d["exit_ratio"])
        place = np.full(len(there), -1)
        place[use] = np.arange(len(use))
        place = place[open_pairs]
        known = (place >= 0).all(axis=1)
        became = np.where(there[open_pairs].all(axis=1), UNKNOWN, LOST)
        became[known] = how_they_go(
            place[known],
            lat,
            lon,
            ve,
            vn,
            cpa_m=ratio * float(d["cpa_m"]),
            tcpa_s=ratio * float(d["tcpa_s"]),
            min_speed_mps=float(d["min_speed_mps"]) / ratio,
        )
        return became.tolist()

    def _end(self, at_us: int, now: set[tuple[int, int]], became: list[int], out: list[tuple[int, Fact]]) -> None:
        """End what is over for long enough; ``now`` are the pairs within the limits that raise."""
        for key, what in zip(list(self.open), became, strict=True):  # one turn an open pair
            if what == STANDS or key in now:
                self.over_since.pop(key, None)
            elif what == LOST or at_us - self.over_since.setdefault(key, at_us) >= self.definition.us("clear_s"):
                self.over_since.pop(key, None)
                out.append((CLOSE, self.open.pop(key)._replace(end_us=at_us, cause=CAUSES[what])))

    def _fact(self, tracks: tuple[int, ...], mmsis: tuple[int, ...], start: int, v: list[float]) -> Fact:
        return Fact(
            definition=self.definition.id,
            tracks=tracks,
            mmsis=mmsis,
            start_us=start,
            met_us=start,
            end_us=None,
            lat_deg=v[0],
            lon_deg=v[1],
            values={"cpa_m": v[2], "tcpa_s": v[3], "distance_m": v[4]},
            points=(("first of the two", start, v[0], v[1]),),
            rows=2,
        )
