"""What would flow under a draft: counts, examples, places, and the difference with today.

What enters: a book, the text of a draft, an ITEMS table. What leaves: one JSON-able dict. Nothing is sent or recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.accord.book import Book
from kuroshio.accord.columns import factor
from kuroshio.accord.decisions import Decisions
from kuroshio.accord.traces import decision_dict
from kuroshio.clock import rfc3339
from kuroshio.schema import Effect, Obligations

MAP_CELL_DEG = 0.25
MAX_MAP_CELLS = 2000
MAX_TERMS = 50  # pairs of terms told of one recipient


def dry_run(
    book: Book,
    draft_text: str | None,
    items: pa.Table,
    *,
    releaser: str,
    valid_at_us: int,
    known_at_us: int | None = None,
    to: Sequence[str] | None = None,
    examples: int = 3,
) -> dict[str, Any]:
    """Today's decisions, those under the draft, and what the draft changes.

    Parameters
    ----------
    book
        Agreements of today.
    draft_text
        YAML of the draft, taken as in force; None asks for today only.
    items
        ITEMS, n rows.
    releaser
        Party whose picture it is.
    valid_at_us, known_at_us
        Date the draft is taken to be in force, and time of knowledge.
    to
        Recipients; by default every other party of an accord with the releaser.
    examples
        Rows shown in full for each change, at most.

    Raises
    ------
    AccordFileError
        When the draft is not a valid agreement file.
    """
    drafted = book.with_draft(draft_text) if draft_text is not None else book
    recipients = list(to) if to is not None else neighbours(drafted, releaser)
    rows = factor(items, [drafted.content, book.content], valid_at_us=valid_at_us)
    kwargs: dict[str, Any] = {"releaser": releaser, "to": recipients, "valid_at_us": valid_at_us}
    today = book.evaluate_table(items, known_at_us=known_at_us, factored=rows, **kwargs)
    result: dict[str, Any] = {
        "releaser": releaser,
        "to": recipients,
        "valid_at": rfc3339(valid_at_us),
        "items": items.num_rows,
        "kinds": rows.size,
        "rules_digest": book.rules_digest,
        "today": today.counts(),
    }
    if draft_text is None:
        return result
    then = drafted.evaluate_table(items, known_at_us=known_at_us, factored=rows, **kwargs)
    result["draft"] = {**then.counts(), "rules_digest": drafted.rules_digest, "accords": sorted(drafted.assumed)}
    result["change"] = change(today, then, items, examples=examples)
    return result


def neighbours(book: Book, releaser: str) -> list[str]:
    """Parties that share an accord with the releaser, sorted."""
    accords = [a for a in book.content.accords.values() if releaser in a.parties]
    return sorted({p for a in accords for p in a.parties} - {releaser})


def change(today: Decisions, then: Decisions, items: pa.Table, *, examples: int) -> dict[str, Any]:
    """Rows whose decision differs: counts of ``from -> to`` by party, other terms where it flows, examples, a map.

    Parameters
    ----------
    today, then
        Decisions on one factored table.
    items
        The table.
    examples
        Rows shown in full for each change, at most, each of another kind.
    """
    rows = today.factored
    effects: dict[str, dict[str, int]] = {}
    terms: dict[str, int] = {}
    told: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    changed = np.zeros(rows.size, np.bool_)
    other_terms = np.zeros(rows.size, np.bool_)
    for j, party in enumerate(today.to):
        before, after = today.effects[today.table[:, j]], then.effects[then.table[:, j]]
        moves = before.astype(np.int64) * len(Effect) + after
        tally = np.bincount(moves, rows.count, len(Effect) ** 2).astype(np.int64)
        effects[party] = {}
        for move in np.flatnonzero(tally).tolist():
            old, new = Effect(move // len(Effect)), Effect(move % len(Effect))
            if old == new:
                continue
            kinds = moves == move
            effects[party][f"{old.word} -> {new.word}"] = int(tally[move])
            changed |= kinds
            picked = rows.first[np.flatnonzero(kinds)[:examples]].tolist()
            shown.extend(_example(items, row, today, then, party) for row in picked)
        differ = _terms_differ(today, then, j) & (before == after) & (after <= Effect.OBLIGE)
        if differ.any():
            terms[party] = int(rows.count[differ].sum())
            other_terms |= differ
            moved, picked = _terms_moved(today, then, j, differ, examples=examples)
            told.extend(moved)
            shown.extend(_example(items, row, today, then, party) for row in picked)
    return {
        "effect": effects,
        "rows": int(changed[rows.code].sum()),
        "terms_only": terms,
        "terms": told,
        "examples": shown,
        "map": heat_map(items, changed[rows.code], (other_terms & ~changed)[rows.code]),
    }


def _terms_moved(
    today: Decisions, then: Decisions, j: int, differ: npt.NDArray[np.bool_], *, examples: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """(each pair of terms before and after with its items, the most first; rows to show) for one recipient."""
    rows = today.factored
    kinds = np.flatnonzero(differ)
    codes = today.table[kinds, j].astype(np.int64) * len(then.terms) + then.table[kinds, j]
    found, first, of = np.unique(codes, return_index=True, return_inverse=True)
    items = np.bincount(of, rows.count[kinds], len(found)).astype(np.int64)
    pairs: dict[tuple[Obligations, Obligations], list[int]] = {}
    for code, n, at in zip(
        found.tolist(), items.tolist(), kinds[first].tolist(), strict=True
    ):  # explanations, not rows
        before, after = divmod(code, len(then.terms))
        pairs.setdefault((today.terms[before], then.terms[after]), [0, at])[0] += n
    told: list[dict[str, Any]] = [
        {"to": today.to[j], "items": n, "today": old.as_dict(), "draft": new.as_dict()}
        for (old, new), (n, _) in pairs.items()
    ]
    told.sort(key=lambda one: (-one["items"], str(one["today"]), str(one["draft"])))
    return told[:MAX_TERMS], [int(rows.first[at]) for _, at in list(pairs.values())[:examples]]


def _terms_differ(today: Decisions, then: Decisions, j: int) -> npt.NDArray[np.bool_]:
    """Kinds whose terms differ for one recipient."""
    ids: dict[Obligations, int] = {}
    one = np.array([ids.setdefault(t, len(ids)) for t in today.terms], np.int64)
    two = np.array([ids.setdefault(t, len(ids)) for t in then.terms], np.int64)
    return one[today.table[:, j]] != two[then.table[:, j]]


def _example(items: pa.Table, row: int, today: Decisions, then: Decisions, party: str) -> dict[str, Any]:
    named = {n: items.column(n)[row].as_py() for n in ("item_id", "subject", "level") if n in items.column_names}
    return {
        **named,
        "to": party,
        "today": decision_dict(today.at(row, party), trace=False),
        "draft": decision_dict(then.at(row, party), trace=False),
    }


def heat_map(
    items: pa.Table, effect: npt.NDArray[np.bool_], terms: npt.NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """GeoJSON of the rows marked, counted in cells of 0.25 degrees; at most 2,000 cells, the fullest first.

    Parameters
    ----------
    items
        ITEMS, n rows.
    effect
        Rows whose effect changes, bool[n].
    terms
        Further rows of which the terms alone change, bool[n].
    """
    rows = effect if terms is None else effect | terms
    empty: dict[str, Any] = {"type": "FeatureCollection", "features": [], "cells_left_out": 0}
    if not {"lat_deg", "lon_deg"} <= set(items.column_names) or not rows.any():
        return empty
    lat, lon = (
        pc.fill_null(items.column(n).cast(pa.float64()), np.nan).to_numpy()[rows] for n in ("lat_deg", "lon_deg")
    )
    placed = np.isfinite(lat) & np.isfinite(lon)
    wide = round(360 / MAP_CELL_DEG) + 2
    cell_lat = np.floor((lat[placed] + 90) / MAP_CELL_DEG).astype(np.int64)
    cell_lon = np.floor((lon[placed] + 180) / MAP_CELL_DEG).astype(np.int64)
    found, cell_of, count = np.unique(cell_lat * wide + cell_lon, return_inverse=True, return_counts=True)
    by_effect = np.bincount(cell_of, effect[rows][placed], len(found)).astype(np.int64)
    order = np.argsort(-count, kind="stable")[:MAX_MAP_CELLS]
    features = []
    for i in order.tolist():
        south, west = found[i] // wide * MAP_CELL_DEG - 90, found[i] % wide * MAP_CELL_DEG - 180
        north, east = south + MAP_CELL_DEG, west + MAP_CELL_DEG
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {
                    "rows": int(count[i]),
                    "effect": int(by_effect[i]),
                    "terms": int(count[i] - by_effect[i]),
                },
            }
        )
    return {"type": "FeatureCollection", "features": features, "cells_left_out": max(0, len(found) - MAX_MAP_CELLS)}
