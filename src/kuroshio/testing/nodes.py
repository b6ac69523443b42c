"""For tests of whole nodes: keys that trust one another, processes, a ship's report of now, asking and waiting.

What enters: folders, ships, conditions. What leaves: key folders, NMEA lines, or an AssertionError that says what
never came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from kuroshio import clock
from kuroshio.links.tls import KeyFolder
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.demo import DemoNode, up
from kuroshio.units import UtcMicros

Found = TypeVar("Found")
LOOK_EVERY_S = 0.2


def trusting_keys(folders: Mapping[str, Path], *, now_us: UtcMicros | None = None) -> dict[str, KeyFolder]:
    """Keys of parties in ``keys`` below each one's folder, made now or then, every one trusting all the others."""
    at_us = clock.now_us() if now_us is None else now_us
    hosts = ["127.0.0.1"]
    keys = {p: KeyFolder.make(f / "keys", p, now_us=at_us, hosts=hosts) for p, f in folders.items()}
    for party, folder in keys.items():
        for other, theirs in keys.items():
            if other != party:
                folder.trust(theirs.export())
    return keys


def report_now(mmsi: int, *, lat_deg: float = 20.0, lon_deg: float = 121.0, sog_mps: float = 0.0) -> bytes:
    """Sentence of a ship heading north, heard now."""
    at_s = clock.now_us() // 1_000_000
    line = encode_position(
        mmsi=mmsi, msg_type=1, lat_deg=lat_deg, lon_deg=lon_deg, sog_mps=sog_mps, cog_deg=0.0, heading_deg=0.0,
        nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s},
    )  # fmt: skip
    return line.strip() + b"\r\n"


async def begun(node: DemoNode) -> DemoNode:
    """The node of a folder with its ``node.toml``, in a process of its own that writes ``log.txt``."""
    command = [sys.executable, "-m", "kuroshio", "run", str(node.folder / "node.toml")]
    with (node.folder / "log.txt").open("ab") as log:
        node.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    async with aiohttp.ClientSession() as http:
        await up(http, node)
    return node


def ask(node: DemoNode, path: str, body: Any = None) -> Any:
    """JSON answer of a node without sign-in; a body is posted, bytes as they are."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
    headers = {"X-Kuroshio-Request": "1", "Content-Type": kind}
    request = urllib.request.Request(f"{node.address}api/v1/{path}", data=data, headers=headers)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


async def until(look: Callable[[], Found], what: str, *, limit_s: float = 60.0) -> Found:
    """What ``look`` gives once it is true; it is asked in a thread, for nodes of this process need the loop."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while loop.time() < end:
        found = await asyncio.to_thread(look)
        if found:
            return found
        await asyncio.sleep(LOOK_EVERY_S)
    raise AssertionError(f"never: {what}")
