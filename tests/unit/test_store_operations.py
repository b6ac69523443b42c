"""The operations store: what is written is there after reopening, at the time it was known, and to nobody else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from kuroshio import schema
from kuroshio.errors import InputError, NotFound, StoreError
from kuroshio.store import Operations, migrations, tables, url_of


@pytest.fixture
def operations(tmp_path: Path):
    with Operations(url_of(tmp_path), now_us=1) as store:
        yield store


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with Operations(url_of(tmp_path), now_us=1) as store:
        store.submit(lambda c: c.execute(tables.store_version.insert().values(version=99, at_us=2))).result()
    with pytest.raises(StoreError, match="version 99") as caught:
        Operations(url_of(tmp_path), now_us=3)
    assert caught.value.error_code == "store.newer"


def test_an_older_store_is_brought_up_step_by_step(tmp_path: Path) -> None:
    Operations(url_of(tmp_path), now_us=1).close()
    engine = sa.create_engine(url_of(tmp_path))
    done: list[int] = []
    now = tables.VERSION
    steps = {n: lambda c, n=n: done.append(n) for n in (now + 1, now + 2)}
    with engine.begin() as connection:
        assert migrations.bring_up(connection, now_us=5, steps=steps, target=now + 2) == now
        assert migrations.version_of(connection) == now + 2
        assert migrations.bring_up(connection, now_us=6, steps=steps, target=now + 2) == now + 2
    assert done == [now + 1, now + 2]
    with engine.begin() as connection, pytest.raises(StoreError, match="no step") as caught:
        migrations.bring_up(connection, now_us=5, steps=steps, target=now + 3)
    assert caught.value.error_code == "store.migration"


def test_a_store_of_version_1_gets_the_table_of_entries(tmp_path: Path) -> None:
    Operations(url_of(tmp_path), now_us=1).close()
    engine = sa.create_engine(url_of(tmp_path))
    with engine.begin() as connection:
        tables.entries.drop(connection)
        connection.execute(tables.store_version.update().values(version=1))
    with Operations(url_of(tmp_path), now_us=9) as store:
        assert store.add_entry("e1", {"step": "order"}, source="PHL", recorded_us=5)
        assert not store.add_entry("e1", {"step": "order"}, source="JPN", recorded_us=6)
        assert [(r["number"], r["source"], r["body"]) for r in store.entries()] == [(1, "PHL", {"step": "order"})]
        assert store.entries(after=1) == []


def test_a_store_of_version_3_loses_the_tables_that_nothing_used_and_nothing_else(tmp_path: Path) -> None:
    with Operations(url_of(tmp_path), now_us=1) as store:
        store.add_consent("track:1", "USA", granted=True, by="m", at_us=7)
    engine = sa.create_engine(url_of(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX consents_by_time"))
        for name in ("releases", "release_states", "received", "received_states", "pending"):
            connection.execute(sa.text(f"CREATE TABLE {name} (number INTEGER PRIMARY KEY)"))
        connection.execute(tables.store_version.update().values(version=3))
    with Operations(url_of(tmp_path), now_us=9) as store:
        assert [row["item_id"] for row in store.consents(since_us=7)] == ["track:1"]
    found = sa.inspect(engine)
    assert set(found.get_table_names()) == set(tables.META.tables)
    assert "consents_by_time" in {index["name"] for index in found.get_indexes("consents")}


def test_the_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Operations(url_of(tmp_path), now_us=1).close()
    assert (tmp_path / "operations.db").stat().st_mode & 0o077 == 0


def test_a_store_in_memory_and_one_without_its_driver_are_refused() -> None:
    with pytest.raises(StoreError) as caught:
        Operations("sqlite:///:memory:", now_us=1)
    assert caught.value.error_code == "store.url"
    with pytest.raises(StoreError) as caught:
        Operations("oracle+cx_oracle://nowhere/x", now_us=1)
    assert caught.value.error_code == "store.driver"


def test_a_file_that_is_no_database_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "operations.db").write_bytes(b"this is not a database at all, by any means" * 100)
    with pytest.raises(StoreError) as caught:
        Operations(url_of(tmp_path), now_us=1)
    assert caught.value.error_code == "store.corrupt"


def test_a_bad_write_does_not_spoil_its_neighbours(operations: Operations) -> None:
    gate = threading.Event()

    def block(connection: sa.Connection) -> None:
        gate.wait(5)

    def fail(connection: sa.Connection) -> None:
        connection.execute(tables.checkpoints.insert().values(key="half", value="1", at_us=1))
        raise NotFound("no such thing")

    operations.submit(block)
    good = [
        operations.submit(lambda c, k=k: c.execute(tables.checkpoints.insert().values(key=k, value="1", at_us=1)))
        for k in "ab"
    ]
    bad = operations.submit(fail)
    twice = operations.submit(lambda c: c.execute(tables.checkpoints.insert().values(key="a", value="2", at_us=1)))
    gate.set()
    for future in good:
        future.result(5)
    with pytest.raises(NotFound):
        bad.result(5)
    with pytest.raises(StoreError) as caught:
        twice.result(5)
    assert caught.value.error_code == "store.conflict"
    assert [operations.checkpoint(k) for k in ("a", "b", "half")] == [1, 1, None]
    assert operations.counts()["commits"] < 6


def test_a_cancelled_write_leaves_the_writer_alive(operations: Operations) -> None:
    gate = threading.Event()
    operations.submit(lambda c: gate.wait(5))
    waiting = operations.submit(lambda c: c.execute(tables.checkpoints.insert().values(key="x", value="1", at_us=1)))
    assert waiting.cancel()
    gate.set()
    operations.put_checkpoint("y", 2, at_us=1)
    assert operations.checkpoint("x") is None
    assert operations.checkpoint("y") == 2


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Operations(url_of(tmp_path), now_us=1)
    store.close()
    store.close()
    for use in (lambda: store.checkpoint("x"), lambda: store.put_checkpoint("x", 1, at_us=1)):
        with pytest.raises(StoreError) as caught:
            use()
        assert caught.value.error_code == "store.closed"


def test_a_command_may_write_while_the_node_runs(tmp_path: Path) -> None:
    with Operations(url_of(tmp_path), now_us=1) as node, Operations(url_of(tmp_path), now_us=1) as command:
        command.add_user("maria", roles=["watch"], password_hash=None, now_us=5)
        node.put_checkpoint("a", 1, at_us=1)
        assert node.user("maria") is not None
        assert node._engine._lock_file is not None
        assert command._engine._lock_file is None  # only one of them ever resets the WAL


def test_names_and_roles_are_checked(operations: Operations) -> None:
    for name in ("", " maria", "a" * 65, "line\nbreak", "turn\u202eed"):
        with pytest.raises(InputError):
            operations.add_user(name, roles=["watch"], password_hash=None, now_us=1)
    with pytest.raises(InputError, match="captain"):
        operations.add_user("maria", roles=["captain"], password_hash=None, now_us=1)
    assert operations.list_users() == []


def _alert(alert_id: str, change: str, known: int) -> dict[str, object]:
    return {
        "alert_id": alert_id,
        "definition": "gap",
        "version": "1",
        "change": change,
        "grade": "final",
        "severity": "info",
        "track_ids": [1, 2],
        "start_at": 10,
        "known_at": known,
        "lat_deg": 20.5,
        "summary": "静か",
        "evidence": "{}",
    }


def test_the_ledger_of_alerts_shows_what_stood_at_a_time(operations: Operations) -> None:
    rows = schema.ALERTS.from_rows([_alert("a", "open", 20), _alert("b", "open", 21)])
    operations.append_alerts(rows, recorded_us=100)
    operations.append_alerts(schema.ALERTS.from_rows([_alert("a", "close", 30)]), recorded_us=200)
    assert operations.alerts().column("alert_id").to_pylist() == ["a", "b"]
    assert operations.alerts(open_only=True).column("alert_id").to_pylist() == ["b"]
    before = operations.alerts(open_only=True, recorded_by_us=150)
    assert before.column("alert_id").to_pylist() == ["b", "a"]
    assert operations.alerts(known_by_us=25).column("change").to_pylist() == ["open", "open"]
    assert operations.alerts(known_by_us=20).column("alert_id").to_pylist() == ["a"]
    assert operations.alerts(known_by_us=19).num_rows == 0
    assert operations.alert_history("a").column("change").to_pylist() == ["open", "close"]
    assert operations.alert_history("b").schema.equals(schema.ALERTS.arrow)
    assert operations.alert_history("b").equals(rows.slice(1, 1))
    assert operations.append_alerts(schema.ALERTS.empty(), recorded_us=300) == 0


def test_a_place_becomes_the_url_of_a_store(tmp_path: Path) -> None:
    assert url_of(tmp_path) == f"sqlite:///{tmp_path}/operations.db"
    assert url_of(tmp_path / "x.db") == f"sqlite:///{tmp_path}/x.db"
    assert url_of("postgresql+psycopg://h/x") == "postgresql+psycopg://h/x"


def test_sqlite_syncs_each_commit_and_only_the_writer_resets_the_wal(operations: Operations) -> None:
    def pragma(name: str) -> object:
        return operations.submit(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar()).result()

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2  # FULL
    assert pragma("wal_autocheckpoint") == 0


def test_the_wal_is_cut_back_by_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kuroshio.store.engine.CHECKPOINT_BYTES", 100_000)
    with Operations(url_of(tmp_path), now_us=1) as store:
        for n in range(60):
            store.put_checkpoint("big", "x" * 8000, at_us=n)
        assert (tmp_path / "operations.db-wal").stat().st_size < 200_000
        assert store.counts()["late_checkpoints"] == 0
    assert not (tmp_path / "operations.db-wal").exists()
