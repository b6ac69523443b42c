"""The piece of way that leads to each row: how long since the last fix of its track, how far, how fast.

What enters: rows in order (track, time) and the last fix of every track. What leaves: five columns, and the state moved
on. A block is walked once for the state; what follows from two fixes is then computed for the whole block by one
arithmetic without branches, which the compiler does several rows at a time (`geo.compiled.apart`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import apart
from kuroshio.behaviour.fetch import fetch_ahead, reach
from kuroshio.geo.earth import WGS84_A_M, WGS84_E2, distance_m

_BLOCK = 2_048  # rows: what they need stays in the first two caches
_NEAR_DEG, _NEAR_LAT_DEG = 0.2, 70.0  # beyond either the way is measured along the great circle
_HALF_DEG = math.radians(0.5)
_A = math.radians(1.0) * WGS84_A_M
_COS = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(11))  # of the square; exact to the last bit up to 90
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = _COS


@apart
def _walk(slot: Any, t: Any, lat: Any, lon: Any, mmsi: Any, who: Any, state: Any, out: Any, k: int, first: int) -> int:
    """Time and place of the fix before each row, and the state after it; the number of rows in ``linked``."""
    (ints, floats, heard), (dt, la0, lo0, linked), end = state, out, reach(slot)
    for j in range(slot.size):
        i = np.uint64(j)
        fetch_ahead(slot, j, end, ints, floats)
        s = slot[i]
        if ints[s, 1] == 0:
            dt[i], la0[i], lo0[i] = -1, lat[i], lon[i]
        else:
            dt[i], la0[i], lo0[i] = t[i] - ints[s, 0], floats[s, 0], floats[s, 1]
        if mmsi[i] >= 0:
            if ints[s, 2] != who[i]:
                linked[k] = first + j
                k += 1
            ints[s, 2] = who[i]
            heard[who[i], 0] = max(heard[who[i], 0], t[i])
        elif ints[s, 2] >= 0:
            heard[ints[s, 2], 0] = max(heard[ints[s, 2], 0], t[i])
        ints[s, 0], ints[s, 1], floats[s, 0], floats[s, 1] = t[i], 1, lat[i], lon[i]
    return k


@apart
def _measure(lat: Any, lon: Any, la0: Any, lo0: Any, dt: Any, step: Any, speed: Any) -> int:
    """Metres and speed on the plane at the middle, as `geo.earth.enu_offset_m`; the number of rows too far for it."""
    far = 0
    for i in range(lat.size):
        mid = (la0[i] + lat[i]) * _HALF_DEG
        z = mid * mid
        z2 = z * z
        c = (_C10 * z + _C9) * z2 + (_C8 * z + _C7)
        c = c * z2 + (_C6 * z + _C5)
        c = c * z2 + (_C4 * z + _C3)
        c = c * z2 + (_C2 * z + _C1)
        c = c * z + _C0
        w = 1.0 / np.sqrt(1.0 - WGS84_E2 + WGS84_E2 * c * c)
        dlat, dlon = lat[i] - la0[i], lon[i] - lo0[i]
        east, north = dlon * (_A * c * w), dlat * (_A * (1.0 - WGS84_E2) * w * w * w)
        metres = np.sqrt(east * east + north * north)
        fast = metres / (dt[i] * 1e-6)
        step[i] = metres
        speed[i] = fast if dt[i] > 0 else np.nan
        near = (abs(dlat) < _NEAR_DEG) & (abs(dlon) < _NEAR_DEG) & (abs(lat[i]) < _NEAR_LAT_DEG)
        far += 0 if near else 1
    return far


@apart
def _measure_far(lat: Any, lon: Any, la0: Any, lo0: Any, dt: Any, step: Any, speed: Any) -> None:
    for i in range(lat.size):
        near = abs(lat[i] - la0[i]) < _NEAR_DEG and abs(lon[i] - lo0[i]) < _NEAR_DEG and abs(lat[i]) < _NEAR_LAT_DEG
        if dt[i] >= 0 and not near:
            step[i] = distance_m(la0[i], lo0[i], lat[i], lon[i])
            speed[i] = step[i] / (dt[i] * 1e-6) if dt[i] > 0 else np.nan


@apart
def pieces(
    slot: Any,
    t: Any,
    lat: Any,
    lon: Any,
    mmsi: Any,
    who: Any,
    ints: Any,
    floats: Any,
    heard: Any,
    dt: Any,
    step: Any,
    speed: Any,
    la0: Any,
    lo0: Any,
    linked: Any,
) -> int:
    """dt_us, step_m, speed_mps, prev_lat, prev_lon of every row; state is the last fix of every slot.

    ``dt`` is -1 for the first fix of a slot. ``heard`` is the last time of every MMSI. Rows that claim another MMSI
    than the track did before are put into ``linked``; their number is returned.
    """
    k = 0
    for a in range(0, slot.size, _BLOCK):
        b = min(slot.size, a + _BLOCK)
        y, x, y0, x0, d, m, v = lat[a:b], lon[a:b], la0[a:b], lo0[a:b], dt[a:b], step[a:b], speed[a:b]
        state, out = (ints, floats, heard), (d, y0, x0, linked)
        k = _walk(slot[a:b], t[a:b], y, x, mmsi[a:b], who[a:b], state, out, k, a)
        if _measure(y, x, y0, x0, d, m, v):
            _measure_far(y, x, y0, x0, d, m, v)
    return k
