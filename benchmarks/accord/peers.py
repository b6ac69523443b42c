"""The same simple rule in other policy engines: rates only, measured in this run, absent engines said so.

The rule: a thing may go to a party when its level is U or R and its subject is one of five. The engines live in an
environment of their own, made at first use and kept in ``~/.cache/kuroshio-bench`` (or ``KUROSHIO_BENCH_CACHE``).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import peer_packages
from benchmarks.accord import world
from kuroshio.accord import Book, factor, parse

SUBJECTS = ("vessel", "dark_vessel", "alert", "pattern", "iuu")
PEERS = ("cedarpy", "pycasbin")
PAIRS = 4000
PATIENCE_S = 25.0  # the first run installs two packages; later ones find them


def environment() -> tuple[Path | None, str]:
    """(Python of the engines' environment, "") or (None, why it is not there)."""
    return peer_packages.environment("venv-accord", PEERS, PATIENCE_S)


def simple_book() -> Book:
    """One accord with one permit."""
    clause = {"id": "p1", "effect": "permit", "when": {"level": {"lte": "R"}, "subject": {"in": list(SUBJECTS)}}}
    accord = {
        "id": "SIMPLE",
        "kinds": ["information"],
        "parties": ["JPN", *world.AUDIENCES],
        "binding": "arrangement",
        "interpretation": {"by": "benchmark", "date": "2026-11-22", "note": "invented"},
        "status": [{"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01"}],
        "clauses": [clause],
    }
    return parse({"simple.yaml": world.as_yaml({"accords": [accord]})})


def ours(items: pa.Table) -> tuple[float, np.ndarray]:
    """(decisions a CPU second on the simple rule, factoring counted; effects)."""
    book = simple_book()
    start = time.process_time()
    found = book.evaluate_table(items, releaser="JPN", to=world.AUDIENCES, valid_at_us=world.NOW_US)
    return items.num_rows * len(world.AUDIENCES) / (time.process_time() - start), found.effect


def run_peer(python: Path, name: str, rows: list[tuple[str, str]]) -> tuple[float, list[bool]] | str:
    """(decisions a CPU second, verdicts) of one engine, or why it did not run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"rows": rows, "subjects": SUBJECTS}, file)
        file.flush()
        command = [str(python), str(Path(__file__).with_name("peer.py")), name, file.name]
        try:
            done = subprocess.run(command, check=True, timeout=PATIENCE_S, capture_output=True, text=True)
        except subprocess.CalledProcessError as err:
            return f"did not run: {err.stderr.strip().splitlines()[-1:]}"
        except (OSError, subprocess.SubprocessError) as err:
            return f"did not run: {err}"
    told = json.loads(done.stdout)
    return len(rows) / max(told["seconds"], 1e-9), told["verdicts"]


def compare(items: pa.Table) -> dict[str, Any]:
    """Rates a CPU second, ratios and whether the verdicts agree."""
    book = simple_book()
    factor(items.slice(0, 1000), [book.content], valid_at_us=world.NOW_US)  # first touch of the kernels
    rate, effect = max((ours(items) for _ in range(3)), key=lambda r: r[0])
    part = items.slice(0, PAIRS)
    expected = [bool(e == 0) for e in effect[: part.num_rows, 0].tolist()]
    # the simple rule knows no markings or ties; compare on things that have none
    bare = [
        not p["held_under"] and not p["caveats"] and p["releasable_to"] is None and p["originator"] == "JPN"
        for p in part.to_pylist()
    ]
    rows = list(zip(part.column("level").to_pylist(), part.column("subject").to_pylist(), strict=True))
    out: dict[str, Any] = {"simple_rule_per_s": round(rate)}
    python, why = environment()
    for name in PEERS:
        found = run_peer(python, name, rows) if python is not None else why
        if isinstance(found, str):
            out |= {f"{name}_per_s": None, f"ratio_{name}": None, f"{name}_note": found}
            continue
        theirs, verdicts = found
        differ = sum(a != b for a, b, is_bare in zip(expected, verdicts, bare, strict=True) if is_bare)
        out |= {f"{name}_per_s": round(theirs), f"ratio_{name}": round(rate / theirs, 1), f"{name}_differ": differ}
    return out
