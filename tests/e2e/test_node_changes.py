"""What changes beside two running nodes holds at once: agreements by version, keys rotated and revoked."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from kuroshio import clock
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.testing.demo import free_port
from kuroshio.testing.nodes import report_now, trusting_keys, until

PAIR = ("AUS", "JPN")
AGREEMENT = """
id: AUS-JPN-SEA
title: arrangement for the test
kinds: [information]
parties: [AUS, JPN%(third)s]
binding: arrangement
version: %(version)d
interpretation: {by: test, date: 2026-11-22, note: invented for the test}
status:
  - {state: in_force, from: 2026-01-01, recorded: 2026-01-01, source: test, confidence: in_force}
clauses:
  - {id: ships, effect: permit, text: ships, when: {level: {lte: R}}}
---
release_orders:
  - {id: T-1, by: AUS.release_authority, party: AUS, to: [JPN, KOR], valid: {from: 2024-01-01, until: 2035-01-01}}
  - {id: T-2, by: JPN.release_authority, party: JPN, to: [AUS, KOR], valid: {from: 2024-01-01, until: 2035-01-01}}
"""


class Pair:
    """Two nodes with an agreement of their own and nothing else between them."""

    def __init__(self, tmp_path) -> None:
        self.folder = {p: tmp_path / p for p in PAIR}
        self.ports = {p: free_port() for p in PAIR}
        for party, folder in self.folder.items():
            (folder / "agreements").mkdir(parents=True)
            (folder / "agreements" / "parties.yaml").write_text(
                "parties: [{code: AUS, name: A}, {code: JPN, name: B}, {code: KOR, name: C}]\nlevels: {order: [U, R]}\n"
            )
            self.write(party, 1, ", KOR")
        self.keys = trusting_keys(self.folder)
        self.nodes = {p: self.node(p) for p in PAIR}
        self.service = {}

    def write(self, party: str, version: int, third: str) -> None:
        text = AGREEMENT % {"version": version, "third": third}
        (self.folder[party] / "agreements" / "sea.yaml").write_text(text)

    def node(self, party: str) -> Node:
        other = next(p for p in PAIR if p != party)
        document = {
            "node": {"party": party, "name": f"{party} test"},
            "peer": {"port": self.ports[party]},
            "accords": {"samples": False, "paths": ["agreements"]},
            "partners": [{"party": other, "url": f"https://127.0.0.1:{self.ports[other]}"}],
            "sources": [
                {"name": "feed", "format": "aivdm", "link": "push",
                 "sensor": {"kind": "ais", "lat_deg": 20.0, "lon_deg": 121.0, "max_range_m": 90000.0}},
            ],
        }  # fmt: skip
        return Node(config.from_dict(document, base=self.folder[party]))

    async def ship(self, party: str, mmsi: int) -> None:
        for _ in range(5):
            await asyncio.to_thread(self.service[party].push, "feed", report_now(mmsi))
            await asyncio.sleep(1.05)

    def seen(self, party: str) -> set[int]:
        return {m for m in self.service[party].snapshot()[1]["mmsi"].to_pylist() if m is not None}


@contextlib.asynccontextmanager
async def running(tmp_path):
    pair = Pair(tmp_path)
    try:
        for party, node in pair.nodes.items():
            pair.service[party] = await node.start()
        yield pair
    finally:
        for node in pair.nodes.values():
            await node.stop()
    assert [n.failure for n in pair.nodes.values()] == [None, None]


@pytest.mark.slow
async def test_a_removal_from_a_group_holds_at_every_member(tmp_path):
    """AUS takes KOR out (version 2): JPN, with version 1, sends nothing under it to anyone until it has version 2."""
    async with running(tmp_path) as pair:
        aus, jpn = pair.service["AUS"], pair.service["JPN"]
        await pair.ship("JPN", 431_000_001)
        await until(lambda: 431_000_001 in pair.seen("AUS"), "AUS sees the ship of JPN")
        assert jpn.snapshot("KOR")[1].num_rows == 1
        pair.write("AUS", 2, "")
        await until(lambda: jpn.info()["later_versions"], "JPN hears of version 2")
        assert jpn.info()["later_versions"] == [{"accord": "AUS-JPN-SEA", "party": "AUS", "version": 2, "ours": 1}]
        # a view is made anew every two seconds
        await until(lambda: aus.snapshot("KOR")[1].num_rows == 0, "KOR is out at AUS")
        await until(lambda: jpn.snapshot("KOR")[1].num_rows == 0, "the party that is out is out at JPN too")
        await pair.ship("JPN", 431_000_002)
        assert 431_000_002 not in pair.seen("AUS")
        assert {row["effect"] for row in jpn.withheld("AUS")} == {"decide"}
        pair.write("JPN", 2, "")
        await until(lambda: 431_000_002 in pair.seen("AUS"), "it flows again with version 2 at both")
        assert jpn.info()["later_versions"] == []
        assert jpn.snapshot("KOR")[1].num_rows == 0
        pair.write("JPN", 3, ", PRK")
        await until(lambda: jpn.info()["agreements_fault"], "a party nobody has named is a fault that is shown")
        assert jpn.withheld("AUS") == []


@pytest.mark.slow
async def test_keys_changed_beside_running_nodes_hold_at_once(tmp_path):
    """A rotation costs no release; a revocation ends the stream, and what waits goes when the new key is trusted."""
    async with running(tmp_path) as pair:
        keys = pair.keys
        await pair.ship("JPN", 431_000_001)
        await until(lambda: 431_000_001 in pair.seen("AUS"), "AUS sees the first ship")
        await asyncio.to_thread(keys["JPN"].rotate, now_us=clock.now_us())
        await pair.ship("JPN", 431_000_002)
        keys["AUS"].trust(keys["JPN"].export())
        await until(lambda: 431_000_002 in pair.seen("AUS"), "AUS sees the second ship, signed with the new key")
        for key in keys["AUS"].ring().of("JPN"):
            keys["AUS"].revoke(key.key_id, now_us=clock.now_us())
        await pair.ship("JPN", 431_000_003)
        assert 431_000_003 not in pair.seen("AUS")
        await until(
            lambda: all(p["state"] != "ok" for p in pair.service["JPN"].partners()), "JPN is shown that AUS is away"
        )
        await asyncio.to_thread(keys["JPN"].rotate, now_us=clock.now_us(), revoke=True)
        keys["AUS"].trust(keys["JPN"].export())
        await pair.ship("JPN", 431_000_003)
        await until(lambda: 431_000_003 in pair.seen("AUS"), "AUS sees the third ship with a key it trusts")
