"""kill -9 of a node while it takes bytes loses nothing it acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import aiohttp
import pytest

from kuroshio import clock
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.demo import DemoNode, end, free_port, get, up

NODE = """
keys = "keys"
[node]
party = "PHL"
name = "crash test"
[api]
port = {port}
sign_in = false
[[sources]]
name = "feed"
format = "aivdm"
link = "push"
"""


async def start(folder, port) -> DemoNode:
    node = DemoNode("PHL", folder, port, 0)
    log = (folder / "log.txt").open("ab")
    node.process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kuroshio", "run", str(folder / "node.toml"), stdout=log, stderr=log,
        env={**os.environ, "NUMBA_NUM_THREADS": "1"},
    )  # fmt: skip
    log.close()
    return node


def sentences(first: int, count: int) -> bytes:
    at_s = clock.now_us() // 1_000_000
    lines = []
    for mmsi in range(first, first + count):
        spread = (mmsi % 1000) * 0.01
        line = encode_position(
            mmsi=mmsi, msg_type=1, lat_deg=15.0 + spread, lon_deg=118.0 + spread, sog_mps=5.0, cog_deg=90.0,
            heading_deg=90.0, nav_status=0, utc_second=at_s % 60, tag_block={"c": at_s},
        )  # fmt: skip
        lines.append(line.strip())
    return b"\r\n".join(lines) + b"\r\n"


async def push_until_killed(session, node, acknowledged: list[int], first: int) -> None:
    """Push batches as fast as they are acknowledged; what has its answer counts."""
    at = first
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        while True:
            async with session.post(
                f"{node.address}api/v1/push/feed", data=sentences(at, 20), headers={"X-Kuroshio-Request": "1"}
            ) as answer:
                if answer.status != 202:
                    return
                acknowledged.extend(range(at, at + 20))
            at += 20


@pytest.mark.slow
async def test_what_was_acknowledged_survives_kill_minus_nine(tmp_path):
    port = free_port()
    (tmp_path / "node.toml").write_text(NODE.format(port=port))
    acknowledged: list[int] = []
    timeout = aiohttp.ClientTimeout(total=20.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for round_ in range(3):
            node = await start(tmp_path, port)
            try:
                await up(session, node)
                pushing = asyncio.create_task(
                    push_until_killed(session, node, acknowledged, 200_000_001 + round_ * 100_000)
                )
                before = len(acknowledged)
                while len(acknowledged) - before < 100 * (round_ + 1):
                    assert not pushing.done(), (tmp_path / "log.txt").read_text()[-2000:]
                    await asyncio.sleep(0.01)
                node.process.send_signal(signal.SIGKILL)
                await node.process.wait()
                await pushing
            finally:
                await end(node, how=signal.SIGKILL)
        node = await start(tmp_path, port)
        try:
            await up(session, node)
            rows = (await get(session, node, "tracks", format="json"))["tracks"]
            info = await get(session, node, "info")
        finally:
            await end(node)
    assert len(acknowledged) >= 600
    lost = set(acknowledged) - {row["mmsi"] for row in rows}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged reports are gone"
    assert info["counts"]["replayed_entries"] > 0
    assert node.process.returncode == 0
