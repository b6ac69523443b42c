"""What the peers' expected values are called here, and where they are: for the tests that compare with them.

Differences are listed with their reason; the same table stands in docs/reference/ais-conformance.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kuroshio.sensing import ais

# gpsd name -> our raw name, where they differ
GPSD_NAMES = {
    "status": "nav_status", "turn": "rot", "speed": "sog", "accuracy": "position_accurate", "course": "cog",
    "second": "utc_second", "maneuver": "manoeuvre", "epfd": "fix_type", "callsign": "call_sign", "shipname": "name",
    "shiptype": "ship_type", "seqno": "sequence", "fid": "fi", "alt": "altitude", "cs": "carrier_sense",
    "band": "whole_band", "msg22": "accepts_22", "txrx": "tx_rx_mode", "power": "low_power", "band_a": "narrow_band_a",
    "band_b": "narrow_band_b", "zonesize": "zone_size", "stationtype": "station_type", "quiet": "quiet_min",
    "ne_lon": "lon1", "ne_lat": "lat1", "sw_lon": "lon2", "sw_lat": "lat2", "gnss": "not_current_gnss",
    "model": "vendor_model", "serial": "vendor_serial", "mothership_mmsi": "mothership_mmsi",
    "mmsi1": "dest_mmsi1", "mmsi2": "dest_mmsi2", "mmsi3": "dest_mmsi3", "mmsi4": "dest_mmsi4",
    "type1_1": "asked_type1_1", "offset1_1": "slot_offset1_1", "type1_2": "asked_type1_2",
    "offset1_2": "slot_offset1_2", "type2_1": "asked_type2_1", "offset2_1": "slot_offset2_1",
    "offset1": "slot_offset1", "offset2": "slot_offset2", "offset3": "slot_offset3", "offset4": "slot_offset4",
    "number1": "slots1", "number2": "slots2", "number3": "slots3", "number4": "slots4",
    "timeout1": "timeout_min1", "timeout2": "timeout_min2", "timeout3": "timeout_min3", "timeout4": "timeout_min4",
    "dest1": "dest_mmsi1", "dest2": "dest_mmsi2", "dest_mmsi": "dest_mmsi",
}  # fmt: skip
ABOUT_THE_PEER = {"class", "device", "scaled", "status_text", "epfd_text", "shiptype_text", "aid_type_text",
                  "stationtype_text"}  # fmt: skip
# gpsd differences: (type, gpsd's field) -> why ours is as it is
GPSD_DIFFERENT = {
    (1, "radio"): "the sample's last type 1 ends 5 bits early: a field not held whole is absent; gpsd pads it",
    (7, "mmsi3"): "the sample ends 24 bits into the third MMSI: a field the payload does not hold whole is absent",
    (9, "regional"): "M.1371-5: one bit altitude sensor and seven spare; gpsd keeps M.1371-1's eight regional bits",
    (9, "radio"): "M.1371-5: selector flag and 19 bits; gpsd joins the 20",
    (18, "radio"): "M.1371-5: selector flag and 19 bits; gpsd joins the 20",
    (18, "reserved"): "spare in M.1371-5",
    (18, "regional"): "spare in M.1371-5",
    (19, "reserved"): "spare in M.1371-5",
    (19, "regional"): "spare in M.1371-5",
    (24, "vendorid"): "M.1371-5: three characters, model and serial; gpsd prints all 42 bits as text beside them",
    (24, "shipname"): "gpsd puts the name of part A into part B; here a row is a part, and part A has it",
    (26, "data"): "gpsd's last byte shows bits beyond the length it states; ours are zero",
    (26, "radio"): "gpsd prints 0; the last 19 bits of the message are the communication state",
}  # fmt: skip


def gpsd_cases(folder: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    for line in (folder / "conformance" / "gpsd_sample.jsonl").read_text().splitlines():
        case = json.loads(line)
        for expected in case["expected_unscaled"]:
            yield whole(folder, case["sentences"]), expected


def whole(folder: Path, sentences: list[str]) -> list[str]:
    """The sentences, with the first part found in the log where the case has only the second."""
    if sentences[0].split(",")[2] == "1":
        return sentences
    log = (folder / "gpsd" / "sample.aivdm").read_text().splitlines()
    head = sentences[0].replace(",2,2,", ",2,1,")[:15]
    first = [line for line in log[: log.index(sentences[0])] if line.startswith(head)][-1]
    return [first, *sentences]


def raw_fields(sentences: list[str]) -> dict[str, Any]:
    """All fields of the last message of the sentences, by the plain decoder."""
    payload, fill = b"", 0
    for sentence in sentences:
        fields = sentence[sentence.index("!") :].split(",")
        payload = fields[5].encode() if fields[2] == "1" else payload + fields[5].encode()
        fill = int(fields[6][0])
    told = ais.unpack(*ais.unarmour(payload, fill))
    assert told is not None
    return told


def shown(value: Any) -> Any:
    return value.split("@")[0].rstrip(" ") if isinstance(value, str) else value


def gpsd_value(told: dict[str, Any], name: str) -> Any:
    if name == "timestamp":
        return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(
            *(told[f"utc_{n}"] for n in ("year", "month", "day", "hour", "minute", "second"))
        )
    if name == "eta":
        return "{:02}-{:02}T{:02}:{:02}Z".format(*(told[f"eta_{n}"] for n in ("month", "day", "hour", "minute")))
    if name == "regional" and told["type"] == 21:
        return told["aid_status"]
    if name == "data":
        return f"{told['data_bits']}:{told['data'].hex()}"
    if name == "app_id":
        return (told["dac"] << 6 | told["fi"]) if "dac" in told else 0
    if name == "name" and "name_extension" in told:
        return shown(told["name"] + told["name_extension"])
    own = GPSD_NAMES.get(name, name)
    own = "dest_mmsi1" if own == "dest_mmsi" and own not in told else own
    return shown(told.get(own, 0))


LIBAIS_SCALED = {"sog": 1852 / 3600, "cog": 1.0, "x": 1.0, "y": 1.0}
LIBAIS_NAMES = {
    "id": "type", "repeat_indicator": "repeat", "position_accuracy": "position_accurate", "timestamp": "utc_second",
    "true_heading": "heading", "special_manoeuvre": "manoeuvre", "imo_num": "imo", "callsign": "call_sign",
    "dim_a": "to_bow", "dim_b": "to_stern", "dim_c": "to_port", "dim_d": "to_starboard", "type_and_cargo": "ship_type",
    "seq": "sequence", "seq_num": "sequence", "mmsi_dest": "dest_mmsi", "retransmitted": "retransmit",
    "alt": "altitude", "alt_sensor": "altitude_barometric", "assigned_mode": "assigned", "mode_flag": "assigned",
    "unit_flag": "carrier_sense", "display_flag": "display", "dsc_flag": "dsc", "band_flag": "whole_band",
    "m22_flag": "accepts_22", "commstate_flag": "radio_itdma", "transmission_ctl": "long_range_off",
    "aton_type": "aid_type", "aton_status": "aid_status", "off_pos": "off_position", "virtual_aton": "virtual_aid",
    "chan_a": "channel_a", "chan_b": "channel_b", "chan_a_bandwidth": "narrow_band_a",
    "chan_b_bandwidth": "narrow_band_b", "power_low": "low_power", "txrx_mode": "tx_rx_mode",
    "dest_mmsi_1": "dest_mmsi1", "dest_mmsi_2": "dest_mmsi2", "mmsi_1": "dest_mmsi1", "mmsi_2": "dest_mmsi2",
    "msg_1_1": "asked_type1_1", "slot_offset_1_1": "slot_offset1_1", "dest_msg_1_2": "asked_type1_2",
    "slot_offset_1_2": "slot_offset1_2", "msg_2": "asked_type2_1", "slot_offset_2": "slot_offset2_1",
    "dest_mmsi_a": "dest_mmsi1", "offset_a": "slot_offset1", "inc_a": "increment1", "dest_mmsi_b": "dest_mmsi2",
    "offset_b": "slot_offset2", "inc_b": "increment2", "interval_raw": "interval", "quiet": "quiet_min",
    "part_num": "part", "year": "utc_year", "month": "utc_month", "day": "utc_day", "hour": "utc_hour",
    "minute": "utc_minute", "second": "utc_second",
}  # fmt: skip
# parts of the communication state (our `radio` holds them), spare bits, and values derived by libais
LIBAIS_STATE = {"slot_timeout", "sync_state", "utc_hour", "utc_min", "utc_spare", "slot_offset", "slot_number",
                "received_stations", "keep_flag", "slot_increment", "slots_to_allocate", "rot_over_range", "spare",
                "spare2", "spare3", "spare4", "spare5"}  # fmt: skip
LIBAIS_DIFFERENT = {
    (6, "retransmit"): "libais gives the flag inverted for type 6, as sent for type 12",
    (17, "x"): "libais scales 1/10 minute as 1/600 degree in single precision",
    (24, "vendor_id"): "libais reads M.1371-3's 42 bits as text; M.1371-5 splits them",
    (27, "gnss"): "libais inverts the latency flag: true for a current position",
    (8, "contents"): "see test_contents_equal_libais",
}


def libais_cases(folder: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    for case in json.loads((folder / "conformance" / "libais_test_data.json").read_text())["top_level"]:
        yield case["nmea"], case["result"]


def libais_value(told: dict[str, Any], name: str) -> Any:
    if name in ("x", "y", "x1", "y1", "x2", "y2"):
        raw = told[{"x": "lon", "y": "lat"}[name[0]] + name[1:]]
        return raw / (600 if told["type"] in (17, 22, 23, 27) else 600_000)
    if name == "rot":
        return math.copysign((told["rot"] / 4.733) ** 2, told["rot"])
    if name in ("sog", "cog") and told["type"] != 27 and not (told["type"] == 9 and name == "sog"):
        return told[name] / 10
    if name == "draught":
        return told["draught"] / 10
    if name == "acks":
        return [[told[f"dest_mmsi{n}"], told[f"sequence{n}"]] for n in (1, 2, 3, 4) if f"dest_mmsi{n}" in told]
    if name == "reservations":
        return [
            {"incr": told[f"increment{n}"], "num_slots": told[f"slots{n}"], "offset": told[f"slot_offset{n}"],
             "timeout": told[f"timeout_min{n}"]}
            for n in (1, 2, 3, 4) if f"increment{n}" in told
        ]  # fmt: skip
    if name.startswith("eta_"):
        return told[name]
    own = LIBAIS_NAMES.get(name, name)
    value = told.get("dest_mmsi1" if own == "dest_mmsi" and own not in told else own, 0)
    return value if not isinstance(value, bool) else int(value)
