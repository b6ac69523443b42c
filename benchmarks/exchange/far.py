"""The partners' side of the exchange benchmarks: ends of several parties in one process beside the node under test.

What enters: a folder with keys, ports, and lines on standard input. What leaves: bundles verified, durable and answered
by signed receipts as a node does, and one JSON line of figures for each line ``report``. Run by the benchmarks:
``python -m benchmarks.exchange.far FOLDER NODE_PARTY NODE_PORT PARTY:PORT ...``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock, record
from kuroshio.errors import KuroshioError
from kuroshio.exchange import Desk, Ledger, rows_of
from kuroshio.links.peer_http import PeerClient, PeerServer
from kuroshio.links.tls import KeyFolder
from kuroshio.peers import Deliver, Direction, PeerDriver, Session, Sqlite
from kuroshio.schema.release import Release

RECEIPTS_EVERY_S = 1.0


class FarEnd:
    """One partner: verifies, keeps, answers.

    Attributes
    ----------
    taken_us
        When this end had each release of tracks durably, by release id.
    """

    def __init__(self, folder: Path, me: str, node: str) -> None:
        self.me, self.node = me, node
        self.keys = KeyFolder(folder / me / "keys")
        self.signer = self.keys.signer
        self.ring = self.keys.ring()
        self.ledger = Ledger(str(folder / me / "releases.db"))
        self.log = record.open_log(folder / me / "record", self.signer, secret=self.keys.secret)
        self.check = record.ReceiptVerifier(self.ring)
        self.desk = Desk(
            self.signer, secret=self.keys.secret, record=self.log, ledger=self.ledger, keys=lambda: self.ring,
            verify_receipt=self._verify,
        )  # fmt: skip
        self.box = Sqlite(str(folder / me / "box.db"), node, epoch=clock.now_us())
        session = Session(me, node, self.box, lambda item, now: True)
        self.driver = PeerDriver(session, self.accept, now=clock.now_us)
        self._worker = ThreadPoolExecutor(1)
        self.taken_us: dict[str, int] = {}
        self.rows = self.releases = self.refused = 0
        self.alerts: list[str] = []  # in the order taken
        self.shown: dict[str, tuple[int, int]] = {}  # of each track: time, latitude in 1e-7 degrees

    def _verify(self, release: Release, now_us: int) -> None:
        self.check.now_us = now_us
        self.check.verify(release)

    async def accept(self, item: Deliver) -> None:
        """Take a bundle as a node does; the time of the releaser is believed, which may run faster than the wall."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._take, item.body)

    def _take(self, body: bytes) -> None:
        release = Release.from_bytes(body)
        at_us = int(release.fields["released_at_us"])
        try:
            self.desk.accept(self.node, body, at_us)
        except KuroshioError:
            self.refused += 1
            raise
        self.releases += 1
        if release.kind == "alerts":
            self.alerts += rows_of(release)["alert_ref"].to_pylist()
        if release.kind == "tracks":
            self._show(release)
            self.rows += release.rows
            self.taken_us[release.release_id] = clock.now_us()

    def _show(self, release: Release) -> None:
        """Keep the newest state of each track, as a picture would."""
        rows = rows_of(release).select(["ref", "observed_at", "lat_deg", "status"])
        at = rows["observed_at"].cast(pa.int64()).to_pylist()
        lat = np.rint(rows["lat_deg"].to_numpy() * 1e7).astype(np.int64).tolist()
        for ref, at_us, place, status in zip(
            rows["ref"].to_pylist(), at, lat, rows["status"].cast(pa.string()).to_pylist(), strict=True
        ):
            if status == "ended":
                self.shown.pop(ref, None)
            else:
                self.shown[ref] = at_us, place

    async def serve(self, port: int, node_port: int) -> list[asyncio.Task[None]]:
        """Listen, dial the node, answer now and then."""
        self.driver.start()
        self.server = PeerServer(
            "127.0.0.1", port, self.keys.context(server=True), party_of=self.keys.party_of,
            on_connect=lambda party: self.driver.handler(Direction.IN) if party == self.node else None,
        )  # fmt: skip
        await self.server.start()
        client = PeerClient(
            f"https://127.0.0.1:{node_port}", self.node, lambda: self.keys.context(server=False),
            party_of=self.keys.party_of, handler=self.driver.handler(Direction.OUT),
        )  # fmt: skip
        return [asyncio.create_task(client.run()), asyncio.create_task(self._answer())]

    async def _answer(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RECEIPTS_EVERY_S)
            for parcel in await loop.run_in_executor(self._worker, self.desk.receipts, clock.now_us()):
                await self.driver.offer(parcel.kind, parcel.release_id, parcel.data)
                await loop.run_in_executor(self._worker, self.desk.offered, parcel)

    def figures(self) -> dict[str, Any]:
        """What was taken since the last call."""
        value = {
            "rows": self.rows, "releases": self.releases, "refused": self.refused,
            "shown": len(self.shown), "digest": digest(self.shown), "taken_us": self.taken_us,
            "alerts": len(self.alerts), "alerts_digest": hashlib.sha256("".join(self.alerts).encode()).hexdigest(),
        }  # fmt: skip
        self.rows = self.releases = self.refused = 0
        self.taken_us = {}
        return value


def digest(shown: dict[str, tuple[int, int]]) -> str:
    """Of a picture: reference, time and place of each track."""
    return hashlib.sha256(repr(sorted(shown.items())).encode()).hexdigest()


def make_keys(folder: Path, parties: list[str]) -> None:
    """Key folders of parties that trust one another."""
    made = {p: KeyFolder.make(folder / p / "keys", p, now_us=clock.now_us(), hosts=["127.0.0.1"]) for p in parties}
    for party, keys in made.items():
        for other, theirs in made.items():
            if other != party:
                keys.trust(theirs.export())


async def main(argv: list[str]) -> None:
    """Ends until standard input ends."""
    folder, node, node_port, *ends = argv
    far = {}
    tasks = []
    for text in ends:
        party, _, port = text.partition(":")
        far[party] = FarEnd(Path(folder), party, node)
        tasks += await far[party].serve(int(port), int(node_port))
    loop = asyncio.get_running_loop()
    spent_s = time.process_time()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "report":
            now_s = time.process_time()
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            value = {"cpu_s": round(now_s - spent_s, 2), "peak_mb": round(peak_mb), "ends": {}}
            value["ends"] = {party: end.figures() for party, end in far.items()}
            spent_s = now_s
            sys.stdout.write(json.dumps(value) + "\n")
            sys.stdout.flush()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for end in far.values():
        await end.driver.stop()
        await end.server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
