"""ASTERIX category 048: equal to libasterix field by field, whole under cuts, exact about what was not read."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kuroshio.errors import ConfigError
from kuroshio.sensing.asterix import ANGLE_LSB_DEG, RANGE_LSB_M, AsterixDecoder
from kuroshio.sensing.asterix_encode import encode_cat048
from kuroshio.sensing.asterix_scan import scan_block
from kuroshio.sensing.asterix_spec import layout
from kuroshio.testing.decoding import in_steps

DAY = 86_400_000_000
MIDNIGHT = 20_600 * DAY
NOW = MIDNIGHT + 43_200_000_000


def radar(**settings: object) -> AsterixDecoder:
    return AsterixDecoder("basco", lat_deg=20.45, lon_deg=121.97, antenna_height_m=50.0, **settings)  # type: ignore[arg-type]


def plots(count: int = 40, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "at_us": NOW + np.arange(count) * 100_000,
        "range_m": rng.uniform(500.0, 120_000.0, count),
        "bearing_deg": rng.uniform(0.0, 360.0, count),
        "track_number": np.where(rng.random(count) < 0.5, -1, np.arange(count)),
        "sog_mps": np.where(rng.random(count) < 0.5, np.nan, rng.uniform(0.0, 20.0, count)),
        "cog_deg": rng.uniform(0.0, 360.0, count),
    }


def blocks(**changes: object) -> list[bytes]:
    return encode_cat048(sac=30, sic=7, **{**plots(), **changes})  # type: ignore[arg-type]


def test_decoding_gives_back_what_was_encoded_to_the_step_of_the_format() -> None:
    sent = plots()
    out = radar().feed(b"".join(blocks()), NOW)
    assert out.ledger.as_dict() == {
        "lines": 40, "messages": 40, "parts": 0, "comments": 0, "waiting": 0, "rejects": {},
    }  # fmt: skip
    rows = out.table("observations")
    assert rows["range_m"].to_numpy() == pytest.approx(sent["range_m"], abs=RANGE_LSB_M / 2 + 1e-6)
    turn = (rows["bearing_deg"].to_numpy() - sent["bearing_deg"] + 180) % 360 - 180
    assert np.abs(turn).max() <= ANGLE_LSB_DEG / 2 + 1e-9
    times = rows["observed_at"].cast(pa.int64()).to_numpy()
    assert np.abs(times - sent["at_us"]).max() <= 3907
    assert [-1 if t is None else t for t in rows["local_track"].to_pylist()] == sent["track_number"].tolist()
    assert rows["sog_mps"].null_count == int(np.isnan(sent["sog_mps"]).sum())
    assert set(rows["station"].to_pylist()) == {"30/7"}


def test_every_field_equals_what_libasterix_reads() -> None:
    import asterix.generated as gen
    from asterix.base import Bits, RawDatablock

    uap = gen.Cat_048_1_32.cv_uap
    expected = []
    for block in blocks():
        (parsed,) = RawDatablock.parse(Bits.from_bytes(block))
        for record in uap.parse(parsed.get_raw_records()):
            polar = record.get_item("040").variation
            velocity, track = record.get_item("200"), record.get_item("161")
            expected.append(
                (
                    polar.get_item("RHO").variation.content.as_quantity("NM") * 1852.0,
                    polar.get_item("THETA").variation.content.as_quantity("°"),
                    velocity and velocity.variation.get_item("GSP").variation.content.as_quantity("NM/s") * 1852.0,
                    velocity and velocity.variation.get_item("HDG").variation.content.as_quantity("°"),
                    track and track.variation.get_item("TRN").as_uint(),
                    round(record.get_item("140").variation.content.as_quantity("s") * 1e6),
                )
            )
    rows = radar().feed(b"".join(blocks()), NOW).table("observations")
    got = zip(
        *(rows[n].to_pylist() for n in ("range_m", "bearing_deg", "sog_mps", "cog_deg", "local_track")),
        (rows["observed_at"].cast(pa.int64()).to_numpy() - MIDNIGHT).tolist(),
        strict=True,
    )
    for mine, theirs in zip(got, expected, strict=True):
        assert mine == pytest.approx(theirs, nan_ok=True)


@pytest.mark.parametrize("edition", ["1.27", "1.28", "1.29", "1.30", "1.31", "1.32"])
def test_items_we_do_not_use_are_stepped_over_in_every_edition(edition: str) -> None:
    import asterix.generated as gen

    spec = getattr(gen, f"Cat_048_{edition.replace('.', '_')}")
    record = spec.cv_uap.cv_record.create(
        {
            "010": (("SAC", 1), ("SIC", 2)),
            "140": (43_200.0, "s"),
            "020": ((1, 0, 0, 0, 0, None), (0, 0, 0, 0, 0, 0, None)),
            "040": (("RHO", (10.0, "NM")), ("THETA", (90.0, "°"))),
            "070": 0,
            "090": 0,
            "130": {"SRL": 1, "SAM": 3},
            "220": 0xABCDEF,
            "250": [1, 2, 3],
            "161": (0, 77),
            "030": [5, 6],
            "SP": b"\x01\x02\x03",
            "RE": b"\x09",
        }
    )
    data = spec.create([record, record]).unparse().to_bytes()
    out = radar(category_editions={48: edition}).feed(data, NOW)
    assert out.table("observations")["local_track"].to_pylist() == [77, 77]
    assert out.table("observations")["range_m"].to_pylist() == pytest.approx([18520.0] * 2)


@pytest.mark.parametrize(
    ("of_day_us", "arrival", "expected"),
    [(DAY - 500_000, MIDNIGHT + 1_000_000, MIDNIGHT - 500_000), (500_000, MIDNIGHT - 1_000_000, MIDNIGHT + 500_000)],
)
def test_the_day_is_the_one_nearest_to_arrival(of_day_us: int, arrival: int, expected: int) -> None:
    data = encode_cat048(sac=1, sic=1, at_us=[of_day_us], range_m=[1e4], bearing_deg=[1.0])[0]
    out = radar().feed(data, arrival)
    assert out.table("observations")["observed_at"].cast(pa.int64()).to_pylist() == [expected]


def test_an_archive_goes_through_midnight_from_its_reference() -> None:
    times = MIDNIGHT + DAY - 2_000_000 + np.arange(5) * 1_000_000
    data = b"".join(encode_cat048(sac=1, sic=1, at_us=times, range_m=[1e4] * 5, bearing_deg=[1.0] * 5))
    out = radar(reference_us=MIDNIGHT + 5).feed(data)
    assert out.table("observations")["observed_at"].cast(pa.int64()).to_pylist() == times.tolist()
    assert radar().feed(data).ledger.rejected == {"no_time": 5}


def test_reads_may_be_cut_anywhere_also_through_rubbish() -> None:
    junk = b"\x30\x00\x01\xff\xff\x30\x00"
    whole = blocks()[0] + junk + b"".join(blocks()) + b"\x22\x00\x05\x80\x01" + b"\x63\x00\x05ab" + b"\x30\x00\x50\x01"
    one = in_steps(radar(), whole, None, NOW)
    for step in (1, 3, 11):
        many = in_steps(radar(), whole, step, NOW)
        assert one.table("observations").equals(many.table("observations"))
        assert one.ledger == many.ledger
        assert one.table("rejects").equals(many.table("rejects"))
    assert one.ledger.lines == one.ledger.accounted
    assert one.ledger.comments == 1
    assert set(one.ledger.rejected) == {"bad_length", "unsupported_category", "cut_block"}


def test_a_cut_datagram_does_not_reach_into_the_next() -> None:
    block = blocks()[0]
    decoder = radar(framing="datagram")
    first, second = decoder.feed(block[:-5], NOW), decoder.feed(block, NOW)
    assert first.ledger.rejected == {"cut_block": 1}
    assert second.ledger.rejected == {}
    assert second.ledger.messages > 0


def test_a_broken_record_is_one_reject_and_the_records_before_it_are_kept() -> None:
    block = blocks()[0]
    broken = bytes([48]) + (len(block) + 2).to_bytes(2, "big") + block[3:] + b"\xff\xff"
    out = radar().feed(broken, NOW)
    assert out.ledger.rejected == {"bad_record": 1}
    assert out.ledger.messages == radar().feed(block, NOW).ledger.messages
    assert out.table("rejects")["raw"].to_pylist() == [b"\xff\xff"]


def test_records_without_position_or_of_a_test_are_no_observations() -> None:
    import asterix.generated as gen

    spec = gen.Cat_048_1_32
    bare = spec.cv_uap.cv_record.create({"010": (("SAC", 1), ("SIC", 2)), "140": (1.0, "s")})
    test = spec.cv_uap.cv_record.create(
        {
            "140": (1.0, "s"),
            "020": ((1, 0, 0, 0, 0, None), (1, 0, 0, 0, 0, 0, None)),
            "040": (("RHO", (10.0, "NM")), ("THETA", (90.0, "°"))),
        }
    )
    cartesian = spec.cv_uap.cv_record.create({"140": (1.0, "s"), "042": (("X", (3.0, "NM")), ("Y", (-4.0, "NM")))})
    out = radar().feed(spec.create([bare, test, cartesian]).unparse().to_bytes(), MIDNIGHT)
    assert out.ledger.rejected == {"no_position": 1}
    assert out.ledger.comments == 1
    assert out.table("observations")["range_m"].to_pylist() == pytest.approx([5 * 1852.0])
    assert out.table("observations")["bearing_deg"].to_pylist() == pytest.approx([143.1301], abs=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {"category_editions": {48: "9.9"}},
        {"framing": "morse"},
        {"scan_s": 0.0},
        {"range_sigma_m": -1.0},
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        radar(**settings)


def test_the_walk_never_leaves_the_block(rng: np.random.Generator) -> None:
    spec = layout(48)
    for _ in range(3000):
        data = rng.integers(0, 256, rng.integers(1, 60), dtype=np.uint8)
        offsets = np.full((40, len(spec.items)), -1, np.int64)
        count, stop = scan_block(data, 0, len(data), spec.frns, spec.fspec_bytes, spec.items, spec.extents, offsets)
        assert 0 <= stop <= len(data)
        assert offsets[:count].max(initial=-1) < len(data)
