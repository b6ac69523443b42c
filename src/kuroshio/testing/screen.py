"""The watch page in a browser for tests: a stand-in node behind the real API, and one page with what it complained of.

What enters: a Playwright browser, which is no dependency of the product. What leaves: screens whose state is read from
data attributes of the document: under the page's policy no test may evaluate strings in it, and pixels prove nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from kuroshio import api
from kuroshio.testing.standin import PASSWORD, USER, StandIn, build

PAGE = Path(api.__file__).parent / "page"
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
        """Serve; returns when it answers."""
        app = build(self.folder, self.node, page_dir=PAGE)
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_level="error", ws_per_message_deflate=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve()), daemon=True)
        self.thread.start()
        ready = threading.Event()
        while not self.server.started and self.thread.is_alive():
            ready.wait(0.02)

    def stop(self) -> None:
        """Serve no more."""
        self.server.should_exit = True
        self.server.force_exit = True
        self.thread.join(10)


class _WithMode(StandIn):
    """A stand-in that says it runs in a mode."""

    def __init__(self, *, ships: int, mode: str) -> None:
        super().__init__(ships=ships)
        self.mode = mode

    def info(self) -> dict[str, Any]:
        """Identity, in that mode."""
        return {**super().info(), "mode": self.mode}


@dataclass
class Screen:
    """One browser page signed in at a node, with everything it asked for and complained about."""

    page: Any
    served: Served
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def data(self, name: str) -> str:
        """A data attribute of the document."""
        return self.page.locator("html").get_attribute(f"data-{name}") or ""

    def until(self, name: str, value: str | re.Pattern[str], seconds: float = 30) -> None:
        """Wait until a data attribute has a value."""
        from playwright.sync_api import expect

        expect(self.page.locator("html")).to_have_attribute(f"data-{name}", value, timeout=seconds * 1000)

    def sign_in(self, query: str = "") -> None:
        """Sign in as the stand-in's user and wait for the picture."""
        self.page.goto(self.served.url + query)
        self.page.fill("input[name=user]", USER)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("button.primary")
        self.until("connection", "live", 30)


def new_screen(browser: Any, served: Served) -> Screen:
    """A browser context and page of its own for a served node."""
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.set_default_timeout(PATIENCE_MS)
    screen = Screen(page, served)
    page.on("request", lambda request: screen.requests.append(request.url))
    page.on("websocket", lambda ws: screen.requests.append(ws.url))
    page.on("console", lambda m: screen.complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: screen.complaints.append(str(error)))
    return screen
