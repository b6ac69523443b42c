"""Both evaluators on every attribute and operator a condition may use: one meaning, to the word."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kuroshio import accord, clock
from kuroshio.schema import ITEMS, Effect
from kuroshio.testing import accords as made

MARKINGS = ("ONLY_A", "ONLY_B")
IDS = tuple(f"A{i}" for i in range(4))
OTHERS = {
    "originator": made.PARTIES, "kind": ("information",), "held_under": IDS, "releasable_to": made.PARTIES,
    "caveats": MARKINGS, "activity": ("patrol",), "item_id": ("i1", "i2"), "level": made.LEVELS, "area": ("box",),
    "sensors": ("ais", "radar"), "to": made.PARTIES, "from": made.PARTIES,
}  # fmt: skip


def one(rng: np.random.Generator, words: Any) -> Any:
    return words[int(rng.integers(len(words)))]


def some(rng: np.random.Generator, words: tuple[str, ...], least: int = 0) -> list[str]:
    return sorted(map(str, rng.choice(words, int(rng.integers(least, len(words) + 1)), replace=False)))


def when(rng: np.random.Generator, *, ends: bool = True) -> dict[str, Any]:
    """Conditions of the repository's own generator, and on the attributes it leaves out."""
    found = made.random_when(rng, ends=ends)
    for name in some(rng, tuple(OTHERS))[:2]:
        words = OTHERS[name]
        if name in ("to", "from") and not ends:
            continue
        single = name in ("held_under", "releasable_to", "item_id", "level") and rng.random() < 0.4
        found[name] = {"eq": one(rng, words)} if single else {one(rng, ("in", "not_in")): some(rng, words, 1)}
    if rng.random() < 0.2:
        found["exercise"] = {"eq": bool(rng.integers(2))}
    if rng.random() < 0.2:
        found["lon_deg"] = {one(rng, ("lt", "gte")): float(rng.integers(118, 124))}
    return found


def clause(rng: np.random.Generator, number: int) -> dict[str, Any]:
    effect = one(rng, ("permit", "permit", "oblige", "oblige", "decide", "deny"))
    out: dict[str, Any] = {
        "id": f"c{number}",
        "effect": effect,
        "when": when(rng) if number else {"level": {"gte": "U"}},
    }
    if effect == "oblige":
        out["do"] = made.random_do(rng)
        out["when"] = out["when"] if rng.random() < 0.5 else {}
    if effect == "decide":
        out["by"] = one(rng, ("originator.r", "releaser.r", "receiver.r", "AAA.x"))
    if effect != "permit" and rng.random() < 0.5:
        out |= {"sticky": True, "survives": bool(rng.integers(2))}
    return out if out["when"] else {k: v for k, v in out.items() if k != "when"}


def random_book(rng: np.random.Generator) -> accord.Book | None:
    """A book, or None where chance wrote one that is refused (a national rule in an accord, a clause never spoken)."""
    accords, consents = [], []
    for name in IDS:
        parties = some(rng, made.PARTIES, 3)
        status = {"state": one(rng, made.STATES), "from": "2020-01-01", "recorded": "2020-01-01"}
        status["confidence"] = one(rng, ("in_force", "in_force", "announced", "reported"))
        if rng.random() < 0.3:
            status["views"] = {one(rng, parties): {"state": one(rng, ("in_force", "suspended", "notice"))}}
        clauses = [clause(rng, n) for n in range(int(rng.integers(2, 6)))]
        more = {"requires": ["A0"]} if name != "A0" and rng.random() < 0.2 else {}
        binding = one(rng, ("treaty", "arrangement"))
        accords.append({"id": name, "kinds": ["information"], "parties": parties, "binding": binding,
                        "interpretation": made.NOTE, "status": [status], "clauses": clauses, **more})  # fmt: skip
        for c in clauses:
            if c["effect"] == "permit" or rng.random() < 0.4:
                continue
            answer = one(rng, ("grant", "grant", "refuse"))
            consents.append({"id": f"k{len(consents)}", "lifts": [name, c["id"]], "from": one(rng, made.PARTIES),
                             "to": some(rng, made.PARTIES, 1), "by": "x", "answer": answer, "when": when(rng),
                             "valid": {"from": "2026-01-01", "until": "2027-01-01"},
                             "recorded": "2026-01-01"})  # fmt: skip
    drill = {"id": "X", "kind": one(rng, ("exercise", "patrol")), "accord": "A1", "participants": accords[1]["parties"],
             "period": {"from": "2026-06-01", "until": "2026-07-01"}, "area": "box",
             "scope": [{"id": "s", "effect": "permit"},
                       {"id": "t", "effect": "deny", "when": {"level": {"in": ["S"]}}}]}  # fmt: skip
    enforced = ["retention", "onward", "purpose", "marking"]
    parties = [{"code": p, "enforces": enforced if rng.random() < 0.7 else some(rng, tuple(enforced))}
               | ({"markings": [MARKINGS[i]]} if i < 2 else {}) for i, p in enumerate(made.PARTIES)]  # fmt: skip
    rule: dict[str, Any] = {"id": "v", "party": "AAA", "effect": "deny", "when": when(rng)}
    if rng.random() < 0.5:
        rule |= {"effect": "oblige", "do": {"grid_deg": 0.1, "time_bucket_s": 600}}
    try:
        return accord.parse({"x": json.dumps({
            "accords": accords, "consents": consents, "caveats": [rule], "activities": [drill], "parties": parties,
            "areas": {"box": {"box": {"south": 10, "west": 115, "north": 15, "east": 121}}},
            "levels": {"order": list(made.LEVELS)},
            "vocabulary": {"subject": list(made.SUBJECTS), "purpose": list(made.PURPOSES), "sensors": ["ais", "radar"]},
        })})  # fmt: skip
    except accord.AccordFileError:
        return None


