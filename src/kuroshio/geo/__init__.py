"""Array geodesy on WGS 84: distance, bearing, local planes, cells.

Every function takes scalars or NumPy arrays, and may be called inside Numba kernels. Angles in degrees, lengths in
metres. It has no global plane: a plane is local to a point. Polygons and zones are in `geo.polygon`.
"""

from __future__ import annotations

from kuroshio.geo.earth import (
    bearing_deg,
    destination,
    distance_m,
    enu_offset_m,
    metres_per_degree,
    offset_position,
    radio_horizon_m,
    wrap_lon_deg,
)

__all__ = [
    "bearing_deg",
    "destination",
    "distance_m",
    "enu_offset_m",
    "metres_per_degree",
    "offset_position",
    "radio_horizon_m",
    "wrap_lon_deg",
]
