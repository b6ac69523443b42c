"""Positions on a circle: the trace of a GNSS spoofer, seen in blocks of fixes.

Each block of ``block_fixes`` is fitted with a circle (Kasa) in the plane of its first fix. A block holds
when the fixes lie on the circle, turn all the way round one way, and go faster than they claim or than a ship turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import RunDetector, Surroundings, register
from kuroshio.behaviour.motion import Codes
from kuroshio.behaviour.state import Batch, State
from kuroshio.geo.earth import enu_offset_m
from kuroshio.units import FloatArray

MAX_BLOCK = 80


@njit(cache=True, nogil=True)
def _fit(floats: Any, s: int, n: int, low_m: float, high_m: float, off: float) -> tuple[float, float]:
    """(radius, turns) of the n points of a slot; no turns where they fit no circle of a radius within the limits."""
    mx, my = 0.0, 0.0
    for i in range(n):
        mx += floats[s, 4 + 2 * i] / n
        my += floats[s, 5 + 2 * i] / n
    suu, svv, suv, su3, sv3 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        u, v = floats[s, 4 + 2 * i] - mx, floats[s, 5 + 2 * i] - my
        suu += u * u
        svv += v * v
        suv += u * v
        su3 += u * (u * u + v * v)
        sv3 += v * (u * u + v * v)
    det = suu * svv - suv * suv
    if det <= 1e-9 * (suu + svv) ** 2:
        return -1.0, 0.0
    a, b = 0.5 * (su3 * svv - sv3 * suv) / det, 0.5 * (sv3 * suu - su3 * suv) / det
    radius = np.sqrt(a * a + b * b + (suu + svv) / n)
    rms, turn, last = 0.0, 0.0, 0.0
    if not low_m <= radius <= high_m:
        return radius, 0.0
    for i in range(n):
        u, v = floats[s, 4 + 2 * i] - mx - a, floats[s, 5 + 2 * i] - my - b
        rms += (np.sqrt(u * u + v * v) - radius) ** 2
    if np.sqrt(rms / n) > off * radius:
        return radius, 0.0
    for i in range(n):
        angle = np.arctan2(floats[s, 5 + 2 * i] - my - b, floats[s, 4 + 2 * i] - mx - a)
        if i > 0:
            step = angle - last
            step = step - 2 * np.pi if step > np.pi else (step + 2 * np.pi if step < -np.pi else step)
            turn += step
        last = angle
    return radius, turn / (2 * np.pi)


@njit(cache=True, nogil=True)
def circle_codes(
    slot: Any,
    lat: Any,
    lon: Any,
    speed: Any,
    sog: Any,
    ints: Any,
    floats: Any,
    block: int,
    low_m: float,
    high_m: float,
    off: float,
    turns: float,
    faster: float,
) -> tuple[Any, Any]:
    """(code, radius) at the last row of each block; state a slot: fixes so far, origin, way, claimed way, x, y."""
    n = slot.size
    code, value = np.zeros(n, np.int8), np.zeros(n)
    for i in range(n):
        s = slot[i]
        c = ints[s, 0]
        if c == 0:
            floats[s, 0], floats[s, 1], floats[s, 2], floats[s, 3] = lat[i], lon[i], 0.0, 0.0
        east, north = enu_offset_m(floats[s, 0], floats[s, 1], lat[i], lon[i])
        floats[s, 4 + 2 * c], floats[s, 5 + 2 * c] = east, north
        if speed[i] == speed[i] and sog[i] == sog[i]:
            floats[s, 2] += speed[i]
            floats[s, 3] += sog[i]
        ints[s, 0] = c + 1
        if c + 1 < block:
            continue
        ints[s, 0] = 0
        radius, turned = _fit(floats, s, block, low_m, high_m, off)
        lies = floats[s, 2] > faster * floats[s, 3]
        code[i] = 1 if turned != 0.0 and abs(turned) >= turns and lies else -1
        value[i] = radius
    return code, value


@register("circle")
class CircleDetector(RunDetector):
    """See `definitions/circle_spoofing.toml`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.fixes = min(MAX_BLOCK, int(definition["block_fixes"]))
        self.block = State((0,), (0.0,) * (4 + 2 * self.fixes), "C")

    def ensure(self, slots: int) -> None:
        """Make room for that many tracks."""
        super().ensure(slots)
        self.block.ensure(slots)

    def arrays(self) -> dict[str, Any]:
        """Runs and blocks."""
        return super().arrays() | {"block_i": self.block.ints, "block_f": self.block.floats}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take state back."""
        super().restore(arrays)
        self.block.restore(arrays["block_i"], arrays["block_f"])

    def codes(self, batch: Batch) -> Codes:
        """A verdict at the end of each block."""
        f, d = batch.fixes, self.definition
        code, radius = circle_codes(
            batch.slot,
            f.lat,
            f.lon,
            batch.speed_mps,
            f.sog,
            self.block.ints,
            self.block.floats,
            self.fixes,
            float(d["min_radius_m"]),
            float(d["max_radius_m"]),
            float(d["max_residual"]),
            float(d["min_turns"]),
            float(d["speed_ratio"]),
        )
        return code, None, radius

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest radius found."""
        return {"radius_m": float(num[7])}
