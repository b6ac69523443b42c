"""Rules of a watch in a running node: proposed, refused, dry-run, switched on, raising, killed, silenced."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp
from typer.testing import CliRunner

from kuroshio.cli.main import app
from kuroshio.clock import parse_rfc3339, rfc3339
from kuroshio.errors import InputError
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.demo import DemoNode, end, free_port, up

START = "2026-09-01T00:00:00Z"
SPEED = 30
NODE = """
keys = "keys"
[node]
party = "PHL"
name = "rules test"
mode = "simulated"
[clock]
start = "{start}"
speed = {speed}
wall_start = "{wall}"
[api]
port = {port}
sign_in = false
[peer]
port = 0
[behaviour]
zones = "zones.geojson"
rules = ["rules.yaml"]
[[sources]]
name = "ais"
format = "aivdm"
link = "push"
lateness_s = 180.0
"""
RING = [[121.0, 19.0], [122.0, 19.0], [122.0, 20.0], [121.0, 20.0], [121.0, 19.0]]
FILE = """rules:
  - {id: shadowed, title: Counted only, behaviours: [zone_entry], zones: [Bank], shadow: true}
  - {id: waits, title: Not switched on, behaviours: [zone_entry], zone_kinds: [reserve]}
"""
MINE = """rules:
  - id: bank
    title: Stranger on the bank
    behaviours: [zone_entry]
    zones: [Bank]
    flags: [431]
    severity: alarm
