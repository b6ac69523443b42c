"""ASTERIX 010, 021, 062 and 240, and captures: made by libasterix, read by us, equal to the step of each format."""

from __future__ import annotations

import struct
from typing import Any

import asterix.generated as gen
import numpy as np
import pyarrow as pa
import pytest
from asterix.base import Bits, RawDatablock

from kuroshio.errors import ConfigError
from kuroshio.geo import distance_m
from kuroshio.sensing.asterix import AsterixDecoder
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.formats import open_decoder, sniff
from kuroshio.testing.decoding import in_steps
from kuroshio.units import M_PER_NM

DAY = 86_400_000_000
MIDNIGHT = 20_600 * DAY
NOON = (43_200.0, "s")
SITE = {"lat_deg": 20.0, "lon_deg": 122.0}
SOURCE = (("SAC", 7), ("SIC", 9))


def block(spec: Any, *records: dict[str, Any]) -> bytes:
    data: bytes = spec.create([spec.cv_uap.cv_record.create(r) for r in records]).unparse().to_bytes()
    return data


def rows(data: bytes, **settings: Any) -> tuple[Decoded, list[dict[str, Any]]]:
    out = AsterixDecoder("a", **{**SITE, **settings}).feed(data, MIDNIGHT + DAY // 2)
    assert out.ledger.lines == out.ledger.accounted
    return out, out.table("observations").to_pylist()


def test_surface_radar_by_any_of_its_three_positions() -> None:
    base = {"010": SOURCE, "000": 1, "020": ((1, 0, 0, 0, 0, None),), "140": NOON}
    data = block(
        gen.Cat_010_1_1,
        base | {"040": ((4000.0, "m"), (90.0, "°")), "161": (0, 5), "200": ((0.003, "NM/s"), (45.0, "°"))},
        base | {"041": ((20.25, "°"), (122.5, "°")), "500": (10.0, 20.0, 25.0), "270": ((60, None),)},
        base | {"042": ((3000.0, "m"), (-4000.0, "m")), "202": ((3.0, "m/s"), (-4.0, "m/s"))},
        {**base, "000": 2},
    )
    out, got = rows(data)
    polar, placed, relative = sorted(got, key=lambda r: (r["range_m"] is None, r["length_m"] is None))
    assert polar["range_m"] == 4000.0
    assert (polar["local_track"], polar["station"]) == (5, "7/9")
    assert polar["sog_mps"] == pytest.approx(0.003 * M_PER_NM, abs=0.06)
    assert (placed["lat_deg"], placed["lon_deg"]) == (pytest.approx(20.25), pytest.approx(122.5))
    assert (placed["cov_ee_m2"], placed["cov_en_m2"], placed["cov_nn_m2"]) == (100.0, 25.0, 400.0)
    assert placed["length_m"] == 60.0
    assert float(distance_m(20.0, 122.0, relative["lat_deg"], relative["lon_deg"])) == pytest.approx(5000.0, abs=0.01)
    assert relative["lat_deg"] < 20.0 < relative["lon_deg"]
    assert (relative["sog_mps"], relative["cog_deg"]) == (pytest.approx(5.0), pytest.approx(143.13, abs=0.01))
    assert out.ledger.comments == 1  # the start of an update cycle is no target


def test_system_tracks_bring_their_own_error() -> None:
    data = block(
        gen.Cat_062_1_20,
        {
            "010": SOURCE, "070": NOON, "105": ((21.5, "°"), (121.25, "°")), "185": ((-3.0, "m/s"), (4.0, "m/s")),
            "040": 700, "080": ((0, 0, 0, 0, 0, None),), "500": {"APC": ((40.0, "m"), (60.0, "m")), "ATV": 0x0101},
            "270": ((99, None),),
        },
        {"010": SOURCE, "070": NOON, "100": ((0.0, "m"), (10_000.0, "m")), "040": 701, "080": ((0, 0, 0, 0, 0, None),)},
        {"010": SOURCE, "070": NOON, "105": ((1.0, "°"), (2.0, "°")), "080": ((0, 0, 0, 0, 0, None), (0, 1, 0, 0, 0, 0, 0, None))},  # noqa: E501
    )  # fmt: skip
    out, got = rows(data, categories=[62], track_sigma_m=250.0)
    assert (got[0]["lat_deg"], got[0]["lon_deg"]) == (pytest.approx(21.5, abs=6e-6), pytest.approx(121.25, abs=6e-6))
    assert (got[0]["cov_ee_m2"], got[0]["cov_nn_m2"]) == (1600.0, 3600.0)
    assert (got[0]["sog_mps"], got[0]["cog_deg"]) == (pytest.approx(5.0), pytest.approx(323.13, abs=0.01))
    assert (got[0]["local_track"], got[0]["length_m"], got[0]["sensor"]) == (700, 99.0, "radar")
    assert got[1]["cov_ee_m2"] == 250.0**2
    assert float(distance_m(20.0, 122.0, got[1]["lat_deg"], got[1]["lon_deg"])) == pytest.approx(10_000.0, abs=0.01)
    assert out.ledger.comments == 1  # a track's end
    bare, none = AsterixDecoder("a", categories=[62]).feed(data, MIDNIGHT), None
    assert bare.ledger.rejected == {"no_position": 1}
    assert none is None


def test_aircraft_are_comments_unless_asked_for() -> None:
    data = block(
        gen.Cat_021_2_6,
        {"010": SOURCE, "040": ((0, 0, 0, 0, None),), "080": 0xABCDEF, "073": NOON,
         "131": ((20.5, "°"), (-122.5, "°")), "160": (0, (0.05, "NM/s"), (270.0, "°"))},
        {"010": SOURCE, "040": ((0, 0, 0, 0, None),), "080": 1, "071": NOON, "130": ((-20.5, "°"), (122.5, "°"))},
    )  # fmt: skip
    silent, none = rows(data)
    assert (silent.ledger.comments, none) == (2, [])
    _, got = rows(data, aircraft=True)
    assert [r["sensor"] for r in got] == ["other", "other"]
    assert (got[0]["lat_deg"], got[0]["lon_deg"]) == (pytest.approx(20.5), pytest.approx(-122.5))
    assert got[0]["local_track"] == 0xABCDEF
    assert got[0]["sog_mps"] == pytest.approx(0.05 * M_PER_NM, abs=0.06)
    assert (got[1]["lat_deg"], got[1]["lon_deg"]) == (pytest.approx(-20.5, abs=3e-5), pytest.approx(122.5, abs=3e-5))


def test_service_messages_are_counted_and_no_more() -> None:
    service = block(gen.Cat_034_1_29, {"010": SOURCE, "000": 1, "030": NOON})
    decoder = AsterixDecoder("a", **SITE)
    out = decoder.feed(service + service, MIDNIGHT)
    assert (out.ledger.comments, out.ledger.messages) == (2, 0)
    assert decoder.service_blocks == {34: 2}


def test_heads_of_radar_video_are_rows_without_the_video() -> None:
    azimuths = ((10.0, "°"), (11.25, "°"))
    spec = gen.Cat_240_1_3
    base = {"010": SOURCE, "140": NOON}
    data = block(
        spec,
        base | {"000": 1, "030": [ord(c) for c in "BASCO X"]},
        base | {
            "000": 2, "020": 77, "040": (*azimuths, 100, (50.0, "ns")), "048": (0, 0, 4), "049": (200, 199),
            "051": [int.from_bytes(bytes(range(64)), "big")] * 4,
        },
        {"010": SOURCE, "000": 2, "020": 78, "041": (*azimuths, 0, (1_000_000.0, "fs")), "048": (1, 0, 1),
         "049": (4, 32), "050": [0x01020304]},
    )  # fmt: skip
    out, got = rows(data)
    assert (out.ledger.messages, got) == (3, [])
    summary, nano, femto = out.table("radar_video").to_pylist()
    assert (summary["message_type"], summary["summary"], summary["station"]) == (1, "BASCO X", "7/9")
    assert (nano["message_type"], nano["sequence"], nano["line"]) == (2, 77, 2)
    assert (nano["start_azimuth_deg"], nano["end_azimuth_deg"]) == (pytest.approx(10, abs=0.003), 11.25)
    # 50 ns of two-way travel
    assert nano["cell_m"] == pytest.approx(299_792_458.0 * 50e-9 / 2)
    assert nano["start_range_m"] == pytest.approx(100 * nano["cell_m"])
    assert (nano["cells"], nano["octets"], nano["cell_bits"], nano["compressed"]) == (199, 200, 8, 0)
    assert femto["cell_m"] == pytest.approx(0.1499, abs=1e-4)
    assert (femto["cell_bits"], femto["compressed"], femto["observed_at"]) == (1, 1, None)
    at = out.table("radar_video")["observed_at"].cast(pa.int64()).to_pylist()
    assert at == [MIDNIGHT + DAY // 2, MIDNIGHT + DAY // 2, None]
    (parsed,) = RawDatablock.parse(Bits.from_bytes(data))
    _, second, third = spec.cv_uap.parse(parsed.get_raw_records())
    head = second.get_item("040").variation
    theirs = [head.get_item(n).variation.content.as_quantity("°") for n in ("STARTAZ", "ENDAZ")]
    assert [nano["start_azimuth_deg"], nano["end_azimuth_deg"]] == pytest.approx(theirs)
    assert head.get_item("CELLDUR").variation.content.as_quantity("ns") == pytest.approx(50.0)
    assert third.get_item("049").variation.get_item("NBCELLS").as_uint() == femto["cells"]


def test_a_cut_video_record_is_a_reject() -> None:
    out, _ = rows(bytes.fromhex("f0000af0070902000000"))
    assert out.ledger.rejected == {"bad_record": 1}
    assert out.table("radar_video").num_rows == 0


def test_a_category_left_out_is_a_reject_and_an_unknown_one_is_refused() -> None:
    data = encode_cat048(sac=1, sic=1, at_us=[0], range_m=[1e4], bearing_deg=[1.0])[0]
    out = AsterixDecoder("a", categories=[62]).feed(data, MIDNIGHT)
    assert out.ledger.rejected == {"unsupported_category": 1}
    for settings in ({"categories": [1]}, {"categories": [48]}, {"category_editions": {"62": "0.1"}, **SITE}):
        with pytest.raises(ConfigError):
            AsterixDecoder("a", **settings)  # type: ignore[arg-type]


def test_one_ship_has_one_number_a_revolution() -> None:
    scan_us = 6_000_000
    sweeps = np.arange(50)
    bearing = 350.0 + sweeps * 0.3  # over north on the way
    at = MIDNIGHT + DAY // 3 + (sweeps * scan_us + bearing / 360.0 * scan_us).astype(np.int64)
    data = b"".join(encode_cat048(sac=1, sic=1, at_us=at, range_m=np.full(50, 2e4), bearing_deg=bearing % 360.0))
    out = AsterixDecoder("a", **SITE, scan_s=6.0).feed(data, MIDNIGHT + DAY // 3)
    scans = np.array(out.table("observations")["scan"].to_pylist())
    assert (np.diff(scans) >= 1).all()
    assert (np.diff(scans) <= 2).all()


def udp(payload: bytes, port: int = 8600, *, vlan: bool = False, fragment: bool = False, protocol: int = 17) -> bytes:
    datagram = struct.pack(">HHHH", 1, port, 8 + len(payload), 0) + payload
    ip = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0x2000 if fragment else 0, 64, protocol, 0, b"\x7f\0\0\1",
        b"\x7f\0\0\1",
    )  # fmt: skip
    return bytes(12) + (b"\x81\x00\x00\x05" if vlan else b"") + b"\x08\x00" + ip + datagram


def classic(frames: list[bytes], at_s: int, order: str = "<") -> bytes:
    head = struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack(order + "IIII", at_s, 250_000, len(f), len(f)) + f for f in frames)


def next_generation(frames: list[bytes], at_s: int) -> bytes:
    def one(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = 12 + len(body)
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    data = one(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += one(1, struct.pack("<HHI", 1, 0, 65535) + struct.pack("<HHB3x", 9, 1, 9) + bytes(4))
    ticks = at_s * 1_000_000_000 + 250_000_000
    for f in frames:
        data += one(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(f), len(f)) + f)
    return data


@pytest.mark.parametrize("form", ["little", "big", "pcapng"])
@pytest.mark.parametrize("step", [1, 50, 10_000])
def test_captures_are_read_with_the_time_of_capture(form: str, step: int, tmp_path: Any) -> None:
    at_s = (MIDNIGHT + DAY // 2) // 1_000_000
    payload = encode_cat048(sac=1, sic=1, at_us=[DAY // 2], range_m=[1e4], bearing_deg=[1.0])[0]
    frames = [
        udp(payload), udp(payload, vlan=True), udp(payload, port=99), udp(payload, protocol=6),
        udp(payload, fragment=True), bytes(60),
    ]  # fmt: skip
    data = {
        "little": classic(frames, at_s), "big": classic(frames, at_s, ">"), "pcapng": next_generation(frames, at_s)
    }[form]  # fmt: skip
    decoder = open_decoder("pcap", "c", {"inner": "asterix", "options": SITE, "port": 8600})
    out = in_steps(decoder, data, step)
    table = out.table("observations")
    assert table.num_rows == 2
    assert table["observed_at"].cast(pa.int64()).to_pylist() == [MIDNIGHT + DAY // 2] * 2
    assert table["received_at"].cast(pa.int64()).to_pylist() == [MIDNIGHT + DAY // 2 + 250_000] * 2
    assert (out.ledger.messages, out.ledger.comments, dict(out.ledger.rejected)) == (2, 3, {"fragment": 1})
    (tmp_path / "c.pcap").write_bytes(data)
    assert sniff(tmp_path / "c.pcap") == "pcap"


def test_a_broken_capture_is_given_up_once() -> None:
    decoder = open_decoder("pcap", "c", {"options": SITE})
    out = Decoded.join([decoder.feed(b"no capture at all, no capture"), decoder.feed(b"more"), decoder.flush()])
    assert out.ledger.rejected == {"not_pcap": 1}
    huge = classic([], 0) + struct.pack("<IIII", 0, 0, 2**31, 2**31)
    assert open_decoder("pcap", "c", {"options": SITE}).feed(huge).ledger.rejected == {"not_pcap": 1}
    cut = open_decoder("pcap", "c", {"options": SITE})
    assert Decoded.join([cut.feed(classic([udp(b"x")], 0)[:-3]), cut.flush()]).ledger.rejected == {"cut_packet": 1}
    with pytest.raises(ConfigError):
        open_decoder("pcap", "c", {"inner": "pcap"})


def test_no_bytes_make_a_capture_or_a_block_fail(rng: np.random.Generator) -> None:
    good = classic([udp(b"abc"), udp(b"def")], 5)
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 4):
            data[at] = rng.integers(0, 256)
        decoder = open_decoder("pcap", "c", {"options": SITE})
        out = Decoded.join([decoder.feed(bytes(data)), decoder.flush()])
        assert out.ledger.lines == out.ledger.accounted
        radar = AsterixDecoder("a", **SITE)
        noise = rng.integers(0, 256, 200, dtype=np.uint8).tobytes()
        heads = bytes([int(rng.choice([10, 21, 48, 62])), 0, 60]) + noise
        out = Decoded.join([radar.feed(heads, MIDNIGHT), radar.flush()])
        assert out.ledger.lines == out.ledger.accounted
