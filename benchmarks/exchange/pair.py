"""Two real node processes: `python -m benchmarks.exchange.pair [kill | thin] [--rounds N] [--seconds N] [--json]`.

``kill``: kill -9 of either node at random instants while ships are reported and shared, again and again; then both
come to rest and their ledgers, records and alerts are held against one another. ``thin``: both directions through a
proxy of 50 kbit/s, 600 ms and 30 % loss (`kuroshio.testing.shaping`), with the time that ships,
alerts and a recall take.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.exchange.far import make_keys
from kuroshio import clock, record
from kuroshio.errors import LinkError
from kuroshio.exchange import rows_of
from kuroshio.links.tls import KeyFolder
from kuroshio.schema.release import Release
from kuroshio.sensing.ais import encode_position
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.demo import DemoNode, end, free_port, get, post, up
from kuroshio.testing.shaping import Shaper

PARTIES = ("PHL", "JPN")
BITS_PER_S, ROUND_TRIP_S, LOSS = 50_000, 0.6, 0.3
ZONE = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"name": "test reserve", "kind": "reserve"},
         "geometry": {"type": "Polygon", "coordinates": [[[120, 19], [122, 19], [122, 21], [120, 21], [120, 19]]]}}
    ],
}  # fmt: skip


def node_file(node: DemoNode, accords: Path, other: str, url: str, *, thin: bool) -> None:
    """Write the node's file."""
    (node.folder / "zones.geojson").write_text(json.dumps(ZONE))
    lines = [
        'keys = "keys"', "[node]", f'party = "{node.party}"', 'name = "pair"', "[api]", f"port = {node.api_port}",
        "sign_in = false", "[peer]", f"port = {node.peer_port}", "[accords]", f'paths = ["{accords}"]',
        "[behaviour]", 'zones = "zones.geojson"', "[[partners]]", f'party = "{other}"', f'url = "{url}"',
    ]  # fmt: skip
    if thin:
        lines += [f"bytes_per_s_max = {BITS_PER_S / 8 * (1 - LOSS):.0f}", "quiet_s_max = 60"]
    lines += ["[[sources]]", 'name = "feed"', 'format = "aivdm"', 'link = "push"', "[sources.sensor]", 'kind = "ais"']
    lines += ["lat_deg = 20.0", "lon_deg = 121.0", "max_range_m = 90000.0"]
    (node.folder / "node.toml").write_text("\n".join(lines) + "\n")


