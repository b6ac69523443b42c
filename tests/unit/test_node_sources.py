"""A source cannot starve or exhaust the others."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kuroshio.errors import BusyError
from kuroshio.links import Backoff
from kuroshio.node import assemble, config, sources
from kuroshio.node.intake import TICKS_BYTES_MAX, TICKS_BYTES_MIN, Sources
from kuroshio.node.sources import BLOCK_OVERHEAD_BYTES, INBOX_BYTES_MAX, TICK_BYTES_MAX, Source
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.feeding import HOUR, MIN, START, S, no_chance, section

# -- intake


async def fill(source: Source, size: int, block: int = 60_000) -> None:
    for _ in range(size // block):
        await source.deliver(b"x" * block, 0)


async def test_a_quiet_source_is_taken_whole_however_many_flood():
    flooding = [Source(section(f"flood-{n}"), None) for n in range(20)]
    quiet = Source(section("quiet"), None)
    for source in flooding:
        await fill(source, 7_000_000)
    all_ = Sources([*flooding, quiet], chance=no_chance)
    for turn in range(30):
        await quiet.deliver(b"quiet %d\n" % turn, turn)
        taken = all_.take(0.25)
        assert (("quiet", turn, b"quiet %d\n" % turn)) in taken
        sizes = {name: sum(len(d) for n, _, d in taken if n == name) for name, _, _ in taken}
        assert sum(sizes.values()) <= TICKS_BYTES_MAX + 20 * 60_000
        flood = [size for name, size in sizes.items() if name != "quiet"]
        assert max(flood) <= TICK_BYTES_MAX + 60_000
        assert max(flood) - min(flood) <= 60_000 or turn > 5  # the same level for all, until inboxes run dry
        for source in flooding:
            if source.held_bytes < 1_000_000:
                await fill(source, 1_000_000)


async def test_floods_that_are_slowed_are_slowed_alike():
    flooding = [Source(section(f"flood-{n:02}"), None) for n in range(20)]
    all_ = Sources(flooding, chance=no_chance)
    taken = dict.fromkeys(all_.by_name, 0)
    for _ in range(400):
        for source in flooding:
            await fill(source, 480_000 if source.held_bytes < 1_000_000 else 0)
        for name, _, data in all_.take(0.25, 3.0):  # every cycle is long: the least is taken
            taken[name] += len(data)
    shares = list(taken.values())
    assert max(shares) - min(shares) <= 2 * 60_000
    assert sum(shares) <= 410 * TICKS_BYTES_MIN + TICKS_BYTES_MAX + 20 * 60_000


def test_long_cycles_make_small_ticks_and_short_ones_large_again():
    all_ = Sources([Source(section(), None)], chance=no_chance)
    for _ in range(20):
        all_.take(0.25, 3.0)
    assert all_._tick_bytes == TICKS_BYTES_MIN
    for _ in range(20):
        all_.take(0.25, 0.1)
    assert all_._tick_bytes == TICKS_BYTES_MAX


@pytest.mark.parametrize("block", [1, 65_536], ids=["tiny", "large"])
async def test_an_inbox_is_bounded_and_its_sender_waits(block):
    source = Source(section(), None)
    delivered = 0

    async def flood():
        nonlocal delivered
        while True:
            await source.deliver(b"x" * block, 0)
            delivered += 1

    task = asyncio.create_task(flood())
    while not source.delayed_blocks:
        await asyncio.sleep(0)
    assert source.held_bytes <= INBOX_BYTES_MAX
    assert len(source._inbox) <= INBOX_BYTES_MAX // BLOCK_OVERHEAD_BYTES
    before = delivered
    taken = source.take(1_000_000)
    await asyncio.sleep(0.01)
    assert before < delivered <= before + len(taken) + 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(taken) + len(source._inbox) == delivered + 1  # the block that waited was read: it is not lost
    assert source.limits()["delayed_blocks"] >= 1


def test_what_inboxes_hold_at_the_end_is_taken_whatever_the_rates():
    source = Source(section(bytes_per_s_max=10.0), None)
    all_ = Sources([source], chance=no_chance)

    async def deliver():
        await fill(source, 6_000_000)

    asyncio.run(deliver())
    total = 0
    while entries := all_.rest():
        total += sum(len(data) for _, _, data in entries)
    assert total == 6_000_000
    assert source.held_bytes == 0


def test_a_source_takes_no_more_than_its_rate():
    source = Source(section(bytes_per_s_max=1000.0), None)
    all_ = Sources([source], chance=no_chance)

    async def deliver():
        await fill(source, 100_000, block=100)

    asyncio.run(deliver())
    total = sum(len(data) for _ in range(40) for _, _, data in all_.take(0.25))
    assert 10_000 <= total <= 11_200


def test_pushes_over_the_rate_are_told_when_to_come_again():
    source = Source(section(bytes_per_s_max=1000.0), None)
    source.admit_push(5000, 0)  # one body may reach over what is left; the next waits for it
    with pytest.raises(BusyError) as refused:
        source.admit_push(1, S)
    assert (refused.value.http_status, refused.value.retry_after_s) == (429, 4)
    source.admit_push(1, 10 * S)
    assert source.limits()["refused_pushes"] == 1


async def test_a_link_that_breaks_begins_again_and_one_that_cannot_says_so(monkeypatch, caplog):
    monkeypatch.setattr("kuroshio.node.intake.RETRY_S", (0.001, 0.01))

    class Link:
        def __init__(self, error):
            self.state, self.error, self.runs = sources.LinkState(), error, 0

        async def run(self, deliver):
            self.runs += 1
            if self.runs < 3:
                raise self.error
            await asyncio.Event().wait()

    from kuroshio.errors import LinkError

    broken, taken, absent = (
        Link(RuntimeError("x")),
        Link(LinkError("in use", code="link.listen")),
        Link(LinkError("no")),
    )
    named = {"broken": broken, "taken": taken, "absent": absent}
    all_ = Sources([Source(section(name), link) for name, link in named.items()], chance=no_chance)
    with caplog.at_level(logging.CRITICAL):
        all_.start()
        for _ in range(200):
            if broken.runs == taken.runs == 3:
                break
            await asyncio.sleep(0.01)
    assert (broken.runs, taken.runs, absent.runs) == (3, 3, 1)
    assert [all_.by_name[name].fault for name in named] == ["", "", "no"]
    assert all_.by_name["absent"].state(START) == "failed"
    await all_.stop()
    assert Backoff(*(1.0, 2.0), no_chance).next_s() == 1.0


# -- the worker


def build(tmp_path, *tables, **more):
    document = {"node": {"party": "PHL", "name": "t", "data": str(tmp_path / "data")}, "sources": list(tables), **more}
    parts = assemble.build(config.from_dict(document, base=tmp_path))
    parts.core.recover()
    return parts


def sentences(count: int, at_us: int, *, first: int = 200_000_000) -> bytes:
    lines = []
    for mmsi in range(first, first + count):
        spread = (mmsi % 500) * 0.01
        tag = {"c": at_us // S}
        line = encode_position(
            mmsi=mmsi, msg_type=1, lat_deg=15.0 + spread, lon_deg=118.0, sog_mps=5.0, cog_deg=90.0, heading_deg=90.0,
            nav_status=0, utc_second=0, tag_block=tag,
        )  # fmt: skip
        lines.append(line.strip())
    return b"\r\n".join(lines) + b"\r\n"


def test_a_source_of_nothing_but_rejects_fills_no_disk_and_every_line_is_counted(tmp_path):
    parts = build(tmp_path, {"name": "bad", "format": "aivdm", "link": "push", "rejects_per_min_max": 100},
                  {"name": "good", "format": "aivdm", "link": "push"})  # fmt: skip
    sent = 0
    for second in range(50):
        now_us = START + second * S
        bad = b"!AIVDM,1,1,,A,nonsense,0*00\n" * 400
        parts.core.cycle([("bad", now_us, bad), ("good", now_us, sentences(2, now_us))], now_us=now_us)
        sent += 400
    bad, good = parts.sources.by_name["bad"], parts.sources.by_name["good"]
    assert (bad.ledger.lines, bad.ledger.accounted, sum(bad.ledger.rejected.values())) == (sent, sent, sent)
    assert bad.rejects_unkept == sent - 100
    assert bad.limits() == {"rejects_unkept": sent - 100}
    assert (good.ledger.lines, good.ledger.messages, good.observations) == (100, 100, 100)
    parts.core.close()
    kept = parts.archive.__class__(tmp_path / "data" / "archive").read("rejects", start_us=0, end_us=START + HOUR)
    assert kept.num_rows == 100


def test_clock_and_repeats_are_those_of_the_source(tmp_path):
    parts = build(tmp_path, {"name": "late", "format": "aivdm", "link": "push"},
                  {"name": "same", "format": "aivdm", "link": "push"})  # fmt: skip
    for second in range(20):
        now_us = START + second * S
        data = sentences(5, now_us - 90 * S)
        parts.core.cycle([("late", now_us, data), ("same", now_us, data)], now_us=now_us)
    late, same = (parts.sources.by_name[n].health(START + 20 * S) for n in ("late", "same"))
    assert (late["clock_offset_s"], late["clock_spread_s"], late["repeats"]) == (90.0, 0.0, 0)
    assert same["repeats"] == 100
    assert "90 s behind" in late["detail"]
    parts.core.close()


def test_sources_that_fill_the_journal_do_not_stop_the_node_nor_does_an_unfinished_line(tmp_path):
    parts = build(tmp_path, {"name": "flood", "format": "aivdm", "link": "push"},
                  {"name": "endless", "format": "cot", "link": "push"})  # fmt: skip
    parts.journal.limit_bytes, parts.journal.segment_bytes = 2_000_000, 100_000
    filler = b"# " + b"x" * 98 + b"\n"
    written = 0
    for second in range(100):
        now_us = START + second * S
        parts.core.cycle([("flood", now_us, filler * 1000), ("endless", now_us, b"<event uid='never")], now_us=now_us)
        written += 101_000
        counts = parts.journal.counts()
        assert counts["held_bytes"] <= parts.journal.limit_bytes
    assert written > 4 * parts.journal.limit_bytes
    assert parts.journal.counts()["refused"] == 0
    assert parts.core.counters.forced_decisions > 0
    assert parts.sources.by_name["flood"].ledger.comments == 100_000
    endless = parts.sources.by_name["endless"].ledger
    assert endless.accounted == endless.lines + endless.waiting or endless.accounted == endless.lines
    parts.core.close()


def test_health_is_kept_in_the_data_folder(tmp_path):
    table = {"name": "s", "format": "aivdm", "link": "push"}
    parts = build(tmp_path, table)
    for minute in range(30):
        now_us = START + minute * MIN
        parts.core.cycle([("s", now_us, sentences(12, now_us))], now_us=now_us)
        parts.core.look(now_us)
    assert parts.sources.by_name["s"].norm.per_min(START + 30 * MIN) == 12.0
    parts.core.close()
    again = build(tmp_path, table)
    assert again.sources.by_name["s"].norm.per_min(START + 31 * MIN) == 12.0
    again.core.close()
    (tmp_path / "data" / "feeds.json").write_text("[1")
    build(tmp_path, table).core.close()
