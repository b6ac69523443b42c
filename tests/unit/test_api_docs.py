"""The reference pages name every route, role, limit and error code of the API as they are.

`python tests/unit/test_api_docs.py` prints the tables to put into the pages.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from kuroshio.api import ApiSettings, Passwords, create_app
from kuroshio.api.access import PUBLIC
from kuroshio.store import ROLES
from kuroshio.testing.standin import StandIn

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
SOURCE = Path(__file__).resolve().parents[2] / "src" / "kuroshio"


def operations() -> list[tuple[str, str, dict[str, object]]]:
    app = create_app(StandIn(ships=1), None, passwords=Passwords())  # type: ignore[arg-type]
    return [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def route_table() -> str:
    rows = ["| request | what | roles |", "|---|---|---|"]
    for method, path, operation in operations():
        roles = "anyone" if (method, path) in PUBLIC else ", ".join(operation["x-kuroshio-roles"])  # type: ignore[arg-type]
        rows.append(f"| `{method} {path.removeprefix('/api/v1')}` | {operation['summary']} | {roles} |")
    return "\n".join(rows)


def role_table() -> str:
    rows = ["| request | " + " | ".join(ROLES) + " |", "|---" * (len(ROLES) + 1) + "|"]
    for method, path, operation in operations():
        if (method, path) not in PUBLIC:
            marks = ["x" if role in operation["x-kuroshio-roles"] else "" for role in ROLES]  # type: ignore[operator]
            rows.append(f"| `{method} {path.removeprefix('/api/v1')}` | " + " | ".join(marks) + " |")
    return "\n".join(rows)


def test_the_page_of_the_api_lists_every_route_with_its_roles() -> None:
    assert route_table() in (REFERENCE / "api.md").read_text()


def test_the_page_of_the_roles_shows_what_each_may() -> None:
    assert role_table() in (REFERENCE / "roles.md").read_text()


def test_every_limit_is_documented() -> None:
    text = (REFERENCE / "api.md").read_text()
    for field in dataclasses.fields(ApiSettings):
        assert f"`{field.name}`" in text, field.name


def test_every_error_code_of_store_bus_and_api_is_documented() -> None:
    text = "".join((REFERENCE / name).read_text() for name in ("api.md", "store.md"))
    for room in ("api", "store", "bus"):
        for path in (SOURCE / room).rglob("*.py"):
            for code in re.findall(r'code(?:: ClassVar\[str\])? ?= ?"([a-z_]+\.[a-z_]+)"', path.read_text()):
                assert f"`{code}`" in text, (code, path.name)


if __name__ == "__main__":
    print(route_table(), role_table(), sep="\n\n")
