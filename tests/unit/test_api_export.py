"""Files of the picture: the rows asked for, no others, and nothing in a ship's name that runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import schema
from kuroshio.api import create_app, wire
from kuroshio.api.export import FORMATS, About
from kuroshio.api.filters import Filters, parse_box
from kuroshio.store import Operations, url_of
from kuroshio.testing.signed_in import CHEAP
from kuroshio.testing.standin import StandIn

SEND = {"X-Kuroshio-Request": "1"}
KML = "{http://www.opengis.net/kml/2.2}"
ABOUT = About("PHL", None, 3, 0, "a < b & c")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with Operations(url_of(tmp_path), now_us=1) as operations:
        operations.add_user("w", roles=["watch"], password_hash=CHEAP.hash("a long sentence"), now_us=1)
        client = TestClient(create_app(StandIn(ships=80), operations, passwords=CHEAP))
        client.post("/api/v1/session", json={"user": "w", "password": "a long sentence"}, headers=SEND)
        client.operations = operations  # type: ignore[attr-defined]
        yield client


def ids_in(kind: str, data: bytes) -> list[int]:
    if kind == "csv":
        return [int(row["track_id"]) for row in csv.DictReader(io.StringIO(data.decode()))]
    if kind == "geojson":
        return [feature["id"] for feature in json.loads(data)["features"]]
    if kind == "cot":
        return [int(e.attrib["uid"].rpartition(".")[2]) for e in ElementTree.fromstring(b"<all>" + data + b"</all>")]
    if kind == "parquet":
        return pq.read_table(pa.BufferReader(data)).column("track_id").to_pylist()
    marks = ElementTree.fromstring(data).iter(f"{KML}Placemark")
    return [int(m.find(f".//{KML}Data[@name='track_id']/{KML}value").text) for m in marks]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_holds_the_rows_of_the_filter_and_the_view(client: TestClient, kind: str) -> None:
    for query in ("", "viewpoint=JPN", "flag=dark&box=120,17,123,22", "sensor=radar&sensor=image&status=confirmed"):
        answer = client.get(f"/api/v1/export/tracks.{kind}?{query}")
        shown = client.get(f"/api/v1/tracks?format=json&{query}").json()["tracks"]
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(FORMATS[kind][0].partition(";")[0])
        assert len(shown) > 0
        assert ids_in(kind, answer.content) == [row["track_id"] for row in shown]
    assert 'filename="tracks-PHL-20261122T000000Z.' in answer.headers["content-disposition"]
    noted = client.operations.audit()[0]  # type: ignore[attr-defined]
    assert (noted["who"], noted["what"], noted["detail"]["format"]) == ("w", "export", kind)


def tracks(names: list[str | None]) -> pa.Table:
    return wire.wire_table(
        schema.TRACKS.from_rows(
            {"track_id": n, "observed_at": n, "lat_deg": 1.0, "lon_deg": 2.0, "status": "confirmed", "name": name}
            for n, name in enumerate(names)
        )
    )


@given(st.lists(st.none() | st.text(max_size=30), max_size=5))
def test_any_name_makes_files_that_parse(names: list[str | None]) -> None:
    table = tracks([name.encode("utf-8", "replace").decode() if name else name for name in names])
    for kind, (_, write) in FORMATS.items():
        assert ids_in(kind, write(table, ABOUT)) == list(range(len(names)))


def test_a_name_is_no_formula_in_a_spreadsheet_and_no_markup_in_a_map() -> None:
    names = ["=HYPERLINK(1)", "+1", "@x", "-2", "<b>&", 'say "hi"', "plain"]
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"][1](tracks(names), ABOUT).decode())))
    assert [row["name"] for row in rows] == ["'=HYPERLINK(1)", "'+1", "'@x", "'-2", "<b>&", 'say "hi"', "plain"]
    kml = FORMATS["kml"][1](tracks(names), ABOUT)
    found = [m.find(f"{KML}name").text for m in ElementTree.fromstring(kml).iter(f"{KML}Placemark")]  # type: ignore[union-attr]
    assert found == names


def test_filters_are_exact_against_a_plain_loop() -> None:
    table = wire.wire_table(StandIn(ships=300).snapshot()[1])
    rows = table.to_pylist()
    for chosen, test in [
        (Filters(box=(121, 18, 122.5, 21)), lambda r: 121 <= r["lon_deg"] <= 122.5 and 18 <= r["lat_deg"] <= 21),
        (Filters(box=(122, -90, 120, 90)), lambda r: r["lon_deg"] >= 122 or r["lon_deg"] <= 120),
        (Filters(status=("tentative", "coasted")), lambda r: r["status"] in (0, 2)),
        (Filters(sensor=("image", "partner")), lambda r: r["sensors"] & 36),
        (Filters(flag=("dark",)), lambda r: r["flags"] & 1),
        (Filters(mmsi=(548_000_000, 548_000_037)), lambda r: r["mmsi"] in (548_000_000, 548_000_037)),
        (Filters(partner="JPN"), lambda r: r["partner"] == "JPN"),
        (Filters(name="bat"), lambda r: "BAT" in (r["name"] or "")),
        (Filters(exercise=True), lambda r: r["exercise"]),
        (Filters(exercise=False, flag=("dark",)), lambda r: not r["exercise"] and r["flags"] & 1),
    ]:
        wanted = [row["track_id"] for row in rows if test(row)]
        assert wanted
        assert chosen.apply(table).column("track_id").to_pylist() == wanted
    assert Filters().apply(table) is table
    assert Filters(flag=("drag",)).apply(table).num_rows == 0
    assert np.allclose(parse_box("170,-5,-170,5"), (170, -5, -170, 5))
