"""The loop: make an input, check it, keep it where it shows something new, write it down where it fails.

What enters: a target, a seed, a time. What leaves: a tally, and for each distinct failure the smallest input found
that still fails the same way. The input at hand is always on disk, so that a crash of the process names its cause.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kuroshio import clock
from kuroshio.testing.fuzz.mutate import LIMIT, Rng, below, mutate, one_of
from kuroshio.testing.fuzz.targets import Target

POOL = 2000  # inputs kept for what they showed
FRESH = 0.25  # share of inputs made anew
KEPT_BYTES = 20_000  # longer inputs are checked but not kept


@dataclass(frozen=True)
class Finding:
    """One way a target fails: what was raised and where, and the input."""

    signature: str
    data: bytes
    trace: str


@dataclass
class Tally:
    """What a run did."""

    target: str
    seed: int
    seconds: float = 0.0
    execs: int = 0
    features: int = 0
    findings: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """JSON form."""
        return {**vars(self), "seconds": round(self.seconds, 1)}


def failure(target: Target, data: bytes, rng: Rng) -> Finding | None:
    """How the target fails on an input, None where it holds."""
    try:
        target.check(data, rng)
    except Exception as err:
        return Finding(_signature(err), data, "".join(traceback.format_exception(err)))
    return None


def _signature(err: BaseException) -> str:
    frames = [f for f in traceback.extract_tb(err.__traceback__) if "kuroshio" in f.filename]
    inner = [f for f in frames if "/testing/fuzz/" not in f.filename] or frames
    place = f"{Path(inner[-1].filename).name}:{inner[-1].name}" if inner else "?"
    text = ":".join(str(err).partition("\n")[0].split(":")[:2])[:60] if isinstance(err, AssertionError) else ""
    return f"{type(err).__name__} {place} {text}".strip()


def minimise(target: Target, found: Finding, *, seconds: float = 20.0, rng_seed: int = 0) -> Finding:
    """The smallest input found that fails in the same way: lines first, then ever shorter ranges left out."""
    end, best = time.perf_counter() + seconds, found

    def fails(data: bytes) -> bool:
        nonlocal best
        for attempt in range(3):  # the check draws borders at random: a few draws each
            again = failure(target, data, clock.generator(rng_seed + attempt))
            if again is not None and again.signature == found.signature:
                best = again
                return True
        return False

    size = len(best.data)
    while size >= 1 and time.perf_counter() < end:
        at = 0
        while at < len(best.data) and time.perf_counter() < end:
            if not fails(best.data[:at] + best.data[at + size :]):
                at += size
        size //= 2
    return best


def run(
    target: Target,
    *,
    seconds: float,
    seed: int,
    out: Path,
    corpus: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Fuzz one target for so many seconds.

    Parameters
    ----------
    target
        What is checked.
    seconds
        How long.
    seed
        The same seed, version and number of runs give the same inputs.
    out
        Folder for failures, ``<target>-<sha256>.bin`` and ``.txt``, and the input at hand, ``last-<target>``.
    corpus
        Folder of inputs to begin with: its subfolder of the target's name.
    say
        Told about each new failure and, once a minute, the tally.
    """
    rng, tally, begun, told = clock.generator(seed), Tally(target.name, seed), time.perf_counter(), 0.0
    out.mkdir(parents=True, exist_ok=True)
    last = _LastInput(out / f"last-{target.name}")
    pool = [*target.seeds(), *saved_inputs(corpus, target.name)]
    seen: set[object] = set()
    while (spent := time.perf_counter() - begun) < seconds:
        data = _next(target, pool, tally.execs, rng)
        last.write(data)
        tally.execs += 1
        try:
            features = target.check(data, rng)
        except Exception:
            found = failure(target, data, rng) or failure(target, data, rng)
            _report(target, found, data, tally, out, say)
            continue
        fresh = features - seen
        if fresh and len(data) <= KEPT_BYTES:
            seen |= fresh
            pool.append(data)
            if len(pool) > POOL:
                del pool[below(rng, len(pool))]
        if spent - told > 60:
            told, tally.seconds, tally.features = spent, spent, len(seen)
            say(json.dumps(tally.as_dict()))
    tally.seconds, tally.features = time.perf_counter() - begun, len(seen)
    say(json.dumps(tally.as_dict()))
    return tally


def _next(target: Target, pool: list[bytes], turn: int, rng: Rng) -> bytes:
    if turn < len(pool):
        return pool[turn]  # what is known first
    data: bytes = target.make(rng) if target.make and rng.random() < FRESH else one_of(rng, pool)
    data = mutate(data, rng, words=target.words, pool=pool, changes=target.changes)
    return target.repair(data, rng)[:LIMIT] if target.repair and rng.random() < 0.7 else data


def _report(
    target: Target, found: Finding | None, data: bytes, tally: Tally, out: Path, say: Callable[[str], None]
) -> None:
    signature = found.signature if found else "only with other draws"
    tally.findings[signature] = tally.findings.get(signature, 0) + 1
    if tally.findings[signature] > 1:
        return
    kept = minimise(target, found) if found else Finding(signature, data, "")
    path = out / f"{target.name}-{hashlib.sha256(kept.data).hexdigest()[:12]}"
    path.with_suffix(".bin").write_bytes(kept.data)
    path.with_suffix(".txt").write_text(f"{signature}\n{kept.data[:2000]!r}\n{kept.trace}")
    say(f"FOUND {target.name}: {signature} -> {path}.bin ({len(kept.data)} bytes)")


def saved_inputs(corpus: Path | None, name: str) -> list[bytes]:
    """Inputs of a target in a corpus, in order of their names."""
    folder = None if corpus is None else corpus / name
    return [p.read_bytes() for p in sorted(folder.iterdir())] if folder is not None and folder.is_dir() else []


class _LastInput:
    """The input at hand in a file that survives a crash of the process."""

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.truncate(LIMIT + 8)
            self._held = mmap.mmap(file.fileno(), LIMIT + 8)

    def write(self, data: bytes) -> None:
        self._held[:8] = len(data).to_bytes(8, "little")
        self._held[8 : 8 + len(data)] = data