class Pair:
    """Both nodes and what was asked of them."""

    def __init__(self, folder: Path, *, thin: bool = False) -> None:
        self.folder, self.thin = folder, thin
        make_keys(folder, list(PARTIES))
        accords = folder / "accords"
        accord_files(accords, [("PHL", "JPN", {})])
        self.nodes = {p: DemoNode(p, folder / p, free_port(), free_port()) for p in PARTIES}
        self.shapers: dict[str, Shaper] = {}
        self.accords = accords
        self.next_mmsi, self.acknowledged = 200_000_001, 0
        self.sailing: list[tuple[int, int]] = []

    async def begin(self) -> None:
        """Files, proxies, processes."""
        for party, other in (PARTIES, PARTIES[::-1]):
            port = self.nodes[other].peer_port
            if self.thin:
                shaper = Shaper(
                    port, bits_per_s=BITS_PER_S, round_trip_s=ROUND_TRIP_S, loss=LOSS, seed=len(self.shapers)
                )
                await shaper.start()
                self.shapers[party], port = shaper, shaper.port
            node_file(self.nodes[party], self.accords, other, f"https://127.0.0.1:{port}", thin=self.thin)
        for party in PARTIES:
            await self.run(party)

    async def run(self, party: str) -> None:
        """Start a node's process."""
        node = self.nodes[party]
        with (node.folder / "log.txt").open("ab") as log:
            node.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "kuroshio", "run", str(node.folder / "node.toml"), stdout=log, stderr=log,
                env={**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    async def report(self, session: aiohttp.ClientSession, new: int) -> None:
        """Push a report of each ship that sails, with so many new ones; what is answered counts as taken."""
        self.sailing = [s for s in self.sailing if s[1] < 6] + [(self.next_mmsi + i, 0) for i in range(new)]
        self.next_mmsi += new
        at_s = clock.now_us() // 1_000_000
        lines = [
            encode_position(
                mmsi=mmsi, msg_type=1, lat_deg=19.5 + (mmsi % 97) * 0.01 + 0.00006 * step,
                lon_deg=120.6 + (mmsi % 89) * 0.01, sog_mps=6.0, cog_deg=0.0, heading_deg=0.0, nav_status=0,
                utc_second=at_s % 60, tag_block={"c": at_s},
            ).strip()
            for mmsi, step in self.sailing
        ]  # fmt: skip
        self.sailing = [(mmsi, step + 1) for mmsi, step in self.sailing]
        try:
            async with session.post(
                f"{self.nodes['PHL'].address}api/v1/push/feed", data=b"\r\n".join(lines) + b"\r\n",
                headers={"X-Kuroshio-Request": "1"},
            ) as answer:  # fmt: skip
                self.acknowledged += len(lines) if answer.status == 202 else 0
        except (aiohttp.ClientError, TimeoutError):
            return

    async def stop(self) -> None:
        """End processes and proxies."""
        for node in self.nodes.values():
            await end(node)
        for shaper in self.shapers.values():
            await shaper.stop()

    # -- what became of it

    def rows(self, party: str, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a stopped node's ledger of releases."""
        with sqlite3.connect(self.nodes[party].folder / "data" / "releases.db") as db:
            return db.execute(sql).fetchall()

    def verdict(self) -> dict[str, Any]:
        """Both ledgers and records held against one another."""
        sent = self.rows("PHL", "SELECT release_id, kind, state FROM sent WHERE kind IN ('tracks','alerts')")
        held = dict(self.rows("JPN", "SELECT release_id, state FROM held"))
        lost = [i for i, _, state in sent if state == "received" and held.get(i) != "held"]
        waiting = Counter(kind for _, kind, state in sent if state == "sent")
        strangers = set(held) - {i for i, _, _ in sent}
        log = self._leaves("PHL")
        twice = [i for i, n in Counter(v["release_id"] for v in log if v.get("to")).items() if n > 1]
        told: Counter[tuple[Any, ...]] = Counter()
        for (bundle,) in self.rows("JPN", "SELECT bundle FROM held WHERE kind='alerts'"):
            for row in rows_of(Release.from_bytes(bundle)).to_pylist():  # two revisions may have one end
                told[tuple(map(str, row.values()))] += 1
        with sqlite3.connect(self.nodes["PHL"].folder / "data" / "operations.db") as db:
            alerts = db.execute("SELECT count(*) FROM alerts").fetchone()[0]
        faults = {p: self._faults(p) for p in PARTIES}
        [(next_seq, ahead)] = self.rows("JPN", "SELECT next_seq, ahead FROM numbers WHERE partner='PHL'")
        numbers = {v["partner_seq"] for v in log if v.get("to") == "JPN"}
        missing = [n for n in numbers if n >= next_seq and n not in json.loads(ahead)]
        return {
            "reports_acknowledged": self.acknowledged, "releases": dict(Counter(kind for _, kind, _ in sent)),
            "received": sum(state == "received" for _, _, state in sent), "acknowledged_and_lost": len(lost),
            "never_answered": dict(waiting), "held_and_never_sent": len(strangers), "sealed_twice": len(twice),
            "alert_changes_made": alerts, "alert_changes_held": len(told),
            "alert_changes_repeated": sum(n - 1 for n in told.values()), "record_faults": faults,
            "numbers_not_seen": len(missing), "holes_in_numbers": len(json.loads(ahead)),
        }  # fmt: skip

    def _leaves(self, party: str) -> list[dict[str, Any]]:
        keys = KeyFolder(self.folder / party / "keys")
        log = record.open_log(self.folder / party / "data" / "record", keys.signer, secret=keys.secret)
        return [entry.leaf for entry in log.entries()]

    def _faults(self, party: str) -> int:
        ring = KeyFolder(self.folder / party / "keys").ring()
        return len(
            record.fsck(record.Disk(self.folder / party / "data" / "record"), party, ring, now_us=clock.now_us()).faults
        )


async def kill(folder: Path, rounds: int, seed: int = 1) -> dict[str, Any]:
    """Kill either node, or both, at a random instant of each round."""
    pair, rng, began_s = Pair(folder), clock.generator(seed), time.monotonic()
    await pair.begin()
    killed: Counter[str] = Counter()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20.0)) as session:
        await asyncio.gather(*(up(session, n, limit_s=300) for n in pair.nodes.values()))
        for number in range(rounds):
            which = [["PHL"], ["JPN"], ["PHL", "JPN"]][int(rng.choice(3, p=[0.45, 0.45, 0.1]))]
            until = asyncio.get_running_loop().time() + float(rng.uniform(0.3, 3.5))
            while asyncio.get_running_loop().time() < until:
                await pair.report(session, 2)
                await asyncio.sleep(0.3)
            for party in which:
                process = pair.nodes[party].process
                assert process is not None
                process.send_signal(signal.SIGKILL)
                await process.wait()
                killed[party] += 1
                await pair.run(party)
            await asyncio.gather(*(up(session, pair.nodes[p], limit_s=300) for p in which))
            if number % 10 == 9:
                sys.stderr.write(f"{number + 1} rounds, {time.monotonic() - began_s:.0f} s\n")
        for _ in range(8):
            await pair.report(session, 0)
            await asyncio.sleep(1.0)
        await rest(session, pair)
    await pair.stop()
    return {"rounds": rounds, "killed": dict(killed), "wall_s": round(time.monotonic() - began_s), **pair.verdict()}


