"""What a session asks of its driver, and what it can be told: plain values, so that a test reads like a transcript."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from kuroshio.peers.frames import Lane


class Direction(Enum):
    """OUT carries our items to the partner, IN the partner's to us; each has a stream of its own."""

    OUT = "out"
    IN = "in"


@dataclass(frozen=True)
class Send:
    """Put a frame on the stream of a direction."""

    direction: Direction
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Deliver:
    """Take an item: verify it, make it durable, then tell the session `taken` or `failed`."""

    lane: Lane
    seq: int
    kind: str
    item_id: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Close:
    """End the stream of a direction; the driver dials again with back-off."""

    direction: Direction
    code: str


@dataclass(frozen=True)
class Told:
    """Something a person or the ledger should know: acknowledged, withheld, refused, skipped, epoch ..."""

    what: str
    detail: dict[str, Any]


Instruction = Send | Deliver | Close | Told


@dataclass(frozen=True)
class Limits:
    """Bounds of one session; every one that is hit has a counter.

    Parameters
    ----------
    window_control, window_record, window_state
        Items sent and not yet acknowledged, a lane.
    window_bytes
        Bytes in flight over all lanes but control.
    queue_items, queue_bytes
        Items and bytes that may wait for a partner that is away.
    rate_bytes_per_s
        Budget of the link; None is no limit. Control has a fifth of it for itself.
    beat_us, quiet_us
        Time between heartbeats, and silence after which a stream counts as dead.
    stall_us
        Time without any acknowledgement, while items are in flight, after which a stream is begun again.
    """

    window_control: int = 64
    window_record: int = 64
    window_state: int = 4
    window_bytes: int = 4 << 20
    queue_items: int = 5_000_000
    queue_bytes: int = 8 << 30
    rate_bytes_per_s: float | None = None
    beat_us: int = 5_000_000
    quiet_us: int = 20_000_000
    stall_us: int = 120_000_000

    def window(self, lane: Lane) -> int:
        """Items in flight allowed on a lane."""
        return (self.window_control, self.window_record, self.window_state)[lane]


class Budget:
    """Token bucket in the session's own time: two seconds of the rate may be saved up."""

    def __init__(self, rate_bytes_per_s: float | None) -> None:
        self.rate = rate_bytes_per_s
        self._tokens = 0.0 if rate_bytes_per_s is None else 2.0 * rate_bytes_per_s
        self._at_us: int | None = None

    def allows(self, now_us: int) -> bool:
        """True when something may be sent now; one item may overdraw, and the debt is waited off."""
        if self.rate is None:
            return True
        if self._at_us is not None and now_us > self._at_us:
            self._tokens = min(2.0 * self.rate, self._tokens + (now_us - self._at_us) * 1e-6 * self.rate)
        self._at_us = max(now_us, self._at_us or now_us)
        return self._tokens > 0.0

    def spend(self, size: int) -> None:
        """Count bytes sent."""
        if self.rate is not None:
            self._tokens -= size
