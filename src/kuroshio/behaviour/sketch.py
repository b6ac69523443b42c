"""A small map of an alert as SVG: tracks, the places of the evidence, a scale; no tiles, no scripts, no fonts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pyarrow as pa

from kuroshio.geo.earth import metres_per_degree

WIDTH, HEIGHT, MARGIN = 640, 480, 36
MAX_POINTS = 2000
_COLOURS = ("#0b5fa5", "#b4530a", "#2f7d32", "#6a3fa0")


def draw(alert: Mapping[str, Any], rows: pa.Table) -> str:
    """SVG of the tracks of an alert and the places its evidence names."""
    points = [(p["lat_deg"], p["lon_deg"], p["label"]) for p in json.loads(alert["evidence"])["geometry"]]
    key = "track_id" if "track_id" in rows.column_names else "mmsi"
    lat, lon = rows["lat_deg"].to_numpy(zero_copy_only=False), rows["lon_deg"].to_numpy(zero_copy_only=False)
    who, t = rows[key].to_numpy(zero_copy_only=False), rows["observed_at"].cast(pa.int64()).to_numpy()
    good = np.isfinite(lat) & np.isfinite(lon)
    lat, lon, who, t = lat[good], lon[good], who[good], t[good]
    lon0 = alert["lon_deg"] if alert["lon_deg"] is not None else (float(lon[0]) if len(lon) else 0.0)
    lat0 = alert["lat_deg"] if alert["lat_deg"] is not None else (float(lat[0]) if len(lat) else 0.0)
    east, north = metres_per_degree(lat0)
    x, y = ((lon - lon0 + 180) % 360 - 180) * east, (lat - lat0) * north
    px = np.asarray([((p[1] - lon0 + 180) % 360 - 180) * east for p in points])
    py = np.asarray([(p[0] - lat0) * north for p in points])
    near_x, near_y = np.append(px, 0.0), np.append(py, 0.0)
    reach = max(1000.0, 3.0 * float(np.hypot(near_x, near_y).max()))
    scale = (min(WIDTH, HEIGHT) / 2 - MARGIN) / reach

    def place(a: float, b: float) -> tuple[str, str]:
        return f"{WIDTH / 2 + a * scale:.1f}", f"{HEIGHT / 2 - b * scale:.1f}"

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(str(alert['summary']))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#eef3f7"/>',
    ]
    for n, ship in enumerate(sorted({int(w) for w in who if w == w})):  # a few ships
        mine = np.flatnonzero((who == ship) & (np.hypot(x, y) < 3 * reach))
        mine = mine[np.argsort(t[mine], kind="stable")]
        mine = mine[:: max(1, len(mine) // MAX_POINTS)]
        if len(mine):
            line = " ".join(",".join(place(x[i], y[i])) for i in mine)
            colour = _COLOURS[n % len(_COLOURS)]
            out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
            a, b = place(x[mine[-1]], y[mine[-1]])
            out.append(f'<text x="{a}" y="{b}" font-size="12" fill="{colour}">{ship}</text>')
    for (_, _, label), a, b in zip(points, px, py, strict=True):
        u, v = place(a, b)
        out.append(f'<circle cx="{u}" cy="{v}" r="5" fill="none" stroke="#c0182b" stroke-width="2"/>')
        out.append(f'<text x="{u}" y="{v}" dx="8" dy="4" font-size="12" fill="#c0182b">{escape(label)}</text>')
    bar = 10.0 ** np.floor(np.log10(reach))
    out.append(f'<line x1="20" y1="{HEIGHT - 16}" x2="{20 + bar * scale:.1f}" y2="{HEIGHT - 16}" stroke="#222"/>')
    out.append(f'<text x="20" y="{HEIGHT - 22}" font-size="12">{bar / 1000:g} km</text></svg>')
    return "\n".join(out)
