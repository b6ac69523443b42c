"""Every clause of every sample agreement speaks when its own conditions hold; coverage names this file as its test."""

from __future__ import annotations

from typing import Any

import pytest

from kuroshio import accord, clock
from kuroshio.accord import difference
from kuroshio.accord.duties import Happening, duties
from kuroshio.schema import Effect

NOW = clock.parse_rfc3339("2026-11-20T00:00:00Z")
BOOK = accord.load(accord.sample_paths())
EVERY = [(a.id, c.id) for a in BOOK.content.accords.values() for c in a.clauses]
SUBJECT = {"information": "vessel", "support": "fuel", "equipment": "coastal_radar", "access": "port_call"}


def satisfying(test: Any) -> Any:
    """A value for which one test of a clause holds."""
    if test.op == "in":
        return test.value[0]
    if test.op in ("eq", "lte", "gte"):
        return test.value
    if test.field == "purpose":
        return next(p for p in sorted(BOOK.content.vocabulary["purpose"]) if p not in test.value)
    return next(p for p in ("VNM", "IND", "CAN") if p not in test.value)


def asked(accord_id: str, clause_id: str) -> dict[str, Any]:
    """Releaser, receiver and thing that the clause speaks of."""
    one = BOOK.accord(accord_id)
    clause = one.clause(clause_id)
    wanted = {t.field: satisfying(t) for t in clause.when}
    releaser = str(wanted.pop("from", one.parties[0]))
    to = str(wanted.pop("to", None) or next(p for p in one.parties if p != releaser))
    if to == releaser:
        to = next(p for p in one.parties if p != releaser)
    item = {"kind": one.kinds[0], "subject": SUBJECT[one.kinds[0]], "originator": releaser, "level": "U"}
    item |= {"purpose": "maritime_safety", "observed_at": NOW, **wanted}
    if accord_id == "TISA":
        item["subject"] = "dprk_nuclear_missile"
    if clause.sticky:
        owner = next(p for p in one.parties if p != releaser)
        item |= {"originator": owner, "held_under": [accord_id]}
    return {"item": item, "releaser": releaser, "to": to}


@pytest.mark.parametrize(("accord_id", "clause_id"), EVERY)
def test_clause_speaks(accord_id, clause_id):
    one = BOOK.accord(accord_id)
    clause = one.clause(clause_id)
    cite = f"{accord_id} {clause_id}"
    if clause.effect is None:
        ends = {"originator": "A", "releaser": "A", "receiver": "B"}
        happened = Happening("h", clause.on, NOW, accord_id, **ends, planned=clause.before is not None)
        assert [f"{d.accord} {d.clause}" for d in duties(BOOK, [happened], [], now_us=NOW)].count(cite) >= 1
        return
    ask = asked(accord_id, clause_id)
    alone = dict.fromkeys(BOOK.content.accords, "terminated")  # another basis may be the better one
    book = BOOK.assuming({**alone, **dict.fromkeys((accord_id, *one.requires), "in_force")})
    found = accord.why(book, ask.pop("item"), valid_at_us=NOW, **ask)["releaser"]
    if clause.effect is Effect.DENY:
        assert cite in found["excluded_by"]
        assert found["effect"] == "deny"
        return
    said = {r["cite"]: r["effect"] for r in found["reasons"]}
    assert said.get(cite) == clause.word, found
    assert found["effect"] in (
        (clause.word, "decide", "oblige") if clause.word == "permit" else (clause.word, "decide", "deny")
    )


def test_every_article_is_accounted_for():
    for row in difference.coverage(BOOK):
        assert row["declared"], row["accord"]
        assert row["clauses_without_article"] == [], row["accord"]
        for article in row["articles"]:
            assert article["clauses"] or article["treatment"] == "not_coded", row["accord"]
            assert all(t == "test_accord_sample_clauses.py" for t in article["tests"])
    rest = [
        r["accord"] for r in difference.coverage(BOOK) if not any(a["treatment"] == "not_coded" for a in r["articles"])
    ]
    assert rest == ["WP-MDA-ARR"], "only the invented text is coded in full"


def test_what_was_not_found_is_said():
    """Facts with no public source stay marked, never guessed silently."""
    for one in BOOK.content.accords.values():
        assert "illustrative" in one.interpretation[2]
        for entry in one.status:
            assert entry.source, one.id
            if "assumed" in (entry.source or ""):
                assert (entry.note or "").startswith("unchecked"), one.id


@pytest.mark.parametrize(
    ("accord_id", "day", "state"),
    [
        ("JPN-PHL-EQUIPMENT", "2016-02-29", "signed"),
        ("JPN-PHL-RAA", "2024-07-08", "signed"),
        ("JPN-PHL-RAA", "2025-09-11", "in_force"),
        ("JPN-PHL-ACSA", "2026-01-15", "signed"),
        ("JPN-PHL-ACSA", "2026-11-20", "signed"),
        ("JPN-PHL-INFO", "2025-04-29", "under_discussion"),
        ("JPN-PHL-INFO", "2026-11-20", "negotiating"),
        ("PHL-USA-GSOMIA", "2024-11-18", "signed"),
        ("JPN-USA-GSOMIA", "2007-08-11", "in_force"),
        ("JPN-KOR-GSOMIA", "2016-11-24", "in_force"),
        ("TISA", "2014-12-30", "in_force"),
        ("AUS-JPN-RAA", "2026-11-20", "in_force"),
        ("AUS-JPN-ACSA", "2026-11-20", "in_force"),
    ],
)
def test_status_of_the_sample_facts(accord_id, day, state):
    assert BOOK.status(accord_id, clock.parse_rfc3339(day)).state == state


def test_activities_widen_and_expire():
    item = {"kind": "information", "subject": "vessel", "originator": "PHL", "level": "R", "purpose": "maritime_safety",
            "lat_deg": 20.0, "lon_deg": 121.0, "observed_at": NOW, "exercise": True}  # fmt: skip
    ask = {"releaser": "PHL", "to": "JPN"}
    assert BOOK.evaluate(item, valid_at_us=NOW, **ask).effect in (Effect.PERMIT, Effect.OBLIGE)
    after = clock.parse_rfc3339("2026-12-11")
    assert BOOK.evaluate(item, valid_at_us=after, **ask).effect is Effect.DENY
    relief = {**item, "exercise": False, "level": "C", "purpose": "disaster_relief", "lat_deg": 15.0, "lon_deg": 118.0}
    within, late = clock.parse_rfc3339("2025-09-25"), clock.parse_rfc3339("2025-10-06")
    flows = BOOK.evaluate({**relief, "observed_at": within}, valid_at_us=within, **ask)
    assert flows.cites[0].clause == "RELIEF-2025/s1"
    assert BOOK.evaluate({**relief, "observed_at": within}, valid_at_us=late, **ask).effect is Effect.DENY
