"""Answers about alerts: one with its changes, and how often the rules that raise them were right."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kuroshio.api.models import Alert, Answer, Time


class AlertChange(Answer):
    """One row of the ledger of an alert: what changed, and when the node knew."""

    change: str
    grade: str | None = None
    severity: str
    summary: str
    known_at: Time
    start_at: Time
    end_at: Time | None


class AlertStory(Alert):
    """Alert with every change of it, oldest first."""

    changes: list[AlertChange]


class AlertRule(Answer):
    """What the watch said of the alerts of one definition, or of one rule (``rule.`` and its id)."""

    definition: str
    title: Annotated[str | None, Field(description="of a rule")] = None
    state: Annotated[str | None, Field(description="of a rule: proposed, shadow, active or withdrawn")] = None
    alerts: int
    void: int
    true: int
    false: int
    duplicate: int
    precision: Annotated[float | None, Field(description="true / (true + false); null where neither was said")]
