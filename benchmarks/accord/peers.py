"""The same simple rule in other policy engines: rates only, measured in this run, absent engines said so.

The rule: a thing may go to a party when its level is U or R and its subject is one of five. The engines get the
attributes ready-made; their own fast batch call is used where they have one.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.accord import world
from kuroshio.accord import Book, factor

SUBJECTS = ("vessel", "dark_vessel", "alert", "pattern", "iuu")
PAIRS = 4000


def simple_book() -> Book:
    """One accord with one permit."""
    from kuroshio.accord import parse

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
    """(decisions a second on the simple rule, factoring counted; effects)."""
    book = simple_book()
    start = time.perf_counter()
    found = book.evaluate_table(items, releaser="JPN", to=world.AUDIENCES, valid_at_us=world.NOW_US)
    return items.num_rows * len(world.AUDIENCES) / (time.perf_counter() - start), found.effect


def _rows(items: pa.Table) -> list[tuple[str, str]]:
    part = items.slice(0, PAIRS)
    return list(zip(part.column("level").to_pylist(), part.column("subject").to_pylist(), strict=True))


def cedar(items: pa.Table) -> tuple[float, list[bool]] | None:
    """(decisions a second of cedarpy's batch call, verdicts); None when it is not installed."""
    try:
        import cedarpy  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    subjects = ", ".join(f'"{s}"' for s in SUBJECTS)
    policy = (
        'permit(principal, action == Action::"release", resource) when '
        f'{{ ["U", "R"].contains(context.level) && [{subjects}].contains(context.subject) }};'
    )
    requests: list[dict[str, Any]] = [
        {
            "principal": 'Party::"USA"',
            "action": 'Action::"release"',
            "resource": 'Item::"1"',
            "context": {"level": level, "subject": subject},
        }
        for level, subject in _rows(items)
    ]
    start = time.perf_counter()
    answers = cedarpy.is_authorized_batch(requests, policy, [])
    elapsed = time.perf_counter() - start
    return len(requests) / elapsed, [bool(a.allowed) for a in answers]


def casbin(items: pa.Table) -> tuple[float, list[bool]] | None:
    """(decisions a second of pycasbin's attribute model, verdicts); None when it is not installed."""
    try:
        import casbin as engine  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    model = engine.Model()
    model.load_model_from_text(
        "[request_definition]\nr = level, subject, to\n[policy_definition]\np = level, subject\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = r.level == p.level && r.subject == p.subject\n"
    )
    enforcer = engine.Enforcer(model)
    enforcer.add_policies([[level, subject] for level in ("U", "R") for subject in SUBJECTS])
    rows = _rows(items)
    start = time.perf_counter()
    verdicts = [bool(enforcer.enforce(level, subject, "USA")) for level, subject in rows]
    return len(rows) / (time.perf_counter() - start), verdicts


def compare(items: pa.Table) -> dict[str, Any]:
    """Rates, ratios and whether the verdicts agree."""
    book = simple_book()
    factor(items.slice(0, 1000), [book.content], valid_at_us=world.NOW_US)  # first touch of the kernels
    rate, effect = max((ours(items) for _ in range(2)), key=lambda r: r[0])
    expected = [bool(e == 0) for e in effect[:PAIRS, 0].tolist()]
    # the simple rule knows no markings or ties; compare on things that have none
    plain = items.slice(0, PAIRS).to_pylist()
    bare = [
        not p["held_under"] and not p["caveats"] and p["releasable_to"] is None and p["originator"] == "JPN"
        for p in plain
    ]
    out: dict[str, Any] = {"simple_rule_per_s": round(rate)}
    for name, found in (("cedarpy", cedar(items)), ("pycasbin", casbin(items))):
        if found is None:
            out |= {f"{name}_per_s": None, f"ratio_{name}": None, f"{name}_note": "not installed; pip install " + name}
            continue
        theirs, verdicts = found
        differ = sum(a != b for a, b, is_bare in zip(expected, verdicts, bare, strict=True) if is_bare)
        out |= {f"{name}_per_s": round(theirs), f"ratio_{name}": round(rate / theirs, 1), f"{name}_differ": differ}
    return out
