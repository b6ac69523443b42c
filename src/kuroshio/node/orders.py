"""What changes the picture besides what sources say: watch officers' actions, and a clock that is set back.

What enters: an action with who does it, or a time before the picture's. What leaves: the picture changed, and an entry
of the journal that was on disk before it was. All or nothing: an action that cannot be kept is not done. The book of
actions is written last, and what it cannot take is written again; the journal has it meanwhile.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from typing import Any

from kuroshio.errors import InputError, NotFound, StoreError
from kuroshio.node.pipeline import Pipeline
from kuroshio.store import Journal, Operations
from kuroshio.units import US_PER_S

log = logging.getLogger(__name__)

WATCH = "@watch"  # journal entries of what is done here: no source has such a name
SET_BACK = "set_back"
SET_BACK_S = 5.0  # a clock that is slewed, or a push beside a cycle, is within that: the picture stands still meanwhile


class Orders:
    """Actions and set clocks of one node; used from its worker thread."""

    def __init__(self, pipeline: Pipeline, journal: Journal, operations: Operations) -> None:
        self._pipeline, self._journal, self._operations = pipeline, journal, operations
        self._unbooked: deque[dict[str, Any]] = deque()

    def operate(self, action: str, arguments: dict[str, Any], *, by: str, now_us: int) -> dict[str, Any]:
        """Record of a watch officer's action, done on the tracks once it is in the journal.

        Raises
        ------
        StoreError
            When it cannot be kept; nothing was done then.
        InputError, NotFound
            When it does not fit; nothing was done or kept then.
        ValueError, TypeError
            When its arguments cannot be written as JSON; likewise.
        """
        # the tracks it saw are those of the last cycle: reading it again begins with the same ones
        clock_us = self._pipeline.tracker.clock_us
        said = {"action": action, "arguments": arguments, "by": by, "at_us": now_us, "clock_us": clock_us}

        def keep() -> None:
            try:
                self._write(said, now_us)
            except StoreError as err:
                raise StoreError(
                    f"{action} was not done: it could not be kept: {err.message}",
                    code=err.error_code,
                    advice=err.error_advice,
                ) from err

        done = self._pipeline.tracker.operate(action, arguments, by, now_us, keep)
        self._unbooked.append(said)
        self.book()
        return done

    def _write(self, said: dict[str, Any], now_us: int) -> None:
        self._journal.append([(WATCH, now_us, json.dumps(said, sort_keys=True, allow_nan=False).encode())])

    def book(self, *, must: bool = False) -> None:
        """Put actions into the book of actions that it does not have.

        Raises
        ------
        StoreError
            When it refuses them and they ``must`` go, because the journal is let go of.
        """
        while self._unbooked:
            said = self._unbooked[0]
            try:
                self._operations.add_action(said["action"], said["arguments"], by=said["by"], at_us=said["at_us"])
            except StoreError as err:
                if must:
                    raise
                log.error("action %s of %s is done, its book refuses it for now: %s", said["action"], said["by"], err)
                return
            self._unbooked.popleft()

    def set_back(self, now_us: int) -> bool:
        """True where the clock was ahead by more than `SET_BACK_S`: the picture is then that of ``now_us``.

        Raises
        ------
        StoreError
            When that cannot be kept.
        """
        clock_us = self._pipeline.tracker.clock_us
        if clock_us is None or now_us >= clock_us - SET_BACK_S * US_PER_S:
            return False
        self._write({"action": SET_BACK, "at_us": now_us, "clock_us": clock_us}, now_us)
        self._pipeline.set_back(now_us)
        log.warning(
            "the clock was set back by %.1f s: what was fed later than now has ended", (clock_us - now_us) * 1e-6
        )
        return True

    def clocks(self) -> dict[str, int]:
        """Counts of what wrong clocks cost the picture: reports refused by their time, and what a set clock ended."""
        totals = self._pipeline.tracker.totals
        refused = {f"refused_{name}": totals[name] for name in ("future", "ancient")}
        return {**refused, **{name: totals[name] for name in ("clock_set_back", "clock_tracks", "clock_waiting")}}

    @staticmethod
    def read(data: bytes) -> dict[str, Any]:
        """An entry of the journal."""
        said: dict[str, Any] = json.loads(data)
        return said

    def repeat(self, said: dict[str, Any]) -> None:
        """Do again what an entry of the journal says, in its place among the reports."""
        if said["action"] == SET_BACK:
            self._pipeline.set_back(said["at_us"])
            return
        try:
            self._pipeline.tracker.operate(said["action"], said["arguments"], said["by"], said["at_us"])
        except (InputError, NotFound) as err:
            log.error("action %s of %s cannot be done again: %s", said["action"], said["by"], err)
            return
        if not self._operations.has_action(said["action"], said["arguments"], by=said["by"], at_us=said["at_us"]):
            self._unbooked.append(said)
