"""Rules over any life of alerts: the same in the end in any order and over restarts as over the last rows alone."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.behaviour import load_zones
from kuroshio.behaviour.rulebook import RuleBook
from kuroshio.behaviour.rules import parse_rule
from kuroshio.behaviour.ruling import Hit, Ruling, micros

T0 = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
RING = [[120, 19], [122, 19], [122, 21], [120, 21], [120, 19]]
BANK = load_zones({"type": "Feature", "properties": {"name": "Bank", "kind": "reserve"},
                   "geometry": {"type": "Polygon", "coordinates": [RING]}})  # fmt: skip
ASKED = {
    "id": "r",
    "title": "Watch",
    "behaviours": ["encounter", "loitering"],
    "zones": ["Bank"],
    "max_per_day": 10_000,
}
RULE = parse_rule(ASKED, "test")


def at(minute):
    return T0 + dt.timedelta(minutes=minute)


def row(name, change, *, start, end=None, known=0, grade="provisional", tracks=(1, 2), lat=20.0, **more):
    evidence = json.dumps({"geometry": [], "thresholds": [], "values": {}})
    return {
        "alert_id": name, "definition": "encounter", "version": "1", "change": change, "grade": grade,
        "severity": "warning", "track_ids": list(tracks), "mmsis": [412_000_000 + t for t in tracks],
        "start_at": at(start), "end_at": None if end is None else at(end), "known_at": at(known), "lat_deg": lat,
        "lon_deg": 121.0, "zone": None, "summary": f"Meeting {name}", "evidence": evidence, "exercise": False,
    } | more  # fmt: skip


@st.composite
def lives(draw):
    """Lives of alerts as rows, interleaved: each is opened, may be extended, closed, revised, voided, made final."""
    parts = []
    for n in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, 200))
        tracks = draw(st.sampled_from([(1, 2), (2, 1), (3,)]))
        steps = draw(st.lists(st.sampled_from(["extend", "close", "revise", "void", "final"]), max_size=4))
        one = {"start": start, "tracks": tracks, "lat": draw(st.sampled_from([20.0, 20.0, 30.0]))}
        rows, end = [row(str(n), "open", **one)], None
        for step in steps:
            grade = "final" if step == "final" else "confirmed"
            end = end if step == "extend" else start + draw(st.integers(0, 90))
            if draw(st.booleans()):
                one["lat"] = draw(st.sampled_from([20.0, 30.0]))
            rows.append(row(str(n), "revise" if step == "final" else step, **one, end=end, grade=grade))
            if step in ("void", "final"):
                break
        parts.append(rows)
    told = []
    while any(parts):
        rows = draw(st.sampled_from([p for p in parts if p]))
        told.append(rows.pop(0) | {"known_at": at(300 + len(told))})
    return told


def stands(rows):
    """Last word on each alert of the rule that is not void, without when it was known."""
    last = {r["alert_id"]: r for r in rows}
    return {
        name: {k: v for k, v in r.items() if k not in ("known_at", "change")}
        for name, r in last.items()
        if r["change"] != "void"
    }


def last_rows(told):
    return {r["alert_id"]: r for r in told}


def check_changes(out):
    """Every alert is opened once, goes on only while it is open, and comes back after a void only by opening."""
    state = {}
    for r in out:
        before = state.get(r["alert_id"])
        assert (r["change"] == "open") == (before in (None, "void")), (before, r["change"])
        assert before != "close" or r["change"] in ("revise", "void")
        state[r["alert_id"]] = r["change"]


@settings(max_examples=300, deadline=None)
@given(lives())
def test_any_order_ends_as_the_last_rows_alone_say(told):
    out, _ = Ruling(RuleBook.of([RULE]), BANK).step(told)
    check_changes(out)
    ends = [r | {"change": "open"} if r["change"] != "void" else r for r in last_rows(told).values()]
    again, _ = Ruling(RuleBook.of([RULE]), BANK).step(ends)
    assert stands(out) == stands(again)


@settings(max_examples=300, deadline=None)
@given(lives(), st.data())
def test_a_restart_anywhere_changes_nothing(told, data):
    whole, _ = Ruling(RuleBook.of([RULE]), BANK).step(told)
    cut = data.draw(st.integers(0, len(told)))
    first = Ruling(RuleBook.of([RULE]), BANK)
    out, hits = first.step(told[:cut])
    second = Ruling(RuleBook.of([RULE]), BANK)
    known = {r["alert_id"]: micros(r["known_at"]) for r in reversed(told[:cut])}
    hits = [Hit(**vars(h)) for h in hits]
    names = second.restore(hits, last_rows(told[:cut]), known.__getitem__)
    second.stand({n: r for n, r in last_rows(out).items() if n in names})
    rest, _ = second.step(told[cut:], lambda name: known.get(name, 0))
    assert stands(out + rest) == stands(whole)
    check_changes(out + rest)
    assert second.counts == Ruling(RuleBook.of([RULE]), BANK).counts + _counts(told)


def _counts(told):
    ruling = Ruling(RuleBook.of([RULE]), BANK)
    ruling.step(told)
    return Counter(ruling.counts)


@settings(max_examples=200, deadline=None)
@given(lives())
def test_of_one_rule_ships_and_zone_no_two_alerts_overlap(told):
    out, _ = Ruling(RuleBook.of([RULE]), BANK).step(told)
    rows = sorted(stands(out).values(), key=lambda r: r["start_at"])
    for a in rows:
        for b in rows:
            same = sorted(a["track_ids"]) == sorted(b["track_ids"]) and a["zone"] == b["zone"]
            if a is not b and same and a["start_at"] <= b["start_at"]:
                assert a["end_at"] is not None
                assert a["end_at"] < b["start_at"]


def entry(action, minute, **body):
    return {"rule_id": "r", "action": action, "version": RULE.version, "body": body, "by": "x",
            "at_us": micros(at(minute))}  # fmt: skip


@pytest.mark.parametrize("known", [9, 10, 19, 20, 40])
def test_what_becomes_known_is_judged_by_the_rules_of_that_time(known):
    book = RuleBook([
        entry("propose", 0, rule=RULE.plain(), origin="watch"),
        entry("state", 10, state="shadow"),
        entry("state", 20, state="active"),
        entry("state", 30, state="withdrawn"),
    ])  # fmt: skip
    ruling = Ruling(book, BANK)
    out, hits = ruling.step([row("a", "open", start=1, known=known), row("a", "close", start=1, end=50, known=60)])
    assert [r["change"] for r in out] == (["open", "close"] if known == 20 else [])
    assert [h.shadow for h in hits] == {9: [], 10: [True], 19: [True], 20: [False], 40: []}[known]


def test_a_silence_is_over_behaviour_and_a_budget_over_its_day():
    book = RuleBook([
        entry("propose", 0, rule=RULE.plain() | {"max_per_day": 2}, origin="watch"),
        entry("state", 0, state="active"),
        entry("silence", 100, until_us=micros(at(70)), tracks=[1, 2], zone="Bank"),
    ])  # fmt: skip
    told = [
        row("before", "open", start=60, end=61, known=90),  # known before the silence was ordered
        row("silent", "open", start=65, end=66, known=400),  # begun before it ends, known long after
        row("after", "open", start=70, end=71, known=101),
        row("other", "open", start=65, end=66, known=102, tracks=(3,)),
        row("next day", "open", start=1500, known=1501),
    ]
    ruling = Ruling(book, BANK)
    _, hits = ruling.step(told)
    assert [h.outcome for h in hits] == ["raised", "silenced", "raised", "over_budget", "raised"]
