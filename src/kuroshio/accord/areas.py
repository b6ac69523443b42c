"""Points in named areas, whole columns at a time.

What enters: corners in degrees and columns of positions. What leaves: a boolean per point. Edges are straight in
longitude and latitude and take the shorter way around; an area may cross the 180th meridian, not a pole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kuroshio.accord.kernels import even_odd


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
    lat = np.ascontiguousarray(np.atleast_1d(np.asarray(lat_deg, np.float64)))
    lon = np.ascontiguousarray(np.atleast_1d(np.asarray(lon_deg, np.float64)))
    origin, south = map(float, corners_lonlat_deg[0])
    xs, ys = [0.0], [south]
    for corner_lon, corner_lat in corners_lonlat_deg[1:]:
        step = (corner_lon - origin - xs[-1] + 180.0) % 360.0 - 180.0
        xs.append(xs[-1] + step)
        ys.append(float(corner_lat))
    return even_odd(np.array(xs), np.array(ys), origin, lat, lon)
