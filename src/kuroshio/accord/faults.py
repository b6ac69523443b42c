"""Faults of an agreement file: where, what and the offending value, all of them at once.

What enters: places and messages. What leaves: `Fault` rows, and `AccordFileError` that carries every fault of a
load. It decides nothing; `source` and `build` find the faults.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kuroshio.errors import AccordError

MAX_FAULTS_SHOWN = 20


@dataclass(frozen=True, order=True)
class Fault:
    """One fault: file, 1-based line and column, a stable code and a sentence with the offending value."""

    file: str
    line: int
    column: int
    code: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message} [{self.code}]"

    def as_dict(self) -> dict[str, str | int]:
        """JSON form."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
        }


class AccordFileError(AccordError):
    """Agreement files that cannot be used; ``faults`` holds every fault found, in order of place."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        shown = "\n".join(str(f) for f in self.faults[:MAX_FAULTS_SHOWN])
        more = len(self.faults) - MAX_FAULTS_SHOWN
        text = shown + (f"\n... and {more} more" if more > 0 else "")
        super().__init__(text, code=self.faults[0].code if self.faults else "accord.invalid")


def suggest(word: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
