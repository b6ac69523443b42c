"""Who there is: rows of tracks and of MMSIs in the states, which tracks are exercise, and which claimed which MMSI.

Rows are counted in the order of first appearance and never change, so that states of different times share them. What
a late row may touch are the tracks and MMSIs that are linked by claims, over any number of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kuroshio.behaviour.compiled import kernel
from kuroshio.behaviour.index import IdIndex, distinct
from kuroshio.units import BoolArray, IntArray


@kernel
def first_rows(slot: Any, known: int, out: Any) -> None:
    """First row of each slot from ``known`` on; new slots come in the order of their numbers."""
    following = known
    for i in range(slot.size):
        if slot[i] == following:
            out[following - known] = i
            following += 1


@kernel
def _put(links: Any, count: int, slot: Any, who: Any) -> None:
    for i in range(slot.size):
        links[count + i, 0], links[count + i, 1] = slot[i], who[i]


@kernel
def _reach(links: Any, count: int, slots: Any, numbers: Any) -> None:
    more = True
    while more:
        more = False
        for i in range(count):
            s, w = links[i, 0], links[i, 1]
            if slots[s] != numbers[w]:
                slots[s] = numbers[w] = True
                more = True


class Names:
    """Indices of tracks and MMSIs, and the links between them; it only grows."""

    def __init__(self) -> None:
        self.tracks, self.numbers = IdIndex(), IdIndex()
        self.exercise: BoolArray = np.zeros(0, np.bool_)
        self._links: IntArray = np.zeros((0, 2), np.int64)
        self._count = 0  # of links

    def locate(self, track: IntArray, mmsi: IntArray, exercise: BoolArray) -> tuple[IntArray, IntArray]:
        """Rows of the tracks and of the MMSIs (which may be -1); new ones get the next."""
        known = len(self.tracks)
        slot = self.tracks.rows(track)
        count = len(self.tracks)
        if count > known:
            first = np.empty(count - known, np.int64)
            first_rows(slot, known, first)
            self.exercise = np.concatenate([self.exercise, exercise[first]])
        return slot, self.numbers.rows(mmsi)

    def link(self, slot: IntArray, who: IntArray) -> None:
        """Note that tracks claim MMSIs."""
        if self._count + len(slot) > len(self._links):
            self._settle(len(slot))
        _put(self._links, self._count, slot, who)
        self._count += len(slot)

    def _settle(self, more: int) -> None:
        """Keep each link once, with room for as many again and ``more``."""
        links = self._links[: self._count]
        packed = distinct(links[:, 0] << 32 | links[:, 1])
        self._count = len(packed)
        self._links = np.empty((max(1_000, 2 * len(packed)) + more, 2), np.int64)
        _put(self._links, 0, packed >> 32, packed & 0xFFFFFFFF)

    def linked(self, slot: IntArray) -> tuple[BoolArray, BoolArray]:
        """Tracks and MMSIs that links join to some tracks, marked among all."""
        slots, numbers = np.zeros(len(self.tracks), np.bool_), np.zeros(len(self.numbers), np.bool_)
        slots[slot] = True
        _reach(self._links, self._count, slots, numbers)
        return slots, numbers

    def arrays(self) -> dict[str, Any]:
        """State for a checkpoint."""
        self._settle(0)
        names = {"tracks": self.tracks.names, "numbers": self.numbers.names}
        return names | {"exercise": self.exercise, "links": self._links[: self._count]}

    def restore(self, arrays: dict[str, Any]) -> None:
        """Take a checkpoint up."""
        self.tracks, self.numbers = IdIndex(arrays["tracks"]), IdIndex(arrays["numbers"])
        self.exercise, self._links = np.array(arrays["exercise"]), np.array(arrays["links"])
        self._count = len(self._links)