async def rest(session: aiohttp.ClientSession, pair: Pair, limit_s: float = 180.0) -> None:
    """Wait until every release has its receipt, or the time is over."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        await asyncio.sleep(2.0)
        releases = await get(session, pair.nodes["PHL"], "releases", limit="1000")
        rows = releases["releases"] if isinstance(releases, dict) else releases
        if all(r["state"] != "sent" for r in rows if r["kind"] in ("tracks", "alerts")):
            return


async def thin(folder: Path, seconds: int) -> dict[str, Any]:
    """Ships reported every two seconds over the thin link, and one recall."""
    pair, began_s = Pair(folder, thin=True), time.monotonic()
    await pair.begin()
    seen: dict[str, list[float]] = {"ship": [], "alert": []}
    made_s: dict[str, float] = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20.0)) as session:
        phl, jpn = pair.nodes["PHL"], pair.nodes["JPN"]
        await asyncio.gather(*(up(session, n, limit_s=300) for n in pair.nodes.values()))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await pair.report(session, 1)
            await note(session, phl, made_s, None)
            await note(session, jpn, made_s, seen)
            await asyncio.sleep(2.0)
        recalled_s = await recall(session, phl)
        await rest(session, pair)
        await note(session, jpn, made_s, seen)
        [out] = [p["counters"] for p in await partners(session, phl) if p["direction"] == "out"]
    there, back = pair.shapers["PHL"].bytes_there, pair.shapers["PHL"].bytes_back
    lost = sum(s.lost for s in pair.shapers.values())
    await pair.stop()
    figures = {
        name: {"count": len(v), "median_s": round(sorted(v)[len(v) // 2], 1), "max_s": round(max(v), 1)}
        for name, v in seen.items()
        if v
    }
    return {
        "bits_per_s": BITS_PER_S, "round_trip_s": ROUND_TRIP_S, "loss": LOSS,
        "wall_s": round(time.monotonic() - began_s),
        "segments_lost": lost, "bytes_there": there, "bytes_back": back, "made_to_shown": figures,
        "recall_confirmed_s": recalled_s, "thinned": out["thinned"], "sent": out["sent"], **pair.verdict(),
    }  # fmt: skip


async def partners(session: aiohttp.ClientSession, node: DemoNode) -> list[dict[str, Any]]:
    """Rows of the partners panel."""
    found = await get(session, node, "partners")
    return list(found["partners"] if isinstance(found, dict) else found)


async def note(
    session: aiohttp.ClientSession, node: DemoNode, made_s: dict[str, float], seen: dict[str, list[float]] | None
) -> None:
    """Note when a node first shows each ship and alert: at the maker without ``seen``, else how much later."""
    tracks = (await get(session, node, "tracks", format="json"))["tracks"]
    names = [("ship", f"ship {row['mmsi']}") for row in tracks if row["mmsi"]]
    alerts = await get(session, node, "alerts")
    for row in alerts["alerts"] if isinstance(alerts, dict) else alerts:
        if row.get("mmsis"):
            names.append(("alert", f"alert {row['definition']} {row['mmsis'][0]}"))
    for kind, name in names:
        if seen is None:
            made_s.setdefault(name, time.monotonic())
        elif name in made_s and f"seen {name}" not in made_s:
            made_s[f"seen {name}"] = time.monotonic()
            seen[kind].append(time.monotonic() - made_s[name])


async def recall(session: aiohttp.ClientSession, node: DemoNode) -> float | None:
    """Seconds from an officer's recall to its confirmation."""
    found = await get(session, node, "releases", limit="100")
    rows = found["releases"] if isinstance(found, dict) else found
    release = next((r for r in rows if r["state"] == "received" and r["kind"] == "tracks"), None)
    if release is None:
        return None
    began_s = time.monotonic()
    await post(session, node, f"releases/{release['release_id']}/recall", {"reason": "benchmark"})
    while time.monotonic() < began_s + 120:
        found = await get(session, node, "releases", limit="1000")
        rows = found["releases"] if isinstance(found, dict) else found
        state = next(r["state"] for r in rows if r["release_id"] == release["release_id"])
        if state == "withdrawal_confirmed":
            return round(time.monotonic() - began_s, 1)
        await asyncio.sleep(0.3)
    raise LinkError("the recall was not confirmed in two minutes", code="benchmark.recall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kill", "thin"))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = kill(Path(name), asked.rounds) if asked.what == "kill" else thin(Path(name), asked.seconds)
        value = asyncio.run(work)
    value["load_average"] = round(os.getloadavg()[0], 2)
    sys.stdout.write(json.dumps(value, indent=None if asked.json else 1) + "\n")


if __name__ == "__main__":
    main()
