"""A stand-in for a node: answers everything the API asks, from a closed-form sea on a clock the test moves.

    python -m kuroshio.testing.standin --port 8080

serves the API (and the page, where it is built) with a user ``watch`` of every role, for tests of both alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import uvicorn
from fastapi import FastAPI

from kuroshio import __version__, accord, api, clock
from kuroshio.api import Passwords, create_app, server_config
from kuroshio.clock import rfc3339
from kuroshio.errors import AccordError, InputError, NotFound
from kuroshio.node.asking import AccordDesk
from kuroshio.node.books import LedgerDesk
from kuroshio.node.rules import RuleDesk
from kuroshio.node.views import Change
from kuroshio.sensing.sighting import sighting
from kuroshio.store import ROLES, Operations, url_of
from kuroshio.testing import standin_answers as answers
from kuroshio.testing import standin_books, standin_rules
from kuroshio.testing.standin_sea import KIND_DARK, VIEWS, ClosedSea, seen_by
from kuroshio.units import US_PER_S, UtcMicros

USER, PASSWORD = "watch", "watch watch watch"
START_US = 1_795_305_600_000_000  # 2026-11-22T00:00:00Z


class StandIn:
    """`kuroshio.node.views.NodeView` over a closed-form sea.

    Parameters
    ----------
    ships
        Number of ships.
    seed
        Same seed, same answers at the same tick.
    start_us
        Time of tick 0; time moves only by `advance`.
    tick_s
        Seconds a tick.
    """

    def __init__(self, *, ships: int = 120, seed: int = 7, start_us: UtcMicros = START_US, tick_s: float = 1.0) -> None:
        self.sea = ClosedSea(ships, seed, start_us, tick_s)
        self.tick_s = tick_s
        self.tick = 0
        self.pushed: list[tuple[str, bytes]] = []
        self.actions: list[dict[str, Any]] = []
        self.sighted: list[dict[str, Any]] = []
        self._verdicts: dict[str, list[dict[str, Any]]] = {}
        self._releases = answers.releases(self.sea)
        self._consents: dict[tuple[str, str], dict[str, Any]] = {}
        self._changed: list[dict[str, Any]] = []
        self._book = standin_books.book()
        self._rules: RuleDesk | None = None
        entries = standin_books.EntryList()
        self._ledger = LedgerDesk("PHL", lambda: self._book, entries, now_us=self.now_us)
        standin_books.fill(self._ledger, entries)
        self._subscribers: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Change], str | None]] = []
        self._lock = threading.Lock()

    def now_us(self) -> UtcMicros:
        """Time of the present tick."""
        return self.sea.start_us + self.tick * self.sea.tick_us

    def advance(self, ticks: int = 1) -> None:
        """Move time on and tell every subscriber what changed; may be called from any thread."""
        for _ in range(ticks):
            self.tick += 1
            with self._lock:
                events, self._changed = self._changed, []
                if self.tick % 10 == 0:
                    events = [*events, {"type": "feeds"}, {"type": "partners"}]
                by_view = {view: self._change(view, events) for _, _, view in self._subscribers}
                for loop, queue, view in list(self._subscribers):
                    loop.call_soon_threadsafe(queue.put_nowait, by_view[view])

    async def run(self) -> None:
        """Advance in step with the loop's clock until cancelled."""
        while True:
            await asyncio.sleep(self.tick_s)
            self.advance()

    def _change(self, viewpoint: str | None, events: list[dict[str, Any]]) -> Change:
        before, after = self.sea.alive(self.tick - 1), self.sea.alive(self.tick)
        moved = (self.sea.last_update(self.tick) == self.tick) | (after & ~before)
        tracks = self.sea.tracks(self.tick, chosen=moved)
        removed = self.sea.track_id[before & ~after]
        if viewpoint is not None:
            shown = seen_by(tracks, viewpoint)
            hidden = np.setdiff1d(tracks.column("track_id").to_numpy(), shown.column("track_id").to_numpy())
            tracks, removed = shown, np.union1d(removed, hidden)
        return Change(self.tick, tracks, [int(i) for i in removed], events)

    def _check_view(self, viewpoint: str | None) -> None:
        if viewpoint is not None and viewpoint not in VIEWS:
            raise NotFound(f"no party {viewpoint!r}", code="view.unknown", advice="GET /api/v1/info lists viewpoints.")

    def info(self) -> dict[str, Any]:
        """Identity of the stand-in."""
        return {
            "party": "PHL",
            "name": "Stand-in node",
            "mode": "simulated",
            "version": __version__,
            "now": rfc3339(self.now_us()),
            "counts": {"tracks": int(self.sea.alive(self.tick).sum()), "alerts_open": len(self.alerts(open_only=True))},
            "center": [121.9, 20.2],
            "zoom": 6.0,
            "viewpoints": list(VIEWS),
            "notice": "Stand-in: invented ships, not for navigation.",
            "sightings": True,
        }

    def snapshot(self, viewpoint: str | None = None) -> tuple[int, pa.Table]:
        """All ships alive, or what a party is shown of them."""
        self._check_view(viewpoint)
        tick = self.tick  # another thread may advance meanwhile
        tracks = self.sea.tracks(tick)
        return tick, tracks if viewpoint is None else seen_by(tracks, viewpoint)

    async def changes(self, viewpoint: str | None = None) -> AsyncIterator[Change]:
        """One change a tick from now on."""
        self._check_view(viewpoint)
        queue: asyncio.Queue[Change] = asyncio.Queue()
        entry = (asyncio.get_running_loop(), queue, viewpoint)
        with self._lock:
            self._subscribers.append(entry)
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                self._subscribers.remove(entry)

    def target(self, track_id: int, viewpoint: str | None = None) -> dict[str, Any]:
        """Card of one ship."""
        _, tracks = self.snapshot(viewpoint)
        rows = tracks.filter(pc.equal(tracks.column("track_id"), track_id)).to_pylist()
        if not rows:
            raise NotFound(f"no live track {track_id}", code="track.unknown")
        card = answers.card(rows[0], [] if viewpoint else self._releases, self.alerts(viewpoint))
        card["history"] = [
            [lon, lat, rfc3339(self.sea.start_us + tick * self.sea.tick_us)]
            for tick, lat, lon in self._trail(track_id, viewpoint)
        ]
        return card

    def _trail(self, track_id: int, viewpoint: str | None) -> list[tuple[int, float, float]]:
        i = track_id - int(self.sea.track_id[0])
        if viewpoint is not None and self.sea.kind[i] == KIND_DARK:
            return []
        ticks = range(max(0, self.tick - 1200), self.tick + 1, 60)
        return [(t, float(self.sea.position(t)[0][i]), float(self.sea.position(t)[1][i])) for t in ticks]

    def withheld(self, viewpoint: str) -> list[dict[str, Any]]:
        """Ships missing or blurred in a party's view."""
        self._check_view(viewpoint)
        return answers.withheld(self.sea.tracks(self.tick), viewpoint)

    def alerts(
        self, viewpoint: str | None = None, *, open_only: bool = False, known_at: str | None = None, limit: Any = None
    ) -> list[dict[str, Any]]:
        """Dark ships, one gap, one encounter, one zone entry."""
        self._check_view(viewpoint)
        rows = [r for r in answers.alerts(self.sea, self.tick) if known_at is None or r["known_at"] <= known_at]
        if viewpoint is not None:
            shown = set(self.snapshot(viewpoint)[1].column("track_id").to_pylist())
            rows = [row for row in rows if shown.issuperset(row["track_ids"])]
        for row in rows:
            row["verdicts"] = list(self._verdicts.get(row["alert_id"], []))
            if any(v["verdict"] in ("false", "duplicate") for v in row["verdicts"]):
                row["state"] = "closed"
        return [row for row in rows if not open_only or row["state"] == "open"][:limit]

    def alert(self, alert_id: str, *, known_at: str | None = None) -> dict[str, Any]:
        """One of them, that never changed."""
        found = next((row for row in self.alerts(known_at=known_at) if row["alert_id"] == alert_id), None)
        if found is None:
            raise NotFound(f"no alert {alert_id!r}", code="alert.unknown")
        return {**found, "changes": [answers.change_of(found)]}

    def alert_pack(self, alert_id: str, *, known_at: str | None = None) -> bytes:
        """An empty archive file: nothing is detected here."""
        return answers.pack_of(self.alert(alert_id, known_at=known_at))

    def alert_rules(self, *, known_at: str | None = None) -> list[dict[str, Any]]:
        """Verdicts counted a definition."""
        return answers.alert_rules(self.alerts(known_at=known_at))

    def judge_alert(self, alert_id: str, verdict: str, *, by: str, note: str = "", until: str | None = None) -> None:
        """Keep a verdict."""
        self.alert(alert_id)
        row = {"verdict": verdict, "by": by, "note": note, "until": until, "at": rfc3339(self.now_us())}
        self._verdicts.setdefault(alert_id, []).append(row)
        self._changed.append({"type": "alerts"})

    def feeds(self) -> list[dict[str, Any]]:
        """Four sources, one of them silent."""
        return answers.feeds(self.now_us())

    def partners(self) -> list[dict[str, Any]]:
        """Two partners, one of them behind."""
        return answers.partners(self.now_us())

    def releases(self, *, to: str | None = None, limit: int = 200) -> list[dict[str, Any]]:
        """Releases newest first."""
        return [dict(row) for row in self._releases if to is None or row["to"] == to][:limit]

    def recall(self, release_id: str, *, by: str, reason: str) -> dict[str, Any]:
        """Mark a release withdrawn."""
        change = {"state": "withdrawn", "recalled_by": by, "reason": reason, "withdrawn_at": rfc3339(self.now_us())}
        return answers.changed_release(self._releases, release_id, change, self._changed)

    def tighten(self, release_id: str, retain_until: str, *, by: str, reason: str) -> dict[str, Any]:
        """Mark a release as ending earlier."""
        ends = {"retain_until": retain_until, "reason": f"{by}: {reason}", "tightened_at": rfc3339(self.now_us())}
        return answers.changed_release(self._releases, release_id, ends, self._changed)

    def pending(self) -> list[dict[str, Any]]:
        """Items that wait for a person."""
        return [row for row in answers.pending(self.sea) if (row["item_id"], row["to"]) not in self._consents]

    def consent(self, item_id: str, to: str, *, by: str, grant: bool, note: str = "") -> dict[str, Any]:
        """Keep an answer."""
        if all((row["item_id"], row["to"]) != (item_id, to) for row in self.pending()):
            raise NotFound(f"nothing waits for {item_id!r} to {to!r}", code="pending.unknown")
        row = {"item_id": item_id, "to": to, "by": by, "grant": grant, "note": note, "at": rfc3339(self.now_us())}
        self._consents[(item_id, to)] = row
        self._changed.append({"type": "pending"})
        return row

    def accords(self) -> list[dict[str, Any]]:
        """Two sample agreements."""
        return answers.accords()

    def why(self, item_id: str, to: str) -> dict[str, Any]:
        """Trace of one decision."""
        return answers.why(item_id, to)

    def dry_run(self, accord_text: str, *, at: str | None = None) -> dict[str, Any]:
        """Counts under a draft; a text without the word accord is refused."""
        if "accord" not in accord_text:
            raise AccordError("line 1: expected 'accord:'", code="accord.syntax")
        return {**answers.dry_run(self.sea.tracks(self.tick)), "at": at or rfc3339(self.now_us())}

    def agreements(self) -> AccordDesk:
        """The sample agreements, asked of the ships of the stand-in."""
        tracks = self.sea.tracks(self.tick)
        rows = accord.items_of_tracks(tracks, originator="PHL", level="R", purpose="maritime_safety")

        def item(reference: str) -> dict[str, Any]:
            for row in rows.filter(pc.equal(rows.column("item_id"), reference)).to_pylist():
                return dict(row)
            raise NotFound(f"no live item {reference[:40]!r}", code="item.unknown")

        return AccordDesk("PHL", lambda: self._book, item=item, items=lambda: rows, now_us=self.now_us)

    def rules(self) -> RuleDesk:
        """The watch's rules, in a store of their own."""
        if self._rules is None:
            self._rules = standin_rules.desk(self.now_us)
        return self._rules

    def ledger(self) -> LedgerDesk:
        """Ledger of the sample agreements, kept in memory."""
        return self._ledger

    def record_step(
        self, kind: str, exchange: str, step: str, facts: Mapping[str, Any], *, by: str, at: str | None = None
    ) -> dict[str, Any]:
        """Keep one step."""
        entry = self._ledger.record(kind, exchange, step, facts, by=by, at=at)
        self._changed.append({"type": "releases"})
        return self._ledger.told(entry)

    def zones(self) -> dict[str, Any]:
        """A zone, a radar's coverage and a receiver, as GeoJSON."""
        return answers.zones()

    def record_status(self) -> dict[str, Any]:
        """State of the record."""
        return answers.record(self.now_us(), self.tick)

    def record_knew(self, party: str, *, at: str) -> dict[str, Any]:
        """A signed report without releases."""
        return answers.knew(party, at, self.now_us())

    def push(self, source: str, data: bytes) -> dict[str, Any]:
        """Keep bytes of a push source."""
        if source != "push-ais":
            raise NotFound(f"no push source {source!r}", code="source.unknown")
        self.pushed.append((source, data))
        return {"source": source, "bytes": len(data), "position": sum(len(d) for _, d in self.pushed)}

    def sight(self, fields: dict[str, Any], *, by: str) -> dict[str, Any]:
        """Keep a person's sighting and answer with the observation it is."""
        said = {"observer": by, "time": rfc3339(self.now_us())} | {k: v for k, v in fields.items() if v is not None}
        row: dict[str, Any] = sighting(said, source="sightings", received_at_us=self.now_us()).to_pylist()[0]
        self.sighted.append(said)
        return row

    def operate(self, action: str, arguments: dict[str, Any], *, by: str) -> dict[str, Any]:
        """Keep an operator's action."""
        tracks = arguments.get("track_ids")
        if not isinstance(tracks, list) or not tracks:
            raise InputError("track_ids must name at least one track", code="operate.tracks")
        row = {"action": action, "arguments": arguments, "by": by, "at": rfc3339(self.now_us())}
        self.actions.append(row)
        return {**row, "done": True}

    def operations(self) -> list[dict[str, Any]]:
        """Operators' actions, newest first."""
        numbered = [{"operation": k + 1, "undone_by": None, **row} for k, row in enumerate(self.actions)]
        return [{**row, "track_ids": row["arguments"]["track_ids"]} for row in reversed(numbered)]

    def story(self, track_id: int) -> dict[str, Any]:
        """A short story of any track."""
        at = rfc3339(self.sea.start_us)
        self.target(track_id)
        return {
            "track_id": track_id,
            "events": [{"observed_at": at, "event": "confirmed", "text": "confirmed after 3 observations"}],
            "observations": {"updated": {"count": 3, "largest_d2": 1.5}},
            "reports": [
                {"observed_at": at, "obs_id": "1", "outcome": "updated", "d2": 1.5, "source": "ais", "sensor": "ais"}
            ],
            "gates": {"keyed": 37.0},
            "identity": [],
            "seen": [{"source": "ais", "last_at": at}],
        }

    def coverage(self) -> dict[str, Any]:
        """Cells of two radars: one with a blind sector, one silent."""
        return answers.coverage()

    def age_s(self) -> float:
        """Seconds since tick 0."""
        return (self.now_us() - self.sea.start_us) / US_PER_S


