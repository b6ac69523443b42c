"""The ledger: entries judged by the agreements, read back as exchanges, balances, duties and commitments."""

from __future__ import annotations

import pytest

from kuroshio import accord, clock
from kuroshio.accord import ledger
from kuroshio.accord.book import parse
from kuroshio.accord.ledger import append, books, read_entry
from kuroshio.accord.ledger_duties import due, promised
from kuroshio.errors import AccordError, InputError

NOW = clock.parse_rfc3339("2026-11-20T00:00:00Z")
DIGEST = "sha256:" + "a" * 64
ORDER = {
    "accord": "AUS-JPN-ACSA", "from": "JPN", "to": "AUS", "item": "fuel", "quantity": 100, "unit": "m3",
    "price_basis": "cost", "unit_price": 7, "currency": "JPY", "payment_mode": "equal_value", "place": "Yokosuka",
    "date": "2026-03-02", "activity": "EX-1",
}  # fmt: skip


@pytest.fixture(scope="module")
def book():
    return accord.load(accord.sample_paths())


def line(kind, exchange, step, by, facts, at="2026-03-01T00:00:00Z"):
    return {"kind": kind, "exchange": exchange, "step": step, "by": by, "at": at, "facts": facts}


def write(book, *lines, held=()):
    entries = list(held)
    for one in lines:
        entries.append(append(book, entries, read_entry(one), known_at_us=NOW))
    return entries


STORY = (
    line("support", "o1", "order", "AUS:smith", ORDER),
    line("support", "o1", "accept", "JPN:sato", {}, "2026-03-01T01:00:00Z"),
    line(
        "support",
        "o1",
        "deliver",
        "JPN:ito",
        {"source_document": DIGEST, "delivered_at": "2026-03-02"},
        "2026-03-02T00:00:00Z",
    ),
    line("support", "o1", "receipt", "AUS:jones", {"received": 90}, "2026-03-02T02:00:00Z"),
)


def test_an_order_is_judged_by_the_book_whatever_it_claims(book):
    entries = write(book, line("support", "o1", "order", "AUS:smith", {**ORDER, "decision": "deny", "cited": "me"}))
    facts = entries[0].event.facts
    assert facts["decision"] == "permit"
    assert facts["cited"].startswith("AUS-JPN-ACSA")
    assert facts["orderer"] == "AUS:smith"


def test_orders_balances_duties_and_the_report(book):
    entries = write(book, *STORY)
    found = ledger.summary(books(entries), now_us=NOW)
    assert found["balances"] == [{"creditor": "JPN", "debtor": "AUS", "currency": "JPY", "amount": 630}]
    [duty] = due(book, books(entries), now_us=NOW)
    assert (duty["cite"], duty["due"], duty["state"]) == ("AUS-JPN-ACSA Art.5", "2027-03-02T02:00:00Z", "open")
    pay = line(
        "support", "o1", "settle", "AUS:smith", {"amount": 630, "mode": "cash", "evidence": "doc 7"}, "2026-05-01"
    )
    paid = write(book, pay, held=entries)
    assert ledger.summary(books(paid), now_us=NOW)["balances"] == []
    [duty] = due(book, books(paid), now_us=NOW)
    assert (duty["state"], duty["evidence"]) == ("met", "doc 7")
    late = ledger.summary(books(entries), now_us=clock.parse_rfc3339("2027-06-01"))
    assert late["converted_to_cash"][0]["due"] == "2027-03-02T02:00:00Z"


@pytest.mark.parametrize("item", ["weapon_system", "ammunition"])
def test_weapons_are_denied_with_the_clause_and_nothing_overrides_it(book, item):
    order = line("support", "o2", "order", "AUS:smith", {**ORDER, "item": item, "decision": "permit", "consent": "C"})
    with pytest.raises(AccordError, match=r"AUS-JPN-ACSA Art\.2\.w"):
        write(book, order)
    with pytest.raises(AccordError, match="outside every agreement"):
        write(book, order)


