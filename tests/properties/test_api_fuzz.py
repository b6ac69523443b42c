"""Any request to any route: an answer below 500, failures in the problem shape, successes as described.

Each request begins as a good one and has some of its parts replaced by anything, so that the code behind the
checks is reached as well as the checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from kuroshio.api import ApiSettings, Passwords, create_app, models
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing.standin import StandIn

CHEAP = Passwords(iterations=1, lanes=1, memory_kib=64)
SEND = {"X-Kuroshio-Request": "1"}
PASSWORD = "a long enough sentence"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with Operations(url_of(tmp_path_factory.mktemp("fuzz")), now_us=1) as operations:
        operations.add_user("all", roles=ROLES, password_hash=CHEAP.hash(PASSWORD), now_us=1)
        limits = ApiSettings(sign_in_per_min=10**6, failures_per_15_min=10**6)
        client = TestClient(
            create_app(StandIn(ships=20), operations, settings=limits, passwords=CHEAP), raise_server_exceptions=False
        )
        client.post("/api/v1/session", json={"user": "all", "password": PASSWORD}, headers=SEND)
        client.headers.update(SEND)
        client.operations = operations  # type: ignore[attr-defined]
        yield client


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TEXT = st.text(max_size=40) | st.integers().map(str) | st.sampled_from(["\x00", "\ud800", "%", "..", "JPN", "1,2,3,4"])

GOOD = {
    "track_id": "1000",
    "alert_id": "gap-0001",
    "release_id": "rel-0000",
    "rule_id": "bank-at-night",
    "item_id": "track:1004",
    "party": "USA",
    "source": "push-ais",
    "name": "spare",
    "viewpoint": "JPN",
    "item": "track:1000",
    "to": "JPN",
    "box": "119,15,124,22",
    "accord": "JPN-PHL-RAA",
    "kind": "support",
    "exchange": "fuel-1",
    "at": "2026-11-22T14:05:00Z",
    "known_at": "2026-11-22T14:05:00Z",
}
BODIES: dict[str, dict[str, Any]] = {
    "SignIn": {"user": "all", "password": PASSWORD},
    "Judgement": {"verdict": "silenced", "note": "x", "until": "2026-11-22T06:00:00Z"},
    "RuleProposal": {"rule": {"id": "mine", "behaviours": ["loitering"], "flags": [412]}},
    "Rehearsal": {"days": 30},
    "RuleSwitch": {"state": "active"},
    "RuleSilence": {"until": "2026-11-22T06:00:00Z"},
    "Recall": {"reason": "wrong ship"},
    "Tighten": {"retain_until": "2026-11-22T18:00:00Z", "reason": "no longer needed"},
    "Consent": {"grant": True, "note": ""},
    "Agreement": {"accord": "activities: []  # no accord", "at": "2026-11-22"},
    "WhatIf": {"item": "track:1000", "to": "JPN", "assume": {}, "consents": []},
    "RouteAsked": {"item": "track:1000", "to": "JPN", "hops": 2, "breaks": False},
    "LabelAsked": {"item": "track:1000", "bind": "https://example.org/tracks/1000"},
    "LabelGiven": {"text": "TLP:AMBER"},
    "Evaluation": {
        "subject": {"type": "party", "id": "JPN"},
        "action": {"name": "release"},
        "resource": {"type": "item", "id": "track:1", "properties": {"kind": "information", "subject": "vessel"}},
    }
    | {"evaluations": []},
    "Step": {
        "kind": "happening",
        "exchange": "loss",
        "step": "compromise_suspected",
        "facts": {"accord": "PHL-USA-GSOMIA", "originator": "USA"},
    },
    "Sighting": {"position": "20-30.5N 121-45.2E", "error_m": 500.0, "length_m": 30.0},
    "Operation": {"action": "name", "arguments": {"track_ids": [1000], "name": "x"}},
    "NewUser": {"name": "new", "roles": ["watch"], "password": PASSWORD},
    "UserChange": {"roles": ["watch"]},
}
PATHS = create_app(StandIn(ships=1), None, passwords=CHEAP).openapi()["paths"]  # type: ignore[arg-type]
OPERATIONS = [
    (method, path, operation)
    for path, methods in PATHS.items()
    for method, operation in methods.items()
    if (method, path) != ("delete", "/api/v1/session")  # it would sign the test out
]


def good_value(parameter: dict[str, Any]) -> str:
    shape = parameter["schema"]
    choices = shape.get("enum") or next((p["enum"] for p in shape.get("anyOf", []) if "enum" in p), None)
    fallback = str(choices[0]) if choices else str(shape.get("default", "1"))
    return GOOD.get(parameter["name"], fallback)


def good_request(path: str, operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operation asked as it should be: nothing strange in it."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", quote(good_value(parameter), safe=""))
    query = [
        f"{p['name']}={quote(good_value(p), safe='')}"
        for p in operation.get("parameters", [])
        if p["in"] == "query" and p.get("required")
    ]
    content = operation.get("requestBody", {}).get("content", {})
    more: dict[str, Any] = {"content": b"!AIVDM"} if content else {}
    if "application/json" in content:
        more = {"json": BODIES[content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]]}
    return path + ("?" + "&".join(query) if query else ""), more


def draw_url(data: st.DataObject, path: str, operation: dict[str, Any]) -> str:
    query: list[str] = []
    for parameter in operation.get("parameters", []):
        strange = data.draw(st.integers(0, 3)) == 0
        value = data.draw(TEXT) if strange else good_value(parameter)
        encoded = quote(value.encode("utf-8", "surrogatepass"), safe="")
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", encoded or "x")
        elif parameter.get("required") or strange:
            query.append(f"{parameter['name']}={encoded}")
    return path + ("?" + "&".join(query) if query else "")


def draw_body(data: st.DataObject, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return {"content": data.draw(st.binary(max_size=50))} if content else {}
    name = content["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    body: Any = json.loads(json.dumps(BODIES[name]))
    for key in list(body):
        if data.draw(st.integers(0, 4)) == 0:
            body[key] = data.draw(JSON)
    if data.draw(st.integers(0, 7)) == 0:
        body[data.draw(st.text(max_size=5))] = data.draw(JSON)
    if name == "Operation" and isinstance(body["arguments"], dict) and data.draw(st.booleans()):
        body["arguments"][data.draw(st.text(max_size=5))] = data.draw(JSON)
    if data.draw(st.integers(0, 9)) == 0:
        body = data.draw(JSON)
    return {"content": json.dumps(body).encode(), "headers": {"Content-Type": "application/json"}}


def check_answer(answer: Any, request: Any, operation: dict[str, Any]) -> None:
    assert answer.status_code < 500, (request, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", request
        models.Problem.model_validate(answer.json())
    else:
        assert str(answer.status_code) in operation["responses"], request


@pytest.mark.parametrize("one", OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS])
def test_every_route_works_when_asked_as_it_should_be(client: TestClient, one: tuple[str, str, dict[str, Any]]) -> None:
    """Else the walk below would never get behind its checks."""
    method, path, operation = one
    users = client.operations  # type: ignore[attr-defined]
    if users.user("spare") is None:
        users.add_user("spare", roles=[], password_hash=None, now_us=1)
    if users.user("new") is not None:
        users.remove_user("new")
    client.app.state.node._consents.clear()  # type: ignore[attr-defined]
    url, more = good_request(path, operation)
    answer = client.request(method.upper(), url, **more)
    assert answer.status_code < 300, (url, more, answer.text)


def test_any_request_gets_a_described_answer(client: TestClient) -> None:
    worked: set[tuple[str, str]] = set()
    users = client.operations  # type: ignore[attr-defined]

    @settings(max_examples=12 * len(OPERATIONS))
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        method, path, operation = data.draw(st.sampled_from(OPERATIONS))
        if users.user("spare") is None:
            users.add_user("spare", roles=[], password_hash=None, now_us=1)
        if users.user("new") is not None:
            users.remove_user("new")
        client.app.state.node._consents.clear()  # type: ignore[attr-defined]
        url, more = draw_url(data, path, operation), draw_body(data, operation)
        answer = client.request(method.upper(), url, **more)
        check_answer(answer, (method, url, more), operation)
        if answer.status_code < 300:
            worked.add((method, path))

    ask()
    never = [one for one in OPERATIONS if one[:2] not in worked]
    assert len(never) <= len(OPERATIONS) // 8, never  # the walk got behind the checks of nearly every route


@settings(max_examples=40)
@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/plain", "", "application/json; charset=x"]))
def test_any_bytes_as_a_body_are_refused_politely(client: TestClient, body: bytes, kind: str) -> None:
    answer = client.post("/api/v1/operate", content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500
    models.Problem.model_validate(answer.json())


@settings(max_examples=40)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_cookie_and_token_is_nobody(client: TestClient, cookie: str, token: str) -> None:
    other = TestClient(client.app)
    clean = cookie.encode("utf-8", "replace").hex()
    assert other.get("/api/v1/info", headers={"Cookie": f"kuroshio_session={clean}"}).status_code == 401
    bearer = f"Bearer {token}".encode("utf-8", "replace").translate(None, b"\r\n\0")
    assert other.get("/api/v1/info", headers={"Authorization": bearer}).status_code == 401
