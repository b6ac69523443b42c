"""Two nodes in one process over real mutual TLS: share, withhold, recall, and every answer in its documented shape."""

from __future__ import annotations

import asyncio
import json

import pytest

from kuroshio.errors import AuthError, ConfigError, InputError, NotFound
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.testing import nodecheck
from kuroshio.testing.demo import free_port
from kuroshio.testing.nodes import report_now, trusting_keys, until

ZONE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"name": "test reserve", "kind": "reserve"},
            "geometry": {"type": "Polygon", "coordinates": [[[120, 19], [122, 19], [122, 21], [120, 21], [120, 19]]]},
        }
    ],
}


def make(tmp_path, party: str, other: str, ports: dict[str, int]) -> Node:
    folder = tmp_path / party
    folder.mkdir(exist_ok=True)
    (folder / "zones.geojson").write_text(json.dumps(ZONE))
    document = {
        "node": {"party": party, "name": f"{party} test"},
        "peer": {"port": ports[party]},
        "accords": {"samples": True},
        "behaviour": {"zones": "zones.geojson"},
        "partners": [{"party": other, "url": f"https://127.0.0.1:{ports[other]}"}],
        "sources": [
            {"name": "feed", "format": "aivdm", "link": "push",
             "sensor": {"kind": "ais", "lat_deg": 20.0, "lon_deg": 121.0, "max_range_m": 90000.0}},
            {"name": "tcp", "format": "aivdm", "link": "tcp-listen", "port": 0},
        ],
    }  # fmt: skip
    return Node(config.from_dict(document, base=folder))


@pytest.mark.slow
async def test_two_nodes_share_withhold_and_recall(tmp_path):
    ports = {"PHL": free_port(), "JPN": free_port()}
    trusting_keys({p: tmp_path / p for p in ("PHL", "JPN")})
    phl, jpn = make(tmp_path, "PHL", "JPN", ports), make(tmp_path, "JPN", "PHL", ports)
    service = await phl.start()
    theirs = await jpn.start()
    try:
        await shares(service, theirs)
        await answers_in_shape(service)
    finally:
        await phl.stop()
        await jpn.stop()
    assert phl.failure is None
    assert jpn.failure is None
    await comes_back(tmp_path, ports)


async def shares(service, theirs) -> None:
    mmsi = 548_000_123
    for step in range(6):
        await asyncio.to_thread(service.push, "feed", report_now(mmsi, lat_deg=20.0 + 0.00006 * step, sog_mps=6.0))
        await asyncio.sleep(1.1)
    own = await until(lambda: service.snapshot()[1].to_pylist(), "PHL holds the ship")
    assert [row["mmsi"] for row in own] == [mmsi]
    seen = await until(lambda: theirs.snapshot()[1].to_pylist(), "JPN sees the ship")
    assert seen[0]["partner"] == "PHL"
    assert seen[0]["grid_m"] > 5000
    assert seen[0]["sensors"] == ["partner"]
    release = await until(
        lambda: next(
            (r for r in service.releases(to="JPN") if r["state"] == "received" and r["kind"] == "tracks"), None
        ),
        "JPN's receipt",
    )
    assert release["accord"] == "WP-MDA-ARR"
    assert release["items"] == [f"track:{own[0]['track_id']}"]
    assert service.snapshot("KOR")[1].num_rows == 0
    assert all(row["effect"] == "deny" for row in service.withheld("KOR"))
    for row in service.releases(to="JPN"):
        if row["kind"] == "tracks":
            await asyncio.to_thread(service.recall, row["release_id"], by="officer", reason="test of a recall")
    await until(
        lambda: all(r["state"] == "withdrawal_confirmed" for r in service.releases(to="JPN") if r["withdrawn_at"]),
        "every withdrawal confirmed",
    )
    await until(lambda: theirs.snapshot()[1].num_rows == 0, "JPN dropped what was recalled")
    counts = theirs.info()["counts"]
    assert counts["mail_taken_tracks"] >= 1
    assert counts["mail_taken_recall"] >= 1


async def answers_in_shape(service) -> None:
    """Every answer has the shape the API documents; what cannot be is a clear error."""
    found = await asyncio.to_thread(nodecheck.faults, service)
    assert found == []
    track = service.snapshot()[1]["track_id"].to_pylist()[0]
    card = await asyncio.to_thread(service.target, track)
    assert {d["to"] for d in card["decisions"]} >= {"JPN", "KOR", "USA"}
    why = await asyncio.to_thread(service.why, f"track:{track}", "KOR")
    assert why["effect"] == "deny"
    named = await asyncio.to_thread(service.operate, "name", {"track_id": track, "name": "TEST SHIP"}, by="officer")
    assert named
    with pytest.raises(ConfigError, match="nowhere"):
        service.push("nowhere", b"x")
    with pytest.raises(AuthError, match="not by push"):
        service.push("tcp", b"x")
    with pytest.raises(NotFound):
        service.target(10**9)
    with pytest.raises(NotFound):
        service.snapshot("ATL")
    with pytest.raises(NotFound):
        await asyncio.to_thread(service.why, "track:999999", "JPN")
    with pytest.raises(NotFound):
        await asyncio.to_thread(service.recall, "0" * 64, by="officer", reason="none such")
    with pytest.raises((InputError, NotFound)):
        await asyncio.to_thread(service.operate, "merge", {"track_ids": [1]}, by="officer")
    with pytest.raises(NotFound):
        service.judge_alert("none", "true", by="officer")
    told = await asyncio.to_thread(service.dry_run, KOR_DRAFT)
    assert told["counts"]["permit"] + told["counts"]["oblige"] >= 1
    entry = [a for a in service.alerts() if a["definition"] == "zone_entry"]
    for alert in entry[:1]:
        service.judge_alert(alert["alert_id"], "acknowledged", by="officer", note="seen")
        assert service.alerts()[0]["verdicts"]


KOR_DRAFT = """
id: KOR-PHL-DRAFT
title: draft for the test
kinds: [information]
parties: [KOR, PHL]
binding: arrangement
interpretation: {by: test, date: 2026-11-22, note: illustrative}
status:
  - {state: negotiating, from: 2026-01-01, recorded: 2026-01-01, source: test, confidence: announced}
clauses:
  - {id: p1, effect: permit, text: vessels, when: {level: {lte: R}, subject: {in: [vessel, dark_vessel]}}}
"""


async def comes_back(tmp_path, ports) -> None:
    """After a clean stop the picture, the record and the numbers are there again."""
    phl = make(tmp_path, "PHL", "JPN", ports)
    service = await phl.start()
    try:
        assert service.snapshot()[1].num_rows == 1
        record = service.record_status()
        assert record["size"] > 0
        assert record["self_check"]["ok"] is True
        assert all(r["state"] == "withdrawal_confirmed" for r in service.releases(to="JPN") if r["withdrawn_at"])
    finally:
        await phl.stop()


async def test_keys_of_another_party_are_refused(tmp_path):
    trusting_keys({p: tmp_path / p for p in ("PHL", "JPN")})
    node = make(tmp_path, "PHL", "JPN", {"PHL": free_port(), "JPN": free_port()})
    wrong = node.config.model_copy(update={"keys": tmp_path / "JPN" / "keys"})
    with pytest.raises(ConfigError, match="JPN's"):
        await Node(wrong).start()
