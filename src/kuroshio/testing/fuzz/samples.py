"""Inputs to begin with for every format but AIS, and for the node file and the agreements.

What leaves: options a source of the format needs, a few good inputs, words, and for binary formats the repair of
their lengths. Each format's own tests hold what it decodes; here it only has to survive.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from kuroshio import accord
from kuroshio.sensing import ais
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.sensing.formats_sniff import looks_like_asterix
from kuroshio.sensing.radar import encode_ttm
from kuroshio.sensing.radar_ttd import encode_ttd
from kuroshio.testing.fuzz import sentences
from kuroshio.testing.fuzz.mutate import Rng, below, one_of

_NOW = 1_780_000_000_000_000
_SITE = {"lat_deg": 20.0, "lon_deg": 122.0}
_MAP = {"columns": {"time": "time", "mmsi": "mmsi", "lat_deg": "lat", "lon_deg": "lon", "sog": "sog"}}
OPTIONS: dict[str, dict[str, Any]] = {
    "asterix": _SITE,
    "ttm": _SITE,
    "pcap": {"options": _SITE},
    "csv": _MAP,
    "parquet": _MAP,
    "arrow": _MAP,
}
JSON_FORMATS = frozenset(
    {"gpsd_json", "aiscatcher_json", "aisstream_json", "digitraffic_json", "signalk", "detections_geojson"}
)


def _plots() -> list[bytes]:
    made = encode_cat048(
        sac=1,
        sic=2,
        at_us=[_NOW + k * 4_000_000 for k in range(3)],
        range_m=[1e4, 2e4, 3e4],
        bearing_deg=[1.0, 2.0, 3.0],
    )
    return list(made)


def _json(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


_META = {"MMSI": 431015478, "time_utc": "2026-01-19 02:41:51.011109855 +0000 UTC"}
_REPORT = {"MessageID": 3, "UserID": 431015478, "Latitude": 35.396105, "Longitude": 139.6249833, "Sog": 0.7,
           "Cog": 75.9, "TrueHeading": 80, "NavigationalStatus": 5, "RateOfTurn": -128, "Timestamp": 50}  # fmt: skip
_STATIC = {"UserID": 431015478, "Name": "MARU  ", "CallSign": "JA1@@", "ImoNumber": 9000001, "Type": 70,
           "Dimension": {"A": 100, "B": 20, "C": 5, "D": 6}, "MaximumStaticDraught": 7.5}  # fmt: skip
_GPSD = {"class": "AIS", "device": "x", "type": 1, "repeat": 0, "mmsi": 431000001, "scaled": True, "status": 0,
         "turn": "fastleft", "speed": 12.3, "accuracy": False, "lon": 122.0, "lat": 20.5, "course": 9.0, "heading": 511,
         "second": 5}  # fmt: skip
_GPSD_5 = {"class": "AIS", "type": 5, "mmsi": 1, "imo": 9000001, "callsign": "X", "shipname": "Y", "shiptype": 70,
           "to_bow": 1, "to_stern": 2, "to_port": 3, "to_starboard": 4, "eta": "05-14T20:10Z", "draught": 7.5,
           "destination": "MANILA"}  # fmt: skip


def _aiscatcher() -> bytes:
    line = ais.encode_position(mmsi=431000001, lat_deg=20.5, lon_deg=122.0, sog_mps=5.0, cog_deg=90.0).decode()
    message = {"class": "AIS", "rxuxtime": 1_779_999_000.25, "station_id": 7, "mmsi": 431000001, "type": 1,
               "nmea": [line]}  # fmt: skip
    return _json(
        message, {"protocol": "jsonaiscatcher", "msgs": [message, message]}, _GPSD | {"rxtime": "20260528200000"}
    )


def _signalk() -> bytes:
    values = [
        {"path": "navigation.position", "value": {"longitude": 122.0, "latitude": 20.5}},
        {"path": "navigation.speedOverGround", "value": 5.1}, {"path": "navigation.state", "value": "motoring"},
        {"path": "navigation.courseOverGroundTrue", "value": 1.5}, {"path": "", "value": {"name": "A"}},
        {"path": "design.length", "value": {"overall": 30}},
    ]  # fmt: skip
    update = {"timestamp": "2026-05-28T20:00:00.000Z", "$source": "a.b", "values": values}
    return _json({"context": "vessels.urn:mrn:imo:mmsi:431000001", "updates": [update]}, {"name": "s", "version": "1"})


def _digitraffic() -> bytes:
    location = {"time": 1668075025, "sog": 10.7, "cog": 326.6, "navStat": 0, "rot": 0, "posAcc": True, "raim": False,
                "heading": 325, "lon": 20.345818, "lat": 60.03802}  # fmt: skip
    metadata = {"timestamp": 1668075026035, "name": "ARUNA", "callSign": "XUAR8", "imo": 9543756, "type": 70,
                "refA": 160, "refB": 33, "refC": 20, "refD": 12, "draught": 68}  # fmt: skip
    return _json({"topic": "vessels-v2/230000001/location", "payload": location},
                 {"topic": "vessels-v2/230000001/metadata", "payload": metadata})  # fmt: skip


_FEATURE = {"type": "Feature", "id": "d1", "geometry": {"type": "Point", "coordinates": [122.0, 20.5]},
            "properties": {"time": "2026-05-28T20:00:00Z", "length_m": 90, "sigma_m": 30, "kind": "sar"}}  # fmt: skip
_COT = (b'<event version="2.0" uid="MMSI-431000001" type="a-f-S-X" time="2026-05-28T20:00:00Z" '
        b'start="2026-05-28T20:00:00Z" stale="2026-05-28T20:02:00Z" how="m-g">'
        b'<point lat="20.5" lon="122.0" hae="0" ce="25.0" le="9999999.0"/>'
        b'<detail><contact callsign="A"/><track speed="5.0" course="90.0"/></detail></event>')  # fmt: skip
_SIGHTING = (b"Time: 2026-05-28T20:00:00Z\nPosition: 20-30.5N 121-45.2E\nError: 500 m\nBearing: 45\nDistance: 3 nm\n"
             b"Speed: 12 kn\nCourse: 270\nLength: 30 m\nMMSI: 431000001\nRemarks: white hull\n")  # fmt: skip
_MARINE = (b"MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width,Draft,"
           b"Cargo,TransceiverClass\n367000001,2022-01-03T00:00:00,29.5,-90.1,5.1,90.0,91.0,A,IMO9000001,WX,70,0,"
           b"30,8,3.1,70,A\n")  # fmt: skip
_DMA = (b"# Timestamp,Type of mobile,MMSI,Latitude,Longitude,Navigational status,ROT,SOG,COG,Heading,IMO,Callsign,Name,"
        b"Ship type,Cargo type,Width,Length,Type of position fixing device,Draught,Destination,ETA,Data source type,"
        b"A,B,C,D\n"
        b"01/02/2020 00:00:00,Class A,219000001,55.5,12.5,Under way using engine,0.0,5.1,90.0,91,Unknown,OX,A,Cargo,,"
        b"8,30,GPS,3.1,CPH,,AIS,20,10,4,4\n")  # fmt: skip


def _table_file(*, parquet: bool) -> bytes:
    """A small table of positions as a Parquet or an Arrow file."""
    table = pa.table({"time": ["2020-01-01T00:00:00Z", None], "mmsi": [5, 6], "lat": [1.0, 91.0], "lon": [2.0, None],
                      "sog": [3.0, 102.3]})  # fmt: skip
    out = pa.BufferOutputStream()
    if parquet:
        pq.write_table(table, out)
    else:
        with pa.ipc.new_file(out, table.schema) as writer:
            writer.write_table(table)
    return bytes(out.getvalue())


def _seeds(name: str) -> list[bytes]:
    made: dict[str, Callable[[], list[bytes]]] = {
        "asterix": lambda: [*_plots(), b"".join(_plots()), b"\x22\x00\x0b\xf0\x01\x02\x02\x00\x00\x01\x00",
                            b"\x3e\x00\x08\x91\x00\x00\x00\x00"],
        "ttm": lambda: [encode_ttm(number=1, range_m=5e3, bearing_deg=4.0, at_us=_NOW, station="a"),
                        b"".join(encode_ttd([{"status": 4, "number": n} for n in range(6)])),
                        b"$RATLL,01,2030.5,N,12145.2,E,A,120000.00,T,*00\r\n$RAOSD,1.0,A,2.0,P,3.0,P,4,5,N*4F\r\n",
                        b"$RARSD,1,2,3,4,5,6,7,8,9,10,12,N,H*00\r\n"],
        "pcap": lambda: [capture(_plots()), capture(_plots(), next_generation=True)],
        "csv": lambda: [b'time,mmsi,lat,lon,sog\n2020-01-01T00:00:00Z,5,1,2,3\n"2020-01-01T00:00:01Z","6",,,\n'],
        "parquet": lambda: [_table_file(parquet=True)],
        "arrow": lambda: [_table_file(parquet=False)],
        "marinecadastre": lambda: [_MARINE],
        "dma_csv": lambda: [_DMA],
        "detections_csv": lambda: [b"time,lat_deg,lon_deg,detection_id,length_m\n2020-01-01T00:00:00Z,1,2,3,90\n"],
        "detections_geojson": lambda: [_json(_FEATURE),
                                       _json({"type": "FeatureCollection", "features": [_FEATURE] * 2})],
        "gpsd_json": lambda: [_json(_GPSD, _GPSD_5, {"class": "VERSION"}),
                              _json(_GPSD | {"scaled": False, "turn": -127})],
        "aiscatcher_json": lambda: [_aiscatcher()],
        "aisstream_json": lambda: [
            _json({"MessageType": "PositionReport", "MetaData": _META, "Message": {"PositionReport": _REPORT}},
                  {"MessageType": "ShipStaticData", "MetaData": _META, "Message": {"ShipStaticData": _STATIC}},
                  {"error": "no key"})],
        "digitraffic_json": lambda: [_digitraffic()],
        "signalk": lambda: [_signalk()],
        "cot": lambda: [_COT, _COT + b"\n" + _COT, b'<event type="a-u-S" time="2026-05-28T20:00:00Z"/>'],
        "sighting": lambda: [_SIGHTING,
                             _SIGHTING + b"---\n" + _SIGHTING.replace(b"20-30.5N 121-45.2E", b"20.5, 121.7")],
    }  # fmt: skip
    return made[name]()


def seeds_of(name: str) -> list[bytes]:
    """Good inputs of a format."""
    return _seeds(name)


_XML = (b"<event", b"</event>", b"/>", b"<point ", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<!DOCTYPE x [", b"<?xml ?>",
        b"&lt;", b"&#x10FFFF;", b"&x;", b' ce="', b' time="', b"<detail>", b"</detail>", b'xmlns="a"')  # fmt: skip
_TIMES = (b"2026-05-28T20:00:00Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:60Z", b"2026-02-30T25:61:61+99:99",
          b"31/12/9999 23:59:59", b"99999999999999")  # fmt: skip
_TEXT = (b"---\n", b"Time: ", b"Position: ", b"20-30.5N ", b"121-45.2E", b" nm", b" kn", b"Error: ", b":", b"\xc2\xb0")
_RADAR = (
    b"$RATTM,",
    b"$RATLL,",
    b"!RATTD,",
    b"$RAOSD,",
    b"$RARSD,",
    b"*00",
    b",T,",
    b",K,",
    b"\\s:a,c:1700000000*00\\",
)


def words_of(name: str) -> tuple[bytes, ...]:
    """Words of a format."""
    own = {"cot": _XML, "sighting": _TEXT, "ttm": _RADAR}.get(name, ())
    return (*own, *_TIMES)


# -- binary formats


def capture(payloads: list[bytes], *, next_generation: bool = False) -> bytes:
    """A pcap or pcapng file whose packets are UDP over IPv4 over Ethernet."""
    frames = []
    for payload in payloads:
        udp = struct.pack(">HHHH", 8600, 8600, 8 + len(payload), 0) + payload
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, b"\x0a\0\0\1", b"\xe0\0\0\1")
        frames.append(b"\x01\x00\x5e\0\0\1" + b"\0" * 6 + b"\x08\x00" + ip + udp)
    seconds = _NOW // 1_000_000
    if not next_generation:
        head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
        return head + b"".join(struct.pack("<IIII", seconds, 0, len(f), len(f)) + f for f in frames)
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), _block(1, struct.pack("<HHI", 1, 0, 0))]
    for frame in frames:
        head = struct.pack("<IIIII", 0, _NOW >> 32, _NOW & 0xFFFFFFFF, len(frame), len(frame))
        blocks.append(_block(6, head + frame))
    return b"".join(blocks)


def _block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


def _make_capture(rng: Rng) -> bytes:
    payloads = [rng.bytes(below(rng, 60)) if rng.random() < 0.3 else one_of(rng, _plots()) for _ in range(3)]
    if rng.random() < 0.3:
        payloads = [sentences.make(rng)]
    return capture(payloads, next_generation=bool(rng.random() < 0.5))


def _right_length(data: bytes, rng: Rng) -> bytes:
    """The first block's length made that of the data, or left where the lengths chain already."""
    del rng
    if len(data) < 3 or looks_like_asterix(data) or len(data) > 65_535:
        return data
    return data[:1] + len(data).to_bytes(2, "big") + data[3:]


