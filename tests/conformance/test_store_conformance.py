"""One behaviour suite over every database the operations store runs on. Gaps between them: none declared."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kuroshio import schema
from kuroshio.errors import NotFound, StoreError
from kuroshio.store import Operations, tables, url_of

Opener = Callable[[], Operations]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)],
)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same empty store, again and again."""
    if request.param == "sqlite":
        url = url_of(tmp_path)
    else:
        url = request.getfixturevalue("postgresql_url")
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            tables.META.drop_all(connection)
        engine.dispose()
    opened: list[Operations] = []

    def open_store() -> Operations:
        opened.append(Operations(url, now_us=1))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(opener: Opener) -> Operations:
    return opener()


WORDS = "静かな海 ñ 🚢 'quote' \"double\" \\ % ; -- \n\t"


def test_what_is_written_is_there_after_reopening(opener: Opener) -> None:
    first = opener()
    first.add_user("maria ñ", roles=["watch", "admin", "watch"], password_hash="$argon2id$...", now_us=2**60)
    first.put_checkpoint("journal", {"position": 2**62, "words": WORDS}, at_us=5)
    first.close()
    again = opener()
    user = again.user("maria ñ")
    assert user is not None
    assert (user.roles, user.password_hash, user.created_us) == (("admin", "watch"), "$argon2id$...", 2**60)
    assert again.checkpoint("journal") == {"position": 2**62, "words": WORDS}


def test_a_second_opening_keeps_what_is_there(opener: Opener) -> None:
    one, two = opener(), opener()
    one.put_checkpoint("a", 1, at_us=1)
    two.put_checkpoint("b", 2, at_us=1)
    assert (two.checkpoint("a"), one.checkpoint("b")) == (1, 2)


def test_a_newer_store_is_refused(opener: Opener) -> None:
    store = opener()
    store.submit(lambda c: c.execute(tables.store_version.insert().values(version=99, at_us=2))).result()
    store.close()
    with pytest.raises(StoreError) as caught:
        opener()
    assert caught.value.error_code == "store.newer"


def test_users_and_sessions(store: Operations) -> None:
    store.add_user("a", roles=["watch"], password_hash="x", now_us=1)
    with pytest.raises(StoreError) as caught:
        store.add_user("a", roles=["admin"], password_hash=None, now_us=1)
    assert caught.value.error_code == "user.exists"
    store.open_session("d1", "a", now_us=10, expires_us=100)
    store.open_session("d2", "a", now_us=11, expires_us=None, kind="token", label=WORDS)
    with pytest.raises(StoreError) as caught:
        store.open_session("d1", "a", now_us=10, expires_us=100)
    assert caught.value.error_code == "store.conflict"
    found = store.session("d1", now_us=99)
    assert found is not None
    assert (found.name, found.roles, found.seen_us) == ("a", ("watch",), 10)
    assert store.session("d1", now_us=100) is None
    store.change_user("a", roles=["release"], now_us=20)
    store.touch_session("d2", now_us=50)
    token = store.session("d2", now_us=2**62)
    assert token is not None
    assert (token.roles, token.seen_us, token.label, token.kind) == (("release",), 50, WORDS, "token")
    assert [session.digest for session in store.sessions_of("a")] == ["d1", "d2"]
    assert store.expire_sessions(now_us=100) == 1
    assert store.close_session("d2")
    assert not store.close_session("d2")
    store.open_session("d3", "a", now_us=10, expires_us=None)
    store.change_user("a", password_hash="y", now_us=20)
    assert store.session("d3", now_us=11) is None
    store.open_session("d4", "a", now_us=10, expires_us=None)
    store.remove_user("a")
    assert store.session("d4", now_us=11) is None
    for absent in (lambda: store.remove_user("a"), lambda: store.change_user("a", roles=[], now_us=1)):
        with pytest.raises(NotFound):
            absent()
    assert store.list_users() == []


def alert(alert_id: str, change: str, known: int, **more: Any) -> dict[str, Any]:
    base = {
        "alert_id": alert_id,
        "definition": "gap",
        "version": "1",
        "change": change,
        "grade": "final",
        "severity": "info",
        "track_ids": [1, -(2**62)],
        "start_at": 10,
        "known_at": known,
        "lat_deg": 0.1 + 0.2,
        "summary": WORDS,
        "evidence": "{}",
        "exercise": False,
    }
    return {**base, **more}


