"""What is normal for a source and what is not: its rate against its own norm, its clock, its silence.

What enters: counts and delays as they come, with the node's time. What leaves: figures for the feeds panel, and the
state a watch officer acts on. Everything is bounded; `as_dict` and `load` carry what was learned over a restart.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio import clock
from kuroshio.units import US_PER_S

BUCKET_S = 10
WINDOW_S = 600  # the recent past: what shares and lows are taken over
NOW_S = 60
DAY_WEIGHT = 0.25  # of a new day's hour in the norm of that hour: a change of habit is followed in about four days
HOUR_MINUTES_MIN = 20  # minutes an hour must have been heard for to teach
FIRST_MINUTES_MIN = 5  # minutes after which the running hour speaks where nothing is known
LOW_SHARE = 0.25  # of the norm, below which a feed counts as low
LOW_EXPECTED_MIN = 40.0  # messages expected in the window: below, chance alone makes lows (Poisson: 4 sigma)
OFFSETS_KEPT = 512
CHANGES_KEPT = 20
FIELDS = ("messages", "lines", "rejects", "bytes", "repeats")
ALARMS = ("silent", "failed", "low")


class Recent:
    """Counts of the last ten minutes, in buckets of ten seconds."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, list[int]]] = deque()
        self._since_us: int | None = None

    def add(self, at_us: int, **counts: int) -> None:
        """Add counts by the names of `FIELDS`."""
        index = at_us // (BUCKET_S * US_PER_S)
        if self._since_us is None:
            self._since_us = at_us
        if not self._buckets or self._buckets[-1][0] < index:
            self._buckets.append((index, [0] * len(FIELDS)))
        row = self._buckets[-1][1]
        for name, count in counts.items():
            row[FIELDS.index(name)] += count
        while self._buckets[0][0] < index - WINDOW_S // BUCKET_S:
            self._buckets.popleft()

    def sum(self, name: str, now_us: int, span_s: int = WINDOW_S) -> int:
        """Count of a field over the last ``span_s`` seconds, rounded up to whole buckets."""
        first = now_us // (BUCKET_S * US_PER_S) - span_s // BUCKET_S + 1
        at = FIELDS.index(name)
        return sum(row[at] for index, row in tuple(self._buckets) if index >= first)

    def span_s(self, now_us: int, span_s: int = WINDOW_S) -> float:
        """Seconds that `sum` spans, since the first count at most."""
        whole = span_s - BUCKET_S + now_us % (BUCKET_S * US_PER_S) / US_PER_S
        heard = whole if self._since_us is None else (now_us - self._since_us) / US_PER_S
        return max(1.0, min(whole, heard))

    def per_s(self, name: str, now_us: int, span_s: int = NOW_S) -> float:
        """Rate of a field."""
        return self.sum(name, now_us, span_s) / self.span_s(now_us, span_s)


class Norm:
    """Messages a minute that are normal for each hour of the day (UTC).

    A minute teaches while the source is heard. At the end of an hour the median of its minutes moves the norm of that
    hour by a quarter of the way, so that a burst within an hour teaches nothing, a bad hour little, and a lasting
    change is learned in days. Where the hour is not known yet, the running hour's median speaks, else the other hours'.
    """

    def __init__(self) -> None:
        self._norms: list[float | None] = [None] * 24
        self._hour: int | None = None
        self._minutes: list[int] = []
        self._minute: int | None = None
        self._count = 0

    def add(self, now_us: int, messages: int, *, healthy: bool) -> None:
        """Count messages; with none it only lets time pass."""
        minute = now_us // (60 * US_PER_S)
        if self._minute is None or minute < self._minute:
            self._minute, self._count = minute, 0
        if minute > self._minute:
            if healthy:
                self._close(self._minute, self._count)
                for empty in range(self._minute + 1, min(minute, self._minute + 60)):
                    self._close(empty, 0)
            self._minute, self._count = minute, 0
        self._count += messages

    def _close(self, minute: int, count: int) -> None:
        hour = minute // 60
        if self._hour is not None and hour != self._hour:
            self._learn(self._hour % 24)
        self._hour = hour
        if len(self._minutes) < 60:
            self._minutes.append(count)

    def _learn(self, hour_of_day: int) -> None:
        if len(self._minutes) >= HOUR_MINUTES_MIN:
            seen, before = statistics.median(self._minutes), self._norms[hour_of_day]
            self._norms[hour_of_day] = seen if before is None else before + DAY_WEIGHT * (seen - before)
        self._minutes = []

    def per_min(self, now_us: int) -> float | None:
        """Messages a minute that are normal at this hour; None until five minutes were heard."""
        known = self._norms[now_us // (3600 * US_PER_S) % 24]
        if known is not None:
            return known
        if len(self._minutes) >= FIRST_MINUTES_MIN:
            return float(statistics.median(self._minutes))
        others = [norm for norm in self._norms if norm is not None]
        return statistics.median(others) if others else None

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"norms": self._norms, "hour": self._hour, "minutes": self._minutes}

    def load(self, value: Mapping[str, Any]) -> None:
        """Take what was learned before; what is not of the form is left out."""
        norms, minutes, hour = value.get("norms"), value.get("minutes"), value.get("hour")
        if isinstance(norms, list) and len(norms) == 24:
            self._norms = [float(n) if isinstance(n, int | float) and n >= 0 else None for n in norms]
        if isinstance(minutes, list) and isinstance(hour, int) and len(minutes) <= 60:
            self._hour, self._minutes = hour, [int(n) for n in minutes if isinstance(n, int)]


