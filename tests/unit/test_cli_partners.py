"""`kuroshio partners`: a line each way, and an exit code that a monitoring program can act on."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from kuroshio.cli import partners as command

OK = {"party": "JPN", "direction": "out", "state": "ok", "alarm": False, "last_at": "2026-11-25T00:00:00Z",
      "undelivered": 3, "unconfirmed": 1, "link_bytes_per_s": 6250, "thinned": 12, "clock_offset_s": 0.4}  # fmt: skip
SILENT = {"party": "JPN", "direction": "in", "state": "silent", "alarm": True, "last_at": None, "detail": "[no] answer"}


def test_partners_are_shown_each_way_and_silence_is_an_exit_code(monkeypatch) -> None:
    monkeypatch.setattr(command, "ask", lambda url, what, token: [OK, SILENT])
    shown = CliRunner().invoke(command.app, [])
    assert shown.exit_code == 1
    assert "JPN in" in shown.output
    assert command.cells(OK)[2:9] == ["ok", "2026-11-25T00:00:00Z", 3, 1, "6.2", 12, "+0.4"]
    assert command.cells(SILENT)[2] == "[bold]SILENT[/]"
    assert command.cells(SILENT)[-1] == r"\[no] answer"  # what a partner says is no markup
    told = json.loads(CliRunner().invoke(command.app, ["--json"]).output.splitlines()[0])
    assert told["alarms"] == ["JPN in"]
    monkeypatch.setattr(command, "ask", lambda url, what, token: [OK])
    assert CliRunner().invoke(command.app, ["--json"]).exit_code == 0
    monkeypatch.setattr(command, "ask", lambda url, what, token: {"not": "a list"})
    assert CliRunner().invoke(command.app, []).exit_code != 0
