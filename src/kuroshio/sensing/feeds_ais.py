"""Adapters of AIS in JSON: gpsd, AIS-catcher, aisstream.io and Digitraffic.

What enters: one object. What leaves: rows of positions and statics. Each adapter says what its maker documents.
Sources: gpsd_json(5), class AIS; AIS-catcher's README (JSON_FULL); aisstream.io documentation and message models;
Digitraffic marine, MQTT topics vessels-v2/<mmsi>/location and /metadata.
"""

from __future__ import annotations

import re
from typing import Any

from kuroshio.sensing.feeds import (
    JsonFeedDecoder,
    Refused,
    Reports,
    epoch_us,
    mapping,
    position,
    real,
    required_mmsi,
    stamped,
    text,
    whole,
    written_us,
)

_POSITION_TYPES = frozenset({1, 2, 3, 9, 18, 19, 27})
_QUIET = frozenset({"VERSION", "DEVICES", "DEVICE", "WATCH", "TPV", "SKY", "GST", "ATT", "TOFF", "PPS", "POLL"})


class GpsdDecoder(JsonFeedDecoder):
    """AIS reports of gpsd, scaled or not; its own position and status reports are comments."""

    def __init__(self, source: str) -> None:
        super().__init__(source, gpsd)


class AisCatcherDecoder(JsonFeedDecoder):
    """AIS-catcher's JSON, over UDP, HTTP or in files; the sentences it carries are decoded again where present."""

    def __init__(self, source: str) -> None:
        super().__init__(source, ais_catcher)


class AisStreamDecoder(JsonFeedDecoder):
    """Messages of aisstream.io."""

    def __init__(self, source: str) -> None:
        super().__init__(source, ais_stream)


class DigitrafficDecoder(JsonFeedDecoder):
    """Digitraffic's marine feed: MQTT payloads in an envelope ``{"topic": ..., "payload": ...}``, or its features."""

    def __init__(self, source: str) -> None:
        super().__init__(source, digitraffic)


def gpsd(value: Any, received_at_us: int | None) -> Reports:
    """Reports of a gpsd object."""
    body = mapping(value, "the line")
    kind = body.get("class")
    if isinstance(kind, str) and kind in _QUIET:
        return Reports()
    if kind != "AIS":
        raise Refused("unsupported", f"class {kind!r}"[:100])
    return _gpsd_like(body, epoch_us(body.get("timestamp")) or written_us(body.get("timestamp")), received_at_us)


def ais_catcher(value: Any, received_at_us: int | None) -> Reports:
    """Reports of an AIS-catcher object: its sentences where it has them, else its fields."""
    body = mapping(value, "the line")
    if isinstance(body.get("msgs"), list):  # a batch as it posts over HTTP
        merged = Reports()
        for message in body["msgs"]:
            found = ais_catcher(message, received_at_us)
            merged.positions += found.positions
            merged.statics += found.statics
            merged.nmea += found.nmea
        return merged
    at_us = epoch_us(body.get("rxuxtime")) or _compact(body.get("rxtime"))
    sentences = body.get("nmea")
    if isinstance(sentences, list) and sentences and all(isinstance(s, str) for s in sentences):
        lines = [s.strip().encode("ascii", "replace") for s in sentences[:9]]
        return Reports(nmea=_tagged(lines, at_us, body.get("station_id")))
    if "type" not in body:
        return Reports()
    return _gpsd_like(body, at_us, received_at_us)


