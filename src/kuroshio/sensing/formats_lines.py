"""Lines out of bytes, and the reject rows of text formats: what every line-based decoder here begins with.

What enters: bytes cut anywhere. What leaves: whole lines with their 1-based numbers, whatever the read borders were,
and rows of the rejects table. Memory is bounded: a line longer than the limit is given up once, as oversize.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kuroshio.schema import REJECTS
from kuroshio.sensing.base import Decoded

MAX_LINE_BYTES = 8192
RAW_LIMIT = 4096  # schema: rejects.raw is cut at 4096
MAX_REJECT_ROWS = 10_000  # rows kept of one call; the ledger counts all


@dataclass(frozen=True)
class Line:
    """One line without its end; ``oversize`` marks one that was cut at the limit."""

    number: int
    data: bytes
    oversize: bool = False


class LineSplitter:
    """Cuts bytes into lines; holds at most one unfinished line.

    Parameters
    ----------
    max_bytes
        Longest line; a longer one is given once, cut, with ``oversize`` set, and the rest up to its end is skipped.
    """

    def __init__(self, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.max_bytes = max_bytes
        self.number = 0
        self._rest = b""
        self._skipping = False

    @property
    def waiting(self) -> int:
        """1 when an unfinished line is held."""
        return int(bool(self._rest) and not self._skipping)

    def feed(self, data: bytes) -> list[Line]:
        """Lines that end within these bytes."""
        lines: list[Line] = []
        pieces = (self._rest + data).split(b"\n")
        self._rest = pieces.pop()
        for piece in pieces:
            if self._skipping:  # the end of a line that was already given up
                self._skipping = False
                continue
            lines.append(self._line(piece))
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > self.max_bytes:
            lines.append(self._line(self._rest))
            self._rest, self._skipping = b"", True
        return lines

    def flush(self) -> list[Line]:
        """The last line where it had no end."""
        rest, self._rest = self._rest, b""
        if self._skipping:
            self._skipping = False
            return []
        return [self._line(rest)] if rest else []

    def _line(self, piece: bytes) -> Line:
        self.number += 1
        if len(piece) > self.max_bytes:
            return Line(self.number, piece[: self.max_bytes], oversize=True)
        return Line(self.number, piece.rstrip(b"\r"))


@dataclass
class Outcome:
    """What one call has gathered: the ledger and the reject rows, turned into a `Decoded` at the end."""

    source: str
    received_at_us: int | None = None
    decoded: Decoded = field(default_factory=Decoded)
    rows: list[tuple[int | None, str, str, bytes]] = field(default_factory=list)

    def reject(self, number: int | None, reason: str, detail: str, raw: bytes, *, count: int = 1) -> None:
        """Count a reject and keep its row; `count` lines may share one row where they failed as one."""
        self.decoded.ledger.rejected[reason] += count
        if len(self.rows) < MAX_REJECT_ROWS:
            self.rows.append((number, reason, detail, raw[:RAW_LIMIT]))

    def finish(self, waiting: int = 0, **tables: pa.Table | None) -> Decoded:
        """The result, with the tables that have rows."""
        self.decoded.ledger.waiting = waiting
        for name, table in tables.items():
            if table is not None and table.num_rows:
                self.decoded.tables[name] = table
        if self.rows:
            self.rows.sort(key=lambda row: row[0] or 0)  # in the order of lines, whichever check found them
            self.decoded.tables["rejects"] = reject_table(self.source, self.received_at_us, self.rows)
        return self.decoded


def reject_table(source: str, received_at_us: int | None, rows: list[tuple[int | None, str, str, bytes]]) -> pa.Table:
    """Rows of the rejects table from (line, reason, detail, raw)."""
    arrays: dict[str, Any] = {
        "source": [source] * len(rows),
        "line": [r[0] for r in rows],
        "reason": [r[1] for r in rows],
        "detail": [r[2] for r in rows],
        "raw": [r[3] for r in rows],
    }
    if received_at_us is not None:
        arrays["received_at"] = [received_at_us] * len(rows)
    return REJECTS.build(arrays, len(rows))
