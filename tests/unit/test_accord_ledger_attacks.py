"""A partner, a visitor or a debtor who writes into the ledger what is another's to say: each attempt is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_accord_lifecycle import DAY, T0, radar, story, visit

from kuroshio import accord
from kuroshio.accord import ledger
from kuroshio.accord.book import parse
from kuroshio.accord.ledger_duties import due
from kuroshio.accord.lifecycle import Event, fold
from kuroshio.accord.lifecycle_access import ACCESS
from kuroshio.accord.lifecycle_equipment import EQUIPMENT, inventory, uncertainties
from kuroshio.accord.lifecycle_support import SUPPORT, annual_report, balances, conversions
from kuroshio.errors import AccordError, InputError
from kuroshio.node.books import LedgerDesk
from kuroshio.testing.standin_books import EntryList

BOOK = accord.load(accord.sample_paths())


def spoilt(events, step, by=None, **facts):
    """The story with further facts, or another person, at one step."""
    return [
        Event(e.exchange, e.step, e.at_us, by or e.by, {**e.facts, **facts}) if e.step == step else e for e in events
    ]


@pytest.mark.parametrize("step", ["order", "accept", "deliver", "receipt", "close"])
@pytest.mark.parametrize(
    "facts",
    [{"value": 10**6}, {"settled": 630}, {"onward_consents": [{"consent": "C", "to": "VNM", "quantity": 9}]},
     {"due_us": "0"}, {"settlements": []}, {"received_us": "0"}],
)  # fmt: skip
def test_what_is_owed_and_consented_is_not_slipped_into_an_order(step, facts):
    events = spoilt(story(), step, **facts)
    orders, refused = fold(SUPPORT, events)
    assert f"{step} may not say {next(iter(facts))}" in refused[0].reason
    assert all(amount <= 630 for amount in balances(orders.values()).values())


@pytest.mark.parametrize("step", ["notes", "contract", "delivery", "training", "in_service", "monitoring_report"])
@pytest.mark.parametrize(
    ("facts", "words"),
    [({"consents": [{"consent": "C", "holder": "VNM"}]}, "may not say consents"),
     ({"item": "weapon_system"}, "weapon systems are outside"), ({"item": "patrol_boat"}, "may not change item"),
     ({"quantity": "many"}, "not a positive whole number"), ({"item": ["radar"]}, "is not a word")],
)  # fmt: skip
def test_equipment_does_not_become_another_thing_nor_move_by_a_forged_consent(step, facts, words):
    events = spoilt(radar(), step, **facts)
    items, refused = fold(EQUIPMENT, events)
    assert words in refused[0].reason
    assert set(inventory(items.values())) <= {("PHL", "coastal_radar")}


def test_a_count_that_is_certain_is_corrected_by_the_giver_alone():
    taker = Event("r1", "correct", T0 + 9, "PHL:a", {"evidence": "e", "quantity": 1})
    assert "corrected by JPN" in fold(EQUIPMENT, [*radar(), taker])[1][0].reason
    giver = Event("r1", "correct", T0 + 9, "JPN:a", {"evidence": "e", "quantity": 4})
    assert inventory(fold(EQUIPMENT, [*radar(), giver])[0].values()) == {("PHL", "coastal_radar"): 4}


def test_an_uncertain_item_is_judged_anew_when_it_is_named():
    first = {"accord": "JPN-PHL-EQUIPMENT", "from": "JPN", "to": "PHL", "source": "press", "quantity": 1}
    first["item"] = {"value": "radio", "uncertain": True, "source": "press"}
    entries: list[ledger.Entry] = []

    def add(step, at, **facts):
        line = {"kind": "equipment", "exchange": "x", "step": step, "at": at, "by": "JPN:a", "facts": facts}
        entries.append(ledger.append(BOOK, entries, ledger.read_entry(line), known_at_us=T0))

    add("reported", "2026-03-01", **first)
    with pytest.raises(AccordError, match=r"Art\.3\.w"):
        add("correct", "2026-03-02", evidence="e", item="weapon_system")
    with pytest.raises(AccordError, match="denied by JPN-PHL-EQUIPMENT"):
        add("correct", "2026-03-02", evidence="e", item="fuel")
    add("correct", "2026-03-02", evidence="e", item="coastal_radar")
    with pytest.raises(AccordError, match="may not change item"):
        add("correct", "2026-03-03", evidence="e", item="radio")


@pytest.mark.parametrize(
    ("step", "facts", "words"),
    [("propose", {"cleared": ["DD-1"]}, "may not say cleared"),
     ("propose", {"hazardous_consent": "self"}, "may not say hazardous_consent"),
     ("notify_entry", {"hazardous_consent": "self"}, "may not say hazardous_consent"),
     ("notify_entry", {"notice_before": "PT0S"}, "may not say notice_before"),
     ("depart", {"claims": []}, "may not say claims")],
)  # fmt: skip
def test_a_visitor_grants_itself_nothing(step, facts, words):
    _, refused = fold(ACCESS, spoilt(visit(), step, **facts))
    assert words in refused[0].reason


def test_a_claim_is_settled_by_who_made_it():
    again = Event("v1", "claim", T0 + 11 * DAY + 1, "JPN:a", {"claim": "c1", "amount": 1})
    assert "was made already" in fold(ACCESS, [*visit(), again])[1][0].reason
    for party, taken in (("JPN", False), ("PHL", True)):
        settled = Event("v1", "settle_claim", T0 + 13 * DAY, f"{party}:a", {"claim": "c1", "evidence": "e"})
        closed = Event("v1", "close", T0 + 14 * DAY, "JPN:a", {"closer": "JPN:a"})
        assert (fold(ACCESS, [*visit(), settled, closed])[0]["v1"].state == "closed") is taken


@pytest.mark.parametrize(
    ("cycle", "events"),
    [(SUPPORT, story()), (EQUIPMENT, radar()), (ACCESS, visit())],
    ids=["support", "radar", "visit"],
)
def test_a_third_party_is_not_heard(cycle, events):
    for step in {e.step for e in events}:
        _, refused = fold(cycle, spoilt(events, step, by="USA:x"))
        assert any("USA" in r.reason for r in refused), step


FACT = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "JPN", "C-1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("value"), inner),
    max_leaves=3,
)
NAMES = st.sampled_from(
    sorted({n for c in (SUPPORT, EQUIPMENT, ACCESS) for s in c.steps.values() for n in s.needs}
           | {n for c in (SUPPORT, EQUIPMENT, ACCESS) for n in c.said_by} | {"holder", "end_use", "unit_price"})
)  # fmt: skip


@given(st.data())
def test_whatever_a_partner_says_the_books_can_be_read(data):
    cycle, events = data.draw(st.sampled_from([(SUPPORT, story()), (EQUIPMENT, radar()), (ACCESS, visit())]))
    step = data.draw(st.sampled_from(sorted({e.step for e in events})))
    events = spoilt(events, step, **data.draw(st.dictionaries(NAMES, FACT, max_size=3)))
    exchanges, _ = fold(cycle, events)
    found = list(exchanges.values())
    if cycle is SUPPORT:
        assert all(amount > 0 for amount in balances(found).values())
        assert isinstance(conversions(found, now_us=T0 + 999 * DAY), list)
        annual_report(found, from_us=0, until_us=2**60)
    elif cycle is EQUIPMENT:
        assert all(n > 0 for n in inventory(found).values())
        uncertainties(found)


ORDER = {**story()[0].facts, "accord": "JPN-PHL-ACSA"}


def desk(party="JPN"):
    return LedgerDesk(party, lambda: BOOK, EntryList(), now_us=lambda: T0 + 400 * DAY)


def sent(desk, partner, event, kind="support"):
    return desk.take(partner, json.dumps(ledger.Entry(kind, event).as_dict()))


def test_a_partner_opens_only_what_is_between_it_and_us():
    jpn = desk()
    with pytest.raises(InputError, match="not between AUS and JPN"):
        sent(jpn, "AUS", Event("o1", "order", T0, "AUS:a", {**ORDER, "to": "AUS", "from": "PHL"}))
    for event in story()[:1]:
        sent(jpn, "PHL", event)
    with pytest.raises(InputError, match="with another party"):
        sent(jpn, "AUS", Event("o1", "order", T0 - 9, "AUS:a", {**ORDER, "to": "AUS", "from": "JPN"}))
    assert [e["to"] for e in jpn.exchanges()] == ["PHL"]


def test_a_partner_does_not_rewrite_its_own_history():
    """A cancellation dated before the delivery it receipted would make the debt vanish on both sides."""
    jpn, store = desk(), []
    for event in story()[:4]:
        entry = ledger.Entry("support", event)
        (store.append if event.party == "JPN" else lambda e: sent(jpn, "PHL", e.event))(entry)
        if event.party == "JPN":
            jpn._store.add_entry(entry.id, entry.as_dict(), source="JPN", recorded_us=0)
    owed = jpn.summary()["balances"]
    assert owed[0]["amount"] == 630
    with pytest.raises(InputError, match="would undo its own receipt"):
        sent(jpn, "PHL", Event("o1", "cancel", T0 + 1, "PHL:a", {"reason": "x"}))
    assert jpn.summary()["balances"] == owed
    assert jpn.counters["entries_refused"] == 1


WAIVABLE = """
id: X-EQ
kinds: [equipment]
parties: [JPN, PHL]
binding: treaty
interpretation: {by: test, date: 2026-11-22, note: invented for the test}
status: [{state: in_force, from: 2020-01-01, recorded: 2020-01-01, source: test, confidence: in_force}]
clauses:
  - {id: a, effect: permit}
  - {id: m, effect: duty, on: in_service, notify: originator.x, every: P1Y, within: P30D, waivable_by: originator.x}
"""


def test_who_owes_a_duty_does_not_waive_it_and_none_is_due_for_what_is_gone():
    book = parse({"x.yaml": WAIVABLE})
    entries = [ledger.Entry("equipment", Event(e.exchange, e.step, e.at_us, e.by, {**e.facts, **({"accord": "X-EQ"}
               if e.step == "reported" else {})})) for e in radar()[:6]]  # fmt: skip
    late = T0 + 5 * 365 * DAY

    def states(*more):
        return [d["state"] for d in due(book, ledger.books([*entries, *more]), now_us=late)]

    assert states() == ["late", "late", "late", "late", "open"]
    for party, state in (("PHL", "late"), ("JPN", "waived")):
        waive = Event("X-EQ:m:r1:1", "waived", T0 + 9, f"{party}:a", {"evidence": "note"})
        assert states(ledger.Entry("duty", waive))[0] == state
    gone = ledger.Entry("equipment", Event("r1", "disposal", T0 + 500 * DAY, "PHL:a", {"evidence": "act"}))
    assert states(gone) == ["late"], "one year was reported on; after its disposal nothing is due"
