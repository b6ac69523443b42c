"""For tests of whole nodes: keys that trust one another, a ship's report of now, and waiting for what must come.

What enters: folders, ships, conditions. What leaves: key folders, NMEA lines, or an AssertionError that says what
never came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from kuroshio import clock
from kuroshio.links.tls import KeyFolder
from kuroshio.sensing.ais import encode_position

Found = TypeVar("Found")
LOOK_EVERY_S = 0.2


def trusting_keys(folders: Mapping[str, Path]) -> dict[str, KeyFolder]:
    """Keys of parties in ``keys`` below each one's folder, every one trusting all the others."""
    hosts = ["127.0.0.1"]
    keys = {p: KeyFolder.make(f / "keys", p, now_us=clock.now_us(), hosts=hosts) for p, f in folders.items()}
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
