"""Every way to be someone, and to stop being: cookies, passwords, tokens, sessions and their end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kuroshio.api import ApiSettings, create_app
from kuroshio.store import Operations, url_of
from kuroshio.testing.signed_in import CHEAP, PASSWORD, SEND, Clock, Room, room_in
from kuroshio.testing.standin import StandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with room_in(tmp_path) as found:
        yield found


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(room: Room, tmp_path: Path) -> None:
    body = {"user": "watch", "password": PASSWORD}
    cookie = TestClient(room.app).post("/api/v1/session", json=body, headers=SEND).headers["set-cookie"]
    assert re.search("httponly", cookie, re.I)
    assert re.search("samesite=strict", cookie, re.I)
    secure = create_app(room.node, room.operations, settings=ApiSettings(secure=True), passwords=CHEAP)
    answer = TestClient(secure, base_url="https://node").post("/api/v1/session", json=body, headers=SEND)
    assert answer.headers["set-cookie"].startswith("__Host-kuroshio_session=")
    assert re.search("; secure", answer.headers["set-cookie"], re.I)
    assert answer.headers["strict-transport-security"]


def test_the_secret_is_not_kept(room: Room, tmp_path: Path) -> None:
    client = room.client("watch")
    secret = next(iter(client.cookies.jar)).value
    assert secret
    room.operations.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert secret.encode() not in stored
    assert PASSWORD.encode() not in stored


def test_a_session_ends_by_sign_out_by_time_and_by_removal(room: Room) -> None:
    client = room.client("watch")
    kept = dict(client.cookies)
    assert client.delete("/api/v1/session", headers=SEND).status_code == 200
    assert TestClient(room.app, cookies=kept).get("/api/v1/session").json()["code"] == "auth.session"

    client = room.client("watch")
    room.clock.now += 12 * 3600 * 1_000_000
    assert client.get("/api/v1/session").status_code == 200
    room.clock.now += 5 * 3600 * 1_000_000
    assert client.get("/api/v1/session").status_code == 401

    idle = room.client("watch")
    room.clock.now += 13 * 3600 * 1_000_000 + 1
    assert idle.get("/api/v1/session").status_code == 401

    client, admin = room.client("watch"), room.client("admin")
    assert client.get("/api/v1/session").status_code == 200
    assert admin.delete("/api/v1/users/watch", headers=SEND).status_code == 200
    assert client.get("/api/v1/session").status_code == 401


def test_a_change_of_roles_by_a_command_is_seen_within_two_seconds(room: Room) -> None:
    client = room.client("watch")
    assert client.get("/api/v1/tracks").status_code == 200
    room.operations.change_user("watch", roles=["admin"], now_us=2)
    room.clock.now += 2_000_001
    assert client.get("/api/v1/tracks").status_code == 403


def test_a_new_password_ends_what_the_old_one_opened(room: Room) -> None:
    client, admin = room.client("watch"), room.client("admin")
    body = {"password": "another long sentence"}
    assert admin.patch("/api/v1/users/watch", json=body, headers=SEND).status_code == 200
    assert client.get("/api/v1/session").status_code == 401
    body = {"user": "watch", "password": PASSWORD}
    assert client.post("/api/v1/session", json=body, headers=SEND).json()["code"] == "auth.password"
    body["password"] = "another long sentence"
    assert client.post("/api/v1/session", json=body, headers=SEND).status_code == 200


def test_tokens_work_without_cookie_or_header_until_their_user_goes(room: Room) -> None:
    admin = room.client("admin")
    token = admin.post("/api/v1/users/feed/tokens?label=mast", headers=SEND).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    other = TestClient(room.app)
    answer = other.post("/api/v1/push/push-ais", content=b"!AIVDM", headers=bearer)
    assert (answer.status_code, answer.json()["bytes"]) == (202, 6)
    assert room.node.pushed == [("push-ais", b"!AIVDM")]
    assert other.get("/api/v1/tracks", headers=bearer).status_code == 403
    assert other.get("/api/v1/info", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    # a token is no cookie and a cookie no token
    assert TestClient(room.app, cookies={"kuroshio_session": token}).get("/api/v1/info").status_code == 401
    cookie = next(iter(admin.cookies.jar)).value
    assert other.get("/api/v1/info", headers={"Authorization": f"Bearer {cookie}"}).status_code == 401
    admin.delete("/api/v1/users/feed", headers=SEND)
    assert other.post("/api/v1/push/push-ais", content=b"x", headers=bearer).status_code == 401


def test_guessing_is_slowed_by_name_and_by_address(tmp_path: Path) -> None:
    wall = Clock()
    settings = ApiSettings(wall_us=wall, failures_per_15_min=3, sign_in_per_min=8)
    with Operations(url_of(tmp_path), now_us=1) as operations:
        operations.add_user("watch", roles=["watch"], password_hash=CHEAP.hash(PASSWORD), now_us=1)
        client = TestClient(create_app(StandIn(ships=5), operations, settings=settings, passwords=CHEAP))

        def attempt(user: str, password: str) -> Any:
            wall.now += 1000
            return client.post("/api/v1/session", json={"user": user, "password": password}, headers=SEND)

        codes = [attempt("watch", f"wrong {n}").json()["code"] for n in range(4)]
        assert codes == ["auth.password"] * 3 + ["auth.rate"]
        held = attempt("watch", PASSWORD)
        assert held.status_code == 429
        assert 0 < int(held.headers["retry-after"]) <= 900
        assert [attempt(f"user{n}", "x").status_code for n in range(6)] == [401] * 5 + [429]
        wall.now += 901_000_000
        assert attempt("watch", PASSWORD).status_code == 200
        audit = operations.audit()
        assert next(row["outcome"] for row in audit if row["what"] == "sign-in") == "ok"
        assert sum(row["outcome"] == "refused" for row in audit) == 8


def test_an_unknown_name_and_a_wrong_password_look_the_same(room: Room) -> None:
    client = TestClient(room.app)
    answers = [
        client.post("/api/v1/session", json={"user": user, "password": "no"}, headers=SEND).json()
        for user in ("watch", "ghost")
    ]
    assert answers[0] == answers[1]


def test_what_people_do_is_in_the_audit_log(room: Room) -> None:
    room.client("release").post("/api/v1/releases/rel-0001/recall", json={"reason": "wrong ship"}, headers=SEND)
    room.client("watch").post("/api/v1/alerts/gap-0001/verdict", json={"verdict": "true"}, headers=SEND)
    lines = room.client("admin").get("/api/v1/audit").json()
    seen = [(line["who"], line["what"], line["outcome"]) for line in lines]
    assert ("watch", "verdict", "ok") in seen
    assert ("release", "recall", "ok") in seen
    assert next(line for line in lines if line["what"] == "recall")["detail"]["reason"] == "wrong ship"
    page = room.client("admin").get(f"/api/v1/audit?limit=1&before={lines[0]['number']}").json()
    assert page[0]["number"] == lines[0]["number"] - 1


def test_a_pending_item_is_answered_by_the_role_its_clause_names(room: Room) -> None:
    policy = room.client("policy").post("/api/v1/pending/track:1004/USA", json={"grant": True}, headers=SEND)
    assert (policy.status_code, policy.json()["code"]) == (403, "auth.role")
    release = room.client("release")
    assert release.post("/api/v1/pending/track:1004/USA", json={"grant": False}, headers=SEND).json()["by"] == "release"
    assert release.post("/api/v1/pending/track:1004/USA", json={"grant": False}, headers=SEND).status_code == 404


def test_a_node_without_sign_in_answers_only_to_its_own_machine(room: Room) -> None:
    settings = ApiSettings(open_roles=("watch",))
    app = create_app(room.node, room.operations, settings=settings, passwords=CHEAP)

    def ask_as(base: str, address: str, path: str = "/api/v1/tracks", **headers: str) -> tuple[int, str]:
        answer = TestClient(app, base_url=base, client=(address, 5)).get(path, headers=headers)
        return answer.status_code, answer.json()["code"] if answer.status_code != 200 else ""

    for base in ("http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080", "http://LOCALHOST:1"):
        assert ask_as(base, "127.0.0.1") == (200, "")
    assert ask_as("http://127.0.0.1", "192.168.1.5") == (403, "auth.loopback")
    assert ask_as("http://rebound.example:8080", "127.0.0.1") == (403, "auth.loopback")
    assert ask_as("http://127.0.0.1.example", "127.0.0.1") == (403, "auth.loopback")
    assert ask_as("http://127.0.0.1", "127.0.0.1", "/api/v1/users") == (403, "auth.role")
    assert ask_as("http://127.0.0.1", "127.0.0.1", Origin="https://evil.example") == (403, "auth.origin")
    body = {"verdict": "true"}
    client = TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5))
    assert client.post("/api/v1/alerts/gap-0001/verdict", json=body).json()["code"] == "auth.csrf"
    assert client.post("/api/v1/alerts/gap-0001/verdict", json=body, headers=SEND).status_code == 200
