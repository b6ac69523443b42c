"""A running node asks its release authority; the answer is on record, and the question is not asked again at once."""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp

from kuroshio import clock
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.demo import DemoNode, end, free_port, up
from kuroshio.testing.handnode import trusting

NODE = """
keys = "keys"
[node]
party = "PHL"
name = "consent test"
[api]
port = {port}
sign_in = false
[peer]
port = 0
[accords]
paths = ["../accords"]
[[partners]]
party = "JPN"
url = "https://127.0.0.1:9"
[[sources]]
name = "feed"
format = "aivdm"
link = "push"
"""


def prepare(folder: Path) -> DemoNode:
    """A node whose agreement with JPN lets the release authority decide of each ship."""
    trusting(folder, ["PHL", "JPN"], now_us=clock.now_us() - 1_000_000)
    accords = accord_files(folder / "accords", [("PHL", "JPN", {})])
    text = json.loads((accords / "PHL-JPN.yaml").read_text())
    ask = {"id": "a9", "effect": "decide", "by": "originator.release_authority", "text": "Each ship is asked for.",
           "when": {"subject": {"in": ["vessel"]}}}  # fmt: skip
    (accords / "PHL-JPN.yaml").write_text(json.dumps({**text, "clauses": [*text["clauses"], ask]}))
    port = free_port()
    (folder / "PHL" / "node.toml").write_text(NODE.format(port=port))
    return DemoNode("PHL", folder / "PHL", port, 0)


def ask(port: int, path: str, body: Any = None) -> Any:
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    headers = {"X-Kuroshio-Request": "1", "Content-Type": kind}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/{path}", data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


async def until(look: Any, seconds: float = 60.0) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := await asyncio.to_thread(look)):
            await asyncio.sleep(0.2)
    return found


async def test_what_waits_for_a_person_is_answered_recorded_and_not_asked_again(tmp_path: Path) -> None:
    node = prepare(tmp_path)
    command = [sys.executable, "-m", "kuroshio", "run", str(node.folder / "node.toml")]
    with (node.folder / "log.txt").open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as http:
            await up(http, node)
            at_s = clock.now_us() // 1_000_000
            lines = [
                encode_position(mmsi=431000001 + k, lat_deg=20.0 + k, lon_deg=121.0, sog_mps=5.0, cog_deg=0.0,
                                tag_block={"c": at_s})
                for k in range(2)
            ]  # fmt: skip
            await asyncio.to_thread(ask, node.api_port, "push/feed", b"\r\n".join(lines) + b"\r\n")
            await until(lambda: len(ask(node.api_port, "pending")) == 2)
            await asyncio.to_thread(work, node.api_port)
        await end(node)
        with (node.folder / "log.txt").open("ab") as log:
            node.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        async with aiohttp.ClientSession() as http:
            await up(http, node)
            await until(lambda: len(ask(node.api_port, "tracks?format=json")["tracks"]) == 2)
            assert await asyncio.to_thread(ask, node.api_port, "pending") == []  # the answers outlive the restart
    finally:
        await end(node)


def work(port: int) -> None:
    yes, no = ask(port, "pending")
    assert {row["clause"] for row in (yes, no)} == {"a9"}
    assert ask(port, "releases") == []
    refused = ask(port, f"pending/{no['item_id']}/JPN", {"grant": False, "note": "not this one"})
    assert refused["release_id"] is None
    assert [row["item_id"] for row in ask(port, "pending")] == [yes["item_id"]]
    granted = ask(port, f"pending/{yes['item_id']}/JPN", {"grant": True})
    assert ask(port, "pending") == []
    (release,) = ask(port, "releases")
    assert release["release_id"] == granted["release_id"]
    assert release["items"] == [yes["item_id"]]
    assert {refused["consent"], granted["consent"]} == {"consent:0", "consent:1"}  # leaves of the record
