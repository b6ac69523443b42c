"""Agreements for tests and benchmarks: one between each two parties, and standing orders that let them send.

What enters: pairs with the terms between them. What leaves: files as `kuroshio.accord` reads them. All invented.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def accord_files(folder: Path, pairs: Sequence[tuple[str, str, dict[str, Any]]]) -> Path:
    """One agreement a pair, both ways, each with its own obligations for tracks; returns the folder."""
    folder.mkdir(exist_ok=True)
    common = {
        "binding": "arrangement", "kinds": ["information"],
        "interpretation": {"by": "benchmark", "date": "2026-11-25", "note": "illustrative; invented"},
        "status": [{"state": "in_force", "from": "2020-01-01", "recorded": "2020-01-01", "source": "benchmark",
                    "confidence": "in_force"}],
    }  # fmt: skip
    level = {"level": {"lte": "R"}}
    orders = []
    for a, b, terms in pairs:
        vessels = {**level, "subject": {"in": ["vessel", "dark_vessel"]}}
        clauses: list[dict[str, Any]] = [
            {"id": "a1", "effect": "permit", "text": "Tracks may go.", "when": vessels},
            {"id": "a2", "effect": "permit", "text": "Alerts may go.", "when": {**level, "subject": {"in": ["alert"]}}},
        ]
        if terms:
            clauses.append({"id": "a3", "effect": "oblige", "text": "Terms.", "when": vessels, "do": terms})
        document = {"id": f"BENCH-{a}-{b}", "title": f"{a} and {b}", "parties": [a, b], "clauses": clauses}
        (folder / f"{a}-{b}.yaml").write_text(json.dumps({**common, **document}))
        for me, other in ((a, b), (b, a)):
            orders.append(
                {"id": f"ORDER-{me}-{other}", "by": f"{me}.release_authority", "party": me, "to": [other],
                 "valid": {"from": "2020-01-01", "until": "2035-01-01"}, "when": level}
            )  # fmt: skip
    (folder / "orders.yaml").write_text(json.dumps({"release_orders": orders}))
    about = {
        "offices": {"release_authority": "release authority"},
        "enforces": ["retention", "onward", "purpose", "marking"],
    }
    parties = sorted({party for a, b, _ in pairs for party in (a, b)})
    named = [{"code": party, "name": party, **about} for party in parties]
    (folder / "parties.yaml").write_text(
        json.dumps({"levels": {"order": ["U", "R", "C", "S", "TS"]}, "parties": named})
    )
    return folder
