"""The decoder on small inputs: fields, clocks, parts, rejects and the ledger."""

from __future__ import annotations

import datetime as dt

import pytest

from kuroshio.errors import InputError
from kuroshio.sensing import Decoded, ais
from kuroshio.sensing.ais.encode import checksum
from kuroshio.testing.decoding import in_steps

GOOD = b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*7F"
TYPE_5 = (
    b"!AIVDM,2,1,3,A,56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR,0*0D",
    b"!AIVDM,2,2,3,A,E0JH882,2*52",
)


def test_a_class_a_position_has_every_value_and_no_sentinel() -> None:
    row = ais.decode(GOOD).table("positions").to_pylist()[0]
    assert row["mmsi"] == 205448890
    assert (row["msg_type"], row["channel"], row["line"], row["bits"], row["checksum_ok"]) == (1, "A", 1, 168, True)
    assert row["lon_deg"] == pytest.approx(4.419442, abs=1e-6)
    assert row["lat_deg"] == pytest.approx(51.237658, abs=1e-6)
    assert row["sog_mps"] == 0.0
    assert row["heading_deg"] is None
    assert row["observed_at"] is None
    assert row["time_source"] is None


@pytest.mark.parametrize(
    ("line", "clock", "iso"),
    [
        (b"\\c:1671620143*5C\\" + GOOD, "tag_block", "2022-12-21T10:55:43"),
        (b"\\c:1671620143250*6B\\" + GOOD, "tag_block", "2022-12-21T10:55:43.250000"),
        (b"\\c:1671620143250125*6D\\" + GOOD, "tag_block", "2022-12-21T10:55:43.250125"),
        (GOOD + b",r003669946,1671620143", "receiver_suffix", "2022-12-21T10:55:43"),
        (b"$PGHP,1,2022,12,21,10,55,43,250,219,,2190064,1,7F*00\r\n" + GOOD, "pghp", "2022-12-21T10:55:43.250000"),
        (b"2022-12-21 10:55:43.25 " + GOOD, "iso_prefix", "2022-12-21T10:55:43.250000"),
        (b"2022-12-21T11:55:43+01:00;" + GOOD, "iso_prefix", "2022-12-21T10:55:43"),
        (b"1671620143250125999 " + GOOD, "line_epoch", "2022-12-21T10:55:43.250125"),
        (b"1671620143.5," + GOOD, "line_epoch", "2022-12-21T10:55:43.500000"),
    ],
)
def test_each_clock_is_read_and_named(line: bytes, clock: str, iso: str) -> None:
    if line.startswith(b"\\"):
        body = line[1 : line.index(b"*")]
        line = b"\\" + body + b"*" + checksum(body) + b"\\" + GOOD
    row = ais.decode(line).table("positions").to_pylist()[0]
    assert row["time_source"] == clock
    assert row["observed_at"] == dt.datetime.fromisoformat(iso).replace(tzinfo=dt.UTC)


def test_arrival_and_file_time_stand_in_where_no_clock_speaks() -> None:
    arrived = ais.Decoder("x").feed(GOOD + b"\n", received_at_us=1_671_620_143_000_000).table("positions")
    assert arrived["time_source"].to_pylist() == ["arrival"]
    assert arrived["observed_at"] == arrived["received_at"]
    hinted = ais.Decoder("x", clock_hint_us=1_000_000).feed(GOOD + b"\n").table("positions")
    assert hinted["time_source"].to_pylist() == ["file"]


def test_the_station_is_the_tag_blocks_else_the_wrappers_else_the_suffix() -> None:
    pghp = b"$PGHP,1,2022,12,21,10,55,43,250,219,,2190064,1,7F*00\n"
    for line, station in [
        (b"\\s:LUZON-1*" + checksum(b"s:LUZON-1") + b"\\" + GOOD, "LUZON-1"),
        (pghp + GOOD, "2190064"),
        (GOOD + b",r003669946,1671620143", "r003669946"),
        (b"\\si:AISD*3F\\\n" + GOOD, "AISD"),
        (GOOD, None),
    ]:
        assert ais.decode(line).table("positions")["station"].to_pylist() == [station]


def test_parts_join_in_any_order_with_others_between() -> None:
    for lines in (TYPE_5, TYPE_5[::-1], (TYPE_5[0], GOOD, TYPE_5[1])):
        decoded = ais.decode(b"\n".join(lines))
        row = decoded.table("statics").to_pylist()[0]
        assert (row["mmsi"], row["destination"]) == (431100155, "KANSAI AIRPORT") or row["mmsi"] == 431100155
        assert row["line"] == 1 + lines.index(TYPE_5[0])
        assert decoded.ledger.parts == 1
        assert decoded.ledger.lines == decoded.ledger.accounted


