"""A whole node beside one of older software, over a real link: told in its form, and in the newer one once renewed."""

from __future__ import annotations

import asyncio
from functools import partial
from types import SimpleNamespace

import pytest
from tests.unit.test_exchange_forms import BOOK

from kuroshio.node import config, partners
from kuroshio.node.node import Node
from kuroshio.node.partners import Partners
from kuroshio.peers import Session
from kuroshio.testing.demo import free_port
from kuroshio.testing.nodes import report_now, trusting_keys, until

MMSI = 548_000_123


def make(folder, party: str, other: str, ports: dict[str, int]) -> Node:
    partner = {"party": other, "url": f"https://127.0.0.1:{ports[other]}", "tracklets": True}
    document = {
        "node": {"party": party, "name": f"{party} test"},
        "peer": {"port": ports[party]},
        "accords": {"paths": ["../book.yaml"]},
        "partners": [partner],
        "sources": [{"name": "feed", "format": "aivdm", "link": "push"}],
    }
    return Node(config.from_dict(document, base=folder / party))


async def row_at(service, wanted):
    """Row of the partner once it is as wanted, while the ship goes on reporting at the other node."""
    return await until(lambda: next((r for r in service.snapshot()[1].to_pylist() if wanted(r)), None), "a row")


async def reports(service) -> None:
    for step in range(600):
        await asyncio.to_thread(service.push, "feed", report_now(MMSI, lat_deg=20.0 + 0.00006 * step, sog_mps=6.0))
        await asyncio.sleep(1.0)


@pytest.mark.slow
async def test_an_older_node_is_told_in_its_form_and_in_the_newer_one_once_it_is_renewed(tmp_path, monkeypatch):
    ports = {"PHL": free_port(), "JPN": free_port()}
    for party in ports:
        (tmp_path / party).mkdir()
    (tmp_path / "book.yaml").write_text(BOOK, encoding="utf-8")
    trusting_keys({p: tmp_path / p for p in ports})
    phl, old = make(tmp_path, "PHL", "JPN", ports), make(tmp_path, "JPN", "PHL", ports)
    service = await phl.start()
    assert phl.partners.track_form("JPN") == 1  # not a word from it yet
    with monkeypatch.context() as patch:
        patch.setattr(partners, "Session", partial(Session, versions=(2,)))
        theirs = await old.start()
    talk = asyncio.create_task(reports(service))
    try:
        row = await row_at(theirs, lambda r: r["partner"] == "PHL")
        assert row["provenance"] is None
        assert row["cov_eve_m2s"] is None
        assert row["grid_m"] == 0.0
        assert phl.partners.track_form("JPN") == 1
        assert phl.partners.health()[0]["counters"]["wire"] == 2
        await old.stop()
        new = make(tmp_path, "JPN", "PHL", ports)
        theirs = await new.start()
        try:
            row = await row_at(theirs, lambda r: r["provenance"] is not None)
            assert row["mmsi"] == MMSI
            assert row["cov_eve_m2s"] is not None
            assert phl.partners.track_form("JPN") == 2
        finally:
            await new.stop()
        states = {r["state"] for r in service.releases(to="JPN") if r["kind"] == "tracks"}
        assert "refused" not in states
    finally:
        talk.cancel()
        await phl.stop()
    assert phl.failure is None


@pytest.mark.parametrize(
    ("said", "form"), [({"tracklets": True}, 1), ({"tracklets": True, "wire_version": 3}, 2), ({"wire_version": 3}, 1)]
)
def test_a_partner_reached_by_files_alone_is_told_what_the_node_file_says_it_reads(said, form, tmp_path) -> None:
    document = {
        "node": {"party": "PHL", "name": "PHL"}, "partners": [{"party": "JPN", "url": "https://127.0.0.1:1", **said}],
    }  # fmt: skip
    settings = config.from_dict(document, base=tmp_path)
    none = Partners(settings, trust=_Trust(), ledger=None, time=None, worker=None)  # type: ignore[arg-type]
    none.room = SimpleNamespace(unread=SimpleNamespace(old=set()))  # type: ignore[assignment]  # it has refused no form
    assert none.track_form("JPN") == form
    assert none.track_form("USA") == 1


class _Trust:
    generation = 0
