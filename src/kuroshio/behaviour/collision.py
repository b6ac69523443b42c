"""Collision risk: closest point of approach of all pairs of live tracks, from radar and AIS alike.

Every ``time_step_s`` the last states, carried forward, are swept for pairs that could come near, and CPA and TCPA are
taken in the local plane of each pair. The limits are the user's (IMO MSC.192(79), 5.27).
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
from kuroshio.units import FloatArray, IntArray

M_PER_DEG = 110_574.0


@kernel
def cpa_sweep(
    begin: int,
    k: int,
    out: Any,
    val: Any,
    order: Any,
    head: Any,
    row: Any,
    x: Any,
    y: Any,
    ve: Any,
    vn: Any,
    reach_m: float,
    limit_m: float,
    horizon_s: float,
) -> tuple[int, int]:
    """(i, j) and (CPA m, TCPA s, distance m) of pairs with CPA and TCPA within the limits.

    ``x`` and ``y`` are metres in a plane whose scale along x is that of the row's southern edge, ``row`` the strip of
    height ``reach_m``; ``order`` sorts by (row, x), and ``head`` is where each row begins in it.
    """
    limit2, reach2 = limit_m * limit_m, reach_m * reach_m
    strip, start = np.int64(-1), np.int64(0)
    for p in range(begin, order.size):
        i, begun = order[p], k
        r = row[i]
        if r != strip:
            strip, start = r, head[r + 1]
        xi, yi, ei, ni = x[i], y[i], ve[i], vn[i]
        while start < head[r + 2] and x[order[start]] < xi - reach_m:
            start += 1
        for turn in range(2):
            q, end = (p + 1, head[r + 1]) if turn == 0 else (start, head[r + 2])
            while q < end:
                j = order[q]
                q += 1
                dx = x[j] - xi
                if dx > reach_m:
                    break
                dy = y[j] - yi
                d2 = dx * dx + dy * dy
                if d2 > reach2:
                    continue
                u, v = ve[j] - ei, vn[j] - ni
                closing = -(dx * u + dy * v)
                s2 = u * u + v * v
                if closing <= 0.0 or closing > horizon_s * s2:
                    continue
                miss2 = d2 - closing * closing / s2
                if miss2 > limit2:
                    continue
                if k == out.shape[0]:
                    return p, begun
                out[k, 0], out[k, 1] = i, j
                val[k, 0], val[k, 1], val[k, 2] = np.sqrt(max(0.0, miss2)), closing / s2, np.sqrt(d2)
                k += 1
    return order.size, k


def closest_approaches(
    lat_deg: FloatArray, lon_deg: FloatArray, ve_mps: FloatArray, vn_mps: FloatArray, *, cpa_m: float, tcpa_s: float
) -> tuple[IntArray, FloatArray]:
    """Pairs (i, j) that will pass within ``cpa_m`` in less than ``tcpa_s``, and their (CPA m, TCPA s, distance m).

    Linear motion in the local plane; the scale along longitude is that of the strip, an error below 1 % at 60 degrees.
    """
    speed = np.hypot(ve_mps, vn_mps)
    if not len(speed):
        return np.zeros((0, 2), np.int64), np.zeros((0, 3))
    fastest = float(np.partition(speed, -2)[-2:].sum()) if len(speed) > 1 else 0.0
    reach = cpa_m + min(fastest, 2.0 * 40.0) * tcpa_s
    row = np.floor((lat_deg + 90.0) * (M_PER_DEG / reach)).astype(np.int64)
    row -= row.min()
    middle = (np.floor((lat_deg + 90.0) * (M_PER_DEG / reach)) + 1.0) * (reach / M_PER_DEG) - 90.0
    scale = 111_320.0 * np.cos(np.radians(np.clip(middle, -89.5, 89.5)))
    x, y = lon_deg * scale, lat_deg * M_PER_DEG
    order = np.lexsort((x, row))
    head = np.searchsorted(row[order], np.arange(int(row.max()) + 3))
    return Events(2, 3, 1024).run(cpa_sweep, len(order), order, head, row, x, y, ve_mps, vn_mps, reach, cpa_m, tcpa_s)


T, NAV, MMSI = range(3)


def _step_of(at_us: int, every_us: int) -> int:
    """First time step that sees a row."""
    return -(-at_us // every_us)


@register("collision")
class CollisionDetector(Detector):
    """Off unless the user sets it on; see `definitions/collision_risk.toml`."""

    urgent = True
    whole = True  # the plane in which pairs are judged hangs on the fastest two of all

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.state = State((NEVER, -1, -1), (0.0, 0.0, 0.0, 0.0))
        self.pending: list[tuple[IntArray, FloatArray]] = []
        self.open: dict[tuple[int, int], Fact] = {}
        self.next_step = -1

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        self.state.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Last states, and the open pairs."""
        pairs = [(*k, f.start_us, *f.tracks) for k, f in self.open.items()]
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
            "pairs": np.asarray(pairs, np.int64).reshape(-1, 5),
            "values": np.asarray(values, np.float64).reshape(-1, 5),
            "names": np.asarray(names, np.int64).reshape(-1, 2),
            "next": np.asarray([self.next_step], np.int64),
        }

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        self.state.restore(arrays["ints"], arrays["floats"])
        self.next_step = int(arrays["next"][0])
        self.pending = [(arrays["pending_i"], arrays["pending_f"])] if len(arrays["pending_i"]) else []
        self.open = {}
        for pair, v, names in zip(
            arrays["pairs"].tolist(), arrays["values"].tolist(), arrays["names"].tolist(), strict=True
        ):
            mmsis = tuple(m for m in names if m >= 0)
            self.open[pair[0], pair[1]] = self._fact((pair[3], pair[4]), mmsis, pair[2], None, v)

    def rewind(self, other: Any, marks: Marks) -> bool:
        """All of it."""
        self.restore(other.arrays())
        return True

    def step(self, batch: Batch, out: list[tuple[int, Fact]]) -> None:
        """Keep the rows until their time step is over."""
        self.track_of = batch.track_of
        f = batch.fixes
        v = np.where(np.isfinite(f.sog), f.sog, np.nan_to_num(batch.speed_mps))
        course = np.radians(np.nan_to_num(f.cog))
        nav = np.where(batch.ended, -9, f.nav)
        self.pending.append(
            (
                np.stack([f.t, batch.slot, nav, f.mmsi], axis=1),
                np.stack([f.lat, f.lon, v * np.sin(course), v * np.cos(course)], axis=1),
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
        live = (ints[:, T] != NEVER) & (at_us - ints[:, T] <= d.us("max_age_s")) & (ints[:, NAV] != -9)
        live &= (ints[:, NAV] != 5) & (np.hypot(floats[:, 2], floats[:, 3]) >= 0.0)
        use = np.flatnonzero(live)
        use = use[np.argsort(self.track_of[use], kind="stable")]  # slots are numbered as tracks come
        age = (at_us - ints[use, T]) / 1e6
        ve, vn = floats[use, 2], floats[use, 3]
        lat = floats[use, 0] + vn * age / M_PER_DEG
        lon = floats[use, 1] + ve * age / (111_320.0 * np.cos(np.radians(np.clip(lat, -89, 89))))
        pairs, val = closest_approaches(
            lat,
            lon,
            np.ascontiguousarray(ve),
            np.ascontiguousarray(vn),
            cpa_m=float(d["cpa_m"]),
            tcpa_s=float(d["tcpa_s"]),
        )
        now: set[tuple[int, int]] = set()
        for (i, j), v in zip(pairs.tolist(), val.tolist(), strict=True):  # one turn a pair at risk
            a, b = sorted((int(use[i]), int(use[j])), key=lambda s: int(self.track_of[s]))
            now.add((a, b))
            if (a, b) not in self.open:
                mmsis = tuple(int(ints[s, MMSI]) for s in (a, b) if ints[s, MMSI] >= 0)
                where = [float(lat[i]), float(lon[i]), *v]
                self.open[a, b] = self._fact((int(self.track_of[a]), int(self.track_of[b])), mmsis, at_us, None, where)
                out.append((OPEN, self.open[a, b]))
        for key in [k for k in self.open if k not in now]:
            was = self.open.pop(key)
            where = [
                was.lat_deg,
                was.lon_deg,
                *(float(was.values[n] or 0.0) for n in ("cpa_m", "tcpa_s", "distance_m")),
            ]
            out.append((CLOSE, self._fact(was.tracks, was.mmsis, was.start_us, at_us, where)))

    def _fact(
        self, tracks: tuple[int, ...], mmsis: tuple[int, ...], start: int, end: int | None, v: list[float]
    ) -> Fact:
        return Fact(
            definition=self.definition.id,
            tracks=tracks,
            mmsis=mmsis,
            start_us=start,
            met_us=start,
            end_us=end,
            lat_deg=v[0],
            lon_deg=v[1],
            values={"cpa_m": v[2], "tcpa_s": v[3], "distance_m": v[4]},
            points=(("first of the two", start, v[0], v[1]),),
            rows=2,
            cause="no longer closing within the limits" if end is not None else None,
        )
