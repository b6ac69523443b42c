"""A node's API with one person for each role, signed in by password: what tests of access begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from kuroshio.api import ApiSettings, Passwords, create_app
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing.standin import StandIn

CHEAP = Passwords(iterations=1, lanes=1, memory_kib=64)
PASSWORD = "a long enough sentence"  # noqa: S105
SEND = {"X-Kuroshio-Request": "1"}


@dataclass
class Clock:
    """Wall time that a test sets."""

    now: int = 1_795_305_600_000_000

    def __call__(self) -> int:
        """Wall time, UTC microseconds."""
        return self.now


@dataclass
class Room:
    """The app, the store of its people, the node behind it and its wall clock."""

    app: FastAPI
    operations: Operations
    node: StandIn
    clock: Clock

    def client(self, user: str | None = None) -> TestClient:
        """A client, signed in where a user is named."""
        client = TestClient(self.app)
        if user is not None:
            body = {"user": user, "password": PASSWORD}
            answer = client.post("/api/v1/session", json=body, headers=SEND)
            assert answer.status_code == 200, answer.text
        return client


@contextmanager
def room_in(folder: Path) -> Iterator[Room]:
    """A room whose people and sessions are kept in a folder."""
    wall = Clock()
    node = StandIn(ships=60)
    with Operations(url_of(folder), now_us=1) as operations:
        hashed = CHEAP.hash(PASSWORD)
        for role in ROLES:
            operations.add_user(role, roles=[role], password_hash=hashed, now_us=1)
        operations.add_user("nobody", roles=[], password_hash=hashed, now_us=1)
        settings = ApiSettings(wall_us=wall, sign_in_per_min=100)
        yield Room(create_app(node, operations, settings=settings, passwords=CHEAP), operations, node, wall)