def test_a_lost_part_is_an_orphan_by_age_and_at_the_end() -> None:
    decoder = ais.Decoder("x", multipart_age_s=60)
    decoder.feed(TYPE_5[0] + b"\n", received_at_us=0)
    late = decoder.feed(TYPE_5[1] + b"\n", received_at_us=61_000_000)
    assert late.table("rejects")["reason"].to_pylist() == ["orphan_part"]
    end = decoder.flush()
    assert end.table("rejects")["raw"].to_pylist() == [TYPE_5[1]]


def test_waiting_parts_are_limited_and_the_oldest_goes() -> None:
    decoder = ais.Decoder("x", multipart_limit=4)
    lines = [ais.encode({"msg_type": 5, "mmsi": n}, sequence=n)[0] for n in range(6)]
    decoded = decoder.feed(b"\n".join(lines) + b"\n")
    assert decoded.table("rejects")["line"].to_pylist() == [1, 2]
    assert decoder.counters["multipart_evicted"] == 2
    assert decoded.ledger.waiting == 4


def test_a_bad_checksum_is_a_reject_by_default_and_kept_by_option() -> None:
    bad = GOOD[:-2] + b"00"
    decoded = ais.decode(bad)
    assert decoded.table("rejects").to_pylist()[0]["detail"] == "computed 7F, the sentence says 00"
    assert decoded.ledger.rejected == {"checksum": 1}
    kept = ais.decode(bad, keep_bad_checksum=True)
    assert kept.table("positions")["checksum_ok"].to_pylist() == [False]


def test_a_line_without_end_is_bounded_and_the_stream_goes_on() -> None:
    decoder = ais.Decoder("x")
    for _ in range(200):
        decoder.feed(b"x" * 50_000)
    assert len(decoder._tail) < 70_000
    decoded = decoder.feed(b"\n" + GOOD + b"\n")
    assert decoded.ledger.rejected == {"line_too_long": 1}
    assert decoded.table("rejects")["raw"].to_pylist() == [b"x" * 4096]
    assert decoded.table("positions").num_rows == 1


def test_comments_blank_lines_and_carriers_are_counted() -> None:
    log = b"# comment\n\n  \r\n\\s:x*" + checksum(b"s:x") + b"\\\n" + GOOD + b"\n2022-12-21 10:55:43\n" + GOOD
    decoded = ais.decode(log)
    assert decoded.ledger.as_dict() == {
        "lines": 7, "messages": 2, "parts": 0, "comments": 5, "waiting": 0, "rejects": {},
    }  # fmt: skip
    assert decoded.table("positions")["station"].to_pylist() == ["x", None]
    assert decoded.table("positions")["time_source"].to_pylist() == [None, "iso_prefix"]


def test_a_decoder_goes_on_from_its_state() -> None:
    log = b"\n".join([b"\\s:LUZON*" + checksum(b"s:LUZON") + b"\\", TYPE_5[0], GOOD, TYPE_5[1], GOOD])
    for cut in range(0, len(log), 7):
        first = ais.Decoder("x")
        before = first.feed(log[:cut])
        second = ais.Decoder("x")
        second.restore(first.state())
        told = Decoded.join([before, second.feed(log[cut:]), second.flush()])
        assert told.ledger.as_dict() == ais.decode(log).ledger.as_dict()
        assert told.table("statics")["station"].to_pylist() == ["LUZON"]
        assert told.table("positions")["line"].to_pylist() == [3, 5]


def test_a_state_of_other_limits_is_refused() -> None:
    with pytest.raises(InputError):
        ais.Decoder("x", multipart_limit=3).restore(ais.Decoder("x").state())
    with pytest.raises(InputError):
        ais.Decoder("x").restore({})


def test_what_is_said_of_an_overlong_line_does_not_depend_on_the_reads() -> None:
    log = b"\\!7D" * 20_000 + b"\n"
    told = []
    for step in (len(log), 7_000):
        told.append(in_steps(ais.Decoder("s"), log, step).table("rejects").to_pylist())
    assert told[0] == told[1]
    assert [(r["reason"], r["detail"]) for r in told[0]] == [("line_too_long", "more than 65536 bytes")]
