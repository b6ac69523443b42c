"""Random agreements and things, and the laws that every decision must hold: for property tests and benchmarks.

What enters: a generator. What leaves: books (as plain data and loaded), items, and for each law the cases tried and
those that break it. Parties are invented letters; nothing here is an agreement of anyone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio.accord import Book, parse
from kuroshio.clock import parse_rfc3339
from kuroshio.schema import ITEMS

PARTIES = ("AAA", "BBB", "CCC", "DDD", "EEE")
LEVELS = ("U", "R", "C", "S")
SUBJECTS = ("vessel", "dark_vessel", "alert", "pattern")
PURPOSES = ("safety", "fisheries", "other")
MARKINGS = ("ONLY_A", "ONLY_B")
NOW_US = parse_rfc3339("2026-06-15")
NOTE = {"by": "generator", "date": "2026-01-01", "note": "random"}
STATES = ("signed", "in_force", "in_force", "in_force", "in_force", "notice", "contested", "suspended", "terminated")
DAY_US = 86_400_000_000


def _some(rng: np.random.Generator, words: tuple[str, ...], least: int = 1, most: int | None = None) -> list[str]:
    count = int(rng.integers(least, (most or len(words)) + 1))
    return sorted(str(w) for w in rng.choice(words, count, replace=False))


def _one(rng: np.random.Generator, words: tuple[Any, ...]) -> Any:
    return words[int(rng.integers(len(words)))]


def random_when(rng: np.random.Generator, *, ends: bool = True) -> dict[str, Any]:
    """Conditions on up to three attributes."""
    when: dict[str, Any] = {}
    for _ in range(int(rng.integers(0, 4))):
        name = _one(rng, ("level", "subject", "purpose", "age_s", "area", "sensors", "to", "lat_deg", "observed_at"))
        if name == "level":
            when[name] = {_one(rng, ("lte", "gte", "lt", "gt", "eq")): _one(rng, LEVELS)}
        elif name == "age_s":
            when[name] = {_one(rng, ("lt", "gte")): int(rng.integers(0, 5)) * 3600}
        elif name == "lat_deg":
            when[name] = {_one(rng, ("lt", "gt")): float(rng.integers(10, 20))}
        elif name == "observed_at":
            when[name] = {_one(rng, ("lt", "gte")): f"2026-06-{int(rng.integers(12, 16))}"}
        elif name == "to" and ends:
            when[name] = {_one(rng, ("in", "not_in")): _some(rng, PARTIES, 1, 3)}
        elif name in ("subject", "purpose", "sensors", "area"):
            words = {"subject": SUBJECTS, "purpose": PURPOSES, "sensors": ("ais", "radar"), "area": ("box",)}[name]
            when[name] = {_one(rng, ("in", "not_in")): _some(rng, words)}
    return when


def random_do(rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one to three kinds."""
    choices: tuple[dict[str, Any], ...] = (
        {"delay_s": int(rng.integers(1, 4)) * 3600},
        {"grid_deg": float(_one(rng, (0.05, 0.1))), "time_bucket_s": int(_one(rng, (60, 600)))},
        {"redact": _some(rng, ("sensor", "sources", "name"))},
        {"retention_s": int(rng.integers(1, 3)) * 86400},
        {"via": _one(rng, PARTIES)},
        {"purpose": _some(rng, PURPOSES, 1, 2)},
        {"marking": [_one(rng, ("X", "Y"))]},
        {"onward": False},
    )
    picked = rng.choice(len(choices), int(rng.integers(1, 4)), replace=False)
    return {k: v for i in picked.tolist() for k, v in choices[i].items()}


def random_clause(rng: np.random.Generator, number: int, *, permit: bool = False) -> dict[str, Any]:
    """One clause; a tie with a good chance."""
    effect = "permit" if permit else _one(rng, ("permit", "oblige", "oblige", "decide", "deny"))
    clause: dict[str, Any] = {
        "id": f"Art.{number}",
        "effect": effect,
        "when": random_when(rng, ends=effect != "permit"),
    }
    if effect == "oblige":
        clause["do"] = random_do(rng)
    if effect == "decide":
        clause["by"] = _one(rng, ("originator.release_authority", "releaser.release_authority", "receiver.officer"))
    if effect != "permit" and rng.random() < 0.5:
        clause["sticky"] = True
        clause["survives"] = bool(rng.random() < 0.6)
    elif effect != "permit":
        clause["when"].pop("to", None)  # a rule for one end only is refused inside an accord
    return clause


def random_accord(rng: np.random.Generator, name: str, earlier: list[str]) -> dict[str, Any]:
    """One accord with a history, clauses and sometimes level marks."""
    ends = _some(rng, PARTIES, 2, int(_one(rng, (2, 2, 3, 4))))
    clauses = [random_clause(rng, 1, permit=True), *(random_clause(rng, i) for i in range(2, int(rng.integers(3, 7))))]
    state = _one(rng, STATES)
    history = [{"state": "signed", "from": "2020-01-01", "recorded": "2020-01-01", "confidence": "signed"}]
    if state != "signed":
        history.append({"state": state, "from": "2021-01-01", "recorded": "2021-02-01", "confidence": "in_force"})
    accord: dict[str, Any] = {
        "id": name,
        "kinds": ["information"],
        "parties": ends,
        "binding": _one(rng, ("treaty", "arrangement")),
        "interpretation": NOTE,
        "status": history,
        "clauses": clauses,
    }
    if earlier and rng.random() < 0.3:
        accord["requires"] = [_one(rng, tuple(earlier))]
    if rng.random() < 0.3:
        accord["equivalence"] = [
            {"from": a, "mark": "M", "level": _one(rng, LEVELS), "to": b, "choices": _some(rng, ("X", "Y"))}
            for a in ends
            for b in ends
            if a != b
        ]
    return accord


