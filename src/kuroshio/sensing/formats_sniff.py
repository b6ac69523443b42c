"""Which format some bytes are in, by what only that format has.

What enters: the head of a stream. What leaves: a format's name, or None. Votes of the first lines decide between
line formats, so that a damaged first line does not.
"""

from __future__ import annotations

import re
from collections import Counter

LINES = 200
_AIS = re.compile(rb"![A-Z]{2}(VDM|VDO),")
_RADAR = re.compile(rb"[$!][A-Z]{2}(TTM|TLL|TTD|OSD|RSD),")
_JSON_MARKS = (  # the first that has all its marks
    ("aiscatcher_json", (b'"mmsi"', b'"nmea":[')),
    ("aiscatcher_json", (b'"mmsi"', b'"rxuxtime"')),
    ("aiscatcher_json", (b'"mmsi"', b'"rxtime"')),
    ("gpsd_json", (b'"class":"AIS"',)),
    ("gpsd_json", (b'"class":"VERSION"',)),
    ("gpsd_json", (b'"class":"TPV"',)),
    ("aisstream_json", (b'"MessageType"', b'"MetaData"')),
    ("digitraffic_json", (b'"topic":"vessels-v2/',)),
    ("signalk", (b'"updates"', b'"values"')),
)
_ASTERIX = frozenset({10, 21, 34, 48, 62, 63, 240})


def sniff_bytes(head: bytes) -> str | None:
    """Name of the format that most of the head looks like, None where nothing does."""
    if not head.strip():
        return None
    if looks_like_asterix(head):
        return "asterix"
    if head[:4] in (
        b"\xd4\xc3\xb2\xa1",
        b"\xa1\xb2\xc3\xd4",
        b"\x4d\x3c\xb2\xa1",
        b"\xa1\xb2\x3c\x4d",
        b"\x0a\x0d\x0d\x0a",
    ):
        return "pcap"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return "arrow"
    stripped = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    first = stripped.split(b"\n", 1)[0].strip()
    table = _table(first)
    if table:
        return table
    if stripped[:1] == b"{" and b'"FeatureCollection"' in stripped[:4096]:
        return "detections_geojson"
    if stripped[:6] == b"<event" or (stripped[:5] == b"<?xml" and b"<event" in stripped[:4096]):
        return "cot"
    votes = Counter(v for v in map(_line_vote, stripped.split(b"\n")[:LINES]) if v)
    if not votes:
        return None
    return votes.most_common(1)[0][0]


def _table(header: bytes) -> str | None:
    names = [n.strip().strip(b'"').lower() for n in header.split(b",")]
    if {b"mmsi", b"basedatetime", b"lat", b"lon"} <= set(names) or {b"mmsi", b"base_date_time", b"latitude"} <= set(
        names
    ):
        return "marinecadastre"
    if names and names[0] in (b"# timestamp", b"timestamp") and b"type of mobile" in names:
        return "dma_csv"
    if {b"time", b"lat_deg", b"lon_deg", b"detection_id"} <= set(names):
        return "detections_csv"
    return None


def _line_vote(line: bytes) -> str | None:
    if line.lstrip()[:1] != b"{" and _AIS.search(line):
        return "aivdm"
    if _RADAR.search(line):
        return "ttm"
    text = line.strip()
    if text[:1] != b"{":
        return None
    bare = text.replace(b" ", b"")
    for name, marks in _JSON_MARKS:
        if all(mark in bare for mark in marks):
            return name
    return None


def looks_like_asterix(head: bytes) -> bool:
    """True when block lengths chain from the first byte on: three blocks, or all there is."""
    at = chained = 0
    while len(head) - at >= 3 and chained < 3:
        length = int.from_bytes(head[at + 1 : at + 3], "big")
        if head[at] not in _ASTERIX or length < 4 or (chained == 0 and at + length > len(head)):
            return False
        at, chained = at + length, chained + 1
    return chained > 0
