"""Eight partners with different accords at once: `python -m benchmarks.exchange.partners [lag | hour | cost] [--json]`.

A whole node (`kuroshio.node`) with real agreements, keys, TLS links, record, ledger and outbound logs on disk; only its
sensing and picture are replaced: 100,000 tracks of which 5,000 change a second, at any moment of it. The partners
verify, keep and answer every release in a second process. ``lag``: paced by the wall clock, in ticks of the node, which
shares when it finds it due; how far behind each is: of each release, from the change of its oldest row (as the node
knows it, whatever the partner is told of the time) until the partner has it durably, so that a row's wait for the next
sharing is in it. ``hour``: 3,600 such seconds one after another as fast as the links take them, with the memory of the
node. ``cost``: seconds of processor a second of traffic with 1, 2, 4 and 8 partners. Both share twice a second, as the
node does at this rate.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.exchange.far import make_keys
from kuroshio import clock
from kuroshio.node import assemble, config
from kuroshio.node.core import Outcome
from kuroshio.node.node import TICK_S, Node
from kuroshio.node.time import NodeClock
from kuroshio.schema import ALERTS, TRACKS
from kuroshio.schema.core import UTC_US
from kuroshio.testing.accord_files import accord_files
from kuroshio.testing.demo import free_port
from kuroshio.testing.shaping import Shaper

ME = "PHL"
DELAY_S = 10
REPORT_BYTES = 64 << 20
ACCORDS: dict[str, dict[str, Any]] = {
    "JPN": {},
    "USA": {"redact": ["sensor", "sources"]},
    "AUS": {"retention_s": 86_400, "onward": False},
    "KOR": {"redact": ["identity"]},
    "VNM": {"grid_deg": 0.1, "time_bucket_s": 60},
    "IDN": {"grid_deg": 0.02, "time_bucket_s": 60},
    "IND": {"delay_s": DELAY_S},
    "MYS": {"grid_deg": 0.05, "time_bucket_s": 60, "redact": ["identity"], "retention_s": 3_600},
}
TRACKS_COUNT, UPDATES_A_S = 100_000, 5_000
TURNS_A_S = 2  # the ticks after which SHARE_ROWS rows have changed


class Stepped(NodeClock):
    """Clock that moves when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.at_us = clock.now_us()
        self.walls = True

    def now_us(self) -> int:
        """The wall, or the time set."""
        return clock.now_us() if self.walls else self.at_us


