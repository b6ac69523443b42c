"""The live stream: one reader of the node a viewpoint, encoded once, fanned out to all its clients.

Enters: `NodeView.changes`. Leaves: binary frames (Arrow IPC, a snapshot first, then differences) and text frames
(JSON lists). A client that is too slow loses its queue and gets a fresh snapshot; nobody waits for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from kuroshio.api import wire
from kuroshio.bus import Lapse, Subscription, Topic
from kuroshio.node.views import NodeView

LOG = logging.getLogger("kuroshio.api")

LIST_LIMIT = 500  # items of a text frame
LINGER_S = 10.0  # how long a viewpoint without clients is kept

OWN_KINDS = ("info", "alerts", "feeds", "partners", "releases", "pending", "zones")
PARTNER_KINDS = ("info", "alerts")  # a partner sees nothing of our feeds, partners and releases


@dataclass(frozen=True)
class Step:
    """One encoded change: the binary frame, and the kinds of list that changed."""

    seq: int
    frame: bytes
    kinds: tuple[str, ...]


@dataclass
class Channel:
    """Changes of one viewpoint."""

    viewpoint: str | None
    topic: Topic[Step]
    task: asyncio.Task[None] | None = None
    clients: int = 0
    gaps: int = 0
    snapshot: tuple[int, bytes] | None = None
    changes: int = 0  # counts changes, so that what was made meanwhile is known to be old
    lists: dict[str, str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    idle: asyncio.TimerHandle | None = None
    making: asyncio.Lock = field(default_factory=asyncio.Lock)

    def forget(self, kinds: Iterable[str]) -> None:
        """Make lists of these kinds anew when they are next asked for."""
        for kind in kinds:
            self.lists.pop(kind, None)
            self.versions[kind] = self.versions.get(kind, 0) + 1


class Live:
    """All channels of an application."""

    def __init__(self, node: NodeView, *, queue_limit: int, heartbeat_s: float) -> None:
        self.node = node
        self.queue_limit = queue_limit
        self.heartbeat_s = heartbeat_s
        self._channels: dict[str | None, Channel] = {}
        self.snapshots_encoded = 0
        self.restarts = 0

    def channel(self, viewpoint: str | None) -> Channel:
        """Channel of a viewpoint, its reader started."""
        channel = self._channels.get(viewpoint)
        if channel is None:
            name = f"live:{viewpoint or 'own'}"
            channel = Channel(viewpoint, Topic(name, queue_limit=self.queue_limit))
            self._channels[viewpoint] = channel
        if channel.task is None or channel.task.done():
            channel.task = asyncio.create_task(self._read(channel))
        return channel

    async def _read(self, channel: Channel) -> None:
        last: int | None = None
        while True:
            try:
                async for change in self.node.changes(channel.viewpoint):
                    if last is None or change.seq != last + 1:
                        channel.gaps += last is not None
                        channel.forget(OWN_KINDS)  # what changed in the steps not seen is not known
                    last = change.seq
                    channel.snapshot = None
                    channel.changes += 1
                    kinds = tuple(dict.fromkeys(str(event.get("type")) for event in change.events))
                    channel.forget(kinds)
                    frame = await asyncio.to_thread(
                        wire.frame, "delta", change.seq, change.tracks, change.removed, self.node.now_us()
                    )
                    channel.topic.publish(Step(change.seq, frame, kinds))
                return
            except Exception as err:  # one fault of the node must not freeze every screen
                self.restarts += 1
                LOG.warning("live stream of %s starts again: %r", channel.viewpoint or "own view", err)
                await asyncio.sleep(1.0)

    async def snapshot(self, channel: Channel) -> tuple[int, bytes]:
        """(sequence, snapshot frame), encoded once for all who ask between two changes."""
        async with channel.making:
            if channel.snapshot is not None:
                return channel.snapshot
            changes = channel.changes
            seq, frame = await asyncio.to_thread(self._encode_snapshot, channel.viewpoint)
            self.snapshots_encoded += 1
            if channel.changes == changes:
                channel.snapshot = (seq, frame)
            return seq, frame

    def _encode_snapshot(self, viewpoint: str | None) -> tuple[int, bytes]:
        seq, tracks = self.node.snapshot(viewpoint)
        return seq, wire.frame("snapshot", seq, tracks, (), self.node.now_us())

    async def text(self, channel: Channel, kind: str, seq: int) -> str:
        """Text frame of a kind of list, made once for all clients until it changes."""
        async with channel.making:
            body = channel.lists.get(kind)
            if body is None:
                version = channel.versions.get(kind, 0)
                body = await asyncio.to_thread(self._encode_list, channel.viewpoint, kind)
                if channel.versions.get(kind, 0) == version:
                    channel.lists[kind] = body
        return f'{{"type":{json.dumps(kind)},"seq":{seq},"items":{body}}}'

    def _encode_list(self, viewpoint: str | None, kind: str) -> str:
        return json.dumps(self._items(viewpoint, kind), ensure_ascii=False, default=str)

    def _items(self, viewpoint: str | None, kind: str) -> list[Any]:
        if kind == "info":
            return [self.node.info()]
        if kind == "alerts":
            return self.node.alerts(viewpoint, limit=LIST_LIMIT)
        if kind == "feeds":
            return self.node.feeds()[:LIST_LIMIT]
        if kind == "partners":
            return self.node.partners()[:LIST_LIMIT]
        if kind == "pending":
            return self.node.pending()[:LIST_LIMIT]
        if kind == "zones":
            return [self.node.zones()]
        return self.node.releases(limit=LIST_LIMIT)

    def enter(self, viewpoint: str | None) -> tuple[Channel, Subscription[Step]]:
        """Join a viewpoint."""
        channel = self.channel(viewpoint)
        subscription = channel.topic.subscribe()
        channel.clients += 1
        if channel.idle is not None:
            channel.idle.cancel()
            channel.idle = None
        return channel, subscription

    def leave(self, channel: Channel, subscription: Subscription[Step]) -> None:
        """Leave it; a viewpoint that nobody watches is closed after a while."""
        subscription.close()
        channel.clients -= 1
        if channel.clients == 0:
            channel.idle = asyncio.get_running_loop().call_later(LINGER_S, self._retire, channel)

    def _retire(self, channel: Channel) -> None:
        if channel.clients == 0:
            if channel.task is not None:
                channel.task.cancel()
            self._channels.pop(channel.viewpoint, None)

    async def close(self) -> None:
        """Stop every reader."""
        for channel in list(self._channels.values()):
            if channel.idle is not None:
                channel.idle.cancel()
            if channel.task is not None:
                channel.task.cancel()
                await asyncio.gather(channel.task, return_exceptions=True)
        self._channels.clear()

    def counts(self) -> dict[str, Any]:
        """Counters by viewpoint."""
        return {
            "snapshots_encoded": self.snapshots_encoded,
            "restarts": self.restarts,
            "channels": {
                name or "own": {**channel.topic.counts(), "gaps": channel.gaps}
                for name, channel in self._channels.items()
            },
        }


class Client:
    """What one client is owed, frame by frame: snapshot, lists, differences, heartbeats.

    Frames are yielded by `frames`; the caller sends them and so sets the pace.
    """

    def __init__(self, live: Live, viewpoint: str | None, kinds: Iterable[str]) -> None:
        self.live = live
        self.viewpoint = viewpoint
        offered = OWN_KINDS if viewpoint is None else PARTNER_KINDS
        self.kinds = tuple(kind for kind in kinds if kind in offered)
        self.channel, self.subscription = live.enter(viewpoint)
        self.seq = -1
        self.lapses = 0

    def close(self) -> None:
        """Leave the channel."""
        self.live.leave(self.channel, self.subscription)

    async def start(self) -> list[bytes | str]:
        """Fresh snapshot and every list."""
        seq, frame = await self.live.snapshot(self.channel)
        self.seq = seq
        return [frame, *await self._texts(self.kinds)]

    async def next(self) -> list[bytes | str]:
        """Frames of the next change, or of a heartbeat when nothing changes."""
        try:
            step = await asyncio.wait_for(self.subscription.get(), self.live.heartbeat_s)
        except TimeoutError:
            return [self._heartbeat()]
        if isinstance(step, Lapse):
            self.lapses += 1
            return await self.start()
        if step.seq <= self.seq:
            return await self._texts(step.kinds)
        if step.seq != self.seq + 1:
            return await self.start()
        self.seq = step.seq
        return [step.frame, *await self._texts(step.kinds)]

    async def _texts(self, kinds: Iterable[str]) -> list[bytes | str]:
        return [await self.live.text(self.channel, kind, self.seq) for kind in kinds if kind in self.kinds]

    def _heartbeat(self) -> bytes:
        empty = wire.SCHEMA.empty_table()
        seq = str(self.seq)
        meta = {"seq": seq, "from_seq": seq, "kind": "delta", "removed": "", "now_us": str(self.live.node.now_us())}
        return wire.ipc_bytes(empty, meta)
