"""Who may do what: every route against every role, and every way to be someone else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from kuroshio.api import ApiSettings, Passwords, create_app
from kuroshio.api.access import PUBLIC, check_every_route
from kuroshio.api.app import ROUTERS
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing.standin import StandIn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CHEAP = Passwords(iterations=1, lanes=1, memory_kib=64)
PASSWORD = "a long enough sentence"
SEND = {"X-Kuroshio-Request": "1"}

# who may use what: written by hand, so that a change of a route's roles is seen here
MATRIX = {
    "GET /api/v1/session": ROLES,
    "DELETE /api/v1/session": ROLES,
    "GET /api/v1/info": ROLES,
    "GET /api/v1/tracks": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/tracks/{track_id}": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/export/tracks.{format}": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/alerts": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/alerts/rules": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/rules": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/rules/{rule_id}": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/rules/{rule_id}/hits": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/rules": ("watch",),
    "POST /api/v1/rules/{rule_id}/dry-run": ("watch",),
    "POST /api/v1/rules/{rule_id}/state": ("watch",),
    "POST /api/v1/rules/{rule_id}/silence": ("watch",),
    "GET /api/v1/alerts/{alert_id}": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/alerts/{alert_id}/verdict": ("watch",),
    "GET /api/v1/counters": ("watch", "release", "policy", "logistics", "admin"),
    "GET /api/v1/tracks/{track_id}/story": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/coverage": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/operations": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/feeds": ("watch", "release", "policy", "logistics", "admin"),
    "GET /api/v1/partners": ("watch", "release", "policy", "logistics", "admin"),
    "GET /api/v1/record/knew": ("release", "policy"),
    "GET /api/v1/record": ("watch", "release", "policy", "logistics", "admin"),
    "GET /api/v1/zones": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/releases": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/releases/{release_id}/recall": ("release",),
    "GET /api/v1/pending": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/pending/{item_id}/{party}": ("release",),  # the stand-in's items wait for this role
    "GET /api/v1/accords": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/accords/as-of": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/accords/print": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/accords/graph": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/accords/lint": ("release", "policy"),
    "GET /api/v1/accords/coverage": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/accords/{accord}/odrl": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/accords/check": ("release", "policy"),
    "POST /api/v1/accords/what-if": ("watch", "release", "policy"),
    "POST /api/v1/accords/route": ("watch", "release", "policy"),
    "POST /api/v1/accords/diff": ("release", "policy"),
    "GET /api/v1/activities": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/labels": ("watch", "release", "policy"),
    "POST /api/v1/labels/read": ("watch", "release", "policy"),
    "POST /api/v1/access/v1/evaluation": ("watch", "release", "policy"),
    "POST /api/v1/access/v1/evaluations": ("watch", "release", "policy"),
    "GET /api/v1/exchanges": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/exchanges/{kind}/{exchange}": ("watch", "release", "policy", "logistics"),
    "POST /api/v1/exchanges": ("release", "policy", "logistics"),
    "GET /api/v1/books": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/duties": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/commitments": ("watch", "release", "policy", "logistics"),
    "GET /api/v1/why": ("watch", "release", "policy"),
    "POST /api/v1/dry-run": ("release", "policy"),
    "GET /api/v1/withheld": ("release", "policy"),
    "POST /api/v1/push/{source}": ("feed", "admin"),
    "POST /api/v1/operate": ("watch",),
    "POST /api/v1/sightings": ("watch",),
    "GET /api/v1/users": ("admin",),
    "POST /api/v1/users": ("admin",),
    "PATCH /api/v1/users/{name}": ("admin",),
    "DELETE /api/v1/users/{name}": ("admin",),
    "POST /api/v1/users/{name}/tokens": ("admin",),
    "GET /api/v1/audit": ("admin",),
}

EVALUATION = {
    "subject": {"type": "party", "id": "JPN"},
    "action": {"name": "release"},
    "resource": {"type": "item", "id": "track:1", "properties": {"kind": "information", "subject": "vessel"}},
}
HAPPENED = {
    "kind": "happening",
    "exchange": "loss",
    "step": "compromise_suspected",
    "facts": {"accord": "PHL-USA-GSOMIA", "originator": "USA"},
}

# a request that each route takes
GOOD: dict[str, dict[str, Any]] = {
    "GET /api/v1/tracks/{track_id}": {"path": {"track_id": "1000"}},
    "GET /api/v1/tracks/{track_id}/story": {"path": {"track_id": "1000"}},
    "GET /api/v1/alerts/{alert_id}": {"path": {"alert_id": "gap-0001"}},
    "POST /api/v1/alerts/{alert_id}/verdict": {"path": {"alert_id": "gap-0001"}, "json": {"verdict": "true"}},
    "POST /api/v1/releases/{release_id}/recall": {"path": {"release_id": "rel-0001"}, "json": {"reason": "wrong"}},
    "POST /api/v1/pending/{item_id}/{party}": {
        "path": {"item_id": "track:1004", "party": "USA"},
        "json": {"grant": True},
    },
    "POST /api/v1/rules": {"json": {"rule": {"id": "mine", "behaviours": ["loitering"], "flags": [412]}}},
    "GET /api/v1/rules/{rule_id}": {"path": {"rule_id": "bank-at-night"}},
    "GET /api/v1/rules/{rule_id}/hits": {"path": {"rule_id": "bank-at-night"}},
    "POST /api/v1/rules/{rule_id}/dry-run": {"path": {"rule_id": "bank-at-night"}, "json": {"days": 30}},
    "POST /api/v1/rules/{rule_id}/state": {"path": {"rule_id": "bank-at-night"}, "json": {"state": "shadow"}},
    "POST /api/v1/rules/{rule_id}/silence": {
        "path": {"rule_id": "bank-at-night"},
        "json": {"until": "2026-11-22T06:00:00Z"},
    },
    "GET /api/v1/export/tracks.{format}": {"path": {"format": "csv"}},
    "GET /api/v1/accords/{accord}/odrl": {"path": {"accord": "JPN-PHL-RAA"}},
    "POST /api/v1/accords/check": {"json": {"accord": "activities: []"}},
    "POST /api/v1/accords/what-if": {"json": {"item": "track:1000", "to": "JPN"}},
    "POST /api/v1/accords/route": {"json": {"item": "track:1000", "to": "KOR"}},
    "POST /api/v1/accords/diff": {"json": {"accord": "activities: []"}},
    "POST /api/v1/labels": {"json": {"item": "track:1000"}},
    "POST /api/v1/labels/read": {"json": {"text": "TLP:GREEN"}},
    "POST /api/v1/access/v1/evaluation": {"json": EVALUATION},
    "POST /api/v1/access/v1/evaluations": {"json": {"evaluations": [EVALUATION]}},
    "GET /api/v1/exchanges/{kind}/{exchange}": {"path": {"kind": "support", "exchange": "fuel-1"}},
    "POST /api/v1/exchanges": {"json": HAPPENED},
    "GET /api/v1/why": {"params": {"item": "track:1000", "to": "JPN"}},
    "POST /api/v1/dry-run": {"json": {"accord": "accord: DRAFT"}},
    "GET /api/v1/withheld": {"params": {"viewpoint": "JPN"}},
    "GET /api/v1/record/knew": {"params": {"party": "JPN", "at": "2026-11-22T14:05:00Z"}},
    "POST /api/v1/push/{source}": {"path": {"source": "push-ais"}, "content": b"!AIVDM"},
    "POST /api/v1/operate": {"json": {"action": "name", "arguments": {"track_ids": [1000]}}},
    "POST /api/v1/sightings": {"json": {"position": "20-30N 121-45E"}},
    "POST /api/v1/users": {"json": {"name": "new", "roles": ["watch"]}},
    "PATCH /api/v1/users/{name}": {"path": {"name": "spare"}, "json": {"roles": ["watch"]}},
    "DELETE /api/v1/users/{name}": {"path": {"name": "spare"}},
    "POST /api/v1/users/{name}/tokens": {"path": {"name": "spare"}},
}


@dataclass
class Clock:
    now: int = 1_795_305_600_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Room:
    app: FastAPI
    operations: Operations
    node: StandIn
    clock: Clock

    def client(self, user: str | None = None) -> TestClient:
        client = TestClient(self.app)
        if user is not None:
            body = {"user": user, "password": PASSWORD}
            answer = client.post("/api/v1/session", json=body, headers=SEND)
            assert answer.status_code == 200, answer.text
        return client


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    wall = Clock()
    node = StandIn(ships=60)
    with Operations(url_of(tmp_path), now_us=1) as operations:
        hashed = CHEAP.hash(PASSWORD)
        for role in ROLES:
            operations.add_user(role, roles=[role], password_hash=hashed, now_us=1)
        operations.add_user("nobody", roles=[], password_hash=hashed, now_us=1)
        settings = ApiSettings(wall_us=wall, sign_in_per_min=100)
        yield Room(create_app(node, operations, settings=settings, passwords=CHEAP), operations, node, wall)


def ask(client: TestClient, route: str, **more: Any) -> Any:
    method, path = route.split()
    good = dict(GOOD.get(route, {}))
    path = path.format(**good.pop("path", {}))
    headers = {**SEND, **more.pop("headers", {})}
    return client.request(method, path, headers=headers, **{**good, **more})


def routes_of(app: FastAPI) -> list[str]:
    paths = app.openapi()["paths"]
    return sorted(f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)


def test_the_matrix_names_every_route(room: Room) -> None:
    public = {f"{method} {path}" for method, path in PUBLIC if path != "/api/openapi.json"}
    assert set(routes_of(room.app)) == set(MATRIX) | public


@pytest.mark.parametrize("route", sorted(MATRIX))
def test_every_route_against_every_role(room: Room, route: str) -> None:
    room.operations.add_user("spare", roles=[], password_hash=None, now_us=1)
    nobody = ask(room.client(), route)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == "Bearer"
    denied = [role for role in (*ROLES, "nobody") if role not in MATRIX[route]]
    for role in denied:
        answer = ask(room.client(role), route)
        assert answer.status_code == 403, (route, role, answer.text)
        assert answer.json()["code"] == "auth.role"
    answer = ask(room.client(MATRIX[route][0]), route)
    assert 200 <= answer.status_code < 300, (route, answer.text)
    for role in MATRIX[route][1:]:
        assert ask(room.client(role), route).status_code in (200, 201, 202, 404), (route, role)


@pytest.mark.parametrize("role", [*ROLES, "nobody", None])
def test_the_stream_against_every_role(room: Room, role: str | None) -> None:
    allowed = role in ("watch", "release", "policy", "logistics")
    with room.client(role).websocket_connect("/api/v1/stream") as socket:
        first = socket.receive()
    if allowed:
        assert first["type"] == "websocket.send"
    else:
        assert (first["type"], first["code"]) == ("websocket.close", 4401 if role is None else 4403)


def test_roles_are_in_the_description(room: Room) -> None:
    for path, methods in room.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if (method.upper(), path) not in PUBLIC:
                assert operation["x-kuroshio-roles"], (method, path)


def test_a_route_that_names_no_roles_stops_the_start() -> None:
    router = APIRouter(prefix="/api/v1")

    @router.get("/open-door")
    async def door() -> str:
        return "come in"

    @router.websocket("/open-window")
    async def window() -> None:
        return None

    for route in router.routes:
        with pytest.raises(AssertionError, match="open-"):
            check_every_route([route])


def test_every_path_under_api_comes_from_a_checked_router(room: Room) -> None:
    own = {path for route in room.app.routes if (path := getattr(route, "path", None)) and path.startswith("/api")}
    assert own == {"/api/openapi.json"}
    checked = {route.path for router in ROUTERS for route in router.routes}
    assert set(room.app.openapi()["paths"]) | {"/api/v1/stream"} == checked


@pytest.mark.parametrize("route", sorted(route for route in MATRIX if not route.startswith("GET")))
def test_what_changes_something_needs_the_header(room: Room, route: str) -> None:
    room.operations.add_user("spare", roles=[], password_hash=None, now_us=1)
    client = room.client(MATRIX[route][0])
    answer = ask(client, route, headers={"X-Kuroshio-Request": ""})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.csrf")
    answer = ask(client, route, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.origin")
    assert ask(client, route, headers={"Origin": "http://testserver"}).status_code < 300


def test_a_socket_from_another_page_is_closed(room: Room) -> None:
    client = room.client("watch")
    with client.websocket_connect("/api/v1/stream", headers={"Origin": "https://evil.example"}) as socket:
        assert socket.receive()["reason"] == "auth.origin"


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
