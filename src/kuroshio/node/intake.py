"""All sources of a node: their links run, their inboxes taken in fair shares, their health watched.

What enters: sources. What leaves: entries (source, arrival, bytes) of a tick. A tick has a bounded size that follows
how long cycles take, and within it every source has the same claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from kuroshio.errors import ConfigError, KuroshioError
from kuroshio.links import Backoff
from kuroshio.links.base import Chance
from kuroshio.node.health import ALARMS
from kuroshio.node.sources import TICK_BYTES_MAX, Source

log = logging.getLogger(__name__)

TICKS_BYTES_MAX = 8_000_000  # of all sources together
TICKS_BYTES_MIN = 256_000
CYCLE_S_MAX = 1.0  # a cycle that takes longer halves what the next may take: quiet sources wait for it too
RETRY_S = (1.0, 60.0)  # a link that could not begin (a port in use) begins again


class Sources:
    """All sources of a node, their tasks and their fair intake."""

    def __init__(self, sources: list[Source], *, chance: Chance) -> None:
        self.by_name = {source.section.name: source for source in sources}
        self._chance = chance
        self._tasks: list[asyncio.Task[None]] = []
        self._tick_bytes = float(TICKS_BYTES_MAX)

    def start(self) -> None:
        """Start every link; a link that fails is a failed feed, not a failed node."""
        for source in self.by_name.values():
            if source.link is not None:
                self._tasks.append(asyncio.create_task(self._run(source), name=f"source {source.section.name}"))

    async def _run(self, source: Source) -> None:
        """Run a link until it ends; one that could not begin, or broke, begins again after a pause."""
        assert source.link is not None
        backoff = Backoff(*RETRY_S, self._chance)
        while True:
            try:
                await source.link.run(source.deliver)
                source.fault, source.finished = "", True
                return
            except KuroshioError as err:
                again = err.error_code == "link.listen"
                self._failed(source, err.message)
            except Exception as err:
                again = source.section.link not in (
                    "file",
                    "replay",
                    "stdin",
                )  # read from its start it would say it all twice
                self._failed(source, f"a fault of this program: {type(err).__name__}")
                log.exception("source %s broke", source.section.name)
            if not again:
                return
            await backoff.pause()
            source.fault = ""

    def _failed(self, source: Source, reason: str) -> None:
        if source.fault != reason:
            log.error("source %s failed: %s", source.section.name, reason)
        source.fault = reason

    async def stop(self) -> None:
        """Cancel every link and wait for its end; what they had read is in the inboxes."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def take(self, elapsed_s: float, spent_s: float = 0.0) -> list[tuple[str, int, bytes]]:
        """Entries of one tick from all sources, each within its share.

        Parameters
        ----------
        elapsed_s
            Seconds since the last call: budgets fill by them.
        spent_s
            Seconds the last cycle took: a long one makes this one smaller.

        Notes
        -----
        The room of a tick is filled like water: every source gets the same level, a source that wants less leaves the
        rest to the others. So a quiet source is taken whole however many others flood. A block that reaches over its
        share is paid back from the next ones (deficit round robin: Shreedhar and Varghese, 1996).
        """
        if spent_s > CYCLE_S_MAX:
            self._tick_bytes = max(TICKS_BYTES_MIN, 0.5 * self._tick_bytes)
        elif spent_s < 0.5 * CYCLE_S_MAX:
            self._tick_bytes = min(TICKS_BYTES_MAX, 2.0 * self._tick_bytes)
        wanted = sorted((source.wanted_bytes(elapsed_s), name) for name, source in self.by_name.items())
        entries: list[tuple[str, int, bytes]] = []
        left = self._tick_bytes
        for at, (wish, name) in enumerate(wanted):
            share = min(wish, left / (len(wanted) - at))
            left -= share
            blocks = self.by_name[name].take_share(share)
            entries.extend((name, at_us, data) for at_us, data in blocks)
        return entries

    def rest(self) -> list[tuple[str, int, bytes]]:
        """Up to a tick of what the inboxes still hold, whatever the rates: for the last cycles of a node that stops."""
        entries: list[tuple[str, int, bytes]] = []
        for name, source in self.by_name.items():
            entries.extend((name, at_us, data) for at_us, data in source.take(TICK_BYTES_MAX))
        return entries

    def get(self, name: str) -> Source:
        """Source of that name.

        Raises
        ------
        ConfigError
            When the node has no such source.
        """
        if name not in self.by_name:
            raise ConfigError(
                f"no source {name!r}; this node has {', '.join(sorted(self.by_name)) or 'none'}", code="source.unknown"
            )
        return self.by_name[name]

    def look(self, now_us: int) -> None:
        """Let time pass for every source."""
        for source in self.by_name.values():
            source.look(now_us)

    def set_back(self, now_us: int) -> None:
        """The clock was ahead and is right again: no source was heard later than now."""
        for source in self.by_name.values():
            source.set_back(now_us)

    def counts(self) -> dict[str, int]:
        """How many sources there are, and how many are in alarm, by state."""
        states = Counter(source.watch.state for source in self.by_name.values() if source.watch.since_us is not None)
        return {"feeds": len(self.by_name), **{f"feeds_{state}": states[state] for state in ALARMS}}

    def newly_ended(self) -> list[str]:
        """Sources read to their end and taken, each told once."""
        ended = [s for s in self.by_name.values() if s.finished and not s.flushed and not s.held_bytes]
        for source in ended:
            source.flushed = True
        return [source.section.name for source in ended]

    @property
    def all_finished(self) -> bool:
        """True when every source is a file that has been read to its end and used."""
        return bool(self.by_name) and all(s.flushed for s in self.by_name.values())

    def as_dict(self) -> dict[str, Any]:
        """What was learned of each source, for the next start."""
        return {name: source.as_dict() for name, source in self.by_name.items()}

    def load(self, value: Mapping[str, Any]) -> None:
        """Take what was learned before."""
        for name, learned in value.items():
            if name in self.by_name and isinstance(learned, dict):
                self.by_name[name].load(learned)
