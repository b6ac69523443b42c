"""Partners of a node: their sessions, what they sent, and the health of each direction.

What enters: releases of this node to queue, bundles of partners. What leaves: items in durable outbound logs, partner
tracks for the picture, signed receipts. A bundle is taken only after `exchange.receive` verified it, and acknowledged
only after it is durable here. Sessions keep wall time; what is released keeps the node's own.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kuroshio import clock, exchange
from kuroshio.errors import KuroshioError, PeerError, StoreError, VerificationError
from kuroshio.links.peer_http import Handler, PeerClient, PeerServer
from kuroshio.links.peer_nats import NatsClient, NatsPeers
from kuroshio.node import mailroom
from kuroshio.node.config import NodeConfig, PartnerSection
from kuroshio.node.files_out import FilesOut
from kuroshio.node.inbox import Inbox
from kuroshio.node.past import Told
from kuroshio.node.time import NodeClock
from kuroshio.node.trust import Trust
from kuroshio.node.waiting import Carried
from kuroshio.peers import LOST_MEMORY, TRACK_FORM_OF, Direction, Limits, PeerDriver, Session, outbox
from kuroshio.peers.instructions import Deliver
from kuroshio.peers.outbound import OPEN
from kuroshio.peers.outbox import Item
from kuroshio.schema import TRACKS

if TYPE_CHECKING:
    from kuroshio.node.assemble import Parts
    from kuroshio.node.sharing import Sharing

log = logging.getLogger(__name__)

NOTICES_MAX = 200
FILE_S = 60.0  # a file of what waits is collected so long, not longer


class Partners:
    """All partners of a node.

    Parameters
    ----------
    worker
        The worker thread: bundles are verified and booked there.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        trust: Trust,
        ledger: exchange.Ledger,
        time: NodeClock,
        worker: ThreadPoolExecutor,
    ) -> None:
        self._config = config
        self._trust = trust
        self._trust_seen = trust.generation
        self._ledger = ledger
        self._time = time
        self._worker = worker
        self._drivers: dict[str, PeerDriver] = {}
        self._clients: dict[str, PeerClient | NatsClient] = {}
        self._nats: list[NatsPeers] = []
        self._carried = {p.party: Carried(p.carry_every_s) for p in config.partners if p.carry_every_s is not None}
        self._tasks: list[asyncio.Task[None]] = []
        self._server: PeerServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.notices: deque[dict[str, Any]] = deque(maxlen=NOTICES_MAX)
        self._forgetful: deque[str] = deque(maxlen=NOTICES_MAX)
        self.room: mailroom.Mailroom

    def attach(self, sharing: Sharing, parts: Parts) -> None:
        """Join sharing and picture, known only after both exist."""
        self._sharing = sharing
        self.room = mailroom.Mailroom(self._config.node.party, trust=self._trust, sharing=sharing, parts=parts)
        self._inbox = Inbox(
            self._config.node.data, self._config.node.party,
            keys=self._trust.ring, accept=self._from_file, gone=self._arrived,
        )  # fmt: skip
        copies = {p.party: p.carry_copies for p in self._config.partners if p.carry_copies is not None}
        self._files_out = FilesOut(self._config.node.data, waiting=self._to_carry, gone=self._arrived, copies=copies)

    async def start(self) -> None:
        """Open outbound logs, listen and dial.

        Raises
        ------
        LinkError
            When the port cannot be had.
        """
        self._loop = asyncio.get_running_loop()
        folder = self._config.node.data / "peers"
        folder.mkdir(parents=True, exist_ok=True)
        for partner in self._config.partners:
            box = outbox.Sqlite(str(folder / f"{partner.party}.db"), partner.party, epoch=clock.now_us())
            session = Session(
                self._config.node.party,
                partner.party,
                box,
                partial(self._may_send, partner.party),
                Limits(rate_bytes_per_s=partner.bytes_per_s_max, quiet_us=int(partner.quiet_s_max * 1e6)),
            )
            driver = PeerDriver(
                session,
                partial(self._accept, partner.party),
                now=clock.now_us,
                notice=partial(self._told, partner.party),
            )
            self._drivers[partner.party] = driver
            driver.start()
        await self._listen()
        self._join_nats()
        for party, client in self._clients.items():
            self._tasks.append(asyncio.create_task(client.run(), name=f"peer {party}"))

    async def _listen(self) -> None:
        direct = [p for p in self._config.partners if p.url.startswith("https:")]
        if not direct:
            return
        self._server = PeerServer(
            self._config.peer.host,
            self._config.peer.port,
            self._trust.server,
            party_of=self._trust.party_of,
            on_connect=self._incoming,
        )
        await self._server.start()
        for partner in direct:
            self._clients[partner.party] = PeerClient(
                partner.url,
                partner.party,
                self._trust.client,
                party_of=self._trust.party_of,
                handler=self._drivers[partner.party].handler(Direction.OUT),
                rate_bytes_per_s=partner.bytes_per_s_max,
            )

    def _join_nats(self) -> None:
        """One connection a NATS server, for all partners behind it."""
        behind: dict[tuple[str, Path | None], list[PartnerSection]] = {}
        for partner in self._config.partners:
            if not partner.url.startswith("https:"):
                behind.setdefault((partner.url, partner.credentials), []).append(partner)
        for (url, credentials), partners in behind.items():
            peers = NatsPeers(
                url,
                self._config.node.party,
                server=self._trust.server,
                client=self._trust.client,
                party_of=self._trust.party_of,
                credentials=None if credentials is None else str(credentials),
            )
            self._nats.append(peers)
            for partner in partners:
                driver = self._drivers[partner.party]
                peers.expect(partner.party, partial(driver.handler, Direction.IN))
                handler = driver.handler(Direction.OUT)
                self._clients[partner.party] = peers.dial(
                    partner.party, handler, rate_bytes_per_s=partner.bytes_per_s_max
                )
            peers.start()

    async def stop(self) -> None:
        """End every stream; what is queued stays in the outbound logs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.stop()
        for peers in self._nats:
            await peers.stop()
        for driver in self._drivers.values():
            await driver.stop()

    def _incoming(self, party: str) -> Handler | None:
        driver = self._drivers.get(party)
        return None if driver is None else driver.handler(Direction.IN)

    # -- out

    def post(self, parcel: exchange.Parcel) -> Callable[[], None]:
        """Begin to queue a parcel; it is durable when the call returned has returned. Called in the worker thread.

        Raises
        ------
        PeerError
            When no link to the partner is configured; from the call returned, when its outbound log is full.
        """
        driver = self._drivers.get(parcel.to)
        if driver is None or self._loop is None:
            raise PeerError(f"no link to {parcel.to} is configured", code="partner.unknown")
        work = driver.offer(parcel.kind, parcel.release_id, parcel.data)
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)

        def durable() -> None:
            future.result(timeout=30.0)
            if parcel.kind == TRACKS.name and parcel.to in self._carried:
                self._carried[parcel.to].queued(self._time.now_us())

        return durable

    def _may_send(self, party: str, item: Item, now_us: int) -> bool:
        """Policy at sending, and again at replay: what was withdrawn or is not allowed any more does not go."""
        del now_us
        try:
            return self.room.may_still_go(item, now_us=self._time.now_us(), form=self.track_form(party))
        except KuroshioError as err:
            log.warning("withheld at sending: %s", err)
            return False

    def _told(self, party: str, what: str, detail: dict[str, Any]) -> None:
        if what != "acknowledged":
            self.notices.append({"party": party, "what": what, "at": clock.rfc3339(clock.now_us()), **detail})
        if what in LOST_MEMORY:
            self._forgetful.append(party)

    # -- in

    async def _accept(self, party: str, item: Deliver) -> None:
        """Verify an item and make it durable, or raise; in the worker thread, in the partner's order."""
        loop = asyncio.get_running_loop()
        work = partial(self.room.take, party, item.body, now_us=self._time.now_us())
        try:
            await loop.run_in_executor(self._worker, work)
        except VerificationError as err:
            if err.error_code not in exchange.NOT_YET:
                self._told(party, "refused_here", {"code": err.error_code, "text": err.message})
                raise
            # a key we have not been given yet, as after the partner's rotation: nothing is taken, and nothing lost
            self._told(party, "put_off", {"code": err.error_code, "text": err.message})
            raise StoreError(err.message, code=err.error_code) from err

    def _from_file(self, party: str, body: bytes, now_us: int) -> exchange.Accepted:
        """Take a bundle that no link brought."""
        if party not in self._drivers:
            raise VerificationError(f"{party} is no partner of this node", code="exchange.stranger")
        accepted = self.room.take(party, body, now_us=now_us, carried=True)
        if accepted.kind == "receipt":
            self.room.unread.refused(party, (accepted.body or {})["receipts"])
        return accepted

    def _to_carry(self, party: str) -> list[bytes]:
        """Bundles that wait for a partner and may go now; from the worker thread."""
        driver = self._drivers.get(party)
        if driver is None or self._loop is None:
            raise PeerError(f"no link to {party[:20]} is configured", code="partner.unknown")
        return asyncio.run_coroutine_threadsafe(driver.to_carry(), self._loop).result(timeout=FILE_S)

    def _arrived(self, party: str, release_id: str) -> None:
        """Take off a partner's queue what it has by another way than its link."""
        driver = self._drivers.get(party)
        if driver is not None and self._loop is not None:
            asyncio.run_coroutine_threadsafe(driver.withdraw(release_id), self._loop)

    def take_tracks(self) -> list[Told]:
        """TRACKS rows that came since the last call, for the picture, with the release of each table."""
        return self.room.take_tracks()

    def settle(self, now_us: int) -> None:
        """Heed changed keys, send receipts that wait, cosign, and drop what its retention says must be gone."""
        if self._trust.adopt():
            self.room.rekeyed(now_us=now_us)
        while self._forgetful:
            self.room.lost_memory(self._forgetful.popleft(), now_us=now_us)
        if self._trust.generation != self._trust_seen:
            self._trust_seen = self._trust.generation
            for party, driver in self._drivers.items():
                if not self._trust.trusts(party) and self._loop is not None:
                    asyncio.run_coroutine_threadsafe(driver.hang_up("peer.revoked"), self._loop)
        for party, waiting in self._sharing.waiting.items():
            self._drivers[party].thinned(waiting.thinned)
        self._inbox.look(now_us)
        self._files_out.look()
        ready = [party for party in self._drivers if self.state_room(party)]
        self.room.settle(ready, now_us=now_us, carried=[p for p in self._carried if not self._linked(p)])

    def _linked(self, party: str) -> bool:
        return party in self._drivers and self._drivers[party].session.out.state == OPEN

    def state_room(self, party: str) -> int:
        """Bytes of state that go to a partner now, over its link or for a file; 0 says that the newest states wait."""
        driver = self._drivers.get(party)
        room = 0 if driver is None else driver.state_room()
        carried = self._carried.get(party)
        return room if room or carried is None else carried.room(self._time.now_us())

    def track_form(self, party: str) -> int:
        """Newest form of a release of tracks for a partner: the oldest but where the node file says tracklets.

        What counts is what its stream last agreed to, and before it ever did what the node file says for files.
        """
        told = {p.party: p.wire_version for p in self._config.partners if p.tracklets}
        if party not in told:
            return 1
        if party in self.room.unread.old and not self._linked(party):
            return 1  # it refused the newer one that a file brought
        driver = self._drivers.get(party)
        negotiated = driver.session.track_form if driver is not None else 0
        return negotiated or TRACK_FORM_OF.get(told[party] or 0, 1)

    # -- what is shown

    def alerts_received(self) -> list[dict[str, Any]]:
        """Alerts of partners, newest first."""
        return self.room.alerts_received()

    def with_grid(self, table: pa.Table) -> pa.Table:
        """The picture with ``grid_m``: size of the cell a partner's track was coarsened to, 0 where exact."""
        return self.room.with_grid(table)

    def health(self) -> list[dict[str, Any]]:
        """Two rows a partner: what it accepted from us, what we took from it."""
        rows = []
        for party, driver in self._drivers.items():
            client = self._clients.get(party)
            waiting = self._sharing.waiting[party]
            health = driver.health()
            health["out"] |= {"state_waiting": len(waiting), "ends_forgotten": waiting.forgotten}
            health["in"] |= {"echo_rows": self.room.echo_rows.get(party, 0)}
            rows += health_rows(party, health, client, self._ledger.unconfirmed(party), self._time.at_wall)
        return rows


