"""`kuroshio operate`: a watch officer's action on tracks of a running node, or noted for an archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kuroshio import clock
from kuroshio.cli import output
from kuroshio.cli.asking import HERE, TokenFile, Url, ask, token_of
from kuroshio.errors import ConfigError, InputError

app = typer.Typer(add_completion=False)


@app.command()
def operate(
    action: Annotated[
        str,
        typer.Argument(help="merge, split, correlate, decorrelate, name, classify, drop, undo; or list what was done."),
    ],
    tracks: Annotated[list[int] | None, typer.Argument(help="Track numbers; for undo, the action's number.")] = None,
    mmsi: Annotated[int | None, typer.Option("--mmsi", help="MMSI, to correlate a track with it.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name to give.")] = None,
    ship_type: Annotated[int | None, typer.Option("--ship-type", help="Type of ship, 0 to 255.")] = None,
    url: Url = HERE,
    token_file: TokenFile = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Note it in this JSON file, for `kuroshio track --operations`.")
    ] = None,
    at: Annotated[str, typer.Option("--at", help="Time in the archive, RFC 3339.")] = "",
    by: Annotated[str, typer.Option("--by", help="Who does it, in an archive.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Act on tracks (merge, split, correlate, decorrelate, name, classify, drop, undo), or `list` what was done."""
    if archive is not None:
        done = _note(archive, action, _arguments(action, tracks or [], mmsi, name, ship_type), at=at, by=by)
    elif action == "list":
        rows = ask(url, "operations", token_of(token_file))
        if as_json:
            output.emit_json({"operations": rows})
            return
        cells = [[r["operation"], r["at"], r["by"], r["action"], r["track_ids"], r["undone_by"]] for r in rows]
        output.print_table("operations", ["number", "at", "by", "action", "tracks", "undone by"], cells)
        return
    else:
        body = {"action": action, "arguments": _arguments(action, tracks or [], mmsi, name, ship_type)}
        done = ask(url, "operate", token_of(token_file), body)
    if as_json:
        output.emit_json(done)
    else:
        output.print_table("done", ["what", "value"], [[k, v] for k, v in done.items()])


def _arguments(
    action: str, tracks: list[int], mmsi: int | None, name: str | None, ship_type: int | None
) -> dict[str, Any]:
    if action == "undo":
        if len(tracks) != 1:
            raise InputError("undo takes the number of one action", code="operate.operation")
        return {"operation": tracks[0]}
    given = {"mmsi": mmsi, "name": name, "ship_type": ship_type}
    return {"track_ids": tracks, **{k: v for k, v in given.items() if v is not None}}


def _note(path: Path, action: str, arguments: dict[str, Any], *, at: str, by: str) -> dict[str, Any]:
    """Append an action to the file of an archive; they are done in order of their times."""
    from kuroshio.picture.operate import ACTIONS

    if action not in ACTIONS:
        raise InputError(f"no action {action!r}; there are {', '.join(ACTIONS)}", code="operate.action")
    if not arguments.get("track_ids", True):
        raise InputError(f"{action} takes the number of a track", code="operate.track_ids")
    if not at or not by:
        raise ConfigError("an action in an archive needs --at and --by", code="operate.archive")
    row = {"at": clock.rfc3339(clock.parse_rfc3339(at)), "by": by, "action": action, "arguments": arguments}
    try:
        rows = json.loads(path.read_text()) if path.is_file() else []
        if not isinstance(rows, list):
            raise ConfigError(f"{path} holds no list of actions", code="operate.archive")
        path.write_text(json.dumps([*rows, row], indent=1) + "\n")
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path}: {err}", code="operate.archive") from err
    return row
