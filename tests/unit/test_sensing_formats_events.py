"""Cursor on Target and sightings: what people and their tools report becomes observations or a named reject."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from kuroshio import clock
from kuroshio.errors import InputError
from kuroshio.geo import distance_m
from kuroshio.schema import TRACKS
from kuroshio.sensing import observe
from kuroshio.sensing.base import Decoded
from kuroshio.sensing.cot import CotDecoder, cot_event, encode_cot
from kuroshio.sensing.formats_sniff import sniff_bytes
from kuroshio.sensing.sighting import parse_position, parse_text, sighting, sighting_line
from kuroshio.testing.decoding import NOW_US, lines, one, run
from kuroshio.units import M_PER_NM, MPS_PER_KN


def us(moment: Any) -> int:
    return round(moment.timestamp() * 1e6)


EVENT = (
    '<event version="2.0" uid="X.1" type="a-u-S" time="2026-05-28T20:00:00Z" start="2026-05-28T20:00:00Z" '
    'stale="2026-05-28T20:02:00Z" how="h-e"><point lat="20.5" lon="122.0" hae="0" ce="{ce}" le="9999999"/>'
    '<detail><track course="90" speed="5"/></detail></event>'
)


def test_events_are_observations_with_their_circular_error() -> None:
    out = run("cot", (EVENT.format(ce=75) + EVENT.format(ce=9999999)).encode(), sigma_m=300.0)
    rows = out.table("observations").to_pylist()
    assert [r["cov_ee_m2"] for r in rows] == [75.0**2, 300.0**2]
    assert (rows[0]["sensor"], rows[0]["station"], rows[0]["sog_mps"], rows[0]["cog_deg"]) == (
        "human",
        "X.1",
        5.0,
        90.0,
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]>' + EVENT.format(ce=1), None),
        (EVENT.format(ce=1).replace("<detail>", '<!ENTITY a "b"><detail>'), "forbidden_xml"),
        (EVENT.format(ce=1).replace("</detail>", ""), "not_xml"),
        (EVENT.format(ce=1).replace('lat="20.5"', 'lat="95"'), "out_of_range"),
        (EVENT.format(ce=1).replace('lat="20.5"', 'lat="nan"'), "no_position"),
        (EVENT.format(ce=1).replace("2026-05-28T20:00:00Z", "noon"), "bad_time"),
        ("</event>", "not_an_event"),
        ("<event", "cut_event"),
    ],
)
def test_a_bad_event_is_a_reject(text: str, reason: str | None) -> None:
    out = run("cot", text.encode())
    assert out.ledger.rejected == ({reason: 1} if reason else {})
    assert out.table("observations").num_rows == (0 if reason else 1)


def test_events_that_are_no_ships_are_comments_and_an_endless_one_is_given_up() -> None:
    chat = EVENT.format(ce=1).replace("a-u-S", "b-t-f")
    plane = EVENT.format(ce=1).replace("a-u-S", "a-f-A")
    alone = '<event type="t-x-c-t" uid="ping"/>'
    out = run("cot", (chat + plane + alone + EVENT.format(ce=5)).encode())
    assert (out.ledger.comments, out.ledger.messages) == (3, 1)
    endless = b"<event " + b"x" * 200_000 + EVENT.format(ce=5).encode()
    assert run("cot", endless).ledger.rejected["oversize"] >= 1
    pieces = [endless[k : k + 1000] for k in range(0, len(endless), 1000)]
    decoder = CotDecoder("s")
    cut = Decoded.join([*(decoder.feed(piece) for piece in pieces), decoder.flush()])
    assert cut.ledger == run("cot", endless).ledger


def test_tracks_written_as_events_are_read_back() -> None:
    tracks = TRACKS.from_rows(
        [
            {"track_id": 17, "observed_at": clock.dt.datetime(2026, 5, 28, 20, tzinfo=clock.dt.UTC), "lat_deg": 20.5,
             "lon_deg": -122.0, "ve_mps": 3.0, "vn_mps": -4.0, "cov_ee_m2": 400.0, "cov_en_m2": 0.0, "cov_nn_m2": 900.0,
             "status": "confirmed", "mmsi": 431000001}
        ]
    )  # fmt: skip
    data = encode_cot(tracks, prefix='A"<B>')
    decoder = CotDecoder("back", sensor="partner")
    row = decoder.feed(data, NOW_US).table("observations").to_pylist()[0]
    assert (row["lat_deg"], row["lon_deg"]) == (20.5, -122.0)
    assert row["cov_ee_m2"] == pytest.approx(900.0)
    assert (row["sog_mps"], row["cog_deg"]) == (5.0, pytest.approx(143.1))
    assert row["station"] == 'A"<B>.track.17'
    with pytest.raises(InputError):
        encode_cot(tracks, affiliation="x")


def test_an_exercise_stays_one_and_no_text_breaks_an_event() -> None:
    hostile = "a\x00\ud800<b>&\"'</contact>\n"
    text = cot_event("u", at_us=NOW_US, stale_s=60.0, lat_deg=1.0, lon_deg=2.0, callsign=hostile, remarks=hostile,
                     exercise=True, cog_deg=359.99, sog_mps=1.0)  # fmt: skip
    plain = cot_event("v", at_us=NOW_US, stale_s=60.0, lat_deg=1.0, lon_deg=2.0, callsign="x")
    rows = run("cot", (text + plain).encode(), step=50).table("observations").to_pylist()
    assert [r["exercise"] for r in rows] == [True, None]
    assert (rows[0]["cog_deg"], rows[1]["cog_deg"]) == (0.0, None)
    # 9999999: the error is not known, and the source's default stands for it
    assert rows[1]["cov_ee_m2"] == 200.0**2


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ({"position": "20-30N 121-45E"}, True),
        ({"lat_deg": 1.0, "lon_deg": 2.0, "time": "2026-05-28T20:00:00Z", "remarks": "a\n---\nPos: 1N 1E"}, True),
        ({"position": "20-30N 121-45E", "colour": "red"}, False),
        ({"lat_deg": 10**400, "lon_deg": 2}, False),
        ({"lat_deg": [1], "lon_deg": {}}, False),
        ({"position": None}, False),
    ],
)
def test_a_line_of_json_is_one_sighting(line: dict[str, Any], good: bool) -> None:
    out = run("sighting", lines(line), step=7)
    assert (out.ledger.messages, sum(out.ledger.rejected.values())) == ((1, 0) if good else (0, 1))
    assert sighting_line(line) == lines(line)


def test_text_and_json_reports_follow_one_another() -> None:
    out = run("sighting", REPORT.encode() + b"---\n" + lines({"position": "1N 2E"}) + b"{oops\n" + REPORT.encode())
    assert (out.ledger.messages, out.ledger.rejected) == (3, {"bad_sighting": 1})


REPORT = """Time: 2026-05-28T20:00:00Z
Pos: 20-30.5N 121-45.2E
Bearing: 045
Distance: 3 nm
Course: 180
Speed: 8 kn
By: MV PEARL
grey trawler, no flag
"""


def test_a_sighting_by_bearing_is_placed_with_an_error_along_the_line_of_sight() -> None:
    row = one(run("sighting", REPORT.encode()), "observations")
    lat, lon = parse_position("20-30.5N 121-45.2E")
    assert float(distance_m(lat, lon, row["lat_deg"], row["lon_deg"])) == pytest.approx(3 * M_PER_NM, abs=0.05)
    assert row["cov_en_m2"] > 0  # north-east and south-west are doubtful
    assert (row["sensor"], row["station"]) == ("human", "MV PEARL")
    assert row["sog_mps"] == pytest.approx(8 * MPS_PER_KN)
    assert parse_text(REPORT)["remarks"] == "grey trawler, no flag"


def test_several_sightings_and_a_bad_one_between() -> None:
    text = REPORT + "---\nTime: noon\nPos: 1,2\n---\n\n---\n" + REPORT.replace("3 nm", "3 parsec") + "-----\n" + REPORT
    out = run("sighting", text.encode(), step=9)
    assert out.table("observations").num_rows == 2
    assert out.ledger.messages == 2
    assert set(out.ledger.rejected) == {"bad_sighting"}
    assert out.table("rejects")["line"].to_pylist() == [10, 15]


@pytest.mark.parametrize(
    ("text", "lat", "lon"),
    [
        ("20-30.5N 121-45.2E", 20 + 30.5 / 60, 121 + 45.2 / 60),
        ("20°30'30\"S, 121°45'00\"W", -20 - 30.5 / 60, -121.75),
        ("20.508, -121.753", 20.508, -121.753),
        ("20N 121E", 20.0, 121.0),
    ],
)
def test_positions_as_people_write_them(text: str, lat: float, lon: float) -> None:
    assert parse_position(text) == (pytest.approx(lat), pytest.approx(lon))


@pytest.mark.parametrize("text", ["", "north", "95.0, 3.0", "20-70N 121E", "20N 190E"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_position(text)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"lat_deg": 20.0},
        {"lat_deg": 20.0, "lon_deg": 200.0},
        {"lat_deg": 20.0, "lon_deg": 2.0, "colour": "red"},
        {"lat_deg": 20.0, "lon_deg": 2.0, "bearing_deg": 3.0},
        {"lat_deg": 20.0, "lon_deg": 2.0, "speed_mps": "fast"},
        {"lat_deg": 20.0, "lon_deg": 2.0, "mmsi": "12345678901"},
        {"lat_deg": 20.0, "lon_deg": 2.0, "time": "noon"},
    ],
)
def test_a_sighting_names_the_field_that_is_wrong(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        sighting(fields, source="form", received_at_us=NOW_US)


def test_a_sighting_from_a_form_stands_in_the_picture() -> None:
    table = sighting(
        {"lat_deg": 20.0, "lon_deg": 122.0, "error_m": 500, "mmsi": 5}, source="form", received_at_us=NOW_US
    )
    assert table["cov_nn_m2"].to_pylist() == [250_000.0]
    assert table["observed_at"].cast(pa.int64()).to_pylist() == [NOW_US]
    assert observe(Decoded({"observations": table})).num_rows == 1


def test_an_event_is_told_by_its_head() -> None:
    assert sniff_bytes(EVENT.encode()) == "cot"
