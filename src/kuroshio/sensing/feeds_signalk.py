"""Signal K deltas: vessels and aids to navigation that a boat's own server holds.

What enters: one delta object. What leaves: rows of positions, statics and aids. A vessel without an MMSI in its context
is refused: it cannot be told apart later. Source: Signal K specification 1.7, delta format; SI units, radians.
"""

from __future__ import annotations

import math
import re
from typing import Any

from kuroshio.sensing.feeds import (
    JsonFeedDecoder,
    Refused,
    Reports,
    flag,
    mapping,
    place_of,
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


# paths that make a row of statics, beside the name
_STATIC = frozenset(
    {"name", "callsignVhf", "communication.callsignVhf", "communication", "design.aisShipType", "design.length",
     "design.beam", "design.draft", "registrations.imo", "registrations", "navigation.destination.commonName"}
)  # fmt: skip
_TOLD = _STATIC | {"navigation.position"}
_CLASSES = {"A": 1, "B": 18, "BASE": 4, "SAR": 9}  # sensors.ais.class


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
        if not values.keys().isdisjoint(_TOLD):
            mmsi = required_mmsi(known)
            at_us = written_us(said.get("timestamp"))
            if context.startswith("atons."):
                _take_aid(reports, mmsi, values, at_us, received_at_us)
            else:
                _take(reports, mmsi, values, at_us, received_at_us)
    return reports


def _take(reports: Reports, mmsi: int, values: dict[str, Any], at_us: int | None, received_at_us: int | None) -> None:
    place = values.get("navigation.position")
    if isinstance(place, dict):
        speed = real(values.get("navigation.speedOverGround"))
        row = position(
            mmsi=mmsi,
            msg_type=_CLASSES.get(str(values.get("sensors.ais.class")), 1),
            lat=place.get("latitude"),
            lon=place.get("longitude"),
            sog_kn=None if speed is None else speed / MPS_PER_KN,
            cog=_degrees(values.get("navigation.courseOverGroundTrue")),
            heading=_degrees(values.get("navigation.headingTrue")),
            status=_STATES.get(str(values.get("navigation.state"))),
        )
        turn = real(values.get("navigation.rateOfTurn"))
        rate = None if turn is None else math.degrees(turn) * 60.0
        row["rot_degpmin"] = rate if rate is not None and abs(rate) <= 720.0 else None
        reports.positions.append(stamped(row, at_us, received_at_us))
    if not values.keys().isdisjoint(_STATIC):
        row = {
            "mmsi": mmsi,
            "msg_type": 24 if values.get("sensors.ais.class") == "B" else 5,
            "name": text(values.get("name"), 20),
            "call_sign": text(values.get("callsignVhf") or _under(values, "communication", "callsignVhf"), 7),
            "imo": _imo(_under(values, "registrations", "imo")),
            "ship_type": whole(_under(values, "design.aisShipType", "id"), 0, 255),
            "draught_m": _metres(_under(values, "design.draft", "maximum", "current"), 25.5),
            "destination": text(values.get("navigation.destination.commonName"), 20),
            **_sizes(values),
        }
        reports.statics.append(stamped(row, at_us, received_at_us))


def _take_aid(
    reports: Reports, mmsi: int, values: dict[str, Any], at_us: int | None, received_at_us: int | None
) -> None:
    place = values.get("navigation.position")
    if not isinstance(place, dict):
        return
    row = position(mmsi=mmsi, msg_type=21, lat=place.get("latitude"), lon=place.get("longitude"))
    aid = place_of(row) | {
        "name": text(values.get("name"), 34),
        "aid_type": whole(_under(values, "atonType", "id"), 0, 31),
        "off_position": flag(values.get("offPosition")),
        "virtual_aid": flag(values.get("virtual")),
    }
    reports.positions.append(stamped(row, at_us, received_at_us))
    reports.aids.append(stamped(aid, at_us, received_at_us))


def _under(values: dict[str, Any], path: str, *names: str) -> Any:
    """A value by its own path, or in the object that its parent's path has; the first of several names."""
    held = values.get(path)
    for name in names:
        found = values.get(f"{path}.{name}")
        if found is None and isinstance(held, dict):
            found = held.get(name)
        if found is not None:
            return found
    return None


def _imo(value: Any) -> int | None:
    digits = re.sub(r"^\s*IMO\s*", "", value, flags=re.I) if isinstance(value, str) else value
    return whole(digits, 1, 2**30 - 1)


def _metres(value: Any, most: float) -> float | None:
    number = real(value)
    return number if number is not None and 0.0 < number <= most else None


def _sizes(values: dict[str, Any]) -> dict[str, int | None]:
    """Distances from the antenna; bow and port 0 where its place is not told, as M.1371-5 writes it.

    ``sensors.ais.fromCenter`` is not used: servers do not agree on its sign.
    """
    length, beam = (
        _metres(_under(values, "design.length", "overall"), 1022.0),
        _metres(values.get("design.beam"), 126.0),
    )
    if length is None:
        return {}
    bow = real(values.get("sensors.ais.fromBow")) or 0.0
    bow = min(max(bow, 0.0), length)
    return {
        "to_bow_m": round(bow),
        "to_stern_m": round(length) - round(bow),
        "to_port_m": 0,
        "to_starboard_m": round(beam or 0.0),
    }


def _degrees(value: Any) -> float | None:
    radians = real(value)
    return None if radians is None else math.degrees(radians) % 360.0
