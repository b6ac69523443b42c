"""Structure of ASTERIX categories as flat tables, compiled from libasterix's published specifications.

What enters: a category and an edition. What leaves: where the bytes of each item lie in a record, as arrays that
`asterix_scan` walks. The meaning of items (units, signs) is in `asterix`; libasterix (MIT) itself is the reference
that tests compare with, field by field: it reads some 6,000 records a second, this walk some millions.
"""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kuroshio.errors import ConfigError

SPARE, FIXED, EXTENDED, REPETITIVE, EXPLICIT, COMPOUND = range(6)


@dataclass(frozen=True)
class Layout:
    """Items of one edition: rows are slots, the first `frns` are the fields of the record in FSPEC order.

    ``items[slot] = (kind, a, b, c)``: FIXED a bytes; EXTENDED extents ``a`` to ``a + b`` of `extents`, c is 1 when the
    last has an extension bit; REPETITIVE with ``a`` count bytes (0: extension bits) of ``b`` bytes each; EXPLICIT a
    length byte; COMPOUND sub-items are slots ``a`` to ``a + b``, at most ``c`` bytes of presence bits.
    """

    category: int
    edition: str
    frns: int
    fspec_bytes: int
    items: npt.NDArray[np.int32]
    extents: npt.NDArray[np.int32]
    slots: dict[str, int]


@functools.cache
def _specifications() -> Any:
    """Those of all categories; deferred: they take 0.8 s and 80 MB to load."""
    collects = gc.isenabled()
    gc.disable()  # a million objects that stay: to look among them again and again took much of the time
    try:
        import asterix.generated as generated
    finally:
        if collects:
            gc.enable()
    return generated.manifest["CATS"]


@functools.cache
def layout(category: int, edition: str | None = None) -> Layout:
    """Layout of a category; `edition` such as ``1.31``, None for the newest known.

    Raises
    ------
    ConfigError
        When the category or the edition is not known.
    """
    categories: Any = _specifications()
    known = categories.get(category)
    if not known:
        raise ConfigError(f"ASTERIX category {category} is not known", code="asterix.category")
    names = [".".join(map(str, c.cv_edition)) for c in known]
    if edition is not None and edition not in names:
        raise ConfigError(
            f"ASTERIX category {category} has no edition {edition}: known are {', '.join(names)}",
            code="asterix.edition",
        )
    chosen = known[-1] if edition is None else known[names.index(edition)]
    if not hasattr(chosen.cv_uap, "cv_record"):
        raise ConfigError(f"ASTERIX category {category} has several field orders", code="asterix.category")
    return _compile(chosen, names[-1] if edition is None else edition)


def _compile(spec: Any, edition: str) -> Layout:
    record = spec.cv_uap.cv_record
    rows: list[tuple[int, int, int, int]] = [(SPARE, 0, 0, 0)] * len(record.cv_items_list)
    extents: list[int] = []
    slots: dict[str, int] = {}
    for frn, item in enumerate(record.cv_items_list):
        non_spare = getattr(item, "cv_non_spare", None)
        if non_spare is not None:
            slots[non_spare.cv_name] = frn
            rows[frn] = _row(_variation(non_spare), rows, extents, slots, non_spare.cv_name)
    return Layout(
        spec.cv_category,
        edition,
        len(record.cv_items_list),
        record.cv_fspec_max_bytes,
        np.array(rows, np.int32),
        np.array(extents or [0], np.int32),
        slots,
    )


def _variation(non_spare: Any) -> Any:
    rule = non_spare.cv_rule
    return rule.cv_variation if hasattr(rule, "cv_variation") else rule.cv_default_variation


def _row(
    variation: Any,
    rows: list[tuple[int, int, int, int]],
    extents: list[int],
    slots: dict[str, int],
    name: str,
) -> tuple[int, int, int, int]:
    if hasattr(variation, "cv_bit_size"):  # element or group
        return (FIXED, variation.cv_bit_size // 8, 0, 0)
    if hasattr(variation, "cv_rep_bytes"):
        inner = variation.cv_variation.cv_bit_size
        by_extension = variation.cv_rep_bytes is None
        return (REPETITIVE, variation.cv_rep_bytes or 0, (inner + 1 if by_extension else inner) // 8, 0)
    if hasattr(variation, "cv_explicit_type"):
        return (EXPLICIT, 0, 0, 0)
    if hasattr(variation, "cv_fspec_max_bytes"):
        start, members = len(rows), variation.cv_items_list
        rows.extend([(SPARE, 0, 0, 0)] * len(members))
        for n, member in enumerate(members):
            if member is not None:
                full = f"{name}/{member.cv_name}"
                slots[full] = start + n
                rows[start + n] = _row(_variation(member), rows, extents, slots, full)
        return (COMPOUND, start, len(members), variation.cv_fspec_max_bytes)
    start = len(extents)
    parts = variation.cv_items_list
    extents.extend(sum(1 if member is None else member[1] for member in part) // 8 for part in parts)
    return (EXTENDED, start, len(parts), int(parts[-1][-1] is None))
