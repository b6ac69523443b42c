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
    """Put a frame on the stream of a direction; an urgent one before all that wait there and are not."""

    direction: Direction
    data: bytes = field(repr=False)
    urgent: bool = True


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


LOST_MEMORY = ("new_epoch", "partner_rolled_back")  # told when either end came back from an older copy of its log
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
    state_bytes_min, state_bytes_max, state_age_us
        Size of one state release. Within the two it is halved when the partner takes one later than the age, and
        doubled when it takes them early: a thin link gets small, fresh ones.
    beat_us, quiet_us
        Time between heartbeats, and silence after which a stream counts as dead.
    stall_us
        Time without any acknowledgement, while items are in flight, after which a stream is begun again; without one of
        a lane that waits, this and the time its bytes take on the slowest link.
    """

    window_control: int = 64
    window_record: int = 64
    window_state: int = 4
    window_bytes: int = 4 << 20
    queue_items: int = 5_000_000
    queue_bytes: int = 8 << 30
    rate_bytes_per_s: float | None = None
    state_bytes_min: int = 4 << 10
    state_bytes_max: int = 4 << 20
    state_age_us: int = 2_000_000
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


class Rate:
    """What a link carries: bytes accepted while something was on its way, over that time. Halves in a minute of use."""

    KEEP_S = 60.0

    def __init__(self) -> None:
        self._bytes = self._busy_s = 0.0
        self._since_us: int | None = None

    def began(self, now_us: int) -> None:
        """Something is on its way."""
        if self._since_us is None:
            self._since_us = now_us

    def accepted(self, size: int, now_us: int) -> None:
        """The partner has taken that many bytes."""
        if self._since_us is not None:
            self._busy_s += max(0, now_us - self._since_us) * 1e-6
            self._since_us = now_us
        self._bytes += size
        if self._busy_s > self.KEEP_S:
            self._bytes, self._busy_s = self._bytes / 2, self._busy_s / 2

    def idle(self) -> None:
        """Nothing is on its way."""
        self._since_us = None

    @property
    def bytes_per_s(self) -> float | None:
        """The rate; None until a second of use."""
        return self._bytes / self._busy_s if self._busy_s >= 1.0 else None
