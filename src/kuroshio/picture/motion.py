"""How a ship moves: two constant-velocity models on a local plane, and how the plane moves with the ship.

What enters: states in metres east and north of a reference position. What leaves: predicted states, and positions.
The state is (e, n, ve, vn); its covariance is packed as the upper triangle ``00 01 02 03 11 12 13 22 23 33``. It
knows no measurement. Sources: Bar-Shalom, Li, Kirubarajan 2001, 6.2.2 (white acceleration); integrated
Ornstein-Uhlenbeck velocity for long coasting (Millefiori, Braca, Bryan, Willett, IEEE T-AES 2016).
"""

from __future__ import annotations

import math

from kuroshio.geo.earth import WGS84_A_M, WGS84_E2
from kuroshio.picture.compiled import bare, inner, within

COAST_S = 120.0  # beyond this the velocity variance saturates
COAST_RATE = 1.0 / 600.0  # reversion rate of the coasting model, 1/s
AGILE_MPS = 5.0  # a ship this fast or faster has all of the process noise
AGILITY_MIN = 0.05  # share of it left to one at rest, which swings about its anchor or casts off
POLAR_LAT_DEG = 85.0
RAD = math.pi / 180.0
NEAR_RAD = 1e-3  # 6 km: series to the fifth order are exact to the last digit
POLE_M_PER_DEG = 111_693.9  # WGS 84 meridian radius at the pole, per degree


@within
def process_noise(dt_s, q):  # type: ignore[no-untyped-def]
    """(position, cross, velocity) noise of one axis after ``dt_s``; saturating beyond `COAST_S`."""
    dt = abs(dt_s)
    if dt <= COAST_S:
        return q * dt * dt * dt / 3.0, q * dt * dt_s / 2.0, q * dt
    k = COAST_RATE
    one = math.exp(-k * dt)
    pos = q / (k * k) * (dt - 2.0 * (1.0 - one) / k + (1.0 - one * one) / (2.0 * k))
    cross = q / (2.0 * k * k) * (1.0 - one) ** 2
    return pos, cross if dt_s > 0 else -cross, q / (2.0 * k) * (1.0 - one * one)


@within
def agility(ve, vn):  # type: ignore[no-untyped-def]
    """Share of the process noise at a velocity: a turn accelerates a ship by its speed times its rate of turn.

    So the noise goes with the square of the speed, as it does in recorded AIS: 0.0045 m2/s3 at 3 to 6 m/s, 0.015 at 6
    to 9 and 0.03 at 9 to 13 in the Solent (medians of velocity changes over 10 to 120 s).
    """
    return min(max((ve * ve + vn * vn) / (AGILE_MPS * AGILE_MPS), AGILITY_MIN), 1.0)


@within
def predict_packed(p, dt, q, out):  # type: ignore[no-untyped-def]
    """Packed covariance after ``dt`` seconds of constant velocity with noise density ``q``."""
    d2 = dt * dt
    q3, q2, q1 = process_noise(dt, q)
    out[0] = p[0] + 2.0 * dt * p[2] + d2 * p[7] + q3
    out[1] = p[1] + dt * (p[3] + p[5]) + d2 * p[8]
    out[2] = p[2] + dt * p[7] + q2
    out[3] = p[3] + dt * p[8]
    out[4] = p[4] + 2.0 * dt * p[6] + d2 * p[9] + q3
    out[5] = p[5] + dt * p[8]
    out[6] = p[6] + dt * p[9] + q2
    out[7] = p[7] + q1
    out[8] = p[8]
    out[9] = p[9] + q1


@within
def plane_scale(lat):  # type: ignore[no-untyped-def]
    """(east, north) metres in one degree of longitude and latitude: `geo.metres_per_degree` with one cosine."""
    c = math.cos(lat * RAD)
    w2 = 1.0 - WGS84_E2 * (1.0 - c * c)
    w = math.sqrt(w2)
    return RAD * WGS84_A_M * c / w, RAD * WGS84_A_M * (1.0 - WGS84_E2) / (w2 * w)


@inner
def _polar_xy(lat, lon):  # type: ignore[no-untyped-def]
    sign = 1.0 if lat > 0 else -1.0
    rho = (90.0 - abs(lat)) * POLE_M_PER_DEG
    lam = math.radians(lon)
    return rho * math.sin(lam), -sign * rho * math.cos(lam)


@within
def _wrapped(lon):  # type: ignore[no-untyped-def]
    """Longitude, or difference of two, in [-180, 180): one turn is all that can be too much, and a modulo is slow."""
    if lon >= 180.0:
        return lon - 360.0
    return lon + 360.0 if lon < -180.0 else lon


