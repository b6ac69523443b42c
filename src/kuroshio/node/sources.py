"""Sources of a node: a link, a decoder and a bounded inbox each, with the health a watch can trust.

What enters: source sections of the node file. What leaves: entries (source, arrival, bytes) in fair shares, and a
health row a source. A fast or hostile source fills its own inbox only; what its limits hold back is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kuroshio import clock
from kuroshio.errors import ConfigError, KuroshioError
from kuroshio.links import FileReader, Link, Replay, Serial, Tail, TcpClient, TcpServer, Udp
from kuroshio.node.config import SourceSection
from kuroshio.sensing.base import Ledger
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

INBOX_BYTES_MAX = 8_000_000
TICK_BYTES_MAX = 2_000_000
RATE_WINDOW_S = 60.0
TABLES = ("marinecadastre", "dma_csv", "csv", "detections_csv")  # often sorted by ship, not by time


@dataclass
class Rate:
    """Messages per second over the last minute, and their norm over a long time."""

    marks: deque[tuple[int, int]] = field(default_factory=deque)
    norm_per_s: float | None = None

    def add(self, at_us: int, count: int) -> None:
        """Count messages; the norm follows with a time constant of about an hour of marks."""
        self.marks.append((at_us, count))
        while self.marks and at_us - self.marks[0][0] > RATE_WINDOW_S * US_PER_S:
            self.marks.popleft()
        now_rate = self.per_s(at_us)
        self.norm_per_s = now_rate if self.norm_per_s is None else 0.999 * self.norm_per_s + 0.001 * now_rate

    def per_s(self, at_us: int) -> float:
        """Rate of the last minute."""
        recent = [(at, n) for at, n in self.marks if at_us - at <= RATE_WINDOW_S * US_PER_S]
        if not recent:
            return 0.0
        span_s = max(1.0, (at_us - recent[0][0]) / US_PER_S)
        return sum(n for _, n in recent) / span_s


class Source:
    """One source: its inbox, its counts and its health."""

    def __init__(self, section: SourceSection, link: Link | None) -> None:
        self.section = section
        self.link = link
        self.ledger = Ledger()
        self.messages = 0
        self.observations = 0
        self.last_message_at_us: int | None = None
        self.last_observed_at_us: int | None = None
        self.clock_offset_s: float | None = None
        self.delayed_blocks = 0
        self.finished = False
        self.flushed = False
        self.fault = ""
        self.rate = Rate()
        self._inbox: deque[tuple[int, bytes]] = deque()
        self._held_bytes = 0
        self._space = asyncio.Event()
        self._space.set()
        self._budget_bytes = section.bytes_per_s_max

    async def deliver(self, data: bytes, at_us: int) -> None:
        """Take a block from the link; waits while the inbox is full, which slows a TCP sender."""
        if self._held_bytes + len(data) > INBOX_BYTES_MAX and self._held_bytes:
            self.delayed_blocks += 1
            while self._held_bytes + len(data) > INBOX_BYTES_MAX and self._held_bytes:
                self._space.clear()
                await self._space.wait()
        self._inbox.append((at_us, data))
        self._held_bytes += len(data)

    def take(self, elapsed_s: float) -> list[tuple[int, bytes]]:
        """Blocks for this tick, within the source's own rate and the share of a tick."""
        rate = self.section.bytes_per_s_max
        self._budget_bytes = min(self._budget_bytes + rate * elapsed_s, 2.0 * rate)
        room = min(self._budget_bytes, TICK_BYTES_MAX)
        taken: list[tuple[int, bytes]] = []
        while self._inbox and room > 0:
            block = self._inbox.popleft()
            taken.append(block)
            room -= len(block[1])
            self._budget_bytes -= len(block[1])
            self._held_bytes -= len(block[1])
        if taken:
            self._space.set()
        return taken

    def count(self, ledger: Ledger, observations: int, newest_us: int | None, now_us: int) -> None:
        """Book what one decoding gave."""
        self.ledger.add(ledger)
        self.messages += ledger.messages
        self.observations += observations
        self.rate.add(now_us, ledger.messages)
        if ledger.messages:
            self.last_message_at_us = now_us
        if newest_us is not None:
            self.last_observed_at_us = max(newest_us, self.last_observed_at_us or newest_us)
            offset_s = (now_us - newest_us) / US_PER_S
            self.clock_offset_s = (
                offset_s if self.clock_offset_s is None else 0.9 * self.clock_offset_s + 0.1 * offset_s
            )

    def health(self, now_us: int) -> dict[str, Any]:
        """One row of the feeds panel."""
        state = self.link.state if self.link else None
        last = self.last_message_at_us
        age_s = None if last is None else max(0.0, (now_us - last) / US_PER_S)
        rejects = self.ledger.rejected
        sensor = self.section.sensor
        return {
            "name": self.section.name,
            "kind": self.section.format,
            "link": self.section.link,
            "sensor": sensor.kind if sensor else None,
            "state": self._state(age_s),
            "connected": bool(state and state.connected),
            "last_at": None if last is None else clock.rfc3339(last),
            "age_s": age_s,
            "rate_per_min": round(self.rate.per_s(now_us) * 60.0, 2),
            "norm_per_min": None if self.rate.norm_per_s is None else round(self.rate.norm_per_s * 60.0, 2),
            "messages": self.messages,
            "observations": self.observations,
            "lines": self.ledger.lines,
            "rejects": sum(rejects.values()),
            "rejects_by_reason": dict(Counter(rejects).most_common(12)),
            "clock_offset_s": None if self.clock_offset_s is None else round(self.clock_offset_s, 3),
            "delayed_blocks": self.delayed_blocks,
            "dropped": getattr(self.link, "overrun", 0),
            "cut_lines": state.cut_lines if state else 0,
            "reconnects": max(0, state.connections - 1) if state else 0,
            "detail": self.fault or (state.last_error if state else ""),
        }

    def _state(self, age_s: float | None) -> str:
        """ok, late (half the quiet time has passed), silent, failed, or off once a file is read."""
        if self.fault:
            return "failed"
        if self.finished:
            return "off"
        if age_s is None or age_s > self.section.quiet_s_max:
            return "silent"
        return "late" if age_s > 0.5 * self.section.quiet_s_max else "ok"


