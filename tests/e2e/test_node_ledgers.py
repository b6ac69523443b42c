"""Two nodes over mutual TLS: an order and its balance on both sides, and exercise data that tries to cross over."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from kuroshio.accord import ledger
from kuroshio.errors import AccordError
from kuroshio.node import config
from kuroshio.node.node import Node
from kuroshio.testing.demo import free_port
from kuroshio.testing.nodes import report_now, trusting_keys, until

PAIR = ("AUS", "JPN")
BOTH_WAYS = """
id: AUS-JPN-DRILL
title: arrangement for the test
kinds: [information]
parties: [AUS, JPN]
binding: arrangement
interpretation: {by: test, date: 2026-11-22, note: invented for the test}
status:
  - {state: in_force, from: 2026-01-01, recorded: 2026-01-01, source: test, confidence: in_force}
clauses:
  - {id: real, effect: permit, text: ships, when: {level: {lte: R}}}
  - {id: drill, effect: permit, text: ships of an exercise, when: {level: {lte: R}, exercise: {eq: true}}}
---
release_orders:
  - {id: T-1, by: AUS.release_authority, party: AUS, to: [JPN], valid: {from: 2024-01-01, until: 2035-01-01}}
  - {id: T-2, by: JPN.release_authority, party: JPN, to: [AUS], valid: {from: 2024-01-01, until: 2035-01-01}}
"""


def make(tmp_path, party: str, ports: dict[str, int], mode: str) -> Node:
    other = next(p for p in PAIR if p != party)
    folder = tmp_path / party
    (folder / "drill.yaml").write_text(BOTH_WAYS)
    document = {
        "node": {"party": party, "name": f"{party} test", "mode": mode},
        "peer": {"port": ports[party]},
        "accords": {"samples": True, "paths": ["drill.yaml"]},
        "partners": [{"party": other, "url": f"https://127.0.0.1:{ports[other]}"}],
        "sources": [
            {"name": "feed", "format": "aivdm", "link": "push",
             "sensor": {"kind": "ais", "lat_deg": 20.0, "lon_deg": 121.0, "max_range_m": 90000.0}},
        ],
    }  # fmt: skip
    return Node(config.from_dict(document, base=folder))


@contextlib.asynccontextmanager
async def two(tmp_path, modes: dict[str, str]):
    ports = {p: free_port() for p in PAIR}
    for p in PAIR:
        (tmp_path / p).mkdir()
    trusting_keys({p: tmp_path / p for p in PAIR})
    nodes = {p: make(tmp_path, p, ports, modes[p]) for p in PAIR}
    try:
        yield {p: (await nodes[p].start(), nodes[p]) for p in PAIR}
    finally:
        for node in nodes.values():
            await node.stop()


ORDER = {
    "accord": "AUS-JPN-ACSA", "from": "JPN", "to": "AUS", "item": "fuel", "quantity": 100, "unit": "m3",
    "price_basis": "cost", "unit_price": 7, "currency": "JPY", "payment_mode": "cash", "place": "Yokosuka",
    "date": "2026-03-02",
}  # fmt: skip


@pytest.mark.slow
async def test_an_order_runs_over_two_nodes_and_their_books_agree(tmp_path):
    async with two(tmp_path, dict.fromkeys(PAIR, "live")) as nodes:
        (aus, _), (jpn, _) = nodes["AUS"], nodes["JPN"]

        async def step(service, name, facts, other, state):
            await asyncio.to_thread(service.record_step, "support", "o1", name, facts, by=f"officer.{name}")
            await until(lambda: [e for e in other.ledger().exchanges() if e["state"] == state], f"{state} at the other")

        await step(aus, "order", ORDER, jpn, "proposed")
        with pytest.raises(AccordError, match=r"Art\.2\.w"):
            await asyncio.to_thread(
                aus.record_step, "support", "o2", "order", {**ORDER, "item": "weapon_system"}, by="officer"
            )
        with pytest.raises(AccordError, match="not by the providing party"):
            await asyncio.to_thread(aus.record_step, "support", "o1", "accept", {}, by="another")
        await step(jpn, "accept", {}, aus, "decided")
        proof = {"source_document": "sha256:" + "0" * 64, "delivered_at": "2026-03-02"}
        await step(jpn, "deliver", proof, aus, "executed")
        await step(aus, "receipt", {"received": 90}, jpn, "receipted")
        await asyncio.to_thread(
            aus.record_step, "support", "o1", "settle", {"amount": 30, "mode": "cash", "evidence": "x"}, by="officer"
        )
        owed = [{"creditor": "JPN", "debtor": "AUS", "currency": "JPY", "amount": 600}]
        for service in (aus, jpn):
            await until(lambda s=service: s.ledger().summary()["balances"] == owed, "the balance")
        sides = [[ledger.read_entry(e) for e in s.ledger().exchange("support", "o1")["entries"]] for s in (aus, jpn)]
        assert not any(ledger.reconcile(*sides).values())
        assert {d["state"] for d in jpn.ledger().duties()} == {"open"}
        forged = {**sides[1][1].as_dict(), "by": "AUS:nobody"}
        with pytest.raises(Exception, match="is not of JPN"):
            aus.ledger().take("JPN", json.dumps(forged))
        with pytest.raises(Exception, match="an entry of JPN"):
            aus.ledger().take("JPN", "no entry")


@pytest.mark.slow
async def test_exercise_data_does_not_enter_a_real_picture_nor_the_reverse(tmp_path):
    async with two(tmp_path, {"AUS": "live", "JPN": "exercise"}) as nodes:
        (aus, real), (jpn, drill) = nodes["AUS"], nodes["JPN"]
        for step in range(6):
            await asyncio.to_thread(
                aus.push, "feed", report_now(503_000_001, lat_deg=20.0 + 0.00006 * step, sog_mps=6.0)
            )
            await asyncio.to_thread(
                jpn.push, "feed", report_now(431_000_001, lat_deg=20.0 + 0.00006 * step, sog_mps=6.0)
            )
            await asyncio.sleep(1.1)
        for node, word in ((real, "kept_out_exercise"), (drill, "kept_out_real")):
            await until(lambda n=node, w=word: n.partners.room.counters.get(w), f"the other's tracks were {word}")
        assert [r["mmsi"] for r in aus.snapshot()[1].to_pylist()] == [503_000_001]
        assert [(r["mmsi"], r["exercise"]) for r in jpn.snapshot()[1].to_pylist()] == [(431_000_001, True)]
        assert all(a["exercise"] for a in jpn.alerts())
        assert not any(a["exercise"] for a in aus.alerts())