def _tagged(lines: list[bytes], at_us: int | None, station: Any) -> list[bytes]:
    """The sentences, the first with a tag block of time and station where it has none of its own."""
    from kuroshio.sensing.radar_sentences import checksum

    if lines[0].startswith(b"\\"):
        return lines
    fields = [] if at_us is None else [b"c:%d" % (at_us // 1000)]
    name = re.sub(r"[^A-Za-z0-9_.-]", "", str(station))[:15] if station is not None else ""
    if name:
        fields.insert(0, b"s:" + name.encode())
    if not fields:
        return lines
    body = b",".join(fields)
    return [b"\\%s*%02X\\%s" % (body, checksum(body), lines[0]), *lines[1:]]


def _compact(value: Any) -> int | None:
    """UTC microseconds of yyyymmddhhmmss."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{14}", value):
        return None
    v = value
    return written_us(f"{v[:4]}-{v[4:6]}-{v[6:8]}T{v[8:10]}:{v[10:12]}:{v[12:]}Z")


def _gpsd_like(body: dict[str, Any], at_us: int | None, received_at_us: int | None) -> Reports:
    """Reports of gpsd's field names, which AIS-catcher uses too."""
    kind, mmsi = whole(body.get("type"), 1, 27), required_mmsi(body.get("mmsi"))
    if kind is None:
        raise Refused("bad_type", f"type {body.get('type')!r}"[:100])
    common = {"repeat": whole(body.get("repeat"), 0, 3), "channel": text(body.get("channel"), 2)}
    reports = Reports()
    if kind in _POSITION_TYPES:
        scaled = body.get("scaled", True) is True
        degree, tenth = (1.0, 1.0) if scaled else (600.0 if kind == 27 else 600_000.0, 1.0 if kind in (9, 27) else 10.0)
        course = 1.0 if scaled or kind == 27 else 10.0
        speed = real(body.get("speed"))
        speed = None if kind == 27 and speed == 63 else speed
        row = position(
            mmsi=mmsi, msg_type=kind, lat=_over(body.get("lat"), degree), lon=_over(body.get("lon"), degree),
            sog_kn=_over(speed, tenth), cog=_over(body.get("course"), course), heading=body.get("heading"),
            rot_raw=None if scaled else body.get("turn"), status=body.get("status"), accurate=body.get("accuracy"),
            raim=body.get("raim"), second=body.get("second"),
        )  # fmt: skip
        reports.positions.append(stamped(row | common, at_us, received_at_us))
    if kind in (5, 19, 24):
        draught = _over(body.get("draught"), 1.0 if body.get("scaled", True) is True else 10.0)
        row = {
            "mmsi": mmsi,
            "msg_type": kind,
            "part": None if kind != 24 else ("B" if "callsign" in body and "shipname" not in body else "A"),
            "imo": whole(body.get("imo"), 1, 2**30 - 1),
            "call_sign": text(body.get("callsign"), 7),
            "name": text(body.get("shipname"), 20),
            "ship_type": whole(body.get("shiptype"), 0, 255),
            "destination": text(body.get("destination"), 20),
            "draught_m": draught if draught else None,
            **_sizes(body, "to_bow", "to_stern", "to_port", "to_starboard"),
        }
        reports.statics.append(stamped(row | common, at_us, received_at_us))
    if reports.empty:
        raise Refused("unsupported", f"message type {kind} without its sentences")
    return reports


def _over(value: Any, divisor: float) -> float | None:
    number = real(value)
    return None if number is None else number / divisor


def _sizes(body: dict[str, Any], *names: str) -> dict[str, int | None]:
    targets = ("to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m")
    sizes = {t: whole(body.get(n), 0, 511) for t, n in zip(targets, names, strict=True)}
    return sizes if any(sizes.values()) else dict.fromkeys(targets)


_STREAM_POSITIONS = {
    "PositionReport": 1, "StandardClassBPositionReport": 18, "ExtendedClassBPositionReport": 19,
    "LongRangeAisBroadcastMessage": 27, "StandardSearchAndRescueAircraftReport": 9,
}  # fmt: skip


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
    reports = Reports()
    if kind in _STREAM_POSITIONS:
        number = whole(body.get("MessageID"), 1, 27) or _STREAM_POSITIONS[kind]
        row = position(
            mmsi=mmsi, msg_type=number, lat=body.get("Latitude"), lon=body.get("Longitude"), sog_kn=body.get("Sog"),
            cog=body.get("Cog"), heading=body.get("TrueHeading"), rot_raw=body.get("RateOfTurn"),
            status=body.get("NavigationalStatus"), accurate=body.get("PositionAccuracy"), raim=body.get("Raim"),
            second=body.get("Timestamp"),
        )  # fmt: skip
        reports.positions.append(stamped(row, at_us, received_at_us))
    if kind in ("ShipStaticData", "ExtendedClassBPositionReport"):
        size = mapping(body.get("Dimension") or {}, "Dimension")
        row = {
            "mmsi": mmsi,
            "msg_type": 5 if kind == "ShipStaticData" else 19,
            "imo": whole(body.get("ImoNumber"), 1, 2**30 - 1),
            "call_sign": text(body.get("CallSign"), 7),
            "name": text(body.get("Name"), 20),
            "ship_type": whole(body.get("Type"), 0, 255),
            "destination": text(body.get("Destination"), 20),
            "draught_m": real(body.get("MaximumStaticDraught")) or None,
            **_sizes(size, "A", "B", "C", "D"),
        }
        reports.statics.append(stamped(row, at_us, received_at_us))
    if kind == "StaticDataReport":
        for part, name in (("A", "ReportA"), ("B", "ReportB")):
            report = body.get(name)
            if isinstance(report, dict) and report.get("Valid", True):
                size = mapping(report.get("Dimension") or {}, "Dimension")
                row = {
                    "mmsi": mmsi,
                    "msg_type": 24,
                    "part": part,
                    "name": text(report.get("Name"), 20),
                    "call_sign": text(report.get("CallSign"), 7),
                    "ship_type": whole(report.get("ShipType"), 0, 255),
                    **_sizes(size, "A", "B", "C", "D"),
                }
                reports.statics.append(stamped(row, at_us, received_at_us))
    if reports.empty:
        raise Refused("unsupported", f"message type {kind!r}"[:100])
    return reports


def _go_time(value: Any) -> int | None:
    """UTC microseconds of a time as Go prints it: ``2026-01-19 02:41:51.011109855 +0000 UTC``."""
    match = re.match(r"^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(\+00:?00|Z)?", str(value))
    if match is None:
        return None
    fraction = (match.group(3) or "")[:7]
    return written_us(f"{match.group(1)}T{match.group(2)}{fraction.ljust(7, '0') if fraction else ''}Z")


def digitraffic(value: Any, received_at_us: int | None) -> Reports:
    """Reports of a Digitraffic message."""
    body = mapping(value, "the line")
    topic = body.get("topic")
    mmsi_given = body.get("mmsi")
    if isinstance(topic, str):
        match = re.fullmatch(r"vessels-v2/(?:(\d{1,9})/)?(location|metadata|status)", topic)
        if match is None:
            raise Refused("unsupported", f"topic {topic!r}"[:100])
        if match.group(2) == "status":
            return Reports()
        mmsi_given, body = match.group(1), mapping(body.get("payload"), "payload")
    place = body
    if body.get("type") == "Feature":
        properties = mapping(body.get("properties"), "properties")
        coordinates = mapping(body.get("geometry"), "geometry").get("coordinates")
        if not isinstance(coordinates, list) or len(coordinates) < 2:
            raise Refused("no_position", "geometry without coordinates")
        mmsi_given = properties.get("mmsi", mmsi_given)
        place = properties | {"lon": coordinates[0], "lat": coordinates[1], "time": properties.get("timestampExternal")}
    mmsi = required_mmsi(mmsi_given)
    if "lat" in place:
        row = position(
            mmsi=mmsi, msg_type=1, lat=place.get("lat"), lon=place.get("lon"), sog_kn=place.get("sog"),
            cog=place.get("cog"), heading=place.get("heading"), rot_raw=place.get("rot"), status=place.get("navStat"),
            accurate=place.get("posAcc"), raim=place.get("raim"),
        )  # fmt: skip
        return Reports(positions=[stamped(row, epoch_us(place.get("time")), received_at_us)])
    draught = real(body.get("draught"))
    row = {
        "mmsi": mmsi,
        "msg_type": 5,
        "imo": whole(body.get("imo"), 1, 2**30 - 1),
        "call_sign": text(body.get("callSign"), 7),
        "name": text(body.get("name"), 20),
        "ship_type": whole(body.get("type", body.get("shipType")), 0, 255),
        "destination": text(body.get("destination"), 20),
        "draught_m": draught / 10.0 if draught else None,
        **_sizes(body, "refA", "refB", "refC", "refD"),
    }
    return Reports(statics=[stamped(row, epoch_us(body.get("timestamp")), received_at_us)])
