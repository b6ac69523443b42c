"""A browser, a served stand-in node and signed-in screens for the tests of the watch page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kuroshio.testing.screen import FLAGS, PAGE, Screen, Served, new_screen

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")  # its event loop must end before other tests run
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    if not (PAGE / "index.html").is_file():
        pytest.skip(f"the page is not built: no {PAGE / 'index.html'}")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    node = Served(tmp_path_factory.mktemp("standin"))
    yield node
    node.stop()


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
