"""The story the demonstration tells, checked from outside: over the APIs, against the truth of the sea.

What enters: running nodes and the sea. What leaves: one dict of findings with ``held``; nothing is assumed that a user
could not see. The truth is used only to say how far off a position is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import numpy as np

from kuroshio import clock
from kuroshio.errors import KuroshioError, LinkError
from kuroshio.geo import distance_m
from kuroshio.schema import FLAG_DARK
from kuroshio.testing.demo import Demo, DemoNode, get, post, up

DARK_NEAR_M = 2500.0
NO_AGREEMENT = "KOR"
POLL_S = 0.5


class Checker:
    """Checks the story step by step, each within what is left of the time."""

    def __init__(self, demo: Demo, session: aiohttp.ClientSession, *, limit_s: float) -> None:
        self.demo = demo
        self.session = session
        self._until_s = asyncio.get_running_loop().time() + limit_s
        self.findings: dict[str, Any] = {}
        self.failures: list[str] = []
        self._truth: dict[int, Any] = {}

    def left_s(self) -> float:
        """Seconds left."""
        return self._until_s - asyncio.get_running_loop().time()

    async def until(self, what: str, look: Callable[[], Awaitable[dict[str, Any] | None]]) -> dict[str, Any] | None:
        """Result of ``look`` once it gives one; a failure of the story when the time runs out."""
        last = ""
        while self.left_s() > 0:
            try:
                found = await look()
                if found is not None:
                    self.findings[what] = found
                    return found
            except LinkError as err:
                last = err.message
            await asyncio.sleep(POLL_S)
        self.failures.append(f"{what}: not seen in time{': ' + last if last else ''}")
        self.findings[what] = None
        return None

    def hold(self, what: str, condition: bool, detail: str) -> None:
        """Note a failure when a condition does not hold."""
        if not condition:
            self.failures.append(f"{what}: {detail}")

    # -- the steps

    def dark_truth(self, at_us: int) -> tuple[float, float]:
        """(lat, lon) of the dark ship: it sails a straight rhumb line between the points of its story."""
        dark = self.demo.sea.story()["dark"]
        rows = self.demo.sea.truth(max(at_us, self.demo.sea.at_us)).to_pylist()
        del dark
        row = next(r for r in rows if r["ship_id"] == self.demo.sea.story()["dark"]["ship_id"])
        behind_s = max(0.0, (self.demo.sea.at_us - at_us) / 1e6)
        lat = row["lat_deg"] - behind_s * row["vn_mps"] / 111_000.0
        lon = row["lon_deg"] - behind_s * row["ve_mps"] / (111_000.0 * float(np.cos(np.radians(row["lat_deg"]))))
        return lat, lon

    async def _tracks(self, node: DemoNode, viewpoint: str | None = None) -> list[dict[str, Any]]:
        query = {"format": "json"} | ({"viewpoint": viewpoint} if viewpoint else {})
        rows: list[dict[str, Any]] = (await get(self.session, node, "tracks", **query))["tracks"]
        return rows

    def off_m(self, row: dict[str, Any]) -> float:
        """Distance of a row from the dark ship at the row's time."""
        lat, lon = self.dark_truth(clock.parse_rfc3339(row["observed_at"]))
        return float(distance_m(row["lat_deg"], row["lon_deg"], lat, lon))

    async def dark_at_phl(self) -> dict[str, Any] | None:
        """PHL's radar holds a track where the dark ship is, without AIS, marked dark, and an alert says so."""
        phl = self.demo.nodes["PHL"]
        for row in await self._tracks(phl):
            if row["flags"] & FLAG_DARK and not row["partner"] and self.off_m(row) < DARK_NEAR_M:
                alerts = await get(self.session, phl, "alerts", open="true")
                about = [a for a in alerts if a["definition"] == "dark_vessel" and row["track_id"] in a["track_ids"]]
                if about:
                    return {
                        "track_id": row["track_id"],
                        "sensors": row["sensors"],
                        "mmsi": row["mmsi"],
                        "error_m": round(self.off_m(row)),
                        "alert_id": about[0]["alert_id"],
                        "alert": about[0]["summary"],
                    }
        return None

    async def dark_at_jpn(self) -> dict[str, Any] | None:
        """JPN sees it as PHL's track, coarsened to the cell of the arrangement, with the clause named at PHL."""
        for row in await self._tracks(self.demo.nodes["JPN"]):
            if row["partner"] == "PHL" and row["flags"] & FLAG_DARK and self.off_m(row) < 2.0 * row["grid_m"]:
                return {
                    "track_id": row["track_id"],
                    "grid_m": round(row["grid_m"]),
                    "error_m": round(self.off_m(row)),
                    "mmsi": row["mmsi"],
                    "sensors": row["sensors"],
                }
        return None

    async def release_to_jpn(self) -> dict[str, Any] | None:
        """The release that shows the dark ship: received by JPN, under a named clause and its terms."""
        phl, dark = self.demo.nodes["PHL"], self.findings["dark_at_phl"]
        item = f"track:{dark['track_id']}"
        for row in await get(self.session, phl, "releases", to="JPN", limit="1000"):
            if item in row["items"] and row["kind"] == "tracks" and row["state"] == "received":
                names = ("release_id", "accord", "clause", "obligations", "state", "rows")
                return {name: row[name] for name in names}
        return None

    async def withheld_from_kor(self) -> dict[str, Any] | None:
        """A party without an agreement sees nothing, and the releaser reads why."""
        phl, dark = self.demo.nodes["PHL"], self.findings["dark_at_phl"]
        view = await self._tracks(phl, NO_AGREEMENT)
        why = await get(self.session, phl, "why", item=f"track:{dark['track_id']}", to=NO_AGREEMENT)
        self.hold("withheld_from_kor", not view, f"{len(view)} tracks in the view of {NO_AGREEMENT}")
        self.hold("withheld_from_kor", why["effect"] == "deny", f"effect is {why['effect']}")
        return {"tracks_in_view": len(view), "effect": why["effect"], "clause": why["clause"]}

    async def recall(self) -> dict[str, Any] | None:
        """The release is recalled; JPN drops it and its signed receipt comes back."""
        phl, release = self.demo.nodes["PHL"], self.findings["release_to_jpn"]
        path = f"releases/{release['release_id']}/recall"
        return dict(await post(self.session, phl, path, {"reason": "demonstration"}))

    async def recall_confirmed(self) -> dict[str, Any] | None:
        """The recalled release is confirmed as withdrawn by JPN's receipt."""
        phl, wanted = self.demo.nodes["PHL"], self.findings["release_to_jpn"]["release_id"]
        for row in await get(self.session, phl, "releases", to="JPN", limit="1000"):
            if row["release_id"] == wanted and row["state"] == "withdrawal_confirmed":
                return {"release_id": wanted, "state": row["state"], "confirmed_at": row["confirmed_at"]}
        return None


