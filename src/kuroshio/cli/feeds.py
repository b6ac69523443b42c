"""`kuroshio feeds`: the health of a running node's sources, for a person or a monitoring program."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from kuroshio.cli import output
from kuroshio.errors import AuthError, ConfigError, LinkError

app = typer.Typer(add_completion=False)
TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16_000_000
TOKEN_VARIABLE = "KUROSHIO_TOKEN"  # noqa: S105  (a name, not a token)


@app.command()
def feeds(
    url: Annotated[str, typer.Option("--url", help="Address of the node.")] = "http://127.0.0.1:8800",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help=f"File with a token; else the variable {TOKEN_VARIABLE}.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show each source of a running node: state, rate and norm, rejects, clock. Exit code 1 when one is in alarm."""
    rows = read_feeds(url, token_of(token_file))
    alarms = [row["name"] for row in rows if row.get("alarm")]
    if as_json:
        output.emit_json({"feeds": rows, "alarms": alarms})
    else:
        header = ["source", "state", "last s", "/min", "norm", "rejects", "clock s", "what"]
        output.print_table("feeds", header, [cells(row) for row in rows])
    if alarms:
        output.say(f"in alarm: {', '.join(alarms)}")
        raise typer.Exit(1)


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


def read_feeds(url: str, token: str) -> list[dict[str, Any]]:
    """Rows of `GET /api/v1/feeds`.

    Raises
    ------
    ConfigError
        When the address is none.
    AuthError
        When the node wants a token, or a better one.
    LinkError
        When it does not answer, or is no node.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"not an address of a node: {url!r}", code="feeds.url", advice="Write http://127.0.0.1:8800.")
    request = urllib.request.Request(  # noqa: S310  (http or https, checked above)
        url.rstrip("/") + "/api/v1/feeds", headers={"Authorization": f"Bearer {token}"} if token else {}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            rows = json.loads(answer.read(ANSWER_BYTES_MAX))
    except urllib.error.HTTPError as err:
        if err.code in (401, 403):
            raise AuthError(
                f"{url} answers {err.code}", advice=f"Give a token with --token-file or {TOKEN_VARIABLE}."
            ) from err
        raise LinkError(f"{url} answers {err.code}", code="feeds.answer") from err
    except (OSError, ValueError) as err:
        raise LinkError(f"{url} does not answer: {getattr(err, 'reason', err)}", code="feeds.answer",
                        advice="Is the node running, at this address?") from err  # fmt: skip
    if not isinstance(rows, list):
        raise LinkError(f"{url} is not a node", code="feeds.answer")
    return rows


def cells(row: dict[str, Any]) -> list[Any]:
    """One line of the table for a person."""
    figures = (row.get("age_s"), row.get("rate_per_min"), row.get("norm_per_min"))
    share, offset = row.get("reject_share"), row.get("clock_offset_s")
    limits = ", ".join(f"{name} {count}" for name, count in (row.get("limits") or {}).items())
    told = "; ".join(text for text in (row.get("detail"), limits) if text)
    return [
        escape(row["name"]),
        f"[bold]{row['state'].upper()}[/]" if row.get("alarm") else row["state"],
        *(None if figure is None else f"{figure:.0f}" for figure in figures),
        None if share is None else f"{100 * share:.1f} %",
        None if offset is None else f"{offset:+.1f}",
        escape(told),
    ]