"""


class Sea:
    """Ships that sail north into the bank, told to the node at its own time."""

    def __init__(self, url, wall_us):
        self.url, self.wall_us = url, wall_us

    def now_s(self):
        return parse_rfc3339(START) / 1e6 + (time.time() - self.wall_us / 1e6) * SPEED

    async def report(self, http, mmsi, ages_s, entered_s):
        """Reports of the ages given, on a straight way over the edge at a time."""
        now = self.now_s()
        lon, lines = 121.1 + 0.05 * (mmsi % 10) + (0.4 if mmsi > 500_000_000 else 0.0), []
        for age in ages_s:
            at_s = int(now - age)
            lat = 19.0 + (at_s - entered_s) * 6.0 / 110_700
            lines.append(encode_position(
                mmsi=mmsi, msg_type=1, lat_deg=lat, lon_deg=lon, sog_mps=6.0, cog_deg=0.0, heading_deg=0.0,
                nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s},
            ))  # fmt: skip
        headers = {"X-Kuroshio-Request": "1"}
        async with http.post(f"{self.url}/api/v1/push/ais", data=b"\r\n".join(lines) + b"\r\n", headers=headers) as r:
            assert r.status < 300, await r.text()


def kuroshio(url, *words, error=None):
    run = CliRunner().invoke(app, [*words, "--url", url, "--json"])
    if error is not None:
        assert isinstance(run.exception, error), run.output
        return str(run.exception)
    assert run.exit_code == 0, (run.output, run.exception)
    return json.loads(run.stdout)


async def alerts(url, definition, test=lambda rows: bool(rows), seconds=30):
    """Alerts of a definition, once they pass a test."""
    until = time.monotonic() + seconds
    while True:
        rows = (await asyncio.to_thread(kuroshio, url, "alert", "list"))["alerts"]
        found = [row for row in rows if row["definition"] == definition]
        if test(found):
            return found
        assert time.monotonic() < until, [(row["definition"], row["change"], row["summary"]) for row in rows]
        await asyncio.sleep(0.3)


def of(rows, mmsi):
    return [row for row in rows if mmsi in row["mmsis"]]


def rule(url, name):
    return {r["id"]: r for r in kuroshio(url, "rule", "list")["rules"]}[name]


async def start(folder, node):
    with (folder / "log.txt").open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kuroshio", "run", str(folder / "node.toml"), stdout=log, stderr=log
        )


async def test_rules_of_a_watch_in_a_running_node(tmp_path):
    port, wall_us = free_port(), int(time.time() * 1e6)
    shape = {"type": "Feature", "properties": {"name": "Bank", "kind": "reserve"}}
    shape["geometry"] = {"type": "Polygon", "coordinates": [RING]}
    (tmp_path / "zones.geojson").write_text(json.dumps(shape))
    (tmp_path / "rules.yaml").write_text(FILE)
    (tmp_path / "mine.yaml").write_text(MINE)
    text = NODE.format(port=port, start=START, speed=SPEED, wall=rfc3339(wall_us))
    (tmp_path / "node.toml").write_text(text)
    node, url = DemoNode("PHL", tmp_path, port, 0), f"http://127.0.0.1:{port}"
    sea = Sea(url, wall_us)
    await start(tmp_path, node)
    try:
        async with aiohttp.ClientSession() as http:
            await up(http, node)
            await before(url, sea, http, tmp_path)
            raised = await raises(url, sea, http)
            await asyncio.to_thread(packed, url, raised, tmp_path)
            node.process.kill()
            await node.process.wait()
            await start(tmp_path, node)
            await up(http, node)
            await asyncio.to_thread(after_the_kill, url, raised)
            await asyncio.to_thread(packed, url, raised, tmp_path)
            await silenced(url, sea, http)
    finally:
        await end(node)


async def before(url, sea, http, folder):
    """A ship enters while rules wait or are in shadow: they raise nothing, and one says what it would have raised."""
    await sea.report(http, 431000001, range(140, 0, -10), sea.now_s() - 70)
    await alerts(url, "zone_entry")
    shadowed = await asyncio.to_thread(rule, url, "shadowed")
    assert (shadowed["state"], shadowed["shadow"], shadowed["raised"]) == ("shadow", 1, 0)
    assert (await asyncio.to_thread(rule, url, "waits"))["state"] == "proposed"
    assert "dry-run" in await asyncio.to_thread(kuroshio, url, "rule", "activate", "waits", error=InputError)
    await asyncio.to_thread(kuroshio, url, "rule", "propose", str(folder / "mine.yaml"))
    assert "dry-run" in await asyncio.to_thread(kuroshio, url, "rule", "activate", "bank", error=InputError)
    done = await asyncio.to_thread(kuroshio, url, "rule", "rehearse", "bank")
    assert (done["raised"], done["looked_at"] >= 1) == (1, True)
    assert done["examples"][0].startswith("Stranger on the bank") or "Bank" in done["examples"][0]
    done = await asyncio.to_thread(kuroshio, url, "rule", "activate", "bank")
    assert done["state"] == "active"
    assert await alerts(url, "rule.bank", lambda rows: True) == []  # what was known before is not told again


async def raises(url, sea, http):
    """One ship of the flag and one of another enter: one alert of the rule, with its evidence; it is judged."""
    entered_s = sea.now_s() - 70
    await sea.report(http, 431000002, range(140, 0, -10), entered_s)
    await sea.report(http, 525000002, range(135, 0, -10), entered_s)
    await alerts(url, "zone_entry", lambda rows: len({tuple(a["mmsis"]) for a in rows}) == 3)
    (raised,) = await alerts(url, "rule.bank")
    assert (raised["severity"], raised["mmsis"]) == ("alarm", [431000002])
    assert raised["summary"].startswith("Stranger on the bank: ")
    story = await asyncio.to_thread(kuroshio, url, "alert", "evidence", raised["alert_id"])
    evidence = story["evidence"]
    assert evidence["rule"]["id"] == "bank"
    assert evidence["rule"]["asks"]["flags"] == [431]
    (of,) = evidence["raised_of"]
    assert of["definition"] == "zone_entry"
    assert evidence["geometry"][0]["label"] == "entry"
    await asyncio.to_thread(kuroshio, url, "alert", "judge", raised["alert_id"], "true")
    return raised


def packed(url, raised, folder):
    """The rule's alert comes out of a pack of the node's own rows, with the rule, before and after a kill."""
    pack = folder / "rule.evidence"
    done = kuroshio(url, "alert", "export", raised["alert_id"], "-o", str(pack))
    assert {"rule.json", "definitions.json", "rows.arrow"} <= set(done["parts"])
    again = CliRunner().invoke(app, ["alert", "reproduce", str(pack), "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["alert"]["alert_id"] == raised["alert_id"]


def after_the_kill(url, raised):
    (again,) = (a for a in kuroshio(url, "alert", "list")["alerts"] if a["definition"] == "rule.bank")
    assert again["alert_id"] == raised["alert_id"]
    story = kuroshio(url, "alert", "show", raised["alert_id"])
    assert [c["change"] for c in story["changes"]].count("open") == 1
    bank = rule(url, "bank")
    assert (bank["state"], bank["raised"], bank["dry_run"]["raised"]) == ("active", 1, 1)
    lines = {row["definition"]: row for row in kuroshio(url, "alert", "rules")["rules"]}
    assert (lines["rule.bank"]["true"], lines["rule.bank"]["precision"], lines["rule.bank"]["state"]) == (
        1, 1.0, "active",
    )  # fmt: skip
    assert lines["rule.waits"]["alerts"] == 0


async def silenced(url, sea, http):
    """Behaviour begun before a time is silent, though it is known after it was ordered; later behaviour is not."""
    until_us = int(sea.now_s() * 1e6) + 120_000_000
    await asyncio.to_thread(kuroshio, url, "rule", "silence", "bank", "--until", rfc3339(until_us))
    before_us = await asyncio.to_thread(rule, url, "bank")
    until_s = until_us / 1e6
    while sea.now_s() < until_s + 40:
        await asyncio.sleep(0.1)
    await sea.report(http, 431000004, range(140, 0, -10), until_s - 30)
    await sea.report(http, 431000005, range(140, 0, -10), until_s + 10)
    rows = await alerts(url, "rule.bank", lambda rows: of(rows, 431000005))
    assert of(rows, 431000004) == []
    bank = await asyncio.to_thread(rule, url, "bank")
    assert bank["silenced"] == before_us["silenced"] + 1
    hits = (await asyncio.to_thread(kuroshio, url, "rule", "hits", "bank"))["hits"]
    assert {"raised", "silenced"} == {h["outcome"] for h in hits}
