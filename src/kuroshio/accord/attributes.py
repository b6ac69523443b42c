"""Attributes of one thing, normalised for tests: absent, or outside the declared words, is None.

What enters: a mapping with the columns of `kuroshio.schema.ITEMS` (and ``activity``). What leaves: a dict by test
field, list attributes as frozensets, the areas it lies in, its age. The whole-column form of the same rules is in
`columns`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from kuroshio import clock
from kuroshio.accord.areas import inside
from kuroshio.accord.model import Content
from kuroshio.errors import InputError
from kuroshio.schema import ITEMS
from kuroshio.units import US_PER_S

ITEM_FIELDS = frozenset((*ITEMS.names, "activity"))
REQUIRED = ("kind", "subject", "originator", "level")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def to_us(value: Any) -> int | None:
    """UTC microseconds of a time given as integer, datetime with zone, RFC 3339 text or None."""
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise InputError(f"time without an offset: {value}", code="input.time")
        delta = value - _EPOCH
        return (delta.days * 86_400 + delta.seconds) * US_PER_S + delta.microseconds
    return clock.parse_rfc3339(value) if isinstance(value, str) else int(value)


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _label(content: Content, field: str, value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    if field == "originator" and content.parties and text not in content.parties:
        return None
    words = content.vocabulary.get(field)
    return text if words is None or text in words else None


def _labels(content: Content, field: str, value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    labels = frozenset(str(v) for v in value)
    words = content.vocabulary.get(field)
    return labels if words is None or labels <= words else None


def normalise(content: Content, item: Mapping[str, Any], *, valid_at_us: int) -> dict[str, Any]:
    """Attributes of one thing by test field; None is unknown.

    Parameters
    ----------
    content
        Vocabulary, levels, parties and areas.
    item
        Columns of ITEMS by name; missing keys are absent. Times as microseconds, datetime or RFC 3339.
    valid_at_us
        Age is measured at this instant.

    Raises
    ------
    InputError
        On a key that ITEMS does not have: a misspelt restriction must not be lost.
    """
    unknown = sorted(set(item) - ITEM_FIELDS)
    if unknown:
        raise InputError(f"item has no attribute {unknown[0]!r}", code="accord.item_field")
    observed = to_us(item.get("observed_at"))
    lat, lon = _number(item.get("lat_deg")), _number(item.get("lon_deg"))
    level = item.get("level")
    areas = None
    if lat is not None and lon is not None:
        areas = frozenset(name for name, ring in content.areas.items() if inside(ring, lat, lon)[0])
    held = item.get("held_under")
    return {
        **{f: _label(content, f, item.get(f)) for f in ("kind", "subject", "originator", "purpose", "activity")},
        "item_id": item.get("item_id"),
        "level": level if level in content.levels else None,
        "observed_at": observed,
        "age_s": None if observed is None else (valid_at_us - observed) / US_PER_S,
        "lat_deg": lat,
        "lon_deg": lon,
        "area": areas,
        "sensors": _labels(content, "sensors", item.get("sensors")),
        "caveats": _labels(content, "caveats", item.get("caveats") or ()),
        "held_under": None if held is None else frozenset(held),
        "releasable_to": _labels(content, "releasable_to", item.get("releasable_to")),
        "exercise": bool(item.get("exercise")),
    }
