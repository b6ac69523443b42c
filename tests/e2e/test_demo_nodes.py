"""Three real nodes on one simulated sea: the story holds, and what crosses is exactly what the decision allows."""

from __future__ import annotations

import asyncio
import signal
import sqlite3

import aiohttp
import pyarrow as pa
import pytest

from kuroshio import accord
from kuroshio.exchange import coarsen
from kuroshio.geo import metres_per_degree
from kuroshio.links.tls import KeyFolder
from kuroshio.schema import Effect
from kuroshio.schema.release import TRACK_FORMS, Release
from kuroshio.testing import demo as demos
from kuroshio.testing import story

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def rows_of(release: Release) -> pa.Table:
    plain = pa.decompress(release.payload, decompressed_size=release.fields["payload_bytes"], codec="zstd")
    with pa.ipc.open_stream(plain) as reader:
        return reader.read_all()


def held_bundles(folder, partner: str) -> list[Release]:
    """Bundles a node holds of a partner, read from its store on disk."""
    with sqlite3.connect(folder / "data" / "releases.db") as db:
        rows = db.execute(
            "SELECT bundle FROM held WHERE from_party=? AND kind='tracks' AND bundle IS NOT NULL", (partner,)
        ).fetchall()
    return [Release.from_bytes(bytes(row[0])) for row in rows]


async def test_story_then_a_cut_then_every_field_is_as_decided(tmp_path):
    plan = demos.prepare(tmp_path, seed=11, speed=12.0)  # as fast as half of two slow cores can follow
    async with demos.running(plan), aiohttp.ClientSession() as session:
        findings = await story.check(plan, limit_s=150.0)
        assert findings["failures"] == []
        await a_killed_node_resumes(plan, session)
        shown = await with_partner(plan, session)
    records = await story.verify_records(plan)
    assert {party: r["exit"] for party, r in records.items()} == {"PHL": 0, "JPN": 0, "USA": 0}
    every_field_is_as_decided(plan, shown)


async def with_partner(plan, session) -> list[dict]:
    """The picture of JPN; a bundle is on its disk before its rows are in the picture, so wait for the first of them."""
    for _ in range(60):
        shown = (await demos.get(session, plan.nodes["JPN"], "tracks", format="json"))["tracks"]
        if any(row["partner"] == "PHL" for row in shown):
            break
        await asyncio.sleep(0.5)
    return shown


async def a_killed_node_resumes(plan, session) -> None:
    """JPN is killed and started again: its log with PHL goes on from where it stood, nothing is sent twice."""
    jpn = plan.nodes["JPN"]
    taken = len(held_bundles(jpn.folder, "PHL"))
    jpn.process.send_signal(signal.SIGKILL)
    await jpn.process.wait()
    await asyncio.sleep(3.0)
    await demos.start(plan, jpn, jpn.folder / "node.toml", quiet=True)
    await demos.up(session, jpn)
    for _ in range(120):
        bundles = held_bundles(jpn.folder, "PHL")
        partners = await demos.get(session, plan.nodes["PHL"], "partners")
        out = next(p for p in partners if p["party"] == "JPN" and p["direction"] == "out")
        if len(bundles) > taken + 1 and out["undelivered"] <= 2:
            break
        await asyncio.sleep(0.5)
    assert len(bundles) > taken + 1
    numbers = [b.release_id for b in bundles]
    assert len(numbers) == len(set(numbers))


def every_field_is_as_decided(plan, shown) -> None:
    """Each row JPN holds of PHL has the columns the decision allows and no others, at the precision it asks."""
    book = accord.load(accord.sample_paths())
    secret = KeyFolder(plan.nodes["PHL"].folder / "keys").secret
    bundles = held_bundles(plan.nodes["JPN"].folder, "PHL")
    assert bundles
    dark_seen = False
    for bundle in bundles:
        header, rows = bundle.fields, rows_of(bundle)
        item = {
            "kind": "information", "subject": "vessel", "originator": header["originator"], "level": header["level"],
            "purpose": header["purpose"], "observed_at": header["released_at_us"], "sensors": ["ais"],
            "held_under": header["held_under"], "releasable_to": None, "caveats": [], "exercise": False,
        }  # fmt: skip
        decision = book.evaluate(item, releaser="PHL", to="JPN", valid_at_us=header["released_at_us"])
        assert decision.effect in (Effect.PERMIT, Effect.OBLIGE)
        assert header["accord"] == decision.basis
        assert header["clauses"] == [str(c) for c in decision.cites]
        terms = decision.obligations
        assert terms.grid_deg > 0
        assert header["obligations"]["grid_deg"] == terms.grid_deg
        assert header["obligations"]["time_bucket_s"] == terms.time_bucket_s
        assert rows.schema.names == list(TRACK_FORMS[header["wire"]].names)
        for withheld in ("sensors", "name", "call_sign", "heading_deg"):
            assert rows[withheld].null_count == rows.num_rows, withheld
        for row in rows.to_pylist():
            at_us = int(row["observed_at"].timestamp() * 1e6)
            assert at_us % (terms.time_bucket_s * 1_000_000) == 0
            north_m = terms.grid_deg * float(metres_per_degree(row["lat_deg"])[1])
            assert row["cov_nn_m2"] >= (north_m / 12**0.5) ** 2 * 0.99  # the cell is stated as the doubt it is
            dark_seen |= bool(row["flags"] & 1)
        refs = rows["ref"].to_pylist()
        assert len(refs) == len(set(refs)), "one row a track and bucket"
        assert not set(refs) & {str(n) for n in range(10_000)}, "references say nothing of our numbers"
    assert dark_seen
    assert coarsen.offset_deg(secret, 1, 0.05) != coarsen.offset_deg(secret, 2, 0.05)
    latest = {}
    for bundle in sorted(bundles, key=lambda b: b.fields["released_at_us"]):
        for row in rows_of(bundle).to_pylist():
            latest[(round(row["lat_deg"], 4), round(row["lon_deg"], 4))] = row
    only_phl = [r for r in shown if r["partner"] == "PHL" and r["sensors"] == ["partner"]]
    assert only_phl
    for row in only_phl:
        assert row["grid_m"] > 5000
        assert not row["name"]