class Sea:
    """100,000 tracks, of which 5,000 move in each step."""

    def __init__(self, count: int = TRACKS_COUNT) -> None:
        self.rng = rng = clock.generator(5)
        self.count = count
        self.lat, self.lon = rng.uniform(5, 25, self.count), rng.uniform(110, 130, self.count)
        self.at_us = np.full(self.count, clock.now_us(), np.int64)
        ids = np.arange(1, self.count + 1)
        self.table = TRACKS.build(
            {
                "track_id": ids, "observed_at": self.at_us.astype("datetime64[us]"), "lat_deg": self.lat,
                "lon_deg": self.lon, "sog_mps": rng.uniform(0, 12, self.count),
                "cog_deg": rng.uniform(0, 360, self.count),
                "cov_ee_m2": np.full(self.count, 150.0), "cov_en_m2": np.zeros(self.count),
                "cov_nn_m2": np.full(self.count, 150.0), "heading_deg": rng.uniform(0, 360, self.count),
                "status": ["confirmed"] * self.count, "mmsi": 200_000_000 + ids, "p_exists": np.full(self.count, 0.99),
                "name": [f"EXAMPLE {i}" for i in ids], "sensors": [["ais"]] * self.count,
                "sources": [["feed"]] * self.count, "first_at": self.at_us.astype("datetime64[us]"),
            },
            rows=self.count,
        )  # fmt: skip
        self._next = 0

    def know_whole_covariances(self) -> None:
        """Give each track a covariance of place and velocity of its own, as its filter would."""
        n = self.count
        place, speed, mixed = (self.rng.lognormal(np.log(v), 0.5, n) for v in (150.0, 0.05, 0.4))
        part = {
            "cov_vee_m2s2": speed, "cov_ven_m2s2": 0.1 * speed * self.rng.normal(0, 1, n),
            "cov_vnn_m2s2": speed * self.rng.uniform(0.8, 1.25, n), "cov_eve_m2s": mixed * np.sqrt(place * speed),
            "cov_evn_m2s": self.rng.normal(0, 0.1, n), "cov_nve_m2s": self.rng.normal(0, 0.1, n),
            "cov_nvn_m2s": mixed * np.sqrt(place * speed) * self.rng.uniform(0.8, 1.25, n),
        }  # fmt: skip
        for name, values in part.items():
            at = self.table.schema.get_field_index(name)
            self.table = self.table.set_column(at, self.table.schema.field(at), pa.array(values))

    def step(self, now_us: int, updates: int) -> tuple[pa.Table, pa.Table]:
        """(picture, rows that changed), at any moment of the time so many changes take."""
        pick = (self._next + np.arange(updates)) % self.count
        self._next = (self._next + updates) % self.count
        self.lat[pick] += 0.0005
        self.at_us[pick] = now_us - self.rng.integers(0, max(1, 1_000_000 * updates // UPDATES_A_S), updates)
        for name, values in (("lat_deg", self.lat), ("observed_at", self.at_us)):
            at = self.table.schema.get_field_index(name)
            column = pa.array(values.copy())
            column = column.cast(UTC_US) if name == "observed_at" else column
            self.table = self.table.set_column(at, self.table.schema.field(at), column)
        return self.table, self.table.take(pa.array(pick))


class Bench:
    """The node, the sea, and the process of the partners."""

    def __init__(
        self, folder: Path, parties: list[str], *, tracks: int = TRACKS_COUNT, shaped: bool = False,
        tracklets: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.parties, self.sea, self.time = folder, parties, Sea(tracks), Stepped()
        self.shaped, self.tracklets = shaped, tracklets
        if tracklets:
            self.sea.know_whole_covariances()
        self.shapers: dict[str, Shaper] = {}
        self.updates = 0  # in the next cycle
        self.oldest_us: dict[str, int] = {}  # of each release of tracks: when its oldest row could have gone
        self.longest_s = 0.0

    async def __aenter__(self) -> Bench:
        make_keys(self.folder, [ME, *self.parties])
        ports = {p: free_port() for p in [ME, *self.parties]}
        reached = dict(ports)
        for party in self.parties if self.shaped else ():
            self.shapers[party] = Shaper(ports[party], bits_per_s=1e9)
            await self.shapers[party].start()
            reached[party] = self.shapers[party].port
        accords = accord_files(self.folder / "accords", [(ME, p, ACCORDS[p]) for p in self.parties])
        document = {
            "node": {"party": ME, "name": "benchmark", "data": "data"},
            "peer": {"port": ports[ME]}, "accords": {"paths": [str(accords)]},
            "partners": [{"party": p, "url": f"https://127.0.0.1:{reached[p]}", "tracklets": self.tracklets}
                         for p in self.parties],
            "sources": [{"name": "feed", "format": "aivdm", "link": "push"}],
            "keys": str(self.folder / ME / "keys"),
        }  # fmt: skip
        ends = [f"{p}:{ports[p]}" for p in self.parties]
        self.far = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.exchange.far", str(self.folder), ME, str(ports[ME]), *ends,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=REPORT_BYTES,
        )  # fmt: skip
        made, assemble.node_clock = assemble.node_clock, lambda config: self.time
        try:
            self.node = Node(config.from_dict(document, base=self.folder))
            await self.node.start()
        finally:
            assemble.node_clock = made
        for task in self.node._tasks:  # this benchmark turns the crank itself
            task.cancel()
        core = self.node.parts.core
        core.cycle = self._cycle  # type: ignore[method-assign]
        self._watch()
        async with asyncio.timeout(60):
            while not all(d.session.out.state == "open" for d in self.node.partners._drivers.values()):
                await asyncio.sleep(0.1)
        return self

    def _watch(self) -> None:
        """Note of each release of tracks the exact time of its oldest row, which the partner may not be told."""
        desk, newest = self.node.sharing.desk, dict[str, int]()
        for party in self.parties:
            outlet = desk.outlet(party)
            mark, delay_us = outlet.mark, int(ACCORDS[party].get("delay_s", 0)) * 1_000_000

            def noted(rows: pa.Table, released: pa.Table, p: str = party, m: Any = mark, d: int = delay_us) -> None:
                newest[p] = int(rows["observed_at"].cast(pa.int64()).to_numpy().min()) + d
                m(rows, released)

            outlet.mark = noted  # type: ignore[method-assign]
        seal = desk.seal

        def sealed(*rows: Any, to: str, **terms: Any) -> Any:
            release = seal(*rows, to=to, **terms)
            if release is not None:
                self.oldest_us[release.release_id] = newest[to]
            return release

        desk.seal = sealed  # type: ignore[method-assign]

    async def __aexit__(self, *why: object) -> None:
        assert self.far.stdin is not None
        self.far.stdin.close()
        await self.far.wait()
        await self.node.stop()
        for shaper in self.shapers.values():
            await shaper.stop()

    def _cycle(self, entries: object, *, now_us: int) -> Outcome:
        """In place of sensing and picture."""
        del entries
        core = self.node.parts.core
        updates, self.updates = self.updates, 0
        if not updates:
            return Outcome(TRACKS.empty(), TRACKS.empty(), ALERTS.empty())
        core.picture, changed = self.sea.step(now_us, updates)
        return Outcome(changed, changed, ALERTS.empty())

    async def turn(self, updates: int, *, share: bool = True) -> float:
        """Changes through the node's own cycle, shared at once or when due; seconds of its processor (all threads)."""
        self.updates = updates
        if share:
            self.node._share_due_us = 0
        loop, begin_s, cpu_s = asyncio.get_running_loop(), time.perf_counter(), time.process_time()
        await loop.run_in_executor(self.node._worker, self.node._cycle, [], self.time.now_us())
        self.longest_s = max(self.longest_s, time.perf_counter() - begin_s)
        return time.process_time() - cpu_s

    async def report(self) -> dict[str, Any]:
        """Figures of the partners since the last call."""
        assert self.far.stdin is not None
        assert self.far.stdout is not None
        self.far.stdin.write(b"report\n")
        await self.far.stdin.drain()
        value: dict[str, Any] = json.loads(await self.far.stdout.readline())
        for end in value["ends"].values():
            lags = [(at - self.oldest_us[i]) * 1e-6 for i, at in end.pop("taken_us").items() if i in self.oldest_us]
            if lags:
                end |= {"lag_s_median": round(float(np.median(lags)), 3), "lag_s_max": round(max(lags), 3)}
        self.oldest_us.clear()
        return value

    def left_waiting(self) -> dict[str, int]:
        """Tracks whose newest state did not go at the last sharing."""
        return {p: len(w) for p, w in self.node.sharing.waiting.items()}

    def growing_old(self) -> int:
        """States held back by a delay."""
        return sum(self.node.sharing.desk.outlet(p).counters["held"] for p in self.parties)

    async def settled(self, seconds: float = 600.0, *, but: int = 0) -> None:
        """Wait until all partners have what was queued, but for so many parcels of each."""
        async with asyncio.timeout(seconds):
            while any(d.session.outbox.waiting()[0] > but for d in self.node.partners._drivers.values()):
                await asyncio.sleep(0.01)


def resident_mb() -> float:
    """Memory of this process now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def fill(bench: Bench) -> None:
    """The whole picture once, so that what is measured is a running exchange on links known to be wide."""
    left = TRACKS_COUNT
    while left > 0 or any(bench.left_waiting().values()):
        for driver in bench.node.partners._drivers.values():
            driver.session.out._state_bytes = driver.session.limits.state_bytes_max
        await bench.turn(20_000 if left > 0 else 0)
        await bench.settled()
        left -= 20_000
    while bench.growing_old():
        bench.time.at_us += 1_000_000  # where the time is the wall's, it moves by itself
        await asyncio.sleep(0.5)
        await bench.turn(0)
        await bench.settled()
    await bench.report()


async def lag(bench: Bench, seconds: int, *, hold: bool) -> dict[str, Any]:
    """Paced by the wall clock."""
    await fill(bench)
    loop, bench.longest_s = asyncio.get_running_loop(), 0.0
    if hold:
        sys.stderr.write("ready\n")
        sys.stderr.flush()
        await loop.run_in_executor(None, sys.stdin.readline)
    begin_s, cpu_s, left = loop.time(), time.process_time(), dict.fromkeys(bench.parties, 0)
    for tick in range(int(seconds / TICK_S)):
        await asyncio.sleep(max(0.0, begin_s + tick * TICK_S - loop.time()))
        await bench.turn(int(UPDATES_A_S * TICK_S), share=False)
        left = {p: max(left[p], n) for p, n in bench.left_waiting().items()}
    wall_s, cpu_s = loop.time() - begin_s, time.process_time() - cpu_s
    await bench.settled()
    far = await bench.report()
    worst = max(end.get("lag_s_max", 0.0) for end in far["ends"].values())
    return {
        "seconds": seconds, "wall_s": round(wall_s, 1), "node_cpu_s_per_s": round(cpu_s / wall_s, 3),
        "longest_turn_s": round(bench.longest_s, 3), "lag_s_max": worst, "left_waiting_max": left, "far": far,
    }  # fmt: skip


async def hour(bench: Bench, steps: int, *, wall_s_max: float) -> dict[str, Any]:
    """As fast as it goes, in the node's own time; fewer steps where the wall time given is over before."""
    await fill(bench)
    bench.time.at_us, bench.time.walls = clock.now_us(), False
    begin_s, samples, walls = time.perf_counter(), [], []
    cpu_s, rows, refused = 0.0, 0, 0
    for step in range(steps):
        if time.perf_counter() - begin_s > wall_s_max:
            steps = step
            break
        for _ in range(TURNS_A_S):
            bench.time.at_us += 1_000_000 // TURNS_A_S
            cpu_s += await bench.turn(UPDATES_A_S // TURNS_A_S)
            await bench.settled(but=1)  # partners take a turn while the node makes the next
        if step % 60 == 59:
            await bench.settled()
            walls.append(round(time.perf_counter() - begin_s))
            for end in (await bench.report())["ends"].values():
                rows, refused = rows + end["rows"], refused + end["refused"]
            gc.collect()
            samples.append(round(resident_mb(), 1))
            sys.stderr.write(f"{step + 1} {samples[-1]} MB {time.perf_counter() - begin_s:.0f} s\n")
    half = samples[len(samples) // 3 :]
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 60 if len(half) > 2 else 0.0
    await bench.settled()
    far = await bench.report()
    disk = sum(f.stat().st_size for f in (bench.folder / "data").rglob("*") if f.is_file())
    return {
        "steps": steps, "wall_s": round(time.perf_counter() - begin_s, 1),
        "node_cpu_s_per_step": round(cpu_s / steps, 4),
        "wall_s_at_minute": walls, "memory_mb_a_minute": samples,
        "memory_mb_an_hour": round(slope, 1), "node_disk_mb": round(disk / 1e6),
        "rows": rows + sum(end["rows"] for end in far["ends"].values()),
        "refused": refused + sum(end["refused"] for end in far["ends"].values()),
        "far_peak_mb": far["peak_mb"],
    }  # fmt: skip


async def cost(steps: int) -> dict[str, Any]:
    """Processor seconds a second of traffic by number of partners, and what one more costs."""
    spent: dict[str, float] = {}
    for count in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as name:
            async with Bench(Path(name), list(ACCORDS)[:count]) as bench:
                await fill(bench)
                total = 0.0
                for _ in range(steps * TURNS_A_S):
                    total += await bench.turn(UPDATES_A_S // TURNS_A_S)
                    await bench.settled()
                spent[str(count)] = round(total / steps, 4)
    return {"cpu_s_per_s": spent, "extra_partner_cpu_s_per_s": round((spent["8"] - spent["1"]) / 7, 4)}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("lag", "hour", "cost"), nargs="?", default="lag")
    parser.add_argument("--steps", type=int, default=0, help="seconds of traffic; 0 is 40, 3600 or 10")
    parser.add_argument("--hold", action="store_true", help="lag: wait for a line on standard input before measuring")
    parser.add_argument("--wall-s-max", type=float, default=1e9, help="hour: end then, with the steps made")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    steps = asked.steps or {"lag": 40, "hour": 3_600, "cost": 10}[asked.what]
    if asked.what == "cost":
        value = await cost(steps)
    else:
        with tempfile.TemporaryDirectory() as name:
            async with Bench(Path(name), list(ACCORDS)) as bench:
                if asked.what == "lag":
                    value = await lag(bench, steps, hold=asked.hold)
                else:
                    value = await hour(bench, steps, wall_s_max=asked.wall_s_max)
    value["load_average"] = round(os.getloadavg()[0], 2)
    sys.stdout.write(json.dumps(value, indent=None if asked.json else 1) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
