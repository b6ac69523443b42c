"""What tests of a node's sources begin with: the section of a feed, what it counted, and a fixed hour.

What enters: nothing but what a test names. What leaves: sections, ledgers, times in microseconds.
"""

from __future__ import annotations

from typing import Any

from kuroshio.node import config
from kuroshio.sensing.base import Ledger
from kuroshio.units import US_PER_S

S = US_PER_S
MIN = 60 * S
HOUR = 60 * MIN
START = 1_760_000_000 * S // HOUR * HOUR


def no_chance() -> float:
    """In place of a random number: no wait is lengthened."""
    return 0.0


def section(name: str = "s", **settings: Any) -> config.SourceSection:
    """Section of a pushed AIVDM source, with whatever settings a test needs otherwise."""
    return config.SourceSection(**({"name": name, "format": "aivdm", "link": "push"} | settings))


def messages(count: int, **more: Any) -> Ledger:
    """Counters of a feed that gave so many messages, a line each."""
    return Ledger(lines=count, messages=count, **more)
