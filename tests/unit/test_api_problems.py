"""One problem shape for every failure of every route, and a description that is true."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from kuroshio.api import ApiSettings, create_app, models, models_record, models_sharing
from kuroshio.errors import KuroshioError, LinkError, StoreError
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing import nodecheck
from kuroshio.testing.signed_in import CHEAP
from kuroshio.testing.standin import StandIn

PASSWORD = "a long enough sentence"
SEND = {"X-Kuroshio-Request": "1"}


@pytest.fixture
def node() -> StandIn:
    return StandIn(ships=60)


@pytest.fixture
def client(tmp_path: Path, node: StandIn) -> Iterator[TestClient]:
    with Operations(url_of(tmp_path), now_us=1) as operations:
        operations.add_user("all", roles=ROLES, password_hash=CHEAP.hash(PASSWORD), now_us=1)
        settings = ApiSettings(body_limit=4096, push_limit=8192)
        app = create_app(node, operations, settings=settings, passwords=CHEAP)
        with TestClient(app, raise_server_exceptions=False) as client:
            client.post("/api/v1/session", json={"user": "all", "password": PASSWORD}, headers=SEND)
            client.headers.update(SEND)
            yield client


def check_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    models.Problem.model_validate(body)
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert body["type"] == f"urn:kuroshio:error:{code}"
    assert body["detail"]
    assert body["advice"]
    assert answer.headers["content-security-policy"]
    return body


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "code"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "api.route"),
        ("PUT", "/api/v1/tracks", {}, 405, "api.method"),
        ("GET", "/api/v1/tracks?viewpoint=XXX", {}, 404, "view.unknown"),
        ("GET", "/api/v1/tracks?viewpoint=a%20b", {}, 422, "api.input"),
        ("GET", "/api/v1/tracks?format=xml", {}, 422, "api.input"),
        ("GET", "/api/v1/tracks?box=1,2,3", {}, 422, "input.box"),
        ("GET", "/api/v1/tracks?box=0,50,1,40", {}, 422, "input.box"),
        ("GET", "/api/v1/tracks?box=nan,0,1,1", {}, 422, "input.box"),
        ("GET", "/api/v1/tracks?status=sunk", {}, 422, "api.input"),
        ("GET", "/api/v1/tracks/xyz", {}, 422, "api.input"),
        ("GET", "/api/v1/tracks/99999999999999999999", {}, 422, "api.input"),
        ("GET", "/api/v1/tracks/5", {}, 404, "track.unknown"),
        ("GET", "/api/v1/export/tracks.xls", {}, 422, "api.input"),
        ("GET", "/api/v1/releases?limit=0", {}, 422, "api.input"),
        ("GET", "/api/v1/why?item=track:1", {}, 422, "api.input"),
        ("GET", "/api/v1/withheld", {}, 422, "api.input"),
        ("GET", "/api/v1/audit?limit=many", {}, 422, "api.input"),
        ("GET", "/api/v1/alerts/none/pack", {}, 404, "alert.unknown"),
        ("GET", "/api/v1/alerts/gap-0001/pack?known_at=noon", {}, 422, "input.time"),
        ("POST", "/api/v1/alerts/none/verdict", {"json": {"verdict": "true"}}, 404, "alert.unknown"),
        ("POST", "/api/v1/alerts/gap-0001/verdict", {"json": {"verdict": "maybe"}}, 422, "api.input"),
        ("POST", "/api/v1/alerts/gap-0001/verdict", {"json": {"verdict": "silenced"}}, 422, "input.time"),
        (
            "POST",
            "/api/v1/alerts/gap-0001/verdict",
            {"json": {"verdict": "silenced", "until": "soon"}},
            422,
            "input.time",
        ),
        ("POST", "/api/v1/alerts/gap-0001/verdict", {"json": {"verdict": "true", "colour": 1}}, 422, "api.input"),
        ("POST", "/api/v1/releases/none/recall", {"json": {"reason": "x"}}, 404, "release.unknown"),
        ("POST", "/api/v1/releases/rel-0001/recall", {"json": {}}, 422, "api.input"),
        ("POST", "/api/v1/releases/rel-0001/recall", {"content": b"{"}, 422, "api.input"),
        ("POST", "/api/v1/pending/track:5/USA", {"json": {"grant": True}}, 404, "pending.unknown"),
        ("POST", "/api/v1/dry-run", {"json": {"accord": "nonsense"}}, 422, "accord.syntax"),
        ("POST", "/api/v1/dry-run", {"json": {"accord": "accord: x", "at": "2026-13-01"}}, 422, "input.time"),
        ("POST", "/api/v1/dry-run", {"json": {"accord": "x" * 5000}}, 413, "api.body_size"),
        ("POST", "/api/v1/push/none", {"content": b"x"}, 404, "source.unknown"),
        ("POST", "/api/v1/push/push-ais", {"content": b""}, 422, "input.empty"),
        ("POST", "/api/v1/push/push-ais", {"content": b"x" * 8193}, 413, "api.body_size"),
        ("POST", "/api/v1/push/push-ais", {"content": iter([b"x" * 8000, b"x" * 8000])}, 413, "api.body_size"),
        ("POST", "/api/v1/operate", {"json": {"action": "sink"}}, 422, "api.input"),
        ("POST", "/api/v1/operate", {"json": {"action": "drop"}}, 422, "operate.tracks"),
        ("POST", "/api/v1/users", {"json": {"name": "all", "roles": []}}, 409, "user.exists"),
        ("POST", "/api/v1/users", {"json": {"name": " x", "roles": []}}, 422, "user.name"),
        ("POST", "/api/v1/users", {"json": {"name": "x", "roles": ["king"]}}, 422, "api.input"),
        ("POST", "/api/v1/users", {"json": {"name": "x", "roles": [], "password": "short"}}, 422, "api.input"),
        ("PATCH", "/api/v1/users/none", {"json": {"roles": []}}, 404, "user.unknown"),
        ("DELETE", "/api/v1/users/none", {}, 404, "user.unknown"),
        ("POST", "/api/v1/users/none/tokens", {}, 404, "user.unknown"),
        ("POST", "/api/v1/session", {"json": {"user": "all", "password": "no"}}, 401, "auth.password"),
    ],
)
def test_every_failure_is_a_problem_with_its_code(
    client: TestClient, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    check_problem(client.request(method, path, **more), status, code)


def test_a_bad_value_is_named_with_its_place_and_a_password_is_not_shown(client: TestClient) -> None:
    body = check_problem(client.post("/api/v1/operate", json={"action": "sink"}), 422, "api.input")
    assert body["errors"][0]["place"] == "body.action"
    assert body["errors"][0]["value"] == '"sink"'
    for more in ({}, {"colour": 1}, {"name": "\x00"}, {"roles": 5}):
        answer = client.post("/api/v1/users", json={"name": "x", "roles": [], "password": "hunter2", **more})
        assert answer.status_code == 422
        assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StoreError("disk gone"), 503, "store.failed"),
        (LinkError("wire cut"), 502, "link.failed"),
        (KuroshioError("odd", code="x.y"), 500, "x.y"),
        (ValueError("secret place 20.1 N"), 500, "api.failed"),
    ],
)
def test_a_failure_of_the_node_is_a_problem_that_tells_no_secrets(
    client: TestClient, node: StandIn, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail() -> list[dict[str, Any]]:
        raise error

    monkeypatch.setattr(node, "feeds", fail)
    answer = client.get("/api/v1/feeds")
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_the_stand_in_answers_in_the_shapes_documented(node: StandIn) -> None:
    node.advance(100)
    assert nodecheck.faults(node) == []


def test_a_node_that_answers_otherwise_is_found(node: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "feeds", lambda: [{"name": "x", "state": "sleepy", "last_at": None}])
    assert [fault.split(":")[0] for fault in nodecheck.faults(node)] == ["feeds"]


GETS = {
    "/api/v1/info": models.Info,
    "/api/v1/session": models.Who,
    "/api/v1/tracks?format=json": models.TrackList,
    "/api/v1/tracks/1000": models.Card,
    "/api/v1/alerts": list[models.Alert],
    "/api/v1/feeds": list[models.Feed],
    "/api/v1/partners": list[models.Partner],
    "/api/v1/releases": list[models_sharing.Release],
    "/api/v1/pending": list[models_sharing.Pending],
    "/api/v1/accords": list[models.Accord],
    "/api/v1/why?item=track:1000&to=JPN": models.Why,
    "/api/v1/withheld?viewpoint=KOR": list[models.Withheld],
    "/api/v1/zones": models.Features,
    "/api/v1/record": models.RecordStatus,
    "/api/v1/record/knew?party=JPN&at=2026-11-22T14:05:00Z": models_record.Knew,
    "/api/v1/users": list[models.UserRow],
    "/api/v1/audit": list[models.AuditRow],
    "/api/v1/counters": models.Counters,
}


@pytest.mark.parametrize("path", GETS)
def test_answers_are_of_the_shape_in_the_description(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    TypeAdapter(GETS[path]).validate_python(answer.json())


def test_the_description_is_openapi_3_1_and_whole(client: TestClient) -> None:
    text = client.get("/api/openapi.json").text
    document = json.loads(text)
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in re.findall(r'"\$ref": ?"([^"]+)"', text):
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    names = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names.append(operation["operationId"])
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
            good = [code for code in operation["responses"] if code.startswith("2")]
            assert len(good) == 1, (path, method)
            assert operation["responses"][good[0]]["content"], (path, method)
            for status in ("401", "403", "404", "422", "503"):
                assert "application/problem+json" in operation["responses"][status]["content"], (path, method)
            for parameter in operation.get("parameters", []):
                Draft202012Validator.check_schema(parameter["schema"])
    assert len(names) == len(set(names))


def test_what_a_limit_refuses_is_counted(client: TestClient) -> None:
    before = client.get("/api/v1/counters").json()
    client.post("/api/v1/dry-run", json={"accord": "x" * 5000})
    after = client.get("/api/v1/counters").json()
    assert after["api"]["bodies_refused"] == before["api"]["bodies_refused"] + 1
    assert after["operations"]["writes"] >= before["operations"]["writes"]


def test_without_a_page_a_text_says_how_to_build_it(client: TestClient) -> None:
    answer = client.get("/")
    assert "make page" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_a_built_page_is_served_under_the_same_policy(tmp_path: Path, node: StandIn) -> None:
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>K</title>")
    (page / "assets" / "a.js").write_text("export {}")
    with Operations(url_of(tmp_path), now_us=1) as operations:
        client = TestClient(create_app(node, operations, page_dir=page, passwords=CHEAP))
        assert "<title>K" in client.get("/").text
        script = client.get("/assets/a.js")
        assert "javascript" in script.headers["content-type"]
        assert script.headers["x-content-type-options"] == "nosniff"
        assert client.get("/../operations.db").status_code == 404
        assert client.get("/%2e%2e/operations.db").status_code == 404
        assert client.get("/api/v1/health").json() == {"status": "ok"}
