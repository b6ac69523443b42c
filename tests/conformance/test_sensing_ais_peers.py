"""gpsd's raw values and libais' expected values, every field; differences stand in `ais_peers` with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from ais_peers import (
    ABOUT_THE_PEER,
    GPSD_DIFFERENT,
    LIBAIS_DIFFERENT,
    LIBAIS_STATE,
    gpsd_cases,
    gpsd_value,
    libais_cases,
    libais_value,
    raw_fields,
)


def test_every_raw_field_equals_gpsd_or_the_difference_is_argued(shared_data: Path) -> None:
    compared, different = 0, set()
    for sentences, expected in gpsd_cases(shared_data):
        told = raw_fields(sentences)
        for name, wanted in expected.items():
            if name in ABOUT_THE_PEER:
                continue
            if expected["type"] in (6, 8) and name not in {"type", "repeat", "mmsi", "seqno", "dest_mmsi", "retransmit",
                                                           "dac", "fid", "data"}:  # fmt: skip
                continue  # contents: compared below
            value = gpsd_value(told, name)
            compared += 1
            if value != wanted:
                different.add((expected["type"], name))
                assert (expected["type"], name) in GPSD_DIFFERENT, (sentences, name, value, wanted)
    assert compared == 962  # of 1,737: 319 are gpsd's own words, 456 contents of types 6 and 8
    assert different <= set(GPSD_DIFFERENT)


def test_every_field_equals_libais_or_the_difference_is_argued(shared_data: Path) -> None:
    compared = 0
    for sentences, expected in libais_cases(shared_data):
        told = raw_fields(sentences)
        for name, wanted in expected.items():
            application = told["type"] in (6, 8) and name not in {"id", "mmsi", "repeat_indicator", "dac", "fi",
                                                                  "mmsi_dest", "seq", "retransmit"}  # fmt: skip
            if name in LIBAIS_STATE or application or (told["type"], name) in LIBAIS_DIFFERENT:
                continue
            value = libais_value(told, name)
            if isinstance(value, str) and isinstance(wanted, str):
                value, wanted = value.rstrip("@ "), wanted.rstrip("@ ")
            compared += 1
            if name == "rot" and abs(told["rot"]) >= 127:
                continue  # libais computes a rate from the codes that only tell a direction
            assert value == pytest.approx(wanted, rel=1e-6) if isinstance(wanted, float) else value == wanted, (
                sentences, name, value, wanted,
            )  # fmt: skip
    assert compared == 359
