"""Files of the filtered picture: CSV, GeoJSON, KML, Parquet, Cursor on Target.

Enters: a wire table. Leaves: bytes of one file. Names are what ships claim, so they are data and never markup or
formulas here.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq

from kuroshio.api import wire
from kuroshio.clock import parse_rfc3339, rfc3339
from kuroshio.units import UtcMicros

# characters that XML 1.0 cannot hold at all (section 2.2)
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COT_STALE_S = 120.0  # how long a receiver may show an event
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these


@dataclass(frozen=True)
class About:
    """What a file says of itself."""

    party: str
    viewpoint: str | None
    seq: int
    now_us: UtcMicros
    notice: str

    @property
    def title(self) -> str:
        """One line."""
        seen = f" as shown to {self.viewpoint}" if self.viewpoint else ""
        return f"Picture of {self.party}{seen}, {rfc3339(self.now_us)}"


def csv_file(table: pa.Table, about: About) -> bytes:
    """CSV (RFC 4180), UTF-8, one header line; text that a spreadsheet would take for a formula gets a leading '."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(wire.SCHEMA.names)
    for row in wire.json_rows(table):
        cells = (row[name] for name in wire.SCHEMA.names)
        writer.writerow(["" if cell is None else _cell(cell) for cell in cells])
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def geojson_file(table: pa.Table, about: About) -> bytes:
    """GeoJSON (RFC 7946) with the file's title as a foreign member."""
    collection = wire.geojson(table, now_us=about.now_us, seq=about.seq)
    collection["title"] = about.title
    return json.dumps(collection, ensure_ascii=False).encode("utf-8", "replace")


def kml_file(table: pa.Table, about: About) -> bytes:
    """KML 2.2 (OGC 07-147r2): a Placemark a track, with its time and values as extended data."""
    marks = [_placemark(row) for row in wire.json_rows(table)]
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>',
            f"<name>{_text(about.title)}</name>",
            f"<description>{_text(about.notice)}</description>",
            *marks,
            "</Document></kml>",
        ]
    ).encode("utf-8", "replace")


def _placemark(row: dict[str, Any]) -> str:
    name = row["name"] or (f"MMSI {row['mmsi']}" if row["mmsi"] else f"track {row['track_id']}")
    data = "".join(
        f"<Data name={quoteattr(key)}><value>{_text(_cell(value))}</value></Data>"
        for key, value in row.items()
        if value is not None and key not in ("lat_deg", "lon_deg", "observed_at", "name")
    )
    return (
        f"<Placemark><name>{_text(name)}</name><TimeStamp><when>{row['observed_at']}</when></TimeStamp>"
        f"<ExtendedData>{data}</ExtendedData>"
        f"<Point><coordinates>{row['lon_deg']},{row['lat_deg']}</coordinates></Point></Placemark>"
    )


def _text(value: Any) -> str:
    return escape(_NOT_XML.sub("\ufffd", str(value)))


def parquet_file(table: pa.Table, about: About) -> bytes:
    """Parquet with the wire columns; time as int64 UTC microseconds, codes as on the wire."""
    out = pa.BufferOutputStream()
    meta = {"title": about.title, "seq": str(about.seq), "notice": about.notice}
    pq.write_table(table.replace_schema_metadata(meta), out, compression="zstd")
    return out.getvalue().to_pybytes()


def cot_file(table: pa.Table, about: About) -> bytes:
    """Cursor on Target 2.0: an event a track, each on a line of its own, as a TAK server takes them.

    ``ce`` is the larger one-sigma half axis; where a partner view is blurred, at least the half diagonal of its cell.
    """
    from kuroshio.sensing.cot import cot_event

    prefix = f"{about.party or 'KUROSHIO'}{'-as-' + about.viewpoint if about.viewpoint else ''}"
    events = []
    for row in wire.json_rows(table):  # one event a track
        major, grid = row["ellipse_major_m"], row["grid_m"] or 0.0
        error = max((major or 0.0) / wire.ELLIPSE_SCALE, grid / 2**0.5)
        events.append(
            cot_event(
                f"{prefix}.track.{row['track_id']}",
                at_us=parse_rfc3339(row["observed_at"]),
                stale_s=COT_STALE_S,
                lat_deg=row["lat_deg"],
                lon_deg=row["lon_deg"],
                ce_m=error if error > 0.0 else None,
                sog_mps=row["sog_mps"],
                cog_deg=row["cog_deg"],
                callsign=row["name"] or (f"MMSI {row['mmsi']}" if row["mmsi"] else f"track {row['track_id']}"),
                remarks=about.notice,
                exercise=bool(row["exercise"]),
            )
        )
    return "".join(events).encode("utf-8", "replace")


FORMATS: dict[str, tuple[str, Callable[[pa.Table, About], bytes]]] = {
    "csv": ("text/csv; charset=utf-8; header=present", csv_file),
    "geojson": ("application/geo+json", geojson_file),
    "kml": ("application/vnd.google-earth.kml+xml", kml_file),
    # RFC 7303: an external parsed entity may hold several elements
    "cot": ("application/xml-external-parsed-entity", cot_file),
    "parquet": ("application/vnd.apache.parquet", parquet_file),
}
