"""Shapes of what the API takes and gives about agreements and the exchanges under them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kuroshio.api.models import Answer, Request, Time

Kind = Literal["support", "equipment", "access"]
Text = Annotated[str, Field(min_length=1, max_length=1_000_000)]
PartyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Moment = Annotated[str | None, Field(description="RFC 3339 date or time", max_length=64)]


class _About(Request):
    """A question about one thing: of the picture by its reference, or by its attributes."""

    item: Annotated[str | None, Field(description="such as track:17", max_length=200)] = None
    attributes: Annotated[dict[str, Any] | None, Field(description="columns of ITEMS by name")] = None
    at: Moment = None
    known: Moment = None

    @model_validator(mode="after")
    def _one(self) -> _About:
        if (self.item is None) == (self.attributes is None):
            raise ValueError("give item or attributes, and not both")
        return self

    @property
    def thing(self) -> str | dict[str, Any]:
        """The reference, or the attributes."""
        return self.item if self.item is not None else (self.attributes or {})


class WhatIf(_About):
    """One decision under assumed states, consents or a draft."""

    to: PartyCode
    assume: dict[str, str] = Field(default_factory=dict, description="accord id to state", max_length=100)
    consents: list[dict[str, Any]] = Field(default_factory=list, max_length=100)
    draft: Annotated[str | None, Field(description="agreement text (YAML)", max_length=1_000_000)] = None


class RouteAsked(_About):
    """Lawful paths of a thing."""

    to: Annotated[str | None, Field(pattern=r"^[A-Z]{3}$", description="absent: every party")] = None
    hops: Annotated[int, Field(ge=1, le=4)] = 2
    breaks: Annotated[bool, Field(description="also what is lost when an accord, a party or a consent falls")] = False


class LabelAsked(_About):
    """Labels of a thing."""

    bind: Annotated[
        str | None,
        Field(description="address of the thing, to bind the label to it (STANAG 4778)", pattern=r"^[!-~]{1,2000}$"),
    ] = None


class LabelGiven(Request):
    """A label of another system."""

    text: Annotated[str, Field(min_length=1, max_length=65_536)]


class Agreement(Request):
    """An agreement text, laid over the agreements of the node for the question only."""

    accord: Text
    at: Moment = None


class Step(Request):
    """One step of an exchange, an answer to a duty, something that starts one, or evidence for a commitment."""

    kind: Literal["support", "equipment", "access", "duty", "happening", "commitment"]
    exchange: Annotated[str, Field(min_length=1, max_length=200, description="id of the exchange, duty or commitment")]
    step: Annotated[str, Field(min_length=1, max_length=80)]
    at: Annotated[str | None, Field(description="RFC 3339, when it happened; default now", max_length=64)] = None
    facts: dict[str, Any] = Field(default_factory=dict)


class Evaluation(Request):
    """AuthZEN evaluation, or a batch of them with defaults."""

    subject: dict[str, Any] | None = None
    action: dict[str, Any] | None = None
    resource: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    evaluations: Annotated[list[dict[str, Any]] | None, Field(max_length=1000)] = None
    options: dict[str, Any] | None = None


class Evaluated(Answer):
    """AuthZEN answer: true only for what may go now and straight."""

    decision: bool
    context: dict[str, Any]


class Exchange(Answer):
    """One support, equipment or access exchange."""

    exchange: str
    kind: Kind
    state: str
    accord: str | None
    last_at: Time
    next: Annotated[list[str], Field(description="steps that may follow")]
    facts: dict[str, Any]
    own_reading: Annotated[dict[str, Any] | None, Field(description="where this node reads the agreements otherwise")]


class Books(Answer):
    """Balances, inventory and reports over all exchanges."""

    balances: list[dict[str, Any]]
    converted_to_cash: list[dict[str, Any]]
    inventory: list[dict[str, Any]]
    uncertain: list[dict[str, Any]]
    report: dict[str, Any]
    refused: list[dict[str, Any]]
    steps: dict[str, list[dict[str, Any]]]


class Duty(Answer):
    """A duty with its clock."""

    id: str
    cite: str
    on: str
    about: str
    notify: str
    due: Time
    state: Literal["open", "met", "late", "waived"]


class Commitment(Answer):
    """A promise with its evidence, or none."""

    id: str
    text: str
    source: str
    made: str
    owners: dict[str, str]
    due: str | None
    evidence: list[str]
    state: Literal["open", "overdue", "evidenced"]


class Activity(Answer):
    """An exercise, patrol, relief operation or meeting, and the scope within it."""

    id: str
    kind: Literal["exercise", "patrol", "relief", "meeting"]
    accord: str
    participants: list[str]
    state: Literal["planned", "running", "over"]
    scope: list[dict[str, Any]]
