"""Environments of the peers: one whose installation was cut off is not taken for a whole one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks import peer_packages  # noqa: E402


def test_an_installation_that_was_cut_off_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **more: Any) -> None:
        ran.append(command)
        if len(ran) == 1:
            raise subprocess.TimeoutExpired(command, more["timeout"])

    monkeypatch.setattr(peer_packages, "CACHE", tmp_path)
    monkeypatch.setattr(peer_packages.venv, "create", lambda folder, with_pip: folder.mkdir(exist_ok=True))
    monkeypatch.setattr(peer_packages.subprocess, "run", run)
    python, why = peer_packages.environment("peers", ("a-peer",), 1.0)
    assert python is None
    assert "timed out" in why
    for _ in range(2):
        assert peer_packages.environment("peers", ("a-peer",), 1.0) == (tmp_path / "peers" / "bin" / "python", "")
    assert [command[-1] for command in ran] == ["a-peer"] * 2
