"""`python -m benchmarks.accord [--quick] [--json]`: rate, dry run, two evaluators compared, laws, and named peers.

With --quick it ends within 50 s on two cores; without, a million law cases and histories are tried (minutes). With
--precision it measures what attackers make of coarse positions instead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks.accord import peers, precision, world
from kuroshio import accord, clock
from kuroshio.accord.interpret import interpret
from kuroshio.testing.accord_laws import LAWS, Outcome, history, lively_case, make_case

ROWS = 1_000_000


def rates(items: Any, book: accord.Book) -> dict[str, Any]:
    """Full model on a million rows for ten audiences: warm, with factoring, and first call."""
    ask = {"releaser": world.RELEASER, "to": world.AUDIENCES, "valid_at_us": world.NOW_US}
    decisions = items.num_rows * len(world.AUDIENCES)
    start = time.perf_counter()
    book.evaluate_table(items, **ask)
    first_s = time.perf_counter() - start
    factor_s, decide_s, decide_cpu_s = [], [], []
    for _ in range(5):
        start = time.perf_counter()
        rows = accord.factor(items, [book.content], valid_at_us=world.NOW_US)
        middle, cpu = time.perf_counter(), time.process_time()
        found = book.evaluate_table(items, factored=rows, **ask)
        factor_s.append(middle - start)
        decide_s.append(time.perf_counter() - middle)
        decide_cpu_s.append(time.process_time() - cpu)
    return {
        "rows": items.num_rows,
        "audiences": len(world.AUDIENCES),
        "accords": len(book.content.accords),
        "kinds": rows.size,
        "explanations": len(found.palette),
        "decisions_per_s": round(decisions / min(decide_s)),
        "decisions_per_s_median": round(decisions / float(np.median(decide_s))),
        "decisions_per_s_with_factoring": round(decisions / (min(factor_s) + min(decide_s))),
        "factor_s": round(min(factor_s), 4),
        "decide_s": round(min(decide_s), 4),
        "decide_cpu_s": round(min(decide_cpu_s), 4),
        "load_average": round(os.getloadavg()[0], 1),
        "first_call_s": round(first_s, 3),
    }


def mismatches(items: Any, book: accord.Book, seconds: float) -> dict[str, Any]:
    """Interpreter against compiled evaluator, kind by kind, for as long as given: effect, terms, every word."""
    rows = accord.factor(items, [book.content], valid_at_us=world.NOW_US)
    found = book.evaluate_table(
        items, releaser=world.RELEASER, to=world.AUDIENCES, valid_at_us=world.NOW_US, factored=rows
    )
    code = np.zeros((rows.size, len(world.AUDIENCES)), np.int64)
    code[rows.code] = found.code
    hops = [book.hop(world.RELEASER, to, world.NOW_US) for to in world.AUDIENCES]
    tried = wrong = 0
    end = time.perf_counter() + seconds
    for kind in clock.generator(7).permutation(rows.size).tolist():
        for j, hop in enumerate(hops):
            decision, at = interpret(hop, rows.kind(kind)), int(code[kind, j])
            same = decision == found.palette[at]
            wrong += not (same and decision.effect == found.effects[at] and decision.obligations == found.terms[at])
            tried += 1
        if time.perf_counter() > end:
            break
    return {"mismatches": wrong, "tuples_compared": tried, "tuples": rows.size * len(hops)}


def dry_run_s(items: Any, book: accord.Book) -> dict[str, Any]:
    """Dry run of a draft on all rows, examples and map counted in."""
    draft = world.draft()
    start, cpu = time.perf_counter(), time.process_time()
    found = accord.dry_run(book, draft, items, releaser=world.RELEASER, to=world.AUDIENCES, valid_at_us=world.NOW_US)
    return {
        "dry_run_s_1m": round(time.perf_counter() - start, 3),
        "dry_run_cpu_s_1m": round(time.process_time() - cpu, 3),
        "dry_run_changed_rows": found["change"]["rows"],
    }


def laws(*, seconds: float, cases: int) -> dict[str, Any]:
    """Laws over random books until the time or the cases are used up."""
    total: dict[str, Outcome] = {}
    end = time.perf_counter() + seconds
    seed = 10_000
    while time.perf_counter() < end and sum(o.cases for o in total.values()) < cases:
        case = make_case(clock.generator(seed), 400)
        for name, law in LAWS.items():
            if name == "history":
                outcome = history(lively_case(clock.generator(seed)), 400)
            elif name in ("compiled", "lift") and seed % 8:
                continue  # row by row, slow: on every eighth book
            else:
                outcome = law(case)
            total[name] = total.get(name, Outcome()) + outcome
        seed += 1
    return {
        "law_cases": sum(o.cases for o in total.values()),
        "law_violations": sum(o.broken for o in total.values()),
        "law_cases_by_law": {n: o.cases for n, o in sorted(total.items())},
        "law_example": next((o.example for o in total.values() if o.broken), None),
    }


def histories(*, hops: int) -> dict[str, Any]:
    """Random histories until so many hops were made: relay, second basis, fusion, re-import."""
    total, seed = Outcome(), 50_000
    while total.cases < hops:
        total += history(lively_case(clock.generator(seed)), 4000)
        seed += 1
    return {"history_hops": total.cases, "ties_stripped": total.broken, "history_example": total.example or None}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.accord", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object last on stdout")
    parser.add_argument("--precision", action="store_true", help="only the attacks on coarse positions, in metres")
    options = parser.parse_args()
    if options.precision:
        found = {"precision": precision.measure()}
        sys.stdout.write((json.dumps(found) if options.json else json.dumps(found, indent=2)) + "\n")
        return
    start = time.perf_counter()
    items, book = world.items(ROWS), world.book()
    result: dict[str, Any] = {"cores": os.cpu_count()}
    result |= rates(items, book)
    result |= dry_run_s(items, book)
    result |= mismatches(items, book, 5.0 if options.quick else 1e9)
    result |= peers.compare(items)
    result |= laws(seconds=10.0 if options.quick else 3600.0, cases=10**9 if options.quick else 2_000_000)
    result |= histories(hops=2_000 if options.quick else 1_000_000)
    result["elapsed_s"] = round(time.perf_counter() - start, 1)
    sys.stdout.write((json.dumps(result) if options.json else json.dumps(result, indent=2)) + "\n")


if __name__ == "__main__":
    main()
