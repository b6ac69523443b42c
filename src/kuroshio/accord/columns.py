"""Rows of a table factored into the distinct kinds of thing that the agreements can tell apart.

What enters: an ITEMS table and the content of a book. What leaves: `Factored`, one code a row and one set of normalised
attributes a code. Label sets are dictionary-coded, ordered fields are cut at the thresholds the clauses use, areas are
tested once a row. A field that no clause tests is left out. The rules of `attributes.normalise` hold here too; the
property tests compare the two on every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.accord.areas import inside
from kuroshio.accord.kernels import label_bits, mixed_key
from kuroshio.accord.model import NUMBER_FIELDS, Content, Test
from kuroshio.errors import InputError
from kuroshio.schema import ITEMS
from kuroshio.units import US_PER_S

ALWAYS = ("kind", "subject", "originator", "level", "caveats", "held_under", "releasable_to", "exercise")
LABELS = ("kind", "subject", "originator", "level", "purpose", "activity")
SETS = ("sensors", "caveats", "held_under", "releasable_to")
BITS_A_WORD = 62
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Factored:
    """``code[row]`` points into ``kinds``: the normalised attributes the agreements can tell apart.

    ``count[k]`` is the number of rows of kind ``k``.
    """

    code: npt.NDArray[np.int32]
    kinds: list[dict[str, Any]]
    count: npt.NDArray[np.int64]


def tests_of(content: Content) -> Iterable[Test]:
    """Every test any clause, caveat, consent, activity or order of the content makes."""
    for accord in content.accords.values():
        for clause in accord.clauses:
            yield from clause.when
    for activity in content.activities.values():
        for clause in activity.scope:
            yield from clause.when
        yield Test("observed_at", "gte", activity.period.from_us)
        yield Test("observed_at", "lt", activity.period.until_us)
        if activity.area is not None:
            yield Test("area", "in", (activity.area,))
    for section in (content.caveats, content.consents, content.orders):
        for restricted in section.values():
            yield from restricted.when


def factor(items: pa.Table, contents: Sequence[Content], *, valid_at_us: int) -> Factored:
    """Rows factored so that every one of the contents judges rows of one code alike.

    Parameters
    ----------
    items
        ITEMS, optionally with a text column ``activity``; n rows.
    contents
        Books to be asked (one, or today's and a draft's); they share vocabulary and levels of the first.
    valid_at_us
        Ages are measured at this instant.

    Raises
    ------
    InputError
        On a column that ITEMS does not have.
    """
    unknown = sorted(set(items.column_names) - {*ITEMS.names, "activity"})
    if unknown:
        raise InputError(f"items have no column {unknown[0]!r}", code="accord.item_field")
    tests = [t for content in contents for t in tests_of(content)]
    used = {*ALWAYS, *(t.field for t in tests)}
    columns = _Columns(items, contents, tests, valid_at_us)
    fields = [(name, *columns.coded(name)) for name in sorted(used - {"from", "to"})]
    code, first = _distinct([(codes, len(values)) for _, codes, values in fields], items.num_rows)
    kinds = [{name: values[codes[row]] for name, codes, values in fields} for row in first.tolist()]
    return Factored(code, kinds, np.bincount(code, minlength=len(kinds)).astype(np.int64))


class _Columns:
    """Codes and values of one field at a time."""

    def __init__(self, items: pa.Table, contents: Sequence[Content], tests: Sequence[Test], valid_at_us: int) -> None:
        self.items, self.contents, self.tests, self.valid_at_us = items, contents, tests, valid_at_us
        self.rows = items.num_rows

    def coded(self, name: str) -> tuple[Codes, list[Any]]:
        """(code a row, value a code) of one field; the value None is unknown."""
        if name in LABELS:
            return self._labels(name)
        if name in SETS:
            return self._sets(name)
        if name in NUMBER_FIELDS:
            return self._numbers(name)
        if name == "area":
            return self._areas()
        if name == "exercise":
            column = self._column(name)
            if column is None:
                return self._zeros(), [False, True]
            codes = pc.fill_null(column, False).to_numpy(zero_copy_only=False).astype(np.int64)
            return codes, [False, True]
        return self._named_ids()

    def _zeros(self) -> Codes:
        return np.zeros(self.rows, np.int64)

    def _column(self, name: str) -> pa.Array | None:
        if name not in self.items.column_names:
            return None
        column = self.items.column(name)
        whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        return None if pa.types.is_null(whole.type) else whole

    def _labels(self, name: str) -> tuple[Codes, list[Any]]:
        column = self._column(name)
        if column is None:
            return self._zeros(), [None]
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        values = [None, *(self._word(name, v) for v in coded.dictionary.to_pylist())]
        return np.add(indices, 1, dtype=np.int64), values

    def _word(self, name: str, value: str | None) -> str | None:
        content = self.contents[0]
        if value is None or (name == "level" and value not in content.levels):
            return None
        if name == "originator" and content.parties and value not in content.parties:
            return None
        words = content.vocabulary.get(name)
        return value if words is None or value in words else None

    def _sets(self, name: str) -> tuple[Codes, list[Any]]:
        column = self._column(name)
        absent: frozenset[str] | None = frozenset() if name == "caveats" else None
        if column is None:
            return self._zeros(), [absent]
        labels = column.flatten().cast(pa.string()).dictionary_encode()
        words = labels.dictionary.to_pylist()
        offsets = column.offsets.to_numpy().astype(np.int64)
        null = column.is_null().to_numpy(zero_copy_only=False)
        flat = pc.fill_null(labels.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        flat_offsets = offsets - offsets[0] if len(offsets) else offsets
        if len(flat) != (flat_offsets[-1] if len(flat_offsets) else 0):
            # nulls with hidden values: flatten dropped them, so lengths say where each row starts
            sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
            flat_offsets = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        words_a_row = max(1, -(-len(words) // BITS_A_WORD))
        parts = [(null.astype(np.int64), 2)]
        masks = [label_bits(flat, flat_offsets, w * BITS_A_WORD, BITS_A_WORD) for w in range(words_a_row)]
        for mask in masks:
            known, inverse = np.unique(mask, return_inverse=True)
            parts.append((inverse.astype(np.int64), len(known)))
        code, first = _distinct(parts, self.rows)
        values: list[Any] = []
        for row in first.tolist():
            named = frozenset(
                words[w * BITS_A_WORD + b]
                for w, mask in enumerate(masks)
                for b in range(BITS_A_WORD)
                if mask[row] >> b & 1
            )
            values.append(absent if null[row] else self._known_set(name, named))
        return code.astype(np.int64), values

    def _known_set(self, name: str, labels: frozenset[str]) -> frozenset[str] | None:
        words = self.contents[0].vocabulary.get(name)
        return labels if words is None or labels <= words else None

    def _number_column(self, name: str) -> npt.NDArray[np.float64] | npt.NDArray[np.int64] | None:
        column = self._column("observed_at" if name == "age_s" else name)
        if column is None:
            return None
        if name in ("age_s", "observed_at"):
            raw = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            return pc.fill_null(raw, 0).to_numpy(zero_copy_only=False)
        return pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False)

    def _numbers(self, name: str) -> tuple[Codes, list[Any]]:
        numbers = self._number_column(name)
        if numbers is None:
            return self._zeros(), [None]
        if name in ("age_s", "observed_at"):
            column = self._column("observed_at")
            null = column.is_null().to_numpy(zero_copy_only=False) if column is not None and column.null_count else None
        else:
            null = np.isnan(numbers)
        if name == "age_s":
            numbers = (self.valid_at_us - numbers) / US_PER_S
        cuts = np.array(sorted({t.value for t in self.tests if t.field == name}))
        # codes 1, 3, 5 ... lie between cuts and 2, 4 ... on them, so that < and <= differ
        left, right = np.searchsorted(cuts, numbers, "left"), np.searchsorted(cuts, numbers, "right")
        codes = (left + right + 1).astype(np.int64)
        if null is not None:
            codes[null] = 0
        values: list[Any] = [None]
        for i, cut in enumerate(cuts.tolist()):
            below = cuts[i - 1] if i else cut - 2.0
            values.extend(((below + cut) / 2.0, cut))
        return codes, [*values, (cuts[-1] + 1.0) if len(cuts) else 0.0]

    def _areas(self) -> tuple[Codes, list[Any]]:
        lat, lon = self._number_column("lat_deg"), self._number_column("lon_deg")
        if lat is None or lon is None:
            return self._zeros(), [None]
        wanted = {n for t in self.tests if t.field == "area" for n in t.value} | {
            t.value for t in self.tests if t.field == "area" and isinstance(t.value, str)
        }
        rings = {name: ring for content in self.contents for name, ring in content.areas.items() if name in wanted}
        missing = np.isnan(lat) | np.isnan(lon)
        parts: list[tuple[Codes, int]] = [(missing.astype(np.int64), 2)]
        parts.extend((inside(ring, lat, lon).astype(np.int64), 2) for ring in rings.values())
        code, first = _distinct(parts, self.rows)
        values = [
            None if missing[row] else frozenset(n for n, (hit, _) in zip(rings, parts[1:], strict=True) if hit[row])
            for row in first.tolist()
        ]
        return code.astype(np.int64), values

    def _named_ids(self) -> tuple[Codes, list[Any]]:
        column = self._column("item_id")
        named = sorted({v for t in self.tests if t.field == "item_id" for v in _several(t.value)})
        if column is None:
            return self._zeros(), [None]
        found = pc.index_in(column.cast(pa.string()), pa.array(named, pa.string()))
        codes = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 2
        codes[column.is_null().to_numpy(zero_copy_only=False)] = 0
        return codes, [None, "\x00none of those named", *named]


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _distinct(parts: Sequence[tuple[Codes, int]], rows: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(dense code a row, first row of each code) of the rows of several coded columns."""
    if rows == 0:
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    key = np.zeros(rows, np.int64)
    size = 1
    for codes, radix in parts:
        if radix <= 1:
            continue
        if size > (1 << 62) // radix:
            known, key = np.unique(key, return_inverse=True)
            size = len(known)
        mixed_key(key, np.ascontiguousarray(codes, np.int64), radix)
        size *= radix
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return inverse.astype(np.int32), first.astype(np.int64)