def test_an_order_under_no_agreement_in_force_is_denied(book):
    order = {**ORDER, "accord": "JPN-PHL-ACSA", "to": "PHL"}
    with pytest.raises(AccordError, match="denied by"):
        write(book, line("support", "o1", "order", "PHL:reyes", order))
    assert write(book.assuming({"JPN-PHL-ACSA": "in_force"}), line("support", "o1", "order", "PHL:reyes", order))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accord": "NONE"}, "no accord 'NONE'"),
        ({"accord": "AUS-JPN-RAA"}, "is on access between"),
        ({"accord": "GBR-JPN-RAA"}, "is on access between GBR, JPN"),
        ({"quantity": 0}, "not a positive whole number"),
        ({"unit_price": 1.5}, "not a positive whole number"),
        ({"place": ""}, "lacks place"),
    ],
)
def test_what_cannot_be_recorded_says_why(book, change, words):
    with pytest.raises(AccordError, match=words):
        write(book, line("support", "o1", "order", "AUS:smith", {**ORDER, **change}))


def test_a_refusal_says_what_may_follow_and_history_stands(book):
    entries = write(book, *STORY)
    with pytest.raises(AccordError) as caught:
        write(book, line("support", "o1", "deliver", "JPN:ito", STORY[2]["facts"], "2026-04-01"), held=entries)
    assert "receipted" in caught.value.error_advice
    assert "settle" in caught.value.error_advice
    undo = line("support", "o1", "cancel", "AUS:smith", {"reason": "x"}, "2026-03-01T00:30:00Z")
    with pytest.raises(AccordError, match="would undo"):
        write(book, undo, held=entries)


RADAR = {"accord": "JPN-PHL-EQUIPMENT", "from": "JPN", "to": "PHL", "item": "coastal_radar", "source": "notes",
         "quantity": {"value": 5, "uncertain": True, "source": "press"}}  # fmt: skip


def test_equipment_from_report_to_monitoring(book):
    held = {"holder": "PHL", "place": "Lubang", "custodian": "unit", "end_use": "maritime watch"}
    steps = [("notes", {"evidence": "notes 2023-11-03", "quantity": 5}), ("contract", {"evidence": "k"}),
             ("delivery", {"evidence": "d", **held}), ("training", {"evidence": "t"}),
             ("in_service", {"evidence": "s"})]  # fmt: skip
    lines = [line("equipment", "r1", "reported", "JPN:a", RADAR, "2023-11-01")]
    lines += [line("equipment", "r1", s, "JPN:a", f, f"2024-0{n}-01") for n, (s, f) in enumerate(steps, 1)]
    entries = write(book, *lines)
    assert ledger.summary(books(entries), now_us=NOW)["inventory"] == [
        {"holder": "PHL", "item": "coastal_radar", "quantity": 5}
    ]
    report = line(
        "equipment", "r1", "monitoring_report", "PHL:b", {"evidence": "report 1", "condition": "good"}, "2025-05-20"
    )
    found = [d for d in due(book, books(write(book, report, held=entries)), now_us=NOW) if d["clause"] == "Art.5"]
    assert [(d["due"][:10], d["state"]) for d in found] == [
        ("2025-05-31", "met"), ("2026-05-31", "late"), ("2027-05-31", "open")]  # fmt: skip
    asked = [d for d in due(book, books(entries), now_us=NOW) if d["on"] == "asked"]
    assert all(d["notify"].endswith("competent_authority") for d in asked)


