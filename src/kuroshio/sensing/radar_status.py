"""What a radar says of own ship and of its display: OSD and RSD as rows, own position and heading from the same feed.

What enters: sentences of a radar's feed that carry no target. What leaves: rows of `radar_status`, and what is known of
the antenna. A cursor, a range marker or a bearing line is an operator's mark: it never becomes an observation.
Source: IEC 61162-1, sentences OSD, RSD, HDT, THS, GGA, GLL, RMC; field by field as gpsd's NMEA page lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from kuroshio.schema import RADAR_STATUS
from kuroshio.sensing.radar_sentences import UNIT_M, Refusal, Sentence, angle, number

_CARRIERS = frozenset(
    {"ALC", "ALF", "ALR", "ARC", "DPT", "DTM", "EVE", "HBT", "HDG", "RMB", "ROT", "TLB", "VBW", "VHW", "VTG", "ZDA"}
)
_REFERENCES = (b"", b"B", b"M", b"W", b"R", b"P")
_ROTATIONS = (b"", b"C", b"H", b"N")


@dataclass
class OwnShip:
    """What is known of the antenna: its place, and the ship's heading.

    ``fixed`` is True where the source's settings give the place: sentences then do not move it.
    """

    place: tuple[float, float] | None = None
    heading_deg: float | None = None
    fixed: bool = False

    def take(self, s: Sentence) -> bool:
        """Take heading or position of a sentence; False for a sentence that is none of those known."""
        f = s.fields
        if s.formatter in ("HDT", "THS"):
            heading = number(f[0]) if f else None
            if heading is not None and not (s.formatter == "THS" and f[1:2] == (b"V",)):
                self.heading_deg = heading
            return True
        at = {"GGA": 1, "GLL": 0, "RMC": 2}.get(s.formatter)
        if at is None:
            return s.formatter in _CARRIERS
        invalid = (s.formatter == "RMC" and f[1:2] == (b"V",)) or (s.formatter == "GLL" and f[5:6] == (b"V",))
        if len(f) >= at + 4 and not self.fixed and not invalid:
            lat, lon = angle(f[at], f[at + 1]), angle(f[at + 2], f[at + 3])
            if lat is not None and lon is not None:
                self.place = (lat, lon)
        return True


def status_of(s: Sentence) -> dict[str, Any] | Refusal:
    """Columns of an OSD or RSD sentence in SI units, or why it is none; empty fields are absent."""
    return _own_ship(s.fields) if s.formatter == "OSD" else _display(s.fields)


def _own_ship(f: tuple[bytes, ...]) -> dict[str, Any] | Refusal:
    if len(f) < 9:
        return Refusal("too_short", f"OSD has {len(f)} fields, needs 9")
    unit = UNIT_M.get(f[8] or b"N")
    if unit is None or f[1] not in (b"", b"A", b"V") or f[3] not in _REFERENCES or f[5] not in _REFERENCES:
        return Refusal("bad_field", f"status {f[1]!r}, references {f[3]!r} {f[5]!r}, unit {f[8]!r}")
    columns = _Columns(f)
    row = {
        "heading_deg": columns.angle(0) if f[1] != b"V" else None,
        "course_deg": columns.angle(2),
        "course_reference": f[3].decode() or None,
        "speed_mps": columns.scaled(4, unit / 3600.0),
        "speed_reference": f[5].decode() or None,
        "set_deg": columns.angle(6),
        "drift_mps": columns.scaled(7, unit / 3600.0),
    }
    return columns.fault or row


def _display(f: tuple[bytes, ...]) -> dict[str, Any] | Refusal:
    if len(f) < 13:
        return Refusal("too_short", f"RSD has {len(f)} fields, needs 13")
    unit = UNIT_M.get(f[11] or b"N")
    if unit is None or f[12] not in _ROTATIONS:
        return Refusal("bad_field", f"unit {f[11]!r}, rotation {f[12]!r}")
    columns, row = _Columns(f), dict[str, Any]()
    for n, at in ((1, 0), (2, 4)):
        row[f"origin{n}_range_m"], row[f"origin{n}_bearing_deg"] = columns.scaled(at, unit), columns.angle(at + 1)
        row[f"vrm{n}_m"], row[f"ebl{n}_deg"] = columns.scaled(at + 2, unit), columns.angle(at + 3)
    row["cursor_range_m"], row["cursor_bearing_deg"] = columns.scaled(8, unit), columns.angle(9)
    row["range_scale_m"], row["rotation"] = columns.scaled(10, unit), f[12].decode() or None
    return columns.fault or row


class _Columns:
    """Numbers of fields by position; remembers the first that is none."""

    def __init__(self, fields: tuple[bytes, ...]) -> None:
        self._fields = fields
        self.fault: Refusal | None = None

    def scaled(self, at: int, factor: float, low: float = 0.0, high: float = 1e7) -> float | None:
        text = self._fields[at]
        value = number(text)
        if text and (value is None or not low <= value <= high):
            self.fault = self.fault or Refusal("bad_field", f"field {at + 1}: {text!r}"[:100])
        return None if value is None else value * factor

    def angle(self, at: int) -> float | None:
        value = self.scaled(at, 1.0, high=360.0)
        return None if value is None else value % 360.0


def status_table(source: str, rows: list[dict[str, Any]], received_at_us: int | None) -> pa.Table | None:
    """Rows of `radar_status`, None without any."""
    if not rows:
        return None
    arrays: dict[str, Any] = {name: [row.get(name) for row in rows] for name in RADAR_STATUS.names}
    arrays["source"] = [source] * len(rows)
    arrays["received_at"] = [received_at_us] * len(rows)
    return RADAR_STATUS.build(arrays, len(rows))
