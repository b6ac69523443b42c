"""Serves an application on its port until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from kuroshio.api.app import server_config
from kuroshio.errors import LinkError

PAGE = Path(__file__).parent / "page"


def bind(host: str, port: int) -> socket.socket:
    """Bound socket, not yet listening: a taken port is one clear error at once, and nobody waits on a node not up.

    Raises
    ------
    LinkError
        When the address cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as err:
        sock.close()
        raise LinkError(
            f"cannot serve on {host}:{port}: {err.strerror or err}",
            code="api.listen",
            advice="Name another port in [api], or stop what uses it.",
        ) from err
    sock.setblocking(False)
    return sock


@contextlib.asynccontextmanager
async def serving(
    app: FastAPI, sock: socket.socket, *, certificate: Path | None = None, key: Path | None = None
) -> AsyncIterator[str]:
    """Serve while the context is open; yields the address."""
    config = server_config(app, certificate=certificate, key=key)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # the caller owns the signals
    task = asyncio.create_task(_serve(server, sock))
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    host, port = sock.getsockname()[:2]
    try:
        yield f"http{'s' if certificate else ''}://{host}:{port}/"
    finally:
        server.should_exit = True
        await task


async def _serve(server: uvicorn.Server, sock: socket.socket) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await server._serve([sock])