def test_access_asks_the_host_and_runs_its_clocks(book):
    visit = {"accord": "JPN-PHL-RAA", "from": "JPN", "to": "PHL", "subject": "port_call", "activity": "call-3",
             "purpose": "exercise", "craft": [{"id": "DD-1", "type": "vessel"}], "period": "2026-03"}  # fmt: skip
    entries = write(book, line("access", "v1", "propose", "JPN:sato", visit))
    assert entries[0].event.facts["role"] == "PHL.competent_authority"
    [asked] = due(book, books(entries), now_us=NOW)
    assert (asked["on"], asked["state"], asked["due"][:10]) == ("asked", "late", "2026-03-15")
    entries = write(
        book,
        line("access", "v1", "consent", "PHL:reyes", {"consent": "C-1"}, "2026-03-02"),
        line("access", "v1", "clear", "PHL:reyes", {"craft_id": "DD-1", "clearance": "K"}, "2026-03-03"),
        line(
            "access",
            "v1",
            "notify_entry",
            "JPN:sato",
            {"entry_at": "2026-03-10T00:00:00Z", "place": "Subic"},
            "2026-03-04",
        ),
        line("access", "v1", "enter", "JPN:sato", {"manifest": [{"name": "stores"}], "place": "Subic"}, "2026-03-10"),
        line(
            "access", "v1", "incident", "JPN:sato", {"incident": "i1", "what": "a crane touched the pier"}, "2026-03-11"
        ),
        held=entries,
    )
    found = {d["on"]: d["state"] for d in due(book, books(entries), now_us=NOW)}
    assert found == {"asked": "met", "entry": "met", "incident": "late"}
    entry = next(d for d in due(book, books(entries), now_us=NOW) if d["on"] == "entry")
    assert entry["due"] == "2026-03-07T00:00:00Z", "72 hours before the entry that was announced, Art.8"
    duty = next(d["id"] for d in due(book, books(entries), now_us=NOW) if d["on"] == "incident")
    told = line("duty", duty, "met", "JPN:sato", {"evidence": "note 4"}, "2026-03-11T12:00:00Z")
    assert {d["on"]: d["state"] for d in due(book, books(write(book, told, held=entries)), now_us=NOW)}[
        "incident"
    ] == "met"
    waive = line("duty", duty, "waived", "JPN:sato", {"evidence": "we agree"}, "2026-03-11T12:00:00Z")
    assert {d["on"]: d["state"] for d in due(book, books(write(book, waive, held=entries)), now_us=NOW)}[
        "incident"
    ] == "late"


def test_notice_of_entry_has_the_time_of_the_agreement(book):
    """The clause's `before` holds, not a number in the code; a later notice is taken with a consent, and shown late."""
    texts = {p.name: p.read_text(encoding="utf-8") for p in accord.sample_paths()}
    longer = parse({name: text.replace("before: PT72H", "before: P30D") for name, text in texts.items()})
    visit = {"accord": "JPN-PHL-RAA", "from": "JPN", "to": "PHL", "subject": "port_call", "activity": "call-3",
             "purpose": "exercise", "craft": [{"id": "DD-1", "type": "vessel"}], "period": "2026-03"}  # fmt: skip
    entries = write(
        longer,
        line("access", "v1", "propose", "JPN:sato", {**visit, "notice_before": "PT1S"}),
        line("access", "v1", "consent", "PHL:reyes", {"consent": "C-1"}, "2026-03-02"),
        line("access", "v1", "clear", "PHL:reyes", {"craft_id": "DD-1", "clearance": "K"}, "2026-03-03"),
    )
    notice = {"entry_at": "2026-03-10T00:00:00Z", "place": "Subic"}
    with pytest.raises(AccordError, match="later than P30D before entry"):
        write(longer, line("access", "v1", "notify_entry", "JPN:sato", notice, "2026-03-04"), held=entries)
    claimed = {**notice, "short_notice_consent": "C-2"}
    with pytest.raises(AccordError, match="short_notice says it"):
        write(longer, line("access", "v1", "notify_entry", "JPN:sato", claimed, "2026-03-04"), held=entries)
    own = line("access", "v1", "short_notice", "JPN:sato", {"short_notice_consent": "C-2"}, "2026-03-03T12:00:00Z")
    with pytest.raises(AccordError, match="word of PHL"):
        write(longer, own, held=entries)
    entries = write(
        longer,
        {**own, "by": "PHL:reyes"},
        line("access", "v1", "notify_entry", "JPN:sato", notice, "2026-03-04"),
        held=entries,
    )
    [duty] = [d for d in due(longer, books(entries), now_us=NOW) if d["on"] == "entry"]
    assert (duty["due"][:10], duty["state"]) == ("2026-02-08", "late")


def test_settlement_has_the_time_of_the_agreement(book):
    texts = {p.name: p.read_text(encoding="utf-8") for p in accord.sample_paths()}
    shorter = parse({name: text.replace("within: P1Y, text: Settlement", "within: P30D, text: Settlement")
                     for name, text in texts.items()})  # fmt: skip
    entries = write(shorter, *STORY)
    [duty] = due(shorter, books(entries), now_us=NOW)
    found = ledger.summary(books(entries), now_us=NOW)["converted_to_cash"]
    assert (duty["due"], duty["state"]) == (found[0]["due"], "late") == ("2026-04-01T02:00:00Z", "late")
    kind = line(
        "support", "o1", "settle", "AUS:smith", {"amount": 630, "mode": "in_kind", "evidence": "d"}, "2026-05-01"
    )
    with pytest.raises(AccordError, match="only cash settles"):
        write(shorter, kind, held=entries)


