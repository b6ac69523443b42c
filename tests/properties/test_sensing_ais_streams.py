"""The decoder on any bytes in any pieces: no exception, an exact ledger, and tables that do not depend on borders."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.sensing import ais
from kuroshio.sensing.ais import records, scan, scan_fast
from kuroshio.sensing.base import Decoded
from kuroshio.testing.decoding import in_pieces

GOOD = b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*7F"
PIECES = [
    GOOD,
    b"!AIVDM,2,1,3,A,56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR,0*0D",
    b"!AIVDM,2,2,3,A,E0JH882,2*52",
    b"!AIVDM,1,1,,A,B>cSnNP00FVur7UaC7WQ3wS1jCJJ,0*73",
    b"\\s:r1ACE0JVF*27\\\\c:1628097600,s:AS-SAM-BWBANK,n:27493*24\\!ANVDM,1,1,,B,15N7R>d000qh6tJC94n=7oJ00D02,0*3F",
    b"\\g:2-2-73874,n:157037*1D\\!AIVDM,2,2,3,A,E0JH882,2*52",
    b"\\g:1-2-73874,n:157036,s:r003669945,c:1241544035*4A\\"
    b"!AIVDM,2,1,3,A,56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR,0*0D",
    b"$PGHP,1,2010,6,11,11,46,11,390,231,45,992190934,1,2B*5B",
    b"\\s:2573105,c:1671620143*08\\",
    b"2024-07-19 08:45:30.074 " + GOOD,
    GOOD + GOOD,
    GOOD + b",r003669946,1342569600",
    b"!AIVDM,1,1,,B,,0*25",
    b"!AIVDM,1,1,1,,13aI8e?P00PGpU:NR6s00?vT2000,0,0*1C",
    b"# comment",
    b"",
    b"\x00\xff\xfe garbage",
    b"$GPGGA,195719,5310.8115,N,00525.7025,E,1,00,1.10,-2,M,,M,,*57",
    b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*00",
    b"!",
    b"\\",
]
lines = st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=25)


@st.composite
def logs(draw: st.DrawFn) -> bytes:
    joined = bytearray(draw(st.sampled_from([b"\n", b"\r\n"])).join(draw(lines)))
    for _ in range(draw(st.integers(0, 4))):
        if joined:
            joined[draw(st.integers(0, len(joined) - 1))] = draw(st.integers(0, 255))
    return bytes(joined)


def rows(decoded: Decoded) -> dict[str, list[dict[str, Any]]]:
    return {name: table.to_pylist() for name, table in decoded.tables.items() if table.num_rows}


@given(logs(), st.booleans())
def test_any_bytes_are_accounted_for_without_an_exception(log: bytes, keep: bool) -> None:
    decoded = ais.decode(log, keep_bad_checksum=keep)
    ledger = decoded.ledger
    assert ledger.lines == log.count(b"\n") + (not log.endswith(b"\n") and log != b"")
    assert ledger.lines == ledger.accounted
    assert ledger.waiting == 0
    assert decoded.table("rejects").num_rows >= sum(ledger.rejected.values())


@given(st.binary(max_size=400))
def test_noise_is_accounted_for(log: bytes) -> None:
    ledger = ais.decode(log).ledger
    assert ledger.lines == ledger.accounted


@given(logs(), st.lists(st.integers(0, 600), max_size=8))
def test_tables_do_not_depend_on_where_reads_begin(log: bytes, cuts: list[int]) -> None:
    whole = ais.decode(log)
    joined = in_pieces(ais.Decoder("bytes"), log, cuts)
    assert rows(joined) == rows(whole)
    assert joined.ledger.as_dict() == whole.ledger.as_dict()


@given(logs())
def test_both_line_readers_give_the_same_records(log: bytes) -> None:
    buf = np.frombuffer(log.replace(b"\n", b"\r\n") + b"\n" * 32, np.uint8)
    stop = len(buf) - 31
    fast, slow = (_read(buf, stop, common) for common in (True, False))
    assert fast == slow


def _read(buf: np.ndarray, stop: int, common: bool) -> tuple[Any, ...]:
    rec = np.zeros((500, records.RECORD), np.int64)
    rej = np.zeros((500, records.REJECT), np.int64)
    state = np.zeros(records.STATE, np.int64)
    state[[records.S_TIME, records.S_CLOCK]] = -1
    pos, comma = 0, np.empty(8, np.int64)
    if common:
        scan_fast.scan(buf, 0, stop, rec, rej, state, comma)
    else:
        while pos < stop:
            state[records.S_LINE] += 1
            pos = scan.read_line(buf, pos, rec, rej, state, comma) + 1
    told = rec[: state[records.S_RECORDS]]
    names = [(int(s) >> 8, int(s) & 255) for s in told[:, records.STATION]]
    told[:, records.STATION] = 0
    assert common or not (told[:, records.CHECKED] & records.ARMOURED).any()
    told[:, records.CHECKED] &= ~records.ARMOURED  # only the fast reader knows it already
    return (
        told.tolist(), [buf[a : a + n].tobytes() for a, n in names], rej[: state[records.S_REJECTS]].tolist(),
        state[[records.S_LINE, records.S_COMMENTS, records.S_TAG_BAD]].tolist(),
    )  # fmt: skip
