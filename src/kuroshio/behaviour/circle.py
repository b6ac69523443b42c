"""Positions on a circle: the trace of a GNSS spoofer, seen in blocks of fixes.

Each block of ``block_fixes`` is fitted with a circle (Kasa) in the plane of its first fix. A block holds
when the fixes lie on the circle, turn all the way round one way, and go faster than they claim or than a ship turns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import inner, kernel
from kuroshio.behaviour.definition import Definition
from kuroshio.behaviour.detector import Codes, RunDetector, Surroundings, register
from kuroshio.behaviour.fetch import AHEAD, ahead, fetch_one, reach
from kuroshio.behaviour.state import Batch, Marks, State
from kuroshio.geo.earth import WGS84_A_M, WGS84_E2
from kuroshio.geo.polygon import UNITS_PER_DEG
from kuroshio.units import FloatArray

MAX_BLOCK = 80
PLACES = 1  # state: number of fixes, then a place each, latitude and longitude in units of 1e-7 degree in one integer
HALF_TURN = 180 * UNITS_PER_DEG


@inner
def _unpack(ints: Any, s: int, n: int, plane: Any) -> None:
    """Metres east and north of the first of the n places of a slot, in the plane that touches the earth there."""
    x0, y0, z0, sin_lat, cos_lat, lon0 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        place = ints[s, PLACES + i]
        lat = np.radians((place >> 32) / UNITS_PER_DEG)
        lon = np.radians(((place & 0xFFFFFFFF) - HALF_TURN) / UNITS_PER_DEG)
        if i == 0:
            lon0, sin_lat, cos_lat = lon, np.sin(lat), np.cos(lat)
        ball = WGS84_A_M / np.sqrt(1.0 - WGS84_E2 * np.sin(lat) ** 2)
        out = ball * np.cos(lat)  # from the axis
        x, y, z = out * np.cos(lon - lon0), out * np.sin(lon - lon0), ball * (1.0 - WGS84_E2) * np.sin(lat)
        if i == 0:
            x0, y0, z0 = x, y, z
        plane[i, 0], plane[i, 1] = y - y0, (z - z0) * cos_lat - (x - x0) * sin_lat


@inner
def _fit(plane: Any, n: int, low_m: float, high_m: float, off: float) -> tuple[float, float]:
    """(radius, turns) of n points; no turns where they fit no circle of a radius within the limits."""
    mx, my = 0.0, 0.0
    for i in range(n):
        mx += plane[i, 0] / n
        my += plane[i, 1] / n
    suu, svv, suv, su3, sv3 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        u, v = plane[i, 0] - mx, plane[i, 1] - my
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
        u, v = plane[i, 0] - mx - a, plane[i, 1] - my - b
        rms += (np.sqrt(u * u + v * v) - radius) ** 2
    if np.sqrt(rms / n) > off * radius:
        return radius, 0.0
    for i in range(n):
        angle = np.arctan2(plane[i, 1] - my - b, plane[i, 0] - mx - a)
        if i > 0:
            step = angle - last
            step = step - 2 * np.pi if step > np.pi else (step + 2 * np.pi if step < -np.pi else step)
            turn += step
        last = angle
    return radius, turn / (2 * np.pi)


@kernel
def circle_codes(
    slot: Any,
    lat: Any,
    lon: Any,
    dt_us: Any,
    step_m: Any,
    sog: Any,
    ended: Any,
    ints: Any,
    floats: Any,
    block: int,
    gap_us: int,
    low_m: float,
    high_m: float,
    off: float,
    turns: float,
    faster: float,
    plane: Any,
    code: Any,
    value: Any,
) -> bool:
    """Code, and radius, at the last row of each block; state a slot: fixes so far, places, way, claimed way.

    A silence begins a block anew. Ways are those from fix to fix within the block, where the speed was told.
    """
    raises, end = False, reach(slot)
    for i in range(slot.size):
        s, later, next_s = slot[i], ahead(slot, i, 2 * AHEAD, end), ahead(slot, i, AHEAD, end)
        if later >= 0:
            fetch_one(ints, later * ints.shape[1])
            fetch_one(floats, later * 2)
        if next_s >= 0:  # the number of its fixes is here by now
            fetch_one(ints, next_s * ints.shape[1] + PLACES + ints[next_s, 0])
        code[i] = 0
        c = np.int64(0) if dt_us[i] > gap_us else ints[s, 0]
        if ended[i]:
            ints[s, 0] = 0
            continue
        if c == 0:
            floats[s, 0], floats[s, 1] = 0.0, 0.0
        east = np.int64(np.rint(lon[i] * UNITS_PER_DEG)) + HALF_TURN
        ints[s, PLACES + c] = (np.int64(np.rint(lat[i] * UNITS_PER_DEG)) << 32) | east
        if c > 0 and sog[i] == sog[i]:
            floats[s, 0] += step_m[i]
            floats[s, 1] += sog[i] * dt_us[i] * 1e-6
        ints[s, 0] = c + 1
        if c + 1 < block:
            continue
        ints[s, 0] = 0
        code[i] = -1
        if floats[s, 0] > faster * floats[s, 1]:  # it went further than it claims
            _unpack(ints, s, block, plane)
            radius, turned = _fit(plane, block, low_m, high_m, off)
            if turned != 0.0 and abs(turned) >= turns:
                code[i], value[i] = 1, radius
                raises = True
    return raises


@register("circle")
class CircleDetector(RunDetector):
    """See `definitions/circle_spoofing.toml`."""

    def __init__(self, definition: Definition, around: Surroundings) -> None:
        super().__init__(definition, around)
        self.fixes = min(MAX_BLOCK, int(definition["block_fixes"]))
        self.block = State((0,) * (PLACES + self.fixes), (0.0, 0.0))
        limits = ("min_radius_m", "max_radius_m", "max_residual", "min_turns", "speed_ratio")
        self.limits = [float(definition[name]) for name in limits]
        self.plane = np.empty((self.fixes, 2))

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

    def rewind(self, other: Any, marks: Marks) -> bool:
        """Runs and blocks of the marked tracks."""
        self.block.rewind(other.block, marks.slots)
        return super().rewind(other, marks)

    def take_from(self, other: Any) -> None:
        """Become as another is."""
        super().take_from(other)
        self.block.restore(other.block.ints, other.block.floats)

    def codes(self, batch: Batch) -> Codes:
        """A verdict at the end of each block."""
        f, (code, radius) = batch.fixes, batch.room()
        raises = circle_codes(
            batch.slot,
            f.lat,
            f.lon,
            batch.dt_us,
            batch.step_m,
            f.sog,
            batch.ended,
            self.block.ints,
            self.block.floats,
            self.fixes,
            self.gap_us,
            *self.limits,
            self.plane,
            code,
            radius,
        )
        return Codes(code, None, radius, raises)

    def values(self, start: int, end: int, rows: int, num: FloatArray, label: int) -> dict[str, Any]:
        """Greatest radius found."""
        return {"radius_m": float(num[7])}