@pytest.mark.parametrize(("notice", "state"), [("2026-03-11", "met"), ("2026-03-19", "late"), (None, "late")])
def test_departure_is_notified_beforehand_or_late(book, notice, state):
    visit = {"accord": "JPN-PHL-RAA", "from": "JPN", "to": "PHL", "subject": "port_call", "activity": "call-3",
             "purpose": "exercise", "craft": [{"id": "DD-1", "type": "vessel"}], "period": "2026-03"}  # fmt: skip
    lines = [
        ("propose", "JPN:sato", visit, "2026-03-01"), ("consent", "PHL:reyes", {"consent": "C-1"}, "2026-03-02"),
        ("clear", "PHL:reyes", {"craft_id": "DD-1", "clearance": "K"}, "2026-03-03"),
        ("notify_entry", "JPN:sato", {"entry_at": "2026-03-10T00:00:00Z", "place": "Subic"}, "2026-03-04"),
        ("enter", "JPN:sato", {"manifest": [{"name": "stores"}], "place": "Subic"}, "2026-03-10"),
        ("notify_departure", "JPN:sato", {"departure_at": "2026-03-20T00:00:00Z"}, notice),
        ("depart", "JPN:sato", {"departed_at": "2026-03-20"}, "2026-03-20"),
    ]  # fmt: skip
    entries = write(book, *(line("access", "v1", step, by, facts, at) for step, by, facts, at in lines if at))
    [duty] = [d for d in due(book, books(entries), now_us=NOW) if d["on"] == "departure"]
    assert (duty["clause"], duty["due"], duty["state"]) == ("Art.8.d", "2026-03-17T00:00:00Z", state)


def test_loss_starts_a_duty_at_once_and_commitments_take_evidence(book):
    loss = line(
        "happening", "loss-1", "compromise_suspected", "KOR:kim", {"accord": "JPN-KOR-GSOMIA", "originator": "JPN"}
    )
    entries = write(book, loss)
    [duty] = due(book, books(entries), now_us=NOW)
    assert (duty["notify"], duty["due"], duty["state"]) == ("JPN.release_authority", "2026-03-01T00:00:00Z", "late")
    with pytest.raises(AccordError, match="has no duty on"):
        write(book, line("happening", "x", "rain", "KOR:kim", {"accord": "JPN-KOR-GSOMIA"}))
    proof = line("commitment", "JPN-PHL-INFO-2026", "evidence", "PHL:reyes", {"evidence": "o1"})
    rows = {r["id"]: r for r in promised(book, books(write(book, *STORY, proof)), now_us=NOW)}
    assert rows["JPN-PHL-INFO-2026"]["state"] == "evidenced"
    assert rows["JPN-PHL-INFO-2026"]["exchanges"] == {"o1": "receipted"}
    with pytest.raises(AccordError, match="no commitment"):
        write(book, line("commitment", "none", "evidence", "PHL:reyes", {"evidence": "o1"}))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"kind": "gift"}, "is not one of"), ({"by": "smith"}, "PARTY:person"), ({"facts": []}, "not an object"),
     ({"at": "soon"}, "RFC 3339|time"), ({"more": 1}, "unknown field"), ({"step": ""}, "a line of text")],
)  # fmt: skip
def test_a_malformed_entry_names_its_field(change, words):
    with pytest.raises(InputError, match=words):
        read_entry({**STORY[0], **change})


def test_reconciling_two_ledgers_names_what_one_lacks(book):
    entries = write(book, *STORY)
    found = ledger.reconcile(entries, entries[:3])
    assert found["only_ours"] == ["support o1 receipt"]
    assert found["balance_differences"] == [{"of": ["JPN", "AUS", "JPY"], "ours": 630, "theirs": 0}]
    assert not any(ledger.reconcile(entries, [*entries[::-1], *entries]).values())
