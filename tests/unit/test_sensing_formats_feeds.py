"""JSON feeds: what each maker documents becomes rows, and nothing is lost silently."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from kuroshio import clock
from kuroshio.sensing import ais
from kuroshio.sensing.formats_sniff import sniff_bytes
from kuroshio.testing.decoding import NOW_US, lines, one, run
from kuroshio.units import MPS_PER_KN


def us(moment: Any) -> int:
    return round(moment.timestamp() * 1e6)


GPSD = {
    "class": "AIS", "device": "stdin", "type": 1, "repeat": 0, "mmsi": 371798000, "scaled": True, "status": 0,
    "turn": "fastleft", "speed": 12.3, "accuracy": True, "lon": -123.3954, "lat": 48.3816, "course": 224.0,
    "heading": 511, "second": 33, "raim": False,
}  # fmt: skip


def test_gpsd_scaled_and_raw_say_the_same() -> None:
    raw = GPSD | {"scaled": False, "turn": -127, "speed": 123, "lon": -74037240, "lat": 29028960, "course": 2240}
    scaled, plain = one(run("gpsd_json", lines(GPSD))), one(run("gpsd_json", lines(raw)))
    for name in ("lat_raw", "lon_raw", "sog_raw", "cog_raw", "heading_deg", "nav_status", "position_accurate", "mmsi"):
        assert scaled[name] == plain[name], name
    assert scaled["sog_mps"] == pytest.approx(12.3 * MPS_PER_KN)
    assert scaled["heading_deg"] is None
    assert (plain["rot_raw"], plain["rot_degpmin"]) == (-127, None)
    assert us(scaled["observed_at"]) == NOW_US
    assert scaled["time_source"] == "arrival"


def test_gpsd_greetings_are_comments_and_types_it_cannot_carry_are_rejects() -> None:
    out = run("gpsd_json", lines({"class": "VERSION"}, {"class": "TPV"}, GPSD | {"type": 8}, {"class": "SUBFRAME"}))
    assert out.ledger.comments == 2
    assert out.ledger.rejected == {"unsupported": 2}


def test_gpsd_positions_equal_our_own_decoding(shared_data: Path) -> None:
    theirs = run("gpsd_json", (shared_data / "gpsd" / "sample.aivdm.ju.chk").read_bytes()).table("positions")
    ours = ais.decode((shared_data / "gpsd" / "sample.aivdm").read_bytes()).table("positions")
    want = {(r["mmsi"], r["msg_type"], r["utc_second"]): r for r in ours.to_pylist()}
    checked = 0
    for row in theirs.to_pylist():
        if row["msg_type"] in (4, 11, 27):  # they have no second: looked at below
            continue
        same = want[row["mmsi"], row["msg_type"], row["utc_second"]]
        for name in ("lat_raw", "lon_raw", "nav_status", "heading_deg"):
            assert row[name] == same[name], (name, row, same)
        assert row["sog_mps"] == (None if same["sog_mps"] is None else pytest.approx(same["sog_mps"]))
        checked += 1
    assert checked >= 10


@pytest.mark.parametrize("form", ["js", "ju"])
def test_every_table_of_gpsd_equals_our_own_decoding(form: str, shared_data: Path) -> None:
    folder = shared_data / "gpsd"
    out = run("gpsd_json", (folder / f"sample.aivdm.{form}.chk").read_bytes())
    ours = ais.decode((folder / "sample.aivdm").read_bytes())
    names = {
        "statics": ("imo", "call_sign", "name", "ship_type", "to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m",
                    "fix_type", "eta_month", "eta_day", "eta_hour", "eta_minute", "destination", "dte", "ais_version"),
        "aids": ("aid_type", "name", "to_bow_m", "to_port_m", "fix_type", "utc_second", "off_position", "aid_status",
                 "raim", "virtual_aid", "position_accurate"),
        "base_stations": ("utc_at", "fix_type", "raim", "position_accurate"),
        "safety": ("dest_mmsi", "sequence", "retransmit", "text"),
    }  # fmt: skip
    for table, columns in names.items():
        theirs = [r for r in out.table(table).to_pylist() if r["msg_type"] != 24]
        assert theirs
        want = {(r["mmsi"], r["msg_type"], r.get("name"), r.get("text")): r for r in ours.table(table).to_pylist()}
        for row in theirs:
            same = want[row["mmsi"], row["msg_type"], row.get("name"), row.get("text")]
            for column in columns:
                assert row[column] == same[column], (table, column, row, same)
            if "draught_m" in row and row["msg_type"] == 5:
                assert row["draught_m"] == (None if same["draught_m"] is None else pytest.approx(same["draught_m"]))
            if "lat_deg" in row:
                assert (row["lat_deg"] is None) == (same["lat_deg"] is None)
    halves = [r for r in out.table("statics").to_pylist() if r["msg_type"] == 24]
    assert {r["part"] for r in halves} <= {"A", "B", "AB"}
    assert all(r["call_sign"] for r in halves if r["part"] == "AB")
    high = [r for r in out.table("positions").to_pylist() if r["msg_type"] == 9]
    assert [r["altitude_m"] for r in high][:2] == [15.0, 303.0]


def test_gpsd_raw_integers_equal_ours_for_every_type(shared_data: Path) -> None:
    folder = shared_data / "gpsd"
    out = run("gpsd_json", (folder / "sample.aivdm.ju.chk").read_bytes()).table("positions").to_pylist()
    ours = ais.decode((folder / "sample.aivdm").read_bytes()).table("positions").to_pylist()
    raw = ("mmsi", "msg_type", "lat_raw", "lon_raw", "sog_raw", "cog_raw")
    want = {tuple(r[n] if r["msg_type"] not in (4, 11, 21) or n[1:3] != "og" else None for n in raw) for r in ours}
    kinds = set()
    for row in out:
        said = tuple(row[n] if row["msg_type"] not in (4, 11, 21) or n[1:3] != "og" else None for n in raw)
        assert said in want, row
        kinds.add(row["msg_type"])
    assert kinds == {1, 2, 3, 4, 9, 11, 18, 19, 21, 27}


def test_gpsd_turns_as_it_scales_them() -> None:
    turns = ["fastleft", "0.00", "n/a", "nan", "-12.5", 7, True, "1e400"]
    out = run("gpsd_json", lines(*[GPSD | {"turn": turn} for turn in turns])).table("positions")
    assert out["rot_raw"].to_pylist() == [-127, *[None] * 7]
    assert out["rot_degpmin"].to_pylist() == [None, 0.0, None, None, -12.5, 7.0, None, None]


def aisstream(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    meta = {"MMSI": 5, "time_utc": "2026-01-19 02:41:51.011109855 +0000 UTC"}
    return {"MessageType": kind, "MetaData": meta, "Message": {kind: {"UserID": 5, "Valid": True, **body}}}


def test_aisstream_carries_aids_base_stations_texts_and_aircraft() -> None:
    out = run(
        "aisstream_json",
        lines(
            aisstream("AidsToNavigationReport", {
                "MessageID": 21, "Type": 30, "Name": "BUOY@@", "NameExtension": "",
                "Latitude": 20.5, "Longitude": 121.5,
                "Fixtype": 1, "Timestamp": 31, "OffPosition": True, "VirtualAtoN": False, "AtoN": 3, "Raim": False,
                "PositionAccuracy": True, "Dimension": {"A": 2, "B": 2, "C": 1, "D": 1}, "AssignedMode": False,
            }),
            aisstream("BaseStationReport", {
                "MessageID": 4, "UtcYear": 2026, "UtcMonth": 1, "UtcDay": 19, "UtcHour": 2, "UtcMinute": 41,
                "UtcSecond": 50, "Latitude": 20.0, "Longitude": 121.0, "FixType": 7,
            }),
            aisstream("BaseStationReport", {"MessageID": 4, "UtcHour": 24, "Latitude": 91.0, "Longitude": 181.0}),
            aisstream("SafetyBroadcastMessage", {"MessageID": 14, "Text": "GALE WARNING"}),
            aisstream("AddressedSafetyMessage", {"DestinationID": 7, "Retransmission": False, "Text": "HELLO@"}),
            aisstream("StandardSearchAndRescueAircraftReport", {
                "MessageID": 9, "Altitude": 303, "Latitude": 20.0, "Longitude": 121.0, "Sog": 120,
            }),
            aisstream("ShipStaticData", {
                "MessageID": 5, "Name": "MARU", "Eta": {"Month": 5, "Day": 15, "Hour": 24, "Minute": 60}, "FixType": 1,
                "Dte": False, "AisVersion": 1,
            }),
        ),
    )  # fmt: skip
    aid = one(out, "aids")
    assert (aid["name"], aid["aid_type"], aid["off_position"], aid["fix_type"]) == ("BUOY", 30, True, 1)
    assert (aid["lat_deg"], aid["to_bow_m"], aid["aid_status"]) == (20.5, 2, 3)
    base, blind = out.table("base_stations").to_pylist()
    assert us(base["utc_at"]) == clock.parse_rfc3339("2026-01-19T02:41:50Z")
    assert (base["fix_type"], blind["utc_at"], blind["lat_deg"]) == (7, None, None)
    assert [(r["msg_type"], r["text"], r["dest_mmsi"]) for r in out.table("safety").to_pylist()] == [
        (14, "GALE WARNING", None), (12, "HELLO", 7),
    ]  # fmt: skip
    assert out.table("positions")["msg_type"].to_pylist() == [21, 4, 4, 9]
    assert out.table("positions")["altitude_m"].to_pylist() == [None, None, None, 303.0]
    assert out.table("positions")["sog_mps"][3].as_py() == pytest.approx(120 * MPS_PER_KN)
    static = one(out, "statics")
    assert (static["eta_month"], static["eta_day"], static["eta_hour"], static["eta_minute"]) == (5, 15, None, None)
    assert (static["fix_type"], static["dte"], static["ais_version"]) == (1, 0, 1)


def signal_k(context: str, **values: Any) -> dict[str, Any]:
    listed = [{"path": path, "value": value} for path, value in values.items()]
    return {"context": context, "updates": [{"timestamp": "2026-01-19T02:41:51Z", "values": listed}]}


def test_signalk_statics_by_path_and_by_object_and_aids() -> None:
    ship, place = "vessels.urn:mrn:imo:mmsi:431000001", {"latitude": 20.5, "longitude": 121.5}
    by_path = {
        "name": "MARU", "communication.callsignVhf": "JA1", "registrations.imo": "IMO 9134270",
        "design.aisShipType": {"id": 70, "name": "Cargo"}, "design.length": {"overall": 100.4}, "design.beam": 15.6,
        "design.draft": {"maximum": 7.5}, "sensors.ais.fromBow": 30.2, "navigation.destination.commonName": "NAHA",
    }  # fmt: skip
    root = {"": {"name": "MARU", "communication": {"callsignVhf": "JA1"}, "registrations": {"imo": "9134270"}}}
    moving = {"navigation.position": place, "navigation.rateOfTurn": 0.01, "sensors.ais.class": "B"}
    aid = {
        "": {"name": "BUOY"},
        "navigation.position": place,
        "atonType": {"id": 30},
        "virtual": True,
        "offPosition": 0,
    }
    out = run("signalk", lines(
        signal_k(ship, **by_path), signal_k(ship, **root), signal_k(ship, **moving),
        signal_k("atons.urn:mrn:imo:mmsi:994310001", **aid),
        signal_k("atons.urn:mrn:imo:mmsi:994310001", name="BUOY"),
    ))  # fmt: skip
    full, part = out.table("statics").to_pylist()
    assert (full["imo"], full["call_sign"], full["ship_type"], full["draught_m"]) == (9134270, "JA1", 70, 7.5)
    assert [full[f"to_{n}_m"] for n in ("bow", "stern", "port", "starboard")] == [30, 70, 0, 16]
    assert (part["imo"], part["call_sign"], part["to_bow_m"], full["destination"]) == (9134270, "JA1", None, "NAHA")
    vessel, buoy = out.table("positions").to_pylist()
    assert (vessel["msg_type"], buoy["msg_type"]) == (18, 21)
    assert vessel["rot_degpmin"] == pytest.approx(34.377, abs=1e-3)
    row = one(out, "aids")
    assert (row["name"], row["aid_type"], row["virtual_aid"], row["off_position"]) == ("BUOY", 30, True, False)
    assert (out.ledger.messages, out.ledger.comments) == (4, 1)


def test_digitraffic_eta_is_unpacked() -> None:
    payload = {"eta": 176640, "posType": 1, "name": "CHRISTIAN", "draught": 61, "timestamp": 1487938960141}
    row = one(run("digitraffic_json", lines({"topic": "vessels-v2/255805753/metadata", "payload": payload})), "statics")
    # 2 << 16 | 22 << 11 | 8 << 6: the 22nd of February at eight
    assert [row[f"eta_{n}"] for n in ("month", "day", "hour", "minute")] == [2, 22, 8, 0]
    assert (row["fix_type"], row["draught_m"]) == (1, 6.1)


def test_aiscatcher_decodes_the_sentences_it_carries_with_their_time() -> None:
    sentence = ais.encode_position(mmsi=431000001, lat_deg=20.5, lon_deg=122.0, sog_mps=5.0, cog_deg=90.0)
    message = {"class": "AIS", "rxuxtime": 1_779_999_000.25, "station_id": 7, "mmsi": 431000001,
               "type": 1, "nmea": [sentence.decode()]}  # fmt: skip
    out = run("aiscatcher_json", lines(message))
    row = one(out)
    assert us(row["observed_at"]) == 1_779_999_000_250_000
    assert (row["mmsi"], row["station"], row["checksum_ok"]) == (431000001, "7", True)
    assert row["lat_deg"] == pytest.approx(20.5, abs=1e-6)
    batch = run("aiscatcher_json", lines({"protocol": "jsonaiscatcher", "msgs": [message, message]}))
    assert batch.table("positions").num_rows == 2
    assert (batch.ledger.lines, batch.ledger.messages) == (1, 1)


def test_aiscatcher_fields_alone_and_a_broken_sentence() -> None:
    fields = GPSD | {"rxtime": "20260528200000"}
    row = one(run("aiscatcher_json", lines(fields)))
    assert us(row["observed_at"]) == clock.parse_rfc3339("2026-05-28T20:00:00Z")
    bad = run("aiscatcher_json", lines({"type": 1, "mmsi": 1, "nmea": ["!AIVDM,1,1,,A,13u?,0*00"]}))
    assert bad.ledger.rejected == {"checksum": 1}


def test_aiscatcher_a_batch_keeps_what_is_good_in_it() -> None:
    one, two = (ais.encode_position(mmsi=m, lat_deg=20.5, lon_deg=122.0).decode() for m in (431000001, 431000002))
    spoilt = one[:-2] + "00"
    batch = {"msgs": [{"nmea": [two]}, {"nmea": [spoilt]}, GPSD | {"mmsi": 431000003}]}
    out = run("aiscatcher_json", lines({"nmea": [one]}, batch, {"nmea": [spoilt]}))
    assert [(r["mmsi"], r["line"]) for r in out.table("positions").to_pylist()] == [
        (431000001, 1), (431000002, 2), (431000003, 2),
    ]  # fmt: skip
    assert [(r["line"], r["reason"]) for r in out.table("rejects").to_pylist()] == [(2, "checksum"), (3, "checksum")]
    assert (out.ledger.lines, out.ledger.messages, out.ledger.rejected) == (3, 2, {"checksum": 1})


def test_aiscatcher_half_a_message_or_a_lone_tag_block_does_not_touch_the_next_object() -> None:
    first, second = (s.decode() for s in ais.encode({"msg_type": 5, "mmsi": 431000001, "name": "A"}, sequence=1))
    lone = ais.tag({"s": "elsewhere", "c": 1}).decode()
    good = ais.encode_position(mmsi=431000002, lat_deg=20.5, lon_deg=122.0).decode()
    out = run("aiscatcher_json", lines({"nmea": [first]}, {"nmea": [lone]}, {"nmea": [second]}, {"nmea": [good]}))
    assert out.ledger.rejected == {"orphan_part": 2, "no_message": 1}
    assert one(out)["station"] is None
    assert not out.table("statics").num_rows


def test_shapes_no_feed_has_are_rejects_not_exceptions() -> None:
    for name in ("gpsd_json", "aisstream_json", "aiscatcher_json"):
        deep = b'{"msgs":[' * 400 + b"]}" * 400 + b"\n"
        out = run(name, lines({"class": [""], "MessageType": [], "Message": {}, "type": {}}) + deep)
        assert out.ledger.lines == out.ledger.accounted == 2, name


def test_aisstream_positions_and_statics() -> None:
    meta = {"MMSI": 431015478, "time_utc": "2026-01-19 02:41:51.011109855 +0000 UTC"}
    report = {"MessageID": 3, "UserID": 431015478, "Latitude": 35.396105, "Longitude": 139.6249833, "Sog": 0.7,
              "Cog": 75.9, "TrueHeading": 80, "NavigationalStatus": 5, "RateOfTurn": -128, "Timestamp": 50}  # fmt: skip
    static = {"UserID": 431015478, "Name": "MARU  ", "CallSign": "JA1@@", "ImoNumber": 9000001, "Type": 70,
              "Dimension": {"A": 100, "B": 20, "C": 5, "D": 6}, "MaximumStaticDraught": 7.5}  # fmt: skip
    part = {"UserID": 5, "ReportA": {"Valid": True, "Name": "B"}, "ReportB": {"Valid": False}}
    out = run(
        "aisstream_json",
        lines(
            {"MessageType": "PositionReport", "MetaData": meta, "Message": {"PositionReport": report}},
            {"MessageType": "ShipStaticData", "MetaData": meta, "Message": {"ShipStaticData": static}},
            {"MessageType": "StaticDataReport", "MetaData": meta, "Message": {"StaticDataReport": part}},
            {"MessageType": "Interrogation", "MetaData": meta, "Message": {"Interrogation": report}},
            {"error": "Api Key Is Not Valid"},
        ),
    )
    row = one(out)
    assert us(row["observed_at"]) == clock.parse_rfc3339("2026-01-19T02:41:51.011109Z")
    assert (row["msg_type"], row["nav_status"], row["rot_degpmin"], row["utc_second"]) == (3, 5, None, 50)
    ship, b = out.table("statics").to_pylist()
    assert (ship["name"], ship["call_sign"], ship["to_bow_m"], ship["draught_m"]) == ("MARU", "JA1", 100, 7.5)
    assert (b["msg_type"], b["part"], b["name"], b["to_bow_m"]) == (24, "A", "B", None)
    assert out.ledger.rejected == {"unsupported": 1, "service_error": 1}


def test_digitraffic_in_both_of_its_shapes() -> None:
    location = {"time": 1668075025, "sog": 10.7, "cog": 326.6, "navStat": 0, "rot": 0, "posAcc": True, "raim": False,
                "heading": 325, "lon": 20.345818, "lat": 60.03802}  # fmt: skip
    metadata = {"timestamp": 1668075026035, "name": "ARUNA", "callSign": "XUAR8", "imo": 9543756, "type": 70,
                "refA": 160, "refB": 33, "refC": 20, "refD": 12, "draught": 68}  # fmt: skip
    feature = {"mmsi": 563907000, "type": "Feature", "geometry": {"type": "Point", "coordinates": [24.95, 59.5]},
               "properties": {"sog": 0.1, "cog": 360.0, "timestampExternal": 1487938959356}}  # fmt: skip
    out = run(
        "digitraffic_json",
        lines(
            {"topic": "vessels-v2/230000001/location", "payload": location},
            {"topic": "vessels-v2/230000001/metadata", "payload": metadata},
            {"topic": "vessels-v2/status", "payload": {}},
            {"topic": "weather", "payload": {}},
            feature,
        ),
    )
    first, second = out.table("positions").to_pylist()
    assert (first["mmsi"], us(first["observed_at"])) == (230000001, 1_668_075_025_000_000)
    assert (second["mmsi"], second["cog_deg"], us(second["observed_at"])) == (563907000, None, 1_487_938_959_356_000)
    ship = one(out, "statics")
    assert (ship["draught_m"], ship["to_stern_m"], ship["imo"]) == (6.8, 33, 9543756)
    assert out.ledger.rejected == {"unsupported": 1}


def test_signalk_deltas_are_in_si_units() -> None:
    values = [
        {"path": "navigation.position", "value": {"latitude": 20.5, "longitude": 122.0}},
        {"path": "navigation.speedOverGround", "value": 5.0},
        {"path": "navigation.courseOverGroundTrue", "value": math.pi / 2},
        {"path": "navigation.state", "value": "fishing"},
        {"path": "", "value": {"name": "TUNA"}},
    ]
    update = {"timestamp": "2026-05-28T20:00:00.500Z", "values": values}
    known = {"context": "vessels.urn:mrn:imo:mmsi:548000001", "updates": [update]}
    out = run("signalk", lines({"name": "server", "version": "1.7"}, known, {"updates": [update]}))
    row = one(out)
    assert (row["mmsi"], row["sog_mps"], row["cog_deg"], row["nav_status"]) == (
        548000001, pytest.approx(5.0), pytest.approx(90.0), 7
    )  # fmt: skip
    assert one(out, "statics")["name"] == "TUNA"
    assert out.ledger.rejected == {"bad_mmsi": 1}
    assert one(run("signalk", lines({"updates": [update]}), self_mmsi=5))["mmsi"] == 5


FEEDS = ["gpsd_json", "aiscatcher_json", "aisstream_json", "digitraffic_json", "signalk"]


@pytest.mark.parametrize("name", FEEDS)
@pytest.mark.parametrize(
    "text",
    [b"{", b"[]", b"7", b"null", b'"x"', b"\xff\xfe", b"[" * 50_000, b'{"class":"AIS","type":1,"mmsi":"x"}',
     b'{"updates":7}', b'{"updates":[7]}', b'{"MessageType":[],"Message":{}}', b'{"topic":"vessels-v2/1/location"}',
     b'{"type":1,"mmsi":1,"lat":1e400,"lon":95}', b'{"class":"AIS","type":1,"mmsi":5,"lat":95.0,"lon":0}',
     b'{"mmsi":5,"lat":-95.5,"lon":3,"type":3,"nmea":[7]}'],
)  # fmt: skip
def test_any_object_is_a_row_a_comment_or_a_reject(name: str, text: bytes) -> None:
    out = run(name, text + b"\n" + b"\n")
    assert out.ledger.lines == 2
    for row in out.table("positions").to_pylist():
        assert row["lat_deg"] is None or abs(row["lat_deg"]) <= 90.0


@pytest.mark.parametrize("step", [1, 7])
def test_feeds_may_be_cut_anywhere(step: int) -> None:
    data = lines(GPSD, GPSD | {"mmsi": 5}, {"class": "SKY"}) + b"{bad\n"
    whole, cut = run("gpsd_json", data), run("gpsd_json", data, step)
    assert whole.ledger == cut.ledger
    assert whole.table("positions").to_pylist() == cut.table("positions").to_pylist()


def test_an_endless_line_is_given_up() -> None:
    out = run("gpsd_json", b"{" * 600_000 + b"\n" + lines(GPSD))
    assert out.ledger.rejected == {"oversize": 1}
    assert out.ledger.messages == 1


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (lines(GPSD), "gpsd_json"),
        (b'{"class":"AIS","device":"AIS-catcher","rxuxtime":1.5,"mmsi":1,"nmea":["!AIVDM,1"]}\n', "aiscatcher_json"),
        (b'{"MessageType":"PositionReport","MetaData":{},"Message":{}}\n', "aisstream_json"),
        (b'{"context":"vessels.self","updates":[{"values":[]}]}\n', "signalk"),
    ],
)
def test_feeds_are_told_apart(head: bytes, expected: str) -> None:
    assert sniff_bytes(head) == expected