async def check(demo: Demo, *, limit_s: float) -> dict[str, Any]:
    """Findings of the whole story; ``held`` says whether all of it did.

    Parameters
    ----------
    limit_s
        Wall time for all of it, from the start of the nodes.
    """
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    timeout = aiohttp.ClientTimeout(total=10.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        checker = Checker(demo, session, limit_s=limit_s)
        try:
            for node in demo.nodes.values():
                await up(session, node, limit_s=checker.left_s())
            up_s = loop.time() - begun_s
            await _tell(checker)
        except KuroshioError as err:
            checker.failures.append(err.message)
            up_s = loop.time() - begun_s
    return {"up_s": round(up_s, 1), **checker.findings, "failures": checker.failures}


async def _tell(checker: Checker) -> None:
    dark = await checker.until("dark_at_phl", checker.dark_at_phl)
    if dark is None:
        return
    checker.hold("dark_at_phl", not dark["mmsi"], f"it has an MMSI: {dark['mmsi']}")
    seen = await checker.until("dark_at_jpn", checker.dark_at_jpn)
    if seen is None:
        return
    checker.hold("dark_at_jpn", seen["grid_m"] > 1000, f"not coarsened: cell {seen['grid_m']} m")
    release = await checker.until("release_to_jpn", checker.release_to_jpn)
    if release is None:
        return
    checker.hold("release_to_jpn", bool(release["clause"]), "no clause is named")
    checker.hold("release_to_jpn", release["obligations"].get("grid_deg", 0) > 0, "no grid among the terms")
    await checker.until("withheld_from_kor", checker.withheld_from_kor)
    if await checker.until("recall", checker.recall) is not None:
        await checker.until("recall_confirmed", checker.recall_confirmed)


async def verify_records(demo: Demo) -> dict[str, Any]:
    """What `kuroshio record verify` says of each node's record, run as a user would, after the nodes have stopped."""
    results = {}
    for node in demo.nodes.values():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kuroshio", "record", "verify", str(node.folder / "data" / "record"),
            "--keys", str(node.folder / "keys"), "--json",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        try:
            said = json.loads(out.decode().strip().splitlines()[-1])
        except (ValueError, IndexError):
            said = {"error": err.decode()[-300:]}
        results[node.party] = {"exit": process.returncode, **said}
    return results
