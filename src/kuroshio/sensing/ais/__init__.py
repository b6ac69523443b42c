"""AIS: sentences to tables, and back.

What enters: bytes of NMEA 0183 VDM/VDO sentences, plain, tag-blocked or wrapped. What leaves: the report tables of
`kuroshio.schema` and a ledger that accounts for every line. It does not open links, fuse, or judge what it decodes:
a position of 12 E is reported as sent, an MMSI is a claim.
"""

from __future__ import annotations

from kuroshio.sensing.ais.decoder import Decoder
from kuroshio.sensing.ais.encode import encode, encode_position, sentences, tag
from kuroshio.sensing.ais.encode_batch import encode_positions
from kuroshio.sensing.ais.files import decode, decode_file
from kuroshio.sensing.ais.pack import armour, pack, unarmour, unpack

__all__ = [
    "Decoder",
    "armour",
    "decode",
    "decode_file",
    "encode",
    "encode_position",
    "encode_positions",
    "pack",
    "sentences",
    "tag",
    "unarmour",
    "unpack",
    "warm_up",
]


def warm_up() -> None:
    """Compile or load every kernel of the room on a tiny input: seconds at first use, a moment from the cache."""
    lines = [
        *encode({"msg_type": 1, "mmsi": 1, "lat": 0, "lon": 0}, tag_block={"c": 1, "s": "x"}),
        *encode({"msg_type": 4, "mmsi": 2}),
        *encode({"msg_type": 5, "mmsi": 1, "name": "X"}),
        *encode({"msg_type": 24, "mmsi": 1, "part": 0, "name": "X"}),
        *encode({"msg_type": 24, "mmsi": 1, "part": 1}),
        *encode({"msg_type": 21, "mmsi": 1, "name": "X"}),
        *encode({"msg_type": 14, "mmsi": 1, "text": "X"}),
        *encode({"msg_type": 8, "mmsi": 1, "dac": 1, "fi": 31, "data": bytes(38)}),
        *encode({"msg_type": 10, "mmsi": 1, "dest_mmsi1": 2}),
        b"no sentence",
    ]
    decode(b"\n".join(lines))
    encode_positions({"mmsi": [1], "lat_deg": [0.0], "lon_deg": [0.0]}, station="x", time_us=[0])
