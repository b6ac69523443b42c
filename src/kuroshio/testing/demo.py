"""The demonstration: a simulated sea in this process and three nations' nodes beside it, each a process of its own.

What enters: a seed, a speed, a folder. What leaves: running nodes with real keys, real sockets and mutual TLS, and a
clean end. Nothing here is used by a node: they only see bytes on their sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from kuroshio import clock
from kuroshio.errors import LinkError
from kuroshio.links.tls import KeyFolder
from kuroshio.testing import sea as seas

PARTIES = ("PHL", "JPN", "USA")
NAMES = {"PHL": "Manila (demo)", "JPN": "Yokohama (demo)", "USA": "Honolulu (demo)"}
CENTERS = {"PHL": ([121.9, 20.2], 6.8), "JPN": ([122.8, 22.3], 6.0), "USA": ([122.0, 21.0], 5.4)}
START = "2026-11-22T00:00:00Z"
NOTICE = "Simulated sea. Sample agreements are illustrative readings, not the text of any agreement."
HOST = "127.0.0.1"


@dataclass
class DemoNode:
    """One nation's node as the demonstration runs it."""

    party: str
    folder: Path
    api_port: int
    peer_port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """Where its page is."""
        return f"http://{HOST}:{self.api_port}/"


@dataclass
class Demo:
    """A prepared demonstration."""

    folder: Path
    seed: int
    speed: float
    sea: seas.Sea
    nodes: dict[str, DemoNode]
    wall_start_us: int
    udp_ports: dict[str, int]
    stop: asyncio.Event = field(default_factory=asyncio.Event)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Port that is free on loopback now."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def prepare(folder: Path, *, seed: int, speed: float, ports: Mapping[str, int] | None = None) -> Demo:
    """Keys, trust and places of three nodes; nothing runs yet."""
    sea = seas.Sea(seed, start_us=clock.parse_rfc3339(START), scenario=seas.PHILIPPINE_SEA)
    nodes = {}
    keys = {}
    for party in PARTIES:
        place = folder / party.lower()
        place.mkdir(parents=True, exist_ok=True)
        api = (ports or {}).get(party) or free_port()
        nodes[party] = DemoNode(party, place, api, free_port())
        kept = place / "keys"
        keys[party] = (
            KeyFolder(kept)
            if (kept / "party.json").exists()
            else KeyFolder.make(kept, party, now_us=clock.now_us(), hosts=[HOST])
        )
    for party in PARTIES:
        for other in PARTIES:
            if other != party:
                keys[party].trust(keys[other].export())
    udp = {s.name: free_port(socket.SOCK_DGRAM) for s in sea.scenario.sources if s.transport == "udp"}
    return Demo(folder, seed, speed, sea, nodes, clock.now_us(), udp)


