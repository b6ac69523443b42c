"""The desks of the watch page in a real browser: releases, exchanges, accords, sightings, health."""

from __future__ import annotations

import json
import re

import pytest

from kuroshio.testing.screen import Screen, Served
from kuroshio.testing.standin import USER

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_release_is_recalled_and_a_pending_one_signed(screen: Screen, served: Served) -> None:
    screen.page.locator("[data-desk=releases]").click()
    desk = screen.page.get_by_test_id("desk-releases")
    row = desk.locator("tr[data-release=rel-0001]")
    expect(row).to_have_attribute("data-state", "received")
    row.get_by_role("button", name="Recall").click()
    desk.get_by_label("Reason for the recall").fill("sent in error")
    desk.get_by_role("button", name="Recall it").click()
    expect(row).to_have_attribute("data-state", "withdrawn")
    recalled = next(r for r in served.node.releases() if r["release_id"] == "rel-0001")
    assert (recalled["reason"], recalled["recalled_by"]) == ("sent in error", USER)
    other = desk.locator("tr[data-release=rel-0002]")
    other.get_by_role("button", name="Recall").click()
    desk.get_by_label("Reason for the recall").fill("no longer needed")
    expect(desk.get_by_role("button", name="End earlier")).to_be_disabled()
    desk.get_by_label("Must be gone by").fill("2026-11-22T18:00")
    desk.get_by_role("button", name="End earlier").click()
    expect(other.get_by_test_id("ends")).to_contain_text("until 2026-11-22T18:00:00Z · not confirmed")
    ended = next(r for r in served.node.releases() if r["release_id"] == "rel-0002")
    assert (ended["retain_until"], ended["state"]) == ("2026-11-22T18:00:00Z", "received")
    waiting = len(served.node.pending())
    expect(desk.get_by_test_id("pending")).to_have_count(waiting)
    desk.get_by_test_id("pending").first.get_by_role("button", name="Grant").click()
    expect(desk.get_by_test_id("pending")).to_have_count(waiting - 1)
    assert len(served.node.pending()) == waiting - 1


def test_exchanges_show_what_is_owed_and_due_and_take_a_step(screen: Screen, served: Served) -> None:
    screen.page.locator("[data-desk=exchanges]").click()
    desk = screen.page.get_by_test_id("desk-exchanges")
    expect(desk).to_contain_text(re.compile(r"PHL owes JPN 1\s062\s000 JPY"))
    expect(desk.get_by_test_id("duties")).to_contain_text("JPN-PHL-ACSA Art.6")
    expect(desk).to_contain_text("Negotiate an information protection agreement.")
    desk.locator("[data-exchange=fuel-1] button.title").click()
    expect(desk).to_contain_text("What may follow")
    form = desk.get_by_test_id("record-step")
    form.get_by_label("Step").select_option("settle")
    form.get_by_role("button", name="Blank form").click()
    facts = {"amount": 62_000, "mode": "cash", "evidence": "invoice 3"}
    assert set(json.loads(form.get_by_label("Facts (JSON)").input_value())) == set(facts)
    form.get_by_label("Facts (JSON)").fill(json.dumps(facts))
    form.get_by_role("button", name="Record it").click()
    expect(desk).to_contain_text(re.compile(r"PHL owes JPN 1\s000\s000 JPY"))
    assert served.node.ledger().exchange("support", "fuel-1")["facts"]["settled"] == 62_000
    form.get_by_label("Facts (JSON)").fill(json.dumps({**facts, "amount": 9_000_000}))
    form.get_by_role("button", name="Record it").click()
    expect(desk.get_by_role("alert")).to_contain_text("more than is owed")
    screen.page.get_by_role("button", name="Close").first.click()


def test_accords_and_a_dry_run(screen: Screen) -> None:
    screen.page.locator("[data-desk=accords]").click()
    desk = screen.page.get_by_test_id("desk-accords")
    desk.locator("[data-accord=JPN-PHL-INFO-SAMPLE] button.title").click()
    expect(desk).to_contain_text("2026-06-02")
    draft = desk.get_by_role("textbox")
    draft.fill("not a draft")
    desk.get_by_role("button", name="Try it").click()
    expect(desk.get_by_role("alert")).to_contain_text("line 1")
    draft.fill("accord: DRAFT")
    desk.get_by_role("button", name="Try it").click()
    expect(desk.get_by_test_id("dry-run")).to_contain_text("DRAFT 1.1")
    expect(desk.get_by_test_id("dry-run")).to_contain_text("positions in cells of 0.05 degrees → marked HI")
    shape = desk.get_by_test_id("network-shape")
    expect(shape.get_by_role("row").filter(has_text="hub and spokes")).to_contain_text("JPN (80 %)")
    expect(shape.get_by_role("row").filter(has_text="as it is")).to_contain_text("JPN (43 %)")


