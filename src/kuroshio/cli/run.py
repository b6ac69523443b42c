"""`kuroshio run`: a node from its file, or from a recording alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from kuroshio.cli import output
from kuroshio.errors import ConfigError, StoreError

app = typer.Typer(add_completion=False)


@app.command()
def run(
    config: Annotated[Path | None, typer.Argument(help="Node file (TOML).", show_default=False)] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Recording to play instead of a node file.")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.0, help="Replay speed: 60 is an hour a minute.")] = 1.0,
    format_: Annotated[str, typer.Option("--format", help="Format of the recording; default by its content.")] = "",
    party: Annotated[str, typer.Option("--party", help="Party of the replaying node.")] = "XXX",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port of page and API.")] = 8800,
    data: Annotated[Path | None, typer.Option("--data", help="Folder to keep a replay's data in.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when every source is a file that has been read.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON summary at the end.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what the node does.")] = False,
) -> None:
    """Run a node until interrupted: sources in; picture, alerts, sharing and record out; page and API served."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    from kuroshio.node import config as node_config
    from kuroshio.node.node import Node

    if (config is None) == (replay is None):
        raise ConfigError("name a node file, or a recording with --replay, not both", advice="kuroshio run node.toml")
    if config is not None:
        settings = node_config.load(config)
    else:
        assert replay is not None
        folder = data or Path(tempfile.mkdtemp(prefix="kuroshio-replay-"))
        settings = node_config.from_dict(
            replay_document(replay, speed=speed, format_=format_, party=party, port=port, folder=folder),
            base=Path.cwd(),
        )
    node = Node(settings)
    summary = asyncio.run(_serve(node, once=once))
    if as_json:
        output.emit_json(summary)


async def _serve(node: Any, *, once: bool) -> dict[str, Any]:
    """Run a node with its page until a signal, its end, or its failure."""
    import signal

    from kuroshio.api import ApiSettings, create_app
    from kuroshio.api.serve import PAGE, bind, serving
    from kuroshio.store import ROLES

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    api = node.config.api
    sock = bind(api.host, api.port)
    service = await node.start()
    try:
        settings = ApiSettings(secure=api.certificate is not None, open_roles=() if api.sign_in else ROLES)
        app_ = create_app(service, node.parts.operations, page_dir=PAGE, settings=settings)
        async with serving(app_, sock, certificate=api.certificate, key=api.key) as address:
            output.say(f"{node.config.node.party} {node.config.node.name}: [bold]{address}[/]")
            while not stop.is_set() and node.failure is None and not (once and node.finished):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.25)
            summary: dict[str, Any] = node.summary()
    finally:
        await node.stop()
    if node.failure is not None:
        raise StoreError(f"the node stopped: {node.failure}", code="node.failed") from node.failure
    return summary


def replay_document(path: Path, *, speed: float, format_: str, party: str, port: int, folder: Path) -> dict[str, Any]:
    """Node document that plays one recording.

    Raises
    ------
    InputError
        When the recording's format cannot be told.
    """
    from kuroshio.sensing import formats

    chosen = format_ or formats.sniff(path)
    return {
        "node": {
            "party": party,
            "name": f"replay of {path.name}",
            "data": str(folder),
            "mode": "replay",
            "notice": "Recorded data, played again: this is not the present.",
        },
        "api": {"port": port, "sign_in": False},
        "peer": {"port": 0},
        "keys": str(folder / "keys"),
        "sources": [
            {
                "name": "recording",
                "format": chosen,
                "link": "replay",
                "path": str(path.resolve()),
                "speed": speed,
                "sensor": {"kind": "ais"},
            }
        ],
    }
