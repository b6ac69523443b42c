"""States that must grow old before they may go, of one recipient under one delay.

What enters: rows in about the order of their times. What leaves: those old enough. They lie in steps of a sixtieth of
the delay, of each track the first state of each step, so that a release looks at what is due, not at all that waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.exchange.columns import int64_of, newest_per
from kuroshio.schema import TRACKS, concat

HELD_STEPS = 60  # states kept of one track within the delay: the age released is right to a sixtieth of it
Ids = np.ndarray[Any, np.dtype[np.int64]]


class Ageing:
    """Rows too young.

    Parameters
    ----------
    delay_us
        Age at which a row may go.
    rows_max
        Rows kept; beyond it the oldest step is dropped and counted in ``dropped``.
    """

    def __init__(self, delay_us: int, rows_max: int) -> None:
        self._delay_us, self._rows_max = delay_us, rows_max
        self._step_us = max(delay_us // HELD_STEPS, 1)
        self._steps: dict[int, tuple[list[pa.Table], Ids]] = {}
        self._over = TRACKS.empty()
        self.dropped = 0

    def __len__(self) -> int:
        return self._over.num_rows + sum(len(ids) for _, ids in self._steps.values())

    def copy(self) -> Ageing:
        """The same, for a look that changes nothing."""
        other = Ageing(self._delay_us, self._rows_max)
        other._steps, other._over = dict(self._steps), self._over
        return other

    def age(self, rows: pa.Table, now_us: int) -> pa.Table:
        """Rows old enough now, of those kept and those given; the others are kept."""
        old_us = now_us - self._delay_us
        at = int64_of(rows, "observed_at")
        parts, self._over = [self._over], TRACKS.empty()
        for step in sorted(s for s in self._steps if s * self._step_us <= old_us):
            table = concat(TRACKS, self._steps.pop(step)[0])
            due = int64_of(table, "observed_at") <= old_us
            parts.append(table.filter(pa.array(due)))
            if not due.all():
                rest = table.filter(pa.array(~due))
                self._steps[step] = [rest], int64_of(rest, "track_id")
        young = at > old_us
        self._put(rows.filter(pa.array(young)))
        return concat(TRACKS, [*parts, rows.filter(pa.array(~young))])

    def put_back(self, due: pa.Table) -> None:
        """Keep the newest row of each track, due as it is: it could not go."""
        every = concat(TRACKS, [self._over, due])
        newest = newest_per(int64_of(every, "track_id"), int64_of(every, "observed_at"))
        self._over = every.take(pa.array(newest))

    def _put(self, rows: pa.Table) -> None:
        ids, at = int64_of(rows, "track_id"), int64_of(rows, "observed_at")
        steps = at // self._step_us
        for step in np.unique(steps).tolist():
            tables, known = self._steps.get(step, ([], np.empty(0, np.int64)))
            here = np.flatnonzero((steps == step) & ~np.isin(ids, known))
            here = here[newest_per(ids[here], -at[here])]  # of each track the first
            self._steps[step] = [*tables, rows.take(pa.array(here))], np.concatenate([known, ids[here]])
        while len(self) > self._rows_max and self._steps:
            self.dropped += len(self._steps.pop(min(self._steps))[1])
