"""Two days without a link, in accelerated time: `python -m benchmarks.exchange.outage [--hours 48] [--json]`.

A whole node (see `benchmarks.exchange.partners`) and one partner behind a proxy that counts bytes, with TLS. The link
is cut; 10,000 tracks move and alerts are raised in the node's own time; then the link comes back. What goes over it is
held against the ideal: a table of the newest state of each track and one of all alerts, compressed, without headers,
proofs or signatures.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.exchange.far import digest
from benchmarks.exchange.partners import Bench
from kuroshio import clock
from kuroshio.exchange.columns import int64_of
from kuroshio.exchange.select import select_alerts, select_tracks
from kuroshio.schema import ALERTS, Obligations, concat

PARTY = "JPN"
COUNT = 10_000
STEP_S, UPDATES = 60, 2_000
ALERT_EVERY_STEPS = 15


def compressed(table: pa.Table) -> int:
    """Bytes of a table as Arrow IPC under zstd."""
    sink = pa.BufferOutputStream()
    table = table.unify_dictionaries().combine_chunks()
    with pa.ipc.new_stream(sink, table.schema.remove_metadata()) as writer:
        writer.write_table(table)
    return len(pa.compress(sink.getvalue(), codec="zstd", asbytes=True))


class Outage:
    """The sea during the outage, and what the partner will lack."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.alerts: list[pa.Table] = []

    async def step(self, number: int) -> None:
        """A minute of the node."""
        bench = self.bench
        bench.time.at_us += STEP_S * 1_000_000
        if number % ALERT_EVERY_STEPS == 0:
            self.alert(number, bench.time.at_us)
        await bench.turn(UPDATES)

    def alert(self, number: int, at_us: int) -> None:
        """One more alert in the book of the node."""
        track = int(self.bench.sea.table["track_id"][number % COUNT].as_py())
        at = np.array([at_us]).astype("datetime64[us]")
        row = ALERTS.build(
            {
                "alert_id": [hashlib.sha256(b"%d" % number).hexdigest()[:20]], "definition": ["dark"], "version": ["1"],
                "change": ["open"], "grade": ["confirmed"], "severity": ["caution"], "track_ids": [[track]],
                "start_at": at, "known_at": at, "lat_deg": [14.0 + number * 1e-4], "lon_deg": [120.0],
                "summary": [f"Track {track} has not been heard for {number} minutes"],
            },
            rows=1,
        )  # fmt: skip
        self.alerts.append(row)
        self.bench.node.parts.operations.append_alerts(row, recorded_us=at_us)

    def ideal(self) -> dict[str, int]:
        """Compressed bytes of what the partner lacks."""
        outlet, terms = self.bench.node.sharing.desk.outlet(PARTY).preview(), Obligations()
        state = select_tracks(self.bench.node.parts.core.picture, terms, outlet, **self._more())
        alerts = select_alerts(concat(ALERTS, self.alerts), terms, outlet)
        return {"state": compressed(state), "alerts": compressed(alerts)}

    @staticmethod
    def _more() -> dict[str, Any]:
        import inspect

        return {"releaser": "PHL"} if "releaser" in inspect.signature(select_tracks).parameters else {}

    def picture(self) -> str:
        """Digest of the picture as the partner must show it."""
        table, outlet = self.bench.node.parts.core.picture, self.bench.node.sharing.desk.outlet(PARTY)
        lat = np.rint(table["lat_deg"].to_numpy() * 1e7).astype(np.int64).tolist()
        refs = [outlet.ref(i) for i in table["track_id"].to_pylist()]
        at = int64_of(table, "observed_at").tolist()
        return digest({ref: (t, p) for ref, t, p in zip(refs, at, lat, strict=True)})

    def told(self) -> str:
        """Digest of the alerts in their order."""
        outlet = self.bench.node.sharing.desk.outlet(PARTY)
        ids = [i for table in self.alerts for i in table["alert_id"].to_pylist()]
        return hashlib.sha256("".join(outlet.alert_ref(i) for i in ids).encode()).hexdigest()


async def outage(folder: Path, hours: float, *, tracklets: bool = False) -> dict[str, Any]:
    """The whole of it."""
    async with Bench(folder, [PARTY], tracks=COUNT, shaped=True, tracklets=tracklets) as bench:
        shaper, driver = bench.shapers[PARTY], bench.node.partners._drivers[PARTY]
        driver.session.out._state_bytes = driver.session.limits.state_bytes_max
        await bench.turn(COUNT)
        await bench.settled()
        await bench.report()
        bench.time.at_us, bench.time.walls = clock.now_us(), False
        shaper.down = True
        shaper.cut()
        run, steps = Outage(bench), int(hours * 3600 / STEP_S)
        for number in range(steps):
            await run.step(number)
        queued, (items, size) = bench.left_waiting()[PARTY], driver.session.outbox.waiting()
        there, back = shaper.bytes_there, shaper.bytes_back
        shaper.down, began_s = False, time.monotonic()
        async with asyncio.timeout(300):
            while driver.session.outbox.waiting()[0] or bench.left_waiting()[PARTY]:
                await asyncio.sleep(0.2)
                if driver.session.out.state == "open":
                    await bench.turn(0)
        far = (await bench.report())["ends"][PARTY]
        sent, ideal = shaper.bytes_there - there, run.ideal()
        best = sum(ideal.values())
        return {
            "hours": hours, "tracks": COUNT, "tracklets": tracklets, "state_changes": steps * UPDATES,
            "alerts": len(run.alerts), "queued_items": items, "queued_bytes": size, "tracks_waiting": queued,
            "bytes_sent": sent, "bytes_back": shaper.bytes_back - back, "ideal_bytes": ideal,
            "sent_by_ideal": round(sent / best, 2), "bytes_of_every_change": steps * UPDATES * 40,
            "alerts_in_order": far["alerts_digest"] == run.told(), "alerts_taken": far["alerts"],
            "state_converged": far["digest"] == run.picture(), "rows_taken": far["rows"], "refused": far["refused"],
            "seconds_to_catch_up": round(time.monotonic() - began_s, 1),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--tracklets", action="store_true", help="the partner is told whole covariances and provenance")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        value = asyncio.run(outage(Path(name), asked.hours, tracklets=asked.tracklets))
    value["load_average"] = round(os.getloadavg()[0], 2)
    sys.stdout.write(json.dumps(value, indent=None if asked.json else 1) + "\n")


if __name__ == "__main__":
    main()
