"""Assembles the HTTP and WebSocket application of a node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response
from starlette.staticfiles import StaticFiles

from kuroshio import __version__
from kuroshio.api import problems
from kuroshio.api.access import check_every_route
from kuroshio.api.auth import Gate
from kuroshio.api.intake import DeadlineProtocol, Intake
from kuroshio.api.live import Live
from kuroshio.api.passwords import Passwords
from kuroshio.api.routes import accords, books, export, picture, rules, session, sharing, sightings, stream
from kuroshio.api.settings import ApiSettings
from kuroshio.api.shield import Shield
from kuroshio.node.views import NodeView
from kuroshio.store import Operations

DESCRIPTION = """One maritime picture, its alerts, and what may be shared with whom.

Sign in with `POST /api/v1/session` (a cookie) or send `Authorization: Bearer TOKEN`. With a cookie every request
that changes something needs the header `X-Kuroshio-Request: 1`. Failures are RFC 9457 problems with a stable `code`.
The roles that may use a path are listed there as `x-kuroshio-roles`.
"""


ROUTERS = (
    session.router,
    picture.router,
    sharing.router,
    accords.router,
    books.router,
    rules.router,
    sightings.router,
    export.router,
    stream.router,
)

NO_PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Kuroshio</title>
<h1>Kuroshio runs; its page is not built</h1>
<p>The API answers under <code>/api/v1</code>; <a href="/api/openapi.json">its description</a>.</p>
<p>To build the page install Node.js 20.19 or newer, run <code>make page</code> in the checkout and start again.</p>
</html>"""


def create_app(
    node: NodeView,
    operations: Operations,
    *,
    page_dir: Path | None = None,
    settings: ApiSettings | None = None,
    passwords: Passwords | None = None,
) -> FastAPI:
    """Application that serves a node.

    The node's cheap reading methods are called in the event loop of the server; those that wait for the disk or change
    something are called in threads.

    Parameters
    ----------
    node
        What is served.
    operations
        Store of users, sessions and the audit log.
    page_dir
        Folder of the built page; None, or a folder without index.html, serves a text that says how to build it.
    settings
        Limits.
    passwords
        Cost of password hashes.
    """
    chosen = settings or ApiSettings()
    live = Live(node, queue_limit=chosen.queue_limit, heartbeat_s=chosen.heartbeat_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await live.close()

    app = FastAPI(
        title="Kuroshio",
        version=__version__,
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.node = node
    app.state.live = live
    app.state.counts = {"bodies_refused": 0}
    app.state.intake = Intake(chosen, app.state.counts)
    app.state.gate = Gate(operations, chosen, passwords or Passwords())
    problems.install(app)
    for router in ROUTERS:
        check_every_route(router.routes)
        app.include_router(router)
    _serve_page(app, page_dir)
    app.add_middleware(
        Shield,
        body_limit=chosen.body_limit,
        push_limit=chosen.push_limit,
        secure=chosen.secure,
        counts=app.state.counts,
    )
    return app


def server_config(
    app: FastAPI, *, host: str = "127.0.0.1", port: int = 0, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Config:
    """Configuration of the server: no compression of frames (they are dense already), bounded frames and sockets.

    Parameters
    ----------
    app
        From `create_app`; with a certificate its settings should say ``secure``.
    host, port
        Where to listen, unless the server is given a socket; port 0 takes a free one.
    certificate, key
        PEM files; without them plain HTTP, for a loopback address or behind a proxy that speaks TLS.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        http=DeadlineProtocol,
        ws_per_message_deflate=False,
        ws_max_size=65_536,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        limit_concurrency=2048,
        ssl_certfile=str(certificate) if certificate else None,
        ssl_keyfile=str(key) if key else None,
    )


def _serve_page(app: FastAPI, page_dir: Path | None) -> None:
    if page_dir is not None and (page_dir / "index.html").is_file():
        app.mount("/", StaticFiles(directory=page_dir, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    async def no_page() -> Response:
        return Response(NO_PAGE, media_type="text/html; charset=utf-8")
