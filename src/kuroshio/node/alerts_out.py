"""Alerts on their way to partners: each goes once it is old enough, and what a crash kept back goes after the restart.

What enters: new alerts with their number in the book of alerts. What leaves: for each partner what has to be decided on
now, and the number up to which nothing is left to tell it, which the node keeps beside its releases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.behaviour.rules import PREFIX
from kuroshio.schema import ALERTS, concat

NOTHING = 1 << 62  # a number after which there is no row
Batch = tuple[int, pa.Table]  # number before the first row, rows
BATCHES_MAX = 10_000  # of one partner under a delay; older ones are forgotten and counted


class AlertsOut:
    """What each partner has still to be told.

    Attributes
    ----------
    forgotten
        Batches dropped because `BATCHES_MAX` was reached.
    """

    def __init__(self, partners: Sequence[str]) -> None:
        self._batches: dict[str, list[Batch]] = {party: [] for party in partners}
        self._kept: dict[str, int] = {}
        self._last = 0
        self.forgotten = 0

    def resume(self, told: Mapping[str, int], after: Callable[[int], tuple[pa.Table, int]]) -> None:
        """Take up what was not told before a restart.

        Parameters
        ----------
        told
            Per partner the number kept; a partner without one is told nothing of the past.
        after
            Gives (ALERTS rows after a number, number of the last row of all).
        """
        _, self._last = after(NOTHING)
        for party, number in told.items():
            while party in self._batches and number < self._last:
                rows, last = after(number)
                self._batches[party].append((number, own_left_out(rows)))
                number = last
        self._kept = dict(told)

    @property
    def read_to(self) -> int:
        """Number of the last row taken from the book."""
        return self._last

    def add(self, rows: pa.Table, number: int) -> None:
        """New rows; the last of them has the number in the book."""
        rows = own_left_out(rows)
        if rows.num_rows:
            for batches in self._batches.values():
                batches.append((self._last, rows))
                if len(batches) > BATCHES_MAX:
                    self.forgotten += 1
                    del batches[0]
        self._last = max(self._last, number)

    def due(self) -> list[tuple[pa.Table, list[str]]]:
        """(rows, partners) to decide on now: partners with the same rows together."""
        found: dict[tuple[int, ...], tuple[pa.Table, list[str]]] = {}
        for party, batches in self._batches.items():
            if batches:
                same = tuple(id(rows) for _, rows in batches)
                rows = concat(ALERTS, [rows for _, rows in batches])
                found.setdefault(same, (rows, []))[1].append(party)
        return list(found.values())

    def keep_young(self, young: Mapping[str, set[str]]) -> None:
        """All was decided on; of each partner only the alerts named are too young and wait on."""
        for party, batches in self._batches.items():
            ids = young.get(party)
            if not ids:
                batches.clear()
                continue
            left = [
                (number, rows.filter(pa.array([i in ids for i in rows["alert_id"].to_pylist()], pa.bool_())))
                for number, rows in batches
            ]
            self._batches[party] = [(number, rows) for number, rows in left if rows.num_rows]

    def to_keep(self) -> dict[str, int]:
        """Per partner the number up to which nothing is left to tell, where it changed since the last call."""
        now = {party: b[0][0] if b else self._last for party, b in self._batches.items()}
        changed = {party: number for party, number in now.items() if self._kept.get(party) != number}
        self._kept = now
        return changed


def own_left_out(rows: pa.Table) -> pa.Table:
    """Without alerts of the watch's own rules: they tell what a watch looks for, and no accord names them."""
    if not rows.num_rows:
        return rows
    return rows.filter(pc.invert(pc.starts_with(rows["definition"].cast(pa.string()), PREFIX)))
