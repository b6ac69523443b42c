"""Labels over the API: what goes out can be read back, bound to an address or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kuroshio.api import Passwords, create_app
from kuroshio.store import Operations
from kuroshio.testing.standin import StandIn

SEND = {"X-Kuroshio-Request": "1"}
PASSWORD = "a sentence nobody guesses"
THING = {"subject": "vessel", "level": "C", "originator": "PHL", "releasable_to": ["JPN", "PHL"]}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    cheap = Passwords(iterations=1, lanes=1, memory_kib=64)
    path: Path = tmp_path_factory.mktemp("labels") / "operations.db"
    with Operations(f"sqlite:///{path}", now_us=1) as operations:
        operations.add_user("watch", roles=["watch"], password_hash=cheap.hash(PASSWORD), now_us=1)
        client = TestClient(create_app(StandIn(ships=1), operations, passwords=cheap))  # type: ignore[arg-type]
        assert client.post("/api/v1/session", json={"user": "watch", "password": PASSWORD}, headers=SEND).is_success
        yield client


def test_a_label_bound_to_an_address_reads_back_as_the_thing(client: TestClient) -> None:
    asked = {"attributes": THING, "bind": "https://node.example/tracks/17?at=1&x=2"}
    given: Any = client.post("/api/v1/labels", json=asked, headers=SEND).json()
    assert given["rel_to"].startswith("REL TO")
    assert "BindingInformation" in given["stanag_4778"]
    assert "tracks/17?at=1&amp;x=2" in given["stanag_4778"]
    for text in (given["stanag_4778"], given["stanag_4774"]):
        read = client.post("/api/v1/labels/read", json={"text": text}, headers=SEND).json()["attributes"]
        assert {name: read[name] for name in ("level", "originator")} == {"level": "C", "originator": "PHL"}
        assert sorted(read["releasable_to"]) == ["JPN", "PHL"]
    plain = client.post("/api/v1/labels", json={"attributes": THING}, headers=SEND).json()
    assert plain["stanag_4778"] is None


@pytest.mark.parametrize("address", ["", "a b", "x\x00", "y\n", "z" * 2001])
def test_an_address_that_xml_or_a_uri_cannot_hold_is_refused(client: TestClient, address: str) -> None:
    answer = client.post("/api/v1/labels", json={"attributes": THING, "bind": address}, headers=SEND)
    assert answer.status_code == 422
