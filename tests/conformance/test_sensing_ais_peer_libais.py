"""libais' expected values of binary contents and of the communication state: every field, equal or argued."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ais_peers import LIBAIS_STATE, libais_cases, raw_fields

from kuroshio.sensing import ais

KN = 1852 / 3600
ENVELOPE = {"id", "repeat_indicator", "mmsi", "seq", "mmsi_dest", "retransmit", "dac", "fi"}
SPARE = {"spare", "spare2", "spare3", "spare4", "spare5", "utc_spare"}
# libais' name -> ours, factor; FI 11 of SN/Circ.236 and the USCG messages name the same thing alike
NAMES: dict[str, tuple[str, float]] = {
    "text": ("text", 1), "ack_required": ("acknowledge", 1), "msg_seq": ("text_sequence", 1),
    "ack_dac": ("ack_dac", 1), "req_dac": ("asked_dac", 1), "req_fi": ("asked_fi", 1),
    "air_pres": ("pressure_hpa", 1), "air_pres_trend": ("pressure_trend", 1), "air_temp": ("air_temperature_c", 1),
    "cur_depth_2": ("current2_depth_m", 1), "cur_depth_3": ("current3_depth_m", 1),
    "cur_dir_2": ("current2_dir_deg", 1), "cur_dir_3": ("current3_dir_deg", 1),
    "cur_speed_2": ("current2_speed_mps", KN), "cur_speed_3": ("current3_speed_mps", KN),
    "dew_point": ("dew_point_c", 1), "horz_vis": ("visibility_m", 1852), "ice": ("ice", 1),
    "precip_type": ("precipitation", 1), "rel_humid": ("humidity_percent", 1), "sea_state": ("sea_state", 1),
    "surf_cur_dir": ("current_dir_deg", 1), "surf_cur_speed": ("current_speed_mps", KN),
    "swell_dir": ("swell_dir_deg", 1), "swell_height": ("swell_height_m", 1), "swell_period": ("swell_period_s", 1),
    "water_level": ("water_level_m", 1), "water_level_trend": ("water_level_trend", 1),
    "water_temp": ("water_temperature_c", 1), "wave_dir": ("wave_dir_deg", 1), "wave_height": ("wave_height_m", 1),
    "wave_period": ("wave_period_s", 1), "wind_ave": ("wind_speed_mps", KN), "wind_dir": ("wind_dir_deg", 1),
    "wind_gust": ("wind_gust_mps", KN), "wind_gust_dir": ("wind_gust_dir_deg", 1), "x": ("lon_deg", 1),
    "y": ("lat_deg", 1), "country": ("country", 1), "version": ("version", 1), "utc_day": ("day", 1),
    "utc_hour": ("hour", 1), "utc_min": ("minute", 1), "pressure": ("pressure_hpa", 1),
    "wind_speed": ("wind_speed_mps", KN), "report_type": ("sensor", 1), "utc_hr": ("hour", 1), "site_id": ("site", 1),
    "sensor_type": ("data_descriptor", 1), "wind_forecast": ("forecast_speed_mps", KN),
    "wind_gust_forecast": ("forecast_gust_mps", KN), "wind_speed_forecast": ("forecast_speed_mps", KN),
    "wind_dir_forecast": ("forecast_dir_deg", 1), "utc_day_forecast": ("forecast_day", 1),
    "utc_hour_forecast": ("forecast_hour", 1), "utc_min_forecast": ("forecast_minute", 1),
    "duration": ("duration_min", 1), "altitude": ("altitude_m", 1), "owner": ("owner", 1), "timeout": ("timeout", 1),
    "air_temp_sensor_type": ("air_descriptor", 1), "precip": ("precipitation", 1),
    "dew_point_type": ("dew_point_descriptor", 1), "air_pressure": ("pressure_hpa", 1),
    "air_pressure_trend": ("pressure_trend", 1), "air_pressure_sensor_type": ("pressure_descriptor", 1),
    "salinity": ("salinity_permille", 1), "averaging_time": ("averaging_min", 1),
}  # fmt: skip
# values that libais prints although they say "not available": ours are null. SN/Circ.236; USCG environmental message
NOT_AVAILABLE = {
    "cur_depth_2": 31, "cur_depth_3": 31, "cur_dir_2": 511, "cur_dir_3": 511, "cur_speed_2": 25.5, "cur_speed_3": 25.5,
    "dew_point": 82.3, "horz_vis": 25.5, "ice": 3, "precip_type": 7, "surf_cur_dir": 511, "surf_cur_speed": 25.5,
    "swell_dir": 511, "swell_height": 25.5, "swell_period": 63, "water_level": 41.1, "water_level_trend": 3,
    "water_temp": 92.3, "wave_dir": 511, "wave_height": 25.5, "wave_period": 63, "precip": 3, "air_pressure_trend": 3,
}  # fmt: skip
ARGUED = {
    ("wind_gust_dir", "16"): "libais gives the gust's speed; SN/Circ.236 has the gust's direction here, 109",
    ("ext_water_level", "0"): "not a field of SN/Circ.236: libais names a spare bit so",
    ("levels", None): "libais reads sign and magnitude as one unsigned number",
}


def content_of(sentences: list[str]) -> dict[str, Any]:
    fields = [sentence.split(",") for sentence in sentences]  # libais takes the body of a lone part as a message
    payload, fill = "".join(f[5] for f in fields).encode(), int(fields[-1][6][0])
    (row,) = ais.decode(b"\n".join(ais.sentences(payload, fill, sequence=1))).table("binary").to_pylist()
    content: dict[str, Any] = json.loads(row["content"])
    return content


def outcome(content: dict[str, Any], name: str, wanted: Any) -> str:
    if name in SPARE:
        return "spare"
    if (name, None) in ARGUED or (name, repr(wanted)) in ARGUED:
        return "argued"
    own, factor = NAMES[name]
    if wanted is None:
        assert content[own] is None, (name, content)
        return "null"
    if content[own] is None:
        assert wanted is None or wanted == pytest.approx(NOT_AVAILABLE[name], abs=1e-4), (name, wanted)
        return "null"
    if isinstance(wanted, bool | str):
        assert content[own] == wanted, name
    else:
        assert content[own] == pytest.approx(wanted * factor, abs=0.006), (name, content)
    return "equal"


def test_every_field_of_contents_equals_libais_or_is_argued(shared_data: Path) -> None:
    outcomes: Counter[str] = Counter()
    for sentences, expected in libais_cases(shared_data):
        if expected["id"] not in (6, 8):
            continue
        content = content_of(sentences)
        for name in expected.keys() - ENVELOPE:
            wanted = expected[name]
            if name == "gauge_ids":
                assert [g["gauge"] for g in content["gauges"]] == wanted
                outcomes["equal"] += len(wanted)
            elif name in ("capabilities", "cap_reserved"):
                outcomes["equal"] += len(wanted) if capabilities(content, name) == wanted else 0
            elif name == "ack_dac" and expected["fi"] == 4:
                assert content["reply_dac"] == wanted
                outcomes["equal"] += 1
            elif name == "reports":
                for report, told in zip(content["reports"], wanted, strict=True):
                    outcomes.update(outcome(report, key, value) for key, value in told.items())
            else:
                outcomes[outcome(content, name, wanted)] += 1
    assert outcomes == {"equal": 211, "null": 43, "spare": 26, "argued": 3}


def capabilities(content: dict[str, Any], name: str) -> list[int]:
    """The 64 pairs of bits: available, reserved (ITU-R M.1371-5 annex 5, FI 4)."""
    bits = "".join(f"{content[f'available{k}']:016b}" for k in range(8))
    return [int(bit) for bit in bits[name == "cap_reserved" :: 2]]


def state(radio: int, itdma: bool) -> dict[str, Any]:
    """What a communication state says. Source: ITU-R M.1371-5, annex 2, 3.3.7.2 (SOTDMA) and 3.3.7.3 (ITDMA)."""
    told: dict[str, Any] = {"sync_state": radio >> 17}
    if itdma:
        return told | {
            "slot_increment": radio >> 4 & 8191,
            "slots_to_allocate": radio >> 1 & 7,
            "keep_flag": bool(radio & 1),
        }
    told["slot_timeout"] = radio >> 14 & 7
    sub = radio & 0x3FFF
    if told["slot_timeout"] == 0:
        return told | {"slot_offset": sub}
    if told["slot_timeout"] == 1:
        return told | {"utc_hour": sub >> 9, "utc_min": sub >> 2 & 127, "utc_spare": sub & 3}
    return told | ({"received_stations": sub} if told["slot_timeout"] in (3, 5, 7) else {"slot_number": sub})


def test_the_communication_state_kept_as_sent_says_what_libais_says(shared_data: Path) -> None:
    compared = 0
    for sentences, expected in libais_cases(shared_data):
        told = raw_fields(sentences)
        if "radio" not in told:
            continue
        says = state(told["radio"], told["type"] == 3 or bool(told.get("radio_itdma")))
        for name in expected.keys() & (LIBAIS_STATE - SPARE - {"rot_over_range"}):
            compared += 1
            assert says[name] == expected[name], (sentences, name, says)
    assert compared == 28


def test_a_turn_out_of_range_is_the_code_that_tells_only_a_direction(shared_data: Path) -> None:
    for sentences, expected in libais_cases(shared_data):
        if "rot_over_range" in expected:
            rot = raw_fields(sentences)["rot"]
            assert expected["rot_over_range"] == (abs(rot) >= 127 or math.isinf(rot)), (sentences, rot)


def test_an_area_notice_is_in_metres_as_libais_says(shared_data: Path) -> None:
    log = (shared_data / "libais" / "typeexamples.nmea").read_bytes()
    told = [json.loads(line) for line in (shared_data / "libais" / "typeexamples.json").read_text().splitlines()]
    (wanted,) = [one["sub_areas"][0] for one in told if "sub_areas" in one]
    contents = [json.loads(c) for c in ais.decode(log).table("binary")["content"].to_pylist() if c]
    (area,) = next(c for c in contents if "areas" in c)["areas"]
    assert (area["radius_m"], area["precision"]) == (wanted["radius"], wanted["precision"]) == (9260, 4)
    assert (area["lon_deg"], area["lat_deg"]) == pytest.approx((wanted["x"], wanted["y"]), abs=1e-6)
