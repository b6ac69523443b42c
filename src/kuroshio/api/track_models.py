"""Shapes of the JSON about what a track went through: operators' actions, and its story."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from kuroshio.api.models import Answer, Request, Time


class Operation(Request):
    """An operator's action on tracks."""

    action: Literal["merge", "split", "correlate", "decorrelate", "name", "classify", "drop", "undo"]
    arguments: dict[str, Any] = Field(default_factory=dict)


class OperationRow(Answer):
    """What an operator did to tracks."""

    operation: int
    action: str
    arguments: dict[str, Any]
    by: str
    at: Time
    track_ids: list[int]
    undone_by: int | None


class Story(Answer):
    """Why a track is what it is."""

    track_id: int
    events: list[dict[str, Any]]
    observations: dict[str, Any]
    reports: list[dict[str, Any]]
    gates: dict[str, float]
    identity: list[dict[str, Any]]
    seen: list[dict[str, Any]] = Field(
        default_factory=list, description="Sources with the last time each fed it, of the hour before its newest report"
    )
