"""One source of a node: its link, its bounded inbox and its health.

What enters: blocks of its link, and the counts of what was decoded. What leaves: blocks within its rate, and a row of
the feeds panel. A fast or hostile source fills its own inbox only; what its limits hold back is counted. `node.intake`
has all of them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio import clock
from kuroshio.errors import BusyError
from kuroshio.links import Link, LinkState, Udp
from kuroshio.node.config import SourceSection
from kuroshio.node.health import ALARMS, ClockOffset, Norm, Recent, Watch, is_low
from kuroshio.sensing.base import Ledger
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

INBOX_BYTES_MAX = 8_000_000
BLOCK_OVERHEAD_BYTES = 256  # what a block costs beside its bytes, so that a flood of tiny ones is bounded too
TICK_BYTES_MAX = 2_000_000
CLOCK_ERROR_S_MIN = 30.0
COUNTS = ("refused_connections", "evicted_connections", "cut_lines", "dropped", "oversize_messages", "unfinished_bytes")


class Source:
    """One source: its inbox, its counts and its health."""

    def __init__(self, section: SourceSection, link: Link | None) -> None:
        self.section = section
        self.link = link
        self.ledger = Ledger()
        self.recent = Recent()
        self.norm = Norm()
        self.offset = ClockOffset()
        self.watch = Watch()
        self.observations = 0
        self.repeats = 0
        self.rejects_unkept = 0
        self.started_at_us: int | None = None
        self.last_message_at_us: int | None = None
        self.delayed_blocks = 0
        self.refused_pushes = 0
        self.finished = False
        self.flushed = False
        self.fault = ""
        self.held_bytes = 0
        self._inbox: deque[tuple[int, bytes]] = deque()
        self._space = asyncio.Event()
        self._space.set()
        self._budget_bytes = section.bytes_per_s_max
        self._credit_bytes = 0.0
        self._push_lock = threading.Lock()
        self._push_budget_bytes = section.bytes_per_s_max
        self._push_at_us: int | None = None

    # -- intake

    async def deliver(self, data: bytes, at_us: int) -> None:
        """Take a block from the link; waits while the inbox is full, which slows a TCP sender."""
        size = len(data) + BLOCK_OVERHEAD_BYTES
        try:
            if self.held_bytes + size > INBOX_BYTES_MAX and self.held_bytes:
                self.delayed_blocks += 1
                while self.held_bytes + size > INBOX_BYTES_MAX and self.held_bytes:
                    self._space.clear()
                    await self._space.wait()
        finally:  # a link that is stopped while it waits has read these bytes: they are not lost with it
            self._inbox.append((at_us, data))
            self.held_bytes += size

    def wanted_bytes(self, elapsed_s: float) -> float:
        """Bytes that may be taken this tick: what is held, within the source's rate and the share of a tick."""
        rate = self.section.bytes_per_s_max
        self._budget_bytes = min(self._budget_bytes + rate * elapsed_s, 2.0 * rate)
        return max(0.0, min(self._budget_bytes, TICK_BYTES_MAX, self.held_bytes))

    def take_share(self, share_bytes: float) -> list[tuple[int, bytes]]:
        """Blocks of this tick's share, less what earlier ones took over theirs."""
        self._credit_bytes += share_bytes
        taken = self.take(self._credit_bytes)
        self._credit_bytes = min(0.0, self._credit_bytes - sum(len(data) for _, data in taken))
        return taken

    def take(self, room_bytes: float) -> list[tuple[int, bytes]]:
        """Blocks in order until the room is used; the last may reach over it, which its budget remembers."""
        taken: list[tuple[int, bytes]] = []
        while self._inbox and room_bytes > 0:
            block = self._inbox.popleft()
            taken.append(block)
            room_bytes -= len(block[1])
            self._budget_bytes -= len(block[1])
            self.held_bytes -= len(block[1]) + BLOCK_OVERHEAD_BYTES
        if taken:
            self._space.set()
        return taken

    def admit_push(self, size: int, now_us: int) -> None:
        """Count pushed bytes against the source's rate.

        Raises
        ------
        BusyError
            When it has sent more than its rate lately; says when to come again.
        """
        rate = self.section.bytes_per_s_max
        with self._push_lock:
            before_us = now_us if self._push_at_us is None else self._push_at_us
            self._push_at_us = now_us
            refill = max(0, now_us - before_us) / US_PER_S * rate
            self._push_budget_bytes = min(self._push_budget_bytes + refill, 2.0 * rate)
            if self._push_budget_bytes <= 0:
                self.refused_pushes += 1
                wait_s = 1 + int(-self._push_budget_bytes / rate)
                raise BusyError(
                    f"source {self.section.name} has sent more than {rate:.0f} bytes/s",
                    code="source.rate",
                    retry_after_s=wait_s,
                )
            self._push_budget_bytes -= size

    # -- counts

    def count(
        self,
        ledger: Ledger,
        now_us: int,
        *,
        observations: int = 0,
        size_bytes: int = 0,
        repeats: int = 0,
        rejects_unkept: int = 0,
        offsets_s: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Book what one decoding gave."""
        self.ledger.add(ledger)
        self.observations += observations
        self.repeats += repeats
        self.rejects_unkept += rejects_unkept
        rejects = sum(ledger.rejected.values())
        self.recent.add(
            now_us, messages=ledger.messages, lines=ledger.lines, rejects=rejects, bytes=size_bytes, repeats=repeats
        )
        self.norm.add(now_us, ledger.messages, healthy=True)
        if ledger.messages:
            self.last_message_at_us = now_us
        if offsets_s is not None and offsets_s.size:
            self.offset.add(offsets_s)

    def set_back(self, now_us: int) -> None:
        """The clock was ahead and is right again: a silence counts from now, and so do rates."""
        self.recent = Recent()
        if self.last_message_at_us is not None:
            self.last_message_at_us = min(self.last_message_at_us, now_us)
        if self.started_at_us is not None:
            self.started_at_us = min(self.started_at_us, now_us)

    def look(self, now_us: int) -> None:
        """Let time pass: a silence is noticed, and a change of state is noted and told."""
        if self.started_at_us is None:
            self.started_at_us = now_us
        state = self.state(now_us)
        self.norm.add(now_us, 0, healthy=state not in ("silent", "failed", "off"))
        if isinstance(self.link, Udp):
            self.link.count_kernel_drops()
        before = self.watch.state if self.watch.since_us is not None else ""
        if self.watch.see(state, now_us) and (state in ALARMS or before in ALARMS):
            age_s = self.age_s(now_us)
            heard = "never heard" if age_s is None else f"last message {age_s:.0f} s ago"
            log.warning("source %s is %s: %s", self.section.name, state, self._detail(now_us) or heard)

    def age_s(self, now_us: int) -> float | None:
        """Seconds since the last message."""
        last = self.last_message_at_us
        return None if last is None else max(0.0, (now_us - last) / US_PER_S)

    def state(self, now_us: int) -> str:
        """ok, low (a quarter of its norm), late (half the quiet time), silent, failed, or off once a file is read."""
        if self.fault:
            return "failed"
        if self.finished:
            return "off"
        since_us = max(self.last_message_at_us or 0, self.started_at_us or 0)
        quiet_s = (now_us - since_us) / US_PER_S if since_us else 0.0
        if quiet_s > self.section.silence_s:
            return "silent"
        if quiet_s > 0.5 * self.section.silence_s or (self.last_message_at_us is None and self.section.silence_s < inf):
            return "late"
        return "low" if is_low(self.recent, self.norm.per_min(now_us), now_us) else "ok"

    # -- health

    def health(self, now_us: int) -> dict[str, Any]:
        """One row of the feeds panel."""
        link = self.link.state if self.link else LinkState()
        last, norm = self.last_message_at_us, self.norm.per_min(now_us)
        offset = self.offset.median_and_spread_s()
        sensor, rejects, state = self.section.sensor, self.ledger.rejected, self.state(now_us)
        lines, age_s = self.recent.sum("lines", now_us), self.age_s(now_us)
        return {
            "name": self.section.name,
            "kind": self.section.format,
            "link": self.section.link,
            "sensor": sensor.kind if sensor else None,
            "state": state,
            "alarm": state in ALARMS,
            "since": None if self.watch.since_us is None else clock.rfc3339(self.watch.since_us),
            "changes": self.watch.listed(),
            "connected": link.connected,
            "last_at": None if last is None else clock.rfc3339(last),
            "age_s": age_s,
            "rate_per_min": round(self.recent.per_s("messages", now_us) * 60.0, 2),
            "norm_per_min": None if norm is None else round(norm, 2),
            "bytes_per_s": round(self.recent.per_s("bytes", now_us), 1),
            "messages": self.ledger.messages,
            "observations": self.observations,
            "repeats": self.repeats,
            "lines": self.ledger.lines,
            "parts": self.ledger.parts,
            "comments": self.ledger.comments,
            "waiting": self.ledger.waiting,
            "rejects": sum(rejects.values()),
            "rejects_by_reason": dict(Counter(rejects).most_common(12)),
            "reject_share": round(self.recent.sum("rejects", now_us) / lines, 4) if lines else None,
            "clock_offset_s": None if offset is None else round(offset[0], 3),
            "clock_spread_s": None if offset is None else round(offset[1], 3),
            "held_bytes": self.held_bytes,
            "limits": self.limits(),
            "dropped": link.dropped,
            "reconnects": max(0, link.connections - 1),
            "link_failures": link.failures,
            "detail": self._detail(now_us),
        }

    def limits(self) -> dict[str, int]:
        """Count of every limit that was hit, by name; those never hit are left out."""
        link = self.link.state if self.link else LinkState()
        counts = {name: int(getattr(link, name)) for name in COUNTS} | {
            "delayed_blocks": self.delayed_blocks,
            "refused_pushes": self.refused_pushes,
            "rejects_unkept": self.rejects_unkept,
        }
        return {name: count for name, count in counts.items() if count}

    def _detail(self, now_us: int) -> str:
        """What a person should know, in words."""
        said = [self.fault] if self.fault else []
        if self.link and not self.fault and not self.finished and self.link.state.last_error:
            said.append(self.link.state.last_error)
        lines, state = self.recent.sum("lines", now_us), self.state(now_us)
        if lines and not self.recent.sum("messages", now_us) and self.recent.sum("rejects", now_us):
            said.append("lines come, but none of them is a message")
        if state == "low":
            said.append(f"{self.recent.per_s('messages', now_us, 600) * 60.0:.0f} messages a minute; "
                        f"{self.norm.per_min(now_us):.0f} are normal")  # fmt: skip
        offset = self.offset.median_and_spread_s()
        if offset is not None and abs(offset[0]) > max(CLOCK_ERROR_S_MIN, 3.0 * offset[1]):
            said.append(f"its clock or its path is {abs(offset[0]):.0f} s {'behind' if offset[0] > 0 else 'ahead'}")
        return "; ".join(said)

    def as_dict(self) -> dict[str, Any]:
        """What was learned, for the next start."""
        return {"norm": self.norm.as_dict(), "changes": self.watch.as_list(), "last_at_us": self.last_message_at_us}

    def load(self, value: Mapping[str, Any]) -> None:
        """Take what was learned before the last stop."""
        if isinstance(value.get("norm"), dict):
            self.norm.load(value["norm"])
        self.watch.load(value.get("changes"))
        if isinstance(value.get("last_at_us"), int):
            self.last_message_at_us = value["last_at_us"]
