"""The bus: order, bounds, and a slow subscriber that hurts nobody else."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuroshio.bus import Lapse, Topic
from kuroshio.errors import StoreError


async def test_messages_come_in_order_to_each_from_when_it_joined() -> None:
    topic: Topic[int] = Topic("t")
    with topic.subscribe() as early:
        topic.publish(1)
        with topic.subscribe() as late:
            topic.publish(2)
            assert [await early.get(), await early.get(), await late.get()] == [1, 2, 2]
        topic.publish(3)
        assert await early.get() == 3
    assert topic.counts() == {"subscribers": 0, "published": 3, "dropped": 0, "lapses": 0, "refused": 0}


async def test_a_waiting_subscriber_is_woken() -> None:
    topic: Topic[str] = Topic("t")
    with topic.subscribe() as subscription:
        waiting = asyncio.create_task(subscription.get())
        await asyncio.sleep(0)
        topic.publish("up")
        assert await asyncio.wait_for(waiting, 1) == "up"


async def test_a_slow_subscriber_lapses_and_the_others_do_not_notice() -> None:
    topic: Topic[int] = Topic("t", queue_limit=3)
    with topic.subscribe() as slow, topic.subscribe(100) as fast:
        for n in range(10):
            topic.publish(n)
        assert await slow.get() == Lapse(10)
        topic.publish(10)
        assert await slow.get() == 10
        assert [await fast.get() for _ in range(11)] == list(range(11))
        assert (slow.dropped, fast.dropped) == (10, 0)
    assert topic.counts()["dropped"] == 10
    assert topic.counts()["lapses"] == 1


async def test_one_subscriber_too_many_is_refused() -> None:
    topic: Topic[int] = Topic("t", subscriber_limit=1)
    with topic.subscribe():
        with pytest.raises(StoreError) as caught:
            topic.subscribe()
        assert caught.value.error_code == "bus.full"
    with topic.subscribe():
        assert topic.counts()["refused"] == 1


@given(st.lists(st.one_of(st.just("publish"), st.just("take")), max_size=200), st.integers(1, 5))
def test_nothing_is_lost_uncounted(steps: list[str], limit: int) -> None:
    async def run() -> None:
        topic: Topic[int] = Topic("t", queue_limit=limit)
        published, seen, lost = 0, [], 0
        with topic.subscribe() as subscription:
            for step in [*steps, *["take"] * (limit + 1)]:
                if step == "publish":
                    topic.publish(published)
                    published += 1
                elif len(subscription) or subscription._lapsed:
                    got = await subscription.get()
                    if isinstance(got, Lapse):
                        lost += got.dropped
                    else:
                        seen.append(got)
                assert len(subscription) <= limit
        assert seen == sorted(set(seen))
        assert len(seen) + lost == published == len(seen) + topic.dropped

    asyncio.run(run())
