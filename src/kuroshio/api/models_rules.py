"""Rules of a watch: what is asked and answered of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from kuroshio.api.models import Answer, Request, Time


class RuleProposal(Request):
    """A rule as a file has it under ``rules``."""

    rule: dict[str, Any]


class Rehearsal(Request):
    """How far back a dry run looks."""

    days: Annotated[int, Field(ge=1, le=366)] = 30


class RuleSwitch(Request):
    """What a rule is to be."""

    state: Literal["active", "shadow", "withdrawn"]


class RuleSilence(Request):
    """Behaviour that begins before a time raises nothing by the rule; a past time lifts it."""

    until: Annotated[str, Field(max_length=64, description="RFC 3339")]


class RuleDryRun(Answer):
    """What a rule would have raised of the alerts the node knew."""

    rule: str
    version: str
    raised: int
    joined: Annotated[int, Field(description="alerts that came to one raised already")]
    over_budget: int
    silenced: int
    by_day: dict[str, int]
    by_behaviour: dict[str, int]
    examples: list[str]
    days: int
    looked_at: Annotated[int, Field(description="alerts of definitions in these days")]
    known_from: Time | None
    known_to: Time | None
    at: Time


class WatchRule(Answer):
    """One rule: what it asks, how it stands, what it met since it was first on."""

    id: str
    title: str
    version: str
    state: Literal["proposed", "shadow", "active", "withdrawn"]
    origin: Annotated[str, Field(description="file (the node file) or watch (this API)")]
    by: str
    since: Time | None
    sentence: str
    rule: dict[str, Any]
    silent_until: Time | None
    dry_run: RuleDryRun | None
    raised: int
    joined: int
    over_budget: int
    silenced: int
    shadow: Annotated[int, Field(description="alerts it would have raised while in shadow")]


class RuleHit(Answer):
    """An alert that a rule met, and what became of it."""

    version: str
    alert_id: str
    shadow: bool
    outcome: Literal["raised", "joined", "over_budget", "silenced"]
    zone: str | None
    start_at: Time
    known_at: Time
    summary: str
