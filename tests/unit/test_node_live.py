"""The live picture: changes are exactly what differs, and a slow caller sees the gap."""

from __future__ import annotations

import asyncio

import numpy as np

from kuroshio.node.live import QUEUE_MAX, Channel, current, difference
from kuroshio.schema import TRACKS


def picture(ids, at=0, **columns):
    n = len(ids)
    at = [at] * n if np.isscalar(at) else at
    rows = {"track_id": ids, "observed_at": at, "lat_deg": [20.0] * n, "lon_deg": [121.0] * n}
    rows["status"] = columns.pop("status", ["confirmed"] * n)
    return TRACKS.build({**rows, **columns}, rows=n)


def test_difference_names_new_changed_and_gone():
    rows, removed = difference(picture([1, 2, 3], at=[5, 5, 5]), picture([2, 3, 4], at=[5, 6, 5]))
    assert rows["track_id"].to_pylist() == [3, 4]
    assert removed == [1]


def test_status_and_flags_are_changes():
    before = picture([1, 2])
    assert difference(before, before)[0].num_rows == 0
    assert difference(before, picture([1, 2], status=["confirmed", "coasted"]))[0]["track_id"].to_pylist() == [2]
    assert difference(before, picture([1, 2], flags=[1, 0]))[0]["track_id"].to_pylist() == [1]


def test_empty_pictures():
    assert difference(TRACKS.empty(), TRACKS.empty())[1] == []
    assert difference(picture([1]), TRACKS.empty()) == (TRACKS.empty(), [1])


async def test_listener_gets_a_dense_sequence_and_a_slow_one_a_gap():
    channel = Channel()
    feed = channel.changes()
    first = asyncio.ensure_future(anext(feed))
    await asyncio.sleep(0)
    for step in range(QUEUE_MAX + 10):
        channel.publish(picture([1], at=step))
    await asyncio.sleep(0)
    seen = [(await first).seq]
    for _ in range(QUEUE_MAX - 1):
        seen.append((await anext(feed)).seq)
    assert seen == list(range(1, QUEUE_MAX + 1))
    assert channel.dropped == 10
    assert channel.snapshot()[0] == QUEUE_MAX + 10
    await feed.aclose()
    assert not channel.heard


def test_current_keeps_the_last_row_and_drops_what_ended():
    before = picture([1, 2, 3])
    words = ["confirmed", "confirmed", "ended", "tentative", "tentative"]
    named = [None, None, None, 412000001, None]
    updates = picture([2, 2, 3, 4, 5], at=[1, 2, 3, 4, 5], status=words, mmsi=named)
    after = current(before, updates)
    rows = {r["track_id"]: r for r in after.to_pylist()}
    assert sorted(rows) == [1, 2, 4]
    assert rows[2]["observed_at"].microsecond == 2
    assert current(before, TRACKS.empty()) is before
