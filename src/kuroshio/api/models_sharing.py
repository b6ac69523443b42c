"""Shapes of what was released and what waits to be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from kuroshio.api.models import Answer, Note, Request, Time


class Release(Answer):
    """A release, its clause and its state."""

    release_id: str
    to: str
    at: Time
    accord: str
    clause: str
    obligations: dict[str, Any]
    rows: int
    state: str
    retain_until: Time | None = None
    tightened_at: Time | None = None
    tightening_confirmed_at: Time | None = None


class Recall(Request):
    """Why a release is withdrawn."""

    reason: Annotated[str, Field(min_length=1, max_length=4000)]


class Tighten(Request):
    """When a release must be gone at its partner, earlier than before, and why."""

    retain_until: Time
    reason: Annotated[str, Field(min_length=1, max_length=4000)]


class Pending(Answer):
    """An item whose release waits for a person of a role."""

    item_id: str
    to: str
    role: str
    accord: str
    clause: str
    since: Time | None = None
    text: str | None = None


class Consent(Request):
    """A person's answer to a pending decision."""

    grant: bool
    note: Note = ""
