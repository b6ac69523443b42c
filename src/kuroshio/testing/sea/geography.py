"""Where the sea is: lanes, fishing grounds, ports and coarse outlines of land from Luzon to Okinawa.

What leaves: constants. Positions are rounded to about a mile and outlines to a few; they make a believable scene and
are not for navigation. Source: names and places as in the World Port Index (public domain) and published charts.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]  # latitude, longitude in degrees


@dataclass(frozen=True)
class Lane:
    """A route ships follow in both directions, with the kinds that use it and its share of the traffic."""

    name: str
    points: tuple[Point, ...]
    kinds: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class Ground:
    """A fishing ground: a circle boats work in."""

    name: str
    centre: Point
    radius_m: float


PORTS: dict[str, Point] = {
    "Basco": (20.452, 121.958),
    "Aparri": (18.372, 121.627),
    "Port Irene": (18.405, 122.100),
    "Currimao": (18.020, 120.470),
    "San Fernando": (16.620, 120.290),
    "Kaohsiung": (22.540, 120.240),
    "Keelung": (25.170, 121.760),
    "Kubura": (24.449, 122.935),
    "Ishigaki": (24.330, 124.140),
    "Naha": (26.210, 127.640),
}

LANES: tuple[Lane, ...] = (
    Lane(
        "Manila - Bashi Channel - Japan",
        ((14.30, 120.05), (16.20, 119.50), (18.60, 119.90), (21.15, 121.55), (22.60, 122.60), (24.15, 123.35),
         (25.60, 124.70), (28.00, 127.60)),
        ("container", "bulk", "tanker"), 3.0,
    ),
    Lane(
        "South China Sea - Balintang Channel - Pacific",
        ((18.60, 118.40), (19.65, 120.90), (19.72, 122.05), (20.05, 123.60), (20.70, 126.50)),
        ("bulk", "tanker", "container"), 2.5,
    ),
    Lane(
        "South China Sea - Bashi Channel - Pacific",
        ((18.90, 118.40), (20.90, 121.10), (21.35, 122.10), (22.00, 124.50), (22.60, 127.00)),
        ("tanker", "bulk", "container"), 2.5,
    ),
    Lane(
        "Kaohsiung - Manila",
        ((22.30, 120.00), (20.50, 119.95), (18.40, 119.90), (16.30, 119.50), (14.30, 120.05)),
        ("container", "bulk"), 1.5,
    ),
    Lane(
        "Babuyan Channel",
        ((18.46, 122.05), (18.68, 121.60), (18.76, 120.85), (18.72, 120.42), (18.20, 120.25), (16.64, 120.22)),
        ("coaster", "ferry"), 1.2,
    ),
    Lane("Basco - Currimao", ((20.44, 121.93), (19.75, 121.20), (18.85, 120.55), (18.04, 120.42)), ("ferry",), 0.8),
    Lane(
        "Keelung - Ishigaki",
        ((25.22, 121.85), (24.95, 122.55), (24.62, 123.30), (24.52, 123.98), (24.30, 124.08)),
        ("ferry", "coaster"), 1.0,
    ),
    Lane(
        "Naha - Ishigaki",
        ((26.15, 127.55), (25.25, 125.60), (25.00, 124.95), (24.60, 124.62), (24.20, 124.38), (24.20, 124.20)),
        ("ferry", "coaster"), 1.0,
    ),
)  # fmt: skip

GROUNDS: tuple[Ground, ...] = (
    Ground("Batanes east", (20.35, 122.55), 18_000.0),
    Ground("Babuyan east", (19.05, 122.40), 20_000.0),
    Ground("Luzon Strait west", (19.50, 120.40), 25_000.0),
    Ground("Yonaguni south", (24.10, 122.80), 22_000.0),
    Ground("Ishigaki south", (23.95, 124.20), 20_000.0),
)

HARBOUR_ROADS = Ground("Ishigaki roads", (24.285, 124.080), 2_500.0)

LAND: dict[str, tuple[Point, ...]] = {
    "Luzon": (
        (18.66, 120.85), (18.50, 120.57), (18.05, 120.50), (17.50, 120.36), (16.90, 120.40), (16.60, 120.30),
        (16.35, 120.05), (16.38, 119.78), (15.40, 119.92), (14.80, 120.12), (14.45, 120.50), (14.20, 122.30),
        (15.50, 121.65), (16.50, 122.25), (17.30, 122.42), (18.25, 122.30), (18.53, 122.25), (18.54, 122.12),
        (18.36, 122.05), (18.34, 121.60), (18.55, 121.10), (18.60, 120.95),
    ),
    "Taiwan": (
        (25.29, 121.55), (25.02, 122.00), (24.60, 121.87), (24.00, 121.65), (22.75, 121.15), (21.90, 120.86),
        (21.95, 120.72), (22.60, 120.28), (23.50, 120.13), (24.30, 120.55), (25.05, 121.05),
    ),
    "Batan": ((20.50, 122.02), (20.44, 122.04), (20.34, 121.93), (20.35, 121.87), (20.42, 121.94), (20.48, 121.98)),
    "Itbayat": ((20.84, 121.84), (20.80, 121.89), (20.71, 121.84), (20.72, 121.79), (20.80, 121.79)),
    "Sabtang": ((20.35, 121.85), (20.33, 121.89), (20.26, 121.86), (20.28, 121.83)),
    "Babuyan": ((19.56, 121.93), (19.54, 121.99), (19.47, 121.95), (19.50, 121.89)),
    "Calayan": ((19.33, 121.40), (19.34, 121.52), (19.25, 121.53), (19.24, 121.41)),
    "Camiguin": ((18.98, 121.88), (18.98, 121.96), (18.83, 121.92), (18.84, 121.82)),
    "Dalupiri": ((19.15, 121.21), (19.15, 121.26), (19.01, 121.24), (19.02, 121.19)),
    "Fuga": ((18.89, 121.27), (18.92, 121.40), (18.85, 121.50), (18.83, 121.30)),
    "Yonaguni": ((24.47, 122.96), (24.46, 123.04), (24.44, 123.00), (24.445, 122.95)),
    "Iriomote": ((24.43, 123.77), (24.40, 123.92), (24.27, 123.90), (24.26, 123.73), (24.33, 123.66)),
    "Ishigaki": ((24.61, 124.32), (24.50, 124.28), (24.36, 124.25), (24.35, 124.14), (24.44, 124.08), (24.47, 124.20)),
    "Miyako": ((24.93, 125.25), (24.78, 125.46), (24.72, 125.30), (24.80, 125.26)),
    "Okinawa": ((26.87, 128.26), (26.45, 127.95), (26.08, 127.70), (26.22, 127.69), (26.70, 127.88), (26.68, 128.05)),
}  # fmt: skip

ZONE_NAME = "Batanes seascape (illustrative)"
ZONE: tuple[Point, ...] = ((20.52, 122.14), (20.80, 122.14), (20.80, 122.42), (20.52, 122.42))
