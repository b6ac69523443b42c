"""The one problem shape: every failed request answers with RFC 9457 problem details, whatever failed.

Enters: an exception. Leaves: ``application/problem+json`` with type, title, status, detail, instance, code and
advice. An exception that is not of `kuroshio.errors` says nothing of its cause to the caller.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from kuroshio.errors import KuroshioError

LOG = logging.getLogger("kuroshio.api")
MEDIA_TYPE = "application/problem+json"

# codes whose HTTP status is finer than that of their class
STATUS_OF_CODE = {
    "auth.required": 401,
    "auth.session": 401,
    "auth.password": 401,
    "auth.rate": 429,
    "api.body_size": 413,
    "link.inflated": 413,
    "link.encoding": 415,
    "api.body_late": 408,
    "user.exists": 409,
    "store.conflict": 409,
}
TITLES = {
    "api.method": "Method not allowed",
    "api.route": "No such path",
    "api.input": "Request not of the promised form",
    "api.failed": "Failure of the node",
}


def problem(
    status: int,
    code: str,
    detail: str,
    advice: str,
    *,
    instance: str,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Response of one problem."""
    try:
        title = TITLES.get(code) or HTTPStatus(status).phrase
    except ValueError:
        title = "Failure"
    body: dict[str, Any] = {
        "type": f"urn:kuroshio:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "advice": advice,
    }
    if errors is not None:
        body["errors"] = errors
    text = json.dumps(body, ensure_ascii=False)
    return Response(text.encode("utf-8", "replace"), status, headers, media_type=MEDIA_TYPE)


def of_error(error: KuroshioError, *, instance: str) -> Response:
    """Response of an error of the tree."""
    status = STATUS_OF_CODE.get(error.error_code, error.http_status)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    retry_s = getattr(error, "retry_after_s", None)
    if retry_s is not None:
        headers["Retry-After"] = str(int(retry_s))
    return problem(
        status, error.error_code, error.message, error.error_advice, instance=instance, headers=headers or None
    )


def install(app: FastAPI) -> None:
    """Give an application the handlers that make every failure a problem."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, KuroshioError)
        if error.http_status >= 500:
            LOG.error("%s %s: %s", request.method, request.url.path, error)
        return of_error(error, instance=request.url.path)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = {404: "api.route", 405: "api.method"}.get(error.status_code, "api.refused")
        advice = "GET /api/openapi.json lists every path and method."
        headers = dict(error.headers) if error.headers else None
        text = str(error.detail)
        return problem(error.status_code, code, text, advice, instance=request.url.path, headers=headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [
            {"place": ".".join(str(part) for part in fault["loc"]), "message": fault["msg"], "value": _shown(fault)}
            for fault in error.errors()[:20]
        ]
        first = errors[0]
        detail = f"{first['place']}: {first['message']}"
        advice = "Correct the named places; /api/openapi.json describes the request."
        return problem(422, "api.input", detail, advice, instance=request.url.path, errors=errors)

    async def unknown(request: Request, error: Exception) -> Response:
        LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        advice = "Try again; if it stays, give the administrator the time of this request."
        return problem(500, "api.failed", "the node could not answer", advice, instance=request.url.path)

    app.add_exception_handler(KuroshioError, known)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unknown)


def _shown(fault: Any) -> Any:
    """The offending value as short text, without any password in or around it."""
    if "password" in fault["loc"]:
        return None
    value = fault.get("input")
    if isinstance(value, dict) and "password" in value:
        value = {**value, "password": None}
    text = json.dumps(value, ensure_ascii=True, default=lambda other: type(other).__name__)
    return text if len(text) <= 200 else text[:200] + "..."
