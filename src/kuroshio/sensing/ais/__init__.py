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
from kuroshio.sensing.ais.warm import warm_up

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
