"""`kuroshio simulate`: nodes under faults on virtual time; every seed must end without a violation."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

import typer

from kuroshio.cli import output
from kuroshio.errors import VerificationError
from kuroshio.testing.network.faults import FAULTS
from kuroshio.testing.network.mutants import MUTANTS, hunt
from kuroshio.testing.network.shrink import shrink
from kuroshio.testing.network.world import World

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def _one(seed: int) -> dict[str, Any]:
    _settle()
    return World(seed).run()


@cache
def _settle() -> None:
    """Once a process: let the collector not look again and again at what was imported, a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _hunt(task: tuple[str, int, int]) -> tuple[str, tuple[int, str] | None]:
    name, first, seeds = task
    return name, hunt(name, range(first, first + seeds))


@app.command()
def simulate(
    seeds: int = typer.Option(50, min=1, help="Number of worlds."),
    first: int = typer.Option(0, min=0, help="First seed."),
    workers: int = typer.Option(0, min=0, help="Processes; 0 is one a processor."),
    mutants: bool = typer.Option(False, help="Plant each bug of the list instead, and tell at which seed it is found."),
    story: bool = typer.Option(False, help="With one seed: print what happened."),
    json_: bool = typer.Option(False, "--json", help="One JSON object on stdout."),
) -> None:
    """Run simulated worlds of 3 to 9 nodes; exit code 7 when anything that must hold did not."""
    count = workers or os.cpu_count() or 1
    begin = time.perf_counter()
    if mutants:
        _mutants(first, seeds, count, json_)
        return
    if story and seeds == 1:
        world = World(first)
        results = [world.run()]
        output.say("\n".join(world.story))
    elif count == 1 or seeds == 1:
        results = [_one(seed) for seed in range(first, first + seeds)]
    else:
        with ProcessPoolExecutor(count) as pool:
            results = list(pool.map(_one, range(first, first + seeds), chunksize=1))
    _report(results, time.perf_counter() - begin, json_)


def _report(results: list[dict[str, Any]], seconds: float, json_: bool) -> None:
    kinds: dict[str, int] = {}
    for result in results:
        for kind, times in result["fault_kinds"].items():
            kinds[kind] = kinds.get(kind, 0) + times
    bad = [r for r in results if r["violations"]]
    digest = hashlib.sha256("".join(r["digest"] for r in results).encode()).hexdigest()
    value = {
        "seeds": len(results),
        "violations": sum(len(r["violations"]) for r in results),
        "failing_seeds": [{"seed": r["seed"], "violations": r["violations"][:3]} for r in bad[:20]],
        "digest": digest,
        "fault_kinds_seen": dict(sorted(kinds.items())),
        "fault_kinds_missing": sorted(set(FAULTS) - set(kinds)),
        "releases": sum(r["releases"] for r in results),
        "seconds": round(seconds, 2),
        "seeds_per_s": round(len(results) / seconds, 2),
    }
    if bad:
        value["story"] = shrink(bad[0]["seed"])
    if json_:
        output.emit_json(value)
    else:
        for name, item in value.items():
            output.say(f"{name}: {item}")
    if bad:
        raise VerificationError(
            f"seed {bad[0]['seed']}: {bad[0]['violations'][0]['what']}",
            code="simulation.violation",
            advice=f"Look at it: kuroshio simulate --first {bad[0]['seed']} --seeds 1 --story",
        )


def _mutants(first: int, seeds: int, workers: int, json_: bool) -> None:
    with ProcessPoolExecutor(workers) as pool:
        found = dict(pool.map(_hunt, [(name, first, seeds) for name in MUTANTS], chunksize=1))
    value = {
        "mutants": {n: None if f is None else {"seeds": f[0], "violation": f[1]} for n, f in found.items()},
        "missed": [n for n, f in found.items() if f is None],
    }
    if json_:
        output.emit_json(value)
    else:
        rows = [[n, f and f[0], f and f[1]] for n, f in found.items()]
        output.print_table(f"Planted bugs, up to {seeds} seeds each", ["bug", "seeds needed", "found as"], rows)
    if value["missed"]:
        raise VerificationError(f"not found: {', '.join(value['missed'])}", code="simulation.missed")
