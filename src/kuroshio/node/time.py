"""The node's time: the wall clock, or the clock of a replay that runs faster."""

from __future__ import annotations

from kuroshio import clock
from kuroshio.units import US_PER_S, UtcMicros


def not_beyond(due_us: UtcMicros, now_us: UtcMicros, every_s: float) -> UtcMicros:
    """When something is due that is done every so often: never further off, though the clock was set back since."""
    return min(due_us, now_us + int(every_s * US_PER_S))


class NodeClock:
    """Time as the node sees it.

    Parameters
    ----------
    start_us
        First instant of a replayed or simulated sea; None for the wall clock.
    speed
        Seconds of that sea in one second.
    wall_zero_us
        Wall time that belongs to ``start_us``; nodes of one simulation share it. None is now.
    waits
        True for a replay: time has not begun until `begin` is told the recording's first instant.
    """

    def __init__(
        self,
        start_us: UtcMicros | None = None,
        speed: float = 1.0,
        wall_zero_us: int | None = None,
        *,
        waits: bool = False,
    ) -> None:
        self._start_us = start_us
        self.began = not waits
        self._speed = speed
        self._zero_us = wall_zero_us if wall_zero_us is not None else clock.now_us()

    def now_us(self) -> UtcMicros:
        """Current time in UTC microseconds."""
        return self.at_wall(clock.now_us())

    def at_wall(self, wall_us: UtcMicros) -> UtcMicros:
        """Node time that belongs to a wall time."""
        if self._start_us is None:
            return wall_us
        return self._start_us + int((wall_us - self._zero_us) * self._speed)

    def begin(self, start_us: UtcMicros) -> None:
        """Set a replay's first instant, now: called when the recording's first time is read."""
        self._start_us = start_us
        self._zero_us = clock.now_us()
        self.began = True

    @property
    def speed(self) -> float:
        """Seconds of node time in one second of wall time."""
        return 1.0 if self._start_us is None else self._speed
