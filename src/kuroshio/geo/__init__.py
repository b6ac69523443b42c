"""Array geodesy on WGS 84: distance, bearing, local planes, cells.

Every function takes scalars or NumPy arrays, and may be called inside Numba kernels. Angles in degrees, lengths in
metres. It has no global plane: a plane is local to a point. Named areas are in `geo.zones`, their
arithmetic in `geo.polygon`.
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
from kuroshio.geo.zones import Zone, Zones, load_zones

__all__ = [
    "Zone",
    "Zones",
    "bearing_deg",
    "destination",
    "distance_m",
    "enu_offset_m",
    "load_zones",
    "metres_per_degree",
    "offset_position",
    "radio_horizon_m",
    "wrap_lon_deg",
]
