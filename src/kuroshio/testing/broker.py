"""A real MQTT broker (Debian's mosquitto) on loopback, started and killed by a test.

What enters: a folder. What leaves: a port, and an end to it. The broker keeps no data on disk unless asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin"
START_S = 10.0


def mosquitto() -> str | None:
    """Program of the broker, None where it is not installed."""
    return shutil.which("mosquitto", path=PLACES)


def mosquitto_user(folder: Path, user: str, key: str) -> Path:
    """Password file of one user, readable by its owner only."""
    import subprocess

    path = folder / "passwords"
    path.touch(mode=0o600)
    program = shutil.which("mosquitto_passwd", path=PLACES) or "mosquitto_passwd"
    subprocess.run([program, "-b", str(path), user, key], check=True, capture_output=True)  # noqa: S603
    return path


@contextlib.asynccontextmanager
async def broker(
    folder: Path, port: int, *, websocket_port: int | None = None, passwords: Path | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A broker that listens on a port while the context is open."""
    lines = [f"listener {port} 127.0.0.1", f"allow_anonymous {'false' if passwords else 'true'}", "persistence true",
             f"persistence_location {folder}/", "autosave_interval 1", "user root"]  # fmt: skip
    if passwords:
        lines.append(f"password_file {passwords}")
    if websocket_port is not None:
        lines += [f"listener {websocket_port} 127.0.0.1", "protocol websockets"]
    settings = folder / "mosquitto.conf"
    settings.write_text("\n".join(lines) + "\n")
    program = mosquitto()
    assert program, "mosquitto is not installed"
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(settings), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_S):
            while process.returncode is None:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                    break
                await asyncio.sleep(0.02)
        assert process.returncode is None, "mosquitto ended at once"
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
