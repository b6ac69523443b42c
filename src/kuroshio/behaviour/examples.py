"""One planted example a definition, for its page: rows that raise it, and the zones and norms it needs.

What enters: the id of a definition. What leaves: TRACKS rows, zones, norms. Nothing here is random and nothing is real;
a test holds that each example raises its own alert, and that its picture is the one beside the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import schema
from kuroshio.behaviour.archive import archive_fixes, detect
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.fixes import HOUR_US
from kuroshio.behaviour.norms import Norms, build
from kuroshio.behaviour.sketch import draw
from kuroshio.errors import NotFound
from kuroshio.geo.zones import Zones, load_zones
from kuroshio.units import FloatArray

MIN_US = 60_000_000
T0_US = 1_790_035_200_000_000  # 2026-09-22T00:00:00Z
LAT, LON = 20.0, 121.0
NORTH_M, EAST_M = 110_700.0, 104_600.0  # metres in a degree there
EXAMPLES: dict[str, Callable[[], Example]] = {}


@dataclass(frozen=True)
class Example:
    """What a definition is shown on."""

    rows: pa.Table
    zones: Zones | None = None
    norms: Norms | None = None
    now_us: int | None = None


def _of(name: str) -> Callable[[Callable[[], Example]], Callable[[], Example]]:
    def put(make: Callable[[], Example]) -> Callable[[], Example]:
        EXAMPLES[name] = make
        return make

    return put


def ship(track: int, minutes: Any, north_m: Any, east_m: Any, **columns: Any) -> pa.Table:
    """Rows of one ship at minutes after the start, metres north and east of the middle; AIS unless said otherwise."""
    at = np.asarray(minutes, np.float64)
    n, t = len(at), T0_US + np.rint(at * MIN_US).astype(np.int64)
    wide = {name: np.broadcast_to(np.asarray(value), n).copy() for name, value in columns.items()}
    own: dict[str, Any] = {
        "track_id": np.full(n, track),
        "observed_at": t,
        "lat_deg": LAT + np.broadcast_to(np.asarray(north_m, np.float64), n) / NORTH_M,
        "lon_deg": LON + np.broadcast_to(np.asarray(east_m, np.float64), n) / EAST_M,
        "status": ["confirmed"] * n,
        "mmsi": np.full(n, 431_000_000 + track),
        "last_ais_at": t,
    }
    given = own | wide
    if given.get("mmsi") is not None and (np.asarray(given["mmsi"]) < 0).all():
        given |= {"mmsi": pa.nulls(n, pa.int64()), "last_ais_at": pa.nulls(n, pa.int64()), "last_radar_at": t}
    return schema.TRACKS.build(given, n)


def _all(*parts: pa.Table) -> pa.Table:
    return schema.concat(schema.TRACKS, list(parts))


def _zone(kind: str, north_m: float, east_m: float, half_m: float, name: str) -> Zones:
    lat, lon = LAT + north_m / NORTH_M, LON + east_m / EAST_M
    dy, dx = half_m / NORTH_M, half_m / EAST_M
    ring = [
        [lon - dx, lat - dy],
        [lon + dx, lat - dy],
        [lon + dx, lat + dy],
        [lon - dx, lat + dy],
        [lon - dx, lat - dy],
    ]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return load_zones({"type": "Feature", "properties": {"name": name, "kind": kind}, "geometry": geometry})


def _minutes(start: float, end: float, step: float = 1.0) -> FloatArray:
    return np.arange(start, end + step / 2, step)


def _wander(t: FloatArray, reach_m: float) -> tuple[FloatArray, FloatArray]:
    """A slow wandering way."""
    return reach_m * np.sin(t / 41.0) + 0.3 * reach_m * np.sin(t / 7.0), reach_m * np.cos(t / 53.0)


def _silent(hours: float) -> pa.Table:
    before, after = _minutes(0, 240, 10), _minutes(240 + hours * 60, 360 + hours * 60, 10)
    t = np.concatenate([before, after])
    slow = np.clip(t - 240, 0, hours * 60)
    way = t - slow + slow / 40  # it hardly moves while it is silent
    return ship(1, t, 75.0 * way, 60.0 * way)


@_of("ais_gap")
def _ais_gap() -> Example:
    return Example(_silent(8))


@_of("ais_disabling")
def _ais_disabling() -> Example:
    hourly = _minutes(0, 200 * 60, 60)
    places = [(k, north) for north in (14_000, 18_000, 24_000) for k in range(10)]
    others = [ship(100 + n, hourly + k, north, 10_000.0 + 700 * k) for n, (k, north) in enumerate(places)]
    return Example(_silent(14), norms=build(archive_fixes(_all(*others))))


@_of("ais_radar_disagreement")
def _ais_radar_disagreement() -> Example:
    t = _minutes(0, 20, 0.5)
    told = ship(
        1, t, 300.0 * t, 40.0 * t, flags=np.where(t < 5, 0, 4), last_radar_at=T0_US + (t * MIN_US).astype(np.int64)
    )
    return Example(told)


@_of("cable_loitering")
def _cable_loitering() -> Example:
    t = _minutes(0, 120, 2)
    line = {"type": "LineString", "coordinates": [[LON - 0.1, LAT], [LON + 0.1, LAT + 0.02]]}
    cable = {"type": "Feature", "properties": {"name": "Cable 7", "kind": "cable", "buffer_m": 900}, "geometry": line}
    north = np.interp(t, [0, 25, 95, 120], [-5000, 1250, 1350, 7000])
    return Example(ship(1, t, north, 25.0 * t), zones=load_zones(cable))


@_of("circle_spoofing")
def _circle_spoofing() -> Example:
    t = _minutes(0, 60, 0.5)
    a = np.arange(len(t)) * 2 * np.pi / 15
    return Example(ship(1, t, 1000 * np.sin(a), 1000 * np.cos(a), sog_mps=0.2))


@_of("collision_risk")
def _collision_risk() -> Example:
    t = _minutes(0, 22)
    east = ship(1, t, 0.0, 300.0 * t - 5000, sog_mps=5.0, cog_deg=90.0)
    return Example(_all(east, ship(2, t, 110.0, 5000 - 300.0 * t, sog_mps=5.0, cog_deg=270.0)))


@_of("dark_vessel")
def _dark_vessel() -> Example:
    t = _minutes(0, 40, 0.5)
    return Example(ship(5, t, 240.0 * t, 900 * np.sin(t / 9), mmsi=-1, flags=1))


@_of("distress")
def _distress() -> Example:
    t = _minutes(0, 20)
    return Example(_all(ship(4, t, 30.0 * t, 45.0 * t, mmsi=970_123_456), ship(1, t, 400.0 * t - 9000, 3000.0)))


@_of("drift")
def _drift() -> Example:
    t = _minutes(0, 90)
    under_way = t < 30
    north = np.where(under_way, 360.0 * t, 360.0 * 30)
    east = np.where(under_way, 0.0, 60.0 * (t - 30))
    sog, cog = np.where(under_way, 6.0, 1.0), np.where(under_way, 0.0, 90.0)
    return Example(ship(1, t, north, east, sog_mps=sog, cog_deg=cog, heading_deg=5.0))


def _meeting(minutes: float, apart_m: float) -> pa.Table:
    t = _minutes(0, 240 + minutes, 2)
    end = 60 + minutes
    stay = np.clip(t, 60, end) - 60
    way = np.minimum(t - 60, 0) * 150 + np.maximum(t - end, 0) * 200
    return _all(ship(1, t, way, 6.0 * stay), ship(2, t, apart_m - 0.4 * way, 6.0 * stay - way))


@_of("encounter")
def _encounter() -> Example:
    return Example(_meeting(160, 300))


@_of("encounter_short")
def _encounter_short() -> Example:
    return Example(_meeting(45, 120))


@_of("fishing_movement")
def _fishing_movement() -> Example:
    t = _minutes(0, 180, 2)
    leg = np.floor(t / 10)
    phase = np.where(leg % 2 == 0, t % 10, 10 - t % 10)
    cog = np.where(leg % 2 == 0, 30.0, 210.0) + 40 * np.sin(t)
    return Example(ship(1, t, 90 * phase + 25 * t, 60 * phase + 20 * np.sin(t / 3), sog_mps=1.8, cog_deg=cog % 360))


@_of("gate_norm")
def _gate_norm() -> Example:
    parts = [ship(900, _minutes(0, 13 * 1440, 180), 8000.0, 11_000.0)]
    for day in range(12):
        count = 20 if day < 11 else 2
        for k in range(count):
            t = day * 1440 + 60.0 * k + _minutes(0, 40, 10)
            parts.append(ship(1 + k, t, 200.0 * k - 2000, 300.0 * (t - t[0]) - 6000))
    line = {"type": "LineString", "coordinates": [[LON, LAT - 0.05], [LON, LAT + 0.05]]}
    gate = {"type": "Feature", "properties": {"name": "Strait", "kind": "gate", "buffer_m": 2000}, "geometry": line}
    return Example(_all(*parts), zones=load_zones(gate))


@_of("gnss_interference")
def _gnss_interference() -> Example:
    t = _minutes(0, 59)
    parts = []
    for k in range(5):
        jumps = (np.floor(t / 6) % 2 == 1) & (k < 4)
        north, east = 200.0 * t + 1500 * k, 1500.0 * k - 3000
        parts.append(ship(1 + k, t, north + np.where(jumps, 12_000, 0), east + np.where(jumps, -15_000, 0)))
    return Example(_all(*parts), now_us=T0_US + 2 * HOUR_US)


@_of("identity_changed")
def _identity_changed() -> Example:
    t = _minutes(0, 60)
    return Example(ship(1, t, 240.0 * t, 60.0 * t, name=np.where(t < 30, "KAIYO", "MARU")))


@_of("identity_duplicated")
def _identity_duplicated() -> Example:
    t = _minutes(0, 180)
    here = ship(1, t, 120.0 * t, 0.0, mmsi=431_000_007)
    return Example(_all(here, ship(2, t + 0.5, 8000 - 90.0 * t, 40_000.0, mmsi=431_000_007)))


@_of("impossible_kinematics")
def _impossible_kinematics() -> Example:
    t = _minutes(0, 40)
    return Example(ship(1, t, 300.0 * t, np.where(t == 20, 30_000.0, 0.0)))


@_of("loitering")
def _loitering() -> Example:
    t = _minutes(0, 600, 5)
    north, east = _wander(t, 900)
    way = np.minimum(t - 90, 0) * 300 + np.maximum(t - 480, 0) * 300
    return Example(ship(1, t, north + way, east))


@_of("port_visit")
def _port_visit() -> Example:
    t = _minutes(0, 300, 5)
    north = np.interp(t, [0, 60, 220, 300], [-14_000, 0, 0, -16_000])
    return Example(ship(1, t, north, 30 * np.sin(t)), zones=_zone("port", 1500, 0, 4000, "Basco"))


@_of("position_on_land")
def _position_on_land() -> Example:
    t = _minutes(0, 60, 2)
    return Example(ship(1, t, 200.0 * t, 0.0), zones=_zone("land", 12_000, 0, 8000, "Island"))


@_of("speed_course_anomaly")
def _speed_course_anomaly() -> Example:
    k = np.arange(6000)
    lane = ship(9, k, 5000.0, 5000.0, sog_mps=5.0 + 2 * ((k * 7) % 100) / 100, cog_deg=85.0 + (k * 13) % 10)
    t = _minutes(0, 30)
    fast = ship(1, t, 5000 - 500.0 + 30.0 * t, 5000.0 - 3000 + 100 * t, sog_mps=15.0, cog_deg=90.0)
    return Example(fast, norms=build(archive_fixes(lane)))


@_of("sudden_stop")
def _sudden_stop() -> Example:
    t = _minutes(0, 20, 1 / 6)
    return Example(ship(1, t, 360.0 * np.minimum(t, 10), 0.0, sog_mps=np.where(t <= 10, 6.0, 0.1)))


@_of("uncorroborated_ais")
def _uncorroborated_ais() -> Example:
    t = _minutes(0, 30, 0.5)
    return Example(ship(1, t, 280.0 * t, -100.0 * t, flags=np.where(t < 4, 0, 2)))


def _through() -> Example:
    t = _minutes(0, 120, 2)
    return Example(ship(1, t, 250.0 * t - 15_000, 40.0 * t), zones=_zone("reserve", 0, 2500, 6000, "Bank"))


@_of("zone_entry")
def _zone_entry() -> Example:
    return _through()


@_of("zone_exit")
def _zone_exit() -> Example:
    return _through()


def raised(definitions: Definitions, name: str) -> tuple[dict[str, Any], Example]:
    """(the alert of a definition on its example, the example).

    Raises
    ------
    NotFound
        When there is no example, or it raises nothing.
    """
    if name not in EXAMPLES:
        raise NotFound(f"no example of {name}", code="behaviour.example")
    example = EXAMPLES[name]()
    found = detect(
        example.rows, definitions.only(name), zones=example.zones, norms=example.norms, now_us=example.now_us
    ).to_pylist()
    if not found:
        raise NotFound(f"the example of {name} raises nothing", code="behaviour.example")
    return found[0], example


def picture(definitions: Definitions, name: str) -> tuple[str, str]:
    """(SVG of a definition's example, its alert as a sentence)."""
    alert, example = raised(definitions, name)
    return draw(alert, example.rows, example.zones), str(alert["summary"])
