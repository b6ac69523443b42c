"""Shapes of what the record answers."""

from __future__ import annotations

from typing import Any

from kuroshio.api.models import Answer


class Knew(Answer):
    """Signed report of what a party knew at a time; ``kuroshio record verify`` checks it."""

    report: dict[str, Any]
    key_id: str
    signature: str
