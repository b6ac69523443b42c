"""Radar sentences: positions, clocks, statuses and rejects, each line with exactly one fate."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import ConfigError
from kuroshio.geo import destination
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.radar import TtmDecoder, encode_ttm
from kuroshio.sensing.radar_plots import ground_range_m, slant_range_m
from kuroshio.sensing.radar_sentences import checksum, parse_time
from kuroshio.sensing.radar_ttd import encode_ttd
from kuroshio.testing.decoding import in_steps
from kuroshio.units import M_PER_NM, MPS_PER_KN

NOON = 1_780_012_800_000_000  # 2026-05-29T00:00:00Z and some; only its day matters
DAY = 86_400_000_000
MIDNIGHT = NOON - NOON % DAY


def line(body: str) -> bytes:
    return b"%s*%02X\r\n" % (body.encode(), checksum(body[1:].encode()))


def radar(**settings: float) -> TtmDecoder:
    return TtmDecoder("r1", lat_deg=20.45, lon_deg=121.97, range_sigma_m=40.0, bearing_sigma_deg=0.4, **settings)  # type: ignore[arg-type]


def balanced(decoded: Decoded) -> Decoded:
    assert decoded.ledger.lines == decoded.ledger.accounted
    return decoded


def test_ttm_becomes_an_observation_with_the_error_of_its_radar() -> None:
    text = line("$RATTM,11,11.40,13.6,T,7.0,20.0,T,0.0,0.0,N,,T,,003000.25,A")
    out = balanced(radar().feed(text, MIDNIGHT + 1_800_000_000))
    row = out.table("observations").to_pylist()[0]
    lat, lon = destination(20.45, 121.97, 13.6, 11.40 * M_PER_NM)
    assert row["lat_deg"] == pytest.approx(lat, abs=1e-6)
    assert row["lon_deg"] == pytest.approx(lon, abs=1e-6)
    assert row["local_track"] == 11
    assert row["sog_mps"] == pytest.approx(7.0 * MPS_PER_KN)
    assert (row["sensor"], row["time_source"], row["mmsi"]) == ("radar", "sentence", None)
    at = out.table("observations")["observed_at"].cast(pa.int64())[0].as_py()
    assert at == MIDNIGHT + 1_800_250_000
    along = 40.0**2 + (0.01 * M_PER_NM) ** 2 / 12
    across = (11.40 * M_PER_NM * np.radians(np.sqrt(0.4**2 + 0.1**2 / 12))) ** 2
    assert row["cov_ee_m2"] + row["cov_nn_m2"] == pytest.approx(along + across, rel=1e-5)
    # a target north by east: the cross-range error is east-west
    assert row["cov_ee_m2"] > row["cov_nn_m2"]


def test_tag_block_gives_station_and_time() -> None:
    at = MIDNIGHT + 5_123_456_000
    out = balanced(radar().feed(encode_ttm(number=3, range_m=9_000.0, bearing_deg=359.99, at_us=at, station="BSC")))
    row = out.table("observations").to_pylist()[0]
    assert row["station"] == "BSC"
    assert row["time_source"] == "tag_block"
    assert out.table("observations")["observed_at"].cast(pa.int64())[0].as_py() == at
    assert row["bearing_deg"] == pytest.approx(0.0)
    assert row["received_at"] is None


@pytest.mark.parametrize(
    ("hhmmss", "arrival", "expected"),
    [
        ("235959.50", MIDNIGHT + 2_000_000, MIDNIGHT - 500_000),
        ("000001.00", MIDNIGHT - 3_000_000, MIDNIGHT + 1_000_000),
        ("120000.00", MIDNIGHT + DAY // 2 + 4_000_000, MIDNIGHT + DAY // 2),
    ],
)
def test_time_of_day_takes_the_day_nearest_to_arrival(hhmmss: str, arrival: int, expected: int) -> None:
    out = radar().feed(line(f"$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,{hhmmss},A"), arrival)
    assert out.table("observations")["observed_at"].cast(pa.int64())[0].as_py() == expected


def test_an_archive_crosses_midnight_from_its_reference_day() -> None:
    decoder = radar(reference_us=MIDNIGHT + 1)
    out = decoder.feed(
        line("$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,235958.00,A") + line("$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,000002.00,A")
    )
    times = out.table("observations")["observed_at"].cast(pa.int64()).to_pylist()
    assert times == [MIDNIGHT + DAY - 2_000_000, MIDNIGHT + DAY + 2_000_000]


def test_without_any_clock_a_target_is_a_reject_with_its_reason() -> None:
    out = balanced(radar().feed(line("$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,,A")))
    assert out.ledger.rejected == {"no_time": 1}
    assert out.table("rejects")["reason"].to_pylist() == ["no_time"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,,A*00\r\n", "checksum"),
        (b"$RATTM,1,5.0,10.0,T,,,T,,,N,,T,,,A\r\n", "no_checksum"),
        (b"hello\r\n", "not_nmea"),
        (line("$RATTM,1,5.0,10.0"), "too_short"),
        (line("$RATTM,1,nan,10.0,T,,,T,,,N,,T,,120000,A"), "bad_field"),
        (line("$RATTM,1,1e3,10.0,T,,,T,,,N,,T,,120000,A"), "bad_field"),
        (line("$RATTM,1,5.0,400.0,T,,,T,,,N,,T,,120000,A"), "out_of_range"),
        (line("$RATTM,1,5.0,10.0,R,,,T,,,N,,T,,120000,A"), "no_heading"),
        (line("$RATTM,1,5.0,10.0,T,,,T,,,Q,,T,,120000,A"), "bad_field"),
        (line("$RATLL,1,9999.0,N,12000.0,E,X,120000,T,"), "bad_field"),
        (line("$RAXYZ,1"), "unsupported"),
        (b"\\s:r1*00\\$RATTM\r\n", "tag_checksum"),
        (b"\\s:r1$RATTM\r\n", "tag_block"),
        (b"\xff\xfe\x00\x80\r\n", "not_nmea"),
        (b"x" * 10_000 + b"\r\n", "oversize"),
    ],
)
def test_each_fault_is_one_reject_with_its_reason_and_bytes(text: bytes, reason: str) -> None:
    out = balanced(radar().feed(text, NOON))
    assert out.ledger.rejected == {reason: 1}
    kept = out.table("rejects").to_pylist()[0]
    assert kept["line"] == 1
    assert text.startswith(kept["raw"][:20])


def test_a_lost_target_is_heard_but_is_no_measurement() -> None:
    out = balanced(radar().feed(line("$RATTM,1,5.0,10.0,T,,,T,,,N,,L,,120000,A"), NOON))
    assert out.ledger.messages == 1
    assert out.table("observations").num_rows == 0


def test_relative_bearings_turn_with_the_heading_of_osd() -> None:
    text = line("$RAOSD,90.0,A,90.0,P,10.0,P,,,N") + line("$RATTM,1,5.0,10.0,R,,,R,,,N,,T,,120000,A")
    out = balanced(radar().feed(text, NOON))
    assert out.ledger.messages == 2
    assert out.table("observations")["bearing_deg"].to_pylist() == [pytest.approx(100.0)]


def test_a_ships_radar_takes_its_position_from_the_same_feed() -> None:
    decoder = TtmDecoder("ship", range_sigma_m=30.0, bearing_sigma_deg=1.0)
    target = line("$RATTM,1,5.0,90.0,T,,,T,,,N,,T,,120000,A")
    out = balanced(decoder.feed(target + line("$GPGLL,2030.000,N,12200.000,E,120000,A,A") + target + target, NOON))
    assert out.ledger.rejected == {"no_position": 1}
    rows = out.table("observations")
    assert rows["sensor_lat_deg"].to_pylist() == [20.5, 20.5]
    assert rows["lon_deg"][0].as_py() > 122.0


def test_tll_gives_range_and_bearing_from_the_radar() -> None:
    out = balanced(radar().feed(line("$RATLL,7,2030.000,N,12158.200,E,BOAT,120000.00,T,"), NOON))
    row = out.table("observations").to_pylist()[0]
    assert row["lat_deg"] == pytest.approx(20.5, abs=1e-7)
    assert row["lon_deg"] == pytest.approx(121.97, abs=1e-7)
    assert row["bearing_deg"] == pytest.approx(0.0, abs=1e-3)
    assert row["local_track"] == 7


def test_north_offset_and_slant_range_are_taken_off() -> None:
    out = radar(north_offset_deg=1.5, antenna_height_m=1_000.0).feed(
        encode_ttm(number=1, range_m=5_000.0, bearing_deg=30.0), NOON
    )
    row = out.table("observations").to_pylist()[0]
    assert row["bearing_deg"] == pytest.approx(31.5, abs=0.051)
    lat, lon = destination(20.45, 121.97, row["bearing_deg"], ground_range_m(row["range_m"], 1_000.0))
    assert (row["lat_deg"], row["lon_deg"]) == (pytest.approx(lat), pytest.approx(lon))
    assert ground_range_m(5_000.0, 1_000.0) == pytest.approx(4_899, abs=2)


@pytest.mark.parametrize("height", [0.0, 60.0, 900.0])
def test_slant_and_ground_range_are_inverse(height: float) -> None:
    ground = np.array([1_000.0, 20_000.0, 180_000.0])
    assert ground_range_m(slant_range_m(ground, height), height) == pytest.approx(ground, abs=1e-4)


def test_ttd_carries_many_targets_in_parts() -> None:
    targets = [
        {"number": n, "bearing": 100 * n, "distance": 500 + n, "speed": 120, "course": 900, "status": 4}
        for n in range(1, 7)
    ]
    sentences = encode_ttd(targets)
    assert len(sentences) == 2
    out = balanced(radar().feed(b"".join(sentences), NOON))
    rows = out.table("observations")
    assert rows["local_track"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert rows["bearing_deg"].to_pylist() == pytest.approx([10.0 * n for n in range(1, 7)])
    assert rows["range_m"][5].as_py() == pytest.approx(5.06 * M_PER_NM)
    assert rows["sog_mps"][0].as_py() == pytest.approx(12.0 * MPS_PER_KN)
    assert (out.ledger.messages, out.ledger.parts) == (1, 1)


def test_ttd_parts_that_never_complete_are_rejects_at_the_end() -> None:
    decoder = radar()
    first = encode_ttd([{"status": 4, "number": 1}] * 5)[0]
    joined = Decoded.join([decoder.feed(first, NOON), decoder.flush()])
    assert balanced(joined).ledger.rejected == {"orphan_part": 1}


def test_lost_and_unknown_ttd_targets_are_left_out() -> None:
    raw = [{"number": 1, "status": 2}, {"number": 2, "status": 4, "bearing": 4095}, {"number": 3, "status": 7}]
    out = radar().feed(encode_ttd(raw)[0], NOON)
    assert out.table("observations")["local_track"].to_pylist() == [3]


def test_a_published_ttd_sample_of_an_integrated_navigation_system_is_one_plausible_target() -> None:
    out = balanced(radar().feed(line("!INTTD,01,01,,0PP10Eg@wwP74@0,0"), NOON))
    row = out.table("observations").to_pylist()[0]
    assert (row["local_track"], row["bearing_deg"]) == (32, pytest.approx(204.9))
    assert row["range_m"] == pytest.approx(4.52 * M_PER_NM)
    assert (row["sog_mps"], row["cog_deg"]) == (pytest.approx(2.1 * MPS_PER_KN), pytest.approx(302.4))
    # through the water: the current is not known
    assert row["vel_sigma_mps"] == pytest.approx(2.0**0.5)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("0PP10Eg@wwP74@", "too_short"),
        ("PPP10Eg@wwP74@0", "unsupported"),
        ("0PP10Eg@wwP74@00P", "too_short"),
    ],
)
def test_a_ttd_that_is_cut_or_of_another_version_is_a_reject(payload: str, reason: str) -> None:
    out = balanced(radar().feed(line(f"!INTTD,01,01,,{payload},0"), NOON))
    assert out.ledger.rejected == {reason: 1}
    assert out.table("observations").num_rows == 0


def test_ttd_velocity_is_left_out_while_acquiring_or_relative() -> None:
    raw = [
        {"number": 1, "status": 1, "speed": 100, "course": 900, "distance": 100},
        {"number": 2, "status": 4, "speed": 100, "course": 900, "distance": 100, "speed_mode": 1},
        {"number": 3, "status": 4, "speed": 4095, "course": 900, "distance": 100},
    ]
    rows = radar().feed(encode_ttd(raw)[0], NOON).table("observations")
    assert rows["local_track"].to_pylist() == [1, 2, 3]
    assert rows["sog_mps"].to_pylist() == [None, None, None]


@pytest.mark.parametrize(
    ("unit", "metres", "mps"), [("N", 1852.0, 1852 / 3600), ("K", 1000.0, 1 / 3.6), ("S", 1609.344, 0.44704)]
)
def test_ttm_units_hold_for_distance_and_speed(unit: str, metres: float, mps: float) -> None:
    row = (
        (radar().feed(line(f"$RATTM,12,2.000,10.0,T,10.0,45.0,T,0.1,2.0,{unit},BOAT,T,R,120000.00,M"), NOON))
        .table("observations")
        .to_pylist()[0]
    )
    assert row["range_m"] == pytest.approx(2.0 * metres)
    assert row["sog_mps"] == pytest.approx(10.0 * mps, rel=1e-4)
    assert row["cog_deg"] == 45.0


@pytest.mark.parametrize(
    ("end", "rows", "sog"),
    [("Q,,120000.00,A", 1, None), ("T,,120000.00,R", 0, None), ("L,,120000.00,A", 0, None), (",,120000.00,A", 1, 5.0)],
)
def test_ttm_status_and_acquisition(end: str, rows: int, sog: float | None) -> None:
    out = balanced(radar().feed(line(f"$RATTM,12,2.000,10.0,T,5.0,45.0,T,0.1,2.0,N,,{end}"), NOON))
    assert out.ledger.messages == 1
    found = out.table("observations")
    assert found.num_rows == rows
    if rows:
        assert found["sog_mps"][0].as_py() == (sog if sog is None else pytest.approx(sog * MPS_PER_KN))


def test_a_relative_course_gives_no_velocity() -> None:
    text = line("$RAOSD,90.0,A,,,,,,,N") + line("$RATTM,12,2.0,10.0,R,5.0,45.0,R,0.1,2.0,N,,T,,120000.00,A")
    row = radar().feed(text, NOON).table("observations").to_pylist()[0]
    assert (row["bearing_deg"], row["sog_mps"], row["cog_deg"]) == (pytest.approx(100.0), None, None)


def test_rsd_and_osd_are_rows_of_their_own_and_never_targets() -> None:
    block = b"s:RA0001,c:1780012801"
    tag = b"\\%s*%02X\\" % (block, checksum(block))
    text = tag + line("$RARSD,0.883,099.3,0.200,047.6,,,,,0.145,245.2,0.125,N,N")
    text += tag + line("$RAOSD,154.3,A,16.4,P,16.5,W,16.6,12.3,K")
    out = balanced(radar().feed(text))
    assert out.table("observations").num_rows == 0
    display, own = out.table("radar_status").to_pylist()
    assert (display["sentence"], display["station"], display["rotation"]) == ("RSD", "RA0001", "N")
    assert display["origin1_range_m"] == pytest.approx(0.883 * M_PER_NM)
    assert (display["origin1_bearing_deg"], display["vrm1_m"]) == (99.3, pytest.approx(0.2 * M_PER_NM))
    assert (display["ebl1_deg"], display["vrm2_m"], display["ebl2_deg"]) == (47.6, None, None)
    assert (display["cursor_range_m"], display["cursor_bearing_deg"]) == (pytest.approx(0.145 * M_PER_NM), 245.2)
    assert display["range_scale_m"] == pytest.approx(0.125 * M_PER_NM)
    assert (own["heading_deg"], own["course_deg"], own["course_reference"]) == (154.3, 16.4, "P")
    assert (own["speed_mps"], own["speed_reference"]) == (pytest.approx(16.5 / 3.6), "W")
    assert (own["set_deg"], own["drift_mps"]) == (16.6, pytest.approx(12.3 / 3.6))
    assert (own["own_lat_deg"], own["time_source"], display["line"], own["line"]) == (20.45, "tag_block", 1, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$RARSD,,,,,,,,,0.000,000.2,0.125,N", "too_short"),
        ("$RARSD,x,,,,,,,,0.000,000.2,0.125,N,N", "bad_field"),
        ("$RARSD,,400.0,,,,,,,0.000,000.2,0.125,N,N", "bad_field"),
        ("$RARSD,,,,,,,,,0.000,000.2,0.125,Q,N", "bad_field"),
        ("$RARSD,,,,,,,,,0.000,000.2,0.125,N,Z", "bad_field"),
        ("$RAOSD,90.0,A,90.0", "too_short"),
        ("$RAOSD,90.0,B,90.0,P,10.0,P,,,N", "bad_field"),
        ("$RATTM,12,2.000,10.0,T,5.0,45.0,T,0.1,2.0,N,,Z,,120000.00,A", "bad_field"),
    ],
)
def test_a_damaged_status_is_one_reject(text: str, reason: str) -> None:
    out = balanced(radar().feed(line(text), NOON))
    assert out.ledger.rejected == {reason: 1}


def test_an_invalid_heading_turns_nothing() -> None:
    text = line("$RAOSD,90.0,V,,,,,,,N") + line("$HETHS,91.0,V") + line("$RATTM,1,2.0,10.0,R,,,T,,,N,,T,,120000,A")
    assert balanced(radar().feed(text, NOON)).ledger.rejected == {"no_heading": 1}


def test_reads_may_be_cut_anywhere() -> None:
    whole = (
        b"".join(
            encode_ttm(number=n, range_m=1000.0 * n, bearing_deg=n, at_us=NOON + n, station="a") for n in range(1, 30)
        )
        + b"junk\nmore junk without end"
    )
    one, many = in_steps(radar(), whole, None, NOON), in_steps(radar(), whole, 7, NOON)
    assert one.table("observations").equals(many.table("observations"))
    assert one.ledger == many.ledger
    assert balanced(one).ledger.rejected == {"not_nmea": 2}


@pytest.mark.parametrize(
    "settings",
    [
        {"lat_deg": 95.0, "lon_deg": 0.0},
        {"lat_deg": 5.0},
        {"lat_deg": 5.0, "lon_deg": 0.0, "range_sigma_m": 0.0},
        {"lat_deg": 5.0, "lon_deg": 0.0, "antenna_height_m": -1.0},
        {"lat_deg": 5.0, "lon_deg": 0.0, "velocity_sigma_mps": 0.0},
    ],
)
def test_a_site_that_cannot_be_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        TtmDecoder("r1", **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [b"", b"1200", b"250000", b"12:00:00", b"126000.0"])
def test_a_time_that_is_none_is_none(text: bytes) -> None:
    assert parse_time(text) is None
