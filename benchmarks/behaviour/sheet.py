"""Ten alerts of each kind on one sheet, to be looked at: `python -m benchmarks.behaviour.sheet ALERTS ROWS... -o DIR`.

What enters: alerts.parquet of `kuroshio detect` and the rows it was made of. What leaves: DIR/DEFINITION.svg, a grid of
maps with their sentences. Which alerts are shown is decided by their ids (a hash), so no hand picks them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.behaviour import load_zones
from kuroshio.behaviour.pack import select_rows
from kuroshio.behaviour.sketch import HEIGHT, WIDTH, draw
from kuroshio.cli.detect import read_files
from kuroshio.geo.zones import Zones

COLUMNS = 5


def chosen(alerts: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The alerts with the smallest ids: a random draw that everyone repeats."""
    return sorted(alerts, key=lambda a: str(a["alert_id"]))[:count]


def sheet(alerts: list[dict[str, Any]], rows: pa.Table, zones: Zones | None) -> str:
    """SVG with a map of each alert and its sentence beneath."""
    lines = max(1, -(-len(alerts) // COLUMNS))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {lines * (HEIGHT + 40)}">'
    out = [head, '<rect width="100%" height="100%" fill="#fff"/>']
    for n, alert in enumerate(alerts):
        x, y = n % COLUMNS * WIDTH, n // COLUMNS * (HEIGHT + 40)
        inner = draw(alert, select_rows(rows, alert), zones)
        inner = re.sub(r"<svg ", f'<svg x="{x}" y="{y}" width="{WIDTH - 8}" height="{HEIGHT}" ', inner, count=1)
        out.append(inner)
        text = f"{n + 1}. {alert['alert_id'][:6]} {alert['start_at']:%d %H:%M} {alert['summary']}"
        out.append(f'<text x="{x + 6}" y="{y + HEIGHT + 18}" font-size="17">{escape(text[:68])}</text>')
        out.append(f'<text x="{x + 6}" y="{y + HEIGHT + 36}" font-size="17">{escape(text[68:136])}</text>')
    return "\n".join([*out, "</svg>"])


def main() -> None:
    """Write one sheet a definition."""
    ask = argparse.ArgumentParser()
    ask.add_argument("alerts", type=Path)
    ask.add_argument("rows", type=Path, nargs="+")
    ask.add_argument("-o", "--out", type=Path, required=True)
    ask.add_argument("--zones", type=Path, action="append", default=[])
    ask.add_argument("--count", type=int, default=10)
    ask.add_argument("--only", action="append", default=[])
    ask.add_argument("--alert", action="append", default=[], help="beginning of an id: its map alone")
    given = ask.parse_args()
    rows = read_files(given.rows)
    zones = load_zones(*given.zones) if given.zones else None
    found = pq.read_table(given.alerts).to_pylist()
    given.out.mkdir(parents=True, exist_ok=True)
    for alert in found if given.alert else ():
        if any(alert["alert_id"].startswith(begin) for begin in given.alert):
            map_of_it = draw(alert, select_rows(rows, alert), zones)
            (given.out / f"{alert['definition']}-{alert['alert_id'][:6]}.svg").write_text(map_of_it, "utf-8")
    for name in sorted({a["definition"] for a in found}):
        if not given.alert and (not given.only or name in given.only):
            few = chosen([a for a in found if a["definition"] == name], given.count)
            (given.out / f"{name}.svg").write_text(sheet(few, rows, zones), "utf-8")


if __name__ == "__main__":
    main()
