"""`kuroshio demo`: three nations' nodes and a simulated sea on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from kuroshio.cli import output
from kuroshio.errors import ConfigError

app = typer.Typer(add_completion=False)
CHECK_LIMIT_S = 40.0
PORTS = {"PHL": 8801, "JPN": 8802, "USA": 8803}


@app.command()
def demo(
    check: Annotated[
        bool, typer.Option("--check", help="Run for a bounded time, check the story, print JSON.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the sea.")] = 1,
    speed: Annotated[float, typer.Option("--speed", min=0.0, max=120.0, help="Seconds of the sea in a second.")] = 0.0,
    folder: Annotated[Path | None, typer.Option("--folder", help="Where to keep keys, data and logs.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
) -> None:
    """Run the nodes of PHL, JPN and USA against one simulated sea, until interrupted.

    With --check it runs without a browser for at most 40 s, checks that the dark ship is tracked by PHL, released to
    JPN coarsened under a named clause, withheld from a party without an agreement, recalled with a receipt, and that
    the records verify; it prints one JSON object and ends with 0 when all of that held.
    """
    place = folder or Path(tempfile.mkdtemp(prefix="kuroshio-demo-"))
    try:
        if check:
            result = asyncio.run(_check(place, seed=seed, speed=speed or 30.0))
            output.emit_json(result)
            raise typer.Exit(0 if result["held"] else 1)
        asyncio.run(_show(place, seed=seed, speed=speed or 10.0, no_open=no_open))
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


async def _check(place: Path, *, seed: int, speed: float) -> dict[str, Any]:
    from kuroshio.testing import demo as demos
    from kuroshio.testing import story

    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    plan = demos.prepare(place, seed=seed, speed=speed)
    async with demos.running(plan):
        findings = await story.check(plan, limit_s=CHECK_LIMIT_S - (loop.time() - begun_s))
    records = await story.verify_records(plan)
    failures = list(findings.pop("failures"))
    failures += [f"record of {p}: {r}" for p, r in records.items() if r["exit"] != 0]
    return {
        "held": not failures,
        "seed": seed,
        "speed": speed,
        **findings,
        "records": records,
        "failures": failures,
        "seconds": round(loop.time() - begun_s, 1),
    }


async def _show(place: Path, *, seed: int, speed: float, no_open: bool) -> None:
    import aiohttp

    from kuroshio.testing import demo as demos

    plan = demos.prepare(place, seed=seed, speed=speed, ports=_ports())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    output.say("starting three nodes and the sea ...")
    async with demos.running(plan), aiohttp.ClientSession() as session:
        for node in plan.nodes.values():
            await demos.up(session, node)
            output.say(f"  {node.party}  {node.address}")
        output.say(
            f"\nThe sea runs {speed:g} times as fast as the clock. What to look at:\n"
            "  PHL  north of Batanes a ship that only the radar holds: marked dark, with an alert and its evidence.\n"
            "  JPN  the same ship, as the arrangement lets it pass: a cell of 0.05 degrees, no sensor named.\n"
            "  PHL  Partner view > KOR: empty, and the reason for each item. Releases: recall one, see the receipt.\n"
            f"  then, in another terminal:  kuroshio record verify {place}/phl/data/record --keys {place}/phl/keys\n"
            "Ctrl-C ends it.\n"
        )
        if not no_open:
            with contextlib.suppress(webbrowser.Error):
                await asyncio.to_thread(webbrowser.open, plan.nodes["PHL"].address)
        watching = [asyncio.create_task(_ended(node)) for node in plan.nodes.values()]
        await asyncio.wait([asyncio.create_task(stop.wait()), *watching], return_when=asyncio.FIRST_COMPLETED)
        for node in plan.nodes.values():
            if not stop.is_set() and node.process is not None and node.process.returncode is not None:
                tail = (node.folder / "log.txt").read_text(errors="replace")[-1000:]
                raise ConfigError(f"the node of {node.party} ended:\n{tail}", code="demo.ended")


async def _ended(node: Any) -> None:
    await node.process.wait()


def _ports() -> dict[str, int]:
    """The usual ports where they are free, others where not."""
    import socket

    chosen = {}
    for party, port in PORTS.items():
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            chosen[party] = port
    return chosen
