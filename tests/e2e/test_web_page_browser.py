"""The watch page in a real browser over the real API, with a stand-in node whose clock the test moves.

State is read from data attributes of the document: under the page's policy no test may evaluate strings in it, and
pixels prove nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from kuroshio import api
from kuroshio.testing.standin import PASSWORD, USER, StandIn, build

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=30_000)

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGE = Path(api.__file__).parent / "page"
AXE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHIPS = 160
VIEWPORT = {"width": 1280, "height": 720}
PATIENCE_MS = 30_000
PALETTES = ("bright", "day", "dusk", "night")


class Served:
    """A stand-in node behind the real API on a port of its own, in a thread; it can be stopped and started again."""

    def __init__(self, folder: Path, *, mode: str = "simulated") -> None:
        self.node = _WithMode(ships=SHIPS, mode=mode)
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.start()

    def start(self) -> None:
        app = build(self.folder, self.node, page_dir=PAGE)
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", ws_per_message_deflate=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self.thread.start()
        ready = threading.Event()
        while not self.server.started and self.thread.is_alive():
            ready.wait(0.02)

    def stop(self) -> None:
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)


class _WithMode(StandIn):
    def __init__(self, *, ships: int, mode: str) -> None:
        super().__init__(ships=ships)
        self.mode = mode

    def info(self) -> dict[str, Any]:
        return {**super().info(), "mode": self.mode}


@dataclass
class Screen:
    """One browser page signed in at a node, with everything it asked for and complained about."""

    page: Any
    served: Served
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def data(self, name: str) -> str:
        return self.page.locator("html").get_attribute(f"data-{name}") or ""

    def until(self, name: str, value: str | re.Pattern[str], seconds: float = 30) -> None:
        expect(self.page.locator("html")).to_have_attribute(f"data-{name}", value, timeout=seconds * 1000)

    def sign_in(self, query: str = "") -> None:
        self.page.goto(self.served.url + query)
        self.page.fill("input[name=user]", USER)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("button.primary")
        self.until("connection", "live", 30)


@pytest.fixture(scope="module")  # its event loop must end before other tests run
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    if not (PAGE / "index.html").is_file():
        pytest.skip(f"the page is not built: no {PAGE / 'index.html'}")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    node = Served(tmp_path_factory.mktemp("standin"))
    yield node
    node.stop()


def new_screen(browser: Any, served: Served) -> Screen:
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.set_default_timeout(PATIENCE_MS)
    screen = Screen(page, served)
    page.on("request", lambda request: screen.requests.append(request.url))
    page.on("websocket", lambda ws: screen.requests.append(ws.url))
    page.on("console", lambda m: screen.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: screen.complaints.append(str(error)))
    return screen


@pytest.fixture
def open_screen(browser: Any) -> Iterator[Callable[[Served], Screen]]:
    """Screens of a test's own; a browser context each."""
    opened: list[Screen] = []

    def make(served: Served) -> Screen:
        opened.append(new_screen(browser, served))
        return opened[-1]

    yield make
    for screen in opened:
        screen.page.context.close()


@pytest.fixture(scope="module")
def shared_screen(browser: Any, served: Served) -> Iterator[Screen]:
    signed_in = new_screen(browser, served)
    signed_in.sign_in()
    signed_in.until("map", "ready", 60)
    yield signed_in
    signed_in.page.context.close()


@pytest.fixture
def screen(shared_screen: Screen) -> Screen:
    """The one signed-in screen, put back to own eyes with nothing open: starting a map in software takes seconds."""
    page = shared_screen.page
    if shared_screen.data("viewpoint"):
        page.select_option("#viewpoint", "")
    page.locator("footer").click()
    for _ in range(3):
        page.keyboard.press("Escape")
    shared_screen.until("viewpoint", "")
    shared_screen.until("selected", "")
    return shared_screen


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


def test_a_filter_hides_on_the_map_and_says_so(screen: Screen, served: Served) -> None:
    screen.until("map", "ready", 30)
    screen.page.locator("[data-desk=filters]").click()
    screen.page.get_by_test_id("desk-filters").get_by_role("button", name="Dark").click()
    flags = served.node.snapshot()[1].column("flags").to_pylist()
    dark = sum(1 for flag in flags if (flag or 0) & 1)
    expect(screen.page.locator("footer")).to_contain_text(f"of {alive(served)} targets shown")
    screen.page.wait_for_url("**f=m=dark**")
    served.node.advance()
    expect(screen.page.locator("html")).not_to_have_attribute("data-visible", str(alive(served)))
    assert int(screen.data("visible")) <= dark
    screen.page.get_by_role("button", name="Show everything").click()


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

    def alerts(viewpoint: str | None = None, *, open_only: bool = False) -> list[dict[str, Any]]:
        return [{**row, "summary": hostile, "zone": hostile} for row in honest(viewpoint, open_only=open_only)]

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
