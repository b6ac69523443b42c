"""Adapters of AIS in JSON: gpsd, AIS-catcher and Digitraffic.

What enters: one object. What leaves: rows of positions, statics, aids, base stations and safety texts. Each adapter
says what its maker documents. Sources: gpsd_json(5), class AIS; AIS-catcher's README (JSON_FULL); Digitraffic marine,
MQTT topics vessels-v2/<mmsi>/location and /metadata.
"""

from __future__ import annotations

import re
from typing import Any

from kuroshio.sensing.feeds import (
    JsonFeedDecoder,
    Refused,
    Reports,
    epoch_us,
    eta_of,
    flag,
    mapping,
    place_of,
    position,
    real,
    required_mmsi,
    stamped,
    text,
    turn_of,
    whole,
    written_us,
)

_POSITION_TYPES = frozenset({1, 2, 3, 4, 9, 11, 18, 19, 21, 27})
_QUIET = frozenset({"VERSION", "DEVICES", "DEVICE", "WATCH", "TPV", "SKY", "GST", "ATT", "TOFF", "PPS", "POLL"})


class GpsdDecoder(JsonFeedDecoder):
    """AIS reports of gpsd, scaled or not; its own position and status reports are comments."""

    def __init__(self, source: str) -> None:
        super().__init__(source, gpsd)


class AisCatcherDecoder(JsonFeedDecoder):
    """AIS-catcher's JSON, over UDP, HTTP or in files; the sentences it carries are decoded again where present."""

    def __init__(self, source: str) -> None:
        super().__init__(source, ais_catcher)


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
            merged.add(found)
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
    scaled = body.get("scaled", True) is True
    reports = Reports()

    def put(kept: list[dict[str, Any]], row: dict[str, Any]) -> None:
        kept.append(stamped(row | common, at_us, received_at_us))

    if kind in _POSITION_TYPES:
        row = _gpsd_position(body, kind, mmsi, scaled)
        put(reports.positions, row)
        if kind in (4, 11):
            more = {"fix_type": whole(body.get("epfd"), 0, 15), "utc_at": written_us(body.get("timestamp"))}
            put(reports.base_stations, place_of(row) | more)
        elif kind == 21:
            put(reports.aids, place_of(row) | _gpsd_aid(body))
    if kind in (5, 19, 24):
        put(reports.statics, _gpsd_static(body, kind, mmsi, scaled))
    if kind in (12, 14):
        said = {"mmsi": mmsi, "msg_type": kind, "text": text(body.get("text"), 161)}
        if kind == 12:
            said |= {"dest_mmsi": whole(body.get("dest_mmsi"), 0, 999_999_999)}
            said |= {"sequence": whole(body.get("seqno"), 0, 3), "retransmit": flag(body.get("retransmit"))}
        put(reports.safety, said)
    if reports.empty:
        raise Refused("unsupported", f"message type {kind} without its sentences")
    return reports


def _gpsd_position(body: dict[str, Any], kind: int, mmsi: int, scaled: bool) -> dict[str, Any]:
    degree, tenth = (1.0, 1.0) if scaled else (600.0 if kind == 27 else 600_000.0, 1.0 if kind in (9, 27) else 10.0)
    course = 1.0 if scaled or kind == 27 else 10.0
    speed = real(body.get("speed"))
    speed = None if kind == 27 and speed == 63 else speed
    row = position(
        mmsi=mmsi, msg_type=kind, lat=_over(body.get("lat"), degree), lon=_over(body.get("lon"), degree),
        sog_kn=_over(speed, tenth), cog=_over(body.get("course"), course), heading=body.get("heading"),
        rot_raw=None if scaled else body.get("turn"), status=body.get("status"), accurate=body.get("accuracy"),
        raim=body.get("raim"), second=body.get("second"), manoeuvre=whole(body.get("maneuver"), 0, 3),
        radio_raw=whole(body.get("radio"), 0, 2**20 - 1),
    )  # fmt: skip
    if kind == 9:  # 4095 metres stand for not available (M.1371-5, message 9)
        height = whole(body.get("alt"), 0, 4094)
        row["altitude_m"] = None if height is None else float(height)
    return row | (turn_of(body.get("turn")) if scaled else {})


def _gpsd_aid(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "aid_type": whole(body.get("aid_type"), 0, 31),
        "name": text(body.get("name"), 34),
        "fix_type": whole(body.get("epfd"), 0, 15),
        "utc_second": whole(body.get("second"), 0, 63),
        "off_position": flag(body.get("off_position")),
        "aid_status": whole(body.get("regional"), 0, 255),
        "virtual_aid": flag(body.get("virtual_aid")),
        "assigned": flag(body.get("assigned")),
        **sizes_of(body, "to_bow", "to_stern", "to_port", "to_starboard"),
    }


def _gpsd_static(body: dict[str, Any], kind: int, mmsi: int, scaled: bool) -> dict[str, Any]:
    """Static data; gpsd joins the parts of a type 24, and what has a call sign or a vendor holds part B."""
    draught, name = _over(body.get("draught"), 1.0 if scaled else 10.0), text(body.get("shipname"), 20)
    dte = body.get("dte")
    part = None
    if kind == 24:
        second = any(body.get(key) not in (None, "") for key in ("callsign", "vendorid", "mothership_mmsi"))
        part = ("AB" if name else "B") if second else "A"
    return {
        "mmsi": mmsi,
        "msg_type": kind,
        "part": part,
        "imo": whole(body.get("imo"), 1, 2**30 - 1),
        "call_sign": text(body.get("callsign"), 7),
        "name": name,
        "ship_type": whole(body.get("shiptype"), 0, 255),
        "destination": text(body.get("destination"), 20),
        "draught_m": draught if draught else None,
        "fix_type": whole(body.get("epfd"), 0, 15),
        "ais_version": whole(body.get("ais_version"), 0, 3),
        "dte": int(dte) if isinstance(dte, bool) else whole(dte, 0, 1),
        "mothership_mmsi": whole(body.get("mothership_mmsi"), 1, 999_999_999),
        **eta_of(body.get("eta")),
        **sizes_of(body, "to_bow", "to_stern", "to_port", "to_starboard"),
    }


def _over(value: Any, divisor: float) -> float | None:
    number = real(value)
    return None if number is None else number / divisor


def sizes_of(body: dict[str, Any], *names: str) -> dict[str, int | None]:
    """Distances to bow, stern, port and starboard by the names a feed has; null where all four are 0."""
    targets = ("to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m")
    sizes = {t: whole(body.get(n), 0, 511) for t, n in zip(targets, names, strict=True)}
    return sizes if any(sizes.values()) else dict.fromkeys(targets)


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
        "fix_type": whole(body.get("posType"), 0, 15),
        **_packed_eta(body.get("eta")),
        **sizes_of(body, "refA", "refB", "refC", "refD"),
    }
    return Reports(statics=[stamped(row, epoch_us(body.get("timestamp")), received_at_us)])


def _packed_eta(value: Any) -> dict[str, int | None]:
    """Parts of an ETA in 20 bits: month, day, hour and minute, as message 5 sends it."""
    bits = whole(value, 0, 2**20 - 1) or 0
    parts = {"Month": bits >> 16, "Day": bits >> 11 & 31, "Hour": bits >> 6 & 31, "Minute": bits & 63}
    return eta_of(parts if bits else None)
