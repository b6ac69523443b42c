"""What every decoder takes and gives: bytes in, tables and a ledger of lines out.

A decoder never raises on bytes. Each line or record it is fed is counted once: as a message, as a part that waits
for others, as a comment, or as a reject row with its bytes and a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from kuroshio.schema import TABLES, concat


@dataclass
class Ledger:
    """Count of what happened to each line: ``lines == accounted`` always holds after `flush`.

    ``messages`` counts lines that completed a message, ``parts`` lines that belong to a message completed by
    another line, ``comments`` blank lines, comments and carriers of time or source without a payload,
    ``rejected`` reject rows by reason, ``waiting`` parts and unfinished lines not yet decided.
    """

    lines: int = 0
    messages: int = 0
    parts: int = 0
    comments: int = 0
    waiting: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def accounted(self) -> int:
        """Lines with a known fate."""
        return self.messages + self.parts + self.comments + self.waiting + sum(self.rejected.values())

    def add(self, other: Ledger) -> None:
        """Add another ledger's counts; ``waiting`` is a state, so the newer one replaces it."""
        self.lines += other.lines
        self.messages += other.messages
        self.parts += other.parts
        self.comments += other.comments
        self.waiting = other.waiting
        self.rejected.update(other.rejected)

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {
            "lines": self.lines,
            "messages": self.messages,
            "parts": self.parts,
            "comments": self.comments,
            "waiting": self.waiting,
            "rejects": dict(sorted(self.rejected.items())),
        }


@dataclass
class Decoded:
    """What one call yields: tables by name (absent means no rows), and the ledger of the call."""

    tables: dict[str, pa.Table] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)

    def table(self, name: str) -> pa.Table:
        """Table of that name, empty where nothing was decoded."""
        return self.tables[name] if name in self.tables else TABLES[name].empty()

    @staticmethod
    def join(parts: Iterable[Decoded]) -> Decoded:
        """All parts in order as one."""
        joined = Decoded()
        gathered: dict[str, list[pa.Table]] = {}
        for part in parts:
            joined.ledger.add(part.ledger)
            for name, table in part.tables.items():
                gathered.setdefault(name, []).append(table)
        joined.tables = {name: concat(TABLES[name], tables) for name, tables in gathered.items()}
        return joined


class SourceDecoder(Protocol):
    """A decoder of one source's bytes; the result does not depend on where reads begin and end."""

    def feed(self, data: bytes, received_at_us: int | None = None) -> Decoded:
        """Tables and ledger of the bytes; what is unfinished waits for the next call."""
        ...

    def flush(self) -> Decoded:
        """Decide everything that still waits: the end of the source."""
        ...
