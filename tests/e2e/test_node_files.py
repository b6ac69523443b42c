"""Two running nodes that no link joins: what they tell, answer and recall goes as files, both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kuroshio.cli.exchange import app
from kuroshio.errors import InputError, LinkError, VerificationError
from kuroshio.exchange.carry import read_bundles, write_bundles
from kuroshio.schema.release import Release
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.demo import DemoNode, end, free_port
from kuroshio.testing.nodes import ask, begun, report_now, trusting_keys, until

NODE = """
keys = "keys"
[node]
party = "{me}"
name = "files test"
[api]
port = {port}
sign_in = false
[peer]
port = 0
[accords]
paths = ["../accords"]
[[partners]]
party = "{other}"
url = "https://127.0.0.1:9"
carry_every_s = 1
[[sources]]
name = "feed"
format = "aivdm"
link = "push"
"""


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[dict[str, DemoNode]]:
    trusting_keys({party: tmp_path / party for party in ("PHL", "JPN")})
    accord_files(tmp_path / "accords", [("PHL", "JPN", {})])
    nodes: dict[str, DemoNode] = {}
    try:
        for me, other in (("PHL", "JPN"), ("JPN", "PHL")):
            node = DemoNode(me, tmp_path / me, free_port(), 0)
            (node.folder / "node.toml").write_text(NODE.format(me=me, other=other, port=node.api_port))
            nodes[me] = await begun(node)
        yield nodes
    finally:
        for node in nodes.values():
            await end(node)


def exported(node: DemoNode, to: str, file: Path) -> dict[str, int]:
    """Bundles by kind of a file that waits for a partner."""
    run = CliRunner().invoke(app, ["export", str(file), "--node", str(node.folder / "data"), "--to", to])
    assert run.exit_code == 0, run.output
    kinds: dict[str, int] = {}
    for bundle in read_bundles(file.open("rb")):
        kind = Release.from_bytes(bundle).kind
        kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def given(node: DemoNode, file: Path, *words: str, error: type[Exception] | None = None) -> dict[str, Any]:
    run = CliRunner().invoke(app, ["import", str(file), "--node", str(node.folder / "data"), "--json", *words])
    if error is not None:
        assert isinstance(run.exception, error), run.output
        return json.loads(run.stdout) if run.stdout else {}  # type: ignore[no-any-return]
    assert run.exit_code == 0, (run.output, run.exception)
    return json.loads(run.stdout)  # type: ignore[no-any-return]


async def carried(a: DemoNode, b: DemoNode, file: Path, kind: str) -> dict[str, Any]:
    """Wait until a has something of a kind for b, and carry what there is."""
    await until(lambda: exported(a, b.party, file).get(kind), "something to carry")
    return await asyncio.to_thread(given, b, file)


async def test_two_nodes_joined_by_files_alone(pair: dict[str, DemoNode], tmp_path: Path) -> None:
    phl, jpn, file = pair["PHL"], pair["JPN"], tmp_path / "stick.bundles"
    await asyncio.to_thread(ask, phl, "push/feed", report_now(431000001))
    told = await carried(phl, jpn, file, "tracks")
    assert (told["taken"]["tracks"] >= 1, told["refused"], told["error"]) == (True, 0, None)

    def shown() -> list[dict[str, Any]]:
        return [row for row in ask(jpn, "tracks?format=json")["tracks"] if row["mmsi"] == 431000001]

    (row,) = await until(shown, "the partner's ship")
    assert row["partner"] == "PHL"
    again = await asyncio.to_thread(given, jpn, file)
    assert again["held_before"] >= 1
    assert "tracks" not in again["taken"]
    # the answer comes back as a file, and what it answers waits no more
    await carried(jpn, phl, tmp_path / "back.bundles", "receipt")
    (release,) = await until(lambda: [r for r in ask(phl, "releases") if r["state"] == "received"], "a receipt")
    await until(lambda: "tracks" not in exported(phl, "JPN", file), "an emptied queue")
    # of receipts there are no receipts: a person says that the file arrived
    run = CliRunner().invoke(app, ["arrived", str(tmp_path / "back.bundles"), "--node", str(jpn.folder / "data")])
    assert run.exit_code == 0, run.output
    await until(lambda: "receipt" not in exported(jpn, "PHL", tmp_path / "back.bundles"), "an emptied queue")
    # a recall too
    await asyncio.to_thread(ask, phl, f"releases/{release['release_id']}/recall", {"reason": "sent in error"})
    assert "recall" in (await carried(phl, jpn, file, "recall"))["taken"]
    await until(lambda: not shown(), "the recalled ship gone")

    def confirmed() -> list[dict[str, Any]]:
        if exported(jpn, "PHL", tmp_path / "back.bundles"):
            given(phl, tmp_path / "back.bundles")
        return [r for r in ask(phl, "releases") if r["state"] == "withdrawal_confirmed" and r["confirmed_at"]]

    await until(confirmed, "a confirmed recall")
    assert list((jpn.folder / "data" / "inbox").iterdir()) == []  # nothing is kept outside its terms


async def test_files_that_are_none_forged_or_cut_are_told_and_change_nothing(
    pair: dict[str, DemoNode], tmp_path: Path
) -> None:
    phl, jpn, file = pair["PHL"], pair["JPN"], tmp_path / "stick.bundles"
    await asyncio.to_thread(ask, phl, "push/feed", report_now(431000001))
    await until(lambda: exported(phl, "JPN", file).get("tracks"), "tracks to carry")
    good = list(read_bundles(file.open("rb")))
    (tracks,) = [bundle for bundle in good if Release.from_bytes(bundle).kind == "tracks"][:1]
    signature = Release.from_bytes(tracks).signature
    forged = tracks.replace(signature, bytes([signature[0] ^ 1]) + signature[1:])
    assert forged != tracks
    with file.open("wb") as out:
        write_bundles(out, [forged, b"no bundle", tracks])
    told = await asyncio.to_thread(given, jpn, file, error=VerificationError)
    assert told["refusals"][0]["code"] == "keys.signature"
    assert (told["refused"], told["taken"]) == (2, {"tracks": 1})
    whole = file.read_bytes()
    for content, taken in ((b"not such a file", 0), (whole[:-9], 0)):
        file.write_bytes(content)
        told = await asyncio.to_thread(given, jpn, file, error=VerificationError)
        assert told["error"]
        assert sum(told["taken"].values()) == taken
    back = exported(jpn, "PHL", tmp_path / "back.bundles")  # nobody is told of a forgery in another's name
    for bundle in read_bundles((tmp_path / "back.bundles").open("rb")):
        assert Release.from_bytes(tracks).release_id.encode() not in bundle or back["receipt"]
    with pytest.raises(InputError):
        raise CliRunner().invoke(app, ["import", str(file), "--node", str(tmp_path)]).exception  # type: ignore[misc]
    await end(jpn)
    told = await asyncio.to_thread(given, jpn, file, "--wait-s", "0.3", error=LinkError)
    assert len(list((jpn.folder / "data" / "inbox").glob("*.bundles"))) == 1  # it is taken when the node runs


async def test_what_may_go_no_more_goes_into_no_file(pair: dict[str, DemoNode], tmp_path: Path) -> None:
    """What waits is judged when the file is written, by what is in force then; it was written whatever was."""
    phl, file = pair["PHL"], tmp_path / "stick.bundles"
    await asyncio.to_thread(ask, phl, "push/feed", report_now(431000001))
    await until(lambda: exported(phl, "JPN", file).get("tracks"), "tracks to carry")
    agreement = tmp_path / "accords" / "PHL-JPN.yaml"
    text = json.loads(agreement.read_text())
    text["status"].append({**text["status"][0], "state": "terminated", "from": "2026-01-01", "recorded": "2026-01-01",
                           "confidence": "terminated"})  # fmt: skip
    agreement.write_text(json.dumps(text))
    await until(lambda: "tracks" not in exported(phl, "JPN", file), "nothing that may go")
    run = CliRunner().invoke(app, ["export", str(file), "--node", str(phl.folder / "data"), "--to", "KOR"])
    assert isinstance(run.exception, InputError)
