"""A whole node: opens its parts, runs its cycle, stops in order.

What enters: a `NodeConfig`. What leaves: a running node with a `Service` for the API. The asyncio loop owns sockets;
one worker thread owns picture, alerts and sharing.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kuroshio import clock, exchange, record
from kuroshio.errors import ConfigError, StoreError
from kuroshio.exchange.aftercare import SAID_AGAIN_US
from kuroshio.links.tls import KeyFolder
from kuroshio.node import assemble
from kuroshio.node.config import NodeConfig
from kuroshio.node.core import Outcome
from kuroshio.node.partners import Partners
from kuroshio.node.service import Service
from kuroshio.node.sharing import Sharing
from kuroshio.node.time import not_beyond
from kuroshio.node.trust import Trust
from kuroshio.schema import TRACKS, concat
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

TICK_S = 0.25
SHARE_EVERY_S = 1.0
SHARE_ROWS = 2_000  # with so many changed rows the partners are not kept waiting for the second to end
HEALTH_EVERY_S = 2.0
SELF_CHECK_LEAVES = 200_000


class Node:
    """One node.

    Parameters
    ----------
    config
        From `config.load`.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="core")
        self._tasks: list[asyncio.Task[None]] = []
        self._changed: list[Outcome] = []
        self._share_due_us = 0
        self._health_due_us = 0
        self.failure: BaseException | None = None
        self.service: Service

    async def start(self) -> Service:
        """Open everything, catch up with the journal, start links and cycle.

        Raises
        ------
        KuroshioError
            When a part cannot be opened; nothing is left running.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, assemble.warm_up)  # ready means ready: the first bytes do not wait
        self.parts = assemble.build(self.config)
        self.keys = open_keys(self.config)
        data = self.config.node.data
        self.trust = Trust(self.keys)
        self._record = record.open_log(data / "record", self.trust, secret=self.keys.secret)
        self._ledger = exchange.Ledger(str(data / "releases.db"))
        self.partners = Partners(
            self.config, trust=self.trust, ledger=self._ledger, time=self.parts.time, worker=self._worker
        )
        desk = exchange.Desk(
            self.trust,
            secret=self.keys.secret,
            record=self._record,
            ledger=self._ledger,
            keys=self.trust.ring,
            verify_receipt=lambda release, now_us: self.partners.room.verify(release, now_us),
            form=self.partners.track_form,
        )
        self.sharing = Sharing(
            self.parts.decider,
            desk=desk,
            secret=self.keys.secret,
            record=self._record,
            partners=[p.party for p in self.config.partners],
            post=self.partners.post,
            room=self.partners.state_room,
        )
        self.partners.attach(self.sharing, self.parts)
        self.sharing.self_check = await loop.run_in_executor(self._worker, self._check_record)
        self.service = Service(self.parts, self.sharing, self.partners, self._worker)
        await loop.run_in_executor(self._worker, self.parts.core.recover)
        await loop.run_in_executor(self._worker, lambda: self.partners.room.reload(now_us=self.parts.time.now_us()))
        await self.partners.start()
        await loop.run_in_executor(self._worker, self._resume)
        self.parts.sources.start()
        gc.collect()
        gc.freeze()  # what is here now stays: a full collection went through all of it, 80 ms within a cycle
        self._tasks.append(asyncio.create_task(self._run(), name="cycle"))
        return self.service

    def _resume(self) -> None:
        self.sharing.alerts_out.resume(self._ledger.told(), self.parts.operations.alerts_after)
        self._ledger.keep_told(self.sharing.alerts_out.to_keep())  # from the first start on nothing is left out
        now_us = self.parts.time.now_us()
        self._ledger.answer_again(now_us - SAID_AGAIN_US, records=True)
        self.sharing.resume(self.parts.core.picture, now_us=now_us)

    def _check_record(self) -> dict[str, Any]:
        """Every leaf, tile and signature of the record, looked at once at each start."""
        at = clock.rfc3339(self.parts.time.now_us())
        if not self._record.size:
            return {"at": at, "ok": True, "text": "nothing is on record yet"}
        if self._record.size > SELF_CHECK_LEAVES:
            return {"at": at, "ok": None, "text": "too large for the start; run `kuroshio record fsck`"}
        files = record.Disk(self.config.node.data / "record")
        report = record.fsck(files, self.config.node.party, self.keys.ring(), now_us=clock.now_us())
        for fault in report.faults:
            log.error("record: %s", fault)
        return {"at": at, "ok": not report.faults, "text": "; ".join(str(f) for f in report.faults[:3])}

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        last_s, spent_s = loop.time(), 0.0
        while True:
            started_s = loop.time()
            if not self.parts.time.began:  # a replay whose first time has not been read yet
                await asyncio.sleep(0.02)
                continue
            entries = self.parts.sources.take(started_s - last_s, spent_s)
            last_s = started_s
            now_us = self.parts.time.now_us()
            try:
                await loop.run_in_executor(self._worker, self._cycle, entries, now_us)
            except StoreError as err:
                # what was not made durable must not be acknowledged or shown: stop, keep everything for the restart
                self.failure = err
                log.critical("the node stops: %s", err)
                return
            except Exception as err:
                self.failure = err
                log.critical("a broken invariant stops the node", exc_info=err)
                return
            spent_s = loop.time() - started_s
            counters = self.parts.core.counters
            counters.longest_cycle_ms = max(counters.longest_cycle_ms, spent_s * 1000.0)
            await asyncio.sleep(max(0.01, TICK_S - spent_s))

    def _cycle(self, entries: list[tuple[str, int, bytes]], now_us: int) -> None:
        """One turn of the worker: ingest, and at times share and refresh."""
        core = self.parts.core
        core.partner_rows.extend(self.partners.take_tracks())
        outcomes: list[Outcome] = [*core.left_over(), core.cycle(entries, now_us=now_us)]
        self._changed.extend(o for o in outcomes if o.tracks.num_rows)
        wall_us = clock.now_us()
        self._share_due_us = not_beyond(self._share_due_us, wall_us, SHARE_EVERY_S)
        self._health_due_us = not_beyond(self._health_due_us, wall_us, HEALTH_EVERY_S)
        if wall_us >= self._share_due_us or sum(o.own.num_rows for o in self._changed) >= SHARE_ROWS:
            self._share_due_us = wall_us + int(SHARE_EVERY_S * US_PER_S)
            out = self.sharing.alerts_out  # the book of alerts is the queue: a crash keeps nothing from the partners
            out.add(*self.parts.operations.alerts_after(out.read_to))
            made = self.sharing.share(
                (concat(TRACKS, [o.tracks for o in self._changed]), concat(TRACKS, [o.own for o in self._changed])),
                core.picture,
                own=core.shared(core.picture),
                now_us=now_us,
            )
            self._changed = []
            self.partners.settle(now_us)
            for party in self.service.heard_viewpoints():
                self.service.refresh_view(party)
            if made:
                self.parts.own.announce("releases")
        if wall_us >= self._health_due_us:
            self._health_due_us = wall_us + int(HEALTH_EVERY_S * US_PER_S)
            core.look(now_us)
            self.parts.own.announce("feeds", "partners", "info")

    @property
    def finished(self) -> bool:
        """True when every source was a file and has been read, or the node failed."""
        return self.failure is not None or self.parts.sources.all_finished

    def summary(self) -> dict[str, Any]:
        """What the node has done, for the end of a run."""
        return {"info": self.service.info(), "feeds": self.service.feeds(), "record": self.service.record_status()}

    async def stop(self) -> None:
        """Stop links, finish the cycle, checkpoint and close."""
        await self.parts.sources.stop()
        await self.partners.stop()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._worker, self._close)
        self._worker.shutdown()

    def _close(self) -> None:
        if self.failure is None:
            while entries := self.parts.sources.rest():  # what a link has read is not lost because the node stops
                self._cycle(entries, self.parts.time.now_us())
            self._cycle([], self.parts.time.now_us())
        self.parts.core.close()
        self._ledger.close()
        gc.unfreeze()


def open_keys(config: NodeConfig) -> KeyFolder:
    """Keys of the node; made at the first start, so that a node without partners needs no ceremony.

    Raises
    ------
    ConfigError
        When the keys are of another party, damaged or open to others.
    """
    if not (config.keys / "party.json").exists():
        log.warning("making new keys in %s", config.keys)
        host = config.peer.host
        return KeyFolder.make(config.keys, config.node.party, now_us=clock.now_us(), hosts=[host])
    keys = KeyFolder(config.keys)
    if keys.party != config.node.party:
        raise ConfigError(
            f"keys in {config.keys} are {keys.party}'s, the node is {config.node.party}'s", code="keys.party"
        )
    return keys
