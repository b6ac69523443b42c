"""A watch officer at a running node, by command and by API: every action holds, survives kill -9, and can be undone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kuroshio import clock
from kuroshio.cli import operate as operate_command
from kuroshio.cli import why_track as why_command
from kuroshio.errors import KuroshioError
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.demo import free_port

NODE = """
keys = "keys"
[node]
party = "PHL"
name = "desk test"
[api]
port = {port}
sign_in = false
[[sources]]
name = "feed"
format = "aivdm"
link = "push"
"""
PATIENCE_S = 120.0
SHIPS = {name: 200_000_001 + k for k, name in enumerate(("named", "first", "second", "apart", "cut", "gone", "back"))}
RUN = CliRunner()


class Desk:
    """One node process, the ships that report to it, and the two ways to act on its tracks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "node.toml").write_text(NODE.format(port=self.port))
        self.begun_s = clock.now_us() // 1_000_000
        self.reported_s = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kuroshio", "run", str(self.folder / "node.toml")], stdout=log, stderr=log,
                env={**os.environ, "NUMBA_NUM_THREADS": "1"},
            )  # fmt: skip
        self.until(lambda: self.get("info") is not None, "the node answers")

    def end(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(60)

    def ask(self, path: str, data: bytes | None = None, kind: str = "application/json") -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}", data=data, headers={"X-Kuroshio-Request": "1", "Content-Type": kind}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def get(self, path: str) -> Any:
        try:
            return self.ask(path)
        except OSError:
            return None

    def until(self, look: Callable[[], Any], what: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if found := look():
                return found
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()[-3000:]
            time.sleep(0.3)
        raise AssertionError(f"never: {what}")

    def report(self) -> None:
        """All ships report, each second once at most, sailing east at 5 m/s; two of them are one hull with two sets."""
        while (at_s := clock.now_us() // 1_000_000) <= self.reported_s:
            time.sleep(0.1)
        self.reported_s = at_s
        lines = [
            encode_position(
                mmsi=mmsi, msg_type=1, lat_deg=15.0 + 0.05 * (1.004 if k == 2 else k),
                lon_deg=118.0 + 5.0 * (at_s - self.begun_s) / 107_500.0, sog_mps=5.0, cog_deg=90.0, heading_deg=90.0,
                nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s},
            ).strip()
            for k, mmsi in enumerate(SHIPS.values())
        ]  # fmt: skip
        self.ask("push/feed", b"\r\n".join(lines) + b"\r\n", "application/octet-stream")

    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.ask("tracks?format=json")["tracks"]
        return rows

    def track(self, ship: str) -> int:
        return next(r["track_id"] for r in self.rows() if r["mmsi"] == SHIPS[ship])

    def held(self) -> dict[str, int]:
        """Number of tracks that carry each ship's MMSI."""
        rows = self.rows()
        return {ship: sum(r["mmsi"] == mmsi for r in rows) for ship, mmsi in SHIPS.items()}

    def command(self, *words: str) -> dict[str, Any]:
        done = RUN.invoke(operate_command.app, [*words, "--url", self.url, "--json"])
        if isinstance(done.exception, KuroshioError):
            raise done.exception
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def api(self, action: str, **arguments: Any) -> dict[str, Any]:
        body = json.dumps({"action": action, "arguments": arguments}).encode()
        answer: dict[str, Any] = self.ask("operate", body)
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


@pytest.mark.slow
def test_what_a_watch_officer_did_holds_over_a_crash_and_can_be_undone(desk: Desk) -> None:
    for _ in range(4):
        desk.report()
    desk.until(lambda: set(desk.held().values()) == {1}, "seven ships")
    number = {ship: desk.track(ship) for ship in SHIPS}

    named = desk.command("name", str(number["named"]), "--name", "BLUE HULL")
    desk.api("classify", track_ids=[number["named"]], ship_type=30)
    merged = desk.command("merge", str(number["first"]), str(number["second"]))
    taken = desk.command("decorrelate", str(number["apart"]))
    split = desk.api("split", track_ids=[number["cut"]])
    dropped = desk.command("drop", str(number["gone"]))
    fetched = desk.command("drop", str(number["back"]))
    desk.command("undo", str(fetched["operation"]))
    assert named["by"]
    assert len(split["track_ids"]) == 2
    desk.report()
    _holds(desk, number, split)

    desk.end(signal.SIGKILL)
    desk.start()
    desk.report()
    desk.report()
    _holds(desk, number, split)
    listed = desk.command("list")["operations"]
    assert [r["action"] for r in reversed(listed)] == [
        "name", "classify", "merge", "decorrelate", "split", "drop", "drop", "undo",
    ]  # fmt: skip

    desk.command("undo", str(merged["operation"]))
    desk.api("undo", operation=dropped["operation"])
    desk.command("undo", str(taken["operation"]))
    desk.command("correlate", str(number["cut"]), "--mmsi", str(SHIPS["cut"]))
    desk.report()
    desk.report()
    names = ("first", "second", "gone", "apart")
    desk.until(lambda: [desk.held()[name] for name in names] == [1, 1, 1, 1], "undone")
    assert number["apart"] == desk.track("apart")
    assert SHIPS["cut"] == next(r["mmsi"] for r in desk.rows() if r["track_id"] == number["cut"])
    _story(desk, number["named"])
    for wrong in (("undo", str(merged["operation"])), ("merge", "1"), ("name", "999999", "--name", "X")):
        with pytest.raises(KuroshioError):
            desk.command(*wrong)


def _holds(desk: Desk, number: dict[str, int], split: dict[str, Any]) -> None:
    """What was done is so."""
    rows = {r["track_id"]: r for r in desk.rows()}
    assert (rows[number["named"]]["name"], rows[number["named"]]["ship_type"]) == ("BLUE HULL", 30)
    held = desk.held()
    older, younger = sorted(("first", "second"), key=number.__getitem__)
    assert (held[older], held[younger]) == (1, 0)  # the other reports under the name of the ship it is
    assert held["gone"] == 0
    assert held["back"] == 1
    assert desk.track("back") == number["back"]
    assert held["apart"] == 1
    assert desk.track("apart") != number["apart"]  # it began anew
    assert held["cut"] == 1
    assert desk.track("cut") == split["track_ids"][1]


def _story(desk: Desk, track: int) -> None:
    """The story names who did it, and which source saw the ship last."""
    told = RUN.invoke(why_command.app, [str(track), "--url", desk.url, "--json"])
    assert told.exit_code == 0, told.output
    story = json.loads(told.stdout)
    assert any("name BLUE HULL" in e["text"] for e in story["events"] if e["event"] == "operator")
    assert [s["source"] for s in story["seen"]] == ["feed"]
    assert story["seen"][0]["last_at"] == max(r["observed_at"] for r in story["reports"] if r["outcome"] != "duplicate")