def build(folder: Path, standin: StandIn, *, page_dir: Path | None = None) -> FastAPI:
    """Application over a stand-in with user ``watch`` (password ``watch watch watch``) who holds every role."""
    operations = Operations(url_of(folder))
    cheap = Passwords(iterations=1, lanes=1, memory_kib=8_192)
    if operations.user(USER) is None:
        roles = [role for role in ROLES if role != "feed"]
        operations.add_user(USER, roles=roles, password_hash=cheap.hash(PASSWORD), now_us=standin.now_us())
    return create_app(standin, operations, page_dir=page_dir, passwords=cheap)


async def serve(host: str, port: int, ships: int, page_dir: Path | None) -> None:
    """Serve a stand-in until interrupted; the address goes to stdout once it listens."""
    standin = StandIn(ships=ships, start_us=clock.now_us())
    with tempfile.TemporaryDirectory(prefix="kuroshio-standin-") as folder:
        app = build(Path(folder), standin, page_dir=page_dir)
        server = uvicorn.Server(server_config(app, host=host, port=port))
        ticking = asyncio.create_task(standin.run())
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.02)
        if server.started:
            bound = server.servers[0].sockets[0].getsockname()[1]
            sys.stdout.write(f"http://{host}:{bound}/ user {USER} password {PASSWORD!r}\n")
            sys.stdout.flush()
        await serving
        ticking.cancel()


def main() -> None:
    """Command line of the stand-in."""
    parser = argparse.ArgumentParser(prog="python -m kuroshio.testing.standin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ships", type=int, default=120)
    parser.add_argument(
        "--page", type=Path, default=Path(api.__file__).parent / "page", help="folder of the built page"
    )
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.host, chosen.port, chosen.ships, chosen.page))


if __name__ == "__main__":
    main()
