"""The WebSocket of the live picture."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from kuroshio.api.access import socket_caller
from kuroshio.api.auth import PICTURE
from kuroshio.api.live import OWN_KINDS, Client, Live
from kuroshio.api.reply import BASE
from kuroshio.errors import AuthError, KuroshioError

router = APIRouter(prefix=BASE)

RECHECK_S = 10.0  # how often a stream's session is looked at again
CLOSE_REQUIRED, CLOSE_DENIED, CLOSE_UNKNOWN, CLOSE_FAILED = 4401, 4403, 4404, 4500  # RFC 6455 7.4.2: private use


@router.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    """Snapshot, then differences as they come; closed with 4401 when the session ends, 4403 or 4404 on refusal."""
    await websocket.accept()
    try:
        await socket_caller(websocket, PICTURE)
        viewpoint = websocket.query_params.get("viewpoint") or None
        live: Live = websocket.app.state.live
        if viewpoint is not None and not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", viewpoint):
            await websocket.close(CLOSE_UNKNOWN, "view.unknown")
            return
        await asyncio.to_thread(live.node.snapshot, viewpoint)  # refuses an unknown party before anything is set up
        client = Client(live, viewpoint, OWN_KINDS)
    except KuroshioError as err:
        await websocket.close(_close_code(err), err.error_code)
        return
    sending = asyncio.create_task(_send(websocket, client))
    try:
        while True:
            await websocket.receive()  # nothing is expected; this notices the client's going
            if websocket.client_state.name == "DISCONNECTED":
                break
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()


stream.roles = PICTURE  # type: ignore[attr-defined]  # read by access.roles_of


async def _send(websocket: WebSocket, client: Client) -> None:
    loop = asyncio.get_running_loop()
    checked = loop.time()
    try:
        await _send_all(websocket, await client.start())
        while True:
            await _send_all(websocket, await client.next())
            if loop.time() - checked >= RECHECK_S:
                checked = loop.time()
                await socket_caller(websocket, PICTURE)
    except KuroshioError as err:
        await websocket.close(_close_code(err), err.error_code)
    except (WebSocketDisconnect, RuntimeError):
        return


async def _send_all(websocket: WebSocket, frames: list[Any]) -> None:
    for frame in frames:
        if isinstance(frame, bytes):
            await websocket.send_bytes(frame)
        else:
            await websocket.send_text(frame)


def _close_code(error: KuroshioError) -> int:
    if isinstance(error, AuthError):
        return CLOSE_REQUIRED if error.error_code in ("auth.required", "auth.session") else CLOSE_DENIED
    return CLOSE_UNKNOWN if error.http_status == 404 else CLOSE_FAILED
