"""Distances, bearings and local planes on the WGS 84 ellipsoid.

Sources: WGS 84 constants (NIMA TR8350.2); radii of curvature M and N (Torge, Geodesy, 4.1); Lambert's formula for
long lines (Lambert 1942), about 10 m in thousands of kilometres; local plane by radii at the mid latitude.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

WGS84_A_M = 6_378_137.0
WGS84_F = 1.0 / 298.257223563
WGS84_E2 = WGS84_F * (2.0 - WGS84_F)
EFFECTIVE_EARTH_M = 6_371_000.0 * 4.0 / 3.0  # ITU-R P.834: standard refraction, effective radius 4/3


@register_jitable
def wrap_lon_deg(lon_deg: Any) -> Any:
    """Longitude in [-180, 180)."""
    return (lon_deg + 180.0) % 360.0 - 180.0


@register_jitable
def metres_per_degree(lat_deg: Any) -> Any:
    """(east, north) metres in one degree of longitude and latitude at a latitude."""
    lat = np.radians(lat_deg)
    w2 = 1.0 - WGS84_E2 * np.sin(lat) ** 2
    w = np.sqrt(w2)
    east = np.radians(1.0) * WGS84_A_M * np.cos(lat) / w
    north = np.radians(1.0) * WGS84_A_M * (1.0 - WGS84_E2) / (w2 * w)
    return east, north


@register_jitable
def meridian_m(lat_deg: Any) -> Any:
    """Metres along the meridian from the equator, south negative; to a tenth of a millimetre (Torge, Geodesy, 4.2)."""
    twice = 2.0 * np.radians(lat_deg)
    s, c = np.sin(twice), np.cos(twice)
    sin4 = 2.0 * s * c
    sin6 = s * (3.0 - 4.0 * s * s)
    return 111_132.952547 * lat_deg - 16_038.508668 * s + 16.832613 * sin4 - 0.021984 * sin6


@register_jitable
def enu_offset_m(lat0_deg: Any, lon0_deg: Any, lat_deg: Any, lon_deg: Any) -> Any:
    """(east, north) metres of a point in the local plane of another; within 1 m to 50 km below 70 degrees."""
    east, north = metres_per_degree(0.5 * (lat0_deg + lat_deg))
    return wrap_lon_deg(lon_deg - lon0_deg) * east, (lat_deg - lat0_deg) * north


@register_jitable
def offset_position(lat_deg: Any, lon_deg: Any, east_m: Any, north_m: Any) -> Any:
    """(lat_deg, lon_deg) of the point at an offset in the local plane (rhumb, mid latitude)."""
    north_per_deg = metres_per_degree(lat_deg)[1]
    half = 0.5 * north_m / north_per_deg
    east_per_deg, north_per_deg = metres_per_degree(lat_deg + half)
    return lat_deg + north_m / north_per_deg, wrap_lon_deg(lon_deg + east_m / east_per_deg)


@register_jitable
def distance_m(lat1_deg: Any, lon1_deg: Any, lat2_deg: Any, lon2_deg: Any) -> Any:
    """Length of the shortest line between two points (Lambert's formula)."""
    beta1 = np.arctan((1.0 - WGS84_F) * np.tan(np.radians(lat1_deg)))
    beta2 = np.arctan((1.0 - WGS84_F) * np.tan(np.radians(lat2_deg)))
    dlon = np.radians(wrap_lon_deg(lon2_deg - lon1_deg))
    hav = np.sin((beta2 - beta1) / 2.0) ** 2 + np.cos(beta1) * np.cos(beta2) * np.sin(dlon / 2.0) ** 2
    sigma = 2.0 * np.arcsin(np.minimum(1.0, np.sqrt(hav)))
    p, q = (beta1 + beta2) / 2.0, (beta2 - beta1) / 2.0
    half = sigma / 2.0
    cos2 = np.maximum(np.cos(half) ** 2, 1e-12)
    sin2 = np.maximum(np.sin(half) ** 2, 1e-24)
    x = (sigma - np.sin(sigma)) * np.sin(p) ** 2 * np.cos(q) ** 2 / cos2
    y = (sigma + np.sin(sigma)) * np.cos(p) ** 2 * np.sin(q) ** 2 / sin2
    return WGS84_A_M * (sigma - WGS84_F / 2.0 * (x + y))


@register_jitable
def bearing_deg(lat1_deg: Any, lon1_deg: Any, lat2_deg: Any, lon2_deg: Any) -> Any:
    """Initial true bearing of the geodesic from the first point to the second, [0, 360).

    Source: Vincenty 1975, inverse formula with three rounds; within 0.001 degree except near antipodes.
    """
    beta1 = np.arctan((1.0 - WGS84_F) * np.tan(np.radians(lat1_deg)))
    beta2 = np.arctan((1.0 - WGS84_F) * np.tan(np.radians(lat2_deg)))
    sin1, cos1, sin2, cos2 = np.sin(beta1), np.cos(beta1), np.sin(beta2), np.cos(beta2)
    dlon = np.radians(wrap_lon_deg(lon2_deg - lon1_deg))
    lam = dlon + 0.0 * sin2
    for _ in range(3):
        x, y = cos1 * sin2 - sin1 * cos2 * np.cos(lam), cos2 * np.sin(lam)
        sin_sigma = np.sqrt(x * x + y * y)
        sigma = np.arctan2(sin_sigma, sin1 * sin2 + cos1 * cos2 * np.cos(lam))
        sin_az = cos1 * y / np.maximum(sin_sigma, 1e-15)
        lam = dlon + WGS84_F * sin_az * sigma
    return np.degrees(np.arctan2(cos2 * np.sin(lam), cos1 * sin2 - sin1 * cos2 * np.cos(lam))) % 360.0


@register_jitable
def destination(lat_deg: Any, lon_deg: Any, bearing: Any, range_m: Any) -> Any:
    """(lat_deg, lon_deg) reached from a point along a true bearing over a distance on the ellipsoid.

    Source: Vincenty 1975, direct formula; four rounds are exact to a millimetre below 1,000 km.
    """
    alpha = np.radians(bearing)
    tan_u = (1.0 - WGS84_F) * np.tan(np.radians(lat_deg))
    cos_u = 1.0 / np.sqrt(1.0 + tan_u * tan_u)
    sin_u = tan_u * cos_u
    sin_a, cos_a = np.sin(alpha), np.cos(alpha)
    sigma1 = np.arctan2(tan_u, cos_a)
    sin_az = cos_u * sin_a
    cos2_az = 1.0 - sin_az * sin_az
    u2 = cos2_az * WGS84_E2 / (1.0 - WGS84_E2)
    a = 1.0 + u2 / 16384.0 * (4096.0 + u2 * (-768.0 + u2 * (320.0 - 175.0 * u2)))
    b = u2 / 1024.0 * (256.0 + u2 * (-128.0 + u2 * (74.0 - 47.0 * u2)))
    straight = range_m / (WGS84_A_M * (1.0 - WGS84_F) * a)
    sigma = straight
    for _ in range(4):
        sin_s, cos_s, cos_2m = np.sin(sigma), np.cos(sigma), np.cos(2.0 * sigma1 + sigma)
        sigma = straight + b * sin_s * (cos_2m + b / 4.0 * cos_s * (2.0 * cos_2m * cos_2m - 1.0))
    sin_s, cos_s, cos_2m = np.sin(sigma), np.cos(sigma), np.cos(2.0 * sigma1 + sigma)
    cross = sin_u * sin_s - cos_u * cos_s * cos_a
    lat2 = np.arctan2(sin_u * cos_s + cos_u * sin_s * cos_a, (1.0 - WGS84_F) * np.sqrt(sin_az * sin_az + cross * cross))
    lam = np.arctan2(sin_s * sin_a, cos_u * cos_s - sin_u * sin_s * cos_a)
    c = WGS84_F / 16.0 * cos2_az * (4.0 + WGS84_F * (4.0 - 3.0 * cos2_az))
    twist = sigma + c * sin_s * (cos_2m + c * cos_s * (2.0 * cos_2m * cos_2m - 1.0))
    return np.degrees(lat2), wrap_lon_deg(lon_deg + np.degrees(lam - (1.0 - c) * WGS84_F * sin_az * twist))


@register_jitable
def radio_horizon_m(height_a_m: Any, height_b_m: Any) -> Any:
    """Distance at which two antennas lose sight of each other under standard refraction (ITU-R P.834)."""
    return np.sqrt(2.0 * EFFECTIVE_EARTH_M * height_a_m) + np.sqrt(2.0 * EFFECTIVE_EARTH_M * height_b_m)
