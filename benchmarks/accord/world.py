"""A million things under ten accords for ten audiences: the load of the accord benchmark, from one seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from kuroshio import clock
from kuroshio.accord import Book, parse
from kuroshio.schema import ITEMS

NOW_US = clock.parse_rfc3339("2026-11-22")
RELEASER = "JPN"
AUDIENCES = ("USA", "KOR", "PHL", "AUS", "VNM", "IDN", "IND", "GBR", "CAN", "MYS")
_PARTIES = (RELEASER, *AUDIENCES)
_NOTE = {"by": "benchmark", "date": "2026-11-22", "note": "invented"}


def _accord(name: str, parties: list[str], clauses: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    status = [{"state": more.pop("state", "in_force"), "from": "2020-01-01", "recorded": "2020-01-01"}]
    base = {"id": name, "kinds": ["information"], "parties": parties, "binding": "treaty", "interpretation": _NOTE}
    return {**base, "status": status, "clauses": clauses, **more}


def _bilateral(other: str, ceiling: str, **more: Any) -> dict[str, Any]:
    ends = [RELEASER, other]
    tie = {"effect": "decide", "by": "originator.release_authority", "sticky": True, "survives": True}
    clauses = [
        {"id": "Art.4", "effect": "permit", "when": {"level": {"lte": ceiling}}},
        {"id": "Art.6.b", **tie, "when": {"to": {"not_in": ends}}},
        {"id": "Art.6.c", **tie, "when": {"purpose": {"not_in": ["maritime_safety", "fisheries"]}}},
        {"id": "Art.9", "effect": "oblige", "when": {"level": {"gte": "C"}}, "do": {"redact": ["sensor", "sources"]}},
    ]
    return _accord(f"JPN-{other}", ends, clauses, **more)


def book() -> Book:
    """Ten accords (seven bilaterals, three arrangements), four caveats, a consent and an area."""
    open_sea = ["vessel", "dark_vessel", "alert", "pattern", "iuu"]
    coarse = {"grid_deg": 0.1, "time_bucket_s": 600, "redact": ["sensor"]}
    awareness = [
        {"id": "p1", "effect": "permit", "when": {"level": {"lte": "R"}, "subject": {"in": open_sea}}},
        {"id": "p2", "effect": "oblige", "when": {"subject": {"in": ["pattern"]}}, "do": {**coarse, "delay_s": 86400}},
        {"id": "p3", "effect": "oblige", "when": {"area": {"in": ["strait"]}}, "do": coarse},
        {
            "id": "p4",
            "effect": "decide",
            "by": "originator.release_authority",
            "when": {"age_s": {"lt": 600}, "level": {"eq": "R"}},
        },
    ]
    accords = [
        *(
            _bilateral(o, c)
            for o, c in (("USA", "TS"), ("KOR", "S"), ("AUS", "S"), ("GBR", "S"), ("IND", "C"), ("CAN", "C"))
        ),
        _bilateral("PHL", "C", state="negotiating"),
        _accord(
            "TRI",
            ["JPN", "USA", "KOR"],
            [
                {"id": "p1", "effect": "permit", "when": {"subject": {"in": ["pattern"]}, "level": {"lte": "S"}}},
                {
                    "id": "p4",
                    "effect": "oblige",
                    "when": {"from": {"in": ["JPN", "KOR"]}, "to": {"in": ["JPN", "KOR"]}},
                    "do": {"via": "USA"},
                },
            ],
            binding="arrangement",
            requires=["JPN-USA"],
        ),
        _accord("OPEN-MDA", list(_PARTIES), awareness, binding="arrangement"),
        _accord(
            "FISH",
            ["JPN", "PHL", "VNM", "IDN", "MYS"],
            [
                {
                    "id": "p1",
                    "effect": "permit",
                    "when": {"subject": {"in": ["iuu", "vessel"]}, "purpose": {"in": ["fisheries"]}},
                },
                {"id": "p2", "effect": "deny", "when": {"level": {"gte": "C"}}},
            ],
            binding="arrangement",
        ),
    ]
    caveats = [
        {
            "id": "NAT.delay",
            "party": "JPN",
            "effect": "oblige",
            "when": {"level": {"gte": "C"}, "age_s": {"lt": 21600}},
            "do": {"delay_s": 21600},
        },
        {"id": "NAT.only", "party": "JPN", "effect": "deny", "when": {"caveats": {"in": ["JPN_ONLY"]}}},
        {
            "id": "NOFORN",
            "party": "USA",
            "effect": "deny",
            "when": {"caveats": {"in": ["NOFORN"]}, "to": {"not_in": ["USA"]}},
        },
        {
            "id": "NAT.strait",
            "party": "JPN",
            "effect": "decide",
            "by": "JPN.release_authority",
            "when": {"area": {"in": ["strait"]}, "level": {"gte": "S"}},
        },
    ]
    consent = {
        "id": "C-1",
        "lifts": ["JPN-USA", "Art.6.b"],
        "from": "USA",
        "to": ["PHL"],
        "when": {"level": {"lte": "C"}},
        "valid": {"from": "2026-01-01", "until": "2027-01-01"},
    }
    plain = {
        "parties": [
            {
                "code": p,
                "markings": ["JPN_ONLY"] if p == "JPN" else ["NOFORN"] if p == "USA" else ["X"],
                "enforces": ["marking", "retention"],
            }
            for p in _PARTIES
        ],
        "areas": {"strait": {"box": {"south": 18.0, "north": 22.0, "west": 118.0, "east": 123.0}}},
        "accords": accords,
        "caveats": caveats,
        "consents": [consent],
    }
    return parse({"bench.yaml": as_yaml(plain)})


def as_yaml(plain: dict[str, Any]) -> str:
    """YAML text of plain data, every text quoted (JSON is YAML)."""
    import json

    return json.dumps(plain)


def items(rows: int, seed: int = 3) -> pa.Table:
    """ITEMS of a busy node: mostly own unclassified tracks, some received under accords, some marked."""
    rng = clock.generator(seed)

    def label(words: list[str], p: list[float]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(rng.choice(len(words), rows, p=p).astype(np.int32), words)

    originator = rng.choice(6, rows, p=[0.6, 0.2, 0.1, 0.05, 0.03, 0.02])
    held = [[], ["JPN-USA"], ["JPN-KOR"], ["OPEN-MDA"], ["JPN-AUS"], ["JPN-USA", "TRI"]]
    limit = rng.random(rows)
    relto = [None, ["JPN", "USA"], ["JPN", "USA", "AUS"], ["JPN", "PHL"]]
    relto_code = np.where(limit < 0.7, 0, 1 + (limit * 1000).astype(int) % 3)
    marks = [[], ["JPN_ONLY"], ["NOFORN"]]
    mark_code = rng.choice(3, rows, p=[0.95, 0.03, 0.02])

    def lists(words: list[Any], codes: Any) -> pa.Array:
        return pa.array(words, pa.list_(pa.string())).take(pa.array(codes))

    return ITEMS.build(
        {
            "item_id": pa.array(np.arange(rows)).cast(pa.string()),
            "kind": label(["information"], [1.0]),
            "subject": label(
                ["vessel", "dark_vessel", "alert", "pattern", "iuu", "other"], [0.6, 0.1, 0.1, 0.1, 0.05, 0.05]
            ),
            "originator": pa.DictionaryArray.from_arrays(
                originator.astype(np.int32), ["JPN", "USA", "KOR", "PHL", "AUS", "USA"]
            ),
            "level": label(["U", "R", "C", "S", "TS"], [0.45, 0.2, 0.2, 0.13, 0.02]),
            "purpose": label(["maritime_safety", "fisheries", "other"], [0.8, 0.15, 0.05]),
            "observed_at": NOW_US - rng.integers(0, 4 * 86_400_000_000, rows),
            "lat_deg": rng.uniform(10, 30, rows),
            "lon_deg": rng.uniform(110, 130, rows),
            "held_under": lists(held, originator),
            "releasable_to": lists(relto, relto_code),
            "caveats": lists(marks, mark_code),
            "exercise": pa.array(np.zeros(rows, bool)),
        }
    )


def draft() -> str:
    """A draft that puts the bilateral under negotiation in force and widens it."""
    clauses = [
        {"id": "Art.4", "effect": "permit", "when": {"level": {"lte": "S"}}},
        {
            "id": "Art.5",
            "effect": "oblige",
            "when": {"level": {"gte": "C"}},
            "do": {"grid_deg": 0.1, "time_bucket_s": 600},
        },
    ]
    return as_yaml(_accord("JPN-PHL", [RELEASER, "PHL"], clauses))
