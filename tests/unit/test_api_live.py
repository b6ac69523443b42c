"""The live stream: after any sequence of frames a client holds exactly the picture, however slow it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.api import wire
from kuroshio.api.live import OWN_KINDS, PARTNER_KINDS, Client, Live
from kuroshio.node.views import Change
from kuroshio.testing.standin import StandIn


class Screen:
    """What a page does with frames, and the check that it never applies one out of turn."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.seq = -1
        self.snapshots = 0
        self.lists: dict[str, list[Any]] = {}

    def take(self, frames: list[bytes | str]) -> None:
        for frame in frames:
            if isinstance(frame, str):
                message = json.loads(frame)
                self.lists[message["type"]] = message["items"]
                continue
            reader = pa.ipc.open_stream(frame)
            meta = {key.decode(): value.decode() for key, value in reader.schema.metadata.items()}
            rows = {row["track_id"]: row for row in reader.read_all().to_pylist()}
            seq = int(meta["seq"])
            if meta["kind"] == "snapshot":
                self.rows, self.snapshots = rows, self.snapshots + 1
            elif "from_seq" in meta:
                assert (int(meta["from_seq"]), seq, rows) == (self.seq, self.seq, {})
            else:
                assert seq == self.seq + 1
                self.rows.update(rows)
                for gone in meta["removed"].split(","):
                    self.rows.pop(int(gone or -1), None)
            self.seq = seq

    def shows(self, node: StandIn, viewpoint: str | None) -> bool:
        seq, tracks = node.snapshot(viewpoint)
        wanted = {row["track_id"]: row for row in wire.wire_table(tracks).to_pylist()}
        return seq == self.seq and wanted == self.rows


async def drain(client: Client, screen: Screen, node: StandIn) -> None:
    while screen.seq < node.tick:
        screen.take(await asyncio.wait_for(client.next(), 5))


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    live = Live(StandIn(ships=30), queue_limit=4, heartbeat_s=0.05)
    yield live
    await live.close()


@pytest.mark.parametrize("viewpoint", [None, "JPN", "USA", "KOR"])
async def test_a_client_that_keeps_up_holds_the_picture(live: Live, viewpoint: str | None) -> None:
    node, screen = live.node, Screen()
    client = Client(live, viewpoint, OWN_KINDS)
    screen.take(await client.start())
    await asyncio.sleep(0)
    for _ in range(40):
        node.advance()
        await drain(client, screen, node)
        assert screen.shows(node, viewpoint)
    assert screen.snapshots <= 2
    assert set(screen.lists) == set(OWN_KINDS if viewpoint is None else PARTNER_KINDS)
    client.close()


async def test_a_client_that_sleeps_gets_a_fresh_snapshot_and_others_do_not_wait(live: Live) -> None:
    node = live.node
    slow, fast = Client(live, None, OWN_KINDS), Client(live, None, OWN_KINDS)
    slow_screen, fast_screen = Screen(), Screen()
    slow_screen.take(await slow.start())
    fast_screen.take(await fast.start())
    await asyncio.sleep(0)
    for _ in range(30):
        node.advance()
        await drain(fast, fast_screen, node)
    assert fast.lapses == 0
    await drain(slow, slow_screen, node)
    assert slow.lapses == 1
    assert slow_screen.shows(node, None)
    assert fast_screen.shows(node, None)
    assert live.counts()["channels"]["own"]["lapses"] == 1
    assert live.counts()["snapshots_encoded"] == 2  # one for both at the start, one after the lapse
    slow.close()
    fast.close()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=25))
def test_any_pace_ends_with_the_picture(steps: list[tuple[int, bool]]) -> None:
    """Random bursts of changes between random reads; at the end the screen shows what the node shows."""

    async def run() -> None:
        node = StandIn(ships=12)
        live = Live(node, queue_limit=3, heartbeat_s=0.01)
        client, screen = Client(live, "JPN", OWN_KINDS), Screen()
        screen.take(await client.start())
        for ticks, read in steps:
            node.advance(ticks)
            await asyncio.sleep(0)
            if read:
                screen.take(await client.next())
        for turn in range(400):
            if screen.seq == node.tick:
                break
            if turn % 20 == 19:
                node.advance()  # the next change shows the client its gap
            screen.take(await client.next())
        assert screen.shows(node, "JPN")
        client.close()
        await live.close()

    asyncio.run(run())


