"""Small pieces that all routes share: the node of a request, JSON answers, the viewpoint and its errors."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.responses import Response

from kuroshio.api.auth import Gate
from kuroshio.api.models import Problem
from kuroshio.errors import InputError
from kuroshio.node.views import NodeView

BASE = "/api/v1"

Viewpoint = Annotated[
    str | None,
    Query(
        max_length=32,
        pattern="^[A-Za-z0-9_.-]*$",
        description="Party whose view to compute, by the code that makes the release; absent: the node's own.",
    ),
]

KnownAt = Annotated[str | None, Query(description="RFC 3339: as it was known at this time", max_length=64)]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in {
        401: "Not signed in.",
        403: "The role does not allow it.",
        404: "No such thing, or not to be known.",
        422: "Request not of the promised form.",
        503: "A store or link refused.",
    }.items()
}


def node_of(request: Request) -> NodeView:
    """Node of the application."""
    node: NodeView = request.app.state.node
    return node


def gate_of(request: Request) -> Gate:
    """Gate of the application."""
    gate: Gate = request.app.state.gate
    return gate


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON response; what is not JSON by itself is written as text, a number that is not finite as null."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, default=_plain)
    return Response(text.encode("utf-8", "replace"), status, headers, media_type="application/json")


def party(viewpoint: str | None) -> str | None:
    """Viewpoint with the empty text as none."""
    return viewpoint or None


def check_time(text: str | None, place: str) -> str | None:
    """The time as given, once it is known to be RFC 3339; InputError that names the place."""
    from kuroshio.clock import parse_rfc3339

    if text is None or text == "":
        return None
    try:
        parse_rfc3339(text)
    except (InputError, OverflowError) as err:
        raise InputError(
            f"{place}: not an RFC 3339 time: {text!r}", code="input.time", advice="Write 2026-11-22T06:00:00Z."
        ) from err
    return text


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
