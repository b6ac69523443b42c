"""Rows of a table factored into the distinct kinds of thing that the agreements can tell apart.

What enters: an ITEMS table and the content of a book. What leaves: `Factored`, one code a row and one set of normalised
attributes a code. Label sets are dictionary-coded, ordered fields are cut at the thresholds the clauses use, areas are
tested once a row. A field that no clause tests is left out. The rules of `attributes.normalise` hold here too; the
property tests compare the two on every row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kuroshio.accord.areas import inside
from kuroshio.accord.kernels import dense_codes, label_bits, mixed_key
from kuroshio.accord.model import NUMBER_FIELDS, Content, Test
from kuroshio.errors import InputError
from kuroshio.schema import ITEMS
from kuroshio.units import US_PER_S

ALWAYS = ("kind", "subject", "originator", "level", "caveats", "held_under", "releasable_to", "exercise")
LABELS = ("kind", "subject", "originator", "level", "purpose", "activity")
SETS = ("sensors", "caveats", "held_under", "releasable_to")
BITS_A_WORD = 62
KEY_LIMIT = 1 << 62
THREADS = 2
PARALLEL_FROM_ROWS = 50_000

Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Field:
    """One attribute of every kind: ``values[codes[k]]`` is that of kind k, None where unknown."""

    name: str
    codes: npt.NDArray[np.int32]
    values: list[Any]


@dataclass(frozen=True)
class Factored:
    """``code[row]`` is the kind of the row; ``first[k]`` and ``count[k]`` a row and the number of rows of kind k."""

    code: npt.NDArray[np.int32]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    fields: dict[str, Field]

    @property
    def size(self) -> int:
        """Number of kinds."""
        return len(self.count)

    def kind(self, k: int) -> dict[str, Any]:
        """Normalised attributes of one kind."""
        return {name: f.values[f.codes[k]] for name, f in self.fields.items()}


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
        Books to be asked (one, or today's and a draft's); vocabulary and parties are those of the first.
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
    used = sorted({*ALWAYS, *(t.field for t in tests)} - {"from", "to"})
    columns = _Columns(items, contents, tests, valid_at_us)
    if items.num_rows >= PARALLEL_FROM_ROWS:
        with ThreadPoolExecutor(THREADS) as pool:
            coded = list(pool.map(columns.coded, used))
    else:
        coded = [columns.coded(name) for name in used]
    code, first = _distinct([(codes, len(values)) for codes, values in coded], items.num_rows)
    fields = {
        name: Field(name, np.ascontiguousarray(codes[first], np.int32), values)
        for name, (codes, values) in zip(used, coded, strict=True)
    }
    return Factored(code, first, np.bincount(code, minlength=len(first)).astype(np.int64), fields)


class _Columns:
    """Codes and values of one field at a time."""

    def __init__(self, items: pa.Table, contents: Sequence[Content], tests: Sequence[Test], valid_at_us: int) -> None:
        self.items, self.contents, self.tests, self.valid_at_us = items, contents, tests, valid_at_us
        self.rows = items.num_rows

    def coded(self, name: str) -> tuple[Codes, list[Any]]:
        """(code a row, value a code) of one field; the value None is unknown."""
        special: dict[str, Callable[[], tuple[Codes, list[Any]]]] = {
            "area": self._areas,
            "exercise": self._exercise,
            "item_id": self._named_ids,
        }
        if name in special:
            return special[name]()
        if name in LABELS:
            return self._labels(name)
        return self._sets(name) if name in SETS else self._numbers(name)

    def _zeros(self) -> Codes:
        return np.zeros(self.rows, np.int32)

    def _column(self, name: str) -> Any:
        if name not in self.items.column_names:
            return None
        column = self.items.column(name)
        whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return None if pa.types.is_null(whole.type) else whole

    def _exercise(self) -> tuple[Codes, list[Any]]:
        column = self._column("exercise")
        if column is None:
            return self._zeros(), [False, True]
        return pc.fill_null(column, False).cast(pa.int32()).to_numpy(zero_copy_only=False), [False, True]

    def _labels(self, name: str) -> tuple[Codes, list[Any]]:
        column = self._column(name)
        if column is None:
            return self._zeros(), [None]
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        words = [self._word(name, v) for v in coded.dictionary.to_pylist()]
        indices = pc.fill_null(coded.indices, len(words)) if coded.null_count else coded.indices
        return indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False), [*words, None]

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
        flat = (pc.fill_null(labels.indices, -1) if labels.null_count else labels.indices).to_numpy(
            zero_copy_only=False
        )
        if column.null_count:
            sizes = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
            offsets = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        else:
            offsets = column.offsets.to_numpy().astype(np.int64)
            offsets -= offsets[0] if len(offsets) else 0
        parts = [np.zeros((self.rows, 1), np.int64)]
        if column.null_count:
            parts[0][:, 0] = column.is_null().to_numpy(zero_copy_only=False)
        starts = range(0, max(len(words), 1), BITS_A_WORD)
        parts.extend(label_bits(flat, offsets, start, BITS_A_WORD).reshape(-1, 1) for start in starts)
        packed = np.hstack(parts) if column.null_count or len(parts) > 2 else parts[1]
        code, first = dense_codes(np.ascontiguousarray(packed))
        values: list[Any] = []
        for row in first.tolist():
            bits = [int(part[row, 0]) for part in parts[1:]]
            named = frozenset(word for i, word in enumerate(words) if bits[i // BITS_A_WORD] >> i % BITS_A_WORD & 1)
            values.append(absent if parts[0][row, 0] else self._known_set(name, named))
        return code, values

    def _known_set(self, name: str, labels: frozenset[str]) -> frozenset[str] | None:
        words = self.contents[0].vocabulary.get(name)
        return labels if words is None or labels <= words else None

    def _times(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None] | None:
        column = self._column("observed_at")
        if column is None:
            return None
        raw = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        null = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        return pc.fill_null(raw, 0).to_numpy(zero_copy_only=False), null

    def _degrees(self, name: str) -> npt.NDArray[np.float64] | None:
        column = self._column(name)
        return None if column is None else pc.fill_null(column, np.nan).to_numpy(zero_copy_only=False)

    def _numbers(self, name: str) -> tuple[Codes, list[Any]]:
        assert name in NUMBER_FIELDS
        numbers: Any
        if name in ("age_s", "observed_at"):
            times = self._times()
            if times is None:
                return self._zeros(), [None]
            numbers, null = times
            if name == "age_s":
                numbers = (self.valid_at_us - numbers) / US_PER_S
        else:
            numbers = self._degrees(name)
            if numbers is None:
                return self._zeros(), [None]
            null = np.isnan(numbers)
        cuts = np.array(sorted({t.value for t in self.tests if t.field == name}))
        # codes 0, 2, 4 ... lie between cuts and 1, 3 ... on them, so that < and <= differ
        codes = np.zeros(self.rows, np.int32)
        for cut in cuts:  # over thresholds, not over rows
            codes += numbers >= cut
            codes += numbers > cut
        values: list[Any] = []
        for i, cut in enumerate(cuts.tolist()):
            below = cuts[i - 1] if i else cut - 2.0
            values.extend(((below + cut) / 2.0, cut))
        values.extend(((cuts[-1] + 1.0) if len(cuts) else 0.0, None))
        if null is not None:
            codes[null] = len(values) - 1
        return codes, values

    def _areas(self) -> tuple[Codes, list[Any]]:
        lat, lon = self._degrees("lat_deg"), self._degrees("lon_deg")
        if lat is None or lon is None:
            return self._zeros(), [None]
        wanted = {name for t in self.tests if t.field == "area" for name in _several(t.value)}
        rings = {name: ring for content in self.contents for name, ring in content.areas.items() if name in wanted}
        missing = np.isnan(lat) | np.isnan(lon)
        hits = [inside(ring, lat, lon) for ring in rings.values()]
        code, first = _distinct([(missing.astype(np.int32), 2), *((h.astype(np.int32), 2) for h in hits)], self.rows)
        values = [
            None if missing[row] else frozenset(name for name, hit in zip(rings, hits, strict=True) if hit[row])
            for row in first.tolist()
        ]
        return code, values

    def _named_ids(self) -> tuple[Codes, list[Any]]:
        column = self._column("item_id")
        named = sorted({v for t in self.tests if t.field == "item_id" for v in _several(t.value)})
        if column is None:
            return self._zeros(), [None]
        found = pc.index_in(column.cast(pa.string()), pa.array(named, pa.string()))
        codes = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32) + 2
        if column.null_count:
            codes[column.is_null().to_numpy(zero_copy_only=False)] = 0
        return codes, [None, "\x00none of those named", *named]


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _distinct(parts: Sequence[tuple[Codes, int]], rows: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(dense code a row, first row of each code) of the rows of several coded columns."""
    if rows == 0:
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    words: list[npt.NDArray[np.int64]] = []
    size = KEY_LIMIT
    for codes, radix in parts:
        if radix <= 1:
            continue
        if size > KEY_LIMIT // radix:
            words.append(np.zeros(rows, np.int64))
            size = 1
        mixed_key(words[-1], np.ascontiguousarray(codes, np.int32), radix)
        size *= radix
    if not words:
        words.append(np.zeros(rows, np.int64))
    return dense_codes(np.ascontiguousarray(np.stack(words, axis=1)))