def health_rows(
    party: str,
    health: dict[str, Any],
    client: PeerClient | NatsClient | None,
    unconfirmed: int,
    at_wall: Callable[[int], int],
) -> list[dict[str, Any]]:
    """Rows of the partners panel from a session's health; sessions keep wall time, the page shows the node's."""

    def when(wall_us: int | None) -> str | None:
        return None if wall_us is None else clock.rfc3339(at_wall(wall_us))

    def state(direction: dict[str, Any]) -> str:
        if direction["quiet"]:
            return "silent"
        return "ok" if direction["last_accepted_us"] is not None or direction["stream"] != "down" else "off"

    offset = health["clock_offset_us"]
    out, inn = health["out"], health["in"]
    common = {"party": party, "clock_offset_s": None if offset is None else round(offset / 1e6, 3)}
    error = client.last_error if client is not None else ""
    said = f"{party} says {out['said']}" if out["said"] else ""
    return [
        {
            **common,
            "direction": "out",
            "state": state(out),
            "alarm": out["quiet"],
            "last_at": when(out["last_accepted_us"]),
            "undelivered": out["undelivered_items"],
            "undelivered_bytes": out["undelivered_bytes"],
            "unconfirmed": unconfirmed,
            "link_bytes_per_s": None if out["link_bytes_per_s"] is None else round(out["link_bytes_per_s"]),
            "thinned": out["thinned"],
            "detail": error or said,
            "counters": out,
        },
        {
            **common,
            "direction": "in",
            "state": state(inn),
            "alarm": inn["quiet"],
            "last_at": when(inn["last_accepted_us"]),
            "undelivered": inn["behind_items"],
            "unconfirmed": 0,
            "link_bytes_per_s": None,
            "thinned": inn["thinned"],
            "detail": "",
            "counters": inn,
        },
    ]
