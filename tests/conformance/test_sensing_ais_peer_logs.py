"""gpsd's own regression logs: every field of every message, by the plain form and by the columns of the byte engine.

Contents of binary messages included; what differs is listed with its reason, here and in
docs/reference/ais-conformance.md.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ais_peers import ABOUT_THE_PEER, GPSD_DIFFERENT, GPSD_NAMES, gpsd_cases, gpsd_value, raw_fields

from kuroshio.sensing import ais
from kuroshio.sensing.ais.layouts import choose

Case = tuple[list[str], dict[str, Any]]
ENVELOPE = {"type", "repeat", "mmsi", "seqno", "dest_mmsi", "retransmit", "dac", "fid", "data"}  # of types 6 and 8
# log -> messages, and fields compared raw
LOGS = {
    "ais-18-27.log.chk": (138, 2070), "ais-nmea-type6-fid55.log.chk.gz": (1265, 18_720),
    "ais-nmea.log.chk": (274, 4082), "ais-raw-messages.log.chk": (108, 1637), "ais_unpack_sixbit.log.chk": (12, 213),
}  # fmt: skip


def logged(path: Path) -> Iterator[Case]:
    """(sentences, gpsd's raw values) of each AIS message of a log that gpsd has annotated."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    held: list[str] = []
    for line in text.splitlines():
        if line.startswith("!"):
            held = [line] if line.split(",")[2] == "1" else [*held, line]
        elif line.startswith('{"class":"AIS"'):
            yield held, json.loads(line)


def is_content(expected: dict[str, Any], name: str) -> bool:
    return expected["type"] in (6, 8) and name not in ENVELOPE


@pytest.mark.parametrize("name", LOGS)
def test_every_raw_field_of_gpsds_logs_is_equal_or_argued(name: str, shared_data: Path) -> None:
    messages = compared = 0
    for sentences, expected in logged(shared_data / "gpsd" / "daemon" / name):
        told = raw_fields(sentences)
        messages += 1
        for field, wanted in expected.items():
            if field in ABOUT_THE_PEER or is_content(expected, field):
                continue
            compared += 1
            if (value := gpsd_value(told, field)) != wanted:
                assert (expected["type"], field) in GPSD_DIFFERENT, (sentences, field, value, wanted)
    assert (messages, compared) == LOGS[name]


# -- the byte engine's columns


def engine_row(sentences: list[str]) -> dict[str, Any]:
    """Columns of all tables that the last message of the sentences gives a row to, as one mapping."""
    payload, fill = payload_of(sentences)
    decoded = ais.decode(b"\n".join(ais.sentences(payload, fill, sequence=1)))
    assert decoded.ledger.messages == 1, (sentences, decoded.ledger)
    row: dict[str, Any] = {}
    for table in decoded.tables.values():
        (told,) = table.to_pylist()
        row |= {name: value for name, value in told.items() if value is not None or name not in row}
    if row.get("content") and row["msg_type"] not in (6, 8, 17, 25, 26):
        row |= json.loads(row.pop("content"))
    return row


def payload_of(sentences: list[str]) -> tuple[bytes, int]:
    payload, fill = b"", 0
    for sentence in sentences:
        fields = sentence[sentence.index("!") :].split(",")
        payload = fields[5].encode() if fields[2] == "1" else payload + fields[5].encode()
        fill = int(fields[6][0])
    return payload, fill


# fields without a column: class B's equipment flags, what no stage asks for, and what another column says (25 and 26: a
# destination, an application); the plain form has them
NOT_KEPT = {"carrier_sense", "display", "dsc", "whole_band", "accepts_22", "assigned", "dte", "not_current_gnss",
            "addressed", "structured"}  # fmt: skip
RENAMED = {"type": "msg_type"}


def engine_value(row: dict[str, Any], own: str, si: str) -> tuple[str, Any]:
    for column in (RENAMED.get(own, own), f"{own}_raw", si):
        if column in row:
            return column, row[column]
    return "", None


# log -> fields whose column is equal; null, which the standard calls not available; that have no column or no bits
COLUMNS = {
    "ais-18-27.log.chk": {"equal": 1447, "null": 2, "no column": 414},
    "ais-nmea-type6-fid55.log.chk.gz": {"equal": 16_042, "null": 908, "no column": 859},
    "ais-nmea.log.chk": {"equal": 3575, "null": 198, "no column": 68},
    "ais-raw-messages.log.chk": {"equal": 1466, "null": 46, "no column": 36},
    "ais_unpack_sixbit.log.chk": {"equal": 174, "null": 22, "no column": 11},
    "sample": {"equal": 817, "null": 11, "no column": 98},
}


@pytest.mark.parametrize("name", [*LOGS, "sample"])
def test_columns_say_what_gpsd_says(name: str, shared_data: Path) -> None:
    cases = gpsd_cases(shared_data) if name == "sample" else logged(shared_data / "gpsd" / "daemon" / name)
    outcomes: Counter[str] = Counter()
    for sentences, expected in cases:
        row, told = engine_row(sentences), raw_fields(sentences)
        layout = choose(told["type"], *_bits(sentences))
        assert layout is not None
        for field, wanted in expected.items():
            own = GPSD_NAMES.get(field, field)
            if field == "data" and (expected["type"], field) not in GPSD_DIFFERENT:
                assert f"{row['payload_bits']}:{row['payload'].hex()}" == wanted
                outcomes["equal"] += 1
                continue
            if field in ABOUT_THE_PEER or is_content(expected, field) or (expected["type"], field) in GPSD_DIFFERENT:
                continue
            column, value = engine_value(row, own, layout.find(own).si if layout.has(own) else "")
            if not column or not layout.has(own):
                outcomes["no column"] += 1
                beyond = layout.has(own) and layout.starts[own] + layout.find(own).bits > row["bits"] and wanted == 0
                within = expected["type"] == 17  # its position is in the contents
                assert not layout.has(own) or own in NOT_KEPT or beyond or within, (field, sorted(row))
                continue
            if value is None:
                item = layout.find(own)
                absent = wanted == item.absent or (item.si and item.to_si(wanted) is None) or wanted in ("", None)
                unsized = own in {"to_bow", "to_stern", "to_port", "to_starboard"} and wanted == 0
                assert absent or unsized, (sentences, field, wanted)
                outcomes["null"] += 1
                continue
            outcomes["equal"] += 1
            exact = value if column.endswith("_raw") or isinstance(value, str | bool | int) else None
            assert exact == wanted or value == pytest.approx(layout.find(own).to_si(wanted)), (sentences, field, value)
    assert outcomes == COLUMNS[name]


def _bits(sentences: list[str]) -> tuple[int, int]:
    return ais.unarmour(*payload_of(sentences))


# -- contents of binary messages

GPSD_CONTENT = {  # gpsd's raw integer -> ours: name, factor, divisor, offset
    "lat": ("lat_deg", 1, 60_000, 0), "lon": ("lon_deg", 1, 60_000, 0), "wspeed": ("wind_speed_mps", 1852, 3600, 0),
    "wgust": ("wind_gust_mps", 1852, 3600, 0), "wdir": ("wind_dir_deg", 1, 1, 0),
    "wgustdir": ("wind_gust_dir_deg", 1, 1, 0), "humidity": ("humidity_percent", 1, 1, 0),
    "pressuretend": ("pressure_trend", 1, 1, 0), "leveltrend": ("water_level_trend", 1, 1, 0),
    "cspeed": ("current_speed_mps", 1852, 36000, 0), "cdir": ("current_dir_deg", 1, 1, 0),
    "cspeed2": ("current2_speed_mps", 1852, 36000, 0), "cdir2": ("current2_dir_deg", 1, 1, 0),
    "cdepth2": ("current2_depth_m", 1, 1, 0), "cspeed3": ("current3_speed_mps", 1852, 36000, 0),
    "cdir3": ("current3_dir_deg", 1, 1, 0), "cdepth3": ("current3_depth_m", 1, 1, 0),
    "waveheight": ("wave_height_m", 1, 10, 0), "waveperiod": ("wave_period_s", 1, 1, 0),
    "wavedir": ("wave_dir_deg", 1, 1, 0), "swellheight": ("swell_height_m", 1, 10, 0),
    "swellperiod": ("swell_period_s", 1, 1, 0), "swelldir": ("swell_dir_deg", 1, 1, 0),
    "seastate": ("sea_state", 1, 1, 0), "preciptype": ("precipitation", 1, 1, 0),
    "salinity": ("salinity_permille", 1, 10, 0), "ice": ("ice", 1, 1, 0),
    "visibility": ("visibility_m", 1852, 10, 0), "length": ("length_m", 1, 10, 0), "beam": ("beam_m", 1, 10, 0),
    "shiptype": ("inland_type", 1, 1, 0), "hazard": ("hazard", 1, 1, 0), "draught": ("draught_m", 1, 100, 0),
    "loaded": ("loaded", 1, 1, 0), "ana_int": ("supply_v", 5, 100, 0), "ana_ext1": ("external1_v", 5, 100, 0),
    "ana_ext2": ("external2_v", 5, 100, 0), "racon": ("racon", 1, 1, 0), "light": ("light", 1, 1, 0),
    "stat_ext": ("digital", 1, 1, 0), "linkage": ("linkage", 1, 1, 0), "month": ("month", 1, 1, 0),
    "day": ("day", 1, 1, 0),
}  # fmt: skip
OFFSETS = {
    15: {"airdraught": ("air_draught_m", 1, 10, 0), "draught": ("air_draught_m", 1, 10, 0)},
    55: {n: (n, 1, 1, 0) for n in ("crew", "passengers", "personnel")},
    11: {"airtemp": ("air_temperature_c", 1, 10, -60), "dewpoint": ("dew_point_c", 1, 10, -20),
         "pressure": ("pressure_hpa", 1, 1, 800), "waterlevel": ("water_level_m", 1, 10, -10),
         "watertemp": ("water_temperature_c", 1, 10, -10)},
    31: {"airtemp": ("air_temperature_c", 1, 10, 0), "dewpoint": ("dew_point_c", 1, 10, 0),
         "pressure": ("pressure_hpa", 1, 1, 799), "waterlevel": ("water_level_m", 1, 100, -10),
         "watertemp": ("water_temperature_c", 1, 10, 0)},
}  # fmt: skip


GPSD_WORDS = {"preciptype_text", "ice_text", "hazard_text", "loaded_text", "racon_text", "light_text"}
SAID = {  # texts and flags: gpsd's name -> ours
    "accuracy": "position_accurate", "visgreater": "visibility_beyond", "vin": "eni", "off_pos": "off_position",
    "alarm": "alarm", "speed_q": "speed_quality", "course_q": "course_quality", "heading_q": "heading_quality",
    "text": "text",
}  # fmt: skip
# raw values that the circulars call not available, or reserved: null here. SN/Circ.236 (FI 11), SN.1/Circ.289 (FI 31)
NOT_AVAILABLE = {
    "airtemp": {2047, -1024}, "cdepth2": {31}, "cdepth3": {31}, "cdir": {511, 360}, "cdir2": {511, 360},
    "cdir3": {511, 360}, "cspeed": {255}, "cspeed2": {255}, "cspeed3": {255}, "dewpoint": {1023, 501},
    "humidity": {127, 101}, "ice": {3}, "leveltrend": {3}, "preciptype": {7}, "pressure": {511}, "pressuretend": {3},
    "salinity": {511, 510}, "seastate": {15, 13}, "swelldir": {511, 360}, "swellheight": {255}, "swellperiod": {63},
    "visibility": {255, 127}, "waterlevel": {511, 4001}, "watertemp": {1023, 501}, "wavedir": {511, 360},
    "waveheight": {255}, "waveperiod": {63}, "wdir": {511, 360}, "wgust": {127}, "wgustdir": {511, 360},
    "wspeed": {127}, "month": {0}, "day": {0}, "length": {0}, "beam": {0}, "shiptype": {0}, "hazard": {5},
    "draught": {0}, "loaded": {0}, "airdraught": {0}, "crew": {255}, "passengers": {8191}, "personnel": {255},
    "ana_int": {0}, "ana_ext1": {0}, "ana_ext2": {0}, "linkage": {0},
}  # fmt: skip
CONTENT_DIFFERENT = {
    (12, ""): "56 bits of data, SN/Circ.236 has 360: gpsd pads; ours has no contents, only the payload",
    (18, ""): "80 bits of data, SN.1/Circ.289 has 272: the same",
    (14, "tidals"): "71 bits remain of a window's 93: gpsd pads it; a list has whole elements only",
    (32, "tidals"): "71 bits remain of a window's 88: the same",
}


def content_outcome(content: dict[str, Any] | None, expected: dict[str, Any], name: str) -> str:
    """How a field of the contents compares: equal, null, argued or the peer's; raises where it does none of it."""
    wanted, fi = expected[name], expected["fid"]
    if name in GPSD_WORDS:
        return "peer's words"
    if content is None:
        assert (fi, "") in CONTENT_DIFFERENT, (fi, name, wanted)
        return "argued"
    if (fi, name) in CONTENT_DIFFERENT:
        return "argued"
    if name == "timestamp":
        assert "{:02}T{:02}:{:02}Z".format(*(content[n] for n in ("day", "hour", "minute"))) == wanted
        return "equal"
    if name in SAID:
        assert content[SAID[name]] == wanted, (name, content)
        return "equal"
    own, factor, divisor, offset = (GPSD_CONTENT | OFFSETS.get(fi, {}))[name]
    if content[own] is None:
        assert wanted in NOT_AVAILABLE[name], (name, wanted)
        return "null"
    assert content[own] == pytest.approx(wanted * factor / divisor + offset, abs=0.006), (name, content)
    return "equal"


CONTENTS = {
    "sample": {"equal": 178, "null": 226, "argued": 30, "peer's words": 22},
    "ais-nmea-type6-fid55.log.chk.gz": {"equal": 690, "null": 591, "peer's words": 102},
    "ais-nmea.log.chk": {"equal": 77, "null": 13, "peer's words": 18},
}


@pytest.mark.parametrize("name", ["sample", "ais-nmea-type6-fid55.log.chk.gz", "ais-nmea.log.chk"])
def test_every_field_of_contents_is_equal_null_or_argued(name: str, shared_data: Path) -> None:
    cases = gpsd_cases(shared_data) if name == "sample" else logged(shared_data / "gpsd" / "daemon" / name)
    outcomes: Counter[str] = Counter()
    for sentences, expected in cases:
        if expected["type"] not in (6, 8):
            continue
        text = engine_row(sentences)["content"]
        content = None if text is None else json.loads(text)
        for field in expected:
            if field not in ABOUT_THE_PEER and is_content(expected, field):
                outcomes[content_outcome(content, expected, field)] += 1
    assert outcomes == CONTENTS[name]