class ClockOffset:
    """How far arrivals are behind the sender's own times: the median of the last 512, and their spread.

    The offset is the sender's clock error and the delay of the path together; the median shrugs off late single
    reports. Times that are not the sender's clock (arrival, a file's, a person's) do not enter.
    """

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=OFFSETS_KEPT)

    def add(self, offsets_s: npt.NDArray[np.float64]) -> None:
        """Add received minus observed, in seconds."""
        self._kept.extend(offsets_s.tolist())

    def median_and_spread_s(self) -> tuple[float, float] | None:
        """Median, and 1.4826 times the median absolute deviation (one sigma where errors are normal)."""
        if not self._kept:
            return None
        values = np.asarray(list(self._kept))
        middle = float(np.median(values))
        return middle, 1.4826 * float(np.median(np.abs(values - middle)))


@dataclass
class Watch:
    """States a source has been in: since when, and its last changes, so that a feed that comes and goes is seen to."""

    state: str = "silent"
    since_us: int | None = None
    changes: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=CHANGES_KEPT))

    def see(self, state: str, now_us: int) -> bool:
        """Note the state now; True when it has changed."""
        if self.since_us is not None and state == self.state:
            return False
        self.state, self.since_us = state, now_us
        self.changes.append((now_us, state))
        return True

    def listed(self) -> list[dict[str, str]]:
        """Changes, newest first, for people."""
        return [{"at": clock.rfc3339(at_us), "state": state} for at_us, state in reversed(list(self.changes))]

    def as_list(self) -> list[list[Any]]:
        """JSON form."""
        return [[at_us, state] for at_us, state in self.changes]

    def load(self, rows: Any) -> None:
        """Take the changes of before; rows that are none are left out."""
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, list) and len(row) == 2 and isinstance(row[0], int) and isinstance(row[1], str):
                self.changes.append((row[0], row[1]))


class Repeats:
    """Counts reports that say what one of the last minute said: the same transmission heard twice.

    Bounded: two generations of identities, each at most half a minute or ``limit`` rows.
    """

    def __init__(self, *, span_us: int = 30 * US_PER_S, limit: int = 200_000) -> None:
        self._span_us, self._limit = span_us, limit
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._turned_us = 0

    def count(self, ids: npt.NDArray[np.int64], now_us: int) -> int:
        """How many of these identities were there before, among themselves too."""
        if abs(now_us - self._turned_us) > self._span_us or len(self._young) > self._limit:
            self._old, self._young, self._turned_us = self._young, set(), now_us
        listed = ids.tolist()
        fresh = set(listed)
        known = len(fresh & self._young) + len(fresh - self._young & self._old)
        self._young |= fresh
        return len(listed) - len(fresh) + known


def is_low(recent: Recent, norm_per_min: float | None, now_us: int) -> bool:
    """True when ten full minutes brought less than a quarter of what is normal, and enough was expected to tell."""
    if norm_per_min is None or recent.span_s(now_us) < WINDOW_S - BUCKET_S:
        return False
    expected = norm_per_min * recent.span_s(now_us) / 60.0
    return expected >= LOW_EXPECTED_MIN and recent.sum("messages", now_us) < LOW_SHARE * expected