def test_a_sighting_is_reported_by_a_form_that_says_what_is_wrong(screen: Screen, served: Served) -> None:
    screen.page.locator("[data-desk=sighting]").click()
    desk = screen.page.get_by_test_id("desk-sighting")
    report = desk.get_by_role("button", name="Put into the picture")
    expect(report).to_be_disabled()
    desk.locator("input[name=position]").fill("somewhere north")
    report.click()
    expect(desk.get_by_role("alert")).to_contain_text("not a position")
    assert served.node.sighted == []
    desk.locator("input[name=position]").fill("20-30N 121-45E")
    desk.locator("input[name=bearing_deg]").fill("90")
    desk.locator("input[name=distance_m]").fill("2")
    desk.locator("input[name=speed_mps]").fill("10")
    desk.locator("textarea[name=remarks]").fill("grey trawler\n---\nPos: 1N 1E")
    report.click()
    told = desk.get_by_test_id("sighted")
    expect(told).to_contain_text("20°30.000′N")
    said = served.node.sighted[-1]
    assert (said["observer"], said["distance_m"], said["bearing_deg"]) == (USER, pytest.approx(3704.0), 90)
    assert said["speed_mps"] == pytest.approx(10 * 1852 / 3600)
    assert said["remarks"] == "grey trawler\n---\nPos: 1N 1E"
    # two miles east of where the observer stood, and an ellipse of its own
    assert float(told.get_attribute("data-lon")) == pytest.approx(121.7855, abs=1e-3)
    assert float(told.get_attribute("data-major")) > 1000
    expect(desk.locator("input[name=position]")).to_have_value("")


def test_silent_feeds_and_late_partners_stand_out(screen: Screen) -> None:
    screen.page.locator("[data-desk=health]").click()
    desk = screen.page.get_by_test_id("desk-health")
    expect(desk.locator("tr[data-feed=sanvicente-ais]")).to_contain_text("SILENT")
    expect(desk.get_by_test_id("partners")).to_contain_text("37 items wait")
    assert screen.page.locator("[data-desk=health] b").inner_text() == "3"
    late = desk.get_by_test_id("partners").locator("tr", has_text="37 items wait")
    expect(late.get_by_test_id("link")).to_contain_text("1.20 kB/s")
    expect(late.get_by_test_id("link")).to_contain_text("148")
    expect(late).to_contain_text("+0.1 s")


def test_what_a_partner_knew_opens_as_a_signed_page(screen: Screen) -> None:
    screen.page.locator("[data-desk=releases]").click()
    asked = screen.page.get_by_test_id("desk-releases").get_by_test_id("knew")
    expect(asked.locator("a")).to_have_count(0)
    asked.locator("select").select_option("USA")
    asked.locator("input").fill("2026-11-22T14:05")
    with screen.page.context.expect_page() as opened:
        asked.locator("a").first.click()
    told = opened.value
    told.wait_for_load_state()
    expect(told.locator("body")).to_contain_text("USA")
    expect(told.locator("body")).to_contain_text("2026-11-22T14:05:00Z")
    told.close()


def test_a_rule_is_switched_on_only_after_its_dry_run_and_off_again(screen: Screen, served: Served) -> None:
    rules = served.node.rules()
    screen.page.locator("[data-desk=rules]").click()
    desk = screen.page.get_by_test_id("desk-rules")
    on, new = (desk.locator(f"[data-rule={name}]") for name in ("bank-at-night", "any-tanker"))
    expect(on).to_have_attribute("data-state", "active")
    expect(on).to_contain_text("of ships of flag 412, 525")
    expect(new).to_have_attribute("data-state", "proposed")
    switch_on = new.get_by_role("button", name="Switch on")
    expect(switch_on).to_be_disabled()
    expect(new.get_by_test_id("tried")).to_have_count(0)
    new.get_by_role("button", name="Dry-run").click()
    expect(new.get_by_test_id("tried")).to_be_visible()
    tried = rules.one("any-tanker")["dry_run"]
    assert (tried["version"], tried["days"]) == (rules.one("any-tanker")["version"], 30)
    switch_on.click()
    expect(new).to_have_attribute("data-state", "active")
    expect(switch_on).to_have_count(0)
    assert (rules.one("any-tanker")["state"], rules.one("any-tanker")["by"]) == ("active", USER)
    on.get_by_role("button", name="Into shadow").click()
    expect(on).to_have_attribute("data-state", "shadow")
    on.get_by_role("button", name="Switch off").click()
    expect(on).to_have_attribute("data-state", "withdrawn")
    assert rules.one("bank-at-night")["state"] == "withdrawn"
    # another version, proposed elsewhere: its dry run is of the old one, and the page says so when it is opened again
    body = {**rules.one("any-tanker")["rule"], "max_per_day": 7}
    rules.propose(body, by="pat")
    screen.page.locator("footer").click()
    screen.page.keyboard.press("Escape")
    screen.page.locator("[data-desk=rules]").click()
    expect(new).to_have_attribute("data-state", "proposed")
    expect(new).to_contain_text("at most 7 a day")
    expect(new.get_by_role("button", name="Switch on")).to_be_disabled()
    expect(desk.get_by_role("alert")).to_have_count(0)
