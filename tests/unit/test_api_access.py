"""Who may do what: every route against every role, and every way to be someone else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from kuroshio.api.access import PUBLIC, check_every_route
from kuroshio.api.app import ROUTERS
from kuroshio.store import ROLES
from kuroshio.testing.signed_in import SEND, Room, room_in

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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
    "GET /api/v1/alerts/{alert_id}/pack": ("watch", "release", "policy", "logistics"),
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
    "POST /api/v1/releases/{release_id}/tighten": ("release",),
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
    "GET /api/v1/alerts/{alert_id}/pack": {"path": {"alert_id": "gap-0001"}},
    "POST /api/v1/alerts/{alert_id}/verdict": {"path": {"alert_id": "gap-0001"}, "json": {"verdict": "true"}},
    "POST /api/v1/releases/{release_id}/recall": {"path": {"release_id": "rel-0001"}, "json": {"reason": "wrong"}},
    "POST /api/v1/releases/{release_id}/tighten": {
        "path": {"release_id": "rel-0001"},
        "json": {"retain_until": "2026-11-22T18:00:00Z", "reason": "no longer needed"},
    },
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


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    with room_in(tmp_path) as found:
        yield found


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
