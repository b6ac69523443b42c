"""A small map of an alert as SVG: tracks, the places of the evidence, zones, a scale; no tiles, no scripts, no fonts.

A thin line is what the ships did before and after, a thick one with dots what they did in the alert.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from kuroshio.geo.earth import metres_per_degree
from kuroshio.geo.zones import Zones
from kuroshio.units import FloatArray

WIDTH, HEIGHT, MARGIN = 640, 480, 36
MAX_POINTS, MAX_DOTS, MAX_TRACKS = 1000, 150, 24
LEAST_REACH_M = 300.0
_COLOURS = ("#0b5fa5", "#b4530a", "#2f7d32", "#6a3fa0")
_FILLS = {"land": "#e4dcc8", "port": "#f3d9e6", "anchorage": "#f3d9e6"}


class Sheet:
    """Metres east and north of a place, on a square that reaches as far as the alert and a bit."""

    def __init__(self, lat0: float, lon0: float) -> None:
        self.lat0, self.lon0 = lat0, lon0
        self.east, self.north = metres_per_degree(lat0)
        self.reach = self.scale = 1.0

    def metres(self, lat: Any, lon: Any) -> tuple[FloatArray, FloatArray]:
        """East and north of the middle."""
        lon = (np.asarray(lon, float) - self.lon0 + 180) % 360 - 180
        return lon * self.east, (np.asarray(lat, float) - self.lat0) * self.north

    def fit(self, x: FloatArray, y: FloatArray) -> None:
        """Set the scale so that these are seen."""
        far = np.maximum(np.abs(x) * HEIGHT / WIDTH, np.abs(y))
        self.reach = max(LEAST_REACH_M, 1.3 * float(far.max(initial=0.0)))
        self.scale = (HEIGHT / 2 - MARGIN) / self.reach

    def line(self, x: FloatArray, y: FloatArray) -> str:
        """Points of an SVG line."""
        return " ".join(
            f"{WIDTH / 2 + a * self.scale:.1f},{HEIGHT / 2 - b * self.scale:.1f}" for a, b in zip(x, y, strict=True)
        )

    def place(self, a: float, b: float) -> tuple[str, str]:
        """One point."""
        u, v = self.line(np.asarray([a]), np.asarray([b])).split(",")
        return u, v


def draw(alert: Mapping[str, Any], rows: pa.Table, zones: Zones | None = None) -> str:
    """SVG of the tracks of an alert and the places its evidence names, over the zones that are near."""
    points = [(p["lat_deg"], p["lon_deg"], p["label"]) for p in json.loads(alert["evidence"])["geometry"]]
    key = "track_id" if "track_id" in rows.column_names else "mmsi"
    lat, lon = (rows[n].to_numpy(zero_copy_only=False) for n in ("lat_deg", "lon_deg"))
    who, t = rows[key].to_numpy(zero_copy_only=False), rows["observed_at"].cast(pa.int64()).to_numpy()
    good = np.isfinite(lat) & np.isfinite(lon)
    order = np.flatnonzero(good)[np.argsort(t[good], kind="stable")]
    lat, lon, who, t = lat[order], lon[order], who[order], t[order]
    begin = alert["start_at"].timestamp() * 1e6
    end = np.inf if alert["end_at"] is None else alert["end_at"].timestamp() * 1e6
    within = (t >= begin) & (t <= end)
    first = (lat[0], lon[0]) if len(lat) else (0.0, 0.0)
    spot = (alert["lat_deg"], alert["lon_deg"]) if alert["lat_deg"] is not None else first
    sheet = Sheet(*_middle(spot, [*points, *zip(lat[within], lon[within], strict=True)]))
    x, y = sheet.metres(lat, lon)
    px, py = sheet.metres([p[0] for p in points], [p[1] for p in points])
    sheet.fit(np.concatenate([px, x[within]]), np.concatenate([py, y[within]]))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(str(alert['summary']))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#eef3f7"/>',
        *_areas(sheet, zones),
    ]
    for n, ship in enumerate(sorted({int(w) for w in who if w == w})[:MAX_TRACKS]):  # a few ships
        colour = _COLOURS[n % len(_COLOURS)]
        out += _track(sheet, x, y, within, np.flatnonzero(who == ship), colour, str(ship))
    seen: set[tuple[str, str]] = set()
    for (_, _, label), a, b in zip(points, px, py, strict=True):
        u, v = sheet.place(a, b)
        out.append(f'<circle cx="{u}" cy="{v}" r="5" fill="none" stroke="#c0182b" stroke-width="2"/>')
        below = 16 if (u, v) in seen else 4
        seen.add((u, v))
        out.append(f'<text x="{u}" y="{v}" dx="8" dy="{below}" font-size="12" fill="#c0182b">{escape(label)}</text>')
    bar = 10.0 ** np.floor(np.log10(sheet.reach))
    out.append(f'<line x1="20" y1="{HEIGHT - 16}" x2="{20 + bar * sheet.scale:.1f}" y2="{HEIGHT - 16}" stroke="#222"/>')
    out.append(f'<text x="20" y="{HEIGHT - 22}" font-size="12">{bar / 1000:g} km</text></svg>')
    return "\n".join(out)


def _middle(spot: tuple[float, float], places: list[tuple[Any, ...]]) -> tuple[float, float]:
    """Middle of all places, a turn of the earth taken care of."""
    if not places:
        return spot
    lat = np.asarray([p[0] for p in places])
    off = (np.asarray([p[1] for p in places]) - spot[1] + 180) % 360 - 180
    lon = spot[1] + (off.min() + off.max()) / 2
    return float((lat.min() + lat.max()) / 2), float((lon + 180) % 360 - 180)


def _areas(sheet: Sheet, zones: Zones | None) -> list[str]:
    """Outlines of the zones that reach into the map."""
    out: list[str] = []
    for zone in sorted(zones.zones, key=lambda z: z.kind != "land") if zones is not None else ():  # land beneath
        for part in zone.parts:
            fill = _FILLS.get(zone.kind, "none")
            for turn in (-360.0, 0.0, 360.0):  # rings may run on beyond 180 degrees
                rings = [line for line in (_thinned(sheet, ring, turn) for ring in part) if line]
                shape = " ".join(f"M {line} Z" for line in rings)
                style = f'fill="{fill}" fill-rule="evenodd" stroke="#8a8f98" stroke-width="0.8"'
                out += [f'<path d="{shape}" {style}/>'] if rings else []
    return out


def _thinned(sheet: Sheet, ring: FloatArray, turn_deg: float) -> str:
    """Points of a ring cut off at the rim of the map, runs of one point given once; empty where none is left."""
    x, y = (ring[:, 0] - sheet.lon0 + turn_deg) * sheet.east, (ring[:, 1] - sheet.lat0) * sheet.north
    limit = 2.0 * sheet.reach
    if x.min() > limit or x.max() < -limit or y.min() > limit or y.max() < -limit:
        return ""
    for sign in (1.0, -1.0):
        x, y = _cut(sign * x, y, limit)
        x = sign * x
        y, x = _cut(sign * y, x, limit)
        y = sign * y
    places = sheet.line(x, y).split(" ")
    return " ".join(p for i, p in enumerate(places) if i == 0 or p != places[i - 1])


def _cut(x: FloatArray, y: FloatArray, limit: float) -> tuple[FloatArray, FloatArray]:
    """The part of a closed ring with x up to a limit (Sutherland and Hodgman 1974)."""
    inside = x <= limit
    if inside.all() or not len(x):
        return x, y
    x0, y0, was = np.roll(x, 1), np.roll(y, 1), np.roll(inside, 1)
    crossed = was != inside
    share = np.divide(limit - x0, x - x0, out=np.zeros(len(x)), where=crossed)
    both = np.stack([crossed, inside], axis=1).ravel()
    xs = np.stack([np.full(len(x), limit), x], axis=1).ravel()[both]
    ys = np.stack([y0 + share * (y - y0), y], axis=1).ravel()[both]
    return xs, ys


def _track(sheet: Sheet, x: FloatArray, y: FloatArray, within: Any, mine: Any, colour: str, name: str) -> list[str]:
    """Thin line of all, thick line and dots of what lies within the alert, the name at its end."""
    out: list[str] = []
    limit = 4 * sheet.reach
    for rows, wide in ((mine, 0.6), (mine[within[mine]], 1.8)):
        rows = rows[(np.abs(x[rows]) < limit) & (np.abs(y[rows]) < limit)]
        rows = rows[:: max(1, len(rows) // MAX_POINTS)]
        if len(rows):
            line = sheet.line(x[rows], y[rows])
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{wide}"/>')
    inner = mine[within[mine]]
    for i in inner[:: max(1, -(-len(inner) // MAX_DOTS))]:  # few enough to be seen apart
        a, b = sheet.place(x[i], y[i])
        out.append(f'<circle cx="{a}" cy="{b}" r="1.8" fill="{colour}"/>')
    if len(mine):
        a, b = sheet.place(x[(inner if len(inner) else mine)[-1]], y[(inner if len(inner) else mine)[-1]])
        out.append(f'<text x="{a}" y="{b}" dx="6" dy="-6" font-size="12" fill="{colour}">{name}</text>')
    return out
