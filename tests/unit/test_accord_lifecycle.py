"""Life-cycles of support, equipment and access; duties and commitments with their clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kuroshio import accord, clock
from kuroshio.accord import duties as clocks
from kuroshio.accord.durations import add
from kuroshio.accord.lifecycle import Event, fold
from kuroshio.accord.lifecycle_access import ACCESS
from kuroshio.accord.lifecycle_equipment import EQUIPMENT, inventory, uncertainties
from kuroshio.accord.lifecycle_support import SUPPORT, annual_report, balances, conversions
from kuroshio.errors import InputError

DAY = 86_400_000_000
T0 = clock.parse_rfc3339("2026-03-01")
DIGEST = "sha256:" + "a" * 64
ORDER = {
    "accord": "X",
    "from": "JPN",
    "to": "PHL",
    "item": "fuel",
    "quantity": 100,
    "unit": "m3",
    "price_basis": "cost",
    "unit_price": 7,
    "currency": "JPY",
    "payment_mode": "in_kind",
    "place": "Subic",
    "date": "2026-03-02",
    "orderer": "PHL:a",
    "decision": "permit",
}


def story(**changes):
    """Events of an order from request to close."""
    return [
        Event("o1", "order", T0, "PHL:a", {**ORDER, **changes}),
        Event("o1", "accept", T0 + 1, "JPN:b", {"acceptor": "JPN:b", "decision": "permit"}),
        Event("o1", "deliver", T0 + 2, "JPN:c", {"source_document": DIGEST, "delivered_at": "2026-03-02"}),
        Event("o1", "receipt", T0 + 3, "PHL:d", {"received": 90, "receiver": "PHL:d"}),
        Event("o1", "settle", T0 + 4, "PHL:a", {"amount": 600, "mode": "in_kind", "evidence": "doc"}),
        Event("o1", "settle", T0 + 5, "PHL:a", {"amount": 30, "mode": "cash", "evidence": "doc"}),
        Event("o1", "close", T0 + 6, "JPN:b", {"closer": "JPN:b"}),
    ]


def test_support_from_order_to_close():
    orders, refused = fold(SUPPORT, story())
    assert refused == []
    assert orders["o1"].state == "closed"
    assert balances(orders.values()) == {}
    half, _ = fold(SUPPORT, story()[:5])
    assert balances(half.values()) == {("JPN", "PHL", "JPY"): 30}
    assert annual_report(orders.values(), from_us=T0, until_us=T0 + DAY)["pairs"] == {
        "JPN->PHL JPY": {"value": 630, "settled": 630, "owed_at_end": 0}
        | {"by_mode": {"cash": 30, "in_kind": 600, "equal_value": 0}}
    }


def test_the_annual_report_counts_what_fell_in_the_year():
    """Received in one year and settled in the next: each year tells its own part, and what was owed at its end."""
    year = 300 * DAY  # any period: past a year only cash settles
    events = [e if e.step not in ("settle", "close") else replace(e, at_us=e.at_us + year) for e in story()]
    orders = fold(SUPPORT, events)[0].values()
    first, second, third = (
        annual_report(orders, from_us=T0 + n * year - DAY, until_us=T0 + (n + 1) * year - DAY) for n in range(3)
    )
    line = first["pairs"]["JPN->PHL JPY"]
    assert (line["value"], line["settled"], line["owed_at_end"]) == (630, 0, 630)
    line = second["pairs"]["JPN->PHL JPY"]
    assert (line["value"], line["settled"], line["owed_at_end"]) == (0, 630, 0)
    assert line["by_mode"] == {"cash": 30, "in_kind": 600, "equal_value": 0}
    assert first["states"] == second["states"] == {"closed": 1}
    assert third == {"states": {}, "pairs": {}}


@pytest.mark.parametrize("name", sorted(ORDER))
def test_order_without_any_of_its_minimum_data_is_refused(name):
    orders, refused = fold(SUPPORT, [Event("o1", "order", T0, "PHL:a", {k: v for k, v in ORDER.items() if k != name})])
    assert orders == {}
    assert name in refused[0].reason


@pytest.mark.parametrize(
    ("at", "change", "reason"),
    [
        (1, {"acceptor": "PHL:a", "decision": "permit"}, "one person"),
        (1, {"acceptor": "JPN:b", "decision": "deny"}, "denies"),
        (1, {"acceptor": "JPN:b", "decision": "decide"}, "consent"),
        (2, {"delivered_at": "x"}, "source_document"),
        (2, {"delivered_at": "x", "source_document": "none"}, "sha256"),
        (3, {"received": 101, "receiver": "PHL:d"}, "between"),
        (4, {"amount": 631, "mode": "cash", "evidence": "doc"}, "more than is owed"),
        (4, {"amount": 1, "mode": "barter", "evidence": "doc"}, "mode"),
    ],
)
def test_each_control_refuses(at, change, reason):
    events = story()[: at + 1]
    events[at] = Event("o1", events[at].step, events[at].at_us, events[at].by, change)
    _, refused = fold(SUPPORT, events)
    assert len(refused) == 1
    assert reason in refused[0].reason


def test_what_is_not_settled_in_a_year_converts_to_cash():
    orders, _ = fold(SUPPORT, story()[:4])
    assert conversions(orders.values(), now_us=T0 + 300 * DAY) == []
    late = T0 + 366 * DAY
    assert conversions(orders.values(), now_us=late)[0]["now"] == "cash"
    in_kind = Event("o1", "settle", late, "PHL:a", {"amount": 1, "mode": "in_kind", "evidence": "doc"})
    _, refused = fold(SUPPORT, [*story()[:4], in_kind])
    assert "only cash" in refused[0].reason


def test_weapon_items_are_refused_everywhere():
    assert "outside" in fold(SUPPORT, story(item="weapon_system")[:1])[1][0].reason
    facts = {"accord": "X", "from": "JPN", "to": "PHL", "item": "weapon_system", "quantity": 1, "source": "s"}
    facts["decision"] = "deny"
    assert "outside" in fold(EQUIPMENT, [Event("e", "reported", T0, "JPN:a", facts)])[1][0].reason


def radar():
    """Events of a radar from the first report to service."""
    held = {"holder": "PHL", "place": "Lubang", "custodian": "unit", "end_use": "maritime watch"}
    first = {
        "accord": "E",
        "from": "JPN",
        "to": "PHL",
        "item": "coastal_radar",
        "quantity": {"value": 4, "uncertain": True, "source": "press"},
        "source": "press",
        "decision": "decide",
    }
    return [
        Event("r1", "reported", T0, "JPN:a", first),
        Event("r1", "notes", T0 + 1, "JPN:a", {"evidence": "notes", "quantity": 5}),
        Event("r1", "contract", T0 + 2, "JPN:a", {"evidence": "contract"}),
        Event("r1", "delivery", T0 + 3, "JPN:a", {"evidence": "act", **held}),
        Event("r1", "training", T0 + 4, "PHL:a", {"evidence": "list"}),
        Event("r1", "in_service", T0 + 5, "PHL:a", {"evidence": "act"}),
        Event("r1", "monitoring_report", T0 + 6, "PHL:a", {"evidence": "report", "condition": "good"}),
    ]


def test_equipment_milestones_and_inventory():
    items, refused = fold(EQUIPMENT, radar())
    assert refused == []
    assert inventory(items.values()) == {("PHL", "coastal_radar"): 5}
    assert uncertainties(items.values()) == []
    reported, _ = fold(EQUIPMENT, radar()[:1])
    assert uncertainties(reported.values())[0]["value"] == 4
    assert inventory(reported.values()) == {}


def test_equipment_skips_no_milestone_and_moves_only_with_consent():
    assert "cannot follow" in fold(EQUIPMENT, [radar()[0], radar()[3]])[1][0].reason
    no_quantity = [radar()[0], Event("r1", "notes", T0 + 1, "JPN:a", {"evidence": "n"}), radar()[2]]
    assert "certain quantity" in fold(EQUIPMENT, no_quantity)[1][0].reason
    away = Event("r1", "move", T0 + 9, "PHL:a", {"evidence": "doc", "holder": "VNM"})
    assert "consent of JPN" in fold(EQUIPMENT, [*radar(), away])[1][0].reason
    agreed = Event("r1", "move", T0 + 9, "PHL:a", {"evidence": "doc", "holder": "VNM", "consent": "C-9"})
    assert "consent of JPN" in fold(EQUIPMENT, [*radar(), agreed])[1][0].reason, "a consent must be given, not claimed"
    own = Event("r1", "permit_move", T0 + 8, "PHL:a", {"consent": "C-9", "holder": "VNM"})
    assert "word of JPN" in fold(EQUIPMENT, [*radar(), own])[1][0].reason
    given = Event("r1", "permit_move", T0 + 8, "JPN:a", {"consent": "C-9", "holder": "VNM"})
    assert inventory(fold(EQUIPMENT, [*radar(), given, agreed])[0].values()) == {("VNM", "coastal_radar"): 5}
    elsewhere = Event("r1", "move", T0 + 9, "PHL:a", {"evidence": "doc", "holder": "IDN", "consent": "C-9"})
    assert "consent of JPN" in fold(EQUIPMENT, [*radar(), given, elsewhere])[1][0].reason


@pytest.mark.parametrize("step", ["correct", "monitoring_report"])
def test_no_other_step_moves_equipment(step):
    event = Event("r1", step, T0 + 9, "PHL:a", {"evidence": "e", "condition": "good", "holder": "VNM"})
    assert "may not change holder" in fold(EQUIPMENT, [*radar(), event])[1][0].reason


def test_the_price_ordered_is_the_price_owed():
    events = story()
    events[1] = Event("o1", "accept", T0 + 1, "JPN:b", {"acceptor": "JPN:b", "decision": "permit", "unit_price": 9})
    assert "may not change unit_price" in fold(SUPPORT, events)[1][0].reason


def test_support_goes_on_to_a_third_party_only_with_the_providers_consent():
    onward = Event("o1", "onward", T0 + 9, "PHL:a", {"consent": "C", "to": "VNM", "quantity": 5, "evidence": "doc"})
    assert "no consent" in fold(SUPPORT, [*story(), onward])[1][0].reason
    own = Event("o1", "permit_onward", T0 + 8, "PHL:a", {"consent": "C", "to": "VNM", "quantity": 5})
    assert "word of JPN" in fold(SUPPORT, [*story(), own])[1][0].reason
    given = Event("o1", "permit_onward", T0 + 8, "JPN:b", {"consent": "C", "to": "VNM", "quantity": 5})
    orders, refused = fold(SUPPORT, [*story(), given, onward])
    assert refused == []
    assert orders["o1"].facts["onward"][0]["to"] == "VNM"
    assert orders["o1"].facts["to"] == "PHL"
    more = Event("o1", "onward", T0 + 10, "PHL:a", {**onward.facts, "quantity": 1})
    assert "covers 5, of which 5 went" in fold(SUPPORT, [*story(), given, onward, more])[1][0].reason


@pytest.mark.parametrize("facts", [{"craft": 7}, {"craft": [None]}, {"from": ["JPN"]}, {"to": {}}, {"accord": 1}])
def test_facts_of_any_form_are_refused_not_raised(facts):
    first = visit()[0]
    _, refused = fold(ACCESS, [Event("v1", "propose", T0, "JPN:a", {**first.facts, **facts})])
    assert len(refused) == 1


def visit(**manifest):
    """Events of a port call."""
    ship = [{"id": "DD-1", "type": "vessel"}]
    first = {"accord": "R", "from": "JPN", "to": "PHL", "activity": "drill", "purpose": "exercise", "craft": ship}
    first |= {"subject": "port_call", "decision": "decide"}
    return [
        Event("v1", "propose", T0, "JPN:a", {**first, "period": "2026-03"}),
        Event("v1", "consent", T0 + 1, "PHL:a", {"consent": "C-1"}),
        Event("v1", "clear", T0 + 2, "PHL:a", {"craft_id": "DD-1", "clearance": "K-1"}),
        Event("v1", "notify_entry", T0 + 3, "JPN:a", {"entry_at": clock.rfc3339(T0 + 10 * DAY), "place": "Subic"}),
        Event("v1", "enter", T0 + 10 * DAY, "JPN:a", {"manifest": [{"name": "stores", **manifest}], "place": "Subic"}),
        Event("v1", "claim", T0 + 11 * DAY, "PHL:a", {"claim": "c1", "amount": 5}),
        Event("v1", "depart", T0 + 12 * DAY, "JPN:a", {"departed_at": "2026-03-13"}),
    ]


def test_access_needs_consent_clearance_notice_and_manifest():
    visits, refused = fold(ACCESS, visit())
    assert refused == []
    assert visits["v1"].state == "departed"
    close = Event("v1", "close", T0 + 20 * DAY, "PHL:a", {"closer": "PHL:a"})
    assert "c1" in fold(ACCESS, [*visit(), close])[1][0].reason
    for left_out, words in ((1, "cannot follow"), (2, "not cleared")):
        events = visit()
        del events[left_out]
        assert words in fold(ACCESS, events)[1][0].reason
    assert "hazardous" in fold(ACCESS, visit(hazardous=True))[1][0].reason
    late = [
        *visit()[:3],
        Event("v1", "notify_entry", T0 + 9 * DAY, "JPN:a", {"entry_at": clock.rfc3339(T0 + 10 * DAY), "place": "x"}),
    ]
    assert "PT72H" in fold(ACCESS, late)[1][0].reason
    own = [*visit()[:1], Event("v1", "consent", T0 + 1, "JPN:a", {"consent": "C"})]
    assert "word of PHL" in fold(ACCESS, own)[1][0].reason


def test_duties_have_due_dates_and_are_met_late_or_waived():
    book = accord.load(accord.sample_paths()).assuming({"JPN-PHL-ACSA": "in_force"})
    receipt = clocks.Happening("r1", "receipt", T0, "JPN-PHL-ACSA", "o1", releaser="JPN", receiver="PHL")
    due = add(T0, "P1Y")

    def state(now, *answers):
        return clocks.duties(book, [receipt], answers, now_us=now)[0]

    assert state(T0).due_us == due
    assert state(T0).notify == "JPN.competent_authority"
    assert state(due).state == "open"
    assert state(due + 1).state == "late"
    name = state(T0).id
    assert state(due + 2, clocks.Answer(name, due, "PHL", "paid")).state == "met"
    assert state(due + 2, clocks.Answer(name, due + 1, "PHL", "paid")).state == "late"
    assert state(due + 2, clocks.Answer(name, due, "JPN", "note", waived=True)).state == "waived"


def test_repeating_duty_comes_due_every_year():
    book = accord.load(accord.sample_paths())
    start = clock.parse_rfc3339("2020-02-29")
    one = clocks.Happening("m", "in_service", start, "JPN-PHL-EQUIPMENT", "radar", originator="JPN")
    found = clocks.duties(book, [one], [], now_us=clock.parse_rfc3339("2023-05-01"))
    assert [clock.rfc3339(d.due_us)[:10] for d in found] == ["2021-03-30", "2022-03-30", "2023-03-30", "2024-03-30"]
    assert [d.state for d in found] == ["late", "late", "late", "open"]


def test_commitments_show_evidence_or_its_absence():
    book = accord.load(accord.sample_paths())
    found = {c["id"]: c["state"] for c in clocks.commitments(book, now_us=T0)}
    assert found["JPN-PHL-OSA-2023"] == "evidenced"
    assert found["JPN-PHL-INFO-2026"] == "open"
    assert clocks.commitments(book, now_us=T0, evidence={"JPN-PHL-INFO-2026": ["x"]})[0]["id"]


@pytest.mark.parametrize(
    ("start", "duration", "end"),
    [
        ("2026-01-31", "P1M", "2026-02-28T00:00:00Z"),
        ("2024-02-29", "P1Y", "2025-02-28T00:00:00Z"),
        ("2026-12-31", "PT24H", "2027-01-01T00:00:00Z"),
        ("2026-01-01", "P1W2DT3H4M5S", "2026-01-10T03:04:05Z"),
    ],
)
def test_durations_follow_the_calendar(start, duration, end):
    assert clock.rfc3339(add(clock.parse_rfc3339(start), duration)) == end


@pytest.mark.parametrize("text", ["", "P", "PT", "1Y", "P1H", "P-1D", "P1.5D"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(InputError):
        add(T0, text)
