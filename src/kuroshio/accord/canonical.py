"""Canonical content of a set of files and its digest: the same whatever the order of files, lists or keys.

What enters: plain entries by section. What leaves: RFC 8785 bytes and their SHA-256. Order that means something (the
levels, the corners of an area, the two names of what a consent lifts) is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785

_ORDERED = frozenset({"order", "polygon", "lifts"})


def canonical(value: Any, key: str = "") -> Any:
    """The value with every list that is a set sorted by its canonical bytes."""
    if isinstance(value, Mapping):
        return {k: canonical(v, k) for k, v in value.items()}
    if isinstance(value, list):
        inner = [canonical(v) for v in value] if key not in _ORDERED else value
        return inner if key in _ORDERED else sorted(inner, key=rfc8785.dumps)
    return value


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, hexadecimal."""
    return hashlib.sha256(rfc8785.dumps(canonical(value))).hexdigest()