def build_link(
    section: SourceSection,
    *,
    now: Callable[[], int],
    time_of_line: Callable[[bytes], int | None],
    began: Callable[[int], None],
) -> Link | None:
    """Link of a source section; None for a push source, which the API feeds."""
    if section.link == "push":
        return None
    lines = section.format not in ("asterix",)
    if section.link == "serial":
        return Serial(str(section.path), now=now, baud=section.baud)
    if section.path is not None:
        if section.link == "file":
            return FileReader(section.path, now=now)
        if section.link == "tail":
            return Tail(section.path, now=now)
        return Replay(
            section.path,
            now=now,
            time_of_line=time_of_line,
            speed=section.speed,
            began=began,
            ordered=section.format not in TABLES,
        )
    assert section.port is not None
    if section.link == "tcp":
        return TcpClient(section.host, section.port, now=now, lines=lines)
    if section.link == "tcp-listen":
        return TcpServer(section.host, section.port, now=now, lines=lines)
    return Udp(section.host, section.port, now=now, group=section.group, lines=lines)


class Sources:
    """All sources of a node, their tasks and their fair intake."""

    def __init__(self, sources: list[Source]) -> None:
        self.by_name = {source.section.name: source for source in sources}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every link; a link that fails is a failed feed, not a failed node."""
        for source in self.by_name.values():
            if source.link is not None:
                self._tasks.append(asyncio.create_task(self._run(source), name=f"source {source.section.name}"))

    async def _run(self, source: Source) -> None:
        assert source.link is not None
        try:
            await source.link.run(source.deliver)
            source.finished = True
        except KuroshioError as err:
            source.fault = err.message
            log.error("source %s failed: %s", source.section.name, err)

    async def stop(self) -> None:
        """Cancel every link and wait for its end."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def take(self, elapsed_s: float) -> list[tuple[str, int, bytes]]:
        """Entries of one tick from all sources, each within its share."""
        entries: list[tuple[str, int, bytes]] = []
        for name, source in self.by_name.items():
            entries.extend((name, at_us, data) for at_us, data in source.take(elapsed_s))
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

    def newly_ended(self) -> list[str]:
        """Sources read to their end and taken, each told once."""
        ended = [s for s in self.by_name.values() if s.finished and not s.flushed and not s._inbox]
        for source in ended:
            source.flushed = True
        return [source.section.name for source in ended]

    @property
    def all_finished(self) -> bool:
        """True when every source is a file that has been read to its end and used."""
        return bool(self.by_name) and all(s.flushed for s in self.by_name.values())
