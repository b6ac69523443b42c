"""Any bytes, in any pieces, to any decoder: no exception, one fate a line, the same rows as in one piece."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats import FORMATS, open_decoder
from kuroshio.sensing.radar import encode_ttm
from kuroshio.sensing.radar_ttd import encode_ttd

NOW = 1_780_000_000_000_000
SITE = {"lat_deg": 20.0, "lon_deg": 122.0}
COLUMNS = {"time": "time", "mmsi": "mmsi", "lat_deg": "lat", "lon_deg": "lon"}
OPTIONS: dict[str, dict[str, Any]] = {
    "asterix": SITE,
    "ttm": SITE,
    "pcap": {"options": SITE},
    "csv": {"columns": COLUMNS},
    "parquet": {"columns": COLUMNS},
    "arrow": {"columns": COLUMNS},
}
AIS = {"class": "AIS", "type": 1, "mmsi": 431000001, "lat": 20.5, "lon": 122.0, "speed": 5.0, "course": 9.0}
OUTLINE = (b'{"type":"Feature","geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]},'
           b'"properties":{"time":"2020-01-01T00:00:00Z"}}\n')  # fmt: skip


def as_line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def table_files() -> dict[str, bytes]:
    table = pa.table({"time": ["2020-01-01T00:00:00Z", "x"], "mmsi": [5, 6], "lat": [1.0, 95.0], "lon": [2.0, 3.0]})
    made, files = {}, {"parquet": pa.BufferOutputStream(), "arrow": pa.BufferOutputStream()}
    pq.write_table(table, files["parquet"])
    for name, opener in (("arrow", pyarrow.ipc.new_file), ("stream", pyarrow.ipc.new_stream)):
        files[name] = pa.BufferOutputStream()
        with opener(files[name], table.schema) as writer:
            writer.write_table(table)
    for name, out in files.items():
        made[name] = out.getvalue().to_pybytes()
    return made


TABLE = table_files()
SEEDS: dict[str, list[bytes]] = {
    "asterix": [*encode_cat048(sac=1, sic=2, at_us=[NOW] * 3, range_m=[1e4] * 3, bearing_deg=[1.0, 2.0, 3.0]),
                bytes.fromhex("f00024ebc00709020000004d006400c800000000000003e8000400040000040100000001"),
                bytes.fromhex("f0000ad0070901024142"), b"\x22\x00\x05\x80\x01",
                b"\x3e\x00\x08\x91\x00\x00\x00\x00"],
    "ttm": [encode_ttm(number=1, range_m=5e3, bearing_deg=4.0, at_us=NOW, station="a"),
            *encode_ttd([{"status": 4, "number": n} for n in range(6)]), b"$RAOSD,1.0,A,,,,,,,N*47\r\n",
            b"$RARSD,0.883,099.3,0.200,047.6,,,,,0.145,245.2,0.125,N,N*54\r\n",
            b"!INTTD,01,01,,0PP10Eg@wwP74@0,0*2F\r\n"],
    "csv": [b"time,mmsi,lat,lon\n", b"2020-01-01T00:00:00,5,1,2\n", b'"a,b\n'],
    "marinecadastre": [b"MMSI,BaseDateTime,LAT,LON,SOG\n", b"5,2020-01-01T00:00:00,1,2,3\n"],
    "dma_csv": [b"# Timestamp,Type of mobile,MMSI,Latitude,Longitude\n", b"01/02/2020 00:00:00,Class A,5,1,2\n"],
    "detections_csv": [b"time,lat,lon,detection_id\n", b"2020-01-01T00:00:00Z,1,2,3\n"],
    "detections_geojson": [b'{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},',
                           b'"properties":{"time":"2020-01-01T00:00:00Z"}}\n', b"[1,\n2]\n", OUTLINE],
    "cot": [b'<event uid="a" type="a-u-S" time="2020-01-01T00:00:00Z">', b'<event opex="e" ',
            b'<point lat="1" lon="2" ce="3"/>',
            b"</event>"],
    "sighting": [b"Time: 2020-01-01T00:00:00Z\n", b"Pos: 20N 121E\n", b"---\n", b'{"position":"1N 2E"}\n',
                 b'{"lat_deg":1e400,"lon_deg":[]}\n'],
    "parquet": [TABLE["parquet"], TABLE["parquet"][:40], b"PAR1"],
    "arrow": [TABLE["arrow"], TABLE["stream"], b"ARROW1\0\0"],
    "gpsd_json": [as_line(AIS | {"type": kind, "name": "B", "text": "T", "turn": "fastleft", "eta": "01-02T03:04Z"})
                  for kind in (1, 4, 5, 9, 12, 14, 21, 24, 27)],
    "aisstream_json": [as_line({"MessageType": kind, "MetaData": {"MMSI": 5}, "Message": {kind: {"UserID": 5}}})
                       for kind in ("AidsToNavigationReport", "BaseStationReport", "ShipStaticData", "PositionReport",
                                    "SafetyBroadcastMessage", "AddressedSafetyMessage", "StaticDataReport")],
    "digitraffic_json": [as_line({"topic": f"vessels-v2/5/{kind}", "payload": {"lat": 1, "lon": 2, "eta": 176640}})
                         for kind in ("location", "metadata", "status")],
    "signalk": [as_line({"context": f"{kind}.urn:mrn:imo:mmsi:431000001", "updates": [{"values": [
        {"path": "navigation.position", "value": {"latitude": 1, "longitude": 2}}, {"path": "name", "value": "B"},
        {"path": "design.length", "value": {"overall": 9}}, {"path": "registrations.imo", "value": "IMO 1"}]}]})
        for kind in ("vessels", "atons")],
}  # fmt: skip
JSON_LINE = json.dumps(AIS).encode() + b"\n"
NAMES = sorted(set(FORMATS) - {"aivdm"})  # the byte engine has its own


def pieces(name: str) -> st.SearchStrategy[bytes]:
    """Bytes that look like the format, damaged."""
    known = st.sampled_from(SEEDS.get(name, [JSON_LINE, b"{}\n", b"[\n"]))
    cut = st.tuples(known, st.integers(0, 60), st.binary(max_size=4)).map(
        lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :]
    )
    return st.lists(st.one_of(known, known, cut, st.binary(max_size=30)), max_size=8).map(b"".join)


def decoded(name: str, data: bytes, sizes: list[int]) -> Decoded:
    decoder = open_decoder(name, "s", OPTIONS.get(name, {}))
    parts, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        parts.append(decoder.feed(data[at : at + size], NOW))
        at, turn = at + size, turn + 1
    return Decoded.join([*parts, decoder.flush()])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(data=st.data())
def test_any_bytes_in_any_pieces(name: str, data: st.DataObject) -> None:
    raw = data.draw(pieces(name))
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=5))
    whole, cut = decoded(name, raw, [len(raw) or 1]), decoded(name, raw, sizes)
    assert whole.ledger.lines == whole.ledger.accounted
    assert whole.ledger.waiting == 0
    assert whole.ledger == cut.ledger
    for table in (whole.tables.keys() | cut.tables.keys()) - {"rejects"}:
        assert whole.table(table).to_pylist() == cut.table(table).to_pylist()
    reasons = [(r["line"], r["reason"]) for r in whole.table("rejects").to_pylist()]
    assert reasons == [(r["line"], r["reason"]) for r in cut.table("rejects").to_pylist()]
