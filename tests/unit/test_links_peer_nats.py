"""Two sessions through a real NATS server with JetStream: the same rules, and a server that is trusted with nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kuroshio import clock
from kuroshio.links.peer_nats import NatsPeers, subject
from kuroshio.links.tls import KeyFolder
from kuroshio.peers import Direction, Limits, PeerDriver, Session, Sqlite
from kuroshio.peers.instructions import Deliver

T0 = 1_790_000_000_000_000
SERVER = shutil.which("nats-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="no nats-server: tools/test-extras installs it")


class Broker:
    """A nats-server of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = int(sock.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            str(SERVER), "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


class End:
    """One node's end: keys, outbox, driver, connection."""

    def __init__(self, folder: Path, me: str, partner: str) -> None:
        self.keys = KeyFolder.make(folder / me, me, now_us=clock.now_us())
        self.folder, self.me, self.partner = folder, me, partner
        self.got: list[bytes] = []
        self.told: list[str] = []
        self.allow = True

    async def accept(self, item: Deliver) -> None:
        self.got.append(item.body)

    async def start(self, url: str) -> None:
        self.outbox = Sqlite(str(self.folder / self.me / "outbox.db"), self.partner, epoch=T0)
        limits = Limits(beat_us=200_000, quiet_us=3_000_000)
        session = Session(self.me, self.partner, self.outbox, lambda item, now: self.allow, limits)
        self.driver = PeerDriver(
            session, self.accept, now=clock.now_us, notice=lambda what, detail: self.told.append(what)
        )
        self.driver.start()
        self.peers = NatsPeers(
            url, self.me, server=self.keys.context(server=True), client=lambda: self.keys.context(server=False),
            party_of=self.keys.party_of,
        )  # fmt: skip
        self.peers.expect(self.partner, lambda: self.driver.handler(Direction.IN))
        self.peers.start()
        self.client = self.peers.dial(self.partner, self.driver.handler(Direction.OUT))
        self.task = asyncio.create_task(self.client.run())

    async def stop(self) -> None:
        self.task.cancel()
        done, _ = await asyncio.wait({self.task}, timeout=30)
        assert done, "the client did not end"
        await self.peers.stop()
        await self.driver.stop()
        self.outbox.close()


async def until(condition, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Broker, End, End]]:
    broker = Broker(tmp_path / "js")
    await broker.start()
    a, b = End(tmp_path, "PHL", "JPN"), End(tmp_path, "JPN", "PHL")
    a.keys.trust(b.keys.export())
    b.keys.trust(a.keys.export())
    await a.start(broker.url)
    await b.start(broker.url)
    try:
        yield broker, a, b
    finally:
        await a.stop()
        await b.stop()
        await broker.kill()


async def test_items_cross_in_order_and_the_server_sees_only_ciphertext(tmp_path: Path) -> None:
    async with pair(tmp_path) as (_, a, b):
        seen: list[bytes] = []

        async def watch(message) -> None:  # type: ignore[no-untyped-def]
            seen.append(message.data)

        await a.peers.ready.wait()
        await a.peers._nats.subscribe("kuroshio.>", cb=watch)
        bodies = [b"SECRET POSITION %04d " % i * 20 for i in range(60)] + [b"LONG" * 100_000]
        for i, body in enumerate(bodies):
            await a.driver.offer("alerts", f"r{i}", body)
        await b.driver.offer("recall", "x", b"RECALL OF ALL")
        await until(lambda: len(b.got) == len(bodies) and len(a.got) == 1)
        assert b.got == bodies
        await until(lambda: a.driver.health()["out"]["undelivered_items"] == 0)
        assert sum(map(len, seen)) > 400_000
        carried = b"".join(seen)
        assert b"SECRET" not in carried
        assert b"RECALL" not in carried
        assert b"LONGLONG" not in carried


async def test_a_killed_server_loses_nothing_and_policy_is_asked_again(tmp_path: Path) -> None:
    """JetStream acknowledges before its disk has the message: the session's own log makes up for it."""
    async with pair(tmp_path) as (broker, a, b):
        await a.driver.offer("alerts", "r0", b"first")
        await until(lambda: b.got == [b"first"])
        await broker.kill()
        await until(lambda: a.driver.session.out.state == "down")
        await a.driver.offer("alerts", "r1", b"allowed when queued")
        a.allow = False  # the accord ends during the outage
        await broker.start()
        await until(lambda: "skipped" in b.told)
        a.allow = True
        for i in range(50):
            await a.driver.offer("alerts", f"s{i}", b"after %d" % i)
        await until(lambda: len(b.got) == 51)
        assert b.got == [b"first", *(b"after %d" % i for i in range(50))]


async def test_nobody_on_the_server_can_speak_for_a_partner(tmp_path: Path) -> None:
    async with pair(tmp_path) as (broker, a, b):
        stranger = End(tmp_path, "USA", "JPN")
        stranger.keys.trust(b.keys.export())
        forger = NatsPeers(
            broker.url, "PHL", server=stranger.keys.context(server=True),
            client=lambda: stranger.keys.context(server=False), party_of=stranger.keys.party_of,
        )  # fmt: skip
        forger.expect("JPN", lambda: stranger)
        forger.start()
        async with asyncio.timeout(60):
            await forger.ready.wait()
        turned = b.peers.counters["turned_away"]
        task = asyncio.create_task(forger.dial("JPN", stranger).run())  # on PHL's subject, with a certificate of USA
        await until(lambda: b.peers.counters["turned_away"] > turned)
        task.cancel()
        for number in range(3):  # noise on the subject, within a stream that never was and one that may be
            await forger._broker.publish(
                subject("PHL", "JPN", "data"), b"\x16\x03\x01 noise",
                headers={"Kuroshio-Stream": f"x{number}", "Kuroshio-Number": "0"},
            )  # fmt: skip
        await until(lambda: b.peers.counters["turned_away"] > turned + 3)
        await forger.stop()
        await a.driver.offer("alerts", "r0", b"from the true one")
        await until(lambda: b.got == [b"from the true one"])


async def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    broker = Broker(tmp_path / "js")
    a, b = End(tmp_path, "PHL", "JPN"), End(tmp_path, "JPN", "PHL")
    a.keys.trust(b.keys.export())
    b.keys.trust(a.keys.export())
    await a.start(broker.url)
    await until(lambda: broker.url in a.client.last_error)
    await broker.start()
    await b.start(broker.url)
    await a.driver.offer("alerts", "r0", b"in the end")
    await until(lambda: b.got == [b"in the end"])
    assert a.client.last_error == ""
    await a.stop()
    await b.stop()
    await broker.kill()
