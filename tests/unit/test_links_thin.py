"""Sessions over a bad link: 50 kbit/s, 600 ms, lost segments. A recall overtakes data; a long item arrives."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kuroshio import clock
from kuroshio.links.peer_http import PeerClient, PeerServer
from kuroshio.links.peer_parts import PART_BYTES, Incoming, Outgoing
from kuroshio.links.tls import KeyFolder
from kuroshio.peers import Direction, Limits, PeerDriver, Session, Sqlite
from kuroshio.testing.shaping import Shaper

RATE = 50_000 / 8


class End:
    """One node's end; the other is dialled through a shaper."""

    def __init__(self, folder: Path, me: str, partner: str, limits: Limits, versions: tuple[int, ...]) -> None:
        self.keys = KeyFolder.make(folder / me, me, now_us=clock.now_us())
        self.partner, self.limits = partner, limits
        self.got: list[tuple[float, bytes]] = []
        self.box = Sqlite(str(folder / me / "box.db"), partner, epoch=1)
        session = Session(me, partner, self.box, lambda item, now: True, limits, versions)
        self.driver = PeerDriver(session, self.accept, now=clock.now_us)

    async def accept(self, item) -> None:  # type: ignore[no-untyped-def]
        self.got.append((asyncio.get_running_loop().time(), item.body))

    async def start(self) -> None:
        self.driver.start()
        self.server = PeerServer(
            "127.0.0.1", 0, self.keys.context(server=True), party_of=self.keys.party_of,
            on_connect=lambda party: self.driver.handler(Direction.IN),
        )  # fmt: skip
        await self.server.start()

    def dial(self, port: int, *, parts: bool) -> asyncio.Task[None]:
        client = PeerClient(
            f"https://127.0.0.1:{port}", self.partner, lambda: self.keys.context(server=False),
            party_of=self.keys.party_of, handler=self.driver.handler(Direction.OUT),
            rate_bytes_per_s=self.limits.rate_bytes_per_s, parts=parts,
        )  # fmt: skip
        return asyncio.create_task(client.run())


async def until(condition, seconds: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def pair(tmp_path: Path, shaper: Shaper, *, rate: float | None = RATE, parts=True, versions=(2, 3)):  # type: ignore[no-untyped-def]
    limits = Limits(rate_bytes_per_s=rate, beat_us=2_000_000)
    a = End(tmp_path, "PHL", "JPN", limits, (2, 3))
    b = End(tmp_path, "JPN", "PHL", limits, versions)
    a.keys.trust(b.keys.export())
    b.keys.trust(a.keys.export())
    await a.start()
    await b.start()
    shaper.target_port = b.server.port
    await shaper.start()
    tasks = [a.dial(shaper.port, parts=parts), b.dial(a.server.port, parts=parts)]
    try:
        yield a, b
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for end in (a, b):
            await end.driver.stop()
            await end.server.stop()
            end.box.close()
        await shaper.stop()


async def test_a_recall_overtakes_data_at_50_kbit_per_s(tmp_path: Path) -> None:
    shaper = Shaper(0, bits_per_s=50_000, round_trip_s=0.6)
    async with pair(tmp_path, shaper) as (a, b):
        await until(lambda: a.driver.session.out.state == "open")
        data = clock.generator(1).bytes(60_000)  # ten seconds of the link
        began = asyncio.get_running_loop().time()
        await a.driver.offer("alerts", "long", data)
        await asyncio.sleep(1.0)
        asked = asyncio.get_running_loop().time()
        await a.driver.offer("recall", "r", b"recall")
        await until(lambda: len(b.got) == 2)
        (recall_s, first), (data_s, second) = b.got
        assert (first, second) == (b"recall", data)
        assert recall_s - asked < 4.0  # half a second of data before it, and what the system holds
        assert data_s - began > 9.0


async def test_a_lossy_link_carries_an_item_longer_than_its_silence_limit(tmp_path: Path) -> None:
    shaper = Shaper(0, bits_per_s=50_000, round_trip_s=0.6, loss=0.1)
    limits = Limits(rate_bytes_per_s=RATE, beat_us=1_000_000, quiet_us=6_000_000, stall_us=8_000_000)
    async with pair(tmp_path, shaper) as (a, b):
        for end in (a, b):
            end.driver.session.out._limits = end.driver.session.inn._limits = limits
        await until(lambda: a.driver.session.out.state == "open")
        data = clock.generator(2).bytes(80_000)  # 13 s of the link: more than silence and standstill allow
        await a.driver.offer("alerts", "long", data)
        await until(lambda: bool(b.got))
        assert b.got[0][1] == data
        await until(lambda: a.driver.health()["out"]["undelivered_items"] == 0)
        assert a.driver.session.out.counters["sent"] == 1  # never begun again
        rate = a.driver.health()["out"]["link_bytes_per_s"]
        assert 0.4 * RATE < rate < 1.3 * RATE
        assert shaper.lost > 0


@pytest.mark.parametrize(("parts", "versions"), [(False, (2,)), (True, (2,)), (False, (2, 3))])
async def test_an_older_partner_is_spoken_to_over_the_link(tmp_path: Path, parts: bool, versions) -> None:  # type: ignore[no-untyped-def]
    async with pair(tmp_path, Shaper(0, bits_per_s=1e9), rate=None, parts=parts, versions=versions) as (a, b):
        for i in range(5):
            await a.driver.offer("alerts", f"r{i}", b"%d" % i * 30_000)
        await until(lambda: len(b.got) == 5)
        assert [body for _, body in b.got] == [b"%d" % i * 30_000 for i in range(5)]
        assert a.driver.health()["out"]["wire"] == max(versions)


def test_urgent_frames_go_between_the_parts_of_others() -> None:
    out, incoming = Outgoing(), Incoming()
    long, other = bytes(range(256)) * 300, b"next"
    out.put(long, urgent=False)
    out.put(other, urgent=False)
    frames = [incoming.add(out.take() or b"")]
    out.put(b"recall", urgent=True)
    while (message := out.take()) is not None:
        assert len(message) <= PART_BYTES + 1
        frames.append(incoming.add(message))
    assert [f for f in frames if f is not None] == [b"recall", long, other]
    assert out.queued_bytes == 0
