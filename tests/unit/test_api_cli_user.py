"""`kuroshio user`: what it does is what the node sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kuroshio.api import Passwords
from kuroshio.api.passwords import digest_of
from kuroshio.cli.main import main
from kuroshio.store import Operations, url_of

PASSWORD = "a sentence long enough"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
    code = 0
    try:
        main(["user", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, json.loads(out) if out.strip().startswith("{") else out, err


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUROSHIO_PASSWORD", PASSWORD)


def test_a_user_is_added_listed_changed_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ["--store", str(tmp_path), "--json"]
    code, added, _ = run(capsys, "add", "maria", "--role", "watch", "--role", "release", *store)
    assert (code, added["roles"], added["has_password"]) == (0, ["release", "watch"], True)
    code, token, _ = run(capsys, "add", "mast", "--role", "feed", "--token", *store)
    assert (code, token["has_password"]) == (0, False)
    with Operations(url_of(tmp_path)) as node:
        maria = node.user("maria")
        assert maria is not None
        assert Passwords().matches(PASSWORD, maria.password_hash)
        session = node.session(digest_of(token["token"]), now_us=2**62)
        assert session is not None
        assert (session.name, session.roles, session.kind) == ("mast", ("feed",), "token")
        monkeypatch.setenv("KUROSHIO_PASSWORD", "quite another sentence")
        assert run(capsys, "password", "maria", *store)[0] == 0  # beside the running node
        changed = node.user("maria")
        assert changed is not None
        assert not Passwords().matches(PASSWORD, changed.password_hash)
    code, listed, _ = run(capsys, "list", *store)
    assert [user["name"] for user in listed["users"]] == ["maria", "mast"]
    assert PASSWORD not in json.dumps(listed)
    assert run(capsys, "remove", "mast", *store)[:2] == (0, {"removed": "mast"})
    with Operations(url_of(tmp_path)) as node:
        assert node.session(digest_of(token["token"]), now_us=5) is None
        assert [row["what"] for row in node.audit()] == ["user remove", "user password", "user add", "user add"]


def test_people_read_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "add", "mast", "--role", "feed", "--token", "--store", str(tmp_path))
    assert (code, out.startswith("kur_")) == (0, True)
    assert "added mast" in err
    code, out, _ = run(capsys, "list", "--store", str(tmp_path))
    assert "mast" in out


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["add", "x", "--role", "king"], 2, "no role 'king'"),
        (["add", " x", "--role", "watch"], 2, "printable"),
        (["remove", "ghost"], 10, "no user 'ghost'"),
        (["password", "ghost"], 10, "no user 'ghost'"),
    ],
)
def test_mistakes_are_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    Operations(url_of(tmp_path)).close()
    got, _, err = run(capsys, *arguments, "--store", str(tmp_path))
    assert (got, text in err) == (code, True)
    assert "Traceback" not in err


def test_a_short_password_and_a_missing_store_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUROSHIO_PASSWORD", "short")
    code, _, err = run(capsys, "add", "x", "--role", "watch", "--store", str(tmp_path))
    assert (code, "5 characters" in err) == (2, True)
    code, _, err = run(capsys, "list", "--store", str(tmp_path / "nowhere"))
    assert (code, "no store at" in err) == (2, True)
