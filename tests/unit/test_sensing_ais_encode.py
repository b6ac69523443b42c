"""The encoder: sentences as the standard has them, one by one and in arrays, and clear errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kuroshio.errors import InputError
from kuroshio.sensing.ais import encode, encode_position, encode_positions, pack, unarmour, unpack

TYPE_5 = (
    b"!AIVDM,2,1,3,A,56K8@vh2:w;D`OG??R0dTq9UF0l59F222222221@:HE694o`0@ORT80j0`<r3PDR,0*0D",
    b"!AIVDM,2,2,3,A,E0JH882,2*52",
)


def payload_of(lines: list[bytes]) -> tuple[int, int]:
    fields = [line.split(b"!")[1].split(b",") for line in lines]
    return unarmour(b"".join(f[5] for f in fields), int(fields[-1][6][:1]))


def test_a_known_sentence_comes_back_bit_for_bit() -> None:
    known = b"!AIVDM,1,1,,A,133sVfPP00PD>hRMDH@jNOvN20S8,0*7F"
    message = unpack(*payload_of([known]))
    assert message is not None
    assert message["mmsi"] == 205448890
    assert encode(message) == [known]


def test_a_message_of_two_parts_comes_back_bit_for_bit() -> None:
    message = unpack(*payload_of(list(TYPE_5)))
    assert message is not None
    lines = encode(message, sequence=3, tag_block={"g": 77, "s": "x"})
    assert payload_of(lines) == payload_of(list(TYPE_5))
    assert lines[0].startswith(b"\\g:1-2-77,s:x*")
    assert lines[1].startswith(b"\\g:2-2-77*")


def test_fields_not_given_are_not_available() -> None:
    message = unpack(*pack({"msg_type": 1, "mmsi": 1}))
    assert message is not None
    assert (message["lon"], message["lat"]) == (181 * 600_000, 91 * 600_000)
    assert (message["sog"], message["cog"], message["heading"], message["rot"]) == (1023, 3600, 511, -128)


@pytest.mark.parametrize("msg_type", [1, 2, 3, 9, 18, 27])
def test_arrays_give_the_same_sentences_as_one_by_one(msg_type: int, rng: np.random.Generator) -> None:
    rows = 200
    columns = {
        "mmsi": rng.integers(0, 1 << 30, rows),
        "lat_deg": rng.uniform(-90, 90, rows),
        "lon_deg": rng.uniform(-180, 180, rows),
        "sog_mps": rng.uniform(0, 40, rows),
        "cog_deg": np.append(rng.uniform(-360, 720, rows - 2), [359.999, math.nan]),
    }
    if msg_type in (1, 2, 3, 18):
        columns["heading_deg"] = rng.uniform(0, 360, rows)
    if msg_type in (1, 2, 3):
        columns["rot_degpmin"] = rng.uniform(-800, 800, rows)
    times = rng.integers(10**15, 2 * 10**15, rows)
    times[::2] -= times[::2] % 1_000_000
    feed = encode_positions(columns, msg_type=msg_type, station="LUZON-1", time_us=times, channel="B")
    lines = feed.split(b"\r\n")[:-1]
    assert len(lines) == rows
    for row, line in enumerate(lines):
        one = encode_position(
            msg_type=msg_type,
            position_accurate=False,
            channel="B",
            tag_block={"s": "LUZON-1", "time_us": int(times[row])},
            **{name: values[row].item() for name, values in columns.items()},
        )
        assert line == one


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"msg_type": 28, "mmsi": 1}, "ais.type"),
        ({"msg_type": 1, "mmsi": 1, "draught": 3}, "ais.field"),
        ({"msg_type": 1}, "ais.field"),
        ({"msg_type": 1, "mmsi": 1 << 30}, "ais.range"),
        ({"msg_type": 1, "mmsi": 1, "lat_deg": 90.5}, "ais.range"),
        ({"msg_type": 5, "mmsi": 1, "name": "TOO LONG A NAME FOR TWENTY"}, "ais.range"),
        ({"msg_type": 5, "mmsi": 1, "name": "Ünder"}, "ais.text"),
        ({"msg_type": 8, "mmsi": 1, "data": bytes(200)}, "ais.length"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(message: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as error:
        encode(message)
    assert error.value.error_code == code


def test_an_array_that_does_not_fit_names_the_row() -> None:
    with pytest.raises(InputError, match="row 1"):
        encode_positions({"mmsi": [1, 2], "lat_deg": [0.0, 99.0], "lon_deg": [0.0, 0.0]})
    with pytest.raises(InputError):
        encode_positions({"mmsi": [1], "name": ["X"]})


def test_a_tag_block_cannot_be_broken_out_of() -> None:
    with pytest.raises(InputError):
        encode({"msg_type": 1, "mmsi": 1}, tag_block={"s": "a\\b"})
