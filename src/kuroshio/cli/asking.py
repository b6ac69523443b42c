"""Questions to a running node by its API, for the commands that ask one."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from kuroshio.errors import AuthError, ConfigError, InputError, LinkError, NotFound, StoreError

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 64_000_000
TOKEN_VARIABLE = "KUROSHIO_TOKEN"  # noqa: S105  (a name, not a token)

Url = Annotated[str, typer.Option("--url", help="Address of the node.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help=f"File with a token; else the variable {TOKEN_VARIABLE}.")
]
HERE = "http://127.0.0.1:8800"


def token_of(file: Path | None) -> str:
    """Token of a file or the environment; empty for a node without sign-in.

    Raises
    ------
    ConfigError
        When the file cannot be read.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"token file {file} cannot be read", code="feeds.token") from err


def ask(url: str, path: str, token: str, body: dict[str, Any] | None = None) -> Any:
    """JSON answer of a node to a question, or to what is posted; raises as `fetch`."""
    data = fetch(url, path, token, body)
    try:
        return json.loads(data)
    except ValueError as err:
        raise _silent(url, err) from err


def fetch(
    url: str, path: str, token: str, body: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S
) -> bytes:
    """Bytes that a node answers to a question, or to what is posted.

    Raises
    ------
    ConfigError
        When the address is none.
    AuthError
        When the node wants a token, or a better one.
    NotFound, InputError
        When the node says so.
    StoreError
        When its disk or database refuses what was asked.
    LinkError
        When it does not answer, or is no node.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"not an address of a node: {url!r}", code="feeds.url", advice=f"Write {HERE}.")
    headers = {"Authorization": f"Bearer {token}"} if token else {"X-Kuroshio-Request": "1"}
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(  # noqa: S310  (http or https, checked above)
        f"{url.rstrip('/')}/api/v1/{path}", data=data, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return bytes(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as err:
        raise _refused(url, err) from err
    except (OSError, ValueError) as err:
        raise _silent(url, err) from err


def _silent(url: str, err: Exception) -> LinkError:
    said = f"{url} does not answer: {getattr(err, 'reason', err)}"
    return LinkError(said, code="feeds.answer", advice="Is the node running, at this address?")


def _refused(url: str, err: urllib.error.HTTPError) -> Exception:
    if err.code in (401, 403):
        return AuthError(f"{url} answers {err.code}", advice=f"Give a token with --token-file or {TOKEN_VARIABLE}.")
    try:
        problem = json.loads(err.read(1_000_000))
        detail, code = str(problem["detail"]), str(problem["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return LinkError(f"{url} answers {err.code}", code="feeds.answer")
    if code.startswith("store."):
        return StoreError(detail, code=code, advice=str(problem.get("advice") or "") or None)
    if err.code == 404:
        return NotFound(detail, code=code)
    return InputError(detail, code=code) if err.code < 500 else LinkError(detail, code=code)
