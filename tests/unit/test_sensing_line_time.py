"""The time a recorded line states, in every spelling the recordings have."""

import pytest

from kuroshio.clock import parse_rfc3339
from kuroshio.sensing.line_time import time_of_line

VDM = rb"!AIVDM,1,1,,A,181:Kjh01ewHFRPDK1s3IRcn06sd,0*08"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\\c:1565218798*53\\" + VDM, "2019-08-07T22:59:58Z"),
        (b"\\s:x,c:1565218798123*53\\" + VDM, "2019-08-07T22:59:58.123Z"),
        (b"\\c:1565218798123456*53\\" + VDM, "2019-08-07T22:59:58.123456Z"),
        (VDM + b",raishub,1342569600\r\n", "2012-07-18T00:00:00Z"),
        (b"$PGHP,1,2014,9,28,16,0,4,684,219,21,992190921,1,14*22", "2014-09-28T16:00:04.684Z"),
        (b"2026-11-22T01:02:03Z " + VDM, "2026-11-22T01:02:03Z"),
        (b"1342569600 " + VDM, "2012-07-18T00:00:00Z"),
        (b"338148873,2022-01-03T00:00:00,33.60716,-117.91483", "2022-01-03T00:00:00Z"),
        (b"1072190000,2022-01-03T00:00:05,33.60716,-117.91483", "2022-01-03T00:00:05Z"),
        (b"2022-01-03 10:00:00+08:00,x", "2022-01-03T02:00:00Z"),
    ],
)
def test_spellings(line, expected):
    assert time_of_line(line) == parse_rfc3339(expected)


@pytest.mark.parametrize("line", [b"", VDM, b"MMSI,BaseDateTime,LAT", b"2022-13-45T00:00:00,x", b"\xff\x00", b"12345"])
def test_lines_without_a_time(line):
    assert time_of_line(line) is None
