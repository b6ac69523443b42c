"""The alert queue of a running node, worked from the shell: list, show, evidence, judge, rules, also as known then."""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from typer.testing import CliRunner

from kuroshio.cli.main import app
from kuroshio.clock import parse_rfc3339, rfc3339
from kuroshio.errors import InputError, NotFound
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.demo import DemoNode, end, free_port, up

T0_S = 1_790_000_000
NODE = """
keys = "keys"
[node]
party = "PHL"
name = "queue test"
mode = "replay"
[api]
port = {port}
sign_in = false
[peer]
port = 0
[behaviour]
zones = "zones.geojson"
[[sources]]
name = "ais"
format = "aivdm"
link = "replay"
path = "log.nmea"
speed = 60.0
"""
RING = [[121.0, 19.0], [122.0, 19.0], [122.0, 20.0], [121.0, 20.0], [121.0, 19.0]]


def prepare(folder, port) -> DemoNode:
    """A ship that sails north into a reserve, a report every 30 s for two hours."""
    lines = []
    for k in range(240):
        at_s = T0_S + 30 * k
        lat = 18.95 + k * 30 * 6.0 / 110_700
        lines.append(encode_position(
            mmsi=431000001, msg_type=1, lat_deg=lat, lon_deg=121.5, sog_mps=6.0, cog_deg=0.0, heading_deg=0.0,
            nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s},
        ))  # fmt: skip
    (folder / "log.nmea").write_bytes(b"\r\n".join(lines) + b"\r\n")
    reserve = {"name": "Bank", "kind": "reserve"}
    shape = {"type": "Feature", "properties": reserve, "geometry": {"type": "Polygon", "coordinates": [RING]}}
    (folder / "zones.geojson").write_text(json.dumps(shape))
    (folder / "node.toml").write_text(NODE.format(port=port))
    return DemoNode("PHL", folder, port, 0)


def kuroshio(url, *words, error=None):
    """Answer of `kuroshio alert`, or the words of its error."""
    run = CliRunner().invoke(app, ["alert", *words, "--url", url, "--json"])
    if error is not None:
        assert isinstance(run.exception, error), run.output
        return str(run.exception)
    assert run.exit_code == 0, (run.output, run.exception)
    return json.loads(run.stdout)


async def queue_with(url, test, seconds=90):
    for _ in range(seconds):
        rows = (await asyncio.to_thread(kuroshio, url, "list"))["alerts"]
        found = [row for row in rows if test(row)]
        if found:
            return found[0]
        await asyncio.sleep(0.5)
    raise AssertionError(f"no such alert among {rows}")


async def test_the_queue_of_a_running_node_from_the_shell(tmp_path):
    port = free_port()
    node = prepare(tmp_path, port)
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log.txt").open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kuroshio", "run", str(tmp_path / "node.toml"), stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession() as http:
            await up(http, node)
            entry = await queue_with(url, lambda a: a["definition"] == "zone_entry" and a["grade"] == "confirmed")
            heard = await http.ws_connect(f"{url}/api/v1/stream")
            told = await asyncio.to_thread(kuroshio, url, "judge", entry["alert_id"], "true", "--note", "seen by eye")
            assert told["verdict"] == "true"
            async with asyncio.timeout(30):
                while True:  # the queue comes over the socket with the verdict
                    message = await heard.receive()
                    body = json.loads(message.data) if message.type == aiohttp.WSMsgType.TEXT else {}
                    mine = [a for a in body.get("items", []) if a.get("alert_id") == entry["alert_id"]]
                    if mine and mine[0]["verdicts"]:
                        assert mine[0]["verdicts"][0]["note"] == "seen by eye"
                        break
            await heard.close()
        await asyncio.to_thread(work, url, entry, tmp_path)
    finally:
        await end(node)


def work(url, entry, folder):
    name = entry["alert_id"]
    rules = {row["definition"]: row for row in kuroshio(url, "rules")["rules"]}
    assert (rules["zone_entry"]["true"], rules["zone_entry"]["precision"]) == (1, 1.0)
    story = kuroshio(url, "show", name)
    changes = [(c["change"], c["grade"]) for c in story["changes"]]
    assert changes[0] == ("open", "provisional")
    assert "confirmed" in [grade for _, grade in changes]
    first = story["changes"][0]["known_at"]
    rests = kuroshio(url, "evidence", name)["evidence"]
    assert rests["definition"]["id"] == "zone_entry"
    assert rests["geometry"][0]["label"] == "entry"
    # as the watch knew it then
    then = kuroshio(url, "show", name, "--known-at", first)
    assert [c["grade"] for c in then["changes"]] == ["provisional"]
    assert then["verdicts"] == []
    # the pack of the node's own rows gives it again offline, as it stands and as it was known then
    for words in ((), ("--known-at", first)):
        pack = folder / f"{len(words)}.evidence"
        done = kuroshio(url, "export", name, "-o", str(pack), *words)
        assert {"alert.json", "definition.json", "rows.arrow", "map.svg"} <= set(done["parts"])
        again = CliRunner().invoke(app, ["alert", "reproduce", str(pack), "--json"])
        assert again.exit_code == 0, again.output
        assert (
            json.loads(json.loads(again.stdout)["alert"]["evidence"])
            == kuroshio(url, "evidence", name, *words)["evidence"]
        )
    assert "known at" in kuroshio(url, "export", name, "--known-at", rfc3339(1), error=NotFound)
    listed = kuroshio(url, "list", "--known-at", first)["alerts"]
    assert [(a["alert_id"], a["grade"]) for a in listed if a["alert_id"] == name] == [(name, "provisional")]
    before = rfc3339(parse_rfc3339(first) - 1_000_000)
    assert name not in [a["alert_id"] for a in kuroshio(url, "list", "--known-at", before)["alerts"]]
    assert "known at" in kuroshio(url, "show", name, "--known-at", before, error=NotFound)
    assert kuroshio(url, "rules", "--known-at", before)["rules"] == []
    # the last verdict counts, and silence needs its end
    kuroshio(url, "judge", name, "false")
    assert {r["definition"]: r["precision"] for r in kuroshio(url, "rules")["rules"]}["zone_entry"] == 0.0
    assert "until" in kuroshio(url, "judge", name, "silenced", error=InputError)
    until = rfc3339(parse_rfc3339(first) + 10 * 3_600_000_000)
    kuroshio(url, "judge", name, "silenced", "--until", until)
    assert kuroshio(url, "show", name)["verdicts"][-1]["until"] == until
