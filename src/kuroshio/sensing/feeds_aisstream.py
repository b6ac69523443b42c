"""aisstream.io: its messages to the tables of AIS, by its published message models.

What enters: one object. What leaves: rows of positions, statics, aids, base stations and safety texts. Kinds without a
table of ours are refused. Source: aisstream.io documentation and type definitions (names of fields and messages).
"""

from __future__ import annotations

import re
from typing import Any

from kuroshio.sensing.feeds import (
    JsonFeedDecoder,
    Refused,
    Reports,
    eta_of,
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
from kuroshio.sensing.feeds_ais import sizes_of

_POSITIONS = {
    "PositionReport": 1, "StandardClassBPositionReport": 18, "ExtendedClassBPositionReport": 19,
    "LongRangeAisBroadcastMessage": 27, "StandardSearchAndRescueAircraftReport": 9, "BaseStationReport": 4,
    "AidsToNavigationReport": 21,
}  # fmt: skip
_SAFETY = {"AddressedSafetyMessage": 12, "SafetyBroadcastMessage": 14}


class AisStreamDecoder(JsonFeedDecoder):
    """Messages of aisstream.io."""

    def __init__(self, source: str) -> None:
        super().__init__(source, ais_stream)


def ais_stream(value: Any, received_at_us: int | None) -> Reports:
    """Reports of an aisstream.io message."""
    envelope = mapping(value, "the line")
    if "error" in envelope:
        raise Refused("service_error", str(envelope["error"])[:200])
    kind = str(envelope.get("MessageType"))
    meta = mapping(envelope.get("MetaData") or envelope.get("Metadata") or {}, "MetaData")
    body = mapping(mapping(envelope.get("Message"), "Message").get(kind), "Message")
    at_us = _go_time(meta.get("time_utc"))
    mmsi = required_mmsi(body.get("UserID", meta.get("MMSI")))
    common = {"mmsi": mmsi, "repeat": whole(body.get("RepeatIndicator"), 0, 3)}
    reports = Reports()

    def put(kept: list[dict[str, Any]], row: dict[str, Any]) -> None:
        kept.append(stamped(row | common, at_us, received_at_us))

    if kind in _POSITIONS:
        number = whole(body.get("MessageID"), 1, 27) or _POSITIONS[kind]
        row = _position(body, number, mmsi)
        put(reports.positions, row)
        fix = {"fix_type": whole(body.get("FixType", body.get("Fixtype")), 0, 15)}
        if kind == "BaseStationReport":
            put(reports.base_stations, place_of(row) | fix | {"utc_at": _utc(body)})
        elif kind == "AidsToNavigationReport":
            put(reports.aids, place_of(row) | fix | _aid(body))
    if kind in ("ShipStaticData", "ExtendedClassBPositionReport"):
        put(reports.statics, _static(body, 5 if kind == "ShipStaticData" else 19))
    if kind == "StaticDataReport":
        for part, name in (("A", "ReportA"), ("B", "ReportB")):
            report = body.get(name)
            if isinstance(report, dict) and report.get("Valid", True):
                put(reports.statics, _part(report, part))
    if kind in _SAFETY:
        said: dict[str, Any] = {"msg_type": _SAFETY[kind], "text": text(body.get("Text"), 161)}
        if kind == "AddressedSafetyMessage":
            said |= {"dest_mmsi": whole(body.get("DestinationID"), 0, 999_999_999)}
            said |= {"sequence": whole(body.get("Sequenceinteger"), 0, 3)}
            said |= {"retransmit": flag(body.get("Retransmission"))}
        put(reports.safety, said)
    if reports.empty:
        raise Refused("unsupported", f"message type {kind!r}"[:100])
    return reports


def _position(body: dict[str, Any], number: int, mmsi: int) -> dict[str, Any]:
    row = position(
        mmsi=mmsi, msg_type=number, lat=body.get("Latitude"), lon=body.get("Longitude"), sog_kn=body.get("Sog"),
        cog=body.get("Cog"), heading=body.get("TrueHeading"), rot_raw=body.get("RateOfTurn"),
        status=body.get("NavigationalStatus"), accurate=body.get("PositionAccuracy"), raim=body.get("Raim"),
        second=body.get("Timestamp"), manoeuvre=whole(body.get("SpecialManoeuvreIndicator"), 0, 3),
        radio_raw=whole(body.get("CommunicationState"), 0, 2**20 - 1),
    )  # fmt: skip
    if number == 9:
        height = whole(body.get("Altitude"), 0, 4094)
        row["altitude_m"] = None if height is None else float(height)
    return row


def _aid(body: dict[str, Any]) -> dict[str, Any]:
    name = f"{body.get('Name') or ''}{body.get('NameExtension') or ''}"
    return {
        "aid_type": whole(body.get("Type"), 0, 31),
        "name": text(name, 34),
        "utc_second": whole(body.get("Timestamp"), 0, 63),
        "off_position": flag(body.get("OffPosition")),
        "aid_status": whole(body.get("AtoN"), 0, 255),
        "virtual_aid": flag(body.get("VirtualAtoN")),
        "assigned": flag(body.get("AssignedMode")),
        **sizes_of(mapping(body.get("Dimension") or {}, "Dimension"), "A", "B", "C", "D"),
    }


def _static(body: dict[str, Any], number: int) -> dict[str, Any]:
    dte = flag(body.get("Dte"))
    return {
        "msg_type": number,
        "imo": whole(body.get("ImoNumber"), 1, 2**30 - 1),
        "call_sign": text(body.get("CallSign"), 7),
        "name": text(body.get("Name"), 20),
        "ship_type": whole(body.get("Type"), 0, 255),
        "destination": text(body.get("Destination"), 20),
        "draught_m": real(body.get("MaximumStaticDraught")) or None,
        "fix_type": whole(body.get("FixType"), 0, 15),
        "ais_version": whole(body.get("AisVersion"), 0, 3),
        "dte": None if dte is None else int(dte),
        **eta_of(body.get("Eta")),
        **sizes_of(mapping(body.get("Dimension") or {}, "Dimension"), "A", "B", "C", "D"),
    }


def _part(report: dict[str, Any], part: str) -> dict[str, Any]:
    return {
        "msg_type": 24,
        "part": part,
        "name": text(report.get("Name"), 20),
        "call_sign": text(report.get("CallSign"), 7),
        "ship_type": whole(report.get("ShipType"), 0, 255),
        "fix_type": whole(report.get("FixType"), 0, 15),
        **sizes_of(mapping(report.get("Dimension") or {}, "Dimension"), "A", "B", "C", "D"),
    }


def _utc(body: dict[str, Any]) -> int | None:
    """UTC microseconds of a base station's clock, null where a part of it is not available."""
    names = ("UtcYear", "UtcMonth", "UtcDay", "UtcHour", "UtcMinute", "UtcSecond")
    year, month, day, hour, minute, second = (whole(body.get(name), 0, 9999) or 0 for name in names)
    return written_us(f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}Z")


def _go_time(value: Any) -> int | None:
    """UTC microseconds of a time as Go prints it: ``2026-01-19 02:41:51.011109855 +0000 UTC``."""
    match = re.match(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(\+00:?00|Z)?", str(value))
    if match is None:
        return None
    fraction = (match.group(3) or "")[:7]
    return written_us(f"{match.group(1)}T{match.group(2)}{fraction.ljust(7, '0') if fraction else ''}Z")