def test_alerts_stand_as_they_were_known(store: Operations) -> None:
    rows = schema.ALERTS.from_rows([alert("a", "open", 20), alert("b", "open", 21)])
    last = store.append_alerts(rows, recorded_us=100)
    assert store.append_alerts(schema.ALERTS.from_rows([alert("a", "close", 30, end_at=30)]), recorded_us=200) > last
    assert store.alerts().column("change").to_pylist() == ["close", "open"]
    assert store.alerts(open_only=True).equals(rows.slice(1, 1))
    assert store.alerts(recorded_by_us=199).column("change").to_pylist() == ["open", "open"]
    assert store.alerts(recorded_by_us=99).num_rows == 0
    assert store.alerts(limit=1).num_rows == 1
    assert store.alert_history("a").column("change").to_pylist() == ["open", "close"]


def test_verdicts_actions_and_audit_only_grow(store: Operations) -> None:
    numbers = [store.add_verdict("a", word, by="m", at_us=n, note=WORDS) for n, word in enumerate(["true", "false"])]
    assert numbers == sorted(set(numbers))
    store.add_verdict("b", "silenced", by="m", at_us=9, until_us=2**60)
    assert [row["verdict"] for row in store.verdicts("a")] == ["true", "false"]
    assert store.verdicts()[-1]["until_us"] == 2**60
    first = store.add_action("merge", {"track_ids": [1, 2], "name": WORDS}, by="m", at_us=1)
    second = store.add_action("drop", {"track_ids": [3]}, by="m", at_us=2)
    assert [row["number"] for row in store.actions()] == [first, second]
    assert store.actions(after=first)[0]["arguments"] == {"track_ids": [3]}
    for n in range(5):
        store.append_audit("m", f"what {n}", outcome="ok", at_us=n, detail={"n": n})
    page = store.audit(limit=2)
    assert [row["what"] for row in page] == ["what 4", "what 3"]
    assert [row["what"] for row in store.audit(before=page[-1]["number"])] == ["what 2", "what 1", "what 0"]


def test_answers_stand_in_their_order(store: Operations) -> None:
    store.add_consent("track:1", "USA", granted=False, by="m", at_us=7, note=WORDS)
    store.add_consent("track:2", "USA", granted=True, by="m", at_us=8)
    store.add_consent("track:1", "USA", granted=True, by="m", at_us=9)
    assert [row["granted"] for row in store.consents("track:1", "USA")] == [False, True]
    assert store.consents("track:1")[0]["note"] == WORDS
    assert [row["item_id"] for row in store.consents(since_us=8)] == ["track:2", "track:1"]
    assert store.consents(to="JPN") == []


def test_checkpoints_change_together(store: Operations) -> None:
    store.put_checkpoints({"a": 1, "b": [1, None, "x"]}, at_us=1)
    store.put_checkpoints({"a": 2, "c": {}}, at_us=2)
    assert [store.checkpoint(key) for key in "abc"] == [2, [1, None, "x"], {}]
    assert store.checkpoint("d", "none") == "none"


def test_a_failed_write_leaves_nothing_and_its_neighbours_whole(store: Operations) -> None:
    gate = threading.Event()
    store.submit(lambda c: gate.wait(5))

    def half(connection: sa.Connection) -> None:
        connection.execute(tables.checkpoints.insert().values(key="half", value="1", at_us=1))
        connection.execute(tables.checkpoints.insert().values(key="half", value="2", at_us=1))

    before = store.submit(lambda c: c.execute(tables.checkpoints.insert().values(key="a", value="1", at_us=1)))
    bad = store.submit(half)
    after = store.submit(lambda c: c.execute(tables.checkpoints.insert().values(key="b", value="1", at_us=1)))
    gate.set()
    before.result(5)
    after.result(5)
    with pytest.raises(StoreError):
        bad.result(5)
    assert [store.checkpoint(key) for key in ("a", "half", "b")] == [1, None, 1]


def test_many_writers_share_commits_and_lose_nothing(store: Operations) -> None:
    def work(name: str) -> None:
        for n in range(25):
            store.append_audit(name, str(n), outcome="ok", at_us=n)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = store.audit(limit=1000)
    for n in range(8):
        mine = [int(row["what"]) for row in reversed(rows) if row["who"] == f"w{n}"]
        assert mine == list(range(25))
    assert store.counts()["commits"] < 200
    assert store.counts()["writes"] == 200


def test_a_reader_sees_every_write_that_was_answered(store: Operations) -> None:
    for n in range(30):
        store.put_checkpoint("n", n, at_us=n)
        assert store.checkpoint("n") == n
