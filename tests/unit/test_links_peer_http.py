"""Two nodes' ends over real mutual TLS: identity, delivery, resume after a cut, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kuroshio import clock
from kuroshio.errors import PeerError, StoreError, VerificationError
from kuroshio.links.peer_http import PeerClient, PeerServer
from kuroshio.links.tls import KeyFolder
from kuroshio.peers import Deliver, Direction, Limits, PeerDriver, Session, Sqlite

T0 = 1_790_000_000_000_000


class End:
    """One node's end: keys, driver, listener."""

    def __init__(self, folder: Path, me: str, partner: str) -> None:
        self.keys = KeyFolder.make(folder / me, me, now_us=T0)
        self.folder, self.me, self.partner = folder, me, partner
        self.got: list[tuple[str, bytes]] = []
        self.told: list[tuple[str, dict[str, object]]] = []
        self.allow = True
        self.fail: list[Exception] = []

    async def accept(self, item: Deliver) -> None:
        if self.fail:
            raise self.fail.pop(0)
        self.got.append((item.kind, item.body))

    async def start(self) -> None:
        self.outbox = Sqlite(str(self.folder / self.me / "outbox.db"), self.partner, epoch=T0)
        session = Session(self.me, self.partner, self.outbox, lambda item, now: self.allow, Limits(beat_us=200_000))
        self.driver = PeerDriver(
            session, self.accept, now=clock.now_us, notice=lambda what, detail: self.told.append((what, detail))
        )
        self.driver.start()
        self.server = PeerServer(
            "127.0.0.1",
            0,
            self.keys.context(server=True),
            party_of=self.keys.party_of,
            on_connect=lambda party: self.driver.handler(Direction.IN) if party == self.partner else None,
        )
        await self.server.start()

    def dial(self, port: int) -> asyncio.Task[None]:
        client = PeerClient(
            f"https://127.0.0.1:{port}",
            self.partner,
            lambda: self.keys.context(server=False),
            party_of=self.keys.party_of,
            handler=self.driver.handler(Direction.OUT),
        )
        self.client = client
        return asyncio.create_task(client.run())

    async def stop(self) -> None:
        await self.driver.stop()
        await self.server.stop()
        self.outbox.close()


async def until(condition, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def pair(tmp_path: Path) -> AsyncIterator[tuple[End, End]]:
    a, b = End(tmp_path, "PHL", "JPN"), End(tmp_path, "JPN", "PHL")
    a.keys.trust(b.keys.export())
    b.keys.trust(a.keys.export())
    await a.start()
    await b.start()
    tasks = [a.dial(b.server.port), b.dial(a.server.port)]
    try:
        yield a, b
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await a.stop()
        await b.stop()


async def test_items_cross_both_ways_in_order(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        for i in range(200):
            await a.driver.offer("alerts", f"r{i}", b"alert %d" % i)
        await b.driver.offer("recall", "x", b"recall")
        await until(lambda: len(b.got) == 200 and len(a.got) == 1)
        assert [body for _, body in b.got] == [b"alert %d" % i for i in range(200)]
        await until(lambda: a.driver.health()["out"]["undelivered_items"] == 0)
        health = a.driver.health()
        assert health["out"]["last_accepted_us"] is not None
        assert health["out"]["wire"] == 3
        assert not health["out"]["quiet"]
        await until(lambda: sum(len(d["release_ids"]) for what, d in a.told if what == "acknowledged") == 200)  # type: ignore[arg-type]
        acknowledged = [r for what, d in a.told if what == "acknowledged" for r in d["release_ids"]]  # type: ignore[attr-defined]
        assert acknowledged == [f"r{i}" for i in range(200)]


async def test_resume_after_a_cut_gives_each_item_once(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        await a.driver.offer("alerts", "r0", b"first")
        await until(lambda: len(b.got) == 1)
        await b.server.stop()  # the stream is cut; items wait
        for i in range(20):
            await a.driver.offer("alerts", f"r{i + 1}", b"more %d" % i)
        again = PeerServer(
            "127.0.0.1",
            b.server.port,
            b.keys.context(server=True),
            party_of=b.keys.party_of,
            on_connect=lambda party: b.driver.handler(Direction.IN),
        )
        await again.start()
        b.server = again
        await until(lambda: len(b.got) == 21)
        assert [body for _, body in b.got] == [b"first", *(b"more %d" % i for i in range(20))]


async def test_policy_is_asked_again_at_replay(tmp_path: Path) -> None:
    a, b = End(tmp_path, "PHL", "JPN"), End(tmp_path, "JPN", "PHL")
    a.keys.trust(b.keys.export())
    b.keys.trust(a.keys.export())
    await a.start()
    await b.start()
    await a.driver.offer("alerts", "old", b"allowed when queued")
    a.allow = False  # the accord ended while the partner was away
    task = a.dial(b.server.port)
    await until(lambda: any(what == "skipped" for what, _ in b.told))
    a.allow = True
    await a.driver.offer("alerts", "new", b"allowed now")
    await until(lambda: len(b.got) == 1)
    assert b.got == [("alerts", b"allowed now")]
    assert ("withheld", {"partner": "JPN", "release_id": "old", "kind": "alerts"}) in a.told
    task.cancel()
    await a.stop()
    await b.stop()


async def test_a_full_disk_delays_and_a_bad_item_is_refused(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        b.fail = [StoreError("disk full"), VerificationError("bad", code="keys.signature")]
        await a.driver.offer("alerts", "r0", b"one")
        await until(lambda: any(what == "refused" for what, _ in a.told))
        await a.driver.offer("alerts", "r1", b"two")
        await until(lambda: len(b.got) == 1)
        assert b.got == [("alerts", b"two")]
        refused = next(d for what, d in a.told if what == "refused")
        assert refused["code"] == "keys.signature"


async def test_a_stranger_and_an_impostor_are_turned_away(tmp_path: Path) -> None:
    async with pair(tmp_path) as (a, b):
        stranger = End(tmp_path, "USA", "JPN")
        stranger.keys.trust(b.keys.export())
        await stranger.start()
        task = stranger.dial(b.server.port)
        await until(lambda: stranger.client.counters["failures"] >= 1)
        task.cancel()
        assert stranger.driver.session.out.state == "down"
        # a partner's authority that issues a certificate in another party's name vouches for nothing
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        from kuroshio.links.certificates import issue

        ca_key = serialization.load_pem_private_key((tmp_path / "PHL" / "ca.key").read_bytes(), None)
        ca = x509.load_pem_x509_certificate((tmp_path / "PHL" / "ca.crt").read_bytes())
        b.keys.trust(stranger.keys.export())
        _, forged = issue("USA", "n", ["localhost"], (ca_key, ca), now_us=T0)  # type: ignore[arg-type]
        with pytest.raises(PeerError) as caught:
            b.keys.party_of(forged.public_bytes(serialization.Encoding.DER))
        assert caught.value.error_code == "peer.wrong_authority"
        await stranger.stop()
        assert a.driver.session.out.state in ("open", "greeted", "down")
