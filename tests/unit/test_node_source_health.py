"""What the health of a source tells a watch officer: silence, norms, clocks and repeats."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from kuroshio.node.health import ClockOffset, Norm, Repeats
from kuroshio.node.intake import Sources
from kuroshio.node.sources import Source
from kuroshio.sensing.base import Ledger
from kuroshio.testing.feeding import HOUR, MIN, START, S, messages, no_chance, section


def run_minutes(norm: Norm, start_us: int, counts) -> int:
    for count in counts:
        norm.add(start_us, count, healthy=True)
        start_us += MIN
    norm.add(start_us, 0, healthy=True)
    return start_us


def test_the_norm_is_the_hours_own_and_a_burst_teaches_nothing():
    norm = Norm()
    assert norm.per_min(START) is None
    at = START
    for _ in range(3):  # days of 60 a minute by day and 6 by night, each hour with a burst
        for hour in range(24):
            at = run_minutes(norm, at, [5000] * 10 + [60 if 6 <= hour < 18 else 6] * 50)
    day, night = START + 12 * HOUR, START + 3 * HOUR
    assert norm.per_min(day) == 60.0
    assert norm.per_min(night) == 6.0


def test_a_lasting_change_is_learned_in_days_and_an_hour_mostly_silent_teaches_little():
    norm, at = Norm(), START
    for _ in range(2):
        for _ in range(24):
            at = run_minutes(norm, at, [100] * 60)
    assert norm.per_min(at) == 100.0
    for day in range(1, 5):
        for _ in range(24):
            at = run_minutes(norm, at, [20] * 60)
        assert norm.per_min(at + HOUR) == pytest.approx(20 + 80 * 0.75**day, abs=0.01)
    norm.add(at, 1, healthy=True)
    for minute in range(120):  # silent for two hours, and seen to be
        norm.add(at + minute * MIN, 0, healthy=False)
    assert norm.per_min(at + HOUR) > 40


def test_what_was_learned_is_kept_over_a_restart_and_nonsense_is_not():
    source = Source(section(), None)
    at = START
    for _ in range(24):
        at = run_minutes(source.norm, at, [30] * 60)
    source.look(at)
    source.look(at + 300 * S)
    kept = json.loads(json.dumps(source.as_dict()))
    again = Source(section(), None)
    again.load(kept)
    assert again.norm.per_min(at) == 30.0
    assert [c["state"] for c in again.watch.listed()] == [c["state"] for c in source.watch.listed()]
    for nonsense in ({"norm": 1}, {"norm": {"norms": [1]}}, {"norm": {"norms": ["x"] * 24}}, {"changes": [[1]]}, {}):
        Source(section(), None).load(nonsense)


def test_a_silence_is_an_alarm_that_is_logged_counted_and_ended(caplog):
    source = Source(section(quiet_s_max=60.0), None)
    all_ = Sources([source], chance=no_chance)
    caplog.set_level(logging.WARNING)
    seen = []
    for second in range(0, 400, 2):
        now_us = START + second * S
        if second < 100 or second > 300:
            source.count(messages(1), now_us)
        all_.look(now_us)
        seen.append(source.state(now_us))
    assert list(dict.fromkeys(seen)) == ["ok", "late", "silent"]
    assert [c["state"] for c in source.watch.listed()] == ["ok", "silent", "late", "ok"]
    assert [r.message for r in caplog.records] == [
        "source s is silent: last message 62 s ago",
        "source s is ok: last message 0 s ago",
    ]
    assert all_.counts() == {"feeds": 1, "feeds_silent": 0, "feeds_failed": 0, "feeds_low": 0}
    row = source.health(START + 400 * S)
    assert (row["state"], row["alarm"]) == ("ok", False)


def test_a_source_never_heard_is_late_at_first_and_silent_after_its_quiet_time():
    source = Source(section(quiet_s_max=60.0), None)
    source.look(START)
    assert source.state(START + 30 * S) == "late"
    assert source.state(START + 61 * S) == "silent"
    assert source.health(START + 61 * S)["last_at"] is None


def test_people_who_report_nothing_are_no_silence_unless_asked():
    source = Source(section(format="sighting"), None)
    source.look(START)
    assert source.state(START + HOUR) == "ok"
    asked = Source(section(format="sighting", quiet_s_max=600.0), None)
    asked.look(START)
    assert asked.state(START + HOUR) == "silent"


def test_a_feed_far_below_its_norm_is_low():
    source = Source(section(), None)
    at = START
    for _ in range(24):
        at = run_minutes(source.norm, at, [60] * 60)
    for second in range(0, 1200, 10):
        source.count(messages(1), at + second * S)
        source.look(at + second * S)
    row = source.health(at + 1190 * S)
    assert (row["state"], row["alarm"], row["norm_per_min"]) == ("low", True, 60.0)
    assert row["detail"] == "6 messages a minute; 60 are normal"


def test_chance_alone_makes_no_feed_low():
    source, at = Source(section(), None), START
    for _ in range(24):
        at = run_minutes(source.norm, at, [3] * 60)
    for second in range(0, 1200, 100):
        source.count(messages(1), at + second * S)
    assert source.state(at + 1150 * S) in ("ok", "late")


def test_lines_that_are_all_refused_are_a_silence_that_says_why():
    source = Source(section(quiet_s_max=60.0), None)
    for second in range(0, 120, 2):
        ledger = Ledger(lines=50)
        ledger.rejected["checksum"] = 50
        source.count(ledger, START + second * S, size_bytes=2000)
        source.look(START + second * S)
    row = source.health(START + 119 * S)
    assert (row["state"], row["reject_share"], row["rejects"]) == ("silent", 1.0, 3000)
    assert row["detail"] == "lines come, but none of them is a message"
    assert row["bytes_per_s"] == pytest.approx(1000, rel=0.1)


def test_the_clock_offset_shrugs_off_single_late_reports():
    offset = ClockOffset()
    assert offset.median_and_spread_s() is None
    offset.add(np.r_[np.full(450, 3600.0), np.full(50, 90_000.0)])
    assert offset.median_and_spread_s() == (3600.0, 0.0)
    offset.add(np.full(100_000, 1.0))
    assert offset.median_and_spread_s() == (1.0, 0.0)
    assert len(offset._kept) == 512
    source = Source(section(), None)
    source.count(messages(1), START, offsets_s=np.full(20, -3600.0))
    assert source.health(START)["detail"] == "its clock or its path is 3600 s ahead"


def test_repeats_are_counted_within_bounds():
    repeats = Repeats(limit=1000)
    assert repeats.count(np.arange(10), 0) == 0
    assert repeats.count(np.arange(5, 15), 20 * S) == 5
    assert repeats.count(np.array([7, 7, 99]), 40 * S) == 2
    assert repeats.count(np.arange(10), 200 * S) in (0, 1)  # forgotten: two turns have passed for most
    for at in range(100):
        repeats.count(np.arange(at * 500, at * 500 + 500), 300 * S)
    assert len(repeats._young) + len(repeats._old) <= 2 * (1000 + 500)
