"""``python -m kuroshio.testing.fuzz TARGET... --seconds 60 --seed 1``: fuzz targets in turn; report in JSON lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kuroshio.testing.fuzz.engine import run
from kuroshio.testing.fuzz.targets import TARGETS


def main(arguments: list[str] | None = None) -> int:
    """Fuzz; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m kuroshio.testing.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"all by default: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target in all")
    parser.add_argument("--slice", type=float, default=300.0, help="seconds a target runs before the next has its turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=Path("tests/fuzz/corpus"), help="inputs to begin with")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"), help="folder for what fails")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; known are {', '.join(TARGETS)}")

    def say(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    found = 0
    for name in given.targets or TARGETS:
        left, seed = given.seconds, given.seed
        while left > 0:
            tally = run(
                TARGETS[name], seconds=min(left, given.slice), seed=seed, out=given.out, corpus=given.corpus, say=say
            )
            left, seed, found = left - given.slice, seed + 1, found + len(tally.findings)
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
