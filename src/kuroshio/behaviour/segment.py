"""Which positions of one MMSI belong to one ship: splits an identity that several use, or that jumps.

Each position goes to the open segment that most likely sent it, if the way there could be sailed; else it opens a new
one. Likelihood falls with the distance from the predicted place, whose error grows with the silence, and rises with the
number of positions a segment has: a stray position that waits ahead does not take over the ship that sails by. An MMSI
is a claim, so what leaves is a number of a track: MMSI times 1000 plus the segment.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.geo.earth import distance_m, offset_position
from kuroshio.units import FloatArray, IntArray

ROOM = 16  # segments of one MMSI open at once; beyond it the one silent longest is closed
MAX_SPEED_MPS = 30.87  # 60 kn
MAX_SILENCE_US = 24 * 3600 * 1_000_000
SLACK_M = 500.0  # error of the fixes and of a clock a few seconds wrong
SURE_SHIP = 10  # positions that show a segment to be a ship
NEW_SHIP_COST = 2.0 * np.log(
    20_000.0
)  # where ships share an MMSI, one that was silent for long is no likelier than a new
PREDICT_US = 600 * 1_000_000  # dead reckoning beyond ten minutes says nothing


@njit(cache=True, nogil=True)
def _segments(
    mmsi: Any, t: Any, lat: Any, lon: Any, sog: Any, cog: Any, max_speed: float, max_silence: int, slack: float
) -> Any:
    out = np.empty(mmsi.size, np.int64)
    at, la, lo = np.zeros(ROOM, np.int64), np.zeros(ROOM), np.zeros(ROOM)
    ve, vn, size, number = np.zeros(ROOM), np.zeros(ROOM), np.zeros(ROOM), np.zeros(ROOM, np.int64)
    used, count, who = 0, 0, np.int64(-1)
    for i in range(mmsi.size):
        if mmsi[i] != who:
            who, used, count = mmsi[i], 0, 0
        best, best_cost = -1, np.inf
        for k in range(used):
            dt = t[i] - at[k]
            if dt > max_silence:
                continue
            dt_s = dt * 1e-6
            far = distance_m(la[k], lo[k], lat[i], lon[i])
            if far > max_speed * dt_s + slack:
                continue
            ahead_s = min(dt, PREDICT_US) * 1e-6
            p_lat, p_lon = offset_position(la[k], lo[k], ve[k] * ahead_s, vn[k] * ahead_s)
            off = min(far, distance_m(p_lat, p_lon, lat[i], lon[i]))
            spread = 200.0 + 3.0 * dt_s
            if off > 5.0 * spread:
                continue
            cost = 0.5 * (off / spread) ** 2 + 2.0 * np.log(spread) - np.log(size[k])
            if cost < best_cost:
                best, best_cost = k, cost
        shared = 0
        for k in range(used):
            shared += size[k] >= SURE_SHIP
        if best < 0 or (shared >= 2 and best_cost > NEW_SHIP_COST and t[i] - at[best] > PREDICT_US):
            best = -1
            if used < ROOM:
                best = used
                used += 1
            else:
                best = 0
                for k in range(1, ROOM):
                    if at[k] < at[best]:
                        best = k
            number[best], size[best] = count, 0.0
            count += 1
        size[best] += 1.0
        at[best], la[best], lo[best] = t[i], lat[i], lon[i]
        fast = sog[i] == sog[i] and cog[i] == cog[i] and sog[i] < max_speed
        ve[best] = sog[i] * np.sin(np.radians(cog[i])) if fast else 0.0
        vn[best] = sog[i] * np.cos(np.radians(cog[i])) if fast else 0.0
        out[i] = number[best]
    return out


def split_identities(
    mmsi: IntArray, t_us: IntArray, lat_deg: FloatArray, lon_deg: FloatArray, sog_mps: FloatArray, cog_deg: FloatArray
) -> IntArray:
    """Track number of every row, in the order of the rows given; rows need not be sorted.

    Returns
    -------
    int64
        ``mmsi * 1000 + segment``, segments of an MMSI counted from 0 in the order of their first fix (999 and later
        share a number).
    """
    order = np.lexsort((lon_deg, lat_deg, t_us, mmsi))
    columns: Any = [np.ascontiguousarray(c[order]) for c in (mmsi, t_us, lat_deg, lon_deg, sog_mps, cog_deg)]
    who, t, lat, lon, sog, cog = columns
    number = _segments(who, t, lat, lon, sog, cog, MAX_SPEED_MPS, MAX_SILENCE_US, SLACK_M)
    result = np.empty(len(mmsi), np.int64)
    result[order] = columns[0] * 1000 + np.minimum(number, 999)
    return result
