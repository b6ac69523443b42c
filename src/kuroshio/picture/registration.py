"""Where each radar is wrong: its range and bearing error, measured against ships that report by AIS.

What enters: plots of a radar whose place is known, and recent AIS positions. What leaves: plots corrected by the
running median of the differences, and a health figure. Only pairs without ambiguity count: one ship and one plot
near each other. The raw plots are compared, so a correction never feeds on itself. Source of the need: measured, a
bias of 0.5 degree and 80 m costs five times the GOSPA and 42 false flags.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kuroshio.picture.compiled import fetch_part, inner, kernel
from kuroshio.picture.grid import SPANS_MAX, build, coarse_map, reach_deg, rows_near, spans
from kuroshio.picture.motion import local_offset, move, plane_scale
from kuroshio.picture.seen import last_seen
from kuroshio.picture.table import byte_of
from kuroshio.schema import FLAG_DARK
from kuroshio.units import FloatArray

PAIR_RADIUS_M = 1500.0
FLAT_LAT_MAX = 80.0  # where metres per degree at a ship are good for its surroundings
AHEAD = 6  # rows whose memory is asked for before their turn
SEEN_BYTE = byte_of("seen")  # from here on a record says where AIS had it
WINDOW = 256
MIN_PAIRS = 20
AIS_FRESH_US = 30_000_000
RANGE_MIN_M = 1000.0
SIGNIFICANT = 4.0  # standard errors of the median
SETTLE_US = 120_000_000  # by then tracks of the radar as it was have ended
CHANGE_M, CHANGE_RAD = 40.0, math.radians(0.15)
ERROR_MAX_M = 1200.0  # a larger bias leaves the pairing radius: the radar is unhealthy


@inner
def _by_ais(t, t_us):  # type: ignore[no-untyped-def]
    """Place of a ship at a time by its last AIS report."""
    dt = (t_us - last_seen(t, 0)) * 1e-6
    lat, lon, _ = move(t.ais[0], t.ais[1], t.ais_v[0] * dt, t.ais_v[1] * dt)
    return lat, lon


@inner
def _difference(t, o, place, sensor):  # type: ignore[no-untyped-def]
    """(range in m, bearing in rad) of a plot less those of a ship by its AIS; NaN where they are not comparable."""
    lat, lon = _by_ais(t, o.t_us)
    e0, n0 = local_offset(sensor[0], sensor[1], lat, lon)
    e1, n1 = local_offset(sensor[0], sensor[1], place[0], place[1])
    r0, r1 = math.hypot(e0, n0), math.hypot(e1, n1)
    if t.exercise != o.exercise or r0 < RANGE_MIN_M:
        return math.nan, math.nan
    return r1 - r0, math.atan2(e1 * n0 - n1 * e0, e1 * e0 + n1 * n0)


@inner
def _only_near(grid, packed, lat, lon, runs, taken):  # type: ignore[no-untyped-def]
    """Place in the grid of the only plot within `PAIR_RADIUS_M`, -1 for none, -2 for more.

    Every plot in a cell that was searched counts as taken once more, unless there was none within the radius:
    ``taken`` says by how much more than the plot before it.
    """
    dlat, dlon = reach_deg(lat, PAIR_RADIUS_M)
    east, north = plane_scale(lat)
    flat = abs(lat) < FLAT_LAT_MAX and abs(lon) + dlon < 180.0
    found = spans(grid, lat, lon, dlat, dlon, runs)
    only, count = -1, 0
    for s in range(found):
        for at in range(runs[s, 0], runs[s, 1]):
            if flat:
                e, m = (packed[at, 1] - lon) * east, (packed[at, 0] - lat) * north
            else:
                e, m = local_offset(lat, lon, packed[at, 0], packed[at, 1])
            if e * e + m * m < PAIR_RADIUS_M * PAIR_RADIUS_M:
                count += 1
                only = at
                if count > 1:
                    break
        if count > 1:
            break
    if count > 0:
        for s in range(found):
            taken[runs[s, 0]] += 1
            taken[runs[s, 1]] -= 1
    return only if count < 2 else -2


@kernel
def pair_residuals(tracks, rows, obs, idx, sensor):  # type: ignore[no-untyped-def]
    """(pairs, 2) range (m) and bearing (rad) of plots less those of the AIS ships they belong to beyond doubt."""
    n = len(idx)
    plat, plon = np.empty(n), np.empty(n)
    for q in range(n):
        z = obs[idx[q]].z
        plat[q], plon[q] = z[0], z[1]
    grid = build(plat, plon, PAIR_RADIUS_M)
    packed = np.empty((n, 2))  # in the grid's order, as ``taken`` and ``owner``
    for at in range(n):
        packed[at, 0], packed[at, 1] = plat[grid.point[at]], plon[grid.point[at]]
    runs = np.empty((SPANS_MAX, 2), np.int64)
    taken, owner = np.zeros(n + 1, np.int64), np.full(n, -1, np.int64)
    t_us = obs[idx[n - 1]].t_us
    ones = np.ones(n)
    rows, _ = rows_near(tracks, rows, coarse_map(plat, plon, ones, ones))
    for k in range(len(rows)):
        fetch_part(tracks, rows[min(k + AHEAD, len(rows) - 1)], SEEN_BYTE, 3)
        t = tracks[rows[k]]
        if t.mmsi == 0 or t.fed[0] < 2 or t.flags & ~FLAG_DARK != 0:
            continue
        age = t_us - last_seen(t, 0)
        if age > AIS_FRESH_US or age < -AIS_FRESH_US or math.isnan(t.ais_v[0]):
            continue
        lat, lon = _by_ais(t, t_us)
        only = _only_near(grid, packed, lat, lon, runs, taken)
        if only >= 0:
            owner[only] = rows[k]
    for at in range(n):
        taken[at + 1] += taken[at]
    place = np.empty(n, np.int64)
    for at in range(n):
        place[grid.point[at]] = at
    kept, m = np.empty((n, 2)), 0
    for q in range(n):
        at = place[q]
        if taken[at] == 1 and owner[at] >= 0:  # also a plot that one of several ships may own has no difference
            kept[m, 0], kept[m, 1] = _difference(tracks[owner[at]], obs[idx[q]], packed[at], sensor)
            if abs(kept[m, 1]) < 0.5 and abs(kept[m, 0]) < 2 * PAIR_RADIUS_M:  # not so where it is NaN
                m += 1
    return kept[:m]


@kernel
def correct_plots(obs, idx, sensor, range_m, bearing_rad):  # type: ignore[no-untyped-def]
    """Take a range and a bearing error out of the plots, in place."""
    for j in idx:
        z = obs[j].z
        e, n = local_offset(sensor[0], sensor[1], z[0], z[1])
        r = math.hypot(e, n)
        b = math.atan2(e, n) - bearing_rad
        r2 = max(r - range_m, 1.0)
        z[0], z[1], _ = move(sensor[0], sensor[1], r2 * math.sin(b), r2 * math.cos(b))


@dataclass
class Bias:
    """Registration of one radar: window of differences, and what follows from it."""

    window: FloatArray
    count: int = 0
    range_m: float = 0.0
    bearing_rad: float = 0.0
    scatter_m: float = 0.0
    changed_us: int = -(1 << 62)

    def healthy(self, t_us: int) -> bool:
        """False while a first estimate is gathered, while tracks settle after a new one, or when it is too large."""
        if self.count == 0:
            return True
        settled = t_us - self.changed_us >= SETTLE_US
        return self.count >= MIN_PAIRS and abs(self.range_m) < ERROR_MAX_M and settled


class Registration:
    """Registration of all radars, by source number."""

    def __init__(self) -> None:
        self.bias: dict[int, Bias] = {}

    def of(self, source: int) -> Bias:
        """Registration of a source."""
        if source not in self.bias:
            self.bias[source] = Bias(np.zeros((WINDOW, 2)))
        return self.bias[source]

    def add(self, source: int, residuals: FloatArray) -> None:
        """Put differences into the window; the oldest leave it."""
        b = self.of(source)
        for row in residuals[-WINDOW:]:  # a few pairs a scan
            b.window[b.count % WINDOW] = row
            b.count += 1

    def estimate(self, t_us: int) -> None:
        """Medians of all windows at a time; a bias that is not significant is taken as zero."""
        for b in self.bias.values():
            n = min(b.count, WINDOW)
            if n < MIN_PAIRS:
                continue
            w = b.window[:n]
            median = np.median(w, axis=0)
            spread = 1.4826 * np.median(np.abs(w - median), axis=0)
            error = 1.2533 * spread / math.sqrt(n)
            strong = np.abs(median) > SIGNIFICANT * error
            new_m = float(median[0]) if strong[0] else 0.0
            new_rad = float(median[1]) if strong[1] else 0.0
            if abs(new_m - b.range_m) > CHANGE_M or abs(new_rad - b.bearing_rad) > CHANGE_RAD:
                b.changed_us = t_us
            b.range_m, b.bearing_rad = new_m, new_rad
            b.scatter_m = float(spread[0])

    def doubtful(self, t_us: int) -> list[int]:
        """Sources whose registration is in doubt."""
        return sorted(s for s, b in self.bias.items() if not b.healthy(t_us))

    def arrays(self) -> dict[str, Any]:
        """Windows, for a checkpoint."""
        return {f"bias.{source}": b.window for source, b in self.bias.items()}

    def meta(self) -> dict[str, Any]:
        """Estimates, for a checkpoint."""
        return {str(s): [b.count, b.range_m, b.bearing_rad, b.scatter_m, b.changed_us] for s, b in self.bias.items()}

    def restore(self, meta: dict[str, Any], arrays: dict[str, Any]) -> None:
        """Take windows and estimates back."""
        self.bias = {int(s): Bias(arrays[f"bias.{s}"].copy(), *values) for s, values in meta.items()}
