"""Signal K deltas: positions of vessels that a boat's own server holds.

What enters: one delta object. What leaves: rows of positions and statics. A vessel without an MMSI in its context is
refused: it cannot be told apart later. Source: Signal K specification 1.7, delta format; SI units, radians.
"""

from __future__ import annotations

import math
import re
from typing import Any

from kuroshio.sensing.feeds import (
    JsonFeedDecoder,
    Refused,
    Reports,
    mapping,
    position,
    real,
    required_mmsi,
    stamped,
    text,
    whole,
    written_us,
)
from kuroshio.units import MPS_PER_KN

_MMSI = re.compile(r"urn:mrn:imo:mmsi:(\d{9})$")
_STATES = {  # Signal K navigation.state to ITU-R M.1371-5 navigational status
    "motoring": 0, "anchored": 1, "not under command": 2, "restricted manouverability": 3, "constrained by draft": 4,
    "moored": 5, "aground": 6, "fishing": 7, "sailing": 8, "ais-sart": 14,
}  # fmt: skip


class SignalKDecoder(JsonFeedDecoder):
    """Decoder of Signal K deltas, a line each.

    Parameters
    ----------
    source
        Name of the source.
    self_mmsi
        MMSI of the boat itself, for deltas whose context is ``vessels.self``.
    """

    def __init__(self, source: str, *, self_mmsi: int | None = None) -> None:
        super().__init__(source, lambda value, at_us: signal_k(value, at_us, self_mmsi))


def signal_k(value: Any, received_at_us: int | None, self_mmsi: int | None = None) -> Reports:
    """Reports of a delta; a hello message is none."""
    body = mapping(value, "the line")
    if "updates" not in body:
        if "version" in body or "name" in body:
            return Reports()
        raise Refused("bad_shape", "no updates")
    updates = body["updates"]
    if not isinstance(updates, list):
        raise Refused("bad_shape", "updates is no list")
    context = str(body.get("context", "vessels.self"))
    match = _MMSI.search(context)
    reports = Reports()
    for update in updates:
        said = mapping(update, "update")
        values: dict[str, Any] = {}
        for item in said.get("values") or []:
            entry = mapping(item, "value")
            held = entry.get("value")
            if entry.get("path") == "" and isinstance(held, dict):
                values |= {str(k): v for k, v in held.items()}
            else:
                values[str(entry.get("path"))] = held
        known = match.group(1) if match else values.get("mmsi", self_mmsi)
        if "navigation.position" in values or "name" in values:
            mmsi = required_mmsi(known)
            at_us = written_us(said.get("timestamp"))
            _take(reports, mmsi, values, at_us, received_at_us)
    return reports


def _take(reports: Reports, mmsi: int, values: dict[str, Any], at_us: int | None, received_at_us: int | None) -> None:
    place = values.get("navigation.position")
    if isinstance(place, dict):
        speed = real(values.get("navigation.speedOverGround"))
        row = position(
            mmsi=mmsi,
            msg_type=18 if values.get("sensors.ais.class") == "B" else 1,
            lat=place.get("latitude"),
            lon=place.get("longitude"),
            sog_kn=None if speed is None else speed / MPS_PER_KN,
            cog=_degrees(values.get("navigation.courseOverGroundTrue")),
            heading=_degrees(values.get("navigation.headingTrue")),
            status=_STATES.get(str(values.get("navigation.state"))),
        )
        reports.positions.append(stamped(row, at_us, received_at_us))
    if "name" in values:
        kind = values.get("design.aisShipType")
        row = {
            "mmsi": mmsi,
            "msg_type": 5,
            "name": text(values["name"], 20),
            "call_sign": text(values.get("callsignVhf") or values.get("communication.callsignVhf"), 7),
            "ship_type": whole(kind.get("id"), 0, 255) if isinstance(kind, dict) else None,
        }
        reports.statics.append(stamped(row, at_us, received_at_us))


def _degrees(value: Any) -> float | None:
    radians = real(value)
    return None if radians is None else math.degrees(radians) % 360.0
