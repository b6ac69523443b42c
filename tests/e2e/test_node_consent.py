"""A running node asks its release authority; the answer is on record, and the question is not asked again at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.demo import DemoNode, end, free_port
from kuroshio.testing.nodes import ask, begun, report_now, trusting_keys, until

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
    trusting_keys({party: folder / party for party in ("PHL", "JPN")})
    accords = accord_files(folder / "accords", [("PHL", "JPN", {})])
    text = json.loads((accords / "PHL-JPN.yaml").read_text())
    ask = {"id": "a9", "effect": "decide", "by": "originator.release_authority", "text": "Each ship is asked for.",
           "when": {"subject": {"in": ["vessel"]}}}  # fmt: skip
    (accords / "PHL-JPN.yaml").write_text(json.dumps({**text, "clauses": [*text["clauses"], ask]}))
    port = free_port()
    (folder / "PHL" / "node.toml").write_text(NODE.format(port=port))
    return DemoNode("PHL", folder / "PHL", port, 0)


async def test_what_waits_for_a_person_is_answered_recorded_and_not_asked_again(tmp_path: Path) -> None:
    node = await begun(prepare(tmp_path))
    try:
        reports = b"".join(report_now(431000001 + k, lat_deg=20.0 + k) for k in range(2))
        await asyncio.to_thread(ask, node, "push/feed", reports)
        await until(lambda: len(ask(node, "pending")) == 2, "two ships wait")
        await asyncio.to_thread(work, node)
        await end(node)
        await begun(node)
        await until(lambda: len(ask(node, "tracks?format=json")["tracks"]) == 2, "both ships again")
        assert await asyncio.to_thread(ask, node, "pending") == []  # the answers outlive the restart
    finally:
        await end(node)


def work(node: DemoNode) -> None:
    yes, no = ask(node, "pending")
    assert {row["clause"] for row in (yes, no)} == {"a9"}
    assert ask(node, "releases") == []
    refused = ask(node, f"pending/{no['item_id']}/JPN", {"grant": False, "note": "not this one"})
    assert refused["release_id"] is None
    assert [row["item_id"] for row in ask(node, "pending")] == [yes["item_id"]]
    granted = ask(node, f"pending/{yes['item_id']}/JPN", {"grant": True})
    assert ask(node, "pending") == []
    (release,) = ask(node, "releases")
    assert release["release_id"] == granted["release_id"]
    assert release["items"] == [yes["item_id"]]
    assert {refused["consent"], granted["consent"]} == {"consent:0", "consent:1"}  # leaves of the record