async def test_a_quiet_picture_has_a_heartbeat(live: Live) -> None:
    client, screen = Client(live, None, ()), Screen()
    screen.take(await client.start())
    for _ in range(3):
        screen.take(await client.next())
    assert (screen.seq, screen.snapshots) == (0, 1)
    client.close()


async def test_lists_are_sent_when_they_change(live: Live) -> None:
    node, screen = live.node, Screen()
    client = Client(live, None, OWN_KINDS)
    screen.take(await client.start())
    await asyncio.sleep(0)
    alert = screen.lists["alerts"][0]["alert_id"]
    node.judge_alert(alert, "acknowledged", by="maria")
    screen.lists.clear()
    node.advance()
    await drain(client, screen, node)
    assert set(screen.lists) == {"alerts"}
    assert next(a for a in screen.lists["alerts"] if a["alert_id"] == alert)["verdicts"][0]["by"] == "maria"
    client.close()


async def test_a_node_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shaky(StandIn):
        failures = 1

        async def changes(self, viewpoint: str | None = None) -> AsyncIterator[Change]:
            if self.failures:
                self.failures -= 1
                raise RuntimeError("sensor room on fire")
            async for change in super().changes(viewpoint):
                yield change

    real = asyncio.sleep
    monkeypatch.setattr("kuroshio.api.live.asyncio.sleep", lambda _s: real(0))
    node = Shaky(ships=5)
    live = Live(node, queue_limit=8, heartbeat_s=0.05)
    client, screen = Client(live, None, ()), Screen()
    screen.take(await client.start())
    for _ in range(5):
        await real(0)
    node.advance()
    await drain(client, screen, node)
    assert live.restarts == 1
    assert screen.shows(node, None)
    client.close()
    await live.close()


async def test_a_viewpoint_that_nobody_watches_is_closed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuroshio.api.live.LINGER_S", 0.0)
    client = Client(live, "JPN", ())
    await client.start()
    await asyncio.sleep(0)
    client.close()
    await asyncio.sleep(0.01)
    assert live.counts()["channels"] == {}
    await asyncio.sleep(0.01)
    assert live.node._subscribers == []


async def test_a_change_that_the_node_dropped_leaves_no_old_list(live: Live) -> None:
    node, screen = live.node, Screen()
    client = Client(live, None, OWN_KINDS)
    screen.take(await client.start())
    for _ in range(3):
        screen.take(await client.next())
    alert = screen.lists["alerts"][0]["alert_id"]
    node.judge_alert(alert, "acknowledged", by="maria")
    subscribers, node._subscribers = node._subscribers, []
    node.advance()  # this change, with the event of the verdict, reaches nobody
    node._subscribers = subscribers
    made = live.counts()["snapshots_encoded"]
    node.advance()
    await drain(client, screen, node)
    assert screen.shows(node, None)
    assert live.counts()["snapshots_encoded"] == made + 1
    assert live.counts()["channels"]["own"]["gaps"] in (0, 1)
    assert next(a for a in screen.lists["alerts"] if a["alert_id"] == alert)["verdicts"][0]["by"] == "maria"
    client.close()


async def test_a_list_is_made_once_for_all_who_watch(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = live.node.feeds
    monkeypatch.setattr(live.node, "feeds", lambda: asked.append(1) or real())
    clients = [Client(live, None, OWN_KINDS) for _ in range(5)]
    for client in clients:
        await client.start()
    for _ in range(5):
        live.node.advance()
        for client in clients:
            await client.next()
    assert len(asked) == 1
    for client in clients:
        client.close()
