"""What changes a node's picture besides its sources is in the journal first, or is not done."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from kuroshio import clock
from kuroshio.api import ApiSettings, create_app
from kuroshio.cli import asking
from kuroshio.cli.main import app as commands
from kuroshio.errors import StoreError
from kuroshio.node import assemble
from kuroshio.node import config as node_config
from kuroshio.node.time import not_beyond
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing.signed_in import CHEAP
from kuroshio.testing.standin import StandIn

T0 = 1_700_000_000_000_000
US = 1_000_000
FULL = StoreError("journal could not be written: No space left on device", code="store.disk_full", advice="Free space.")


def node(folder: Path) -> Any:
    document = {
        "node": {"party": "PHL", "name": "n", "data": "data"},
        "sources": [{"name": "watch", "format": "sighting", "link": "push", "sensor": {"kind": "human"}}],
    }
    parts = assemble.build(node_config.from_dict(document, base=folder))
    parts.core.recover()
    return parts


def crash(parts: Any) -> None:
    for book in (parts.journal, parts.archive, parts.operations):
        book.close()


def sight(parts: Any, at_us: int, lat_deg: float = 15.0) -> None:
    said = {"observer": "lt.reyes", "time": clock.rfc3339(at_us), "lat_deg": lat_deg, "lon_deg": 118.0, "error_m": 50}
    parts.core.cycle([("watch", at_us, json.dumps(said).encode() + b"\n")], now_us=at_us)
    parts.core.cycle([], now_us=at_us + 4 * US)


def track_of(parts: Any) -> int:
    (row,) = parts.core.picture.to_pylist()
    return int(row["track_id"])


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "BLUE HULL"}),
    ("classify", {"ship_type": 30}),
    ("correlate", {"mmsi": 244_000_001}),
    ("drop", {}),
]


def state_of(parts: Any) -> tuple[Any, ...]:
    tracker = parts.core._pipeline.tracker
    rows = tracker.table.tracks[tracker.table.live]
    words = tracker.desk.words
    return rows.tobytes(), tracker.desk.meta(), dict(words.aliases), set(words.dropped), dict(tracker.book.fixed)


@pytest.mark.parametrize(("action", "arguments"), ACTIONS)
def test_an_action_that_cannot_be_kept_is_not_done(
    action: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = node(tmp_path)
    sight(parts, T0)
    arguments = {"track_id": track_of(parts), **arguments}
    before = state_of(parts)
    with monkeypatch.context() as full:

        def refuse(*_: Any) -> int:
            raise FULL

        full.setattr(parts.journal, "append", refuse)
        with pytest.raises(StoreError, match=f"{action} was not done.*No space left") as caught:
            parts.core.operate(action, arguments, by="lt.reyes", now_us=T0 + 5 * US)
    assert (caught.value.error_code, caught.value.error_advice) == ("store.disk_full", "Free space.")
    assert state_of(parts) == before
    assert parts.operations.actions() == []
    parts.core.operate(action, arguments, by="lt.reyes", now_us=T0 + 6 * US)  # with room again
    assert state_of(parts) != before
    after = state_of(parts)
    crash(parts)
    parts = node(tmp_path)
    assert state_of(parts)[1:] == after[1:]
    assert [row["action"] for row in parts.operations.actions()] == [action]
    parts.core.close()


def test_an_undo_that_cannot_be_kept_leaves_the_action(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = node(tmp_path)
    sight(parts, T0)
    done = parts.core.operate("name", {"track_id": track_of(parts), "name": "A"}, by="x", now_us=T0 + 5 * US)
    before = state_of(parts)

    def refuse(*_: Any) -> int:
        raise FULL

    with monkeypatch.context() as full:
        full.setattr(parts.journal, "append", refuse)
        with pytest.raises(StoreError, match="undo was not done"):
            parts.core.operate("undo", {"operation": done["operation"]}, by="x", now_us=T0 + 6 * US)
    assert state_of(parts) == before
    parts.core.close()


def test_an_action_that_does_not_fit_is_not_kept(tmp_path: Path) -> None:
    parts = node(tmp_path)
    sight(parts, T0)
    end = parts.journal.end_position
    for action, arguments in [("name", {"track_id": 99, "name": "A"}), ("split", {"track_id": track_of(parts)})]:
        with pytest.raises(Exception, match=r"no live track|no MMSI"):
            parts.core.operate(action, arguments, by="x", now_us=T0 + 5 * US)
    with pytest.raises(ValueError, match="JSON"):
        nan = {"track_id": track_of(parts), "name": "A", "more": float("nan")}
        parts.core.operate("name", nan, by="x", now_us=T0 + 5 * US)
    assert parts.journal.end_position == end
    assert parts.core.operated() == []
    parts.core.close()


def test_the_book_of_actions_gets_later_what_it_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = node(tmp_path)
    sight(parts, T0)
    arguments = {"track_id": track_of(parts), "name": "A"}

    def refuse(*_: Any, **__: Any) -> int:
        raise FULL

    with monkeypatch.context() as full:
        full.setattr(parts.operations, "add_action", refuse)
        parts.core.operate("name", arguments, by="x", now_us=T0 + 5 * US)
        with pytest.raises(StoreError):
            parts.core.checkpoint()  # it would let go of the journal, the only one to have it
    crash(parts)  # and the book still lacks it
    parts = node(tmp_path)
    parts.core.cycle([], now_us=T0 + 6 * US)
    assert [row["arguments"] for row in parts.operations.actions()] == [arguments]
    parts.core.cycle([], now_us=T0 + 7 * US)
    assert len(parts.operations.actions()) == 1
    parts.core.close()


def test_api_and_command_say_that_it_was_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(StandIn):
        def operate(self, action: str, arguments: dict[str, Any], *, by: str) -> dict[str, Any]:
            raise StoreError(
                f"{action} was not done: it could not be kept", code="store.disk_full", advice="Free space."
            )

    with Operations(url_of(tmp_path), now_us=1) as operations:
        operations.add_user("all", roles=ROLES, password_hash=CHEAP.hash("a long enough sentence"), now_us=1)
        app = create_app(Full(ships=3), operations, settings=ApiSettings(), passwords=CHEAP)
        with TestClient(app, raise_server_exceptions=False) as client:
            send = {"X-Kuroshio-Request": "1"}
            client.post("/api/v1/session", json={"user": "all", "password": "a long enough sentence"}, headers=send)
            body = {"action": "drop", "arguments": {"track_ids": [1]}}
            answer = client.post("/api/v1/operate", json=body, headers=send)
    assert (answer.status_code, answer.json()["code"]) == (503, "store.disk_full")
    assert answer.json()["detail"].startswith("drop was not done")

    def refuse(*_: Any, **__: Any) -> Any:
        raise urllib.error.HTTPError("u", 503, "unavailable", Message(), io.BytesIO(answer.content))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(StoreError, match="drop was not done") as caught:
        asking.ask(asking.HERE, "operate", "", body)
    assert (caught.value.exit_code, caught.value.error_advice) == (4, "Free space.")
    result = CliRunner().invoke(commands, ["operate", "drop", "1"])
    assert result.exit_code != 0
    assert isinstance(result.exception, StoreError)


@pytest.mark.parametrize("how", ["running", "after a crash", "after a stop"])
def test_a_node_whose_clock_is_set_back_goes_on_in_the_present(tmp_path: Path, how: str) -> None:
    """For five hours all that came was refused as ancient, and the track of the wrong clock stood there."""
    parts = node(tmp_path)
    sight(parts, T0)
    sight(parts, T0 + 5 * 3600 * US)
    if how == "after a crash":
        crash(parts)
    elif how == "after a stop":
        parts.core.close()
    parts = parts if how == "running" else node(tmp_path)
    sight(parts, T0 + 60 * US, lat_deg=15.5)
    (row,) = parts.core.picture.to_pylist()
    assert (row["lat_deg"], row["observed_at"].timestamp()) == (pytest.approx(15.5), (T0 + 60 * US) / US)
    counts = parts.core.orders.clocks()
    assert (counts["clock_set_back"], counts["refused_ancient"]) == (1, 0)
    assert counts["clock_tracks"] + counts["clock_waiting"] == 1  # after a crash the plot waits for its slot's end
    before = state_of(parts)
    crash(parts)
    parts = node(tmp_path)  # the journal knows of it too
    parts.core.cycle([], now_us=T0 + 65 * US)
    assert state_of(parts)[0] == before[0]
    parts.core.close()


def test_a_silence_is_seen_and_work_is_due_although_the_clock_was_ahead(tmp_path: Path) -> None:
    parts = node(tmp_path)
    sight(parts, T0 + 5 * 3600 * US)
    parts.core.cycle([], now_us=T0)
    source = parts.sources.get("watch")
    assert source.last_message_at_us == T0
    assert source.recent.sum("messages", T0) == 0
    assert not_beyond(T0 + 5 * 3600 * US, T0, 30.0) == T0 + 30 * US
    assert not_beyond(T0 - 5, T0, 30.0) == T0 - 5
    parts.core.close()
