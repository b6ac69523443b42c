"""The watch page in a real browser over the real API, with a stand-in node whose clock the test moves."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kuroshio.testing.screen import Screen, Served
from kuroshio.testing.standin import USER

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
PALETTES = ("bright", "day", "dusk", "night")


def alive(served: Served, viewpoint: str | None = None) -> int:
    return int(served.node.snapshot(viewpoint)[1].num_rows)


def test_a_wrong_password_is_refused_and_shows_nothing(open_screen: Callable[[Served], Screen], served: Served) -> None:
    screen = open_screen(served)
    screen.page.goto(served.url)
    screen.page.fill("input[name=user]", USER)
    screen.page.fill("input[name=password]", "wrong")
    screen.page.click("button.primary")
    expect(screen.page.get_by_role("alert")).to_be_visible()
    assert screen.page.locator(".page").count() == 0
    assert screen.data("targets") in ("", "0")


def test_the_picture_is_drawn_and_moves(screen: Screen, served: Served) -> None:
    screen.until("map", "ready", 30)
    screen.until("targets", str(alive(served)))
    assert screen.data("mode") == "simulated"
    assert screen.data("party") == "PHL"
    before = int(screen.data("sequence"))
    draws = int(screen.data("draws"))
    served.node.advance(3)
    screen.until("sequence", str(before + 3))
    expect(screen.page.locator("html")).not_to_have_attribute("data-draws", str(draws))
    assert int(screen.data("visible")) > 0


def test_it_speaks_to_its_own_node_only_and_keeps_the_policy(screen: Screen, served: Served) -> None:
    screen.until("map", "ready", 30)
    screen.page.locator("[data-desk=legend]").click()
    host = f"127.0.0.1:{served.port}"
    strangers = [url for url in screen.requests if not re.match(rf"(http|ws)://{host}/|blob:http://{host}/|data:", url)]
    assert strangers == []
    # the one failure allowed is the question whether somebody is signed in, asked before signing in
    assert [text for text in screen.complaints if "401" not in text] == []
    policy = screen.page.request.get(served.url).headers["content-security-policy"]
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy


def test_a_mode_that_is_not_live_cannot_be_missed(
    open_screen: Callable[[Served], Screen], tmp_path: Path, screen: Screen
) -> None:
    assert screen.page.locator("p.mode.simulated").inner_text().count("SIMULATED") == 3
    replay = Served(tmp_path, mode="replay")
    try:
        other = open_screen(replay)
        other.sign_in()
        other.until("mode", "replay")
        expect(other.page.locator("p.mode.replay")).to_contain_text("REPLAY OF THE PAST")
    finally:
        replay.stop()


def test_search_opens_the_card_with_sources_claims_and_releases(screen: Screen, served: Served) -> None:
    release = served.node.releases()[0]
    track = release["items"][0].removeprefix("track:")
    screen.page.fill("#search", f"T{track}")
    screen.page.keyboard.press("Enter")
    screen.until("selected", track)
    card = screen.page.get_by_test_id("target-card")
    expect(card).to_contain_text("silent on AIS")
    expect(card.get_by_test_id("card-releases")).to_contain_text(release["to"])
    expect(card.get_by_test_id("card-releases")).to_contain_text(release["clause"])
    expect(card).to_contain_text(re.compile(r"\d\d°\d\d\.\d{3}′[NS] \d{3}°\d\d\.\d{3}′[EW]"))
    assert f"target={track}" in screen.page.url or screen.page.wait_for_url(f"**target={track}**") is None


def test_the_queue_is_worked_by_keys_alone(screen: Screen, served: Served) -> None:
    screen.until("alerts", re.compile(r"[1-9]\d*"))
    screen.page.keyboard.press("j")
    first = screen.page.locator("li[data-alert]").first.get_attribute("data-alert")
    detail = screen.page.get_by_test_id("alert-detail")
    expect(detail.get_by_test_id("thresholds")).to_contain_text("12")
    expect(detail).to_contain_text("Would not have fired if")
    screen.page.keyboard.press("a")
    served.node.advance()
    expect(screen.page.locator(f"li[data-alert='{first}']")).to_contain_text(f"acknowledged, {USER}")
    screen.page.keyboard.press("j")
    second = screen.page.locator("button.alert[aria-current=true]").locator("..").get_attribute("data-alert")
    assert second != first
    screen.page.keyboard.press("s")
    screen.page.get_by_test_id("silence").get_by_role("button", name="30 min").click()
    served.node.advance()
    expect(screen.page.locator(f"li[data-alert='{second}']")).to_have_count(0)
    verdicts = {row["alert_id"]: row["verdicts"] for row in served.node.alerts()}
    assert [v["verdict"] for v in verdicts[first]] == ["acknowledged"]
    assert [v["verdict"] for v in verdicts[second]] == ["silenced"]
    assert verdicts[first][0]["by"] == USER
    screen.page.keyboard.press("k")


def test_the_evidence_of_an_alert_is_saved_from_its_page(screen: Screen, served: Served, tmp_path: Path) -> None:
    screen.until("alerts", re.compile(r"[1-9]\d*"))
    screen.page.keyboard.press("j")
    alert = screen.page.locator("button.alert[aria-current=true]").locator("..").get_attribute("data-alert")
    with screen.page.expect_download() as saved:
        screen.page.get_by_test_id("alert-detail").get_by_test_id("pack").click()
    assert saved.value.suggested_filename == f"{alert}.evidence"
    saved.value.save_as(tmp_path / "saved.evidence")
    with zipfile.ZipFile(tmp_path / "saved.evidence") as pack:
        assert json.loads(pack.read("alert.json"))["alert_id"] == alert


def test_the_time_line_shows_the_queue_as_it_was_known_and_nothing_is_judged_there(
    screen: Screen, served: Served
) -> None:
    screen.until("alerts", re.compile(r"[1-9]\d*"))
    now = int(screen.data("alerts"))
    line = screen.page.get_by_test_id("known-at")
    slider = line.get_by_role("slider")
    slider.focus()
    screen.page.keyboard.press("Home")  # a day back: the stand-in's alerts are of today
    expect(line.get_by_role("button", name="Back to now")).to_be_visible()
    screen.until("alerts", "0")
    expect(screen.page.get_by_role("button", name="Acknowledge")).to_be_disabled()
    line.get_by_role("button", name="Back to now").click()
    screen.until("alerts", str(now))
    screen.page.keyboard.press("Escape")
    row = screen.page.locator("li[data-alert] button").first
    row.click()
    screen.page.get_by_role("button", name="True", exact=True).click()
    served.node.advance()
    expect(screen.page.get_by_test_id("precision")).to_contain_text("100 % of those judged were true")


def test_the_partner_view_is_what_the_partner_is_sent(screen: Screen, served: Served) -> None:
    own = alive(served)
    screen.page.select_option("#viewpoint", "JPN")
    screen.until("viewpoint", "JPN")
    screen.until("connection", "live")
    screen.until("targets", str(alive(served, "JPN")))
    assert alive(served, "JPN") < own
    banner = screen.page.get_by_test_id("partner-banner")
    expect(banner).to_contain_text("exactly what JPN is sent")
    missing = [row for row in served.node.withheld("JPN") if row["kind"] == "missing"]
    expect(banner).to_contain_text(f"{len(missing)} withheld")
    screen.page.locator("[data-desk=withheld]").click()
    desk = screen.page.get_by_test_id("desk-withheld")
    expect(desk).to_contain_text(missing[0]["text"])
    expect(desk).to_contain_text(missing[0]["clause"])
    desk.get_by_role("button", name=f"track:{missing[0]['track_id']}").click()
    expect(desk.get_by_test_id("why")).to_contain_text("Why")
    banner.get_by_role("button", name="Back to own eyes").click()
    screen.until("targets", str(own))


def test_the_address_brings_the_same_screen_back(open_screen: Callable[[Served], Screen], served: Served) -> None:
    screen = open_screen(served)
    screen.sign_in("?as=USA&palette=night&lang=ja&desk=legend&f=s%3Dradar&at=122.5,20.1,8.5")
    screen.until("viewpoint", "USA")
    screen.until("palette", "night")
    screen.until("map", "ready", 30)
    assert screen.page.locator("html").get_attribute("lang") == "ja"
    expect(screen.page.get_by_test_id("desk-legend")).to_contain_text("記号の意味")
    screen.page.reload()
    screen.until("viewpoint", "USA")
    assert "f=s=radar" in screen.page.url
    assert re.search(r"at=122\.\d+,20\.\d+,8\.50", screen.page.url)


def test_a_filter_hides_on_the_map_and_says_so(open_screen: Callable[[Served], Screen], served: Served) -> None:
    screen = open_screen(served)
    screen.sign_in("?at=121.9,20.2,6")  # the whole sea, wherever other tests have left their map
    screen.until("map", "ready", 30)
    served.node.advance()
    flags = served.node.snapshot()[1].column("flags").to_pylist()
    dark = sum(1 for flag in flags if (flag or 0) & 1)
    no_more = "|".join(str(count) for count in range(dark + 1))
    screen.until("visible", re.compile(rf"^(?!({no_more})$)\d+$"))  # what lies within the map's edges
    screen.page.locator("[data-desk=filters]").click()
    screen.page.get_by_test_id("desk-filters").get_by_role("button", name="Dark").click()
    expect(screen.page.locator("footer")).to_contain_text(f"of {alive(served)} targets shown")
    screen.page.wait_for_url("**f=m=dark**")
    screen.until("visible", re.compile(rf"^({no_more})$"))
    screen.page.get_by_role("button", name="Show everything").click()
    screen.until("visible", re.compile(rf"^(?!({no_more})$)\d+$"))


def test_no_ship_and_no_sensor_are_told_apart_by_the_detection_layer(screen: Screen, served: Served) -> None:
    screen.until("map", "ready", 30)
    screen.page.get_by_role("button", name="Layers").click()
    screen.page.get_by_label("Detection (Pd)", exact=True).check()
    cells = served.node.coverage()["features"]
    seen = [c for c in cells if c["properties"]["alive"] and not c["properties"]["blind"]]
    assert 0 < len(seen) < len(cells) / 2  # one of two radars is silent, the other has a blind sector
    screen.until("pd", f"{len(seen)} {len(cells) - len(seen)}")
    legend = screen.page.get_by_role("region", name="Detection (Pd)")
    expect(legend).to_contain_text("no sensor: silent, or blind there")
    expect(legend).to_contain_text("An empty coloured sea is a sea without ships")
    legend.get_by_role("combobox").select_option("aparri-radar")
    screen.until("pd", re.compile(r"^0 \d+$"))  # a silent radar sees into no cell
    screen.page.wait_for_url("**pd=aparri-radar**")
    legend.get_by_role("combobox").select_option("basco-radar")
    screen.until("pd", f"{len(seen)} {len(cells) // 2 - len(seen)}")
    if folder := os.environ.get("KUROSHIO_SCREENSHOTS"):
        screen.page.wait_for_timeout(5_000)  # for a person's eyes: tiles are cut in a worker
        screen.page.screenshot(path=str(Path(folder) / "detection.png"))
    assert [c for c in screen.complaints if "layers[" in c] == []  # the map took every filter and colour
    screen.page.select_option("#viewpoint", "USA")
    screen.until("pd", "")  # a partner is not sent where our sensors look
    expect(legend).to_have_count(0)
    screen.page.select_option("#viewpoint", "")
    screen.page.get_by_label("Detection (Pd)", exact=True).first.uncheck()
    screen.until("pd", "")
    screen.page.get_by_role("button", name="Layers").click()


def test_a_lost_node_is_said_and_found_again(open_screen: Callable[[Served], Screen], tmp_path: Path) -> None:
    served = Served(tmp_path)
    screen = open_screen(served)
    screen.sign_in()
    served.stop()
    screen.until("connection", re.compile("lost|connecting|frozen"))
    expect(screen.page.locator("p.lost, p.frozen").first).to_be_visible()
    targets = screen.data("targets")
    served.start()
    screen.until("connection", "live", 30)
    assert screen.data("targets") == targets
    served.stop()


def test_a_hostile_name_is_text(open_screen: Callable[[Served], Screen], tmp_path: Path) -> None:
    served = Served(tmp_path)
    hostile = "<img src=x onerror=document.title='owned'>"
    honest = served.node.alerts

    def alerts(viewpoint: str | None = None, **asked: Any) -> list[dict[str, Any]]:
        return [{**row, "summary": hostile, "zone": hostile} for row in honest(viewpoint, **asked)]

    served.node.alerts = alerts  # type: ignore[method-assign]
    screen = open_screen(served)
    screen.sign_in()
    screen.page.keyboard.press("j")
    expect(screen.page.get_by_test_id("alert-detail")).to_contain_text(hostile)
    assert screen.page.locator("aside img").count() == 0
    assert "owned" not in screen.page.title()
    served.stop()


def test_no_accessibility_violation_in_any_palette(screen: Screen) -> None:
    """Every rule in one palette; in the others contrast, which is all that a palette can change."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run npm ci in web/")
    page = screen.page
    page.keyboard.press("j")
    page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, list[str]] = {}
    for desk in ("", "filters", "withheld", "releases", "accords", "health", "sighting", "legend"):
        if desk:
            page.locator(f"[data-desk={desk}]").click()
            expect(page.get_by_test_id(f"desk-{desk}")).to_be_visible()
        for palette in PALETTES:
            page.locator("header select").nth(1).select_option(palette)
            screen.until("palette", palette)
            rules = "{}" if palette == "dusk" else "{ runOnly: ['color-contrast'] }"
            # the map is pixels: its colours are held by the unit tests of the palettes
            report = page.evaluate(f"() => axe.run({{ exclude: ['.map canvas'] }}, {rules})")
            assert report["passes"], "axe looked at nothing"
            for violation in report["violations"]:
                nodes = [node["html"][:120] + " " + node["failureSummary"][:200] for node in violation["nodes"][:3]]
                found.setdefault(f"{palette} {desk or 'map'}: {violation['id']}", []).extend(nodes)
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)