def _make_asterix(rng: Rng) -> bytes:
    categories = (10, 21, 34, 48, 62, 63, 240)
    body = bytes([255, 255, 254][: 1 + below(rng, 3)]) + rng.bytes(below(rng, 120))
    if rng.random() < 0.7:
        body = bytes([(int(b) | 1) if k < below(rng, 4) else int(b) for k, b in enumerate(rng.bytes(3))]) + body
    return bytes([one_of(rng, categories)]) + (3 + len(body)).to_bytes(2, "big") + body


MAKERS: dict[str, Callable[[Rng], bytes]] = {"pcap": _make_capture, "asterix": _make_asterix}
REPAIRS: dict[str, Callable[[bytes, Rng], bytes]] = {"asterix": _right_length, "ttm": sentences.repair}

# -- files people write

NODE_WORDS = (b"[node]\n", b"[[sources]]\n", b"[api]\n", b"mode = ", b'"live"', b'"simulated"', b"format = ",
              b'"aivdm"',
              b"listen = ", b"port = ", b"true", b"[[partners]]\n", b"[sources.sensor]\n", b"\\u0000")  # fmt: skip
_NODE = b"""keys = "keys"
[node]
name = "luzon"
party = "PHL"
data = "data"
mode = "live"
[[sources]]
name = "coast"
format = "aivdm"
link = "tcp"
host = "127.0.0.1"
port = 9000
[sources.sensor]
kind = "ais"
"""
AGREEMENT_WORDS = (b"accords:\n", b"parties:\n", b"- id: ", b"kinds: [track]", b"when: ", b"&a ", b"*a", b"<<: *a",
                   b"!!", b"? ", b"|\n", b"---\n", b"{", b"}", b"effect: ", b"2026-01-01", b"not ", b" and ",
                   b" > ")  # fmt: skip


def node_files() -> list[bytes]:
    """A small node file."""
    return [_NODE]


def agreement_files() -> list[bytes]:
    """The drafted agreement and the sample ones."""
    samples = sorted(accord.draft_path().parent.glob("*.yaml"))
    return [path.read_bytes() for path in samples]
