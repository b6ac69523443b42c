"""A clock that was ahead and is right again: what the picture holds of the time that has not come yet goes.

What enters: the tracker, and the present time, earlier than the one it had reached. What leaves: the tracker at that
time, with counts of what went. Times that a wrong clock gave cannot be put right: nobody knows from when on it was
wrong, nor how long a node was down. So tracks fed in the future end, and begin anew with the next reports; what is
learned of sensors and said of ships stays.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kuroshio.picture.model import TrackerConfig
from kuroshio.picture.seen import NEVER
from kuroshio.units import US_PER_S

if TYPE_CHECKING:
    from kuroshio.picture.coverage import Coverage
    from kuroshio.picture.tracker import Tracker


def set_back(tracker: Tracker, now_us: int) -> Counter[str]:
    """Bring a tracker back to a time before its clock.

    Returns
    -------
    Counter
        ``clock_set_back``; ``clock_tracks``, ``clock_waiting`` (reports) and ``clock_partner_tracks`` that were of
        the future.
    """
    before = set(tracker.table.life.uid[tracker.table.live].tolist())
    tracker.room(0)
    rows = tracker.table.live
    # lines of tracks fed in the future bear the time they were fed: nothing later is known of them
    tracker.house.end(rows[tracker.table.kin.t_us[rows] > now_us], now_us, "clock")
    life, rows = tracker.table.life, tracker.table.live
    life.conflict_us[rows] = life.conflict_us[rows].clip(max=now_us)
    waiting = tracker.pending["t_us"] > now_us + _ahead_us(tracker.config)
    told = Counter(
        clock_set_back=1,
        clock_tracks=len(before) - len(rows),
        clock_waiting=int(waiting.sum()),
        clock_partner_tracks=tracker.fusion.drop_ahead(now_us),
    )
    tracker.pending = tracker.pending[~waiting]
    ways = tracker.desk.words.ways
    for operation in [k for k, way in ways.items() if any(int(t["t_us"]) > now_us for t in way.rows)]:
        del ways[operation]  # the row it would bring back is of the future
    for bias in tracker.house.registration.bias.values():
        bias.changed_us = min(bias.changed_us, now_us)
    _listen_anew(tracker.coverage, now_us)
    tracker.forget_candidates()
    tracker.clock_us = now_us
    if tracker.next_tick_us is not None:
        tracker.next_tick_us = (now_us // tracker.tick_us + 1) * tracker.tick_us
    return told


def _ahead_us(config: TrackerConfig) -> int:
    return round(config.future_s * US_PER_S)


def _listen_anew(coverage: Coverage, now_us: int) -> None:
    """No source was heard later than now: by the times of the wrong clock all its plots would be late for hours."""
    for state in coverage.state.values():
        if state.last_us > now_us or state.scan_us > now_us:
            state.last_us, state.scan, state.hit = min(state.last_us, now_us), None, []
    coverage.heard_us.clip(max=now_us, out=coverage.heard_us)
    coverage.pulse[0] = min(coverage.pulse[0], float(now_us))
    coverage.pauses[coverage.pauses[:, 1] > now_us] = NEVER