def random_caveat(rng: np.random.Generator, name: str) -> dict[str, Any]:
    """One national rule."""
    effect = _one(rng, ("oblige", "decide", "deny"))
    party = _one(rng, PARTIES)
    caveat = {"id": name, "party": party, "effect": effect, "when": random_when(rng)}
    if rng.random() < 0.5:
        caveat["when"]["caveats"] = {"in": _some(rng, MARKINGS)}
    if effect == "oblige":
        caveat["do"] = random_do(rng)
    if effect == "decide":
        caveat["by"] = f"{party}.release_authority"
    return caveat


def random_consents(rng: np.random.Generator, plain: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A consent to one clause that restricts, if there is any."""
    targets = [
        (a["id"], c["id"], a["parties"]) for a in plain["accords"] for c in a["clauses"] if c["effect"] != "permit"
    ]
    targets += [(c["party"], c["id"], [c["party"]]) for c in plain["caveats"]]
    if not targets:
        return []
    owner, clause, parties = _one(rng, tuple(targets))
    consent: dict[str, Any] = {
        "id": name,
        "lifts": [owner, clause],
        "from": _one(rng, tuple(parties)),
        "to": _some(rng, PARTIES, 1, 3),
        "valid": {"from": "2026-01-01", "until": _one(rng, ("2026-06-01", "2027-01-01"))},
        "when": random_when(rng, ends=False),
    }
    if rng.random() < 0.2:
        consent["answer"] = "refuse"
    elif rng.random() < 0.3:
        consent["do"] = random_do(rng)
    return [consent]


def random_plain(rng: np.random.Generator) -> dict[str, Any]:
    """Plain data of a book: parties, accords, caveats, consents, an activity."""
    accords: list[dict[str, Any]] = []
    for i in range(int(rng.integers(3, 7))):
        accords.append(random_accord(rng, f"ACC-{i}", [a["id"] for a in accords]))
    enforce = ("retention", "onward", "purpose", "marking")
    plain: dict[str, Any] = {
        "levels": {"order": list(LEVELS)},
        "parties": [
            {
                "code": p,
                "enforces": _some(rng, enforce, 2),
                "markings": [m for m in MARKINGS if m[-1] == p[0]] or ["NONE"],
            }
            for p in PARTIES
        ],
        "areas": {"box": {"box": {"south": 12, "north": 16, "west": 118, "east": 122}}},
        "accords": accords,
        "caveats": [random_caveat(rng, f"CAV-{i}") for i in range(int(rng.integers(0, 4)))],
        "activities": [
            {
                "id": "ACT-1",
                "kind": _one(rng, ("exercise", "patrol")),
                "accord": accords[0]["id"],
                "participants": accords[0]["parties"],
                "area": "box",
                "period": {"from": "2026-06-01", "until": _one(rng, ("2026-06-10", "2026-07-01"))},
                "scope": [{"id": "s1", "effect": "permit", "when": random_when(rng, ends=False)}],
            }
        ],
    }
    plain["consents"] = [c for i in range(int(rng.integers(0, 4))) for c in random_consents(rng, plain, f"CON-{i}")]
    return plain


def book_of(plain: Mapping[str, Any], *, order: list[int] | None = None) -> Book:
    """Book of plain data, one file a section, in the given order of files."""
    sections = [{name: value} for name, value in plain.items() if value]
    listed = [sections[i] for i in order] if order is not None else sections
    return parse({f"{next(iter(s))}.yaml": json.dumps(s) for s in listed})


def random_item(rng: np.random.Generator, accords: list[str]) -> dict[str, Any]:
    """Attributes of one thing; sometimes one is missing."""
    item: dict[str, Any] = {
        "item_id": f"t:{int(rng.integers(5))}",
        "kind": "information",
        "subject": _one(rng, SUBJECTS),
        "originator": _one(rng, PARTIES),
        "level": _one(rng, (*LEVELS, "U", "U")),
        "purpose": _one(rng, PURPOSES),
        "observed_at": NOW_US - int(rng.integers(0, 5)) * 3_600_000_000 - int(rng.integers(0, 2)),
        "lat_deg": float(_one(rng, (9.0, 12.0, 13.5, 15.0, 16.0, 19.0))),
        "lon_deg": float(_one(rng, (117.0, 118.0, 120.0, 122.0))),
        "sensors": _some(rng, ("ais", "radar"), 0),
        "held_under": _some(rng, (*accords, "ACC-LOST"), 0, 2) if rng.random() < 0.97 else None,
        "releasable_to": None if rng.random() < 0.8 else _some(rng, PARTIES, 1, 4),
        "caveats": [] if rng.random() < 0.8 else _some(rng, MARKINGS, 1),
        "exercise": bool(rng.random() < 0.1),
    }
    if rng.random() < 0.1:
        item[_one(rng, ("level", "subject", "purpose", "observed_at", "lat_deg", "sensors", "originator"))] = None
    return item


def table_of(items: list[dict[str, Any]]) -> pa.Table:
    """ITEMS of plain items."""
    return ITEMS.from_rows(items)