def node_file(demo: Demo, party: str, ports: Mapping[str, int]) -> Path:
    """Write a node's file; its zones come with it."""
    node = demo.nodes[party]
    center, zoom = CENTERS[party]
    zone = demo.sea.story()["zone"]
    zone = {**zone, "properties": {**zone["properties"], "kind": "reserve"}}
    (node.folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [zone]}))
    lines = [
        'keys = "keys"',
        "[node]",
        f'party = "{party}"',
        f'name = "{NAMES[party]}"',
        'data = "data"',
        'mode = "simulated"',
        f'notice = "{NOTICE}"',
        "[clock]",
        f'start = "{clock.rfc3339(demo.sea.start_us)}"',
        f"speed = {demo.speed}",
        f'wall_start = "{clock.rfc3339(demo.wall_start_us)}"',
        "[api]",
        f"port = {node.api_port}",
        "sign_in = false",
        "[peer]",
        f"port = {node.peer_port}",
        "[map]",
        f"center = {center}",
        f"zoom = {zoom}",
        "[accords]",
        "samples = true",
        "[behaviour]",
        'zones = "zones.geojson"',
    ]
    for other in PARTIES:
        if other != party:
            lines += ["[[partners]]", f'party = "{other}"', f'url = "https://{HOST}:{demo.nodes[other].peer_port}"']
    for spec in demo.sea.scenario.sources:
        if spec.party == party:
            lines += source_lines(spec, ports[spec.name], quiet_s=120.0 if spec.sensor["kind"] != "image" else 7200.0)
    lines += ["[[sources]]", 'name = "sightings"', 'format = "sighting"', 'link = "push"']
    lines += ["[sources.sensor]", 'kind = "human"']
    path = node.folder / "node.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def source_lines(spec: seas.SourceSpec, port: int, *, quiet_s: float) -> list[str]:
    """TOML of one source."""
    level = "R" if spec.sensor["kind"] in ("radar", "image") else "U"
    lines = [
        "[[sources]]",
        f'name = "{spec.name}"',
        f'format = "{spec.format}"',
        f'link = "{spec.transport}"',
        f'host = "{HOST}"',
        f"port = {port}",
        f'level = "{level}"',
        f"quiet_s_max = {quiet_s}",
    ]
    if spec.options:
        lines.append("[sources.options]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in spec.options.items()]
    lines.append("[sources.sensor]")
    lines += [f"{name} = {json.dumps(value)}" for name, value in spec.sensor.items()]
    return lines


@contextlib.asynccontextmanager
async def running(demo: Demo, *, quiet: bool = True) -> Any:
    """The sea and the three nodes, up while the context is open; all are stopped at its end."""
    ready: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
    demo.wall_start_us = clock.now_us()
    wanted = {s.name: demo.udp_ports.get(s.name, 0) for s in demo.sea.scenario.sources}
    playing = asyncio.create_task(
        seas.serve(
            demo.sea,
            ports=wanted,
            speed=demo.speed,
            wall_start_us=demo.wall_start_us,
            stop=demo.stop,
            ready=ready,
        )
    )
    try:
        ports = await asyncio.wait_for(asyncio.shield(ready), 10.0)
        for node in demo.nodes.values():
            await start(demo, node, node_file(demo, node.party, ports), quiet=quiet)
        yield demo
    finally:
        demo.stop.set()
        for node in demo.nodes.values():
            await end(node)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(playing, 5.0)


async def start(demo: Demo, node: DemoNode, file: Path, *, quiet: bool) -> None:
    """Start a node as a process of its own; what it says goes to its log."""
    log = (node.folder / "log.txt").open("ab")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    node.process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "kuroshio",
        "run",
        str(file),
        stdout=log if quiet else None,
        stderr=log if quiet else None,
        env=environment,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    log.close()
    del demo


def _end_with_parent() -> None:
    """Ask Linux to end the node when the demonstration is killed (prctl PR_SET_PDEATHSIG, value 1)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


async def end(node: DemoNode, *, how: signal.Signals = signal.SIGTERM) -> None:
    """Stop a node's process and wait for it."""
    if node.process is None or node.process.returncode is not None:
        return
    node.process.send_signal(how)
    try:
        await asyncio.wait_for(node.process.wait(), 8.0)
    except TimeoutError:
        node.process.kill()
        await node.process.wait()


async def get(session: aiohttp.ClientSession, node: DemoNode, path: str, **query: str) -> Any:
    """JSON that a node's API answers.

    Raises
    ------
    LinkError
        When it does not answer, or answers with a problem.
    """
    try:
        async with session.get(f"{node.address}api/v1/{path}", params=query) as answer:
            if answer.status >= 400:
                raise LinkError(f"{node.party} {path}: {answer.status} {(await answer.text())[:300]}")
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError) as err:
        raise LinkError(f"{node.party} {path}: {err}", code="demo.no_answer") from err


async def post(session: aiohttp.ClientSession, node: DemoNode, path: str, body: dict[str, Any]) -> Any:
    """JSON that a node's API answers to a POST."""
    try:
        async with session.post(
            f"{node.address}api/v1/{path}", json=body, headers={"X-Kuroshio-Request": "1"}
        ) as answer:
            if answer.status >= 400:
                raise LinkError(f"{node.party} {path}: {answer.status} {(await answer.text())[:300]}")
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError) as err:
        raise LinkError(f"{node.party} {path}: {err}", code="demo.no_answer") from err


async def up(session: aiohttp.ClientSession, node: DemoNode, *, limit_s: float = 60.0) -> None:
    """Wait until a node answers.

    Raises
    ------
    LinkError
        When its process has ended, or it does not answer in time; quotes its log.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + limit_s
    while loop.time() < until:
        if node.process is not None and node.process.returncode is not None:
            break
        with contextlib.suppress(LinkError):
            await get(session, node, "health")
            return
        await asyncio.sleep(0.1)
    log = (node.folder / "log.txt").read_text(errors="replace")[-1500:]
    raise LinkError(f"the node of {node.party} did not come up:\n{log}", code="demo.not_up")
