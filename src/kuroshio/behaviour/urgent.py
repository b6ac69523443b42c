"""What cannot wait for the watermark: collision risk is judged at the present, on what has come so far.

Such facts are provisional. The exact detector, which waits, confirms them when the watermark passes their start; those
it does not confirm are void.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kuroshio.behaviour.core import Core, Facts
from kuroshio.behaviour.definition import Definitions
from kuroshio.behaviour.detector import REGISTRY, Surroundings
from kuroshio.behaviour.fixes import Fixes
from kuroshio.behaviour.state import Fact

if TYPE_CHECKING:
    from kuroshio.behaviour.ledger import Ledger


class Urgent:
    """The urgent detectors, told that it is now; without any of them it does nothing."""

    def __init__(self, definitions: Definitions, around: Surroundings, ledger: Ledger) -> None:
        wanted = [d for d in definitions.enabled if d.kernel in REGISTRY and REGISTRY[d.kernel].urgent]
        self.core = Core(Definitions(wanted), around) if wanted else None
        self.ledger = ledger
        self.facts: dict[str, Fact] = {}

    def over(self, exact: Mapping[str, Fact]) -> dict[str, Fact]:
        """Facts that are over, where the exact detector does not know it yet."""
        known = {name: exact.get(name) for name, fact in self.facts.items() if fact.end_us is not None}
        return {name: self.facts[name] for name, fact in known.items() if fact is None or fact.end_us is None}

    def take(self, rows: Fixes) -> None:
        """Rows in canonical order, each later than those before of its track."""
        if self.core is not None and len(rows):
            self.core.step(rows, [])

    def step(self, now_us: int, exact: Mapping[str, Fact], changed: dict[str, Fact]) -> None:
        """Judge at the present; what the exact detector does not know yet is put into ``changed``."""
        if self.core is None:
            return
        out: Facts = []
        self.core.advance(now_us, out)
        for _, fact in out:  # one turn a fact found
            name = self.ledger.id_of(fact)
            known = exact.get(name)
            if name in self.ledger.finished or (
                known is not None and (known.end_us is not None or fact.end_us is None)
            ):
                continue
            self.facts[name] = changed[name] = fact
        changed |= {name: fact for name, fact in self.over(changed).items() if name in changed}

    def stale(self, watermark_us: int, exact: Mapping[str, Fact]) -> tuple[list[str], dict[str, Fact]]:
        """(facts the exact detector should have by now and has not, facts it has otherwise); they are left to it."""
        gone, other = [], {}
        for name in [n for n, f in self.facts.items() if f.start_us <= watermark_us]:
            known, end_us = exact.get(name), self.facts[name].end_us
            if known is not None and known.end_us is None and (end_us is None or end_us > watermark_us):
                continue
            del self.facts[name]
            if known is not None:
                other[name] = known
            elif name not in self.ledger.finished:
                gone.append(name)
        return gone, other

    def arrays(self) -> dict[str, Any]:
        """State for a checkpoint."""
        if self.core is None:
            return {"none": np.zeros(0, np.int64)}
        return self.core.arrays() | {f"names.{name}": value for name, value in self.core.names.arrays().items()}

    def restore(self, arrays: dict[str, Any], facts: dict[str, Fact]) -> None:
        """Take a checkpoint up."""
        self.facts = facts
        if self.core is not None:
            self.core.names.restore({n.removeprefix("names."): v for n, v in arrays.items() if n.startswith("names.")})
            self.core.restore(arrays)