@bare
def local_offset(lat0, lon0, lat, lon):  # type: ignore[no-untyped-def]
    """(east, north) metres of a point in the plane of a reference; azimuthal about the pole above 85 degrees."""
    if abs(lat0) < POLAR_LAT_DEG:
        east, north = plane_scale(0.5 * (lat0 + lat))
        return _wrapped(lon - lon0) * east, (lat - lat0) * north
    x0, y0 = _polar_xy(lat0, lon0)
    x1, y1 = _polar_xy(lat, lon)
    lam = math.radians(lon0)
    c, s = math.cos(lam), math.sin(lam)
    dx, dy = x1 - x0, y1 - y0
    sign = 1.0 if lat0 > 0 else -1.0
    return c * dx + sign * s * dy, -sign * s * dx + c * dy


@within
def _scale_half_way(lat0, n):  # type: ignore[no-untyped-def]
    """`plane_scale` at the latitude half way to a point ``n`` metres north, with one cosine where that is near."""
    c = math.cos(lat0 * RAD)
    w2 = 1.0 - WGS84_E2 * (1.0 - c * c)
    d = 0.5 * n * w2 * math.sqrt(w2) / (WGS84_A_M * (1.0 - WGS84_E2))  # radians
    if abs(d) > NEAR_RAD:
        return plane_scale(lat0 + d / RAD)
    s = math.sqrt(1.0 - c * c) if lat0 >= 0.0 else -math.sqrt(1.0 - c * c)
    c = c * (1.0 - d * d * (0.5 - d * d / 24.0)) - s * d * (1.0 - d * d / 6.0)
    w2 = 1.0 - WGS84_E2 * (1.0 - c * c)
    w = math.sqrt(w2)
    return RAD * WGS84_A_M * c / w, RAD * WGS84_A_M * (1.0 - WGS84_E2) / (w2 * w)


@bare
def move(lat0, lon0, e, n):  # type: ignore[no-untyped-def]
    """(lat, lon, turn) of the point at an offset; ``turn`` is the angle (radians) the axes turned on the way.

    Below 85 degrees a ship keeps its course (rhumb line, turn 0); above, it keeps a straight line over the pole.
    """
    if abs(lat0) < POLAR_LAT_DEG:
        east, north = _scale_half_way(lat0, n)
        lat = min(max(lat0 + n / north, -90.0), 90.0)
        return lat, _wrapped(lon0 + e / east), 0.0
    sign = 1.0 if lat0 > 0 else -1.0
    x0, y0 = _polar_xy(lat0, lon0)
    lam = math.radians(lon0)
    c, s = math.cos(lam), math.sin(lam)
    x = x0 + c * e - sign * s * n
    y = y0 + sign * s * e + c * n
    lat = sign * (90.0 - math.sqrt(x * x + y * y) / POLE_M_PER_DEG)
    lon = math.degrees(math.atan2(x, -sign * y))
    if lon >= 180.0:
        lon -= 360.0
    return lat, lon, sign * math.radians((lon - lon0 + 180.0) % 360.0 - 180.0)


@inner
def turn_axes(x, p, angle):  # type: ignore[no-untyped-def]
    """Rotate a state and its packed covariance in place into axes turned by ``angle`` (radians, east to north)."""
    c, s = math.cos(angle), math.sin(angle)
    for k in (0, 2):
        a, b = x[k], x[k + 1]
        x[k], x[k + 1] = c * a + s * b, -s * a + c * b
    a, b, d = p[0], p[1], p[4]
    p[0], p[1], p[4] = (
        c * c * a + 2 * c * s * b + s * s * d,
        c * c * b - s * s * b + c * s * (d - a),
        s * s * a - 2 * c * s * b + c * c * d,
    )
    a, b, d = p[7], p[8], p[9]
    p[7], p[8], p[9] = (
        c * c * a + 2 * c * s * b + s * s * d,
        c * c * b - s * s * b + c * s * (d - a),
        s * s * a - 2 * c * s * b + c * c * d,
    )
    a, b, g, h = p[2], p[3], p[5], p[6]
    p[2] = c * c * a + c * s * (b + g) + s * s * h
    p[3] = c * c * b + c * s * (h - a) - s * s * g
    p[5] = c * c * g + c * s * (h - a) - s * s * b
    p[6] = c * c * h - c * s * (b + g) + s * s * a


@inner
def into_axes(lat0, lon0, lon, a, b):  # type: ignore[no-untyped-def]
    """(east, north) in the axes at a reference of a vector measured in the axes at another longitude, near a pole."""
    turn = math.radians((lon - lon0 + 180.0) % 360.0 - 180.0)
    if lat0 < 0:
        turn = -turn
    c, s = math.cos(turn), math.sin(turn)
    return c * a - s * b, s * a + c * b
