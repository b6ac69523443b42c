"""Fuzzing: bytes made to break a parser, what must hold on any of them, and the smallest input that breaks it.

What enters: a target by name, a seed, seconds. What leaves: a count of runs, and a file for each way a target failed.
The bytes are made with the structure of their format in mind (fields, checksums, lengths), and inputs that show
something new in what is decoded are kept and changed further; there is no instrumentation, since compiled kernels
have none to offer. ``python -m kuroshio.testing.fuzz --help`` runs it; an ordinary test replays tests/fuzz/corpus.
"""

from __future__ import annotations

from kuroshio.testing.fuzz.engine import Finding, Tally, minimise, run
from kuroshio.testing.fuzz.targets import TARGETS, Target

__all__ = ["TARGETS", "Finding", "Tally", "Target", "minimise", "run"]
