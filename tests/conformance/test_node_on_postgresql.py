"""A node whose small precious books are in PostgreSQL: the same node file but one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from kuroshio.errors import ConfigError, StoreError
from kuroshio.node import config
from kuroshio.sensing.ais import encode_position
from kuroshio.store import Operations
from kuroshio.testing.handnode import HandNode, trusting

US = 1_000_000
T0 = 1_790_000_000 * US


def opened(folder: Path, url: str) -> HandNode:
    document = {
        "node": {"party": "PHL", "name": "PHL", "operations": url},
        "sources": [{"name": "ais", "format": "aivdm", "link": "push"}],
    }
    return HandNode(folder / "PHL", document)


@pytest.mark.servers
def test_a_node_keeps_its_books_in_postgresql_over_a_restart(postgresql_url: str, tmp_path: Path) -> None:
    server = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(sa.text("CREATE DATABASE of_a_node"))
    url = postgresql_url.replace("/postgres?", "/of_a_node?")
    trusting(tmp_path, ["PHL"], now_us=T0)
    node = opened(tmp_path, url)
    for k in range(1, 4):
        line = encode_position(mmsi=431000001, lat_deg=20.0, lon_deg=121.0, sog_mps=0.0, tag_block={"c": T0 // US + k})
        node.step([("ais", T0 + k * US, line + b"\r\n")], now_us=T0 + k * US)
    (track,) = node.parts.core.picture["track_id"].to_pylist()
    node.parts.core.operate("name", {"track_ids": [track], "name": "PG"}, by="m", now_us=T0 + 4 * US)
    node.parts.operations.add_consent("track:1", "JPN", granted=True, by="m", at_us=5)
    node.close()
    assert not (tmp_path / "PHL" / "data" / "operations.db").exists()
    with Operations(url) as beside:
        assert [row["arguments"]["name"] for row in beside.actions()] == ["PG"]
    node = opened(tmp_path, url)
    assert [row["item_id"] for row in node.parts.operations.consents()] == ["track:1"]
    assert [done["arguments"]["name"] for done in node.parts.core.operated()] == ["PG"]
    node.close()
    server.dispose()


def test_a_database_that_is_not_there_is_named_and_a_password_in_the_file_refused(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="no PostgreSQL driver: install psycopg")
    trusting(tmp_path, ["PHL"], now_us=T0)
    with pytest.raises(StoreError) as caught:
        opened(tmp_path, f"postgresql+psycopg://kuroshio@/none?host={tmp_path}")
    assert caught.value.error_code == "store.unreachable"
    assert "none" in caught.value.message
    for url, said in (("postgresql+psycopg://m:secret@h/x", "PGPASSFILE"), ("mysql://h/x", "pattern")):
        with pytest.raises(ConfigError) as refused:
            config.from_dict({"node": {"party": "PHL", "name": "x", "operations": url}}, base=tmp_path)
        assert said in refused.value.message
        assert "secret" not in refused.value.message
