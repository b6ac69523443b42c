"""Points in named areas, whole columns at a time.

What enters: corners in degrees and columns of positions. What leaves: a boolean per point. Edges are straight in
longitude and latitude and take the shorter way around; an area may cross the 180th meridian, not a pole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def inside(
    corners_lonlat_deg: Sequence[tuple[float, float]], lat_deg: npt.ArrayLike, lon_deg: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """True for each point inside the polygon (even-odd rule); NaN is outside.

    Parameters
    ----------
    corners_lonlat_deg
        At least three (longitude, latitude) corners, open or closed.
    lat_deg, lon_deg
        Points, degrees, of one shape.

    Notes
    -----
    A point on a western or southern edge counts as inside, on an eastern or northern edge as outside, so that areas
    that share an edge divide the sea.
    """
    lat = np.atleast_1d(np.asarray(lat_deg, np.float64))
    origin = corners_lonlat_deg[0][0]
    lon = (np.atleast_1d(np.asarray(lon_deg, np.float64)) - origin + 180.0) % 360.0 - 180.0
    xs, ys = [0.0], [float(corners_lonlat_deg[0][1])]
    for corner_lon, corner_lat in corners_lonlat_deg[1:]:
        step = (corner_lon - origin - xs[-1] + 180.0) % 360.0 - 180.0
        xs.append(xs[-1] + step)
        ys.append(float(corner_lat))
    west, east = min(xs), max(xs)
    hit = np.zeros(lat.shape, np.bool_)
    # a polygon wider than the branch of `lon` is met again one turn on
    for turn in (-360.0, 0.0, 360.0):
        x = lon + turn
        near = (x >= west) & (x <= east) & (lat >= min(ys)) & (lat <= max(ys))
        rows = np.flatnonzero(near & ~hit)
        if rows.size:
            hit[rows] |= _even_odd(xs, ys, x[rows], lat[rows])
    return hit


def _even_odd(
    xs: Sequence[float], ys: Sequence[float], x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    odd = np.zeros(x.shape, np.bool_)
    for i in range(len(xs)):  # over edges, not over points
        x1, y1, x2, y2 = xs[i - 1], ys[i - 1], xs[i], ys[i]
        if y1 == y2:
            continue
        crosses = (y1 > y) != (y2 > y)
        odd ^= crosses & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return odd