def item(rng: np.random.Generator) -> dict[str, Any]:
    """One thing: known and unknown words, missing attributes, places on the borders."""
    wide = {
        "purpose": one(rng, (*made.PURPOSES, "odd")),
        "observed_at": made.NOW_US - one(rng, (0, 1, 2, 3)) * 3_600_000_000,
        "lat_deg": float(rng.integers(9, 17)), "lon_deg": float(rng.integers(114, 123)),
        "sensors": some(rng, ("ais", "radar", "odd")), "held_under": some(rng, (*IDS, "GHOST"))[:2],
        "caveats": some(rng, (*MARKINGS, "ODD"))[:1], "exercise": bool(rng.random() < 0.2),
    }  # fmt: skip
    kept = {k: v for k, v in wide.items() if rng.random() < 0.9}
    limit = {"releasable_to": some(rng, made.PARTIES)} if rng.random() < 0.3 else {}
    return {"item_id": one(rng, ("i1", "i2")), "kind": one(rng, ("information",) * 5 + ("support",)),
            "subject": one(rng, (*made.SUBJECTS * 2, "weapon_system", "odd")), "level": one(rng, (*made.LEVELS, "Q")),
            "originator": one(rng, (*made.PARTIES, "ZZZ")), **kept, **limit}  # fmt: skip


def compare(seed: int, rows: int = 20) -> dict[str, int]:
    """Effects met while every decision of a random book and picture is compared; empty where the book was refused."""
    rng = clock.generator(seed)
    book = random_book(rng)
    met: dict[str, int] = {}
    if book is None:
        return met
    things = [item(rng) for _ in range(rows)]
    table = ITEMS.from_rows([{"caveats": None, **t} for t in things])
    ask: dict[str, Any] = {"releaser": one(rng, made.PARTIES), "valid_at_us": made.NOW_US}
    found = book.evaluate_table(table, to=made.PARTIES, **ask)
    for i, thing in enumerate(things):
        for j, party in enumerate(made.PARTIES):
            alone, code = book.evaluate(thing, to=party, **ask), int(found.code[i, j])
            assert alone.effect is Effect(int(found.effect[i, j])), (thing, party)
            assert alone.effect is Effect.DENY or alone.obligations == found.terms[code], (thing, party)
            assert alone == found.palette[code], (thing, party)
            met[alone.effect.word] = met.get(alone.effect.word, 0) + 1
    return met


@given(st.integers(0, 2**32 - 1))
def test_compiled_equals_interpreted_on_every_attribute(seed):
    compare(seed)


def test_the_comparison_meets_every_effect():
    met: dict[str, int] = {}
    for seed in range(40):
        for word, n in compare(seed).items():
            met[word] = met.get(word, 0) + n
    assert min(met.get(e.word, 0) for e in Effect) > 10, met
