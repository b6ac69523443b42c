"""Columns of the integer rows that the passes hand to one another, and the reasons of rejects.

A record is one sentence: where it is, what its fields say, and the clock and station that go with it. Kernels freeze
these numbers when they are compiled, so they change only together with the kernels' own files.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int64]

MAX_LINE = 65_536  # bytes; a longer line is one reject
MAX_SENTENCES = 64  # on one line
MAX_PAYLOAD = 1024  # characters in one sentence
STATION_ROOM = 64  # bytes of a station name kept between lines

# columns of a record
(LINE, START, LENGTH, PAYLOAD, CHARS, FILL, TOTAL, PART, SEQUENCE, CHANNEL, TALKER, TIME, CLOCK, STATION, GROUP, COUNTS,
 CHECKED) = range(17)  # fmt: skip
RECORD = 17
ARMOURED = 2  # bit of CHECKED: the payload is known to hold payload characters only; the lowest bit is the checksum

# columns of a reject
R_LINE, R_START, R_LENGTH, R_REASON, R_A, R_B, R_COUNTS, R_EVENT = range(8)
REJECT = 8

REASONS = (
    "not_nmea", "not_ais", "checksum", "checksum_missing", "bad_field", "empty_payload", "payload_too_long",
    "line_too_long", "too_many_sentences", "tag_checksum", "bad_payload", "too_short", "unknown_type", "orphan_part",
)  # fmt: skip
(NOT_NMEA, NOT_AIS, CHECKSUM, CHECKSUM_MISSING, BAD_FIELD, EMPTY, LONG_PAYLOAD, LONG_LINE, MANY, TAG_CHECKSUM,
 BAD_PAYLOAD, SHORT, UNKNOWN_TYPE, ORPHAN) = range(14)  # fmt: skip

# state carried from line to line
(S_LINE, S_COMMENTS, S_RECORDS, S_REJECTS, S_TIME, S_CLOCK, S_STATION, S_RANK, S_TAG_BAD, S_JOINED, S_KEEP_BAD,
 T_TIME, T_STATION, T_GROUP, T_BAD, T_RANK) = range(16)  # fmt: skip
STATE = 16

# stations: the tag block's s beats the wrapper's base station, a suffix, and the tag block's si
RANK_NONE, RANK_SI, RANK_SUFFIX, RANK_PGHP, RANK_S = range(5)
